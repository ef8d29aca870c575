package identity

import (
	"context"
	"time"

	"gatepost/identity/stored"
)

// lacking stands for any role that a store hasn't: what it is asked for isn't there, and what it is to change
// is ErrUnsupported.
type lacking struct{ store Store }

func (lacking) Used(context.Context, map[string]time.Time) error { return nil }

func (lacking) Held(context.Context, string, string) (Held, error) {
	return Held{}, stored.ErrNotFound
}

func (lacking) HeldAnywhere(context.Context, string, string, string) ([]Grant, error) {
	return nil, nil
}

func (lacking) HoldIdentity(context.Context, Held) error { return ErrUnsupported }

func (lacking) DropHeld(context.Context, string, string, string) (string, error) {
	return "", stored.ErrLost
}

func (lacking) OrgNeedsConfirmation(context.Context, string, string, string) (bool, error) {
	return false, nil
}

func (lacking) ServiceSettings(_ context.Context, service string) (ServiceSettings, error) {
	return ServiceSettings{Service: service}, nil
}

func (lacking) AllServiceSettings(context.Context) (map[string]ServiceSettings, error) {
	return nil, nil
}

func (lacking) ChangeService(context.Context, string, func(*ServiceSettings)) error {
	return ErrUnsupported
}

func (lacking) MendBroken(context.Context, string, string, []string) (int64, error) { return 0, nil }

func (lacking) MadeWithOtherApp(context.Context, string, string) (int, error) { return 0, nil }

func (lacking) TenantApp(context.Context, string, string) (TenantApp, error) {
	return TenantApp{}, stored.ErrNotFound
}

func (lacking) ChangeTenantApp(context.Context, string, string, func(*TenantApp) error) (int64, error) {
	return 0, ErrUnsupported
}

func (lacking) DeleteTenantApp(context.Context, string, string) (int64, error) {
	return 0, stored.ErrNotFound
}

func (lacking) OwnAppUses(context.Context, string, string) (int, error) { return 0, nil }

func (lacking) ServiceDefinition(context.Context, string) (ServiceDefinition, error) {
	return ServiceDefinition{}, stored.ErrNotFound
}

func (lacking) ServiceDefinitions(context.Context) ([]ServiceDefinition, error) { return nil, nil }

func (lacking) AddServiceDefinition(context.Context, ServiceDefinition) error { return ErrUnsupported }

func (lacking) ChangeServiceDefinition(context.Context, string, func(ServiceDefinition, ServiceUses) (string, error)) error {
	return stored.ErrNotFound
}

func (lacking) DeleteServiceDefinition(context.Context, string) (int64, error) {
	return 0, stored.ErrNotFound
}

func (lacking) BeginAuthorization(context.Context, Authorization) error { return ErrUnsupported }

func (lacking) Authorization(context.Context, string) (Authorization, error) {
	return Authorization{}, stored.ErrNotFound
}

func (lacking) AuthorizationByLink(context.Context, string) (Authorization, error) {
	return Authorization{}, stored.ErrNotFound
}

func (lacking) HandshakeAuthorization(context.Context, string, string) (string, error) {
	return "", stored.ErrNotFound
}

func (lacking) OpenAuthorization(context.Context, string, string, time.Time) error {
	return ErrUnsupported
}

func (lacking) EndAuthorization(context.Context, string, AuthorizationState, string, string, string) error {
	return ErrUnsupported
}

func (lacking) GrantAuthorization(context.Context, Grant, string) error { return ErrUnsupported }

func (lacking) Granted(context.Context, string) (Grant, error) { return Grant{}, stored.ErrNotFound }

func (lacking) CompleteAuthorization(context.Context, string, Grant, bool) (string, error) {
	return "", ErrUnsupported
}

func (lacking) HoldAuthorization(context.Context, string, Held) error { return ErrUnsupported }

func (lacking) DropAuthorization(context.Context, string, string) (string, error) {
	return "", ErrUnsupported
}

func (lacking) TenantBySlug(context.Context, string) (Tenant, error) {
	return Tenant{}, ErrUnsupported
}

func (lacking) CloseTenant(context.Context, string, time.Time) (Closing, error) {
	return Closing{}, ErrUnsupported
}

func (lacking) ImportIdentities(context.Context, []NewTenant, []Arrival) ([]string, error) {
	return nil, ErrUnsupported
}

func (lacking) ForgetIdentities(context.Context, Selector) ([]Deleted, error) {
	return nil, ErrUnsupported
}

// DeleteIdentity does without a note of who it was.
func (l lacking) DeleteIdentity(ctx context.Context, service, tenantID, _ string) (revocations []string, err error) {
	deleted, err := l.store.DeleteSomeIdentities(ctx, Selector{Service: service, TenantID: tenantID, NoUser: true, NoAccount: true}, "", "", 0)
	if err == nil && len(deleted) == 0 {
		err = stored.ErrNotFound
	}
	for _, d := range deleted {
		revocations = append(revocations, d.Revocation)
	}
	return revocations, err
}

func (lacking) LastOutcome(context.Context, string, string) (HandshakeOutcome, string, error) {
	return HandshakeOutcome{}, "", stored.ErrNotFound
}

func (lacking) Unhashed(context.Context, Grant) ([]Identity, error) { return nil, nil }

func (lacking) UnhashedHeld(context.Context, string) ([]Grant, error) { return nil, nil }

func (lacking) SetTokenHash(context.Context, string, int64, string) error { return nil }

func (lacking) SweepVault(context.Context) error { return nil }
