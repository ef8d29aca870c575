package db

import "gatepost/identity/stored"

// What the vault keeps is declared in package stored, which knows no SQL: other stores keep the
// same.
type (
	Grant               = stored.Grant
	Identity            = stored.Identity
	IdentityKey         = stored.IdentityKey
	NamedIdentity       = stored.NamedIdentity
	Held                = stored.Held
	Deleted             = stored.Deleted
	Revocation          = stored.Revocation
	Selector            = stored.Selector
	Handshake           = stored.Handshake
	HandshakeOutcome    = stored.HandshakeOutcome
	Authorization       = stored.Authorization
	AuthorizationState  = stored.AuthorizationState
	ServiceSettings     = stored.ServiceSettings
	ServiceDefinition   = stored.ServiceDefinition
	ServiceUses         = stored.ServiceUses
	IdentitiesLeftError = stored.IdentitiesLeftError
	TenantApp           = stored.TenantApp
	VaultEvent          = stored.VaultEvent
	EventKind           = stored.EventKind
	Tenant              = stored.Tenant
	TenantLimits        = stored.TenantLimits
	FirstNewsletter     = stored.FirstNewsletter
	NewTenant           = stored.NewTenant
	Arrival             = stored.Arrival
	Closing             = stored.Closing
	Connections         = stored.Connections
	Disconnection       = stored.Disconnection
	OrgUse              = stored.OrgUse
)

// The errors of a store, which mean what they mean there.
var (
	ErrNotFound = stored.ErrNotFound
	ErrConflict = stored.ErrConflict
	ErrLost     = stored.ErrLost
	ErrTooMany  = stored.ErrTooMany
	ErrOrgInUse = stored.ErrOrgInUse
	ErrStaleKey = stored.ErrStaleKey
)

// The words of a store, likewise.
const (
	AuthorizationBegun     = stored.AuthorizationBegun
	AuthorizationOpened    = stored.AuthorizationOpened
	AuthorizationGranted   = stored.AuthorizationGranted
	AuthorizationCompleted = stored.AuthorizationCompleted
	AuthorizationHeld      = stored.AuthorizationHeld
	AuthorizationDenied    = stored.AuthorizationDenied
	AuthorizationFailed    = stored.AuthorizationFailed
	AuthorizationExpired   = stored.AuthorizationExpired
	AuthorizationDropped   = stored.AuthorizationDropped

	EndedExpired      = stored.EndedExpired
	EndedNotCompleted = stored.EndedNotCompleted
	EndedNotConfirmed = stored.EndedNotConfirmed
	EndedWithdrawn    = stored.EndedWithdrawn

	EventBegun        = stored.EventBegun
	EventRefused      = stored.EventRefused
	EventGranted      = stored.EventGranted
	EventDropped      = stored.EventDropped
	EventHeld         = stored.EventHeld
	EventConnected    = stored.EventConnected
	EventReauthorized = stored.EventReauthorized
	EventRenewed      = stored.EventRenewed
	EventRenewFailed  = stored.EventRenewFailed
	EventBroken       = stored.EventBroken
	EventDeleted      = stored.EventDeleted
	EventForgotten    = stored.EventForgotten
	EventRevocation   = stored.EventRevocation
	EventCalled       = stored.EventCalled

	AppRefused = stored.AppRefused
	AppRemoved = stored.AppRemoved
	OtherApp   = stored.OtherApp
	ByOperator = stored.ByOperator
)

// AppCodes are stored.AppCodes.
var AppCodes = stored.AppCodes

// AuthorizationStates are stored.AuthorizationStates.
func AuthorizationStates() []AuthorizationState { return stored.AuthorizationStates() }

// NewID is stored.NewID.
func NewID() string { return stored.NewID() }
