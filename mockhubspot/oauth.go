package mockhubspot

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"gatepost/simulated"
)

// uuid returns a random UUID.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// secret returns a new code or refresh token of a data centre.
func secret(hublet string) string { return hublet + "-" + uuid() }

// oauthError is how the token end points refuse: in the words of RFC 6749, and beside
// them in those that HubSpot used before.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	Status      string `json:"status"`
	Message     string `json:"message"`
}

func (e *oauthError) Error() string { return e.Status + ": " + e.Message }

func refuse(status, code, message string) error { return &oauthError{code, message, status, message} }

var (
	errRefreshToken = refuse("BAD_REFRESH_TOKEN", "invalid_grant", "refresh token is invalid, expired or revoked")
	errAuthCode     = refuse("BAD_AUTH_CODE", "invalid_grant", "missing or unknown auth code")
	errVerifier     = refuse("BAD_CODE_VERIFIER", "invalid_grant", "code verifier doesn't match the code challenge")
	errRedirectURI  = refuse("BAD_REDIRECT_URI", "invalid_grant", "redirect URI doesn't match that of the authorization")
	errClientID     = refuse("BAD_CLIENT_ID", "invalid_client", "missing or unknown client id")
	errClientSecret = refuse("BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret")
	errHub          = refuse("BAD_HUB", "access_denied", "missing or unknown hub id")
	errGrantType    = refuse("BAD_GRANT_TYPE", "unsupported_grant_type", "missing or unknown grant type")
	errScopes       = refuse("BAD_SCOPES", "invalid_scope", "scopes go beyond what was granted")
)

// tokenResponse is a good answer of the token end point.
type tokenResponse struct {
	AccessToken  string   `json:"access_token"`
	RefreshToken string   `json:"refresh_token"`
	ExpiresIn    int      `json:"expires_in"`
	TokenType    string   `json:"token_type"`
	TokenUse     string   `json:"token_use"`
	HubID        int64    `json:"hub_id"`
	UserID       int64    `json:"user_id"`
	Scopes       []string `json:"scopes"`
	IDToken      *string  `json:"id_token"`
}

// formOf reads the form that the token end points want. Nothing else is a form to them.
func formOf(c *call) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(c.header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, &apiError{status: http.StatusUnsupportedMediaType, Message: "HTTP 415 Unsupported Media Type"}
	}
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return nil, errGrantType
	}
	return form, nil
}

// authenticate finds the app that calls.
func (s *Server) authenticate(ctx context.Context, form url.Values) (Client, error) {
	app, err := s.core.Client(ctx, form.Get("client_id"))
	if errors.Is(err, sql.ErrNoRows) {
		return app, errClientID
	}
	if err == nil && !app.Holds(form.Get("client_secret")) {
		err = errClientSecret
	}
	return app, err
}

// token handles POST /oauth/…/token.
func (c *call) token(ctx context.Context) (reply, error) {
	if err := simulated.Count(ctx, c.s.core.Write, "token_calls"); err != nil {
		return reply{}, err
	}
	form, err := formOf(c)
	if err != nil {
		return reply{}, err
	}
	kind := form.Get("grant_type")
	if kind != "authorization_code" && kind != "refresh_token" {
		return reply{}, errGrantType
	}
	app, err := c.s.authenticate(ctx, form)
	if err != nil {
		return reply{}, err
	}
	var t tokenResponse
	if kind == "refresh_token" {
		t, err = c.s.refresh(ctx, form, app)
	} else {
		t, err = c.s.redeem(ctx, form, app)
	}
	return reply{status: http.StatusOK, body: t}, err
}

// oldToken handles POST /oauth/v1/token, which the official clients still call, and which
// the real service is to switch off on 16 February 2027. It says less, and refuses in the
// older words alone.
func (c *call) oldToken(ctx context.Context) (reply, error) {
	if !c.s.set(simulated.OrgOf(ctx)).OAuthV1 {
		return reply{}, errNoResource
	}
	rep, err := c.token(ctx)
	if no, ok := errors.AsType[*oauthError](err); ok {
		return reply{}, &apiError{status: http.StatusBadRequest, Message: no.Message, more: map[string]any{"status": no.Status}}
	}
	if t, ok := rep.body.(tokenResponse); ok {
		rep.body = map[string]any{"token_type": t.TokenType, "refresh_token": t.RefreshToken, "access_token": t.AccessToken, "expires_in": t.ExpiresIn}
	}
	return rep, err
}

// redeem exchanges an authorization code. The first try uses it up.
func (s *Server) redeem(ctx context.Context, form url.Values, app Client) (tokenResponse, error) {
	var (
		t  tokenResponse
		no error // a refusal that must not undo that the code is used
	)
	err := s.core.Tx(ctx, func(q querier) error {
		code, err := simulated.TakeCode(ctx, q, form.Get("code"), app.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return errAuthCode
		}
		if err != nil {
			return err
		}
		if no = s.checkCode(code, form); no != nil {
			return nil
		}
		u, err := simulated.UserByID(ctx, q, code.User)
		if err != nil {
			return err
		}
		t, err = s.grant(ctx, q, app, u, code.Org, code.Scope)
		return err
	})
	return t, errors.Join(err, no)
}

func (s *Server) checkCode(code simulated.Code, form url.Values) error {
	set := s.set(code.Org)
	switch {
	case code.Used || s.core.Now() >= code.Created+int64(set.CodeSeconds)*1000:
		return errAuthCode
	case form.Get("redirect_uri") != code.RedirectURI:
		return errRedirectURI
	case !code.Verified(form.Get("code_verifier")):
		return errVerifier
	case set.AccountDeleted:
		return errHub
	}
	return nil
}

// grant lets an app into an account, and gives out the first tokens.
func (s *Server) grant(ctx context.Context, q querier, app Client, u user, org, scope string) (tokenResponse, error) {
	v, err := s.account(ctx, org)
	if err != nil {
		return tokenResponse{}, err
	}
	if s.set(org).SharedRefreshToken {
		id, token, err := shared(ctx, q, app, u, org, scope)
		if err != nil {
			return tokenResponse{}, err
		}
		if id != 0 {
			return s.issue(ctx, q, id, u.ID, org, scope, token)
		}
	}
	var id int64
	if err := q.QueryRowContext(ctx, `INSERT INTO grants (client, user, org, scope, created) VALUES ($1, $2, $3, $4, $5) RETURNING id`,
		app.ID, u.ID, org, scope, s.core.Now()).Scan(&id); err != nil {
		return tokenResponse{}, err
	}
	token, err := s.giveRefreshToken(ctx, q, id, v.Hublet)
	if err != nil {
		return tokenResponse{}, err
	}
	return s.issue(ctx, q, id, u.ID, org, scope, token)
}

// shared returns the grant and the refresh token that an app has of a person and account
// already, and gives the grant the scopes that it has now. It is 0 when there is none.
func shared(ctx context.Context, q querier, app Client, u user, org, scope string) (id int64, token string, err error) {
	err = q.QueryRowContext(ctx, `SELECT g.id, t.token FROM grants g JOIN refresh_tokens t ON t.grant_id = g.id AND t.revoked = 0
		WHERE g.org = $1 AND g.client = $2 AND g.user = $3 ORDER BY t.created DESC LIMIT 1`, org, app.ID, u.ID).Scan(&id, &token)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, "", nil
	}
	if err == nil {
		_, err = q.ExecContext(ctx, `UPDATE grants SET scope = $1 WHERE id = $2`, scope, id)
	}
	return id, token, err
}

func (s *Server) giveRefreshToken(ctx context.Context, q querier, grantID int64, hublet string) (string, error) {
	token := secret(hublet)
	_, err := q.ExecContext(ctx, `INSERT INTO refresh_tokens (token, grant_id, created) VALUES ($1, $2, $3)`, token, grantID, s.core.Now())
	return token, err
}

// issue gives out an access token.
func (s *Server) issue(ctx context.Context, q querier, grantID int64, userID, org, scope, refreshToken string) (tokenResponse, error) {
	life, at := s.set(org).AccessTokenSeconds, s.core.Now()
	t := tokenResponse{AccessToken: "C" + simulated.Random(200), RefreshToken: refreshToken, ExpiresIn: life,
		TokenType: "bearer", TokenUse: "access_token", HubID: number(org), UserID: number(userID), Scopes: strings.Fields(scope)}
	_, err := q.ExecContext(ctx, `INSERT INTO access_tokens (token, grant_id, created, expires) VALUES ($1, $2, $3, $4)`,
		t.AccessToken, grantID, at, at+int64(life)*1000)
	return t, err
}

// number reads an id of digits, as JSON has those of accounts and people.
func number(id string) int64 {
	n, _ := strconv.ParseInt(id, 10, 64)
	return n
}

// refreshToken is a refresh token that was given out, with what its grant says.
type refreshToken struct {
	grantID                  int64
	client, user, org, scope string
	revoked                  bool
}

func findRefreshToken(ctx context.Context, q querier, token string) (refreshToken, error) {
	var t refreshToken
	err := q.QueryRowContext(ctx, `SELECT g.id, g.client, g.user, g.org, g.scope, r.revoked
		FROM refresh_tokens r JOIN grants g ON g.id = r.grant_id WHERE r.token = $1`, token).
		Scan(&t.grantID, &t.client, &t.user, &t.org, &t.scope, &t.revoked)
	return t, err
}

// refresh answers a fresh access token. The refresh token stays the same, unless the
// settings want another one: then both are good.
func (s *Server) refresh(ctx context.Context, form url.Values, app Client) (tokenResponse, error) {
	var t tokenResponse
	err := s.core.Tx(ctx, func(q querier) error {
		token := form.Get("refresh_token")
		old, err := findRefreshToken(ctx, q, token)
		if errors.Is(err, sql.ErrNoRows) || err == nil && (old.revoked || old.client != app.ID) {
			return errRefreshToken
		}
		if err != nil {
			return err
		}
		set := s.set(old.org)
		if set.AccountDeleted {
			return errHub
		}
		if lacks(old.scope, form.Get("scope")) != "" {
			return errScopes
		}
		if err := s.checkUser(ctx, q, old); err != nil {
			return err
		}
		if err := simulated.Count(ctx, q, "refreshes"); err != nil {
			return err
		}
		if set.RotateRefreshToken {
			if token, err = s.giveRefreshToken(ctx, q, old.grantID, hubletOf(token)); err != nil {
				return err
			}
		}
		t, err = s.issue(ctx, q, old.grantID, old.user, old.org, old.scope, token)
		return err
	})
	return t, err
}

// checkUser refuses the tokens of a person who was removed.
func (s *Server) checkUser(ctx context.Context, q querier, t refreshToken) error {
	u, err := simulated.UserByID(ctx, q, t.user)
	if err == nil && !u.Active {
		err = errRefreshToken
	}
	return err
}

// hubletOf is the data centre that a refresh token names.
func hubletOf(token string) string {
	hublet, _, _ := strings.Cut(token, "-")
	return hublet
}

// session is what an access token stands for.
type session struct {
	token, client, org, scope string
	user                      user
	grantID, created, expires int64
}

// session returns what an access token stands for, though it may have expired, or
// sql.ErrNoRows.
func (s *Server) session(ctx context.Context, token string) (session, error) {
	v := session{token: token}
	u := &v.user
	err := s.core.Read.QueryRowContext(ctx, `SELECT g.id, g.client, g.org, g.scope, a.created, a.expires,
			u.id, u.org, u.username, u.first_name, u.last_name, u.email, u.active
		FROM access_tokens a JOIN grants g ON g.id = a.grant_id JOIN users u ON u.id = g.user WHERE a.token = $1 AND u.active = 1`, token).
		Scan(&v.grantID, &v.client, &v.org, &v.scope, &v.created, &v.expires,
			&u.ID, &u.OrgID, &u.Username, &u.First, &u.Last, &u.Email, &u.Active)
	return v, err
}

// revoke handles POST /oauth/…/token/revoke. Access tokens that a refresh token brought
// live on until they run out.
func (c *call) revoke(ctx context.Context) (reply, error) {
	form, err := formOf(c)
	if err != nil {
		return reply{}, err
	}
	app, err := c.s.authenticate(ctx, form)
	if err != nil {
		return reply{}, err
	}
	var n int64
	err = c.s.core.Tx(ctx, func(q querier) error {
		n, err = revokeToken(ctx, q, form.Get("token"), app)
		return errors.Join(err, simulated.Count(ctx, q, "revocations"))
	})
	if err != nil {
		return reply{}, err
	}
	if status := c.s.set(simulated.OrgOf(ctx)).RevokeUnknownStatus; n == 0 && status >= 400 {
		return reply{}, &apiError{status: status, Message: "the token is unknown", Category: "VALIDATION_ERROR"}
	}
	return reply{status: http.StatusOK}, nil
}

// revokeToken ends one token and reports how many that were.
func revokeToken(ctx context.Context, q querier, token string, app Client) (int64, error) {
	const ofClient = `grant_id IN (SELECT id FROM grants WHERE client = $2)`
	var n int64
	for _, statement := range []string{
		`UPDATE refresh_tokens SET revoked = 1 WHERE token = $1 AND revoked = 0 AND ` + ofClient,
		`DELETE FROM access_tokens WHERE token = $1 AND ` + ofClient,
	} {
		res, err := q.ExecContext(ctx, statement, token, app.ID)
		if err != nil {
			return n, err
		}
		rows, err := res.RowsAffected()
		if err != nil {
			return n, err
		}
		n += rows
	}
	return n, nil
}

// uninstall handles DELETE /appinstalls/…/external-install: it ends all that the app has
// of the account.
func (c *call) uninstall(ctx context.Context) (reply, error) {
	return reply{status: http.StatusNoContent}, c.s.core.Tx(ctx, func(q querier) error {
		return c.s.endGrants(ctx, q, c.who.org, c.who.client)
	})
}

// endGrants ends the tokens of an app in an account; of all apps for "".
func (s *Server) endGrants(ctx context.Context, q querier, org, client string) error {
	const grants = `grant_id IN (SELECT id FROM grants WHERE org = $1 AND ($2 = '' OR client = $2))`
	if _, err := q.ExecContext(ctx, `UPDATE refresh_tokens SET revoked = 1 WHERE `+grants, org, client); err != nil {
		return err
	}
	if s.set(org).LingerAccessTokens {
		return nil
	}
	_, err := q.ExecContext(ctx, `DELETE FROM access_tokens WHERE `+grants, org, client)
	return err
}

// introspect handles POST /oauth/…/token/introspect.
func (c *call) introspect(ctx context.Context) (reply, error) {
	form, err := formOf(c)
	if err != nil {
		return reply{}, err
	}
	app, err := c.s.authenticate(ctx, form)
	if err != nil {
		return reply{}, err
	}
	if err := simulated.Count(ctx, c.s.core.Write, "introspections"); err != nil {
		return reply{}, err
	}
	body, err := c.s.inspect(ctx, form.Get("token"), app)
	return reply{status: http.StatusOK, body: body}, err
}

// inspect tells about a token of an app: only that it isn't active, when it isn't.
func (s *Server) inspect(ctx context.Context, token string, app Client) (map[string]any, error) {
	inactive := map[string]any{"active": false}
	who, err := s.session(ctx, token)
	if err == nil {
		if who.client != app.ID || who.expires <= s.core.Now() {
			return inactive, nil
		}
		return s.inspectAccess(ctx, who)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	t, err := findRefreshToken(ctx, s.core.Read, token)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (t.client != app.ID || t.revoked) {
		return inactive, nil
	}
	if err != nil {
		return nil, err
	}
	u, err := simulated.UserByID(ctx, s.core.Read, t.user)
	if err != nil || !u.Active {
		return inactive, err
	}
	return s.inspected(ctx, token, "refresh_token", t.client, t.org, t.scope, u)
}

func (s *Server) inspectAccess(ctx context.Context, who session) (map[string]any, error) {
	v, err := s.inspected(ctx, who.token, "access_token", who.client, who.org, who.scope, who.user)
	if err != nil {
		return nil, err
	}
	a, err := s.account(ctx, who.org)
	v["expires_in"] = (who.expires - s.core.Now()) / 1000
	v["is_private_distribution"] = false
	v["signed_access_token"] = map[string]any{"expiresAt": who.expires, "scopes": who.scope, "hubId": v["hub_id"], "userId": v["user_id"],
		"appId": v["app_id"], "hublet": a.Hublet, "isUserLevel": false, "signature": simulated.Random(40)}
	return v, err
}

// inspected is what is told of either kind of token.
func (s *Server) inspected(ctx context.Context, token, use, client, org, scope string, u user) (map[string]any, error) {
	v, err := s.account(ctx, org)
	return map[string]any{"active": true, "token": token, "token_use": use, "token_type": "bearer", "hub_id": number(org), "user_id": number(u.ID),
		"client_id": client, "app_id": appID(client), "user": u.Email, "hub_domain": v.Domain, "scopes": strings.Fields(scope)}, err
}

// appID is the number by which an app is known beside its client id.
func appID(client string) int {
	n := 1
	for _, c := range []byte(client) {
		n = (n*31 + int(c)) % 9_000_000
	}
	return 1_000_000 + n
}
