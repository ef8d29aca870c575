package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"
)

// ErrForeignRequest says that a request leads to another host than the identity's,
// which is not to see its token.
var ErrForeignRequest = errors.New("the request leads to another host than the identity's")

// Client returns an HTTP client that calls a service with an identity's credential.
// When the service refuses it (401), a newer one is got and the request sent once
// more, if its body can be sent again. A request to another host than the
// identity's, or where an identity has none of its own, than the service's API, as
// far as those are known, fails with ErrForeignRequest; redirects are not followed.
// Errors of Get come out of Do, wrapped.
func (v *Vault) Client(id string) *http.Client {
	return &http.Client{
		Transport:     &transport{vault: v, id: id},
		Timeout:       v.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport adds the credential.
type transport struct {
	vault *Vault
	id    string
}

// RoundTrip sends the request with a credential, once more when that is refused.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	c, err := t.vault.GetByID(r.Context(), t.id, 0)
	if err != nil {
		return nil, closed(r, err)
	}
	res, err := t.send(r, c)
	if err != nil || res.StatusCode != http.StatusUnauthorized || r.Body != nil && r.GetBody == nil {
		return res, err
	}
	newer, err := t.vault.GetByID(r.Context(), t.id, c.Generation)
	if err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	_ = res.Body.Close()
	again := r.Clone(r.Context())
	if r.GetBody != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return t.send(again, newer)
}

// send sends a copy of the request with the credential.
func (t *transport) send(r *http.Request, c Credential) (*http.Response, error) {
	s, err := t.vault.Service(r.Context(), c.Service)
	if err != nil {
		return nil, closed(r, err)
	}
	s, next, err := t.vault.way(r.Context(), s, c, r.URL)
	if err != nil {
		return nil, closed(r, err)
	}
	with := r.Clone(r.Context())
	with.Header.Set("Authorization", s.scheme()+" "+c.AccessToken)
	return next.RoundTrip(with)
}

// way is the service as a credential's API is called, and what calls of an address go by.
// ErrForeignRequest: the address is not to see the credential.
func (v *Vault) way(ctx context.Context, s Service, c Credential, to *url.URL) (Service, http.RoundTripper, error) {
	if !s.takes(to, c) {
		return s, nil, ErrForeignRequest
	}
	if s.SelfManaged && c.InstanceURL != "" { // a host of the operator's, or a tenant's
		settings, err := v.Settings(ctx, c.Service)
		if err != nil {
			return s, nil, err
		}
		s = settings.on(c.InstanceURL)
	}
	next := v.HTTP.Transport
	if s.tenantsHost() {
		next = v.TenantHTTP.Transport
	}
	if next == nil {
		next = http.DefaultTransport
	}
	return s, next, nil
}

// takes reports whether a request to the address may carry the credential.
func (s Service) takes(u *url.URL, c Credential) bool {
	switch {
	case u.User != nil:
		return false
	case c.InstanceURL != "":
		return sameOrigin(u, c.InstanceURL)
	case len(s.APIHosts) > 0:
		return s.ownAPI(u.String())
	}
	return true
}

// closed closes the body of a request that isn't sent, as a RoundTripper must.
func closed(r *http.Request, err error) error {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return err
}

func sameOrigin(u *url.URL, base string) bool {
	b, err := url.Parse(base)
	return err == nil && u.Scheme == b.Scheme && u.Host == b.Host
}

// TokenSource returns the identity's credentials for libraries that take an
// oauth2.TokenSource. Each Token asks the vault, which renews it when it is due.
// Where the service doesn't say when a token runs out, only Client sees that it
// was refused.
func (v *Vault) TokenSource(ctx context.Context, id string) oauth2.TokenSource {
	return tokenSource{ctx, v, id}
}

type tokenSource struct {
	ctx   context.Context
	vault *Vault
	id    string
}

// Token returns a token that works now.
func (s tokenSource) Token() (*oauth2.Token, error) {
	c, err := s.vault.GetByID(s.ctx, s.id, 0)
	if err != nil {
		return nil, fmt.Errorf("token of an identity: %w", err)
	}
	service, err := s.vault.Service(s.ctx, c.Service)
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: c.AccessToken, TokenType: service.scheme(), Expiry: c.ExpiresAt}, nil
}
