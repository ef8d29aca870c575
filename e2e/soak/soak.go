package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest/postgres"
	"gatepost/e2e/rig"
	"gatepost/identity"
)

// soak is a run under way.
type soak struct {
	plan
	say     func(format string, args ...any)
	world   *rig.World
	store   *db.DB // to look at
	tenant  string // its id
	readers *readers

	server   *postgres.Server // nil on SQLite
	balancer *balancer        // likewise
	restarts int              // of the server

	mu         sync.Mutex // held while a portal is killed and started, and while one connects
	portals    []*rig.Portal
	kills      int
	reconnects int
}

// run carries out the plan and returns what was found. The error is of something
// that kept it from finding out.
func (p plan) run(ctx context.Context, folder string, say func(string, ...any)) (v verdict, err error) {
	s := &soak{plan: p, say: say}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx, folder); err != nil {
		return v, err
	}
	begun := time.Now()
	if err := s.trouble(ctx); err != nil {
		return v, err
	}
	loaded := time.Since(begun)
	if err := s.calm(ctx); err != nil {
		return v, err
	}
	v, err = s.judge(ctx)
	v.Loaded, v.Settled = loaded, time.Since(begun)-loaded
	return v, err
}

// open starts everybody and connects the tenant.
func (s *soak) open(ctx context.Context, folder string) (err error) {
	database := ""
	if s.postgres {
		if s.server, err = postgres.Start(); err != nil {
			return err
		}
		database = s.server.URL()
	}
	if s.world, err = rig.NewWorld(ctx, folder, database); err != nil {
		return err
	}
	if s.store, err = db.Open(ctx, s.world.Database()); err != nil {
		return err
	}
	tenant, err := s.store.TenantBySlug(ctx, rig.Contoso.Slug)
	if err != nil {
		return err
	}
	s.tenant = tenant.ID
	if err := s.openPortals(ctx); err != nil {
		return err
	}
	if err := s.world.Salesforce.Control(ctx, "settings", map[string]any{"rotation": true, "latency_ms": 20, "daily_limit": 100_000_000}); err != nil {
		return err
	}
	return s.portals[0].Connect(ctx, rig.Contoso)
}

// openPortals starts the portals, each at an address of its own or all behind the
// balancer.
func (s *soak) openPortals(ctx context.Context) (err error) {
	public := ""
	if s.postgres {
		if s.balancer, err = newBalancer(); err != nil {
			return err
		}
		public = s.balancer.url()
	}
	var forms, addresses []string
	for range s.plan.portals {
		p, err := s.world.AddReplica(ctx, public)
		if err != nil {
			return err
		}
		s.portals = append(s.portals, p)
		forms, addresses = append(forms, p.Form(rig.Contoso)), append(addresses, p.Address)
	}
	if s.balancer != nil {
		s.balancer.start(addresses)
	}
	s.readers = newReaders(forms)
	return nil
}

func (s *soak) close() error {
	var errs []error
	if s.balancer != nil {
		errs = append(errs, s.balancer.close())
	}
	for _, p := range s.portals {
		p.Kill()
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.world != nil {
		errs = append(errs, s.world.Close())
	}
	if s.server != nil {
		errs = append(errs, s.server.Close())
	}
	return errors.Join(errs...)
}

// trouble sends sign-ups through all scenarios.
func (s *soak) trouble(ctx context.Context) error {
	load, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { s.readers.signUp(load, s.rate) })
	all.Go(func() { s.keepConnected(load) })
	defer all.Wait()
	defer stop()
	for _, sc := range s.scenarios() {
		s.say("%s: %v with %d kills", sc.name, sc.lasts().Round(time.Second), sc.kills)
		if err := s.play(ctx, sc); err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
		s.progress(ctx)
	}
	return nil
}

// play goes through one scenario, and ends its faults.
func (s *soak) play(ctx context.Context, sc scenario) (err error) {
	salesforce := s.world.Salesforce
	for _, f := range sc.faults {
		if err := salesforce.Control(ctx, "fail", f); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, salesforce.Control(ctx, "fail", fault{"on": f["on"]})) }()
	}
	expiring, stop := context.WithCancel(ctx)
	var expired sync.WaitGroup
	defer expired.Wait()
	defer stop()
	if sc.expire > 0 {
		expired.Go(func() {
			each(expiring, sc.expire, func() { _ = salesforce.Control(ctx, "expire-access-tokens", nil) })
		})
	}
	restarted := make(chan error, 1)
	go func() { restarted <- s.restartDatabase(ctx, rand.N(sc.lasts())) }()
	defer func() { err = errors.Join(err, <-restarted) }()
	for range sc.kills {
		if err := wait(ctx, sc.between); err != nil {
			return err
		}
		if err := s.kill(); err != nil {
			return err
		}
	}
	return wait(ctx, sc.between)
}

// A kill, or PostgreSQL's end, comes within crowdTime after a crowd has begun to sign up.
const (
	crowd     = 300
	crowdTime = 40 * time.Millisecond
)

// kill kills any of the portals and starts it again. At a steady rate nobody might
// be between an answer and what it promises just then: with a crowd somebody is, if
// there is anything between the two.
func (s *soak) kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := rand.IntN(len(s.portals))
	p := s.portals[n]
	s.readers.crowd(s.readers.forms[n], crowd)
	time.Sleep(rand.N(crowdTime))
	p.Kill()
	s.kills++
	return s.start(p)
}

// start starts a portal again. While the database is away it ends at once, and is
// started once more, as whoever supervises it does.
func (s *soak) start(p *rig.Portal) error {
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		err := p.Start()
		if err == nil || s.server == nil || time.Since(begun) > startTime {
			return err
		}
	}
}

// How long PostgreSQL is away at most, and how long a portal may take until it finds
// it again.
const (
	awayTime  = 4 * time.Second
	startTime = time.Minute
)

// restartDatabase waits, ends PostgreSQL, in an orderly way and as a crash does by
// turns, and starts it again after a while.
func (s *soak) restartDatabase(ctx context.Context, after time.Duration) error {
	if s.server == nil {
		return nil
	}
	if err := wait(ctx, after); err != nil {
		return err
	}
	end := s.server.Stop
	if s.restarts%2 == 1 {
		end = s.server.Kill
	}
	s.restarts++
	s.readers.crowd(s.readers.forms[0], crowd)
	time.Sleep(rand.N(crowdTime))
	if err := end(); err != nil {
		return err
	}
	if err := wait(ctx, rand.N(awayTime)); err != nil {
		return err
	}
	return s.server.Start()
}

// keepConnected does what an admin does when the portal says that the connection
// is broken: a kill between a renewal and its storing loses the rotated token.
func (s *soak) keepConnected(ctx context.Context) {
	each(ctx, time.Second, func() {
		i, err := s.store.Identity(ctx, identity.Salesforce, s.tenant)
		if err != nil || i.BrokenAt.IsZero() {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.portals[0].Connect(ctx, rig.Contoso); err != nil {
			s.say("  the connection is broken (%s), and reconnecting failed: %v", i.BrokenCode, err)
			return
		}
		s.reconnects++
		s.say("  the connection was broken (%s); reconnected", i.BrokenCode)
	})
}

// calm waits until nothing waits any more.
func (s *soak) calm(ctx context.Context) error {
	s.say("calm: waiting for everything to arrive, %v at most", s.settle)
	ctx, stop := context.WithTimeoutCause(ctx, s.settle, errLate)
	defer stop()
	var keeping sync.WaitGroup
	keeping.Go(func() { s.keepConnected(ctx) })
	defer keeping.Wait()
	defer stop()
	for n := 1; ; n++ {
		if err := s.endHours(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		sums, err := s.store.Sums(ctx, s.tenant)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if sums[db.Waiting] == 0 && err == nil {
			return nil
		}
		if err := wait(ctx, time.Second); errors.Is(err, errLate) {
			return nil // what is still missing is the verdict's to tell
		} else if err != nil {
			return err
		}
		if n%15 == 0 {
			s.progress(ctx)
		}
	}
}

// endHours lets the hour be over after which those are delivered again who signed up
// several times within it: the run has no hour for them.
func (s *soak) endHours(ctx context.Context) error {
	_, err := s.store.Writer().ExecContext(ctx, `UPDATE subscribers SET due_at = $2 WHERE tenant_id = $1 AND state = 'waiting' AND reason = '' AND repeated_at > 0 AND due_at > $2`,
		s.tenant, s.store.Now().UnixMilli())
	return err
}

// errLate says that not all has arrived in time.
var errLate = errors.New("not everything has arrived in time")

// progress says where things are.
func (s *soak) progress(ctx context.Context) {
	sums, err := s.store.Sums(ctx, s.tenant)
	if err != nil {
		return // it only informs
	}
	s.readers.note(func() {
		s.say("  %d sent, %d acknowledged; %d new, %d waiting, %d delivered, %d need attention", s.readers.count.sent,
			s.readers.count.acknowledged, sums[db.New], sums[db.Waiting], sums[db.Delivered], sums[db.Attention])
	})
}

// each calls do at intervals until ctx ends.
func each(ctx context.Context, interval time.Duration, do func()) {
	for wait(ctx, interval) == nil {
		do()
	}
}

// wait waits, or returns why ctx ended.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
