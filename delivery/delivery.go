// Package delivery brings subscribers from "stored" into their tenant's CRM:
// every one of them, and each once.
package delivery

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

// Store keeps what is to be delivered. *db.DB is one. Its writes fail with
// db.ErrLost when the lease that they are made under went to somebody else.
type Store interface {
	DueTenants(ctx context.Context, owner string) ([]string, error)
	DueAmong(ctx context.Context, owner string, tenants []string) ([]string, error)
	Due(ctx context.Context, tenantID string, limit int) ([]db.Known, error)
	TakeLease(ctx context.Context, l db.Lease) error
	KeepLease(ctx context.Context, l db.Lease) error
	ReleaseLease(ctx context.Context, l db.Lease) error
	MarkSent(ctx context.Context, l db.Lease, sendings []db.Sending, settlesAt time.Time) error
	RecordOutcomes(ctx context.Context, l db.Lease, outcomes []db.Outcome) error
	DueRemovals(ctx context.Context, tenantID string) ([]db.Removal, error)
	BeginRemoval(ctx context.Context, l db.Lease, r db.Removal, orgID string) (begun db.Removal, ask bool, err error)
	PutOffRemoval(ctx context.Context, l db.Lease, r db.Removal) error
	EndRemoval(ctx context.Context, l db.Lease, r db.Removal) error
	Pause(ctx context.Context, tenantID string) (db.Pause, error)
	SetPause(ctx context.Context, l db.Lease, p db.Pause) error
	EndPause(ctx context.Context, tenantID string) error
	Blamed(ctx context.Context, tenantID string) (int, error)
	SetBlamed(ctx context.Context, l db.Lease, n int) error
	Usage(ctx context.Context, tenantID string) (db.Usage, error)
	ForgetUsage(ctx context.Context, tenantID string) error
	SaveUsage(ctx context.Context, tenantID string, used, allowed, ours int) error
	DeliverySettings(ctx context.Context, tenantID string) (db.DeliverySettings, error)
	SaveCheckUp(ctx context.Context, tenantID, orgID, checks string) error
}

// Config is what New needs. What is zero gets its default.
type Config struct {
	Store Store
	// Connect returns a tenant's CRM. It fails with a *crm.Failure, of class
	// Connection where nothing goes until somebody connects.
	Connect func(ctx context.Context, tenantID string) (crm.CRM, error)
	Log     *slog.Logger
	Now     func() time.Time // by the clock that all processes go by; time.Now when nil

	LookEvery time.Duration // how often the database is asked for tenants with due work; 1 s
	Parallel  int           // tenants at a time; 32
	CallTime  time.Duration // the longest that a call of a CRM may take; 2 min
	Grace     time.Duration // how long calls may go on after Run's context ended; 10 s
}

func (c *Config) setDefaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.LookEvery == 0 {
		c.LookEvery = time.Second
	}
	if c.Parallel == 0 {
		c.Parallel = 32
	}
	if c.CallTime == 0 {
		c.CallTime = 2 * time.Minute
	}
	if c.Grace == 0 {
		c.Grace = 10 * time.Second
	}
}

// Dispatcher delivers the subscribers of all tenants, together with those of
// other processes on the same database.
type Dispatcher struct {
	Config
	owner  string        // of the leases
	signal chan struct{} // something changed for Run to look at

	mu       sync.Mutex
	queue    []string         // tenants that wait for their turn
	again    map[string]bool  // queued, running and resting tenants; true: woken while running
	heard    map[string]bool  // tenants that other processes told of
	lookNow  bool             // the database is to be asked, whenever it was last
	usages   map[string]usage // of each tenant's API calls, what is yet to be written down
	paces    map[string]pace  // of each tenant's last batch
	checkUps sync.WaitGroup   // that are under way
	running  int
}

// New returns a Dispatcher, which works while its Run runs.
func New(c Config) *Dispatcher {
	c.setDefaults()
	return &Dispatcher{Config: c, owner: rand.Text(), signal: make(chan struct{}, 1), again: map[string]bool{}, heard: map[string]bool{}, usages: map[string]usage{}, paces: map[string]pace{}}
}

// Wake says that a tenant has something to deliver. It doesn't wait.
func (d *Dispatcher) Wake(tenantID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.again[tenantID]; known {
		d.again[tenantID] = true
		return
	}
	d.enqueue(tenantID)
}

// enqueue puts a tenant at the end of the queue. The caller holds d.mu.
func (d *Dispatcher) enqueue(tenantID string) {
	d.again[tenantID] = false
	d.queue = append(d.queue, tenantID)
	d.poke()
}

func (d *Dispatcher) poke() {
	select {
	case d.signal <- struct{}{}:
	default:
	}
}

// Heard says that some process has stored something to deliver for a tenant. It doesn't
// wait. Whoever stored it is likely to deliver it: so it is looked, with what else is
// heard meanwhile, whether anybody does, and the lease isn't fought for.
func (d *Dispatcher) Heard(tenantID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.again[tenantID]; known {
		d.again[tenantID] = true
		return
	}
	d.heard[tenantID] = true
	d.poke()
}

// Look says that any tenant may have something to deliver. It doesn't wait.
func (d *Dispatcher) Look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lookNow = true
	d.poke()
}

// Resume ends a tenant's pause and wakes it: for when its CRM was connected anew.
// How many API calls are used is another org's by then, it may be.
func (d *Dispatcher) Resume(ctx context.Context, tenantID string) error {
	if err := errors.Join(d.Store.ForgetUsage(ctx, tenantID), d.Store.EndPause(ctx, tenantID)); err != nil {
		return err
	}
	d.Wake(tenantID)
	return nil
}

// Run delivers until the context ends. Batches that are in flight then are
// finished, or after the grace time cut off, which is safe: what they may have
// done is looked up before anything is repeated.
func (d *Dispatcher) Run(ctx context.Context) error {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { time.AfterFunc(d.Grace, func() { cancel(errStopped) }) })()
	var turns sync.WaitGroup
	defer turns.Wait()
	defer d.checkUps.Wait()

	look := time.NewTicker(d.LookEvery)
	defer look.Stop()
	for {
		for tenantID, ok := d.next(); ok; tenantID, ok = d.next() {
			turns.Go(func() {
				more, rest := d.turn(work, ctx.Done(), tenantID)
				d.done(tenantID, more, rest)
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.signal:
			d.lookForHeard(ctx)
		case <-look.C:
			d.look(ctx)
		}
	}
}

// look wakes the tenants that have due work, whoever stored it.
func (d *Dispatcher) look(ctx context.Context) {
	tenants, err := d.Store.DueTenants(ctx, d.owner)
	d.found(ctx, tenants, err)
}

// lookForHeard is look for what other processes told of, if they did.
func (d *Dispatcher) lookForHeard(ctx context.Context) {
	d.mu.Lock()
	all, heard := d.lookNow, slices.Sorted(maps.Keys(d.heard))
	d.lookNow = false
	clear(d.heard)
	d.mu.Unlock()
	switch {
	case all:
		d.look(ctx)
	case len(heard) > 0:
		tenants, err := d.Store.DueAmong(ctx, d.owner, heard)
		d.found(ctx, tenants, err)
	}
}

func (d *Dispatcher) found(ctx context.Context, tenants []string, err error) {
	if err != nil {
		if ctx.Err() == nil {
			d.Log.ErrorContext(ctx, "looking for subscribers to deliver failed", "error", err)
		}
		return
	}
	for _, id := range tenants {
		d.Wake(id)
	}
}

// next takes the tenant whose turn it is, if there is one and room for it.
func (d *Dispatcher) next() (tenantID string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 || d.running >= d.Parallel {
		return "", false
	}
	tenantID, d.queue = d.queue[0], d.queue[1:]
	d.again[tenantID] = false
	d.running++
	return tenantID, true
}

// done ends a tenant's turn. It queues again at the end when it has more to do,
// so that the others get theirs, after its rest.
func (d *Dispatcher) done(tenantID string, more bool, rest time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running--
	switch {
	case rest > 0:
		time.AfterFunc(rest, func() { d.rested(tenantID) })
		d.poke()
	case more || d.again[tenantID]:
		d.enqueue(tenantID)
	default:
		delete(d.again, tenantID)
		d.poke()
	}
}

// rested queues a tenant that rested. Whoever woke it meanwhile is served by that.
func (d *Dispatcher) rested(tenantID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.enqueue(tenantID)
}
