package routes_test

import (
	"net/http"
	"strings"
	"testing"
)

// navigation is a link that only pages for those who are signed in have in their frame.
const navigation = `aria-label="Main"`

// An error keeps the navigation of whoever is signed in, at addresses too that there
// aren't, and leads on to where they were going.
func TestErrorPagesKeepTheNavigation(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	old := w.as(john, "contoso").token()
	for name, tt := range map[string]struct {
		p      page
		status int
		leads  []string
	}{
		"an address that isn't there":   {b.get("/nowhere"), 404, []string{"/", "/help"}},
		"a subscriber who isn't there":  {b.get("/subscribers/018f"), 404, []string{"/subscribers", "/help"}},
		"deeper under subscribers":      {b.get("/subscribers/018f/x/y"), 404, []string{"/subscribers"}},
		"a service that isn't there":    {b.get("/integrations/nothing/disconnect"), 404, []string{"/integrations"}},
		"a test sign-up that is gone":   {b.get("/newsletter/signup/x"), 404, []string{"/newsletter/signup"}},
		"a method that isn't there":     {b.do(http.MethodDelete, "/subscribers", ""), 405, []string{"/subscribers"}},
		"a page that was too old":       {b.post("/account/mails", "csrf", old), 403, []string{"/account"}},
		"a set-up link that was used":   {b.get("/setup?token=x"), 410, []string{"/"}},
		"a form that nobody can read":   {b.do(http.MethodPost, "/account/mails", "csrf=x", "Content-Type", formType+"; charset=nonsense"), 415, []string{"/account"}},
		"what is compressed":            {b.do(http.MethodPost, "/account/mails", "csrf=x", "Content-Type", formType, "Content-Encoding", "gzip"), 415, []string{"/account"}},
		"a subscriber to send again":    {b.submit("/subscribers/018f/retry"), 404, []string{"/subscribers"}},
		"another organisation's person": {b.get("/subscribers/" + w.someone("fabrikam", "reader@fabrikam.test")), 404, []string{"/subscribers"}},
	} {
		tt.p.is(tt.status, navigation, john, "Contoso")
		if id := tt.p.head("X-Request-ID"); id == "" || !strings.Contains(tt.p.body, id) {
			t.Errorf("%s: the number of the request is missing", name)
		}
		for _, link := range tt.leads {
			if !strings.Contains(tt.p.text(), `href="`+link+`"`) {
				t.Errorf("%s: no way to %s in %s", name, link, tt.p.text())
			}
		}
	}
}

func TestErrorPagesForThoseWhoAreNotSignedIn(t *testing.T) {
	t.Parallel()
	w := open(t)
	for _, b := range []*browser{w.browser(), w.as(nina, "")} {
		p := b.get("/nowhere").is(404, "Page not found").hasNot(navigation, "Contoso", "organisations")
		if !strings.Contains(p.body, p.head("X-Request-ID")) {
			t.Error("the number of the request is missing")
		}
	}
	w.browser().get("/nowhere").is(404, `href="/login"`)
	w.browser().get("/setup?token=x").is(410, "This link has expired", `href="/login"`)
	ended := w.browser()
	ended.set("gatepost_session", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	ended.get("/nowhere").is(404, `href="/login"`).hasNot(navigation)
}

// What can't be read for the frame of an error's page is left out: the error is told.
func TestAnErrorPageWithoutTheStore(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	if err := w.vault.Close(); err != nil {
		t.Fatal(err)
	}
	b.get("/nowhere").is(404, "Page not found")
	b.get("/integrations").is(500, "Something went wrong", "Try again", john).hasNot("database is closed")
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	b.get("/nowhere").is(404, "Page not found").hasNot("database is closed")
	if !strings.Contains(w.log.String(), "an error page has no navigation") {
		t.Error("nobody is told why")
	}
}
