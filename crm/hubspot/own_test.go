package hubspot_test

import (
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/hubspot"
)

func (w *world) fields(c *hubspot.Client) map[string]crm.SchemaField {
	w.t.Helper()
	s, err := c.Schema(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]crm.SchemaField{}
	for _, f := range s.Fields {
		all[f.Key] = f
	}
	return all
}

// Stage and owner can be set; the owner is to be chosen where the connection may ask who there is.
// Whether a contact may get marketing mail can't be set: the API doesn't take it.
func TestStageAndOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := w.fields(w.Client)
	owner, stage := all["hubspot_owner_id"], all["lifecyclestage"]
	if len(owner.Values) == 0 || owner.Values[0].Label != "John Doe" || !owner.Closed || !slices.Contains(stage.Values, crm.Choice{Value: "subscriber"}) || !stage.Closed || stage.Offer != "subscriber" {
		t.Fatalf("%+v, %+v", owner, stage)
	}
	for _, key := range []string{"hs_marketable_status", "hs_email_optout", "email", "firstname", "lastname", "createdate", "hs_additional_emails"} {
		if f, is := all[key]; is {
			t.Errorf("%+v", f)
		}
	}
	w.write(crm.Write{Fields: crm.Fields{crm.Email: "ada@contoso.example"}, Own: map[string]crm.Value{
		"hubspot_owner_id": {Type: crm.TypeChoice, Text: owner.Values[0].Value}, "lifecyclestage": {Type: crm.TypeChoice, Text: "customer"}}})
	found, err := w.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{Read: map[string]crm.ValueType{"hubspot_owner_id": crm.TypeChoice, "lifecyclestage": crm.TypeChoice, ":none": crm.TypeText}})
	if r := found["ada@contoso.example"]; err != nil || len(r) != 1 || r[0].Own["hubspot_owner_id"] != owner.Values[0].Value || r[0].Own["lifecyclestage"] != "customer" || len(r[0].Own) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

// Without the scope that shows owners the rest of the properties is there, and what is missing is said.
func TestSchemaWithoutOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.post("session", `{"scope":"oauth crm.objects.contacts.read crm.objects.contacts.write"}`, &struct {
		Token *string `json:"access_token"`
	}{&w.session.AccessToken})
	all := w.fields(w.Client)
	if f := all["hubspot_owner_id"]; f.Closed || len(f.Values) > 0 || !strings.Contains(f.Hint, "crm.objects.owners.read") || len(all) < 10 {
		t.Errorf("%+v of %d", f, len(all))
	}
}

// A change of the account's own properties alone takes a call; one of nothing takes none.
func TestAChangeOfOwnPropertiesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.made(crm.Fields{crm.Email: "ada@contoso.example", crm.LastName: "Lovelace"})
	before := w.Calls()
	w.write(crm.Write{ID: id, Own: map[string]crm.Value{"jobtitle": {Type: crm.TypeText, Text: "Countess"}}})
	w.write(crm.Write{ID: id, Own: map[string]crm.Value{":tags": {Type: crm.TypeText, Text: "none of HubSpot's"}}})
	if n := w.Calls() - before; n != 1 {
		t.Errorf("%d calls", n)
	}
	found, err := w.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{Read: map[string]crm.ValueType{"jobtitle": crm.TypeText}})
	if r := found["ada@contoso.example"]; err != nil || r[0].Own["jobtitle"] != "Countess" || r[0].Fields[crm.LastName] != "Lovelace" {
		t.Errorf("%+v, %v", r, err)
	}
}

// What all of a batch meet for the same property stops everybody, and the property is named. The address
// is never among what a change sends.
func TestAPropertyThatAllMiss(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := map[string]crm.Value{"never_was": {Type: crm.TypeText, Text: "x"}}
	_, err := w.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "a@contoso.example"}, Own: own}, {Fields: crm.Fields{crm.Email: "b@contoso.example"}, Own: own}}, crm.Options{})
	if f := crm.Failed(err); err == nil || f.Class != crm.Pause || f.Field != "never_was" || !f.Changed || f.Unknown {
		t.Errorf("%+v", f)
	}
	id := w.made(crm.Fields{crm.Email: "ada@contoso.example"})
	w.write(crm.Write{ID: id, Own: map[string]crm.Value{"email": {Type: crm.TypeText, Text: "other@contoso.example"}, "jobtitle": {Type: crm.TypeText, Text: "Countess"}}})
	if r := w.find("ada@contoso.example")["ada@contoso.example"]; len(r) != 1 {
		t.Errorf("found %+v", r)
	}
}
