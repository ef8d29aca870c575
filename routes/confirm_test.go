package routes_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/newsletter"
	"gatepost/routes"
	"gatepost/seal"
)

// reader is somebody who is to confirm, with the token of their link.
type reader struct {
	w         *world
	id, token string
}

// toConfirm signs somebody up who is to confirm, and makes their link.
func (w *world) toConfirm(email string) reader {
	w.t.Helper()
	n, err := w.news.NewsletterBySlug(w.t.Context(), "contoso-weekly")
	if err != nil {
		w.t.Fatal(err)
	}
	answers, err := w.news.AddSignUps(w.t.Context(), []db.SignUp{{TenantID: n.TenantID, NewsletterID: n.ID, Email: email, EmailKey: strings.ToLower(email), Consent: "I agree.", Source: "form",
		At: w.news.Now(), Confirm: true, CanMail: true}})
	if err != nil {
		w.t.Fatal(err)
	}
	r := reader{w: w, id: answers[0].ID}
	r.token = w.confirmLink(n.TenantID, r.id)
	return r
}

// confirmLink makes a link with which a subscriber confirms.
func (w *world) confirmLink(tenantID, subscriberID string) (token string) {
	w.t.Helper()
	token, hash := seal.NewToken()
	now := w.news.Now().UnixMilli()
	if _, err := w.news.Writer().Exec(`INSERT INTO confirmations (token_hash, tenant_id, subscriber_id, mail_id, made_at, expires_at) VALUES ($1, $2, $3, '', $4, $5)`,
		hash, tenantID, subscriberID, now-60_000, now+3600_000); err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (r reader) path() string { return "/confirm/" + r.token }

// state is the state of the subscriber.
func (r reader) state() (state string) {
	r.w.t.Helper()
	if err := r.w.news.Writer().QueryRow(`SELECT state FROM subscribers WHERE id = $1`, r.id).Scan(&state); err != nil {
		r.w.t.Fatal(err)
	}
	return state
}

// expire has the link be too old.
func (r reader) expire() {
	r.w.t.Helper()
	if _, err := r.w.news.Writer().Exec(`UPDATE confirmations SET expires_at = 1 WHERE subscriber_id = $1`, r.id); err != nil {
		r.w.t.Fatal(err)
	}
}

var openedValue = regexp.MustCompile(`name="opened" value="([^"]+)"`)

// stampOf is when a page says that it was opened.
func stampOf(t *testing.T, p page) string {
	t.Helper()
	m := openedValue.FindStringSubmatch(p.body)
	if m == nil {
		t.Fatalf("no stamp in %s", p.body)
	}
	return m[1]
}

// clock has the portal go by a clock that the test moves.
func clock(ahead *time.Duration) with {
	return func(c *routes.Config) { c.Now = func() time.Time { return time.Now().Add(*ahead) } }
}

// asChrome are the headers of a press in Chromium.
var asChrome = []string{"Content-Type", formType, "User-Agent", "Mozilla/5.0 Chrome/143.0.0.0 Safari/537.36", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-User", "?1"}

// A person confirms by pressing the button of the page, once; nothing else that programs do
// with a link confirms anybody.
func TestConfirming(t *testing.T) {
	t.Parallel()
	var ahead time.Duration
	w := open(t, clock(&ahead))
	r, b := w.toConfirm("Jane@example.com"), w.browser()
	b.do(http.MethodHead, r.path(), "").is(200)
	if n := w.count(`SELECT count(*) FROM confirmations WHERE opened_at > 0`); n != 0 {
		t.Error("HEAD counts as opened")
	}
	opened := b.get(r.path()).is(200, "Confirm your sign-up for", "Jane@example.com was entered", ">Confirm sign-up</button>")
	if strings.Count(opened.body, "<button") != 1 || strings.Contains(opened.body, "<script") || strings.Contains(opened.body, "<a ") || strings.Contains(opened.body, "checkbox") {
		t.Errorf("there is more than a button: %s", opened.body)
	}
	for header, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Robots-Tag": "noindex", "X-Frame-Options": "DENY", "Access-Control-Allow-Origin": "", "Set-Cookie": ""} {
		if got := opened.head(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	stamp := stampOf(t, opened)
	ahead = time.Minute
	b.do(http.MethodPost, r.path(), "", "Content-Type", formType).is(200, `name="sure"`)
	b.do(http.MethodPost, r.path(), form("opened", stamp), asChrome...).is(200, `name="sure"`, "tick the box")                   // form.submit()
	b.do(http.MethodPost, r.path(), form("opened", stamp, "press", "yes"), asChrome[:len(asChrome)-2]...).is(200, `name="sure"`) // button.click() by a script
	b.do(http.MethodPost, r.path(), `{"press":"yes"}`, "Content-Type", "application/json").is(200, `name="sure"`)
	if r.state() != "unconfirmed" {
		t.Fatalf("a program made them %s", r.state())
	}
	for range 2 {
		b.do(http.MethodPost, r.path(), form("opened", stamp, "press", "yes"), asChrome...).is(200, "You’re in", "Jane@example.com is confirmed for")
		b.get(r.path()).is(200, "You’re in")
	}
	if r.state() != "active" || w.count(`SELECT count(*) FROM consents WHERE act = 'confirmed'`) != 1 || w.count(`SELECT count(*) FROM deliveries WHERE subscriber_id = $1`, r.id) != 1 {
		t.Errorf("they are %s", r.state())
	}
	w.as(john, "contoso").get("/subscribers/"+r.id).is(200, "<h3>On the list</h3>").hasNot("Came back")
	if strings.Contains(w.log.String(), r.token) || strings.Contains(w.log.String(), "example.com") {
		t.Error("a link or an address is in the log")
	}
}

// Who had to tick the box gets in by it.
func TestConfirmingWithTheBox(t *testing.T) {
	t.Parallel()
	var ahead time.Duration
	w := open(t, clock(&ahead))
	r, b := w.toConfirm("jane@example.com"), w.browser()
	headers := asChrome[:len(asChrome)-2]
	stamp := stampOf(t, b.get(r.path()))
	quick := b.do(http.MethodPost, r.path(), form("opened", stamp, "press", "yes", "sure", "yes"), headers...).is(200, `name="sure"`)
	if stampOf(t, quick) != stamp {
		t.Error("the page that comes again has another time")
	}
	ahead = 3 * time.Second
	b.do(http.MethodPost, r.path(), form("opened", stamp, "press", "yes", "sure", "yes"), headers...).is(200, "You’re in")
}

// What a link says that doesn't confirm any more.
func TestLinksThatDoNotConfirm(t *testing.T) {
	t.Parallel()
	var ahead time.Duration
	w := open(t, clock(&ahead))
	b := w.browser()
	gone, late := w.toConfirm("gone@example.com"), w.toConfirm("late@example.com")
	for _, path := range []string{"/confirm/", "/confirm/x", "/confirm/" + gone.token[1:], "/confirm/" + gone.token + "/x", "/confirm/%00", "/confirm/" + seal.TokenHash(gone.token)} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			p := b.do(method, path, "", "Content-Type", formType).is(404, "This link doesn’t work")
			if p.head("X-Robots-Tag") != "noindex" {
				t.Errorf("%s %s: %v", method, path, p.header)
			}
		}
	}
	b.get("/confirm/x", "Accept-Language", "pl,de;q=0.8").is(404, "Dieser Link funktioniert nicht")
	tenant := w.tenant("contoso").ID
	if _, err := w.news.LeaveOne(t.Context(), tenant, gone.id, db.Leaving{At: w.news.Now(), How: db.LeftByLink}); err != nil {
		t.Fatal(err)
	}
	b.get(gone.path()).is(200, "You are not on the list", `href="/signup/contoso-weekly"`)
	late.expire()
	stamp := stampOf(t, b.get(late.path()).is(200, "This link has expired", ">Send a new link</button>", "late@example.com"))
	ahead = time.Minute
	b.do(http.MethodPost, late.path(), form("opened", stamp), asChrome...).is(200, `name="sure"`)
	queued := func() int {
		return w.count(`SELECT count(*) FROM reader_mails WHERE subscriber_id = $1 AND state = 'queued'`, late.id)
	}
	if _, err := w.news.Writer().Exec(`UPDATE reader_mails SET state = 'sent', ended_at = $1 WHERE subscriber_id = $2`, w.news.Now().UnixMilli(), late.id); err != nil {
		t.Fatal(err)
	}
	b.do(http.MethodPost, late.path(), form("opened", stamp, "press", "yes"), asChrome...).is(200, "Please wait a little", "in 4 min.")
	if queued() != 0 {
		t.Error("a mail is queued before its time")
	}
	if _, err := w.news.Writer().Exec(`UPDATE reader_mails SET ended_at = ended_at - 3600000 WHERE subscriber_id = $1`, late.id); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b.do(http.MethodPost, late.path(), form("opened", stamp, "press", "yes"), asChrome...).is(200, "A new link is on its way", "late@example.com")
	}
	if queued() != 1 || late.state() != "unconfirmed" {
		t.Errorf("%d are queued, they are %s", queued(), late.state())
	}
}

// The pages are in the newsletter's language and have its look.
func TestConfirmationPagesOfEachLanguage(t *testing.T) {
	t.Parallel()
	var ahead time.Duration
	var letters *newsletter.Service
	w := open(t, clock(&ahead), func(c *routes.Config) { letters = c.Newsletters })
	b := w.browser()
	for _, l := range forms.Languages {
		if _, err := w.news.Writer().Exec(`UPDATE newsletters SET page = $1 WHERE slug = 'contoso-weekly'`, `{"language":"`+string(l.Code)+`","accent":"#123456","sender":"Contoso & Co"}`); err != nil {
			t.Fatal(err)
		}
		letters.Forget()
		r := w.toConfirm("jane-" + string(l.Code) + "@example.com")
		p := b.get(r.path()).is(200, l.Code.Say(forms.ConfirmButton), `lang="`+string(l.Code)+`"`, "/look/123456.css", "Contoso & Co")
		if strings.ContainsAny(p.text(), "{}") {
			t.Errorf("%s: %s", l.Name, p.text())
		}
		r.expire()
		b.get(r.path()).is(200, l.Code.Say(forms.ResendButton))
		b.do(http.MethodPost, r.path(), "", "Content-Type", formType).is(200, `name="sure"`)
	}
}

// A database that fails is told to nobody as a link that doesn't work.
func TestConfirmingFails(t *testing.T) {
	t.Parallel()
	w := open(t, func(c *routes.Config) {
		c.Newsletters = newsletter.New(newsletter.Config{Store: failingConfirmations{c.Store.(*db.DB)}})
	})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		w.browser().do(method, "/confirm/x", "", "Content-Type", formType).is(500, "Something went wrong on our side")
	}
	if !strings.Contains(w.log.String(), "disk I/O error") {
		t.Error("the cause isn't logged")
	}
}

type failingConfirmations struct{ *db.DB }

func (failingConfirmations) Confirmation(context.Context, string) (db.Confirmation, error) {
	return db.Confirmation{}, errors.New("disk I/O error")
}

// A newsletter that confirms answers everybody alike, and sends nobody anywhere until they have
// confirmed. Those who work there set how, and who makes a newsletter gets it where mails can be sent.
func TestConfirmationIsSet(t *testing.T) {
	t.Parallel()
	w := open(t, mailing)
	b := w.as(john, "contoso")
	settings := func() page {
		t.Helper()
		return b.get("/newsletters/contoso-weekly/settings").is(200, "Confirmation by e-mail")
	}
	save := func(confirm, days, keep string) page {
		t.Helper()
		return b.submit("/newsletters/contoso-weekly/confirmation", "revision", settings().hidden("revision"), "confirm", confirm, "confirm_days", days, "keep_days", keep)
	}
	for _, tt := range []struct{ days, keep, says string }{{"0", "30", "from 1 to 30"}, {"x", "30", "from 1 to 30"}, {"31", "40", "from 1 to 30"}, {"7", "366", "from 1 to 365"}, {"7", "", "from 1 to 365"}, {"7", "6", "at least as long"}} {
		p := save("on", tt.days, tt.keep).is(422, tt.says)
		if tt.days != "" && !strings.Contains(p.body, `value="`+tt.days+`"`) {
			t.Errorf("%v: what was typed is gone", tt)
		}
	}
	b.submit("/newsletters/contoso-weekly/confirmation", "revision", "77", "confirm", "on", "confirm_days", "7", "keep_days", "30").is(409, "Somebody else has changed")
	save("on", "3", "20").to("/newsletters/contoso-weekly/settings")
	settings().is(200, "confirm by e-mail", `value="3"`, `value="20"`, "checked")
	reader := w.browser()
	var answers []string
	for _, email := range []string{"new@example.com", "new@example.com", "known@example.com"} {
		if email == "known@example.com" {
			token := w.confirmLink(w.tenant("contoso").ID, w.someone("contoso", email))
			if _, err := w.news.PressConfirmation(t.Context(), seal.TokenHash(token)); err != nil {
				t.Fatal(err)
			}
		}
		p := reader.do(http.MethodPost, formPage, form("email", email), "Content-Type", formType, "Accept", "application/json")
		answers = append(answers, p.body)
		reader.do(http.MethodPost, formPage, form("email", email), "Content-Type", formType).to(formPage + "/thanks")
	}
	if answers[0] != answers[1] || answers[0] != answers[2] || !strings.Contains(answers[0], "an e-mail with a link is on its way") {
		t.Errorf("answered %q", answers)
	}
	reader.get(formPage+"/thanks").is(200, "Please check your inbox", "look in the spam folder")
	if n := w.count(`SELECT count(*) FROM reader_mails m JOIN subscribers s ON s.id = m.subscriber_id WHERE s.email = 'new@example.com' AND s.state = 'unconfirmed'`); n != 1 {
		t.Errorf("%d mails", n)
	}
	if n := w.count(`SELECT count(*) FROM reader_mails`); n != 2 { // one was queued for who has confirmed since
		t.Errorf("%d mails in all", n)
	}
	b.submit("/newsletters", "name", "News of today", "slug", "today", "sender", "", "language", "en").to("/newsletters/today")
	if n := w.count(`SELECT count(*) FROM newsletters WHERE slug = 'today' AND readers LIKE '%"confirm":true%'`); n != 1 {
		t.Error("a new newsletter doesn't confirm")
	}
}

// Where no mail can be sent, nobody waits for one.
func TestConfirmationWithoutMail(t *testing.T) {
	t.Parallel()
	w := open(t)
	if _, err := w.news.Writer().Exec(`UPDATE newsletters SET readers = '{"confirm":true}' WHERE slug = 'contoso-weekly'`); err != nil {
		t.Fatal(err)
	}
	b := w.as(john, "contoso")
	b.get("/newsletters/contoso-weekly/settings").is(200, "sends no e-mail")
	w.browser().do(http.MethodPost, formPage, form("email", "jane@example.com"), "Content-Type", formType).to(formPage + "/thanks")
	w.browser().get(formPage+"/thanks").is(200, "You are signed up")
	b.submit("/newsletters", "name", "News of today", "slug", "today", "sender", "", "language", "en").to("/newsletters/today")
	if n := w.count(`SELECT (SELECT count(*) FROM subscribers WHERE state <> 'active') + (SELECT count(*) FROM newsletters WHERE slug = 'today' AND readers LIKE '%"confirm"%')`); n != 0 {
		t.Error("somebody waits for a mail")
	}
}
