package db

import (
	"context"
	"slices"
)

// The suppression list of a tenant knows addresses by a MAC alone: of those who left, and aren't
// among the subscribers. A newsletter's id that is empty stands for all of the tenant's.

// Suppress notes addresses by their MACs, and returns how many weren't noted before.
func (d *Unsubscribing) Suppress(ctx context.Context, tenantID, newsletterID string, how LeftHow, macs []string) (added int, err error) {
	err = d.again(ctx, func() error { // each statement may be done twice
		noted, err := note(ctx, d.write, d.engine, tenantID, newsletterID, how, millis(d.now()), macs)
		added = len(noted)
		return err
	})
	return added, wrap("suppress", err)
}

// note notes addresses by their MACs, and returns those that weren't noted before.
func note(ctx context.Context, q rowsQueryer, e engine, tenantID, newsletterID string, how LeftHow, at int64, macs []string) (noted map[string]bool, err error) {
	noted = map[string]bool{}
	for part := range macSet(macs).of(tenantID).parts() {
		with, args := part.with(e, newsletterID, at, string(how))
		added, err := collect(ctx, q, scanID, with+`INSERT INTO suppressions (tenant_id, mac, newsletter_id, since, how)
			SELECT o.tenant_id, o.mac, CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS TEXT) FROM o WHERE 1 = 1 ORDER BY o.mac ON CONFLICT (tenant_id, mac, newsletter_id) DO NOTHING RETURNING mac`, args...)
		if err != nil {
			return nil, err
		}
		for _, mac := range added {
			noted[mac] = true
		}
	}
	return noted, nil
}

// Unsuppress takes an address off the list, of whichever newsletters it is noted for, and returns
// for how many it was.
func (d *Unsubscribing) Unsuppress(ctx context.Context, tenantID, mac string) (removed int, err error) {
	res, err := d.exec(ctx, `DELETE FROM suppressions WHERE tenant_id = $1 AND mac = $2`, tenantID, mac)
	if err != nil {
		return 0, wrap("take off the suppression list", err)
	}
	n, err := res.RowsAffected()
	return int(n), wrap("take off the suppression list", err)
}

// SuppressionCount is how many addresses are noted for a newsletter.
type SuppressionCount struct {
	NewsletterID string // empty for all of the tenant's
	N            int
}

// SuppressionCounts returns how many addresses the tenant has noted, by newsletter.
func (d *Unsubscribing) SuppressionCounts(ctx context.Context, tenantID string) ([]SuppressionCount, error) {
	all, err := collect(ctx, d.read, func(row scanner) (c SuppressionCount, err error) { return c, row.Scan(&c.NewsletterID, &c.N) },
		`SELECT newsletter_id, count(*) FROM suppressions WHERE tenant_id = $1 GROUP BY newsletter_id ORDER BY newsletter_id`, tenantID)
	return all, wrap("suppression counts", err)
}

// An Unwanted is an address, by what the tables know it by.
type Unwanted struct{ EmailKey, MAC string }

// WhoLeft returns which of some addresses have left a newsletter of the tenant's, by their keys: as
// subscribers, or by the suppression list. Who is active on it came back since they were noted, which the row
// says alone: of their other newsletters what is noted still counts.
func (d *Unsubscribing) WhoLeft(ctx context.Context, tenantID, newsletterID string, of []Unwanted) (left map[string]bool, err error) {
	left = map[string]bool{}
	for part := range unwantedSet(of).of(tenantID).parts() {
		with, args := part.with(d.engine, newsletterID)
		keys, err := collect(ctx, d.read, scanID, with+`SELECT o.email_key FROM o JOIN subscribers s ON s.tenant_id = o.tenant_id AND s.email_key = o.email_key AND s.newsletter_id = $1 WHERE s.state = 'left'
			UNION SELECT o.email_key FROM o JOIN suppressions p ON p.tenant_id = o.tenant_id AND p.mac = o.mac AND p.newsletter_id IN ('', $1)
				WHERE NOT EXISTS (SELECT 1 FROM subscribers a WHERE a.tenant_id = o.tenant_id AND a.email_key = o.email_key AND a.newsletter_id = $1 AND a.state = 'active')`, args...)
		if err != nil {
			return nil, wrap("who left", err)
		}
		for _, key := range keys {
			left[key] = true
		}
	}
	return left, nil
}

func unwantedSet(of []Unwanted) *set {
	s := newSet(text("email_key"), text("mac"))
	for _, u := range of {
		s.add(u.EmailKey, u.MAC)
	}
	return s
}

// macSet is a set of MACs in their order, so that two who note the same don't wait for each other.
func macSet(macs []string) *set {
	s := newSet(text("mac"))
	for _, mac := range slices.Sorted(slices.Values(macs)) {
		s.add(mac)
	}
	return s
}
