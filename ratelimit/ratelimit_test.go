package ratelimit_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/ratelimit"
)

// processes are some with limits on one database, by one clock, which stands still until
// it is moved on.
type processes struct {
	t      *testing.T
	limits []*ratelimit.Limits
	now    time.Time
	shares int
	shared []db.LimitCount
	fail   error
}

func newProcesses(t *testing.T, n int) *processes {
	p := &processes{t: t, now: time.Now().Truncate(time.Millisecond)}
	path := dbtest.Path(t)
	for range n {
		store := store{dbtest.Open(t, path), p}
		p.limits = append(p.limits, ratelimit.New(store, func() time.Time { return p.now }, slog.New(slog.DiscardHandler), mac))
	}
	return p
}

// mac is keyed as those of one installation are.
func mac(parts ...string) []byte {
	h := hmac.New(sha256.New, []byte("secret"))
	h.Write([]byte(strings.Join(parts, "\x00")))
	return h.Sum(nil)
}

// What is stored of whom a limit is about can't be found again by trying out all addresses.
func TestCountsAreKeptByAKeyedDigest(t *testing.T) {
	p := newProcesses(t, 1)
	for range 2 {
		p.limits[0].Take("try", "192.0.2.7", 30)
	}
	p.now = p.now.Add(time.Second)
	p.share(p.limits[0])
	if len(p.shared) != 1 || p.shared[0].Key != hex.EncodeToString(mac("try", "192.0.2.7")) {
		t.Errorf("%+v", p.shared)
	}
}

type store struct {
	*db.DB
	p *processes
}

func (s store) ShareCounts(ctx context.Context, now time.Time, counts []db.LimitCount) ([]db.LimitCount, error) {
	s.p.shares++
	s.p.shared = append(s.p.shared, counts...)
	if s.p.fail != nil {
		return nil, s.p.fail
	}
	return s.DB.ShareCounts(ctx, now, counts)
}

// admitted is how many of so many a second for so long pass, which come to the processes
// in turn. Each process shares its counts at moments of its own.
func (p *processes) admitted(who string, perSecond, most int, long time.Duration) (n int) {
	const steps = 40 // in a second
	for step := range int(long / (time.Second / steps)) {
		for i, l := range p.limits {
			if step%(steps/4) == (7*i+3)%(steps/4) { // each quarter of a second
				p.share(l)
			}
		}
		for i := step * perSecond / steps; i < (step+1)*perSecond/steps; i++ {
			if p.limits[i%len(p.limits)].Take("try", who, most) == 0 {
				n++
			}
		}
		p.now = p.now.Add(time.Second / steps)
	}
	return n
}

func (p *processes) share(l *ratelimit.Limits) {
	p.t.Helper()
	if err := l.Share(p.t.Context()); err != nil && !errors.Is(err, p.fail) {
		p.t.Fatal(err)
	}
}

// Whatever the number of processes, a minute's limit is one.
func TestLimitsAreExactOverAMinute(t *testing.T) {
	for _, n := range []int{1, 2, 4} {
		for _, c := range []struct{ perSecond, most int }{{1, 30}, {10, 30}, {100, 3000}, {1000, 3000}} {
			t.Run(fmt.Sprintf("%d processes, %d a second, %d a minute", n, c.perSecond, c.most), func(t *testing.T) {
				p := newProcesses(t, n)
				got, want := p.admitted("a", c.perSecond, c.most, 55*time.Second), min(c.most, 55*c.perSecond)
				if diff := got - want; diff*diff*100 > want*want {
					t.Errorf("%d were admitted, not %d", got, want)
				}
				p.now = p.now.Add(10 * time.Second)
				if got, want := p.admitted("a", c.perSecond, c.most, 3*time.Second), min(c.most, 3*c.perSecond); got < want*9/10 {
					t.Errorf("in the next minute %d were admitted, not %d", got, want)
				}
			})
		}
	}
}

// What others have used up is known although this process counted little of it.
func TestLimitIsSharedUnevenly(t *testing.T) {
	p := newProcesses(t, 2)
	a, b := p.limits[0], p.limits[1]
	for range 2 {
		b.Take("try", "a", 30)
	}
	for range 28 {
		a.Take("try", "a", 30)
	}
	p.now = p.now.Add(time.Second)
	p.share(a)
	p.share(b)
	if wait := b.Take("try", "a", 30); wait != 59*time.Second {
		t.Errorf("to wait: %v", wait)
	}
	if a.Take("try", "a", 31) != 0 || b.Take("try", "b", 30) != 0 || b.Take("other", "a", 30) != 0 {
		t.Error("something else is refused")
	}
}

// Nothing is written for who asks once, nor for what is refused, and otherwise once a second.
func TestLimitsWriteOnceASecond(t *testing.T) {
	p := newProcesses(t, 1)
	l := p.limits[0]
	later := func(want int, why string) {
		t.Helper()
		p.shares, p.now = 0, p.now.Add(time.Second)
		p.share(l)
		p.share(l)
		if p.shares != want {
			t.Errorf("%s: written %d times", why, p.shares)
		}
	}
	for i := range 1000 {
		l.Take("try", fmt.Sprint(i), 30)
	}
	later(0, "a thousand who ask once")
	for i := range 1000 {
		l.Take("try", fmt.Sprint(i), 30)
	}
	later(1, "a thousand who ask again")
	later(0, "nobody asks")
	for range 50 {
		l.Take("try", "a", 30)
	}
	later(1, "as many as may be")
	for range 50 {
		l.Take("try", "a", 30)
	}
	later(0, "more than may be")
}

// While the database can't be had, each process limits by itself, and tells then.
func TestLimitsWithoutTheDatabase(t *testing.T) {
	p := newProcesses(t, 2)
	p.fail = errors.New("no database")
	if got := p.admitted("a", 4, 10, 10*time.Second); got != 20 {
		t.Errorf("%d were admitted by two processes", got)
	}
	p.fail = nil
	p.now = p.now.Add(10 * time.Second)
	for _, l := range p.limits {
		p.share(l)
	}
	p.limits[0].Take("try", "a", 15)
	p.now = p.now.Add(time.Second)
	p.share(p.limits[0])
	if p.limits[0].Take("try", "a", 15) == 0 {
		t.Error("what the other counted meanwhile is not known")
	}
}

// What is counted within a longer time, by all processes, is known to those that count too.
func TestCountingWithinATime(t *testing.T) {
	p := newProcesses(t, 2)
	a, b := p.limits[0], p.limits[1]
	over := func(l *ratelimit.Limits, n int) (last bool) {
		for range n {
			last = l.Over("come", "a", 10, time.Hour)
		}
		return last
	}
	if over(a, 6) || over(b, 3) || a.Reached("come", "a", 10) || b.Reached("come", "b", 1) {
		t.Error("too many before there are ten")
	}
	p.now = p.now.Add(time.Second)
	p.share(a)
	p.share(b)
	p.now = p.now.Add(time.Second)
	if over(a, 1); b.Reached("come", "a", 10) {
		t.Error("too many before it was told")
	}
	p.share(a)
	if over(b, 1) || !b.Reached("come", "a", 10) || !over(b, 1) {
		t.Error("the tenth and the eleventh aren't told apart")
	}
	if b.Reached("other", "a", 1) || b.Over("come", "b", 1, time.Hour) {
		t.Error("something else is counted along")
	}
	p.now = p.now.Add(time.Hour)
	if b.Reached("come", "a", 10) || over(b, 10) || !over(b, 1) {
		t.Error("the next hour doesn't begin anew")
	}
}
