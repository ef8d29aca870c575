package routes

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// LeavingStore is what the page about leaving reads and changes; db.DB is one, and documents the methods.
type LeavingStore interface {
	SetOnLeaving(ctx context.Context, key db.DestinationKey, l db.OnLeaving) error
	SubscriptionTypes(ctx context.Context, key db.DestinationKey) (db.SubscriptionTypes, error)
	RefusedOptOuts(ctx context.Context, key db.DestinationKey) (int, error)
	RetryOptOuts(ctx context.Context, key db.DestinationKey) (int, error)
}

// leavingPage is the page behind the address of a CRM's pages.
const leavingPage = "/leaving"

// leavingState is what the page about leaving shows, and what is chosen on it.
type leavingState struct {
	card  views.Integration
	set   db.OnLeaving
	types db.SubscriptionTypes
	fed   []db.Newsletter // that feed the destination; none where the CRM has no kinds of e-mail
}

// leavingState reads it for the destination that the address names.
func (s *server) leavingState(c *fiber.Ctx) (l leavingState, err error) {
	if l.card, err = s.card(c, c.Params("service")); err != nil {
		return l, err
	}
	ctx, here := c.UserContext(), s.here(c)
	set, err := s.Health.DeliverySettings(ctx, here.Key())
	if err != nil {
		return l, err
	}
	l.set = set.OnLeaving
	if p := s.crm(c); p.OptOuts == nil || p.OptOuts.Subscription == "" {
		return l, nil
	}
	if l.types, err = s.Health.SubscriptionTypes(ctx, here.Key()); err != nil {
		return l, err
	}
	all, err := s.Newsletters.OfTenant(ctx, who(c).Tenant.ID)
	l.fed = slices.DeleteFunc(all, func(n db.Newsletter) bool { return !here.FedBy(n.ID) })
	return l, err
}

// onLeaving handles GET /integrations/{service}/leaving: what leaving does in the CRM.
func (s *server) onLeaving(c *fiber.Ctx) error {
	l, err := s.leavingState(c)
	if err != nil {
		return err
	}
	refused, err := s.Health.RefusedOptOuts(c.UserContext(), s.here(c).Key())
	if err != nil {
		return err
	}
	page := views.LeavingPage{Page: s.page(c, "Leaving", views.NavIntegrations), Card: l.card, Flag: l.set.Flag, TakeBack: l.set.TakeBack, Refused: refused, Read: !l.types.ReadAt.IsZero()}
	p := s.crm(c)
	if p.OptOuts != nil {
		page.Mark, page.Hint, page.Kind, page.Lasting = p.OptOuts.Flag, p.OptOuts.Hint, p.OptOuts.Subscription, p.OptOuts.Lasting
	}
	if l.types.Code != "" {
		page.Wrong = p.Sentence(l.types.Code).What + " " + p.Sentence(l.types.Code).Mend
	}
	for _, n := range l.fed {
		chosen := l.set.Subscriptions[n.ID]
		page.Newsletters = append(page.Newsletters, views.NewsletterKind{Name: kindField(n), Label: n.Name, Value: chosen, Kinds: kindOptions(l.types, chosen)})
	}
	return render(c, http.StatusOK, views.LeavingInCRM(page))
}

// kindField is the field in which a newsletter's kind of e-mail is chosen.
func kindField(n db.Newsletter) string { return "kind_" + n.Slug }

// kindOptions are the kinds of e-mail to choose from. One that was chosen and isn't there any more
// is still shown.
func kindOptions(types db.SubscriptionTypes, chosen string) []views.Option {
	all := []views.Option{{Value: "", Text: "None of its own"}}
	for _, t := range types.All {
		all = append(all, views.Option{Value: t.ID, Text: t.Name})
	}
	if chosen != "" && !slices.ContainsFunc(types.All, func(t db.Choice) bool { return t.ID == chosen }) {
		all = append(all, views.Option{Value: chosen, Text: "No. " + chosen + ", which was not found"})
	}
	return all
}

// setOnLeaving handles POST /integrations/{service}/leaving.
func (s *server) setOnLeaving(c *fiber.Ctx) error {
	l, err := s.leavingState(c)
	if err != nil {
		return err
	}
	chosen, ok := l.chosen(c)
	if !ok {
		s.flash(c, views.FlashWarning, "Nothing was saved: please choose one of the answers to each question.")
		return redirect(c, healthURL(c)+leavingPage)
	}
	if err := s.Health.SetOnLeaving(c.UserContext(), s.here(c).Key(), chosen); err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, "Saved. It holds for whoever leaves from now on.")
	return redirect(c, healthURL(c)+leavingPage)
}

// chosen is what somebody chose on the page, and whether all of it can be chosen there. What it doesn't ask for
// stays.
func (l leavingState) chosen(c *fiber.Ctx) (to db.OnLeaving, ok bool) {
	to = db.OnLeaving{Flag: field(c, "flag") == "set", TakeBack: field(c, "take_back") == "on", Subscriptions: map[string]string{}}
	maps.Copy(to.Subscriptions, l.set.Subscriptions)
	ok = to.Flag || field(c, "flag") == "nothing"
	for _, n := range l.fed {
		kind := field(c, kindField(n))
		if kind == "" {
			delete(to.Subscriptions, n.ID)
			continue
		}
		there := kind == to.Subscriptions[n.ID] || slices.ContainsFunc(l.types.All, func(t db.Choice) bool { return t.ID == kind })
		ok = ok && there && !strings.ContainsAny(kind, ",=")
		to.Subscriptions[n.ID] = kind
	}
	return to, ok
}

// readKinds handles POST /integrations/{service}/leaving/read: it asks the CRM for its kinds of e-mail.
func (s *server) readKinds(c *fiber.Ctx) error {
	if _, err := s.card(c, c.Params("service")); err != nil {
		return err
	}
	err := s.Delivery.ReadSubscriptions(c.UserContext(), s.here(c).Key())
	f, refused := errors.AsType[*crm.Failure](err)
	switch {
	case refused:
		e := s.crm(c).AskedOnce(f.Code)
		s.flash(c, views.FlashWarning, e.What+" "+e.Mend)
	case err != nil:
		return err
	default:
		s.flash(c, views.FlashSuccess, "Read.")
	}
	return redirect(c, healthURL(c)+leavingPage)
}

// retryOptOuts handles POST /integrations/{service}/leaving/retry: what the CRM refused is asked for again.
func (s *server) retryOptOuts(c *fiber.Ctx) error {
	if _, err := s.card(c, c.Params("service")); err != nil {
		return err
	}
	if _, err := s.Health.RetryOptOuts(c.UserContext(), s.here(c).Key()); err != nil {
		return err
	}
	s.Delivery.Wake(who(c).Tenant.ID)
	s.flash(c, views.FlashSuccess, "They are tried again.")
	return redirect(c, healthURL(c)+leavingPage)
}

// receipts tell what leaving and coming back owed the CRMs, and what became of it.
func (s *server) optOuts(c *fiber.Ctx, all []db.OptOut) (moments []views.Moment) {
	for _, o := range all {
		p := s.words(c)
		if d, ok := s.destinationOf(c, o.DestinationID); ok {
			p = wordsOf(d)
		}
		moments = append(moments, optOutMoment(p, o))
	}
	return moments
}

// receiptTitles say what became of what was owed, by kind and outcome. {CRM} and {Record} stand for the CRM's words.
var receiptTitles = map[db.OptOutKind]map[db.OptOutOutcome]string{
	db.OptOutAll: {db.OptOutSet: "Opt-out set in {CRM}", db.OptOutWas: "Opted out in {CRM} already", "": "Opt-out is on its way to {CRM}", db.OptOutRefused: "Opt-out not set in {CRM}"},
	db.OptOutOne: {db.OptOutSet: "Unsubscribed in {CRM}", db.OptOutWas: "Unsubscribed in {CRM} already", "": "Unsubscribing is on its way to {CRM}", db.OptOutRefused: "Not unsubscribed in {CRM}"},
	db.OptOutField: {db.OptOutSet: "Leaving written into {CRM}", db.OptOutWas: "{CRM} said already that they left", "": "Leaving is on its way to {CRM}", db.OptOutRefused: "Leaving not written into {CRM}",
		db.OptOutNothing: "Nothing to be written into {CRM}"},
	db.OptOutBack: {db.OptOutSet: "Opt-out taken back in {CRM}", db.OptOutWas: "No opt-out in {CRM} any more", "": "Taking the opt-out back is on its way to {CRM}", db.OptOutRefused: "Opt-out not taken back in {CRM}"},
}

// optOutMoment tells what was owed to a CRM for somebody's leaving or coming back.
func optOutMoment(p *crm.Provider, o db.OptOut) views.Moment {
	m := views.Moment{At: o.EndedAt, Icon: "exit", Tone: "calm", Title: receiptTitles[o.What][o.Outcome], Quote: cut(o.Detail, 300)}
	switch o.Outcome {
	case "":
		m.At, m.Icon = o.AskedAt, "clock"
		if o.Code != "" {
			m.Lines = append(m.Lines, p.Sentence(o.Code).What)
		}
	case db.OptOutGone:
		m.Title = "No {Record} in {CRM} any more: nothing to be marked"
	case db.OptOutAway:
		m.Title = "Another {CRM} is connected, or none: nothing was marked"
	case db.OptOutMoot:
		m.Title = "Nothing was changed in {CRM}: they had decided otherwise before"
	case db.OptOutRefused:
		m.Icon, m.Tone = "alert", "bad"
		e := p.GaveUp(o.Code)
		m.Lines = append(m.Lines, e.What+" "+e.Mend)
	}
	if o.Subscription != "" && o.Outcome != db.OptOutMoot {
		m.Lines = append(m.Lines, "Kind of e-mail: no. "+o.Subscription)
	}
	m.Title = p.Fill(cmp.Or(m.Title, "Nothing to be changed in {CRM}"))
	return m
}
