package mocksalesforce_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTransport(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	a := w.call("GET", "/services/data", "", "").is(200, "")
	if a.str("36.version") != "67.0" || a.str("36.label") != "Summer '26" || a.str("35.label") != "Spring '26" || a.str("34.label") != "Winter '26" || a.header.Get("Sforce-Limit-Info") != "" {
		t.Errorf("versions: %s", a.body)
	}
	w.call("GET", "/services/data/v30.0/limits", tok, "").is(410, "UNSUPPORTED_API_VERSION")
	w.call("GET", "/services/data/v31.0/limits", tok, "").is(200, "")
	for _, v := range []string{"v68.0", "v67", "67.0", "vx.0", "v067.0"} {
		w.call("GET", "/services/data/"+v+"/limits", tok, "").is(404, "NOT_FOUND")
	}
	w.call("GET", api+"/nothing", tok, "").is(404, "NOT_FOUND")
	w.call("GET", api+"/limits", "", "").is(401, "INVALID_SESSION_ID")
	w.call("PUT", api+"/query", tok, "{}").is(405, "METHOD_NOT_ALLOWED")
	w.call("POST", api+"/sobjects/Contact", tok, "{").is(400, "JSON_PARSER_ERROR")
	w.call("POST", api+"/sobjects/Contact", tok, "[]").is(400, "JSON_PARSER_ERROR")
	w.call("GET", api+"/query?q="+strings.Repeat("x", 16_400), tok, "").is(414, "")
	r := w.request("POST", api+"/sobjects/Contact", tok, "LastName=Doe")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a, err := w.send(r); err != nil || a.is(415, "UNSUPPORTED_MEDIA_TYPE").body == "" {
		t.Error(err)
	}
	noAPI := w.session(`{"scope":"id refresh_token"}`).Access
	if a := w.call("GET", api+"/limits", noAPI, "").is(401, "INVALID_SESSION_ID"); a.str("0.message") != "This session is not valid for use with the REST API" {
		t.Error(a.body)
	}
}

func TestGzipWhenAsked(t *testing.T) {
	w := newWorld(t)
	r := w.request("GET", api+"/sobjects", w.session("").Access, "")
	r.Header.Set("Accept-Encoding", "gzip")
	a, err := w.send(r)
	if err != nil || a.header.Get("Content-Encoding") != "gzip" || a.header.Get("Content-Type") != "application/json;charset=UTF-8" {
		t.Fatal(err, a.header)
	}
	z, err := gzip.NewReader(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ SObjects []struct{ Name string } }
	if err := json.NewDecoder(z).Decode(&v); err != nil || len(v.SObjects) != 8 {
		t.Error(err, v)
	}
}

func TestContactLifecycle(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	a := w.call("POST", api+"/sobjects/Contact", tok, `{"LastName":"Doe","FirstName":"Jane","Email":"jane@example.com"}`).is(201, "")
	id := a.str("id")
	if a.header.Get("Location") != api+"/sobjects/Contact/"+id || a.at("success") != true || len(id) != 18 || a.header.Get("Sforce-Limit-Info") != "api-usage=1/15000" {
		t.Error(a.header, a.body)
	}
	for _, same := range []string{id, id[:15], strings.ToLower(id)} {
		a := w.call("GET", api+"/sobjects/Contact/"+same, tok, "").is(200, "")
		if a.str("Name") != "Jane Doe" || a.str("attributes.url") != api+"/sobjects/Contact/"+id || a.at("HasOptedOutOfEmail") != false {
			t.Error(a.body)
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000-0700", a.str("CreatedDate")); err != nil {
			t.Error(err)
		}
	}
	w.call("PATCH", api+"/sobjects/Contact/"+id, tok, `{"FirstName":null,"Title":"  "}`).is(204, "")
	if a := w.call("GET", api+"/sobjects/Contact/"+id+"?fields=Id,FirstName,Title", tok, "").is(200, ""); a.at("FirstName") != nil || a.at("Title") != nil {
		t.Error(a.body)
	}
	if !strings.Contains(w.call("GET", "/lightning/r/Contact/"+id+"/view", "", "").is(200, "").body, "jane@example.com") {
		t.Error("the record's page lacks the address")
	}
	other := w.session(`{"username":"jane@fabrikam.example"}`).Access
	w.call("GET", api+"/sobjects/Contact/"+id, other, "").is(404, "NOT_FOUND")
	w.call("DELETE", api+"/sobjects/Contact/"+id, tok, "").is(204, "")
	w.call("DELETE", api+"/sobjects/Contact/"+id, tok, "").is(404, "ENTITY_IS_DELETED")
	w.call("PATCH", api+"/sobjects/Contact/003xx0000000001", tok, "{}").is(404, "NOT_FOUND")
	w.call("GET", api+"/sobjects/Contact/001ak0000000001", tok, "").is(400, "MALFORMED_ID")
	w.call("GET", "/lightning/r/Contact/"+id+"/view", "", "").is(404, "")
}

func TestRecordRefusals(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	long := strings.Repeat("é", 41)
	for body, want := range map[string]string{
		`{}`:                             "REQUIRED_FIELD_MISSING",
		`{"LastName":" "}`:               "REQUIRED_FIELD_MISSING",
		`{"LastName":"D","Email":"123"}`: "INVALID_EMAIL_ADDRESS",
		`{"LastName":"D","Email":"a..b@example.com"}`:         "INVALID_EMAIL_ADDRESS",
		`{"LastName":"D","Email":"\"a b\"@example.com"}`:      "INVALID_EMAIL_ADDRESS",
		`{"LastName":"D","Email":"a@localhost"}`:              "INVALID_EMAIL_ADDRESS",
		`{"LastName":"D","FirstName":"` + long + `"}`:         "STRING_TOO_LONG",
		`{"LastName":"D","Foo__c":"x"}`:                       "INVALID_FIELD",
		`{"LastName":"D","Id":"003000000000001"}`:             "INVALID_FIELD",
		`{"LastName":"D","MasterRecordId":"003000000000001"}`: "INVALID_FIELD_FOR_INSERT_UPDATE",
		`{"LastName":"D","AccountId":"003ak0000000001"}`:      "MALFORMED_ID",
		`{"LastName":"D","AccountId":"001ak0000000099"}`:      "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
		`{"LastName":7}`: "JSON_PARSER_ERROR",
		`{"LastName":"D","HasOptedOutOfEmail":"yes"}`:          "JSON_PARSER_ERROR",
		`{"LastName":"D","FirstName":"` + long[2:] + `"}`:      "",
		`{"LastName":"D","Email":"o'brien+x@sub.example.com"}`: "",
	} {
		a := w.call("POST", api+"/sobjects/Contact", tok, body)
		if want == "" {
			a.is(201, "")
			continue
		}
		a.is(400, want)
	}
	a := w.call("POST", api+"/sobjects/Contact", tok, `{}`)
	if a.str("0.message") != "Required fields are missing: [LastName]" || a.str("0.fields.0") != "LastName" {
		t.Error(a.body)
	}
	w.call("POST", api+"/sobjects/Lead", tok, `{"LastName":"D"}`).is(400, "REQUIRED_FIELD_MISSING")
	w.call("POST", api+"/sobjects/Lead", tok, `{"LastName":"D","Company":"C"}`).is(201, "")
	w.call("POST", api+"/sobjects/Nothing", tok, `{}`).is(404, "NOT_FOUND")
}

func TestUpsert(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	at := func(version, field, value, body string) answer {
		return w.call("PATCH", "/services/data/"+version+"/sobjects/Contact/"+field+"/"+url.PathEscape(value), tok, body)
	}
	if a := at("v67.0", "Email", "a/b@example.com", `{"LastName":"D"}`).is(201, ""); a.at("created") != true {
		t.Error(a.body)
	}
	if a := at("v67.0", "Email", "A/B@example.com", `{"LastName":"E"}`).is(200, ""); a.at("created") != false {
		t.Error(a.body)
	}
	at("v45.0", "Email", "a/b@example.com", `{"LastName":"F"}`).is(204, "")
	w.call("POST", api+"/sobjects/Contact", tok, `{"LastName":"G","Email":"a/b@example.com"}`).is(201, "")
	if a := at("v67.0", "Email", "a/b@example.com", `{"LastName":"H"}`).is(300, ""); !strings.HasPrefix(a.str("1"), api+"/sobjects/Contact/003") {
		t.Error(a.body)
	}
	at("v67.0", "Title", "x", `{"LastName":"H"}`).is(404, "NOT_FOUND")
	at("v67.0", "Gatepost_Id__c", "x", `{"LastName":"H"}`).is(404, "NOT_FOUND")
	w.control("settings", `{"external_id_field":"Gatepost_Id__c"}`)
	at("v67.0", "Gatepost_Id__c", "x", `{"LastName":"H"}`).is(201, "")
	at("v67.0", "Gatepost_Id__c", "X", `{"LastName":"I"}`).is(200, "")
	w.call("POST", api+"/sobjects/Contact", tok, `{"LastName":"J","Gatepost_Id__c":"x"}`).is(400, "DUPLICATE_VALUE")
	w.call("PATCH", api+"/sobjects/Contact/Email/none@example.com?updateOnly=true", tok, `{"LastName":"J"}`).is(404, "NOT_FOUND")
	at("v67.0", "Email", "x@example.com", `{"LastName":"J","Email":"x@example.com"}`).is(400, "INVALID_FIELD")
}

func TestDuplicateRule(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	const body = `{"LastName":"D","Email":"d@example.com"}`
	create := func(allow string) answer {
		r := w.request("POST", api+"/sobjects/Contact", tok, body)
		r.Header.Set("Sforce-Duplicate-Rule-Header", allow)
		a, err := w.send(r)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	id := create("").is(201, "").str("id")
	w.control("settings", `{"duplicate_rule":"alert"}`)
	a := create("").is(400, "DUPLICATES_DETECTED")
	if a.at("0.duplicateResut.allowSave") != true || a.str("0.duplicateResut.matchResults.0.matchRecords.0.record.Id") != id {
		t.Error(a.body)
	}
	create("includeRecordDetails=true; allowSave=true").is(201, "")
	w.control("settings", `{"duplicate_rule":"block"}`)
	create("allowSave=true").is(400, "DUPLICATES_DETECTED")
	many := w.call("POST", api+"/composite/sobjects", tok, `{"records":[{"attributes":{"type":"Contact"},"LastName":"D","Email":"D@example.com"}]}`).is(200, "")
	if many.str("0.errors.0.statusCode") != "DUPLICATES_DETECTED" {
		t.Error(many.body)
	}
	w.call("PATCH", api+"/sobjects/Contact/"+id, tok, `{"FirstName":"X"}`).is(204, "")
}

func TestDailyLimit(t *testing.T) {
	withinADay()
	w := newWorld(t)
	tok, other := w.session("").Access, w.session(`{"username":"jane@fabrikam.example"}`).Access
	w.control("settings", `{"daily_limit":2}`)
	for range 2 {
		w.call("GET", api+"/limits", tok, "").is(200, "")
	}
	a := w.call("GET", api+"/limits", tok, "").is(403, "REQUEST_LIMIT_EXCEEDED")
	if a.str("0.message") != "TotalRequests Limit exceeded." || a.header.Get("Sforce-Limit-Info") != "api-usage=2/2" {
		t.Error(a.body, a.header)
	}
	if a := w.call("GET", api+"/limits", other, "").is(200, ""); a.num("DailyApiRequests.Remaining") != 1 {
		t.Error(a.body)
	}
	if w.stat("api_calls") != 3 {
		t.Error("calls:", w.stat("api_calls"))
	}
}

func TestDescribe(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	a := w.call("GET", api+"/sobjects/contact/describe", tok, "").is(200, "")
	fields, _ := a.at("fields").([]any)
	seen := map[string]map[string]any{}
	for _, f := range fields {
		m := f.(map[string]any)
		seen[m["name"].(string)] = m
		if len(m) < 50 {
			t.Errorf("%s has %d keys", m["name"], len(m))
		}
		required := m["createable"] == true && m["nillable"] == false && m["defaultedOnCreate"] == false
		if required != (m["name"] == "LastName") {
			t.Errorf("%s required: %v", m["name"], required)
		}
	}
	if e := seen["Email"]; e["idLookup"] != true || e["length"] != 80.0 || e["type"] != "email" || e["externalId"] != false {
		t.Errorf("Email: %v", e)
	}
	if seen["Gatepost_Id__c"] != nil {
		t.Error("a custom field nobody asked for")
	}
	r := w.request("GET", api+"/sobjects/Contact/describe", tok, "")
	r.Header.Set("If-Modified-Since", a.header.Get("Last-Modified"))
	if a, err := w.send(r); err != nil || a.is(304, "").body != "" {
		t.Error(err)
	}
	w.control("settings", `{"external_id_field":"Gatepost_Id__c"}`)
	if !strings.Contains(w.call("GET", api+"/sobjects/Contact/describe", tok, "").body, "Gatepost_Id__c") {
		t.Error("the custom field is missing")
	}
}

func contacts(from, to int) string {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf(`{"attributes":{"type":"Contact"},"LastName":"L%04d","Email":"p%04d@example.com"}`, i, i))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func TestQueryPages(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	for i := range 3 {
		w.call("POST", api+"/composite/sobjects", tok, `{"records":`+contacts(i*200, i*200+200)+`}`).is(200, "")
	}
	r := w.request("GET", api+"/query?q=SELECT+LastName+FROM+Contact+ORDER+BY+LastName+DESC", tok, "")
	r.Header.Set("Sforce-Query-Options", "batchSize=250")
	a, err := w.send(r)
	if err != nil {
		t.Fatal(err)
	}
	got, pages := 0, 0
	for {
		records := a.at("records").([]any)
		if want := fmt.Sprintf("L%04d", 599-got); a.str("records.0.LastName") != want || a.num("totalSize") != 600 {
			t.Fatalf("page %d begins with %s, want %s", pages, a.str("records.0.LastName"), want)
		}
		got, pages = got+len(records), pages+1
		if a.at("done") == true {
			break
		}
		a = w.call("GET", a.str("nextRecordsUrl"), tok, "").is(200, "")
	}
	if got != 600 || pages != 2 {
		t.Errorf("%d records on %d pages", got, pages)
	}
	w.call("GET", api+"/query/01gxx-3", tok, "").is(400, "INVALID_QUERY_LOCATOR")
}

func TestConcurrentCallsAndRefreshes(t *testing.T) {
	w := newWorld(t)
	s := w.session("")
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			r := w.request("POST", api+"/sobjects/Contact", s.Access, fmt.Sprintf(`{"LastName":"D","Email":"c%d@example.com"}`, i))
			if a, err := w.send(r); err != nil || a.status != 201 {
				t.Errorf("%v %s", err, a.body)
			}
			if a, err := w.send(w.request("GET", api+"/query?q=SELECT+COUNT()+FROM+Contact", s.Access, "")); err != nil || a.status != 200 {
				t.Errorf("%v %s", err, a.body)
			}
		})
	}
	group.Wait()
	if w.stat("contacts") != 20 || w.stat("per_email_max") != 1 || w.stat("api_calls") != 40 {
		t.Error(w.call("GET", "/_control/stats", "", "").body)
	}
}
