package e2e

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// guest is somebody in front of an application that isn't ours, with a browser of the simplest
// kind: it keeps cookies, follows redirects and sends the forms that pages have.
type guest struct {
	t      *testing.T
	client *http.Client
	before string // it doesn't go on to addresses that begin so; "" for none

	status int
	header http.Header
	page   *goquery.Document
	at     *url.URL // where the page is, or where it didn't go on to
}

func newGuest(t *testing.T) *guest {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	g := &guest{t: t}
	g.client = &http.Client{Jar: jar, Timeout: patience, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if g.before != "" && strings.HasPrefix(r.URL.String(), g.before) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return g
}

// open goes to a page.
func (g *guest) open(address string) {
	g.t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	must(g.t, err)
	g.do(req)
}

// press sends the form with a button of this text, its fields as they are but for those that
// are filled in, a name and a value in turn.
func (g *guest) press(button string, filled ...string) {
	g.t.Helper()
	pressed := g.page.Find("button").FilterFunction(func(_ int, b *goquery.Selection) bool {
		return strings.TrimSpace(b.Text()) == button
	}).First()
	form := pressed.Closest("form")
	if form.Length() == 0 {
		g.t.Fatalf("no button %q at %s: %s", button, g.at.Path, g.text())
	}
	fields := url.Values{}
	form.Find("input[name]").Each(func(_ int, in *goquery.Selection) { fields.Set(in.AttrOr("name", ""), in.AttrOr("value", "")) })
	if name, ok := pressed.Attr("name"); ok {
		fields.Set(name, pressed.AttrOr("value", ""))
	}
	for i := 0; i+1 < len(filled); i += 2 {
		fields.Set(filled[i], filled[i+1])
	}
	to, err := g.at.Parse(form.AttrOr("action", ""))
	must(g.t, err)
	req, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(fields.Encode()))
	must(g.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	g.do(req)
}

// do sends a request, and keeps what comes.
func (g *guest) do(req *http.Request) {
	g.t.Helper()
	res, err := g.client.Do(req)
	must(g.t, err)
	defer func() { _ = res.Body.Close() }()
	g.status, g.header, g.at = res.StatusCode, res.Header, res.Request.URL
	if to, err := res.Location(); err == nil {
		g.at = to
	}
	g.page, err = goquery.NewDocumentFromReader(res.Body)
	must(g.t, err)
}

// sees fails unless the answer has this status and the page all these texts.
func (g *guest) sees(status int, texts ...string) {
	g.t.Helper()
	for _, text := range texts {
		if g.status != status || !strings.Contains(g.text(), text) {
			g.t.Fatalf("at %s: %d %q, want %d %q", g.at.Path, g.status, g.text(), status, text)
		}
	}
}

func (g *guest) text() string { return strings.Join(strings.Fields(g.page.Text()), " ") }
