package salesforce

import (
	"crypto/sha256"
	"maps"
	"sync"
	"time"
)

// Renewals remembers which sessions were refused though they had just been renewed, so
// that nothing is renewed again and again for an org that refuses whatever it is
// shown. Its zero value is ready for use.
type Renewals struct {
	mu   sync.Mutex
	vain map[[sha256.Size]byte]time.Time // by the hash of the access token: until when
}

// vainFor is how long a new session isn't renewed again: as long as the shortest time
// after which Salesforce lets a session run out.
const vainFor = 15 * time.Minute

// inVain reports whether asking for a newer session than that of a token is in vain.
func (r *Renewals) inVain(token string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.vain[sha256.Sum256([]byte(token))])
}

// note keeps that a token, which a renewal brought, is refused like the one before.
func (r *Renewals) note(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.vain == nil {
		r.vain = map[[sha256.Size]byte]time.Time{}
	}
	now := time.Now()
	maps.DeleteFunc(r.vain, func(_ [sha256.Size]byte, until time.Time) bool { return !now.Before(until) })
	r.vain[sha256.Sum256([]byte(token))] = now.Add(vainFor)
}
