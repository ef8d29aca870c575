package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"sync"
	"time"

	"gatepost/crm"
	"gatepost/crm/salesforce"
	"gatepost/identity"
)

// source gives a tenant's Salesforce sessions out of the vault.
type source struct {
	vault  *identity.Vault
	tenant string
}

// Session returns a session, in crm's words when there is none.
func (s source) Session(ctx context.Context, refused int64) (salesforce.Session, error) {
	c, err := s.vault.Get(ctx, identity.Salesforce, s.tenant, refused)
	var broken *identity.BrokenError
	var later *identity.UnavailableError
	switch {
	case errors.Is(err, identity.ErrNotConnected):
		err = &crm.Failure{Class: crm.Connection, Code: crm.NotConnected, Cause: err}
	case errors.As(err, &broken):
		err = &crm.Failure{Class: crm.Connection, Code: crm.Broken, Cause: err}
	case errors.As(err, &later):
		err = &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Wait: later.RetryAt.Sub(s.vault.Now()), Cause: err}
	}
	return session(c), err
}

func session(c identity.Credential) salesforce.Session {
	return salesforce.Session{AccessToken: c.AccessToken, InstanceURL: c.InstanceURL, OrgID: c.OrgID, Generation: c.Generation}
}

// given is a source with one session, which can't be renewed.
type given salesforce.Session

// Session returns the session until it is refused.
func (g given) Session(_ context.Context, refused int64) (salesforce.Session, error) {
	if refused != 0 {
		return salesforce.Session{}, &crm.Failure{Class: crm.Connection, Code: crm.Broken}
	}
	return salesforce.Session(g), nil
}

// inspector makes clients of Salesforce. The first call with a new credential
// asks everything that is to be known then, and its findings are kept for the
// check-up that follows, so that connecting costs one API call.
type inspector struct {
	http    *http.Client
	options salesforce.Options

	mu    sync.Mutex
	found map[string]finding // by the hash of the access token
}

type finding struct {
	checks []crm.Check
	asked  *salesforce.Client // which knows what Salesforce said of its API calls
	at     time.Time
}

// findingLife is how long findings wait for their check-up.
const findingLife = time.Minute

// organization asks Salesforce which org a new credential belongs to. When the
// org can't be used at all, it is refused.
func (i *inspector) organization(ctx context.Context, c identity.Credential) (name string, sandbox bool, err error) {
	s := session(c)
	s.Generation = 1 // so that a refusal of it can be named
	client, err := salesforce.Open(ctx, given(s), i.http, i.options)
	if err != nil {
		return "", false, refusal(err)
	}
	org, checks, err := client.Inspect(ctx)
	if err != nil {
		return "", false, refusal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	maps.DeleteFunc(i.found, func(_ string, f finding) bool { return time.Since(f.at) > findingLife })
	i.found[hashed(c.AccessToken)] = finding{checks, client, time.Now()}
	return org.Name, org.Sandbox, nil
}

// connect opens a tenant's Salesforce.
func (i *inspector) connect(ctx context.Context, vault *identity.Vault, tenantID string) (crm.CRM, error) {
	client, err := salesforce.Open(ctx, source{vault, tenantID}, i.http, i.options)
	if err != nil {
		return nil, err // not client: an interface that holds nil is not nil
	}
	return &inspected{Client: client, by: i, source: source{vault, tenantID}}, nil
}

// inspected is a Salesforce whose first check-up may have been made already.
type inspected struct {
	*salesforce.Client
	by     *inspector
	source salesforce.Source
	asked  *salesforce.Client // while connecting, where CheckUp told of that
}

// Usage returns what was said of the org's API calls, while connecting too.
func (c *inspected) Usage() (used, limit int, ok bool) {
	if used, limit, ok = c.Client.Usage(); !ok && c.asked != nil {
		return c.asked.Usage()
	}
	return used, limit, ok
}

// Calls returns how many API calls were made, while connecting too.
func (c *inspected) Calls() int {
	n := c.Client.Calls()
	if c.asked != nil {
		n += c.asked.Calls()
	}
	return n
}

// CheckUp returns what was found while connecting, once, or asks Salesforce.
func (c *inspected) CheckUp(ctx context.Context) ([]crm.Check, error) {
	s, err := c.source.Session(ctx, 0)
	if err != nil {
		return nil, err
	}
	if f, ok := c.by.take(hashed(s.AccessToken)); ok {
		c.asked = f.asked
		return f.checks, nil
	}
	return c.Client.CheckUp(ctx)
}

// hashed keeps a token from lying about.
func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func (i *inspector) take(token string) (finding, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f, ok := i.found[token]
	delete(i.found, token)
	return f, ok && time.Since(f.at) <= findingLife
}

// refusal turns a failure after which nothing can be delivered into a refusal
// of the connection.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	if f := crm.Failed(err); f.Class == crm.Connection {
		return &identity.OAuthError{Code: f.Code}
	}
	return err
}
