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
)

// soak is a run under way.
type soak struct {
	plan
	say       func(format string, args ...any)
	world     *rig.World
	store     *db.DB // to look at
	customers []*customer

	letters letters

	server   *postgres.Server // nil on SQLite
	balancer *balancer        // likewise
	restarts int              // of the server

	stretches []stretch

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
	if err := s.letters.open(ctx); err != nil {
		return v, err
	}
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

// open starts everybody and connects the tenants.
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
	if err := s.openPortals(ctx); err != nil {
		return err
	}
	for _, c := range customers {
		if err := s.addCustomer(ctx, c.Tenant, s.world.CRM(c.service)); err != nil {
			return err
		}
	}
	return nil
}

// addCustomer connects a tenant to its CRM, and lets its readers come.
func (s *soak) addCustomer(ctx context.Context, t rig.Tenant, crm *rig.CRM) error {
	tenant, err := s.store.TenantBySlug(ctx, t.Slug)
	if err != nil {
		return err
	}
	slug, err := s.addAsking(ctx, tenant)
	if err != nil {
		return err
	}
	var forms, asking []string
	for _, p := range s.portals {
		forms, asking = append(forms, p.Form(t)), append(asking, p.URL+"/signup/"+slug)
	}
	s.customers = append(s.customers, &customer{Tenant: t, id: tenant.ID, crm: crm,
		readers: newReaders("Reader", "Reader", forms), asked: newReaders("Asked", "Reader", asking), junk: newReaders("Junk", "http://win.example", asking)})
	if err := crm.Plenty(ctx, 20); err != nil {
		return err
	}
	return s.portals[0].Connect(ctx, t, crm)
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
	var addresses []string
	for range s.plan.portals {
		p, err := s.world.AddReplica(ctx, public, s.letters.env()...)
		if err != nil {
			return err
		}
		s.portals = append(s.portals, p)
		addresses = append(addresses, p.Address)
	}
	if s.balancer != nil {
		s.balancer.start(addresses)
	}
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
	errs = append(errs, s.letters.close())
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
	for _, c := range s.customers {
		rate := s.rate / len(s.customers)
		all.Go(func() { c.readers.signUp(load, max(rate*8/10, 1)) })
		all.Go(func() { c.asked.signUp(load, max(rate/10, 1)) })
		all.Go(func() { c.junk.signUp(load, max(rate/10, 1)) })
	}
	all.Go(func() { s.keepConnected(load) })
	defer all.Wait()
	defer stop()
	for _, sc := range s.scenarios() {
		s.say("%s: %v with %d kills", sc.name, sc.lasts().Round(time.Second), sc.kills)
		from := s.store.Now()
		if err := s.play(ctx, sc); err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
		s.stretches = append(s.stretches, stretch{sc, from, s.store.Now()})
		s.progress(ctx)
	}
	return nil
}

// play goes through one scenario, and ends its faults.
func (s *soak) play(ctx context.Context, sc scenario) (err error) {
	for _, c := range s.customers {
		if !sc.hits(c.crm.Service) {
			continue
		}
		for _, f := range sc.faults(c.crm) {
			if err := c.crm.Control(ctx, "fail", f); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, c.crm.Control(ctx, "fail", fault{"on": f["on"]})) }()
		}
	}
	expiring, stop := context.WithCancel(ctx)
	var expired sync.WaitGroup
	defer expired.Wait()
	defer stop()
	if sc.expire > 0 {
		expired.Go(func() { each(expiring, sc.expire, func() { s.expire(expiring) }) })
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

// expire ends all access tokens of all CRMs.
func (s *soak) expire(ctx context.Context) {
	for _, c := range s.customers {
		_ = c.crm.Control(ctx, "expire-access-tokens", nil) // the next time, if not now
	}
}

// A kill, or PostgreSQL's end, comes within crowdTime after a crowd has begun to sign up.
const crowdTime = 40 * time.Millisecond

// sendCrowd has a crowd sign up at the nth portal.
func (s *soak) sendCrowd(n int) {
	for _, c := range s.customers {
		c.readers.crowd(c.readers.forms[n], s.plan.crowd/len(s.customers))
	}
}

// kill kills any of the portals and starts it again. At a steady rate nobody might
// be between an answer and what it promises just then: with a crowd somebody is, if
// there is anything between the two.
func (s *soak) kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := rand.IntN(len(s.portals))
	p := s.portals[n]
	s.sendCrowd(n)
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
	s.sendCrowd(0)
	time.Sleep(rand.N(crowdTime))
	if err := end(); err != nil {
		return err
	}
	if err := wait(ctx, rand.N(awayTime)); err != nil {
		return err
	}
	return s.server.Start()
}

// keepConnected does what admins do when the portal says that their connection is broken:
// a kill between a renewal and its storing loses a rotated token.
func (s *soak) keepConnected(ctx context.Context) {
	each(ctx, time.Second, func() {
		for _, c := range s.customers {
			i, err := s.store.Identity(ctx, c.crm.Service, c.id)
			if err == nil && !i.BrokenAt.IsZero() {
				s.reconnect(ctx, c, i.BrokenCode)
			}
		}
	})
}

// reconnect connects a customer anew, whose connection broke.
func (s *soak) reconnect(ctx context.Context, c *customer, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.portals[0].Connect(ctx, c.Tenant, c.crm); err != nil {
		s.say("  the connection to %s is broken (%s), and reconnecting failed: %v", c.crm.Name, code, err)
		return
	}
	s.reconnects++
	s.say("  the connection to %s was broken (%s); reconnected", c.crm.Name, code)
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
		waiting, err := s.waiting(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if waiting == 0 && err == nil {
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

// waiting is how many wait, for no hour that has to be over, or haven't confirmed yet.
func (s *soak) waiting(ctx context.Context) (n int, err error) {
	for _, c := range s.customers {
		if err := c.endHours(ctx, s.store); err != nil {
			return n, err
		}
		sums, err := s.store.Sums(ctx, c.id)
		if err != nil {
			return n, err
		}
		n += sums.Destinations[c.id][db.Waiting] + sums.Subscribers[db.Unconfirmed]
	}
	return n, nil
}

// errLate says that not all has arrived in time.
var errLate = errors.New("not everything has arrived in time")

// progress says where things are.
func (s *soak) progress(ctx context.Context) {
	for _, c := range s.customers {
		sums, err := c.sums(ctx, s.store)
		if err != nil {
			return // it only informs
		}
		c.readers.note(func() {
			s.say("  %-10s %d sent, %d acknowledged; %d entered, %d waiting, %d delivered, %d need attention", c.crm.Name, c.readers.count.sent,
				c.readers.count.acknowledged, sums[db.Entered], sums[db.Waiting], sums[db.Delivered], sums[db.Attention])
		})
	}
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
