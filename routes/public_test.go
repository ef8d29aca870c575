package routes_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

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
		"no address":           {formPage, formType, "", 422, "Please enter your e-mail address"},
		"a bad address":        {formPage, formType, form("email", "jane@", "first_name", "<b>Jane"), 422, `value="&lt;b&gt;Jane"`},
		"too long":             {formPage, formType, form("email", strings.Repeat("a", 90)+"@example.com"), 422, "too long"},
		"far too long":         {formPage, formType, form("email", "j@example.com", "last_name", strings.Repeat("n", 60_000)), 422, "too long"},
		"NUL":                  {formPage, formType, form("email", "j\x00@example.com"), 422, "check the address"},
		"not UTF-8":            {formPage, formType, "email=j%40example.com&first_name=%ff%fe", 422, "without special characters"},
		"two addresses":        {formPage, formType, form("email", "a@example.com,b@example.com"), 422, "check the address"},
		"unknown":              {"/signup/nobody-weekly", formType, form("email", "j@example.com"), 404, "not found"},
		"unknown, odd":         {"/signup/..%2fcontoso-weekly%00", formType, form("email", "j@example.com"), 404, "not found"},
		"unknown, JSON":        {"/signup/nobody-weekly", asJSON, `{"email":"j@example.com"}`, 404, `"status":404`},
		"a query":              {formPage + "?email=j%40example.com", formType, "", 422, "Please enter"},
		"no type":              {formPage, "", "email=j%40example.com", 415, "can’t read data of this kind"},
		"text":                 {formPage, "text/plain", `{"email":"j@example.com"}`, 415, "Send a form, or JSON"},
		"XML":                  {formPage, "application/xml", `<x/>`, 415, "Send a form"},
		"broken JSON":          {formPage, asJSON, `{"email":`, 400, `"detail":"We couldn’t read`},
		"two JSON values":      {formPage, asJSON, `{"email":"j@example.com"}{}`, 400, `"status":400`},
		"a JSON list":          {formPage, asJSON, `["j@example.com"]`, 400, `"status":400`},
		"JSON null":            {formPage, asJSON, `null`, 400, `"status":400`},
		"empty JSON":           {formPage, asJSON, ``, 400, `"status":400`},
		"JSON of wrong types":  {formPage, asJSON, `{"email":17,"first_name":["x"],"last_name":{}}`, 422, `"first_name":"This has to be text."`},
		"JSON without address": {formPage, asJSON, `{}`, 422, `"errors":{"email":"Please enter`},
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
	if p.body != `{"status":"received"}` || !strings.HasPrefix(p.head("Content-Type"), "application/json") {
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
