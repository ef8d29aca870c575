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

// ErrSealed says that a sealed value can't be opened: it was changed, belongs to
// another row, or its key is gone.
var ErrSealed = errors.New("a sealed value can't be opened")

// ErrFixedKeys says that the keys come from the environment, so that they can't
// be rotated from here.
var ErrFixedKeys = errors.New("the keys come from the environment: rotate them where they are kept")

// KeyStore remembers which key seals; db.DB is one, and documents the methods.
type KeyStore interface {
	SealingKey(ctx context.Context) (uint32, error)
	NeededKeys(ctx context.Context) ([]uint32, error)
	SwitchSealingKey(ctx context.Context, from, to uint32) error
	SealingKeys(ctx context.Context) ([]db.SealingKey, error)
	Outdated(ctx context.Context, limit int) ([]db.SealedRow, error)
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
	store  KeyStore

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

// keySource is where the keys are kept.
type keySource interface {
	name() string
	read() (*keyset.Handle, error) // fs.ErrNotExist when there are none
	create() (*keyset.Handle, error)
	write(*keyset.Handle) error
}

// OpenKeyring reads the key file at path. A missing one is made, with mode 0600,
// but only while nothing in the store is sealed. A file that others can read is
// refused.
func OpenKeyring(ctx context.Context, path string, store KeyStore) (*Keyring, error) {
	return openKeyring(ctx, keyFile(path), store)
}

// OpenKeyringText takes the keys themselves, as a key file has them, for those
// who keep secrets in the environment. They can't be rotated from here.
func OpenKeyringText(ctx context.Context, text string, store KeyStore) (*Keyring, error) {
	return openKeyring(ctx, keyText(text), store)
}

func openKeyring(ctx context.Context, source keySource, store KeyStore) (*Keyring, error) {
	k := &Keyring{source: source, store: store}
	err := k.load(ctx)
	if err != nil {
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

// ready returns an error when nothing could be sealed now. It is asked before
// something is fetched that can be had only once.
func (k *Keyring) ready(ctx context.Context) error {
	id, err := k.store.SealingKey(ctx)
	if err == nil && id != k.current().primary {
		return k.sync(ctx)
	}
	return err
}

// sealTries bounds how often a write is tried while others rotate the keys.
const sealTries = 20

// sealed calls fn with the keys that seal, and again with those of the file as
// it is now when the store finds them outdated.
func (k *Keyring) sealed(ctx context.Context, fn func(*keys) error) error {
	err := fn(k.current())
	for tries := 0; errors.Is(err, db.ErrStaleKey) && tries < sealTries; tries++ {
		if err := k.sync(ctx); err != nil {
			return err
		}
		err = fn(k.current())
	}
	return err
}

// seal encrypts a secret for one place: what it is, of which tenant, service and row.
func (k *keys) seal(secret []byte, place ...string) (string, error) {
	b, err := k.aead.Encrypt(secret, associated(place))
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	return base64.RawStdEncoding.EncodeToString(b), nil
}

// open decrypts what was sealed for the same place, or returns ErrSealed. A
// value that was sealed with a key that came after the last reading is opened
// after another one.
func (k *Keyring) open(ctx context.Context, sealed string, place ...string) ([]byte, error) {
	b, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, ErrSealed
	}
	keys := k.current()
	if id, ok := keyOf(b); ok && !keys.has(id) {
		if err := k.sync(ctx); err != nil {
			return nil, err
		}
		keys = k.current()
	}
	secret, err := keys.aead.Decrypt(b, associated(place))
	if err != nil {
		return nil, ErrSealed
	}
	return secret, nil
}

// keyOf is the id of the key that made a ciphertext: Tink's output prefix is a
// byte 1 and the id, big-endian.
func keyOf(ciphertext []byte) (uint32, bool) {
	if len(ciphertext) < 5 || ciphertext[0] != 1 {
		return 0, false
	}
	return uint32(ciphertext[1])<<24 | uint32(ciphertext[2])<<16 | uint32(ciphertext[3])<<8 | uint32(ciphertext[4]), true
}

// associated joins a place so that no two places look alike.
func associated(place []string) []byte {
	var b strings.Builder
	for _, p := range place {
		fmt.Fprintf(&b, "%d:%s;", len(p), p)
	}
	return []byte(b.String())
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
	return putFile(string(f), b.Bytes(), move)
}

// putFile writes a private temporary file and has move give it its name, so that
// nobody ever reads half of it.
func putFile(path string, content []byte, move func(from, to string) error) error {
	folder := filepath.Dir(path)
	temp, err := os.CreateTemp(folder, ".gatepost-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(content)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := move(temp.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// syncFolder makes a new name in a folder durable.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// keyText is the keys themselves.
type keyText string

func (keyText) name() string { return "GATEPOST_KEYSET" }

func (t keyText) read() (*keyset.Handle, error) { return parseKeyset([]byte(t)) }

func (keyText) create() (*keyset.Handle, error) { return nil, ErrFixedKeys }

func (keyText) write(*keyset.Handle) error { return ErrFixedKeys }

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
