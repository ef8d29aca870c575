package routes

import (
	"cmp"
	"context"
	"errors"
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

// onLeaving handles GET /integrations/{service}/leaving: what leaving does in the CRM.
func (s *server) onLeaving(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	key, p := s.here(c).Key(), s.crm(c)
	set, err := s.Health.DeliverySettings(c.UserContext(), key)
	if err != nil {
		return err
	}
	types, err := s.Health.SubscriptionTypes(c.UserContext(), key)
	if err != nil {
		return err
	}
	refused, err := s.Health.RefusedOptOuts(c.UserContext(), key)
	if err != nil {
		return err
	}
	page := views.LeavingPage{Page: s.page(c, "Leaving", views.NavIntegrations), Card: card, Flag: set.OnLeaving.Flag, TakeBack: set.OnLeaving.TakeBack, Refused: refused}
	if p.OptOuts != nil {
		page.Mark, page.Hint, page.Kind, page.Lasting = p.OptOuts.Flag, p.OptOuts.Hint, p.OptOuts.Subscription, p.OptOuts.Lasting
	}
	if page.Kind != "" {
		page.Read = !types.ReadAt.IsZero()
		if types.Code != "" {
			page.Wrong = p.Sentence(types.Code).What + " " + p.Sentence(types.Code).Mend
		}
		news, err := s.Newsletters.OfTenant(c.UserContext(), who(c).Tenant.ID)
		if err != nil {
			return err
		}
		for _, n := range news {
			if s.here(c).FedBy(n.ID) {
				chosen := set.OnLeaving.Subscriptions[n.ID]
				page.Newsletters = append(page.Newsletters, views.NewsletterKind{Name: "kind_" + n.Slug, Label: n.Name, Value: chosen, Kinds: kindOptions(types, chosen)})
			}
		}
	}
	return render(c, http.StatusOK, views.LeavingInCRM(page))
}

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
	if _, err := s.card(c, c.Params("service")); err != nil {
		return err
	}
	key, p := s.here(c).Key(), s.crm(c)
	set, err := s.Health.DeliverySettings(c.UserContext(), key)
	if err != nil {
		return err
	}
	types, err := s.Health.SubscriptionTypes(c.UserContext(), key)
	if err != nil {
		return err
	}
	l := db.OnLeaving{Flag: field(c, "flag") == "set", TakeBack: field(c, "take_back") == "on"}
	ok := l.Flag || field(c, "flag") == "nothing"
	if p.OptOuts != nil && p.OptOuts.Subscription != "" {
		news, err := s.Newsletters.OfTenant(c.UserContext(), who(c).Tenant.ID)
		if err != nil {
			return err
		}
		for _, n := range news {
			was := set.OnLeaving.Subscriptions[n.ID]
			kind := field(c, "kind_"+n.Slug)
			if !s.here(c).FedBy(n.ID) {
				kind = was // isn't asked for
			}
			if kind == "" {
				continue
			}
			ok = ok && (kind == was || slices.ContainsFunc(types.All, func(t db.Choice) bool { return t.ID == kind })) && !strings.ContainsAny(kind, ",=")
			if l.Subscriptions == nil {
				l.Subscriptions = map[string]string{}
			}
			l.Subscriptions[n.ID] = kind
		}
	}
	if !ok {
		s.flash(c, views.FlashWarning, "Nothing was saved: please choose one of the answers to each question.")
		return redirect(c, healthURL(c)+leavingPage)
	}
	if err := s.Health.SetOnLeaving(c.UserContext(), key, l); err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, "Saved. It holds for whoever leaves from now on.")
	return redirect(c, healthURL(c)+leavingPage)
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
