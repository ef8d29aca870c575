package routes_test

import (
	"strings"
	"testing"
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
	b.get(erase).is(200, "What goes", "What stays", "Contoso Weekly", `name="way-sfdc"`, "Delete it, if it is ours alone")
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
