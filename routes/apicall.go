package routes

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"gatepost/identity"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// maxCallRequest is the largest request that makes a call: a body of a MiB in base64, and
// what stands around it.
const maxCallRequest = 2 << 20

// callRequest is what POST /identities/{id}/request may be asked.
type callRequest struct {
	Method     string                 `json:"method"`
	Path       string                 `json:"path"`
	Query      map[string]queryValues `json:"query"`
	Headers    map[string]string      `json:"headers"`
	Body       *string                `json:"body"`
	BodyBase64 *string                `json:"body_base64"`
}

// queryValues are one text or a list of them.
type queryValues []string

// UnmarshalJSONFrom takes either.
func (t *queryValues) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		token, err := d.ReadToken()
		*t = queryValues{token.String()}
		return err
	}
	if d.PeekKind() != '[' {
		return errNoTexts
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		*t = append(*t, token.String())
	}
	if d.PeekKind() != ']' {
		return errNoTexts
	}
	_, err := d.ReadToken()
	return err
}

var errNoTexts = errors.New("neither a text nor a list of texts")

// request is what is asked for, in the vault's words.
func (r callRequest) request() (identity.APIRequest, error) {
	asked := identity.APIRequest{Method: r.Method, Path: r.Path, Header: r.Headers, Query: url.Values{}}
	for name, values := range r.Query {
		if name == "" || len(values) == 0 {
			return asked, emptyError("A parameter of query")
		}
		asked.Query[name] = values
	}
	switch {
	case r.Method == "" || r.Path == "":
		return asked, invalidError("A call needs a method and a path.")
	case r.Body != nil && r.BodyBase64 != nil:
		return asked, invalidError("Send body or body_base64, not both.")
	case r.Body != nil:
		asked.Body = []byte(*r.Body)
	case r.BodyBase64 != nil:
		b, err := base64.StdEncoding.Strict().DecodeString(*r.BodyBase64)
		if err != nil {
			return asked, invalidError("body_base64 isn’t base64 (RFC 4648, section 4), on one line and padded.")
		}
		asked.Body = b
	}
	return asked, nil
}

// callAnswer is what the service answered: a body that is text as text.
type callAnswer struct {
	Status     int               `json:"status"`
	Headers    map[string]string `json:"headers"`
	Body       *string           `json:"body,omitempty"`
	BodyBase64 *string           `json:"body_base64,omitempty"`
}

func newCallAnswer(a identity.APIAnswer) callAnswer {
	answer := callAnswer{Status: a.Status, Headers: a.Header}
	if text := string(a.Body); utf8.Valid(a.Body) {
		answer.Body = &text
	} else {
		encoded := base64.StdEncoding.EncodeToString(a.Body)
		answer.BodyBase64 = &encoded
	}
	return answer
}

// apiCall handles POST /identities/{id}/request: it calls the API of the identity's
// service, so that a program can do without the token. Whatever status the service answers
// with stands in the answer; ours is 200.
func (s *server) apiCall(c *fiber.Ctx) error {
	i, err := s.named(c)
	if err != nil {
		return err
	}
	var asked callRequest
	if err := decodeJSON(c, &asked); err != nil {
		return invalidCall(err)
	}
	r, err := asked.request()
	if err != nil {
		return err
	}
	a, err := s.Vault.Call(c.UserContext(), i.Identity, r)
	if err != nil {
		return err
	}
	return c.JSON(newCallAnswer(a))
}

// invalidCall tells a program what is wrong with the body of a call.
func invalidCall(err error) error {
	field, sentence := aboutJSON(err)
	if field == "" {
		return invalidBody(err, "an object with method, path (text), query (texts or lists of texts by name), headers (texts by name), and body or body_base64 (text)")
	}
	return invalidError(field + ": " + sentence)
}

// callStatus are the statuses with which a call that came to nothing is answered.
var callStatus = map[string]int{
	identity.CallNotCallable: http.StatusUnprocessableEntity, identity.CallPathRefused: http.StatusUnprocessableEntity, identity.CallInvalid: http.StatusUnprocessableEntity,
	identity.CallBusy: http.StatusServiceUnavailable, identity.CallTimeout: http.StatusGatewayTimeout,
	identity.CallUnreachable: http.StatusBadGateway, identity.CallUnanswered: http.StatusBadGateway, identity.CallRedirected: http.StatusBadGateway,
	identity.CallTooLarge: http.StatusBadGateway, identity.CallEncoded: http.StatusBadGateway, identity.CallTokenInThere: http.StatusBadGateway,
}

// largeBodies lets calls bring more than a form has, and forms of newsletters. It is asked when a
// request's header was read: who it is from is checked by its handler, so a key or a cookie has to be there.
func largeBodies(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	path, _, _ := strings.Cut(string(h.RequestURI()), "?")
	if path == suppressionPath && h.IsPost() && ofSomebody(h) {
		return fasthttp.RequestConfig{MaxRequestBodySize: maxListForm}
	}
	if ofNewsletter(h, path) {
		return fasthttp.RequestConfig{MaxRequestBodySize: maxNewsletterForm}
	}
	id, ok := strings.CutPrefix(path, apiPath+"/identities/")
	id, call := strings.CutSuffix(id, "/request")
	if ok && call && id != "" && !strings.Contains(id, "/") && h.IsPost() && strings.HasPrefix(strings.ToLower(string(h.Peek(fiber.HeaderAuthorization))), "bearer gp_") {
		return fasthttp.RequestConfig{MaxRequestBodySize: maxCallRequest}
	}
	return fasthttp.RequestConfig{}
}
