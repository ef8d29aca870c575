package mocksalesforce

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gatepost/simulated"
)

const jsonType = "application/json;charset=UTF-8"

// oauthError is how the OAuth end points refuse.
type oauthError struct {
	XMLName     xml.Name `json:"-" xml:"OAuth"`
	Error       string   `json:"error" xml:"error"`
	Description string   `json:"error_description" xml:"error_description"`
	status      int
}

// refusal makes an *oauthError usable as an error.
type refusal struct{ oauthError }

func (r *refusal) Error() string { return r.oauthError.Error + ": " + r.Description }

func refuse(code, description string) error {
	return &refusal{oauthError{Error: code, Description: description, status: http.StatusBadRequest}}
}

var errDeadRefreshToken = refuse("invalid_grant", "expired access/refresh token")

// oauthKind reports whether a kind of call answers errors the OAuth way.
func oauthKind(kind string) bool {
	return slices.Contains([]string{"token", "revoke", "introspect", "userinfo", "authorize"}, kind)
}

func (s *Server) oauthRoutes(mux *http.ServeMux) {
	mux.HandleFunc("/services/oauth2/authorize", s.authorize)
	mux.HandleFunc("POST "+consentPath, s.decide)
	mux.HandleFunc("/services/oauth2/token", s.token)
	mux.HandleFunc("/services/oauth2/revoke", s.revoke)
	mux.HandleFunc("/services/oauth2/introspect", s.introspect)
	mux.HandleFunc("/services/oauth2/userinfo", s.userinfo)
	mux.HandleFunc("GET /id/{org}/{user}", s.identity)
	mux.HandleFunc("GET /.well-known/openid-configuration", s.discovery)
}

// tokenResponse is a good answer of the token end point. There is no expires_in.
type tokenResponse struct {
	XMLName      xml.Name `json:"-" xml:"OAuth"`
	AccessToken  string   `json:"access_token" xml:"access_token"`
	RefreshToken string   `json:"refresh_token,omitempty" xml:"refresh_token,omitempty"`
	Signature    string   `json:"signature" xml:"signature"`
	Scope        string   `json:"scope" xml:"scope"`
	InstanceURL  string   `json:"instance_url" xml:"instance_url"`
	ID           string   `json:"id" xml:"id"`
	TokenType    string   `json:"token_type" xml:"token_type"`
	IssuedAt     string   `json:"issued_at" xml:"issued_at"`
}

func (t tokenResponse) form() url.Values {
	v := url.Values{"access_token": {t.AccessToken}, "signature": {t.Signature}, "scope": {t.Scope},
		"instance_url": {t.InstanceURL}, "id": {t.ID}, "token_type": {t.TokenType}, "issued_at": {t.IssuedAt}}
	if t.RefreshToken != "" {
		v.Set("refresh_token", t.RefreshToken)
	}
	return v
}

// token handles /services/oauth2/token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := simulated.Count(r.Context(), s.core.Write, "token_calls"); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	t, err := s.exchange(r)
	if err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-cache,must-revalidate,max-age=0,no-store,private")
	writeOAuth(w, format(r, "json"), http.StatusOK, t, t.form())
}

func (s *Server) exchange(r *http.Request) (tokenResponse, error) {
	var none tokenResponse
	if r.Method != http.MethodPost {
		return none, refuse("invalid_request", "must use HTTP POST")
	}
	if err := r.ParseForm(); err != nil {
		return none, refuse("invalid_request", "malformed request")
	}
	kind := r.Form.Get("grant_type")
	if kind != "authorization_code" && kind != "refresh_token" {
		return none, refuse("unsupported_grant_type", "grant type not supported")
	}
	c, err := s.authenticate(r)
	if err != nil {
		return none, err
	}
	if kind == "refresh_token" {
		return s.refresh(r, c)
	}
	return s.redeem(r, c)
}

// authenticate finds the client that calls, by form fields or HTTP Basic.
func (s *Server) authenticate(r *http.Request) (Client, error) {
	id, secret := r.Form.Get("client_id"), r.Form.Get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		id, _ = url.QueryUnescape(user)
		secret, _ = url.QueryUnescape(pass)
	}
	c, err := s.core.Client(r.Context(), id)
	if errors.Is(err, sql.ErrNoRows) {
		return c, refuse("invalid_client_id", "client identifier invalid")
	}
	if err != nil {
		return c, err
	}
	if !c.Holds(secret) {
		return c, refuse("invalid_client", "invalid client credentials")
	}
	return c, nil
}

// redeem exchanges an authorization code. The first try uses it up.
func (s *Server) redeem(r *http.Request, c Client) (tokenResponse, error) {
	var (
		ctx = r.Context()
		f   = r.Form
		t   tokenResponse
		no  error // a refusal that must not undo that the code is used
	)
	err := s.core.Tx(ctx, func(q querier) error {
		code, err := takeCode(ctx, q, f.Get("code"), c.ID)
		if err != nil {
			return err
		}
		u, err := simulated.UserByID(ctx, q, code.User)
		if err != nil {
			return err
		}
		if no = s.checkCode(code, u, f); no != nil {
			return nil
		}
		if no = usable(u); no != nil {
			return nil
		}
		t, err = s.grant(ctx, q, c, u, code.Scope, s.core.Base(r))
		return err
	})
	return t, errors.Join(err, no)
}

func takeCode(ctx context.Context, q querier, value, client string) (simulated.Code, error) {
	c, err := simulated.TakeCode(ctx, q, value, client)
	if errors.Is(err, sql.ErrNoRows) {
		err = refuse("invalid_grant", "invalid authorization code")
	}
	return c, err
}

func (s *Server) checkCode(c simulated.Code, u user, f url.Values) error {
	set := s.set(u.OrgID)
	if c.Used || s.core.Now() >= c.Created+int64(set.CodeSeconds)*1000 {
		return refuse("invalid_grant", "expired authorization code")
	}
	if f.Get("redirect_uri") != c.RedirectURI {
		return refuse("redirect_uri_mismatch", "redirect_uri must match configuration")
	}
	if !c.Verified(f.Get("code_verifier")) {
		return refuse("invalid_grant", "invalid code verifier")
	}
	return nil
}

func usable(u user) error {
	if !u.Active {
		return refuse("invalid_grant", "inactive user")
	}
	return nil
}

// grant records that u let c in, and gives out the first tokens.
func (s *Server) grant(ctx context.Context, q querier, c Client, u user, scope, base string) (tokenResponse, error) {
	var none tokenResponse
	offline := s.set(u.OrgID).IssueRefreshToken && (hasScope(scope, "refresh_token") || hasScope(scope, "offline_access"))
	var id int64
	if err := q.QueryRowContext(ctx, `INSERT INTO grants (client, user, scope, offline, created, used) VALUES ($1, $2, $3, $4, $5, $5) RETURNING id`,
		c.ID, u.ID, scope, offline, s.core.Now()).Scan(&id); err != nil {
		return none, err
	}
	if offline {
		if err := s.evict(ctx, q, c.ID, u); err != nil {
			return none, err
		}
	}
	return s.issue(ctx, q, c, u, id, scope, offline, base)
}

// evict revokes the oldest approvals of a user for an app beyond the allowed number.
func (s *Server) evict(ctx context.Context, q querier, client string, u user) error {
	var ids []int64
	err := simulated.Rows(ctx, q, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, `SELECT id FROM grants WHERE user = $1 AND client = $2 AND offline = 1 AND revoked = 0 ORDER BY id DESC LIMIT -1 OFFSET $3`,
		u.ID, client, s.set(u.OrgID).MaxApprovals)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := revokeGrant(ctx, q, id); err != nil {
			return err
		}
	}
	return nil
}

// revokeGrant ends an approval with all its tokens.
func revokeGrant(ctx context.Context, q querier, id int64) error {
	if _, err := q.ExecContext(ctx, `UPDATE grants SET revoked = 1 WHERE id = $1`, id); err != nil {
		return err
	}
	_, err := q.ExecContext(ctx, `DELETE FROM access_tokens WHERE grant_id = $1`, id)
	return err
}

// issue gives out an access token, and a refresh token too when asked.
func (s *Server) issue(ctx context.Context, q querier, c Client, u user, grantID int64, scope string, refresh bool, base string) (tokenResponse, error) {
	set, at := s.set(u.OrgID), s.core.Now()
	t := tokenResponse{
		AccessToken: u.OrgID[:15] + "!AQ" + simulated.Random(70),
		Scope:       scope,
		InstanceURL: base,
		ID:          base + "/id/" + u.OrgID + "/" + u.ID,
		TokenType:   "Bearer",
		IssuedAt:    strconv.FormatInt(at, 10),
	}
	if set.InstanceURLOverride != "" {
		t.InstanceURL = set.InstanceURLOverride
	}
	mac := hmac.New(sha256.New, []byte(c.Secret))
	mac.Write([]byte(t.ID + t.IssuedAt))
	t.Signature = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if _, err := q.ExecContext(ctx, `INSERT INTO access_tokens (token, grant_id, created, expires) VALUES ($1, $2, $3, $4)`,
		t.AccessToken, grantID, at, at+int64(set.AccessTokenSeconds)*1000); err != nil {
		return t, err
	}
	if !refresh {
		return t, nil
	}
	t.RefreshToken = "5Aep861" + simulated.Random(60)
	_, err := q.ExecContext(ctx, `INSERT INTO refresh_tokens (token, grant_id, created) VALUES ($1, $2, $3)`, t.RefreshToken, grantID, at)
	return t, err
}

// refreshToken is a stored refresh token with what its grant says.
type refreshToken struct {
	grantID, created, used   int64
	client, user, org, scope string
	superseded, revoked      bool
}

func (s *Server) findRefreshToken(ctx context.Context, q querier, token string) (refreshToken, error) {
	var t refreshToken
	err := q.QueryRowContext(ctx, `SELECT g.id, r.created, g.used, g.client, g.user, u.org, g.scope, r.superseded, g.revoked
		FROM refresh_tokens r JOIN grants g ON g.id = r.grant_id JOIN users u ON u.id = g.user WHERE r.token = $1`, token).
		Scan(&t.grantID, &t.created, &t.used, &t.client, &t.user, &t.org, &t.scope, &t.superseded, &t.revoked)
	return t, err
}

// live reports whether a refresh token still works.
func (s *Server) live(t refreshToken) bool {
	idle := int64(s.set(t.org).RefreshIdleSeconds) * 1000
	return !t.revoked && !t.superseded && (idle == 0 || s.core.Now() < t.used+idle)
}

// refresh renews an access token. With rotation the refresh token is renewed
// too, and whoever shows an old one loses the whole family.
func (s *Server) refresh(r *http.Request, c Client) (tokenResponse, error) {
	var (
		ctx = r.Context()
		t   tokenResponse
		no  error // a refusal that must not undo the revocation
	)
	token := r.Form.Get("refresh_token")
	err := s.core.Tx(ctx, func(q querier) error {
		old, err := s.findRefreshToken(ctx, q, token)
		if errors.Is(err, sql.ErrNoRows) || err == nil && old.client != c.ID {
			return errDeadRefreshToken
		}
		if err != nil {
			return err
		}
		if old.superseded {
			no = errDeadRefreshToken
			return errors.Join(simulated.Count(ctx, q, "reuse_detected"), revokeGrant(ctx, q, old.grantID))
		}
		if !s.live(old) {
			return errDeadRefreshToken
		}
		u, err := simulated.UserByID(ctx, q, old.user)
		if err != nil {
			return err
		}
		if err := usable(u); err != nil {
			return err
		}
		rotate := s.set(u.OrgID).Rotation
		if err := s.markRefreshed(ctx, q, token, old.grantID, rotate); err != nil {
			return err
		}
		t, err = s.issue(ctx, q, c, u, old.grantID, old.scope, rotate, s.core.Base(r))
		return err
	})
	return t, errors.Join(err, no)
}

func (s *Server) markRefreshed(ctx context.Context, q querier, token string, grantID int64, rotate bool) error {
	if err := simulated.Count(ctx, q, "refreshes"); err != nil {
		return err
	}
	if _, err := q.ExecContext(ctx, `UPDATE grants SET used = $1 WHERE id = $2`, s.core.Now(), grantID); err != nil {
		return err
	}
	if !rotate {
		return nil
	}
	_, err := q.ExecContext(ctx, `UPDATE refresh_tokens SET superseded = 1 WHERE token = $1`, token)
	return err
}

// revoke handles /services/oauth2/revoke. It needs no authentication.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		simulated.MethodNotAllowed(w, "GET, POST")
		return
	}
	err := r.ParseForm()
	if err == nil {
		err = s.core.Tx(ctx, func(q querier) error { return s.revokeToken(ctx, q, r.Form.Get("token")) })
	}
	if err != nil {
		s.oauthFailureAs(w, err, format(r, "urlencoded"))
		return
	}
	w.WriteHeader(http.StatusOK)
}

// revokeToken ends a refresh token with its access tokens, or one access token.
func (s *Server) revokeToken(ctx context.Context, q querier, token string) error {
	if err := simulated.Count(ctx, q, "revocations"); err != nil {
		return err
	}
	t, err := s.findRefreshToken(ctx, q, token)
	switch {
	case err == nil && s.live(t):
		return revokeGrant(ctx, q, t.grantID)
	case err == nil:
		return refuse("invalid_token", "invalid token")
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	res, err := q.ExecContext(ctx, `DELETE FROM access_tokens WHERE token = $1 AND expires > $2`, token, s.core.Now())
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, refuse("invalid_token", "invalid token"))
	}
	return nil
}

// introspection is what /services/oauth2/introspect tells of a live token.
type introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Username  string `json:"username,omitempty"`
	Sub       string `json:"sub,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Exp       int64  `json:"exp,omitempty"`
	Iat       int64  `json:"iat,omitempty"`
	Nbf       int64  `json:"nbf,omitempty"`
}

// introspect handles /services/oauth2/introspect. It never changes anything:
// a superseded refresh token is merely inactive.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		simulated.MethodNotAllowed(w, "POST")
		return
	}
	if err := simulated.Count(r.Context(), s.core.Write, "introspections"); err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	if err := r.ParseForm(); err != nil {
		s.oauthFailure(w, r, refuse("invalid_request", "malformed request"))
		return
	}
	c, err := s.authenticate(r)
	if no, ok := errors.AsType[*refusal](err); ok {
		no.status = http.StatusUnauthorized
	}
	if err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	v, err := s.inspect(r, c)
	if err != nil {
		s.oauthFailure(w, r, err)
		return
	}
	simulated.JSON(w, http.StatusOK, v)
}

func (s *Server) inspect(r *http.Request, c Client) (introspection, error) {
	ctx, token := r.Context(), r.Form.Get("token")
	t, err := s.findRefreshToken(ctx, s.core.Read, token)
	if err == nil {
		if t.client != c.ID || !s.live(t) {
			return introspection{}, nil
		}
		v := introspection{TokenType: "refresh_token", Scope: t.scope, Iat: t.created / 1000}
		if idle := s.set(t.org).RefreshIdleSeconds; idle > 0 {
			v.Exp = t.used/1000 + int64(idle)
		}
		return s.describeToken(r, v, c, t.user)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return introspection{}, err
	}
	who, err := s.session(ctx, token)
	if errors.Is(err, sql.ErrNoRows) || err == nil && who.client != c.ID {
		return introspection{}, nil
	}
	if err != nil {
		return introspection{}, err
	}
	v := introspection{TokenType: "access_token", Scope: who.scope, Iat: who.created / 1000, Exp: who.expires / 1000}
	return s.describeToken(r, v, c, who.user.ID)
}

func (s *Server) describeToken(r *http.Request, v introspection, c Client, userID string) (introspection, error) {
	u, err := simulated.UserByID(r.Context(), s.core.Read, userID)
	if err != nil || !u.Active {
		return introspection{}, err
	}
	v.Active, v.ClientID, v.Username, v.Nbf = true, c.ID, u.Username, v.Iat
	v.Sub = s.core.Base(r) + "/id/" + u.OrgID + "/" + u.ID
	return v, nil
}

// session is what a valid access token stands for.
type session struct {
	token, client, scope      string
	user                      user
	grantID, created, expires int64
}

// session returns what a live access token stands for, or sql.ErrNoRows.
func (s *Server) session(ctx context.Context, token string) (session, error) {
	v := session{token: token}
	u := &v.user
	err := s.core.Read.QueryRowContext(ctx, `SELECT g.id, g.client, g.scope, a.created, a.expires,
			u.id, u.org, u.username, u.first_name, u.last_name, u.email, u.active
		FROM access_tokens a JOIN grants g ON g.id = a.grant_id JOIN users u ON u.id = g.user
		WHERE a.token = $1 AND a.expires > $2 AND g.revoked = 0 AND u.active = 1`, token, s.core.Now()).
		Scan(&v.grantID, &v.client, &v.scope, &v.created, &v.expires,
			&u.ID, &u.OrgID, &u.Username, &u.First, &u.Last, &u.Email, &u.Active)
	return v, err
}

// slide prolongs a session that is used in the second half of its life.
func (s *Server) slide(ctx context.Context, v session) error {
	full := int64(s.set(v.user.OrgID).AccessTokenSeconds) * 1000
	if at := s.core.Now(); v.expires-at < full/2 {
		_, err := s.core.Write.ExecContext(ctx, `UPDATE access_tokens SET expires = $1 WHERE token = $2 AND expires > $3`, at+full, v.token, at)
		return err
	}
	return nil
}

func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "OAuth") {
		return ""
	}
	return strings.TrimSpace(token)
}

func hasScope(scope, want string) bool { return slices.Contains(strings.Fields(scope), want) }

// format says how an OAuth answer is to be written.
func format(r *http.Request, byDefault string) string {
	switch f := r.FormValue("format"); f {
	case "json", "xml", "urlencoded":
		return f
	}
	accept := r.Header.Get("Accept")
	switch {
	case strings.Contains(accept, "application/json"):
		return "json"
	case strings.Contains(accept, "application/x-www-form-urlencoded"):
		return "urlencoded"
	case strings.Contains(accept, "application/xml"):
		return "xml"
	}
	return byDefault
}

func writeOAuth(w http.ResponseWriter, format string, status int, v any, form url.Values) {
	switch format {
	case "urlencoded":
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
		w.WriteHeader(status)
		fmt.Fprint(w, form.Encode())
	case "xml":
		w.Header().Set("Content-Type", "application/xml;charset=UTF-8")
		w.WriteHeader(status)
		fmt.Fprint(w, xml.Header)
		_ = xml.NewEncoder(w).Encode(v)
	default:
		simulated.JSON(w, status, v)
	}
}

func (s *Server) oauthFailure(w http.ResponseWriter, r *http.Request, err error) {
	s.oauthFailureAs(w, err, format(r, "json"))
}

func (s *Server) oauthFailureAs(w http.ResponseWriter, err error, format string) {
	no, ok := errors.AsType[*refusal](err)
	if !ok {
		s.core.Log.Error("oauth", "error", err)
		no = &refusal{oauthError{Error: "server_error", Description: "unexpected error", status: http.StatusInternalServerError}}
	}
	e := no.oauthError
	writeOAuth(w, format, e.status, e, url.Values{"error": {e.Error}, "error_description": {e.Description}})
}
