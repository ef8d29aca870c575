package zoho

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"gatepost/crm"
	"gatepost/crm/wire"
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
	t := &wire.Track{}
	a, err := c.exchange(t.On(ctx), s, r)
	var f *crm.Failure
	if err != nil {
		f = wire.Lost(err, r.write && t.MaySent())
	} else {
		f = refusal(a, r)
		c.spendAs(a, r)
	}
	if f != nil && f.Code == tooMany {
		f.Wait = c.patience(a.header)
	}
	c.log.DebugContext(ctx, "zoho call", "method", r.method, "path", wire.PathOnly(r.path), "status", a.status, "code", codeIn(f), "took", c.now().Sub(began))
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
		return answer{}, wire.WithoutURL(err)
	}
	defer resp.Body.Close()
	body, err := wire.ReadAll(resp.Body, c.maxBody)
	return answer{status: resp.StatusCode, header: resp.Header, body: body, by: s}, err
}

// codeIn is the code of a failure, for the log; empty for none.
func codeIn(f *crm.Failure) string {
	if f == nil {
		return ""
	}
	return f.Code
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
