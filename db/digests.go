package db

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"
)

// DigestTenant is a tenant whose daily mails may be due.
type DigestTenant struct {
	ID        string
	TimeZone  string // an IANA name
	CreatedAt time.Time
}

// Digest is how things are at a tenant: what its daily mail is made of.
type Digest struct {
	Tenant       string // its name
	TimeZone     string
	Incidents    []Incident // whose trouble is there, the latest first
	Held         []string   // services with a connection that waits for a decision
	Destinations []DestinationDigest
}

// DestinationDigest is how things are at one of a tenant's destinations.
type DestinationDigest struct {
	Destination
	Connected     bool      // whether its connection is in order
	Problems      []Problem // what sign-ups wait for and why others need attention: the most people first
	Waiting       int
	OldestWaiting time.Time // since when the one waits that waits longest; zero when nobody has to wait yet
}

// DueDigests returns the open tenants whose daily mails were last decided on for a morning
// up to a time.
func (d *Work) DueDigests(ctx context.Context, before time.Time) ([]DigestTenant, error) {
	all, err := collect(ctx, d.read, func(row scanner) (t DigestTenant, err error) {
		var created int64
		err = row.Scan(&t.ID, &t.TimeZone, &created)
		t.CreatedAt = fromMillis(created)
		return t, err
	}, `SELECT id, time_zone, created_at FROM tenants WHERE closed_at = 0 AND digest_at <= $1 ORDER BY id`, millis(before))
	return all, wrap("due digests", err)
}

// QueueDigest decides on the tenant's mails of a morning, once, whoever does it how often:
// it queues one to each user whom tell returns of the members. Another morning must not
// have been decided on in the time apart before it: the tenant may have changed its zone.
func (d *Work) QueueDigest(ctx context.Context, tenantID string, morning time.Time, apart time.Duration, tell func([]Member) []string) error {
	// Committed: whoever comes second waits for the row, and finds that its condition holds no more.
	return wrap("queue a digest", d.txCommitted(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE tenants SET digest_at = $2 WHERE id = $1 AND closed_at = 0 AND digest_at <= $3`,
			tenantID, millis(morning), millis(morning.Add(-apart)))
		if err := changed(res, err, ErrLost); err != nil {
			return ignore(err, ErrLost)
		}
		return d.mailMembers(ctx, tx, MailDigest, tenantID, tenantID, tell)
	}))
}

// Digest returns how things are at the open tenant, or ErrNotFound.
func (d *Work) Digest(ctx context.Context, tenantID string) (g Digest, err error) {
	destinations, err := collect(ctx, d.read, scanDestination, selectDestinations, tenantID)
	if err != nil {
		return Digest{}, wrap("digest", err)
	}
	sortDestinations(destinations)
	g.Destinations = make([]DestinationDigest, len(destinations))
	longest := make([]waiting, len(destinations))
	parts := []part{
		{`SELECT t.name, t.time_zone FROM tenants t WHERE t.id = $1 AND t.closed_at = 0`, []any{tenantID},
			func(row scanner) error { return row.Scan(&g.Tenant, &g.TimeZone) }},
		listed(&g.Incidents, scanIncident, selectIncident+`WHERE i.tenant_id = $1 AND i.closed_at = 0 AND i.mended_at = 0`, tenantID),
		listed(&g.Held, scanID, `SELECT service FROM held_identities WHERE tenant_id = $1`, tenantID),
	}
	for i, one := range destinations {
		g.Destinations[i].Destination = one
		parts = append(parts, d.destinationDigest(&g.Destinations[i], &longest[i])...)
	}
	if err := ask(ctx, d.read, parts...); err != nil {
		return Digest{}, wrap("digest", err)
	}
	if g.Tenant == "" {
		return Digest{}, wrap("digest", sql.ErrNoRows)
	}
	for i := range g.Destinations {
		of := &g.Destinations[i]
		if !longest[i].since.After(d.now()) {
			of.OldestWaiting = longest[i].since
		}
		slices.SortFunc(of.Problems, func(a, b Problem) int { return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Reason, b.Reason)) })
	}
	slices.Sort(g.Held)
	slices.SortFunc(g.Incidents, func(a, b Incident) int { return strings.Compare(b.ID, a.ID) })
	return g, nil
}

// destinationDigest reads how things are at a destination.
func (d *Work) destinationDigest(g *DestinationDigest, longest *waiting) []part {
	key := g.Key()
	return append(waitLongest(longest, key),
		one(&g.Connected, func(row scanner) (yes bool, err error) {
			var service string
			return true, row.Scan(&service)
		}, `SELECT service FROM identities WHERE tenant_id = $1 AND service = $2 AND user_name = '' AND account = '' AND broken_at = 0`, key.TenantID, g.Service),
		problemsOf(&g.Problems, key),
		one(&g.Waiting, func(row scanner) (n int, err error) { return n, row.Scan(&n) },
			`SELECT COALESCE(sum(n), 0) FROM state_counts WHERE tenant_id = $1 AND destination_id = $2 AND state = 'waiting'`, key.TenantID, key.DestinationID))
}

// DigestFor is Digest for a member of the tenant: ErrNotFound when the user isn't one.
func (d *Work) DigestFor(ctx context.Context, tenantID, userID string) (Digest, Member, error) {
	choice, err := d.MailChoice(ctx, tenantID, userID)
	if err != nil {
		return Digest{}, Member{}, err
	}
	g, err := d.Digest(ctx, tenantID)
	return g, Member{UserID: userID, Mails: choice}, err
}
