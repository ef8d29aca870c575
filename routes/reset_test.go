package routes_test

import (
	"strings"
	"testing"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/routes"
)

const newPassword = "five words make it new"

func mailing(c *routes.Config) { c.Mail = true }

// link is the token of a link with which somebody can set a new password.
func (w *world) link(email string) string {
	w.t.Helper()
	user, err := w.store.UserByEmail(w.t.Context(), email)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := auth.NewPeople(w.store, nil).ResetLink(w.t.Context(), user.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func TestForgotPasswordTellsNobodyWhoIsThere(t *testing.T) {
	t.Parallel()
	w := open(t, mailing)
	b := w.browser()
	b.get("/login").is(200, `href="/password/forgot"`)
	csrf := b.get("/password/forgot").is(200, "Send me a link").hidden("csrf")
	b.post("/password/forgot", "email", john).is(403)
	b.post("/password/forgot", "csrf", csrf, "email", " ").is(422, "An e-mail address is needed")
	known := b.post("/password/forgot", "csrf", csrf, "email", john).to("/password/sent")
	unknown := b.post("/password/forgot", "csrf", csrf, "email", "nobody@contoso.example").to("/password/sent")
	if known.body != unknown.body {
		t.Error("an unknown address is answered in another way")
	}
	b.get("/password/sent").is(200, "Check your inbox").hasNot(john)
	if n := w.count(`SELECT count(*) FROM mails WHERE kind = $1`, db.MailReset); n != 2 {
		t.Errorf("%d mails", n)
	}
	var p page
	for n := 0; n < 30 && p.status != 429; n++ { // the wait grows, so that it is met however slowly it is asked
		p = b.post("/password/forgot", "csrf", csrf, "email", john)
	}
	p.is(429, "too many requests", john)
	if p.head("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestForgotPasswordWithoutMail(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.browser()
	b.get("/password/forgot").is(200, "sends no mail", "people who run it").hasNot("Send me a link")
	b.post("/password/forgot", "csrf", b.get("/login").hidden("csrf"), "email", john).to("/password/forgot")
	if n := w.count(`SELECT count(*) FROM mails`); n != 0 {
		t.Errorf("%d mails that nobody sends", n)
	}
}

func TestResetPassword(t *testing.T) {
	t.Parallel()
	w := open(t, mailing)
	elsewhere, others := w.as(john, "contoso"), w.as(ann, "fabrikam")
	token := w.link(john)
	b := w.browser()
	for _, path := range []string{"/password/reset", "/password/reset?token=", "/password/reset?token=guess"} {
		b.get(path).is(410, "This link has expired", "older than an hour", "Start again", "Send me a link")
	}
	page := b.get("/password/reset?token="+token).is(200, "For "+john, "At least 15 characters")
	csrf := page.hidden("csrf")
	if got := page.head("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy %q", got)
	}
	good := []string{"csrf", csrf, "token", token, "password", newPassword, "password_again", newPassword}
	b.post("/password/reset", good[2:]...).is(403)
	b.post("/password/reset", "csrf", csrf, "token", "guess", "password", newPassword, "password_again", newPassword).is(410)
	b.post("/password/reset", "csrf", csrf, "token", token, "password", newPassword, "password_again", "another").is(422, "not the same password").hasNot(newPassword)
	b.post("/password/reset", "csrf", csrf, "token", token, "password", "short", "password_again", "short").is(422, "at least")
	elsewhere.get("/account").is(200)
	b.post("/password/reset", good...).to("/login?changed=1")
	b.post("/password/reset", good...).is(410, "used already", "Nothing was changed now").hasNot("as it was before") // pressed twice, say
	b.get("/password/reset?token=" + token).is(410)
	elsewhere.get("/account").to("/login?next=%2Faccount")
	others.get("/account").is(200)
	csrf = b.get("/login?changed=1").is(200, "Your password is changed").hidden("csrf")
	b.post("/login", "csrf", csrf, "email", john, "password", password).is(422)
	b.post("/login", "csrf", csrf, "email", john, "password", newPassword).to("/")
	if log := w.log.String(); strings.Contains(log, token) || strings.Contains(log, newPassword) {
		t.Error("a secret is in the log")
	}
}

func TestResetOfSomebodyElseLogsOut(t *testing.T) {
	t.Parallel()
	w := open(t, mailing)
	b := w.as(ann, "fabrikam")
	token := w.link(john)
	csrf := b.get("/password/reset?token="+token).is(200, john).hidden("csrf")
	b.post("/password/reset", "csrf", csrf, "token", token, "password", newPassword, "password_again", newPassword).to("/login?changed=1")
	b.get("/integrations").to("/login?next=%2Fintegrations")
}
