package routes_test

import (
	"bytes"
	"encoding/base64"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/newsletter"
	"gatepost/routes"
	"gatepost/seal"
)

// Browsers as they name themselves.
const (
	chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
	safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15"
)

// leaving is a portal with a reader and their unsubscribe address.
type leaving struct {
	*world
	letters *newsletter.Service
}

func openLeaving(t *testing.T, changes ...with) leaving {
	t.Helper()
	l := leaving{}
	l.world = open(t, append(changes, func(c *routes.Config) { l.letters = c.Newsletters })...)
	return l
}

// link is the path of a reader's unsubscribe address, who signs up for it.
func (l leaving) link(slug, email string) string {
	l.t.Helper()
	address, ours := strings.CutPrefix(l.letters.UnsubscribeAddress(l.tenant(slug).ID, l.someone(slug, email)), l.url)
	if !ours {
		l.t.Fatal(address)
	}
	return address
}

// presses is what the form of a reader of contoso's sends when a person presses its button.
func (l leaving) presses(email string, fields ...string) string {
	l.t.Helper()
	var id string
	if err := l.store.Writer().QueryRow(`SELECT id FROM subscribers WHERE email_key = $1 AND tenant_id = $2 ORDER BY id LIMIT 1`, email, l.tenant("contoso").ID).Scan(&id); err != nil {
		l.t.Fatal(err)
	}
	opened := strconv.FormatInt(time.Now().Add(-5*time.Second).UnixMilli(), 10)
	opened += "." + base64.RawURLEncoding.EncodeToString(l.macs.Sum(seal.FormTime, "page", id, opened))
	return form(append([]string{"opened", opened, "press", "yes"}, fields...)...)
}

// state is what a reader of contoso's is.
func (l leaving) state(email string) (state string) {
	l.t.Helper()
	err := l.store.Writer().QueryRow(`SELECT state || ' ' || left_how FROM subscribers WHERE email_key = $1 AND tenant_id = $2`, email, l.tenant("contoso").ID).Scan(&state)
	if err != nil {
		l.t.Fatal(err)
	}
	return state
}

// sums holds that the sums of all tenants are right, by rows and by counts.
func (l leaving) sums() {
	l.t.Helper()
	for _, slug := range []string{"contoso", "fabrikam"} {
		if r, err := l.store.CheckCounts(l.t.Context(), l.tenant(slug).ID); err != nil || !r.Agrees() {
			l.t.Errorf("%s: %+v, %v", slug, r, err)
		}
	}
}

// Whatever looks through a mail changes nothing by it: it opens the link, runs its script, or sends
// its form.
func TestNothingButAPersonUnsubscribes(t *testing.T) {
	t.Parallel()
	l := openLeaving(t)
	link := l.link("contoso", "jane@reader.example")
	b := l.browser()
	asked := b.get(link).is(200, "Unsubscribe from Contoso Weekly", "j…@reader.example", "Everything from Contoso", "I never signed up").hasNot("jane@reader.example", "<script")
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex", "X-Frame-Options": "DENY", "Set-Cookie": "", "Access-Control-Allow-Origin": ""} {
		if asked.head(name) != want {
			t.Errorf("%s is %q", name, asked.head(name))
		}
	}
	if csp := asked.head("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "script-src") {
		t.Errorf("the policy is %s", csp)
	}
	if p := b.do(http.MethodHead, link, ""); p.status != 200 || p.body != "" {
		t.Errorf("HEAD: %d", p.status)
	}
	for name, try := range map[string]struct {
		body    string
		headers []string
	}{
		"the form as a script sends it":     {form("of", "one", "note", ""), nil},
		"all of its fields":                 {form("of", "all", "why", "many", "note", "x", "sure", "yes"), nil},
		"nothing":                           {"", nil},
		"another button":                    {form("press", "x"), nil},
		"the button, pressed by a script":   {l.presses("jane@reader.example", "of", "one"), []string{"User-Agent", chrome, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin"}},
		"likewise, and who says it was not": {l.presses("jane@reader.example"), []string{"User-Agent", chrome, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-User", "?0"}},
		"one click in another case":         {form("list-unsubscribe", "one-click"), nil},
		"one click in the query":            {"", []string{"X-Query", "List-Unsubscribe=One-Click"}},
		"text that is no form":              {"", []string{"Content-Type", "text/plain"}},
		"the button without the page":       {form("press", "yes", "sure", "yes"), nil},
	} {
		path := link
		if len(try.headers) == 2 && try.headers[0] == "X-Query" {
			path += "?" + try.headers[1]
		}
		p := b.do(http.MethodPost, path, try.body, append([]string{"Content-Type", formType}, try.headers...)...).is(200, "Nothing has changed yet")
		if !strings.Contains(p.body, `name="sure"`) || l.state("jane@reader.example") != "active " {
			t.Errorf("%s: %s", name, l.state("jane@reader.example"))
		}
	}
	b.do(http.MethodPost, link, form("press", "yes"), "Content-Type", formType, "Content-Encoding", "gzip").is(415)
	if strings.Contains(l.log.String(), strings.TrimPrefix(link, "/unsubscribe/")) || !strings.Contains(l.log.String(), "/unsubscribe/:token") {
		t.Error("the log has the path")
	}
	l.sums()
}

// A person's click unsubscribes, whatever their browser says of it, and once more it says the same.
func TestUnsubscribeByTheButton(t *testing.T) {
	t.Parallel()
	l := openLeaving(t)
	for name, headers := range map[string][]string{
		"old":     nil,
		"chrome":  {"User-Agent", chrome, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-User", "?1"},
		"safari":  {"User-Agent", safari, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin", "Origin", "null"},
		"proxied": {"User-Agent", chrome},
	} {
		email := name + "@reader.example"
		link := l.link("contoso", email)
		for range 2 {
			l.browser().do(http.MethodPost, link, l.presses(email, "of", "one", "why", "many", "note", " Every\r\nday! "), append([]string{"Content-Type", formType}, headers...)...).
				is(200, "You are unsubscribed", "won’t get Contoso Weekly", `href="/signup/contoso-weekly"`, "Sign up again")
		}
		l.browser().get(link).is(200, "You are unsubscribed")
		if n := l.count(`SELECT count(*) FROM subscribers WHERE email_key = $1 AND left_how = 'link' AND left_why = 'I get too many mails: Every day!' AND left_at > 0`, email); n != 1 {
			t.Errorf("%s: %s", name, l.state(email))
		}
		if n := l.count(`SELECT count(*) FROM consents c JOIN subscribers s ON s.id = c.subscriber_id WHERE s.email_key = $1 AND c.act = 'withdrawn' AND c.how = 'link'`, email); n != 1 {
			t.Errorf("%s: %d records of it", name, n)
		}
	}
	sure := l.link("contoso", "sure@reader.example")
	l.browser().do(http.MethodPost, sure, l.presses("sure@reader.example", "sure", "yes", "note", "broken \ufffd", "why", "<b>"), "Content-Type", formType, "User-Agent", chrome, "Sec-Fetch-Mode", "navigate").is(200, "You are unsubscribed")
	if got := l.count(`SELECT count(*) FROM subscribers WHERE email_key = 'sure@reader.example' AND state = 'left' AND left_why = ''`); got != 1 {
		t.Error("what can't be read of a reason keeps somebody")
	}
	b := l.as(john, "contoso")
	var id string
	if err := l.store.Writer().QueryRow(`SELECT id FROM subscribers WHERE email_key = 'old@reader.example'`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	b.get("/subscribers/"+id).is(200, "I get too many mails: Every day!")
	l.put(`UPDATE newsletters SET state = 'archived' WHERE slug = 'contoso-weekly'`)
	l.letters.Forget()
	l.browser().get(sure).is(200, "You are unsubscribed").hasNot("Sign up again")
	l.sums()
}

// RFC 8058: a mail program sends one field, without a cookie, and gets an empty answer, whatever
// there is by then.
func TestOneClick(t *testing.T) {
	t.Parallel()
	l := openLeaving(t, func(c *routes.Config) { c.SignupLimits = true })
	var many bytes.Buffer
	m := multipart.NewWriter(&many)
	_ = m.WriteField("List-Unsubscribe", "One-Click")
	_ = m.Close()
	send := func(link, kind, body string) {
		t.Helper()
		p := l.browser().do(http.MethodPost, link, body, "Content-Type", kind)
		if p.status != 200 || p.body != "" || p.head("Location") != "" || p.head("Set-Cookie") != "" {
			t.Fatalf("%d %q %v", p.status, p.body, p.header)
		}
	}
	first := l.link("contoso", "form@reader.example")
	second := l.link("contoso", "multipart@reader.example")
	send(first, formType, "List-Unsubscribe=One-Click")
	send(second, m.FormDataContentType(), many.String())
	for range 2 {
		send(first, formType, "List-Unsubscribe=One-Click")
	}
	for _, email := range []string{"form@reader.example", "multipart@reader.example"} {
		if l.state(email) != "left one_click" {
			t.Errorf("%s: %s", email, l.state(email))
		}
	}
	// A provider's servers send those of all its users from one network.
	for i := range 40 {
		if i%8 == 0 {
			first = l.letters.UnsubscribeAddress(l.tenant("contoso").ID, db.NewID())
		}
		send(first, formType, "List-Unsubscribe=One-Click") // of somebody who isn't there any more
	}
	l.sums()
	// Two at once, of the same and of two who share nothing.
	third, fourth := l.link("contoso", "third@reader.example"), l.link("fabrikam", "third@reader.example")
	var both sync.WaitGroup
	for _, link := range []string{third, third, third, fourth, fourth} {
		both.Go(func() { send(link, formType, "List-Unsubscribe=One-Click") })
	}
	both.Wait()
	if n := l.count(`SELECT count(*) FROM consents WHERE act = 'withdrawn'`); n != 4 {
		t.Errorf("%d withdrew, want 4", n)
	}
	l.sums()
	if err := l.news.Close(); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"List-Unsubscribe=One-Click", form("press", "yes"), ""} {
		l.browser().do(http.MethodPost, third, body, "Content-Type", formType).isRecorded("a POST", "database is closed")
	}
	l.browser().get(third).isRecorded("GET", "database is closed")
}

// One address leaves all newsletters of the organisation, and nobody else's.
func TestUnsubscribeFromAll(t *testing.T) {
	t.Parallel()
	l := openLeaving(t)
	contoso := l.tenant("contoso").ID
	l.put(`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ($1, $2, 'contoso-daily', 'Contoso Daily', 'Yes.', 1)`, db.NewID(), contoso)
	link := l.link("contoso", "jane@reader.example")
	l.link("fabrikam", "jane@reader.example")
	l.link("contoso", "joe@reader.example")
	l.browser().post("/signup/contoso-daily", "email", "Jane@reader.example").to("/signup/contoso-daily/thanks")
	l.browser().do(http.MethodPost, link, l.presses("jane@reader.example", "of", "all"), "Content-Type", formType).is(200, "You won’t get any newsletter from Contoso any more")
	if n := l.count(`SELECT count(*) FROM subscribers WHERE state = 'left' AND email_key = 'jane@reader.example' AND tenant_id = $1`, contoso); n != 2 {
		t.Errorf("%d were left, want 2", n)
	}
	if n := l.count(`SELECT count(*) FROM subscribers WHERE state = 'active'`); n != 2 {
		t.Errorf("%d stay, want 2", n)
	}
	if n := l.count(`SELECT count(*) FROM suppressions WHERE tenant_id = $1 AND newsletter_id = ''`, contoso); n != 1 {
		t.Errorf("%d are noted for newsletters to come, want 1", n)
	}
	l.sums()
}

// Who has left one newsletter, perhaps by their mail program, can leave all by the same address: by the button, not by a scanner.
func TestUnsubscribeFromTheRest(t *testing.T) {
	t.Parallel()
	l := openLeaving(t)
	link := l.link("contoso", "jane@reader.example")
	l.browser().post(link, "List-Unsubscribe", "One-Click").is(200)
	rest := link + "?of=all"
	l.browser().get(link).is(200, "You are unsubscribed", rest)
	l.browser().get(rest).is(200, "Unsubscribe from everything from Contoso", "You won’t get Contoso Weekly any more", `<input type="hidden" name="of" value="all">`).hasNot(`value="one"`, "is on the list")
	leftAll := func(what string, want int) {
		t.Helper()
		if n := l.count(`SELECT count(*) FROM subscribers WHERE left_all = 1`); n != want {
			t.Errorf("%s: %d have left all, want %d", what, n, want)
		}
	}
	l.browser().post(link, "of", "all", "press", "yes").is(200, "Unsubscribe from everything from Contoso") // without what the page gives
	leftAll("without a press", 0)
	l.browser().do(http.MethodPost, link, l.presses("jane@reader.example", "of", "all"), "Content-Type", formType).is(200, "You won’t get any newsletter from Contoso any more")
	leftAll("by the button", 1)
	for _, page := range []string{link, rest} {
		l.browser().get(page).is(200, "You won’t get any newsletter from Contoso any more").hasNot("of=all")
	}
	l.sums()
}

// A link of nobody says so in a friendly way, in the reader's language; a damaged one says what to do.
func TestLinksOfNobody(t *testing.T) {
	t.Parallel()
	l := openLeaving(t, func(c *routes.Config) { c.SignupLimits = true })
	link := l.link("contoso", "jane@reader.example")
	gone := strings.TrimPrefix(l.letters.UnsubscribeAddress(l.tenant("contoso").ID, db.NewID()), l.url)
	b := l.browser()
	b.get(gone).is(200, "You’re not on the list")
	b.get(gone, "Accept-Language", "de-AT,de;q=0.9,en;q=0.5").is(200, "Sie stehen nicht auf der Liste", `lang="de"`)
	b.post(gone, "press", "yes").is(200, "You’re not on the list")
	for _, damaged := range []string{link[:len(link)-3], link + "x", "/unsubscribe/x", "/unsubscribe/%00", "/unsubscribe/" + strings.Repeat("A", 66)} {
		b.get(damaged).is(404, "This link doesn’t work")
		b.post(damaged, "press", "yes").is(404, "This link doesn’t work")
		b.post(damaged, "List-Unsubscribe", "One-Click").is(404)
	}
	for range 40 {
		b.get("/unsubscribe/x")
	}
	if p := b.get("/unsubscribe/x"); p.status != 429 || p.head("Retry-After") == "" {
		t.Errorf("guessing: %d", p.status)
	}
	b.get(link).is(200, "Unsubscribe from Contoso Weekly") // from the same network
	for _, state := range []string{"rejected", "erasing"} {
		l.put(`UPDATE subscribers SET state = $1 WHERE email_key = 'jane@reader.example'`, state)
		b.get(link).is(200, "You’re not on the list")
	}
	l.put(`UPDATE newsletters SET page = '{"language":"fr","sender":"Contoso SA","accent":"#aa0000"}' WHERE slug = 'contoso-weekly'`)
	l.put(`UPDATE subscribers SET state = 'active' WHERE email_key = 'jane@reader.example'`)
	b.get(link, "Accept-Language", "de").is(200, "Se désinscrire de Contoso Weekly", `lang="fr"`, "/look/aa0000.css", "Contoso SA")
}
