package db

import (
	"context"
	"database/sql"
)

// SealedMACKeys is the table of the keys that MACs are made with.
var SealedMACKeys = holdsSealed(SealedTable{Name: "mac_keys", id: "purpose", boundTo: "purpose"})

// MACKey is the sealed key that the MACs of one purpose are made with.
type MACKey struct {
	Purpose string
	Sealed  string
	KeyID   uint32 // of the key that sealed it
}

// MACKeys returns the keys of all purposes that have one.
func (d *Keys) MACKeys(ctx context.Context) ([]MACKey, error) {
	keys, err := collect(ctx, d.read, func(s scanner) (k MACKey, err error) {
		return k, s.Scan(&k.Purpose, &k.Sealed, &k.KeyID)
	}, `SELECT purpose, sealed_mac_key, key_id FROM mac_keys ORDER BY purpose`)
	return keys, wrap("MAC keys", err)
}

// AddMACKeys stores a key for each purpose that has none yet, all sealed with one key. A
// purpose that has one keeps it: of two processes that start at once, both go on with what
// the first stored. ErrStaleKey: the key doesn't seal any more.
func (d *Keys) AddMACKeys(ctx context.Context, sealedWith uint32, keys []MACKey) error {
	return wrap("add MAC keys", d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustSeal(ctx, tx, sealedWith); err != nil {
			return err
		}
		for _, k := range keys {
			_, err := tx.ExecContext(ctx, `INSERT INTO mac_keys (purpose, sealed_mac_key, key_id, made_at) VALUES ($1, $2, $3, $4)
				ON CONFLICT (purpose) DO NOTHING`, k.Purpose, k.Sealed, sealedWith, millis(d.now()))
			if err != nil {
				return err
			}
		}
		return nil
	}))
}
