package crmtest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
)

// filled are an Env's fields as callers know them, of all types.
func (e Env) filled() (all []crm.SchemaField) {
	for t, key := range e.Own {
		all = append(all, crm.SchemaField{Key: key, Label: "Own " + string(t), Type: t, Update: true})
	}
	return all
}

// full makes records of as many people, with a value in each of an Env's fields and in its key.
func (e Env) full(t *testing.T, n int) (ids, emails []string) {
	t.Helper()
	writes, emails := people(n)
	for i := range writes {
		writes[i].Own, _ = e.own(0)
	}
	results, err := e.CRM.Write(t.Context(), writes, e.keyed())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil || !r.Made {
			t.Fatalf("%+v", r)
		}
		ids = append(ids, r.ID)
	}
	return ids, emails
}

// keyed are options with an Env's key.
func (e Env) keyed() crm.Options { return crm.Options{Key: e.Key} }

// anonymises fails the test unless that becomes of a record, with those fields kept.
func (e Env) anonymises(t *testing.T, what, id string, own []crm.SchemaField, want crm.Removed, kept ...string) {
	t.Helper()
	got, left, err := e.CRM.Anonymise(t.Context(), id, own, e.keyed())
	if slices.Sort(left); err != nil || got != want || !slices.Equal(left, kept) {
		t.Errorf("%s: %s, %q, %v, want %s, %q", what, got, left, err, want, kept)
	}
}

// namesNobody fails the test unless a record is there that tells nothing of its person, but in those fields.
func (e Env) namesNobody(t *testing.T, id string, but ...string) {
	t.Helper()
	is := e.Holds(id)
	text, err := json.Marshal(is)
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"ada", "lovelace", "reader0", "contoso.example"} {
		if strings.Contains(strings.ToLower(string(text)), gone) {
			t.Errorf("it has %q still: %s", gone, text)
		}
	}
	if !strings.Contains(string(text), `"`+crm.ErasedName+`"`) {
		t.Errorf("it isn't said that somebody was erased: %s", text)
	}
	for kind, key := range e.Own {
		if v := is[key]; v != nil && v != "" && v != false && !slices.Contains(but, key) {
			t.Errorf("the %s holds %v", kind, v)
		}
	}
}

// A record that we made is anonymised, until somebody changes it: it stays, names nobody and isn't found by the address any
// more. Asked for again, it is done.
func anonymised(t *testing.T, e Env) {
	ids, emails := e.full(t, 3)
	e.Change(ids[0])
	e.anonymises(t, "one that somebody changed", ids[0], e.filled(), crm.Changed)
	e.Delete(ids[1])
	e.anonymises(t, "one that somebody deleted", ids[1], e.filled(), crm.Missing)
	if r := e.find(t, emails...); len(r) != 2 || r[emails[0]][0].Fields[crm.LastName] != "Lovelace" {
		t.Fatalf("found %+v", r)
	}
	for _, what := range []string{"a new one", "once more"} {
		e.anonymises(t, what, ids[2], e.filled(), crm.Anonymised)
		e.namesNobody(t, ids[2])
	}
	if found, err := e.CRM.Find(t.Context(), emails, e.keyed()); err != nil || len(found) != 1 {
		t.Errorf("found %+v, %v", found, err)
	}
	e.wantRecords(t, 2)
	writes, _ := people(3)
	results, err := e.CRM.Write(t.Context(), writes[2:], e.keyed())
	if err != nil || results[0].Err != nil || !results[0].Made || results[0].ID == ids[2] {
		t.Errorf("who signs up again: %+v, %v", results, err)
	}
	e.namesNobody(t, ids[2])
	e.wantRecords(t, 3)
}

// While the CRM is down nothing changes. When the answer gets lost it is asked for again, and comes out the same,
// though our own change is one; and what somebody writes in between stays.
func anonymisedDown(t *testing.T, e Env) {
	ids, emails := e.full(t, 2)
	ask := func(id string, unknown bool) {
		t.Helper()
		_, _, err := e.CRM.Anonymise(t.Context(), id, e.filled(), e.keyed())
		e.want(t, err, crm.Pause, unknown)
	}
	e.Down(1, false)
	ask(ids[0], false)
	if r := e.find(t, emails...); len(r) != 2 {
		t.Fatalf("found %+v", r)
	}
	e.LoseChange()
	ask(ids[0], true)
	e.namesNobody(t, ids[0])
	e.anonymises(t, "asked again", ids[0], e.filled(), crm.Anonymised)
	e.namesNobody(t, ids[0])
	e.LoseChange()
	ask(ids[1], true)
	e.Change(ids[1])
	e.write(t, crm.Write{ID: ids[1], Fields: crm.Fields{crm.FirstName: "Grace"}})
	e.anonymises(t, "somebody wrote into it in between", ids[1], e.filled(), crm.Changed)
	e.wantRecords(t, 2)
}

// A field that can't be written is told, and the rest is done, though it may be that only the CRM knew. One that the CRM demands gets a word, and is told where no word
// can be one of its values.
func anonymisedLocked(t *testing.T, e Env) {
	text, choice := e.Own[crm.TypeText], e.Own[crm.TypeChoice]
	ids, _ := e.full(t, 3)
	own := e.filled()
	set := func(key string, change func(f *crm.SchemaField)) {
		change(&own[slices.IndexFunc(own, func(f crm.SchemaField) bool { return f.Key == key })])
	}
	set(choice, func(f *crm.SchemaField) { f.Required = true })
	set(text, func(f *crm.SchemaField) { f.Required = true })
	if !e.RequiresNone {
		e.Field(text, RequireField)
	}
	for range 2 {
		e.anonymises(t, "required", ids[0], own, crm.Anonymised, choice)
	}
	e.namesNobody(t, ids[0], text, choice)
	if is := e.Holds(ids[0]); is[text] != crm.ErasedName || is[choice] != "green" {
		t.Errorf("it holds %v", is)
	}
	e.Field(text, LockField)
	kept := []string{choice, text}
	slices.Sort(kept)
	for id, update := range map[string]bool{ids[1]: false, ids[2]: true} {
		set(text, func(f *crm.SchemaField) { f.Update = update })
		for range 2 {
			e.anonymises(t, "locked", id, own, crm.Anonymised, kept...)
		}
		if is := e.Holds(id); is[choice] != "green" || is[text] == nil || is[e.Own[crm.TypeDate]] != nil && is[e.Own[crm.TypeDate]] != "" {
			t.Errorf("it holds %v", is)
		}
	}
}

// A lead has a company beside a name.
func anonymisedLead(t *testing.T, e Env) {
	if e.Lead == nil {
		t.Skip("this CRM has no leads")
	}
	id := e.Lead(crm.Fields{crm.Email: "reader0@contoso.example", crm.FirstName: "Ada", crm.LastName: "Lovelace"})
	e.anonymises(t, "a lead", id, e.filled(), crm.Anonymised)
	e.namesNobody(t, id)
	if company := e.Holds(id)["Company"]; company != crm.ErasedName {
		t.Errorf("its company is %v", company)
	}
	if found, err := e.CRM.Find(t.Context(), []string{"reader0@contoso.example"}, crm.Options{Leads: true}); err != nil || len(found) != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
}
