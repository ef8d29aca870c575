package routes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/forms"
	"gatepost/input"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// PersonStore is what a subscriber's page reads and changes; db.DB is one, and documents
// the methods.
type PersonStore interface {
	Subscriber(ctx context.Context, tenantID, id string) (db.Subscriber, error)
	History(ctx context.Context, tenantID, subscriberID string) (db.History, error)
	ConfirmationMails(ctx context.Context, tenantID, subscriberID string) ([]db.ConfirmationMail, error)
	Retry(ctx context.Context, key db.DestinationKey, subscriberID, actor string) (bool, error)
	Dismiss(ctx context.Context, key db.DestinationKey, subscriberID, actor, note string) (bool, error)
	Return(ctx context.Context, tenantID, subscriberID, actor string) (bool, error)
	Leave(ctx context.Context, tenantID, subscriberID, actor, note string) (bool, error)
	UndoTest(ctx context.Context, tenantID, subscriberID, actor string) (db.Removal, error)
	ExportPerson(ctx context.Context, tenantID, emailKey string) (db.PersonExport, error)
	ErasureStore
}

func personURL(id string) string { return "/subscribers/" + id }

// person handles GET /subscribers/{id}: everything that happened to one.
func (s *server) person(c *fiber.Ctx) error {
	sub, err := s.subscriber(c)
	if err != nil {
		return err
	}
	h, err := s.Health.History(c.UserContext(), who(c).Tenant.ID, sub.ID)
	if err != nil {
		return err
	}
	page := views.PersonPage{Page: s.page(c, nameOf(sub), views.NavSubscribers), Person: views.Subscriber{ID: sub.ID, Email: sub.Email,
		FirstName: sub.FirstName, LastName: sub.LastName, Newsletter: sub.Newsletter, Status: viewState(s.words(c), sub.Status.Info()), SignedUpAt: sub.CreatedAt}}
	if page.HeldFor, err = s.heldWords(c, sub.ID); err != nil {
		return err
	}
	page.Letter = s.plainNewsletter(db.Newsletter{Name: sub.Newsletter, Slug: sub.NewsletterSlug, State: sub.NewsletterState})
	all := s.destinations(c)
	page.Several = len(all) > 1
	for _, d := range s.deliveriesOf(all, sub) {
		page.Deliveries = append(page.Deliveries, s.personDelivery(c, d))
	}
	form, err := s.formOf(c, sub, h)
	if err != nil {
		return err
	}
	page.Person.Fields = filled(form, sub.Fields)
	page.Story, page.Earlier = s.story(c, h, sub.Newsletter, form)
	return render(c, http.StatusOK, views.Person(page))
}

// formOf is the form that a subscriber filled in, as it is now, for the labels of what is told of
// it; the first one where nothing is.
func (s *server) formOf(c *fiber.Ctx, sub db.Subscriber, h db.History) (forms.Definition, error) {
	first := forms.First("")
	if len(sub.Fields) == 0 && !slices.ContainsFunc(h.Consents, func(c db.Consent) bool { return len(c.Replaced) > 0 }) {
		return first, nil
	}
	all, err := s.Newsletters.OfTenant(c.UserContext(), who(c).Tenant.ID)
	for _, n := range all {
		if n.ID == sub.NewsletterID {
			return n.Form, err
		}
	}
	return first, err
}

// filled is what stands in the fields of a form, in their order.
func filled(form forms.Definition, values forms.Values) (all []views.Filled) {
	for _, f := range form.Fields {
		if value := values[f.ID]; value != "" {
			all = append(all, views.Filled{Label: f.Name(forms.English), Value: f.Display(value, forms.English)})
		}
	}
	return all
}

// nameOf is what a subscriber is called: by name, or by address when they gave none.
func nameOf(s db.Subscriber) string {
	switch {
	case s.FirstName != "" && s.LastName != "":
		return s.FirstName + " " + s.LastName
	}
	return cmp.Or(s.FirstName, s.LastName, s.Email)
}

// personAlert tells why a subscriber waits or needs attention; nil when there is nothing
// to tell.
func (s *server) personAlert(c *fiber.Ctx, d delivery) *views.PersonAlert {
	is := d.State.Info()
	if d.Why == "" && !d.Again || !is.Waits && !is.Attention {
		return nil
	}
	a := views.PersonAlert{Tone: is.Tone, NextTry: d.nextTry()}
	if d.Again {
		a.Reason, a.Text = s.why(c, d)
	} else { // what the CRM said stands in the timeline, and what to do on the problem's page
		e := s.explained(c, d.in, d.Why, deliveryReason(d.in, d.State, d.Why))
		a.Reason, a.Text = e.Title, e.What
	}
	switch {
	case d.Again:
	case d.in == crm.Any:
		a.URL, a.Link = "/integrations", "View integrations"
	case d.Reason == d.Why: // theirs, and not everybody's
		a.More = max(0, who(c).overview.SameReason[d.DestinationID]-1)
		a.URL, a.Link = causeURL(d.in, string(d.State), d.Why), "View problem"
	default:
		a.URL, a.Link = string(views.ServicePage(d.in.Service)), "View status"
	}
	return &a
}

// story puts what happened to a subscriber in order, the latest first. What was not read
// of any kind begins somewhere: earlier reports that nothing is told from there on.
func (s *server) story(c *fiber.Ctx, h db.History, newsletter string, form forms.Definition) (all []views.Moment, earlier bool) {
	all = s.steps(c, h.Events)
	tellHow(all, h)
	for _, e := range h.Corrections {
		all = append(all, correction(e))
	}
	all = append(all, s.optOuts(c, h.OptOuts)...)
	for _, c := range h.Consents {
		if c.Act != db.ConsentWithdrawn { // which is told with what became of it
			all = append(all, consent(c, newsletter, form))
		}
	}
	var from time.Time
	for _, read := range []struct {
		n    int
		last func() time.Time
	}{
		{len(h.Events), func() time.Time { return h.Events[len(h.Events)-1].At }},
		{len(h.Consents), func() time.Time { return h.Consents[len(h.Consents)-1].At }},
		{len(h.OptOuts), func() time.Time { return h.OptOuts[len(h.OptOuts)-1].AskedAt }},
		{len(h.Corrections), func() time.Time { return h.Corrections[len(h.Corrections)-1].At }},
	} {
		if read.n >= db.HistoryLimit {
			earlier = true
			if at := read.last(); at.After(from) {
				from = at
			}
		}
	}
	// Of one moment, the sign-up or the edit comes before what it led to.
	slices.SortStableFunc(all, func(a, b views.Moment) int { return b.At.Compare(a.At) })
	return slices.DeleteFunc(all, func(m views.Moment) bool { return m.At.Before(from) }), earlier
}

// waysOut say how somebody left: as the title of a moment, which is the event's own when empty, and to the letter as
// evidence has it.
var waysOut = map[db.LeftHow]struct{ title, how string }{
	db.LeftByLink:     {"Unsubscribed by the link in a mail", "by the button of their unsubscribe page"},
	db.LeftByOneClick: {"Unsubscribed by their mail program", "by their mail program (one click, RFC 8058)"},
	db.LeftByAPI:      {"Unsubscribed through the API", "by a program, over the API"},
	db.LeftByAdmin:    {"", "by somebody of the team"},
	db.LeftByList:     {"Unsubscribed by a file of addresses", "by a list of addresses"},
}

// tellHow says of each time that somebody left how they did. Both come the latest first; a release of
// before wrote down that alone that they left.
func tellHow(all []views.Moment, h db.History) {
	withdrawn := slices.DeleteFunc(slices.Clone(h.Consents), func(c db.Consent) bool { return c.Act != db.ConsentWithdrawn })
	for i, e := range h.Events {
		if e.State != db.Left || len(withdrawn) == 0 {
			continue
		}
		all[i].Title = cmp.Or(waysOut[withdrawn[0].How].title, all[i].Title)
		withdrawn = withdrawn[1:]
	}
}

// fieldNames are those of the form in words, in order.
var fieldNames = []struct{ key, name string }{{"email", "E-mail address"}, {"first_name", "First name"}, {"last_name", "Last name"}}

// consent tells a sign-up in words.
func consent(c db.Consent, newsletter string, form forms.Definition) views.Moment {
	m := views.Moment{At: c.At, Icon: "form", Title: "Signed up for " + newsletter, Quote: c.Words, Source: sourceNames[c.Source].where}
	switch {
	case c.Elsewhere():
		m.Icon, m.Title, m.Source = "check", "Confirmed elsewhere, as the program said that handed it on", ""
		return m
	case c.Act == db.ConsentConfirmed:
		m.Icon, m.Title, m.Source = "check", "Confirmed by e-mail", ""
		return m
	case c.Repeated:
		m.Title = "Signed up again"
	}
	if c.Version > 0 {
		m.Source += fmt.Sprintf(", version %d", c.Version)
	}
	for _, f := range filled(form, c.Replaced) {
		m.Lines = append(m.Lines, f.Label+" before: "+f.Value)
	}
	return m
}

// correction tells an edit in words.
func correction(e db.Correction) views.Moment {
	m := views.Moment{At: e.At, Icon: "edit", Title: "Edited", Actor: e.Actor}
	for _, f := range fieldNames {
		for _, c := range e.Changes {
			if c.Field == f.key {
				m.Lines = append(m.Lines, fmt.Sprintf("%s: %s → %s", f.name, orNone(c.Was), orNone(c.Is)))
			}
		}
	}
	return m
}

func orNone(value string) string {
	if value == "" {
		return "none"
	}
	return "“" + value + "”"
}

// steps tell events in words, which come the latest first. Each is told by what was before it
// on the same way: into the same CRM, or of the subscriber themselves.
func (s *server) steps(c *fiber.Ctx, events []db.Event) []views.Moment {
	all, before := make([]views.Moment, len(events)), map[string]db.Event{}
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		all[i] = s.step(c, e, before[e.DestinationID], before[""])
		before[e.DestinationID] = e
	}
	return all
}

// step tells an event. What the subscriber was by then is told by own, the last event of
// theirs. The CRM is named where there are several.
func (s *server) step(c *fiber.Ctx, e, before, own db.Event) views.Moment {
	p, ours := s.words(c), s.destinations(c)
	if d, ok := s.destinationOf(c, e.DestinationID); ok {
		p = wordsOf(d)
	}
	if own.State == db.Active && own.At.Equal(e.At) {
		e.Actor = "" // they had somebody come back, which is told
	}
	m := stepIn(p, e, before)
	if own.State == db.Left && e.State.Info().Arrived {
		m.Lines = append(m.Lines, "It was on its way when this person was marked as left.")
	}
	if e.DestinationID != "" && len(ours) > 1 && !strings.Contains(m.Title, p.Name) {
		m.Title = p.Name + ": " + m.Title
	}
	if e.Reason != "" {
		m.Lines = append(m.Lines, deliveryReason(p, e.State, e.Reason).What)
	}
	if e.Detail != "" {
		m.Quote = cut(e.Detail, 300)
	}
	return m
}

// stepIn tells an event in the words of a CRM, without why it happened.
func stepIn(p *crm.Provider, e, before db.Event) views.Moment {
	is, was := e.State.Info(), before.State.Info()
	m := views.Moment{At: e.At, Icon: is.Icon, Tone: is.Tone, Title: viewState(p, is).Became, Actor: e.Actor}
	switch {
	case e.State == db.Active && e.Actor != "":
		m.Icon, m.Tone, m.Title = "retry", "", cmp.Or(was.Returned, m.Title)
	case e.State == db.Active && before.State == db.Left:
		m.Icon, m.Tone, m.Title = "retry", "", "Came back"
	case e.State == db.Active:
		m.Icon, m.Tone, m.Title = "check", "", "On the list"
	case is.Waits && e.Actor != "":
		m.Icon, m.Tone, m.Title = "retry", "", cmp.Or(was.Returned, "Retried")
	case is.Waits && e.Reason == "":
		m.Title = "Waiting to be sent again"
	case e.State == db.Ended:
		m.Lines = append(m.Lines, "The newsletter doesn’t feed "+p.Name+" any more.")
	}
	return m
}

// retryOne handles POST /subscribers/{id}/retry.
func (s *server) retryOne(c *fiber.Ctx) error {
	return s.decideDelivery(c, "It is on its way again.", func(ctx context.Context, key db.DestinationKey, id string) (bool, error) {
		return s.Health.Retry(ctx, key, id, who(c).User.ID)
	})
}

// dismissOne handles POST /subscribers/{id}/dismiss. A note, which says why, is optional.
func (s *server) dismissOne(c *fiber.Ctx) error {
	note, wrong := optionalNote(c, "note")
	if wrong != "" {
		s.flash(c, views.FlashWarning, wrong)
		return redirect(c, personURL(c.Params("id")))
	}
	return s.decideDelivery(c, "Dismissed: it will not be sent.", func(ctx context.Context, key db.DestinationKey, id string) (bool, error) {
		return s.Health.Dismiss(ctx, key, id, who(c).User.ID, note)
	})
}

// markAsActive handles POST /subscribers/{id}/return, of somebody who left.
func (s *server) markAsActive(c *fiber.Ctx) error {
	return s.decideOne(c, "Marked as active again.", func(ctx context.Context, tenant, id string) (bool, error) {
		return s.Health.Return(ctx, tenant, id, who(c).User.ID)
	})
}

// optionalNote returns what somebody says, in a field of the form, of why they do something, or
// what is wrong with that.
func optionalNote(c *fiber.Ctx, name string) (note, wrong string) {
	note, err := input.Line(field(c, name))
	switch {
	case err != nil:
		return "", "Please check the reason: " + err.Error()
	case utf8.RuneCountInString(note) > maxNote:
		return "", fmt.Sprintf("Please say it more briefly: at most %d characters.", maxNote)
	}
	return note, ""
}

// decideDelivery has somebody decide what becomes of a subscriber's way into the CRM that the
// form names with in, or into the first one.
func (s *server) decideDelivery(c *fiber.Ctx, text string, decide func(ctx context.Context, key db.DestinationKey, id string) (bool, error)) error {
	d, ok := s.destinations(c)[0], true
	if in := field(c, "in"); in != "" {
		d, ok = s.destination(c, in)
	}
	if !ok {
		return db.ErrNotFound
	}
	return s.decideOne(c, text, func(ctx context.Context, _, id string) (bool, error) { return decide(ctx, d.Key(), id) })
}

// decideOne has somebody decide what becomes of a subscriber.
func (s *server) decideOne(c *fiber.Ctx, text string, decide func(ctx context.Context, tenant, id string) (bool, error)) error {
	ctx, tenant := c.UserContext(), who(c).Tenant.ID
	sub, err := s.subscriber(c)
	if err != nil {
		return err
	}
	done, err := decide(ctx, tenant, sub.ID)
	if err != nil {
		return err
	}
	s.Delivery.Wake(tenant)
	if done {
		s.flash(c, views.FlashSuccess, text)
	} else {
		s.flash(c, views.FlashInfo, "Nothing was changed: it is in another state by now.")
	}
	return redirect(c, personURL(sub.ID))
}

// leaveForm handles GET /subscribers/{id}/leave, which asks first.
func (s *server) leaveForm(c *fiber.Ctx) error {
	return s.askToLeave(c, http.StatusOK, "", nil)
}

func (s *server) askToLeave(c *fiber.Ctx, status int, note string, wrong map[string]string) error {
	sub, err := s.subscriber(c)
	if err != nil {
		return err
	}
	if !slices.Contains(sub.Status.Info().Decisions, db.Left) {
		s.flash(c, views.FlashInfo, "Nothing was changed: it is in another state by now.")
		return redirect(c, personURL(sub.ID))
	}
	return render(c, status, views.Leave(views.LeavePage{Page: s.page(c, "Mark as left", views.NavSubscribers), ID: sub.ID, Name: nameOf(sub),
		Newsletter: sub.Newsletter, In: s.presences(c, sub), Note: cut(note, 500), Errors: wrong}))
}

// presences are what is known of whether a subscriber is in each CRM.
func (s *server) presences(c *fiber.Ctx, sub db.Subscriber) (all []views.PresenceIn) {
	for _, d := range s.deliveriesOf(s.destinations(c), sub) {
		all = append(all, views.PresenceIn{CRM: viewCRM(d.in), Presence: inCRM(d.Delivery)})
	}
	return all
}

// markAsLeft handles POST /subscribers/{id}/leave. A note, which says why, is optional.
func (s *server) markAsLeft(c *fiber.Ctx) error {
	note, wrong := optionalNote(c, "note")
	if wrong != "" {
		return s.askToLeave(c, http.StatusUnprocessableEntity, field(c, "note"), map[string]string{"note": wrong})
	}
	return s.decideOne(c, "Marked as left.", func(ctx context.Context, tenant, id string) (bool, error) {
		return s.Health.Leave(ctx, tenant, id, who(c).User.ID, note)
	})
}

// editForm handles GET /subscribers/{id}/edit.
func (s *server) editForm(c *fiber.Ctx) error {
	sub, err := s.subscriber(c)
	if err != nil {
		return err
	}
	page, err := s.editPage(c, sub, newsletter.Form{Email: sub.Email, FirstName: sub.FirstName, LastName: sub.LastName})
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.PersonEdit(page))
}

func (s *server) editPage(c *fiber.Ctx, sub db.Subscriber, f newsletter.Form) (views.PersonEditPage, error) {
	page := views.PersonEditPage{Page: s.page(c, "Edit", views.NavSubscribers), ID: sub.ID, Name: nameOf(sub), Newsletter: sub.Newsletter,
		Email: cut(f.Email, 500), FirstName: cut(f.FirstName, 500), LastName: cut(f.LastName, 500), In: s.presences(c, sub), Left: sub.Status == db.Left}
	page.Fixed = page.Left || sub.AddressIsFixed()
	asks, err := s.asksAnew(c, sub)
	if err != nil {
		return page, err
	}
	page.Asks = asks
	for _, d := range s.deliveriesOf(s.destinations(c), sub) {
		page.Retries = page.Retries || d.State.Info().Attention
		if d.RecordID == "" {
			continue
		}
		set, err := s.Health.DeliverySettings(c.UserContext(), db.DestinationKey{TenantID: sub.TenantID, DestinationID: d.DestinationID})
		if err != nil {
			return page, err
		}
		if set.One != db.OneUpdate {
			page.KeepsNames = append(page.KeepsNames, viewCRM(d.in))
		}
	}
	return page, nil
}

// asksAnew reports whether a subscriber would have to confirm another address by mail.
func (s *server) asksAnew(c *fiber.Ctx, sub db.Subscriber) (bool, error) {
	if sub.Status != db.Active || sub.ConfirmedAt.IsZero() {
		return sub.Status == db.Unconfirmed, nil
	}
	n, err := s.Newsletters.Of(c.UserContext(), sub.TenantID, sub.NewsletterSlug)
	return s.Newsletters.Confirms(n), err
}

// edit handles POST /subscribers/{id}/edit. An address that can't be changed isn't sent.
func (s *server) edit(c *fiber.Ctx) error {
	sub, err := s.subscriber(c)
	if err != nil {
		return err
	}
	form := newsletter.Form{Email: field(c, "email"), FirstName: field(c, "first_name"), LastName: field(c, "last_name")}
	if sub.AddressIsFixed() || sub.Status == db.Left && form.Email == "" {
		form.Email = sub.Email
	}
	page, err := s.editPage(c, sub, form)
	if err != nil {
		return err
	}
	clean, wrong := form.Check()
	if len(wrong) > 0 {
		page.Errors = wrong
		return render(c, http.StatusUnprocessableEntity, views.PersonEdit(page))
	}
	edited, err := s.Newsletters.Edit(c.UserContext(), who(c).Tenant.ID, sub.ID, clean, who(c).User.ID)
	switch {
	case errors.Is(err, db.ErrConflict):
		page.Errors, page.OtherURL = views.FieldErrors{"email": "Somebody else has this address on " + sub.Newsletter + " already."}, personURL(edited.Other)
		return render(c, http.StatusConflict, views.PersonEdit(page))
	case errors.Is(err, db.ErrAddressFixed):
		page.Fixed, page.Email = true, sub.Email
		page.Errors = views.FieldErrors{"": "Nothing was changed: the address was sent to " + s.words(c).Name + " in the meantime, so it can’t be changed here any more."}
		return render(c, http.StatusConflict, views.PersonEdit(page))
	case errors.Is(err, db.ErrLeft):
		page.Left, page.Fixed, page.Email = true, true, sub.Email
		page.Errors = views.FieldErrors{"": "Nothing was changed: this person has left, so the address can’t be changed here."}
		return render(c, http.StatusConflict, views.PersonEdit(page))
	case errors.Is(err, db.ErrAddressLeft):
		page.Errors = views.FieldErrors{"email": "Whoever has this address left " + sub.Newsletter + ", or doesn’t want mails. They come back by signing up with it themselves."}
		return render(c, http.StatusConflict, views.PersonEdit(page))
	case err != nil:
		return err
	}
	if len(edited.Changes) == 0 {
		s.flash(c, views.FlashInfo, "Nothing was changed.")
	} else {
		s.flash(c, views.FlashSuccess, savedText(s.words(c), edited))
	}
	return redirect(c, personURL(sub.ID))
}

// savedText says what an edit leads to.
func savedText(p *crm.Provider, e db.Edited) string {
	if e.Asks {
		return "Saved. A mail with a button goes to the new address. Nothing is sent to " + p.Name + " before it is pressed."
	}
	if e.Waits {
		return "Saved. It is on its way to " + p.Name + "."
	}
	return "Saved."
}
