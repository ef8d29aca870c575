package mockzoho_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// 7a.24: what each call costs.
func TestCredits(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{"scope":"ZohoCRM.modules.ALL,ZohoCRM.coql.READ,ZohoCRM.org.READ,ZohoSearch.securesearch.READ"}`)
	rows := func(n int) string {
		return `{"data":[` + strings.Repeat(`{"Last_Name":"A"},`, n-1) + `{"Last_Name":"A"}]}`
	}
	query := func(limit string) string {
		return `{"select_query":"select id from Contacts where id is not null ` + limit + `"}`
	}
	used, calls := 0, 0
	for i, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/org", "", 1}, {"POST", "/Contacts", rows(1), 1}, {"POST", "/Contacts", rows(10), 1}, {"POST", "/Contacts", rows(11), 2},
		{"POST", "/Contacts/upsert", rows(100), 10}, {"POST", "/coql", query(""), 1}, {"POST", "/coql", query("limit 200"), 1},
		{"POST", "/coql", query("limit 0, 201"), 2}, {"POST", "/coql", query("limit 1000"), 2}, {"POST", "/coql", query("limit 1001"), 3},
		{"POST", "/coql", query("limit nothing"), 1}, {"GET", "/Contacts/deleted", "", 2}, {"GET", "/Contacts/actions/count", "", 50},
		{"GET", "/Contacts/search?email=a@b.example", "", 1}, {"DELETE", "/Contacts?ids=1,2,3,4,5,6,7,8,9,10,11", "", 2},
	} {
		w.call(c.method, api+c.path, john.Access, c.body)
		calls++
		got := w.stat("credits") - used
		if used += got; got != c.want {
			t.Errorf("%d: %s %s: %d credits, want %d", i, c.method, c.path, got, c.want)
		}
	}
	if n := w.stat("api_calls"); n != calls {
		t.Errorf("%d calls, want %d", n, calls)
	}
	w.call("GET", api+"/org", "1000.none", "")
	if n := w.stat("api_calls"); n != calls {
		t.Error("a call without a token was counted")
	}
}

// 7a.24: the header appears when half is used, and what follows the end is 429.
func TestCreditsRunOut(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	w.settings(`{"credits":10}`)
	const header = "X-API-CREDITS-REMAINING"
	for i := 1; i <= 10; i++ {
		got := w.call("GET", api+"/org", john.Access, "").is(200, "").header.Get(header)
		want := ""
		if i >= 5 {
			want = fmt.Sprint(10 - i)
		}
		if got != want {
			t.Errorf("call %d: remaining %q, want %q", i, got, want)
		}
	}
	a := w.call("GET", api+"/org", john.Access, "").is(429, "TOO_MANY_REQUESTS")
	if a.header.Get(header) != "0" || a.header.Get("Retry-After") != "" {
		t.Errorf("headers %v", a.header)
	}
	w.settings(`{"retry_after":30}`)
	if got := w.add(john.Access, person("A", "a@b.example")).is(429, "TOO_MANY_REQUESTS").header.Get("Retry-After"); got != "30" {
		t.Errorf("Retry-After %q", got)
	}
	if n := w.stat("contacts"); n != 0 {
		t.Errorf("%d contacts", n)
	}
	w.advance(86_400 + 60)
	john = w.session(`{}`)
	w.call("GET", api+"/org", john.Access, "").is(200, "")
}

// 7a.24: the window of 24 hours rolls, and others use credits, too.
func TestCreditsRoll(t *testing.T) {
	w := newWorld(t)
	w.settings(`{"credits":10,"other_credits":8,"access_token_seconds":1000000}`)
	john := w.session(`{}`)
	w.call("GET", api+"/org", john.Access, "").is(200, "")
	w.advance(12 * 3600)
	w.call("GET", api+"/org", john.Access, "").is(200, "")
	w.call("GET", api+"/org", john.Access, "").is(429, "")
	w.advance(12*3600 + 60)
	w.call("GET", api+"/org", john.Access, "").is(200, "")
	w.call("GET", api+"/org", john.Access, "").is(429, "")
}

// 7a.24: the credits and the calls at once that an edition has.
func TestEditions(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	for edition, credits := range map[string]int{"free": 5_000, "standard": 52_500, "professional": 55_000, "enterprise": 60_000, "ultimate": 70_000} {
		w.control("reset", ``)
		w.settings(fmt.Sprintf(`{"edition":%q,"other_credits":%d}`, edition, credits-1))
		w.call("GET", api+"/org", john.Access, "").is(200, "").says("org.0.license_details.paid_type", edition)
		w.call("GET", api+"/org", john.Access, "").is(429, "TOO_MANY_REQUESTS")
	}
	w.control("reset", ``)
	w.settings(`{"edition":"standard","licences":1000,"other_credits":99999}`)
	w.call("GET", api+"/org", john.Access, "").is(200, "")
	w.call("GET", api+"/org", john.Access, "").is(429, "")
}

// 7a.24: only so many calls at once, and fewer heavy ones. A workflow that takes long
// keeps a call under way.
func TestConcurrency(t *testing.T) {
	w := newWorld(t)
	john, jane := w.session(`{}`), w.session(`{"username":"jane@fabrikam.example"}`)
	w.settings(`{"concurrency":2,"heavy_concurrency":1}`)
	done := w.occupy(john.Access)
	w.add(john.Access, many(11)...).is(429, "TOO_MANY_REQUESTS")
	w.query(john.Access, "select id from Contacts where id is null").is(429, "TOO_MANY_REQUESTS")
	w.call("GET", api+"/org", john.Access, "").is(200, "")
	w.call("GET", api+"/org", jane.Access, "").is(200, "")
	w.query(jane.Access, "select id from Contacts where id is null").is(204, "")
	w.settings(`{"concurrency":1}`)
	w.call("GET", api+"/org", john.Access, "").is(429, "TOO_MANY_REQUESTS")
	w.call("GET", api+"/org", jane.Access, "").is(200, "")
	done()
	w.query(john.Access, "select id from Contacts where Last_Name = 'none'").is(204, "")
}

// many are n rows without an address.
func many(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = `{"Last_Name":"A"}`
	}
	return rows
}

// occupy keeps a heavy call under way until done is called: it waits for its workflow.
func (w *world) occupy(token string) (done func()) {
	w.t.Helper()
	w.settings(`{"workflow":"slow","workflow_ms":60000}`)
	before := w.stat("contacts")
	var call sync.WaitGroup
	call.Go(func() {
		a, err := w.send(w.request("POST", w.at("")+api+"/Contacts", token, `{"data":[`+strings.Join(many(11), ",")+`]}`))
		if err != nil || a.status != http.StatusCreated {
			w.t.Errorf("%d %s %v", a.status, a.body, err)
		}
	})
	done = sync.OnceFunc(func() {
		w.call("POST", "/_control/settings", "", `{"workflow":""}`)
		call.Wait()
	})
	w.t.Cleanup(done)
	for w.stat("contacts") == before { // until it has written, and waits
		runtime.Gosched()
	}
	return done
}

// 7a.27: what fails, and how.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	row := person("A", "a@b.example")
	w.control("fail", `{"on":"insert","status":500,"count":1}`)
	w.add(john.Access, row).is(500, "INTERNAL_ERROR")
	for _, status := range []int{502, 503} {
		w.control("fail", fmt.Sprintf(`{"on":"any","status":%d,"count":1}`, status))
		if a := w.add(john.Access, row).is(status, ""); !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("%d: %v %s", status, a.header, a.body)
		}
	}
	w.control("fail", `{"on":"coql","status":429,"count":1}`)
	w.query(john.Access, "select id from Contacts where id is null").is(429, "TOO_MANY_REQUESTS")
	w.control("fail", `{"on":"insert","status":429,"after_commit":true,"message":"others first","count":1}`)
	w.add(john.Access, `{"Last_Name":"A"}`).is(429, "TOO_MANY_REQUESTS").says("message", "others first")
	if n := w.stat("contacts"); n != 1 {
		t.Errorf("%d contacts after a refusal that came too late, want 1", n)
	}
	w.control("fail", `{"on":"settings","status":400,"error_code":"INVALID_MODULE","message":"gone","count":1}`)
	w.call("GET", api+"/settings/fields?module=Contacts", john.Access, "").is(400, "INVALID_MODULE").says("message", "gone").says("status", "error")
	w.control("fail", `{"on":"record","count":2}`)
	w.add(john.Access, row).is(400, "").row(0, "CANNOT_PROCESS")
	w.control("fail", `{"on":"record","error_code":"RECORD_LOCKED","count":1}`)
	w.add(john.Access, row, row, row).is(207, "").row(0, "CANNOT_PROCESS").row(1, "RECORD_LOCKED").row(2, "SUCCESS")
	if n := w.stat("contacts"); n != 2 {
		t.Errorf("%d contacts, want 2", n)
	}
}

// 7a.27: calls that are cut, before the work and after it.
func TestCutCalls(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	for _, c := range []struct {
		fault string
		want  int
	}{{`{"on":"upsert","drop":true,"count":1}`, 0}, {`{"on":"upsert","drop":true,"after_commit":true,"count":1}`, 1}} {
		w.control("fail", c.fault)
		_, err := w.send(w.request("POST", w.at("")+api+"/Contacts/upsert", john.Access, `{"data":[`+person("A", "a@b.example")+`]}`))
		if !cut(err) {
			t.Errorf("%s: %v", c.fault, err)
		}
		if n := w.stat("contacts"); n != c.want {
			t.Errorf("%s: %d contacts, want %d", c.fault, n, c.want)
		}
	}
}

// 7a.27: an answer that takes its time is a whole one.
func TestSlowCalls(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	slow := func(name string, call func()) {
		start := time.Now()
		if call(); time.Since(start) < 20*time.Millisecond {
			t.Errorf("%s took %s", name, time.Since(start))
		}
	}
	w.control("fail", `{"on":"org","hang_ms":20,"count":1}`)
	slow("a call that hangs", func() { w.call("GET", api+"/org", john.Access, "").is(200, "") })
	w.settings(`{"latency_ms":20,"token_latency_ms":20}`)
	slow("a call", func() { w.call("GET", api+"/org", john.Access, "").is(200, "") })
	slow("a token", func() { w.refresh("", john.Refresh).tokens() })
	w.settings(`{"latency_ms":0,"workflow":"slow","workflow_ms":10}`)
	slow("two workflows", func() {
		w.call("POST", api+"/Contacts", john.Access, `{"data":[`+strings.Join(many(2), ",")+`]}`).is(201, "")
	})
}

// 7a.4 and 7a.27: what fails at the token end point.
func TestFaultsOfTokens(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	w.control("fail", `{"on":"token","error_code":"invalid_code","count":1}`)
	w.refresh("", john.Refresh).refused("invalid_code")
	w.control("fail", `{"on":"token","error_code":"Access Denied","count":1}`)
	w.refresh("", john.Refresh).throttled(200)
	w.control("fail", `{"on":"token","error_code":"Access Denied","status":400,"count":1}`)
	w.refresh("", john.Refresh).throttled(400)
	w.control("fail", `{"on":"token","status":500,"count":1}`)
	if a := w.refresh("", john.Refresh).is(500, ""); !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("%s", a.body)
	}
	w.control("fail", `{"on":"revoke","count":1}`)
	w.form(w.at("")+"/oauth/v2/token/revoke", "token", john.Refresh).is(503, "")
	w.refresh("", john.Refresh).tokens()
	if n := w.stat("token_calls"); n != 1 {
		t.Errorf("%d token calls, want 1", n)
	}
}

// 7a.28: paths that there aren't, methods, and versions.
func TestPathsAndVersions(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	for _, path := range []string{"/crm/v8", "/crm/v8/", "/crm/v8/Contacts/1/2/3/4", "/crm/v8/settings/nothing", "/crm/v1/org", "/crm/v9/org", "/crm/vx/org"} {
		w.call("GET", path, john.Access, "").is(404, "INVALID_URL_PATTERN").says("status", "error")
	}
	w.call("PATCH", api+"/Contacts", john.Access, "{}").is(405, "INVALID_REQUEST_METHOD")
	w.call("GET", api+"/coql", john.Access, "").is(405, "INVALID_REQUEST_METHOD")
	w.call("GET", api+"/Nowhere?fields=Email", john.Access, "").is(400, "INVALID_MODULE")
	for v := 2; v <= 8; v++ {
		root := fmt.Sprintf("/crm/v%d", v)
		row := fmt.Sprintf(`{"data":[{"Last_Name":"A","Email":"v%d@b.example"}]}`, v)
		id := w.call("POST", root+"/Contacts/upsert", john.Access, row).is(200, "").says("data.0.action", "insert").id(0)
		w.call("PUT", root+"/Contacts/"+id, john.Access, `{"data":[{"First_Name":"Ada"}]}`).is(200, "")
		w.call("POST", root+"/coql", john.Access, fmt.Sprintf(`{"select_query":"select First_Name from Contacts where Email = 'v%d@b.example'"}`, v)).is(200, "").says("data.0.First_Name", "Ada")
		w.call("GET", root+"/org", john.Access, "").is(200, "").says("org.0.company_name", "Contoso")
	}
	w.call("GET", "/crm/v2.1/org", john.Access, "").is(200, "")
}

// 7a.29: orgs that aren't in production have API hosts of their own.
func TestSandbox(t *testing.T) {
	w := newWorld(t)
	john := w.control("session?org=contoso-sandbox", `{}`).tokens()
	if john.API != w.at("sandbox") {
		t.Fatalf("API at %s", john.API)
	}
	w.call("GET", api+"/org", john.Access, "").is(401, "INVALID_TOKEN")
	w.sent(w.request("GET", w.at("developer")+api+"/org", john.Access, "")).is(401, "INVALID_TOKEN")
	w.sent(w.request("GET", w.at("sandbox")+api+"/org", john.Access, "")).is(200, "").says("org.0.type", "sandbox")
	w.sent(w.request("POST", w.at("sandbox")+"/oauth/v2/token", "", "")).is(404, "")
	w.refresh("", john.Refresh).says("api_domain", w.at("sandbox"))
}

// 7a.30: nothing in the headers names a request or says when to come back.
func TestNoRequestIDs(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	w.control("fail", `{"on":"insert","status":429,"count":1}`)
	for _, a := range []answer{w.call("GET", api+"/org", john.Access, ""), w.add(john.Access, person("A", "a@b.example")), w.refresh("", john.Refresh)} {
		for name := range a.header {
			if lower := strings.ToLower(name); strings.Contains(lower, "request") || strings.Contains(lower, "retry") || strings.Contains(lower, "ratelimit") || strings.Contains(lower, "trace") {
				t.Errorf("header %s: %v", name, a.header)
			}
		}
	}
	w.control("fail", `{"on":"insert","status":429,"retry_after":7,"count":1}`)
	if got := w.add(john.Access, person("A", "a@b.example")).is(429, "").header.Get("Retry-After"); got != "7" {
		t.Errorf("Retry-After %q", got)
	}
}
