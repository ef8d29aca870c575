package db

import (
	"context"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// needy is a database whose tenant a has a subscriber delivered, one that waits
// for a reason, three that need attention for two causes; and b has one.
func needy(t *testing.T) (d *DB, ids []string) {
	t.Helper()
	d = withNewsletters(t, "a/1", "a/2", "b/1")
	ids = add(t, d, signUp("a/1", "in@example.com"), signUp("a/1", "slow@example.com"), signUp("a/1", "odd@example.com"),
		signUp("a/2", "odd@example.com"), signUp("a/1", "long@example.com"), signUp("b/1", "odd@example.com"))
	d.becomes(t, leased(t, d), Outcome{SubscriberID: ids[0], State: Delivered, OrgID: "00D1"},
		Outcome{SubscriberID: ids[1], State: Waiting, Reason: "SLOW", DueAt: time.Now().Add(time.Hour)},
		Outcome{SubscriberID: ids[2], State: Attention, Reason: "ODD", Detail: "No."},
		Outcome{SubscriberID: ids[3], State: Attention, Reason: "ODD"},
		Outcome{SubscriberID: ids[4], State: Attention, Reason: "LONG"})
	other := Lease{DestinationKey: first("b"), Owner: "me"}
	if err := d.TakeLease(context.Background(), other); err != nil {
		t.Fatal(err)
	}
	d.becomes(t, other, Outcome{SubscriberID: ids[5], State: Attention, Reason: "ODD"})
	return d, ids
}

func TestProblems(t *testing.T) {
	d, ids := needy(t)
	got, err := d.Problems(t.Context(), "a")
	want := []Problem{{Attention, "ODD", 2, 1, time.Time{}}, {Attention, "LONG", 1, 1, time.Time{}}, {Waiting, "SLOW", 1, 1, time.Time{}}}
	for i := range got {
		if got[i].Since.IsZero() || time.Since(got[i].Since) > time.Minute {
			t.Errorf("%s since %v", got[i].Reason, got[i].Since)
		}
		got[i].Since = time.Time{}
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	one, err := d.Affected(t.Context(), first("a"), CauseQuery{State: Attention, Reason: "ODD", Limit: 1})
	if err != nil || len(one) != 1 || one[0].ID != ids[2] || one[0].State != Attention || one[0].Reason != "ODD" {
		t.Fatalf("got %+v, %v", one, err)
	}
	if rest, err := d.Affected(t.Context(), first("a"), CauseQuery{State: Attention, Reason: "ODD", After: ids[2], Limit: 9}); err != nil || len(rest) != 1 || rest[0].ID != ids[3] {
		t.Errorf("got %+v, %v", rest, err)
	}
}

func TestRetryAndDismiss(t *testing.T) {
	d, ids := needy(t)
	ctx := t.Context()
	want := func(what string, got bool, err error, want bool) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", what, got, err, want)
		}
		for _, tenant := range []string{"a", "b"} {
			if r := recount(t, d, tenant); !r.Agrees() {
				t.Errorf("%s: %+v", what, r)
			}
		}
	}
	done, err := d.Retry(ctx, first("a"), ids[0], "")
	want("a delivered one", done, err, false)
	done, err = d.Dismiss(ctx, first("a"), ids[1], "", "No.")
	want("a waiting one, which may be under way", done, err, false)
	done, err = d.Retry(ctx, first("b"), ids[2], "")
	want("another tenant's", done, err, false)
	done, err = d.Dismiss(ctx, first("a"), ids[2], "ann", "Not a reader.")
	want("one that needs attention", done, err, true)
	done, err = d.Retry(ctx, first("a"), ids[2], "ann")
	want("the dismissed one after all", done, err, true)
	if s, err := d.Subscriber(ctx, "a", ids[2]); err != nil || s.State != Waiting || s.Reason != "" || s.Attempts != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
	if got := events(t, d, ids[2]); !slices.Equal(got, []string{"attention ODD No.", "dismissed ODD Not a reader.", "waiting"}) {
		t.Errorf("got %q", got)
	}
	if s, err := d.Sums(ctx, "b"); err != nil || s.differing(oneDestination("b", Sums{New: 1, Attention: 1})) != 0 {
		t.Errorf("the other tenant: %+v, %v", s, err)
	}
}

func TestHistory(t *testing.T) {
	d, ids := needy(t)
	h, err := d.History(t.Context(), "a", ids[2])
	events, consents := h.Events, h.Consents
	if err != nil || len(events) != 1 || events[0].State != Attention || events[0].Detail != "No." || len(consents) != 1 || consents[0].Words != "I agree." || consents[0].Source != "form" {
		t.Errorf("got %+v, %+v, %v", events, consents, err)
	}
	if h, err := d.History(t.Context(), "b", ids[2]); len(h.Events)+len(h.Consents) != 0 || err != nil {
		t.Errorf("another tenant's: %+v, %v", h, err)
	}
}

func TestMoments(t *testing.T) {
	d, _ := needy(t)
	if last, err := d.LastDelivered(t.Context(), "a"); err != nil || time.Since(last) > time.Minute {
		t.Errorf("last delivered %v, %v", last, err)
	}
	if oldest, err := d.OldestWaiting(t.Context(), "a"); err != nil || !oldest.Equal(signUp("a/1", "x").At) {
		t.Errorf("oldest %v, %v", oldest, err)
	}
	if oldest, err := d.OldestWaiting(t.Context(), "b"); err != nil || !oldest.IsZero() {
		t.Errorf("nobody waits, and yet %v, %v", oldest, err)
	}
}

func TestCheckCountsIsKept(t *testing.T) {
	d, _ := needy(t)
	if r, err := d.LastRecount(t.Context(), "a"); err != nil || !r.At.IsZero() {
		t.Errorf("before any: %+v, %v", r, err)
	}
	for wrong, query := range []string{`SELECT 1`, `UPDATE state_counts SET n = n + 1 WHERE tenant_id = 'a' AND state = 'delivered'`} {
		d.writeCounts(t, query)
		if _, err := d.CheckCounts(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		r, err := d.LastRecount(t.Context(), "a")
		if err != nil || r.At.IsZero() || r.Wrong != wrong || r.Rows.differing(oneDestination("a", Sums{New: 5, Waiting: 1, Delivered: 1, Attention: 3})) != 0 {
			t.Errorf("after %s: %+v, %v", query, r, err)
		}
	}
}

// The tenant whose recount is longest ago comes first. One that began and failed
// comes last, and keeps what the one before it found.
func TestDueRecounts(t *testing.T) {
	d := withNewsletters(t, "c/1", "b/1", "a/1")
	due := func(want ...string) {
		t.Helper()
		if got, err := d.DueRecounts(t.Context(), d.now().Add(-time.Hour)); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	due("a", "b", "c")
	if _, err := d.CheckCounts(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	due("b", "c")
	before, err := d.LastRecount(t.Context(), "a")
	if err != nil || before.At.IsZero() {
		t.Fatalf("got %+v, %v", before, err)
	}
	d.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	due("b", "c", "a")
	const most = "9223372036854775807" // twice that is more than can be read
	d.writeCounts(t, `INSERT INTO state_counts (tenant_id, destination_id, newsletter_id, state, n) VALUES ('a', 'a', 'a/1', 'waiting', `+most+`), ('a', 'a', 'a/2', 'waiting', `+most+`),
		('b', 'b', 'b/1', 'waiting', `+most+`), ('b', 'b', 'b/2', 'waiting', `+most+`)`)
	for _, tenant := range []string{"a", "b"} {
		if _, err := d.CheckCounts(t.Context(), tenant); err == nil {
			t.Fatal("more were counted than can be")
		}
	}
	due("c")
	if r, err := d.LastRecount(t.Context(), "a"); err != nil || !reflect.DeepEqual(r, before) {
		t.Errorf("got %+v, %v", r, err)
	}
	if r, err := d.LastRecount(t.Context(), "b"); err != nil || !r.At.IsZero() {
		t.Errorf("none ended, and yet: %+v, %v", r, err)
	}
}

func TestUsageAndTimeZone(t *testing.T) {
	d := withNewsletters(t, "a/1")
	if u, err := d.Usage(t.Context(), first("a")); err != nil || !u.At.IsZero() {
		t.Errorf("%+v, %v", u, err)
	}
	for used := range 2 {
		if err := d.SaveUsage(t.Context(), first("a"), used, 100, 2); err != nil {
			t.Fatal(err)
		}
		if u, err := d.Usage(t.Context(), first("a")); err != nil || u.Used != used || u.Allowed != 100 || u.At.IsZero() {
			t.Errorf("%+v, %v", u, err)
		}
	}
	if err := d.SetOrganisation(t.Context(), "a", "", Organisation{Name: "A", TimeZone: "Europe/Berlin"}); err != nil {
		t.Fatal(err)
	}
	if z, err := d.TimeZone(t.Context(), "a"); z != "Europe/Berlin" || err != nil {
		t.Errorf("%q, %v", z, err)
	}
}

// TestTheDocumentedStatements runs what docs/operating.md tells an operator to
// type, and compares it with the sums on the page.
func TestTheDocumentedStatements(t *testing.T) {
	d, ids := needy(t)
	add(t, d, signUp("a/1", "slow@example.com"))
	if _, err := d.Dismiss(t.Context(), first("a"), ids[4], "", "No."); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text2, _ := strings.Cut(string(text), "## Recompute the sums")
	_, block, _ := strings.Cut(text2, "```sql\n")
	block, _, _ = strings.Cut(block, "```")
	deliveries := map[string]int{"a waiting": 1, "a delivered": 1, "a attention": 2, "a dismissed": 1}
	counts := maps.Clone(deliveries)
	counts[" active"] = 5
	want := []map[string]int{{" new": 5, " repeated": 1, "a entered": 5}, counts, {" active": 5}, deliveries}
	statements := strings.Split(strings.TrimSpace(block), "\n")
	if len(statements) != len(want) {
		t.Fatalf("%d statements: %q", len(statements), statements)
	}
	for i, query := range statements {
		got := map[string]int{}
		err := each(t.Context(), d.read, func(row scanner) error {
			var destination, name string
			var n int
			err := row.Scan(&destination, &name, &n)
			got[destination+" "+name] = n
			return err
		}, strings.Replace(query, "'contoso'", "'a'", 1))
		if err != nil || !maps.Equal(got, want[i]) {
			t.Errorf("%s: %v, %v", query, got, err)
		}
	}
	if s, err := d.Sums(t.Context(), "a"); err != nil || s.differing(oneDestination("a", Sums{New: 5, Repeated: 1, Waiting: 1, Delivered: 1, Attention: 2, Dismissed: 1})) != 0 {
		t.Errorf("the page says %+v, %v", s, err)
	}
}
