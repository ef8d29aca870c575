package seal

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// Keys that nobody keeps account of seal and open, and can't be rotated here.
func TestFixedKeys(t *testing.T) {
	w := newWorld(t)
	w.keyring()
	text, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, none := range []string{"", "{", "keyset.json"} {
		if _, err := Fixed(none, tester); err == nil || strings.Contains(err.Error(), string(text)) {
			t.Errorf("%q are keys: %v", none, err)
		}
	}
	k := must(Fixed(string(text), tester))(t)
	again := must(Fixed(string(text), tester))(t)
	other := must(Ephemeral(tester))(t)
	sealed := must(k.key().Seal("secret", binding("a")))(t)
	if got, err := again.Open(t.Context(), sealed, binding("a")); got != "secret" || err != nil {
		t.Errorf("opened %q, %v", got, err)
	}
	if _, err := again.Open(t.Context(), sealed, binding("b")); !errors.Is(err, ErrSealed) {
		t.Errorf("opened for another place: %v", err)
	}
	if _, err := other.Open(t.Context(), sealed, binding("a")); err == nil {
		t.Error("opened with another key")
	}
	if _, err := other.key().Seal("secret", Binding{Kind: "unregistered"}); err == nil {
		t.Error("a kind that nobody has registered was sealed")
	}
	if _, err := k.Rotate(t.Context()); !errors.Is(err, ErrFixedKeys) {
		t.Errorf("rotated: %v", err)
	}
	if n, err := k.Reseal(t.Context(), nil); n != 0 || err != nil {
		t.Errorf("sealed anew: %d, %v", n, err)
	}
	if err := k.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
