package identity

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db"
)

// Scopes are missing that were not granted under any name, and in no wider one.
func TestScopesAreIncluded(t *testing.T) {
	services := map[string]Service{}
	for _, s := range BuiltIn() {
		services[s.ID] = s
	}
	for _, c := range []struct{ service, asked, granted, missing string }{
		{Salesforce, "api refresh_token id", "id api refresh_token", ""},
		{Salesforce, "api refresh_token id chatter_api", "id api refresh_token", "chatter_api"},
		{Salesforce, "api refresh_token id chatter_api", "full refresh_token", ""},
		{Salesforce, "api refresh_token", "api offline_access", ""}, // there is a refresh token
		{"google", "openid email profile", "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile", ""},
		{"google", "openid https://www.googleapis.com/auth/userinfo.email", "openid email", ""},
		{"google", "openid email profile", "openid https://www.googleapis.com/auth/userinfo.email", "profile"},
		{"githuboauth", "read:user public_repo", "repo user", ""},
		{"githuboauth", "repo", "public_repo", "repo"},
		{"slack", "chat:write channels:read", "channels:read", "chat:write"},
	} {
		s := services[c.service]
		s.Scopes = strings.Fields(c.asked)
		if got := s.lacking(db.Identity{Grant: db.Grant{Scopes: c.granted}, KeepAliveAt: time.Now()}); strings.Join(got, " ") != c.missing {
			t.Errorf("%s: asked for %s, granted %s: %v is missing, want %s", c.service, c.asked, c.granted, got, c.missing)
		}
	}
	s := services["atlassian"]
	if got := s.lacking(db.Identity{Grant: db.Grant{Scopes: "read:me"}}); !slices.Equal(got, []string{"offline_access"}) {
		t.Errorf("without a refresh token, %v is missing", got)
	}
}

// What the settings want now, and an identity was not granted, is told; for one of a tenant's own app by that one's.
func TestMissingScopesAreTold(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connectAs(v, "eve", "")
	missing := func() []string {
		t.Helper()
		i, err := v.Find(t.Context(), Selector{User: "eve"})
		if err != nil {
			t.Fatal(err)
		}
		all, err := v.Describe(t.Context(), i, i)
		if err != nil || len(all) != 2 || all[0].MissingScopes == nil || !slices.Equal(all[0].MissingScopes, all[1].MissingScopes) {
			t.Fatalf("%+v, %v", all, err)
		}
		return all[0].MissingScopes
	}
	if got := missing(); len(got) != 0 {
		t.Errorf("as granted: %v", got)
	}
	if err := v.SetService(t.Context(), Salesforce, ServiceChange{Scopes: &[]string{"api", "refresh_token", "id", "more"}}); err != nil {
		t.Fatal(err)
	}
	if got := missing(); !slices.Equal(got, []string{"more"}) {
		t.Errorf("more is wanted: %v", got)
	}
	if err := v.SetService(t.Context(), Salesforce, ServiceChange{Scopes: &[]string{}}); err != nil {
		t.Fatal(err)
	}
	if got := missing(); len(got) != 0 {
		t.Errorf("taken back: %v", got)
	}
	id, secret := "their-key", "their-secret"
	if err := v.SetTenantApp(t.Context(), Salesforce, w.tenant, ServiceChange{ClientID: &id, ClientSecret: &secret, Scopes: &[]string{"api", "refresh_token", "theirs"}}); err != nil {
		t.Fatal(err)
	}
	if got := missing(); len(got) != 0 {
		t.Errorf("of another app: %v", got)
	}
	i.OwnApp = true
	all, err := v.Describe(t.Context(), i)
	if err != nil || !slices.Equal(all[0].MissingScopes, []string{"theirs"}) {
		t.Errorf("of the tenant's app: %+v, %v", all, err)
	}
	// Of a service that was removed nothing is wanted.
	i.Service = "gone"
	if all, err = v.Describe(t.Context(), i); err != nil || len(all[0].MissingScopes) != 0 {
		t.Errorf("of no service: %+v, %v", all, err)
	}
}
