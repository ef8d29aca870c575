package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/identity"
	"gatepost/mocksalesforce"

	"golang.org/x/oauth2"
)

// A vault is opened on a database and a key file, which are made when they are
// missing. Run keeps it alive.
func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "gatepost-example-")
	check(err)
	defer func() { _ = os.RemoveAll(folder) }()

	vault, err := identity.Open(ctx, identity.Options{
		Database: filepath.Join(folder, "gatepost.db"),
		Keyset:   filepath.Join(folder, "keyset.json"),
		Services: []identity.Service{identity.BuiltInService(identity.Salesforce, identity.App{ClientID: "consumer key", ClientSecret: "consumer secret",
			RedirectURL: "https://app.example/integrations/sfdc/callback"})},
	})
	check(err)
	defer func() { check(vault.Close()) }()
	go vault.Run(ctx)

	_, err = vault.Credential(ctx, identity.Selector{Service: identity.Salesforce, User: "eve@contoso.example"})
	fmt.Println(err)
	// Output: not connected
}

// The handlers of net/http with which users of an application authorize a service.
// Package examples/fiber mounts them in Fiber.
func ExampleAuthorizer() {
	vault, tenant, end := connected()
	defer end()
	authorize := identity.Authorizer{
		Vault:       vault,
		Service:     identity.Salesforce,
		FinishedURL: "/settings",
		Who: func(r *http.Request) (identity.Subject, error) {
			user, ok := r.Context().Value(loggedIn{}).(string) // as the application's log-in has it
			if !ok {
				return identity.Subject{}, errors.New("nobody is logged in")
			}
			return identity.Subject{TenantID: tenant, User: user, Tags: []string{"plan:gold"}}, nil
		},
		Prepare: func(_ *http.Request, a *identity.AuthorizeRequest) { a.LoginHint = "eve@contoso.example" },
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /salesforce/connect", authorize.Start)
	mux.HandleFunc("GET /salesforce/callback", authorize.Callback)

	r := httptest.NewRequest(http.MethodPost, "/salesforce/connect?return_to=/settings/crm", nil)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), loggedIn{}, "eve")))
	fmt.Println(w.Code, strings.Contains(w.Header().Get("Location"), "/services/oauth2/authorize?"))
	// Output:
	// 403 You can't authorize this. Log in and try again.
	// 303 true
}

type loggedIn struct{}

// What an error of Find tells: whether somebody has to authorize, or to say more.
func ExampleVault_Find() {
	ctx := context.Background()
	vault, tenant, end := connected("eve", "joe")
	defer end()
	i, err := vault.Find(ctx, identity.Selector{Service: identity.Salesforce, TenantID: tenant, User: "eve"})
	check(err)
	fmt.Println(i.Tenant, i.User, i.Tags)

	_, err = vault.Find(ctx, identity.Selector{TenantID: tenant, User: "nobody"})
	fmt.Println(errors.Is(err, identity.ErrNotConnected))

	_, err = vault.Find(ctx, identity.Selector{Tags: []string{"plan:gold"}})
	var several *identity.AmbiguousError
	if errors.As(err, &several) {
		for _, i := range several.Identities {
			fmt.Println("is it", i.User+"?")
		}
	}
	// Output:
	// contoso eve [plan:gold]
	// true
	// is it eve?
	// is it joe?
}

// A credential that works now. When the service refuses it, name its generation.
func ExampleVault_GetByID() {
	ctx := context.Background()
	vault, tenant, end := connected("eve")
	defer end()
	i, err := vault.Find(ctx, identity.Selector{TenantID: tenant, User: "eve"})
	check(err)
	c, err := vault.GetByID(ctx, i.ID, 0)
	check(err)
	newer, err := vault.GetByID(ctx, i.ID, c.Generation)
	var broken *identity.BrokenError
	var later *identity.UnavailableError
	switch {
	case errors.As(err, &broken):
		fmt.Println("has to be authorized anew:", broken.Code)
	case errors.As(err, &later):
		fmt.Println("not before", later.RetryAt)
	default:
		fmt.Println(newer.Generation > c.Generation, newer.AccessToken != c.AccessToken)
	}
	// Output: true true
}

// A tenant's own connection, which its admins made in the portal.
func ExampleVault_Get() {
	vault, tenant, end := connected("")
	defer end()
	c, err := vault.Get(context.Background(), identity.Salesforce, tenant, 0)
	check(err)
	fmt.Println(c.AccessToken != "", c.OrgID != "")
	// Output: true true
}

// A listing goes from page to page, and meets each identity once.
func ExampleVault_List() {
	ctx := context.Background()
	vault, tenant, end := connected("eve", "joe", "ann")
	defer end()
	var page identity.Page
	for more := true; more; more = page.Next != "" {
		var err error
		page, err = vault.List(ctx, identity.Selector{TenantID: tenant}, page.Next, 2)
		check(err)
		for _, i := range page.Identities {
			fmt.Println(i.User)
		}
	}
	// Output:
	// eve
	// joe
	// ann
}

// All that match are deleted, or none, and each is revoked at its service.
func ExampleVault_Delete() {
	ctx := context.Background()
	vault, tenant, end := connected("eve", "joe")
	defer end()
	receipts, err := vault.Delete(ctx, identity.Selector{TenantID: tenant, Tags: []string{"plan:gold"}})
	check(err)
	for _, r := range receipts {
		fmt.Println(r.User, r.Ending)
	}
	_, err = vault.Delete(ctx, identity.Selector{})
	fmt.Println(err)
	// Output:
	// eve revoked
	// joe revoked
	// the selector is empty
}

// A client that adds the credential, and gets another one when it is refused.
func ExampleVault_Client() {
	ctx := context.Background()
	vault, tenant, end := connected("eve")
	defer end()
	i, err := vault.Find(ctx, identity.Selector{TenantID: tenant, User: "eve"})
	check(err)
	res, err := vault.Client(i.ID).Get(i.InstanceURL + "/services/data/v67.0/limits")
	check(err)
	defer func() { _ = res.Body.Close() }()
	fmt.Println(res.Status)

	_, err = vault.Client(i.ID).Get("https://another.example/")
	fmt.Println(errors.Is(err, identity.ErrForeignRequest))
	// Output:
	// 200 OK
	// true
}

// For libraries that take a token source of golang.org/x/oauth2.
func ExampleVault_TokenSource() {
	ctx := context.Background()
	vault, tenant, end := connected("eve")
	defer end()
	i, err := vault.Find(ctx, identity.Selector{TenantID: tenant, User: "eve"})
	check(err)
	res, err := oauth2.NewClient(ctx, vault.TokenSource(ctx, i.ID)).Get(i.InstanceURL + "/services/data/v67.0/limits")
	check(err)
	defer func() { _ = res.Body.Close() }()
	fmt.Println(res.Status)
	// Output: 200 OK
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// connected is a vault beside a simulated Salesforce, which these users of the
// tenant contoso have authorized; "" stands for the tenant itself.
func connected(users ...string) (vault *identity.Vault, tenantID string, end func()) {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "gatepost-example-")
	check(err)
	sf, err := mocksalesforce.Open(ctx, mocksalesforce.Options{})
	check(err)
	check(sf.AddClient(ctx, mocksalesforce.Client{ID: "key", Secret: "secret", RedirectURIs: []string{"https://app.example/callback"}}))
	mock := httptest.NewServer(sf.Handler())
	store, err := db.Open(ctx, filepath.Join(folder, "gatepost.db"))
	check(err)
	t := db.Tenant{ID: db.NewID(), Slug: "contoso", Name: "Contoso", CreatedAt: time.Now()} // as gatepost tenant add makes it
	check(store.CreateTenant(ctx, t, db.FirstNewsletter{Slug: "contoso-weekly", Name: "Weekly", Consent: "Yes."}))
	check(store.Close())
	vault, err = identity.Open(ctx, identity.Options{Database: filepath.Join(folder, "gatepost.db"), Keyset: filepath.Join(folder, "keyset.json"), Trust: []string{mock.URL},
		Services: []identity.Service{identity.SalesforceService("key", "secret", "https://app.example/callback", mock.URL)}})
	check(err)
	var b identity.Bundle
	for _, user := range users {
		b.Identities = append(b.Identities, authorized(mock.URL, user))
	}
	_, err = vault.Import(ctx, b, identity.ImportOptions{})
	check(err)
	return vault, t.ID, func() {
		check(vault.Close())
		mock.Close()
		check(errors.Join(sf.Close(), os.RemoveAll(folder)))
	}
}

// authorized is what Salesforce grants a user.
func authorized(salesforce, user string) identity.Movable {
	res, err := http.Post(salesforce+"/_control/session", "application/json", strings.NewReader(`{"client_id":"key"}`))
	check(err)
	defer func() { _ = res.Body.Close() }()
	var granted struct {
		ID       string
		Access   string `json:"access_token"`
		Refresh  string `json:"refresh_token"`
		Instance string `json:"instance_url"`
	}
	check(json.NewDecoder(res.Body).Decode(&granted))
	id := strings.Split(granted.ID, "/")
	return identity.Movable{Service: identity.Salesforce, Tenant: "contoso", User: user, Tags: []string{"plan:gold"}, OrgID: id[len(id)-2], RemoteUserID: id[len(id)-1],
		InstanceURL: granted.Instance, LoginURL: salesforce, Scopes: []string{"api", "refresh_token"}, Native: json.RawMessage(`{}`),
		ConnectedAt: time.Now(), RefreshedAt: time.Now(), AccessToken: granted.Access, RefreshToken: granted.Refresh}
}
