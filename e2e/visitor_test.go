package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// profile is how somebody looks at the pages.
type profile struct {
	phone, dark, noScript bool
	bothSchemes           bool // have axe look at the other scheme too
}

// name is short and fit for a folder.
func (p profile) name() string {
	words := []string{"desktop", "light", "script"}
	if p.phone {
		words[0] = "phone"
	}
	if p.dark {
		words[1] = "dark"
	}
	if p.noScript {
		words[2] = "plain"
	}
	return strings.Join(words, "-")
}

// usual are the two profiles that differ in everything.
var usual = []profile{{bothSchemes: true}, {phone: true, dark: true, noScript: true}}

// each runs a test once for each profile, on a demo of its own.
func each(t *testing.T, profiles []profile, test func(t *testing.T, v *visitor)) {
	t.Helper()
	for _, p := range profiles {
		t.Run(p.name(), func(t *testing.T) {
			t.Parallel()
			test(t, newVisitor(t, startDemo(t), p))
		})
	}
}

// visitor is somebody with a browser. A step that doesn't succeed ends the test;
// what the browser complains of fails it.
type visitor struct {
	t       *testing.T
	d       *demo
	p       profile
	context playwright.BrowserContext
	page    playwright.Page
	seen    []string // the source of every page that was looked at
	clicks  int      // on buttons and links

	mu       sync.Mutex
	problems []string
	expected int // the server errors that the test brings about
}

func newVisitor(t *testing.T, d *demo, p profile) *visitor {
	t.Helper()
	o := playwright.BrowserNewContextOptions{
		Viewport:          &playwright.Size{Width: 1280, Height: 900},
		JavaScriptEnabled: playwright.Bool(!p.noScript),
		ColorScheme:       playwright.ColorSchemeLight,
		ReducedMotion:     playwright.ReducedMotionReduce,
		StrictSelectors:   playwright.Bool(true),
		Locale:            playwright.String("en-GB"),
	}
	if p.phone {
		o.Viewport = &playwright.Size{Width: 390, Height: 844}
		o.HasTouch = playwright.Bool(true)
	}
	if p.dark {
		o.ColorScheme = playwright.ColorSchemeDark
	}
	context, err := browser.NewContext(o)
	must(t, err)
	context.SetDefaultTimeout(60_000)
	v := &visitor{t: t, d: d, p: p, context: context}
	context.OnPage(v.watch)
	if traces {
		must(t, context.Tracing().Start(playwright.TracingStartOptions{Snapshots: playwright.Bool(true)}))
	}
	v.page, err = context.NewPage()
	must(t, err)
	t.Cleanup(v.leave)
	return v
}

// watch takes note of whatever a page complains of.
func (v *visitor) watch(page playwright.Page) {
	page.OnConsole(func(m playwright.ConsoleMessage) {
		if (m.Type() == "error" || m.Type() == "warning") && !v.ownRefusal(page, m) && !v.cutOff(m) && !v.driverRefused(m) {
			v.problem("console: %s (%s)", m.Text(), m.Location().URL)
		}
	})
	page.OnPageError(func(err error) { v.problem("script: %v", err) })
	page.OnResponse(func(r playwright.Response) {
		if r.Status() >= http.StatusInternalServerError {
			v.serverError(r)
		}
	})
	page.OnRequest(func(r playwright.Request) {
		if u := r.URL(); strings.HasPrefix(u, "http") && !v.d.owns(u) {
			v.problem("a page went to %s", u)
		}
	})
}

// driverRefused reports whether the browser merely says that the preview of a form, a
// frame without scripts, takes none of the driver's either.
func (v *visitor) driverRefused(m playwright.ConsoleMessage) bool {
	blocked, _ := strings.CutPrefix(m.Text(), "Blocked script execution in '")
	return strings.HasPrefix(blocked, v.d.portal+"/signup/") || strings.HasPrefix(blocked, "about:srcdoc'")
}

// cutOff reports whether the browser merely says that a request, as of a poll, was under
// way when the page was left, or found nobody after the test had stopped the portal.
func (v *visitor) cutOff(m playwright.ConsoleMessage) bool {
	begins := func(prefix string) bool { return strings.HasPrefix(m.Text(), prefix) }
	return begins("htmx:sendAbort") || begins("htmx:afterRequest") ||
		v.d.stopped.Load() && (begins("htmx:sendError") || begins("Failed to load resource: net::ERR_"))
}

// ownRefusal reports whether the browser merely repeats that a page came with an
// error status, which is for the tests to judge.
func (v *visitor) ownRefusal(page playwright.Page, m playwright.ConsoleMessage) bool {
	return strings.HasPrefix(m.Text(), "Failed to load resource: the server responded with a status of ") && isPage(m.Location().URL)
}

// isPage reports whether an address is of a page and not of a part of one.
func isPage(address string) bool {
	u, err := url.Parse(address)
	return err == nil && !strings.HasPrefix(u.Path, "/static/") && filepath.Ext(u.Path) == ""
}

func (v *visitor) serverError(r playwright.Response) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.expected > 0 {
		v.expected--
		return
	}
	v.problems = append(v.problems, fmt.Sprintf("status %d of %s", r.Status(), r.URL()))
}

func (v *visitor) problem(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

var unfitForFiles = regexp.MustCompile(`[^A-Za-z0-9]+`)

// leave closes the browser's context; after a failure it keeps a picture and a
// trace.
func (v *visitor) leave() {
	v.mu.Lock()
	for _, problem := range v.problems {
		v.t.Errorf("%s: %s", v.p.name(), problem)
	}
	v.mu.Unlock()
	if v.t.Failed() {
		v.keep()
	} else if traces {
		_ = v.context.Tracing().Stop()
	}
	if err := v.context.Close(); err != nil {
		v.t.Errorf("close the browser's context: %v", err)
	}
}

// tracesVariable has all that visitors do be traced, which takes much of the browser's time.
const tracesVariable = "GATEPOST_TRACES"

var traces = os.Getenv(tracesVariable) != ""

func (v *visitor) keep() {
	folder, err := filepath.Abs(".artifacts")
	if err = errors.Join(err, os.MkdirAll(folder, 0o755)); err != nil {
		v.t.Errorf("keep what happened: %v", err)
		return
	}
	base := filepath.Join(folder, unfitForFiles.ReplaceAllString(v.t.Name(), "-"))
	_, err = v.page.Screenshot(playwright.PageScreenshotOptions{Path: playwright.String(base + ".png"), FullPage: playwright.Bool(true)})
	v.t.Logf("a picture of the page: %s.png %s", base, orBlank(err))
	if !traces {
		v.t.Logf("for a trace of all that was done, run it again with %s=1", tracesVariable)
		return
	}
	err = v.context.Tracing().Stop(base + ".zip")
	v.t.Logf("the trace, for npx playwright show-trace: %s.zip %s", base, orBlank(err))
}

// orBlank is what went wrong, if anything.
func orBlank(err error) string {
	if err == nil {
		return ""
	}
	return "(not kept: " + err.Error() + ")"
}

// step fails the test at once when something that the visitor did didn't work.
func (v *visitor) step(err error, format string, args ...any) {
	v.t.Helper()
	if err != nil {
		v.t.Fatalf("%s: %s, at %s: %v", v.p.name(), fmt.Sprintf(format, args...), v.page.URL(), err)
	}
}

// open goes to an address, of the portal if it begins with a slash.
func (v *visitor) open(address string) playwright.Response {
	v.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = v.d.portal + address
	}
	r, err := v.page.Goto(address)
	v.step(err, "open %s", address)
	return r
}

// refused opens an address that must be answered with the given status.
func (v *visitor) refused(address string, status int) {
	v.t.Helper()
	if r := v.open(address); r == nil || r.Status() != status {
		v.t.Errorf("%s: %s is answered with %v, want %d", v.p.name(), address, r.Status(), status)
	}
}

// button is a button by its name.
func (v *visitor) button(name string) playwright.Locator {
	return v.page.GetByRole("button", playwright.PageGetByRoleOptions{Name: name, Exact: playwright.Bool(true)})
}

// press presses a button by its name.
func (v *visitor) press(name string) {
	v.t.Helper()
	v.clicks++
	v.step(v.button(name).Click(), "press %q", name)
}

// link is a link of the page's own part by its name.
func (v *visitor) link(name string) playwright.Locator {
	return v.page.Locator("main").GetByRole("link", playwright.LocatorGetByRoleOptions{Name: name})
}

// follow follows a link of the page's own part.
func (v *visitor) follow(name string) {
	v.t.Helper()
	v.clicks++
	v.step(v.link(name).Click(), "follow %q", name)
}

// visit goes to a page of the portal by its navigation, which is behind a button on the
// phone.
func (v *visitor) visit(name string) {
	v.t.Helper()
	v.clicks++
	v.step(v.bar().GetByRole("link", playwright.LocatorGetByRoleOptions{Name: name}).Click(), "visit %q", name)
}

// bar is the navigation, opened.
func (v *visitor) bar() playwright.Locator {
	v.t.Helper()
	if v.p.phone {
		v.press("Menu")
	}
	return v.page.GetByRole("navigation", playwright.PageGetByRoleOptions{Name: "Main"})
}

// account opens the user's menu and follows what is in it.
func (v *visitor) account() {
	v.t.Helper()
	bar := v.bar()
	v.step(bar.Locator("summary", playwright.LocatorLocatorOptions{HasText: "@"}).Click(), "open the user's menu")
	v.step(bar.GetByRole("link", playwright.LocatorGetByRoleOptions{Name: "Account"}).Click(), "go to the account")
}

// logOut logs out by the user's menu.
func (v *visitor) logOut() {
	v.t.Helper()
	bar := v.bar()
	v.step(bar.Locator("summary", playwright.LocatorLocatorOptions{HasText: "@"}).Click(), "open the user's menu")
	v.press("Log out")
}

// fill types into the field with a label.
func (v *visitor) fill(label, text string) {
	v.t.Helper()
	v.step(v.field(label).Fill(text), "fill in %q", label)
}

func (v *visitor) field(label string) playwright.Locator {
	name := regexp.MustCompile("^" + regexp.QuoteMeta(label) + `( \(optional\))?$`)
	box := playwright.PageGetByRoleOptions{Name: name}
	return v.page.GetByRole("textbox", box).Or(v.page.GetByLabel(label, playwright.PageGetByLabelOptions{Exact: playwright.Bool(true)}))
}

// heading waits for the page's title.
func (v *visitor) heading(text string) {
	v.t.Helper()
	h1 := v.page.GetByRole("heading", playwright.PageGetByRoleOptions{Level: playwright.Int(1)})
	v.step(expect.Locator(h1).ToHaveText(regexp.MustCompile(`^\s*(Error: )?`+heading(text)+`\s*$`)), "wait for the heading %q", text)
}

// heading is a pattern for a title: as it is, or one of several in parentheses.
func heading(text string) string {
	if strings.HasPrefix(text, "(") {
		return text
	}
	return regexp.QuoteMeta(text)
}

// says waits until the page says something, anywhere.
func (v *visitor) says(text string) {
	v.t.Helper()
	v.step(expect.Locator(v.page.Locator("body")).ToContainText(text), "wait for %q", text)
}

// silent checks that the page doesn't say something.
func (v *visitor) silent(text string) {
	v.t.Helper()
	v.step(expect.Locator(v.page.Locator("body")).Not().ToContainText(text), "not to see %q", text)
}

// comes waits until the page says something that comes by itself with scripts,
// and by reloading without.
func (v *visitor) comes(text string) {
	v.t.Helper()
	if !v.p.noScript {
		v.says(text)
		return
	}
	soon := playwright.LocatorAssertionsToContainTextOptions{Timeout: playwright.Float(200)}
	for range 300 {
		if expect.Locator(v.page.Locator("body")).ToContainText(text, soon) == nil {
			return
		}
		_, err := v.page.Reload()
		v.step(err, "reload")
	}
	v.says(text)
}

// at waits until the visitor is at an address of the portal.
func (v *visitor) at(path string) {
	v.t.Helper()
	v.step(expect.Page(v.page).ToHaveURL(v.d.portal+path), "be at %s", path)
}

var expect = playwright.NewPlaywrightAssertions(30_000)

// look judges the page: it fits the screen, and axe finds nothing. A picture of it is kept when GATEPOST_SCREENSHOTS names a folder.
func (v *visitor) look(name string) {
	v.t.Helper()
	source, err := v.page.Content()
	v.step(err, "read the page")
	v.seen = append(v.seen, source)
	v.plain(name, source)
	wide, err := v.page.Evaluate(`document.documentElement.scrollWidth > document.documentElement.clientWidth`)
	v.step(err, "measure the page")
	if wide == true {
		v.t.Errorf("%s: the page %s is wider than the screen", v.p.name(), name)
	}
	v.picture(name)
	if v.p.noScript {
		return // axe needs scripts
	}
	if !v.p.bothSchemes {
		v.axe(name, "in its own scheme", "{}")
		return
	}
	rules := "{}"
	for _, scheme := range []*playwright.ColorScheme{playwright.ColorSchemeDark, playwright.ColorSchemeLight} {
		v.step(v.page.EmulateMedia(playwright.PageEmulateMediaOptions{ColorScheme: scheme}), "switch to %s", *scheme)
		v.axe(name, string(*scheme), rules)
		rules = ofColours
	}
}

// ofColours are the rules of axe that a page in other colours may break while it kept them before.
const ofColours = `{runOnly: ["color-contrast", "link-in-text-block"]}`

func (v *visitor) picture(name string) {
	v.t.Helper()
	folder := os.Getenv("GATEPOST_SCREENSHOTS")
	if folder == "" {
		return
	}
	path := filepath.Join(folder, v.p.name(), name+".png")
	must(v.t, os.MkdirAll(filepath.Dir(path), 0o755))
	_, err := v.page.Screenshot(playwright.PageScreenshotOptions{Path: &path, FullPage: playwright.Bool(true)})
	v.step(err, "take a picture")
}

// violation is what axe says of a rule that isn't kept.
type violation struct {
	ID, Help string
	Nodes    []struct {
		HTML, FailureSummary string
	}
}

// axe judges the page, by all rules or by some. Its source comes through the debugger, so that the page's
// policy on scripts stays in force.
func (v *visitor) axe(name, scheme, rules string) {
	v.t.Helper()
	loaded, err := v.page.Evaluate(`"axe" in window`)
	v.step(err, "look for axe")
	if loaded == false {
		_, err = v.page.Evaluate(axeSource + "\n;0")
		v.step(err, "load axe")
	}
	result, err := v.page.Evaluate(`async () => JSON.stringify((await axe.run(document, {resultTypes: ["violations"], iframes: false, ...` + rules + `})).violations)`)
	v.step(err, "run axe")
	var found []violation
	text, _ := result.(string)
	v.step(json.Unmarshal([]byte(text), &found), "read what axe says")
	for _, f := range found {
		for _, n := range f.Nodes {
			v.t.Errorf("%s: the page %s (%s) breaks %s: %s\n%s\n%s", v.p.name(), name, scheme, f.ID, f.Help, n.HTML, n.FailureSummary)
		}
	}
}

// logIn logs in to the portal as a user.
func (v *visitor) logIn(user, password string) {
	v.t.Helper()
	v.fill("E-mail address", user)
	v.fill("Password", password)
	v.press("Log in")
}

// enter opens the portal and logs in as the demo says.
func (v *visitor) enter() {
	v.t.Helper()
	v.open("/")
	v.logIn(v.d.user, v.d.password)
	v.heading("(Get started|Home)")
	v.open("/integrations")
	v.heading("Integrations")
}

// toSalesforce goes to Salesforce by a button and logs in there.
func (v *visitor) toSalesforce(button, user string) {
	v.t.Helper()
	v.press(button)
	if v.p.noScript { // the page that forwards does so by itself too
		v.step(expect.Page(v.page).ToHaveURL(regexp.MustCompile("^"+regexp.QuoteMeta(v.d.salesforce))), "come to Salesforce")
	}
	v.heading("Log In")
	v.fill("Username", user)
	v.press("Log In")
	v.heading("Allow Access?")
}

// connect connects Salesforce from /integrations.
func (v *visitor) connect() {
	v.t.Helper()
	v.open("/integrations")
	v.toSalesforce("Connect Salesforce", johnOfContoso)
	v.press("Allow")
	v.at("/integrations")
	v.says("Salesforce is connected.")
}

// crmSettings are where a connection is made anew, or ended.
const crmSettings = "/integrations/sfdc/settings"

// sample sends a test sign-up.
func (v *visitor) sample(email string) {
	v.t.Helper()
	v.open("/newsletter/signup")
	v.fill("E-mail address", email)
	v.fill("First name", "Sam")
	v.press("Send a test sign-up")
	v.says(email)
}
