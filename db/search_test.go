package db

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// list is a page with the addresses on it.
func (d *DB) list(t *testing.T, tenantID string, q SubscriberQuery) (SubscriberPage, []string) {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	page, err := d.Subscribers(t.Context(), tenantID, q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	found := []string{}
	for _, s := range page.Rows {
		found = append(found, s.Email)
	}
	return page, found
}

// people have names and addresses that are searched for.
func people() []SignUp {
	return []SignUp{
		named("a/1", "anna.lang@example.com", "Anna", "Lang"),
		named("a/1", "li.wei@gmail.com", "Li", "Wei"),
		named("a/1", "tom@lange.example", "Tom", ""),
		named("a/2", "sofia.marin@example.com", "Sofía", "MARÍN"),
		named("a/1", "jose@example.com", "Jose\u0301", "Groß-Øster"),
		named("a/1", "o'neil_50%\\x@example.com", "Max \"Q\"", "von der Heide"),
		named("a/1", "Ümit@example.com", "Ümit", "İnan"),
		named("b/1", "other.lang@example.com", "Li", "Lang"),
	}
}

func TestSearch(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	for _, s := range people() {
		add(t, d, s)
	}
	look := func(t *testing.T) {
		for text, want := range map[string][]string{
			"lang":          {"tom@lange.example", "anna.lang@example.com"},
			"LANG":          {"tom@lange.example", "anna.lang@example.com"},
			"ang@ex":        {"anna.lang@example.com"},
			"gmail.com":     {"li.wei@gmail.com"},
			"Li":            {"li.wei@gmail.com"}, // two letters begin a word: not sofia's
			"l":             {"anna.lang@example.com", "li.wei@gmail.com"},
			"we":            {"li.wei@gmail.com"},
			"ei":            {},
			"wei li":        {"li.wei@gmail.com"},
			"li anna":       {},
			"  anna   LANG": {"anna.lang@example.com"},
			"marín":         {"sofia.marin@example.com"},
			"marin":         {"sofia.marin@example.com"},
			"sofía":         {"sofia.marin@example.com"},
			"josé":          {"jose@example.com"},
			"gross":         {"jose@example.com"},
			"ster":          {"jose@example.com"},
			"ümit":          {"Ümit@example.com"},
			"ÜM":            {"Ümit@example.com"},
			"inan":          {"Ümit@example.com"},
			"50%":           {"o'neil_50%\\x@example.com"},
			"neil_":         {"o'neil_50%\\x@example.com"},
			`%\x`:           {"o'neil_50%\\x@example.com"},
			"o'n":           {"o'neil_50%\\x@example.com"},
			`"q"`:           {"o'neil_50%\\x@example.com"},
			"der":           {"o'neil_50%\\x@example.com"},
			"%%%":           {},
			"___":           {},
			`a" OR "b`:      {},
			"a AND":         {},
			"lan*":          {},
			"text:lang":     {},
			"\x00\x01":      {"Ümit@example.com", "o'neil_50%\\x@example.com", "jose@example.com", "sofia.marin@example.com", "tom@lange.example", "li.wei@gmail.com", "anna.lang@example.com"},
		} {
			page, found := d.list(t, "a", SubscriberQuery{Text: text})
			slices.Sort(found)
			slices.Sort(want)
			if !slices.Equal(found, want) || page.Total != len(want) {
				t.Errorf("%q: %q of %d, want %q", text, found, page.Total, want)
			}
		}
	}
	t.Run("before anybody is indexed", look)
	if n := d.searchAll(t); n != len(people()) {
		t.Errorf("%d were indexed", n)
	}
	t.Run("indexed", look)
	if _, found := d.list(t, "b", SubscriberQuery{Text: "lang"}); !slices.Equal(found, []string{"other.lang@example.com"}) {
		t.Errorf("the other tenant finds %q", found)
	}
}

// The index follows what changes: names, addresses, and who is erased with everybody.
func TestTheSearchKeepsUp(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2")
	ids := add(t, d, named("a/1", "jane@example.com", "Jane", "Doe"), named("a/1", "joe@example.com", "Joe", "Doe"), signUp("a/2", "jim@example.com"))
	d.searchAll(t)
	d.finds(t, "a", "example", ids...)
	add(t, d, named("a/1", "JANE@example.com", "Janet", "Miller"))
	d.finds(t, "a", "example", ids...) // meanwhile nobody is lost
	d.searchAll(t)
	d.finds(t, "a", "miller", ids[0])
	d.finds(t, "a", "doe", ids[1])
	if _, err := d.write.Exec(`UPDATE subscribers SET email = 'new@example.org', email_key = 'new@example.org' WHERE id = $1`, ids[1]); err != nil {
		t.Fatal(err)
	}
	add(t, d, named("a/1", "jane@example.com", "Janet", "Miller")) // says nothing new
	if n := d.searchAll(t); n != 1 {
		t.Errorf("%d had something new", n)
	}
	d.finds(t, "a", "example.org", ids[1])
	d.finds(t, "a", "joe@", []string{}...)
	if _, err := d.write.Exec(`DELETE FROM subscribers WHERE id = $1`, ids[1]); err != nil {
		t.Fatal(err)
	}
	d.finds(t, "a", "doe")
	last := add(t, d, named("a/1", "later@example.com", "", ""))
	if _, err := d.write.Exec(`DELETE FROM subscribers WHERE id = $1`, last[0]); err != nil { // before it was indexed
		t.Fatal(err)
	}
	d.searchAll(t)
	d.finds(t, "a", "example", ids[0], ids[2])
	if n := number(t, d, `SELECT count(*) FROM search_queue`); n != 0 {
		t.Errorf("%d lines are left in the queue", n)
	}
}

// unqueued wants that nobody is to be gone through any more, and returns the steps that
// were taken until then.
func (d *DB) unqueued(t *testing.T) (steps int) {
	t.Helper()
	for more := true; more; steps++ {
		var err error
		if more, err = d.QueueUnfound(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return steps
}

// Whom an older process signed up is found too, within the hour.
func TestTheSearchMissesNobody(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	ids := add(t, d, signUp("a/1", "one@example.com"), signUp("a/1", "two@example.com"), signUp("b/1", "three@example.com"))
	queued := func(what string, want int) {
		t.Helper()
		d.unqueued(t)
		if n := number(t, d, `SELECT count(*) FROM search_queue`); n != want {
			t.Errorf("%s: %d lines in the queue, want %d", what, n, want)
		}
	}
	forget := func() {
		t.Helper()
		if _, err := d.write.Exec(`DELETE FROM search_rows WHERE id IN ($1, $2)`, ids[0], ids[2]); err != nil {
			t.Fatal(err)
		}
	}
	d.unqueued(t)
	wantN(t, d, 0, `SELECT count(*) FROM search_looks`) // they are in the queue, which comes first
	d.searchAll(t)
	queued("all are found", 0)
	forget()
	d.finds(t, "a", "example", ids[1])
	queued("within the hour", 0)
	now := d.now
	d.now = func() time.Time { return now().Add(unfoundEvery) }
	queued("after it", 2)
	queued("once", 2)
	d.searchAll(t)
	d.finds(t, "a", "example", ids[0], ids[1])
	d.finds(t, "b", "example", ids[2])
}

// Everybody is gone through step by step, each of which any process takes up.
func TestEverybodyIsGoneThroughStepByStep(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	var crowd []SignUp
	for i := range unfoundAtOnce + 1 {
		crowd = append(crowd, signUp("a/1", fmt.Sprintf("reader%04d@example.com", i)))
	}
	ids := append(add(t, d, crowd...), add(t, d, signUp("b/1", "other@example.com"))...)
	if _, err := d.write.Exec(`DELETE FROM search_queue`); err != nil {
		t.Fatal(err)
	}
	step := func(wantMore bool, lines int) {
		t.Helper()
		if more, err := d.QueueUnfound(t.Context()); more != wantMore || err != nil {
			t.Errorf("more %v, %v", more, err)
		}
		wantN(t, d, lines, `SELECT count(*) FROM search_queue`)
	}
	step(true, unfoundAtOnce/searchBatch)
	over := d.refuse(t, "INSERT ON search_queue")
	if _, err := d.QueueUnfound(t.Context()); err == nil {
		t.Error("nobody was queued, and no error")
	}
	over()
	step(false, unfoundAtOnce/searchBatch+2) // one of each
	step(false, unfoundAtOnce/searchBatch+2)
	if n := d.searchAll(t); n != len(ids) {
		t.Errorf("%d were indexed, want %d", n, len(ids))
	}
}

// While very many wait to be indexed, those who came last are found by any part, and the
// others by how their address begins.
func TestSearchOfABacklog(t *testing.T) {
	d := withNewsletters(t, "a/1")
	var ids []string
	for i := range 8 {
		var some []SignUp
		for j := range 100 {
			some = append(some, signUp("a/1", fmt.Sprintf("reader%03d@example.com", i*100+j)))
		}
		ids = append(ids, add(t, d, some...)...)
	}
	d.finds(t, "a", "ader799", ids[799])
	d.finds(t, "a", "ader300", ids[300])
	d.finds(t, "a", "ader299")
	d.finds(t, "a", "reader299", ids[299])
	if _, err := d.IndexSearch(t.Context()); err != nil { // the first 200
		t.Fatal(err)
	}
	d.finds(t, "a", "ader199", ids[199])
	d.finds(t, "a", "ader299")
	for _, order := range []Order{Newest, Oldest} {
		want := ids
		if order == Newest {
			want = reversed(ids)
		}
		for _, from := range []int{0, 1, 199, 200, 201, 499, 598, 599, 600, 601, 799} {
			q := SubscriberQuery{Text: "reader", Order: order, Limit: 20, After: want[from]}
			page, err := d.Subscribers(t.Context(), "a", q)
			if err != nil {
				t.Fatal(err)
			}
			is := wantPage{rows: want[from+1 : min(from+21, len(want))], first: from + 2, total: 800}
			is.check(t, fmt.Sprint(order, " after ", from), page)
			q.After, q.Before = "", want[from]
			if page, err = d.Subscribers(t.Context(), "a", q); err != nil {
				t.Fatal(err)
			}
			is = wantPage{rows: want[max(0, from-20):from], first: max(0, from-20) + 1, total: 800}
			is.check(t, fmt.Sprint(order, " before ", from), page)
		}
	}
	d.searchAll(t)
	d.finds(t, "a", "ader299", ids[299])
}

// wantPage is what a page is to be.
type wantPage struct {
	rows         []string
	first, total int
	more         bool
}

func (w wantPage) check(t *testing.T, what string, page SubscriberPage) {
	t.Helper()
	var got []string
	for _, s := range page.Rows {
		got = append(got, s.ID)
	}
	if len(w.rows) == 0 {
		w.first = 0
	}
	if !slices.Equal(got, w.rows) || page.Total != w.total || page.First != w.first || page.More != w.more {
		t.Errorf("%s: %d rows %v, first %d of %d (%v); want %d rows %v, first %d of %d (%v)", what, len(got), got, page.First, page.Total, page.More, len(w.rows), w.rows, w.first, w.total, w.more)
	}
}

// PostgreSQL without pg_trgm finds how words begin.
func TestSearchWithoutTrigrams(t *testing.T) {
	testdb.PostgresOnly(t, "SQLite always has trigrams")
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	if d.SearchesBeginnings() {
		t.Fatal("this server has no pg_trgm: install PostgreSQL's contrib package")
	}
	for _, statement := range []string{`DROP INDEX search_rows_trigrams`,
		`CREATE INDEX search_rows_words ON search_rows USING gin (array_to_tsvector(string_to_array(ltrim(text, E'\n'), E'\n\n')))`} {
		if _, err := d.write.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.engine.search().prepare(t.Context()); err != nil || !d.SearchesBeginnings() {
		t.Fatalf("not noticed, %v", err)
	}
	for _, s := range people() {
		add(t, d, s)
	}
	d.searchAll(t)
	for text, want := range map[string][]string{
		"lang":         {"anna.lang@example.com"},
		"anna.la":      {"anna.lang@example.com"},
		"ang":          {},
		"li we":        {"li.wei@gmail.com"},
		"MARÍ":         {"sofia.marin@example.com"},
		"o'neil_50":    {"o'neil_50%\\x@example.com"},
		`o'neil_50%\x`: {"o'neil_50%\\x@example.com"},
		`"q`:           {"o'neil_50%\\x@example.com"},
		"x' | 'l":      {},
		"li & anna":    {},
	} {
		if _, found := d.list(t, "a", SubscriberQuery{Text: text}); !slices.Equal(found, want) {
			t.Errorf("%q: %q, want %q", text, found, want)
		}
	}
}

func TestFilters(t *testing.T) {
	d, ids := listedPeople(t)
	t.Run("before anybody is indexed", func(t *testing.T) { filters(t, d, ids) })
	d.searchAll(t)
	t.Run("indexed", func(t *testing.T) { filters(t, d, ids) })
}

func filters(t *testing.T, d *DB, ids map[string]string) {
	day := func(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }
	for name, tt := range map[string]struct {
		q    SubscriberQuery
		want string
	}{
		"nothing":               {SubscriberQuery{}, "six five four three two one"},
		"a state":               {SubscriberQuery{State: Attention}, "three two"},
		"a cause":               {SubscriberQuery{Reason: "ODD"}, "four two"},
		"a cause of a state":    {SubscriberQuery{Reason: "ODD", State: Waiting}, "four"},
		"no such cause":         {SubscriberQuery{Reason: "NONE"}, ""},
		"a newsletter":          {SubscriberQuery{Newsletter: "a/1"}, "five three one"},
		"another's newsletter":  {SubscriberQuery{Newsletter: "b/1"}, ""},
		"from a day":            {SubscriberQuery{From: day(2)}, "six five four three"},
		"until a day":           {SubscriberQuery{To: day(2)}, "two one"},
		"a day":                 {SubscriberQuery{From: day(2), To: day(3)}, "four three"},
		"half an hour":          {SubscriberQuery{From: day(2).Add(9*time.Hour + 30*time.Minute), To: day(2).Add(10*time.Hour + 30*time.Minute)}, "four three"},
		"before that":           {SubscriberQuery{To: day(2).Add(9*time.Hour + 30*time.Minute)}, "two one"},
		"a newsletter's state":  {SubscriberQuery{Newsletter: "a/1", State: Attention}, "three"},
		"a newsletter's cause":  {SubscriberQuery{Newsletter: "a/2", Reason: "ODD"}, "four two"},
		"a newsletter's day":    {SubscriberQuery{Newsletter: "a/2", From: day(3)}, "six"},
		"a state's day":         {SubscriberQuery{State: Waiting, From: day(3)}, "six five"},
		"a cause's day":         {SubscriberQuery{Reason: "ODD", From: day(2)}, "four"},
		"words and a state":     {SubscriberQuery{Text: "example", State: Attention}, "three two"},
		"words and all":         {SubscriberQuery{Text: "example", Reason: "ODD", Newsletter: "a/2", To: day(2)}, "two"},
		"words and a day":       {SubscriberQuery{Text: "example", From: day(3)}, "six five"},
		"words, not the filter": {SubscriberQuery{Text: "one", State: Waiting}, ""},
		"the oldest":            {SubscriberQuery{Order: Oldest, State: Waiting}, "four five six"},
		"by address":            {SubscriberQuery{Order: ByAddress}, "five four one six three two"},
		"by name":               {SubscriberQuery{Order: ByName, Newsletter: "a/1"}, "five one three"},
		"words by address":      {SubscriberQuery{Order: ByAddress, Text: "example"}, "five four one six three two"},
		"words by name":         {SubscriberQuery{Order: ByName, Text: "example", State: Waiting}, "five four six"},
	} {
		var want []string
		for _, name := range strings.Fields(tt.want) {
			want = append(want, ids[name])
		}
		for limit := 1; limit <= 7; limit++ {
			tt.q.Limit = limit
			if got := walk(t, d, tt.q, false); !slices.Equal(got, want) {
				t.Errorf("%s by %d: %v, want %v", name, limit, got, want)
			}
			for i := range want {
				after, before := tt.q, tt.q
				after.After, before.Before = want[i], want[i]
				page, err := d.Subscribers(t.Context(), "a", after)
				if err != nil {
					t.Fatal(err)
				}
				wantPage{want[i+1 : min(i+1+limit, len(want))], i + 2, len(want), false}.check(t, name+" after", page)
				if page, err = d.Subscribers(t.Context(), "a", before); err != nil {
					t.Fatal(err)
				}
				wantPage{want[max(0, i-limit):i], max(0, i-limit) + 1, len(want), false}.check(t, name+" before", page)
			}
		}
		if page, _ := d.list(t, "a", tt.q); page.Total != len(want) || page.More {
			t.Errorf("%s: %d (%v), want %d", name, page.Total, page.More, len(want))
		}
	}
	page, _ := d.list(t, "a", SubscriberQuery{})
	if len(page.Filters.Newsletters) != 2 || page.Filters.Newsletters[0].Slug != "a/1" || len(page.Filters.Causes) != 3 {
		t.Errorf("filters %+v", page.Filters)
	}
}

// Who gave no name comes last by name.
func TestByNameIsForThoseWhoHaveOne(t *testing.T) {
	d := withNewsletters(t, "a/1")
	add(t, d, signUp("a/1", "none@example.com"), named("a/1", "b@example.com", "Zoe", "Adler"), named("a/1", "c@example.com", "", "zimmer"), named("a/1", "d@example.com", "Max", ""))
	if _, found := d.list(t, "a", SubscriberQuery{Order: ByName}); !slices.Equal(found, []string{"d@example.com", "b@example.com", "c@example.com", "none@example.com"}) {
		t.Errorf("got %v", found)
	}
}

// Who waits while everything is paused does so for the pause, whatever their own reason.
func TestThePauseIsACause(t *testing.T) {
	d, _ := listedPeople(t)
	if err := d.SetPause(t.Context(), Lease{DestinationKey: first("a"), Owner: "me"}, Pause{Reason: "down"}); err != nil {
		t.Fatal(err)
	}
	for reason, want := range map[string][]string{
		"down": {"six@example.com", "five@example.com", "four@example.com"},
		"ODD":  {"two@example.com"},
	} {
		if page, found := d.list(t, "a", SubscriberQuery{Reason: reason}); !slices.Equal(found, want) || page.Total != len(want) {
			t.Errorf("%s: %v of %d", reason, found, page.Total)
		}
	}
	if _, found := d.list(t, "a", SubscriberQuery{Reason: "ODD", State: Waiting}); len(found) != 0 {
		t.Errorf("got %v", found)
	}
	if page, found := d.list(t, "a", SubscriberQuery{Reason: "down", State: Waiting, Text: "exam"}); len(found) != 3 || len(page.Filters.Causes) != 2 || page.Filters.Pause.Reason != "down" {
		t.Errorf("got %v, %+v", found, page.Filters)
	}
}

// Totals are exact up to the border, and where counts are kept; other orders are for as
// many as that.
func TestTotalsAtTheBorder(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2")
	var ids []string
	for i := range 6 {
		ids = append(ids, add(t, d, named("a/1", fmt.Sprintf("%d@example.com", 9-i), "", ""))...)
	}
	ids = append(ids, add(t, d, signUp("a/2", "other@example.com"))...)
	newest := reversed(ids)
	for _, indexed := range []bool{false, true} {
		if indexed {
			d.searchAll(t)
		}
		for counted := 5; counted <= 8; counted++ {
			d.counted = counted
			what := fmt.Sprintf("%v, up to %d", indexed, counted)
			at := func(q SubscriberQuery) SubscriberPage {
				t.Helper()
				q.Limit = 2
				page, err := d.Subscribers(t.Context(), "a", q)
				if err != nil {
					t.Fatal(err)
				}
				return page
			}
			more := counted < 7
			total := min(counted, 7)
			wantPage{newest[:2], 1, total, more}.check(t, what+": words", at(SubscriberQuery{Text: "example"}))
			first := 4
			if more {
				first = 0
			}
			wantPage{newest[3:5], first, total, more}.check(t, what+": words, later", at(SubscriberQuery{Text: "example", After: newest[2]}))
			wantPage{newest[:2], 1, 7, false}.check(t, what+": all", at(SubscriberQuery{}))
			wantPage{newest[3:5], first, 7, false}.check(t, what+": all, later", at(SubscriberQuery{After: newest[2]}))
			wantPage{newest[1:3], 1, 6, false}.check(t, what+": a newsletter", at(SubscriberQuery{Newsletter: "a/1"}))
			wantPage{newest[:2], 1, total, more}.check(t, what+": a time", at(SubscriberQuery{From: time.Date(2026, 3, 1, 10, 15, 0, 0, time.UTC)}))
			byAddress := at(SubscriberQuery{Order: ByAddress})
			if want := map[bool]Order{false: ByAddress, true: Newest}[more]; byAddress.Order != want || byAddress.Rows[0].ID != newest[map[bool]int{false: 1, true: 0}[more]] {
				t.Errorf("%s: ordered by %q", what, byAddress.Order)
			}
			if page := at(SubscriberQuery{Text: "example", Order: ByAddress}); page.Order == ByAddress == more {
				t.Errorf("%s: words ordered by %q", what, page.Order)
			}
		}
	}
}

// A time bounds the positions too that SQLite's index is asked for, and nobody is missed
// whose position is late: who signed up with an older process got it hours after others.
func TestPositionsOfATime(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	d.counted = 1 // so that the index is asked
	day := func(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }
	join := func(n, hour int) string {
		s := signUp("a/1", fmt.Sprintf("%d.%d@example.com", n, hour))
		s.At = day(n).Add(time.Duration(hour) * time.Hour)
		return d.came(t, add(t, d, s)[0], s.At)
	}
	add(t, d, signUp("b/1", "other@example.com"))
	want, late := map[int][]string{}, "" // who came on each day; and who did yesterday, at noon, with an older process
	for n := 1; n <= 9; n++ {
		want[n] = append(want[n], join(n, 8))
		d.searchAll(t)
		if err := d.tx(t.Context(), func(tx *sql.Tx) error { return queueIDs(t.Context(), tx, "a", strings.Fields(late)) }); err != nil {
			t.Fatal(err)
		}
		d.searchAll(t)
		late = join(n, 12)
		if _, err := d.write.Exec(`DELETE FROM search_queue WHERE tenant_id = 'a'`); err != nil {
			t.Fatal(err)
		}
		if n < 9 {
			want[n] = append(want[n], late)
		}
	}
	for _, order := range []Order{Newest, Oldest, ByAddress} {
		for from := 0; from <= 10; from++ {
			for to := from + 1; to <= 11; to++ {
				q := SubscriberQuery{Text: "example", Order: order, Limit: 100}
				if from > 0 {
					q.From = day(from)
				}
				if to < 11 {
					q.To = day(to)
				}
				var there []string
				for n := from; n < to; n++ {
					there = append(there, want[n]...)
				}
				page, err := d.Subscribers(t.Context(), "a", q)
				if err != nil {
					t.Fatal(err)
				}
				var found []string
				for _, s := range page.Rows {
					found = append(found, s.ID)
				}
				slices.Sort(found)
				if slices.Sort(there); !slices.Equal(found, there) {
					t.Errorf("%q from %d to %d: %d are found, want %d", order, from, to, len(found), len(there))
				}
			}
		}
	}
}

// Who is indexed between two statements of a sorted list is named once.
func TestASortedListNamesNobodyTwice(t *testing.T) {
	d := withNewsletters(t, "a/1")
	ids := add(t, d, named("a/1", "b@example.com", "", ""), named("a/1", "a@example.com", "", ""))
	l := listing{base: d.base, tenantID: "a", SubscriberQuery: SubscriberQuery{Text: "example", Order: ByAddress, Limit: 10}, words: wordsOf("example")}
	if err := l.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ask(t.Context(), d.read, l.unknown()...); err != nil || len(l.waiting) != 2 {
		t.Fatalf("%v are unknown, %v", l.waiting, err)
	}
	d.searchAll(t)
	var found []string
	if err := ask(t.Context(), d.read, l.sortedIDs(&found)); err != nil || !slices.Equal(found, []string{ids[1], ids[0]}) {
		t.Errorf("found %v, %v", found, err)
	}
	if err := ask(t.Context(), d.read, l.sortedCount()); err != nil || l.total != 2 {
		t.Errorf("%d are counted, %v", l.total, err)
	}
}

// Where the counts say how many of a newsletter there are, nobody is gone through for
// another one.
func TestNoMoreAreLookedForThanThereAre(t *testing.T) {
	d, _ := listedPeople(t)
	for name, tt := range map[string]struct {
		q    SubscriberQuery
		want int
	}{
		"a newsletter":    {SubscriberQuery{Newsletter: "a/2"}, 3},
		"its second page": {SubscriberQuery{Newsletter: "a/2", After: NewID()}, 101},
		"a word":          {SubscriberQuery{Text: "example", Newsletter: "a/2"}, 101},
		"part of an hour": {SubscriberQuery{From: time.Date(2026, 3, 1, 0, 0, 1, 0, time.UTC)}, 101},
		"one state of it": {SubscriberQuery{Newsletter: "a/2", State: Dismissed}, 0},
		"a state of all":  {SubscriberQuery{State: Dismissed}, 101},
	} {
		tt.q.Limit = 100
		l := listing{base: d.base, tenantID: "a", SubscriberQuery: tt.q, words: wordsOf(tt.q.Text)}
		if err := l.prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := l.most(); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
