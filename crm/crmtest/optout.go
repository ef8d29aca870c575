package crmtest

import (
	"slices"
	"testing"

	"gatepost/crm"
)

// OptOut is how an Env's CRM keeps who wants no e-mail.
type OptOut struct {
	// Is reports whether a record's person wants none of a subscription, or no e-mail at all where that is
	// empty, as people see it in the CRM.
	Is func(id, subscription string) bool
	// Set has somebody opt out of all e-mail by hand, or in again where the CRM's people can.
	Set func(id string, out bool)
	// Hide has the connected user not see it any more, and Lock not set it.
	Hide, Lock func()
	// Subscription is one kind of e-mail; empty where the CRM has none.
	Subscription string
}

// asking are options for a look-up that tells who wants no e-mail.
func (e Env) asking() crm.Options {
	o := crm.Options{OptOuts: true}
	if e.OptOut.Subscription != "" {
		o.Subscriptions = []string{e.OptOut.Subscription}
	}
	return o
}

// tells is what a look-up tells of an address.
func (e Env) tells(t *testing.T, email string) (all bool, of []string) {
	t.Helper()
	found, err := e.CRM.Find(t.Context(), []string{email}, e.asking())
	if err != nil || len(found[email]) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	return found[email][0].OptedOut, found[email][0].OptedOutOf
}

// optsOut sets opt-outs, and fails the test unless each has a result.
func (e Env) optsOut(t *testing.T, all ...crm.OptOut) []crm.OptOutResult {
	t.Helper()
	results, err := e.CRM.SetOptOuts(t.Context(), all)
	if err != nil || len(results) != len(all) {
		t.Fatalf("%+v, %v", results, err)
	}
	return results
}

// wantDone fails the test unless all was done; was says whether there was nothing to do.
func wantDone(t *testing.T, results []crm.OptOutResult, was bool) {
	t.Helper()
	for i, r := range results {
		if r.Err != nil || r.Was != was {
			t.Errorf("%d: %+v, want %t, %v", i, r, was, r.Err)
		}
	}
}

// optOutEnv skips a CRM that keeps no opt-outs, and returns three records.
func (e Env) optOutEnv(t *testing.T) (ids, emails []string) {
	t.Helper()
	if e.CRM.Provider().OptOuts == nil {
		t.Skip("this CRM keeps no opt-outs")
	}
	writes, emails := people(3)
	return e.write(t, writes...), emails
}

// Who wants no e-mail is marked, the others aren't; asked for again, nothing is to be done. A look-up tells it
// without a further call, where it is asked for. It is taken back where the CRM allows that.
func optOut(t *testing.T, e Env) {
	ids, emails := e.optOutEnv(t)
	wantDone(t, e.optsOut(t), false)
	wantDone(t, e.optsOut(t, crm.OptOut{ID: ids[0]}, crm.OptOut{ID: ids[1]}), false)
	for i, id := range ids {
		if e.OptOut.Is(id, "") != (i < 2) {
			t.Errorf("%d: opted out %t", i, e.OptOut.Is(id, ""))
		}
		if all, _ := e.tells(t, emails[i]); all != (i < 2) {
			t.Errorf("%d: told %t", i, all)
		}
	}
	wantDone(t, e.optsOut(t, crm.OptOut{ID: ids[0]}), true)
	if r := e.find(t, emails[0])[emails[0]]; r[0].OptedOut {
		t.Error("told though nobody asked")
	}
	before := e.CRM.Calls()
	e.find(t, emails...)
	plain := e.CRM.Calls() - before
	if _, err := e.CRM.Find(t.Context(), emails, e.asking()); err != nil || e.CRM.Calls()-before-plain != plain {
		t.Errorf("%d calls, %d without, %v", e.CRM.Calls()-before-plain, plain, err)
	}
	back := e.optsOut(t, crm.OptOut{ID: ids[0], Back: true}, crm.OptOut{ID: ids[2], Back: true})
	wantDone(t, back[1:], true)
	if e.CRM.Provider().OptOuts.Lasting {
		e.want(t, back[0].Err, crm.Recorded, false)
	} else {
		wantDone(t, back[:1], false)
	}
	if e.OptOut.Is(ids[0], "") != e.CRM.Provider().OptOuts.Lasting || !e.OptOut.Is(ids[1], "") {
		t.Error("not taken back, or that of another one")
	}
	e.wantRecords(t, 3)
}

// What somebody did in the CRM is told, and is nothing that we did.
func optOutThere(t *testing.T, e Env) {
	ids, emails := e.optOutEnv(t)
	e.OptOut.Set(ids[0], true)
	if all, of := e.tells(t, emails[0]); !all || len(of) != 0 {
		t.Errorf("told %t, %q", all, of)
	}
	wantDone(t, e.optsOut(t, crm.OptOut{ID: ids[0]}), true)
	if !e.CRM.Provider().OptOuts.Lasting {
		e.OptOut.Set(ids[0], false)
		wantDone(t, e.optsOut(t, crm.OptOut{ID: ids[0]}), false)
	}
}

// A record that isn't there keeps nobody else's from being changed.
func optOutGone(t *testing.T, e Env) {
	ids, _ := e.optOutEnv(t)
	e.Delete(ids[0])
	results := e.optsOut(t, crm.OptOut{ID: ids[0]}, crm.OptOut{ID: ids[1]})
	if f := e.want(t, results[0].Err, crm.Recorded, false); f.Code != crm.Gone {
		t.Errorf("code %s", f.Code)
	}
	wantDone(t, results[1:], false)
	if !e.OptOut.Is(ids[1], "") {
		t.Error("the other one isn't opted out")
	}
}

// Where the connected user may not see or set it, that is said of each, and look-ups go on without.
func optOutHidden(t *testing.T, e Env) {
	ids, emails := e.optOutEnv(t)
	e.OptOut.Hide()
	for range 2 { // the second time it is known
		if all, _ := e.tells(t, emails[0]); all {
			t.Error("told what can't be seen")
		}
		for _, r := range e.optsOut(t, crm.OptOut{ID: ids[0]}, crm.OptOut{ID: ids[1]}) {
			if f := e.want(t, r.Err, crm.Recorded, false); f.Code != crm.NoOptOut {
				t.Errorf("code %s", f.Code)
			}
		}
	}
}

// Where the connected user may see and not set it, that is told and said likewise. A record that has it needs
// nothing set.
func optOutLocked(t *testing.T, e Env) {
	ids, emails := e.optOutEnv(t)
	e.OptOut.Set(ids[1], true)
	e.OptOut.Lock()
	if all, _ := e.tells(t, emails[1]); !all {
		t.Error("not told")
	}
	r := e.optsOut(t, crm.OptOut{ID: ids[0]}, crm.OptOut{ID: ids[1]}, crm.OptOut{ID: ids[2]})
	for _, i := range []int{0, 2} {
		if f := e.want(t, r[i].Err, crm.Recorded, false); f.Code != crm.NoOptOut || e.OptOut.Is(ids[i], "") {
			t.Errorf("code %s, opted out: %t", f.Code, e.OptOut.Is(ids[i], ""))
		}
	}
	wantDone(t, r[1:2], true)
}

// An outage is everybody's, and passes. After the access ended, nothing goes.
func optOutDown(t *testing.T, e Env) {
	ids, _ := e.optOutEnv(t)
	e.Down(1, false)
	_, err := e.CRM.SetOptOuts(t.Context(), []crm.OptOut{{ID: ids[0]}})
	if f := crm.Failed(err); err == nil || f.Class != crm.Pause {
		t.Fatalf("%v", err)
	}
	wantDone(t, e.optsOut(t, crm.OptOut{ID: ids[0]}), false)
	e.Revoke()
	_, err = e.CRM.SetOptOuts(t.Context(), []crm.OptOut{{ID: ids[1]}})
	e.want(t, err, crm.Connection, false)
}

// One kind of e-mail is opted out of by itself, and in again. A CRM that has no such thing says so of each.
func optOutOfOne(t *testing.T, e Env) {
	ids, emails := e.optOutEnv(t)
	one := e.OptOut.Subscription
	all, err := e.CRM.Subscriptions(t.Context())
	if err != nil || slices.ContainsFunc(all, func(s crm.Subscription) bool { return s.ID == "" || s.Name == "" }) ||
		slices.ContainsFunc(all, func(s crm.Subscription) bool { return s.ID == one }) != (one != "") {
		t.Fatalf("%+v, %v", all, err)
	}
	if one == "" {
		r := e.optsOut(t, crm.OptOut{ID: ids[0], Subscription: "7"}, crm.OptOut{ID: ids[1]})
		if f := e.want(t, r[0].Err, crm.Recorded, false); f.Code != crm.NoOptOut || e.OptOut.Is(ids[0], "") {
			t.Errorf("code %s, opted out of all: %t", f.Code, e.OptOut.Is(ids[0], ""))
		}
		wantDone(t, r[1:], false)
		return
	}
	wantDone(t, e.optsOut(t, crm.OptOut{ID: ids[0], Subscription: one}, crm.OptOut{ID: ids[1]}), false)
	if e.OptOut.Is(ids[0], "") || !e.OptOut.Is(ids[0], one) || !e.OptOut.Is(ids[1], "") {
		t.Error("not of the one that it was for")
	}
	if all, of := e.tells(t, emails[0]); all || !slices.Equal(of, []string{one}) {
		t.Errorf("told %t, %q", all, of)
	}
	wantDone(t, e.optsOut(t, crm.OptOut{ID: ids[0], Subscription: one}), true)
	wantDone(t, e.optsOut(t, crm.OptOut{ID: ids[0], Subscription: one, Back: true}), false)
	if e.OptOut.Is(ids[0], one) {
		t.Error("not taken back")
	}
	r := e.optsOut(t, crm.OptOut{ID: ids[2], Subscription: "404404"})
	e.want(t, r[0].Err, crm.Recorded, false)
}

// A lead is marked as a contact is, among contacts.
func optOutOfLead(t *testing.T, e Env) {
	if e.Lead == nil {
		t.Skip("this CRM has no leads")
	}
	ids, _ := e.optOutEnv(t)
	const email = "lead@contoso.example"
	lead := e.Lead(crm.Fields{crm.Email: email, crm.LastName: "Lead"})
	wantDone(t, e.optsOut(t, crm.OptOut{ID: lead}, crm.OptOut{ID: ids[0]}), false)
	o := e.asking()
	o.Leads = true
	found, err := e.CRM.Find(t.Context(), []string{email}, o)
	if err != nil || len(found[email]) != 1 || !found[email][0].OptedOut || !e.OptOut.Is(ids[0], "") {
		t.Errorf("%+v, %v", found, err)
	}
	wantDone(t, e.optsOut(t, crm.OptOut{ID: lead}), true)
	wantDone(t, e.optsOut(t, crm.OptOut{ID: lead, Back: true}), false)
}
