package views

import "time"

// CheckUpPage is for CheckUp. Its form posts csrf to /integrations/{service}/checkup.
type CheckUpPage struct {
	Page
	Card     Integration
	At       time.Time // zero when there was none
	OtherOrg bool      // another org than the one connected now was checked
	Checks   []Check
	Costs    string // what a day costs, in a sentence; empty when nobody signed up lately
}

// CheckLevel says how a check came out.
type CheckLevel string

// The levels of a check.
const (
	CheckFine    CheckLevel = "ok"
	CheckWarning CheckLevel = "warning"
	CheckStop    CheckLevel = "stop"
)

// Check is one finding of a check-up.
type Check struct {
	Level         CheckLevel
	What, Meaning string
	Who, Mend     string // empty when nothing is to be done
}

// summary counts the findings in a sentence.
func (p CheckUpPage) summary() string {
	n := map[CheckLevel]int{}
	for _, c := range p.Checks {
		n[c.Level]++
	}
	s := count(n[CheckFine], "thing is in order", "things are in order")
	if n[CheckWarning] > 0 {
		s += ", " + count(n[CheckWarning], "is good to know", "are good to know")
	}
	if n[CheckStop] > 0 {
		s += ", " + count(n[CheckStop], "keeps sign-ups from arriving", "keep sign-ups from arriving")
	}
	return s + "."
}

// notYet says when the first one is made.
func (p CheckUpPage) notYet() string {
	if p.Card.State == Connected {
		return "A check-up asks " + p.Card.Name + " what could keep sign-ups from arriving. It takes a few seconds and one API call."
	}
	return "A check-up is made right after connecting."
}

// fix says who does what.
func (c Check) fix() string {
	if c.Who == "" {
		return c.Mend
	}
	return c.Who + ": " + c.Mend
}

// MovePage is for Move, whose form posts csrf and org to
// /integrations/{service}/move.
type MovePage struct {
	Page
	Card     Integration
	N        int // people in another org
	Actions  Actions
	UnderWay bool // they are being sent
}
