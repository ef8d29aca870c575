package identity

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"
)

// retryIn is how long an error says to wait from then on.
func retryIn(t *testing.T, err error, from time.Time) time.Duration {
	t.Helper()
	var later *UnavailableError
	if !errors.As(err, &later) {
		t.Fatalf("got %v", err)
	}
	return later.RetryAt.Sub(from.Truncate(time.Millisecond))
}

// Whatever a token end point in trouble does, its callers are told at once when to try
// again, and the settling is left to whoever comes then, or to Run.
func TestNobodyWaitsForASettlement(t *testing.T) {
	for name, f := range map[string]fault{"JSON with 503": json503, "HTML with 503": html503, "HTML with 200": html200, "cut": cutBefore, "nonsense": speakNonsense,
		"busy with it": says(400, "application/json", `{"error":"invalid_grant","error_description":"token request is already being processed"}`)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			i := w.connect(v)
			v.Wait()
			w.srv.fail("token", 1, f)
			began := v.Now()
			_, err := w.get(v, i.Generation)
			if wait := retryIn(t, err, began); wait < v.Timeout || wait > 2*v.Timeout {
				t.Errorf("to be tried after %s", wait)
			}
			if now := w.identity(v); now.CallStartedAt.IsZero() || !now.LeaseUntil.IsZero() || w.srv.count("introspect") != 0 {
				t.Errorf("not left to be settled: %+v, %d introspections", now, w.srv.count("introspect"))
			}
			// Nobody asks: it is settled, and goes on.
			w.due()
			v.endAbandoned(t.Context())
			if now := w.identity(v); now.Generation != i.Generation+1 || !now.CallStartedAt.IsZero() || w.srv.count("introspect") != 1 {
				t.Errorf("settled to %+v, %d introspections", now, w.srv.count("introspect"))
			}
			w.fresh(v, 0)
			w.wantCalls(2)
			w.wantLive(1)
		})
	}
}

// due lets the time pass until the next try, for the database too.
func (w *world) due() {
	w.t.Helper()
	w.skip(5 * ample)
	if _, err := w.store.Writer().Exec(`UPDATE identities SET retry_at = 1`); err != nil {
		w.t.Fatal(err)
	}
}

// The mark survives the process: another one settles the call, and finds what it came to.
func TestAnotherProcessSettles(t *testing.T) {
	w := newWorld(t)
	a, b := w.process(), w.process()
	i := w.connect(a)
	w.srv.fail("token", 1, cutAfter)
	_, err := w.get(a, i.Generation)
	wantUnavailable(t, err, CodeUnanswered)
	_, err = w.get(b, 0)
	wantUnavailable(t, err, CodeUnanswered)
	w.due()
	b.endAbandoned(t.Context())
	_, err = w.get(a, 0)
	wantBroken(t, err, BrokenInterrupted)
	w.wantCalls(1)
}

// While the token end point hangs, callers wait no longer than they have patience, in
// whichever process; the call goes on without them, and what it brings is kept.
func TestWhileTheServiceHangs(t *testing.T) {
	w := newWorld(t)
	a, b := w.process(), w.process()
	i := w.connect(a)
	a.Wait()
	a.Patience, b.Patience = time.Millisecond, time.Millisecond
	g := newGate(false)
	w.srv.fail("token", 1, g.fault)
	_, err := w.get(a, i.Generation)
	if wait := retryIn(t, err, a.Now()); wait < 0 || wait > firstRetry+time.Second {
		t.Errorf("to be tried after %s", wait)
	}
	comes(t, g.entered)
	var callers sync.WaitGroup
	for range 50 {
		for _, v := range []*Vault{a, b} {
			callers.Go(func() {
				_, err := w.get(v, 0)
				wantUnavailable(t, err, CodeUnanswered)
			})
		}
	}
	callers.Wait()
	close(g.open)
	a.Wait()
	b.Wait()
	w.fresh(a, 0)
	w.wantCalls(1)
	w.wantLive(1)
}

// A renewal that nobody needs yet costs nobody time: the token that works is given out.
func TestTokenServesWhileRenewalHangs(t *testing.T) {
	w := newWorld(t)
	w.srv.lifetime = 2 * time.Hour
	v := w.process()
	i := w.connect(v)
	v.Wait()
	w.skip(2*time.Hour - expiryMargin/2)
	v.Patience = time.Millisecond
	g := newGate(false)
	w.srv.fail("token", 1, g.fault)
	c, err := w.get(v, 0)
	if err != nil || c.Generation != i.Generation {
		t.Errorf("generation %d, %v", c.Generation, err)
	}
	close(g.open)
	v.Wait()
}

// A caller whose renewal takes a while, and succeeds, gets what it brought.
func TestNormalRenewalIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	g := newGate(true)
	w.srv.fail("token", 1, g.fault)
	got := make(chan error, 1)
	go func() { _, err := w.get(v, i.Generation); got <- err }()
	comes(t, g.entered)
	close(g.open)
	if err := <-got; err != nil {
		t.Error(err)
	}
	w.wantCalls(1)
}

// Where tokens don't rotate there is nothing to settle.
func TestNothingToSettle(t *testing.T) {
	each(t, func(h habits) bool { return h.lasting && !h.rotates }, func(t *testing.T, s *scene) {
		for _, f := range []fault{html503, html200, cutAfter, cutBefore} {
			i := s.connect()
			s.d.fail(1, f)
			began := s.v.Now()
			_, err := s.get(i.Generation)
			if wait := retryIn(t, err, began); wait < firstRetry || wait > firstRetry+ample {
				t.Errorf("to be tried after %s", wait)
			}
			if now := s.identity(); !now.CallStartedAt.IsZero() {
				t.Error("left to be settled")
			}
			s.skip(2 * ample)
			s.fresh(0)
		}
	})
}

func TestRetryAfterIsHeeded(t *testing.T) {
	answers := func(status int, contentType, body, after string) fault {
		return func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
			w.Header().Set("Retry-After", after)
			says(status, contentType, body)(w, r, nil)
		}
	}
	tests := map[string]struct {
		f    fault
		wait time.Duration
	}{
		"429":              {answers(429, "application/json", `{"error":"slow_down"}`, "120"), 2 * time.Minute},
		"429 with a page":  {answers(429, "text/html", `<html>`, "120"), 2 * time.Minute},
		"503":              {answers(503, "text/html", `<html>`, "120"), 2 * time.Minute},
		"400":              {answers(400, "application/json", `{"error":"temporarily_unavailable"}`, "90"), 90 * time.Second},
		"a date":           {answers(503, "text/html", `<html>`, time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat)), 9 * time.Minute},
		"without bounds":   {answers(429, "application/json", `{}`, "99999999"), longestWait},
		"shorter than our": {answers(429, "application/json", `{}`, "1"), firstRetry},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			i := w.connect(v)
			w.srv.fail("token", 1, test.f)
			began := v.Now()
			_, err := w.get(v, i.Generation)
			if wait := retryIn(t, err, began); wait < test.wait || wait > test.wait+4*ample {
				t.Errorf("to be tried after %s, want %s", wait, test.wait)
			}
		})
	}
}

// A service that refuses to tell of tokens keeps no connection in doubt for ever.
func TestServiceThatDoesNotTell(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	v.Wait()
	w.srv.fail("token", 1, html503)
	w.srv.fail("introspect", 5, says(403, "application/json", `{"error":"unauthorized_client"}`))
	_, err := w.get(v, i.Generation)
	wantUnavailable(t, err, CodeUnanswered)
	w.skip(5 * ample)
	w.fresh(v, 0)
	w.wantCalls(2)
}

// Tokens that live shortly are given out until shortly before their end, and never past it.
func TestShortLivedTokens(t *testing.T) {
	for _, life := range []time.Duration{20 * time.Second, 30 * time.Second, 90 * time.Second} {
		t.Run("told by introspection "+life.String(), func(t *testing.T) {
			w := newWorld(t)
			w.srv.lifetime = life
			v := w.process()
			i := w.connect(v)
			v.Wait()
			if c := w.fresh(v, 0); c.Generation != i.Generation {
				t.Errorf("%s: renewed at once", life)
			}
			w.skip(life - life/8)
			if c := w.fresh(v, 0); c.Generation == i.Generation {
				t.Errorf("%s: given out at its end", life)
			}
			w.wantCalls(1)
		})
	}
	each(t, func(h habits) bool { return h.lasting && h.lifetime > 0 }, func(t *testing.T, s *scene) {
		s.d.lifetime = 40
		i := s.connect()
		if c := s.fresh(0); c.Generation != i.Generation {
			t.Error("renewed at once")
		}
		for n := range 3 {
			s.skip(36 * time.Second)
			if c := s.fresh(0); c.Generation != i.Generation+1+int64(n) {
				t.Errorf("generation %d after %d", c.Generation, i.Generation)
			}
		}
		// One that is as good as over when it comes is given out all the same, once.
		s.d.mu.Lock()
		s.d.lifetime = 1
		s.d.mu.Unlock()
		before := s.d.count("refresh_token")
		s.fresh(s.identity().Generation)
		if n := s.d.count("refresh_token") - before; n != 1 {
			t.Errorf("%d renewals", n)
		}
	})
}
