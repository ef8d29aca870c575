package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
)

// browser keeps the session's cookie as a browser does.
type browser struct {
	t      *testing.T
	s      *Sessions
	cookie *http.Cookie
	agent  string
}

func newBrowser(t *testing.T, store SessionStore, c *clock) *browser {
	return &browser{t: t, s: NewSessions(store, SessionOptions{Now: c.now}), agent: "Firefox"}
}

func (b *browser) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(b.t.Context())
	r.Header.Set("User-Agent", b.agent)
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	return r
}

// visit runs a handler on the session, saves it, and takes the cookie.
func (b *browser) visit(fn func(*Session)) *http.Response {
	b.t.Helper()
	r, w := b.request(), httptest.NewRecorder()
	session, err := b.s.Session(r)
	if err != nil {
		b.t.Fatal(err)
	}
	fn(session)
	if err := session.Save(r, w); err != nil {
		b.t.Fatal(err)
	}
	for _, c := range w.Result().Cookies() {
		b.cookie = c
		if c.MaxAge < 0 {
			b.cookie = nil
		}
	}
	return w.Result()
}

// signIn signs the user in and returns the session's id.
func (b *browser) signIn(u db.User, tenant db.Tenant) (id string) {
	b.t.Helper()
	b.visit(func(s *Session) { s.SignIn(u, tenant) })
	b.visit(func(s *Session) { id = s.ID() })
	if id == "" {
		b.t.Fatal("not signed in")
	}
	return id
}

func (b *browser) signedIn() (in bool) {
	b.t.Helper()
	b.visit(func(s *Session) { in = s.SignedIn() })
	return in
}

// rows counts the user's sessions, ended ones included while they are stored.
func rows(t *testing.T, d *db.DB, userID string) int {
	t.Helper()
	all, err := d.Sessions(t.Context(), userID, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func ownTenant(t *testing.T, p *People, u db.User) db.Tenant {
	t.Helper()
	all, err := p.TenantsOf(t.Context(), u.ID)
	if err != nil || len(all) == 0 {
		t.Fatalf("%v, %v", all, err)
	}
	return all[0]
}

func TestAnonymousIsNotStored(t *testing.T) {
	_, d, c, john := contoso(t)
	b := newBrowser(t, d, c)
	res := b.visit(func(s *Session) {
		if s.SignedIn() || s.ID() != "" || s.UserID() != "" || s.TenantID() != "" || s.CSRF() != "" || len(s.Flashes()) != 0 {
			t.Errorf("a new session is not empty: %+v", s)
		}
		s.Flash("info", "nobody sees this")
	})
	if len(res.Header) != 0 || rows(t, d, john.ID) != 0 {
		t.Errorf("an empty session left something: %v", res.Header)
	}
}

func TestCookie(t *testing.T) {
	p, d, c, john := contoso(t)
	for _, tt := range []struct {
		name   string
		secure bool
	}{{"gatepost_session", false}, {"__Host-gatepost_session", true}} {
		b := newBrowser(t, d, c)
		b.s = NewSessions(d, SessionOptions{Now: c.now, Secure: tt.secure})
		b.signIn(john, ownTenant(t, p, john))
		got := b.cookie
		if got.Name != tt.name || got.Secure != tt.secure || !got.HttpOnly || got.SameSite != http.SameSiteLaxMode ||
			got.Path != "/" || got.Domain != "" || got.MaxAge != 14*24*60*60 {
			t.Errorf("cookie: %+v", got)
		}
		if raw, err := base64.RawURLEncoding.DecodeString(got.Value); err != nil || len(raw) != 32 {
			t.Errorf("value %q: %v", got.Value, err)
		}
		if res := b.visit(func(*Session) {}); len(res.Cookies()) != 0 {
			t.Error("an unchanged session sets its cookie again")
		}
		res := b.visit(func(s *Session) { s.SignOut() })
		if out := res.Cookies()[0]; out.MaxAge >= 0 || out.Name != tt.name || out.Secure != tt.secure || out.Path != "/" || out.Value != "" {
			t.Errorf("sign out: %+v", out)
		}
	}
}

func TestSessionKeepsItsValues(t *testing.T) {
	p, d, c, john := contoso(t)
	tenant := ownTenant(t, p, john)
	b := newBrowser(t, d, c)
	b.agent = strings.Repeat("ü", 300) + "\xff"
	id := b.signIn(john, tenant)
	b.visit(func(s *Session) {
		if s.ID() != id || s.User() != john || s.Tenant() != tenant || s.UserID() != john.ID || s.TenantID() != tenant.ID {
			t.Errorf("%+v, %+v", s.User(), s.Tenant())
		}
	})
	all, err := b.s.List(t.Context(), john.ID)
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	row := all[0]
	if row.ID != id || row.IP != "192.0.2.1" || row.UserAgent != strings.Repeat("ü", 200) || !row.CreatedAt.Equal(c.now()) || !row.ExpiresAt.Equal(c.now().Add(14*24*time.Hour)) {
		t.Errorf("row: %+v", row)
	}
	b.agent = "\xff\xfeMoz\ufffdilla"
	b.signIn(john, tenant)
	if all, err = b.s.List(t.Context(), john.ID); err != nil || len(all) != 1 || all[0].UserAgent != "Mozilla" {
		t.Errorf("garbled agent: %v, %v", all, err)
	}
}

// Get gives one session for a request, however often it is asked.
func TestOneSessionPerRequest(t *testing.T) {
	_, d, c, _ := contoso(t)
	b := newBrowser(t, d, c)
	r := b.request()
	first, err := b.s.Session(r)
	second, err2 := b.s.Session(r)
	if err != nil || err2 != nil || first.g != second.g {
		t.Errorf("two sessions: %v, %v", err, err2)
	}
}

func TestGarbledCookies(t *testing.T) {
	_, d, c, john := contoso(t)
	b := newBrowser(t, d, c)
	b.signIn(john, db.Tenant{})
	good := b.cookie.Value
	for name, value := range map[string]string{
		"empty": "", "unknown": NewToken(), "short": good[:42], "long": good + "A", "padded": good + "=",
		"not base64": strings.Repeat("*", 43), "huge": strings.Repeat("A", 8000), "SQL": "' OR 1=1 --", "the hash": digest(good),
	} {
		b.cookie = &http.Cookie{Name: b.s.CookieName(), Value: value}
		if res := b.visit(func(s *Session) {
			if s.SignedIn() || s.CSRF() != "" {
				t.Errorf("%s: signed in", name)
			}
		}); len(res.Cookies()) != 0 {
			// it could be the old cookie of a request under way, beside a new one
			t.Errorf("%s: the cookie is touched", name)
		}
	}
	b.cookie.Value = good
	if !b.signedIn() {
		t.Error("the right one does not work any more")
	}
}

// Session fixation: what the browser came with is never taken over.
func TestSignInRotates(t *testing.T) {
	p, d, c, john := contoso(t)
	tenant := ownTenant(t, p, john)
	planted := &http.Cookie{Name: "gatepost_session", Value: NewToken()}
	b := newBrowser(t, d, c)
	b.cookie = planted
	id := b.signIn(john, tenant)
	if b.cookie.Value == planted.Value {
		t.Error("the planted cookie was taken over")
	}
	old, csrf := b.cookie, ""
	b.visit(func(s *Session) {
		csrf = s.CSRF()
		s.SignIn(john, tenant)
		s.Flash("success", "changed")
	})
	if b.cookie.Value == old.Value {
		t.Error("the secret stayed")
	}
	b.visit(func(s *Session) {
		if s.ID() == id || s.CSRF() == csrf || s.CSRF() == "" {
			t.Error("the id or the token stayed")
		}
		if f := s.Flashes(); len(f) != 1 {
			t.Errorf("flashes: %v", f)
		}
	})
	if n := rows(t, d, john.ID); n != 1 {
		t.Errorf("%d sessions: the old one stayed", n)
	}
	for _, c := range []*http.Cookie{old, planted} {
		b.cookie = c
		if b.signedIn() {
			t.Error("an old cookie works")
		}
	}
}

// Who signs in after another in the same browser sees nothing of theirs.
func TestSignInAsAnother(t *testing.T) {
	p, d, c, john := contoso(t)
	joan, err := p.AddUser(t.Context(), "joan@contoso.example", "contoso", password)
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, d, c)
	b.signIn(john, ownTenant(t, p, john))
	b.visit(func(s *Session) { s.Flash("info", "for John") })
	b.signIn(joan, ownTenant(t, p, joan))
	b.visit(func(s *Session) {
		if s.UserID() != joan.ID || len(s.Flashes()) != 0 {
			t.Error("something of John's is left")
		}
	})
	if rows(t, d, john.ID) != 0 {
		t.Error("John's session is still open")
	}
}

func TestExpiry(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		_, d, c, john := contoso(t)
		b := newBrowser(t, d, c)
		b.signIn(john, db.Tenant{})
		c.add(idleFor - time.Millisecond)
		if !b.signedIn() {
			t.Fatal("ended too early")
		}
		c.add(idleFor - time.Millisecond)
		if !b.signedIn() {
			t.Fatal("use did not keep it")
		}
		c.add(idleFor)
		if all, err := b.s.List(t.Context(), john.ID); err != nil || len(all) != 0 {
			t.Errorf("listed: %v, %v", all, err)
		}
		if b.signedIn() {
			t.Error("still open after a day unused")
		}
	})
	t.Run("absolute", func(t *testing.T) {
		_, d, c, john := contoso(t)
		b := newBrowser(t, d, c)
		b.signIn(john, db.Tenant{})
		for range 14*24 - 1 {
			c.add(time.Hour)
			if !b.signedIn() {
				t.Fatal("ended too early")
			}
		}
		c.add(time.Hour)
		if b.signedIn() {
			t.Error("still open after 14 days")
		}
		newBrowser(t, d, c).signIn(john, db.Tenant{})
		if n := rows(t, d, john.ID); n != 1 {
			t.Errorf("%d rows: the expired one is still stored", n)
		}
	})
}

// countingStore counts writes.
type countingStore struct {
	SessionStore
	touches, writes int
}

func (s *countingStore) TouchSession(ctx context.Context, id string, seen time.Time) error {
	s.touches++
	return s.SessionStore.TouchSession(ctx, id, seen)
}

func (s *countingStore) SetSessionTenant(ctx context.Context, id, tenantID string) error {
	s.writes++
	return s.SessionStore.SetSessionTenant(ctx, id, tenantID)
}

func (s *countingStore) SetSessionData(ctx context.Context, id, data string) error {
	s.writes++
	return s.SessionStore.SetSessionData(ctx, id, data)
}

func TestTouchOnceAMinute(t *testing.T) {
	_, d, c, john := contoso(t)
	store := &countingStore{SessionStore: d}
	b := newBrowser(t, store, c)
	b.signIn(john, db.Tenant{})
	for range 60 { // 6 minutes
		c.add(6 * time.Second)
		b.signedIn()
	}
	if store.touches != 6 || store.writes != 0 {
		t.Errorf("%d touches, %d other writes in 6 minutes", store.touches, store.writes)
	}
	all, err := b.s.List(t.Context(), john.ID)
	if err != nil || len(all) != 1 || !all[0].SeenAt.Equal(c.now()) {
		t.Errorf("seen: %v, %v", all, err)
	}
}

func TestFlashes(t *testing.T) {
	_, d, c, john := contoso(t)
	store := &countingStore{SessionStore: d}
	b := newBrowser(t, store, c)
	b.signIn(john, db.Tenant{})
	b.visit(func(s *Session) {
		s.Flash("success", `Salesforce <is> "connected".`)
		s.Flash("warning", "But.")
	})
	b.visit(func(*Session) {}) // a page that shows none
	b.visit(func(s *Session) {
		f := s.Flashes()
		if len(f) != 2 || f[0] != (Flash{"success", `Salesforce <is> "connected".`}) || f[1] != (Flash{"warning", "But."}) {
			t.Errorf("flashes: %+v", f)
		}
	})
	b.visit(func(s *Session) {
		if f := s.Flashes(); len(f) != 0 {
			t.Errorf("shown twice: %+v", f)
		}
	})
	if store.writes != 2 {
		t.Errorf("%d writes", store.writes)
	}
	b.visit(func(s *Session) {
		for i := range 12 {
			s.Flash("info", strings.Repeat("x", i))
		}
	})
	b.visit(func(s *Session) {
		if f := s.Flashes(); len(f) != 10 || f[9].Text != strings.Repeat("x", 11) {
			t.Errorf("%d flashes", len(f))
		}
	})
}

func TestChooseTenant(t *testing.T) {
	p, d, c, john := contoso(t)
	fabrikam, err := p.AddTenant(t.Context(), "fabrikam", "")
	if err != nil {
		t.Fatal(err)
	}
	own := ownTenant(t, p, john)
	b := newBrowser(t, d, c)
	b.signIn(john, db.Tenant{})
	chosen := func() (got db.Tenant) {
		b.visit(func(s *Session) { got = s.Tenant() })
		return got
	}
	if got := chosen(); got != (db.Tenant{}) {
		t.Errorf("before the choice: %+v", got)
	}
	b.visit(func(s *Session) { s.ChooseTenant(own) })
	if got := chosen(); got != own {
		t.Errorf("chosen: %+v", got)
	}
	if err := d.RemoveMember(t.Context(), john.ID, own.ID); err != nil {
		t.Fatal(err)
	}
	if got := chosen(); got != (db.Tenant{}) {
		t.Errorf("after the membership: %+v", got)
	}
	if !b.signedIn() {
		t.Error("the session went with the membership")
	}
	b.visit(func(s *Session) { s.ChooseTenant(fabrikam) }) // without People.Member
	if got := chosen(); got != (db.Tenant{}) {
		t.Errorf("a tenant that John does not belong to: %+v", got)
	}
}

// Two requests of one session at once: a flash of one does not undo the other's
// choice of tenant.
func TestSaveKeepsToItsOwn(t *testing.T) {
	p, d, c, john := contoso(t)
	if _, err := p.AddTenant(t.Context(), "fabrikam", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := p.AddUser(t.Context(), email, "fabrikam", ""); err != nil {
		t.Fatal(err)
	}
	all, err := p.TenantsOf(t.Context(), john.ID)
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, d, c)
	b.signIn(john, all[0])
	slow, w := b.request(), httptest.NewRecorder()
	session, err := b.s.Session(slow)
	if err != nil {
		t.Fatal(err)
	}
	b.visit(func(s *Session) { s.ChooseTenant(all[1]) })
	session.Flash("info", "late")
	if err := session.Save(slow, w); err != nil {
		t.Fatal(err)
	}
	b.visit(func(s *Session) {
		if s.Tenant() != all[1] || len(s.Flashes()) != 1 {
			t.Errorf("tenant %+v", s.Tenant())
		}
	})
}

// A request that was under way when its session ended neither fails nor brings
// it back, nor touches the cookie, which may be a new one by now.
func TestSaveAfterTheEnd(t *testing.T) {
	p, d, c, john := contoso(t)
	b := newBrowser(t, d, c)
	id := b.signIn(john, db.Tenant{})
	res := b.visit(func(s *Session) {
		if err := b.s.End(t.Context(), john.ID, id); err != nil {
			t.Fatal(err)
		}
		s.Flash("info", "late")
		s.ChooseTenant(ownTenant(t, p, john))
	})
	if len(res.Cookies()) != 0 || rows(t, d, john.ID) != 0 || b.signedIn() {
		t.Error("the session came back")
	}
	b.signIn(john, db.Tenant{})
	b.visit(func(s *Session) {
		if err := b.s.EndAll(t.Context(), john.ID, ""); err != nil {
			t.Fatal(err)
		}
		s.SignOut()
	})
	if b.cookie != nil {
		t.Error("signing out of an ended session leaves the cookie")
	}
}

func TestEnds(t *testing.T) {
	p, d, c, john := contoso(t)
	joan, err := p.AddUser(t.Context(), "joan@contoso.example", "contoso", password)
	if err != nil {
		t.Fatal(err)
	}
	var johns [4]*browser
	var ids [4]string
	for i := range johns {
		johns[i] = newBrowser(t, d, c)
		ids[i] = johns[i].signIn(john, db.Tenant{})
		c.add(time.Second)
	}
	hers := newBrowser(t, d, c)
	herID := hers.signIn(joan, db.Tenant{})
	open := func() (n int) {
		for _, b := range johns {
			if b.signedIn() {
				n++
			}
		}
		return n
	}
	s := hers.s
	for _, id := range []string{herID, "", "made up"} {
		if err := s.End(t.Context(), john.ID, id); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("end %q: %v", id, err)
		}
	}
	all, err := s.List(t.Context(), john.ID)
	if err != nil || len(all) != 4 || all[0].ID != ids[3] || all[3].ID != ids[0] {
		t.Errorf("list: %+v, %v", all, err)
	}
	if err := s.End(t.Context(), john.ID, ids[1]); err != nil || johns[1].signedIn() || open() != 3 {
		t.Errorf("end one: %v, %d open", err, open())
	}
	johns[0].visit(func(s *Session) { s.SignOut() })
	if open() != 2 || rows(t, d, john.ID) != 2 {
		t.Errorf("sign out: %d open", open())
	}
	if err := s.EndOthers(t.Context(), john.ID, ids[3], ""); err != nil || !johns[3].signedIn() || open() != 1 {
		t.Errorf("end others: %v, %d open", err, open())
	}
	if err := s.EndAll(t.Context(), john.ID, ""); err != nil || open() != 0 {
		t.Errorf("end all: %v, %d open", err, open())
	}
	if !hers.signedIn() {
		t.Error("another user's session ended too")
	}
}

func TestNewPasswordEndsSessions(t *testing.T) {
	p, d, c, john := contoso(t)
	b, other := newBrowser(t, d, c), newBrowser(t, d, c)
	b.signIn(john, db.Tenant{})
	other.signIn(john, db.Tenant{})
	b.visit(func(s *Session) {
		u, err := p.ChangePassword(t.Context(), john.ID, password, "a gate of new ash")
		if err != nil {
			t.Fatal(err)
		}
		s.SignIn(u, s.Tenant())
	})
	if other.signedIn() || !b.signedIn() || rows(t, d, john.ID) != 1 {
		t.Error("change: the other is open, or the own one is not")
	}
	if err := p.SetPassword(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	if b.signedIn() {
		t.Error("set: still open")
	}
	// a login that was under way with the old password comes too late
	r, w := b.request(), httptest.NewRecorder()
	late, err := b.s.Session(r)
	if err != nil {
		t.Fatal(err)
	}
	late.SignIn(john, db.Tenant{})
	if err := late.Save(r, w); err != ErrCredentials || len(w.Result().Cookies()) != 0 || rows(t, d, john.ID) != 0 {
		t.Errorf("late: %v", err)
	}
}

func TestCSRF(t *testing.T) {
	_, d, c, john := contoso(t)
	b, other := newBrowser(t, d, c), newBrowser(t, d, c)
	token := func(b *browser) (got string) {
		b.visit(func(s *Session) { got = s.CSRF() })
		return got
	}
	b.signIn(john, db.Tenant{})
	other.signIn(john, db.Tenant{})
	first := token(b)
	if len(first) != 43 || first != token(b) || first == token(other) || first == b.cookie.Value {
		t.Errorf("token %q, again %q, another's %q", first, token(b), token(other))
	}
}

func TestDatabaseHoldsHashesOnly(t *testing.T) {
	path, c := dbtest.Path(t), newClock()
	d := dbtest.Open(t, path)
	p := people(d, c)
	link, err := p.SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	linkStored := grep(t, path, digest(link))
	u, tenant, err := p.Setup(t.Context(), link, form)
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, d, c)
	b.signIn(u, tenant)
	csrf := ""
	b.visit(func(s *Session) { csrf = s.CSRF(); s.Flash("info", "hello") })
	if !linkStored || !grep(t, path, digest(b.cookie.Value)) {
		t.Fatal("the hashes are not in the file, so that this test shows nothing")
	}
	for name, secret := range map[string]string{"cookie": b.cookie.Value, "password": password, "link": link, "CSRF token": csrf} {
		if grep(t, path, secret) {
			t.Errorf("the %s is in the database", name)
		}
	}
}

// brokenSessions fails at one question.
type brokenSessions struct {
	SessionStore
	at string
}

func (b *brokenSessions) fail(at string) error {
	if b.at == at {
		return errStore
	}
	return nil
}

func (b *brokenSessions) SignedIn(ctx context.Context, hash string, now, idle time.Time) (db.SignedIn, error) {
	if err := b.fail("read"); err != nil {
		return db.SignedIn{}, err
	}
	return b.SessionStore.SignedIn(ctx, hash, now, idle)
}

func (b *brokenSessions) TouchSession(context.Context, string, time.Time) error {
	return b.fail("touch")
}

func (b *brokenSessions) CreateSession(context.Context, string, db.Session, db.User, string) error {
	return b.fail("create")
}
func (b *brokenSessions) SetSessionTenant(context.Context, string, string) error {
	return b.fail("tenant")
}
func (b *brokenSessions) SetSessionData(context.Context, string, string) error { return b.fail("data") }
func (b *brokenSessions) EndSession(context.Context, string, string) error     { return b.fail("end") }

// A store that fails is an error, not a visitor who is signed out.
func TestSessionStoreFails(t *testing.T) {
	p, d, c, john := contoso(t)
	tenant := ownTenant(t, p, john)
	b := newBrowser(t, d, c)
	b.signIn(john, db.Tenant{})
	c.add(touchEvery)
	for at, change := range map[string]func(*Session){
		"read":   func(*Session) {},
		"touch":  func(*Session) {},
		"create": func(s *Session) { s.SignIn(john, tenant) },
		"tenant": func(s *Session) { s.ChooseTenant(tenant) },
		"data":   func(s *Session) { s.Flash("info", "x") },
		"end":    func(s *Session) { s.SignOut() },
	} {
		broken := NewSessions(&brokenSessions{SessionStore: d, at: at}, SessionOptions{Now: c.now})
		r, w := b.request(), httptest.NewRecorder()
		session, err := broken.Session(r)
		if err == nil {
			change(session)
			err = session.Save(r, w)
		}
		if !errors.Is(err, errStore) || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: %v, %v", at, err, w.Result().Cookies())
		}
	}
	if err := d.SetSessionData(t.Context(), sessionID(b), "{"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.s.Session(b.request()); err == nil {
		t.Error("broken data is no error")
	}
}

func sessionID(b *browser) (id string) {
	b.visit(func(s *Session) { id = s.ID() })
	return id
}

func TestIPIsInjected(t *testing.T) {
	_, d, c, john := contoso(t)
	b := newBrowser(t, d, c)
	b.s = NewSessions(d, SessionOptions{Now: c.now, IP: func(*http.Request) string { return "2001:db8::7" }})
	b.signIn(john, db.Tenant{})
	if all, err := b.s.List(t.Context(), john.ID); err != nil || len(all) != 1 || all[0].IP != "2001:db8::7" {
		t.Errorf("%+v, %v", all, err)
	}
}
