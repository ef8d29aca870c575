package db

import (
	"context"
	"database/sql"
	"time"
)

// Organisation is what a tenant sets for itself.
type Organisation struct {
	Name     string
	TimeZone string    // an IANA name
	City     string    // by which the zone was chosen; empty when it wasn't
	SetAt    time.Time // zero when nothing was set since the tenant was made
	SetBy    string    // the user's address; empty when it was the operator, or the user is gone
}

// Organisation returns what the open tenant has set for itself, or ErrNotFound.
func (d *Work) Organisation(ctx context.Context, tenantID string) (o Organisation, err error) {
	var set int64
	err = d.read.QueryRowContext(ctx, `SELECT t.name, t.time_zone, t.city, t.set_at, COALESCE(u.email, '')
		FROM tenants t LEFT JOIN users u ON u.id = t.set_by WHERE t.id = $1 AND t.closed_at = 0`, tenantID).
		Scan(&o.Name, &o.TimeZone, &o.City, &set, &o.SetBy)
	o.SetAt = fromMillis(set)
	return o, wrap("organisation", err)
}

// SetOrganisation stores the name and the time zone that a user has set for the open
// tenant, as the caller checked them. A tenant that is closed gives ErrNotFound.
func (d *Work) SetOrganisation(ctx context.Context, tenantID, userID string, o Organisation) error {
	res, err := d.execNotify(ctx, Notice{Kind: NoticeNewsletters},
		`UPDATE tenants SET name = $2, time_zone = $3, city = $4, set_at = $5, set_by = $6 WHERE id = $1 AND closed_at = 0`,
		tenantID, o.Name, o.TimeZone, o.City, millis(d.now()), userID)
	return wrap("set an organisation", changed(res, err, ErrNotFound))
}

// ZoneOf returns the time zone of the tenants that the user belongs to, or UTC when they
// have different ones.
func (d *Work) ZoneOf(ctx context.Context, userID string) (string, error) {
	zones, err := collect(ctx, d.read, scanID, `SELECT DISTINCT t.time_zone FROM memberships m JOIN tenants t ON t.id = m.tenant_id
		WHERE m.user_id = $1 AND t.closed_at = 0`, userID)
	if len(zones) != 1 {
		return "UTC", wrap("time zone of a user", err)
	}
	return zones[0], nil
}

// MailChoice says which mails about a tenant's problems a member wants.
type MailChoice string

// What members choose from. The mails of a day are for those who chose MailsAtOnce too.
const (
	MailsAtOnce MailChoice = "at_once" // of each incident, and each day while anything is open
	MailsDaily  MailChoice = "daily"   // each day while anything is open
	MailsNever  MailChoice = "never"
)

// MailChoices are all of them, in the order in which they are shown.
func MailChoices() []MailChoice { return []MailChoice{MailsAtOnce, MailsDaily, MailsNever} }

// chosenMails is what the member m, who is the user u, has chosen; by what processes of
// an earlier release have stored where nothing was chosen since.
const chosenMails = `CASE WHEN m.mails <> '' THEN m.mails WHEN u.incident_mails = 1 THEN 'at_once' ELSE 'never' END`

// selectMailChoice selects what a member has chosen, by the tenant and the user.
const selectMailChoice = `SELECT ` + chosenMails + ` FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.tenant_id = $1 AND m.user_id = $2`

// MailChoice returns which mails about the tenant's problems the user wants, or
// ErrNotFound when they are no member of it.
func (d *Work) MailChoice(ctx context.Context, tenantID, userID string) (choice MailChoice, err error) {
	err = d.read.QueryRowContext(ctx, selectMailChoice, tenantID, userID).Scan(&choice)
	return choice, wrap("choice of mails", err)
}

// SetMailChoice stores which mails about the tenant's problems the user wants. Who is no
// member of it gives ErrNotFound.
func (d *Work) SetMailChoice(ctx context.Context, tenantID, userID string, choice MailChoice) error {
	return wrap("set a choice of mails", d.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE memberships SET mails = $3 WHERE tenant_id = $1 AND user_id = $2`, tenantID, userID, choice)
		if err := changed(res, err, ErrNotFound); err != nil {
			return err
		}
		// What holds for the others so far is theirs, since users.incident_mails may change.
		_, err = tx.ExecContext(ctx, `UPDATE memberships SET mails = CASE WHEN EXISTS (SELECT 1 FROM users u WHERE u.id = $1 AND u.incident_mails = 1) THEN 'at_once' ELSE 'never' END
			WHERE user_id = $1 AND mails = ''`, userID)
		if err != nil {
			return err
		}
		return mailsOfUser(ctx, tx, userID)
	}))
}

// mailsOfUser tells processes of the release before, which know no choice for each tenant,
// whether they are to mail to the user: while anything is to be mailed at once. It tells
// them nothing while nobody has chosen anything.
func mailsOfUser(ctx context.Context, tx *sql.Tx, userID string) error {
	_, err := tx.ExecContext(ctx, `UPDATE users SET incident_mails = CASE WHEN EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = $1 AND m.mails = 'at_once') THEN 1 ELSE 0 END
		WHERE id = $1 AND EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = $1 AND m.mails <> '')`, userID)
	return err
}
