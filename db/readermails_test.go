package db

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// mailWorld is two processes that send mails to readers, with a clock of the test's.
type mailWorld struct {
	t    *testing.T
	all  [2]*DB
	now  time.Time
	made int
}

func newMailWorld(t *testing.T, newsletters ...string) *mailWorld {
	t.Helper()
	w := &mailWorld{t: t, now: signUp("a/1", "x").At}
	where := empty.Copy(t)
	for i := range w.all {
		d := openAs(t, where, func(*postgres) {})
		d.SetCRMs("sfdc")
		d.now, d.rehearse = func() time.Time { return w.now }, true
		w.all[i] = d
	}
	w.all[0].addNewsletters(t, newsletters...)
	return w
}

// ask signs an address up for newsletters, to confirm by mail, and returns the subscribers' ids.
func (w *mailWorld) ask(email string, newsletters ...string) (ids []string) {
	w.t.Helper()
	for _, n := range newsletters {
		s := signUp(n, email)
		s.At, s.Confirm, s.CanMail = w.now, true, true
		ids = append(ids, add(w.t, w.all[0], s)...)
	}
	return ids
}

// lease takes all mails that are due.
func (w *mailWorld) lease(d *DB) []ReaderMail {
	w.t.Helper()
	mails, err := d.LeaseReaderMails(w.t.Context(), 100, time.Minute)
	unless(w.t, err)
	return mails
}

// start starts mails, whose links have the hash of their subscriber and a number.
func (w *mailWorld) start(d *DB, mails []ReaderMail) map[string]bool {
	var starts []ReaderMailStart
	for _, m := range mails {
		w.made++
		starts = append(starts, ReaderMailStart{ReaderMail: m, TokenHash: fmt.Sprint(m.SubscriberID, "-", w.made), AddressMAC: "all:" + m.AddressKey, TenantMAC: m.TenantID + ":" + m.AddressKey})
	}
	may, err := d.StartReaderMails(w.t.Context(), starts)
	unless(w.t, err)
	return may
}

// send sends all that is due and may be, and returns how many mails that was.
func (w *mailWorld) send() (n int) {
	w.t.Helper()
	mails := w.lease(w.all[0])
	may := w.start(w.all[0], mails)
	var outcomes []ReaderMailOutcome
	for _, m := range mails {
		if may[m.ID] {
			outcomes = append(outcomes, ReaderMailOutcome{ReaderMail: m, State: MailSent})
		}
	}
	unless(w.t, w.all[0].RecordReaderMails(w.t.Context(), outcomes))
	return len(outcomes)
}

// states counts the mails by what became of them.
func (w *mailWorld) states() map[string]int {
	w.t.Helper()
	all := map[string]int{}
	unless(w.t, each(w.t.Context(), w.all[0].read, func(row scanner) error {
		var state, why string
		var n int
		err := row.Scan(&state, &why, &n)
		all[state+" "+why] = n
		return err
	}, `SELECT state, detail, count(*) FROM reader_mails GROUP BY state, detail`))
	return all
}

// A mail is one process's until its lease runs out, and is sent once more by the next one
// when that process was killed before it had recorded anything.
func TestReaderMailsAreLeased(t *testing.T) {
	w := newMailWorld(t, "a/1")
	one, other := w.all[0], w.all[1]
	if due, err := one.ReaderMailsDue(t.Context()); due || err != nil {
		t.Fatal(due, err)
	}
	for i := range 3 {
		w.ask(fmt.Sprintf("%d@example.com", i), "a/1")
	}
	killed, err := one.LeaseReaderMails(t.Context(), 2, time.Minute)
	unless(t, err)
	if len(killed) != 2 || killed[0].Address != "0@example.com" || killed[0].Newsletter != "News a/1" || killed[0].Sender != "Tenant a" || killed[0].ConfirmFor != 7*24*time.Hour {
		t.Errorf("leased %+v", killed)
	}
	if rest := w.lease(other); len(rest) != 1 || rest[0].Address != "2@example.com" || len(w.lease(one)) != 0 {
		t.Errorf("the other leased %+v", rest)
	}
	if may := w.start(one, killed); len(may) != 2 {
		t.Errorf("started %v", may)
	}
	w.now = w.now.Add(time.Minute)
	again := w.lease(other)
	if len(again) != 3 || again[0].Attempts != 1 {
		t.Fatalf("after the lease: %+v", again)
	}
	if may := w.start(one, killed); len(may) != 0 {
		t.Errorf("who lost the lease goes on with %v", may)
	}
	if may := w.start(other, again); len(may) != 3 {
		t.Errorf("started again: %v", may)
	}
	var outcomes []ReaderMailOutcome
	for i, m := range again {
		outcomes = append(outcomes, []ReaderMailOutcome{{m, MailSent, time.Time{}, 0, ""}, {m, MailRefused, time.Time{}, 550, "no"}, {m, MailQueued, w.now.Add(time.Hour), 451, "later"}}[i])
	}
	unless(t, other.RecordReaderMails(t.Context(), outcomes))
	unless(t, one.RecordReaderMails(t.Context(), []ReaderMailOutcome{{again[0], MailRefused, time.Time{}, 550, "late"}})) // of before
	if got := w.states(); got["sent "] != 1 || got["refused no"] != 1 || got["queued later"] != 1 {
		t.Errorf("became %v", got)
	}
	// The mail that was sent twice has two links, and either works.
	wantN(t, one, 2, `SELECT count(*) FROM confirmations WHERE subscriber_id = $1`, again[0].SubscriberID)
	wantN(t, one, 5, `SELECT count(*) FROM confirmations`)
	if w.now = w.now.Add(59 * time.Minute); len(w.lease(one)) != 0 {
		t.Error("sent before its time")
	}
	if w.now = w.now.Add(time.Minute); len(w.lease(one)) != 1 {
		t.Error("not sent again")
	}
}

// What nobody is to get any more is dropped, and what nobody expects any more.
func TestReaderMailsThatNobodyIsToGet(t *testing.T) {
	for name, tt := range map[string]struct {
		happens func(w *mailWorld, id string)
		state   string
	}{
		"confirmed meanwhile": {func(w *mailWorld, id string) {
			unless(t, w.all[0].confirmed(t, "a", id))
		}, "dropped not_waiting"},
		"left": {func(w *mailWorld, id string) {
			_, err := w.all[0].LeaveOne(t.Context(), "a", id, Leaving{At: w.now, How: LeftByLink})
			unless(t, err)
		}, "dropped not_waiting"},
		"the tenant is closed": {func(w *mailWorld, id string) {
			_, err := w.all[0].CloseTenant(t.Context(), "a", w.now)
			unless(t, err)
		}, "dropped not_waiting"},
		"a day passed": {func(w *mailWorld, id string) { w.now = w.now.Add(24 * time.Hour) }, "expired "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newMailWorld(t, "a/1")
			id := w.ask("jane@example.com", "a/1")[0]
			tt.happens(w, id)
			if n := w.send(); n != 0 || w.states()[tt.state] != 1 {
				t.Errorf("%d were sent, %v", n, w.states())
			}
			wantN(t, w.all[0], 0, `SELECT (SELECT count(*) FROM recipient_mails) + (SELECT count(*) FROM confirmations)`)
		})
	}
}

// Who left and signs up again gets a mail.
func TestWhoLeftIsAsked(t *testing.T) {
	w := newMailWorld(t, "a/1")
	s := signUp("a/1", "jane@example.com")
	id := add(t, w.all[0], s)[0]
	_, err := w.all[0].LeaveOne(t.Context(), "a", id, Leaving{At: w.now, How: LeftByLink})
	unless(t, err)
	w.now = w.now.Add(time.Second)
	s.At, s.CanMail = w.now, true
	add(t, w.all[0], s)
	if n := w.send(); n != 1 {
		t.Errorf("%d were sent, %v", n, w.states())
	}
}

// One subscriber gets a second and third mail of a day after a pause each, and one address no
// more of a tenant. Another tenant's come beside them, within what holds for all.
func TestMailsOfATenantToOneAddress(t *testing.T) {
	w := newMailWorld(t, "a/1", "a/2", "a/3", "b/1")
	for _, step := range []struct {
		after time.Duration
		sends int
	}{{0, 1}, {4 * time.Minute, 0}, {time.Minute, 1}, {59 * time.Minute, 0}, {time.Minute, 1}, {20 * time.Hour, 0}} {
		w.now = w.now.Add(step.after)
		w.ask("Jane@example.com", "a/1")
		if n := w.send(); n != step.sends {
			t.Errorf("%s on: %d, want %d; %v", step.after, n, step.sends, w.states())
		}
	}
	w.ask("jane@example.com", "a/2", "b/1")
	w.ask("john@example.com", "a/2", "a/3")
	if n := w.send(); n != 3 || w.states()["dropped address_limit"] != 2 {
		t.Errorf("of another tenant, and to somebody else: %d, %v", n, w.states())
	}
	w.now = w.now.Add(3 * time.Hour)
	w.ask("jane@example.com", "a/2")
	if n := w.send(); n != 1 {
		t.Errorf("a day after: %d, %v", n, w.states())
	}
}

// However many processes and tenants there are, one address gets three mails in an hour and
// six in a day; everybody else gets theirs.
func TestMailsOfAllTenantsToOneAddress(t *testing.T) {
	var newsletters []string
	for i := range 24 {
		newsletters = append(newsletters, fmt.Sprintf("t%02d/1", i))
	}
	w := newMailWorld(t, newsletters...)
	round := func() (sent int) {
		w.ask("victim@example.com", newsletters...)
		w.ask(fmt.Sprintf("reader%d@example.com", w.made), newsletters[:2]...)
		var mails []ReaderMail
		for { // in small batches, which both processes start at the same time
			some, err := w.all[0].LeaseReaderMails(t.Context(), 100, time.Minute)
			unless(t, err)
			if len(some) == 0 {
				break
			}
			mails = append(mails, some...)
		}
		var mu sync.Mutex
		var wait sync.WaitGroup
		readers := 0
		var outcomes []ReaderMailOutcome
		for i, d := range w.all {
			wait.Go(func() {
				for n := i; n < len(mails); n += 2 {
					m := mails[n]
					may, err := d.StartReaderMails(t.Context(), []ReaderMailStart{{m, fmt.Sprint(m.ID, w.now), "all:" + m.AddressKey, m.TenantID + ":" + m.AddressKey}})
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					if may[m.ID] {
						outcomes = append(outcomes, ReaderMailOutcome{ReaderMail: m, State: MailSent})
					}
					if may[m.ID] && m.Address == "victim@example.com" {
						sent++
					} else if may[m.ID] {
						readers++
					}
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		unless(t, w.all[0].RecordReaderMails(t.Context(), outcomes))
		if readers != 2 {
			t.Errorf("another reader got %d mails", readers)
		}
		w.made++
		return sent
	}
	for i, want := range []int{3, 0, 3, 0, 0} {
		if n := round(); n != want {
			t.Errorf("round %d: %d mails, want %d", i, n, want)
		}
		w.now = w.now.Add(31 * time.Minute)
	}
	w.now = w.now.Add(22 * time.Hour) // a day after the first three
	if n := round(); n != 3 {
		t.Errorf("a day on: %d mails", n)
	}
}

// What is of long ago is forgotten, but for a link by which somebody confirmed.
func TestReaderMailsExpire(t *testing.T) {
	w := newMailWorld(t, "a/1")
	d := w.all[0]
	ids := append(w.ask("jane@example.com", "a/1"), w.ask("john@example.com", "a/1")...)
	w.send()
	if _, err := d.PressConfirmation(t.Context(), ids[0]+"-1"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after                  time.Duration
		links, mails, limiting int
	}{{time.Hour, 2, 2, 4}, {24 * time.Hour, 2, 2, 0}, {30 * 24 * time.Hour, 2, 0, 0}, {7 * 24 * time.Hour, 1, 0, 0}} {
		w.now = w.now.Add(step.after)
		unless(t, d.ExpireReaderMails(t.Context()))
		wantN(t, d, step.links, `SELECT count(*) FROM confirmations`)
		wantN(t, d, step.mails, `SELECT count(*) FROM reader_mails`)
		wantN(t, d, step.limiting, `SELECT count(*) FROM recipient_mails`)
	}
}

// What a link does by what has happened, before and after its button is pressed.
func TestConfirmationLinks(t *testing.T) {
	leave := func(w *mailWorld, id string) {
		_, err := w.all[0].LeaveOne(t.Context(), "a", id, Leaving{At: w.now, How: LeftByOneClick})
		unless(t, err)
	}
	press := func(w *mailWorld, id string) {
		_, err := w.all[0].PressConfirmation(t.Context(), id+"-1")
		unless(t, err)
	}
	for name, tt := range map[string]struct {
		happens       func(w *mailWorld, id string)
		before, after ConfirmationState
		status        State
	}{
		"at once":           {func(*mailWorld, string) {}, LinkOpen, LinkDone, Active},
		"in time":           {func(w *mailWorld, id string) { w.now = w.now.Add(7*24*time.Hour - 2*time.Second) }, LinkOpen, LinkDone, Active},
		"too late":          {func(w *mailWorld, id string) { w.now = w.now.Add(7 * 24 * time.Hour) }, LinkExpired, LinkExpired, Unconfirmed},
		"twice":             {press, LinkDone, LinkDone, Active},
		"twice, much later": {func(w *mailWorld, id string) { press(w, id); w.now = w.now.Add(900 * time.Hour) }, LinkDone, LinkDone, Active},
		"another link of theirs was used": {func(w *mailWorld, id string) {
			unless(t, w.all[0].confirmed(t, "a", id))
		}, LinkDone, LinkDone, Active},
		"confirmed and left": {func(w *mailWorld, id string) { press(w, id); leave(w, id) }, LinkVoid, LinkVoid, Left},
		"left unconfirmed":   {leave, LinkVoid, LinkVoid, Left},
		"left by another link than this": {func(w *mailWorld, id string) {
			unless(t, w.all[0].confirmed(t, "a", id))
			leave(w, id)
		}, LinkVoid, LinkVoid, Left},
		"opened only": {func(w *mailWorld, id string) {
			for range 2 {
				unless(t, w.all[0].OpenConfirmation(t.Context(), id+"-1"))
			}
		}, LinkOpen, LinkDone, Active},
	} {
		t.Run(name, func(t *testing.T) {
			w := newMailWorld(t, "a/1")
			d := w.all[0]
			id := w.ask("jane@example.com", "a/1")[0]
			w.send()
			w.now = w.now.Add(time.Second)
			tt.happens(w, id)
			c, err := d.Confirmation(t.Context(), id+"-1")
			if err != nil || c.State(w.now) != tt.before || c.Address != "jane@example.com" || c.NewsletterSlug != "a/1" || c.TenantID != "a" {
				t.Errorf("%+v is %s, %v; want %s", c, c.State(w.now), err, tt.before)
			}
			if after, err := d.PressConfirmation(t.Context(), id+"-1"); after != tt.after || err != nil {
				t.Errorf("pressed: %s, %v; want %s", after, err, tt.after)
			}
			if got := d.one(t, id); got.Status != tt.status || tt.status == Active && (len(got.Deliveries) != 1 || got.ConfirmedAt.IsZero()) || tt.status == Unconfirmed && len(got.Deliveries) != 0 {
				t.Errorf("%+v, want %s", got, tt.status)
			}
			d.agrees(t, "a", nil)
		})
	}
}

// Who left and asked to come back does so by the link of then, and by none of before.
func TestAnOldLinkBringsNobodyBack(t *testing.T) {
	w := newMailWorld(t, "a/1")
	d := w.all[0]
	id := w.ask("jane@example.com", "a/1")[0]
	w.send()
	w.now = w.now.Add(time.Minute)
	_, err := d.LeaveOne(t.Context(), "a", id, Leaving{At: w.now, How: LeftByLink})
	unless(t, err)
	w.now = w.now.Add(time.Hour)
	w.ask("jane@example.com", "a/1")
	if n := w.send(); n != 1 {
		t.Fatalf("%d mails, %v", n, w.states())
	}
	for link, want := range map[string]ConfirmationState{"-1": LinkVoid, "-2": LinkOpen} {
		if c, err := d.Confirmation(t.Context(), id+link); err != nil || c.State(w.now) != want {
			t.Errorf("%s is %s, %v", link, c.State(w.now), err)
		}
	}
	if state, err := d.PressConfirmation(t.Context(), id+"-2"); state != LinkDone || err != nil {
		t.Error(state, err)
	}
	d.agrees(t, "a", nil)
}

// A link that isn't there, or of an organisation that is closed, does nothing.
func TestLinksThatAreNotThere(t *testing.T) {
	w := newMailWorld(t, "a/1")
	d := w.all[0]
	id := w.ask("jane@example.com", "a/1")[0]
	w.send()
	_, err := d.CloseTenant(t.Context(), "a", w.now)
	unless(t, err)
	for _, hash := range []string{"", "unknown", id, id + "-1"} {
		_, err := d.Confirmation(t.Context(), hash)
		_, pressed := d.PressConfirmation(t.Context(), hash)
		_, asked := d.AskConfirmationAgain(t.Context(), hash, "mac")
		for _, err := range []error{err, pressed, asked} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: %v", hash, err)
			}
		}
	}
}

// By a link one gets another mail, after the pauses that hold for sign-ups too, and is told when.
func TestAskingAgain(t *testing.T) {
	w := newMailWorld(t, "a/1")
	d := w.all[0]
	id := w.ask("jane@example.com", "a/1")[0]
	w.send()
	begun := w.now
	for _, step := range []struct {
		at    time.Duration
		next  time.Duration // 0: it is queued
		sends int
	}{{time.Minute, 5 * time.Minute, 0}, {5 * time.Minute, 0, 1}, {30 * time.Minute, 65 * time.Minute, 0}, {2 * time.Hour, 0, 1}, {3 * time.Hour, 24 * time.Hour, 0}, {200 * time.Hour, 0, 1}} {
		w.now = begun.Add(step.at)
		next, err := d.AskConfirmationAgain(t.Context(), id+"-1", "a:jane@example.com")
		if err != nil || step.next == 0 != next.IsZero() || step.next > 0 && !next.Equal(begun.Add(step.next)) {
			t.Errorf("after %s: %s, %v; want %s", step.at, next, err, begun.Add(step.next))
		}
		if n := w.send(); n != step.sends {
			t.Errorf("after %s: %d mails", step.at, n)
		}
	}
	for range 2 { // one that is queued is enough
		w.now = w.now.Add(48 * time.Hour)
		_, err := d.AskConfirmationAgain(t.Context(), id+"-1", "a:jane@example.com")
		unless(t, err)
	}
	wantN(t, d, 1, `SELECT count(*) FROM reader_mails WHERE state = 'queued'`)
	unless(t, d.confirmed(t, "a", id))
	if _, err := d.AskConfirmationAgain(t.Context(), id+"-1", "mac"); !errors.Is(err, ErrLost) {
		t.Errorf("who has confirmed: %v", err)
	}
}
