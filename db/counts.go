package db

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
)

// standing is where subscribers, or deliveries to a destination, stand in the counts.
type standing struct {
	DestinationKey // its DestinationID is empty where it is of subscribers
	newsletterID   string
	hour           int64 // of their sign-up
	state          State
	reason         string // where reasons are counted
	orgID          string // where orgs are counted
}

type (
	stateKey struct {
		DestinationKey
		newsletterID string
		state        State
	}
	hourKey struct {
		DestinationKey
		newsletterID string
		hour         int64
		state        State
	}
	dayKey struct {
		DestinationKey
		day   int64
		state State
	}
	reasonKey struct {
		DestinationKey
		state  State
		reason string
	}
	orgKey struct {
		DestinationKey
		orgID string
	}
	activityKey struct {
		DestinationKey
		kind string
	}
	ledgerKey struct {
		tenantID, newsletterID string
		hour                   int64
		kind                   string
	}
	ledgerSum struct {
		DestinationKey
		kind string
	}
)

// A tally collects what a transaction changes in the counts, so that each is written
// once, at its end.
type tally struct {
	standing map[standing]int
	activity map[activityKey]int
	received map[ledgerKey]int
	entered  map[DestinationKey]int
}

func newTally() tally {
	return tally{map[standing]int{}, map[activityKey]int{}, map[ledgerKey]int{}, map[DestinationKey]int{}}
}

func (t tally) clone() tally {
	return tally{maps.Clone(t.standing), maps.Clone(t.activity), maps.Clone(t.received), maps.Clone(t.entered)}
}

// add counts n more at a place.
func (t tally) add(p place, n int) {
	s := standing{p.key(), p.newsletterID, hourOf(p.createdAt), p.state, "", ""}
	switch {
	case p.state == Delivered:
		s.orgID = p.orgID
	case p.state.Info().Problem:
		s.reason = p.reason
	}
	t.standing[s] += n
}

// summed sums a tally by a part of its keys; what has none is left out.
func summed[K, P comparable](by map[K]int, part func(K) (P, bool)) map[P]int {
	sums := map[P]int{}
	for k, n := range by {
		if p, ok := part(k); ok {
			sums[p] += n
		}
	}
	return sums
}

func (t tally) states() map[stateKey]int {
	return summed(t.standing, func(s standing) (stateKey, bool) {
		return stateKey{s.DestinationKey, s.newsletterID, s.state}, true
	})
}

func (t tally) hours() map[hourKey]int {
	return summed(t.standing, func(s standing) (hourKey, bool) {
		return hourKey{s.DestinationKey, s.newsletterID, s.hour, s.state}, true
	})
}

func (t tally) days() map[dayKey]int {
	return summed(t.standing, func(s standing) (dayKey, bool) {
		return dayKey{s.DestinationKey, dayOf(s.hour), s.state}, true
	})
}

func (t tally) reasons() map[reasonKey]int {
	return summed(t.standing, func(s standing) (reasonKey, bool) {
		return reasonKey{s.DestinationKey, s.state, s.reason}, s.reason != ""
	})
}

func (t tally) orgs() map[orgKey]int {
	return summed(t.standing, func(s standing) (orgKey, bool) { return orgKey{s.DestinationKey, s.orgID}, s.state == Delivered })
}

func (t tally) sums() map[ledgerSum]int {
	sums := summed(t.received, func(k ledgerKey) (ledgerSum, bool) {
		return ledgerSum{DestinationKey{TenantID: k.tenantID}, k.kind}, true
	})
	for key, n := range t.entered {
		sums[ledgerSum{key, string(Entered)}] += n
	}
	return sums
}

// counter brings the counts up to date with what a transaction changed.
type counter interface {
	store(ctx context.Context, tx *sql.Tx, t tally, at int64) error
}

// upserts change the counts themselves, which is quickest where there is one writer.
type upserts struct{}

const (
	countStates = `INSERT INTO state_counts (n, tenant_id, destination_id, newsletter_id, state) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant_id, destination_id, newsletter_id, state) DO UPDATE SET n = state_counts.n + excluded.n`
	countHours = `INSERT INTO hour_counts (n, tenant_id, destination_id, hour, newsletter_id, state) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (tenant_id, destination_id, hour, newsletter_id, state) DO UPDATE SET n = hour_counts.n + excluded.n`
	countReasons = `INSERT INTO reason_counts (n, tenant_id, destination_id, state, reason) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant_id, destination_id, state, reason) DO UPDATE SET n = reason_counts.n + excluded.n`
	countOrgs = `INSERT INTO org_counts (n, tenant_id, destination_id, org_id) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, destination_id, org_id) DO UPDATE SET n = org_counts.n + excluded.n`
	countActivity = `INSERT INTO activity (n, tenant_id, destination_id, kind, hour, last_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (tenant_id, destination_id, kind, hour) DO UPDATE SET n = activity.n + excluded.n, last_at = excluded.last_at`
	countLedger = `INSERT INTO ledger (n, tenant_id, newsletter_id, hour, kind) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant_id, newsletter_id, hour, kind) DO UPDATE SET n = ledger.n + excluded.n`
	countLedgerSums = `INSERT INTO ledger_sums (n, tenant_id, destination_id, kind) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, destination_id, kind) DO UPDATE SET n = ledger_sums.n + excluded.n`
)

func (upserts) store(ctx context.Context, tx *sql.Tx, t tally, at int64) error {
	err := addTo(ctx, tx, countLedger, t.received, func(k ledgerKey) []any { return []any{k.tenantID, k.newsletterID, k.hour, k.kind} })
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	err = addTo(ctx, tx, countLedgerSums, t.sums(), func(k ledgerSum) []any { return []any{k.TenantID, k.DestinationID, k.kind} })
	if err != nil {
		return fmt.Errorf("sum the ledger: %w", err)
	}
	err = addTo(ctx, tx, countStates, t.states(), func(k stateKey) []any { return []any{k.TenantID, k.DestinationID, k.newsletterID, k.state} })
	if err != nil {
		return fmt.Errorf("count states: %w", err)
	}
	err = addTo(ctx, tx, countHours, t.hours(), func(k hourKey) []any { return []any{k.TenantID, k.DestinationID, k.hour, k.newsletterID, k.state} })
	if err != nil {
		return fmt.Errorf("count hours: %w", err)
	}
	err = addTo(ctx, tx, countReasons, t.reasons(), func(k reasonKey) []any { return []any{k.TenantID, k.DestinationID, k.state, k.reason} })
	if err != nil {
		return fmt.Errorf("count reasons: %w", err)
	}
	err = addTo(ctx, tx, countOrgs, t.orgs(), func(k orgKey) []any { return []any{k.TenantID, k.DestinationID, k.orgID} })
	if err != nil {
		return fmt.Errorf("count orgs: %w", err)
	}
	err = addTo(ctx, tx, countActivity, t.activity, func(k activityKey) []any { return []any{k.TenantID, k.DestinationID, k.kind, hourOf(at), at} })
	if err != nil {
		return fmt.Errorf("count activity: %w", err)
	}
	return nil
}

// addTo runs an upsert for each count that changed; the number comes first among
// its arguments.
func addTo[K comparable](ctx context.Context, tx *sql.Tx, upsert string, by map[K]int, args func(K) []any) error {
	for k, n := range by {
		if n == 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, upsert, append([]any{n}, args(k)...)...); err != nil {
			return err
		}
	}
	return nil
}

// deltas add what changed as rows of its own, which nobody waits for; see
// migrations/00027_deltas.sql.
type deltas struct{}

func (deltas) store(ctx context.Context, tx *sql.Tx, t tally, at int64) error {
	var texts [7][]string
	var numbers [3][]int64
	add := func(counter string, key DestinationKey, newsletterID string, hour int64, kind, reason, orgID string, n int) {
		if n == 0 {
			return
		}
		for i, text := range []string{counter, key.TenantID, key.DestinationID, newsletterID, kind, reason, orgID} {
			texts[i] = append(texts[i], text)
		}
		for i, number := range []int64{hour, int64(n), at} {
			numbers[i] = append(numbers[i], number)
		}
	}
	for k, n := range t.received {
		add("ledger", DestinationKey{TenantID: k.tenantID}, k.newsletterID, k.hour, k.kind, "", "", n)
	}
	for s, n := range t.standing {
		add("place", s.DestinationKey, s.newsletterID, s.hour, string(s.state), s.reason, s.orgID, n)
	}
	for k, n := range t.activity {
		add("activity", k.DestinationKey, "", hourOf(at), k.kind, "", "", n)
	}
	for key, n := range t.entered {
		add("entered", key, "", hourOf(at), string(Entered), "", "", n)
	}
	if len(numbers[0]) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO count_deltas (counter, tenant_id, destination_id, newsletter_id, kind, reason, org_id, hour, n, at)
		SELECT * FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS TEXT[]), CAST($5 AS TEXT[]), CAST($6 AS TEXT[]), CAST($7 AS TEXT[]),
			CAST($8 AS BIGINT[]), CAST($9 AS BIGINT[]), CAST($10 AS BIGINT[]))`,
		texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6], numbers[0], numbers[1], numbers[2])
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	return nil
}

// foldDeltas adds what was added as rows to the counts, in one statement, so that whoever
// reads meanwhile finds each once. What is added meanwhile is left for the next time.
const foldDeltas = `WITH gone AS (DELETE FROM count_deltas WHERE ctid = ANY (ARRAY(SELECT ctid FROM count_deltas LIMIT 200000)) RETURNING *),
	l AS (INSERT INTO folded_ledger AS f (tenant_id, newsletter_id, hour, kind, n)
		SELECT tenant_id, newsletter_id, hour, kind, sum(n) FROM gone WHERE counter = 'ledger' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
		ON CONFLICT (tenant_id, newsletter_id, hour, kind) DO UPDATE SET n = f.n + excluded.n),
	ls AS (INSERT INTO folded_ledger_sums AS f (tenant_id, destination_id, kind, n)
		SELECT tenant_id, destination_id, kind, sum(n) FROM gone WHERE counter IN ('ledger', 'entered') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
		ON CONFLICT (tenant_id, destination_id, kind) DO UPDATE SET n = f.n + excluded.n),
	s AS (INSERT INTO folded_state_counts AS f (tenant_id, destination_id, newsletter_id, state, n)
		SELECT tenant_id, destination_id, newsletter_id, kind, sum(n) FROM gone WHERE counter = 'place' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
		ON CONFLICT (tenant_id, destination_id, newsletter_id, state) DO UPDATE SET n = f.n + excluded.n),
	h AS (INSERT INTO folded_hour_counts AS f (tenant_id, destination_id, hour, newsletter_id, state, n)
		SELECT tenant_id, destination_id, hour, newsletter_id, kind, sum(n) FROM gone WHERE counter = 'place' GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
		ON CONFLICT (tenant_id, destination_id, hour, newsletter_id, state) DO UPDATE SET n = f.n + excluded.n),
	r AS (INSERT INTO folded_reason_counts AS f (tenant_id, destination_id, state, reason, n)
		SELECT tenant_id, destination_id, kind, reason, sum(n) FROM gone WHERE counter = 'place' AND reason <> '' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
		ON CONFLICT (tenant_id, destination_id, state, reason) DO UPDATE SET n = f.n + excluded.n),
	o AS (INSERT INTO folded_org_counts AS f (tenant_id, destination_id, org_id, n)
		SELECT tenant_id, destination_id, org_id, sum(n) FROM gone WHERE counter = 'place' AND kind = 'delivered' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
		ON CONFLICT (tenant_id, destination_id, org_id) DO UPDATE SET n = f.n + excluded.n),
	a AS (INSERT INTO folded_activity AS f (tenant_id, destination_id, kind, hour, n, last_at)
		SELECT tenant_id, destination_id, kind, hour, sum(n), max(at) FROM gone WHERE counter = 'activity' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
		ON CONFLICT (tenant_id, destination_id, kind, hour) DO UPDATE SET n = f.n + excluded.n, last_at = greatest(f.last_at, excluded.last_at))
	SELECT count(*) FROM gone`

// FoldCounts adds what processes have counted since to the counts that are kept, so that
// they stay quick to read. Nobody sees a difference. It returns how many rows there were:
// none while another process does the same, and none on SQLite.
func (d *Readers) FoldCounts(ctx context.Context) (rows int, err error) {
	if _, ok := d.counter.(deltas); !ok {
		return 0, nil
	}
	err = d.txCommitted(ctx, func(tx *sql.Tx) error { // it reads nothing but what it takes away
		rows = 0
		var mine bool
		if err := tx.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock($1)`, foldLock).Scan(&mine); err != nil || !mine {
			return err
		}
		return tx.QueryRowContext(ctx, foldDeltas).Scan(&rows)
	})
	return rows, wrap("fold the counts", err)
}
