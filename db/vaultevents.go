package db

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// How long events are kept, and how many of one kind for an identity or a handshake.
const (
	vaultEventLife  = 30 * 24 * time.Hour
	keptVaultEvents = 100
)

// noteDropped tells that what was granted for an authorization isn't completed.
func (d *base) noteDropped(ctx context.Context, tx *sql.Tx, g Grant, code string) error {
	return d.noteEvent(ctx, tx, VaultEvent{Kind: EventDropped, Service: g.Service, TenantID: g.TenantID, Handshake: g.ID, Code: code})
}

// eventIDSince is the least id of an event at a time or later.
func eventIDSince(at time.Time) string { return timedID(uuid.UUID{}, at, 0).String() }

// newEventID is an id that sorts by the time of its event, by the clock of the database.
func newEventID(at time.Time) string {
	part := at.Nanosecond() % int(time.Millisecond) << 12 / int(time.Millisecond)
	return timedID(uuid.New(), at, part).String()
}

// timedID is an id with its time set: milliseconds in its first six bytes, and the part of
// one in 4096ths in the twelve bits after the version (RFC 9562, sections 5.7 and 6.2).
func timedID(id uuid.UUID, at time.Time, part int) uuid.UUID {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(max(0, at.UnixMilli()))<<16|7<<12|uint64(part)) // #nosec G115 -- none is negative
	copy(id[:8], b[:])
	return id
}

const insertVaultEvent = `INSERT INTO vault_events (id, at, kind, service, tenant_id, subject, handshake, code, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// noteEvent writes an event within what changes the row that it is about.
func (d *base) noteEvent(ctx context.Context, tx *sql.Tx, e VaultEvent) error {
	_, err := tx.ExecContext(ctx, insertVaultEvent, d.eventArgs(e)...)
	return err
}

func (d *base) eventArgs(e VaultEvent) []any {
	now := d.now()
	return []any{newEventID(now), millis(now), e.Kind, e.Service, e.TenantID, cmp.Or(e.Identity, e.Handshake), e.Handshake, e.Code, e.Detail}
}

// eventOf is an event of a grant's identity.
func eventOf(kind EventKind, g Grant) VaultEvent {
	return VaultEvent{Kind: kind, Service: g.Service, TenantID: g.TenantID, Identity: g.ID, Handshake: g.Handshake}
}

// AddVaultEvent writes an event that stands for itself.
func (d *Vault) AddVaultEvent(ctx context.Context, e VaultEvent) error {
	_, err := d.exec(ctx, insertVaultEvent, d.eventArgs(e)...)
	return wrap("add vault event", err)
}

// AddCall writes that the API of an identity's service was called, and counts that among
// our calls where the tenant's sign-ups are delivered to that service.
func (d *Vault) AddCall(ctx context.Context, e VaultEvent) error {
	return wrap("add a call", d.txCommitted(ctx, func(tx *sql.Tx) error {
		if err := d.noteEvent(ctx, tx, e); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO api_calls (tenant_id, destination_id, hour, n)
			SELECT t.tenant_id, t.id, CAST($3 AS BIGINT), 1 FROM destinations t WHERE t.tenant_id = $1 AND t.service = $2 AND t.removed_at = 0
			ON CONFLICT (destination_id, hour) DO UPDATE SET n = api_calls.n + excluded.n`, e.TenantID, e.Service, hourOf(millis(d.now())))
		return err
	}))
}

// VaultEventFilter says which events are meant; what is empty says nothing.
type VaultEventFilter struct {
	Service  string
	TenantID string
	Identity string
	Since    time.Time
	After    string // id of the last one that was read
}

// VaultEvents returns up to limit events, the oldest first.
func (d *Vault) VaultEvents(ctx context.Context, f VaultEventFilter, limit int) ([]VaultEvent, error) {
	all, err := collect(ctx, d.read, scanVaultEvent, `SELECT id, at, kind, service, tenant_id, subject, handshake, code, detail FROM vault_events
		WHERE id >= $1 AND id > $2 AND ($3 = '' OR service = $3) AND ($4 = '' OR tenant_id = $4) AND ($5 = '' OR subject = $5) ORDER BY id LIMIT $6`,
		eventIDSince(f.Since), f.After, f.Service, f.TenantID, f.Identity, limit)
	return all, wrap("vault events", err)
}

func scanVaultEvent(row scanner) (e VaultEvent, err error) {
	var at int64
	err = row.Scan(&e.ID, &at, &e.Kind, &e.Service, &e.TenantID, &e.Identity, &e.Handshake, &e.Code, &e.Detail)
	if e.At = fromMillis(at); e.Identity == e.Handshake {
		e.Identity = ""
	}
	return e, err
}

// sweepEvents is for how long those are looked at whose events may have become too many;
// the job comes more often.
const sweepEvents = 10 * time.Minute

// ExpireVaultEvents deletes events that are old, and those of an identity or a handshake
// that are more than are kept. Of the latter it looks at those to which something happened
// lately: nobody else has more than before.
func (d *Vault) ExpireVaultEvents(ctx context.Context) error {
	now := d.now()
	if _, err := d.exec(ctx, `DELETE FROM vault_events WHERE id < $1`, eventIDSince(now.Add(-vaultEventLife))); err != nil {
		return wrap("expire vault events", err)
	}
	type surplus struct{ subject, kind, last string }
	all, err := collect(ctx, d.read, func(row scanner) (s surplus, err error) { return s, row.Scan(&s.subject, &s.kind, &s.last) },
		`SELECT subject, kind, last FROM (
			SELECT r.subject, r.kind, COALESCE((SELECT o.id FROM vault_events o WHERE o.subject = r.subject AND o.kind = r.kind ORDER BY o.id DESC LIMIT 1 OFFSET $2), '') AS last
			FROM (SELECT DISTINCT subject, kind FROM vault_events WHERE id >= $1) r) s WHERE last <> ''`,
		eventIDSince(now.Add(-sweepEvents)), keptVaultEvents)
	if err != nil {
		return wrap("events that are too many", err)
	}
	for _, s := range all {
		if _, err := d.exec(ctx, `DELETE FROM vault_events WHERE subject = $1 AND kind = $2 AND id <= $3`, s.subject, s.kind, s.last); err != nil {
			return wrap("delete events that are too many", err)
		}
	}
	return nil
}
