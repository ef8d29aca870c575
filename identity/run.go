package identity

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// chore is something that a vault does by itself, again and again.
type chore struct {
	every  time.Duration
	atOnce bool // and as soon as it runs, since a process may not live that long
	do     func(context.Context) error
	failed string // what is logged of a failure
}

// ownChores are those of each process.
func (v *Vault) ownChores() []chore {
	return []chore{
		{5 * time.Second, false, v.endAbandoned, "renewals that were cut off can't be ended"},
		{time.Minute, false, v.recordUses, "when connections were used can't be written"},
	}
}

// sharedChores are those that one process could do for all.
func (v *Vault) sharedChores() []chore {
	tries := map[string]tried{}
	return []chore{
		{10 * time.Minute, true, v.KeepAlive, "connections can't be kept alive"},
		{firstTry, true, func(ctx context.Context) error { return v.revokeDue(ctx, tries) }, "what has yet to be revoked can't be read"},
		{time.Minute, true, v.optional.SweepVault, "what has run out can't be put away"},
	}
}

// Run does all that a vault does by itself, until ctx ends or the vault is closed: it settles renewals that
// were cut off, also those of a process that was killed, writes down when identities were used, keeps those
// alive that nobody uses, tries for a week to revoke what could not be revoked at once, and puts away what has
// run out. Any number of processes may run on one store: of all of them one renews an identity, and a token
// that two revoke is revoked. So Run does no harm beside a server (gatepost serve) on the same database.
func (v *Vault) Run(ctx context.Context) { v.run(ctx, append(v.ownChores(), v.sharedChores()...)) }

// RunBesideJobs is Run for a process that runs package jobs: these keep alive, revoke and put away, by the same
// methods, in one process for all.
func (v *Vault) RunBesideJobs(ctx context.Context) { v.run(ctx, v.ownChores()) }

func (v *Vault) run(ctx context.Context, chores []chore) {
	ctx, end, ok := v.begin(ctx)
	if !ok {
		return
	}
	defer end()
	var loops sync.WaitGroup
	for _, c := range chores {
		loops.Go(func() {
			if c.atOnce {
				v.try(ctx, c)
			}
			for pause(ctx, c.every) == nil {
				v.try(ctx, c)
			}
		})
	}
	loops.Wait()
	v.try(context.WithoutCancel(ctx), chore{do: v.recordUses, failed: "when connections were used can't be written"})
}

// try does a chore once; a failure is logged, unless it is that the vault ends.
func (v *Vault) try(ctx context.Context, c chore) {
	if err := c.do(ctx); err != nil && ctx.Err() == nil {
		v.Log.ErrorContext(ctx, c.failed, "error", err)
	}
}

// begin is the context of something that Close ends and waits for; ok is false when the vault is closed.
func (v *Vault) begin(ctx context.Context) (_ context.Context, end func(), ok bool) {
	v.closing.Lock()
	defer v.closing.Unlock()
	if v.life.Err() != nil {
		return ctx, nil, false
	}
	v.loops.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(v.life, cancel)
	return ctx, func() { stop(); cancel(); v.loops.Done() }, true
}

// Close ends Run, waits for renewals and what else is under way, and closes what Open opened.
func (v *Vault) Close() error {
	v.closing.Lock()
	v.die()
	v.closing.Unlock()
	v.loops.Wait()
	v.Wait()
	if v.closeStore == nil {
		return nil
	}
	return v.closeStore()
}

func (v *Vault) endAbandoned(ctx context.Context) error {
	return v.renewAll(ctx, v.Store.AbandonedRenewals)
}

func (v *Vault) recordUses(ctx context.Context) error {
	at := v.uses.take()
	if len(at) == 0 {
		return nil
	}
	err := v.optional.Used(ctx, at)
	if err != nil {
		v.uses.putBack(at)
	}
	return err
}

// A revocation that failed is tried again after a while, then twice as long each time.
const (
	firstTry = 30 * time.Second
	lastTry  = time.Hour
)

// tried is how often a revocation has failed, and when it is tried again.
type tried struct {
	failures int
	again    time.Time
}

// How many revocations are looked up at once.
const revokeBatch = 100

// revokeDue tries once to revoke each token that has yet to be revoked and whose time has come. tries is what was
// tried before, in this process.
func (v *Vault) revokeDue(ctx context.Context, tries map[string]tried) error {
	left := map[string]bool{}
	for after := ""; ; {
		ids, err := v.Store.RevocationsDue(ctx, after, revokeBatch)
		if err != nil {
			return err
		}
		for _, id := range ids {
			left[id] = true
		}
		v.revokeBatch(ctx, ids, tries)
		if len(ids) < revokeBatch || ctx.Err() != nil {
			break
		}
		after = ids[len(ids)-1]
	}
	for id := range tries {
		if !left[id] {
			delete(tries, id)
		}
	}
	return nil
}

func (v *Vault) revokeBatch(ctx context.Context, ids []string, tries map[string]tried) {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(revokeParallel)
	for _, id := range ids {
		mu.Lock()
		before := tries[id]
		mu.Unlock()
		if v.Now().Before(before.again) {
			continue
		}
		g.Go(func() error {
			err := v.Revoke(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			if err == nil || ctx.Err() != nil {
				delete(tries, id)
				return nil
			}
			v.Log.WarnContext(ctx, "a revocation is pending", "revocation", id, "error", err)
			tries[id] = tried{before.failures + 1, v.Now().Add(min(firstTry<<min(before.failures, 7), lastTry))}
			return nil
		})
	}
	_ = g.Wait()
}
