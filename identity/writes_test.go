package identity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/db/dbtest"
)

// flow is something that a process does, with its writes failing.
type flow struct {
	prepare func(s *schedule, p *process)
	do      func(ctx context.Context, s *schedule, p *process) error
}

// refused asks for another credential than the present one.
func refused(ctx context.Context, s *schedule, p *process) error {
	i, err := p.Identity(ctx, Salesforce, s.tenant)
	if err != nil {
		return err
	}
	_, err = p.Get(ctx, Salesforce, s.tenant, i.Generation)
	return err
}

func connected(s *schedule, p *process) { s.connect(p.Vault) }

func setOwn(ctx context.Context, s *schedule, p *process) error {
	return p.SetTenantApp(ctx, Salesforce, s.tenant, ServiceChange{ClientID: new(clientID), ClientSecret: new(clientSecret)})
}

func ownConnected(s *schedule, p *process) {
	if err := setOwn(s.t.Context(), s, p); err != nil {
		s.t.Fatal(err)
	}
	s.connect(p.Vault)
}

func held(s *schedule, p *process) {
	s.connect(p.Vault)
	s.srv.switchOrg()
	if err := s.finishConnect(s.t.Context(), p); !errors.Is(err, ErrHeld) {
		s.t.Fatal(err)
	}
}

func spoilt(end string, f fault) func(*schedule, *process) {
	return func(s *schedule, p *process) {
		s.connect(p.Vault)
		s.srv.fail(end, 1, f)
	}
}

var flows = map[string]flow{
	"connect":   {func(*schedule, *process) {}, func(ctx context.Context, s *schedule, p *process) error { return s.finishConnect(ctx, p) }},
	"reconnect": {connected, func(ctx context.Context, s *schedule, p *process) error { return s.finishConnect(ctx, p) }},
	"hold": {connected, func(ctx context.Context, s *schedule, p *process) error {
		s.srv.switchOrg()
		return s.finishConnect(ctx, p)
	}},
	"hold again": {held, func(ctx context.Context, s *schedule, p *process) error { return s.finishConnect(ctx, p) }},
	"confirm": {held, func(ctx context.Context, s *schedule, p *process) error {
		return p.Confirm(ctx, Salesforce, s.tenant, s.heldID())
	}},
	"decline": {held, func(ctx context.Context, s *schedule, p *process) error {
		return p.Decline(ctx, Salesforce, s.tenant, s.heldID())
	}},
	"disconnect": {held, func(ctx context.Context, s *schedule, p *process) error {
		_, err := p.Disconnect(ctx, Salesforce, s.tenant)
		return err
	}},
	"refresh":                      {connected, refused},
	"refresh, slowly":              {spoilt("token", late(4*time.Second, true)), refused},
	"refresh, refused":             {func(s *schedule, p *process) { s.connect(p.Vault); s.srv.revokeAll() }, refused},
	"refresh, cut before":          {spoilt("token", cutBefore), refused},
	"refresh, cut after":           {spoilt("token", cutAfter), refused},
	"refresh, after one that died": {abandoned, refused},
	"refresh, disconnected meanwhile": {spoilt("token", late(3*time.Second, true)), func(ctx context.Context, s *schedule, p *process) error {
		s.do(func(ctx context.Context) {
			time.Sleep(time.Second)
			_, _ = s.processes[1].Disconnect(ctx, Salesforce, s.tenant)
		})
		return refused(ctx, s, p)
	}},
	"keep alive": {func(s *schedule, p *process) { s.connect(p.Vault); s.dueNow() }, func(ctx context.Context, _ *schedule, p *process) error { return p.KeepAlive(ctx) }},
	"set the app": {connected, func(ctx context.Context, _ *schedule, p *process) error {
		return p.SetService(ctx, Salesforce, ServiceChange{ClientID: new(clientID), ClientSecret: new(clientSecret)})
	}},
	"set the own app":         {ownConnected, setOwn},
	"refresh, by the own app": {ownConnected, refused},
	"write uses": {connected, func(ctx context.Context, s *schedule, p *process) error {
		_, err := p.Get(ctx, Salesforce, s.tenant, 0)
		p.recordUses(ctx)
		return err
	}},
}

// abandoned leaves a renewal behind that was begun by a process that died.
func abandoned(s *schedule, p *process) {
	i := s.connect(p.Vault)
	if _, err := s.store.StartRenewal(s.t.Context(), i.ID, i.Generation, "killed", time.Second, true); err != nil {
		s.t.Fatal(err)
	}
}

// TestEveryWriteFails fails each write of each flow: so that nothing is written,
// and so that it is and nobody learns of it; once, and for as long as the
// process lives. When the disk works again the promises must hold.
func TestEveryWriteFails(t *testing.T) {
	dbtest.SQLiteOnly(t, "virtual time, which a server doesn't go by")
	dbtest.Path(t) // makes the template before the bubble
	for name, f := range flows {
		var methods []string
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { methods = f.run(t, "", false, false) })
		})
		for _, method := range methods {
			for n := range 4 {
				after, lasts := n&1 == 1, n&2 == 2
				t.Run(fmt.Sprintf("%s/%s, committed %v, for ever %v", name, method, after, lasts), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { f.run(t, method, after, lasts) })
				})
			}
		}
	}
}

// heldID is the id of what waits to be confirmed.
func (s *schedule) heldID() string {
	h, err := s.store.Held(s.t.Context(), Salesforce, s.tenant)
	if err != nil {
		s.t.Error(err)
	}
	return h.ID
}

// run goes through the flow with a method failing, and returns which methods of
// the store were called.
func (f flow) run(t *testing.T, sick string, after, lasts bool) []string {
	s := newSchedule(t, 1)
	s.renewals = 10
	p := s.processes[0]
	f.prepare(s, p)
	p.Wait()
	s.skip(2 * time.Minute) // a use in another minute than the connecting
	p.mu.Lock()
	p.sick, p.late, p.lasts, p.asked = sick, after, lasts, map[string]bool{}
	p.mu.Unlock()
	if err := f.do(t.Context(), s, p); !typed(err) {
		t.Errorf("the error is of no type: %v", err)
	}
	s.doing.Wait()
	p.Wait()
	p.mu.Lock() // a lease may still be kept
	asked := slices.Collect(maps.Keys(p.asked))
	p.mu.Unlock()
	// A token that came and could not be stored for a minute is lost, as with the
	// process: nobody can revoke what nobody has.
	if lasts && sick == "FinishRenewal" {
		p.dead.Store(true)
	}
	s.quiesce()
	s.check()
	if h, err := s.store.Held(t.Context(), Salesforce, s.tenant); err == nil && !s.srv.current(s.opened(s.processes[1], h.Grant)) {
		t.Error("what waits to be confirmed is revoked")
	}
	if t.Failed() {
		t.Log(s.log)
	}
	return asked
}

// typed reports whether a caller can tell what an error means.
func typed(err error) bool {
	for _, known := range []error{nil, errDisk, ErrNotConnected, ErrHeld, ErrChanged} {
		if errors.Is(err, known) {
			return true
		}
	}
	var broken *BrokenError
	var unavailable *UnavailableError
	return errors.As(err, &broken) || errors.As(err, &unavailable)
}
