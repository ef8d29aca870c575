package routes_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/routes"
)

const appDone = "https://app.example/done"

// application is one that authorizes its users over HTTP.
type application struct {
	*api
	key string
}

func openApplication(t *testing.T, changes ...with) *application {
	t.Helper()
	a := &application{api: openAPI(t, changes...)}
	a.key = a.api.key(nil, nil, auth.Authorize)
	return a
}

// body is a JSON object of pairs of names and values.
func body(pairs ...any) string {
	fields := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		fields[pairs[i].(string)] = pairs[i+1]
	}
	text, _ := json.Marshal(fields)
	return string(text)
}

// begins begins an authorization and returns its id and the path of its link.
func (a *application) begins(pairs ...any) (id, link string) {
	a.t.Helper()
	got := a.call(a.key, "POST", "/authorizations", "/authorizations", body(append([]any{"service", "sfdc", "tenant", "contoso", "return_to", appDone, "state", "the app's"}, pairs...)...)).is(201, "")
	link, ours := strings.CutPrefix(got.fields["url"].(string), a.url)
	if !ours || !regexp.MustCompile(`^/authorize/[A-Za-z0-9_-]{43}$`).MatchString(link) || got.fields["state"] != "begun" {
		a.t.Fatal(got.text)
	}
	return got.fields["id"].(string), link
}

// presses opens a link and presses its button; it returns the address at Salesforce.
func (b *browser) presses(link string) string {
	b.w.t.Helper()
	p := b.get(link).is(200, "Continue to Salesforce")
	p = b.post(link, "csrf", p.hidden("csrf")).is(200, "Taking you to Salesforce")
	m := regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]+)"`).FindStringSubmatch(p.body)
	if m == nil {
		b.w.t.Fatalf("leads nowhere: %s", p.body)
	}
	return html.UnescapeString(m[1])
}

// returns is what the application gets of a browser that comes back.
func (b *browser) returns(callback string) url.Values {
	b.w.t.Helper()
	p := b.get(callback)
	to := p.head("Location")
	if p.status != 303 || !strings.HasPrefix(to, appDone+"?") {
		b.w.t.Fatalf("%d to %s: %s\n%s", p.status, to, p.text(), b.w.log)
	}
	q := mustQuery(b.w.t, to)
	if q.Get("state") != "the app's" || q.Has("error_description") {
		b.w.t.Errorf("it gets %v", q)
	}
	return q
}

func (a *application) complete(id string, pairs ...any) answer {
	a.t.Helper()
	return a.call(a.key, "POST", "/authorizations/{id}/complete", "/authorizations/"+id+"/complete", body(pairs...))
}

func (a *application) authorization(id string) answer {
	a.t.Helper()
	return a.call(a.key, "GET", "/authorizations/{id}", "/authorizations/"+id, "").is(200, "")
}

// state checks how far an authorization is.
func (a *application) state(id, state, code string) answer {
	a.t.Helper()
	got := a.authorization(id)
	if is, _ := got.fields["error"].(string); got.fields["state"] != state || is != code {
		a.t.Errorf("%s, want %s %s", got.text, state, code)
	}
	return got
}

// An application sends its user to Salesforce and back, and has an identity of theirs.
func TestAuthorizationOverHTTP(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	before := a.identities()
	id, link := a.begins("user", "newcomer", "tags", []string{"x"})
	a.state(id, "begun", "")
	b := a.browser()
	// Scanners and people look; nobody is sent anywhere by that.
	for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodGet} {
		if p := b.do(method, link, "").is(200); p.head("Cache-Control") != "no-store" || p.head("Referrer-Policy") != "no-referrer" || b.cookie("gatepost_authorization") != "" {
			t.Errorf("%s: %v", method, p.header)
		}
	}
	b.get(link).is(200, "Connect Salesforce for Contoso", "Read and write records", "Stay connected", "app.example", "UTC", `content="noindex"`).hasNot("<script>", "test", appDone)
	a.state(id, "begun", "")
	callback := b.decide(b.presses(link), sfJohn, "allow")
	a.state(id, "opened", "")
	q := b.returns(callback)
	if q.Get("authorization") != id || len(q.Get("code")) != 43 || q.Has("error") {
		t.Fatalf("%v", q)
	}
	if again := b.returns(callback); again.Get("code") != q.Get("code") {
		t.Errorf("loaded again: %v", again)
	}
	granted := a.state(id, "granted", "").fields["granted"].(map[string]any)
	if granted["org_name"] != "Contoso" && granted["org_id"] == "" || granted["instance_url"] != a.mock || granted["other_org"] != false {
		t.Errorf("%v", granted)
	}
	if a.identities() != before {
		t.Error("it is an identity already")
	}
	a.complete(id, "code", "wrong", "tenant", "contoso", "user", "newcomer").is(403, "wrong_code")
	got := a.complete(id, "code", q.Get("code"), "tenant", "contoso", "user", "newcomer").is(200, "")
	if got.fields["user"] != "newcomer" || got.fields["tenant"] != "contoso" || a.identities() != before+1 {
		t.Error(got.text)
	}
	again := a.complete(id, "code", q.Get("code"), "tenant_id", a.tenant("contoso").ID, "user", "newcomer").is(200, "")
	if done := a.state(id, "completed", ""); done.fields["identity"] != got.fields["id"] || again.fields["id"] != got.fields["id"] {
		t.Errorf("%s, %s", done.text, again.text)
	}
	b.get(link).is(410, "This link has been used")
	token := a.call(a.api.key(nil, nil, auth.Read), "POST", "/token", "/token", `{"tenant":"contoso","user":"newcomer"}`).is(200, "")
	for _, secret := range []string{q.Get("code"), strings.TrimPrefix(link, "/authorize/"), b.cookie("gatepost_authorization"), mustQuery(t, callback).Get("code"), mustQuery(t, callback).Get("state"), token.fields["accessToken"].(string), "newcomer", "the app's", appDone} {
		if secret == "" || strings.Contains(a.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	if !strings.Contains(a.log.String(), "route=/authorize/:secret") {
		t.Error("the log has no requests")
	}
}

// A link that was meant for somebody else connects nobody.
func TestForwardedLinkOverHTTP(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	before, grants := a.identities(), a.control("stats", "")["grants"]
	for name, session := range map[string][]any{
		"another user":   {"tenant", "contoso", "user", "victim"},
		"no user":        {"tenant", "contoso"},
		"another tenant": {"tenant", "fabrikam", "user", "attacker"},
		"no such tenant": {"tenant", "nobody", "user", "attacker"},
		"no such id":     {"tenant_id", "x", "user", "attacker"},
	} {
		id, link := a.begins("user", "attacker")
		victim := a.browser()
		code := victim.returns(victim.decide(victim.presses(link), sfJohn, "allow")).Get("code")
		got := a.complete(id, append(session, "code", code)...).is(409, "other_user")
		if a.identities() != before || a.control("stats", "")["grants"] != grants {
			t.Errorf("%s: something is stored, or not revoked: %s", name, got.text)
		}
		a.state(id, "dropped", "other_user")
		a.complete(id, "code", code, "tenant", "contoso", "user", "attacker").is(409, "other_user")
	}
	// Another key finds nothing, whatever it says.
	id, link := a.begins("user", "eve")
	b := a.browser()
	code := b.returns(b.decide(b.presses(link), sfJohn, "allow")).Get("code")
	mine := a.key
	a.key = a.api.key(nil, nil, auth.Authorize)
	a.complete(id, "code", code, "tenant", "contoso", "user", "eve").is(404, "not_found")
	a.call(a.key, "GET", "/authorizations/{id}", "/authorizations/"+id, "").is(404, "not_found")
	a.key = mine
	a.complete(id, "code", code, "tenant", "contoso", "user", "eve").is(200, "")
}

// Another browser than the one that began goes nowhere, and ends nothing.
func TestAuthorizationInTwoBrowsers(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	id, link := a.begins("user", "newcomer")
	b, other := a.browser(), a.browser()
	other.get(link).is(200)
	csrf := other.get(link).hidden("csrf")
	callback := b.decide(b.presses(link), sfJohn, "allow")
	other.get(link).is(409, "opened in another browser")
	other.post(link, "csrf", csrf).is(409, "opened in another browser")
	other.get(callback).is(409, "opened in another browser").hasNot("code=")
	// With an authorization of its own, and with a portal session, that browser isn't the one either.
	_, mine := a.begins("user", "somebody")
	own := other.decide(other.presses(mine), sfJohn, "allow")
	other.get(callback).is(409, "opened in another browser")
	a.as(john, "contoso").get(callback).is(409, "opened in another browser")
	a.state(id, "opened", "")
	b.presses(link) // again, in the same browser
	code := b.returns(callback).Get("code")
	a.complete(id, "code", code, "tenant", "contoso", "user", "newcomer").is(200, "")
	b.get(own).is(409, "opened in another browser")
	other.returns(own)
}

// A callback that is nobody's has a page, and the portal's stays the portal's.
func TestCallbackOfNobody(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	forged := "/integrations/sfdc/callback?state=x&code=y"
	_, link := a.begins("user", "newcomer")
	b := a.browser()
	b.presses(link)
	b.get(forged).is(410, "This link has expired", "Log in to Gatepost", "Go back to the application")
	stranger := a.browser()
	stranger.get(forged).is(303)
	// Somebody who has authorized an application's connects in the portal too.
	admin := a.as(john, "contoso")
	admin.presses(link2(a))
	admin.get(admin.decide(admin.begin(), sfJohn, "allow")).to(connected)
	admin.get(forged).to(connected + "?error=handshake")
}

func link2(a *application) string { _, link := a.begins("user", "third"); return link }

// What the person, or the service, says no to is told in words of ours.
func TestDeniedAuthorizationOverHTTP(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	before := a.identities()
	id, link := a.begins()
	b := a.browser()
	callback := b.decide(b.presses(link), sfJohn, "deny")
	if q := b.returns(callback); q.Get("error") != "access_denied" || q.Has("code") {
		t.Errorf("%v", q)
	}
	if got := a.state(id, "denied", "access_denied"); got.fields["description"] == "" || got.fields["detail"] != "The person said no at the service." {
		t.Error(got.text)
	}
	a.complete(id, "code", "x", "tenant", "contoso").is(409, "ended")
	b.get(link).is(410, "This link has been used")
	if a.identities() != before {
		t.Error("something is stored")
	}
}

// A link that the application redirects to itself skips its page, for a person alone.
func TestAuthorizationThatSkipsItsPage(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	id, link := a.begins("user", "newcomer", "redirect", true)
	b := a.browser()
	for _, headers := range [][]string{{"Sec-Purpose", "prefetch"}, {"Purpose", "prefetch"}, {"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, {"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate"}} {
		b.get(link, headers...).is(200, "Continue to Salesforce")
	}
	b.do(http.MethodHead, link, "").is(200)
	a.state(id, "begun", "")
	p := b.get(link, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site")
	if p.status != 303 || !strings.HasPrefix(p.head("Location"), a.mock) {
		t.Fatalf("%d to %s", p.status, p.head("Location"))
	}
	code := b.returns(b.decide(p.head("Location"), sfJohn, "allow")).Get("code")
	a.complete(id, "code", code, "tenant", "contoso", "user", "newcomer").is(200, "")
	a.call(a.key, "POST", "/authorizations", "/authorizations", body("service", "sfdc", "tenant", "contoso", "return_to", appDone, "redirect", true, "by_mail", true)).is(422, "invalid")
}

// Nobody else's form, and none without its token, starts anything.
func TestForeignFormStartsNothing(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	id, link := a.begins("user", "newcomer")
	b := a.browser()
	csrf := b.get(link).hidden("csrf")
	b.post(link).is(403)
	b.post(link, "csrf", "x").is(403)
	a.browser().post(link, "csrf", csrf).is(403)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		b.do(http.MethodPost, link, form("csrf", csrf), append(headers, "Content-Type", formType)...).is(403)
	}
	a.state(id, "begun", "")
	b.post(link, "csrf", csrf).is(200)
	a.state(id, "opened", "")
}

// The tenant's own connection makes its destination, and goes to another org only when the
// application says so.
func TestOwnConnectionOverHTTP(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	old := a.ids["contoso"][0]
	before := a.call(a.api.key(nil, nil, auth.Read), "GET", "/identities/{id}", "/identities/"+old, "").fields["org_id"]
	id, link := a.begins()
	b := a.browser()
	code := b.returns(b.decide(b.presses(link), sfSandbox, "allow")).Get("code")
	if g := a.state(id, "granted", "").fields["granted"].(map[string]any); g["other_org"] != true {
		t.Errorf("%v", g)
	}
	a.complete(id, "code", code, "tenant", "contoso").is(409, "other_org")
	a.complete(id, "code", code, "tenant", "contoso", "accept", "other").is(422, "invalid")
	a.state(id, "granted", "")
	got := a.complete(id, "code", code, "tenant", "contoso", "accept", "other_org").is(200, "")
	if got.fields["id"] != old || got.fields["org_id"] == before || got.fields["user"] != "" {
		t.Error(got.text)
	}
	if n := a.count(`SELECT count(*) FROM destinations WHERE tenant_id = $1 AND service = 'sfdc'`, a.tenant("contoso").ID); n != 1 {
		t.Errorf("%d destinations", n)
	}
}

// An identity is authorized again by its id, and stays the same.
func TestReauthorizeOverHTTP(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	eve := a.ids["contoso"][1]
	for _, more := range []string{"service", "tenant", "tenant_id", "user", "account"} {
		a.call(a.key, "POST", "/authorizations", "/authorizations", body("reauthorize", eve, "return_to", appDone, more, "x")).is(422, "invalid")
	}
	for _, unknown := range []string{"x", a.tenant("contoso").ID} {
		a.call(a.key, "POST", "/authorizations", "/authorizations", body("reauthorize", unknown, "return_to", appDone)).is(404, "not_found")
	}
	got := a.call(a.key, "POST", "/authorizations", "/authorizations", body("reauthorize", eve, "return_to", appDone, "state", "the app's", "by_mail", true)).is(201, "")
	if at, err := time.Parse(time.RFC3339, got.fields["expires_at"].(string)); err != nil || time.Until(at) < 6*24*time.Hour {
		t.Error(got.text)
	}
	b := a.browser()
	code := b.returns(b.decide(b.presses(strings.TrimPrefix(got.fields["url"].(string), a.url)), sfJohn, "allow")).Get("code")
	done := a.complete(got.fields["id"].(string), "code", code, "tenant", "contoso", "user", "eve").is(200, "")
	if done.fields["id"] != eve || len(done.fields["tags"].([]any)) != 2 {
		t.Error(done.text)
	}
}

// shapes are what looks like the registered address and leads, or may lead, elsewhere; by
// the shapes of oauth2-proxy's list of open redirects.
func shapes() []string {
	all := []string{"", " ", "/", "//", "//evil.example", "///evil.example", "////evil.example/..", `/\evil.example`, `\\evil.example`, `/\/evil.example`, `\/\/evil.example`, "/\tevil.example", "/\n/evil.example", "/\r/evil.example",
		"https:evil.example", "https:/evil.example", "https:///evil.example", "https:/\\evil.example", "https://evil.example", "https://evil.example/done", "http://app.example/done", "HTTPS://app.example/done", "https://APP.example/done", "https://app.example/Done",
		"https://app.example:443/done", "https://app.example:/done", "https://app.example:8443/done", "https://app.example./done", "https://app.example/done/", "https://app.example//done", "https://app.example/./done", "https://app.example/x/../done",
		"https://app.example/done?", "https://app.example/done?x=1", "https://app.example/done#", "https://app.example/done#x", "https://app.example/done;x", "https://app.example/done%20", "https://app.example/done ", " https://app.example/done",
		"https://app.example/done\n", "https://app.example/done\t", "https://app.example/\tdone", "https://app.example/done%00", "https://app.example/%64one", "https://app.example%2fdone", "https://app.example%2f@evil.example/done", "https://app.example%5c@evil.example/done",
		"https://app.example@evil.example/done", "https://user@app.example/done", "https://user:password@app.example/done", "https://@app.example/done", "https://evil.example#@app.example/done", "https://evil.example?@app.example/done", `https://evil.example\@app.example/done`, `https://app.example\.evil.example/done`,
		"https://app.example.evil.example/done", "https://evilapp.example/done", "https://xapp.example/done", "https://app.exampl/done", "https://app。example/done", "https://app．example/done", "https://app｡example/done", "https://ａpp.example/done", "https://аpp.example/done", "https://app\u200b.example/done", "https://app\u00ad.example/done", "https://app.example／done",
		"\ufeffhttps://app.example/done", "javascript://app.example/done", "javascript:alert(1)//https://app.example/done", "data:text/html,https://app.example/done", "file://app.example/done", "ftp://app.example/done", "ws://app.example/done", "//app.example/done", "app.example/done", "/done", "https://app.example", "https://app.example/", "https://[::1]/done", "https://127.0.0.1/done", "https://2130706433/done",
		"https://app.example/done,https://evil.example", "https://app.example/done|https://evil.example", "https://app.example/done\x00https://evil.example", "https://app.example/donehttps://evil.example", "https://app.example/done/..;/evil", "https://app.example/done/%2e%2e/evil", "https://app.example/done%2f%2e%2e", "https://app.example/done\\..\\evil", "http://https://app.example/done"}
	return all
}

func TestReturnAddressesAreComparedWhole(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	all := shapes()
	if len(all) < 60 || slices.Contains(all, appDone) {
		t.Fatalf("%d shapes", len(all))
	}
	for _, to := range all {
		got := a.call(a.key, "POST", "/authorizations", "/authorizations", body("service", "sfdc", "tenant", "contoso", "user", "eve", "return_to", to)).is(422, "invalid")
		if detail, _ := got.fields["detail"].(string); !strings.Contains(detail, "return_to") {
			t.Errorf("%q: %s", to, got.text)
		}
	}
	if n := a.count(`SELECT count(*) FROM authorizations`); n != 0 {
		t.Errorf("%d were begun", n)
	}
	a.begins("user", "eve")
}

// What can't begin is a programmer's error, which says what to do.
func TestAuthorizationsThatCannotBeginOverHTTP(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	bounded, elsewhere := a.api.key([]string{"contoso"}, []string{"sfdc"}, auth.Authorize), a.api.key(nil, []string{"hubspot"}, auth.Authorize)
	for name, tt := range map[string]struct {
		key    string
		fields []any
		status int
		code   string
	}{
		"no service":        {a.key, []any{"tenant", "contoso"}, 422, "invalid"},
		"unknown service":   {a.key, []any{"service", "nobody", "tenant", "contoso"}, 404, "no_service"},
		"another's service": {bounded, []any{"service", "hubspot", "tenant", "contoso"}, 404, "no_service"},
		"one of another":    {elsewhere, []any{"service", "sfdc", "tenant", "contoso"}, 404, "no_service"},
		"another's by id":   {elsewhere, []any{"reauthorize", a.ids["contoso"][1]}, 404, "not_found"},
		"no tenant":         {a.key, []any{"service", "sfdc"}, 422, "invalid"},
		"tenant twice":      {a.key, []any{"service", "sfdc", "tenant", "contoso", "tenant_id", a.tenant("contoso").ID}, 422, "invalid"},
		"unknown tenant":    {a.key, []any{"service", "sfdc", "tenant", "nobody"}, 404, "not_found"},
		"no tenant's name":  {a.key, []any{"service", "sfdc", "tenant", "\x00"}, 404, "not_found"},
		"unknown id":        {a.key, []any{"service", "sfdc", "tenant_id", db.NewID()}, 404, "not_found"},
		"no id":             {a.key, []any{"service", "sfdc", "tenant_id", "x"}, 404, "not_found"},
		"another's tenant":  {bounded, []any{"service", "sfdc", "tenant", "fabrikam"}, 404, "not_found"},
		"another's id":      {bounded, []any{"service", "sfdc", "tenant_id", a.tenant("fabrikam").ID}, 404, "not_found"},
		"another's":         {bounded, []any{"reauthorize", a.ids["fabrikam"][1]}, 404, "not_found"},
		"a param":           {a.key, []any{"service", "sfdc", "tenant", "contoso", "params", map[string]string{"redirect_uri": "x"}}, 422, "invalid_parameter"},
		"a scope":           {a.key, []any{"service", "sfdc", "tenant", "contoso", "scopes", []string{"a b"}}, 422, "invalid_scope"},
		"a tag":             {a.key, []any{"service", "sfdc", "tenant", "contoso", "tags", []string{""}}, 422, "invalid_name"},
		"a long state":      {a.key, []any{"service", "sfdc", "tenant", "contoso", "state", strings.Repeat("x", 1001)}, 422, "invalid"},
		"a user":            {a.key, []any{"service", "sfdc", "tenant", "contoso", "user", "\x00"}, 422, "invalid_name"},
		"a field":           {a.key, []any{"service", "sfdc", "tenant", "contoso", "returnTo", "x"}, 422, "invalid"},
	} {
		got := a.call(tt.key, "POST", "/authorizations", "/authorizations", body(append(tt.fields, "return_to", appDone)...))
		if got.is(tt.status, tt.code); got.status != tt.status {
			t.Error(name)
		}
	}
	for range 20 {
		a.begins("user", "many")
	}
	if got := a.call(a.key, "POST", "/authorizations", "/authorizations", body("service", "sfdc", "tenant", "contoso", "user", "many", "return_to", appDone)); got.is(429, "too_many_requests").header.Get("Retry-After") == "" {
		t.Error("when to try again isn't said")
	}
	for _, b := range []string{`{}`, `{"code":"x"}`, `{"tenant":"contoso"}`, `{"code":"x","tenant":"contoso","user":null}`, `[]`} {
		a.call(a.key, "POST", "/authorizations/{id}/complete", "/authorizations/"+db.NewID()+"/complete", b).is(422, "invalid")
	}
	for _, id := range []string{"x", db.NewID(), "%00"} {
		a.call(a.key, "GET", "/authorizations/{id}", "/authorizations/"+id, "").is(404, "not_found")
		a.call(a.key, "POST", "/authorizations/{id}/complete", "/authorizations/"+id+"/complete", body("code", "x", "tenant", "contoso")).is(404, "not_found")
	}
}

// Whoever can't go on is told why, and what to do.
func TestLinksThatDoNotWork(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	b := a.browser()
	for _, secret := range []string{"x", strings.Repeat("A", 43), "%00", "..%2f"} {
		b.get("/authorize/"+secret).is(404, "This link doesn’t work", "begin again")
	}
	id, link := a.begins("user", "one")
	if _, err := a.store.Writer().Exec(`UPDATE authorizations SET link_ends_at = 1, expires_at = 1 WHERE id = $1`, id); err != nil {
		t.Fatal(err)
	}
	p := b.get(link).is(410, "This link has expired", "Back to app.example")
	if !strings.Contains(html.UnescapeString(p.body), appDone+"?authorization="+id+"&error=expired&state=") {
		t.Error(p.text())
	}
	a.state(id, "expired", "expired")
	_, link = a.begins("user", "two")
	if _, err := a.vault.Store.(*db.DB).CloseTenant(t.Context(), a.tenant("contoso").ID, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	b.get(link).is(410, "Contoso was closed here")
	csrf := b.get("/login").hidden("csrf")
	b.post(link, "csrf", csrf).is(410, "Contoso was closed here")
}

// A store that fails is told as that, and never as an answer.
func TestAuthorizationWhenTheStoreFails(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	id, link := a.begins("user", "one")
	b := a.browser()
	csrf := b.get(link).hidden("csrf")
	b.presses(link)
	if _, err := a.store.Writer().Exec(`ALTER TABLE authorizations RENAME TO gone`); err != nil {
		t.Fatal(err)
	}
	b.get(link).is(500)
	b.post(link, "csrf", csrf).is(500)
	resp := a.raw(http.MethodGet, "/authorizations/"+id, "")
	if resp != 500 {
		t.Errorf("GET: %d", resp)
	}
	if resp := a.raw(http.MethodPost, "/authorizations/"+id+"/complete", body("code", "x", "tenant", "contoso")); resp != 500 {
		t.Errorf("complete: %d", resp)
	}
	if !strings.Contains(a.log.String(), "authorizations") {
		t.Error("the cause isn't in the log")
	}
}

// raw is the status of a call that isn't held against the description.
func (a *application) raw(method, path, body string) int {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.url+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+a.key)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// An operator takes a return address from a key: nobody is sent there any more, whatever
// was begun before, and what was granted is revoked.
func TestReturnAddressThatIsTakenBack(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	keys := a.vault.Store.(*db.DB)
	change := func(o auth.APIKeyChange) {
		t.Helper()
		all, err := keys.APIKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := auth.SetAPIKey(t.Context(), keys, all[len(all)-1].ID, o); err != nil {
			t.Fatal(err)
		}
	}
	b := a.browser()
	opened, link := a.begins("user", "newcomer")
	callback := b.decide(b.presses(link), sfJohn, "allow")
	granted, second := a.begins("user", "other")
	back := b.decide(b.presses(second), sfJohn, "allow")
	b.returns(back)
	_, third := a.begins("user", "third")
	change(auth.APIKeyChange{Add: []string{"https://app.example/new"}, Remove: []string{appDone}})
	a.state(opened, "failed", "withdrawn")
	a.state(granted, "dropped", "withdrawn")
	for _, page := range []string{link, callback, second, back, third} {
		b.get(page).is(410, "This link was taken back").hasNot(appDone)
	}
	b.post(third, "csrf", b.get("/login").hidden("csrf")).is(410, "This link was taken back")
	begin := body("service", "sfdc", "tenant", "contoso", "user", "eve", "return_to", appDone)
	a.call(a.key, "POST", "/authorizations", "/authorizations", begin).is(404, "not_found") // where the key is taken for what it was a moment ago
	a.keys.Forget()
	a.call(a.key, "POST", "/authorizations", "/authorizations", begin).is(422, "invalid")
	if n := a.count(`SELECT count(*) FROM granted_identities`); n != 0 {
		t.Errorf("%d wait to be completed", n)
	}
	if n := a.count(`SELECT count(*) FROM revocations`); n != 1 {
		t.Errorf("%d are to be revoked", n)
	}
}

// The cookie that ties an authorization to its browser can't be read, or planted by another
// host of the domain, where the address allows that; and it comes with the button alone.
func TestBrowserCookieIsAsStrictAsTheAddressAllows(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct {
		prefix string
		secure bool
	}{"https://gatepost.example": {"__Host-gatepost_", true}, "http://localhost:8080": {"gatepost_", false}} {
		var v *identity.Vault
		w := open(t, func(c *routes.Config) { c.URL, v = address, c.Vault })
		k, _, err := auth.NewAPIKey(t.Context(), w.store, auth.APIKeyOptions{Name: "app", Actions: []string{auth.Authorize}, ReturnTo: []string{appDone}})
		if err != nil {
			t.Fatal(err)
		}
		begun, err := v.BeginAuthorization(t.Context(), identity.AuthorizationRequest{KeyID: k.ID, Service: identity.Salesforce, TenantID: w.tenant("contoso").ID, User: "eve", ReturnTo: appDone})
		if err != nil {
			t.Fatal(err)
		}
		b, link := w.browser(), "/authorize/"+begun.Secret
		page := b.get(link).is(200)
		csrf := (&http.Response{Header: page.header}).Cookies()
		if len(csrf) != 1 || csrf[0].Name != want.prefix+"csrf" {
			t.Fatalf("%s: %v", address, csrf)
		}
		p := b.do("POST", link, form("csrf", page.hidden("csrf")), "Content-Type", formType, "Cookie", csrf[0].Name+"="+csrf[0].Value, "Origin", address).is(200)
		cookies := (&http.Response{Header: p.header}).Cookies()
		if len(cookies) != 1 || cookies[0].Name != want.prefix+"authorization" {
			t.Fatalf("%s: %v", address, cookies)
		}
		if c := cookies[0]; !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != want.secure || c.Path != "/" || c.Domain != "" || c.MaxAge < 7*24*60*60 || len(c.Value) != 43 {
			t.Errorf("%s: %v", address, c)
		}
	}
}

// An org that another tenant has waits in the portal, where it is said that the application
// authorized it; there an admin confirms it.
func TestOrgOfAnotherTenantOverHTTP(t *testing.T) {
	t.Parallel()
	a := openApplication(t)
	if _, err := a.vault.Delete(t.Context(), identity.Selector{ID: a.ids["fabrikam"][0]}); err != nil {
		t.Fatal(err)
	}
	b := a.browser()
	granted := func(slug string) (id string, completion []any) {
		t.Helper()
		id, link := a.begins("tenant", slug)
		code := b.returns(b.decide(b.presses(link), sfJohn, "allow")).Get("code")
		return id, []any{"code", code, "tenant", slug, "accept", "other_org"}
	}
	first, completion := granted("contoso")
	a.complete(first, completion...).is(200, "")
	if _, err := a.store.Writer().Exec(`DELETE FROM org_confirmations`); err != nil {
		t.Fatal(err)
	}
	id, completion := granted("fabrikam")
	a.complete(id, completion...).is(409, "confirmation_required")
	a.state(id, "held", "")
	a.as(max, "fabrikam").get("/integrations").is(200, "Authorised by your application,", "in use elsewhere")
	a.complete(id, completion...).is(409, "confirmation_required")
}
