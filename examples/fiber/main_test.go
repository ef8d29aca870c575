package main

import (
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
	"time"

	"gatepost/db"
	"gatepost/identity"
	"gatepost/mocksalesforce"
)

// start runs the application beside a simulated Salesforce.
func start(t *testing.T) (app, mock string) {
	t.Helper()
	sf, err := mocksalesforce.Open(t.Context(), mocksalesforce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(sf.Handler())
	t.Cleanup(func() { srv.Close(); _ = sf.Close() })
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
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	app = "http://" + ln.Addr().String()
	callback := app + "/salesforce/callback"
	if err := sf.AddClient(t.Context(), mocksalesforce.Client{ID: "example", Secret: "secret", RedirectURIs: []string{callback}}); err != nil {
		t.Fatal(err)
	}
	vault, err := identity.Open(t.Context(), identity.Options{Database: filepath.Join(folder, "gatepost.db"), Keyset: filepath.Join(folder, "keyset.json"), Trust: []string{srv.URL},
		Services: []identity.Service{identity.BuiltInService(identity.Salesforce, identity.App{ClientID: "example", ClientSecret: "secret", RedirectURL: callback, LoginURL: srv.URL})}})
	if err != nil {
		t.Fatal(err)
	}
	a := application(vault, tenant.ID)
	ended := make(chan error, 1)
	go func() { ended <- a.Listener(ln) }()
	t.Cleanup(func() {
		if err := a.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := vault.Close(); err != nil {
			t.Error(err)
		}
	})
	return app, srv.URL
}

// browser is that of somebody who is logged in to the application, or of nobody.
type browser struct {
	t *testing.T
	c *http.Client
}

func newBrowser(t *testing.T, app, user string) browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(app)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		jar.SetCookies(u, []*http.Cookie{{Name: "user", Value: user}})
	}
	return browser{t, &http.Client{Jar: jar}}
}

// visit goes to an address, or submits a form there; it returns the page and where
// it ended.
func (b browser) visit(address string, form url.Values) (page, at string) {
	b.t.Helper()
	var res *http.Response
	var err error
	if form == nil {
		res, err = b.c.Get(address)
	} else {
		res, err = b.c.PostForm(address, form)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(body), res.Request.URL.String()
}

func (b browser) hidden(page, name string) string {
	b.t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
	if m == nil {
		b.t.Fatalf("no field %s in %s", name, page)
	}
	return html.UnescapeString(m[1])
}

// begin goes to Salesforce and logs in there; it returns the page that asks.
func (b browser) begin(app, mock string) string {
	b.t.Helper()
	page, _ := b.visit(app+"/salesforce/connect", url.Values{"return_to": {"/?from=connect"}})
	page, _ = b.visit(mock+"/login", url.Values{"startURL": {b.hidden(page, "startURL")}, "username": {"john@contoso.example"}, "password": {"salesforce"}})
	return page
}

func TestTheHandlersInFiber(t *testing.T) {
	app, mock := start(t)
	nobody := newBrowser(t, app, "")
	if page, _ := nobody.visit(app+"/salesforce/connect", url.Values{}); !strings.Contains(page, "Log in and try again") {
		t.Errorf("nobody may connect: %s", page)
	}
	eve, joe := newBrowser(t, app, "eve"), newBrowser(t, app, "joe")
	if page, _ := eve.visit(app+"/salesforce/connect", url.Values{"return_to": {"https://evil.example"}}); !strings.Contains(page, "return_to") {
		t.Errorf("to another site: %s", page)
	}
	asks := eve.begin(app, mock)
	decision := url.Values{"id": {eve.hidden(asks, "id")}, "decision": {"allow"}}
	// What comes back works in the browser that began it; again, it says the same.
	eve.c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), app) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	res, err := eve.c.PostForm(mock+"/setup/secur/RemoteAccessAuthorizationPage.apexp", decision)
	if err != nil || res.Body.Close() != nil {
		t.Fatal(err)
	}
	callback := res.Header.Get("Location")
	eve.c.CheckRedirect = nil
	if page, _ := joe.visit(callback, nil); !strings.Contains(page, "another browser") {
		t.Errorf("in another browser: %s", page)
	}
	page, at := eve.visit(callback, nil)
	if page != "Salesforce answers eve: 200 OK" || at != app+"/?from=connect" {
		t.Errorf("connected: %s at %s", page, at)
	}
	if again, at := eve.visit(callback, nil); again != page || at != app+"/?from=connect" {
		t.Errorf("again: %s at %s", again, at)
	}
	if page, _ := nobody.visit(app+"/", nil); strings.Contains(page, "Salesforce answers") {
		t.Errorf("nobody has eve's: %s", page)
	}
	if page, _ := joe.visit(app+"/", nil); !strings.Contains(page, "not connected") {
		t.Errorf("joe has eve's: %s", page)
	}
	if page, _ := eve.visit(app+"/", nil); page != "Salesforce answers eve: 200 OK" {
		t.Errorf("later: %s", page)
	}
}
