package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// refused is a database, with batches of two, whose tenant a has n subscribers in
// a state for the cause ODD, and one for another; b has one for ODD.
func refused(t *testing.T, n int, state State) (d *DB, ids []string) {
	t.Helper()
	d = withNewsletters(t, "a/1", "b/1")
	d.batch = 2
	l, other := leased(t, d), Lease{DestinationKey: first("b"), Owner: "me"}
	if err := d.TakeLease(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	become := func(l Lease, reason string, signUps ...SignUp) {
		for _, id := range add(t, d, signUps...) {
			ids = append(ids, id)
			d.becomes(t, l, Outcome{SubscriberID: id, State: state, Reason: reason, DueAt: time.Now().Add(time.Hour)})
		}
	}
	for i := range n {
		become(l, "ODD", signUp("a/1", fmt.Sprintf("%d@example.com", i)))
	}
	become(l, "OTHER", signUp("a/1", "other@example.com"))
	become(other, "ODD", signUp("b/1", "b@example.com"))
	return d, ids
}

func (d *DB) begin(t *testing.T, a Action) Action {
	t.Helper()
	a.TenantID, a.Service, a.Actor = "a", "sfdc", "ann"
	if a.DestinationID == "" && a.Kind != ActionRecount {
		a.DestinationID = "a"
	}
	a, err := d.StartAction(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// finish steps an action to its end.
func (d *DB) finish(t *testing.T, id string) (a Action) {
	t.Helper()
	for range 100 {
		var err error
		if a, err = d.StepAction(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if !a.EndedAt.IsZero() {
			if _, err := d.StepAction(t.Context(), id); !errors.Is(err, ErrNotFound) {
				t.Errorf("gone on with after its end: %v", err)
			}
			return a
		}
	}
	t.Fatalf("never ends: %+v", a)
	return a
}

func TestALittleActionIsDoneAtOnce(t *testing.T) {
	d, ids := refused(t, 2, Attention)
	a := d.begin(t, Action{Kind: ActionDismiss, Reason: "ODD", Note: "Left."})
	if a.EndedAt.IsZero() || a.Total != 2 || a.Done != 2 || jobsOf(t, d) != 0 {
		t.Errorf("got %+v, %d jobs", a, jobsOf(t, d))
	}
	if got := events(t, d, ids[0]); !slices.Equal(got, []string{"attention ODD", "dismissed ODD Left."}) {
		t.Errorf("got %q", got)
	}
	if r := recount(t, d, "a"); !r.Agrees() || r.Kept.Destinations["a"][Dismissed] != 2 || r.Kept.Destinations["a"][Attention] != 1 {
		t.Errorf("got %+v", r)
	}
	if r := recount(t, d, "b"); !r.Agrees() || r.Kept.Destinations["b"][Attention] != 1 {
		t.Errorf("the other tenant: %+v", r)
	}
	if a := d.begin(t, Action{Kind: ActionRetry, Reason: "NOBODY"}); a.Done != 0 || a.EndedAt.IsZero() {
		t.Errorf("got %+v", a)
	}
	if a := d.begin(t, Action{Kind: ActionRetry, Reason: ""}); a.Done != 0 || a.EndedAt.IsZero() {
		t.Errorf("no cause: %+v", a)
	}
}

func TestAnActionIsDoneInBatches(t *testing.T) {
	d, ids := refused(t, 7, Attention)
	a := d.begin(t, Action{Kind: ActionRetry, Reason: "ODD"})
	if !a.EndedAt.IsZero() || a.Total != 7 || a.Done != 2 || jobsOf(t, d) != 1 {
		t.Fatalf("got %+v, %d jobs", a, jobsOf(t, d))
	}
	if again := d.begin(t, Action{Kind: ActionRetry, Reason: "ODD"}); again.ID != a.ID || jobsOf(t, d) != 1 {
		t.Errorf("pressed again: %+v, %d jobs", again, jobsOf(t, d))
	}
	if other := d.begin(t, Action{Kind: ActionRetry, Reason: "OTHER"}); other.ID == a.ID || other.Done != 1 {
		t.Errorf("another cause: %+v", other)
	}
	step, err := d.StepAction(t.Context(), a.ID)
	if err != nil || step.Done != 4 || !step.EndedAt.IsZero() {
		t.Errorf("got %+v, %v", step, err)
	}
	if list, err := d.Actions(t.Context(), "sfdc", "a"); err != nil || len(list) != 1 || list[0].Done != 4 || list[0].Total != 7 {
		t.Errorf("got %+v, %v", list, err)
	}
	// Who is refused again meanwhile isn't sent again, and again, and again; nor is
	// who signed up after the button was pressed.
	d.becomes(t, leased(t, d), Outcome{SubscriberID: ids[0], State: Attention, Reason: "ODD"})
	d.becomes(t, leased(t, d), Outcome{SubscriberID: add(t, d, signUp("a/1", "late@example.com"))[0], State: Attention, Reason: "ODD"})
	if a = d.finish(t, a.ID); a.Done != 7 || a.Error != "" {
		t.Errorf("got %+v", a)
	}
	if r := recount(t, d, "a"); !r.Agrees() || r.Kept.Destinations["a"][Attention] != 2 || r.Kept.Destinations["a"][Waiting] != 7 {
		t.Errorf("got %+v", r)
	}
	for tenant, want := range map[string]int{"a": 1, "b": 0} {
		if list, err := d.Actions(t.Context(), "sfdc", tenant); err != nil || len(list) != want {
			t.Errorf("%s: %+v, %v", tenant, list, err)
		}
	}
	d.now = func() time.Time { return time.Now().Add(actionShown + time.Minute) }
	if list, err := d.Actions(t.Context(), "sfdc", "a"); err != nil || len(list) != 0 {
		t.Errorf("after an hour: %+v, %v", list, err)
	}
}

// A killed process's action goes on where it stopped: what was under way was not
// committed, and somebody else gets a job for the rest.
func TestAnActionGoesOnAfterAKill(t *testing.T) {
	d, _ := refused(t, 7, Attention)
	a := d.begin(t, Action{Kind: ActionRetry, Reason: "ODD"})
	resumed := func(after time.Duration, want int) {
		t.Helper()
		d.now = func() time.Time { return time.Now().Add(after) }
		defer func() { d.now = time.Now }()
		if up, err := d.ResumeActions(t.Context()); err != nil || len(up) != 0 || jobsOf(t, d) != want {
			t.Errorf("%d jobs, want %d, %v", jobsOf(t, d), want, err)
		}
	}
	resumed(actionLease+time.Second, 1) // its job waits for its turn
	if _, err := d.StepAction(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	if err := d.YieldAction(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	resumed(actionLease+time.Second, 1) // and again
	if _, err := d.StepAction(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	killed, kill := context.WithCancel(t.Context())
	kill()
	if _, err := d.StepAction(killed, a.ID); err == nil {
		t.Fatal("went on")
	}
	resumed(0, 1) // its job may still be at it
	resumed(actionLease+time.Second, 2)
	resumed(2*actionLease, 2)
	if a = d.finish(t, a.ID); a.Done != 7 {
		t.Errorf("got %+v", a)
	}
	if r := recount(t, d, "a"); !r.Agrees() || r.Kept.Destinations["a"][Waiting] != 7 {
		t.Errorf("got %+v", r)
	}
	resumed(time.Hour, 2) // it has ended
}

func TestAnActionThatFailsForADayIsGivenUp(t *testing.T) {
	d, _ := refused(t, 7, Attention)
	a := d.begin(t, Action{Kind: ActionRetry, Reason: "ODD"})
	d.now = func() time.Time { return time.Now().Add(actionLife + time.Minute) }
	if up, err := d.ResumeActions(t.Context()); err != nil || !slices.Equal(up, []string{a.ID}) {
		t.Fatalf("%q, %v", up, err)
	}
	if list, err := d.Actions(t.Context(), "sfdc", "a"); err != nil || len(list) != 1 || list[0].Error != ActionGivenUp || list[0].EndedAt.IsZero() {
		t.Errorf("got %+v, %v", list, err)
	}
	if again := d.begin(t, Action{Kind: ActionRetry, Reason: "ODD"}); again.ID == a.ID {
		t.Error("can't be asked for again")
	}
}

func TestWhoWaitsIsTriedAtOnce(t *testing.T) {
	d, ids := refused(t, 3, Waiting)
	if a := d.finish(t, d.begin(t, Action{Kind: ActionTry, Reason: "ODD"}).ID); a.Done != 3 {
		t.Errorf("got %+v", a)
	}
	if due, err := d.Due(t.Context(), first("a"), 9); err != nil || len(due) != 3 {
		t.Errorf("%d are due, %v", len(due), err)
	}
	if r := recount(t, d, "a"); !r.Agrees() || r.Kept.Destinations["a"][Waiting] != 4 {
		t.Errorf("got %+v", r)
	}
	if got := events(t, d, ids[0]); len(got) != 1 {
		t.Errorf("that is no event: %q", got)
	}
}

// To hurry ends the pause that was shown, and no other: what is known of the
// failures before stays, so that the next pause is no shorter.
func TestHurry(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	until := time.Now().Add(time.Hour)
	if err := d.SetPause(t.Context(), leased(t, d), Pause{Reason: "SLOW", Tries: 3, Batch: 40, Until: until}); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][2]string{{"a", "api_spared"}, {"b", "SLOW"}} {
		if err := d.Hurry(t.Context(), first(wrong[0]), wrong[1]); err != nil {
			t.Error(err)
		}
		if p, err := d.Pause(t.Context(), first("a")); err != nil || p.Until.UnixMilli() != until.UnixMilli() {
			t.Errorf("got %+v, %v", p, err)
		}
	}
	if err := d.Hurry(t.Context(), first("a"), "SLOW"); err != nil {
		t.Fatal(err)
	}
	if p, err := d.Pause(t.Context(), first("a")); err != nil || p.Until.After(d.now()) || p.Tries != 3 || p.Batch != 40 {
		t.Errorf("got %+v, %v", p, err)
	}
}

// Those in another org go to the new one, a batch at a time; the others stay.
func TestMove(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	d.batch = 2
	var outcomes []Outcome
	for i, org := range []string{"old", "new", "old", "older", "new", "old", "older"} {
		id := add(t, d, signUp("a/1", fmt.Sprintf("%d@example.com", i)))[0]
		outcomes = append(outcomes, Outcome{SubscriberID: id, State: Delivered, OrgID: org, RecordID: "003"})
	}
	d.becomes(t, leased(t, d), outcomes...)
	d.connected(t, "other")
	move := Action{DestinationKey: first("a"), Service: "sfdc", Kind: ActionMove, OrgID: "new", Actor: "ann"}
	if _, err := d.StartAction(t.Context(), move); !errors.Is(err, ErrLost) {
		t.Errorf("to an org that isn't connected: %v", err)
	}
	d.connected(t, "new")
	a := d.begin(t, move)
	if a.Total != 5 || a.Done != 2 {
		t.Errorf("got %+v", a)
	}
	d.connected(t, "old") // changed meanwhile: they would go back and forth
	if a = d.finish(t, a.ID); a.Error != ActionOrgChanged || a.Done != 2 {
		t.Errorf("got %+v", a)
	}
	d.connected(t, "new")
	if a = d.finish(t, d.begin(t, move).ID); a.Done != 3 || a.Error != "" {
		t.Errorf("got %+v", a)
	}
	if s, err := d.Subscriber(t.Context(), "a", outcomes[0].SubscriberID); err != nil || s.State != Waiting || s.RecordID != "" || s.OrgID != "" || !s.DeliveredAt.IsZero() {
		t.Errorf("got %+v, %v", s, err)
	}
	if orgs, err := d.Orgs(t.Context(), first("a")); err != nil || !slices.Equal(orgs, []OrgCount{{"new", 2}}) {
		t.Errorf("got %+v, %v", orgs, err)
	}
	if r := recount(t, d, "a"); !r.Agrees() || r.Kept.differing(oneDestination("a", Sums{New: 7, Waiting: 5, Delivered: 2})) != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestARecountIsAnAction(t *testing.T) {
	d, _ := refused(t, 1, Attention)
	if a := d.begin(t, Action{Kind: ActionRecount}); a.EndedAt.IsZero() || a.Done != 2 || a.Error != "" || jobsOf(t, d) != 0 {
		t.Errorf("few: %+v", a)
	}
	add(t, d, signUp("a/1", "one@example.com"))
	d.writeCounts(t, `UPDATE hour_counts SET n = n + 1`)
	a := d.begin(t, Action{Kind: ActionRecount})
	if !a.EndedAt.IsZero() || a.Total != 3 || jobsOf(t, d) != 1 {
		t.Errorf("many: %+v", a)
	}
	killed, kill := context.WithCancel(t.Context())
	kill()
	if _, err := d.StepAction(killed, a.ID); err == nil {
		t.Fatal("went on")
	}
	if a = d.finish(t, a.ID); a.Done != 3 || a.Error != ActionDisagrees {
		t.Errorf("got %+v", a)
	}
	if r, err := d.LastRecount(t.Context(), "a"); err != nil || r.Wrong == 0 || r.At.IsZero() {
		t.Errorf("got %+v, %v", r, err)
	}
}
