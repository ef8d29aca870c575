package identity

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatepost/identity/stored"

	"golang.org/x/net/http/httpguts"
)

// The bounds of a call of a service's API through us.
const (
	MaxCallBody   = 1 << 20 // bytes
	maxCallAnswer = 10 << 20
	maxCallQuery  = 16 << 10
	maxCallHeader = 4 << 10
	callTime      = 30 * time.Second
	callsAtOnce   = 32 // in a process: an answer is held whole
)

// APIRequest is a call of the API of an identity's service.
type APIRequest struct {
	Method string
	Path   string // as it is sent: escaped, without query
	Query  url.Values
	Header map[string]string
	Body   []byte
}

// APIAnswer is what the service answered, whatever its status.
type APIAnswer struct {
	Status int
	Header map[string]string // the first value of those that are handed on
	Body   []byte
}

// CallError says why a call wasn't made, or its answer isn't given out.
type CallError struct {
	Code     string // one of the Call… codes
	Sentence string // for whoever wrote the program
}

// Error names the code.
func (e *CallError) Error() string { return "call of an API: " + e.Code }

// The codes of calls that came to nothing. With the first four nothing was sent.
const (
	CallNotCallable  = "not_callable" // no paths of the service's API are known
	CallPathRefused  = "path_refused" // it isn't one of them, or could be read in two ways
	CallInvalid      = "invalid"      // something else of the request is wrong
	CallUnreachable  = "unreachable"  // the service couldn't be reached
	CallBusy         = "busy"         // too many calls are under way
	CallUnanswered   = "unanswered"   // it was sent, and may have been done
	CallTimeout      = "timeout"      // likewise, after 30 seconds
	CallRedirected   = "redirected"   // the answer leads elsewhere, which isn't followed
	CallTooLarge     = "answer_too_large"
	CallEncoded      = "answer_encoded" // compressed in a way that isn't read
	CallTokenInThere = "token_in_answer"
)

func callError422(code, sentence string) error { return &CallError{Code: code, Sentence: sentence} }

// callMethods are those of a call.
var callMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// The headers that go along with a call, and those that come back. What names the caller,
// the host or the connection is ours; Location and Set-Cookie are nobody's.
var (
	callHeaders   = canonical("Accept", "Accept-Language", "Content-Language", "Content-Type", "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "If-Unmodified-Since", "Prefer")
	answerHeaders = canonical("Content-Disposition", "Content-Language", "Content-Type", "ETag", "Last-Modified", "Link", "Preference-Applied", "Retry-After", "Sforce-Limit-Info", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
)

func canonical(names ...string) []string {
	for i, name := range names {
		names[i] = http.CanonicalHeaderKey(name)
	}
	return names
}

// Call calls the API of an identity's service with its credential, at the identity's own
// host and below the paths that are known to be the API. It is told and counted in the
// service log. A credential that the service refuses (401) is renewed once, and the call
// made once more: it wasn't done before. Errors: *CallError, those of Get, or a failure of
// the store.
func (v *Vault) Call(ctx context.Context, i Identity, r APIRequest) (APIAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	s, err := v.Service(ctx, i.Service)
	if err != nil {
		return APIAnswer{}, err
	}
	path, prefix, err := s.apiPath(r.Path)
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return APIAnswer{}, err
	}
	select {
	case v.calls <- struct{}{}:
		defer func() { <-v.calls }()
	case <-ctx.Done():
		return APIAnswer{}, &CallError{CallBusy, "So many calls are under way that this one had no turn, and nothing was sent. Try again after the time in Retry-After."}
	}
	a, err := v.callTwice(ctx, s, i, path, r)
	v.noteCall(ctx, i, r.Method+" "+prefix, a, err)
	return a, err
}

// callTwice makes the call, once more when the credential is refused.
func (v *Vault) callTwice(ctx context.Context, s Service, i Identity, path string, r APIRequest) (APIAnswer, error) {
	c, err := v.GetFound(ctx, i, 0)
	if err != nil {
		return APIAnswer{}, inTime(ctx, err)
	}
	a, err := v.callOnce(ctx, s, c, path, r)
	if err != nil || a.Status != http.StatusUnauthorized {
		return a, err
	}
	newer, err := v.GetByID(ctx, i.ID, c.Generation)
	if err != nil {
		return APIAnswer{}, inTime(ctx, err)
	}
	return v.callOnce(ctx, s, newer, path, r)
}

// inTime says of a credential that didn't come before the time was over that nothing was
// done.
func inTime(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return &CallError{CallUnreachable, "The credential couldn’t be renewed in 30 seconds, and nothing was done. It can be tried again."}
	}
	return err
}

// callOnce makes the call with a credential.
func (v *Vault) callOnce(ctx context.Context, s Service, c Credential, path string, r APIRequest) (APIAnswer, error) {
	tokens, err := v.tokensOf(ctx, c)
	if err != nil {
		return APIAnswer{}, err
	}
	base, ok := s.apiBase(c)
	if !ok {
		return APIAnswer{}, callError422(CallNotCallable, "It isn’t known at which host "+s.Name+"’s API is called. Get the token and call it yourself.")
	}
	base.Path, base.RawQuery = base.Path+path, r.Query.Encode()
	s, next, err := v.way(ctx, s, c, base)
	if err != nil {
		return APIAnswer{}, err
	}
	ctx, sent := watched(ctx)
	req, err := http.NewRequestWithContext(ctx, r.Method, base.String(), bytes.NewReader(r.Body))
	if err != nil {
		return APIAnswer{}, callError422(CallInvalid, "The request can’t be written as HTTP.")
	}
	req.GetBody = nil // never sent a second time by the transport
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	req.Header.Set("Authorization", s.scheme()+" "+c.AccessToken)
	req.Header.Set("Accept-Encoding", "identity")
	res, err := next.RoundTrip(req)
	if err != nil {
		return APIAnswer{}, unansweredCall(ctx, sent.Load())
	}
	defer func() { _ = res.Body.Close() }()
	return readCall(ctx, res, tokens)
}

// unansweredCall says of a call without an answer whether it may have been done.
func unansweredCall(ctx context.Context, sent bool) error {
	switch {
	case !sent:
		return &CallError{CallUnreachable, "The service couldn’t be reached. Nothing was sent, so it can be tried again."}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &CallError{CallTimeout, "The service took longer than 30 seconds. The call was sent and may have been done: look before it is sent again."}
	}
	return &CallError{CallUnanswered, "The service gave no whole answer. The call was sent and may have been done: look before it is sent again."}
}

// apiBase is where the API of a credential's service is, as scheme, host and, on a host of
// a customer's own, the path that stands before it.
func (s Service) apiBase(c Credential) (*url.URL, bool) {
	address := c.InstanceURL
	if address == "" {
		i := slices.IndexFunc(s.APIHosts, func(host string) bool { return host != "" && host[0] != '.' })
		switch {
		case s.CallHost != "":
			address = "https://" + s.CallHost
		case i >= 0:
			address = "https://" + s.APIHosts[i]
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, false
	}
	base := &url.URL{Scheme: u.Scheme, Host: u.Host}
	if c.InstanceURL != "" && s.SelfManaged {
		base.Path = s.HostAPI
	}
	return base, true
}

// tokensOf are the secrets of a credential, which no answer may hold.
func (v *Vault) tokensOf(ctx context.Context, c Credential) ([]string, error) {
	i, err := v.byID(ctx, c.Identity)
	if err != nil {
		return nil, err
	}
	refresh, err := v.openNow(ctx, i, v.openRefresh)
	if errors.Is(err, stored.ErrLost) { // it was renewed just now: the token that was read is over
		return []string{c.AccessToken}, nil
	}
	if access, only := accessOnly(refresh); only {
		refresh = access
	}
	return []string{c.AccessToken, refresh}, err
}

// readCall reads the answer of a call.
func readCall(ctx context.Context, res *http.Response, tokens []string) (APIAnswer, error) {
	a := APIAnswer{Status: res.StatusCode, Header: map[string]string{}}
	if res.StatusCode >= 300 && res.StatusCode < 400 && res.StatusCode != http.StatusNotModified {
		return a, &CallError{CallRedirected, fmt.Sprintf("The service answered with a redirect (%d), which isn’t followed: the token is for the identity’s own host alone. Call the address that is meant.", res.StatusCode)}
	}
	for _, name := range answerHeaders {
		if value := res.Header.Get(name); value != "" {
			a.Header[name] = value
		}
	}
	body, err := readBody(res)
	if err != nil {
		var refused *CallError
		if errors.As(err, &refused) {
			return APIAnswer{Status: a.Status}, refused
		}
		return APIAnswer{Status: a.Status}, unansweredCall(ctx, true)
	}
	if holdsToken(body, tokens) || slices.ContainsFunc(answerHeaders, func(name string) bool { return holdsToken([]byte(a.Header[name]), tokens) }) {
		return APIAnswer{Status: a.Status}, &CallError{CallTokenInThere, "The answer holds the identity’s token, and isn’t given out. The call was made. A service that shows what it was sent isn’t called through Gatepost."}
	}
	a.Body = body
	return a, nil
}

// readBody reads a body, decompressed if it came so although nobody asked for it.
func readBody(res *http.Response) ([]byte, error) {
	var from io.Reader = res.Body
	switch encoding := strings.ToLower(strings.TrimSpace(res.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		unzip, err := gzip.NewReader(io.LimitReader(res.Body, maxCallAnswer+1))
		if errors.Is(err, io.EOF) { // of a HEAD, or with 204
			return nil, nil
		}
		if err != nil {
			return nil, &CallError{CallEncoded, "The answer says that it is compressed, and can’t be read as that. The call was made."}
		}
		from = unzip
	default:
		return nil, &CallError{CallEncoded, "The answer is compressed in a way that Gatepost doesn’t read, although it asked for none. The call was made."}
	}
	body, err := io.ReadAll(io.LimitReader(from, maxCallAnswer+1))
	if err == nil && len(body) > maxCallAnswer {
		err = &CallError{CallTooLarge, "The answer has more than 10 MiB, and isn’t given out. The call was made. Ask for less at once."}
	}
	return body, err
}

// check returns a *CallError unless the request can be sent as it is.
func (r APIRequest) check() error {
	if !slices.Contains(callMethods, r.Method) {
		return callError422(CallInvalid, "method has to be one of "+strings.Join(callMethods, ", ")+".")
	}
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && len(r.Body) > 0 {
		return callError422(CallInvalid, "A "+r.Method+" has no body. What is asked for goes into query.")
	}
	if len(r.Body) > MaxCallBody {
		return callError422(CallInvalid, "The body has more than 1 MiB.")
	}
	if len(r.Query.Encode()) > maxCallQuery {
		return callError422(CallInvalid, "The query has more than 16 KiB.")
	}
	seen := map[string]bool{}
	for name, value := range r.Header {
		name = http.CanonicalHeaderKey(name)
		switch {
		case !slices.Contains(callHeaders, name):
			return callError422(CallInvalid, fmt.Sprintf("The header %.40q isn’t sent along. There are %s.", name, strings.Join(callHeaders, ", ")))
		case seen[name]:
			return callError422(CallInvalid, "The header "+name+" is there twice.")
		case value == "" || len(value) > maxCallHeader || !httpguts.ValidHeaderFieldValue(value):
			return callError422(CallInvalid, "The header "+name+" is empty, too long, or has characters that don’t belong there.")
		}
		seen[name] = true
	}
	if len(r.Body) > 0 && !seen["Content-Type"] {
		return callError422(CallInvalid, "A body needs the header Content-Type.")
	}
	return nil
}

// noteCall tells of a call in the service log, and counts one that was sent.
func (v *Vault) noteCall(ctx context.Context, i Identity, what string, a APIAnswer, err error) {
	e := Event{Kind: stored.EventCalled, Service: i.Service, TenantID: i.TenantID, Identity: i.ID, Detail: what}
	if a.Status > 0 {
		e.Detail = fmt.Sprintf("%s %d", what, a.Status)
	}
	e.Code = callCode(err)
	write := EventStore.AddVaultEvent
	if wasSent(err) {
		write = EventStore.AddCall
	}
	v.noteBy(ctx, write, e)
}

// wasSent reports whether a call that came to err may have reached the service with a
// credential that it takes: one that had none didn't, however often it is asked for.
func wasSent(err error) bool {
	var refused *CallError
	return err == nil || errors.As(err, &refused) && refused.Code != CallUnreachable && refused.Code != CallNotCallable && refused.Code != CallInvalid
}

// callCode is why a call came to nothing, for the log; empty for one that was answered.
func callCode(err error) string {
	var refused *CallError
	var broken *BrokenError
	var unavailable *UnavailableError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return refused.Code
	case errors.As(err, &broken):
		return broken.Code
	case errors.As(err, &unavailable):
		return unavailable.Code
	}
	return CodeFailed
}
