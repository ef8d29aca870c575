package incidents

import (
	"fmt"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/zones"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Words tell of an incident.
type Words struct {
	Title string // what happened
	What  string // and more of it
	Mend  string // what to do
	Path  string // of the page where one does it
	Link  string // what that page is called
}

// connections is where the page of all connections is.
const connections = "/integrations"

// statusPath is where the page is that tells how a CRM gets sign-ups, or one below it.
func statusPath(p *crm.Provider, below string) string {
	if p == crm.Any {
		return connections
	}
	return connections + "/" + p.Service + below
}

const nothingToDo = "Nothing to do."

// AsOf says, for a letter that is read later, of when the numbers are in what Tell says;
// nothing where there are none.
func AsOf(i db.Incident, now time.Time) string {
	if i.Kind.OfNewsletter() || i.Kind == db.IncidentMails || i.Kind == db.IncidentBroken && i.N == 0 {
		return ""
	}
	return "As of " + Moment(now, i.TimeZone) + "."
}

// Tell says in plain words what happened, and what to do. Times are in the
// tenant's time zone.
func Tell(crms crm.Providers, i db.Incident) Words {
	since, service, p := local(i, i.Since), i.Service, crms.For(i.Service)
	name := nameOf(crms, service)
	switch i.Kind {
	case db.IncidentBroken:
		why := identity.WhyBroken(service, name, i.Cause)
		return Words{"Connection to " + name + " lost", "The connection was lost on " + Moment(i.Since, i.TimeZone) + ". " + why.What + waiting(i.N), why.Mend, connections, "View the connection"}
	case db.IncidentFailing:
		why := identity.WhyFailing(service, name, i.Cause)
		return Words{"The connection to " + name + " can’t be renewed", "It has failed " + since + ". " + why.What + waiting(i.N), why.Mend, connections, "View the connection"}
	case db.IncidentWaiting:
		return tellWaiting(p, i)
	case db.IncidentAttention:
		return tellAttention(p, i)
	case db.IncidentField:
		return tellFields(p, i)
	case db.IncidentSilent:
		return Words{"No sign-ups from a busy form", fmt.Sprintf("%s has had no sign-up %s. In the same hours of the last weeks it had %d or more, in three weeks out of four. That is hardly chance.", i.Newsletter, since, i.N),
			"Open the page that your form is on, and sign up yourself: the form may be gone, broken, or covered by something. If you stopped it on purpose, there is nothing to do.", "/newsletters", "View newsletters"}
	case db.IncidentSpike:
		return Words{"Many more sign-ups than usual", fmt.Sprintf("%s got %s %s, ten times what is usual or more.", i.Newsletter, count(i.N, "sign-up", "sign-ups"), since),
			"If you are advertising, there is nothing to do. If not, look at who they are: for robots, switch the checks on under the newsletter’s settings.", "/subscribers", "View subscribers"}
	case db.IncidentAttack:
		return Words{"A form is under attack", fmt.Sprintf("Most of the sign-ups of %s look like a robot’s %s: %d were held. Nothing of them reached your CRM, and nobody got a mail.", i.Newsletter, since, i.N),
			"Nothing to do as long as it is so. Look through what is held, and accept people who were held by mistake.", "/quarantine", "View what is held"}
	case db.IncidentConfirming:
		return Words{"Few people confirm", fmt.Sprintf("Only %d in 100 of those who were asked to confirm for %s pressed the button, %s. That is less than half of what is usual.", i.N, i.Newsletter, since),
			"Usually the mails don’t arrive: sign up yourself, and look whether the mail is there, or among spam. Then ask the people who run this service to check their mail server.", "/newsletters", "View newsletters"}
	case db.IncidentMails:
		return Words{"Confirmation mails wait", fmt.Sprintf("Many people signed up, and we send at most %s an hour for all of your newsletters together. The others have waited for theirs %s. A mail that can’t be sent within a day is not sent at all.", count(i.N, "confirmation mail", "confirmation mails"), since),
			"If you are advertising, ask the people who run this service for a higher limit. If not, look at who signed up. Against robots, switch the checks on under the newsletter’s settings.", "/subscribers", "View subscribers"}
	}
	return Words{}
}

// tellWaiting tells of sign-ups that wait for long.
func tellWaiting(p *crm.Provider, i db.Incident) Words {
	w := Words{Title: "Sign-ups have been waiting for long", What: "Meanwhile 0 are waiting.", Mend: nothingToDo, Path: statusPath(p, ""), Link: "View status"}
	if i.N == 0 {
		return w
	}
	e := p.Sentence(i.Cause)
	if i.Cause == "" {
		e = crm.Explanation{What: "They are on their way, but it takes longer than it should.", Mend: "Nothing to do if the number goes down. Otherwise, tell the people who run this service."}
	}
	w.What, w.Mend = count(i.N, "sign-up is", "sign-ups are")+" waiting, the oldest "+local(i, i.Since)+". Nothing is lost. "+e.What, e.Mend
	return w
}

// tellAttention tells of people who need attention.
func tellAttention(p *crm.Provider, i db.Incident) Words {
	w := Words{Title: "Sign-ups need attention", What: "Meanwhile all of them have been dealt with.", Mend: nothingToDo, Path: statusPath(p, "/problems"), Link: "View problems"}
	if i.N == 0 {
		return w
	}
	e := p.GaveUp(i.Cause)
	w.What, w.Mend = count(i.N, "sign-up needs", "sign-ups need")+" attention: not in "+p.Name+", and not sent again by itself. Most common cause: "+e.What, e.Mend
	return w
}

// tellFields tells of fields that nothing is written into for now.
func tellFields(p *crm.Provider, i db.Incident) Words {
	w := Words{Title: p.Fill("{CRM} fields can’t be filled in"), What: "Meanwhile all of them can be.", Mend: nothingToDo, Path: statusPath(p, "/mapping"), Link: "View field mapping"}
	if i.Fields == "" {
		return w
	}
	w.What = p.Fill("The connected user can’t write into these fields any more " + local(i, i.Since) + ": " + i.Fields + ". Sign-ups go on arriving in {CRM} without them. Nothing is lost: what they lack is filled in later.")
	w.Mend = p.Fill("Ask your {CRM} admin to give the fields back, or choose others under Field mapping. We look once a day, or at once when you press Read again there.")
	return w
}

// nameOf is what a service is called.
func nameOf(crms crm.Providers, service string) string {
	if p := crms.Of(service); p != nil {
		return p.Name
	}
	return identity.NameOf(service)
}

// Mended says in plain words that the trouble is over.
func Mended(crms crm.Providers, i db.Incident) Words {
	at, p := local(i, i.MendedAt), crms.For(i.Service)
	if (i.Kind == db.IncidentBroken || i.Kind == db.IncidentFailing) && !i.Delivers {
		return Words{nameOf(crms, i.Service) + " is connected again", "The connection works again " + at + ".", nothingToDo, connections, "View the connection"}
	}
	w := map[db.IncidentKind]Words{
		db.IncidentBroken:     {Title: p.Name + " is connected again", What: "The connection works again " + at + ". Sign-ups that were waiting are being sent."},
		db.IncidentFailing:    {Title: "The connection to " + p.Name + " is renewed again", What: "It works again " + at + "."},
		db.IncidentWaiting:    {Title: "No sign-ups have been waiting for long", What: "Those that had were dealt with. All is well " + at + "."},
		db.IncidentAttention:  {Title: "Few sign-ups need attention now", What: "Most of those that did have been dealt with. All is well " + at + "."},
		db.IncidentField:      {Title: "All mapped " + p.Name + " fields can be filled in again", What: "They can be written " + at + ". Who arrived without them is sent again."},
		db.IncidentSilent:     {Title: "Sign-ups are coming in again", What: i.Newsletter + " has had sign-ups again " + at + "."},
		db.IncidentSpike:      {Title: "Sign-ups are as many as usual again", What: i.Newsletter + " gets about as many sign-ups as usual again " + at + "."},
		db.IncidentAttack:     {Title: "The attack on a form is over", What: i.Newsletter + " has had few sign-ups that look like a robot’s " + at + "."},
		db.IncidentConfirming: {Title: "People confirm again", What: "As many as usual press the button of the confirmation mails for " + i.Newsletter + " again " + at + "."},
		db.IncidentMails:      {Title: "No confirmation mails wait for the limit any more", What: "There are no more of them than we send in an hour " + at + "."},
	}[i.Kind]
	w.Mend, w.Path, w.Link = nothingToDo, statusPath(p, ""), "View status"
	return w
}

// Moment is a time for people, in a zone that is said.
func Moment(t time.Time, zone string) string {
	return t.In(zoneOf(zone)).Format("Monday, 2 January, 15:04") + " (" + zones.Name(zone) + ")"
}

// local says since when something is so.
func local(i db.Incident, t time.Time) string { return "since " + Moment(t, i.TimeZone) }

// zoneOf is a tenant's time zone.
func zoneOf(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

func waiting(n int) string {
	if n == 0 {
		return ""
	}
	return " " + count(n, "sign-up is", "sign-ups are") + " waiting."
}

// english writes numbers: 3,000.
var english = message.NewPrinter(language.English)

// count is a number with the words that fit.
func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return english.Sprintf("%d %s", n, more)
}
