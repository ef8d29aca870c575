package db

import (
	"testing"
)

// What a CRM, a mail server or a browser says is stored although PostgreSQL takes no NUL
// and nothing but UTF-8.
func TestAnyTextIsStored(t *testing.T) {
	d := withNewsletters(t, "a/1")
	odd := "Empf\xe4nger \x00 unbekannt"
	id := add(t, d, signUp("a/1", "one@example.com"))[0]
	d.becomes(t, leased(t, d), Outcome{SubscriberID: id, State: Attention, Reason: "ODD", Detail: odd})
	if s, err := d.Subscriber(t.Context(), "a", id); err != nil || s.State != Attention || s.Detail == "" {
		t.Errorf("got %+v, %v", s, err)
	}
	if err := d.SetPause(t.Context(), leased(t, d), Pause{Reason: "ODD", Detail: odd, Until: noon}); err != nil {
		t.Error(err)
	}
	if err := d.QueueReset(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	mails, err := collect(t.Context(), d.read, scanID, `SELECT id FROM mails`)
	if err != nil || len(mails) != 1 {
		t.Fatalf("%v, %v", mails, err)
	}
	if err := d.RecordMail(t.Context(), mails[0], MailRefused, 550, odd); err != nil {
		t.Error(err)
	}
	if m, err := d.Mail(t.Context(), mails[0]); err != nil || m.State != MailRefused || m.Detail == "" {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := d.Subscriber(t.Context(), "a", odd); err == nil {
		t.Error("somebody is found who isn't there")
	}
}
