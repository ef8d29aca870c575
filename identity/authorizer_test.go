package identity

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"gatepost/db"
)

// site is an application with an Authorizer.
type site struct {
	*world
	url  string
	auth *Authorizer
}

func newSite(t *testing.T, mend ...func(*Config)) *site {
	t.Helper()
	s := &site{world: newWorld(t)}
	s.auth = &Authorizer{Vault: s.process(mend...), Service: Salesforce, FinishedURL: "/finished", Insecure: true,
		Who: func(r *http.Request) (Subject, error) {
			user := r.Header.Get("X-User")
			if user == "" {
				return Subject{}, errors.New("nobody")
			}
			return Subject{TenantID: s.tenant, User: user, Tags: []string{"t"}}, nil
		}}
	mux := http.NewServeMux()
	mux.HandleFunc("/start", s.auth.Start)
	mux.HandleFunc("/callback", s.auth.Callback)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *site) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (s *site) visit(b *http.Client, path, user string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("X-User", user)
	res, err := b.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

// begin starts and allows it; it returns the path of the callback.
func (s *site) begin(b *http.Client, query string) string {
	s.t.Helper()
	res := s.visit(b, "/start"+query, "eve")
	if res.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("start: %s", res.Status)
	}
	return "/callback?" + s.srv.consent(res.Header.Get("Location")).Encode()
}

func TestAuthorizer(t *testing.T) {
	s := newSite(t)
	s.auth.Prepare = func(_ *http.Request, r *AuthorizeRequest) {
		r.LoginHint, r.MoreScopes, r.Params = "eve@x.example", []string{"more", "api"}, map[string]string{"prompt": "consent"}
	}
	b := s.browser()
	address := s.visit(b, "/start", "eve").Header.Get("Location")
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if q := u.Query(); q.Get("login_hint") != "eve@x.example" || q.Get("prompt") != "consent" || q.Get("scope") != "api refresh_token id more" || q.Get("code_challenge") == "" {
		t.Errorf("asked for %v", q)
	}
	s.auth.Prepare = nil
	callback := s.begin(b, "?return_to=/settings%3Fa%3Db&state=x%26y")
	// Neither another browser nor one without the cookie can finish it.
	if res := s.visit(s.browser(), callback, "eve"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("without the cookie: %s", res.Status)
	}
	other := s.browser()
	s.begin(other, "")
	if res := s.visit(other, callback, "eve"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("in another browser: %s", res.Status)
	}
	if res := s.visit(b, callback, "eve"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/settings?a=b&state=x%26y" {
		t.Errorf("finished: %s to %s", res.Status, res.Header.Get("Location"))
	}
	// A browser may open the address in advance, or again.
	if res := s.visit(b, callback, "eve"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/settings?a=b&state=x%26y" || s.srv.count("token") != 1 {
		t.Errorf("a second time: %s to %s", res.Status, res.Header.Get("Location"))
	}
	i, err := s.auth.Vault.Find(t.Context(), Selector{User: "eve", Tags: []string{"t"}})
	if err != nil || i.TenantID != s.tenant || i.ConnectedBy != "" {
		t.Errorf("stored %+v, %v", i, err)
	}
}

func TestAuthorizerRefuses(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	if res := s.visit(b, "/start", ""); res.StatusCode != http.StatusForbidden {
		t.Errorf("nobody: %s", res.Status)
	}
	for _, to := range []string{"https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "evil", "/a\nb", "/\tx", "http:/evil", "/" + strings.Repeat("x", 2000)} {
		if res := s.visit(b, "/start?return_to="+url.QueryEscape(to), "eve"); res.StatusCode != http.StatusBadRequest {
			t.Errorf("return_to %.30q: %s", to, res.Status)
		}
	}
	s.auth.Prepare = func(_ *http.Request, r *AuthorizeRequest) {
		r.Params = map[string]string{"redirect_uri": "https://evil.example"}
	}
	if res := s.visit(b, "/start", "eve"); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("another redirect_uri: %s", res.Status)
	}
	s.auth.Prepare = nil
	// What the service refuses is told to the finished URL.
	address, err := url.Parse(s.visit(b, "/start?state=mine", "eve").Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	res := s.visit(b, "/callback?error=access_denied&error_description=%3Cb%3Eno&state="+address.Query().Get("state"), "eve")
	if to := res.Header.Get("Location"); to != "/finished?error=access_denied&error_description=%3Cb%3Eno&state=mine" {
		t.Errorf("denied: %s", to)
	}
	s.srv.fail("exchange", 1, says(503, "text/html", "<html>"))
	s.srv.fail("token", 1, says(503, "text/html", "<html>"))
	res = s.visit(b, s.begin(b, ""), "eve")
	if to := res.Header.Get("Location"); !strings.HasPrefix(to, "/finished?error=temporarily_unavailable") {
		t.Errorf("the service is down: %s", to)
	}
	s.srv.heal()
	var store *sickStore
	sick(&store, "SaveIdentity", 1)(&s.auth.Vault.Config)
	res = s.visit(b, s.begin(b, ""), "eve")
	if to := res.Header.Get("Location"); !strings.HasPrefix(to, "/finished?error=server_error") || strings.Contains(to, "disk") {
		t.Errorf("the store fails: %s", to)
	}
	s.auth.Vault.Wait()
	s.wantLive(0)
}

// api is a service's API under /api, which takes the tokens that are alive. All
// else goes on to the service.
type api struct {
	w      *world
	next   http.RoundTripper
	calls  int
	bodies []string
}

// RoundTrip answers for the API.
func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.Path, "/api") {
		return a.next.RoundTrip(r)
	}
	a.calls++
	rec := httptest.NewRecorder()
	switch token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); {
	case !a.w.srv.alive(token):
		rec.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == "/api/away":
		http.Redirect(rec, r, "http://evil.example/", http.StatusFound)
	case r.Body != nil:
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		a.bodies = append(a.bodies, string(b))
	}
	return rec.Result(), nil
}

func TestClient(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	eve := w.connectAs(v, "eve", "")
	a := &api{w: w, next: v.HTTP.Transport}
	v.HTTP = &http.Client{Transport: a}
	client := v.Client(eve.ID)
	post := func(body io.Reader) (status int, err error) {
		res, err := client.Post(w.srv.URL+"/api/x", "text/plain", body)
		if err != nil {
			return 0, err
		}
		return res.StatusCode, res.Body.Close()
	}
	if status, err := post(strings.NewReader("one")); status != 200 || err != nil {
		t.Errorf("%d, %v", status, err)
	}
	// Refused, it is renewed and sent once more, with its body.
	w.srv.expireAccess()
	if status, err := post(strings.NewReader("two")); status != 200 || err != nil || a.calls != 3 || a.bodies[1] != "two" {
		t.Errorf("%d, %v, %d calls, %v", status, err, a.calls, a.bodies)
	}
	w.wantCalls(1)
	// A body that can't be sent again isn't.
	w.srv.expireAccess()
	if status, err := post(io.MultiReader(strings.NewReader("three"))); status != 401 || err != nil || a.calls != 4 {
		t.Errorf("%d, %v, %d calls", status, err, a.calls)
	}
	// The token is for nobody else.
	if _, err := client.Get("http://127.0.0.1:1/"); !errors.Is(err, ErrForeignRequest) {
		t.Errorf("another host: %v", err)
	}
	if _, err := client.Get(strings.Replace(w.srv.URL, "http:", "https:", 1)); !errors.Is(err, ErrForeignRequest) {
		t.Errorf("another scheme: %v", err)
	}
	if res, err := client.Get(w.srv.URL + "/api/away"); err != nil || res.StatusCode != http.StatusFound {
		t.Errorf("a redirect is followed: %v", err)
	} else {
		_ = res.Body.Close()
	}
	token, err := v.TokenSource(t.Context(), eve.ID).Token()
	if err != nil || !w.srv.alive(token.AccessToken) || token.RefreshToken != "" {
		t.Errorf("token source: %v", err)
	}
	if _, err := v.Delete(t.Context(), Selector{ID: eve.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(w.srv.URL + "/api/x"); !errors.Is(err, ErrNotConnected) {
		t.Errorf("deleted: %v", err)
	}
	if _, err := v.TokenSource(t.Context(), eve.ID).Token(); !errors.Is(err, ErrNotConnected) {
		t.Errorf("deleted: %v", err)
	}
}

// secure answers a request with one of an Authorizer's handlers, as over https.
func secure(handler http.HandlerFunc, target string, cookies ...*http.Cookie) *http.Response {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("X-User", "eve")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	handler(rec, r)
	return rec.Result()
}

// Another host of the same domain can plant a cookie, and would have somebody else
// finish what it began: browsers let it plant none with this prefix.
func TestAuthorizersCookieCantBePlanted(t *testing.T) {
	s := newSite(t)
	s.auth.Insecure = false
	begun := secure(s.auth.Start, "/start")
	set := begun.Cookies()
	if len(set) != 1 || !strings.HasPrefix(set[0].Name, "__Host-") || !set[0].Secure || set[0].Path != "/" || set[0].Domain != "" || !set[0].HttpOnly {
		t.Fatalf("cookies: %v", set)
	}
	callback := "/callback?" + s.srv.consent(begun.Header.Get("Location")).Encode()
	planted := &http.Cookie{Name: strings.TrimPrefix(set[0].Name, "__Host-"), Value: set[0].Value}
	if res := secure(s.auth.Callback, callback, planted); res.StatusCode != http.StatusBadRequest {
		t.Errorf("with a planted cookie: %s", res.Status)
	}
	if res := secure(s.auth.Callback, callback, set[0]); res.StatusCode != http.StatusSeeOther {
		t.Errorf("with the cookie: %s", res.Status)
	}
}

// Another site can't make a browser begin, which might end without a word where
// the browser is logged in at the service: as the attacker, say.
func TestAuthorizerBeginsForNoOtherSite(t *testing.T) {
	s := newSite(t)
	for site, want := range map[string]int{"cross-site": http.StatusForbidden, "same-site": http.StatusSeeOther, "same-origin": http.StatusSeeOther, "none": http.StatusSeeOther} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequest(method, "/start", nil)
			r.Header.Set("X-User", "eve")
			r.Header.Set("Sec-Fetch-Site", site)
			rec := httptest.NewRecorder()
			s.auth.Start(rec, r)
			if rec.Code != want || want == http.StatusForbidden && len(rec.Result().Cookies()) > 0 {
				t.Errorf("%s from %s: %d", method, site, rec.Code)
			}
		}
	}
}

// Who logs in to the application after somebody else in the same browser doesn't end
// what that one began, and give them an identity.
func TestAuthorizerEndsForWhoBegan(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	if res := s.visit(b, s.begin(b, ""), "joe"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("somebody else: %s", res.Status)
	}
	// Users of two tenants may be called the same.
	callback := s.begin(b, "")
	back := s.inTenant(s.addTenant("fabrikam"))
	if res := s.visit(b, callback, "eve"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("another tenant's user: %s", res.Status)
	}
	back()
	s.wantLive(0)
	// A log-in whose cookie doesn't come along from another site tells nothing.
	if res := s.visit(b, s.begin(b, ""), ""); res.StatusCode != http.StatusSeeOther {
		t.Errorf("nobody knows who: %s", res.Status)
	}
	if _, err := s.auth.Vault.Find(t.Context(), Selector{User: "eve"}); err != nil {
		t.Error(err)
	}
}

// Some services say in the callback where to go on; nobody else's host is taken.
func TestAuthorizerHandsOnWhatTheCallbackSays(t *testing.T) {
	s := newSite(t)
	service := s.auth.Vault.services[Salesforce]
	service.LoginParam = "accounts-server"
	s.auth.Vault.services[Salesforce] = service
	b := s.browser()
	for server, want := range map[string]string{"https://evil.example": "/finished?error=" + CodeForeignHost, s.srv.URL: "/finished"} {
		callback := s.begin(b, "") + "&accounts-server=" + url.QueryEscape(server)
		if to := s.visit(b, callback, "eve").Header.Get("Location"); to != want {
			t.Errorf("with %s it ends at %s, want %s", server, to, want)
		}
	}
}

// The cookie lasts as long as what was begun last, and what was begun before in
// another tab can still be finished.
func TestAuthorizersCookieLastsForTheLast(t *testing.T) {
	s := newSite(t)
	first := secure(s.auth.Start, "/start")
	cookie := first.Cookies()[0]
	second := secure(s.auth.Start, "/start", cookie)
	if set := second.Cookies(); len(set) != 1 || set[0].Value != cookie.Value || set[0].MaxAge != int(handshakeLife.Seconds()) {
		t.Errorf("beginning again sets %v", set)
	}
	for _, begun := range []*http.Response{second, first} {
		if res := secure(s.auth.Callback, "/callback?"+s.srv.consent(begun.Header.Get("Location")).Encode(), cookie); res.StatusCode != http.StatusSeeOther {
			t.Errorf("finished: %s", res.Status)
		}
	}
	strange := &http.Cookie{Name: cookie.Name, Value: strings.Repeat("x", 5000)}
	if set := secure(s.auth.Start, "/start", strange).Cookies(); len(set) != 1 || set[0].Value == strange.Value {
		t.Error("a cookie that can't be ours is kept")
	}
}

// A failure of ours isn't told as one of the visitor's, and is logged.
func TestAuthorizerTellsItsOwnFailure(t *testing.T) {
	var log strings.Builder
	s := newSite(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	b := s.browser()
	callback := s.begin(b, "")
	store := s.auth.Vault.Store
	s.auth.Vault.setStore(lostHandshakes{store})
	if res := s.visit(b, callback, "eve"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the store fails: %s", res.Status)
	}
	if !strings.Contains(log.String(), errDisk.Error()) {
		t.Errorf("logged: %s", log.String())
	}
	s.auth.Vault.setStore(store)
	if res := s.visit(b, callback, "eve"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("tried again: %s", res.Status)
	}
	s.auth.FinishedURL = ""
	if to := s.visit(b, s.begin(b, ""), "eve").Header.Get("Location"); to != "/" {
		t.Errorf("without a finished URL: to %q", to)
	}
}

type lostHandshakes struct{ Store }

func (lostHandshakes) TakeHandshake(context.Context, string, string, string) (db.Handshake, error) {
	return db.Handshake{}, errDisk
}
