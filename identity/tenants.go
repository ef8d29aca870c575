package identity

import (
	"context"
	"fmt"
	"time"
)

// WipeAfter is how long the data of a removed tenant is kept, for those who removed the
// wrong one.
const WipeAfter = 7 * 24 * time.Hour

// ClosedError says that a tenant was removed already.
type ClosedError struct {
	Slug   string
	WipeAt time.Time // when its data is deleted
}

// Error says so, and when its data is deleted.
func (e *ClosedError) Error() string {
	return fmt.Sprintf("%s is closed already: its data is deleted on %s", e.Slug, e.WipeAt.UTC().Format("2006-01-02 15:04 UTC"))
}

// MustBeOpen gives a *ClosedError for a tenant that was removed.
func MustBeOpen(t Tenant) error {
	if t.ClosedAt.IsZero() {
		return nil
	}
	return &ClosedError{Slug: t.Slug, WipeAt: t.WipeAt}
}

// Removal is what removing a tenant ended.
type Removal struct {
	Closing
	Receipts []Receipt // of its connections
	WipeAt   time.Time // when a running server deletes its data
}

// RemoveTenant closes an open tenant and revokes its connections; its data is deleted once
// WipeAfter has passed, or with now as soon as somebody sees to it. Errors: *ClosedError for
// one that is closed, unless now; stored.ErrNotFound for one whose data is deleted meanwhile.
func (v *Vault) RemoveTenant(ctx context.Context, t Tenant, now bool) (Removal, error) {
	wipeAt := v.Now()
	if !now {
		if err := MustBeOpen(t); err != nil {
			return Removal{}, err
		}
		wipeAt = wipeAt.Add(WipeAfter)
	}
	closing, receipts, err := v.CloseTenant(ctx, t.ID, wipeAt)
	return Removal{closing, receipts, wipeAt}, err
}
