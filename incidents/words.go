package incidents

import (
	"fmt"
	"strings"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/identity"
)

// Words tell of an incident.
type Words struct {
	Title string // what happened
	What  string // and more of it
	Mend  string // what to do
	Path  string // of the page where one does it
	Link  string // what that page is called
}

// AsOf says, for a letter that is read later, of when the numbers are in what Tell says;
// nothing where there are none.
func AsOf(i db.Incident, now time.Time) string {
	if i.Kind == db.IncidentSilent || i.Kind == db.IncidentBroken && i.N == 0 {
		return ""
	}
	zone := zoneOf(i)
	return "These numbers are as of " + now.In(zone).Format("Monday, 2 January, 15:04") + " (" + zoneName(zone) + ")."
}

// Tell says in plain words what happened, and what to do. Times are in the
// tenant's time zone.
func Tell(i db.Incident) Words {
	since := local(i, i.Since)
	switch i.Kind {
	case db.IncidentBroken:
		service, name := serviceOf(i.Trouble), identity.NameOf(serviceOf(i.Trouble))
		why := identity.WhyBroken(service, name, i.Cause)
		return Words{name + " is disconnected", "The connection ended " + since + ". " + why.What + waiting(i.N), why.Mend, "/integrations", "Go to your integrations"}
	case db.IncidentFailing:
		service, name := serviceOf(i.Trouble), identity.NameOf(serviceOf(i.Trouble))
		why := identity.WhyFailing(service, name, i.Cause)
		return Words{"The connection to " + name + " can’t be renewed", "It has failed " + since + ". " + why.What + waiting(i.N), why.Mend, "/integrations", "Go to your integrations"}
	case db.IncidentWaiting:
		if i.N == 0 {
			return Words{"Sign-ups have been waiting for long", "In the meantime none waits any more.", "Nothing to do.", "/integrations/" + identity.Salesforce, "See the numbers"}
		}
		e := crm.Sentence(i.Cause)
		if i.Cause == "" {
			e = crm.Explanation{What: "They are on their way, but it takes longer than it should.", Mend: "Nothing to do if it gets less on the page below. Otherwise, tell the people who run this service."}
		}
		return Words{"Sign-ups have been waiting for long", people(i.N, "waits", "wait") + ", the first " + since + ". Nothing is lost. " + e.What, e.Mend, "/integrations/" + identity.Salesforce, "See what waits"}
	case db.IncidentAttention:
		if i.N == 0 {
			return Words{"Sign-ups need your attention", "In the meantime all of them have been dealt with.", "Nothing to do.", "/integrations/" + identity.Salesforce, "See the numbers"}
		}
		e := crm.GaveUp(i.Cause)
		return Words{"Sign-ups need your attention", people(i.N, "is", "are") + " not in Salesforce, and won’t get there without you. For most of them: " + e.What, e.Mend, "/integrations/" + identity.Salesforce, "See who and why"}
	case db.IncidentSilent:
		return Words{"A busy form has gone silent", fmt.Sprintf("%s got no sign-up %s. In the same hours of other weeks it got %d or more, in three weeks out of four. That it is chance is most unlikely.", i.Newsletter, since, i.N),
			"Open the page that your form is on, and sign up yourself: the form may be gone, broken, or covered by something. If you stopped it on purpose, there is nothing to do.", "/integrations", "See your forms"}
	}
	return Words{}
}

// serviceOf is the service of a connection that is trouble.
func serviceOf(t db.Trouble) string {
	if t.About == "" {
		return identity.Salesforce
	}
	return t.About
}

// Mended says in plain words that the trouble is over.
func Mended(i db.Incident) Words {
	at := local(i, i.MendedAt)
	if (i.Kind == db.IncidentBroken || i.Kind == db.IncidentFailing) && i.About != "" {
		return Words{identity.NameOf(i.About) + " is connected again", "The connection is in order " + at + ".", "Nothing to do.", "/integrations", "Go to your integrations"}
	}
	mended := map[db.IncidentKind]Words{
		db.IncidentBroken:    {Title: "Salesforce is connected again", What: "The connection is in order " + at + ". Sign-ups that waited are being sent."},
		db.IncidentFailing:   {Title: "The connection to Salesforce is in order again", What: "It is renewed again " + at + "."},
		db.IncidentWaiting:   {Title: "No sign-up waits for long any more", What: "Those that had waited were dealt with. It is in order " + at + "."},
		db.IncidentAttention: {Title: "Few sign-ups need your attention now", What: "Most of those that did have been dealt with. It is in order " + at + "."},
		db.IncidentSilent:    {Title: "A silent form is in use again", What: i.Newsletter + " gets sign-ups again " + at + "."},
	}[i.Kind]
	mended.Mend = "Nothing to do."
	mended.Path, mended.Link = "/integrations/"+identity.Salesforce, "See the numbers"
	return mended
}

// local is a moment for people.
func local(i db.Incident, t time.Time) string {
	zone := zoneOf(i)
	return "since " + t.In(zone).Format("Monday, 2 January, 15:04") + " (" + zoneName(zone) + ")"
}

func zoneOf(i db.Incident) *time.Location {
	zone, err := time.LoadLocation(i.TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

func zoneName(zone *time.Location) string {
	return strings.ReplaceAll(zone.String(), "_", " ")
}

func waiting(n int) string {
	if n == 0 {
		return ""
	}
	return " " + people(n, "waits", "wait") + "."
}

// people counts sign-ups, with the verb that fits.
func people(n int, one, more string) string {
	if n == 1 {
		return "1 sign-up " + one
	}
	return fmt.Sprintf("%d sign-ups %s", n, more)
}
