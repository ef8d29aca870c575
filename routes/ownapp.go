package routes

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"gatepost/db"
	"gatepost/identity"
	"gatepost/input"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// ownApp handles GET /integrations/{service}/app: the tenant's own app.
func (s *server) ownApp(c *fiber.Ctx) error {
	service, err := s.Vault.Settings(c.UserContext(), c.Params("service"))
	if err != nil {
		return err
	}
	a, err := s.tenantApp(c, service.ID)
	if err != nil {
		return err
	}
	return s.showOwnApp(c, http.StatusOK, service, a, views.OwnAppForm{ClientID: a.ClientID, Scopes: a.Scopes, Host: a.LoginURL}, nil)
}

// tenantApp is the tenant's own app, an empty one when it has none.
func (s *server) tenantApp(c *fiber.Ctx, service string) (db.TenantApp, error) {
	a, err := s.Vault.TenantApp(c.UserContext(), service, who(c).Tenant.ID)
	if errors.Is(err, identity.ErrNoOwnApp) {
		return db.TenantApp{}, nil
	}
	return a, err
}

func (s *server) showOwnApp(c *fiber.Ctx, status int, service identity.Service, a db.TenantApp, form views.OwnAppForm, wrong views.FieldErrors) error {
	p, err := s.ownAppPage(c, "Your own app", service, a)
	if err != nil {
		return err
	}
	p.Form, p.Errors = form, wrong
	return render(c, status, views.OwnApp(p))
}

// ownAppPage is a page about the tenant's own app, and what lives by it.
func (s *server) ownAppPage(c *fiber.Ctx, title string, service identity.Service, a db.TenantApp) (views.OwnAppPage, error) {
	p := views.OwnAppPage{Page: s.page(c, title, views.NavIntegrations), Service: service.ID, Name: service.Name, ClientHint: s.clientHint(service.ID), RedirectURL: service.RedirectURL,
		Scopes: strings.Join(service.Scopes, " "), SelfManaged: service.SelfManaged, SetAt: a.SetAt}
	ctx, tenant := c.UserContext(), who(c).Tenant.ID
	i, err := s.Vault.Identity(ctx, service.ID, tenant)
	if err != nil && !errors.Is(err, identity.ErrNotConnected) {
		return p, err
	}
	p.Live = err == nil && i.BrokenAt.IsZero()
	p.LiveUses, err = s.Vault.OwnAppUses(ctx, service.ID, tenant)
	return p, err
}

// setOwnApp handles POST /integrations/{service}/app.
func (s *server) setOwnApp(c *fiber.Ctx) error {
	service, err := s.Vault.Settings(c.UserContext(), c.Params("service"))
	if err != nil {
		return err
	}
	before, err := s.tenantApp(c, service.ID)
	if err != nil {
		return err
	}
	form := views.OwnAppForm{ClientID: input.Word(field(c, "client_id")), Scopes: input.Word(field(c, "scopes")),
		Host: input.Word(field(c, "host")), Understood: field(c, "understood") == "on"}
	change, wrong := ownAppChange(service, form, input.Word(field(c, "client_secret")))
	if len(wrong) == 0 {
		if wrong, err = s.ends(c.UserContext(), who(c).Tenant.ID, before, change, form.Understood); err != nil {
			return err
		}
	}
	if len(wrong) == 0 {
		if wrong, err = refusedApp(s.Vault.SetTenantApp(c.UserContext(), service.ID, who(c).Tenant.ID, change)); err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return s.showOwnApp(c, http.StatusUnprocessableEntity, service, before, form, wrong)
	}
	s.flash(c, views.FlashSuccess, "Your own app is saved. From now on "+service.Name+" is connected with it; a connection that was made with the shared app moves when you reconnect.")
	return redirect(c, "/integrations/"+service.ID+"/app")
}

// ownAppChange is what a form asks to be set of an own app, and what is wrong
// with it by itself.
func ownAppChange(service identity.Service, form views.OwnAppForm, secret string) (identity.ServiceChange, views.FieldErrors) {
	wrong := views.FieldErrors{}
	scopes := strings.Fields(form.Scopes)
	change := identity.ServiceChange{ClientID: &form.ClientID, Scopes: &scopes}
	switch {
	case form.ClientID == "":
		wrong["client_id"] = "Please enter the client ID of your app."
	case !identity.PlainValue(form.ClientID):
		wrong["client_id"] = "This can’t be a client ID: it is too long, or has spaces in it."
	}
	if secret != "" {
		change.ClientSecret = &secret
		if !identity.PlainValue(secret) {
			wrong["client_secret"] = "This can’t be a client secret: it is too long, or has spaces in it."
		}
	}
	if !service.SelfManaged {
		return change, wrong
	}
	host := ""
	if form.Host != "" {
		var err error
		if host, err = service.CheckHost(form.Host); err != nil {
			wrong["host"] = "Please enter https:// and the name of a host, such as https://git.example.com."
		}
	}
	change.LoginURL = &host
	return change, wrong
}

// ends asks for a change that ends live connections to be agreed to.
func (s *server) ends(ctx context.Context, tenant string, before db.TenantApp, change identity.ServiceChange, understood bool) (views.FieldErrors, error) {
	same := *change.ClientID == before.ClientID && (change.LoginURL == nil || *change.LoginURL == before.LoginURL)
	if before.ClientID == "" || same || understood {
		return nil, nil
	}
	uses, err := s.Vault.OwnAppUses(ctx, before.Service, tenant)
	if err != nil || uses == 0 {
		return nil, err
	}
	return views.FieldErrors{"understood": "This change ends the connection that works now. Tick this if you mean it, and enter the secret again."}, nil
}

// refusedApp tells why an own app was not set; what isn't its fault comes back.
func refusedApp(err error) (views.FieldErrors, error) {
	var scopes *identity.ScopeError
	switch {
	case errors.Is(err, identity.ErrIncompleteApp):
		return views.FieldErrors{"client_secret": "Please enter the client secret of your app."}, nil
	case errors.Is(err, identity.ErrPublic):
		return views.FieldErrors{"client_id": "This service takes the app of the people who run this portal alone."}, nil
	case errors.Is(err, identity.ErrForeignHost):
		return views.FieldErrors{"host": "This address can’t be used here. Please enter that of your own host."}, nil
	case errors.Is(err, identity.ErrSecretNeeded):
		return views.FieldErrors{"client_secret": "With another address the secret has to be entered again: the stored one was given for the address before."}, nil
	case errors.As(err, &scopes) && len(scopes.Malformed) > 0:
		return views.FieldErrors{"scopes": "“" + cut(scopes.Malformed[0], 40) + "” is not a scope."}, nil
	case errors.As(err, &scopes):
		return views.FieldErrors{"scopes": "A connection needs these too: " + strings.Join(scopes.Missing, ", ") + "."}, nil
	}
	return nil, err
}

// confirmOwnAppRemoval handles GET /integrations/{service}/app/remove.
func (s *server) confirmOwnAppRemoval(c *fiber.Ctx) error {
	service, err := s.Vault.Settings(c.UserContext(), c.Params("service"))
	if err != nil {
		return err
	}
	a, err := s.tenantApp(c, service.ID)
	if err != nil {
		return err
	}
	if a.ClientID == "" {
		return s.noOwnApp(c, service)
	}
	p, err := s.ownAppPage(c, "Remove your own app", service, a)
	if err != nil {
		return err
	}
	p.Form.ClientID = a.ClientID
	return render(c, http.StatusOK, views.OwnAppRemoval(p))
}

func (s *server) noOwnApp(c *fiber.Ctx, service identity.Service) error {
	s.flash(c, views.FlashInfo, "Your organisation has no app of its own at "+service.Name+".")
	return redirect(c, "/integrations/"+service.ID+"/app")
}

// removeOwnApp handles POST /integrations/{service}/app/remove.
func (s *server) removeOwnApp(c *fiber.Ctx) error {
	service, err := s.Vault.Service(c.UserContext(), c.Params("service"))
	if err != nil {
		return err
	}
	broken, err := s.Vault.DropTenantApp(c.UserContext(), service.ID, who(c).Tenant.ID)
	switch {
	case errors.Is(err, identity.ErrNoOwnApp):
		return s.noOwnApp(c, service)
	case err != nil:
		return err
	case broken > 0:
		s.flash(c, views.FlashWarning, "Your own app is removed. Reconnect "+service.Name+" now; sign-ups wait safely until then.")
	default:
		s.flash(c, views.FlashSuccess, "Your own app is removed. From now on "+service.Name+" is connected with the shared app.")
	}
	return redirect(c, "/integrations")
}

// clientHint is what a CRM calls a client id and a secret, where it has words of its own.
func (s *server) clientHint(service string) string {
	if p := s.CRMs.Of(service); p != nil {
		return p.ClientHint
	}
	return ""
}
