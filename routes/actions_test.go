package routes_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"strings"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/routes"
)

// many is somewhat more than is done at once.
const many = db.ActionBatch + 3

// become has the tenant contoso's next n subscribers become what is given.
func (w *world) become(n int, o db.Outcome) {
	w.t.Helper()
	tenant := w.tenant("contoso")
	letters, err := w.vault.Newsletters(w.t.Context(), tenant.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	signUps := make([]db.SignUp, n)
	for i := range signUps {
		email := fmt.Sprintf("%d@%s.test", i, strings.ReplaceAll(strings.ToLower(o.Reason), "_", "-"))
		signUps[i] = db.SignUp{TenantID: tenant.ID, NewsletterID: letters[0].ID, Email: email, EmailKey: email, Consent: "Yes.", Source: "form", At: time.Now()}
	}
	stored, err := w.vault.AddSignUps(w.t.Context(), signUps)
	if err != nil {
		w.t.Fatal(err)
	}
	outcomes := make([]db.Outcome, n)
	for i, s := range stored {
		outcomes[i] = o
		outcomes[i].SubscriberID = s.ID
	}
	w.leased(func(l db.Lease) error { return w.vault.RecordOutcomes(w.t.Context(), l, outcomes) })
}

// leased does something under contoso's lease, which no dispatcher has any more.
func (w *world) leased(do func(db.Lease) error) {
	w.t.Helper()
	l := db.Lease{DestinationKey: w.to("contoso"), Owner: "test"}
	w.eventually("the lease is free", func() bool { return w.vault.TakeLease(w.t.Context(), l) == nil })
	if err := errors.Join(do(l), w.vault.ReleaseLease(w.t.Context(), l)); err != nil {
		w.t.Fatal(err)
	}
}

// step goes on with the one action, as a job does.
func (w *world) step() {
	w.t.Helper()
	var id string
	if err := w.store.Writer().QueryRow(`SELECT id FROM actions WHERE ended_at = 0`).Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.vault.StepAction(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
}

func TestWhatIsForManyIsShownAsItGoesOn(t *testing.T) {
	t.Parallel()
	w := open(t)
	b, other := w.as(john, "contoso"), w.as(ann, "fabrikam")
	w.become(many, db.Outcome{State: db.Attention, Reason: "STRING_TOO_LONG"})
	const problems, dismiss = "/integrations/sfdc/problems", "/integrations/sfdc/dismiss"
	b.get(problems).is(200, "Retry all 1,003").hasNot("hx-trigger=\"every 2s\"")
	b.submit(dismiss, "reason", "STRING_TOO_LONG", "note", "No.").to(problems)
	p := b.get(problems).is(200, "Dismissing (Name too long): 1,000 of 1,003", `<progress max="1003" value="1000"`, john, "you can leave this page", "Under way", "every 2s").
		hasNot("Retry all", "Dismiss all")
	poll := html.UnescapeString(polled.FindStringSubmatch(p.body)[1])
	b.get(poll, "HX-Request", "true").is(204)
	_, seen, _ := strings.Cut(b.get("/integrations/sfdc/actions").body, "/integrations/sfdc/actions?kind=&amp;seen=")
	seen, _, _ = strings.Cut(seen, `"`)
	b.get("/integrations/sfdc/actions?seen="+seen, "HX-Request", "true").is(204)
	b.submit(dismiss, "reason", "STRING_TOO_LONG", "note", "No.").to(problems)
	if n := w.count(`SELECT count(*) FROM actions`); n != 1 {
		t.Errorf("pressed again: %d actions", n)
	}
	other.get(problems).is(200).hasNot("Dismissing")
	other.get("/integrations/sfdc/actions", "HX-Request", "true").is(200).hasNot("Dismissing", "data-poll")
	b.get("/integrations/other/actions").is(404)
	w.step()
	b.get("/integrations/sfdc/actions?seen="+seen, "HX-Request", "true").is(200, "Dismissed 1,003 sign-ups.", "Show the page as it is now").hasNot("<html", "data-poll")
	b.get(poll, "HX-Request", "true").is(200, "Dismissed 1,003 sign-ups.", "No problems", "Dismissed by "+john).hasNot("<html", "every 2s")
	b.get(problems).is(200, "Dismissed 1,003 sign-ups.", "No problems", "Dismissed by "+john).hasNot("Show the page as it is now")
}

func TestManyRowsAreCountedAsItGoesOn(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	w.become(many, db.Outcome{State: db.Attention, Reason: "STRING_TOO_LONG"})
	b.submit("/integrations/sfdc/recount").to("/integrations/sfdc/sum")
	b.get("/integrations/sfdc/sum").is(200, "Counting 1,003 people", "actions?kind=recount&seen=").hasNot(">Count again<")
	b.get("/integrations/sfdc/actions?kind=move").is(200).hasNot("Counting")
	w.step()
	b.get("/integrations/sfdc/sum").is(200, "the numbers agree: nobody is missing", "Everything agrees", ">Count again<")
}

// A pause needn't be waited for, but for the one that leaves the last API calls
// to others.
func TestTryNow(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.connect(sfJohn).to(connected)
	key := w.to("contoso")
	pause := func(reason string) {
		t.Helper()
		w.leased(func(l db.Lease) error {
			return w.vault.SetPause(w.t.Context(), l, db.Pause{Reason: reason, Tries: 3, Until: time.Now().Add(time.Hour)})
		})
	}
	paused := func() bool {
		p, err := w.vault.Pause(t.Context(), key)
		return err != nil || p.Until.After(time.Now())
	}
	pause(crm.Spared)
	w.become(2, db.Outcome{State: db.Waiting, Reason: "UNABLE_TO_LOCK_ROW", DueAt: time.Now().Add(time.Hour)})
	b.get("/integrations/sfdc/problems").is(200, "2 people are waiting", "API calls nearly used up", "By itself, next try ").hasNot("Try now", "Record busy")
	for _, reason := range []string{crm.Spared, "UNABLE_TO_LOCK_ROW"} {
		b.submit("/integrations/sfdc/try", "reason", reason).to("/integrations/sfdc/problems")
		b.get("/integrations/sfdc/problems").is(200, "the last API calls of your Salesforce are left to others. We look again in 60 minutes.")
	}
	if !paused() || w.count(`SELECT count(*) FROM deliveries WHERE due_at > $1`, time.Now().UnixMilli()) != 2 {
		t.Fatal("was tried")
	}
	pause(crm.Unavailable)
	b.get("/integrations/sfdc/problems").is(200, "Salesforce could not be reached", "Try now")
	w.as(ann, "fabrikam").submit("/integrations/sfdc/try", "reason", crm.Unavailable).to("/integrations/sfdc/problems")
	if !paused() {
		t.Fatal("another tenant ended the pause")
	}
	b.submit("/integrations/sfdc/try", "reason", crm.Unavailable).to("/integrations/sfdc/problems")
	b.get("/integrations/sfdc/problems").is(200, "Trying now.")
	if paused() {
		t.Error("still paused")
	}
	b.submit("/integrations/sfdc/try", "reason", "UNABLE_TO_LOCK_ROW").to("/integrations/sfdc/problems")
	b.get("/integrations/sfdc").is(200, "Trying 2 sign-ups now.")
	w.eventually("they arrive", func() bool { return w.control("stats", "")["contacts"] == 2.0 })
	b.submit("/integrations/other/try").is(404)
}

func TestTheConnectionsAgeIsShown(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.get("/integrations/sfdc").is(200, "Not connected").hasNot("Access renewed")
	b.connect(sfJohn).to(connected)
	b.get("/integrations/sfdc").is(200, "Not yet")
	if _, err := w.store.Writer().Exec(`UPDATE identities SET refreshed_at = connected_at + 60000`); err != nil {
		t.Fatal(err)
	}
	b.get("/integrations/sfdc").is(200).hasNot("Not yet")
}

// failing is a store that fails at what is asked for for many.
type failing struct{ routes.HealthStore }

var errDisk = errors.New("the disk is on fire")

func (failing) StartAction(context.Context, db.Action) (db.Action, error) {
	return db.Action{}, errDisk
}
func (failing) Health(context.Context, db.DestinationKey, []db.Span) (db.Health, error) {
	return db.Health{}, errDisk
}
func (failing) Home(context.Context, db.DestinationKey, []db.DestinationKey, []db.Span, time.Time, int) (db.Home, error) {
	return db.Home{}, errDisk
}
func (failing) SignUps(context.Context, db.DestinationKey, []db.Span) ([]map[db.State]int, error) {
	return nil, errDisk
}
func (failing) Orgs(context.Context, db.DestinationKey) ([]db.OrgCount, error) { return nil, errDisk }
func (failing) Hurry(context.Context, db.DestinationKey, string) error         { return errDisk }

func TestAFailingActionIsRecordedAndNotShown(t *testing.T) {
	t.Parallel()
	w := open(t, func(c *routes.Config) { c.Health = failing{c.Health} })
	b := w.as(john, "contoso")
	for _, path := range []string{"/", "/sign-ups.csv", "/integrations/sfdc", "/integrations/sfdc/live", "/integrations/sfdc/move"} {
		b.get(path).isRecorded(path, errDisk.Error())
	}
	for _, path := range []string{"/retry", "/try", "/dismiss", "/recount"} {
		b.submit("/integrations/sfdc"+path, "reason", "ODD", "note", "No.").isRecorded(path, errDisk.Error())
	}
}
