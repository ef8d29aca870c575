package db

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// toConfirm is a sign-up of somebody who is to confirm.
func toConfirm(email string) SignUp {
	s := signUp("a/1", email)
	s.Confirm, s.CanMail = true, true
	return s
}

// linkTo makes a link to confirm of a subscriber's.
func (d *DB) linkTo(t *testing.T, id string, made, expires time.Time) {
	t.Helper()
	_, err := d.write.Exec(`INSERT INTO confirmations (token_hash, tenant_id, subscriber_id, mail_id, made_at, expires_at) VALUES ($1, 'a', $1, '', $2, $3)`, id, millis(made), millis(expires))
	unless(t, err)
}

// Nobody expires who may still press a button, or about whom a sign-up is held.
func TestWhoMayStillConfirmDoesNotExpire(t *testing.T) {
	d := withNewsletters(t, "a/1")
	now := signUp("a/1", "x").At
	d.now = func() time.Time { return now }
	var all []SignUp
	for _, email := range []string{"link@example.com", "mail@example.com", "held@example.com", "gone@example.com"} {
		all = append(all, toConfirm(email))
	}
	ids := add(t, d, all...)
	_, err := d.write.Exec(`UPDATE reader_mails SET state = 'sent' WHERE subscriber_id <> $1`, ids[1])
	unless(t, err)
	now = now.Add(DefaultKeepDays * 24 * time.Hour)
	_, err = d.write.Exec(`UPDATE reader_mails SET created_at = $1 WHERE subscriber_id = $2`, millis(now), ids[1])
	unless(t, err)
	d.linkTo(t, ids[0], now.Add(-24*time.Hour), now.Add(6*24*time.Hour))
	again := all[2]
	again.At, again.Held = now, []string{"burst"}
	add(t, d, again)
	now = now.Add(time.Hour)
	_, err = d.ExpireReaders(t.Context(), "a")
	unless(t, err)
	d.agrees(t, "a", Sums{New: 4, Entered: 0, Active: 0, Unconfirmed: 3, Expired: 1})
	now = now.Add(2 * DefaultKeepDays * 24 * time.Hour)
	_, err = d.ExpireReaders(t.Context(), "a")
	unless(t, err)
	d.agrees(t, "a", Sums{New: 4, Entered: 0, Active: 0, Expired: 4})
}

// Who leaves gets no mail that was queued before; who signs up again after that gets one.
func TestLeavingCallsOffAMail(t *testing.T) {
	d := withNewsletters(t, "a/1")
	s := toConfirm("jane@example.com")
	id := add(t, d, s)[0]
	queued := func(want int) {
		t.Helper()
		wantN(t, d, want, `SELECT count(*) FROM reader_mails WHERE state = 'queued'`)
	}
	for range 2 { // the second time they had left, and were about to come back
		queued(1)
		_, err := d.LeaveOne(t.Context(), "a", id, Leaving{At: s.At.Add(time.Minute), How: LeftByAPI})
		unless(t, err)
		queued(0)
		s.At = s.At.Add(time.Hour)
		add(t, d, s)
	}
	queued(1)
	if got := d.one(t, id); got.Status != Left {
		t.Errorf("became %s", got.Status)
	}
	d.agrees(t, "a", Sums{New: 1, Repeated: 2, Entered: 0, Left: 1, Active: 0})
}

// A corrected address gets a mail of its own, and the link that went to the one before is void.
func TestACorrectedAddressConfirmsAnew(t *testing.T) {
	d := withNewsletters(t, "a/1")
	s := toConfirm("jane@gmial.example")
	id := add(t, d, s)[0]
	_, err := d.write.Exec(`UPDATE reader_mails SET state = 'sent'`)
	unless(t, err)
	d.linkTo(t, id, s.At, s.At.Add(time.Hour))
	_, err = d.EditSubscriber(t.Context(), "a", id, Edit{Email: "jane@gmail.example", EmailKey: "jane@gmail.example"}, "ann")
	unless(t, err)
	wantN(t, d, 0, `SELECT count(*) FROM confirmations`)
	wantN(t, d, 1, `SELECT count(*) FROM reader_mails WHERE state = 'queued'`)
	_, err = d.write.Exec(`UPDATE subscribers SET state = 'erasing'`)
	unless(t, err)
	if _, err := d.EditSubscriber(t.Context(), "a", id, Edit{Email: "x@example.com", EmailKey: "x@example.com"}, "ann"); !errors.Is(err, ErrNotFound) {
		t.Errorf("somebody who is being erased was edited: %v", err)
	}
}

// What is held says that the person had left, whatever else it is held for: accepted, they are asked by mail.
func TestWhoHadLeftIsAskedAlsoWhenAccepted(t *testing.T) {
	for _, canMail := range []bool{true, false} {
		d := withNewsletters(t, "a/1")
		_, err := d.write.Exec(`INSERT INTO suppressions (tenant_id, mac, newsletter_id, since, how) VALUES ('a', 'm', '', 1, 'list')`)
		unless(t, err)
		s := signUp("a/1", "jane@example.com")
		s.MAC, s.CanMail, s.Held, s.From = "m", canMail, []string{"honeypot"}, Origin{IP: "192.0.2.7"}
		id := add(t, d, s)[0]
		h, err := d.HoldOf(t.Context(), "a", id)
		if err != nil || !slices.Equal(h.Reasons, []string{"honeypot", HoldReturning}) {
			t.Fatalf("held for %v, %v", h.Reasons, err)
		}
		_, err = d.AcceptHolds(t.Context(), "a", []string{h.ID}, "ann", canMail)
		unless(t, err)
		if want := map[bool]State{true: Unconfirmed, false: Active}[canMail]; d.one(t, id).Status != want {
			t.Errorf("became %s, want %s", d.one(t, id).Status, want)
		}
		add(t, d, s)
		wantN(t, d, 0, `SELECT count(*) FROM holds WHERE sign_up LIKE '%192.0.2.7%'`)
		d.agrees(t, "a", nil)
	}
}

// Of several sign-ups of somebody who is there, which wait for a decision, the latest is accepted, with the words that
// were agreed to with it.
func TestAHeldRepeatKeepsItsOwnWords(t *testing.T) {
	d := withNewsletters(t, "a/1")
	s := signUp("a/1", "jane@example.com")
	id := add(t, d, s)[0]
	s.Held = []string{"burst"}
	for i, words := range []string{"Old words.", "New words."} {
		s.Consent, s.FormVersion, s.Page = words, i+1, fmt.Sprint("https://example.com/", i+1)
		add(t, d, s)
	}
	h, err := d.HoldOf(t.Context(), "a", id)
	unless(t, err)
	_, err = d.AcceptHolds(t.Context(), "a", []string{h.ID}, "ann", false)
	unless(t, err)
	wantN(t, d, 1, `SELECT count(*) FROM consents WHERE subscriber_id = $1`, id)
	wantN(t, d, 1, `SELECT count(*) FROM consents c JOIN wordings w ON w.id = c.wording_id WHERE c.subscriber_id = $1 AND w.text = 'New words.' AND c.form_version = 2 AND c.page = 'https://example.com/2'`, id)
}

// A held sign-up of an address that the person hasn't any more does nothing, and keeps no other from being decided.
func TestAHoldOfAnAddressOfBefore(t *testing.T) {
	d := withNewsletters(t, "a/1")
	s := signUp("a/1", "jane@example.com")
	id := add(t, d, s)[0]
	s.Held, s.FirstName = []string{"burst"}, "Robot"
	add(t, d, s)
	h, err := d.HoldOf(t.Context(), "a", id)
	unless(t, err)
	_, err = d.EditSubscriber(t.Context(), "a", id, Edit{Email: "janet@example.com", EmailKey: "janet@example.com"}, "ann")
	unless(t, err)
	other := signUp("a/1", "jane@example.com") // somebody else has it now
	otherID := add(t, d, other)[0]
	if n, err := d.AcceptHolds(t.Context(), "a", []string{h.ID}, "ann", false); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, of := range []string{id, otherID} {
		if got := d.one(t, of); got.FirstName == "Robot" {
			t.Errorf("%s got what was held", got.Email)
		}
	}
	d.agrees(t, "a", Sums{New: 2, Active: 2, Waiting: 2})
}

// Who left, and signed up again or owes a CRM that they left, isn't erased by a term.
func TestWhoLeftAndSignsUpDoesNotLapse(t *testing.T) {
	d := withNewsletters(t, "a/1")
	now := signUp("a/1", "x").At
	d.now = func() time.Time { return now }
	var all []SignUp
	for _, email := range []string{"again@example.com", "held@example.com", "owes@example.com", "gone@example.com"} {
		s := signUp("a/1", email)
		s.CanMail = true
		all = append(all, s)
	}
	ids := add(t, d, all...)
	for _, id := range ids {
		_, err := d.LeaveOne(t.Context(), "a", id, Leaving{At: now, How: LeftByLink})
		unless(t, err)
	}
	unless(t, d.SetTerms(t.Context(), "a", Terms{Left: 30}))
	now = now.Add(29 * 24 * time.Hour)
	for i, change := range []func(*SignUp){func(s *SignUp) {}, func(s *SignUp) { s.Held = []string{"burst"} }} {
		s := all[i]
		s.At = now
		change(&s)
		add(t, d, s)
	}
	_, err := d.write.Exec(`INSERT INTO opt_outs (tenant_id, subscriber_id, id, destination_id, what, subscription, record_id, org_id, asked_at, due_at) VALUES ('a', $1, 'o', 'a', 'all', '', '003', '00D', 1, 1)`, ids[2])
	unless(t, err)
	now = now.Add(2 * 24 * time.Hour)
	_, err = d.EraseLapsed(t.Context(), func(string, string) string { return "mac" })
	unless(t, err)
	d.agrees(t, "a", Sums{New: 4, Repeated: 1, Active: 0, Left: 3, Erased: 1, Entered: 4, Ended: 3})
}

// Who was rejected goes as those do about whom nobody decides, by the last of their sign-ups, and isn't known any more after it. The sums hold.
func TestWhoWasRejectedExpires(t *testing.T) {
	d := withNewsletters(t, "a/1")
	now := signUp("a/1", "x").At
	d.now = func() time.Time { return now }
	held := func(email string) SignUp {
		s := signUp("a/1", email)
		s.At, s.Held, s.Network = now, []string{"burst"}, "net"
		return s
	}
	reject := func(id string) {
		t.Helper()
		h, err := d.HoldOf(t.Context(), "a", id)
		unless(t, err)
		if n, err := d.RejectHolds(t.Context(), "a", []string{h.ID}, "ann"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	expire := func(want Sums) {
		t.Helper()
		_, err := d.ExpireReaders(t.Context(), "a")
		unless(t, err)
		d.agrees(t, "a", want)
	}
	ids := add(t, d, held("once@example.com"), held("again@example.com"), held("waits@example.com"))
	for _, id := range ids {
		reject(id)
	}
	wantN(t, d, 0, `SELECT count(*) FROM holds WHERE network <> ''`)
	expire(Sums{New: 3, Rejected: 3, Active: 0, Entered: 0})
	now = now.Add(29 * day)
	add(t, d, held("again@example.com"), held("waits@example.com"))
	reject(ids[1])
	now = now.Add(2 * day)
	if tenants, err := d.TenantsWithUndecided(t.Context()); err != nil || !slices.Equal(tenants, []string{"a"}) {
		t.Errorf("looked through are %v, %v", tenants, err)
	}
	expire(Sums{New: 3, Rejected: 2, Expired: 1, Active: 0, Entered: 0})
	now = now.Add(29 * day)
	expire(Sums{New: 3, Expired: 3, Active: 0, Entered: 0})
	wantN(t, d, 0, `SELECT count(*) FROM holds`)
	if tenants, err := d.TenantsWithUndecided(t.Context()); err != nil || len(tenants) != 0 {
		t.Errorf("looked through are %v, %v", tenants, err)
	}
	back := signUp("a/1", "once@example.com")
	back.At = now
	add(t, d, back)
	expire(Sums{New: 4, Expired: 3, Active: 1, Entered: 1, Waiting: 1})
}

// A held sign-up of somebody who is there ends by itself when nobody decides, and leaves them as they are; they may be kept no longer then.
func TestAHeldRepeatExpires(t *testing.T) {
	d := withNewsletters(t, "a/1")
	now := signUp("a/1", "x").At
	d.now = func() time.Time { return now }
	ids := add(t, d, signUp("a/1", "left@example.com"), signUp("a/1", "active@example.com"))
	_, err := d.LeaveOne(t.Context(), "a", ids[0], Leaving{At: now, How: LeftByLink})
	unless(t, err)
	unless(t, d.SetTerms(t.Context(), "a", Terms{Left: 30}))
	for _, email := range []string{"left@example.com", "active@example.com"} {
		s := signUp("a/1", email)
		s.Held, s.FirstName, s.Network = []string{"burst"}, "Robot", "net"
		add(t, d, s)
	}
	for i, want := range []int{2, 0} {
		now = now.Add(time.Duration(29+2*i) * day)
		if tenants, err := d.TenantsWithUndecided(t.Context()); err != nil || !slices.Equal(tenants, []string{"a"}) {
			t.Errorf("looked through are %v, %v", tenants, err)
		}
		if more, err := d.ExpireReaders(t.Context(), "a"); more || err != nil {
			t.Fatal(more, err)
		}
		wantN(t, d, want, `SELECT count(*) FROM holds WHERE decided_at = 0`)
		wantN(t, d, want, `SELECT count(*) FROM holds WHERE sign_up <> '' OR network <> ''`)
		d.agrees(t, "a", Sums{New: 2, Left: 1, Active: 1, Entered: 2, Waiting: 1, Ended: 1})
	}
	wantN(t, d, 2, `SELECT count(*) FROM holds WHERE decision = 'expired' AND decided_by = ''`)
	wantN(t, d, 0, `SELECT count(*) FROM subscribers WHERE first_name = 'Robot'`)
	_, err = d.EraseLapsed(t.Context(), func(string, string) string { return "mac" })
	unless(t, err)
	d.agrees(t, "a", Sums{New: 2, Erased: 1, Active: 1, Entered: 2, Waiting: 1})
}

// Who was dismissed and signed up again, which is held, isn't erased by a term, nor who may yet confirm that they want it after all: also where that
// came after they were found.
func TestOfWhomSomethingIsOpenDoesNotLapse(t *testing.T) {
	d := withNewsletters(t, "a/1")
	now := signUp("a/1", "x").At
	d.now = func() time.Time { return now }
	of := func(email string) SignUp { s := signUp("a/1", email); s.CanMail = true; return s }
	ids := add(t, d, of("dismissed@example.com"), of("late-dismissed@example.com"), of("link@example.com"), of("mail@example.com"), of("late-left@example.com"))
	for _, id := range ids[:2] {
		_, err := d.write.Exec(`UPDATE deliveries SET state = 'dismissed' WHERE subscriber_id = $1`, id)
		unless(t, err)
	}
	for _, id := range ids[2:] {
		_, err := d.LeaveOne(t.Context(), "a", id, Leaving{At: now, How: LeftByLink})
		unless(t, err)
	}
	again := func(email string) {
		s := of(email)
		s.At, s.Held = now, []string{"burst"}
		add(t, d, s)
	}
	now = now.Add(29 * day)
	again("dismissed@example.com")
	d.linkTo(t, ids[2], now, now.Add(7*day))
	_, err := d.write.Exec(`INSERT INTO reader_mails (tenant_id, id, subscriber_id, kind, created_at, due_at) VALUES ('a', 'm', $1, 'confirm', $2, $2)`, ids[3], millis(now))
	unless(t, err)
	now = now.Add(2 * day)
	found, err := d.lapsed(t.Context(), termsOf{"a", Terms{Left: 30, Dismissed: 30}})
	if err != nil || len(found) != 2 || found[0].id != ids[4] || found[1].id != ids[1] {
		t.Fatalf("found are %+v, %v", found, err)
	}
	again("late-dismissed@example.com")
	again("late-left@example.com")
	unless(t, d.tx(t.Context(), func(tx *sql.Tx) error {
		return d.change(t.Context(), tx, func(c *change) error {
			for _, l := range found {
				if done, err := d.lapse(t.Context(), c, "a", l, "mac"); done || err != nil {
					t.Errorf("%s: %t, %v", l.emailKey, done, err)
				}
			}
			return nil
		})
	}))
	wantN(t, d, 5, `SELECT count(*) FROM subscribers`)
	wantN(t, d, 0, `SELECT count(*) FROM removals`)
	wantN(t, d, 3, `SELECT count(*) FROM holds WHERE decided_at = 0`)
}
