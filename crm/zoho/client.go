// Package zoho does for Zoho CRM what crm asks of any CRM: it finds and creates and
// changes Contacts, up to 100 at a time, with as few API credits as possible.
//
// It speaks version 8 of the API with net/http and types of its own. Zoho keeps client
// libraries for seven other languages, and none for Go.
//
// An id of Zoho doesn't tell which module its record is in. Ours do: "Contacts/4876…".
//
// Where the credential comes from is the caller's business (see Source). Where
// requests may go is the business of the http.Client that Open is given.
package zoho

import (
	"cmp"
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
	apiPath    = "/crm/v8"
	perCall    = 100 // rows of a write, addresses of a query
	perPage    = 200 // records of a query's page; more cost more
	contacts   = "Contacts"
	leads      = "Leads"
	emailField = "Email"
)

const (
	defaultTimeout = time.Minute
	defaultMaxBody = 16 << 20
)

// Session is what a call needs: a token, where it is good, and its generation.
type Session struct {
	AccessToken string
	InstanceURL string // the address of the API: api_domain of the token's answer
	OrgID       string // the org's zgid, where it is known already; another one is refused
	Generation  int64
}

// Source gives sessions. It is asked before every call.
type Source interface {
	// Session returns a session. refused is the generation whose token Zoho refused, 0
	// for none; a newer one is wanted then. An error that is a *crm.Failure reaches the
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
	Log     *slog.Logger     // one debug line for each call; nil for none
	Timeout time.Duration    // of one request with its answer; a minute when 0
	MaxBody int64            // bytes of an answer, uncompressed; 16 MiB when 0
	Now     func() time.Time // time.Now when nil

	// NoWorkflows keeps the org's workflows, approvals and blueprints from running for
	// what we write. They take time and may refuse a record, but customers expect their
	// welcome mails and assignment rules to run.
	NoWorkflows bool

	Shared *Shared // by the clients of a process; the client's own when nil
}

// Client is one org's Contacts. It is safe for concurrent use.
type Client struct {
	source  Source
	base    http.RoundTripper
	log     *slog.Logger
	timeout time.Duration
	maxBody int64
	now     func() time.Time
	quiet   bool // no workflows
	shared  *Shared

	calls atomic.Int64 // API calls made

	mu  sync.Mutex
	org Organization
}

var _ crm.CRM = (*Client)(nil)

// Open returns a Client for the org that source has a session for. It asks Zoho which org
// that is, and whether its addresses are unique, unless Options.Shared knows. Of hc it
// uses the transport alone: a redirect is never followed and no cookie is kept.
func Open(ctx context.Context, source Source, hc *http.Client, o Options) (*Client, error) {
	c := &Client{source: source, base: http.DefaultTransport, log: o.Log, now: o.Now, quiet: o.NoWorkflows, shared: o.Shared,
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
	if _, err := c.organization(ctx, tokenLife); err != nil {
		return nil, err
	}
	if _, err := c.emailUnique(ctx); err != nil {
		// Who only looks doesn't need it, and a write asks again.
		c.log.DebugContext(ctx, "zoho: fields not known yet", "code", crm.Failed(err).Code)
	}
	return c, nil
}

// Target names the org, and the address of its pages as last heard.
func (c *Client) Target() crm.Target {
	o := c.known()
	return crm.Target{OrgID: o.ID, InstanceURL: o.pages}
}

// Provider returns what is true of every Zoho CRM.
func (c *Client) Provider() *crm.Provider { return Provider }

// Limits returns how many API credits the org has used in the last 24 hours and how many
// it has. Zoho tells what is left from half of it on, and nothing before: then it is what
// this process has used. It isn't known where the org's edition isn't.
func (c *Client) Limits() []crm.LimitState {
	o := c.known()
	limit := o.credits()
	if limit == 0 {
		return []crm.LimitState{{Limit: Provider.Limit()}}
	}
	used, left, told := c.shared.credits(o.ID, c.now())
	if told {
		used = max(0, limit-left)
	}
	return []crm.LimitState{{Limit: Provider.Limit(), Used: used, Allowed: limit, Known: true}}
}

// Calls returns how many API calls were made through this client.
func (c *Client) Calls() int { return int(c.calls.Load()) }

// known is the org as last heard.
func (c *Client) known() Organization {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.org
}

// RecordURL returns the address of a record's page, for people, given the address of the
// pages of its org.
func RecordURL(instanceURL, id string) string {
	module, number, ok := strings.Cut(id, "/")
	if !ok {
		module, number = contacts, id
	}
	return strings.TrimRight(instanceURL, "/") + "/tab/" + url.PathEscape(module) + "/" + url.PathEscape(number)
}

// session asks the source for a session that a request can be made with.
func (c *Client) session(ctx context.Context, refused int64) (Session, error) {
	s, err := c.source.Session(ctx, refused)
	if err != nil {
		return Session{}, unsent(err)
	}
	s.InstanceURL, err = origin(s.InstanceURL)
	if err != nil || s.AccessToken == "" {
		return Session{}, &crm.Failure{Class: crm.Connection, Code: crm.Broken, Detail: "The session has no token or no address.", Cause: err}
	}
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

// origin returns the scheme and host of the API's address, and nothing else of it.
func origin(instanceURL string) (string, error) {
	u, err := url.Parse(instanceURL)
	if err != nil {
		return "", errors.New("malformed API address")
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return "", errors.New("API address without scheme and host")
	}
	return u.Scheme + "://" + u.Host, nil
}

// call sends one request. When its token is refused, it asks for a newer session and sends
// it again, once: such a request has changed nothing.
func (c *Client) call(ctx context.Context, r request) (answer, error) {
	s, err := c.session(ctx, 0)
	if err != nil {
		return answer{}, err
	}
	a, f := c.attempt(ctx, s, r)
	if f == nil {
		return a, nil
	}
	if !stale(f) || c.shared.refused.InVain(s.AccessToken, c.now()) {
		return answer{}, f
	}
	fresh, err := c.session(ctx, s.Generation)
	switch {
	case err != nil:
		return answer{}, err
	case fresh.Generation == s.Generation:
		return answer{}, f
	}
	if a, f = c.attempt(ctx, fresh, r); f == nil {
		return a, nil
	}
	if stale(f) {
		c.shared.refused.Note(s.AccessToken, fresh.AccessToken, c.now())
	}
	return answer{}, f
}

// attempt sends a request when the session is of the client's org.
func (c *Client) attempt(ctx context.Context, s Session, r request) (answer, *crm.Failure) {
	if r.path != orgPath {
		if f := c.identify(ctx, s); f != nil {
			return answer{}, f
		}
	}
	return c.send(ctx, s, r)
}

// stale tells whether a newer session may help. A scope that is missing stays missing.
func stale(f *crm.Failure) bool { return f.Code == invalidToken && !f.Unknown }
