// Package salesforce does for Salesforce what crm asks of any CRM: it finds and
// creates and changes Contacts, up to 1,000 at a time, with as few API calls as possible.
//
// Where the credential comes from is the caller's business (see Source). Where
// requests may go is the business of the http.Client that Open is given.
package salesforce

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatepost/crm"
	"gatepost/crm/wire"
)

// The API version that we speak, and the sizes that it allows.
const (
	apiVersion     = "67.0"
	apiPath        = "/services/data/v" + apiVersion
	recordsPerPart = 200 // records in a Collections call, addresses in a query
	partsPerCall   = 5   // queries and Collections calls in one Composite call
)

const (
	defaultTimeout = time.Minute
	defaultMaxBody = 16 << 20
)

// Session is what a call needs: a token, where it is good, and its generation.
type Session struct {
	AccessToken, InstanceURL, OrgID string
	Generation                      int64
}

// Source gives sessions. It is asked before every call.
type Source interface {
	// Session returns a session. refused is the generation whose token Salesforce
	// refused, 0 for none; a newer one is wanted then. An error that is a
	// *crm.Failure reaches the caller as it is.
	Session(ctx context.Context, refused int64) (Session, error)
}

// Given is a Source with one session, which can't be renewed.
type Given Session

// Session returns the session until it is refused.
func (g Given) Session(_ context.Context, refused int64) (Session, error) {
	if refused != 0 {
		return Session{}, &crm.Failure{Class: crm.Connection, Code: crm.Broken}
	}
	return Session(g), nil
}

// Options are what Open may be told. Its zero value is good for production.
type Options struct {
	Log     *slog.Logger  // one debug line for each call; nil for none
	Timeout time.Duration // of one request with its answer; a minute when 0
	MaxBody int64         // bytes of an answer, uncompressed; 16 MiB when 0

	// Shared by the clients of a process; the client's own when nil.
	Refused *wire.RefusedTokens
	Shapes  *Shapes
}

// Client is one org's Contacts. It is safe for concurrent use.
type Client struct {
	source  Source
	base    http.RoundTripper
	log     *slog.Logger
	timeout time.Duration
	maxBody int64

	refused *wire.RefusedTokens
	shapes  *Shapes

	calls atomic.Int64 // API calls made

	mu     sync.Mutex
	target crm.Target
	usage  *usage
}

var _ crm.CRM = (*Client)(nil)

// Open returns a Client for the org that source has a session for. Of hc it uses
// the transport alone: a redirect is never followed and no cookie is kept.
func Open(ctx context.Context, source Source, hc *http.Client, o Options) (*Client, error) {
	c := &Client{source: source, base: http.DefaultTransport, log: o.Log, timeout: o.Timeout, maxBody: o.MaxBody, refused: o.Refused, shapes: o.Shapes}
	if hc != nil && hc.Transport != nil {
		c.base = hc.Transport
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if c.maxBody <= 0 {
		c.maxBody = defaultMaxBody
	}
	if c.refused == nil {
		c.refused = &wire.RefusedTokens{}
	}
	if c.shapes == nil {
		c.shapes = &Shapes{}
	}
	if _, err := c.session(ctx, 0); err != nil {
		return nil, err
	}
	return c, nil
}

// Target names the org, and its address as last heard.
func (c *Client) Target() crm.Target {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.target
}

// Provider returns what is true of every Salesforce.
func (c *Client) Provider() *crm.Provider { return Provider }

// Limits returns how many API calls the org has made in the last 24 hours and how many it
// may, as the last answer said; that isn't known before the first one.
func (c *Client) Limits() []crm.LimitState { return []crm.LimitState{c.apiCalls()} }

func (c *Client) apiCalls() crm.LimitState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.usage == nil {
		return crm.LimitState{Limit: Provider.Limit()}
	}
	return crm.LimitState{Limit: Provider.Limit(), Used: c.usage.used, Allowed: c.usage.limit, Known: true}
}

// Calls returns how many API calls were made through this client.
func (c *Client) Calls() int { return int(c.calls.Load()) }

// RecordURL returns the address of a record's page, for people.
func RecordURL(instanceURL, id string) string {
	base := strings.TrimRight(instanceURL, "/")
	if isID(id) && !strings.HasPrefix(id, "003") && !strings.HasPrefix(id, "00Q") {
		return base + "/" + id // Salesforce knows which object it is of
	}
	return base + "/lightning/r/" + objectOf(id) + "/" + url.PathEscape(id) + "/view"
}

// objectOf names the object that a record is of, by the prefix of its Id.
func objectOf(id string) string {
	if strings.HasPrefix(id, "00Q") {
		return "Lead"
	}
	return "Contact"
}

// session asks the source for a session that this client may use.
func (c *Client) session(ctx context.Context, refused int64) (Session, error) {
	s, err := c.source.Session(ctx, refused)
	if err != nil {
		return Session{}, unsent(err)
	}
	s.InstanceURL, err = origin(s.InstanceURL)
	if err != nil || s.AccessToken == "" {
		return Session{}, &crm.Failure{Class: crm.Connection, Code: crm.Broken, Detail: "The session has no token or no address.", Cause: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.target.OrgID != "" && c.target.OrgID != s.OrgID {
		return Session{}, &crm.Failure{Class: crm.Pause, Code: crm.OtherOrg, Detail: "Another org was connected in the meantime."}
	}
	c.target = crm.Target{OrgID: s.OrgID, InstanceURL: s.InstanceURL}
	return s, nil
}

// unsent returns an error from before a request as a *crm.Failure.
func unsent(err error) *crm.Failure {
	var f *crm.Failure
	if errors.As(err, &f) {
		return f
	}
	return &crm.Failure{Class: crm.Pause, Code: wire.CodeOf(err), Cause: err}
}

// origin returns the scheme and host of an instance URL, and nothing else of it.
func origin(instanceURL string) (string, error) {
	u, err := url.Parse(instanceURL)
	if err != nil {
		return "", errors.New("malformed instance URL")
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return "", errors.New("instance URL without scheme and host")
	}
	return u.Scheme + "://" + u.Host, nil
}

// call sends one request. When its session is refused, or its instance is elsewhere, it
// asks for a newer session and sends it again, once: a request that was refused in
// Salesforce's own words has changed nothing. One that may have been done is not sent
// again, but the next one finds the newer session.
func (c *Client) call(ctx context.Context, r request) ([]byte, error) {
	s, err := c.session(ctx, 0)
	if err != nil {
		return nil, err
	}
	body, status, f := c.send(ctx, s, r)
	if f == nil {
		return body, nil
	}
	if !stale(status) || c.refused.InVain(s.AccessToken, time.Now()) {
		return nil, f
	}
	fresh, err := c.session(ctx, s.Generation)
	switch {
	case f.Unknown:
		c.refused.Note(s.AccessToken, fresh.AccessToken, time.Now()) // it is not tried here
		return nil, f
	case err != nil:
		return nil, err
	case fresh.Generation == s.Generation:
		return nil, f
	}
	if body, status, f = c.send(ctx, fresh, r); f == nil {
		return body, nil
	}
	if stale(status) {
		c.refused.Note(s.AccessToken, fresh.AccessToken, time.Now())
	}
	return nil, f
}
