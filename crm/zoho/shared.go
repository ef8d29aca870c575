package zoho

import (
	"crypto/sha256"
	"maps"
	"sync"
	"time"

	"gatepost/crm/wire"
)

// Shared is what the clients of a process share: which org a token is of and whether its
// addresses are unique, how many credits it has used, and which tokens were refused though
// they had just been renewed. Its zero value is ready for use.
type Shared struct {
	mu      sync.Mutex
	tokens  map[[sha256.Size]byte]known // by the hash of the access token
	refused wire.RefusedTokens
	orgs    map[string]*account // by the org's id
}

// known is what was heard with a token.
type known struct {
	org    Organization
	at     time.Time
	unique *bool // whether addresses are; nil where it wasn't asked
}

// account is what is known of an org, whichever token it was called with.
type account struct {
	spent       map[int64]int // credits, by the hour
	left        int           // as the last answer's header said
	told        bool          // it said so
	noConverted bool          // COQL has no field that tells converted leads

	hiddenAt time.Time // when it was found that the user doesn't see who wants no e-mail; zero for never

	sharedKeys []string  // of the fields that Leads have as Contacts do,
	sharedAt   time.Time // as it was then
}

const (
	tokenLife = time.Hour // of an access token, and of what was heard with it
	dayHours  = 24
)

// org returns what was heard with a token, unless that is older than max.
func (s *Shared) org(token string, now time.Time, max time.Duration) (known, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.tokens[sha256.Sum256([]byte(token))]
	return k, ok && now.Sub(k.at) < max
}

// keep keeps which org a token is of.
func (s *Shared) keep(token string, o Organization, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil {
		s.tokens = map[[sha256.Size]byte]known{}
	}
	maps.DeleteFunc(s.tokens, func(_ [sha256.Size]byte, k known) bool { return now.Sub(k.at) >= tokenLife })
	key := sha256.Sum256([]byte(token))
	s.tokens[key] = known{org: o, at: now, unique: s.tokens[key].unique}
}

// keepUnique keeps whether addresses are unique in the org of a token.
func (s *Shared) keepUnique(token string, unique bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(token))
	if k, ok := s.tokens[key]; ok {
		k.unique = &unique
		s.tokens[key] = k
	}
}

// account returns what is known of an org. The caller holds the lock.
func (s *Shared) account(org string) *account {
	if s.orgs == nil {
		s.orgs = map[string]*account{}
	}
	if s.orgs[org] == nil {
		s.orgs[org] = &account{spent: map[int64]int{}}
	}
	return s.orgs[org]
}

func hour(now time.Time) int64 { return now.Unix() / int64(time.Hour/time.Second) }

// spend counts the credits of a call, and keeps what its answer said of those that are
// left; told is false where it said nothing.
func (s *Shared) spend(org string, cost int, now time.Time, left int, told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(org)
	a.spent[hour(now)] += cost
	maps.DeleteFunc(a.spent, func(h int64, _ int) bool { return h <= hour(now)-dayHours })
	a.left, a.told = left, told
}

// credits are how many of an org's this process used in the last 24 hours, and how many
// are left, where the last answer told.
func (s *Shared) credits(org string, now time.Time) (used, left int, told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(org)
	for h, n := range a.spent {
		if h > hour(now)-dayHours {
			used += n
		}
	}
	return used, a.left, a.told
}

// sharedKeys are the keys of the fields that an org's Leads have as its Contacts do, where that was asked
// within the hour.
func (s *Shared) sharedKeys(org string, now time.Time) (keys []string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(org)
	return a.sharedKeys, now.Sub(a.sharedAt) < tokenLife
}

func (s *Shared) keepSharedKeys(org string, keys []string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(org)
	a.sharedKeys, a.sharedAt = keys, at
}

// knowsConverted reports whether COQL may be asked which leads of an org were converted.
func (s *Shared) knowsConverted(org string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.account(org).noConverted
}

// noteNoConverted keeps that COQL can't tell.
func (s *Shared) noteNoConverted(org string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account(org).noConverted = true
}

// showsOptOut reports whether an org may be asked who wants no e-mail.
func (s *Shared) showsOptOut(org string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Sub(s.account(org).hiddenAt) >= tokenLife
}

func (s *Shared) hideOptOut(org string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account(org).hiddenAt = now
}
