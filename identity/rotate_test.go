package identity

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/seal"
)

// sealingKey returns the id of the key that seals.
func (w *world) sealingKey() uint32 {
	w.t.Helper()
	id, err := w.store.SealingKey(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// inKeyFile says whether the key file has the key.
func (w *world) inKeyFile(id uint32) bool {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.folder, "keyset.json"))
	var file struct {
		Key []struct {
			KeyID uint32 `json:"keyId"`
		}
	}
	if err == nil {
		err = json.Unmarshal(b, &file)
	}
	if err != nil || len(file.Key) == 0 {
		w.t.Fatalf("the key file has %d keys, %v", len(file.Key), err)
	}
	for _, k := range file.Key {
		if k.KeyID == id {
			return true
		}
	}
	return false
}

// many stores n connections of as many tenants, sealed like any other, and
// returns the tenants.
func (w *world) many(v *Vault, n int) []string {
	w.t.Helper()
	tenants := make([]string, n)
	for i := range tenants {
		tenants[i], _ = w.addTenant(fmt.Sprintf("tenant-%d", i))
		g := db.Grant{ID: db.NewID(), Service: Salesforce, TenantID: tenants[i], LoginURL: w.srv.URL, InstanceURL: w.srv.URL, OrgID: orgOne, OrgConfirmedBy: db.ByOperator, ConnectedBy: w.user}
		if err := v.save(w.t.Context(), g, tokens{"access " + tenants[i], "refresh " + tenants[i]}, false, ""); err != nil {
			w.t.Fatal(err)
		}
	}
	return tenants
}

// wantRotated checks that no key that has sealed is left but the current one, in
// the file and in the rows.
func (w *world) wantRotated(v *Vault, old uint32) {
	w.t.Helper()
	all, err := v.Keys.Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, k := range all {
		if k.Current != (k.RetiredAt.IsZero()) || !k.Current && k.Rows != 0 || k.Current && k.ID == old {
			w.t.Errorf("key %+v", k)
		}
	}
	for _, k := range all {
		if w.inKeyFile(k.ID) != k.Current {
			w.t.Errorf("in the key file or not, against what is stored: %+v", k)
		}
	}
}

// wantReadable reads every connection.
func wantReadable(t *testing.T, v *Vault, tenants []string) {
	t.Helper()
	for _, tenant := range tenants {
		c, err := v.Get(t.Context(), Salesforce, tenant, 0)
		if err != nil || c.AccessToken != "access "+tenant {
			t.Errorf("%s: %v", tenant, err)
			return
		}
	}
}

// Two processes read and write while a third rotates twice: nobody notices.
func TestRotateUnderReads(t *testing.T) {
	w := newWorld(t)
	first, second, third := w.process(), w.process(), w.process()
	tenants := w.many(first, 300)
	old := w.sealingKey()
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for _, v := range []*Vault{first, second} {
		readers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				wantReadable(t, v, tenants[n%len(tenants):][:1])
				if n < 9 { // of both, as many as may be under way
					w.begin(v)
				}
			}
		})
	}
	for range 2 {
		if _, err := third.Keys.Rotate(t.Context()); err != nil {
			t.Error(err)
		}
		if n, err := third.Keys.Reseal(t.Context(), nil); n != 0 || err != nil {
			t.Errorf("%d unopened, %v", n, err)
		}
	}
	stop()
	readers.Wait()
	if n, err := second.Keys.Reseal(t.Context(), nil); n != 0 || err != nil { // what was written with the key before
		t.Errorf("%d unopened, %v", n, err)
	}
	w.wantRotated(first, old)
	for _, v := range []*Vault{first, second, third, w.process()} {
		wantReadable(t, v, tenants)
	}
}

// A process that hasn't heard of a rotation seals with the new key all the same.
func TestOutdatedProcessWrites(t *testing.T) {
	w := newWorld(t)
	behind, ahead := w.process(), w.process()
	w.connect(behind)
	old := w.sealingKey()
	cb := w.begin(behind) // its verifier is sealed with the old key
	if _, err := ahead.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := ahead.Keys.Reseal(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.wantRotated(ahead, old)
	if _, err := behind.Finish(t.Context(), cb); err != nil {
		t.Errorf("the handshake of before: %v", err)
	}
	i := w.identity(behind)
	if i.KeyID == old {
		t.Error("sealed with the retired key")
	}
	w.fresh(behind, i.Generation)
	if i := w.identity(ahead); i.KeyID == old {
		t.Error("renewed with the retired key")
	}
	w.fresh(ahead, 0)
}

// What was read before a rotation is read again when its key is gone, and no
// connection is taken for broken.
func TestRowReadBeforeTheRotation(t *testing.T) {
	w := newWorld(t)
	v, other := w.process(), w.process()
	read := w.connect(v)
	if _, err := other.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Keys.Reseal(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := v.Keys.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err := v.credential(t.Context(), read); err != nil || !w.srv.alive(c.AccessToken) {
		t.Errorf("access: %v", err)
	}
	if err := v.renew(t.Context(), read, true); err != nil {
		t.Errorf("renewal: %v", err)
	}
	if now := w.identity(v); !now.BrokenAt.IsZero() || now.Generation == read.Generation {
		t.Errorf("broken %q, generation %d", now.BrokenCode, now.Generation)
	}
}

// An unreadable key file stops what needs it and breaks no connection.
func TestKeyFileGoesWhileRunning(t *testing.T) {
	w := newWorld(t)
	behind, ahead := w.process(), w.process()
	w.connect(behind)
	behind.Wait() // learning when the token runs out reads the keys
	if _, err := ahead.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := ahead.Keys.Reseal(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.folder, "keyset.json")
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.get(behind, 0); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("got %v", err)
	}
	if i := w.identity(behind); !i.BrokenAt.IsZero() {
		t.Errorf("broken: %s", i.BrokenCode)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	w.fresh(behind, 0)
}

// BenchmarkReseal seals 100,000 connections anew while another process reads.
// Run it with -benchtime 1x; it reports rows a second, and how many reads were
// made meanwhile.
func BenchmarkReseal(b *testing.B) {
	const rows = 100_000
	for b.Loop() {
		b.StopTimer()
		at, folder := dbtest.Path(b), b.TempDir()
		v, reader := benchVault(b, at, folder), benchVault(b, at, folder)
		fill(b, v, rows)
		if _, err := v.Keys.Rotate(b.Context()); err != nil {
			b.Fatal(err)
		}
		ctx, stop := context.WithCancel(b.Context())
		reads := make(chan int)
		go func() {
			n := 0
			for ; ctx.Err() == nil; n++ {
				if _, err := reader.Get(b.Context(), Salesforce, fmt.Sprint("t", n*7919%rows), 0); err != nil {
					b.Error(err)
					break
				}
			}
			reads <- n
		}()
		b.StartTimer()
		if n, err := v.Keys.Reseal(b.Context(), nil); n != 0 || err != nil {
			b.Fatal(n, err)
		}
		b.StopTimer()
		stop()
		b.ReportMetric(float64(<-reads), "reads/op")
		b.StartTimer()
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkGet gets fresh credentials, opening included.
func BenchmarkGet(b *testing.B) {
	for _, rows := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint(rows, " stored"), func(b *testing.B) {
			v := benchVault(b, dbtest.Path(b), b.TempDir())
			fill(b, v, rows)
			b.ResetTimer()
			var next atomic.Int64
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					n := int(next.Add(1)) * 7919 % rows
					if _, err := v.Get(b.Context(), Salesforce, fmt.Sprint("t", n), 0); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "gets/s")
		})
	}
}

func benchVault(b *testing.B, at, folder string) *Vault {
	b.Helper()
	store := dbtest.Open(b, at)
	k, err := seal.OpenKeyring(b.Context(), filepath.Join(folder, "keyset.json"), store, Sealed)
	if err != nil {
		b.Fatal(err)
	}
	return newVault(Config{Store: store, Keys: k, Services: []Service{SalesforceService(clientID, clientSecret, redirectURI, "")}})
}

// fill stores connections of the tenants t0, t1 and so on, ten thousand in a
// transaction.
func fill(b *testing.B, v *Vault, rows int) {
	b.Helper()
	writer := v.Store.(*db.DB).Writer()
	if _, err := writer.Exec(`INSERT INTO users (id, email, password_hash, created_at, password_changed_at) VALUES ('u', 'u@example.com', 'x', 0, 0)`); err != nil {
		b.Fatal(err)
	}
	for from := 0; from < rows; from += 10_000 {
		tx, err := writer.BeginTx(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		for n := from; n < min(from+10_000, rows); n++ {
			if err := fillOne(v, tx, fmt.Sprint("t", n)); err != nil {
				b.Fatal(err, tx.Rollback())
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

func fillOne(v *Vault, tx *sql.Tx, id string) error {
	var g db.Grant
	err := v.Keys.WithKey(context.Background(), func(k seal.Key) (err error) {
		g, err = sealGrant(k, db.Grant{ID: id, Service: Salesforce, TenantID: id}, tokens{"access " + id, "refresh " + id})
		return err
	})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO tenants (id, slug, name, created_at) VALUES ($1, $1, $1, 0)`, id); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO identities (id, service, tenant_id, generation, sealed_access, sealed_refresh, key_id, login_url, instance_url,
		org_id, org_name, sandbox, remote_user_id, scopes, connected_by, connected_at, refreshed_at)
		VALUES ($1, 'sfdc', $1, 1, $2, $3, $4, 'https://login.salesforce.com', 'https://x.my.salesforce.com', 'o', 'o', 0, 'r', 'api', 'u', 0, 0)`,
		id, g.SealedAccess, g.SealedRefresh, g.KeyID)
	return err
}

// A token that can be exchanged once is not spent while the key that would seal
// the next one is out of reach.
func TestTokenIsNotSpentWithoutTheKey(t *testing.T) {
	w := newWorld(t)
	behind, ahead := w.process(), w.process()
	i := w.connect(behind)
	if _, err := ahead.Keys.Rotate(t.Context()); err != nil { // killed before anything is sealed anew
		t.Fatal(err)
	}
	path := filepath.Join(w.folder, "keyset.json")
	move(t, path, path+".away")
	if _, err := w.get(behind, i.Generation); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("got %v", err)
	}
	if now := w.identity(behind); !now.BrokenAt.IsZero() || !now.CallStartedAt.IsZero() {
		t.Errorf("broken %q, call at %v", now.BrokenCode, now.CallStartedAt)
	}
	w.wantCalls(0)
	move(t, path+".away", path)
	w.fresh(behind, i.Generation)
	w.wantCalls(1)
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// busyRows has a whole rotation happen right after a row was read.
type busyRows struct {
	fullStore
	meanwhile func()
}

func (b busyRows) IdentityOf(ctx context.Context, service, tenantID, user, account string) (db.Identity, error) {
	i, err := b.fullStore.IdentityOf(ctx, service, tenantID, user, account)
	b.meanwhile()
	return i, err
}

// rotateAll rotates the keys from the first step to the last.
func rotateAll(t *testing.T, k *seal.Keyring) {
	t.Helper()
	if _, err := k.Rotate(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := k.Reseal(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// A token that the connection may go on with is not revoked while the key that
// would tell is out of reach.
func TestRevocationWithoutTheKey(t *testing.T) {
	w := newWorld(t)
	behind, ahead := w.process(), w.process()
	i := w.connect(behind)
	behind.Wait() // for the question when the token runs out, which would read the new key
	refresh := must(behind.openRefresh(t.Context(), i.Grant))(t)
	access := must(behind.openAccess(t.Context(), i.Grant))(t)
	late := i.Grant
	late.ID = db.NewID()
	err := behind.storeSealed(t.Context(), late, tokens{access, refresh}, func(g db.Grant) error {
		_, err := behind.Store.AddRevocation(t.Context(), g)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ahead.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = ahead.storeSealed(t.Context(), i.Grant, tokens{access, refresh}, func(g db.Grant) error {
		return ahead.Store.FinishRenewal(t.Context(), g, i.Generation)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.forgetHashes() // which would tell without the key
	path := filepath.Join(w.folder, "keyset.json")
	move(t, path, path+".away")
	if err := behind.Revoke(t.Context(), w.revocation()); err == nil || w.srv.count("revoke") != 0 || w.pending() != 1 {
		t.Errorf("%v, %d pending", err, w.pending())
	}
	move(t, path+".away", path)
	w.runRevocations(behind)
	w.wantLive(1)
	w.fresh(behind, 0)
}

// Whole rotations between the reading of a row and its opening are not noticed.
func TestRotationAfterARowWasRead(t *testing.T) {
	w := newWorld(t)
	v, other := w.process(), w.process()
	w.connect(v)
	v.Wait() // for the question when the token runs out, which reads too
	left := 2
	v.setStore(busyRows{v.Store.(fullStore), func() {
		if left--; left >= 0 {
			rotateAll(t, other.Keys)
			if err := v.Keys.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}})
	w.fresh(v, 0)
}

// A rotation opens what really stands in each table that the vault has registered,
// and seals it anew.
func TestRotationReachesAllThatTheVaultSeals(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	first, held := w.hold(v)
	w.begin(v)
	app := &asking{w, v, w.addKey()}
	begun := app.begin("eve")
	code := app.grants(begun)
	other, _ := w.addTenant("fabrikam")
	w.setApp(v, other, ownID, ownSecret)
	if err := v.SetService(t.Context(), Salesforce, ServiceChange{ClientSecret: new(clientSecret)}); err != nil {
		t.Fatal(err)
	}
	late := first.Grant
	late.ID = db.NewID()
	var revocation string
	err := v.storeSealed(t.Context(), late, tokens{refresh: "late"}, func(g db.Grant) (err error) {
		revocation, err = v.Store.AddRevocation(t.Context(), g)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Wait()
	old := w.sealingKey()
	for _, table := range Sealed.Tables {
		if n := w.sealedBy(table.Name, old); n == 0 {
			t.Errorf("nothing was sealed in %s", table.Name)
		}
	}
	if _, err := v.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if unopened, err := v.Keys.Reseal(t.Context(), nil); unopened != 0 || err != nil {
		t.Errorf("%d unopened, %v", unopened, err)
	}
	w.wantRotated(v, old)
	for _, table := range Sealed.Tables {
		if n := w.sealedBy(table.Name, w.sealingKey()); n == 0 {
			t.Errorf("nothing was sealed anew in %s", table.Name)
		}
	}
	next := w.process()
	w.fresh(next, 0)
	app.v = next
	app.completes(app.completion(begun, code, "eve"))
	h := must(next.Held(t.Context(), Salesforce, w.tenant))(t)
	if refresh, err := next.openRefresh(t.Context(), h.Grant); refresh == "" || h.ID != held.ID || err != nil {
		t.Errorf("what is held: %v", err)
	}
	r := must(next.Store.Revocation(t.Context(), revocation))(t)
	if token, err := next.openRefresh(t.Context(), db.Grant{ID: r.IdentityID, Service: r.Service, TenantID: r.TenantID, SealedRefresh: r.SealedRefresh}); token != "late" || err != nil {
		t.Errorf("what is to be revoked: %q, %v", token, err)
	}
}

// sealedBy counts the rows of a table that a key has sealed.
func (w *world) sealedBy(table string, key uint32) (n int) {
	w.t.Helper()
	if err := w.store.Writer().QueryRow(`SELECT COUNT(*) FROM `+table+` WHERE key_id = $1`, key).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}
