package zoho_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/zoho"
)

func (w *world) opened() *zoho.Client {
	w.t.Helper()
	c, err := zoho.Open(w.t.Context(), w, nil, zoho.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func schemaFields(t *testing.T, c *zoho.Client) map[string]crm.SchemaField {
	t.Helper()
	s, err := c.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]crm.SchemaField{}
	for _, f := range s.Fields {
		all[f.Key] = f
	}
	return all
}

// A Lead takes and tells the fields that it shares with Contacts, and no others: a strict org refuses
// those. A query for a field that is gone fails for everybody, and a write of one where the org is
// strict.
func TestFieldsOfLeads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings(`{"unknown_fields":"refuse"}`)
	w.control("fields", `{"name":"Region","type":"text"}`, nil)
	c := w.opened()
	lead := w.hand("create", "Leads", `,"fields":{"Email":"lead@contoso.example","Last_Name":"Lead","Company":"-"}`)
	own := map[string]crm.Value{"Region": {Type: crm.TypeText, Text: "North"}, "Lead_Source": {Type: crm.TypeChoice, Text: "Newsletter"}}
	o := crm.Options{Leads: true, Read: map[string]crm.ValueType{"Region": crm.TypeText, "Lead_Source": crm.TypeChoice}}
	results, err := c.Write(t.Context(), []crm.Write{{ID: lead, Own: own}, {Fields: crm.Fields{crm.Email: "ada@contoso.example", crm.LastName: "Lovelace"}, Own: own}}, o)
	if err != nil || results[0].Err != nil || results[1].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	found, err := c.Find(t.Context(), []string{"lead@contoso.example", "ada@contoso.example"}, o)
	if err != nil {
		t.Fatal(err)
	}
	if got := found["lead@contoso.example"][0].Own; len(got) != 1 || got["Lead_Source"] != "Newsletter" {
		t.Errorf("the Lead: %q", got)
	}
	if got := found["ada@contoso.example"][0].Own; len(got) != 2 || got["Region"] != "North" {
		t.Errorf("the Contact: %q", got)
	}

	w.control("fields", `{"name":"Region","removed":true}`, nil)
	_, err = c.Find(t.Context(), []string{"ada@contoso.example"}, o)
	if f := crm.Failed(err); err == nil || f.Class != crm.Pause || f.Code != "FIELD_UNKNOWN" || f.Field != "Region" || !f.Changed {
		t.Errorf("a query: %+v", f)
	}
	results, err = c.Write(t.Context(), []crm.Write{{ID: results[1].ID, Own: own}}, o)
	if err != nil {
		t.Fatal(err)
	}
	if f := crm.Failed(results[0].Err); f.Class != crm.Recorded || f.Field != "Region" || !f.Changed {
		t.Errorf("a write: %+v", f)
	}
}

// Owners and layouts are live choices, and what is written is read back.
func TestReferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings(`{"layouts":["Readers"]}`)
	c := w.opened()
	all := schemaFields(t, c)
	owner, layout := all["Owner"], all["Layout"]
	if len(owner.Values) != 1 || owner.Values[0].Label != "John Doe" || len(layout.Values) != 2 || layout.Values[1].Label != "Readers" || !layout.Closed {
		t.Fatalf("%+v, %+v", owner, layout)
	}
	own := map[string]crm.Value{"Owner": {Type: crm.TypeChoice, Text: owner.Values[0].Value}, "Layout": {Type: crm.TypeChoice, Text: layout.Values[1].Value}}
	results, err := c.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "ada@contoso.example", crm.LastName: "Lovelace"}, Own: own}}, crm.Options{})
	if err != nil || results[0].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	found, err := c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{Read: map[string]crm.ValueType{"Owner": crm.TypeChoice, "Layout": crm.TypeChoice}})
	if r := found["ada@contoso.example"]; err != nil || len(r) != 1 || r[0].Own["Owner"] != own["Owner"].Text || r[0].Own["Layout"] != own["Layout"].Text {
		t.Errorf("%+v, %v", r, err)
	}
	own["Layout"] = crm.Value{Type: crm.TypeChoice, Text: "4876876000000009999"}
	results, err = c.Write(t.Context(), []crm.Write{{ID: results[0].ID, Own: own}}, crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f := crm.Failed(results[0].Err); f.Field != "Layout" || !f.Changed {
		t.Errorf("a layout that is gone: %+v", f)
	}
}

// What a connection may not ask for leaves the rest of the fields: an older one may lack the scopes of
// layouts and of users, and a profile may hide Leads.
func TestSchemaWithoutAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login("", "ZohoCRM.modules.contacts.ALL,ZohoCRM.coql.READ,ZohoCRM.settings.fields.READ,ZohoCRM.org.READ")
	w.profile(`{"name":"Reader","api_access":true,"hidden_modules":["Leads"],"read_only_fields":["Title"]}`)
	all := schemaFields(t, w.opened())
	if _, is := all["Department"]; !is || len(all) < 8 {
		t.Errorf("told %d fields", len(all))
	}
	for _, key := range []string{"Title", "Owner", "Layout", "Email", "Last_Name", "Secondary_Email"} {
		if f, is := all[key]; is {
			t.Errorf("%+v", f)
		}
	}
	for _, f := range all {
		if strings.Contains(f.Hint, "Lead") {
			t.Errorf("Leads are hidden: %+v", f)
		}
	}
	if f := all["Lead_Source"]; !f.Closed || f.Offer != "Newsletter" || !slices.Contains(f.Values, crm.Choice{Value: "Newsletter"}) || slices.Contains(f.Values, crm.Choice{Value: "-None-"}) {
		t.Errorf("%+v", f)
	}
}

// Records get tags beside those that they have, in one call for those who get the same; whatever keeps
// them away, the record stands and isn't made again.
func TestTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.opened()
	if f, ok := schemaFields(t, c)[":tags"]; !ok || f.Calls == "" || f.Closed {
		t.Errorf("told as %+v", f)
	}
	tags := func(text string) map[string]crm.Value {
		return map[string]crm.Value{":tags": {Type: crm.TypeChoices, Text: text}}
	}
	write := func(writes ...crm.Write) []crm.Result {
		t.Helper()
		results, err := c.Write(t.Context(), writes, crm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return results
	}
	person := func(email, text string) crm.Write {
		return crm.Write{Fields: crm.Fields{crm.Email: email, crm.LastName: "Roe"}, Own: tags(text)}
	}
	holds := func(r crm.Result, want ...string) {
		t.Helper()
		if got := w.tagsOf(r.ID); !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", r.ID, got, want)
		}
	}
	before := c.Calls()
	results := write(person("a@contoso.example", "Newsletter;Weekly"), person("b@contoso.example", "Newsletter;Weekly"), person("c@contoso.example", "Other"),
		crm.Write{Fields: crm.Fields{crm.Email: "d@contoso.example", crm.LastName: "Roe"}})
	for _, r := range results {
		if r.Err != nil || !r.Made {
			t.Fatalf("%+v", r)
		}
	}
	if n := c.Calls() - before; n != 3 {
		t.Errorf("%d calls, want one that writes and two that tag", n)
	}
	before = c.Calls()
	write(crm.Write{ID: results[0].ID, Own: tags("Weekly;More")})
	if n := c.Calls() - before; n != 1 {
		t.Errorf("%d calls for tags alone", n)
	}
	holds(results[0], "Newsletter", "Weekly", "More")
	holds(results[1], "Newsletter", "Weekly")
	holds(results[2], "Other")
	holds(results[3])

	w.control("fail", `{"on":"tags","status":503,"count":1}`, nil)
	late := write(person("late@contoso.example", "Newsletter"))[0]
	if f := crm.Failed(late.Err); late.ID == "" || !late.Made || f.Class != crm.Passing || f.Field != ":tags" || f.Unknown || f.Changed {
		t.Errorf("%+v, %+v", late, f)
	}
	if r := write(crm.Write{ID: late.ID, Own: tags("Newsletter")})[0]; r.Err != nil || r.ID != late.ID {
		t.Errorf("%+v", r)
	}
	holds(late, "Newsletter")
	long := write(person("long@contoso.example", strings.Repeat("long", 7)))[0]
	if f := crm.Failed(long.Err); long.ID == "" || f.Class != crm.Passing || f.Field != ":tags" || !f.Changed {
		t.Errorf("%+v, %+v", long, f)
	}
	if n := w.stats().Contacts; n != 6 {
		t.Errorf("%d Contacts", n)
	}
}

// tagsOf are the tags of a record, as the API tells them.
func (w *world) tagsOf(id string) (names []string) {
	w.t.Helper()
	var page struct {
		Data []struct{ Tag []struct{ Name string } }
	}
	w.show(id, &page)
	for _, one := range page.Data[0].Tag {
		names = append(names, one.Name)
	}
	return names
}

// holds is what people see in a record.
func (w *world) holds(id string) map[string]any {
	w.t.Helper()
	var page struct{ Data []map[string]any }
	w.show(id, &page)
	return page.Data[0]
}

// show reads a record as the API tells it.
func (w *world) show(id string, into any) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.session.InstanceURL+"/crm/v8/"+id, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Zoho-oauthtoken "+w.session.AccessToken)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.read(resp, into)
}
