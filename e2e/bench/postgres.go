package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"
)

// postgres measures one, two and four replicas on PostgreSQL, beside a server that has
// an insert for each request: each number of them on new data.
func (b bench) postgres(ctx context.Context) error {
	for _, replicas := range []int{1, 2, 4} {
		err := onPostgres(ctx, func(w *rig.World, first *rig.Portal) (err error) {
			portals := []*rig.Portal{first}
			defer func() { err = errors.Join(err, stopAll(portals[1:])) }()
			for len(portals) < replicas {
				p, err := w.AddPortal(ctx)
				if err != nil {
					return err
				}
				portals = append(portals, p)
			}
			return b.replicas(ctx, w, portals)
		})
		if err != nil {
			return fmt.Errorf("with %d: %w", replicas, err)
		}
	}
	return nil
}

func stopAll(portals []*rig.Portal) error {
	var errs []error
	for _, p := range portals {
		errs = append(errs, p.Stop())
	}
	return errors.Join(errs...)
}

// replicas measures sign-ups while nobody is connected, and then deliveries, and pages
// while the two tenants' sign-ups are delivered.
func (b bench) replicas(ctx context.Context, w *rig.World, portals []*rig.Portal) error {
	name := fmt.Sprintf("%d replicas", len(portals))
	inserts, err := startServer(w.Folder, insertsEach, "BENCH_DATABASE="+w.Database())
	if err != nil {
		return err
	}
	defer inserts.process.Kill()
	signUp, end := spread(portals)
	defer end()
	for run := range b.runs {
		sent, spent := reader.Load(), processorTimes(portals)
		rate, err := load(ctx, b.time, signUp)
		if err != nil {
			return err
		}
		each := (processorTimes(portals) - spent) / time.Duration(reader.Load()-sent)
		beside, err := inserts.load(ctx, b.time, readers[0])
		if err != nil {
			return err
		}
		say("postgres     %s, run %d: %6.0f sign-ups/s, %v of the portals' processor time for each; %6.0f/s with %s", name, run+1, rate, each.Round(time.Microsecond), beside, insertsEach)
	}
	inserts.process.Kill()
	for _, t := range []rig.Tenant{rig.Contoso, rig.Fabrikam} {
		if err := portals[0].Connect(ctx, t, w.CRM(rig.Salesforce)); err != nil {
			return err
		}
	}
	return b.deliveries(ctx, w, portals, name)
}

// spread signs up for both tenants at all portals, by as many connections at each.
func spread(portals []*rig.Portal) (signUp func(connection int) error, end func()) {
	var signUps []func(string) error
	var ends []func()
	for _, p := range portals {
		for _, t := range []rig.Tenant{rig.Contoso, rig.Fabrikam} {
			signUp, end := fastReader(p.Form(t))
			signUps, ends = append(signUps, signUp), append(ends, end)
		}
	}
	return func(connection int) error { return signUps[connection%len(signUps)](nextReader()) }, func() {
		for _, end := range ends {
			end()
		}
	}
}

// processorTimes is what all portals have used of the processors so far; one that can't
// be asked counts as nothing.
func processorTimes(portals []*rig.Portal) (all time.Duration) {
	for _, p := range portals {
		used, err := processorTime(p)
		if err == nil {
			all += used
		}
	}
	return all
}

// deliveries measures for a while how many of those who wait are delivered, and pages
// meanwhile.
func (b bench) deliveries(ctx context.Context, w *rig.World, portals []*rig.Portal, name string) (err error) {
	store, err := db.Open(ctx, w.Database())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	time.Sleep(warmUp)
	begun := time.Now()
	before, err := deliveredSoFar(ctx, store)
	if err != nil {
		return err
	}
	var shown rig.Times
	var failed error
	var all sync.WaitGroup
	all.Go(func() { shown, failed = show(ctx, portals, 3*b.time) })
	time.Sleep(3 * b.time)
	after, err := deliveredSoFar(ctx, store)
	rate := float64(after-before) / time.Since(begun).Seconds()
	all.Wait()
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	say("postgres     %s: %6.0f deliveries/s for two tenants, Salesforce takes %v a call; pages meanwhile: %v", name, rate, latency, shown)
	return nil
}

func deliveredSoFar(ctx context.Context, store *db.DB) (n int, err error) {
	for _, t := range []rig.Tenant{rig.Contoso, rig.Fabrikam} {
		tenant, err := store.TenantBySlug(ctx, t.Slug)
		if err != nil {
			return 0, err
		}
		sums, err := store.Sums(ctx, tenant.ID)
		if err != nil {
			return 0, err
		}
		n += sums.Destinations[tenant.ID][db.Delivered]
	}
	return n, nil
}

// show opens pages for a while, one after the other, of each of the portals in turn.
func show(ctx context.Context, portals []*rig.Portal, d time.Duration) (all rig.Times, err error) {
	v, err := portals[0].SignIn(ctx, rig.Contoso)
	if err != nil {
		return nil, err
	}
	paths := []string{"/integrations", "/integrations/sfdc", "/subscribers"}
	for begun, n := time.Now(), 0; time.Since(begun) < d; n++ {
		took, err := v.Fetch(ctx, portals[n/len(paths)%len(portals)].URL+paths[n%len(paths)])
		if err != nil {
			return nil, err
		}
		all = append(all, took)
	}
	return all, nil
}
