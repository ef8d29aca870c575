package views

import (
	"strings"
	"time"

	"github.com/a-h/templ"
)

// ActionKind says what an Action does.
type ActionKind string

// The kinds of actions.
const (
	ActionRetry   ActionKind = "retry"
	ActionTry     ActionKind = "try"
	ActionDismiss ActionKind = "dismiss"
	ActionMove    ActionKind = "move"
	ActionSend    ActionKind = "send"
	ActionApply   ActionKind = "apply"
	ActionFill    ActionKind = "fill"
	ActionRecount ActionKind = "recount"
)

// Actions is for ActionList, which polls /integrations/{service}/actions while one
// is under way. Answer it with 204 when Version is still the query's seen.
type Actions struct {
	Service string
	Kind    ActionKind // that the page is for; empty for all
	All     []Action   // the latest first
	Polled  bool       // what is around it is older
}

// Action is what somebody has done for many subscribers at once.
type Action struct {
	Kind               ActionKind
	Cause              string // of a problem, its title; empty for a move and a recount
	Org                string // where a move sends them
	CRM                string // where others are sent
	Total, Done        int
	By                 string // e-mail of who asked for it
	StartedAt, EndedAt time.Time
	Error              string // org_changed, given_up, disagrees, or empty
}

// Version changes whenever the list would look different.
func (a Actions) Version() string {
	a.Polled = false
	return digest(a)
}

// UnderWay reports whether an action of the kind is, or any for an empty one.
func (a Actions) UnderWay(kind ActionKind) bool {
	for _, one := range a.All {
		if one.underWay() && (kind == "" || one.Kind == kind) {
			return true
		}
	}
	return false
}

func (a Actions) pollURL() string {
	return string(servicePath(a.Service, "actions")) + "?kind=" + string(a.Kind) + "&seen=" + a.Version()
}

// pageURL is the page that the list is on.
func (a Actions) pageURL() templ.SafeURL {
	if a.Kind == ActionRecount {
		return servicePath(a.Service, "sum")
	}
	if a.Kind == ActionSend {
		return servicePath(a.Service, "everybody")
	}
	if a.Kind == ActionApply {
		return servicePath(a.Service, "mapping")
	}
	return templ.SafeURL(strings.TrimSuffix(string(servicePath(a.Service, "")), "/"))
}

func (a Action) underWay() bool { return a.EndedAt.IsZero() }

// doing says what is done, and how far it is.
func (a Action) doing() string {
	so := ": " + number(min(a.Done, a.Total)) + " of " + number(a.Total)
	if a.Cause != "" {
		so = " (" + a.Cause + ")" + so
	}
	switch a.Kind {
	case ActionTry:
		return "Trying now" + so
	case ActionDismiss:
		return "Dismissing" + so
	case ActionMove:
		return "Sending to " + a.Org + so
	case ActionSend:
		return "Sending everybody to " + a.CRM + so
	case ActionApply:
		return "Applying the field mapping" + so
	case ActionFill:
		return "Filling in a field that is there again" + so
	case ActionRecount:
		return "Counting " + number(a.Total) + " people, row by row"
	}
	return "Retrying" + so
}

// askedFor says who asked for it, and when it began or ended.
func (a Action) askedFor(now clock) string {
	at := a.StartedAt
	if !a.underWay() {
		at = a.EndedAt
	}
	when := now.time(at) + "."
	if a.By != "" {
		return "By " + a.By + ". " + when
	}
	return when
}

// Flash is how what came of it is told.
func (a Action) Flash() FlashKind {
	switch a.Error {
	case "":
		return FlashSuccess
	case "org_changed":
		return FlashWarning
	}
	return FlashError
}

// Text says what came of it.
func (a Action) Text() string {
	switch a.Error {
	case "org_changed":
		return a.outcome() + " Then the connection was changed, so the others were left where they are."
	case "given_up":
		return a.outcome() + " The rest could not be done. Please try again, and tell the people who run this service if it happens once more."
	}
	return a.outcome()
}

func (a Action) outcome() string {
	switch a.Kind {
	case ActionTry:
		if a.Done == 0 {
			return "Trying now."
		}
		return "Trying " + count(a.Done, "sign-up", "sign-ups") + " now."
	case ActionDismiss:
		return "Dismissed " + count(a.Done, "sign-up", "sign-ups") + "."
	case ActionMove:
		return count(a.Done, "person is", "people are") + " on the way to " + a.Org + "."
	case ActionSend:
		return count(a.Done, "person is", "people are") + " on the way to " + a.CRM + "."
	case ActionApply, ActionFill:
		return count(a.Done, "person is", "people are") + " sent to " + a.CRM + " again."
	case ActionRecount:
		if a.Error == "" {
			return "Every row was counted, and the numbers agree: nobody is missing."
		}
		if a.Error == "disagrees" {
			return "Every row was counted, and the numbers don’t agree. Please tell the people who run this service."
		}
		return "The rows were not counted to the end."
	}
	return "Retrying " + count(a.Done, "sign-up", "sign-ups") + "."
}
