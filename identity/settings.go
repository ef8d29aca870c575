package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatepost/seal"
)

// ErrNoApp says that nobody has told yet with which client id and secret Gatepost
// speaks to a service.
var ErrNoApp = errors.New("no app is set for the service")

// ServiceChange is what to set of a service; nil leaves a value as it is, an
// empty one takes it back, so that the environment's or the service's own counts.
type ServiceChange struct {
	ClientID, ClientSecret, LoginURL *string
	Scopes                           *[]string
}

// ErrNoLoginURL says that a service is authorized at fixed addresses, so that no
// other login address can be set.
var ErrNoLoginURL = errors.New("the service has no other login address")

// ErrPublic says that the app of a service is a public one, which has no secret, and of
// which there is one for the installation.
var ErrPublic = errors.New("the service takes a public client, which has no secret")

// SetService stores what is set of a service, the secret sealed, for all
// processes from their next call on. Connections whose app was refused are
// tried again, and those that another client id made break. Errors: ErrNoService, *ScopeError, ErrNoLoginURL, ErrPublic, or a failure of the
// store. The login address must have been checked.
func (v *Vault) SetService(ctx context.Context, service string, c ServiceChange) error {
	s, err := v.Service(ctx, service)
	if err != nil {
		return err
	}
	if c.LoginURL != nil && *c.LoginURL != "" && !s.anywhere() {
		return ErrNoLoginURL
	}
	if c.ClientSecret != nil && *c.ClientSecret != "" && s.Public {
		return ErrPublic
	}
	if c.Scopes != nil && len(*c.Scopes) > 0 {
		if err := s.checkScopes(*c.Scopes); err != nil {
			return err
		}
	}
	err = v.Keys.WithKey(ctx, func(k seal.Key) error {
		sealed := ""
		if c.ClientSecret != nil && *c.ClientSecret != "" {
			if sealed, err = k.Seal(*c.ClientSecret, secretBinding("", service)); err != nil {
				return err
			}
		}
		return v.optional.ChangeService(ctx, service, func(set *ServiceSettings) {
			set.DefinedAt = s.definedAt
			replace(&set.ClientID, c.ClientID)
			replace(&set.LoginURL, c.LoginURL)
			if c.Scopes != nil {
				set.Scopes = strings.Join(*c.Scopes, " ")
			}
			if c.ClientSecret != nil {
				set.SealedSecret, set.KeyID = sealed, k.ID
			}
		})
	})
	if err != nil {
		return noService(err)
	}
	return v.RetryApp(ctx, service)
}

func replace(value, with *string) {
	if with != nil {
		*value = *with
	}
}

// RetryApp has the connections for which the service refused the shared app itself
// tried again at once: for when its settings may have been mended.
func (v *Vault) RetryApp(ctx context.Context, service string) error {
	n, err := v.optional.MendBroken(ctx, service, "", appCodes)
	if n > 0 {
		v.Log.InfoContext(ctx, "connections whose app had been refused are tried again", "service", service, "connections", n)
	}
	return err
}

// CheckApp returns ErrNoApp unless a shared app is set for the service, here or in
// the environment.
func (v *Vault) CheckApp(ctx context.Context, service string) error {
	_, err := v.sharedApp(ctx, service)
	return err
}

// CheckLogin returns the login address that somebody of the tenant typed, if it is
// one of the service's own: see Service.CheckLogin.
func (v *Vault) CheckLogin(ctx context.Context, service, tenantID, typed string) (string, error) {
	s, err := v.appFor(ctx, service, tenantID)
	if err != nil {
		return "", err
	}
	return s.CheckLogin(typed)
}

// sharedApp is the service as the shared app calls it now, or ErrNoApp.
func (v *Vault) sharedApp(ctx context.Context, service string) (Service, error) {
	s, err := v.current(ctx, service)
	if err == nil && !s.hasApp() {
		return s, ErrNoApp
	}
	return s, err
}

// current is sharedApp, whether or not there is one. It is asked
// before each call to the service, and never when a credential is fresh.
func (v *Vault) current(ctx context.Context, service string) (Service, error) {
	for key := uint32(0); ; {
		s, set, err := v.set(ctx, service)
		if err != nil || set.SealedSecret == "" || s.Public {
			return s, err
		}
		secret, err := v.Keys.Open(ctx, set.SealedSecret, secretBinding("", service))
		if errors.Is(err, seal.ErrSealed) && set.KeyID != key {
			key = set.KeyID // it may have been sealed anew since it was read
			continue
		}
		if err != nil {
			return s, fmt.Errorf("the client secret of %s: %w", service, err)
		}
		s.ClientSecret = secret
		return s, nil
	}
}

// set is the service with what is set of it, its secret excepted.
func (v *Vault) set(ctx context.Context, service string) (Service, ServiceSettings, error) {
	s, err := v.Service(ctx, service)
	if err != nil {
		return s, ServiceSettings{}, err
	}
	set, err := v.optional.ServiceSettings(ctx, service)
	return s.with(set), set, err
}

// with is the service with what is set of it, its secret excepted.
func (s Service) with(set ServiceSettings) Service {
	if set.ClientID != "" {
		s.ClientID, s.stored = set.ClientID, true
	}
	if set.Scopes != "" {
		s.Scopes = strings.Fields(set.Scopes)
	}
	if set.LoginURL != "" {
		s.LoginURL, s.ExtraLogin = set.LoginURL, set.LoginURL
	}
	return s
}

// ScopeError says which scopes a connection needs and were left out, or which
// one is none.
type ScopeError struct{ Missing, Malformed []string }

// Error names them.
func (e *ScopeError) Error() string {
	if len(e.Malformed) > 0 {
		return fmt.Sprintf("%q is not a scope", e.Malformed[0])
	}
	return "a connection needs the scopes " + strings.Join(e.Missing, " and ")
}

// checkScopes returns a *ScopeError unless the scopes are well-formed and enough.
func (s Service) checkScopes(scopes []string) error {
	e := &ScopeError{Malformed: malformed(scopes)}
	for _, need := range append([]string{s.RefreshScope}, s.NeedScopes...) {
		if need != "" && !slices.Contains(scopes, need) && (need == s.RefreshScope || !slices.Contains(scopes, "full")) {
			e.Missing = append(e.Missing, need)
		}
	}
	if len(e.Malformed)+len(e.Missing) > 0 {
		return e
	}
	return nil
}

// malformed are the scopes that are none (RFC 6749, section 3.3).
func malformed(scopes []string) (bad []string) {
	for _, scope := range scopes {
		if scope == "" || len(scope) > 100 || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			bad = append(bad, scope)
		}
	}
	return bad
}
