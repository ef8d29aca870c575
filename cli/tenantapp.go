package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatepost/db"
	"gatepost/identity"
)

// unsetApp is what --unset calls a tenant's own app as a whole.
const unsetApp = "app"

// errUnsetTenant says what can be taken back of a tenant's own app.
var errUnsetTenant = fmt.Errorf("of a tenant's own app --unset takes scope or login-url, or %s by itself for the whole app", unsetApp)

// showTenantApp shows a tenant's own app, and what it has of the installation.
func (p *program) showTenantApp(ctx context.Context, store *db.DB, c identityConfig, service, slug, output string) error {
	if _, err := c.known(ctx, store, service); err != nil {
		return err
	}
	tenant, err := store.TenantBySlug(ctx, slug)
	if err != nil {
		return noTenant(slug, err)
	}
	a, err := store.TenantApp(ctx, service, tenant.ID)
	if errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("the tenant %s has no app of its own at %s: the shared one is used", slug, service)
	}
	if err != nil {
		return err
	}
	r, err := installationRow(ctx, store, c, service)
	if err != nil {
		return err
	}
	r.Tenant, r.SetAt, r.ClientID, r.ClientSecret = slug, optional(a.SetAt), setting{a.ClientID, "set"}, setting{From: "set"}
	for _, s := range []struct {
		of  *setting
		own string
	}{{&r.Scopes, a.Scopes}, {&r.LoginURL, a.LoginURL}} {
		if s.of.From == "set" {
			s.of.From = "installation"
		}
		if s.own != "" {
			*s.of = setting{s.own, "set"}
		}
	}
	return p.printService(r, output)
}

func noTenant(slug string, err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("there is no tenant %q", slug)
	}
	return err
}

// setTenantApp sets a tenant's own app as the flags say, or removes it.
func (p *program) setTenantApp(ctx context.Context, store *db.DB, c identityConfig, service string, f serviceFlags, given func(flag string) bool) error {
	if _, err := c.known(ctx, store, service); err != nil {
		return err
	}
	tenant, err := store.TenantBySlug(ctx, f.tenant)
	if err != nil {
		return noTenant(f.tenant, err)
	}
	vault, err := openVault(ctx, store, c)
	if err != nil {
		return err
	}
	if slices.Contains(f.unset, unsetApp) {
		return p.dropTenantApp(ctx, vault, service, tenant, f, given)
	}
	if slices.Contains(f.unset, "client-id") || slices.Contains(f.unset, "client-secret") {
		return errUnsetTenant
	}
	change, err := p.serviceChange(f, given)
	if err != nil {
		return err
	}
	if err := tenantHost(ctx, vault, service, change.LoginURL); err != nil {
		return err
	}
	before, err := store.TenantApp(ctx, service, tenant.ID)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	err = vault.SetTenantApp(ctx, service, tenant.ID, change)
	switch {
	case errors.Is(err, identity.ErrIncompleteApp):
		return errors.New("an app of a tenant's own needs --client-id and --client-secret-stdin")
	case errors.Is(err, identity.ErrPublic):
		return fmt.Errorf("%s takes a public client, of which there is one for the installation: a tenant has none of its own", service)
	case errors.Is(err, identity.ErrForeignHost):
		return errors.New("--login-url: this address is set for another service of the installation")
	case errors.Is(err, identity.ErrSecretNeeded):
		return errors.New("another login-url needs --client-secret-stdin too: the secret that is stored was given for the one before")
	case err != nil:
		return err
	}
	_, _ = fmt.Fprintf(p.out, "Done. What %s authorizes from now on is made with it.\n", f.tenant)
	if err := p.tellOfUses(ctx, vault, service, tenant.ID, before, change); err != nil {
		return err
	}
	return p.showTenantApp(ctx, store, c, service, f.tenant, "table")
}

// tenantHost checks the host that a tenant's own app is for.
func tenantHost(ctx context.Context, vault *identity.Vault, service string, host *string) error {
	if host == nil || *host == "" {
		return nil
	}
	s, err := vault.Settings(ctx, service)
	if err != nil {
		return err
	}
	*host, err = s.CheckHost(*host)
	switch {
	case errors.Is(err, identity.ErrNotSelfManaged):
		return fmt.Errorf("--login-url: %s is not run on hosts of one's own", s.Name)
	case err != nil:
		return errors.New("--login-url: use https and the name of a host, as https://git.example.com")
	}
	return nil
}

// tellOfUses says what another client id or host means for connections of the
// app before.
func (p *program) tellOfUses(ctx context.Context, vault *identity.Vault, service, tenantID string, before db.TenantApp, c identity.ServiceChange) error {
	if before.ClientID == "" || (c.ClientID == nil || *c.ClientID == before.ClientID) && (c.LoginURL == nil || *c.LoginURL == before.LoginURL) {
		return nil
	}
	n, err := vault.OwnAppUses(ctx, service, tenantID) // at the host before
	if err != nil {
		return err
	}
	broken, err := vault.MadeWithOtherApp(ctx, service, tenantID)
	if err != nil {
		return err
	}
	p.tellOfOthers(n + broken)
	return nil
}

// tellOfOthers says what another app means for connections that were made before.
func (p *program) tellOfOthers(n int) {
	if n > 0 {
		_, _ = fmt.Fprintf(p.out, "Connections that were made with the app before: %d. A service refuses to renew what another app got: connect anew, or set that app again.\n", n)
	}
}

func (p *program) dropTenantApp(ctx context.Context, vault *identity.Vault, service string, tenant db.Tenant, f serviceFlags, given func(string) bool) error {
	if len(f.unset) > 1 || f.secretFromStdin || given("client-id") || given("scope") || given("login-url") {
		return errUnsetTenant
	}
	broken, err := vault.DropTenantApp(ctx, service, tenant.ID)
	if errors.Is(err, identity.ErrNoOwnApp) {
		return fmt.Errorf("the tenant %s has no app of its own at %s", tenant.Slug, service)
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.out, "Removed. From now on %s authorizes with the shared app.\n", tenant.Slug)
	if broken > 0 {
		_, _ = fmt.Fprintf(p.out, "Connections that it had made: %d. They have to be connected anew.\n", broken)
	}
	return nil
}

// tenantSettings are the settings that service set names, for its help.
var tenantSettings = strings.Join(append(slices.Clone(serviceSettings), unsetApp+" (of a tenant, all of it)"), ", ")
