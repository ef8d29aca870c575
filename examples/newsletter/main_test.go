package main

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/identity"
	"gatepost/mocksalesforce"
)

// person is somebody with a browser in front of the application.
type person struct {
	t    *testing.T
	c    *http.Client
	app  string
	mock string
}

func start(t *testing.T) *person {
	t.Helper()
	sf, err := mocksalesforce.Open(t.Context(), mocksalesforce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mock := httptest.NewServer(sf.Handler())
	t.Cleanup(func() { mock.Close(); _ = sf.Close() })
	folder := t.TempDir()
	store, err := db.Open(t.Context(), filepath.Join(folder, "gatepost.db"))
	if err != nil {
		t.Fatal(err)
	}
	tenant := db.Tenant{ID: db.NewID(), Slug: "contoso", Name: "Contoso", CreatedAt: time.Now()}
	if err := store.CreateTenant(t.Context(), tenant, db.FirstNewsletter{Slug: "contoso-weekly", Name: "Weekly", Consent: "Yes."}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	var a http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	callback := server.URL + "/integrations/sfdc/callback"
	if err := sf.AddClient(t.Context(), mocksalesforce.Client{ID: "example", Secret: "secret", RedirectURIs: []string{callback}}); err != nil {
		t.Fatal(err)
	}
	vault, err := identity.Open(t.Context(), identity.Options{Database: filepath.Join(folder, "gatepost.db"), Keyset: filepath.Join(folder, "keyset.json"), Trust: []string{mock.URL},
		Services: []identity.Service{identity.BuiltInService(identity.Salesforce, identity.App{ClientID: "example", ClientSecret: "secret", RedirectURL: callback, LoginURL: mock.URL})}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vault.Close() })
	a = app{vault, identity.Selector{Service: identity.Salesforce, TenantID: tenant.ID}}.handler()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t: t, c: &http.Client{Jar: jar}, app: server.URL, mock: mock.URL}
}

// visit goes to an address, and presses a button when there are fields.
func (p *person) visit(address string, fields url.Values) (page string, at *url.URL) {
	p.t.Helper()
	var res *http.Response
	var err error
	if fields == nil {
		res, err = p.c.Get(address)
	} else {
		res, err = p.c.PostForm(address, fields)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b), res.Request.URL
}

func (p *person) hidden(page, name string) string {
	p.t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
	if m == nil {
		p.t.Fatalf("no field %s in %s", name, page)
	}
	return html.UnescapeString(m[1])
}

// connect goes through the log-in and the question of Salesforce.
func (p *person) connect(decision string) (page string) {
	p.t.Helper()
	page, _ = p.visit(p.app+"/integrations/sfdc/connect", url.Values{})
	if strings.Contains(page, "startURL") {
		page, _ = p.visit(p.mock+"/login", url.Values{"startURL": {p.hidden(page, "startURL")}, "username": {"john@contoso.example"}, "password": {"salesforce"}})
	}
	page, _ = p.visit(p.mock+"/setup/secur/RemoteAccessAuthorizationPage.apexp", url.Values{"id": {p.hidden(page, "id")}, "decision": {decision}})
	return page
}

func (p *person) contacts() string {
	page, _ := p.visit(p.mock+"/_control/contacts", nil)
	return page
}

func (p *person) control(path, body string) {
	p.t.Helper()
	res, err := http.Post(p.mock+"/_control/"+path, "application/json", strings.NewReader(body))
	if err != nil || res.StatusCode != 200 {
		p.t.Fatal(err)
	}
	_ = res.Body.Close()
}

func wantText(t *testing.T, page, text string) {
	t.Helper()
	if !strings.Contains(page, text) {
		t.Errorf("no %q in %s", text, page)
	}
}

// The tutorial's application, as it is retold: connect, sign up, reconnect,
// disconnect.
func TestTheTutorialsApplication(t *testing.T) {
	p := start(t)
	page, _ := p.visit(p.app+"/", nil)
	wantText(t, page, "Salesforce is not connected")
	page, _ = p.visit(p.app+"/newsletter/signup", url.Values{"email": {"early@reader.test"}})
	wantText(t, page, "not connected")
	wantText(t, p.connect("deny"), "was not connected: access_denied")
	wantText(t, p.connect("allow"), "Connected to "+p.mock)
	page, _ = p.visit(p.app+"/newsletter/signup", url.Values{"email": {"rita@reader.test"}})
	wantText(t, page, "Thank you")
	wantText(t, p.contacts(), "rita@reader.test")
	// Its access token runs out: the client gets another one and sends again.
	p.control("expire-access-tokens", "{}")
	page, _ = p.visit(p.app+"/newsletter/signup", url.Values{"email": {"late@reader.test"}})
	wantText(t, page, "Thank you")
	if all := p.contacts(); strings.Count(all, "late@reader.test") != 1 {
		t.Errorf("contacts: %s", all)
	}
	wantText(t, p.connect("allow"), "Connected to")
	page, _ = p.visit(p.app+"/integrations/sfdc/disconnect", url.Values{})
	wantText(t, page, "Salesforce is not connected")
	var stats map[string]any
	page, _ = p.visit(p.mock+"/_control/stats", nil)
	if err := json.Unmarshal([]byte(page), &stats); err != nil || stats["grants"] != 0.0 {
		t.Errorf("still granted: %s, %v", page, err)
	}
}

// It says what the tutorial said in as many lines.
func TestItHasAHundredLines(t *testing.T) {
	b, err := os.ReadFile("main.go")
	if n := bytes.Count(b, []byte("\n")); err != nil || n > 100 {
		t.Errorf("%d lines, %v", n, err)
	}
}
