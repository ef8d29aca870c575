package routes_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatepost/newsletter"
	"gatepost/routes"
)

func TestNewNewsletterRefused(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	b.get("/newsletters/new").is(200, "Create newsletter", w.url+"/signup/", "Its sign-ups go to Salesforce.")
	for name, c := range map[string]struct {
		sent []string
		says string
	}{
		"nothing":    {[]string{}, "Please enter a name"},
		"no Latin":   {[]string{"name", "Новости", "language", "en"}, "Please enter a URL name"},
		"taken":      {[]string{"name", "News <b>", "slug", "fabrikam-weekly", "language", "en", "sender", "Maria"}, "This URL name is taken"},
		"reserved":   {[]string{"name", "Sign up", "slug", "signup", "language", "en"}, "kept for the service"},
		"a language": {[]string{"name", "News", "language", "xx"}, "Please choose one of these languages"},
	} {
		p := b.submit("/newsletters", c.sent...).is(422, c.says, "That didn’t work yet")
		for i := 0; i < len(c.sent); i += 2 {
			if c.sent[i] != "language" {
				p.is(422, c.sent[i+1])
			}
		}
		if strings.Contains(p.body, "News <b>") {
			t.Errorf("%s: a name is HTML", name)
		}
	}
	b.submit("/newsletters", "name", "Größe & Neues", "language", "de", "sender", "Maria").to("/newsletters/groesse-and-neues")
	b.get("/newsletters/groesse-and-neues").is(200, "Größe & Neues is there", "Ich möchte Größe & Neues per E-Mail erhalten.")
	w.browser().get("/signup/groesse-and-neues").is(200, "Maria", `lang="de"`, "Größe & Neues")
	w.as(ann, "fabrikam").get("/newsletters/groesse-and-neues").is(404)
}

func TestNewsletterOfAnotherTenant(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	for _, path := range []string{"", "/settings", "/archive", "/embed"} {
		b.get("/newsletters/fabrikam-weekly" + path).is(404)
	}
	for _, path := range []string{"/form", "/preview", "/settings", "/state"} {
		b.submit("/newsletters/fabrikam-weekly"+path, "name", "Mine", "slug", "mine", "language", "en", "state", "archived", "words", "Mine", "do", "save").is(404)
	}
	if n := w.count(`SELECT count(*) FROM newsletters WHERE name = 'Fabrikam Weekly' AND revision = 0 AND state = 'open'`); n != 1 {
		t.Error("it was changed")
	}
}

// settings are those of a newsletter as a form sends them; more replaces some.
func settings(more ...string) []string {
	v := map[string]string{"name": "Contoso Weekly", "slug": "contoso-weekly", "language": "en", "look": "light", "revision": "0", "description": "", "sender": "", "privacy": "", "accent": "", "thanks": "", "redirect": ""}
	for i := 0; i < len(more); i += 2 {
		v[more[i]] = more[i+1]
	}
	var pairs []string
	for name, value := range v {
		pairs = append(pairs, name, value)
	}
	return pairs
}

const settingsPage = "/newsletters/contoso-weekly/settings"

func TestNewsletterSettingsRefused(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	b.get(settingsPage).is(200, `value="Contoso Weekly"`, "Archive", "srcdoc")
	for name, says := range map[string]string{"name": "Please enter a name", "accent": "A colour is #", "redirect": "begins with https://", "privacy": "begins with https://", "language": "Please choose"} {
		bad := map[string]string{"name": " ", "accent": "gr<en", "redirect": "/else<where", "privacy": "http://<x>", "language": "<xx>"}[name]
		p := b.submit(settingsPage, settings(name, bad, "description", "typed <i>here")...).is(422, says, "typed <i>here").hasNot("<i>here")
		if !strings.Contains(p.body, `id="`+name+`-error"`) {
			t.Errorf("the error of %s is elsewhere", name)
		}
	}
	b.submit(settingsPage, settings("slug", "fabrikam-weekly")...).is(422, "This URL name is taken", `value="fabrikam-weekly"`)
	b.submit("/newsletters/contoso-weekly/state", "state", "gone").to(settingsPage)
	if n := w.count(`SELECT count(*) FROM newsletters WHERE slug = 'contoso-weekly' AND revision = 0 AND page = '' AND state = 'open'`); n != 1 {
		t.Error("something was stored")
	}
	w.announce(http.MethodPost, settingsPage, "multipart/form-data; boundary=x", 70_000).is(413) // without a session
}

// A second admin's edit in between is said, and nothing of what was typed is lost; saving again replaces theirs.
func TestNewsletterSettingsLostUpdate(t *testing.T) {
	t.Parallel()
	w := open(t)
	one, other := w.as(john, "contoso"), w.as(max, "contoso")
	other.submit(settingsPage, settings("name", "Theirs", "slug", "theirs")...).to("/newsletters/theirs/settings")
	p := one.submit(settingsPage, settings("name", "Mine", "description", "All of it")...).is(409, "Somebody else has changed", `value="Mine"`, "All of it", "Saved now: “Theirs”", "Saved now: “theirs”")
	revision := p.hidden("revision")
	one.submit(settingsPage, settings("name", "Mine", "description", "All of it", "revision", revision)...).to(settingsPage)
	one.get(settingsPage).is(200, "Saved. The form’s address is "+w.url+"/signup/contoso-weekly now", "All of it")
	for _, slug := range []string{"contoso-weekly", "theirs"} { // each that it had leads there
		w.browser().get("/signup/"+slug).is(200, "Mine", "I want to receive Theirs by e-mail")
		one.get("/newsletters/"+slug).is(200, "Mine")
	}
	w.as(ann, "fabrikam").submit("/newsletters", "name", "Theirs", "language", "en").is(422, "This URL name is taken")
}

// sendLogo sends the settings with a file.
func (b *browser) sendLogo(file []byte, fields ...string) page {
	b.w.t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	fields = append(settings(fields...), "csrf", b.token())
	for i := 0; i < len(fields); i += 2 {
		if err := m.WriteField(fields[i], fields[i+1]); err != nil {
			b.w.t.Fatal(err)
		}
	}
	part, err := m.CreateFormFile("logo", "logo.png")
	if err == nil {
		_, err = part.Write(file)
	}
	if err == nil {
		err = m.Close()
	}
	if err != nil {
		b.w.t.Fatal(err)
	}
	return b.do(http.MethodPost, settingsPage, body.String(), "Content-Type", m.FormDataContentType())
}

func TestNewsletterLogo(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	var good bytes.Buffer
	if err := png.Encode(&good, image.NewGray(image.Rect(0, 0, 900, 90))); err != nil {
		t.Fatal(err)
	}
	b.sendLogo([]byte("<svg/>"), "description", "typed").is(422, "This is an SVG", `id="logo-error"`, "typed")
	b.sendLogo(append(good.Bytes(), make([]byte, 2<<20)...)).is(422, "more than 2 MB")
	b.sendLogo(good.Bytes(), "accent", "none").is(422, "choose the file again")
	if n := w.count(`SELECT count(*) FROM logos`); n != 0 {
		t.Errorf("%d logos", n)
	}
	b.sendLogo(good.Bytes()).to(settingsPage)
	shown := regexp.MustCompile(`<img src="([^"]*)"`).FindStringSubmatch(b.get(settingsPage).is(200, "Show no logo").body)
	if shown == nil {
		t.Fatal("no logo is shown")
	}
	p := w.browser().get(shown[1]).is(200)
	if c, err := png.DecodeConfig(strings.NewReader(p.body)); err != nil || c.Width != 600 || c.Height != 60 || p.head("Content-Type") != "image/png" {
		t.Errorf("%+v, %v, %v", c, err, p.header)
	}
	b.submit(settingsPage, settings("revision", "1", "no_logo", "on")...).to(settingsPage)
	b.get(settingsPage).is(200).hasNot("Show no logo")
	w.browser().get(shown[1]).is(404)
}

// What is paused or archived takes nothing, says so, and can be opened again.
func TestNewsletterStates(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	b.submit("/newsletters", "name", "Other", "language", "en").to("/newsletters/other")
	for state, says := range map[string][2]string{"paused": {"takes no sign-ups until you open it again", "No new sign-ups right now"}, "archived": {"is archived, and its form says so", "Sign-ups have ended"}} {
		b.submit("/newsletters/contoso-weekly/state", "state", state).to(settingsPage)
		b.get(settingsPage).is(200, says[0], "Open again")
		w.browser().get("/signup/contoso-weekly").is(200, says[1])
		w.browser().post("/signup/contoso-weekly", "email", "late@reader.test").is(409, says[1])
		b.get("/newsletters").is(200, strings.ToUpper(state[:1])+state[1:])
		b.get("/newsletter/signup").is(200).hasNot("contoso-weekly")
		b.submit("/newsletter/signup", "newsletter", "contoso-weekly", "email", "late@reader.test").is(422, "takes no sign-ups now")
	}
	b.get("/newsletters/contoso-weekly/archive").is(200, "Nobody gets an e-mail", "goes on to your CRM")
	b.submit("/newsletters/contoso-weekly/state", "state", "open").to(settingsPage)
	w.someone("contoso", "again@reader.test")
	if n := w.count(`SELECT count(*) FROM mails`); n != 0 {
		t.Errorf("%d mails", n)
	}
}

// drafted is a form of these fields, each the values of its columns, as the editor sends it.
func drafted(do string, fields []map[string]string, more ...string) []string {
	pairs := append([]string{"do", do, "version", "0", "words", "I want it.", "box", "statement"}, more...)
	for _, f := range fields {
		for _, column := range []string{"ref", "type", "label", "help", "placeholder", "most", "pattern", "purpose", "options", "from", "key"} {
			pairs = append(pairs, column, f[column])
		}
		if f["required"] != "" {
			pairs = append(pairs, "required", f["ref"])
		}
	}
	return pairs
}

var (
	emailRow = map[string]string{"ref": "email", "type": "email", "key": "email"}
	firstRow = map[string]string{"ref": "first_name", "type": "name", "key": "first_name"}
	company  = map[string]string{"ref": "new1", "type": "text", "label": "Company <b>", "required": "yes"}
)

const editorForm = "/newsletters/contoso-weekly/form"

// refsIn are the fields in the editor of a page, in their order.
func (p page) refsIn() (refs []string) {
	for _, m := range regexp.MustCompile(`name="ref" value="([^"]*)"`).FindAllStringSubmatch(p.body, -1) {
		refs = append(refs, m[1])
	}
	return refs
}

// The editor's buttons change what is on the page, keep what was typed, and store nothing.
func TestFormEditorButtons(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	fields := []map[string]string{emailRow, firstRow, company}
	for do, want := range map[string]string{"add": "email first_name new1 new2", "up:new1": "email new1 first_name", "up:email": "email first_name new1", "down:email": "first_name email new1", "delete:first_name": "email new1",
		"delete:email": "email first_name new1", "up:unknown": "email first_name new1", "preview": "email first_name new1", "nonsense": "email first_name new1"} {
		p := b.submit(editorForm, drafted(do, fields, "add", "choice")...).is(200, "Company <b>", "Not saved yet", "I want it.").hasNot("Company <b>")
		if got := strings.Join(p.refsIn(), " "); got != want {
			t.Errorf("%s: %s, want %s", do, got, want)
		}
	}
	p := b.submit(editorForm, drafted("add", fields, "add", "last_name")...).is(200)
	if !slices.Contains(p.refsIn(), "last_name") {
		t.Errorf("what was taken away is not brought back: %v", p.refsIn())
	}
	b.submit("/newsletters/contoso-weekly/preview", drafted("", fields)...).is(200, "srcdoc", "I want it.", "Company &lt;b&gt;")
	b.submit("/newsletters/contoso-weekly/preview", settings("name", "Quite other", "accent", "nonsense", "revision", "7")...).is(200, "Quite other", "I want to receive Contoso Weekly")
	if n := w.count(`SELECT count(*) FROM form_versions`); n != 0 {
		t.Errorf("%d versions were stored", n)
	}
}

func TestFormEditorRefuses(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	row := func(more ...string) map[string]string {
		f := map[string]string{"ref": "new1", "type": "text", "label": "Company"}
		for i := 0; i < len(more); i += 2 {
			f[more[i]] = more[i+1]
		}
		return f
	}
	for name, c := range map[string]struct {
		row      map[string]string
		at, says string
	}{
		"no label":    {row("label", ""), "label-new1", "A field needs a label"},
		"a password":  {row("label", "Your password"), "label-new1", "mustn’t ask for passwords"},
		"a length":    {row("most", "many"), "most-new1", "enter a number"},
		"a type":      {row("type", "rocket"), "type-new1", "Choose a type"},
		"no options":  {row("type", "choice"), "options-new1", "at least one option"},
		"same option": {row("type", "choice", "options", "One\nOne"), "options-new1", "Line 2: This option is there twice"},
		"a key":       {row("key", "Not a key"), "key-new1", "Use small letters"},
		"a key taken": {row("key", "email"), "key-new1", "belongs to another field"},
		"a pattern":   {row("pattern", "[a-z"), "pattern-new1", "from the list"},
		"no source":   {row("type", "hidden"), "from-new1", "where its value comes from"},
	} {
		p := b.submit(editorForm, drafted("save", []map[string]string{emailRow, c.row})...).is(422, c.says, "Not saved yet", "I want it.")
		if !strings.Contains(p.body, `id="`+c.at+`-error"`) || strings.Join(p.refsIn(), " ") != "email new1" {
			t.Errorf("%s: the error is elsewhere, or a field is lost: %v", name, p.refsIn())
		}
	}
	b.submit(editorForm, drafted("save", []map[string]string{firstRow})...).is(422, "The e-mail address can’t be removed")
	b.submit(editorForm, slices.Replace(drafted("save", []map[string]string{emailRow}), 5, 6, " ")...).is(422, "A form needs the words", `id="words-error"`)
	if n := w.count(`SELECT count(*) FROM form_versions`); n != 0 {
		t.Errorf("%d versions were stored", n)
	}
}

// What is saved is what readers get, and a second admin's edit in between is said.
func TestFormEditorSaves(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	topics := map[string]string{"ref": "new2", "type": "choices", "label": "Topics", "options": "Sport\nArt = a"}
	fields := []map[string]string{emailRow, company, topics}
	fields[1] = map[string]string{"ref": "new1", "type": "text", "label": "Company & Co", "required": "yes", "purpose": "organization"}
	b.submit(editorForm, drafted("save", fields, "button", "Join")...).to("/newsletters/contoso-weekly")
	b.get("/newsletters/contoso-weekly").is(200, "Saved as version 1", "Version 1", "by "+john, "Bring back: First name", "Art = a")
	w.browser().get("/signup/contoso-weekly").is(200, "Company & Co", "Topics", `value="a"`, "I want it.", "Join", `autocomplete="organization"`).hasNot("First name")
	w.browser().post("/signup/contoso-weekly", "email", "jane@reader.test").is(422)
	w.browser().post("/signup/contoso-weekly", "email", "jane@reader.test", "company_co", "Acme", "topics", "a").to("/signup/contoso-weekly/thanks")
	other := w.as(max, "contoso")
	p := other.submit(editorForm, drafted("save", []map[string]string{emailRow, firstRow})...).is(409, "Somebody else has changed", "I want it.")
	if version := p.hidden("version"); version != "1" || strings.Join(p.refsIn(), " ") != "email first_name" {
		t.Errorf("version %s, %v", version, p.refsIn())
	}
}

// Views are counted by how a form was looked at; what an admin sees of it in the portal is none.
func TestNumbersOfANewsletter(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	w.someone("contoso", "jane@reader.test")
	hour := `CAST($1 AS BIGINT) / 3600000 * 3600000`
	w.put(`INSERT INTO view_counts (tenant_id, newsletter_id, hour, kind, n) SELECT tenant_id, id, `+hour+`, 'page', 7 FROM newsletters WHERE slug = 'contoso-weekly'`, w.store.Now().UnixMilli())
	w.put(`INSERT INTO view_counts (tenant_id, newsletter_id, hour, kind, n) SELECT tenant_id, id, `+hour+`, 'frame', 1 FROM newsletters WHERE slug = 'contoso-weekly'`, w.store.Now().UnixMilli())
	b.get("/newsletters/contoso-weekly").is(200, "1 of them in frames", "12.5 %", "Of the latest 1 sign-up.", "Form")
	w.as(ann, "fabrikam").get("/newsletters/fabrikam-weekly").is(200, "Nobody signed up lately").hasNot("12.5 %")
}

func TestNewsletterEditsStoreFails(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	token := b.token()
	if err := w.news.Close(); err != nil {
		t.Fatal(err)
	}
	b.get(settingsPage).isRecorded(settingsPage, "database is closed")
	b.get("/newsletters/contoso-weekly/archive").isRecorded("archive", "database is closed")
	for path, pairs := range map[string][]string{"/newsletters": {"name", "News", "language", "en"}, settingsPage: settings(), editorForm: drafted("save", []map[string]string{emailRow}), "/newsletters/contoso-weekly/preview": settings(),
		"/newsletters/contoso-weekly/state": {"state", "paused"}} {
		v := url.Values{"csrf": {token}}
		for i := 0; i < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		b.do(http.MethodPost, path, v.Encode(), "Content-Type", formType).isRecorded(path, "database is closed")
	}
}

// A look at the form counts by how it was looked at; one that nobody sees, or an admin in the portal, doesn't.
func TestViewsAreCounted(t *testing.T) {
	t.Parallel()
	var letters *newsletter.Service
	w := open(t, func(c *routes.Config) { letters = c.Newsletters })
	b := w.browser()
	for _, headers := range [][]string{{}, {"Sec-Fetch-Dest", "document"}, {"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "same-origin"}, {"Sec-Purpose", "prefetch"}} {
		b.get("/signup/contoso-weekly", headers...).is(200)
	}
	b.get("/signup/contoso-weekly?frame=1").is(200)
	b.do(http.MethodHead, "/signup/contoso-weekly", "").is(200)
	b.get("/signup/nobody").is(404)
	ended, end := context.WithCancel(t.Context())
	end()
	letters.CountViews(ended) // stores what was counted, and ends
	for kind, want := range map[string]int{"page": 2, "frame": 2} {
		if n := w.count(`SELECT COALESCE(sum(n), 0) FROM view_counts WHERE kind = $1 AND tenant_id = $2`, kind, w.tenant("contoso").ID); n != want {
			t.Errorf("%d views of kind %s, want %d", n, kind, want)
		}
	}
}
