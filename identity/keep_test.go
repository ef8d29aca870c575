package identity

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/db"
)

func (w *world) wantExpiries(n int) {
	w.t.Helper()
	if got := w.srv.count("expiry"); got != n {
		w.t.Errorf("asked %d times when a token runs out, want %d", got, n)
	}
}

func TestNotServedPastItsEnd(t *testing.T) {
	w := newWorld(t)
	w.srv.lifetime = 2 * time.Hour
	a, b := w.process(), w.process()
	w.connect(a)
	a.Wait()
	w.wantExpiries(1)
	i := w.identity(a)
	if left := time.Until(i.ExpiresAt); left < 119*time.Minute || left > 2*time.Hour {
		t.Fatalf("expires in %v", left)
	}
	w.skip(2*time.Hour - expiryMargin - 10*time.Second)
	if c := w.fresh(a, 0); c.Generation != i.Generation {
		t.Error("renewed too early")
	}
	w.wantCalls(0)
	w.wantExpiries(1)
	w.skip(20 * time.Second)
	w.srv.mu.Lock()
	w.srv.lifetime = 6 * time.Hour // the vaults' clock is ahead
	w.srv.mu.Unlock()
	w.crowd(0, a, b)
	a.Wait()
	b.Wait()
	w.wantCalls(1)
	w.wantExpiries(2)
	if again := w.identity(b); again.Generation != i.Generation+1 || !again.ExpiresAt.After(i.ExpiresAt) {
		t.Errorf("renewed to %+v", again)
	}
	w.crowd(0, a, b)
	w.wantCalls(1)
	w.wantExpiries(2)
}

// Without an end that is known, the service's refusal tells.
func TestEndNotKnown(t *testing.T) {
	tests := map[string]func(s *oauthServer){
		"not told":     func(*oauthServer) {},
		"out of order": func(s *oauthServer) { s.fail("expiry", 9, html503) },
		"no number": func(s *oauthServer) {
			s.fail("expiry", 9, says(200, "application/json", `{"active":true,"exp":"soon"}`))
		},
		"over already":  func(s *oauthServer) { s.lifetime = time.Second },
		"cut":           func(s *oauthServer) { s.fail("expiry", 9, cutBefore) },
		"a huge answer": func(s *oauthServer) { s.fail("expiry", 9, tooMuch) },
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			prepare(w.srv)
			v := w.process()
			i := w.connect(v)
			v.Wait()
			w.wantExpiries(1)
			if i = w.identity(v); !i.ExpiresAt.IsZero() {
				t.Errorf("expires at %v", i.ExpiresAt)
			}
			w.skip(24 * time.Hour)
			w.fresh(v, 0)
			w.wantCalls(0)
			w.fresh(v, i.Generation)
			w.wantCalls(1)
			v.Wait()
			w.wantExpiries(2)
		})
	}
}

// dueNow makes the connection due to be kept alive.
func (w *world) dueNow() {
	w.t.Helper()
	if _, err := w.store.Writer().ExecContext(w.t.Context(), `UPDATE identities SET keep_alive_at = 1`); err != nil {
		w.t.Fatal(err)
	}
}

func TestKeepAlive(t *testing.T) {
	w := newWorld(t)
	a, b := w.process(), w.process()
	i := w.connect(a)
	keep := func(v *Vault) {
		t.Helper()
		if err := v.KeepAlive(t.Context()); err != nil {
			t.Error(err)
		}
	}
	keep(a)
	w.wantCalls(0)
	w.dueNow()
	done := make(chan error, 1)
	go func() { done <- b.KeepAlive(t.Context()) }()
	keep(a)
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.wantCalls(1)
	again := w.identity(a)
	if again.Generation != i.Generation+1 || time.Until(again.KeepAliveAt) < 4*24*time.Hour || !again.UsedAt.IsZero() {
		t.Errorf("kept alive: %+v", again)
	}
	keep(a)
	w.wantCalls(1)

	settleWithin(a, 100*time.Millisecond)
	w.dueNow()
	w.srv.fail("token", 1, json503)
	keep(a) // passing: tried again when it is time, and no error of the job's
	keep(a)
	w.wantCalls(2)
	if i := w.identity(a); !i.BrokenAt.IsZero() || i.FailedAt.IsZero() {
		t.Errorf("after a failure: %+v", i)
	}
}

func TestKeepAliveOfADeadOne(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	w.dueNow()
	w.srv.fail("token", 1, says(400, "application/json", `{"error":"invalid_grant","error_description":"expired access/refresh token"}`))
	for range 2 {
		if err := v.KeepAlive(t.Context()); err != nil {
			t.Error(err)
		}
	}
	w.wantCalls(1)
	_, err := w.get(v, 0)
	wantBroken(t, err, "invalid_grant")
}

func TestLastUse(t *testing.T) {
	w := newWorld(t)
	var s *sickStore
	v := w.process(sick(&s, "Used", 0))
	w.connect(v)
	w.fresh(v, 0)
	if i := w.identity(v); !i.UsedAt.IsZero() {
		t.Errorf("written at once: %v", i.UsedAt)
	}
	v.recordUses(t.Context())
	first := w.identity(v).UsedAt
	if since := time.Since(first); since < 0 || since > 3*time.Minute || first.UnixMilli()%60_000 != 0 {
		t.Errorf("used at %v", first)
	}
	w.skip(time.Hour)
	w.fresh(v, 0)
	s.left = map[string]int{"Used": 1}
	v.recordUses(t.Context())
	v.recordUses(t.Context()) // what failed to be written is
	if at := w.identity(v).UsedAt; at.Sub(first) < 59*time.Minute {
		t.Errorf("used at %v, then at %v", first, at)
	}
	if n := len(v.uses.take()); n != 0 {
		t.Errorf("%d uses are kept in memory", n)
	}
}

// Uses are written each minute, and what is left when it ends.
func TestUsesAreWrittenEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &useStore{}
		v := newVault(Config{Store: store})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { v.RunBesideJobs(ctx); close(ended) }()
		v.uses.note(db.Identity{Grant: db.Grant{ID: "a"}}, time.Now())
		v.uses.note(db.Identity{Grant: db.Grant{ID: "b"}}, time.Now())
		time.Sleep(61 * time.Second) // of the bubble's clock
		synctest.Wait()
		if len(store.writes) != 1 || len(store.writes[0]) != 2 {
			t.Errorf("after a minute: %v", store.writes)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(store.writes) != 1 {
			t.Errorf("without a use: %v", store.writes)
		}
		v.uses.note(db.Identity{Grant: db.Grant{ID: "a"}}, time.Now())
		stop()
		<-ended
		if len(store.writes) != 2 || len(store.writes[1]) != 1 {
			t.Errorf("at the end: %v", store.writes)
		}
	})
}

type useStore struct {
	fullStore
	writes []map[string]time.Time
}

func (s *useStore) Used(ctx context.Context, at map[string]time.Time) error {
	s.writes = append(s.writes, at)
	return ctx.Err()
}

// A renewal that nobody needs yet must not cost the token that still works.
func TestTokenServesWhileRenewalFails(t *testing.T) {
	tests := map[string]struct {
		due  func(w *world, v *Vault) error
		ends bool
	}{
		"kept alive": {func(w *world, v *Vault) error { w.dueNow(); return v.KeepAlive(w.t.Context()) }, false},
		"running out": {func(w *world, v *Vault) error {
			w.skip(2*time.Hour - expiryMargin/2)
			_, err := w.get(v, 0)
			return err
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.srv.lifetime = 2 * time.Hour
			v := w.process()
			i := w.connect(v)
			settleWithin(v, 100*time.Millisecond)
			w.srv.fail("token", 1, json503)
			if err := test.due(w, v); err != nil {
				t.Error(err)
			}
			w.wantCalls(1)
			if c := w.fresh(v, 0); c.Generation != i.Generation {
				t.Error("another token")
			}
			w.wantCalls(1)
			if !test.ends {
				_, err := w.get(v, i.Generation) // refused all the same: it is not to be had any more
				wantUnavailable(t, err, w.identity(v).FailedCode)
				return
			}
			w.skip(expiryMargin)
			if c := w.fresh(v, 0); c.Generation == i.Generation {
				t.Error("served past its end")
			}
		})
	}
}

// A renewal whose process was killed is ended although nobody asks.
func TestAbandonedRenewalIsEnded(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	settleWithin(v, 100*time.Millisecond)
	if _, err := w.store.StartRenewal(t.Context(), i.ID, i.Generation, "killed", time.Millisecond, false); err != nil {
		t.Fatal(err)
	}
	w.skip(2 * v.Patience)
	w.srv.rotateAll()
	for w.identity(v).BrokenAt.IsZero() {
		v.endAbandoned(t.Context())
	}
	_, err := w.get(v, 0)
	wantBroken(t, err, BrokenInterrupted)
	w.wantCalls(0)
}

func (s *useStore) AbandonedRenewals(context.Context, int) ([]db.IdentityKey, error) { return nil, nil }

// However many connections can't be renewed, since their service has no app any
// more, they keep no other from being kept alive.
func TestKeepAlivePastThoseThatCantBe(t *testing.T) {
	w := newWorld(t)
	v := w.process(func(c *Config) { c.Services = append(c.Services, hubSpot) })
	w.connect(v)
	v.Wait()
	var b Bundle
	for n := range keepAliveBatch {
		b.Identities = append(b.Identities, Movable{Service: "hubspot", Tenant: "contoso", User: strconv.Itoa(n), LoginURL: hubSpot.LoginURL, Native: []byte("{}"),
			ConnectedAt: time.Now(), RefreshedAt: time.Now(), AccessToken: "a", RefreshToken: "r"})
	}
	w.importing(v, b, ImportOptions{})
	if _, err := w.store.Writer().Exec(`UPDATE identities SET keep_alive_at = CASE service WHEN 'hubspot' THEN 1 ELSE 2 END`); err != nil {
		t.Fatal(err)
	}
	wantError(t, "it tells of them", v.KeepAlive(t.Context()), ErrNoApp)
	w.wantCalls(1)
}
