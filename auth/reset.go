package auth

import (
	"context"
	"errors"
	"time"

	"gatepost/db"
)

// resetFor is how long a link to set a new password works.
const resetFor = time.Hour

// ResetRequest is what became of a request for a new password, for the log alone: it
// says whether somebody has the address.
type ResetRequest struct {
	UserID    string // "" when nobody has it
	Throttled bool   // nothing is sent: links were sent there just now
}

// RequestReset queues a mail with a link to set a new password. For an address
// that nobody has it does the same work, and for one that was sent links just now
// it does nothing: neither can be told from the answer. The ip is where the
// request comes from: after too many it gives a *ThrottledError.
func (p *People) RequestReset(ctx context.Context, typed, ip string) (ResetRequest, error) {
	if _, err := p.take(ctx, resetNetworkThrottle(ip)); err != nil {
		return ResetRequest{}, err
	}
	user, err := p.UserByEmail(ctx, typed)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return ResetRequest{}, err
	}
	_, err = p.take(ctx, resetThrottle(fold(typed)))
	var enough *ThrottledError
	if errors.As(err, &enough) {
		return ResetRequest{UserID: user.ID, Throttled: true}, nil
	} else if err != nil {
		return ResetRequest{}, err
	}
	return ResetRequest{UserID: user.ID}, p.store.QueueReset(ctx, user.ID)
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
// user, makes them unknown in all browsers, and tells them by mail. Trust the browser
// at hand with the user that comes back: by that they get in, whoever is guessing.
// The throttle on the account stays: who is guessing would see from its end that
// somebody has the address. It gives FieldErrors (password), and ErrResetLink when
// the token does not work.
func (p *People) ResetPassword(ctx context.Context, token, password string) (db.User, error) {
	user, err := p.CheckReset(ctx, token)
	if err != nil {
		return db.User{}, err
	}
	if err := p.checkNewPassword(ctx, user, password); err != nil {
		return db.User{}, err
	}
	hash, err := p.hasher.hash(ctx, password)
	if err != nil {
		return db.User{}, err
	}
	if user, err = p.store.ResetPassword(ctx, digest(token), hash, p.now()); err != nil {
		return db.User{}, brokenResetLink(err)
	}
	return user, p.store.ForgetFailures(ctx, []db.Limit{confirmThrottle(user.ID)})
}

func brokenResetLink(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return ErrResetLink
	}
	return err
}
