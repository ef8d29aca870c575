package views

import (
	"cmp"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// StatusPage is for StatusOf, the first page of a CRM.
type StatusPage struct {
	Page
	Live    Status
	Actions Actions
}

// Status is how a CRM gets sign-ups, for StatusLive, which polls
// /integrations/{service}/live. Answer it with 204 when Version is still the query's
// seen.
type Status struct {
	CSRF          string
	Card          Integration
	Totals        Totals // of those who go there
	People        Totals // of all of the tenant's subscribers
	Several       bool   // the tenant has further CRMs
	NeverSent     int    // subscribers at least who have not been sent there, though their newsletters feed it
	Before        bool   // somebody's sign-up arrived there at some time, so that it was connected
	Pause         *Pause
	LastDelivered time.Time // zero when nothing was
	OldestWaiting time.Time // since when the one waits that waits longest; zero when nobody waits
	Causes        int       // for which people need attention
	CauseSince    time.Time // since when there is the oldest of them; zero when nobody knows
	Usage         Usage
	Elsewhere     int // people who are in another org than the one that is connected
	Chart         Chart
	Range         string // id of the chart's range
	Zone          string // in which times are written
	Recount       Recount
	Unmapped      bool // no mapping of the CRM's own fields was ever saved; not told on Home

	// The rest tells that nothing is new: from it and the totals follow the chart, the last
	// one that was delivered, the one that waits longest, and who is elsewhere.
	LastEvent string    // id of the newest event of a subscriber
	Now       time.Time // in whose hour the chart ends
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

// Usage is what the CRM last said, with an answer to us, of what an org may use only
// so much of. Asking would be a call as well, so it tells of when it is.
type Usage struct {
	Unit          string        // "API calls"
	Window        time.Duration // in which they are counted
	Used, Allowed int
	Ours          int       // of them made by us
	At            time.Time // zero when it never said any
}

// Recount is what the last recount of all rows found.
type Recount struct {
	At     time.Time // zero when there was none
	Took   time.Duration
	People Totals // the subscribers
	Rows   Totals // those who go to the CRM
	Wrong  int    // kept numbers that the rows contradicted
}

// SumPage is for Sum.
type SumPage struct {
	Page
	Live    Status
	Actions Actions
}

// Version changes whenever the status would look different.
func (s Status) Version() string {
	s.CSRF, s.Card.CSRF, s.Unmapped = "", "", false
	s.Chart, s.LastDelivered, s.OldestWaiting, s.Causes, s.CauseSince, s.Elsewhere = Chart{}, time.Time{}, time.Time{}, 0, time.Time{}, 0
	s.Now = s.Now.Truncate(15 * time.Minute).UTC() // days begin at quarters of an hour, in some zones
	return digest(s)
}

func (s Status) liveURL() string {
	return string(s.Card.path("live")) + "?range=" + s.Range + "&seen=" + s.Version()
}

// TooLong is for how long somebody waits when something is wrong: where many come at
// once, sign-ups are gathered for up to a minute before they are sent.
const TooLong = 2 * time.Minute

// waited is how long the one has waited that waits longest.
func (s Status) waited() time.Duration {
	if s.OldestWaiting.IsZero() {
		return 0
	}
	return max(s.Now.Sub(s.OldestWaiting), time.Second)
}

func (s Status) delayed() bool {
	return s.Card.Waiting > 0 && (s.Card.Delayed || s.Pause != nil || s.waited() >= TooLong)
}

// lost reports whether nothing can be sent until somebody does something.
func (s Status) lost() bool { return s.Card.State != Connected }

// card is the CRM with what is known of those who wait.
func (s Status) card() Integration {
	s.Card.Delayed = s.delayed()
	return s.Card
}

// Alert says in one sentence whether all is well, and if not, why, and what to do. Its
// tone is good only when nobody needs attention and nobody waits longer than they should.
func (s Status) alert(c clock) Alert {
	name := s.Card.Name
	switch {
	case s.Totals.Difference != 0 || s.People.Difference != 0:
		return Alert{Tone: "bad", Title: s.Accounted(), Text: "A count is wrong, or somebody is missing. Please tell the people who run this service.",
			LinkURL: string(s.Card.path("sum")), LinkText: "View the numbers"}
	case s.Card.State == ConnectionBroken:
		return Alert{Tone: "bad", Title: "Connection to " + name + " lost", Text: sentences(s.Card.Reason, s.Card.Mend),
			ConnectURL: string(s.Card.path("connect")), ConnectText: "Reconnect " + name}
	case s.Card.State == ConnectionHeld:
		return Alert{Tone: "warn", Title: s.Card.news(), Text: "Nothing changes until you have decided.", LinkURL: "/integrations", LinkText: "Decide"}
	case s.lost() && !s.Card.DisconnectedAt.IsZero():
		return Alert{Tone: "warn", Title: "You disconnected " + name, Text: "Sign-ups are kept and arrive as soon as you connect again.",
			ConnectURL: string(s.Card.path("connect")), ConnectText: "Connect " + name}
	case s.lost():
		return Alert{Title: name + " is not connected yet", Text: "Sign-ups are kept and arrive as soon as you connect.",
			ConnectURL: string(s.Card.path("connect")), ConnectText: "Connect " + name}
	case s.Card.Attention > 0:
		return Alert{Tone: "bad", Title: people(s.Card.Attention) + attentionWords(s.Card.Attention), Text: s.refused(c),
			LinkURL: string(s.Card.path("problems")), LinkText: "View problems"}
	case s.Card.Failing:
		return Alert{Tone: "warn", Title: "Access to " + name + " can’t be renewed for now", Text: sentences(s.Card.Reason, s.Card.Mend, next(c, s.Card.NextTry))}
	case s.Pause != nil:
		return Alert{Tone: "warn", Title: s.waiting(), Text: sentences(s.Pause.Reason, s.Pause.Mend, next(c, s.Pause.Until))}
	case s.delayed():
		return Alert{Tone: "warn", Title: s.waiting(), Text: "They go on by themselves. Oldest waiting: " + lasting(s.waited()) + ".",
			LinkURL: string(s.Card.path("problems")), LinkText: "View problems"}
	case s.Totals.All == 0:
		return Alert{Tone: "good", Title: "Ready for sign-ups", Text: name + " is connected. Whoever signs up arrives there within seconds."}
	}
	return Alert{Tone: "good", Title: "All sign-ups arrive", Text: s.Totals.arrived() + " No one waits longer than two minutes, and no one needs attention."}
}

// neverSent tells of those who signed up before the CRM was there.
func (s Status) neverSent() Alert {
	return Alert{Title: count(s.NeverSent, "subscriber has", "subscribers have") + " not been sent to " + s.Card.Name,
		Text: "Who signed up before it was there is sent when you say so.", About: "before"}
}

// unmapped reports whether to offer the mapping: once the CRM's fields can be read.
func (s Status) unmapped() bool { return s.Unmapped && s.Card.State == Connected && !s.Card.Failing }

// onlyNames offers the mapping.
func (s Status) onlyNames() Alert {
	return Alert{Title: "Only the address and the names go to " + s.Card.Name,
		Text: "Choose which other fields are filled. If none are, save the mapping as it is, and this goes away.", About: "fields"}
}

// waiting says how many wait, or that nothing is sent when nobody does yet.
func (s Status) waiting() string {
	if s.Card.Waiting == 0 {
		return "Nothing is sent to " + s.Card.Name + " for now"
	}
	return count(s.Card.Waiting, "sign-up waits", "sign-ups wait") + " for " + s.Card.Name
}

// refused says why people need attention, and what else is in the way.
func (s Status) refused(c clock) string {
	text := s.Card.Name + " refused them"
	if s.Card.Attention == 1 {
		text = s.Card.Name + " refused this sign-up"
	}
	if s.Causes > 1 {
		text += " for " + number(s.Causes) + " reasons"
	}
	switch {
	case s.Card.Failing:
		return sentences(text+".", s.Card.Reason, s.Card.Mend)
	case s.Pause != nil:
		return sentences(text+".", s.Pause.Reason, next(c, s.Pause.Until))
	}
	if s.CauseSince.IsZero() {
		return text + "."
	}
	return text + ". The oldest problem has been open for " + lasting(max(s.Now.Sub(s.CauseSince), time.Second)) + "."
}

// next says when something is tried again, in a sentence; nothing when nobody knows.
func next(c clock, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return "Next try: " + c.time(at) + "."
}

// sentences joins those that there are.
func sentences(all ...string) string {
	var told []string
	for _, s := range all {
		if s != "" {
			told = append(told, s)
		}
	}
	return strings.Join(told, " ")
}

func people(n int) string { return count(n, "person", "people") }

// Accounted says whether both sums come out: of all sign-ups, and of those who go to the CRM.
func (s Status) Accounted() string {
	if s.Totals.Difference == 0 {
		return s.People.Accounted()
	}
	return s.Totals.Accounted()
}

// Accounted says whether everybody who was received is still here.
func (t Totals) Accounted() string {
	switch {
	case t.New == 0 && t.Difference == 0:
		return "No sign-ups yet"
	case t.Difference != 0:
		return number(t.New-t.Difference) + " of " + count(t.New, "sign-up", "sign-ups") + " accounted for"
	case t.New == 1:
		return "The one sign-up is accounted for"
	}
	return "All " + number(t.New) + " sign-ups accounted for"
}

// arrived says how many of all are where they should be.
func (t Totals) arrived() string {
	n, label := 0, ""
	for _, s := range t.States {
		if s.State.Arrived {
			n, label = n+s.N, cmp.Or(label, s.State.Sum)
		}
	}
	switch {
	case n == 1 && t.New == 1:
		return "The one sign-up is " + label + "."
	case n == t.New:
		return "All " + number(n) + " are " + label + "."
	}
	return number(n) + " of " + number(t.New) + " are " + label + "."
}

// shares are the states of the sum, each with the list of those who are in it; in is the
// query's part that names the CRM, where there are several.
func (t Totals) shares(in string) (all []Share) {
	for _, s := range t.States {
		if s.State.Main || s.N > 0 {
			share := Share{Series: s.State.Series, Text: s.State.Label, N: s.N}
			if !s.State.Gone {
				share.URL = "/subscribers?" + in + "state=" + s.State.Code
			}
			all = append(all, share)
		}
	}
	return all
}

// shares are the states of those who go to the CRM.
func (s Status) shares() []Share {
	if !s.Several {
		return s.Totals.shares("")
	}
	return s.Totals.shares("in=" + url.QueryEscape(s.Card.Service) + "&")
}

// lasting writes a duration as people say it, rounded down to what matters: "20 seconds",
// "22 minutes", "1 day 8 hours", "12 days".
func lasting(d time.Duration) string {
	minutes, hours := int(d/time.Minute), int(d/time.Hour)
	days, rest := hours/24, hours%24
	switch {
	case d < time.Minute:
		return count(max(int(d/time.Second), 1), "second", "seconds")
	case hours < 1:
		return count(minutes, "minute", "minutes")
	case days < 1:
		return count(hours, "hour", "hours")
	case days < 7 && rest > 0:
		return count(days, "day", "days") + " " + count(rest, "hour", "hours")
	}
	return count(days, "day", "days")
}

// ago says when something was: within the hour by how long that is, else by the time.
func ago(c clock, t time.Time) string {
	if d := c.now.Sub(t); d >= 0 && d < time.Hour && !c.now.IsZero() {
		return lasting(d) + " ago"
	}
	at := c.time(t)
	for _, day := range []string{"Today", "Yesterday"} {
		if rest, ok := strings.CutPrefix(at, day); ok {
			return strings.ToLower(day) + rest
		}
	}
	return at
}

// oldest is how long the one has waited that waits longest, for a fact.
func (s Status) oldest() string {
	if s.OldestWaiting.IsZero() || s.Card.Waiting == 0 {
		return "Nobody"
	}
	return lasting(s.waited())
}

// old reports whether nothing that it counts counts any more.
func (u Usage) old(now time.Time) bool { return now.Sub(u.At) >= u.Window }

// scopeWords are permissions in words, by the name that services give them; that of a
// product may stand before it, with a dot.
var scopeWords = map[string]string{"api": "read and write records", "full": "full access", "refresh_token": "stay connected", "offline_access": "stay connected",
	"oauth": "stay connected", "crm.objects.contacts.read": "read and write records", "crm.objects.contacts.write": "read and write records",
	"modules.contacts.ALL": "read and write records", "modules.leads.ALL": "read and write records", "coql.READ": "find records", "securesearch.READ": "find records",
	"settings.fields.READ": "see fields and layouts", "settings.layouts.READ": "see fields and layouts", "settings.modules.READ": "see fields and layouts",
	"org.READ": "see who connected", "users.READ": "see who connected",
	"id": "see who connected", "openid": "see who connected", "profile": "see who connected", "email": "see who connected"}

// permissions are what was allowed, in words; one that has none is named as it is.
func permissions(scopes []string) string {
	all := permissionWords(scopes)
	if len(all) > 0 {
		all[0] = permissionLine(all[0])
	}
	return strings.Join(all, ", ")
}

// permissionLine is a permission as a line begins with it. A name stays as it is.
func permissionLine(words string) string {
	for _, known := range scopeWords {
		if known == words {
			return capitalised(words)
		}
	}
	return words
}

// permissionWords are scopes in words, each once.
func permissionWords(scopes []string) (all []string) {
	seen := map[string]bool{}
	for _, scope := range scopes {
		_, name, _ := strings.Cut(scope, ".")
		words := cmp.Or(scopeWords[scope], scopeWords[name], scope)
		if !seen[words] {
			all, seen[words] = append(all, words), true
		}
	}
	return all
}

// capitalised is a text as a line begins with it.
func capitalised(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[size:]
}

// posts are the way of sign-ups, and where they are held.
func (s Status) posts(c clock, forms, today int) []Post {
	form := Post{Icon: "form", Name: "Sign-up forms", Text: count(forms, "form", "forms") + ", " + count(today, "sign-up", "sign-ups") + " today"}
	gate := Post{Icon: "gate", Name: "Gatepost", Text: number(s.Card.Waiting) + " waiting"}
	end := Post{Icon: "plug", Name: s.Card.Name, Text: "Nothing arrived yet"}
	if !s.LastDelivered.IsZero() {
		end.Text = "Last arrival " + ago(c, s.LastDelivered)
	}
	if s.delayed() || s.lost() && s.Card.Waiting > 0 {
		gate.Tone = "warn"
		if s.waited() > 0 {
			gate.Text += ", oldest " + lasting(s.waited())
		}
	}
	switch {
	case s.Card.State == ConnectionBroken:
		gate.Cut, end.Tone, end.Icon = true, "bad", "off"
	case s.lost():
		gate.Cut, end.Tone, end.Icon = true, "warn", "off"
	case s.Card.Attention > 0:
		end.Tone = "bad"
	}
	return []Post{form, gate, end}
}

// agrees reports whether the rows say what was kept, with nobody missing.
func (r Recount) agrees() bool {
	return r.Wrong == 0 && r.Rows.Difference == 0 && r.People.Difference == 0
}

func (r Recount) disagreement() string {
	return count(max(r.Wrong, 1), "number doesn’t agree", "numbers don’t agree")
}
