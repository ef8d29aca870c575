package identity

import (
	"context"
	"errors"
	"time"
)

// Store is the least that a vault needs of a database: to connect, find, list, get, renew, delete and revoke.
// What a store has beside it, by the roles below, the vault uses; db.DB has them all, and package memstore
// the least. Package storetest holds any store to what stands here.
//
// A call changes all that it says, or nothing, for whatever processes are on the store at the same time, and
// what it has changed the next call sees. The errors that are named are those of package stored, by
// errors.Is; any other is a failure of the store, after which the vault takes what was asked for as not done,
// or tries again. Where a store has a method Now() time.Time, all that is on it goes by that clock.
type Store interface {
	IdentityStore
	RenewalStore
	HandshakeStore
	RevocationStore
}

// IdentityStore keeps identities: one for each service, tenant, user and account.
type IdentityStore interface {
	// IdentityOf returns the identity of a user's account, the tenant's own one without both. ErrNotFound:
	// there is none.
	IdentityOf(ctx context.Context, service, tenantID, user, account string) (Identity, error)
	// IdentityByID returns the identity with the id, or ErrNotFound.
	IdentityByID(ctx context.Context, id string) (Identity, error)
	// Identities returns up to limit of the selected identities in the order of their ids, from the one after
	// the given id on; "" is before all.
	Identities(ctx context.Context, sel Selector, after string, limit int) ([]NamedIdentity, error)
	// ApprovedAnywhere returns the identities, of all tenants, that the remote user of a service approved;
	// those of the org when remoteUserID is empty.
	ApprovedAnywhere(ctx context.Context, service, orgID, remoteUserID string) ([]Identity, error)
	// HoldsToken reports whether anything that is kept, of any tenant, has the TokenHash, but for what is
	// yet to be revoked.
	HoldsToken(ctx context.Context, service, tokenHash string) (bool, error)
	// SaveIdentity stores a grant: as a new identity, or in place of the one of the same service, tenant, user
	// and account, whose id g has then, and whose token becomes a revocation with the id that is returned. All
	// that was said of the old grant ends with it: failures, leases, calls. A new generation comes with each
	// grant; no id ever has a generation twice, though the identity was deleted in between. It is due to be
	// kept alive some days later, unless it is Endless. ErrLost: the row with another id stands there, or one
	// of another org and otherOrg is false, or its tenant is gone. ErrOrgInUse: the org has to be confirmed
	// first; a store that is no HeldStore never says so, and is never given what was confirmed.
	SaveIdentity(ctx context.Context, g Grant, otherOrg bool, confirmed string) (replaced string, err error)
	// DeleteSomeIdentities deletes up to limit of the selected identities in the order of their ids, from the
	// one after an id on and up to another one; all of them, whatever the two ids, when limit is 0. Their
	// tokens become revocations.
	DeleteSomeIdentities(ctx context.Context, sel Selector, after, through string, limit int) ([]Deleted, error)
}

// RenewalStore keeps renewals apart, by a lease on each identity: of all processes one calls the service. A
// call that was begun leaves its mark, CallStartedAt, until its outcome is recorded, so that a process that
// died in between is known of.
type RenewalStore interface {
	// StartRenewal takes the lease of an identity of a generation for owner, and marks the call as begun, at
	// the time of an earlier mark if there is one, which is returned. refused has the access token given out
	// no more (Stale). ErrLost: somebody has the lease, their own included, or the generation is another one,
	// or the identity is broken or gone.
	StartRenewal(ctx context.Context, id string, generation int64, owner string, lease time.Duration, refused bool) (earlier time.Time, err error)
	// RestartCall sets the mark to now. ErrLost: the lease isn't owner's, or has run out, or the generation
	// is another one.
	RestartCall(ctx context.Context, id string, generation int64, owner string) error
	// ExtendRenewal has the lease last so long from now. ErrLost: it isn't owner's any more, or has run out.
	ExtendRenewal(ctx context.Context, id, owner string, lease time.Duration) error
	// FinishRenewal stores what a renewal brought, whoever has the lease, as the next generation; tags, org,
	// and who connected it stay. Failures, the mark, the lease, and what broke the identity end, but for
	// AppRemoved and OtherApp. ErrLost: the generation is another one, or the identity is gone.
	FinishRenewal(ctx context.Context, g Grant, generation int64) error
	// FailRenewal records that a renewal failed in passing, and ends the lease; unknown leaves the mark.
	// ErrLost: the lease isn't owner's, or the generation is another one.
	FailRenewal(ctx context.Context, id string, generation int64, owner, code string, retryAt time.Time, unknown bool) error
	// BreakIdentity records that only a new authorization helps, and why, and ends the lease; the mark ends
	// too, but with AppRemoved and OtherApp. ErrLost: the generation is another one, or it is broken already,
	// or owner, unless empty, hasn't the lease.
	BreakIdentity(ctx context.Context, id string, generation int64, code, owner string) error
	// SetExpiry records when the access token of a generation runs out; of another one it does nothing.
	SetExpiry(ctx context.Context, id string, generation int64, expires time.Time) error
	// KeepAliveDue returns up to limit identities that are in order, and whose KeepAliveAt and RetryAt have
	// come; those without a failure first.
	KeepAliveDue(ctx context.Context, limit int) ([]IdentityKey, error)
	// AbandonedRenewals returns up to limit identities that are in order and have a mark, and that nobody has
	// the lease of, once their RetryAt has come; those without a failure first.
	AbandonedRenewals(ctx context.Context, limit int) ([]IdentityKey, error)
}

// HandshakeStore keeps authorizations that are under way, and for some minutes what became of them. A
// handshake is there for the service and the session that it was begun for alone, until it expires.
type HandshakeStore interface {
	// AddHandshake stores a handshake. ErrTooMany: its session has as many under way as may be, which the
	// store decides. ErrLost: its tenant is gone.
	AddHandshake(ctx context.Context, h Handshake) error
	// Handshake returns a handshake, and what became of it, or ErrNotFound.
	Handshake(ctx context.Context, service, stateHash, sessionID string) (Handshake, error)
	// TakeHandshake takes a handshake, so that its code is exchanged once. It stays for some minutes, to tell
	// what became of it. ErrNotFound: there is none, or it was taken before.
	TakeHandshake(ctx context.Context, service, stateHash, sessionID string) (Handshake, error)
	// EndHandshake records what became of a handshake that was taken. ErrLost: it wasn't, or is gone.
	EndHandshake(ctx context.Context, h Handshake, o HandshakeOutcome) error
	// RefuseHandshake records that the service refused before there was a code, which doesn't take it.
	// ErrLost: it was taken, or is gone.
	RefuseHandshake(ctx context.Context, h Handshake, o HandshakeOutcome) error
}

// RevocationStore keeps tokens that are yet to be revoked, for a week.
type RevocationStore interface {
	// AddRevocation keeps the token of a grant that is not stored, and returns the revocation's id.
	AddRevocation(ctx context.Context, g Grant) (string, error)
	// Revocation returns a token that is yet to be revoked, or ErrNotFound. ExpiresAt is a week after it was
	// added; the vault deletes it then.
	Revocation(ctx context.Context, id string) (PendingRevocation, error)
	// DeleteRevocation forgets a token. It is no error when that is forgotten already.
	DeleteRevocation(ctx context.Context, id string) error
	// RevocationsDue returns up to limit ids of tokens that are yet to be revoked, in their order, from
	// the one after the given id on: of those that are half a minute old, since whoever ended the identity
	// makes the first try.
	RevocationsDue(ctx context.Context, after string, limit int) ([]string, error)
}

// ErrUnsupported says that the vault's store lacks what was asked for: see the roles of a store.
var ErrUnsupported = errors.New("the store of this vault can't do that")

// The roles that a store may have beside the least. What is read of one that it lacks isn't there, and what
// is to be changed is ErrUnsupported. db.DB documents the methods.
type (
	// UseStore keeps when identities were used last.
	UseStore interface {
		Used(ctx context.Context, at map[string]time.Time) error
	}
	// HeldStore keeps what waits to be confirmed: a tenant's own authorization of another org than before, or
	// of one that another tenant has. Without it the former is refused, with CodeOtherOrg.
	HeldStore interface {
		Held(ctx context.Context, service, tenantID string) (Held, error)
		HeldAnywhere(ctx context.Context, service, orgID, remoteUserID string) ([]Grant, error)
		HoldIdentity(ctx context.Context, h Held) error
		DropHeld(ctx context.Context, service, tenantID, heldID string) (revocation string, err error)
		OrgNeedsConfirmation(ctx context.Context, service, orgID, tenantID string) (bool, error)
	}
	// SettingsStore keeps what the operator sets of services, for all processes at once.
	SettingsStore interface {
		ServiceSettings(ctx context.Context, service string) (ServiceSettings, error)
		AllServiceSettings(ctx context.Context) (map[string]ServiceSettings, error)
		ChangeService(ctx context.Context, service string, change func(*ServiceSettings)) error
		MendBroken(ctx context.Context, service, tenantID string, codes []string) (n int64, err error)
		MadeWithOtherApp(ctx context.Context, service, tenantID string) (n int, err error)
	}
	// TenantAppStore keeps tenants' own apps.
	TenantAppStore interface {
		TenantApp(ctx context.Context, service, tenantID string) (TenantApp, error)
		ChangeTenantApp(ctx context.Context, service, tenantID string, change func(*TenantApp) error) (mended int64, err error)
		DeleteTenantApp(ctx context.Context, service, tenantID string) (broken int64, err error)
		OwnAppUses(ctx context.Context, service, tenantID string) (n int, err error)
	}
	// DefinitionStore keeps services that the operator defines.
	DefinitionStore interface {
		ServiceDefinition(ctx context.Context, id string) (ServiceDefinition, error)
		ServiceDefinitions(ctx context.Context) ([]ServiceDefinition, error)
		AddServiceDefinition(ctx context.Context, s ServiceDefinition) error
		ChangeServiceDefinition(ctx context.Context, id string, change func(d ServiceDefinition, uses ServiceUses) (string, error)) error
		DeleteServiceDefinition(ctx context.Context, id string) (unrevoked int64, err error)
	}
	// AuthorizationStore keeps authorizations that are begun over HTTP.
	AuthorizationStore interface {
		BeginAuthorization(ctx context.Context, a Authorization) error
		Authorization(ctx context.Context, id string) (Authorization, error)
		AuthorizationByLink(ctx context.Context, linkHash string) (Authorization, error)
		OpenAuthorization(ctx context.Context, id, browserHash string, until time.Time) error
		EndAuthorization(ctx context.Context, id string, state AuthorizationState, code, reason, said string) error
		HandshakeAuthorization(ctx context.Context, service, stateHash string) (id string, err error)
		GrantAuthorization(ctx context.Context, g Grant, codeHash string) error
		Granted(ctx context.Context, authorizationID string) (Grant, error)
		CompleteAuthorization(ctx context.Context, id string, g Grant, otherOrg bool) (replaced string, err error)
		HoldAuthorization(ctx context.Context, id string, h Held) error
		DropAuthorization(ctx context.Context, id, code string) (revocation string, err error)
	}
	// TenantStore keeps tenants.
	TenantStore interface {
		TenantBySlug(ctx context.Context, slug string) (Tenant, error)
		CloseTenant(ctx context.Context, tenantID string, wipeAt time.Time) (Closing, error)
	}
	// TransferStore takes identities in that come from elsewhere, and forgets those that go.
	TransferStore interface {
		ImportIdentities(ctx context.Context, tenants []NewTenant, arrivals []Arrival) (revocations []string, err error)
		ForgetIdentities(ctx context.Context, sel Selector) ([]Deleted, error)
	}
	// PortalStore is for people: who ended a tenant's own identity, and what their session ended last.
	PortalStore interface {
		DeleteIdentity(ctx context.Context, service, tenantID, actor string) (revocations []string, err error)
		LastOutcome(ctx context.Context, service, sessionID string) (o HandshakeOutcome, tenantID string, err error)
	}
	// EventStore keeps the service log. What changes an identity may be told by the store itself.
	EventStore interface {
		AddVaultEvent(ctx context.Context, e Event) error
		AddCall(ctx context.Context, e Event) error
	}
	// UnhashedStore has identities that were stored before there was a TokenHash.
	UnhashedStore interface {
		Unhashed(ctx context.Context, g Grant) ([]Identity, error)
		UnhashedHeld(ctx context.Context, service string) ([]Grant, error)
		SetTokenHash(ctx context.Context, id string, generation int64, tokenHash string) error
	}
	// SweptStore keeps what runs out until it is swept.
	SweptStore interface {
		SweepVault(ctx context.Context) error
	}
)

// roles are all that a store may have beside the least.
type roles struct {
	UseStore
	HeldStore
	SettingsStore
	TenantAppStore
	DefinitionStore
	AuthorizationStore
	TenantStore
	TransferStore
	PortalStore
	UnhashedStore
	SweptStore
}

// rolesOf are those of a store, with what stands for those that it lacks.
func rolesOf(s Store) roles {
	return roles{role[UseStore](s), role[HeldStore](s), role[SettingsStore](s), role[TenantAppStore](s), role[DefinitionStore](s), role[AuthorizationStore](s),
		role[TenantStore](s), role[TransferStore](s), role[PortalStore](s), role[UnhashedStore](s), role[SweptStore](s)}
}

func role[T any](s Store) T {
	if has, ok := s.(T); ok {
		return has
	}
	return any(lacking{store: s}).(T)
}
