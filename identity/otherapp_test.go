package identity

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
)

const otherClient, otherSecret = "another-client", "the-other-client's-secret"

// otherProcess is one whose environment has another app at the service.
func (w *world) otherProcess() *Vault {
	w.t.Helper()
	w.srv.mu.Lock()
	w.srv.clients[otherClient] = otherSecret
	w.srv.secrets = append(w.srv.secrets, otherSecret)
	w.srv.mu.Unlock()
	return w.process(func(c *Config) {
		c.Services = []Service{SalesforceService(otherClient, otherSecret, redirectURI, w.srv.URL)}
	})
}

// setClient is what the operator does with gatepost service set.
func (w *world) setClient(v *Vault, id, secret string) {
	w.t.Helper()
	if err := v.SetService(w.t.Context(), Salesforce, ServiceChange{ClientID: &id, ClientSecret: &secret}); err != nil {
		w.t.Fatal(err)
	}
}

// calls are all that the service was asked.
func (w *world) calls() int {
	return w.srv.count("token") + w.srv.count("introspect") + w.srv.count("revoke") + w.srv.count("expiry")
}

// Two processes with two apps on one database break nothing of each other's, and make
// no call with the wrong one.
func TestProcessesWithTwoApps(t *testing.T) {
	w := newWorld(t)
	one, two := w.process(), w.otherProcess()
	i := w.connect(one)
	eves := w.connectAs(two, "eve", "")
	one.Wait()
	two.Wait()
	if i.ClientID != clientID || eves.ClientID != otherClient {
		t.Errorf("made with %q and %q", i.ClientID, eves.ClientID)
	}
	before := w.calls()
	_, err := w.get(two, i.Generation)
	wantUnavailable(t, err, CodeOtherApp)
	if later := new(UnavailableError); !errors.As(err, &later) || !later.RetryAt.After(time.Now()) || later.RetryAt.After(time.Now().Add(time.Hour)) {
		t.Errorf("again at %v", later.RetryAt)
	}
	_, err = one.GetByID(t.Context(), eves.ID, eves.Generation)
	wantUnavailable(t, err, CodeOtherApp)
	if n := w.calls(); n != before {
		t.Errorf("%d calls with the wrong app", n-before)
	}
	// Each goes on with its own, and then a token is anybody's.
	c := w.fresh(one, i.Generation)
	if again := w.fresh(two, 0); again.AccessToken != c.AccessToken {
		t.Error("two doesn't give out what one renewed")
	}
	if _, err := two.GetByID(t.Context(), eves.ID, eves.Generation); err != nil {
		t.Error(err)
	}
	w.wantLive(2)
}

// What is due in the background in a process with another app ends, and is told; it
// stays due for the right one.
func TestKeepAliveWithAnotherApp(t *testing.T) {
	w := newWorld(t)
	one, two := w.process(), w.otherProcess()
	i := w.connect(one)
	one.Wait()
	if _, err := w.store.Writer().Exec(`UPDATE identities SET keep_alive_at = 1`); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, two.KeepAlive(t.Context()), CodeOtherApp)
	if now := w.identity(one); now.Generation != i.Generation || !now.FailedAt.IsZero() || !now.RetryAt.IsZero() || w.srv.count("refresh") != 0 {
		t.Errorf("%+v", now)
	}
	if err := one.KeepAlive(t.Context()); err != nil || w.identity(one).Generation == i.Generation {
		t.Errorf("not renewed: %v", err)
	}
}

// Once the operator has stored another client id, connections of the old one say so,
// and go on when it is set back.
func TestOperatorStoresAnotherApp(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.otherProcess()
	i := w.connect(v)
	v.Wait()
	before := w.calls()
	w.setClient(v, otherClient, otherSecret)
	if now := w.identity(v); now.BrokenCode != BrokenOtherApp || now.BrokenAt.IsZero() {
		t.Errorf("broken by %q", now.BrokenCode)
	}
	_, err := w.get(v, i.Generation)
	wantBroken(t, err, BrokenOtherApp)
	if n := w.calls(); n != before {
		t.Errorf("%d calls", n-before)
	}
	if n, err := v.MadeWithOtherApp(t.Context(), Salesforce, ""); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	w.setClient(v, clientID, clientSecret)
	w.fresh(v, i.Generation)
	// Taken back, the environment's counts again.
	w.setClient(v, otherClient, otherSecret)
	if err := v.SetService(t.Context(), Salesforce, ServiceChange{ClientID: new(""), ClientSecret: new("")}); err != nil {
		t.Fatal(err)
	}
	i = w.identity(v)
	w.fresh(v, i.Generation)
	// Reconnecting makes it the new one's.
	v.Wait()
	w.setClient(v, otherClient, otherSecret)
	if now := w.connect(v); now.ClientID != otherClient || !now.BrokenAt.IsZero() {
		t.Errorf("reconnected: %+v", now)
	}
	w.fresh(v, 0)
}

// A renewal that is under way when another app is stored keeps what it brought.
func TestAnotherAppUnderARenewal(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.otherProcess()
	i := w.connect(v)
	v.Wait()
	arrived, goOn := heldUp(w)
	done := make(chan error)
	go func() {
		_, err := w.get(v, i.Generation)
		done <- err
	}()
	comes(t, arrived)
	w.setClient(v, otherClient, otherSecret)
	close(goOn)
	wantBroken(t, <-done, BrokenOtherApp)
	if now := w.identity(v); now.Generation != i.Generation+1 || now.ClientID != clientID {
		t.Errorf("generation %d of %q", now.Generation, now.ClientID)
	}
	w.setClient(v, clientID, clientSecret)
	w.fresh(v, 0)
	w.wantCalls(1)
}

// The app that made a connection of an earlier release is known from its first success
// on.
func TestClientIsLearned(t *testing.T) {
	w := newWorld(t)
	v, two := w.process(), w.otherProcess()
	i := w.connect(v)
	v.Wait()
	w.forgetHashes()
	w.fresh(v, i.Generation)
	if now := w.identity(v); now.ClientID != clientID {
		t.Errorf("learned %q", now.ClientID)
	}
	_, err := w.get(two, i.Generation+1)
	wantUnavailable(t, err, CodeOtherApp)
}

// Everything that an app began ends with it alone, or not at all.
func TestOtherAppEndsNothing(t *testing.T) {
	tests := map[string]func(t *testing.T, w *world, one, two *Vault){
		"a handshake of the other process": func(t *testing.T, w *world, one, two *Vault) {
			cb, before := w.begin(one), w.calls()
			_, err := two.Finish(t.Context(), cb)
			wantOAuth(t, err, BrokenOtherApp)
			if w.calls() != before {
				t.Error("the code was sent with the wrong app")
			}
		},
		"a handshake before another app was stored": func(t *testing.T, w *world, one, _ *Vault) {
			cb := w.begin(one)
			w.setClient(one, otherClient, otherSecret)
			before := w.calls()
			_, err := one.Finish(t.Context(), cb)
			wantOAuth(t, err, BrokenOtherApp)
			if w.calls() != before {
				t.Error("the code was sent with the wrong app")
			}
		},
		"what is held, when another app is stored": func(t *testing.T, w *world, one, _ *Vault) {
			_, h := w.hold(one)
			w.setClient(one, otherClient, otherSecret)
			if h.ClientID != clientID {
				t.Errorf("held with %q", h.ClientID)
			}
			if err := one.Confirm(t.Context(), Salesforce, w.tenant, h.ID); !errors.Is(err, ErrChanged) {
				t.Errorf("confirmed: %v", err)
			}
		},
		"a revocation that wants the client": func(t *testing.T, w *world, one, two *Vault) {
			w.connect(one)
			one.Wait()
			w.srv.mu.Lock()
			w.srv.strict = true
			w.srv.mu.Unlock()
			if ending, err := two.End(t.Context(), Salesforce, w.tenant); ending != Pending || err != nil {
				t.Errorf("ended %q, %v", ending, err)
			}
			if w.srv.got(otherSecret) {
				t.Error("revoked as the wrong app")
			}
			w.runRevocations(one)
			w.wantLive(0)
		},
		"an own app that gets another client id": func(t *testing.T, w *world, one, _ *Vault) {
			w.ownApp(one)
			i := w.connect(one)
			one.Wait()
			if i.ClientID != ownID {
				t.Errorf("made with %q", i.ClientID)
			}
			w.setApp(one, w.tenant, otherClient, otherSecret)
			before := w.calls()
			_, err := w.get(one, i.Generation)
			wantBroken(t, err, BrokenOtherApp)
			if w.calls() != before {
				t.Error("called with the wrong app")
			}
			w.setApp(one, w.tenant, ownID, ownSecret)
			w.fresh(one, i.Generation)
		},
		"an import that says who made it": func(t *testing.T, w *world, one, two *Vault) {
			w.connect(one)
			b := w.export(one, Selector{})
			if b.Identities[0].ClientID != clientID {
				t.Errorf("exported with %q", b.Identities[0].ClientID)
			}
			raw, err := json.Marshal(b)
			if err == nil {
				err = json.Unmarshal(raw, &b)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := one.Forget(t.Context(), Selector{TenantID: w.tenant}); err != nil {
				t.Fatal(err)
			}
			w.importing(two, b, ImportOptions{})
			_, err = w.get(two, w.identity(two).Generation)
			wantUnavailable(t, err, CodeOtherApp)
			w.fresh(one, w.identity(one).Generation)
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			test(t, w, w.process(), w.otherProcess())
		})
	}
}

// Approvals of another app don't count for this one's limit.
func TestApprovalsOfAnApp(t *testing.T) {
	w := newWorld(t)
	one, two := w.process(), w.otherProcess()
	i := w.connect(one)
	w.connectAs(two, "eve", "")
	if c := w.connection(one); c.Approvals != 1 || c.ApprovalLimit != 5 {
		t.Errorf("%d approvals of %d", c.Approvals, c.ApprovalLimit)
	}
	if _, err := w.store.Writer().Exec(`UPDATE identities SET client_id = '' WHERE id = $1`, i.ID); err != nil {
		t.Fatal(err)
	}
	if c := w.connection(one); c.Approvals != 2 {
		t.Errorf("%d approvals of an app that isn't known", c.Approvals)
	}
}
