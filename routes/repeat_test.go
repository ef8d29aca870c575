package routes_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest"
)

// signUp signs an address up with names, as a reader does.
func (w *world) signUp(email, first, last string) {
	w.t.Helper()
	w.browser().post("/signup/contoso-weekly", "email", email, "first_name", first, "last_name", last).to("/signup/contoso-weekly/thanks")
}

// contacts are the records of the simulated Salesforce with an address, as "first last".
func (w *world) contacts(email string) (names []string) {
	w.t.Helper()
	resp, err := http.Get(w.mock + "/_control/contacts")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	var all struct {
		Contacts []struct{ Email, FirstName, LastName string }
	}
	if err != nil || json.Unmarshal(body, &all) != nil {
		w.t.Fatalf("%s, %v", body, err)
	}
	for _, c := range all.Contacts {
		if strings.EqualFold(c.Email, email) {
			names = append(names, c.FirstName+" "+c.LastName)
		}
	}
	return names
}

// Whoever signs up without names, and with them later, has them in Salesforce; what
// the tenant wants in place of a last name stands there until then.
func TestARepeatedSignUpReachesSalesforce(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "Gatepost_Email__c"} {
		w := openBoth(t)
		w.control("settings", `{"external_id_field":"Gatepost_Email__c"}`)
		b := w.as(john, "contoso")
		b.connect(sfJohn).to(connected)
		b.submit("/integrations/sfdc/settings", "one", "fill", "several", "newest", "share", "95", "key", key, "placeholder", " (none) ").to("/integrations/sfdc/settings")
		b.get("/integrations/sfdc/settings").is(200, `value="(none)"`)
		is := func(want string) {
			t.Helper()
			w.eventually(want, func() bool {
				all := w.contacts("jane@reader.test")
				return len(all) == 1 && all[0] == want && w.count(`SELECT count(*) FROM deliveries WHERE state = 'delivered'`) == 1
			})
		}
		w.signUp("Jane@reader.test", "", "")
		is(" (none)")
		w.signUp("jane@reader.test", "Jane", "Doe")
		is("Jane Doe")
		if n := w.count(`SELECT count(*) FROM subscribers s JOIN deliveries d ON d.subscriber_id = s.id WHERE s.last_name = 'Doe' AND d.placeholders = ''`); n != 1 {
			t.Error("the placeholder is still taken for one")
		}
	}
}

func TestThePlaceholderIsChecked(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	const path = "/integrations/sfdc/settings"
	b.get(path).is(200, `name="placeholder" type="text" value="NA"`)
	set := func(placeholder string) page {
		return b.submit(path, "one", "leave", "several", "newest", "share", "50", "placeholder", placeholder)
	}
	for _, wrong := range []string{strings.Repeat("x", 81), "a\nb", "a\x00b", "\u202ename"} {
		set(wrong).is(422, "This can’t be a last name in Salesforce", `value="leave" checked`)
	}
	b.get(path).is(200, `value="fill" checked`, `name="placeholder" type="text" value="NA"`)
	set("Unknown").to(path)
	b.get(path).is(200, `name="placeholder" type="text" value="Unknown"`)
	w.as(ann, "fabrikam").get(path).is(200, `name="placeholder" type="text" value="NA"`)
	set("  ").to(path)
	b.get(path).is(200, `name="placeholder" type="text" value="NA"`)
}

// A test with an address that is there already shows this test, not the one before:
// stored now, on its way, and when it goes if that isn't now.
func TestATestWithAKnownAddressIsANewOne(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.connect(sfJohn).to(connected)
	test := func() (path string) {
		t.Helper()
		return b.submit("/newsletter/signup", "newsletter", "contoso-weekly", "email", "sample@reader.test", "first_name", "Sam").is(303).head("Location")
	}
	delivered := func() bool { return w.count(`SELECT count(*) FROM deliveries WHERE state = 'delivered'`) == 1 }
	path := test()
	w.eventually("it is there", delivered)
	b.get(path).is(200, "In Salesforce", "/lightning/r/Contact/").hasNot("This address is already on", "data-poll")
	// Nothing is sent meanwhile, so that what the page shows is known.
	if _, err := w.store.Writer().Exec(`INSERT INTO pauses (destination_id, tenant_id, reason, detail, tries, batch, until, since) VALUES ($1, $1, 'SERVER_UNAVAILABLE', '', 1, 0, $2, 0)`, w.tenant("contoso").ID, time.Now().Add(time.Hour).UnixMilli()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Writer().Exec(`UPDATE subscribers SET created_at = created_at - 86400000`); err != nil {
		t.Fatal(err)
	}
	w.put(`UPDATE deliveries SET delivered_at = delivered_at - 86400000`)
	if again := test(); again != path {
		t.Errorf("another subscriber: %s", again)
	}
	b.get(path).is(200, "This address is already on Contoso Weekly, so nobody new was made", "Not sent yet", "Salesforce is not available right now", "data-poll").hasNot("/lightning/r/Contact/", "Sent to Salesforce")
	if _, err := w.store.Writer().Exec(`DELETE FROM pauses`); err != nil {
		t.Fatal(err)
	}
	w.eventually("it is there again", delivered)
	b.get(path).is(200, "This address is already on", "/lightning/r/Contact/").hasNot("data-poll")
	test()
	b.get(path).is(200, "This address was signed up several times within an hour", "Next try", "every 5s").hasNot("/lightning/r/Contact/", "This takes a second or two")
}

// A test that was dismissed is at its end.
func TestADismissedTestPollsNoMore(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	id := w.stuck("one@reader.test")
	b.submit("/subscribers/"+id+"/dismiss", "note", "A test").to("/subscribers/" + id)
	b.get("/newsletter/signup?sample="+id).is(200, "Dismissed", "/subscribers/"+id).hasNot("data-poll", "hx-trigger")
}

// What happened to a person is told in the order in which it happened, sign-ups and
// steps alike, with the values that were replaced.
func TestAPersonsTimelineIsInOrder(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	w.signUp("jane@reader.test", "Jane", "Doe")
	var id string
	if err := w.store.Writer().QueryRow(`SELECT id FROM subscribers`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		`UPDATE subscribers SET created_at = 1772366400000`, `UPDATE deliveries SET state = 'delivered'`, `UPDATE state_counts SET state = 'delivered' WHERE destination_id <> ''`,
		`UPDATE hour_counts SET state = 'delivered' WHERE destination_id <> ''`, `INSERT INTO org_counts (tenant_id, destination_id, org_id, n) SELECT tenant_id, tenant_id, '', 1 FROM subscribers`,
		`INSERT INTO events (id, tenant_id, destination_id, subscriber_id, at, state, reason, detail, actor) SELECT 'e1', tenant_id, tenant_id, id, 1772366400000 + 60000, 'waiting', 'TIMED_OUT', '', '' FROM subscribers`,
		`INSERT INTO events (id, tenant_id, destination_id, subscriber_id, at, state, reason, detail, actor) SELECT 'e2', tenant_id, tenant_id, id, 1772366400000 + 120000, 'delivered', '', '', '' FROM subscribers`,
	} {
		dbtest.WriteCounts(t, w.store, query)
	}
	w.signUp("jane@reader.test", "Janet", "Doe")
	body := b.get("/subscribers/"+id).is(200, "First name before: Jane").hasNot("Last name before").body
	_, story, _ := strings.Cut(body, `class="timeline"`)
	last := -1
	for _, step := range []string{"Waiting to be sent again", "Signed up again", "Arrived in Salesforce", "<h3>Waiting</h3>", "<h3>Signed up for "} {
		i := strings.Index(story, step)
		if i <= last {
			t.Errorf("%q is out of order, or not there", step)
		}
		last = i
	}
	w.as(ann, "fabrikam").get("/subscribers/" + id).is(404)
}

// The answer doesn't tell who is there already, and in which state.
func TestARepeatIsAnsweredLikeANewOne(t *testing.T) {
	t.Parallel()
	w := open(t)
	for _, state := range []string{"waiting", "attention", "dismissed"} {
		email := state + "@reader.test"
		first := w.browser().post("/signup/contoso-weekly", "email", email, "last_name", "Doe").to("/signup/contoso-weekly/thanks")
		if _, err := w.store.Writer().Exec(`UPDATE deliveries SET state = $1 WHERE subscriber_id = (SELECT id FROM subscribers WHERE email_key = $2)`, state, email); err != nil {
			t.Fatal(err)
		}
		again := w.browser().post("/signup/contoso-weekly", "email", email, "last_name", "Roe").to("/signup/contoso-weekly/thanks")
		if first.body != again.body {
			t.Errorf("%s: %q, %q", state, first.body, again.body)
		}
	}
}
