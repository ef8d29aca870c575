package routes_test

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/routes"
	"gatepost/views"
)

// A person is erased after two pages that say what that means; then nobody finds them, the receipt has no
// address, and another tenant knows nothing of it.
func TestErasingAPerson(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.connect()
	b, other := w.as(john, "contoso"), w.as(ann, "fabrikam")
	id := w.someone("contoso", "jane@reader.test")
	stays := w.someone("contoso", "stays@reader.test")
	w.put(`UPDATE deliveries SET state = 'delivered', record_id = '003000000000001AAA', made_id = '003000000000001AAA', org_id = 'one', instance_url = 'https://one.example', delivered_at = 7 WHERE subscriber_id = $1`, id)
	erase, erased := "/subscribers/"+id+"/erase", "/subscribers/"+id+"/erased"
	for _, path := range []string{erase, erased, "/subscribers/nobody/erase", "/subscribers/nobody/erased"} {
		other.get(path).is(404)
	}
	other.submit(erase, "why", "x", "sure", "ERASE").is(404)
	b.get(erased).is(404)
	b.get("/subscribers/erased").is(200, "Nobody was erased.")

	b.get("/subscribers/"+id).is(200, `href="`+erase+`"`)
	b.get(erase).is(200, "What goes", "What stays", "Contoso Weekly", `name="way-sfdc"`, "Delete it, if it is ours alone", "Anonymise it, if it is ours alone", `value="list" checked`)
	b.submit(erase, "way-sfdc", "anonymise").is(422, `value="anonymise" checked`).hasNot(`value="list" checked`)
	b.submit(erase, "way-sfdc", "anonymise", "why", "They asked us").is(200, "that is ours alone is anonymised, any other is listed", `name="way-sfdc" value="anonymise"`)
	b.submit(erase, "way-sfdc", "burn", "why", "They asked us").is(200, "a Contact stays, and is listed", `name="way-sfdc" value="list"`)
	b.submit(erase, "way-sfdc", "delete").is(422, "Please say why")
	b.submit(erase, "way-sfdc", "delete", "why", strings.Repeat("x", 201)).is(422, "at most 200 characters", `value="delete" checked`)
	b.submit(erase, "way-sfdc", "delete", "why", "They asked us, jane@reader.test").is(200, "Erase jane@reader.test, jane@reader.test?", "is deleted, any other is listed", "Type ERASE to confirm", `name="why" value="They asked us, jane@reader.test"`)
	b.submit(erase, "way-sfdc", "delete", "why", "They asked us", "sure", "erase").is(422, "Nothing was erased")
	if n := w.count(`SELECT count(*) FROM removals`); n != 0 {
		t.Fatal("somebody was erased already")
	}
	b.submit(erase, "way-sfdc", "delete", "why", "They asked us, jane@reader.test", "sure", "ERASE").to(erased)

	b.get("/subscribers/" + id).is(404)
	for _, path := range []string{"/edit", "/data", "/data.json", "/erase", "/leave"} {
		b.get("/subscribers/" + id + path).is(404)
	}
	b.get("/subscribers").is(200, "stays@reader.test", "1 subscriber").hasNot("jane@reader.test")
	b.get("/subscribers?q=jane").is(200).hasNot("jane@reader.test")
	b.get("/subscribers?state=erasing").is(200).hasNot("jane@reader.test")
	b.get("/subscribers.csv").is(200, "stays@").hasNot("jane@reader.test")
	b.get("/").is(200).hasNot("jane@reader.test")
	b.get(erased).is(200, "is being erased", "Waiting for Salesforce.", "They asked us, (erased)", "Don’t wait for Salesforce").hasNot("jane@reader.test")
	other.submit(erased+"/give-up", "in", "sfdc", "of", id).is(404)
	b.submit(erased+"/give-up", "in", "nobody", "of", id).is(404)
	b.submit(erased+"/give-up", "in", "sfdc", "of", stays).to(erased)
	b.get(erased).is(200, "Nothing was changed", "is being erased")
	b.submit(erased+"/give-up", "in", "sfdc", "of", id).to(erased)
	b.get(erased).is(200, "has forgotten this person", "somebody decided not to wait any longer", "003000000000001AAA").hasNot("jane@reader.test")
	b.get("/subscribers/erased").is(200, "They asked us, (erased)", `href="`+erased+`"`, "003000000000001AAA").hasNot("jane")
	b.get("/subscribers/erased.csv").is(200, "crm,record,link,why it stays,asked for", "Salesforce,003000000000001AAA,https://one.example").hasNot("jane")
	other.get("/subscribers/erased").is(200, "Nobody was erased.")
	b.get("/integrations/sfdc/sum").is(200, "<dt>Missing</dt><dd>0</dd>")
	if next := w.someone("contoso", "jane@reader.test"); next == id {
		t.Error("they are the same")
	}
	b.get("/subscribers").is(200, "jane@reader.test")
	b.get("/integrations/sfdc/sum").is(200, "<dt>Missing</dt><dd>0</dd>")
}

// Every way of erasing can be chosen, and every outcome has words.
func TestWordsOfErasing(t *testing.T) {
	t.Parallel()
	var offered []db.ErasingWay
	for _, w := range views.EraseWays {
		offered = append(offered, db.ErasingWay(w.Value))
	}
	if !slices.Equal(offered, db.ErasingWays) {
		t.Errorf("offered are %v", offered)
	}
	said := map[string]bool{}
	for _, f := range db.RecordFates {
		words := routes.ErasedFates()[f]
		if words == "" || said[words] {
			t.Errorf("%s: %q", f, words)
		}
		said[words] = true
	}
}

// A record that is anonymised stays in the CRM and says of nobody that it is theirs; the receipt tells so, and which field it
// kept.
func TestAnonymisingARecord(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.browser()
	csrf := b.get("/login").hidden("csrf")
	b.post("/login", "email", john, "password", password, "csrf", csrf)
	b.connect(sfJohn)
	delivered := func(email string) (id string) {
		t.Helper()
		id = w.someone("contoso", email)
		w.eventually("it is there", func() bool {
			return w.count(`SELECT count(*) FROM deliveries WHERE subscriber_id = $1 AND state = 'delivered'`, id) == 1
		})
		return id
	}
	id, other := delivered("jane@reader.test"), delivered("stays@reader.test")
	w.control("fail", `{"on":"update","status":400,"error_code":"UNABLE_TO_LOCK_ROW","message":"unable to obtain exclusive access to this record","rate":1}`)
	erased := "/subscribers/" + id + "/erased"
	b.submit("/subscribers/"+id+"/erase", "way-sfdc", "anonymise", "why", "They asked us", "sure", "ERASE").to(erased)
	w.eventually("the page says why it isn't done yet", func() bool {
		return strings.Contains(b.get(erased).body, "Not done yet: Salesforce was busy with the same records.")
	})
	w.control("fail", `{"on":"update","count":0,"rate":0}`)
	w.put(`UPDATE removal_records SET due_at = 0`)
	w.eventually("it is done", func() bool {
		return w.count(`SELECT count(*) FROM removal_records WHERE subscriber_id = $1 AND record = 'anonymised'`, id) == 1
	})
	b.get(erased).is(200, "The Contact is anonymised in Salesforce").hasNot("jane")
	b.get("/subscribers/erased.csv").is(200).hasNot("Salesforce,")
	if n := w.control("stats", "")["contacts"]; n != float64(2) {
		t.Errorf("%v Contacts", n)
	}
	text := fmt.Sprint(w.control("contacts", ""))
	if strings.Contains(text, "jane") || !strings.Contains(text, "Erased") || !strings.Contains(text, "stays@reader.test") {
		t.Errorf("Salesforce has %s", text)
	}
	w.put(`UPDATE removal_records SET record = 'partly', kept = 'Region'`)
	b.get(erased).is(200, "some fields that Gatepost filled in could not be emptied. They are: Region.")
	b.get("/subscribers/erased.csv").is(200, "Salesforce,003", "could not be emptied. They are: Region.")
	b.get("/subscribers/"+other).is(200, "stays@reader.test")
}

func TestRetention(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	b.get("/settings/retention").is(200, "Who left is kept", `<option value="0" selected>For ever</option>`)
	b.submit("/settings/retention", "left", "7", "dismissed", "0").is(422, "Please choose one of these")
	b.submit("/settings/retention", "left", "365", "dismissed", "90", "addresses", "30").to("/settings/retention")
	b.get("/settings/retention").is(200, `<option value="365" selected>1 year</option>`, `<option value="90" selected>90 days</option>`)
	w.as(ann, "fabrikam").get("/settings/retention").is(200).hasNot(`value="365" selected`)
}

// However many were erased, all of them are listed page by page, whoever is being erased first, and the file has all records.
func TestManyErasings(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.connect()
	b := w.as(john, "contoso")
	id := w.someone("contoso", "jane@reader.test")
	w.put(`UPDATE deliveries SET state = 'delivered', record_id = '003WAITS', made_id = '003WAITS', org_id = 'one', instance_url = 'https://one.example', delivered_at = 7 WHERE subscriber_id = $1`, id)
	b.submit("/subscribers/"+id+"/erase", "way-sfdc", "delete", "why", "They asked us", "sure", "ERASE").to("/subscribers/" + id + "/erased")
	w.put(`UPDATE removals SET asked_at = 1`)
	w.put(`INSERT INTO removals (tenant_id, subscriber_id, newsletter_id, hour, repeated, revision, actor, asked_at, ended_at, erased, kind, imported)
		SELECT r.tenant_id, 's' || n, r.newsletter_id, r.hour, 0, 0, '', 1000 + n, 1000 + n, 1, 'lapsed', 0 FROM removals r CROSS JOIN (WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1100) SELECT n FROM n) n`)
	w.put(`INSERT INTO removal_records (tenant_id, subscriber_id, destination_id, record_id, org_id, instance_url, ended_at, record, code, way)
		SELECT r.tenant_id, r.subscriber_id, e.destination_id, 'R' || r.subscriber_id || '.', 'one', 'https://one.example', 1, 'listed', '', 'list' FROM removals r CROSS JOIN removal_records e WHERE r.kind = 'lapsed'`)
	p := b.get("/subscribers/erased").is(200, "They asked us", "Not yet", "Rs1100.", "Rs1002.").hasNot("Rs1001.", ` href="/subscribers/erased" rel="prev"`)
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`)
	pages := 1
	for ; next.MatchString(p.body); pages++ {
		p = b.get(html.UnescapeString(next.FindStringSubmatch(p.body)[1])).is(200).hasNot("Not yet")
	}
	p.is(200, "Rs1.", `rel="prev" href="/subscribers/erased"`)
	if pages != 12 {
		t.Errorf("%d pages", pages)
	}
	b.get("/subscribers/erased?after=nonsense").is(200, "They asked us")
	csv := b.get("/subscribers/erased.csv").is(200, "Rs1100.", "Rs1.")
	if n := strings.Count(csv.body, "\nSalesforce,Rs"); n != 1100 {
		t.Errorf("%d records are in the file", n)
	}
}

// Somebody who left and is erased is waited for until the CRM knows, or until somebody gives up.
func TestGivingUpOnTellingACRM(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.connect()
	b := w.as(john, "contoso")
	id := w.someone("contoso", "jane@reader.test")
	w.put(`UPDATE deliveries SET state = 'delivered', record_id = '003000000000001AAA', org_id = 'one', instance_url = 'https://one.example', delivered_at = 7 WHERE subscriber_id = $1`, id)
	b.submit("/subscribers/"+id+"/leave", "sure", "on").to("/subscribers/" + id)
	w.put(`UPDATE opt_outs SET due_at = 9000000000000000 WHERE subscriber_id = $1`, id)
	if n := w.count(`SELECT count(*) FROM opt_outs WHERE subscriber_id = $1 AND ended_at = 0`, id); n != 1 {
		t.Fatalf("%d are owed", n)
	}
	erased := "/subscribers/" + id + "/erased"
	b.submit("/subscribers/"+id+"/erase", "why", "They asked us", "sure", "ERASE").to(erased)
	b.get(erased).is(200, "Not yet", "for its admin to see to. Salesforce is yet to be told that the person left.", "003000000000001AAA", "Don’t wait for Salesforce")
	b.submit(erased+"/give-up", "in", "sfdc", "of", id).to(erased)
	b.get(erased).is(200, "has forgotten this person", "Given up", "somebody decided not to wait any longer", "003000000000001AAA").hasNot("Don’t wait for Salesforce", "is yet to be told")
	b.get("/subscribers/erased.csv").is(200, "Salesforce,003000000000001AAA")
}
