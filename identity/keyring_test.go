package identity

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestKeyFile(t *testing.T) {
	spoil := map[string]struct {
		do   func(t *testing.T, path string)
		want string
	}{
		"missing": {func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, "is missing"},
		"readable by all":   {func(t *testing.T, path string) { chmod(t, path, 0o644) }, "chmod 600"},
		"readable by group": {func(t *testing.T, path string) { chmod(t, path, 0o640) }, "chmod 600"},
		"empty":             {func(t *testing.T, path string) { write(t, path, "") }, "no valid keyset"},
		"spoiled":           {func(t *testing.T, path string) { write(t, path, `{"primaryKeyId":1,"key":"very-secret"}`) }, "no valid keyset"},
		"another installation's": {func(t *testing.T, path string) {
			other := newWorldOfKeys(t)
			b, err := os.ReadFile(other)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, string(b))
		}, "another installation's file"},
	}
	for name, test := range spoil {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			w.connect(v)
			path := filepath.Join(w.folder, "keyset.json")
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Fatalf("made as %v, %v", info.Mode(), err)
			}
			test.do(t, path)
			_, err := OpenKeyring(t.Context(), path, w.openDB())
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "very-secret") {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if name == "missing" {
				if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
					t.Error("a new one was made")
				}
			}
		})
	}
}

func newWorldOfKeys(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "keyset.json")
	if _, err := keyFile(path).create(); err != nil {
		t.Fatal(err)
	}
	return path
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKeyFileCanNotBeMade(t *testing.T) {
	w := newWorld(t)
	blocked := filepath.Join(w.folder, "file")
	write(t, blocked, "")
	if _, err := OpenKeyring(t.Context(), filepath.Join(blocked, "keyset.json"), w.store); err == nil {
		t.Error("made below a file")
	}
}

func TestKeyStoreFails(t *testing.T) {
	path := newWorldOfKeys(t)
	for _, s := range []sickKeys{{sealing: errDisk}, {change: errDisk}} {
		if _, err := OpenKeyring(t.Context(), path, s); !errors.Is(err, errDisk) {
			t.Errorf("got %v", err)
		}
	}
}

type sickKeys struct {
	KeyStore
	sealing, change error
}

func (s sickKeys) NeededKeys(context.Context) ([]uint32, error) { return nil, s.sealing }

func (s sickKeys) SwitchSealingKey(context.Context, uint32, uint32) error { return s.change }

func TestProcessesMakeTheKeyFileAtOnce(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(w.folder, "below", "keyset.json")
	rings := make([]*Keyring, 8)
	var wg sync.WaitGroup
	for n := range rings {
		d := w.openDB()
		wg.Go(func() {
			k, err := OpenKeyring(t.Context(), path, d)
			if err != nil {
				t.Error(err)
			}
			rings[n] = k
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	sealed, err := rings[0].current().seal([]byte("x"), "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range rings {
		if b, err := k.open(t.Context(), sealed, "a"); string(b) != "x" || err != nil || k.current().primary != rings[0].current().primary {
			t.Errorf("another key: %v", err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(w.folder, "below", ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSealedForOnePlace(t *testing.T) {
	w := newWorld(t)
	k := w.process().Keys
	sealed, err := k.current().seal([]byte("secret"), kindAccess, "tenant", "sfdc", "row")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := k.open(t.Context(), sealed, kindAccess, "tenant", "sfdc", "row"); string(b) != "secret" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	for _, place := range [][]string{{kindRefresh, "tenant", "sfdc", "row"}, {kindAccess, "other", "sfdc", "row"}, {kindAccess, "tenant", "hubspot", "row"},
		{kindAccess, "tenant", "sfdc", "row2"}, {kindAccess, "tenants", "fdc", "row"}, {kindAccess, "tenant", "sfdcrow"}, {kindAccess + "6:tenant;", "sfdc", "row"}, {}} {
		if _, err := k.open(t.Context(), sealed, place...); !errors.Is(err, ErrSealed) {
			t.Errorf("opened for %q: %v", place, err)
		}
	}
	for _, bad := range []string{"", "!", sealed[1:], sealed[:len(sealed)-4], sealed + "AAAA"} {
		if _, err := k.open(t.Context(), bad, kindAccess, "tenant", "sfdc", "row"); !errors.Is(err, ErrSealed) {
			t.Errorf("opened %q: %v", bad, err)
		}
	}
}

// Blobs that were moved to other rows or columns open nowhere; other rows work.
func TestSwappedBlobs(t *testing.T) {
	for _, columns := range [][2]string{{"sealed_access", "sealed_access"}, {"sealed_refresh", "sealed_refresh"}, {"sealed_access", "sealed_refresh"}} {
		t.Run(columns[0]+" and "+columns[1], func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			contoso, john := w.tenant, w.user
			fabrikam, mary := w.addTenant("fabrikam")
			first := w.connect(v)
			w.tenant, w.user = fabrikam, mary
			second := w.connect(v)
			if columns[0] == columns[1] {
				w.swap(columns[0], first.ID, second.ID)
			} else if _, err := w.store.Writer().Exec(`UPDATE identities SET sealed_access = sealed_refresh WHERE id IN ($1, $2)`, first.ID, second.ID); err != nil {
				t.Fatal(err)
			}
			w.tenant, w.user = w.addTenant("litware")
			third := w.connect(v)
			w.fresh(v, third.Generation)
			calls := w.srv.count("refresh")
			for tenant, i := range map[string]int64{contoso: first.Generation, fabrikam: second.Generation} {
				refused := i
				if columns[0] == "sealed_access" {
					refused = 0
				}
				_, err := v.Get(t.Context(), Salesforce, tenant, refused)
				wantBroken(t, err, BrokenSealed)
				if !errors.Is(err, ErrSealed) {
					t.Errorf("got %v", err)
				}
				if n, err := v.Identity(t.Context(), Salesforce, tenant); err != nil || n.BrokenCode != BrokenSealed {
					t.Errorf("nobody sees it: %q, %v", n.BrokenCode, err)
				}
			}
			if w.srv.count("refresh") != calls {
				t.Error("something was sent")
			}
			w.tenant, w.user = contoso, john
			w.srv.heal()
			w.connect(v)
			w.fresh(v, 0)
		})
	}
}

func (w *world) swap(column, a, b string) {
	w.t.Helper()
	var one, two string
	row := w.store.Writer().QueryRow(`SELECT a.`+column+`, b.`+column+` FROM identities a, identities b WHERE a.id = $1 AND b.id = $2`, a, b)
	if err := row.Scan(&one, &two); err != nil {
		w.t.Fatal(err)
	}
	for id, blob := range map[string]string{a: two, b: one} {
		if _, err := w.store.Writer().Exec(`UPDATE identities SET `+column+` = $1 WHERE id = $2`, blob, id); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A handshake whose verifier was taken from another one is refused before
// anything is sent.
func TestSwappedVerifiers(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	a, b := w.begin(v), w.begin(v)
	if _, err := w.store.Writer().Exec(`UPDATE handshakes SET sealed_verifier = (SELECT sealed_verifier FROM handshakes WHERE state_hash = $1) WHERE state_hash = $2`,
		hash(a.State), hash(b.State)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Finish(t.Context(), b); !errors.Is(err, ErrSealed) || w.srv.count("token") != 0 {
		t.Errorf("got %v", err)
	}
	if _, err := v.Finish(t.Context(), a); err != nil {
		t.Errorf("the other one: %v", err)
	}
}
