package db

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// limit has a second to wait for each failure.
func limit(key string) Limit {
	return Limit{Key: key, Wait: func(n int64) time.Duration { return time.Duration(n) * time.Second }}
}

// Counts from two databases on one file don't overlap.
func TestFailuresAtOnce(t *testing.T) {
	path := empty.Copy(t)
	var both [2]*DB
	for i := range both {
		d, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
		both[i] = d
	}
	// no wait: all count
	free := Limit{Key: "free", Wait: func(int64) time.Duration { return 0 }}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			if until, err := both[i%2].CountFailure(t.Context(), noon, noon.Add(time.Hour), []Limit{free}); err != nil || !until.IsZero() {
				t.Error(until, err)
			}
		})
	}
	all.Wait()
	if n := number(t, both[0], `SELECT failures FROM throttles WHERE key = 'free'`); n != 40 {
		t.Errorf("counted %d", n)
	}
}

func TestCountFailure(t *testing.T) {
	d := open(t)
	count := func(now time.Time, limits ...Limit) (until time.Time) {
		t.Helper()
		read, err := d.ThrottledUntil(t.Context(), now, limits)
		if err != nil {
			t.Fatal(err)
		}
		until, err = d.CountFailure(t.Context(), now, now.Add(time.Hour), limits)
		if err != nil || !read.Equal(until) {
			t.Errorf("until %v, and %v when only looked at; %v", until, read, err)
		}
		return until
	}
	failures := func(key string) int {
		t.Helper()
		return number(t, d, `SELECT COALESCE((SELECT failures FROM throttles WHERE key = '`+key+`'), 0)`)
	}
	a, b := limit("a"), limit("b")
	if until := count(noon, b); !until.IsZero() || failures("b") != 1 {
		t.Errorf("the first: until %v", until)
	}
	if until := count(noon, b, a); !until.Equal(noon.Add(time.Second)) || failures("a") != 0 || failures("b") != 1 {
		t.Errorf("one has to wait: until %v, a counted %d, b %d", until, failures("a"), failures("b"))
	}
	now := noon.Add(time.Second)
	if until := count(now, a, b); !until.IsZero() || failures("a") != 1 || failures("b") != 2 {
		t.Errorf("after the wait: until %v", until)
	}
	if err := d.ForgiveFailure(t.Context(), now, []Limit{a, b, limit("c")}); err != nil {
		t.Fatal(err)
	}
	if until, err := d.ThrottledUntil(t.Context(), now, []Limit{a, b}); err != nil || !until.IsZero() || failures("a") != 0 || failures("b") != 1 {
		t.Errorf("forgiven: until %v, %v", until, err)
	}
	count(now, b) // and another at the same time
	if err := d.ForgiveFailure(t.Context(), now.Add(-time.Second), []Limit{b}); err != nil {
		t.Fatal(err)
	}
	if until, err := d.ThrottledUntil(t.Context(), now, []Limit{b}); err != nil || until.IsZero() {
		t.Errorf("forgiving one ends the wait that a later one brought: %v", err)
	}
	if until := count(now.Add(2*time.Hour), b); !until.IsZero() || failures("b") != 1 {
		t.Errorf("after a quiet hour %d are counted", failures("b"))
	}
	if err := d.ForgetFailures(t.Context(), []Limit{b, a}); err != nil || failures("b") != 0 {
		t.Errorf("forgotten: %d, %v", failures("b"), err)
	}
}

func TestExpireSessions(t *testing.T) {
	d := open(t)
	u, _ := member(t, d, "ann")
	d.now = func() time.Time { return noon }
	for n, expires := range []time.Time{noon, noon.Add(time.Millisecond)} {
		name := fmt.Sprint(n)
		s := Session{ID: name, UserID: u.ID, Data: "{}", CreatedAt: noon.Add(-time.Hour), SeenAt: noon, ExpiresAt: expires}
		if err := d.CreateSession(t.Context(), name, s, u, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := d.TrustDevice(t.Context(), u, "", name, noon.Add(-time.Hour), expires); err != nil {
			t.Fatal(err)
		}
		for k := range sweptAtOnce + 1 {
			if _, err := d.write.Exec(`INSERT INTO throttles (key, failures, until, expires_at) VALUES ($1, 1, 0, $2)`, fmt.Sprint(name, "-", k), millis(expires)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.ExpireSessions(t.Context()); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int{"sessions": 1, "devices": 1, "throttles": sweptAtOnce + 1} {
		if n := number(t, d, `SELECT COUNT(*) FROM `+table); n != want {
			t.Errorf("%d of %s are left, want %d", n, table, want)
		}
	}
}
