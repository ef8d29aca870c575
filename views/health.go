package views

import "time"

// PersonPage is for Person. Its forms post csrf to /subscribers/{id}/retry, and
// note too to …/dismiss.
type PersonPage struct {
	Page
	ID          string
	Subscriber  Subscriber
	Attempts    int
	OrgID       string
	MatchURL    string // of another record that is in the way, where it is known
	DeliveredAt time.Time
	Story       []Moment // the latest first
	Earlier     bool     // and there is more, which isn't shown
}

// Moment is what happened to a subscriber at one time: a sign-up, or a step.
type Moment struct {
	Step    Step
	Consent *Consent // nil for a step
}

// At is when it happened.
func (m Moment) At() time.Time {
	if m.Consent != nil {
		return m.Consent.At
	}
	return m.Step.At
}

// Step is something that happened to a subscriber.
type Step struct {
	At           time.Time
	State        State
	Reason, Said string
	Actor        string // e-mail of the user who did it; empty for Gatepost itself
}

// Consent is what a reader agreed to.
type Consent struct {
	At            time.Time
	Source, Words string
	Repeated      bool // the address was there already
	Replaced      []Replaced
}

// Replaced is a value that a repeated sign-up replaced.
type Replaced struct{ Field, Was string }

func (c Consent) title() string {
	if c.Repeated {
		return "Signed up again"
	}
	return "Signed up"
}

// Number groups the digits of n by thousands.
func Number(n int) string { return number(n) }

// Wait writes a duration for people, rounded up: "20 seconds", "2 minutes".
func Wait(d time.Duration) string { return wait(d) }

// title tells a step in a few words.
func (s Step) title() string {
	switch {
	case s.State.Waits && s.Actor != "":
		return "Sent again"
	case s.State.Waits && s.Reason == "":
		return "Waits to be sent again"
	}
	return s.State.Became
}
