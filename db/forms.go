package db

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"

	"gatepost/forms"
)

// SaveForm gives the tenant's newsletter the next version of its form, which says by its Version
// which one it follows, and raises the newsletter's revision. What it was before there were
// versions is stored along as version 0. The caller has checked it (forms.Next). actor is the id
// of the user who does it. It returns ErrNotFound when there is no such newsletter, and ErrConflict
// when somebody has saved that version meanwhile.
func (d *Readers) SaveForm(ctx context.Context, tenantID, newsletterID string, f forms.Definition, actor string) error {
	return wrap("save a form", d.tx(ctx, func(tx *sql.Tx) error {
		return d.saveForm(ctx, tx, tenantID, newsletterID, f, actor)
	}))
}

func (d *Readers) saveForm(ctx context.Context, tx *sql.Tx, tenantID, newsletterID string, f forms.Definition, actor string) error {
	n, err := scanNewsletter(tx.QueryRowContext(ctx, selectNewsletter+`WHERE n.tenant_id = $1 AND n.id = $2`, tenantID, newsletterID))
	switch {
	case err != nil:
		return err
	case f.Version != n.Form.Version+1:
		return ErrConflict
	}
	res, err := tx.ExecContext(ctx, `UPDATE newsletters SET form_version = $1, consent = $2, revision = revision + 1
		WHERE tenant_id = $3 AND id = $4 AND form_version = $5`, f.Version, f.Consent.Words, tenantID, newsletterID, n.Form.Version)
	if err := changed(res, err, ErrConflict); err != nil {
		return err
	}
	versions := []forms.Definition{f}
	if n.Form.Version == 0 {
		versions = append(versions, n.Form)
	}
	for _, v := range versions {
		by := actor
		if v.Version == 0 {
			by = ""
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO form_versions (tenant_id, newsletter_id, version, definition, created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6)`,
			tenantID, newsletterID, v.Version, mustJSON(v), millis(d.now()), by); err != nil {
			return err
		}
	}
	return d.notify(ctx, tx, Notice{Kind: NoticeNewsletters})
}

// FormVersion returns a version of the form of the tenant's newsletter, or ErrNotFound. Version 0
// is the form from before there were versions; it is there when there is a later one.
func (d *Readers) FormVersion(ctx context.Context, tenantID, newsletterID string, version int) (forms.Definition, error) {
	f := forms.Definition{Version: version}
	var definition string
	err := d.read.QueryRowContext(ctx, `SELECT definition FROM form_versions WHERE tenant_id = $1 AND newsletter_id = $2 AND version = $3`, tenantID, newsletterID, version).Scan(&definition)
	if err == nil {
		err = json.Unmarshal([]byte(definition), &f)
	}
	return f, wrap("form version", err)
}

// Logo returns the picture of a newsletter with the given id as PNG, or ErrNotFound.
func (d *Readers) Logo(ctx context.Context, tenantID, newsletterID, id string) ([]byte, error) {
	var text string
	err := d.read.QueryRowContext(ctx, `SELECT png FROM logos WHERE tenant_id = $1 AND newsletter_id = $2 AND id = $3`, tenantID, newsletterID, id).Scan(&text)
	if err != nil {
		return nil, wrap("logo", err)
	}
	png, err := base64.StdEncoding.DecodeString(text)
	return png, wrap("logo", err)
}

// storedFields are the values of fields as they are stored.
func storedFields(v forms.Values) string {
	if len(v) == 0 {
		return ""
	}
	return mustJSON(v)
}

// scanFields reads what storedFields stored.
func scanFields(stored string) (v forms.Values, err error) {
	if stored == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(stored), &v); err != nil {
		return nil, errors.New("the fields of a subscriber can't be read") // the values are personal
	}
	return v, nil
}
