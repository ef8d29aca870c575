package seal

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
			w.keyring()
			path := w.path
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Fatalf("made as %v, %v", info.Mode(), err)
			}
			test.do(t, path)
			_, err := OpenKeyring(t.Context(), path, w.openDB(), tester)
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
	folder := filepath.Dir(w.path)
	blocked := filepath.Join(folder, "file")
	write(t, blocked, "")
	if _, err := OpenKeyring(t.Context(), filepath.Join(blocked, "keyset.json"), w.store, tester); err == nil {
		t.Error("made below a file")
	}
}

func TestKeyStoreFails(t *testing.T) {
	path := newWorldOfKeys(t)
	for _, s := range []sickKeys{{sealing: errDisk}, {change: errDisk}} {
		if _, err := OpenKeyring(t.Context(), path, s, tester); !errors.Is(err, errDisk) {
			t.Errorf("got %v", err)
		}
	}
}

type sickKeys struct {
	Store
	sealing, change error
}

func (s sickKeys) NeededKeys(context.Context) ([]uint32, error) { return nil, s.sealing }

func (s sickKeys) SwitchSealingKey(context.Context, uint32, uint32) error { return s.change }

func TestProcessesMakeTheKeyFileAtOnce(t *testing.T) {
	w := newWorld(t)
	folder := filepath.Dir(w.path)
	path := filepath.Join(folder, "below", "keyset.json")
	rings := make([]*Keyring, 8)
	var wg sync.WaitGroup
	for n := range rings {
		d := w.openDB()
		wg.Go(func() {
			k, err := OpenKeyring(t.Context(), path, d, tester)
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
	sealed, err := rings[0].key().Seal("x", binding("a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range rings {
		if b, err := k.Open(t.Context(), sealed, binding("a")); b != "x" || err != nil || k.current().primary != rings[0].current().primary {
			t.Errorf("another key: %v", err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "below", ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A value opens for the row that it was sealed for, and nowhere else.
func TestSealedForOnePlace(t *testing.T) {
	w := newWorld(t)
	k := w.keyring()
	own := Binding{Kind: kindSecret, TenantID: "tenant", Service: "sfdc", RowID: "row"}
	sealed, err := k.key().Seal("secret", own)
	if err != nil {
		t.Fatal(err)
	}
	if secret, err := k.Open(t.Context(), sealed, own); secret != "secret" || err != nil {
		t.Errorf("%q, %v", secret, err)
	}
	for _, other := range []Binding{{"refresh", "tenant", "sfdc", "row"}, {kindSecret, "other", "sfdc", "row"}, {kindSecret, "tenant", "hubspot", "row"},
		{kindSecret, "tenant", "sfdc", "row2"}, {kindSecret, "tenants", "fdc", "row"}, {kindSecret, "tenant", "sfdcrow", ""},
		{kindSecret + "6:tenant;", "", "sfdc", "row"}, {kindSecret, "", "tenant", "sfdc"}, {}} {
		if _, err := k.Open(t.Context(), sealed, other); !errors.Is(err, ErrSealed) {
			t.Errorf("opened for %+v: %v", other, err)
		}
	}
	for _, bad := range []string{"", "!", sealed[1:], sealed[:len(sealed)-4], sealed + "AAAA"} {
		if _, err := k.Open(t.Context(), bad, own); !errors.Is(err, ErrSealed) {
			t.Errorf("opened %q: %v", bad, err)
		}
	}
}
