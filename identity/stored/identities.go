package stored

import "time"

// Grant is what one authorization gave: two sealed secrets and what is known
// about them.
type Grant struct {
	ID            string // the row that the secrets are sealed for
	Service       string
	TenantID      string
	User          string   // as the application calls its user; empty for the tenant's own connection
	Account       string   // tells several of one user apart, else empty
	Tags          []string // the application's, sorted
	Native        string   // JSON: what the service answered, without tokens
	SealedAccess  string
	SealedRefresh string
	KeyID         uint32
	LoginURL      string
	InstanceURL   string
	OrgID         string
	OrgName       string
	Sandbox       bool
	RemoteUserID  string
	Scopes        string
	ConnectedBy   string // id of a user of ours, empty when the application authorized it
	OwnApp        bool   // the tenant's own app was used, not the shared one
	ClientID      string // of the app that was used; empty for one that was made before this was kept
	TokenHash     string // of what it is revoked by, so that rows with the same token are found; empty as ClientID

	// What is only said when it is stored; an Identity tells it in other ways.
	AccessEnds time.Time // when the access token runs out; zero when that is not known
	Endless    bool      // there is no refresh token, so that it isn't kept alive
	DefinedAt  time.Time // when the operator defined its service; zero for one that Gatepost knows
	// OrgConfirmedBy is who confirmed that the org is meant although another tenant has
	// it: a user's id, or ByOperator. Empty when nobody was asked.
	OrgConfirmedBy string
	Handshake      string // see Handshake.Name; empty where none led to it
}

// Own reports whether this is a tenant's own connection, which its admins see.
func (g Grant) Own() bool { return g.User == "" && g.Account == "" }

// Identity is a connection to a service: a tenant's own, or one of its users.
type Identity struct {
	Grant
	ConnectedEmail string // of the user who connected it
	Generation     int64
	ConnectedAt    time.Time
	RefreshedAt    time.Time
	BrokenAt       time.Time // zero while it is in order
	BrokenCode     string
	FailedAt       time.Time // zero after a success
	FailedCode     string
	RetryAt        time.Time
	Stale          bool // the service refused the access token
	LeaseUntil     time.Time
	CallStartedAt  time.Time // zero when no renewal is under way or unaccounted for
	ExpiresAt      time.Time // of the access token; zero when that is not known
	UsedAt         time.Time // to the minute; zero when never
	KeepAliveAt    time.Time // when it is renewed at the latest, used or not
}

// Held is the authorization of another org than before, or of one that another
// tenant has, which waits to be confirmed.
type Held struct {
	Grant
	ConnectedEmail string // of the user who authorized it
	HeldAt         time.Time
	ExpiresAt      time.Time
}

// Revocation is a refresh token that has yet to be revoked.
type Revocation struct {
	ID            string
	Service       string
	TenantID      string
	IdentityID    string // the row that the token was sealed for
	SealedRefresh string
	LoginURL      string
	OrgID         string
	RemoteUserID  string
	OwnApp        bool // as in Grant
	ClientID      string
	ExpiresAt     time.Time
}

// IdentityKey names a connection in one of its generations.
type IdentityKey struct {
	ID         string
	Generation int64
}
