package routes_test

import (
	"strings"
	"testing"
	"time"

	"gatepost/routes"
	"gatepost/seal"
)

func TestPersonPage(t *testing.T) {
	t.Parallel()
	w := open(t)
	b, other := w.as(john, "contoso"), w.as(ann, "fabrikam")
	w.someone("contoso", "two@reader.test")
	id := w.stuck("one@reader.test")
	b.get("/subscribers").is(200, "/subscribers/"+id)
	b.get("/subscribers/"+id).is(200, "one@reader.test", "Needs attention", "on the public form", ">Retry<", "Signed up for Contoso Weekly",
		"1 more person has this problem.", `href="/integrations/sfdc/problems/attention/REQUIRED_FIELD_MISSING"`)
	other.get("/subscribers/" + id).is(404)
	for _, path := range []string{"/retry", "/dismiss", "/edit", "/leave"} {
		other.submit("/subscribers/"+id+path, "email", "x@reader.test").is(404)
	}
	for note, says := range map[string]string{strings.Repeat("ü", 201): "at most 200 characters", "Left\ufffd": "was lost", "a\nb": "line break"} {
		b.submit("/subscribers/"+id+"/dismiss", "note", note).is(303)
		b.get("/subscribers/"+id).is(200, says).hasNot("Dismissed:")
	}
	b.submit("/subscribers/"+id+"/dismiss", "note", "\u200bLeft <i>\u00a0").to("/subscribers/" + id)
	if n := w.count(`SELECT count(*) FROM events WHERE detail = 'Left <i>'`); n != 1 {
		t.Error("the note isn't stored as it was meant")
	}
	b.get("/subscribers/"+id).is(200, "Dismissed: it will not be sent", "Left <i>", "by "+john)
	b.get("/subscribers?state=dismissed").is(200, "one@reader.test")
	b.submit("/subscribers/" + id + "/retry").to("/subscribers/" + id)
	b.get("/subscribers/"+id).is(200, "It is on its way again", "<h3>Retried</h3>")
	b.submit("/subscribers/" + id + "/retry").to("/subscribers/" + id)
	b.get("/subscribers/"+id).is(200, "Nothing was changed")
	b.get("/subscribers/nobody").is(404)
}

func TestEditAPerson(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	second := w.someone("contoso", "two@reader.test")
	id := w.stuck("jame@reader.test")
	edit := "/subscribers/" + id + "/edit"
	b.get(edit).is(200, `value="jame@reader.test"`, "Save and retry", "(optional)")
	b.submit(edit, "email", "not an address", "first_name", strings.Repeat("J", 41), "last_name", "Doe <b>").
		is(422, "It should look like name@example.com", "at most 40 characters", `value="not an address"`, `value="Doe <b>"`)
	b.submit(edit, "email", "TWO@reader.test").is(409, "Somebody else has this address on Contoso Weekly already", `href="/subscribers/`+second+`"`, `value="TWO@reader.test"`)
	if n := w.count(`SELECT count(*) FROM edits`); n != 0 {
		t.Fatalf("%d edits", n)
	}
	b.submit(edit, "email", " Jane@Reader.test ", "first_name", "Jane", "last_name", "").to("/subscribers/" + id)
	b.get("/subscribers/"+id).is(200, "Saved. It is on its way to Salesforce.", "<h1>Jane</h1>", "Jane@Reader.test", "by "+john,
		"E-mail address: “jame@reader.test” → “Jane@Reader.test”", "First name: none → “Jane”", "Waiting").hasNot("Last name:")
	b.submit(edit, "email", "Jane@Reader.test", "first_name", "Jane").to("/subscribers/" + id)
	b.get("/subscribers/"+id).is(200, "Nothing was changed.")

	// Once it is in Salesforce, the address stays, whatever is sent.
	w.put(`UPDATE deliveries SET record_id = '003000000000001AAA', delivered_at = 7 WHERE subscriber_id = $1`, id)
	b.get(edit).is(200, "would make a second Contact", "A name that Salesforce has already stays").hasNot(`name="email"`)
	b.submit(edit, "email", "other@reader.test", "first_name", "Janet").to("/subscribers/" + id)
	b.get("/subscribers/"+id).is(200, "<h1>Janet</h1>", "Jane@Reader.test").hasNot("other@reader.test")
	w.put(`UPDATE deliveries SET record_id = '', delivered_at = 0, sent_at = 7 WHERE subscriber_id = $1`, id)
	b.get(edit).is(200, "the answer isn’t known yet").hasNot(`name="email"`)
}

// Another address goes round neither a confirmation nor a leaving, and the page says what it will do.
func TestAnotherAddressOfAPerson(t *testing.T) {
	t.Parallel()
	w := open(t, func(c *routes.Config) { c.Mail = true })
	b, id := w.as(john, "contoso"), w.someone("contoso", "bert@reader.test")
	w.put(`UPDATE newsletters SET readers = '{"confirm":true}' WHERE slug = 'contoso-weekly'`)
	r := w.toConfirm("jane@reader.test")
	edit, asks := "/subscribers/"+r.id+"/edit", "Another address gets a mail with a button."
	b.get(edit).is(200, asks)
	if _, err := w.news.PressConfirmation(t.Context(), seal.TokenHash(r.token)); err != nil {
		t.Fatal(err)
	}
	b.get(edit).is(200, asks)
	b.submit(edit, "email", "Jane@reader.test").to("/subscribers/" + r.id)
	b.get("/subscribers/"+r.id).is(200, "Saved. It is on its way to")
	b.submit(edit, "email", "joe@reader.test").to("/subscribers/" + r.id)
	b.get("/subscribers/"+r.id).is(200, "A mail with a button goes to the new address.", "Unconfirmed", "“Jane@reader.test” → “joe@reader.test”")
	b.get("/subscribers/"+r.id+"/consent").is(200, "<h2>Address changed</h2>", "<dt>From</dt><dd>Jane@reader.test</dd>", "<dt>To</dt><dd>joe@reader.test</dd>", "<dt>By</dt><dd>"+john+"</dd>")
	if n := w.count(`SELECT count(*) FROM subscribers WHERE state = 'unconfirmed' AND confirmed_at = 0 AND email_key = 'joe@reader.test'`); n != 1 {
		t.Error("they aren't asked")
	}

	b.get("/subscribers/"+id+"/edit").is(200, `name="email"`).hasNot(asks)
	b.sendList("", "gone@reader.test\n").is(303)
	b.submit("/subscribers/"+id+"/edit", "email", "Gone@reader.test").is(409, "They come back by signing up with it themselves.", `value="Gone@reader.test"`)
	b.submit("/subscribers/" + id + "/leave").to("/subscribers/" + id)
	b.get("/subscribers/"+id+"/edit").is(200, "This person has left, which is known by the address").hasNot(`name="email"`)
	b.submit("/subscribers/"+id+"/edit", "email", "other@reader.test").is(409, "Nothing was changed: this person has left", "have them sign up with that one").hasNot(`name="email"`)
	b.submit("/subscribers/"+id+"/edit", "first_name", "Bert").to("/subscribers/" + id)
	if n := w.count(`SELECT count(*) FROM subscribers WHERE state = 'left' AND first_name = 'Bert' AND email_key = 'bert@reader.test'`); n != 1 {
		t.Error("the address of who left is another one")
	}
}

func TestLeaving(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	id := w.someone("contoso", "jane@reader.test")
	leave := "/subscribers/" + id + "/leave"
	b.get("/subscribers/"+id).is(200, `href="`+leave+`"`)
	b.get(leave).is(200, "jane@reader.test doesn’t want Contoso Weekly any more?", "Nothing is sent to Salesforce.", "comes back once they have confirmed by e-mail", "(optional)").hasNot("comes back by that")
	b.submit(leave, "note", strings.Repeat("x", 201)).is(422, "at most 200 characters")
	b.submit(leave, "note", "They wrote to us").to("/subscribers/" + id)
	b.get("/subscribers/"+id).is(200, "Marked as left.", "They wrote to us", "by "+john, ">Mark as active again<").hasNot(`href="`+leave+`"`, ">Retry<")
	b.get("/subscribers?state=left").is(200, "jane@reader.test").hasNot("state=erased")
	b.get(leave).to("/subscribers/" + id)
	b.get("/subscribers/"+id).is(200, "Nothing was changed")
	b.get("/integrations/sfdc/sum").is(200, "<dt>Left</dt><dd>1</dd>", "<dt>Missing</dt><dd>0</dd>")

	b.submit("/subscribers/" + id + "/return").to("/subscribers/" + id)
	b.get("/subscribers/"+id).is(200, "<h3>Marked as active again</h3>", "<h3>Waiting to be sent again</h3>").hasNot("Retried")
	b.submit(leave).to("/subscribers/" + id)
	// A test by somebody else doesn't bring them back, nor does a form: without a mail server somebody decides.
	b.submit("/newsletter/signup", "email", "Jane@reader.test", "newsletter", "contoso-weekly").is(422, "This person has left Contoso Weekly", `value="Jane@reader.test"`)
	b.get("/integrations/sfdc/sum").is(200, "<dt>Left</dt><dd>1</dd>")
	w.someone("contoso", "jane@reader.test")
	b.get("/subscribers/"+id).is(200, ">Mark as active again<").hasNot("<h3>Came back</h3>")
	b.get("/integrations/sfdc/sum").is(200, "<dt>Left</dt><dd>1</dd>", "<dt>Missing</dt><dd>0</dd>")
	b.submit("/subscribers/" + id + "/return").to("/subscribers/" + id)
	b.get("/integrations/sfdc/sum").is(200, "<dt>Missing</dt><dd>0</dd>").hasNot("<dt>Left</dt>")
}

// A test is undone with the Contact that it made, and one that it found stays.
func TestUndoATest(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.browser()
	csrf := b.get("/login").hidden("csrf")
	b.post("/login", "email", john, "password", password, "csrf", csrf)
	b.connect(sfJohn)
	contacts := func(n float64) func() bool { return func() bool { return w.control("stats", "")["contacts"] == n } }
	test := func(email string) (path, undo string) {
		t.Helper()
		path = b.submit("/newsletter/signup", "newsletter", "contoso-weekly", "email", email, "first_name", "Sam").is(303).head("Location")
		_, id, _ := strings.Cut(path, "sample=")
		w.eventually("it is there", func() bool {
			return w.count(`SELECT count(*) FROM deliveries WHERE subscriber_id = $1 AND state = 'delivered'`, id) == 1
		})
		return path, "/newsletter/signup/" + id + "/undo"
	}
	path, undo := test("sample@reader.test")
	b.get(path).is(200, "In Salesforce", `href="`+undo+`"`).hasNot("had a Contact")
	b.get(undo).is(200, "Delete sample@reader.test from Contoso Weekly?", "is deleted in Salesforce too", "can’t be undone")
	w.as(ann, "fabrikam").get(undo).is(404)
	w.as(ann, "fabrikam").submit(undo).is(404)
	w.control("fail", `{"on":"delete","status":400,"error_code":"UNABLE_TO_LOCK_ROW","message":"unable to obtain exclusive access to this record","rate":1}`)
	b.submit(undo).to(path)
	w.eventually("the page says why it isn't gone yet", func() bool {
		return strings.Contains(b.get(path).body, "Salesforce was busy with the same records. The Contact is not deleted yet: we try again by ourselves.")
	})
	w.control("fail", `{"on":"delete","count":0,"rate":0}`)
	w.put(`UPDATE removal_records SET due_at = 0`)
	w.eventually("it is gone", contacts(0))
	w.eventually("the page knows", func() bool { return strings.Contains(b.get(path).body, "The test is undone") })
	b.get(path).is(200, "The Contact is deleted in Salesforce").hasNot("sample@reader.test", "data-poll")
	b.get(undo).to(path)
	b.submit(undo).to(path)
	b.get("/integrations/sfdc/sum").is(200, "<dt>Erased</dt><dd>1</dd>", "<dt>Missing</dt><dd>0</dd>")
	w.as(ann, "fabrikam").get(path).is(404)

	// As it is with a Contact that was found.
	path, undo = test("there@reader.test")
	w.put(`DELETE FROM events`)
	w.put(`UPDATE deliveries SET made_id = ''`)
	b.get(path).is(200, "Salesforce had a Contact with this address already")
	b.get(undo).is(200, "The Contact stays in Salesforce")
	b.submit(undo).to(path)
	b.get(path).is(200, "The test is undone", "The Contact stays in Salesforce")
	if !contacts(1)() {
		t.Error("the Contact is gone")
	}

	// A reader's own sign-up is no test, and what is old, or was signed up again, stays.
	reader := w.someone("contoso", "reader@reader.test")
	b.get("/newsletter/signup/" + reader + "/undo").to("/newsletter/signup?sample=" + reader)
	b.get("/newsletter/signup?sample="+reader).is(200, "the subscriber was there before the test").hasNot("Undo the test")
	path, undo = test("old@reader.test")
	w.put(`UPDATE subscribers SET created_at = created_at - $1`, (25 * time.Hour).Milliseconds())
	b.submit(undo).to(path)
	b.get(path).is(200, "more than a day old").hasNot("Undo the test")
}
