package identity

import (
	"errors"
	"testing"

	"gatepost/seal"
)

// Blobs that were moved to other rows or columns open nowhere; other rows work.
func TestSwappedBlobs(t *testing.T) {
	for _, columns := range [][2]string{{"sealed_access", "sealed_access"}, {"sealed_refresh", "sealed_refresh"}, {"sealed_access", "sealed_refresh"}} {
		t.Run(columns[0]+" and "+columns[1], func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			contoso, john := w.tenant, w.user
			fabrikam, mary := w.addTenant("fabrikam")
			first := w.connect(v)
			w.tenant, w.user = fabrikam, mary
			second := w.connect(v)
			if columns[0] == columns[1] {
				w.swap(columns[0], first.ID, second.ID)
			} else if _, err := w.store.Writer().Exec(`UPDATE identities SET sealed_access = sealed_refresh WHERE id IN ($1, $2)`, first.ID, second.ID); err != nil {
				t.Fatal(err)
			}
			w.tenant, w.user = w.addTenant("litware")
			third := w.connect(v)
			w.fresh(v, third.Generation)
			calls := w.srv.count("refresh")
			for tenant, i := range map[string]int64{contoso: first.Generation, fabrikam: second.Generation} {
				refused := i
				if columns[0] == "sealed_access" {
					refused = 0
				}
				_, err := v.Get(t.Context(), Salesforce, tenant, refused)
				wantBroken(t, err, BrokenSealed)
				if !errors.Is(err, seal.ErrSealed) {
					t.Errorf("got %v", err)
				}
				if n, err := v.Identity(t.Context(), Salesforce, tenant); err != nil || n.BrokenCode != BrokenSealed {
					t.Errorf("nobody sees it: %q, %v", n.BrokenCode, err)
				}
			}
			if w.srv.count("refresh") != calls {
				t.Error("something was sent")
			}
			w.tenant, w.user = contoso, john
			w.srv.heal()
			w.connect(v)
			w.fresh(v, 0)
		})
	}
}

func (w *world) swap(column, a, b string) {
	w.t.Helper()
	var one, two string
	row := w.store.Writer().QueryRow(`SELECT a.`+column+`, b.`+column+` FROM identities a, identities b WHERE a.id = $1 AND b.id = $2`, a, b)
	if err := row.Scan(&one, &two); err != nil {
		w.t.Fatal(err)
	}
	for id, blob := range map[string]string{a: two, b: one} {
		if _, err := w.store.Writer().Exec(`UPDATE identities SET `+column+` = $1 WHERE id = $2`, blob, id); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A handshake whose verifier was taken from another one is refused before
// anything is sent.
func TestSwappedVerifiers(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	a, b := w.begin(v), w.begin(v)
	if _, err := w.store.Writer().Exec(`UPDATE handshakes SET sealed_verifier = (SELECT sealed_verifier FROM handshakes WHERE state_hash = $1) WHERE state_hash = $2`,
		hash(a.State), hash(b.State)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Finish(t.Context(), b); !errors.Is(err, seal.ErrSealed) || w.srv.count("token") != 0 {
		t.Errorf("got %v", err)
	}
	if _, err := v.Finish(t.Context(), a); err != nil {
		t.Errorf("the other one: %v", err)
	}
}
