package db

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Overview is what the pages of a tenant tell, and what those that poll compare with
// what they have seen: all that is read quickly, however many subscribers there are. It
// is read in one statement.
type Overview struct {
	Connections  Connections
	Sums         Sums                  // of the subscribers
	Destinations []DestinationOverview // in the order in which they were made; one at least
	Recount      LastRecount
	TimeZone     string         // an IANA name
	Actions      []Action       // under way, or ended within the last hour; the latest first
	LastEvent    string         // id of the newest event of all subscribers; empty when there is none
	Subscriber   Subscriber     // with the delivery to the first destination as the one that was asked for
	Removal      Removal        // of the subscriber, if it was asked for
	SameReason   map[string]int // by the destination: how many deliveries are in the state of the subscriber's for the same reason, that one included
}

// DestinationOverview is what an Overview tells of a destination.
type DestinationOverview struct {
	Destination
	Sums  Sums // of the deliveries
	Pause Pause
	Usage Usage
	Due   time.Time // since when the delivery is due that has been for longest, or when the first will be; zero when none waits

	LastDelivered time.Time // zero when nobody was
}

// To returns what is told of the destination that is a service's; ok is false when there is
// none.
func (o Overview) To(service string) (d DestinationOverview, ok bool) {
	i := slices.IndexFunc(o.Destinations, func(d DestinationOverview) bool { return d.Service == service })
	if i < 0 {
		return DestinationOverview{}, false
	}
	return o.Destinations[i], true
}

// Overview returns the tenant's overview, as far as the user may know it, with the
// subscriber of the given id; the zero Subscriber when the tenant has none with it, or
// none any more.
func (d *Watch) Overview(ctx context.Context, tenantID, userID, subscriberID string) (o Overview, err error) {
	of := overviewRows{pauses: map[string]Pause{}, usages: map[string]Usage{}, due: map[string]time.Time{}, last: map[string]time.Time{}}
	o.SameReason = map[string]int{}
	parts := append(connectionParts(&o.Connections, tenantID, userID), d.destinationParts(&of, tenantID)...)
	parts = append(parts,
		lastRecount(&o.Recount, tenantID),
		timeZone(&o.TimeZone, tenantID),
		d.actionsOf(&o.Actions, tenantID),
		one(&o.LastEvent, scanID, `SELECT id FROM events WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1`, tenantID),
	)
	if subscriberID != "" {
		parts = append(parts, subscriberParts(&o, &of, tenantID, subscriberID)...)
	}
	if err := ask(ctx, d.read, parts...); err != nil {
		return Overview{}, wrap("overview", err)
	}
	slices.SortFunc(o.Actions, func(a, b Action) int { return strings.Compare(b.ID, a.ID) })
	sortDestinations(of.destinations)
	o.Sums = of.sums.Subscribers
	for _, t := range of.destinations {
		o.Destinations = append(o.Destinations, DestinationOverview{t, of.sums.of(t.ID), of.pauses[t.ID], of.usages[t.ID], of.due[t.ID], of.last[t.ID]})
	}
	if len(of.destinations) > 0 {
		o.Subscriber.deliver(of.deliveries, of.destinations[0].ID)
	}
	return o, nil
}

// overviewRows is what the parts of an Overview read of destinations.
type overviewRows struct {
	destinations []Destination
	sums         AllSums
	pauses       map[string]Pause
	usages       map[string]Usage
	due, last    map[string]time.Time
	deliveries   []deliveryOf
}

func (d *Watch) destinationParts(of *overviewRows, tenantID string) []part {
	return []part{
		destinationsOf(&of.destinations, tenantID),
		sumsOf(&of.sums, tenantID),
		byDestination(of.pauses, scanPause, `SELECT p.destination_id, `+pauseColumns+` FROM destinations t JOIN pauses p ON p.destination_id = t.id WHERE t.tenant_id = $1 AND t.removed_at = 0`, tenantID),
		byDestination(of.usages, scanUsage, `SELECT u.destination_id, `+usageColumns+` FROM destinations t JOIN api_usage u ON u.destination_id = t.id WHERE t.tenant_id = $1 AND t.removed_at = 0`, tenantID, d.usageSince()),
		byDestination(of.last, scanTime, `SELECT t.id, `+lastDelivered+` FROM destinations t WHERE t.tenant_id = $1 AND t.removed_at = 0`, tenantID, d.lately()),
		byDestination(of.due, scanTime, `SELECT id, due_at FROM (SELECT t.id, (SELECT d.due_at FROM deliveries d WHERE d.tenant_id = t.tenant_id AND d.destination_id = t.id AND d.state = 'waiting' ORDER BY d.due_at, d.subscriber_id LIMIT 1) AS due_at
			FROM destinations t WHERE t.tenant_id = $1 AND t.removed_at = 0) w WHERE due_at IS NOT NULL`, tenantID),
	}
}

// subscriberParts reads what an overview tells of a subscriber.
func subscriberParts(o *Overview, of *overviewRows, tenantID, subscriberID string) []part {
	return append(removalOf(&o.Removal, tenantID, subscriberID),
		one(&o.Subscriber, scanSubscriber, selectSubscriber+`WHERE s.tenant_id = $1 AND s.id = $2`, tenantID, subscriberID),
		listed(&of.deliveries, scanDelivery, selectDelivery+`WHERE d.tenant_id = $1 AND d.subscriber_id = $2`, tenantID, subscriberID),
		byDestination(o.SameReason, func(row scanner) (n int, err error) { return n, row.Scan(&n) }, `SELECT d.destination_id, r.n FROM deliveries d
			JOIN reason_counts r ON r.tenant_id = d.tenant_id AND r.destination_id = d.destination_id AND r.state = d.state AND r.reason = d.reason
			WHERE d.tenant_id = $1 AND d.subscriber_id = $2 AND d.reason <> ''`, tenantID, subscriberID),
	)
}

// byDestination keeps what scan makes of each row, but for its first column, under the
// destination's id, which is that one.
func byDestination[T any](all map[string]T, scan func(scanner) (T, error), query string, args ...any) part {
	return part{query, args, func(row scanner) error {
		var id string
		v, err := scan(behind{row, &id})
		if err == nil {
			all[id] = v
		}
		return err
	}}
}

// behind is a row without its first column, which is read as well.
type behind struct {
	scanner
	first *string
}

func (b behind) Scan(dest ...any) error { return b.scanner.Scan(append([]any{b.first}, dest...)...) }

func connectionParts(c *Connections, tenantID, userID string) []part {
	*c = Connections{Settings: map[string]ServiceSettings{}, Apps: map[string]bool{}, Identities: map[string]Identity{}, Approvals: map[string]int{},
		Held: map[string]Held{}, OrgUse: map[string]OrgUse{}, Revocations: map[string]int{}, Ended: map[string]Disconnection{}}
	return []part{
		listed(&c.Definitions, scanDefinition, selectDefinitions),
		byService(c.Settings, scanSettings, selectAllSettings),
		byService(c.Apps, func(row scanner) (service string, yes bool, err error) { return service, true, row.Scan(&service) },
			`SELECT service FROM tenant_apps WHERE tenant_id = $1 AND client_id <> ''`, tenantID),
		identitiesPart(c, tenantID),
		byService(c.Held, func(row scanner) (string, Held, error) { h, err := scanHeld(row); return h.Service, h, err },
			selectHeld+` WHERE tenant_id = $1`, tenantID),
		orgUsePart(c, tenantID, userID),
		byService(c.Revocations, func(row scanner) (service string, n int, err error) { return service, n, row.Scan(&service, &n) },
			`SELECT service, count(*) FROM revocations WHERE tenant_id = $1 GROUP BY service`, tenantID),
		byService(c.Ended, scanDisconnection, `SELECT service, at, COALESCE((SELECT email FROM users WHERE users.id = actor), '')
			FROM disconnections WHERE tenant_id = $1`, tenantID),
	}
}

func scanDisconnection(row scanner) (service string, e Disconnection, err error) {
	var at int64
	err = row.Scan(&service, &at, &e.By)
	e.At = fromMillis(at)
	return service, e, err
}

// byService keeps what scan makes of each row under the service that it is about.
func byService[T any](all map[string]T, scan func(scanner) (string, T, error), query string, args ...any) part {
	return part{query, args, func(row scanner) error {
		service, v, err := scan(row)
		if err == nil {
			all[service] = v
		}
		return err
	}}
}

// approvedAlike selects what the user who approved the identity i has approved of the
// same app.
const approvedAlike = ` a WHERE a.remote_user_id = i.remote_user_id AND a.org_id = i.org_id AND a.service = i.service AND a.own_app = i.own_app
	AND (i.own_app = 0 OR a.tenant_id = i.tenant_id) AND (i.client_id = '' OR a.client_id IN ('', i.client_id))`

// identitiesPart reads the tenant's own connections, and how many approvals there are: the
// connections that are in order, what waits to be confirmed or completed, and what is
// yet to be revoked.
func identitiesPart(c *Connections, tenantID string) part {
	return part{`SELECT ` + identityColumns + `, CASE remote_user_id WHEN '' THEN 0 ELSE (SELECT count(*) FROM identities` + approvedAlike + ` AND a.broken_at = 0)
			+ (SELECT count(*) FROM held_identities` + approvedAlike + `) + (SELECT count(*) FROM granted_identities` + approvedAlike + `) + (SELECT count(*) FROM revocations` + approvedAlike + `) END
		FROM identities i WHERE tenant_id = $1 AND user_name = '' AND account = ''`, []any{tenantID}, func(row scanner) error {
		var approvals int
		i, err := scanIdentity(row, &approvals)
		if err == nil {
			c.Identities[i.Service], c.Approvals[i.Service] = i, approvals
		}
		return err
	}}
}

// orgUsePart reads who beside the tenant has the orgs that are held: who is connected to
// them, in order or not, or has readers there. Tenants that are removed don't count.
func orgUsePart(c *Connections, tenantID, userID string) part {
	return part{`SELECT o.service, COALESCE(t.name, '') FROM (
			SELECT h.service AS service, i.tenant_id AS other FROM held_identities h JOIN identities i ON i.org_id = h.org_id AND i.service = h.service
				AND i.user_name = '' AND i.account = '' AND i.org_id <> '' WHERE h.tenant_id = $1 AND i.tenant_id <> $1
			UNION SELECT h.service, n.tenant_id FROM held_identities h JOIN org_counts n ON n.org_id = h.org_id AND n.n > 0
				JOIN destinations d ON d.id = n.destination_id AND d.service = h.service AND d.removed_at = 0
				WHERE h.tenant_id = $1 AND n.tenant_id <> $1
				AND EXISTS (SELECT 1 FROM tenants p WHERE p.id = n.tenant_id AND p.closed_at = 0)
		) o LEFT JOIN memberships m ON m.tenant_id = o.other AND m.user_id = $2 LEFT JOIN tenants t ON t.id = m.tenant_id`,
		[]any{tenantID, userID}, func(row scanner) error {
			var service, name string
			if err := row.Scan(&service, &name); err != nil {
				return err
			}
			use := c.OrgUse[service]
			use.Others++
			if name != "" {
				use.Names = append(use.Names, name)
				slices.Sort(use.Names)
			}
			c.OrgUse[service] = use
			return nil
		}}
}
