// Package seal keeps secrets that must be read again, such as tokens, from whoever
// reads the database. It holds the keys (Keyring), seals a value for the one row
// that it belongs to (Binding), and rotates the keys under running servers. What is
// sealed, and where it stands, is not its business: each room that seals is an Owner
// and registers that.
package seal

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"gatepost/db"
	"gatepost/files"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Store remembers which key seals; db.DB is one, and documents the methods.
type Store interface {
	SealingKey(ctx context.Context) (uint32, error)
	NeededKeys(ctx context.Context) ([]uint32, error)
	SwitchSealingKey(ctx context.Context, from, to uint32) error
	SealingKeys(ctx context.Context) ([]db.SealingKey, error)
	Outdated(ctx context.Context, tables []db.SealedTable, limit int) ([]db.SealedRow, error)
	Reseal(ctx context.Context, keyID uint32, before, after []db.SealedRow) error
	RetireKeys(ctx context.Context) (retired []uint32, err error)
	WithKeyLock(ctx context.Context, fn func() error) error
}

// Keyring seals secrets before they touch the database, with an AEAD of Tink's.
// The key file holds the keys, of which its primary one seals; the database
// says which one that is, so that all processes agree. Whoever holds the key
// file can open everything.
type Keyring struct {
	source keySource
	store  Store
	owned  registry

	reload sync.Mutex // one reading of the file at a time
	mu     sync.RWMutex
	keys   *keys
}

// keys is one state of the key file.
type keys struct {
	handle  *keyset.Handle
	aead    tink.AEAD
	primary uint32
}

// OpenKeyring reads the key file at path. A missing one is made, with mode 0600,
// but only while nothing in the store is sealed. A file that others can read is
// refused. The owners are those whose values are sealed and rotated by it: a program
// names all that it is made with.
func OpenKeyring(ctx context.Context, path string, store Store, owners ...Owner) (*Keyring, error) {
	return openKeyring(ctx, keyFile(path), store, owners)
}

// OpenKeyringText takes the keys themselves, as a key file has them, for those
// who keep secrets in the environment. They can't be rotated from here.
func OpenKeyringText(ctx context.Context, text string, store Store, owners ...Owner) (*Keyring, error) {
	return openKeyring(ctx, keyText(text), store, owners)
}

func openKeyring(ctx context.Context, source keySource, store Store, owners []Owner) (*Keyring, error) {
	owned, err := register(owners)
	if err != nil {
		return nil, err
	}
	k := &Keyring{source: source, store: store, owned: owned}
	if err := k.load(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// load reads the keys and makes the primary one the one that seals. It asks the
// store first which ones it needs: a key is in the file before it seals, so the
// file has them all, unless one of them was retired meanwhile. Then it begins
// again.
func (k *Keyring) load(ctx context.Context) error {
	for {
		needed, err := k.store.NeededKeys(ctx)
		if err != nil {
			return err
		}
		next, err := k.read(needed)
		if err != nil {
			return err
		}
		lacking := slices.DeleteFunc(slices.Clone(needed), next.has)
		if len(lacking) == 0 {
			return k.use(ctx, needed, next)
		}
		still, err := k.store.NeededKeys(ctx)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(lacking, func(id uint32) bool { return slices.Contains(still, id) }); i >= 0 {
			return fmt.Errorf("%s has no key %d, with which the database was sealed: it is another installation's file, or an old copy", k.source.name(), lacking[i])
		}
	}
}

// read takes the keys from their source, and makes some when none are needed yet.
func (k *Keyring) read(needed []uint32) (*keys, error) {
	handle, err := k.source.read()
	missing := errors.Is(err, fs.ErrNotExist)
	if missing && len(needed) == 0 {
		handle, err = k.source.create()
	} else if missing {
		return nil, fmt.Errorf("%s is missing, and the database holds credentials that only key %d opens: put the file back (from a backup), or start with a new database", k.source.name(), needed[0])
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.source.name(), err)
	}
	next, err := newKeys(handle)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.source.name(), err)
	}
	return next, nil
}

func newKeys(handle *keyset.Handle) (*keys, error) {
	a, err := aead.New(handle)
	if err != nil {
		return nil, errors.New("it holds no keys that seal") // the cause could quote key material
	}
	return &keys{handle: handle, aead: a, primary: handle.KeysetInfo().GetPrimaryKeyId()}, nil
}

// use makes next the keys of this process, and its primary one the one that
// seals, if it never was that: a key that was succeeded by another doesn't come
// back, so that processes with different primary keys agree.
func (k *Keyring) use(ctx context.Context, needed []uint32, next *keys) error {
	var current uint32
	if len(needed) > 0 {
		current = needed[0]
	}
	if current != next.primary {
		err := k.store.SwitchSealingKey(ctx, current, next.primary)
		if errors.Is(err, db.ErrConflict) {
			next, err = next.sealingWith(current)
		}
		if err != nil && !errors.Is(err, db.ErrLost) { // lost: a write with an outdated key is refused and tried again
			return fmt.Errorf("%s: key %d can't seal: %w", k.source.name(), next.primary, err)
		}
	}
	k.mu.Lock()
	k.keys = next
	k.mu.Unlock()
	return nil
}

// sealingWith returns the same keys, of which another one seals.
func (k *keys) sealingWith(id uint32) (*keys, error) {
	m := keyset.NewManagerFromHandle(k.handle)
	if err := m.SetPrimary(id); err != nil {
		return k, err
	}
	handle, err := m.Handle()
	if err != nil {
		return k, err
	}
	return newKeys(handle)
}

func (k *keys) has(id uint32) bool { return slices.Contains(k.ids(), id) }

func (k *keys) ids() []uint32 {
	var ids []uint32
	for _, info := range k.handle.KeysetInfo().GetKeyInfo() {
		ids = append(ids, info.GetKeyId())
	}
	return ids
}

// current is the state of the key file as it was last read.
func (k *Keyring) current() *keys {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys
}

// sync reads the key file again, as after another process has rotated it.
func (k *Keyring) sync(ctx context.Context) error {
	k.reload.Lock()
	defer k.reload.Unlock()
	return k.load(ctx)
}

// Ready returns an error when nothing could be sealed now. It is asked before
// something is fetched that can be had only once.
func (k *Keyring) Ready(ctx context.Context) error {
	id, err := k.store.SealingKey(ctx)
	if err == nil && id != k.current().primary {
		return k.sync(ctx)
	}
	return err
}

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

// ErrFixedKeys says that the keys come from the environment, so that they can't
// be rotated from here.
var ErrFixedKeys = errors.New("the keys come from the environment: rotate them where they are kept")

// keySource is where the keys are kept.
type keySource interface {
	name() string
	read() (*keyset.Handle, error) // fs.ErrNotExist when there are none
	create() (*keyset.Handle, error)
	write(*keyset.Handle) error
}

// maxKeyset bounds a key file, in bytes.
const maxKeyset = 1 << 20

// keyFile keeps the keys in a file at this path.
type keyFile string

func (f keyFile) name() string { return "the key file " + string(f) }

func (f keyFile) read() (*keyset.Handle, error) {
	b, info, err := files.Read(string(f), maxKeyset)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others can read it (mode %04o): run chmod 600 on it", info.Mode().Perm())
	}
	return parseKeyset(b)
}

func parseKeyset(b []byte) (*keyset.Handle, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(b)))
	if err != nil {
		return nil, errors.New("it holds no valid keyset") // the cause could quote key material
	}
	return handle, nil
}

// create makes the file. When another process was first, its file is the one.
func (f keyFile) create() (*keyset.Handle, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	if err := f.put(handle, os.Link); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return f.read()
}

// write replaces the file, whole; a link to it stays one.
func (f keyFile) write(handle *keyset.Handle) error {
	path, err := filepath.EvalSymlinks(string(f))
	if err != nil {
		return err
	}
	return keyFile(path).put(handle, os.Rename)
}

// put writes the keys, and has move give the file its name.
func (f keyFile) put(handle *keyset.Handle, move func(from, to string) error) error {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&b)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(string(f)), 0o700); err != nil {
		return err
	}
	return files.WritePrivate(string(f), b.Bytes(), move)
}

// keyText is the keys themselves.
type keyText string

func (keyText) name() string { return "GATEPOST_KEYSET" }

func (t keyText) read() (*keyset.Handle, error) { return parseKeyset([]byte(t)) }

func (keyText) create() (*keyset.Handle, error) { return nil, ErrFixedKeys }

func (keyText) write(*keyset.Handle) error { return ErrFixedKeys }
