package mocksalesforce_test

import (
	"fmt"
	"strings"
	"testing"
)

// described is a field as describe tells it, nil when it isn't told.
func (w *world) described(token, object, name string) map[string]any {
	w.t.Helper()
	for _, f := range w.call("GET", api+"/sobjects/"+object+"/describe", token, "").is(200, "").at("fields").([]any) {
		if f := f.(map[string]any); f["name"] == name {
			return f
		}
	}
	return nil
}

// Fields can be added, changed and removed while the service runs, of one org or of all; what can't be
// is refused, and what records hold outlives a removal.
func TestFieldsAreChanged(t *testing.T) {
	w := newWorld(t)
	s := w.session("").Access
	for _, bad := range []string{`{"type":"string"}`, `{"name":"Region","type":"string"}`, `{"name":"Region__c"}`, `{"name":"Region__c","type":"geolocation"}`,
		`{"name":"Region__c","type":"string","in":"User"}`, `{"name":"Region__c","type":"string","colour":"red"}`} {
		w.call("POST", "/_control/fields", "", bad).is(400, "")
	}
	w.control("fields", `{"name":"Region__c","type":"picklist","label":"Sales region","values":["North","South"],"restricted":true}`)
	f := w.described(s, "Contact", "Region__c")
	if f == nil || f["label"] != "Sales region" || f["restrictedPicklist"] != true || f["custom"] != true || len(f["picklistValues"].([]any)) != 2 || f["nillable"] != true {
		t.Fatalf("%v", f)
	}
	if w.described(s, "Lead", "Region__c") != nil {
		t.Error("Leads have it, too")
	}
	create := func(body string) answer { return w.call("POST", api+"/sobjects/Contact", s, body) }
	create(`{"LastName":"Li","Region__c":"East"}`).is(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
	id := create(`{"LastName":"Li","Region__c":"North"}`).is(201, "").str("id")

	w.control("fields", `{"name":"Region__c","required":true}`)
	if a := create(`{"LastName":"Li"}`).is(400, "REQUIRED_FIELD_MISSING"); a.str("0.fields.0") != "Region__c" {
		t.Error(a.body)
	}
	w.call("PATCH", api+"/sobjects/Contact/"+id, s, `{"FirstName":"Ann"}`).is(204, "")
	w.control("fields", `{"name":"Region__c","required":false,"read_only":true}`)
	create(`{"LastName":"Li","Region__c":"North"}`).is(400, "INVALID_FIELD_FOR_INSERT_UPDATE")
	create(`{"LastName":"Li"}`).is(201, "")

	w.control("fields", `{"name":"Region__c","removed":true}`)
	create(`{"LastName":"Li","Region__c":"North"}`).is(400, "INVALID_FIELD")
	w.query(s, "SELECT Id, Region__c FROM Contact").is(400, "INVALID_FIELD")
	if w.described(s, "Contact", "Region__c") != nil || !strings.Contains(w.call("GET", "/_control/fields", "", "").body, `"removed":true`) {
		t.Error("it is told still, or isn't listed as removed")
	}
	w.control("fields", `{"name":"Region__c","removed":false}`)
	if got := w.call("GET", api+"/sobjects/Contact/"+id, s, "").is(200, "").str("Region__c"); got != "North" {
		t.Errorf("holds %q", got)
	}

	w.call("POST", "/_control/fields?org=contoso-sandbox", "", `{"name":"Title","removed":true}`).is(200, "")
	if w.described(s, "Contact", "Title") == nil {
		t.Error("another org's field is gone")
	}
	w.control("fields", `{"in":"Lead","name":"Company","required":false}`)
	w.call("POST", api+"/sobjects/Lead", s, `{"LastName":"Li"}`).is(201, "")
}

// Values are refused and kept as the types of their fields want it.
func TestValuesOfFurtherFields(t *testing.T) {
	w := newWorld(t)
	s := w.session("").Access
	for _, kind := range []string{"string", "textarea", "email", "url", "boolean", "date", "datetime", "int", "double", "multipicklist"} {
		w.control("fields", fmt.Sprintf(`{"name":"A_%s__c","type":%q,"values":["red","green","blue"],"restricted":true}`, kind, kind))
	}
	for value, code := range map[string]string{
		`"A_email__c":"nope"`: "INVALID_EMAIL_ADDRESS", `"A_boolean__c":"true"`: "JSON_PARSER_ERROR", `"A_date__c":"soon"`: "JSON_PARSER_ERROR", `"A_datetime__c":"2026-01-01"`: "JSON_PARSER_ERROR",
		`"A_int__c":1.5`: "JSON_PARSER_ERROR", `"A_double__c":"1"`: "JSON_PARSER_ERROR", `"A_multipicklist__c":"red;pink"`: "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
		`"A_string__c":"` + strings.Repeat("a", 256) + `"`: "STRING_TOO_LONG",
	} {
		w.call("POST", api+"/sobjects/Contact", s, `{"LastName":"Li",`+value+`}`).is(400, code)
	}
	id := w.call("POST", api+"/sobjects/Contact", s, `{"LastName":"Li","A_double__c":12,"A_int__c":7,"A_datetime__c":"2026-01-02T04:04:05.7+01:00","A_multipicklist__c":"blue;red;blue"}`).is(201, "").str("id")
	a := w.call("GET", api+"/sobjects/Contact/"+id, s, "").is(200, "")
	if !strings.Contains(a.body, `"A_double__c":12.0,`) || a.num("A_int__c") != 7 || a.str("A_datetime__c") != "2026-01-02T03:04:05.000+0000" || a.str("A_multipicklist__c") != "red;blue" || a.at("A_boolean__c") != false {
		t.Error(a.body)
	}
}

// Leads go to the queue unless the call says not to, changed ones too; record types are of their
// object; members of a campaign are somebody, and once.
func TestLeadsRecordTypesAndCampaigns(t *testing.T) {
	w := newWorld(t)
	s := w.session("").Access
	w.control("settings", `{"assignment_rule":true,"record_types":["Reader"]}`)
	owner := func(header string) string {
		r := w.request("POST", api+"/sobjects/Lead", s, `{"LastName":"Li","Company":"-"}`)
		if header != "" {
			r.Header.Set("Sforce-Auto-Assign", header)
		}
		a, err := w.send(r)
		if err != nil {
			t.Fatal(err)
		}
		return w.call("GET", api+"/sobjects/Lead/"+a.is(201, "").str("id"), s, "").str("OwnerId")[:3]
	}
	for header, want := range map[string]string{"": "00G", "TRUE": "00G", "FALSE": "005", "false": "005"} {
		if got := owner(header); got != want {
			t.Errorf("%q: owned by %s", header, got)
		}
	}
	type info struct{ contact, lead string }
	types := info{w.call("GET", api+"/sobjects/Contact/describe", s, "").str("recordTypeInfos.0.recordTypeId"), w.call("GET", api+"/sobjects/Lead/describe", s, "").str("recordTypeInfos.0.recordTypeId")}
	contact := w.call("POST", api+"/sobjects/Contact", s, `{"LastName":"Li","RecordTypeId":"`+types.contact+`"}`).is(201, "").str("id")
	if a := w.call("POST", api+"/sobjects/Contact", s, `{"LastName":"Li","RecordTypeId":"`+types.lead+`"}`).is(400, "INVALID_CROSS_REFERENCE_KEY"); a.str("0.fields.0") != "RecordTypeId" {
		t.Error(a.body)
	}

	campaign := w.call("POST", api+"/sobjects/Campaign", s, `{"Name":"Spring","IsActive":true}`).is(201, "").str("id")
	join := func(more string) answer {
		return w.call("POST", api+"/sobjects/CampaignMember", s, `{"CampaignId":"`+campaign+`"`+more+`}`)
	}
	join(``).is(400, "REQUIRED_FIELD_MISSING")
	join(`,"ContactId":"003ak0000000099"`).is(400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY")
	join(`,"ContactId":"`+contact+`","Status":"Sent"`).is(201, "")
	join(`,"ContactId":"`+contact+`"`).is(400, "DUPLICATE_VALUE")
}
