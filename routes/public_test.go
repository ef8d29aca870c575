package routes_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/routes"
)

const formPage = "/signup/contoso-weekly"

func (w *world) signUps() int {
	w.t.Helper()
	return w.count(`SELECT (SELECT count(*) FROM subscribers WHERE wording_id IS NOT NULL) + (SELECT count(*) FROM consents)`)
}

func TestSignUpRefuses(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.browser()
	const asJSON = "application/json"
	for name, tt := range map[string]struct {
		path, kind, body string
		status           int
		says             string
	}{
		"no address":                    {formPage, formType, "", 422, "Please enter your e-mail address"},
		"a bad address":                 {formPage, formType, form("email", "jane@", "first_name", "<b>Jane"), 422, `value="&lt;b&gt;Jane"`},
		"too long":                      {formPage, formType, form("email", strings.Repeat("a", 90)+"@example.com"), 422, "too long"},
		"far too long":                  {formPage, formType, form("email", "j@example.com", "last_name", strings.Repeat("n", 60_000)), 422, "too long"},
		"NUL":                           {formPage, formType, form("email", "j\x00@example.com"), 422, "check the address"},
		"not UTF-8":                     {formPage, formType, "email=j%40example.com&first_name=%ff%fe", 422, "without special characters"},
		"two addresses":                 {formPage, formType, form("email", "a@example.com,b@example.com"), 422, "check the address"},
		"unknown":                       {"/signup/nobody-weekly", formType, form("email", "j@example.com"), 404, "not found"},
		"unknown, odd":                  {"/signup/..%2fcontoso-weekly%00", formType, form("email", "j@example.com"), 404, "not found"},
		"unknown, JSON":                 {"/signup/nobody-weekly", asJSON, `{"email":"j@example.com"}`, 404, `"status":404`},
		"a query":                       {formPage + "?email=j%40example.com", formType, "", 422, "Please enter"},
		"no type":                       {formPage, "", "email=j%40example.com", 415, "can’t read data of this kind"},
		"text":                          {formPage, "text/plain", `{"email":"j@example.com"}`, 415, "Send a form, or JSON"},
		"XML":                           {formPage, "application/xml", `<x/>`, 415, "Send a form"},
		"broken JSON":                   {formPage, asJSON, `{"email":`, 400, `"detail":"We couldn’t read`},
		"two JSON values":               {formPage, asJSON, `{"email":"j@example.com"}{}`, 400, `"status":400`},
		"a JSON list":                   {formPage, asJSON, `["j@example.com"]`, 400, `"status":400`},
		"JSON null":                     {formPage, asJSON, `null`, 400, `"status":400`},
		"empty JSON":                    {formPage, asJSON, ``, 400, `"status":400`},
		"JSON of wrong types":           {formPage, asJSON, `{"email":17,"first_name":["x"],"last_name":{}}`, 422, `"first_name":"This has to be text."`},
		"JSON without address":          {formPage, asJSON, `{}`, 422, `"errors":{"email":"Please enter`},
		"JSON null address":             {formPage, asJSON, `{"email":null}`, 422, `"errors":{"email":"Please enter`},
		"JSON in another case":          {formPage, asJSON, `{"Email":"j@example.com"}`, 422, `"errors":{"Email":"There is no field`},
		"JSON in both cases":            {formPage, asJSON, `{"email":"j@example.com","EMAIL":"k@example.com"}`, 422, `"errors":{"EMAIL":"There is no field`},
		"JSON unknown field":            {formPage, asJSON, `{"email":"j@example.com","firstName":"J"}`, 422, `"errors":{"firstName":"There is no field`},
		"JSON doubled field":            {formPage, asJSON, `{"email":"j@example.com","email":"k@example.com"}`, 422, `"errors":{"email":"This is there more than once`},
		"JSON doubled, escape":          {formPage, asJSON, `{"email":"j@example.com","\u0065mail":null}`, 422, `"errors":{"email":"This is there more than once`},
		"JSON half character":           {formPage, asJSON, `{"email":"j@example.com","first_name":"J\ud800"}`, 422, `"errors":{"first_name":"This holds half a character`},
		"JSON U+FFFD":                   {formPage, asJSON, `{"email":"j@example.com","first_name":"J\ufffd"}`, 422, `"errors":{"first_name":"Please check the first name: a letter in it was lost`},
		"JSON NUL":                      {formPage, asJSON, `{"email":"j@example.com","first_name":"J\u0000"}`, 422, `"errors":{"first_name":"Please check the first name`},
		"JSON not UTF-8":                {formPage, asJSON + "; charset=utf-8", "{\"email\":\"j@example.com\",\"first_name\":\"Zo\xeb\"}", 422, `"errors":{"first_name":"Please check the first name: a letter in it was lost`},
		"JSON of an unknown encoding":   {formPage, asJSON + "; charset=klingon", `{"email":"j@example.com"}`, 415, `character encoding`},
		"JSON in UTF-32":                {formPage, asJSON, "\xff\xfe\x00\x00{\x00\x00\x00}\x00\x00\x00", 415, `character encoding`},
		"deep JSON":                     {formPage, asJSON, `{"x":` + strings.Repeat("[", 30_000), 422, `"errors":{"x":"There is no field`},
		"deep JSON, known":              {formPage, asJSON, `{"email":` + strings.Repeat("[", 30_000), 400, `"status":400`},
		"a form of an unknown encoding": {formPage, formType + "; charset=klingon", form("email", "j@example.com"), 415, "character encoding"},
		"its own unknown encoding":      {formPage, formType, form("_charset_", "klingon", "email", "j@example.com"), 415, "character encoding"},
		"Cyrillic of no encoding":       {formPage, formType, "email=j%40example.com&first_name=%c8%e2%e0%ed", 422, "was lost"},
		"U+FFFD":                        {formPage, formType, form("email", "j@example.com", "last_name", "D\ufffd"), 422, "was lost"},
		"U+FFFD by reference":           {formPage, formType, form("email", "j@example.com", "last_name", "D&#65533;"), 422, "was lost"},
		"no domain":                     {formPage, formType, form("email", "j@"), 422, "after the @ is missing"},
		"a space inside":                {formPage, formType, form("email", "j doe@example.com"), 422, "a space"},
		"two different fields":          {formPage, formType, "email=j%40example.com&email=k%40example.com", 422, "twice"},
	} {
		p := b.do(http.MethodPost, tt.path, tt.body, "Content-Type", tt.kind)
		if p.status != tt.status || !strings.Contains(p.body, tt.says) {
			t.Errorf("%s: %d %s", name, p.status, p.text())
		}
		if json := strings.HasPrefix(tt.kind, asJSON); json != (p.head("Content-Type") == "application/problem+json") {
			t.Errorf("%s is answered with %s", name, p.head("Content-Type"))
		}
		if p.head("Access-Control-Allow-Origin") != "*" || p.head("X-Frame-Options") != "" || p.head("Set-Cookie") != "" {
			t.Errorf("%s: %v", name, p.header)
		}
	}
	for kind, says := range map[string]string{formType: "more than we can take", asJSON + "; charset=utf-8": `"status":413`} {
		w.announce(http.MethodPost, formPage, kind, 70_000).is(413, says)
	}
	if n := w.signUps(); n != 0 {
		t.Errorf("%d were stored", n)
	}
}

// However an address and a name are written, pasted and sent, by form and by JSON,
// they are stored in one form.
func TestSignUpsAreCleaned(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.browser()
	const asJSON = "application/json"
	utf16 := func(s string) string {
		var out strings.Builder
		for _, r := range s {
			out.WriteByte(byte(r))
			out.WriteByte(byte(r >> 8))
		}
		return out.String()
	}
	const plain = "jane@example.com"
	for name, tt := range map[string]struct{ kind, body, email, first string }{
		"Latin-1, undeclared":        {formType, "email=jane%40example.com&first_name=Zo%eb", plain, "Zoë"},
		"Latin-1, in raw bytes":      {formType, "email=jane%40example.com&first_name=Zo\xeb", plain, "Zoë"},
		"Latin-1":                    {formType + "; charset=ISO-8859-1", "email=jane%40example.com&first_name=Zo%eb", plain, "Zoë"},
		"Latin-1 by its field":       {formType, "_charset_=iso-8859-1&email=jane%40example.com&first_name=%ff%fe", plain, "ÿþ"},
		"UTF-8 by its field":         {formType + "; charset=iso-8859-1", "_charset_=UTF-8&email=jane%40example.com&first_name=Zo%C3%AB", plain, "Zoë"},
		"Shift_JIS by its field":     {formType, "_charset_=Shift_JIS&email=jane%40example.com&first_name=%8eR%93c", plain, "山田"},
		"a reference":                {formType, form("email", plain, "first_name", "&#321;ukasz"), plain, "Łukasz"},
		"decomposed":                 {formType, form("email", plain, "first_name", "Zoe\u0308"), plain, "Zoë"},
		"an invisible name":          {formType, form("email", plain, "first_name", "\u200b\u00a0\ufeff\u2060"), plain, ""},
		"a name with a zero width":   {formType, form("email", plain, "first_name", "\u200bZo\u00adë\u00a0"), plain, "Zoë"},
		"zero-width spaces":          {formType, form("email", "\u200bjane@example.com\u200b"), plain, ""},
		"non-breaking spaces":        {formType, form("email", "\u00a0jane@example.com\u00a0"), plain, ""},
		"a name with the address":    {formType, form("email", "Zoë <jane@example.com>"), plain, ""},
		"mailto":                     {formType, form("email", "mailto:jane@example.com?subject=x"), plain, ""},
		"an international domain":    {formType, form("email", "anna@bücher.example"), "anna@xn--bcher-kva.example", ""},
		"its other spelling":         {formType, form("email", "ANNA@xn--bcher-kva.example"), "anna@xn--bcher-kva.example", ""},
		"twice the same":             {formType, "email=jane%40example.com&email=jane%40example.com", plain, ""},
		"JSON":                       {asJSON, `{"email":"jane@example.com","first_name":"Zo\u00eb","last_name":null}`, plain, "Zoë"},
		"JSON with a mark":           {asJSON, "\ufeff" + `{"email":"jane@example.com","first_name":"Zoë"}`, plain, "Zoë"},
		"Latin-1 JSON":               {asJSON + "; charset=iso-8859-1", "{\"email\":\"jane@example.com\",\"first_name\":\"Zo\xeb\"}", plain, "Zoë"},
		"Latin-1 JSON, undeclared":   {asJSON, "{\"email\":\"jane@example.com\",\"first_name\":\"Zo\xeb\"}", plain, "Zoë"},
		"UTF-16 JSON with a mark":    {asJSON, "\xff\xfe" + utf16(`{"email":"jane@example.com","first_name":"Zoë"}`), plain, "Zoë"},
		"UTF-16 JSON without a mark": {asJSON, utf16(`{"email":"jane@example.com","first_name":"Zoë"}`), plain, "Zoë"},
		"JSON with what is pasted":   {asJSON, `{"email":"\u200bmailto:jane@example.com.","first_name":"\u200bZoe\u0308\u00a0"}`, plain, "Zoë"},
		"JSON with null names":       {asJSON, `{"email":"jane@example.com","first_name":null,"last_name":null}`, plain, ""},
	} {
		if _, err := w.store.Writer().Exec(`DELETE FROM subscribers`); err != nil {
			t.Fatal(err)
		}
		p := b.do(http.MethodPost, formPage, tt.body, "Content-Type", tt.kind)
		if p.status != 303 && p.status != 202 {
			t.Errorf("%s: %d %s", name, p.status, p.text())
			continue
		}
		if n := w.count(`SELECT count(*) FROM subscribers WHERE email_key = $1 AND first_name = $2 AND last_name = ''`, tt.email, tt.first); n != 1 {
			var email, first string
			_ = w.store.Writer().QueryRow(`SELECT email, first_name FROM subscribers`).Scan(&email, &first)
			t.Errorf("%s: %+q %+q is stored", name, email, first)
		}
	}
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	_ = m.WriteField("email", "Zoe <multi@example.com>")
	_ = m.WriteField("first_name", "Zo\xeb")
	_ = m.Close()
	b.do(http.MethodPost, formPage, body.String(), "Content-Type", m.FormDataContentType()).to(formPage + "/thanks")
	if n := w.count(`SELECT count(*) FROM subscribers WHERE email = 'multi@example.com' AND first_name = 'Zoë'`); n != 1 {
		t.Error("a multipart form isn't cleaned")
	}
	// The portal's own form goes the same way.
	john := w.as(john, "contoso")
	john.submit("/newsletter/signup", "newsletter", "contoso-weekly", "email", "\u200bJohn <test@bücher.example>", "first_name", "Zoe\u0308\u200b").is(303)
	if n := w.count(`SELECT count(*) FROM subscribers WHERE email = 'test@xn--bcher-kva.example' AND first_name = 'Zoë'`); n != 1 {
		t.Error("a test sign-up isn't cleaned")
	}
	john.get("/subscribers?q="+url.QueryEscape("Anna <TEST@bücher.example>")).is(200, "test@xn--bcher-kva.example")
	if n := w.count(`SELECT count(*) FROM subscribers WHERE email || first_name || last_name LIKE $1`, "%\uFFFD%"); n != 0 {
		t.Error("U+FFFD is stored")
	}
}

// The examples in the documentation work.
func TestSignUpAsItIsDocumented(t *testing.T) {
	t.Parallel()
	w := open(t)
	text, err := os.ReadFile("../docs/signup.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	for _, e := range examples {
		p := w.browser().do(http.MethodPost, formPage, e[1], "Content-Type", "application/json").is(202)
		if !strings.Contains(string(text), p.body) {
			t.Errorf("answered with %s", p.body)
		}
	}
	if len(examples) == 0 || w.signUps() != len(examples) {
		t.Errorf("%d examples, %d sign-ups", len(examples), w.signUps())
	}
}

func TestAPackedBodyIsNotUnpacked(t *testing.T) {
	t.Parallel()
	w := open(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(`{"email":"j@example.com","x":"` + strings.Repeat("0", 1<<20) + `"}`))
	_ = z.Close()
	for _, kind := range []string{"application/json", formType, "multipart/form-data; boundary=x"} {
		w.browser().do(http.MethodPost, formPage, packed.String(), "Content-Type", kind, "Content-Encoding", "gzip").is(415)
	}
	if n := w.signUps(); n != 0 {
		t.Errorf("%d were stored", n)
	}
}

func TestSignUpIsOnDiskBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.browser()
	b.get(formPage).is(200, "Contoso Weekly", `action="/signup/contoso-weekly"`)
	first := b.post(formPage, "email", "Jane@Example.com", "first_name", "Jane").to(formPage + "/thanks")
	if n := w.signUps(); n != 1 {
		t.Fatalf("%d sign-ups", n)
	}
	again := b.post(formPage, "email", "jane@example.com", "last_name", "Doe").to(formPage + "/thanks")
	if first.body != again.body || first.status != again.status {
		t.Error("a repeated sign-up is answered in another way")
	}
	b.get(formPage+"/thanks").is(200, "Thank you", "Contoso Weekly").hasNot("ane@")
	p := b.do(http.MethodPost, formPage, `{"email":"joe@example.com"}`, "Content-Type", "application/json", "Origin", "https://contoso.example").is(202)
	if p.body != `{"status":"received","message":"You are signed up for Contoso Weekly."}` || !strings.HasPrefix(p.head("Content-Type"), "application/json") {
		t.Errorf("%s %s", p.head("Content-Type"), p.body)
	}
	again = b.do(http.MethodPost, formPage, `{"email":"JOE@example.com","last_name":null}`, "Content-Type", "application/json").is(202)
	if again.body != p.body {
		t.Error("a repeated sign-up is answered in another way")
	}
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	_ = m.WriteField("email", "multi@example.com")
	_ = m.Close()
	b.do(http.MethodPost, formPage, body.String(), "Content-Type", m.FormDataContentType()).to(formPage + "/thanks")
	if n := w.count(`SELECT count(*) FROM subscribers`); n != 3 || w.signUps() != 5 {
		t.Errorf("%d subscribers, %d sign-ups", n, w.signUps())
	}
	if n := w.count(`SELECT count(*) FROM subscribers WHERE email_key = 'jane@example.com' AND first_name = 'Jane' AND last_name = 'Doe'`); n != 1 {
		t.Error("blanks were not filled in")
	}
}

func TestOtherSitesMayAskAndSend(t *testing.T) {
	t.Parallel()
	w := open(t)
	p := w.browser().do(http.MethodOptions, formPage, "", "Origin", "https://contoso.example",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type").is(204)
	for name, want := range map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, POST",
		"Access-Control-Allow-Headers": "Content-Type", "Access-Control-Allow-Credentials": ""} {
		if got := p.head(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	p = w.as(john, "contoso").do(http.MethodOptions, "/integrations", "", "Origin", "https://contoso.example", "Access-Control-Request-Method", "POST").is(405)
	if p.head("Access-Control-Allow-Origin") != "" {
		t.Error("the portal lets other sites in")
	}
}

func TestSignUpsAreBrakedByWhoSendsThem(t *testing.T) {
	t.Parallel()
	limited := func(c *routes.Config) { c.SignupLimits, c.TrustedProxies = true, prefixes(t, "127.0.0.0/8") }
	w := open(t, limited)
	b := w.browser()
	send := func(from, kind, body string) page {
		return b.do(http.MethodPost, formPage, body, "Content-Type", kind, "X-Forwarded-For", from)
	}
	var p page
	for i := 0; i < 40 && p.status != 429; i++ {
		p = send("2a00:1:2:3::"+string("123456789abcdef"[i%15]), formType, "email=")
	}
	p.is(429, "Please wait a minute", `href="/signup/contoso-weekly"`)
	if p.head("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	p = send("2a00:1:2:3::1", "application/json", `{"email":"j@example.com"}`).is(429, `"status":429`)
	if p.head("Content-Type") != "application/problem+json" || p.head("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v", p.header)
	}
	send("2a00:1:2:4::1", formType, "email=j%40example.com").to(formPage + "/thanks")
	b.get(formPage, "X-Forwarded-For", "2a00:1:2:3::1").is(200)
}

// All forms of a tenant take so many sign-ups in a minute, wherever they come from; what is wrong in them
// isn't counted. Another tenant's forms go on.
func TestSignUpsOfATenantAreLimited(t *testing.T) {
	t.Parallel()
	for _, limits := range []bool{true, false} {
		w := open(t, func(c *routes.Config) { c.SignupLimits, c.TrustedProxies = limits, prefixes(t, "127.0.0.0/8") })
		if err := w.store.SetTenantLimits(t.Context(), w.tenant("contoso").ID, db.TenantLimits{MailsPerHour: db.KeepLimit, SignUpsPerMinute: 3}); err != nil {
			t.Fatal(err)
		}
		w.put(`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ('other', $1, 'contoso-other', 'Other', 'Yes.', 1)`, w.tenant("contoso").ID)
		b, sent := w.browser(), 0
		send := func(form, kind, body string) page {
			sent++
			return b.do(http.MethodPost, form, body, "Content-Type", kind, "X-Forwarded-For", fmt.Sprintf("10.0.%d.1", sent))
		}
		for range 5 {
			send(formPage, formType, "email=nobody").is(422)
		}
		for _, form := range []string{formPage, "/signup/contoso-other", formPage} {
			send(form, formType, "email=jane%40example.com").to(form + "/thanks")
		}
		if !limits {
			send(formPage, formType, "email=jane%40example.com").to(formPage + "/thanks")
			continue
		}
		for _, form := range []string{formPage, "/signup/contoso-other"} {
			p := send(form, formType, "email=joe%40example.com").is(429, "Please try again in a minute", "Error: ", `action="`+form+`"`, `value="joe@example.com"`)
			if p.head("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			p = send(form, "application/json", `{"email":"joe@example.com"}`).is(429, `"status":429`, "Please try again in a minute")
			if p.head("Content-Type") != "application/problem+json" || p.head("Retry-After") == "" {
				t.Errorf("%v", p.header)
			}
		}
		if n := w.count(`SELECT count(*) FROM subscribers WHERE email = 'joe@example.com'`); n != 0 {
			t.Errorf("%d were stored", n)
		}
		if n := strings.Count(w.log.String(), "sign-ups of a tenant are refused"); n != 1 || !strings.Contains(w.log.String(), "form=contoso-weekly limit=3") {
			t.Errorf("%d lines in\n%s", n, w.log)
		}
		send("/signup/fabrikam-weekly", formType, "email=joe%40example.com").to("/signup/fabrikam-weekly/thanks")
	}
}

// A tenant that the operator paused takes no sign-ups, by whatever way.
func TestAPausedTenantTakesNoSignUps(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	if err := a.store.PauseTenant(t.Context(), a.tenant("contoso").ID, true); err != nil {
		t.Fatal(err)
	}
	b := a.browser()
	b.get(formPage).is(200, "No new sign-ups right now")
	b.do(http.MethodPost, formPage, "email=jane%40example.com", "Content-Type", formType).is(409, "No new sign-ups right now")
	b.do(http.MethodPost, formPage, `{"email":"jane@example.com"}`, "Content-Type", "application/json").is(409, `"code":"closed"`)
	a.call(a.key(nil, nil, auth.SignUp), "POST", "/newsletters/{newsletter}/subscribers", "/newsletters/contoso-weekly/subscribers", `{"email":"jane@example.com"}`).is(409, "closed")
	b.do(http.MethodPost, "/signup/fabrikam-weekly", "email=jane%40example.com", "Content-Type", formType).to("/signup/fabrikam-weekly/thanks")
	if n := a.count(`SELECT count(*) FROM subscribers`); n != 1 {
		t.Errorf("%d were stored", n)
	}
}

func TestEverythingThePublicPageLoadsIsSmall(t *testing.T) {
	t.Parallel()
	w := open(t)
	total := 0
	load := func(path string) string {
		p := w.browser().get(path, "Accept-Encoding", "gzip").is(200)
		body := p.body
		if p.head("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(strings.NewReader(p.body))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			body = string(b)
		}
		total += len(p.body)
		for name, values := range p.header {
			total += len(name) + len(strings.Join(values, "")) + 4
		}
		return body
	}
	body := load(formPage)
	loaded := regexp.MustCompile(`<(?:link|script|img)[^>]*(?:href|src)="([^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(loaded) == 0 || strings.Contains(body, "<script") {
		t.Fatalf("the page loads %v", loaded)
	}
	for _, m := range loaded {
		load(m[1])
	}
	if total > 14<<10 {
		t.Errorf("%d bytes", total)
	}
	t.Logf("%d bytes with %d files", total, len(loaded))
}

func TestHeadersTooLargeForUs(t *testing.T) {
	t.Parallel()
	w := open(t)
	for _, accept := range []string{"text/html", "application/json"} {
		p := w.browser().get("/login", "Accept", accept, "Cookie", "a="+strings.Repeat("x", 20_000)).is(431, "Clearing its cookies")
		if p.head("Content-Security-Policy") == "" || p.head("Cache-Control") != "no-store" {
			t.Errorf("%v", p.header)
		}
	}
	w.browser().get("/login?" + strings.Repeat("x", 20_000)).is(431)
}

func TestWhatIsNotHTTPGetsNothingOfOurs(t *testing.T) {
	t.Parallel()
	w := open(t)
	for _, raw := range []string{
		"GARBAGE\r\n\r\n",
		"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"GET /login\x00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, raw)
		_ = conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		_ = conn.Close()
		if s := string(answer); strings.Contains(s, " 500 ") || strings.Contains(s, "fasthttp") || strings.Contains(s, "\nok\n") {
			t.Errorf("%q: %s", raw, s)
		}
	}
}

func TestProblemsAreDocuments(t *testing.T) {
	t.Parallel()
	w := open(t)
	p := w.browser().get("/signup/nobody-weekly", "Accept", "application/json").is(404)
	var doc struct {
		Type, Title, Detail string
		Status              int
		RequestID           string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(p.body), &doc); err != nil || doc.Status != 404 || doc.Title != "Not Found" || doc.Detail == "" || doc.RequestID != p.head("X-Request-ID") {
		t.Errorf("%s: %v", p.body, err)
	}
	if !strings.Contains(strings.Join(p.header.Values("Vary"), ","), "Accept") {
		t.Errorf("Vary: %v", p.header.Values("Vary"))
	}
}
