package seal

import (
	"bytes"
	"context"

	"gatepost/db"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// OpenKeyset is OpenKeyring for the path of a key file, or OpenKeyringText for the keys
// themselves: those are JSON, which no path is.
func OpenKeyset(ctx context.Context, pathOrKeys string, store Store, owners ...Owner) (*Keyring, error) {
	if len(pathOrKeys) > 0 && pathOrKeys[0] == '{' {
		return OpenKeyringText(ctx, pathOrKeys, store, owners...)
	}
	return OpenKeyring(ctx, pathOrKeys, store, owners...)
}

// Fixed takes the keys themselves, as OpenKeyringText, for those whose store keeps no
// account of keys: the primary one seals, and nothing is sealed anew. Give all processes the
// same text; to rotate, give them all the new key first, and make it the primary one then.
func Fixed(text string, owners ...Owner) (*Keyring, error) {
	k, err := keyText(text).read()
	if err != nil {
		return nil, err
	}
	return openKeyring(context.Background(), keyText(text), fixedKey(k.KeysetInfo().GetPrimaryKeyId()), owners)
}

// Ephemeral is a keyring with a new key that nobody keeps: what it seals ends with it, as in
// tests.
func Ephemeral(owners ...Owner) (*Keyring, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&b)); err != nil {
		return nil, err
	}
	return Fixed(b.String(), owners...)
}

// fixedKey is a store of one key that seals, always.
type fixedKey uint32

// SealingKey returns it.
func (k fixedKey) SealingKey(context.Context) (uint32, error) { return uint32(k), nil }

// NeededKeys returns it.
func (k fixedKey) NeededKeys(context.Context) ([]uint32, error) { return []uint32{uint32(k)}, nil }

// SwitchSealingKey is not asked for: no other key seals.
func (fixedKey) SwitchSealingKey(context.Context, uint32, uint32) error { return ErrFixedKeys }

// SealingKeys returns it alone.
func (k fixedKey) SealingKeys(context.Context) ([]db.SealingKey, error) {
	return []db.SealingKey{{ID: uint32(k), Current: true}}, nil
}

// Outdated returns nothing.
func (fixedKey) Outdated(context.Context, []db.SealedTable, int) ([]db.SealedRow, error) {
	return nil, nil
}

// Reseal is not asked for: nothing is outdated.
func (fixedKey) Reseal(context.Context, uint32, []db.SealedRow, []db.SealedRow) error {
	return ErrFixedKeys
}

// RetireKeys retires nothing.
func (fixedKey) RetireKeys(context.Context) ([]uint32, error) { return nil, nil }

// WithKeyLock refuses.
func (fixedKey) WithKeyLock(context.Context, func() error) error { return ErrFixedKeys }
