package routes_test

import (
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/forms"
)

// A test asks for what the newsletter's form asks for, and checks it by the same definition.
func TestATestHasTheFieldsOfTheForm(t *testing.T) {
	t.Parallel()
	w, b, _ := mapped(t)
	w.form("contoso-weekly", forms.Field{ID: "f3", Key: "topics", Type: forms.Choices, Label: "Topics", Required: true, Options: []forms.Option{{Value: "art", Label: "Art"}, {Value: "tea time", Label: "Tea"}}},
		forms.Field{ID: "f4", Key: "sure", Type: forms.Checkbox, Label: "Quite sure", Required: true}, forms.Field{ID: "f5", Key: "born", Type: forms.Date, Label: "Born on"},
		forms.Field{ID: "f6", Key: "source", Type: forms.Hidden, Label: "Source", From: "utm_source"}, forms.Field{ID: "f7", Key: "gone", Type: forms.Text, Label: "Gone", Required: true, Deleted: true},
		forms.Field{ID: "f8", Key: "newsletter", Type: forms.LongText, Label: "Other newsletter", Help: "Which else?"})

	b.get(testPath).is(200, "Company", "Shade", "Please choose", ">Red<", "<legend>Topics", `type="date"`, "Source", "utm_source of the page’s address", `name="own-newsletter"`, "Which else?").hasNot("Gone", "Show its fields")
	wrong := b.submit(testPath, "newsletter", "contoso-weekly", "email", "none", "first_name", "Sam", "own-company", strings.Repeat("x", 81), "own-shade", "blue", "own-sure", "false", "own-born", "yesterday", "own-newsletter", "The <b>other</b>")
	wrong.is(422, "Error: ", `id="email-error"`, `value="Sam"`, `id="own-company-error"`, strings.Repeat("x", 81), `id="own-shade-error"`, `id="own-topics-error"`, `id="own-sure-error"`, `id="own-born-error"`, `value="yesterday"`, "The <b>other</b>")
	all := []string{"newsletter", "contoso-weekly", "email", "sample@reader.test", "own-sure", "true", "own-topics", "tea time"}
	b.submit(testPath, append(all, "own-topics", "coffee")...).is(422, `id="own-topics-2" name="own-topics" value="tea time" checked`, `id="own-topics-error"`).hasNot(`id="own-sure-error"`)
	if n := w.count(`SELECT count(*) FROM subscribers`); n != 0 {
		t.Fatalf("%d sign-ups of what was refused", n)
	}
	b.submit(testPath, append(all, "own-source", "a fair", "own-born", "2001-02-03", "own-gone", "x", "own-newsletter", "Daily")...).is(303)
	if n := w.count(`SELECT count(*) FROM subscribers WHERE fields = '{"f3":"tea time","f4":"true","f5":"2001-02-03","f6":"a fair","f8":"Daily"}' AND source = 'test'`); n != 1 {
		t.Error("it was not stored as it was filled in")
	}
}

// Of several newsletters, the fields of the one that is chosen are asked for.
func TestATestOfOneOfSeveralNewsletters(t *testing.T) {
	t.Parallel()
	w, b, _ := mapped(t)
	w.put(`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) SELECT $1, tenant_id, 'contoso-daily', 'Contoso Daily', consent, created_at FROM newsletters WHERE slug = 'contoso-weekly'`, db.NewID())
	b.get(testPath).is(200, `name="shown" value="contoso-daily"`, "Show its fields").hasNot("own-company")
	b.get(testPath+"?newsletter=contoso-weekly").is(200, `name="shown" value="contoso-weekly"`, "own-company", `value="contoso-weekly" selected`)
	b.get(testPath+"?newsletter=fabrikam-weekly").is(200, `name="shown" value="contoso-daily"`).hasNot("abrikam")
	typed := []string{"newsletter", "contoso-weekly", "shown", "contoso-daily", "email", "sample@reader.test", "first_name", "Sam"}
	b.submit(testPath, append(typed, "act", "fields")...).is(200, `name="shown" value="contoso-weekly"`, "own-company", `value="sample@reader.test"`, `value="Sam"`).hasNot("nothing was sent yet", "-error")
	b.submit(testPath, typed...).is(200, "asks for other fields, so nothing was sent yet", "own-company", `value="Sam"`)
	b.submit(testPath, "newsletter", "gone", "shown", "contoso-daily", "email", "sample@reader.test").is(422, "Please choose one of your newsletters", `value="sample@reader.test"`)
	if n := w.count(`SELECT count(*) FROM subscribers`); n != 0 {
		t.Fatalf("%d sign-ups of what wasn't sent", n)
	}
	b.submit(testPath, "newsletter", "contoso-daily", "shown", "contoso-weekly", "email", "sample@reader.test", "own-company", "Contoso").is(303)
	if n := w.count(`SELECT count(*) FROM subscribers WHERE fields = ''`); n != 1 {
		t.Error("a newsletter got what another one asks for")
	}
}

// A test carries what is mapped into the CRM, and is undone with it, unless somebody changed it.
func TestATestWithMappedFieldsIsUndone(t *testing.T) {
	t.Parallel()
	w, b, box := mapped(t)
	b.submit(toyMapping + "/read").to(toyMapping)
	b.submit(toyMapping, append(rows([4]string{"company", "field:company", "", "empty"}, [4]string{"colour", "field:shade", "", "always"}, [4]string{"leadsource", "constant", "Newsletter", "create"}),
		"act", "save", "revision", "0", "from-1-0", "red", "value-1-0", "same", "from-1-1", "lime", "value-1-1", "to:green")...).to(toyMapping)
	b.get(toyMapping).is(200, "Try it", `href="`+testPath+`"`)
	test := func() (path, undo string) {
		t.Helper()
		path = b.submit(testPath, "newsletter", "contoso-weekly", "email", "ada@example.com", "own-company", "Contoso", "own-shade", "lime").is(303).head("Location")
		_, id, _ := strings.Cut(path, "sample=")
		w.eventually("it is there", func() bool {
			return w.count(`SELECT count(*) FROM deliveries WHERE subscriber_id = $1 AND state = 'delivered'`, id) == 1
		})
		return path, testPath + "/" + id + "/undo"
	}
	undone := func(path, undo, fate string) {
		t.Helper()
		b.get(undo).is(200, "is deleted in Toy CRM too, unless somebody has changed it since")
		b.submit(undo).to(path)
		w.eventually("it is undone", func() bool { return strings.Contains(b.get(path).body, "The test is undone") })
		b.get(path).is(200, fate)
	}
	path, undo := test()
	for key, want := range map[string]string{"company": "Contoso", "colour": "green", "leadsource": "Newsletter"} {
		if is := read(t, box, key); is != want {
			t.Errorf("%s is %q", key, is)
		}
	}
	undone(path, undo, "The person is deleted in Toy CRM.")
	if found, err := box.Find(t.Context(), []string{"ada@example.com"}, crm.Options{}); err != nil || len(found) != 0 {
		t.Error("it is there still", found, err)
	}

	path, undo = test()
	found, err := box.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
	if err != nil || len(found["ada@example.com"]) != 1 {
		t.Fatal(found, err)
	}
	results, err := box.Write(t.Context(), []crm.Write{{ID: found["ada@example.com"][0].ID, Own: map[string]crm.Value{"company": {Type: crm.TypeText, Text: "Northwind"}}}}, crm.Options{})
	if err != nil || results[0].Err != nil {
		t.Fatal(results, err)
	}
	undone(path, undo, "The person stays in Toy CRM: somebody, or an automation, has changed it since.")
	if is := read(t, box, "company"); is != "Northwind" {
		t.Errorf("what somebody wrote became %q", is)
	}
}
