package identity

import (
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

// nativeFields are what is kept of an answer for callers that need more than the
// token, without tokens within. A field that isn't named here may hold a secret.
var nativeFields = []string{"id", "instance_url", "api_domain", "scope", "token_type", "issued_at", "expires_in",
	"sfdc_community_id", "sfdc_community_url", "hub_id", "user_id", "team", "enterprise", "is_enterprise_install", "authed_user", "data", "app_id", "bot_user_id", "realmId", "location"}

// callbackFields are those of them that a service tells in the callback alone: Intuit
// names the company there, Zoho the data centre. The browser brings them, so that
// they say no more than what a user may choose.
var callbackFields = []string{"realmId", "location"}

// nativeOf is an answer's nativeFields as a JSON object, over those of before, with
// the callback's callbackFields.
func nativeOf(before string, a answer) string {
	fields := map[string]any{}
	if before != "" {
		_ = json.Unmarshal([]byte(before), &fields) // ours
	}
	for _, name := range nativeFields {
		if v := a.field(name); v != nil && v != "" {
			fields[name] = withoutTokens(v)
		}
	}
	for _, name := range callbackFields {
		if v := a.callback.Get(name); fields[name] == nil && v != "" && len(v) <= maxFound {
			fields[name] = v
		}
	}
	b, err := json.Marshal(fields)
	if err != nil || len(b) > maxNative {
		return "{}"
	}
	return string(b)
}

// withoutTokens is a value of an answer without what objects in it call a token or
// a secret.
func withoutTokens(v any) any {
	switch v := v.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, within := range v {
			if lower := strings.ToLower(name); name == "token_type" || !strings.Contains(lower, "token") && !strings.Contains(lower, "secret") {
				kept[name] = withoutTokens(within)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(v))
		for i := range v {
			kept[i] = withoutTokens(v[i])
		}
		return kept
	}
	return v
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
	tenants *http.Client  // for hosts of tenants
	timeout time.Duration // of one call
}

// of is the client that calls the service where it is.
func (c *client) of(s Service) *client {
	if !s.tenantsHost() {
		return c
	}
	return &client{http: c.tenants, tenants: c.tenants, timeout: c.timeout}
}

func (s Service) config(loginURL string) *oauth2.Config {
	style := oauth2.AuthStyleInParams
	if s.BasicAuth {
		style = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{
		ClientID: s.ClientID, ClientSecret: s.ClientSecret, RedirectURL: s.RedirectURL, Scopes: s.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: s.at(loginURL, s.AuthorizeURL), TokenURL: s.at(loginURL, s.TokenURL), AuthStyle: style},
	}
}

// exchange trades a code for tokens. It fails with an *OAuthError when the
// service refused, else with what went wrong.
func (c *client) exchange(ctx context.Context, s Service, loginURL, code, verifier string) (answer, error) {
	c = c.of(s)
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ctx, sent := watched(context.WithValue(ctx, oauth2.HTTPClient, c.http))
	var options []oauth2.AuthCodeOption
	if !s.NoPKCE {
		options = append(options, oauth2.VerifierOption(verifier))
	}
	t, err := s.config(loginURL).Exchange(ctx, code, options...)
	if err != nil {
		return answer{}, s.exchangeError(err, sent.Load())
	}
	return s.newAnswer(t.Extra), nil
}

// exchangeError keeps what may be shown and logged of an error of oauth2's,
// whose text can hold the whole answer.
func (s Service) exchangeError(err error, sent bool) error {
	var re *oauth2.RetrieveError
	switch {
	case errors.As(err, &re) && re.Response != nil && re.Response.StatusCode >= 500:
		return fmt.Errorf("token end point: status %d", re.Response.StatusCode)
	case errors.As(err, &re) && re.ErrorCode != "":
		return refusal(re.ErrorCode, re.ErrorDescription)
	case errors.As(err, &re) && re.Response != nil:
		oe := s.refusalIn(re.Body)
		if oe == nil {
			oe = parseError(re.Body)
		}
		if oe != nil && re.Response.StatusCode >= 400 {
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
	status, body, err := c.post(ctx, s, s.at(loginURL, s.TokenURL), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	if err != nil {
		return answer{}, err
	}
	if status >= 400 && status < 500 || s.ErrorsWith200 && status == http.StatusOK {
		if oe := s.refusalIn(body); oe != nil {
			return answer{}, oe
		}
	}
	var fields map[string]any
	if status != http.StatusOK || json.Unmarshal(body, &fields) != nil || text(fields["access_token"]) == "" {
		return answer{}, fmt.Errorf("token end point: status %d without an answer that makes sense", status)
	}
	return s.newAnswer(func(name string) any { return fields[name] }), nil
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
	status, body, err := c.post(ctx, s, s.at(loginURL, s.IntrospectURL), url.Values{"token": {token}, "token_type_hint": {hint}})
	if err != nil {
		return introspection{}, err
	}
	var in introspection
	if err := json.Unmarshal(body, &in); status != http.StatusOK || in.Active == nil || err != nil && hint == "access_token" {
		return introspection{}, fmt.Errorf("introspection: status %d without an answer that makes sense", status)
	}
	return in, nil
}

// post sends a form, with the client's credentials when s has any.
func (c *client) post(ctx context.Context, s Service, address string, form url.Values) (status int, body []byte, err error) {
	c = c.of(s)
	basic := false
	if s.ClientID != "" {
		if basic = s.BasicAuth; !basic {
			form.Set("client_id", s.ClientID)
			form.Set("client_secret", s.ClientSecret)
		}
	}
	return c.send(ctx, http.MethodPost, address, "application/x-www-form-urlencoded", form.Encode(), func(r *http.Request) {
		if basic {
			s.authenticate(r)
		}
	})
}

// authenticate adds the client's credentials in a header (RFC 6749, section 2.3.1).
func (s Service) authenticate(r *http.Request) {
	r.SetBasicAuth(url.QueryEscape(s.ClientID), url.QueryEscape(s.ClientSecret))
}

// send makes one call, never a second time; prepare may add headers.
func (c *client) send(ctx context.Context, method, address, contentType, content string, prepare func(*http.Request)) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ctx, sent := watched(ctx)
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(content))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: its address is malformed", errNotSent)
	}
	req.GetBody = nil // never sent a second time by the transport
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	prepare(req)
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

// userinfo asks whom an access token is of. An *OAuthError: of nobody any more.
func (c *client) userinfo(ctx context.Context, s Service, loginURL, token string) (map[string]any, error) {
	status, body, err := c.of(s).send(ctx, http.MethodGet, s.at(loginURL, s.UserinfoURL), "", "", func(r *http.Request) {
		r.Header.Set("Authorization", s.scheme()+" "+token)
	})
	if err != nil {
		return nil, err
	}
	if status == http.StatusUnauthorized {
		return nil, &OAuthError{Code: "invalid_token"} // RFC 6750, section 3.1
	}
	var fields map[string]any
	if status != http.StatusOK || json.Unmarshal(body, &fields) != nil {
		return nil, fmt.Errorf("userinfo: status %d without an answer that makes sense", status)
	}
	return fields, nil
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
