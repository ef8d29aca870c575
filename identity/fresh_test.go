package identity

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/outbound"
)

// crowd asks for a credential from many goroutines on each vault at once, and
// checks that all of them get the same good one.
func (w *world) crowd(refused int64, vaults ...*Vault) {
	w.t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for _, v := range vaults {
		for range 100 {
			wg.Go(func() {
				c, err := w.get(v, refused)
				if err != nil {
					w.t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[c.AccessToken]++
			})
		}
	}
	wg.Wait()
	for token, n := range got {
		if n != 100*len(vaults) || !w.srv.alive(token) {
			w.t.Errorf("%d callers got the same token, want %d; it works: %v", n, 100*len(vaults), w.srv.alive(token))
		}
	}
}

func TestOneRenewalForAll(t *testing.T) {
	w := newWorld(t)
	a, b := w.process(), w.process()
	i := w.connect(a)
	w.crowd(i.Generation, a, b)
	w.wantCalls(1)
	c := w.fresh(b, 0)
	if c.Generation != i.Generation+1 {
		t.Errorf("generation %d after %d", c.Generation, i.Generation)
	}
	w.fresh(a, i.Generation) // refused before, renewed since
	w.wantCalls(1)
	w.fresh(a, c.Generation)
	w.wantCalls(2)
	w.wantLive(1)
}

func TestServiceSlowerThanTheLease(t *testing.T) {
	w := newWorld(t)
	lease := 200 * time.Millisecond
	a, b := w.process(patience(10*time.Second, lease)), w.process(patience(10*time.Second, lease))
	i := w.connect(a)
	w.srv.fail("token", 1, func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		time.Sleep(3 * lease) // the service's slowness is what is tried
		serve(rw, r)
	})
	w.crowd(i.Generation, a, b)
	w.wantCalls(1)
}

// The lease is lost under a call, and the one who takes it over doesn't call a
// second time, but sees what the first call brought.
func TestLeaseLostUnderACall(t *testing.T) {
	w := newWorld(t)
	a := w.process(func(c *Config) { c.Timeout, c.Lease, c.Store = 20*time.Second, 30*time.Millisecond, deafStore{c.Store} })
	b := w.process(patience(20*time.Second, 50*time.Millisecond))
	i := w.connect(a)
	g := newGate(false)
	w.srv.fail("token", 1, g.fault)
	got := make(chan error, 2)
	go func() { _, err := w.get(a, i.Generation); got <- err }()
	comes(t, g.entered)
	go func() { _, err := w.get(b, i.Generation); got <- err }()
	for owner := ""; owner != b.owner; {
		if err := w.store.Writer().QueryRow(`SELECT lease_owner FROM identities`).Scan(&owner); err != nil {
			t.Fatal(err)
		}
	}
	close(g.open)
	for range 2 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
	w.wantCalls(1)
	w.wantLive(1)
}

// deafStore never extends a lease.
type deafStore struct{ Store }

func (deafStore) ExtendRenewal(context.Context, string, string, time.Duration) error { return errDisk }

func TestCutBeforeTheRotation(t *testing.T) {
	for name, f := range map[string]fault{"cut": cutBefore, "hanging": hang, "HTML": html200, "JSON with 503": json503, "nonsense": speakNonsense} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			timeout := ample
			if name == "hanging" {
				timeout = 5 * time.Second // which passes
			}
			v := w.process(patience(timeout, 2*ample))
			i := w.connect(v)
			settleWithin(v, 100*time.Millisecond)
			w.srv.fail("token", 1, f)
			_, err := w.get(v, i.Generation)
			wantUnavailable(t, err, CodeUnanswered)
			_, err = w.get(v, 0)
			wantUnavailable(t, err, CodeUnanswered) // nobody calls before it is time
			w.wantCalls(1)
			w.skip(firstRetry)
			w.fresh(v, 0)
			w.wantCalls(2)
			if n := w.srv.count("introspect"); n != 1 {
				t.Errorf("asked %d times whether the token is alive", n)
			}
			w.wantLive(1)
		})
	}
}

func TestCutAfterTheRotation(t *testing.T) {
	w := newWorld(t)
	a, b := w.process(), w.process()
	i := w.connect(a)
	settleWithin(a, 100*time.Millisecond)
	w.srv.fail("token", 1, cutAfter)
	_, err := w.get(a, i.Generation)
	wantUnavailable(t, err, CodeUnanswered)
	for range 3 {
		w.skip(time.Hour)
		_, err = w.get(b, 0)
		wantBroken(t, err, BrokenInterrupted)
	}
	w.wantCalls(1)
	w.connect(b)
	w.fresh(a, 0)
}

// The answer is lost, and so is the answer to the question what became of it.
func TestUnknownUntilTheServiceAnswers(t *testing.T) {
	for name, rotated := range map[string]bool{"rotated": true, "not rotated": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			i := w.connect(v)
			settleWithin(v, 100*time.Millisecond)
			w.srv.fail("token", 1, map[bool]fault{true: cutAfter, false: cutBefore}[rotated])
			w.srv.fail("introspect", 3, html503)
			for _, refused := range []int64{i.Generation, 0, 0, 0} {
				_, err := w.get(v, refused)
				wantUnavailable(t, err, CodeUnanswered)
				w.skip(lastRetry)
			}
			w.wantCalls(1)
			if !rotated {
				w.fresh(v, 0)
				w.wantCalls(2)
				return
			}
			_, err := w.get(v, 0)
			wantBroken(t, err, BrokenInterrupted)
			w.wantCalls(1)
		})
	}
}

// A process that is killed during its call leaves the lease and the mark of the call.
func TestRefresherKilled(t *testing.T) {
	for name, rotated := range map[string]bool{"after the rotation": true, "before it": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			i := w.connect(v)
			settleWithin(v, 100*time.Millisecond)
			if _, err := w.store.StartRenewal(t.Context(), i.ID, i.Generation, "killed", 100*time.Millisecond, true); err != nil {
				t.Fatal(err)
			}
			w.skip(2 * v.Patience)
			if !rotated {
				w.fresh(v, 0)
				w.wantCalls(1)
				return
			}
			w.srv.rotateAll()
			_, err := w.get(v, 0)
			wantBroken(t, err, BrokenInterrupted)
			w.wantCalls(0)
		})
	}
}

// A call that the service answers very late is still used: it may have been
// taken for lost meanwhile.
func TestLateSuccessMends(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	g := newGate(true)
	w.srv.fail("token", 1, g.fault)
	got := make(chan error, 1)
	go func() { _, err := w.get(v, i.Generation); got <- err }()
	comes(t, g.entered)
	if err := w.store.BreakIdentity(t.Context(), i.ID, i.Generation, BrokenInterrupted, ""); err != nil {
		t.Fatal(err)
	}
	_, err := w.get(v, 0)
	wantBroken(t, err, BrokenInterrupted)
	close(g.open)
	if err := <-got; err != nil {
		t.Error(err)
	}
	w.fresh(v, 0)
	w.wantCalls(1)
	w.wantLive(1)
}

func TestRefusedRenewals(t *testing.T) {
	tests := map[string]struct {
		fault  fault
		broken string
		passes string
	}{
		"revoked there":     {fault: says(400, "application/json", `{"error":"invalid_grant","error_description":"expired access/refresh token"}`), broken: "invalid_grant"},
		"client gone":       {fault: says(401, "application/json", `{"error":"invalid_client_id"}`), passes: "invalid_client_id"},
		"inactive user":     {fault: says(400, "application/json", `{"error":"inactive_user"}`), broken: "inactive_user"},
		"too many log-ins":  {fault: says(400, "application/json", `{"error":"rate_limit_exceeded"}`), passes: "rate_limit_exceeded"},
		"a code of its own": {fault: says(400, "application/json", `{"error":"server_busy"}`), passes: "server_busy"},
		"no plain code":     {fault: says(400, "application/json", `{"error":"token 5Aep861 is bad"}`), passes: CodeUnknown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			i := w.connect(v)
			w.srv.fail("token", 1, test.fault)
			_, err := w.get(v, i.Generation)
			if test.broken != "" {
				wantBroken(t, err, test.broken)
				w.skip(time.Hour)
				_, err = w.get(v, 0)
				wantBroken(t, err, test.broken)
				w.wantCalls(1)
				return
			}
			wantUnavailable(t, err, test.passes)
			w.skip(firstRetry)
			w.fresh(v, 0)
			if n := w.identity(v); !n.FailedAt.IsZero() || n.FailedCode != "" || w.srv.count("introspect") != 0 {
				t.Errorf("after it: %+v, %d introspections", n, w.srv.count("introspect"))
			}
		})
	}
}

func TestServiceDown(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	v.Wait() // it may still learn when its token runs out
	dead := outbound.Client(outbound.Trust(w.srv.URL))
	dead.Transport = refusedTransport{}
	v.client.http = dead
	_, err := w.get(v, i.Generation)
	wantUnavailable(t, err, CodeUnreachable)
	v.Wait()
	if n := w.identity(v); !n.CallStartedAt.IsZero() || !n.LeaseUntil.IsZero() {
		t.Errorf("a call that was never sent is taken for one: %+v", n)
	}
	v.client.http = v.HTTP
	w.skip(firstRetry)
	w.fresh(v, 0)
	w.wantCalls(1)
}

// refusedTransport can't dial.
type refusedTransport struct{}

func (refusedTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("dial tcp: connection refused")
}

func TestLongTrouble(t *testing.T) {
	for name, f := range map[string]fault{"JSON with 503": json503, "HTML with 200": html200, "cut": cutBefore, "all down": nil} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			i := w.connect(v)
			settleWithin(v, 50*time.Millisecond)
			if f == nil {
				f = html503
				w.srv.fail("introspect", 1000, html503)
			}
			w.srv.fail("token", 1000, f)
			refused := i.Generation
			for passed := time.Duration(0); passed < time.Hour; passed += time.Minute {
				for range 3 {
					_, err := w.get(v, refused)
					wantUnavailable(t, err, CodeUnanswered)
					refused = 0
				}
				w.skip(time.Minute)
			}
			if n := w.srv.count("refresh"); n > 20 || !w.identity(v).BrokenAt.IsZero() {
				t.Errorf("%d calls in an hour, broken %v", n, w.identity(v).BrokenAt)
			}
			w.srv.heal()
			w.skip(lastRetry)
			w.fresh(v, 0)
			w.wantLive(1)
			if w.srv.reused() != 0 {
				t.Error("a token was used twice")
			}
		})
	}
}

func TestCallerGivesUp(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	g := newGate(false)
	w.srv.fail("token", 1, g.fault)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() { _, err := v.Get(ctx, Salesforce, w.tenant, i.Generation); got <- err }()
	comes(t, g.entered)
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(g.open)
	v.Wait()
	if c, err := w.get(v, 0); err != nil || c.Generation != i.Generation+1 {
		t.Errorf("the renewal was given up with its caller: %v", err)
	}
	w.wantCalls(1)
}

func TestChangesUnderARenewal(t *testing.T) {
	for name, after := range map[string]bool{"before the service rotates": false, "after it": true} {
		t.Run("disconnect "+name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			i := w.connect(v)
			got := w.renewUnder(v, i, after, func() {
				if _, err := v.Disconnect(t.Context(), Salesforce, w.tenant); err != nil {
					t.Error(err)
				}
			})
			if !errors.Is(got, ErrNotConnected) {
				t.Errorf("got %v", got)
			}
			w.runRevocations(v)
			w.wantLive(0)
		})
		t.Run("reconnect "+name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			i := w.connect(v)
			var second db.Identity
			if err := w.renewUnder(v, i, after, func() { second = w.connect(v) }); err != nil {
				t.Error(err)
			}
			if n := w.identity(v); n.SealedRefresh != second.SealedRefresh || n.Generation != second.Generation {
				t.Error("the late answer took the newer connection's place")
			}
			w.wantLive(1)
			w.fresh(v, second.Generation)
		})
		t.Run("disconnect and connect "+name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			i := w.connect(v)
			var second db.Identity
			if err := w.renewUnder(v, i, after, func() {
				if _, err := v.Disconnect(t.Context(), Salesforce, w.tenant); err != nil {
					t.Error(err)
				}
				second = w.connect(v)
			}); err != nil {
				t.Error(err)
			}
			w.wantLive(1)
			w.fresh(v, second.Generation)
		})
	}
}

// renewUnder does something while a renewal waits at the service, and returns
// what the renewal's caller gets.
func (w *world) renewUnder(v *Vault, i db.Identity, after bool, do func()) error {
	g := newGate(after)
	w.srv.fail("token", 1, g.fault)
	got := make(chan error, 1)
	go func() { _, err := w.get(v, i.Generation); got <- err }()
	comes(w.t, g.entered)
	do()
	close(g.open)
	err := <-got
	v.Wait()
	return err
}

func TestStoreFailsDuringARenewal(t *testing.T) {
	for _, method := range []string{"StartRenewal", "FinishRenewal", "FailRenewal", "BreakIdentity"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			var s *sickStore
			v := w.process(sick(&s, "", 0))
			i := w.connect(v)
			settleWithin(v, 100*time.Millisecond)
			switch method {
			case "StartRenewal":
				s.left[method] = 1
				if _, err := w.get(v, i.Generation); !errors.Is(err, errDisk) {
					t.Errorf("got %v", err)
				}
				w.wantCalls(0)
				w.fresh(v, i.Generation)
			case "FinishRenewal":
				s.left[method] = 3
				w.fresh(v, i.Generation)
				w.wantCalls(1)
			case "FailRenewal":
				s.left[method] = 1
				w.srv.fail("token", 1, cutBefore)
				if _, err := w.get(v, i.Generation); !errors.Is(err, errDisk) {
					t.Errorf("got %v", err)
				}
				w.endLease()
				w.skip(2 * v.Patience)
				w.fresh(v, 0)
				w.wantCalls(2)
			case "BreakIdentity":
				s.left[method] = 1
				w.srv.fail("token", 1, cutAfter)
				_, err := w.get(v, i.Generation)
				wantUnavailable(t, err, CodeUnanswered)
				w.skip(firstRetry)
				if _, err := w.get(v, 0); !errors.Is(err, errDisk) {
					t.Errorf("got %v", err)
				}
				w.endLease()
				_, err = w.get(v, 0)
				wantBroken(t, err, BrokenInterrupted)
				w.wantCalls(1)
			}
		})
	}
}

// endLease lets the lease run out, which is still held after a renewal whose end
// could not be stored, and kept by nobody.
func (w *world) endLease() {
	w.t.Helper()
	res, err := w.store.Writer().Exec(`UPDATE identities SET lease_until = 1 WHERE lease_until > 0`)
	if err != nil {
		w.t.Fatal(err)
	}
	if n, err := res.RowsAffected(); n != 1 || err != nil {
		w.t.Fatalf("%d leases were held, %v", n, err)
	}
}

func TestInstanceMoves(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	w.srv.mend = func(a map[string]any) { a["instance_url"] = "https://contoso.my.salesforce.com/" }
	if c := w.fresh(v, i.Generation); c.InstanceURL != "https://contoso.my.salesforce.com" {
		t.Errorf("moved to %q", c.InstanceURL)
	}
	w.srv.mend = func(a map[string]any) { delete(a, "instance_url"); delete(a, "scope") }
	if c := w.fresh(v, i.Generation+1); c.InstanceURL != "https://contoso.my.salesforce.com" || w.identity(v).Scopes == "" {
		t.Errorf("moved to %q with scopes %q", c.InstanceURL, w.identity(v).Scopes)
	}
	w.srv.mend = func(a map[string]any) { a["instance_url"] = "https://evil.example" }
	_, err := w.get(v, i.Generation+2)
	wantBroken(t, err, BrokenForeign)
	if n := w.identity(v); n.InstanceURL != "https://contoso.my.salesforce.com" || n.Generation != i.Generation+3 {
		t.Errorf("moved to %q", n.InstanceURL)
	}
	w.srv.mend = nil
	w.connect(v)
	w.wantLive(1) // the rotated token was kept to be revoked
}

func TestServiceThatNeitherRotatesNorIntrospects(t *testing.T) {
	w := newWorld(t)
	w.srv.norotate = true
	v := w.process(func(c *Config) { c.Services[0].IntrospectURL, c.Services[0].Rotates = "", false })
	w.srv.norotate = false
	i := w.connect(v)
	settleWithin(v, 100*time.Millisecond)
	w.srv.norotate = true
	w.srv.fail("token", 1, cutAfter)
	_, err := w.get(v, i.Generation)
	wantUnavailable(t, err, CodeUnanswered)
	w.skip(firstRetry)
	c := w.fresh(v, 0)
	w.fresh(v, c.Generation)
	if w.srv.count("introspect") != 0 {
		t.Error("asked all the same")
	}
}

func TestNextRetry(t *testing.T) {
	now := time.Now()
	var waits []time.Duration
	var i db.Identity
	for range 9 {
		wait := nextRetry(i)
		waits = append(waits, wait)
		i.FailedAt, i.RetryAt = now, now.Add(wait)
	}
	for n, seconds := range []int{5, 10, 20, 40, 80, 160, 300, 300, 300} {
		if waits[n] != time.Duration(seconds)*time.Second {
			t.Errorf("try %d after %s, want %d s", n, waits[n], seconds)
		}
	}
}

// A clock that was set back doesn't make anybody wait for it.
func TestClockSetBack(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	settleWithin(v, 100*time.Millisecond)
	v.Patience = time.Millisecond
	ahead := time.Now().Add(24 * time.Hour).UnixMilli()
	if _, err := w.store.Writer().Exec(`UPDATE identities SET call_started_at = $1, stale = 1 WHERE id = $2`, ahead, i.ID); err != nil {
		t.Fatal(err)
	}
	_, err := w.get(v, 0)
	wantUnavailable(t, err, CodeUnanswered)
	v.Wait()
	v.Patience = ample
	w.skip(firstRetry + 2*v.Timeout)
	w.fresh(v, 0)
	w.wantCalls(1)
}
