package mockzoho_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// 7a.14: rows are answered in their order, with their own errors and in one status.
func TestRowsInInputOrder(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	bad, good := person("A", "not an address"), person("B", "b@b.example")
	w.add(john.Access, bad, `{"Email":"c@b.example"}`, `5`).is(400, "").row(0, "INVALID_DATA").row(1, "MANDATORY_NOT_FOUND").row(2, "INVALID_DATA")
	a := w.add(john.Access, bad, good, `{"Email":"c@b.example"}`, good).is(207, "").row(0, "INVALID_DATA").row(1, "SUCCESS").row(2, "MANDATORY_NOT_FOUND").row(3, "SUCCESS")
	a.says("data.0.details.json_path", "$.data[0].Email").says("data.0.details.expected_data_type", "email").says("data.0.details.api_name", "Email").says("data.0.message", "invalid data")
	a.says("data.2.details.json_path", "$.data[2].Last_Name").says("data.2.message", "required field not found").says("data.2.status", "error")
	w.add(john.Access, good).is(201, "").row(0, "SUCCESS").says("data.0.message", "record added").says("data.0.status", "success").says("data.0.action", nil)
	w.upsert(john.Access, good).is(200, "")
	w.upsert(john.Access, bad, good).is(207, "")
	w.upsert(john.Access, bad).is(400, "")
	if n := w.stat("contacts"); n != 3 {
		t.Errorf("%d contacts, want 3", n)
	}
}

// 7a.14: the statuses of former versions.
func TestOldRowStatus(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	w.settings(`{"row_status":"old"}`)
	bad, good := person("A", "not an address"), person("B", "b@b.example")
	w.add(john.Access, bad).is(202, "").row(0, "INVALID_DATA")
	w.add(john.Access, good, bad).is(202, "").row(0, "SUCCESS").row(1, "INVALID_DATA")
	w.add(john.Access, good).is(201, "")
	w.upsert(john.Access, good, bad).is(202, "")
	w.upsert(john.Access, good).is(200, "")
}

// Bodies that are no writes.
func TestBodies(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	post := func(body string) answer { return w.call("POST", api+"/Contacts", john.Access, body) }
	post(`{`).is(400, "INVALID_DATA").says("message", "body")
	post(`[]`).is(400, "INVALID_DATA")
	post(`{}`).is(400, "MANDATORY_NOT_FOUND").says("details.api_name", "data")
	post(`{"data":[]}`).is(400, "MANDATORY_NOT_FOUND")
	post(`{"data":[`+strings.Repeat(`{},`, 100)+`{}]}`).is(400, "INVALID_DATA").says("details.maximum_length", 100)
	post(`{"data":[{}],"trigger":["party"]}`).is(400, "INVALID_DATA").says("details.json_path", "$.trigger[0]")
	w.call("POST", api+"/Contacts/upsert", john.Access, `{"data":[{}],"duplicate_check_fields":["Phone"]}`).is(400, "INVALID_DATA").says("details.json_path", "$.duplicate_check_fields[0]")
	w.call("POST", api+"/Deals", john.Access, `{}`).is(400, "INVALID_MODULE")
	r := w.request("POST", w.at("")+api+"/Contacts", john.Access, `{}`)
	r.Header.Set("Content-Type", "text/plain")
	w.sent(r).is(415, "")
	r = w.request("POST", w.at("")+api+"/Contacts", john.Access, `{"data":[{"Last_Name":"A"}]}`)
	r.Header.Del("Content-Type") // as Zoho's own libraries have it
	w.sent(r).is(201, "")
	w.sent(w.request("POST", w.at("")+api+"/Contacts", john.Access, strings.Repeat(" ", 11<<20))).is(413, "")
}

// 7a.15: an insert doubles people, unless the address is unique.
func TestInsertMakesDuplicates(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	w.add(john.Access, person("A", "a@b.example"), person("A", "A@b.example")).is(201, "")
	w.add(john.Access, person("A", "a@b.example")).is(201, "")
	if n := w.stat("per_email_max"); n != 3 {
		t.Errorf("%d of one address, want 3", n)
	}
	w.settings(`{"email_unique":true}`)
	w.add(john.Access, person("A", "a@b.example")).is(400, "").row(0, "DUPLICATE_DATA")
	w.add(john.Access, person("C", "c@b.example"), person("D", "C@b.example")).is(207, "").row(0, "SUCCESS").row(1, "DUPLICATE_DATA")
}

// 7a.15: an upsert changes who is there, and says which it did and by which field.
func TestUpsert(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	a := w.upsert(john.Access, `{"Last_Name":"A","First_Name":"Ada","Phone":"1","Email":"a@b.example"}`).is(200, "")
	a.says("data.0.action", "insert").says("data.0.duplicate_field", nil).says("data.0.message", "record added")
	if !strings.Contains(a.body, `"duplicate_field":null`) {
		t.Errorf("no duplicate_field: %s", a.body)
	}
	id := a.id(0)
	a = w.upsert(john.Access, `{"Last_Name":"B","Phone":"","Email":"A@B.example"}`, person("C", "c@b.example"), person("D", "c@b.example")).is(200, "")
	a.says("data.0.action", "update").says("data.0.duplicate_field", "Email").says("data.0.message", "record updated").says("data.0.details.id", id)
	a.says("data.1.action", "insert").says("data.2.action", "update").says("data.2.details.id", a.id(1))
	got := w.call("GET", api+"/Contacts/"+id, john.Access, "").is(200, "")
	got.says("data.0.Last_Name", "B").says("data.0.First_Name", "Ada").says("data.0.Phone", nil).says("data.0.Email", "A@B.example")
	// Whoever has no address is new each time, and a last name is obligatory also for who is there.
	w.upsert(john.Access, `{"Last_Name":"N"}`, `{"Last_Name":"N","Email":null}`).is(200, "").says("data.0.action", "insert").says("data.1.action", "insert")
	w.upsert(john.Access, `{"Email":"a@b.example"}`).is(400, "").row(0, "MANDATORY_NOT_FOUND")
	w.settings(`{"duplicate_field_on_insert":true}`)
	w.upsert(john.Access, person("E", "e@b.example")).says("data.0.action", "insert").says("data.0.duplicate_field", "Email")
	// No module looks into the other.
	w.call("POST", api+"/Leads/upsert", john.Access, `{"data":[{"Last_Name":"A","Company":"-","Email":"a@b.example"}]}`).is(200, "").says("data.0.action", "insert")
}

// 7a.15: an upsert by a field of the customer's own, and by what is there without any named.
func TestUpsertByKey(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	w.settings(`{"key_field":"Gatepost_Id"}`)
	upsert := func(checks, row string) answer {
		return w.call("POST", api+"/Contacts/upsert", john.Access, `{"data":[`+row+`]`+checks+`}`).is(200, "")
	}
	const byKey = `,"duplicate_check_fields":["Gatepost_Id","Email"]`
	id := upsert(byKey, `{"Last_Name":"A","Email":"a@b.example","Gatepost_Id":"k1"}`).id(0)
	upsert(byKey, `{"Last_Name":"B","Email":"other@b.example","Gatepost_Id":"K1"}`).says("data.0.details.id", id).says("data.0.duplicate_field", "Gatepost_Id")
	upsert("", `{"Last_Name":"C","Email":"other@b.example"}`).says("data.0.details.id", id).says("data.0.duplicate_field", "Email")
	upsert("", `{"Last_Name":"D","Email":"new@b.example","Gatepost_Id":"k1"}`).says("data.0.details.id", id).says("data.0.duplicate_field", "Gatepost_Id")
	w.add(john.Access, `{"Last_Name":"E","Gatepost_Id":"k1"}`).is(400, "").row(0, "DUPLICATE_DATA").says("data.0.details.api_name", "Gatepost_Id")
}

// 7a.15: which one an ambiguous upsert takes isn't established, nor what becomes of two at once.
func TestAmbiguousUpsert(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	a := w.add(john.Access, person("A", "a@b.example"), person("B", "a@b.example"))
	first, newest := a.id(0), a.id(1)
	w.upsert(john.Access, person("C", "a@b.example")).says("data.0.details.id", first)
	w.settings(`{"ambiguous_match":"newest"}`)
	w.upsert(john.Access, person("C", "a@b.example")).says("data.0.details.id", newest)
	w.settings(`{"ambiguous_match":"refuse"}`)
	w.upsert(john.Access, person("C", "a@b.example")).is(400, "").row(0, "AMBIGUITY_DURING_PROCESSING")
	w.settings(`{"upsert_races":true}`)
	w.upsert(john.Access, person("D", "d@b.example"), person("D", "D@b.example")).says("data.0.action", "insert").says("data.1.action", "insert")
	w.settings(`{"email_unique":true}`)
	w.upsert(john.Access, person("E", "e@b.example"), person("E", "e@b.example")).is(207, "").says("data.0.action", "insert").row(1, "DUPLICATE_DATA")
}

// 7a.16: where the id of the one who is there stands.
func TestDuplicateData(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	w.settings(`{"email_unique":true,"key_field":"Gatepost_Id"}`)
	id := w.add(john.Access, `{"Last_Name":"A","Email":"a@b.example","Gatepost_Id":"k"}`).is(201, "").id(0)
	row := person("B", "a@b.example")
	for _, c := range []struct{ where, id, record string }{{"id", id, ""}, {"record", "", id}, {"both", id, id}, {"none", "", ""}} {
		w.settings(`{"duplicate_wrapped":false,"duplicate_id":"` + c.where + `"}`)
		a := w.add(john.Access, row).row(0, "DUPLICATE_DATA").says("data.0.message", "duplicate data").says("data.0.details.api_name", "Email")
		if a.str("data.0.details.id") != c.id || a.str("data.0.details.duplicate_record.id") != c.record {
			t.Errorf("%s: %s", c.where, a.body)
		}
		w.settings(`{"duplicate_wrapped":true}`)
		a = w.add(john.Access, row).row(0, "MULTIPLE_OR_MULTI_ERRORS").says("data.0.details.errors.0.code", "DUPLICATE_DATA")
		if a.str("data.0.details.errors.0.details.id") != c.id || a.str("data.0.details.errors.0.details.duplicate_record.id") != c.record {
			t.Errorf("%s, wrapped: %s", c.where, a.body)
		}
	}
	w.settings(`{"duplicate_wrapped":false}`)
	w.add(john.Access, `{"Last_Name":"B","Email":"a@b.example","Gatepost_Id":"k"}`).row(0, "MULTIPLE_OR_MULTI_ERRORS").says("data.0.details.errors.1.details.api_name", "Gatepost_Id")
	other := w.add(john.Access, person("C", "c@b.example")).id(0)
	w.change(john.Access, other, `{"Email":"a@b.example"}`).is(400, "").row(0, "DUPLICATE_DATA")
	w.change(john.Access, id, `{"Email":"A@b.example"}`).is(200, "")
}

// 7a.17: what a record must have.
func TestMandatoryFields(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	lead := func(row string) answer { return w.call("POST", api+"/Leads", john.Access, `{"data":[`+row+`]}`) }
	w.add(john.Access, `{"Email":"a@b.example"}`).row(0, "MANDATORY_NOT_FOUND").says("data.0.details.api_name", "Last_Name")
	w.add(john.Access, `{"Last_Name":" "}`).row(0, "MANDATORY_NOT_FOUND")
	w.add(john.Access, `{"Last_Name":null}`).row(0, "MANDATORY_NOT_FOUND")
	lead(`{"Last_Name":"A"}`).row(0, "MANDATORY_NOT_FOUND").says("data.0.details.api_name", "Company")
	lead(`{"Last_Name":"A","Company":"-"}`).is(201, "")
	w.settings(`{"company_mandatory":false,"required_field":"Department"}`)
	lead(`{"Last_Name":"A","Department":"D"}`).is(201, "")
	w.add(john.Access, `{"Last_Name":"A"}`).row(0, "MANDATORY_NOT_FOUND").says("data.0.details.api_name", "Department")
	id := w.add(john.Access, `{"Last_Name":"A","Department":"D"}`).is(201, "").id(0)
	w.change(john.Access, id, `{"First_Name":"Ada"}`).is(200, "")
	w.change(john.Access, id, `{"Department":""}`).row(0, "MANDATORY_NOT_FOUND")
	w.settings(`{"layout_binds_api":false}`)
	w.add(john.Access, `{"Last_Name":"A"}`).is(201, "")
}

// 7a.18: lengths, addresses and ids.
func TestValues(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	for field, limit := range map[string]int{"Last_Name": 80, "First_Name": 40, "Email": 100} {
		long := strings.Repeat("é", limit+1)
		if field == "Email" {
			long = strings.Repeat("e", limit-len("@b.example")+1) + "@b.example"
		}
		a := w.add(john.Access, fmt.Sprintf(`{"Last_Name":"A",%q:%q}`, field, long)).is(400, "").row(0, "INVALID_DATA")
		a.says("data.0.details.maximum_length", limit).says("data.0.details.api_name", field)
	}
	w.add(john.Access, fmt.Sprintf(`{"Last_Name":%q,"First_Name":%q}`, strings.Repeat("é", 80), strings.Repeat("é", 40))).is(201, "")
	w.settings(`{"email_length":12}`)
	w.add(john.Access, person("A", "abc@b.example"), person("A", "ab@b.example")).is(207, "").row(0, "INVALID_DATA").says("data.0.details.maximum_length", 12).row(1, "SUCCESS")
	w.settings(`{"email_length":100}`)
	for _, email := range []string{"a", "a@b", "a b@c.example", "a@b..example", ".a@b.example", "a@b.example.", `"a"@b.example`, "a@-b.example"} {
		w.add(john.Access, person("A", email)).row(0, "INVALID_DATA").says("data.0.details.expected_data_type", "email")
	}
	w.add(john.Access, person("A", "o'neill+x=1@sub.b.example"), `{"Last_Name":"A","Email":null}`).is(201, "")
	w.add(john.Access, `{"Last_Name":"A","Email":""}`).is(400, "").row(0, "INVALID_DATA").says("data.0.details.expected_data_type", "email")
	w.add(john.Access, `{"Last_Name":5}`).row(0, "INVALID_DATA").says("data.0.details.expected_data_type", "text")
	w.add(john.Access, `{"Last_Name":"A","Email_Opt_Out":"yes"}`).row(0, "INVALID_DATA").says("data.0.details.expected_data_type", "boolean")
	w.add(john.Access, `{"Last_Name":"A","Owner":{"id":"4876876000000225009"}}`).row(0, "INVALID_DATA")
	w.add(john.Access, `{"Last_Name":"A","Owner":{"id":"4876876000000225001"}}`).is(201, "")
	id := w.add(john.Access, `{"Last_Name":"A"}`).id(0)
	if !regexp.MustCompile(`^\d{19}$`).MatchString(id) {
		t.Errorf("id %q", id)
	}
	lead := w.call("POST", api+"/Leads", john.Access, `{"data":[{"Last_Name":"A","Company":"-"}]}`).id(0)
	if lead[:13] != id[:13] {
		t.Errorf("ids %s and %s tell the module", lead, id)
	}
}

// 7a.18: an update names its record.
func TestUpdate(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	id := w.add(john.Access, person("A", "a@b.example")).id(0)
	lead := w.call("POST", api+"/Leads", john.Access, `{"data":[{"Last_Name":"A","Company":"-"}]}`).id(0)
	put := func(rows string) answer { return w.call("PUT", api+"/Contacts", john.Access, `{"data":[`+rows+`]}`) }
	put(`{"Last_Name":"B"}`).is(400, "").row(0, "MANDATORY_NOT_FOUND").says("data.0.details.api_name", "id")
	for _, bad := range []string{"1", "abc", lead, "4876876000000999999", "9999999999999999999"} {
		put(`{"id":"`+bad+`"}`).is(400, "").row(0, "INVALID_DATA").says("data.0.message", "the id given seems to be invalid").says("data.0.details.json_path", "$.data[0].id")
	}
	w.settings(`{"bad_id_details":"id"}`)
	put(`{"id":"`+lead+`"}`).row(0, "INVALID_DATA").says("data.0.details.id", lead)
	w.change(john.Access, lead, `{"Last_Name":"B"}`).is(400, "").row(0, "INVALID_DATA")
	put(`{"id":"`+id+`","Last_Name":"B"},{"id":"`+lead+`"}`).is(207, "").row(0, "SUCCESS").says("data.0.message", "record updated")
	put(`{"id":`+id+`,"First_Name":"Ada"}`).is(200, "").says("data.0.details.id", id)
	w.change(john.Access, id, `{"Phone":"1"}`).is(200, "")
	w.call("GET", api+"/Contacts/"+id+"?fields=Full_Name,Phone", john.Access, "").is(200, "").says("data.0.Full_Name", "Ada B").says("data.0.Phone", "1").says("data.0.Email", nil)
}

// An update that is only to happen when nobody changed the record since.
func TestIfUnmodifiedSince(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	made := w.add(john.Access, person("A", "a@b.example"))
	id, at := made.id(0), made.str("data.0.details.Modified_Time")
	w.advance(5)
	w.change(john.Access, id, `{"Last_Name":"B"}`).is(200, "")
	r := w.request("PUT", w.at("")+api+"/Contacts/"+id, john.Access, `{"data":[{"Last_Name":"C"}]}`)
	r.Header.Set("If-Unmodified-Since", at)
	w.sent(r).is(412, "").row(0, "ALREADY_MODIFIED")
}

// 7a.19: fields that there aren't.
func TestUnknownFields(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	const row = `{"Last_Name":"A","Nothing":"x","Full_Name":"x","Created_Time":"x"}`
	id := w.add(john.Access, row).is(201, "").id(0)
	w.call("GET", api+"/Contacts/"+id, john.Access, "").says("data.0.Nothing", nil).says("data.0.Full_Name", "A")
	w.settings(`{"unknown_fields":"refuse"}`)
	w.add(john.Access, row).is(400, "").row(0, "INVALID_DATA").says("data.0.details.api_name", "Nothing")
}

// 7a.20: workflows run unless trigger leaves them out.
func TestWorkflows(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	post := func(trigger string) answer {
		return w.call("POST", api+"/Contacts", john.Access, `{"data":[{"Last_Name":"A"}]`+trigger+`}`)
	}
	source := func(a answer) any {
		return w.call("GET", api+"/Contacts/"+a.is(201, "").id(0), john.Access, "").path("data.0.Lead_Source")
	}
	w.settings(`{"workflow":"lead_source"}`)
	for trigger, want := range map[string]any{"": "Web Download", `,"trigger":["workflow"]`: "Web Download", `,"trigger":[]`: nil, `,"trigger":["approval"]`: nil} {
		if got := source(post(trigger)); got != want {
			t.Errorf("%q: %v, want %v", trigger, got, want)
		}
	}
	w.settings(`{"workflow":"fail"}`)
	post("").is(400, "").row(0, "CANNOT_PROCESS")
	post(`,"trigger":[]`).is(201, "")
}

// 7a.21: deleted records.
func TestDeleted(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	a := w.add(john.Access, person("A", "a@b.example"), person("B", "b@b.example"))
	id, other := a.id(0), a.id(1)
	w.call("DELETE", api+"/Contacts", john.Access, "").is(400, "REQUIRED_PARAM_MISSING")
	w.call("DELETE", api+"/Contacts?ids="+id+",12345678901234567", john.Access, "").is(207, "").row(0, "SUCCESS").row(1, "INVALID_DATA")
	w.call("DELETE", api+"/Contacts/"+id, john.Access, "").is(400, "").row(0, "INVALID_DATA")
	w.change(john.Access, id, `{"Last_Name":"B"}`).is(400, "").row(0, "INVALID_DATA").says("data.0.message", "the id given seems to be invalid")
	w.query(john.Access, "select id from Contacts where Email = 'a@b.example'").is(204, "")
	w.call("GET", api+"/Contacts/"+id, john.Access, "").is(204, "")
	w.settings(`{"missing_record":"invalid_data"}`)
	w.call("GET", api+"/Contacts/"+id, john.Access, "").is(400, "INVALID_DATA")
	w.upsert(john.Access, person("A", "a@b.example")).says("data.0.action", "insert")
	w.control("records", `{"do":"destroy","id":"`+other+`"}`)
	kinds := func(query string) string {
		a := w.call("GET", api+"/Contacts/deleted?type="+query, john.Access, "")
		var got []string
		for i := range a.records() {
			got = append(got, a.str(fmt.Sprintf("data.%d.type", i)))
		}
		return strings.Join(got, " ")
	}
	w.call("GET", api+"/Contacts/deleted?type=some", john.Access, "").is(400, "INVALID_DATA")
	for query, want := range map[string]string{"all": "recycle permanent", "recycle": "recycle", "permanent": "permanent"} {
		if got := kinds(query); got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
	w.control("records", `{"do":"restore","id":"`+id+`"}`)
	w.change(john.Access, id, `{"Last_Name":"B"}`).is(200, "")
	w.call("DELETE", api+"/Contacts/"+id, john.Access, "").is(200, "")
	w.advance(61 * 86_400)
	john = w.session(`{}`)
	if got := kinds("all"); got != "permanent permanent" {
		t.Errorf("after the recycle bin: %s", got)
	}
	w.advance(60 * 86_400)
	john = w.session(`{}`)
	if got := kinds("all"); got != "permanent" {
		t.Errorf("after 121 days: %s", got)
	}
}

// 7a.21: of merged records one id is left.
func TestMerged(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	a := w.add(john.Access, `{"Last_Name":"A","Email":"a@b.example","Phone":"1"}`, person("B", "b@b.example"))
	loser, winner := a.id(0), a.id(1)
	w.control("records", `{"do":"merge","id":"`+loser+`","into":"`+winner+`"}`).says("id", winner)
	w.change(john.Access, loser, `{"Last_Name":"C"}`).is(400, "").row(0, "INVALID_DATA")
	w.change(john.Access, winner, `{"First_Name":"Bea"}`).is(200, "")
	w.call("GET", api+"/Contacts/"+winner, john.Access, "").says("data.0.Email", "b@b.example").says("data.0.Phone", "1")
	w.query(john.Access, "select id from Contacts where Email = 'a@b.example'").is(204, "")
}

// 7a.21: a converted lead stays, can't be changed, and tells where it went.
func TestConverted(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{"scope":"ZohoCRM.modules.ALL,ZohoCRM.coql.READ"}`)
	lead := w.call("POST", api+"/Leads", john.Access, `{"data":[{"Last_Name":"A","Company":"-","Email":"a@b.example"}]}`).id(0)
	a := w.control("records", `{"do":"convert","module":"Leads","id":"`+lead+`"}`).says("module", "Contacts")
	contact := a.str("id")
	if contact == lead {
		t.Fatal("the same id")
	}
	w.call("PUT", api+"/Leads", john.Access, `{"data":[{"id":"`+lead+`","Last_Name":"B"}]}`).is(400, "").row(0, "ID_ALREADY_CONVERTED").says("data.0.message", "id already converted")
	w.call("GET", api+"/Leads/"+lead+"?fields=Converted_Contact,Converted__s", john.Access, "").is(200, "").says("data.0.Converted_Contact.id", contact).says("data.0.$converted", true)
	w.query(john.Access, "select Email from Contacts where id = "+contact).is(200, "").says("data.0.Email", "a@b.example")
	const query = "select id from Leads where Email = 'a@b.example'"
	w.query(john.Access, query).is(200, "").says("data.0.id", lead)
	w.query(john.Access, query+" and Converted__s = false").is(400, "INVALID_QUERY").says("details.column_name", "Converted__s")
	w.settings(`{"coql_converted_field":true}`)
	w.query(john.Access, query+" and Converted__s = false").is(204, "")
	w.settings(`{"coql_converted":false}`)
	w.query(john.Access, query).is(204, "")
	w.call("POST", api+"/Leads/upsert", john.Access, `{"data":[{"Last_Name":"A","Company":"-","Email":"a@b.example"}]}`).says("data.0.action", "insert")
	w.call("GET", api+"/Leads?fields=Email", john.Access, "").is(200, "").says("info.count", 1)
}

// 7a.22: records that can't be changed for a while.
func TestLockedAndUnapproved(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	id := w.add(john.Access, person("A", "a@b.example")).id(0)
	for do, code := range map[string]string{"lock": "RECORD_LOCKED", "submit": "NOT_APPROVED", "process": "RECORD_IN_BLUEPRINT"} {
		w.control("records", `{"do":"`+do+`","id":"`+id+`"}`)
		w.change(john.Access, id, `{"Last_Name":"B"}`).is(400, "").row(0, code)
		w.upsert(john.Access, person("C", "a@b.example"), person("D", "d@b.example")).is(207, "").row(0, code).row(1, "SUCCESS")
		w.call("DELETE", api+"/Contacts/"+id, john.Access, "").is(400, "").row(0, code)
		a := w.call("GET", api+"/Contacts/"+id, john.Access, "")
		a.says("data.0.Locked__s", do == "lock").says("data.0.$approval_state", map[bool]string{true: "approval_process_pending", false: "approved"}[do == "submit"])
	}
	w.control("records", `{"do":"release","id":"`+id+`"}`)
	w.change(john.Access, id, `{"Last_Name":"B"}`).is(200, "")
}

// 7a.23: times are in seconds, with the org's offset, and move with the clock.
func TestTimesAreInSeconds(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	a := w.add(john.Access, person("A", "a@b.example"))
	id, made := a.id(0), a.str("data.0.details.Modified_Time")
	if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d-08:00$`).MatchString(made) {
		t.Fatalf("time %q", made)
	}
	anna := w.session(`{"username":"anna@northwind.example"}`)
	b := w.sent(w.request("POST", w.at("eu")+api+"/Contacts", anna.Access, `{"data":[{"Last_Name":"A"}]}`))
	if !strings.HasSuffix(b.str("data.0.details.Modified_Time"), "+01:00") {
		t.Fatalf("time %q", b.str("data.0.details.Modified_Time"))
	}
	w.advance(2)
	a = w.change(john.Access, id, `{"Last_Name":"B"}`)
	if changed := a.str("data.0.details.Modified_Time"); changed <= made || a.str("data.0.details.Created_Time") != made {
		t.Errorf("changed at %s, made at %s: %s", changed, made, a.body)
	}
}

// 7a.23: whoever was changed last is found first once the clock has ticked.
func TestClockDecidesWhoWasChangedLast(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	first := w.add(john.Access, person("A", "a@b.example"), person("B", "a@b.example")).id(0)
	w.advance(1)
	w.change(john.Access, first, `{"Last_Name":"C"}`).is(200, "")
	const query = "select id, Modified_Time from Contacts where Email = 'a@b.example' order by Modified_Time desc limit 0, 1"
	w.query(john.Access, query).is(200, "").says("data.0.id", first)
	w.control("records", `{"do":"change","id":"`+first+`","fields":{"Last_Name":"D"}}`)
	w.call("GET", api+"/Contacts/"+first, john.Access, "").says("data.0.Last_Name", "D")
}

// 7a.25: searches know what was there a while ago, and "equals" means contains.
func TestSearchLagsAndIsFuzzy(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{"scope":"ZohoCRM.modules.ALL,ZohoSearch.securesearch.READ"}`)
	search := func(query string) answer { return w.call("GET", api+"/Contacts/search?"+query, john.Access, "") }
	search("").is(400, "REQUIRED_PARAM_MISSING")
	search("criteria=nonsense").is(400, "INVALID_QUERY")
	search("criteria=(Nothing:equals:a)").is(400, "INVALID_QUERY")
	search("criteria=((Email:equals:a)and(Phone:equals:1))").is(400, "INVALID_QUERY")
	id := w.add(john.Access, `{"Last_Name":"Abel","Email":"ada@b.example","Secondary_Email":"second@b.example"}`).id(0)
	search("email=ada@b.example").is(204, "")
	w.advance(6)
	for _, query := range []string{"email=ADA@b.example", "email=second@b.example", "criteria=(Email:equals:da@b.ex)", "criteria=(Last_Name:starts_with:ab)", "word=abe"} {
		search(query).is(200, "").says("data.0.id", id).says("info.more_records", false)
	}
	search("email=da@b.example").is(204, "")
	w.change(john.Access, id, `{"Email":"new@b.example"}`)
	search("email=ada@b.example").is(200, "")
	search("email=new@b.example").is(204, "")
	w.advance(6)
	search("email=ada@b.example").is(204, "")
	search("email=new@b.example").is(200, "")
	w.call("DELETE", api+"/Contacts/"+id, john.Access, "").is(200, "")
	search("email=new@b.example").is(200, "")
	w.advance(6)
	search("email=new@b.example").is(204, "")
}

// 7a.25: converted and unapproved records are found by who asks for them.
func TestSearchOfConvertedAndUnapproved(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{"scope":"ZohoCRM.modules.ALL,ZohoSearch.securesearch.READ"}`)
	lead := w.call("POST", api+"/Leads", john.Access, `{"data":[{"Last_Name":"A","Company":"-","Email":"a@b.example"}]}`).id(0)
	waits := w.add(john.Access, person("B", "b@b.example")).id(0)
	w.control("records", `{"do":"convert","module":"Leads","id":"`+lead+`"}`)
	w.control("records", `{"do":"submit","id":"`+waits+`"}`)
	w.advance(6)
	for path, want := range map[string]int{
		"Leads/search?email=a@b.example": 204, "Leads/search?email=a@b.example&converted=true": 200, "Leads/search?email=a@b.example&converted=both": 200,
		"Contacts/search?email=b@b.example": 204, "Contacts/search?email=b@b.example&approved=false": 200, "Contacts/search?email=b@b.example&approved=both": 200,
		"Contacts/search?email=a@b.example": 200, "Contacts/search?email=a@b.example&approved=false": 204, "Contacts/search?email=a@b.example&converted=true": 204,
	} {
		if a := w.call("GET", api+"/"+path, john.Access, ""); a.status != want {
			t.Errorf("%s: %d, want %d: %s", path, a.status, want, a.body)
		}
	}
}

// Lists go by pages, the newest first.
func TestLists(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	w.add(john.Access, person("A", "a@b.example"), person("B", "b@b.example"), person("C", "c@b.example"))
	list := func(version int, query string) answer {
		return w.call("GET", fmt.Sprintf("/crm/v%d/Contacts?%s", version, query), john.Access, "")
	}
	list(8, "").is(400, "REQUIRED_PARAM_MISSING").says("details.param_name", "fields")
	list(8, "fields=Email&per_page=201").is(400, "INVALID_DATA")
	list(8, "fields=Email&page=0").is(400, "INVALID_DATA")
	list(8, "fields=Email&page=11").is(400, "LIMIT_REACHED")
	list(8, "fields="+strings.ReplaceAll(columns(51), " ", "")).is(400, "LIMIT_EXCEEDED")
	list(2, "").is(200, "").says("data.0.Last_Name", "C").says("info.more_records", false)
	list(8, "fields=Email&page_token=-").is(400, "INVALID_DATA")
	first := list(8, "fields=Email&per_page=2").is(200, "").says("data.0.Email", "c@b.example").says("data.0.Last_Name", nil).says("info.more_records", true).says("info.count", 2)
	list(8, "fields=Email&per_page=2&page_token="+first.str("info.next_page_token")).is(200, "").says("data.0.Email", "a@b.example").says("info.next_page_token", nil)
	list(8, "fields=Email&per_page=2&page=2").is(200, "").says("data.0.Email", "a@b.example").says("info.more_records", false)
	w.call("GET", api+"/Contacts/actions/count", john.Access, "").is(200, "").says("count", 3)
	w.call("GET", api+"/Contacts/abc", john.Access, "").is(400, "INVALID_DATA")
}
