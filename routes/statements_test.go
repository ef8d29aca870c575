package routes_test

import (
	"context"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/db/sqliteconn"
	"gatepost/identity"
	"gatepost/routes"
)

// How many statements a page may run, session and navigation included, whatever it
// shows. What a page shows more goes into a statement that is there: see db.Overview and
// db.Health.
var statementsOf = map[string]int{"/": 4, "/?range=12-months": 4, "/integrations": 4, "/integrations/sfdc": 3, "/integrations/sfdc/sum": 2, "/newsletters": 4, "/newsletters/contoso-weekly": 4, "/settings": 4, "/settings/notifications": 4,
	"/subscribers": 5, "/subscribers?q=jane&sort=name": 6, "/subscribers?q=ja&when=7d": 5,
	problems: 4, problems + "/attention/DUPLICATE_VALUE": 4, "/integrations/sfdc/settings": 4, "/integrations/sfdc/checkup": 4, "/integrations/sfdc/mapping": 3, "/integrations/sfdc/mapping/apply": 4, "/integrations/sfdc/newsletters": 3, "/integrations/sfdc/everybody": 4, "/integrations/sfdc/leaving": 6}

// statementsOfAPoll is the same for a poll that has nothing new: the session's, and the
// overview.
const statementsOfAPoll = 2

// fewest loads a page several times, and returns it with the statements of the time when
// it ran the fewest: what runs beside it now and then is not its own.
func (b *browser) fewest(path string, headers ...string) (p page, queries []string) {
	b.w.t.Helper()
	for n := range 5 {
		var of [3][]string // of what each connection of the portal has run
		of[0] = dbtest.Statements(b.w.t, b.w.store, func() {
			of[1] = dbtest.Statements(b.w.t, b.w.vault, func() {
				of[2] = dbtest.Statements(b.w.t, b.w.news, func() { p = b.get(path, headers...) })
			})
		})
		if run := slices.Concat(of[:]...); n == 0 || len(run) < len(queries) {
			queries = run
		}
	}
	if len(queries) == 0 {
		b.w.t.Fatalf("%s: no statement was seen", path)
	}
	return p, queries
}

var polled = regexp.MustCompile(`hx-get="([^"]+)"[^>]*hx-trigger="every `)

// pollsWithin walks all pages, follows what polls on them, and returns which routes that
// were, by their last part.
func (b *browser) pollsWithin(pages []string) (found []string) {
	b.w.t.Helper()
	for _, path := range pages {
		p := b.get(path)
		all := polled.FindAllStringSubmatch(p.body, -1)
		if n := strings.Count(p.body, `hx-trigger="every `); n != len(all) {
			b.w.t.Fatalf("%s: %d of %d polls were found", path, len(all), n)
		}
		for _, m := range all {
			address := html.UnescapeString(m[1])
			answer, queries := b.fewest(address, "HX-Request", "true")
			if answer.status != 204 || len(queries) > statementsOfAPoll {
				b.w.t.Errorf("%s: %s is answered with %d, by %d statements:\n%s", path, address, answer.status, len(queries), strings.Join(queries, "\n"))
			}
			route, _, _ := strings.Cut(address, "?")
			found = append(found, route)
		}
	}
	return found
}

// pages are those that somebody who is signed in can open.
func (w *world) pages(more ...string) (paths []string) {
	for _, r := range w.mine() {
		if path := address(r); r.Method == "GET" && r.Path != "/integrations/:service/callback" && !strings.Contains(path, "/x") {
			paths = append(paths, path)
		}
	}
	return append(paths, more...)
}

// put stores rows.
func (w *world) put(query string, args ...any) {
	w.t.Helper()
	if _, err := w.store.Writer().Exec(query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}

const connectionColumns = `id, service, tenant_id, sealed_access, sealed_refresh, key_id, login_url, instance_url, org_id, org_name, sandbox, remote_user_id, scopes, connected_by`

// Pages cost what they may cost, whatever there is to show.
func TestStatementsOfPagesAndPolls(t *testing.T) {
	t.Parallel()
	var vault *identity.Vault
	a := &acme{account: "one"}
	w := open(t, withAcme(t, a), func(c *routes.Config) { vault = c.Vault })
	b := w.as(max, "contoso")
	contoso, fabrikam := w.tenant("contoso").ID, w.tenant("fabrikam").ID
	// Nothing is sent while the pages are looked at.
	w.put(`INSERT INTO pauses (destination_id, tenant_id, reason, detail, tries, batch, until, since) VALUES ($1, $1, 'not_connected', '', 1, 0, $2, 0)`, contoso, time.Now().Add(time.Hour).UnixMilli())
	someone := w.someone("contoso", "jane@reader.example")
	connect := func(service, tenant string) {
		w.put(`INSERT INTO identities (`+connectionColumns+`, generation, connected_at, refreshed_at)
			SELECT $1, $2, $3, 'x', 'x', 0, 'https://login.example', 'https://i.example', 'one', 'One', 0, 'u', 'api', id, 7, 7, 7 FROM users WHERE email = $4`, db.NewID(), service, tenant, max)
	}
	seen := map[string]bool{}
	for _, state := range []struct {
		name    string
		becomes func()
	}{
		{"nothing is connected", func() {}},
		{"connected, with apps of its own", func() {
			for _, id := range []string{"acme", "dead-end"} {
				if err := vault.SetService(context.Background(), id, identity.ServiceChange{ClientID: new("app"), ClientSecret: new("hidden")}); err != nil {
					t.Fatal(err)
				}
				connect(id, contoso)
			}
			connect(identity.Salesforce, contoso)
			w.put(`UPDATE destinations SET service = 'sfdc'`)
			connect(identity.Salesforce, fabrikam)
			w.put(`INSERT INTO tenant_apps (tenant_id, service, client_id, sealed_client_secret, key_id, set_at) VALUES ($1, 'acme', 'own', 'x', 0, 7)`, contoso)
		}},
		{"with causes, and what is done for many", func() {
			w.put(`UPDATE pauses SET reason = 'unavailable'`)
			for _, reason := range []string{"STRING_TOO_LONG", "INVALID_EMAIL_ADDRESS", "DUPLICATE_VALUE"} {
				w.become(3, db.Outcome{State: db.Attention, Reason: reason})
			}
			w.put(`INSERT INTO actions (id, tenant_id, service, kind, reason, note, org_id, actor, total, done, last_id, started_at, resume_at, ended_at, error)
				VALUES ($1, $2, 'sfdc', 'recount', '', '', '', '', 9, 3, '', $3, $4, 0, '')`, db.NewID(), contoso, time.Now().UnixMilli(), time.Now().Add(time.Hour).UnixMilli())
			for _, kind := range []string{"attention", "silent"} {
				w.put(`INSERT INTO incidents (id, tenant_id, kind, about, cause, n, since, opened_at) VALUES ($1, $2, $3, CASE $3 WHEN 'silent' THEN '' ELSE $2 END, '', 9, 7, 7)`, db.NewID(), contoso, kind)
			}
		}},
		{"failing, and yet to be revoked", func() {
			w.put(`UPDATE identities SET failed_at = $1, failed_code = 'OAUTH_APP_BLOCKED', retry_at = $1`, time.Now().UnixMilli())
			w.put(`INSERT INTO revocations (id, service, tenant_id, identity_id, sealed_refresh, key_id, login_url, created_at, expires_at) VALUES ($1, 'sfdc', $2, 'x', 'x', 0, 'x', 7, $3)`,
				db.NewID(), contoso, time.Now().Add(time.Hour).UnixMilli())
		}},
		{"dead", func() {
			w.put(`UPDATE identities SET broken_at = $1, broken_code = 'invalid_grant'`, time.Now().UnixMilli())
		}},
		{"held for others have it", func() {
			for _, service := range []string{identity.Salesforce, "acme"} {
				w.put(`INSERT INTO held_identities (`+connectionColumns+`, held_at, expires_at)
					SELECT $1, $2, $3, 'x', 'x', 0, 'https://login.example', 'https://i.example', 'one', 'One', 0, 'u', 'api', id, 7, $4 FROM users WHERE email = $5`,
					db.NewID(), service, contoso, time.Now().Add(time.Hour).UnixMilli(), max)
			}
			b.get("/integrations").is(200, "It is connected to, or has sign-ups of: Fabrikam", "Decide")
		}},
	} {
		t.Log(state.name)
		state.becomes()
		for path, most := range statementsOf {
			p, queries := b.fewest(path)
			if p.status != 200 || len(queries) > most {
				t.Errorf("%s: %s is answered with %d, by %d statements:\n%s", state.name, path, p.status, len(queries), strings.Join(queries, "\n"))
			}
			for _, q := range queries {
				if len(q) > sqliteconn.Longest {
					t.Errorf("%s: a statement of %d bytes is compiled anew each time", path, len(q))
				}
			}
			t.Logf("%s: %d statements", path, len(queries))
		}
		for _, path := range b.pollsWithin(w.pages("/newsletter/signup?sample="+someone, "/subscribers/"+someone)) {
			seen[path] = true
		}
	}
	for _, path := range []string{"/integrations/sfdc/card", "/integrations/acme/card", problems + "/live", "/integrations/sfdc/live", "/integrations/sfdc/actions", "/newsletter/signup/" + someone} {
		if !seen[path] {
			t.Errorf("%s did not poll", path)
		}
	}
}

// What a page tells is new when anything of it is.
func TestPollsTellWhatIsNew(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	contoso := w.tenant("contoso").ID
	w.put(`INSERT INTO pauses (destination_id, tenant_id, reason, detail, tries, batch, until, since) VALUES ($1, $1, 'not_connected', '', 1, 0, $2, 0)`, contoso, time.Now().Add(time.Hour).UnixMilli())
	w.become(2, db.Outcome{State: db.Attention, Reason: "STRING_TOO_LONG"})
	version := func() string { return polled.FindStringSubmatch(b.get("/integrations/sfdc").body)[1] }
	for what, happens := range map[string]func(){
		"another sign-up": func() { w.someone("contoso", "new@reader.example") },
		"a repeated one":  func() { w.someone("contoso", "new@reader.example"); w.someone("contoso", "new@reader.example") },
		"another cause":   func() { w.become(1, db.Outcome{State: db.Attention, Reason: "OTHER"}) },
		"another reason":  func() { w.become(1, db.Outcome{State: db.Waiting, Reason: "UNABLE_TO_LOCK_ROW"}) },
		"a pause":         func() { w.put(`UPDATE pauses SET reason = 'STORAGE_LIMIT_EXCEEDED'`) },
		"API calls": func() {
			w.put(`INSERT INTO api_usage (destination_id, tenant_id, used, allowed, at) VALUES ($1, $1, 1, 9, 7)`, contoso)
		},
		"a recount": func() {
			w.put(`INSERT INTO recounts (tenant_id, at, took, wrong) VALUES ($1, 7, 7, 0)`, contoso)
		},
		"a time zone": func() { w.put(`UPDATE tenants SET time_zone = 'Asia/Tokyo'`) },
		"an event by hand": func() {
			w.put(`INSERT INTO events (tenant_id, subscriber_id, id, at, state, reason, detail, actor) SELECT tenant_id, id, $1, 7, state, 'X', '', '' FROM subscribers LIMIT 1`, db.NewID())
		},
	} {
		before := html.UnescapeString(version())
		b.get(before, "HX-Request", "true").is(204)
		happens()
		if p := b.get(before, "HX-Request", "true"); p.status != 200 {
			t.Errorf("%s: %d", what, p.status)
		}
	}
}
