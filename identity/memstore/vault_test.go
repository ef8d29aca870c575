package memstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/identity"
	"gatepost/identity/memstore"
)

// acme is a service whose refresh tokens work once, in the place of the network.
type acme struct {
	mu       sync.Mutex
	down     bool
	org      string
	n        int
	live     map[string]bool // refresh tokens
	renewals int
	asked    int // while it was down
}

func (a *acme) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	switch {
	case a.down:
		a.asked++
		return answer(http.StatusServiceUnavailable, map[string]any{}), nil
	case r.URL.Path == "/revoke":
		delete(a.live, r.PostForm.Get("token"))
		return answer(http.StatusOK, map[string]any{}), nil
	case r.PostForm.Get("grant_type") == "refresh_token":
		if !a.live[r.PostForm.Get("refresh_token")] {
			return answer(http.StatusBadRequest, map[string]any{"error": "invalid_grant"}), nil
		}
		delete(a.live, r.PostForm.Get("refresh_token"))
		a.renewals++
	}
	a.n++
	refresh := fmt.Sprint("refresh", a.n)
	a.live[refresh] = true
	return answer(http.StatusOK, map[string]any{"access_token": fmt.Sprint("access", a.n), "refresh_token": refresh, "expires_in": 3600, "org": a.org}), nil
}

func answer(status int, fields map[string]any) *http.Response {
	b, _ := json.Marshal(fields) // of plain values
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(b)))}
}

func (a *acme) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

// service is acme as a vault knows it.
func service() identity.Service {
	return identity.Service{ID: "acme", Name: "Acme", LoginURL: "https://acme.example", AuthorizeURL: "/authorize", TokenURL: "/token", Revoke: identity.Revocation{URL: "/revoke"}, HostSuffixes: []string{"acme.example"},
		OrgField: "org", Rotates: true, ClientID: "client", ClientSecret: "secret", RedirectURL: "https://app.example/callback"}
}

// open is a vault in memory, and its service.
func open(t *testing.T) (*identity.Vault, *acme) {
	t.Helper()
	keys, err := memstore.Keys()
	if err != nil {
		t.Fatal(err)
	}
	a := &acme{live: map[string]bool{}, org: "org"}
	v, err := identity.New(identity.Config{Store: memstore.New(nil), Keys: keys, HTTP: &http.Client{Transport: a}, Services: []identity.Service{service()}})
	if err != nil {
		t.Fatal(err)
	}
	return v, a
}

// connect authorizes for a user, or for the tenant itself.
func connect(t *testing.T, v *identity.Vault, user string) error {
	t.Helper()
	address, err := v.Authorize(t.Context(), identity.AuthorizeRequest{Service: "acme", TenantID: "contoso", User: user, UserID: "john", SessionID: "session", FinishedURL: "/"})
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.Finish(t.Context(), identity.CallbackOf("acme", "session", url.Values{"state": {at.Query().Get("state")}, "code": {"code"}}))
	return err
}

var eve = identity.Selector{Service: "acme", TenantID: "contoso", User: "eve"}

// A vault in memory does what any does, by the clock of a test.
func TestVaultInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, a := open(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan bool)
		go func() { v.Run(ctx); close(ended) }()
		if _, err := v.Credential(t.Context(), eve); !errors.Is(err, identity.ErrNotConnected) {
			t.Errorf("before: %v", err)
		}
		if _, err := v.Credential(t.Context(), identity.Selector{}); !errors.Is(err, identity.ErrEmptySelector) {
			t.Errorf("of nobody: %v", err)
		}
		if err := connect(t, v, "eve"); err != nil {
			t.Fatal(err)
		}
		c, err := v.Credential(t.Context(), eve)
		if err != nil || c.AccessToken != "access1" || c.OrgID != "org" {
			t.Fatalf("%+v, %v", c, err)
		}
		if newer, err := v.GetByID(t.Context(), c.Identity, c.Generation); err != nil || newer.AccessToken != "access2" {
			t.Errorf("a refused one: %+v, %v", newer, err)
		}
		time.Sleep(2 * time.Hour) // of the bubble
		if c, err := v.Credential(t.Context(), eve); err != nil || c.AccessToken != "access3" {
			t.Errorf("when it has run out: %+v, %v", c, err)
		}

		// Nobody uses it, and it is kept alive.
		time.Sleep(11 * 24 * time.Hour)
		synctest.Wait()
		a.set(func() {
			if a.renewals != 4 {
				t.Errorf("%d renewals, of which two because nobody used it for eleven days", a.renewals)
			}
		})

		// It is deleted while the service is down, and revoked when it is there again.
		a.set(func() { a.down = true })
		receipts, err := v.Delete(t.Context(), eve)
		if err != nil || len(receipts) != 1 || receipts[0].Ending != identity.Pending {
			t.Errorf("deleted: %+v, %v", receipts, err)
		}
		time.Sleep(10 * time.Minute)
		a.set(func() {
			if a.asked < 4 {
				t.Errorf("it was tried %d times in ten minutes", a.asked)
			}
		})
		time.Sleep(24 * time.Hour)
		a.set(func() {
			if a.down = false; len(a.live) != 1 || a.asked > 40 {
				t.Errorf("%v are alive, after %d tries", a.live, a.asked)
			}
		})
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		a.set(func() {
			if len(a.live) != 0 {
				t.Errorf("%v are alive, and nobody revokes them", a.live)
			}
		})

		// After a week it is given up.
		if err := connect(t, v, "eve"); err != nil {
			t.Fatal(err)
		}
		a.set(func() { a.down = true })
		if _, err := v.Delete(t.Context(), eve); err != nil {
			t.Error(err)
		}
		time.Sleep(7*24*time.Hour + 2*time.Hour)
		if due, err := v.Store.RevocationsDue(t.Context(), "", 9); err != nil || len(due) != 0 {
			t.Errorf("after a week: %v, %v", due, err)
		}
		stop()
		<-ended
	})
}

// A process that lives shortly keeps alive what is due.
func TestRunBeginsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, a := open(t)
		if err := connect(t, v, "eve"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * 24 * time.Hour) // of the bubble
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		v.Run(ctx)
		a.set(func() {
			if a.renewals != 1 {
				t.Errorf("%d renewals", a.renewals)
			}
		})
	})
}

// Close ends Run, and what begins after it.
func TestCloseEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, _ := open(t)
		ended := make(chan bool)
		go func() { v.Run(t.Context()); close(ended) }()
		synctest.Wait()
		for range 2 {
			if err := v.Close(); err != nil {
				t.Error(err)
			}
		}
		<-ended
		v.Run(t.Context())
	})
}

// What a store can't do is said, and what it doesn't know isn't there.
func TestRolesThatAreLacking(t *testing.T) {
	v, a := open(t)
	ctx := t.Context()
	id := "client2"
	for what, do := range map[string]func() error{
		"set a service": func() error { return v.SetService(ctx, "acme", identity.ServiceChange{ClientID: &id}) },
		"set an own app": func() error {
			return v.SetTenantApp(ctx, "acme", "contoso", identity.ServiceChange{ClientID: &id, ClientSecret: &id})
		},
		"define a service": func() error {
			return v.AddService(ctx, identity.Service{ID: "other", Name: "Other", LoginURL: "https://other.example", AuthorizeURL: "/a", TokenURL: "/t"})
		},
		"begin over HTTP": func() error {
			_, err := v.BeginAuthorization(ctx, identity.AuthorizationRequest{Service: "acme", TenantID: "contoso"})
			return err
		},
		"find a tenant":  func() error { _, err := v.TenantBySlug(ctx, "contoso"); return err },
		"close a tenant": func() error { _, _, err := v.CloseTenant(ctx, "contoso", time.Now()); return err },
		"forget":         func() error { _, err := v.Forget(ctx, eve); return err },
	} {
		err := do()
		if fault, ok := identity.FaultOf(err); !errors.Is(err, identity.ErrUnsupported) || !ok || fault.Code != "unsupported" {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, of := range map[string]struct{ err, want error }{
		"a service":           {second(v.Service(ctx, "other")), identity.ErrNoService},
		"an own app":          {second(v.TenantApp(ctx, "acme", "contoso")), identity.ErrNoOwnApp},
		"what is held":        {second(v.Held(ctx, "acme", "contoso")), identity.ErrNotConnected},
		"an authorization":    {third(v.AuthorizationOf(ctx, "key", "id")), identity.ErrNoAuthorization},
		"a tenant's own":      {second(v.End(ctx, "acme", "contoso")), identity.ErrNotConnected},
		"a service to change": {v.ChangeDefinition(ctx, "other", func(*identity.Service) {}), identity.ErrNoService},
	} {
		if !errors.Is(of.err, of.want) {
			t.Errorf("%s: %v, want %v", what, of.err, of.want)
		}
	}
	if all, err := v.Services(ctx); err != nil || len(all) != 1 {
		t.Errorf("services: %v, %v", all, err)
	}

	// Nobody can be asked whether another org is meant: it is refused, and revoked.
	if err := connect(t, v, ""); err != nil {
		t.Fatal(err)
	}
	a.set(func() { a.org = "org2" })
	var refused *identity.OAuthError
	if err := connect(t, v, ""); !errors.As(err, &refused) || refused.Code != identity.CodeOtherOrg {
		t.Errorf("another org: %v", err)
	}
	a.set(func() {
		if len(a.live) != 1 {
			t.Errorf("%v are alive", a.live)
		}
	})
	if ending, err := v.End(ctx, "acme", "contoso"); err != nil || ending != identity.Revoked || len(a.live) != 0 {
		t.Errorf("ended: %v, %v, %v are alive", ending, err, a.live)
	}
	v.Wait()
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

// A limit of none deletes one, and not all.
func TestDeleteSomeOfMany(t *testing.T) {
	v, a := open(t)
	for _, user := range []string{"eve", "joe"} {
		if err := connect(t, v, user); err != nil {
			t.Fatal(err)
		}
	}
	receipts, more, err := v.DeleteSome(t.Context(), identity.Selector{TenantID: "contoso"}, 0)
	if err != nil || len(receipts) != 1 || !more || len(a.live) != 1 {
		t.Errorf("%+v, %t, %v, %v are alive", receipts, more, err, a.live)
	}
}
