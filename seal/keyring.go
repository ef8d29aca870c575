package seal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"gatepost/db"

	"github.com/tink-crypto/tink-go/v2/aead"
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
