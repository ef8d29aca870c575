package newsletter

import (
	"encoding/base64"
	"errors"
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
	s, _ := linkedBy(t, store, filepath.Join(t.TempDir(), "keyset.json"))
	return s
}

// linkedBy is one by the keys of a file.
func linkedBy(t testing.TB, store *db.DB, keyset string) (*Service, *seal.Keyring) {
	t.Helper()
	keys, err := seal.OpenKeyring(t.Context(), keyset, store, seal.SealedMACs)
	if err != nil {
		t.Fatal(err)
	}
	macs, err := seal.OpenMACs(t.Context(), keys, store)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Store: store, URL: "https://gatepost.example", MACs: macs}), keys
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

// The keys that seal are rotated, twice, and who has an old mail leaves by its link, and is then known by their MAC
// after everything else of theirs is gone.
func TestAnOldLinkLeavesAfterTwoRotations(t *testing.T) {
	store, keyset := open(t), filepath.Join(t.TempDir(), "keyset.json")
	s, keys := linkedBy(t, store, keyset)
	tenant, subscriber, news := db.NewID(), db.NewID(), db.NewID()
	put := func(statement string, args ...any) {
		t.Helper()
		if _, err := store.Writer().Exec(statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	put(`INSERT INTO tenants (id, slug, name, created_at) VALUES ($1, 'contoso', 'Contoso', 1)`, tenant)
	put(`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ($1, $2, 'contoso-weekly', 'Weekly', 'Yes.', 1)`, news, tenant)
	put(`INSERT INTO subscribers (tenant_id, id, newsletter_id, email, email_key, first_name, last_name, source, state, created_at) VALUES ($1, $2, $3, 'Jane@example.com', 'jane@example.com', '', '', 'form', 'active', 1)`,
		tenant, subscriber, news)
	token := strings.TrimPrefix(s.UnsubscribeAddress(tenant, subscriber), linkBegin)
	for range 2 {
		if _, err := keys.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Reseal(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	s, _ = linkedBy(t, store, keyset) // another process, later
	l, err := s.Leaver(t.Context(), token)
	if err != nil || l.Email != "Jane@example.com" || l.Newsletter.Slug != "contoso-weekly" {
		t.Fatalf("%+v, %v", l, err)
	}
	if err := s.Leave(t.Context(), l, db.Leaving{How: db.LeftByOneClick}, true); err != nil {
		t.Fatal(err)
	}
	if l, err = s.Leaver(t.Context(), token); err != nil || l.Status != db.Left || l.Leaving.How != db.LeftByOneClick {
		t.Errorf("%+v, %v", l, err)
	}
	put(`DELETE FROM subscribers WHERE id = $1`, subscriber)
	if _, err := s.Leaver(t.Context(), token); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("of somebody who is gone: %v", err)
	}
	if left, err := s.Suppressed(t.Context(), tenant, news, "JANE@example.com", "joe@example.com"); err != nil || len(left) != 1 || !left["jane@example.com"] {
		t.Errorf("%v, %v", left, err)
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
