package seal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gatepost/db"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// resealBatch is how many rows are sealed anew in one transaction: few enough
// that nobody waits for it.
const resealBatch = 100

// Rotate adds a key to the key file and makes it the one that seals. The file
// is written before the first use of the key. The rows follow by Reseal; until
// then the old key stays. It returns the new key's id.
func (k *Keyring) Rotate(ctx context.Context) (id uint32, err error) {
	err = k.edit(ctx, func(m *keyset.Manager) (bool, error) {
		if id, err = m.Add(aead.AES256GCMKeyTemplate()); err != nil {
			return false, err
		}
		return true, m.SetPrimary(id)
	})
	if err != nil {
		return 0, err
	}
	return id, k.sync(ctx)
}

// edit changes the key file as it is now, if change says so, while no other
// process can.
func (k *Keyring) edit(ctx context.Context, change func(*keyset.Manager) (bool, error)) error {
	return k.store.WithKeyLock(ctx, func() error {
		handle, err := k.source.read()
		if err != nil {
			return fmt.Errorf("%s: %w", k.source.name(), err)
		}
		manager := keyset.NewManagerFromHandle(handle)
		changed, err := change(manager)
		if err != nil || !changed {
			return err
		}
		if handle, err = manager.Handle(); err != nil {
			return err
		}
		if err := k.source.write(handle); err != nil {
			return fmt.Errorf("%s: %w", k.source.name(), err)
		}
		return nil
	})
}

// Reseal seals rows of the owners anew that are not sealed with the key that seals now, and
// retires the keys that no row needs then. It may run in several processes, be
// killed, and be begun again. progress is told, after each batch, how many rows
// are done; it may be nil. It returns how many rows can't be opened: they stay,
// and so does their key.
func (k *Keyring) Reseal(ctx context.Context, progress func(done int)) (unopened int, err error) {
	done := 0
	for {
		before, err := k.store.Outdated(ctx, k.owned.tables, resealBatch+unopened)
		if err != nil {
			return unopened, err
		}
		resealed, earlier := 0, unopened
		resealed, unopened, err = k.resealBatch(ctx, before)
		if err != nil {
			return unopened, err
		}
		// Rows that can't be opened are looked at twice: there may be others behind
		// them, and what another process has sealed anew meanwhile is none of them.
		if resealed == 0 && unopened == earlier {
			return unopened, k.retire(ctx)
		}
		done += resealed
		if progress != nil && resealed > 0 {
			progress(done)
		}
	}
}

// resealBatch returns how many rows were sealed anew, and how many couldn't be
// opened.
func (k *Keyring) resealBatch(ctx context.Context, rows []db.SealedRow) (resealed, unopened int, err error) {
	if len(rows) == 0 {
		return 0, 0, nil
	}
	err = k.WithKey(ctx, func(key Key) error {
		var before, after []db.SealedRow
		for _, row := range rows {
			anew, err := k.resealRow(ctx, key, row)
			if errors.Is(err, ErrSealed) {
				continue
			}
			if err != nil {
				return err
			}
			before, after = append(before, row), append(after, anew)
		}
		resealed, unopened = len(before), len(rows)-len(before)
		return k.store.Reseal(ctx, key.ID, before, after)
	})
	return resealed, unopened, err
}

func (k *Keyring) resealRow(ctx context.Context, key Key, row db.SealedRow) (db.SealedRow, error) {
	row.Sealed = slices.Clone(row.Sealed)
	for i, v := range row.Sealed {
		b := Binding{Kind: v.Kind, TenantID: v.TenantID, Service: v.Service, RowID: v.RowID}
		secret, err := k.Open(ctx, v.Value, b)
		if err != nil {
			return row, err
		}
		if row.Sealed[i].Value, err = key.Seal(secret, b); err != nil {
			return row, err
		}
	}
	return row, nil
}

// retire takes the keys out of the file that no row needs any more. A key that
// never sealed, as when two processes rotated at once, stays: another process
// may be about to use it. So does the primary key, which only somebody else can
// have put back.
func (k *Keyring) retire(ctx context.Context) error {
	retired, err := k.store.RetireKeys(ctx)
	if err != nil {
		return err
	}
	handle, err := k.source.read()
	if err != nil {
		return fmt.Errorf("%s: %w", k.source.name(), err)
	}
	primary := handle.KeysetInfo().GetPrimaryKeyId()
	retired = slices.DeleteFunc(retired, func(id uint32) bool { return id == primary })
	if !slices.ContainsFunc(retired, (&keys{handle: handle}).has) {
		return nil
	}
	err = k.edit(ctx, func(m *keyset.Manager) (bool, error) {
		handle, err := m.Handle()
		if err != nil {
			return false, err
		}
		gone := false
		for _, info := range handle.KeysetInfo().GetKeyInfo() {
			if slices.Contains(retired, info.GetKeyId()) {
				gone = true
				err = errors.Join(err, m.Delete(info.GetKeyId()))
			}
		}
		return gone, err
	})
	if errors.Is(err, ErrFixedKeys) {
		return nil // whoever keeps the keys takes it out
	}
	if err != nil {
		return err
	}
	return k.sync(ctx)
}

// Status returns the keys that ever sealed rows of the database, with what is
// left to do.
func (k *Keyring) Status(ctx context.Context) ([]db.SealingKey, error) {
	return k.store.SealingKeys(ctx)
}
