package mockzoho_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// 7a.1: several data centres; tokens are good at their own alone.
func TestTokensAreGoodAtTheirOwnDataCentre(t *testing.T) {
	w := newWorld(t)
	john, anna := w.session(`{}`), w.session(`{"username":"anna@northwind.example"}`)
	if john.API != w.at("") || anna.API != w.at("eu") {
		t.Fatalf("API domains %s and %s", john.API, anna.API)
	}
	for _, c := range []struct {
		host, token string
		status      int
		code        string
	}{
		{"eu", john.Access, 401, "INVALID_TOKEN"}, {"sandbox", john.Access, 401, "INVALID_TOKEN"}, {"", anna.Access, 401, "INVALID_TOKEN"},
		{"in", anna.Access, 401, "INVALID_TOKEN"}, {"", john.Access, 200, ""}, {"eu", anna.Access, 200, ""},
	} {
		w.sent(w.request("GET", w.at(c.host)+api+"/org", c.token, "")).is(c.status, c.code)
	}
	w.refresh("", anna.Refresh).refused("invalid_code")
	w.form(w.at("")+"/oauth/v2/token/revoke", "token", anna.Refresh).is(400, "")
	w.refresh("eu", anna.Refresh).says("api_domain", w.at("eu"))
	w.sent(w.request("GET", w.at("nowhere")+api+"/org", john.Access, "")).is(404, "")
}

// 7a.1: the list of the data centres.
func TestServerInfoListsTheDataCentres(t *testing.T) {
	w := newWorld(t)
	a := w.sent(w.request("GET", w.at("eu")+"/oauth/serverinfo", "", "")).is(200, "").says("result", "success")
	a.says("locations.us", w.at("")).says("locations.eu", w.at("eu")).says("locations.sg", w.at("sg")).says("locations.cn", nil)
}

// 7a.2: the callback tells the data centre, also when the person was sent on to another.
func TestCallbackTellsTheDataCentre(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	page := b.login(b.get(w.at("")+ask()), "jane@fabrikam.example")
	got := b.decide(page, "allow")
	if got.Get("location") != "us" || got.Get("accounts-server") != w.at("") || got.Get("state") != "a b&c" || !strings.HasPrefix(got.Get("code"), "1000.") {
		t.Fatalf("callback %v", got)
	}
	b = w.browser()
	page = b.login(b.get(w.at("")+ask()), "anna@northwind.example")
	if b.at != w.at("eu") {
		t.Fatalf("consent at %s", b.at)
	}
	got = b.decide(page, "allow")
	if got.Get("location") != "eu" || got.Get("accounts-server") != w.at("eu") {
		t.Fatalf("callback %v", got)
	}
	w.redeem("", got.Get("code")).refused("invalid_code")
	// That try was with the wrong data centre, and used the code up.
	w.redeem("eu", b.decide(b.get(w.at("")+ask()), "allow").Get("code")).says("api_domain", w.at("eu"))
}

// 7a.2: the switch that keeps people from being sent on.
func TestPeopleAreNotSentOnWhenSwitchedOff(t *testing.T) {
	w := newWorld(t)
	w.settings(`{"follow_user":false}`)
	b := w.browser()
	if page := b.login(b.get(w.at("")+ask()), "anna@northwind.example"); page.status != 403 || !strings.Contains(page.body, "No account here") {
		t.Fatalf("status %d: %s", page.status, page.body)
	}
	w.settings(`{"follow_user":true}`)
	b = w.browser()
	if page := b.login(b.get(w.at("cn")+ask()), "anna@northwind.example"); page.status != 403 {
		t.Fatalf("sent on from China: %d: %s", page.status, page.body)
	}
	w.settings(`{"follow_user":false}`)
	b = w.browser()
	if page := b.login(b.get(w.at("eu")+ask()), "anna@northwind.example"); page.status != 200 {
		t.Fatalf("status %d: %s", page.status, page.body)
	}
}

// A ticket that hands a log-in over works once.
func TestHandoverWorksOnce(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.login(b.get(w.at("")+ask()), "jane@fabrikam.example")
	for _, next := range []string{"/oauth/v2/handover?ticket=1000.x&next=%2Foauth%2Fv2%2Fauth%3F", "/oauth/v2/handover"} {
		if page := b.get(w.at("eu") + next); page.status != 400 || len(page.header.Values("Set-Cookie")) > 0 {
			t.Fatalf("%s: status %d", next, page.status)
		}
	}
}

// People are told of a request that can't be answered; the app isn't.
func TestAuthorizeRefusesOnAPage(t *testing.T) {
	w := newWorld(t)
	for _, pairs := range [][]string{{"client_id", "1000.OTHER"}, {"redirect_uri", "http://localhost:9/other"}, {"redirect_uri", ""},
		{"response_type", "token"}, {"scope", ""}, {"scope", "ZohoCRM.contacts.ALL"}, {"scope", "ZohoCRM.coql.READ ZohoCRM.org.READ"}} {
		if a := w.sent(w.request("GET", w.at("")+ask(pairs...), "", "")); a.status != 400 || !strings.Contains(a.body, "Invalid") || a.header.Get("Location") != "" {
			t.Errorf("%v: status %d: %s", pairs, a.status, a.body)
		}
	}
	w.settings(`{"spaced_scopes":true}`)
	if a := w.sent(w.request("GET", w.at("")+ask("scope", "ZohoCRM.coql.READ ZohoCRM.org.READ"), "", "")); a.status != 302 {
		t.Errorf("status %d: %s", a.status, a.body)
	}
}

func TestRejectTellsTheApp(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	page := b.login(b.get(w.at("")+ask()), "jane@fabrikam.example")
	got := b.decide(page, "deny")
	if got.Get("error") != "access_denied" || got.Get("state") != "a b&c" || got.Has("code") {
		t.Fatalf("callback %v", got)
	}
	if again := b.do(b.c.PostForm(b.at+"/oauth/v2/approve", url.Values{"id": {page.hidden()}, "decision": {"allow"}})); again.status != 400 {
		t.Fatalf("answered twice: %d", again.status)
	}
}

// A person with several orgs chooses one, a sandbox among them (7a.29).
func TestChoosingAnOrg(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	page := b.login(b.get(w.at("")+ask("scope", scope+",ZohoCRM.org.READ")), "john@contoso.example")
	page = b.choose(page, "Contoso Sandbox")
	got := w.redeem("", b.decide(page, "allow").Get("code")).tokens()
	if got.API != w.at("sandbox") {
		t.Fatalf("API at %s", got.API)
	}
	w.sent(w.request("GET", got.API+api+"/org", got.Access, "")).is(200, "").says("org.0.type", "sandbox").says("org.0.company_name", "Contoso Sandbox")
}

// 7a.3: secrets of their own, by data centre.
func TestSecretsOfDataCentres(t *testing.T) {
	w := newWorld(t)
	anna := w.session(`{"username":"anna@northwind.example"}`)
	w.refresh("eu", anna.Refresh, "client_id", "1000.OTHER").refused("invalid_client")
	w.refresh("eu", anna.Refresh, "client_secret", "wrong").refused("invalid_client_secret")
	w.control("centres", `{"client_id":"`+clientID+`","centres":["us"]}`)
	w.refresh("eu", anna.Refresh).refused("invalid_client")
	w.control("centres", `{"client_id":"`+clientID+`","centres":["us","eu"],"secrets":{"eu":"europe"}}`)
	w.refresh("eu", anna.Refresh).refused("invalid_client")
	w.refresh("eu", anna.Refresh, "client_secret", "wrong").refused("invalid_client_secret")
	w.refresh("eu", anna.Refresh, "client_secret", "europe").tokens()
	w.control("centres", `{"client_id":"`+clientID+`"}`)
	w.refresh("eu", anna.Refresh).tokens()
	w.refresh("cn", anna.Refresh).refused("invalid_client")
}

// 7a.4 and 7a.5: ten access tokens in ten minutes, then a throttle in several dresses.
func TestAccessTokensAreThrottled(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`) // the first of ten
	for range 9 {
		w.refresh("", john.Refresh).tokens()
	}
	w.refresh("", john.Refresh).throttled(200).says("error", "Access Denied")
	w.settings(`{"throttle_status":400}`)
	w.refresh("", john.Refresh).throttled(400).says("error", "Access Denied")
	w.settings(`{"throttle_translated":true}`)
	if a := w.refresh("", john.Refresh).throttled(400); strings.Contains(a.body, "Access") {
		t.Errorf("not translated: %s", a.body)
	}
	w.advance(599)
	w.refresh("", john.Refresh).throttled(400)
	w.advance(1)
	w.refresh("", john.Refresh).tokens()
	if n := w.stat("throttled"); n != 4 {
		t.Errorf("%d throttled, want 4", n)
	}
}

// 7a.5: with that switch, asking on makes the throttle last.
func TestThrottleIsProlonged(t *testing.T) {
	w := newWorld(t)
	w.settings(`{"tokens_per_ten_minutes":1,"throttle_prolonged":true}`)
	john := w.session(`{}`)
	w.advance(300)
	w.refresh("", john.Refresh).throttled(200)
	w.advance(400)
	w.refresh("", john.Refresh).throttled(200)
	w.advance(600)
	w.refresh("", john.Refresh).tokens()
}

// 7a.5: the twenty-first refresh token of a user and an app ends the first, in whatever org.
func TestOldestRefreshTokenDies(t *testing.T) {
	w := newWorld(t)
	first := w.session(`{}`)
	second := w.control("session?org=contoso-sandbox", `{}`).tokens()
	jane := w.session(`{"username":"jane@fabrikam.example"}`)
	for range 18 {
		w.session(`{}`)
	}
	w.refresh("", first.Refresh).tokens()
	w.session(`{}`)
	w.refresh("", first.Refresh).refused("invalid_code")
	w.call("GET", api+"/org", first.Access, "").is(401, "INVALID_TOKEN")
	w.refresh("", second.Refresh).tokens()
	w.refresh("", jane.Refresh).tokens()
}

// 7a.5: one living access token too many ends the oldest.
func TestOldestAccessTokenDies(t *testing.T) {
	w := newWorld(t)
	w.settings(`{"max_access_tokens":2}`)
	first := w.session(`{}`)
	second := w.refresh("", first.Refresh).tokens()
	w.call("GET", api+"/org", first.Access, "").is(200, "")
	w.refresh("", first.Refresh).tokens()
	w.call("GET", api+"/org", first.Access, "").is(401, "INVALID_TOKEN")
	w.call("GET", api+"/org", second.Access, "").is(200, "")
}

// 7a.5: five refresh tokens a minute.
func TestRefreshTokensAreThrottled(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.redeem("", w.code()).tokens()
	}
	w.redeem("", w.code()).throttled(200)
	w.advance(60)
	w.redeem("", w.code()).tokens()
}

// 7a.6: a refresh token comes with offline access and the consent page alone, and never
// from a refresh.
func TestRefreshTokenNeedsOfflineAndConsent(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		pairs []string
		want  bool
	}{
		{[]string{"access_type", "online"}, false},
		{[]string{"access_type", ""}, false},
		{nil, true},
	} {
		got := w.redeem("", w.code(c.pairs...)).tokens()
		if (got.Refresh != "") != c.want {
			t.Errorf("%v: refresh token %q", c.pairs, got.Refresh)
		}
	}
	// She let the app in before: without prompt=consent there is no page, and no refresh token.
	b := w.browser()
	again := b.login(b.get(w.at("")+ask("prompt", "")), "jane@fabrikam.example").callback()
	if got := w.redeem("", again.Get("code")).tokens(); got.Refresh != "" {
		t.Error("a refresh token without the page")
	}
	// More than before is asked for on the page.
	if page := b.get(w.at("") + ask("prompt", "", "scope", scope+",ZohoCRM.org.READ")); page.status != 200 || !strings.Contains(page.body, "ZohoCRM.org.READ") {
		t.Fatalf("status %d: %s", page.status, page.body)
	}
	john := w.session(`{}`)
	a := w.refresh("", john.Refresh).says("refresh_token", nil).says("token_type", "Bearer").says("expires_in", 3600).says("api_domain", w.at(""))
	if !strings.Contains(a.str("scope"), "ZohoCRM.modules.contacts.ALL ") && !strings.Contains(a.str("scope"), " ZohoCRM.modules.contacts.ALL") {
		t.Errorf("scope %q", a.str("scope"))
	}
	w.settings(`{"scope_in_token":false}`)
	w.refresh("", john.Refresh).says("scope", nil)
}

// 7a.7: a code works once, for two minutes, with its redirect URI and its client.
func TestCodes(t *testing.T) {
	w := newWorld(t)
	w.settings(`{"refresh_tokens_per_minute":0}`)
	if err := w.zoho.AddClient(t.Context(), anotherClient); err != nil {
		t.Fatal(err)
	}
	w.redeem("", "1000.none").refused("invalid_code")
	code := w.code()
	w.redeem("", code, "client_id", anotherClient.ID, "client_secret", anotherClient.Secret).refused("invalid_code")
	w.redeem("", code, "redirect_uri", callback+"/").refused("invalid_redirect_uri")
	w.redeem("", code).refused("invalid_code")
	code = w.code()
	w.advance(120)
	w.redeem("", code).refused("invalid_code")
	code = w.code()
	w.advance(119)
	w.redeem("", code).tokens()
	w.redeem("", code).refused("invalid_code")
	if n := w.stat("reuse_detected"); n != 2 {
		t.Errorf("%d codes shown again, want 2", n)
	}
	w.form(w.at("")+"/oauth/v2/token", "grant_type", "password", "client_id", clientID, "client_secret", secret).refused("general_error")
	w.sent(w.request("GET", w.at("")+"/oauth/v2/token", "", "")).is(405, "")
}

// The parameters of the token end point may stand in the query, as Zoho's pages show.
func TestTokenParametersInTheQuery(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	v := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {john.Refresh}, "client_id": {clientID}, "client_secret": {secret}}
	w.call("POST", "/oauth/v2/token?"+v.Encode(), "", "").is(200, "").tokens()
}

// 7a.8: revocation.
func TestRevoke(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	revoke := func(token string) answer { return w.form(w.at("")+"/oauth/v2/token/revoke", "token", token) }
	for _, token := range []string{"1000.none", ""} {
		if a := revoke(token); a.status != 400 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("%q: %d %s", token, a.status, a.body)
		}
	}
	revoke(john.Refresh).is(200, "").says("status", "success")
	w.call("GET", api+"/org", john.Access, "").is(401, "INVALID_TOKEN")
	w.refresh("", john.Refresh).refused("invalid_code")
	revoke(john.Refresh).is(400, "")

	w.settings(`{"access_tokens_linger":true}`)
	john = w.session(`{}`)
	revoke(john.Refresh).is(200, "").says("status", "success")
	w.call("GET", api+"/org", john.Access, "").is(200, "")
	w.refresh("", john.Refresh).refused("invalid_code")
	w.advance(3600)
	w.call("GET", api+"/org", john.Access, "").is(401, "INVALID_TOKEN")

	john = w.session(`{}`)
	revoke(john.Access).is(200, "")
	w.call("GET", api+"/org", john.Access, "").is(401, "INVALID_TOKEN")
	w.refresh("", john.Refresh).tokens()
}

// What users and their admins do: tokens that expire, and grants that end.
func TestControlEndsTokens(t *testing.T) {
	w := newWorld(t)
	john, jane := w.session(`{}`), w.session(`{"username":"jane@fabrikam.example"}`)
	w.control("expire-access-tokens?org=contoso", ``)
	w.call("GET", api+"/org", john.Access, "").is(401, "INVALID_TOKEN")
	w.call("GET", api+"/org", jane.Access, "").is(200, "")
	w.refresh("", john.Refresh).tokens()
	w.control("revoke?org=contoso", ``)
	w.refresh("", john.Refresh).refused("invalid_code")
	w.refresh("", jane.Refresh).tokens()
}

// 7a.9: the scheme of the header.
func TestHeaderIsNotBearer(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	with := func(value string) answer {
		r := w.request("GET", w.at("")+api+"/org", "", "")
		r.Header.Set("Authorization", value)
		return w.sent(r)
	}
	w.call("GET", api+"/org", "", "").is(401, "AUTHENTICATION_FAILURE").says("message", "Authentication failed")
	with("Bearer "+john.Access).is(401, "AUTHENTICATION_FAILURE")
	with(john.Access).is(401, "AUTHENTICATION_FAILURE")
	with("Zoho-oauthtoken 1000.none").is(401, "INVALID_TOKEN").says("message", "invalid oauth token").says("status", "error")
	with("Zoho-oauthtoken "+john.Access).is(200, "")
	w.settings(`{"accept_bearer":true}`)
	with("Bearer "+john.Access).is(200, "")
}

// 7a.10: the scope of each end point.
func TestScopes(t *testing.T) {
	w := newWorld(t)
	const none = "ZohoCRM.notifications.READ"
	for _, c := range []struct{ method, path, body, scope string }{
		{"GET", "/org", "", "ZohoCRM.org.READ"},
		{"GET", "/users?type=CurrentUser", "", "ZohoCRM.users.READ"},
		{"GET", "/settings/fields?module=Contacts", "", "ZohoCRM.settings.fields.READ"},
		{"GET", "/settings/layouts?module=Contacts", "", "ZohoCRM.settings.layouts.READ"},
		{"GET", "/settings/modules", "", "ZohoCRM.settings.ALL"},
		{"GET", "/Contacts?fields=Email", "", "ZohoCRM.modules.contacts.READ"},
		{"GET", "/Leads/1234567890123456", "", "ZohoCRM.modules.leads.READ"},
		{"GET", "/Leads/deleted", "", "ZohoCRM.modules.READ"},
		{"POST", "/Contacts", "{}", "ZohoCRM.modules.contacts.CREATE"},
		{"POST", "/Contacts/upsert", "{}", "ZohoCRM.modules.contacts.WRITE"},
		{"PUT", "/Contacts", "{}", "ZohoCRM.modules.contacts.UPDATE"},
		{"DELETE", "/Contacts?ids=1", "", "ZohoCRM.modules.contacts.DELETE"},
	} {
		for _, scope := range []string{none, "ZohoCRM.modules.deals.ALL"} {
			token := w.session(`{"scope":"` + scope + `"}`).Access
			w.call(c.method, api+c.path, token, c.body).is(401, "OAUTH_SCOPE_MISMATCH").says("message", "invalid oauth scope to access this URL")
		}
		token := w.session(`{"scope":"` + c.scope + `"}`).Access
		if a := w.call(c.method, api+c.path, token, c.body); a.status == 401 {
			t.Errorf("%s %s with %s: %s", c.method, c.path, c.scope, a.body)
		}
	}
}

// 7a.10: COQL and searches need two scopes.
func TestScopesOfQueries(t *testing.T) {
	w := newWorld(t)
	const query = "select id from Contacts where Email = 'a@b.example'"
	for _, scope := range []string{"ZohoCRM.coql.READ", "ZohoCRM.modules.contacts.ALL", "ZohoCRM.coql.READ,ZohoCRM.modules.leads.ALL"} {
		w.query(w.session(`{"scope":"`+scope+`"}`).Access, query).is(401, "OAUTH_SCOPE_MISMATCH")
	}
	w.query(w.session(`{"scope":"ZohoCRM.coql.READ,ZohoCRM.modules.CONTACTS.READ"}`).Access, query).is(204, "")
	for _, scope := range []string{"ZohoSearch.securesearch.READ", "ZohoCRM.modules.contacts.ALL"} {
		w.call("GET", api+"/Contacts/search?email=a@b.example", w.session(`{"scope":"`+scope+`"}`).Access, "").is(401, "OAUTH_SCOPE_MISMATCH")
	}
	w.call("GET", api+"/Contacts/search?email=a@b.example", w.session(`{"scope":"ZohoSearch.securesearch.READ,ZohoCRM.modules.ALL"}`).Access, "").is(204, "")
}

// 7a.10: the form in which record calls tell of it at times.
func TestScopeErrorInData(t *testing.T) {
	w := newWorld(t)
	w.settings(`{"scope_error_in_data":true}`)
	token := w.session(`{"scope":"ZohoCRM.coql.READ"}`).Access
	w.add(token, person("A", "a@b.example")).is(401, "").row(0, "OAUTH_SCOPE_MISMATCH")
	w.call("GET", api+"/org", token, "").is(401, "OAUTH_SCOPE_MISMATCH")
}

// Not established: whether the CREATE scope lets an upsert change a record.
func TestCreateScopeAndUpsert(t *testing.T) {
	w := newWorld(t)
	token := w.session(`{"scope":"ZohoCRM.modules.contacts.CREATE"}`).Access
	w.upsert(token, person("A", "a@b.example")).is(200, "").says("data.0.action", "insert")
	w.upsert(token, person("B", "a@b.example")).is(200, "").says("data.0.action", "update")
	w.settings(`{"create_may_update":false}`)
	w.upsert(token, person("C", "a@b.example"), person("D", "d@b.example")).is(207, "").row(0, "OAUTH_SCOPE_MISMATCH").row(1, "SUCCESS")
}

// 7a.11: what a profile doesn't allow.
func TestProfiles(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	id := w.add(john.Access, person("A", "a@b.example")).is(201, "").id(0)
	w.control("profile", `{"name":"Standard","api_access":false}`)
	for _, path := range []string{"/org", "/users?type=CurrentUser", "/Contacts?fields=Email"} {
		w.call("GET", api+path, john.Access, "").is(403, "NO_PERMISSION").says("details.permissions.0", "Crm_Implied_Api_Access").says("message", "permission denied")
	}
	w.control("profile", `{"name":"Standard","no_create":["Contacts"],"no_update":["Contacts"]}`)
	row := person("B", "a@b.example")
	w.add(john.Access, row).is(400, "AUTHORIZATION_FAILED").says("message", "User does not have sufficient privilege to add records")
	w.upsert(john.Access, row).is(400, "AUTHORIZATION_FAILED")
	w.change(john.Access, id, `{"Last_Name":"B"}`).is(400, "AUTHORIZATION_FAILED")
	w.settings(`{"permission_style":"no_permission"}`)
	w.add(john.Access, row).is(403, "NO_PERMISSION").says("details.permissions.0", "Crm_Implied_Create_Contacts")
	w.settings(`{"permission_style":"row"}`)
	w.add(john.Access, row).is(400, "").row(0, "NO_PERMISSION").says("data.0.message", "Permission denied to add records")
	w.upsert(john.Access, row).is(400, "").row(0, "NO_PERMISSION").says("data.0.message", "Permission denied to edit records")
	w.call("GET", api+"/settings/modules/Contacts", john.Access, "").is(200, "").says("modules.0.creatable", false)
	w.call("POST", api+"/Leads", john.Access, `{"data":[{"Last_Name":"A","Company":"-"}]}`).is(201, "")
	w.control("profile", `{"name":"Standard","hidden_modules":["Contacts"]}`)
	w.add(john.Access, row).is(400, "INVALID_MODULE")
	w.query(john.Access, "select id from Contacts where id is not null").is(400, "INVALID_MODULE")
	w.call("GET", api+"/users?type=CurrentUser", john.Access, "").is(200, "").says("users.0.profile.name", "Standard")
}

// 7a.11: fields that a profile hides.
func TestHiddenFields(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	w.control("profile", `{"hidden_fields":["Phone"],"read_only_fields":["First_Name"],"api_access":true}`)
	id := w.add(john.Access, `{"Last_Name":"A","Phone":"1","First_Name":"Ada"}`).is(201, "").id(0)
	w.query(john.Access, "select Phone from Contacts where id = '"+id+"'").is(400, "INVALID_QUERY").says("details.column_name", "Phone")
	w.query(john.Access, "select First_Name from Contacts where Phone is null").is(400, "INVALID_QUERY")
	w.query(john.Access, "select First_Name from Contacts where id = '"+id+"'").is(200, "").says("data.0.First_Name", nil)
	fields := w.call("GET", api+"/settings/fields?module=Contacts", john.Access, "").is(200, "").body
	if strings.Contains(fields, `"Phone"`) || !strings.Contains(fields, `"field_read_only":true`) {
		t.Errorf("fields %s", fields)
	}
	w.control("profile", ``)
	w.query(john.Access, "select Phone from Contacts where id = '"+id+"'").is(200, "").says("data.0.Phone", nil)
}

// 7a.11: a user whom the org has switched off.
func TestInactiveUser(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	w.control("users", `{"username":"john@contoso.example","active":false}`)
	w.call("GET", api+"/org", john.Access, "").is(401, "AUTHENTICATION_FAILURE")
	w.settings(`{"inactive_user_code":"NO_PERMISSION"}`)
	w.call("GET", api+"/org", john.Access, "").is(403, "NO_PERMISSION")
	w.settings(`{"inactive_user_code":"INVALID_TOKEN"}`)
	w.call("GET", api+"/org", john.Access, "").is(401, "INVALID_TOKEN")
	w.control("users", `{"username":"john@contoso.example","active":true}`)
	w.call("GET", api+"/org", john.Access, "").is(200, "")
}

// Everything survives a restart: tokens, records, settings, the clock.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	id := w.add(john.Access, person("A", "a@b.example")).id(0)
	w.settings(`{"email_unique":true}`)
	w.advance(3000)
	w.stop()
	w.start()
	w.call("GET", api+"/Contacts/"+id, john.Access, "").is(200, "").says("data.0.Email", "a@b.example")
	w.add(john.Access, person("B", "a@b.example")).is(400, "").row(0, "DUPLICATE_DATA")
	w.advance(600)
	w.call("GET", api+"/Contacts/"+id, john.Access, "").is(401, "INVALID_TOKEN")
	w.refresh("", john.Refresh).tokens()
}

// Control calls that make no sense are refused.
func TestControlRefuses(t *testing.T) {
	w := newWorld(t)
	for path, body := range map[string]string{
		"settings": `{"row_status":"v9"}`, "settings?org=nobody": `{}`, "session": `{"username":"nobody@b.example"}`, "fail": `{"on":"query","count":1}`,
		"records": `{"do":"paint"}`, "centres": `{"client_id":"x"}`, "profile": `{"username":"jane@fabrikam.example"}`, "clock": `{"advance_ms":-1}`,
	} {
		if a := w.call("POST", "/_control/"+path, "", body); a.status != http.StatusBadRequest {
			t.Errorf("%s %s: %d %s", path, body, a.status, a.body)
		}
	}
	for _, v := range []string{`{"throttle_status":503}`, `{"code_seconds":0}`, `{"search_lag_ms":-1}`, `{"key_field":"Email"}`, `{"required_field":"a b"}`, `{"none":1}`} {
		if a := w.call("POST", "/_control/settings", "", v); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", v, a.status, a.body)
		}
	}
	w.settings(`{"edition":"free"}`)
	if got := w.call("GET", "/_control/settings", "", "").str("edition"); got != "free" {
		t.Errorf("edition %q", got)
	}
	w.control("reset", ``)
	if got := w.call("GET", "/_control/settings", "", "").str("edition"); got != "enterprise" {
		t.Errorf("edition %q after a reset", got)
	}
}

// Each org is set up, counted and broken on its own.
func TestControlOfOneOrg(t *testing.T) {
	w := newWorld(t)
	john, jane := w.session(`{}`), w.session(`{"username":"jane@fabrikam.example"}`)
	w.control("settings?org=contoso", `{"email_unique":true}`)
	w.control("fail?org=fabrikam-jane", `{"on":"insert","status":500,"count":1}`)
	w.add(john.Access, person("A", "a@b.example")).is(201, "")
	w.add(john.Access, person("A", "a@b.example")).row(0, "DUPLICATE_DATA")
	w.add(jane.Access, person("A", "a@b.example")).is(500, "INTERNAL_ERROR")
	for range 2 {
		w.add(jane.Access, person("A", "a@b.example")).is(201, "")
	}
	for org, want := range map[string]int{"contoso": 1, "fabrikam-jane": 2, "northwind": 0} {
		a := w.call("GET", "/_control/stats?org="+org, "", "")
		if a.num("contacts") != want || a.num("per_email_max") != want {
			t.Errorf("%s: %s", org, a.body)
		}
	}
	w.control("reset?org=fabrikam-jane", ``)
	if n := w.stat("contacts"); n != 1 {
		t.Errorf("%d contacts left", n)
	}
	list := w.call("GET", "/_control/contacts?org=contoso", "", "").is(200, "")
	if list.len("contacts") != 1 || list.str("contacts.0.Email") != "a@b.example" || fmt.Sprint(list.path("contacts.0.org")) != john.Org {
		t.Errorf("contacts %s", list.body)
	}
}

// Zoho's own libraries send multipart forms.
func TestTokenParametersInMultipart(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, v := range map[string]string{"grant_type": "refresh_token", "refresh_token": john.Refresh, "client_id": clientID, "client_secret": secret} {
		if err := form.WriteField(name, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r := w.request("POST", w.at("")+"/oauth/v2/token", "", body.String())
	r.Header.Set("Content-Type", form.FormDataContentType())
	w.sent(r).is(200, "").tokens()
}
