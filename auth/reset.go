package auth

import (
	"context"
	"errors"
	"time"

	"gatepost/db"
)

// resetFor is how long a link to set a new password works.
const resetFor = time.Hour

// resetThrottle spares a mailbox a flood of links: the second is sent no sooner than a
// minute after the first, and each later one after about twice as long.
func resetThrottle(email string) throttle {
	return throttle{key: digest("reset\x00" + email), free: -4, max: 15 * time.Minute}
}

func resetNetworkThrottle(ip string) throttle {
	return throttle{key: digest("reset network\x00" + network(ip)), free: 10, max: 5 * time.Minute}
}

// RequestReset queues a mail with a link to set a new password. For an address
// that nobody has it does the same work, and for one that was sent links just now
// it does nothing: neither can be told from the answer. The ip is where the
// request comes from: after too many it gives a *ThrottledError.
func (p *People) RequestReset(ctx context.Context, typed, ip string) error {
	if _, err := p.count(ctx, guess{others: []throttle{resetNetworkThrottle(ip)}}); err != nil {
		return err
	}
	_, err := p.count(ctx, guess{others: []throttle{resetThrottle(fold(typed))}})
	var enough *ThrottledError
	if errors.As(err, &enough) {
		return nil
	} else if err != nil {
		return err
	}
	user, err := p.UserByEmail(ctx, typed)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	return p.store.QueueReset(ctx, user.ID)
}

// ResetLink returns the token of a new link with which the user can set a new
// password. It works once, for an hour, and until the password is changed in
// another way. An unknown user gives db.ErrNotFound.
func (p *People) ResetLink(ctx context.Context, userID string) (token string, err error) {
	token = NewToken()
	return token, p.store.AddResetLink(ctx, digest(token), userID, p.now().Add(resetFor))
}

// CheckReset returns whose password the link with that token sets, or ErrResetLink
// when it does not work, or not any more.
func (p *People) CheckReset(ctx context.Context, token string) (db.User, error) {
	user, err := p.store.ResetOffered(ctx, digest(token), p.now())
	return user, brokenResetLink(err)
}

// ResetPassword sets a new password, once for each link, ends all sessions of its
// user, releases the throttles on the account, and tells the user by mail. It gives
// FieldErrors (password), and ErrResetLink when the token does not work.
func (p *People) ResetPassword(ctx context.Context, token, password string) error {
	user, err := p.CheckReset(ctx, token)
	if err != nil {
		return err
	}
	if text := checkPassword(password, user.Email); text != "" {
		return FieldErrors{"password": text}
	}
	hash, err := p.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	if _, err := p.store.ResetPassword(ctx, digest(token), hash, p.now()); err != nil {
		return brokenResetLink(err)
	}
	return p.release(ctx, accountThrottle(user.Email), confirmThrottle(user.ID))
}

func brokenResetLink(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return ErrResetLink
	}
	return err
}
