package auth

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
)

// guessAt guesses wrong n times, all from different addresses when the format
// has a place for the number.
func guessAt(t *testing.T, p *People, email, ip string, n int) (refused int) {
	t.Helper()
	for i := range n {
		from := ip
		if len(ip) > 0 && ip[len(ip)-1] == '.' {
			from = fmt.Sprintf("%s%d", ip, i)
		}
		_, err := login(t, p, email, "a fence of old elm", from)
		switch {
		case throttled(err) > 0:
			refused++
		case err != ErrCredentials:
			t.Fatal(err)
		}
	}
	return refused
}

func TestAccountThrottle(t *testing.T) {
	for _, who := range []string{email, "joan@contoso.example"} {
		t.Run(who, func(t *testing.T) {
			p, _, c, _ := contoso(t)
			if n := guessAt(t, p, who, "198.51.100.", 10); n != 5 {
				t.Errorf("%d of 10 guesses from as many addresses refused", n)
			}
			_, err := login(t, p, who, password, home)
			if throttled(err) != throttleBase {
				t.Errorf("even the right password has to wait: %v", err)
			}
			c.add(throttleBase)
			if n := guessAt(t, p, who, "198.51.100.", 2); n != 1 {
				t.Errorf("%d of 2 guesses refused after the wait", n)
			}
		})
	}
}

// The wait grows, to five minutes and not beyond, and is forgotten after a
// quiet hour.
func TestThrottleGrowsAndEnds(t *testing.T) {
	p, _, c, _ := contoso(t)
	var longest time.Duration
	for range 60 {
		_, err := login(t, p, email, "a fence of old elm", home)
		wait := throttled(err)
		longest = max(longest, wait)
		c.add(wait)
	}
	if longest != 5*time.Minute {
		t.Errorf("longest wait %s", longest)
	}
	c.add(throttleQuiet)
	if n := guessAt(t, p, email, home, 5); n != 0 {
		t.Errorf("%d guesses refused after a quiet hour", n)
	}
}

func TestNetworkThrottle(t *testing.T) {
	p, _, _, _ := contoso(t)
	spray := func(ip string) (refused int) {
		for i := range 30 {
			refused += guessAt(t, p, fmt.Sprintf("somebody%d@%s.example", i, ip), ip, 1)
		}
		return refused
	}
	if n := spray(home); n != 10 {
		t.Errorf("%d of 30 guesses at as many accounts refused", n)
	}
	if n := guessAt(t, p, "last@contoso.example", "::ffff:"+home, 1); n != 1 {
		t.Error("the same address written as IPv6 has other throttles")
	}
	if n := guessAt(t, p, "last@contoso.example", "192.0.2.77", 1); n != 0 {
		t.Error("another address is throttled too")
	}
	if n := spray("2001:db8:1:2::1"); n != 10 {
		t.Errorf("IPv6: %d of 30 refused", n)
	}
	if n := guessAt(t, p, "last@contoso.example", "2001:db8:1:2:ffff::9", 1); n != 1 {
		t.Error("another address of the same /64 is not throttled")
	}
	if n := guessAt(t, p, "last@contoso.example", "2001:db8:1:3::1", 1); n != 0 {
		t.Error("another /64 is throttled too")
	}
}

// A login takes back its own count and nobody else's.
func TestLoginForgivesItself(t *testing.T) {
	p, d, c, john := contoso(t)
	for i := range 30 {
		mustLogin(t, p, fmt.Sprintf("203.0.113.%d", i))
	}
	guessAt(t, p, email, "198.51.100.", 4)
	mustLogin(t, p, "203.0.113.77")
	if n := guessAt(t, p, email, "198.51.100.", 2); n != 1 {
		t.Errorf("a login made others' guesses forgotten: %d of 2 refused", n)
	}
	// an account of one's own is no way to release the throttle on one's address
	q := people(d, c)
	for i := range 19 {
		guessAt(t, q, fmt.Sprintf("somebody%d@contoso.example", i), "192.0.2.50", 1)
	}
	c.add(throttleBase)
	if u, err := login(t, q, email, password, "192.0.2.50"); err != nil || u.ID != john.ID {
		t.Fatal(err)
	}
	if n := guessAt(t, q, "one@contoso.example", "192.0.2.50", 1) + guessAt(t, q, "two@contoso.example", "192.0.2.50", 1); n != 1 {
		t.Errorf("%d of 2 refused", n)
	}
}

// Guesses at the same time, in two processes, all count before any password is
// looked at.
func TestParallelGuesses(t *testing.T) {
	path, c := dbtest.Path(t), newClock()
	both := []*People{people(dbtest.Open(t, path), c), people(dbtest.Open(t, path), c)}
	var checked, refused atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			_, err := login(t, both[i%2], email, password, fmt.Sprintf("198.51.100.%d", i))
			switch {
			case err == ErrCredentials:
				checked.Add(1)
			case throttled(err) > 0:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if checked.Load() != 5 || refused.Load() != 35 {
		t.Errorf("%d checked, %d refused", checked.Load(), refused.Load())
	}
}

// What is refused is not hashed: guessing costs no more than a look.
func TestRefusedIsNotHashed(t *testing.T) {
	p, _, _, _ := contoso(t)
	guessAt(t, p, email, home, 5)
	p.hasher.compare = nil // would panic
	if n := guessAt(t, p, email, home, 1); n != 1 {
		t.Error("not refused")
	}
}

// What is refused takes no turn to write, whoever holds it.
func TestThrottledWritesNothing(t *testing.T) {
	p, d, _, _ := contoso(t)
	guessAt(t, p, email, home, 5)
	for n := range 11 {
		_ = request(t, p, fmt.Sprintf("somebody%d@contoso.example", n), home)
	}
	writing, err := d.Writer().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writing.Rollback() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // who writes would wait for ever
	defer cancel()
	for range 50 {
		if _, _, err := p.Login(ctx, email, password, Client{IP: home}); throttled(err) == 0 {
			t.Fatal(err)
		}
		if _, err := p.RequestReset(ctx, email, home); throttled(err) == 0 {
			t.Fatal(err)
		}
	}
}

// Whoever guesses from a network sees the same of those who logged in there, of
// those who never did, and of those whom there isn't, whatever they do meanwhile.
func TestAnswersTellNothingOfOthers(t *testing.T) {
	for name, meanwhile := range map[string]func(t *testing.T, p *People, u db.User){
		"nothing":  func(*testing.T, *People, db.User) {},
		"a log-in": func(t *testing.T, p *People, _ db.User) { _, _ = login(t, p, email, password, home) },
		"a reset by mail": func(t *testing.T, p *People, u db.User) {
			if err := reset(t, p, mustLink(t, p, u.ID), "a gate of "+NewToken()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, d, _, john := contoso(t)
			mustLogin(t, p, home)
			mustLogin(t, p, "203.0.113.1")
			watch := func(who string) (seen []string) {
				c := newClock() // each attacker has a day of their own
				q := people(d, c)
				if _, err := d.Writer().Exec(`DELETE FROM throttles`); err != nil {
					t.Fatal(err)
				}
				for n := range 40 {
					_, err := login(t, q, who, "a fence of old elm", home)
					seen = append(seen, fmt.Sprint(err))
					c.add(throttled(err))
					if who == email && n%7 == 0 {
						meanwhile(t, q, john)
					}
				}
				return seen
			}
			of, unknown := fmt.Sprint(watch(email)), fmt.Sprint(watch("nobody@contoso.example"))
			if of != unknown {
				t.Errorf("of John:\n%s\nof nobody:\n%s", of, unknown)
			}
		})
	}
}

func TestThrottlesHoldNoAddress(t *testing.T) {
	path := dbtest.Path(t)
	p := people(dbtest.Open(t, path), newClock())
	guessAt(t, p, "secretive@contoso.example", "203.0.113.250", 7)
	if !grep(t, path, accountThrottle("secretive@contoso.example").Key) {
		t.Fatal("the throttle is not in the file, so that this test shows nothing")
	}
	for _, text := range []string{"secretive", "203.0.113.250"} {
		if grep(t, path, text) {
			t.Errorf("%q is in the database", text)
		}
	}
}

var _ Store = (*db.DB)(nil)
