package db

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"
)

// NewsletterEdit is what an admin sets of a newsletter, as the caller has checked it.
type NewsletterEdit struct {
	Name, Slug string
	Page       PublicPage
	Logo       *Logo // a new one; nil leaves what is there
	NoLogo     bool  // the logo is taken away
}

// Logo is a picture that a newsletter's public pages show.
type Logo struct {
	PNG           []byte
	Width, Height int // pixels
}

// NewNewsletter is a newsletter to be.
type NewNewsletter struct {
	TenantID, Slug, Name string
	Consent              string // the words that a reader agrees to
	Page                 PublicPage
	Readers              ReaderRules
}

// AddNewsletter stores a new newsletter of the open tenant, and returns its id. It feeds the
// destinations that take all newsletters. A slug that was ever given gives ErrConflict, a
// tenant that is closed ErrNotFound.
func (d *Readers) AddNewsletter(ctx context.Context, n NewNewsletter) (id string, err error) {
	page, err := pageText(n.Page)
	if err != nil {
		return "", wrap("add a newsletter", err)
	}
	id = NewID()
	err = d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustBeOpen(ctx, tx, n.TenantID); errors.Is(err, ErrLost) {
			return ErrNotFound
		} else if err != nil {
			return err
		}
		if err := claimOwnSlug(ctx, tx, n.Slug, n.TenantID, id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at, page, readers) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			id, n.TenantID, n.Slug, n.Name, n.Consent, millis(d.now()), page, n.Readers.stored())
		if err != nil {
			return err
		}
		return d.notify(ctx, tx, Notice{Kind: NoticeNewsletters})
	})
	return id, wrap("add a newsletter", err)
}

// claimOwnSlug takes a public name for a newsletter for good: one that nobody ever had, or
// that was its own. Any other gives ErrConflict.
func claimOwnSlug(ctx context.Context, tx *sql.Tx, slug, tenantID, newsletterID string) error {
	res, err := tx.ExecContext(ctx, `INSERT INTO newsletter_slugs (slug, tenant_id, newsletter_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, slug, tenantID, newsletterID)
	if err := changed(res, err, ErrConflict); !errors.Is(err, ErrConflict) {
		return err
	}
	var one int
	err = tx.QueryRowContext(ctx, `SELECT 1 FROM newsletter_slugs WHERE slug = $1 AND tenant_id = $2 AND newsletter_id = $3`, slug, tenantID, newsletterID).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrConflict
	}
	return err
}

// ownSlug notes whose the public name is that a newsletter has. Processes of the releases before don't
// when they make one, while they run beside those of this one.
func ownSlug(ctx context.Context, tx *sql.Tx, tenantID, newsletterID string) error {
	_, err := tx.ExecContext(ctx, `UPDATE newsletter_slugs SET newsletter_id = $2 WHERE tenant_id = $1 AND newsletter_id = ''
		AND slug = (SELECT n.slug FROM newsletters n WHERE n.tenant_id = $1 AND n.id = $2)`, tenantID, newsletterID)
	return err
}

// EditNewsletter stores what an admin has set of the tenant's newsletter, who saw it in the
// given revision. Its public name before goes on leading to it. Another edit in between gives
// ErrLost, a slug that another newsletter ever had ErrConflict, and a newsletter that isn't
// the tenant's ErrNotFound.
func (d *Readers) EditNewsletter(ctx context.Context, tenantID, id string, revision int64, e NewsletterEdit) error {
	page, err := pageText(e.Page)
	if err != nil {
		return wrap("edit a newsletter", err)
	}
	return wrap("edit a newsletter", d.tx(ctx, func(tx *sql.Tx) error {
		if err := takeRevision(ctx, tx, tenantID, id, revision); err != nil {
			return err
		}
		if err := ownSlug(ctx, tx, tenantID, id); err != nil {
			return err
		}
		if err := claimOwnSlug(ctx, tx, e.Slug, tenantID, id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE newsletters SET name = $3, slug = $4, page = $5 WHERE tenant_id = $1 AND id = $2`, tenantID, id, e.Name, e.Slug, page)
		if err != nil {
			return err
		}
		if err := setLogo(ctx, tx, tenantID, id, e, millis(d.now())); err != nil {
			return err
		}
		return d.notify(ctx, tx, Notice{Kind: NoticeNewsletters})
	}))
}

// takeRevision begins a change of a newsletter that somebody saw in a revision. It gives
// ErrLost when there is another one by now, and ErrNotFound when there is no such newsletter.
func takeRevision(ctx context.Context, tx *sql.Tx, tenantID, id string, revision int64) error {
	var now int64
	err := tx.QueryRowContext(ctx, `SELECT revision FROM newsletters WHERE tenant_id = $1 AND id = $2`, tenantID, id).Scan(&now)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `UPDATE newsletters SET revision = revision + 1 WHERE tenant_id = $1 AND id = $2 AND revision = $3`, tenantID, id, revision)
	return changed(res, err, ErrLost)
}

// setLogo puts the edit's logo in the place of the one that is there, or takes that away.
func setLogo(ctx context.Context, tx *sql.Tx, tenantID, newsletterID string, e NewsletterEdit, now int64) error {
	if e.Logo == nil && !e.NoLogo {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM logos WHERE tenant_id = $1 AND newsletter_id = $2`, tenantID, newsletterID); err != nil {
		return err
	}
	id := ""
	if e.Logo != nil {
		id = NewID()
		_, err := tx.ExecContext(ctx, `INSERT INTO logos (id, tenant_id, newsletter_id, png, width, height, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			id, tenantID, newsletterID, base64.StdEncoding.EncodeToString(e.Logo.PNG), e.Logo.Width, e.Logo.Height, now)
		if err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE newsletters SET logo_id = $3 WHERE tenant_id = $1 AND id = $2`, tenantID, newsletterID, id)
	return err
}

// SetNewsletterState opens, pauses or archives the tenant's newsletter. What was taken before
// goes on to the CRM. One that isn't the tenant's gives ErrNotFound.
func (d *Readers) SetNewsletterState(ctx context.Context, tenantID, id string, state NewsletterState) error {
	res, err := d.execNotify(ctx, Notice{Kind: NoticeNewsletters}, `UPDATE newsletters SET state = $3, revision = revision + 1 WHERE tenant_id = $1 AND id = $2`, tenantID, id, state)
	return wrap("set the state of a newsletter", changed(res, err, ErrNotFound))
}

// TenantNewsletter returns the tenant's newsletter that has the given public name, or had it
// before, or ErrNotFound.
func (d *Readers) TenantNewsletter(ctx context.Context, tenantID, slug string) (Newsletter, error) {
	n, err := scanNewsletter(d.read.QueryRowContext(ctx, selectNewsletter+`WHERE n.tenant_id = $1
		AND (n.slug = $2 OR n.id = (SELECT g.newsletter_id FROM newsletter_slugs g WHERE g.tenant_id = $1 AND g.slug = $2))`, tenantID, slug))
	return n, wrap("newsletter", err)
}

// FormVersion says since when a newsletter has a version of its form, and by whom.
type FormVersion struct {
	Version   int
	CreatedAt time.Time
	By        string // the user's address; empty for the operator, or when the user is gone
}

// pageText is a page as it is stored.
func pageText(p PublicPage) (string, error) {
	b, err := json.Marshal(p)
	return string(b), err
}
