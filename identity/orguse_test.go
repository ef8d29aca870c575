package identity

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatepost/db"
	"gatepost/db/dbtest"
)

// as lets the world's helpers act for another tenant, until back is called.
func (w *world) as(tenant, user string) (back func()) {
	before, who := w.tenant, w.user
	w.tenant, w.user = tenant, user
	return func() { w.tenant, w.user = before, who }
}

func (w *world) heldNow(v *Vault) db.Held {
	w.t.Helper()
	h, err := v.Held(w.t.Context(), Salesforce, w.tenant)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func TestAnotherTenantsOrgIsHeld(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	first := w.connect(v)
	contoso, john := w.tenant, w.user
	w.tenant, w.user = w.addTenant("fabrikam")
	if err := w.tryConnect(v); !errors.Is(err, ErrHeld) {
		t.Fatalf("connected: %v", err)
	}
	if _, err := w.get(v, 0); !errors.Is(err, ErrNotConnected) {
		t.Errorf("a credential is given out: %v", err)
	}
	h := w.heldNow(v)
	if err := v.Confirm(t.Context(), Salesforce, w.tenant, h.ID); !errors.Is(err, ErrOrgInUse) {
		t.Errorf("confirmed by somebody who wasn't told: %v", err)
	}
	if _, err := v.Identity(t.Context(), Salesforce, w.tenant); !errors.Is(err, ErrNotConnected) {
		t.Errorf("connected: %v", err)
	}
	if err := v.ConfirmShared(t.Context(), Salesforce, w.tenant, h.ID, w.user); err != nil {
		t.Fatal(err)
	}
	if i := w.identity(v); i.OrgID != first.OrgID || i.ID == first.ID {
		t.Errorf("connected %+v", i)
	}
	w.fresh(v, 0)
	w.wantLive(2)
	var by string
	if err := w.store.Writer().QueryRow(`SELECT confirmed_by FROM org_confirmations WHERE tenant_id = $1 AND org_id = $2 AND confirmed_at > 0`, w.tenant, orgOne).Scan(&by); err != nil || by != w.user {
		t.Errorf("remembered of %q, %v", by, err)
	}

	// It is remembered, for this tenant and this org.
	w.reconnects(v, "in place")
	if _, err := v.End(t.Context(), Salesforce, w.tenant); err != nil {
		t.Fatal(err)
	}
	w.reconnects(v, "anew")
	w.srv.mu.Lock()
	w.srv.org = orgTwo
	w.srv.mu.Unlock()
	w.as(w.addTenant("litware"))
	w.reconnects(v, "a third tenant, to another org")
	w.srv.mu.Lock()
	w.srv.org = orgOne
	w.srv.mu.Unlock()
	w.tenant, w.user = w.addTenant("northwind")
	if err := w.tryConnect(v); !errors.Is(err, ErrHeld) {
		t.Errorf("a fourth tenant: %v", err)
	}
	// Who was there first, and stays, isn't asked.
	w.tenant, w.user = contoso, john
	w.reconnects(v, "the first")
}

func (w *world) reconnects(v *Vault, how string) {
	w.t.Helper()
	if err := w.tryConnect(v); err != nil {
		w.t.Errorf("%s: %v", how, err)
	}
}

// The other tenant has the org while it is connected to it, in order or not, and
// while its readers are in it.
func TestWhoHasAnOrg(t *testing.T) {
	tests := map[string]struct {
		change func(w *world, v *Vault, i db.Identity) error
		held   bool
	}{
		"connected": {func(*world, *Vault, db.Identity) error { return nil }, true},
		"broken": {func(w *world, _ *Vault, i db.Identity) error {
			return w.store.BreakIdentity(w.t.Context(), i.ID, i.Generation, "invalid_grant", "")
		}, true},
		"disconnected": {func(w *world, v *Vault, _ db.Identity) error {
			_, err := v.End(w.t.Context(), Salesforce, w.tenant)
			return err
		}, false},
		"disconnected, with readers in it": {func(w *world, v *Vault, i db.Identity) error {
			_, err := v.End(w.t.Context(), Salesforce, w.tenant)
			_, set := w.store.Writer().Exec(`UPDATE destinations SET service = 'sfdc' WHERE tenant_id = $1`, w.tenant)
			dbtest.WriteCounts(w.t, w.store, `INSERT INTO org_counts (tenant_id, destination_id, org_id, n) VALUES ($1, $1, $2, 1)`, w.tenant, i.OrgID)
			return errors.Join(err, set)
		}, true},
		"connected to another by now": {func(w *world, v *Vault, _ db.Identity) error {
			w.srv.switchOrg()
			err := w.tryConnect(v)
			if errors.Is(err, ErrHeld) {
				err = v.Confirm(w.t.Context(), Salesforce, w.tenant, w.heldNow(v).ID)
			}
			w.srv.switchOrg()
			return err
		}, false},
		"a user of its application": {func(w *world, v *Vault, _ db.Identity) error {
			_, err := v.End(w.t.Context(), Salesforce, w.tenant)
			return errors.Join(err, w.connectUser(v, "eve"))
		}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			if err := test.change(w, v, w.connect(v)); err != nil {
				t.Fatal(err)
			}
			w.tenant, w.user = w.addTenant("fabrikam")
			if err := w.tryConnect(v); errors.Is(err, ErrHeld) != test.held || err != nil && !test.held {
				t.Errorf("got %v, held is %v", err, test.held)
			}
		})
	}
}

// connectUser authorizes a user of an application's.
func (w *world) connectUser(v *Vault, user string) error {
	w.t.Helper()
	r := w.request()
	r.UserID, r.User = "", user
	address, err := v.Authorize(w.t.Context(), r)
	if err != nil {
		return err
	}
	q := w.srv.consent(address)
	_, err = v.Finish(w.t.Context(), Callback{Service: Salesforce, SessionID: session, State: q.Get("state"), Code: q.Get("code")})
	return err
}

// The identities of an application's users are held in no case, nor asked for.
func TestUsersIdentitiesAreNotHeld(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	w.tenant, w.user = w.addTenant("fabrikam")
	if err := w.connectUser(v, "eve"); err != nil {
		t.Error(err)
	}
}

// Two tenants that connect to the same org at the same moment: the second is held.
func TestTwoTenantsConnectAtOnce(t *testing.T) {
	for range 5 {
		w := newWorldWith(t, newOAuthServer(t))
		a, b := w.process(), w.process()
		cb := w.begin(a)
		w.tenant, w.user = w.addTenant("fabrikam")
		other := w.begin(b)
		errs := make([]error, 2)
		var both sync.WaitGroup
		both.Go(func() { _, errs[0] = a.Finish(t.Context(), cb) })
		both.Go(func() { _, errs[1] = b.Finish(t.Context(), other) })
		both.Wait()
		if err := errors.Join(errs...); !errors.Is(err, ErrHeld) || errs[0] != nil && errs[1] != nil {
			t.Errorf("got %v", errs)
		}
	}
}

// While one switch to an org waits, another tenant connects to it: then the one who
// switches is asked again.
func TestOrgIsTakenWhileItIsHeld(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	before, h := w.hold(v)
	back := w.as(w.addTenant("fabrikam"))
	w.reconnects(v, "the other tenant")
	back()
	if err := v.Confirm(t.Context(), Salesforce, w.tenant, h.ID); !errors.Is(err, ErrOrgInUse) {
		t.Errorf("got %v", err)
	}
	if i := w.identity(v); i.OrgID != before.OrgID || w.heldNow(v).ID != h.ID {
		t.Errorf("switched to %s", i.OrgID)
	}
	if err := v.ConfirmShared(t.Context(), Salesforce, w.tenant, h.ID, w.user); err != nil {
		t.Error(err)
	}
	if i := w.identity(v); i.ID != before.ID || i.OrgID != orgTwo {
		t.Errorf("connected %+v", i)
	}
	w.wantLive(2)
}

// What isn't wanted is revoked, and the other tenant's goes on.
func TestSharedOrgIsDeclined(t *testing.T) {
	tests := map[string]func(w *world, v *Vault, h db.Held) error{
		"declined": func(w *world, v *Vault, h db.Held) error { return v.Decline(w.t.Context(), Salesforce, w.tenant, h.ID) },
		"disconnected": func(w *world, v *Vault, _ db.Held) error {
			ending, err := v.End(w.t.Context(), Salesforce, w.tenant)
			if ending != Revoked {
				w.t.Errorf("ended %s", ending)
			}
			return err
		},
		"expired": func(w *world, _ *Vault, h db.Held) error {
			_, err := w.store.Writer().Exec(`UPDATE held_identities SET expires_at = 1 WHERE id = $1`, h.ID)
			return errors.Join(err, w.store.ExpireHeld(w.t.Context()))
		},
		"held anew": func(w *world, v *Vault, _ db.Held) error {
			if err := w.tryConnect(v); !errors.Is(err, ErrHeld) {
				return err
			}
			return v.Decline(w.t.Context(), Salesforce, w.tenant, w.heldNow(v).ID)
		},
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			w.connect(v)
			contoso := w.tenant
			w.tenant, w.user = w.addTenant("fabrikam")
			if err := w.tryConnect(v); !errors.Is(err, ErrHeld) {
				t.Fatal(err)
			}
			if err := end(w, v, w.heldNow(v)); err != nil {
				t.Fatal(err)
			}
			w.runRevocations(v)
			if _, err := v.Held(t.Context(), Salesforce, w.tenant); !errors.Is(err, ErrNotConnected) {
				t.Errorf("held: %v", err)
			}
			if _, err := v.End(t.Context(), Salesforce, w.tenant); !errors.Is(err, ErrNotConnected) {
				t.Errorf("ended once more: %v", err)
			}
			w.tenant = contoso
			w.wantLive(1)
			w.fresh(v, w.identity(v).Generation)
		})
	}
}

// A service may give both tenants the very same token, or end all of an org with one:
// declining then ends nothing that another tenant goes on with, held or connected.
func TestDeclinedGrantThatAnotherTenantGoesOnWith(t *testing.T) {
	each(t, func(h habits) bool { return h.ends != "" && h.org != "" }, func(t *testing.T, s *scene) {
		s.connect()
		first := s.tenant
		for _, slug := range []string{"fabrikam", "litware"} {
			s.tenant, s.user = s.addTenant(slug)
			if err := s.finish(s.v, s.begin(s.v)); !errors.Is(err, ErrHeld) {
				t.Fatalf("%s: %v", slug, err)
			}
		}
		decline := func() {
			t.Helper()
			h, err := s.v.Held(t.Context(), s.d.id, s.tenant)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.v.Decline(t.Context(), s.d.id, s.tenant, h.ID); err != nil {
				t.Error(err)
			}
		}
		decline()
		if n := s.d.count("revoke"); n != 0 {
			t.Errorf("%d revocations end what another tenant has", n)
		}
		// The one that is connected ends, and the one that is held goes on.
		if ending, err := s.v.End(t.Context(), s.d.id, first); ending != Shared || err != nil || s.d.count("revoke") != 0 {
			t.Errorf("the first ended %q, %v", ending, err)
		}
	})
}

// Every service that names the org holds another tenant's; where it names none, there
// is nothing to hold.
func TestEveryServiceHoldsAnotherTenantsOrg(t *testing.T) {
	each(t, every, func(t *testing.T, s *scene) {
		org := s.connect().OrgID
		s.tenant, s.user = s.addTenant("fabrikam")
		if err := s.finish(s.v, s.begin(s.v)); errors.Is(err, ErrHeld) != (org != "") {
			t.Errorf("in org %q: %v", org, err)
		}
	})
}

// A tenant's first connection has the service ask who is meant, as far as it can be
// told to; a later one is compared with that.
func TestServicesAreToldToAsk(t *testing.T) {
	asked := func(s *scene, change func(*AuthorizeRequest)) url.Values {
		r := s.request()
		r.Service = s.d.id
		if change != nil {
			change(&r)
		}
		address, err := s.v.Authorize(s.t.Context(), r)
		if err != nil {
			s.t.Fatal(err)
		}
		u, err := url.Parse(address)
		if err != nil {
			s.t.Fatal(err)
		}
		return u.Query()
	}
	each(t, every, func(t *testing.T, s *scene) {
		def := s.definition()
		first := asked(s, nil)
		user := asked(s, func(r *AuthorizeRequest) { r.UserID, r.User = "", "eve" })
		s.connect()
		later := asked(s, nil)
		for name, value := range def.AskParams {
			if first.Get(name) != value || user.Has(name) || later.Has(name) {
				t.Errorf("%s: at first %q, for a user %q, later %q", name, first.Get(name), user.Get(name), later.Get(name))
			}
		}
		for name, value := range def.Params {
			if first.Get(name) != value {
				t.Errorf("%s is %q, want %q", name, first.Get(name), value)
			}
		}
	})
	if s := SalesforceService("", "", "", ""); s.AskParams["prompt"] != "login" {
		t.Errorf("Salesforce is asked with %v", s.AskParams)
	}
}

// What a definition needs is never taken the place of.
func TestAskParamsDontOverride(t *testing.T) {
	r := AuthorizeRequest{Params: map[string]string{"hd": "of the request"}}
	s := Service{Params: map[string]string{"prompt": "consent"}, AskParams: map[string]string{"prompt": "login", "hd": "any", "more": "yes"}}
	options := r.options(s, true)
	u, err := url.Parse(s.config("https://login.example").AuthCodeURL("state", options...))
	if err != nil {
		t.Fatal(err)
	}
	if q := u.Query(); q.Get("prompt") != "consent" || q.Get("hd") != "of the request" || q.Get("more") != "yes" {
		t.Errorf("asked with %v", q)
	}
}

// An application's own authorization for a tenant is held as the portal's is.
func TestAuthorizerHoldsAnotherTenantsOrg(t *testing.T) {
	s := newSite(t)
	back := s.as(s.addTenant("fabrikam"))
	s.connect(s.auth.Vault)
	back()
	s.auth.Prepare = func(_ *http.Request, r *AuthorizeRequest) { r.UserID = s.user }
	s.auth.Who = func(*http.Request) (Subject, error) { return Subject{TenantID: s.tenant}, nil }
	rec := httptest.NewRecorder()
	s.auth.Start(rec, httptest.NewRequest("GET", "/start", nil))
	begun := rec.Result()
	to := secure(s.auth.Callback, "/callback?"+s.srv.consent(begun.Header.Get("Location")).Encode(), begun.Cookies()...).Header.Get("Location")
	if !strings.HasPrefix(to, "/finished?error="+CodeConfirm+"&") {
		t.Errorf("it ends at %s", to)
	}
	h := s.heldNow(s.auth.Vault)
	if err := s.auth.Vault.ConfirmShared(t.Context(), Salesforce, s.tenant, h.ID, s.user); err != nil {
		t.Error(err)
	}
	s.fresh(s.auth.Vault, 0)
}

// An import can't ask: it is refused, unless the operator says that they share it.
func TestImportIntoAnotherTenantsOrg(t *testing.T) {
	from := newWorldWith(t, newOAuthServer(t))
	v := from.process()
	from.connect(v)
	from.tenant, from.user = from.addTenant("fabrikam")
	from.connect(v)
	bundle, _, err := v.Export(t.Context(), Selector{})
	if err != nil {
		t.Fatal(err)
	}
	one, other := bundle, bundle
	one.Identities, other.Identities = bundle.Identities[:1], bundle.Identities[1:]
	target := func() (*world, *Vault) {
		to := newWorldWith(t, from.srv)
		to.addTenant("fabrikam")
		return to, to.process()
	}
	confirmations := func(to *world, want int) {
		t.Helper()
		var n int
		if err := to.store.Writer().QueryRow(`SELECT count(*) FROM org_confirmations WHERE confirmed_by = $1`, db.ByOperator).Scan(&n); err != nil || n != want {
			t.Errorf("%d confirmations, %v, want %d", n, err, want)
		}
	}
	to, there := target()
	if _, err := there.Import(t.Context(), one, ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		_, err := there.Import(t.Context(), other, ImportOptions{DryRun: dry})
		var wrong *BundleError
		if !errors.As(err, &wrong) || wrong.Problem != ProblemOrgs || !slices.Equal(wrong.Names, []string{"fabrikam (sfdc)"}) {
			t.Errorf("another tenant has it here: %v", err)
		}
	}
	confirmations(to, 0)
	if done, err := there.Import(t.Context(), other, ImportOptions{ShareOrgs: true}); err != nil || done.New != 1 {
		t.Errorf("shared: %+v, %v", done, err)
	}
	confirmations(to, 1)
	if done, err := there.Import(t.Context(), bundle, ImportOptions{Replace: true}); err != nil || done.Replaced+done.Newer != 2 {
		t.Errorf("in place: %+v, %v", done, err)
	}
	// Those who come together shared it where they come from.
	to, there = target()
	if done, err := there.Import(t.Context(), bundle, ImportOptions{}); err != nil || done.New != 2 {
		t.Errorf("together: %+v, %v", done, err)
	}
	confirmations(to, 1)
}
