package routes_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"gatepost/db"

	"github.com/PuerkitoBio/goquery"
)

func TestNewsletters(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	b.get("/newsletters").is(200, "Contoso Weekly", "None yet", "Open", w.url+"/signup/contoso-weekly", "1 newsletter").hasNot("Fabrikam")
	w.become(2, db.Outcome{State: db.Attention, Reason: "STRING_TOO_LONG"})
	b.get("/newsletters").is(200, "2 need attention", "Today", "/subscribers?newsletter=contoso-weekly&state=attention").hasNot("None yet")
	page := b.get("/newsletters/contoso-weekly").is(200, "Contoso Weekly", `value="`+w.url+`/signup/contoso-weekly"`, `<iframe class="preview" srcdoc="`, `sandbox="allow-same-origin"`, "E-mail address",
		"/newsletter/signup?newsletter=contoso-weekly")
	if !strings.Contains(page.head("Content-Security-Policy"), "frame-src 'self'") {
		t.Error("the preview is kept out")
	}
	// What is in the frame may be framed, and has what it needs.
	framed := w.browser().get("/signup/contoso-weekly").is(200)
	if framed.head("X-Frame-Options") != "" || !strings.Contains(framed.head("Content-Security-Policy"), "frame-ancestors *") {
		t.Error("the form can't be framed")
	}
	for _, path := range []string{"/newsletters/fabrikam-weekly", "/newsletters/nothing", "/newsletters/fabrikam-weekly/embed"} {
		b.get(path).is(404)
	}
	w.put(`INSERT INTO incidents (id, tenant_id, kind, about, cause, n, since, opened_at) SELECT $1, tenant_id, 'silent', id, '', 9, 7, 7 FROM newsletters WHERE slug = 'fabrikam-weekly'`, db.NewID())
	w.as(ann, "fabrikam").get("/newsletters").is(200, "No sign-ups lately")
}

// Home tells of a form that went silent, and leaves to its other parts what they tell.
func TestASilentFormOnHome(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.connect(sfJohn).to(connected)
	w.someone("contoso", "reader@contoso.test")
	w.put(`INSERT INTO incidents (id, tenant_id, kind, about, cause, n, since, opened_at) SELECT $1, tenant_id, 'attention', tenant_id, 'STRING_TOO_LONG', 9, 7, 7 FROM newsletters WHERE slug = 'contoso-weekly'`, db.NewID())
	b.get("/").is(200).hasNot("No sign-ups from a busy form", "sign-ups need attention")
	w.put(`INSERT INTO incidents (id, tenant_id, kind, about, cause, n, since, opened_at) SELECT $1, tenant_id, 'silent', id, '', 9, 7, 7 FROM newsletters WHERE slug = 'contoso-weekly'`, db.NewID())
	b.get("/").is(200, "No sign-ups from a busy form", "Contoso Weekly has had no sign-up")
}

var code = regexp.MustCompile(`(?s)<code>(.*?)</code>`)

// What one copies works as it stands: the frame shows the form, and the form signs up.
func TestEmbedCode(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.put(`UPDATE newsletters SET name = 'News "& <More>', consent = 'I agree to <b> & "all".' WHERE slug = 'contoso-weekly'`)
	found := code.FindAllStringSubmatch(w.as(john, "contoso").get("/newsletters/contoso-weekly/embed").is(200).body, -1)
	if len(found) != 2 {
		t.Fatalf("%d blocks of code", len(found))
	}
	parsed := func(i int) *goquery.Selection {
		d, err := goquery.NewDocumentFromReader(strings.NewReader(html.UnescapeString(found[i][1])))
		if err != nil {
			t.Fatal(err)
		}
		return d.Find("body").Children()
	}
	frame := parsed(0)
	if frame.Length() != 1 || frame.AttrOr("src", "") != w.url+"/signup/contoso-weekly" || frame.AttrOr("title", "") != `Sign up for News "& <More>` {
		t.Errorf("the frame is %s", found[0][1])
	}
	f := parsed(1)
	if f.Length() != 1 || !f.Is("form") || f.Find("p").Text() != `I agree to <b> & "all".` || f.Find("label").Length() != 3 {
		t.Fatalf("the form is %s", found[1][1])
	}
	sent := url.Values{}
	f.Find("input").Each(func(_ int, s *goquery.Selection) {
		sent.Set(s.AttrOr("name", ""), map[string]string{"email": "jane@reader.example", "first_name": "Jane", "last_name": "Doe"}[s.AttrOr("name", "")])
	})
	address := strings.TrimPrefix(f.AttrOr("action", ""), w.url)
	w.browser().do(strings.ToUpper(f.AttrOr("method", "")), address, sent.Encode(), "Content-Type", formType, "Origin", "https://contoso.example").to("/signup/contoso-weekly/thanks")
	if n := w.count(`SELECT count(*) FROM subscribers WHERE email = 'jane@reader.example' AND first_name = 'Jane' AND last_name = 'Doe'`); n != 1 {
		t.Errorf("%d signed up", n)
	}
}

func TestNewslettersStoreFails(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	if err := w.news.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/newsletters", "/newsletters/contoso-weekly", "/newsletters/contoso-weekly/embed"} {
		b.do(http.MethodGet, path, "").isRecorded(path, "database is closed")
	}
}
