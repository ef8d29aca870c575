package mocksalesforce

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatepost/simulated"
)

// consentPath is where the consent page sends its answer.
const consentPath = "/setup/secur/RemoteAccessAuthorizationPage.apexp"

// authorize handles /services/oauth2/authorize: checks first, then log in, then consent.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		textError(w, refuse("invalid_request", "must use HTTP GET"))
		return
	}
	p := r.URL.Query()
	a, err := s.trust(r.Context(), p)
	if err != nil {
		s.authorizeFailure(w, r, err)
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
	c, err := s.core.Client(ctx, a.Client)
	if errors.Is(err, sql.ErrNoRows) {
		return a, refuse("invalid_client_id", "client identifier invalid")
	}
	if err != nil {
		return a, err
	}
	set := s.set(simulated.OrgOf(ctx))
	switch method := p.Get("code_challenge_method"); {
	case a.RedirectURI == "":
		return a, refuse("redirect_uri_missing", "redirect_uri missing")
	case !c.Redirects(a.RedirectURI):
		return a, refuse("redirect_uri_mismatch", "redirect_uri must match configuration")
	case a.Challenge == "" && set.RequirePKCE:
		return a, refuse("invalid_request", "missing required code challenge")
	case method != "" && (method != "S256" || a.Challenge == ""):
		return a, refuse("invalid_request", "invalid code challenge method")
	case a.Challenge != "" && !simulated.Challenge(a.Challenge):
		return a, refuse("invalid_request", "invalid code challenge")
	}
	return a, nil
}

// checkAsk checks the rest, whose failures the app hears of.
func (s *Server) checkAsk(ctx context.Context, a *ask, p url.Values) error {
	if p.Get("response_type") != "code" {
		return refuse("unsupported_response_type", "response type not supported")
	}
	set := s.set(simulated.OrgOf(ctx))
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
	u, login, err := s.core.LoggedIn(r)
	if err != nil {
		s.authorizeFailure(w, r, err)
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
		simulated.ToLogin(w, r, r.URL.Path+"?"+p.Encode(), p.Get("login_hint"))
		return
	}
	if !s.set(u.OrgID).AppInstalled {
		s.core.Problem(w, http.StatusForbidden, "Cannot continue",
			"OAUTH_APPROVAL_ERROR_GENERIC : An unexpected error has occurred during authentication. Please try again.")
		return
	}
	remembered, err := s.remembers(r.Context(), a, u)
	if err != nil {
		s.authorizeFailure(w, r, err)
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
			s.authorizeFailure(w, r, err)
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
	err := simulated.Rows(ctx, s.core.Read, func(r *sql.Rows) error {
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

// askConsent shows Allow and Deny.
func (s *Server) askConsent(w http.ResponseWriter, r *http.Request, a ask, u user, login string) {
	id, err := s.core.KeepAsk(r.Context(), login, a)
	if err != nil {
		s.authorizeFailure(w, r, err)
		return
	}
	s.core.AskConsent(w, simulated.Consent{Title: "Allow Access?", App: a.Client, Intro: "is asking to:", Scopes: scopeWords(a.Scope),
		Question: "Do you want to allow access for", Who: u.Username,
		Other: "Not you?", OtherURL: "/secur/logout.jsp?" + url.Values{"retUrl": {r.URL.RequestURI()}}.Encode(),
		ID: id, Action: consentPath, Allow: "Allow", Deny: "Deny", RedirectURI: a.RedirectURI})
}

// decide handles the answer to the consent page.
func (s *Server) decide(w http.ResponseWriter, r *http.Request) {
	u, a, ok := s.core.Decided(w, r)
	if !ok {
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
	code := "aPrx" + simulated.Random(60) + "=="
	if err := s.core.GiveCode(r.Context(), code, a, u); err != nil {
		s.authorizeFailure(w, r, err)
		return
	}
	simulated.Back(w, a, url.Values{"code": {code}})
}

// sendBack tells the app that it didn't get what it asked for.
func (s *Server) sendBack(w http.ResponseWriter, r *http.Request, a ask, err error) {
	no, ok := errors.AsType[*refusal](err)
	if !ok {
		s.authorizeFailure(w, r, err)
		return
	}
	simulated.Back(w, a, url.Values{"error": {no.oauthError.Error}, "error_description": {no.Description}})
}

// authorizeFailure answers a failure that the app must not hear of.
func (s *Server) authorizeFailure(w http.ResponseWriter, r *http.Request, err error) {
	if _, ok := errors.AsType[*refusal](err); ok {
		textError(w, err)
		return
	}
	s.core.Failure(w, r, err)
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
