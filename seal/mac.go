package seal

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"gatepost/db"
)

// Purpose is what a MAC is for. Each has a key of its own, so that a MAC which was made for
// one is worth nothing for another.
type Purpose string

// What MACs are made for.
const (
	Unsubscribe Purpose = "unsubscribe" // addresses that people leave by: good for years
	FormTime    Purpose = "form_time"   // when a page was opened
	Proof       Purpose = "proof"       // challenges for a proof of work
	Recipient   Purpose = "recipient"   // addresses that mails are counted for, of all tenants
	Suppression Purpose = "suppression" // addresses that left, after nothing else is kept of them
	Network     Purpose = "network"     // networks that sign-ups come from
	Erasure     Purpose = "erasure"     // addresses that were erased, in receipts
	Limit       Purpose = "limit"       // whom limits and counts of bursts are about
)

// Purposes are all of them. A name stays: keys are stored under it.
var Purposes = []Purpose{Unsubscribe, FormTime, Proof, Recipient, Suppression, Network, Erasure, Limit}

const kindMACKey = "mac_key"

// SealedMACs are the keys that MACs are made with, to be registered with the keyring.
var SealedMACs = Owner{Name: "MACs", Tables: []db.SealedTable{db.SealedMACKeys.Holding(kindMACKey)}}

// macKeySize is the length of a key in bytes, as long as what SHA-256 makes.
const macKeySize = 32

// MACStore keeps the sealed keys of MACs; db.DB is one, and documents the methods.
type MACStore interface {
	MACKeys(ctx context.Context) ([]db.MACKey, error)
	AddMACKeys(ctx context.Context, sealedWith uint32, keys []db.MACKey) error
}

// MACs makes and checks message authentication codes: HMAC-SHA-256, with a random key for
// each purpose. The keys are made once, whichever process is first, and never change: a
// rotation of the sealing keys seals them anew, so that an old link goes on working.
type MACs struct {
	keys map[Purpose][]byte
}

// OpenMACs reads the keys of all purposes, and makes those that are missing. The keyring
// must have SealedMACs registered. A key that can't be opened is an error: a new one in its
// place would end all links and MACs that were made with it.
func OpenMACs(ctx context.Context, keys *Keyring, store MACStore) (*MACs, error) {
	m := &MACs{keys: map[Purpose][]byte{}}
	if err := m.read(ctx, keys, store); err != nil {
		return nil, err
	}
	missing := m.missing()
	if len(missing) == 0 {
		return m, nil
	}
	if err := makeMACKeys(ctx, keys, store, missing); err != nil {
		return nil, err
	}
	if err := m.read(ctx, keys, store); err != nil { // another process may have been first
		return nil, err
	}
	if missing := m.missing(); len(missing) > 0 {
		return nil, fmt.Errorf("seal: the store has no keys for MACs of %v, which were made just now", missing)
	}
	return m, nil
}

// missing are the purposes without a key.
func (m *MACs) missing() (missing []Purpose) {
	for _, p := range Purposes {
		if m.keys[p] == nil {
			missing = append(missing, p)
		}
	}
	return missing
}

// read opens the keys that are stored. What a newer program stores for purposes that this
// one doesn't know is left alone.
func (m *MACs) read(ctx context.Context, keys *Keyring, store MACStore) error {
	stored, err := store.MACKeys(ctx)
	if err != nil {
		return err
	}
	for _, s := range stored {
		secret, err := keys.Open(ctx, s.Sealed, macBinding(Purpose(s.Purpose)))
		if err != nil {
			return fmt.Errorf("the key for MACs of the purpose %s: %w", s.Purpose, err)
		}
		key, err := base64.RawStdEncoding.DecodeString(secret)
		if err != nil || len(key) != macKeySize {
			return errors.New("the key for MACs of the purpose " + s.Purpose + " is no key")
		}
		m.keys[Purpose(s.Purpose)] = key
	}
	return nil
}

// makeMACKeys stores a random key for each of the purposes, unless it has one by then.
func makeMACKeys(ctx context.Context, keys *Keyring, store MACStore, purposes []Purpose) error {
	return keys.WithKey(ctx, func(k Key) error {
		made := make([]db.MACKey, len(purposes))
		for i, p := range purposes {
			secret := make([]byte, macKeySize)
			_, _ = rand.Read(secret) // never fails: see crypto/rand
			sealed, err := k.Seal(base64.RawStdEncoding.EncodeToString(secret), macBinding(p))
			if err != nil {
				return err
			}
			made[i] = db.MACKey{Purpose: string(p), Sealed: sealed}
		}
		return store.AddMACKeys(ctx, k.ID, made)
	})
}

func macBinding(p Purpose) Binding { return Binding{Kind: kindMACKey, RowID: string(p)} }

// Sum is the MAC of the parts, 32 bytes. Each part counts with its length, so that the same
// text that is divided elsewhere has another MAC. It panics for a purpose that isn't one of
// Purposes: no key must not mean an empty one.
func (m *MACs) Sum(p Purpose, parts ...string) []byte {
	key := m.keys[p]
	if key == nil {
		panic("seal: no key for MACs of the purpose " + string(p))
	}
	h := hmac.New(sha256.New, key)
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		_, _ = h.Write(length[:])
		_, _ = h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// For makes MACs for one purpose.
func (m *MACs) For(p Purpose) func(parts ...string) []byte {
	return func(parts ...string) []byte { return m.Sum(p, parts...) }
}

// Check reports whether mac is the whole MAC of the parts, in a time that says nothing about
// how much of it is right. It panics as Sum does.
func (m *MACs) Check(p Purpose, mac []byte, parts ...string) bool {
	return hmac.Equal(mac, m.Sum(p, parts...))
}
