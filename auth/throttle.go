package auth

import (
	"context"
	"net/netip"
	"time"

	"gatepost/db"
)

const (
	throttleBase  = 2 * time.Second // the first wait; each further failure doubles it
	throttleQuiet = time.Hour       // after which failures are forgotten
)

// throttle lets a number of failures pass and then asks for longer and longer
// waits, up to max: it slows down, and never locks.
func throttle(key string, free int64, max time.Duration) db.Limit {
	return db.Limit{Key: digest(key), Wait: func(failures int64) time.Duration {
		if failures < free {
			return 0
		}
		return min(throttleBase<<min(failures-free, 20), max)
	}}
}

// loginThrottles are on guesses from browsers in which the user is not known, all
// of them together. They are the same whether somebody has the address or not.
func loginThrottles(email, ip string) []db.Limit {
	return []db.Limit{accountThrottle(email), throttle("network\x00"+network(ip), 20, 5*time.Minute)}
}

func accountThrottle(email string) db.Limit {
	return throttle("account\x00"+fold(email), 5, 5*time.Minute)
}

// confirmThrottle slows down guessing of the current password by somebody who is
// signed in, apart from the throttles at the door.
func confirmThrottle(userID string) db.Limit {
	return throttle("confirm\x00"+userID, 5, 5*time.Minute)
}

// resetThrottle spares a mailbox a flood of links: the second is sent no sooner than
// a minute after the first, and each later one after about twice as long.
func resetThrottle(email string) db.Limit { return throttle("reset\x00"+email, -4, 15*time.Minute) }

func resetNetworkThrottle(ip string) db.Limit {
	return throttle("reset network\x00"+network(ip), 10, 5*time.Minute)
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

// throttled gives a *ThrottledError while one of the limits has to wait. It only
// reads: somebody who goes on all the same costs others no turn to write.
func (p *People) throttled(ctx context.Context, limits ...db.Limit) error {
	now := p.now()
	until, err := p.store.ThrottledUntil(ctx, now, limits)
	return throttledError(now, until, err)
}

// count counts a failure under each limit before a password is looked at, so that
// guesses at the same time count too, or gives a *ThrottledError. It returns when
// it counted.
func (p *People) count(ctx context.Context, limits ...db.Limit) (at time.Time, err error) {
	now := p.now()
	until, err := p.store.CountFailure(ctx, now, now.Add(throttleQuiet), limits)
	return now, throttledError(now, until, err)
}

// take counts one under the limit, or gives a *ThrottledError without a write. It
// returns when it counted.
func (p *People) take(ctx context.Context, limit db.Limit) (at time.Time, err error) {
	if err := p.throttled(ctx, limit); err != nil {
		return at, err
	}
	return p.count(ctx, limit)
}

func throttledError(now, until time.Time, err error) error {
	if err == nil && until.After(now) {
		return &ThrottledError{Wait: until.Sub(now)}
	}
	return err
}
