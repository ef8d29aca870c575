package mockhubspot

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatepost/simulated"
)

// consentPath is where the consent page sends its answer.
const consentPath = "/oauth/decision"

func (s *Server) authorizeRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /oauth/authorize", s.authorize)
	mux.HandleFunc("GET /oauth/{portal}/authorize", s.authorize)
	mux.HandleFunc("POST "+consentPath, s.decide)
	mux.HandleFunc("GET /logout", func(w http.ResponseWriter, r *http.Request) { s.core.Logout(w, r, r.URL.Query().Get("next")) })
}

// stop is why an authorization can't go on. The person sees it; the app hears nothing.
type stop struct {
	status         int
	title, message string
}

func (e *stop) Error() string { return e.title + ": " + e.message }

func refuseAsk(title, message string) error { return &stop{http.StatusBadRequest, title, message} }

// stopped shows why an authorization can't go on.
func (s *Server) stopped(w http.ResponseWriter, r *http.Request, err error) {
	if e, ok := errors.AsType[*stop](err); ok {
		s.core.Problem(w, e.status, e.title, e.message)
		return
	}
	s.core.Failure(w, r, err)
}

// authorize handles the authorize address: checks first, then log in, choose an account
// and consent.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	a, err := s.trust(r.Context(), r.URL.Query())
	if err != nil {
		s.stopped(w, r, err)
		return
	}
	u, login, err := s.core.LoggedIn(r)
	if err != nil {
		s.stopped(w, r, err)
		return
	}
	if login == "" {
		simulated.ToLogin(w, r, r.URL.RequestURI(), "")
		return
	}
	mine, err := s.accountsOf(r.Context(), u)
	if err != nil {
		s.stopped(w, r, err)
		return
	}
	portal := r.PathValue("portal")
	if portal == "" && len(mine) != 1 {
		s.chooseAccount(w, r, u, mine)
		return
	}
	i := 0
	if portal != "" {
		i = slices.IndexFunc(mine, func(v account) bool { return v.ID == portal })
	}
	if i < 0 {
		s.core.Problem(w, http.StatusForbidden, "You don't have access to this account", "You are logged in as "+u.Username+". Log in as somebody who belongs to account "+portal+".")
		return
	}
	s.askConsent(w, r, a, u, mine[i], login)
}

// trust checks what an app asks for. Whatever is wrong, nothing is sent to it.
func (s *Server) trust(ctx context.Context, p url.Values) (ask, error) {
	a := ask{Client: p.Get("client_id"), RedirectURI: p.Get("redirect_uri"), State: p.Get("state"), Challenge: p.Get("code_challenge"),
		Scope: joinScopes(p.Get("scope"))}
	wanted := a.Scope + " " + p.Get("optional_scope")
	c, err := s.core.Client(ctx, a.Client)
	if errors.Is(err, sql.ErrNoRows) {
		return a, refuseAsk("This app can't be found", "The client_id in the address belongs to no app.")
	}
	if err != nil {
		return a, err
	}
	set := s.set(simulated.OrgOf(ctx))
	method := p.Get("code_challenge_method")
	switch {
	case !c.Redirects(a.RedirectURI):
		return a, refuseAsk("Redirect URL mismatch", "The redirect_uri doesn't match one that the app has registered.")
	case !safeRedirect(a.RedirectURI):
		return a, refuseAsk("Redirect URL must use https", "Only localhost may be reached over plain http.")
	case !slices.Contains(strings.Fields(a.Scope), "oauth"):
		return a, refuseAsk("Authorization failed because of a scope mismatch", "The scope oauth is required.")
	case lacks(set.AppScopes, wanted) != "":
		return a, refuseAsk("Authorization failed because of a scope mismatch",
			"The app doesn't have the scope "+lacks(set.AppScopes, wanted)+". Scopes in the address and in the app's settings must match.")
	case a.Challenge == "" && set.RequirePKCE:
		return a, refuseAsk("Authorization failed", "The app must send a code_challenge.")
	case a.Challenge != "" && (method != "S256" || !simulated.Challenge(a.Challenge)):
		return a, refuseAsk("Authorization failed", "The code_challenge must be one of the method S256.")
	}
	return a, nil
}

// joinScopes brings a list of scopes into one form.
func joinScopes(list string) string {
	all := strings.Fields(list)
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// safeRedirect reports whether a code may be sent to an address: over https, or to this
// machine.
func safeRedirect(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// accountView is an account to choose.
type accountView struct {
	account
	URL string
}

// chooseAccount lets a person choose among the accounts that they belong to.
func (s *Server) chooseAccount(w http.ResponseWriter, r *http.Request, u user, mine []account) {
	v := struct {
		Title    string
		User     user
		Accounts []accountView
		Logout   string
	}{Title: "Choose an account", User: u, Logout: logoutURL(r)}
	for _, one := range mine {
		v.Accounts = append(v.Accounts, accountView{one, "/oauth/" + one.ID + "/authorize?" + r.URL.RawQuery})
	}
	s.core.Page(w, http.StatusOK, "accounts", v)
}

func logoutURL(r *http.Request) string {
	next := url.Values{"next": {"/oauth/authorize?" + r.URL.RawQuery}}
	return "/logout?" + next.Encode()
}

// askConsent shows what the app wants of an account, unless it can't have that.
func (s *Server) askConsent(w http.ResponseWriter, r *http.Request, a ask, u user, v account, login string) {
	set := s.set(v.ID)
	if !set.MayInstall {
		s.core.Problem(w, http.StatusForbidden, "You don't have permission to connect this app",
			"Ask a Super Admin of "+v.Name+", or somebody with access to the App Marketplace.")
		return
	}
	if missing := lacks(set.AccountScopes, a.Scope); missing != "" {
		s.core.Problem(w, http.StatusForbidden, "This account can't use the app", "The account "+v.Name+" doesn't have access to "+missing+".")
		return
	}
	var optional []string
	for _, scope := range strings.Fields(joinScopes(r.URL.Query().Get("optional_scope"))) {
		if lacks(set.AccountScopes, scope) == "" && lacks(a.Scope, scope) != "" {
			optional = append(optional, scope)
		}
	}
	words := slices.Concat(scopeWords(strings.Fields(a.Scope), ""), scopeWords(optional, ", optional"))
	a.Org, a.Scope = v.ID, joinScopes(a.Scope+" "+strings.Join(optional, " "))
	id, err := s.core.KeepAsk(r.Context(), login, a)
	if err != nil {
		s.stopped(w, r, err)
		return
	}
	s.core.AskConsent(w, simulated.Consent{Title: "Connect an app to HubSpot", App: a.Client, Intro: "would like to:",
		Scopes: words, Question: "Do you want to connect it to the account", Who: v.Name + " (" + v.ID + ")",
		Other: "Choose another account", OtherURL: "/oauth/authorize?" + r.URL.RawQuery,
		ID: id, Action: consentPath, Allow: "Connect app", Deny: "Deny", RedirectURI: a.RedirectURI})
}

// decide handles the answer to the consent page.
func (s *Server) decide(w http.ResponseWriter, r *http.Request) {
	u, a, ok := s.core.Decided(w, r)
	if !ok {
		return
	}
	if r.PostFormValue("decision") != "allow" {
		simulated.Back(w, a, url.Values{"error": {"access_denied"}, "error_description": {"The user denied access to the app"}})
		return
	}
	v, err := s.account(r.Context(), a.Org)
	if err != nil {
		s.stopped(w, r, err)
		return
	}
	code := secret(v.Hublet)
	if err := s.core.GiveCode(r.Context(), code, a, u); err != nil {
		s.stopped(w, r, err)
		return
	}
	simulated.Back(w, a, url.Values{"code": {code}})
}

var scopeNames = map[string]string{
	"oauth":                                "Know who you are and which account this is",
	"crm.objects.contacts.read":            "View contacts",
	"crm.objects.contacts.write":           "Create, change and delete contacts",
	"crm.schemas.contacts.read":            "View the properties of contacts",
	"crm.schemas.contacts.write":           "Create and change the properties of contacts",
	"communication_preferences.read":       "View whom you may write to",
	"communication_preferences.read_write": "View and change whom you may write to",
	"communication_preferences.write":      "Change whom you may write to",
	"crm.objects.owners.read":              "View who can own a record",
}

func scopeWords(scopes []string, more string) []string {
	var list []string
	for _, s := range scopes {
		if name := scopeNames[s]; name != "" {
			s = name + " (" + s + ")"
		}
		list = append(list, s+more)
	}
	return list
}
