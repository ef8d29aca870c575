package seal

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatepost/db"
)

// macs opens the keys of MACs in one more process.
func (w *world) macs(store MACStore) (*Keyring, *MACs, error) {
	w.t.Helper()
	k := must(OpenKeyring(w.t.Context(), w.path, w.openDB(), tester, SealedMACs))(w.t)
	m, err := OpenMACs(w.t.Context(), k, store)
	return k, m, err
}

// A MAC is good for its purpose and its parts alone.
func TestMACsOfOnePurposeAndItsParts(t *testing.T) {
	w := newWorld(t)
	_, m, err := w.macs(w.store)
	if err != nil {
		t.Fatal(err)
	}
	parts := []string{"tenant", "subscriber"}
	mac := m.Sum(Unsubscribe, parts...)
	if len(mac) != 32 || !m.Check(Unsubscribe, mac, parts...) {
		t.Fatalf("%x is not accepted", mac)
	}
	for _, other := range Purposes {
		if other != Unsubscribe && m.Check(other, mac, parts...) {
			t.Errorf("it is accepted for %s", other)
		}
	}
	for name, others := range map[string][]string{
		"another part":              {"tenant", "subscribes"},
		"other order":               {"subscriber", "tenant"},
		"a boundary further on":     {"tenants", "ubscriber"},
		"a boundary further back":   {"tenan", "tsubscriber"},
		"no boundary":               {"tenantsubscriber"},
		"an empty part more":        {"tenant", "subscriber", ""},
		"an empty part in between":  {"tenant", "", "subscriber"},
		"a part less":               {"tenant"},
		"nothing":                   nil,
		"a part that has a length":  {"tenant\x00\x00\x00\x00\x00\x00\x00\x0asubscriber"},
		"a part in capital letters": {"Tenant", "subscriber"},
	} {
		if m.Check(Unsubscribe, mac, others...) {
			t.Errorf("%s: it is accepted", name)
		}
	}
	for name, forged := range map[string][]byte{"none": nil, "the first half": mac[:16], "one byte more": append(slices.Clone(mac), 0), "zeros": make([]byte, 32)} {
		if m.Check(Unsubscribe, forged, parts...) {
			t.Errorf("%s: it is accepted", name)
		}
	}
}

// A purpose without a key has no MACs, rather than those of an empty key.
func TestMACsOfNoPurpose(t *testing.T) {
	w := newWorld(t)
	_, m, err := w.macs(w.store)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Purpose{"", "unknown"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q has a MAC", p)
				}
			}()
			m.Check(p, make([]byte, 32), "a")
		}()
	}
}

// MACs that were made before two rotations are good after them, and no key of theirs is
// kept by the sealing keys of before.
func TestMACsOutliveRotations(t *testing.T) {
	w := newWorld(t)
	k, m, err := w.macs(w.store)
	if err != nil {
		t.Fatal(err)
	}
	mac := m.Sum(Unsubscribe, "tenant", "subscriber")
	for range 2 {
		old := k.current().primary
		rotateAll(t, k)
		w.wantRotated(k, old)
		var later *MACs
		if k, later, err = w.macs(w.store); err != nil {
			t.Fatal(err)
		}
		if !later.Check(Unsubscribe, mac, "tenant", "subscriber") {
			t.Error("the MAC of before the rotation is refused")
		}
	}
}

// Processes that start at once have the same keys.
func TestProcessesMakeTheKeysOfMACsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.keyring()
	all := make([]*MACs, 8)
	var wg sync.WaitGroup
	for n := range all {
		store := w.openDB()
		wg.Go(func() {
			var err error
			if _, all[n], err = w.macs(store); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, p := range Purposes {
		mac := all[0].Sum(p, "a")
		for n, m := range all {
			if !m.Check(p, mac, "a") {
				t.Errorf("process %d has another key for %s", n, p)
			}
		}
	}
}

// A purpose that comes with a newer program gets a key, and the others keep theirs; an
// older program leaves what it doesn't know alone.
func TestMACsOfPurposesThatCameLater(t *testing.T) {
	w := newWorld(t)
	_, before, err := w.macs(w.store)
	if err != nil {
		t.Fatal(err)
	}
	all := Purposes
	defer func() { Purposes = all }()
	Purposes = append(slices.Clone(all), "later")
	_, newer, err := w.macs(w.store)
	if err != nil || !newer.Check(Proof, before.Sum(Proof, "a"), "a") || newer.Check("later", before.Sum(Proof, "a"), "a") {
		t.Errorf("%v", err)
	}
	Purposes = all
	if _, older, err := w.macs(w.store); err != nil || !older.Check(Proof, before.Sum(Proof, "a"), "a") {
		t.Errorf("%v", err)
	}
}

// Keys that can't be had are an error, and never replaced.
func TestMACKeysThatCanNotBeHad(t *testing.T) {
	w := newWorld(t)
	for name, s := range map[string]sickMACs{"reading": {w.store, errDisk, nil}, "writing": {w.store, nil, errDisk}} {
		if _, _, err := w.macs(s); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenMACs(t.Context(), w.keyring(), w.store); err == nil || !strings.Contains(err.Error(), kindMACKey) {
		t.Errorf("a keyring that would not rotate them: %v", err)
	}
	if _, _, err := w.macs(w.store); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Writer().Exec(`UPDATE mac_keys SET sealed_mac_key = (SELECT sealed_mac_key FROM mac_keys WHERE purpose = 'proof') WHERE purpose = 'network'`); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.macs(w.store); !errors.Is(err, ErrSealed) || !strings.Contains(err.Error(), "network") {
		t.Errorf("with another purpose's key: %v", err)
	}
}

type sickMACs struct {
	*db.DB
	reading, writing error
}

func (s sickMACs) MACKeys(ctx context.Context) ([]db.MACKey, error) {
	if s.reading != nil {
		return nil, s.reading
	}
	return s.DB.MACKeys(ctx)
}

func (s sickMACs) AddMACKeys(ctx context.Context, id uint32, keys []db.MACKey) error {
	if s.writing != nil {
		return s.writing
	}
	return s.DB.AddMACKeys(ctx, id, keys)
}
