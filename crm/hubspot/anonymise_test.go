package hubspot_test

import (
	"testing"

	"gatepost/crm"
)

// Whose a contact is stays, and the stage goes; one that was merged stays as it is. A property that isn't shown is told where it is known. Without an address it is nobody's to opt out.
func TestAnonymise(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, err := w.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	owner := ""
	for _, f := range s.Fields {
		if f.Key == "hubspot_owner_id" {
			owner = f.Values[0].Value
		}
	}
	id := w.write(crm.Write{Fields: crm.Fields{crm.Email: "a@contoso.example", crm.FirstName: "Ada"}, Own: map[string]crm.Value{
		"hubspot_owner_id": {Type: crm.TypeChoice, Text: owner}, "lifecyclestage": {Type: crm.TypeChoice, Text: "customer"}}})[0].ID
	own := []crm.SchemaField{{Key: "hubspot_owner_id", Update: true}, {Key: "lifecyclestage", Update: true}, {Key: "forgotten", Update: true}, {Key: "hidden", Label: "Hidden", Update: true}, {Key: ":none", Update: true}}
	if became, kept, err := w.Anonymise(t.Context(), id, own, crm.Options{}); err != nil || became != crm.Anonymised || len(kept) != 1 || kept[0] != "hidden" {
		t.Errorf("%s, %q, %v", became, kept, err)
	}
	var is struct{ Properties map[string]any }
	w.byHand("GET", contactsPath+"/"+id+"?properties=email,firstname,lastname,hubspot_owner_id,lifecyclestage", "", &is)
	for name, want := range map[string]any{"email": nil, "firstname": nil, "lastname": "Erased", "hubspot_owner_id": owner, "lifecyclestage": nil} {
		if got := is.Properties[name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	results, err := w.SetOptOuts(t.Context(), []crm.OptOut{{ID: id}, {ID: id, Subscription: "1001"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if f := crm.Failed(r.Err); r.Err == nil || f.Class != crm.Recorded || f.Code != crm.Gone {
			t.Errorf("%+v", r)
		}
	}
	one, two := w.made(crm.Fields{crm.Email: "c@contoso.example"}), w.made(crm.Fields{crm.Email: "d@contoso.example"})
	w.merge(one, two)
	for id, want := range map[string]crm.Removed{two: crm.Changed, "9999999": crm.Missing} {
		if got, _, err := w.Anonymise(t.Context(), id, nil, crm.Options{}); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", id, got, err, want)
		}
	}
	if _, _, err := w.Anonymise(t.Context(), "..", nil, crm.Options{}); err == nil {
		t.Error("an id that is a path was asked for")
	}
}
