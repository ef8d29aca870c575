// Newsletter connects a tenant's Salesforce with package identity, and puts those who sign up into it. What keeps
// sign-ups from being lost is left out: that is what Gatepost itself is for.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log"
	"net/http"
	"os"

	"gatepost/identity"
)

func main() {
	ctx, login := context.Background(), os.Getenv("GATEPOST_SFDC_LOGIN_URL")
	vault, err := identity.Open(ctx, identity.Options{Database: "gatepost.db", Keyset: "keyset.json", Trust: []string{login},
		Services: []identity.Service{identity.BuiltInService(identity.Salesforce, identity.App{ClientID: os.Getenv("GATEPOST_SFDC_CLIENT_ID"),
			ClientSecret: os.Getenv("GATEPOST_SFDC_CLIENT_SECRET"), RedirectURL: "http://127.0.0.1:8090/integrations/sfdc/callback", LoginURL: login})}})
	check(err)
	tenant, err := vault.TenantBySlug(ctx, "contoso") // gatepost tenant add contoso
	check(err)
	go vault.Run(ctx)
	check(http.ListenAndServe("127.0.0.1:8090", app{vault, identity.Selector{Service: identity.Salesforce, TenantID: tenant.ID}}.handler()))
}

type app struct {
	vault *identity.Vault
	of    identity.Selector // the tenant's
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func (a app) handler() http.Handler {
	authorize := identity.Authorizer{Vault: a.vault, Service: identity.Salesforce, FinishedURL: "/", Insecure: true,
		Who: func(*http.Request) (identity.Subject, error) { // in an application with users: from its session
			return identity.Subject{TenantID: a.of.TenantID, User: "john@contoso.example"}, nil
		}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /integrations/sfdc/connect", authorize.Start)
	mux.HandleFunc("GET /integrations/sfdc/callback", authorize.Callback)
	mux.HandleFunc("POST /integrations/sfdc/disconnect", a.disconnect)
	mux.HandleFunc("POST /newsletter/signup", a.signUp)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (a app) home(w http.ResponseWriter, r *http.Request) {
	if code := r.FormValue("error"); code != "" {
		_, _ = fmt.Fprintf(w, "<p>Salesforce was not connected: %s.</p>", html.EscapeString(code))
	}
	const form = `<form method="post" action="/%s"><button>%s</button></form>`
	i, err := a.vault.Find(r.Context(), a.of)
	if err != nil {
		_, _ = fmt.Fprintf(w, "<p>Salesforce is not connected.</p>"+form, "integrations/sfdc/connect", "Connect")
		return
	}
	_, _ = fmt.Fprintf(w, "<p>Connected to %s.</p>"+form+form+`<form method="post" action="/newsletter/signup"><input type="email" name="email" aria-label="E-mail"><button>Subscribe</button></form>`, html.EscapeString(i.InstanceURL),
		"integrations/sfdc/connect", "Reconnect", "integrations/sfdc/disconnect", "Disconnect")
}

func (a app) disconnect(w http.ResponseWriter, r *http.Request) {
	if _, err := a.vault.Delete(r.Context(), a.of); err != nil && !errors.Is(err, identity.ErrNotConnected) {
		http.Error(w, "Please try again.", http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a app) signUp(w http.ResponseWriter, r *http.Request) {
	theirs, err := a.vault.Credential(r.Context(), a.of)
	if err != nil {
		http.Error(w, "Your sign-up was not stored: Salesforce is not connected.", http.StatusBadGateway)
		return
	}
	contact, _ := json.Marshal(map[string]string{"LastName": "NA", "Email": r.FormValue("email")})
	res, err := a.vault.Client(theirs.Identity).Post(theirs.InstanceURL+"/services/data/v67.0/sobjects/Contact", "application/json", bytes.NewReader(contact))
	if err == nil {
		err = res.Body.Close()
	}
	if err != nil || res.StatusCode != http.StatusCreated {
		http.Error(w, "Salesforce did not take your sign-up. Please try again.", http.StatusBadGateway)
		return
	}
	_, _ = fmt.Fprint(w, "Thank you for signing up to the newsletter!")
}
