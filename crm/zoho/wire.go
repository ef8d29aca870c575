package zoho

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gatepost/crm"
)

// request is one API call. Its path begins with a slash.
type request struct {
	method, path string
	body         []byte
	write        bool // it changes something
	rows         bool // its answer has a row for each record, whatever the status
	cost         int  // in credits
}

// answer is what came back, and which session the request was made with.
type answer struct {
	status int
	header http.Header
	body   []byte
	by     Session
}

// empty reports whether nothing was found: Zoho says so without a body.
func (a answer) empty() bool { return a.status == http.StatusNoContent }

// send makes one request.
func (c *Client) send(ctx context.Context, s Session, r request) (answer, *crm.Failure) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	began := c.now()
	c.calls.Add(1)
	t := &trace{}
	a, err := c.exchange(t.on(ctx), s, r)
	var f *crm.Failure
	if err != nil {
		f = lost(err, r.write && t.maySent())
	} else {
		f = refusal(a, r)
		c.spendAs(a, r)
	}
	if f != nil && f.Code == tooMany {
		f.Wait = c.patience(a.header)
	}
	c.log.DebugContext(ctx, "zoho call", "method", r.method, "path", pathOnly(r.path), "status", a.status, "code", codeIn(f), "took", c.now().Sub(began))
	return a, f
}

// exchange makes one request at the session's host, and no other: it follows nothing.
func (c *Client) exchange(ctx context.Context, s Session, r request) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, s.InstanceURL+r.path, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, errors.New("the request could not be made")
	}
	req.Header.Set("Authorization", "Zoho-oauthtoken "+s.AccessToken)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Gatepost")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.base.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := readAll(resp.Body, c.maxBody)
	return answer{status: resp.StatusCode, header: resp.Header, body: body, by: s}, err
}

// trace follows how far a request gets. A connection is the last point that is safe to
// judge by: from then on bytes may be on their way. net/http starts anew with another
// connection only when it wrote nothing to the first one, or when the request is a GET; a
// POST whose answer was cut off is never sent again.
type trace struct {
	dialling  atomic.Bool // net/http looked for a connection,
	connected atomic.Bool // and got one
}

func (t *trace) on(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { t.dialling.Store(true); t.connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { t.connected.Store(true) },
	})
}

// maySent tells whether Zoho may have received the request. A transport that isn't
// net/http's and tells nothing may have sent it.
func (t *trace) maySent() bool { return t.connected.Load() || !t.dialling.Load() }

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

// codeIn is the code of a failure, for the log; empty for none.
func codeIn(f *crm.Failure) string {
	if f == nil {
		return ""
	}
	return f.Code
}

// pathOnly cuts the query off, which may hold addresses.
func pathOnly(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path
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

// spendAs counts the credits of a request that was answered. Which org the first one was
// for is known once it is read: see learn.
func (c *Client) spendAs(a answer, r request) {
	if r.path != orgPath {
		c.spend(c.known().ID, r.cost, a.header)
	}
}

func (c *Client) spend(org string, cost int, h http.Header) {
	left, told := remaining(h)
	c.shared.spend(org, cost, c.now(), left, told)
}

// remaining is how many credits an answer says are left. Zoho says so once half of them
// are used.
func remaining(h http.Header) (left int, told bool) {
	left, err := strconv.Atoi(h.Get("X-API-CREDITS-REMAINING"))
	return left, err == nil
}

// How long to wait after too many calls. Zoho doesn't say of what there were too many: of
// calls at once, which is over soon, or of credits, which come back hour by hour.
const (
	aMinute   = time.Minute
	nearlyOut = 100 // credits: as many as a full batch takes a few times
)

// patience is the shortest pause that makes sense after a refusal with 429. Whoever
// waits doubles it from then on.
func (c *Client) patience(h http.Header) time.Duration {
	if left, told := remaining(h); told && left < nearlyOut {
		return crm.Full.Wait
	}
	if seconds, err := strconv.Atoi(h.Get("Retry-After")); err == nil && seconds > 0 && seconds <= 24*60*60 {
		return time.Duration(seconds) * time.Second
	}
	return aMinute
}
