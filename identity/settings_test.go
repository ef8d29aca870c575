package identity

import (
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"

	"gatepost/db"
	"gatepost/seal"
)

// heldUp has the next renewal wait at the service until goOn is closed, or its
// caller has gone.
func heldUp(w *world) (arrived, goOn chan struct{}) {
	arrived, goOn = make(chan struct{}), make(chan struct{})
	w.srv.fail("token", 1, func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		close(arrived)
		select {
		case <-goOn:
			serve(rw, r)
		case <-r.Context().Done():
		}
	})
	return arrived, goOn
}

// A renewal that was begun with the old app may end after the app was mended.
func TestAppMendedDuringARenewal(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	v.Wait()
	old := w.process(wrongApp(w))
	arrived, goOn := heldUp(w)
	var caller sync.WaitGroup
	caller.Go(func() { _, _ = w.get(old, i.Generation) })
	comes(t, arrived)
	if err := v.SetService(t.Context(), Salesforce, ServiceChange{ClientSecret: new(clientSecret)}); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	caller.Wait()
	w.fresh(v, i.Generation)
	w.wantLive(1)
}

// A process that was suspended past its lease breaks nothing: somebody else may
// be calling, and the mark of that call keeps the token from being sent twice.
func TestLateBreakLeavesTheCallMarked(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	v.Wait()
	second, third := w.process(), w.process()
	arrived, goOn := heldUp(w)
	var callers sync.WaitGroup
	callers.Go(func() { _, _ = w.get(second, i.Generation) })
	comes(t, arrived)
	if err := v.Store.BreakIdentity(t.Context(), i.ID, i.Generation, "invalid_client", v.owner); !errors.Is(err, db.ErrLost) {
		t.Errorf("broken without the lease: %v", err)
	}
	if err := v.RetryApp(t.Context(), Salesforce); err != nil {
		t.Fatal(err)
	}
	callers.Go(func() { _, _ = w.get(third, i.Generation) })
	close(goOn)
	callers.Wait()
	w.wantCalls(1)
	w.wantLive(1)
}

// What was set anew is not sent to a login address that was taken back.
func TestSecretStaysAtItsAddress(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	v.Wait()
	open := w.begin(v)
	calls := w.srv.count("token")
	err := v.SetService(t.Context(), Salesforce, ServiceChange{LoginURL: new("https://other.example"), ClientSecret: new("brand-new")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.get(v, i.Generation)
	wantUnavailable(t, err, CodeUnreachable)
	_, err = v.Finish(t.Context(), open)
	wantOAuth(t, err, CodeForeignHost)
	if n := w.srv.count("token"); n != calls {
		t.Errorf("%d calls", n-calls)
	}
	if err := v.SetService(t.Context(), Salesforce, ServiceChange{LoginURL: new(""), ClientSecret: new("")}); err != nil {
		t.Fatal(err)
	}
	w.skip(firstRetry)
	w.fresh(v, i.Generation)
}

// A secret that can't be opened keeps no token from being revoked where that
// needs no secret.
func TestRevokedWithoutTheSecret(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	if err := v.SetService(t.Context(), Salesforce, ServiceChange{ClientSecret: new(clientSecret)}); err != nil {
		t.Fatal(err)
	}
	w.connect(v)
	v.Wait()
	if _, err := w.store.Writer().Exec(`UPDATE service_settings SET sealed_client_secret = 'AAAA'`); err != nil {
		t.Fatal(err)
	}
	if revoked, err := v.Disconnect(t.Context(), Salesforce, w.tenant); err != nil || !revoked {
		t.Errorf("revoked %v, %v", revoked, err)
	}
	w.wantLive(0)
}

// wrongApp configures a process with a client secret that the service refuses.
func wrongApp(w *world) func(*Config) {
	return func(c *Config) {
		c.Services = []Service{SalesforceService(clientID, "mistyped", redirectURI, w.srv.URL)}
	}
}

// A mistyped secret ends no connection, and its mending is waited for by nobody.
func TestMendedAppMendsConnections(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	v.Wait()
	mistyped := w.process(wrongApp(w))
	_, err := w.get(mistyped, i.Generation)
	wantUnavailable(t, err, "invalid_client")
	other := w.process(wrongApp(w)) // it is running when the secret is set
	if err := v.SetService(t.Context(), Salesforce, ServiceChange{ClientSecret: new(clientSecret)}); err != nil {
		t.Fatal(err)
	}
	w.fresh(other, i.Generation)
	w.wantCalls(2)
	w.wantLive(1)
	if i := w.identity(v); !i.BrokenAt.IsZero() || !i.FailedAt.IsZero() {
		t.Errorf("%+v", i)
	}
	w.findNoSecrets()
}

// Only what the app's settings broke is mended with them.
func TestDeadConnectionsStayDead(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	w.srv.revokeAll()
	_, err := w.get(v, i.Generation)
	wantBroken(t, err, "invalid_grant")
	if err := v.RetryApp(t.Context(), Salesforce); err != nil {
		t.Fatal(err)
	}
	if i := w.identity(v); i.BrokenAt.IsZero() {
		t.Error("it is taken for alive")
	}
}

func TestServiceSettings(t *testing.T) {
	w := newWorld(t)
	v := w.process(func(c *Config) { c.Services = []Service{SalesforceService("", "", redirectURI, "")} })
	ask := func() (*url.URL, error) {
		address, err := v.Authorize(t.Context(), AuthorizeRequest{Service: Salesforce, TenantID: w.tenant, UserID: w.user, SessionID: session})
		u, _ := url.Parse(address)
		return u, err
	}
	if _, err := ask(); !errors.Is(err, ErrNoApp) || !errors.Is(v.CheckApp(t.Context(), Salesforce), ErrNoApp) {
		t.Errorf("without an app: %v", err)
	}
	scopes := []string{"full", "refresh_token"}
	err := v.SetService(t.Context(), Salesforce, ServiceChange{ClientID: new("set"), ClientSecret: new("s3cret"), LoginURL: &w.srv.URL, Scopes: &scopes})
	if err != nil {
		t.Fatal(err)
	}
	u, err := ask()
	if err != nil || "http://"+u.Host != w.srv.URL || u.Query().Get("client_id") != "set" || u.Query().Get("scope") != "full refresh_token" {
		t.Errorf("%v, %v", u, err)
	}
	if login, err := v.CheckLogin(t.Context(), Salesforce, w.tenant, w.srv.URL); login != w.srv.URL || err != nil {
		t.Errorf("the login address that was set: %q, %v", login, err)
	}
	if s, err := v.sharedApp(t.Context(), Salesforce); err != nil || s.ClientSecret != "s3cret" {
		t.Errorf("%q, %v", s.ClientSecret, err)
	}
	// One value is taken back, the others stay.
	if err := v.SetService(t.Context(), Salesforce, ServiceChange{LoginURL: new(""), Scopes: &[]string{}}); err != nil {
		t.Fatal(err)
	}
	u, err = ask()
	if err != nil || u.Host != "login.salesforce.com" || u.Query().Get("client_id") != "set" || u.Query().Get("scope") != "api refresh_token id" {
		t.Errorf("%v, %v", u, err)
	}
	if err := v.SetService(t.Context(), "other", ServiceChange{}); !errors.Is(err, ErrNoService) {
		t.Errorf("another service: %v", err)
	}
}

func TestScopesMustBeEnough(t *testing.T) {
	s := SalesforceService(clientID, clientSecret, redirectURI, "")
	tests := map[string]*ScopeError{
		"api refresh_token":       nil,
		"full refresh_token":      nil,
		"api":                     {Missing: []string{"refresh_token"}},
		"full":                    {Missing: []string{"refresh_token"}},
		"refresh_token":           {Missing: []string{"api"}},
		"id":                      {Missing: []string{"refresh_token", "api"}},
		`api refresh_token "quo"`: {Malformed: []string{`"quo"`}},
		"api refresh_token ä":     {Malformed: []string{"ä"}},
	}
	for text, want := range tests {
		var got *ScopeError
		errors.As(s.checkScopes(strings.Fields(text)), &got)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// The secret is sealed for its place, and sealed anew when the key is rotated.
func TestClientSecretIsSealed(t *testing.T) {
	w := newWorld(t)
	v, behind := w.process(), w.process()
	set := func() {
		t.Helper()
		if err := v.SetService(t.Context(), Salesforce, ServiceChange{ClientSecret: new(clientSecret)}); err != nil {
			t.Fatal(err)
		}
	}
	set()
	if _, err := v.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if unopened, err := v.Keys.Reseal(t.Context(), func(int) {}); unopened != 0 || err != nil {
		t.Fatalf("%d unopened, %v", unopened, err)
	}
	keys, err := v.Keys.Status(t.Context())
	if err != nil || len(keys) != 2 || keys[0].RetiredAt.IsZero() || keys[1].Rows != 1 {
		t.Errorf("%+v, %v", keys, err)
	}
	if s, err := behind.sharedApp(t.Context(), Salesforce); err != nil || s.ClientSecret != clientSecret {
		t.Errorf("after the rotation: %v", err)
	}
	i := w.connect(v)
	v.Wait()
	if _, err := w.store.Writer().Exec(`UPDATE service_settings SET sealed_client_secret = (SELECT sealed_access FROM identities WHERE id = $1)`, i.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.get(v, i.Generation); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("another row's secret: %v", err)
	}
	if i := w.identity(v); !i.BrokenAt.IsZero() {
		t.Errorf("it broke the connection: %s", i.BrokenCode)
	}
	set()
	w.fresh(v, i.Generation)
}
