package identity

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/db"
)

const (
	returnTo   = "https://app.example/connected?from=gatepost"
	appBrowser = "the-secret-of-a-browser-in-the-tests-0123456"
)

// asking is a world in which an application begins authorizations.
type asking struct {
	*world
	v   *Vault
	key string
}

func newAsking(t *testing.T) *asking {
	t.Helper()
	w := newWorld(t)
	return &asking{w, w.process(), w.addKey()}
}

func (w *world) addKey() string {
	w.t.Helper()
	k := db.APIKey{ID: db.NewID(), Name: "test", CreatedAt: time.Now(), ReturnTo: []string{returnTo}}
	if err := w.store.AddAPIKey(w.t.Context(), k, k.ID); err != nil {
		w.t.Fatal(err)
	}
	return k.ID
}

func (a *asking) request(user string) AuthorizationRequest {
	return AuthorizationRequest{KeyID: a.key, Service: Salesforce, TenantID: a.tenant, User: user, ReturnTo: returnTo, AppState: "the app's"}
}

func (a *asking) begin(user string) Begun {
	a.t.Helper()
	begun, err := a.v.BeginAuthorization(a.t.Context(), a.request(user))
	if err != nil {
		a.t.Fatal(err)
	}
	return begun
}

// consents opens the link in a browser and allows it; it returns what the browser brings back.
func (a *asking) consents(begun Begun, browser string) url.Values {
	a.t.Helper()
	address, err := a.v.StartAuthorization(a.t.Context(), begun.Secret, browser)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.srv.consent(address)
}

// finishes brings a callback back, and returns the query that the application gets.
func (a *asking) finishes(q url.Values, browser string) url.Values {
	a.t.Helper()
	address, err := a.v.FinishAuthorization(a.t.Context(), Salesforce, browser, q)
	if err != nil {
		a.t.Fatal(err)
	}
	if !strings.HasPrefix(address, returnTo+"&") {
		a.t.Errorf("it returns to %s", address)
	}
	u, err := url.Parse(address)
	if err != nil || u.Query().Get("state") != "the app's" || u.Query().Get("from") != "gatepost" {
		a.t.Errorf("%s, %v", address, err)
	}
	return u.Query()
}

// grants takes an authorization as far as the application; it returns the code.
func (a *asking) grants(begun Begun) (code string) {
	a.t.Helper()
	got := a.finishes(a.consents(begun, appBrowser), appBrowser)
	if got.Get("authorization") != begun.ID || len(got.Get("code")) != 43 || got.Get("error") != "" {
		a.t.Fatalf("the application gets %v", got)
	}
	return got.Get("code")
}

func (a *asking) completion(begun Begun, code, user string) Completion {
	return Completion{KeyID: a.key, ID: begun.ID, Code: code, TenantID: a.tenant, User: user}
}

func (a *asking) completes(c Completion) db.NamedIdentity {
	a.t.Helper()
	i, err := a.v.CompleteAuthorization(a.t.Context(), c)
	if err != nil {
		a.t.Fatalf("%v\n%s", err, a.log)
	}
	return i
}

// refuses checks that completing is refused with a code.
func (a *asking) refuses(c Completion, code, reason string) {
	a.t.Helper()
	_, err := a.v.CompleteAuthorization(a.t.Context(), c)
	var refused *CompletionError
	if !errors.As(err, &refused) || refused.Code != code || refused.Reason != reason {
		a.t.Errorf("got %v (%+v), want %s %s", err, refused, code, reason)
	}
}

// is checks how far an authorization is.
func (a *asking) is(begun Begun, state db.AuthorizationState, code string) *Granting {
	a.t.Helper()
	got, granting, err := a.v.AuthorizationOf(a.t.Context(), a.key, begun.ID)
	if err != nil || got.State != state || got.Error != code {
		a.t.Errorf("%s %s, %v; want %s %s", got.State, got.Error, err, state, code)
	}
	return granting
}

func (a *asking) sweep() {
	a.t.Helper()
	a.store.SetClock(func() time.Time { return time.Now().Add(time.Duration(a.ahead.Load())) })
	if err := a.store.ExpireAuthorizations(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

// later moves the clocks of all on, databases' too.
func (a *asking) later(d time.Duration) {
	a.skip(d)
	a.v.Store.(*db.DB).SetClock(func() time.Time { return time.Now().Add(time.Duration(a.ahead.Load())) })
}

func (a *asking) wantNoIdentity() {
	a.t.Helper()
	page, err := a.v.List(a.t.Context(), Selector{}, "", 10)
	if err != nil || len(page.Identities) != 0 {
		a.t.Errorf("%d identities, %v", len(page.Identities), err)
	}
}

// A link leads from the application to the service and back, and only the application's
// completion makes an identity of what was granted.
func TestAuthorizationIsCompleted(t *testing.T) {
	for name, user := range map[string]string{"the tenant's own": "", "a user's": "eve"} {
		t.Run(name, func(t *testing.T) {
			a := newAsking(t)
			r := a.request(user)
			r.Account, r.Tags = map[string]string{"eve": "second"}[user], []string{"b", "a"}
			begun, err := a.v.BeginAuthorization(t.Context(), r)
			if err != nil || len(begun.Secret) != 43 || !begun.ExpiresAt.After(time.Now().Add(9*time.Minute)) {
				t.Fatalf("%+v, %v", begun, err)
			}
			a.is(begun, db.AuthorizationBegun, "")
			a.refuses(a.completion(begun, "guessed", user), NotGranted, "")
			// Looking uses nothing up.
			for range 3 {
				asked, err := a.v.OpenLink(t.Context(), begun.Secret, "")
				if err != nil || asked.ServiceName != "Salesforce" || asked.TenantName != "contoso" || !slices.Equal(asked.Scopes, []string{"api", "refresh_token", "id"}) || !strings.HasPrefix(asked.LoginURL, a.srv.URL) {
					t.Errorf("%+v, %v", asked, err)
				}
			}
			q := a.consents(begun, appBrowser)
			a.is(begun, db.AuthorizationOpened, "")
			got := a.finishes(q, appBrowser)
			granting := a.is(begun, db.AuthorizationGranted, "")
			if granting == nil || granting.OrgID != orgOne || granting.RemoteUserID != remoteUser || granting.InstanceURL != a.srv.URL || len(granting.Missing) != 0 || granting.OtherOrg {
				t.Fatalf("%+v", granting)
			}
			a.wantNoIdentity()
			// Loading the callback again gives the same code, and asks the service nothing.
			if again := a.finishes(q, appBrowser); again.Get("code") != got.Get("code") || a.srv.count("token") != 1 {
				t.Errorf("%v, want %v, by %d calls", again, got, a.srv.count("token"))
			}
			i := a.completes(a.completion(begun, got.Get("code"), user))
			if i.User != user || i.Account != r.Account || !slices.Equal(i.Tags, []string{"a", "b"}) || i.OrgID != orgOne || i.Tenant != "contoso" || i.ConnectedBy != "" {
				t.Errorf("%+v", i)
			}
			a.is(begun, db.AuthorizationCompleted, "")
			if again := a.completes(a.completion(begun, got.Get("code"), user)); again.ID != i.ID || again.Generation != i.Generation {
				t.Errorf("again: %+v", again)
			}
			a.refuses(a.completion(begun, got.Get("code"), "another"), NotCompletable, "completed")
			c, err := a.v.GetFound(t.Context(), i.Identity, 0)
			if err != nil || !a.srv.alive(c.AccessToken) {
				t.Errorf("its token doesn't work: %v", err)
			}
			c, err = a.v.GetFound(t.Context(), i.Identity, c.Generation)
			if err != nil || !a.srv.alive(c.AccessToken) {
				t.Errorf("it can't be renewed: %v", err)
			}
			a.wantLive(1)
			if _, err := a.v.StartAuthorization(t.Context(), begun.Secret, appBrowser); !errors.Is(err, ErrLinkUsed) {
				t.Errorf("opened again: %v", err)
			}
		})
	}
}

// An attacker has somebody else open a link: what that one grants comes to nobody, since
// the application completes it for whoever is signed in there.
func TestForwardedLinkConnectsNobody(t *testing.T) {
	a := newAsking(t)
	other, _ := a.addTenant("fabrikam")
	for name, mistake := range map[string]func(*Completion){
		"another user":     func(c *Completion) { c.User = "victim" },
		"nobody":           func(c *Completion) { c.User = "" },
		"another tenant":   func(c *Completion) { c.TenantID = other },
		"no such tenant":   func(c *Completion) { c.TenantID = "no such tenant" },
		"a user elsewhere": func(c *Completion) { c.TenantID, c.User = other, "victim" },
	} {
		t.Log(name)
		begun := a.begin("attacker")
		code := a.grants(begun)
		c := a.completion(begun, code, "attacker")
		mistake(&c)
		a.refuses(c, OtherUser, "")
		a.is(begun, db.AuthorizationDropped, EndOtherUser)
		a.wantNoIdentity()
		a.wantLive(0)
		a.refuses(a.completion(begun, code, "attacker"), OtherUser, "") // too late for the right one
	}
}

// A wrong code, or another key, changes nothing: whoever knows an id could end others'.
func TestWhoKnowsAnIDEndsNothing(t *testing.T) {
	a := newAsking(t)
	begun := a.begin("eve")
	code := a.grants(begun)
	next := a.begin("joe")
	others := a.grants(next)
	for _, wrong := range []string{"", " ", code + "x", code[:42], strings.ToUpper(code), others, completionCode("another-browser", begun.ID), begun.ID, begun.Secret, hash(code)} {
		a.refuses(a.completion(begun, wrong, "victim"), WrongCode, "")
	}
	c := a.completion(begun, code, "eve")
	c.KeyID = a.addKey()
	for _, c := range []Completion{c, {KeyID: a.key, ID: "x", Code: code, TenantID: a.tenant, User: "eve"}, {KeyID: "", ID: begun.ID, Code: code, TenantID: a.tenant, User: "eve"}} {
		if _, err := a.v.CompleteAuthorization(t.Context(), c); !errors.Is(err, ErrNoAuthorization) {
			t.Errorf("%+v: %v", c, err)
		}
		if _, _, err := a.v.AuthorizationOf(t.Context(), c.KeyID, c.ID); !errors.Is(err, ErrNoAuthorization) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	a.is(begun, db.AuthorizationGranted, "")
	a.completes(a.completion(begun, code, "eve"))
	a.completes(a.completion(next, others, "joe"))
}

// One browser alone goes on with a link, and neither another one nor its callback comes
// between.
func TestOneBrowserGoesOn(t *testing.T) {
	a := newAsking(t)
	begun, other := a.begin("eve"), "another-secret-of-a-browser-in-the-tests-01"
	first := a.consents(begun, appBrowser)
	for _, browser := range []string{other, ""} {
		if _, err := a.v.OpenLink(t.Context(), begun.Secret, browser); !errors.Is(err, ErrOtherBrowser) {
			t.Errorf("%q looks: %v", browser, err)
		}
		if _, err := a.v.FinishAuthorization(t.Context(), Salesforce, browser, first); !errors.Is(err, ErrOtherBrowser) {
			t.Errorf("%q brings the callback: %v", browser, err)
		}
	}
	if _, err := a.v.StartAuthorization(t.Context(), begun.Secret, other); !errors.Is(err, ErrOtherBrowser) {
		t.Errorf("another browser: %v", err)
	}
	if a.srv.count("token") != 0 {
		t.Error("its code was traded")
	}
	// Mixed up: the callback of one authorization with the state of another's handshake.
	next := a.begin("joe")
	mine := a.consents(next, other)
	if _, err := a.v.FinishAuthorization(t.Context(), Salesforce, appBrowser, url.Values{"state": {mine.Get("state")}, "code": {first.Get("code")}}); !errors.Is(err, ErrOtherBrowser) {
		t.Errorf("mixed up: %v", err)
	}
	for _, q := range []url.Values{{}, {"state": {"forged"}, "code": {"x"}}, {"state": {""}, "error": {"access_denied"}}} {
		if _, err := a.v.FinishAuthorization(t.Context(), Salesforce, appBrowser, q); !errors.Is(err, ErrHandshake) {
			t.Errorf("%v: %v", q, err)
		}
	}
	if _, err := a.v.FinishAuthorization(t.Context(), "hubspot", appBrowser, first); !errors.Is(err, ErrHandshake) {
		t.Errorf("the callback of another service: %v", err)
	}
	// The same browser begins another handshake; either leads to the end, once.
	second := a.consents(begun, appBrowser)
	got := a.finishes(second, appBrowser)
	if late := a.finishes(first, appBrowser); late.Get("code") != got.Get("code") {
		t.Errorf("the first handshake: %v, want %v", late, got)
	}
	a.wantLive(1)
	a.completes(a.completion(begun, got.Get("code"), "eve"))
	if _, err := a.v.FinishAuthorization(t.Context(), Salesforce, session, first); !errors.Is(err, ErrOtherBrowser) {
		t.Errorf("afterwards: %v", err)
	}
}

// Two browsers at once: one of them goes on.
func TestTwoBrowsersAtOnce(t *testing.T) {
	a := newAsking(t)
	begun := a.begin("eve")
	vaults, errs := []*Vault{a.v, a.process()}, make([]error, 2)
	var g sync.WaitGroup
	for n := range vaults {
		g.Go(func() {
			_, errs[n] = vaults[n].StartAuthorization(t.Context(), begun.Secret, appBrowser+string(rune('a'+n)))
		})
	}
	g.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), ErrOtherBrowser) {
		t.Errorf("%v", errs)
	}
}

// Two processes complete at once: both say the same, and it is done once.
func TestCompletedByTwoProcessesAtOnce(t *testing.T) {
	a := newAsking(t)
	first := a.begin("eve")
	old := a.completes(a.completion(first, a.grants(first), "eve"))
	begun := a.begin("eve")
	code := a.grants(begun)
	vaults, ids := []*Vault{a.v, a.process(), a.process()}, make([]string, 3)
	var g sync.WaitGroup
	for n := range vaults {
		g.Go(func() {
			i, err := vaults[n].CompleteAuthorization(context.Background(), a.completion(begun, code, "eve"))
			if err != nil {
				t.Error(err)
			}
			ids[n] = i.ID
		})
	}
	g.Wait()
	if ids[0] != old.ID || ids[1] != old.ID || ids[2] != old.ID {
		t.Errorf("%v, want %s", ids, old.ID)
	}
	a.runRevocations(a.v)
	a.wantLive(1)
}

// What isn't granted, or completed, in time comes to nothing.
func TestAuthorizationsRunOut(t *testing.T) {
	a := newAsking(t)
	begun := a.begin("eve")
	r := a.request("joe")
	r.ByMail = true
	mailed, err := a.v.BeginAuthorization(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	a.later(10 * time.Minute)
	if _, err := a.v.OpenLink(t.Context(), begun.Secret, ""); !errors.Is(err, ErrLinkExpired) {
		t.Errorf("opened late: %v", err)
	}
	if _, err := a.v.StartAuthorization(t.Context(), begun.Secret, appBrowser); !errors.Is(err, ErrLinkExpired) {
		t.Errorf("started late: %v", err)
	}
	a.is(begun, db.AuthorizationExpired, EndExpired)
	a.refuses(a.completion(begun, "x", "eve"), NotCompletable, EndExpired)
	a.sweep()
	a.is(begun, db.AuthorizationExpired, EndExpired)
	// A link in a mail lives for a week, also for the browser that it is tied to.
	unopened, err := a.v.BeginAuthorization(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	tied, err := a.v.BeginAuthorization(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	a.later(6 * 24 * time.Hour)
	code := a.grants(mailed)
	a.later(10*time.Minute - time.Second)
	a.is(mailed, db.AuthorizationGranted, "")
	a.later(time.Second)
	a.is(mailed, db.AuthorizationDropped, EndNotCompleted)
	a.refuses(a.completion(mailed, code, "joe"), TooLate, "")
	a.refuses(a.completion(mailed, code, "joe"), TooLate, "")
	a.wantNoIdentity()
	a.wantLive(0)
	a.later(24*time.Hour - 11*time.Minute)
	a.consents(tied, appBrowser)
	a.later(6 * time.Minute) // it could still come back from the service
	for what, late := range map[string]Begun{"unopened": unopened, "tied to this browser": tied} {
		if _, err := a.v.OpenLink(t.Context(), late.Secret, appBrowser); !errors.Is(err, ErrLinkExpired) {
			t.Errorf("%s, after a week: %v", what, err)
		}
	}
	// The process that had it is gone: the sweep revokes what was granted.
	a.ahead.Store(0)
	left := a.begin("ann")
	code = a.grants(left)
	a.later(10 * time.Minute)
	a.sweep()
	a.runRevocations(a.v)
	a.wantLive(0)
	a.refuses(a.completion(left, code, "ann"), TooLate, "")
	if n := a.pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
}

// What the service refuses, or doesn't grant in full, ends at the application with a code
// of ours; what the service said is told by the API alone.
func TestAuthorizationsThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		before func(a *asking)
		q      url.Values // of the callback, beside its state; nil: the person allows it
		state  db.AuthorizationState
		code   string
	}{
		"denied":            {nil, url.Values{"error": {"access_denied"}, "error_description": {"<b>end-user denied"}}, db.AuthorizationDenied, EndDenied},
		"refused":           {nil, url.Values{"error": {"OAUTH_APP_BLOCKED"}}, db.AuthorizationFailed, EndRefused},
		"with our words":    {nil, url.Values{"error": {"missing_scope"}}, db.AuthorizationFailed, EndRefused},
		"a scope missing":   {func(a *asking) { a.srv.scope = "id refresh_token" }, nil, db.AuthorizationFailed, EndMissingScope},
		"without an answer": {func(a *asking) { a.srv.fail("token", 1, says(500, "text/html", "<h1>oops</h1>")) }, nil, db.AuthorizationFailed, EndUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsking(t)
			if tt.before != nil {
				tt.before(a)
			}
			begun := a.begin("eve")
			q := a.consents(begun, appBrowser)
			if tt.q != nil {
				tt.q.Set("state", q.Get("state"))
				q = tt.q
			}
			got := a.finishes(q, appBrowser)
			if got.Get("error") != tt.code || got.Has("code") || got.Has("error_description") || AuthorizationEnds()[tt.code] == "" {
				t.Errorf("the application gets %v, want %s", got, tt.code)
			}
			a.is(begun, tt.state, tt.code)
			if again := a.finishes(q, appBrowser); again.Get("error") != tt.code {
				t.Errorf("again: %v", again)
			}
			a.refuses(a.completion(begun, "x", "eve"), NotCompletable, tt.code)
			a.wantNoIdentity()
			a.wantLive(0)
			if _, err := a.v.OpenLink(t.Context(), begun.Secret, appBrowser); !errors.Is(err, ErrLinkUsed) {
				t.Errorf("the link: %v", err)
			}
		})
	}
}

// A connection goes on unchanged until another authorization is completed, and with another
// org only when the application says so.
func TestOtherOrgIsAccepted(t *testing.T) {
	a := newAsking(t)
	old := a.connect(a.v)
	a.srv.org = orgTwo
	begun := a.begin("")
	code := a.grants(begun)
	if g := a.is(begun, db.AuthorizationGranted, ""); g == nil || !g.OtherOrg {
		t.Errorf("%+v", g)
	}
	a.refuses(a.completion(begun, code, ""), OtherOrg, "")
	a.is(begun, db.AuthorizationGranted, "")
	if now := a.identity(a.v); now.Generation != old.Generation || now.OrgID != orgOne {
		t.Errorf("the connection is %+v", now)
	}
	c := a.completion(begun, code, "")
	c.AcceptOtherOrg = true
	if i := a.completes(c); i.ID != old.ID || i.OrgID != orgTwo {
		t.Errorf("%+v", i)
	}
	a.runRevocations(a.v)
	a.wantLive(1)
}

// An org that another tenant has is confirmed by an admin of the portal.
func TestOrgOfAnotherTenantIsHeld(t *testing.T) {
	a := newAsking(t)
	first := a.connect(a.v)
	mine := a.tenant
	a.tenant, a.user = a.addTenant("fabrikam")
	begun := a.begin("")
	code := a.grants(begun)
	a.refuses(a.completion(begun, code, ""), ConfirmationRequired, "")
	a.is(begun, db.AuthorizationHeld, "")
	a.refuses(a.completion(begun, code, ""), ConfirmationRequired, "")
	a.refuses(a.completion(begun, code, "somebody"), NotCompletable, string(db.AuthorizationHeld))
	h, err := a.v.Held(t.Context(), Salesforce, a.tenant)
	if err != nil || h.OrgID != orgOne {
		t.Fatalf("%+v, %v", h, err)
	}
	if err := a.v.ConfirmShared(t.Context(), Salesforce, a.tenant, h.ID, a.user); err != nil {
		t.Fatal(err)
	}
	a.fresh(a.v, 0)
	a.is(begun, db.AuthorizationCompleted, "")
	a.refuses(a.completion(begun, code, "somebody"), NotCompletable, string(db.AuthorizationCompleted))
	if i := a.completes(a.completion(begun, code, "")); i.ID != a.identity(a.v).ID {
		t.Errorf("completed as %+v", i)
	}
	a.tenant = mine
	if now := a.identity(a.v); now.Generation != first.Generation {
		t.Error("the other tenant's has changed")
	}
	a.fresh(a.v, 0)
}

// The application is told when nobody confirms what waits for that.
func TestWhatIsHeldAndNotConfirmed(t *testing.T) {
	for name, end := range map[string]func(a *asking, held string) error{
		"declined": func(a *asking, held string) error {
			return a.v.Decline(a.t.Context(), Salesforce, a.tenant, held)
		},
		"too late": func(a *asking, _ string) error {
			a.later(heldForAdmin)
			return a.v.Store.(*db.DB).ExpireHeld(a.t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsking(t)
			a.connect(a.v)
			a.tenant, a.user = a.addTenant("fabrikam")
			begun := a.begin("")
			code := a.grants(begun)
			a.refuses(a.completion(begun, code, ""), ConfirmationRequired, "")
			h, err := a.v.Held(t.Context(), Salesforce, a.tenant)
			if err == nil {
				err = end(a, h.ID)
			}
			if err != nil {
				t.Fatal(err)
			}
			a.is(begun, db.AuthorizationDropped, EndNotConfirmed)
			a.refuses(a.completion(begun, code, ""), NotCompletable, EndNotConfirmed)
		})
	}
}

// Keys and tenants that go take along what they have under way.
func TestAuthorizationsOfWhatIsGone(t *testing.T) {
	for name, end := range map[string]func(a *asking) error{
		"the key": func(a *asking) error { return a.store.DeleteAPIKey(a.t.Context(), a.key) },
		"the tenant": func(a *asking) error {
			_, receipts, err := a.v.CloseTenant(a.t.Context(), a.tenant, time.Now().Add(time.Hour))
			if len(receipts) != 1 || !receipts[0].Revoked {
				a.t.Errorf("%+v", receipts)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsking(t)
			granted, opened, begun := a.begin("ann"), a.begin("eve"), a.begin("joe")
			code := a.grants(granted)
			q := a.consents(opened, appBrowser)
			if err := end(a); err != nil {
				t.Fatal(err)
			}
			a.runRevocations(a.v)
			a.wantLive(0)
			a.is(granted, db.AuthorizationDropped, EndWithdrawn)
			a.refuses(a.completion(granted, code, "ann"), NotCompletable, EndWithdrawn)
			if _, err := a.v.OpenLink(t.Context(), begun.Secret, ""); err == nil {
				t.Error("the link may be opened")
			}
			if _, err := a.v.BeginAuthorization(t.Context(), a.request("max")); !errors.Is(err, ErrWithdrawn) {
				t.Errorf("begun: %v", err)
			}
			address, err := a.v.FinishAuthorization(t.Context(), Salesforce, appBrowser, q)
			if !errors.Is(err, ErrTenantClosed) && !errors.Is(err, ErrHandshake) && !strings.Contains(address, "error="+EndWithdrawn) {
				t.Errorf("%s, %v", address, err)
			}
			a.wantLive(0)
			a.wantNoIdentity()
		})
	}
}

// When the store fails, what was granted is kept or given back, never forgotten.
func TestAuthorizationsWhenTheStoreFails(t *testing.T) {
	a := newAsking(t)
	var store *failingAuthorizations
	a.v = a.process(func(c *Config) {
		store = &failingAuthorizations{fullStore: c.Store.(fullStore), left: map[string]int{}}
		c.Store = store
	})
	begun := a.begin("eve")
	q := a.consents(begun, appBrowser)
	store.left["Grant"] = 1
	if got := a.finishes(q, appBrowser); got.Get("error") != EndServerError {
		t.Errorf("%v", got)
	}
	a.is(begun, db.AuthorizationFailed, EndServerError)
	a.wantLive(0)
	if !strings.Contains(a.log.String(), errDisk.Error()) {
		t.Error("the cause isn't in the log")
	}
	begun = a.begin("eve")
	code := a.grants(begun)
	for _, method := range []string{"Complete", "Granted", "Authorization"} {
		store.left[method] = 1
		if _, err := a.v.CompleteAuthorization(t.Context(), a.completion(begun, code, "eve")); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", method, err)
		}
	}
	store.left["Drop"] = 1
	if _, err := a.v.CompleteAuthorization(t.Context(), a.completion(begun, code, "joe")); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	a.completes(a.completion(begun, code, "eve"))
	a.wantLive(1)
}

// failingAuthorizations fails the next calls of some methods.
type failingAuthorizations struct {
	fullStore
	left map[string]int
}

func (s *failingAuthorizations) fails(method string) error {
	if s.left[method] == 0 {
		return nil
	}
	s.left[method]--
	return errDisk
}

func (s *failingAuthorizations) GrantAuthorization(ctx context.Context, g db.Grant, codeHash string) error {
	if err := s.fails("Grant"); err != nil {
		return err
	}
	return s.fullStore.GrantAuthorization(ctx, g, codeHash)
}

func (s *failingAuthorizations) CompleteAuthorization(ctx context.Context, id string, g db.Grant, otherOrg bool) (string, error) {
	if err := s.fails("Complete"); err != nil {
		return "", err
	}
	return s.fullStore.CompleteAuthorization(ctx, id, g, otherOrg)
}

func (s *failingAuthorizations) DropAuthorization(ctx context.Context, id, code string) (string, error) {
	if err := s.fails("Drop"); err != nil {
		return "", err
	}
	return s.fullStore.DropAuthorization(ctx, id, code)
}

func (s *failingAuthorizations) Granted(ctx context.Context, id string) (db.Grant, error) {
	if err := s.fails("Granted"); err != nil {
		return db.Grant{}, err
	}
	return s.fullStore.Granted(ctx, id)
}

func (s *failingAuthorizations) Authorization(ctx context.Context, id string) (db.Authorization, error) {
	if err := s.fails("Authorization"); err != nil {
		return db.Authorization{}, err
	}
	return s.fullStore.Authorization(ctx, id)
}

// What an application may not ask for is refused when it begins.
func TestAuthorizationsThatCannotBegin(t *testing.T) {
	a := newAsking(t)
	var param *ParamError
	var long *TooLongError
	var scope *ScopeError
	var name *NameError
	for what, tt := range map[string]struct {
		change func(*AuthorizationRequest)
		is     func(error) bool
	}{
		"no such service":    {func(r *AuthorizationRequest) { r.Service = "nobody" }, func(err error) bool { return errors.Is(err, ErrNoService) }},
		"no app":             {func(r *AuthorizationRequest) { r.Service = "hubspot" }, func(err error) bool { return errors.Is(err, ErrNoService) || errors.Is(err, ErrNoApp) }},
		"a foreign param":    {func(r *AuthorizationRequest) { r.Params = map[string]string{"nonce": "x"} }, func(err error) bool { return errors.As(err, &param) }},
		"of the protocol":    {func(r *AuthorizationRequest) { r.Params = map[string]string{"redirect_uri": "https://evil.example"} }, func(err error) bool { return errors.As(err, &param) }},
		"a long param":       {func(r *AuthorizationRequest) { r.Params = map[string]string{"prompt": strings.Repeat("x", 501)} }, func(err error) bool { return errors.As(err, &long) }},
		"a long state":       {func(r *AuthorizationRequest) { r.AppState = strings.Repeat("x", 1001) }, func(err error) bool { return errors.As(err, &long) }},
		"a long hint":        {func(r *AuthorizationRequest) { r.LoginHint = strings.Repeat("x", 256) }, func(err error) bool { return errors.As(err, &long) }},
		"no text":            {func(r *AuthorizationRequest) { r.AppState = "\x00" }, func(err error) bool { return errors.As(err, &long) }},
		"no scope":           {func(r *AuthorizationRequest) { r.MoreScopes = []string{"a b"} }, func(err error) bool { return errors.As(err, &scope) }},
		"a long user":        {func(r *AuthorizationRequest) { r.User = strings.Repeat("x", 256) }, func(err error) bool { return errors.As(err, &name) }},
		"a key that is gone": {func(r *AuthorizationRequest) { r.KeyID = "x" }, func(err error) bool { return errors.Is(err, ErrWithdrawn) }},
	} {
		r := a.request("eve")
		tt.change(&r)
		if _, err := a.v.BeginAuthorization(t.Context(), r); err == nil || !tt.is(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for range 20 {
		a.begin("eve")
	}
	if _, err := a.v.BeginAuthorization(t.Context(), a.request("eve")); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
	a.begin("joe")
}

// A definition that was stored with more than may be allowed lets no application say the
// whole request anew.
func TestParamsThatNoServiceAllows(t *testing.T) {
	s := Service{AllowParams: append([]string{"hd", ""}, append(slices.Clone(protocolParams), requestParams...)...)}
	for _, name := range s.AllowParams {
		_, err := AuthorizationRequest{Params: map[string]string{name: "x"}}.check(s)
		var param *ParamError
		if errors.As(err, &param) == (name == "hd") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// What the service allows is asked for, and who is meant all the same.
func TestAuthorizationParams(t *testing.T) {
	a := newAsking(t)
	for user, prompt := range map[string]string{"": "login", "eve": "none"} {
		r := a.request(user)
		r.Params, r.LoginHint, r.MoreScopes = map[string]string{"prompt": "none", "display": "touch"}, "eve@example.org", []string{"chatter_api"}
		begun, err := a.v.BeginAuthorization(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		address, err := a.v.StartAuthorization(t.Context(), begun.Secret, appBrowser)
		u, _ := url.Parse(address)
		q := u.Query()
		if err != nil || q.Get("prompt") != prompt || q.Get("display") != "touch" || q.Get("login_hint") != "eve@example.org" || q.Get("scope") != "api refresh_token id chatter_api" {
			t.Errorf("%s, %v", address, err)
		}
	}
}

// A grant with which somebody else goes on isn't revoked: neither a connection's when what
// was granted is dropped, nor what waits when a connection with the same token ends.
func TestSharedGrantsAreNotRevoked(t *testing.T) {
	a := newAsking(t)
	a.sameToken()
	first := a.begin("eve")
	eve := a.completes(a.completion(first, a.grants(first), "eve"))
	begun := a.begin("joe")
	code := a.grants(begun)
	a.refuses(a.completion(begun, code, "max"), OtherUser, "")
	begun = a.begin("joe")
	a.grants(begun)
	a.later(10 * time.Minute)
	a.sweep()
	a.runRevocations(a.v)
	a.ahead.Store(0)
	begun = a.begin("joe")
	code = a.grants(begun)
	receipts, err := a.v.Delete(t.Context(), Selector{ID: eve.ID})
	if err != nil || receipts[0].Ending != Shared || a.srv.count("revoke") != 0 {
		t.Fatalf("%+v, %v, %d revoked", receipts, err, a.srv.count("revoke"))
	}
	a.completes(a.completion(begun, code, "joe"))
	receipts, err = a.v.Delete(t.Context(), Selector{User: "joe"})
	if err != nil || receipts[0].Ending != Revoked {
		t.Errorf("the last one: %+v, %v", receipts, err)
	}
}

// Keys are rotated while something waits to be completed.
func TestKeysAreRotatedBeforeCompletion(t *testing.T) {
	a := newAsking(t)
	begun := a.begin("eve")
	code := a.grants(begun)
	if _, err := a.v.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if unopened, err := a.v.Keys.Reseal(t.Context(), nil); unopened != 0 || err != nil {
		t.Fatal(unopened, err)
	}
	i := a.completes(a.completion(begun, code, "eve"))
	if c, err := a.v.GetFound(t.Context(), i.Identity, 0); err != nil || !a.srv.alive(c.AccessToken) {
		t.Error(err)
	}
}

// What is missing of a grant is told as it is of the identity that comes of it.
func TestMissingScopesOfWhatWasGranted(t *testing.T) {
	a := newAsking(t)
	for granted, missing := range map[string][]string{
		"id refresh_token api": nil,
		"full refresh_token":   nil,
		"api offline_access":   {"id"}, // it came with a refresh token
	} {
		a.srv.scope = granted
		begun := a.begin("eve")
		code := a.grants(begun)
		if g := a.is(begun, db.AuthorizationGranted, ""); g == nil || !slices.Equal(g.Missing, missing) {
			t.Errorf("%s: %+v, want %v missing", granted, g, missing)
		}
		i := a.completes(a.completion(begun, code, "eve"))
		if d, err := a.v.Describe(t.Context(), i); err != nil || !slices.Equal(d[0].MissingScopes, missing) {
			t.Errorf("%s: of the identity: %+v, %v", granted, d, err)
		}
	}
}

// The service log tells what became of an authorization, by its id.
func TestServiceLogTellsOfAuthorizations(t *testing.T) {
	a := newAsking(t)
	first, second, third := a.begin("eve"), a.begin("eve"), a.begin("eve")
	a.completes(a.completion(first, a.grants(first), "eve"))
	a.refuses(a.completion(second, a.grants(second), "joe"), OtherUser, "")
	a.grants(third)
	if err := a.store.DeleteAPIKey(t.Context(), a.key); err != nil {
		t.Fatal(err)
	}
	a.v.Wait()
	for _, want := range []struct {
		of   Begun
		kind string
	}{
		{first, "authorization_begun authorization_granted connected"},
		{second, "authorization_begun authorization_granted authorization_dropped other_user revocation revoked"},
		{third, "authorization_begun authorization_granted authorization_dropped withdrawn"},
	} {
		all, err := a.store.VaultEvents(t.Context(), db.VaultEventFilter{}, 100)
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, e := range all {
			if e.Handshake == want.of.ID || e.Identity == want.of.ID { // what is revoked was never an identity
				told = append(told, strings.TrimSpace(string(e.Kind)+" "+e.Code))
			}
		}
		if got := strings.Join(told, " "); got != want.kind {
			t.Errorf("%s, want %s", got, want.kind)
		}
	}
}
