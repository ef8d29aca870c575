package identity

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Subject says for whom something is authorized.
type Subject struct {
	TenantID string
	User     string // as the application calls its user
	Account  string // tells several of one user apart, else empty
	Tags     []string
}

// Authorizer makes the authorization of a service out of two addresses of an
// application's: the one that its users begin at, and the callback, which has to
// be the service's RedirectURL. The application has to know who is signed in;
// only the browser that began an authorization can finish it. The vault may use a
// request's context after the answer: where another framework calls the handlers,
// it must be one that isn't used again (see examples/fiber).
type Authorizer struct {
	Vault   *Vault
	Service string
	// Who says for whom a request authorizes: from the application's session,
	// never from what the request claims. An error is answered with 403. At the
	// callback, another User than began is refused, and one of another tenant.
	Who func(*http.Request) (Subject, error)
	// FinishedURL is where the browser goes at the end, / when empty, unless it was
	// begun with a return_to. When the authorization failed, error and error_description are
	// added to it: text from outside.
	FinishedURL string
	// Prepare may add scopes, parameters or a login hint; nil to do without.
	Prepare func(*http.Request, *AuthorizeRequest)
	// Insecure leaves out the cookie's Secure, for an application without https.
	Insecure bool
}

// The names of what an authorization is begun with, and of its cookie.
const (
	paramReturnTo = "return_to" // a path of the application's
	paramState    = "state"     // the application's own, handed on to the finished URL
	cookieName    = "gatepost_authorize"
)

// Start handles the address at which users begin: it redirects to the service.
// The query or form may hold return_to and state. What comes from another site is
// refused: where the service asks nothing, that site would have the user authorize
// whatever account the browser is logged in with there.
func (a *Authorizer) Start(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		http.Error(w, "This has to begin in the application itself. Open it and try again.", http.StatusForbidden)
		return
	}
	who, err := a.Who(r)
	if err != nil {
		http.Error(w, "You can't authorize this. Log in and try again.", http.StatusForbidden)
		return
	}
	finished, err := a.finishedURL(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	session := a.session(w, r)
	request := AuthorizeRequest{Service: a.Service, TenantID: who.TenantID, User: who.User, Account: who.Account, Tags: who.Tags,
		SessionID: session, FinishedURL: finished}
	if a.Prepare != nil {
		a.Prepare(r, &request)
	}
	address, err := a.Vault.Authorize(r.Context(), request)
	if errors.Is(err, ErrTooMany) {
		http.Error(w, "You have begun this many times without finishing. Please try again in ten minutes.", http.StatusTooManyRequests)
		return
	}
	if fault, ok := FaultOf(err); ok {
		a.refuse(w, r, fault)
		return
	}
	if err != nil {
		a.Vault.Log.ErrorContext(r.Context(), "an authorization can't begin", "service", a.Service, "error", err)
		http.Error(w, "The authorization can't begin now. Please try again in a moment.", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// refuse answers what is the application's own mistake, for its programmer: whoever
// meets it can only tell them. The log has it without what users are called.
func (a *Authorizer) refuse(w http.ResponseWriter, r *http.Request, f Fault) {
	a.Vault.Log.ErrorContext(r.Context(), "the application asks for what can't be", "service", a.Service, "code", f.Code, "why", f.Sentence)
	http.Error(w, "This application made a mistake, which the people who run it have to mend. "+f.Sentence+" ("+f.Code+")", f.Status)
}

// Callback handles the address to which the service sends the browser back.
func (a *Authorizer) Callback(w http.ResponseWriter, r *http.Request) {
	cb := CallbackOf(a.Service, "", r.URL.Query())
	if c, err := r.Cookie(a.cookie()); err == nil {
		cb.SessionID = hash(c.Value)
	}
	// A log-in whose cookie doesn't come along from another site tells nothing.
	if who, err := a.Who(r); err == nil {
		cb.User, cb.TenantID = who.User, who.TenantID
	}
	finished, err := a.Vault.Finish(r.Context(), cb)
	switch {
	case errors.Is(err, ErrHandshake):
		http.Error(w, "This authorization was begun in another browser or by somebody else, or took too long. Please begin again.", http.StatusBadRequest)
		return
	case finished.URL == "" && errors.Is(err, ErrNoService):
		fault, _ := FaultOf(err)
		a.refuse(w, r, fault)
		return
	case finished.URL == "": // it failed before it was known which one it is
		a.Vault.Log.ErrorContext(r.Context(), "an authorization can't end", "service", a.Service, "error", err)
		http.Error(w, "The authorization can't be ended now. Please load this page again in a moment.", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, withError(finished.URL, a.told(r.Context(), err)), http.StatusSeeOther)
}

// told is what of an error goes to the finished URL, or nil.
func (a *Authorizer) told(ctx context.Context, err error) *OAuthError {
	var refused *OAuthError
	var unreachable *UnreachableError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, ErrHeld):
		return &OAuthError{Code: CodeConfirm, Description: "Somebody has to confirm in Gatepost which organisation is meant."}
	case errors.Is(err, ErrUnderWay):
		return &OAuthError{Code: "temporarily_unavailable", Description: "The authorization is still being finished. Please look again in a moment."}
	case errors.As(err, &unreachable):
		return &OAuthError{Code: "temporarily_unavailable", Description: "The service gave no answer. Please try again."}
	}
	a.Vault.Log.ErrorContext(ctx, "an authorization failed", "service", a.Service, "error", err)
	return &OAuthError{Code: "server_error", Description: "The authorization could not be stored. Please try again."}
}

func withError(address string, e *OAuthError) string {
	if e == nil {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	q.Set("error", e.Code)
	if e.Description != "" {
		q.Set("error_description", e.Description)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

var errReturnTo = errors.New("return_to has to be a path of this application, as /settings")

// finishedURL is where the request wants to end, if that is within the
// application.
func (a *Authorizer) finishedURL(r *http.Request) (string, error) {
	address := cmp.Or(a.FinishedURL, "/")
	if to := r.FormValue(paramReturnTo); to != "" {
		if !ownPath(to) {
			return "", errReturnTo
		}
		address = to
	}
	state := r.FormValue(paramState)
	if state == "" {
		return address, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", errReturnTo
	}
	q := u.Query()
	q.Set(paramState, state)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// ownPath reports whether s is a path of ours, whatever a browser makes of it.
func ownPath(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 2000 && u.Scheme == "" && u.Host == "" && u.User == nil && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f })
}

// CodeConfirm is the error that the finished URL gets when a tenant's own
// authorization waits to be confirmed: see Vault.Held, Confirm and ConfirmShared.
const CodeConfirm = "confirmation_required"

// session names the browser, by a cookie that only it has. That is set anew each
// time, so that it lasts as long as what is begun; with the same secret, since more
// may be under way in other tabs.
func (a *Authorizer) session(w http.ResponseWriter, r *http.Request) string {
	secret := randomToken()
	if c, err := r.Cookie(a.cookie()); err == nil && len(c.Value) == len(secret) {
		secret = c.Value
	}
	http.SetCookie(w, &http.Cookie{Name: a.cookie(), Value: secret, Path: "/", HttpOnly: true, Secure: !a.Insecure, SameSite: http.SameSiteLaxMode,
		MaxAge: int(handshakeLife.Seconds())})
	return hash(secret)
}

// cookie is the cookie's name. Over https its prefix has the browser refuse one
// that another host of the same domain planted: with that, somebody else would end
// what its planter began, and give away their identity.
func (a *Authorizer) cookie() string {
	if a.Insecure {
		return cookieName
	}
	return "__Host-" + cookieName
}
