package db

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Span is a time of whole UTC hours: from the beginning of one until before that of
// another.
type Span struct{ From, Until time.Time }

// days are the whole UTC days of the span, from the first on until before the second.
func (s Span) days() (first, after int64) {
	return dayOf(millis(s.From) + dayMillis - 1), dayOf(millis(s.Until))
}

// signUpsIn reads how many people who signed up in each of the spans entered a destination,
// by the state in which their deliveries are now: whole UTC days by the day, and the hours before and after those by the
// hour. Spans follow on each other.
func signUpsIn(all *[]map[State]int, key DestinationKey, spans []Span) part {
	*all = make([]map[State]int, len(spans))
	for i := range spans {
		(*all)[i] = map[State]int{}
	}
	var queries, bounds []string
	args := []any{key.TenantID, key.DestinationID}
	between := func(text string, from, until int64) string {
		args = append(args, from, until)
		return fmt.Sprintf(text, len(args)-1, len(args))
	}
	switch runs := hourRuns(spans); len(runs) {
	case 0:
	case 1: // as it is: PostgreSQL reads all hours for a long one of several
		queries = append(queries, between(`SELECT 0, hour, state, sum(n) FROM hour_parts WHERE tenant_id = $1 AND destination_id = $2 AND hour >= $%d AND hour < $%d GROUP BY hour, state`, runs[0][0], runs[0][1]))
	default:
		for _, run := range runs {
			bounds = append(bounds, between(`(CAST($%d AS BIGINT), CAST($%d AS BIGINT))`, run[0], run[1]))
		}
		queries = append(queries, `SELECT 0, h.hour, h.state, sum(h.n) FROM (VALUES `+strings.Join(bounds, ", ")+`) v
			CROSS JOIN hour_parts h WHERE h.tenant_id = $1 AND h.destination_id = $2 AND h.hour >= v.column1 AND h.hour < v.column2 GROUP BY 2, 3`)
	}
	first, _ := spans[0].days()
	if _, after := spans[len(spans)-1].days(); first < after {
		queries = append(queries, between(`SELECT 1, day, state, sum(n) FROM day_counts WHERE tenant_id = $1 AND destination_id = $2 AND day >= $%d AND day < $%d GROUP BY day, state`, first, after))
	}
	return part{strings.Join(queries, " UNION ALL "), args, func(row scanner) error {
		var byDay bool
		var at int64
		var state State
		var n int
		if err := row.Scan(&byDay, &at, &state, &n); err != nil {
			return err
		}
		if i := slices.IndexFunc(spans, func(s Span) bool { return s.counts(byDay, at) }); i >= 0 && n != 0 {
			(*all)[i][state.counted()] += n
		}
		return nil
	}}
}

// counts reports whether what is counted by the day or by the hour belongs to the span.
// An hour of one of its whole days is counted with that.
func (s Span) counts(byDay bool, at int64) bool {
	if first, after := s.days(); first < after && at >= first && at < after {
		return byDay
	}
	return !byDay && at >= millis(s.From) && at < millis(s.Until)
}

// hourRuns are the hours of spans that belong to none of their whole days, each run with
// its begin and end.
func hourRuns(spans []Span) (runs [][2]int64) {
	add := func(from, until int64) {
		switch last := len(runs) - 1; {
		case from >= until:
		case last >= 0 && runs[last][1] == from:
			runs[last][1] = until
		default:
			runs = append(runs, [2]int64{from, until})
		}
	}
	for _, s := range spans {
		from, until := millis(s.From), millis(s.Until)
		first, after := s.days()
		if first >= after {
			add(from, until)
			continue
		}
		add(from, first)
		add(after, until)
	}
	return runs
}

// SignUps returns how many people who signed up in each of the spans entered a destination,
// by the state in which their deliveries are now.
func (d *Watch) SignUps(ctx context.Context, key DestinationKey, spans []Span) (all []map[State]int, err error) {
	err = ask(ctx, d.read, signUpsIn(&all, key, spans))
	return all, wrap("sign-ups", err)
}

// HourCount is how many people signed up in a UTC hour.
type HourCount struct {
	Hour time.Time
	N    int
}

func scanHourCount(row scanner) (h HourCount, err error) {
	var hour int64
	err = row.Scan(&hour, &h.N)
	h.Hour = fromMillis(hour)
	return h, err
}

// signUpsByHour reads how many people signed up in each UTC hour from since on in which
// anybody did.
func signUpsByHour(all *[]HourCount, tenantID string, since time.Time) part {
	return listed(all, scanHourCount, `SELECT hour, sum(n) FROM hour_parts WHERE tenant_id = $1 AND destination_id = '' AND hour >= $2 GROUP BY hour`, tenantID, millis(since))
}

// Traffic is what goes to a destination.
type Traffic struct {
	Pace     time.Duration // how far apart batches are begun at least
	Received []HourCount   // the tenant's sign-ups, repeated ones too, of the hours in which there were any
	Orgs     []OrgCount    // where those are who were delivered
}

// Traffic returns what goes to a destination, with the sign-ups from since on.
func (d *Watch) Traffic(ctx context.Context, key DestinationKey, since time.Time) (t Traffic, err error) {
	err = ask(ctx, d.read, orgsOf(&t.Orgs, key),
		listed(&t.Received, scanHourCount, `SELECT hour, sum(n) FROM ledger WHERE tenant_id = $1 AND hour >= $2 GROUP BY hour`, key.TenantID, millis(since)),
		one(&t.Pace, func(row scanner) (time.Duration, error) {
			var pace int64
			err := row.Scan(&pace)
			return time.Duration(pace) * time.Millisecond, err
		}, `SELECT pace FROM destinations WHERE tenant_id = $1 AND id = $2`, key.TenantID, key.DestinationID))
	return t, wrap("traffic", err)
}

// Home is what a tenant's first page tells beside its overview.
type Home struct {
	Health                      // of the destination that the chart is of
	Others    map[string]Health // of the tenant's other destinations, without SignUps, by their ids
	Incidents []Incident        // as Incidents returns them
	ByHour    []HourCount       // of the hours in which anybody signed up
	First     time.Time         // the first sign-up of those who are there; zero when there is none
	Latest    []LatestSignUp    // the newest first
	Tests     int               // who are there by a test sign-up
	Tested    bool              // a test sign-up was sent, whatever became of it
}

// LatestSignUp is who signed up lately.
type LatestSignUp struct {
	ID, Email string
	At        time.Time
}

// Home returns what the tenant's first page tells: the columns of its chart, which is of one
// destination, how its other ones are, the sign-ups of each hour from since on, and the latest
// few of them.
func (d *Watch) Home(ctx context.Context, key DestinationKey, others []DestinationKey, columns []Span, since time.Time, latest int) (h Home, err error) {
	tenantID := key.TenantID
	parts, sorted := d.health(&h.Health, key, columns)
	healths := make([]Health, len(others))
	var sortedOthers []func()
	for i, other := range others {
		more, sorted := d.health(&healths[i], other, nil)
		parts, sortedOthers = append(parts, more...), append(sortedOthers, sorted)
	}
	parts = append(parts,
		incidentsOf(&h.Incidents, tenantID),
		signUpsByHour(&h.ByHour, tenantID, since),
		one(&h.First, scanTime, `SELECT created_at FROM subscribers WHERE tenant_id = $1 ORDER BY id LIMIT 1`, tenantID),
		listed(&h.Latest, func(row scanner) (l LatestSignUp, err error) {
			var at int64
			err = row.Scan(&l.ID, &l.Email, &at)
			l.At = fromMillis(at)
			return l, err
		}, `SELECT id, email, created_at FROM subscribers WHERE tenant_id = $1 AND state <> 'erasing' ORDER BY id DESC LIMIT $2`, tenantID, latest),
		part{`SELECT (SELECT count(*) FROM subscribers WHERE tenant_id = $1 AND source = 'test'),
			CASE WHEN EXISTS (SELECT 1 FROM consents WHERE tenant_id = $1 AND source = 'test') OR EXISTS (SELECT 1 FROM removals WHERE tenant_id = $1) THEN 1 ELSE 0 END`, []any{tenantID},
			func(row scanner) error {
				var more int // tests than those who are there by one
				err := row.Scan(&h.Tests, &more)
				h.Tested = h.Tests+more > 0
				return err
			}},
	)
	if err := ask(ctx, d.read, parts...); err != nil {
		return Home{}, wrap("home", err)
	}
	sorted()
	h.Others = map[string]Health{}
	for i, other := range others {
		sortedOthers[i]()
		h.Others[other.DestinationID] = healths[i]
	}
	slices.SortFunc(h.Incidents, func(a, b Incident) int { return strings.Compare(b.ID, a.ID) })
	return h, nil
}
