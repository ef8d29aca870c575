package hubspot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/crm/hubspot"
	"gatepost/mockhubspot"
)

// world is a simulated HubSpot with a client of it.
type world struct {
	*hubspot.Client
	t        *testing.T
	url      string
	late     time.Duration // how far the client's clock goes ahead
	mu       sync.Mutex
	session  hubspot.Session
	renewals int
	ended    bool
	sent     []sentCall
}

// sentCall is a call that the client made.
type sentCall struct {
	method, path, body string
	header             http.Header
}

const contactsPath = "/crm/objects/2026-09/contacts"

func newWorld(t *testing.T) *world {
	t.Helper()
	mock, err := mockhubspot.Open(t.Context(), mockhubspot.Options{Data: filepath.Join(t.TempDir(), "hubspot.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mock.Close() })
	srv := httptest.NewServer(mock.Handler())
	t.Cleanup(srv.Close)
	w := &world{t: t, url: srv.URL}
	w.renew()
	w.Client = w.open(hubspot.Options{})
	return w
}

// open opens a client of the simulated HubSpot.
func (w *world) open(o hubspot.Options) *hubspot.Client {
	w.t.Helper()
	o.APIURL, o.Now = w.url, func() time.Time { return time.Now().Add(w.late) }
	c, err := hubspot.Open(w.t.Context(), w, &http.Client{Transport: w}, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// RoundTrip keeps what is sent.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.sent = append(w.sent, sentCall{r.Method, r.URL.RequestURI(), string(body), r.Header})
	w.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	return http.DefaultTransport.RoundTrip(r)
}

// paths are what was called since a number of calls: the last part of each path.
func (w *world) paths(since int) (all []string) {
	for _, s := range w.sent[since:] {
		all = append(all, s.path[strings.LastIndexByte(s.path, '/')+1:])
	}
	return all
}

// Session implements hubspot.Source.
func (w *world) Session(_ context.Context, refused int64) (hubspot.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return hubspot.Session{}, &crm.Failure{Class: crm.Connection, Code: crm.Broken}
	}
	if refused == w.session.Generation && refused != 0 {
		w.renewals++
		w.renew()
	}
	return w.session, nil
}

func (w *world) renew() {
	var token struct {
		AccessToken string   `json:"access_token"`
		Hub         int      `json:"hub_id"`
		Scopes      []string `json:"scopes"`
	}
	w.post("session", "{}", &token)
	w.session = hubspot.Session{AccessToken: token.AccessToken, OrgID: fmt.Sprint(token.Hub), Scopes: token.Scopes, Generation: w.session.Generation + 1}
}

// post tells the simulated HubSpot something and reads what it says.
func (w *world) post(what, body string, into any) {
	w.t.Helper()
	resp, err := http.Post(w.url+"/_control/"+what, "application/json", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	w.read(resp, into)
}

// fault has calls of a kind fail.
func (w *world) fault(format string, args ...any) {
	w.t.Helper()
	w.post("fail", fmt.Sprintf(format, args...), nil)
}

func (w *world) set(settings string) { w.t.Helper(); w.post("settings", settings, nil) }

func (w *world) read(resp *http.Response, into any) {
	w.t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode > 299 {
		w.t.Fatalf("%s: %d %s %v", resp.Request.URL, resp.StatusCode, body, err)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(body, into); err != nil {
		w.t.Fatal(err)
	}
}

// byHand calls the API past the client.
func (w *world) byHand(method, path, body string, into any) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.session.AccessToken)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.read(resp, into)
}

func (w *world) contacts() int {
	w.t.Helper()
	resp, err := http.Get(w.url + "/_control/stats")
	if err != nil {
		w.t.Fatal(err)
	}
	var s struct{ Contacts int }
	w.read(resp, &s)
	return s.Contacts
}

// later lets time go by, there and here.
func (w *world) later(d time.Duration) {
	w.t.Helper()
	w.late += d
	w.post("clock", fmt.Sprintf(`{"advance_ms":%d}`, d.Milliseconds()), nil)
}

// edit makes or changes a contact as its people do.
func (w *world) edit(contact string) (id string) {
	w.t.Helper()
	var made struct{ ID string }
	w.post("contacts", contact, &made)
	return made.ID
}

// merge merges a contact into another and returns the id of what results.
func (w *world) merge(into, other string) string {
	w.t.Helper()
	var one struct{ ID string }
	w.byHand(http.MethodPost, contactsPath+"/merge", fmt.Sprintf(`{"primaryObjectId":%q,"objectIdToMerge":%q}`, into, other), &one)
	return one.ID
}

// write writes, and fails the test when nothing at all was done.
func (w *world) write(writes ...crm.Write) []crm.Result {
	w.t.Helper()
	results, err := w.Write(w.t.Context(), writes, crm.Options{})
	if err != nil || len(results) != len(writes) {
		w.t.Fatalf("%+v, %v", results, err)
	}
	return results
}

// made makes a contact.
func (w *world) made(p crm.Fields) string {
	w.t.Helper()
	r := w.write(crm.Write{Fields: p})[0]
	if r.Err != nil || !r.Made {
		w.t.Fatalf("%+v", r)
	}
	return r.ID
}

func (w *world) find(emails ...string) map[string][]crm.Record {
	w.t.Helper()
	found, err := w.Find(w.t.Context(), emails, crm.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

func readers(n int) (writes []crm.Write, emails []string) {
	for i := range n {
		p := crm.Fields{crm.Email: fmt.Sprintf("Reader%04d@contoso.example", i), crm.FirstName: "Ada", crm.LastName: "Lovelace"}
		writes, emails = append(writes, crm.Write{Fields: p}), append(emails, p[crm.Email])
	}
	return writes, emails
}

// failed checks that an error is a failure with a class and a code.
func failed(t *testing.T, err error, class crm.Class, code string) *crm.Failure {
	t.Helper()
	f, ok := errors.AsType[*crm.Failure](err)
	if !ok || f.Class != class || f.Code != code {
		t.Fatalf("%+v, want %s: %s", err, class, code)
	}
	return f
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}
