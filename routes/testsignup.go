package routes

import (
	"errors"
	"net/http"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// testForm handles GET /newsletter/signup: the admin's test, and in ?sample=
// what became of the last one.
func (s *server) testForm(c *fiber.Ctx) error {
	page, _, err := s.testPage(c, newsletter.Form{})
	if err != nil {
		return err
	}
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
	form := newsletter.Form{Email: field(c, "email"), FirstName: field(c, "first_name"), LastName: field(c, "last_name")}
	page, all, err := s.testPage(c, form)
	if err != nil {
		return err
	}
	clean, wrong := form.Check()
	n, ok := bySlug(all, field(c, "newsletter"))
	switch {
	case !ok && len(all) > 1:
		wrong["newsletter"] = "Please choose one of your newsletters."
	case !ok: // the page doesn't ask for it
		wrong[""] = "This newsletter is not there any more. Please try again with the page as it is now."
	}
	if len(wrong) > 0 {
		page.Errors = wrong
		return render(c, http.StatusUnprocessableEntity, views.TestSignup(page))
	}
	id, err := s.Newsletters.Test(c.UserContext(), n, clean)
	if errors.Is(err, newsletter.ErrLeft) {
		page.Errors = map[string]string{"email": "This person has left " + n.Name + ", so a test must not bring them back. Try another address, or mark them as active again on their page first."}
		return render(c, http.StatusUnprocessableEntity, views.TestSignup(page))
	}
	if err != nil {
		return err
	}
	return redirect(c, testURL(id))
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

func (s *server) testPage(c *fiber.Ctx, f newsletter.Form) (views.TestSignupPage, []db.Newsletter, error) {
	all, err := s.Newsletters.OfTenant(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return views.TestSignupPage{}, nil, err
	}
	card, err := s.card(c, s.crm(c).Service)
	if err != nil {
		return views.TestSignupPage{}, nil, err
	}
	page := views.TestSignupPage{Page: s.page(c, "Send a test sign-up", views.NavNewsletters), Newsletter: field(c, "newsletter"),
		Email: cut(f.Email, 500), FirstName: cut(f.FirstName, 500), LastName: cut(f.LastName, 500),
		Connected: card.Org.ID != "" && card.State != views.ConnectionBroken}
	for _, n := range all {
		page.Newsletters = append(page.Newsletters, views.Option{Value: n.Slug, Text: n.Name})
	}
	return page, all, nil
}

func bySlug(all []db.Newsletter, slug string) (db.Newsletter, bool) {
	for _, n := range all {
		if n.Slug == slug {
			return n, true
		}
	}
	return db.Newsletter{}, false
}

// status is where the subscriber is that the request is about, or db.ErrNotFound.
func (s *server) status(c *fiber.Ctx) (newsletter.Status, error) {
	o := who(c).overview
	if o.Subscriber.ID == "" {
		return newsletter.Status{}, db.ErrNotFound
	}
	return newsletter.StatusOf(o.Subscriber, o.Pause, s.Now()), nil
}

// progress tells how far the subscriber has come that the request is about, or what
// became of undoing the test.
func (s *server) progress(c *fiber.Ctx) (views.Progress, error) {
	o := who(c).overview
	if r := o.Removal; r.Erased {
		return views.Progress{RefreshURL: testURL(r.SubscriberID), Undo: undoing(o)}, nil
	}
	st, err := s.status(c)
	if err != nil {
		return views.Progress{}, err
	}
	p := views.Progress{StatusURL: "/newsletter/signup/" + st.ID, RefreshURL: testURL(st.ID), PersonURL: personURL(st.ID),
		Email: st.Email, Newsletter: st.Newsletter, State: viewState(s.crm(c), st.State.Info()), Repeated: !st.RepeatedAt.IsZero(), StoredAt: st.SignedUpAt(), NextTry: nextTry(st)}
	// What became of an earlier sign-up of the address is no news of this one.
	if !st.SentAt.Before(p.StoredAt) {
		p.SentAt = st.SentAt
	}
	if p.State.Arrived {
		p.SentAt, p.DoneAt, p.Record = st.DeliveredAt, st.DeliveredAt, s.record(c, st.Subscriber)
	}
	p.Reason, p.Mend = s.why(c, st)
	p.Found = p.State.Arrived && !st.Made
	if r := o.Removal; r.EndedAt.IsZero() && r.Code != "" {
		p.Reason, p.Mend = crm.Sentence(r.Code).What, "The Contact is not deleted yet: we try again by ourselves."
	}
	if p.Undo = undoing(o); p.Undo == nil && st.UndoRefused(s.Now()) == "" {
		p.UndoURL = "/newsletter/signup/" + st.ID + "/undo"
	}
	return p, nil
}

func testURL(id string) string { return "/newsletter/signup?" + query("sample", id) }

// undoing is how far undoing a test is; nil when nobody wants it.
func undoing(o db.Overview) *views.Undo {
	r := o.Removal
	switch {
	case r.AskedAt.IsZero():
		return nil
	case r.EndedAt.IsZero():
		return &views.Undo{AskedAt: r.AskedAt}
	}
	return &views.Undo{AskedAt: r.AskedAt, EndedAt: r.EndedAt, Stays: !r.Erased, Record: recordFates[r.Record], Code: r.Code}
}

// recordFates say what became of the Contact of a test that was undone.
var recordFates = map[db.RecordFate]string{
	db.NoRecord:      "It had not been sent to Salesforce.",
	db.RecordFound:   "The Contact stays in Salesforce: it was there before, or Gatepost can’t be sure that it made it.",
	db.RecordDeleted: "The Contact is deleted in Salesforce. It stays in the Recycle Bin there for 15 days.",
	db.RecordGone:    "The Contact was deleted in Salesforce already.",
	db.RecordChanged: "The Contact stays in Salesforce: somebody, or an automation, has changed it since.",
	db.RecordShared:  "The Contact stays in Salesforce: the address is on another newsletter too.",
	db.RecordAway:    "The Contact stays in Salesforce: another organisation is connected now.",
	db.RecordRefused: "The Contact stays in Salesforce, which didn’t let us delete it.",
}

// undoForm handles GET /newsletter/signup/{id}/undo, which says before what is deleted.
func (s *server) undoForm(c *fiber.Ctx) error {
	st, err := s.undoable(c)
	if err != nil || st.ID == "" {
		return err
	}
	return render(c, http.StatusOK, views.UndoTest(views.UndoTestPage{Page: s.page(c, "Undo the test sign-up", views.NavNewsletters), ID: st.ID,
		Email: st.Email, Newsletter: st.Newsletter, Sent: st.RecordID != "", Made: st.Made}))
}

// undoable is the subscriber of a test that can be undone. The zero Status means that it
// can't, and that the request is answered.
func (s *server) undoable(c *fiber.Ctx) (newsletter.Status, error) {
	if o := who(c).overview; o.Removal.Erased {
		return newsletter.Status{}, redirect(c, testURL(o.Removal.SubscriberID))
	}
	st, err := s.status(c)
	if err != nil {
		return newsletter.Status{}, err
	}
	if why := st.UndoRefused(s.Now()); why != "" {
		s.flash(c, views.FlashWarning, notUndone[why])
		return newsletter.Status{}, redirect(c, testURL(st.ID))
	}
	return st, nil
}

// notUndone say why a test can't be undone.
var notUndone = map[db.NotUndone]string{
	db.NoTest:      "This can’t be undone: the subscriber was there before the test.",
	db.SaidAgain:   "This can’t be undone: the address was signed up again or edited since the test.",
	db.TooOld:      "This can’t be undone any more: the test is more than a day old.",
	db.OutcomeOpen: "It is being sent to Salesforce right now. Try again in a moment.",
}

// undo handles POST /newsletter/signup/{id}/undo.
func (s *server) undo(c *fiber.Ctx) error {
	st, err := s.undoable(c)
	if err != nil || st.ID == "" {
		return err
	}
	tenant := who(c).Tenant.ID
	_, err = s.Health.UndoTest(c.UserContext(), tenant, st.ID, who(c).User.ID)
	if errors.Is(err, db.ErrNotUndone) || errors.Is(err, db.ErrNotFound) { // since it was looked at
		s.flash(c, views.FlashWarning, "Nothing was changed: something happened to it in the meantime. Please look again.")
		return redirect(c, testURL(st.ID))
	}
	if err != nil {
		return err
	}
	s.Delivery.Wake(tenant)
	return redirect(c, testURL(st.ID))
}

// record is the record in the CRM that a subscriber led to.
func (s *server) record(c *fiber.Ctx, sub db.Subscriber) views.Record {
	if sub.RecordID == "" {
		return views.Record{}
	}
	return views.Record{ID: sub.RecordID, URL: s.crm(c).RecordURL(sub.InstanceURL, sub.RecordID)}
}

// nextTry is when a subscriber is tried again: at no time that could be told
// while somebody has to connect first.
func nextTry(st newsletter.Status) time.Time {
	if st.Why == crm.NotConnected || st.Why == crm.Broken {
		return time.Time{}
	}
	return st.NextTry
}

// why says in plain words why a subscriber waits or needs attention.
func (s *server) why(c *fiber.Ctx, st newsletter.Status) (reason, mend string) {
	if st.Again {
		return "This address was signed up several times within an hour.", "Nothing to do: what was said last is sent when the hour is over."
	}
	if st.Why == "" {
		return "", ""
	}
	e := s.explained(c, st.Why, deliveryReason(s.crm(c), st.State, st.Why))
	reason = e.What
	if st.Said != "" {
		reason += " Salesforce says: “" + cut(st.Said, 300) + "”"
	}
	return reason, e.Mend
}
