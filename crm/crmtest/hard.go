package crmtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"gatepost/crm"
)

// Who has several addresses is found by each of them, once, with the address that was asked
// for; and a change leaves the addresses as they are.
func furtherAddress(t *testing.T, e Env) {
	if e.Add == nil {
		t.Skip("a record of this CRM has one address")
	}
	const first, second = "ada@contoso.example", "countess@contoso.example"
	id := e.Add(crm.Fields{crm.Email: first, crm.FirstName: "Ada"}, second)
	for _, asked := range [][]string{{second}, {first, second}, {strings.ToUpper(second), "nobody@contoso.example"}} {
		found := e.find(t, asked...)
		for _, email := range asked {
			if r := found[strings.ToLower(email)]; email != "nobody@contoso.example" && (len(r) != 1 || r[0].ID != id || r[0].Fields[crm.FirstName] != "Ada") {
				t.Errorf("%q: %+v", asked, found)
			}
		}
	}
	e.write(t, crm.Write{ID: id, Fields: crm.Fields{crm.Email: second, crm.LastName: "Lovelace"}})
	if r := e.find(t, second)[second]; len(r) != 1 || !strings.EqualFold(r[0].Fields[crm.Email], first) || r[0].Fields[crm.LastName] != "Lovelace" {
		t.Errorf("changed into %+v", r)
	}
	if r := e.write(t, crm.Write{Fields: crm.Fields{crm.Email: second}}); e.Unique && r[0] != id {
		t.Errorf("made as %s, and is %s", r[0], id)
	}
}

// Who came to be there since nobody was found is that record, where the CRM has an address
// once: it isn't new, keeps its names, and nobody among the others is harmed.
func thereAlready(t *testing.T, e Env) {
	if !e.Unique {
		t.Skip("this CRM may have an address twice")
	}
	named := crm.Fields{crm.Email: "Ada@contoso.example", crm.FirstName: "Ada", crm.LastName: "Lovelace"}
	id := e.write(t, crm.Write{Fields: named})[0]
	late := crm.Write{Fields: crm.Fields{crm.Email: "ada@Contoso.example", crm.FirstName: "Augusta", crm.LastName: "Byron"}}
	for _, along := range []int{0, 3} {
		writes := []crm.Write{late}
		for i := range along {
			writes = append(writes, crm.Write{Fields: crm.Fields{crm.Email: fmt.Sprintf("other%d@contoso.example", i)}})
		}
		results, err := e.CRM.Write(t.Context(), writes, crm.Options{})
		if err != nil || results[0].Err != nil || results[0].ID != id || results[0].Made {
			t.Fatalf("with %d others: %+v, %v", along, results, err)
		}
		for _, r := range results[1:] {
			if r.Err != nil || !r.Made {
				t.Errorf("another one: %+v", r)
			}
		}
	}
	// Whose values were meant for a new record is looked up again: which of them an old one takes, the
	// caller says.
	late.Own, _ = e.own(0)
	for _, writes := range [][]crm.Write{{late}, {late, {Fields: crm.Fields{crm.Email: "other0@contoso.example", crm.LastName: "Roe"}}}} {
		results, err := e.CRM.Write(t.Context(), writes, crm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if f := e.want(t, results[0].Err, crm.Recorded, false); f.Code != crm.Exists || f.Match != id {
			t.Errorf("%+v", f)
		}
		if own := e.readOwn(t, "ada@contoso.example", e.reading()); own[e.Own[crm.TypeText]] != "" {
			t.Errorf("it holds %q", own)
		}
	}
	if r := e.find(t, named[crm.Email])["ada@contoso.example"]; len(r) != 1 || r[0].Fields[crm.FirstName] != "Ada" {
		t.Errorf("found %+v", r)
	}
	e.wantRecords(t, 4)
}

// A person who is twice among the writes is one record, where the CRM has an address once.
func twice(t *testing.T, e Env) {
	if !e.Unique {
		t.Skip("this CRM may have an address twice")
	}
	writes, _ := people(3)
	writes = append(writes, crm.Write{Fields: crm.Fields{crm.Email: strings.ToUpper(writes[1].Fields[crm.Email]), crm.FirstName: "Grace"}})
	ids := e.write(t, writes...)
	if ids[3] != ids[1] || ids[0] == ids[1] {
		t.Errorf("made as %v", ids)
	}
	e.wantRecords(t, 3)
}

// Each outcome belongs to its own record, in whatever order the CRM tells them.
func severalBad(t *testing.T, e Env) {
	var writes []crm.Write
	for i := range 12 {
		p := crm.Fields{crm.Email: fmt.Sprintf("reader%d@contoso.example", i), crm.LastName: fmt.Sprintf("Number %d", i)}
		if i%3 == 1 {
			p[crm.Email] = fmt.Sprint(i) + e.Refused[crm.Email]
		}
		writes = append(writes, crm.Write{Fields: p})
	}
	results, err := e.CRM.Write(t.Context(), writes, crm.Options{})
	if err != nil || len(results) != len(writes) {
		t.Fatalf("%+v, %v", results, err)
	}
	for i, r := range results {
		if i%3 == 1 {
			e.want(t, r.Err, crm.Recorded, false)
			continue
		}
		found := e.find(t, writes[i].Fields[crm.Email])[writes[i].Fields[crm.Email]]
		if r.Err != nil || !r.Made || len(found) != 1 || found[0].ID != r.ID || found[0].Fields[crm.LastName] != writes[i].Fields[crm.LastName] {
			t.Errorf("%d: %+v, found %+v", i, r, found)
		}
	}
	e.wantRecords(t, 8)
}

// Where a whole call is refused for what stands in it, each of its records is told to share
// that, or the call fails so; one alone is told for itself. Halves of it go through.
func refusedWhole(t *testing.T, e Env) {
	if e.RefuseWhole == nil {
		t.Skip("the test can't bring it about")
	}
	writes, _ := people(4)
	e.RefuseWhole(len(writes))
	results, err := e.CRM.Write(t.Context(), writes, crm.Options{})
	if err != nil {
		e.want(t, err, crm.Recorded, false)
	}
	for _, r := range results {
		if f := e.want(t, r.Err, crm.Recorded, false); !f.Shared {
			t.Errorf("not shared: %+v", f)
		}
	}
	e.wantRecords(t, 0)
	e.write(t, writes[:2]...)
	e.RefuseWhole(1)
	results, err = e.CRM.Write(t.Context(), writes[2:3], crm.Options{})
	if err != nil || len(results) != 1 {
		t.Fatalf("%+v, %v", results, err)
	}
	if f := e.want(t, results[0].Err, crm.Recorded, false); f.Shared {
		t.Errorf("one alone is said to share it: %+v", f)
	}
	e.write(t, writes[2:]...)
	e.wantRecords(t, 4)
}

// Who was merged into another record is gone under the old id, or changed in the one that
// is left; whoever is looked up is found in that one.
func merged(t *testing.T, e Env) {
	if e.Merge == nil {
		t.Skip("the test can't merge records")
	}
	writes, emails := people(3)
	ids := e.write(t, writes...)
	e.Merge(ids[0], ids[1])
	name := crm.Fields{crm.LastName: "Byron"}
	results, err := e.CRM.Write(t.Context(), []crm.Write{{ID: ids[1], Fields: name}, {ID: ids[2], Fields: name}}, crm.Options{})
	if err != nil || len(results) != 2 || results[1].Err != nil || results[1].ID != ids[2] {
		t.Fatalf("%+v, %v", results, err)
	}
	if results[0].Err != nil {
		if f := e.want(t, results[0].Err, crm.Recorded, false); f.Code != crm.Gone {
			t.Errorf("code %s", f.Code)
		}
	}
	found := e.find(t, emails...)
	a, b := found[emails[0]], found[emails[1]]
	if len(a) != 1 || len(b) != 1 || a[0].ID != b[0].ID {
		t.Fatalf("found %+v", found)
	}
	e.write(t, crm.Write{ID: b[0].ID, Fields: name})
	if got, err := e.CRM.Remove(t.Context(), ids[1]); err != nil || got == crm.Deleted {
		t.Errorf("what was merged into another one: %s, %v", got, err)
	}
	e.wantRecords(t, 2)
}

// A record may be changed twice at once, since somebody may be known by two addresses.
func changedTwice(t *testing.T, e Env) {
	if e.Add == nil {
		t.Skip("a record of this CRM has one address")
	}
	writes, emails := people(2)
	ids := e.write(t, writes...)
	results, err := e.CRM.Write(t.Context(), []crm.Write{{ID: ids[0], Fields: crm.Fields{crm.FirstName: "Grace"}},
		{ID: ids[1], Fields: crm.Fields{crm.LastName: "Byron"}}, {ID: ids[0], Fields: crm.Fields{crm.LastName: "Hopper"}}}, crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if i < 2 && (r.Err != nil || r.ID != ids[i]) {
			t.Errorf("%d: %+v", i, r)
		}
	}
	var f *crm.Failure
	if r := results[2]; r.Err != nil && (!errors.As(r.Err, &f) || f.Unknown) || r.Err == nil && r.ID != ids[0] {
		t.Errorf("the second one: %+v", r)
	}
	if r := e.find(t, emails...)[emails[0]]; len(r) != 1 || r[0].Fields[crm.FirstName] != "Grace" || results[2].Err == nil && r[0].Fields[crm.LastName] != "Hopper" {
		t.Errorf("found %+v", r)
	}
}
