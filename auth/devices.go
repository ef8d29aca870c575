package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"gatepost/db"
)

const (
	// DeviceFor is how long a browser knows a user after they logged in there.
	DeviceFor = 90 * 24 * time.Hour

	// deviceMisses are the wrong passwords after which a browser is worth nothing
	// until the user logs in there again: whoever took it has no more guesses.
	deviceMisses = 10
)

// Client is where a guess comes from.
type Client struct {
	IP     string
	Device string // value of the device cookie, "" without one
}

// TrustDevice remembers the user in the browser that has the device cookie given,
// and returns what the cookie holds from now on. The browser keeps what it has as
// long as that is known for anybody, so that several people can share it. When the
// password was changed after user was read, it gives ErrCredentials.
//
// Guesses from there count by themselves from then on, so that nobody elsewhere can
// keep the user out by guessing. (OWASP: "Slow down online guessing attacks with
// device cookies".)
func (p *People) TrustDevice(ctx context.Context, user db.User, device string) (string, error) {
	now, fresh := p.now(), NewToken()
	under, err := p.store.TrustDevice(ctx, user, digest(device), digest(fresh), now, now.Add(DeviceFor))
	switch {
	case errors.Is(err, db.ErrLost):
		return "", ErrCredentials
	case err != nil:
		return "", err
	case under == digest(fresh):
		return fresh, nil
	}
	return device, nil
}

// knows reports whether guesses at the user's password from a browser count by
// themselves.
func (p *People) knows(ctx context.Context, userID, device string) (bool, error) {
	if !IsToken(device) {
		return false, nil
	}
	misses, err := p.store.DeviceMisses(ctx, userID, digest(device), p.now())
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	return err == nil && misses < deviceMisses, err
}

// IsToken reports whether a text can be one that NewToken made.
func IsToken(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == tokenBytes
}
