// Package seal keeps secrets that must be read again, such as tokens, from whoever
// reads the database. It holds the keys (Keyring), seals a value for the one row
// that it belongs to (Binding), and rotates the keys under running servers. What is
// sealed, and where it stands, is not its business: each room that seals is an Owner
// and registers that.
package seal

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"gatepost/db"

	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrSealed says that a sealed value can't be opened: it was changed, belongs to
// another row, or its key is gone.
var ErrSealed = errors.New("a sealed value can't be opened")

// Binding is what a sealed value belongs to. The value opens with the same binding
// alone, so that one which is copied into another row is worth nothing there.
type Binding struct {
	Kind     string // what it is: one of those that its owner has registered
	TenantID string // empty for what is of no tenant
	Service  string // empty for what is of no service
	RowID    string // the row that it is sealed for
}

// associatedData writes the binding so that no two look alike: each field after its
// length. It never changes: what is stored was sealed with it.
func (b Binding) associatedData() []byte {
	var text strings.Builder
	for _, field := range []string{b.Kind, b.TenantID, b.Service, b.RowID} {
		fmt.Fprintf(&text, "%d:%s;", len(field), field)
	}
	return []byte(text.String())
}

// Key is the key that seals now. Its ID is stored beside what it seals; the store
// returns db.ErrStaleKey when another key seals by then.
type Key struct {
	ID    uint32
	aead  tink.AEAD
	owned registry
}

// Seal encrypts a secret. A kind that no owner has registered is refused: no
// rotation would reach it.
func (k Key) Seal(secret string, b Binding) (string, error) {
	if _, ok := k.owned.kinds[b.Kind]; !ok {
		return "", fmt.Errorf("seal: no owner has registered the kind %q", b.Kind)
	}
	sealed, err := k.aead.Encrypt([]byte(secret), b.associatedData())
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	return base64.RawStdEncoding.EncodeToString(sealed), nil
}

// sealTries bounds how often a write is tried while others rotate the keys.
const sealTries = 20

// WithKey calls write with the key that seals, and again with the one of the key
// file as it is now when the store finds that outdated.
func (k *Keyring) WithKey(ctx context.Context, write func(Key) error) error {
	err := write(k.key())
	for tries := 0; errors.Is(err, db.ErrStaleKey) && tries < sealTries; tries++ {
		if err := k.sync(ctx); err != nil {
			return err
		}
		err = write(k.key())
	}
	return err
}

func (k *Keyring) key() Key {
	keys := k.current()
	return Key{ID: keys.primary, aead: keys.aead, owned: k.owned}
}

// Open decrypts what was sealed with the same binding, or returns ErrSealed. A
// value that was sealed with a key that came after the last reading is opened
// after another one.
func (k *Keyring) Open(ctx context.Context, sealed string, b Binding) (string, error) {
	ciphertext, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil {
		return "", ErrSealed
	}
	keys := k.current()
	if id, ok := keyOf(ciphertext); ok && !keys.has(id) {
		if err := k.sync(ctx); err != nil {
			return "", err
		}
		keys = k.current()
	}
	secret, err := keys.aead.Decrypt(ciphertext, b.associatedData())
	if err != nil {
		return "", ErrSealed
	}
	return string(secret), nil
}

// keyOf is the id of the key that made a ciphertext: Tink's output prefix is a
// byte 1 and the id, big-endian.
func keyOf(ciphertext []byte) (uint32, bool) {
	if len(ciphertext) < 5 || ciphertext[0] != 1 {
		return 0, false
	}
	return binary.BigEndian.Uint32(ciphertext[1:5]), true
}
