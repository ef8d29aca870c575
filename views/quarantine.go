package views

import (
	"strconv"
	"time"
)

// QuarantinePage lists the sign-ups that may be robots'.
type QuarantinePage struct {
	Page
	Held           []HeldSignUp
	Total          int
	NextURL        string // of those before them; empty when there are none
	PreviousURL    string
	Here           string // id after which the page begins, to come back to it
	RejectAllURL   string
	ProtectionURLs []Link // of the newsletters: where it is set what is held
}

// HeldSignUp is a sign-up that may be a robot's.
type HeldSignUp struct {
	ID, PersonID string
	Email        string
	Newsletter   string
	At           time.Time
	N            int  // how many sign-ups it stands for
	Repeat       bool // of somebody who was there already
	Reasons      []HoldReason
	Sent         []SentField
	Domain       string // that can be allowed; empty where that changes nothing
	Network      bool   // it can be blocked
}

// HoldReason is why a sign-up is held.
type HoldReason struct{ Label, Words string }

// SentField is what somebody filled in.
type SentField struct {
	Label, Value string
	Is           string // what the person has; empty where that is the same, or nothing
}

// labels are the reasons in a line.
func (h HeldSignUp) labels() string {
	line := ""
	for i, r := range h.Reasons {
		if i > 0 {
			line += ", "
		}
		line += r.Label
	}
	return line
}

func (h HeldSignUp) boxID() string { return "hold-" + h.ID }

// becomes says what accepting it does.
func (h HeldSignUp) becomes() string {
	if h.Repeat {
		return "This person is there already and stays as they are. Accepting it takes over what was sent; where they are to confirm by mail, only what is missing."
	}
	return "Accepting it takes this person as if nothing had spoken against it: on to your CRM, or to a confirmation by mail where the newsletter asks for one."
}

func (h HeldSignUp) times() string { return count(h.N, "sign-up", "sign-ups") }

func (p QuarantinePage) found() string { return held(p.Total) }

func held(n int) string { return count(n, "sign-up is held", "sign-ups are held") }

// RejectAllPage asks before all that is held is rejected.
type RejectAllPage struct {
	Page
	Total  int
	Latest string // id of the latest one of them
}

func (p RejectAllPage) button() string { return "Reject all " + strconv.Itoa(p.Total) }
