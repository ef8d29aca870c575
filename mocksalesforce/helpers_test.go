package mocksalesforce_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatepost/mocksalesforce"
	"gatepost/simulated/simulatedtest"
)

const (
	clientID = "3MVG9test"
	secret   = "s3cret"
	callback = "https://app.example/callback"
	verifier = "0123456789-0123456789-0123456789-0123456789-x"
	api      = "/services/data/v67.0"
)

// world is a simulated Salesforce under test.
type world struct {
	t    *testing.T
	url  string
	data string
	sf   *mocksalesforce.Server
	http *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, data: filepath.Join(t.TempDir(), "salesforce.db")}
	w.start()
	if err := w.sf.AddClient(t.Context(), mocksalesforce.Client{ID: clientID, Secret: secret, RedirectURIs: []string{callback}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	return w
}

func (w *world) start() {
	sf, err := mocksalesforce.Open(w.t.Context(), mocksalesforce.Options{Data: w.data})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sf, w.http = sf, httptest.NewServer(sf.Handler())
	w.url = w.http.URL
}

func (w *world) stop() {
	w.http.Close()
	if err := w.sf.Close(); err != nil {
		w.t.Error(err)
	}
}

// withinADay waits while a day of UTC is about to end: calls are counted by the day, and
// records are found by it.
func withinADay() {
	if left := time.Until(time.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)); left < time.Minute {
		time.Sleep(left)
	}
}

// answer is a response with its body.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// at returns what lies at a path such as "0.errorCode" in the JSON body.
func (a answer) at(path string) any {
	a.t.Helper()
	return simulatedtest.At(a.t, a.body, path)
}

func (a answer) str(path string) string { a.t.Helper(); s, _ := a.at(path).(string); return s }
func (a answer) num(path string) int    { a.t.Helper(); n, _ := a.at(path).(float64); return int(n) }

// is fails the test unless the status is as wanted, and the error code too when given.
func (a answer) is(status int, code string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if code == "" {
		return a
	}
	got := a.str("0.errorCode")
	if strings.HasPrefix(a.body, "{") {
		got = a.str("error")
	}
	if got != code {
		a.t.Fatalf("code %q, want %q: %s", got, code, a.body)
	}
	return a
}

func (w *world) send(r *http.Request) (answer, error) {
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{w.t, resp.StatusCode, resp.Header, string(body)}, err
}

func (w *world) request(method, path, token, body string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func (w *world) call(method, path, token, body string) answer {
	w.t.Helper()
	a, err := w.send(w.request(method, path, token, body))
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) control(path, body string) answer {
	w.t.Helper()
	return w.call("POST", "/_control/"+path, "", body).is(200, "")
}

func (w *world) stat(name string) int {
	w.t.Helper()
	return w.call("GET", "/_control/stats", "", "").num(name)
}

func (w *world) form(path string, pairs ...string) answer {
	w.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	r := w.request("POST", path, "", v.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := w.send(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// tokens is a token response.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func (a answer) tokens() tokens {
	a.t.Helper()
	var v tokens
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || v.Access == "" {
		a.t.Fatalf("status %d, no tokens: %s", a.status, a.body)
	}
	return v
}

func (w *world) session(body string) tokens {
	w.t.Helper()
	return w.control("session", body).tokens()
}

func (w *world) refresh(token string) answer {
	w.t.Helper()
	return w.form("/services/oauth2/token", "grant_type", "refresh_token", "refresh_token", token, "client_id", clientID, "client_secret", secret)
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ask is the query of a good authorize request, changed by pairs; an empty value removes.
func ask(pairs ...string) url.Values {
	v := url.Values{"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {callback}, "scope": {"api id refresh_token"},
		"state": {"a b&c"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(pairs); i += 2 {
		if v.Del(pairs[i]); pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

// browser is a person's: it keeps cookies and follows redirects within the mock.
type browser struct {
	w *world
	c *http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w, &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), w.url) {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

func (b *browser) do(resp *http.Response, err error) answer {
	b.w.t.Helper()
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return answer{b.w.t, resp.StatusCode, resp.Header, string(body)}
}

func (b *browser) get(path string) answer {
	b.w.t.Helper()
	return b.do(b.c.Get(b.w.url + path))
}

func (b *browser) post(path string, v url.Values) answer {
	b.w.t.Helper()
	return b.do(b.c.PostForm(b.w.url+path, v))
}

func (b *browser) authorize(pairs ...string) answer {
	b.w.t.Helper()
	return b.get("/services/oauth2/authorize?" + ask(pairs...).Encode())
}

var hidden = regexp.MustCompile(`name="(id|startURL)" value="([^"]*)"`)

func (a answer) hidden() string {
	a.t.Helper()
	m := hidden.FindStringSubmatch(a.body)
	if m == nil {
		a.t.Fatalf("no form in %s", a.body)
	}
	return html.UnescapeString(m[2])
}

func (b *browser) login(page answer, username, password string) answer {
	b.w.t.Helper()
	return b.post("/login", url.Values{"startURL": {page.hidden()}, "username": {username}, "password": {password}})
}

// decide answers the consent page and returns the query of the address it leads to.
func (b *browser) decide(page answer, decision string) url.Values {
	b.w.t.Helper()
	a := b.post("/setup/secur/RemoteAccessAuthorizationPage.apexp", url.Values{"id": {page.hidden()}, "decision": {decision}}).is(302, "")
	return a.location()
}

func (a answer) location() url.Values {
	a.t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || !strings.HasPrefix(u.String(), callback+"?") {
		a.t.Fatalf("location %q", a.header.Get("Location"))
	}
	return u.Query()
}

// code walks the whole way to an authorization code.
func (w *world) code(pairs ...string) string {
	w.t.Helper()
	b := w.browser()
	consent := b.login(b.authorize(pairs...), "john@contoso.example", "salesforce")
	return b.decide(consent, "allow").Get("code")
}

func (w *world) redeem(code string, pairs ...string) answer {
	w.t.Helper()
	all := append([]string{"grant_type", "authorization_code", "code", code, "client_id", clientID, "client_secret", secret,
		"redirect_uri", callback, "code_verifier", verifier}, pairs...)
	return w.form("/services/oauth2/token", all...)
}

func (w *world) query(token, soql string) answer {
	w.t.Helper()
	return w.call("GET", api+"/query?q="+url.QueryEscape(soql), token, "")
}
