package wire

import (
	"crypto/sha256"
	"maps"
	"sync"
	"time"
)

// RefusedTokens remembers which access tokens a CRM refused though a renewal had just brought
// them, so that nothing is renewed again and again for an org that refuses whatever it is
// shown. Such a token isn't renewed for a while: shortly at first, since a token may have
// been ended in the very moment in which it came, and for longer each time that the next
// one is refused as well. Its zero value is ready for use.
type RefusedTokens struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]refusedToken
}

// refusedToken is what is known of a token that was refused when it was new.
type refusedToken struct {
	wait  time.Duration // for which it isn't renewed
	until time.Time
}

const (
	// firstVain and longestVain are the shortest and the longest time for which a new token
	// that was refused isn't renewed. Doubled in between, they ask for six tokens in the first ten
	// minutes: Zoho gives out ten.
	firstVain   = 15 * time.Second
	longestVain = 15 * time.Minute // the shortest after which Salesforce lets a session run out
)

// InVain reports whether asking for a newer token is in vain now.
func (r *RefusedTokens) InVain(token string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.tokens[sha256.Sum256([]byte(token))].until)
}

// Note keeps that a token is refused which a renewal brought in the place of another one that
// was refused.
func (r *RefusedTokens) Note(before, token string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tokens == nil {
		r.tokens = map[[sha256.Size]byte]refusedToken{}
	}
	wait := min(max(firstVain, 2*r.tokens[sha256.Sum256([]byte(before))].wait), longestVain)
	maps.DeleteFunc(r.tokens, func(_ [sha256.Size]byte, t refusedToken) bool { return now.Sub(t.until) >= longestVain })
	r.tokens[sha256.Sum256([]byte(token))] = refusedToken{wait, now.Add(wait)}
}
