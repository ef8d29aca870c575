package identity

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatepost/db"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// fileKeys returns the ids of the keys in the key file.
func (w *world) fileKeys() []uint32 {
	w.t.Helper()
	handle, err := keyFile(filepath.Join(w.folder, "keyset.json")).read()
	if err != nil {
		w.t.Fatal(err)
	}
	return (&keys{handle: handle}).ids()
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
	current, err := w.store.SealingKey(w.t.Context())
	ids := w.fileKeys()
	if err != nil || !slices.Contains(ids, current) || current == old {
		w.t.Errorf("the file has %v, %d seals, %v", ids, current, err)
	}
	for _, k := range all {
		if !k.Current && slices.Contains(ids, k.ID) {
			w.t.Errorf("the retired key %d is still in the file", k.ID)
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
	old := first.Keys.current().primary
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

// A rotation that is killed anywhere goes on in another process.
func TestRotationIsKilled(t *testing.T) {
	for _, at := range []string{"after the file", "after the switch", "after a batch"} {
		t.Run(at, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			tenants := w.many(v, 2*resealBatch+10)
			old := v.Keys.current().primary
			ctx, kill := context.WithCancel(t.Context())
			switch at {
			case "after the file":
				v.Wait()
				v.Keys.store = dyingKeys{v.Keys.store}
				if _, err := v.Keys.Rotate(ctx); !errors.Is(err, errDisk) {
					t.Fatalf("not killed: %v", err)
				}
			case "after the switch":
				if _, err := v.Keys.Rotate(ctx); err != nil {
					t.Fatal(err)
				}
			case "after a batch":
				if _, err := v.Keys.Rotate(ctx); err != nil {
					t.Fatal(err)
				}
				if _, err := v.Keys.Reseal(ctx, func(int) { kill() }); !errors.Is(err, context.Canceled) {
					t.Fatalf("not killed: %v", err)
				}
			}
			kill()
			next := w.process()
			wantReadable(t, next, tenants)
			if !slices.Contains(w.fileKeys(), old) {
				t.Error("the old key is gone while rows need it")
			}
			if n, err := next.Keys.Reseal(t.Context(), nil); n != 0 || err != nil {
				t.Errorf("%d unopened, %v", n, err)
			}
			w.wantRotated(next, old)
			wantReadable(t, next, tenants)
		})
	}
}

// dyingKeys fails before the new key is made the one that seals.
type dyingKeys struct{ KeyStore }

// SwitchSealingKey fails.
func (dyingKeys) SwitchSealingKey(context.Context, uint32, uint32) error { return errDisk }

// No key is lost when processes rotate and retire at once.
func TestProcessesRotateAtOnce(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	tenants := w.many(v, 50)
	old := v.Keys.current().primary
	var wg sync.WaitGroup
	for range 4 {
		other := w.process()
		wg.Go(func() {
			for range 3 {
				if _, err := other.Keys.Rotate(t.Context()); err != nil {
					t.Error(err)
				}
				if _, err := other.Keys.Reseal(t.Context(), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := v.Keys.Reseal(t.Context(), nil); n != 0 || err != nil {
		t.Errorf("%d unopened, %v", n, err)
	}
	w.wantRotated(v, old)
	wantReadable(t, v, tenants)
	wantReadable(t, w.process(), tenants)
}

// A process that hasn't heard of a rotation seals with the new key all the same.
func TestOutdatedProcessWrites(t *testing.T) {
	w := newWorld(t)
	behind, ahead := w.process(), w.process()
	w.connect(behind)
	old := behind.Keys.current().primary
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
	if err := v.Keys.sync(t.Context()); err != nil {
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

// A row that can't be opened keeps its key, and nothing else from being sealed anew.
func TestUnopenedRowKeepsItsKey(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	tenants := w.many(v, 5)
	old := v.Keys.current().primary
	if _, err := w.store.Writer().Exec(`UPDATE identities SET sealed_refresh = sealed_access WHERE tenant_id = $1`, tenants[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := v.Keys.Reseal(t.Context(), nil); n != 1 || err != nil {
		t.Errorf("%d unopened, %v", n, err)
	}
	all, err := v.Keys.Status(t.Context())
	if err != nil || len(all) != 2 || all[0].ID != old || all[0].Rows != 1 || !all[0].RetiredAt.IsZero() || all[1].Rows != 4 {
		t.Errorf("%+v, %v", all, err)
	}
	if !slices.Contains(w.fileKeys(), old) {
		t.Error("its key is gone")
	}
	wantReadable(t, v, tenants[1:])
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

// An old copy of the key file, without the key that seals, is refused.
func TestOldCopyOfTheKeyFile(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	path := filepath.Join(w.folder, "keyset.json")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, path, string(before))
	if _, err := OpenKeyring(t.Context(), path, w.openDB()); err == nil || !strings.Contains(err.Error(), "old copy") {
		t.Errorf("got %v", err)
	}
}

func TestKeysFromTheEnvironment(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(v.Keys.current().handle, keyset.NewJSONWriter(&text)); err != nil {
		t.Fatal(err)
	}
	k, err := OpenKeyringText(t.Context(), text.String(), w.openDB())
	if err != nil {
		t.Fatal(err)
	}
	other := w.process(func(c *Config) { c.Keys = k })
	w.fresh(other, 0)
	if _, err := k.Rotate(t.Context()); !errors.Is(err, ErrFixedKeys) {
		t.Errorf("rotated: %v", err)
	}
	if _, err := OpenKeyringText(t.Context(), `{"key":"very-secret"}`, w.openDB()); err == nil || strings.Contains(err.Error(), "very-secret") {
		t.Errorf("got %v", err)
	}
}

// BenchmarkReseal seals 100,000 connections anew while another process reads.
// Run it with -benchtime 1x; it reports rows a second, and how many reads were
// made meanwhile.
func BenchmarkReseal(b *testing.B) {
	const rows = 100_000
	for b.Loop() {
		b.StopTimer()
		folder := b.TempDir()
		v, reader := benchVault(b, folder), benchVault(b, folder)
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
			v := benchVault(b, b.TempDir())
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

func benchVault(b *testing.B, folder string) *Vault {
	b.Helper()
	store, err := db.Open(b.Context(), filepath.Join(folder, "gatepost.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	k, err := OpenKeyring(b.Context(), filepath.Join(folder, "keyset.json"), store)
	if err != nil {
		b.Fatal(err)
	}
	return New(Config{Store: store, Keys: k, Services: []Service{SalesforceService(clientID, clientSecret, redirectURI, "")}})
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
	k := v.Keys.current()
	access, err := k.seal([]byte("access "+id), kindAccess, id, Salesforce, id)
	if err != nil {
		return err
	}
	refresh, err := k.seal([]byte("refresh "+id), kindRefresh, id, Salesforce, id)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO tenants (id, slug, name, created_at) VALUES ($1, $1, $1, 0)`, id); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO identities (id, service, tenant_id, generation, sealed_access, sealed_refresh, key_id, login_url, instance_url,
		org_id, org_name, sandbox, remote_user_id, scopes, connected_by, connected_at, refreshed_at)
		VALUES ($1, 'sfdc', $1, 1, $2, $3, $4, 'https://login.salesforce.com', 'https://x.my.salesforce.com', 'o', 'o', 0, 'r', 'api', 'u', 0, 0)`,
		id, access, refresh, k.primary)
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

// texts returns two sets of the same keys, the world's and a new one: in the
// first the old one is primary, in the second the new one.
func (w *world) texts(k *Keyring) (before, after string) {
	w.t.Helper()
	handle, err := k.source.read()
	if err != nil {
		w.t.Fatal(err)
	}
	m := keyset.NewManagerFromHandle(handle)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		w.t.Fatal(err)
	}
	text := func() string {
		var b bytes.Buffer
		handle, err := m.Handle()
		if err == nil {
			err = insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&b))
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return b.String()
	}
	before = text()
	if err := m.SetPrimary(id); err != nil {
		w.t.Fatal(err)
	}
	return before, text()
}

// While servers are restarted one after the other with another primary key in
// the environment, none makes the old one seal again, and all can write.
func TestOldPrimaryDoesNotComeBack(t *testing.T) {
	w := newWorld(t)
	behind, ahead := w.process(), w.process()
	i := w.connect(behind)
	behind.Wait() // learning when the token runs out reads the keys
	before, after := w.texts(behind.Keys)
	open := func(text string) *Keyring {
		k, err := OpenKeyringText(t.Context(), text, w.openDB())
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	behind.Keys, ahead.Keys = open(before), open(after)
	current := ahead.Keys.current().primary
	for range 2 { // the second time with the old key retired
		w.fresh(behind, i.Generation)
		if i = w.identity(ahead); i.KeyID != current {
			t.Errorf("sealed with %d, want %d", i.KeyID, current)
		}
		if id, err := w.store.SealingKey(t.Context()); id != current || err != nil {
			t.Errorf("%d seals, %v", id, err)
		}
		for _, v := range []*Vault{ahead, behind} {
			if n, err := v.Keys.Reseal(t.Context(), nil); n != 0 || err != nil {
				t.Errorf("%d unopened, %v", n, err)
			}
		}
	}
	w.fresh(ahead, 0)
	behind.Wait()
	behind.Keys = open(before)
	w.fresh(behind, i.Generation)
}

// A set that lacks a key which rows need is refused, at start and later, and no
// connection is taken for broken.
func TestNeededKeyIsTakenOutTooEarly(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	old := v.Keys.current().primary
	if _, err := v.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := keyset.NewManagerFromHandle(must(keyFile(filepath.Join(w.folder, "keyset.json")).read())(t))
	if err := m.Delete(old); err != nil {
		t.Fatal(err)
	}
	short := keyFile(filepath.Join(w.folder, "short.json"))
	if err := short.put(must(m.Handle())(t), os.Rename); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("no key %d", old)
	if _, err := OpenKeyring(t.Context(), string(short), w.openDB()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("at start: %v", err)
	}
	v.Keys.source = short
	if err := v.Keys.sync(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("later: %v", err)
	}
	w.fresh(v, 0)
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

// Many rows that can't be opened don't keep the others from being sealed anew.
func TestUnopenedRowsFillABatch(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	tenants := w.many(v, resealBatch+15)
	spoiled := resealBatch + 5
	for _, tenant := range tenants[:spoiled] {
		if _, err := w.store.Writer().Exec(`UPDATE identities SET sealed_refresh = sealed_access WHERE tenant_id = $1`, tenant); err != nil {
			t.Fatal(err)
		}
	}
	id, err := v.Keys.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := v.Keys.Reseal(t.Context(), nil); n != spoiled || err != nil {
		t.Errorf("%d unopened, %v", n, err)
	}
	all, err := v.Keys.Status(t.Context())
	if err != nil || len(all) != 2 || all[1].ID != id || all[1].Rows != 10 {
		t.Errorf("%+v, %v", all, err)
	}
}

// busyKeys has a whole rotation happen right after the store was asked.
type busyKeys struct {
	KeyStore
	meanwhile func()
}

func (b busyKeys) NeededKeys(ctx context.Context) ([]uint32, error) {
	ids, err := b.KeyStore.NeededKeys(ctx)
	b.meanwhile()
	return ids, err
}

func (b busyKeys) Outdated(ctx context.Context, limit int) ([]db.SealedRow, error) {
	rows, err := b.KeyStore.Outdated(ctx, limit)
	b.meanwhile()
	return rows, err
}

// busyRows does the same for the rows.
type busyRows struct {
	Store
	meanwhile func()
}

func (b busyRows) Identity(ctx context.Context, service, tenantID string) (db.Identity, error) {
	i, err := b.Store.Identity(ctx, service, tenantID)
	b.meanwhile()
	return i, err
}

// rotateAll rotates the keys from the first step to the last.
func rotateAll(t *testing.T, k *Keyring) {
	t.Helper()
	if _, err := k.Rotate(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := k.Reseal(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// Whole rotations between two steps of a reader are not noticed.
func TestRotationBetweenTwoSteps(t *testing.T) {
	for _, step := range []string{"reading the keys", "sealing anew", "reading a row"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			v, other := w.process(), w.process()
			w.connect(v)
			v.Wait() // for the question when the token runs out, which reads too
			left, ring := 2, v.Keys
			store := ring.store
			meanwhile := func() {
				if left--; left >= 0 {
					rotateAll(t, other.Keys)
					if step != "reading the keys" {
						ring.store = store
						if err := ring.sync(t.Context()); err != nil {
							t.Error(err)
						}
						ring.store = busyKeys{store, func() {}}
					}
				}
			}
			switch step {
			case "reading the keys":
				ring.store = busyKeys{store, meanwhile}
				if err := ring.sync(t.Context()); err != nil {
					t.Error(err)
				}
			case "sealing anew":
				if _, err := other.Keys.Rotate(t.Context()); err != nil {
					t.Fatal(err)
				}
				left = 1
				ring.store = busyKeys{store, meanwhile}
				if n, err := ring.Reseal(t.Context(), nil); n != 0 || err != nil {
					t.Errorf("%d unopened, %v", n, err)
				}
			case "reading a row":
				v.Store = busyRows{v.Store, meanwhile}
			}
			w.fresh(v, 0)
		})
	}
}

// A key file behind a link stays where it is.
func TestKeyFileIsALink(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	link := filepath.Join(w.folder, "link.json")
	if err := os.Symlink("keyset.json", link); err != nil {
		t.Fatal(err)
	}
	k, err := OpenKeyring(t.Context(), link, w.openDB())
	if err != nil {
		t.Fatal(err)
	}
	rotateAll(t, k)
	if to, err := os.Readlink(link); to != "keyset.json" || err != nil {
		t.Errorf("the link is %q, %v", to, err)
	}
	w.fresh(v, 0)
	w.fresh(w.process(), 0)
}

// A token that the connection may go on with is not revoked while the key that
// would tell is out of reach.
func TestRevocationWithoutTheKey(t *testing.T) {
	w := newWorld(t)
	behind, ahead := w.process(), w.process()
	i := w.connect(behind)
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

// pausedSource lets something happen between the reading and the writing.
type pausedSource struct {
	keySource
	before func()
}

func (p pausedSource) write(handle *keyset.Handle) error {
	p.before()
	return p.keySource.write(handle)
}

// Nobody changes the key file between another one's reading and writing.
func TestKeyFileHasOneWriter(t *testing.T) {
	w := newWorld(t)
	first, second := w.process().Keys, w.process().Keys
	var other uint32
	var err error
	rotated := make(chan struct{})
	first.source = pausedSource{first.source, func() {
		go func() {
			defer close(rotated)
			other, err = second.Rotate(t.Context())
		}()
		select {
		case <-rotated: // at once, without the lock
			t.Error("two changed the file at once")
		case <-time.After(250 * time.Millisecond):
		}
	}}
	id := must(first.Rotate(t.Context()))(t)
	<-rotated
	if ids := w.fileKeys(); err != nil || !slices.Contains(ids, id) || !slices.Contains(ids, other) {
		t.Errorf("the file has %v of %d and %d, %v", ids, id, other, err)
	}
}
