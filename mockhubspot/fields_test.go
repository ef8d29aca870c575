package mockhubspot_test

import (
	"fmt"
	"strings"
	"testing"
)

// Properties can be added, changed and removed while the service runs; what can't be is refused.
func TestFieldsAreChanged(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	for _, bad := range []string{`{"type":"string"}`, `{"name":"Region","type":"string"}`, `{"name":"region","type":"text"}`, `{"name":"region","type":"number checkbox"}`,
		`{"name":"region","type":"string","required":true}`, `{"name":"region","type":"string","in":"companies"}`, `{"name":"region"}`} {
		w.call("POST", "/_control/fields", "", bad).is(400, "")
	}
	w.control("fields", `{"name":"region","type":"enumeration checkbox","label":"Sales region","values":["north","south"]}`)
	a := c.get("/crm/properties/2026-09/contacts/region").is(200, "")
	if a.str("label") != "Sales region" || a.str("fieldType") != "checkbox" || a.str("options.1.value") != "south" || a.at("hubspotDefined") != nil {
		t.Error(a.body)
	}
	create := func(n int, region string) answer {
		return c.post("/crm/objects/2026-09/contacts", fmt.Sprintf(`{"properties":{"email":"a%d@contoso.example","region":%q}}`, n, region))
	}
	if a := create(1, "north;east").is(400, "VALIDATION_ERROR"); !strings.Contains(a.body, "INVALID_OPTION") {
		t.Error(a.body)
	}
	id := create(2, "south;north").is(201, "").str("id")
	w.control("fields", `{"name":"region","read_only":true}`)
	if a := create(3, "north").is(400, "VALIDATION_ERROR"); !strings.Contains(a.body, "READ_ONLY_VALUE") {
		t.Error(a.body)
	}
	w.control("fields", `{"name":"region","read_only":false,"removed":true}`)
	if a := create(4, "north").is(400, "VALIDATION_ERROR"); !strings.Contains(a.body, "PROPERTY_DOESNT_EXIST") {
		t.Error(a.body)
	}
	c.get("/crm/properties/2026-09/contacts/region").is(404, "OBJECT_NOT_FOUND")
	if got := c.get("/crm/objects/2026-09/contacts/"+id+"?properties=region").is(200, "").at("properties.region"); got != nil {
		t.Errorf("a property that is gone is told: %v", got)
	}
	w.control("fields", `{"name":"region","removed":false}`)
	if got := c.get("/crm/objects/2026-09/contacts/"+id+"?properties=region").is(200, "").str("properties.region"); got != "south;north" {
		t.Errorf("holds %q", got)
	}
	w.control("fields", `{"name":"jobtitle","removed":true}`) // one of HubSpot's own, hidden from the user
	c.get("/crm/properties/2026-09/contacts/jobtitle").is(404, "OBJECT_NOT_FOUND")
}

// Days and moments are told as texts, however they were written; owners are people of the account.
func TestDaysMomentsAndOwners(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	w.control("fields", `{"name":"met","type":"datetime"}`)
	owner := c.get("/crm/owners/2026-09").is(200, "").str("results.0.id")
	for day, moment := range map[string]string{"1772236800000": "1772240645000", "2026-02-28": "2026-02-28T02:04:05+01:00"} {
		id := c.post("/crm/objects/2026-09/contacts", fmt.Sprintf(`{"properties":{"email":"a%d@contoso.example","closedate":%q,"met":%q,"hubspot_owner_id":%q}}`, len(day), day, moment, owner)).is(201, "").str("id")
		a := c.get("/crm/objects/2026-09/contacts/"+id+"?properties=closedate,met,hubspot_owner_id").is(200, "")
		if a.str("properties.closedate") != "2026-02-28" || !strings.HasPrefix(a.str("properties.met"), "2026-02-28T01:04:05.000Z") && day != "1772236800000" || a.str("properties.hubspot_owner_id") != owner {
			t.Error(a.body)
		}
	}
	c.post("/crm/objects/2026-09/contacts", `{"properties":{"email":"b@contoso.example","hubspot_owner_id":"1"}}`).is(400, "VALIDATION_ERROR")
	few := w.session(`{"scope":"oauth crm.objects.contacts.read"}`)
	w.call("GET", "/crm/owners/2026-09", few.Access, "").is(403, "MISSING_SCOPES")
}
