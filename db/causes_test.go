package db

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// causes are the tenant's, and those that are over in words.
func (d *DB) causes(t *testing.T, tenantID string) (since map[string]time.Time, solved []string) {
	t.Helper()
	read, err := d.Causes(t.Context(), first(tenantID))
	if err != nil {
		t.Fatal(err)
	}
	since = map[string]time.Time{}
	for _, p := range read.Problems {
		since[p.Reason] = p.Since
	}
	for _, s := range read.Solved {
		solved = append(solved, fmt.Sprintf("%s %s of %d: %d retried, %d dismissed, by %q", s.State, s.Reason, s.People, s.Retried, s.Dismissed, s.Actor))
	}
	return since, solved
}

func (d *DB) follow(t *testing.T) {
	t.Helper()
	if err := d.FollowCauses(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Since when there is a cause is told by those who have it until it is noted, and stays
// while anybody has it, and while who was sent again may be refused once more.
func TestACauseIsThereSinceItsFirst(t *testing.T) {
	d, ids := needy(t)
	began, _ := d.causes(t, "a")
	if len(began) != 3 {
		t.Fatalf("causes %v", began)
	}
	d.follow(t)
	d.later(time.Hour)
	l := Lease{DestinationKey: first("a"), Owner: "me"}
	retry := func(id string) {
		t.Helper()
		if done, err := d.Retry(t.Context(), first("a"), id, ""); !done || err != nil {
			t.Fatal(done, err)
		}
	}
	again := func(id string) {
		t.Helper()
		if err := d.TakeLease(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		d.becomes(t, l, Outcome{SubscriberID: id, State: Attention, Reason: "LONG"})
	}
	retry(ids[4])
	d.follow(t)
	d.later(causeCalm - time.Minute)
	again(ids[4])
	d.follow(t)
	if since, solved := d.causes(t, "a"); !since["LONG"].Equal(began["LONG"]) || len(solved) != 0 {
		t.Errorf("since %v, want %v; solved %v", since["LONG"], began["LONG"], solved)
	}
	retry(ids[4])
	d.follow(t)
	d.later(causeCalm)
	d.follow(t)
	again(ids[4])
	d.follow(t)
	since, solved := d.causes(t, "a")
	if !since["LONG"].After(began["LONG"].Add(time.Hour)) || !slices.Equal(solved, []string{`attention LONG of 1: 2 retried, 0 dismissed, by ""`}) {
		t.Errorf("since %v, began %v; solved %v", since["LONG"], began["LONG"], solved)
	}
	if since, solved := d.causes(t, "b"); len(since) != 1 || len(solved) != 0 {
		t.Errorf("another tenant's: %v, %v", since, solved)
	}
}

// What somebody decided is told with the cause that it was decided about.
func TestSolvedCausesTellWhoSolvedThem(t *testing.T) {
	d, ids := needy(t)
	ann, _ := member(t, d, "ann")
	for _, id := range ids[2:4] {
		if done, err := d.Dismiss(t.Context(), first("a"), id, ann.ID, "No."); !done || err != nil {
			t.Fatal(done, err)
		}
	}
	if _, solved := d.causes(t, "a"); !slices.Equal(solved, []string{fmt.Sprintf(`attention ODD of 1: 0 retried, 2 dismissed, by %q`, ann.Email)}) {
		t.Errorf("at once: %v", solved)
	}
	a, err := d.StartAction(t.Context(), Action{DestinationKey: first("a"), Kind: ActionRetry, Reason: "LONG", Actor: ann.ID})
	if err != nil || a.Done != 1 {
		t.Fatal(a, err)
	}
	if _, err := d.StartAction(t.Context(), Action{DestinationKey: first("a"), Kind: ActionTry, Reason: "SLOW", Actor: ann.ID}); err != nil {
		t.Fatal(err)
	}
	d.becomes(t, leased(t, d), Outcome{SubscriberID: ids[1], State: Delivered, OrgID: "00D1"})
	for range 2 {
		d.follow(t)
		d.later(causeCalm)
	}
	_, solved := d.causes(t, "a")
	want := []string{fmt.Sprintf(`attention LONG of 1: 1 retried, 0 dismissed, by %q`, ann.Email), fmt.Sprintf(`attention ODD of 1: 0 retried, 2 dismissed, by %q`, ann.Email)}
	slices.Sort(solved)
	if !slices.Equal(solved, want) {
		t.Errorf("%v, want %v", solved, want)
	}
	d.later(causesSolved)
	if _, solved := d.causes(t, "a"); len(solved) != 0 {
		t.Errorf("after 30 days: %v", solved)
	}
	d.later(causeKept)
	d.follow(t)
	wantN(t, d, 0, `SELECT count(*) FROM causes WHERE ended_at > 0`)
}

// What stops everybody is a cause of all who wait, since it began; a connection that is
// lost is one although nobody waits, and ends with the next one.
func TestWhatStopsEverybodyIsACause(t *testing.T) {
	d := withNewsletters(t)
	d.sealWith(t, 7)
	g := connect(t, d)
	add(t, d, signsUp(t, d, g.TenantID, "jane@example.org"), signsUp(t, d, g.TenantID, "joe@example.org"))
	l := Lease{DestinationKey: first(g.TenantID), Owner: "me"}
	pause := func(reason string) Pause {
		t.Helper()
		if err := d.TakeLease(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if err := d.SetPause(t.Context(), l, Pause{Reason: reason, Until: d.now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		p, err := d.Pause(t.Context(), l.DestinationKey)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := pause("REQUEST_LIMIT_EXCEEDED").Since
	d.follow(t)
	d.later(time.Hour)
	if again := pause("REQUEST_LIMIT_EXCEEDED").Since; !again.Equal(first) || first.IsZero() {
		t.Errorf("since %v, then %v", first, again)
	}
	if other := pause("unavailable").Since; !other.After(first) {
		t.Errorf("another reason since %v", other)
	}
	for range 2 {
		d.follow(t)
		d.later(causeCalm)
	}
	if _, solved := d.causes(t, g.TenantID); !slices.Equal(solved, []string{`waiting REQUEST_LIMIT_EXCEEDED of 2: 0 retried, 0 dismissed, by ""`}) {
		t.Errorf("solved %v", solved)
	}
	i, err := d.Identity(t.Context(), "sfdc", g.TenantID)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.BreakIdentity(t.Context(), i.ID, i.Generation, "invalid_grant", ""); err != nil {
		t.Fatal(err)
	}
	d.follow(t)
	wantN(t, d, 1, `SELECT count(*) FROM causes WHERE reason = 'broken' AND ended_at = 0 AND people = 2`)
	d.later(time.Minute)
	if _, err := d.SaveIdentity(t.Context(), newly(g), false, ""); err != nil {
		t.Fatal(err)
	}
	d.follow(t)
	_, solved := d.causes(t, g.TenantID)
	u, err := d.User(t.Context(), g.ConnectedBy)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`waiting broken of 2: 0 retried, 0 dismissed, by %q`, u.Email); !slices.Contains(solved, want) {
		t.Errorf("solved %v, want %s", solved, want)
	}
}

// A cause's people are paged from the newest sign-up on, both ways.
func TestCausePages(t *testing.T) {
	d, _ := needy(t)
	var signUps []SignUp
	for i := range 5 {
		signUps = append(signUps, signUp("a/1", fmt.Sprintf("p%d@example.com", i)))
	}
	ids := add(t, d, signUps...)
	for i, id := range ids {
		d.becomes(t, Lease{DestinationKey: first("a"), Owner: "me"}, Outcome{SubscriberID: id, State: Attention, Reason: "MANY", Detail: []string{"One.", "Two."}[min(i, 1)], MatchID: "003", InstanceURL: "https://i.example"})
	}
	read := func(q CauseQuery) (CauseDetail, string) {
		t.Helper()
		q.State, q.Limit = cmpOr(q.State, Attention), 2
		c, err := d.Cause(t.Context(), first("a"), q)
		if err != nil {
			t.Fatal(err)
		}
		names := fmt.Sprintf("%v %v", c.Previous, c.Next)
		for _, p := range c.People {
			names += " " + p.Email[:2]
		}
		return c, names
	}
	for _, tt := range []struct {
		q    CauseQuery
		want string
	}{
		{CauseQuery{Reason: "MANY"}, "false true p4 p3"},
		{CauseQuery{Reason: "MANY", After: ids[3]}, "true true p2 p1"},
		{CauseQuery{Reason: "MANY", After: ids[1]}, "true false p0"},
		{CauseQuery{Reason: "MANY", Before: ids[0]}, "true true p2 p1"},
		{CauseQuery{Reason: "MANY", Before: ids[2]}, "false true p4 p3"},
		{CauseQuery{Reason: "NONE"}, "false false"},
		{CauseQuery{Reason: "broken", State: Waiting, All: true}, "false false sl"},
	} {
		if _, got := read(tt.q); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.q, got, tt.want)
		}
	}
	c, _ := read(CauseQuery{Reason: "MANY"})
	if c.N != 5 || !slices.Equal(c.Said, []Said{{"Two.", 4}, {"One.", 1}}) || c.Since.IsZero() || c.Solved != nil {
		t.Errorf("%+v", c)
	}
	if p := c.People[0]; p.MatchID != "003" || p.InstanceURL != "https://i.example" || p.LastAt.Before(p.SignedUpAt) || p.Newsletter == "" {
		t.Errorf("%+v", p)
	}
	if c, err := d.Cause(t.Context(), first("b"), CauseQuery{State: Attention, Reason: "MANY", Limit: 9}); err != nil || c.N != 0 || len(c.People) != 0 || len(c.Said) != 0 {
		t.Errorf("another tenant's: %+v, %v", c, err)
	}
	if at, err := d.LastDelivered(t.Context(), "a"); err != nil || time.Since(at) > time.Minute {
		t.Errorf("last delivered %v, %v", at, err)
	}
}

func cmpOr(a, b State) State {
	if a == "" {
		return b
	}
	return a
}

// Who gave a connection up is remembered, with the time; a service that was never
// connected has no such thing.
func TestDisconnectionsAreRemembered(t *testing.T) {
	d := withNewsletters(t)
	d.sealWith(t, 7)
	g := connect(t, d)
	read := func() Disconnection {
		t.Helper()
		o, err := d.Overview(t.Context(), g.TenantID, "", "")
		if err != nil {
			t.Fatal(err)
		}
		return o.Connections.Ended["sfdc"]
	}
	if e := read(); e != (Disconnection{}) {
		t.Errorf("connected: %+v", e)
	}
	if _, err := d.DeleteIdentity(t.Context(), "sfdc", g.TenantID, g.ConnectedBy); err != nil {
		t.Fatal(err)
	}
	u, err := d.User(t.Context(), g.ConnectedBy)
	if e := read(); err != nil || e.By != u.Email || time.Since(e.At) > time.Minute {
		t.Errorf("disconnected: %+v, %v", e, err)
	}
	if _, err := d.SaveIdentity(t.Context(), newly(g), false, ""); err != nil {
		t.Fatal(err)
	}
	if gone, err := d.ForgetIdentities(t.Context(), Selector{TenantID: g.TenantID}); len(gone) != 1 || err != nil {
		t.Fatal(gone, err)
	}
	if e := read(); e.By != "" || e.At.IsZero() {
		t.Errorf("by the operator: %+v", e)
	}
}
