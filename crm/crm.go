// Package crm says what any CRM must be able to do for Gatepost, and in which
// words it fails. The packages below it do it, one for each CRM.
package crm

import (
	"context"
	"errors"
	"time"
)

// Person is a subscriber as a CRM gets to know them. FirstName and LastName are
// empty where the reader gave none.
type Person struct {
	Email, FirstName, LastName string
}

// Record is what a CRM holds of a person.
type Record struct {
	ID    string // the CRM's own
	Email string
}

// Result tells what became of one person of a batch: an ID, or a *Failure.
type Result struct {
	ID  string
	Err error
}

// Target names where records went: an org of the CRM and its address.
type Target struct {
	OrgID, InstanceURL string
}

// CRM is one tenant's connected CRM. Its methods fail with a *Failure for the
// whole call; a failure of one record stands in that record's Result.
type CRM interface {
	// Target names the org that this CRM writes to.
	Target() Target
	// Find returns the records that have the given addresses, at most Batch of
	// them, by address in lower case; the most recently changed record first.
	Find(ctx context.Context, emails []string) (map[string][]Record, error)
	// Create makes a record for each person, at most Batch of them, and returns
	// their results in the same order. When it fails with Unknown set, some or all
	// of the records may have been made.
	Create(ctx context.Context, people []Person) ([]Result, error)
	// Batch is how many people one call takes.
	Batch() int
	// Usage is how many API calls all who use the CRM's org made in 24 hours and how
	// many they may make, as the last answer said; ok is false when none has.
	Usage() (used, limit int, ok bool)
	// CheckUp asks whether sign-ups can arrive, and what is in their way.
	CheckUp(ctx context.Context) ([]Check, error)
}

// Class sorts failures by what they stop.
type Class string

// The classes. A failure of class Recorded concerns one subscriber, Pause the
// whole tenant for a while, and Connection the tenant until somebody reconnects.
const (
	Recorded   Class = "record"
	Pause      Class = "pause"
	Connection Class = "connection"
)

// Failure is how a CRM fails. Code is ours or the CRM's own, stable enough to
// store and to look a sentence up by; Detail is what the CRM said, for people.
type Failure struct {
	Class   Class
	Code    string
	Detail  string
	Unknown bool          // a write may have happened all the same
	Wait    time.Duration // the shortest pause that makes sense, 0 when the caller is to choose
	Cause   error
}

// Error names the class and the code; not the detail, which may hold personal data.
func (f *Failure) Error() string { return string(f.Class) + ": " + f.Code }

// Unwrap returns what caused the failure.
func (f *Failure) Unwrap() error { return f.Cause }

// The codes that are ours. Others come from the CRM.
const (
	NotConnected = "not_connected"   // nobody has connected the CRM yet
	Broken       = "broken"          // the connection needs to be made anew
	Unavailable  = "unavailable"     // no answer, or none that makes sense
	TimedOut     = "timed_out"       // no answer in time
	Spared       = "api_spared"      // the last of its API calls are left to others
	Several      = "several_matches" // of its records have the address, and somebody is to decide
	Settling     = "settling"        // the outcome of an earlier write is not known yet
)

// Failed returns err as a *Failure; any other error becomes a Pause.
func Failed(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	code := Unavailable
	if errors.Is(err, context.DeadlineExceeded) {
		code = TimedOut
	}
	return &Failure{Class: Pause, Code: code, Unknown: true, Cause: err}
}
