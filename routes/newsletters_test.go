package routes_test

import (
	"net/http"
	"strings"
	"testing"

	"gatepost/db"
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
