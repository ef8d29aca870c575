package views

import (
	"strconv"
	"strings"
	"time"
)

// HealthPage is for Health.
type HealthPage struct {
	Page
	Live      HealthStatus
	Actions   Actions
	Problems  []Problem
	Elsewhere int // people who are in another org than the one that is connected
}

// HealthStatus is for HealthLive, which polls /integrations/{service}/live. Answer
// it with 204 when Version is still the query's seen.
type HealthStatus struct {
	CSRF          string
	Card          Integration
	Totals        Totals
	LastDelivered time.Time // zero when nothing was
	OldestWaiting time.Time // when the one that waits longest signed up; zero when nobody waits
	Pause         *Pause    // nil when nothing stops the deliveries
	Usage         Usage
	Zone          string // in which days are counted
	Hours, Days   []Bar  // the earliest first
	Recount       Recount

	// The rest tells that nothing is new: from it and the totals follow the hours and
	// days, the last one that was delivered and the one that waits longest.
	LastEvent string    // id of the newest event of a subscriber
	Now       time.Time // in whose hour the plots end
}

// Pause says why nothing is sent for now. Its form posts csrf and reason, the
// code, to /integrations/{service}/try.
type Pause struct {
	Code               string
	Reason, Mend, Said string
	Until              time.Time
	TryNow             bool // it needn't be waited for
	Spared             bool // it must be: the last API calls are left to others
}

// Usage is what Salesforce last said, with an answer to us, of the org's API calls in
// the 24 hours before. Asking would be a call as well, so it tells of when it is.
type Usage struct {
	Used, Allowed int
	Ours          int       // of them made by us
	At            time.Time // zero when it never said any
}

// Recount is what the last recount of all rows found.
type Recount struct {
	At    time.Time // zero when there was none
	Took  time.Duration
	Rows  Totals
	Wrong int // kept numbers that the rows contradicted
}

// Bar is an hour or a day of a plot.
type Bar struct {
	At           time.Time
	Label, Short string
	SignUps      int // repeated ones too
	Delivered    int
	Totals       Totals // of those who signed up then
}

// Problem is a cause for which sign-ups wait or need attention. Its forms post
// csrf and reason to /integrations/{service}/retry or …/try, and note too to
// …/dismiss.
type Problem struct {
	CSRF, Service   string
	State           State
	Code            string
	What, Who, Mend string
	Said            string // what Salesforce said to the first of them
	Note            string // for the Salesforce admin; empty when they can't help
	N, People       int    // sign-ups, and different people among the first PeopleLimit
	PeopleLimit     int
	Some            []PersonLink
	CSVURL          string
	Busy            bool      // something is being done for all of them
	TryNow          bool      // they needn't wait
	GoesOn          time.Time // when they do, if all of the tenant's have to wait
}

// PersonLink leads to a subscriber's page.
type PersonLink struct{ ID, Email string }

// SumPage is for Sum.
type SumPage struct {
	Page
	Live    HealthStatus
	Actions Actions
}

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

// Version changes whenever the status would look different.
func (h HealthStatus) Version() string {
	h.CSRF, h.Card.CSRF = "", ""
	h.Hours, h.Days, h.LastDelivered, h.OldestWaiting = nil, nil, time.Time{}, time.Time{}
	h.Now = h.Now.Truncate(15 * time.Minute).UTC() // days begin at quarters of an hour, in some zones
	return digest(h)
}

func (h HealthStatus) liveURL() string {
	return string(h.Card.path("live")) + "?seen=" + h.Version()
}

// waitingSince says how long the one that waits longest has waited.
func (h HealthStatus) waitingSince() string {
	if h.OldestWaiting.IsZero() {
		return "Nobody waits"
	}
	return wait(max(time.Since(h.OldestWaiting), time.Second))
}

// neverRefreshed is what to say of a connection that was not renewed yet.
func (h HealthStatus) neverRefreshed() string {
	if h.Card.ConnectedAt.IsZero() {
		return "Not connected"
	}
	return "Not since it was connected"
}

// old reports whether none of the calls that it counts are of the last 24 hours.
func (u Usage) old(now time.Time) bool { return now.Sub(u.At) >= 24*time.Hour }

func (u Usage) share() int {
	if u.Allowed <= 0 {
		return 0
	}
	return u.Used * 100 / u.Allowed
}

// people says how many different people are among them.
func (p Problem) people() string {
	switch {
	case p.N > p.PeopleLimit:
		return count(p.N, "sign-up", "sign-ups")
	case p.People == p.N:
		return count(p.N, "person", "people")
	}
	return count(p.N, "sign-up", "sign-ups") + " of " + count(p.People, "person", "people")
}

func (p Problem) form() string { return strings.ToLower(p.Code) + "-" + p.State.Code }

// Wait writes a duration for people, rounded up: "20 seconds", "2 minutes".
func Wait(d time.Duration) string { return wait(d) }

// The plot is drawn in these units.
const (
	plotWidth  = 640
	plotHeight = 180
	plotTop    = 12
	plotBottom = 24
	plotLeft   = 36
)

// drawing is a plot as rectangles.
type drawing struct {
	Rects  []rect
	Labels []plotLabel
	Lines  []plotLabel
}

type rect struct{ Class, X, Y, Width, Height string }

type plotLabel struct{ X, Y, Text string }

// draw makes two rectangles of each bar, beside each other.
func draw(bars []Bar) drawing {
	top := 1
	for _, b := range bars {
		top = max(top, b.SignUps, b.Delivered)
	}
	top = round(top)
	var d drawing
	floor := float64(plotHeight - plotBottom)
	for _, share := range []float64{0.5, 1} {
		y := floor - share*(floor-plotTop)
		d.Lines = append(d.Lines, plotLabel{X: strconv.Itoa(plotLeft - 6), Y: decimal(y), Text: short(share * float64(top))})
	}
	step := float64(plotWidth-plotLeft) / float64(max(len(bars), 1))
	for i, b := range bars {
		x := plotLeft + float64(i)*step
		for j, n := range []int{b.SignUps, b.Delivered} {
			if n == 0 {
				continue
			}
			height := max(float64(n)/float64(top)*(floor-plotTop), 1.5)
			d.Rects = append(d.Rects, rect{Class: []string{"in", "out"}[j], X: decimal(x + step*(0.1+0.4*float64(j))), Y: decimal(floor - height),
				Width: decimal(step * 0.4), Height: decimal(height)})
		}
		if every := max(len(bars)/6, 1); i%every == every/2 {
			d.Labels = append(d.Labels, plotLabel{X: decimal(x + step/2), Y: strconv.Itoa(plotHeight - 8), Text: b.Short})
		}
	}
	return d
}

// round is the next number up that reads well at half and full height.
func round(n int) int {
	for scale := 1; ; scale *= 10 {
		for _, k := range []int{1, 2, 4, 6, 8, 10} {
			if k*scale >= n {
				return max(k*scale, 2)
			}
		}
	}
}

func short(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'f', -1, 64) + "M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'f', -1, 64) + "k"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

// plotSummary tells a plot in a sentence, for those who don't see it.
func plotSummary(bars []Bar) string {
	in, out := 0, 0
	for _, b := range bars {
		in, out = in+b.SignUps, out+b.Delivered
	}
	return count(in, "sign-up", "sign-ups") + " and " + count(out, "delivery", "deliveries") + " altogether. The numbers stand in the table below."
}

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
