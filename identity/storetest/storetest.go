// Package storetest holds a vault's store to what package identity says of it: run it from a test of the store's
// own.
//
//	func TestStore(t *testing.T) { storetest.Run(t, open) }
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatepost/identity"
	"gatepost/identity/stored"
)

// Opened is an empty store, and what the tests need beside it.
type Opened struct {
	Store   identity.Store
	Tenants [2]string                         // ids of two tenants that it knows
	Slugs   [2]string                         // how it names these
	KeyID   uint32                            // of the key that seals
	Clock   func(now func() time.Time)        // has the store go by another clock
	Again   func(t *testing.T) identity.Store // the same store as another process has it; nil where there is one alone
}

// Run runs all tests, each group on a store of its own that open returns.
func Run(t *testing.T, open func(t *testing.T) Opened) {
	for _, group := range []struct {
		name string
		test func(w *world)
	}{
		{"identities", identities}, {"selectors", selectors}, {"approvals", approvals}, {"leases", leases}, {"calls", calls}, {"renewals", renewals}, {"failures", failures},
		{"due", due}, {"handshakes", handshakes}, {"revocations", revocations}, {"races", races},
	} {
		t.Run(group.name, func(t *testing.T) {
			w := &world{T: t, Opened: open(t)}
			w.at.Store(time.Now().Truncate(time.Second).UnixMilli())
			w.Clock(w.now)
			group.test(w)
		})
	}
}

// world is a store whose clock stands still, unless it is set on.
type world struct {
	*testing.T
	Opened
	at atomic.Int64
	n  int
}

func (w *world) now() time.Time { return time.UnixMilli(w.at.Load()) }

func (w *world) skip(d time.Duration) { w.at.Add(d.Milliseconds()) }

func (w *world) ctx() context.Context { return w.Context() }

const service = "gitlab"

// grant is one of a user's, for a new row.
func (w *world) grant(tenant int, user string) identity.Grant {
	w.n++
	return identity.Grant{ID: stored.NewID(), Service: service, TenantID: w.Tenants[tenant], User: user, KeyID: w.KeyID, Native: `{"a":1}`, SealedAccess: fmt.Sprint("access", w.n), SealedRefresh: fmt.Sprint("refresh", w.n),
		TokenHash: fmt.Sprint("hash", w.n), LoginURL: "https://login.example", InstanceURL: "https://instance.example", OrgID: "org", RemoteUserID: "remote", Scopes: "api id", ClientID: "client", Tags: []string{"a", "b"},
		AccessEnds: w.now().Add(time.Hour)}
}

// save stores a grant, and returns the identity.
func (w *world) save(g identity.Grant) identity.Identity {
	w.Helper()
	if _, err := w.Store.SaveIdentity(w.ctx(), g, true, ""); err != nil {
		w.Fatal(err)
	}
	return w.read(g.ID)
}

func (w *world) read(id string) identity.Identity {
	w.Helper()
	i, err := w.Store.IdentityByID(w.ctx(), id)
	if err != nil {
		w.Fatal(err)
	}
	return i
}

// want fails the test unless an error is the one that is wanted.
func (w *world) want(what string, err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("%s: %v, want %v", what, err, want)
	}
}

func (w *world) is(what string, got, want any) {
	w.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.Errorf("%s: %v, want %v", what, got, want)
	}
}

func identities(w *world) {
	_, err := w.Store.IdentityByID(w.ctx(), stored.NewID())
	w.want("no such id", err, stored.ErrNotFound)
	_, err = w.Store.IdentityOf(w.ctx(), service, w.Tenants[0], "", "")
	w.want("no such identity", err, stored.ErrNotFound)

	g := w.grant(0, "eve")
	i := w.save(g)
	w.is("it is kept", []any{i.SealedAccess, i.SealedRefresh, i.KeyID, i.TokenHash, i.Service, i.TenantID, i.User, i.Account, i.LoginURL, i.InstanceURL, i.OrgID, i.RemoteUserID, i.Scopes, i.ClientID, i.Native, i.Tags, i.OwnApp},
		[]any{g.SealedAccess, g.SealedRefresh, g.KeyID, g.TokenHash, g.Service, g.TenantID, "eve", "", g.LoginURL, g.InstanceURL, g.OrgID, g.RemoteUserID, g.Scopes, g.ClientID, g.Native, g.Tags, false})
	w.is("it is new", []any{i.ConnectedAt.Equal(w.now()), i.RefreshedAt.Equal(w.now()), i.ExpiresAt.Equal(g.AccessEnds), i.BrokenAt.IsZero(), i.FailedAt.IsZero(), i.CallStartedAt.IsZero(), i.LeaseUntil.IsZero(), i.Stale},
		[]any{true, true, true, true, true, true, true, false})
	for _, other := range []struct{ service, tenant, user, account string }{{"slack", w.Tenants[0], "eve", ""}, {service, w.Tenants[1], "eve", ""}, {service, w.Tenants[0], "joe", ""}, {service, w.Tenants[0], "", ""}, {service, w.Tenants[0], "eve", "x"}} {
		_, err := w.Store.IdentityOf(w.ctx(), other.service, other.tenant, other.user, other.account)
		w.want(fmt.Sprint(other), err, stored.ErrNotFound)
	}

	// In the place of the old one, whose id it has.
	another := w.grant(0, "eve")
	_, err = w.Store.SaveIdentity(w.ctx(), another, true, "")
	w.want("saved beside another", err, stored.ErrLost)
	another.ID, another.OrgID = i.ID, "org2"
	_, err = w.Store.SaveIdentity(w.ctx(), another, false, "")
	w.want("of another org", err, stored.ErrLost)
	w.is("what lost changes nothing", w.read(i.ID), i)
	if _, err := w.Store.StartRenewal(w.ctx(), i.ID, i.Generation, "owner", time.Minute, true); err != nil {
		w.Fatal(err)
	}
	w.skip(time.Second)
	replaced, err := w.Store.SaveIdentity(w.ctx(), another, true, "")
	w.want("saved in place", err, nil)
	r, err := w.Store.Revocation(w.ctx(), replaced)
	w.want("the replaced token is to be revoked", err, nil)
	w.is("which", []any{r.SealedRefresh, r.IdentityID, r.OrgID, r.Service, r.TenantID, r.LoginURL, r.RemoteUserID, r.ClientID}, []any{g.SealedRefresh, i.ID, "org", service, g.TenantID, g.LoginURL, "remote", "client"})
	now := w.read(i.ID)
	w.is("the new one", []any{now.SealedRefresh, now.OrgID, now.Stale, now.CallStartedAt.IsZero(), now.LeaseUntil.IsZero(), now.Generation > i.Generation, now.ConnectedAt.Equal(w.now())}, []any{another.SealedRefresh, "org2", false, true, true, true, true})
	w.want("the old renewal", w.Store.FinishRenewal(w.ctx(), g, i.Generation), stored.ErrLost)

	held, err := w.Store.HoldsToken(w.ctx(), service, another.TokenHash)
	w.is("the token is held", []any{held, err}, []any{true, nil})
	for _, no := range [][2]string{{service, g.TokenHash}, {"slack", another.TokenHash}, {service, ""}} {
		held, err := w.Store.HoldsToken(w.ctx(), no[0], no[1])
		w.is(fmt.Sprint("nobody holds ", no), []any{held, err}, []any{false, nil})
	}

	// Nobody has its generation who comes after it.
	deleted, err := w.Store.DeleteSomeIdentities(w.ctx(), identity.Selector{ID: i.ID}, "", "", 0)
	if err != nil || len(deleted) != 1 {
		w.Fatal(deleted, err)
	}
	w.is("deleted", []any{deleted[0].ID, deleted[0].Service, deleted[0].TenantID, deleted[0].User, deleted[0].Tenant}, []any{i.ID, service, w.Tenants[0], "eve", w.Slugs[0]})
	r, err = w.Store.Revocation(w.ctx(), deleted[0].Revocation)
	w.is("its token is to be revoked", []any{r.SealedRefresh, err}, []any{another.SealedRefresh, nil})
	_, err = w.Store.IdentityByID(w.ctx(), i.ID)
	w.want("deleted", err, stored.ErrNotFound)
	w.want("a renewal of what is gone", w.Store.FinishRenewal(w.ctx(), another, now.Generation), stored.ErrLost)
	w.skip(time.Second)
	if again := w.save(another); again.Generation <= now.Generation {
		w.Errorf("generation %d comes after %d", again.Generation, now.Generation)
	}
}

func selectors(w *world) {
	var ids []string
	put := func(tenant int, service, user, account string, tags ...string) {
		g := w.grant(tenant, user)
		g.Service, g.Account, g.Tags = service, account, tags
		w.save(g)
		ids = append(ids, g.ID)
	}
	put(0, service, "", "")
	put(0, service, "eve", "", "x", "y")
	put(0, service, "eve", "second", "x")
	put(1, service, "eve", "")
	put(0, "slack", "joe", "", "y")
	put(0, service, "", "label")
	for _, c := range []struct {
		sel  identity.Selector
		want []int
	}{
		{identity.Selector{}, []int{0, 1, 2, 3, 4, 5}},
		{identity.Selector{ID: ids[3]}, []int{3}},
		{identity.Selector{ID: ids[3], TenantID: w.Tenants[0]}, nil},
		{identity.Selector{TenantID: w.Tenants[1]}, []int{3}},
		{identity.Selector{Service: "slack"}, []int{4}},
		{identity.Selector{User: "eve"}, []int{1, 2, 3}},
		{identity.Selector{User: "eve", NoAccount: true}, []int{1, 3}},
		{identity.Selector{NoUser: true}, []int{0, 5}},
		{identity.Selector{NoUser: true, NoAccount: true}, []int{0}},
		{identity.Selector{Account: "second"}, []int{2}},
		{identity.Selector{Tags: []string{"x"}}, []int{1, 2}},
		{identity.Selector{Tags: []string{"y", "x"}}, []int{1}},
		{identity.Selector{Tags: []string{"z"}}, nil},
		{identity.Selector{Services: []string{"slack", "asana"}}, []int{4}},
		{identity.Selector{Service: service, Services: []string{"slack"}}, nil},
		{identity.Selector{User: "eve", Tenants: []string{w.Tenants[1]}}, []int{3}},
	} {
		found, err := w.Store.Identities(w.ctx(), c.sel, "", 10)
		var want []string
		for _, n := range c.want {
			want = append(want, ids[n])
		}
		w.is(fmt.Sprintf("%+v", c.sel), []any{idsOf(found), err}, []any{want, nil})
	}
	found, err := w.Store.Identities(w.ctx(), identity.Selector{}, ids[1], 2)
	w.is("a page", []any{idsOf(found), err}, []any{ids[2:4], nil})
	w.is("their tenants", []any{found[0].Tenant, found[1].Tenant}, w.Slugs[:])

	none, err := w.Store.DeleteSomeIdentities(w.ctx(), identity.Selector{User: "nobody"}, "", "", 0)
	w.is("nothing to delete", []any{len(none), err}, []any{0, nil})
	some, err := w.Store.DeleteSomeIdentities(w.ctx(), identity.Selector{Service: service}, ids[0], ids[3], 2)
	w.is("some are deleted", []any{deletedIDs(some), err}, []any{ids[1:3], nil})
	some, err = w.Store.DeleteSomeIdentities(w.ctx(), identity.Selector{Service: service}, ids[0], ids[3], 2)
	w.is("some more", []any{deletedIDs(some), err}, []any{ids[3:4], nil})
	all, err := w.Store.DeleteSomeIdentities(w.ctx(), identity.Selector{Service: service}, "", "", 0)
	w.is("all are deleted", []any{deletedIDs(all), err}, []any{[]string{ids[0], ids[5]}, nil})
	found, err = w.Store.Identities(w.ctx(), identity.Selector{}, "", 10)
	w.is("what is left", []any{idsOf(found), err}, []any{ids[4:5], nil})
}

func idsOf(all []identity.NamedIdentity) (ids []string) {
	for _, i := range all {
		ids = append(ids, i.ID)
	}
	return ids
}

func deletedIDs(all []identity.Deleted) (ids []string) {
	for _, d := range all {
		ids = append(ids, d.ID)
	}
	return ids
}

func approvals(w *world) {
	one, two, three := w.grant(0, "eve"), w.grant(1, "joe"), w.grant(0, "ann")
	two.OrgID, three.RemoteUserID, three.Service = "org2", "other", "slack"
	for _, g := range []identity.Grant{one, two, three} {
		w.save(g)
	}
	for _, c := range []struct {
		service, org, user string
		want               []string
	}{{service, "org", "remote", []string{one.ID, two.ID}}, {service, "org", "", []string{one.ID}}, {service, "org", "nobody", nil}, {"slack", "org", "remote", nil}, {"slack", "org", "", []string{three.ID}}} {
		found, err := w.Store.ApprovedAnywhere(w.ctx(), c.service, c.org, c.user)
		var ids []string
		for _, i := range found {
			ids = append(ids, i.ID)
		}
		slices.Sort(ids)
		w.is(fmt.Sprint(c.service, c.org, c.user), []any{ids, err}, []any{c.want, nil})
	}
}

func leases(w *world) {
	i := w.save(w.grant(0, "eve"))
	start := func(owner string, generation int64) (time.Time, error) {
		return w.Store.StartRenewal(w.ctx(), i.ID, generation, owner, time.Minute, false)
	}
	_, err := start("a", i.Generation-1)
	w.want("of an older generation", err, stored.ErrLost)
	_, err = w.Store.StartRenewal(w.ctx(), stored.NewID(), i.Generation, "a", time.Minute, false)
	w.want("of nothing", err, stored.ErrLost)
	w.want("nobody's lease is extended", w.Store.ExtendRenewal(w.ctx(), i.ID, "a", time.Minute), stored.ErrLost)
	w.is("nothing has changed", w.read(i.ID), i)

	earlier, err := start("a", i.Generation)
	w.is("the lease", []any{earlier.IsZero(), err}, []any{true, nil})
	begun := w.now()
	got := w.read(i.ID)
	w.is("the call is marked", []any{got.CallStartedAt.Equal(begun), got.LeaseUntil.Equal(begun.Add(time.Minute)), got.Stale}, []any{true, true, false})
	for _, owner := range []string{"a", "b"} {
		_, err := start(owner, i.Generation)
		w.want("taken again by "+owner, err, stored.ErrLost)
	}
	w.want("extended by another", w.Store.ExtendRenewal(w.ctx(), i.ID, "b", time.Minute), stored.ErrLost)
	w.skip(50 * time.Second)
	w.want("extended", w.Store.ExtendRenewal(w.ctx(), i.ID, "a", time.Minute), nil)
	w.skip(50 * time.Second)
	_, err = start("b", i.Generation)
	w.want("while it is extended", err, stored.ErrLost)
	w.skip(10 * time.Second)
	w.want("extended when it has run out", w.Store.ExtendRenewal(w.ctx(), i.ID, "a", time.Minute), stored.ErrLost)
	earlier, err = w.Store.StartRenewal(w.ctx(), i.ID, i.Generation, "b", time.Minute, true)
	w.is("taken over, with the mark of the first call", []any{earlier.Equal(begun), err}, []any{true, nil})
	got = w.read(i.ID)
	w.is("it is kept, and the token is refused", []any{got.CallStartedAt.Equal(begun), got.Stale}, []any{true, true})
	w.want("failed by who has lost it", w.Store.FailRenewal(w.ctx(), i.ID, i.Generation, "a", "x", w.now(), false), stored.ErrLost)
	w.want("broken by who has lost it", w.Store.BreakIdentity(w.ctx(), i.ID, i.Generation, "x", "a"), stored.ErrLost)
	w.want("restarted by who has lost it", w.Store.RestartCall(w.ctx(), i.ID, i.Generation, "a"), stored.ErrLost)
	w.is("nothing has changed", w.read(i.ID), got)
}

func calls(w *world) {
	i := w.save(w.grant(0, "eve"))
	w.want("no call is restarted", w.Store.RestartCall(w.ctx(), i.ID, i.Generation, "a"), stored.ErrLost)
	if _, err := w.Store.StartRenewal(w.ctx(), i.ID, i.Generation, "a", time.Minute, false); err != nil {
		w.Fatal(err)
	}
	w.want("of another generation", w.Store.RestartCall(w.ctx(), i.ID, i.Generation+1, "a"), stored.ErrLost)
	w.skip(30 * time.Second)
	w.want("restarted", w.Store.RestartCall(w.ctx(), i.ID, i.Generation, "a"), nil)
	w.is("from now", w.read(i.ID).CallStartedAt.Equal(w.now()), true)
	w.skip(time.Minute)
	w.want("after the lease", w.Store.RestartCall(w.ctx(), i.ID, i.Generation, "a"), stored.ErrLost)
}

func renewals(w *world) {
	g := w.grant(0, "eve")
	i := w.save(g)
	if _, err := w.Store.StartRenewal(w.ctx(), i.ID, i.Generation, "a", time.Minute, true); err != nil {
		w.Fatal(err)
	}
	brings := i.Grant
	brings.SealedAccess, brings.SealedRefresh, brings.TokenHash, brings.InstanceURL, brings.Scopes, brings.Native, brings.ClientID = "access'", "refresh'", "hash'", "https://moved.example", "api", `{"b":2}`, "client'"
	brings.AccessEnds = w.now().Add(2 * time.Hour)
	w.want("of an older generation", w.Store.FinishRenewal(w.ctx(), brings, i.Generation-1), stored.ErrLost)
	w.skip(2 * time.Minute) // the lease has run out, and nobody has taken it
	w.want("finished", w.Store.FinishRenewal(w.ctx(), brings, i.Generation), nil)
	got := w.read(i.ID)
	w.is("what it brought", []any{got.SealedAccess, got.SealedRefresh, got.TokenHash, got.InstanceURL, got.Scopes, got.Native, got.ClientID, got.ExpiresAt.Equal(brings.AccessEnds)},
		[]any{"access'", "refresh'", "hash'", "https://moved.example", "api", `{"b":2}`, "client'", true})
	w.is("is the next generation", []any{got.Generation, got.Stale, got.CallStartedAt.IsZero(), got.LeaseUntil.IsZero(), got.RefreshedAt.Equal(w.now()), got.ConnectedAt.Equal(i.ConnectedAt), got.Tags}, []any{i.Generation + 1, false, true, true, true, true, i.Tags})
	w.want("finished twice", w.Store.FinishRenewal(w.ctx(), brings, i.Generation), stored.ErrLost)
	w.want("an expiry of the old generation", w.Store.SetExpiry(w.ctx(), i.ID, i.Generation, w.now()), nil)
	w.is("says nothing", w.read(i.ID).ExpiresAt.Equal(brings.AccessEnds), true)
	w.want("an expiry", w.Store.SetExpiry(w.ctx(), i.ID, got.Generation, w.now().Add(time.Minute)), nil)
	w.is("is kept", w.read(i.ID).ExpiresAt.Equal(w.now().Add(time.Minute)), true)

	// A call that brings something after all mends what was given up, but for its app.
	for code, mended := range map[string]bool{"invalid_grant": true, stored.OtherApp: false, stored.AppRemoved: false} {
		i := w.save(w.grant(0, code))
		w.want("broken", w.Store.BreakIdentity(w.ctx(), i.ID, i.Generation, code, ""), nil)
		late := i.Grant
		w.want("finished late", w.Store.FinishRenewal(w.ctx(), late, i.Generation), nil)
		got := w.read(i.ID)
		w.is(code+" is over", []any{got.BrokenAt.IsZero(), got.BrokenCode == ""}, []any{mended, mended})
	}
}

func failures(w *world) {
	i := w.save(w.grant(0, "eve"))
	w.want("without the lease", w.Store.FailRenewal(w.ctx(), i.ID, i.Generation, "a", "x", w.now(), false), stored.ErrLost)
	start := func() {
		w.Helper()
		if _, err := w.Store.StartRenewal(w.ctx(), i.ID, i.Generation, "a", time.Minute, false); err != nil {
			w.Fatal(err)
		}
	}
	start()
	begun, retry := w.now(), w.now().Add(time.Hour)
	w.want("of another generation", w.Store.FailRenewal(w.ctx(), i.ID, i.Generation+1, "a", "x", retry, false), stored.ErrLost)
	w.want("failed", w.Store.FailRenewal(w.ctx(), i.ID, i.Generation, "a", "unanswered", retry, true), nil)
	got := w.read(i.ID)
	w.is("the failure, with its mark", []any{got.FailedCode, got.FailedAt.Equal(w.now()), got.RetryAt.Equal(retry), got.CallStartedAt.Equal(begun), got.LeaseUntil.IsZero(), got.BrokenAt.IsZero(), got.Generation}, []any{"unanswered", true, true, true, true, true, i.Generation})
	start()
	w.want("failed", w.Store.FailRenewal(w.ctx(), i.ID, i.Generation, "a", "unreachable", retry, false), nil)
	w.is("the mark is gone", w.read(i.ID).CallStartedAt.IsZero(), true)
	w.want("failed twice", w.Store.FailRenewal(w.ctx(), i.ID, i.Generation, "a", "x", retry, false), stored.ErrLost)

	start()
	w.want("broken in another generation", w.Store.BreakIdentity(w.ctx(), i.ID, i.Generation-1, "x", "a"), stored.ErrLost)
	w.want("broken", w.Store.BreakIdentity(w.ctx(), i.ID, i.Generation, "invalid_grant", "a"), nil)
	got = w.read(i.ID)
	w.is("it is", []any{got.BrokenCode, got.BrokenAt.Equal(w.now()), got.CallStartedAt.IsZero(), got.LeaseUntil.IsZero()}, []any{"invalid_grant", true, true, true})
	w.want("broken twice", w.Store.BreakIdentity(w.ctx(), i.ID, i.Generation, "x", ""), stored.ErrLost)
	_, err := w.Store.StartRenewal(w.ctx(), i.ID, i.Generation, "a", time.Minute, false)
	w.want("renewed while it is broken", err, stored.ErrLost)

	i = w.save(w.grant(0, "joe"))
	start()
	w.want("its app is gone", w.Store.BreakIdentity(w.ctx(), i.ID, i.Generation, stored.AppRemoved, ""), nil)
	w.is("the mark stays", w.read(i.ID).CallStartedAt.Equal(begun), true)
}

func due(w *world) {
	keys := func(of func(context.Context, int) ([]identity.IdentityKey, error), limit int) []string {
		w.Helper()
		found, err := of(w.ctx(), limit)
		if err != nil {
			w.Fatal(err)
		}
		var ids []string
		for _, k := range found {
			if k.Generation != w.read(k.ID).Generation {
				w.Errorf("%s is of generation %d", k.ID, k.Generation)
			}
			ids = append(ids, k.ID)
		}
		return ids
	}
	endless := w.grant(0, "endless")
	endless.Endless = true
	w.save(endless)
	i, broken := w.save(w.grant(0, "eve")), w.save(w.grant(0, "broken"))
	w.want("broken", w.Store.BreakIdentity(w.ctx(), broken.ID, broken.Generation, "x", ""), nil)
	w.is("nothing is due", []any{keys(w.Store.KeepAliveDue, 9), keys(w.Store.AbandonedRenewals, 9)}, []any{[]string(nil), []string(nil)})
	if i.KeepAliveAt.Before(w.now().Add(24*time.Hour)) || i.KeepAliveAt.After(w.now().Add(20*24*time.Hour)) {
		w.Errorf("it is kept alive at %s", i.KeepAliveAt)
	}

	if _, err := w.Store.StartRenewal(w.ctx(), i.ID, i.Generation, "a", time.Minute, false); err != nil {
		w.Fatal(err)
	}
	w.is("it is worked on", keys(w.Store.AbandonedRenewals, 9), []string(nil))
	w.skip(time.Minute)
	w.is("nobody works on it any more", keys(w.Store.AbandonedRenewals, 9), []string{i.ID})
	if _, err := w.Store.StartRenewal(w.ctx(), i.ID, i.Generation, "b", time.Minute, false); err != nil {
		w.Fatal(err)
	}
	w.want("failed", w.Store.FailRenewal(w.ctx(), i.ID, i.Generation, "b", "x", w.now().Add(time.Hour), true), nil)
	w.is("it waits to be tried again", keys(w.Store.AbandonedRenewals, 9), []string(nil))
	w.skip(time.Hour)
	w.is("its time has come", keys(w.Store.AbandonedRenewals, 9), []string{i.ID})

	w.skip(20 * 24 * time.Hour)
	later := w.save(w.grant(0, "later"))
	w.skip(20 * 24 * time.Hour)
	w.is("those without a failure first", keys(w.Store.KeepAliveDue, 9), []string{later.ID, i.ID})
	w.is("no more than are asked for", keys(w.Store.KeepAliveDue, 1), []string{later.ID})
}

// handshake is one that a session begins.
func (w *world) handshake(session string) identity.Handshake {
	w.n++
	return identity.Handshake{StateHash: fmt.Sprint("state", w.n), SessionID: session, TenantID: w.Tenants[0], Service: service, User: "eve", Account: "x", Tags: []string{"a"}, LoginURL: "https://login.example", FinishedURL: "/done",
		ClientID: "client", SealedVerifier: "verifier", KeyID: w.KeyID, ExpiresAt: w.now().Add(10 * time.Minute)}
}

func handshakes(w *world) {
	h := w.handshake("s")
	w.want("begun", w.Store.AddHandshake(w.ctx(), h), nil)
	for what, none := range map[string][3]string{"another service": {"slack", h.StateHash, "s"}, "another state": {service, "state", "s"}, "another session": {service, h.StateHash, "t"}} {
		_, err := w.Store.Handshake(w.ctx(), none[0], none[1], none[2])
		w.want(what, err, stored.ErrNotFound)
		_, err = w.Store.TakeHandshake(w.ctx(), none[0], none[1], none[2])
		w.want(what+" takes it", err, stored.ErrNotFound)
	}
	w.want("ended before it is taken", w.Store.EndHandshake(w.ctx(), h, identity.HandshakeOutcome{Kind: "connected"}), stored.ErrLost)
	got, err := w.Store.Handshake(w.ctx(), service, h.StateHash, "s")
	w.is("it is kept", []any{err, got.TenantID, got.User, got.Account, got.Tags, got.LoginURL, got.FinishedURL, got.ClientID, got.SealedVerifier, got.KeyID, got.TakenAt.IsZero(), got.Outcome.Kind},
		[]any{nil, h.TenantID, "eve", "x", h.Tags, h.LoginURL, "/done", "client", "verifier", w.KeyID, true, ""})
	w.want("refused", w.Store.RefuseHandshake(w.ctx(), h, identity.HandshakeOutcome{Kind: "refused", Code: "access_denied", Said: "no"}), nil)
	got, err = w.Store.Handshake(w.ctx(), service, h.StateHash, "s")
	w.is("it says so, and may be taken", []any{err, got.Outcome, got.TakenAt.IsZero()}, []any{nil, identity.HandshakeOutcome{Kind: "refused", Code: "access_denied", Said: "no"}, true})
	got, err = w.Store.TakeHandshake(w.ctx(), service, h.StateHash, "s")
	w.is("taken", []any{err, got.SealedVerifier, got.Outcome.Kind}, []any{nil, "verifier", ""})
	_, err = w.Store.TakeHandshake(w.ctx(), service, h.StateHash, "s")
	w.want("taken twice", err, stored.ErrNotFound)
	w.want("refused after it was taken", w.Store.RefuseHandshake(w.ctx(), h, identity.HandshakeOutcome{Kind: "refused"}), stored.ErrLost)
	w.want("ended", w.Store.EndHandshake(w.ctx(), h, identity.HandshakeOutcome{Kind: "connected"}), nil)
	w.skip(5 * time.Minute)
	got, err = w.Store.Handshake(w.ctx(), service, h.StateHash, "s")
	w.is("what became of it", []any{err, got.Outcome.Kind, got.TakenAt.IsZero()}, []any{nil, "connected", false})

	late := w.handshake("late")
	w.want("begun", w.Store.AddHandshake(w.ctx(), late), nil)
	w.skip(10 * time.Minute)
	_, err = w.Store.TakeHandshake(w.ctx(), service, late.StateHash, "late")
	w.want("taken too late", err, stored.ErrNotFound)
	_, err = w.Store.Handshake(w.ctx(), service, late.StateHash, "late")
	w.want("seen too late", err, stored.ErrNotFound)

	for n := 0; ; n++ {
		err := w.Store.AddHandshake(w.ctx(), w.handshake("many"))
		if errors.Is(err, stored.ErrTooMany) && n > 0 {
			break
		}
		if err != nil || n == 1000 {
			w.Fatalf("there may be any number: %v", err)
		}
	}
	w.want("another session", w.Store.AddHandshake(w.ctx(), w.handshake("few")), nil)
}

func revocations(w *world) {
	_, err := w.Store.Revocation(w.ctx(), stored.NewID())
	w.want("nothing is to be revoked", err, stored.ErrNotFound)
	pending := func(after string, limit int) []string {
		w.Helper()
		ids, err := w.Store.RevocationsDue(w.ctx(), after, limit)
		if err != nil {
			w.Fatal(err)
		}
		return ids
	}
	var ids []string
	for range 3 {
		id, err := w.Store.AddRevocation(w.ctx(), w.grant(0, "eve"))
		if err != nil {
			w.Fatal(err)
		}
		ids = append(ids, id)
	}
	r, err := w.Store.Revocation(w.ctx(), ids[0])
	w.is("kept for a week", []any{err, r.ExpiresAt.Equal(w.now().Add(7 * 24 * time.Hour))}, []any{nil, true})
	w.is("left to whoever added it", pending("", 9), []string(nil))
	w.skip(30 * time.Second)
	w.is("pending", pending("", 9), ids)
	w.is("from one on", pending(ids[0], 1), ids[1:2])
	w.want("forgotten", w.Store.DeleteRevocation(w.ctx(), ids[1]), nil)
	w.want("forgotten twice", w.Store.DeleteRevocation(w.ctx(), ids[1]), nil)
	w.is("the others", pending("", 9), []string{ids[0], ids[2]})
	w.skip(8 * 24 * time.Hour)
	w.is("whoever forgets them is asked by the vault", pending("", 9), []string{ids[0], ids[2]})
}

// atOnce has many do the same, half of them as another process, and returns how many succeeded; the others
// fail as they have to.
func (w *world) atOnce(lost error, do func(s identity.Store, n int) error) (done int64) {
	stores := []identity.Store{w.Store, w.Store}
	if w.Again != nil {
		stores[1] = w.Again(w.T)
	}
	var all sync.WaitGroup
	var succeeded atomic.Int64
	for n := range 8 {
		all.Go(func() {
			err := do(stores[n%2], n)
			if err == nil {
				succeeded.Add(1)
			} else if !errors.Is(err, lost) {
				w.Error(err)
			}
		})
	}
	all.Wait()
	return succeeded.Load()
}

// Of many who want the same, one gets it.
func races(w *world) {
	i := w.save(w.grant(0, "eve"))
	w.is("leases", w.atOnce(stored.ErrLost, func(s identity.Store, n int) error {
		_, err := s.StartRenewal(w.ctx(), i.ID, i.Generation, fmt.Sprint(n), time.Minute, false)
		return err
	}), 1)
	w.is("renewals", w.atOnce(stored.ErrLost, func(s identity.Store, _ int) error {
		return s.FinishRenewal(w.ctx(), i.Grant, i.Generation)
	}), 1)
	h := w.handshake("s")
	w.want("begun", w.Store.AddHandshake(w.ctx(), h), nil)
	w.is("codes", w.atOnce(stored.ErrNotFound, func(s identity.Store, _ int) error {
		_, err := s.TakeHandshake(w.ctx(), service, h.StateHash, "s")
		return err
	}), 1)
	w.n++
	new := make([]identity.Grant, 8)
	for n := range new {
		new[n] = w.grant(0, "joe")
	}
	w.is("new identities", w.atOnce(stored.ErrLost, func(s identity.Store, n int) error {
		_, err := s.SaveIdentity(w.ctx(), new[n], false, "")
		return err
	}), 1)
	var deleted atomic.Int64
	w.atOnce(nil, func(s identity.Store, _ int) error {
		all, err := s.DeleteSomeIdentities(w.ctx(), identity.Selector{User: "joe"}, "", "", 0)
		deleted.Add(int64(len(all)))
		return err
	})
	w.is("deleted", deleted.Load(), 1)
}
