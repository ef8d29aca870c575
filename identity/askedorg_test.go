package identity

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// askedScene is a scene with a service whose answers name no org, which is asked for.
func askedScene(t *testing.T, told *Org, failure *error) *scene {
	t.Helper()
	i := slices.IndexFunc(allHabits, func(h habits) bool { return h.id == zoho.ID })
	w := newWorld(t)
	s := &scene{world: w, d: newDouble(t, w, allHabits[i])}
	s.v = s.vault(s.definition())
	s.v.Org = func(_ context.Context, c Credential) (Org, error) {
		if !s.d.alive(c.AccessToken) || c.OrgID != "" || c.InstanceURL != s.d.instance || c.Native == "" {
			t.Errorf("asked with %s of %q, %s", c.InstanceURL, c.OrgID, c.Native)
		}
		return *told, *failure
	}
	return s
}

// An org that the token's answer doesn't name is asked for, and held as any other: nobody
// is connected to another one than before, or to another tenant's, by mistake.
func TestOrgThatIsAskedFor(t *testing.T) {
	told, failure := Org{}, errors.New("it doesn't answer")
	s := askedScene(t, &told, &failure)
	var unreachable *UnreachableError
	if err := s.finish(s.v, s.begin(s.v)); !errors.As(err, &unreachable) || s.d.live() != 0 {
		t.Fatalf("connected to nobody knows what: %v, %d are alive", err, s.d.live())
	}
	failure = &OAuthError{Code: "API_ACCESS_OFF"}
	wantOAuth(t, s.finish(s.v, s.begin(s.v)), "API_ACCESS_OFF")
	told, failure = Org{ID: "808", Name: "Contoso", UserID: "10"}, nil
	if i := s.connect(); i.OrgID != "808" || i.OrgName != "Contoso" || i.RemoteUserID != "10" || i.Sandbox {
		t.Errorf("stored %+v", i.Grant)
	}
	if c := s.fresh(0); c.OrgID != "808" {
		t.Errorf("given out for %q", c.OrgID)
	}
	if err := s.finish(s.v, s.begin(s.v)); err != nil {
		t.Errorf("the same org again: %v", err)
	}
	told = Org{ID: "909", Name: "Contoso Sandbox", Sandbox: true, UserID: "10"}
	if err := s.finish(s.v, s.begin(s.v)); !errors.Is(err, ErrHeld) {
		t.Errorf("another org: %v", err)
	}
	h, err := s.v.Held(t.Context(), zoho.ID, s.tenant)
	if err != nil || h.OrgID != "909" || !h.Sandbox || h.RemoteUserID != "10" {
		t.Errorf("held %+v, %v", h.Grant, err)
	}
	if err := s.v.Confirm(t.Context(), zoho.ID, s.tenant, h.ID); err != nil || s.identity().OrgID != "909" {
		t.Errorf("confirmed: %v", err)
	}
	s.tenant, s.user = s.addTenant("fabrikam")
	if err := s.finish(s.v, s.begin(s.v)); !errors.Is(err, ErrHeld) {
		t.Errorf("another tenant's org: %v", err)
	}
}

// A user's is for the application's own use: it is kept whatever org it is of, also when that
// can't be asked, or not with what the application asked for.
func TestOrgOfAUsersIsNotNeeded(t *testing.T) {
	told, failure := Org{}, error(nil)
	s := askedScene(t, &told, &failure)
	for user, cause := range map[string]error{"eve": errors.New("it doesn't answer"), "mallory": &OAuthError{Code: "OAUTH_SCOPE_MISMATCH"}} {
		failure = cause
		r := s.request()
		r.Service, r.UserID, r.User = zoho.ID, "", user
		address, err := s.v.Authorize(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		q := s.d.consent(address)
		if err := s.finish(s.v, CallbackOf(zoho.ID, session, q)); err != nil {
			t.Errorf("%s: %v", user, err)
		}
		if i, err := s.v.Find(t.Context(), Selector{TenantID: s.tenant, User: user}); err != nil || i.OrgID != "" {
			t.Errorf("%s: of %q, %v", user, i.OrgID, err)
		}
	}
	if s.d.live() != 2 {
		t.Errorf("%d are alive", s.d.live())
	}
}

// The names below localhost are those of the operator's own address on this machine, at
// its port alone.
func TestNamesOfALoginAddressOnThisMachine(t *testing.T) {
	s := zoho
	for login, own := range map[string]bool{"": false, "https://accounts.example": false, "http://10.0.0.1:8083": false, "http://127.0.0.1:8082": false,
		"http://127.0.0.1:8083": true, "http://localhost:8083": true, "http://[::1]:8083": true} {
		s.ExtraLogin = login
		got, err := s.CheckLogin("http://eu.localhost:8083")
		if _, instance := s.instance("http://sandbox.eu.localhost:8083"); (err == nil) != own || instance != own || own && got != "http://eu.localhost:8083" {
			t.Errorf("%q: %q, %v, an API's %t", login, got, err, instance)
		}
	}
	for _, single := range BuiltIn() {
		single.ExtraLogin = "http://127.0.0.1:8083"
		_, err := single.CheckLogin("http://eu.localhost:8083")
		if _, instance := single.instance("http://eu.localhost:8083"); (err == nil || instance) && single.LoginParam == "" {
			t.Errorf("%s has several names: %v, an API's %t", single.ID, err, instance)
		}
	}
	for _, foreign := range []string{"https://eu.localhost:8083", "http://eu.localhost", "http://user@eu.localhost:8083", "http://localhost.evil.example:8083", "http://evil.example:8083"} {
		s.ExtraLogin = "http://127.0.0.1:8083"
		if got, err := s.CheckLogin(foreign); err == nil {
			t.Errorf("%s is taken for %s", foreign, got)
		}
	}
}

// A service with several hosts has all of them behind the operator's further address, for
// whoever logged in there; the others' stay where they are.
func TestServiceBehindOneHost(t *testing.T) {
	s := hubSpot
	s.ExtraLogin = "http://127.0.0.1:8082"
	for at, want := range map[string][2]string{
		s.ExtraLogin: {s.ExtraLogin + "/oauth/authorize", s.ExtraLogin + "/oauth/2026-09/token"},
		s.LoginURL:   {"https://app.hubspot.com/oauth/authorize", "https://api.hubapi.com/oauth/2026-09/token"},
	} {
		if c := s.config(at); c.Endpoint.AuthURL != want[0] || c.Endpoint.TokenURL != want[1] || s.at(at, s.Revoke.URL) != want[1]+"/revoke" {
			t.Errorf("at %s: %+v", at, c.Endpoint)
		}
	}
	if s = slack; s.anywhere() || !hubSpot.anywhere() || slices.ContainsFunc(BuiltIn(), func(b Service) bool { return b.OneHost && b.ID != hubSpot.ID }) {
		t.Error("another service can be moved")
	}
}
