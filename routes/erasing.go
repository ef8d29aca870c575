package routes

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"gatepost/crm"
	"gatepost/csvout"
	"gatepost/db"
	"gatepost/input"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// ErasureStore is what the pages about erasing read and change; db.DB is one, and documents the methods.
type ErasureStore interface {
	ErasureOf(ctx context.Context, tenantID, subscriberID string) ([]db.Removal, error)
	Erasures(ctx context.Context, tenantID string, q db.ErasureQuery) ([]db.Removal, error)
	GiveUpErasing(ctx context.Context, key db.DestinationKey, subscriberID, actor string) (bool, error)
	Terms(ctx context.Context, tenantID string) (db.Terms, error)
	SetTerms(ctx context.Context, tenantID string, t db.Terms) error
}

// erasedWord is what somebody types to confirm.
const erasedWord = "ERASE"

// erasuresPage is how many receipts a page lists.
const erasuresPage = 100

// wayPrefix begins the name of the field that says what becomes of the record in a CRM.
const wayPrefix = "way-"

// eraseForm handles GET /subscribers/{id}/erase: what goes, what stays, and what is to become of records.
func (s *server) eraseForm(c *fiber.Ctx) error {
	page, err := s.erasePage(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.Erase(page))
}

func (s *server) erasePage(c *fiber.Ctx) (page views.ErasePage, err error) {
	sub, e, err := s.exportOf(c)
	if err != nil {
		return page, err
	}
	page = views.ErasePage{Page: s.page(c, "Erase", views.NavSubscribers), ID: sub.ID, Name: nameOf(sub), Email: sub.Email, Word: erasedWord, Why: shortened(field(c, "why"), 500)}
	for _, subscription := range e.Subscriptions {
		page.Newsletters = append(page.Newsletters, titleOf(subscription))
	}
	for _, d := range s.destinations(c) {
		if d.crm == nil {
			continue
		}
		page.Ways = append(page.Ways, views.EraseWay{CRM: viewCRM(wordsOf(d)), Name: wayPrefix + d.crm.Service, Chosen: string(wayChosen(c, d.crm.Service))})
	}
	return page, nil
}

// erase handles POST /subscribers/{id}/erase: first the choices, which are shown again to be confirmed, and then that.
func (s *server) erase(c *fiber.Ctx) error {
	page, err := s.erasePage(c)
	if err != nil {
		return err
	}
	why, wrong := optionalNote(c, "why")
	switch {
	case wrong != "":
		page.Errors = views.FieldErrors{"why": wrong}
	case why == "":
		page.Errors = views.FieldErrors{"why": "Please say why, for the receipt."}
	}
	if len(page.Errors) > 0 {
		return render(c, http.StatusUnprocessableEntity, views.Erase(page))
	}
	page.Why, page.Sure = why, true
	switch typed := input.Word(field(c, "sure")); {
	case len(fieldValues(c, "sure")) == 0:
		return render(c, http.StatusOK, views.Erase(page))
	case typed != erasedWord:
		page.Errors = views.FieldErrors{"sure": "Nothing was erased. Please type " + erasedWord + ", in capitals."}
		return render(c, http.StatusUnprocessableEntity, views.Erase(page))
	}
	ids, err := s.Newsletters.Erase(c.UserContext(), newsletter.Erasure{TenantID: who(c).Tenant.ID, Email: page.Email, Why: why, Actor: who(c).User.ID, Ways: s.erasingWays(c)})
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	if len(ids) == 0 {
		ids = []string{page.ID} // somebody else was quicker
	}
	return redirect(c, erasedURL(ids[0]))
}

// erasingWays are what was chosen for each destination.
func (s *server) erasingWays(c *fiber.Ctx) map[string]db.ErasingWay {
	ways := map[string]db.ErasingWay{}
	for _, d := range s.destinations(c) {
		if d.crm != nil {
			ways[d.ID] = wayChosen(c, d.crm.Service)
		}
	}
	return ways
}

// wayChosen is what was chosen for the record in a CRM: its admin sees to it unless something else was.
func wayChosen(c *fiber.Ctx, service string) db.ErasingWay {
	if way := db.ErasingWay(field(c, wayPrefix+service)); slices.Contains(db.ErasingWays, way) {
		return way
	}
	return db.EraseByList
}

func erasedURL(id string) string { return personURL(id) + "/erased" }

// erased handles GET /subscribers/{id}/erased: how far erasing a person is, or the receipt.
func (s *server) erased(c *fiber.Ctx) error {
	all, err := s.Health.ErasureOf(c.UserContext(), who(c).Tenant.ID, c.Params("id"))
	if err != nil {
		return err
	}
	page := views.ErasedPage{Page: s.page(c, "Erased", views.NavSubscribers), GiveUpURL: erasedURL(c.Params("id")) + "/give-up"}
	page.Receipts, err = s.receipts(c, all)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.Erased(page))
}

// erasures handles GET /subscribers/erased: all receipts, and which records CRMs' admins are to see to.
func (s *server) erasures(c *fiber.Ctx) error {
	after := shortened(c.Query("after"), 100)
	all, err := s.Health.Erasures(c.UserContext(), who(c).Tenant.ID, db.ErasureQuery{After: after, Limit: erasuresPage + 1})
	if err != nil {
		return err
	}
	page := views.ErasuresPage{Page: s.page(c, "Erased people", views.NavSubscribers), CSVURL: "/subscribers/erased.csv"}
	if after != "" {
		page.PreviousURL = "/subscribers/erased"
	}
	if len(all) > erasuresPage {
		all = all[:erasuresPage]
		page.NextURL = "/subscribers/erased?" + query("after", all[erasuresPage-1].Place())
	}
	if page.Receipts, err = s.receipts(c, all); err != nil {
		return err
	}
	return render(c, http.StatusOK, views.Erasures(page))
}

// erasuresCSV handles GET /subscribers/erased.csv: the records that stayed, for the CRMs' admins, written as they are read.
func (s *server) erasuresCSV(c *fiber.Ctx) error {
	tenant, q := who(c).Tenant.ID, db.ErasureQuery{Limit: csvPage}
	first, err := s.Health.Erasures(c.UserContext(), tenant, q)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	c.Attachment("records-of-erased-people.csv")
	ctx, log, destinations := context.WithoutCancel(c.UserContext()), s.log, s.destinations(c)
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		out := csvout.NewWriter(w)
		out.Write("crm", "record", "link", "why it stays", "asked for")
		for page := first; ; {
			for _, r := range page {
				for _, e := range r.Records {
					if record := erasedRecord(destinations, e); record.Stays {
						out.Write(record.CRM.Name, record.Record.ID, record.Record.URL, record.Fate, r.AskedAt.UTC().Format(time.RFC3339))
					}
				}
			}
			if out.Flush() != nil || len(page) < q.Limit {
				return // the reader has gone, or that was all
			}
			q.After = page[len(page)-1].Place()
			if page, err = s.Health.Erasures(ctx, tenant, q); err != nil {
				log.ErrorContext(ctx, "a CSV file was broken off", "tenant", tenant, "error", err)
				return
			}
		}
	})
	return nil
}

// receipts are removals as pages show them.
func (s *server) receipts(c *fiber.Ctx, all []db.Removal) (shown []views.Receipt, err error) {
	letters, err := s.Newsletters.OfTenant(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return nil, err
	}
	destinations := s.destinations(c)
	for _, r := range all {
		v := views.Receipt{SubscriberID: r.SubscriberID, URL: erasedURL(r.SubscriberID), AskedAt: r.AskedAt, EndedAt: r.EndedAt, Why: r.Why(), Newsletter: "a newsletter"}
		if r.Kind == db.RemovalLapsed {
			v.Why, v.URL = "Kept for as long as the settings say", ""
		}
		if i := slices.IndexFunc(letters, func(n db.Newsletter) bool { return n.ID == r.NewsletterID }); i >= 0 {
			v.Newsletter = letters[i].Name
		}
		for _, e := range r.Records {
			v.Records = append(v.Records, erasedRecord(destinations, e))
		}
		shown = append(shown, v)
	}
	return shown, nil
}

// erasedRecord is what becomes of a record in one of the tenant's destinations.
func erasedRecord(destinations []destination, e db.RecordRemoval) views.ErasedRecord {
	p := crm.Any
	if i := slices.IndexFunc(destinations, func(d destination) bool { return d.ID == e.DestinationID }); i >= 0 {
		p = wordsOf(destinations[i])
	}
	v := views.ErasedRecord{CRM: viewCRM(p), In: p.Service, Stays: e.Record.Stays(), Open: e.EndedAt.IsZero() || e.Owed}
	if e.RecordID != "" {
		v.Record = views.Record{ID: e.RecordID}
		if p.RecordURL != nil && e.InstanceURL != "" {
			v.Record.URL = p.RecordURL(e.InstanceURL, e.RecordID)
		}
	}
	switch {
	case !e.EndedAt.IsZero():
		v.Fate = p.Fill(erasedFates[e.Record])
		if e.Kept != "" {
			v.Fate += " They are: " + e.Kept + "."
		}
		if e.Owed {
			v.Fate += p.Fill(" {CRM} is yet to be told that the person left.")
		}
	case e.Code != "":
		v.Fate = "Not done yet: " + p.Sentence(e.Code).What + " It is tried again by itself."
	default:
		v.Fate = p.Fill("Waiting for {CRM}.")
	}
	return v
}

// erasedFates say what became of the record of somebody who was erased.
var erasedFates = map[db.RecordFate]string{
	db.NoRecord:         "There was no {Record} in {CRM}.",
	db.RecordFound:      "The {Record} stays in {CRM}: it was there before Gatepost, or Gatepost can’t be sure that it made it.",
	db.RecordDeleted:    "The {Record} is deleted in {CRM}.",
	db.RecordAnonymised: "The {Record} is anonymised in {CRM}: it is still there, and no longer says whose it is.",
	db.RecordPartly:     "The {Record} is anonymised in {CRM}, but some fields that Gatepost filled in could not be emptied.",
	db.RecordGone:       "The {Record} was deleted in {CRM} already.",
	db.RecordChanged:    "The {Record} stays in {CRM}: somebody, or an automation, has changed it since Gatepost made it.",
	db.RecordShared:     "The {Record} stays in {CRM}: somebody has signed up with the address again, or another organisation has it too.",
	db.RecordAway:       "The {Record} stays where it is: another organisation is connected now, or none.",
	db.RecordRefused:    "The {Record} stays in {CRM}, which didn’t let Gatepost change or delete it.",
	db.RecordListed:     "The {Record} stays in {CRM}, for its admin to see to.",
	db.RecordGivenUp:    "The {Record} stays in {CRM}: somebody decided not to wait any longer.",
}

// giveUpErasing handles POST /subscribers/{id}/erased/give-up, for the CRM that in names and the subscriber that of names.
func (s *server) giveUpErasing(c *fiber.Ctx) error {
	tenant := who(c).Tenant.ID
	if _, err := s.Health.ErasureOf(c.UserContext(), tenant, c.Params("id")); err != nil {
		return err
	}
	d, ok := s.destination(c, field(c, "in"))
	if !ok {
		return db.ErrNotFound
	}
	done, err := s.Health.GiveUpErasing(c.UserContext(), d.Key(), field(c, "of"), who(c).User.ID)
	if err != nil {
		return err
	}
	if done {
		if err := s.Newsletters.EraseDue(c.UserContext()); err != nil {
			return err
		}
		s.flash(c, views.FlashSuccess, "Given up: the rest is for the CRM’s admin.")
	} else {
		s.flash(c, views.FlashInfo, "Nothing was changed: it has ended by now, or a write is under way whose outcome has to be known first. Try again in some minutes.")
	}
	return redirect(c, erasedURL(c.Params("id")))
}

// retentions are the terms that can be chosen, beside none.
var retentions = []struct {
	days int
	text string
}{{30, "30 days"}, {90, "90 days"}, {180, "6 months"}, {365, "1 year"}, {730, "2 years"}, {1095, "3 years"}}

// retentionOptions are the terms that can be chosen; none says what none at all means.
func retentionOptions(none string) []views.Option {
	options := []views.Option{{Value: "0", Text: none}}
	for _, r := range retentions {
		options = append(options, views.Option{Value: strconv.Itoa(r.days), Text: r.text})
	}
	return options
}

// retention handles GET /settings/retention: for how long people are kept.
func (s *server) retention(c *fiber.Ctx) error {
	t, err := s.Health.Terms(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.Retention(s.retentionPage(c, t)))
}

func (s *server) retentionPage(c *fiber.Ctx, t db.Terms) views.RetentionPage {
	return views.RetentionPage{Page: s.page(c, "Retention", views.NavSettings), Left: t.Left, Dismissed: t.Dismissed, Addresses: t.Addresses,
		Options: retentionOptions("For ever"), AddressOptions: retentionOptions("Not at all")}
}

// setRetention handles POST /settings/retention.
func (s *server) setRetention(c *fiber.Ctx) error {
	var t db.Terms
	wrong := views.FieldErrors{}
	for name, to := range map[string]*int{"left": &t.Left, "dismissed": &t.Dismissed, "addresses": &t.Addresses} {
		chosen := field(c, name)
		if !slices.ContainsFunc(retentionOptions(""), func(o views.Option) bool { return o.Value == chosen }) {
			wrong[name] = "Nothing was saved. Please choose one of these."
			continue
		}
		*to, _ = strconv.Atoi(chosen) // one of the options: a number
	}
	if len(wrong) > 0 {
		page := s.retentionPage(c, t)
		page.Errors = wrong
		return render(c, http.StatusUnprocessableEntity, views.Retention(page))
	}
	if err := s.Health.SetTerms(c.UserContext(), who(c).Tenant.ID, t); err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, "Saved.")
	return redirect(c, "/settings/retention")
}
