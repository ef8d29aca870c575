package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
)

// whereSelected returns the conditions of a selector; the first of its arguments is $1.
func whereSelected(s Selector) (string, []any) {
	var conditions []string
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	for _, c := range []struct{ column, value string }{
		{"id", s.ID}, {"service", s.Service}, {"tenant_id", s.TenantID}, {"user_name", s.User}, {"account", s.Account},
	} {
		if c.value != "" {
			conditions = append(conditions, c.column+" = "+arg(c.value))
		}
	}
	if s.User != "" {
		conditions = append(conditions, "user_name <> ''") // so that its index serves
	}
	// Literals, so that the index of tenants' own serves.
	if s.NoUser {
		conditions = append(conditions, "user_name = ''")
	}
	if s.NoAccount {
		conditions = append(conditions, "account = ''")
	}
	for _, tag := range s.Tags {
		conditions = append(conditions, "id IN (SELECT identity_id FROM identity_tags WHERE tag = "+arg(tag)+")")
	}
	for _, c := range []struct {
		column string
		values []string
	}{{"service", s.Services}, {"tenant_id", s.Tenants}} {
		if len(c.values) > 0 {
			var places []string
			for _, v := range c.values {
				places = append(places, arg(v))
			}
			conditions = append(conditions, c.column+" IN ("+strings.Join(places, ", ")+")")
		}
	}
	if len(conditions) == 0 {
		return "1 = 1", nil
	}
	return strings.Join(conditions, " AND "), args
}

// Identities returns up to limit of the selected identities by their ids, from
// the one after the given id on ("" for the first). So a listing goes through all
// of them by pages, each once, whatever comes and goes meanwhile; what comes
// stands at its end.
func (d *Vault) Identities(ctx context.Context, sel Selector, after string, limit int) ([]NamedIdentity, error) {
	where, args := whereSelected(sel)
	n := len(args)
	all, err := collect(ctx, d.read, func(s scanner) (n NamedIdentity, err error) {
		n.Identity, err = scanIdentity(s, &n.Tenant)
		return n, err
	}, `SELECT `+identityColumns+`, (SELECT slug FROM tenants WHERE tenants.id = tenant_id) FROM identities
		WHERE `+where+fmt.Sprintf(` AND id > $%d ORDER BY id LIMIT $%d`, n+1, n+2), append(args, after, limit)...)
	return all, wrap("identities", err)
}

// DeleteSomeIdentities removes up to limit of the selected identities at once, or none, by their
// ids, from the one after the given id on and up to another id: what many are deleted
// by, a part at a time. Without a limit (0) it removes all of the selected, whatever the
// two ids. Their refresh tokens, and what is held beside tenants' own, become revocations.
func (d *Vault) DeleteSomeIdentities(ctx context.Context, sel Selector, after, through string, limit int) ([]Deleted, error) {
	return d.deleteIdentities(ctx, deletion{sel, after, through, limit}, true)
}

// ForgetIdentities is DeleteSomeIdentities, for all of the selected, for those who go on with the grants
// elsewhere: only what is held beside tenants' own becomes a revocation.
func (d *Vault) ForgetIdentities(ctx context.Context, sel Selector) ([]Deleted, error) {
	return d.deleteIdentities(ctx, deletion{Selector: sel}, false)
}

// deletion is what is deleted of the selected: all, or up to limit of those after an
// id and up to another one.
type deletion struct {
	Selector
	after, through string
	limit          int // 0: all
}

// where are the conditions of what is selected, with its order.
func (s deletion) where() (string, []any) {
	where, args := whereSelected(s.Selector)
	if s.limit == 0 {
		return where + " ORDER BY id", args
	}
	n := len(args)
	return where + fmt.Sprintf(" AND id > $%d AND id <= $%d ORDER BY id LIMIT $%d", n+1, n+2, n+3), append(args, s.after, s.through, s.limit)
}

func (d *Vault) deleteIdentities(ctx context.Context, s deletion, revoke bool) (deleted []Deleted, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		deleted, err = d.deleteSelected(ctx, tx, s, revoke)
		return err
	})
	if err != nil {
		return nil, wrap("delete identities", err)
	}
	return deleted, nil
}

func (d *base) deleteSelected(ctx context.Context, tx *sql.Tx, s deletion, revoke bool) (deleted []Deleted, err error) {
	where, args := s.where()
	all, err := collect(ctx, tx, func(row scanner) (g Grant, err error) {
		var slug string
		err = row.Scan(append(grantFields(&g), &slug)...)
		deleted = append(deleted, Deleted{ID: g.ID, Service: g.Service, TenantID: g.TenantID, User: g.User, Account: g.Account, Tenant: slug})
		return g, err
	}, `SELECT `+grantColumns+`, (SELECT slug FROM tenants WHERE tenants.id = tenant_id) FROM identities WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	if revoke {
		revocations, err := d.revokeAllLater(ctx, tx, all)
		if err != nil {
			return nil, err
		}
		for i := range deleted {
			deleted[i].Revocation = revocations[i]
		}
	}
	kind := EventForgotten
	if revoke {
		kind = EventDeleted
	}
	for _, g := range all {
		if err := d.noteEvent(ctx, tx, eventOf(kind, g)); err != nil {
			return nil, err
		}
	}
	return deleted, d.forgetAll(ctx, tx, all)
}

// forgetAll removes the rows of identities, what is held beside tenants' own, and what was
// granted to replace them: whoever disconnects wants nothing to come back.
func (d *base) forgetAll(ctx context.Context, tx *sql.Tx, all []Grant) error {
	for _, g := range all {
		if g.Own() {
			if _, err := d.endHeld(ctx, tx, g.Service, g.TenantID); err != nil {
				return err
			}
			if err := d.noteDisconnected(ctx, tx, g.Service, g.TenantID, ""); err != nil {
				return err
			}
		}
		if err := d.forgetGranted(ctx, tx, g); err != nil {
			return err
		}
		if err := forget(ctx, tx, g.ID); err != nil {
			return err
		}
	}
	return nil
}

// forgetGranted ends the authorizations to which something was granted that would replace
// an identity.
func (d *base) forgetGranted(ctx context.Context, tx *sql.Tx, g Grant) error {
	_, err := d.endAuthorizations(ctx, tx, EndedWithdrawn, `tenant_id = $1 AND service = $2 AND user_name = $3 AND account = $4`, g.TenantID, g.Service, g.User, g.Account)
	return err
}

// forget removes an identity's row, its tags with it.
func forget(ctx context.Context, tx *sql.Tx, id string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM identities WHERE id = $1`, id)
	return err
}

// indexTags makes g's identity to be found by its tags, and no others.
func indexTags(ctx context.Context, tx *sql.Tx, g Grant) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM identity_tags WHERE identity_id = $1`, g.ID); err != nil {
		return err
	}
	for _, tag := range g.Tags {
		if _, err := tx.ExecContext(ctx, `INSERT INTO identity_tags (tag, identity_id) VALUES ($1, $2)`, tag, g.ID); err != nil {
			return err
		}
	}
	return nil
}

// tagList is a list of tags as it is stored: a JSON array.
type tagList []string

// Value returns the array.
func (t tagList) Value() (driver.Value, error) {
	if t == nil {
		return "[]", nil
	}
	b, err := json.Marshal([]string(t))
	return string(b), err
}

// Scan reads the array.
func (t *tagList) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("tags: %T", src)
	}
	if text == "[]" { // most have none
		*t = nil
		return nil
	}
	return json.Unmarshal([]byte(text), (*[]string)(t))
}
