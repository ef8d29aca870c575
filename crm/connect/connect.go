// Package connect makes CRM sessions out of the vault, and lists the CRMs that there are:
// each has one entry here.
package connect

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"gatepost/crm"
	"gatepost/identity"
)

// Config is what New needs.
type Config struct {
	HTTP *http.Client     // where requests may go: see package outbound
	Log  *slog.Logger     // nil for none
	Now  func() time.Time // the vault's
}

// CRMs are the CRMs that there are.
type CRMs struct {
	Config
	kinds []kind
	found findings
}

// kind is one CRM: how sessions of it are made.
type kind struct {
	provider *crm.Provider
	// open makes a session out of the credentials that it is given.
	open func(ctx context.Context, from source) (crm.CRM, error)
	// inspect asks with a new credential all that is to be known then.
	inspect func(ctx context.Context, c identity.Credential) (organization, error)
}

// organization is what a CRM says of itself when it is connected.
type organization struct {
	identity.Org
	checks []crm.Check
	asked  crm.CRM // which knows what the CRM said of its API calls
}

// New returns all CRMs.
func New(c Config) *CRMs {
	all := &CRMs{Config: c}
	all.kinds = []kind{salesforceKind(c), hubspotKind(c), zohoKind(c)}
	return all
}

// Providers are what is true of each of them.
func (s *CRMs) Providers() (all crm.Providers) {
	for _, k := range s.kinds {
		all = append(all, k.provider)
	}
	return all
}

// of returns the CRM that is the service.
func (s *CRMs) of(service string) (kind, bool) {
	for _, k := range s.kinds {
		if k.provider.Service == service {
			return k, true
		}
	}
	return kind{}, false
}

// Vault is what gives fresh credentials; *identity.Vault is one.
type Vault interface {
	Get(ctx context.Context, service, tenantID string, refused int64) (identity.Credential, error)
}

// Connect opens a tenant's CRM, which is of the service. Its sessions are the vault's.
func (s *CRMs) Connect(ctx context.Context, vault Vault, service, tenantID string) (crm.CRM, error) {
	k, ok := s.of(service)
	if !ok {
		return nil, &crm.Failure{Class: crm.Connection, Code: crm.NotConnected, Cause: identity.ErrNoService}
	}
	from := source{vault: vault, service: service, tenant: tenantID, now: s.Now}
	opened, err := k.open(ctx, from)
	if err != nil {
		return nil, err
	}
	return &inspected{CRM: opened, from: from, found: &s.found}, nil
}

// Organization asks a CRM which org a new credential belongs to. When the org can't be
// used at all, it is refused. What was found is kept for the check-up that follows, so that
// connecting costs no call twice. Of a service that is no CRM nothing is known.
func (s *CRMs) Organization(ctx context.Context, c identity.Credential) (identity.Org, error) {
	k, ok := s.of(c.Service)
	if !ok {
		return identity.Org{}, nil
	}
	o, err := k.inspect(ctx, c)
	if err != nil {
		return identity.Org{}, k.refusal(err, c.OrgID == "")
	}
	s.found.keep(c.AccessToken, finding{o.checks, o.asked, time.Now()})
	return o.Org, nil
}

// refusal turns a failure after which nothing can be delivered into a refusal of the
// connection, and where the org isn't known otherwise, any that somebody has to mend.
func (k kind) refusal(err error, unknown bool) error {
	f := crm.Failed(err)
	if f.Class == crm.Connection || unknown && k.provider.Sentence(f.Code).Who != crm.Nobody {
		return &identity.OAuthError{Code: f.Code}
	}
	return err
}

// source gives a tenant's credentials for a service out of the vault.
type source struct {
	vault   Vault
	service string
	tenant  string
	now     func() time.Time
}

// credential returns one, in crm's words when there is none.
func (s source) credential(ctx context.Context, refused int64) (identity.Credential, error) {
	c, err := s.vault.Get(ctx, s.service, s.tenant, refused)
	var broken *identity.BrokenError
	var later *identity.UnavailableError
	switch {
	case errors.Is(err, identity.ErrNotConnected):
		err = &crm.Failure{Class: crm.Connection, Code: crm.NotConnected, Cause: err}
	case errors.As(err, &broken):
		err = &crm.Failure{Class: crm.Connection, Code: crm.Broken, Cause: err}
	case errors.As(err, &later):
		err = &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Wait: later.RetryAt.Sub(s.now()), Uncalled: true, Cause: err}
	}
	return c, err
}
