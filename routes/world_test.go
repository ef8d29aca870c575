package routes_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/auth"
	"gatepost/crm"
	"gatepost/crm/salesforce"
	"gatepost/db"
	"gatepost/db/dbtest/testdb"
	"gatepost/delivery"
	"gatepost/identity"
	"gatepost/mocksalesforce"
	"gatepost/newsletter"
	"gatepost/outbound"
	"gatepost/ratelimit"
	"gatepost/routes"
	"gatepost/seal"

	"github.com/gofiber/fiber/v2"
)

// The people of these tests: John is Contoso's, Ann Fabrikam's, Max of both, and
// Nina of neither.
const (
	john, ann, max, nina = "john@contoso.example", "ann@fabrikam.example", "max@agency.example", "nina@agency.example"
	password             = "four words of secret"
	clientID, secret     = "3MVG9portal", "the-apps-secret"
)

// seeded is a database with the people in it: passwords take long to hash.
var seeded = testdb.NewTemplate("people", seed)

func seed(ctx context.Context, at string) error {
	store, err := db.Open(ctx, at)
	if err != nil {
		return err
	}
	people := auth.NewPeople(store, nil)
	for _, t := range [][2]string{{"contoso", "Contoso"}, {"fabrikam", "Fabrikam"}} {
		if _, err := people.AddTenant(ctx, t[0], t[1]); err != nil {
			return err
		}
	}
	for _, u := range [][2]string{{john, "contoso"}, {ann, "fabrikam"}, {max, "contoso"}, {max, "fabrikam"}, {nina, "contoso"}} {
		if _, err := people.AddUser(ctx, u[0], u[1], password); err != nil {
			return err
		}
	}
	if _, err := store.Writer().Exec(`DELETE FROM memberships WHERE user_id = (SELECT id FROM users WHERE email = $1)`, nina); err != nil {
		return err
	}
	return store.Close()
}

// world is a portal with all its rooms, and a simulated Salesforce when asked for.
type world struct {
	t    *testing.T
	url  string // where it listens
	app  *fiber.App
	log  *record
	mock string // URL of the simulated Salesforce
	at   string // of the database

	store *db.DB // people and sessions, and what the tests look at
	vault *db.DB // of the vault, and of what else the pages read
	news  *db.DB // of the newsletters
	macs  *seal.MACs
}

// with changes the configuration of a portal.
type with func(*routes.Config)

// open starts a portal whose Salesforce can't be reached.
func open(t *testing.T, changes ...with) *world { t.Helper(); return start(t, "", changes...) }

// openBoth starts a portal beside a simulated Salesforce.
func openBoth(t *testing.T, changes ...with) *world {
	t.Helper()
	sf, err := mocksalesforce.Open(t.Context(), mocksalesforce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sf.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := sf.Close(); err != nil {
			t.Error(err)
		}
	})
	w := start(t, server.URL, changes...)
	err = sf.AddClient(t.Context(), mocksalesforce.Client{ID: clientID, Secret: secret, RedirectURIs: []string{w.url + "/integrations/sfdc/callback"}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func start(t *testing.T, mock string, changes ...with) *world {
	t.Helper()
	w := &world{t: t, mock: mock, log: &record{}}
	w.at = seeded.Copy(t)
	for _, d := range []**db.DB{&w.store, &w.vault, &w.news} {
		var err error
		if *d, err = db.Open(t.Context(), w.at); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + ln.Addr().String()
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	keys, err := seal.OpenKeyring(t.Context(), filepath.Join(t.TempDir(), "keyset.json"), w.vault, identity.Sealed, seal.SealedMACs)
	if err != nil {
		t.Fatal(err)
	}
	macs, err := seal.OpenMACs(t.Context(), keys, w.vault)
	if err != nil {
		t.Fatal(err)
	}
	out := outbound.Client(outbound.Trust(mock))
	vault, err := identity.New(identity.Config{Store: w.vault, Keys: keys, HTTP: out, Log: log,
		Services: []identity.Service{identity.SalesforceService(clientID, secret, w.url+"/integrations/sfdc/callback", mock)}})
	if err != nil {
		t.Fatal(err)
	}
	dispatcher := delivery.New(delivery.Config{Store: w.vault, Log: log, Connect: func(ctx context.Context, to db.DestinationKey) (crm.CRM, error) {
		client, err := salesforce.Open(ctx, source{vault, to.TenantID}, out, salesforce.Options{Log: log})
		if err != nil {
			return nil, err
		}
		return client, nil
	}})
	w.macs = macs
	limits := ratelimit.New(w.vault, time.Now, log, macs.For(seal.Limit))
	letters := newsletter.New(newsletter.Config{Store: w.news, URL: w.url, Wake: dispatcher.Wake, Log: log, MACs: macs, Counts: limits})
	c := routes.Config{URL: w.url, Store: w.vault, Health: w.vault, Incidents: w.vault, Settings: w.vault, People: auth.NewPeople(w.store, nil), Sessions: w.store, Keys: auth.NewAPIKeys(w.vault), Vault: vault,
		Newsletters: letters, Delivery: dispatcher, Limits: limits, MACs: macs, CRMs: crm.Providers{salesforce.Provider}, Log: log}
	for _, change := range changes {
		change(&c)
	}
	if c.Mail {
		letters = newsletter.New(newsletter.Config{Store: w.news, Wake: dispatcher.Wake, Log: log, MACs: macs, Mail: true})
		c.Newsletters = letters
	}
	for _, d := range []*db.DB{w.store, w.vault, w.news} {
		d.SetCRMs(c.CRMs.Services()...)
	}
	if w.app, err = routes.New(c); err != nil {
		t.Fatal(err)
	}
	w.serve(ln, letters, dispatcher, vault)
	return w
}

// serve runs everything until the test ends.
func (w *world) serve(ln net.Listener, letters *newsletter.Service, dispatcher *delivery.Dispatcher, vault *identity.Vault) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { letters.Run(ctx) })
	running.Go(func() { _ = dispatcher.Run(ctx) })
	running.Go(func() { _ = w.app.Listener(routes.Framed(ln)) })
	w.t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		_ = w.app.ShutdownWithTimeout(5 * time.Second)
		_ = ln.Close()
		stop()
		running.Wait()
		vault.Wait()
		for _, d := range []*db.DB{w.store, w.vault, w.news} {
			_ = d.Close()
		}
	})
}

// source gives a tenant's sessions out of the vault, as the command's wiring does.
type source struct {
	vault  *identity.Vault
	tenant string
}

func (s source) Session(ctx context.Context, refused int64) (salesforce.Session, error) {
	c, err := s.vault.Get(ctx, identity.Salesforce, s.tenant, refused)
	if err != nil {
		err = &crm.Failure{Class: crm.Connection, Code: crm.NotConnected, Cause: err}
	}
	return salesforce.Session{AccessToken: c.AccessToken, InstanceURL: c.InstanceURL, OrgID: c.OrgID, Generation: c.Generation}, err
}

// record is a log that can be read while it is written.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) { r.mu.Lock(); defer r.mu.Unlock(); return r.b.Write(p) }
func (r *record) String() string              { r.mu.Lock(); defer r.mu.Unlock(); return r.b.String() }

// eventually waits until the condition holds.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(end) {
			w.t.Fatalf("never: %s\n%s", what, w.log)
		}
	}
}

// control steers the simulated Salesforce.
func (w *world) control(path, body string) map[string]any {
	w.t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.mock+"/_control/"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var v map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil || resp.StatusCode != 200 {
		w.t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
	}
	return v
}

func (w *world) tenant(slug string) db.Tenant {
	w.t.Helper()
	tenant, err := w.store.TenantBySlug(w.t.Context(), slug)
	if err != nil {
		w.t.Fatal(err)
	}
	return tenant
}

// to is a tenant's first destination.
func (w *world) to(slug string) db.DestinationKey {
	w.t.Helper()
	id := w.tenant(slug).ID
	return db.DestinationKey{TenantID: id, DestinationID: id}
}

func (w *world) count(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.store.Writer().QueryRow(query, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// browser is somebody's browser. It follows no redirect by itself.
type browser struct {
	w   *world
	c   *http.Client
	jar http.CookieJar
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w: w, jar: jar, c: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// as is the browser of somebody who is signed in, in the tenant with the slug.
func (w *world) as(email, slug string) *browser {
	w.t.Helper()
	user, err := w.store.UserByEmail(w.t.Context(), email)
	if err != nil {
		w.t.Fatal(err)
	}
	tenant := db.Tenant{}
	if slug != "" {
		tenant = w.tenant(slug)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	session, err := auth.NewSessions(w.store, auth.SessionOptions{}).Session(r)
	if err != nil {
		w.t.Fatal(err)
	}
	session.SignIn(user, tenant)
	answer := httptest.NewRecorder()
	if err := session.Save(r, answer); err != nil {
		w.t.Fatal(err)
	}
	b := w.browser()
	b.set("gatepost_session", answer.Result().Cookies()[0].Value)
	return b
}

func (b *browser) set(name, value string) {
	u, _ := url.Parse(b.w.url)
	b.jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

func (b *browser) cookie(name string) string {
	u, _ := url.Parse(b.w.url)
	for _, c := range b.jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// page is an answer.
type page struct {
	w      *world
	status int
	header http.Header
	body   string
}

// request makes a request to the portal; headers are names and values.
func (b *browser) request(method, path, body string, headers ...string) *http.Request {
	b.w.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = b.w.url + path
	}
	r, err := http.NewRequestWithContext(b.w.t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		b.w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func (b *browser) do(method, path, body string, headers ...string) page {
	b.w.t.Helper()
	resp, err := b.c.Do(b.request(method, path, body, headers...))
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return page{b.w, resp.StatusCode, resp.Header, string(text)}
}

// announce sends the head of a request whose body never comes: one that is too
// long is refused before it has come.
func (w *world) announce(method, path, kind string, length int) page {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: portal\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", method, path, kind, length)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return page{w, resp.StatusCode, resp.Header, string(text)}
}

func (b *browser) get(path string, headers ...string) page {
	b.w.t.Helper()
	return b.do(http.MethodGet, path, "", headers...)
}

func form(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

const formType = "application/x-www-form-urlencoded"

// post sends a form as it is, without a token.
func (b *browser) post(path string, pairs ...string) page {
	b.w.t.Helper()
	return b.do(http.MethodPost, path, form(pairs...), "Content-Type", formType)
}

// submit sends a form with the token that a page of ours has.
func (b *browser) submit(path string, pairs ...string) page {
	b.w.t.Helper()
	return b.post(path, append(pairs, "csrf", b.token())...)
}

// token is the one that forms carry, found on a page.
func (b *browser) token() string {
	b.w.t.Helper()
	var p page
	for _, path := range []string{"/account", "/tenant", "/login"} {
		if p = b.get(path); strings.Contains(p.body, `name="csrf"`) {
			break
		}
	}
	return p.hidden("csrf")
}

func (p page) hidden(name string) string {
	p.w.t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(p.body)
	if m == nil {
		p.w.t.Fatalf("%d: no field %s in %s", p.status, name, p.text())
	}
	return html.UnescapeString(m[1])
}

// text is the page without what is around its content.
func (p page) text() string {
	_, after, found := strings.Cut(p.body, "<main")
	if !found {
		return p.body
	}
	content, _, _ := strings.Cut(after, "</main>")
	return content
}

// is fails the test unless the page has the status and all the texts.
func (p page) is(status int, texts ...string) page {
	p.w.t.Helper()
	if p.status != status {
		p.w.t.Fatalf("status %d, want %d: %s\n%s", p.status, status, p.text(), p.w.log)
	}
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(p.body), text) {
			p.w.t.Errorf("%q is missing in %s", text, p.text())
		}
	}
	return p
}

// drawn are values that are drawn at random for each page: any short word may stand in them.
var drawn = regexp.MustCompile(`value="[\w.-]{40,}"`)

// says reports whether a text is in the page's source. A short one isn't looked for in values that are drawn at random.
func (p page) says(text string) bool {
	if len(text) < 12 {
		return strings.Contains(drawn.ReplaceAllString(p.body, `value=""`), text)
	}
	return strings.Contains(p.body, text)
}

// hasNot fails the test when one of the texts is in the page's source.
func (p page) hasNot(texts ...string) page {
	p.w.t.Helper()
	for _, text := range texts {
		if p.says(text) {
			p.w.t.Errorf("%q is in %s", text, p.text())
		}
	}
	return p
}

// to fails the test unless the page leads to the address.
func (p page) to(location string) page {
	p.w.t.Helper()
	if got := p.header.Get("Location"); got != location || p.status != 303 {
		p.w.t.Fatalf("%d to %q, want %q: %s\n%s", p.status, got, location, p.body, p.w.log)
	}
	return p
}

// head is a header of the page.
func (p page) head(name string) string { return p.header.Get(name) }

// prefixes are networks.
func prefixes(t *testing.T, all ...string) []netip.Prefix {
	t.Helper()
	var list []netip.Prefix
	for _, one := range all {
		list = append(list, netip.MustParsePrefix(one))
	}
	return list
}

// someone makes a subscriber of the tenant by its public form and returns the id.
func (w *world) someone(slug, email string) string {
	w.t.Helper()
	w.browser().post("/signup/"+slug+"-weekly", "email", email).to("/signup/" + slug + "-weekly/thanks")
	var id string
	err := w.store.Writer().QueryRow(`SELECT id FROM subscribers WHERE email_key = $1 AND tenant_id = $2`, email, w.tenant(slug).ID).Scan(&id)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// public are the routes that need nobody to be signed in.
func public(r fiber.Route) bool {
	return slices.Contains([]string{"/healthz", "/readyz", "/static/*", "/embed/:file", "/login", "/setup", "/favicon.ico", "/robots.txt", "/.well-known/change-password"}, r.Path) ||
		strings.HasPrefix(r.Path, "/signup/") || strings.HasPrefix(r.Path, "/unsubscribe/") || strings.HasPrefix(r.Path, "/confirm/") || strings.HasPrefix(r.Path, "/password/") || strings.HasPrefix(r.Path, "/authorize/") || strings.HasPrefix(r.Path, "/api/")
}

// address is a path that a route answers to.
func address(r fiber.Route) string {
	return strings.NewReplacer(":service", "sfdc", ":id", "x", ":slug", "contoso-weekly", ":secret", "x", ":token", "x", "*", "x").Replace(r.Path)
}

// mine are the routes of the portal, once each.
func (w *world) mine() (list []fiber.Route) {
	for _, r := range w.app.GetRoutes(true) {
		if !public(r) {
			list = append(list, r)
		}
	}
	if len(list) < 20 {
		w.t.Fatalf("only %d routes", len(list))
	}
	return list
}

func name(r fiber.Route) string { return fmt.Sprintf("%s %s", r.Method, r.Path) }
