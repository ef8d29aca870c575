package mockzoho

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatepost/simulated"
)

// offlineAccess follows the scopes of what is asked and of a code, when a refresh token is due.
const offlineAccess = "offline_access"

// loginCookie is where the core keeps a browser's log-in.
const loginCookie = "mockzoho_sid"

// authorize handles /oauth/v2/auth: checks first, then log in, choose an org and consent.
// What is wrong with the request is told to the person; the app hears nothing of it.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		simulated.MethodNotAllowed(w, "GET")
		return
	}
	p := r.URL.Query()
	a, problem, err := s.check(r.Context(), p)
	if err != nil {
		s.core.Failure(w, r, err)
		return
	}
	if problem != "" {
		s.core.Problem(w, http.StatusBadRequest, problem, "The app that sent you here asked in a way that can't be answered. Tell whoever runs it.")
		return
	}
	u, login, err := s.core.LoggedIn(r)
	if err != nil {
		s.core.Failure(w, r, err)
		return
	}
	if login == "" {
		simulated.ToLogin(w, r, r.URL.RequestURI(), p.Get("login_hint"))
		return
	}
	s.proceed(w, r, a, u, login)
}

// check reads what an app asks for. A problem is the title of the page that says what is wrong.
func (s *Server) check(ctx context.Context, p url.Values) (a simulated.Ask, problem string, err error) {
	a = simulated.Ask{Client: p.Get("client_id"), RedirectURI: p.Get("redirect_uri"), State: p.Get("state")}
	c, err := s.core.Client(ctx, a.Client)
	if errors.Is(err, sql.ErrNoRows) {
		return a, "Invalid Client ID", nil
	}
	if err != nil {
		return a, "", err
	}
	list, known := parseScopes(p.Get("scope"), s.setup.Of("").SpacedScopes)
	switch {
	case !c.Redirects(a.RedirectURI):
		return a, "Invalid Redirect URI", nil
	case p.Get("response_type") != "code":
		return a, "Invalid Response Type", nil
	case !known:
		return a, "Invalid Scope", nil
	}
	a.Scope = strings.Join(list, ",")
	return a, "", nil
}

// proceed goes on with somebody who is logged in: at their own data centre, in one of
// their orgs.
func (s *Server) proceed(w http.ResponseWriter, r *http.Request, a simulated.Ask, u simulated.User, login string) {
	orgs, err := s.orgsOf(r.Context(), u.ID)
	if err != nil || len(orgs) == 0 {
		s.core.Failure(w, r, errors.Join(err, sql.ErrNoRows))
		return
	}
	at, _ := locate(r.Host)
	home := orgs[0].at.centre
	if home != at.centre {
		s.elsewhere(w, r, login, at.centre, home)
		return
	}
	chosen := r.URL.Query().Get("org")
	i := slices.IndexFunc(orgs, func(o org) bool { return o.ID == chosen || len(orgs) == 1 })
	if i < 0 {
		s.chooseOrg(w, r, u, orgs)
		return
	}
	a.Org = orgs[i].ID
	s.consent(w, r, a, u, login, orgs[i])
}

// orgsOf are the orgs of a person, by id. All are in one data centre.
func (s *Server) orgsOf(ctx context.Context, userID string) (list []org, err error) {
	var ids []string
	err = simulated.Rows(ctx, s.core.Read, func(rs *sql.Rows) error {
		var id string
		err := rs.Scan(&id)
		ids = append(ids, id)
		return err
	}, `SELECT org FROM members WHERE user = $1 ORDER BY org`, userID)
	for _, id := range ids {
		o, more := s.org(ctx, id)
		list, err = append(list, o), errors.Join(err, more)
	}
	return list, err
}

// elsewhere sends somebody on who is at home in another data centre, with their log-in.
// China's people log in there, and nowhere else.
func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request, login, here, home string) {
	if !s.setup.Of("").FollowUser || here == chineseCentre || home == chineseCentre {
		s.core.Problem(w, http.StatusForbidden, "No account here", "Your account is in another data centre. Start at the address of that one.")
		return
	}
	ticket := newToken()
	if _, err := s.core.Write.ExecContext(r.Context(), `INSERT INTO handovers (ticket, login) VALUES ($1, $2)`, ticket, login); err != nil {
		s.core.Failure(w, r, err)
		return
	}
	v := url.Values{"ticket": {ticket}, "next": {r.URL.RequestURI()}}
	http.Redirect(w, r, s.base(r, location{home, production})+"/oauth/v2/handover?"+v.Encode(), http.StatusFound)
}

// handOver takes over a log-in from another data centre, once.
func (s *Server) handOver(w http.ResponseWriter, r *http.Request) {
	next := r.URL.Query().Get("next")
	var login string
	err := s.core.Write.QueryRowContext(r.Context(), `DELETE FROM handovers WHERE ticket = $1 RETURNING login`, r.URL.Query().Get("ticket")).Scan(&login)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && !strings.HasPrefix(next, "/oauth/v2/auth?"):
		s.core.Problem(w, http.StatusBadRequest, "This page is out of date", "Go back to the app and start again.")
		return
	case err != nil:
		s.core.Failure(w, r, err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Value: login, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(s.core.Base(r), "https:")})
	http.Redirect(w, r, next, http.StatusFound)
}

// chooseView is what the page shows on which a person chooses an org.
type chooseView struct {
	Title string
	Who   string
	Orgs  []chooseOrg
	Other string // leads to the log-in page
}

type chooseOrg struct{ Name, Environment, URL string }

// chooseOrg lets a person with several orgs choose the one that the app is for.
func (s *Server) chooseOrg(w http.ResponseWriter, r *http.Request, u simulated.User, orgs []org) {
	v := chooseView{Title: "Choose an organization", Who: u.Username, Other: logoutTo(r)}
	for _, o := range orgs {
		p := r.URL.Query()
		p.Set("org", o.ID)
		v.Orgs = append(v.Orgs, chooseOrg{o.Name, o.at.environment, r.URL.Path + "?" + p.Encode()})
	}
	s.core.Page(w, http.StatusOK, "choose", v)
}

// logoutTo is where another person can take over.
func logoutTo(r *http.Request) string {
	return "/logout?" + url.Values{"next": {r.URL.RequestURI()}}.Encode()
}

// consent asks the person, or not where they have let the app in before and it doesn't
// want them to be asked. A refresh token takes the page and offline access.
func (s *Server) consent(w http.ResponseWriter, r *http.Request, a simulated.Ask, u simulated.User, login string, o org) {
	p := r.URL.Query()
	before, err := s.allowed(r.Context(), a, u)
	if err != nil {
		s.core.Failure(w, r, err)
		return
	}
	if before && p.Get("prompt") != "consent" {
		s.approve(w, r, a, u)
		return
	}
	asked := scopeWords(a.Scope)
	if p.Get("access_type") == "offline" {
		a.Scope += "," + offlineAccess
		asked = append(asked, "Do so while you are away")
	}
	id, err := s.core.KeepAsk(r.Context(), login, a)
	if err != nil {
		s.core.Failure(w, r, err)
		return
	}
	s.core.AskConsent(w, simulated.Consent{Title: a.Client + " wants to access your Zoho CRM", App: a.Client, Intro: "would like to:", Scopes: asked,
		Question: "Let it do so in " + o.Name + " (" + o.at.environment + ") for", Who: u.Username, Other: "Not you?", OtherURL: logoutTo(r),
		ID: id, Action: "/oauth/v2/approve", Allow: "Accept", Deny: "Reject", RedirectURI: a.RedirectURI})
}

// allowed reports whether a person let an app do all that in the same org before.
func (s *Server) allowed(ctx context.Context, a simulated.Ask, u simulated.User) (yes bool, err error) {
	err = simulated.Rows(ctx, s.core.Read, func(rs *sql.Rows) error {
		var has string
		err := rs.Scan(&has)
		covered := !slices.ContainsFunc(strings.Split(a.Scope, ","), func(want string) bool { return !scopes(strings.Split(has, ",")).any(want) })
		yes = yes || covered
		return err
	}, `SELECT scope FROM grants WHERE client = $1 AND user = $2 AND org = $3 AND revoked = 0`, a.Client, u.ID, a.Org)
	return yes, err
}

// scopeWords says what the scopes let an app do.
func scopeWords(scope string) (list []string) {
	for s := range strings.SplitSeq(scope, ",") {
		list = append(list, "Use "+s)
	}
	return list
}

// decide handles the answer to the consent page.
func (s *Server) decide(w http.ResponseWriter, r *http.Request) {
	u, a, ok := s.core.Decided(w, r)
	if !ok {
		return
	}
	if r.PostFormValue("decision") != "allow" {
		simulated.Back(w, a, url.Values{"error": {"access_denied"}})
		return
	}
	s.approve(w, r, a, u)
}

// approve sends the browser back with a fresh code, and with what the app needs to find
// the person's data centre.
func (s *Server) approve(w http.ResponseWriter, r *http.Request, a simulated.Ask, u simulated.User) {
	code := newToken()
	if err := s.core.GiveCode(r.Context(), code, a, u); err != nil {
		s.core.Failure(w, r, err)
		return
	}
	at, _ := locate(r.Host)
	simulated.Back(w, a, url.Values{"code": {code}, "location": {at.centre}, "accounts-server": {s.base(r, location{at.centre, production})}})
}
