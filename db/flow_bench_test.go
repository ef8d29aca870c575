package db

import (
	"fmt"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// ofAYear fills the counts of the tenant a as if people had signed up for two newsletters
// in each hour of a year, and their deliveries are in several states now: a million of them.
func (d *DB) ofAYear(t testing.TB, end time.Time) {
	t.Helper()
	const hours = 366 * 24
	first := hourOf(millis(end.Add(-(hours - 1) * time.Hour)))
	for _, statement := range []string{
		`INSERT INTO hour_counts (tenant_id, destination_id, hour, newsletter_id, state, n) WITH RECURSIVE h (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM h WHERE i < %d)
			SELECT 'a', 'a', %d + i * CAST(3600000 AS BIGINT), l.id, s.state, s.n FROM h CROSS JOIN (SELECT 'a/1' AS id UNION ALL SELECT 'a/2') l
			CROSS JOIN (SELECT 'delivered' AS state, 50 AS n UNION ALL SELECT 'attention', 3 UNION ALL SELECT 'dismissed', 2) s`,
		`INSERT INTO activity (tenant_id, destination_id, kind, hour, n, last_at) WITH RECURSIVE h (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM h WHERE i < %d)
			SELECT 'a', 'a', 'delivered', %d + i * CAST(3600000 AS BIGINT), 100, %[2]d + i * CAST(3600000 AS BIGINT) + 1 FROM h`,
	} {
		if _, err := d.write.Exec(testdb.OnCounts(t, fmt.Sprintf(statement, hours-1, first))); err != nil {
			t.Fatal(err)
		}
	}
}

// months are the last twelve, as spans.
func months(now time.Time) (all []Span) {
	from := time.Date(now.Year(), now.Month()-11, 1, 0, 0, 0, 0, time.UTC)
	for range 12 {
		until := from.AddDate(0, 1, 0)
		all, from = append(all, Span{from, until}), until
	}
	return all
}

// lastDays are thirty in a zone whose days aren't UTC's.
func lastDays(now time.Time) (all []Span) {
	from := now.Truncate(24*time.Hour).AddDate(0, 0, -29).Add(-time.Hour)
	for range 30 {
		until := from.AddDate(0, 0, 1)
		all, from = append(all, Span{from, until}), until
	}
	return all
}

// BenchmarkSignUpsOfAYear is what a chart of twelve months costs, and Home with it.
func BenchmarkSignUpsOfAYear(b *testing.B) {
	d := withNewsletters(b, "a/1", "a/2")
	now := time.Now()
	d.ofAYear(b, now)
	for name, read := range map[string]func() error{
		"chart": func() error { _, err := d.SignUps(b.Context(), first("a"), months(now)); return err },
		"home": func() error {
			_, err := d.Home(b.Context(), first("a"), nil, months(now), now.AddDate(0, 0, -13), 6)
			return err
		},
		"hours": func() error {
			var h []HourCount
			return ask(b.Context(), d.read, signUpsByHour(&h, "a", now.AddDate(0, 0, -13)))
		},
		"days":   func() error { _, err := d.SignUps(b.Context(), first("a"), lastDays(now)); return err },
		"status": func() error { _, err := d.Health(b.Context(), first("a"), months(now)); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
