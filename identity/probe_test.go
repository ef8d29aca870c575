package identity

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatepost/outbound"
)

// probed is a service's server for the tests of definitions.
type probed struct {
	t        *testing.T
	secret   string
	token    http.HandlerFunc
	said     map[string]any // of itself; nil for nothing
	statuses map[string]int
}

func (p *probed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	_, password, _ := r.BasicAuth()
	if r.URL.Path != "/token" && (strings.Contains(fmt.Sprint(r.Form, r.Header, r.URL), p.secret) || password != "") {
		p.t.Errorf("%s is told the secret", r.URL.Path)
	}
	switch status := p.statuses[r.URL.Path]; {
	case status >= 300 && status < 400:
		http.Redirect(w, r, "https://evil.example/", status)
	case status > 0:
		w.WriteHeader(status)
	case r.URL.Path == "/token":
		p.token(w, r)
	case strings.HasPrefix(r.URL.Path, "/.well-known/") && p.said != nil:
		writeJSON(w, 200, p.said)
	case r.URL.Path == "/authorize":
		_, _ = w.Write([]byte("<html>Log in</html>"))
	case r.URL.Path == "/me":
		w.WriteHeader(401)
	case r.URL.Path == "/revoke" || r.URL.Path == "/introspect":
		writeJSON(w, 401, map[string]any{"error": "invalid_client"})
	default:
		http.NotFound(w, r)
	}
}

// A definition is tried against its server: each thing that can be wrong with it is told
// by the check that it is about, with what mends it.
func TestDefinitionsAreTried(t *testing.T) {
	refuse := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	good := refuse(400, "application/json", `{"error":"invalid_grant","error_description":"code hidden-words"}`)
	for name, c := range map[string]struct {
		token    http.HandlerFunc
		said     map[string]any
		statuses map[string]int
		change   func(*Service)
		fails    string // the check that does, empty for none
		says     string // in what it found, or how it is mended
	}{
		"all is well":                     {token: good},
		"a refusal in a form":             {token: refuse(400, "text/plain", "error=bad_verification_code&error_description=x"), says: "a form"},
		"a public client":                 {token: good, change: func(s *Service) { s.Public = true }, says: "of a public client"},
		"agrees with itself":              {token: good, said: map[string]any{"token_endpoint": "URL/token", "authorization_endpoint": "URL/authorize", "code_challenge_methods_supported": []any{"plain", "S256"}}, says: "agrees"},
		"no such token end point":         {token: http.NotFound, fails: "token", says: "404"},
		"a page for people":               {token: refuse(200, "text/html", "<html>hello"), fails: "token", says: "a page for people"},
		"the code elsewhere":              {token: refuse(400, "application/json", `{"fault":{"code":"bad"}}`), fails: "token", says: "--error-field"},
		"and it is said where":            {token: refuse(400, "application/json", `{"fault":{"code":"bad"}}`), change: func(s *Service) { s.ErrorFields = []string{"fault.code"} }, says: "bad, status 400"},
		"a wrong app":                     {token: refuse(401, "application/json", `{"error":"invalid_client"}`), fails: "token", says: "--basic-auth"},
		"a wrong app in a header":         {token: refuse(401, "application/json", `{"error":"invalid_client"}`), change: func(s *Service) { s.BasicAuth = true }, fails: "token", says: "--basic-auth=false"},
		"a refusal as a success":          {token: refuse(200, "application/json", `{"error":"bad_code"}`), fails: "token", says: "--errors-with-200"},
		"which is known":                  {token: refuse(200, "application/json", `{"error":"bad_code"}`), change: func(s *Service) { s.ErrorsWith200 = true }},
		"a token for nothing":             {token: refuse(200, "application/json", `{"access_token":"x"}`), fails: "token", says: "no token end point"},
		"a token end point that leads on": {token: good, statuses: map[string]int{"/token": 307}, fails: "token", says: "isn't followed"},
		"a fault at the server":           {token: good, statuses: map[string]int{"/authorize": 500}, fails: "authorize", says: "500"},
		"no authorize end point":          {token: good, statuses: map[string]int{"/authorize": 404}, fails: "authorize", says: "--authorize-url"},
		"a wrong redirect URL":            {token: good, statuses: map[string]int{"/authorize": 400}, fails: "authorize", says: "/integrations/acme/callback"},
		"a log-in page elsewhere":         {token: good, statuses: map[string]int{"/authorize": 302}},
		"no revocation":                   {token: good, statuses: map[string]int{"/revoke": 404}, fails: "revocation", says: "--revoke-url"},
		"a revocation that leads on":      {token: good, statuses: map[string]int{"/revoke": 301}, fails: "revocation", says: "isn't followed"},
		"no introspection":                {token: good, statuses: map[string]int{"/introspect": 405}, fails: "introspection", says: "--introspect-url"},
		"userinfo for anybody":            {token: good, statuses: map[string]int{"/me": 200}, fails: "userinfo", says: "made up"},
		"another token end point":         {token: good, said: map[string]any{"token_endpoint": "URL/oauth/token"}, fails: "discovery", says: "--token-url URL/oauth/token"},
		"no S256":                         {token: good, said: map[string]any{"token_endpoint": "URL/token", "code_challenge_methods_supported": []any{"plain"}}, fails: "discovery", says: "--no-pkce"},
		"another authentication":          {token: good, said: map[string]any{"token_endpoint": "URL/token", "token_endpoint_auth_methods_supported": []any{"client_secret_basic"}}, fails: "discovery", says: "--basic-auth"},
		"no app":                          {token: refuse(401, "application/json", `{"error":"invalid_client"}`), change: func(s *Service) { s.ClientID, s.ClientSecret = "", "" }, fails: "app", says: "service set acme"},
		"nobody there":                    {token: good, change: func(s *Service) { s.UserinfoURL = "http://127.0.0.1:1/me" }, fails: "userinfo", says: "Gatepost doesn't call"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(nil)
			t.Cleanup(server.Close)
			text, _ := json.Marshal(c.said)
			var said map[string]any
			if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "URL", server.URL)), &said); err != nil {
				t.Fatal(err)
			}
			server.Config.Handler = &probed{t: t, secret: clientSecret, token: c.token, said: said, statuses: c.statuses}
			s := Service{ID: "acme", Name: "Acme", LoginURL: server.URL, AuthorizeURL: "/authorize", TokenURL: "/token", IntrospectURL: "/introspect", UserinfoURL: "/me",
				Revoke: Revocation{URL: "/revoke", Auth: AuthClient}, ClientID: clientID, ClientSecret: clientSecret, RedirectURL: redirectURI}
			if c.change != nil {
				c.change(&s)
			}
			p := probe{client: &client{http: outbound.Client(outbound.Trust(server.URL)), timeout: ample}, s: s}
			failed, found := "", ""
			checks := []Check{p.app(), p.authorize(t.Context()), p.token(t.Context()), p.endPoint(t.Context(), "introspection", s.IntrospectURL),
				p.endPoint(t.Context(), "userinfo", s.UserinfoURL), p.endPoint(t.Context(), "revocation", s.Revoke.URL), p.discovery(t.Context())}
			for _, check := range checks {
				if check.Result == CheckFailed {
					failed += check.Name
				}
				if (check.Result == CheckFailed) != (check.Mend != "") || check.Found == "" {
					t.Errorf("it isn't said what to do: %+v", check)
				}
				found += check.Found + "; " + check.Mend + "\n"
			}
			if failed != c.fails || !strings.Contains(found, strings.ReplaceAll(c.says, "URL", server.URL)) {
				t.Errorf("%q failed, want %q with %q:\n%s", failed, c.fails, c.says, found)
			}
			if strings.Contains(found, clientSecret) || strings.Contains(found, "hidden") {
				t.Errorf("what is secret, or what the service said in words, is told:\n%s", found)
			}
		})
	}
}
