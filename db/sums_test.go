package db

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestEachChangeIsAnEvent(t *testing.T) {
	d := withNewsletters(t, "a/1")
	id, l := add(t, d, signUp("a/1", "jane@example.com"))[0], leased(t, d)
	for _, o := range []Outcome{
		{State: Waiting, Reason: "timed_out", Detail: "slow"},
		{State: Waiting, Reason: "timed_out", Detail: "slow again"}, // the same: no event
		{State: Waiting}, // no reason: no event
		{State: Waiting, Reason: "settling"},
		{State: Attention, Reason: "ODD", Detail: "No."},
		{State: Delivered, RecordID: "late"}, // not waiting: nothing
	} {
		o.SubscriberID = id
		d.becomes(t, l, o)
	}
	want := []string{"waiting timed_out slow", "waiting settling", "attention ODD No."}
	if got := events(t, d, id); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if n := number(t, d, `SELECT sum(n) FROM activity WHERE tenant_id = 'a' AND kind = 'attention' AND last_at >= hour`); n != 1 {
		t.Errorf("activity %d", n)
	}
	if n := number(t, d, `SELECT n FROM reason_counts WHERE reason = 'ODD'`); n != 1 {
		t.Errorf("%d with the cause", n)
	}
	if r := recount(t, d, "a"); !r.Agrees() {
		t.Errorf("got %+v", r)
	}
}

func TestAnEventThatCannotBeStoredChangesNothing(t *testing.T) {
	d := withNewsletters(t, "a/1")
	id, l := add(t, d, signUp("a/1", "jane@example.com"))[0], leased(t, d)
	for _, table := range []string{"events", "activity", "hour_counts", "org_counts"} {
		over := d.refuse(t, "INSERT ON "+table)
		if err := d.RecordOutcomes(context.Background(), l, []Outcome{{SubscriberID: id, State: Delivered, OrgID: "00D1"}}); err == nil {
			t.Errorf("%s: stored", table)
		}
		if r := recount(t, d, "a"); r.Kept.differing(oneDestination("a", Sums{New: 1, Waiting: 1})) != 0 || !r.Agrees() {
			t.Errorf("%s: got %+v", table, r)
		}
		over()
	}
}

func TestRecountNoticesEachWrongCount(t *testing.T) {
	d := withNewsletters(t, "a/1")
	ids, l := add(t, d, signUp("a/1", "one@example.com"), signUp("a/1", "two@example.com"), signUp("a/1", "three@example.com")), leased(t, d)
	d.becomes(t, l, Outcome{SubscriberID: ids[0], State: Delivered, OrgID: "00D1"}, Outcome{SubscriberID: ids[1], State: Attention, Reason: "ODD"})
	if r := recount(t, d, "a"); !r.Agrees() {
		t.Fatalf("got %+v", r)
	}
	for _, wrong := range [][2]string{
		{`UPDATE hour_counts SET n = n + 1 WHERE state = 'delivered'`, `UPDATE hour_counts SET n = n - 1 WHERE state = 'delivered'`},
		{`UPDATE hour_counts SET hour = hour + 3600000`, `UPDATE hour_counts SET hour = hour - 3600000`},
		{`UPDATE ledger SET hour = hour + 3600000`, `UPDATE ledger SET hour = hour - 3600000`},
		{`UPDATE ledger_sums SET n = n + 1 WHERE kind = 'new'; UPDATE state_counts SET n = n + 1 WHERE state = 'waiting'`, `UPDATE ledger_sums SET n = n - 1 WHERE kind = 'new'; UPDATE state_counts SET n = n - 1 WHERE state = 'waiting'`},
		{`INSERT INTO ledger_sums (tenant_id, destination_id, kind, n) VALUES ('a', '', 'repeated', 1)`, `UPDATE ledger_sums SET n = 0 WHERE kind = 'repeated'`},
		{`UPDATE reason_counts SET reason = 'OTHER'`, `UPDATE reason_counts SET reason = 'ODD'`},
		{`UPDATE org_counts SET n = 0`, `UPDATE org_counts SET n = 1`},
	} {
		for i, query := range wrong {
			d.writeCounts(t, query)
			if r := recount(t, d, "a"); r.Agrees() != (i == 1) {
				t.Errorf("after %s: %+v", query, r)
			}
		}
	}
}

func TestARecountSeesOneMoment(t *testing.T) {
	d := withNewsletters(t, "a/1")
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			if _, err := d.AddSignUps(ctx, []SignUp{signUp("a/1", fmt.Sprintf("%d@example.com", n))}); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	defer writing.Wait()
	defer stop()
	for range 100 {
		if r := recount(t, d, "a"); !r.Agrees() {
			t.Fatalf("amid sign-ups: %+v", r)
		}
	}
}

// inHour are the sums of an hour in which all went to the first destination of the tenant a:
// what has entered one isn't counted by the hour.
func inHour(given Sums) AllSums {
	all := oneDestination("a", given)
	delete(all.Destinations["a"], Entered)
	return all
}

func TestHourSumsAddUpInEachHour(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	early, late := signUp("a/1", "one@example.com"), signUp("a/2", "two@example.com")
	late.At = late.At.Add(time.Hour)
	ids := add(t, d, early, early, late, signUp("b/1", "three@example.com"))
	d.becomes(t, leased(t, d), Outcome{SubscriberID: ids[2], State: Delivered})
	hour := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	want := []AllSums{inHour(Sums{New: 1, Repeated: 1, Waiting: 1}), inHour(Sums{New: 1, Delivered: 1})}
	for i := range want {
		got, err := d.HourSums(context.Background(), "a", hour.Add(time.Duration(i)*time.Hour))
		if err != nil || len(got) != 2-i || got[0].differing(want[i]) != 0 || !got[0].Hour.Equal(hour.Add(time.Duration(i)*time.Hour)) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

// TestTheSumsHold is the promise: whatever becomes of whom, in whatever order
// and at the same time, nobody is missing in any count.
func TestTheSumsHold(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			d := withNewsletters(t, "a/1", "a/2")
			d.connected(t, "00D0")
			d.batch = 2
			l := leased(t, d)
			var all sync.WaitGroup
			for worker := range uint64(3) {
				all.Go(func() { churn(t, d, l, rand.New(rand.NewPCG(seed, worker))) })
			}
			all.Wait()
			left := unended(t, d)
			for _, id := range left {
				d.finish(t, id)
			}
			if n := number(t, d, `SELECT count(*) FROM actions WHERE done > 2`); n == 0 || len(unended(t, d)) != 0 {
				t.Errorf("%d actions with more than a batch, %d left, %d unended", n, len(left), len(unended(t, d)))
			}
			r := recount(t, d, "a")
			if !r.Agrees() || r.Kept.Subscribers[New] == 0 || r.Kept.Destinations["a"][Delivered] == 0 || r.Kept.Destinations["a"][Attention] == 0 || r.Kept.Destinations["a"][Dismissed] == 0 {
				t.Errorf("got %+v", r)
			}
			hours, err := d.HourSums(context.Background(), "a", time.Time{})
			if err != nil || len(hours) < 2 {
				t.Fatal(hours, err)
			}
			for _, h := range hours {
				if of := h.Destinations["a"]; h.Subscribers.Difference() != 0 || of.People() != h.Subscribers[New] {
					t.Errorf("got %+v", h)
				}
			}
		})
	}
}

func churn(t *testing.T, d *DB, l Lease, r *rand.Rand) {
	states := []State{Waiting, Waiting, Delivered, Attention}
	for range 40 {
		s := signUp(fmt.Sprintf("a/%d", 1+r.IntN(2)), fmt.Sprintf("r%d@example.com", r.IntN(80)))
		s.At = s.At.Add(time.Duration(r.IntN(5)) * time.Hour)
		if _, err := d.AddSignUps(context.Background(), []SignUp{s, s}); err != nil {
			t.Error(err)
		}
		due, err := d.Due(context.Background(), first("a"), 5)
		if err != nil {
			t.Error(err)
		}
		var outcomes []Outcome
		for _, s := range due {
			o := Outcome{SubscriberID: s.ID, Revision: s.Revision, State: states[r.IntN(len(states))], DueAt: s.CreatedAt.Add(time.Duration(r.IntN(99)) * time.Second)}
			if o.State == Delivered {
				o.OrgID = fmt.Sprintf("00D%d", r.IntN(2))
			} else if r.IntN(2) == 0 {
				o.Reason = fmt.Sprintf("REASON_%d", r.IntN(3))
			}
			outcomes = append(outcomes, o)
		}
		if err := d.RecordOutcomes(context.Background(), l, outcomes); err != nil {
			t.Error(err)
		}
		decide(t, d, r)
	}
}

// decide does what an admin does: retries or dismisses one, or has something done
// for many, which is killed at times, and then gone on with by somebody else.
func decide(t *testing.T, d *DB, r *rand.Rand) {
	ctx := context.Background()
	if r.IntN(2) == 0 {
		page, err := d.Subscribers(ctx, "a", SubscriberQuery{Limit: 10})
		if err != nil {
			t.Error(err)
		}
		id := page.Rows[r.IntN(len(page.Rows))].ID
		if r.IntN(2) == 0 {
			_, err = d.Retry(ctx, first("a"), id, "ann")
		} else {
			_, err = d.Dismiss(ctx, first("a"), id, "ann", "No.")
		}
		if err != nil {
			t.Error(err)
		}
		return
	}
	kinds := []ActionKind{ActionRetry, ActionTry, ActionDismiss, ActionMove, ActionRecount}
	a := Action{DestinationKey: first("a"), Service: "sfdc", Kind: kinds[r.IntN(len(kinds))], Actor: "ann"}
	switch a.Kind {
	case ActionMove:
		a.OrgID = "00D0"
	case ActionRecount:
	default:
		a.Reason = fmt.Sprintf("REASON_%d", r.IntN(3))
	}
	a, err := d.StartAction(ctx, a)
	for err == nil && a.EndedAt.IsZero() && r.IntN(4) > 0 {
		step, end := context.WithTimeout(ctx, time.Duration(r.IntN(2000))*time.Microsecond)
		next, failed := d.StepAction(step, a.ID)
		switch {
		case failed == nil:
			a = next
		case errors.Is(failed, ErrNotFound): // another worker ended it
			a.EndedAt = time.Now()
		case step.Err() == nil && !errors.Is(failed, ErrUnavailable): // a connection may see the deadline first
			err = failed
		}
		end()
	}
	if err != nil {
		t.Error(err)
	}
}

// unended are the ids of the actions that are still under way.
func unended(t *testing.T, d *DB) []string {
	t.Helper()
	ids, err := collect(t.Context(), d.read, scanID, `SELECT id FROM actions WHERE ended_at = 0`)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}
