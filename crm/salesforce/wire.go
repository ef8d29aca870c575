package salesforce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/simpleforce/simpleforce"

	"gatepost/crm"
	"gatepost/crm/wire"
)

// request is one API call. Its path begins with a slash.
type request struct {
	method, path string
	body         []byte
	write        bool // it changes something
	single       bool // it is about one record alone
	duplicates   bool // save what is taken for a duplicate
	assign       bool // have the org's assignment rules choose the owner
}

// The header with which Salesforce saves what a duplicate rule would only warn of:
// REST API Developer Guide, Duplicate Rule Header. What a rule blocks, stays blocked.
const (
	duplicateHeader = "Sforce-Duplicate-Rule-Header"
	saveDuplicates  = "allowSave=true"
)

// The header without which Salesforce has its assignment rules give a Lead to somebody, with each
// change of it too: REST API Developer Guide, Assignment Rule Header.
const assignHeader = "Sforce-Auto-Assign"

// assignment is the value of assignHeader.
func assignment(wanted bool) string {
	if wanted {
		return "TRUE"
	}
	return "FALSE"
}

// send makes one request through a simpleforce client of its own.
//
// simpleforce logs bodies to the global logger and may panic when an answer isn't
// a success. It never sees any other: the exchange below keeps the real outcome to
// itself and shows simpleforce a 200. So the global logger needs no silencing.
//
// The status is that of the answer, 0 when there was none.
func (c *Client) send(ctx context.Context, s Session, r request) (body []byte, status int, f *crm.Failure) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	x := &exchange{ctx: ctx, base: c.base, origin: s.InstanceURL, maxBody: c.maxBody, duplicates: r.duplicates, assign: r.assign, write: r.write}
	began := time.Now()
	c.calls.Add(1)
	err := x.run(s.AccessToken, r)
	c.log.DebugContext(ctx, "salesforce call", "method", r.method, "path", wire.PathOnly(r.path),
		"status", x.status, "took", time.Since(began), "failed", err != nil)
	c.note(x.header)
	if err != nil {
		return nil, 0, wire.Lost(err, r.write && x.maySent())
	}
	return x.body, x.status, refusal(x.status, x.body, r.write, r.single)
}

// exchange is the transport of a single request: it adds the context that
// simpleforce has no room for, sends the token to no host but the org's, and keeps
// what came back.
type exchange struct {
	ctx     context.Context
	base    http.RoundTripper
	origin  string
	maxBody int64

	duplicates bool // save what is taken for a duplicate
	assign     bool // have the assignment rules choose the owner
	write      bool // it changes something

	status int
	header http.Header
	body   []byte
	err    error

	tried bool       // the request was handed to the base transport
	track wire.Track // how far it got
}

// run has simpleforce make the request and returns why there is no answer.
func (x *exchange) run(token string, r request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a call: %T", p)
		}
	}()
	sf := simpleforce.NewClient(x.origin, simpleforce.DefaultClientID, apiVersion)
	sf.SetSidLoc(token, x.origin)
	sf.SetHttpClient(&http.Client{Transport: x})
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	if _, err := sf.ApexREST(r.method, strings.TrimPrefix(r.path, "/"), body); err != nil {
		return errors.New("the request could not be made")
	}
	return x.err
}

// RoundTrip makes the request and always succeeds: what happened is in x.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	x.err = x.roundTrip(req)
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: req,
	}, nil
}

func (x *exchange) roundTrip(req *http.Request) error {
	if x.tried || req.URL.Scheme+"://"+req.URL.Host != x.origin {
		return errors.New("a request that was not asked for")
	}
	if err := x.ctx.Err(); err != nil {
		return err
	}
	x.tried = true
	req = req.Clone(x.track.On(x.ctx))
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Gatepost")
	if x.duplicates {
		req.Header.Set(duplicateHeader, saveDuplicates)
	}
	if x.write {
		req.Header.Set(assignHeader, assignment(x.assign))
	}
	resp, err := x.base.RoundTrip(req)
	if err != nil {
		return wire.WithoutURL(err)
	}
	defer resp.Body.Close()
	x.status, x.header = resp.StatusCode, resp.Header
	x.body, err = wire.ReadAll(resp.Body, x.maxBody)
	return err
}

// maySent tells whether Salesforce may have received the request. A transport
// that isn't net/http's and tells nothing may have sent it.
func (x *exchange) maySent() bool {
	return x.tried && x.track.MaySent()
}

// usage is how much of its daily API calls an org has spent.
type usage struct{ used, limit int }

// usagePattern passes over per-app-api-usage, which may stand beside it.
var usagePattern = regexp.MustCompile(`(?:^|[;,])\s*api-usage=(\d+)/(\d+)`)

// note keeps what the answer's header says about the daily limit.
func (c *Client) note(h http.Header) {
	u := parseUsage(h.Get("Sforce-Limit-Info"))
	if u == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.usage = u
}

func parseUsage(header string) *usage {
	m := usagePattern.FindStringSubmatch(header)
	if m == nil {
		return nil
	}
	used, err1 := strconv.Atoi(m[1])
	limit, err2 := strconv.Atoi(m[2])
	if err1 != nil || err2 != nil {
		return nil
	}
	return &usage{used, limit}
}
