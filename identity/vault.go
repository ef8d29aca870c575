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
	optional roles         // of the store
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
	v.optional = rolesOf(c.Store)
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
	i, err := v.Store.IdentityOf(ctx, service, tenantID, "", "")
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
