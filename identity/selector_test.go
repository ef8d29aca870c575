package identity

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db"
)

// connectAs authorizes for a user of the application's.
func (w *world) connectAs(v *Vault, user, account string, tags ...string) db.NamedIdentity {
	w.t.Helper()
	r := w.request()
	r.UserID, r.User, r.Account, r.Tags = "", user, account, tags
	if err := w.authorize(v, r); err != nil {
		w.t.Fatal(err)
	}
	i, err := v.Find(w.t.Context(), Selector{TenantID: w.tenant, User: user, Account: account, Tags: tags})
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *world) authorize(v *Vault, r AuthorizeRequest) error {
	w.t.Helper()
	address, err := v.Authorize(w.t.Context(), r)
	if err != nil {
		return err
	}
	q := w.srv.consent(address)
	_, err = v.Finish(w.t.Context(), Callback{Service: Salesforce, SessionID: session, State: q.Get("state"), Code: q.Get("code")})
	return err
}

func TestUsersOfTheApplication(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	own := w.connect(v)
	eve := w.connectAs(v, "eve@x.example", "")
	work := w.connectAs(v, "eve@x.example", "work", "b", "a", "b")
	if !slices.Equal(work.Tags, []string{"a", "b"}) || work.Tenant != "contoso" || work.ConnectedBy != "" {
		t.Errorf("stored %+v", work)
	}
	if now := w.identity(v); now.ID != own.ID || now.Generation != own.Generation {
		t.Errorf("the tenant's own changed: %+v", now)
	}
	w.wantLive(3)
	// Each has a credential of its own, and is renewed for itself.
	tokens := map[string]bool{}
	for _, id := range []string{own.ID, eve.ID, work.ID} {
		c, err := v.GetByID(t.Context(), id, 0)
		if err != nil || !w.srv.alive(c.AccessToken) || c.Identity != id || !strings.Contains(c.Native, "instance_url") {
			t.Errorf("credential of %s: %+v, %v", id, c.Generation, err)
		}
		tokens[c.AccessToken] = true
	}
	if len(tokens) != 3 {
		t.Errorf("%d different tokens", len(tokens))
	}
	c, err := v.GetByID(t.Context(), eve.ID, eve.Generation)
	if err != nil || c.Generation == eve.Generation || !strings.Contains(c.Native, "instance_url") || strings.Contains(c.Native, c.AccessToken) {
		t.Errorf("renewed: %+v, %v", c.Generation, err)
	}
	w.wantCalls(1)
	// Authorized again, it is replaced in place, even by another org: the user
	// who did it meant it.
	w.srv.switchOrg()
	again := w.connectAs(v, "eve@x.example", "work", "c")
	if again.ID != work.ID || again.OrgID == work.OrgID || !slices.Equal(again.Tags, []string{"c"}) {
		t.Errorf("replaced: %+v", again)
	}
	w.wantLive(3)
}

func TestFind(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connectAs(v, "eve", "one")
	two := w.connectAs(v, "eve", "two")
	_, err := v.Find(t.Context(), Selector{})
	wantError(t, "empty", err, ErrEmptySelector)
	_, err = v.Find(t.Context(), Selector{User: "nobody"})
	wantError(t, "nobody", err, ErrNotConnected)
	_, err = v.Find(t.Context(), Selector{User: "eve"})
	var several *AmbiguousError
	if !errors.As(err, &several) || len(several.Identities) != 2 || several.More || several.Identities[1].ID != two.ID {
		t.Errorf("ambiguous: %v", err)
	}
	if i, err := v.Find(t.Context(), Selector{User: "eve", Account: "two"}); i.ID != two.ID || err != nil {
		t.Errorf("found %v, %v", i.ID, err)
	}
	_, err = v.GetByID(t.Context(), "nothing", 0)
	wantError(t, "no such id", err, ErrNotConnected)
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	long := strings.Repeat("x", maxName+1)
	var many []string
	for n := range maxTags + 1 {
		many = append(many, fmt.Sprint(n))
	}
	for _, c := range []struct {
		user, account string
		tags          []string
	}{{long, "", nil}, {"eve", long, nil}, {"eve", "", []string{""}}, {"eve", "", []string{long}}, {"e\x00ve", "", nil}, {"\xff", "", nil}, {"eve", "", many}} {
		r := w.request()
		r.UserID, r.User, r.Account, r.Tags = "", c.user, c.account, c.tags
		var name *NameError
		if err := w.authorize(v, r); !errors.As(err, &name) && !errors.Is(err, ErrTooManyTags) {
			t.Errorf("%.20q, %.20q, %d tags: %v", c.user, c.account, len(c.tags), err)
		}
	}
	r := w.request()
	r.UserID = ""
	if err := w.authorize(v, r); err == nil {
		t.Error("begun by nobody for nobody")
	}
	w.connectAs(v, "ütf-8 %_'\"\\ \n@", "a/b?c#d", "x=y&z", "€")
}

// What is deleted together is revoked, each with a receipt; another user's
// identity that goes on with the same approval is not.
func TestDeleteMany(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	for n := range 6 {
		w.connectAs(v, fmt.Sprint("user", n), "", "all", fmt.Sprint("odd", n%2))
	}
	_, err := v.Delete(t.Context(), Selector{})
	wantError(t, "empty", err, ErrEmptySelector)
	_, err = v.Delete(t.Context(), Selector{Tags: []string{"none"}})
	wantError(t, "none", err, ErrNotConnected)
	w.wantLive(7)
	receipts, err := v.Delete(t.Context(), Selector{Tags: []string{"all", "odd1"}})
	if err != nil || len(receipts) != 3 {
		t.Fatalf("deleted %v, %v", receipts, err)
	}
	for n, r := range receipts {
		if !r.Revoked || r.User != fmt.Sprint("user", 2*n+1) || r.TenantID != w.tenant || r.Service != Salesforce {
			t.Errorf("receipt %+v", r)
		}
	}
	w.wantLive(4)
	// With the service away it is deleted all the same, and revoked later.
	w.srv.fail("revoke", 99, says(503, "text/html", "<html>"))
	receipts, err = v.Delete(t.Context(), Selector{Tags: []string{"all"}})
	if err != nil || len(receipts) != 3 || receipts[0].Revoked {
		t.Errorf("deleted %v, %v", receipts, err)
	}
	if left, err := v.List(t.Context(), Selector{}, "", 10); len(left.Identities) != 1 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
	w.srv.heal()
	w.runRevocations(v)
	w.wantLive(1)
	w.fresh(v, 0)
}

// Ten thousand are deleted by one process, a part after the other, while two others
// list them: what stays is met exactly once by each listing, nothing is met twice,
// and nothing is left behind.
func TestDeletedWhileListed(t *testing.T) {
	w := newWorld(t)
	deleter := w.process()
	stays := w.fill(11_000)
	listers := []*worker{w.worker(order{List: stays}), w.worker(order{List: stays})}
	for _, p := range listers {
		defer time.AfterFunc(20*time.Minute, p.kill).Stop() // so that nothing hangs
	}
	deleted := map[string]bool{}
	for n := range 10 {
		w.listing(listers)
		receipts, err := deleter.Delete(t.Context(), Selector{Service: "filled", Tags: []string{"goes", fmt.Sprint("part", n)}})
		if err != nil || len(receipts) != 1000 {
			t.Errorf("part %d: %d deleted, %v", n, len(receipts), err)
		}
		for _, r := range receipts {
			deleted[r.ID] = true
		}
		w.wantListed(listers, 11_000-1000*(n+1), 11_000-1000*n)
	}
	w.listing(listers)
	w.wantListed(listers, len(stays), len(stays))
	if len(deleted) != 10_000 {
		t.Errorf("receipts of %d", len(deleted))
	}
}

// listing has workers begin a listing.
func (w *world) listing(listers []*worker) {
	w.t.Helper()
	for _, p := range listers {
		p.begin()
	}
	for _, p := range listers {
		if line, err := p.out.ReadString('\n'); err != nil || line != "listing\n" {
			w.t.Fatalf("a worker doesn't list: %q, %v\n%s", line, err, w.log)
		}
	}
}

// wantListed has workers end their listings, which met so many identities.
func (w *world) wantListed(listers []*worker, least, most int) {
	w.t.Helper()
	for _, p := range listers {
		line, err := p.out.ReadBytes('\n')
		var got outcome
		if err != nil || json.Unmarshal(line, &got) != nil || len(got.Errors) > 0 || got.Met < least || got.Met > most {
			w.t.Errorf("a listing met %d, want %d to %d; %v, %v", got.Met, least, most, got.Errors, err)
		}
	}
}

// listWhenTold lists each time that it is told to, until nobody tells any more;
// stays are those that are to be met each time.
func listWhenTold(ctx context.Context, v *Vault, stays []string, in *bufio.Reader, out io.Writer) error {
	for {
		if err := json.NewEncoder(out).Encode(list(ctx, v, stays, out)); err != nil {
			return err
		}
		if _, err := in.ReadString('\n'); err != nil {
			return nil
		}
	}
}

// list lists once, and says when it has begun.
func list(ctx context.Context, v *Vault, stays []string, out io.Writer) outcome {
	got, seen := outcome{Errors: map[string]int{}}, map[string]int{}
	for page, first := (Page{}), true; first || page.Next != ""; first = false {
		var err error
		if page, err = v.List(ctx, Selector{Service: "filled"}, page.Next, 97); err != nil {
			got.Errors[err.Error()]++
			return got
		}
		for _, i := range page.Identities {
			if seen[i.ID]++; seen[i.ID] > 1 {
				got.Errors["met twice"]++
			}
		}
		if first {
			fmt.Fprintln(out, "listing")
		}
	}
	for _, id := range stays {
		if seen[id] != 1 {
			got.Errors["skipped"]++
		}
	}
	got.Met = len(seen)
	return got
}

// fill stores n identities, ten of eleven with the tag "goes", and returns the ids
// of the others.
func (w *world) fill(n int) (stays []string) {
	w.t.Helper()
	tx, err := w.store.Writer().BeginTx(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	var key int64
	if err := tx.QueryRowContext(w.t.Context(), `SELECT id FROM sealing_keys WHERE current = 1`).Scan(&key); err != nil {
		w.t.Fatal(err)
	}
	row := w.prepare(tx, `INSERT INTO identities (id, service, tenant_id, user_name, generation, sealed_access, sealed_refresh, key_id,
		login_url, instance_url, org_id, org_name, sandbox, remote_user_id, scopes, connected_by, connected_at, refreshed_at, keep_alive_at)
		VALUES ($1, 'filled', $2, $3, 1, 'x', 'x', $4, '', '', '', '', 0, $3, '', '', 1, 1, 9999999999999)`)
	mark := w.prepare(tx, `INSERT INTO identity_tags (tag, identity_id) VALUES ($1, $2)`)
	for k := range n {
		id, tags := db.NewID(), []string{"goes", fmt.Sprint("part", k/11%10)}
		if k%11 == 0 {
			stays, tags = append(stays, id), nil
		}
		_, err := row.ExecContext(w.t.Context(), id, w.tenant, fmt.Sprint("user", k), key)
		for _, tag := range tags {
			if err == nil {
				_, err = mark.ExecContext(w.t.Context(), tag, id)
			}
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		w.t.Fatal(err)
	}
	return stays
}

func (w *world) prepare(tx *sql.Tx, query string) *sql.Stmt {
	w.t.Helper()
	st, err := tx.PrepareContext(w.t.Context(), query)
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}
