package mockhubspot_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func Test7a11RecordsAreText(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	c.post(contacts, `{"properties":{}}`).is(400, "VALIDATION_ERROR")
	c.post(contacts, `{"properties":{"company":"Contoso"}}`).is(400, "VALIDATION_ERROR")
	c.post(contacts, `{"properties":{"firstname":["a"]}}`).is(400, "VALIDATION_ERROR")
	c.post(contacts, `{"properties":`).is(400, "VALIDATION_ERROR")
	a := c.post(contacts, `{"properties":{"email":" Ada@Contoso.Example","firstname":"Ada","numemployees_estimate":12}}`).is(201, "")
	if !regexp.MustCompile(`^\d{12}$`).MatchString(a.str("id")) || a.str("properties.hs_object_id") != a.str("id") {
		t.Error(a.body)
	}
	for name, want := range map[string]string{"email": "ada@contoso.example", "numemployees_estimate": "12", "lifecyclestage": "lead", "hs_object_source": "INTEGRATION",
		"hs_full_name_or_email": "Ada", "hs_email_domain": "contoso.example", "hs_is_contact": "true", "hs_is_unworked": "true", "hs_all_contact_vids": a.str("id")} {
		if got := a.str("properties." + name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if a.at("archived") != false || a.str("url") != w.url+"/contacts/62515/record/0-1/"+a.str("id") {
		t.Error(a.body)
	}
	a = c.get(contacts+"/"+a.str("id")+"?properties=email,phone&properties=nosuchthing").is(200, "")
	props, _ := a.at("properties").(map[string]any)
	if phone, told := props["phone"]; !told || phone != nil {
		t.Errorf("an empty property is %v, told: %t", phone, told)
	}
	for _, name := range []string{"nosuchthing", "firstname"} {
		if _, told := props[name]; told {
			t.Errorf("%s is told: %s", name, a.body)
		}
	}
}

func TestOneContact(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	id := c.add(`{"email":"a+b/c@example.com","firstname":"Ada","lastname":"Byron","lifecyclestage":"opportunity"}`)
	c.get(contacts+"/1").is(404, "OBJECT_NOT_FOUND")
	c.get(contacts+"/x@example.com?idProperty=email").is(404, "OBJECT_NOT_FOUND")
	c.get(contacts+"/Ada?idProperty=firstname").is(400, "VALIDATION_ERROR")
	path := contacts + "/" + url.PathEscape("A+b/c@Example.com")
	c.get(contacts+"/"+url.PathEscape(url.PathEscape("a+b/c@example.com"))+"?idProperty=email").is(404, "OBJECT_NOT_FOUND")
	if a := c.get(path+"?idProperty=email").is(200, ""); a.str("id") != id || a.str("properties.lastname") != "Byron" {
		t.Error(a.body)
	}
	c.patch(contacts+"/1", `{"properties":{"firstname":"B"}}`).is(404, "OBJECT_NOT_FOUND")
	// An omitted property stays, an empty text clears, and the stage only moves forward.
	a := c.patch(path+"?idProperty=email", `{"properties":{"lastname":"","lifecyclestage":"lead"}}`).is(200, "")
	if a.str("properties.firstname") != "Ada" || a.at("properties.lastname") != nil || a.str("properties.lifecyclestage") != "opportunity" {
		t.Error(a.body)
	}
	if a := c.patch(contacts+"/"+id, `{"properties":{"lifecyclestage":"customer"}}`).is(200, ""); a.str("properties.lifecyclestage") != "customer" {
		t.Error(a.body)
	}
	jane := api{w, w.control("session?org=fabrikam-jane", "").tokens()}
	jane.get(contacts+"/"+id).is(404, "OBJECT_NOT_FOUND")
	jane.patch(contacts+"/"+id, `{"properties":{"firstname":"x"}}`).is(404, "OBJECT_NOT_FOUND")
	jane.add(`{"email":"a+b/c@example.com"}`)
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	for i := range 25 {
		c.add(fmt.Sprintf(`{"email":"p%d@example.com"}`, i))
	}
	c.get(contacts+"?limit=101").is(400, "VALIDATION_ERROR")
	seen := map[string]bool{}
	after, pages := "", 0
	for {
		a := c.get(contacts+"?limit=10&properties=email&after="+after).is(200, "")
		for i := range 10 {
			if id := a.str(fmt.Sprintf("results.%d.id", i)); id != "" {
				seen[id] = true
			}
		}
		pages++
		if after = a.str("paging.next.after"); after == "" {
			break
		}
	}
	if len(seen) != 25 || pages != 3 {
		t.Errorf("%d contacts on %d pages", len(seen), pages)
	}
}

func Test7a14Conflicts(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	id := w.control("contacts", `{"properties":{"email":"ada@example.com"},"additional_emails":["Byron@example.com"]}`).str("id")
	for _, email := range []string{"ADA@example.com", "byron@example.com"} {
		a := c.post(contacts, `{"properties":{"email":"`+email+`"}}`).is(409, "CONFLICT")
		if a.str("message") != "Contact already exists. Existing ID: "+id || a.str("context.existingId.0") != id {
			t.Error(a.body)
		}
	}
	other := c.add(`{"email":"b@example.com"}`)
	if a := c.patch(contacts+"/"+other, `{"properties":{"email":"byron@example.com"}}`).is(409, "CONFLICT"); a.str("context.existingId.0") != id {
		t.Error(a.body)
	}
	c.patch(contacts+"/"+other, `{"properties":{"email":"b@example.com"}}`).is(200, "")
	// Taking an additional address for the primary one leaves it with the contact.
	a := c.patch(contacts+"/"+id, `{"properties":{"email":"byron@example.com"}}`).is(200, "")
	if a.str("properties.email") != "byron@example.com" || a.at("properties.hs_additional_emails") != nil {
		t.Error(a.body)
	}
	c.add(`{"email":"ada@example.com"}`)
	w.control("settings", `{"conflict_ids":false}`)
	a = c.post(contacts, `{"properties":{"email":"byron@example.com"}}`).is(409, "CONFLICT")
	if strings.Contains(a.body, id) || a.at("context") != nil {
		t.Error(a.body)
	}
	if w.stat("per_email_max") != 1 || w.stat("contacts") != 3 {
		t.Errorf("%d contacts", w.stat("contacts"))
	}
}

// problems reads the JSON inside the message of a refusal.
func (a answer) problems() (list []map[string]any) {
	a.t.Helper()
	text, ok := strings.CutPrefix(a.str("message"), "Property values were not valid: ")
	if !ok || json.Unmarshal([]byte(text), &list) != nil {
		a.t.Fatalf("message %q", a.str("message"))
	}
	return list
}

func Test7a19Values(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	for name, of := range map[string]struct{ properties, property, code string }{
		"no address":       {`{"email":"nope"}`, "email", "INVALID_EMAIL"},
		"no such domain":   {`{"email":"a@example.nosuchtld"}`, "email", "INVALID_EMAIL"},
		"no domain":        {`{"email":"a@example"}`, "email", "INVALID_EMAIL"},
		"quotes":           {`{"email":"\"a b\"@example.com"}`, "email", "INVALID_EMAIL"},
		"two dots":         {`{"email":"a..b@example.com"}`, "email", "INVALID_EMAIL"},
		"beyond ASCII":     {`{"email":"zoë@example.com"}`, "email", "INVALID_EMAIL"},
		"long local part":  {`{"email":"` + strings.Repeat("a", 65) + `@example.com"}`, "email", "INVALID_EMAIL"},
		"long address":     {`{"email":"a@` + strings.Repeat("abcdefghi.", 26) + `com"}`, "email", "INVALID_EMAIL"},
		"unknown property": {`{"email":"a@example.com","nosuchthing":"x"}`, "nosuchthing", "PROPERTY_DOESNT_EXIST"},
		"read-only":        {`{"email":"a@example.com","hs_additional_emails":"b@example.com"}`, "hs_additional_emails", "READ_ONLY_VALUE"},
		"unknown option":   {`{"email":"a@example.com","lifecyclestage":"friend"}`, "lifecyclestage", "INVALID_OPTION"},
		"one of several":   {`{"email":"a@example.com","hs_legal_basis":"Not applicable;x"}`, "hs_legal_basis", "INVALID_OPTION"},
		"no number":        {`{"email":"a@example.com","numemployees_estimate":"many"}`, "numemployees_estimate", "INVALID_INTEGER"},
		"no date":          {`{"email":"a@example.com","closedate":"soon"}`, "closedate", "INVALID_DATE"},
		"long text":        {`{"email":"a@example.com","message":"` + strings.Repeat("a", 65_537) + `"}`, "message", "PROPERTY_TOO_LONG"},
	} {
		a := c.post(contacts, `{"properties":`+of.properties+`}`).is(400, "VALIDATION_ERROR")
		list := a.problems()
		if len(list) != 1 || list[0]["error"] != of.code || list[0]["name"] != of.property || list[0]["isValid"] != false || list[0]["portalId"] != 62515.0 {
			t.Errorf("%s: %v", name, list)
		}
		if a.str("errors.0.code") != of.code || a.str("errors.0.context.propertyName.0") != of.property {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	if list := c.post(contacts, `{"properties":{"email":"nope","nosuchthing":"x"}}`).is(400, "").problems(); len(list) != 2 {
		t.Errorf("%d problems of two", len(list))
	}
	for i, properties := range []string{
		`{"email":"a@sub.example.co.uk"}`, `{"email":"o'brien%1+x_y-z@github.io"}`, `{"email":"a@contoso.example","hs_legal_basis":"Not applicable;Performance of a contract"}`,
		`{"email":"a@contoso.test","closedate":"2026-11-29","message":"` + strings.Repeat("ä", 65_536) + `"}`, `{"firstname":"Zoë"}`, `{"lastname":"李","closedate":"1764374400000"}`,
	} {
		if a := c.post(contacts, `{"properties":`+properties+`}`); a.status != 201 {
			t.Errorf("%d: %s", i, a.body)
		}
	}
	w.control("settings", `{"email_refused":"%'","email_max_length":20}`)
	c.post(contacts, `{"properties":{"email":"o'brien@example.com"}}`).is(400, "VALIDATION_ERROR")
	c.post(contacts, `{"properties":{"email":"abcdefghi@example.com"}}`).is(400, "VALIDATION_ERROR")
	c.add(`{"email":"abcdefg@example.com"}`)
}

func Test7a20ValidationRules(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	rules := "/crm/property-validations/2026-09/0-1"
	if a := c.get(rules).is(200, ""); len(a.list("results")) != 0 {
		t.Error(a.body)
	}
	c.add(`{"email":"long@example.com","firstname":"Somebody with a very long name!"}`)
	w.call("POST", "/_control/settings", "", `{"validation_rules":[{"property":"firstname","type":"NO_SUCH_RULE"}]}`).is(400, "")
	w.call("POST", "/_control/settings", "", `{"validation_rules":[{"property":"firstname","type":"MAX_LENGTH"}]}`).is(400, "")
	w.call("POST", "/_control/settings", "", `{"validation_rules":[{"property":"firstname","type":"REGEX","arguments":["("]}]}`).is(400, "")
	for _, of := range []struct{ property, kind, argument, bad, good string }{
		{"firstname", "MAX_LENGTH", "5", "Adelheid", "Zoë"},
		{"firstname", "MIN_LENGTH", "2", "A", "Zo"},
		{"firstname", "REGEX", "^[A-Z]", "ada", "Ada"},
		{"zip", "ALPHANUMERIC", "NUMERIC_ONLY", "D-12345", "12345"},
		{"lastname", "WHITESPACE", "", "von Byron", "Byron"},
		{"lastname", "SPECIAL_CHARACTERS", "", "O'Brien", "Brien"},
		{"email", "EMAIL_ALLOWED_DOMAINS", "contoso.example", "a@example.com", "a@contoso.example"},
		{"email", "EMAIL_BLOCKED_DOMAINS", "example.org", "b@example.org", "b@example.com"},
	} {
		w.control("settings", `{"validation_rules":[{"property":"`+of.property+`","type":"`+of.kind+`","arguments":["`+of.argument+`"]}]}`)
		record := func(value string) string {
			return `{"properties":{"company":"x","` + of.property + `":"` + value + `"` + map[bool]string{true: `,"lastname":"Byron"`}[of.property == "zip"] + `}}`
		}
		list := c.post(contacts, record(of.bad)).is(400, "VALIDATION_ERROR").problems()
		if len(list) != 1 || list[0]["error"] != "VALIDATION_RULE_VIOLATION" || list[0]["name"] != of.property {
			t.Errorf("%s: %v", of.kind, list)
		}
		if a := c.post(contacts, record(of.good)); a.status != 201 {
			t.Errorf("%s: %s", of.kind, a.body)
		}
		a := c.get(rules).is(200, "")
		if a.str("results.0.propertyName") != of.property || a.str("results.0.propertyValidationRules.0.ruleType") != of.kind {
			t.Error(a.body)
		}
		if a := c.get(rules+"/"+of.property).is(200, ""); a.str("results.0.ruleArguments.0") != of.argument {
			t.Error(a.body)
		}
	}
	c.get(rules+"/nosuchthing").is(404, "OBJECT_NOT_FOUND")
	w.control("settings", `{"rule_error_code":"OTHER_CODE"}`)
	if list := c.post(contacts, `{"properties":{"email":"c@example.org"}}`).is(400, "").problems(); list[0]["error"] != "OTHER_CODE" {
		t.Error(list)
	}
}

func Test7a21Merge(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	ada := c.add(`{"email":"ada@example.com","firstname":"Ada"}`)
	byron := c.add(`{"email":"byron@example.com","firstname":"A.","lastname":"Byron"}`)
	merge := func(primary, other string) answer {
		return c.post(contacts+"/merge", `{"primaryObjectId":"`+primary+`","objectIdToMerge":"`+other+`"}`)
	}
	merge(ada, ada).is(400, "VALIDATION_ERROR")
	merge(ada, "1").is(404, "OBJECT_NOT_FOUND")
	a := merge(ada, byron).is(200, "")
	id := a.str("id")
	if id == ada || id == byron || a.str("properties.firstname") != "Ada" || a.str("properties.lastname") != "Byron" ||
		a.str("properties.email") != "ada@example.com" || a.str("properties.hs_additional_emails") != "byron@example.com" || a.str("properties.hs_merged_object_ids") != ada+";"+byron {
		t.Error(a.body)
	}
	for _, old := range []string{ada, byron} {
		if a := c.get(contacts+"/"+old).is(200, ""); a.str("id") != id {
			t.Error(a.body)
		}
		if a := c.patch(contacts+"/"+old, `{"properties":{"company":"`+old+`"}}`).is(200, ""); a.str("id") != id {
			t.Error(a.body)
		}
	}
	if w.stat("contacts") != 1 {
		t.Errorf("%d contacts", w.stat("contacts"))
	}
	if a := c.post(contacts, `{"properties":{"email":"byron@example.com"}}`).is(409, "CONFLICT"); a.str("context.existingId.0") != id {
		t.Error(a.body)
	}
	w.control("settings", `{"merge_keeps_primary":true}`)
	third := c.add(`{"email":"third@example.com"}`)
	a = merge(third, id).is(200, "")
	if a.str("id") != third || a.str("properties.hs_additional_emails") != "ada@example.com;byron@example.com" {
		t.Error(a.body)
	}
	if a := c.get(contacts+"/"+ada).is(200, ""); a.str("id") != third {
		t.Error("an id that was merged twice doesn't lead to the winner")
	}
}

func Test7a21DeleteAndRestore(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	id := c.add(`{"email":"ada@example.com"}`)
	c.delete(contacts+"/1").is(404, "OBJECT_NOT_FOUND")
	c.delete(contacts+"/"+id).is(204, "")
	c.delete(contacts+"/"+id).is(404, "OBJECT_NOT_FOUND")
	c.get(contacts+"/"+id).is(404, "OBJECT_NOT_FOUND")
	if a := c.get(contacts+"/"+id+"?archived=true").is(200, ""); a.at("archived") != true {
		t.Error(a.body)
	}
	c.patch(contacts+"/"+id, `{"properties":{"firstname":"x"}}`).is(404, "OBJECT_NOT_FOUND")
	w.call("POST", "/_control/restore", "", `{"id":"1"}`).is(400, "")
	again := c.add(`{"email":"ada@example.com"}`)
	w.call("POST", "/_control/restore", "", `{"id":"`+id+`"}`).is(400, "")
	c.batch("archive", `{"inputs":[{"id":"`+again+`"},{"id":"1"}]}`).is(204, "")
	w.control("restore", `{"id":"`+id+`"}`)
	if a := c.get(contacts+"/ada@example.com?idProperty=email").is(200, ""); a.str("id") != id {
		t.Error(a.body)
	}
}

func Test7a21Erase(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	erase := func(body string) answer { return c.post(contacts+"/gdpr-delete", body) }
	id := w.control("contacts", `{"properties":{"email":"ada@example.com"},"additional_emails":["byron@example.com"]}`).str("id")
	erase(`{"objectId":"1"}`).is(404, "OBJECT_NOT_FOUND")
	erase(`{"objectId":"Ada@example.com","idProperty":"email"}`).is(204, "")
	erase(`{"objectId":"unknown@example.com","idProperty":"email"}`).is(204, "")
	c.get(contacts+"/"+id+"?archived=true").is(404, "OBJECT_NOT_FOUND")
	for _, email := range []string{"ada@example.com", "byron@example.com", "unknown@example.com"} {
		c.post(contacts, `{"properties":{"email":"`+email+`"}}`).is(400, "VALIDATION_ERROR")
	}
	w.control("settings", `{"block_erased":false}`)
	id = c.add(`{"email":"ada@example.com"}`)
	erase(`{"objectId":"`+id+`"}`).is(204, "")
	if w.stat("contacts") != 0 {
		t.Error("the contact is still there")
	}
}

func Test7a28HiddenContacts(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	id := w.control("contacts", `{"properties":{"email":"ada@example.com"},"hidden":true}`).str("id")
	if a := c.batch("read", `{"idProperty":"email","inputs":[{"id":"ada@example.com"}]}`).is(207, ""); len(a.list("results")) != 0 {
		t.Error(a.body)
	}
	c.get(contacts+"/"+id).is(404, "OBJECT_NOT_FOUND")
	c.patch(contacts+"/"+id, `{"properties":{"firstname":"x"}}`).is(404, "OBJECT_NOT_FOUND")
	if a := c.get(contacts).is(200, ""); len(a.list("results")) != 0 {
		t.Error(a.body)
	}
	if a := c.post(contacts, `{"properties":{"email":"ada@example.com"}}`).is(409, "CONFLICT"); a.str("context.existingId.0") != id {
		t.Error(a.body)
	}
	w.control("contacts", `{"properties":{"email":"ada@example.com"}}`)
	c.get(contacts+"/"+id).is(200, "")
}

func Test7a29EveryChangeMovesTheTime(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	id := c.add(`{"email":"ada@example.com","firstname":"Ada"}`)
	a := c.get(contacts+"/"+id).is(200, "")
	stamp := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	if !stamp.MatchString(a.str("createdAt")) || !stamp.MatchString(a.str("updatedAt")) || a.str("properties.createdate") != a.str("createdAt") {
		t.Error(a.body)
	}
	made, before := a.str("createdAt"), a.str("updatedAt")
	for range 20 {
		a = c.patch(contacts+"/"+id, `{"properties":{"firstname":"Ada"}}`).is(200, "")
		if a.str("updatedAt") <= before || a.str("properties.lastmodifieddate") != a.str("updatedAt") || a.str("createdAt") != made {
			t.Fatalf("%s after %s", a.body, before)
		}
		before = a.str("updatedAt")
	}
	a = c.batch("update", `{"inputs":[{"id":"`+id+`","properties":{"firstname":"Ada"}}]}`).is(200, "")
	if a.str("results.0.updatedAt") <= before {
		t.Error(a.body)
	}
}

// What one account has is not another's.
func TestAccountsAreApart(t *testing.T) {
	w := newWorld(t)
	john := w.api()
	jane := api{w, w.control("session?org=fabrikam-jane", "").tokens()}
	id := john.add(`{"email":"ada@example.com"}`)
	if a := jane.batch("read", `{"inputs":[{"id":"`+id+`"}]}`).is(207, ""); len(a.list("results")) != 0 {
		t.Error(a.body)
	}
	if a := jane.batch("update", `{"inputs":[{"id":"`+id+`","properties":{"firstname":"x"}}]}`).is(207, ""); len(a.list("results")) != 0 {
		t.Error(a.body)
	}
	jane.batch("archive", `{"inputs":[{"id":"`+id+`"}]}`).is(204, "")
	jane.post(contacts+"/gdpr-delete", `{"objectId":"`+id+`"}`).is(404, "OBJECT_NOT_FOUND")
	jane.add(`{"email":"ada@example.com"}`)
	if a := john.get(contacts+"/"+id).is(200, ""); a.at("properties.firstname") != nil {
		t.Error(a.body)
	}
	a := w.call("GET", "/_control/contacts?org=fabrikam-jane", "", "").is(200, "")
	if got := a.list("contacts"); len(got) != 1 || a.str("contacts.0.org") != fabrikam {
		t.Error(a.body)
	}
}
