package mocksalesforce_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatepost/mocksalesforce"
)

// brought adds an org that a demo brings along, and returns its id and those of its Contacts.
func (w *world) brought(settings string) (id string, contacts []string) {
	w.t.Helper()
	id, contacts, err := w.sf.AddOrg(w.t.Context(), mocksalesforce.Org{Key: "litware", Name: "Litware (sample data)", Username: "eve@litware.example", First: "Eve", Last: "Li", Settings: settings,
		Contacts: []mocksalesforce.Contact{{First: "Zoë", Last: "Groß", Email: "Zoe@example.com", Created: time.Now().Add(-time.Hour)}, {Last: "NA", Email: "x@example.com", Created: time.Now()}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return id, contacts
}

const eve = `{"username":"eve@litware.example"}`

func TestAnOrgThatIsApart(t *testing.T) {
	w := newWorld(t)
	id, contacts := w.brought(`{}`)
	john, org := w.session("").Access, "?org=litware"
	s := w.control("session"+org, "").tokens()
	if a := w.call("GET", api+"/sobjects/Contact/"+contacts[0], s.Access, "").is(200, ""); a.str("LastName") != "Groß" || a.str("Email") != "Zoe@example.com" {
		t.Error(a.body)
	}
	w.call("GET", api+"/sobjects/Contact/"+contacts[0], john, "").is(404, "NOT_FOUND")
	w.refresh(s.Refresh).is(200, "")
	w.call("POST", api+"/sobjects/Contact", john, newContact).is(201, "")
	for query, want := range map[string][4]int{"": {1, 2, 0, 1}, org: {2, 1, 1, 1}, "?org=" + id: {2, 1, 1, 1}, "?org=CONTOSO": {1, 2, 0, 1}, "?org=contoso-sandbox": {0, 0, 0, 0}} {
		a := w.call("GET", "/_control/stats"+query, "", "").is(200, "")
		if got := [4]int{a.num("contacts"), a.num("api_calls"), a.num("refreshes"), a.num("grants")}; got != want {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	if a := w.call("GET", "/_control/contacts", "", ""); strings.Contains(a.body, "Zoe@") || !strings.Contains(a.body, "d@example.com") {
		t.Error(a.body)
	}
	if a := w.call("GET", "/_control/contacts"+org, "", ""); !strings.Contains(a.body, "Zoe@") || strings.Contains(a.body, "d@example.com") {
		t.Error(a.body)
	}
	w.call("GET", "/_control/stats?org=nobody", "", "").is(400, "")

	w.control("expire-access-tokens", "")
	w.control("revoke", "")
	w.control("reset", "")
	w.query(john, "SELECT Id FROM Contact").is(401, "INVALID_SESSION_ID")
	w.query(s.Access, "SELECT Id FROM Contact").is(200, "")
	if w.call("GET", "/_control/stats"+org, "", "").num("contacts") != 2 {
		t.Error("a reset took the Contacts of an org that it didn't name")
	}
	w.control("revoke"+org, "")
	w.query(s.Access, "SELECT Id FROM Contact").is(401, "INVALID_SESSION_ID")
	w.control("reset"+org, "")
	if w.call("GET", "/_control/stats"+org, "", "").num("contacts") != 0 {
		t.Error("its own reset left Contacts")
	}
}

func TestEachOrgHasItsOwnSettingsAndFaults(t *testing.T) {
	w := newWorld(t)
	w.brought(`{"daily_limit":100}`)
	john, jane, its := w.session("").Access, w.session(`{"username":"jane@fabrikam.example"}`).Access, w.session(eve).Access
	limit := func(query string) int { return w.call("GET", "/_control/settings"+query, "", "").num("daily_limit") }
	w.control("settings", `{"daily_limit":50}`)
	w.control("settings?org=contoso", `{"daily_limit":40}`)
	if limit("") != 40 || limit("?org=fabrikam-jane") != 50 || limit("?org=litware") != 100 {
		t.Error(limit(""), limit("?org=fabrikam-jane"), limit("?org=litware"))
	}
	w.stop()
	w.start()
	if limit("") != 40 || limit("?org=fabrikam-jane") != 50 || limit("?org=litware") != 100 {
		t.Error("after a restart:", limit(""), limit("?org=fabrikam-jane"), limit("?org=litware"))
	}
	w.control("settings", `{"rotation":false}`) // all that aren't apart are as the first one from then on
	if limit("?org=contoso") != 40 || limit("?org=fabrikam-jane") != 40 || limit("?org=litware") != 100 {
		t.Error(limit("?org=contoso"), limit("?org=fabrikam-jane"), limit("?org=litware"))
	}

	get := func(token string) answer { return w.call("GET", api+"/limits", token, "") }
	w.control("fail", `{"on":"limits","rate":1}`)
	get(john).is(503, "")
	get(jane).is(503, "")
	get(its).is(200, "")
	w.control("fail?org=litware", `{"on":"any","rate":1,"status":500}`)
	get(its).is(500, "")
	w.control("fail", `{"on":"limits"}`)
	get(john).is(200, "")
	get(its).is(500, "")
	w.control("fail?org=litware", `{"on":"any"}`)
	get(its).is(200, "")
	w.control("fail?org=contoso", `{"on":"token","count":1}`)
	w.control("fail?org=litware", `{"on":"token","count":1}`)
	w.refresh(w.session(`{"username":"jane@fabrikam.example"}`).Refresh).is(200, "")
	w.refresh(w.session(eve).Refresh).is(503, "")
	w.refresh(w.session("").Refresh).is(503, "")
}

func TestAnOrgIsBroughtAlongAgain(t *testing.T) {
	w := newWorld(t)
	first, _ := w.brought(`{}`)
	s := w.session(eve)
	again, contacts := w.brought(`{"rotation":false}`)
	if first != again || len(contacts) != 2 || w.call("GET", "/_control/stats?org=litware", "", "").num("contacts") != 2 {
		t.Errorf("%s, then %s with %v", first, again, contacts)
	}
	w.refresh(s.Refresh).is(400, "invalid_grant")
	if _, _, err := w.sf.AddOrg(t.Context(), mocksalesforce.Org{Key: "x", Settings: `{"duplicate_rule":"maybe"}`}); err == nil {
		t.Error("settings that make no sense are taken")
	}
	if _, _, err := w.sf.AddOrg(t.Context(), mocksalesforce.Org{Key: "x", Settings: `{}`, Contacts: []mocksalesforce.Contact{{Last: "D", Email: "no address"}}}); err == nil {
		t.Error("a Contact that can't be is made")
	}
	g, err := w.sf.Approve(t.Context(), clientID, "eve@litware.example", "refresh_token", "api")
	if err != nil || g.OrgID != first || g.Scope != "api refresh_token" || g.Ends.Before(time.Now()) {
		t.Errorf("%+v, %v", g, err)
	}
	w.query(g.AccessToken, "SELECT Id FROM Contact").is(200, "")
	if err := w.sf.ForgetCalls(t.Context(), first); err != nil || w.call("GET", "/_control/stats?org=litware", "", "").num("api_calls") != 0 {
		t.Error("calls are still known", err)
	}
}

func TestTheLogInPageNamesEverybodysOrg(t *testing.T) {
	w := newWorld(t)
	w.brought(`{}`)
	b := w.browser()
	page := b.authorize()
	for _, want := range []string{"Eve Li, Litware (sample data)", "Jane Roe, Fabrikam", `<a href="/login?startURL=`, `&amp;un=eve%40litware.example"`} {
		if !strings.Contains(page.body, want) {
			t.Errorf("no %s in %s", want, page.body)
		}
	}
	code := b.decide(b.login(page, "eve@litware.example", "salesforce"), "allow").Get("code")
	w.redeem(code).is(200, "")
	if w.call("GET", "/_control/stats", "", "").num("token_calls") != 0 || w.call("GET", "/_control/stats?org=litware", "", "").num("token_calls") != 1 {
		t.Error("the call for a token counts elsewhere")
	}
}

func TestRulesOfAnOrg(t *testing.T) {
	w := newWorld(t)
	s := w.session("").Access
	create := func(contact string) answer { return w.call("POST", api+"/sobjects/Contact", s, contact) }
	id := create(`{"FirstName":"Zoë","LastName":"Groß","Email":"a@example.com"}`).is(201, "").str("id")
	w.control("settings", `{"duplicate_rule":"block","duplicate_match":"name","validation_rule":true}`)
	a := create(`{"FirstName":"Zoë","LastName":"Groß","Email":"b@example.com"}`).is(400, "DUPLICATES_DETECTED")
	if !strings.Contains(a.body, id) {
		t.Error(a.body)
	}
	create(`{"LastName":"Groß","Email":"b@example.com"}`).is(201, "")
	create(`{"FirstName":"Zoë","LastName":"Groß2","Email":"c@example.com"}`).is(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
	w.call("PATCH", api+"/sobjects/Contact/"+id, s, `{"FirstName":"Zoe"}`).is(204, "")

	w.control("settings", `{"duplicate_rule":"off","required_field":"Department"}`)
	create(`{"LastName":"Li","Email":"d@example.com"}`).is(400, "REQUIRED_FIELD_MISSING")
	create(`{"LastName":"Li","Email":"d@example.com","Department":"Sales"}`).is(201, "")
	described := w.call("GET", api+"/sobjects/Contact/describe", s, "").is(200, "")
	for i, f := range described.at("fields").([]any) {
		if f.(map[string]any)["name"] == "Department" && f.(map[string]any)["nillable"] != false {
			t.Errorf("field %d: %v", i, f)
		}
	}
	w.call("POST", "/_control/settings", "", `{"required_field":"Nonsense"}`).is(400, "")
	w.call("POST", "/_control/settings", "", `{"duplicate_match":"shoe size"}`).is(400, "")

	w.control("settings", `{"required_field":"","other_calls":14999}`)
	used := w.call("GET", "/_control/stats", "", "").num("api_calls")
	w.call("GET", api+"/limits", s, "").is(403, "REQUEST_LIMIT_EXCEEDED")
	w.control("settings", `{"other_calls":1000}`)
	if h := w.call("GET", api+"/limits", s, "").is(200, "").header.Get("Sforce-Limit-Info"); !strings.HasSuffix(h, "/15000") || !strings.HasPrefix(h, "api-usage=10") {
		t.Error(h)
	}
	if got := w.call("GET", "/_control/stats", "", "").num("api_calls"); got != used+1 {
		t.Errorf("%d calls after %d: others' count too", got, used)
	}
}

// A file of an earlier release goes on being read: what it counted, and its orgs.
func TestAFileOfAnEarlierRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "salesforce.db")
	old, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Exec(`CREATE TABLE counters (name TEXT PRIMARY KEY, n INTEGER NOT NULL); INSERT INTO counters VALUES ('token_calls', 7);
		CREATE TABLE orgs (id TEXT PRIMARY KEY, name TEXT NOT NULL, sandbox INTEGER NOT NULL); INSERT INTO orgs VALUES ('00Dak0000000001EAA', 'Contoso', 0);
		CREATE TABLE kv (name TEXT PRIMARY KEY, value TEXT NOT NULL); INSERT INTO kv VALUES ('settings', '{"daily_limit":12}')`); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w := &world{t: t, data: path}
		w.start()
		if w.stat("token_calls") != 7 || w.call("GET", "/_control/settings", "", "").num("daily_limit") != 12 {
			t.Error(w.call("GET", "/_control/stats", "", "").body)
		}
		w.call("GET", "/_control/stats?org=contoso", "", "").is(200, "")
		w.stop()
	}
}
