package mocksalesforce

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	verifierSyntax  = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,256}$`)
	challengeSyntax = regexp.MustCompile(`^[A-Za-z0-9_-]{43}=?$`)
)

const loginCookie = "mocksalesforce_sid"

// ask is a request for authorization that passed the checks.
type ask struct {
	Client      string `json:"client"`
	RedirectURI string `json:"redirect_uri"`
	State       string `json:"state"`
	Scope       string `json:"scope"`
	Challenge   string `json:"challenge"`
}

// authorize handles /services/oauth2/authorize: checks first, then log in, then consent.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		textError(w, refuse("invalid_request", "must use HTTP GET"))
		return
	}
	p := r.URL.Query()
	a, err := s.trust(r.Context(), p)
	if err != nil {
		s.authorizeFailure(w, err)
		return
	}
	if err := s.checkAsk(r.Context(), &a, p); err != nil {
		s.sendBack(w, r, a, err)
		return
	}
	s.proceed(w, r, a, p)
}

// trust checks what must hold before anything may be sent to the redirect URI.
func (s *Server) trust(ctx context.Context, p url.Values) (ask, error) {
	a := ask{Client: p.Get("client_id"), RedirectURI: p.Get("redirect_uri"), State: p.Get("state"), Challenge: p.Get("code_challenge")}
	c, err := s.client(ctx, a.Client)
	if errors.Is(err, sql.ErrNoRows) {
		return a, refuse("invalid_client_id", "client identifier invalid")
	}
	if err != nil {
		return a, err
	}
	set := s.set(orgOf(ctx))
	switch method := p.Get("code_challenge_method"); {
	case a.RedirectURI == "":
		return a, refuse("redirect_uri_missing", "redirect_uri missing")
	case !slices.Contains(c.RedirectURIs, a.RedirectURI):
		return a, refuse("redirect_uri_mismatch", "redirect_uri must match configuration")
	case a.Challenge == "" && set.RequirePKCE:
		return a, refuse("invalid_request", "missing required code challenge")
	case method != "" && (method != "S256" || a.Challenge == ""):
		return a, refuse("invalid_request", "invalid code challenge method")
	case a.Challenge != "" && !challengeSyntax.MatchString(a.Challenge):
		return a, refuse("invalid_request", "invalid code challenge")
	}
	return a, nil
}

// checkAsk checks the rest, whose failures the app hears of.
func (s *Server) checkAsk(ctx context.Context, a *ask, p url.Values) error {
	if p.Get("response_type") != "code" {
		return refuse("unsupported_response_type", "response type not supported")
	}
	set := s.set(orgOf(ctx))
	asked := strings.Fields(p.Get("scope"))
	if len(asked) == 0 {
		asked = []string{"id", "api"}
	}
	for _, scope := range asked {
		if !set.allows(scope) {
			return refuse("invalid_scope", "the requested scope is not allowed")
		}
	}
	slices.Sort(asked)
	a.Scope = strings.Join(slices.Compact(asked), " ")
	return nil
}

// proceed leads to the log-in page, the consent page, or straight back.
func (s *Server) proceed(w http.ResponseWriter, r *http.Request, a ask, p url.Values) {
	u, login, err := s.loggedIn(r)
	if err != nil {
		s.authorizeFailure(w, err)
		return
	}
	prompts := strings.Fields(p.Get("prompt"))
	again := slices.Contains(prompts, "login") || slices.Contains(prompts, "select_account")
	if p.Get("immediate") == "true" {
		s.immediate(w, r, a, u)
		return
	}
	if login == "" || again {
		p.Set("prompt", strings.Join(slices.DeleteFunc(prompts, func(v string) bool { return v != "consent" }), " "))
		next := url.Values{"startURL": {r.URL.Path + "?" + p.Encode()}, "un": {p.Get("login_hint")}}
		http.Redirect(w, r, "/login?"+next.Encode(), http.StatusFound)
		return
	}
	if !s.set(u.OrgID).AppInstalled {
		s.page(w, http.StatusForbidden, "problem", view{Title: "Cannot continue",
			Message: "OAUTH_APPROVAL_ERROR_GENERIC : An unexpected error has occurred during authentication. Please try again."})
		return
	}
	remembered, err := s.remembers(r.Context(), a, u)
	if err != nil {
		s.authorizeFailure(w, err)
		return
	}
	if remembered && s.set(u.OrgID).RememberApproval && !slices.Contains(prompts, "consent") {
		s.approve(w, r, a, u)
		return
	}
	s.askConsent(w, r, a, u, login)
}

// immediate answers without showing a page, or says that it can't.
func (s *Server) immediate(w http.ResponseWriter, r *http.Request, a ask, u user) {
	ok := false
	if u.ID != "" {
		var err error
		if ok, err = s.remembers(r.Context(), a, u); err != nil {
			s.authorizeFailure(w, err)
			return
		}
	}
	if !ok {
		s.sendBack(w, r, a, refuse("immediate_unsuccessful", "immediate unsuccessful"))
		return
	}
	s.approve(w, r, a, u)
}

// remembers reports whether u has let the app do at least this already.
func (s *Server) remembers(ctx context.Context, a ask, u user) (bool, error) {
	found := false
	err := rows(ctx, s.read, func(r *sql.Rows) error {
		var scope string
		err := r.Scan(&scope)
		covers := true
		for _, want := range strings.Fields(a.Scope) {
			covers = covers && hasScope(scope, want)
		}
		found = found || covers
		return err
	}, `SELECT scope FROM grants WHERE user = $1 AND client = $2 AND revoked = 0`, u.ID, a.Client)
	return found, err
}

// askConsent shows Allow and Deny. What is asked stays here; the form carries a random id.
func (s *Server) askConsent(w http.ResponseWriter, r *http.Request, a ask, u user, login string) {
	text, err := json.Marshal(a)
	if err != nil {
		s.authorizeFailure(w, err)
		return
	}
	id := random(30)
	if _, err := s.write.ExecContext(r.Context(), `INSERT INTO approvals (id, login, ask, created) VALUES ($1, $2, $3, $4)`,
		id, login, string(text), now()); err != nil {
		s.authorizeFailure(w, err)
		return
	}
	s.page(w, http.StatusOK, "consent", view{Title: "Allow Access?", User: &u, Ask: &a, Approval: id,
		Scopes: scopeWords(a.Scope), Back: r.URL.RequestURI()})
}

// decide handles the answer to the consent page.
func (s *Server) decide(w http.ResponseWriter, r *http.Request) {
	u, login, err := s.loggedIn(r)
	if err != nil {
		s.authorizeFailure(w, err)
		return
	}
	var text string
	err = s.write.QueryRowContext(r.Context(), `DELETE FROM approvals WHERE id = $1 AND login = $2 AND login <> '' RETURNING ask`,
		r.PostFormValue("id"), login).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		s.page(w, http.StatusBadRequest, "problem", view{Title: "This page is out of date",
			Message: "The request was answered before, or belongs to another log-in. Go back to the app and start again."})
		return
	}
	var a ask
	if err == nil {
		err = json.Unmarshal([]byte(text), &a)
	}
	if err != nil {
		s.authorizeFailure(w, err)
		return
	}
	if r.PostFormValue("decision") != "allow" {
		s.sendBack(w, r, a, refuse("access_denied", "end-user denied authorization"))
		return
	}
	s.approve(w, r, a, u)
}

// approve sends the browser back with a fresh code.
func (s *Server) approve(w http.ResponseWriter, r *http.Request, a ask, u user) {
	code := "aPrx" + random(60) + "=="
	if _, err := s.write.ExecContext(r.Context(), `INSERT INTO codes (code, client, user, redirect_uri, scope, challenge, nonce, created)
		VALUES ($1, $2, $3, $4, $5, $6, '', $7)`, code, a.Client, u.ID, a.RedirectURI, a.Scope, a.Challenge, now()); err != nil {
		s.authorizeFailure(w, err)
		return
	}
	redirectBack(w, a, url.Values{"code": {code}})
}

// sendBack tells the app that it didn't get what it asked for.
func (s *Server) sendBack(w http.ResponseWriter, _ *http.Request, a ask, err error) {
	no, ok := errors.AsType[*refusal](err)
	if !ok {
		s.authorizeFailure(w, err)
		return
	}
	redirectBack(w, a, url.Values{"error": {no.oauthError.Error}, "error_description": {no.Description}})
}

func redirectBack(w http.ResponseWriter, a ask, v url.Values) {
	if a.State != "" {
		v.Set("state", a.State)
	}
	to, glue := a.RedirectURI, "?"
	if strings.Contains(to, "?") {
		glue = "&"
	}
	w.Header().Set("Location", to+glue+v.Encode())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusFound)
}

// authorizeFailure answers a failure that the app must not hear of.
func (s *Server) authorizeFailure(w http.ResponseWriter, err error) {
	if _, ok := errors.AsType[*refusal](err); ok {
		textError(w, err)
		return
	}
	s.log.Error("authorize", "error", err)
	writeHTML(w, http.StatusInternalServerError, "Internal Server Error")
}

// textError answers the odd way in which Salesforce refuses before it trusts
// the redirect URI: a form-encoded body whose content type is empty.
func textError(w http.ResponseWriter, err error) {
	no, _ := errors.AsType[*refusal](err)
	w.Header()["Content-Type"] = []string{""}
	w.WriteHeader(no.status)
	escape := func(v string) string { return strings.ReplaceAll(url.QueryEscape(v), "+", "%20") }
	fmt.Fprintf(w, "error=%s&error_description=%s", escape(no.oauthError.Error), escape(no.Description))
}

// loggedIn returns who the browser is logged in as, with the id of the log-in; both are empty for nobody.
func (s *Server) loggedIn(r *http.Request) (user, string, error) {
	c, err := r.Cookie(loginCookie)
	if err != nil {
		return user{}, "", nil
	}
	var id string
	err = s.read.QueryRowContext(r.Context(), `SELECT user FROM logins WHERE id = $1`, c.Value).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return user{}, "", nil
	}
	if err != nil {
		return user{}, "", err
	}
	u, err := s.userByID(r.Context(), s.read, id)
	if err != nil || !u.Active {
		return user{}, "", err
	}
	return u, c.Value, nil
}

// login handles GET and POST /login.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	v := view{Title: "Log In", Username: "john@contoso.example", StartURL: localPath(r.FormValue("startURL"))}
	if hint := r.FormValue("un"); hint != "" {
		v.Username = hint
	}
	var err error
	if v.Users, err = s.whoIsHere(r.Context(), v.StartURL); err != nil {
		s.authorizeFailure(w, err)
		return
	}
	if r.Method != http.MethodPost {
		s.page(w, http.StatusOK, "login", v)
		return
	}
	var id string
	err = s.read.QueryRowContext(r.Context(), `SELECT id FROM users WHERE username = $1 AND password = $2 AND active = 1`,
		strings.ToLower(strings.TrimSpace(r.PostFormValue("username"))), r.PostFormValue("password")).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		v.Username = r.PostFormValue("username")
		v.Message = "Please check your username and password. If you still can't log in, contact your Salesforce administrator."
		s.page(w, http.StatusUnauthorized, "login", v)
		return
	}
	if err == nil {
		err = s.startLogin(w, r, id)
	}
	if err != nil {
		s.authorizeFailure(w, err)
		return
	}
	http.Redirect(w, r, v.StartURL, http.StatusSeeOther)
}

// whoIsHere are those who can log in, to go on at an address.
func (s *Server) whoIsHere(ctx context.Context, startURL string) (all []userView, err error) {
	users, err := s.users(ctx)
	if err != nil {
		return nil, err
	}
	orgs, err := s.orgs(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, o := range orgs {
		names[o.ID] = o.Name
	}
	for _, u := range users {
		login := url.Values{"un": {u.Username}, "startURL": {startURL}}
		all = append(all, userView{u, names[u.OrgID], "/login?" + login.Encode()})
	}
	return all, nil
}

func (s *Server) startLogin(w http.ResponseWriter, r *http.Request, userID string) error {
	id := random(30)
	if _, err := s.write.ExecContext(r.Context(), `INSERT INTO logins (id, user, created) VALUES ($1, $2, $3)`, id, userID, now()); err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Value: id, Path: "/", HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(s.base(r), "https:")})
	return nil
}

// logout handles /secur/logout.jsp.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(loginCookie); err == nil {
		if _, err := s.write.ExecContext(r.Context(), `DELETE FROM logins WHERE id = $1`, c.Value); err != nil {
			s.authorizeFailure(w, err)
			return
		}
	}
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	to := "/login"
	if back := localPath(r.URL.Query().Get("retUrl")); back != "/" {
		to = back
	}
	http.Redirect(w, r, to, http.StatusFound)
}

// localPath returns p when it leads to a page of ours, else "/".
func localPath(p string) string {
	u, err := url.Parse(p)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") ||
		strings.ContainsAny(p, "\\\r\n\t") {
		return "/"
	}
	return p
}

var scopeNames = map[string]string{
	"api": "Manage user data via APIs", "id": "Access the identity URL service", "openid": "Access unique user identifiers",
	"refresh_token": "Perform requests at any time", "offline_access": "Perform requests at any time",
	"profile": "Access your profile", "email": "Access your e-mail address", "address": "Access your address",
	"phone": "Access your phone number", "web": "Manage user data via Web browsers", "full": "Full access",
}

func scopeWords(scope string) []string {
	var list []string
	for _, s := range strings.Fields(scope) {
		if name := scopeNames[s]; name != "" {
			s = name + " (" + s + ")"
		}
		list = append(list, s)
	}
	return list
}
