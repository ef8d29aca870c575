package stored

import "time"

// EventKind says what happened to an authorization or an identity.
type EventKind string

// The kinds of events.
const (
	EventBegun        EventKind = "authorization_begun"
	EventRefused      EventKind = "authorization_refused" // its code says why
	EventGranted      EventKind = "authorization_granted" // it waits for its application to complete it
	EventDropped      EventKind = "authorization_dropped" // that wasn't done as it has to be; its code says why
	EventHeld         EventKind = "authorization_held"    // it waits to be confirmed
	EventConnected    EventKind = "connected"
	EventReauthorized EventKind = "reauthorized" // in place of a grant that was there
	EventRenewed      EventKind = "renewed"
	EventRenewFailed  EventKind = "renewal_failed" // in passing: it is tried again
	EventBroken       EventKind = "broken"         // only authorizing again helps
	EventDeleted      EventKind = "deleted"
	EventForgotten    EventKind = "forgotten"  // deleted here, and not revoked: it goes on elsewhere
	EventRevocation   EventKind = "revocation" // its code says what came of it
	EventCalled       EventKind = "called"     // the API, through us
)

// VaultEvent is a line of the service log. It holds no token, no address of a person, and
// of what a service said its code alone.
type VaultEvent struct {
	ID        string
	At        time.Time
	Kind      EventKind
	Service   string
	TenantID  string
	Identity  string // id; empty while there is none
	Handshake string // tells authorizations apart; empty where there was none
	Code      string
	Detail    string // of a call: its method, the prefix of its path, and the status
}
