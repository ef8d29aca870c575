package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// Visitor is somebody with a browser of the simplest kind: it follows redirects,
// keeps cookies and sends the forms that the pages have.
type Visitor struct {
	http *http.Client
	page *goquery.Document
	at   *url.URL
}

// NewVisitor is somebody whom nobody knows, and who keeps no cookies.
func NewVisitor() *Visitor { return &Visitor{http: &http.Client{Timeout: 30 * time.Second}} }

// SignIn logs a tenant's admin in to the portal.
func (p *Portal) SignIn(ctx context.Context, t Tenant) (*Visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	v := NewVisitor()
	v.http.Jar = jar
	if err := v.Open(ctx, p.URL+"/login"); err != nil {
		return nil, err
	}
	return v, v.Submit(ctx, `form[action$="/login"]`, "email", t.Admin, "password", p.world.password)
}

// Connect connects a tenant to a CRM, or connects it anew, as its admin does it: log in
// to the portal, press Connect, log in to the CRM, choose an account where there are
// several, and let the portal in.
func (p *Portal) Connect(ctx context.Context, t Tenant, c *CRM) error {
	v, err := p.SignIn(ctx, t)
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	if err := v.toCRM(ctx, p, c); err != nil {
		return err
	}
	if err := v.Submit(ctx, `form[action="/login"]`, "username", t.Login, "password", c.file); err != nil {
		return fmt.Errorf("log in to %s: %w", c.Name, err)
	}
	if account, several := v.page.Find(".accounts a, .orgs a").Attr("href"); several {
		if err := v.follow(ctx, account); err != nil {
			return fmt.Errorf("choose an account: %w", err)
		}
	}
	if err := v.Submit(ctx, `form:has(button[name="decision"])`, "decision", "allow"); err != nil {
		return fmt.Errorf("let the portal in: %w", err)
	}
	if !strings.HasPrefix(v.at.String(), p.URL) || !strings.Contains(v.page.Text(), c.Name+" is connected.") {
		return fmt.Errorf("not connected, but sent to %s%s", v.at.Host, v.at.Path)
	}
	return nil
}

// toCRM presses Connect, and goes on to the CRM.
func (v *Visitor) toCRM(ctx context.Context, p *Portal, c *CRM) error {
	if err := v.Open(ctx, p.URL+"/integrations"); err != nil {
		return err
	}
	if err := v.Submit(ctx, `form[action$="/`+c.Service+`/connect"]`); err != nil {
		return fmt.Errorf("press Connect: %w", err)
	}
	to, ok := v.page.Find("main a.primary").Attr("href")
	if !ok {
		return fmt.Errorf("the page at %s doesn't lead to %s", v.at.Path, c.Name)
	}
	return v.Open(ctx, to)
}

// Open opens a page.
func (v *Visitor) Open(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	return v.load(req)
}

// Fetch opens a page without reading what is on it, and returns how long the
// whole answer took.
func (v *Visitor) Fetch(ctx context.Context, address string) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	resp, err := v.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("GET %s: %s", req.URL.Path, resp.Status)
	}
	return time.Since(begun), nil
}

// Sees reports whether the page that is open has what a selector finds.
func (v *Visitor) Sees(selector string) bool { return v.page.Find(selector).Length() > 0 }

// follow opens what a link of the page leads to.
func (v *Visitor) follow(ctx context.Context, href string) error {
	to, err := v.at.Parse(href)
	if err != nil {
		return err
	}
	return v.Open(ctx, to.String())
}

// Submit sends the first form that a selector finds, with the fields that it has and those
// that are filled in, a name and a value in turn.
func (v *Visitor) Submit(ctx context.Context, selector string, filled ...string) error {
	form := v.page.Find(selector).First()
	if form.Length() == 0 {
		return fmt.Errorf("the page at %s has no %s", v.at.Path, selector)
	}
	fields := url.Values{}
	form.Find("input[name]").Each(func(_ int, in *goquery.Selection) {
		if kind := in.AttrOr("type", "text"); kind == "radio" && in.AttrOr("checked", "no") == "no" {
			return
		}
		fields.Set(in.AttrOr("name", ""), in.AttrOr("value", ""))
	})
	for i := 0; i+1 < len(filled); i += 2 {
		fields.Set(filled[i], filled[i+1])
	}
	to, err := v.at.Parse(form.AttrOr("action", ""))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.load(req)
}

func (v *Visitor) load(req *http.Request) error {
	resp, err := v.http.Do(req)
	var ue *url.Error
	if errors.As(err, &ue) { // its text has the address, with what is in the query
		return fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, ue.Err)
	}
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", req.Method, req.URL.Path, resp.Status)
	}
	v.at = resp.Request.URL
	v.page, err = goquery.NewDocumentFromReader(resp.Body)
	return err
}
