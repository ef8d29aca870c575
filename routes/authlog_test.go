package routes_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"gatepost/auth"
	"gatepost/routes"
)

// visit is what somebody does at the log-in and around it, from an address.
type visit struct {
	w    *world
	b    *browser
	from string
	sent []string // what must not stand in the log
}

func (v *visit) post(path string, pairs ...string) page {
	v.w.t.Helper()
	v.sent = append(v.sent, pairs...)
	return v.b.do(http.MethodPost, path, form(pairs...), "Content-Type", formType, "X-Forwarded-For", v.from)
}

func (v *visit) submit(path string, pairs ...string) page {
	v.w.t.Helper()
	return v.post(path, append(pairs, "csrf", v.b.token())...)
}

func (v *visit) call(key string) page {
	v.w.t.Helper()
	v.sent = append(v.sent, key)
	return v.b.do(http.MethodGet, "/api/v1/services", "", "Authorization", "Bearer "+key, "X-Forwarded-For", v.from)
}

func (v *visit) key(t *testing.T, action string) string {
	t.Helper()
	_, secret, err := auth.NewAPIKey(t.Context(), v.w.store, auth.APIKeyOptions{Name: "a key", Actions: []string{action}})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// untilThrottled does something until it is answered with 429.
func untilThrottled(t *testing.T, do func() page) {
	t.Helper()
	for range 40 {
		if do().status == http.StatusTooManyRequests {
			return
		}
	}
	t.Fatal("never throttled")
}

const changed, wrongly = "four steep hills at dawn", "not this, but long"

// steps are what brings about each event of the log-in, and whose id its line has.
var steps = map[string]struct {
	who string
	do  func(t *testing.T, v *visit)
}{
	"logged in":      {john, func(_ *testing.T, v *visit) { v.submit("/login", "email", john, "password", password) }},
	"log-in refused": {max, func(_ *testing.T, v *visit) { v.submit("/login", "email", max, "password", wrongly) }},
	"log-in throttled": {ann, func(t *testing.T, v *visit) {
		untilThrottled(t, func() page { return v.submit("/login", "email", ann, "password", wrongly) })
	}},
	"set up": {"nora@northwind.example", func(t *testing.T, v *visit) {
		for _, table := range []string{"memberships", "sessions", "users", "newsletters", "tenants"} {
			if _, err := v.w.store.Writer().Exec(`DELETE FROM ` + table); err != nil {
				t.Fatal(err)
			}
		}
		token, err := auth.NewPeople(v.w.store, nil).SetupLink(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v.submit("/setup", "token", token, "organization", "Northwind", "slug", "northwind", "email", "nora@northwind.example",
			"password", changed, "password_again", changed).to("/")
	}},
	"set-up link refused": {"", func(_ *testing.T, v *visit) {
		v.submit("/setup", "token", "guessed-token", "organization", "Northwind", "slug", "northwind", "email", "nora@northwind.example",
			"password", changed, "password_again", changed)
	}},
	"password reset asked for": {nina, func(_ *testing.T, v *visit) { v.submit("/password/forgot", "email", nina) }},
	"password reset throttled": {max, func(_ *testing.T, v *visit) {
		v.submit("/password/forgot", "email", max)
		v.submit("/password/forgot", "email", max)
	}},
	"password reset": {nina, func(_ *testing.T, v *visit) {
		v.submit("/password/reset", "token", v.w.link(nina), "password", changed, "password_again", changed).to("/login?changed=1")
	}},
	"password reset link refused": {"", func(_ *testing.T, v *visit) {
		v.submit("/password/reset", "token", "guessed-token", "password", changed, "password_again", changed).is(410)
	}},
	"password changed": {john, func(_ *testing.T, v *visit) {
		v.b = v.w.as(john, "contoso")
		v.submit("/account/password", "current", password, "password", changed, "password_again", changed).to("/account")
	}},
	"password change refused": {max, func(_ *testing.T, v *visit) {
		v.b = v.w.as(max, "contoso")
		v.submit("/account/password", "current", wrongly, "password", changed, "password_again", changed).is(422)
	}},
	"password change throttled": {ann, func(t *testing.T, v *visit) {
		v.b = v.w.as(ann, "fabrikam")
		untilThrottled(t, func() page {
			return v.submit("/account/password", "current", wrongly, "password", changed, "password_again", changed)
		})
	}},
	"API key refused": {"", func(t *testing.T, v *visit) {
		v.call("").is(401)
		v.call("gp_an-unknown-key").is(401)
		v.call(v.key(t, auth.Delete)).is(403)
	}},
	"API key throttled": {"", func(t *testing.T, v *visit) {
		key := v.key(t, auth.Read)
		untilThrottled(t, func() page { return v.call(key) })
	}},
	"form refused": {john, func(_ *testing.T, v *visit) {
		v.b = v.w.as(john, "contoso")
		v.post("/account/sessions/end", "csrf", auth.NewToken()).is(403)
		v.post("/account/sessions/end", "csrf", v.b.token(), "id", "x").to("/account")
	}},
}

// Each event of the log-in is a line in the log, by the user's id, the network and
// the request's number, without an address, a password, a token or a key.
func TestAuthLog(t *testing.T) {
	t.Parallel()
	for event, step := range steps {
		t.Run(event, func(t *testing.T) {
			t.Parallel()
			from, network := "203.0.113.77", "203.0.113.0/24"
			if event == "logged in" {
				from, network = "2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"
			}
			w := open(t, mailing, proxied(t), func(c *routes.Config) { c.APILimit = 2 })
			v := &visit{w: w, b: w.browser(), from: from}
			step.do(t, v)
			want := ` level=` + routes.AuthEvents()[event] + ` msg="?` + event + `"? id=[0-9a-f-]{36} network=` + regexp.QuoteMeta(network)
			if step.who != "" {
				want += " user=" + w.idOf(step.who)
			}
			if n := len(regexp.MustCompile(want+`( |\n)`).FindAllString(w.log.String(), -1)); n == 0 || n > 1 && !strings.Contains(event, "refused") {
				t.Errorf("%s from %s: %d lines as %s in\n%s", event, from, n, want, w.log)
			}
			secret := append(v.sent, from, "203.0.113.7", "2001:db8:1:2", "127.0.0.1", "contoso.example", "agency.example",
				v.b.cookie("gatepost_session"), v.b.cookie("gatepost_device"), v.b.cookie("gatepost_csrf"))
			for _, text := range secret {
				if len(text) > 9 && strings.Contains(w.log.String(), text) {
					t.Errorf("%s: %q is in the log", event, text)
				}
			}
		})
	}
}

// The list is whole, and the operator can read what each line is.
func TestAuthEventsAreKnown(t *testing.T) {
	manual, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for event, level := range routes.AuthEvents() {
		if _, tried := steps[event]; !tried && event != "log-in turned away" { // which is TestBusyLogin's
			t.Errorf("nothing brings about %q", event)
		}
		if level != "INFO" && level != "WARN" {
			t.Errorf("%q is logged as %s", event, level)
		}
		if !strings.Contains(string(manual), "`"+event+"`") {
			t.Errorf("docs/operating.md doesn't tell of %q", event)
		}
	}
	if len(routes.AuthEvents()) < len(steps) {
		t.Error("steps for what isn't there")
	}
}

func (w *world) idOf(email string) string {
	w.t.Helper()
	if email == "" {
		return ""
	}
	user, err := w.store.UserByEmail(w.t.Context(), email)
	if err != nil {
		w.t.Fatal(err)
	}
	return user.ID
}
