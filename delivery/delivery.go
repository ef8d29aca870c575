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
	DueDestinations(ctx context.Context, owner string) ([]db.DestinationKey, error)
	DueAmong(ctx context.Context, owner string, tenants []string) ([]db.DestinationKey, error)
	Due(ctx context.Context, to db.DestinationKey, limit int) ([]db.Known, error)
	TakeLease(ctx context.Context, l db.Lease) error
	KeepLease(ctx context.Context, l db.Lease) error
	ReleaseLease(ctx context.Context, l db.Lease) error
	MarkSent(ctx context.Context, l db.Lease, sendings []db.Sending, settlesAt time.Time) error
	RecordOutcomes(ctx context.Context, l db.Lease, outcomes []db.Outcome) error
	DueRemovals(ctx context.Context, to db.DestinationKey) ([]db.RecordRemoval, error)
	BeginRemoval(ctx context.Context, l db.Lease, r db.RecordRemoval, orgID string) (begun db.RecordRemoval, ask bool, err error)
	PutOffRemoval(ctx context.Context, l db.Lease, r db.RecordRemoval) error
	EndRemoval(ctx context.Context, l db.Lease, r db.RecordRemoval) error
	DueOptOuts(ctx context.Context, to db.DestinationKey, limit int) ([]db.OptOut, error)
	BeginOptOuts(ctx context.Context, l db.Lease, all []db.OptOut, orgID string) (begun []db.OptOut, err error)
	EndOptOuts(ctx context.Context, l db.Lease, all []db.OptOut) error
	SaveSubscriptionTypes(ctx context.Context, to db.DestinationKey, s db.SubscriptionTypes) error
	SubscriptionTypes(ctx context.Context, to db.DestinationKey) (db.SubscriptionTypes, error)
	Somebody(ctx context.Context, to db.DestinationKey, emailKey string) ([]db.Known, error)
	Pause(ctx context.Context, to db.DestinationKey) (db.Pause, error)
	SetPause(ctx context.Context, l db.Lease, p db.Pause) error
	EndPause(ctx context.Context, to db.DestinationKey) error
	Blamed(ctx context.Context, to db.DestinationKey) (int, error)
	SetBlamed(ctx context.Context, l db.Lease, n int) error
	Usage(ctx context.Context, to db.DestinationKey) (db.Usage, error)
	ForgetUsage(ctx context.Context, to db.DestinationKey) error
	SaveUsage(ctx context.Context, to db.DestinationKey, used, allowed, ours int) error
	DeliverySettings(ctx context.Context, to db.DestinationKey) (db.DeliverySettings, error)
	SaveCheckUp(ctx context.Context, to db.DestinationKey, orgID, checks string) error
	Mappings(ctx context.Context, to db.DestinationKey) (db.Mappings, error)
	SaveSchema(ctx context.Context, to db.DestinationKey, s db.StoredSchema) error
	StaleSchemas(ctx context.Context, before time.Time) ([]db.DestinationKey, error)
	PauseFields(ctx context.Context, to db.DestinationKey, fields []db.PausedField) error
	ResumeFields(ctx context.Context, to db.DestinationKey, service string, fields []string) error
	DropPausedFields(ctx context.Context, to db.DestinationKey, fields []string) error
}

// Config is what New needs. What is zero gets its default.
type Config struct {
	Store Store
	// Connect returns a destination's CRM. It fails with a *crm.Failure, of class
	// Connection where nothing goes until somebody connects.
	Connect func(ctx context.Context, to db.DestinationKey) (crm.CRM, error)
	Log     *slog.Logger
	// UnsubscribeAddress is where a subscriber leaves with one click; none where it is nil.
	UnsubscribeAddress func(tenantID, subscriberID string) string
	Now                func() time.Time // by the clock that all processes go by; time.Now when nil

	LookEvery time.Duration // how often the database is asked for destinations with due work; 1 s
	Parallel  int           // destinations at a time; 32
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

// Dispatcher delivers to the destinations of all tenants, together with those of
// other processes on the same database.
type Dispatcher struct {
	Config
	owner  string        // of the leases
	signal chan struct{} // something changed for Run to look at

	mu       sync.Mutex
	queue    []db.DestinationKey            // that wait for their turn
	again    map[db.DestinationKey]bool     // queued, running and resting ones; true: woken while running
	of       map[string][]db.DestinationKey // each tenant's, as far as something was due there
	heard    map[string]bool                // tenants that somebody told of
	lookNow  bool                           // the database is to be asked, whenever it was last
	usages   map[db.DestinationKey]usage    // of each destination's API calls, what is yet to be written down
	paces    map[db.DestinationKey]pace     // of each destination's last batch
	vain     map[db.DestinationKey]fruitless
	checkUps sync.WaitGroup // that are under way
	running  int
}

// New returns a Dispatcher, which works while its Run runs.
func New(c Config) *Dispatcher {
	c.setDefaults()
	return &Dispatcher{Config: c, owner: rand.Text(), signal: make(chan struct{}, 1), again: map[db.DestinationKey]bool{}, of: map[string][]db.DestinationKey{}, heard: map[string]bool{}, usages: map[db.DestinationKey]usage{}, paces: map[db.DestinationKey]pace{}, vain: map[db.DestinationKey]fruitless{}}
}

// Wake says that a tenant has something to deliver. It doesn't wait.
func (d *Dispatcher) Wake(tenantID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.of[tenantID]) == 0 {
		d.heard[tenantID] = true
		d.poke()
	}
	for _, to := range d.of[tenantID] {
		d.queueUp(to)
	}
}

// wake has a destination get its turn.
func (d *Dispatcher) wake(to db.DestinationKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.of[to.TenantID], to) {
		d.of[to.TenantID] = append(d.of[to.TenantID], to)
	}
	d.queueUp(to)
}

// forget forgets a destination that was removed.
func (d *Dispatcher) forget(to db.DestinationKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of[to.TenantID] = slices.DeleteFunc(d.of[to.TenantID], func(one db.DestinationKey) bool { return one == to })
	delete(d.paces, to)
	delete(d.usages, to)
	delete(d.vain, to)
}

// queueUp queues a destination, or has the one that is running queue again. The caller holds
// d.mu.
func (d *Dispatcher) queueUp(to db.DestinationKey) {
	if _, known := d.again[to]; known {
		d.again[to] = true
		return
	}
	d.enqueue(to)
}

// enqueue puts a destination at the end of the queue. The caller holds d.mu.
func (d *Dispatcher) enqueue(to db.DestinationKey) {
	d.again[to] = false
	d.queue = append(d.queue, to)
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
	busy := len(d.of[tenantID]) > 0
	for _, to := range d.of[tenantID] {
		if _, known := d.again[to]; known {
			d.again[to] = true
			continue
		}
		busy = false
	}
	if !busy {
		d.heard[tenantID] = true
		d.poke()
	}
}

// Look says that any tenant may have something to deliver. It doesn't wait.
func (d *Dispatcher) Look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lookNow = true
	d.poke()
}

// Resume ends a destination's pause and wakes it: for when its CRM was connected anew.
// How many API calls are used is another org's by then, it may be.
func (d *Dispatcher) Resume(ctx context.Context, to db.DestinationKey) error {
	if err := errors.Join(d.Store.ForgetUsage(ctx, to), d.Store.EndPause(ctx, to)); err != nil {
		return err
	}
	d.wake(to)
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
		for to, ok := d.next(); ok; to, ok = d.next() {
			turns.Go(func() {
				more, rest := d.turn(work, ctx.Done(), to)
				d.done(to, more, rest)
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

// look wakes the destinations that have due work, whoever stored it.
func (d *Dispatcher) look(ctx context.Context) {
	due, err := d.Store.DueDestinations(ctx, d.owner)
	d.found(ctx, due, err)
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
		due, err := d.Store.DueAmong(ctx, d.owner, heard)
		d.found(ctx, due, err)
	}
}

func (d *Dispatcher) found(ctx context.Context, due []db.DestinationKey, err error) {
	if err != nil {
		if ctx.Err() == nil {
			d.Log.ErrorContext(ctx, "looking for subscribers to deliver failed", "error", err)
		}
		return
	}
	for _, to := range due {
		d.wake(to)
	}
}

// next takes the destination whose turn it is, if there is one and room for it.
func (d *Dispatcher) next() (to db.DestinationKey, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 || d.running >= d.Parallel {
		return to, false
	}
	to, d.queue = d.queue[0], d.queue[1:]
	d.again[to] = false
	d.running++
	return to, true
}

// done ends a destination's turn. It queues again at the end when it has more to do,
// so that the others get theirs, after its rest.
func (d *Dispatcher) done(to db.DestinationKey, more bool, rest time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running--
	switch {
	case rest > 0:
		time.AfterFunc(rest, func() { d.rested(to) })
		d.poke()
	case more || d.again[to]:
		d.enqueue(to)
	default:
		delete(d.again, to)
		d.poke()
	}
}

// rested queues a destination that rested. Whoever woke it meanwhile is served by that.
func (d *Dispatcher) rested(to db.DestinationKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.enqueue(to)
}
