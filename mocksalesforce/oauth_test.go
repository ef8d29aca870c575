package mocksalesforce_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

func TestAuthorizationEndsInTokens(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	login := b.authorize("login_hint", "jane@fabrikam.example").is(200, "")
	if !strings.Contains(login.body, `value="jane@fabrikam.example"`) {
		t.Error("the login hint is not filled in")
	}
	consent := b.login(login, "john@contoso.example", "salesforce").is(200, "")
	if csp := consent.header.Get("Content-Security-Policy"); strings.Contains(csp, "form-action") {
		t.Errorf("the policy would block the redirect: %s", csp)
	}
	back := b.decide(consent, "allow")
	if back.Get("state") != "a b&c" || !strings.HasPrefix(back.Get("code"), "aPrx") {
		t.Fatalf("came back with %v", back)
	}
	a := w.redeem(back.Get("code")).is(200, "")
	if a.header.Get("Content-Type") != "application/json;charset=UTF-8" {
		t.Errorf("content type %q", a.header.Get("Content-Type"))
	}
	if strings.Contains(a.body, "expires_in") {
		t.Error("Salesforce says no expires_in")
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(a.str("id") + a.str("issued_at")))
	if a.str("signature") != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		t.Error("wrong signature")
	}
	if a.str("instance_url") != w.url || a.str("token_type") != "Bearer" || len(a.str("issued_at")) != 13 || a.str("scope") != "api id refresh_token" {
		t.Errorf("token response: %s", a.body)
	}
	if id := a.str("id"); len(strings.TrimPrefix(id, w.url+"/id/")) != 37 {
		t.Errorf("identity URL %q", id)
	}
	w.call("GET", strings.TrimPrefix(a.str("id"), w.url), a.tokens().Access, "").is(200, "")
	if who := w.call("GET", "/services/oauth2/userinfo", a.tokens().Access, "").is(200, ""); who.str("preferred_username") != "john@contoso.example" {
		t.Errorf("userinfo: %s", who.body)
	}
	w.redeem(back.Get("code")).is(400, "invalid_grant")
}

func TestAuthorizeRefusesWithoutRedirect(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change []string
		want   string
	}{
		"unknown client":   {[]string{"client_id", "x"}, "error=invalid_client_id&error_description=client%20identifier%20invalid"},
		"other redirect":   {[]string{"redirect_uri", callback + "/"}, "error=redirect_uri_mismatch&error_description=redirect_uri%20must%20match%20configuration"},
		"no redirect":      {[]string{"redirect_uri", ""}, "error=redirect_uri_missing&error_description=redirect_uri%20missing"},
		"no challenge":     {[]string{"code_challenge", "", "code_challenge_method", ""}, "error=invalid_request&error_description=missing%20required%20code%20challenge"},
		"plain challenge":  {[]string{"code_challenge_method", "plain"}, "error=invalid_request&error_description=invalid%20code%20challenge%20method"},
		"broken challenge": {[]string{"code_challenge", "short"}, "error=invalid_request&error_description=invalid%20code%20challenge"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.call("GET", "/services/oauth2/authorize?"+ask(c.change...).Encode(), "", "").is(400, "")
			if a.body != c.want || a.header.Get("Content-Type") != "" {
				t.Errorf("%q as %q", a.body, a.header.Get("Content-Type"))
			}
		})
	}
}

func TestAuthorizeTellsTheAppByRedirect(t *testing.T) {
	w := newWorld(t)
	for want, change := range map[string][]string{
		"unsupported_response_type": {"response_type", "token"},
		"invalid_scope":             {"scope", "api everything"},
		"immediate_unsuccessful":    {"immediate", "true"},
	} {
		back := w.call("GET", "/services/oauth2/authorize?"+ask(change...).Encode(), "", "").is(302, "").location()
		if back.Get("error") != want || back.Get("state") != "a b&c" {
			t.Errorf("want %s, came back with %v", want, back)
		}
	}
	b := w.browser()
	consent := b.login(b.authorize(), "john@contoso.example", "salesforce")
	back := b.decide(consent, "deny")
	if back.Get("error") != "access_denied" || back.Get("error_description") != "end-user denied authorization" {
		t.Errorf("denied: %v", back)
	}
	b.post("/setup/secur/RemoteAccessAuthorizationPage.apexp", url.Values{"id": {consent.hidden()}, "decision": {"allow"}}).is(400, "")
}

func TestLogInPage(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	page := b.authorize()
	b.login(page, "john@contoso.example", "wrong").is(401, "")
	b.login(page, "john@contoso.example", "salesforce").is(200, "")
	if a := b.authorize(); !strings.Contains(a.body, "Allow Access?") {
		t.Error("the log-in is not remembered")
	}
	for _, prompt := range []string{"login", "select_account", "login consent"} {
		a := b.authorize("prompt", prompt)
		if !strings.Contains(a.body, `name="password"`) {
			t.Errorf("prompt=%s shows no log-in page", prompt)
		}
		if !strings.Contains(b.login(a, "jane@fabrikam.example", "salesforce").body, "Allow Access?") {
			t.Errorf("prompt=%s asks again after the log-in", prompt)
		}
	}
	b.get("/secur/logout.jsp")
	if a := b.authorize(); !strings.Contains(a.body, `name="password"`) {
		t.Error("still logged in after the log-out")
	}
	if a := b.post("/login", url.Values{"startURL": {"//evil.example/"}, "username": {"john@contoso.example"}, "password": {"salesforce"}}); !strings.Contains(a.body, "Contacts of Contoso") {
		t.Errorf("led astray: %s", a.body)
	}
}

func TestConsentOfAnotherLogInIsRefused(t *testing.T) {
	w := newWorld(t)
	b, other := w.browser(), w.browser()
	consent := b.login(b.authorize(), "john@contoso.example", "salesforce")
	other.login(other.authorize(), "jane@fabrikam.example", "salesforce")
	other.post("/setup/secur/RemoteAccessAuthorizationPage.apexp", url.Values{"id": {consent.hidden()}, "decision": {"allow"}}).is(400, "")
}

func TestTokenRefusals(t *testing.T) {
	w := newWorld(t)
	w.redeem("rubbish").is(400, "invalid_grant")
	for name, c := range map[string]struct {
		pairs []string
		want  string
	}{
		"wrong secret":    {[]string{"client_secret", "x"}, "invalid_client"},
		"unknown client":  {[]string{"client_id", "x"}, "invalid_client_id"},
		"other redirect":  {[]string{"redirect_uri", "https://app.example/other"}, "redirect_uri_mismatch"},
		"wrong verifier":  {[]string{"code_verifier", verifier + "x"}, "invalid_grant"},
		"no verifier":     {[]string{"code_verifier", ""}, "invalid_grant"},
		"other grant":     {[]string{"grant_type", "password"}, "unsupported_grant_type"},
		"all is well":     {nil, ""},
		"form-encoded":    {[]string{"format", "urlencoded", "code_verifier", "x"}, ""},
		"code of nothing": {[]string{"code", ""}, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.redeem(w.code(), c.pairs...)
			switch {
			case name == "form-encoded":
				if a.status != 400 || a.body != "error=invalid_grant&error_description=invalid+code+verifier" {
					t.Errorf("%d %s", a.status, a.body)
				}
			case c.want == "":
				a.is(200, "")
			default:
				a.is(400, c.want)
			}
		})
	}
}

func TestPKCEMayBeOptional(t *testing.T) {
	w := newWorld(t)
	w.control("settings", `{"require_pkce":false}`)
	code := w.code("code_challenge", "", "code_challenge_method", "")
	w.redeem(code, "code_verifier", "").is(200, "")
	code = w.code("code_challenge", "", "code_challenge_method", "")
	w.redeem(code).is(400, "invalid_grant") // a verifier, but no challenge
	code = w.code("code_challenge_method", "")
	w.redeem(code, "code_verifier", "").is(400, "invalid_grant")
}

func TestRefreshTokenOnlyWhenAskedForAndIssued(t *testing.T) {
	w := newWorld(t)
	if r := w.redeem(w.code("scope", "api id")).tokens().Refresh; r != "" {
		t.Error("a refresh token without the scope")
	}
	if r := w.redeem(w.code("scope", "api offline_access")).tokens().Refresh; r == "" {
		t.Error("no refresh token for offline_access")
	}
	w.control("settings", `{"issue_refresh_token":false}`)
	if r := w.redeem(w.code()).tokens().Refresh; r != "" {
		t.Error("a refresh token though the app issues none")
	}
}

func TestRotationAndReuse(t *testing.T) {
	w := newWorld(t)
	first := w.session("")
	second := w.refresh(first.Refresh).is(200, "").tokens()
	if second.Refresh == "" || second.Refresh == first.Refresh {
		t.Fatal("the refresh token was not rotated")
	}
	introspect := func(token string) bool {
		a := w.form("/services/oauth2/introspect", "token", token, "token_type_hint", "refresh_token", "client_id", clientID, "client_secret", secret).is(200, "")
		return a.at("active") == true
	}
	if introspect(first.Refresh) || !introspect(second.Refresh) || !introspect(second.Access) {
		t.Error("introspection is wrong, or revoked something")
	}
	a := w.refresh(first.Refresh).is(400, "invalid_grant")
	if a.str("error_description") != "expired access/refresh token" {
		t.Error(a.body)
	}
	w.refresh(second.Refresh).is(400, "invalid_grant")
	for _, access := range []string{first.Access, second.Access} {
		w.query(access, "SELECT Id FROM Contact").is(401, "INVALID_SESSION_ID")
	}
	if w.stat("reuse_detected") != 1 || w.stat("refreshes") != 1 || w.stat("token_calls") != 3 {
		t.Errorf("stats: %s", w.call("GET", "/_control/stats", "", "").body)
	}
}

func TestWithoutRotationTheRefreshTokenStays(t *testing.T) {
	w := newWorld(t)
	w.control("settings", `{"rotation":false}`)
	s := w.session("")
	for range 3 {
		if r := w.refresh(s.Refresh).is(200, "").tokens().Refresh; r != "" {
			t.Error("a refresh token came back")
		}
	}
}

func TestSixthApprovalEvictsTheOldest(t *testing.T) {
	w := newWorld(t)
	first := w.session("")
	other := w.session(`{"username":"jane@fabrikam.example"}`)
	var last tokens
	for range 4 {
		last = w.session("")
	}
	first = w.refresh(first.Refresh).is(200, "").tokens()
	w.session("")
	w.refresh(first.Refresh).is(400, "invalid_grant")
	w.refresh(last.Refresh).is(200, "")
	w.refresh(other.Refresh).is(200, "")
}

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	s := w.session("")
	a := w.form("/services/oauth2/revoke", "token", s.Access).is(200, "")
	if a.body != "" {
		t.Errorf("revoke answers %q", a.body)
	}
	w.query(s.Access, "SELECT Id FROM Contact").is(401, "INVALID_SESSION_ID")
	s = w.refresh(s.Refresh).is(200, "").tokens()
	w.form("/services/oauth2/revoke", "token", s.Refresh).is(200, "")
	w.query(s.Access, "SELECT Id FROM Contact").is(401, "INVALID_SESSION_ID")
	w.refresh(s.Refresh).is(400, "invalid_grant")
	if a := w.form("/services/oauth2/revoke", "token", s.Refresh).is(400, ""); a.body != "error=invalid_token&error_description=invalid+token" {
		t.Error(a.body)
	}
}

func TestIntrospection(t *testing.T) {
	w := newWorld(t)
	s := w.session("")
	in := func(pairs ...string) answer { return w.form("/services/oauth2/introspect", pairs...) }
	in("token", s.Access).is(401, "invalid_client_id")
	in("token", s.Access, "client_id", clientID, "client_secret", "x").is(401, "invalid_client")
	a := in("token", s.Access, "client_id", clientID, "client_secret", secret).is(200, "")
	if a.num("exp")-a.num("iat") != 7200 || a.str("username") != "john@contoso.example" || a.str("token_type") != "access_token" {
		t.Error(a.body)
	}
	w.control("clients", `{"client_id":"other","client_secret":"o","redirect_uris":["https://o.example/"]}`)
	if a := in("token", s.Access, "client_id", "other", "client_secret", "o"); a.body != "{\"active\":false}\n" {
		t.Errorf("another app's token: %s", a.body)
	}
}

func TestAdminActs(t *testing.T) {
	w := newWorld(t)
	s := w.session("")
	w.control("expire-access-tokens", "")
	w.query(s.Access, "SELECT Id FROM Contact").is(401, "INVALID_SESSION_ID")
	s = w.refresh(s.Refresh).tokens()
	w.query(s.Access, "SELECT Id FROM Contact").is(200, "")
	w.control("users", `{"username":"john@contoso.example","active":false}`)
	if a := w.refresh(s.Refresh).is(400, "invalid_grant"); a.str("error_description") != "inactive user" {
		t.Error(a.body)
	}
	w.control("users", `{"username":"john@contoso.example","active":true}`)
	w.control("revoke", "")
	w.refresh(s.Refresh).is(400, "invalid_grant")
}

func TestIdentityRefusals(t *testing.T) {
	w := newWorld(t)
	for want, token := range map[string]string{"Missing_OAuth_Token": "", "Bad_OAuth_Token": "x"} {
		if a := w.call("GET", "/services/oauth2/userinfo", token, "").is(403, ""); a.body != want {
			t.Errorf("%q, want %q", a.body, want)
		}
	}
	s := w.session("")
	other := w.control("session", `{"username":"jane@fabrikam.example"}`).str("id")
	if a := w.call("GET", strings.TrimPrefix(other, w.url), s.Access, "").is(403, ""); a.body != "Wrong_Org" {
		t.Error(a.body)
	}
}
