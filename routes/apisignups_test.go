package routes_test

import (
	"encoding/json"
	"testing"

	"gatepost/auth"
	"gatepost/forms"
	"gatepost/newsletter"
	"gatepost/routes"
)

// giveForm gives a newsletter a first version of a form with own fields.
func (w *world) giveForm(slug string, own ...forms.Field) {
	w.t.Helper()
	d := forms.First("I agree.")
	d.Fields = append(d.Fields, own...)
	definition, err := json.Marshal(d)
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(`INSERT INTO form_versions (tenant_id, newsletter_id, version, definition, created_at, created_by) SELECT tenant_id, id, 1, $1, 7, '' FROM newsletters WHERE slug = $2`, string(definition), slug)
	w.put(`UPDATE newsletters SET form_version = 1 WHERE slug = $1`, slug)
}

// A server hands on sign-ups by a key, for the tenants that the key is for, as often as one
// address may not.
func TestAKeyHandsOnSignUps(t *testing.T) {
	t.Parallel()
	var letters *newsletter.Service
	a := openAPI(t, func(c *routes.Config) { c.SignupLimits, letters = true, c.Newsletters })
	key := a.key([]string{"contoso"}, nil, auth.SignUp)
	send := func(key, slug, body string) answer {
		t.Helper()
		return a.call(key, "POST", "/newsletters/{newsletter}/subscribers", "/newsletters/"+slug+"/subscribers", body)
	}
	fine := `{"email":"jane@reader.example","first_name":"Jane","last_name":null}`
	send("", "contoso-weekly", fine).is(401, "unauthorized")
	send(a.key(nil, nil, auth.Read), "contoso-weekly", fine).is(403, "forbidden")
	send(key, "fabrikam-weekly", fine).is(404, "not_found")
	send(key, "nothing", fine).is(404, "not_found")
	for body, field := range map[string]string{`{"email":"jane"}`: "email", `{"email":7}`: "email", `{}`: "email", `{"email":"jane@reader.example","shoe_size":"44"}`: "shoe_size",
		`{"email":"jane@reader.example","email":"joe@reader.example"}`: "email"} {
		got := send(key, "contoso-weekly", body).is(422, "invalid")
		if errors, _ := got.fields["errors"].(map[string]any); errors[field] == nil {
			t.Errorf("%s: nothing is said of %s: %s", body, field, got.text)
		}
	}
	for _, body := range []string{`[]`, `{"email"`} {
		send(key, "contoso-weekly", body).is(422, "invalid")
	}
	if n := a.count(`SELECT count(*) FROM subscribers`); n != 0 {
		t.Fatalf("%d were stored", n)
	}
	for range 40 { // an address may 30
		if got := send(key, "contoso-weekly", fine).is(202, ""); got.text != `{"status":"received"}` {
			t.Fatal(got.text)
		}
	}
	if n := a.count(`SELECT count(*) FROM subscribers WHERE email = 'jane@reader.example' AND first_name = 'Jane' AND source = 'api'`); n != 1 {
		t.Errorf("%d subscribers", n)
	}
	send(a.key(nil, nil, auth.SignUp), "fabrikam-weekly", fine).is(202, "")
	// Fields of the tenant's own, by the version of the form that was shown.
	a.giveForm("contoso-weekly", forms.Field{ID: "f1", Key: "topics", Type: forms.Choices, Label: "Topics", Options: []forms.Option{{Value: "news", Label: "News"}, {Value: "offers", Label: "Offers"}}})
	letters.Forget()
	got := send(key, "contoso-weekly", `{"email":"topics@reader.example","topics":["nothing"]}`).is(422, "invalid")
	if errors, _ := got.fields["errors"].(map[string]any); errors["topics"] == nil {
		t.Error(got.text)
	}
	send(key, "contoso-weekly", `{"email":"topics@reader.example","topics":["offers","news"],"form_version":1}`).is(202, "")
	if n := a.count(`SELECT count(*) FROM subscribers WHERE email = 'topics@reader.example' AND fields = '{"f1":"news;offers"}' AND form_version = 1`); n != 1 {
		t.Error("the choices aren't stored")
	}
	a.put(`UPDATE newsletters SET state = 'paused' WHERE slug = 'contoso-weekly'`)
	letters.Forget()
	send(key, "contoso-weekly", fine).is(409, "closed")
}

// Who signs somebody up by a key has them asked by mail, or says when and with which words they
// confirmed.
func TestAKeySaysWhoHasConfirmed(t *testing.T) {
	t.Parallel()
	a := openAPI(t, mailing)
	a.put(`UPDATE newsletters SET readers = '{"confirm":true}' WHERE slug = 'contoso-weekly'`)
	key := a.key([]string{"contoso"}, nil, auth.SignUp)
	send := func(body string) answer {
		t.Helper()
		return a.call(key, "POST", "/newsletters/{newsletter}/subscribers", "/newsletters/contoso-weekly/subscribers", body)
	}
	for body, field := range map[string]string{
		`{"email":"j@reader.example","confirmed_at":"2026-01-02T03:04:05Z"}`:                          "confirmed_words",
		`{"email":"j@reader.example","confirmed_words":"Yes."}`:                                       "confirmed_at",
		`{"email":"j@reader.example","confirmed_words":"Yes.","confirmed_at":"yesterday"}`:            "confirmed_at",
		`{"email":"j@reader.example","confirmed_words":"Yes.","confirmed_at":7}`:                      "confirmed_at",
		`{"email":"j@reader.example","confirmed_words":"Yes.","confirmed_at":"2999-01-02T03:04:05Z"}`: "confirmed_at",
	} {
		got := send(body).is(422, "invalid")
		if errors, _ := got.fields["errors"].(map[string]any); errors[field] == nil {
			t.Errorf("%s: nothing is said of %s: %s", body, field, got.text)
		}
	}
	send(`{"email":"asked@reader.example","confirmed_at":null,"confirmed_words":null}`).is(202, "")
	send(`{"email":"sure@reader.example","confirmed_at":"2026-01-02T03:04:05+01:00","confirmed_words":"Yes, weekly."}`).is(202, "")
	for email, want := range map[string]string{"asked": "unconfirmed", "sure": "active"} {
		if n := a.count(`SELECT count(*) FROM subscribers WHERE email = $1 AND state = $2`, email+"@reader.example", want); n != 1 {
			t.Errorf("%s isn't %s", email, want)
		}
	}
	if n := a.count(`SELECT count(*) FROM consents c JOIN wordings w ON w.id = c.wording_id JOIN subscribers s ON s.id = c.subscriber_id
		WHERE c.act = 'confirmed' AND c.how = 'stated' AND c.at = 1767319445000 AND s.confirmed_at = c.at AND w.text = 'Yes, weekly.'`); n != 1 {
		t.Error("what was stated isn't kept")
	}
	for _, page := range []string{"", "/consent"} { // nobody pressed a button of ours
		a.as(john, "contoso").get(a.personOf("sure@reader.example")+page).is(200, "Confirmed elsewhere, as the program said that handed it on").hasNot("Confirmed by")
	}
	send(`{"email":"asked@reader.example","confirmed_at":"2026-01-02T03:04:05Z","confirmed_words":"Yes."}`).is(202, "")
	if n := a.count(`SELECT count(*) FROM subscribers WHERE state = 'active' AND confirmed_at > 0`); n != 2 {
		t.Errorf("%d have confirmed", n)
	}
}

// The script for other sites stays at its address, for any of them to check.
func TestEmbedScript(t *testing.T) {
	t.Parallel()
	b := open(t).browser()
	for _, path := range []string{"/embed/0.js", "/embed/9.js", "/embed/01.js", "/embed/1", "/embed/1.css", "/embed/x.js", "/embed/"} {
		b.get(path).is(404)
	}
	got := b.get("/embed/1.js", "Origin", "https://contoso.example").is(200, "data-gatepost")
	for name, want := range map[string]string{"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=31536000, immutable", "Content-Type": "text/javascript; charset=utf-8",
		"Cross-Origin-Resource-Policy": "", "Set-Cookie": "", "X-Content-Type-Options": "nosniff"} {
		if got.head(name) != want {
			t.Errorf("%s is %q, want %q", name, got.head(name), want)
		}
	}
	b.get("/embed/1.js", "If-None-Match", got.head("ETag")).is(304)
}
