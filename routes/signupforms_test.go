package routes_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"image"
	"image/png"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/forms/formstest"
	"gatepost/input"
	"gatepost/newsletter"
	"gatepost/routes"

	"github.com/PuerkitoBio/goquery"
)

// letter is Contoso's newsletter in a portal, whose form and page a test changes.
type letter struct {
	*world
	*browser
	service *newsletter.Service
}

func openLetter(t *testing.T) *letter {
	t.Helper()
	l := &letter{}
	l.world = open(t, func(c *routes.Config) { l.service = c.Newsletters })
	l.browser = l.world.browser()
	return l
}

func (l *letter) now() db.Newsletter {
	l.t.Helper()
	l.service.Forget()
	n, err := l.store.NewsletterBySlug(l.t.Context(), "contoso-weekly")
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// save gives the form another version.
func (l *letter) save(edit func(*forms.Definition)) forms.Definition {
	l.t.Helper()
	n := l.now()
	edited := n.Form
	edited.Fields = append([]forms.Field{}, n.Form.Fields...)
	edit(&edited)
	next, faults := forms.Next(n.Form, edited)
	if len(faults) > 0 {
		l.t.Fatal(faults)
	}
	if err := l.store.SaveForm(l.t.Context(), n.TenantID, n.ID, next, ""); err != nil {
		l.t.Fatal(err)
	}
	l.service.Forget()
	return next
}

// page changes how the newsletter presents itself.
func (l *letter) page(p db.PublicPage) { l.set("page", p) }

func (l *letter) set(column string, value any) {
	l.t.Helper()
	text, ok := value.(string)
	if !ok {
		raw, err := json.Marshal(value)
		if err != nil {
			l.t.Fatal(err)
		}
		text = string(raw)
	}
	if _, err := l.store.Writer().Exec(`UPDATE newsletters SET `+column+` = $1 WHERE slug = 'contoso-weekly'`, text); err != nil {
		l.t.Fatal(err)
	}
	l.service.Forget()
}

// stored are the fields of who has an address.
func (l *letter) stored(email string) (fields string, version int) {
	l.t.Helper()
	err := l.store.Writer().QueryRow(`SELECT fields, form_version FROM subscribers WHERE email_key = $1`, email).Scan(&fields, &version)
	if err != nil {
		l.t.Fatal(err)
	}
	return fields, version
}

func (l *letter) json(body string) page {
	l.t.Helper()
	return l.do(http.MethodPost, formPage, body, "Content-Type", "application/json")
}

func document(t *testing.T, p page) *goquery.Document {
	t.Helper()
	d, err := goquery.NewDocumentFromReader(strings.NewReader(p.body))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ownFields are fields of every type.
func ownFields(d *forms.Definition) {
	d.Fields = append(d.Fields,
		forms.Field{Type: forms.Text, Label: "Company", Purpose: "organization", Prefill: true, Help: "Where you work."},
		forms.Field{Type: forms.Text, Label: "Postcode", Pattern: "postcode", Required: true},
		forms.Field{Type: forms.LongText, Label: "About you"},
		forms.Field{Type: forms.Choice, Label: "Size", Options: []forms.Option{{Label: "Small"}, {Value: "l", Label: "Large & more"}}},
		forms.Field{Type: forms.Choices, Label: "Topics", Prefill: true, Options: []forms.Option{{Value: "a", Label: "A"}, {Value: "b", Label: "B"}}},
		forms.Field{Type: forms.Checkbox, Label: "Member"},
		forms.Field{Type: forms.Date, Label: "Birthday", Purpose: "bday"},
		forms.Field{Type: forms.Number, Label: "Age"},
		forms.Field{Type: forms.Phone, Label: "Phone"},
		forms.Field{Type: forms.Country, Label: "Country"},
		forms.Field{Type: forms.Hidden, Label: "Source", Key: "utm_source", From: "utm_source"},
		forms.Field{Type: forms.Hidden, Label: "Page", Key: "page", From: forms.FromPage},
		forms.Field{Type: forms.Hidden, Label: "Referrer", Key: "referrer", From: forms.FromReferrer})
}

// What is shown is what is stored, by form and by JSON, of every type; what is wrong is said
// beside each field, and nothing of what was typed is lost.
func TestOwnFields(t *testing.T) {
	t.Parallel()
	l := openLetter(t)
	l.save(ownFields)
	bad := l.post(formPage, "email", "jane@", "company", "Con\x00toso", "postcode", "?", "about_you", "One\nTwo", "size", "XL", "topics", "b", "topics", "c", "member", "false", "member", "true",
		"birthday", "31.12.1990", "age", "old", "phone", "call me", "country", "ZZ", "utm_source", "spring", "page", "https://contoso.example/", "nothing", "x").is(422)
	d := document(t, bad)
	for key, says := range map[string]string{"email": "after the @ is missing", "company": "can’t be shown", "postcode": "3 to 10", "size": "one of the choices", "topics": "one of the choices",
		"birthday": "1990-12-31", "age": "such as 42", "phone": "should have digits", "country": "from the list"} {
		field := d.Find("#" + key + "-error")
		if !strings.Contains(field.Text(), says) {
			t.Errorf("%s: %q", key, field.Text())
		}
		by := d.Find(`[aria-describedby~="` + key + `-error"]`)
		if by.Length() != 1 || d.Find(`[role=alert] a[href="#`+by.AttrOr("id", key+"-1")+`"]`).Length() != 1 {
			t.Errorf("%s: no field or no link in the summary: %d", key, by.Length())
		}
	}
	for selector, want := range map[string]string{"#email": "jane@", "#postcode": "?", "#birthday": "31.12.1990", "#age": "old", "#phone": "call me", "input[name=utm_source]": "spring", "input[name=page]": "https://contoso.example/",
		"input[name=form_version]": "1"} {
		if got := d.Find(selector).AttrOr("value", ""); got != want {
			t.Errorf("%s is shown again as %q", selector, got)
		}
	}
	if d.Find("#about_you").Text() != "One\nTwo" || d.Find("#birthday").AttrOr("type", "") != "text" || d.Find("#topics-2[checked]").Length() != 1 || d.Find("#topics-1[checked]").Length() != 0 || d.Find("#member[checked]").Length() != 1 || d.Find("[autofocus]").AttrOr("id", "") != "email" {
		t.Error("what was chosen is lost, or the focus")
	}
	if l.signUps() != 0 {
		t.Error("it is stored")
	}

	l.post(formPage, "email", "jane@example.com", "company", " Contoso ", "postcode", "10115", "about_you", "One\r\nTwo", "size", "l", "topics", "b", "topics", "a", "member", "false", "birthday", "1990-12-31",
		"age", "1,50", "phone", "+49 30 901820", "country", "DE", "utm_source", "spring", "nothing", "x", "form_version", "1").to(formPage + "/thanks")
	const want = `{"f1":"Contoso","f10":"DE","f11":"spring","f2":"10115","f3":"One\nTwo","f4":"l","f5":"a;b","f6":"false","f7":"1990-12-31","f8":"1.5","f9":"+49 30 901820"}`
	if fields, version := l.stored("jane@example.com"); fields != want || version != 1 {
		t.Errorf("%d: %s", version, fields)
	}
	l.json(`{"email":"joe@example.com","company":"Contoso","postcode":"10115","about_you":"One\nTwo","size":"l","topics":["b","a"],"member":false,"birthday":"1990-12-31","age":1.5,
		"phone":"+49 30 901820","country":"DE","utm_source":"spring","form_version":1,"consent":true,"first_name":null}`).is(202)
	if fields, version := l.stored("joe@example.com"); fields != want || version != 1 {
		t.Errorf("%d: %s", version, fields)
	}
	for body, says := range map[string]string{
		`"postcode":"10115","company":7}`:        `"company":"This has to be text."`,
		`"postcode":"10115","age":"7"}`:          `"age":"This has to be a number."`,
		`"postcode":"10115","topics":"a"}`:       `"topics":"This has to be a list of texts."`,
		`"postcode":"10115","member":"yes"}`:     `"member":"This has to be true or false."`,
		`"postcode":null}`:                       `"postcode":"Please fill this in."`,
		`"postcode":"10115","nothing":"x"}`:      `"nothing":"There is no field of this name."`,
		`"postcode":"10115","consent":false}`:    `"consent":"Please tick this box if you agree`,
		`"postcode":"10115","topics":["a","x"]}`: `"topics":"This is not one of the choices`,
	} {
		l.json(`{"email":"bad@example.com",`+body).is(422, says)
	}
	// The person's page tells it by the labels.
	var id string
	if err := l.store.Writer().QueryRow(`SELECT id FROM subscribers WHERE email_key = 'jane@example.com'`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	l.post(formPage, "email", "jane@example.com", "postcode", "10117", "country", "FR").to(formPage + "/thanks")
	l.as(john, "contoso").get("/subscribers/"+id).is(200, "Company", "Large & more", "A, B", "France", "10117", "Postcode before: 10115", "Country before: Germany", "Member", "No", "version 1")
}

// A page is filled in by its query where the field allows it, and hidden fields by where it came
// from; consent never.
func TestPrefilledForms(t *testing.T) {
	t.Parallel()
	l := openLetter(t)
	l.save(func(d *forms.Definition) {
		ownFields(d)
		d.Consent.Box = true
	})
	d := document(t, l.get(formPage+"?company=%3Cb%3EContoso&topics=b&postcode=10115&email=jane%40example.com&consent=true&member=true&utm_source=spring%20sale&utm_medium=x",
		"Referer", "https://user@search.example/find?q=secret#top").is(200))
	for selector, want := range map[string]string{"#company": "<b>Contoso", "#postcode": "", "#email": "", "input[name=utm_source]": "spring sale", "input[name=page]": l.url + formPage, "input[name=referrer]": "https://search.example/find"} {
		if got, there := d.Find(selector).Attr("value"); got != want || !there {
			t.Errorf("%s: %q", selector, got)
		}
	}
	if d.Find("[checked]").Length() != 1 || d.Find("#topics-2[checked]").Length() != 1 || d.Find("#consent").Length() != 1 {
		t.Error("something else is ticked")
	}
	if company := d.Find("#company"); company.AttrOr("autocomplete", "") != "organization" || company.AttrOr("aria-describedby", "") != "company-hint" {
		t.Error("the purpose or the help is missing")
	}
	if p, _ := d.Find("#postcode").Attr("pattern"); p == "" || d.Find("#birthday").AttrOr("type", "") != "date" || d.Find("#birthday").AttrOr("autocomplete", "") != "bday" || d.Find("#country").AttrOr("autocomplete", "") != "country" {
		t.Error("the browser isn't told what the fields are")
	}
	framed := document(t, l.get(formPage+"?frame=1", "Referer", "https://contoso.example/news?x=1").is(200))
	if framed.Find("input[name=page]").AttrOr("value", "") != "https://contoso.example/news" || framed.Find("input[name=referrer]").AttrOr("value", "") != "" {
		t.Error("in a frame, the page isn't the one around it")
	}
	// A form on somebody's own page says by its headers where it stands.
	l.do(http.MethodPost, formPage, form("email", "jane@example.com", "postcode", "10115", "consent", "on"), "Content-Type", formType, "Origin", "https://contoso.example").to(formPage + "/thanks")
	if fields, _ := l.stored("jane@example.com"); !strings.Contains(fields, `"https://contoso.example"`) {
		t.Error(fields)
	}
}

// A form of an earlier version is taken by what it showed, with its consent.
func TestEarlierForms(t *testing.T) {
	t.Parallel()
	l := openLetter(t)
	l.save(func(d *forms.Definition) {
		d.Consent.Words = "The first words."
		d.Fields = append(d.Fields, forms.Field{Type: forms.Text, Label: "Firm", Key: "firm"}, forms.Field{Type: forms.Text, Label: "Gone", Pattern: "digits"})
	})
	l.save(func(d *forms.Definition) {
		d.Consent = forms.Consent{Words: "The second words.", Box: true}
		d.Fields = d.Fields[:4]
		d.Fields[3].Key = "company"
		d.Fields = append(d.Fields, forms.Field{Type: forms.Text, Label: "Size", Required: true})
	})
	words := func(email string) (text string) {
		_ = l.store.Writer().QueryRow(`SELECT w.text FROM subscribers s JOIN wordings w ON w.id = s.wording_id WHERE s.email_key = $1`, email).Scan(&text)
		return text
	}
	l.post(formPage, "email", "a@example.com", "firm", "Contoso", "gone", "7", "form_version", "1").to(formPage + "/thanks")
	if fields, version := l.stored("a@example.com"); fields != `{"f1":"Contoso","f2":"7"}` || version != 1 || words("a@example.com") != "The first words." {
		t.Errorf("%d: %s, %s", version, fields, words("a@example.com"))
	}
	again := l.post(formPage, "email", "a@", "firm", "Contoso", "gone", "x", "form_version", "1").is(422, "The first words.")
	if d := document(t, again); d.Find("#company").AttrOr("value", "") != "Contoso" || d.Find("#gone").AttrOr("value", "") != "x" || d.Find("input[name=form_version]").AttrOr("value", "") != "1" || d.Find("#size[required]").Length() != 0 {
		t.Error("the earlier form isn't shown again as it was")
	}
	if d := document(t, l.post(formPage, "email", "b@", "consent", "on").is(422)); d.Find("#consent[checked]").Length() != 1 {
		t.Error("the box isn't ticked any more")
	}
	for _, version := range []string{"", "9", "x", "-1", "2"} {
		l.post(formPage, "email", "b@example.com", "form_version", version).is(422, "The second words.", "Please tick this box if you agree", "Please fill this in")
	}
	l.post(formPage, "email", "b@example.com", "firm", "Contoso", "gone", "not digits", "size", "7", "consent", "true", "form_version", "9").to(formPage + "/thanks")
	if fields, version := l.stored("b@example.com"); fields != `{"f1":"Contoso","f3":"7"}` || version != 2 || words("b@example.com") != "The second words." {
		t.Errorf("%d: %s, %s", version, fields, words("b@example.com"))
	}
	l.json(`{"email":"c@example.com","firm":"Contoso","gone":"7","form_version":0}`).is(202)
	if fields, version := l.stored("c@example.com"); fields != `{"f1":"Contoso","f2":"7"}` || version != 0 {
		t.Errorf("%d: %s", version, fields)
	}
	l.json(`{"email":"c@example.com","gone":"x","form_version":1}`).is(422, `"gone":"Please enter digits only."`)
}

// A closed newsletter says so in its language, and takes nothing.
func TestClosedNewsletters(t *testing.T) {
	t.Parallel()
	l := openLetter(t)
	l.page(db.PublicPage{Language: "de"})
	for state, says := range map[string]string{"paused": "im Moment keine Anmeldungen", "archived": "keine Anmeldungen mehr"} {
		l.set("state", state)
		l.get(formPage).is(200, says).hasNot("<form")
		l.post(formPage, "email", "jane@example.com").is(409, says)
		p := l.json(`{"email":"jane@example.com"}`).is(409, says, `"code":"closed"`)
		if p.head("Content-Type") != "application/problem+json" {
			t.Error(p.head("Content-Type"))
		}
		l.as(john, "contoso").submit("/newsletter/signup", "newsletter", "contoso-weekly", "email", "test@example.com").is(422, "takes no sign-ups")
	}
	if l.signUps() != 0 {
		t.Error("it is stored")
	}
	l.set("state", "open")
	l.get(formPage).is(200, "Anmelden")
}

// A page is in its newsletter's language, errors and what goes wrong too.
func TestLanguagesOfForms(t *testing.T) {
	t.Parallel()
	l := openLetter(t)
	l.save(ownFields)
	for _, language := range forms.Languages {
		l.page(db.PublicPage{Language: string(language.Code)})
		say := func(w forms.Word, values ...string) string { return language.Code.Say(w, values...) }
		lang := `lang="` + string(language.Code) + `"`
		l.get(formPage).is(200, lang, say(forms.EmailLabel), say(forms.Optional), say(forms.PleaseChoose), ">"+say(forms.SignUp)+"<", forms.Countries(language.Code)[5].Label)
		l.post(formPage, "email", "jane@", "postcode", "x").is(422, lang, "<title>"+say(forms.ErrorTitle, "title", "Contoso Weekly"), say(forms.ErrorSummary), say(forms.NotPostcode))
		l.get(formPage+"/thanks").is(200, lang, say(forms.ThanksText, "newsletter", "Contoso Weekly"))
		l.json(`{"email":"jane@example.com"}`).is(422, say(forms.NothingStored), say(forms.FillIn))
		l.do(http.MethodPost, formPage, "x", "Content-Type", "text/plain").is(415, lang)
	}
	l.do(http.MethodPost, formPage, "x", "Content-Type", "text/plain").is(415, forms.Spanish.Say(forms.FailedUnreadable), forms.Spanish.Say(forms.TryAgain))
	l.get("/signup/nobody").is(404, `lang="en"`)
}

// How a newsletter presents itself.
func TestTheLookOfForms(t *testing.T) {
	t.Parallel()
	l := openLetter(t)
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 4, 2))); err != nil {
		t.Fatal(err)
	}
	n := l.now()
	if _, err := l.store.Writer().Exec(`INSERT INTO logos (id, tenant_id, newsletter_id, png, width, height, created_at) VALUES ('pic', $1, $2, $3, 4, 2, 1)`,
		n.TenantID, n.ID, base64.StdEncoding.EncodeToString(picture.Bytes())); err != nil {
		t.Fatal(err)
	}
	l.set("logo_id", "pic")
	l.page(db.PublicPage{Description: "What is <new>.\nEvery week.", Sender: "Contoso GmbH", Privacy: "https://contoso.example/privacy", Accent: "#ffee00", Device: true, Thanks: "Look <into> your inbox.", Sites: []string{"https://contoso.example"}})
	p := l.get(formPage).is(200, "What is <new>.", `class="device"`)
	d := document(t, p)
	if d.Find(`a[href="https://contoso.example/privacy"]`).Text() != "Privacy policy" || d.Find("new").Length() != 0 || d.Find("[style], style, script").Length() != 0 {
		t.Error("the privacy link, or what is no text")
	}
	logo := d.Find("img.logo")
	if logo.AttrOr("alt", "") != "Contoso GmbH" {
		t.Error("the logo has no name")
	}
	got := l.get(logo.AttrOr("src", "")).is(200)
	if got.body != picture.String() || got.head("Content-Type") != "image/png" || got.head("X-Content-Type-Options") != "nosniff" || !strings.Contains(got.head("Cache-Control"), "immutable") {
		t.Errorf("the logo comes as %v", got.header)
	}
	look := d.Find(`link[rel=stylesheet]`).Last().AttrOr("href", "")
	css := l.get(look).is(200, "--accent:#ffee00;--on-accent:#000000")
	if look != formPage+"/look/ffee00.css" || !strings.HasPrefix(css.head("Content-Type"), "text/css") || !strings.Contains(css.head("Cache-Control"), "immutable") {
		t.Errorf("%s: %v", look, css.header)
	}
	l.get(formPage+"/thanks").is(200, "Look <into> your inbox.", "Back to contoso.example").hasNot("<into>")
	framed := document(t, l.get(formPage+"?frame=1").is(200))
	if framed.Find("html.framed").Length() != 1 || framed.Find("form").AttrOr("action", "") != formPage+"?frame=1" {
		t.Error("a frame isn't told")
	}
	l.post(formPage+"?frame=1", "email", "jane@").is(422, `class="device framed"`)
	l.post(formPage+"?frame=1", "email", "jane@example.com").to(formPage + "/thanks?frame=1")
	for _, path := range []string{"/look/red.css", "/look/ffee00", "/look/ffee000.css", "/logo/other.png", "/logo/pic", "/logo/..%2fpic.png"} {
		l.get(formPage + path).is(404)
	}
	l.get("/signup/fabrikam-weekly/logo/pic.png").is(404)
	l.page(db.PublicPage{Privacy: "javascript:alert(1)", Sites: []string{"javascript://x/%0aalert(1)"}})
	l.get(formPage).is(200, "Privacy policy").hasNot("javascript:")
	l.get(formPage + "/thanks").is(200).hasNot("javascript:")

	l.page(db.PublicPage{Redirect: "https://contoso.example/thanks?a=b"})
	policy := l.get(formPage + "?redirect=https://evil.example").is(200).head("Content-Security-Policy")
	if !strings.Contains(policy, "form-action 'self' https:;") {
		t.Error(policy)
	}
	l.post(formPage, "email", "joe@example.com", "redirect", "https://evil.example").to("https://contoso.example/thanks?a=b")
	if policy := l.get("/signup/fabrikam-weekly").is(200).head("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self';") {
		t.Error(policy)
	}
}

func TestTheSchemaOfAForm(t *testing.T) {
	t.Parallel()
	l := openLetter(t)
	l.save(ownFields)
	p := l.get(formPage + "/schema.json").is(200)
	var schema struct {
		ID         string `json:"$id"`
		Title      string
		Properties map[string]any
		Required   []string
	}
	if err := json.Unmarshal([]byte(p.body), &schema); err != nil || p.head("Content-Type") != "application/schema+json" || p.head("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v: %v", err, p.header)
	}
	if schema.ID != l.url+formPage+"/schema.json" || schema.Title != "Contoso Weekly" || len(schema.Properties) != 19 || fmt.Sprint(schema.Required) != "[email postcode]" {
		t.Errorf("%+v", schema)
	}
	l.get("/signup/nobody/schema.json").is(404)
}

// Eight fields, a list of all countries among them, and all that the page loads are small.
func TestALongFormIsSmall(t *testing.T) {
	t.Parallel()
	l := openLetter(t)
	l.save(func(d *forms.Definition) {
		ownFields(d)
		d.Fields = append(d.Fields[:6:6], d.Fields[8], d.Fields[12])
	})
	l.page(db.PublicPage{Accent: "#123456", Description: strings.Repeat("What is new. ", 10), Language: "fr"})
	total := 0
	p := l.get(formPage, "Accept-Encoding", "gzip, br").is(200)
	total += len(p.body)
	if p.head("Content-Encoding") != "br" || p.head("Set-Cookie") != "" {
		t.Errorf("%v", p.header)
	}
	plain := l.get(formPage).is(200)
	for _, m := range regexp.MustCompile(`<(?:link|img)[^>]*(?:href|src)="([^"]+)"`).FindAllStringSubmatch(plain.body, -1) {
		total += len(l.get(html.UnescapeString(m[1]), "Accept-Encoding", "br").is(200).body)
	}
	if total > 14<<10 || total < 3<<10 {
		t.Errorf("%d bytes", total)
	}
	t.Logf("%d bytes", total)
}

// The stylesheet's grounds are those that colours are computed for.
func TestTheGroundsOfForms(t *testing.T) {
	css, err := os.ReadFile("../static/files/signup.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, _ := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	for text, grounds := range map[string][]forms.Colour{light: forms.LightGrounds, dark: forms.DarkGrounds} {
		for i, name := range []string{"surface", "ground"} {
			m := regexp.MustCompile(`--` + name + `: (#[0-9a-f]+)`).FindStringSubmatch(text)
			if m == nil || strings.Replace(m[1], "#fff", "#ffffff", 1) != grounds[i].String() {
				t.Errorf("%s is %v, want %s", name, m, grounds[i])
			}
		}
		accent, ok := forms.ParseColour(regexp.MustCompile(`--accent: (#[0-9a-f]+)`).FindStringSubmatch(text)[1])
		if p := forms.PaletteOn(accent, grounds...); !ok || p.Text != accent {
			t.Errorf("Gatepost's own accent %s can't be read", accent)
		}
	}
}

// Whatever a form is: what its page shows is what it asks for, what is filled in there is what is
// stored and what the person's page tells; what is refused is shown again with all that was typed.
func TestWhatIsShownIsStored(t *testing.T) {
	t.Parallel()
	l := openLetter(t)
	admin := l.as(john, "contoso")
	stored, refused := 0, 0
	for seed := range uint64(12) {
		c := formstest.New(seed)
		d, n := c.Definition(t), l.now()
		d.Version = n.Form.Version + 1
		if err := l.store.SaveForm(t.Context(), n.TenantID, n.ID, d, ""); err != nil {
			t.Fatal(err)
		}
		l.service.Forget()
		shown := document(t, l.get(formPage).is(200))
		for _, f := range d.Fields {
			controls := shown.Find(`[name="` + f.Key + `"]`)
			if (controls.Length() > 0) == f.Deleted || !f.Deleted && f.Type != forms.Hidden && !strings.Contains(shown.Find("form").Text(), f.Name(forms.English)) {
				t.Errorf("seed %d: %s is shown %d times", seed, f.Key, controls.Length())
			}
			for _, o := range f.Options {
				if !f.Deleted && shown.Find("form").Find(`[value="`+strings.ReplaceAll(o.Value, `"`, `\"`)+`"]`).Length() == 0 {
					t.Errorf("seed %d: %s doesn't offer %q", seed, f.Key, o.Value)
				}
			}
		}
		for try := range 4 {
			email := fmt.Sprintf("r%d-%d@example.com", seed, try)
			sent := forms.Sent{}
			body := url.Values{}
			for key, v := range c.Sent(d) {
				if v.Kind == input.OfForm || key == forms.ConsentKey {
					sent[key] = input.Value{Texts: v.Texts}
				}
			}
			sent[forms.EmailID] = input.Value{Texts: []string{email}}
			for key, v := range sent {
				body[key] = v.Texts
			}
			p := l.do(http.MethodPost, formPage, body.Encode(), "Content-Type", formType)
			want, problems := d.Check(sent)
			if len(problems) > 0 {
				refused++
				showsAgain(t, fmt.Sprintf("seed %d, try %d", seed, try), document(t, p.is(422)), d, sent, problems)
				continue
			}
			stored++
			p.to(formPage + "/thanks")
			n := l.now()
			s, err := l.store.SubscriberAt(t.Context(), n.TenantID, n.ID, email)
			if err != nil {
				t.Fatal(err)
			}
			told := strings.Join(strings.Fields(document(t, admin.get("/subscribers/"+s.ID).is(200)).Find("main").Text()), " ")
			for _, f := range d.Fields {
				got := map[string]string{forms.EmailID: s.Email, forms.FirstNameID: s.FirstName, forms.LastNameID: s.LastName}[f.ID] + s.Fields[f.ID]
				if got != want[f.ID] {
					t.Errorf("seed %d, try %d: %s is stored as %q, want %q", seed, try, f.Key, got, want[f.ID])
				}
				if is := strings.Join(strings.Fields(f.Display(got, forms.English)), " "); got != "" && !strings.Contains(told, is) {
					t.Errorf("seed %d, try %d: %q isn't told", seed, try, is)
				}
			}
		}
	}
	if stored < 5 || refused < 5 {
		t.Errorf("%d stored, %d refused: the test proves little", stored, refused)
	}
}

// showsAgain fails the test unless a page shows what was sent, with what is wrong with it.
func showsAgain(t *testing.T, where string, p *goquery.Document, d forms.Definition, sent forms.Sent, problems forms.Problems) {
	t.Helper()
	for key := range problems {
		if p.Find("#"+key+"-error").Length() != 1 {
			t.Errorf("%s: nothing is said of %s", where, key)
		}
	}
	for _, f := range d.Shown() {
		texts := sent.Of(f).Texts
		if len(texts) != 1 || texts[0] == "" {
			continue
		}
		var got string
		switch control := p.Find(`[name="` + f.Key + `"]`).Last(); f.Type {
		case forms.Choices, forms.Checkbox, forms.Country:
			continue // only what there is can be chosen again
		case forms.Choice:
			got = control.Find("[selected]").AttrOr("value", "")
		case forms.LongText:
			got = control.Text()
		default:
			got = control.AttrOr("value", "")
		}
		if strings.ReplaceAll(got, "\ufffd", "\x00") != texts[0] && got != strings.ReplaceAll(texts[0], "\n", "") {
			t.Errorf("%s: %s is shown again as %q, was %q", where, f.Key, got, texts[0])
		}
	}
}
