package routes_test

import (
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest"
)

// stuck signs people up whom Salesforce refuses, and returns an id of theirs.
func (w *world) stuck(emails ...string) (id string) {
	w.t.Helper()
	for _, email := range emails {
		id = w.someone("contoso", email)
	}
	_, err := w.store.Writer().Exec(`UPDATE deliveries SET state = 'attention', reason = 'REQUIRED_FIELD_MISSING', detail = '=Required <b>'`)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, query := range []string{
		`INSERT INTO reason_counts (tenant_id, destination_id, state, reason, n) SELECT tenant_id, destination_id, state, reason, count(*) FROM deliveries GROUP BY 1, 2, 3, 4`,
		`UPDATE state_counts SET state = 'attention' WHERE destination_id <> ''`, `UPDATE hour_counts SET state = 'attention' WHERE destination_id <> ''`,
	} {
		dbtest.WriteCounts(w.t, w.store, query)
	}
	return id
}

func TestHealthPage(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	b.get("/integrations/sfdc").is(200, "Salesforce is not connected yet", "Connect Salesforce", "No sign-ups in 30 days", "Not known yet")
	w.stuck("one@reader.test", "two@reader.test")
	b.get("/integrations/sfdc").is(200, "All 2 sign-ups accounted for", "Needs attention</a> <b>2</b>", "2 sign-ups in 30 days: 0 in Salesforce, 0 waiting, 2 need attention",
		`<span class="count">2<span class="sr"> need attention</span></span>`)
	var again page
	for hour := int64(-1); hour != time.Now().Unix()/3600; { // with another hour it would look different
		hour = time.Now().Unix() / 3600
		part := b.get("/integrations/sfdc/live", "HX-Request", "true").is(200, "48 hours", "<svg height").hasNot("<html")
		_, seen, _ := strings.Cut(part.body, "live?range=30-days&amp;seen=")
		seen, _, _ = strings.Cut(seen, `"`)
		again = b.get("/integrations/sfdc/live?seen="+seen, "HX-Request", "true")
	}
	again.is(204)
	w.as(ann, "fabrikam").get("/integrations/sfdc").is(200, "No sign-ups in 30 days")
	b.get("/integrations/other").is(404)
}

func TestRecountsTellWhatTheyFound(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	w.stuck("one@reader.test", "two@reader.test")
	b.submit("/integrations/sfdc/dismiss", "reason", "REQUIRED_FIELD_MISSING", "note", "Left the company").to("/integrations/sfdc/problems")
	b.submit("/integrations/sfdc/recount").to("/integrations/sfdc/sum")
	b.get("/integrations/sfdc/sum").is(200, "Every row was counted, and the numbers agree", "Everything agrees")
	dbtest.WriteCounts(t, w.store, `UPDATE state_counts SET n = 1 WHERE state = 'dismissed'`)
	b.submit("/integrations/sfdc/recount").to("/integrations/sfdc/sum")
	b.get("/integrations/sfdc/sum").is(200, "don’t agree", "1 of 2 sign-ups accounted for")
}

// Days are those of the tenant's time zone.
func TestDaysAreTheTenants(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	w.someone("contoso", "one@reader.test")
	zone, err := time.LoadLocation("Pacific/Kiritimati") // 14 hours ahead
	if err != nil {
		t.Fatal(err)
	}
	w.put(`UPDATE tenants SET time_zone = $1 WHERE slug = 'contoso'`, zone.String())
	today := `<th scope="row">` + time.Now().In(zone).Format("Mon 2 Jan") // asked before the page, which goes back for some days
	b.get("/integrations/sfdc").is(200, today)
	first := strings.Split(b.get("/sign-ups.csv?range=48-hours").is(200, "hour from,sign-ups,in Salesforce,waiting,needs attention", "+14:00,1,0,1,0").body, "\n")
	if len(first) != 1+48+1 {
		t.Errorf("%d lines", len(first))
	}
	w.as(ann, "fabrikam").get("/sign-ups.csv?range=12-months").is(200, "month from,").hasNot(",1,", "+14:00")
}

func TestCheckUpPage(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.get("/integrations/sfdc/checkup").is(200, "Not checked yet", "right after connecting").hasNot("Check now")
	b.submit("/integrations/sfdc/checkup").to("/integrations/sfdc/checkup")
	b.get("/integrations/sfdc/checkup").is(200, "The check-up was not possible. Salesforce is not connected.")
	b.connect(sfJohn).to(connected)
	b.get(connected).to("/integrations")
	w.eventually("the check-up after connecting", func() bool {
		return strings.Contains(b.get("/integrations/sfdc/checkup").body, "things are in order.")
	})
	w.control("settings", `{"duplicate_rule":"block"}`)
	b.submit("/integrations/sfdc/checkup").to("/integrations/sfdc/checkup")
	b.get("/integrations/sfdc/checkup").is(200, "Checked just now", "1 is good to know", "Duplicate rules for Contacts are active", "Your Salesforce admin: look at the rules")
	w.control("fail", `{"on":"composite","status":503,"html":true,"count":1}`)
	b.submit("/integrations/sfdc/checkup").to("/integrations/sfdc/checkup")
	b.get("/integrations/sfdc/checkup").is(200, "The check-up was not possible.", "Duplicate rules for Contacts are active")
	w.as(ann, "fabrikam").get("/integrations/sfdc/checkup").is(200, "Not checked yet")
}

// After a confirmed change of org, who was delivered stays there until an admin
// sends everybody to the new one.
func TestEveryoneIsSentToTheNewOrg(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.connect(sfJohn).to(connected)
	b.get(connected).to("/integrations")
	w.someone("contoso", "one@reader.test")
	w.eventually("the first org has it", func() bool { return w.control("stats", "")["contacts"] == 1.0 })
	w.eventually("it is recorded", func() bool { return w.count(`SELECT count(*) FROM deliveries WHERE state = 'delivered'`) == 1 })
	b.get("/integrations/sfdc/settings").is(200).hasNot("Send everyone")
	b.get("/integrations/sfdc/move").to("/integrations/sfdc/settings")
	b.connect(sfSandbox).to(connected)
	b.get(connected).to("/integrations")
	held := b.get("/integrations").is(200, "held").hidden("held")
	b.submit("/integrations/sfdc/held", "held", held, "decision", "switch").to("/integrations")
	b.get("/integrations/sfdc/settings").is(200, "1 person is in another organisation", "Send everyone to")
	org := b.get("/integrations/sfdc/move").is(200, "What stands in the other organisation stays there").hidden("org")
	b.submit("/integrations/sfdc/move", "org", "00D000000000000AAA").to("/integrations/sfdc/settings")
	b.get("/integrations/sfdc/settings").is(200, "The connection was changed meanwhile", "1 person is in another")
	w.as(ann, "fabrikam").submit("/integrations/sfdc/move", "org", org).to("/integrations/sfdc/settings")
	b.submit("/integrations/sfdc/move", "org", org).to("/integrations/sfdc/settings")
	b.get("/integrations/sfdc/settings").is(200, "1 person is on the way").hasNot("is in another organisation")
	w.eventually("both orgs have it", func() bool { return w.control("stats", "")["contacts"] == 2.0 })
}

func TestDeliverySettings(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	const path = "/integrations/sfdc/settings"
	untouched := []string{`value="fill" checked`, `value="newest" checked`, `value="95" selected`}
	b.get(path).is(200, untouched...)
	for _, wrong := range [][]string{{"one", "fill", "several", "both", "share", "50"}, {"one", "fill", "several", "newest", "share", "96"}, {"one", "fill", "several", "newest", "share", "0"},
		{"one", "fill", "several", "newest", "share", "x"}, {"one", "drop", "several", "newest", "share", "50"}, {}} {
		b.submit(path, wrong...).to(path)
		b.get(path).is(200, append(untouched, "Nothing was saved")...)
	}
	b.submit(path, "one", "update", "several", "attention", "share", "50", "leads", "on", "save", "on").to(path)
	b.get(path).is(200, "Saved.", `value="update" checked`, `value="attention" checked`, `value="50" selected`, `name="leads" value="on" checked`, `name="save" value="on" checked`)
	w.as(ann, "fabrikam").get(path).is(200, untouched...)
	b.get("/integrations/other/settings").is(404)
	for _, key := range []string{"x' OR", "0a", "Email)"} {
		b.submit(path, "one", "fill", "several", "newest", "share", "50", "key", key).is(422, "Contacts have no text field of that name", `value="fill" checked`)
	}
	b.submit(path, "one", "fill", "several", "newest", "share", "50", "key", "Gatepost_Email__c").is(422, "could not be checked", "not connected")
	b.get(path).is(200, `value="update" checked`)
}

func TestTheKeyIsAskedFor(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.connect(sfJohn).to(connected)
	const path = "/integrations/sfdc/settings"
	set := func(key string) page {
		return b.submit(path, "one", "fill", "several", "newest", "share", "50", "key", key)
	}
	set("Gatepost_Email__c").is(422, "Contacts have no text field of that name", "Gatepost_Email__c")
	w.control("settings", `{"external_id_field":"Gatepost_Email__c"}`)
	set("Gatepost_Email__c").to(path)
	b.get(path).is(200, `value="Gatepost_Email__c"`)
	w.someone("contoso", "reader@contoso.test")
	w.eventually("it is there", func() bool { return w.control("stats", "")["contacts"] == 1.0 })
}

func TestTheRecordInTheWayIsShown(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.connect(sfJohn).to(connected)
	w.someone("contoso", "reader@contoso.test")
	w.eventually("it is there", func() bool { return w.control("stats", "")["contacts"] == 1.0 })
	id := w.someone("contoso", "other@contoso.test")
	w.eventually("it is there", func() bool { return w.control("stats", "")["contacts"] == 2.0 })
	if _, err := w.store.Writer().Exec(`UPDATE deliveries SET state = 'attention', reason = 'DUPLICATES_DETECTED', match_id = '003000000000001AAA' WHERE subscriber_id = $1`, id); err != nil {
		t.Fatal(err)
	}
	b.get("/subscribers/"+id).is(200, "/lightning/r/Contact/003000000000001AAA/view")
}
