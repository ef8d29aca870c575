package stored

import "time"

// AuthorizationState says how far an authorization is that an application began over HTTP.
type AuthorizationState string

// The states of an authorization. The first three are under way, the others its end.
const (
	AuthorizationBegun     AuthorizationState = "begun"     // nobody has opened it yet
	AuthorizationOpened    AuthorizationState = "opened"    // somebody is at the service with it
	AuthorizationGranted   AuthorizationState = "granted"   // the application has to complete it
	AuthorizationCompleted AuthorizationState = "completed" // it is an identity
	AuthorizationHeld      AuthorizationState = "held"      // an admin of the tenant has to confirm the org in the portal
	AuthorizationDenied    AuthorizationState = "denied"    // the person said no
	AuthorizationFailed    AuthorizationState = "failed"    // Error says why
	AuthorizationExpired   AuthorizationState = "expired"   // its time was over before anything was granted
	AuthorizationDropped   AuthorizationState = "dropped"   // what was granted wasn't completed, and is revoked
)

// AuthorizationStates are all of them, in the order in which one may go through them.
func AuthorizationStates() []AuthorizationState {
	return []AuthorizationState{AuthorizationBegun, AuthorizationOpened, AuthorizationGranted, AuthorizationCompleted, AuthorizationHeld,
		AuthorizationDenied, AuthorizationFailed, AuthorizationExpired, AuthorizationDropped}
}

// Why this package ends an authorization: codes that an application is told.
const (
	EndedExpired      = "expired"       // nobody granted anything in time
	EndedNotCompleted = "not_completed" // the application didn't complete it in time
	EndedNotConfirmed = "not_confirmed" // no admin of the tenant confirmed that the org is meant
	EndedWithdrawn    = "withdrawn"     // what it was for is gone: its tenant, its key or return address, its app, or the identity that it was to replace
)

// Authorization is one that an application began over HTTP.
type Authorization struct {
	ID         string
	APIKeyID   string
	TenantID   string
	Service    string
	User       string // this and the following as in Grant
	Account    string
	Tags       []string
	MoreScopes []string          // beside those of the service
	Params     map[string]string // of the authorize end point
	LoginHint  string
	LoginURL   string    // empty for the service's default
	ReturnTo   string    // one of the key's; empty when that was taken from it since
	AppState   string    // the application's own
	SkipPage   bool      // the application redirects the browser itself
	LinkHash   string    // of the secret in its URL
	LinkEndsAt time.Time // until when that may be opened

	// What became of it; not said when it is stored.
	BrowserHash string // of the one browser that it is tied to; empty before
	CodeHash    string // of what it is completed with; empty before it is granted
	State       AuthorizationState
	Error       string // why it ended without an identity
	Reason      string // the service's code for that
	Said        string // what the service said of it
	IdentityID  string // of one that is held, what is
	BegunAt     time.Time
	OpenedAt    time.Time // zero before, as the next two
	GrantedAt   time.Time
	EndedAt     time.Time
	ExpiresAt   time.Time // when its state ends by itself; of one that has ended, the row
	TenantName  string
	TenantSlug  string
	Closed      bool // its tenant was

	DefinedAt time.Time // only said when it is stored: as a Grant's
}

// UnderWay reports whether it has not ended.
func (a Authorization) UnderWay() bool { return a.EndedAt.IsZero() }

// As returns it as it is at a time: the sweep ends what has run out a little later.
func (a Authorization) As(now time.Time) Authorization {
	if !a.UnderWay() || now.Before(a.ExpiresAt) {
		return a
	}
	a.EndedAt = a.ExpiresAt
	if a.State == AuthorizationGranted {
		a.State, a.Error = AuthorizationDropped, EndedNotCompleted
	} else {
		a.State, a.Error = AuthorizationExpired, EndedExpired
	}
	return a
}
