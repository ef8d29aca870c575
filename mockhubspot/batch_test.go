package mockhubspot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func Test7a12BatchRead(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	id := w.control("contacts", `{"properties":{"email":"ada@example.com","firstname":"Ada"},"additional_emails":["byron@example.com"]}`).str("id")
	gone := c.add(`{"email":"gone@example.com"}`)
	c.delete(contacts+"/"+gone).is(204, "")
	read := func(body string) answer { return c.batch("read", body) }
	read(`{"idProperty":"firstname","inputs":[{"id":"Ada"}]}`).is(400, "VALIDATION_ERROR")
	read(`{"idProperty":"nosuchthing","inputs":[{"id":"Ada"}]}`).is(400, "VALIDATION_ERROR")

	a := read(`{"idProperty":"email","properties":["email","hs_additional_emails","phone","nosuchthing"],"inputs":[{"id":"BYRON@example.com"},{"id":"x@y.z"},{"id":"gone@example.com"}]}`).is(207, "")
	good, bad := a.results()
	if good != 1 || bad != 1 || a.str("results.0.id") != id || a.str("results.0.properties.hs_additional_emails") != "byron@example.com" || a.str("status") != "COMPLETE" {
		t.Error(a.body)
	}
	if a.str("errors.0.category") != "OBJECT_NOT_FOUND" || a.str("errors.0.status") != "error" || !slices.Equal(sorted(a.list("errors.0.context.ids")), []string{"gone@example.com", "x@y.z"}) {
		t.Error(a.body)
	}
	if strings.Contains(a.body, "nosuchthing") || !strings.Contains(a.body, `"phone":null`) {
		t.Error(a.body)
	}
	a = read(`{"inputs":[{"id":"1"}]}`).is(207, "")
	if good, bad := a.results(); good != 0 || bad != 1 || !strings.Contains(a.body, `"results":[]`) {
		t.Error(a.body)
	}
	a = read(`{"inputs":[{"id":"`+id+`"}]}`).is(200, "")
	if good, bad := a.results(); good != 1 || bad != 0 || strings.Contains(a.body, "numErrors") {
		t.Error(a.body)
	}
	a = c.post(contacts+"/batch/read?archived=true", `{"inputs":[{"id":"`+id+`"},{"id":"`+gone+`"}]}`).is(207, "")
	if a.str("results.0.id") != gone || !slices.Equal(a.list("errors.0.context.ids"), []string{id}) {
		t.Error(a.body)
	}
	// Both addresses mean one contact.
	both := `{"idProperty":"email","inputs":[{"id":"ada@example.com"},{"id":"byron@example.com"}]}`
	if good, _ := read(both).is(200, "").results(); good != 1 {
		t.Errorf("%d results", good)
	}
	w.control("settings", `{"read_repeats":true}`)
	if good, _ := read(both).is(200, "").results(); good != 2 {
		t.Errorf("%d results", good)
	}
}

func Test7a13BatchCreate(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	id := c.add(`{"email":"old@example.com"}`)
	bad := func(traces ...string) string {
		emails := []string{"new@example.com", "old@example.com", "nope"}
		var list []string
		for i, trace := range traces {
			list = append(list, fmt.Sprintf(`{"objectWriteTraceId":"%s","properties":{"email":"%s"}}`, trace, emails[i]))
		}
		return `{"inputs":[` + strings.Join(list, ",") + `]}`
	}
	for name, body := range map[string]string{"none": bad("", "", ""), "one is missing": bad("0", "1", ""), "two are equal": bad("0", "1", "1")} {
		a := c.batch("create", body).is(409, "CONFLICT")
		if w.stat("contacts") != 1 || a.at("results") != nil || a.at("numErrors") != nil || !strings.Contains(a.str("message"), "Existing ID: "+id) {
			t.Errorf("trace ids, %s: %d contacts, %s", name, w.stat("contacts"), a.body)
		}
	}
	if a := c.batch("create", `{"inputs":[{"properties":{"email":"nope"}},{"properties":{"email":"old@example.com"}}]}`).is(400, "VALIDATION_ERROR"); a.str("errors.0.code") != "INVALID_EMAIL" {
		t.Error(a.body)
	}
	a := c.batch("create", bad("0", "1", "2")).is(207, "")
	if good, bad := a.results(); good != 1 || bad != 2 {
		t.Error(a.body)
	}
	if one := a.of("results", "objectWriteTraceId", "0"); one.str("properties.email") != "new@example.com" {
		t.Error(one.body)
	}
	one := a.of("errors", "context.objectWriteTraceId.0", "1")
	if one.str("category") != "CONFLICT" || one.str("context.existingId.0") != id || one.str("message") != "Contact already exists. Existing ID: "+id {
		t.Error(one.body)
	}
	one = a.of("errors", "context.objectWriteTraceId.0", "2")
	if one.str("category") != "VALIDATION_ERROR" || one.problems()[0]["error"] != "INVALID_EMAIL" {
		t.Error(one.body)
	}
	a = c.batch("create", inputs(0, 100)).is(201, "")
	if good, bad := a.results(); good != 100 || bad != 0 || w.stat("contacts") != 102 {
		t.Errorf("%d good, %d bad, %d contacts", good, bad, w.stat("contacts"))
	}
	single := `{"inputs":[{"objectWriteTraceId":"0","properties":{"email":"nope"}}]}`
	c.batch("create", single).is(207, "")
	w.control("settings", `{"single_trace_partial":false}`)
	c.batch("create", single).is(400, "VALIDATION_ERROR")
}

func Test7a15BatchUpsert(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	id := w.control("contacts", `{"properties":{"email":"ada@example.com","firstname":"Ada"},"additional_emails":["byron@example.com"]}`).str("id")
	other := c.add(`{"email":"other@example.com"}`)
	upsert := func(version, body string) answer {
		return c.post("/crm/objects/"+version+"/contacts/batch/upsert", body)
	}
	upsert("2026-09", `{"inputs":[{"id":"Ada","idProperty":"firstname","properties":{}}]}`).is(400, "VALIDATION_ERROR")
	upsert("2026-09", `{"inputs":[{"id":"a@example.com","idProperty":"email","properties":{}},{"id":"A@example.com","idProperty":"email","properties":{}}]}`).is(400, "VALIDATION_ERROR")
	body := func(traces ...string) string {
		return fmt.Sprintf(`{"inputs":[{"id":"Byron@example.com","idProperty":"email","objectWriteTraceId":"%s","properties":{"lastname":"Byron"}},
			{"id":"new@example.com","idProperty":"email","objectWriteTraceId":"%s","properties":{"firstname":"New"}},
			{"id":"nope","idProperty":"email","objectWriteTraceId":"%s","properties":{}}]}`, traces[0], traces[1], traces[2])
	}
	upsert("2026-09", body("", "", "")).is(400, "VALIDATION_ERROR")
	if w.stat("contacts") != 2 || c.get(contacts+"/"+id).at("properties.lastname") != nil {
		t.Error("something was written")
	}
	a := upsert("2026-09", body("0", "1", "2")).is(200, "")
	if good, bad := a.results(); good != 2 || bad != 1 {
		t.Error(a.body)
	}
	one := a.of("results", "objectWriteTraceId", "0")
	if one.at("new") != false || one.str("id") != id || one.str("properties.firstname") != "Ada" || one.str("properties.email") != "ada@example.com" {
		t.Error(one.body)
	}
	one = a.of("results", "objectWriteTraceId", "1")
	if one.at("new") != true || one.str("properties.email") != "new@example.com" {
		t.Error(one.body)
	}
	if one := a.of("errors", "context.objectWriteTraceId.0", "2"); one.problems()[0]["error"] != "INVALID_EMAIL" {
		t.Error(one.body)
	}
	for _, version := range []string{"2026-03", "v3"} {
		upsert(version, body("0", "1", "2")).is(207, "")
	}
	w.control("settings", `{"upsert_status":"207"}`)
	upsert("2026-09", body("0", "1", "2")).is(207, "")
	w.control("settings", `{"upsert_status":"200"}`)
	upsert("2026-03", body("0", "1", "2")).is(200, "")

	// By id nothing is made.
	a = upsert("2026-09", `{"inputs":[{"id":"1","objectWriteTraceId":"0","properties":{"firstname":"x"}},{"id":"`+id+`","objectWriteTraceId":"1","properties":{"firstname":"y"}}]}`).is(200, "")
	if a.str("errors.0.category") != "OBJECT_NOT_FOUND" || a.str("results.0.id") != id || a.at("results.0.new") != false {
		t.Error(a.body)
	}
	conflict := `{"inputs":[{"id":"ada@example.com","idProperty":"email","objectWriteTraceId":"0","properties":{"email":"other@example.com"}},
		{"id":"fine@example.com","idProperty":"email","objectWriteTraceId":"1","properties":{}}]}`
	a = upsert("2026-09", conflict).is(200, "")
	if one := a.of("errors", "category", "CONFLICT"); one.str("context.existingId.0") != other {
		t.Error(one.body)
	}
	c.delete(contacts+"/"+a.str("results.0.id")).is(204, "")
	before := w.stat("contacts")
	w.control("settings", `{"upsert_conflict_all":true}`)
	upsert("2026-09", conflict).is(409, "CONFLICT")
	if w.stat("contacts") != before {
		t.Error("something was written")
	}
}

func Test7a16BatchUpdate(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	ids := []string{c.add(`{"email":"a@example.com"}`), c.add(`{"email":"b@example.com"}`), c.add(`{"email":"c@example.com"}`)}
	update := func(body string) answer { return c.batch("update", body) }
	a := update(`{"inputs":[{"id":"a@example.com","idProperty":"email","properties":{"firstname":"x"}}]}`).is(400, "VALIDATION_ERROR")
	if !strings.Contains(a.str("message"), "non-unique 0-1 property") {
		t.Error(a.body)
	}
	a = update(`{"inputs":[{"id":"1","objectWriteTraceId":"0","properties":{"firstname":"x"}},{"id":"`+ids[0]+`","objectWriteTraceId":"1","properties":{"firstname":"x"}}]}`).is(207, "")
	one := a.of("errors", "category", "OBJECT_NOT_FOUND")
	if !slices.Equal(one.list("context.ids"), []string{"1"}) || !slices.Equal(one.list("context.objectWriteTraceId"), []string{"0"}) {
		t.Error(one.body)
	}
	if a.str("results.0.properties.firstname") != "x" || a.at("results.0.new") != nil || a.str("results.0.objectWriteTraceId") != "1" {
		t.Error(a.body)
	}
	// Without trace ids an id that isn't there harms no other; a bad value does.
	update(`{"inputs":[{"id":"1","properties":{"firstname":"y"}},{"id":"`+ids[0]+`","properties":{"firstname":"y"}}]}`).is(207, "")
	update(`{"inputs":[{"id":"`+ids[0]+`","properties":{"firstname":"z"}},{"id":"`+ids[1]+`","properties":{"lifecyclestage":"friend"}}]}`).is(400, "VALIDATION_ERROR")
	if got := c.get(contacts + "/" + ids[0]).str("properties.firstname"); got != "y" {
		t.Errorf("firstname %q", got)
	}
	a = update(`{"inputs":[{"id":"`+ids[0]+`","objectWriteTraceId":"0","properties":{"firstname":"z"}},{"id":"`+ids[1]+`","objectWriteTraceId":"1","properties":{"email":"c@example.com"}}]}`).is(207, "")
	if one := a.of("errors", "context.objectWriteTraceId.0", "1"); one.str("category") != "CONFLICT" || one.str("context.existingId.0") != ids[2] {
		t.Error(one.body)
	}
	// An id that was merged away drops out of the answer.
	winner := c.post(contacts+"/merge", `{"primaryObjectId":"`+ids[1]+`","objectIdToMerge":"`+ids[2]+`"}`).is(200, "").str("id")
	a = update(`{"inputs":[{"id":"`+ids[2]+`","objectWriteTraceId":"0","properties":{"firstname":"lost"}},{"id":"`+ids[0]+`","objectWriteTraceId":"1","properties":{"firstname":"kept"}}]}`).is(200, "")
	if good, bad := a.results(); good != 1 || bad != 0 || a.str("results.0.id") != ids[0] {
		t.Error(a.body)
	}
	if a := c.get(contacts+"/"+winner).is(200, ""); a.at("properties.firstname") != nil {
		t.Error(a.body)
	}
}

func Test7a17WholeBatches(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	id := c.add(`{"email":"a@example.com"}`)
	for kind, input := range map[string]string{
		"read": `{"id":"` + id + `"}`, "update": `{"id":"` + id + `","properties":{}}`, "archive": `{"id":"` + id + `"}`,
		"upsert": `{"id":"b@example.com","idProperty":"email","properties":{}}`, "create": `{"properties":{"email":"B@example.com"}}`,
	} {
		a := c.batch(kind, `{"inputs":[`+input+`,`+input+`]}`).is(400, "VALIDATION_ERROR")
		if !strings.HasPrefix(a.str("message"), "Duplicate IDs found in batch input: [") || len(a.list("context.ids")) != 1 {
			t.Errorf("%s: %s", kind, a.body)
		}
		c.batch(kind, `{"inputs":[`+strings.Repeat(input+`,`, 100)+input+`]}`).is(400, "VALIDATION_ERROR")
		if kind == "archive" {
			continue
		}
		a = c.batch(kind, input).is(200, "")
		if good, bad := a.results(); good != 0 || bad != 0 {
			t.Errorf("%s without inputs: %s", kind, a.body)
		}
		c.batch(kind, `[`+input+`]`).is(400, "VALIDATION_ERROR")
	}
	// Trace ids make no difference to duplicates.
	c.batch("create", `{"inputs":[{"objectWriteTraceId":"0","properties":{"email":"d@example.com"}},{"objectWriteTraceId":"1","properties":{"email":"D@example.com"}}]}`).is(400, "VALIDATION_ERROR")
	w.control("settings", `{"read_duplicates":true}`)
	c.batch("read", `{"inputs":[{"id":"`+id+`"},{"id":"`+id+`"}]}`).is(200, "")
	if w.stat("contacts") != 1 {
		t.Errorf("%d contacts", w.stat("contacts"))
	}
}

// The order of results means nothing: of a hundred, it is the one they were sent in once in
// a number of times with 158 digits.
func Test7a18ResultsAreShuffled(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	order := func(a answer, path string) (got []string) {
		for i := range 100 {
			got = append(got, a.str(fmt.Sprintf("results.%d.%s", i, path)))
		}
		return got
	}
	var sent, ids []string
	for i := range 100 {
		sent = append(sent, fmt.Sprint(i))
	}
	a := c.batch("create", inputs(0, 100)).is(201, "")
	if slices.Equal(order(a, "objectWriteTraceId"), sent) {
		t.Error("created in the order of the inputs")
	}
	var list []string
	for _, trace := range sent {
		id := a.of("results", "objectWriteTraceId", trace).str("id")
		ids = append(ids, id)
		list = append(list, `{"id":"`+id+`","properties":{"firstname":"x"}}`)
	}
	body := `{"inputs":[` + strings.Join(list, ",") + `]}`
	for _, kind := range []string{"read", "update", "upsert"} {
		if slices.Equal(order(c.batch(kind, body).is(200, ""), "id"), ids) {
			t.Errorf("%s: in the order of the inputs", kind)
		}
	}
}

// A property with unique values is a key as the address is.
func TestUniqueProperties(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	c.post("/crm/properties/2026-09/contacts", `{"name":"gatepost_id","label":"Gatepost id","groupName":"contactinformation","type":"string","fieldType":"text","hasUniqueValue":true}`).is(201, "")
	id := c.add(`{"email":"a@example.com","gatepost_id":"g1"}`)
	if list := c.post(contacts, `{"properties":{"email":"b@example.com","gatepost_id":"g1"}}`).is(400, "VALIDATION_ERROR").problems(); list[0]["error"] != "CONFLICTING_UNIQUE_VALUE" {
		t.Error(list)
	}
	a := c.batch("upsert", `{"inputs":[{"id":"g1","idProperty":"gatepost_id","objectWriteTraceId":"0","properties":{"firstname":"A"}},{"id":"g2","idProperty":"gatepost_id","objectWriteTraceId":"1","properties":{"email":"b@example.com"}}]}`).is(200, "")
	if one := a.of("results", "objectWriteTraceId", "0"); one.str("id") != id || one.at("new") != false {
		t.Error(one.body)
	}
	if one := a.of("results", "objectWriteTraceId", "1"); one.str("properties.gatepost_id") != "g2" || one.at("new") != true {
		t.Error(one.body)
	}
	if a := c.batch("read", `{"idProperty":"gatepost_id","inputs":[{"id":"g1"},{"id":"g3"}]}`).is(207, ""); a.str("results.0.id") != id || !slices.Equal(a.list("errors.0.context.ids"), []string{"g3"}) {
		t.Error(a.body)
	}
	c.batch("update", `{"inputs":[{"id":"g1","idProperty":"gatepost_id","properties":{"gatepost_id":"g3"}}]}`).is(200, "")
	c.add(`{"email":"c@example.com","gatepost_id":"g1"}`)
	c.delete(contacts+"/"+id).is(204, "")
	c.add(`{"email":"d@example.com","gatepost_id":"g3"}`)
}
