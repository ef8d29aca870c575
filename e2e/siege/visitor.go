package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// visitor is a browser, or what wants to look like one, behind a proxy that tells its address.
type visitor struct {
	portal, ip, agent string
}

func newVisitor(portal, ip, agent string) *visitor { return &visitor{portal, ip, agent} }

// client is everybody's: one connection more or less tells nobody apart.
var client = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 512},
	Timeout:       time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// What a browser says of a form that its page sends.
var navigates = http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"document"}}

// presses is what it says when a person did that.
var presses = http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-User": {"?1"}}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration // until all of it was there
}

// do sends a request.
func (v *visitor) do(ctx context.Context, method, address string, body io.Reader, header http.Header) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return a, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", v.agent)
	if v.ip != "" {
		req.Header.Set("X-Forwarded-For", v.ip)
	}
	begun := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	a.status, a.header = resp.StatusCode, resp.Header
	a.body, err = io.ReadAll(resp.Body)
	a.took = time.Since(begun)
	return a, err
}

// page is a page that was opened.
type page struct{ *goquery.Document }

// open opens a page.
func (v *visitor) open(ctx context.Context, address string) (p page, err error) {
	a, err := v.do(ctx, http.MethodGet, address, nil, nil)
	if err != nil {
		return p, err
	}
	p.Document, err = goquery.NewDocumentFromReader(bytes.NewReader(a.body))
	return p, err
}

// asksProof reports whether the page's form asks for a proof of work.
func (p page) asksProof() bool { return p.Find("script[data-challenge]").Length() > 0 }

// fields are those of a form that a selector finds, as they are before anybody does anything.
func (p page) fields(selector string) url.Values {
	fields := url.Values{}
	p.Find(selector).First().Find("input[name]").Each(func(_ int, in *goquery.Selection) {
		kind := in.AttrOr("type", "text")
		if _, checked := in.Attr("checked"); checked || kind != "radio" && kind != "checkbox" {
			fields.Add(in.AttrOr("name", ""), in.AttrOr("value", ""))
		}
	})
	return fields
}

// post sends a form.
func (v *visitor) post(ctx context.Context, address string, fields url.Values, header http.Header) (answer, error) {
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(ctx, http.MethodPost, address, strings.NewReader(fields.Encode()), header)
}
