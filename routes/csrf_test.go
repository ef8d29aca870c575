package routes_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatepost/auth"

	"github.com/gofiber/fiber/v2"
)

// forms are the routes that take a form of ours, once each.
func (w *world) forms() (list []fiber.Route) {
	for _, r := range w.app.GetRoutes(true) {
		if r.Method == http.MethodPost && !strings.HasPrefix(r.Path, "/signup/") && !strings.HasPrefix(r.Path, "/api/") {
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
		b, token = w.browser(), auth.NewToken()
		b.set("gatepost_csrf", token)
		return b, token
	}
	b = w.as(john, "contoso")
	session, err := auth.NewSessions(w.store, auth.SessionOptions{}).Session(b.request(http.MethodGet, "/", "", "Cookie", "gatepost_session="+b.cookie("gatepost_session")))
	if err != nil {
		w.t.Fatal(err)
	}
	return b, session.CSRF()
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
				if p := b.do(http.MethodPost, address(r), form("csrf", token[1:]+"x"), headers...); !p.forged() {
					t.Errorf("%s with origin %s, site %q and a wrong token: %d", name(r), origin, site, p.status)
				}
				if p := b.do(http.MethodPost, address(r), form("csrf", token), headers...); p.forged() == want {
					t.Errorf("%s with origin %s, site %q and the right token: %d", name(r), origin, site, p.status)
				}
			}
		}
	}
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
	b.do(http.MethodPost, "/login", form("email", john, "password", password, "csrf", login.hidden("csrf")), "Content-Type", formType, "Origin", "null").to("/integrations")
}
