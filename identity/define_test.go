package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db"
)

// acme is a service that nobody knows but the operator.
func acme() Service {
	return Service{ID: "acme", Name: "Acme", LoginURL: "https://id.acme.example", AuthorizeURL: "/oauth/authorize", TokenURL: "/oauth/token",
		UserinfoURL: "https://api.acme.example/me", Revoke: Revocation{URL: "/oauth/revoke", Auth: AuthClient},
		Scopes: []string{"contacts", "offline_access"}, NeedScopes: []string{"contacts"}, RefreshScope: "offline_access", Separator: ",",
		Params: map[string]string{"prompt": "consent"}, BasicAuth: true, APIHosts: []string{"api.acme.example"}, TokenScheme: "Acme",
		OrgField: "callback.company", UserField: "userinfo.user.id", NameField: "userinfo.user.name", Rotates: true}
}

var acmeHabits = habits{
	id: "acme", authorize: "id.acme.example/oauth/authorize", token: "id.acme.example/oauth/token",
	asked: map[string]string{"scope": "contacts,offline_access", "prompt": "consent"}, basic: true, lifetime: 600, lasting: true, rotates: true,
	says:     map[string]any{"token_type": "Acme", "scope": "contacts offline_access"},
	callback: url.Values{"company": {"c-1"}},
	userinfo: "api.acme.example/me", user: map[string]any{"user": map[string]any{"id": 7, "name": "Wile E."}},
	refuses: standard, revoke: "POST id.acme.example/oauth/revoke", revokes: byForm, revoked: empty200,
	org: "c-1", person: "7", name: "Wile E.", scopes: "contacts offline_access", scheme: "Acme", api: "https://api.acme.example/v1",
	dead: "invalid_grant", wrongApp: "invalid_client",
}

// What one process defines, another one that runs already uses.
func TestServiceThatTheOperatorDefines(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, newOAuthHandler(t))
	s := &scene{world: w, d: newDouble(t, w, acmeHabits)}
	s.v = s.vault(hubSpot)
	s.v.Callback = func(id string) string { return fmt.Sprintf(doubleCallback, id) }
	if _, err := s.v.Service(t.Context(), "acme"); !errors.Is(err, ErrNoService) {
		t.Fatalf("known already: %v", err)
	}
	operator := s.vault(hubSpot)
	if err := operator.AddService(t.Context(), acme()); err != nil {
		t.Fatal(err)
	}
	if err := operator.AddService(t.Context(), acme()); !errors.Is(err, ErrServiceExists) {
		t.Errorf("defined twice: %v", err)
	}
	r := s.request()
	r.Service = "acme"
	if _, err := s.v.Authorize(t.Context(), r); !errors.Is(err, ErrNoApp) {
		t.Errorf("without an app: %v", err)
	}
	if err := operator.SetService(t.Context(), "acme", ServiceChange{ClientID: new(clientID), ClientSecret: new(clientSecret)}); err != nil {
		t.Fatal(err)
	}
	configured, err := s.v.Configured(t.Context())
	if err != nil || len(configured) != 1 || configured[0].ID != "acme" {
		t.Errorf("configured are %v, %v", configured, err)
	}
	i := s.connect()
	if i.OrgID != "c-1" || i.RemoteUserID != "7" || i.OrgName != "Wile E." {
		t.Errorf("stored %+v", i.Grant)
	}
	s.call(i)
	s.skip(10 * time.Minute)
	s.fresh(0)
	if s.d.count("refresh_token") != 1 || s.d.reuses != 0 {
		t.Errorf("%d renewals", s.d.count("refresh_token"))
	}
	var left *db.IdentitiesLeftError
	if _, err := operator.RemoveService(t.Context(), "acme"); !errors.As(err, &left) || left.N != 1 {
		t.Errorf("removed under a connection: %v", err)
	}
	if _, err := operator.RemoveService(t.Context(), "hubspot"); !errors.Is(err, ErrBuiltIn) {
		t.Errorf("removed what is built in: %v", err)
	}
	if ending, err := s.v.End(t.Context(), "acme", s.tenant); ending != Revoked || err != nil || s.d.live() != 0 {
		t.Errorf("ended %q, %v", ending, err)
	}
	if _, err := operator.RemoveService(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if _, err := operator.RemoveService(t.Context(), "acme"); !errors.Is(err, ErrNoService) {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := s.v.Service(t.Context(), "acme"); !errors.Is(err, ErrNoService) {
		t.Errorf("still there: %v", err)
	}
	set, err := s.store.ServiceSettings(t.Context(), "acme")
	if err != nil || set.SealedSecret != "" {
		t.Errorf("its secret is still there: %v", err)
	}
}

// What is yet to be revoked at a service that is removed is given up: were there
// another one by its id, that would be told the token.
func TestServiceIsRemovedWithRevocationsPending(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, newOAuthHandler(t))
	s := &scene{world: w, d: newDouble(t, w, acmeHabits)}
	s.v = s.vault(hubSpot)
	s.v.Callback = func(id string) string { return fmt.Sprintf(doubleCallback, id) }
	if err := s.v.AddService(t.Context(), acme()); err != nil {
		t.Fatal(err)
	}
	if err := s.v.SetService(t.Context(), "acme", ServiceChange{ClientID: new(clientID), ClientSecret: new(clientSecret)}); err != nil {
		t.Fatal(err)
	}
	s.connect()
	s.d.revokeF = []fault{says(503, "text/html", "<html>")}
	if ending, err := s.v.End(t.Context(), "acme", s.tenant); ending != Pending || err != nil {
		t.Fatalf("ended %q, %v", ending, err)
	}
	id := s.revocation()
	if n, err := s.v.RemoveService(t.Context(), "acme"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := s.v.Revoke(t.Context(), id); err != nil || s.pending() != 0 {
		t.Errorf("%v, %d pending", err, s.pending())
	}
}

// defined is a scene of a service that the operator has defined and may remove.
func defined(t *testing.T) *scene {
	t.Helper()
	t.Parallel()
	w := newWorldWith(t, newOAuthHandler(t))
	s := &scene{world: w, d: newDouble(t, w, acmeHabits)}
	s.v = s.vault(hubSpot)
	s.v.Callback = func(id string) string { return fmt.Sprintf(doubleCallback, id) }
	s.define()
	return s
}

func (s *scene) define() {
	s.t.Helper()
	err := s.v.AddService(s.t.Context(), acme())
	if err := errors.Join(err, s.v.SetService(s.t.Context(), "acme", ServiceChange{ClientID: new(clientID), ClientSecret: new(clientSecret)})); err != nil {
		s.t.Fatal(err)
	}
}

// redefine removes the service, and defines another one by its id.
func (s *scene) redefine() {
	s.t.Helper()
	if _, err := s.v.RemoveService(s.t.Context(), "acme"); err != nil {
		s.t.Error(err)
	}
	s.define()
}

// What a service grants while it is removed is not kept: nobody could end it there
// any more, and another service by its id would be told it.
func TestServiceIsRemovedUnderAHandshake(t *testing.T) {
	for name, remove := range map[string]func(*scene){
		"removed":       func(s *scene) { _, _ = s.v.RemoveService(s.t.Context(), "acme") },
		"defined again": (*scene).redefine,
	} {
		t.Run(name, func(t *testing.T) {
			s := defined(t)
			cb := s.begin(s.v)
			s.d.fail(1, func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				remove(s)
				serve(w, r)
			})
			wantError(t, "finished", s.finish(s.v, cb), ErrChanged)
			if _, err := s.v.Identity(t.Context(), "acme", s.tenant); !errors.Is(err, ErrNotConnected) {
				t.Errorf("it is kept: %v", err)
			}
			if s.d.live() != 0 || s.pending() != 0 {
				t.Errorf("%d alive, %d pending", s.d.live(), s.pending())
			}
		})
	}
}

// Nothing that is set of a service while it is removed is left for another one by its
// id, which would be told the secret; nor is an authorization begun there.
func TestServiceIsRemovedWhileItIsSet(t *testing.T) {
	app := ServiceChange{ClientID: new(ownID), ClientSecret: new(ownSecret)}
	for name, set := range map[string]func(*scene, *Vault) error{
		"the app":        func(s *scene, v *Vault) error { return v.SetService(s.t.Context(), "acme", app) },
		"a tenant's app": func(s *scene, v *Vault) error { return v.SetTenantApp(s.t.Context(), "acme", s.tenant, app) },
		"a handshake": func(s *scene, v *Vault) error {
			r := s.request()
			r.Service = "acme"
			_, err := v.Authorize(s.t.Context(), r)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := defined(t)
			v := s.vault(hubSpot)
			v.setStore(&remover{fullStore: v.Store.(fullStore), remove: s.redefine})
			wantError(t, "set", set(s, v), ErrNoService)
			for _, table := range []string{"tenant_apps", "handshakes", "service_settings WHERE client_id = '" + ownID + "'"} {
				var n int
				if err := s.store.Writer().QueryRow(`SELECT COUNT(*) FROM ` + table).Scan(&n); err != nil || n != 0 {
					t.Errorf("%d rows of %s, %v", n, table, err)
				}
			}
		})
	}
}

// remover is a store on which a service is removed just before it is written to.
type remover struct {
	fullStore
	remove func()
}

func (r *remover) ChangeService(ctx context.Context, service string, change func(*db.ServiceSettings)) error {
	r.remove()
	return r.fullStore.ChangeService(ctx, service, change)
}

func (r *remover) ChangeTenantApp(ctx context.Context, service, tenantID string, change func(*db.TenantApp) error) (int64, error) {
	r.remove()
	return r.fullStore.ChangeTenantApp(ctx, service, tenantID, change)
}

func (r *remover) AddHandshake(ctx context.Context, h db.Handshake) error {
	r.remove()
	return r.fullStore.AddHandshake(ctx, h)
}

// The same of what a renewal brings, whose connection was deleted meanwhile.
func TestServiceIsRemovedUnderARenewal(t *testing.T) {
	s := defined(t)
	i := s.connect()
	s.d.revokeF = []fault{says(503, "text/html", "<html>")}
	s.d.fail(1, func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if ending, err := s.v.End(t.Context(), "acme", s.tenant); ending != Pending || err != nil {
			t.Errorf("ended %q, %v", ending, err)
		}
		if _, err := s.v.RemoveService(t.Context(), "acme"); err != nil {
			t.Error(err)
		}
		serve(w, r)
	})
	_, err := s.get(i.Generation)
	wantError(t, "renewed", err, ErrNotConnected)
	if s.d.live() != 0 || s.pending() != 0 {
		t.Errorf("%d alive, %d pending", s.d.live(), s.pending())
	}
}

func TestDefinitionsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, newOAuthHandler(t))
	v := newVault(Config{Store: w.store, Services: BuiltIn()})
	for name, mend := range map[string]func(*Service){
		"id":             func(s *Service) { s.ID = "Acme" },
		"id:":            func(s *Service) { s.ID = "" },
		"id: it has":     func(s *Service) { s.ID = "a/b" },
		"id: it":         func(s *Service) { s.ID = "-a" },
		"id: it has to":  func(s *Service) { s.ID = strings.Repeat("a", 41) },
		"name:":          func(s *Service) { s.Name = "" },
		"name: it is":    func(s *Service) { s.Name = "a\nb" },
		"login url":      func(s *Service) { s.LoginURL = "http://id.acme.example" },
		"login url:":     func(s *Service) { s.LoginURL = "https://u:p@id.acme.example" },
		"login url: it":  func(s *Service) { s.LoginURL = "https://id.acme.example/x" },
		"authorize url":  func(s *Service) { s.AuthorizeURL = "" },
		"authorize url:": func(s *Service) { s.AuthorizeURL = "javascript:alert(1)" },
		"token url":      func(s *Service) { s.TokenURL = "//evil.example/token" },
		"token url:":     func(s *Service) { s.TokenURL = "http://id.acme.example/token" },
		"token url: it":  func(s *Service) { s.TokenURL = "https://user@id.acme.example/token" },
		"introspect":     func(s *Service) { s.IntrospectURL = "ftp://id.acme.example" },
		"userinfo":       func(s *Service) { s.UserinfoURL = "https://id.acme.example/me#x" },
		"revoke url":     func(s *Service) { s.Revoke.URL = "https://id.acme.example/?token=1" },
		"revoke auth":    func(s *Service) { s.Revoke.Auth = "nobody" },
		"revoke ends":    func(s *Service) { s.Revoke.Ends = "all" },
		"revoke method":  func(s *Service) { s.Revoke.Method = http.MethodPut },
		"revoke method:": func(s *Service) { s.Revoke.Method = http.MethodGet },
		"host":           func(s *Service) { s.HostSuffixes = []string{"com"} },
		"host:":          func(s *Service) { s.HostSuffixes = []string{"10.0.0.1"} },
		"api host":       func(s *Service) { s.APIHosts = []string{"https://api.acme.example"} },
		"scope":          func(s *Service) { s.Scopes = []string{`a"b`} },
		"separator":      func(s *Service) { s.Separator = "&state=x&" },
		"param":          func(s *Service) { s.Params = map[string]string{"redirect_uri": "https://evil.example"} },
		"allow param":    func(s *Service) { s.AllowParams = []string{"hd", "redirect_uri"} },
		"allow param:":   func(s *Service) { s.AllowParams = []string{"request_uri"} },
		"allow param: i": func(s *Service) { s.AllowParams = []string{"a b"} },
		"login param":    func(s *Service) { s.LoginParam = "server" },
		"org field":      func(s *Service) { s.OrgField = "a b" },
		"token scheme":   func(s *Service) { s.TokenScheme = "Bearer\r\nX: y" },
		"too long":       func(s *Service) { s.Permanent = []string{strings.Repeat("a", 20000)} },
		"instance field": func(s *Service) { s.InstanceField, s.APIHosts = "url", nil },
	} {
		s := acme()
		mend(&s)
		var refused *DefinitionError
		if err := v.AddService(t.Context(), s); !errors.As(err, &refused) || !strings.Contains(err.Error(), strings.TrimSuffix(strings.Split(name, ":")[0], ":")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, b := range BuiltIn() {
		s := acme()
		s.ID = b.ID
		if err := v.AddService(t.Context(), s); !errors.Is(err, ErrServiceExists) {
			t.Errorf("%s is defined anew: %v", b.ID, err)
		}
	}
	for _, loopback := range []string{"http://127.0.0.1:8081", "http://localhost:8081", "http://[::1]:1", "https://id.acme.example:8443"} {
		s := acme()
		s.LoginURL = loopback
		if problems := s.problems(); len(problems) > 0 {
			t.Errorf("%s: %v", loopback, problems)
		}
	}
	// What is built in would pass as a definition.
	for _, b := range BuiltIn() {
		if problems := b.problems(); len(problems) > 0 {
			t.Errorf("%s: %v", b.ID, problems)
		}
	}
}

// Only services whose end points all stand below their login address can be moved.
func TestLoginAddressOfFixedServices(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, newOAuthHandler(t))
	s := &scene{world: w, d: newDouble(t, w, slackHabits("slack"))}
	v := s.vault(s.definition())
	if err := v.SetService(t.Context(), "slack", ServiceChange{LoginURL: new("https://sso.example")}); !errors.Is(err, ErrNoLoginURL) {
		t.Errorf("moved: %v", err)
	}
}

// A public client is named by its id alone, and by no secret anywhere.
func TestPublicClientsHaveNoSecret(t *testing.T) {
	t.Parallel()
	var forms []url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Header.Get("Authorization") != "" {
			t.Errorf("%v, %q", err, r.Header.Get("Authorization"))
		}
		forms = append(forms, r.PostForm)
		writeJSON(w, 200, map[string]any{"access_token": "a", "active": true})
	}))
	t.Cleanup(server.Close)
	s := Service{ID: "acme", LoginURL: server.URL, TokenURL: "/token", IntrospectURL: "/introspect", Public: true, ClientID: "app", ClientSecret: "left over", Revoke: Revocation{URL: "/revoke", Auth: AuthClient}}
	c := &client{http: server.Client(), timeout: ample}
	if _, err := c.exchange(t.Context(), s, s.LoginURL, "code", "verifier"); err != nil {
		t.Error(err)
	}
	if _, err := c.refresh(t.Context(), s, s.LoginURL, "token"); err != nil {
		t.Error(err)
	}
	if _, err := c.introspect(t.Context(), s, s.LoginURL, "token"); err != nil {
		t.Error(err)
	}
	if err := c.revoke(t.Context(), s, s.LoginURL, "token"); err != nil {
		t.Error(err)
	}
	if len(forms) != 4 || forms[0].Get("code_verifier") != "verifier" {
		t.Fatalf("%d requests", len(forms))
	}
	for _, form := range forms {
		if form.Get("client_id") != "app" || form.Has("client_secret") {
			t.Errorf("asked as %v", form)
		}
	}
	if !s.hasApp() || (Service{Public: true}).hasApp() || (Service{ClientID: "app"}).hasApp() {
		t.Error("what an app is")
	}
}

// A definition says which fields are kept, and none that is a secret.
func TestDefinitionsKeepTheirFields(t *testing.T) {
	t.Parallel()
	said := map[string]any{"access_token": "SECRET", "refresh_token": "SECRET", "region": "eu", "team": map[string]any{"id": "1", "token": "SECRET"}, "scope": "a", "expires_in": "60", "hub_id": "7"}
	s := Service{NativeFields: []string{"region", "team"}}
	a := s.newAnswer(func(name string) any { return said[name] })
	a.callback = url.Values{"realmId": {"9"}}
	if native := nativeOf("", a); native != `{"expires_in":"60","region":"eu","team":{"id":"1"}}` {
		t.Errorf("kept %s", native)
	}
	for field, ok := range map[string]bool{"region": true, "token_type": true, "userId": true, "access_token": false, "refreshToken": false, "id_token": false, "client_secret": false, "apiKey": false, "passWord": false, "": false, "a.b": false, "a b": false} {
		if keepable(field) != ok {
			t.Errorf("%q: %t", field, !ok)
		}
	}
	for prefix, ok := range map[string]bool{"/v1/": true, "/graphql": true, "/": false, "v1/": false, "/v1/../": false, "/%76/": false, "/a;b": false, "//": false, "": false} {
		if validPrefix(prefix) != ok {
			t.Errorf("%q: %t", prefix, !ok)
		}
	}
}

// What the operator defines may be called, also where it lies in a network of their own.
func TestAddressesOfTheOperator(t *testing.T) {
	s := acme()
	s.APIHosts, s.CallHost = nil, "api.internal.example"
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	all := addressesOf(db.ServiceDefinition{ID: s.ID, Definition: string(b)})
	if !slices.Contains(all, "https://api.internal.example") || slices.Contains(all, "https://") {
		t.Errorf("%q", all)
	}
}
