package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrSealed says that a sealed value can't be opened: it was changed, belongs to
// another row, or its key is gone.
var ErrSealed = errors.New("a sealed value can't be opened")

// Keyring seals secrets before they touch the database, with an AEAD of Tink's.
// Whoever holds the key file can open them.
type Keyring struct {
	aead    tink.AEAD
	primary uint32
}

// KeyStore remembers which key seals; db.DB is one.
type KeyStore interface {
	SealingKey(ctx context.Context) (uint32, error)
	ClaimSealingKey(ctx context.Context, id uint32) (uint32, error)
}

// OpenKeyring reads the key file at path. A missing one is made, with mode 0600,
// but only while nothing in the store is sealed. A file that others can read is
// refused.
func OpenKeyring(ctx context.Context, path string, store KeyStore) (*Keyring, error) {
	current, err := store.SealingKey(ctx)
	if err != nil {
		return nil, err
	}
	handle, err := readKeyset(path)
	if errors.Is(err, fs.ErrNotExist) && current == 0 {
		handle, err = makeKeyset(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the key file %s is missing, and what the database holds sealed is opened by key %d alone: put the file back (from a backup), or start with a new database", path, current)
	}
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return newKeyring(ctx, path, handle, store)
}

func newKeyring(ctx context.Context, path string, handle *keyset.Handle, store KeyStore) (*Keyring, error) {
	info := handle.KeysetInfo()
	current, err := store.ClaimSealingKey(ctx, info.GetPrimaryKeyId())
	if err != nil {
		return nil, err
	}
	if current != info.GetPrimaryKeyId() {
		return nil, fmt.Errorf("the key file %s seals with key %d, but the database was sealed with key %d: it is another installation's file", path, info.GetPrimaryKeyId(), current)
	}
	a, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return &Keyring{aead: a, primary: current}, nil
}

func readKeyset(path string) (*keyset.Handle, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others can read it (mode %04o): run chmod 600 on it", info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(b)))
	if err != nil {
		return nil, errors.New("it holds no valid keyset") // the cause could quote key material
	}
	return handle, nil
}

// makeKeyset writes a new key file. When another process was first, its file is
// the one.
func makeKeyset(path string) (*keyset.Handle, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&b)); err != nil {
		return nil, err
	}
	if err := writeOnce(path, b.Bytes()); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return readKeyset(path)
}

// writeOnce writes a private file whole, or returns fs.ErrExist.
func writeOnce(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".keyset-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes sure that a new file in the folder is still there after a
// power failure: what will be sealed can't be opened without it.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// seal encrypts a secret for one place: what it is, of which tenant, service and row.
func (k *Keyring) seal(secret []byte, place ...string) (string, error) {
	b, err := k.aead.Encrypt(secret, associated(place))
	if err != nil {
		return "", err
	}
	return base64.RawStdEncoding.EncodeToString(b), nil
}

// open decrypts what was sealed for the same place, or returns ErrSealed.
func (k *Keyring) open(sealed string, place ...string) ([]byte, error) {
	b, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, ErrSealed
	}
	secret, err := k.aead.Decrypt(b, associated(place))
	if err != nil {
		return nil, ErrSealed
	}
	return secret, nil
}

// associated joins a place so that no two places look alike.
func associated(place []string) []byte {
	var b strings.Builder
	for _, p := range place {
		fmt.Fprintf(&b, "%d:%s;", len(p), p)
	}
	return []byte(b.String())
}

// randomToken returns 32 random bytes, safe in a URL.
func randomToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

// randomName returns a short random name for an owner of leases.
func randomName() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
