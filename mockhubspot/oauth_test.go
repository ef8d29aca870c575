package mockhubspot_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// The numbers in the names of tests are those of the list of what a strict simulation must
// do, in the facts about HubSpot.

func Test7a01TokenEndPoint(t *testing.T) {
	w := newWorld(t)
	w.call("POST", tokenURL, "", `{"grant_type":"refresh_token"}`).is(415, "")
	if a := w.call("POST", tokenURL+"?grant_type=authorization_code", "", ""); a.status != 415 {
		t.Error("a query was taken for a form")
	}
	good := []string{"grant_type", "authorization_code", "code", w.code(), "redirect_uri", callback}
	for name, of := range map[string]struct {
		pairs         []string
		status, error string
	}{
		"no grant type":      {[]string{"grant_type", ""}, "BAD_GRANT_TYPE", "unsupported_grant_type"},
		"unknown grant type": {[]string{"grant_type", "password"}, "BAD_GRANT_TYPE", "unsupported_grant_type"},
		"unknown client":     {[]string{"client_id", "x"}, "BAD_CLIENT_ID", "invalid_client"},
		"wrong secret":       {[]string{"client_secret", "x"}, "BAD_CLIENT_SECRET", "invalid_client"},
		"unknown code":       {[]string{"code", "na1-x"}, "BAD_AUTH_CODE", "invalid_grant"},
		"dead refresh token": {[]string{"grant_type", "refresh_token", "refresh_token", "na1-x"}, "BAD_REFRESH_TOKEN", "invalid_grant"},
	} {
		a := w.app(tokenURL, append(slices.Clone(good), of.pairs...)...).is(400, of.status)
		if a.str("error") != of.error || a.str("error_description") == "" || a.str("message") != a.str("error_description") {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	a := w.app(tokenURL, good...).is(200, "")
	if got := strings.Join(a.list("scopes"), " "); got != "crm.objects.contacts.read crm.objects.contacts.write oauth" {
		t.Errorf("scopes %q", got)
	}
	if a.num("expires_in") != 1800 || a.str("token_type") != "bearer" || a.str("token_use") != "access_token" || a.num("hub_id") != 62515 || a.num("user_id") == 0 {
		t.Error(a.body)
	}
	for _, name := range []string{"hub_domain", "scope", "user"} {
		if strings.Contains(a.body, `"`+name+`"`) {
			t.Errorf("%s is told: %s", name, a.body)
		}
	}
	if !strings.Contains(a.body, `"id_token":null`) || len(a.str("access_token")) > 512 {
		t.Error(a.body)
	}
	w.refresh(a.str("refresh_token")).is(200, "")
	if w.stat("refreshes") != 1 || w.stat("token_calls") != 10 {
		t.Errorf("%d refreshes of %d calls", w.stat("refreshes"), w.stat("token_calls"))
	}
}

func Test7a01RefusalsOfARefresh(t *testing.T) {
	w := newWorld(t)
	s := w.session(`{"client_id":"` + clientID + `","scope":"oauth"}`)
	w.form(tokenURL, "grant_type", "refresh_token", "refresh_token", s.Refresh, "client_id", clientID, "client_secret", "").is(400, "BAD_CLIENT_SECRET")
	w.app(tokenURL, "grant_type", "refresh_token", "refresh_token", s.Refresh, "scope", "oauth crm.objects.contacts.read").is(400, "BAD_SCOPES")
	w.control("clients", `{"client_id":"other","client_secret":"o","redirect_uris":["`+callback+`"]}`)
	w.form(tokenURL, "grant_type", "refresh_token", "refresh_token", s.Refresh, "client_id", "other", "client_secret", "o").is(400, "BAD_REFRESH_TOKEN")
	w.control("settings", `{"account_deleted":true}`)
	if a := w.refresh(s.Refresh).is(400, "BAD_HUB"); a.str("error") != "access_denied" {
		t.Error(a.body)
	}
	w.control("settings", `{"account_deleted":false}`)
	w.control("users", `{"username":"john@contoso.example","active":false}`)
	w.refresh(s.Refresh).is(400, "BAD_REFRESH_TOKEN")
	w.control("users", `{"username":"john@contoso.example","active":true}`)
	w.refresh(s.Refresh).is(200, "")
}

func Test7a02Codes(t *testing.T) {
	w := newWorld(t)
	w.control("clients", `{"client_id":"other","client_secret":"o","redirect_uris":["`+callback+`"]}`)
	code := w.code()
	w.redeem(code, "client_id", "other", "client_secret", "o").is(400, "BAD_AUTH_CODE")
	w.redeem(code).is(200, "")
	w.redeem(code).is(400, "BAD_AUTH_CODE")

	code = w.code()
	w.redeem(code, "redirect_uri", callback+"2").is(400, "BAD_REDIRECT_URI")
	w.redeem(code).is(400, "BAD_AUTH_CODE")

	code = w.code()
	w.pass(600_000)
	w.redeem(code).is(400, "BAD_AUTH_CODE")

	pkce := []string{"code_challenge", challenge(), "code_challenge_method", "S256"}
	w.redeem(w.code(pkce...)).is(400, "BAD_CODE_VERIFIER")
	w.redeem(w.code(pkce...), "code_verifier", strings.Repeat("x", 43)).is(400, "BAD_CODE_VERIFIER")
	w.redeem(w.code(pkce...), "code_verifier", verifier).is(200, "")
	w.redeem(w.code(), "code_verifier", verifier).is(400, "BAD_CODE_VERIFIER")

	b := w.browser()
	if a := b.get("/oauth/authorize?" + asked("code_challenge", "short", "code_challenge_method", "S256").Encode()); a.status != 400 {
		t.Errorf("a malformed challenge gives %d", a.status)
	}
	w.control("settings", `{"require_pkce":true}`)
	b.get("/oauth/authorize?"+asked().Encode()).is(400, "")
}

func Test7a03RefreshTokenStays(t *testing.T) {
	w := newWorld(t)
	first := w.session(`{"client_id":"` + clientID + `"}`)
	if got := w.refresh(first.Refresh).is(200, "").tokens(); got.Refresh != first.Refresh || got.Access == first.Access {
		t.Error("the refresh token changed, or the access token didn't")
	}
	w.control("settings", `{"rotate_refresh_token":true}`)
	second := w.refresh(first.Refresh).is(200, "").tokens()
	if second.Refresh == first.Refresh || !strings.HasPrefix(second.Refresh, "na1-") {
		t.Errorf("refresh token %s", second.Refresh)
	}
	w.refresh(first.Refresh).is(200, "")
	w.refresh(second.Refresh).is(200, "")
}

func Test7a04Revoke(t *testing.T) {
	w := newWorld(t)
	c := api{w, w.session(`{"client_id":"` + clientID + `"}`)}
	introspect := func(token string) answer { return w.app(tokenURL+"/introspect", "token", token) }
	w.call("POST", tokenURL+"/revoke", "", `{"token":"x"}`).is(415, "")
	w.app(tokenURL+"/revoke", "token", c.Refresh, "client_secret", "x").is(400, "BAD_CLIENT_SECRET")
	w.app(tokenURL+"/introspect", "token", c.Refresh, "client_secret", "x").is(400, "BAD_CLIENT_SECRET")
	a := introspect(c.Access).is(200, "")
	if a.at("active") != true || a.str("token_use") != "access_token" || a.str("user") != "john@contoso.example" || a.str("hub_domain") != "contoso.example" ||
		a.num("hub_id") != 62515 || a.num("expires_in") < 1 || a.str("signed_access_token.hublet") != "na1" || a.str("client_id") != clientID || a.num("app_id") == 0 {
		t.Error(a.body)
	}
	a = introspect(c.Refresh).is(200, "")
	if a.at("active") != true || a.str("token_use") != "refresh_token" || a.at("expires_in") != nil || a.at("signed_access_token") != nil || !slices.Contains(a.list("scopes"), "oauth") {
		t.Error(a.body)
	}
	if a := w.app(tokenURL+"/revoke", "token", c.Refresh).is(200, ""); a.body != "" {
		t.Error(a.body)
	}
	w.refresh(c.Refresh).is(400, "BAD_REFRESH_TOKEN")
	if a := introspect(c.Refresh).is(200, ""); strings.TrimSpace(a.body) != `{"active":false}` {
		t.Error(a.body)
	}
	c.get(contacts).is(200, "")
	w.app(tokenURL+"/revoke", "token", "unknown").is(200, "")
	w.control("settings", `{"revoke_unknown_status":404}`)
	w.app(tokenURL+"/revoke", "token", "unknown").is(404, "")

	w.app(tokenURL+"/revoke", "token", c.Access).is(200, "")
	c.get(contacts).is(401, "EXPIRED_AUTHENTICATION")
	if introspect(c.Access).at("active") != false {
		t.Error("a revoked access token is active")
	}
}

func Test7a05Uninstall(t *testing.T) {
	w := newWorld(t)
	session := `{"client_id":"` + clientID + `"}`
	c := api{w, w.session(session)}
	w.call("DELETE", "/appinstalls/2026-09/external-install", "", "").is(401, "INVALID_AUTHENTICATION")
	w.call("POST", "/appinstalls/2026-09/external-install", c.Access, "").is(405, "")
	other := api{w, w.control("session?org=contoso-sandbox", session).tokens()}
	c.delete("/appinstalls/2026-09/external-install").is(204, "")
	c.get(contacts).is(401, "EXPIRED_AUTHENTICATION")
	w.refresh(c.Refresh).is(400, "BAD_REFRESH_TOKEN")
	other.get(contacts).is(200, "")

	w.control("settings", `{"linger_access_tokens":true}`)
	c = api{w, w.session(session)}
	c.delete("/appinstalls/2026-09/external-install").is(204, "")
	c.get(contacts).is(200, "")
	w.refresh(c.Refresh).is(400, "BAD_REFRESH_TOKEN")

	w.control("settings", `{"linger_access_tokens":false}`)
	c = api{w, w.session(session)}
	w.control("uninstall?org=contoso-sandbox", "")
	c.get(contacts).is(200, "")
	other.get(contacts).is(401, "")
	w.control("uninstall", "")
	c.get(contacts).is(401, "")
	w.refresh(c.Refresh).is(400, "BAD_REFRESH_TOKEN")
}

func Test7a06SharedRefreshToken(t *testing.T) {
	w := newWorld(t)
	connect := func() tokens { return w.redeem(w.code()).is(200, "").tokens() }
	first := connect()
	if connect().Refresh == first.Refresh {
		t.Error("both connections have one refresh token")
	}
	w.control("settings", `{"shared_refresh_token":true}`)
	second, third := connect(), connect()
	if second.Refresh != third.Refresh {
		t.Error("each connection has a refresh token of its own")
	}
	if jane := w.control("session?org=fabrikam-jane", `{"client_id":"`+clientID+`"}`).tokens(); jane.Refresh == third.Refresh {
		t.Error("another account's connection shares it")
	}
	w.app(tokenURL+"/revoke", "token", second.Refresh).is(200, "")
	w.refresh(third.Refresh).is(400, "BAD_REFRESH_TOKEN")
	if connect().Refresh == third.Refresh {
		t.Error("a revoked refresh token was handed out again")
	}
}

// Whatever is wrong with a request for authorization, the app hears nothing of it.
func Test7a07ScopesAreRefusedOnAPage(t *testing.T) {
	w := newWorld(t)
	w.control("settings", `{"app_scopes":"oauth crm.objects.contacts.read crm.objects.contacts.write crm.schemas.contacts.write"}`)
	b := w.browser()
	for name, of := range map[string]struct {
		pairs []string
		says  string
	}{
		"unknown app":           {[]string{"client_id", "x"}, "can&#39;t be found"},
		"unknown address":       {[]string{"redirect_uri", callback + "/"}, "Redirect URL mismatch"},
		"plain http":            {[]string{"redirect_uri", "http://app.example/plain"}, "https"},
		"no scope":              {[]string{"scope", ""}, "oauth is required"},
		"without oauth":         {[]string{"scope", "crm.objects.contacts.read"}, "oauth is required"},
		"not in the app":        {[]string{"scope", scopes + " tickets"}, "doesn&#39;t have the scope tickets"},
		"optional, not in it":   {[]string{"optional_scope", "communication_preferences.read"}, "scope mismatch"},
		"PKCE of another kind":  {[]string{"code_challenge", challenge(), "code_challenge_method", "plain"}, "S256"},
		"PKCE without a method": {[]string{"code_challenge", challenge()}, "S256"},
	} {
		a := b.get("/oauth/authorize?" + asked(of.pairs...).Encode())
		if a.status != 400 || a.header.Get("Location") != "" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(a.body, of.says) {
			t.Errorf("%s: %d %v %s", name, a.status, a.header, a.body)
		}
	}
}

func Test7a07OptionalScopes(t *testing.T) {
	w := newWorld(t)
	w.control("settings", `{"account_scopes":"oauth crm.objects.contacts.read crm.objects.contacts.write crm.schemas.contacts.write"}`)
	b := w.browser()
	if a := b.authorize("john@contoso.example", contoso, "scope", scopes+" communication_preferences.read"); a.status != 403 || !strings.Contains(a.body, "doesn&#39;t have access to communication_preferences.read") {
		t.Errorf("%d %s", a.status, a.body)
	}
	page := b.get("/oauth/"+contoso+"/authorize?"+asked("optional_scope", "crm.schemas.contacts.write communication_preferences.read").Encode()).is(200, "")
	if !strings.Contains(page.body, "(crm.schemas.contacts.write), optional<") || strings.Contains(page.body, "View whom you may write to") {
		t.Error(page.body)
	}
	a := w.redeem(b.decide(page, "allow").Get("code")).is(200, "")
	if got := a.list("scopes"); !slices.Equal(sorted(got), strings.Fields("crm.objects.contacts.read crm.objects.contacts.write crm.schemas.contacts.write oauth")) {
		t.Errorf("scopes %v", got)
	}
	w.control("settings", `{"may_install":false}`)
	if a := b.get("/oauth/" + contoso + "/authorize?" + asked().Encode()); a.status != 403 || !strings.Contains(a.body, "Super Admin") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// The way of a person: log in, choose an account, read what the app wants, allow or deny.
func TestAuthorizationInABrowser(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	page := b.get("/oauth/authorize?"+asked().Encode()).is(200, "")
	start := page.hidden()
	login := func(username, password string) answer {
		return b.post("/login", url.Values{"startURL": {start}, "username": {username}, "password": {password}})
	}
	login("john@contoso.example", "wrong").is(401, "")
	accounts := login("John@Contoso.example", "hubspot").is(200, "")
	if !strings.Contains(accounts.body, "Choose an account") || !strings.Contains(accounts.body, "Contoso Sandbox") || strings.Contains(accounts.body, "Fabrikam") {
		t.Error(accounts.body)
	}
	if a := b.get("/oauth/" + fabrikam + "/authorize?" + asked().Encode()); a.status != 403 {
		t.Errorf("an account of others gives %d", a.status)
	}
	page = b.get("/oauth/"+sandbox+"/authorize?"+asked().Encode()).is(200, "")
	for _, says := range []string{"Contoso Sandbox (62516)", "View contacts (crm.objects.contacts.read)", ">Deny<", ">Connect app<", callback} {
		if !strings.Contains(page.body, says) {
			t.Errorf("the page doesn't say %q: %s", says, page.body)
		}
	}
	if denied := b.decide(page, "deny"); denied.Get("error") != "access_denied" || denied.Get("error_description") == "" || denied.Get("state") != "a b&c" || denied.Has("code") {
		t.Error(denied)
	}
	b.post("/oauth/decision", url.Values{"id": {page.hidden()}, "decision": {"allow"}}).is(400, "")
	back := b.decide(b.get("/oauth/"+sandbox+"/authorize?"+asked().Encode()), "allow")
	if back.Get("state") != "a b&c" || !strings.HasPrefix(back.Get("code"), "na1-") {
		t.Error(back)
	}
	if a := w.redeem(back.Get("code")).is(200, ""); a.num("hub_id") != 62516 {
		t.Error(a.body)
	}
	other := w.browser()
	other.authorize("jane@fabrikam.example", fabrikam)
	other.post("/oauth/decision", url.Values{"id": {page.hidden()}, "decision": {"allow"}}).is(400, "")
	// Jane has one account, and so none to choose.
	page = other.get("/oauth/authorize?"+asked().Encode()).is(200, "")
	if code := other.decide(page, "allow").Get("code"); !strings.HasPrefix(code, "eu1-") {
		t.Errorf("code %s of an account in the EU", code)
	}
	b.get("/logout?next=" + url.QueryEscape("/oauth/authorize?"+asked().Encode()))
	if page := b.get("/oauth/authorize?"+asked().Encode()).is(200, ""); !strings.Contains(page.body, "Log In") {
		t.Error(page.body)
	}
}

func Test7a08Versions(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	for _, path := range []string{
		"/crm/objects/2026-08/contacts", "/crm/objects/v4/contacts", "/crm/v4/objects/contacts", "/crm/objects/2026-09/leads", "/crm/objects/2026-09",
		"/crm/objects/2026-09/contacts/1/2", "/account-info/v4/details", "/crm/properties/2025-09/contacts", "/communication-preferences/v3/definitions",
	} {
		c.get(path).is(404, "")
	}
	w.form("/oauth/v1/token/introspect", "token", c.Access).is(404, "")
	w.control("settings", `{"oauth_v1":false}`)
	w.form("/oauth/v1/token", "grant_type", "refresh_token").is(404, "")
	w.control("settings", `{"oauth_v1":true}`)
	if a := w.app("/oauth/v1/token", "grant_type", "refresh_token", "refresh_token", "x").is(400, ""); a.str("status") != "BAD_REFRESH_TOKEN" || a.at("error") != nil {
		t.Error(a.body)
	}
	if a := w.app("/oauth/v1/token", "grant_type", "refresh_token", "refresh_token", c.Refresh).is(200, ""); a.str("access_token") == "" || a.at("scopes") != nil {
		t.Error(a.body)
	}
	w.form("/oauth/2026-08/token", "grant_type", "refresh_token").is(404, "")
	for _, path := range []string{
		"/crm/objects/2026-09/contacts", "/crm/objects/2026-03/contacts", "/crm/objects/v3/contacts", "/crm/v3/objects/contacts", "/crm/objects/2026-09/0-1",
		"/account-info/2026-03/details", "/account-info/v3/details", "/crm/v3/properties/contacts", "/crm/properties/2026-03/0-1", "/communication-preferences/v4/definitions",
	} {
		c.get(path).is(200, "")
	}
	for _, version := range []string{"2026-09", "2026-03", "v3"} {
		w.form("/oauth/"+version+"/token", "grant_type", "x").is(400, "BAD_GRANT_TYPE")
		w.app("/oauth/"+version+"/token/introspect", "token", "x").is(200, "")
	}
	w.call("PUT", contacts, c.Access, "{}").is(405, "")
}

func Test7a09Unauthorized(t *testing.T) {
	w := newWorld(t)
	c := w.api()
	w.call("GET", contacts, "", "").is(401, "INVALID_AUTHENTICATION")
	a := w.call("GET", contacts, "garbage", "").is(401, "EXPIRED_AUTHENTICATION")
	if got := a.str("context.expire time.0"); got != "1970-01-01T00:00:00.000Z" {
		t.Errorf("garbage expired at %q", got)
	}
	if a.str("correlationId") == "" || a.str("correlationId") != a.header.Get("X-Hubspot-Correlation-Id") {
		t.Errorf("%v %s", a.header, a.body)
	}
	w.pass(1_799_000)
	c.get(contacts).is(200, "")
	w.pass(301_000)
	a = c.get(contacts).is(401, "EXPIRED_AUTHENTICATION")
	at, err := time.Parse(time.RFC3339, a.str("context.expire time.0"))
	if err != nil || at.Year() < 2026 || !strings.Contains(a.str("message"), "expired 5 minute(s) ago") {
		t.Error(a.body)
	}
	c = w.api()
	w.control("expire-access-tokens", "")
	c.get(contacts).is(401, "EXPIRED_AUTHENTICATION")
	c.tokens = w.app(tokenURL, "grant_type", "refresh_token", "refresh_token", c.Refresh).is(200, "").tokens()
	c.get(contacts).is(200, "")
}

func Test7a10MissingScopes(t *testing.T) {
	w := newWorld(t)
	with := func(scope string) api { return api{w, w.session(`{"scope":"` + scope + `"}`)} }
	bare, reader := with("oauth"), with("oauth crm.objects.contacts.read")
	for path, scope := range map[string]string{
		contacts: "crm.objects.contacts.read", "/crm/properties/2026-09/contacts": "crm.objects.contacts.read", "/crm/property-validations/2026-09/0-1": "crm.objects.contacts.read",
		"/communication-preferences/2026-09/definitions": "communication_preferences.read",
	} {
		a := bare.get(path).is(403, "MISSING_SCOPES")
		if !slices.Contains(a.list("errors.0.context.requiredGranularScopes"), scope) || !strings.Contains(a.str("message"), "required scopes") {
			t.Error(a.body)
		}
	}
	bare.get("/account-info/2026-09/details").is(200, "")
	w.control("settings", `{"account_info_scope":"account-info.security.read"}`)
	bare.get("/account-info/2026-09/details").is(403, "MISSING_SCOPES")
	for _, path := range []string{contacts, contacts + "/batch/create", contacts + "/batch/update", contacts + "/batch/upsert", contacts + "/batch/archive", contacts + "/merge", contacts + "/gdpr-delete"} {
		a := reader.post(path, `{}`).is(403, "MISSING_SCOPES")
		if !slices.Equal(a.list("errors.0.context.requiredGranularScopes"), []string{"crm.objects.contacts.write"}) {
			t.Error(a.body)
		}
	}
	reader.post("/crm/properties/2026-09/contacts", `{}`).is(403, "MISSING_SCOPES")
	reader.batch("read", `{"inputs":[]}`).is(200, "")
	reader.post(contacts+"/search", `{}`).is(200, "")
	with("oauth communication_preferences.read").post("/communication-preferences/2026-09/statuses/a@example.com", `{}`).is(403, "MISSING_SCOPES")
}

func TestPlainHTTPIsForThisMachine(t *testing.T) {
	w := newWorld(t)
	local := []string{"http://localhost:8080/cb", "http://127.0.0.1:8080/cb", "http://[::1]:8080/cb"}
	w.control("clients", `{"client_id":"local","client_secret":"l","redirect_uris":["`+strings.Join(local, `","`)+`"]}`)
	for _, uri := range local {
		r, err := w.send(w.request(http.MethodGet, "/oauth/authorize?"+asked("client_id", "local", "redirect_uri", uri).Encode(), "", ""))
		if err != nil || r.status != 302 {
			t.Errorf("%s: %d %s, %v", uri, r.status, r.body, err)
		}
	}
}
