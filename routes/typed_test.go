package routes_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatepost/auth"
	"gatepost/routes"

	"github.com/PuerkitoBio/goquery"
)

// secretName is what a field may be called that must never be carried.
var secretName = regexp.MustCompile(`(?i)pass|secret|token|csrf|current|code|key_id|private`)

// Each form of the portal says where one comes back to, and what comes with one.
func TestEveryFormSaysWhereOneComesBackTo(t *testing.T) {
	t.Parallel()
	w := open(t)
	acts, pages, forms := routes.Acts(), []string{}, []string{}
	for _, r := range w.mine() {
		switch r.Method {
		case http.MethodGet:
			pages = append(pages, r.Path)
		case http.MethodPost:
			forms = append(forms, r.Path)
			if _, ok := acts[r.Path]; !ok {
				t.Errorf("%s has no row in acts: where does one go who has to log in first, and what was typed?", r.Path)
			}
		}
	}
	for route, a := range acts {
		if !slices.Contains(forms, route) {
			t.Errorf("%s is no form (any more)", route)
		}
		if a.Back != "" && !slices.Contains(pages, a.Back) {
			t.Errorf("%s leads back to %s, which is no page", route, a.Back)
		}
		for name, label := range a.Typed {
			if secretName.MatchString(name) || secretName.MatchString(label) {
				t.Errorf("%s carries %q", route, name)
			}
		}
	}
}

// fillIn is a form with all that is carried of it, and with what must not be.
func fillIn(a routes.Act, csrf string) (body string, shown []string) {
	v := url.Values{"csrf": {csrf}, "password": {"a-password"}, "current": {"a-password"}, "password_again": {"a-password"}, "client_secret": {"a-secret"}, "token": {"a-token"}, "other": {"another"}}
	for name, label := range a.Typed {
		v.Set(name, "typed <i>"+name+"</i> “ä”")
		if label != "" {
			shown = append(shown, label, "typed <i>"+name+"</i> “ä”")
		}
	}
	return v.Encode(), shown
}

// send posts a form.
func (b *browser) send(path, body string, headers ...string) page {
	b.w.t.Helper()
	return b.do(http.MethodPost, path, body, append(headers, "Content-Type", formType)...)
}

// logIn fills in the log-in form of a page.
func (p page) logIn(b *browser, email, password string) page {
	p.w.t.Helper()
	pairs := []string{"csrf", p.hidden("csrf"), "next", p.hidden("next"), "email", email, "password", password}
	if strings.Contains(p.body, `name="typed"`) {
		pairs = append(pairs, "typed", p.hidden("typed"))
	}
	return b.post("/login", pairs...)
}

// Whatever was typed by somebody who was logged out meanwhile comes back after the log-in,
// and is sent again by hand. Passwords and secrets don't.
func TestWhatWasTypedSurvivesALogIn(t *testing.T) {
	t.Parallel()
	w := open(t)
	tried := 0
	for _, r := range w.mine() {
		a := routes.Acts()[r.Path]
		if r.Method != http.MethodPost || len(a.Typed) == 0 {
			continue
		}
		tried++
		b := w.as(john, "contoso")
		body, shown := fillIn(a, b.token())
		b.submit("/logout").to("/login")
		out := b.send(address(r), body).is(403, "logged out", "nothing was changed").hasNot("a-password", "a-secret", "a-token", "another")
		if tried == 1 { // once: a second wrong password has to wait
			out = out.logIn(b, john, "not this one").is(422).hasNot("a-password", "a-secret")
		}
		in := out.logIn(b, john, password).is(200, append(shown, "Send it again")...).hasNot("a-password", "a-secret", "a-token", "another", "<i>")
		if strings.Contains(in.body, "secrets are not kept") != (r.Path == "/integrations/:service/app") {
			t.Errorf("%s and its secrets: %s", r.Path, in.text())
		}
		if !strings.Contains(in.body, `action="`+address(r)+`"`) {
			t.Errorf("%s is not sent to itself: %s", r.Path, in.text())
		}
		var pairs []string
		for name := range a.Typed {
			if html.UnescapeString(in.hidden(name)) != "typed <i>"+name+"</i> “ä”" {
				t.Errorf("%s: %s is %q", r.Path, name, in.hidden(name))
			}
			pairs = append(pairs, name, in.hidden(name))
		}
		if p := b.post(address(r), append(pairs, "csrf", in.hidden("csrf"))...); p.forged() || p.status >= 500 || strings.HasPrefix(p.head("Location"), "/login") {
			t.Errorf("%s sent again: %d %s", r.Path, p.status, p.text())
		}
	}
	if tried < 4 {
		t.Errorf("only %d forms", tried)
	}
	if n := w.count(`SELECT count(*) FROM subscribers`); n != 0 {
		t.Errorf("%d sign-ups of what nobody sent", n)
	}
}

const testPath = "/newsletter/signup"

// typedBy is what somebody typed into a form, as the log-in page carries it that comes
// when the session has ended.
func (w *world) typedBy(email, tenant string) (b *browser, out page) {
	w.t.Helper()
	b = w.as(email, tenant)
	csrf := b.token()
	b.submit("/logout").to("/login")
	return b, b.post(testPath, "csrf", csrf, "email", "typed@example.com", "newsletter", tenant+"-weekly").is(403)
}

func TestWhatWasTypedIsShownToNobodyElse(t *testing.T) {
	t.Parallel()
	w := open(t)
	b, out := w.typedBy(john, "contoso")
	out.logIn(b, ann, password).to(testPath)
	b.get(testPath).is(200, "was left out").hasNot("typed@example.com")

	b, out = w.typedBy(max, "fabrikam")
	out.logIn(b, max, password).is(200, "typed@example.com", "Fabrikam") // in the organisation for which it was typed
	b.get(testPath).is(200, "Fabrikam")

	b, out = w.typedBy(max, "fabrikam")
	user, err := w.store.UserByEmail(t.Context(), max)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.RemoveMember(t.Context(), user.ID, w.tenant("fabrikam").ID); err != nil {
		t.Fatal(err)
	}
	out.logIn(b, max, password).to(testPath)
	b.get(testPath).is(200, "Contoso").hasNot("typed@example.com")
}

// What is carried can be changed by whoever sends it: only what our own page was written
// for is shown, only of forms that there are, and only the fields that they carry.
func TestWhatIsCarriedIsChecked(t *testing.T) {
	t.Parallel()
	w := open(t)
	_, out := w.typedBy(john, "contoso")
	good := out.hidden("typed")
	b := w.browser()
	try := func(typed string) page {
		t.Helper()
		b = w.browser()
		login := b.get("/login")
		return b.post("/login", "csrf", login.hidden("csrf"), "email", john, "password", password, "next", "/subscribers", "typed", typed)
	}
	_, query, _ := strings.Cut(good, "?")
	fields, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	with := func(name, value string) string {
		v := url.Values{}
		for n := range fields {
			v[n] = fields[n]
		}
		v.Set(name, value)
		return v.Encode()
	}
	for name, typed := range map[string]string{
		"nothing": "", "garbage": "\x00%zz", "no form": "/nowhere?" + query, "a page": "/subscribers?" + query, "the log-in": "/login?" + query, "a form without fields": "/logout?" + query,
		"another site": "//evil.example/newsletter/signup?" + query, "an address of another site": "https://evil.example/newsletter/signup?" + query, "a way round": "/x/../newsletter/signup?" + query,
		"no author": testPath + "?" + with("csrf", ""), "a made-up author": testPath + "?" + with("csrf", auth.MaskForm(auth.NewToken(), []byte("sixteen bytes...."[:16]))),
		"no author in it": testPath + "?" + with("csrf", auth.MaskForm(auth.NewToken(), nil)), "a query that is none": testPath + "?%zz&" + query,
		"too much": testPath + "?" + with("email", strings.Repeat("x", routes.MaxTyped)),
	} {
		if p := try(typed); p.status != 303 || p.head("Location") != "/subscribers" {
			t.Errorf("%s: %d %s", name, p.status, p.text())
		}
	}
	try(testPath+"?"+with("password", "a-password")).is(200, "typed@example.com").hasNot("a-password")
	if p := b.send(testPath, strings.Repeat("x", routes.MaxTyped)); p.head("Location") == "" && p.status != 403 {
		t.Errorf("%d", p.status)
	}

	b, csrf := w.as(john, "contoso"), ""
	csrf = b.token()
	b.submit("/logout")
	b.post(testPath, "csrf", csrf, "email", strings.Repeat("x", routes.MaxTyped)).to("/login?next=%2Fnewsletter%2Fsignup&sent=no")
	b.get("/login?next=%2Fnewsletter%2Fsignup&sent=no").is(200, "nothing was changed", "do it again")
	b.post(testPath, "csrf", csrf, "email", " ").to("/login?next=%2Fnewsletter%2Fsignup&sent=no")
	body := form("csrf", csrf, "email", "typed@example.com")
	b.send(testPath, body, "Sec-Fetch-Site", "cross-site").to("/login?next=%2Fnewsletter%2Fsignup&sent=no")
	b.send(testPath, body, "Origin", "https://evil.example").to("/login?next=%2Fnewsletter%2Fsignup&sent=no")
	b.post("/integrations/sfdc/disconnect", "csrf", csrf).to("/login?next=%2Fintegrations&sent=no") // nothing is typed there
}

// Who logged out and in again in another tab has an old page before them: what they type
// there is shown again as well, and what others send is not.
func TestAFormOfAnEarlierLogIn(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	old := b.token()
	b.submit("/logout")
	b.submit("/login", "email", john, "password", password).to("/")
	p := b.post(testPath, "csrf", old, "email", "typed@example.com").is(403, "typed@example.com", "Send it again", "nothing was changed")
	b.post(testPath, "csrf", p.hidden("csrf"), "email", p.hidden("email"), "newsletter", "contoso-weekly").is(303)
	b.post("/account/sessions/end-all", "csrf", old).is(403, "nothing was changed", "Reload the page", `href="/account"`)
	b.send(testPath, form("csrf", old, "email", "typed@example.com"), "Sec-Fetch-Site", "cross-site").is(403).hasNot("typed@example.com")
	w.as(ann, "fabrikam").post(testPath, "csrf", old, "email", "typed@example.com").is(403).hasNot("typed@example.com")
	w.as(john, "contoso").post(testPath, "csrf", auth.NewToken(), "email", "typed@example.com").is(403).hasNot("typed@example.com")
	user, err := w.store.UserByEmail(t.Context(), john)
	if err != nil {
		t.Fatal(err)
	}
	if user, err = w.store.ChangePassword(t.Context(), user.ID, user.PasswordHash, user.PasswordHash+"x", user.PasswordChangedAt, false); err != nil {
		t.Fatal(err)
	}
	w.as(john, "contoso").post(testPath, "csrf", old, "email", "typed@example.com").is(403).hasNot("typed@example.com") // the password was changed since
}

// htmx is told which page to load, and that page which one to come back to.
func TestHtmxComesBackToItsPage(t *testing.T) {
	t.Parallel()
	w := open(t)
	htmx := func(b *browser, method, path, at string) string {
		return b.do(method, path, "", "HX-Request", "true", "HX-Current-URL", at, "Content-Type", formType).is(204).head("HX-Redirect")
	}
	out := w.browser()
	for at, want := range map[string]string{
		w.url + "/integrations":            "/login?next=%2Fintegrations",
		w.url + "/subscribers?q=jo":        "/login?next=%2Fsubscribers%3Fq%3Djo",
		w.url + "/":                        "/login",
		w.url + "/nowhere":                 "/login",
		"https://evil.example/subscribers": "/login",
		w.url + "//evil.example":           "/login",
		w.url + "@evil.example/":           "/login",
		"":                                 "/login",
	} {
		if got := htmx(out, http.MethodGet, "/integrations/sfdc/card", at); got != want {
			t.Errorf("from %s to %s", at, got)
		}
	}
	if got := htmx(out, http.MethodPost, testPath, w.url+testPath); got != "/login?next=%2Fnewsletter%2Fsignup&sent=no" {
		t.Errorf("a form leads to %s", got)
	}
	if got := htmx(w.as(max, ""), http.MethodGet, "/integrations/sfdc/card", w.url+"/integrations"); got != "/tenant?next=%2Fintegrations" {
		t.Errorf("without a tenant to %s", got)
	}
}

// Nobody with one organisation is asked to choose one.
func TestOneOrganisationIsNotChosen(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "")
	b.get("/subscribers").to("/tenant?next=%2Fsubscribers")
	b.get("/tenant?next=%2Fsubscribers").to("/subscribers")
	b.get("/subscribers").is(200, "Contoso")
	b.get("/tenant?next=//evil.example").to("/")
	b.get("/nowhere").is(404).hasNot("organisations", "Choose")
	w.as(max, "contoso").get("/nowhere").is(404, "another of your organisations")
	w.as(max, "contoso").get("/tenant").is(200, "Choose an organisation")
}

// What one can type into a form of a page is carried, wherever the form stands.
func TestAllThatCanBeTypedIsCarried(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	id := w.someone("contoso", "reader@contoso.test")
	fields := 0
	for _, r := range w.mine() {
		p := b.get(strings.NewReplacer("/x", "/"+id).Replace(address(r)))
		if r.Method != http.MethodGet || p.status != http.StatusOK || !strings.Contains(p.head("Content-Type"), "html") {
			continue
		}
		d, err := goquery.NewDocumentFromReader(strings.NewReader(p.body))
		if err != nil {
			t.Fatal(err)
		}
		d.Find("form[method=post]").Each(func(_ int, form *goquery.Selection) {
			action := form.AttrOr("action", "")
			form.Find("input[type=text][name], input[type=url][name], input[type=email][name]:not([readonly]), textarea[name]").Each(func(_ int, input *goquery.Selection) {
				fields++
				if name := input.AttrOr("name", ""); !routes.Carries(action, name) {
					t.Errorf("%s: %s of the form that goes to %s is lost in a log-in", r.Path, name, action)
				}
			})
		})
	}
	if fields < 6 {
		t.Errorf("only %d fields", fields)
	}
}

// Rows of a mapping, and a newsletter's own fields, come back as they were; nothing else does that
// is called somehow like them.
func TestRowsSurviveALogIn(t *testing.T) {
	t.Parallel()
	w, b, _ := mapped(t)
	b.submit(toyMapping + "/read").to(toyMapping)
	again := func(path string, pairs ...string) (in page, sent []string) {
		t.Helper()
		csrf := b.token()
		b.submit("/logout").to("/login")
		in = b.post(path, append(pairs, "csrf", csrf, "target", "x", "password-0", "a-password")...).logIn(b, john, password)
		d, err := goquery.NewDocumentFromReader(strings.NewReader(in.body))
		if err != nil {
			t.Fatal(err)
		}
		d.Find(`main form input[type=hidden]`).Each(func(_ int, s *goquery.Selection) { sent = append(sent, s.AttrOr("name", ""), s.AttrOr("value", "")) })
		return in, sent
	}
	csrf := b.token()
	b.submit("/logout").to("/login")
	huge := rows([4]string{"company", "constant", strings.Repeat("x", routes.MaxTyped), "create"})
	back := "/login?next=" + url.QueryEscape(toyMapping) + "&sent=no"
	b.post(toyMapping, append(huge, "act", "save", "csrf", csrf)...).to(back)
	b.get(back).is(200, "nothing was changed", "do it again").logIn(b, john, password).to(toyMapping)

	row := [4]string{"company", "constant", "Typed <i>here</i>", "create"}
	all := append(rows(row, [4]string{"colour", "field:shade", "", "always"}), "act", "save", "revision", "0", "from-1-0", "red", "value-1-0", "", "from-1-1", "lime", "value-1-1", "to:green")
	in, sent := again(toyMapping, all...)
	in.is(200, "Send it again", "company", "Typed <i>here</i>", "colour").hasNot("password-0", `name="target"`, `name="text-1"`)
	b.post(toyMapping, sent...).to(toyMapping)
	b.get(toyMapping).is(200, "Saved.", "<h3>Company name</h3>", `value="Typed <i>here</i>"`, `<option value="to:green" selected>`, `<option value="" selected>Nothing`)

	in, sent = again(testPath, "newsletter", "contoso-weekly", "email", "sample@reader.test", "own-company", "Contoso Ltd", "own-shade", "lime", "own-", "")
	in.is(200, "Field company", "Contoso Ltd", "Field shade").hasNot("password-0")
	b.post(testPath, sent...).is(303)
	if n := w.count(`SELECT count(*) FROM subscribers WHERE fields = '{"f1":"Contoso Ltd","f2":"lime"}'`); n != 1 {
		t.Error("it was not sent again as it was typed")
	}
}
