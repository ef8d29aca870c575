package routes_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"strings"
	"testing"

	"gatepost/routes"
)

// sendList sends a file of addresses.
func (b *browser) sendList(newsletter, file string) page {
	b.w.t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	_ = m.WriteField("csrf", b.token())
	_ = m.WriteField("newsletter", newsletter)
	part, err := m.CreateFormFile("list", "left.csv")
	if err != nil {
		b.w.t.Fatal(err)
	}
	_, _ = part.Write([]byte(file))
	_ = m.Close()
	return b.do("POST", "/suppression-list", body.String(), "Content-Type", m.FormDataContentType())
}

// A file of addresses has subscribers leave and notes the others, who then have to confirm by mail, or to be accepted.
func TestSuppressionList(t *testing.T) {
	t.Parallel()
	l := openLeaving(t, func(c *routes.Config) { c.SignupLimits = false })
	b := l.as(john, "contoso")
	b.get("/suppression-list").is(200, "No address yet", "Everything from Contoso")
	for name, tt := range map[string]struct{ newsletter, file, says string }{
		"empty":        {"", "", "choose a file"},
		"no address":   {"", "name\nnobody\n", "no e-mail address"},
		"no encoding":  {"", "\xff\xfe\x00\x00j\x00\x00\x00", "character encoding"},
		"far too long": {"", strings.Repeat("x", 1<<20+1), "at most 1 MB"},
	} {
		if p := b.sendList(tt.newsletter, tt.file); p.status != 422 || !strings.Contains(p.body, tt.says) {
			t.Errorf("%s: %d %s", name, p.status, p.text())
		}
	}
	b.submit("/suppression-list").is(422, "choose a file")
	b.sendList("nothing", "jane@reader.example").is(404)
	var theirs, ours string
	for slug, id := range map[string]*string{"fabrikam-weekly": &theirs, "contoso-weekly": &ours} {
		if err := l.store.Writer().QueryRow(`SELECT id FROM newsletters WHERE slug = $1`, slug).Scan(id); err != nil {
			t.Fatal(err)
		}
	}
	b.sendList(theirs, "jane@reader.example").is(404)
	if n := l.count(`SELECT count(*) FROM suppressions`) + l.count(`SELECT count(*) FROM suppression_lines`); n != 0 {
		t.Fatalf("%d were noted", n)
	}
	l.link("contoso", "jane@reader.example")
	l.link("contoso", "joe@reader.example")
	l.link("fabrikam", "jane@reader.example")
	p := b.sendList(ours, "E-mail,Why\r\nJANE@reader.example,x\r\nnobody\r\nnew@reader.example,\r\n")
	if p.status != 303 || !strings.HasPrefix(p.head("Location"), "/suppression-list/") {
		t.Fatalf("%d %s", p.status, p.text())
	}
	done := b.get(p.head("Location")).is(200, "Done", "They leave: Contoso Weekly", "1 who were subscribers", "1 who weren’t", "1: line 3")
	done.hasNot("new@reader", "jane@reader")
	b.get(p.head("Location")+"/live?done=2").is(200, "Done")
	l.as(ann, "fabrikam").get(p.head("Location")).is(404)
	b.get("/suppression-list").is(200, "Contoso Weekly", "1 left, 1 noted").hasNot("new@reader")
	if l.state("jane@reader.example") != "left list" || l.state("joe@reader.example") != "active " {
		t.Errorf("%s, %s", l.state("jane@reader.example"), l.state("joe@reader.example"))
	}
	if n := l.count(`SELECT count(*) FROM suppression_lines`); n != 0 {
		t.Errorf("%d addresses are kept", n)
	}
	// No mail server is there: who is on the list and signs up is held, and answered as others.
	l.browser().post(formPage, "email", "New@reader.example").to(formPage + "/thanks")
	if l.state("new@reader.example") != "held " {
		t.Errorf("signed up, and is %s", l.state("new@reader.example"))
	}
	if left, err := l.letters.Suppressed(t.Context(), l.tenant("contoso").ID, ours, "NEW@reader.example", "Jane@reader.example", "joe@reader.example", "other@reader.example"); err != nil || fmt.Sprint(left) != "map[jane@reader.example:true new@reader.example:true]" {
		t.Errorf("%v, %v", left, err)
	}
	b.submit("/suppression-list/remove", "email", "x").is(422, "Please check the address")
	b.submit("/suppression-list/remove", "email", "other@reader.example").to("/suppression-list")
	b.get("/suppression-list").is(200, "not on the list")
	b.submit("/suppression-list/remove", "email", " New <NEW@reader.example>").to("/suppression-list")
	b.get("/suppression-list").is(200, "off the list", "No address yet")
	csv := b.get("/subscribers.csv?newsletter=contoso-weekly").is(200, "left how,unsubscribe address", "Z,list,", l.url+"/unsubscribe/A")
	if n := strings.Count(csv.body, "/unsubscribe/"); n != 3 {
		t.Errorf("%d addresses in the file:\n%s", n, csv.body)
	}
	l.sums()
	if text := l.log.String(); strings.Contains(text, "@reader.example") {
		t.Error("the log has an address")
	}
	// A large file is gone on with by a job, and the page says how far it is.
	l.put(`INSERT INTO suppression_lists (tenant_id, id, newsletter_id, actor, total, done, started_at, resume_at) VALUES ($1, 'y', '', '', 50000, 250, 7, 7)`, l.tenant("contoso").ID)
	b.get("/suppression-list/y").is(200, "250 of 50,000 addresses done", `hx-get="/suppression-list/y/live?done=250"`)
	b.get("/suppression-list/y/live?done=250").is(204)
	b.get("/suppression-list/y/live?done=0").is(200, "250 of 50,000")
	if err := l.news.Close(); err != nil {
		t.Fatal(err)
	}
	b.get("/suppression-list").isRecorded("the list", "database is closed")
	b.sendList("", "a@b.example").isRecorded("a file", "database is closed")
}
