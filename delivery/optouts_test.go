package delivery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/crm/mapping"
	"gatepost/db"
)

// delivered signs an address up and delivers it, and returns who it is and their record.
func (h *house) delivered(d *Dispatcher, c *fakeCRM, newsletter, email string) (id, record string) {
	h.t.Helper()
	id = h.says(newsletter, email, "Jane", "Doe")
	takes(d, "a")
	return id, c.records[email][0]
}

func (h *house) leaves(id string) {
	h.t.Helper()
	if done, err := h.db.LeaveOne(h.t.Context(), "a", id, db.Leaving{At: now(), How: db.LeftByLink}); err != nil || !done {
		h.t.Fatal(done, err)
	}
}

func (h *house) comesBack(id string) {
	h.t.Helper()
	hash := db.NewID()
	// The link is of a moment after they left: one of before would be void.
	if _, err := h.db.Writer().Exec(`INSERT INTO confirmations (token_hash, tenant_id, subscriber_id, mail_id, made_at, expires_at) SELECT $1, 'a', id, '', left_at + 1, $2 FROM subscribers WHERE id = $3`,
		hash, now().Add(time.Hour).UnixMilli(), id); err != nil {
		h.t.Fatal(err)
	}
	if state, err := h.db.PressConfirmation(h.t.Context(), hash); err != nil || state != db.LinkDone {
		h.t.Fatal(state, err)
	}
}

func (h *house) onLeaving(l db.OnLeaving) {
	h.t.Helper()
	if err := h.db.SetOnLeaving(h.t.Context(), to("a"), l); err != nil {
		h.t.Fatal(err)
	}
}

// owed is what is kept of what somebody's leaving owed the CRM, the first first: what and its outcome.
func (h *house) owed(id string) (all []string) {
	h.t.Helper()
	history, err := h.db.History(h.t.Context(), "a", id)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := len(history.OptOuts) - 1; i >= 0; i-- {
		o := history.OptOuts[i]
		all = append(all, fmt.Sprint(o.What, o.Subscription, " ", o.Outcome, o.Code))
	}
	return all
}

func (h *house) wantOwed(id string, want ...string) {
	h.t.Helper()
	if got := h.owed(id); fmt.Sprint(got) != fmt.Sprint(want) {
		h.t.Errorf("owed %q, want %q", got, want)
	}
}

// owedAgain has what was put off be due.
func (h *house) owedAgain() { h.exec(`UPDATE opt_outs SET due_at = 0 WHERE ended_at = 0`) }

// Who left is marked in the CRM, whatever happens on the way, and none is marked who didn't. What is told of it is
// what became of it, and it is in no sum.
func TestLeavingIsMarked(t *testing.T) {
	const email = "jane@example.com"
	down := &crm.Failure{Class: crm.Pause, Code: crm.Unavailable}
	lost := &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}
	for name, tt := range map[string]struct {
		before func(h *house, c *fakeCRM, record string)
		marked bool
		want   string
	}{
		"as a rule":    {marked: true, want: "all set"},
		"there before": {before: func(_ *house, c *fakeCRM, record string) { c.optedOut[record] = true }, marked: true, want: "all was"},
		"down": {before: func(_ *house, c *fakeCRM, _ string) {
			c.faults = []fault{{on: "optout", err: down}, {on: "find", err: down}}
		}, marked: true, want: "all set"},
		"down for the mark alone": {before: func(_ *house, c *fakeCRM, _ string) { c.faults = []fault{{on: "optout", err: down}} }, marked: true, want: "all set"},
		"the answer was lost":     {before: func(_ *house, c *fakeCRM, _ string) { c.faults = []fault{{on: "optout", err: lost, after: true}} }, marked: true, want: "all set"},
		"the connection is dead": {before: func(_ *house, c *fakeCRM, _ string) {
			c.faults = []fault{{on: "optout", err: &crm.Failure{Class: crm.Connection, Code: crm.Broken}}}
		}, marked: true, want: "all set"},
		"refused": {before: func(_ *house, c *fakeCRM, record string) {
			c.refuses[record] = &crm.Failure{Class: crm.Recorded, Code: "NO"}
		}, want: "all refusedNO"},
		"without the right to": {before: func(_ *house, c *fakeCRM, record string) {
			c.refuses[record] = &crm.Failure{Class: crm.Recorded, Code: crm.NoOptOut}
		}, want: "all no_opt_out"},
		"the record is gone": {before: func(_ *house, c *fakeCRM, _ string) { delete(c.records, email) }, want: "all gone"},
		"the record is another one": {before: func(_ *house, c *fakeCRM, _ string) {
			c.records[email], c.names["other"] = []string{"other"}, crm.Fields{}
		}, marked: true, want: "all set"},
		"another org":     {before: func(_ *house, c *fakeCRM, _ string) { c.org = "00D2" }, want: "all away"},
		"came back first": {before: func(h *house, _ *fakeCRM, _ string) { h.exec(`UPDATE subscribers SET state = 'active'`) }, want: "all moot"},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			d := h.dispatcher(crms{"a": c})
			id, record := h.delivered(d, c, "a/1", email)
			h.delivered(d, c, "a/1", "other@example.com")
			h.leaves(id)
			if tt.before != nil {
				tt.before(h, c, record)
			}
			for range 3 {
				takes(d, "a")
				h.unpaused()
				h.owedAgain()
			}
			h.wantOwed(id, tt.want)
			if is := c.optedOut[record] || c.optedOut["other"]; is != tt.marked || c.optedOut["003000002"] {
				t.Errorf("marked %v", c.optedOut)
			}
			if s := h.subscriber("a", id); tt.marked != (s.OptedOut == db.OptedOutOfAll) && s.RecordID == record && c.optedOut[record] {
				t.Errorf("known as %+v", s.Delivery)
			}
			h.exec(`UPDATE subscribers SET state = 'left' WHERE id = $1`, id)
			h.adds("a")
		})
	}
}

// A turn that was cut short after the CRM did it does it again, and says so once.
func TestLeavingIsMarkedAfterACrash(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	id, record := h.delivered(h.dispatcher(crms{"a": c}), c, "a/1", "jane@example.com")
	h.leaves(id)
	crashes := &crashing{DB: h.db}
	takes(New(Config{Store: crashes, Connect: crms{"a": c}.connect}), "a")
	if !c.optedOut[record] || !crashes.did {
		t.Fatal("the CRM wasn't asked")
	}
	h.wantOwed(id, "all ")
	takes(h.dispatcher(crms{"a": c}), "a")
	h.wantOwed(id, "all set")
	if ours := h.number(`SELECT ours FROM opt_outs`); ours != 0 {
		t.Error("taken for ours, though somebody may have set it meanwhile")
	}
}

// crashing is a store that fails when it is told what became of opt-outs.
type crashing struct {
	*db.DB
	did bool
}

func (s *crashing) EndOptOuts(context.Context, db.Lease, []db.OptOut) error {
	s.did = true
	return errDisk
}

// One that can't be marked keeps nobody waiting, and is given up in the end, with its reason. It is tried again when
// somebody asks for it.
func TestAMarkThatIsNeverSet(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d := h.dispatcher(crms{"a": c})
	id, record := h.delivered(d, c, "a/1", "jane@example.com")
	other, _ := h.delivered(d, c, "a/1", "other@example.com")
	c.refuses[record] = &crm.Failure{Class: crm.Recorded, Code: crm.NoOptOut}
	h.leaves(id)
	h.leaves(other)
	h.says("a/1", "new@example.com", "", "")
	takes(d, "a")
	if len(c.records["new@example.com"]) != 1 || !c.optedOut["003000002"] {
		t.Error("others waited")
	}
	for range crm.MostTries {
		h.owedAgain()
		takes(d, "a")
	}
	h.wantOwed(id, "all refusedno_opt_out")
	if n, err := h.db.RefusedOptOuts(t.Context(), to("a")); n != 1 || err != nil {
		t.Errorf("%d refused, %v", n, err)
	}
	delete(c.refuses, record)
	if n, err := h.db.RetryOptOuts(t.Context(), to("a")); n != 1 || err != nil {
		t.Errorf("%d tried again, %v", n, err)
	}
	takes(d, "a")
	h.wantOwed(id, "all set")
}

// What is owed by leaving depends on what is left, and on what the tenant has set.
func TestWhatLeavingOwes(t *testing.T) {
	const email = "jane@example.com"
	all := func(h *house) {
		if _, err := h.db.LeaveAll(h.t.Context(), "a", email, db.Leaving{At: now(), How: db.LeftByLink}); err != nil {
			h.t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		set    db.OnLeaving
		feeds  []string // all when there are none
		other  bool     // they are on the other newsletter as well
		leaves func(h *house, id string)
		want   []string
	}{
		"the only newsletter":        {set: db.OnLeaving{Flag: true}, want: []string{"all set"}},
		"one of two":                 {set: db.OnLeaving{Flag: true}, other: true},
		"all of two":                 {set: db.OnLeaving{Flag: true}, other: true, leaves: func(h *house, _ string) { all(h) }, want: []string{"all set"}},
		"the only one that feeds it": {set: db.OnLeaving{Flag: true}, feeds: []string{"a/1"}, other: true, want: []string{"all set"}},
		"nothing is to be set":       {set: db.OnLeaving{}, leaves: func(h *house, _ string) { all(h) }},
		"a kind of its own":          {set: db.OnLeaving{Flag: true, Subscriptions: map[string]string{"a/1": "7", "a/2": "8"}}, want: []string{"subscription7 set"}},
		"a kind of its own, of two":  {set: db.OnLeaving{Subscriptions: map[string]string{"a/1": "7"}}, other: true, want: []string{"subscription7 set"}},
		"a kind of its own, and all": {set: db.OnLeaving{Flag: true, Subscriptions: map[string]string{"a/1": "7"}}, leaves: func(h *house, _ string) { all(h) }, want: []string{"all set"}},
		"the other's kind":           {set: db.OnLeaving{Subscriptions: map[string]string{"a/2": "8"}}, other: true},
		"one who was rejected is none": {set: db.OnLeaving{Flag: true}, other: true, leaves: func(h *house, id string) {
			h.exec(`UPDATE subscribers SET state = 'rejected' WHERE id <> $1`, id)
			h.leaves(id)
		}, want: []string{"all set"}},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			if len(tt.feeds) > 0 {
				if _, err := h.db.SetNewsletters(t.Context(), to("a"), false, tt.feeds); err != nil {
					t.Fatal(err)
				}
			}
			h.onLeaving(tt.set)
			d := h.dispatcher(crms{"a": c})
			id, record := h.delivered(d, c, "a/1", email)
			if tt.other {
				h.says("a/2", email, "", "")
				takes(d, "a")
			}
			if tt.leaves == nil {
				tt.leaves = (*house).leaves
			}
			tt.leaves(h, id)
			takes(d, "a")
			h.wantOwed(id, tt.want...)
			if c.optedOut[record+"8"] || len(c.optOuts) > 1 {
				t.Errorf("asked %v", c.optOuts)
			}
		})
	}
}

// Who has no record owes nothing; who gets one by a write that was out when they left does then. A further newsletter's record is
// the same, and is marked once.
func TestWhoIsInNoCRMIsMarkedNowhere(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d := h.dispatcher(crms{"a": c})
	id := h.says("a/1", "jane@example.com", "", "")
	h.leaves(id)
	takes(d, "a")
	h.wantOwed(id)

	one, record := h.delivered(d, c, "a/1", "rita@example.com")
	two := h.says("a/2", "rita@example.com", "", "")
	takes(d, "a")
	if _, err := h.db.LeaveAll(t.Context(), "a", "rita@example.com", db.Leaving{At: now(), How: db.LeftByAPI}); err != nil {
		t.Fatal(err)
	}
	takes(d, "a")
	h.wantOwed(one, "all set")
	h.wantOwed(two, "all set")
	if len(c.optOuts) != 1 || len(c.optOuts[0]) != 1 || c.optOuts[0][0] != (crm.OptOut{ID: record}) {
		t.Errorf("asked %v", c.optOuts)
	}
}

// A mark is taken back of who comes back, if the tenant says so and Gatepost set it.
func TestAMarkIsTakenBack(t *testing.T) {
	for name, tt := range map[string]struct {
		set    db.OnLeaving
		theirs bool // somebody had set it in the CRM
		early  bool // they come back before it was set
		want   []string
	}{
		"as a rule it stays":  {set: db.OnLeaving{Flag: true}, want: []string{"all set"}},
		"where it is wanted":  {set: db.OnLeaving{Flag: true, TakeBack: true}, want: []string{"all set", "back set"}},
		"not somebody else's": {set: db.OnLeaving{Flag: true, TakeBack: true}, theirs: true, want: []string{"all was"}},
		"of a kind":           {set: db.OnLeaving{TakeBack: true, Subscriptions: map[string]string{"a/1": "7"}}, want: []string{"subscription7 set", "back7 set"}},
		"before it was set":   {set: db.OnLeaving{Flag: true, TakeBack: true}, early: true, want: []string{"all moot"}},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			h.onLeaving(tt.set)
			d := h.dispatcher(crms{"a": c})
			id, record := h.delivered(d, c, "a/1", "jane@example.com")
			c.optedOut[record] = tt.theirs
			h.leaves(id)
			if !tt.early {
				takes(d, "a")
			}
			h.comesBack(id)
			takes(d, "a")
			takes(d, "a")
			h.wantOwed(id, tt.want...)
			stays := tt.theirs || tt.set.Flag && !tt.set.TakeBack
			if c.optedOut[record] != stays || c.optedOut[record+"7"] {
				t.Errorf("marked %v", c.optedOut)
			}
			s := h.subscriber("a", id)
			if is := s.OptedOut == db.OptedOutOfAll; s.State != db.Delivered || is != stays || is == s.OptedOutAt.IsZero() {
				t.Errorf("known as %+v", s.Delivery)
			}
			h.leaves(id) // and once more
			takes(d, "a")
			if got := h.owed(id); len(got) != len(tt.want)+1 {
				t.Errorf("owed %q", got)
			}
			h.adds("a")
		})
	}
}

// Who is erased before a field says that they left isn't told of any more, and keeps nobody waiting.
func TestErasedBeforeAFieldSaysWhoLeft(t *testing.T) {
	const email = "jane@example.com"
	h, c := newHouse(t, "a"), newToy(text("state"))
	h.onLeaving(db.OnLeaving{})
	d := h.over(c)
	h.maps("", fact("state", mapping.FactStatus, mapping.RuleEmpty))
	id := h.says("a/1", email, "Jane", "Doe")
	takes(d, "a")
	h.leaves(id)
	h.erases(email, db.EraseByAnonymise)
	h.says("a/1", "other@example.com", "", "")
	takes(d, "a")
	h.wantOwed(id, "field nothing")
	if h.finishErasing(); !h.receipt(id).Erased {
		t.Errorf("receipt %+v", h.receipt(id))
	}
	if state := c.holds(t, "other@example.com", "state"); state != "active" {
		t.Errorf("whoever is next is %q", state)
	}
}

// Where an opt-out from all e-mail is the person's alone to take back, that is said, and the CRM isn't asked.
func TestAMarkThatLasts(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.lasting = true
	h.onLeaving(db.OnLeaving{Flag: true, TakeBack: true})
	d := h.dispatcher(crms{"a": c})
	id, record := h.delivered(d, c, "a/1", "jane@example.com")
	h.leaves(id)
	takes(d, "a")
	h.comesBack(id)
	takes(d, "a")
	h.wantOwed(id, "all set", "back refusedno_opt_out")
	if len(c.optOuts) != 1 || !c.optedOut[record] {
		t.Errorf("asked %v", c.optOuts)
	}
}

// What somebody did in the CRM is seen by the look-up that is made anyway, and never changed.
func TestAnOptOutInTheCRMIsTold(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	h.onLeaving(db.OnLeaving{Flag: true, Subscriptions: map[string]string{"a/1": "7"}})
	d := h.dispatcher(crms{"a": c})
	id, record := h.delivered(d, c, "a/1", "jane@example.com")
	known := func(want db.OptedOut) (at time.Time) {
		t.Helper()
		h.exec(`UPDATE subscribers SET repeated_at = 0`)
		h.says("a/1", "jane@example.com", "", "")
		takes(d, "a")
		s := h.subscriber("a", id)
		if s.State != db.Delivered || s.OptedOut != want || (want == "") != s.OptedOutAt.IsZero() {
			t.Errorf("known as %+v, want %q", s.Delivery, want)
		}
		return s.OptedOutAt
	}
	known("")
	c.optedOut[record+"7"] = true
	first := known(db.OptedOutOfOne)
	if again := known(db.OptedOutOfOne); !again.Equal(first) {
		t.Errorf("since %v, and then since %v", first, again)
	}
	c.optedOut[record] = true
	known(db.OptedOutOfAll)
	if len(c.optOuts) > 0 {
		t.Errorf("asked %v", c.optOuts)
	}
}

// A removed destination owes nothing more, and says what became of it.
func TestARemovedDestinationOwesNothing(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d := h.dispatcher(crms{"a": c})
	id, _ := h.delivered(d, c, "a/1", "jane@example.com")
	h.leaves(id)
	if err := h.db.RemoveDestination(t.Context(), to("a")); err != nil {
		t.Fatal(err)
	}
	h.wantOwed(id, "all away")
	takes(d, "a")
	if len(c.optOuts) > 0 {
		t.Errorf("asked %v", c.optOuts)
	}
}

// fact maps something that is known of a sign-up to a field.
func fact(key, name string, rule mapping.Rule) mapping.Row {
	return mapping.Row{Target: key, Type: crm.TypeText, Label: "The " + key, Source: mapping.Source{Kind: mapping.KindFact, Name: name}, Rule: rule}
}

// A field that is mapped to it says who left, as its rule has it, and that they are back. Where they go on with another
// newsletter that fills the same field, it stays; where each has its own, each says its own. The address to unsubscribe is
// a fact as well.
func TestAMappedFieldSaysWhoLeft(t *testing.T) {
	const email = "jane@example.com"
	h, c := newHouse(t, "a"), newToy(text("state"), text("since"), text("daily"), text("out", func(f *crm.SchemaField) { f.Length = 0 }))
	h.onLeaving(db.OnLeaving{})
	d := New(Config{Store: paced{h.db, 0}, Connect: c.connect, UnsubscribeAddress: func(tenantID, id string) string { return "https://gatepost.example/unsubscribe/" + tenantID + id }})
	h.maps("", fact("state", mapping.FactStatus, mapping.RuleEmpty), fact("since", mapping.FactLeftAt, mapping.RuleAlways), fact("out", mapping.FactUnsubscribe, mapping.RuleAlways))
	holds := func(want ...string) {
		t.Helper()
		takes(d, "a")
		takes(d, "a")
		got := []string{c.holds(t, email, "state"), c.holds(t, email, "daily")}
		if since := c.holds(t, email, "since"); fmt.Sprint(got) != fmt.Sprint(want) || (got[0] == mapping.StatusLeft) && since == "" {
			t.Errorf("holds %q since %q, want %q", got, since, want)
		}
		h.adds("a")
	}
	one := h.says("a/1", email, "Jane", "Doe")
	holds("active", "")
	if out := c.holds(t, email, "out"); out != "https://gatepost.example/unsubscribe/a"+one {
		t.Errorf("unsubscribes at %q", out)
	}
	h.leaves(one)
	holds("left", "")
	h.wantOwed(one, "field set")
	h.comesBack(one)
	holds("active", "")

	two := h.says("a/2", email, "", "")
	holds("active", "")
	h.leaves(one)
	holds("active", "")
	h.wantOwed(one, "field set", "field nothing")
	h.comesBack(one)
	h.maps("a/2", fact("daily", mapping.FactStatus, mapping.RuleAlways))
	h.says("a/2", email, "", "")
	h.exec(`UPDATE deliveries SET due_at = 0`)
	holds("active", "active")
	h.leaves(two)
	holds("active", "left")
	h.wantOwed(two, "field set")

	card := "card-1"
	if _, err := c.CRM.Write(t.Context(), []crm.Write{{ID: card, Own: map[string]crm.Value{"state": {Type: crm.TypeText, Text: "VIP"}}}}, crm.Options{}); err != nil {
		t.Fatal(err)
	}
	h.leaves(one) // somebody else's value stays
	holds("VIP", "left")
}

// What keeps the field from being written is told, and tried again where it passes.
func TestAMappedFieldThatCantSayIt(t *testing.T) {
	const email = "jane@example.com"
	for name, tt := range map[string]struct {
		before func(h *house, c *toyCRM)
		want   string
	}{
		"the record is gone":  {func(_ *house, c *toyCRM) { c.CRM = newToy(text("state")).CRM }, "field gone"},
		"the mapping is gone": {func(h *house, _ *toyCRM) { h.exec(`DELETE FROM mappings`) }, "field nothing"},
		"refused": {func(_ *house, c *toyCRM) {
			c.refuses = func(crm.Write) error { return &crm.Failure{Class: crm.Recorded, Code: "NO"} }
		}, "field refusedNO"},
		"refused for a moment": {func(_ *house, c *toyCRM) {
			c.refuses = func(crm.Write) error { c.refuses = nil; return &crm.Failure{Class: crm.Passing, Code: "LOCKED"} }
		}, "field set"},
		"a write is out": {func(h *house, _ *toyCRM) {
			h.exec(`UPDATE deliveries SET sent_at = 1, settles_at = $1`, now().Add(time.Hour).UnixMilli())
		}, "field settling"},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newToy(text("state"))
			h.onLeaving(db.OnLeaving{})
			d := New(Config{Store: paced{h.db, 0}, Connect: c.connect})
			h.maps("", fact("state", mapping.FactStatus, mapping.RuleAlways))
			id := h.says("a/1", email, "Jane", "Doe")
			takes(d, "a")
			h.leaves(id)
			tt.before(h, c)
			for range 2 {
				takes(d, "a")
				h.owedAgain()
			}
			h.wantOwed(id, tt.want)
		})
	}
}

// Only what somebody said who is active is to be in the CRM: not what a robot said, or a stranger, or who left.
func TestOnlyWhoIsActiveCounts(t *testing.T) {
	for _, state := range db.States() {
		if !state.Reader {
			continue
		}
		if got := counts(db.Known{Subscriber: db.Subscriber{Status: state.State, Delivery: db.Delivery{State: db.Waiting}}}); got != (state.State == db.Active) {
			t.Errorf("%s counts: %v", state.State, got)
		}
	}
}

// Whichever came first, the marks say the same in the end of who left the same.
func TestMarksHangOnNoOrder(t *testing.T) {
	const email = "jane@example.com"
	kinds := func(all ...string) map[string]string {
		of := map[string]string{}
		for i, kind := range all {
			if kind != "" {
				of[fmt.Sprint("a/", i+1)] = kind
			}
		}
		return of
	}
	for name, tt := range map[string]struct {
		set   db.OnLeaving
		lost  bool // the first write's answer is lost, and known after the steps
		alone bool // they are on the first newsletter only
		away  bool // the second newsletter's delivery comes to nothing
		steps []string
		want  string // marks in the CRM: all and the kinds
	}{
		"one and then all":                           {set: db.OnLeaving{Flag: true, Subscriptions: kinds("7")}, alone: true, steps: []string{"1 leaves", "all"}, want: "all 7"},
		"one, and all before that is done":           {set: db.OnLeaving{Flag: true, Subscriptions: kinds("7")}, alone: true, steps: []string{"1 leaves at once", "all"}, want: "all 7"},
		"all twice":                                  {set: db.OnLeaving{Flag: true, Subscriptions: kinds("7", "")}, steps: []string{"all", "all"}, want: "all"},
		"all where nothing is to be set":             {set: db.OnLeaving{Subscriptions: kinds("7", "")}, steps: []string{"1 leaves", "all"}, want: "7"},
		"all while a write is out":                   {set: db.OnLeaving{Flag: true, Subscriptions: kinds("7")}, lost: true, steps: []string{"all at once"}, want: "all"},
		"one and all while a write is out":           {set: db.OnLeaving{Flag: true, Subscriptions: kinds("7")}, lost: true, steps: []string{"1 leaves at once", "all at once"}, want: "all"},
		"the last one has no record":                 {set: db.OnLeaving{Flag: true}, away: true, steps: []string{"1 leaves at once", "2 leaves"}, want: "all"},
		"the first one has no record":                {set: db.OnLeaving{Flag: true}, away: true, steps: []string{"2 leaves at once", "1 leaves"}, want: "all"},
		"with a kind, then without":                  {set: db.OnLeaving{Flag: true, Subscriptions: kinds("7", "")}, steps: []string{"1 leaves", "2 leaves"}, want: "all 7"},
		"without a kind, then with":                  {set: db.OnLeaving{Flag: true, Subscriptions: kinds("7", "")}, steps: []string{"2 leaves", "1 leaves"}, want: "all"},
		"each a kind":                                {set: db.OnLeaving{Flag: true, Subscriptions: kinds("7", "8")}, steps: []string{"1 leaves", "2 leaves"}, want: "7 8"},
		"one of two of a kind":                       {set: db.OnLeaving{Flag: true, Subscriptions: kinds("7", "7")}, steps: []string{"1 leaves"}},
		"both of a kind":                             {set: db.OnLeaving{Flag: true, Subscriptions: kinds("7", "7")}, steps: []string{"1 leaves", "2 leaves"}, want: "7"},
		"both of a kind, the last one has no record": {set: db.OnLeaving{Subscriptions: kinds("7", "7")}, away: true, steps: []string{"1 leaves at once", "2 leaves"}, want: "7"},
		"back to one of two of a kind":               {set: db.OnLeaving{TakeBack: true, Subscriptions: kinds("7", "7")}, steps: []string{"1 leaves", "2 leaves", "1 back"}},
		"back before a kind is marked":               {set: db.OnLeaving{TakeBack: true, Subscriptions: kinds("7", "7")}, steps: []string{"1 leaves", "2 leaves at once", "1 back"}},
		"back to one, and it is left again":          {set: db.OnLeaving{Flag: true, TakeBack: true, Subscriptions: kinds("7", "")}, steps: []string{"all", "1 back", "1 leaves"}, want: "all"},
		"back from all to a kind, and no more":       {set: db.OnLeaving{Flag: true, TakeBack: true, Subscriptions: kinds("7", "8")}, steps: []string{"all", "1 back"}, want: "8"},
		"back from all before it is marked":          {set: db.OnLeaving{Flag: true, Subscriptions: kinds("7", "8")}, steps: []string{"all at once", "1 back"}, want: "8"},
		"back, left and back before that is done":    {set: db.OnLeaving{Flag: true, TakeBack: true}, alone: true, steps: []string{"1 leaves", "1 back at once", "1 leaves", "1 back"}},
		"back from all to a kind":                    {set: db.OnLeaving{Flag: true, TakeBack: true, Subscriptions: kinds("7", "8")}, steps: []string{"all", "1 back", "1 leaves"}, want: "7 8"},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			h.onLeaving(tt.set)
			d := h.dispatcher(crms{"a": c})
			if tt.lost {
				c.faults = []fault{{on: "create", after: true, err: &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}}}
			}
			ids := map[string]string{"1": h.says("a/1", email, "", "")}
			takes(d, "a")
			if !tt.lost && !tt.alone {
				ids["2"] = h.says("a/2", email, "", "")
			}
			if !tt.away {
				takes(d, "a")
			}
			for _, step := range tt.steps {
				h.steps(ids, email, step)
				if !strings.HasSuffix(step, "at once") {
					takes(d, "a")
				}
			}
			h.unpaused()
			h.exec(`UPDATE deliveries SET settles_at = 1 WHERE settles_at > 0`)
			takes(d, "a")
			takes(d, "a")
			if got := c.marks("003000001"); got != tt.want {
				t.Errorf("marked %q, want %q; owed %q and %q", got, tt.want, h.owed(ids["1"]), h.owed(ids["2"]))
			}
			h.adds("a")
		})
	}
}

// steps has somebody leave one of their newsletters, or all, or come back to one.
func (h *house) steps(ids map[string]string, email, step string) {
	h.t.Helper()
	which, does, _ := strings.Cut(step, " ")
	switch {
	case which == "all":
		if _, err := h.db.LeaveAll(h.t.Context(), "a", email, db.Leaving{At: now(), How: db.LeftByAPI}); err != nil {
			h.t.Fatal(err)
		}
	case strings.HasPrefix(does, "back"):
		h.comesBack(ids[which])
	default:
		h.leaves(ids[which])
	}
}

// marks are those of a record: all, and the kinds.
func (c *fakeCRM) marks(record string) string {
	var is []string
	for mark, kind := range map[string]string{"": "all", "7": "7", "8": "8"} {
		if c.optedOut[record+mark] {
			is = append(is, kind)
		}
	}
	slices.SortFunc(is, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return strings.Join(is, " ")
}

// A mark that is owed for somebody who is erased by now isn't set on whoever signed up with the address since, and is taken
// back where they did so while it was set.
func TestAMarkOfSomebodyErased(t *testing.T) {
	const email = "jane@example.com"
	for name, during := range map[string]bool{"before it is set": false, "while it is set": true} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			h.onLeaving(db.OnLeaving{Flag: true, TakeBack: true})
			d := h.dispatcher(crms{"a": c})
			id, record := h.delivered(d, c, "a/1", email)
			h.leaves(id)
			h.erases(email, db.EraseByList)
			again := func() {
				since := h.says("a/1", email, "", "")
				h.exec(`UPDATE subscribers SET confirmed_at = $1 WHERE id = $2`, now().UnixMilli(), since)
			}
			if during {
				c.hook = func(on string) {
					if on == "optout" {
						c.hook = nil
						again()
					}
				}
			} else {
				again()
			}
			takes(d, "a")
			takes(d, "a")
			if want := map[bool]string{false: "all moot", true: "all set"}[during]; fmt.Sprint(h.owed(id)) != "["+want+"]" {
				t.Errorf("owed %q, want %s", h.owed(id), want)
			}
			if c.optedOut[record] {
				t.Error("who signed up since is marked")
			}
		})
	}
}

// Who leaves all leaves what they were rejected from as well: what is held of that brings nobody back.
func TestLeavingAllEndsWhatIsHeldOfTheRejected(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d := h.dispatcher(crms{"a": c})
	const email = "jane@example.com"
	h.delivered(d, c, "a/1", email)
	id := h.says("a/2", email, "", "")
	h.exec(`UPDATE subscribers SET state = 'rejected' WHERE id = $1`, id)
	h.says("a/2", email, "", "")
	held, n, err := h.db.Holds(t.Context(), "a", db.HoldQuery{Limit: 2})
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	h.steps(nil, email, "all")
	if n, err := h.db.AcceptHolds(t.Context(), "a", []string{held[0].ID}, "ann", true); err != nil || n != 0 {
		t.Errorf("accepted %d, %v", n, err)
	}
}

// Who leaves once more isn't brought back by what was held of them before.
func TestLeavingAgainEndsWhatIsHeld(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d := h.dispatcher(crms{"a": c})
	id, _ := h.delivered(d, c, "a/1", "jane@example.com")
	h.leaves(id)
	h.says("a/1", "jane@example.com", "", "") // held: no mail can be sent
	held, n, err := h.db.Holds(t.Context(), "a", db.HoldQuery{Limit: 2})
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if _, err := h.db.LeaveOne(t.Context(), "a", id, db.Leaving{At: now(), How: db.LeftByLink}); err != nil {
		t.Fatal(err)
	}
	if n, err := h.db.AcceptHolds(t.Context(), "a", []string{held[0].ID}, "ann", false); err != nil || n != 0 {
		t.Errorf("accepted %d, %v", n, err)
	}
	if s := h.subscriber("a", id); s.Status != db.Left {
		t.Errorf("is %s", s.Status)
	}
}
