package identity

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"gatepost/identity/stored"

	"golang.org/x/sync/errgroup"
)

// Receipt says that an identity was deleted.
type Receipt struct {
	Deleted
	Ending  Ending // what became of it at its service
	Revoked bool   // whether that ended it
	Err     error  // of DeleteEach: it could not be deleted, and is as it was
}

// How deleting many ends its tokens while somebody waits: so many at once, for so
// long. A job goes on with the rest.
const (
	revokeParallel = 4
	revokeWhile    = 8 * time.Second
)

// Delete removes all of the selected identities at once, or none, and revokes
// each at its service. For any number, use DeleteEach. Errors: as Find's, but for
// *AmbiguousError.
func (v *Vault) Delete(ctx context.Context, sel Selector) ([]Receipt, error) {
	if err := checkNamed(sel); err != nil {
		return nil, err
	}
	deleted, err := v.Store.DeleteSomeIdentities(ctx, sel, "", "", 0)
	if err != nil {
		return nil, err
	}
	if len(deleted) == 0 {
		return nil, ErrNotConnected
	}
	return v.revokeDeleted(ctx, deleted), nil
}

// deleteAtOnce is how many DeleteEach deletes at once: as many as most services revoke
// while somebody waits for it.
const deleteAtOnce = 100

// DeleteSome deletes up to limit of the selected identities, one at least, at once, or none, and
// revokes each at its service; more says that there are others. It is no error when
// there are none. Errors: ErrEmptySelector, ErrContrarySelector, *NameError, or a
// failure of the store.
func (v *Vault) DeleteSome(ctx context.Context, sel Selector, limit int) (receipts []Receipt, more bool, err error) {
	if err := checkNamed(sel); err != nil {
		return nil, false, err
	}
	limit = max(limit, 1) // 0 would be all
	deleted, err := v.Store.DeleteSomeIdentities(ctx, sel, "", stored.NewID(), limit)
	if err != nil {
		return nil, false, err
	}
	receipts = v.revokeDeleted(ctx, deleted)
	if len(deleted) < limit {
		return receipts, false, nil
	}
	left, err := v.Store.Identities(context.WithoutCancel(ctx), sel, deleted[len(deleted)-1].ID, 1)
	return receipts, err != nil || len(left) > 0, nil // they are deleted, whoever can't be asked
}

// DeleteEach deletes the selected identities that are there by now, any number of them,
// a part at a time, and revokes each at its service. It tells of each, in the order of
// their ids, and goes on where one can't be deleted. A service that ended nothing of a
// part is left to the jobs, which try for a week, so that those of other services needn't
// wait for it. One whose token ends with that of a later one (see Shared) is told as
// shared; it ends with that. Errors: ErrEmptySelector, ErrContrarySelector, *NameError,
// or a failure of the store, with which it has ended before all were deleted.
func (v *Vault) DeleteEach(ctx context.Context, sel Selector, tell func(Receipt)) error {
	if err := checkNamed(sel); err != nil {
		return err
	}
	through := stored.NewID() // what is authorized from now on is meant to be there
	silent := map[string]bool{}
	for after := ""; ; {
		receipts, last, err := v.deletePart(ctx, sel, after, through, silent)
		if err != nil || last == "" {
			return err
		}
		for _, r := range receipts {
			tell(r)
		}
		after = last
	}
}

// deletePart deletes the next identities, one by one where they can't be deleted at
// once, and revokes them, unless their service is silent. last is the last one that was
// looked at, empty when there is none any more.
func (v *Vault) deletePart(ctx context.Context, sel Selector, after, through string, silent map[string]bool) (receipts []Receipt, last string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	deleted, err := v.Store.DeleteSomeIdentities(ctx, sel, after, through, v.deleteAtOnce)
	switch {
	case err != nil:
		return v.deleteSingly(ctx, sel, after, through, err)
	case len(deleted) == 0:
		return nil, "", nil
	}
	return v.revokeHeard(ctx, deleted, silent), deleted[len(deleted)-1].ID, nil
}

// deleteSingly deletes the next identities, each for itself; cause is why they can't be
// deleted at once. It revokes none: the jobs do.
func (v *Vault) deleteSingly(ctx context.Context, sel Selector, after, through string, cause error) (receipts []Receipt, last string, err error) {
	next, err := v.Store.Identities(ctx, sel, after, v.deleteAtOnce)
	if err != nil {
		return nil, "", errors.Join(cause, err)
	}
	for _, i := range next {
		if i.ID > through {
			break
		}
		last = i.ID
		one := Receipt{Deleted: Deleted{ID: i.ID, Service: i.Service, TenantID: i.TenantID, Tenant: i.Tenant, User: i.User, Account: i.Account}}
		deleted, err := v.Store.DeleteSomeIdentities(ctx, Selector{ID: i.ID}, "", "", 0)
		switch {
		case err != nil:
			one.Err = err
		case len(deleted) == 0:
			continue // somebody else did
		default:
			one.Deleted, one.Ending = deleted[0], Pending
		}
		receipts = append(receipts, one)
	}
	return receipts, last, nil
}

// revokeHeard is revokeDeleted for all but those of the services that are silent. One
// of which several were tried and none ended becomes silent.
func (v *Vault) revokeHeard(ctx context.Context, deleted []Deleted, silent map[string]bool) []Receipt {
	receipts := make([]Receipt, len(deleted))
	var heard []Deleted
	var at []int
	for i, d := range deleted {
		receipts[i] = Receipt{Deleted: d, Ending: Pending}
		if !silent[d.Service] {
			heard, at = append(heard, d), append(at, i)
		}
	}
	tried, ended := map[string]int{}, map[string]int{}
	for n, r := range v.revokeDeleted(ctx, heard) {
		receipts[at[n]] = r
		tried[r.Service]++
		if r.Ending != Pending {
			ended[r.Service]++
		}
	}
	for service, n := range tried {
		silent[service] = n >= revokeParallel && ended[service] == 0
	}
	return receipts
}

// CloseTenant closes a tenant for good, as db.CloseTenant says, and revokes all its
// connections, those that wait to be confirmed too.
func (v *Vault) CloseTenant(ctx context.Context, tenantID string, wipeAt time.Time) (Closing, []Receipt, error) {
	closing, err := v.optional.CloseTenant(ctx, tenantID, wipeAt)
	if err != nil {
		return closing, nil, err
	}
	return closing, v.revokeDeleted(ctx, closing.Deleted), nil
}

// revokeDeleted makes the first try to revoke what was deleted, and says what
// became of each.
func (v *Vault) revokeDeleted(ctx context.Context, deleted []Deleted) []Receipt {
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
	if err := checkNamed(sel); err != nil {
		return 0, err
	}
	forgotten, err := v.optional.ForgetIdentities(ctx, sel)
	if err == nil && len(forgotten) == 0 {
		err = ErrNotConnected
	}
	return len(forgotten), err
}
