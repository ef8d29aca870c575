package mockzoho

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatepost/simulated"
)

// refusal is how the token end point refuses: with a code in lower case, under HTTP 200.
type refusal string

// Error lets a refusal be returned as an error.
func (r refusal) Error() string { return string(r) }

const (
	errInvalidCode     = refusal("invalid_code")
	errInvalidClient   = refusal("invalid_client")
	errInvalidSecret   = refusal("invalid_client_secret")
	errInvalidRedirect = refusal("invalid_redirect_uri")
	errGeneral         = refusal("general_error")
)

// throttled is how the token end point refuses whoever asks too often.
type throttled struct {
	Description string `json:"error_description"`
	Reason      string `json:"error"`
	Status      string `json:"status"`

	http int
}

// Error lets a throttled be returned as an error.
func (t *throttled) Error() string { return t.Reason }

func throttle(v *conf) *throttled {
	t := &throttled{"You have made too many requests continuously. Please try again after some time.", "Access Denied", "failure", v.ThrottleStatus}
	if v.ThrottleTranslated {
		t.Description, t.Reason = "您的请求过于频繁，请稍后再试。", "访问被拒绝"
	}
	return t
}

// tokenResponse is a good answer of the token end point.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
	APIDomain    string `json:"api_domain"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
}

func (s *Server) oauthRoutes(mux *http.ServeMux) {
	mux.HandleFunc("/oauth/v2/auth", s.authorize)
	mux.HandleFunc("POST /oauth/v2/approve", s.decide)
	mux.HandleFunc("GET /oauth/v2/handover", s.handOver)
	mux.HandleFunc("/oauth/v2/token", s.token)
	mux.HandleFunc("/oauth/v2/token/revoke", s.revoke)
	mux.HandleFunc("GET /oauth/serverinfo", s.serverInfo)
}

// token handles /oauth/v2/token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		simulated.MethodNotAllowed(w, "POST")
		return
	}
	err := simulated.Count(r.Context(), s.core.Write, "token_calls")
	var t tokenResponse
	if err == nil {
		t, err = s.exchange(r)
	}
	w.Header().Set("Cache-Control", "no-store")
	var slow *throttled
	var no refusal
	switch {
	case errors.As(err, &slow):
		err = simulated.Count(r.Context(), s.core.Write, "throttled")
		simulated.JSON(w, slow.http, slow)
	case errors.As(err, &no):
		err = nil
		simulated.JSON(w, http.StatusOK, map[string]string{"error": string(no)})
	case err == nil:
		simulated.JSON(w, http.StatusOK, t)
	default:
		s.core.Failure(w, r, err)
		return
	}
	if err != nil {
		s.core.Log.Error("token", "error", err)
	}
}

func (s *Server) exchange(r *http.Request) (tokenResponse, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return tokenResponse{}, err
	}
	at, _ := locate(r.Host)
	form := formOf(r, body)
	client, err := s.authenticate(r.Context(), form, at.centre)
	if err != nil {
		return tokenResponse{}, err
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		return s.redeem(r, form, client, at.centre)
	case "refresh_token":
		return s.refresh(r, form, client, at.centre)
	}
	return tokenResponse{}, errGeneral
}

// formOf is what a request sends to the accounts server: in a form of either kind, as
// Zoho's own libraries use multipart, or in the query.
func formOf(r *http.Request, body []byte) url.Values {
	all := r.URL.Query()
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/x-www-form-urlencoded":
		form, _ := url.ParseQuery(string(body)) // as far as it is one
		maps.Copy(all, form)
	case "multipart/form-data":
		form, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).ReadForm(1 << 20)
		if err == nil {
			maps.Copy(all, form.Value)
		}
	}
	return all
}

// authenticate finds the app that calls a data centre, where it may have a secret of its own.
func (s *Server) authenticate(ctx context.Context, form url.Values, centre string) (string, error) {
	secret := form.Get("client_secret")
	c, err := s.core.Client(ctx, form.Get("client_id"))
	if errors.Is(err, sql.ErrNoRows) {
		return "", errInvalidClient
	}
	if err != nil {
		return "", err
	}
	v, err := s.centreSetup(ctx, c.ID)
	if err != nil {
		return "", err
	}
	if !v.on(centre) {
		return "", errInvalidClient
	}
	right, own := v.Secrets[centre]
	if !own {
		right = c.Secret
	}
	if same(right, secret) {
		return c.ID, nil
	}
	elsewhere := slices.Collect(maps.Values(v.Secrets))
	if same(c.Secret, secret) || slices.ContainsFunc(elsewhere, func(other string) bool { return same(other, secret) }) {
		return "", errInvalidClient // it is another data centre's
	}
	return "", errInvalidSecret
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// centreSetup is where an app is switched on, and its secrets there.
func (s *Server) centreSetup(ctx context.Context, client string) (v centreSetup, err error) {
	var text string
	err = s.core.Read.QueryRowContext(ctx, `SELECT centres FROM secrets WHERE client = $1`, client).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal([]byte(text), &v)
}

// on reports whether the app is switched on in a data centre.
func (v centreSetup) on(centre string) bool {
	if len(v.Centres) == 0 {
		return centre != chineseCentre
	}
	return slices.Contains(v.Centres, centre)
}

// redeem exchanges an authorization code. The first try uses it up.
func (s *Server) redeem(r *http.Request, form url.Values, client, centre string) (t tokenResponse, err error) {
	ctx := r.Context()
	var no error // a refusal that must not undo that the code is used
	err = s.core.Tx(ctx, func(q simulated.Querier) error {
		code, err := simulated.TakeCode(ctx, q, form.Get("code"), client)
		if errors.Is(err, sql.ErrNoRows) {
			return errInvalidCode
		}
		if err != nil {
			return err
		}
		if code.Used {
			no = errInvalidCode
			return simulated.Count(ctx, q, "reuse_detected")
		}
		o, err := s.org(ctx, code.Org)
		if err != nil {
			return err
		}
		v := s.setup.Of(o.ID)
		switch {
		case o.at.centre != centre || s.core.Now() >= code.Created+int64(v.CodeSeconds)*1000:
			no = errInvalidCode
			return nil
		case code.RedirectURI != form.Get("redirect_uri"):
			no = errInvalidRedirect
			return nil
		}
		scope, offline := strings.CutSuffix(code.Scope, ","+offlineAccess)
		g := grant{client: client, user: code.User, org: o, scope: scope}
		if no, err = s.crowded(ctx, q, g, offline); no != nil || err != nil {
			return err
		}
		t, err = s.grant(ctx, q, g, offline, s.base(r, o.at))
		return err
	})
	return t, errors.Join(err, no)
}

// grant is what a person lets an app do in one of their orgs.
type grant struct {
	id            int64
	client, user  string
	org           org
	scope         string // separated by commas
	since, issued int64  // when the ten minutes began, and how many tokens there were in them
}

// crowded refuses a user who is given too many refresh tokens in a minute.
func (s *Server) crowded(ctx context.Context, q simulated.Querier, g grant, offline bool) (refused, err error) {
	v := s.setup.Of(g.org.ID)
	if !offline || v.RefreshTokensPerMinute == 0 {
		return nil, nil
	}
	var n int
	err = q.QueryRowContext(ctx, `SELECT COUNT(*) FROM grants WHERE user = $1 AND client = $2 AND refresh IS NOT NULL AND created > $3`,
		g.user, g.client, s.core.Now()-time.Minute.Milliseconds()).Scan(&n)
	if err == nil && n >= v.RefreshTokensPerMinute {
		return throttle(v), nil
	}
	return nil, err
}

// grant records that a person let an app in, and gives out the first tokens.
func (s *Server) grant(ctx context.Context, q simulated.Querier, g grant, offline bool, base string) (t tokenResponse, err error) {
	var refresh any
	if offline {
		t.RefreshToken = newToken()
		refresh = t.RefreshToken
	}
	err = q.QueryRowContext(ctx, `INSERT INTO grants (client, user, org, scope, refresh, created) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
		g.client, g.user, g.org.ID, g.scope, refresh, s.core.Now()).Scan(&g.id)
	if err == nil && offline {
		err = s.evict(ctx, q, g)
	}
	if err != nil {
		return t, err
	}
	issued, err := s.issue(ctx, q, g, base)
	issued.RefreshToken = t.RefreshToken
	return issued, err
}

// evict ends the oldest refresh tokens of a user for an app beyond the allowed number, and
// tells nobody.
func (s *Server) evict(ctx context.Context, q simulated.Querier, g grant) error {
	var ids []int64
	err := simulated.Rows(ctx, q, func(rs *sql.Rows) error {
		var id int64
		err := rs.Scan(&id)
		ids = append(ids, id)
		return err
	}, `SELECT id FROM grants WHERE user = $1 AND client = $2 AND refresh IS NOT NULL AND revoked = 0 ORDER BY id DESC LIMIT -1 OFFSET $3`,
		g.user, g.client, s.setup.Of(g.org.ID).MaxRefreshTokens)
	for _, id := range ids {
		err = errors.Join(err, s.end(ctx, q, id, g.org.ID))
	}
	return err
}

// end revokes a grant; its access tokens die with it, or linger until they expire.
func (s *Server) end(ctx context.Context, q simulated.Querier, id int64, orgID string) error {
	if _, err := q.ExecContext(ctx, `UPDATE grants SET revoked = 1 WHERE id = $1`, id); err != nil {
		return err
	}
	if s.setup.Of(orgID).TokensLinger {
		return nil
	}
	_, err := q.ExecContext(ctx, `DELETE FROM access_tokens WHERE grant_id = $1`, id)
	return err
}

// issue gives out an access token, unless there were too many of late. One too many that
// lives ends the oldest.
func (s *Server) issue(ctx context.Context, q simulated.Querier, g grant, base string) (t tokenResponse, err error) {
	v, now := s.setup.Of(g.org.ID), s.core.Now()
	t = tokenResponse{AccessToken: newToken(), APIDomain: base, TokenType: "Bearer", ExpiresIn: v.AccessTokenSeconds}
	if v.ScopeInToken {
		t.Scope = strings.ReplaceAll(g.scope, ",", " ")
	}
	if now >= g.since+window {
		g.since, g.issued = now, 0
	}
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{`UPDATE grants SET since = $1, issued = $2 WHERE id = $3`, []any{g.since, g.issued + 1, g.id}},
		{`INSERT INTO access_tokens (token, grant_id, expires) VALUES ($1, $2, $3)`, []any{t.AccessToken, g.id, now + int64(v.AccessTokenSeconds)*1000}},
		{`DELETE FROM access_tokens WHERE grant_id = $1 AND (expires <= $2 OR seq NOT IN
			(SELECT seq FROM access_tokens WHERE grant_id = $1 ORDER BY seq DESC LIMIT $3))`, []any{g.id, now, v.MaxAccessTokens}},
	} {
		if _, err := q.ExecContext(ctx, step.statement, step.args...); err != nil {
			return t, err
		}
	}
	return t, nil
}

// window is the time in which a refresh token may give only so many access tokens.
const window = int64(10 * time.Minute / time.Millisecond)

// refresh gives out a further access token, and no refresh token: that one stays.
func (s *Server) refresh(r *http.Request, form url.Values, client, centre string) (t tokenResponse, err error) {
	ctx := r.Context()
	var no error // a refusal that must not undo that the ten minutes begin anew
	err = s.core.Tx(ctx, func(q simulated.Querier) error {
		g, err := s.findGrant(ctx, q, form.Get("refresh_token"))
		if errors.Is(err, sql.ErrNoRows) || err == nil && (g.client != client || g.org.at.centre != centre) {
			return errInvalidCode
		}
		if err != nil {
			return err
		}
		v, now := s.setup.Of(g.org.ID), s.core.Now()
		if now < g.since+window && g.issued >= int64(v.TokensPerWindow) {
			no = throttle(v)
			if v.ThrottleProlonged {
				_, err = q.ExecContext(ctx, `UPDATE grants SET since = $1 WHERE id = $2`, now, g.id)
			}
			return err
		}
		if err := simulated.Count(ctx, q, "refreshes"); err != nil {
			return err
		}
		t, err = s.issue(ctx, q, g, s.base(r, g.org.at))
		return err
	})
	return t, errors.Join(err, no)
}

// findGrant returns the grant of a living refresh token, or sql.ErrNoRows.
func (s *Server) findGrant(ctx context.Context, q simulated.Querier, token string) (g grant, err error) {
	var orgID string
	err = q.QueryRowContext(ctx, `SELECT id, client, user, org, scope, since, issued FROM grants WHERE refresh = $1 AND revoked = 0`, token).
		Scan(&g.id, &g.client, &g.user, &orgID, &g.scope, &g.since, &g.issued)
	if err != nil {
		return g, err
	}
	g.org, err = s.org(ctx, orgID)
	return g, err
}

// newToken is a token or a code as Zoho writes them.
func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return "1000." + hex.EncodeToString(b[:16]) + "." + hex.EncodeToString(b[16:])
}

// revoke handles /oauth/v2/token/revoke. It needs no authentication.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		simulated.MethodNotAllowed(w, "POST")
		return
	}
	at, _ := locate(r.Host)
	known := false
	body, err := io.ReadAll(r.Body)
	if err == nil {
		token := formOf(r, body).Get("token")
		err = s.core.Tx(r.Context(), func(q simulated.Querier) (err error) {
			known, err = s.revokeToken(r.Context(), q, token, at.centre)
			return err
		})
	}
	switch {
	case err != nil:
		s.core.Failure(w, r, err)
	case !known:
		simulated.HTML(w, http.StatusBadRequest, "Bad Request")
	default:
		simulated.JSON(w, http.StatusOK, map[string]string{"status": "success"})
	}
}

// revokeToken ends the grant of a refresh token, or one access token.
func (s *Server) revokeToken(ctx context.Context, q simulated.Querier, token, centre string) (known bool, err error) {
	if err := simulated.Count(ctx, q, "revocations"); err != nil {
		return false, err
	}
	g, err := s.findGrant(ctx, q, token)
	if err == nil {
		if g.org.at.centre != centre {
			return false, nil
		}
		return true, s.end(ctx, q, g.id, g.org.ID)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	res, err := q.ExecContext(ctx, `DELETE FROM access_tokens WHERE token = $1 AND expires > $2`, token, s.core.Now())
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// serverInfo handles GET /oauth/serverinfo: the data centres, without the one in China.
func (s *Server) serverInfo(w http.ResponseWriter, r *http.Request) {
	locations := map[string]string{}
	for _, centre := range centres {
		if centre != chineseCentre {
			locations[centre] = s.base(r, location{centre, production})
		}
	}
	simulated.JSON(w, http.StatusOK, map[string]any{"result": "success", "locations": locations})
}
