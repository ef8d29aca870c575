// Package crm says what any CRM must be able to do for Gatepost, and in which
// words it fails. The packages below it do it, one for each CRM.
package crm

import (
	"context"
	"errors"
	"time"
)

// Fields are what is known of somebody, by the names that Gatepost has for them: each CRM
// maps these to its own. What isn't known isn't there, or is empty.
type Fields map[string]string

// The names of fields.
const (
	Email     = "email"
	FirstName = "first_name"
	LastName  = "last_name"
)

// Record is what a CRM holds of a person, to the letter.
type Record struct {
	ID string // the CRM's own, with what else it takes to find the record: nobody else reads it
	Fields
	Own map[string]string // of the fields that Options.Read names, those that hold something: see ValueType

	// Where Options.OptOuts asks for it, as far as the connected user may see it.
	OptedOut   bool     // the person wants no e-mail
	OptedOutOf []string // of Options.Subscriptions, those that the person wants none of
}

// Write is what is to be written of one person: a new record, or a change.
type Write struct {
	ID     string           // of the record to change, empty for a new one
	Fields                  // of a change those that change, without the address; what is empty stays as it is
	Own    map[string]Value // of the CRM's own fields, by SchemaField.Key: those that are to be set
}

// Options say how a tenant wants people to be found and written. A CRM leaves aside those
// that are not among its Provider.Options.
type Options struct {
	Leads          bool   // look among the CRM's leads too, for those who are no contacts
	Key            string // name of a unique field for the address: look by it too, and make new records by it
	SaveDuplicates bool   // save what the CRM takes for a duplicate, where it allows that
	Placeholder    string // the last name of new records of who gave none, where the CRM demands one; NA when empty

	// Read are the CRM's own fields that Find is to read, by SchemaField.Key, and their types. Those that
	// begin with a colon can't be read.
	Read map[string]ValueType

	// OptOuts has Find tell who wants no e-mail, which takes no further call, and Subscriptions also of which
	// kinds of e-mail.
	OptOuts       bool
	Subscriptions []string
}

// Result tells what became of one person of a batch: an ID, or a *Failure. Both are there when the
// record was written, but not all that was to be done with it: then the Failure is of class Passing,
// and its Field is the key of what is to be tried again, by writing the record with that once more.
type Result struct {
	ID   string
	Made bool // the CRM said that it is a new record
	Err  error
}

// Removed says what became of a record that was to be deleted, or anonymised.
type Removed string

// What became of it.
const (
	Deleted    Removed = "deleted"
	Anonymised Removed = "anonymised"
	Missing    Removed = "missing" // there was none any more
	Changed    Removed = "changed" // somebody changed it since it was made: it stays as it is
)

// Target names where records went: an org of the CRM, and its address for people, with
// whatever the address of a record's page needs beside its id.
type Target struct {
	OrgID, InstanceURL string
}

// LimitState is how much of a limit is used.
type LimitState struct {
	Limit
	Used, Allowed int
	Known         bool // the CRM said so, or it is counted; or else both are 0
}

// CRM is one tenant's connected CRM. Its methods fail with a *Failure for the
// whole call; a failure of one record stands in that record's Result. It is safe for
// concurrent use: some people are looked up while others are written.
type CRM interface {
	// Provider is what is true of every CRM of its kind.
	Provider() *Provider
	// Target names the org that this CRM writes to.
	Target() Target
	// Find returns the records that have the given addresses, at most Provider.Batch
	// of them, by address in lower case; the most recently changed record first.
	Find(ctx context.Context, emails []string, o Options) (map[string][]Record, error)
	// Write makes and changes records, at most Provider.Batch of them, and returns their
	// results in the same order. Who turns out to have a record already, by a key of the
	// CRM's own, fails with Exists, and is looked up again. A field that a record's kind
	// hasn't got, as a Lead's, is left out of it. When it fails with Unknown
	// set, some or all of it may have been done.
	Write(ctx context.Context, writes []Write, o Options) ([]Result, error)
	// Remove deletes a record that was made through this CRM, unless somebody, or an
	// automation, changed it since it was made. When it fails with Unknown set, it may be
	// deleted; asking again tells.
	Remove(ctx context.Context, id string) (Removed, error)
	// Anonymise replaces what tells of whom a record is that was made through this CRM, unless somebody, or an
	// automation, changed it since: the address and the first name are emptied, also in Options.Key, the last name becomes ErasedName,
	// and so does the company of a lead; and some fields of the CRM's own are emptied. What a record belongs to, as its owner, and whether
	// its person wants no e-mail, stays. It returns the names of those fields that couldn't be emptied. When it fails
	// with Unknown set, it may be done; asking again tells, and does it.
	Anonymise(ctx context.Context, id string, own []SchemaField, o Options) (became Removed, kept []string, err error)
	// SetOptOuts has records say that their people want no e-mail, or want it again: at most
	// Provider.Batch of them, each of which stands there once with a subscription. It returns what became of
	// each, in the same order. Asking for the same again changes nothing, so that one whose
	// outcome isn't known is just asked for again. What can't be kept, since the record has no place for it that the
	// connected user may write, or a permission is lacking, fails with class Recorded.
	SetOptOuts(ctx context.Context, all []OptOut) ([]OptOutResult, error)
	// Subscriptions are the kinds of e-mail that people opt out of by themselves; none where
	// Provider.OptOuts names no such thing.
	Subscriptions(ctx context.Context) ([]Subscription, error)
	// Limits is how much of each of Provider.Limits all who use the CRM's org have used, in
	// the same order, as the last answer said.
	Limits() []LimitState
	// Calls is how many API calls were made through this CRM.
	Calls() int
	// CheckKey fails with class Recorded unless a field can be an Options.Key.
	CheckKey(ctx context.Context, field string) error
	// Schema asks which fields of its own the CRM's records have that the connected user may
	// set, and what they take. Choices that name other records, as owners, are the first
	// MaxChoices of them.
	Schema(ctx context.Context) (Schema, error)
	// CheckUp asks whether sign-ups can arrive, and what is in their way.
	CheckUp(ctx context.Context) ([]Check, error)
}

// Class sorts failures by what they stop.
type Class string

// The classes. A failure of class Recorded concerns one subscriber, and Passing one
// for a while; Pause concerns the whole tenant for a while, and Connection the tenant
// until somebody reconnects.
const (
	Recorded   Class = "record"
	Passing    Class = "passing"
	Pause      Class = "pause"
	Connection Class = "connection"
)

// Failure is how a CRM fails. Code is ours or the CRM's own, stable enough to
// store and to look a sentence up by; Detail is what the CRM said, for people.
type Failure struct {
	Class    Class
	Code     string
	Detail   string
	Unknown  bool          // a write may have happened all the same
	Wait     time.Duration // the shortest pause that makes sense, 0 when the caller is to choose
	Tries    int           // how often in a row one record may fail so until it needs somebody; 0 for MostTries
	Match    string        // id of the record that is in the way, where the CRM tells it
	Shared   bool          // of class Recorded, and due to one of several writes that it came for
	Uncalled bool          // the CRM wasn't asked: the next try may be as well in vain, and costs no call
	Field    string        // key of the CRM's own field that it is about, where the CRM tells it
	Changed  bool          // the CRM's fields may not be what Schema said any more
	Cause    error
}

// Error names the class and the code; not the detail, which may hold personal data.
func (f *Failure) Error() string { return string(f.Class) + ": " + f.Code }

// Unwrap returns what caused the failure.
func (f *Failure) Unwrap() error { return f.Cause }

// The codes that are ours. Others come from the CRM.
const (
	NotConnected   = "not_connected"    // nobody has connected the CRM yet
	Broken         = "broken"           // the connection needs to be made anew
	Unavailable    = "unavailable"      // no answer, or none that makes sense
	TimedOut       = "timed_out"        // no answer in time
	Spared         = "api_spared"       // the last of its API calls are left to others
	NoKey          = "no_key"           // a field that can't tell records apart
	Gone           = "gone"             // a record that was to be changed was deleted meanwhile
	Exists         = "exists"           // a record that was to be made is there by now, of the same person
	Several        = "several_matches"  // of its records have the address, and somebody is to decide
	Settling       = "settling"         // the outcome of an earlier write is not known yet
	OtherOrg       = "other_org"        // the session belongs to another org than before
	NoOrg          = "no_org"           // nobody has found out which org the connection is for
	RequiredField  = "required_field"   // a new record would lack a field that the CRM requires, and nothing fills
	TooManyMatches = "too_many_matches" // more records with these addresses than can be read
	StillNamed     = "still_named"      // an anonymised record says who it is all the same: something keeps what we replaced
	NoOptOut       = "no_opt_out"       // the records have no mark for opt-outs that the connected user may see and set
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
