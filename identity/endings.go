package identity

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// accessMark stands before a sealed token that is no refresh token: the service
// gave none, so that the access token itself is kept to be revoked.
const accessMark = "\x00access:"

// kept is what a grant is revoked by: its refresh token, else its access token.
func (t tokens) kept() string {
	if t.refresh == "" {
		return accessMark + t.access
	}
	return t.refresh
}

// accessOnly returns the access token that was kept for want of a refresh token.
func accessOnly(kept string) (token string, ok bool) { return strings.CutPrefix(kept, accessMark) }

// pageWith400 stands in Revocation.Gone for a page with the status 400: how a service
// may answer a token that it doesn't know.
const pageWith400 = "page 400"

// errNoWay says that a service offers no way to revoke a token.
var errNoWay = errors.New("the service offers no way to revoke a token")

// errNoClient says that a service revokes a token for the app alone that got it,
// and that there is none.
var errNoClient = errors.New("the app that the token could be revoked with is not to be had")

// revoke ends a grant by what was kept of it. A token that the service doesn't
// know any more is revoked.
func (c *client) revoke(ctx context.Context, s Service, loginURL, kept string) error {
	if s.Revoke.URL == "" {
		return errNoWay
	}
	if s.ClientID == "" && (s.Revoke.Auth == AuthClient || s.Revoke.Auth == AuthBasic) {
		return errNoClient // whatever the service answers, it would tell nothing of the token
	}
	token, access := accessOnly(kept)
	if !access && s.Revoke.ByAccess {
		if s.ClientID == "" {
			return errNoClient // it can't be traded without
		}
		traded, over, err := c.lastAccess(ctx, s, loginURL, token)
		if over || err != nil {
			return err
		}
		token = traded
	}
	if !access && s.Revoke.Uninstall != "" {
		if done, err := c.uninstall(ctx, s, loginURL, token); done || err != nil {
			return err
		}
	}
	client := s
	if s.Revoke.Auth == AuthIfAsked {
		client = Service{} // a service that wants the client says so
	}
	status, code, err := c.tryRevoke(ctx, s.Revoke, client, s.at(loginURL, s.Revoke.URL), token)
	if s.Revoke.Auth == AuthIfAsked && (status == http.StatusUnauthorized || code == "invalid_client" || code == "invalid_request") {
		status, code, err = c.tryRevoke(ctx, s.Revoke, s, s.at(loginURL, s.Revoke.URL), token)
	}
	switch {
	case err != nil:
		return err
	case s.Revoke.gone(status, code), status >= 200 && status < 300 && (code == "" || !s.ErrorsWith200):
		return nil
	}
	return fmt.Errorf("revocation: status %d", status)
}

// lastAccess trades a refresh token for an access token to end the grant with. over says
// that there is nothing left to end.
func (c *client) lastAccess(ctx context.Context, s Service, loginURL, token string) (access string, over bool, err error) {
	// What is lost in between runs out soon, and can't be renewed any more.
	a, err := c.refresh(ctx, s, loginURL, token)
	var refused *OAuthError
	if errors.As(err, &refused) {
		if over, err = c.endedBy(ctx, s, loginURL, token, refused); over {
			return "", true, nil
		}
	}
	if err != nil {
		return "", false, fmt.Errorf("revocation: %w", err)
	}
	return a.AccessToken, false, nil
}

// uninstall takes the app out of the account; done says that nothing is left of the grant.
// Where the service refuses that, also with a page for people, the token can still be revoked.
func (c *client) uninstall(ctx context.Context, s Service, loginURL, token string) (done bool, err error) {
	access, over, err := c.lastAccess(ctx, s, loginURL, token)
	if over || err != nil {
		return over, err
	}
	r := Revocation{Method: http.MethodDelete, Auth: AuthToken}
	status, _, err := c.tryRevoke(ctx, r, s, s.at(loginURL, s.Revoke.Uninstall), access)
	switch {
	case refusedForGood(status):
		return false, nil
	case err != nil:
		return false, err
	case status >= 200 && status < 300:
		return true, nil
	}
	return false, fmt.Errorf("uninstall: status %d", status)
}

// refusedForGood reports whether a status is a refusal that stays the same however often one
// asks. With the other two of these, the service wants to be asked again.
func refusedForGood(status int) bool {
	return status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

// endedBy reports whether a refused renewal says that there is nothing left to revoke.
// Otherwise the error says why it was refused.
func (c *client) endedBy(ctx context.Context, s Service, loginURL, token string, refused *OAuthError) (over bool, err error) {
	switch s.judge(refused).Verdict {
	case Final:
		return true, nil
	case AskFirst:
		over, err = c.isOver(ctx, s, loginURL, token)
	}
	return over, cmp.Or[error](err, refused)
}

// gone reports whether an answer says that the token is no more.
func (r Revocation) gone(status int, code string) bool {
	if len(r.Gone) == 0 {
		return status == http.StatusBadRequest && (code == "invalid_token" || code == "unsupported_token_type")
	}
	return status < 500 && (slices.Contains(r.Gone, code) || slices.Contains(r.Gone, strconv.Itoa(status)))
}

// tryRevoke asks once, as the client of s when that has one.
func (c *client) tryRevoke(ctx context.Context, r Revocation, s Service, address, token string) (status int, code string, err error) {
	c = c.of(s)
	field := r.Field
	if field == "" {
		field = "token"
	}
	form := url.Values{field: {token}}
	if r.Auth == AuthToken || strings.Contains(address, "{token}") {
		form = url.Values{}
	}
	if s.ClientID != "" && (r.Auth == AuthClient || r.Auth == AuthIfAsked) && !s.BasicAuth {
		form.Set("client_id", s.ClientID)
		if !s.Public {
			form.Set("client_secret", s.ClientSecret)
		}
	}
	address = strings.NewReplacer("{client_id}", url.PathEscape(s.ClientID), "{token}", url.PathEscape(token)).Replace(address)
	method, contentType, content := r.Method, "application/x-www-form-urlencoded", form.Encode()
	if method == "" {
		method = http.MethodPost
	}
	switch {
	case method == http.MethodGet, method == http.MethodDelete && len(form) == 0:
		contentType, content = "", ""
	case r.JSON:
		contentType, content = "application/json", object(form)
	}
	answered, err := c.send(ctx, method, address, contentType, content, func(req *http.Request) {
		switch {
		case r.Auth == AuthToken:
			req.Header.Set("Authorization", "Bearer "+token)
		case s.ClientID != "" && (r.Auth == AuthBasic || s.BasicAuth):
			s.authenticate(req)
		}
	})
	if err != nil {
		return 0, "", err
	}
	if answered.page() {
		if answered.status == http.StatusBadRequest && slices.Contains(r.Gone, pageWith400) {
			return answered.status, pageWith400, nil
		}
		return answered.status, "", fmt.Errorf("revocation: status %d with a page", answered.status)
	}
	if refused := s.refusalIn(answered.body); refused != nil {
		code = refused.Code
	}
	return answered.status, code, nil
}

// object is a form as a JSON object.
func object(form url.Values) string {
	fields := map[string]string{}
	for name := range form {
		fields[name] = form.Get(name)
	}
	b, _ := json.Marshal(fields) // strings
	return string(b)
}
