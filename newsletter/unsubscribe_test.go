package newsletter

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/seal"

	"github.com/google/uuid"
)

// linked is a service that makes unsubscribe addresses.
func linked(t testing.TB, store *db.DB) *Service {
	t.Helper()
	keys, err := seal.OpenKeyring(t.Context(), filepath.Join(t.TempDir(), "keyset.json"), store, seal.SealedMACs)
	if err != nil {
		t.Fatal(err)
	}
	macs, err := seal.OpenMACs(t.Context(), keys, store)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Store: store, URL: "https://gatepost.example", MACs: macs})
}

const linkBegin = "https://gatepost.example/unsubscribe/"

// An address that isn't wholly ours is refused, whatever was done to it.
func TestUnsubscribeTokens(t *testing.T) {
	s, other := linked(t, open(t)), linked(t, dbtest.Open(t, dbtest.Path(t)))
	tenant, subscriber := db.NewID(), db.NewID()
	address := s.UnsubscribeAddress(tenant, subscriber)
	token, ours := strings.CutPrefix(address, linkBegin)
	if !ours || len(token) != 66 || strings.Contains(token, "=") {
		t.Fatal(address)
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int, to byte) string {
		b := append([]byte{}, raw...)
		b[at] ^= to
		return base64.RawURLEncoding.EncodeToString(b)
	}
	theirs, _ := strings.CutPrefix(s.UnsubscribeAddress(db.NewID(), subscriber), linkBegin)
	theirRaw, _ := base64.RawURLEncoding.DecodeString(theirs)
	foreign, _ := strings.CutPrefix(other.UnsubscribeAddress(tenant, subscriber), linkBegin)
	wrong := map[string]string{
		"nothing":                   "",
		"cut off":                   token[:len(token)-1],
		"half":                      token[:33],
		"longer":                    token + "A",
		"with padding":              token + "==",
		"a dot behind it":           token + ".",
		"no base64":                 strings.Repeat("!", len(token)),
		"zeros":                     strings.Repeat("A", len(token)),
		"plain base64":              base64.StdEncoding.EncodeToString(raw),
		"a line break":              token[:10] + "\n" + token[11:],
		"another last bit":          token[:len(token)-1] + string(token[len(token)-1]+1),
		"another version":           changed(0, 3),
		"another tenant":            changed(5, 1),
		"another subscriber":        changed(20, 1),
		"another MAC":               changed(40, 1),
		"the last byte of the MAC":  changed(48, 0x80),
		"no MAC":                    base64.RawURLEncoding.EncodeToString(append(raw[:33:33], make([]byte, 16)...)),
		"tenant with another's MAC": base64.RawURLEncoding.EncodeToString(append(raw[:33:33], theirRaw[33:]...)),
		"of another installation":   foreign,
		"the ids exchanged":         base64.RawURLEncoding.EncodeToString(append(append(append([]byte{1}, raw[17:33]...), raw[1:17]...), raw[33:]...)),
	}
	for name, token := range wrong {
		if got, of, err := s.ReadUnsubscribeToken(token); err != ErrToken || got+of != "" {
			t.Errorf("%s: %s, %s, %v", name, got, of, err)
		}
	}
	if got, of, err := s.ReadUnsubscribeToken(token); err != nil || got != tenant || of != subscriber {
		t.Errorf("%s, %s, %v", got, of, err)
	}
	if s.UnsubscribeAddress(tenant, subscriber) != address {
		t.Error("the address changes")
	}
	if _, _, err := New(Config{}).ReadUnsubscribeToken(token); err != ErrToken || New(Config{}).UnsubscribeAddress(tenant, subscriber) != "" {
		t.Error("a service without MACs has addresses")
	}
	for _, id := range []string{"", "a", "0198"} {
		if s.UnsubscribeAddress(id, subscriber)+s.UnsubscribeAddress(tenant, id) != "" {
			t.Errorf("%q has an address", id)
		}
	}
}

// What is read is what was written, in one way alone.
func FuzzUnsubscribeToken(f *testing.F) {
	s := linked(f, open(f))
	good, _ := strings.CutPrefix(s.UnsubscribeAddress(db.NewID(), db.NewID()), linkBegin)
	for _, seed := range []string{good, "", good[:65], strings.Repeat("A", 66), "AQ" + strings.Repeat("_", 64)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		tenant, subscriber, err := s.ReadUnsubscribeToken(token)
		if err != nil {
			if tenant+subscriber != "" || token == good {
				t.Errorf("%q: %s, %s, %v", token, tenant, subscriber, err)
			}
			return
		}
		if uuid.Validate(tenant) != nil || s.UnsubscribeAddress(tenant, subscriber) != linkBegin+token {
			t.Errorf("%q is taken for %s of %s", token, subscriber, tenant)
		}
	})
}
