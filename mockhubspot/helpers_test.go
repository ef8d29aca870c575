package mockhubspot_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatepost/mockhubspot"
	"gatepost/simulated/simulatedtest"
)

const (
	clientID = "0c0a7e57-1111-4111-8111-111111111111"
	secret   = "s3cret"
	callback = "https://app.example/callback"
	verifier = "0123456789-0123456789-0123456789-0123456789-x"
	contacts = "/crm/objects/2026-09/contacts"
	tokenURL = "/oauth/2026-09/token"
	scopes   = "oauth crm.objects.contacts.read crm.objects.contacts.write"
	contoso  = "62515"
	sandbox  = "62516"
	fabrikam = "62517"
)

// world is a simulated HubSpot under test.
type world struct {
	t    *testing.T
	url  string
	data string
	hs   *mockhubspot.Server
	http *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, data: filepath.Join(t.TempDir(), "hubspot.db")}
	w.start()
	if err := w.hs.AddClient(t.Context(), mockhubspot.Client{ID: clientID, Secret: secret, RedirectURIs: []string{callback, "http://app.example/plain"}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	return w
}

func (w *world) start() {
	hs, err := mockhubspot.Open(w.t.Context(), mockhubspot.Options{Data: w.data})
	if err != nil {
		w.t.Fatal(err)
	}
	w.hs, w.http = hs, httptest.NewServer(hs.Handler())
	w.url = w.http.URL
}

func (w *world) stop() {
	w.http.Close()
	if err := w.hs.Close(); err != nil {
		w.t.Error(err)
	}
}

// answer is a response with its body.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// at returns what lies at a path such as "errors.0.category" in the JSON body.
func (a answer) at(path string) any {
	a.t.Helper()
	return simulatedtest.At(a.t, a.body, path)
}

func (a answer) str(path string) string { a.t.Helper(); s, _ := a.at(path).(string); return s }
func (a answer) num(path string) int    { a.t.Helper(); n, _ := a.at(path).(float64); return int(n) }

// list returns the texts of a list.
func (a answer) list(path string) (all []string) {
	a.t.Helper()
	values, _ := a.at(path).([]any)
	for _, v := range values {
		all = append(all, fmt.Sprint(v))
	}
	return all
}

// results returns how many results a batch has, and errors.
func (a answer) results() (good, bad int) {
	a.t.Helper()
	results, _ := a.at("results").([]any)
	errs, _ := a.at("errors").([]any)
	if len(errs) > 0 && a.num("numErrors") != len(errs) {
		a.t.Errorf("numErrors is %d for %d", a.num("numErrors"), len(errs))
	}
	return len(results), len(errs)
}

// of returns the result or error of a batch whose member at path is value, as an answer.
func (a answer) of(list, path, value string) answer {
	a.t.Helper()
	values, _ := a.at(list).([]any)
	for _, v := range values {
		text, err := json.Marshal(v)
		if err != nil {
			a.t.Fatal(err)
		}
		if one := (answer{a.t, a.status, a.header, string(text)}); fmt.Sprint(one.at(path)) == value {
			return one
		}
	}
	a.t.Fatalf("nothing in %s has %q at %s: %s", list, value, path, a.body)
	return a
}

// is fails the test unless the status is as wanted, and the category (or the status of a
// token end point) too when given.
func (a answer) is(status int, category string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if category == "" {
		return a
	}
	got := a.str("category")
	if a.at("error_description") != nil {
		got = a.str("status")
	}
	if got != category {
		a.t.Fatalf("category %q, want %q: %s", got, category, a.body)
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

// pass lets time go by.
func (w *world) pass(ms int) {
	w.t.Helper()
	w.control("clock", fmt.Sprintf(`{"advance_ms":%d}`, ms))
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

// app sends a form with the credentials of the app, changed by pairs.
func (w *world) app(path string, pairs ...string) answer {
	w.t.Helper()
	return w.form(path, append([]string{"client_id", clientID, "client_secret", secret}, pairs...)...)
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

// api is the API of an account.
type api struct {
	w *world
	tokens
}

func (w *world) api() api { w.t.Helper(); return api{w, w.session("")} }

func (c api) get(path string) answer { c.w.t.Helper(); return c.w.call("GET", path, c.Access, "") }

func (c api) post(path, body string) answer {
	c.w.t.Helper()
	return c.w.call("POST", path, c.Access, body)
}

func (c api) patch(path, body string) answer {
	c.w.t.Helper()
	return c.w.call("PATCH", path, c.Access, body)
}

func (c api) delete(path string) answer {
	c.w.t.Helper()
	return c.w.call("DELETE", path, c.Access, "")
}

func (c api) batch(kind, body string) answer {
	c.w.t.Helper()
	return c.post(contacts+"/batch/"+kind, body)
}

// add makes a contact and returns its id.
func (c api) add(properties string) string {
	c.w.t.Helper()
	return c.post(contacts, `{"properties":`+properties+`}`).is(201, "").str("id")
}

func (w *world) refresh(token string) answer {
	w.t.Helper()
	return w.app(tokenURL, "grant_type", "refresh_token", "refresh_token", token)
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// asked is the query of a good authorize request, changed by pairs; an empty value removes.
func asked(pairs ...string) url.Values {
	v := url.Values{"client_id": {clientID}, "redirect_uri": {callback}, "scope": {scopes}, "state": {"a b&c"}}
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

var hidden = regexp.MustCompile(`name="(id|startURL)" value="([^"]*)"`)

func (a answer) hidden() string {
	a.t.Helper()
	m := hidden.FindStringSubmatch(a.body)
	if m == nil {
		a.t.Fatalf("no form in %s", a.body)
	}
	return html.UnescapeString(m[2])
}

// authorize goes to an account's consent page as a person who logs in.
func (b *browser) authorize(username, account string, pairs ...string) answer {
	b.w.t.Helper()
	page := b.get("/oauth/"+account+"/authorize?"+asked(pairs...).Encode()).is(200, "")
	return b.post("/login", url.Values{"startURL": {page.hidden()}, "username": {username}, "password": {"hubspot"}})
}

// decide answers the consent page and returns the query of the address it leads to.
func (b *browser) decide(page answer, decision string) url.Values {
	b.w.t.Helper()
	a := b.post("/oauth/decision", url.Values{"id": {page.hidden()}, "decision": {decision}}).is(302, "")
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || !strings.HasPrefix(u.String(), callback+"?") {
		b.w.t.Fatalf("location %q", a.header.Get("Location"))
	}
	return u.Query()
}

// code walks the whole way to an authorization code.
func (w *world) code(pairs ...string) string {
	w.t.Helper()
	b := w.browser()
	return b.decide(b.authorize("john@contoso.example", contoso, pairs...), "allow").Get("code")
}

func (w *world) redeem(code string, pairs ...string) answer {
	w.t.Helper()
	return w.app(tokenURL, append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", callback}, pairs...)...)
}

// inputs writes a batch of new contacts, each with the trace id and the address of its number.
func inputs(from, n int) string {
	var list []string
	for i := from; i < from+n; i++ {
		list = append(list, fmt.Sprintf(`{"objectWriteTraceId":"%d","properties":{"email":"p%d@example.com"}}`, i, i))
	}
	return `{"inputs":[` + strings.Join(list, ",") + `]}`
}

func sorted(list []string) []string { slices.Sort(list); return list }
