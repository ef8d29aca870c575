// Fiber mounts package identity's handlers in an application that is made with Fiber: each of its users connects a
// Salesforce of their own.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"

	"gatepost/identity"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
)

func main() {
	ctx, login := context.Background(), os.Getenv("GATEPOST_SFDC_LOGIN_URL")
	vault, err := identity.Open(ctx, identity.Options{Database: "gatepost.db", Keyset: "keyset.json", Trust: []string{login},
		Services: []identity.Service{identity.BuiltInService(identity.Salesforce, identity.App{ClientID: os.Getenv("GATEPOST_SFDC_CLIENT_ID"),
			ClientSecret: os.Getenv("GATEPOST_SFDC_CLIENT_SECRET"), RedirectURL: "http://127.0.0.1:8090/salesforce/callback", LoginURL: login})}})
	check(err)
	tenant, err := vault.TenantBySlug(ctx, "contoso") // gatepost tenant add contoso
	check(err)
	go vault.Run(ctx)
	check(application(vault, tenant.ID).Listen("127.0.0.1:8090"))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// userKey is under which the context holds who is logged in.
type userKey struct{}

// application is the Fiber application.
func application(vault *identity.Vault, tenantID string) *fiber.App {
	authorize := identity.Authorizer{Vault: vault, Service: identity.Salesforce, FinishedURL: "/", Insecure: true,
		Who: func(r *http.Request) (identity.Subject, error) {
			user, ok := r.Context().Value(userKey{}).(string)
			if !ok {
				return identity.Subject{}, errors.New("nobody is logged in")
			}
			return identity.Subject{TenantID: tenantID, User: user}, nil
		}}
	a := fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true})
	a.Use(logIn)
	a.Post("/salesforce/connect", mount(authorize.Start))
	a.Get("/salesforce/callback", mount(authorize.Callback))
	a.Get("/", func(c *fiber.Ctx) error {
		user, ok := c.UserContext().Value(userKey{}).(string)
		if !ok { // a selector without a user would mean anybody's
			return fiber.NewError(http.StatusForbidden, "Log in first.")
		}
		theirs, err := vault.Credential(c.UserContext(), identity.Selector{Service: identity.Salesforce, TenantID: tenantID, User: user})
		if errors.Is(err, identity.ErrNotConnected) {
			return c.Type("html").SendString(`<p>Salesforce is not connected.</p><form method="post" action="/salesforce/connect"><button>Connect</button></form>`)
		}
		if err != nil {
			return err
		}
		res, err := vault.Client(theirs.Identity).Get(theirs.InstanceURL + "/services/data/v67.0/limits")
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		return c.SendString("Salesforce answers " + user + ": " + res.Status)
	})
	return a
}

// logIn stands for the log-in of an application: it says who sent a request.
func logIn(c *fiber.Ctx) error {
	if user := c.Cookies("user"); user != "" {
		c.SetUserContext(context.WithValue(c.UserContext(), userKey{}, user))
	}
	return c.Next()
}

// mount makes a handler of Fiber's out of one of net/http's. It gives it the request's own context: that of
// fasthttp is used again for other requests, while the vault may still be at work for this one.
func mount(h http.HandlerFunc) fiber.Handler {
	return func(c *fiber.Ctx) error {
		ctx := c.UserContext()
		return adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r.WithContext(ctx)) })(c)
	}
}
