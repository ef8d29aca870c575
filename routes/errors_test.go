package routes_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/routes"
)

var requestID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)

// isRecorded fails the test unless the page is a 500 that shows nothing but a
// number, under which the log has the cause.
func (p page) isRecorded(what, cause string) {
	p.w.t.Helper()
	id := requestID.FindString(p.head("X-Request-ID"))
	if p.status != 500 || id == "" || strings.Contains(p.body, cause) || p.says("sql") {
		p.w.t.Errorf("%s: %d %s", what, p.status, p.text())
		return
	}
	for line := range strings.Lines(p.w.log.String()) {
		if strings.Contains(line, "level=ERROR") && strings.Contains(line, id) && strings.Contains(line, cause) {
			return
		}
	}
	p.w.t.Errorf("%s: the log has no cause for %s:\n%s", what, id, p.w.log)
}

func TestAFailingStoreIsRecordedAndNotShown(t *testing.T) {
	t.Parallel()
	const cause = "database is closed"
	for room, tt := range map[string]struct {
		fail  func(*world) error
		calls []string
	}{
		"people":      {func(w *world) error { return w.store.Close() }, []string{"GET /account", "GET /", "POST /login", "GET /login", "POST /tenant", "GET /setup", "GET /integrations/sfdc/callback?state=a&code=b"}},
		"vault":       {func(w *world) error { return w.vault.Close() }, []string{"GET /integrations", "GET /integrations/sfdc/card", "GET /integrations/sfdc/actions", "GET /integrations/sfdc/problems", "GET /integrations/sfdc/problems/attention/ODD", "GET /integrations/sfdc/settings", "GET /newsletter/signup/x", "GET /account", "POST /integrations/sfdc/connect", "GET /integrations/sfdc/app", "POST /integrations/sfdc/app", "GET /integrations/sfdc/app/remove", "POST /integrations/sfdc/app/remove", "POST /integrations/sfdc/disconnect", "GET /integrations/sfdc/callback?state=a&code=b"}},
		"newsletters": {func(w *world) error { return w.news.Close() }, []string{"GET /subscribers", "GET /subscribers?q=x", "GET /newsletter/signup", "POST /newsletter/signup", "GET /signup/contoso-weekly", "POST /signup/contoso-weekly", "GET /signup/contoso-weekly/thanks"}},
	} {
		t.Run(room, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			b := w.as(john, "contoso")
			csrf := b.token()
			if err := tt.fail(w); err != nil {
				t.Fatal(err)
			}
			for _, call := range tt.calls {
				method, path, _ := strings.Cut(call, " ")
				b.do(method, path, form("csrf", csrf, "email", "j@example.com"), "Content-Type", formType).isRecorded(call, cause)
				b.do(method, path, form("csrf", csrf, "email", "j@example.com"), "Content-Type", formType, "Accept", "application/json").isRecorded(call+" as JSON", cause)
				b.do(method, path, form("csrf", csrf, "email", "j@example.com"), "Content-Type", formType, "HX-Request", "true").isRecorded(call+" by htmx", cause)
			}
			if p := b.get("/healthz"); p.status != 200 {
				t.Errorf("healthz: %d", p.status)
			}
		})
	}
}

func TestReadinessIsThatOfTheStore(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.browser().get("/readyz").is(200, "ready")
	if err := w.vault.Close(); err != nil {
		t.Fatal(err)
	}
	p := w.browser().get("/readyz").is(503).hasNot("closed")
	if p.head("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// panicking is a store that does.
type panicking struct{ routes.HealthStore }

func (panicking) Health(context.Context, db.DestinationKey, []db.Span) (db.Health, error) {
	panic(errors.New("the cause of it all"))
}

func TestAPanicIsRecordedWithItsPlaceAndNotShown(t *testing.T) {
	t.Parallel()
	w := open(t, func(c *routes.Config) { c.Health = panicking{c.Health} })
	b := w.as(john, "contoso")
	b.get("/integrations/sfdc").isRecorded("a panic", "the cause of it all")
	b.get("/integrations/sfdc", "HX-Request", "true").hasNot("cause", "goroutine", ".go:").isRecorded("a fragment", "the cause of it all")
	if !strings.Contains(w.log.String(), "errors_test.go") {
		t.Errorf("no place in the log:\n%s", w.log)
	}
	b.get("/account").is(200)
}

func TestFlashesSurviveAnErrorAndAreSaidOnce(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	b.submit("/integrations/sfdc/disconnect").to("/integrations")
	const said = "Salesforce was disconnected already."
	b.get("/nowhere").is(404).hasNot(said)
	b.get("/newsletter/signup/x").is(404).hasNot(said)
	b.get("/subscribers", "HX-Request", "true").is(200).hasNot(said)
	b.get("/integrations/sfdc/card").is(200).hasNot(said)
	b.get("/subscribers").is(200, said)
	b.get("/subscribers").is(200).hasNot(said)
}

func TestMethodsAndAddressesThatAreNotThere(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	there := map[string]bool{}
	for _, r := range w.app.GetRoutes(true) {
		there[r.Method+" "+r.Path] = true
	}
	for _, r := range w.app.GetRoutes(true) {
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodTrace} {
			if there[method+" "+r.Path] {
				continue
			}
			p := b.do(method, address(r), "")
			if p.status != 405 || p.head("Allow") == "" || p.says("Cannot") {
				t.Errorf("%s %s: %d", method, address(r), p.status)
			}
		}
	}
	for path, status := range map[string]int{"/nowhere": 404, "/integrations/sfdc/logout": 404, "/integrations/hubspot/disconnect": 404, "/static/app.css": 404,
		"/static/../routes.go": 404, "/static/..%2f..%2fgo.mod": 404, "/LOGIN": 404, "/signup/": 404, "/signup/x/y/z": 404, "/%2e%2e/etc/passwd": 404,
		"/" + strings.Repeat("x", 5000): 404, "/%00": 404, "/%ff": 404, "/<script>alert(1)</script>": 404} {
		b.get(path).is(status).hasNot("Cannot GET", "alert(1)")
		if p := b.get(path, "Accept", "application/json").is(status); p.head("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s", path, p.head("Content-Type"))
		}
	}
	for _, path := range []string{"/healthz", "/login", "/integrations", "/subscribers", "/account", "/help", "/robots.txt", "/favicon.ico", formPage} {
		if p := b.do(http.MethodHead, path, ""); path != "/login" && (p.status != 200 || p.body != "" || p.head("Content-Length") == "0") {
			t.Errorf("HEAD %s: %d %q", path, p.status, p.body)
		}
	}
}

func TestHeadersOfEveryKindOfAnswer(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	for _, path := range []string{"/", "/login", "/integrations", "/integrations/sfdc/card", "/subscribers", "/account", "/newsletter/signup", "/nowhere",
		"/newsletter/signup/x", "/setup", "/healthz", "/integrations/sfdc/callback", "/authorize/nobody", formPage, formPage + "/thanks", "/signup/nobody"} {
		p := b.get(path)
		open := strings.HasPrefix(path, "/signup/")
		csp := p.head("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "frame-ancestors *") != open || strings.Contains(csp, "script-src") == open {
			t.Errorf("%s: %s", path, csp)
		}
		for name, want := range map[string][2]string{ // in the portal, on public pages
			"X-Frame-Options": {"DENY", ""}, "Cross-Origin-Opener-Policy": {"same-origin", ""}, "Cross-Origin-Resource-Policy": {"same-origin", ""},
			"Access-Control-Allow-Origin": {"", "*"}, "Access-Control-Allow-Credentials": {}, "X-Content-Type-Options": {"nosniff", "nosniff"},
			"Referrer-Policy": {"no-referrer", "no-referrer"}, "Cache-Control": {"no-store", "no-store"}, "Cross-Origin-Embedder-Policy": {}, "Server": {},
		} {
			value := want[0]
			if open {
				value = want[1]
			}
			if got := p.head(name); got != value {
				t.Errorf("%s: %s: %q, want %q", path, name, got, value)
			}
		}
		if p.head("X-Request-ID") == "" {
			t.Errorf("%s has no request id", path)
		}
		if strings.Contains(p.body, " style=") || p.says("onclick") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(p.body) {
			t.Errorf("%s breaks its own policy", path)
		}
		if open && p.head("Set-Cookie") != "" {
			t.Errorf("%s sets a cookie", path)
		}
	}
	asset := regexp.MustCompile(`/static/app\.[0-9a-f]+\.css`).FindString(b.get("/account").body)
	p := b.get(asset).is(200)
	if !strings.Contains(p.head("Cache-Control"), "immutable") || p.head("ETag") == "" {
		t.Errorf("%v", p.header)
	}
	b.get(asset, "If-None-Match", p.head("ETag")).is(304)
}
