package routes_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/db/dbtest"
)

// unwritable are the ways in which a database takes no writes.
var unwritable = map[string]func(*world) (over func()){
	"locked": func(w *world) func() { return dbtest.Lock(w.t, w.at, w.store, w.vault, w.news) },
	"full": func(w *world) func() {
		var over []func()
		for _, d := range []*db.DB{w.store, w.vault, w.news} {
			over = append(over, dbtest.Fill(w.t, d))
		}
		return func() {
			for _, end := range over {
				end()
			}
		}
	},
}

// unavailable fails the test unless the answer is that of a portal that can't store
// anything for now.
func (p page) unavailable(what string) page {
	p.w.t.Helper()
	if p.status != 503 || p.head("Retry-After") == "" || p.says("SQLITE") || p.says("disk") || strings.Contains(strings.ToLower(p.body), "thank you") {
		p.w.t.Errorf("%s: %d, Retry-After %q, %s", what, p.status, p.head("Retry-After"), p.text())
	}
	return p
}

// Nobody is thanked for what isn't stored, everybody is told when to come back, and
// when there is room again all goes on by itself.
func TestADatabaseThatTakesNoWrites(t *testing.T) {
	for kind, trouble := range unwritable {
		t.Run(kind, func(t *testing.T) {
			w := open(t)
			b := w.as(john, "contoso")
			csrf := b.token()
			_, key, err := auth.NewAPIKey(t.Context(), w.store, auth.APIKeyOptions{Name: "test", Actions: []string{auth.Read, auth.Delete, auth.Tenants}})
			if err != nil {
				t.Fatal(err)
			}
			w.someone("contoso", "anna@northwind.example")
			over := trouble(w)

			// A file that may not grow has room for a few more.
			public, thanked := w.browser(), w.signUps()
			signUp := func(n int) page {
				return public.do("POST", "/signup/contoso-weekly", form("email", fmt.Sprintf("r%d%s", n, long("form"))), "Content-Type", formType)
			}
			first := signUp(0)
			for n := 1; first.status == 303 && n < 1000; n++ {
				thanked++
				first = signUp(n)
			}
			if !strings.Contains(first.unavailable("a form").body, "/signup/contoso-weekly") {
				t.Error("there is no way back to the form")
			}
			public.do("POST", "/signup/contoso-weekly", `{"email":"`+long("json")+`"}`, "Content-Type", "application/json").unavailable("JSON")
			if p := w.browser().get("/readyz").unavailable("readyz"); strings.Contains(p.body, "ready\n") {
				t.Error(p.body)
			}
			w.browser().get("/healthz").is(200)
			w.browser().do("GET", "/api/v1/identities", "", "Authorization", "Bearer "+key) // may write when it was used
			if kind == "locked" {
				public.do("POST", "/login", form("csrf", csrf, "email", john, "password", password), "Content-Type", formType)
				b.do("POST", "/newsletter/signup", form("csrf", csrf, "email", "test@northwind.example", "first_name", "Test", "last_name", "Test", "newsletter", "contoso-weekly"), "Content-Type", formType).unavailable("a test")
				b.do("POST", "/account/mails", form("csrf", csrf, "mails", "on"), "Content-Type", formType).unavailable("a setting")
				b.do("POST", "/account/mails", form("csrf", csrf), "Content-Type", formType, "HX-Request", "true").unavailable("by htmx")
			}
			b.get("/subscribers").is(200, "anna@northwind.example") // what only reads goes on

			// Whatever is called, it is no fault of the program, and nothing secret.
			for _, r := range w.app.GetRoutes(true) {
				if slices.Contains([]string{"USE", http.MethodHead}, r.Method) || r.Path == "/logout" || r.Path == "/account/sessions/end-all" {
					continue
				}
				p := b.do(r.Method, address(r), form("csrf", csrf, "email", "x@northwind.example", "id", "x"), "Content-Type", formType, "Authorization", "Bearer "+key)
				if p.status == 500 || p.says("SQLITE") || p.status == 503 && p.head("Retry-After") == "" {
					t.Errorf("%s: %d %s", name(r), p.status, p.text())
				}
			}

			over()
			w.browser().get("/readyz").is(200, "ready")
			if n := w.signUps(); n < thanked || kind == "locked" && n != thanked {
				t.Errorf("%d are stored, and %d were thanked", n, thanked)
			}
			before := w.signUps()
			w.browser().post("/signup/contoso-weekly", "email", long("later")).to("/signup/contoso-weekly/thanks")
			if n := w.signUps(); n != before+1 {
				t.Errorf("%d sign-ups after %d", n, before)
			}
			if n := w.count(`SELECT count(*) FROM subscribers WHERE email LIKE 'json-%'`); n != 0 {
				t.Errorf("%d are stored that nobody was thanked for", n)
			}
		})
	}
}

// long is an address that needs room.
func long(name string) string { return name + "-" + strings.Repeat("x", 50) + "@northwind.example" }

// However many sign up while the database is locked, each is answered, soon.
func TestManySignUpsBesideALock(t *testing.T) {
	w := open(t)
	over := dbtest.Lock(t, w.at, w.store, w.vault, w.news)
	defer over()
	var all sync.WaitGroup
	for n := range 100 {
		all.Go(func() {
			p := w.browser().do("POST", "/signup/contoso-weekly", form("email", fmt.Sprintf("r%d@northwind.example", n)), "Content-Type", formType)
			p.unavailable("a sign-up")
		})
	}
	all.Wait()
}
