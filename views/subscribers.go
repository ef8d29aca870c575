package views

import (
	"time"
)

// SubscribersPage is for Subscribers, and for its fragment SubscriberResults, which htmx
// asks for while one types. The form asks GET /subscribers with q, newsletter, cause, when
// (and from and to), state and sort.
type SubscribersPage struct {
	Page
	Empty   bool   // nobody has signed up yet
	FormURL string // a public form to share then

	CRMs        []Tab // whose states are shown; none where there is one
	States      []Tab
	Filter      SubscriberFilter
	Newsletters []Option
	Causes      []Option
	Whens       []Option

	Rows        []SubscriberRow
	First       int  // which of all the first row is; 0 when that isn't known
	Total       int  // how many there are
	More        bool // there are more than Total
	PreviousURL string
	NextURL     string
	ClearURL    string // without anything filtered
	CSVURL      string

	// Addresses of other orders, empty where there are too many for them.
	ByTimeURL, ByAddressURL, ByNameURL string
}

// SubscriberFilter is what is filtered by, as the form sends it.
type SubscriberFilter struct {
	Query, In, State, Newsletter, Cause, When, From, To string
	Order                                               string // oldest, address, name; the newest first when empty
}

// anything reports whether somebody is left out.
func (f SubscriberFilter) anything() bool {
	f.Order, f.In = "", ""
	return f != SubscriberFilter{}
}

// SignedUpBetween is the choice of two dates under when.
const SignedUpBetween = "range"

// SubscriberRow is a row of the table.
type SubscriberRow struct {
	ID         string
	Email      string
	Name       string
	Newsletter string
	Status     State // active, or left
	Deliveries []Delivery
	SignedUpAt time.Time
}

// orders are how the list is said to be ordered.
var orders = map[string]string{"": "newest first", "oldest": "oldest first", "address": "by address", "name": "by name"}

// found says how many there are, and which of them are shown.
func (p SubscribersPage) found() string {
	shown, total := len(p.Rows), count(p.Total, "subscriber", "subscribers")
	if p.More {
		total = "more than " + total
	}
	switch {
	case shown == 0:
		return "No subscribers found."
	case p.Total == 1 && !p.More:
		return total + "."
	case shown == p.Total && !p.More:
	case p.First > 0 && shown == 1:
		total = number(p.First) + " of " + total
	case p.First > 0:
		total = number(p.First) + "–" + number(p.First+shown-1) + " of " + total
	default:
		total = number(shown) + " of " + total
	}
	return total + ", " + orders[p.Filter.Order] + "."
}

// nobody says what to try when nobody is found.
func (p SubscribersPage) nobody() string {
	f := p.Filter
	f.Query, f.In, f.Order = "", "", ""
	if filtered := f != (SubscriberFilter{}); p.Filter.Query == "" {
		return "Nobody matches these filters."
	} else if filtered {
		return "No address or name has that in it, within these filters."
	}
	return "No address or name has that in it. Try a part of it."
}

// sorted is what aria-sort says of a column in an order of its own.
func (p SubscribersPage) sorted(column string) string {
	if p.Filter.Order == column {
		return "ascending"
	}
	return ""
}

// timeSorted is what aria-sort says of the time, and the arrow that shows it.
func (p SubscribersPage) timeSorted() (sort, arrow string) {
	switch p.Filter.Order {
	case "":
		return "descending", " ↓"
	case "oldest":
		return "ascending", " ↑"
	}
	return "", ""
}

func (p SubscribersPage) byTime() bool { return p.Filter.Order == "" || p.Filter.Order == "oldest" }
