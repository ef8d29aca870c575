package connect

import (
	"context"
	"encoding/json"
	"errors"
	"html"
	"io"
	"log/slog"
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

	"gatepost/crm"
	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/identity"
	"gatepost/mockhubspot"
	"gatepost/mocksalesforce"
	"gatepost/mockzoho"
	"gatepost/outbound"
	"gatepost/seal"
	"gatepost/simulated"
)

const (
	ourURL = "https://portal.example"
	appID  = "app-of-the-tests"
	secret = "secret-of-the-tests"
	who    = "session-of-the-tests"
)

// side is a CRM as it is outside: a simulated one, and who can log in to it.
type side struct {
	service  string
	password string
	open     func(t *testing.T, o simulated.Options, app simulated.Client) http.Handler
	org      string    // of John, who chooses it where he has several
	names    [2]string // which are told of it, and of Jane's
	orgID    string    // by which the identity is to be known
	user     string    // his id
	pages    string    // what the address of the org's pages ends with
	other    string    // the id of Jane's org
}

// opened closes a simulated CRM with the test.
func opened(t *testing.T, s interface {
	Handler() http.Handler
	Close() error
}, errs ...error) http.Handler {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.Handler()
}

var sides = []side{
	{service: "sfdc", password: "salesforce", org: "Contoso", names: [2]string{"Contoso", "Fabrikam"}, orgID: "00D", user: "005",
		open: func(t *testing.T, o simulated.Options, app simulated.Client) http.Handler {
			s, err := mocksalesforce.Open(t.Context(), o)
			return opened(t, s, err, s.AddClient(t.Context(), app))
		}},
	{service: "hubspot", password: "hubspot", org: "Contoso", names: [2]string{"Account 62515", "Account 62517"}, orgID: "62515", user: "70011", pages: "/contacts/62515", other: "62517",
		open: func(t *testing.T, o simulated.Options, app simulated.Client) http.Handler {
			s, err := mockhubspot.Open(t.Context(), o)
			return opened(t, s, err, s.AddClient(t.Context(), app))
		}},
	{service: "zoho", password: "zoho", org: "Contoso", names: [2]string{"Contoso", "Fabrikam"}, orgID: "808232144", user: "10000001", pages: "/crm/org808232144", other: "808232166",
		open: func(t *testing.T, o simulated.Options, app simulated.Client) http.Handler {
			s, err := mockzoho.Open(t.Context(), o)
			return opened(t, s, err, s.AddClient(t.Context(), mockzoho.Client{ID: app.ID, Secret: app.Secret, RedirectURIs: app.RedirectURIs}))
		}},
}

// world is a vault and the CRMs out of it, with one of them simulated.
type world struct {
	side
	t      *testing.T
	url    string // of the simulated one
	store  *db.DB
	vault  *identity.Vault
	crms   *CRMs
	tenant string
	person string // of the tenant, who connects
}

// each runs a test for every CRM that there is.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	for _, s := range sides {
		t.Run(s.service, func(t *testing.T) { test(t, newWorld(t, s)) })
	}
}

func newWorld(t *testing.T, s side) *world {
	t.Helper()
	t.Parallel()
	app := simulated.Client{ID: appID, Secret: secret, RedirectURIs: []string{callback(s.service)}}
	srv := httptest.NewServer(s.open(t, simulated.Options{Data: filepath.Join(t.TempDir(), s.service+".db")}, app))
	t.Cleanup(srv.Close)
	w := &world{side: s, t: t, url: srv.URL, store: dbtest.Open(t, dbtest.Path(t))}
	keys, err := seal.OpenKeyring(t.Context(), filepath.Join(t.TempDir(), "keyset.json"), w.store, identity.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	out := outbound.Client(func(ctx context.Context) ([]string, error) { return identity.OperatorAddresses(ctx, w.store) })
	w.crms = New(Config{HTTP: out, Now: time.Now})
	w.vault, err = identity.New(identity.Config{Store: w.store, Keys: keys, HTTP: out, Services: identity.BuiltIn(), Callback: callback, Org: w.crms.Organization,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), Timeout: time.Minute, Patience: 2 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.vault.Wait)
	if err := w.vault.SetService(t.Context(), s.service, identity.ServiceChange{ClientID: new(appID), ClientSecret: new(secret), LoginURL: &w.url}); err != nil {
		t.Fatal(err)
	}
	w.addTenant("contoso")
	return w
}

func callback(service string) string { return ourURL + "/integrations/" + service + "/callback" }

// addTenant adds a tenant, which all that follows is about.
func (w *world) addTenant(slug string) {
	w.t.Helper()
	tenant := db.Tenant{ID: db.NewID(), Slug: slug, Name: slug, CreatedAt: time.Now()}
	user := db.User{ID: db.NewID(), Email: "john@" + slug + ".example", PasswordHash: "x", CreatedAt: time.Now(), PasswordChangedAt: time.Now()}
	err := w.store.CreateTenant(w.t.Context(), tenant, db.FirstNewsletter{Slug: slug + "-weekly", Name: slug, Consent: "Yes."})
	if err == nil {
		err = w.store.CreateUser(w.t.Context(), user, tenant.ID)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.tenant, w.person = tenant.ID, user.ID
}

// browser is a person's at the simulated CRM. Every name below localhost is this machine.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(addr)
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	}
	return &http.Client{Jar: jar, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), ourURL) {
				return http.ErrUseLastResponse
			}
			return nil
		}}
}

var (
	hidden = regexp.MustCompile(`name="(id|startURL)" value="([^"]*)"`)
	action = regexp.MustCompile(`action="([^"]*)"`)
	choice = regexp.MustCompile(`<a href="([^"]*)">(?:<strong>)?([^<]*?)(?:</strong>)? <span>`)
)

// authorize walks through the CRM's pages as a person does, until it sends them back with
// what they decided.
func (w *world) authorize(username, decision string) identity.Callback {
	w.t.Helper()
	address, err := w.vault.Authorize(w.t.Context(), identity.AuthorizeRequest{Service: w.service, TenantID: w.tenant, UserID: w.person, SessionID: who})
	if err != nil {
		w.t.Fatal(err)
	}
	c := browser(w.t)
	resp, err := c.Get(address)
	for range 5 {
		body := w.body(resp, err)
		if to, err := resp.Location(); err == nil {
			return identity.CallbackOf(w.service, who, to.Query())
		}
		field := hidden.FindStringSubmatch(body)
		switch {
		case field == nil:
			resp, err = c.Get(w.chosen(resp.Request.URL, body))
		case field[1] == "startURL":
			resp, err = c.PostForm(w.on(resp.Request.URL, "/login"), url.Values{"startURL": {html.UnescapeString(field[2])}, "username": {username}, "password": {w.password}})
		default:
			to := action.FindStringSubmatch(body)
			resp, err = c.PostForm(w.on(resp.Request.URL, to[1]), url.Values{"id": {field[2]}, "decision": {decision}})
		}
	}
	w.t.Fatalf("the way through the pages doesn't end: %s", w.body(resp, err))
	return identity.Callback{}
}

func (w *world) on(page *url.URL, path string) string {
	return page.ResolveReference(&url.URL{Path: path}).String()
}

// chosen is the link to the org that John is to choose.
func (w *world) chosen(page *url.URL, body string) string {
	w.t.Helper()
	for _, m := range choice.FindAllStringSubmatch(body, -1) {
		if m[2] == w.org {
			to, err := page.Parse(html.UnescapeString(m[1]))
			if err != nil {
				w.t.Fatal(err)
			}
			return to.String()
		}
	}
	w.t.Fatalf("nothing to choose in %s", body)
	return ""
}

func (w *world) body(resp *http.Response, err error) string {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

// try connects as somebody of the CRM.
func (w *world) try(username string) error {
	w.t.Helper()
	_, err := w.vault.Finish(w.t.Context(), w.authorize(username, "allow"))
	return err
}

const john, jane = "john@contoso.example", "jane@fabrikam.example"

// connect connects, and opens the CRM.
func (w *world) connect() crm.CRM {
	w.t.Helper()
	if err := w.try(john); err != nil {
		w.t.Fatal(err)
	}
	return w.opened()
}

func (w *world) opened() crm.CRM {
	w.t.Helper()
	c, err := w.crms.Connect(w.t.Context(), w.vault, w.service, w.tenant)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) identity() db.Identity {
	w.t.Helper()
	i, err := w.vault.Identity(w.t.Context(), w.service, w.tenant)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *world) control(what string) {
	w.t.Helper()
	resp, err := http.Post(w.url+"/_control/"+what, "application/json", strings.NewReader("{}"))
	if text := w.body(resp, err); resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s", what, text)
	}
}

// stat is a number that the simulated CRM counts.
func (w *world) stat(name string) int {
	w.t.Helper()
	resp, err := http.Get(w.url + "/_control/stats")
	var all map[string]any
	if err := json.Unmarshal([]byte(w.body(resp, err)), &all); err != nil {
		w.t.Fatal(err)
	}
	n, ok := all[name].(float64)
	if !ok {
		w.t.Fatalf("%s isn't counted: %v", name, all)
	}
	return int(n)
}

const reader = "ada@reader.test"

// found are the records that a reader has.
func (w *world) found(c crm.CRM) []crm.Record {
	w.t.Helper()
	all, err := c.Find(w.t.Context(), []string{reader}, crm.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	return all[reader]
}

// write writes a reader.
func (w *world) write(c crm.CRM) {
	w.t.Helper()
	results, err := c.Write(w.t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: reader, crm.FirstName: "Ada", crm.LastName: "Lovelace"}}}, crm.Options{})
	if err != nil || len(results) != 1 || results[0].Err != nil || results[0].ID == "" {
		w.t.Fatalf("%+v, %v", results, err)
	}
}

// fine fails the test when something is in the way of sign-ups.
func (w *world) fine(c crm.CRM) {
	w.t.Helper()
	checks, err := c.CheckUp(w.t.Context())
	if err != nil || len(checks) < 3 {
		w.t.Fatalf("%+v, %v", checks, err)
	}
	for _, check := range checks {
		if check.Level == crm.Stop || strings.Contains(check.What, "not known") {
			w.t.Errorf("%+v", check)
		}
	}
}

// failed fails the test unless an error is a failure of a class and code.
func (w *world) failed(err error, class crm.Class, code string) {
	w.t.Helper()
	var f *crm.Failure
	if !errors.As(err, &f) || f.Class != class || f.Code != code {
		w.t.Errorf("%+v, want %s %s", err, class, code)
	}
}

func TestEveryCRMIsTried(t *testing.T) {
	providers := New(Config{}).Providers()
	if len(providers) != len(sides) {
		t.Errorf("there are %d CRMs, and %d are tried", len(providers), len(sides))
	}
	for _, s := range sides {
		if providers.Of(s.service) == nil {
			t.Errorf("%s is no CRM", s.service)
		}
	}
}

// Whoever was denied isn't connected; once connected, a CRM answers what it is asked.
func TestConnected(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, err := w.crms.Connect(t.Context(), w.vault, w.service, w.tenant)
		w.failed(err, crm.Connection, crm.NotConnected)
		_, err = w.vault.Finish(t.Context(), w.authorize(john, "deny"))
		var refused *identity.OAuthError
		if !errors.As(err, &refused) || refused.Code != "access_denied" {
			t.Errorf("denied: %v", err)
		}
		c := w.connect()
		i, target := w.identity(), c.Target()
		if !strings.HasPrefix(i.OrgID, w.orgID) || !strings.HasPrefix(i.RemoteUserID, w.user) || i.OrgName != w.names[0] || i.Sandbox || i.LoginURL != w.url || i.InstanceURL != w.url {
			t.Errorf("stored %+v", i.Grant)
		}
		if target.OrgID != i.OrgID || target.InstanceURL != w.url+w.pages {
			t.Errorf("it is %+v", target)
		}
		w.fine(c) // as it was found while connecting
		before := w.stat("api_calls")
		w.fine(c)
		if w.stat("api_calls") == before {
			t.Error("a second check-up asks nobody")
		}
		if all := w.found(c); len(all) != 0 {
			t.Errorf("found %+v", all)
		}
		w.write(c)
		if all := w.found(w.opened()); len(all) != 1 || all[0].Fields[crm.LastName] != "Lovelace" {
			t.Errorf("found %+v", all)
		}
	})
}

// What was found while connecting is the first check-up, and costs no call twice.
func TestConnectingIsTheFirstCheckUp(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if err := w.try(john); err != nil {
			t.Fatal(err)
		}
		c := w.opened()
		before := w.stat("api_calls")
		w.fine(c)
		if n := w.stat("api_calls"); n != before {
			t.Errorf("%d calls more", n-before)
		}
	})
}

// An access token that is over is renewed once, by one that is open as by the next one.
func TestExpiredAccess(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.connect()
		w.write(c)
		w.control("expire-access-tokens")
		for range 2 {
			if all := w.found(c); len(all) != 1 {
				t.Errorf("found %+v", all)
			}
			w.fine(w.opened())
		}
		if n := w.stat("refreshes"); n != 1 {
			t.Errorf("%d renewals", n)
		}
	})
}

// A connection that is ended there says so, and goes on when it is connected again.
func TestRevokedThere(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.connect()
		w.write(c)
		w.control("revoke")
		w.control("expire-access-tokens")
		_, err := c.Find(t.Context(), []string{reader}, crm.Options{})
		w.failed(err, crm.Connection, crm.Broken)
		_, err = w.crms.Connect(t.Context(), w.vault, w.service, w.tenant)
		w.failed(err, crm.Connection, crm.Broken)
		if i := w.identity(); i.BrokenAt.IsZero() {
			t.Error("nobody is told")
		}
		if all := w.found(w.connect()); len(all) != 1 || !w.identity().BrokenAt.IsZero() {
			t.Errorf("connected again: %+v", all)
		}
	})
}

// Another org than before waits until somebody confirms it, and changes nothing before.
func TestAnotherOrgOnReconnect(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.connect()
		first := w.identity()
		if err := w.try(jane); !errors.Is(err, identity.ErrHeld) {
			t.Fatalf("connected: %v", err)
		}
		held, err := w.vault.Held(t.Context(), w.service, w.tenant)
		if err != nil || held.OrgID == first.OrgID || held.OrgName != w.names[1] || w.other != "" && held.OrgID != w.other {
			t.Fatalf("held %+v, %v", held.Grant, err)
		}
		if now := w.identity(); now.OrgID != first.OrgID {
			t.Errorf("it is %s already", now.OrgID)
		}
		w.write(c)
		if err := w.vault.Confirm(t.Context(), w.service, w.tenant, held.ID); err != nil {
			t.Fatal(err)
		}
		_, err = c.Find(t.Context(), []string{reader}, crm.Options{})
		w.failed(err, crm.Pause, crm.OtherOrg)
		if all := w.found(w.opened()); len(all) != 0 || w.identity().OrgID != held.OrgID {
			t.Errorf("found %+v in %s", all, w.identity().OrgID)
		}
	})
}

// An org that another tenant has is held, whoever tells which one it is.
func TestAnotherTenantsOrg(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.connect()
		org := w.identity().OrgID
		w.addTenant("fabrikam")
		if err := w.try(john); !errors.Is(err, identity.ErrHeld) {
			t.Fatalf("connected: %v", err)
		}
		_, err := w.crms.Connect(t.Context(), w.vault, w.service, w.tenant)
		w.failed(err, crm.Connection, crm.NotConnected)
		held, err := w.vault.Held(t.Context(), w.service, w.tenant)
		if err != nil || held.OrgID != org {
			t.Fatalf("held %+v, %v", held.Grant, err)
		}
		if err := w.vault.Confirm(t.Context(), w.service, w.tenant, held.ID); !errors.Is(err, identity.ErrOrgInUse) {
			t.Errorf("confirmed without being told: %v", err)
		}
		if err := w.vault.ConfirmShared(t.Context(), w.service, w.tenant, held.ID, w.person); err != nil || w.identity().OrgID != org {
			t.Errorf("confirmed: %v", err)
		}
		w.fine(w.opened())
	})
}

// Who disconnects leaves nothing there.
func TestDisconnected(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.connect()
		if n := w.stat("grants"); n != 1 {
			t.Fatalf("%d grants", n)
		}
		if ending, err := w.vault.End(t.Context(), w.service, w.tenant); err != nil || ending != identity.Revoked {
			t.Fatalf("ended %q, %v", ending, err)
		}
		if n := w.stat("grants"); n != 0 {
			t.Errorf("%d grants are left", n)
		}
		_, err := c.Find(t.Context(), []string{reader}, crm.Options{})
		w.failed(err, crm.Connection, crm.NotConnected)
	})
}

// Somebody of Zoho's data centre in Europe is connected, called and renewed there.
func TestZohoInEurope(t *testing.T) {
	s := sides[2]
	s.org, s.orgID, s.user = "Northwind", "90098812345", "20000001"
	w := newWorld(t, s)
	if err := w.try("anna@northwind.example"); err != nil {
		t.Fatal(err)
	}
	eu := strings.Replace(w.url, "127.0.0.1", "eu.localhost", 1)
	i := w.identity()
	if i.OrgID != w.orgID || i.RemoteUserID != w.user || i.LoginURL != eu || i.InstanceURL != eu || !strings.Contains(i.Native, `"location":"eu"`) {
		t.Errorf("stored %+v", i.Grant)
	}
	c := w.opened()
	if target := c.Target(); target.InstanceURL != eu+"/crm/org"+w.orgID {
		t.Errorf("its pages are at %s", target.InstanceURL)
	}
	w.write(c)
	w.control("expire-access-tokens")
	if all := w.found(c); len(all) != 1 || w.stat("refreshes") != 1 {
		t.Errorf("found %+v after %d renewals", all, w.stat("refreshes"))
	}
	if ending, err := w.vault.End(t.Context(), w.service, w.tenant); err != nil || ending != identity.Revoked || w.stat("grants") != 0 {
		t.Errorf("ended %q, %v", ending, err)
	}
}

// An org of Zoho's that doesn't say which one it is can't be connected: the person is told
// what is in the way, and the access is given back.
func TestZohoWhoseOrgIsNotTold(t *testing.T) {
	for name, test := range map[string]struct{ control, body, code string }{
		"the user may not use the API": {"profile", `{"api_access":false}`, "API_ACCESS_OFF"},
		"it doesn't answer":            {"fail", `{"on":"org","status":503,"html":true,"count":9}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sides[2])
			resp, err := http.Post(w.url+"/_control/"+test.control, "application/json", strings.NewReader(test.body))
			if text := w.body(resp, err); resp.StatusCode != http.StatusOK {
				t.Fatal(text)
			}
			err = w.try(john)
			var refused *identity.OAuthError
			var unreachable *identity.UnreachableError
			if errors.As(err, &refused) != (test.code != "") || refused != nil && refused.Code != test.code || errors.As(err, &unreachable) != (test.code == "") {
				t.Errorf("connected: %v", err)
			}
			if n := w.stat("grants"); n != 0 {
				t.Errorf("%d grants are left", n)
			}
		})
	}
}

// A session of HubSpot's isn't sent to an API that the connection is no more for.
func TestHubSpotConnectedElsewhere(t *testing.T) {
	v := vault{credential: identity.Credential{Service: "hubspot", AccessToken: "a", OrgID: "1", InstanceURL: "http://127.0.0.1:1"}}
	from := source{vault: v, service: "hubspot", now: time.Now}
	_, err := hubspotSource{from, ""}.Session(t.Context(), 0)
	if f := crm.Failed(err); f.Class != crm.Pause || f.Code != crm.OtherOrg {
		t.Error(err)
	}
	if s, err := (hubspotSource{from, "http://127.0.0.1:1"}).Session(t.Context(), 0); err != nil || s.AccessToken != "a" {
		t.Error(err)
	}
}

// A connection that was imported without its org delivers to nobody: it may be another's.
func TestZohoConnectionWithoutAnOrg(t *testing.T) {
	c := identity.Credential{Service: "zoho", AccessToken: "a", InstanceURL: "http://127.0.0.1:1"}
	for org, want := range map[string]string{"": crm.NoOrg, "808232144": ""} {
		c.OrgID = org
		s, err := zohoSource{source{vault: vault{credential: c}, service: "zoho", now: time.Now}}.Session(t.Context(), 0)
		if got := ""; err != nil {
			got = crm.Failed(err).Code
			if got != want || crm.Failed(err).Class != crm.Connection {
				t.Errorf("%q: %v", org, err)
			}
		} else if got != want || s.OrgID != org {
			t.Errorf("%q: %+v", org, s.OrgID)
		}
	}
}
