package simulated

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// MaxURI is how many bytes an address may have.
const MaxURI = 16_384

const maxBody = 50 << 20

// Handler is what every request passes before next answers it: size limits, latency and
// faults. Calls of /_control are neither slowed down nor broken, nor is what the service
// says is Unbroken.
func (c *Core) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := oversize(r); status != 0 {
			HTML(w, status, http.StatusText(status))
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			HTML(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		gone := r.Context()
		// The real services finish what they received, whether or not the client waits.
		r = r.WithContext(context.WithoutCancel(gone))
		if strings.HasPrefix(r.URL.Path, "/_control/") {
			next.ServeHTTP(w, r)
			return
		}
		org, err := c.service.Org(r, body)
		if err != nil {
			c.Failure(w, r, err)
			return
		}
		c.breakable(gone, w, r.WithContext(withOrg(r.Context(), org)), org, next)
	})
}

// breakable answers a request by next, after the latency or in the way of a fault that is due.
func (c *Core) breakable(gone context.Context, w http.ResponseWriter, r *http.Request, org string, next http.Handler) {
	if r.URL.Path == c.StyleSheet() || c.service.Unbroken != nil && c.service.Unbroken(r) {
		next.ServeHTTP(w, r)
		return
	}
	kind := c.service.Kind(r)
	seen := &watched{ResponseWriter: w}
	defer func() { c.requests.add(Request{c.Now(), kind, r.Method, r.URL.Path, org, seen.status}) }()
	c.pause(gone, c.service.Latency(org, kind))
	f := c.Faults.Take(kind, org)
	if f == nil {
		next.ServeHTTP(seen, r)
		return
	}
	c.fail(gone, seen, r, kind, f, next)
}

func oversize(r *http.Request) int {
	n := len(r.RequestURI)
	if n > MaxURI {
		return http.StatusRequestURITooLong
	}
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	if n > 2*MaxURI {
		return http.StatusRequestHeaderFieldsTooLarge
	}
	return 0
}

// pause waits for d, or until the client goes or the service closes.
func (c *Core) pause(gone context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-gone.Done():
	case <-c.done:
	}
}

// Base is the public address, without a trailing slash.
func (c *Core) Base(r *http.Request) string {
	if c.url != "" {
		return c.url
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// URL is the public address from the Options, "" when they named none.
func (c *Core) URL() string { return c.url }

// Failure answers what went wrong inside with a page that says nothing of it, and logs it.
func (c *Core) Failure(w http.ResponseWriter, r *http.Request, err error) {
	c.Log.Error("request", "path", r.URL.Path, "error", err)
	HTML(w, http.StatusInternalServerError, "Internal Server Error")
}

// HTML answers with a page that has nothing but a title, as servers in front of a service do.
func HTML(w http.ResponseWriter, status int, title string) {
	w.Header().Set("Content-Type", "text/html;charset=UTF-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<!DOCTYPE html><html lang=\"en\"><head><title>%[1]s</title></head><body><h1>%[1]s</h1></body></html>\n", title)
}

// MethodNotAllowed answers that a path takes other methods.
func MethodNotAllowed(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	HTML(w, http.StatusMethodNotAllowed, "Method Not Allowed")
}
