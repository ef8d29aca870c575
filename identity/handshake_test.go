package identity

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"gatepost/db"
)

func TestConnect(t *testing.T) {
	w := newWorld(t)
	v := w.process(func(c *Config) {
		c.Org = func(_ context.Context, c Credential) (Org, error) {
			if !w.srv.alive(c.AccessToken) || c.InstanceURL != w.srv.URL || c.OrgID != orgOne {
				t.Errorf("the org is asked for with %+v", c.OrgID)
			}
			return Org{ID: "not the answer's", Name: "Contoso GmbH", Sandbox: true, UserID: "nor this"}, nil
		}
	})
	if _, err := w.get(v, 0); !errors.Is(err, ErrNotConnected) {
		t.Fatalf("before: %v", err)
	}
	i := w.connect(v)
	if i.OrgID != orgOne || i.OrgName != "Contoso GmbH" || !i.Sandbox || i.RemoteUserID != remoteUser || i.InstanceURL != w.srv.URL ||
		i.LoginURL != w.srv.URL || i.ConnectedBy != w.user || i.ConnectedEmail != "john@contoso.example" || i.Scopes != w.srv.scope ||
		time.Since(i.ConnectedAt) > time.Minute || !i.BrokenAt.IsZero() {
		t.Errorf("stored %+v", i)
	}
	c, err := w.get(v, 0)
	if err != nil || !w.srv.alive(c.AccessToken) || c.InstanceURL != w.srv.URL || c.OrgID != orgOne || c.Generation != i.Generation {
		t.Errorf("got generation %d, %v", c.Generation, err)
	}
	w.wantCalls(0)
	w.wantLive(1)
}

func TestRefusedRequestsBeginNothing(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	for name, spoil := range map[string]func(*AuthorizeRequest){
		"no tenant":     func(r *AuthorizeRequest) { r.TenantID = "" },
		"no user":       func(r *AuthorizeRequest) { r.UserID = "" },
		"no session":    func(r *AuthorizeRequest) { r.SessionID = "" },
		"foreign login": func(r *AuthorizeRequest) { r.LoginURL = "https://evil.example" },
		"no service":    func(r *AuthorizeRequest) { r.Service = "nimbus" },
	} {
		r := w.request()
		spoil(&r)
		if address, err := v.Authorize(t.Context(), r); err == nil || address != "" {
			t.Errorf("%s: %q, %v", name, address, err)
		}
	}
}

func TestCallbacksThatBelongToNothing(t *testing.T) {
	tests := map[string]func(w *world, cb *Callback){
		"no state":               func(_ *world, cb *Callback) { cb.State = "" },
		"forged state":           func(_ *world, cb *Callback) { cb.State = "x" + cb.State[1:] },
		"the state's hash":       func(_ *world, cb *Callback) { cb.State = hash(cb.State) },
		"no session":             func(_ *world, cb *Callback) { cb.SessionID = "" },
		"another's session":      func(_ *world, cb *Callback) { cb.SessionID = "session-of-somebody-else" },
		"another service":        func(_ *world, cb *Callback) { cb.Service = "other" },
		"neither code nor error": func(_ *world, cb *Callback) { cb.Code = "" },
		"another user":           func(_ *world, cb *Callback) { cb.User = "eve" },
		"another tenant":         func(_ *world, cb *Callback) { cb.TenantID = "another" },
		"a forged denial":        func(_ *world, cb *Callback) { cb.State, cb.Error, cb.Code = "forged", "access_denied", "" },
		"a former member": func(w *world, _ *Callback) {
			if err := w.store.RemoveMember(w.t.Context(), w.user, w.tenant); err != nil {
				w.t.Fatal(err)
			}
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process(func(c *Config) {
				other := w.service()
				other.ID = "other"
				c.Services = append(c.Services, other)
			})
			good := w.begin(v)
			bad := good
			spoil(w, &bad)
			if finished, err := v.Finish(t.Context(), bad); !errors.Is(err, ErrHandshake) || finished != (Finished{}) {
				t.Errorf("got %q, %v", finished, err)
			}
			if w.srv.count("token") != 0 {
				t.Error("the code was traded all the same")
			}
			if name == "a former member" {
				return
			}
			if _, err := v.Finish(t.Context(), good); err != nil {
				t.Errorf("after it the true callback fails: %v", err)
			}
		})
	}
}

func TestHandshakeExpires(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.skip(-handshakeLife)
	cb := w.begin(v)
	if _, err := v.Finish(t.Context(), cb); !errors.Is(err, ErrHandshake) || w.srv.count("token") != 0 {
		t.Errorf("got %v after %d calls", err, w.srv.count("token"))
	}
	if err := w.store.ExpireHandshakes(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := w.store.Writer().QueryRow(`SELECT COUNT(*) FROM handshakes`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d handshakes are left, %v", n, err)
	}
}

// Whoever opens the address again gets what became of it, and trades nothing.
func TestCallbackWorksOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.process(), w.process()
	cb := w.begin(a)
	errs := make(chan error, 40)
	var wg sync.WaitGroup
	for n := range cap(errs) {
		wg.Go(func() {
			_, err := []*Vault{a, b}[n%2].Finish(t.Context(), cb)
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if w.srv.count("token") != 1 {
		t.Errorf("%d codes traded", w.srv.count("token"))
	}
	w.wantLive(1)
}

func TestServiceRefuses(t *testing.T) {
	unreachable := "unreachable"
	tests := map[string]struct {
		callback func(*Callback)
		fault    fault
		want     string
	}{
		"denied":             {callback: func(cb *Callback) { cb.Code, cb.Error = "", "access_denied" }, want: "access_denied"},
		"denied with a code": {callback: func(cb *Callback) { cb.Error = "access-denied" }, want: "access-denied"},
		"one of our codes":   {callback: func(cb *Callback) { cb.Error = CodeMissingScope }, want: CodeUnknown},
		"an odd code":        {callback: func(cb *Callback) { cb.Error = "<script>alert(1)</script>" }, want: CodeUnknown},
		"a wrong code":       {callback: func(cb *Callback) { cb.Code = "wrong" }, want: "invalid_grant"},
		"JSON":               {fault: says(400, "application/json", `{"error":"invalid_client_id"}`), want: "invalid_client_id"},
		"a form":             {fault: says(400, "", "error=redirect_uri_mismatch&error_description=no"), want: "redirect_uri_mismatch"},
		"a typed form":       {fault: says(400, "application/x-www-form-urlencoded", "error=invalid_client"), want: "invalid_client"},
		"an error with 200":  {fault: says(200, "application/json", `{"error":"invalid_grant"}`), want: "invalid_grant"},
		"JSON with 503":      {fault: json503, want: unreachable},
		"HTML with 503":      {fault: html503, want: unreachable},
		"HTML with 400":      {fault: says(400, "text/html", "<html>"), want: unreachable},
		"HTML with 200":      {fault: html200, want: unreachable},
		"no token":           {fault: says(200, "application/json", `{"instance_url":"https://a.my.salesforce.com"}`), want: unreachable},
		"too much":           {fault: tooMuch, want: unreachable},
		"cut":                {fault: cutBefore, want: unreachable},
		"hanging":            {fault: hang, want: unreachable},
		"sent elsewhere":     {fault: says(307, "", ""), want: unreachable},
		"not HTTP":           {fault: speakNonsense, want: unreachable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			timeout := ample
			if name == "hanging" {
				timeout = time.Second // which passes; what comes after it asks the service nothing
			}
			v := w.process(patience(timeout, ample))
			cb := w.begin(v)
			if test.callback != nil {
				test.callback(&cb)
			}
			if test.fault != nil {
				w.srv.fail("token", 1, test.fault)
			}
			finished, err := v.Finish(t.Context(), cb)
			if finished != (Finished{w.tenant, "/done"}) {
				t.Errorf("finished %+v", finished)
			}
			var ue *UnreachableError
			if test.want != unreachable {
				wantOAuth(t, err, test.want)
			} else if !errors.As(err, &ue) {
				t.Errorf("got %v, want unreachable", err)
			}
			_, _ = w.log.Write([]byte(err.Error())) // looked through for secrets
			calls := w.srv.count("token")
			if again, err := v.Finish(t.Context(), cb); again != finished || w.srv.count("token") != calls {
				t.Errorf("a second time: %+v, %v after %d calls more", again, err, w.srv.count("token")-calls)
			} else if test.want != unreachable {
				wantOAuth(t, err, test.want)
			} else if !errors.As(err, &ue) {
				t.Errorf("a second time: %v", err)
			}
			if ended, err := v.LastEnded(t.Context(), Salesforce, session); err != nil || ended == nil || ended.TenantID != w.tenant || ended.Err == nil {
				t.Errorf("ended %+v, %v", ended, err)
			}
			if ended, err := v.LastEnded(t.Context(), Salesforce, "another session"); ended != nil || err != nil {
				t.Errorf("another session ended %+v, %v", ended, err)
			}
			if _, err := w.get(v, 0); !errors.Is(err, ErrNotConnected) {
				t.Errorf("connected: %v", err)
			}
			w.wantLive(0)
		})
	}
}

// speakNonsense answers with the request's own secrets, and not by HTTP.
func speakNonsense(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = conn.Write([]byte(r.PostForm.Get("code") + r.PostForm.Get("refresh_token") + r.PostForm.Get("token") + "\r\n\r\n"))
	_ = conn.Close()
}

func TestGrantsThatAreNotKept(t *testing.T) {
	refuse := func(context.Context, Credential) (Org, error) {
		return Org{}, &OAuthError{Code: "API_DISABLED_FOR_ORG"}
	}
	set := func(name string, value any) func(map[string]any) {
		return func(a map[string]any) { a[name] = value }
	}
	tests := map[string]struct {
		mend func(map[string]any)
		org  func(context.Context, Credential) (Org, error)
		want string
	}{
		"no refresh token":    {mend: func(a map[string]any) { delete(a, "refresh_token") }, want: CodeNoRefreshToken},
		"no api scope":        {mend: set("scope", "id refresh_token apis"), want: CodeMissingScope},
		"no scope":            {mend: func(a map[string]any) { delete(a, "scope") }, want: CodeMissingScope},
		"foreign instance":    {mend: set("instance_url", "https://evil.example"), want: CodeForeignHost},
		"no instance":         {mend: set("instance_url", ""), want: CodeForeignHost},
		"plain http instance": {mend: set("instance_url", "http://contoso.my.salesforce.com"), want: CodeForeignHost},
		"instance and query":  {mend: set("instance_url", "https://contoso.my.salesforce.com/?x="), want: CodeForeignHost},
		"instance no string":  {mend: set("instance_url", []string{"https://contoso.my.salesforce.com"}), want: CodeForeignHost},
		"foreign id":          {mend: set("id", "https://evil.example/id/"+orgOne+"/"+remoteUser), want: CodeForeignHost},
		"odd id":              {mend: set("id", "https://login.salesforce.com/id/org/user"), want: CodeForeignHost},
		"no id":               {mend: func(a map[string]any) { delete(a, "id") }, want: CodeForeignHost},
		"an org without API":  {org: refuse, want: "API_DISABLED_FOR_ORG"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process(func(c *Config) { c.Org = test.org })
			w.srv.mend = test.mend
			wantOAuth(t, w.tryConnect(v), test.want)
			if _, err := w.get(v, 0); !errors.Is(err, ErrNotConnected) {
				t.Errorf("connected: %v", err)
			}
			w.wantLive(0)
			w.srv.fail("revoke", 1, html503)
			wantOAuth(t, w.tryConnect(v), test.want)
			if w.srv.live() != 1 || w.pending() != 1 {
				t.Errorf("with the service down %d are alive, %d revocations pending", w.srv.live(), w.pending())
			}
			w.runRevocations(v)
			w.wantLive(0)
		})
	}
}

func TestOrgNameIsNotNeeded(t *testing.T) {
	w := newWorld(t)
	v := w.process(func(c *Config) {
		c.Org = func(context.Context, Credential) (Org, error) { return Org{Name: "no name"}, errDisk }
	})
	if i := w.connect(v); i.OrgName != "" {
		t.Errorf("org %q", i.OrgName)
	}
}

func TestStoreFailsWhileConnecting(t *testing.T) {
	w := newWorld(t)
	var s *sickStore
	v := w.process(sick(&s, "SaveIdentity", 1))
	if err := w.tryConnect(v); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	w.wantLive(0)
	s.left = map[string]int{"SaveIdentity": 1, "AddRevocation": 1}
	if err := w.tryConnect(v); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	w.wantLive(0)
	w.connect(v)
	w.srv.org = orgTwo
	s.left = map[string]int{"HoldIdentity": 1}
	if err := w.tryConnect(v); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	w.wantLive(1)
}

func TestReconnectReplacesInPlace(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	first := w.connect(v)
	old := w.fresh(v, 0)
	if err := w.store.BreakIdentity(t.Context(), first.ID, first.Generation, "invalid_grant", ""); err != nil {
		t.Fatal(err)
	}
	w.srv.fail("revoke", 1, func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if i := w.identity(v); i.Generation == first.Generation {
			t.Error("the old token is revoked before the new one is stored")
		}
		serve(rw, r)
	})
	second := w.connect(v)
	if second.ID != first.ID || second.Generation <= first.Generation || !second.BrokenAt.IsZero() {
		t.Errorf("first %+v\nsecond %+v", first, second)
	}
	if c := w.fresh(v, 0); c.AccessToken == old.AccessToken || w.srv.alive(old.AccessToken) {
		t.Error("the old token is alive")
	}
	w.wantLive(1)
	w.srv.fail("revoke", 1, cutBefore)
	w.connect(v)
	if w.srv.live() != 2 || w.pending() != 1 {
		t.Errorf("%d alive, %d pending", w.srv.live(), w.pending())
	}
	w.runRevocations(v)
	w.wantLive(1)
	w.fresh(v, 0)
}

// A service may answer a new authorization with the refresh token that it gave
// before: then the "replaced" one is the one in use.
func TestReconnectWithTheSameToken(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	var first any
	w.srv.mend = func(a map[string]any) {
		if first == nil {
			first = a["refresh_token"]
		}
		a["refresh_token"] = first
	}
	w.connect(v)
	w.connect(v)
	if n := w.srv.count("revoke"); n != 0 || w.pending() != 0 {
		t.Errorf("%d revocations sent, %d pending", n, w.pending())
	}
}

func TestTwoAdminsConnectAtOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.process(), w.process()
	g := newGate(true)
	w.srv.fail("token", 1, g.fault)
	first := make(chan error)
	cb := w.begin(a)
	go func() { _, err := a.Finish(t.Context(), cb); first <- err }()
	comes(t, g.entered)
	w.connect(b)
	close(g.open)
	if err := <-first; err != nil {
		t.Errorf("the one whose answer came later: %v", err)
	}
	w.wantLive(1)
	w.fresh(a, 0)
}

func TestChangedMeanwhile(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	g := i.Grant
	g.ID = db.NewID()
	if err := v.save(t.Context(), g, tokens{"a", "r"}, false, ""); !errors.Is(err, ErrChanged) {
		t.Errorf("another row: %v", err)
	}
	g = i.Grant
	g.OrgID = orgTwo
	if err := v.save(t.Context(), g, tokens{"a", "r"}, false, ""); !errors.Is(err, ErrChanged) {
		t.Errorf("another org: %v", err)
	}
	w.wantLive(1)
}

// hold connects, and then authorizes another org.
func (w *world) hold(v *Vault) (db.Identity, db.Held) {
	w.t.Helper()
	before := w.connect(v)
	w.srv.org = orgTwo
	if err := w.tryConnect(v); !errors.Is(err, ErrHeld) {
		w.t.Fatalf("another org: %v", err)
	}
	h, err := v.Held(w.t.Context(), Salesforce, w.tenant)
	if err != nil || h.OrgID != orgTwo || h.ConnectedEmail != "john@contoso.example" || h.ID == before.ID {
		w.t.Fatalf("held %+v, %v", h, err)
	}
	if c := w.fresh(v, 0); c.OrgID != orgOne {
		w.t.Fatalf("the connection was changed unasked")
	}
	return before, h
}

func TestAnotherOrgConfirmed(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	before, h := w.hold(v)
	if err := v.Confirm(t.Context(), Salesforce, w.tenant, "not-the-one-shown"); !errors.Is(err, ErrChanged) {
		t.Errorf("another one: %v", err)
	}
	other, _ := w.addTenant("fabrikam")
	if err := v.Confirm(t.Context(), Salesforce, other, h.ID); !errors.Is(err, ErrChanged) {
		t.Errorf("another tenant: %v", err)
	}
	if err := v.Confirm(t.Context(), Salesforce, w.tenant, h.ID); err != nil {
		t.Fatal(err)
	}
	if i := w.identity(v); i.ID != before.ID || i.OrgID != orgTwo || i.Generation <= before.Generation {
		t.Errorf("confirmed %+v", i)
	}
	w.wantLive(1)
	c := w.fresh(v, 0)
	if w.fresh(v, c.Generation).OrgID != orgTwo {
		t.Error("renewed another org")
	}
	if err := v.Confirm(t.Context(), Salesforce, w.tenant, h.ID); !errors.Is(err, ErrChanged) {
		t.Errorf("confirmed twice: %v", err)
	}
	w.wantLive(1)
}

func TestAnotherOrgConfirmedTwiceAtOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.process(), w.process()
	_, h := w.hold(a)
	errs := make(chan error, 2)
	for _, v := range []*Vault{a, b} {
		go func() { errs <- v.Confirm(t.Context(), Salesforce, w.tenant, h.ID) }()
	}
	one, two := <-errs, <-errs
	if (one == nil) == (two == nil) || !errors.Is(errors.Join(one, two), ErrChanged) {
		t.Errorf("got %v and %v", one, two)
	}
	w.wantLive(1)
	w.fresh(a, 0)
}

func TestAnotherOrgNotKept(t *testing.T) {
	tests := map[string]func(w *world, v *Vault, h db.Held) error{
		"declined": func(w *world, v *Vault, h db.Held) error {
			if err := v.Decline(w.t.Context(), Salesforce, w.tenant, "another"); !errors.Is(err, ErrChanged) {
				w.t.Errorf("one that isn't held: %v", err)
			}
			w.wantLive(2)
			return v.Decline(w.t.Context(), Salesforce, w.tenant, h.ID)
		},
		"expired": func(w *world, _ *Vault, h db.Held) error {
			_, err := w.store.Writer().Exec(`UPDATE held_identities SET expires_at = $1 WHERE id = $2`, time.Now().UnixMilli(), h.ID)
			return errors.Join(err, w.store.ExpireHeld(w.t.Context()))
		},
		"the first org again": func(w *world, v *Vault, _ db.Held) error {
			w.srv.org = orgOne
			return w.tryConnect(v)
		},
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			_, h := w.hold(v)
			if err := end(w, v, h); err != nil {
				t.Fatal(err)
			}
			if _, err := v.Held(t.Context(), Salesforce, w.tenant); !errors.Is(err, ErrNotConnected) {
				t.Errorf("still held: %v", err)
			}
			if err := v.Confirm(t.Context(), Salesforce, w.tenant, h.ID); !errors.Is(err, ErrChanged) {
				t.Errorf("confirmed: %v", err)
			}
			w.runRevocations(v)
			w.wantLive(1)
			if c := w.fresh(v, 0); c.OrgID != orgOne {
				t.Errorf("connected to %s", c.OrgID)
			}
		})
	}
}

func TestHeldTooLongIsNotConfirmed(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	_, h := w.hold(v)
	w.skip(heldLife)
	if err := v.Confirm(t.Context(), Salesforce, w.tenant, h.ID); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
}

func TestHeldTwice(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	_, first := w.hold(v)
	if err := w.tryConnect(v); !errors.Is(err, ErrHeld) {
		t.Fatal(err)
	}
	if err := v.Confirm(t.Context(), Salesforce, w.tenant, first.ID); !errors.Is(err, ErrChanged) {
		t.Errorf("the one that is no longer held: %v", err)
	}
	w.runRevocations(v)
	w.wantLive(2)
}

func TestDisconnectWhileHeld(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	_, h := w.hold(v)
	if revoked, err := v.Disconnect(t.Context(), Salesforce, w.tenant); !revoked || err != nil {
		t.Errorf("revoked %v, %v", revoked, err)
	}
	w.wantLive(0)
	if err := v.Confirm(t.Context(), Salesforce, w.tenant, h.ID); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
}
