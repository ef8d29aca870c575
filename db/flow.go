package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Span is a time of whole UTC hours: from the beginning of one until before that of
// another.
type Span struct{ From, Until time.Time }

// signUpsIn reads how many people signed up in each of the spans, by the state in which
// they are now: of whole UTC days by the day, and by the hour of what is before and after
// those.
func signUpsIn(all *[]map[State]int, tenantID string, spans []Span) part {
	*all = make([]map[State]int, len(spans))
	p := part{args: []any{tenantID}, row: func(row scanner) error {
		var i, n int
		var state State
		if err := row.Scan(&i, &state, &n); err != nil {
			return err
		}
		if !state.Known() {
			return errors.New("a count of unknown state: " + string(state))
		}
		if n != 0 {
			(*all)[i][state] += n
		}
		return nil
	}}
	var days, hours []string
	add := func(to *[]string, i int, from, until int64) {
		if from < until {
			*to = append(*to, fmt.Sprintf("(%d, CAST($%d AS BIGINT), CAST($%d AS BIGINT))", i, len(p.args)+1, len(p.args)+2))
			p.args = append(p.args, from, until)
		}
	}
	for i, s := range spans {
		(*all)[i] = map[State]int{}
		from, until := millis(s.From), millis(s.Until)
		firstDay, afterDays := dayOf(from+dayMillis-1), dayOf(until)
		if firstDay >= afterDays {
			add(&hours, i, from, until)
			continue
		}
		add(&hours, i, from, firstDay)
		add(&days, i, firstDay, afterDays)
		add(&hours, i, afterDays, until)
	}
	p.query = strings.Join([]string{countsIn("hour", "hour_parts", hours), countsIn("day", "day_counts", days)}, " UNION ALL ")
	return p
}

// countsIn selects the counts of a table between pairs of bounds, each with its number.
func countsIn(column, table string, bounds []string) string {
	if bounds == nil {
		bounds = []string{"(0, CAST(0 AS BIGINT), CAST(0 AS BIGINT))"}
	}
	return `SELECT b.i, c.state, sum(c.n) FROM (SELECT column1 AS i, column2 AS since, column3 AS until FROM (VALUES ` + strings.Join(bounds, ", ") + `) v) b
		CROSS JOIN ` + table + ` c WHERE c.tenant_id = $1 AND c.` + column + ` >= b.since AND c.` + column + ` < b.until GROUP BY 1, 2`
}

// SignUps returns how many people signed up in each of the spans, by the state in which
// they are now.
func (d *Watch) SignUps(ctx context.Context, tenantID string, spans []Span) (all []map[State]int, err error) {
	err = ask(ctx, d.read, signUpsIn(&all, tenantID, spans))
	return all, wrap("sign-ups", err)
}

// HourCount is how many people signed up in a UTC hour.
type HourCount struct {
	Hour time.Time
	N    int
}

// signUpsByHour reads how many people signed up in each UTC hour from since on in which
// anybody did.
func signUpsByHour(all *[]HourCount, tenantID string, since time.Time) part {
	return listed(all, func(row scanner) (h HourCount, err error) {
		var hour int64
		err = row.Scan(&hour, &h.N)
		h.Hour = fromMillis(hour)
		return h, err
	}, `SELECT hour, sum(n) FROM hour_parts WHERE tenant_id = $1 AND hour >= $2 GROUP BY hour`, tenantID, millis(since))
}

// Home is what a tenant's first page tells beside its overview.
type Home struct {
	Health
	ByHour   []HourCount    // of the hours in which anybody signed up
	First    time.Time      // the first sign-up of those who are there; zero when there is none
	Latest   []LatestSignUp // the newest first
	Tests    int            // who are there by a test sign-up
	Retested int            // 1 when a test sign-up was sent for an address that was there
}

// LatestSignUp is who signed up lately.
type LatestSignUp struct {
	ID, Email string
	At        time.Time
}

// Home returns what the tenant's first page tells: the columns of its chart, the sign-ups
// of each hour from since on, and the latest few of them.
func (d *Watch) Home(ctx context.Context, tenantID string, columns []Span, since time.Time, latest int) (h Home, err error) {
	parts, sorted := d.health(&h.Health, tenantID, columns)
	parts = append(parts,
		signUpsByHour(&h.ByHour, tenantID, since),
		one(&h.First, func(row scanner) (time.Time, error) {
			var at int64
			err := row.Scan(&at)
			return fromMillis(at), err
		}, `SELECT created_at FROM subscribers WHERE tenant_id = $1 ORDER BY id LIMIT 1`, tenantID),
		listed(&h.Latest, func(row scanner) (l LatestSignUp, err error) {
			var at int64
			err = row.Scan(&l.ID, &l.Email, &at)
			l.At = fromMillis(at)
			return l, err
		}, `SELECT id, email, created_at FROM subscribers WHERE tenant_id = $1 ORDER BY id DESC LIMIT $2`, tenantID, latest),
		part{`SELECT (SELECT count(*) FROM subscribers WHERE tenant_id = $1 AND source = 'test'),
			CASE WHEN EXISTS (SELECT 1 FROM consents WHERE tenant_id = $1 AND source = 'test') THEN 1 ELSE 0 END`, []any{tenantID},
			func(row scanner) error { return row.Scan(&h.Tests, &h.Retested) }},
	)
	if err := ask(ctx, d.read, parts...); err != nil {
		return Home{}, wrap("home", err)
	}
	sorted()
	return h, nil
}
