package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"

	"gatepost/db"
	"gatepost/seal"
)

const (
	ownID     = "client-of-contoso"
	ownSecret = "client-secret-of-contoso"
)

// register makes one more client known to the service.
func (s *oauthServer) register(id, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[id] = secret
	s.secrets = append(s.secrets, secret)
}

// got reports whether a client's secret came.
func (s *oauthServer) got(secret string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[secret]
}

// setApp sets an app of the tenant's own.
func (w *world) setApp(v *Vault, tenant, id, secret string) {
	w.t.Helper()
	if err := v.SetTenantApp(w.t.Context(), Salesforce, tenant, ServiceChange{ClientID: &id, ClientSecret: &secret}); err != nil {
		w.t.Fatal(err)
	}
}

// ownApp registers an app and sets it as the tenant's own.
func (w *world) ownApp(v *Vault) {
	w.t.Helper()
	w.srv.register(ownID, ownSecret)
	w.setApp(v, w.tenant, ownID, ownSecret)
}

// inTenant makes the world's tenant another one, until the returned call.
func (w *world) inTenant(tenant, user string) (back func()) {
	before, beforeUser := w.tenant, w.user
	w.tenant, w.user = tenant, user
	return func() { w.tenant, w.user = before, beforeUser }
}

// What a tenant authorizes is made with its own app, and goes on with it alone.
func TestOwnAppTakesPrecedence(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	if i := w.connect(v); i.OwnApp {
		t.Error("made with an app that isn't set")
	}
	v.Wait()
	shared := w.identity(v)
	w.ownApp(v)
	w.fresh(v, shared.Generation) // what is there goes on with the shared app
	v.Wait()
	if w.srv.got(ownSecret) {
		t.Error("the own secret was used for the shared app's connection")
	}
	i := w.connect(v)
	if !i.OwnApp || i.ID != shared.ID {
		t.Errorf("%+v", i)
	}
	v.Wait()
	w.wantLive(1) // the shared app's is revoked
	w.srv.mu.Lock()
	delete(w.srv.clients, clientID) // nothing but the own app works from here on
	w.srv.mu.Unlock()
	w.srv.strict = true
	w.fresh(v, i.Generation)
	v.Wait()
	settleWithin(v, 0)
	w.srv.fail("token", 1, cutBefore) // so that introspection is asked
	_, err := w.get(v, w.identity(v).Generation)
	wantUnavailable(t, err, CodeUnanswered)
	v.Timeout = ample
	w.skip(firstRetry)
	w.fresh(v, i.Generation)
	if w.srv.count("introspect") != 1 || w.srv.count("expiry") == 0 {
		t.Errorf("%d introspections", w.srv.count("introspect"))
	}
	v.Wait()
	if revoked, err := v.Disconnect(t.Context(), Salesforce, w.tenant); !revoked || err != nil {
		t.Errorf("revoked %v, %v", revoked, err)
	}
	w.wantLive(0)
}

// A tenant's app serves no other tenant.
func TestOwnAppIsOfOneTenant(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.ownApp(v)
	back := w.inTenant(w.addTenant("fabrikam"))
	if _, err := v.TenantApp(t.Context(), Salesforce, w.tenant); !errors.Is(err, ErrNoOwnApp) {
		t.Errorf("of the other tenant: %v", err)
	}
	if _, err := v.DropTenantApp(t.Context(), Salesforce, w.tenant); !errors.Is(err, ErrNoOwnApp) {
		t.Errorf("drop: %v", err)
	}
	i := w.connect(v)
	v.Wait()
	w.fresh(v, i.Generation)
	v.Wait()
	if i.OwnApp || w.srv.got(ownSecret) {
		t.Error("the other tenant's app was used")
	}
	// A row of theirs that says otherwise finds no app, nor can one be moved there.
	if _, err := w.store.Writer().Exec(`UPDATE identities SET own_app = 1`); err != nil {
		t.Fatal(err)
	}
	_, err := w.get(v, w.identity(v).Generation)
	wantBroken(t, err, BrokenAppRemoved)
	if _, err := w.store.Writer().Exec(`UPDATE tenant_apps SET tenant_id = $1`, w.tenant); err != nil {
		t.Fatal(err)
	}
	if s, err := v.ownApp(t.Context(), Salesforce, w.tenant); !errors.Is(err, seal.ErrSealed) || s.ClientSecret != "" {
		t.Errorf("another tenant's secret: %v", err)
	}
	back()
	if w.srv.got(ownSecret) {
		t.Error("the secret was sent")
	}
}

// An authorization that was begun with an app ends with it, or not at all.
func TestAppChangesDuringTheHandshake(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	before := w.begin(v)
	w.ownApp(v)
	if _, err := v.Finish(t.Context(), before); err != nil {
		t.Errorf("begun with the shared app: %v", err)
	}
	if i := w.identity(v); i.OwnApp || w.srv.got(ownSecret) {
		t.Errorf("it ended with the own app: %+v", i)
	}
	own := w.begin(v)
	if _, err := v.DropTenantApp(t.Context(), Salesforce, w.tenant); err != nil {
		t.Fatal(err)
	}
	calls := w.srv.count("token")
	_, err := v.Finish(t.Context(), own)
	wantOAuth(t, err, BrokenAppRemoved)
	if w.srv.count("token") != calls {
		t.Error("it ended with another app")
	}
	w.wantLive(1)
	// It may be removed at the last moment.
	w.setApp(v, w.tenant, ownID, ownSecret)
	own = w.begin(v)
	w.srv.fail("token", 1, func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if _, err := w.store.DeleteTenantApp(context.Background(), Salesforce, w.tenant); err != nil {
			t.Error(err)
		}
		serve(rw, r)
	})
	if _, err := v.Finish(t.Context(), own); !errors.Is(err, ErrChanged) {
		t.Errorf("removed meanwhile: %v", err)
	}
	if i := w.identity(v); i.OwnApp {
		t.Error("it was stored")
	}
	w.wantLive(1)
}

// Another org that was authorized with the own app is confirmed with it.
func TestHeldKeepsItsApp(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	w.ownApp(v)
	w.srv.org = orgTwo
	hold := func() db.Held {
		t.Helper()
		if err := w.tryConnect(v); !errors.Is(err, ErrHeld) {
			t.Fatal(err)
		}
		h, err := v.Held(t.Context(), Salesforce, w.tenant)
		if err != nil || !h.OwnApp {
			t.Fatalf("%+v, %v", h, err)
		}
		return h
	}
	hold()
	if _, err := v.DropTenantApp(t.Context(), Salesforce, w.tenant); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Held(t.Context(), Salesforce, w.tenant); !errors.Is(err, ErrNotConnected) {
		t.Errorf("held without its app: %v", err)
	}
	w.runRevocations(v)
	w.wantLive(1)
	w.setApp(v, w.tenant, ownID, ownSecret)
	if err := v.Confirm(t.Context(), Salesforce, w.tenant, hold().ID); err != nil {
		t.Fatal(err)
	}
	v.Wait()
	i := w.identity(v)
	if !i.OwnApp || i.OrgID != orgTwo {
		t.Errorf("%+v", i)
	}
	w.fresh(v, i.Generation)
	w.wantLive(1)
}

// Without its app a connection is dead at once, and with it it lives again.
func TestRemovedApp(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.ownApp(v)
	i := w.connect(v)
	v.Wait()
	if n, err := v.OwnAppUses(t.Context(), Salesforce, w.tenant); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	calls := w.srv.count("token")
	if n, err := v.DropTenantApp(t.Context(), Salesforce, w.tenant); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	_, err := w.get(v, 0)
	wantBroken(t, err, BrokenAppRemoved)
	if err := v.RetryApp(t.Context(), Salesforce); err != nil { // the shared app is none of its business
		t.Fatal(err)
	}
	_, err = w.get(v, i.Generation)
	wantBroken(t, err, BrokenAppRemoved)
	if w.srv.count("token") != calls {
		t.Error("another app was used")
	}
	w.setApp(v, w.tenant, ownID, ownSecret)
	w.fresh(v, i.Generation)
	w.wantLive(1)
	// Another client can't go on with it, and the service needn't be asked.
	w.srv.register("newer", "newer-secret-of-contoso")
	w.setApp(v, w.tenant, "newer", "newer-secret-of-contoso")
	_, err = w.get(v, w.identity(v).Generation)
	wantBroken(t, err, BrokenOtherApp)
	// What was revoked needs no app at Salesforce.
	w.connect(v)
	v.Wait()
	if _, err := v.DropTenantApp(t.Context(), Salesforce, w.tenant); err != nil {
		t.Fatal(err)
	}
	if revoked, err := v.Disconnect(t.Context(), Salesforce, w.tenant); !revoked || err != nil {
		t.Errorf("revoked %v, %v", revoked, err)
	}
	if w.srv.got(clientSecret) {
		t.Error("the shared secret was used for the own app's connection")
	}
}

// A refused app concerns its tenant's connections alone, ends none, and mending it has
// them tried at once.
func TestMendedOwnApp(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	shared := func() db.Identity {
		defer w.inTenant(w.addTenant("fabrikam"))()
		i := w.connect(v)
		v.Wait()
		return i
	}()
	w.ownApp(v)
	i := w.connect(v)
	v.Wait()
	w.setApp(v, w.tenant, ownID, "mistyped")
	_, err := w.get(v, i.Generation)
	wantUnavailable(t, err, BrokenAppRefused)
	wantOAuth(t, w.tryConnect(v), BrokenAppRefused)
	if err := v.RetryApp(t.Context(), Salesforce); err != nil {
		t.Fatal(err)
	}
	if i := w.identity(v); !i.BrokenAt.IsZero() || i.RetryAt.IsZero() {
		t.Error("tried again with the shared app")
	}
	// And the other way round.
	mistyped := w.process(wrongApp(w))
	_, err = mistyped.Get(t.Context(), Salesforce, shared.TenantID, shared.Generation)
	wantUnavailable(t, err, "invalid_client")
	w.setApp(v, w.tenant, ownID, ownSecret)
	if i, err := v.Identity(t.Context(), Salesforce, shared.TenantID); err != nil || i.RetryAt.IsZero() {
		t.Errorf("tried again with somebody's own app: %v", err)
	}
	w.fresh(v, i.Generation)
	v.Wait()
	// The app may be mended while a renewal with the old secret is under way.
	w.setApp(v, w.tenant, ownID, "mistyped")
	i = w.identity(v)
	arrived, goOn := heldUp(w)
	var caller sync.WaitGroup
	caller.Go(func() { _, _ = w.get(v, i.Generation) })
	comes(t, arrived)
	w.setApp(v, w.tenant, ownID, ownSecret)
	close(goOn)
	caller.Wait()
	w.fresh(v, i.Generation)
}

func TestIncompleteApps(t *testing.T) {
	w := newWorld(t)
	v := w.process(func(c *Config) {
		managed := w.service()
		managed.ID, managed.SelfManaged = "managed", true
		c.Services = append(c.Services, managed)
	})
	id, secret, nothing, host, other := ownID, ownSecret, "", "https://own.example", "https://other.example"
	w.srv.secrets = append(w.srv.secrets, ownSecret)
	set := func(service string, want error, c ServiceChange) {
		t.Helper()
		if err := v.SetTenantApp(t.Context(), service, w.tenant, c); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	set("other", ErrNoService, ServiceChange{ClientID: &id, ClientSecret: &secret})
	set(Salesforce, ErrIncompleteApp, ServiceChange{ClientID: &id})
	set(Salesforce, ErrIncompleteApp, ServiceChange{ClientSecret: &secret})
	set(Salesforce, ErrNotSelfManaged, ServiceChange{ClientID: &id, ClientSecret: &secret, LoginURL: &host})
	var scopes *ScopeError
	if err := v.SetTenantApp(t.Context(), Salesforce, w.tenant, ServiceChange{ClientID: &id, ClientSecret: &secret, Scopes: &[]string{"id"}}); !errors.As(err, &scopes) {
		t.Errorf("too few scopes: %v", err)
	}
	if _, err := v.TenantApp(t.Context(), Salesforce, w.tenant); !errors.Is(err, ErrNoOwnApp) {
		t.Errorf("something was set: %v", err)
	}
	set(Salesforce, nil, ServiceChange{ClientID: &id, ClientSecret: &secret, Scopes: &[]string{"full", "refresh_token"}})
	set(Salesforce, ErrIncompleteApp, ServiceChange{ClientID: &nothing})
	set(Salesforce, ErrIncompleteApp, ServiceChange{ClientSecret: &nothing})
	if s, err := v.appFor(t.Context(), Salesforce, w.tenant); err != nil || s.ClientID != ownID || s.ClientSecret != ownSecret ||
		!reflect.DeepEqual(s.Scopes, []string{"full", "refresh_token"}) || s.LoginURL != w.srv.URL {
		t.Errorf("%+v, %v", s.Scopes, err)
	}
	set("managed", nil, ServiceChange{ClientID: &id, ClientSecret: &secret})
	set("managed", ErrSecretNeeded, ServiceChange{LoginURL: &host})
	set("managed", nil, ServiceChange{LoginURL: &host, ClientSecret: &secret})
	set("managed", ErrSecretNeeded, ServiceChange{LoginURL: &nothing})
	set("managed", ErrSecretNeeded, ServiceChange{LoginURL: &other})
	set("managed", nil, ServiceChange{LoginURL: &host, Scopes: &[]string{}})
}

// What the operator has chosen may lie in their own network, and is called there: no
// tenant gets there by calling it their host of another service.
func TestOwnHostIsNoneOfTheOperators(t *testing.T) {
	w := newWorld(t)
	login := "https://sso.operator.example"
	v := w.process(func(c *Config) {
		c.Services[0].SelfManaged = true
		c.Services = append(c.Services, gitLab, hubSpot)
		c.Services[2].ExtraLogin = "https://hub.operator.example"
	})
	if err := errors.Join(v.AddService(t.Context(), acme()), v.SetService(t.Context(), Salesforce, ServiceChange{LoginURL: &login})); err != nil {
		t.Fatal(err)
	}
	set := func(service, host string) error {
		return v.SetTenantApp(t.Context(), service, w.tenant, ServiceChange{ClientID: new(ownID), ClientSecret: new(ownSecret), LoginURL: &host})
	}
	for _, host := range []string{login, "https://id.acme.example", "https://api.acme.example", "https://hub.operator.example"} {
		wantError(t, host, set("gitlab", host), ErrForeignHost)
	}
	for _, err := range []error{set("gitlab", "https://git.contoso.example"), set("gitlab", "https://id.acme.example:8443"), set(Salesforce, login)} {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestCheckHost(t *testing.T) {
	s := SalesforceService(clientID, clientSecret, redirectURI, "http://127.0.0.1:9")
	if _, err := s.CheckHost("git.contoso.example"); !errors.Is(err, ErrNotSelfManaged) {
		t.Errorf("a service that is not: %v", err)
	}
	s.SelfManaged = true
	for typed, want := range map[string]string{
		"git.contoso.example":              "https://git.contoso.example",
		" https://Git.Contoso.example/ ":   "https://git.contoso.example",
		"\u200bgit.contoso.example\u00a0":  "https://git.contoso.example",
		"https://git.contoso.example:443":  "https://git.contoso.example",
		"https://git.contoso.example:8443": "https://git.contoso.example:8443",
		"http://127.0.0.1:9/":              "http://127.0.0.1:9", // the operator's own choice
		"http://git.contoso.example":       "",
		"http://127.0.0.1:10":              "",
		"https://127.0.0.1":                "",
		"https://[::1]":                    "",
		"https://2130706433":               "",
		"localhost":                        "",
		"https://git.contoso.example/path": "",
		"https://git.contoso.example?x":    "",
		"https://git.contoso.example?":     "",
		"https://git.contoso.example#x":    "",
		"https://a@git.contoso.example":    "",
		"https://git.contoso.example:":     "",
		"https://git.contoso.example:0":    "",
		"https://git.contoso.example:0443": "",
		"https://git..example":             "",
		"https://git_x.example":            "",
		"https://gät.example":              "",
		"git.example\\@evil.example":       "",
		"ftp://git.contoso.example":        "",
		"":                                 "",
		strings.Repeat("a.", 127) + "com":  "",
	} {
		got, err := s.CheckHost(typed)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrForeignHost) {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
	}
}

// ownHost is a world whose service may be on a tenant's own host, and that host.
func ownHost(t *testing.T) (w *world, v *Vault, host *oauthServer, hostURL string) {
	w = newWorld(t)
	host = newOAuthHandler(t)
	host.clients = map[string]string{}
	host.Server = httptest.NewTLSServer(host.handler)
	t.Cleanup(host.Close)
	hostURL = "https://example.com" // which its certificate is for
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: host.Client().Transport.(*http.Transport).TLSClientConfig.Clone(),
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == "example.com:443" {
				addr = host.Listener.Addr().String()
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}}}
	client.Transport.(*http.Transport).TLSClientConfig.MinVersion = tls.VersionTLS12
	t.Cleanup(client.CloseIdleConnections)
	v = w.process(func(c *Config) {
		c.HTTP = client
		c.Services[0].SelfManaged = true
	})
	host.register(ownID, ownSecret)
	w.srv.secrets = append(w.srv.secrets, ownSecret)
	id, secret := ownID, ownSecret
	if err := v.SetTenantApp(t.Context(), Salesforce, w.tenant, ServiceChange{ClientID: &id, ClientSecret: &secret, LoginURL: &hostURL}); err != nil {
		t.Fatal(err)
	}
	host.mend = func(answer map[string]any) {
		answer["instance_url"], answer["id"] = hostURL, hostURL+"/id/"+orgOne+"/"+remoteUser
	}
	return w, v, host, hostURL
}

// connectAtHost authorizes at a tenant's own host.
func (w *world) connectAtHost(v *Vault, host *oauthServer, hostURL string) error {
	w.t.Helper()
	address, err := v.Authorize(w.t.Context(), w.request())
	if err != nil {
		w.t.Fatal(err)
	}
	rest, ok := strings.CutPrefix(address, hostURL)
	if !ok {
		w.t.Fatalf("authorize at %s", address)
	}
	q := host.consent(host.URL + rest)
	_, err = v.Finish(w.t.Context(), Callback{Service: Salesforce, SessionID: session, State: q.Get("state"), Code: q.Get("code")})
	return err
}

// The shared app's secret never goes to a host that a tenant chose, and the
// tenant's own to no other.
func TestSecretsStayAtTheirHosts(t *testing.T) {
	w, v, host, hostURL := ownHost(t)
	host.lifetime = 2 * 3600e9
	host.strict = true
	if err := w.connectAtHost(v, host, hostURL); err != nil {
		t.Fatal(err)
	}
	v.Wait()
	i := w.identity(v)
	if !i.OwnApp || i.LoginURL != hostURL {
		t.Errorf("%+v", i)
	}
	if c, err := w.get(v, i.Generation); err != nil || !host.alive(c.AccessToken) {
		t.Errorf("renewed: %v", err)
	}
	v.Wait()
	for _, login := range []string{w.srv.URL, "https://login.salesforce.com", "https://other.example"} {
		r := w.request()
		r.LoginURL = login
		if address, err := v.Authorize(t.Context(), r); err == nil {
			t.Errorf("the own app is taken to %s", address)
		}
	}
	// Another tenant can't be sent there.
	back := w.inTenant(w.addTenant("fabrikam"))
	r := w.request()
	r.LoginURL = hostURL
	if _, err := v.Authorize(t.Context(), r); err == nil {
		t.Error("the shared app is taken to a tenant's host")
	}
	if _, err := v.CheckLogin(t.Context(), Salesforce, w.tenant, hostURL); !errors.Is(err, ErrForeignHost) {
		t.Errorf("the host is taken for the service's own: %v", err)
	}
	shared := w.connect(v)
	back()
	if login, err := v.CheckLogin(t.Context(), Salesforce, w.tenant, hostURL); login != hostURL || err != nil {
		t.Errorf("%q, %v", login, err)
	}
	// Not even when a row says so.
	if _, err := w.store.Writer().Exec(`UPDATE identities SET login_url = $1 WHERE id = $2`, hostURL, shared.ID); err != nil {
		t.Fatal(err)
	}
	_, err := v.GetByID(t.Context(), shared.ID, shared.Generation)
	wantUnavailable(t, err, CodeUnreachable)
	// The app is removed, the token is revoked all the same: as nobody.
	host.strict = false
	if _, err := v.DropTenantApp(t.Context(), Salesforce, w.tenant); err != nil {
		t.Fatal(err)
	}
	if revoked, err := v.Disconnect(t.Context(), Salesforce, w.tenant); !revoked || err != nil || host.live() != 0 {
		t.Errorf("revoked %v, %v, %d live", revoked, err, host.live())
	}
	if _, err := v.Disconnect(t.Context(), Salesforce, shared.TenantID); err != nil {
		t.Fatal(err)
	}
	if host.got(clientSecret) || w.srv.got(ownSecret) {
		t.Errorf("the tenant's host got the shared secret: %v; the service got the tenant's: %v", host.got(clientSecret), w.srv.got(ownSecret))
	}
}

// What was connected at a tenant's host is never revoked at the service's own
// addresses: that would tell them the token.
func TestTokensStayAtTheirHosts(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, v *Vault, tenant string) error{
		"the app is removed": func(t *testing.T, v *Vault, tenant string) error {
			_, err := v.DropTenantApp(t.Context(), Salesforce, tenant)
			return err
		},
		"the app is for the service now": func(t *testing.T, v *Vault, tenant string) error {
			secret, nothing := ownSecret, ""
			return v.SetTenantApp(t.Context(), Salesforce, tenant, ServiceChange{ClientSecret: &secret, LoginURL: &nothing})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, v, host, hostURL := ownHost(t)
			s := v.services[Salesforce]
			s.Revoke.URL = w.srv.URL + s.Revoke.URL // as the end points of some are
			v.services[Salesforce] = s
			if err := w.connectAtHost(v, host, hostURL); err != nil {
				t.Fatal(err)
			}
			v.Wait()
			if err := leave(t, v, w.tenant); err != nil {
				t.Fatal(err)
			}
			if _, err := v.Disconnect(t.Context(), Salesforce, w.tenant); err != nil {
				t.Fatal(err)
			}
			if n := w.srv.count("revoke"); n != 0 {
				t.Error("the service was told the token of a tenant's host")
			}
		})
	}
}

// A connection of a host that the app is no longer for is dead, and its secrets
// go nowhere.
func TestHostIsChanged(t *testing.T) {
	w, v, host, hostURL := ownHost(t)
	if err := w.connectAtHost(v, host, hostURL); err != nil {
		t.Fatal(err)
	}
	v.Wait()
	calls, generation := host.count("token"), w.identity(v).Generation
	secret, nothing := ownSecret, ""
	if err := v.SetTenantApp(t.Context(), Salesforce, w.tenant, ServiceChange{ClientSecret: &secret, LoginURL: &nothing}); err != nil {
		t.Fatal(err)
	}
	_, err := w.get(v, generation)
	wantBroken(t, err, BrokenAppRemoved)
	if host.count("token") != calls || w.srv.got(ownSecret) {
		t.Error("it was called")
	}
	if err := v.SetTenantApp(t.Context(), Salesforce, w.tenant, ServiceChange{ClientSecret: &secret, LoginURL: &hostURL}); err != nil {
		t.Fatal(err)
	}
	if c, err := w.get(v, generation); err != nil || !host.alive(c.AccessToken) {
		t.Errorf("set back: %v", err)
	}
}

// A host may be changed because it doesn't answer any more. What was connected there
// is dead, and says so; what came of the last call there stays unknown, and is found
// out when the host is set back.
func TestHostIsChangedAfterACallWithoutAnAnswer(t *testing.T) {
	w, v, host, hostURL := ownHost(t)
	if err := w.connectAtHost(v, host, hostURL); err != nil {
		t.Fatal(err)
	}
	v.Wait()
	i := w.identity(v)
	if _, err := w.store.StartRenewal(t.Context(), i.ID, i.Generation, "killed", 0, false); err != nil { // its lease is over
		t.Fatal(err)
	}
	mark := w.identity(v).CallStartedAt
	host.rotateAll()
	secret, other := ownSecret, "https://other.contoso.example"
	if err := v.SetTenantApp(t.Context(), Salesforce, w.tenant, ServiceChange{ClientSecret: &secret, LoginURL: &other}); err != nil {
		t.Fatal(err)
	}
	v.endAbandoned(t.Context())
	_, err := w.get(v, 0)
	wantBroken(t, err, BrokenAppRemoved)
	if i := w.identity(v); !i.CallStartedAt.Equal(mark) || !i.LeaseUntil.IsZero() {
		t.Errorf("begun at %v, then at %v, held until %v", mark, i.CallStartedAt, i.LeaseUntil)
	}
	// Nobody will find out while it is so, and the rest can be exported.
	if b := w.export(v, Selector{}); len(b.Identities) != 1 || b.Identities[0].BrokenCode != BrokenAppRemoved {
		t.Errorf("exported %d", len(b.Identities))
	}
	calls := host.count("token")
	if err := v.SetTenantApp(t.Context(), Salesforce, w.tenant, ServiceChange{ClientSecret: &secret, LoginURL: &hostURL}); err != nil {
		t.Fatal(err)
	}
	w.skip(2 * v.Timeout) // the call can't be under way any more
	_, err = w.get(v, i.Generation)
	wantBroken(t, err, BrokenInterrupted)
	if host.count("token") != calls {
		t.Error("a token that may have been rotated was used")
	}
}

// The secrets of own apps are sealed anew when the key is rotated.
func TestOwnSecretIsSealed(t *testing.T) {
	w := newWorld(t)
	v, behind := w.process(), w.process()
	w.ownApp(v)
	other, _ := w.addTenant("fabrikam")
	w.setApp(v, other, ownID, "another-secret")
	if _, err := v.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if unopened, err := v.Keys.Reseal(t.Context(), func(int) {}); unopened != 0 || err != nil {
		t.Fatalf("%d unopened, %v", unopened, err)
	}
	keys, err := v.Keys.Status(t.Context())
	if err != nil || len(keys) != 2 || keys[0].RetiredAt.IsZero() || keys[1].Rows != 2 {
		t.Errorf("%+v, %v", keys, err)
	}
	for tenant, secret := range map[string]string{w.tenant: ownSecret, other: "another-secret"} {
		if s, err := behind.ownApp(t.Context(), Salesforce, tenant); err != nil || s.ClientSecret != secret {
			t.Errorf("after the rotation: %v", err)
		}
	}
	// The shared secret is none of a tenant's.
	if err := v.SetService(t.Context(), Salesforce, ServiceChange{ClientSecret: new(clientSecret)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Writer().Exec(`UPDATE tenant_apps SET sealed_client_secret = (SELECT sealed_client_secret FROM service_settings)`); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Authorize(t.Context(), w.request()); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("the shared secret as one's own: %v", err)
	}
}

// A store that fails makes no connection with the wrong app.
func TestOwnAppCantBeRead(t *testing.T) {
	w := newWorld(t)
	var down bool
	v := w.process(func(c *Config) { c.Store = &appless{fullStore: c.Store.(fullStore), down: &down} })
	w.ownApp(v)
	i := w.connect(v)
	v.Wait()
	open := w.begin(v)
	down = true
	for name, try := range map[string]func() error{
		"authorize": func() error { _, err := v.Authorize(t.Context(), w.request()); return err },
		"finish":    func() error { _, err := v.Finish(t.Context(), open); return err },
		"get":       func() error { _, err := w.get(v, i.Generation); return err },
	} {
		if err := try(); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if revoked, err := v.Disconnect(t.Context(), Salesforce, w.tenant); revoked || err != nil {
		t.Errorf("disconnect: %v, %v", revoked, err)
	}
	down = false
	w.runRevocations(v)
	w.wantLive(0)
	if w.srv.got(clientSecret) {
		t.Error("the shared app was used")
	}
}

// appless is a store that can't read tenants' apps while it is down.
type appless struct {
	fullStore
	down *bool
}

func (s *appless) TenantApp(ctx context.Context, service, tenantID string) (db.TenantApp, error) {
	if *s.down {
		return db.TenantApp{}, errDisk
	}
	return s.fullStore.TenantApp(ctx, service, tenantID)
}

// The redirect and the client of an authorization are the own app's.
func TestOwnAppAuthorizes(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.ownApp(v)
	address, err := v.Authorize(t.Context(), w.request())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil || u.Query().Get("client_id") != ownID || u.Query().Get("redirect_uri") != redirectURI || strings.Contains(address, ownSecret) {
		t.Errorf("%s, %v", address, err)
	}
}

// On a tenant's host a service has no end point anywhere else.
func TestEndPointsOnOnesOwnHost(t *testing.T) {
	const host = "https://own.example:8443"
	for _, s := range BuiltIn() {
		s = s.as(db.TenantApp{ClientID: ownID, LoginURL: host}, ownSecret)
		for _, endPoint := range []string{s.AuthorizeURL, s.TokenURL, s.IntrospectURL, s.UserinfoURL, s.Revoke.URL} {
			if at := s.at(host, endPoint); at != "" && !strings.HasPrefix(at, host+"/") && endPoint != "" {
				t.Errorf("%s is called at %s", s.ID, at)
			}
		}
		if len(s.HostSuffixes) != 0 || !s.ownURL(host) || s.ownURL("https://github.com") || s.ownAPI("https://api.github.com/user") || !s.ownAPI(host+"/user") {
			t.Errorf("%s belongs elsewhere", s.ID)
		}
	}
	s := gitHub.as(db.TenantApp{LoginURL: host}, ownSecret)
	for at, want := range map[string]string{s.AuthorizeURL: "/login/oauth/authorize", s.TokenURL: "/login/oauth/access_token",
		s.UserinfoURL: "/api/v3/user", s.Revoke.URL: "/api/v3/applications/{client_id}/token"} {
		if at != want {
			t.Errorf("%s, want %s", at, want)
		}
	}
	for _, s := range BuiltIn() {
		if s.SelfManaged && !(strings.HasPrefix(s.AuthorizeURL, "/") && strings.HasPrefix(s.TokenURL, "/")) {
			t.Errorf("%s can't be on another host", s.ID)
		}
	}
}

// An own app that is removed while another org is authorized with it leaves nothing
// held, and that is told as any change of somebody else's.
func TestAppIsRemovedUnderAnotherOrg(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	w.ownApp(v)
	w.srv.org = orgTwo
	own := w.begin(v)
	w.srv.fail("token", 1, func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if _, err := w.store.DeleteTenantApp(context.Background(), Salesforce, w.tenant); err != nil {
			t.Error(err)
		}
		serve(rw, r)
	})
	_, err := v.Finish(t.Context(), own)
	wantError(t, "removed meanwhile", err, ErrChanged)
	_, err = v.Held(t.Context(), Salesforce, w.tenant)
	wantError(t, "held", err, ErrNotConnected)
	w.wantLive(1)
}
