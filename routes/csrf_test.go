package routes_test

import (
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatepost/auth"

	"github.com/gofiber/fiber/v2"
)

// forms are the routes that take a form of ours, once each.
func (w *world) forms() (list []fiber.Route) {
	for _, r := range w.app.GetRoutes(true) {
		if r.Method == http.MethodPost && !strings.HasPrefix(r.Path, "/signup/") && !strings.HasPrefix(r.Path, "/unsubscribe/") && !strings.HasPrefix(r.Path, "/confirm/") && !strings.HasPrefix(r.Path, "/api/") {
			list = append(list, r)
		}
	}
	if len(list) < 20 {
		w.t.Fatalf("only %d routes", len(list))
	}
	return list
}

// filledIn is a browser with a page of ours before it, whose token comes back too.
func (w *world) filledIn(r fiber.Route) (b *browser, token string) {
	w.t.Helper()
	if public(r) {
		b = w.browser()
		b.set("gatepost_csrf", auth.NewToken())
		return b, auth.MaskForm(b.cookie("gatepost_csrf"), nil)
	}
	b = w.as(john, "contoso")
	session, err := auth.NewSessions(w.store, auth.SessionOptions{}).Session(b.request(http.MethodGet, "/", "", "Cookie", "gatepost_session="+b.cookie("gatepost_session")))
	if err != nil {
		w.t.Fatal(err)
	}
	return b, auth.MaskForm(session.CSRF(), auth.Author(session.User(), session.TenantID()))
}

// Every form takes what browsers of all ages send from our own pages, and nothing
// that they say is from elsewhere; whatever they say, the token has to be right.
func TestEveryFormAgainstWhatBrowsersSay(t *testing.T) {
	t.Parallel()
	w := open(t)
	origins := map[string][]string{"absent": nil, "null": {"Origin", "null"}, "our own": {"Origin", w.url}, "another's": {"Origin", "https://evil.example"}}
	for _, r := range w.forms() {
		b, token := w.filledIn(r)
		session := b.cookie("gatepost_session")
		for origin, header := range origins {
			for _, site := range []string{"", "same-origin", "none", "same-site", "cross-site"} {
				want := site == "same-origin" || site == "none" || site == "" && origin != "another's"
				headers := append(slices.Clone(header), "Content-Type", formType)
				if site != "" {
					headers = append(headers, "Sec-Fetch-Site", site)
				}
				if b.cookie("gatepost_session") != session { // the form before ended it
					b, token = w.filledIn(r)
					session = b.cookie("gatepost_session")
				}
				if p := b.do(http.MethodPost, address(r), form("csrf", otherThan(token)), headers...); !p.forged() {
					t.Errorf("%s with origin %s, site %q and a wrong token: %d", name(r), origin, site, p.status)
				}
				if p := b.do(http.MethodPost, address(r), form("csrf", token), headers...); p.forged() == want {
					t.Errorf("%s with origin %s, site %q and the right token: %d", name(r), origin, site, p.status)
				}
			}
		}
	}
}

// otherThan is a token of the same form with another secret.
func otherThan(token string) string {
	if token[0] == 'A' {
		return "B" + token[1:]
	}
	return "A" + token[1:]
}

// forged reports whether a form was refused as forged.
func (p page) forged() bool {
	return p.status == http.StatusForbidden && strings.Contains(p.body, "nothing was changed")
}

// As Safari before 16.4 does: our Referrer-Policy makes it hide where a form is from.
func TestLoginWithAHiddenOrigin(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.browser()
	login := b.get("/login")
	if got := login.head("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy %q", got)
	}
	b.do(http.MethodPost, "/login", form("email", john, "password", password, "csrf", login.hidden("csrf")), "Content-Type", formType, "Origin", "null").to("/")
}

// A form that was filled in for one organisation changes nothing in another, to which
// the same person has switched in another tab. They can switch back and log out.
func TestAFormOfAnotherTenantChangesNothing(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(max, "contoso")
	old := b.token()
	b.submit("/tenant", "tenant", w.tenant("fabrikam").ID).to("/")
	for _, r := range w.mine() {
		if r.Method != http.MethodPost || r.Path == "/tenant" || r.Path == "/logout" {
			continue
		}
		b.post(address(r), "csrf", old).is(403, "another of your organisations", "nothing was changed")
	}
	b.post("/tenant", "csrf", old, "tenant", w.tenant("contoso").ID).to("/")
	b.post("/account/sessions/end", "csrf", old, "id", "x").to("/account")
	b.post("/logout", "csrf", old).to("/login")
}

// What stands in a page never stands in another one, so that nobody finds it out from how
// well pages compress: neither a form's token nor any other secret.
func TestNoTwoAnswersShareASecret(t *testing.T) {
	t.Parallel()
	w := open(t)
	long := regexp.MustCompile(`[A-Za-z0-9_-]{22,}`)
	public := regexp.MustCompile(`sha384-[A-Za-z0-9+/]{64}`)                              // the hash of a script that anybody may load
	known := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}$|^[A-Za-z_-]+$`) // ids, words
	walk := func(b *browser, r fiber.Route, secret string) {
		if r.Method != http.MethodGet || r.Path == "/static/*" || strings.HasPrefix(r.Path, "/api/") {
			return
		}
		one, other := b.get(address(r)+"?q="+secret[:8]), b.get(address(r))
		seen := map[string]bool{}
		for _, text := range long.FindAllString(public.ReplaceAllString(html.UnescapeString(one.body), ""), -1) {
			seen[text] = !known.MatchString(text)
		}
		for _, text := range long.FindAllString(public.ReplaceAllString(html.UnescapeString(other.body), ""), -1) {
			if seen[text] {
				t.Errorf("%s: %q stands in two answers", r.Path, text)
			}
		}
		if strings.Contains(one.body, secret) {
			t.Errorf("%s: the secret itself stands there", r.Path)
		}
		if strings.Contains(one.body, `name="csrf"`) && len(one.hidden("csrf")) != len(auth.MaskForm("", nil)) {
			t.Errorf("%s: %q", r.Path, one.hidden("csrf"))
		}
	}
	in, out := w.as(john, "contoso"), w.browser()
	out.get("/login")
	session, err := auth.NewSessions(w.store, auth.SessionOptions{}).Session(in.request(http.MethodGet, "/", "", "Cookie", "gatepost_session="+in.cookie("gatepost_session")))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range w.app.GetRoutes(true) {
		walk(in, r, session.CSRF())
		walk(out, r, out.cookie("gatepost_csrf"))
	}
}

// A token is taken in the one form that pages have, and nothing that could pass for it.
func TestTokensOfAnotherForm(t *testing.T) {
	t.Parallel()
	w := open(t)
	in, out := w.as(john, "contoso"), w.browser()
	out.get("/login")
	session, err := auth.NewSessions(w.store, auth.SessionOptions{}).Session(in.request(http.MethodGet, "/", "", "Cookie", "gatepost_session="+in.cookie("gatepost_session")))
	if err != nil {
		t.Fatal(err)
	}
	for path, b := range map[string]*browser{"/account/sessions/end": in, "/password/forgot": out} {
		good, plain := b.token(), session.CSRF()
		if b == out {
			plain = out.cookie("gatepost_csrf")
		}
		for name, token := range map[string]string{"plain": plain, "short": good[:len(good)-2], "long": good + "AA", "of nothing": auth.MaskForm("", nil), "half": good[:64], "changed": otherThan(good)} {
			if p := b.post(path, "csrf", token); !p.forged() {
				t.Errorf("%s: %s: %d", path, name, p.status)
			}
		}
		for range 2 { // as two forms of one page are sent
			if p := b.post(path, "csrf", good); p.status != 303 {
				t.Errorf("%s: %d", path, p.status)
			}
		}
	}
	planted := w.browser()
	planted.set("gatepost_csrf", "x") // by a neighbour on the same domain
	if p := planted.post("/password/forgot", "csrf", "x"); !p.forged() {
		t.Errorf("a planted cookie: %d", p.status)
	}
	if planted.submit("/password/forgot").to("/password/forgot"); planted.cookie("gatepost_csrf") == "x" {
		t.Error("a planted cookie is used")
	}
}
