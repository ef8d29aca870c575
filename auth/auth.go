// Package auth knows people: their passwords, the tenants that they belong to,
// and the sessions in which they are signed in.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gatepost/db"
)

var (
	// ErrCredentials says that the address is unknown or the password wrong,
	// and never which.
	ErrCredentials = errors.New("the address or the password is wrong")
	// ErrSetUp says that there is a user already, so that there is nothing to set up.
	ErrSetUp = errors.New("there is a user already")
	// ErrResetLink says that a link to set a new password was used or has expired.
	ErrResetLink = errors.New("this link to set a new password does not work any more")
	// ErrSetupLink says that a set-up link was used, replaced, or has expired.
	ErrSetupLink = errors.New("this set-up link does not work any more")
	// ErrBusy says that so many passwords wait to be looked at that this one was not.
	ErrBusy = errors.New("too many passwords wait to be looked at")
)

// RefusedError is a log-in that was refused, for the log alone: UserID says whether
// somebody has the address.
type RefusedError struct {
	UserID string // "" when nobody has it
	Err    error  // ErrCredentials, a *ThrottledError, or ErrBusy
}

// Error says why.
func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns why.
func (e *RefusedError) Unwrap() error { return e.Err }

// ThrottledError says that there were too many tries, as of wrong passwords.
type ThrottledError struct {
	Wait time.Duration // until the next try
}

// Error says how long to wait.
func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many tries: wait %s", e.Wait.Round(time.Second))
}

// FieldErrors says what is wrong with a form, in a sentence for each field:
// email, password, current, slug, name, tenant.
type FieldErrors map[string]string

// Error returns all sentences.
func (e FieldErrors) Error() string {
	var all []string
	for _, field := range slices.Sorted(maps.Keys(e)) {
		all = append(all, e[field])
	}
	return strings.Join(all, " ")
}

// check adds the sentence of a field, if there is one.
func (e FieldErrors) check(field, text string) {
	if text != "" {
		e[field] = text
	}
}

// err is nil when nothing is wrong.
func (e FieldErrors) err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// Store is where people are kept; *db.DB is one. Its methods answer what those
// of *db.DB say.
type Store interface {
	User(ctx context.Context, id string) (db.User, error)
	UserByEmail(ctx context.Context, email string) (db.User, error)
	Users(ctx context.Context) ([]db.UserTenants, error)
	CreateUser(ctx context.Context, u db.User, tenantID string) error
	DeleteUser(ctx context.Context, userID string) (db.UserGone, error)
	RemoveMember(ctx context.Context, userID, tenantID string) error
	ChangePassword(ctx context.Context, userID, old, hash string, now time.Time, tell bool) (db.User, error)
	RehashPassword(ctx context.Context, userID, old, hash string) error

	Tenants(ctx context.Context) ([]db.Tenant, error)
	TenantsAfter(ctx context.Context, after string, limit int) ([]db.Tenant, error)
	TenantsOf(ctx context.Context, userID string) ([]db.Tenant, error)
	TenantBySlug(ctx context.Context, slug string) (db.Tenant, error)
	AnyTenantBySlug(ctx context.Context, slug string) (db.Tenant, error)
	SetTenant(ctx context.Context, t db.Tenant) error
	PauseTenant(ctx context.Context, tenantID string, paused bool) error
	SetTenantLimits(ctx context.Context, tenantID string, l db.TenantLimits) error
	ReopenTenant(ctx context.Context, tenantID string) error
	Member(ctx context.Context, userID, tenantID string) (db.Tenant, error)
	CreateTenant(ctx context.Context, t db.Tenant, n db.FirstNewsletter) error
	AddMember(ctx context.Context, userID, tenantID string, now time.Time) error
	OfferSetup(ctx context.Context, hash string, expires time.Time) error
	SetupOffered(ctx context.Context, hash string, now time.Time) error
	Setup(ctx context.Context, hash string, t db.Tenant, n db.FirstNewsletter, u db.User) error

	QueueReset(ctx context.Context, userID string) error
	AddResetLink(ctx context.Context, hash, userID string, expires time.Time) error
	ResetOffered(ctx context.Context, hash string, now time.Time) (db.User, error)
	ResetPassword(ctx context.Context, linkHash, passwordHash string, now time.Time) (db.User, error)

	ThrottledUntil(ctx context.Context, now time.Time, limits []db.Limit) (time.Time, error)
	CountFailure(ctx context.Context, now, expires time.Time, limits []db.Limit) (time.Time, error)
	ForgiveFailure(ctx context.Context, now time.Time, limits []db.Limit) error
	ForgetFailures(ctx context.Context, limits []db.Limit) error

	DeviceMisses(ctx context.Context, userID, hash string, now time.Time) (int64, error)
	CountDeviceMiss(ctx context.Context, userID, hash string, most int64, now time.Time) (bool, error)
	TrustDevice(ctx context.Context, u db.User, hash, fresh string, now, expires time.Time) (string, error)
}

// People checks passwords and keeps users and tenants. Its methods are safe for
// concurrent use, by any number of processes on the same store.
type People struct {
	store  Store
	hasher *hasher
	now    func() time.Time
	mails  bool
}

// TellByMail has people told by mail that they changed their password. Call it
// once, before all else, where mails can be sent.
func (p *People) TellByMail() { p.mails = true }

// NewPeople returns the people in the store. The clock now is time.Now when nil.
func NewPeople(store Store, now func() time.Time) *People {
	if now == nil {
		now = time.Now
	}
	return &People{store: store, hasher: newHasher(), now: now}
}

// NewToken returns a new random token: 32 bytes, in a form that fits a cookie
// and a URL.
func NewToken() string {
	b := make([]byte, tokenBytes)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// EqualTokens compares two tokens in a time that tells nothing about them. An
// empty one equals none.
func EqualTokens(a, b string) bool {
	return a != "" && b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

const tokenBytes = 32

// digest is what is stored of a secret.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
