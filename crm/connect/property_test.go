package connect

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/mapping"
	"gatepost/forms"
	"gatepost/forms/formstest"
)

// fieldKinds are what each CRM calls the types of its fields.
var fieldKinds = map[string]map[crm.ValueType]string{
	"sfdc": {crm.TypeText: "string", crm.TypeLongText: "textarea", crm.TypeChoice: "picklist", crm.TypeChoices: "multipicklist", crm.TypeCheckbox: "boolean", crm.TypeDate: "date",
		crm.TypeTime: "datetime", crm.TypeNumber: "double", crm.TypeInteger: "int", crm.TypeEmail: "email", crm.TypePhone: "phone", crm.TypeURL: "url"},
	"hubspot": {crm.TypeText: "string", crm.TypeLongText: "string textarea", crm.TypeChoice: "enumeration select", crm.TypeChoices: "enumeration checkbox", crm.TypeCheckbox: "bool",
		crm.TypeDate: "date", crm.TypeTime: "datetime", crm.TypeNumber: "number", crm.TypePhone: "string phonenumber"},
	"zoho": {crm.TypeText: "text", crm.TypeLongText: "textarea", crm.TypeChoice: "picklist", crm.TypeChoices: "multiselectpicklist", crm.TypeCheckbox: "boolean", crm.TypeDate: "date",
		crm.TypeTime: "datetime", crm.TypeNumber: "double", crm.TypeInteger: "integer", crm.TypeEmail: "email", crm.TypePhone: "phone", crm.TypeURL: "website"},
}

// tell tells the simulated CRM something.
func (w *world) tell(what, body string) {
	w.t.Helper()
	resp, err := http.Post(w.url+"/_control/"+what, "application/json", strings.NewReader(body))
	if text := w.body(resp, err); resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s %s: %s", what, body, text)
	}
}

// addFields gives people a field of each type, and short ones where the CRM knows of such.
func (w *world) addFields() {
	w.t.Helper()
	for t, kind := range fieldKinds[w.service] {
		name, more := "Own_"+string(t), ""
		switch {
		case t == crm.TypeCheckbox && w.service == "hubspot":
			more = `,"values":["true","false"]`
		case t == crm.TypeChoice || t == crm.TypeChoices:
			more = `,"values":["Red 0","Red 1","Größe, groß 1","other"]`
		}
		switch w.service {
		case "sfdc":
			name, more = name+"__c", more+`,"restricted":true`
		case "hubspot":
			name = strings.ToLower(name)
		}
		w.tell("fields", fmt.Sprintf(`{"name":%q,"type":%q%s}`, name, kind, more))
		if w.service != "hubspot" && (t == crm.TypeText || t == crm.TypeLongText) {
			w.tell("fields", fmt.Sprintf(`{"name":%q,"type":%q,"length":20}`, "Short_"+name, kind))
		}
	}
	if w.service == "hubspot" {
		w.tell("settings", `{"rate_limit":0}`)
	}
}

// constants are texts that a field of a type can be filled with.
var constants = map[crm.ValueType][]string{
	crm.TypeText: {"Newsletter", "<&> 李", "a; b"}, crm.TypeLongText: {"one\ntwo", "three"}, crm.TypeCheckbox: {"true", "false"}, crm.TypeDate: {"2026-01-31", "2000-02-29T23:00:00Z"},
	crm.TypeTime: {"2026-01-31", "2026-01-31T08:00:00+02:00"}, crm.TypeNumber: {"12.50", "-7"}, crm.TypeInteger: {"42"}, crm.TypeEmail: {"work@contoso.example"},
	crm.TypePhone: {"+49 30 123456"}, crm.TypeURL: {"https://contoso.example/a?b=c&d"},
}

// facts are what is known of a sign-up beside what was filled in.
func facts() map[string]string {
	return map[string]string{mapping.FactNewsletter: "Größer & <weekly>", mapping.FactSlug: "weekly", mapping.FactSource: "form", mapping.FactSignedUp: "2026-01-31T08:00:00Z",
		mapping.FactConsentTime: "2026-02-01T08:00:00Z", mapping.FactConsent: "I agree\nto that.", mapping.FactVersion: "3"}
}

// randomMapping is a mapping that an administrator could save.
func randomMapping(c formstest.Chance, all mapping.Fields, offered []mapping.Offered) (m mapping.Mapping) {
	keys := slices.Sorted(maps.Keys(all))
	own := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !strings.Contains(strings.ToLower(key), "own_") })
	for range 100 {
		f := all[keys[c.IntN(len(keys))]]
		if c.IntN(2) == 0 {
			f = all[own[c.IntN(len(own))]]
		}
		with := mapping.Mapping{Rows: append(slices.Clone(m.Rows), randomRow(c, f, offered))}
		if len(all.Check(with, offered)) == 0 {
			m = with
		}
	}
	return m
}

// randomRow fills a field with something that may not fit it. A field that names another record, of which
// the CRM tells some only, is filled with one of those.
func randomRow(c formstest.Chance, f crm.SchemaField, offered []mapping.Offered) mapping.Row {
	r := mapping.Row{Target: f.Key, Type: f.Type, Label: f.Label, Rule: mapping.Rules[c.IntN(len(mapping.Rules))].Rule}
	texts := constants[f.Type]
	for _, v := range f.Values {
		texts = append(texts, v.Value)
	}
	if names := f.Type == crm.TypeChoice && !f.Closed; names && len(texts) == 0 || c.IntN(4) > 0 && !names {
		o := offered[c.IntN(len(offered))]
		r.Source = mapping.Source{Kind: o.Kind, Name: o.Name}
		for _, v := range o.Values {
			if len(f.Values) > 0 && c.IntN(3) > 0 {
				if r.Values == nil {
					r.Values = map[string]string{}
				}
				r.Values[v] = append(texts, "")[c.IntN(len(texts)+1)]
			}
		}
		return r
	}
	r.Source = mapping.Source{Kind: mapping.KindConstant}
	if len(texts) > 0 {
		r.Source.Text = texts[c.IntN(len(texts))]
	}
	return r
}

// chain is one form and some who fill it in.
type chain struct {
	*world
	formstest.Chance
	seed    uint64
	crm     crm.CRM
	fields  mapping.Fields
	form    forms.Definition
	offered []mapping.Offered
	written int // values
}

// signedUp is somebody, and what the CRM is to hold of them.
type signedUp struct {
	email   string
	id      string
	names   crm.Fields
	holds   map[string]string
	written map[string]string
}

// accepted is what somebody sends of whom it is taken; nil when chance finds none.
func (c *chain) accepted() forms.Values {
	for range 30 {
		if values, problems := c.form.Check(c.Sent(c.form)); len(problems) == 0 {
			return values
		}
	}
	return nil
}

// read are the fields to be read: what was written before, and what a mapping is about.
func (c *chain) read(m mapping.Mapping, people []*signedUp) map[string]crm.ValueType {
	read := map[string]crm.ValueType{}
	maps.Copy(read, c.fields.Reads(m))
	for _, p := range people {
		for key := range p.holds {
			read[key] = c.fields[key].Type
		}
	}
	return read
}

func (c *chain) find(people []*signedUp, read map[string]crm.ValueType) map[string][]crm.Record {
	c.t.Helper()
	var emails []string
	for _, p := range people {
		emails = append(emails, p.email)
	}
	found, err := c.crm.Find(c.t.Context(), emails, crm.Options{Leads: true, Read: read})
	if err != nil {
		c.t.Fatalf("seed %d: %v", c.seed, err)
	}
	return found
}

// deliver has all people fill in the form, once more or for the first time, and checks that all of it
// arrives as it was mapped.
func (c *chain) deliver(people []*signedUp) {
	c.t.Helper()
	m := randomMapping(c.Chance, c.fields, c.offered)
	read := c.read(m, people)
	before := c.find(people, read)
	var writes []crm.Write
	var written []*signedUp
	for _, p := range people {
		values := c.accepted()
		if values == nil {
			continue
		}
		record := mapping.Record{New: p.id == "", Written: p.written}
		w := crm.Write{ID: p.id}
		if record.New {
			p.names = crm.Fields{crm.FirstName: values[forms.FirstNameID], crm.LastName: values[forms.LastNameID]}
			w.Fields = maps.Clone(p.names)
			w.Fields[crm.Email] = p.email
		} else {
			record.Own = before[p.email][0].Own
		}
		applied := c.fields.Apply([]mapping.Says{{Mapping: m, SignUp: mapping.Said(values, c.form, mapping.KeysOf(c.form), facts())}}, record)
		if w.Own = applied.Own(); w.ID != "" && w.Own == nil {
			continue
		}
		p.written = applied.Wrote(p.written)
		for key, v := range w.Own {
			if !strings.HasPrefix(key, ":") {
				p.holds[key], _ = crm.Canonical(v.Type, v.Text)
			}
			c.written++
		}
		writes, written = append(writes, w), append(written, p)
	}
	results, err := c.crm.Write(c.t.Context(), writes, crm.Options{Leads: true})
	if err != nil {
		c.t.Fatalf("seed %d: %+v of %+v", c.seed, err, writes)
	}
	for i, r := range results {
		if r.Err != nil {
			c.t.Fatalf("seed %d: %+v of %+v", c.seed, r.Err, writes[i])
		}
		written[i].id = r.ID
	}
	c.arrived(written, read)
}

// leftOut reports whether a CRM may leave a record without a value, as the field's hint says: the record's
// kind hasn't got the field, or it is a stage that a record doesn't go back to.
func leftOut(f crm.SchemaField, id string) bool {
	lead := strings.HasPrefix(id, "00Q")
	return strings.Contains(f.Hint, "Only Leads have it") && !lead || strings.Contains(f.Hint, "Only Contacts have it") && lead || strings.Contains(f.Hint, "moves forward alone")
}

// arrived checks that the CRM holds exactly what it is to hold.
func (c *chain) arrived(people []*signedUp, read map[string]crm.ValueType) {
	c.t.Helper()
	found := c.find(people, read)
	for _, p := range people {
		r := found[p.email]
		if len(r) != 1 || r[0].ID != p.id {
			c.t.Fatalf("seed %d: %s is %+v, want %s", c.seed, p.email, r, p.id)
		}
		if got := r[0].Fields; got[crm.FirstName] != p.names[crm.FirstName] || p.names[crm.LastName] != "" && got[crm.LastName] != p.names[crm.LastName] {
			c.t.Errorf("seed %d: %s is called %q, want %q", c.seed, p.email, got, p.names)
		}
		for key, want := range p.holds {
			if f := c.fields[key]; r[0].Own[key] != want && !leftOut(f, p.id) {
				c.t.Errorf("seed %d: %s holds %q in %s, a %s, want %q", c.seed, p.email, r[0].Own[key], key, f.Type, want)
			}
		}
	}
}

// Whatever form is made, filled in and mapped: what the form takes and the mapping lets through is refused by
// none of the CRMs, and read back as it was written; of new records, and of those that are there.
func TestWhatIsAcceptedArrives(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.addFields()
		c := w.connect()
		schema, err := c.Schema(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		written := 0
		for seed := range uint64(16) {
			chance := formstest.New(seed)
			form := chance.Definition(t)
			one := chain{world: w, Chance: chance, seed: seed, crm: c, fields: mapping.Index(schema), form: form, offered: mapping.Offer(form)}
			var people []*signedUp
			for i := range 6 {
				people = append(people, &signedUp{email: fmt.Sprintf("r%d-%d@contoso.example", seed, i), holds: map[string]string{}})
			}
			one.deliver(people)
			people = slices.DeleteFunc(people, func(p *signedUp) bool { return p.id == "" })
			one.deliver(people)
			written += one.written
		}
		if written < 1000 {
			t.Errorf("%d values were written: this shows little", written)
		}
	})
}
