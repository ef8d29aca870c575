package hubspot

import (
	"bytes"
	"context"
	"errors"
	"mime"
	"net/http"
	"time"

	"gatepost/crm"
	"gatepost/crm/wire"
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
		return answer{}, wire.Lost(err, r.write && sent)
	}
	p.heard(a.header, c.now())
	return a, c.refusal(a, r, p)
}

// exchange sends a request to the API's host and reads its answer. sent is false when
// HubSpot certainly didn't receive it.
func (c *Client) exchange(ctx context.Context, s Session, r request) (a answer, sent bool, err error) {
	var t wire.Track
	req, err := http.NewRequestWithContext(t.On(ctx), r.method, c.api+r.path, bytes.NewReader(r.body))
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
		return a, t.MaySent(), wire.WithoutURL(err)
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = wire.ReadAll(resp.Body, c.maxBody)
	return a, true, err
}

// isJSON reports whether an answer says that it is JSON. Proxies answer with pages.
func (a answer) isJSON() bool {
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}
