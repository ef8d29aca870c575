package routes_test

import (
	"crypto/sha512"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"gatepost/forms"

	"github.com/PuerkitoBio/goquery"
)

// parsed are the elements of a text in HTML.
func parsed(t *testing.T, source string) *goquery.Selection {
	t.Helper()
	d, err := goquery.NewDocumentFromReader(strings.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	return d.Find("body")
}

func sha384(s string) string {
	sum := sha512.Sum384([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// What one copies works as it stands: the form signs up, the frame shows the form, and the
// script is the one that its hash is of.
func TestEmbedCode(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.put(`UPDATE newsletters SET name = 'News "& <More>', consent = 'I agree to <b> & "all".' WHERE slug = 'contoso-weekly'`)
	page := w.as(john, "contoso").get("/newsletters/contoso-weekly/embed").is(200, "sets a cookie", "no cookie banner", "not a wall")
	whole := parsed(t, page.body)
	var order []string
	whole.Find("main h2").Each(func(_ int, s *goquery.Selection) { order = append(order, s.Text()) })
	if got := strings.Join(order, ", "); got != "1. Plain HTML form, 2. With a small script, 3. In a frame, Your sites" {
		t.Errorf("the ways are %s", got)
	}
	code := func(id string) string {
		t.Helper()
		if whole.Find(`button[data-copy=`+id+`]`).Length() != 1 {
			t.Errorf("%s can't be copied", id)
		}
		return whole.Find("#" + id + " code").Text()
	}
	plain := code("code-html")
	if strings.Contains(plain, "script") || code("code-wordpress") != "<!-- wp:html -->\n"+plain+"<!-- /wp:html -->\n" || !strings.Contains(code("code-react"), `I agree to \u003cb\u003e`) {
		t.Errorf("the plain form is %s", plain)
	}
	form := parsed(t, plain).Children()
	if form.Length() != 1 || !form.Is("form") || !strings.Contains(form.Text(), `I agree to <b> & "all".`) || form.Find("label").Length() != 3 {
		t.Fatalf("the form is %s", plain)
	}
	if preview := parsed(t, whole.Find("iframe[srcdoc]").AttrOr("srcdoc", "")); preview.Find("form label").Length() != 3 {
		t.Error("the preview is of something else")
	}
	frame := parsed(t, code("code-frame")).Find("iframe")
	if src := strings.TrimPrefix(frame.AttrOr("src", ""), w.url); frame.AttrOr("title", "") != `News "& <More>` || src != whole.Find("iframe[src]").AttrOr("src", "") {
		t.Errorf("the frame is %s", code("code-frame"))
	} else {
		w.browser().get(src).is(200, `I agree to <b> & "all".`)
	}
	for _, id := range []string{"code-script", "code-frame"} {
		found := parsed(t, code(id))
		if found.Find("[data-gatepost]").Length() != 1 {
			t.Errorf("the script leaves %s alone", code(id))
		}
		script := found.Find("script")
		address, _ := strings.CutPrefix(script.AttrOr("src", ""), w.url)
		if got := "sha384-" + sha384(w.browser().get(address).is(200).body); got != script.AttrOr("integrity", "") || script.AttrOr("crossorigin", "") != "anonymous" {
			t.Errorf("the script is %s, and says %s", got, code(id))
		}
	}
	sent := url.Values{}
	form.Find("input").Each(func(_ int, s *goquery.Selection) { sent.Set(s.AttrOr("name", ""), s.AttrOr("value", "")) })
	for name, value := range map[string]string{"email": "jane@reader.example", "first_name": "Jane", "last_name": "Doe"} {
		if !sent.Has(name) {
			t.Errorf("there is no %s", name)
		}
		sent.Set(name, value)
	}
	address := strings.TrimPrefix(form.AttrOr("action", ""), w.url)
	w.browser().do(strings.ToUpper(form.AttrOr("method", "")), address, sent.Encode(), "Content-Type", formType, "Origin", "https://contoso.example").to("/signup/contoso-weekly/thanks")
	if n := w.count(`SELECT count(*) FROM subscribers WHERE email = 'jane@reader.example' AND first_name = 'Jane' AND last_name = 'Doe'`); n != 1 {
		t.Errorf("%d signed up", n)
	}
}

// The sites on which a form stands are stored as browsers name them; what is wrong is said
// beside the field, and what was typed stays.
func TestSites(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	const path = "/newsletters/contoso-weekly/embed"
	stored := func(want string) {
		t.Helper()
		if n := w.count(`SELECT count(*) FROM newsletters WHERE slug = 'contoso-weekly' AND page LIKE $1`, "%"+want+"%"); n != 1 {
			t.Errorf("%s isn't stored", want)
		}
	}
	b.submit("/newsletters/fabrikam-weekly/embed", "sites", "https://evil.example").is(404)
	b.submit("/newsletters/nothing/embed", "sites", "https://evil.example").is(404)
	refused := b.submit(path, "sites", "https://contoso.example\nnowhere").is(422, "nowhere isn’t the address of a site", "https://contoso.example\nnowhere", `aria-invalid="true"`)
	if got := parsed(t, refused.body).Find("#sites").AttrOr("aria-describedby", ""); got != "sites-hint sites-error" {
		t.Errorf("the field is described by %q", got)
	}
	if n := w.count(`SELECT count(*) FROM newsletters WHERE page LIKE '%sites%'`); n != 0 {
		t.Error("something was stored")
	}
	w.put(`UPDATE newsletters SET page = '{"description":"Weekly"}' WHERE slug = 'contoso-weekly'`)
	b.submit(path, "sites", "WWW.Contoso.example/news\r\nhttps://shop.contoso.example").to(path)
	stored(`"description":"Weekly","sites":["https://www.contoso.example","https://shop.contoso.example"]`)
	b.get(path).is(200, "Saved.", "https://www.contoso.example\nhttps://shop.contoso.example")
	b.submit(path, "sites", "").to(path)
	stored(`{"description":"Weekly"}`)
}

// In a frame the form runs one script of ours, and on its own page none.
func TestFramedForm(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.giveForm("contoso-weekly", forms.Field{ID: "f1", Key: "campaign", Type: forms.Hidden, From: "utm_campaign"})
	b := w.browser()
	for _, way := range []struct {
		path   string
		status int
		pairs  []string
	}{{"/signup/contoso-weekly", 200, nil}, {"/signup/contoso-weekly/thanks", 200, nil}, {"/signup/nothing", 404, nil}, {"/signup/contoso-weekly", 422, []string{"email", "jane"}}} {
		for _, frame := range []string{"", "?frame=1"} {
			p := b.get(way.path + frame)
			if way.pairs != nil {
				p = b.post(way.path+frame, way.pairs...)
			}
			p.is(way.status)
			scripts := parsed(t, p.body).Parent().Find("script").Length()
			if allowed := strings.Contains(p.head("Content-Security-Policy"), "script-src 'self'"); allowed != (frame != "") || (scripts == 1) != allowed || scripts > 1 {
				t.Errorf("%s%s has %d scripts under %s", way.path, frame, scripts, p.head("Content-Security-Policy"))
			}
			if !strings.Contains(p.head("Content-Security-Policy"), "frame-ancestors *") {
				t.Errorf("%s%s can't be framed", way.path, frame)
			}
		}
	}
	if hidden := parsed(t, b.get("/signup/contoso-weekly?frame=1").body).Find(`input[name=campaign]`); hidden.AttrOr("data-from", "") != "utm_campaign" {
		t.Error("the page around the frame can't fill in the campaign")
	}
}

// A form that is sent by a script on somebody's page is a form, and is answered with what that
// page shows.
func TestAnswersForScripts(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.browser()
	send := func(email string) page {
		t.Helper()
		return b.do("POST", formPage, form("email", email), "Content-Type", formType, "Accept", "application/json", "Origin", "https://contoso.example")
	}
	if got := send("jane"); got.status != 422 || !strings.Contains(got.body, `"errors":{"email":`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	send("jane@reader.example").is(202, `"message":"You are signed up for Contoso Weekly."`).hasNot("redirect")
	if n := w.count(`SELECT count(*) FROM subscribers WHERE source = 'form'`); n != 1 {
		t.Error("it isn't taken for a form")
	}
	w = open(t)
	w.put(`UPDATE newsletters SET page = '{"language":"de","redirect":"https://contoso.example/danke"}' WHERE slug = 'contoso-weekly'`)
	b = w.browser()
	send("jane@reader.example").is(202, `"redirect":"https://contoso.example/danke"`).hasNot("You are")
}
