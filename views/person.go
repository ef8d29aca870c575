package views

import (
	"time"

	"github.com/a-h/templ"
)

// PersonPage is for Person. Its forms post csrf to /subscribers/{id}/retry and …/dismiss, and
// in, the service, where there are several deliveries.
type PersonPage struct {
	Page
	Person     Subscriber
	Letter     Newsletter // that they signed up for
	Deliveries []PersonDelivery
	Several    bool         // the tenant has several CRMs, so that each delivery says which it is of
	Story      []Moment     // the latest first
	Earlier    bool         // and there is more, which isn't shown
	HeldFor    []HoldReason // why a sign-up of theirs waits in the quarantine; none when none does
}

// Filled is what was filled into a field.
type Filled struct{ Label, Value string }

// PersonDelivery is a subscriber's way into one CRM, which has its name even where there is
// one.
type PersonDelivery struct {
	Delivery
	Alert       *PersonAlert // why it waits or needs attention; nil when there is nothing to tell
	Attempts    int
	InCRM       Presence
	Record      Record // in the CRM
	MatchURL    string // of another record that is in the way, where it is known
	DeliveredAt time.Time
	OptedOut    string    // what the CRM says of e-mail, in a sentence; empty for nothing
	OptedOutAt  time.Time // since when that is known
}

// Presence is whether a subscriber is in the CRM, as far as is known.
type Presence string

// What is known of whether a subscriber is in the CRM.
const (
	Absent         Presence = "absent"
	Present        Presence = "present"
	PerhapsPresent Presence = "perhaps" // a write is out whose outcome isn't known
)

// PresenceIn is whether a subscriber is in one of the CRMs that they are meant for.
type PresenceIn struct {
	CRM CRM
	Presence
}

// in are the CRMs of those with a presence.
func in(all []PresenceIn, presence Presence) (crms []CRM) {
	for _, p := range all {
		if p.Presence == presence {
			crms = append(crms, p.CRM)
		}
	}
	return crms
}

// PersonAlert tells why a subscriber waits or needs attention.
type PersonAlert struct {
	Tone    string
	Reason  string    // the cause, in a few words
	Text    string    // the cause, in a sentence
	NextTry time.Time // zero when unknown
	More    int       // how many others have the same problem
	URL     string    // of the problem's page; empty for none
	Link    string    // its text
}

// Moment is what happened to a subscriber at one time.
type Moment struct {
	At     time.Time
	Icon   string
	Tone   string // good, warn, bad, calm, or empty
	Title  string
	Actor  string   // e-mail of the user who did it; empty for nobody in particular
	Lines  []string // what there is to say of it
	Quote  string   // the words that were agreed to, that the CRM said, or that a user gave as a reason
	Source string   // of a sign-up: where it came from
}

// PersonEditPage is for PersonEdit. The form posts email (unless Fixed), first_name,
// last_name and csrf to /subscribers/{id}/edit.
type PersonEditPage struct {
	Page
	ID         string
	Name       string
	Newsletter string
	Email      string
	FirstName  string
	LastName   string
	In         []PresenceIn
	Retries    bool   // saving tries again what needs attention
	Fixed      bool   // the address can't be changed any more
	Left       bool   // since the person has left
	Asks       bool   // another address has to be confirmed by mail first
	KeepsNames []CRM  // where by the settings a name that is there isn't replaced
	OtherURL   string // of who has the address already
	Errors     FieldErrors
}

// LeavePage is for Leave. The form posts note, which may be empty, and csrf to
// /subscribers/{id}/leave.
type LeavePage struct {
	Page
	ID         string
	Name       string
	Newsletter string
	In         []PresenceIn
	Note       string
	Errors     FieldErrors
}

func personURL(id string) templ.SafeURL { return templ.SafeURL("/subscribers/" + id) }

func personTrail(id, name string) []Link {
	return []Link{{URL: "/subscribers", Text: "Subscribers"}, {URL: string(personURL(id)), Text: name}}
}

// only is the delivery where there is one CRM; nil where there are several.
func (p PersonPage) only() *PersonDelivery {
	if p.Several || len(p.Deliveries) != 1 {
		return nil
	}
	return &p.Deliveries[0]
}

// state is the badge of the page's head: what keeps somebody from CRMs, that they left say, or else of the only
// delivery.
func (p PersonPage) state() *Badge {
	if p.Person.Status.Apart {
		return p.Person.Status.badge()
	}
	if d := p.only(); d != nil {
		return d.State.badge()
	}
	return nil
}

// alertTitle is why a delivery waits or needs attention, with the CRM where there are several.
func (p PersonPage) alertTitle(d PersonDelivery) string {
	if p.only() != nil {
		return d.Alert.Reason
	}
	return d.CRM.Name + ": " + d.Alert.Reason
}

// urgent reports whether a button is the page's primary one: that of the first delivery that
// needs attention.
func (p PersonPage) urgent(d PersonDelivery) bool {
	for _, first := range p.Deliveries {
		if first.State.Attention {
			return first.CRM == d.CRM
		}
	}
	return false
}

// badge shows the state in a page's head.
func (s State) badge() *Badge { return &Badge{Tone: s.Tone, Icon: s.Icon, Text: s.Label} }

// address stands below a name, and not below itself.
func (p PersonPage) address() string {
	if p.Title == p.Person.Email {
		return ""
	}
	return p.Person.Email
}

// text is the cause, and how many others have it.
func (a PersonAlert) text() string {
	switch a.More {
	case 0:
		return a.Text
	case 1:
		return a.Text + " 1 more person has this problem."
	}
	return a.Text + " " + number(a.More) + " more people have this problem."
}

func orDash(value string) string {
	if value == "" {
		return "–"
	}
	return value
}

// whyFixed says why the address can't be changed here.
func (p PersonEditPage) whyFixed() string {
	if p.Left {
		return "This person has left, which is known by the address, so it can’t be changed. If they want " + p.Newsletter + " at another address, have them sign up with that one."
	}
	if there := in(p.In, Present); len(there) > 0 {
		where := listed(names(there))
		return "The address is in " + where + ", so it can’t be changed here: another one would make a second " + there[0].Record + ". Change it in " + where + ", or have the person sign up with the new one."
	}
	if sent := in(p.In, PerhapsPresent); len(sent) > 0 {
		return "The address can’t be changed now: it was sent to " + listed(names(sent)) + ", and the answer isn’t known yet."
	}
	return "The address was sent to a CRM, so it can’t be changed here."
}

// button says what saving leads to.
func (p PersonEditPage) button() string {
	if p.Retries {
		return "Save and retry"
	}
	return "Save"
}

func editFields(p PersonEditPage) []field {
	all := []field{
		{Name: "first_name", Label: "First name", Value: p.FirstName, Autocomplete: "off", Optional: true},
		{Name: "last_name", Label: "Last name", Value: p.LastName, Autocomplete: "off", Optional: true},
	}
	if !p.Fixed {
		email := field{Name: "email", Label: "E-mail address", Type: "email", Value: p.Email, Autocomplete: "off"}
		if p.Asks {
			email.Hint = "Another address gets a mail with a button. Until it is pressed, the person is unconfirmed and isn’t sent to a CRM."
		}
		all = append([]field{email}, all...)
	}
	return fields(p.Errors, all...)
}

// leaving says what leaving means for one CRM.
func (p PresenceIn) leaving() string {
	switch p.Presence {
	case Present:
		return "Nothing more is sent to " + p.CRM.Name + ". The " + p.CRM.Record + " that is there stays, and is marked there as its settings say."
	case PerhapsPresent:
		return "Nothing more is sent to " + p.CRM.Name + ". The last try got no answer yet: if it arrived, the " + p.CRM.Record + " stays there, and is marked there as its settings say."
	}
	return "Nothing is sent to " + p.CRM.Name + "."
}

// text says what leaving means, given where they are.
func (p LeavePage) text() string {
	const back = "Who signs up again comes back once they have confirmed by e-mail or, where no mail can be sent, once somebody has accepted them in the quarantine."
	var all []string
	for _, one := range p.In {
		all = append(all, one.leaving())
	}
	return sentences(append(all, back)...)
}
