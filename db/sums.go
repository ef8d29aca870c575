package db

import (
	"context"
	"database/sql"
	"maps"
)

// Kind is a kind of sign-up, as the ledger counts them.
type Kind string

// The kinds of sign-ups. What a later release counts beside Repeated makes somebody new.
const (
	New      Kind = "new"      // made somebody new: the left side of the sum, with Imported
	Imported Kind = "imported" // made somebody new too, from a file
	Repeated Kind = "repeated" // of somebody who was there already: in no sum

	// Entered is what is counted of a destination: the left side of its own sum.
	Entered Kind = "entered"
)

// Counted is what sums are kept of: a Kind, or a State of subscribers or of deliveries.
type Counted interface {
	sign() int // how it counts in the difference
}

func (k Kind) sign() int {
	if k == New || k == Imported || k == Entered {
		return 1
	}
	return 0
}

func (State) sign() int { return -1 }

// Sums says how many sign-ups were received, or how many subscribers entered a destination,
// from the ledger, and in which states the subscribers or their deliveries are now, from the
// counts kept with the states.
type Sums map[Counted]int

// Difference is what is missing from the states (or too much in them, when it is
// negative). It is zero unless something is broken.
func (s Sums) Difference() (n int) {
	for c, of := range s {
		n += c.sign() * of
	}
	return n
}

// People is how many subscribers or deliveries there are, in all states that have any.
func (s Sums) People() (n int) {
	for c, of := range s {
		if state, ok := c.(State); ok && !state.Info().Gone {
			n += of
		}
	}
	return n
}

// Equal reports whether all numbers are the same. One that isn't there is zero.
func (s Sums) Equal(o Sums) bool { return s.differing(o) == 0 }

// differing is how many numbers are not the same.
func (s Sums) differing(o Sums) (n int) {
	for c, of := range s {
		if of != o[c] {
			n++
		}
	}
	for c, of := range o {
		if _, both := s[c]; !both && of != 0 {
			n++
		}
	}
	return n
}

// Add adds other sums.
func (s Sums) Add(o Sums) {
	for c, n := range o {
		s[c] += n
	}
}

// add adds what is kept of a kind or of a state.
func (s Sums) add(kind Kind, state State, n int) {
	switch {
	case state != "":
		s[state.counted()] += n
	case kind == Repeated || kind == Imported || kind == Entered:
		s[kind] += n
	default:
		s[New] += n
	}
}

// AllSums are the sums of a tenant's subscribers, and of each of its destinations.
type AllSums struct {
	Subscribers  Sums
	Destinations map[string]Sums // by their ids
}

// Add adds other sums.
func (a *AllSums) Add(o AllSums) {
	if a.Subscribers == nil {
		*a = newAllSums()
	}
	a.Subscribers.Add(o.Subscribers)
	for id, s := range o.Destinations {
		a.of(id).Add(s)
	}
}

// Difference is the sum of what is missing in each of the sums, whichever way.
func (a AllSums) Difference() (n int) {
	for _, s := range a.all() {
		n += max(s.Difference(), -s.Difference())
	}
	return n
}

func (a AllSums) all() map[string]Sums {
	all := maps.Clone(a.Destinations)
	if all == nil {
		all = map[string]Sums{}
	}
	all[""] = a.Subscribers
	return all
}

// Equal reports whether all numbers are the same.
func (a AllSums) Equal(o AllSums) bool { return a.differing(o) == 0 }

// differing is how many numbers are not the same.
func (a AllSums) differing(o AllSums) (n int) {
	mine, theirs := a.all(), o.all()
	for id, s := range mine {
		n += s.differing(theirs[id])
	}
	for id, s := range theirs {
		if _, both := mine[id]; !both {
			n += Sums{}.differing(s)
		}
	}
	return n
}

func newAllSums() AllSums { return AllSums{Sums{}, map[string]Sums{}} }

// of are the sums of a destination, or of the subscribers where its id is empty.
func (a AllSums) of(destinationID string) Sums {
	if destinationID == "" {
		return a.Subscribers
	}
	if a.Destinations[destinationID] == nil {
		a.Destinations[destinationID] = Sums{}
	}
	return a.Destinations[destinationID]
}

// ofDestinations are the rows of a tenant, $1, that are of subscribers, or of destinations
// that were not removed.
const ofDestinations = ` WHERE tenant_id = $1 AND (destination_id = '' OR destination_id IN (SELECT t.id FROM destinations t WHERE t.tenant_id = $1 AND t.removed_at = 0))`

const selectSums = `SELECT destination_id, kind, '', n FROM ledger_sums` + ofDestinations + `
	UNION ALL SELECT destination_id, '', state, sum(n) FROM state_counts` + ofDestinations + ` GROUP BY destination_id, state`

// Sums returns the tenant's sums.
func (d *Readers) Sums(ctx context.Context, tenantID string) (AllSums, error) {
	s, err := sums(ctx, d.read, tenantID)
	return s, wrap("sums", err)
}

func sums(ctx context.Context, q rowsQueryer, tenantID string) (s AllSums, err error) {
	err = ask(ctx, q, sumsOf(&s, tenantID))
	return s, err
}

// sumsOf reads the tenant's sums.
func sumsOf(s *AllSums, tenantID string) part {
	*s = newAllSums()
	return part{selectSums, []any{tenantID}, func(row scanner) error {
		var destination string
		var kind Kind
		var state State
		var n int
		err := row.Scan(&destination, &kind, &state, &n)
		if err == nil {
			s.of(destination).add(kind, state, n)
		}
		return err
	}}
}

// Recount is what the rows say, beside what was kept. New and Repeated of Rows
// come from the subscribers and their consents, and from the receipts of those who were
// erased; Entered from the deliveries, and from those receipts.
type Recount struct {
	Kept, Rows AllSums
	Wrong      int // kept numbers by hour, cause and org that the rows contradict
}

// Agrees reports whether the rows say what was kept, with nothing missing.
func (r Recount) Agrees() bool {
	return r.Kept.differing(r.Rows) == 0 && r.Kept.Difference() == 0 && r.Wrong == 0
}

// Recount counts the tenant's rows. It reads all of them, as they are at one
// moment, and keeps nobody from writing meanwhile.
func (d *base) Recount(ctx context.Context, tenantID string) (Recount, error) {
	r, err := d.recount(ctx, tenantID)
	return r, wrap("recount", err)
}

func (d *base) recount(ctx context.Context, tenantID string) (r Recount, err error) {
	// One snapshot for all: PostgreSQL's lower levels take one for each statement.
	tx, err := d.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return r, err
	}
	defer func() { _ = tx.Rollback() }()
	if r.Kept, err = sums(ctx, tx, tenantID); err != nil {
		return r, err
	}
	counted, received, err := countRows(ctx, tx, tenantID)
	if err != nil {
		return r, err
	}
	r.Rows = newAllSums()
	for k, n := range counted.states() {
		r.Rows.of(k.DestinationID).add("", k.state, n)
		if k.DestinationID != "" {
			r.Rows.of(k.DestinationID)[Entered] += n
		}
	}
	for k, n := range received {
		r.Rows.Subscribers.add(Kind(k.kind), "", n)
	}
	var repeated int
	if err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM consents WHERE tenant_id = $1 AND act = 'given')
			+ (SELECT COALESCE(sum(repeated), 0) FROM removals WHERE tenant_id = $1 AND erased = 1)`, tenantID).Scan(&repeated); err != nil {
		return r, err
	}
	r.Rows.Subscribers[Repeated] = repeated
	r.Wrong, err = wrongCounts(ctx, tx, tenantID, counted, received)
	return r, err
}

// countRows counts the tenant's subscribers and deliveries, and the receipts of those who
// were erased, in each way in which they are kept count of. received are the subscribers of
// each hour and kind, as the ledger has them.
func countRows(ctx context.Context, tx *sql.Tx, tenantID string) (counted tally, received map[ledgerKey]int, err error) {
	counted, received = newTally(), map[ledgerKey]int{}
	err = each(ctx, tx, func(row scanner) error {
		p := place{tenantID: tenantID}
		var kind string
		var n int
		if err := row.Scan(&p.destinationID, &p.newsletterID, &p.createdAt, &p.state, &p.reason, &p.orgID, &kind, &n); err != nil {
			return err
		}
		counted.add(p, n)
		if kind != "" {
			received[ledgerKey{tenantID, p.newsletterID, p.createdAt, kind}] += n
		}
		return nil
	}, `SELECT '', newsletter_id, created_at - created_at % 3600000, state, '', '', CASE WHEN source = 'import' THEN 'imported' ELSE 'new' END, count(*)
		FROM subscribers WHERE tenant_id = $1 GROUP BY 2, 3, 4, 7
		UNION ALL SELECT '', newsletter_id, hour, CASE WHEN kind = 'expired' THEN '`+string(Expired)+`' ELSE '`+string(Erased)+`' END, '', '', CASE WHEN imported = 1 THEN 'imported' ELSE 'new' END, count(*)
		FROM removals WHERE tenant_id = $1 AND erased = 1 GROUP BY 2, 3, 4, 7
		UNION ALL SELECT d.destination_id, s.newsletter_id, s.created_at - s.created_at % 3600000, d.state, d.reason, d.org_id, '', count(*)
		FROM deliveries d JOIN subscribers s ON s.tenant_id = d.tenant_id AND s.id = d.subscriber_id JOIN destinations t ON t.id = d.destination_id AND t.removed_at = 0
		WHERE d.tenant_id = $1 GROUP BY 1, 2, 3, 4, 5, 6
		UNION ALL SELECT e.destination_id, r.newsletter_id, r.hour, '`+string(Erased)+`', '', '', '', count(*)
		FROM removals r JOIN removal_records e ON e.tenant_id = r.tenant_id AND e.subscriber_id = r.subscriber_id JOIN destinations t ON t.id = e.destination_id AND t.removed_at = 0
		WHERE r.tenant_id = $1 AND r.erased = 1 GROUP BY 1, 2, 3`, tenantID)
	return counted, received, err
}

// wrongCounts is how many of the numbers that are kept are not those counted.
func wrongCounts(ctx context.Context, tx *sql.Tx, tenantID string, counted tally, received map[ledgerKey]int) (int, error) {
	hours := func(row scanner) (k hourKey, n int, err error) {
		k.TenantID = tenantID
		return k, n, row.Scan(&k.DestinationID, &k.newsletterID, &k.hour, &k.state, &n)
	}
	byHour, err := wrongIn(ctx, tx, counted.hours(), hours, `SELECT destination_id, newsletter_id, hour, state, n FROM hour_counts`+ofDestinations, tenantID)
	if err != nil {
		return 0, err
	}
	byDay, err := wrongIn(ctx, tx, counted.days(), func(row scanner) (k dayKey, n int, err error) {
		k.TenantID = tenantID
		return k, n, row.Scan(&k.DestinationID, &k.day, &k.state, &n)
	}, `SELECT destination_id, day, state, sum(n) FROM day_counts`+ofDestinations+` GROUP BY 1, 2, 3`, tenantID)
	if err != nil {
		return 0, err
	}
	byLedger, err := wrongIn(ctx, tx, received, func(row scanner) (k ledgerKey, n int, err error) {
		k.tenantID = tenantID
		return k, n, row.Scan(&k.newsletterID, &k.hour, &k.kind, &n)
	}, `SELECT newsletter_id, hour, CASE WHEN kind = 'imported' THEN kind ELSE 'new' END, n FROM ledger WHERE tenant_id = $1 AND kind <> 'repeated'`, tenantID)
	if err != nil {
		return 0, err
	}
	bySum, err := wrongSums(ctx, tx, tenantID)
	if err != nil {
		return 0, err
	}
	byReason, err := wrongIn(ctx, tx, counted.reasons(), func(row scanner) (k reasonKey, n int, err error) {
		k.TenantID = tenantID
		if err = row.Scan(&k.DestinationID, &k.state, &k.reason, &n); !k.state.Known() {
			n = 0 // whether its reasons are counted, a later release knows
		}
		return k, n, err
	}, `SELECT destination_id, state, reason, n FROM reason_counts`+ofDestinations, tenantID)
	if err != nil {
		return 0, err
	}
	byOrg, err := wrongIn(ctx, tx, counted.orgs(), func(row scanner) (k orgKey, n int, err error) {
		k.TenantID = tenantID
		return k, n, row.Scan(&k.DestinationID, &k.orgID, &n)
	}, `SELECT destination_id, org_id, n FROM org_counts`+ofDestinations, tenantID)
	return byHour + byDay + byLedger + bySum + byReason + byOrg, err
}

// wrongSums is how many of the ledger's sums are not those of its hours.
func wrongSums(ctx context.Context, tx *sql.Tx, tenantID string) (int, error) {
	entered := map[string]int{}
	err := each(ctx, tx, func(row scanner) error {
		var kind string
		var n int
		err := row.Scan(&kind, &n)
		entered[kind] = n
		return err
	}, `SELECT kind, sum(n) FROM ledger WHERE tenant_id = $1 GROUP BY kind`, tenantID)
	if err != nil {
		return 0, err
	}
	return wrongIn(ctx, tx, entered, func(row scanner) (kind string, n int, err error) {
		return kind, n, row.Scan(&kind, &n)
	}, `SELECT kind, n FROM ledger_sums WHERE tenant_id = $1 AND destination_id = ''`, tenantID)
}

// wrongIn is how many numbers of a query are not those counted.
func wrongIn[K comparable](ctx context.Context, tx *sql.Tx, counted map[K]int, scan func(scanner) (K, int, error), query string, args ...any) (wrong int, err error) {
	left := map[K]int{}
	for k, n := range counted {
		left[k] = n
	}
	err = each(ctx, tx, func(row scanner) error {
		k, n, err := scan(row)
		left[k] -= n
		return err
	}, query, args...)
	for _, n := range left {
		if n != 0 {
			wrong++
		}
	}
	return wrong, err
}
