package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"
)

// crowd is people who sign up with a newsletter.
type crowd struct {
	letter   db.Newsletter
	domain   string // of their addresses
	size     int
	nameless int // every so manieth gave no last name; 0 for none
}

// email is the address of the nth.
func (c crowd) email(n int) string { return fmt.Sprintf("reader%07d@%s", n, c.domain) }

// signUps are those of some of them.
func (c crowd) signUps(from, count int) []db.SignUp {
	all := make([]db.SignUp, count)
	for i := range all {
		email := c.email(from + i)
		all[i] = db.SignUp{TenantID: c.letter.TenantID, NewsletterID: c.letter.ID, Email: email, EmailKey: email,
			FirstName: "Rita", LastName: "Reader", Consent: c.letter.Consent, Source: "form", At: time.Now()}
		if c.nameless > 0 && (from+i)%c.nameless == 0 {
			all[i].FirstName, all[i].LastName = "", ""
		}
	}
	return all
}

// group is how many sign-ups are stored at once.
const group = 5000

// store stores the sign-ups of all of them.
func (c crowd) store(ctx context.Context, store *db.DB) error {
	for from := 0; from < c.size; from += group {
		if _, err := store.AddSignUps(ctx, c.signUps(from, min(group, c.size-from))); err != nil {
			return err
		}
	}
	return nil
}

// withStore calls fn with the portals' database.
func withStore(ctx context.Context, w *rig.World, fn func(*db.DB) error) (err error) {
	store, err := db.Open(ctx, w.Database())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return fn(store)
}

// firstOf is the destination that a tenant is born with.
func firstOf(tenantID string) db.DestinationKey {
	return db.DestinationKey{TenantID: tenantID, DestinationID: tenantID}
}

// destinationOf is a tenant's destination in a CRM.
func destinationOf(ctx context.Context, store *db.DB, tenantID, service string) (db.DestinationKey, error) {
	all, err := store.Destinations(ctx, tenantID)
	for _, d := range all {
		if d.Service == service {
			return d.Key(), nil
		}
	}
	return db.DestinationKey{}, cmp.Or(err, fmt.Errorf("no sign-ups go to %s", service))
}

// deliveryTime is how long a crowd may take until it is in the CRM.
const deliveryTime = 10 * time.Minute

// delivered waits until so many have been delivered to a destination. Others may be coming.
func delivered(ctx context.Context, store *db.DB, to db.DestinationKey, want int) error {
	ctx, stop := context.WithTimeout(ctx, deliveryTime)
	defer stop()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		all, err := store.Sums(ctx, to.TenantID)
		if err != nil {
			return err
		}
		sums := all.Destinations[to.DestinationID]
		if sums[db.Delivered] >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d are delivered, %d entered: %w", sums[db.Delivered], want, sums[db.Entered], ctx.Err())
		case <-look.C:
		}
	}
}
