package identity

import "gatepost/identity/stored"

// What a vault keeps and shows, as plain data. It is declared in package stored, so that a store needs to
// know no more of a vault.
type (
	// Identity is a connection to a service: a tenant's own, or one of its users.
	Identity = stored.Identity
	// NamedIdentity is an identity with its tenant's public name.
	NamedIdentity = stored.NamedIdentity
	// Grant is what one authorization gave: two sealed secrets, and what is known about them.
	Grant = stored.Grant
	// IdentityKey names an identity in one of its generations.
	IdentityKey = stored.IdentityKey
	// Selector says which identities are meant: those to which all of what it names applies. What isn't
	// given applies to any: an empty User means anybody's, so see that somebody is logged in first, and
	// NoUser that it is nobody's.
	Selector = stored.Selector
	// Deleted is an identity that was deleted, and the revocation of its token, if there is one.
	Deleted = stored.Deleted
	// Held is an authorization that waits to be confirmed.
	Held = stored.Held
	// PendingRevocation is a token that has yet to be revoked.
	PendingRevocation = stored.Revocation
	// Handshake is an authorization that has been begun: who began it, and where.
	Handshake = stored.Handshake
	// HandshakeOutcome is what became of an authorization.
	HandshakeOutcome = stored.HandshakeOutcome
	// Authorization is one that an application began over HTTP.
	Authorization = stored.Authorization
	// AuthorizationState says how far such an authorization is.
	AuthorizationState = stored.AuthorizationState
	// ServiceSettings are what the operator set of a service.
	ServiceSettings = stored.ServiceSettings
	// ServiceDefinition is a service that the operator has defined.
	ServiceDefinition = stored.ServiceDefinition
	// ServiceUses is what depends on a service's definition.
	ServiceUses = stored.ServiceUses
	// TenantApp is a tenant's own app at a service.
	TenantApp = stored.TenantApp
	// Event is a line of the service log.
	Event = stored.VaultEvent
	// EventKind says what happened to an authorization or an identity.
	EventKind = stored.EventKind
	// Tenant is a customer organisation.
	Tenant = stored.Tenant
	// NewTenant is a tenant to be.
	NewTenant = stored.NewTenant
	// Arrival is an identity that comes from another installation.
	Arrival = stored.Arrival
	// Closing is what closing a tenant ended.
	Closing = stored.Closing
	// OrgUse is who beside a tenant has its org.
	OrgUse = stored.OrgUse
	// Disconnection is when a tenant's own connection was given up last, and by whom.
	Disconnection = stored.Disconnection
	// StoredConnections is what is known of a tenant's own connections, for Vault.Connections.
	StoredConnections = stored.Connections
	// IdentitiesLeftError says that a service can't be removed, since there are identities of it.
	IdentitiesLeftError = stored.IdentitiesLeftError
)
