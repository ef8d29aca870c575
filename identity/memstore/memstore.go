// Package memstore is a vault's store in memory: for the tests of applications, and to show how little a store
// needs. What it keeps ends with it, and any id is a tenant to it.
package memstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"gatepost/identity"
	"gatepost/identity/stored"
	"gatepost/seal"
)

// How long what is kept is kept.
const (
	outcomeLife     = 10 * time.Minute
	revocationLife  = 7 * 24 * time.Hour
	revocationDelay = 30 * time.Second
	keepAliveAfter  = 5 * 24 * time.Hour
)

// maxHandshakes is how many authorizations of a session may be under way at once.
const maxHandshakes = 20

// Store keeps identities, authorizations that are under way, and tokens that are yet to be revoked. Its methods
// are safe for concurrent use.
type Store struct {
	now func() time.Time

	mu          sync.Mutex
	generation  int64 // the highest there was
	identities  map[string]*row
	handshakes  map[string]*identity.Handshake // by the hash of the state
	revocations map[string]*revocation
}

// row is an identity, with who has its lease.
type row struct {
	identity.Identity
	owner string
}

// revocation is a token that is yet to be revoked.
type revocation struct {
	identity.PendingRevocation
	due time.Time // for the second try
}

// New returns an empty store that goes by a clock, time.Now when nil.
func New(now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{now: now, identities: map[string]*row{}, handshakes: map[string]*identity.Handshake{}, revocations: map[string]*revocation{}}
}

// Keys returns keys to seal with, which end with the process as the store does.
func Keys() (*seal.Keyring, error) { return seal.Ephemeral(identity.Sealed) }

// Now is the time by the store's clock.
func (s *Store) Now() time.Time { return s.now() }

// IdentityOf returns the identity of a user's account, or ErrNotFound.
func (s *Store) IdentityOf(_ context.Context, service, tenantID, user, account string) (identity.Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.of(identity.Grant{Service: service, TenantID: tenantID, User: user, Account: account}); r != nil {
		return r.copy(), nil
	}
	return identity.Identity{}, stored.ErrNotFound
}

// of is the row for which a grant is, or nil.
func (s *Store) of(g identity.Grant) *row {
	for _, r := range s.identities {
		if r.Service == g.Service && r.TenantID == g.TenantID && r.User == g.User && r.Account == g.Account {
			return r
		}
	}
	return nil
}

// copy is the identity for whoever may change it.
func (r *row) copy() identity.Identity {
	i := r.Identity
	i.Tags = slices.Clone(i.Tags)
	return i
}

// IdentityByID returns the identity with the id, or ErrNotFound.
func (s *Store) IdentityByID(_ context.Context, id string) (identity.Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.identities[id]; r != nil {
		return r.copy(), nil
	}
	return identity.Identity{}, stored.ErrNotFound
}

// Identities returns up to limit of the selected identities, from the one after an id on.
func (s *Store) Identities(_ context.Context, sel identity.Selector, after string, limit int) (all []identity.NamedIdentity, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.selected(sel) {
		if r.ID > after && len(all) < limit {
			all = append(all, identity.NamedIdentity{Identity: r.copy(), Tenant: r.TenantID})
		}
	}
	return all, nil
}

// selected are the selected rows, in the order of their ids.
func (s *Store) selected(sel identity.Selector) []*row {
	return s.rows(func(r *row) bool {
		for _, must := range []struct{ want, is string }{{sel.ID, r.ID}, {sel.Service, r.Service}, {sel.TenantID, r.TenantID}, {sel.User, r.User}, {sel.Account, r.Account}} {
			if must.want != "" && must.want != must.is {
				return false
			}
		}
		lacks := func(tag string) bool { return !slices.Contains(r.Tags, tag) }
		return (!sel.NoUser || r.User == "") && (!sel.NoAccount || r.Account == "") && !slices.ContainsFunc(sel.Tags, lacks) &&
			(len(sel.Services) == 0 || slices.Contains(sel.Services, r.Service)) && (len(sel.Tenants) == 0 || slices.Contains(sel.Tenants, r.TenantID))
	})
}

// rows are those that are meant, in the order of their ids.
func (s *Store) rows(meant func(*row) bool) (all []*row) {
	for _, r := range s.identities {
		if meant(r) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *row) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// ApprovedAnywhere returns what the remote user approved, or else what is of the org.
func (s *Store) ApprovedAnywhere(_ context.Context, service, orgID, remoteUserID string) (all []identity.Identity, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows(func(r *row) bool {
		return r.Service == service && (remoteUserID != "" && r.RemoteUserID == remoteUserID || remoteUserID == "" && r.OrgID == orgID)
	}) {
		all = append(all, r.copy())
	}
	return all, nil
}

// HoldsToken reports whether an identity has the hash.
func (s *Store) HoldsToken(_ context.Context, service, tokenHash string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return tokenHash != "" && len(s.rows(func(r *row) bool { return r.Service == service && r.TokenHash == tokenHash })) > 0, nil
}

// SaveIdentity stores a grant, in place of the one before if there is one.
func (s *Store) SaveIdentity(_ context.Context, g identity.Grant, otherOrg bool, _ string) (replaced string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, generation, used := s.now(), max(s.generation+1, s.now().UnixMilli()), time.Time{}
	if old := s.of(g); old != nil {
		if old.ID != g.ID || old.OrgID != g.OrgID && !otherOrg {
			return "", stored.ErrLost
		}
		replaced, used = s.revokeLater(old.Grant), old.UsedAt
	} else if s.identities[g.ID] != nil {
		return "", stored.ErrLost
	}
	s.generation = generation
	r := &row{Identity: identity.Identity{Grant: asKept(g), Generation: generation, ConnectedAt: now, RefreshedAt: now, ExpiresAt: g.AccessEnds, UsedAt: used}}
	if !g.Endless {
		r.KeepAliveAt = now.Add(keepAliveAfter)
	}
	s.identities[g.ID] = r
	return replaced, nil
}

// asKept is a grant without what is only said when it is stored.
func asKept(g identity.Grant) identity.Grant {
	g.Tags, g.Native = slices.Clone(g.Tags), cmp.Or(g.Native, "{}")
	g.AccessEnds, g.Endless, g.DefinedAt, g.OrgConfirmedBy, g.Handshake = time.Time{}, false, time.Time{}, "", ""
	return g
}

// revokeLater keeps the token of a grant, and returns the revocation's id.
func (s *Store) revokeLater(g identity.Grant) string {
	now := s.now()
	r := &revocation{due: now.Add(revocationDelay), PendingRevocation: identity.PendingRevocation{ID: stored.NewID(), Service: g.Service, TenantID: g.TenantID, IdentityID: g.ID,
		SealedRefresh: g.SealedRefresh, LoginURL: g.LoginURL, OrgID: g.OrgID, RemoteUserID: g.RemoteUserID, OwnApp: g.OwnApp, ClientID: g.ClientID, ExpiresAt: now.Add(revocationLife)}}
	s.revocations[r.ID] = r
	return r.ID
}

// DeleteSomeIdentities deletes up to limit of the selected identities, or all when limit is 0.
func (s *Store) DeleteSomeIdentities(_ context.Context, sel identity.Selector, after, through string, limit int) (deleted []identity.Deleted, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.selected(sel) {
		if limit > 0 && (r.ID <= after || r.ID > through || len(deleted) == limit) {
			continue
		}
		delete(s.identities, r.ID)
		deleted = append(deleted, identity.Deleted{ID: r.ID, Service: r.Service, TenantID: r.TenantID, User: r.User, Account: r.Account, Tenant: r.TenantID, Revocation: s.revokeLater(r.Grant)})
	}
	return deleted, nil
}

// change has fn change the identity of a generation, if it may: else ErrLost.
func (s *Store) change(id string, generation int64, may func(r *row) bool, fn func(r *row, now time.Time)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.identities[id]
	if r == nil || r.Generation != generation || !may(r) {
		return stored.ErrLost
	}
	fn(r, s.now())
	return nil
}

func always(*row) bool { return true }

// leased reports whether owner has the lease, and it hasn't run out.
func (s *Store) leased(owner string) func(r *row) bool {
	return func(r *row) bool { return owner != "" && r.owner == owner && s.now().Before(r.LeaseUntil) }
}

func (r *row) endLease() { r.owner, r.LeaseUntil = "", time.Time{} }

// StartRenewal takes the lease of an identity, and marks the call as begun.
func (s *Store) StartRenewal(_ context.Context, id string, generation int64, owner string, lease time.Duration, refused bool) (earlier time.Time, err error) {
	free := func(r *row) bool { return r.BrokenAt.IsZero() && !s.now().Before(r.LeaseUntil) }
	err = s.change(id, generation, free, func(r *row, now time.Time) {
		earlier = r.CallStartedAt
		r.Stale = r.Stale || refused
		r.owner, r.LeaseUntil = owner, now.Add(lease)
		if earlier.IsZero() {
			r.CallStartedAt = now
		}
	})
	return earlier, err
}

// RestartCall sets the mark of the call to now.
func (s *Store) RestartCall(_ context.Context, id string, generation int64, owner string) error {
	return s.change(id, generation, s.leased(owner), func(r *row, now time.Time) { r.CallStartedAt = now })
}

// ExtendRenewal has the lease last so long from now.
func (s *Store) ExtendRenewal(_ context.Context, id, owner string, lease time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.identities[id]
	if r == nil || !s.leased(owner)(r) {
		return stored.ErrLost
	}
	r.LeaseUntil = s.now().Add(lease)
	return nil
}

// FinishRenewal stores what a renewal brought.
func (s *Store) FinishRenewal(_ context.Context, g identity.Grant, generation int64) error {
	return s.change(g.ID, generation, always, func(r *row, now time.Time) {
		r.SealedAccess, r.SealedRefresh, r.KeyID, r.TokenHash = g.SealedAccess, g.SealedRefresh, g.KeyID, g.TokenHash
		r.InstanceURL, r.Scopes, r.Native, r.ClientID = g.InstanceURL, g.Scopes, cmp.Or(g.Native, "{}"), g.ClientID
		r.Generation++
		s.generation = max(s.generation, r.Generation)
		r.RefreshedAt, r.KeepAliveAt, r.ExpiresAt = now, now.Add(keepAliveAfter), g.AccessEnds
		if r.BrokenCode != stored.AppRemoved && r.BrokenCode != stored.OtherApp {
			r.BrokenAt, r.BrokenCode = time.Time{}, ""
		}
		r.FailedAt, r.FailedCode, r.RetryAt, r.Stale, r.CallStartedAt = time.Time{}, "", time.Time{}, false, time.Time{}
		r.endLease()
	})
}

// FailRenewal records that a renewal failed in passing.
func (s *Store) FailRenewal(_ context.Context, id string, generation int64, owner, code string, retryAt time.Time, unknown bool) error {
	return s.change(id, generation, func(r *row) bool { return r.owner == owner }, func(r *row, now time.Time) {
		r.FailedAt, r.FailedCode, r.RetryAt = now, code, retryAt
		if !unknown {
			r.CallStartedAt = time.Time{}
		}
		r.endLease()
	})
}

// BreakIdentity records that only a new authorization helps.
func (s *Store) BreakIdentity(_ context.Context, id string, generation int64, code, owner string) error {
	may := func(r *row) bool { return r.BrokenAt.IsZero() && (owner == "" || r.owner == owner) }
	return s.change(id, generation, may, func(r *row, now time.Time) {
		r.BrokenAt, r.BrokenCode, r.FailedAt, r.FailedCode = now, code, now, code
		if code != stored.AppRemoved && code != stored.OtherApp {
			r.CallStartedAt = time.Time{}
		}
		r.endLease()
	})
}

// SetExpiry records when the access token of a generation runs out.
func (s *Store) SetExpiry(_ context.Context, id string, generation int64, expires time.Time) error {
	_ = s.change(id, generation, always, func(r *row, _ time.Time) { r.ExpiresAt = expires }) // there is a newer one
	return nil
}

// KeepAliveDue returns identities that are due to be renewed although nobody uses them.
func (s *Store) KeepAliveDue(_ context.Context, limit int) ([]identity.IdentityKey, error) {
	return s.due(limit, func(r *row, now time.Time) (time.Time, bool) { return r.KeepAliveAt, !r.KeepAliveAt.After(now) })
}

// AbandonedRenewals returns identities with a call whose outcome nobody recorded, and that nobody works on.
func (s *Store) AbandonedRenewals(_ context.Context, limit int) ([]identity.IdentityKey, error) {
	return s.due(limit, func(r *row, now time.Time) (time.Time, bool) { return r.CallStartedAt, !r.LeaseUntil.After(now) })
}

// due returns up to limit identities whose time has come, as when says: those without a failure first, then those
// that have waited longest.
func (s *Store) due(limit int, when func(r *row, now time.Time) (time.Time, bool)) (keys []identity.IdentityKey, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	rows := s.rows(func(r *row) bool {
		at, come := when(r, now)
		return !at.IsZero() && come && r.BrokenAt.IsZero() && !r.RetryAt.After(now)
	})
	slices.SortStableFunc(rows, func(a, b *row) int {
		first, _ := when(a, now)
		second, _ := when(b, now)
		switch failedA, failedB := !a.FailedAt.IsZero(), !b.FailedAt.IsZero(); {
		case failedA && !failedB:
			return 1
		case failedB && !failedA:
			return -1
		}
		return first.Compare(second)
	})
	for _, r := range rows[:min(limit, len(rows))] {
		keys = append(keys, identity.IdentityKey{ID: r.ID, Generation: r.Generation})
	}
	return keys, nil
}

// AddHandshake stores a handshake, and forgets those that have run out.
func (s *Store) AddHandshake(_ context.Context, h identity.Handshake) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	underWay := 0
	for hash, other := range s.handshakes {
		switch {
		case !s.now().Before(other.ExpiresAt):
			delete(s.handshakes, hash)
		case other.SessionID == h.SessionID && other.TakenAt.IsZero():
			underWay++
		}
	}
	if underWay >= maxHandshakes {
		return stored.ErrTooMany
	}
	h.Tags = slices.Clone(h.Tags)
	s.handshakes[h.StateHash] = &h
	return nil
}

// Handshake returns a handshake of a session, and what became of it.
func (s *Store) Handshake(_ context.Context, service, stateHash, sessionID string) (identity.Handshake, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.handshakes[stateHash]
	if h == nil || h.Service != service || h.SessionID != sessionID || !s.now().Before(h.ExpiresAt) {
		return identity.Handshake{}, stored.ErrNotFound
	}
	found := *h
	found.Tags = slices.Clone(h.Tags)
	return found, nil
}

// TakeHandshake takes a handshake, once.
func (s *Store) TakeHandshake(_ context.Context, service, stateHash, sessionID string) (identity.Handshake, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, now := s.handshakes[stateHash], s.now()
	if h == nil || h.Service != service || h.SessionID != sessionID || !now.Before(h.ExpiresAt) || !h.TakenAt.IsZero() {
		return identity.Handshake{}, stored.ErrNotFound
	}
	h.TakenAt, h.Outcome, h.ExpiresAt = now, identity.HandshakeOutcome{}, now.Add(outcomeLife)
	taken := *h
	taken.Tags = slices.Clone(h.Tags)
	return taken, nil
}

// EndHandshake records what became of a handshake that was taken.
func (s *Store) EndHandshake(_ context.Context, h identity.Handshake, o identity.HandshakeOutcome) error {
	return s.end(h, o, true)
}

// RefuseHandshake records that the service refused before there was a code.
func (s *Store) RefuseHandshake(_ context.Context, h identity.Handshake, o identity.HandshakeOutcome) error {
	return s.end(h, o, false)
}

func (s *Store) end(h identity.Handshake, o identity.HandshakeOutcome, taken bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.handshakes[h.StateHash]
	if kept == nil || kept.TenantID != h.TenantID || kept.TakenAt.IsZero() == taken {
		return stored.ErrLost
	}
	kept.Outcome, kept.ExpiresAt = o, s.now().Add(outcomeLife)
	return nil
}

// AddRevocation keeps the token of a grant that is not stored.
func (s *Store) AddRevocation(_ context.Context, g identity.Grant) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revokeLater(g), nil
}

// Revocation returns a token that is yet to be revoked.
func (s *Store) Revocation(_ context.Context, id string) (identity.PendingRevocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.revocations[id]; r != nil {
		return r.PendingRevocation, nil
	}
	return identity.PendingRevocation{}, stored.ErrNotFound
}

// DeleteRevocation forgets a token.
func (s *Store) DeleteRevocation(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.revocations, id)
	return nil
}

// RevocationsDue returns up to limit ids of tokens that are yet to be revoked, from the one after an id on.
func (s *Store) RevocationsDue(_ context.Context, after string, limit int) (ids []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.revocations {
		if id > after && !r.due.After(s.now()) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids[:min(limit, len(ids))], nil
}
