package db

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

func share(t *testing.T, d *DB, now time.Time, counts ...LimitCount) []LimitCount {
	t.Helper()
	all, err := d.ShareCounts(t.Context(), now, counts)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b LimitCount) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// Counts are added up while their window lasts, which is the one that was there first.
func TestCountsAreShared(t *testing.T) {
	d, start := open(t), time.UnixMilli(1_800_000_000_000)
	ends := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	for _, c := range []struct {
		what        string
		at          int
		give, wants []LimitCount
	}{
		{"the first", 0, []LimitCount{{"b", ends(60), 2}, {"a", ends(60), 1}}, []LimitCount{{"a", ends(60), 1}, {"b", ends(60), 2}}},
		{"others' windows", 59, []LimitCount{{"a", ends(100), 3}, {"c", ends(100), 5}}, []LimitCount{{"a", ends(60), 4}, {"c", ends(100), 5}}},
		{"an ended window", 60, []LimitCount{{"a", ends(120), 7}, {"c", ends(120), 1}}, []LimitCount{{"a", ends(120), 7}, {"c", ends(100), 6}}},
	} {
		if got := share(t, d, ends(c.at), c.give...); !slices.Equal(got, c.wants) {
			t.Errorf("%s: %v, want %v", c.what, got, c.wants)
		}
	}
	d.now = func() time.Time { return ends(100) }
	if err := d.ExpireSessions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := number(t, d, `SELECT count(*) FROM limit_counts`); n != 1 { // of a
		t.Errorf("%d counts are left", n)
	}
}

// Processes that share the same counts, each in an order of its own, lose none and
// don't keep each other.
func TestCountsAreSharedAtOnce(t *testing.T) {
	const processes, rounds, keys = 4, 25, 40
	d, start := open(t), time.UnixMilli(1_800_000_000_000)
	var g errgroup.Group
	for i := range processes {
		g.Go(func() error {
			for range rounds {
				counts := make([]LimitCount, keys)
				for k := range counts {
					counts[k] = LimitCount{fmt.Sprint((k*7 + i*13) % keys), start.Add(time.Minute), 1}
				}
				if _, err := d.ShareCounts(t.Context(), start, counts); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := number(t, d, `SELECT count(*) FROM limit_counts WHERE n = $1`, processes*rounds); n != keys {
		t.Errorf("%d of %d counts are whole", n, keys)
	}
}
