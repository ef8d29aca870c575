package routes_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest/toy"
	"gatepost/crm/salesforce"
	"gatepost/db"
	"gatepost/delivery"
	"gatepost/identity"
	"gatepost/routes"
)

// picky is a toy that refuses everybody while it is told to.
type picky struct {
	*toy.CRM
	refuses atomic.Bool
}

func (p *picky) Write(ctx context.Context, writes []crm.Write, o crm.Options) ([]crm.Result, error) {
	if !p.refuses.Load() {
		return p.CRM.Write(ctx, writes, o)
	}
	results := make([]crm.Result, len(writes))
	for i := range results {
		results[i].Err = &crm.Failure{Class: crm.Recorded, Code: "NO_ADDRESS"}
	}
	return results, nil
}

// withToyBeside offers the toy beside Salesforce, each in its own destinations.
func withToyBeside(t *testing.T, a *acme, box *picky) with {
	return func(c *routes.Config) {
		a.next, c.Vault.HTTP.Transport = c.Vault.HTTP.Transport, a
		c.Vault.Callback = func(id string) string { return c.URL + "/integrations/" + id + "/callback" }
		c.CRMs = crm.Providers{salesforce.Provider, toy.Provider}
		err := c.Vault.AddService(t.Context(), identity.Service{ID: toy.Service, Name: toy.Provider.Name, LoginURL: "https://id.acme.example", AuthorizeURL: "/authorize", TokenURL: "/token",
			Revoke: identity.Revocation{URL: "/revoke"}, Scopes: []string{"people"}, OrgField: "team.id", NameField: "team.name"})
		if err == nil {
			err = c.Vault.SetService(t.Context(), toy.Service, identity.ServiceChange{ClientID: new("app"), ClientSecret: new("hidden")})
		}
		if err != nil {
			t.Fatal(err)
		}
		vault, store, d := c.Vault, c.Health.(*db.DB), c.Delivery.(*delivery.Dispatcher)
		other := d.Connect
		d.Connect = func(ctx context.Context, to db.DestinationKey) (crm.CRM, error) {
			is, err := store.Destination(ctx, to)
			if err != nil || is.Service != toy.Service {
				return other(ctx, to)
			}
			if _, err := vault.Get(ctx, toy.Service, to.TenantID, 0); err != nil {
				return nil, &crm.Failure{Class: crm.Connection, Code: crm.NotConnected, Cause: err}
			}
			return box, nil
		}
	}
}

// two is a portal with Salesforce and the toy, and john in it.
func two(t *testing.T) (w *world, b *browser, box *picky, a *acme) {
	t.Helper()
	a, box = &acme{account: "one"}, &picky{CRM: toy.New()}
	w = openBoth(t, withToyBeside(t, a, box))
	return w, w.as(john, "contoso"), box, a
}

// arrived waits until so many are in a CRM of contoso's, by the tab of the list.
func (b *browser) arrived(in, label string, n int) {
	b.w.t.Helper()
	b.w.eventually(fmt.Sprintf("%d are %s", n, label), func() bool {
		return strings.Contains(b.get("/subscribers"+in).is(200).body, fmt.Sprintf("%s <span>%d</span>", label, n))
	})
}

// A tenant moves: it connects the second CRM, sends everybody there, compares the numbers,
// and removes the first, whose records stay.
func TestATenantMovesToAnotherCRM(t *testing.T) {
	t.Parallel()
	w, b, _, a := two(t)
	b.connect(sfJohn).to(connected)
	b.get(connected).to("/integrations")
	for i := range 12 {
		w.signUp(fmt.Sprintf("%d@reader.test", i), "Ada", "Lovelace")
	}
	b.arrived("", "In Salesforce", 12)
	b.get("/integrations/toy").is(200, "New sign-ups go to Toy CRM as well as to Salesforce then.", "To move from Salesforce to Toy CRM: connect it here")

	// The second is offered everybody at once, and gets new sign-ups from then on.
	b.get(b.authorize("toy")).to("/integrations/toy/connected")
	b.get("/integrations/toy/connected").to("/integrations/toy/everybody")
	w.signUp("new@reader.test", "Grace", "Hopper")
	b.arrived("", "In Salesforce", 13)
	b.arrived("?in=toy", "In Toy CRM", 1)
	b.get("/integrations/toy").is(200, "12 subscribers have not been sent to Toy CRM", `href="/integrations/toy/everybody"`)
	b.get("/integrations/sfdc").is(200).hasNot("have not been sent")
	b.get("/integrations/toy/everybody").is(200, "Send 12 people to Toy CRM as well?", "It takes about 4 Turns and 4 seconds.", "Nothing changes in Salesforce.", "How many are where")
	w.as(ann, "fabrikam").submit("/integrations/toy/everybody").to("/integrations/toy") // has none
	b.submit("/integrations/toy/everybody").to("/integrations/toy/everybody")
	b.get("/integrations/toy/everybody").is(200, "12 people are on the way to Toy CRM.", "Everybody has been sent to Toy CRM", `href="/integrations/sfdc/remove"`)
	b.arrived("?in=toy", "In Toy CRM", 13)
	b.submit("/integrations/toy/everybody").to("/integrations/toy/everybody")
	b.get("/integrations/toy/everybody").is(200, "There was nobody left to do that for.")
	b.get("/integrations/toy").is(200).hasNot("have not been sent")

	// The first goes, with the access to it.
	w.as(ann, "fabrikam").submit("/integrations/sfdc/remove").to("/integrations/sfdc")
	b.get("/integrations/sfdc/remove").is(200, "Remove Salesforce?", "13 sign-ups have arrived there. Their Contacts stay in Salesforce as they are.", "gives its access back").hasNot("wait here until")
	b.submit("/integrations/sfdc/remove").to("/integrations")
	b.get("/integrations").is(200, "Sign-ups don’t go to Salesforce any more.", "revoked there", "Connect Salesforce", "Connected to Team one").hasNot("You disconnected")
	for _, path := range []string{"/integrations/sfdc/remove", "/integrations/sfdc/problems", "/integrations/sfdc/settings", "/integrations/sfdc/everybody"} {
		b.get(path).to("/integrations/sfdc")
	}
	w.signUp("last@reader.test", "Mary", "Shelley")
	b.arrived("", "In Toy CRM", 14)
	b.get("/").is(200, "All sign-ups arrive").hasNot("Salesforce")
	b.get("/integrations/toy/sum").is(200, "<dt>Missing</dt><dd>0</dd>", "<dt>Entered</dt><dd>14</dd>").hasNot("Salesforce")
	if n := w.control("stats", "")["contacts"]; n != 13.0 || a.revoked != 0 {
		t.Errorf("%v contacts, %d revocations of the other access", n, a.revoked)
	}

	// Without any, sign-ups wait, and go on in the next.
	b.get("/integrations/toy/remove").is(200, "They wait here until you connect a CRM.")
	b.submit("/integrations/toy/remove").to("/integrations")
	w.signUp("waits@reader.test", "", "")
	b.get("/integrations").is(200, "1 sign-up waits for your first CRM", "Connect Toy CRM", "Connect Salesforce")
	b.get("/").is(200)
	b.get("/integrations/toy/remove").to("/integrations/toy")
	b.get(b.authorize("toy")).to("/integrations/toy/connected")
	b.get("/integrations/toy/connected").to("/integrations/toy/everybody")
	b.arrived("", "In Toy CRM", 1)
	b.get("/integrations/toy/everybody").is(200, "Send 14 people to Toy CRM as well?").hasNot("Nothing changes")
}

// A sign-up reaches both CRMs, and each has its own problems, which name it.
func TestEachCRMHasItsOwnProblems(t *testing.T) {
	t.Parallel()
	w, b, box, _ := two(t)
	b.connect(sfJohn).to(connected)
	b.get(b.authorize("toy")).to("/integrations/toy/connected")
	b.get("/integrations/toy/connected").to("/integrations") // nobody is missing there
	w.signUp("both@reader.test", "Ada", "Lovelace")
	b.arrived("", "In Salesforce", 1)
	b.arrived("?in=toy", "In Toy CRM", 1)
	b.get("/subscribers").is(200, `class="chip" title="Salesforce"`, `class="chip" title="Toy CRM"`)
	b.get(w.personOf("both@reader.test")).is(200, "Arrived in Salesforce", "Arrived in Toy CRM", "https://toy.example/people/card-1")

	box.refuses.Store(true)
	w.signUp("one@reader.test", "Grace", "Hopper")
	b.arrived("", "In Salesforce", 2)
	b.arrived("?in=toy", "Needs attention", 1)
	person := w.personOf("one@reader.test")
	b.get(person).is(200, "Arrived in Salesforce", "Toy CRM: Needs attention", "Toy CRM: Address not accepted", `name="in" value="toy"`)
	b.get("/").is(200, "1 person needs attention", "Toy CRM: Address not accepted", `href="/integrations/toy/problems/attention/NO_ADDRESS"`, "All 2 sign-ups accounted for")
	b.get("/integrations/toy/problems").is(200, "Address not accepted")
	b.get("/integrations/sfdc/problems").is(200, "No problems")
	b.get("/subscribers?state=attention").is(200, "Nobody matches")
	b.get("/subscribers?state=attention&in=toy").is(200, "one@reader.test").hasNot("both@reader.test")
	b.get("/subscribers.csv").is(200, "salesforce state", "toy crm state", ",active,delivered,", ",attention,NO_ADDRESS,").hasNot("“”")
	b.get("/sign-ups.csv?in=toy").is(200, "in Toy CRM")
	b.get("/?in=toy").is(200, `href="/?in=toy" aria-current="true"`, "In Toy CRM")

	// What is decided is so in the CRM that is named; another tenant has neither.
	for path, in := range map[string]string{"/retry": "wagon", "/dismiss": "nobody's"} {
		b.submit(person+path, "in", in).is(404)
	}
	other := w.as(ann, "fabrikam")
	other.submit(person+"/retry", "in", "toy").is(404)
	other.submit("/integrations/toy/retry", "reason", "NO_ADDRESS").to("/integrations/toy")
	other.get("/integrations/toy/problems").to("/integrations/toy")
	other.get("/integrations").is(200).hasNot("Team one")
	b.submit(person+"/retry", "in", "sfdc").to(person)
	b.get(person).is(200, "Nothing was changed")
	box.refuses.Store(false)
	b.submit(person+"/retry", "in", "toy").to(person)
	b.arrived("?in=toy", "In Toy CRM", 2)
	b.get(person).is(200, "Toy CRM: Retried", "by "+john)
	b.get("/integrations/toy/problems").is(200, "No problems")

	// Who leaves is shown as left, wherever they have arrived.
	b.get(person+"/leave").is(200, "Nothing more is sent to Salesforce.", "Nothing more is sent to Toy CRM.")
	b.submit(person + "/leave").to(person)
	b.get(person).is(200, "Left</span>", "Mark as active again")
	b.get("/subscribers?state=left").is(200, "one@reader.test")
	b.get("/integrations/toy/sum").is(200, "<dt>Left</dt><dd>1</dd>", "<dt>Entered</dt><dd>2</dd>", "<dt>In Toy CRM</dt><dd>2</dd>")

	// Undoing a test tells what becomes of each record.
	path := b.submit("/newsletter/signup", "newsletter", "contoso-weekly", "email", "sample@reader.test").is(303).head("Location")
	w.eventually("the test is in both", func() bool { return !strings.Contains(b.get(path).body, "data-poll") })
	_, id, _ := strings.Cut(path, "sample=")
	undo := "/newsletter/signup/" + id + "/undo"
	b.get(undo).is(200, "is deleted in Salesforce too", "is deleted in Toy CRM too")
	b.submit(undo).to(path)
	w.eventually("it is undone", func() bool { return strings.Contains(b.get(path).body, "The test is undone") })
	b.get(path).is(200, "The Contact is deleted in Salesforce.", "The person is deleted in Toy CRM.")
}

// Which newsletters feed a CRM can be chosen; what waits of others ends, once somebody says so.
func TestNewslettersFeedTheCRMsThatAreChosen(t *testing.T) {
	t.Parallel()
	w, b, box, _ := two(t)
	box.refuses.Store(true)
	w.put(`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) SELECT $1, tenant_id, 'contoso-daily', 'Contoso Daily', consent, created_at FROM newsletters WHERE slug = 'contoso-weekly'`, db.NewID())
	const weekly, daily = "contoso-weekly", "contoso-daily"
	b.connect(sfJohn).to(connected)
	b.get(b.authorize("toy")).to("/integrations/toy/connected")
	w.signUp("weekly@reader.test", "Ada", "Lovelace")
	b.arrived("?in=toy", "Needs attention", 1)

	const feeds = "/integrations/toy/newsletters"
	b.get("/integrations/toy/settings").is(200, "The sign-ups of all newsletters go to Toy CRM.", `href="`+feeds+`"`)
	b.get(feeds).is(200, `value="all" checked`, "Contoso Daily", "Contoso Weekly").hasNot("Fabrikam")
	for wrong, form := range map[string][]string{"newsletters were ticked": {"all", "all", "newsletter", daily}, "choose one newsletter at least": {"all", "named"}, "Please choose": {}, "is not there any more": {"all", "named", "newsletter", "fabrikam-weekly", "newsletter", weekly}} {
		b.submit(feeds, form...).is(422, wrong)
	}
	w.as(ann, "fabrikam").submit(feeds, "all", "named", "newsletter", "fabrikam-weekly").to("/integrations/toy")

	asked := b.submit(feeds, "all", "named", "newsletter", daily).is(200, "1 sign-up has not arrived in Toy CRM yet, and will not be sent there", `name="sure" value="yes"`, `value="`+daily+`" checked`)
	if strings.Contains(asked.body, `value="`+weekly+`" checked`) || w.count(`SELECT count(*) FROM deliveries WHERE state = 'ended'`) != 0 {
		t.Fatal("it was done before it was said")
	}
	b.submit(feeds, "all", "named", "newsletter", daily, "sure", "yes").to("/integrations/toy/settings")
	b.get("/integrations/toy/settings").is(200, "1 sign-up that had not arrived is not sent any more.", "The sign-ups of 1 newsletter go to Toy CRM.")
	b.get("/newsletters/contoso-weekly").is(200, `<a href="/integrations/sfdc/settings">Salesforce</a>`).hasNot("Toy CRM</a>")
	b.get("/newsletters/contoso-daily").is(200, `<a href="/integrations/toy/settings">Toy CRM</a>`, "Salesforce")
	b.get(w.personOf("weekly@reader.test")).is(200, "Toy CRM: Ended before it arrived", "doesn’t feed Toy CRM any more")

	// Who signs up for the one goes to both, who does for the other to one.
	box.refuses.Store(false)
	w.signUp("another@reader.test", "", "")
	w.browser().post("/signup/contoso-daily", "email", "daily@reader.test").to("/signup/contoso-daily/thanks")
	b.arrived("?in=toy", "In Toy CRM", 1)
	b.arrived("", "In Salesforce", 3)

	// A newsletter that is added leads to those who signed up for it before.
	b.submit(feeds, "all", "all").to("/integrations/toy/everybody")
	b.get("/integrations/toy/everybody").is(200, "Send 2 people to Toy CRM as well?") // with whom it had ended for
	b.submit("/integrations/sfdc/newsletters", "all", "named", "newsletter", weekly).to("/integrations/sfdc/settings")
	b.get("/integrations/sfdc/remove").is(200, "3 sign-ups have arrived there.").hasNot("go to no CRM")
	b.submit(feeds, "all", "named", "newsletter", daily).to("/integrations/toy/settings")
	b.get("/integrations/sfdc/remove").is(200, "Those of Contoso Weekly go to no CRM then.")
}

// With several CRMs pages cost as many statements as with one.
func TestSeveralCRMsCostNoMoreStatements(t *testing.T) {
	t.Parallel()
	w, b, _, _ := two(t)
	b.connect(sfJohn).to(connected)
	b.get(b.authorize("toy")).to("/integrations/toy/connected")
	w.signUp("both@reader.test", "Ada", "Lovelace")
	b.arrived("", "In Salesforce", 1)
	b.arrived("?in=toy", "In Toy CRM", 1)
	for path, most := range statementsOf {
		for _, path := range []string{path, strings.Replace(path, "/sfdc", "/toy", 1)} {
			if p, queries := b.fewest(path); p.status != 200 || len(queries) > most {
				t.Errorf("%s is answered with %d, by %d statements:\n%s", path, p.status, len(queries), strings.Join(queries, "\n"))
			}
		}
	}
}

// The pace can be set, to what there is to choose from.
func TestThePaceIsSet(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	const path = "/integrations/sfdc/settings"
	set := func(pace string) page {
		return b.submit(path, "one", "fill", "several", "newest", "share", "95", "pace", pace)
	}
	b.get(path).is(200, `<option value="1" selected>Every second`)
	for _, wrong := range []string{"-1", "5", "x", "1s"} {
		set(wrong).to(path)
		b.get(path).is(200, "Nothing was saved", `<option value="1" selected>`)
	}
	for _, pace := range []string{"60", "10", "0", "1"} {
		set(pace).to(path)
		b.get(path).is(200, "Saved.", `<option value="`+pace+`" selected>`)
	}
	set("60").to(path)
	b.submit(path, "one", "fill", "several", "newest", "share", "95").to(path) // of a page from before
	b.get(path).is(200, `<option value="60" selected>`)
	w.as(ann, "fabrikam").get(path).is(200, `<option value="1" selected>`)
}

// What was connected before sign-ups could go there says so, and how they do.
func TestACRMThatWasConnectedBefore(t *testing.T) {
	t.Parallel()
	w, b, _, _ := two(t)
	b.get(b.authorize("toy")).to("/integrations/toy/connected")
	b.get("/integrations/toy/connected").to("/integrations")
	if _, err := w.store.Writer().Exec(`UPDATE destinations SET removed_at = 1 WHERE service = 'toy'`); err != nil {
		t.Fatal(err)
	}
	b.get("/integrations/toy").is(200, "Sign-ups don’t go to Toy CRM yet", "Reconnect Toy CRM", `href="/integrations/toy/disconnect"`)
	b.get("/integrations/toy/disconnect").is(200, "What is in Toy CRM stays there.").hasNot("wait")
	b.get(b.authorize("toy")).to("/integrations/toy/connected")
	b.get("/integrations/toy").is(200, "Connected").hasNot("don’t go to Toy CRM yet")
	b.submit("/integrations/toy/disconnect").to("/integrations")
}
