package identity

import (
	"errors"
	"fmt"
	"testing"

	"gatepost/db"
)

// sameToken has the service give the same refresh token with each authorization,
// though another user of the account approves each.
func (w *world) sameToken() {
	w.srv.mu.Lock()
	defer w.srv.mu.Unlock()
	token, n := w.srv.secret("refresh-"), 0
	w.srv.mend = func(a map[string]any) {
		n++
		a["refresh_token"] = token
		a["id"] = fmt.Sprintf("%s/id/%s/00500000000000%dAAA", w.srv.URL, w.srv.org, n%10)
	}
}

// forgetHashes makes the rows those of a release that kept no hashes.
func (w *world) forgetHashes() {
	w.t.Helper()
	for _, table := range []string{"identities", "held_identities"} {
		if _, err := w.store.Writer().Exec(`UPDATE ` + table + ` SET token_hash = '', client_id = ''`); err != nil {
			w.t.Fatal(err)
		}
	}
}

// As long as any connection goes on with a token, nothing that ends revokes it:
// whoever approved it, and whosever it is.
func TestTokenInUseIsNotRevoked(t *testing.T) {
	disconnect := func(w *world, v *Vault) {
		ending, err := v.End(w.t.Context(), Salesforce, w.tenant)
		if ending != Shared || err != nil {
			w.t.Errorf("ended %q, %v", ending, err)
		}
	}
	endings := map[string]func(w *world, v *Vault, between func()){
		"reconnected by a second user": func(w *world, v *Vault, between func()) {
			w.connect(v)
			between()
			w.connect(v)
		},
		"the tenant's own ends, a user's goes on": func(w *world, v *Vault, between func()) {
			w.connect(v)
			w.connectAs(v, "eve", "")
			between()
			disconnect(w, v)
		},
		"a user's ends, the tenant's own goes on": func(w *world, v *Vault, between func()) {
			eve := w.connectAs(v, "eve", "")
			w.connect(v)
			between()
			receipts, err := v.Delete(w.t.Context(), Selector{ID: eve.ID})
			if err != nil || receipts[0].Ending != Shared {
				w.t.Errorf("%+v, %v", receipts, err)
			}
		},
		"another tenant's goes on": func(w *world, v *Vault, between func()) {
			w.connect(v)
			back := w.inTenant(w.addTenant("fabrikam"))
			w.connect(v)
			back()
			between()
			disconnect(w, v)
		},
		"what was held is declined": func(w *world, v *Vault, between func()) {
			w.connect(v)
			w.srv.org = orgTwo
			if err := w.tryConnect(v); err == nil {
				w.t.Error("not held")
			}
			between()
			h, err := v.Held(w.t.Context(), Salesforce, w.tenant)
			if err == nil {
				err = v.Decline(w.t.Context(), Salesforce, w.tenant, h.ID)
			}
			if err != nil {
				w.t.Error(err)
			}
		},
		"the connection ends while another is held by another tenant": func(w *world, v *Vault, between func()) {
			back := w.inTenant(w.addTenant("fabrikam"))
			w.srv.org = orgTwo
			w.connect(v)
			w.srv.org = orgOne
			if err := w.tryConnect(v); err == nil {
				w.t.Error("not held")
			}
			if _, err := w.store.Writer().Exec(`DELETE FROM identities`); err != nil {
				w.t.Error(err)
			}
			back()
			w.connect(v)
			between()
			disconnect(w, v)
		},
		"what was granted isn't kept": func(w *world, v *Vault, between func()) {
			w.connect(v)
			between()
			w.srv.scope = "id refresh_token"
			wantOAuth(w.t, w.tryConnect(v), CodeMissingScope)
		},
		"an import replaces it": func(w *world, v *Vault, between func()) {
			w.connect(v)
			b := w.export(v, Selector{})
			w.connectAs(v, "eve", "")
			between()
			b.Identities[0].RefreshToken, b.Identities[0].OrgID, b.Identities[0].RemoteUserID = "another", orgTwo, "005000000000009AAA"
			w.importing(v, b, ImportOptions{Replace: true})
		},
	}
	for name, end := range endings {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, of an earlier release: %v", name, old), func(t *testing.T) {
				w := newWorld(t)
				v := w.process()
				w.sameToken()
				end(w, v, func() {
					v.Wait()
					if old {
						w.forgetHashes()
					}
				})
				w.runRevocations(v)
				if n := w.srv.count("revoke"); n != 0 || w.pending() != 0 {
					t.Errorf("%d revocations sent, %d pending", n, w.pending())
				}
			})
		}
	}
}

// A grant that can neither be kept nor be stored for its revocation isn't revoked when
// nobody can tell whether another connection goes on with its token.
func TestTokenMayBeInUse(t *testing.T) {
	w := newWorld(t)
	var s *sickStore
	v := w.process(sick(&s, "", 0))
	w.sameToken()
	eve := w.connectAs(v, "eve", "")
	s.left = map[string]int{"SaveIdentity": 1, "AddRevocation": 1, "HoldsToken": 1}
	if err := w.tryConnect(v); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	if n := w.srv.count("revoke"); n != 0 {
		t.Errorf("%d revocations sent", n)
	}
	if c, err := v.GetByID(t.Context(), eve.ID, 0); err != nil || !w.srv.alive(c.AccessToken) {
		t.Errorf("the other connection ended: %v", err)
	}
}

// The last one to end revokes the token.
func TestLastOfATokenIsRevoked(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.sameToken()
	w.connect(v)
	w.connectAs(v, "eve", "")
	w.connectAs(v, "mallory", "")
	w.forgetHashes()
	for user, want := range map[string]Ending{"eve": Shared, "mallory": Shared} {
		receipts, err := v.Delete(t.Context(), Selector{TenantID: w.tenant, User: user})
		if err != nil || receipts[0].Ending != want {
			t.Errorf("%+v, %v", receipts, err)
		}
	}
	if ending, err := v.End(t.Context(), Salesforce, w.tenant); ending != Revoked || err != nil || w.srv.count("revoke") != 1 {
		t.Errorf("the last one ended %q, %v", ending, err)
	}
}

// A row of before is opened once, and found by its hash from then on. Another
// connection's different token is revoked all the same.
func TestOldRowsAreHashedOnce(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	eve := w.connectAs(v, "eve", "")
	w.forgetHashes()
	if receipts, err := v.Delete(t.Context(), Selector{ID: eve.ID}); err != nil || receipts[0].Ending != Revoked {
		t.Errorf("%+v, %v", receipts, err)
	}
	i := w.identity(v)
	if left, err := w.store.Unhashed(t.Context(), db.Grant{Service: Salesforce, TenantID: w.tenant}); len(left) != 0 || err != nil || i.TokenHash == "" {
		t.Errorf("%d rows without a hash, %v", len(left), err)
	}
	before := i.TokenHash
	w.fresh(v, i.Generation)
	if now := w.identity(v); now.TokenHash == before {
		t.Error("a renewal keeps the old token's hash")
	}
}
