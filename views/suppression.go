package views

import (
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
)

// SuppressionPage is for Suppression. Its forms post a file (list) and newsletter, or email, with csrf, to
// /suppression-list and /suppression-list/remove.
type SuppressionPage struct {
	Page
	Counts      []SuppressionCount
	Lists       []SuppressionRow // the latest first
	Newsletters []Option         // "" for all
	Chosen      string
	Email       string
	Errors      FieldErrors
}

// SuppressionCount is how many addresses are noted for a newsletter, or for all.
type SuppressionCount struct {
	For string
	N   int
}

// SuppressionRow is a file of addresses, as it is worked off.
type SuppressionRow struct {
	ID          string
	For         string // the newsletter, or all of the organisation
	At          time.Time
	Total, Done int
	Left        int
	Noted       int
	Known       int
	Unreadable  []int // numbers of the first lines that have no address
	UnreadableN int
	Ended       bool
}

// SuppressionListPage is for SuppressionList.
type SuppressionListPage struct {
	Page
	List SuppressionRow
}

// path is the page of the file.
func (r SuppressionRow) path() templ.SafeURL { return templ.SafeURL("/suppression-list/" + r.ID) }

// liveURL is what answers when more of the file is done than the page shows.
func (r SuppressionRow) liveURL() string {
	return string(r.path()) + "/live?done=" + strconv.Itoa(r.Done)
}

// result says in a few words what the file did.
func (r SuppressionRow) result() string {
	if !r.Ended {
		return number(r.Done) + " of " + number(r.Total) + " done"
	}
	return number(r.Left) + " left, " + number(r.Noted) + " noted"
}

// lines are the numbers of the lines without an address.
func (r SuppressionRow) lines() string {
	var all []string
	for _, n := range r.Unreadable {
		all = append(all, strconv.Itoa(n))
	}
	text := strings.Join(all, ", ")
	if more := r.UnreadableN - len(r.Unreadable); more > 0 {
		text += " and " + number(more) + " more"
	}
	return text
}
