package stored

import "time"

// Handshake is an authorization that has been begun: who began it, and where.
type Handshake struct {
	StateHash      string
	SessionID      string
	UserID         string // of ours, empty when the application began it
	TenantID       string
	Service        string
	User           string // this and the following as in Grant
	Account        string
	Tags           []string
	OwnApp         bool
	ClientID       string
	LoginURL       string
	FinishedURL    string
	SealedVerifier string
	KeyID          uint32
	ExpiresAt      time.Time
	DefinedAt      time.Time // only said when it is stored: as a Grant's
	// AuthorizationID is of the one that an application began over HTTP, and of which this
	// is a part; else empty.
	AuthorizationID string

	// What became of it; not said when it is stored.
	TakenAt time.Time        // when its code was taken to be exchanged; zero before
	Outcome HandshakeOutcome // zero while it isn't known
}

// HandshakeOutcome is what became of an authorization.
type HandshakeOutcome struct {
	Kind string // a word of the caller's
	Code string // why it came to nothing
	Said string // what the service said of that
}

// Name is what a handshake is called in the service log: by the id of the authorization
// that it is for, or else by the beginning of its hash.
func (h Handshake) Name() string {
	if h.AuthorizationID != "" {
		return h.AuthorizationID
	}
	return h.StateHash[:min(len(h.StateHash), 12)]
}
