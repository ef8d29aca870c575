package identity

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDisconnect(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	if _, err := v.Disconnect(t.Context(), Salesforce, w.tenant); !errors.Is(err, ErrNotConnected) {
		t.Errorf("nothing to disconnect: %v", err)
	}
	w.connect(v)
	other, _ := w.addTenant("fabrikam")
	if _, err := v.Disconnect(t.Context(), Salesforce, other); !errors.Is(err, ErrNotConnected) {
		t.Errorf("another tenant: %v", err)
	}
	w.fresh(v, 0)
	if revoked, err := v.Disconnect(t.Context(), Salesforce, w.tenant); !revoked || err != nil {
		t.Errorf("revoked %v, %v", revoked, err)
	}
	if _, err := w.get(v, 0); !errors.Is(err, ErrNotConnected) {
		t.Errorf("still connected: %v", err)
	}
	w.wantLive(0)
}

func TestDisconnectWithTheServiceDown(t *testing.T) {
	for name, f := range map[string]fault{"cut": cutBefore, "HTML with 503": html503, "JSON with 503": json503,
		"400 without a code": says(400, "text/html", "<html>"), "sent elsewhere": says(302, "", ""), "nonsense": speakNonsense} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			w.connect(v)
			w.srv.fail("revoke", 2, f)
			if revoked, err := v.Disconnect(t.Context(), Salesforce, w.tenant); revoked || err != nil {
				t.Errorf("revoked %v, %v", revoked, err)
			}
			if _, err := w.get(v, 0); !errors.Is(err, ErrNotConnected) || w.pending() != 1 || w.srv.live() != 1 {
				t.Errorf("%v, %d pending", err, w.pending())
			}
			if revoked := v.tryRevoke(t.Context(), w.revocation()); revoked != Pending || w.pending() != 1 {
				t.Errorf("revoked by a service that is down")
			}
			w.runRevocations(w.process())
			w.wantLive(0)
		})
	}
}

// revocation returns the id of the one pending revocation.
func (w *world) revocation() (id string) {
	w.t.Helper()
	if err := w.store.Writer().QueryRow(`SELECT id FROM revocations`).Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	return id
}

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	if err := v.Revoke(t.Context(), "unknown"); err != nil {
		t.Errorf("one that is forgotten: %v", err)
	}
	w.connect(v)
	w.srv.fail("revoke", 1, cutAfter) // revoked, but we don't know
	if revoked, err := v.Disconnect(t.Context(), Salesforce, w.tenant); revoked || err != nil {
		t.Errorf("revoked %v, %v", revoked, err)
	}
	if err := v.Revoke(t.Context(), w.revocation()); err != nil {
		t.Errorf("one that is revoked already: %v", err)
	}
	w.wantLive(0)
}

func TestRevocationIsGivenUp(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	w.srv.fail("revoke", 1, html503)
	if _, err := v.Disconnect(t.Context(), Salesforce, w.tenant); err != nil {
		t.Fatal(err)
	}
	w.skip(7*24*time.Hour + time.Second)
	if err := v.Revoke(t.Context(), w.revocation()); err != nil || w.pending() != 0 || w.srv.count("revoke") != 1 {
		t.Errorf("%v, %d pending", err, w.pending())
	}
	if !strings.Contains(w.log.String(), "is forgotten") {
		t.Error("nobody was told")
	}
}

// RFC 7009 asks for the client, Salesforce doesn't.
func TestRevocationNamesTheClientWhenAsked(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	w.srv.strict = true
	if revoked, err := v.Disconnect(t.Context(), Salesforce, w.tenant); !revoked || err != nil {
		t.Errorf("revoked %v, %v", revoked, err)
	}
	w.wantLive(0)
}

// A page is no revocation, whatever its status: proxies put one up for maintenance.
func TestRevocationAnsweredWithAPage(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	w.srv.fail("revoke", 1, html200)
	if revoked, err := v.Disconnect(t.Context(), Salesforce, w.tenant); revoked || err != nil {
		t.Errorf("revoked: %v, %v", revoked, err)
	}
	if w.pending() != 1 {
		t.Error("the revocation is forgotten")
	}
	w.runRevocations(v)
	w.wantLive(0)
}
