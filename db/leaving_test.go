package db

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"
)

// copied is a copy of a newsletter's readers, as a program keeps it.
type copied map[string]State

// pages has the copy brought up to date from a cursor on, by pages of so many, and returns the cursor for later.
func (c copied) pages(t *testing.T, d *DB, q FeedQuery, from FeedCursor) FeedCursor {
	t.Helper()
	for range 10_000 {
		page, err := d.ReaderFeed(t.Context(), "a", q, from)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Readers) > q.Limit {
			t.Fatalf("%d of %d", len(page.Readers), q.Limit)
		}
		for _, r := range page.Readers {
			if r.Status == Erased && r.Email != "" || r.Status != Erased && r.Email == "" {
				t.Fatalf("%s is told as %q", r.Status, r.Email)
			}
			c[r.ID] = r.Status
		}
		if from = page.Next; !page.More {
			return from
		}
	}
	t.Fatal("it doesn't end")
	return from
}

var allTold = []State{Active, Left, Erased, Erasing}

// agrees holds the copy against the rows.
func (c copied) agrees(t *testing.T, d *DB, when string) {
	t.Helper()
	n := 0
	err := each(t.Context(), d.read, func(row scanner) error {
		var id string
		var state State
		err := row.Scan(&id, &state)
		if n++; c[id] != state {
			t.Errorf("%s: %s is %s, and told as %q", when, id, state, c[id])
		}
		return err
	}, `SELECT id, state FROM subscribers WHERE newsletter_id = 'a/1' AND state IN ('active', 'left')`)
	if err != nil || n == 0 {
		t.Errorf("%d readers, %v", n, err)
	}
}

// Whoever keeps a copy misses nobody: not those who come, leave and come back while they go from page to page, by several
// processes, and not those whose transaction takes long to be committed.
func TestReaderFeedMissesNobody(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	d.rehearse = false
	q := FeedQuery{NewsletterID: "a/1", States: allTold, Limit: 7}
	c := copied{}
	if page, err := d.ReaderFeed(t.Context(), "a", q, FeedCursor{}); err != nil || len(page.Readers) != 0 || page.More {
		t.Errorf("nobody: %+v, %v", page, err)
	}
	now := func(newsletter, email string) SignUp {
		s := signUp(newsletter, email)
		s.At = d.now()
		return s
	}
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := range 25 {
				email := fmt.Sprintf("%d-%d@example.com", w, i)
				id := add(t, d, now("a/1", email), now("a/2", email), now("b/1", email))[0]
				if i%3 > 0 {
					_, err := d.LeaveOne(t.Context(), "a", id, Leaving{At: d.now(), How: LeftByLink})
					unless(t, err)
				}
				if i%3 > 1 {
					_, err := d.Return(t.Context(), "a", id, "ann")
					unless(t, err)
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { writers.Wait(); close(written) }()
	cursor := FeedCursor{}
	for done := false; !done; {
		select {
		case <-written:
			done = true
		default:
		}
		cursor = c.pages(t, d, q, cursor)
	}
	c.agrees(t, d, "with others who write")
	if len(c) != 75 {
		t.Errorf("%d are told, want 75", len(c))
	}
	if _, alone := d.engine.(*sqliteFile); !alone { // which has one writer at a time
		late, err := d.write.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		id := NewID()
		_, err = late.Exec(`INSERT INTO subscribers (tenant_id, id, newsletter_id, email, email_key, first_name, last_name, source, state, created_at) VALUES ('a', $1, 'a/1', 'late@example.com', 'late@example.com', '', '', 'form', 'active', 7)`, id)
		unless(t, err)
		add(t, d, now("a/1", "after@example.com"))
		cursor = c.pages(t, d, q, cursor)
		if c[id] != "" {
			t.Error("what isn't committed is told")
		}
		unless(t, late.Commit())
		cursor = c.pages(t, d, q, cursor)
		c.agrees(t, d, "committed late")
	}
	// When all has settled, nobody is told again.
	d.later(3 * FeedSettles)
	cursor = copied{}.pages(t, d, q, cursor)
	again := copied{}
	again.pages(t, d, q, cursor)
	if len(again) != 0 {
		t.Errorf("%d are told again", len(again))
	}
}

// Who isn't told, who is told how, and how a page is cut.
func TestReaderFeed(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2")
	ids := map[string]string{}
	for _, name := range []string{"active", "left", "held", "unconfirmed", "erasing", "gone", "renamed"} {
		ids[name] = add(t, d, signUp("a/1", name+"@example.com"))[0]
	}
	add(t, d, signUp("a/2", "active@example.com"))
	_, err := d.LeaveOne(t.Context(), "a", ids["left"], Leaving{At: d.now(), How: LeftByOneClick, Why: "x"})
	unless(t, err)
	for name, state := range map[string]string{"held": "held", "unconfirmed": "unconfirmed", "erasing": "erasing"} {
		_, err := d.write.Exec(`UPDATE subscribers SET state = $1 WHERE id = $2`, state, ids[name])
		unless(t, err)
	}
	_, err = d.write.Exec(`DELETE FROM subscribers WHERE id = $1`, ids["gone"])
	unless(t, err)
	_, err = d.write.Exec(`INSERT INTO removals (tenant_id, subscriber_id, newsletter_id, hour, repeated, revision, actor, asked_at, ended_at, erased, kind) VALUES ('a', $1, 'a/1', 0, 0, 0, '', $2, $2, 1, 'erased'), ('a', 'x', 'a/1', 0, 0, 0, '', $2, $2, 1, 'expired')`, ids["gone"], millis(d.now()))
	unless(t, err)
	_, err = d.EditSubscriber(t.Context(), "a", ids["renamed"], Edit{Email: "other@example.com", EmailKey: "other@example.com"}, "ann")
	unless(t, err)
	for limit := 1; limit <= 6; limit++ {
		c := copied{}
		c.pages(t, d, FeedQuery{NewsletterID: "a/1", States: allTold, Limit: limit}, FeedCursor{})
		want := copied{ids["active"]: Active, ids["left"]: Left, ids["erasing"]: Erased, ids["gone"]: Erased, ids["renamed"]: Active}
		if fmt.Sprint(c) != fmt.Sprint(want) {
			t.Errorf("by %d: %v, want %v", limit, c, want)
		}
	}
	page, err := d.ReaderFeed(t.Context(), "a", FeedQuery{NewsletterID: "a/1", States: []State{Left}, Limit: 9}, FeedCursor{})
	if err != nil || len(page.Readers) != 1 || page.Readers[0].Leaving.How != LeftByOneClick || page.Readers[0].ChangedAt.Before(d.now().Add(-time.Minute)) {
		t.Errorf("%+v, %v", page, err)
	}
	for what, since := range map[int]time.Time{0: d.now().Add(time.Minute), 5: d.now().Add(-time.Minute)} {
		c := copied{}
		if c.pages(t, d, FeedQuery{NewsletterID: "a/1", States: allTold, Limit: 2}, FeedFrom(since)); len(c) != what {
			t.Errorf("since %v: %v", since, c)
		}
	}
	if page, err := d.ReaderFeed(t.Context(), "b", FeedQuery{NewsletterID: "a/1", States: allTold, Limit: 9}, FeedCursor{}); err != nil || len(page.Readers) != 0 {
		t.Errorf("of another tenant: %+v, %v", page, err)
	}
}

// Whoever begins before there was anybody is told of all; one who begins after everybody, of nobody.
func TestReaderFeedFromAnyTime(t *testing.T) {
	d := withNewsletters(t, "a/1")
	ids := add(t, d, signUp("a/1", "new@example.com"), signUp("a/1", "left@example.com"))
	_, err := d.LeaveOne(t.Context(), "a", ids[1], Leaving{At: d.now(), How: LeftByLink})
	unless(t, err)
	at := func(ms int64) FeedCursor { return FeedCursor{FeedPlace{At: ms}, FeedPlace{At: ms}} }
	for name, from := range map[string]struct {
		FeedCursor
		told int
	}{
		"the first day of all": {FeedFrom(time.Time{}), 2}, "1969": {FeedFrom(time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC)), 2}, "1970": {FeedFrom(time.UnixMilli(0)), 2},
		"a forged cursor": {at(-1), 2}, "one far before": {at(math.MinInt64), 2}, "one that is passed by": {FeedCursor{At: FeedPlace{At: -1}}, 2}, "one with an id": {FeedCursor{At: FeedPlace{At: -1, ID: ids[1]}}, 2},
		"the last day that has four digits": {FeedFrom(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)), 0}, "what a UUID has no bits for": {at(1 << 48), 0}, "one far after": {at(math.MaxInt64), 0},
	} {
		c := copied{}
		next := c.pages(t, d, FeedQuery{NewsletterID: "a/1", States: allTold, Limit: 1}, from.FeedCursor)
		if len(c) != from.told {
			t.Errorf("from %s %d are told, want %d", name, len(c), from.told)
		}
		if c.pages(t, d, FeedQuery{NewsletterID: "a/1", States: allTold, Limit: 1}, next); len(c) != from.told {
			t.Errorf("from %s on %d are told, want %d", name, len(c), from.told)
		}
	}
}

// Who was noted, and confirmed since, hasn't left what they confirmed, and has left everything else.
func TestWhoCameBackHasntLeft(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "a/3")
	_, err := d.Suppress(t.Context(), "a", "", LeftByLink, []string{"m"})
	unless(t, err)
	s := toConfirm("jane@example.com")
	s.MAC = "m"
	id := add(t, d, s)[0]
	other := s
	other.NewsletterID = "a/2"
	add(t, d, other)
	left := func(newsletter string) bool {
		t.Helper()
		left, err := d.WhoLeft(t.Context(), "a", newsletter, []Unwanted{{"jane@example.com", "m"}, {"joe@example.com", "n"}})
		if err != nil || left["joe@example.com"] {
			t.Errorf("%v, %v", left, err)
		}
		return left["jane@example.com"]
	}
	test := s
	test.Source = SourceTest
	tests := func() error {
		t.Helper()
		answers, err := d.AddSignUps(t.Context(), []SignUp{test})
		unless(t, err)
		return answers[0].Err
	}
	if !left("a/1") || !errors.Is(tests(), ErrLeft) {
		t.Error("who is to confirm counts as back")
	}
	if got := d.presses(t, "a", id); got != LinkDone {
		t.Fatalf("the link is %s", got)
	}
	if left("a/1") || tests() != nil {
		t.Error("who confirmed counts as left")
	}
	for _, newsletter := range []string{"a/2", "a/3"} {
		if !left(newsletter) {
			t.Errorf("they came back to %s", newsletter)
		}
	}
	s.Held = []string{"burst"}
	add(t, d, s)
	if h, err := d.HoldOf(t.Context(), "a", id); err != nil || !slices.Equal(h.Reasons, []string{"burst"}) {
		t.Errorf("held for %v, %v", h.Reasons, err)
	}
	_, err = d.LeaveAll(t.Context(), "a", "jane@example.com", Leaving{At: d.now(), How: LeftByLink})
	unless(t, err)
	if !left("a/1") {
		t.Error("they left again")
	}
}

// A file of addresses has those who are there leave, and notes the others; killed and gone on with, it does so once.
func TestSuppressionList(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	var addresses []Unwanted
	for i := range 2*listBatch + 10 {
		addresses = append(addresses, Unwanted{fmt.Sprintf("r%d@example.com", i), fmt.Sprintf("mac%04d", i)})
	}
	for i := range 4 {
		add(t, d, signUp("a/1", addresses[i].EmailKey), signUp("a/2", addresses[i].EmailKey), signUp("b/1", addresses[i].EmailKey))
	}
	_, err := d.LeaveAll(t.Context(), "a", addresses[3].EmailKey, Leaving{At: d.now(), How: LeftByLink})
	unless(t, err)
	work := func(newsletter string) SuppressionList {
		t.Helper()
		l, err := d.StartList(t.Context(), SuppressionList{TenantID: "a", NewsletterID: newsletter, Actor: "ann", Unreadable: []int{7}, UnreadableN: 1}, addresses)
		unless(t, err)
		if _, err := d.StepList(t.Context(), "b", l.ID); err == nil {
			t.Error("another tenant's is gone on with")
		}
		for n := 0; l.EndedAt.IsZero(); n++ {
			if l, err = d.StepList(t.Context(), "a", l.ID); err != nil || n > 9 {
				t.Fatal(n, err)
			}
		}
		got, err := d.SuppressionList(t.Context(), "a", l.ID)
		if err != nil || got.Left != l.Left || got.UnreadableN != 1 || !slices.Equal(got.Unreadable, []int{7}) || got.EndedAt.IsZero() {
			t.Errorf("%+v, %v", got, err)
		}
		wantN(t, d, 0, `SELECT count(*) FROM suppression_lines`)
		return l
	}
	if l := work("a/1"); l.Total != 510 || l.Done != 510 || l.Left != 3 || l.Noted != 506 || l.Known != 1 {
		t.Errorf("%+v", l)
	}
	d.agrees(t, "a", Sums{New: 8, Left: 5, Waiting: 3, Ended: 5})
	if l := work("a/1"); l.Left != 0 || l.Noted != 0 || l.Known != 510 {
		t.Errorf("once more: %+v", l)
	}
	if l := work(""); l.Left != 3 || l.Noted != 506 || l.Known != 1 {
		t.Errorf("of all: %+v", l)
	}
	d.agrees(t, "a", Sums{New: 8, Left: 8, Ended: 8})
	d.agrees(t, "b", Sums{New: 4, Waiting: 4})
	counts, err := d.SuppressionCounts(t.Context(), "a")
	if err != nil || fmt.Sprint(counts) != "[{ 510} {a/1 506}]" {
		t.Errorf("%v, %v", counts, err)
	}
	left, err := d.WhoLeft(t.Context(), "a", "a/2", append(addresses, Unwanted{"new@example.com", "other"}))
	if err != nil || len(left) != 510 || left["new@example.com"] {
		t.Errorf("%d left, %v", len(left), err)
	}
	if left, err := d.WhoLeft(t.Context(), "b", "b/1", addresses); err != nil || len(left) != 0 {
		t.Errorf("of another tenant: %d, %v", len(left), err)
	}
	if n, err := d.Unsuppress(t.Context(), "a", "mac0009"); err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := d.Unsuppress(t.Context(), "a", "mac0009"); err != nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := d.Suppress(t.Context(), "a", "", LeftByAPI, []string{"mac0009", "mac0008", "mac0009"}); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	// One that was left lying has one job, whoever looks.
	l, err := d.StartList(t.Context(), SuppressionList{TenantID: "a", NewsletterID: "a/1"}, addresses)
	unless(t, err)
	jobs := func() int { return number(t, d, `SELECT count(*) FROM river_job WHERE kind = 'suppression_list'`) }
	unless(t, d.ResumeLists(t.Context()))
	if jobs() != 0 {
		t.Error("one that is under way got a job")
	}
	d.later(time.Hour)
	unless(t, d.ResumeLists(t.Context()))
	unless(t, d.ResumeLists(t.Context()))
	if jobs() != 1 {
		t.Errorf("%d jobs", jobs())
	}
	unless(t, d.QueueList(t.Context(), "a", l.ID))
	unless(t, d.YieldList(t.Context(), "a", l.ID))
	if lists, err := d.SuppressionLists(t.Context(), "a"); err != nil || len(lists) != 4 || lists[0].ID != l.ID {
		t.Errorf("%+v, %v", lists, err)
	}
}
