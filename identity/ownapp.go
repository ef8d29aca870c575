package identity

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"gatepost/identity/stored"
	"gatepost/input"
	"gatepost/seal"
)

// Errors of tenants' own apps.
var (
	// ErrNoOwnApp says that a tenant has no app of its own at a service, or none any more.
	ErrNoOwnApp = errors.New("the tenant has no app of its own")
	// ErrIncompleteApp says that an own app was to be without a client id or a secret.
	ErrIncompleteApp = errors.New("an app of one’s own needs a client id and a client secret")
	// ErrSecretNeeded says that the host of an own app was to change and its secret
	// to stay: whoever may set the host could have the secret sent anywhere.
	ErrSecretNeeded = errors.New("another host needs the client secret anew")
	// ErrNotSelfManaged says that a service has no hosts of its customers' own.
	ErrNotSelfManaged = errors.New("the service is not run on hosts of one’s own")
)

// ownAppRefusals are what a service says of an app that its tenant can mend.
var ownAppRefusals = append([]string{"redirect_uri_mismatch", "invalid_redirect_uri", "BAD_REDIRECT_URI"}, appCodes...)

// code is a refusal's code, by which people are told who mends it.
func (s Service) code(refused string) string {
	if s.ownApp && slices.Contains(ownAppRefusals, refused) && refused != s.DeadCode {
		return BrokenAppRefused
	}
	return refused
}

// Settings returns the service with what the operator has set of it, its client
// excepted; or ErrNoService.
func (v *Vault) Settings(ctx context.Context, service string) (Service, error) {
	s, _, err := v.set(ctx, service)
	s.ClientID, s.ClientSecret = "", ""
	return s, err
}

// PlainValue reports whether s can be a client id or secret, as people paste them.
func PlainValue(s string) bool {
	return s != "" && len(s) <= 500 && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) })
}

// TenantApp returns what is set of the tenant's own app, or ErrNoOwnApp.
func (v *Vault) TenantApp(ctx context.Context, service, tenantID string) (TenantApp, error) {
	a, err := v.optional.TenantApp(ctx, service, tenantID)
	if errors.Is(err, stored.ErrNotFound) {
		return a, ErrNoOwnApp
	}
	return a, err
}

// SetTenantApp stores what is set of the tenant's own app, the secret sealed. From
// the next call on it takes precedence for what the tenant authorizes, and serves
// all connections that this client id made; those that wait or broke because it was
// refused or removed are tried again, and those that another client id made break. The address is one that
// Service.CheckHost returned. Errors: ErrNoService, *ScopeError, ErrNotSelfManaged,
// ErrForeignHost when the operator has chosen it for another service,
// ErrIncompleteApp, ErrSecretNeeded, ErrPublic, or a failure of the store.
func (v *Vault) SetTenantApp(ctx context.Context, service, tenantID string, c ServiceChange) error {
	s, err := v.Service(ctx, service)
	if err != nil {
		return err
	}
	if s.Public {
		return ErrPublic
	}
	if c.Scopes != nil && len(*c.Scopes) > 0 {
		if err := s.checkScopes(*c.Scopes); err != nil {
			return err
		}
	}
	if c.LoginURL != nil && *c.LoginURL != "" {
		if !s.SelfManaged {
			return ErrNotSelfManaged
		}
		if err := v.refuseOperators(ctx, service, *c.LoginURL); err != nil {
			return err
		}
	}
	var mended int64
	err = v.Keys.WithKey(ctx, func(k seal.Key) error {
		sealed := ""
		if c.ClientSecret != nil && *c.ClientSecret != "" {
			if sealed, err = k.Seal(*c.ClientSecret, secretBinding(tenantID, service)); err != nil {
				return err
			}
		}
		mended, err = v.optional.ChangeTenantApp(ctx, service, tenantID, func(a *TenantApp) error {
			a.DefinedAt = s.definedAt
			return changeApp(a, c, sealed, k.ID)
		})
		return err
	})
	v.tellMended(ctx, service, tenantID, mended)
	return noService(err)
}

// refuseOperators returns ErrForeignHost for an address that the operator has chosen
// for another service. It may lie in their own network, which is open to calls of it.
func (v *Vault) refuseOperators(ctx context.Context, service, address string) error {
	s, err := v.Settings(ctx, service)
	if err != nil || address == s.ExtraLogin {
		return err
	}
	theirs, err := OperatorAddresses(ctx, v.optional)
	if err != nil {
		return err
	}
	for _, s := range v.services {
		theirs = append(theirs, s.ExtraLogin)
	}
	at := hostPort(address)
	if slices.ContainsFunc(theirs, func(other string) bool { return hostPort(other) == at }) {
		return ErrForeignHost
	}
	return nil
}

// hostPort is where an address leads to.
func hostPort(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" && u.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// changeApp makes the change of a tenant's app, if that leaves a whole one.
func changeApp(a *TenantApp, c ServiceChange, sealed string, keyID uint32) error {
	host, had := a.LoginURL, a.SealedSecret != ""
	replace(&a.ClientID, c.ClientID)
	replace(&a.LoginURL, c.LoginURL)
	if c.Scopes != nil {
		a.Scopes = strings.Join(*c.Scopes, " ")
	}
	if c.ClientSecret != nil {
		a.SealedSecret, a.KeyID = sealed, keyID
	}
	switch {
	case a.ClientID == "" || a.SealedSecret == "":
		return ErrIncompleteApp
	case had && a.LoginURL != host && c.ClientSecret == nil:
		return ErrSecretNeeded
	}
	return nil
}

// DropTenantApp removes the tenant's own app. The connections that it made are
// broken by that, and it returns how many of them were in order. ErrNoOwnApp:
// there is none.
func (v *Vault) DropTenantApp(ctx context.Context, service, tenantID string) (broken int64, err error) {
	broken, err = v.optional.DeleteTenantApp(ctx, service, tenantID)
	if errors.Is(err, stored.ErrNotFound) {
		return 0, ErrNoOwnApp
	}
	return broken, err
}

// OwnAppUses says how many connections of the tenant's own app are in order.
func (v *Vault) OwnAppUses(ctx context.Context, service, tenantID string) (int, error) {
	return v.optional.OwnAppUses(ctx, service, tenantID)
}

// retryOwnApp has connections that broke because of the tenant's own app tried
// again.
func (v *Vault) retryOwnApp(ctx context.Context, service, tenantID string) error {
	n, err := v.optional.MendBroken(ctx, service, tenantID, stored.AppCodes)
	v.tellMended(ctx, service, tenantID, n)
	return err
}

func (v *Vault) tellMended(ctx context.Context, service, tenantID string, n int64) {
	if n > 0 {
		v.Log.InfoContext(ctx, "connections of a tenant's own app are tried again", "service", service, "tenant", tenantID, "connections", n)
	}
}

// app is the service as it is to be called now for what was authorized with the
// tenant's own app, or with the shared one. ErrNoOwnApp, ErrNoApp: there is none.
func (v *Vault) app(ctx context.Context, service, tenantID string, own bool) (Service, error) {
	if own {
		return v.ownApp(ctx, service, tenantID)
	}
	return v.sharedApp(ctx, service)
}

// appFor is the service as a new authorization of the tenant's uses it: with its
// own app where it has one.
func (v *Vault) appFor(ctx context.Context, service, tenantID string) (Service, error) {
	s, err := v.ownApp(ctx, service, tenantID)
	if errors.Is(err, ErrNoOwnApp) {
		return v.sharedApp(ctx, service)
	}
	return s, err
}

// ownApp is the service as the tenant's own app calls it. With an error it has no
// client at all.
func (v *Vault) ownApp(ctx context.Context, service, tenantID string) (Service, error) {
	for key := uint32(0); ; {
		s, err := v.Settings(ctx, service)
		if err != nil {
			return s, err
		}
		a, err := v.TenantApp(ctx, service, tenantID)
		if err != nil {
			return s, err
		}
		secret, err := v.Keys.Open(ctx, a.SealedSecret, secretBinding(tenantID, service))
		if errors.Is(err, seal.ErrSealed) && a.KeyID != key {
			key = a.KeyID // it may have been sealed anew since it was read
			continue
		}
		if err != nil {
			return s, fmt.Errorf("the client secret of a tenant's own app at %s: %w", service, err)
		}
		return s.as(a, secret), nil
	}
}

// as is the service as a tenant's own app calls it.
func (s Service) as(a TenantApp, secret string) Service {
	s.ownApp, s.stored, s.ClientID, s.ClientSecret = true, true, a.ClientID, secret
	if a.Scopes != "" {
		s.Scopes = strings.Fields(a.Scopes)
	}
	if a.LoginURL != "" {
		s = s.on(a.LoginURL)
	}
	return s
}

// on is the service on a host of a tenant's: there is no other address of it, so
// that nothing of the tenant's goes elsewhere.
func (s Service) on(address string) Service {
	s.operators = address == s.ExtraLogin
	s.host, s.LoginURL, s.ExtraLogin, s.HostSuffixes = address, address, address, nil
	s.APIHosts = []string{strings.TrimPrefix(address, "https://")}
	for _, endPoint := range []*string{&s.AuthorizeURL, &s.TokenURL, &s.IntrospectURL, &s.UserinfoURL, &s.Revoke.URL} {
		_, rest, absolute := strings.Cut(*endPoint, "://")
		if !absolute {
			continue
		}
		_, path, _ := strings.Cut(rest, "/")
		*endPoint = ""
		if s.HostAPI != "" {
			*endPoint = s.HostAPI + "/" + path
		}
	}
	return s
}

// tenantsHost reports whether the service is called at a host that only a tenant
// chose. Nothing that the operator trusts is trusted there.
func (s Service) tenantsHost() bool { return s.host != "" && !s.operators }

// CheckHost returns the address of a tenant's own host of the service, as somebody
// typed it. Errors: ErrNotSelfManaged, or ErrForeignHost when it is no https
// address with the name of a host alone.
func (s Service) CheckHost(typed string) (string, error) {
	if !s.SelfManaged {
		return "", ErrNotSelfManaged
	}
	typed = input.Word(typed)
	if s.ExtraLogin != "" && strings.TrimRight(typed, "/") == s.ExtraLogin {
		return s.ExtraLogin, nil
	}
	if !strings.Contains(typed, "://") {
		typed = "https://" + typed
	}
	u, err := url.Parse(typed)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", ErrForeignHost
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if len(host) > 253 || !strings.Contains(host, ".") || !cleanLabels(host) || net.ParseIP(host) != nil || strings.HasSuffix(u.Host, ":") {
		return "", ErrForeignHost
	}
	if port == "" || port == "443" {
		return "https://" + host, nil
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
		return "", ErrForeignHost
	}
	return "https://" + host + ":" + port, nil
}
