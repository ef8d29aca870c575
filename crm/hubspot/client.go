// Package hubspot does for HubSpot what crm asks of any CRM: it finds and creates and
// changes contacts, up to 100 at a time, with as few API calls as possible.
//
// It speaks the API 2026-09 with net/http and types of its own: HubSpot keeps client
// libraries for other languages, and none for Go.
//
// Where the credential comes from is the caller's business (see Source). Where requests
// may go is the business of the http.Client that Open is given.
package hubspot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"gatepost/crm"
	"gatepost/crm/wire"
)

// The API version that we speak, its paths, and the sizes that it allows.
const (
	apiVersion     = "2026-09"
	contactType    = "0-1" // what contacts are called in addresses
	contactsPath   = "/crm/objects/" + apiVersion + "/contacts"
	propertiesPath = "/crm/properties/" + apiVersion + "/contacts"
	rulesPath      = "/crm/property-validations/" + apiVersion + "/" + contactType
	detailsPath    = "/account-info/" + apiVersion + "/details"
	inputsPerCall  = 100
)

const (
	defaultAPIURL  = "https://api.hubapi.com"
	defaultTimeout = time.Minute
	defaultMaxBody = 16 << 20
	maxSent        = 3 << 20 // bytes of a request
)

// Session is what a call needs: a token, the account that it is for, and its generation.
type Session struct {
	AccessToken string
	OrgID       string   // the account's number: hub_id, portalId
	Scopes      []string // granted, as the token's answer listed them; nil when not known
	Generation  int64
}

// ScopesOf reads the scopes that were granted out of what HubSpot's token end point answered
// (JSON); nil where it doesn't tell.
func ScopesOf(answer string) []string {
	var told struct {
		Scopes []string `json:"scopes"`
	}
	if json.Unmarshal([]byte(answer), &told) != nil {
		return nil
	}
	return told.Scopes
}

// Source gives sessions. It is asked before every call.
type Source interface {
	// Session returns a session. refused is the generation whose token HubSpot refused,
	// 0 for none; a newer one is wanted then. An error that is a *crm.Failure reaches the
	// caller as it is.
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
	APIURL  string           // where the API is; https://api.hubapi.com when empty
	Log     *slog.Logger     // one debug line for each call; nil for none
	Timeout time.Duration    // of one request with its answer; a minute when 0
	MaxBody int64            // bytes of an answer, uncompressed; 16 MiB when 0
	Now     func() time.Time // time.Now when nil

	Shared *Shared // by the clients of a process; the client's own when nil
}

// Client is one account's contacts. It is safe for concurrent use; it makes one call at a
// time.
type Client struct {
	source  Source
	base    http.RoundTripper
	api     string // scheme and host
	log     *slog.Logger
	timeout time.Duration
	maxBody int64
	now     func() time.Time
	shared  *Shared

	calls atomic.Int64 // API calls made

	mu     sync.Mutex
	target crm.Target
}

var _ crm.CRM = (*Client)(nil)

// Open returns a Client for the account that source has a session for. It asks HubSpot
// where the account's pages are, unless Options.Shared knows. Of hc it uses the transport
// alone: a redirect is never followed and no cookie is kept.
func Open(ctx context.Context, source Source, hc *http.Client, o Options) (*Client, error) {
	api, err := origin(cmp.Or(o.APIURL, defaultAPIURL))
	if err != nil {
		return nil, unsent(err)
	}
	c := &Client{source: source, base: http.DefaultTransport, api: api, log: o.Log, now: o.Now, shared: o.Shared,
		timeout: cmp.Or(o.Timeout, defaultTimeout), maxBody: cmp.Or(o.MaxBody, defaultMaxBody)}
	if hc != nil && hc.Transport != nil {
		c.base = hc.Transport
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.shared == nil {
		c.shared = &Shared{}
	}
	s, err := c.session(ctx, 0)
	if err != nil {
		return nil, err
	}
	if p := c.shared.portal(s.OrgID); p.known(c.now()) {
		c.showAt(p.details)
		return c, nil
	}
	if _, err := c.account(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Target names the account, and the address of its contacts' pages as last heard.
func (c *Client) Target() crm.Target {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.target
}

// Provider returns what is true of every HubSpot.
func (c *Client) Provider() *crm.Provider { return Provider }

// Limits knows nothing of what is used: HubSpot counts the calls of an app with OAuth in ten seconds, and not
// in a day. What it says of them has calls wait by itself.
func (c *Client) Limits() []crm.LimitState { return []crm.LimitState{{Limit: Provider.Limit()}} }

// Calls returns how many API calls were made through this client.
func (c *Client) Calls() int { return int(c.calls.Load()) }

// session asks the source for a session that this client may use.
func (c *Client) session(ctx context.Context, refused int64) (Session, error) {
	s, err := c.source.Session(ctx, refused)
	if err != nil {
		return Session{}, unsent(err)
	}
	if s.AccessToken == "" || s.OrgID == "" {
		return Session{}, &crm.Failure{Class: crm.Connection, Code: crm.Broken, Detail: "The session has no token or no account."}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.target.OrgID != "" && c.target.OrgID != s.OrgID {
		return Session{}, otherAccount()
	}
	c.target.OrgID = s.OrgID
	return s, nil
}

func otherAccount() *crm.Failure {
	return &crm.Failure{Class: crm.Pause, Code: crm.OtherOrg, Detail: "Another account was connected in the meantime."}
}

// unsent returns an error from before a request as a *crm.Failure.
func unsent(err error) *crm.Failure {
	if f, ok := errors.AsType[*crm.Failure](err); ok {
		return f
	}
	return &crm.Failure{Class: crm.Pause, Code: wire.CodeOf(err), Cause: err}
}

// origin returns the scheme and host of an address, and nothing else of it.
func origin(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return "", errors.New("the API's address has no scheme and host")
	}
	return u.Scheme + "://" + u.Host, nil
}

// call sends one request. When its token is refused it asks for a newer session and sends
// it again, once: a request that was refused in HubSpot's own words has changed nothing. A
// token that was refused though it had just been renewed isn't renewed again for a while.
func (c *Client) call(ctx context.Context, r request) (answer, error) {
	if len(r.body) > maxSent {
		return answer{}, &crm.Failure{Class: crm.Recorded, Code: tooLarge}
	}
	s, err := c.session(ctx, 0)
	if err != nil {
		return answer{}, err
	}
	a, f := c.send(ctx, s, r)
	switch {
	case f == nil:
		return a, nil
	case a.status != http.StatusUnauthorized || f.Unknown || c.shared.refused.InVain(s.AccessToken, c.now()):
		return answer{}, f
	}
	fresh, err := c.session(ctx, s.Generation)
	switch {
	case err != nil:
		return answer{}, err
	case fresh.Generation == s.Generation:
		return answer{}, f
	}
	if a, f = c.send(ctx, fresh, r); f == nil {
		return a, nil
	}
	if a.status == http.StatusUnauthorized {
		c.shared.refused.Note(s.AccessToken, fresh.AccessToken, c.now())
	}
	return answer{}, f
}
