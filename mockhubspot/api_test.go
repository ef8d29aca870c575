package mockhubspot_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// filterBy is a search for a value of a property.
func filterBy(property, operator, value string) string {
	return `{"filterGroups":[{"filters":[{"propertyName":"` + property + `","operator":"` + operator + `","value":"` + value + `"}]}]}`
}

func Test7a22SearchLags(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	find := func(body string) answer {
		w.pass(1000) // or it were too many a second
		return c.post(contacts+"/search", body).is(200, "")
	}
	id := w.control("contacts", `{"properties":{"email":"ada@example.com","firstname":"Ada"},"additional_emails":["byron@example.com"]}`).str("id")
	if find(filterBy("email", "EQ", "ada@example.com")).num("total") != 0 {
		t.Error("found at once")
	}
	c.patch(contacts+"/"+id, `{"properties":{"lastname":"Byron"}}`).is(200, "")
	if find(filterBy("email", "EQ", "ada@example.com")).num("total") != 0 {
		t.Error("a contact that isn't known yet is found because it was changed")
	}
	w.pass(5000)
	if a := find(filterBy("email", "EQ", "ADA@example.com")); a.num("total") != 1 || a.str("results.0.id") != id {
		t.Error(a.body)
	}
	c.patch(contacts+"/"+id, `{"properties":{"firstname":"Augusta"}}`).is(200, "")
	if find(filterBy("firstname", "EQ", "Ada")).num("total") != 1 || find(filterBy("firstname", "EQ", "Augusta")).num("total") != 0 {
		t.Error("a change was found at once")
	}
	w.pass(5000)
	if find(filterBy("firstname", "EQ", "Ada")).num("total") != 0 || find(filterBy("firstname", "EQ", "Augusta")).num("total") != 1 {
		t.Error("a change wasn't found after the lag")
	}
	// It doesn't know additional addresses by the address, and lists are of lower case.
	if find(filterBy("email", "EQ", "byron@example.com")).num("total") != 0 || find(filterBy("hs_additional_emails", "CONTAINS_TOKEN", "byron@example.com")).num("total") != 1 {
		t.Error("additional addresses")
	}
	if find(`{"filterGroups":[{"filters":[{"propertyName":"email","operator":"IN","values":["ADA@example.com"]}]}]}`).num("total") != 0 ||
		find(`{"filterGroups":[{"filters":[{"propertyName":"email","operator":"IN","values":["ada@example.com"]}]}]}`).num("total") != 1 {
		t.Error("lists")
	}
	c.delete(contacts+"/"+id).is(204, "")
	if find(`{}`).num("total") != 0 {
		t.Error("a deleted contact is found")
	}
}

func Test7a22SearchLimits(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	w.control("settings", `{"search_limit":0,"search_lag_ms":0}`)
	one := `{"propertyName":"email","operator":"EQ","value":"a"}`
	group := func(n int) string { return `{"filters":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}` }
	for name, body := range map[string]string{
		"long body":        `{"query":"` + strings.Repeat("a", 3000) + `"}`,
		"six groups":       `{"filterGroups":[` + strings.Repeat(group(1)+",", 5) + group(1) + `]}`,
		"seven filters":    `{"filterGroups":[` + group(7) + `]}`,
		"nineteen filters": `{"filterGroups":[` + group(6) + `,` + group(6) + `,` + group(6) + `,` + group(1) + `]}`,
		"large page":       `{"limit":201}`,
		"beyond the end":   `{"limit":100,"after":9901}`,
		"after is text":    `{"after":"x"}`,
		"unknown property": filterBy("nosuchthing", "EQ", "a"),
		"unknown operator": filterBy("email", "LIKE", "a"),
	} {
		if a := c.post(contacts+"/search", body); a.status != 400 || a.str("category") != "VALIDATION_ERROR" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	c.batch("create", inputs(0, 30)).is(201, "")
	a := c.post(contacts+"/search", `{"sorts":["-email"],"properties":["email"]}`).is(200, "")
	if a.num("total") != 30 || len(a.list("results")) != 10 || a.str("results.0.properties.email") != "p9@example.com" || a.str("paging.next.after") != "10" {
		t.Error(a.body)
	}
	a = c.post(contacts+"/search", `{"after":"20","limit":20,"sorts":[{"propertyName":"email","direction":"DESCENDING"}]}`).is(200, "")
	if len(a.list("results")) != 10 || a.at("paging") != nil {
		t.Error(a.body)
	}
	w.control("settings", `{"search_limit":5}`)
	for range 5 {
		if a := c.post(contacts+"/search", `{}`).is(200, ""); a.header.Get("X-Hubspot-Ratelimit-Max") != "" {
			t.Error(a.header)
		}
	}
	a = c.post(contacts+"/search", `{}`).is(429, "")
	if a.str("policyName") != "SECONDLY" || !strings.Contains(a.str("message"), "secondly limit") || a.header.Get("X-Hubspot-Ratelimit-Remaining") != "" {
		t.Error(a.body)
	}
	w.pass(1000)
	c.post(contacts+"/search", `{}`).is(200, "")
}

func Test7a22SearchOperators(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	w.control("settings", `{"search_limit":0,"search_lag_ms":0}`)
	c.add(`{"email":"one@example.com","numemployees_estimate":"5","company":"Contoso Ltd"}`)
	c.add(`{"email":"two@example.com","numemployees_estimate":"40"}`)
	for body, want := range map[string]int{
		filterBy("email", "NEQ", "one@example.com"):      1,
		filterBy("numemployees_estimate", "LT", "40"):    1,
		filterBy("numemployees_estimate", "LTE", "40"):   2,
		filterBy("numemployees_estimate", "GT", "5"):     1,
		filterBy("numemployees_estimate", "GTE", "5"):    2,
		filterBy("company", "HAS_PROPERTY", ""):          1,
		filterBy("company", "NOT_HAS_PROPERTY", ""):      1,
		filterBy("company", "CONTAINS_TOKEN", "cont*"):   1,
		filterBy("company", "CONTAINS_TOKEN", "*toso"):   1,
		filterBy("company", "CONTAINS_TOKEN", "*ontos*"): 1,
		filterBy("company", "CONTAINS_TOKEN", "conto"):   0,
		filterBy("company", "NOT_CONTAINS_TOKEN", "ltd"): 1,
		`{"query":"CONTOSO"}`:                            1,
		`{"filterGroups":[{"filters":[{"propertyName":"email","operator":"NOT_IN","values":["one@example.com"]}]}]}`:                                                                           1,
		`{"filterGroups":[{"filters":[{"propertyName":"numemployees_estimate","operator":"BETWEEN","value":"4","highValue":"6"}]}]}`:                                                           1,
		`{"filterGroups":[{"filters":[{"propertyName":"email","operator":"EQ","value":"one@example.com"}]},{"filters":[{"propertyName":"email","operator":"EQ","value":"two@example.com"}]}]}`: 2,
	} {
		if got := c.post(contacts+"/search", body).is(200, "").num("total"); got != want {
			t.Errorf("%s finds %d, want %d", body, got, want)
		}
	}
}

func Test7a23RateLimit(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	for want := 109; want >= 0; want-- {
		a := c.get("/account-info/2026-09/details").is(200, "")
		if got := a.header.Get("X-Hubspot-Ratelimit-Remaining"); got != fmt.Sprint(want) || a.header.Get("X-Hubspot-Ratelimit-Max") != "110" || a.header.Get("X-Hubspot-Ratelimit-Interval-Milliseconds") != "10000" {
			t.Fatalf("remaining %s, want %d: %v", got, want, a.header)
		}
		if a.header.Get("X-Hubspot-Ratelimit-Daily") != "" {
			t.Fatal(a.header)
		}
	}
	a := c.get(contacts).is(429, "")
	if a.str("policyName") != "TEN_SECONDLY_ROLLING" || a.str("errorType") != "RATE_LIMIT" || a.at("category") != nil || a.str("message") != "You have reached your ten_secondly_rolling limit." ||
		a.str("correlationId") == "" || a.header.Get("Retry-After") != "" || a.header.Get("X-Hubspot-Ratelimit-Remaining") != "0" {
		t.Error(a.header, a.body)
	}
	api{w, w.control("session?org=contoso-sandbox", "").tokens()}.get(contacts).is(200, "")
	w.refresh(c.Refresh)
	w.control("settings", `{"rate_limit_body":"category","rate_retry_after":true,"rate_limit_status":500}`)
	if a := c.get(contacts).is(500, "RATE_LIMITS"); a.header.Get("Retry-After") != "10" || a.at("errorType") != nil {
		t.Error(a.header, a.body)
	}
	w.pass(10_000)
	c.get(contacts).is(200, "")
	w.control("settings", `{"rate_limit":0}`)
	if a := c.get(contacts).is(200, ""); a.header.Get("X-Hubspot-Ratelimit-Max") != "" {
		t.Error(a.header)
	}
}

func Test7a23DailyLimit(t *testing.T) {
	w := newWorld(t)
	w.control("settings", `{"daily_limit":2,"rate_limit_status":429,"rate_retry_after":true,"access_token_seconds":200000}`)
	c := w.api()
	if a := c.get(contacts).is(200, ""); a.header.Get("X-Hubspot-Ratelimit-Daily") != "2" || a.header.Get("X-Hubspot-Ratelimit-Daily-Remaining") != "1" {
		t.Error(a.header)
	}
	c.get(contacts)
	a := c.get(contacts)
	if a.status == 200 { // midnight passed
		c.get(contacts)
		a = c.get(contacts)
	}
	if a.is(429, "").str("policyName") != "DAILY" || a.header.Get("Retry-After") == "" {
		t.Error(a.header, a.body)
	}
	w.pass(24 * 60 * 60 * 1000)
	c.get(contacts).is(200, "")
}

func Test7a24Faults(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	id := c.add(`{"email":"a@example.com"}`)
	fail := func(body string) { t.Helper(); w.control("fail", body) }
	w.call("POST", "/_control/fail", "", `{"on":"nothing","count":1}`).is(400, "")

	fail(`{"on":"batch_create","status":423,"count":1}`)
	c.batch("create", inputs(0, 2)).is(423, "")
	fail(`{"on":"batch_create","status":477,"retry_after":86400,"count":1}`)
	if a := c.batch("create", inputs(0, 2)).is(477, ""); a.header.Get("Retry-After") != "86400" || a.str("correlationId") == "" {
		t.Error(a.header, a.body)
	}
	fail(`{"on":"any","status":502,"html":true,"count":1}`)
	if a := c.get(contacts).is(502, ""); !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Error(a.header)
	}
	if w.stat("contacts") != 1 {
		t.Error("a call that failed was done")
	}
	fail(`{"on":"batch_create","status":524,"html":true,"after_commit":true,"count":1}`)
	c.batch("create", inputs(0, 2)).is(524, "")
	if w.stat("contacts") != 3 {
		t.Error("the work was to be done before the failure")
	}
	for _, of := range []struct {
		fault string
		want  int
	}{{`{"on":"batch_create","drop":true,"count":1}`, 3}, {`{"on":"batch_create","drop":true,"after_commit":true,"count":1}`, 5}} {
		fail(of.fault)
		if a, err := w.send(w.request("POST", contacts+"/batch/create", c.Access, inputs(2, 2))); err == nil {
			t.Errorf("answered %d", a.status)
		}
		if got := w.stat("contacts"); got != of.want {
			t.Errorf("%s: %d contacts, want %d", of.fault, got, of.want)
		}
	}
	fail(`{"on":"batch_read","drop":true,"count":1}`)
	if a, err := w.send(w.request("POST", contacts+"/batch/read", c.Access, `{"inputs":[{"id":"`+id+`"}]}`)); err == nil {
		t.Errorf("answered %d", a.status)
	}
	fail(`{"on":"batch_read","truncate":true,"count":1}`)
	if a := c.batch("read", `{"inputs":[{"id":"`+id+`"}]}`).is(200, ""); a.body == "" || json.Valid([]byte(a.body)) {
		t.Errorf("whole: %s", a.body)
	}
	fail(`{"on":"batch_read","hang_ms":1,"count":1}`)
	c.batch("read", `{"inputs":[{"id":"`+id+`"}]}`).is(200, "")
	fail(`{"on":"token","status":400,"error_code":"BAD_REFRESH_TOKEN","count":1}`)
	if a := w.refresh(c.Refresh).is(400, "BAD_REFRESH_TOKEN"); a.str("error") != "invalid_grant" {
		t.Error(a.body)
	}
	fail(`{"on":"token","status":429,"count":1}`)
	w.refresh(c.Refresh).is(429, "RATE_LIMITS")
	for _, on := range []struct{ kind, method, path string }{
		{"account", "GET", "/account-info/2026-09/details"}, {"properties", "GET", "/crm/properties/2026-09/contacts/email"}, {"introspect", "POST", tokenURL + "/introspect"},
		{"revoke", "POST", tokenURL + "/revoke"}, {"batch_update", "POST", contacts + "/batch/update"}, {"search", "POST", contacts + "/search"}, {"authorize", "GET", "/oauth/authorize"},
	} {
		fail(`{"on":"` + on.kind + `","status":503,"count":1}`)
		w.call(on.method, on.path, c.Access, "").is(503, "")
		if a := w.call(on.method, on.path, c.Access, ""); a.status == 503 {
			t.Errorf("%s fails twice", on.kind)
		}
	}
}

// A fault on single records fails those, in batches too.
func Test7a24FaultsOfRecords(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	w.control("fail", `{"on":"record","error_code":"SOMETHING_ELSE","message":"no","count":1}`)
	a := c.batch("create", inputs(0, 3)).is(207, "")
	if good, bad := a.results(); good != 2 || bad != 1 || a.str("errors.0.category") != "SOMETHING_ELSE" || a.str("errors.0.message") != "no" {
		t.Error(a.body)
	}
	w.control("fail", `{"on":"record","count":1}`)
	c.post(contacts, `{"properties":{"email":"x@example.com"}}`).is(400, "VALIDATION_ERROR")
	w.control("fail", `{"on":"record","rate":1}`)
	w.control("contacts", `{"properties":{"email":"y@example.com"}}`)
	c.post(contacts, `{"properties":{"email":"x@example.com"}}`).is(400, "VALIDATION_ERROR")
	w.control("reset", "")
	c.post(contacts, `{"properties":{"email":"x@example.com"}}`).is(201, "")
}

func TestHangEndsWithTheClient(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	w.control("fail", `{"on":"create","hang_ms":600000,"after_commit":true,"count":1}`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := w.send(w.request("POST", contacts, c.Access, `{"properties":{"email":"a@example.com"}}`).WithContext(ctx))
		ended <- err
	}()
	for late := time.Now().Add(time.Minute); w.stat("contacts") != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the work was to be done before the wait")
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("answered, or %v", err)
	}
}

func TestLatency(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	w.control("settings", `{"latency_ms":60,"token_latency_ms":60}`)
	start := time.Now()
	c.get(contacts).is(200, "")
	w.refresh("x")
	if took := time.Since(start); took < 120*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}

func Test7a25Properties(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	properties := "/crm/properties/2026-09/contacts"
	create := func(name, more string) answer {
		return c.post(properties, `{"name":"`+name+`","label":"L","groupName":"contactinformation","type":"string","fieldType":"text"`+more+`}`)
	}
	c.get(properties+"/nosuchthing").is(404, "OBJECT_NOT_FOUND")
	a := c.get(properties+"/email").is(200, "")
	if a.str("type") != "string" || a.str("fieldType") != "text" || a.at("hasUniqueValue") != false || a.at("modificationMetadata.readOnlyValue") != false ||
		a.at("modificationMetadata.readOnlyDefinition") != true || a.at("calculated") != false || a.at("archived") != false || a.at("hubspotDefined") != true {
		t.Error(a.body)
	}
	if a := c.get(properties+"/hs_additional_emails").is(200, ""); a.at("modificationMetadata.readOnlyValue") != true {
		t.Error(a.body)
	}
	all := c.get(properties).is(200, "")
	if all.of("results", "name", "lifecyclestage").str("options.1.value") != "lead" {
		t.Error("lifecyclestage has no options")
	}
	for name, more := range map[string]string{"Upper": "", "1a": "", "a-b": "", "email": "", "x": `,"type":"nothing"`, "y": `,"fieldType":"checkbox"`, "z": `,"label":""`} {
		if a := create(name, more); a.status != 400 && a.status != 409 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for i := range 10 {
		create(fmt.Sprintf("unique_%d", i), `,"hasUniqueValue":true`).is(201, "")
	}
	create("unique_10", `,"hasUniqueValue":true`).is(400, "VALIDATION_ERROR")
	a = create("plain", "").is(201, "")
	if a.at("modificationMetadata.readOnlyDefinition") != false || a.at("hubspotDefined") != nil {
		t.Error(a.body)
	}
	create("plain", "").is(409, "OBJECT_ALREADY_EXISTS")
	c.add(`{"email":"a@example.com","plain":"x"}`)
	c.delete(properties+"/email").is(400, "VALIDATION_ERROR")
	c.delete(properties+"/plain").is(204, "")
	c.get(properties+"/plain").is(404, "OBJECT_NOT_FOUND")
	c.get(properties+"/plain?archived=true").is(200, "")
	if a := c.get(properties+"?archived=true").is(200, ""); len(a.list("results")) != 1 {
		t.Error(a.body)
	}
	if list := c.post(contacts, `{"properties":{"email":"b@example.com","plain":"x"}}`).is(400, "").problems(); list[0]["error"] != "PROPERTY_DOESNT_EXIST" {
		t.Error(list)
	}
	create("plain", "").is(201, "")
	other := api{w, w.control("session?org=contoso-sandbox", "").tokens()}
	other.get(properties+"/plain").is(404, "OBJECT_NOT_FOUND")
}

func Test7a26AccountInfo(t *testing.T) {
	w := newWorld(t)
	info := func(org string) answer {
		return api{w, w.control("session?org="+org, "").tokens()}.get("/account-info/2026-09/details").is(200, "")
	}
	a := info("contoso")
	if a.num("portalId") != 62515 || a.str("accountType") != "STANDARD" || a.str("uiDomain") != strings.TrimPrefix(w.url, "http://") || a.str("dataHostingLocation") != "na1" ||
		a.str("timeZone") != "US/Eastern" || a.str("companyCurrency") != "USD" || !strings.HasPrefix(a.str("utcOffset"), "-0") || a.num("utcOffsetMilliseconds") >= 0 {
		t.Error(a.body)
	}
	if a := info("contoso-sandbox"); a.str("accountType") != "SANDBOX" {
		t.Error(a.body)
	}
	if a := info("fabrikam-jane"); a.str("dataHostingLocation") != "eu1" || !strings.HasPrefix(a.str("utcOffset"), "+0") {
		t.Error(a.body)
	}
	w.control("settings", `{"ui_domain":"app-eu1.hubspot.com","account_type":"DEVELOPER_TEST","hublet":"eu1"}`)
	a = info("contoso")
	if a.str("uiDomain") != "app-eu1.hubspot.com" || a.str("accountType") != "DEVELOPER_TEST" || a.str("dataHostingLocation") != "eu1" {
		t.Error(a.body)
	}
	c := w.api()
	if !strings.HasPrefix(c.Refresh, "eu1-") {
		t.Errorf("refresh token %s", c.Refresh)
	}
	if a := c.post(contacts, `{"properties":{"email":"a@example.com"}}`).is(201, ""); !strings.HasPrefix(a.str("url"), "https://app-eu1.hubspot.com/contacts/62515/record/0-1/") {
		t.Error(a.body)
	}
	w.call("POST", "/_control/settings", "", `{"account_type":"LARGE"}`).is(400, "")
}

func Test7a27Consent(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	statuses := "/communication-preferences/2026-09/statuses/"
	id := c.add(`{"email":"ada@example.com"}`)
	a := c.get("/communication-preferences/2026-09/definitions").is(200, "")
	newsletter := a.of("results", "name", "Newsletter").str("id")
	set := func(more string) answer {
		return c.post(statuses+"Ada@example.com", `{"subscriptionId":`+newsletter+`,"channel":"EMAIL","statusState":"UNSUBSCRIBED"`+more+`}`)
	}
	c.get(statuses+"ada@example.com").is(400, "VALIDATION_ERROR")
	c.get(statuses+"nope?channel=EMAIL").is(400, "VALIDATION_ERROR")
	set(`,"channel":"SMS"`).is(400, "VALIDATION_ERROR")
	set(`,"statusState":"MAYBE"`).is(400, "VALIDATION_ERROR")
	set(`,"subscriptionId":1`).is(400, "VALIDATION_ERROR")
	set(`,"legalBasis":"BECAUSE"`).is(400, "VALIDATION_ERROR")
	status := func() string {
		return c.get(statuses+"ada@example.com?channel=EMAIL").is(200, "").of("results", "subscriptionId", newsletter).str("status")
	}
	if got := status(); got != "NOT_SPECIFIED" {
		t.Errorf("status %s", got)
	}
	set("").is(200, "")
	if got := status(); got != "UNSUBSCRIBED" {
		t.Errorf("status %s", got)
	}
	optedOut := func(name string) any {
		return c.get(contacts + "/" + id + "?properties=" + name).at("properties." + name)
	}
	if got := optedOut("hs_email_optout_" + newsletter); got != "true" {
		t.Errorf("the contact says %v", got)
	}
	w.control("settings", `{"privacy_settings":true}`)
	set(`,"statusState":"SUBSCRIBED"`).is(400, "VALIDATION_ERROR")
	set(`,"statusState":"SUBSCRIBED","legalBasis":"CONSENT_WITH_NOTICE"`).is(400, "VALIDATION_ERROR")
	a = set(`,"statusState":"SUBSCRIBED","legalBasis":"CONSENT_WITH_NOTICE","legalBasisExplanation":"signed up"`).is(200, "")
	if a.str("status") != "SUBSCRIBED" || a.str("legalBasis") != "CONSENT_WITH_NOTICE" || status() != "SUBSCRIBED" || optedOut("hs_email_optout_"+newsletter) != "false" {
		t.Error(a.body)
	}
	all := statuses + "ada@example.com/unsubscribe-all?channel=EMAIL"
	if a := c.get(all).is(200, ""); len(a.list("results")) != 0 {
		t.Error(a.body)
	}
	c.post(statuses+"ada@example.com/unsubscribe-all", "").is(400, "VALIDATION_ERROR")
	c.post(all, "").is(200, "")
	if a := c.get(all).is(200, ""); a.str("results.0.status") != "UNSUBSCRIBED" || a.str("results.0.wideStatusType") != "PORTAL_WIDE" {
		t.Error(a.body)
	}
	if got := optedOut("hs_email_optout"); got != "true" {
		t.Errorf("the contact says %v", got)
	}
	c.post(statuses+"nobody@example.com/unsubscribe-all?channel=EMAIL", "").is(200, "")
}

func Test7a30RequestsAreCounted(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	c.batch("create", inputs(0, 2)).is(201, "")
	c.batch("read", `{"inputs":[{"id":"1"}]}`).is(207, "")
	c.batch("read", `{"inputs":[]}`).is(200, "")
	w.call("GET", contacts, "garbage", "").is(401, "")
	w.refresh("x").is(400, "")
	w.control("fail", `{"on":"batch_read","drop":true,"count":1}`)
	_, _ = w.send(w.request("POST", contacts+"/batch/read", c.Access, `{"inputs":[]}`))
	jane := api{w, w.control("session?org=fabrikam-jane", "").tokens()}
	jane.get(contacts).is(200, "")
	a := w.call("GET", "/_control/stats", "", "").is(200, "")
	if a.num("api_calls") != 4 || a.num("calls.batch_read") != 2 || a.num("calls.batch_create") != 1 || a.num("calls.list") != 1 || a.num("contacts") != 2 || a.num("token_calls") != 1 || a.num("reuse_detected") != 0 {
		t.Error(a.body)
	}
	if a := w.call("GET", "/_control/stats?org=contoso", "", "").is(200, ""); a.num("api_calls") != 3 {
		t.Error(a.body)
	}
	w.call("GET", "/_control/stats?org=nobody", "", "").is(400, "")
	w.call("POST", "/_control/session?org=fabrikam-jane", "", `{"username":"john@contoso.example"}`).is(400, "")
	w.call("POST", "/_control/session", "", `{"username":"nobody@contoso.example"}`).is(400, "")
	a = w.call("GET", "/_control/requests?org=contoso", "", "").is(200, "")
	var got []string
	for i := range a.list("requests") {
		one := fmt.Sprintf("requests.%d.", i)
		got = append(got, fmt.Sprintf("%s %s %d", a.str(one+"kind"), a.str(one+"method"), a.num(one+"status")))
	}
	if !slices.Equal(got, []string{"batch_create POST 201", "batch_read POST 207", "batch_read POST 200", "batch_read POST 0"}) {
		t.Error(got)
	}
}

func TestEverythingSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	w.control("settings", `{"search_limit":3}`)
	id := c.add(`{"email":"a@example.com"}`)
	w.pass(1_000_000)
	w.stop()
	w.start()
	if a := c.get(contacts+"/"+id).is(200, ""); a.str("properties.email") != "a@example.com" {
		t.Error(a.body)
	}
	if w.stat("api_calls") != 2 || w.call("GET", "/_control/settings", "", "").num("search_limit") != 3 {
		t.Error("counters or settings were forgotten")
	}
	w.pass(800_000) // with the time that passed before, more than the token's life
	c.get(contacts).is(401, "EXPIRED_AUTHENTICATION")
	w.refresh(c.Refresh)
}

func TestReset(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	c.add(`{"email":"a@example.com"}`)
	c.post(contacts+"/gdpr-delete", `{"objectId":"b@example.com","idProperty":"email"}`).is(204, "")
	w.control("settings", `{"rate_limit":1}`)
	w.control("fail", `{"on":"any","rate":1}`)
	w.control("reset", "")
	if w.stat("contacts") != 0 || w.stat("api_calls") != 0 {
		t.Error("something was left")
	}
	c.add(`{"email":"b@example.com"}`)
	c.add(`{"email":"a@example.com"}`)
}

func TestPagesForPeople(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	ada := c.add(`{"email":"ada@example.com","firstname":"Ada","lastname":"Byron"}`)
	other := c.add(`{"email":"b@example.com"}`)
	page := func(path string) answer { return w.call("GET", path, "", "") }
	for _, path := range []string{"/contacts/62515/record/0-1/1", "/contacts/62516/record/0-1/" + ada, "/contacts/1", "/nothing"} {
		page(path).is(404, "")
	}
	for _, path := range []string{"/", "/contacts/62515", "/contacts/62515/objects/0-1/views/all/list"} {
		if a := page(path).is(200, ""); !strings.Contains(a.body, "Ada Byron") || !strings.Contains(a.body, "/contacts/62515/record/0-1/"+ada) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	if a := page("/contacts/62517").is(200, ""); strings.Contains(a.body, "Ada") {
		t.Error(a.body)
	}
	if a := page("/contacts/62515/contact/"+ada).is(302, ""); a.header.Get("Location") != "/contacts/62515/record/0-1/"+ada {
		t.Error(a.header)
	}
	if a := page("/contacts/62515/record/0-1/"+ada).is(200, ""); !strings.Contains(a.body, "ada@example.com") {
		t.Error(a.body)
	}
	c.post(contacts+"/merge", `{"primaryObjectId":"`+ada+`","objectIdToMerge":"`+other+`"}`).is(200, "")
	if a := page("/contacts/62515/record/0-1/"+other).is(200, ""); !strings.Contains(a.body, "Ada Byron") {
		t.Error(a.body)
	}
	w.control("fail", `{"on":"any","rate":1}`)
	page("/").is(200, "")
	if a := page("/mockhubspot.css"); a.status != 200 || !strings.Contains(a.body, "--accent") || !strings.Contains(a.body, ".card") {
		t.Errorf("%d %s", a.status, a.body)
	}
	page("/contacts/62515").is(503, "")
}
