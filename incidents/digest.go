package incidents

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

// The mails of a day: at which hour of the tenant's clock they are sent; for how long
// after it when no process ran then, since later they would be no news; and how far apart
// two of them are at least, whatever zones the tenant chooses.
const (
	Hour  = 8
	late  = 4 * time.Hour
	apart = 20 * time.Hour
)

// WantedDaily reports whether a member gets the mails of a day.
func WantedDaily(m db.Member) bool { return m.Mails == db.MailsAtOnce || m.Mails == db.MailsDaily }

// Digests queues the mails of the day where it is morning, of those tenants where anything
// is open that needs a person. Any number of processes may do it at once. A tenant whose
// mails can't be queued keeps no other one from its own.
func (w *Watch) Digests(ctx context.Context) error {
	now := w.now()
	all, err := w.Store.DueDigests(ctx, now.Add(-apart))
	errs := []error{err}
	for _, t := range all {
		morning := morningOf(now, zoneOf(t.TimeZone))
		if !now.Before(morning) && now.Sub(morning) < late && t.CreatedAt.Before(morning) {
			errs = append(errs, w.digest(ctx, t.ID, morning))
		}
	}
	return errors.Join(errs...)
}

// morningOf is when the mails are due on the day that it is in a zone.
func morningOf(now time.Time, zone *time.Location) time.Time {
	y, m, d := now.In(zone).Date()
	return time.Date(y, m, d, Hour, 0, 0, 0, zone)
}

// digest queues a tenant's mails of a morning. When nothing is open, nobody is told, and
// what comes up later waits for the next morning.
func (w *Watch) digest(ctx context.Context, tenantID string, morning time.Time) error {
	d, err := w.Store.Digest(ctx, tenantID)
	if errors.Is(err, db.ErrNotFound) {
		return nil // closed meanwhile
	} else if err != nil {
		return err
	}
	open := len(Open(w.CRMs, d)) > 0
	return w.Store.QueueDigest(ctx, tenantID, morning, apart, func(members []db.Member) (users []string) {
		for _, m := range members {
			if open && WantedDaily(m) {
				users = append(users, m.UserID)
			}
		}
		return users
	})
}

// Item is something that is open and needs a person.
type Item struct {
	N    int    // how many people it is about; 0 where it isn't about some
	What string // in a few words
	More string // since when, and who does what
	Path string // of the page where one does it
	Link string // what that page is called

	attention bool // it is why people need attention
}

// Open is what is open at a tenant and needs a person: what is about the connection first,
// then why people need attention, the most people first.
func Open(crms crm.Providers, d db.Digest) (items []Item) {
	for _, i := range d.Incidents {
		if i.Kind == db.IncidentBroken || i.Kind == db.IncidentFailing {
			items = append(items, itemOf(crms, i))
		}
	}
	for _, service := range d.Held {
		items = append(items, Item{What: nameOf(crms, service) + ": a new connection waits for your decision",
			More: "Say whether the account is the right one.", Path: "/integrations", Link: "Decide"})
	}
	for _, i := range d.Incidents {
		if i.Kind == db.IncidentWaiting && i.N > 0 && crms.For(i.Service).Sentence(i.Cause).Who != crm.Nobody && i.Cause != "" {
			items = append(items, itemOf(crms, i))
		}
	}
	for _, to := range d.Destinations {
		items = append(items, problemItems(crms.For(to.Service), to, len(d.Destinations) > 1)...)
	}
	for _, i := range d.Incidents {
		if i.Kind.OfNewsletter() || i.Kind == db.IncidentMails || i.Kind == db.IncidentField && i.Fields != "" {
			items = append(items, itemOf(crms, i))
		}
	}
	return items
}

// problemItems are why people need attention in a destination, which is named where there
// are several.
func problemItems(p *crm.Provider, to db.DestinationDigest, several bool) (items []Item) {
	for _, cause := range to.Problems {
		if !cause.State.Info().Attention {
			continue
		}
		e := p.GaveUp(cause.Reason)
		what := e.Title
		if several {
			what = p.Name + ": " + what
		}
		items = append(items, Item{N: cause.N, What: what, More: whoFixes(p, e.Who), Path: problemPath(p, cause), Link: "View problem", attention: true})
	}
	return items
}

// itemOf is an incident in a few words.
func itemOf(crms crm.Providers, i db.Incident) Item {
	w := Tell(crms, i)
	item := Item{What: w.Title, More: upper(local(i, i.Since)) + ". " + w.Mend, Path: w.Path, Link: w.Link}
	if i.Kind == db.IncidentWaiting {
		item.N, item.What = i.N, "Waiting: "+crms.For(i.Service).Sentence(i.Cause).Title
	}
	if i.Kind.OfNewsletter() {
		item.What = w.Title + ": " + i.Newsletter
	}
	if i.Kind == db.IncidentSilent {
		item.What, item.More = w.Title+": "+i.Newsletter, "No sign-ups "+local(i, i.Since)+". Open the page that your form is on, and sign up yourself."
	}
	return item
}

// problemPath is where the page of a cause is.
func problemPath(p *crm.Provider, cause db.Problem) string {
	return statusPath(p, "/problems/"+string(cause.State)+"/"+url.PathEscape(cause.Reason))
}

// whoFixes says who can do something about why people need attention.
func whoFixes(p *crm.Provider, who crm.Who) string {
	switch who {
	case crm.You:
		return "You can fix it."
	case crm.Admin:
		return p.Fill("Your {CRM} admin can fix it.")
	case crm.Us:
		return "The people who run this service can fix it."
	}
	return "Retry, or dismiss them."
}

// Headline says in a few words what is open: the first thing that is about all, and how
// many need attention.
func Headline(crms crm.Providers, d db.Digest) string {
	var said []string
	for _, i := range Open(crms, d) {
		if !i.attention && len(said) == 0 {
			said = append(said, i.What)
		}
	}
	people := 0
	for _, to := range d.Destinations {
		for _, cause := range to.Problems {
			if cause.State.Info().Attention {
				people += cause.N
			}
		}
	}
	if people > 0 {
		said = append(said, count(people, "sign-up needs attention", "sign-ups need attention"))
	}
	return strings.Join(said, ", ")
}

// Standing says how each CRM's connection is and who waits.
func Standing(crms crm.Providers, d db.Digest) string {
	all := make([]string, len(d.Destinations))
	for n, to := range d.Destinations {
		all[n] = standing(crms.For(to.Service), to, d)
	}
	return strings.Join(all, " ")
}

func standing(p *crm.Provider, to db.DestinationDigest, d db.Digest) string {
	state := p.Name + ": not connected."
	if to.Connected {
		state = p.Name + ": connected."
	}
	for _, i := range d.Incidents {
		switch {
		case i.About != to.ID:
		case i.Kind == db.IncidentBroken:
			state = p.Name + ": connection lost."
		case i.Kind == db.IncidentFailing:
			state = p.Name + ": connected, but the connection can’t be renewed."
		}
	}
	waiting := fmt.Sprintf("%d waiting", to.Waiting)
	if !to.OldestWaiting.IsZero() && to.Waiting > 0 {
		waiting += ", the oldest since " + Moment(to.OldestWaiting, d.TimeZone)
	}
	return upper(state) + " " + waiting + "."
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
