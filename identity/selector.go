package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"gatepost/db"

	"golang.org/x/sync/errgroup"
)

// Selector says which identities are meant: those to which all of what it names
// applies. An empty User means anybody's, so see that somebody is logged in first.
type Selector = db.Selector

// Bounds of what an application calls its users, accounts and tags, in bytes, and
// of how many tags an identity may have.
const (
	maxName = 255
	maxTags = 50
)

// NameError says that a user, account or tag can't be stored as it is called.
type NameError struct{ Name string }

// Error says so, with the beginning of the name.
func (e *NameError) Error() string {
	return fmt.Sprintf("%.40q can't be the name of a user, an account or a tag: it has to be text of 1 to %d bytes", e.Name, maxName)
}

// ErrTooManyTags says that an identity was to have more than 50 tags.
var ErrTooManyTags = fmt.Errorf("an identity has at most %d tags", maxTags)

// CleanTags returns the tags sorted, each once. Any characters may stand in
// them. Errors: *NameError, ErrTooManyTags.
func CleanTags(tags []string) ([]string, error) {
	clean := slices.Compact(slices.Sorted(slices.Values(tags)))
	if len(clean) > maxTags {
		return nil, ErrTooManyTags
	}
	for _, tag := range clean {
		if tag == "" {
			return nil, &NameError{}
		}
	}
	return clean, checkNames(clean...)
}

// checkNames returns a *NameError unless each name is empty or may be stored.
func checkNames(names ...string) error {
	for _, name := range names {
		if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			return &NameError{Name: name}
		}
	}
	return nil
}

// AmbiguousError says that a selector means several identities where one is asked
// for.
type AmbiguousError struct {
	Identities []db.NamedIdentity // some of them, the oldest first
	More       bool               // there are others
}

// Error says how many.
func (e *AmbiguousError) Error() string {
	if e.More {
		return fmt.Sprintf("more than %d identities match", len(e.Identities))
	}
	return fmt.Sprintf("%d identities match", len(e.Identities))
}

// ErrEmptySelector says that a selector names nothing where it must.
var ErrEmptySelector = errors.New("the selector is empty")

// shownMatches is how many of several matches an AmbiguousError names.
const shownMatches = 10

// Find returns the identity that the selector means. Errors: ErrEmptySelector,
// ErrNotConnected, *AmbiguousError, or a failure of the store.
func (v *Vault) Find(ctx context.Context, sel Selector) (db.NamedIdentity, error) {
	if sel.Empty() {
		return db.NamedIdentity{}, ErrEmptySelector
	}
	found, err := v.Store.Identities(ctx, sel, "", shownMatches+1)
	switch {
	case err != nil:
		return db.NamedIdentity{}, err
	case len(found) == 0:
		return db.NamedIdentity{}, ErrNotConnected
	case len(found) > 1:
		shown := found[:min(len(found), shownMatches)]
		return db.NamedIdentity{}, &AmbiguousError{Identities: shown, More: len(found) > len(shown)}
	}
	return found[0], nil
}

// Page is a part of a listing.
type Page struct {
	Identities []db.NamedIdentity
	Next       string // where the next page begins; empty when there is none
}

// List returns up to limit of the selected identities, of all when the selector is
// empty; after is the Next of the page before. Going from page to page meets each
// identity once, whatever comes and goes meanwhile.
func (v *Vault) List(ctx context.Context, sel Selector, after string, limit int) (Page, error) {
	found, err := v.Store.Identities(ctx, sel, after, limit+1)
	if err != nil || len(found) <= limit {
		return Page{Identities: found}, err
	}
	return Page{Identities: found[:limit], Next: found[limit-1].ID}, nil
}

// Receipt says that an identity was deleted.
type Receipt struct {
	db.Deleted
	Ending  Ending // what became of it at its service
	Revoked bool   // whether that ended it
}

// How deleting many ends its tokens while somebody waits: so many at once, for so
// long. A job goes on with the rest.
const (
	revokeParallel = 4
	revokeWhile    = 8 * time.Second
)

// Delete removes all of the selected identities at once, or none, and revokes
// each at its service. Errors: ErrEmptySelector, ErrNotConnected when there are
// none, or a failure of the store.
func (v *Vault) Delete(ctx context.Context, sel Selector) ([]Receipt, error) {
	if sel.Empty() {
		return nil, ErrEmptySelector
	}
	deleted, err := v.Store.DeleteIdentities(ctx, sel)
	if err != nil {
		return nil, err
	}
	if len(deleted) == 0 {
		return nil, ErrNotConnected
	}
	return v.revokeDeleted(ctx, deleted), nil
}

// CloseTenant closes a tenant for good, as db.CloseTenant says, and revokes all its
// connections, those that wait to be confirmed too.
func (v *Vault) CloseTenant(ctx context.Context, tenantID string, wipeAt time.Time) (db.Closing, []Receipt, error) {
	closing, err := v.Store.CloseTenant(ctx, tenantID, wipeAt)
	if err != nil {
		return closing, nil, err
	}
	return closing, v.revokeDeleted(ctx, closing.Deleted), nil
}

// revokeDeleted makes the first try to revoke what was deleted, and says what
// became of each.
func (v *Vault) revokeDeleted(ctx context.Context, deleted []db.Deleted) []Receipt {
	receipts, revocations := make([]Receipt, len(deleted)), make([]string, len(deleted))
	for i, d := range deleted {
		receipts[i].Deleted, revocations[i] = d, d.Revocation
	}
	v.revokeAll(ctx, revocations, func(i int, e Ending) { receipts[i].Ending, receipts[i].Revoked = e, e == Revoked })
	return receipts
}

// revokeAll makes the first try of many revocations while somebody waits for
// them. It tells what became of each, by its index, and returns how many are
// pending.
func (v *Vault) revokeAll(ctx context.Context, revocations []string, tell func(index int, e Ending)) int {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeWhile)
	defer cancel()
	var pending atomic.Int64
	var g errgroup.Group
	g.SetLimit(revokeParallel)
	for i, id := range revocations {
		g.Go(func() error {
			ending := Pending
			if ctx.Err() == nil {
				ending, _ = v.firstEnd(ctx, id) // a job tries again
			}
			if ending == Pending {
				pending.Add(1)
			}
			tell(i, ending)
			return nil
		})
	}
	_ = g.Wait()
	n := int(pending.Load())
	if n > 0 {
		v.Log.WarnContext(ctx, "revocations are pending", "revocations", n)
	}
	return n
}

// Forget removes all of the selected identities at once, or none, and revokes none
// of them: for those that were exported and go on elsewhere. It returns how many
// there were. Errors: as Delete's.
func (v *Vault) Forget(ctx context.Context, sel Selector) (int, error) {
	if sel.Empty() {
		return 0, ErrEmptySelector
	}
	forgotten, err := v.Store.ForgetIdentities(ctx, sel)
	if err == nil && len(forgotten) == 0 {
		err = ErrNotConnected
	}
	return len(forgotten), err
}
