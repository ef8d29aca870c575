package mockzoho_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gatepost/mockzoho"
	"gatepost/simulated/simulatedtest"
)

const (
	clientID = "1000.GATEPOST"
	secret   = "shh"
	callback = "http://localhost:9/callback"
	scope    = "ZohoCRM.modules.contacts.ALL,ZohoCRM.coql.READ"
	api      = "/crm/v8"
)

var anotherClient = mockzoho.Client{ID: "1000.ANOTHER", Secret: "another", RedirectURIs: []string{callback}}

// world is a simulated Zoho CRM under test.
type world struct {
	t    *testing.T
	port string
	data string
	zoho *mockzoho.Server
	http *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	w := &world{t: t, data: filepath.Join(t.TempDir(), "zoho.db")}
	w.start()
	w.register(secret)
	t.Cleanup(w.stop)
	return w
}

func (w *world) start() {
	zoho, err := mockzoho.Open(w.t.Context(), mockzoho.Options{Data: w.data})
	if err != nil {
		w.t.Fatal(err)
	}
	w.zoho, w.http = zoho, httptest.NewServer(zoho.Handler())
	_, w.port, _ = net.SplitHostPort(w.http.Listener.Addr().String())
}

func (w *world) stop() {
	w.http.Close()
	if err := w.zoho.Close(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) register(secret string) {
	w.t.Helper()
	if err := w.zoho.AddClient(w.t.Context(), mockzoho.Client{ID: clientID, Secret: secret, RedirectURIs: []string{callback}}); err != nil {
		w.t.Fatal(err)
	}
}

// at is the address of a host: "" is the first data centre's, "eu" is eu.localhost.
func (w *world) at(name string) string {
	if name == "" {
		return "http://127.0.0.1:" + w.port
	}
	return "http://" + name + ".localhost:" + w.port
}

// client dials this machine, whatever the host is called.
func client() *http.Client {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(addr)
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is a response with its body.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// path returns what lies at a path such as "data.0.code" in the JSON body.
func (a answer) path(path string) any {
	a.t.Helper()
	return simulatedtest.At(a.t, a.body, path)
}

func (a answer) str(path string) string { a.t.Helper(); s, _ := a.path(path).(string); return s }
func (a answer) num(path string) int    { a.t.Helper(); n, _ := a.path(path).(float64); return int(n) }
func (a answer) len(path string) int    { a.t.Helper(); n, _ := a.path(path).([]any); return len(n) }

// is fails the test unless the status is as wanted, and the code of the call too when given.
func (a answer) is(status int, code string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if code != "" && a.str("code") != code {
		a.t.Fatalf("code %q, want %q: %s", a.str("code"), code, a.body)
	}
	return a
}

// row fails the test unless a row has a code.
func (a answer) row(n int, code string) answer {
	a.t.Helper()
	if got := a.str(fmt.Sprintf("data.%d.code", n)); got != code {
		a.t.Fatalf("row %d: %q, want %q: %s", n, got, code, a.body)
	}
	return a
}

// says fails the test unless something in the body is as wanted, in the words of fmt.
func (a answer) says(path string, want any) answer {
	a.t.Helper()
	if got := a.path(path); fmt.Sprint(got) != fmt.Sprint(want) {
		a.t.Fatalf("%s is %v, want %v: %s", path, got, want, a.body)
	}
	return a
}

// id is the id in a row.
func (a answer) id(n int) string {
	a.t.Helper()
	id := a.str(fmt.Sprintf("data.%d.details.id", n))
	if id == "" {
		a.t.Fatalf("no id in row %d: %s", n, a.body)
	}
	return id
}

func (w *world) send(r *http.Request) (answer, error) {
	resp, err := client().Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{w.t, resp.StatusCode, resp.Header, string(body)}, err
}

func (w *world) request(method, address, token, body string) *http.Request {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context()) // what a test cleans up is sent after it
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Zoho-oauthtoken "+token)
	}
	return r
}

func (w *world) sent(r *http.Request) answer {
	w.t.Helper()
	a, err := w.send(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) call(method, path, token, body string) answer {
	w.t.Helper()
	return w.sent(w.request(method, w.at("")+path, token, body))
}

// control makes a control call; path may have ?org=.
func (w *world) control(path, body string) answer {
	w.t.Helper()
	return w.call("POST", "/_control/"+path, "", body).is(200, "")
}

func (w *world) settings(body string) { w.t.Helper(); w.control("settings", body) }

func (w *world) advance(seconds int) {
	w.t.Helper()
	w.control("clock", fmt.Sprintf(`{"advance_ms":%d000}`, seconds))
}

func (w *world) stat(name string) int {
	w.t.Helper()
	return w.call("GET", "/_control/stats", "", "").is(200, "").num(name)
}

// form posts fields to an address.
func (w *world) form(address string, pairs ...string) answer {
	w.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	r := w.request("POST", address, "", v.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.sent(r)
}

// tokens is a token response, with what a session tells beside it.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	API     string `json:"api_domain"`
	Org     string `json:"org"`
}

func (a answer) tokens() tokens {
	a.t.Helper()
	var v tokens
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || v.Access == "" {
		a.t.Fatalf("status %d, no tokens: %s", a.status, a.body)
	}
	return v
}

// session is a token for John at Contoso; body may ask for another.
func (w *world) session(body string) tokens {
	w.t.Helper()
	return w.control("session", body).tokens()
}

// refresh renews an access token at a data centre.
func (w *world) refresh(centre, token string, pairs ...string) answer {
	w.t.Helper()
	all := append([]string{"grant_type", "refresh_token", "refresh_token", token, "client_id", clientID, "client_secret", secret}, pairs...)
	return w.form(w.at(centre)+"/oauth/v2/token", all...)
}

// redeem exchanges a code at a data centre.
func (w *world) redeem(centre, code string, pairs ...string) answer {
	w.t.Helper()
	all := append([]string{"grant_type", "authorization_code", "code", code, "client_id", clientID, "client_secret", secret, "redirect_uri", callback}, pairs...)
	return w.form(w.at(centre)+"/oauth/v2/token", all...)
}

// refused fails the test unless the token end point says an error, under HTTP 200.
func (a answer) refused(code string) answer {
	a.t.Helper()
	if a.status != 200 || a.str("error") != code || a.path("access_token") != nil {
		a.t.Fatalf("status %d, want 200 and %s: %s", a.status, code, a.body)
	}
	return a
}

func (a answer) throttled(status int) answer {
	a.t.Helper()
	if a.status != status || a.str("status") != "failure" || a.str("error") == "" || a.str("error_description") == "" || a.path("access_token") != nil {
		a.t.Fatalf("status %d, want %d and failure: %s", a.status, status, a.body)
	}
	return a
}

// browser is a person's: it keeps cookies and follows redirects within the data centres.
type browser struct {
	w  *world
	c  *http.Client
	at string // the host of the last page
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	c := client()
	c.Jar = jar
	c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Port() != w.port {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &browser{w: w, c: c}
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
	b.at = "http://" + resp.Request.URL.Host
	return answer{b.w.t, resp.StatusCode, resp.Header, string(body)}
}

func (b *browser) get(address string) answer { b.w.t.Helper(); return b.do(b.c.Get(address)) }

// ask is the query of a good request for authorization, changed by pairs; an empty value removes.
func ask(pairs ...string) string {
	v := url.Values{"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {callback}, "scope": {scope},
		"access_type": {"offline"}, "prompt": {"consent"}, "state": {"a b&c"}}
	for i := 0; i < len(pairs); i += 2 {
		if v.Del(pairs[i]); pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return "/oauth/v2/auth?" + v.Encode()
}

var hidden = regexp.MustCompile(`name="(?:id|startURL)" value="([^"]*)"`)

func (a answer) hidden() string {
	a.t.Helper()
	m := hidden.FindStringSubmatch(a.body)
	if m == nil {
		a.t.Fatalf("no form in %s", a.body)
	}
	return html.UnescapeString(m[1])
}

// login logs in on a page that asks for it.
func (b *browser) login(page answer, username string) answer {
	b.w.t.Helper()
	return b.do(b.c.PostForm(b.at+"/login", url.Values{"startURL": {page.hidden()}, "username": {username}, "password": {"zoho"}}))
}

// choose follows the link with a name on a page.
func (b *browser) choose(page answer, name string) answer {
	b.w.t.Helper()
	m := regexp.MustCompile(`<a href="([^"]*)">` + name + ` <`).FindStringSubmatch(page.body)
	if m == nil {
		b.w.t.Fatalf("no %s in %s", name, page.body)
	}
	return b.get(b.at + html.UnescapeString(m[1]))
}

// decide answers the consent page and returns the query of the callback.
func (b *browser) decide(page answer, decision string) url.Values {
	b.w.t.Helper()
	return b.do(b.c.PostForm(b.at+"/oauth/v2/approve", url.Values{"id": {page.hidden()}, "decision": {decision}})).callback()
}

func (a answer) callback() url.Values {
	a.t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != 302 || !strings.HasPrefix(u.String(), callback+"?") {
		a.t.Fatalf("status %d, location %q: %s", a.status, a.header.Get("Location"), a.body)
	}
	return u.Query()
}

// code walks the whole way to an authorization code of Jane, who has one org.
func (w *world) code(pairs ...string) string {
	w.t.Helper()
	b := w.browser()
	return b.decide(b.login(b.get(w.at("")+ask(pairs...)), "jane@fabrikam.example"), "allow").Get("code")
}

func (w *world) query(token, coql string) answer {
	w.t.Helper()
	body, err := json.Marshal(map[string]string{"select_query": coql})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.call("POST", api+"/coql", token, string(body))
}

// add inserts contacts that are written as JSON, with no workflows, and returns the answer.
func (w *world) add(token string, rows ...string) answer {
	w.t.Helper()
	return w.call("POST", api+"/Contacts", token, `{"trigger":[],"data":[`+strings.Join(rows, ",")+`]}`)
}

// upsert does the same by e-mail address.
func (w *world) upsert(token string, rows ...string) answer {
	w.t.Helper()
	return w.call("POST", api+"/Contacts/upsert", token, `{"trigger":[],"duplicate_check_fields":["Email"],"data":[`+strings.Join(rows, ",")+`]}`)
}

// change updates one contact.
func (w *world) change(token, id, fields string) answer {
	w.t.Helper()
	return w.call("PUT", api+"/Contacts/"+id, token, `{"trigger":[],"data":[`+fields+`]}`)
}

// person is the JSON of a contact.
func person(last, email string) string {
	return fmt.Sprintf(`{"Last_Name":%q,"Email":%q}`, last, email)
}

// cut reports whether a call ended without an answer.
func cut(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
