package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"gatepost/db"
)

// told are the events of the service log as "kind code", the oldest first.
func (w *world) told() (lines []string) {
	w.t.Helper()
	all, err := w.store.VaultEvents(w.t.Context(), db.VaultEventFilter{}, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range all {
		if e.Service != Salesforce || e.TenantID != w.tenant || e.Identity == "" && e.Handshake == "" || EventMeanings[e.Kind] == "" {
			w.t.Errorf("an event of nothing: %+v", e)
		}
		lines = append(lines, strings.TrimSpace(string(e.Kind)+" "+e.Code))
	}
	return lines
}

func (w *world) wantTold(want ...string) {
	w.t.Helper()
	if lines := w.told(); !slices.Equal(lines, want) {
		w.t.Errorf("the service log has\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// What happens to an authorization and an identity is told by codes, in its order, and
// without a secret: the world looks for those in the whole database.
func TestServiceLogTellsWhatHappened(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	// A refusal at the service, before there is a code.
	cb := w.begin(v)
	cb.Code, cb.Error, cb.ErrorDescription = "", "access_denied", "greg@contoso.example said no"
	if _, err := v.Finish(t.Context(), cb); !errors.As(err, new(*OAuthError)) {
		t.Fatal(err)
	}
	v.Wait()
	i := w.connect(v)
	w.fresh(v, i.Generation)
	v.Wait()
	w.srv.fail("token", 1, says(429, "application/json", `{}`))
	if _, err := w.get(v, w.identity(v).Generation); err == nil {
		t.Fatal("a service that is down gives a credential")
	}
	v.Wait()
	w.skip(lastRetry)
	w.srv.revokeAll()
	_, err := w.get(v, w.identity(v).Generation)
	wantBroken(t, err, "invalid_grant")
	v.Wait()
	w.connect(v)
	v.Wait()
	if _, err := v.End(t.Context(), Salesforce, w.tenant); err != nil {
		t.Fatal(err)
	}
	lines := w.told()
	want := []string{"authorization_begun", "authorization_refused access_denied", "authorization_begun", "connected", "renewed",
		"renewal_failed", "broken invalid_grant", "authorization_begun", "reauthorized", "revocation revoked", "deleted", "revocation revoked"}
	for n, line := range lines {
		if strings.HasPrefix(line, "renewal_failed") {
			lines[n] = "renewal_failed"
		}
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	all, err := w.store.VaultEvents(t.Context(), db.VaultEventFilter{}, 100)
	if err != nil || all[2].Handshake == "" || all[2].Handshake != all[3].Handshake || all[0].Handshake == all[2].Handshake {
		t.Errorf("an authorization and what it led to don't belong together: %+v, %v", all, err)
	}
}

// Whoever asks for a credential that is fresh writes nothing.
func TestFreshCredentialsTellNothing(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	v.Wait()
	before := w.told()
	for range 100 {
		w.fresh(v, 0)
	}
	v.Wait()
	w.wantTold(before...)
}

// brokenLog can't be written.
type brokenLog struct{}

// AddVaultEvent fails.
func (brokenLog) AddVaultEvent(context.Context, db.VaultEvent) error { return errDisk }

// AddCall fails.
func (brokenLog) AddCall(context.Context, db.VaultEvent) error { return errDisk }

// A log that can't be written keeps nothing from being done.
func TestServiceLogThatFailsStopsNothing(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	v.events = brokenLog{}
	i := w.connect(v)
	w.srv.fail("token", 1, says(429, "application/json", `{}`))
	if _, err := w.get(v, i.Generation); err == nil {
		t.Fatal("a service that is down gives a credential")
	}
	w.skip(lastRetry)
	w.fresh(v, i.Generation)
	if ending, err := v.End(t.Context(), Salesforce, w.tenant); ending != Revoked || err != nil {
		t.Errorf("%s, %v", ending, err)
	}
	v.Wait()
	if !strings.Contains(w.log.String(), "the service log lacks an event") {
		t.Error("nobody hears of it")
	}
}
