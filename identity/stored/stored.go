// Package stored declares what a vault keeps, as plain data: identities, authorizations that are under
// way, tokens that are yet to be revoked, and what is set of services. It knows neither OAuth nor SQL, so
// that anybody can write a store with it; package identity has the same types by names of its own.
package stored

import (
	"errors"

	"github.com/google/uuid"
)

// The errors by which a store says what became of a call. They may come wrapped; any other is a failure of
// the store.
var (
	// ErrNotFound says that there is no such row, or none that the caller may see.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that something with the same name exists already.
	ErrConflict = errors.New("exists already")
	// ErrLost says that a lease or a generation went to somebody else meanwhile, or that what the row depends
	// on is gone. Nothing was changed.
	ErrLost = errors.New("lost to a newer change")
	// ErrTooMany says that as many are under way as may be.
	ErrTooMany = errors.New("too many at once")
	// ErrOrgInUse says that another tenant has the org that a connection is to, and that
	// nobody of this tenant has confirmed that it is meant.
	ErrOrgInUse = errors.New("the org is in use by another tenant")
	// ErrStaleKey says that a value was sealed with a key that doesn't seal any
	// more. Nothing was stored: seal it again with the key that does.
	ErrStaleKey = errors.New("sealed with an outdated key")
)

// ByOperator stands in the place of a user's id where the operator confirmed an org.
const ByOperator = "operator"

// NewID returns a new id that sorts by the time of its making (UUIDv7).
func NewID() string { return uuid.Must(uuid.NewV7()).String() }
