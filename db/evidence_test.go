package db

import (
	"testing"
	"time"
)

// What was shown, on which page and from where is kept with each consent; from where for as long as the tenant
// says.
func TestEvidenceOfAConsent(t *testing.T) {
	d := withNewsletters(t, "a/1")
	now := signUp("a/1", "x").At
	d.now = func() time.Time { return now }
	s := signUp("a/1", "jane@example.com")
	s.Shown, s.Page, s.From = Presentation{Box: true, Button: "Join", Newsletter: "News", Sender: "Contoso", Language: "de"}, "https://contoso.example/news", Origin{"192.0.2.7", "Browser/1"}
	id := add(t, d, s)[0]
	again := s
	again.At, again.Shown.Button, again.Page, again.From = s.At.Add(time.Hour), "Sign up", "", Origin{}
	add(t, d, again)
	h, err := d.History(t.Context(), "a", id)
	if err != nil || len(h.Consents) != 2 {
		t.Fatalf("%+v, %v", h, err)
	}
	if c := h.Consents[1]; c.Shown != s.Shown || c.Page != s.Page || c.From != s.From || c.Act != ConsentGiven || c.Repeated {
		t.Errorf("the first: %+v", c)
	}
	if c := h.Consents[0]; c.Shown != again.Shown || c.Page != "" || c.From != (Origin{}) || !c.Repeated {
		t.Errorf("the second: %+v", c)
	}
	wantN(t, d, 2, `SELECT count(*) FROM wordings WHERE text = 'I agree.'`) // of two ways to show it
	unless(t, d.SetTerms(t.Context(), "a", Terms{Addresses: 7}))
	now = now.Add(6 * 24 * time.Hour)
	unless(t, d.ForgetAddresses(t.Context()))
	wantN(t, d, 1, `SELECT count(*) FROM consent_addresses`)
	now = now.Add(2 * 24 * time.Hour)
	unless(t, d.ForgetAddresses(t.Context()))
	wantN(t, d, 0, `SELECT count(*) FROM consent_addresses`)
	if n, err := d.NewsletterBySlug(t.Context(), "a/1"); n.AddressDays != 7 || err != nil {
		t.Error(n.AddressDays, err)
	}
}

// A tenant whose forms the operator paused takes no sign-ups, until it is to take them again.
func TestATenantIsPaused(t *testing.T) {
	d := withNewsletters(t, "a/1")
	open := func() bool {
		n, err := d.NewsletterBySlug(t.Context(), "a/1")
		unless(t, err)
		return n.Open()
	}
	for _, paused := range []bool{true, true, false} {
		unless(t, d.PauseTenant(t.Context(), "a", paused))
		if open() == paused {
			t.Errorf("paused: %v, open: %v", paused, open())
		}
	}
	if err := d.PauseTenant(t.Context(), "nobody", true); err == nil {
		t.Error("a tenant that isn't there was paused")
	}
}

// Far more sign-ups than usual, a form whose sign-ups are mostly held, and mails that few press are troubles;
// what is usual is none, and of little nobody can tell.
func TestTroublesOfReaders(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "a/3")
	now := time.Date(2026, 6, 15, 10, 30, 0, 0, time.UTC)
	d.now = func() time.Time { return now }
	unless(t, run(d, `INSERT INTO `+d.engine.stored("ledger")+` (tenant_id, newsletter_id, hour, kind, n) VALUES ('a', 'a/1', $1, 'new', 336), ('a', 'a/1', $2, 'new', 20), ('a', 'a/2', $2, 'new', 500)`,
		millis(now.Truncate(time.Hour).Add(-10*24*time.Hour)), millis(now.Truncate(time.Hour))))
	spikes := func(min, times int) int {
		t.Helper()
		all, err := d.Spikes(t.Context(), now, min, times)
		unless(t, err)
		for _, s := range all {
			if s.TenantID != "a" || s.About != "a/1" || s.N != 20 || s.Kind != IncidentSpike { // the other one is too new
				t.Errorf("spike %+v", s)
			}
		}
		return len(all)
	}
	if spikes(20, 20) != 1 || spikes(21, 20) != 0 || spikes(20, 21) != 0 {
		t.Error("an average of one in two hours, and 20 now, is 20 times as many")
	}

	attacks := func(min int) int {
		t.Helper()
		all, err := d.Attacks(t.Context(), now.Add(-time.Hour), min)
		unless(t, err)
		return len(all)
	}
	held := func(newsletter, email string) {
		s := signUp(newsletter, email)
		s.At, s.Held = now, []string{"burst"}
		add(t, d, s)
	}
	for _, n := range []string{"0", "1", "2"} {
		held("a/3", n+"@example.com")
	}
	if attacks(3) != 1 || attacks(4) != 0 {
		t.Error("3 of 3 are an attack")
	}
	for _, n := range []string{"3", "4", "5"} {
		s := signUp("a/3", n+"@example.com")
		s.At = now
		add(t, d, s)
	}
	if attacks(3) != 0 {
		t.Error("3 of 6 are no attack")
	}

	confirms := func(at time.Time, sent, pressed int) {
		for i := range sent {
			s := signUp("a/2", at.Format("02-15")+"-"+string(rune('a'+i))+"@example.com")
			s.At, s.Confirm, s.CanMail = at, true, true
			id, press := add(t, d, s)[0], int64(0)
			if i < pressed {
				press = millis(at)
			}
			unless(t, run(d, `INSERT INTO confirmations (token_hash, tenant_id, subscriber_id, mail_id, made_at, expires_at, pressed_at) VALUES ($1, 'a', $1, '', $2, $3, $4)`, id, millis(at), millis(at.Add(7*24*time.Hour)), press))
		}
	}
	few := func(min int) (percent int, some bool) {
		t.Helper()
		all, err := d.Unconfirming(t.Context(), now, min)
		unless(t, err)
		if len(all) == 0 {
			return 0, false
		}
		return all[0].N, true
	}
	confirms(now.Add(-3*24*time.Hour), 4, 4)
	confirms(now.Add(-5*time.Hour), 4, 2)
	if _, some := few(4); some {
		t.Error("half as many as usual aren't few yet")
	}
	confirms(now.Add(-4*time.Hour), 1, 0)
	if percent, some := few(4); !some || percent != 40 {
		t.Errorf("%d in 100, %v", percent, some)
	}
	if _, some := few(5); some {
		t.Error("of four nobody can tell")
	}
}

func run(d *DB, query string, args ...any) error {
	_, err := d.write.Exec(query, args...)
	return err
}
