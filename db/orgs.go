package db

import (
	"context"
	"database/sql"
	"slices"
)

// OrgCount is how many were delivered to an org.
type OrgCount struct {
	OrgID string
	N     int
}

// Orgs returns to which orgs of a destination's CRM how many were delivered, by org.
func (d *Outbox) Orgs(ctx context.Context, key DestinationKey) (all []OrgCount, err error) {
	err = ask(ctx, d.read, orgsOf(&all, key))
	return all, wrap("orgs", err)
}

// orgsOf reads where a destination's delivered subscribers are.
func orgsOf(all *[]OrgCount, key DestinationKey) part {
	return listed(all, func(row scanner) (o OrgCount, err error) {
		return o, row.Scan(&o.OrgID, &o.N)
	}, `SELECT org_id, n FROM org_counts WHERE tenant_id = $1 AND destination_id = $2 AND n > 0 ORDER BY org_id`, key.TenantID, key.DestinationID)
}

// elsewhere are up to limit of those whom a move sends to its org, but for those who are to
// be removed; ErrLost when that one is not connected any more: they would come back for ever.
func elsewhere(ctx context.Context, tx *sql.Tx, a *Action, limit int) ([]string, error) {
	var connected int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM identities WHERE service = $1 AND tenant_id = $2 AND org_id = $3`,
		a.Service, a.TenantID, a.OrgID).Scan(&connected)
	if err != nil {
		return nil, err
	}
	if connected == 0 {
		return nil, ErrLost
	}
	// From org to org on the index of what is delivered, so that those who are in
	// the right one are never looked at.
	return collect(ctx, tx, scanID, `SELECT d.subscriber_id FROM org_counts o CROSS JOIN deliveries d
		WHERE o.tenant_id = $1 AND o.destination_id = $2 AND o.org_id <> $3 AND o.n > 0
			AND d.tenant_id = o.tenant_id AND d.destination_id = o.destination_id AND d.org_id = o.org_id AND d.state = 'delivered' AND d.subscriber_id < $4
			AND NOT EXISTS (SELECT 1 FROM removals r WHERE r.tenant_id = d.tenant_id AND r.subscriber_id = d.subscriber_id AND r.ended_at = 0)
		LIMIT $5`, a.TenantID, a.DestinationID, a.OrgID, a.ID, limit)
}

// wanted are those deliveries d whose subscriber hasn't left, and whose newsletter feeds the
// destination.
const wanted = `EXISTS (SELECT 1 FROM subscribers s JOIN destinations t ON t.id = d.destination_id WHERE s.tenant_id = d.tenant_id AND s.id = d.subscriber_id AND s.state = 'active'
	AND (t.all_newsletters = 1 OR EXISTS (SELECT 1 FROM destination_newsletters f WHERE f.tenant_id = d.tenant_id AND f.destination_id = d.destination_id AND f.newsletter_id = s.newsletter_id)))`

// moveOn sends those of a move who are in another org to its own. Whoever is not to be sent
// any more has ended: what the other org has stays there, and is nobody's of ours.
func (d *base) moveOn(ctx context.Context, tx *sql.Tx, a *Action, of []string) error {
	sent := map[string]bool{}
	for part := range idSet(of).in(a.DestinationKey).parts() {
		with, args := part.with(d.engine)
		err := each(ctx, tx, func(row scanner) error {
			id, err := scanID(row)
			sent[id] = true
			return err
		}, with+`SELECT d.subscriber_id FROM o JOIN deliveries d ON d.tenant_id = o.tenant_id AND d.subscriber_id = o.id AND d.destination_id = o.destination_id WHERE `+wanted, args...)
		if err != nil {
			return err
		}
	}
	gone := slices.DeleteFunc(slices.Clone(of), func(id string) bool { return sent[id] })
	on := slices.DeleteFunc(slices.Clone(of), func(id string) bool { return !sent[id] })
	if err := d.decide(ctx, tx, a.DestinationKey, on, a.Actor, anew); err != nil {
		return err
	}
	return d.decide(ctx, tx, a.DestinationKey, gone, a.Actor, forgetting)
}

// anew has somebody who was delivered delivered anew, to another org, or since the record is
// gone. What another org has stays there.
var anew = decision{`UPDATE deliveries SET state = 'waiting', reason = '', detail = '', attempts = 0, refusals = 0, due_at = $1, waits_since = $1,
	record_id = '', made_id = '', placeholders = '', org_id = '', instance_url = '', delivered_at = 0, sent_at = 0, settles_at = 0` + ofSet,
	func(to place) (place, string) { to.state, to.reason, to.orgID = Waiting, "", ""; return to, "" }}

// forgetting has a delivery that arrived in another org end.
var forgetting = decision{`UPDATE deliveries SET state = 'ended', reason = '', detail = '', record_id = '', made_id = '', placeholders = '', org_id = '', instance_url = '', delivered_at = 0` + ofSet + ` AND CAST($1 AS BIGINT) > 0`,
	func(to place) (place, string) { to.state, to.reason, to.orgID = Ended, "", ""; return to, "" }}
