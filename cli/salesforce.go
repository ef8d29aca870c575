package cli

import (
	"context"
	"errors"
	"net/http"
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
		err = &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Wait: time.Until(later.RetryAt), Cause: err}
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

// organization asks Salesforce which org a new credential belongs to. That is
// the first call to it: when the org can't be used at all, it is refused.
func organization(hc *http.Client, o salesforce.Options) func(context.Context, identity.Credential) (string, bool, error) {
	return func(ctx context.Context, c identity.Credential) (string, bool, error) {
		s := session(c)
		s.Generation = 1 // so that a refusal of it can be named
		client, err := salesforce.Open(ctx, given(s), hc, o)
		if err != nil {
			return "", false, refusal(err)
		}
		org, err := client.Organization(ctx)
		return org.Name, org.Sandbox, refusal(err)
	}
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
