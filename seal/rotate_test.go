package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/db"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// A rotation that is killed anywhere goes on in another process.
func TestRotationIsKilled(t *testing.T) {
	for _, at := range []string{"after the file", "after the switch", "after a batch"} {
		t.Run(at, func(t *testing.T) {
			w := newWorld(t)
			k := w.keyring()
			services := w.many(k, 2*resealBatch+10)
			old := k.current().primary
			ctx, kill := context.WithCancel(t.Context())
			switch at {
			case "after the file":
				k.store = dyingKeys{k.store}
				if _, err := k.Rotate(ctx); !errors.Is(err, errDisk) {
					t.Fatalf("not killed: %v", err)
				}
			case "after the switch":
				if _, err := k.Rotate(ctx); err != nil {
					t.Fatal(err)
				}
			case "after a batch":
				if _, err := k.Rotate(ctx); err != nil {
					t.Fatal(err)
				}
				if _, err := k.Reseal(ctx, func(int) { kill() }); !errors.Is(err, context.Canceled) {
					t.Fatalf("not killed: %v", err)
				}
			}
			kill()
			next := w.keyring()
			w.wantReadable(next, services)
			if !slices.Contains(w.fileKeys(), old) {
				t.Error("the old key is gone while rows need it")
			}
			resealed(t, next)
			w.wantRotated(next, old)
			w.wantReadable(next, services)
		})
	}
}

// dyingKeys fails before the new key is made the one that seals.
type dyingKeys struct{ Store }

// SwitchSealingKey fails.
func (dyingKeys) SwitchSealingKey(context.Context, uint32, uint32) error { return errDisk }

// No key is lost when processes rotate and retire at once.
func TestProcessesRotateAtOnce(t *testing.T) {
	w := newWorld(t)
	k := w.keyring()
	services := w.many(k, 50)
	old := k.current().primary
	var wg sync.WaitGroup
	for range 4 {
		other := w.keyring()
		wg.Go(func() {
			for range 3 {
				rotateAll(t, other)
			}
		})
	}
	wg.Wait()
	resealed(t, k)
	w.wantRotated(k, old)
	w.wantReadable(k, services)
	w.wantReadable(w.keyring(), services)
}

// A row that can't be opened keeps its key, and nothing else from being sealed anew.
func TestUnopenedRowKeepsItsKey(t *testing.T) {
	w := newWorld(t)
	k := w.keyring()
	services := w.many(k, 5)
	old := k.current().primary
	w.spoil(services[0])
	if _, err := k.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := k.Reseal(t.Context(), nil); n != 1 || err != nil {
		t.Errorf("%d unopened, %v", n, err)
	}
	all, err := k.Status(t.Context())
	if err != nil || len(all) != 2 || all[0].ID != old || all[0].Rows != 1 || !all[0].RetiredAt.IsZero() || all[1].Rows != 4 {
		t.Errorf("%+v, %v", all, err)
	}
	if !slices.Contains(w.fileKeys(), old) {
		t.Error("its key is gone")
	}
	w.wantReadable(k, services[1:])
}

// An old copy of the key file, without the key that seals, is refused.
func TestOldCopyOfTheKeyFile(t *testing.T) {
	w := newWorld(t)
	k := w.keyring()
	before := must(os.ReadFile(w.path))(t)
	if _, err := k.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, w.path, string(before))
	if _, err := OpenKeyring(t.Context(), w.path, w.openDB(), tester); err == nil || !strings.Contains(err.Error(), "old copy") {
		t.Errorf("got %v", err)
	}
}

func TestKeysFromTheEnvironment(t *testing.T) {
	w := newWorld(t)
	services := w.many(w.keyring(), 1)
	text := must(os.ReadFile(w.path))(t)
	k, err := OpenKeyringText(t.Context(), string(text), w.openDB(), tester)
	if err != nil {
		t.Fatal(err)
	}
	w.wantReadable(k, services)
	w.put(k, services[0])
	w.wantReadable(w.keyring(), services)
	if _, err := k.Rotate(t.Context()); !errors.Is(err, ErrFixedKeys) {
		t.Errorf("rotated: %v", err)
	}
	if _, err := OpenKeyringText(t.Context(), `{"key":"very-secret"}`, w.openDB(), tester); err == nil || strings.Contains(err.Error(), "very-secret") {
		t.Errorf("got %v", err)
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
	k := w.keyring()
	services := w.many(k, 1)
	before, after := w.texts(k)
	open := func(text string) *Keyring {
		return must(OpenKeyringText(t.Context(), text, w.openDB(), tester))(t)
	}
	behind, ahead := open(before), open(after)
	current := ahead.current().primary
	for range 2 { // the second time with the old key retired
		w.put(behind, services[0])
		if s := must(w.store.ServiceSettings(t.Context(), services[0]))(t); s.KeyID != current {
			t.Errorf("sealed with %d, want %d", s.KeyID, current)
		}
		if id, err := w.store.SealingKey(t.Context()); id != current || err != nil {
			t.Errorf("%d seals, %v", id, err)
		}
		resealed(t, ahead)
		resealed(t, behind)
	}
	w.wantReadable(ahead, services)
	behind = open(before)
	w.put(behind, services[0])
	w.wantReadable(behind, services)
}

// A set that lacks a key which rows need is refused, at start and later, when the
// keys of before stay in use.
func TestNeededKeyIsTakenOutTooEarly(t *testing.T) {
	w := newWorld(t)
	k := w.keyring()
	services := w.many(k, 1)
	old := k.current().primary
	if _, err := k.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := keyset.NewManagerFromHandle(must(keyFile(w.path).read())(t))
	if err := m.Delete(old); err != nil {
		t.Fatal(err)
	}
	short := keyFile(filepath.Join(t.TempDir(), "short.json"))
	if err := short.put(must(m.Handle())(t), os.Rename); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("no key %d", old)
	if _, err := OpenKeyring(t.Context(), string(short), w.openDB(), tester); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("at start: %v", err)
	}
	k.source = short
	if err := k.sync(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("later: %v", err)
	}
	w.wantReadable(k, services)
}

// Many rows that can't be opened don't keep the others from being sealed anew.
func TestUnopenedRowsFillABatch(t *testing.T) {
	w := newWorld(t)
	k := w.keyring()
	services := w.many(k, resealBatch+15)
	spoiled := resealBatch + 5
	w.spoil(services[:spoiled]...)
	id, err := k.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := k.Reseal(t.Context(), nil); n != spoiled || err != nil {
		t.Errorf("%d unopened, %v", n, err)
	}
	all, err := k.Status(t.Context())
	if err != nil || len(all) != 2 || all[1].ID != id || all[1].Rows != 10 {
		t.Errorf("%+v, %v", all, err)
	}
}

// busyKeys has a whole rotation happen right after the store was asked.
type busyKeys struct {
	Store
	meanwhile func()
}

func (b busyKeys) NeededKeys(ctx context.Context) ([]uint32, error) {
	ids, err := b.Store.NeededKeys(ctx)
	b.meanwhile()
	return ids, err
}

func (b busyKeys) Outdated(ctx context.Context, tables []db.SealedTable, limit int) ([]db.SealedRow, error) {
	rows, err := b.Store.Outdated(ctx, tables, limit)
	b.meanwhile()
	return rows, err
}

// Whole rotations between two steps of a keyring are not noticed.
func TestRotationBetweenTwoSteps(t *testing.T) {
	for _, step := range []string{"reading the keys", "sealing anew"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			k, other := w.keyring(), w.keyring()
			services := w.many(k, 1)
			store, left := k.store, 2
			meanwhile := func() {
				if left--; left < 0 {
					return
				}
				rotateAll(t, other)
				if step == "sealing anew" { // it has heard of the new key and of nothing else
					k.store = store
					if err := k.sync(t.Context()); err != nil {
						t.Error(err)
					}
					k.store = busyKeys{store, func() {}}
				}
			}
			switch step {
			case "reading the keys":
				k.store = busyKeys{store, meanwhile}
				if err := k.sync(t.Context()); err != nil {
					t.Error(err)
				}
			case "sealing anew":
				if _, err := other.Rotate(t.Context()); err != nil {
					t.Fatal(err)
				}
				left = 1
				k.store = busyKeys{store, meanwhile}
				resealed(t, k)
			}
			w.wantReadable(k, services)
		})
	}
}

// A key file behind a link stays where it is.
func TestKeyFileIsALink(t *testing.T) {
	w := newWorld(t)
	k := w.keyring()
	services := w.many(k, 1)
	link := filepath.Join(filepath.Dir(w.path), "link.json")
	if err := os.Symlink("keyset.json", link); err != nil {
		t.Fatal(err)
	}
	linked := must(OpenKeyring(t.Context(), link, w.openDB(), tester))(t)
	rotateAll(t, linked)
	if to, err := os.Readlink(link); to != "keyset.json" || err != nil {
		t.Errorf("the link is %q, %v", to, err)
	}
	w.wantReadable(k, services)
	w.wantReadable(w.keyring(), services)
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
	first, second := w.keyring(), w.keyring()
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
