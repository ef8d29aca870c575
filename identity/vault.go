// Package identity is the vault: it authorizes tenants at services by OAuth,
// keeps the credentials sealed (see package seal), renews each of them exactly once when it is due,
// and gives out one that works now. Services are data (see Service); the store
// is declared here and db.DB is one.
package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
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

// Config is what a Vault is made of, for those who bring its parts: see Open for all of them at once. Store,
// Keys and HTTP are required.
type Config struct {
	Store Store
	Keys  *seal.Keyring
	HTTP  *http.Client // for calls to services: see package outbound
	// TenantHTTP is for hosts that tenants name as their own: one that trusts no
	// address, since an address that is trusted may be one that a tenant named
	// before. HTTP when nil.
	TenantHTTP *http.Client
	Services   []Service
	// LookupOnly makes a vault for looking services up, which opens no credential and calls nobody, so that it
	// needs no Keys and no HTTP.
	LookupOnly bool
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

// ConfigError says why no vault can be made.
type ConfigError struct{ Problems []string }

// Error is a line for each problem.
func (e *ConfigError) Error() string {
	return "the vault can't be made:\n  " + strings.Join(e.Problems, "\n  ")
}

// check returns a *ConfigError for what no vault can be made of.
func (c Config) check() error {
	var problems []string
	note := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	note(c.Store != nil, "Store is missing: what identities are kept in, as db.Open returns it")
	note(c.Keys != nil || c.LookupOnly, "Keys is missing: the keys that seal credentials, as seal.OpenKeyset or FixedKeys return them")
	note(c.HTTP != nil || c.LookupOnly, "HTTP is missing: the client that calls services, as outbound.Client returns it")
	seen := map[string]bool{}
	for n, s := range c.Services {
		if s.ID == "" {
			note(false, "Services[%d] has no ID", n)
			continue
		}
		note(!seen[s.ID], "Services[%d]: %s is there twice", n, s.ID)
		seen[s.ID] = true
		for _, field := range []struct{ name, value string }{{"LoginURL", s.LoginURL}, {"AuthorizeURL", s.AuthorizeURL}, {"TokenURL", s.TokenURL}} {
			note(field.value != "", "Services[%d]: %s has no %s", n, s.ID, field.name)
		}
		note(s.ExtraLogin == "" || s.anywhere(), "Services[%d]: %s is at one address alone, so that it can't log in at another", n, s.ID)
	}
	if len(problems) > 0 {
		return &ConfigError{problems}
	}
	return nil
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

	closing    sync.Mutex      // for the three that follow
	life       context.Context // ends when the vault is closed
	die        context.CancelFunc
	loops      sync.WaitGroup // of Run
	closeStore func() error   // nil for what others opened
}

// New returns a vault, or a *ConfigError.
func New(c Config) (*Vault, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return newVault(c), nil
}

func newVault(c Config) *Vault {
	c = c.withDefaults()
	v := &Vault{Config: c, client: client{http: c.HTTP, tenants: c.TenantHTTP, timeout: c.Timeout}, services: map[string]Service{}, owner: randomName(), optional: rolesOf(c.Store),
		deleteAtOnce: deleteAtOnce, calls: make(chan struct{}, callsAtOnce)}
	v.events, _ = c.Store.(EventStore)
	v.life, v.die = context.WithCancel(context.Background())
	for _, s := range c.Services {
		v.services[s.ID] = v.called(s)
	}
	return v
}

// withDefaults is the configuration with what stands for what isn't set.
func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Timeout, c.Patience = cmp.Or(c.Timeout, 20*time.Second), cmp.Or(c.Patience, 5*time.Second)
	c.Lease, c.Poll = cmp.Or(c.Lease, 5*time.Second), cmp.Or(c.Poll, 100*time.Millisecond)
	if clock, ok := c.Store.(interface{ Now() time.Time }); ok && c.Now == nil {
		c.Now = clock.Now
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.TenantHTTP = cmp.Or(c.TenantHTTP, c.HTTP)
	return c
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
