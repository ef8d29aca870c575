package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// maxAnswer bounds what a token end point may answer, in bytes.
const maxAnswer = 256 << 10

// answer is what a token end point answers when it succeeds, as Salesforce does.
type answer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	InstanceURL  string `json:"instance_url"`
	ID           string `json:"id"`
	Scope        string `json:"scope"`
	TokenType    string `json:"token_type"`
}

// OAuthError is a refusal that a service spoke: RFC 6749, section 5.2.
type OAuthError struct {
	Code        string // as "invalid_grant"
	Description string // for people, as it came: escape it, don't log it
}

// Error names the code alone.
func (e *OAuthError) Error() string { return "oauth: " + e.Code }

// errNotSent wraps failures after which the service can't have got the request.
var errNotSent = errors.New("not sent")

// client speaks OAuth to one service.
type client struct {
	http    *http.Client
	timeout time.Duration // of one call
}

func (s Service) config(loginURL string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: s.ClientID, ClientSecret: s.ClientSecret, RedirectURL: s.RedirectURL, Scopes: s.Scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL: loginURL + s.AuthorizePath, TokenURL: loginURL + s.TokenPath, AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// exchange trades a code for tokens. It fails with an *OAuthError when the
// service refused, else with what went wrong.
func (c *client) exchange(ctx context.Context, s Service, loginURL, code, verifier string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ctx = context.WithValue(ctx, oauth2.HTTPClient, c.http)
	t, err := s.config(loginURL).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return answer{}, exchangeError(err)
	}
	text := func(name string) string { v, _ := t.Extra(name).(string); return v }
	return answer{AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, TokenType: t.TokenType,
		InstanceURL: text("instance_url"), ID: text("id"), Scope: text("scope")}, nil
}

// exchangeError keeps what may be shown and logged of an error of oauth2's,
// whose text can hold the whole answer.
func exchangeError(err error) error {
	var re *oauth2.RetrieveError
	switch {
	case errors.As(err, &re) && re.Response != nil && re.Response.StatusCode >= 500:
		return fmt.Errorf("token end point: status %d", re.Response.StatusCode)
	case errors.As(err, &re) && re.ErrorCode != "":
		return &OAuthError{Code: re.ErrorCode, Description: re.ErrorDescription}
	case errors.As(err, &re) && re.Response != nil:
		if oe := parseError(re.Body); oe != nil && re.Response.StatusCode >= 400 {
			return oe
		}
		return fmt.Errorf("token end point: status %d without an answer that makes sense", re.Response.StatusCode)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return fmt.Errorf("token end point: %w", ue.Err)
	}
	return errors.New("token end point: no answer that makes sense")
}

// refresh trades a refresh token for a new access token. An *OAuthError: the
// service refused. errNotSent: the service knows nothing of it. Any other error:
// the token may have been rotated.
func (c *client) refresh(ctx context.Context, s Service, loginURL, token string) (answer, error) {
	status, body, err := c.post(ctx, s, loginURL+s.TokenPath, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	if err != nil {
		return answer{}, err
	}
	if status >= 400 && status < 500 {
		if oe := parseJSONError(body); oe != nil {
			return answer{}, oe
		}
	}
	var a answer
	if status != http.StatusOK || json.Unmarshal(body, &a) != nil || a.AccessToken == "" {
		return answer{}, fmt.Errorf("token end point: status %d without an answer that makes sense", status)
	}
	return a, nil
}

// introspect asks whether a refresh token is alive (RFC 7662).
func (c *client) introspect(ctx context.Context, s Service, loginURL, token string) (active bool, err error) {
	status, body, err := c.post(ctx, s, loginURL+s.IntrospectPath, url.Values{"token": {token}, "token_type_hint": {"refresh_token"}})
	if err != nil {
		return false, err
	}
	var in struct{ Active *bool }
	if status != http.StatusOK || json.Unmarshal(body, &in) != nil || in.Active == nil {
		return false, fmt.Errorf("introspection: status %d without an answer that makes sense", status)
	}
	return *in.Active, nil
}

// revoke ends a refresh token and its access tokens (RFC 7009). A token that the
// service doesn't know any more is revoked.
func (c *client) revoke(ctx context.Context, s Service, loginURL, token string) error {
	status, body, err := c.post(ctx, Service{}, loginURL+s.RevokePath, url.Values{"token": {token}})
	if err != nil {
		return err
	}
	if status == http.StatusOK {
		return nil
	}
	if oe := parseError(body); status == http.StatusBadRequest && oe != nil && (oe.Code == "invalid_token" || oe.Code == "unsupported_token_type") {
		return nil
	}
	return fmt.Errorf("revocation: status %d", status)
}

// post sends a form, with the client's credentials when s has any.
func (c *client) post(ctx context.Context, s Service, address string, form url.Values) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if s.ClientID != "" {
		form.Set("client_id", s.ClientID)
		form.Set("client_secret", s.ClientSecret)
	}
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	req.GetBody = nil // never sent a second time by the transport
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the address
		}
		if !sent.Load() {
			err = fmt.Errorf("%w: %w", errNotSent, err)
		}
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errors.New("the answer is too long")
	}
	return res.StatusCode, body, err
}

// parseJSONError reads an OAuth error, or returns nil.
func parseJSONError(body []byte) *OAuthError {
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &e) != nil || e.Error == "" {
		return nil
	}
	return &OAuthError{Code: e.Error, Description: e.Description}
}

// parseError reads an OAuth error in JSON or, as Salesforce sometimes has it,
// as a form; or returns nil.
func parseError(body []byte) *OAuthError {
	if e := parseJSONError(body); e != nil {
		return e
	}
	v, err := url.ParseQuery(string(body))
	if err != nil || v.Get("error") == "" {
		return nil
	}
	return &OAuthError{Code: v.Get("error"), Description: v.Get("error_description")}
}
