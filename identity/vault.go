// Package identity is the vault: it authorizes tenants at services by OAuth,
// keeps the credentials sealed (see package seal), renews each of them exactly once when it is due,
// and gives out one that works now. Services are data (see Service); the store
// is declared here and db.DB is one.
package identity

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"gatepost/identity/stored"
	"gatepost/seal"

	"golang.org/x/sync/singleflight"
)

// Store is what the vault needs of a database. db.DB documents the methods.
type Store interface {
	Identity(ctx context.Context, service, tenantID string) (Identity, error)
	IdentityOf(ctx context.Context, service, tenantID, user, account string) (Identity, error)
	IdentityByID(ctx context.Context, id string) (Identity, error)
	ApprovedAnywhere(ctx context.Context, service, orgID, remoteUserID string) ([]Identity, error)
	HeldAnywhere(ctx context.Context, service, orgID, remoteUserID string) ([]Grant, error)
	HoldsToken(ctx context.Context, service, tokenHash string) (bool, error)
	Unhashed(ctx context.Context, g Grant) ([]Identity, error)
	UnhashedHeld(ctx context.Context, service string) ([]Grant, error)
	SetTokenHash(ctx context.Context, id string, generation int64, tokenHash string) error
	Identities(ctx context.Context, sel Selector, after string, limit int) ([]NamedIdentity, error)
	DeleteIdentities(ctx context.Context, sel Selector) ([]Deleted, error)
	DeleteSomeIdentities(ctx context.Context, sel Selector, after, through string, limit int) ([]Deleted, error)
	ForgetIdentities(ctx context.Context, sel Selector) ([]Deleted, error)
	TenantBySlug(ctx context.Context, slug string) (Tenant, error)
	CloseTenant(ctx context.Context, tenantID string, wipeAt time.Time) (Closing, error)
	ImportIdentities(ctx context.Context, tenants []NewTenant, arrivals []Arrival) (revocations []string, err error)
	SaveIdentity(ctx context.Context, g Grant, otherOrg bool, confirmed string) (replaced string, err error)
	DeleteIdentity(ctx context.Context, service, tenantID, actor string) (revocations []string, err error)

	StartRenewal(ctx context.Context, id string, generation int64, owner string, lease time.Duration, refused bool) (earlier time.Time, err error)
	RestartCall(ctx context.Context, id string, generation int64, owner string) error
	ExtendRenewal(ctx context.Context, id, owner string, lease time.Duration) error
	FinishRenewal(ctx context.Context, g Grant, generation int64) error
	FailRenewal(ctx context.Context, id string, generation int64, owner, code string, retryAt time.Time, unknown bool) error
	BreakIdentity(ctx context.Context, id string, generation int64, code, owner string) error

	SetExpiry(ctx context.Context, id string, generation int64, expires time.Time) error
	KeepAliveDue(ctx context.Context, limit int) ([]IdentityKey, error)
	AbandonedRenewals(ctx context.Context, limit int) ([]IdentityKey, error)
	Used(ctx context.Context, at map[string]time.Time) error

	Held(ctx context.Context, service, tenantID string) (Held, error)
	HoldIdentity(ctx context.Context, h Held) error
	OrgNeedsConfirmation(ctx context.Context, service, orgID, tenantID string) (bool, error)
	DropHeld(ctx context.Context, service, tenantID, heldID string) (revocation string, err error)

	AddHandshake(ctx context.Context, h Handshake) error
	Handshake(ctx context.Context, service, stateHash, sessionID string) (Handshake, error)
	TakeHandshake(ctx context.Context, service, stateHash, sessionID string) (Handshake, error)
	RefuseHandshake(ctx context.Context, h Handshake, o HandshakeOutcome) error
	EndHandshake(ctx context.Context, h Handshake, o HandshakeOutcome) error
	LastOutcome(ctx context.Context, service, sessionID string) (o HandshakeOutcome, tenantID string, err error)

	ServiceSettings(ctx context.Context, service string) (ServiceSettings, error)
	ChangeService(ctx context.Context, service string, change func(*ServiceSettings)) error
	MendBroken(ctx context.Context, service, tenantID string, codes []string) (n int64, err error)

	TenantApp(ctx context.Context, service, tenantID string) (TenantApp, error)
	ChangeTenantApp(ctx context.Context, service, tenantID string, change func(*TenantApp) error) (mended int64, err error)
	DeleteTenantApp(ctx context.Context, service, tenantID string) (broken int64, err error)
	MadeWithOtherApp(ctx context.Context, service, tenantID string) (n int, err error)
	OwnAppUses(ctx context.Context, service, tenantID string) (n int, err error)

	ServiceDefinition(ctx context.Context, id string) (ServiceDefinition, error)
	ServiceDefinitions(ctx context.Context) ([]ServiceDefinition, error)
	AddServiceDefinition(ctx context.Context, s ServiceDefinition) error
	ChangeServiceDefinition(ctx context.Context, id string, change func(d ServiceDefinition, uses ServiceUses) (string, error)) error
	DeleteServiceDefinition(ctx context.Context, id string) (unrevoked int64, err error)
	AllServiceSettings(ctx context.Context) (map[string]ServiceSettings, error)

	AuthorizationStore

	AddRevocation(ctx context.Context, g Grant) (string, error)
	Revocation(ctx context.Context, id string) (PendingRevocation, error)
	DeleteRevocation(ctx context.Context, id string) error
}

// AuthorizationStore is what the vault needs for authorizations that are begun over HTTP.
type AuthorizationStore interface {
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

// The errors of Get beside a plain failure of the store.
var (
	// ErrNotConnected says that the tenant has no connection to the service.
	ErrNotConnected = errors.New("not connected")
	// ErrNoService says that the service is not configured.
	ErrNoService = errors.New("no such service")
)

// BrokenError says that a connection died and that only connecting anew helps.
type BrokenError struct {
	Service string
	Code    string // why: an OAuth error code, or one of the Broken… codes
}

// The codes of our own for a broken connection.
const (
	BrokenInterrupted = "renewal_interrupted" // a renewal's answer was lost after the token had been exchanged
	BrokenSealed      = "sealed"              // the stored credential can't be opened
	BrokenForeign     = "foreign_instance"    // the renewal named a host that is not the service's
	BrokenAppRefused  = stored.AppRefused     // the service refused the tenant's own app
	BrokenAppRemoved  = stored.AppRemoved     // the tenant's own app was removed, or is for another host now
	BrokenOtherApp    = stored.OtherApp       // another app than the one that made it is set by now
	BrokenEnded       = "access_ended"        // the access token ran out or was refused, and there is nothing to renew it with
)

// Error names the code.
func (e *BrokenError) Error() string { return "connection is broken: " + e.Code }

// Is makes a connection that can't be opened a seal.ErrSealed.
func (e *BrokenError) Is(target error) bool {
	return target == seal.ErrSealed && e.Code == BrokenSealed
}

// UnavailableError says that no credential can be had for now.
type UnavailableError struct {
	Service string
	Code    string    // why, as the last failure had it
	RetryAt time.Time // not before then
}

// Error names the code.
func (e *UnavailableError) Error() string { return "credential is unavailable for now: " + e.Code }

// Credential is what a caller gets: enough to call the service, and no more.
type Credential struct {
	Service     string
	AccessToken string
	InstanceURL string
	OrgID       string
	Generation  int64     // changes with each renewal; name it when the service refuses the token
	ExpiresAt   time.Time // when the token runs out; zero when the service doesn't say
	Identity    string    // id of the identity
	Native      string    // JSON: what the service answered, without tokens
}

// Org is what a service says of an org, and of who authorized there. What it doesn't say
// is empty. The ids count where the token's answer has none.
type Org struct {
	ID, Name string
	Sandbox  bool
	UserID   string // the user's, the same in all their orgs
}

// Config is what a Vault is made of. Store, Keys, HTTP and Services are required.
type Config struct {
	Store Store
	Keys  *seal.Keyring
	HTTP  *http.Client // for calls to services: see package outbound
	// TenantHTTP is for hosts that tenants name as their own: one that trusts no
	// address, since an address that is trusted may be one that a tenant named
	// before. HTTP when nil.
	TenantHTTP *http.Client
	Services   []Service
	// Callback is our callback for services that come without a RedirectURL; nil when
	// none of those is authorized here.
	Callback func(service string) string
	// Org asks a service which org a new credential belongs to: the zero Org where it
	// can't be asked; nil to do without. An *OAuthError refuses the connection. Any other
	// failure does, too, where the token's answer named no org, and else leaves what that
	// said.
	Org func(ctx context.Context, c Credential) (Org, error)

	Log      *slog.Logger
	Timeout  time.Duration    // of one call to a service; 20 s when 0
	Patience time.Duration    // how long a caller waits for a renewal, which goes on without it; 5 s when 0
	Lease    time.Duration    // of a renewal, extended while it runs; 5 s when 0
	Poll     time.Duration    // how often another process's renewal is looked at; 100 ms when 0
	Now      func() time.Time // by the clock that all processes go by: when nil the store's, as db.DB has one, or else time.Now
}

// Vault keeps tenants' credentials. Its methods are safe for concurrent use, by
// any number of processes on one database.
type Vault struct {
	Config
	client   client
	services map[string]Service
	owner    string // names this process in leases
	flights  singleflight.Group
	running  sync.WaitGroup
	uses     uses
	events   EventStore    // nil to do without
	calls    chan struct{} // of APIs through us that are under way

	deleteAtOnce int // see DeleteEach

	otherApps sync.Map // which are told in the log already
}

// New returns a vault.
func New(c Config) *Vault {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	if c.Patience == 0 {
		c.Patience = 5 * time.Second
	}
	if c.Lease == 0 {
		c.Lease = 5 * time.Second
	}
	if c.Poll == 0 {
		c.Poll = 100 * time.Millisecond
	}
	if clock, ok := c.Store.(interface{ Now() time.Time }); ok && c.Now == nil {
		c.Now = clock.Now
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.TenantHTTP == nil {
		c.TenantHTTP = c.HTTP
	}
	v := &Vault{Config: c, client: client{http: c.HTTP, tenants: c.TenantHTTP, timeout: c.Timeout}, services: map[string]Service{}, owner: randomName(), deleteAtOnce: deleteAtOnce, calls: make(chan struct{}, callsAtOnce)}
	v.events, _ = c.Store.(EventStore)
	for _, s := range c.Services {
		v.services[s.ID] = v.called(s)
	}
	return v
}

// Wait returns when no renewal runs any more, so that none is cut off by a
// shutdown.
func (v *Vault) Wait() { v.running.Wait() }

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Identity returns what is known of the tenant's own connection, or
// ErrNotConnected.
func (v *Vault) Identity(ctx context.Context, service, tenantID string) (Identity, error) {
	i, err := v.Store.Identity(ctx, service, tenantID)
	return i, notConnected(err)
}

func (v *Vault) byID(ctx context.Context, id string) (Identity, error) {
	i, err := v.Store.IdentityByID(ctx, id)
	return i, notConnected(err)
}

func notConnected(err error) error {
	if errors.Is(err, stored.ErrNotFound) {
		return ErrNotConnected
	}
	return err
}
