package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
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

	field func(name string) any // reads any of it, nil where there is none
}

// nativeFields are what is kept of an answer for callers that need more than the
// token. A field that isn't named here may hold a secret.
var nativeFields = []string{"id", "instance_url", "api_domain", "scope", "token_type", "issued_at", "expires_in",
	"sfdc_community_id", "sfdc_community_url", "hub_id", "user_id", "team", "enterprise", "app_id", "bot_user_id"}

// nativeOf is an answer's nativeFields as a JSON object, over those of before.
func nativeOf(before string, field func(name string) any) string {
	fields := map[string]any{}
	if before != "" {
		_ = json.Unmarshal([]byte(before), &fields) // ours
	}
	for _, name := range nativeFields {
		if v := field(name); v != nil && v != "" {
			fields[name] = v
		}
	}
	b, err := json.Marshal(fields)
	if err != nil || len(b) > maxNative {
		return "{}"
	}
	return string(b)
}

// maxNative bounds what is kept of an answer, in bytes.
const maxNative = 16 << 10

// OAuthError is a refusal that a service spoke: RFC 6749, section 5.2.
type OAuthError struct {
	Code        string // as "invalid_grant": a short plain word, whatever was sent
	Description string // for people, as it came: escape it, don't log it
}

// Error names the code alone.
func (e *OAuthError) Error() string { return "oauth: " + e.Code }

// CodeUnknown stands for a refusal whose code is no plain word.
const CodeUnknown = "unknown_error"

// The longest code and description of a refusal that are kept, in bytes.
const (
	maxCode        = 64
	maxDescription = 1000
)

// refusal makes an OAuthError of what came from outside. Its code ends in logs
// and in the database, so one that is no plain word is not kept.
func refusal(code, description string) *OAuthError {
	if len(code) > maxCode || strings.Trim(code, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != "" {
		code = CodeUnknown
	}
	return &OAuthError{Code: code, Description: strings.ToValidUTF8(description[:min(len(description), maxDescription)], "")}
}

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
	ctx, sent := watched(context.WithValue(ctx, oauth2.HTTPClient, c.http))
	t, err := s.config(loginURL).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return answer{}, exchangeError(err, sent.Load())
	}
	text := func(name string) string { v, _ := t.Extra(name).(string); return v }
	return answer{AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, TokenType: t.TokenType,
		InstanceURL: text("instance_url"), ID: text("id"), Scope: text("scope"), field: t.Extra}, nil
}

// exchangeError keeps what may be shown and logged of an error of oauth2's,
// whose text can hold the whole answer.
func exchangeError(err error, sent bool) error {
	var re *oauth2.RetrieveError
	switch {
	case errors.As(err, &re) && re.Response != nil && re.Response.StatusCode >= 500:
		return fmt.Errorf("token end point: status %d", re.Response.StatusCode)
	case errors.As(err, &re) && re.ErrorCode != "":
		return refusal(re.ErrorCode, re.ErrorDescription)
	case errors.As(err, &re) && re.Response != nil:
		if oe := parseError(re.Body); oe != nil && re.Response.StatusCode >= 400 {
			return oe
		}
		return fmt.Errorf("token end point: status %d without an answer that makes sense", re.Response.StatusCode)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return fmt.Errorf("token end point: %w", callError(err, sent))
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
	var fields map[string]any
	if status != http.StatusOK || json.Unmarshal(body, &a) != nil || json.Unmarshal(body, &fields) != nil || a.AccessToken == "" {
		return answer{}, fmt.Errorf("token end point: status %d without an answer that makes sense", status)
	}
	a.field = func(name string) any { return fields[name] }
	return a, nil
}

// introspect asks whether a refresh token is alive (RFC 7662).
func (c *client) introspect(ctx context.Context, s Service, loginURL, token string) (active bool, err error) {
	in, err := c.askAbout(ctx, s, loginURL, token, "refresh_token")
	return err == nil && *in.Active, err
}

// expiry asks when an access token runs out: the zero time when the service
// doesn't say.
func (c *client) expiry(ctx context.Context, s Service, loginURL, token string) (time.Time, error) {
	in, err := c.askAbout(ctx, s, loginURL, token, "access_token")
	if err != nil || !*in.Active || in.Exp <= 0 {
		return time.Time{}, err
	}
	return time.Unix(in.Exp, 0), nil
}

// introspection is what a service says of a token. Active is never nil.
type introspection struct {
	Active *bool `json:"active"`
	Exp    int64 `json:"exp"`
}

func (c *client) askAbout(ctx context.Context, s Service, loginURL, token, hint string) (introspection, error) {
	status, body, err := c.post(ctx, s, loginURL+s.IntrospectPath, url.Values{"token": {token}, "token_type_hint": {hint}})
	if err != nil {
		return introspection{}, err
	}
	var in introspection
	if err := json.Unmarshal(body, &in); status != http.StatusOK || in.Active == nil || err != nil && hint == "access_token" {
		return introspection{}, fmt.Errorf("introspection: status %d without an answer that makes sense", status)
	}
	return in, nil
}

// revoke ends a refresh token and its access tokens (RFC 7009). A token that the
// service doesn't know any more is revoked.
func (c *client) revoke(ctx context.Context, s Service, loginURL, token string) error {
	// Salesforce asks for no client here; a service that does says so.
	status, code, err := c.tryRevoke(ctx, Service{}, loginURL+s.RevokePath, token)
	if status == http.StatusUnauthorized || code == "invalid_client" || code == "invalid_request" {
		status, code, err = c.tryRevoke(ctx, s, loginURL+s.RevokePath, token)
	}
	switch {
	case err != nil:
		return err
	case status == http.StatusOK, status == http.StatusBadRequest && (code == "invalid_token" || code == "unsupported_token_type"):
		return nil
	}
	return fmt.Errorf("revocation: status %d", status)
}

// tryRevoke asks once, as the client of s when that has one.
func (c *client) tryRevoke(ctx context.Context, s Service, address, token string) (status int, code string, err error) {
	status, body, err := c.post(ctx, s, address, url.Values{"token": {token}})
	if err != nil {
		return status, "", err
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return status, "", fmt.Errorf("revocation: status %d with a page", status) // maintenance, say, whatever its status
	}
	if oe := parseError(body); oe != nil {
		code = oe.Code
	}
	return status, code, nil
}

// post sends a form, with the client's credentials when s has any.
func (c *client) post(ctx context.Context, s Service, address string, form url.Values) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if s.ClientID != "" {
		form.Set("client_id", s.ClientID)
		form.Set("client_secret", s.ClientSecret)
	}
	ctx, sent := watched(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	req.GetBody = nil // never sent a second time by the transport
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, callError(err, sent.Load())
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, callError(err, true)
	}
	if len(body) > maxAnswer {
		return 0, nil, errors.New("the answer is too long")
	}
	return res.StatusCode, body, nil
}

// watched returns a context for one call, and what tells whether any of it may
// have been sent.
func watched(ctx context.Context) (context.Context, *atomic.Bool) {
	sent := new(atomic.Bool)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }}), sent
}

// errBroke stands for failures whose own text could quote the answer.
var errBroke = errors.New("the connection broke")

// callError keeps what may be logged of a call that failed: not the address, and
// nothing that the other side said. It wraps errNotSent when nothing was sent.
func callError(err error, sent bool) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var ne net.Error
	switch {
	case !sent:
		return fmt.Errorf("%w: %w", errNotSent, err)
	case errors.As(err, &ne), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled):
		return err
	}
	return errBroke
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
	return refusal(e.Error, e.Description)
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
	return refusal(v.Get("error"), v.Get("error_description"))
}
