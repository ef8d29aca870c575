package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// SealingKey is a key that has sealed rows.
type SealingKey struct {
	ID        uint32
	Current   bool
	CreatedAt time.Time // when it began to seal; zero when that is not known
	RetiredAt time.Time // zero while rows may need it
	Rows      int       // that it has sealed, of all tables
}

// SealedRow is a row with sealed values.
type SealedRow struct {
	Table  SealedTable
	ID     string // its primary key, within its tenant
	KeyID  uint32
	Sealed []Sealed // of each kind that the table holds
}

// Sealed is one sealed value of a row, with all that it is bound to.
type Sealed struct {
	Kind     string
	TenantID string // empty for what is of no tenant
	Service  string // empty for what is of no service
	RowID    string // the row that it was sealed for
	Value    string
}

// SealedTable is a table with sealed values: each kind in the column
// sealed_<kind>, and in key_id the key that sealed them. The file of this package
// that writes the table declares it by holdsSealed. The room that seals the values
// says of which kinds they are, by Holding, and registers it with the keyring.
type SealedTable struct {
	Name  string
	Kinds []string

	id      string // the column that, of a tenant, names a row
	tenant  string // these three are the columns with what binds the values; empty: nothing does
	service string
	boundTo string
}

// Holding returns the table with the kinds of values that it holds.
func (t SealedTable) Holding(kinds ...string) SealedTable {
	t.Kinds = kinds
	return t
}

// sealedTables are all that were declared. Which keys are needed is asked of all of
// them, whoever has registered with the keyring of this process: the program beside
// it may need a key for what this one knows nothing of.
var sealedTables []SealedTable

func holdsSealed(t SealedTable) SealedTable {
	sealedTables = append(sealedTables, t)
	return t
}

// SealingKey returns the id of the key that seals, 0 while none was ever used.
func (d *Keys) SealingKey(ctx context.Context) (uint32, error) {
	id, err := sealingKey(ctx, d.read)
	return id, wrap("sealing key", err)
}

func sealingKey(ctx context.Context, q queryer) (id uint32, err error) {
	err = q.QueryRowContext(ctx, `SELECT id FROM sealing_keys WHERE current = 1`).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

// mustSeal returns ErrStaleKey unless id is the key that seals.
func mustSeal(ctx context.Context, tx *sql.Tx, id uint32) error {
	current, err := sealingKey(ctx, tx)
	if err == nil && current != id {
		return ErrStaleKey
	}
	return err
}

// NeededKeys returns the ids of the keys that must be at hand: the one that
// seals first, then those that rows were sealed with. Once a key that doesn't
// seal is not needed any more, it never is again.
func (d *Keys) NeededKeys(ctx context.Context) ([]uint32, error) {
	ids, err := collect(ctx, d.read, keyID, `SELECT id FROM sealing_keys
		WHERE retired_at = 0 AND (current = 1 OR NOT (`+unused()+`)) ORDER BY current DESC, id`)
	return ids, wrap("needed keys", err)
}

func keyID(s scanner) (id uint32, err error) { return id, s.Scan(&id) }

// unused is true of a key that has sealed no row of today.
func unused() string {
	var none []string
	for _, t := range sealedTables {
		none = append(none, fmt.Sprintf(`NOT EXISTS (SELECT 1 FROM %s WHERE key_id = sealing_keys.id)`, t.Name))
	}
	return strings.Join(none, " AND ")
}

// SwitchSealingKey makes to the key that seals, provided that from is it now (0:
// none). ErrLost: another one is. A key that sealed before doesn't come back:
// that is ErrConflict.
func (d *Keys) SwitchSealingKey(ctx context.Context, from, to uint32) error {
	return wrap("switch sealing key", d.tx(ctx, func(tx *sql.Tx) error {
		current, err := sealingKey(ctx, tx)
		if err != nil {
			return err
		}
		if current != from {
			return ErrLost
		}
		if _, err := tx.ExecContext(ctx, `UPDATE sealing_keys SET current = 0 WHERE current = 1`); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx,
			`INSERT INTO sealing_keys (id, current, created_at) VALUES ($1, 1, $2)
			ON CONFLICT (id) DO NOTHING`, to, millis(d.now()))
		return changed(res, err, ErrConflict)
	}))
}

// SealingKeys returns all keys that ever sealed, the newest last, with the
// number of rows that each has sealed.
func (d *Keys) SealingKeys(ctx context.Context) ([]SealingKey, error) {
	var rows []string
	for _, t := range sealedTables {
		rows = append(rows, fmt.Sprintf(`(SELECT COUNT(*) FROM %s WHERE key_id = k.id)`, t.Name))
	}
	keys, err := collect(ctx, d.read, func(s scanner) (SealingKey, error) {
		var k SealingKey
		var created, retired int64
		err := s.Scan(&k.ID, &k.Current, &created, &retired, &k.Rows)
		k.CreatedAt, k.RetiredAt = fromMillis(created), fromMillis(retired)
		return k, err
	}, `SELECT k.id, k.current, k.created_at, k.retired_at, `+strings.Join(rows, " + ")+`
		FROM sealing_keys k ORDER BY k.created_at, k.current, k.id`)
	return keys, wrap("sealing keys", err)
}

// Outdated returns up to limit rows of the tables that are sealed with another key
// than the one that seals now.
func (d *Keys) Outdated(ctx context.Context, tables []SealedTable, limit int) ([]SealedRow, error) {
	var all []SealedRow
	for _, t := range tables {
		if len(all) >= limit {
			break
		}
		rows, err := collect(ctx, d.read, t.scan, t.selectOutdated(), limit-len(all))
		if err != nil {
			return nil, wrap("outdated rows", err)
		}
		all = append(all, rows...)
	}
	return all, nil
}

// selectOutdated asks key by key, so that the index on key_id finds them.
func (t SealedTable) selectOutdated() string {
	columns := []string{t.id, "key_id", orEmpty(t.tenant), orEmpty(t.service), orEmpty(t.boundTo)}
	for _, kind := range t.Kinds {
		columns = append(columns, "sealed_"+kind)
	}
	return `SELECT ` + strings.Join(columns, ", ") + ` FROM ` + t.Name + `
		WHERE key_id IN (SELECT id FROM sealing_keys WHERE current = 0 AND retired_at = 0) LIMIT $1`
}

// orEmpty is a column, or the empty text where there is none.
func orEmpty(column string) string {
	if column == "" {
		return "''"
	}
	return column
}

func (t SealedTable) scan(s scanner) (SealedRow, error) {
	row := SealedRow{Table: t, Sealed: make([]Sealed, len(t.Kinds))}
	var bound Sealed
	dest := []any{&row.ID, &row.KeyID, &bound.TenantID, &bound.Service, &bound.RowID}
	for i := range row.Sealed {
		dest = append(dest, &row.Sealed[i].Value)
	}
	err := s.Scan(dest...)
	for i, kind := range t.Kinds {
		bound.Kind, bound.Value = kind, row.Sealed[i].Value
		row.Sealed[i] = bound
	}
	return row, err
}

// Reseal stores rows that were sealed anew with the key that seals now, as
// after[i] for before[i], in one transaction. A row that was changed or deleted
// meanwhile is left as it is. ErrStaleKey: the key doesn't seal any more.
func (d *Keys) Reseal(ctx context.Context, keyID uint32, before, after []SealedRow) error {
	return wrap("reseal", d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustSeal(ctx, tx, keyID); err != nil {
			return err
		}
		for i := range before {
			if err := reseal(ctx, tx, keyID, before[i], after[i]); err != nil {
				return err
			}
		}
		return nil
	}))
}

func reseal(ctx context.Context, tx *sql.Tx, keyID uint32, before, after SealedRow) error {
	t := before.Table
	args := []any{keyID, before.ID, before.Sealed[0].TenantID}
	set, where := "", ""
	for i, kind := range t.Kinds {
		args = append(args, after.Sealed[i].Value, before.Sealed[i].Value)
		set += fmt.Sprintf(", sealed_%s = $%d", kind, len(args)-1)
		where += fmt.Sprintf(" AND sealed_%s = $%d", kind, len(args))
	}
	_, err := tx.ExecContext(ctx, `UPDATE `+t.Name+` SET key_id = $1`+set+` WHERE `+t.id+` = $2 AND `+orEmpty(t.tenant)+` = $3`+where, args...)
	return err
}

// RetireKeys marks the keys that no row needs any more as retired, and returns
// the ids of all that ever were. Since each write names the key that seals now,
// none of them comes back.
func (d *Keys) RetireKeys(ctx context.Context) (retired []uint32, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE sealing_keys SET retired_at = $1
			WHERE current = 0 AND retired_at = 0 AND `+unused(), millis(d.now())); err != nil {
			return err
		}
		retired, err = collect(ctx, tx, keyID, `SELECT id FROM sealing_keys WHERE retired_at > 0`)
		return err
	})
	return retired, wrap("retire keys", err)
}

// WithKeyLock runs fn while no other process can run one: it holds a row, or the
// database's right to write. fn must not use the database.
func (d *Keys) WithKeyLock(ctx context.Context, fn func() error) error {
	return wrap("lock the keys", unavailable(d.once(ctx, sql.LevelReadCommitted, func(tx *sql.Tx) error { // who waits isn't run again
		if _, err := tx.ExecContext(ctx, `INSERT INTO leases (name, owner, until) VALUES ('keys', '', 0) ON CONFLICT (name) DO UPDATE SET until = 0`); err != nil {
			return err
		}
		return fn()
	})))
}
