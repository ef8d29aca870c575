package views

import (
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
)

// ProblemsPage is for Problems.
type ProblemsPage struct {
	Page
	List CauseList
}

// CauseList is for ProblemsLive, which polls /integrations/{service}/problems/live. Answer
// it with 204 when Version is still the query's seen.
type CauseList struct {
	Card    Integration
	Causes  []Cause // those that need attention first
	Solved  []SolvedCause
	Actions Actions

	// The rest tells that nothing is new.
	LastEvent string // id of the newest event of a subscriber
	Stop      string // code of what all wait for
}

// Cause is why some wait or need attention. Its forms post csrf and reason, the code, to
// /integrations/{service}/retry or …/try, or csrf to …/connect.
type Cause struct {
	CSRF, Service string
	State         State // of those who have it
	Code          string
	Title         string
	Tone, Icon    string
	N             int
	Who           string    // can fix it; empty where it passes by itself
	NextTry       time.Time // when it is tried next; zero when that is not known
	Since         time.Time // zero when that is not known
	TryNow        bool      // they needn't wait
	Connect       bool      // it is the connection that is missing
	Busy          bool      // something is being done for all of them
}

// SolvedCause is why some waited or needed attention.
type SolvedCause struct {
	Service, State, Code string
	Title                string
	People               int // at one time, the most
	How                  string
	At                   time.Time
}

// ProblemPage is for ProblemDetail.
type ProblemPage struct {
	Page
	Card       Integration
	Cause      Cause
	What, Mend string
	Said       []string // what the CRM said, the most frequent first
	Code       string
	Note       string // for the CRM's admin; empty when they can't help
	MailURL    string // of a mail with the note
	People     []CausePerson
	Matches    bool   // some of them have a record in the way
	NewerURL   string // empty when there are none newer
	OlderURL   string // empty when there are none older
	CSVURL     string
	Actions    Actions
}

// CausePerson is somebody who has a cause.
type CausePerson struct {
	ID, Email, Name, Newsletter string
	At                          time.Time // the last try; of who waits, the sign-up
	MatchURL                    string    // of the record in the way; empty when that is not known
}

// NoProblemPage is for NoProblem.
type NoProblemPage struct {
	Page
	Card   Integration
	Title  string // of the cause that nobody has
	Solved *SolvedCause
}

// DismissPage is for DismissAll, whose form posts csrf, state, reason and note to
// /integrations/{service}/dismiss.
type DismissPage struct {
	Page
	Card        Integration
	Cause       Cause
	Note, Error string
}

// Version changes whenever the list would look different.
func (l CauseList) Version() string {
	l.Card.CSRF, l.Causes, l.Solved = "", nil, nil
	l.Actions.Polled = false
	return digest(l)
}

func (l CauseList) liveURL() string {
	return string(l.Card.path("problems/live")) + "?seen=" + l.Version()
}

// every is how often to ask: often while something is under way.
func (l CauseList) every() string {
	if l.Actions.UnderWay("") {
		return "every 2s"
	}
	return "every 5s"
}

// people are how many need attention, and how many wait for a cause.
func (l CauseList) people() (attention, waiting int) {
	for _, c := range l.Causes {
		if c.State.Waits {
			waiting += c.N
		} else {
			attention += c.N
		}
	}
	return attention, waiting
}

// heading says how many need attention and how many wait.
func (l CauseList) heading() string {
	attention, waiting := l.people()
	need := count(attention, "person needs", "people need") + " attention"
	switch {
	case attention > 0 && waiting > 0:
		return need + ", " + count(waiting, "is", "are") + " waiting"
	case attention > 0:
		return need
	case waiting > 0:
		return count(waiting, "person is", "people are") + " waiting"
	}
	return count(len(l.Causes), "problem", "problems")
}

// total says how many causes there are, and how many people have them.
func (l CauseList) total() string {
	attention, waiting := l.people()
	return count(len(l.Causes), "cause", "causes") + ", " + count(attention+waiting, "person", "people")
}

// URL is the address of the cause's page.
func (c Cause) URL() string {
	return string(servicePath(c.Service, "problems/"+c.State.Code+"/"+url.PathEscape(c.Code)))
}

func (c Cause) dismissURL() templ.SafeURL { return templ.SafeURL(c.URL() + "/dismiss") }

// AllOf says of how many something is done: "all 17", or "1 person".
func AllOf(n int) string {
	if n == 1 {
		return "1 person"
	}
	return "all " + number(n)
}

// forAll is a button's word for what is done to all of them: "Retry all 17".
func forAll(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + " all " + number(n)
}

// Long writes a duration for people, in the unit that tells it best.
func Long(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return wait(d)
	case d < 48*time.Hour:
		return count(int(d/time.Hour), "hour", "hours")
	}
	return count(int(d/(24*time.Hour)), "day", "days")
}

// since writes when something began: the day, and the hour of a day that is close.
func (c clock) since(t time.Time) string {
	day := c.date(t)
	if day == "Today" || day == "Yesterday" {
		return c.time(t)
	}
	return day
}

// inSentence is a moment in the middle of a sentence.
func inSentence(when string) string {
	for _, word := range []string{"Today", "Yesterday"} {
		if rest, ok := strings.CutPrefix(when, word); ok {
			return strings.ToLower(word) + rest
		}
	}
	return when
}

// who says who can fix it: where nobody has to, when it is tried next.
func (c Cause) who(now clock) string {
	switch {
	case c.Who != "":
		return c.Who
	case c.NextTry.After(now.now):
		return "By itself, next try " + inSentence(now.since(c.NextTry))
	}
	return "By itself"
}

// named tells buttons with the same words apart.
func (c Cause) named() string { return " (" + c.Title + ")" }

func (c Cause) connectWord() string {
	if c.Tone == "bad" {
		return "Reconnect"
	}
	return "Connect"
}

// URL is the address of the page of a cause that is over.
func (s SolvedCause) URL() string {
	return Cause{Service: s.Service, State: State{Code: s.State}, Code: s.Code}.URL()
}

// whatComesHere is said where there are no problems.
func (l CauseList) whatComesHere() string {
	return "When " + l.Card.Name + " refuses somebody, or somebody has to wait, you see here why, and what to do."
}

// trail leads from Integrations to one of a CRM's tabs.
func (i Integration) trail(tab, name string) []Link {
	return []Link{{"/integrations", "Integrations"}, {string(ServicePage(i.Service)), i.Name}, {string(i.path(tab)), name}}
}

// badge says how many have the cause.
func (p ProblemPage) badge() *Badge {
	text := number(p.Cause.N) + " waiting"
	if !p.Cause.State.Waits {
		text = number(p.Cause.N) + attentionWords(p.Cause.N)
	}
	return &Badge{p.Cause.Tone, p.Cause.Icon, text}
}

// sentence says since when, and who can fix it.
func (p ProblemPage) sentence(now clock) string {
	var s string
	if !p.Cause.Since.IsZero() {
		s = "Since " + inSentence(now.since(p.Cause.Since)) + ". "
	}
	if p.Cause.Who != "" {
		return s + p.Cause.Who + " can fix it."
	}
	if p.Cause.NextTry.After(now.now) {
		return s + "It passes by itself. Next try: " + inSentence(now.time(p.Cause.NextTry)) + "."
	}
	return s + "It passes by itself."
}

// whoWaits says where the people are.
func (p ProblemPage) whoWaits() string {
	if p.Cause.N == 0 {
		return "No sign-up is waiting yet."
	}
	these := "These " + number(p.Cause.N) + " people are"
	if p.Cause.N == 1 {
		these = "This person is"
	}
	return these + " in Gatepost, but not yet in " + p.Card.Name + "."
}

// steps are what to do, one after the other.
func (p ProblemPage) steps() []string {
	if p.Cause.State.Retry {
		return []string{p.Mend, "Then " + strings.ToLower(forAll("Retry", p.Cause.N)) + ". Nobody is created twice."}
	}
	return []string{p.Mend}
}

func (p ProblemPage) whenColumn() string {
	if p.Cause.State.Waits {
		return "Signed up"
	}
	return "Last try"
}

// shown says how many of the people the page shows.
func (p ProblemPage) shown() string {
	if len(p.People) >= p.Cause.N {
		return count(len(p.People), "person", "people")
	}
	return number(len(p.People)) + " of " + count(p.Cause.N, "person", "people")
}

// story says how a cause was solved, where that is known.
func (p NoProblemPage) story(now clock) string {
	if p.Solved == nil {
		return "Whoever had it is in " + p.Card.Name + ", or was dealt with otherwise."
	}
	return "Solved " + inSentence(now.since(p.Solved.At)) + ": " + strings.ToLower(p.Solved.How[:1]) + p.Solved.How[1:] + "."
}

func (p DismissPage) errors() FieldErrors {
	if p.Error == "" {
		return nil
	}
	return FieldErrors{"note": p.Error}
}

// question asks whether all are meant.
func (p DismissPage) question() string {
	if p.Cause.N == 1 {
		return "Dismiss this person?"
	}
	return "Dismiss all " + number(p.Cause.N) + "?"
}

func (p DismissPage) text() string {
	if p.Cause.N == 1 {
		return "They stay in Gatepost and are not sent to " + p.Card.Name + ". You can retry them later, from their page."
	}
	return "They stay in Gatepost and are not sent to " + p.Card.Name + ". You can retry each of them later, from their pages."
}
