package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"
)

// million measures a portal whose one tenant has a million subscribers, half of
// them waiting: its pages, its memory, and what another tenant notices of it.
func (b bench) million(ctx context.Context) error {
	in := inWorld
	if b.server {
		in = onPostgres
	}
	return in(ctx, func(w *rig.World, p *rig.Portal) error {
		say("memory       of a portal that has just started: %s", memory(p))
		p.Kill() // it would take the tenant's lease, and memory that isn't for what follows
		if err := b.fill(ctx, w, b.stored/2); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		if err := p.Start(); err != nil {
			return err
		}
		if _, err := b.indexed(ctx, w); err != nil {
			return err
		}
		if err := pages(ctx, p, "nothing is delivered"); err != nil {
			return err
		}
		if err := p.Connect(ctx, rig.Fabrikam, w.CRM(rig.Salesforce)); err != nil {
			return err
		}
		took, err := trickle(ctx, p, rig.Fabrikam, w.CRM(rig.Salesforce))
		if err != nil {
			return err
		}
		say("trickle      of the other tenant, before: %v", took)
		return b.drain(ctx, w, p)
	})
}

// fill stores the subscribers of the large tenant, and takes the first of them as
// delivered.
func (b bench) fill(ctx context.Context, w *rig.World, arrived int) (err error) {
	store, err := db.Open(ctx, w.Database())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	n, err := store.NewsletterBySlug(ctx, rig.Contoso.Slug+"-weekly")
	if err != nil {
		return err
	}
	people := crowd{letter: n, domain: "stored.example", size: b.stored}
	lease := db.Lease{DestinationKey: firstOf(n.TenantID), Owner: "bench"}
	begun := time.Now()
	for from := 0; from < b.stored; from += group {
		if err := store.TakeLease(ctx, lease); err != nil {
			return err
		}
		answers, err := store.AddSignUps(ctx, people.signUps(from, min(group, b.stored-from)))
		if err != nil {
			return err
		}
		if from >= arrived {
			continue
		}
		if err := store.RecordOutcomes(ctx, lease, outcomes(answers)); err != nil {
			return err
		}
	}
	if b.server { // what it does by itself within minutes
		if _, err := store.Writer().ExecContext(ctx, `VACUUM ANALYZE`); err != nil {
			return err
		}
	}
	say("filled       %d subscribers in %v", b.stored, time.Since(begun).Round(time.Second))
	return store.ReleaseLease(ctx, lease)
}

// outcomes are those of sign-ups that were delivered.
func outcomes(answers []db.SignedUp) []db.Outcome {
	all := make([]db.Outcome, len(answers))
	for i, a := range answers {
		all[i] = db.Outcome{SubscriberID: a.ID, State: db.Delivered, RecordID: "003000000000001AAA", OrgID: "00D000000000001AAA"}
	}
	return all
}

// drain connects the large tenant, and measures while its half is delivered.
func (b bench) drain(ctx context.Context, w *rig.World, p *rig.Portal) error {
	if err := p.Connect(ctx, rig.Contoso, w.CRM(rig.Salesforce)); err != nil {
		return err
	}
	begun, before := time.Now(), memory(p)
	measuring, stop := context.WithCancel(ctx)
	defer stop()
	var rest float64
	var failed error
	var all sync.WaitGroup
	all.Go(func() { rest, failed = drained(measuring, w, b.stored/2) })
	took, err := trickle(ctx, p, rig.Fabrikam, w.CRM(rig.Salesforce))
	if err != nil {
		return err
	}
	say("trickle      of the other tenant, meanwhile: %v", took)
	if err := pages(ctx, p, "the tenant drains"); err != nil {
		return err
	}
	if all.Wait(); failed != nil {
		return failed
	}
	stats, err := w.CRM(rig.Salesforce).Stats(ctx)
	if err != nil {
		return err
	}
	say("drain        %d subscribers in %v (%.0f/s), %d API calls in all; memory before %s, after %s",
		b.stored/2, time.Since(begun).Round(time.Second), rest, stats.APICalls, before, memory(p))
	return nil
}

// drained waits until the large tenant has nothing waiting, of so many, and returns how
// many were delivered in a second.
func drained(ctx context.Context, w *rig.World, waiting int) (rate float64, err error) {
	store, err := db.Open(ctx, w.Database())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	t, err := store.TenantBySlug(ctx, rig.Contoso.Slug)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	for look := time.NewTicker(time.Second); ; {
		sums, err := store.Sums(ctx, t.ID)
		if err != nil {
			return 0, err
		}
		if sums.Destinations[t.ID][db.Waiting] == 0 {
			return float64(waiting) / time.Since(begun).Seconds(), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-look.C:
		}
	}
}

// pages measures the pages that grow with a tenant, one request after the other.
func pages(ctx context.Context, p *rig.Portal, while string) error {
	v, err := p.SignIn(ctx, rig.Contoso)
	if err != nil {
		return err
	}
	for _, path := range []string{"/", "/?range=12-months", "/integrations", "/integrations/sfdc", "/integrations/sfdc/sum", "/subscribers", "/subscribers?q=reader01", "/subscribers?q=reader0999999"} {
		var all rig.Times
		for range 200 {
			took, err := v.Fetch(ctx, p.URL+path)
			if err != nil {
				return err
			}
			all = append(all, took)
		}
		say("page         %-30s while %s: %v", path, while, all)
	}
	return nil
}

// memory is what a portal has of the machine's memory: now, and at most so far.
func memory(p *rig.Portal) string {
	status := fmt.Sprintf("/proc/%d/status", p.PID())
	return fmt.Sprintf("%s MiB (at most %s)", mebibytes(field(status, "VmRSS")), mebibytes(field(status, "VmHWM")))
}

func mebibytes(kilobytes string) string {
	n, err := strconv.Atoi(strings.TrimSuffix(kilobytes, " kB"))
	if err != nil {
		return "?"
	}
	return strconv.Itoa(n / 1024)
}
