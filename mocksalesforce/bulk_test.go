package mocksalesforce_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestCollections(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	many := func(method, path, body string) answer {
		return w.call(method, api+"/composite/sobjects"+path, tok, body)
	}
	many("POST", "", `{"records":[]}`).is(400, "REQUIRED_FIELD_MISSING")
	many("POST", "", `{"records":`+contacts(0, 201)+`}`).is(400, "EXCEEDED_ID_LIMIT")
	many("POST", "", `{"records":[{"LastName":"D"}]}`).is(400, "INVALID_INPUT")

	mixed := `[{"attributes":{"type":"Contact"},"LastName":"A","Email":"a@example.com"},{"attributes":{"type":"Contact"},"FirstName":"B"},{"attributes":{"type":"Contact"},"LastName":"C","x":1}]`
	a := many("POST", "", `{"allOrNone":true,"records":`+mixed+`}`).is(200, "")
	if a.str("0.errors.0.statusCode") != "ALL_OR_NONE_OPERATION_ROLLED_BACK" || a.at("0.id") != nil || w.stat("contacts") != 0 {
		t.Error(a.body)
	}
	a = many("POST", "", `{"records":`+mixed+`}`).is(200, "")
	if a.at("0.success") != true || a.str("1.errors.0.statusCode") != "REQUIRED_FIELD_MISSING" || a.str("2.errors.0.message") != "No such column 'x' on sobject of type Contact" {
		t.Error(a.body)
	}
	id := a.str("0.id")
	a = many("PATCH", "", `{"records":[{"attributes":{"type":"Contact"},"id":"`+id+`","FirstName":"N"},{"attributes":{"type":"Contact"},"FirstName":"N"},{"attributes":{"type":"Contact"},"id":"003RM000003oLrB000","FirstName":"N"}]}`).is(200, "")
	if a.at("0.success") != true || a.str("1.errors.0.statusCode") != "MISSING_ARGUMENT" || a.str("2.errors.0.statusCode") != "MALFORMED_ID" {
		t.Error(a.body)
	}
	if a := many("GET", "/Contact?ids="+id+",003ak0000000099&fields=FirstName", "").is(200, ""); a.str("0.FirstName") != "N" || a.at("1") != nil {
		t.Error(a.body)
	}
	a = many("DELETE", "?ids="+id+",zzz", "").is(200, "")
	if a.at("0.success") != true || a.str("1.errors.0.statusCode") != "MALFORMED_ID" || w.stat("contacts") != 0 {
		t.Error(a.body)
	}
}

func TestCollectionsUpsert(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	up := func(field string, keys ...string) answer {
		var list []string
		for _, k := range keys {
			list = append(list, `{"attributes":{"type":"Contact"},"LastName":"D","Gatepost_Id__c":"`+k+`"}`)
		}
		return w.call("PATCH", api+"/composite/sobjects/Contact/"+field, tok, `{"records":[`+strings.Join(list, ",")+`]}`)
	}
	up("Email", "a").is(404, "NOT_FOUND")
	w.control("settings", `{"external_id_field":"Gatepost_Id__c"}`)
	if a := up("Gatepost_Id__c", "a", "b", "b").is(200, ""); a.at("0.created") != true || a.str("1.errors.0.statusCode") != "DUPLICATE_VALUE" || a.str("2.errors.0.statusCode") != "DUPLICATE_VALUE" {
		t.Error(a.body)
	}
	if a := up("Gatepost_Id__c", "A", "c").is(200, ""); a.at("0.created") != false || a.at("1.created") != true || w.stat("contacts") != 2 {
		t.Error(a.body)
	}
}

// sub writes one subrequest.
func sub(ref, method, path, body string) string {
	if body != "" {
		body = `,"body":` + body
	}
	return fmt.Sprintf(`{"referenceId":%q,"method":%q,"url":"%s%s"%s}`, ref, method, api, path, body)
}

func TestComposite(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	post := func(all bool, subs ...string) answer {
		return w.call("POST", api+"/composite", tok, fmt.Sprintf(`{"allOrNone":%v,"compositeRequest":[%s]}`, all, strings.Join(subs, ",")))
	}
	a := post(true, sub("refA", "POST", "/sobjects/Account", `{"Name":"Acme"}`),
		sub("refC", "POST", "/sobjects/Contact", `{"LastName":"X","AccountId":"@{refA.id}"}`),
		sub("refQ", "GET", "/query?q=SELECT+Id,AccountId+FROM+Contact", ""),
		sub("refR", "GET", "/sobjects/Account/@{refQ.records[0].AccountId}", "")).is(200, "")
	if a.num("compositeResponse.1.httpStatusCode") != 201 || a.str("compositeResponse.3.body.Name") != "Acme" || a.str("compositeResponse.0.httpHeaders.Location") == "" {
		t.Fatal(a.body)
	}
	before := w.stat("contacts")
	a = post(true, sub("a", "POST", "/sobjects/Contact", `{"LastName":"Y"}`), sub("b", "POST", "/sobjects/Contact", `{}`), sub("c", "GET", "/limits", "")).is(200, "")
	if a.str("compositeResponse.0.body.0.errorCode") != "PROCESSING_HALTED" || a.str("compositeResponse.1.body.0.errorCode") != "REQUIRED_FIELD_MISSING" ||
		a.num("compositeResponse.2.httpStatusCode") != 400 || w.stat("contacts") != before {
		t.Error(a.body)
	}
	a = post(false, sub("a", "POST", "/sobjects/Contact", `{}`), sub("b", "GET", "/sobjects/Contact/@{a.id}", ""), sub("c", "POST", "/sobjects/Contact", `{"LastName":"Z"}`)).is(200, "")
	if a.str("compositeResponse.1.body.0.errorCode") != "PROCESSING_HALTED" || a.num("compositeResponse.2.httpStatusCode") != 201 || w.stat("contacts") != before+1 {
		t.Error(a.body)
	}
	a = post(true, sub("a", "POST", "/composite/sobjects", `{"records":[{"attributes":{"type":"Contact"},"LastName":"V"},{"attributes":{"type":"Contact"}}]}`)).is(200, "")
	if a.at("compositeResponse.0.body.0.success") != true || w.stat("contacts") != before+1 {
		t.Error("a failed record must undo the whole call, though its collection says success:", a.body)
	}
	post(false, sub("a", "GET", "/limits", ""), sub("a", "GET", "/limits", "")).is(400, "INVALID_INPUT")
	var subs []string
	for i := range 26 {
		subs = append(subs, sub(fmt.Sprint("r", i), "GET", "/query?q=SELECT+Id+FROM+Contact", ""))
	}
	post(false, subs...).is(400, "LIMIT_EXCEEDED")
	post(false, subs[:6]...).is(400, "LIMIT_EXCEEDED")
	used := w.stat("api_calls")
	post(false, subs[:5]...).is(200, "")
	if w.stat("api_calls") != used+1 {
		t.Error("a composite call counts once")
	}
}

func TestCompositeTakesAThousand(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	var subs []string
	for i := range 5 {
		subs = append(subs, sub(fmt.Sprint("r", i), "POST", "/composite/sobjects", `{"records":`+contacts(i*200, i*200+200)+`}`))
	}
	w.call("POST", api+"/composite", tok, `{"compositeRequest":[`+strings.Join(subs, ",")+`]}`).is(200, "")
	if w.stat("contacts") != 1000 {
		t.Error("contacts:", w.stat("contacts"))
	}
}

func TestBatchAndTree(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	a := w.call("POST", api+"/composite/batch", tok, `{"haltOnError":true,"batchRequests":[{"method":"GET","url":"v67.0/limits"},{"method":"GET","url":"v67.0/nothing"},{"method":"POST","url":"v67.0/sobjects/Contact","richInput":{"LastName":"D"}}]}`).is(200, "")
	if a.num("results.0.statusCode") != 200 || a.num("results.1.statusCode") != 404 || a.num("results.2.statusCode") != 412 || a.at("hasErrors") != true || w.stat("api_calls") != 3 {
		t.Error(a.body)
	}
	tree := func(second string) answer {
		return w.call("POST", api+"/composite/tree/Contact", tok, `{"records":[{"attributes":{"type":"Contact","referenceId":"r1"},"LastName":"A"},{"attributes":{"type":"Contact","referenceId":"r2"}`+second+`}]}`)
	}
	if a := tree("").is(400, ""); a.at("hasErrors") != true || a.str("results.0.referenceId") != "r2" || w.stat("contacts") != 0 {
		t.Error(a.body)
	}
	if a := tree(`,"LastName":"B"`).is(201, ""); a.str("results.1.referenceId") != "r2" || w.stat("contacts") != 2 {
		t.Error(a.body)
	}
}
