package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// maxAnswer bounds what a token end point may answer, in bytes.
const maxAnswer = 256 << 10

// nativeFields are what is kept of an answer for callers that need more than the
// token, without tokens within. A field that isn't named here may hold a secret.
var nativeFields = []string{"id", "instance_url", "api_domain", "scope", "scopes", "token_type", "issued_at", "expires_in",
	"sfdc_community_id", "sfdc_community_url", "hub_id", "user_id", "team", "enterprise", "is_enterprise_install", "authed_user", "data", "app_id", "bot_user_id", "realmId", "location"}

// callbackFields are those of them that a service tells in the callback alone: Intuit
// names the company there, Zoho the data centre. The browser brings them, so that
// they say no more than what a user may choose.
var callbackFields = []string{"realmId", "location"}

// nativeOf is an answer's nativeFields as a JSON object, over those of before, with
// the callback's callbackFields.
func nativeOf(before string, a answer) string {
	fields := fieldsOf([]byte(before)) // ours
	if fields == nil {
		fields = map[string]any{}
	}
	for _, name := range a.keeps() {
		if v := a.field(name); v != nil && v != "" {
			fields[name] = withoutTokens(v)
		}
	}
	for _, name := range callbackFields {
		if v := a.callback.Get(name); slices.Contains(a.keeps(), name) && fields[name] == nil && v != "" && len(v) <= maxFound {
			fields[name] = v
		}
	}
	b, err := json.Marshal(fields)
	if err != nil || len(b) > maxNative {
		return "{}"
	}
	return string(b)
}

// keeps are the names of the fields that are kept of an answer. How long its token lives
// is needed to know when that was.
func (a answer) keeps() []string {
	if len(a.native) == 0 {
		return nativeFields
	}
	return append([]string{"expires_in"}, a.native...)
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

	also   []string      // further codes that the answer had
	passes bool          // it came with a status that says so, whatever its code
	after  time.Duration // when to try again, as the service said; 0 when it didn't
}

// Error names the code alone.
func (e *OAuthError) Error() string { return "oauth: " + e.Code }

// The codes of refusals that have none of their own.
const (
	CodeUnknown = "unknown_error"     // its code is no plain word
	CodeTooMany = "too_many_requests" // its status says so, and nothing else
)

// The longest code and description of a refusal that are kept, in bytes.
const (
	maxCode        = 64
	maxDescription = 1000
)

// refusal makes an OAuthError of what came from outside. Its code ends in logs
// and in the database, so one that is no plain word is not kept, nor one that means
// something of ours.
func refusal(code, description string) *OAuthError {
	if len(code) > maxCode || slices.Contains(ownCodes, code) || strings.Trim(code, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != "" {
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

// exchange trades a code for tokens. It fails as refresh does.
func (c *client) exchange(ctx context.Context, s Service, loginURL, code, verifier string) (answer, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {s.RedirectURL}}
	if !s.NoPKCE {
		form.Set("code_verifier", verifier)
	}
	return c.trade(ctx, s, loginURL, form)
}

// refresh trades a refresh token for a new access token. An *OAuthError: the
// service refused. errNotSent: the service knows nothing of it. Any other error:
// the token may have been rotated.
func (c *client) refresh(ctx context.Context, s Service, loginURL, token string) (answer, error) {
	return c.trade(ctx, s, loginURL, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// trade asks the token end point. Whatever is traded, one reader reads the answer:
// oauth2's chooses by the media type how to read it, wants whole seconds, and doesn't
// tell whether anything was sent.
func (c *client) trade(ctx context.Context, s Service, loginURL string, form url.Values) (answer, error) {
	r, err := c.post(ctx, s, s.at(loginURL, s.TokenURL), form)
	if err != nil {
		return answer{}, fmt.Errorf("token end point: %w", err)
	}
	a, err := s.read(r)
	if err != nil {
		err = fmt.Errorf("token end point: %w", err)
	}
	return a, err
}

// read reads an answer of the token end point.
func (s Service) read(r reply) (answer, error) {
	fields := fieldsOf(r.body)
	a := s.newAnswer(func(name string) any { return fields[name] })
	if r.success() && a.AccessToken != "" {
		return a, nil
	}
	// A server in trouble may quote a refusal that isn't one.
	if refused := s.refusalOf(fields); refused != nil && (r.success() || r.status >= 400 && r.status < 500) {
		refused.passes, refused.after = r.status == http.StatusTooManyRequests, r.after
		return answer{}, refused
	}
	if r.status == http.StatusTooManyRequests {
		return answer{}, &OAuthError{Code: CodeTooMany, passes: true, after: r.after}
	}
	return answer{}, &unclearError{status: r.status, after: r.after}
}

// unclearError is an answer that makes no sense: what was asked for may be done.
type unclearError struct {
	status int
	after  time.Duration // when to try again, as it said; 0 when it didn't
}

// Error names the status alone.
func (e *unclearError) Error() string {
	return fmt.Sprintf("status %d without an answer that makes sense", e.status)
}

// retryAfter is when to try again, as the service said; 0 when it didn't.
func retryAfter(err error) time.Duration {
	var refused *OAuthError
	var unclear *unclearError
	switch {
	case errors.As(err, &refused):
		return refused.after
	case errors.As(err, &unclear):
		return unclear.after
	}
	return 0
}

// introspect asks whether a refresh token is alive (RFC 7662).
func (c *client) introspect(ctx context.Context, s Service, loginURL, token string) (active bool, err error) {
	in, err := c.askAbout(ctx, s, loginURL, token, "refresh_token")
	return err == nil && in.active, err
}

// latestEnd is the last end of a token that can be meant, in seconds since 1970: more
// than that are milliseconds, or nonsense.
const latestEnd = 1 << 36

// isOver asks whether a grant is over, after a refusal that may mean it. A service that
// can't be asked, or doesn't tell us, is taken by its word: as RFC 6749 has it, it is.
// One that doesn't know the app says nothing of the grant (RFC 7662, section 2.3).
func (c *client) isOver(ctx context.Context, s Service, loginURL, token string) (bool, error) {
	if s.IntrospectURL == "" {
		return true, nil
	}
	alive, err := c.introspect(ctx, s, loginURL, token)
	var untold *untoldError
	if errors.As(err, &untold) && untold.status != http.StatusUnauthorized {
		return true, nil
	}
	return err == nil && !alive, err
}

// untoldError says that a service won't tell us of a token.
type untoldError struct{ status int }

// Error names the status.
func (e *untoldError) Error() string {
	return fmt.Sprintf("introspection: refused with status %d", e.status)
}

// introspection is what a service says of a token.
type introspection struct {
	active   bool
	exp, iat float64 // when it runs out, and when it was made, in seconds since 1970; 0 when it isn't said
	life     time.Duration
}

// shortestLife is the shortest of an access token that is believed without a word on
// when it was made.
const shortestLife = 10 * time.Second

// ends is when a new access token runs out: the zero time when it isn't said.
func (in introspection) ends(asked time.Time) (time.Time, error) {
	switch {
	case !in.active:
		return time.Time{}, nil
	case in.life > 0:
		return asked.Add(in.life), nil
	case in.exp < 1 || in.exp > latestEnd:
		return time.Time{}, nil
	}
	end := time.Unix(int64(in.exp), 0)
	least := shortestLife
	if in.iat > 0 && in.iat < in.exp {
		least = time.Duration(min(in.exp-in.iat, 4*expiryMargin.Seconds()) / 2 * float64(time.Second))
	}
	// A new token that is as good as over means that the clocks differ. Renewing at each
	// call because of it would help nobody.
	if end.Sub(asked) < least {
		return time.Time{}, errors.New("a new token is said to be over already: do the clocks differ?")
	}
	return end, nil
}

func (c *client) askAbout(ctx context.Context, s Service, loginURL, token, hint string) (introspection, error) {
	r, err := c.post(ctx, s, s.at(loginURL, s.IntrospectURL), url.Values{"token": {token}, "token_type_hint": {hint}})
	if err != nil {
		return introspection{}, err
	}
	if r.status >= 400 && r.status < 500 && r.status != http.StatusRequestTimeout && r.status != http.StatusTooManyRequests {
		return introspection{}, &untoldError{r.status}
	}
	fields := fieldsOf(r.body)
	active, ok := truth(fields["active"])
	if !r.success() || !ok {
		return introspection{}, fmt.Errorf("introspection: %w", &unclearError{r.status, r.after})
	}
	a := answer{field: func(name string) any { return fields[name] }}
	return introspection{active: active, exp: number(fields["exp"]), iat: number(fields["iat"]), life: a.lifetime()}, nil
}

// post sends a form, with the client's credentials when s has any.
func (c *client) post(ctx context.Context, s Service, address string, form url.Values) (reply, error) {
	c = c.of(s)
	basic := false
	if s.ClientID != "" {
		if basic = s.BasicAuth; !basic {
			form.Set("client_id", s.ClientID)
			if !s.Public {
				form.Set("client_secret", s.ClientSecret)
			}
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
func (c *client) send(ctx context.Context, method, address, contentType, content string, prepare func(*http.Request)) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ctx, sent := watched(ctx)
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(content))
	if err != nil {
		return reply{}, fmt.Errorf("%w: its address is malformed", errNotSent)
	}
	req.GetBody = nil // never sent a second time by the transport
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	prepare(req)
	res, err := c.http.Do(req)
	if err != nil {
		return reply{}, callError(err, sent.Load())
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return reply{}, callError(err, true)
	}
	if len(body) > maxAnswer {
		return reply{}, errors.New("the answer is too long")
	}
	return reply{status: res.StatusCode, body: body, after: waitOf(res.Header)}, nil
}

// reply is what a call was answered.
type reply struct {
	status int
	body   []byte
	after  time.Duration // when to try again, as it says; 0 when it doesn't
}

func (r reply) success() bool { return r.status >= 200 && r.status < 300 }

// page reports whether it is one for people: of maintenance, say, whatever its status.
func (r reply) page() bool { return bytes.HasPrefix(bytes.TrimSpace(r.body), []byte("<")) }

// longestWait bounds what a service may ask us to wait.
const longestWait = time.Hour

// waitOf is when to try again, as an answer's header says it (RFC 9110, section
// 10.2.3): in seconds, or at a time by the service's own clock.
func waitOf(h http.Header) time.Duration {
	said := strings.TrimSpace(h.Get("Retry-After"))
	seconds, err := strconv.ParseFloat(said, 64)
	if err == nil && !math.IsNaN(seconds) {
		return time.Duration(max(0, min(seconds, longestWait.Seconds())) * float64(time.Second))
	}
	at, err := http.ParseTime(said)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, min(at.Sub(now), longestWait))
}

// userinfo asks whom an access token is of. An *OAuthError: of nobody any more.
func (c *client) userinfo(ctx context.Context, s Service, loginURL, token string) (map[string]any, error) {
	r, err := c.of(s).send(ctx, http.MethodGet, s.at(loginURL, s.UserinfoURL), "", "", func(r *http.Request) {
		r.Header.Set("Authorization", s.scheme()+" "+token)
	})
	if err != nil {
		return nil, err
	}
	fields := fieldsOf(r.body)
	refused := s.refusalOf(fields)
	switch {
	case r.status == http.StatusUnauthorized && !r.page() && (refused == nil || s.judge(refused).Verdict != Passes):
		return nil, &OAuthError{Code: "invalid_token"} // RFC 6750, section 3.1
	case !r.success() || len(fields) == 0 || refused != nil && s.ErrorsWith200:
		return nil, fmt.Errorf("userinfo: %w", &unclearError{r.status, r.after})
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
