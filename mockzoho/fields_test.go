package mockzoho_test

import (
	"fmt"
	"strings"
	"testing"
)

const fieldsPath = "/crm/v8/settings/fields?module=Contacts"

// Fields can be added, changed and removed while the service runs; what can't be is refused.
func TestFieldsAreChanged(t *testing.T) {
	w := newWorld(t)
	s := w.session("").Access
	for _, bad := range []string{`{"type":"text"}`, `{"name":"region x","type":"text"}`, `{"name":"Region"}`, `{"name":"Region","type":"formula"}`, `{"name":"Region","type":"text","in":"Deals"}`} {
		w.call("POST", "/_control/fields", "", bad).is(400, "")
	}
	w.control("fields", `{"name":"Region","type":"picklist","label":"Sales region","values":["-None-","North"]}`)
	if a := w.call("GET", fieldsPath, s, ""); !strings.Contains(a.body, `"field_label":"Sales region"`) || strings.Contains(w.call("GET", "/crm/v8/settings/fields?module=Leads", s, "").body, "Sales region") {
		t.Error(a.body)
	}
	person := func(n int, more string) string {
		return fmt.Sprintf(`{"Last_Name":"Li","Email":"a%d@contoso.example"%s}`, n, more)
	}
	w.add(s, person(1, `,"Region":"East"`)).row(0, "INVALID_DATA").says("data.0.details.api_name", "Region")
	id := w.add(s, person(2, `,"Region":"North"`)).id(0)
	w.control("fields", `{"name":"Region","required":true}`)
	w.add(s, person(3, "")).row(0, "MANDATORY_NOT_FOUND").says("data.0.details.api_name", "Region")
	w.change(s, id, `{"First_Name":"Ann"}`).row(0, "SUCCESS")
	w.control("fields", `{"name":"Region","required":false,"removed":true}`)
	w.add(s, person(4, `,"Region":"North"`)).row(0, "SUCCESS") // dropped
	w.query(s, "select id, Region from Contacts where Last_Name = 'Li'").is(400, "INVALID_QUERY").says("details.column_name", "Region")
	w.control("fields", `{"name":"Region","removed":false}`)
	w.query(s, "select id, Region from Contacts where id = '"+id+"'").is(200, "").says("data.0.Region", "North")
}

// Values are refused and kept as the types of their fields want it.
func TestValuesOfFurtherFields(t *testing.T) {
	w := newWorld(t)
	s := w.session("").Access
	for _, kind := range []string{"integer", "double", "boolean", "date", "datetime", "multiselectpicklist", "website"} {
		w.control("fields", fmt.Sprintf(`{"name":"A_%s","type":%q,"values":["red","green"]}`, kind, kind))
	}
	w.settings(`{"layouts":["Readers"]}`)
	for i, bad := range []string{`"A_integer":"1"`, `"A_integer":1.5`, `"A_double":true`, `"A_boolean":"true"`, `"A_date":"28.2.2026"`, `"A_datetime":"2026-02-28"`,
		`"A_multiselectpicklist":"red"`, `"A_multiselectpicklist":["pink"]`, `"A_multiselectpicklist":[1]`, `"Layout":{"id":"1"}`, `"Owner":{"id":"1"}`} {
		w.add(s, fmt.Sprintf(`{"Last_Name":"Li","Email":"b%d@contoso.example",%s}`, i, bad)).row(0, "INVALID_DATA")
	}
	layout := w.call("GET", "/crm/v8/settings/layouts?module=Contacts", s, "").is(200, "").str("layouts.1.id")
	id := w.add(s, `{"Last_Name":"Li","A_integer":7,"A_double":1.50,"A_datetime":"2026-02-28T01:02:03+00:00","A_multiselectpicklist":["green","red"],"Layout":{"id":"`+layout+`"}}`).id(0)
	a := w.call("GET", "/crm/v8/Contacts/"+id, s, "").is(200, "")
	a.says("data.0.A_integer", 7.0).says("data.0.A_double", 1.5).says("data.0.A_boolean", false).says("data.0.A_datetime", "2026-02-27T17:02:03-08:00").
		says("data.0.A_multiselectpicklist.1", "red").says("data.0.Layout.id", layout).says("data.0.A_website", nil)
}
