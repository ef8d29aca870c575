package db

import (
	"context"
	"time"
)

// newsletterTroubles collects what a query says of newsletters: tenant, newsletter, number and since when.
func (d *Watch) newsletterTroubles(ctx context.Context, kind IncidentKind, query string, args ...any) ([]Trouble, error) {
	all, err := collect(ctx, d.read, func(row scanner) (Trouble, error) {
		t := Trouble{Kind: kind}
		var since int64
		err := row.Scan(&t.TenantID, &t.About, &t.N, &since)
		t.Since = fromMillis(since)
		return t, err
	}, query, args...)
	return all, wrap("troubles of newsletters", err)
}

// Spikes returns the newsletters that got at least min new sign-ups from the UTC hour before a time's on, and
// at least times as many as in as long a time on average of the four weeks before. Those that have had
// sign-ups for less than a week aren't among them: nobody knows what is usual.
func (d *Watch) Spikes(ctx context.Context, now time.Time, min, times int) ([]Trouble, error) {
	from := hourOf(millis(now)) - hourMillis
	return d.newsletterTroubles(ctx, IncidentSpike, `SELECT tenant_id, id, lately, CAST($1 AS BIGINT) FROM (SELECT n.tenant_id, n.id,
			(SELECT COALESCE(sum(l.n), 0) FROM ledger l WHERE l.tenant_id = n.tenant_id AND l.newsletter_id = n.id AND l.hour >= $1 AND l.kind = 'new') AS lately,
			(SELECT COALESCE(sum(l.n), 0) FROM ledger l WHERE l.tenant_id = n.tenant_id AND l.newsletter_id = n.id AND l.hour < $1 AND l.hour >= $1 - CAST($2 AS BIGINT) AND l.kind = 'new') AS before,
			(SELECT min(hour) FROM ledger l WHERE l.tenant_id = n.tenant_id AND l.newsletter_id = n.id) AS first
		FROM newsletters n WHERE n.`+ofOpenTenants+`) q
		WHERE lately >= $3 AND lately * CAST($4 AS BIGINT) >= before * CAST($5 AS BIGINT) AND first < $1 - CAST($6 AS BIGINT)`,
		from, 4*week.Milliseconds(), min, 4*week.Milliseconds()/hourMillis/2, times, week.Milliseconds())
}

// Attacks returns the newsletters of whose sign-ups at least min were held since a time, and more than were not. It
// reads what was held since then, in one go, and nothing older.
func (d *Watch) Attacks(ctx context.Context, since time.Time, min int) ([]Trouble, error) {
	return d.newsletterTroubles(ctx, IncidentAttack, `SELECT tenant_id, newsletter_id, held, CAST($1 AS BIGINT) FROM (SELECT t.id AS tenant_id, h.newsletter_id, sum(h.n) AS held, sum(CASE WHEN h.sign_up = '' THEN 1 ELSE 0 END) AS made
			FROM holds h CROSS JOIN tenants t WHERE h.at >= $1 AND t.id = h.tenant_id AND t.closed_at = 0 GROUP BY t.id, h.newsletter_id) q
		WHERE held >= $2 AND held > (SELECT COALESCE(sum(l.n), 0) FROM ledger l WHERE l.tenant_id = q.tenant_id AND l.newsletter_id = q.newsletter_id AND l.hour >= $1 - 3600000) - made`, millis(since), min)
}

// Unconfirming returns the newsletters of whose confirmation mails, at least min of which were sent in the day up to
// two hours ago, less than half as many were pressed as of those in the week before. N is how many of 100.
func (d *Watch) Unconfirming(ctx context.Context, now time.Time, min int) ([]Trouble, error) {
	end := millis(now.Add(-2 * time.Hour))
	start := end - dayMillis
	return d.newsletterTroubles(ctx, IncidentConfirming, `SELECT tenant_id, newsletter_id, pressed * 100 / sent, CAST($2 AS BIGINT) FROM (SELECT s.tenant_id, s.newsletter_id,
			sum(CASE WHEN c.made_at >= $2 THEN 1 ELSE 0 END) AS sent, sum(CASE WHEN c.made_at >= $2 AND c.pressed_at > 0 THEN 1 ELSE 0 END) AS pressed,
			sum(CASE WHEN c.made_at < $2 THEN 1 ELSE 0 END) AS sent_before, sum(CASE WHEN c.made_at < $2 AND c.pressed_at > 0 THEN 1 ELSE 0 END) AS pressed_before
		FROM confirmations c JOIN subscribers s ON s.tenant_id = c.tenant_id AND s.id = c.subscriber_id
		WHERE c.expires_at >= CAST($1 AS BIGINT) AND c.made_at >= $1 AND c.made_at < $3 AND s.`+ofOpenTenants+` GROUP BY s.tenant_id, s.newsletter_id) q
		WHERE sent >= $4 AND sent_before >= $4 AND pressed * 2 * sent_before < pressed_before * sent`, start-week.Milliseconds(), start, end, min)
}
