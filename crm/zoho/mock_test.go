package zoho_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gatepost/crm"
	"gatepost/crm/zoho"
	"gatepost/mockzoho"
)

// scopes are those that the registry asks for.
const scopes = "ZohoCRM.modules.contacts.ALL,ZohoCRM.modules.leads.ALL,ZohoCRM.coql.READ,ZohoCRM.settings.fields.READ,ZohoCRM.settings.layouts.READ," +
	"ZohoCRM.settings.modules.READ,ZohoCRM.org.READ,ZohoCRM.users.READ,ZohoSearch.securesearch.READ"

// world is a simulated Zoho CRM with a session of it, which is renewed as the vault does.
type world struct {
	t    *testing.T
	http *httptest.Server

	mu       sync.Mutex
	session  zoho.Session
	refresh  string
	renewals int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	mock, err := mockzoho.Open(t.Context(), mockzoho.Options{Data: filepath.Join(t.TempDir(), "zoho.db")})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, http: httptest.NewServer(mock.Handler())}
	t.Cleanup(func() {
		w.http.Close()
		if err := mock.Close(); err != nil {
			t.Error(err)
		}
	})
	w.login("", scopes)
	return w
}

// login takes a session of a user, the first one when the name is empty.
func (w *world) login(username, scope string) {
	w.t.Helper()
	var v struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		API     string `json:"api_domain"`
	}
	w.control("session", fmt.Sprintf(`{"username":%q,"scope":%q}`, username, scope), &v)
	w.session = zoho.Session{AccessToken: v.Access, InstanceURL: v.API, Generation: w.session.Generation + 1}
	w.refresh = v.Refresh
}

// Session implements zoho.Source.
func (w *world) Session(_ context.Context, refused int64) (zoho.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if refused != w.session.Generation {
		return w.session, nil
	}
	w.renewals++
	resp, err := http.PostForm(w.http.URL+"/oauth/v2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.refresh}, "client_id": {"1000.CONTROL"}, "client_secret": {"control"}})
	if err != nil {
		return zoho.Session{}, err
	}
	var v struct {
		Access string `json:"access_token"`
	}
	w.read(resp, &v)
	if v.Access == "" {
		return zoho.Session{}, &crm.Failure{Class: crm.Connection, Code: crm.Broken}
	}
	w.session.AccessToken, w.session.Generation = v.Access, w.session.Generation+1
	return w.session, nil
}

func (w *world) read(resp *http.Response, into any) {
	w.t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("status %d, %v: %s", resp.StatusCode, err, body)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			w.t.Fatal(err)
		}
	}
}

// control makes a control call.
func (w *world) control(path, body string, into any) {
	w.t.Helper()
	resp, err := http.Post(w.http.URL+"/_control/"+path, "application/json", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	w.read(resp, into)
}

func (w *world) settings(body string) { w.t.Helper(); w.control("settings", body, nil) }
func (w *world) profile(body string)  { w.t.Helper(); w.control("profile", body, nil) }
func (w *world) advance(seconds int) {
	w.t.Helper()
	w.control("clock", fmt.Sprintf(`{"advance_ms":%d000}`, seconds), nil)
}

// hand does something to a record by hand and returns the id of what is there then.
func (w *world) hand(do, id, more string) string {
	w.t.Helper()
	module, number, ok := strings.Cut(id, "/")
	if !ok {
		module = id
	}
	var left struct{ ID, Module string }
	w.control("records", fmt.Sprintf(`{"do":%q,"module":%q,"id":%q%s}`, do, module, number, more), &left)
	return left.Module + "/" + left.ID
}

// make makes a record of a module by hand.
func (w *world) make(module, email, first, last string) string {
	w.t.Helper()
	return w.hand("create", module, fmt.Sprintf(`,"fields":{"Email":%q,"First_Name":%q,"Last_Name":%q}`, email, first, last))
}

type stats struct {
	Calls                               map[string]int
	Contacts, Leads, Refreshes, Credits int
	APICalls                            int `json:"api_calls"`
	Most                                int `json:"per_email_max"`
}

func (w *world) stats() (v stats) {
	w.t.Helper()
	resp, err := http.Get(w.http.URL + "/_control/stats")
	if err != nil {
		w.t.Fatal(err)
	}
	w.read(resp, &v)
	return v
}

// open opens a client. Requests go through the transports, the first one seeing them first.
func (w *world) open(o zoho.Options, through ...func(*http.Request, http.RoundTripper) (*http.Response, error)) *zoho.Client {
	w.t.Helper()
	c, err := w.tryOpen(o, through...)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) tryOpen(o zoho.Options, through ...func(*http.Request, http.RoundTripper) (*http.Response, error)) (*zoho.Client, error) {
	rt := http.DefaultTransport
	for _, f := range through {
		rt = via{f, rt}
	}
	return zoho.Open(w.t.Context(), w, &http.Client{Transport: rt}, o)
}

// via is a transport that may answer by itself.
type via struct {
	do   func(*http.Request, http.RoundTripper) (*http.Response, error)
	next http.RoundTripper
}

func (v via) RoundTrip(r *http.Request) (*http.Response, error) { return v.do(r, v.next) }

// said is an answer that a test makes up.
func said(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
}

// answering has calls of a path, as PUT /Contacts, answered by a test.
func answering(call string, status int, body string) func(*http.Request, http.RoundTripper) (*http.Response, error) {
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.Method+" "+strings.TrimPrefix(r.URL.Path, "/crm/v8") != call {
			return next.RoundTrip(r)
		}
		return said(status, body), nil
	}
}

// seen keeps the requests that pass, with their bodies.
type seen struct {
	mu     sync.Mutex
	calls  []string
	bodies []string
	header []http.Header
}

func (s *seen) pass(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.calls = append(s.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/crm/v8"))
	s.bodies, s.header = append(s.bodies, string(body)), append(s.header, r.Header)
	s.mu.Unlock()
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	return next.RoundTrip(r)
}

// last is the body of the last call of a path.
func (s *seen) last(call string) string {
	for i := len(s.calls) - 1; i >= 0; i-- {
		if s.calls[i] == call {
			return s.bodies[i]
		}
	}
	return ""
}

func (s *seen) count(call string) (n int) {
	for _, c := range s.calls {
		if c == call {
			n++
		}
	}
	return n
}

func person(email, first, last string) crm.Write {
	return crm.Write{Fields: crm.Fields{crm.Email: email, crm.FirstName: first, crm.LastName: last}}
}

// write writes, and fails the test when the call fails.
func (w *world) write(c *zoho.Client, o crm.Options, writes ...crm.Write) []crm.Result {
	w.t.Helper()
	results, err := c.Write(w.t.Context(), writes, o)
	if err != nil || len(results) != len(writes) {
		w.t.Fatalf("%+v, %v", results, err)
	}
	return results
}

func (w *world) find(c *zoho.Client, o crm.Options, emails ...string) map[string][]crm.Record {
	w.t.Helper()
	found, err := c.Find(w.t.Context(), emails, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// failure is an error as a failure of a class and code.
func failure(t *testing.T, err error, class crm.Class, code string) *crm.Failure {
	t.Helper()
	if err == nil {
		t.Fatalf("no failure, want %s %s", class, code)
	}
	f := crm.Failed(err)
	if f.Class != class || f.Code != code {
		t.Errorf("%+v, want %s %s", f, class, code)
	}
	return f
}
