package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// readerKind is a way of signing up. What the client costs is taken from the
// processors that the server has, so the figures depend on it.
type readerKind struct {
	name string
	// begin returns what sends one form, over one of the connections, and what ends
	// them all.
	begin func(form string) (signUp func(body string) error, end func())
}

var readers = []readerKind{
	{"sign-ups, fasthttp", fastReader},
	{"sign-ups, net/http", func(form string) (func(string) error, func()) { return standardReader(form, http.StatusSeeOther) }},
	{"with page, net/http", func(form string) (func(string) error, func()) { return standardReader(form, http.StatusOK) }},
}

const formType = "application/x-www-form-urlencoded"

// fastReader is about the cheapest client that there is.
func fastReader(form string) (signUp func(body string) error, end func()) {
	u, err := url.Parse(form)
	if err != nil {
		return func(string) error { return err }, func() {}
	}
	client := &fasthttp.HostClient{Addr: u.Host, MaxConns: connections, MaxConnWaitTimeout: time.Minute}
	return func(body string) error {
		req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		defer fasthttp.ReleaseRequest(req)
		defer fasthttp.ReleaseResponse(resp)
		req.SetRequestURI(form)
		req.Header.SetMethod(http.MethodPost)
		req.Header.SetContentType(formType)
		req.SetBodyString(body)
		if err := client.Do(req, resp); err != nil {
			return err
		}
		return check(resp.StatusCode(), http.StatusSeeOther)
	}, client.CloseIdleConnections
}

// standardReader is Go's own client. It follows the answer to the page that thanks,
// as a browser does, when that is the status to end with.
func standardReader(form string, status int) (signUp func(body string) error, end func()) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}
	if status == http.StatusSeeOther {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return func(body string) error {
		resp, err := client.Post(form, formType, strings.NewReader(body))
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		return check(resp.StatusCode, status)
	}, client.CloseIdleConnections
}

func check(got, want int) error {
	if got != want {
		return fmt.Errorf("a sign-up was answered with %d, not %d", got, want)
	}
	return nil
}
