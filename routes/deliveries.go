package routes

import (
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// delivery is a subscriber's way into one of the tenant's CRMs.
type delivery struct {
	in *crm.Provider // with the words of any CRM where there is none yet
	newsletter.Status
	several bool // there are further ones, so that pages name the CRM
}

// deliveriesOf are a subscriber's into those of the destinations that they have entered, in
// their order.
func (s *server) deliveriesOf(all []destination, sub db.Subscriber) (list []delivery) {
	for _, d := range all {
		if sub.In(d.ID).State != "" {
			list = append(list, delivery{in: wordsOf(d), Status: newsletter.StatusOf(sub.Seen(d.ID), d.Pause, s.Now()), several: len(all) > 1})
		}
	}
	return list
}

// view is a delivery as pages show it. Where there is one CRM it isn't named.
func (d delivery) view() views.Delivery {
	v := views.Delivery{State: viewState(d.in, d.State.Info())}
	if d.several {
		v.CRM = viewCRM(d.in)
	}
	switch {
	case !v.State.Waits && !v.State.Attention:
	case d.Again:
		v.Cause = "Repeated sign-up"
	case d.Why != "":
		v.Cause, v.CauseURL = deliveryReason(d.in, d.State, d.Why).Label, causeURL(d.in, string(d.State), d.Why)
	}
	return v
}

// personDelivery is a delivery as the subscriber's own page shows it.
func (s *server) personDelivery(c *fiber.Ctx, d delivery) views.PersonDelivery {
	v := views.PersonDelivery{Delivery: d.view(), Alert: s.personAlert(c, d), Attempts: d.Attempts, InCRM: inCRM(d.Delivery), DeliveredAt: d.DeliveredAt, Record: d.record()}
	v.CRM = viewCRM(d.in)
	v.OptedOut, v.OptedOutAt = d.in.Fill(optedOutWords[d.OptedOut]), d.OptedOutAt
	if v.State.Attention && d.MatchID != "" {
		v.MatchURL = d.in.RecordURL(d.InstanceURL, d.MatchID)
	}
	return v
}

// optedOutWords say what a CRM's record says of e-mail.
var optedOutWords = map[db.OptedOut]string{db.OptedOutOfAll: "Opted out of all e-mail in {CRM}", db.OptedOutOfOne: "Opted out of this newsletter in {CRM}"}

// record is the record in the CRM that a delivery led to.
func (d delivery) record() views.Record {
	if d.RecordID == "" {
		return views.Record{}
	}
	r := views.Record{ID: d.RecordID}
	if d.in.RecordURL != nil {
		r.URL = d.in.RecordURL(d.InstanceURL, d.RecordID)
	}
	return r
}

// nextTry is when a delivery is tried again: at no time that could be told while somebody
// has to connect first.
func (d delivery) nextTry() time.Time {
	if d.Why == crm.NotConnected || d.Why == crm.Broken {
		return time.Time{}
	}
	return d.NextTry
}

// why says in plain words why a delivery waits or needs attention.
func (s *server) why(c *fiber.Ctx, d delivery) (reason, mend string) {
	if d.Again {
		return "This address was signed up several times within an hour.", "Nothing to do: what was said last is sent when the hour is over."
	}
	if d.Why == "" {
		return "", ""
	}
	e := s.explained(c, d.in, d.Why, deliveryReason(d.in, d.State, d.Why))
	reason = e.What
	if d.Said != "" {
		reason += " " + d.in.Name + " says: “" + cut(d.Said, 300) + "”"
	}
	return reason, e.Mend
}

// inCRM is what is known of whether a subscriber is in the CRM.
func inCRM(d db.Delivery) views.Presence {
	switch {
	case d.RecordID != "":
		return views.Present
	case !d.SentAt.IsZero():
		return views.PerhapsPresent
	}
	return views.Absent
}
