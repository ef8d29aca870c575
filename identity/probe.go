package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatepost/outbound"

	"golang.org/x/oauth2"
)

// CheckResult is what a check of a service's definition came to.
type CheckResult string

// The results of a check.
const (
	CheckOK      CheckResult = "ok"
	CheckFailed  CheckResult = "failed"
	CheckSkipped CheckResult = "skipped" // it isn't needed, or can't be made
)

// Check is one check of a service's definition against its server.
type Check struct {
	Name    string      `json:"name"`
	Address string      `json:"address,omitempty"` // that was asked; without its query
	Result  CheckResult `json:"result"`
	Found   string      `json:"found"`          // what was found, and what it means
	Mend    string      `json:"mend,omitempty"` // what to do, when it failed
}

// Words that no server can know: what is made up stands in for codes and tokens.
const (
	madeUp       = "gatepost-service-test-made-up"
	madeUpClient = "gatepost-service-test"
)

// TestService tries a service's definition against its server, without a user: whether its
// end points are there, refuse what is made up in a form that is read, and agree with what
// the service says of itself. The client secret goes to the token end point alone. Errors:
// ErrNoService, or a failure of the store.
func (v *Vault) TestService(ctx context.Context, id string) ([]Check, error) {
	s, err := v.current(ctx, id)
	if err != nil {
		return nil, err
	}
	p := probe{client: &v.client, s: v.called(s)}
	return []Check{p.app(), p.authorize(ctx), p.token(ctx),
		p.endPoint(ctx, "introspection", s.IntrospectURL), p.endPoint(ctx, "userinfo", s.UserinfoURL), p.endPoint(ctx, "revocation", s.Revoke.URL), p.discovery(ctx)}, nil
}

// probe tries one definition.
type probe struct {
	client *client
	s      Service
}

// app checks that there is one.
func (p probe) app() Check {
	c := Check{Name: "app", Result: CheckOK, Found: "a client id and a secret are set"}
	if p.s.Public {
		c.Found = "a client id is set, of a public client"
	}
	if !p.s.hasApp() {
		c.Result, c.Found = CheckFailed, "no app is set, so nobody can be authorized"
		c.Mend = "register an app at the service, and store it: gatepost service set " + p.s.ID + " --client-id ID --client-secret-stdin"
	}
	return c
}

// authorize asks the authorize end point as a browser would.
func (p probe) authorize(ctx context.Context) Check {
	address := p.s.at(p.s.LoginURL, p.s.AuthorizeURL)
	c := Check{Name: "authorize", Address: address, Result: CheckOK}
	s := p.s
	if s.ClientID == "" {
		s.ClientID = madeUpClient
	}
	options := (AuthorizeRequest{}).options(s, true)
	if !s.NoPKCE {
		options = append(options, oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))
	}
	r, err := p.client.send(ctx, http.MethodGet, s.config(s.LoginURL).AuthCodeURL(randomToken(), options...), "", "", func(r *http.Request) {
		r.Header.Set("Accept", "text/html")
	})
	switch {
	case err != nil:
		return c.unreachable(err)
	case r.status == http.StatusNotFound || r.status == http.StatusMethodNotAllowed || r.status == http.StatusGone:
		return c.failed(fmt.Sprintf("status %d: there is no authorize end point here", r.status), "correct --authorize-url or --login-url")
	case r.status >= 500:
		return c.failed(fmt.Sprintf("status %d: the server has a fault, or takes a parameter for one", r.status), "try again; if it stays, compare --param and --separator with the service's documents")
	case r.status >= 400 && p.s.ClientID == "":
		c.Found = fmt.Sprintf("status %d: it answers, and refuses, as it has to without an app", r.status)
	case r.status >= 400 && s.RedirectURL == "":
		c.Found = fmt.Sprintf("status %d: it answers, and refuses, as it may without a redirect URL; with GATEPOST_URL in the environment that is tried too", r.status)
	case r.status >= 400:
		return c.failed(fmt.Sprintf("status %d: it refuses the request before anybody has logged in", r.status), "compare the client id and the redirect URL that are registered at the service with ours: …/integrations/"+p.s.ID+"/callback; and --scope, --param and --no-pkce with its documents")
	default:
		c.Found = fmt.Sprintf("status %d: it answers as for somebody who has yet to log in", r.status)
	}
	return c
}

// token has the token end point refuse a code that is made up.
func (p probe) token(ctx context.Context) Check {
	address := p.s.at(p.s.LoginURL, p.s.TokenURL)
	c := Check{Name: "token", Address: address, Result: CheckOK}
	s := p.s
	if !s.hasApp() {
		s.ClientID, s.ClientSecret = madeUpClient, madeUp
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {madeUp}, "redirect_uri": {s.RedirectURL}}
	if !s.NoPKCE {
		form.Set("code_verifier", oauth2.GenerateVerifier())
	}
	r, err := p.client.post(ctx, s, address, form)
	if err != nil {
		return c.unreachable(err)
	}
	if r.status >= 300 && r.status < 400 {
		return c.redirected(r.status)
	}
	_, err = s.read(r)
	var refused *OAuthError
	shape := shapeOf(r)
	switch {
	case err == nil:
		return c.failed("it gave a token for a code that is made up", "this is no token end point: correct --token-url")
	case !errors.As(err, &refused):
		return c.failed(fmt.Sprintf("status %d with %s, and no code of a refusal that is read", r.status, shape), "correct --token-url; if it is right, say with --error-field where the code stands")
	case p.s.hasApp() && (s.judge(refused).Verdict == OfApp):
		return c.failed(fmt.Sprintf("it refuses the app (%s, status %d, %s)", refused.Code, r.status, shape), p.mendApp())
	case refused.Code == CodeUnknown:
		return c.failed(fmt.Sprintf("it refuses by a code that is no plain word (status %d, %s)", r.status, shape), "say with --error-field where the code stands")
	}
	c.Found = fmt.Sprintf("it refuses a made-up code as it has to (%s, status %d, %s)", refused.Code, r.status, shape)
	if r.success() && !s.ErrorsWith200 {
		return c.failed(fmt.Sprintf("it refuses by %s with the status of a success (%d)", refused.Code, r.status), "set --errors-with-200, so that a refused revocation isn't taken for one that was made")
	}
	return c
}

// mendApp is what to do when the token end point refuses the app.
func (p probe) mendApp() string {
	switch {
	case p.s.Public:
		return "compare the client id with the one at the service, and whether it is registered there as a public client"
	case p.s.BasicAuth:
		return "compare the client id and the secret with those at the service; if they are right it may want them in the form: --basic-auth=false"
	}
	return "compare the client id and the secret with those at the service; if they are right it may want them in a header: --basic-auth"
}

// endPoint asks one of the further end points with a token that is made up, and nobody's
// secret.
func (p probe) endPoint(ctx context.Context, name, endPoint string) Check {
	c := Check{Name: name, Result: CheckSkipped, Found: "the definition has none"}
	if endPoint == "" {
		if name == "revocation" {
			c.Found = "the definition has none: tokens are ended by nobody but their users"
		}
		return c
	}
	address := p.s.at(p.s.LoginURL, endPoint)
	method, form := http.MethodPost, url.Values{"token": {madeUp}}
	switch {
	case name == "userinfo":
		method = http.MethodGet
	case name == "revocation" && p.s.Revoke.Method != "":
		method = p.s.Revoke.Method
	}
	c.Address, c.Result = address, CheckOK
	address = strings.NewReplacer("{client_id}", madeUpClient, "{token}", madeUp).Replace(address)
	contentType, content := "application/x-www-form-urlencoded", form.Encode()
	if method == http.MethodGet {
		contentType, content = "", ""
	}
	r, err := p.client.send(ctx, method, address, contentType, content, func(r *http.Request) {
		if name == "userinfo" {
			r.Header.Set("Authorization", p.s.scheme()+" "+madeUp)
		}
	})
	switch {
	case err != nil:
		return c.unreachable(err)
	case r.status >= 300 && r.status < 400:
		return c.redirected(r.status)
	case (r.status == http.StatusNotFound || r.status == http.StatusMethodNotAllowed) && !p.s.Revoke.gone(r.status, ""):
		return c.failed(fmt.Sprintf("status %d: there is no such end point here", r.status), "correct --"+flagOf[name])
	case r.status >= 500:
		return c.failed(fmt.Sprintf("status %d: the server has a fault", r.status), "try again; if it stays, correct --"+flagOf[name])
	case name == "userinfo" && r.success() && p.s.refusalIn(r.body) == nil:
		return c.failed(fmt.Sprintf("status %d: it answers a token that is made up", r.status), "correct --userinfo-url: whoever is told there isn't told by the token")
	}
	c.Found = fmt.Sprintf("it answers a made-up token with status %d", r.status)
	return c
}

var flagOf = map[string]string{"introspection": "introspect-url", "userinfo": "userinfo-url", "revocation": "revoke-url"}

// discoveryPaths are where services say what they have (RFC 8414; OpenID Connect Discovery).
var discoveryPaths = []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"}

// discovery compares the definition with what the service says of itself.
func (p probe) discovery(ctx context.Context) Check {
	c := Check{Name: "discovery", Result: CheckSkipped, Found: "the service doesn't say what it has, so there is nothing to compare"}
	for _, path := range discoveryPaths {
		r, err := p.client.send(ctx, http.MethodGet, p.s.LoginURL+path, "", "", func(*http.Request) {})
		if err != nil || !r.success() {
			continue
		}
		said := objectOf(r.body)
		if text(said["token_endpoint"]) == "" {
			continue
		}
		c.Address, c.Result, c.Found = p.s.LoginURL+path, CheckOK, "the definition agrees with what the service says of itself"
		if differs, mend := p.differences(said); len(differs) > 0 {
			return c.failed(strings.Join(differs, "; "), strings.Join(mend, " "))
		}
		return c
	}
	return c
}

// differences are where the definition says something else than the service itself, and
// the flags that mend it.
func (p probe) differences(said map[string]any) (differs, mend []string) {
	for _, e := range []struct{ field, ours, flag string }{
		{"authorization_endpoint", p.s.AuthorizeURL, "authorize-url"}, {"token_endpoint", p.s.TokenURL, "token-url"},
		{"introspection_endpoint", p.s.IntrospectURL, "introspect-url"}, {"userinfo_endpoint", p.s.UserinfoURL, "userinfo-url"}, {"revocation_endpoint", p.s.Revoke.URL, "revoke-url"},
	} {
		theirs := text(said[e.field])
		ours := p.s.at(p.s.LoginURL, e.ours)
		if e.ours == "" || theirs == "" || !validEndPoint(theirs) || theirs == ours {
			continue // what the definition leaves out may be left out
		}
		differs = append(differs, fmt.Sprintf("%s is %s there, and %s here", e.field, theirs, ours))
		mend = append(mend, "--"+e.flag+" "+theirs)
	}
	if methods := texts(said["code_challenge_methods_supported"]); len(methods) > 0 && !p.s.NoPKCE && !slices.Contains(methods, "S256") {
		differs, mend = append(differs, "it takes no code challenge by S256"), append(mend, "--no-pkce")
	}
	if methods := texts(said["token_endpoint_auth_methods_supported"]); len(methods) > 0 {
		want, flag := "client_secret_post", "--basic-auth"
		switch {
		case p.s.Public:
			want, flag = "none", "--public=false"
		case p.s.BasicAuth:
			want, flag = "client_secret_basic", "--basic-auth=false"
		}
		if !slices.Contains(methods, want) {
			differs, mend = append(differs, "its token end point takes no "+want), append(mend, flag)
		}
	}
	return differs, mend
}

// texts are the texts of a list.
func texts(v any) (all []string) {
	list, _ := v.([]any)
	for _, one := range list {
		all = append(all, text(one))
	}
	return all
}

// shapeOf is how an answer is written, for people.
func shapeOf(r reply) string {
	switch {
	case r.page():
		return "a page for people"
	case len(r.body) == 0:
		return "nothing in it"
	case objectOf(r.body) != nil:
		return "JSON"
	case fieldsOf(r.body) != nil:
		return "a form"
	}
	return "something that is neither JSON nor a form"
}

func (c Check) failed(found, mend string) Check {
	c.Result, c.Found, c.Mend = CheckFailed, found, mend
	return c
}

func (c Check) redirected(status int) Check {
	return c.failed(fmt.Sprintf("status %d: it sends the request on, which isn't followed, since secrets go there", status), "set the address that it leads to")
}

// unreachable says why an end point couldn't be asked, without what the other side said.
func (c Check) unreachable(err error) Check {
	switch {
	case errors.Is(err, outbound.ErrRefused):
		return c.failed("Gatepost doesn't call this address: it isn't https, or lies in a network of one's own", "use an https address that is reachable from the Internet, or one that the definition names itself")
	case errors.Is(err, context.DeadlineExceeded):
		return c.failed("it gave no answer in time", "see whether this machine may reach it, and try again")
	case errors.Is(err, errNotSent):
		return c.failed("it can't be reached: "+strings.TrimPrefix(err.Error(), errNotSent.Error()+": "), "see whether the host's name is right, whether its certificate is one that is trusted, and whether this machine may reach it")
	}
	return c.failed("the connection broke before there was an answer", "try again; a proxy in between may cut it off")
}
