package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatepost/forms"
)

// Why a field is paused, where it isn't for a code of the CRM's.
const (
	FieldGone   = "field_gone"   // the CRM has it no more, or the connected user doesn't see it
	FieldLocked = "field_locked" // the connected user may not write it any more
)

// reasonRequired is why those wait whose new record would lack a required field, as crm's
// codes say it.
const reasonRequired = "required_field"

// StoredMapping is a mapping of a destination's: what holds for one newsletter, or for all that have
// none of their own.
type StoredMapping struct {
	NewsletterID string // empty of the one for all
	JSON         string // see mapping.Mapping
	Revision     int64  // goes up with each change, from 1; 0 of one that was never stored
	ChangedAt    time.Time
	ChangedBy    string // e-mail of the user; empty when there is no such user any more
}

// StoredSchema is what is known of the fields of a destination's CRM.
type StoredSchema struct {
	OrgID   string
	JSON    string    // see crm.Schema
	ReadAt  time.Time // zero when they were never read
	Lacking bool      // a new record was refused for want of a required field
}

// PausedField is one of the CRM's fields that nothing is written into until it is there again.
type PausedField struct {
	Key, Label string
	Code       string    // FieldGone, FieldLocked, or the CRM's
	Since      time.Time // who arrived from then on may have gone without
}

// Mappings are a destination's mappings, with what is to be known to use them.
type Mappings struct {
	All    []StoredMapping // that for all newsletters first
	Schema StoredSchema
	Paused []PausedField // by key
	Forms  []NewsletterForms
}

// NewsletterForms is a newsletter of the tenant's with all versions of its form.
type NewsletterForms struct {
	ID, Slug, Name string
	Version        int // that it shows now; 0 for the one from before there were any
	Consent        string
	Versions       map[int]forms.Definition
}

// Definition returns a version of the form; that from before forms were data is none of Versions.
func (n NewsletterForms) Definition(version int) forms.Definition {
	if d, ok := n.Versions[version]; ok {
		d.Version = version
		return d
	}
	return forms.First(n.Consent)
}

// mapped reports whether a destination d has a mapping, or was refused new records for want of a
// required field.
const mapped = `CASE WHEN EXISTS (SELECT 1 FROM mappings m WHERE m.tenant_id = d.tenant_id AND m.destination_id = d.id)
	OR EXISTS (SELECT 1 FROM crm_schemas c WHERE c.tenant_id = d.tenant_id AND c.destination_id = d.id AND c.lacking = 1) THEN 1 ELSE 0 END`

// Mappings returns a destination's mappings: none where nobody has made one.
func (d *Outbox) Mappings(ctx context.Context, key DestinationKey) (m Mappings, err error) {
	type version struct {
		newsletter string
		number     int
		form       forms.Definition
	}
	var versions []version
	err = ask(ctx, d.read,
		listed(&m.All, func(row scanner) (s StoredMapping, err error) {
			var at int64
			err = row.Scan(&s.NewsletterID, &s.JSON, &s.Revision, &at, &s.ChangedBy)
			s.ChangedAt = fromMillis(at)
			return s, err
		}, `SELECT newsletter_id, mapping, revision, changed_at, COALESCE((SELECT email FROM users WHERE users.id = changed_by), '') FROM mappings WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID),
		one(&m.Schema, func(row scanner) (s StoredSchema, err error) {
			var at int64
			err = row.Scan(&s.OrgID, &s.JSON, &at, &s.Lacking)
			s.ReadAt = fromMillis(at)
			return s, err
		}, `SELECT org_id, fields, read_at, lacking FROM crm_schemas WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID),
		listed(&m.Paused, scanPausedField, `SELECT field, label, code, since FROM paused_fields WHERE tenant_id = $1 AND destination_id = $2`, key.TenantID, key.DestinationID),
		listed(&m.Forms, func(row scanner) (n NewsletterForms, err error) {
			return n, row.Scan(&n.ID, &n.Slug, &n.Name, &n.Consent, &n.Version)
		}, `SELECT id, slug, name, consent, form_version FROM newsletters WHERE tenant_id = $1`, key.TenantID),
		listed(&versions, func(row scanner) (v version, err error) {
			var text string
			if err = row.Scan(&v.newsletter, &v.number, &text); err != nil {
				return v, err
			}
			return v, json.Unmarshal([]byte(text), &v.form)
		}, `SELECT newsletter_id, version, definition FROM form_versions WHERE tenant_id = $1`, key.TenantID))
	if err != nil {
		return Mappings{}, wrap("mappings", err)
	}
	slices.SortFunc(m.All, func(a, b StoredMapping) int { return strings.Compare(a.NewsletterID, b.NewsletterID) })
	slices.SortFunc(m.Paused, func(a, b PausedField) int { return strings.Compare(a.Key, b.Key) })
	slices.SortFunc(m.Forms, func(a, b NewsletterForms) int {
		return strings.Compare(strings.ToLower(a.Name)+a.ID, strings.ToLower(b.Name)+b.ID)
	})
	for i := range m.Forms {
		m.Forms[i].Versions = map[int]forms.Definition{}
		for _, v := range versions {
			if v.newsletter == m.Forms[i].ID {
				m.Forms[i].Versions[v.number] = v.form
			}
		}
	}
	return m, nil
}

func scanPausedField(row scanner) (f PausedField, err error) {
	var since int64
	err = row.Scan(&f.Key, &f.Label, &f.Code, &since)
	f.Since = fromMillis(since)
	return f, err
}

// SaveMapping stores a mapping in place of the one with its Revision, which is 0 where there is to be
// none yet, and returns the new revision. Who waits since a required field was filled with nothing is
// tried again. ErrConflict: somebody changed it meanwhile. ErrNotFound: the tenant has no
// such destination or newsletter. actor is the id of the user.
func (d *Outbox) SaveMapping(ctx context.Context, key DestinationKey, m StoredMapping, actor string) (revision int64, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustHave(ctx, tx, key, m.NewsletterID); err != nil {
			return err
		}
		revision = m.Revision + 1
		store := `UPDATE mappings SET mapping = $4, revision = $5, changed_at = $6, changed_by = $7 WHERE tenant_id = $1 AND destination_id = $2 AND newsletter_id = $3 AND revision = $5 - 1`
		if m.Revision == 0 {
			store = `INSERT INTO mappings (tenant_id, destination_id, newsletter_id, mapping, revision, changed_at, changed_by) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (destination_id, newsletter_id) DO NOTHING`
		}
		res, err := tx.ExecContext(ctx, store, key.TenantID, key.DestinationID, m.NewsletterID, m.JSON, revision, millis(d.now()), actor)
		if err := changed(res, err, ErrConflict); err != nil {
			return err
		}
		return d.hurryRequired(ctx, tx, key)
	})
	return revision, wrap("save a mapping", err)
}

// RemoveMapping has a newsletter go by the mapping for all, or where NewsletterID is empty, by none.
// It fails as SaveMapping does.
func (d *Outbox) RemoveMapping(ctx context.Context, key DestinationKey, newsletterID string, revision int64) error {
	return wrap("remove a mapping", d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustHave(ctx, tx, key, newsletterID); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `DELETE FROM mappings WHERE tenant_id = $1 AND destination_id = $2 AND newsletter_id = $3 AND revision = $4`, key.TenantID, key.DestinationID, newsletterID, revision)
		if err := changed(res, err, ErrConflict); err != nil {
			return err
		}
		return d.hurryRequired(ctx, tx, key)
	}))
}

// mustHave refuses with ErrNotFound a destination that isn't the tenant's, and a newsletter; an
// empty one is any.
func mustHave(ctx context.Context, tx *sql.Tx, key DestinationKey, newsletterID string) error {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM destinations d WHERE d.tenant_id = $1 AND d.id = $2 AND d.removed_at = 0
		AND ($3 = '' OR EXISTS (SELECT 1 FROM newsletters n WHERE n.tenant_id = $1 AND n.id = $3))`, key.TenantID, key.DestinationID, newsletterID).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// hurryRequired has those tried at once who wait for want of a required field.
func (d *base) hurryRequired(ctx context.Context, tx *sql.Tx, key DestinationKey) error {
	_, err := tx.ExecContext(ctx, `UPDATE deliveries SET due_at = $4 WHERE tenant_id = $1 AND destination_id = $2 AND state = 'waiting' AND reason = $3 AND reason <> '' AND due_at > $4`,
		key.TenantID, key.DestinationID, reasonRequired, millis(d.now()))
	if err != nil {
		return err
	}
	return d.notify(ctx, tx, Notice{NoticeDue, key.TenantID})
}

// SaveSchema stores the fields of a destination's CRM, as they were read just now. Who waits
// for want of a required field is tried again when none is lacking any more. ErrNotFound:
// there is no such destination.
func (d *Outbox) SaveSchema(ctx context.Context, key DestinationKey, s StoredSchema) error {
	return wrap("save a CRM's fields", d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustHave(ctx, tx, key, ""); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO crm_schemas (destination_id, tenant_id, org_id, fields, read_at, lacking) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (destination_id) DO UPDATE SET org_id = excluded.org_id, fields = excluded.fields, read_at = excluded.read_at, lacking = excluded.lacking`,
			key.DestinationID, key.TenantID, s.OrgID, s.JSON, millis(d.now()), bit(s.Lacking))
		if err != nil || s.Lacking {
			return err
		}
		return d.hurryRequired(ctx, tx, key)
	}))
}

// StaleSchemas returns the destinations of open tenants whose CRM's fields were read before a
// time, and matter: they have a mapping, or somebody waits for them.
func (d *Outbox) StaleSchemas(ctx context.Context, before time.Time) ([]DestinationKey, error) {
	keys, err := collect(ctx, d.read, scanDestinationKey, `SELECT d.tenant_id, d.id FROM crm_schemas s JOIN destinations d ON d.tenant_id = s.tenant_id AND d.id = s.destination_id
		JOIN tenants t ON t.id = d.tenant_id WHERE s.read_at < $1 AND d.removed_at = 0 AND t.closed_at = 0 AND `+mapped+` = 1 ORDER BY d.id`, millis(before))
	return keys, wrap("stale fields of CRMs", err)
}

// PauseFields has nothing written into some fields of a destination's CRM from now on, unless that
// is so already. Their Since is now where it is zero.
func (d *Outbox) PauseFields(ctx context.Context, key DestinationKey, fields []PausedField) error {
	return wrap("pause fields", d.tx(ctx, func(tx *sql.Tx) error {
		if err := mustHave(ctx, tx, key, ""); err != nil {
			return err
		}
		for _, f := range fields {
			if f.Since.IsZero() {
				f.Since = d.now()
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO paused_fields (tenant_id, destination_id, field, label, code, since) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (destination_id, field) DO NOTHING`,
				key.TenantID, key.DestinationID, f.Key, f.Label, f.Code, millis(f.Since))
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// ResumeFields ends the pause of some fields, and has those delivered again who were since it began:
// they went without. service is the CRM's.
func (d *Work) ResumeFields(ctx context.Context, key DestinationKey, service string, fields []string) error {
	return wrap("resume fields", d.tx(ctx, func(tx *sql.Tx) error {
		var first int64
		for _, f := range fields {
			var since int64
			err := tx.QueryRowContext(ctx, `DELETE FROM paused_fields WHERE tenant_id = $1 AND destination_id = $2 AND field = $3 RETURNING since`, key.TenantID, key.DestinationID, f).Scan(&since)
			if errors.Is(err, sql.ErrNoRows) {
				continue // somebody else was faster
			}
			if err != nil {
				return err
			}
			if first == 0 || since < first {
				first = since
			}
		}
		if first == 0 {
			return nil
		}
		a := Action{ID: NewID(), DestinationKey: key, Service: service, Kind: ActionFill, Reason: fields[0], Note: fmt.Sprint(first), StartedAt: d.now()}
		return d.startNow(ctx, tx, &a)
	}))
}

// DropPausedFields forgets the pauses of fields that no mapping fills any more, but for those that are kept.
func (d *Outbox) DropPausedFields(ctx context.Context, key DestinationKey, fields []string) error {
	for _, f := range fields {
		if _, err := d.exec(ctx, `DELETE FROM paused_fields WHERE tenant_id = $1 AND destination_id = $2 AND field = $3`, key.TenantID, key.DestinationID, f); err != nil {
			return wrap("forget paused fields", err)
		}
	}
	return nil
}

// PausedFieldTroubles returns where fields are paused, with the code of the first and how many there are.
func (d *Watch) PausedFieldTroubles(ctx context.Context) ([]Trouble, error) {
	return d.troubles(ctx, IncidentField, `SELECT p.tenant_id, p.destination_id, t.service, 1, min(p.code), count(*), min(p.since) FROM paused_fields p
		JOIN destinations t ON t.tenant_id = p.tenant_id AND t.id = p.destination_id WHERE t.removed_at = 0 AND p.`+ofOpenTenants+` GROUP BY p.tenant_id, p.destination_id, t.service`)
}

// again are those who have arrived in an action's destination and are to get there what they hadn't
// then: of ActionFill those who arrived since a time. Who has left, or is to be removed, isn't among
// them.
func again(ctx context.Context, tx *sql.Tx, a *Action, limit int) ([]string, error) {
	return collect(ctx, tx, scanID, `SELECT d.subscriber_id`+arrivedSince+` AND d.subscriber_id > $4 AND d.subscriber_id < $5 ORDER BY d.subscriber_id LIMIT $6`,
		a.TenantID, a.DestinationID, a.since(), a.lastID, a.ID, limit)
}

const arrivedSince = ` FROM deliveries d WHERE d.tenant_id = $1 AND d.destination_id = $2 AND d.state = 'delivered' AND d.delivered_at >= $3 AND ` + wanted + `
	AND NOT EXISTS (SELECT 1 FROM removals r WHERE r.tenant_id = d.tenant_id AND r.subscriber_id = d.subscriber_id AND r.ended_at = 0)`

// since is when those arrived at the earliest whom an ActionFill is for.
func (a *Action) since() (at int64) {
	if a.Kind == ActionFill {
		_, _ = fmt.Sscan(a.Note, &at)
	}
	return at
}

// CouldApply is how many have arrived in a destination and are there to be given what its
// mappings say now.
func (d *Outbox) CouldApply(ctx context.Context, key DestinationKey) (n int, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT count(*)`+arrivedSince, key.TenantID, key.DestinationID, 0).Scan(&n)
	return n, wrap("whom a mapping could be applied to", err)
}

// applying has somebody who was delivered delivered again, into the same record.
var applying = decision{`UPDATE deliveries SET state = 'waiting', reason = '', detail = '', match_id = '', attempts = 0, refusals = 0, due_at = $1, waits_since = $1` + ofSet,
	func(to place) (place, string) { to.state, to.reason, to.orgID = Waiting, "", ""; return to, "" }}

// Written is what Gatepost last wrote of each of the CRM's own fields into a record, by keys.
type Written map[string]string

// stored is how it stands in its column.
func (w Written) stored() string {
	if len(w) == 0 {
		return ""
	}
	return mustJSON(w)
}

func parseWritten(stored string) (w Written, err error) {
	if stored != "" {
		err = json.Unmarshal([]byte(stored), &w)
	}
	return w, err
}

// Somebody returns all who have an address, with their deliveries to a destination, as Due
// does; of the tenant's newest subscriber when the address is empty. Who hasn't entered the
// destination counts as waiting there. None gives ErrNotFound.
func (d *Outbox) Somebody(ctx context.Context, key DestinationKey, emailKey string) ([]Known, error) {
	if emailKey == "" {
		err := d.read.QueryRowContext(ctx, `SELECT email_key FROM subscribers WHERE tenant_id = $1 AND state <> 'erasing' ORDER BY id DESC LIMIT 1`, key.TenantID).Scan(&emailKey)
		if err != nil {
			return nil, wrap("the newest subscriber", err)
		}
	}
	all, err := collect(ctx, d.read, func(row scanner) (Known, error) {
		k, err := scanKnown(row)
		k.TenantID, k.DestinationID = key.TenantID, key.DestinationID
		return k, err
	}, `SELECT o.id, o.newsletter_id, o.email, o.email_key, o.first_name, o.last_name, o.state, o.created_at, o.repeated_at, o.edited_at,
			COALESCE(d.state, 'waiting'), COALESCE(d.reason, ''), COALESCE(d.detail, ''), COALESCE(d.attempts, 0), COALESCE(d.refusals, 0), COALESCE(d.due_at, 0), COALESCE(d.sent_at, 0), COALESCE(d.settles_at, 0), COALESCE(d.record_id, ''), COALESCE(d.revision, 0), COALESCE(d.again_at, 0), COALESCE(d.placeholders, ''), `+knownForm+`, COALESCE(d.written, '')
		FROM subscribers o LEFT JOIN deliveries d ON d.tenant_id = o.tenant_id AND d.subscriber_id = o.id AND d.destination_id = $2
		WHERE o.tenant_id = $1 AND o.email_key = $3 ORDER BY o.id`, key.TenantID, key.DestinationID, emailKey)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	return all, wrap("somebody", err)
}
