package hubspot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"gatepost/crm"
)

// request is one API call. Its path begins with a slash.
type request struct {
	method, path string
	body         []byte
	write        bool // it changes something
	single       bool // it is about one record alone
}

// answer is what came back for a request.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send makes one request when its turn has come, unless the window has no room for it. The
// status is that of the answer, 0 when there was none.
func (c *Client) send(ctx context.Context, s Session, r request) (answer, *crm.Failure) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	p := c.shared.portal(s.OrgID)
	if err := p.begin(ctx); err != nil {
		return answer{}, unsent(err)
	}
	defer p.end()
	if f := p.full(c.now()); f != nil {
		return answer{}, f
	}
	began := time.Now()
	c.calls.Add(1)
	a, sent, err := c.exchange(ctx, s, r)
	c.log.DebugContext(ctx, "hubspot call", "method", r.method, "path", r.path, "status", a.status, "took", time.Since(began), "failed", err != nil)
	if err != nil {
		return answer{}, lost(err, r.write && sent)
	}
	p.heard(a.header, c.now())
	return a, c.refusal(a, r, p)
}

// lost is the failure of a request that got no answer.
func lost(err error, unknown bool) *crm.Failure {
	return &crm.Failure{Class: crm.Pause, Code: codeOf(err), Unknown: unknown, Cause: err}
}

// codeOf tells a time-out from anything else that kept an answer away.
func codeOf(err error) string {
	var t interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout() {
		return crm.TimedOut
	}
	return crm.Unavailable
}

// exchange sends a request to the API's host and reads its answer. sent is false when
// HubSpot certainly didn't receive it.
func (c *Client) exchange(ctx context.Context, s Session, r request) (a answer, sent bool, err error) {
	var t track
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, t.trace()), r.method, c.api+r.path, bytes.NewReader(r.body))
	if err != nil {
		return a, false, errors.New("the request could not be made")
	}
	req.Header.Set("Authorization", "Bearer "+s.AccessToken)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Gatepost")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.base.RoundTrip(req)
	if err != nil {
		return a, t.maySent(), withoutURL(err)
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = readAll(resp.Body, c.maxBody)
	return a, true, err
}

// track follows how far a request gets. A connection is the last point that is safe to
// judge by: from then on bytes may be on their way.
type track struct{ dialling, connected atomic.Bool }

func (t *track) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { t.dialling.Store(true); t.connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { t.connected.Store(true) },
	}
}

// maySent tells whether HubSpot may have received the request. A transport that isn't
// net/http's and tells nothing may have sent it.
func (t *track) maySent() bool { return t.connected.Load() || !t.dialling.Load() }

// withoutURL takes the URL off an error.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("answer of more than %d bytes", limit)
	}
	return body, nil
}

// isJSON reports whether an answer says that it is JSON. Proxies answer with pages.
func (a answer) isJSON() bool {
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}
