package db

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestLeases(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1", "b/1"), context.Background()
	now := time.Now()
	d.now = func() time.Time { return now }
	mine, theirs := Lease{DestinationKey: first("a"), Owner: "me"}, Lease{DestinationKey: first("a"), Owner: "them"}
	check := func(what string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	check("a lease that was never taken", d.KeepLease(ctx, mine), ErrLost)
	check("take", d.TakeLease(ctx, mine), nil)
	check("take again", d.TakeLease(ctx, mine), nil)
	check("take what is held", d.TakeLease(ctx, theirs), ErrLost)
	check("another tenant's", d.TakeLease(ctx, Lease{DestinationKey: first("b"), Owner: "them"}), nil)
	now = now.Add(LeaseTime - time.Millisecond)
	check("keep", d.KeepLease(ctx, mine), nil)
	now = now.Add(LeaseTime - time.Millisecond)
	check("take what was kept", d.TakeLease(ctx, theirs), ErrLost)
	now = now.Add(time.Millisecond)
	check("keep one that ran out, but nobody took", d.KeepLease(ctx, mine), nil)
	now = now.Add(LeaseTime)
	check("take one that ran out", d.TakeLease(ctx, theirs), nil)
	check("keep what was lost", d.KeepLease(ctx, mine), ErrLost)
	check("release what was lost", d.ReleaseLease(ctx, mine), nil)
	check("still theirs", d.KeepLease(ctx, theirs), nil)
	check("release", d.ReleaseLease(ctx, theirs), nil)
	check("take what was released", d.TakeLease(ctx, mine), nil)
}

func TestWithoutTheLeaseNothingIsWritten(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1"), context.Background()
	id := add(t, d, signUp("a/1", "jane@example.com"))[0]
	l := Lease{DestinationKey: first("a"), Owner: "me"}
	for what, err := range map[string]error{
		"mark":   d.MarkSent(ctx, l, []Sending{{SubscriberID: id}}, time.Now()),
		"record": d.RecordOutcomes(ctx, l, []Outcome{{SubscriberID: id, State: Delivered}}),
		"pause":  d.SetPause(ctx, l, Pause{Reason: "x"}),
	} {
		if !errors.Is(err, ErrLost) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s, err := d.Subscriber(ctx, "a", id)
	if err != nil || s.State != Waiting || !s.SentAt.IsZero() {
		t.Errorf("got %+v, %v", s, err)
	}
	if p, err := d.Pause(ctx, first("a")); err != nil || p != (Pause{}) {
		t.Errorf("got %+v, %v", p, err)
	}
}

// firsts names the first destinations of tenants.
func firsts(tenants []string) (keys []DestinationKey) {
	for _, id := range tenants {
		keys = append(keys, first(id))
	}
	return keys
}

// sameKeys reports whether they are the same, in any order.
func sameKeys(a, b []DestinationKey) bool {
	byID := func(a, b DestinationKey) int { return cmp.Compare(a.DestinationID, b.DestinationID) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), byID), slices.SortedFunc(slices.Values(b), byID))
}

func TestDueDestinations(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1", "b/1", "c/1", "d/1", "e/1"), context.Background()
	now := time.UnixMilli(1_800_000_000_000)
	d.now = func() time.Time { return now }
	for _, n := range []string{"a/1", "c/1", "d/1", "e/1"} {
		s := signUp(n, "jane@example.com")
		s.At = now
		add(t, d, s)
	}
	mine := Lease{DestinationKey: first("a"), Owner: "me"}
	paused := Lease{DestinationKey: first("d"), Owner: "me"}
	err := errors.Join(d.TakeLease(ctx, mine), d.TakeLease(ctx, Lease{DestinationKey: first("c"), Owner: "them"}),
		d.TakeLease(ctx, paused), d.SetPause(ctx, paused, Pause{Reason: "x", Until: now.Add(time.Minute)}))
	if err != nil {
		t.Fatal(err)
	}
	check := func(want ...string) {
		t.Helper()
		got, err := d.DueDestinations(ctx, "me")
		if err != nil || !slices.Equal(got, firsts(want)) { // in their order
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	check("a", "e") // b has nothing, c is another's, d pauses
	now = now.Add(LeaseTime)
	check("a", "c", "e")
	now = now.Add(time.Minute)
	check("a", "c", "d", "e")
	now = now.Add(-2 * time.Minute)
	check()
}

func TestDue(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1", "a/2", "b/1"), context.Background()
	now := signUp("", "").At
	d.now = func() time.Time { return now }
	late := signUp("a/1", "late@example.com")
	late.At = now.Add(time.Minute)
	ids := add(t, d, signUp("a/1", "one@example.com"), signUp("a/1", "two@example.com"), late, signUp("b/1", "three@example.com"))
	again := add(t, d, signUp("a/2", "one@example.com"))[0]
	l := Lease{DestinationKey: first("a"), Owner: "me"}
	settles := now.Add(10 * time.Second)
	err := errors.Join(d.TakeLease(ctx, l), d.MarkSent(ctx, l, []Sending{{SubscriberID: ids[0]}}, settles),
		d.RecordOutcomes(ctx, l, []Outcome{{SubscriberID: ids[0], State: Waiting, DueAt: now.Add(time.Second), SettlesAt: settles}}))
	if err != nil {
		t.Fatal(err)
	}
	// Each who is due is followed by the others with the address, due or not.
	want := func(limit int, want ...string) {
		t.Helper()
		known, err := d.Due(ctx, first("a"), limit)
		var got []string
		for _, k := range known {
			is := k.ID
			if !k.Due {
				is += ", not due"
			}
			got = append(got, is)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		for _, k := range known {
			if k.ID == ids[0] && (!k.SettlesAt.Equal(settles) || k.Attempts != 1 || k.SentAt.IsZero()) || k.ID != ids[0] && !k.SettlesAt.IsZero() {
				t.Errorf("got %+v", k)
			}
		}
	}
	want(10, ids[1], again, ids[0]+", not due")
	want(1, ids[1])
	now = now.Add(time.Second)
	want(2, ids[1], again, ids[0])
	want(9, ids[1], again, ids[0])
}

// Who left while a write was out is looked up when it has settled, the one that settled
// first first, and as many as there is room for.
func TestWhoLeftIsDueToBeLookedUp(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1", "a/2", "b/1"), context.Background()
	now := signUp("", "").At
	d.now = func() time.Time { return now }
	ids := add(t, d, signUp("a/1", "one@example.com"), signUp("a/1", "two@example.com"), signUp("a/2", "two@example.com"), signUp("b/1", "two@example.com"))
	l := leased(t, d)
	unless(t, d.SetOnLeaving(ctx, first("a"), OnLeaving{})) // owes nothing
	if err := d.MarkSent(ctx, l, []Sending{{SubscriberID: ids[0]}, {SubscriberID: ids[1]}}, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids[:3] {
		if done, err := d.Leave(ctx, "a", id, "ann", ""); !done || err != nil {
			t.Fatal(done, err)
		}
	}
	want := func(limit int, tenants []string, want ...string) {
		t.Helper()
		known, err := d.Due(ctx, first("a"), limit)
		var got []string
		for _, k := range known {
			if k.Due {
				got = append(got, k.ID)
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		if due, err := d.DueDestinations(ctx, "me"); err != nil || !slices.Equal(due, firsts(tenants)) {
			t.Errorf("tenants %v, %v, want %v", due, err, tenants)
		}
		if due, err := d.DueAmong(ctx, "me", []string{"a", "b"}); err != nil || !sameKeys(due, firsts(tenants)) {
			t.Errorf("tenants %v, %v, want %v", due, err, tenants)
		}
	}
	want(9, []string{"b"})
	now = now.Add(time.Minute)
	want(9, []string{"a", "b"}, ids[0], ids[1])
	want(1, []string{"a", "b"}, ids[0])
	d.becomes(t, l, Outcome{SubscriberID: ids[0], State: Waiting}, Outcome{SubscriberID: ids[1], State: Delivered, RecordID: "003", OrgID: "00D"})
	want(9, []string{"b"})
}

func TestOutcomesMoveTheCounts(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1", "a/2", "b/1"), context.Background()
	ids := add(t, d, signUp("a/1", "one@example.com"), signUp("a/2", "two@example.com"), signUp("a/1", "three@example.com"), signUp("b/1", "four@example.com"))
	l := Lease{DestinationKey: first("a"), Owner: "me"}
	outcomes := []Outcome{
		{SubscriberID: ids[0], State: Delivered, RecordID: "003", OrgID: "00D", InstanceURL: "https://x"},
		{SubscriberID: ids[1], State: Attention, Reason: "BAD", Detail: "Bad."},
		{SubscriberID: ids[2], State: Waiting, Reason: "SLOW"},
		{SubscriberID: ids[3], State: Delivered, RecordID: "004"}, // another tenant's
	}
	for range 2 { // the second time changes nothing
		if err := errors.Join(d.TakeLease(ctx, l), d.MarkSent(ctx, l, []Sending{{SubscriberID: ids[2]}}, time.Now()), d.RecordOutcomes(ctx, l, outcomes)); err != nil {
			t.Fatal(err)
		}
		if r := recount(t, d, "a"); r.Kept.differing(oneDestination("a", Sums{New: 3, Waiting: 1, Delivered: 1, Attention: 1})) != 0 || !r.Agrees() {
			t.Fatalf("got %+v", r)
		}
	}
	if r := recount(t, d, "b"); r.Kept.differing(oneDestination("b", Sums{New: 1, Waiting: 1})) != 0 || !r.Agrees() {
		t.Errorf("another tenant's: %+v", r)
	}
	one, _ := d.Subscriber(ctx, "a", ids[0])
	if one.RecordID != "003" || one.OrgID != "00D" || one.InstanceURL != "https://x" || one.DeliveredAt.IsZero() {
		t.Errorf("got %+v", one)
	}
	if err := d.MarkSent(ctx, l, []Sending{{SubscriberID: ids[0]}}, time.Now()); !errors.Is(err, ErrLost) {
		t.Errorf("sent again what was delivered: %v", err)
	}
}

func TestAnOutcomeIsWholeOrNotThere(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1"), context.Background()
	ids := add(t, d, signUp("a/1", "one@example.com"))
	l := Lease{DestinationKey: first("a"), Owner: "me"}
	if err := d.TakeLease(ctx, l); err != nil {
		t.Fatal(err)
	}
	d.refuse(t, "UPDATE ON state_counts")
	if err := d.RecordOutcomes(ctx, l, []Outcome{{SubscriberID: ids[0], State: Delivered}}); err == nil {
		t.Error("no error")
	}
	if r := recount(t, d, "a"); r.Kept.Destinations["a"][Waiting] != 1 || !r.Agrees() {
		t.Errorf("got %+v", r)
	}
}

func TestPauses(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1"), context.Background()
	l := Lease{DestinationKey: first("a"), Owner: "me"}
	if err := d.TakeLease(ctx, l); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		want := Pause{Reason: "BUSY", Detail: "Busy.", Tries: i, Batch: 40 - i, Until: fromMillis(int64(1000 + i))}
		if err := d.SetPause(ctx, l, want); err != nil {
			t.Fatal(err)
		}
		got, err := d.Pause(ctx, first("a"))
		if since := got.Since; since.IsZero() {
			t.Error("it doesn't say since when")
		}
		if got.Since = (time.Time{}); err != nil || got != want {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if err := d.EndPause(ctx, first("a")); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Pause(ctx, first("a")); err != nil || got != (Pause{}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWhy(t *testing.T) {
	due, until := time.UnixMilli(5000), time.UnixMilli(9000)
	pause := Pause{Reason: "PAUSE", Detail: "p", Until: until}
	for name, tt := range map[string]struct {
		s            Delivery
		p            Pause
		code, detail string
		next         time.Time
	}{
		"delivered":                {Delivery{State: Delivered, Reason: "old"}, pause, "", "", time.Time{}},
		"needs attention":          {Delivery{State: Attention, Reason: "BAD", Detail: "d"}, pause, "BAD", "d", time.Time{}},
		"waits for itself":         {Delivery{State: Waiting, Reason: "SLOW", Detail: "d", DueAt: due}, Pause{}, "SLOW", "d", due},
		"waits for the tenant":     {Delivery{State: Waiting, Reason: "SLOW", DueAt: due}, pause, "PAUSE", "p", until},
		"waits longer than others": {Delivery{State: Waiting, DueAt: until.Add(1)}, pause, "PAUSE", "p", until.Add(1)},
	} {
		code, detail, next := tt.s.Why(tt.p)
		if code != tt.code || detail != tt.detail || !next.Equal(tt.next) {
			t.Errorf("%s: %q, %q, %v", name, code, detail, next)
		}
	}
}
