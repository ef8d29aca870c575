package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/forms"

	"github.com/playwright-community/playwright-go"
)

// site is somebody's own site, on which forms stand as the portal gave them out.
type site struct {
	*httptest.Server
	pages map[string]hostPage // by their paths
}

// hostPage is a page of a site, with what it lets browsers load.
type hostPage struct{ body, policy string }

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page, ok := s.pages[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if page.policy != "" {
		w.Header().Set("Content-Security-Policy", page.policy)
	}
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html><html lang=\"en\"><head><title>Our site</title></head><body><h1>Our site</h1>%s</body></html>", page.body)
}

// ownFields gives the demo's form fields of its own, and returns its newsletter.
func ownFields(t *testing.T, store *db.DB) db.Newsletter {
	t.Helper()
	n, err := store.NewsletterBySlug(t.Context(), "contoso-weekly")
	must(t, err)
	edited := n.Form
	edited.Fields = append(edited.Fields, forms.Field{Type: forms.Choices, Label: "Topics", Options: []forms.Option{{Label: "News"}, {Label: "Offers"}}},
		forms.Field{Type: forms.Hidden, Label: "Campaign", From: "utm_source"}, forms.Field{Type: forms.Hidden, Label: "Where", From: forms.FromPage})
	next, faults := forms.Next(n.Form, edited)
	if faults != nil {
		t.Fatal(faults)
	}
	must(t, store.SaveForm(t.Context(), n.TenantID, n.ID, next, ""))
	return n
}

// embeds are the ways in which the portal gives the demo's form out, on a site of another origin.
func embeds(t *testing.T, d *demo) *site {
	t.Helper()
	v := newVisitor(t, d, profile{bothSchemes: true})
	v.enter()
	v.open("/newsletters/contoso-weekly/embed")
	v.look("embed")
	code := func(id string) string {
		text, err := v.page.Locator("#" + id).TextContent()
		v.step(err, "copy %s", id)
		return text
	}
	s := &site{pages: map[string]hostPage{
		"/html":   {body: code("code-html")},
		"/script": {body: code("code-script")},
		"/frame":  {body: code("code-frame")},
		// A site that lets nothing of another one run, and one whose scripts reach nobody.
		"/refused":     {code("code-script"), "script-src 'none'"},
		"/unreachable": {code("code-script"), "connect-src 'none'"},
	}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// reader is somebody who reads the site.
type reader struct {
	playwright.Page
	t *testing.T
}

func (s *site) reader(t *testing.T, path string, script bool) reader {
	t.Helper()
	context, err := browser.NewContext(playwright.BrowserNewContextOptions{JavaScriptEnabled: &script, StrictSelectors: playwright.Bool(true), Locale: playwright.String("en-GB")})
	must(t, err)
	t.Cleanup(func() { _ = context.Close() })
	context.SetDefaultTimeout(60_000)
	page, err := context.NewPage()
	must(t, err)
	_, err = page.Goto(s.URL + path + "?utm_source=spring")
	must(t, err)
	return reader{page, t}
}

// fills fills in the form and sends it; the form stands on the page, or in its frame.
func (r reader) fills(framed bool, email string) {
	r.t.Helper()
	in := r.Locator
	if framed {
		frame := r.FrameLocator("iframe")
		in = func(selector string, _ ...playwright.PageLocatorOptions) playwright.Locator {
			return frame.Locator(selector)
		}
	}
	must(r.t, in("[name=email]").Fill(email))
	must(r.t, in("[name=last_name]").Fill("Reader"))
	must(r.t, in("[name=topics][value=Offers]").Check())
	must(r.t, in("button[type=submit]").Click())
}

// sees waits until a text is there.
func (r reader) sees(where playwright.Locator, text string) {
	r.t.Helper()
	if err := where.Filter(playwright.LocatorFilterOptions{HasText: text}).First().WaitFor(); err != nil {
		said, _ := r.Locator("body").InnerText()
		r.t.Fatalf("%q is not seen at %s: %v\n%s", text, r.URL(), err, said)
	}
}

// However the form stands on a site, with scripts and without: whoever fills it in is signed
// up, and is told so.
func TestEmbeddedForms(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	store, err := db.Open(t.Context(), d.database())
	must(t, err)
	defer func() { must(t, store.Close()) }()
	n := ownFields(t, store)
	s := embeds(t, d)
	people := 0
	const thanks = "You are signed up"
	for _, tt := range []struct {
		path          string
		script        bool
		framed, stays bool   // in place
		hidden        string // what is stored of the fields that nobody sees
	}{
		{"/html", true, false, false, " f3:SITE/"}, {"/html", false, false, false, " f3:SITE/"},
		{"/script", true, false, true, " f2:spring f3:SITE/script"}, {"/script", false, false, false, " f3:SITE/"},
		{"/refused", true, false, false, " f3:SITE/"}, {"/unreachable", true, false, false, " f2:spring f3:SITE/unreachable"},
		{"/frame", true, true, true, " f2:spring f3:SITE/frame"}, {"/frame", false, true, true, " f3:SITE/"},
	} {
		people++
		email := fmt.Sprintf("reader-%d@reader.example", people)
		r := s.reader(t, tt.path, tt.script)
		r.fills(tt.framed, email)
		switch {
		case tt.framed:
			r.sees(r.FrameLocator("iframe").Locator("body"), thanks)
		case tt.stays:
			r.sees(r.Locator(".gatepost-answer"), thanks)
		default:
			r.sees(r.Locator("body"), thanks)
		}
		if stayed := strings.HasPrefix(r.URL(), s.URL); stayed != tt.stays {
			t.Errorf("%s, script %v: at %s in the end", tt.path, tt.script, r.URL())
		}
		if cookies, err := r.Context().Cookies(); err != nil || len(cookies) > 0 {
			t.Errorf("%s sets cookies: %v, %v", tt.path, cookies, err)
		}
		person, err := store.SubscriberAt(t.Context(), n.TenantID, n.ID, email)
		must(t, err)
		if got := fmt.Sprint(person.Fields); got != "map[f1:Offers"+strings.ReplaceAll(tt.hidden, "SITE", s.URL)+"]" || person.LastName != "Reader" || person.FormVersion != 1 || person.Source != "form" {
			t.Errorf("%s, script %v: stored are %s of %s, by version %d and %s", tt.path, tt.script, got, person.LastName, person.FormVersion, person.Source)
		}
	}
	s.answersInPlace(t)
	s.fitsFrame(t)
}

// answersInPlace shows that the script says what is wrong beside the field, and has the answer
// read out.
func (s *site) answersInPlace(t *testing.T) {
	t.Helper()
	r := s.reader(t, "/script", true)
	r.fills(false, "jane@nowhere")
	r.sees(r.Locator(".gatepost-error"), "it should look like name@example.com")
	field := r.Locator("[name=email]")
	is := func(what string, want any, script string) {
		t.Helper()
		if got, err := field.Evaluate(script, nil); err != nil || got != want {
			t.Errorf("%s: %v, want %v (%v)", what, got, want, err)
		}
	}
	is("the focus", true, "e => document.activeElement === e")
	is("the field", "true", "e => e.getAttribute('aria-invalid')")
	is("what describes it", true, "e => document.getElementById(e.getAttribute('aria-describedby')).className === 'gatepost-error'")
	is("what was typed", "jane@nowhere", "e => e.value")
	r.fills(false, "jane@reader.example")
	answer := r.Locator(".gatepost-answer")
	r.sees(answer, "You are signed up")
	if got, err := answer.Evaluate("e => [document.activeElement === e, e.getAttribute('role'), e.getAttribute('aria-live'), e.parentNode.children.length].join()", nil); err != nil || got != "true,status,polite,1" {
		t.Errorf("the answer is %v, %v", got, err)
	}
}

// fitsFrame shows that a frame becomes as high as its page.
func (s *site) fitsFrame(t *testing.T) {
	t.Helper()
	r := s.reader(t, "/frame", true)
	r.sees(r.FrameLocator("iframe").Locator("body"), "E-mail address")
	_, err := r.WaitForFunction("() => document.querySelector('iframe').style.height !== '640px'", nil)
	must(t, err)
	inside, err := r.FrameLocator("iframe").Locator("html").Evaluate("e => Math.ceil(e.getBoundingClientRect().height) + 'px'", nil)
	must(t, err)
	if got, err := r.Locator("iframe").Evaluate("e => e.style.height", nil); err != nil || got != inside {
		t.Errorf("the frame has %v for a page of %v, %v", got, inside, err)
	}
}
