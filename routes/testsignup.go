package routes

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/forms"
	"gatepost/identity"
	"gatepost/input"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// testForm handles GET /newsletter/signup: the admin's test, for the newsletter in ?newsletter=, and
// in ?sample= what became of the last one.
func (s *server) testForm(c *fiber.Ctx) error {
	t, err := s.newTest(c, cmp.Or(c.Query("newsletter"), who(c).overview.Subscriber.NewsletterSlug), forms.Sent{})
	if err != nil {
		return err
	}
	page := t.page(nil)
	if c.Query("sample") != "" {
		progress, err := s.progress(c)
		if err != nil {
			return err
		}
		page.Progress = &progress
		if !progress.Final() {
			page.Refresh = 5
		}
	}
	return render(c, http.StatusOK, views.TestSignup(page))
}

// testSignUp handles POST /newsletter/signup. It goes the way of every sign-up.
func (s *server) testSignUp(c *fiber.Ctx) error {
	t, err := s.newTest(c, field(c, "newsletter"), nil)
	if err != nil {
		return err
	}
	if shown := field(c, "shown"); field(c, "act") == "fields" || shown != "" && t.asksBeyond(shown) {
		page := t.page(nil)
		page.OtherFields = field(c, "act") != "fields"
		return render(c, http.StatusOK, views.TestSignup(page))
	}
	clean, wrong := t.check()
	if len(wrong) > 0 {
		return render(c, http.StatusUnprocessableEntity, views.TestSignup(t.page(wrong)))
	}
	id, err := s.Newsletters.Test(c.UserContext(), t.of, clean)
	if errors.Is(err, db.ErrLeft) {
		return render(c, http.StatusUnprocessableEntity, views.TestSignup(t.page(views.FieldErrors{
			"email": "This person has left " + t.of.Name + ", so a test must not bring them back. Try another address, or mark them as active again on their page first."})))
	}
	if err != nil {
		return err
	}
	return redirect(c, testURL(id))
}

// testSignup is a test as it is filled in.
type testSignup struct {
	blank  views.TestSignupPage // without the fields of the form
	chosen bool                 // the newsletter that was named is there, and takes sign-ups
	of     db.Newsletter        // otherwise the first that does; zero when there is none
	sent   forms.Sent
}

// newTest is a test for the newsletter with a slug, with what was sent; nil stands for what the
// request has of the newsletter's fields.
func (s *server) newTest(c *fiber.Ctx, slug string, sent forms.Sent) (t testSignup, err error) {
	all, err := s.Newsletters.OfTenant(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return t, err
	}
	all = slices.DeleteFunc(all, func(n db.Newsletter) bool { return !n.Open() })
	t.blank = views.TestSignupPage{Page: s.page(c, "Send a test sign-up", views.NavNewsletters), Unconnected: s.unconnected(c)}
	for _, n := range all {
		t.blank.Newsletters = append(t.blank.Newsletters, views.Option{Value: n.Slug, Text: n.Name})
	}
	t.of, t.chosen = bySlug(all, slug)
	switch {
	case t.chosen:
	case len(all) > 0:
		t.of = all[0]
	default:
		t.of.Form = forms.First("")
	}
	if t.sent = sent; sent == nil {
		t.sent = testSent(c, t.of.Form)
	}
	return t, nil
}

// ownPrefix stands before the names of fields that not every form has, since their keys may be any.
const ownPrefix = "own-"

// testName names a field of a newsletter's form in the test's.
func testName(f forms.Field) string {
	if slices.Contains([]string{forms.EmailID, forms.FirstNameID, forms.LastNameID}, f.ID) {
		return f.Key
	}
	return ownPrefix + f.Key
}

// testSent is what was sent for a form. Pressing the button agrees to its words, of a test.
func testSent(c *fiber.Ctx, d forms.Definition) forms.Sent {
	sent := forms.Sent{forms.ConsentKey: {Texts: []string{"true"}}}
	for _, f := range d.Shown() {
		if texts := fieldValues(c, testName(f)); len(texts) > 0 {
			sent[f.Key] = input.Value{Texts: texts}
		}
	}
	return sent
}

// asksBeyond reports whether the newsletter has fields of its own that weren't on the page, which
// showed those of the one with a slug.
func (t testSignup) asksBeyond(slug string) bool {
	return t.chosen && t.of.Slug != slug && slices.ContainsFunc(t.of.Form.Shown(), func(f forms.Field) bool { return strings.HasPrefix(testName(f), ownPrefix) })
}

// check returns what was filled in as it is to be stored, or what is wrong with it, by the names
// of the test's fields.
func (t testSignup) check() (newsletter.Checked, views.FieldErrors) {
	clean, problems := newsletter.CheckForm(t.of, t.of.Form, t.sent)
	wrong := views.FieldErrors{}
	for key, p := range problems {
		f, _ := t.of.Form.Field(key)
		wrong[testName(f)] = p.In(forms.English)
	}
	switch {
	case t.chosen:
	case len(t.blank.Newsletters) > 1:
		wrong["newsletter"] = "Please choose one of your newsletters. Those that are paused or archived take no sign-ups."
	default: // the page doesn't ask for it
		wrong[""] = "This newsletter is not there any more, or takes no sign-ups now. Please try again with the page as it is now."
	}
	return clean, wrong
}

// page is the page with what is filled in, and what is wrong with it.
func (t testSignup) page(wrong views.FieldErrors) views.TestSignupPage {
	p := t.blank
	p.Errors, p.Newsletter = wrong, t.of.Slug
	for _, f := range t.of.Form.Shown() {
		v := readerField(f, forms.English, t.sent)
		v.Name = testName(f)
		if f.Type == forms.Hidden {
			source, _ := forms.SourceNamed(f.From)
			v.Kind, v.Type, v.Help = views.LineField, "text", "Nobody sees this field. On your form it is filled in with: "+source.Label+"."
		}
		p.Fields = append(p.Fields, v)
	}
	return p
}

// testProgress handles GET /newsletter/signup/{id}, which the page polls.
func (s *server) testProgress(c *fiber.Ctx) error {
	progress, err := s.progress(c)
	if err != nil {
		return err
	}
	if progress.Version() == c.Query("seen") {
		return c.SendStatus(http.StatusNoContent)
	}
	return render(c, http.StatusOK, views.ProgressCard(progress))
}

// unconnected are the CRMs that a sign-up has to wait for: one without a name while the
// tenant has none.
func (s *server) unconnected(c *fiber.Ctx) (all []views.CRM) {
	for _, d := range s.destinations(c) {
		is := func(connection identity.Connection) bool {
			return d.crm != nil && connection.ID == d.crm.Service && connection.Identity != nil && !connection.Dead
		}
		if !slices.ContainsFunc(who(c).connections, is) {
			all = append(all, viewCRM(wordsOf(d)))
		}
	}
	return all
}

func bySlug(all []db.Newsletter, slug string) (db.Newsletter, bool) {
	for _, n := range all {
		if n.Slug == slug {
			return n, true
		}
	}
	return db.Newsletter{}, false
}

// subscriber is the one that the request is about, or db.ErrNotFound.
func (s *server) subscriber(c *fiber.Ctx) (db.Subscriber, error) {
	sub := who(c).overview.Subscriber
	if sub.ID == "" || sub.Status.Info().Hidden {
		return db.Subscriber{}, db.ErrNotFound
	}
	return sub, nil
}

// progress tells how far the subscriber has come that the request is about, or what
// became of undoing the test.
func (s *server) progress(c *fiber.Ctx) (views.Progress, error) {
	o, words := who(c).overview, s.words(c)
	if r := o.Removal; r.Erased {
		return views.Progress{CRM: viewCRM(words), RefreshURL: testURL(r.SubscriberID), Undo: s.undoing(c)}, nil
	}
	sub, err := s.subscriber(c)
	if err != nil {
		return views.Progress{}, err
	}
	p := views.Progress{CRM: viewCRM(words), StatusURL: "/newsletter/signup/" + sub.ID, RefreshURL: testURL(sub.ID), PersonURL: personURL(sub.ID),
		Email: sub.Email, Newsletter: sub.Newsletter, Repeated: !sub.RepeatedAt.IsZero(), StoredAt: sub.SignedUpAt()}
	for _, d := range s.deliveriesOf(s.destinations(c), sub) {
		p.Deliveries = append(p.Deliveries, s.testDelivery(c, d, p.StoredAt))
	}
	if p.Undo = s.undoing(c); p.Undo == nil && sub.UndoRefused(s.Now()) == "" {
		p.UndoURL = "/newsletter/signup/" + sub.ID + "/undo"
	}
	return p, nil
}

// testDelivery tells how far a test that was stored at that time has come into one CRM. What
// became of an earlier sign-up of the address is no news of this one.
func (s *server) testDelivery(c *fiber.Ctx, d delivery, stored time.Time) views.TestDelivery {
	v := views.TestDelivery{CRM: viewCRM(d.in), State: viewState(d.in, d.State.Info()), NextTry: d.nextTry()}
	if !d.SentAt.Before(stored) {
		v.SentAt = d.SentAt
	}
	if v.State.Arrived {
		v.SentAt, v.DoneAt, v.Record = d.DeliveredAt, d.DeliveredAt, d.record()
	}
	v.Reason, v.Mend = s.why(c, d)
	v.Found = v.State.Arrived && !d.Made
	return v
}

func testURL(id string) string { return "/newsletter/signup?" + query("sample", id) }

// undoing is how far undoing a test is; nil when nobody wants it.
func (s *server) undoing(c *fiber.Ctx) *views.Undo {
	r := who(c).overview.Removal
	if r.AskedAt.IsZero() {
		return nil
	}
	u := &views.Undo{AskedAt: r.AskedAt, EndedAt: r.EndedAt, Stays: !r.EndedAt.IsZero() && !r.Erased}
	for _, d := range s.destinations(c) {
		for _, record := range r.Records {
			if record.DestinationID == d.ID {
				u.Records = append(u.Records, undoneRecord(wordsOf(d), record))
			}
		}
	}
	return u
}

// undoneRecord says what becomes of a record in one CRM.
func undoneRecord(p *crm.Provider, r db.RecordRemoval) views.UndoneRecord {
	v := views.UndoneRecord{CRM: viewCRM(p)}
	switch {
	case !r.EndedAt.IsZero():
		v.Fate, v.Code = recordFate(p, r.Record), r.Code
	case r.Code != "":
		v.Reason, v.Mend = p.Sentence(r.Code).What, "The "+p.Record+" is not deleted yet: we try again by ourselves."
	}
	return v
}

// recordFates say what became of the record of a test that was undone.
var recordFates = map[db.RecordFate]string{
	db.NoRecord:      "It had not been sent to {CRM}.",
	db.RecordFound:   "The {Record} stays in {CRM}: it was there before, or Gatepost can’t be sure that it made it.",
	db.RecordDeleted: "The {Record} is deleted in {CRM}.",
	db.RecordGone:    "The {Record} was deleted in {CRM} already.",
	db.RecordChanged: "The {Record} stays in {CRM}: somebody, or an automation, has changed it since.",
	db.RecordShared:  "The {Record} stays in {CRM}: the address is on another newsletter too.",
	db.RecordAway:    "The {Record} stays in {CRM}: another organisation is connected now.",
	db.RecordRefused: "The {Record} stays in {CRM}, which didn’t let us delete it.",
}

// recordFate says what became of a record.
func recordFate(p *crm.Provider, fate db.RecordFate) string {
	said := p.Fill(recordFates[fate])
	if fate == db.RecordDeleted && p.Deleted != "" {
		said += " " + p.Deleted
	}
	return said
}

// undoForm handles GET /newsletter/signup/{id}/undo, which says before what is deleted.
func (s *server) undoForm(c *fiber.Ctx) error {
	sub, err := s.undoable(c)
	if err != nil || sub.ID == "" {
		return err
	}
	page := views.UndoTestPage{Page: s.page(c, "Undo the test sign-up", views.NavNewsletters), ID: sub.ID, Email: sub.Email, Newsletter: sub.Newsletter}
	for _, d := range s.deliveriesOf(s.destinations(c), sub) {
		page.Records = append(page.Records, views.UndoableRecord{CRM: viewCRM(d.in), Sent: d.RecordID != "", Made: d.Made})
	}
	return render(c, http.StatusOK, views.UndoTest(page))
}

// undoable is the subscriber of a test that can be undone. The zero Subscriber means that it
// can't, and that the request is answered.
func (s *server) undoable(c *fiber.Ctx) (db.Subscriber, error) {
	if o := who(c).overview; o.Removal.Erased {
		return db.Subscriber{}, redirect(c, testURL(o.Removal.SubscriberID))
	}
	sub, err := s.subscriber(c)
	if err != nil {
		return db.Subscriber{}, err
	}
	if why := sub.UndoRefused(s.Now()); why != "" {
		s.flash(c, views.FlashWarning, s.words(c).Fill(notUndone[why]))
		return db.Subscriber{}, redirect(c, testURL(sub.ID))
	}
	return sub, nil
}

// notUndone say why a test can't be undone.
var notUndone = map[db.NotUndone]string{
	db.NoTest:      "This can’t be undone: the subscriber was there before the test.",
	db.SaidAgain:   "This can’t be undone: the address was signed up again or edited since the test.",
	db.HasLeft:     "This can’t be undone: the person left since the test.",
	db.TooOld:      "This can’t be undone any more: the test is more than a day old.",
	db.OutcomeOpen: "It is being sent to {CRM} right now. Try again in a moment.",
}

// undo handles POST /newsletter/signup/{id}/undo.
func (s *server) undo(c *fiber.Ctx) error {
	sub, err := s.undoable(c)
	if err != nil || sub.ID == "" {
		return err
	}
	tenant := who(c).Tenant.ID
	_, err = s.Health.UndoTest(c.UserContext(), tenant, sub.ID, who(c).User.ID)
	if errors.Is(err, db.ErrNotUndone) || errors.Is(err, db.ErrNotFound) { // since it was looked at
		s.flash(c, views.FlashWarning, "Nothing was changed: something happened to it in the meantime. Please look again.")
		return redirect(c, testURL(sub.ID))
	}
	if err != nil {
		return err
	}
	s.Delivery.Wake(tenant)
	return redirect(c, testURL(sub.ID))
}
