package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"gatepost/e2e/rig"
)

// steadySize is how many sign-ups come steadily, and steadyRate how many of them in a
// second.
const (
	steadySize = 1000
	steadyRate = 20
)

// pace measures what sign-ups cost that come steadily, and how long their Contacts take.
func (b bench) pace(ctx context.Context) error {
	return inWorld(ctx, func(w *rig.World, p *rig.Portal) error {
		if err := p.Connect(ctx, rig.Contoso, w.CRM(rig.Salesforce)); err != nil {
			return err
		}
		before, err := w.CRM(rig.Salesforce).Stats(ctx)
		if err != nil {
			return err
		}
		took, err := evenly(ctx, w.CRM(rig.Salesforce), p.Form(rig.Contoso))
		if err != nil {
			return err
		}
		after, err := w.CRM(rig.Salesforce).Stats(ctx)
		if err != nil {
			return err
		}
		say("pace         %d sign-ups at %d a second: %d API calls; from thank-you to Contact: %v", steadySize, steadyRate, after.APICalls-before.APICalls, took)
		return nil
	})
}

// evenly signs people up at an even rate, and measures for each how long the Contact
// takes after the answer.
func evenly(ctx context.Context, crm *rig.CRM, form string) (all rig.Times, err error) {
	ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	signedUp := make([]time.Time, steadySize)
	failed := make(chan error, steadySize)
	var sending sync.WaitGroup
	sending.Go(func() {
		tick := time.NewTicker(time.Second / steadyRate)
		defer tick.Stop()
		for i := range signedUp {
			<-tick.C
			sending.Go(func() {
				err := signUp(form, steadyEmail(i))
				signedUp[i] = time.Now()
				failed <- err
			})
		}
	})
	arrived, err := arrivals(ctx, crm)
	sending.Wait()
	for i := range signedUp {
		err = errors.Join(err, <-failed)
		all = append(all, arrived[steadyEmail(i)].Sub(signedUp[i]))
	}
	return all, err
}

func steadyEmail(i int) string { return fmt.Sprintf("steady%d@bench.example", i) }

// arrivals looks for new Contacts, and returns when each was first seen, once there are
// steadySize.
func arrivals(ctx context.Context, crm *rig.CRM) (at map[string]time.Time, err error) {
	file, err := openFile(crm)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	at = map[string]time.Time{}
	var last int64
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for len(at) < steadySize {
		select {
		case <-ctx.Done():
			return at, fmt.Errorf("%d of %d arrived: %w", len(at), steadySize, ctx.Err())
		case <-look.C:
		}
		if last, err = newContacts(ctx, file, last, at); err != nil {
			return at, err
		}
	}
	return at, nil
}

// newContacts notes which Contacts came after the last one, and returns the new last one.
func newContacts(ctx context.Context, salesforce *sql.DB, last int64, at map[string]time.Time) (_ int64, err error) {
	rows, err := salesforce.QueryContext(ctx, `SELECT seq, email FROM records WHERE seq > $1 AND type = 'Contact' AND email LIKE 'steady%' ORDER BY seq`, last)
	if err != nil {
		return last, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for now := time.Now(); rows.Next(); {
		var email string
		if err := rows.Scan(&last, &email); err != nil {
			return last, err
		}
		at[email] = now
	}
	return last, rows.Err()
}

// backlog measures how quickly a tenant drains that has many waiting when it is connected.
func (b bench) backlog(ctx context.Context) error {
	return inWorld(ctx, func(w *rig.World, p *rig.Portal) error {
		p.Kill()
		b.stored = min(b.stored, 100_000)
		if err := b.fill(ctx, w, 0); err != nil {
			return err
		}
		if err := p.Start(); err != nil {
			return err
		}
		if _, err := b.indexed(ctx, w); err != nil {
			return err
		}
		if err := p.Connect(ctx, rig.Contoso, w.CRM(rig.Salesforce)); err != nil {
			return err
		}
		rate, err := drained(ctx, w, b.stored)
		if err != nil {
			return err
		}
		stats, err := w.CRM(rig.Salesforce).Stats(ctx)
		if err != nil {
			return err
		}
		portal, err := processorTime(p)
		if err != nil {
			return err
		}
		salesforce, err := processorTime(w.CRM(rig.Salesforce))
		say("backlog      %d waiting: %.0f/s, %d API calls; processor time of the portal %v, of the simulated Salesforce %v", b.stored, rate, stats.APICalls, portal, salesforce)
		return err
	})
}
