package identity_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/identity"
	"gatepost/identity/memstore"
)

// What is missing is said at once, all of it, and what it is.
func TestVaultThatCantBeMade(t *testing.T) {
	keys, err := memstore.Keys()
	if err != nil {
		t.Fatal(err)
	}
	app := identity.App{ClientID: "id", ClientSecret: "secret", RedirectURL: "https://app.example/callback"}
	whole := identity.BuiltInService(identity.GitLab, app)
	elsewhere := app
	elsewhere.LoginURL = "http://127.0.0.1:8081"
	with := func(services ...identity.Service) identity.Config {
		return identity.Config{Store: memstore.New(nil), Keys: keys, HTTP: http.DefaultClient, Services: services}
	}
	for what, c := range map[string]struct {
		config identity.Config
		says   []string
	}{
		"nothing":                   {identity.Config{}, []string{"Store is missing", "Keys is missing", "HTTP is missing"}},
		"to look up, without store": {identity.Config{LookupOnly: true}, []string{"Store is missing"}},
		"twice":                     {with(whole, whole), []string{"Services[1]: gitlab is there twice"}},
		"nameless":                  {with(identity.Service{}), []string{"Services[0] has no ID"}},
		"unknown":                   {with(whole, identity.BuiltInService("gitlub", app)), []string{"Services[1]: gitlub has no LoginURL", "gitlub has no AuthorizeURL", "gitlub has no TokenURL"}},
		"fixed":                     {with(identity.BuiltInService(identity.Google, elsewhere)), []string{"Services[0]: google is at one address alone"}},
	} {
		v, err := identity.New(c.config)
		var problems *identity.ConfigError
		if v != nil || !errors.As(err, &problems) || len(problems.Problems) != len(c.says) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		for n, says := range c.says {
			if !strings.Contains(problems.Problems[n], says) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %q, want %q", what, problems.Problems[n], says)
			}
		}
	}
	for _, id := range []string{identity.Salesforce, identity.HubSpot, identity.Zoho, identity.GitLab} {
		if _, err := identity.New(with(identity.BuiltInService(id, elsewhere))); err != nil {
			t.Errorf("%s elsewhere: %v", id, err)
		}
	}
}

// Each service that is known has its id among the names of this package.
func TestBuiltInServices(t *testing.T) {
	ids := []string{identity.Salesforce, identity.HubSpot, identity.Zoho, identity.Google, identity.GitHub, identity.Slack, identity.Asana, identity.Atlassian, identity.Discord, identity.GitLab, identity.Linear,
		identity.PagerDuty, identity.QuickBooks, identity.Reddit, identity.StackOverflow}
	all := identity.BuiltIn()
	if len(all) != len(ids) {
		t.Fatalf("%d services, %d names", len(all), len(ids))
	}
	for n, s := range all {
		got := identity.BuiltInService(ids[n], identity.App{ClientID: "id", ClientSecret: "secret", RedirectURL: "https://app.example/callback"})
		if got.ID != s.ID || got.TokenURL != s.TokenURL || got.ClientID != "id" || got.ClientSecret != "secret" || got.RedirectURL != "https://app.example/callback" || got.LoginURL != s.LoginURL || s.ClientID != "" {
			t.Errorf("%s: %+v", ids[n], got)
		}
	}
}

// Open makes what is missing, and tells what it can't open.
func TestVaultIsOpened(t *testing.T) {
	folder := t.TempDir()
	o := identity.Options{Database: filepath.Join(folder, "gatepost.db"), Keyset: filepath.Join(folder, "keyset.json"), Services: []identity.Service{identity.BuiltInService(identity.GitLab, identity.App{ClientID: "id"})}}
	refused := func(what, says string, change func(*identity.Options)) {
		t.Helper()
		changed := o
		change(&changed)
		if v, err := identity.Open(t.Context(), changed); v != nil || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", what, err, says)
		}
	}
	refused("no database", "Database is missing", func(o *identity.Options) { o.Database = "" })
	refused("no keys", "Keyset is missing", func(o *identity.Options) { o.Keyset = "" })
	refused("a service twice", "gitlab is there twice", func(o *identity.Options) { o.Services = append(o.Services, o.Services[0]) })
	refused("no keyset", "no valid keyset", func(o *identity.Options) { o.Keyset = "{}" })

	v, err := identity.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.TenantBySlug(t.Context(), "contoso"); !errors.Is(err, identity.ErrNoTenant) {
		t.Errorf("no tenant: %v", err)
	}
	if err := v.Store.(*db.DB).CreateTenant(t.Context(), db.Tenant{ID: db.NewID(), Slug: "contoso", Name: "Contoso"}, db.FirstNewsletter{Slug: "weekly", Name: "Weekly", Consent: "Yes."}); err != nil {
		t.Fatal(err)
	}
	if tenant, err := v.TenantBySlug(t.Context(), "contoso"); err != nil || tenant.Name != "Contoso" {
		t.Errorf("%+v, %v", tenant, err)
	}
	id := "client"
	if err := v.SetService(t.Context(), identity.GitLab, identity.ServiceChange{ClientID: &id, ClientSecret: &id}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := v.Close(); err != nil {
			t.Errorf("closed: %v", err)
		}
	}
	if _, err := v.Credential(t.Context(), identity.Selector{User: "eve"}); err == nil || errors.Is(err, identity.ErrNotConnected) {
		t.Errorf("after it was closed: %v", err)
	}

	refused("another key", "no key", func(o *identity.Options) { o.Keyset = filepath.Join(folder, "other.json"); copyKeys(t, o.Keyset) })
	refused("no key any more", "is missing", func(o *identity.Options) { o.Keyset = filepath.Join(folder, "gone.json") })
	text, err := os.ReadFile(o.Keyset)
	if err != nil {
		t.Fatal(err)
	}
	o.Keyset = string(text)
	if v, err = identity.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if _, err := identity.FixedKeys(string(text)); err != nil {
		t.Error(err)
	}
}

// copyKeys puts the key file of another installation at a path.
func copyKeys(t *testing.T, path string) {
	t.Helper()
	v, err := identity.Open(t.Context(), identity.Options{Database: filepath.Join(t.TempDir(), "gatepost.db"), Keyset: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}
