package db

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// An authorization goes from state to state, each by its own condition, and what was
// granted is never in two places.
func TestAuthorizations(t *testing.T) {
	d := openSealing(t)
	clock := noon
	d.SetClock(func() time.Time { return clock })
	ann, tenant := member(t, d, "ann")
	ctx := t.Context()
	key := d.apiKey(t)
	a := asked(key, tenant.ID)
	a.User, a.Account, a.Tags, a.MoreScopes, a.Params = "eve", "second", []string{"x"}, []string{"chatter_api"}, map[string]string{"prompt": "login"}
	a.LoginHint, a.LoginURL, a.AppState, a.SkipPage, a.LinkEndsAt = "eve@example.org", "https://login.example", "state", true, noon.Add(10*time.Minute)
	if err := d.BeginAuthorization(ctx, a); err != nil {
		t.Fatal(err)
	}
	want := a
	want.State, want.BegunAt, want.ExpiresAt, want.TenantName, want.TenantSlug = AuthorizationBegun, noon, noon.Add(10*time.Minute), tenant.Name, tenant.Slug
	is := func(step string) {
		t.Helper()
		for name, find := range map[string]func() (Authorization, error){
			"by its id":   func() (Authorization, error) { return d.Authorization(ctx, a.ID) },
			"by its link": func() (Authorization, error) { return d.AuthorizationByLink(ctx, a.LinkHash) },
		} {
			if got, err := find(); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s: %v\n%+v, want\n%+v", step, name, err, got, want)
			}
		}
	}
	is("begun")
	for _, id := range []string{"", "x", tenant.ID} {
		if _, err := d.Authorization(ctx, id); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
	g := grant(ann, tenant)
	g.ID, g.User, g.Account = a.ID, a.User, a.Account
	wantLost(t, "granted before it is opened", d.GrantAuthorization(ctx, g, "code"))
	wantLost(t, "ended before it is opened", d.EndAuthorization(ctx, a.ID, AuthorizationDenied, "access_denied", "", ""))

	clock = noon.Add(time.Minute)
	if err := d.OpenAuthorization(ctx, a.ID, "browser", clock.Add(10*time.Minute)); err != nil {
		t.Fatal(err)
	}
	want.State, want.BrowserHash, want.OpenedAt, want.ExpiresAt = AuthorizationOpened, "browser", clock, clock.Add(10*time.Minute)
	is("opened")
	wantLost(t, "opened in another browser", d.OpenAuthorization(ctx, a.ID, "another", clock.Add(time.Hour)))
	clock = noon.Add(2 * time.Minute)
	if err := d.OpenAuthorization(ctx, a.ID, "browser", clock.Add(10*time.Minute)); err != nil {
		t.Fatal("again in the same browser:", err)
	}
	want.ExpiresAt = clock.Add(10 * time.Minute)
	is("opened again")
	clock = noon.Add(10 * time.Minute)
	wantLost(t, "opened when the link has run out", d.OpenAuthorization(ctx, a.ID, "browser", clock.Add(time.Hour)))

	if err := d.GrantAuthorization(ctx, g, "code"); err != nil {
		t.Fatal(err)
	}
	want.State, want.CodeHash, want.GrantedAt, want.ExpiresAt = AuthorizationGranted, "code", clock, clock.Add(CompleteWithin)
	is("granted")
	kept, err := d.Granted(ctx, a.ID)
	if err != nil || kept.SealedRefresh != g.SealedRefresh || kept.User != "eve" {
		t.Errorf("%+v, %v", kept, err)
	}
	if got, err := d.HoldsToken(ctx, g.Service, g.TokenHash); g.TokenHash != "" && (!got || err != nil) {
		t.Errorf("nobody holds its token: %v", err)
	}
	if held, err := d.HeldAnywhere(ctx, g.Service, g.OrgID, g.RemoteUserID); err != nil || len(held) != 1 {
		t.Errorf("%d may end with another's token, %v", len(held), err)
	}
	wantLost(t, "ended by the person when it is granted", d.EndAuthorization(ctx, a.ID, AuthorizationDenied, "access_denied", "", ""))

	// Its time is over: as it is seen before the sweep, and after it.
	clock = clock.Add(CompleteWithin)
	to := g
	to.ID = NewID()
	_, err = d.CompleteAuthorization(ctx, a.ID, to, false)
	wantLost(t, "completed too late", err)
	wantLost(t, "held too late", d.HoldAuthorization(ctx, a.ID, Held{Grant: to, ExpiresAt: clock.Add(time.Hour)}))
	if got := want.As(clock); got.State != AuthorizationDropped || got.Error != EndedNotCompleted || got.UnderWay() {
		t.Errorf("%+v", got)
	}
	if err := d.ExpireAuthorizations(ctx); err != nil {
		t.Fatal(err)
	}
	want.State, want.Error, want.EndedAt, want.ExpiresAt = AuthorizationDropped, EndedNotCompleted, clock, clock.Add(24*time.Hour)
	is("dropped")
	d.revoked(t, tenant.ID, g.SealedRefresh)
	clock = clock.Add(24*time.Hour - time.Millisecond)
	if err := d.ExpireAuthorizations(ctx); err != nil {
		t.Fatal(err)
	}
	is("kept for a day")
	clock = clock.Add(time.Millisecond)
	if err := d.ExpireAuthorizations(ctx); err != nil {
		t.Fatal(err)
	}
	wantN(t, d, 0, `SELECT count(*) FROM authorizations`)
}

// What ends an authorization while it is under way revokes what was granted to it, once.
func TestAuthorizationsThatEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(t *testing.T, d *DB, a Authorization) error
		want string // the error of the ended ones
	}{
		"its key is deleted":                {func(t *testing.T, d *DB, a Authorization) error { return d.DeleteAPIKey(t.Context(), a.APIKeyID) }, EndedWithdrawn},
		"its address is taken from its key": {func(t *testing.T, d *DB, a Authorization) error { return d.takesAddress(t, a.APIKeyID, a.ReturnTo)(d) }, EndedWithdrawn},
		"its tenant is closed": {func(t *testing.T, d *DB, a Authorization) error {
			_, err := d.CloseTenant(t.Context(), a.TenantID, noon)
			return err
		}, EndedWithdrawn},
		"its time is over": {func(t *testing.T, d *DB, a Authorization) error {
			_, err := d.write.Exec(`UPDATE authorizations SET expires_at = 1`)
			return errors.Join(err, d.ExpireAuthorizations(t.Context()))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := openSealing(t)
			ann, tenant := member(t, d, "ann")
			g := d.grantedTo(t, grant(ann, tenant))
			a, err := d.Authorization(t.Context(), g.ID)
			unless(t, err)
			next := asked(a.APIKeyID, tenant.ID)
			unless(t, d.BeginAuthorization(t.Context(), next))
			// Another tenant's goes on.
			other, others := member(t, d, "other")
			theirs := d.grantedTo(t, grant(other, others))
			if want := tt.want; want == "" {
				_, err := d.write.Exec(`UPDATE authorizations SET expires_at = expires_at + 1`)
				unless(t, err)
			}
			unless(t, tt.end(t, d, a))
			if tt.want != "" {
				if got, err := d.Authorization(t.Context(), theirs.ID); err != nil || got.State != AuthorizationGranted {
					t.Errorf("another tenant's: %+v, %v", got, err)
				}
			}
			d.revoked(t, tenant.ID, g.SealedRefresh)
			for id, state := range map[string]AuthorizationState{a.ID: AuthorizationDropped, next.ID: AuthorizationFailed} {
				code := tt.want
				if code == "" {
					code = map[AuthorizationState]string{AuthorizationDropped: EndedNotCompleted, AuthorizationFailed: EndedExpired}[state]
				}
				if state == AuthorizationFailed && tt.want == "" {
					state = AuthorizationExpired
				}
				if got, err := d.Authorization(t.Context(), id); err != nil || got.State != state || got.Error != code || got.UnderWay() {
					t.Errorf("%+v, %v; want %s by %s", got, err, state, code)
				}
			}
		})
	}
}

// An identity that is deleted takes along what was granted to replace it.
func TestWhoDisconnectsIsNotConnectedAgain(t *testing.T) {
	for name, end := range map[string]func(d *DB, g Grant) error{
		"by a program": func(d *DB, g Grant) error {
			_, err := d.DeleteSomeIdentities(t.Context(), Selector{ID: g.ID}, "", "", 0)
			return err
		},
		"in the portal": func(d *DB, g Grant) error {
			_, err := d.DeleteIdentity(t.Context(), g.Service, g.TenantID, "")
			return err
		},
		"one after other": func(d *DB, g Grant) error {
			_, err := d.DeleteSomeIdentities(t.Context(), Selector{TenantID: g.TenantID}, "", g.ID, 1)
			return err
		},
	} {
		d := openSealing(t)
		ann, tenant := member(t, d, "ann")
		old := grant(ann, tenant)
		_, err := d.SaveIdentity(t.Context(), old, false, "")
		unless(t, err)
		g := newly(d.opened(t, grant(ann, tenant)))
		unless(t, d.GrantAuthorization(t.Context(), g, "code"))
		unless(t, end(d, old))
		t.Log(name)
		d.revoked(t, tenant.ID, g.SealedRefresh)
		d.revoked(t, tenant.ID, old.SealedRefresh)
	}
}

// The words for a state and an end are ones that an application may keep.
func TestAuthorizationStates(t *testing.T) {
	for _, s := range AuthorizationStates() {
		if s == "" || strings.ToLower(string(s)) != string(s) {
			t.Errorf("%q", s)
		}
	}
}

// What was granted and isn't completed has tokens too, which no other host may be told.
func TestWhatWaitsToBeCompletedDependsOnItsService(t *testing.T) {
	d := openSealing(t)
	ann, tenant := member(t, d, "ann")
	g := grant(ann, tenant)
	g.Service = "acme"
	unless(t, d.AddServiceDefinition(t.Context(), ServiceDefinition{ID: g.Service, Definition: "{}"}))
	uses := func() (n int) {
		t.Helper()
		unless(t, d.ChangeServiceDefinition(t.Context(), g.Service, func(_ ServiceDefinition, uses ServiceUses) (string, error) {
			n = uses.Identities
			return "{}", nil
		}))
		return n
	}
	opened := d.opened(t, g)
	if n := uses(); n != 0 {
		t.Errorf("%d depend on it before anything is granted", n)
	}
	unless(t, d.GrantAuthorization(t.Context(), opened, "code"))
	if n := uses(); n != 1 {
		t.Errorf("%d depend on it, want what was granted", n)
	}
	var left *IdentitiesLeftError
	if _, err := d.DeleteServiceDefinition(t.Context(), g.Service); !errors.As(err, &left) || left.N != 1 || left.Waiting != 1 {
		t.Errorf("removed with what was granted: %v", err)
	}
	_, err := d.DropAuthorization(t.Context(), opened.ID, "code")
	unless(t, err)
	if n := uses(); n != 1 {
		t.Errorf("%d depend on it, want what is yet to be revoked", n)
	}
}

// Where an address is taken from a key, what returns to others goes on.
func TestAddressThatIsTakenFromAKey(t *testing.T) {
	d := openSealing(t)
	_, tenant := member(t, d, "ann")
	a := asked(d.apiKey(t), tenant.ID)
	unless(t, d.BeginAuthorization(t.Context(), a))
	ended := asked(a.APIKeyID, tenant.ID)
	unless(t, d.BeginAuthorization(t.Context(), ended))
	unless(t, d.OpenAuthorization(t.Context(), ended.ID, "browser", d.now().Add(time.Hour)))
	unless(t, d.EndAuthorization(t.Context(), ended.ID, AuthorizationDenied, "access_denied", "", ""))
	other := asked(a.APIKeyID, tenant.ID)
	other.ReturnTo = "https://app.example/other"
	unless(t, d.BeginAuthorization(t.Context(), other))
	elsewhere := asked(d.apiKey(t), tenant.ID)
	unless(t, d.BeginAuthorization(t.Context(), elsewhere))
	unless(t, d.takesAddress(t, a.APIKeyID, a.ReturnTo)(d))
	for _, want := range []struct {
		id, returnTo string
		state        AuthorizationState
	}{{a.ID, "", AuthorizationFailed}, {ended.ID, "", AuthorizationDenied}, {other.ID, other.ReturnTo, AuthorizationBegun}, {elsewhere.ID, elsewhere.ReturnTo, AuthorizationBegun}} {
		if got, err := d.Authorization(t.Context(), want.id); err != nil || got.ReturnTo != want.returnTo || got.State != want.state {
			t.Errorf("%s to %q, %v; want %s to %q", got.State, got.ReturnTo, err, want.state, want.returnTo)
		}
	}
	wantLost(t, "begun for it", d.BeginAuthorization(t.Context(), a))
	a.ReturnTo = ""
	wantLost(t, "begun for nowhere", d.BeginAuthorization(t.Context(), a))
}

// What is granted, or has ended, isn't opened again by the browser that it is tied to: it
// would be under way twice.
func TestWhatIsGrantedIsNotOpenedAgain(t *testing.T) {
	d := openSealing(t)
	ann, tenant := member(t, d, "ann")
	g := d.grantedTo(t, grant(ann, tenant))
	open := func() error { return d.OpenAuthorization(t.Context(), g.ID, "browser", d.now().Add(time.Hour)) }
	wantLost(t, "granted", open())
	_, err := d.DropAuthorization(t.Context(), g.ID, "code")
	unless(t, err)
	wantLost(t, "dropped", open())
}

// A key, and a user in a tenant, have so many under way at once, and others as many.
func TestTooManyAuthorizations(t *testing.T) {
	d := openSealing(t)
	_, tenant := member(t, d, "ann")
	key := d.apiKey(t)
	_, err := d.write.Exec(`INSERT INTO authorizations (id, api_key_id, tenant_id, service, user_name, account, tags, login_hint, login_url, return_to, app_state, skip_page, link_hash, link_ends_at, state, begun_at, expires_at, ended_at)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $3)
		SELECT 'a' || i, $1, $2, 'sfdc', 'u' || i, '', '[]', '', '', '', '', 0, 'h' || i, 0, 'begun', 0, 0, 0 FROM n`, key, tenant.ID, maxKeyAuthorizations)
	unless(t, err)
	if err := d.BeginAuthorization(t.Context(), asked(key, tenant.ID)); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more of the key: %v", err)
	}
	unless(t, d.BeginAuthorization(t.Context(), asked(d.apiKey(t), tenant.ID)))
	_, err = d.write.Exec(`UPDATE authorizations SET ended_at = 1 WHERE id = 'a1'`)
	unless(t, err)
	unless(t, d.BeginAuthorization(t.Context(), asked(key, tenant.ID)))
}

// What was granted to an app that is removed, or succeeded by another one, is given back,
// since it could not be renewed; and nothing of other apps.
func TestAuthorizationsOfAppsThatChange(t *testing.T) {
	for name, tt := range map[string]struct {
		ends   string
		change func(d *DB, tenants map[string]Tenant) error
	}{
		"a tenant's own is removed": {"own", func(d *DB, tenants map[string]Tenant) error {
			_, err := d.DeleteTenantApp(t.Context(), "sfdc", tenants["own"].ID)
			return err
		}},
		"a tenant's own is another one": {"own", func(d *DB, tenants map[string]Tenant) error {
			_, err := d.ChangeTenantApp(t.Context(), "sfdc", tenants["own"].ID, func(a *TenantApp) error { a.ClientID = "newer"; return nil })
			return err
		}},
		"the shared one is another one": {"shared", func(d *DB, _ map[string]Tenant) error {
			return d.ChangeService(t.Context(), "sfdc", func(s *ServiceSettings) { s.ClientID = "newer" })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d := openSealing(t)
			unless(t, d.ChangeService(t.Context(), "sfdc", func(s *ServiceSettings) { s.ClientID = "shared" }))
			tenants, grants := map[string]Tenant{}, map[string]Grant{}
			for _, of := range []string{"shared", "own", "another"} {
				user, tenant := member(t, d, of)
				g := grant(user, tenant)
				if g.ClientID, g.OwnApp = of, of != "shared"; g.OwnApp {
					setApp(t, d, tenant.ID, of)
				}
				tenants[of], grants[of] = tenant, d.grantedTo(t, g)
			}
			unless(t, tt.change(d, tenants))
			for of, g := range grants {
				want, code := AuthorizationGranted, ""
				if of == tt.ends {
					want, code = AuthorizationDropped, EndedWithdrawn
					d.revoked(t, g.TenantID, g.SealedRefresh)
				}
				if a, err := d.Authorization(t.Context(), g.ID); err != nil || a.State != want || a.Error != code {
					t.Errorf("%s: %s %s, %v; want %s", of, a.State, a.Error, err, want)
				}
			}
		})
	}
}
