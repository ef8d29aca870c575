package routes_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatepost/db"
)

// stateless are the pages that tell nothing of subscribers in one state or another.
var stateless = []string{"/tenant", "/account", "/integrations", "/integrations/:service/settings", "/integrations/:service/move", "/integrations/:service/newsletters", "/integrations/:service/everybody", "/integrations/:service/everybody/live", "/integrations/:service/remove", "/integrations/:service/checkup", "/integrations/:service/mapping", "/integrations/:service/mapping/apply",
	"/integrations/:service/actions", "/integrations/:service/card", "/integrations/:service/callback", "/integrations/:service/connected",
	"/integrations/:service/disconnect", "/integrations/:service/app", "/integrations/:service/app/remove", "/newsletter/signup",
	"/newsletters", "/newsletters/:slug", "/newsletters/:slug/embed", "/newsletters/new", "/newsletters/:slug/settings", "/newsletters/:slug/archive", "/settings", "/settings/notifications",
	"/newsletter/signup/:id/undo", "/subscribers/:id/edit", "/subscribers/:id/leave", "/subscribers/:id/data", "/subscribers/:id/data.json", "/subscribers/:id/erase", "/subscribers/:id/erased", "/subscribers/erased", "/subscribers/erased.csv", "/settings/retention",
	"/integrations/:service/leaving", "/newsletters/:slug/protection", "/suppression-list", "/suppression-list/:id", "/suppression-list/:id/live", "/subscribers/:id/consent", "/quarantine", "/quarantine/reject"}

// connect connects contoso's Salesforce.
func (w *world) connect() {
	w.put(`UPDATE destinations SET service = 'sfdc' WHERE tenant_id = $1`, w.tenant("contoso").ID)
	w.put(`INSERT INTO identities (`+connectionColumns+`, generation, connected_at, refreshed_at)
		SELECT $1, 'sfdc', $2, 'x', 'x', 0, 'https://login.example', 'https://i.example', 'one', 'One', 0, 'u', 'api', id, 7, 7, 7 FROM users WHERE email = $3`, db.NewID(), w.tenant("contoso").ID, john)
}

// A state is one row: every page and file that tells of subscribers knows one that is
// added, with its label and its number. It isn't parallel, since all go by that table.
func TestEveryPageKnowsAnAddedState(t *testing.T) {
	const n = 1234
	for kind, info := range map[string]db.StateInfo{
		"a main one":  {State: "parked", Label: "Held Back", Tone: "calm", Icon: "off", Delivery: true, Open: true, Main: true, Problem: true, Attention: true, Decisions: []db.State{db.Waiting, db.Dismissed}},
		"another one": {State: "parked", Label: "Held Back", Tone: "calm", Icon: "off", Delivery: true, Column: "kept away", Sum: "kept back", Became: "Was held", Recounted: "Not let through", Problem: true},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Cleanup(db.AddState(info))
			w := open(t)
			w.connect()
			w.become(n, db.Outcome{State: "parked", Reason: "STRING_TOO_LONG", Detail: "Too long by far."})
			var id string
			if err := w.store.Writer().QueryRow(`SELECT id FROM subscribers`).Scan(&id); err != nil {
				t.Fatal(err)
			}
			b := w.as(john, "contoso")
			b.submit("/integrations/sfdc/recount").to("/integrations/sfdc/sum")
			w.step()

			column, became, recounted := "held Back", "Held Back", "Held Back"
			if info.Sum != "" {
				column, became, recounted = info.Column, info.Became, info.Recounted
			}
			detail := []string{"Too long by far.", "1,234"}
			counted := []string{`<th scope="col" class="num">Held Back</th>`, `<td class="num">1,234</td>`, "1,234 " + column}
			health := append([]string{"All 1,234 sign-ups accounted for", `Held Back</a> <b>1,234</b>`}, counted...)
			list := []string{`href="/subscribers?state=parked"`, `Held Back <span>1,234</span>`, `<span class="state calm">`}
			tells := map[string][]string{
				"/subscribers":                         list,
				"/help":                                {"<dt>Held Back</dt>"},
				"/subscribers?state=parked":            {`href="/subscribers?state=parked" aria-current="true"`, `<span class="state calm">`, "Older"},
				"/subscribers/:id":                     {"Held Back</span>", "<h3>" + became + "</h3>", "Too long by far."},
				"/newsletter/signup?sample=:id":        {`<li class="now" aria-current="step">`, "Held Back", "Too long by far."},
				"/newsletter/signup/:id":               {`<li class="now" aria-current="step">`, "Held Back", "Too long by far."},
				"/":                                    counted,
				"/subscribers.csv":                     {",parked,STRING_TOO_LONG,"},
				"/sign-ups.csv":                        {",held Back", ",1234"},
				"/integrations/:service":               health,
				"/integrations/:service/live":          health,
				"/integrations/:service/sum":           {"All 1,234 sign-ups accounted for", "<dt>Held Back</dt>", "Everything agrees", "<dt>" + recounted + "</dt>", "<dd>1,234</dd>"},
				"/integrations/:service/problems":      detail[1:],
				"/integrations/:service/problems/live": detail[1:],
				"/integrations/:service/problems/:state/:reason": detail,
				"/integrations/:service/problems.csv":            {"Too long by far.", ",parked,STRING_TOO_LONG,"},
			}
			if len(info.Decisions) > 0 {
				tells["/integrations/:service/problems/:state/:reason/dismiss"] = []string{"Dismiss all 1,234"}
			}
			fill := strings.NewReplacer(":service", "sfdc", ":id", id, ":state", "parked", ":reason", "STRING_TOO_LONG", ".csv", ".csv?state=parked&reason=STRING_TOO_LONG")
			for path, texts := range tells {
				b.get(fill.Replace(path)).is(http.StatusOK, texts...)
			}
			for _, r := range w.mine() {
				if _, told := tells[r.Path]; r.Method == http.MethodGet && !strings.HasSuffix(r.Path, "/dismiss") && told == slices.Contains(stateless, r.Path) {
					t.Errorf("%s: does it tell of subscribers in a state?", name(r))
				}
			}
		})
	}
}

// What a later release has put into a state that this one doesn't know is the rest, on
// every page: all goes on beside processes of that release. It isn't parallel either.
func TestPagesTellAStateOfALaterRelease(t *testing.T) {
	restore := db.AddState(db.StateInfo{State: "parked", Label: "Held Back", Tone: "calm", Icon: "off", Delivery: true, Problem: true})
	t.Cleanup(restore)
	w := open(t)
	w.connect()
	w.become(1234, db.Outcome{State: "parked", Reason: "STRING_TOO_LONG"})
	var id string
	if err := w.store.Writer().QueryRow(`SELECT id FROM subscribers`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	restore()
	b := w.as(john, "contoso")
	b.submit("/integrations/sfdc/recount").to("/integrations/sfdc/sum")
	w.step()
	for path, texts := range map[string][]string{
		"/subscribers":                {"All <span>1,234</span>", "Other</span>"},
		"/subscribers?state=parked":   {"All <span>1,234</span>"},
		"/subscribers?state=rest":     {"All <span>1,234</span>"},
		"/subscribers/" + id:          {"Other</span>"},
		"/newsletter/signup/" + id:    {"Other"},
		"/":                           {"1,234 other", `<td class="num">1,234</td>`},
		"/subscribers.csv":            {",parked,"},
		"/sign-ups.csv":               {",other", ",1234"},
		"/integrations/sfdc":          {"All 1,234 sign-ups accounted for", "Other <b>1,234</b>"},
		"/integrations/sfdc/sum":      {"All 1,234 sign-ups accounted for", "<dt>Other</dt>", "Everything agrees", "<dd>1,234</dd>"},
		"/integrations/sfdc/live":     {"All 1,234 sign-ups accounted for"},
		"/integrations/sfdc/problems": {},
	} {
		b.get(path).is(http.StatusOK, texts...)
	}
}
