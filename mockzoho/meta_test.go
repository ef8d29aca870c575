package mockzoho_test

import (
	"fmt"
	"strings"
	"testing"
)

// 7a.26: the org and its user.
func TestOrgAndUser(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	a := w.call("GET", api+"/org", john.Access, "").is(200, "")
	zgid := a.str("org.0.zgid")
	if zgid != john.Org || len(a.str("org.0.id")) != 19 {
		t.Errorf("org %s", a.body)
	}
	a.says("org.0.domain_name", "org"+zgid).says("org.0.company_name", "Contoso").says("org.0.type", "production").says("org.0.country_code", "US")
	a.says("org.0.primary_email", "john@contoso.example").says("org.0.license_details.paid", true).says("org.0.license_details.paid_type", "enterprise").says("org.0.license_details.users_license_purchased", 10)
	u := w.call("GET", api+"/users?type=CurrentUser", john.Access, "").is(200, "")
	u.says("users.0.email", "john@contoso.example").says("users.0.full_name", "John Doe").says("users.0.status", "active").says("users.0.profile.name", "Administrator").says("users.0.role.name", "CEO")
	w.call("GET", api+"/users/"+u.str("users.0.id"), john.Access, "").is(200, "").says("users.0.zuid", u.str("users.0.zuid"))
	w.call("GET", api+"/users/4876876000000225999", john.Access, "").is(204, "")
	w.call("GET", api+"/users?type=Nobody", john.Access, "").is(400, "INVALID_DATA")
	// The same person has the same zuid in another org, and another id.
	other := w.control("session?org=contoso-sandbox", `{}`).tokens()
	o := w.sent(w.request("GET", other.API+api+"/users?type=CurrentUser", other.Access, "")).is(200, "").says("users.0.zuid", u.str("users.0.zuid"))
	if o.str("users.0.id") == u.str("users.0.id") {
		t.Error("the same id in two orgs")
	}
}

// describedField is the path of a field in a description.
func (a answer) describedField(list, name string) string {
	a.t.Helper()
	fields, _ := a.path(list).([]any)
	for i, f := range fields {
		if f.(map[string]any)["api_name"] == name {
			return fmt.Sprintf("%s.%d", list, i)
		}
	}
	a.t.Fatalf("no field %s: %s", name, a.body)
	return ""
}

// 7a.26: the fields of a module.
func TestFields(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	get := func(module string) answer {
		return w.call("GET", api+"/settings/fields?module="+module, john.Access, "")
	}
	get("").is(400, "REQUIRED_PARAM_MISSING").says("details.param_name", "module")
	get("Nowhere").is(400, "INVALID_MODULE")
	a := get("Contacts").is(200, "")
	for name, want := range map[string]map[string]any{
		"Last_Name":     {"system_mandatory": true, "length": 80, "data_type": "text", "operation_type.api_create": true, "custom_field": false},
		"First_Name":    {"system_mandatory": false, "length": 40},
		"Email":         {"data_type": "email", "length": 100, "unique.casesensitive": nil, "visible": true},
		"Full_Name":     {"read_only": true, "operation_type.api_create": false, "field_read_only": true},
		"Modified_Time": {"data_type": "datetime", "read_only": true},
		"Lead_Source":   {"data_type": "picklist", "pick_list_values.0.display_value": "-None-"},
		"Email_Opt_Out": {"data_type": "boolean", "json_type": "boolean", "read_only": false, "length": 5},
		"Owner":         {"data_type": "ownerlookup", "json_type": "jsonobject", "length": 120},
		"Description":   {"filterable": false},
	} {
		at := a.describedField("fields", name)
		for path, v := range want {
			a.says(at+"."+path, v)
		}
	}
	w.settings(`{"email_unique":true,"key_field":"Gatepost_Id","required_field":"Reason"}`)
	a = get("Contacts").is(200, "")
	a.says(a.describedField("fields", "Email")+".unique.casesensitive", "false")
	key := a.describedField("fields", "Gatepost_Id")
	a.says(key+".unique.casesensitive", "false").says(key+".custom_field", true).says(key+".length", 255)
	lead := get("Leads").is(200, "")
	lead.says(lead.describedField("fields", "Company")+".system_mandatory", true)
	l := w.call("GET", api+"/settings/layouts?module=Contacts", john.Access, "").is(200, "").says("layouts.0.name", "Standard")
	const section = "layouts.0.sections.0.fields"
	l.says(l.describedField(section, "Reason")+".required", true).says(l.describedField(section, "Last_Name")+".required", true).says(l.describedField(section, "Email")+".required", false)
	w.call("GET", api+"/settings/layouts", john.Access, "").is(400, "REQUIRED_PARAM_MISSING")
}

// 7a.26: modules, whose names people may change while the API's stay.
func TestModules(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{"scope":"ZohoCRM.settings.ALL"}`)
	w.settings(`{"contacts_label":"Community"}`)
	a := w.call("GET", api+"/settings/modules", john.Access, "").is(200, "").says("modules.0.api_name", "Contacts").says("modules.0.plural_label", "Community")
	a.says("modules.1.api_name", "Leads").says("modules.1.singular_label", "Lead").says("modules.1.api_supported", true).says("modules.0.creatable", true)
	w.call("GET", api+"/settings/modules/Nowhere", john.Access, "").is(400, "INVALID_MODULE")
	w.call("GET", api+"/settings/duplicate_check_preference?module=Leads", john.Access, "").is(204, "")
	w.call("GET", api+"/settings/duplicate_check_preference", john.Access, "").is(400, "REQUIRED_PARAM_MISSING")
}

// Several calls in one, each with its own answer.
func TestComposite(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{"scope":"ZohoCRM.modules.contacts.ALL"}`)
	post := func(body string) answer { return w.call("POST", api+"/__composite_requests", john.Access, body) }
	one := func(id, method, uri, rest string) string {
		return `{"sub_request_id":"` + id + `","method":"` + method + `","uri":"` + uri + `"` + rest + `}`
	}
	post(`{}`).is(400, "MANDATORY_NOT_FOUND")
	post(`{"__composite_requests":[`+strings.Repeat(one("1", "GET", "/crm/v8/org", "")+",", 5)+one("1", "GET", "/crm/v8/org", "")+`]}`).is(400, "INVALID_DATA")
	a := post(`{"__composite_requests":[`+strings.Join([]string{
		one("a", "POST", "/crm/v8/Contacts", `,"body":{"data":[{"Last_Name":"A"}]}`), one("b", "GET", "/crm/v8/org", ""), one("c", "GET", "/crm/v8/Contacts", `,"params":{"fields":"Last_Name"}`),
		one("d", "GET", "/elsewhere", ""), one("e", "POST", "/crm/v8/__composite_requests", ""),
	}, ",")+`]}`).is(200, "")
	for i, want := range []int{201, 401, 200, 404, 404} {
		at := "__composite_requests." + string(rune('0'+i))
		a.says(at+".sub_request_id", string(rune('a'+i))).says(at+".details.status_code", want)
	}
	a.says("__composite_requests.0.details.response.data.0.code", "SUCCESS").says("__composite_requests.2.details.response.data.0.Last_Name", "A")
}

// The pages for people: lists, records, and what isn't there.
func TestPages(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	id := w.add(john.Access, `{"Last_Name":"Lovelace","First_Name":"Ada","Email":"ada@b.example"}`).id(0)
	tab := "/crm/org" + john.Org + "/tab/Contacts"
	b := w.browser()
	for _, path := range []string{tab + "/4876876000000999999", "/crm/org1/tab/Contacts", "/crm/org" + john.Org + "/tab/Deals", "/crm/org90098812345/tab/Contacts"} {
		if a := b.get(w.at("") + path); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := b.get(w.at("")); a.status != 200 || !strings.Contains(a.body, "Contacts of Contoso") || !strings.Contains(a.body, w.at("eu")+"/crm/org90098812345/tab/Contacts") || !strings.Contains(a.body, tab+"/"+id) {
		t.Errorf("home: %d %s", a.status, a.body)
	}
	if a := b.get(w.at("") + tab + "/" + id); a.status != 200 || !strings.Contains(a.body, "<h1>Ada Lovelace</h1>") || !strings.Contains(a.body, "ada@b.example") {
		t.Errorf("record: %d %s", a.status, a.body)
	}
	if a := b.get(w.at("eu") + "/"); a.status != 200 || !strings.Contains(a.body, "Contacts of Northwind") {
		t.Errorf("home of a data centre: %d %s", a.status, a.body)
	}
	if a := b.get(w.at("jp") + "/"); a.status != 404 {
		t.Errorf("home without orgs: %d", a.status)
	}
	if a := b.get(w.at("eu") + "/crm/org90098812345/tab/Leads"); a.status != 200 || !strings.Contains(a.body, "Leads of Northwind") {
		t.Errorf("list: %d %s", a.status, a.body)
	}
	w.call("DELETE", api+"/Contacts/"+id, john.Access, "")
	if a := b.get(w.at("") + tab + "/" + id); a.status != 404 {
		t.Errorf("deleted: %d", a.status)
	}
}
