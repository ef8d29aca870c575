package crmtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
)

// valueTypes are all that there are.
var valueTypes = []crm.ValueType{crm.TypeText, crm.TypeLongText, crm.TypeChoice, crm.TypeChoices, crm.TypeCheckbox, crm.TypeDate, crm.TypeTime,
	crm.TypeNumber, crm.TypeInteger, crm.TypeEmail, crm.TypePhone, crm.TypeURL}

// A CRM tells its fields, each once and whole, and neither the address nor the names among them. An
// outage says nothing of the fields.
func schema(t *testing.T, e Env) {
	s, err := e.CRM.Schema(t.Context())
	if err != nil || len(s.Fields) == 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	seen := map[string]bool{}
	for _, f := range s.Fields {
		chosen := f.Type == crm.TypeChoice || f.Type == crm.TypeChoices
		switch name := strings.ToLower(f.Key); {
		case f.Key == "" || f.Label == "" || seen[f.Key] || !slices.Contains(valueTypes, f.Type) || !f.Create && !f.Update:
			t.Errorf("%+v", f)
		case slices.Contains([]string{"email", "firstname", "first_name", "lastname", "last_name"}, name):
			t.Errorf("%s has a way of its own", f.Key)
		case f.Offer != "" && f.Closed && !slices.ContainsFunc(f.Values, func(c crm.Choice) bool { return c.Value == f.Offer }):
			t.Errorf("%s is offered %q, which it doesn't take", f.Key, f.Offer)
		case !chosen && (len(f.Values) > 0 || f.Closed) || f.Closed && len(f.Values) == 0 || len(f.Values) > crm.MaxChoices && f.Closed:
			t.Errorf("%s has %d values to choose from, and no others: %t", f.Key, len(f.Values), f.Closed)
		}
		for _, v := range f.Values {
			if v.Value == "" || v.Label == v.Value || f.Type == crm.TypeChoices && strings.Contains(v.Value, ";") {
				t.Errorf("%s: %+v", f.Key, v)
			}
		}
		seen[f.Key] = true
	}
	e.Down(1, false)
	_, err = e.CRM.Schema(t.Context())
	e.want(t, err, crm.Pause, false)
}

// FieldChange is what people do to a field in the CRM.
type FieldChange string

// What they do.
const (
	RemoveField  FieldChange = "remove"
	RequireField FieldChange = "require" // of new records
	LockField    FieldChange = "lock"    // so that the API can't write it
	RetypeField  FieldChange = "retype"  // of a text: it takes numbers from then on
)

// values are texts of each type as a form may hold them, two each.
var values = map[crm.ValueType][2]string{
	crm.TypeText:     {`"<&>' @{p0[0].id} \\ 李`, "Contoso; and more"},
	crm.TypeLongText: {"one\r\n@{two}\n\n\"three\"", "four"},
	crm.TypeChoice:   {"green", "red"},
	crm.TypeChoices:  {"red;blue", "green"},
	crm.TypeCheckbox: {"true", "false"},
	crm.TypeDate:     {"2026-02-28", "1999-12-31"},
	crm.TypeTime:     {"2026-11-01T10:00:00.750+01:00", "2026-12-31T23:59:59Z"},
	crm.TypeNumber:   {"1234.50", "-7"},
	crm.TypeInteger:  {"42", "-3"},
	crm.TypeEmail:    {"work@contoso.example", "other@contoso.example"},
	crm.TypePhone:    {"+49 30 123456", "030/123"},
	crm.TypeURL:      {"https://contoso.example/a?b=c&d", "https://contoso.example"},
}

// own are the values of all of an Env's fields, the first ones or the second, and their canonical
// texts.
func (e Env) own(n int) (own map[string]crm.Value, want map[string]string) {
	own, want = map[string]crm.Value{}, map[string]string{}
	for t, key := range e.Own {
		own[key] = crm.Value{Type: t, Text: values[t][n]}
		want[key], _ = crm.Canonical(t, values[t][n])
	}
	return own, want
}

// reading are options that have all of an Env's fields read.
func (e Env) reading() crm.Options {
	o := crm.Options{Read: map[string]crm.ValueType{}}
	for t, key := range e.Own {
		o.Read[key] = t
	}
	return o
}

// readOwn returns what is read of the only record with an address.
func (e Env) readOwn(t *testing.T, email string, o crm.Options) map[string]string {
	t.Helper()
	found, err := e.CRM.Find(t.Context(), []string{email}, o)
	if err != nil || len(found[email]) != 1 {
		t.Fatalf("%s: %+v, %v", email, found, err)
	}
	return found[email][0].Own
}

// What is written is read back as the same text, of every type, of a new record and of one that is
// changed, alone and among others.
func ownFields(t *testing.T, e Env) {
	if len(e.Own) < len(valueTypes)-3 {
		t.Fatalf("fields of %d types: this shows little", len(e.Own))
	}
	first, want := e.own(0)
	second, changed := e.own(1)
	for _, others := range []int{0, 2} {
		email := fmt.Sprintf("own%d@contoso.example", others)
		writes := []crm.Write{{Fields: crm.Fields{crm.Email: email, crm.LastName: "Lovelace"}, Own: first}}
		for i := range others {
			writes = append(writes, crm.Write{Fields: crm.Fields{crm.Email: fmt.Sprintf("%d-%s", i, email), crm.LastName: "Roe"}})
		}
		id := e.write(t, writes...)[0]
		if got := e.readOwn(t, email, e.reading()); !maps.Equal(got, want) {
			t.Errorf("%d others: made with\n%q, want\n%q", others, got, want)
		}
		if got := e.find(t, email)[email]; len(got) != 1 || len(got[0].Own) > 0 || got[0].Fields[crm.LastName] != "Lovelace" {
			t.Errorf("%d others: nobody asked for %+v", others, got)
		}
		writes[0] = crm.Write{ID: id, Own: second}
		for i := range others {
			writes[i+1].Fields[crm.Email] = "more-" + writes[i+1].Fields[crm.Email]
		}
		e.write(t, writes...)
		if got := e.readOwn(t, email, e.reading()); !maps.Equal(got, changed) {
			t.Errorf("%d others: changed into\n%q, want\n%q", others, got, changed)
		}
		for kind, key := range e.Own { // one of them leaves the others
			e.write(t, crm.Write{ID: id, Own: map[string]crm.Value{key: first[key]}})
			changed[key] = want[key]
			if got := e.readOwn(t, email, e.reading()); !maps.Equal(got, changed) {
				t.Errorf("%s alone: %q, want %q", kind, got, changed)
			}
			break
		}
		_, changed = e.own(1)
	}
}

// Each of a batch gets what is theirs.
func ownOfEach(t *testing.T, e Env) {
	text, number := e.Own[crm.TypeText], e.Own[crm.TypeNumber]
	writes, emails := people(min(40, e.CRM.Provider().Batch))
	for i := range writes {
		writes[i].Own = map[string]crm.Value{text: {Type: crm.TypeText, Text: fmt.Sprint("number ", i)}}
		if i%2 == 0 {
			writes[i].Own[number] = crm.Value{Type: crm.TypeNumber, Text: fmt.Sprint(i)}
		}
	}
	e.write(t, writes...)
	found, err := e.CRM.Find(t.Context(), emails, e.reading())
	if err != nil || len(found) != len(emails) {
		t.Fatalf("found %d, %v", len(found), err)
	}
	for i, email := range emails {
		own := found[email][0].Own
		if _, numbered := own[number]; own[text] != fmt.Sprint("number ", i) || numbered != (i%2 == 0) || numbered && own[number] != fmt.Sprint(i) {
			t.Errorf("%s: %q", email, own)
		}
	}
}

// Of a record that holds nothing, nothing is read; but a checkbox may be one that nobody ticked.
func ownBlank(t *testing.T, e Env) {
	writes, emails := people(1)
	e.write(t, writes...)
	own := e.readOwn(t, emails[0], e.reading())
	if box := e.Own[crm.TypeCheckbox]; own[box] == "false" {
		delete(own, box)
	}
	if len(own) > 0 {
		t.Errorf("holds %q", own)
	}
}

// refusedFor checks that a record was refused for one of its fields, or that the CRM left the field
// out.
func (e Env) refusedFor(t *testing.T, r crm.Result, key string, mayDrop bool) {
	t.Helper()
	if r.Err == nil && mayDrop && e.CRM.Provider().DropsFields {
		return
	}
	if f := e.want(t, r.Err, crm.Recorded, false); f.Field != key || !f.Changed {
		t.Errorf("%+v, want the field %s", f, key)
	}
}

// A field that is gone keeps those out who have a value for it, and a look-up that reads it says which
// one it is; everybody else goes on.
func ownGone(t *testing.T, e Env) {
	key := e.Own[crm.TypeText]
	writes, emails := people(3)
	writes[1].Own = map[string]crm.Value{key: {Type: crm.TypeText, Text: "Contoso"}}
	e.Field(key, RemoveField)
	results, err := e.CRM.Write(t.Context(), writes, crm.Options{})
	if err != nil || results[0].Err != nil || results[2].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	e.refusedFor(t, results[1], key, true)
	results, err = e.CRM.Write(t.Context(), []crm.Write{{ID: results[0].ID, Own: writes[1].Own}}, crm.Options{})
	if err != nil || len(results) != 1 {
		t.Fatalf("%+v, %v", results, err)
	}
	e.refusedFor(t, results[0], key, true)

	found, err := e.CRM.Find(t.Context(), emails, e.reading())
	if err != nil {
		if f := e.want(t, err, crm.Pause, false); f.Field != key || !f.Changed {
			t.Errorf("%+v, want the field %s", f, key)
		}
	} else if r := found[emails[0]]; len(r) != 1 || r[0].Own[key] != "" {
		t.Errorf("found %+v", r)
	}
	rest := e.reading()
	delete(rest.Read, key)
	if found, err := e.CRM.Find(t.Context(), emails, rest); err != nil || len(found) < 2 {
		t.Errorf("without it: %+v, %v", found, err)
	}
	if f, ok := e.field(t, key); ok {
		t.Errorf("it is told still: %+v", f)
	}
}

// field is what the CRM tells of a field.
func (e Env) field(t *testing.T, key string) (crm.SchemaField, bool) {
	t.Helper()
	s, err := e.CRM.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.Fields, func(f crm.SchemaField) bool { return f.Key == key })
	if i < 0 {
		return crm.SchemaField{}, false
	}
	return s.Fields[i], true
}

// A field that can't be written any more isn't told of, or as one that can't; it can still be read.
func ownLocked(t *testing.T, e Env) {
	key := e.Own[crm.TypeText]
	writes, emails := people(2)
	writes[0].Own = map[string]crm.Value{key: {Type: crm.TypeText, Text: "Contoso"}}
	e.write(t, writes[0])
	e.Field(key, LockField)
	if f, ok := e.field(t, key); ok && (f.Create || f.Update) {
		t.Errorf("told as %+v", f)
	}
	writes[1].Own = writes[0].Own
	results, err := e.CRM.Write(t.Context(), writes[1:], crm.Options{})
	if err != nil || len(results) != 1 {
		t.Fatalf("%+v, %v", results, err)
	}
	e.refusedFor(t, results[0], key, true)
	if own := e.readOwn(t, emails[0], crm.Options{Read: map[string]crm.ValueType{key: crm.TypeText}}); own[key] != "Contoso" {
		t.Errorf("holds %q", own)
	}
}

// A choice that the CRM doesn't have, or one of several, keeps that person out, alone and among
// others, and names the field.
func ownRefused(t *testing.T, e Env) {
	for _, kind := range []crm.ValueType{crm.TypeChoice, crm.TypeChoices} {
		key := e.Own[kind]
		if f, ok := e.field(t, key); !ok || !f.Closed || len(f.Values) != 3 {
			t.Errorf("told as %+v", f)
		}
		bad := crm.Write{Fields: crm.Fields{crm.Email: string(kind) + "@contoso.example", crm.LastName: "Roe"}, Own: map[string]crm.Value{key: {Type: kind, Text: "purple"}}}
		for _, writes := range [][]crm.Write{{bad}, {bad, {Fields: crm.Fields{crm.Email: "fine-" + string(kind) + "@contoso.example", crm.LastName: "Roe"}}}} {
			results, err := e.CRM.Write(t.Context(), writes, crm.Options{})
			if err != nil || len(results) != len(writes) || len(writes) > 1 && results[1].Err != nil {
				t.Fatalf("%+v, %v", results, err)
			}
			e.refusedFor(t, results[0], key, false)
		}
	}
	e.wantRecords(t, 2)
}

// Without a field that became required nobody is made, and it is named; with it, and for those who are
// there, all goes on.
func ownRequired(t *testing.T, e Env) {
	if e.RequiresNone {
		t.Skip("this CRM's API requires no field")
	}
	key := e.Own[crm.TypeText]
	writes, emails := people(3)
	id := e.write(t, writes[0])[0]
	e.Field(key, RequireField)
	if f, ok := e.field(t, key); !ok || !f.Required {
		t.Errorf("told as %+v", f)
	}
	results, err := e.CRM.Write(t.Context(), writes[1:2], crm.Options{})
	if err != nil || len(results) != 1 {
		t.Fatalf("%+v, %v", results, err)
	}
	e.refusedFor(t, results[0], key, false)
	writes[2].Own = map[string]crm.Value{key: {Type: crm.TypeText, Text: "Contoso"}}
	e.write(t, writes[2], crm.Write{ID: id, Fields: crm.Fields{crm.LastName: "Byron"}})
	if own := e.readOwn(t, emails[2], e.reading()); own[key] != "Contoso" {
		t.Errorf("holds %q", own)
	}
}

// Beside is something that a CRM does with a record by a call of its own: a campaign that it joins, say.
type Beside struct {
	Key   string
	Value crm.Value
	Fail  func()               // has the next such call fail as in an outage
	Done  func(id string) bool // reports whether it was done with a record
}

// both are what a write has for the key of Beside, and for a field.
func (e Env) both() map[string]crm.Value {
	return map[string]crm.Value{e.Beside.Key: e.Beside.Value, e.Own[crm.TypeText]: {Type: crm.TypeText, Text: "Contoso"}}
}

// What is to be done with a record is done with those that want it, new ones and old ones, as often as it is
// asked for; it is told what it costs, and nothing is read of it.
func beside(t *testing.T, e Env) {
	if e.Beside.Key == "" {
		t.Skip("this CRM does nothing of the kind")
	}
	if f, ok := e.field(t, e.Beside.Key); !ok || f.Calls == "" {
		t.Errorf("told as %+v", f)
	}
	writes, emails := people(3)
	writes[0].Own, writes[2].Own = e.both(), e.both()
	ids := e.write(t, writes...)
	for i, id := range ids {
		if e.Beside.Done(id) != (i != 1) {
			t.Errorf("%d: done %t", i, e.Beside.Done(id))
		}
	}
	alone := map[string]crm.Value{e.Beside.Key: e.Beside.Value}
	for range 2 {
		e.write(t, crm.Write{ID: ids[0], Own: alone}, crm.Write{ID: ids[1], Own: alone})
	}
	if !e.Beside.Done(ids[1]) {
		t.Error("not done with a record that was there")
	}
	o := e.reading()
	o.Read[e.Beside.Key] = e.Beside.Value.Type
	if own := e.readOwn(t, emails[0], o); own[e.Own[crm.TypeText]] != "Contoso" || own[e.Beside.Key] != "" {
		t.Errorf("holds %q", own)
	}
	e.wantRecords(t, 3)
}

// When that fails the record stands: it is told with its id, the failure passes and names what is to be tried
// again, and another write of it does that. A record that can't be written has nothing done with it.
func besideFails(t *testing.T, e Env) {
	if e.Beside.Key == "" {
		t.Skip("this CRM does nothing of the kind")
	}
	writes, _ := people(1)
	writes[0].Own = e.both()
	e.Beside.Fail()
	results, err := e.CRM.Write(t.Context(), writes, crm.Options{})
	if err != nil || len(results) != 1 || results[0].ID == "" || !results[0].Made {
		t.Fatalf("%+v, %v", results, err)
	}
	if f := e.want(t, results[0].Err, crm.Passing, false); f.Field != e.Beside.Key || f.Tries == 0 || f.Changed {
		t.Errorf("%+v", f)
	}
	id := e.write(t, crm.Write{ID: results[0].ID, Own: writes[0].Own})[0]
	if id != results[0].ID || !e.Beside.Done(id) {
		t.Errorf("not done with %s", id)
	}
	results, err = e.CRM.Write(t.Context(), []crm.Write{{Fields: e.Refused, Own: e.both()}}, crm.Options{})
	if err != nil || len(results) != 1 {
		t.Fatalf("%+v, %v", results, err)
	}
	e.want(t, results[0].Err, crm.Recorded, false)
	e.wantRecords(t, 1)
}

// A field that takes another kind of value than before keeps those out who have the old kind, and the failure
// says that the fields may have changed. Not every CRM names the field.
func ownRetyped(t *testing.T, e Env) {
	key := e.Own[crm.TypeText]
	e.Field(key, RetypeField)
	if f, ok := e.field(t, key); !ok || f.Type != crm.TypeNumber {
		t.Errorf("told as %+v", f)
	}
	writes, _ := people(2)
	writes[0].Own = map[string]crm.Value{key: {Type: crm.TypeText, Text: "Contoso"}}
	results, err := e.CRM.Write(t.Context(), writes, crm.Options{})
	if err != nil || results[1].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	if f := e.want(t, results[0].Err, crm.Recorded, false); !f.Changed || f.Field != "" && f.Field != key {
		t.Errorf("%+v", f)
	}
	writes[0].Own[key] = crm.Value{Type: crm.TypeNumber, Text: "7"}
	e.write(t, writes[0])
}
