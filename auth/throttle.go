package auth

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"gatepost/db"
)

const (
	throttleBase  = 2 * time.Second     // the first wait; each further failure doubles it
	throttleQuiet = time.Hour           // after which failures are forgotten
	knownFor      = 90 * 24 * time.Hour // how long an address is remembered that a user logged in from
)

// throttle lets a number of failures pass and then asks for longer and longer
// waits, up to max: it slows down, and never locks.
type throttle struct {
	key  string
	free int64
	max  time.Duration
}

// wait is how long to wait after the given number of failures.
func (b throttle) wait(failures int64) time.Duration {
	if failures < b.free {
		return 0
	}
	return min(throttleBase<<min(failures-b.free, 20), b.max)
}

// guess is one try of a password, with the throttles on it. From an address that
// is known, because the user logged in from there not long ago, only the own
// throttles count: so nobody elsewhere can keep a user out by guessing.
type guess struct {
	known  string // "" when no address can be known
	own    []throttle
	others []throttle
}

func loginGuess(email, ip string) guess {
	from := network(ip)
	return guess{
		known:  digest("known\x00" + email + "\x00" + from),
		own:    []throttle{{key: digest("own\x00" + email + "\x00" + from), free: 10, max: 30 * time.Second}},
		others: []throttle{accountThrottle(email), {key: digest("network\x00" + from), free: 20, max: 5 * time.Minute}},
	}
}

func accountThrottle(email string) throttle {
	return throttle{key: digest("account\x00" + fold(email)), free: 5, max: 5 * time.Minute}
}

// confirmThrottle slows down guessing of the current password by somebody who is
// signed in, apart from the throttles at the door.
func confirmThrottle(userID string) throttle {
	return throttle{key: digest("confirm\x00" + userID), free: 5, max: 5 * time.Minute}
}

// network is what is counted as one address: an IPv4 address, or the /64 of an
// IPv6 one, since that is what a single line is given.
func network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}

func (g guess) keys() []string {
	keys := []string{g.known}
	for _, b := range slices.Concat(g.own, g.others) {
		keys = append(keys, b.key)
	}
	return keys
}

// count counts a guess as a failure before its password is looked at, so that
// guesses at the same time count too, or gives a ThrottledError. It returns the
// throttles that counted.
func (p *People) count(ctx context.Context, g guess) (counted []throttle, err error) {
	now := p.now()
	var wait time.Duration
	err = p.store.UpdateThrottles(ctx, now, g.keys(), func(found map[string]db.Throttle) (updated []db.Throttle) {
		counted = g.others
		if _, known := found[g.known]; known {
			counted = g.own
		}
		for _, b := range counted {
			row := found[b.key]
			wait = max(wait, row.Until.Sub(now))
			failures := row.Failures + 1
			updated = append(updated, db.Throttle{Key: b.key, Failures: failures, Until: now.Add(b.wait(failures)), ExpiresAt: now.Add(throttleQuiet)})
		}
		if wait > 0 {
			return nil
		}
		return updated
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("count a guess: %w", err)
	case wait > 0:
		return nil, &ThrottledError{Wait: wait}
	}
	return counted, nil
}

// forgive takes back what count counted, since the guess was right, and no more
// than that: others' guesses stay counted. It remembers the address.
func (p *People) forgive(ctx context.Context, g guess, counted []throttle) error {
	now := p.now()
	err := p.store.UpdateThrottles(ctx, now, g.keys(), func(found map[string]db.Throttle) (updated []db.Throttle) {
		for _, b := range counted {
			if row, ok := found[b.key]; ok {
				row.Failures = max(row.Failures-1, 0)
				row.Until = now.Add(b.wait(row.Failures))
				updated = append(updated, row)
			}
		}
		if g.known != "" {
			updated = append(updated, db.Throttle{Key: g.known, ExpiresAt: now.Add(knownFor)})
		}
		return updated
	})
	if err != nil {
		return fmt.Errorf("forgive a guess: %w", err)
	}
	return nil
}

// release forgets what the throttles counted.
func (p *People) release(ctx context.Context, throttles ...throttle) error {
	now := p.now()
	var keys []string
	var updated []db.Throttle
	for _, b := range throttles {
		keys = append(keys, b.key)
		updated = append(updated, db.Throttle{Key: b.key, ExpiresAt: now})
	}
	err := p.store.UpdateThrottles(ctx, now, keys, func(map[string]db.Throttle) []db.Throttle { return updated })
	if err != nil {
		return fmt.Errorf("release throttles: %w", err)
	}
	return nil
}
