package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"

	"golang.org/x/sync/errgroup"
)

// thousand is for how many people calls are counted.
const thousand = 1000

// trial is a thousand people who sign up at once with a tenant that is connected.
type trial struct {
	rig.Tenant
	service  string
	nameless int // every so manieth gave no last name; 0 for none
	most     int // calls that they may cost
}

// trials has the calls that a thousand people may cost, as the issue of the three CRMs sets
// them.
var trials = []trial{
	{rig.Contoso, rig.Salesforce, 0, 3},
	{rig.Fabrikam, rig.HubSpot, 0, 21},
	{rig.Northwind, rig.Zoho, 0, 21},
	{rig.Tenant{Slug: "tailspin", Admin: "tess@tailspin.example", Login: rig.Fabrikam.Login}, rig.Zoho, 2, 31},
}

// String names the trial.
func (t trial) String() string {
	if t.nameless > 0 {
		return fmt.Sprintf("%d people into %s, one in %d without a name", thousand, t.service, t.nameless)
	}
	return fmt.Sprintf("%d people into %s", thousand, t.service)
}

// calls counts the calls that bringing people into each CRM costs.
func (b bench) calls(ctx context.Context) error {
	return inWorld(ctx, func(w *rig.World, p *rig.Portal) error {
		return countCalls(ctx, w, p, func(t trial, spent int, of map[string]int) {
			say("calls        %v: %d, at most %d are wanted; %v", t, spent, t.most, of)
		})
	})
}

// countCalls tells for each trial how many calls there were, and how many of each kind.
func countCalls(ctx context.Context, w *rig.World, p *rig.Portal, tell func(t trial, spent int, of map[string]int)) error {
	if err := w.Add(ctx, trials[len(trials)-1].Tenant); err != nil {
		return err
	}
	return withStore(ctx, w, func(store *db.DB) error {
		for _, t := range trials {
			spent, of, err := t.run(ctx, w, p, store)
			if err != nil {
				return fmt.Errorf("%v: %w", t, err)
			}
			tell(t, spent, of)
		}
		return nil
	})
}

// run connects the tenant, has everybody sign up in one transaction when what connecting
// asks is known, and counts the calls until all are delivered.
func (t trial) run(ctx context.Context, w *rig.World, p *rig.Portal, store *db.DB) (spent int, of map[string]int, err error) {
	letter, err := store.NewsletterBySlug(ctx, t.Slug+"-weekly")
	if err != nil {
		return 0, nil, err
	}
	if err := t.addDaily(ctx, store, letter); err != nil {
		return 0, nil, err
	}
	crm := w.CRM(t.service)
	if err := p.Connect(ctx, t.Tenant, crm); err != nil {
		return 0, nil, err
	}
	if err := checked(ctx, store, firstOf(letter.TenantID)); err != nil {
		return 0, nil, err
	}
	before, err := crm.Stats(ctx)
	if err != nil {
		return 0, nil, err
	}
	if err := (crowd{letter, t.Slug + ".trial.example", thousand, t.nameless}).store(ctx, store); err != nil {
		return 0, nil, err
	}
	if err := delivered(ctx, store, firstOf(letter.TenantID), thousand); err != nil {
		return 0, nil, err
	}
	after, err := crm.Stats(ctx)
	return after.APICalls - before.APICalls, after.Since(before), err
}

// checked waits until a new connection was looked at.
func checked(ctx context.Context, store *db.DB, key db.DestinationKey) error {
	for {
		_, err := store.CheckUp(ctx, key)
		if !errors.Is(err, db.ErrNotFound) {
			return err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// twice has the same people sign up with both newsletters of a connected tenant at once, and
// returns after all are delivered.
func (t trial) twice(ctx context.Context, p *rig.Portal, store *db.DB, domain string) error {
	weekly, err := store.NewsletterBySlug(ctx, t.Slug+"-weekly")
	if err != nil {
		return err
	}
	key := firstOf(weekly.TenantID)
	sums, err := store.Sums(ctx, key.TenantID)
	if err != nil {
		return err
	}
	var all errgroup.Group
	all.SetLimit(connections)
	for n := range thousand {
		for _, form := range []string{p.Form(t.Tenant), p.URL + "/signup/" + t.daily()} {
			all.Go(func() error { return signUp(form, fmt.Sprintf("reader%d@%s", n, domain)) })
		}
	}
	if err := all.Wait(); err != nil {
		return err
	}
	return delivered(ctx, store, key, sums.Destinations[key.DestinationID][db.Entered]+2*thousand)
}

// daily is the public name of the tenant's second newsletter.
func (t trial) daily() string { return t.Slug + "-daily" }

// addDaily adds the second newsletter, which nobody has signed up with yet.
func (t trial) addDaily(ctx context.Context, store *db.DB, weekly db.Newsletter) error {
	return store.StorePast(ctx, weekly.TenantID, db.Past{Newsletters: []db.Newsletter{
		{ID: db.NewID(), TenantID: weekly.TenantID, Slug: t.daily(), Name: "Daily", Consent: weekly.Consent, CreatedAt: time.Now()}}})
}
