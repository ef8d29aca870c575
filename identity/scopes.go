package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// included reports whether what was granted includes a scope: itself, under another
// name, or as a part of a wider one.
func (s Service) included(scope string, granted []string) bool {
	return slices.ContainsFunc(granted, func(g string) bool { return g == scope || g == "full" || slices.Contains(s.Includes[g], scope) })
}

// missing are the needed scopes that weren't granted.
func (s Service) missing(granted []string) []string {
	return slices.DeleteFunc(slices.Clone(s.NeedScopes), func(need string) bool { return s.included(need, granted) })
}

// ungranted are the scopes that are asked for and that weren't granted. Some services don't
// tell of the scope for a refresh token, which is granted where one came.
func (s Service) ungranted(g Grant, refreshable bool) []string {
	granted := strings.Fields(g.Scopes)
	return slices.DeleteFunc(slices.Clone(s.Scopes), func(scope string) bool {
		return s.included(scope, granted) || scope == s.RefreshScope && refreshable
	})
}

// lacking are the scopes that are asked for by now and that an identity was not granted.
func (s Service) lacking(i Identity) []string {
	return s.ungranted(i.Grant, !i.KeepAliveAt.IsZero())
}

// wanted is the service as an identity would be authorized anew, its client excepted:
// with the scopes of the tenant's own app where that made it.
func (v *Vault) wanted(ctx context.Context, g Grant) (Service, error) {
	s, err := v.Settings(ctx, g.Service)
	if err != nil || !g.OwnApp {
		return s, err
	}
	a, err := v.TenantApp(ctx, g.Service, g.TenantID)
	if errors.Is(err, ErrNoOwnApp) {
		return s, nil
	}
	if a.Scopes != "" {
		s.Scopes = strings.Fields(a.Scopes)
	}
	return s, err
}

// Describe tells what is known of identities now. Of a service that was removed no
// scopes are missing. Errors are failures of the store.
func (v *Vault) Describe(ctx context.Context, identities ...NamedIdentity) ([]Description, error) {
	type app struct{ service, tenant string }
	known := map[app]Service{}
	all := []Description{}
	for _, i := range identities {
		of := app{service: i.Service}
		if i.OwnApp {
			of.tenant = i.TenantID
		}
		s, ok := known[of]
		if !ok {
			var err error
			if s, err = v.wanted(ctx, i.Grant); err != nil && !errors.Is(err, ErrNoService) {
				return nil, err
			}
			known[of] = s
		}
		d := describe(i, v.Now())
		d.MissingScopes = append(d.MissingScopes, s.lacking(i.Identity)...)
		all = append(all, d)
	}
	return all, nil
}
