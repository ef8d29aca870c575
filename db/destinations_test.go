package db

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// opens are the states in which a delivery can be that somebody put there.
var opens = []State{Waiting, Delivered, Attention, Dismissed}

// pair is a subscriber with a delivery to each of two destinations.
type pair struct {
	id         string
	one, other State
}

// pairs are subscribers of the tenant a's newsletter a/1 with two destinations, of which one
// is in each state and the other is in each.
func pairs(t *testing.T) (d *DB, one, other DestinationKey, all []pair) {
	t.Helper()
	d = withNewsletters(t, "a/1", "a/2", "b/1")
	one, other = d.two(t, "a")
	for _, first := range opens {
		for _, second := range opens {
			id := add(t, d, signUp("a/1", fmt.Sprintf("%s.%s@example.com", first, second)))[0]
			d.putIn(t, one, id, first)
			d.putIn(t, other, id, second)
			all = append(all, pair{id, first, second})
		}
	}
	add(t, d, signUp("b/1", "waiting.waiting@example.com"), signUp("a/2", "on.another@example.com"))
	return d, one, other, all
}

// whole wants both sums of the tenant a to add up, and the rows to say the same.
func (d *DB) whole(t *testing.T, after string) AllSums {
	t.Helper()
	r := recount(t, d, "a")
	if !r.Agrees() {
		t.Errorf("%s: the rows don't say what is kept: %+v", after, r)
	}
	for id, s := range r.Kept.Destinations {
		if s.Difference() != 0 {
			t.Errorf("%s: %d are missing in %s: %v", after, s.Difference(), id, s)
		}
	}
	return r.Kept
}

// Whatever is done about whoever stands wherever in two destinations changes what it is about,
// and nothing else; and both sums hold after each step.
func TestEachMoveInEachState(t *testing.T) {
	same := func(s State) State { return s }
	waits := func(State) State { return Waiting }
	ends := func(s State) State {
		if s == Delivered {
			return Delivered
		}
		return Ended
	}
	from := func(becomes State, of ...State) func(State) State {
		return func(s State) State {
			if slices.Contains(of, s) {
				return becomes
			}
			return s
		}
	}
	type move struct {
		status     State
		one, other func(State) State
		do         func(t *testing.T, d *DB, one, other DestinationKey, p pair) error
	}
	outcome := func(o Outcome) func(*testing.T, *DB, DestinationKey, DestinationKey, pair) error {
		return func(t *testing.T, d *DB, one, _ DestinationKey, p pair) error {
			o := o
			o.SubscriberID, o.Revision = p.id, d.revisionIn(t, one, p.id)
			return d.RecordOutcomes(t.Context(), d.lease(t, one), []Outcome{o})
		}
	}
	action := func(a Action) func(*testing.T, *DB, DestinationKey, DestinationKey, pair) error {
		return func(t *testing.T, d *DB, one, _ DestinationKey, _ pair) error {
			d.connected(t, "00E")
			a := a
			a.DestinationKey, a.Service, a.Actor = one, "sfdc", "ann"
			_, err := d.StartAction(t.Context(), a)
			return err
		}
	}
	feed := func(all bool, newsletters ...string) func(*testing.T, *DB, DestinationKey, DestinationKey, pair) error {
		return func(t *testing.T, d *DB, one, _ DestinationKey, _ pair) error {
			_, err := d.SetNewsletters(t.Context(), one, all, newsletters)
			return err
		}
	}
	again := func(t *testing.T, d *DB, _, _ DestinationKey, p pair) error {
		s := d.one(t, p.id)
		add(t, d, signUp("a/1", s.Email))
		return nil
	}
	leave := func(t *testing.T, d *DB, _, _ DestinationKey, p pair) error {
		_, err := d.Leave(t.Context(), "a", p.id, "ann", "They wrote.")
		return err
	}
	then := func(all ...func(*testing.T, *DB, DestinationKey, DestinationKey, pair) error) func(*testing.T, *DB, DestinationKey, DestinationKey, pair) error {
		return func(t *testing.T, d *DB, one, other DestinationKey, p pair) error {
			for _, do := range all {
				if err := do(t, d, one, other, p); err != nil {
					return err
				}
				d.whole(t, "in between")
			}
			return nil
		}
	}
	comeBack := func(t *testing.T, d *DB, _, _ DestinationKey, p pair) error {
		_, err := d.Return(t.Context(), "a", p.id, "ann")
		return err
	}
	accept := func(t *testing.T, d *DB, _, _ DestinationKey, p pair) error {
		h, err := d.HoldOf(t.Context(), "a", p.id)
		if err != nil {
			return err
		}
		_, err = d.AcceptHolds(t.Context(), "a", []string{h.ID}, "ann", false)
		return err
	}
	confirm := func(t *testing.T, d *DB, _, _ DestinationKey, p pair) error {
		return d.confirmed(t, "a", p.id)
	}
	for name, m := range map[string]move{
		"it arrives":           {Active, from(Delivered, Waiting), same, outcome(Outcome{State: Delivered, RecordID: "003", OrgID: "00D"})},
		"it is refused":        {Active, from(Attention, Waiting), same, outcome(Outcome{State: Attention, Reason: "LONG"})},
		"it waits on":          {Active, same, same, outcome(Outcome{State: Waiting, Reason: "BUSY"})},
		"signed up again":      {Active, waits, waits, again},
		"left":                 {Left, ends, ends, leave},
		"left twice":           {Left, ends, ends, then(leave, leave)},
		"left, and is back":    {Active, waits, waits, then(leave, comeBack)},
		"left, and signs up":   {Left, ends, ends, then(leave, again)},
		"accepted after that":  {Active, waits, waits, then(leave, again, accept)},
		"confirmed after that": {Active, waits, waits, then(leave, again, confirm)},
		"back, and never left": {Active, same, same, comeBack},
		"retried": {Active, from(Waiting, Attention, Dismissed), same, func(t *testing.T, d *DB, one, _ DestinationKey, p pair) error {
			_, err := d.Retry(t.Context(), one, p.id, "ann")
			return err
		}},
		"dismissed": {Active, from(Dismissed, Attention), same, func(t *testing.T, d *DB, one, _ DestinationKey, p pair) error {
			_, err := d.Dismiss(t.Context(), one, p.id, "ann", "No.")
			return err
		}},
		"edited": {Active, from(Waiting, Delivered, Attention), from(Waiting, Delivered, Attention), func(t *testing.T, d *DB, _, _ DestinationKey, p pair) error {
			s := d.one(t, p.id)
			_, err := d.EditSubscriber(t.Context(), "a", p.id, Edit{Email: s.Email, EmailKey: s.EmailKey, FirstName: "Janet"}, "ann")
			return err
		}},
		"all are retried":        {Active, from(Waiting, Attention), same, action(Action{Kind: ActionRetry, Reason: "ODD"})},
		"all are tried":          {Active, same, same, action(Action{Kind: ActionTry, Reason: "SLOW"})},
		"all are dismissed":      {Active, from(Dismissed, Attention), same, action(Action{Kind: ActionDismiss, Reason: "ODD"})},
		"all are moved":          {Active, from(Waiting, Delivered), same, action(Action{Kind: ActionMove, OrgID: "00E"})},
		"everybody is sent":      {Active, same, same, action(Action{Kind: ActionSend})},
		"their newsletter goes":  {Active, ends, same, feed(false, "a/2")},
		"it goes, signed up":     {Active, ends, waits, then(feed(false, "a/2"), again)},
		"it goes, left and back": {Active, ends, waits, then(feed(false, "a/2"), leave, comeBack)},
		"it goes and comes":      {Active, ends, same, then(feed(false), feed(true))},
		"it goes, all are sent":  {Active, from(Waiting, Attention, Dismissed), same, then(feed(false), feed(false, "a/1"), action(Action{Kind: ActionSend}))},
		"it comes, signed up":    {Active, waits, waits, then(feed(false), feed(false, "a/1", "a/2"), again)},
		"another one goes":       {Active, same, same, feed(false, "a/1")},
	} {
		t.Run(name, func(t *testing.T) {
			d, one, other, all := pairs(t)
			for _, p := range all {
				if err := m.do(t, d, one, other, p); err != nil {
					t.Fatal(err)
				}
				sums := d.whole(t, fmt.Sprintf("%+v", p))
				s := d.one(t, p.id)
				if s.Status != m.status || s.In(one.DestinationID).State != m.one(p.one) || s.In(other.DestinationID).State != m.other(p.other) || len(s.Deliveries) != 2 {
					t.Errorf("%+v became %s, %s and %s; want %s, %s and %s", p, s.Status, s.In(one.DestinationID).State, s.In(other.DestinationID).State, m.status, m.one(p.one), m.other(p.other))
				}
				if sums.Subscribers[New] != len(all)+1 || sums.Destinations[other.DestinationID][Entered] != len(all)+1 || sums.Destinations[one.DestinationID][Entered] != len(all)+1 {
					t.Errorf("%+v: who came, or entered, changed: %v", p, sums)
				}
			}
		})
	}
}

// A delivery that has ended says nothing of what it waited or needed attention for.
func TestWhatEndedHasNoReason(t *testing.T) {
	d, one, _, all := pairs(t)
	n, err := d.SetNewsletters(t.Context(), one, false, nil)
	if err != nil || n != 13 { // 12 of them, and the one on the other newsletter
		t.Errorf("%d ended, %v", n, err)
	}
	for _, p := range all {
		is := d.one(t, p.id).In(one.DestinationID)
		if code, detail, next := is.Why(Pause{}); is.State != Delivered && (code != "" || detail != "" || !next.IsZero() || is.MatchID != "") {
			t.Errorf("%+v: %q, %q, %v", p, code, detail, next)
		}
	}
	if n, err := d.SetNewsletters(t.Context(), one, false, nil); n != 0 || err != nil {
		t.Errorf("again: %d ended, %v", n, err)
	}
	if due, err := d.DueDestinations(t.Context(), "me"); err != nil || slices.Contains(due, one) {
		t.Errorf("due %v, %v", due, err)
	}
}

// A list is of one destination: by its states and reasons, with words and without.
func TestAListIsOfOneDestination(t *testing.T) {
	d, one, other, all := pairs(t)
	for _, indexed := range []bool{false, true} {
		if indexed {
			d.searchAll(t)
		}
		for _, text := range []string{"", "example", "ing"} {
			for _, state := range append(slices.Clone(opens), Ended) {
				for _, reason := range []string{"", "ODD", "SLOW", "NONE"} {
					for key, of := range map[DestinationKey]func(pair) State{one: func(p pair) State { return p.one }, other: func(p pair) State { return p.other }} {
						q := SubscriberQuery{Destination: key.DestinationID, State: state, Reason: reason, Text: text, Newsletter: "a/1", Limit: 3, Order: Oldest}
						var want []string
						for _, p := range all {
							has := map[State]string{Waiting: "SLOW", Attention: "ODD", Dismissed: "ODD"}[of(p)]
							words := text != "ing" || p.one == Waiting // how a word begins, or any three letters: of waiting
							if of(p) == state && (reason == "" || has == reason) && (words || p.other == Waiting) {
								want = append(want, p.id)
							}
						}
						got, total := d.pagesOf(t, q)
						if !slices.Equal(got, want) || total != len(want) {
							t.Errorf("indexed %v, %+v: %d of %d, want %d", indexed, q, len(got), total, len(want))
						}
					}
				}
			}
		}
	}
	page, err := d.Subscribers(t.Context(), "a", SubscriberQuery{Destination: other.DestinationID, Limit: 50})
	if err != nil || len(page.Rows) != 17 || len(page.Filters.Destinations) != 2 || page.Filters.Destinations[0].ID != one.DestinationID || page.Filters.Destinations[1].Service != "hubspot" {
		t.Fatalf("%+v, %v", page.Filters, err)
	}
	for _, s := range page.Rows {
		if s.Delivery != s.In(other.DestinationID) || s.DestinationID != other.DestinationID || len(s.Deliveries) != 2 {
			t.Errorf("asked for %s, got %+v", other.DestinationID, s.Delivery)
		}
	}
	if page, err := d.Subscribers(t.Context(), "b", SubscriberQuery{Destination: other.DestinationID, State: Waiting, Limit: 50}); err != nil || len(page.Rows) != 0 || page.Total != 0 {
		t.Errorf("another tenant's destination: %+v, %v", page, err)
	}
}

// pagesOf walks through the pages of a list, and returns what the first one says there are.
func (d *DB) pagesOf(t *testing.T, q SubscriberQuery) (ids []string, total int) {
	t.Helper()
	for {
		page, err := d.Subscribers(t.Context(), "a", q)
		if err != nil {
			t.Fatal(err)
		}
		if q.After == "" {
			total = page.Total
		}
		for _, s := range page.Rows {
			ids = append(ids, s.ID)
		}
		if !page.Next {
			return ids, total
		}
		q.After = ids[len(ids)-1]
	}
}

// What a destination waits for, has used and is set to is its own.
func TestDestinationsHaveTheirOwn(t *testing.T) {
	d, one, other, all := pairs(t)
	ctx := t.Context()
	until := d.now().Add(time.Hour).Truncate(time.Millisecond)
	settings, err := d.DeliverySettings(ctx, one)
	if err != nil {
		t.Fatal(err)
	}
	changed := settings
	changed.Leads, changed.Share, changed.Pace = true, 50, 10*time.Second
	err = errors.Join(d.SetPause(ctx, d.lease(t, one), Pause{Reason: "SLOW", Until: until}), d.SetBlamed(ctx, d.lease(t, one), 7),
		d.SaveUsage(ctx, one, 3, 10, 2), d.SetDeliverySettings(ctx, one, changed))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[DestinationKey]bool{one: true, other: false} {
		p, err := d.Pause(ctx, key)
		if err != nil || (p.Reason == "SLOW") != want {
			t.Errorf("pause %+v, %v", p, err)
		}
		if n, err := d.Blamed(ctx, key); err != nil || (n == 7) != want {
			t.Errorf("blamed %d, %v", n, err)
		}
		if u, err := d.Usage(ctx, key); err != nil || (u.Allowed == 10) != want {
			t.Errorf("used %+v, %v", u, err)
		}
		if s, err := d.DeliverySettings(ctx, key); err != nil || !reflect.DeepEqual(s, map[bool]DeliverySettings{true: changed, false: settings}[want]) {
			t.Errorf("settings %+v, %v", s, err)
		}
		if due, err := d.DueDestinations(ctx, "me"); err != nil || slices.Contains(due, key) == want {
			t.Errorf("due %v, %v", due, err)
		}
		if due, err := d.DueAmong(ctx, "me", []string{"a"}); err != nil || slices.Contains(due, key) == want {
			t.Errorf("due of the tenant %v, %v", due, err)
		}
	}
	o, err := d.Overview(ctx, "a", "", all[0].id)
	if err != nil || len(o.Destinations) != 2 || o.Destinations[0].ID != one.DestinationID || o.Destinations[0].Pause.Reason != "SLOW" || o.Destinations[0].Usage.Used != 3 ||
		o.Destinations[1].Pause.Reason != "" || o.Destinations[1].Usage.Used != 0 || o.Destinations[1].Due.IsZero() || o.Sums[Active] != 17 {
		t.Fatalf("%+v, %v", o.Destinations, err)
	}
	if to, ok := o.To("hubspot"); !ok || to.ID != other.DestinationID || to.Sums[Entered] != 17 || to.Sums[Dismissed] != 4 || to.Sums[Waiting] != 5 {
		t.Errorf("to hubspot: %+v", to)
	}
	if _, ok := o.To("zoho"); ok {
		t.Error("there is one to Zoho")
	}
	if o.Subscriber.Delivery != o.Subscriber.In(one.DestinationID) || len(o.Subscriber.Deliveries) != 2 || !reflect.DeepEqual(o.SameReason, map[string]int{one.DestinationID: 4, other.DestinationID: 4}) {
		t.Errorf("%+v, %v", o.Subscriber, o.SameReason)
	}
	if err := d.EndPause(ctx, other); err != nil {
		t.Fatal(err)
	}
	if p, err := d.Pause(ctx, one); err != nil || !p.Until.Equal(until) {
		t.Errorf("the other one's ended: %+v, %v", p, err)
	}
	if err := d.EndPause(ctx, one); err != nil {
		t.Fatal(err)
	}
	if p, err := d.Pause(ctx, one); err != nil || p != (Pause{}) {
		t.Errorf("ended: %+v, %v", p, err)
	}
}

// Who needs attention in one destination for a cause doesn't in the other.
func TestCausesAreOfOneDestination(t *testing.T) {
	d, one, other, all := pairs(t)
	for _, p := range all {
		if p.other == Attention {
			if _, err := d.Retry(t.Context(), other, p.id, "ann"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for key, want := range map[DestinationKey]int{one: 4, other: 0} {
		c, err := d.Cause(t.Context(), key, CauseQuery{State: Attention, Reason: "ODD", Limit: 9})
		if err != nil || c.N != want || len(c.People) != want {
			t.Errorf("%v: %+v, %v", key, c, err)
		}
		some, err := d.Affected(t.Context(), key, CauseQuery{State: Attention, Reason: "ODD", Limit: 9})
		if err != nil || len(some) != want {
			t.Errorf("%v: affected %+v, %v", key, some, err)
		}
		for _, s := range some {
			if s.DestinationID != key.DestinationID || s.State != Attention {
				t.Errorf("%+v", s)
			}
		}
		if h, err := d.Health(t.Context(), key, nil); err != nil || slices.ContainsFunc(h.Problems, func(p Problem) bool { return p.State == Attention }) != (want > 0) {
			t.Errorf("%v: %+v, %v", key, h.Problems, err)
		}
	}
	follow(t, d)
	later(d, 10*time.Minute)
	follow(t, d)
	for key, want := range map[DestinationKey]int{one: 0, other: 1} {
		if c, err := d.Causes(t.Context(), key); err != nil || len(c.Solved) != want || want > 0 && c.Solved[0].Retried != 4 {
			t.Errorf("%v: solved %+v, %v", key, c.Solved, err)
		}
	}
}

func follow(t *testing.T, d *DB) {
	t.Helper()
	if err := d.FollowCauses(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func later(d *DB, by time.Duration) { d.later(by) }

// A tenant's first connection to a CRM takes the destination that waits for one; each further
// one makes another, and the same one again none.
func TestConnectionsMakeDestinations(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	id := add(t, d, signUp("a/1", "jane@example.com"))[0]
	d.SetCRMs("sfdc", "hubspot")
	services := func(want ...string) []Destination {
		t.Helper()
		all, err := d.Destinations(t.Context(), "a")
		var got []string
		for _, to := range all {
			got = append(got, to.Service)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
		return all
	}
	services("")
	for range 2 {
		if d.another(t, "a", "sfdc") != first("a") {
			t.Error("what waited for a CRM is another one")
		}
		services("sfdc")
	}
	hubspot := d.another(t, "a", "hubspot")
	services("sfdc", "hubspot")
	if s := d.one(t, id); len(s.Deliveries) != 1 || s.In("a").State != Waiting {
		t.Errorf("got %+v", s.Deliveries)
	}
	if n, err := d.Missing(t.Context(), hubspot); n != 1 || err != nil {
		t.Errorf("%d are missing, %v", n, err)
	}
	next := add(t, d, signUp("a/1", "joe@example.com"))[0]
	if s := d.one(t, next); len(s.Deliveries) != 2 {
		t.Errorf("got %+v", s.Deliveries)
	}
	if one, err := d.Destination(t.Context(), hubspot); err != nil || one.Service != "hubspot" || !one.All || !one.FedBy("a/1") {
		t.Errorf("got %+v, %v", one, err)
	}
	if _, err := d.Destination(t.Context(), DestinationKey{"b", hubspot.DestinationID}); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	d.whole(t, "two destinations")
	sums := recount(t, d, "b").Kept
	sumsAre(t, sums, "b", Sums{})
}

// Which newsletters feed a destination may be said of those that there are alone.
func TestNewslettersThatFeed(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	one, other := d.two(t, "a")
	for _, wrong := range []struct {
		key         DestinationKey
		newsletters []string
	}{{other, []string{"a/1", "b/1"}}, {other, []string{"a/3"}}, {DestinationKey{"b", other.DestinationID}, []string{"b/1"}}, {DestinationKey{"a", "none"}, nil}} {
		if _, err := d.SetNewsletters(t.Context(), wrong.key, false, wrong.newsletters); !errors.Is(err, ErrNotFound) {
			t.Errorf("%+v: %v", wrong, err)
		}
		if is, err := d.Destination(t.Context(), other); err != nil || !is.All {
			t.Errorf("%+v: a part of it was stored: %+v, %v", wrong, is, err)
		}
	}
	if _, err := d.SetNewsletters(t.Context(), other, false, []string{"a/2"}); err != nil {
		t.Fatal(err)
	}
	if is, err := d.Destination(t.Context(), other); err != nil || is.All || !is.FedBy("a/2") || is.FedBy("a/1") {
		t.Errorf("got %+v, %v", is, err)
	}
	ids := add(t, d, signUp("a/1", "jane@example.com"), signUp("a/2", "jane@example.com"), signUp("a/1", "jane@example.com"))
	for i, want := range []int{1, 2, 1} {
		if s := d.one(t, ids[i]); len(s.Deliveries) != want || s.In(one.DestinationID).State != Waiting {
			t.Errorf("%d: %+v", i, s.Deliveries)
		}
	}
	if got := d.whole(t, "fed by one"); got.Destinations[one.DestinationID][Entered] != 2 || got.Destinations[other.DestinationID][Entered] != 1 {
		t.Errorf("got %v", got)
	}
	if n, err := d.Missing(t.Context(), other); n != 0 || err != nil {
		t.Errorf("%d are missing of a newsletter that doesn't feed it, %v", n, err)
	}
	if _, err := d.SetNewsletters(t.Context(), other, true, nil); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Missing(t.Context(), other); n != 1 || err != nil {
		t.Errorf("%d are missing, %v", n, err)
	}
	// A repeat brings whoever is missing.
	add(t, d, signUp("a/1", "jane@example.com"))
	if s := d.one(t, ids[0]); s.In(other.DestinationID).State != Waiting {
		t.Errorf("got %+v", s.Deliveries)
	}
	if n, err := d.Missing(t.Context(), other); n != 0 || err != nil {
		t.Errorf("%d are missing, %v", n, err)
	}
	d.whole(t, "after the repeat")
}

// Everybody is sent to a further destination who is there and isn't in it: in batches, of
// which each is done once, whoever is killed in between.
func TestEverybodyIsSentToAFurtherDestination(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	d.batch = 3
	ids := add(t, d, signUp("a/1", "0@example.com"), signUp("a/1", "1@example.com"), signUp("a/1", "2@example.com"), signUp("a/1", "3@example.com"),
		signUp("a/1", "4@example.com"), signUp("a/1", "5@example.com"), signUp("a/1", "6@example.com"), signUp("a/2", "7@example.com"), signUp("a/1", "8@example.com"))
	add(t, d, signUp("b/1", "0@example.com"))
	if _, err := d.Leave(t.Context(), "a", ids[1], "ann", ""); err != nil {
		t.Fatal(err)
	}
	one, other := d.two(t, "a")
	if _, err := d.SetNewsletters(t.Context(), other, false, []string{"a/1"}); err != nil {
		t.Fatal(err)
	}
	d.putIn(t, one, ids[2], Delivered)
	add(t, d, signUp("a/1", "3@example.com")) // who is in it by that
	later := add(t, d, signUp("a/1", "later@example.com"))[0]
	if n, err := d.Missing(t.Context(), other); n != 6 || err != nil {
		t.Fatalf("%d are missing, %v", n, err)
	}
	a := d.begin(t, Action{DestinationKey: other, Kind: ActionSend})
	if a.Total != 6 || a.Done != 3 || !a.EndedAt.IsZero() {
		t.Fatalf("got %+v", a)
	}
	if same := d.begin(t, Action{DestinationKey: other, Kind: ActionSend}); same.ID != a.ID {
		t.Errorf("asked for twice, it is another one: %+v", same)
	}
	killed, kill := context.WithCancel(t.Context())
	kill()
	if _, err := d.StepAction(killed, a.ID); err == nil {
		t.Error("somebody who is killed goes on")
	}
	if sums := d.whole(t, "killed"); sums.Destinations[other.DestinationID][Entered] != 3+2 {
		t.Errorf("got %v", sums)
	}
	add(t, d, signUp("a/1", "8@example.com")) // comes by themselves meanwhile
	if a = d.finish(t, a.ID); a.Done != 5 || a.Error != "" {
		t.Errorf("got %+v", a)
	}
	for i, id := range append(slices.Clone(ids), later) {
		want := map[int]State{1: "", 7: ""}
		state, not := want[i]
		if !not {
			state = Waiting
		}
		if s := d.one(t, id); s.In(other.DestinationID).State != state {
			t.Errorf("%d: %+v", i, s.Deliveries)
		}
	}
	if s := d.one(t, ids[2]); s.In(one.DestinationID).State != Delivered {
		t.Errorf("it is sent again where it is: %+v", s.Deliveries)
	}
	if n, err := d.Missing(t.Context(), other); n != 0 || err != nil {
		t.Errorf("%d are missing, %v", n, err)
	}
	sums := d.whole(t, "all were sent")
	if of := sums.Destinations[other.DestinationID]; of[Entered] != 8 || of[Waiting] != 8 {
		t.Errorf("got %v", of)
	}
	due, err := d.Due(t.Context(), other, 100)
	if err != nil || len(due) != 8 {
		t.Fatalf("%d are due, %v", len(due), err)
	}
	for _, k := range due { // what was said before is delivered as it is
		d.becomes(t, d.lease(t, other), Outcome{SubscriberID: k.ID, Revision: k.Revision, State: Delivered, RecordID: k.ID, OrgID: "1"})
		if s := d.one(t, k.ID); s.In(other.DestinationID).State != Delivered {
			t.Errorf("it never ends: %+v", s.Deliveries)
		}
	}
	d.whole(t, "all arrived")
}

// Who is to be removed isn't sent to a further destination first: that record would be left.
func TestWhoIsRemovedIsNotSentFurther(t *testing.T) {
	d, id, _ := tested(t)
	l, r := d.undoing(t, id)
	_, other := d.two(t, "a")
	if n, err := d.Missing(t.Context(), other); n != 0 || err != nil {
		t.Errorf("%d are missing, %v", n, err)
	}
	d.begin(t, Action{DestinationKey: other, Kind: ActionSend})
	r.Record = RecordGone
	if err := d.EndRemoval(t.Context(), l, r); err != nil {
		t.Fatal(err)
	}
	if r := d.receipt(t, id); !r.Erased {
		t.Errorf("receipt %+v", r)
	}
	if sums := d.whole(t, "removed"); sums.Destinations[other.DestinationID][Entered] != 0 {
		t.Errorf("got %v", sums)
	}
}

// A destination that is removed is gone at once, with what waited there; what the CRM has
// stays, and so does all of the other destinations. Its rows go by and by.
func TestADestinationIsRemoved(t *testing.T) {
	d, one, other, all := pairs(t)
	ctx := t.Context()
	before := recount(t, d, "a").Kept
	if err := d.OpenIncident(ctx, Trouble{TenantID: "a", Kind: IncidentWaiting, About: other.DestinationID}, d.now(), func([]Member) []string { return nil }); err != nil {
		t.Fatal(err)
	}
	d.batch = 2
	a := d.begin(t, Action{DestinationKey: other, Kind: ActionRetry, Reason: "ODD"})
	if !a.EndedAt.IsZero() {
		t.Fatalf("got %+v", a)
	}
	for _, key := range []DestinationKey{{"b", other.DestinationID}, {"a", "none"}} {
		if err := d.RemoveDestination(ctx, key); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v: %v", key, err)
		}
	}
	if err := d.RemoveDestination(ctx, other); err != nil {
		t.Fatal(err)
	}
	gone := func(when string) {
		t.Helper()
		sums := d.whole(t, when)
		if len(sums.Destinations) != 1 || sums.Destinations[one.DestinationID].differing(before.Destinations[one.DestinationID]) != 0 || sums.Subscribers.differing(before.Subscribers) != 0 {
			t.Errorf("%s: %v, want as before but for one: %v", when, sums, before)
		}
		if all, err := d.Destinations(ctx, "a"); err != nil || len(all) != 1 || all[0].Key() != one {
			t.Errorf("%s: %v, %v", when, all, err)
		}
		for _, p := range all {
			if s := d.one(t, p.id); len(s.Deliveries) != 1 || s.In(one.DestinationID).State != p.one {
				t.Errorf("%s: %+v", when, s.Deliveries)
			}
		}
		if due, err := d.DueDestinations(ctx, "me"); err != nil || slices.Contains(due, other) {
			t.Errorf("%s: due %v, %v", when, due, err)
		}
		if due, err := d.DueAmong(ctx, "me", []string{"a"}); err != nil || slices.Contains(due, other) {
			t.Errorf("%s: due %v, %v", when, due, err)
		}
		if err := d.RemoveDestination(ctx, other); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: removed again: %v", when, err)
		}
		o, err := d.Overview(ctx, "a", "", "")
		if err != nil || len(o.Destinations) != 1 || slices.ContainsFunc(o.Actions, func(a Action) bool { return a.DestinationKey == other }) {
			t.Errorf("%s: %+v, %v", when, o, err)
		}
		if open, err := d.OpenIncidents(ctx); err != nil || len(open) != 0 {
			t.Errorf("%s: incidents %+v, %v", when, open, err)
		}
	}
	gone("removed")
	if _, err := d.StepAction(ctx, a.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("what was done there goes on: %v", err)
	}
	add(t, d, signUp("a/1", "new@example.com"))
	before = recount(t, d, "a").Kept
	steps := 0
	for more := true; more; steps++ {
		var err error
		if more, err = d.SweepDestinations(ctx); err != nil {
			t.Fatal(err)
		}
		gone(fmt.Sprint("step ", steps))
	}
	if steps < 3 { // deliveries, the rest, and to see that there is no more
		t.Errorf("%d steps", steps)
	}
	for _, table := range append([]string{"deliveries", "pauses", "blames", "api_usage", "destination_newsletters"}, removedTables...) {
		for _, table := range d.engine.emptied(table) {
			wantN(t, d, 0, `SELECT count(*) FROM `+table+` WHERE tenant_id = 'a' AND destination_id = $1`, other.DestinationID)
		}
	}
	wantN(t, d, 0, `SELECT count(*) FROM destinations WHERE id = $1`, other.DestinationID)
	wantN(t, d, 18, `SELECT count(*) FROM deliveries WHERE destination_id = $1`, one.DestinationID)
}

// Who is signed up has somewhere to wait at any time: the last destination that is removed
// leaves a new one, which a CRM may take again.
func TestTheLastDestinationLeavesANewOne(t *testing.T) {
	d := withNewsletters(t, "a/1")
	old := d.another(t, "a", "sfdc")
	id := add(t, d, signUp("a/1", "jane@example.com"))[0]
	d.putIn(t, old, id, Delivered)
	if err := d.RemoveDestination(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	all, err := d.Destinations(t.Context(), "a")
	if err != nil || len(all) != 1 || all[0].ID == old.DestinationID || all[0].Service != "" || !all[0].All {
		t.Fatalf("got %+v, %v", all, err)
	}
	waits := all[0].Key()
	next := add(t, d, signUp("a/1", "joe@example.com"))[0]
	if s := d.one(t, next); s.In(waits.DestinationID).State != Waiting || len(s.Deliveries) != 1 {
		t.Errorf("got %+v", s.Deliveries)
	}
	if n, err := d.Missing(t.Context(), waits); n != 1 || err != nil {
		t.Errorf("%d are missing, %v", n, err)
	}
	if d.another(t, "a", "sfdc") != waits {
		t.Error("the same CRM, connected again, is yet another destination")
	}
	add(t, d, signUp("a/1", "jane@example.com"))
	if s := d.one(t, id); s.In(waits.DestinationID).State != Waiting || s.RecordID != "" {
		t.Errorf("got %+v", s.Deliveries)
	}
	for more := true; more; {
		d.whole(t, "while it is swept")
		if more, err = d.SweepDestinations(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if sums := d.whole(t, "swept"); sums.Destinations[waits.DestinationID][Entered] != 2 || len(sums.Destinations) != 1 {
		t.Errorf("got %v", sums)
	}
}

// A test with records in two destinations is erased when both parts have ended, however each
// does.
func TestATestWithTwoRecordsIsUndone(t *testing.T) {
	for name, tt := range map[string]struct {
		other   State      // in the second destination
		fate    RecordFate // of the record there
		removed bool       // the second destination is removed meanwhile
		again   bool       // it is signed up again meanwhile
	}{
		"both are deleted":                 {Delivered, RecordDeleted, false, false},
		"one refuses":                      {Delivered, RecordRefused, false, false},
		"one waits":                        {Waiting, NoRecord, false, false},
		"one ended":                        {Ended, NoRecord, false, false},
		"one destination is removed":       {Delivered, RecordAway, true, false},
		"both, and signed up in between":   {Delivered, RecordDeleted, false, true},
		"refused, signed up in between":    {Delivered, RecordRefused, false, true},
		"removed, and signed up meanwhile": {Delivered, RecordAway, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := withNewsletters(t, "a/1")
			one, other := d.two(t, "a")
			test := signUp("a/1", "jane@example.com")
			test.Source, test.At = "test", d.now()
			id := add(t, d, test)[0]
			l, m := d.lease(t, one), d.lease(t, other)
			d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", Made: true})
			switch tt.other {
			case Delivered:
				d.becomes(t, m, Outcome{SubscriberID: id, State: Delivered, RecordID: "77", OrgID: "portal", Made: true})
			case Ended:
				if _, err := d.SetNewsletters(t.Context(), other, false, nil); err != nil {
					t.Fatal(err)
				}
			}
			asked, err := d.UndoTest(t.Context(), "a", id, "ann")
			if err != nil || asked.Erased || len(asked.Records) != 2 {
				t.Fatalf("got %+v, %v", asked, err)
			}
			part := func(l Lease, org string, fate RecordFate) {
				t.Helper()
				due, err := d.DueRemovals(t.Context(), l.DestinationKey)
				if err != nil || len(due) != 1 || due[0].DestinationKey != l.DestinationKey {
					t.Fatalf("due %+v, %v", due, err)
				}
				r, ask, err := d.BeginRemoval(t.Context(), l, due[0], org)
				if err != nil || ask == tt.again && l == m {
					t.Fatalf("%v, %+v, %v", ask, r, err)
				}
				r.Record = fate
				if err := d.EndRemoval(t.Context(), l, r); err != nil {
					t.Fatal(err)
				}
				if err := d.EndRemoval(t.Context(), l, r); !errors.Is(err, ErrLost) {
					t.Errorf("ended twice: %v", err)
				}
			}
			part(l, "00D", RecordDeleted)
			if tt.again {
				add(t, d, signUp("a/1", "jane@example.com"))
			}
			if tt.other == Delivered {
				if r := d.receipt(t, id); r.Erased || !r.EndedAt.IsZero() {
					t.Errorf("erased before the other part ended: %+v", r)
				}
				d.whole(t, "one part ended")
				if tt.removed {
					if err := d.RemoveDestination(t.Context(), other); err != nil {
						t.Fatal(err)
					}
				} else {
					part(m, "portal", tt.fate)
				}
			}
			r := d.receipt(t, id)
			if r.Erased == tt.again || r.EndedAt.IsZero() || len(r.Records) != 2 {
				t.Fatalf("receipt %+v", r)
			}
			for _, e := range r.Records {
				want := map[bool]RecordFate{true: RecordDeleted, false: tt.fate}[e.DestinationID == one.DestinationID]
				if e.Record != want || e.EndedAt.IsZero() {
					t.Errorf("%+v, want %s", e, want)
				}
			}
			sums := d.whole(t, "both ended")
			if sums.Subscribers[Erased] != map[bool]int{false: 1}[tt.again] || sums.Destinations[one.DestinationID][Erased] != map[bool]int{false: 1}[tt.again] {
				t.Errorf("sums %v", sums)
			}
			for more := true; more; {
				if more, err = d.SweepDestinations(t.Context()); err != nil {
					t.Fatal(err)
				}
				d.whole(t, "swept")
			}
		})
	}
}

// Whoever signs up while a newsletter is taken from a destination, or the destination is
// removed, has gone there before that and ended with it, or doesn't go there.
func TestSignUpsWhileANewsletterIsTakenAway(t *testing.T) {
	testdb.PostgresOnly(t, "a file has one writer")
	for name, again := range map[string]bool{"somebody new": false, "signed up again": true} {
		t.Run(name, func(t *testing.T) {
			d := withNewsletters(t, "a/1", "a/2")
			d.rehearse = false // it would see by the first try what it waits for
			one, _ := d.two(t, "a")
			if again {
				d.putIn(t, one, add(t, d, signUp("a/1", "jane@example.com"))[0], Delivered)
			}
			writing, err := d.write.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = writing.Rollback() }()
			b := d.newBook(writing)
			answers, err := d.engine.enter(t.Context(), b, []SignUp{signUp("a/1", "jane@example.com")})
			if err == nil {
				err = b.change.finish(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := d.SetNewsletters(context.WithoutCancel(t.Context()), one, false, []string{"a/2"})
				done <- err
			}()
			d.someoneWaits(t, done)
			if err := writing.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if s := d.one(t, answers[0].ID); s.In(one.DestinationID).State != Ended {
				t.Errorf("got %+v", s.Deliveries)
			}
			d.whole(t, "taken away")
		})
	}
}

// someoneWaits returns once somebody waits for what another transaction has locked.
func (d *DB) someoneWaits(t *testing.T, done <-chan error) {
	t.Helper()
	for waits := 0; waits == 0; {
		select {
		case err := <-done:
			t.Fatalf("nobody waited: %v", err)
		default:
		}
		waits = number(t, d, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	}
}

// Until the last record of whoever is removed is gone, no other one may be made, which nobody
// would delete.
func TestARemovalEndsWhatIsOpenElsewhere(t *testing.T) {
	d := withNewsletters(t, "a/1")
	one, other := d.two(t, "a")
	test := signUp("a/1", "test@example.com")
	test.Source, test.At = "test", d.now()
	id := add(t, d, test)[0]
	l := d.lease(t, one)
	d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", Made: true})
	unless(t, undone(t, "a", id)(d))
	if s := d.one(t, id); s.In(other.DestinationID).State != Ended {
		t.Errorf("%+v", s.Deliveries)
	}
	d.agrees(t, "a", nil)
	due, err := d.DueRemovals(t.Context(), one)
	if err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	r, ask, err := d.BeginRemoval(t.Context(), l, due[0], "00D")
	if err != nil || !ask {
		t.Fatal(ask, err)
	}
	r.Record = RecordDeleted
	unless(t, d.EndRemoval(t.Context(), l, r))
	s, err := d.Sums(t.Context(), "a")
	if err != nil || !s.Subscribers.Equal(Sums{New: 1, Erased: 1}) || !s.Destinations["a"].Equal(Sums{Entered: 1, Erased: 1}) || !s.Destinations[other.DestinationID].Equal(Sums{Entered: 1, Erased: 1}) {
		t.Errorf("%+v, %v", s, err)
	}
	d.agrees(t, "a", nil)
}

// Whoever comes back while they are removed stays, as one who signs up again does.
func TestWhoComesBackIsNotRemoved(t *testing.T) {
	for _, back := range []bool{false, true} {
		d := withNewsletters(t, "a/1")
		test := signUp("a/1", "test@example.com")
		test.Source, test.At = "test", d.now()
		id := add(t, d, test)[0]
		l := leased(t, d)
		d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "003", OrgID: "00D", Made: true})
		unless(t, undone(t, "a", id)(d))
		unless(t, left(t, "a", id)(d))
		if back {
			if done, err := d.Return(t.Context(), "a", id, "ann"); err != nil || !done {
				t.Fatal(done, err)
			}
		}
		due, err := d.DueRemovals(t.Context(), first("a"))
		if err != nil || len(due) != 1 {
			t.Fatal(due, err)
		}
		r, ask, err := d.BeginRemoval(t.Context(), l, due[0], "00D")
		if err != nil || ask == back {
			t.Errorf("back %v: asked %v, %v", back, ask, err)
		}
		unless(t, d.EndRemoval(t.Context(), l, r))
		wantN(t, d, bit(back), `SELECT count(*) FROM subscribers WHERE id = $1`, id)
		d.agrees(t, "a", nil)
	}
}

// What waits of a newsletter that is taken away ends in batches; where somebody was killed in
// between, it is gone on with. Once the newsletter feeds it again, whom it ended for are sent
// there again, and have entered once.
func TestWhatWasTakenAwayEndsAndIsSentAgain(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2")
	d.batch = 2
	one, other := d.two(t, "a")
	ids := add(t, d, signUp("a/1", "0@example.com"), signUp("a/1", "1@example.com"), signUp("a/1", "2@example.com"), signUp("a/1", "3@example.com"), signUp("a/2", "4@example.com"))
	d.putIn(t, other, ids[0], Delivered)
	if _, err := d.Leave(t.Context(), "a", ids[1], "ann", ""); err != nil {
		t.Fatal(err)
	}
	if n, err := d.SetNewsletters(t.Context(), other, false, []string{"a/2"}); n != 2 || err != nil {
		t.Fatalf("%d ended, %v", n, err)
	}
	if _, err := d.write.ExecContext(t.Context(), `UPDATE destinations SET all_newsletters = 0 WHERE tenant_id = $1 AND id = $2`, one.TenantID, one.DestinationID); err != nil {
		t.Fatal(err) // as if whoever took all of them away had been killed then
	}
	if err := d.EndUnfed(t.Context()); err != nil {
		t.Fatal(err)
	}
	sums := d.whole(t, "taken away")
	if sums.Destinations[one.DestinationID][Ended] != 5 || sums.Destinations[other.DestinationID][Ended] != 3 {
		t.Errorf("got %v", sums)
	}
	if n, err := d.SetNewsletters(t.Context(), other, true, nil); n != 0 || err != nil {
		t.Fatalf("%d ended, %v", n, err)
	}
	if n, err := d.Missing(t.Context(), other); n != 2 || err != nil {
		t.Errorf("%d are missing, %v", n, err)
	}
	d.begin(t, Action{DestinationKey: other, Kind: ActionSend})
	sums = d.whole(t, "sent again")
	if of := sums.Destinations[other.DestinationID]; of[Entered] != 5 || of[Waiting] != 3 || of[Delivered] != 1 || of[Ended] != 1 {
		t.Errorf("got %v", of)
	}
	if n, err := d.Missing(t.Context(), other); n != 0 || err != nil {
		t.Errorf("%d are missing, %v", n, err)
	}
}
