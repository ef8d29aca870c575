package db

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// limitsOf are limits of a tenant.
func limitsOf(mailsPerHour, signUpsPerMinute int) TenantLimits {
	return TenantLimits{MailsPerHour: mailsPerHour, SignUpsPerMinute: signUpsPerMinute}
}

// limit sets how many mails of a tenant leave in an hour.
func (w *mailWorld) limit(tenantID string, n int) {
	w.t.Helper()
	unless(w.t, w.all[0].SetTenantLimits(w.t.Context(), tenantID, limitsOf(n, KeepLimit)))
}

// asks signs n people up for a newsletter, to confirm by mail.
func (w *mailWorld) asks(newsletter string, n int) {
	w.t.Helper()
	for range n {
		w.made++
		w.ask(fmt.Sprintf("reader%d@example.com", w.made), newsletter)
	}
}

// overLimit are the tenants whose mails wait for a slot, and how many may leave in an hour.
func (w *mailWorld) overLimit() string {
	w.t.Helper()
	all, err := w.all[0].MailsOverLimit(w.t.Context(), w.now)
	unless(w.t, err)
	var says []string
	for _, t := range all {
		if t.Kind != IncidentMails || !t.Since.Equal(w.now) || t.About != "" || t.Slug == "" {
			w.t.Errorf("%+v", t)
		}
		says = append(says, fmt.Sprint(t.TenantID, " ", t.N))
	}
	return fmt.Sprint(says)
}

// What a tenant sends over its limit waits for its slot, in the order in which it came, and no other tenant waits.
func TestMailsOfATenantWaitForTheirTurn(t *testing.T) {
	w := newMailWorld(t, "a/1", "a/2", "b/1")
	if w.limit("a", 2); w.overLimit() != "[]" {
		t.Error(w.overLimit())
	}
	w.asks("a/1", 3)
	w.asks("a/2", 2)
	w.asks("b/1", 1)
	begun := w.now
	for _, step := range []struct {
		at    time.Duration
		sends int
		held  string
	}{{0, 3, "[a 2]"}, {59 * time.Minute, 0, "[a 2]"}, {time.Hour, 1, "[a 2]"}, {90 * time.Minute, 1, "[a 2]"}, {2 * time.Hour, 1, "[]"}} {
		w.now = begun.Add(step.at)
		if n := w.send(); n != step.sends || w.overLimit() != step.held {
			t.Errorf("after %s: %d mails, want %d; held %s", step.at, n, step.sends, w.overLimit())
		}
		if due, err := w.all[0].ReaderMailsDue(t.Context()); due || err != nil {
			t.Errorf("after %s: something is due still, %v", step.at, err)
		}
	}
	if got := w.states(); got["sent "] != 6 || len(got) != 1 {
		t.Errorf("became %v", got)
	}
	w.asks("a/1", 1)
	w.asks("b/1", 5)
	if n := w.send(); n != 6 {
		t.Errorf("of the hour that was begun: %d", n)
	}
	unless(t, w.all[0].ExpireReaderMails(t.Context()))
	wantN(t, w.all[0], 2, `SELECT count(*) FROM tenant_mails`)
	w.now = w.now.Add(25 * time.Hour)
	unless(t, w.all[0].ExpireReaderMails(t.Context()))
	wantN(t, w.all[0], 0, `SELECT count(*) FROM tenant_mails`)
}

// A tenant with many mails holds no other one's up: each of its mails is looked at once until its slot.
func TestManyMailsOfATenantHoldNobodyUp(t *testing.T) {
	w := newMailWorld(t, "a/1", "b/1")
	w.limit("a", 100)
	var crowd []SignUp
	for i := range 950 {
		s := signUp("a/1", fmt.Sprintf("crowd%d@example.com", i))
		s.At, s.Confirm, s.CanMail = w.now, true, true
		crowd = append(crowd, s)
	}
	add(t, w.all[0], crowd...)
	w.now = w.now.Add(time.Second)
	w.asks("b/1", 1)
	var sent []int
	for mails := w.lease(w.all[0]); len(mails) > 0; mails = w.lease(w.all[0]) { // up to 100 each time
		may := w.start(w.all[0], mails)
		sent = append(sent, len(may))
		mails = slices.DeleteFunc(mails, func(m ReaderMail) bool { return !may[m.ID] })
		var outcomes []ReaderMailOutcome
		for _, m := range mails {
			outcomes = append(outcomes, ReaderMailOutcome{ReaderMail: m, State: MailSent})
		}
		unless(t, w.all[0].RecordReaderMails(t.Context(), outcomes))
	}
	if want := []int{100, 0, 0, 0, 0, 0, 0, 0, 0, 1}; !slices.Equal(sent, want) {
		t.Errorf("started %v, want %v", sent, want)
	}
	wantN(t, w.all[0], 850, `SELECT count(DISTINCT due_at) FROM reader_mails WHERE state = 'queued' AND due_at = slot_at`)
	if w.now = w.now.Add(time.Hour + 30*time.Minute); len(w.lease(w.all[0])) != 51 {
		t.Error("after half of an hour not half of its mails are due")
	}
}

// One whose slot would come when nobody expects it any more takes nobody's, and ends as others do that waited for a day.
func TestMailsWhoseTurnWouldComeTooLate(t *testing.T) {
	w := newMailWorld(t, "a/1")
	w.limit("a", 1)
	w.asks("a/1", 30)
	for w.send() > 0 {
	}
	wantN(t, w.all[0], 23, `SELECT count(*) FROM reader_mails WHERE slot_at > 0`)
	begun := w.now
	w.now = begun.Add(2 * time.Hour)
	w.asks("a/1", 1)
	w.send()
	wantN(t, w.all[0], 24, `SELECT count(*) FROM reader_mails WHERE slot_at > 0`)
	for hour := 3; hour <= 24; hour++ {
		w.now = begun.Add(time.Duration(hour) * time.Hour)
		w.send()
	}
	if got := w.states(); got["sent "] != 25 || got["expired "] != 6 {
		t.Errorf("became %v", got)
	}
}

// With another limit, those that wait are given another slot at once. The other limit changes nothing of that.
func TestAnotherLimitGivesMailsAnotherTurn(t *testing.T) {
	w := newMailWorld(t, "a/1", "b/1")
	d := w.all[0]
	w.limit("a", 1)
	w.limit("b", 1)
	w.asks("a/1", 5)
	w.asks("b/1", 2)
	if n := w.send(); n != 2 {
		t.Fatalf("%d were sent", n)
	}
	w.now = w.now.Add(time.Minute)
	unless(t, d.SetTenantLimits(t.Context(), "a", limitsOf(KeepLimit, 7)))
	if n := w.send(); n != 0 {
		t.Errorf("%d were sent with the limit of before", n)
	}
	n, err := d.NewsletterBySlug(t.Context(), "a/1")
	if tenants, failed := d.Tenants(t.Context()); err != nil || failed != nil || n.PerMinute != 7 || tenants[0].Limits != limitsOf(1, 7) || tenants[1].Limits != limitsOf(1, 0) {
		t.Errorf("%+v, %v, %v, %v", n, tenants, err, failed)
	}
	w.limit("a", 3)
	if n := w.send(); n != 3 || w.overLimit() != "[a 3 b 1]" {
		t.Errorf("%d were sent, held %s", n, w.overLimit())
	}
	w.limit("a", 0)
	if n := w.send(); n != 1 || w.overLimit() != "[b 1]" {
		t.Errorf("%d were sent, held %s", n, w.overLimit())
	}
	_, err = d.CloseTenant(t.Context(), "b", w.now)
	unless(t, err)
	if err := d.SetTenantLimits(t.Context(), "b", limitsOf(9, 9)); !errors.Is(err, ErrNotFound) || w.overLimit() != "[]" {
		t.Errorf("of one that is closed: %v, held %s", err, w.overLimit())
	}
}

// A tenant that the operator paused sends no mails, not those either that were tried before. Those of the last day go
// on when it isn't paused any more.
func TestAPausedTenantSendsNoMails(t *testing.T) {
	w := newMailWorld(t, "a/1", "b/1")
	d := w.all[0]
	w.asks("a/1", 2)
	tried := w.lease(d)[:1]
	w.start(d, tried)
	unless(t, d.RecordReaderMails(t.Context(), []ReaderMailOutcome{{tried[0], MailQueued, w.now, 451, "later"}}))
	unless(t, d.PauseTenant(t.Context(), "a", true))
	w.now = w.now.Add(time.Minute)
	w.asks("b/1", 1)
	for _, step := range []struct {
		after time.Duration
		sends int
	}{{0, 1}, {14 * time.Minute, 0}, {time.Minute, 0}, {22 * time.Hour, 0}} {
		w.now = w.now.Add(step.after)
		if n := w.send(); n != step.sends {
			t.Errorf("%s on: %d were sent", step.after, n)
		}
	}
	w.asks("a/1", 1)
	w.send()
	unless(t, d.PauseTenant(t.Context(), "a", false))
	if w.now = w.now.Add(75 * time.Minute); w.send() != 3 || len(w.states()) != 1 {
		t.Errorf("not paused any more: %v", w.states())
	}
	w.asks("a/1", 1)
	unless(t, d.PauseTenant(t.Context(), "a", true))
	w.send()
	if w.now = w.now.Add(24 * time.Hour); w.send() != 0 || w.states()["expired "] != 1 {
		t.Errorf("paused for a day: %v", w.states())
	}
}

// What waited while its tenant was paused is given new slots afterwards, within the limit. So is what nobody sent in
// the hour of its slot.
func TestATurnIsGoodForAnHour(t *testing.T) {
	w := newMailWorld(t, "a/1", "b/1")
	w.limit("a", 2)
	w.limit("b", 2)
	w.asks("a/1", 12)
	w.asks("b/1", 12)
	if n := w.send(); n != 4 {
		t.Fatalf("%d were sent", n)
	}
	begun := w.now
	unless(t, w.all[0].PauseTenant(t.Context(), "a", true))
	w.now = begun.Add(4*time.Hour + 15*time.Minute)
	if n := w.send(); n != 2 {
		t.Errorf("%d of those whose slot was in the last hour were sent", n)
	}
	unless(t, w.all[0].PauseTenant(t.Context(), "b", true))
	unless(t, w.all[0].PauseTenant(t.Context(), "a", false))
	sent := 0
	for range 4 {
		sent += w.send()
		w.now = w.now.Add(15 * time.Minute)
	}
	if sent != 2 {
		t.Errorf("in the hour after it was paused %d were sent", sent)
	}
}

// parked are who waits for a mail that has no slot before it expires.
func (w *mailWorld) parked() []string {
	w.t.Helper()
	all, err := collect(w.t.Context(), w.all[0].read, scanID, `SELECT s.email FROM reader_mails m JOIN subscribers s ON s.id = m.subscriber_id
		WHERE m.state = 'queued' AND m.slot_at = 0 AND m.due_at = m.created_at + 86400000 ORDER BY m.id`)
	unless(w.t, err)
	return all
}

// Who signs up again while their mail has no slot before it expires gets one as if they had signed up now. Who has a
// slot keeps it.
func TestAMailThatIsAskedForAgain(t *testing.T) {
	w := newMailWorld(t, "a/1")
	d := w.all[0]
	w.limit("a", 1)
	w.asks("a/1", 30)
	for w.send() > 0 {
	}
	parked, begun := w.parked(), w.now
	if len(parked) != 6 {
		t.Fatal(parked)
	}
	slotted, err := collect(t.Context(), d.read, scanID, `SELECT s.email FROM reader_mails m JOIN subscribers s ON s.id = m.subscriber_id WHERE m.slot_at > 0 ORDER BY m.slot_at DESC`)
	unless(t, err)
	w.now = begun.Add(2 * time.Hour)
	w.ask(parked[0], "a/1")
	w.ask(slotted[0], "a/1")
	w.send()
	if left := w.parked(); !slices.Equal(left, parked[1:]) {
		t.Errorf("parked are %v, were %v", left, parked)
	}
	wantN(t, d, 1, `SELECT count(*) FROM reader_mails WHERE created_at = $1 AND slot_at > $1 AND due_at = slot_at`, millis(w.now))
	w.now = begun.Add(24 * time.Hour)
	w.ask(parked[1], "a/1")
	w.send()
	wantN(t, d, 1, `SELECT count(*) FROM reader_mails WHERE created_at = $1 AND state <> 'expired'`, millis(w.now))
	wantN(t, d, 30, `SELECT count(*) FROM reader_mails`)
}
