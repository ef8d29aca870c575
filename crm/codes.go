package crm

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Verdict is what a refusal means: for whom, and for how long at least.
type Verdict struct {
	Class Class
	Wait  time.Duration // the shortest pause that makes sense, 0 when the caller is to choose
	Tries int           // of class Passing: how many in a row until it needs somebody
}

// Code is all that is known of a code with which a CRM's API refuses: what it means for
// the record that it came for, what it means for everybody when it came for a whole call,
// and how people are told. They stand together because they must agree: a page that
// promises another try needs a verdict that makes it.
type Code struct {
	Record, Call Verdict
	Wraps        bool   // what a customer's automation met, which its message may name by a code of its own
	Changed      bool   // it may come since the CRM's fields aren't what they were: see Failure.Changed
	Explanation         // to those who wait
	Stuck        string // what to look at where it doesn't pass after all; may be empty
}

// aWhile is the shortest pause that makes sense until an hour of the rolling day, or a
// person, makes room.
const aWhile = 15 * time.Minute

// How often in a row a record may be refused for what passes. The pauses between the
// tries double up to an hour: twelve take about one hour, twenty-four half a day.
const (
	someTries = 12
	MostTries = 24 // also of what has no number of its own
)

// The verdicts. A few words about one record are final, or they pass; those about
// everybody last a moment, a while, or until somebody connects again.
var (
	Final      = Verdict{Class: Recorded}
	Locked     = Verdict{Class: Passing, Tries: MostTries}
	Unexpected = Verdict{Class: Passing, Tries: someTries}
	Busy       = Verdict{Class: Pause}
	Full       = Verdict{Class: Pause, Wait: aWhile}
	Ended      = Verdict{Class: Connection}
)

// OneRecord is a code that is due to what stands in a record. Where it comes for a
// call, it is due to one of the call's records.
func OneRecord(e Explanation) Code { return Code{Record: Final, Call: Final, Explanation: e} }

// OneOrAll is a code that concerns a record when it comes for a record, and everybody
// when it comes for a whole call: the user may not see one of the fields, say. That
// goes on by itself once an admin has fixed it.
func OneOrAll(e Explanation) Code { return Code{Record: Final, Call: Full, Explanation: e} }

// Automation is what a customer's own automation said of a record.
func Automation(e Explanation) Code {
	return Code{Record: Final, Call: Final, Wraps: true, Explanation: e}
}

// OfFields is a code that may come since the CRM's fields aren't what they were.
func OfFields(c Code) Code {
	c.Changed = true
	return c
}

// PassingCode is a code that passes of a record, and of everybody; stuck is what the
// administrator looks at where it doesn't.
func PassingCode(record Verdict, e Explanation, stuck string) Code {
	return Code{Record: record, Call: Busy, Explanation: e, Stuck: stuck}
}

// Everybody is a code that means the same for a record and for a whole call.
func Everybody(v Verdict, e Explanation) Code { return Code{Record: v, Call: v, Explanation: e} }

// KnownCode returns what is known of a code of the CRM's API. One that it doesn't
// know concerns the record that it came for, or somebody in the call; it is not
// tried again by itself.
func (p *Provider) KnownCode(code string) (c Code, known bool) {
	if c, known = p.Codes[strings.ToUpper(code)]; known {
		c.Explanation, c.Stuck = p.filled(c.Explanation), p.Fill(c.Stuck)
		return c, true
	}
	return OneRecord(p.unknown(code)), false
}

// AllCodes returns every code that has a sentence, in order: those of the CRM's API, those
// of its log-in, and ours.
func (p *Provider) AllCodes() []string {
	all := map[string]bool{}
	for code := range p.Codes {
		all[code] = true
	}
	for _, table := range []map[string]Explanation{p.Access, own} {
		for code := range table {
			all[code] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
