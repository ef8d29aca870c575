// Package crmtest has the cases that every crm.CRM must pass.
package crmtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
)

// Env is a fresh, empty CRM and what surrounds it.
type Env struct {
	CRM crm.CRM
	// Records counts the records in it.
	Records func() int
	// Down has the next n calls fail as in an outage. With after set, they do their
	// work first, and their answer is lost.
	Down func(n int, after bool)
	// Revoke ends the access for good.
	Revoke func()
	// LoseChange has the next call that anonymises a record do its work, and lose its answer.
	LoseChange func()
	// Holds is what people see in a record, by the CRM's names of fields.
	Holds func(id string) map[string]any
	// Delete deletes a record.
	Delete func(id string)
	// Change changes a record by hand, at another time than it was made, as the CRM tells
	// times.
	Change func(id string)
	// Refused is somebody whom the CRM doesn't take.
	Refused crm.Fields
	// Key is a unique field of the CRM for the address; empty where it has none.
	Key string
	// Lead makes a lead by hand; nil where the CRM has none beside its contacts.
	Lead func(p crm.Fields) (id string)
	// Unique is true where the CRM itself keeps an address from being there twice.
	Unique bool
	// Add makes a record by hand, that has further addresses beside its own where the
	// CRM knows of such; nil where it doesn't.
	Add func(p crm.Fields, further ...string) (id string)
	// Merge merges another record into one, by hand; nil where the CRM can't. What results
	// may have an id of its own.
	Merge func(into, other string)
	// RefuseWhole has the CRM refuse the next call that makes so many records, as a whole
	// and for what stands in it; nil where the test can't bring that about.
	RefuseWhole func(records int)
	// Own are keys of fields of the CRM's own, one of each type that it has: those of choices
	// take red, green and blue, and nothing else.
	Own map[crm.ValueType]string
	// Field does something to one of them, whatever people do in the CRM.
	Field func(key string, what FieldChange)
	// Beside is something that the CRM does with a record beside what stands in it; its Key is
	// empty where there is nothing.
	Beside Beside
	// OptOut is how the CRM keeps who wants no e-mail.
	OptOut OptOut
	// RequiresNone is true where the CRM's API demands no field beside the address.
	RequiresNone bool
}

// Run runs the cases, each on an Env of its own.
func Run(t *testing.T, open func(t *testing.T) Env) {
	for name, test := range map[string]func(t *testing.T, e Env){
		"what it is":                     target,
		"nobody is found":                nobody,
		"who is written is found":        written,
		"several have an address":        several,
		"a bad one among good ones":      bad,
		"a bad one alone":                badAlone,
		"a whole batch":                  batch,
		"a change":                       change,
		"a change of what was deleted":   gone,
		"a record is taken back":         removed,
		"a record is anonymised":         anonymised,
		"anonymised in an outage":        anonymisedDown,
		"a field that can't be emptied":  anonymisedLocked,
		"a lead is anonymised":           anonymisedLead,
		"an outage":                      outage,
		"an answer that was lost":        lost,
		"the access ended":               revoked,
		"calls are counted":              calls,
		"a check-up":                     checkUp,
		"a field that is not there":      noKey,
		"its fields":                     schema,
		"fields of each type":            ownFields,
		"fields among others":            ownOfEach,
		"what is done beside a record":   beside,
		"a record beside which it fails": besideFails,
		"an opt-out":                     optOut,
		"an opt-out by hand":             optOutThere,
		"an opt-out of what was deleted": optOutGone,
		"an opt-out that can't be seen":  optOutHidden,
		"an opt-out that can't be set":   optOutLocked,
		"an opt-out in an outage":        optOutDown,
		"an opt-out of one subscription": optOutOfOne,
		"an opt-out of a lead":           optOutOfLead,
		"a field that nobody set":        ownBlank,
		"a field that is gone":           ownGone,
		"a field that became read-only":  ownLocked,
		"a field of another type now":    ownRetyped,
		"a value that isn't taken":       ownRefused,
		"a field that became required":   ownRequired,
		"nothing to do takes no call":    nothing,
		"an address that means trouble":  odd,
		"a placeholder we wrote":         placeholder,
		"a name like a placeholder":      nameThere,
		"a placeholder by a key":         placeholderByKey,
		"a lead like a placeholder":      leadThere,
		"found by another address":       furtherAddress,
		"there already":                  thereAlready,
		"the same person twice":          twice,
		"several bad ones":               severalBad,
		"refused as a whole":             refusedWhole,
		"a change of what was merged":    merged,
		"a change of one twice":          changedTwice,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func people(n int) (writes []crm.Write, emails []string) {
	for i := range n {
		p := crm.Fields{crm.Email: fmt.Sprintf("Reader%04d@contoso.example", i), crm.FirstName: "Ada", crm.LastName: "Lovelace"}
		writes, emails = append(writes, crm.Write{Fields: p}), append(emails, strings.ToLower(p[crm.Email]))
	}
	return writes, emails
}

// write writes, and fails the test unless all of it is done.
func (e Env) write(t *testing.T, writes ...crm.Write) (ids []string) {
	t.Helper()
	results, err := e.CRM.Write(t.Context(), writes, crm.Options{})
	if err != nil || len(results) != len(writes) {
		t.Fatalf("%d results of %d, %v", len(results), len(writes), err)
	}
	for _, r := range results {
		if r.Err != nil || r.ID == "" {
			t.Fatalf("%+v", r)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

func (e Env) find(t *testing.T, emails ...string) map[string][]crm.Record {
	t.Helper()
	found, err := e.CRM.Find(t.Context(), emails, crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (e Env) wantRecords(t *testing.T, n int) {
	t.Helper()
	if got := e.Records(); got != n {
		t.Errorf("%d records, want %d", got, n)
	}
}

// want checks that an error is a failure of a class, with a code that can be
// stored, and a sentence.
func (e Env) want(t *testing.T, err error, class crm.Class, unknown bool) *crm.Failure {
	t.Helper()
	var f *crm.Failure
	if !errors.As(err, &f) {
		t.Fatalf("%v is no *crm.Failure", err)
	}
	if f.Class != class || f.Unknown != unknown || f.Code == "" || !e.CRM.Provider().Knows(f.Code) {
		t.Errorf("%+v, want class %s, unknown %t", f, class, unknown)
	}
	return f
}

func target(t *testing.T, e Env) {
	if to := e.CRM.Target(); to.OrgID == "" || to.InstanceURL == "" || e.CRM.Provider().Batch < 1 {
		t.Errorf("%+v, batches of %d", to, e.CRM.Provider().Batch)
	}
}

func nobody(t *testing.T, e Env) {
	if found := e.find(t, "nobody@contoso.example"); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
}

func written(t *testing.T, e Env) {
	writes, emails := people(3)
	ids := e.write(t, writes...)
	found := e.find(t, append(emails, "nobody@contoso.example", emails[0])...)
	if len(found) != 3 {
		t.Fatalf("found %+v", found)
	}
	for i, email := range emails {
		r := found[email]
		if len(r) != 1 || r[0].ID != ids[i] || !strings.EqualFold(r[0].Fields[crm.Email], email) || r[0].Fields[crm.FirstName] != "Ada" || r[0].Fields[crm.LastName] != "Lovelace" {
			t.Errorf("%s: %+v, made as %s", email, r, ids[i])
		}
	}
	one := e.write(t, crm.Write{Fields: crm.Fields{crm.Email: "noname@contoso.example"}})
	if r := e.find(t, "noname@contoso.example")["noname@contoso.example"]; len(r) != 1 || r[0].ID != one[0] || r[0].Fields[crm.FirstName] != "" || !blank(r[0].Fields[crm.LastName], "NA") {
		t.Errorf("without a name: %+v", r)
	}
	e.wantRecords(t, 4)
}

func several(t *testing.T, e Env) {
	writes, emails := people(1)
	ids := append(e.write(t, writes...), e.write(t, writes...)...)
	found := e.find(t, emails...)[emails[0]]
	if len(found) == 1 && ids[0] == ids[1] {
		return // a CRM that keeps addresses apart by itself
	}
	for n := range 1000 { // until a clock that is not fine enough has moved on
		e.write(t, crm.Write{ID: ids[0], Fields: crm.Fields{crm.FirstName: fmt.Sprint("Grace ", n)}})
		if found = e.find(t, emails...)[emails[0]]; found[0].ID == ids[0] {
			break
		}
	}
	if len(found) != 2 || found[0].ID != ids[0] {
		t.Errorf("not the one that was changed last first: %+v of %v", found, ids)
	}
}

func bad(t *testing.T, e Env) {
	writes, _ := people(2)
	writes = slices.Insert(writes, 1, crm.Write{Fields: e.Refused})
	results, err := e.CRM.Write(t.Context(), writes, crm.Options{})
	if err != nil || len(results) != 3 || results[0].Err != nil || results[2].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	e.want(t, results[1].Err, crm.Recorded, false)
	e.wantRecords(t, 2)
}

func badAlone(t *testing.T, e Env) {
	results, err := e.CRM.Write(t.Context(), []crm.Write{{Fields: e.Refused}}, crm.Options{})
	if err != nil || len(results) != 1 {
		t.Fatalf("%+v, %v", results, err)
	}
	e.want(t, results[0].Err, crm.Recorded, false)
	e.wantRecords(t, 0)
}

func batch(t *testing.T, e Env) {
	writes, emails := people(e.CRM.Provider().Batch)
	e.write(t, writes...)
	if found := e.find(t, emails...); len(found) != len(emails) {
		t.Errorf("found %d of %d", len(found), len(emails))
	}
	e.wantRecords(t, len(writes))
}

func change(t *testing.T, e Env) {
	writes, emails := people(2)
	ids := e.write(t, writes...)
	e.write(t, crm.Write{ID: ids[0], Fields: crm.Fields{crm.LastName: "Byron"}}, crm.Write{Fields: crm.Fields{crm.Email: "new@contoso.example"}})
	found := e.find(t, emails...)
	if r := found[emails[0]]; len(r) != 1 || r[0].ID != ids[0] || r[0].Fields[crm.FirstName] != "Ada" || r[0].Fields[crm.LastName] != "Byron" {
		t.Errorf("changed into %+v", r)
	}
	if r := found[emails[1]]; len(r) != 1 || r[0].Fields[crm.LastName] != "Lovelace" {
		t.Errorf("the other: %+v", r)
	}
	e.wantRecords(t, 3)
}

func gone(t *testing.T, e Env) {
	writes, emails := people(1)
	ids := e.write(t, writes...)
	e.Delete(ids[0])
	results, err := e.CRM.Write(t.Context(), []crm.Write{{ID: ids[0], Fields: crm.Fields{crm.LastName: "Byron"}}}, crm.Options{})
	if err != nil || len(results) != 1 {
		t.Fatalf("%+v, %v", results, err)
	}
	if f := e.want(t, results[0].Err, crm.Recorded, false); f.Code != crm.Gone {
		t.Errorf("code %s", f.Code)
	}
	if found := e.find(t, emails...); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
}

// A record that we made can be deleted, until somebody changes it. What is new is told
// from what was there.
func removed(t *testing.T, e Env) {
	writes, emails := people(4)
	results, err := e.CRM.Write(t.Context(), writes, crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if !r.Made {
			t.Errorf("not new: %+v", r)
		}
	}
	change, err := e.CRM.Write(t.Context(), []crm.Write{{ID: results[3].ID, Fields: crm.Fields{crm.LastName: "Byron"}}}, crm.Options{})
	if err != nil || change[0].Made {
		t.Errorf("a change: %+v, %v", change, err)
	}
	is := func(what, id string, want crm.Removed) {
		t.Helper()
		if got, err := e.CRM.Remove(t.Context(), id); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", what, got, err, want)
		}
	}
	is("a new one", results[0].ID, crm.Deleted)
	is("once more", results[0].ID, crm.Missing)
	e.Delete(results[1].ID)
	is("one that somebody deleted", results[1].ID, crm.Missing)
	e.Change(results[2].ID)
	is("one that somebody changed", results[2].ID, crm.Changed)
	if found := e.find(t, emails...); len(found) != 2 || len(found[emails[2]]) != 1 {
		t.Errorf("left are %+v", found)
	}

	writes[0].Fields[crm.Email] = "another@contoso.example"
	id := e.write(t, writes[0])[0]
	e.Down(1, false)
	_, err = e.CRM.Remove(t.Context(), id)
	e.want(t, err, crm.Pause, false)
	is("after an outage", id, crm.Deleted)
	e.wantRecords(t, 2)
}

func outage(t *testing.T, e Env) {
	writes, emails := people(2)
	e.Down(1, false)
	_, err := e.CRM.Find(t.Context(), emails, crm.Options{})
	e.want(t, err, crm.Pause, false)
	e.Down(1, false)
	_, err = e.CRM.Write(t.Context(), writes, crm.Options{})
	e.want(t, err, crm.Pause, true)
	e.wantRecords(t, 0)
	e.write(t, writes...)
}

func lost(t *testing.T, e Env) {
	writes, emails := people(2)
	e.Down(1, true)
	_, err := e.CRM.Write(t.Context(), writes, crm.Options{})
	e.want(t, err, crm.Pause, true)
	if found := e.find(t, emails...); len(found) != 2 {
		t.Errorf("found %+v", found)
	}
	e.wantRecords(t, 2)
}

func revoked(t *testing.T, e Env) {
	writes, emails := people(1)
	e.Revoke()
	_, err := e.CRM.Find(t.Context(), emails, crm.Options{})
	e.want(t, err, crm.Connection, false)
	_, err = e.CRM.Write(t.Context(), writes, crm.Options{})
	e.want(t, err, crm.Connection, false)
}

func calls(t *testing.T, e Env) {
	before := e.CRM.Calls()
	_, emails := people(2)
	e.find(t, emails...)
	if n := e.CRM.Calls() - before; n < 1 {
		t.Errorf("%d calls", n)
	}
	limits := e.CRM.Limits()
	if len(limits) != len(e.CRM.Provider().Limits) {
		t.Fatalf("%d limits", len(limits))
	}
	for i, l := range limits {
		if l.Limit != e.CRM.Provider().Limits[i] || l.Known && (l.Used < 0 || l.Allowed < 1) {
			t.Errorf("%+v", l)
		}
	}
}

func checkUp(t *testing.T, e Env) {
	checks, err := e.CRM.CheckUp(t.Context())
	if err != nil || len(checks) == 0 {
		t.Fatalf("%+v, %v", checks, err)
	}
	for _, c := range checks {
		if c.What == "" || c.Level == crm.Stop && c.Mend == "" {
			t.Errorf("%+v", c)
		}
	}
}

func noKey(t *testing.T, e Env) {
	f := e.want(t, e.CRM.CheckKey(t.Context(), "No_such_field"), crm.Recorded, false)
	if f.Code != crm.NoKey {
		t.Errorf("code %s", f.Code)
	}
}

func nothing(t *testing.T, e Env) {
	before := e.CRM.Calls()
	if found := e.find(t); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
	if results, err := e.CRM.Write(t.Context(), nil, crm.Options{}); err != nil || len(results) != 0 {
		t.Errorf("%+v, %v", results, err)
	}
	if n := e.CRM.Calls() - before; n != 0 {
		t.Errorf("%d calls for nothing", n)
	}
}

func odd(t *testing.T, e Env) {
	var writes []crm.Write
	var emails []string
	for _, email := range []string{"o'neill@contoso.example", "a+b%c@contoso.example", "under_score@contoso.example", "per%cent@contoso.example"} {
		writes, emails = append(writes, crm.Write{Fields: crm.Fields{crm.Email: email, crm.LastName: `"<&>' @{p0[0].id} \ 李`}}), append(emails, email)
	}
	ids := e.write(t, writes...)
	found := e.find(t, append(emails, "underXscore@contoso.example", `x' OR Email != '`)...)
	if len(found) != len(emails) {
		t.Errorf("found %+v", found)
	}
	for i, email := range emails {
		if r := found[email]; len(r) != 1 || r[0].ID != ids[i] || r[0].Fields[crm.LastName] != writes[i].Fields[crm.LastName] {
			t.Errorf("%s: %+v", email, r)
		}
	}
}

// blank reports whether a last name that nobody gave is what it should be: the
// placeholder, or nothing where the CRM demands none.
func blank(name, placeholder string) bool { return name == "" || name == placeholder }

// Who gives no last name gets the placeholder that the tenant wants, alone or among
// others; a first name stays empty. A name that comes later takes its place.
func placeholder(t *testing.T, e Env) {
	for _, others := range []int{0, 2} {
		for _, first := range []string{"", "Ada"} {
			email := fmt.Sprintf("noname-%d-%s@contoso.example", others, strings.ToLower(first))
			writes := []crm.Write{{Fields: crm.Fields{crm.Email: email, crm.FirstName: first}}}
			for i := range others {
				writes = append(writes, crm.Write{Fields: crm.Fields{crm.Email: fmt.Sprintf("%d-%s", i, email), crm.LastName: "Roe"}})
			}
			results, err := e.CRM.Write(t.Context(), writes, crm.Options{Placeholder: "(not given)"})
			if err != nil || results[0].Err != nil {
				t.Fatalf("%+v, %v", results, err)
			}
			r := e.find(t, email)[email]
			if len(r) != 1 || r[0].Fields[crm.FirstName] != first || !blank(r[0].Fields[crm.LastName], "(not given)") {
				t.Errorf("%d others: %+v", others, r)
			}
			e.write(t, crm.Write{ID: results[0].ID, Fields: crm.Fields{crm.LastName: "Lovelace"}})
			if r := e.find(t, email)[email]; len(r) != 1 || r[0].Fields[crm.FirstName] != first || r[0].Fields[crm.LastName] != "Lovelace" {
				t.Errorf("%d others, with a name: %+v", others, r)
			}
		}
	}
}

// A name that is what a placeholder would be is found as it stands: whose it is, the
// caller knows.
func nameThere(t *testing.T, e Env) {
	e.write(t, crm.Write{Fields: crm.Fields{crm.Email: "na@contoso.example", crm.FirstName: "NA", crm.LastName: "NA"}})
	if r := e.find(t, "na@contoso.example")["na@contoso.example"]; len(r) != 1 || r[0].Fields[crm.FirstName] != "NA" || r[0].Fields[crm.LastName] != "NA" {
		t.Errorf("found %+v", r)
	}
}

// A placeholder never replaces a name: not where a record with the key came to be
// since nobody was found.
func placeholderByKey(t *testing.T, e Env) {
	if e.Key == "" {
		t.Skip("this CRM has no such field")
	}
	o := crm.Options{Key: e.Key, Placeholder: "NA"}
	write := func(writes ...crm.Write) []crm.Result {
		t.Helper()
		results, err := e.CRM.Write(t.Context(), writes, o)
		if err != nil || len(results) != len(writes) {
			t.Fatalf("%+v, %v", results, err)
		}
		return results
	}
	named, other := crm.Fields{crm.Email: "ada@contoso.example", crm.FirstName: "Ada", crm.LastName: "Lovelace"}, crm.Fields{crm.Email: "grace@contoso.example", crm.LastName: "Hopper"}
	write(crm.Write{Fields: named})
	for _, along := range [][]crm.Write{nil, {{Fields: other}}} {
		write(append([]crm.Write{{Fields: crm.Fields{crm.Email: named[crm.Email]}}}, along...)...)
		found, err := e.CRM.Find(t.Context(), []string{named[crm.Email]}, o)
		if r := found[named[crm.Email]]; err != nil || len(r) != 1 || r[0].Fields[crm.FirstName] != "Ada" || r[0].Fields[crm.LastName] != "Lovelace" {
			t.Errorf("with %d others: %+v, %v", len(along), r, err)
		}
	}
	if r := write(crm.Write{Fields: crm.Fields{crm.Email: "noname@contoso.example"}}, crm.Write{Fields: named}); r[0].Err != nil || r[1].Err != nil {
		t.Errorf("%+v", r)
	}
	found, err := e.CRM.Find(t.Context(), []string{"noname@contoso.example"}, o)
	if r := found["noname@contoso.example"]; err != nil || len(r) != 1 || !blank(r[0].Fields[crm.LastName], "NA") || r[0].Fields[crm.FirstName] != "" {
		t.Errorf("%+v, %v", r, err)
	}
	e.wantRecords(t, 3)
}

// The same of a lead: its names are found as they stand, and a change of one leaves the
// other.
func leadThere(t *testing.T, e Env) {
	if e.Lead == nil {
		t.Skip("this CRM has no leads")
	}
	o, email := crm.Options{Leads: true, Placeholder: "NA"}, "lead@contoso.example"
	id := e.Lead(crm.Fields{crm.Email: email, crm.FirstName: "NA", crm.LastName: "NA"})
	is := func(what, first, last string) {
		t.Helper()
		found, err := e.CRM.Find(t.Context(), []string{email}, o)
		if r := found[email]; err != nil || len(r) != 1 || r[0].ID != id || r[0].Fields[crm.FirstName] != first || r[0].Fields[crm.LastName] != last {
			t.Errorf("%s: %+v, %v", what, found, err)
		}
	}
	is("as it was made", "NA", "NA")
	results, err := e.CRM.Write(t.Context(), []crm.Write{{ID: id, Fields: crm.Fields{crm.FirstName: "Ada"}}, {Fields: crm.Fields{crm.Email: "noname@contoso.example"}}}, o)
	if err != nil || results[0].Err != nil || results[0].ID != id || results[1].Err != nil {
		t.Errorf("%+v, %v", results, err)
	}
	is("with a first name", "Ada", "NA")
	e.wantRecords(t, 1)
}
