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

// SignIn logs a tenant's admin in to the portal.
func (p *Portal) SignIn(ctx context.Context, t Tenant) (*Visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	v := &Visitor{http: &http.Client{Jar: jar, Timeout: 30 * time.Second}}
	if err := v.Open(ctx, p.URL+"/login"); err != nil {
		return nil, err
	}
	return v, v.submit(ctx, "/login", "email", t.Admin, "password", p.world.password)
}

// Connect connects a tenant to Salesforce, or connects it anew, as its admin
// does it: log in to the portal, press Connect, log in to Salesforce, press Allow.
func (p *Portal) Connect(ctx context.Context, t Tenant) error {
	v, err := p.SignIn(ctx, t)
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	if err := v.Open(ctx, p.URL+"/integrations"); err != nil {
		return err
	}
	if err := v.submit(ctx, "/connect"); err != nil {
		return fmt.Errorf("press Connect: %w", err)
	}
	salesforce, ok := v.page.Find("main a.primary").Attr("href")
	if !ok {
		return fmt.Errorf("the page at %s doesn't lead to Salesforce", v.at.Path)
	}
	if err := v.Open(ctx, salesforce); err != nil {
		return err
	}
	if err := v.submit(ctx, "/login", "username", t.Admin, "password", salesforcePassword); err != nil {
		return fmt.Errorf("log in to Salesforce: %w", err)
	}
	if err := v.submit(ctx, ".apexp", "decision", "allow"); err != nil {
		return fmt.Errorf("press Allow: %w", err)
	}
	if !strings.HasPrefix(v.at.String(), p.URL) || v.at.Query().Has("error") {
		return fmt.Errorf("not connected, but sent to %s%s", v.at.Host, v.at.Path)
	}
	return nil
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

// submit sends the first form whose action ends as given, with the fields that it
// has and those that are filled in, a name and a value in turn.
func (v *Visitor) submit(ctx context.Context, action string, filled ...string) error {
	form := v.page.Find(`form[action$="` + action + `"]`).First()
	if form.Length() == 0 {
		return fmt.Errorf("the page at %s has no form for %s", v.at.Path, action)
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
