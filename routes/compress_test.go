package routes_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

// unpack is the body of a page as it was before it was compressed.
func (p page) unpack() string {
	p.w.t.Helper()
	var r io.Reader
	var err error
	switch coding := p.head("Content-Encoding"); coding {
	case "":
		return p.body
	case "br":
		r = brotli.NewReader(strings.NewReader(p.body))
	case "gzip":
		r, err = gzip.NewReader(strings.NewReader(p.body))
	default:
		p.w.t.Fatalf("packed as %q", coding)
	}
	if err != nil {
		p.w.t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return string(text)
}

// varying is what differs between two answers of the same page.
var varying = regexp.MustCompile(`name="csrf" value="[^"]*"`)

func TestPagesAreCompressedAsTheBrowserWants(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	plain := b.get("/account", "Accept-Encoding", "identity").is(200)
	want := varying.ReplaceAllString(plain.body, "")
	for name, tt := range map[string]struct{ accept, coding string }{
		"a browser over https": {"gzip, deflate, br, zstd", "br"},
		"a browser over http":  {"gzip, deflate", "gzip"},
		"weights":              {"br;q=0.1, gzip;q=0.9", "gzip"},
		"a refusal":            {"br;q=0, gzip;q=0", ""},
		"the plain one":        {"identity, gzip;q=0.5", ""},
		"anything":             {"*", "br"},
		"unknown ones":         {"zstd, deflate", ""},
		"garbage":              {";;q=,", ""},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			p := b.do(method, "/account", "", "Accept-Encoding", tt.accept).is(200)
			if got := p.head("Content-Encoding"); got != tt.coding {
				t.Errorf("%s, %s: %q", name, method, got)
			}
			if !strings.Contains(p.head("Vary"), "Accept-Encoding") || p.head("Content-Length") == "" || p.head("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%s, %s: %v", name, method, p.header)
			}
			if method == http.MethodHead && p.body != "" {
				t.Errorf("%s: HEAD has a body", name)
			}
			if method == http.MethodGet && varying.ReplaceAllString(p.unpack(), "") != want {
				t.Errorf("%s: another page comes out of it", name)
			}
			if tt.coding != "" && method == http.MethodGet && len(p.body) > len(plain.body)/2 {
				t.Errorf("%s: %d of %d bytes are left", name, len(p.body), len(plain.body))
			}
		}
	}
}

// What is refused, and what is a part of a page, is compressed as well.
func TestEveryPageIsCompressed(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	for name, p := range map[string]page{
		"a refused form":  b.do(http.MethodPost, "/account/password", form("csrf", b.token()), "Content-Type", formType, "Accept-Encoding", "br"),
		"an error":        b.get("/nowhere", "Accept-Encoding", "br"),
		"a part":          b.get("/subscribers", "HX-Request", "true", "Accept-Encoding", "br"),
		"the log-in page": w.browser().get("/login", "Accept-Encoding", "br"),
	} {
		if got := p.head("Content-Encoding"); got != "br" && len(p.body) >= 1<<10 {
			t.Errorf("%s: %q", name, got)
		}
		if !strings.Contains(p.head("Vary"), "Accept-Encoding") {
			t.Errorf("%s: Vary %q", name, p.head("Vary"))
		}
	}
}

// Where somebody else could learn from the length of an answer what stands in it, or where
// it isn't worth it, nothing is compressed.
func TestWhatIsNeverCompressed(t *testing.T) {
	t.Parallel()
	w := open(t, mailing)
	b := w.as(john, "contoso")
	token := w.link(john)
	for name, p := range map[string]page{
		"a search that another site asked for":  b.get("/subscribers?q=guess", "Accept-Encoding", "br, gzip", "Sec-Fetch-Site", "cross-site").is(200),
		"one that a neighbour asked for":        b.get("/subscribers?q=guess", "Accept-Encoding", "br, gzip", "Sec-Fetch-Site", "same-site").is(200),
		"one asked for in words we don't know":  b.get("/subscribers?q=guess", "Accept-Encoding", "br, gzip", "Sec-Fetch-Site", "else").is(200),
		"a page with the secret of a link":      b.get("/password/reset?token="+token, "Accept-Encoding", "br, gzip").is(200, token),
		"the same when something is wrong":      b.do(http.MethodPost, "/password/reset", form("csrf", b.token(), "token", token, "password", "short", "password_again", "short"), "Content-Type", formType, "Accept-Encoding", "br, gzip").is(422, token),
		"a public form":                         b.get(formPage, "Accept-Encoding", "br, gzip").is(200),
		"the page that thanks":                  b.get(formPage+"/thanks", "Accept-Encoding", "br, gzip").is(200),
		"what can't be signed up for":           b.get("/signup/nobody", "Accept-Encoding", "br, gzip").is(404),
		"an answer to a program":                b.get("/healthz", "Accept-Encoding", "br, gzip").is(200),
		"what is short":                         b.get("/integrations/sfdc/actions?seen=x", "Accept-Encoding", "br, gzip"),
		"a page asked for without any encoding": b.get("/account", "Accept-Encoding", "").is(200),
	} {
		if got := p.head("Content-Encoding"); got != "" && !(name == "what is short" && len(p.unpack()) >= 1<<10) {
			t.Errorf("%s: %s", name, got)
		}
	}
	same := b.get("/subscribers?q=guess", "Accept-Encoding", "br", "Sec-Fetch-Site", "same-origin").is(200)
	typed := b.get("/subscribers?q=guess", "Accept-Encoding", "br", "Sec-Fetch-Site", "none").is(200)
	if same.head("Content-Encoding") != "br" || typed.head("Content-Encoding") != "br" || !strings.Contains(same.head("Vary"), "Sec-Fetch-Site") {
		t.Errorf("%v, %v", same.header, typed.header)
	}
}

func TestAddressesThatBrowsersAndRobotsAskFor(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.browser()
	icon := b.get("/favicon.ico").is(200)
	if icon.head("Content-Type") != "image/x-icon" || !bytes.HasPrefix([]byte(icon.body), []byte{0, 0, 1, 0}) {
		t.Errorf("%s, %d bytes", icon.head("Content-Type"), len(icon.body))
	}
	robots := b.get("/robots.txt").is(200, "Allow: /signup/\n", "Disallow: /\n")
	if robots.head("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%s", robots.head("Content-Type"))
	}
	b.get("/.well-known/change-password").to("/account")
	w.as(john, "contoso").get("/.well-known/change-password").to("/account")
	for _, p := range []page{icon, robots} {
		if !strings.Contains(p.head("Cache-Control"), "max-age") || p.head("Set-Cookie") != "" || p.head("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v", p.header)
		}
	}
	b.get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200").is(404)
	b.get("/.well-known/other").is(404)
}
