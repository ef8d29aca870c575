package db

import (
	"context"
	"database/sql"
)

// Kind is a kind of sign-up, as the ledger counts them.
type Kind string

// The kinds of sign-ups. What a later release counts beside Repeated makes somebody new.
const (
	New      Kind = "new"      // made somebody new: the left side of the sum
	Repeated Kind = "repeated" // of somebody who was there already: in no sum
)

// Counted is what sums are kept of: a Kind of sign-up, or a State of subscribers.
type Counted interface {
	sign() int // how it counts in the difference
}

func (k Kind) sign() int {
	if k == New {
		return 1
	}
	return 0
}

func (State) sign() int { return -1 }

// Sums says how many sign-ups were received, from the ledger, and in which states
// the subscribers are now, from the counts kept with the states.
type Sums map[Counted]int

// Difference is what is missing from the states (or too much in them, when it is
// negative). It is zero unless something is broken.
func (s Sums) Difference() (n int) {
	for c, of := range s {
		n += c.sign() * of
	}
	return n
}

// People is how many subscribers there are, in all states that have any.
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
	case kind == Repeated:
		s[Repeated] += n
	default:
		s[New] += n
	}
}

const selectSums = `SELECT kind, '', n FROM ledger_sums WHERE tenant_id = $1
	UNION ALL SELECT '', state, sum(n) FROM state_counts WHERE tenant_id = $1 GROUP BY state`

// Sums returns the tenant's sums.
func (d *Readers) Sums(ctx context.Context, tenantID string) (Sums, error) {
	s, err := sums(ctx, d.read, tenantID)
	return s, wrap("sums", err)
}

func sums(ctx context.Context, q rowsQueryer, tenantID string) (s Sums, err error) {
	err = ask(ctx, q, sumsOf(&s, tenantID))
	return s, err
}

// sumsOf reads the tenant's sums.
func sumsOf(s *Sums, tenantID string) part {
	*s = Sums{}
	return part{selectSums, []any{tenantID}, func(row scanner) error {
		var kind Kind
		var state State
		var n int
		err := row.Scan(&kind, &state, &n)
		if err == nil {
			s.add(kind, state, n)
		}
		return err
	}}
}

// Recount is what the rows say, beside what was kept. New and Repeated of Rows
// come from the subscribers and their consents, and from the receipts of those who were
// erased.
type Recount struct {
	Kept, Rows Sums
	Wrong      int // kept numbers by hour, cause and org that the rows contradict
}

// Agrees reports whether the rows say what was kept, with nothing missing.
func (r Recount) Agrees() bool {
	return r.Kept.Equal(r.Rows) && r.Kept.Difference() == 0 && r.Wrong == 0
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
	r.Rows = Sums{}
	for k, n := range counted.states() {
		r.Rows.add("", k.state, n)
		r.Rows[New] += n
	}
	var repeated int
	if err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM consents WHERE tenant_id = $1)
			+ (SELECT COALESCE(sum(repeated), 0) FROM removals WHERE tenant_id = $1 AND erased = 1)`, tenantID).Scan(&repeated); err != nil {
		return r, err
	}
	r.Rows[Repeated] = repeated
	r.Wrong, err = wrongCounts(ctx, tx, tenantID, counted, received)
	return r, err
}

// countRows counts the tenant's subscribers, and the receipts of those who were erased,
// in each way in which they are kept count of. received are those of each hour, as the
// ledger has them.
func countRows(ctx context.Context, tx *sql.Tx, tenantID string) (counted tally, received map[hourKey]int, err error) {
	counted, received = newTally(), map[hourKey]int{}
	err = each(ctx, tx, func(row scanner) error {
		p := place{tenantID: tenantID}
		var n int
		if err := row.Scan(&p.newsletterID, &p.createdAt, &p.state, &p.reason, &p.orgID, &n); err != nil {
			return err
		}
		counted.add(p, n)
		received[hourKey{tenantID, p.newsletterID, p.createdAt, "new"}] += n
		return nil
	}, `SELECT newsletter_id, created_at - created_at % 3600000, state, reason, org_id, count(*)
		FROM subscribers WHERE tenant_id = $1 GROUP BY 1, 2, 3, 4, 5
		UNION ALL SELECT newsletter_id, hour, '`+string(Erased)+`', '', '', count(*)
		FROM removals WHERE tenant_id = $1 AND erased = 1 GROUP BY 1, 2`, tenantID)
	return counted, received, err
}

// wrongCounts is how many of the numbers that are kept are not those counted.
func wrongCounts(ctx context.Context, tx *sql.Tx, tenantID string, counted tally, received map[hourKey]int) (int, error) {
	hours := func(row scanner) (k hourKey, n int, err error) {
		k.tenantID = tenantID
		return k, n, row.Scan(&k.newsletterID, &k.hour, &k.state, &n)
	}
	byHour, err := wrongIn(ctx, tx, counted.hours(), hours, `SELECT newsletter_id, hour, state, n FROM hour_counts WHERE tenant_id = $1`, tenantID)
	if err != nil {
		return 0, err
	}
	byDay, err := wrongIn(ctx, tx, counted.days(), func(row scanner) (k dayKey, n int, err error) {
		k.tenantID = tenantID
		return k, n, row.Scan(&k.day, &k.state, &n)
	}, `SELECT day, state, sum(n) FROM day_counts WHERE tenant_id = $1 GROUP BY 1, 2`, tenantID)
	if err != nil {
		return 0, err
	}
	byLedger, err := wrongIn(ctx, tx, received, hours, `SELECT newsletter_id, hour, 'new', n FROM ledger WHERE tenant_id = $1 AND kind <> 'repeated'`, tenantID)
	if err != nil {
		return 0, err
	}
	entered := map[ledgerSum]int{}
	err = each(ctx, tx, func(row scanner) error {
		k, n := ledgerSum{tenantID: tenantID}, 0
		err := row.Scan(&k.kind, &n)
		entered[k] = n
		return err
	}, `SELECT kind, sum(n) FROM ledger WHERE tenant_id = $1 GROUP BY kind`, tenantID)
	if err != nil {
		return 0, err
	}
	bySum, err := wrongIn(ctx, tx, entered, func(row scanner) (k ledgerSum, n int, err error) {
		k.tenantID = tenantID
		return k, n, row.Scan(&k.kind, &n)
	}, `SELECT kind, n FROM ledger_sums WHERE tenant_id = $1`, tenantID)
	if err != nil {
		return 0, err
	}
	byReason, err := wrongIn(ctx, tx, counted.reasons(), func(row scanner) (k reasonKey, n int, err error) {
		k.tenantID = tenantID
		if err = row.Scan(&k.state, &k.reason, &n); !k.state.Known() {
			n = 0 // whether its reasons are counted, a later release knows
		}
		return k, n, err
	}, `SELECT state, reason, n FROM reason_counts WHERE tenant_id = $1`, tenantID)
	if err != nil {
		return 0, err
	}
	byOrg, err := wrongIn(ctx, tx, counted.orgs(), func(row scanner) (k orgKey, n int, err error) {
		k.tenantID = tenantID
		return k, n, row.Scan(&k.orgID, &n)
	}, `SELECT org_id, n FROM org_counts WHERE tenant_id = $1`, tenantID)
	return byHour + byDay + byLedger + bySum + byReason + byOrg, err
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
