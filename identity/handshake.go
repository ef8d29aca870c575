package identity

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatepost/identity/stored"
	"gatepost/seal"

	"golang.org/x/oauth2"
)

// How long a begun authorization, and one that waits to be confirmed, is kept.
const (
	handshakeLife = 10 * time.Minute
	heldLife      = 30 * time.Minute
)

// AuthorizeRequest begins an authorization.
type AuthorizeRequest struct {
	Service     string
	TenantID    string
	UserID      string   // of the portal, who begins it; empty when the application does, for its User
	User        string   // as the application calls its user; empty for the tenant's own connection
	Account     string   // tells several of one user apart; empty for the only one
	Tags        []string // to find it by
	SessionID   string   // only this session may finish it
	LoginURL    string   // one that CheckLogin returned; the service's default when empty
	FinishedURL string   // where the user goes at the end
	LoginHint   string   // who is likely to log in there
	MoreScopes  []string
	Params      map[string]string // further parameters of the authorize end point

	authorizationID string // of the one that an application began over HTTP, else empty
}

// ErrHandshake says that a callback belongs to no authorization that this
// session began: it is forged, incomplete, somebody else's or too late.
var ErrHandshake = errors.New("no such authorization is under way")

// ErrTooMany says that a session, or a user of ours, has begun as many authorizations
// as may be under way at once. They end after ten minutes.
var ErrTooMany = errors.New("too many authorizations are under way")

// ErrHeld says that another org than before was authorized, or one that another
// tenant has, and that it waits to be confirmed.
var ErrHeld = errors.New("the org that was authorized has to be confirmed")

// ErrOrgInUse says that another tenant has the org, and that nobody of this one has
// confirmed that it is meant.
var ErrOrgInUse = stored.ErrOrgInUse

// ErrChanged says that the connection was changed by somebody else meanwhile.
var ErrChanged = errors.New("the connection was changed meanwhile")

// UnreachableError says that a service gave no answer that makes sense.
type UnreachableError struct{ Cause error }

// Error says so.
func (e *UnreachableError) Error() string { return "no answer from the service: " + e.Cause.Error() }

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Cause }

// The codes of our own for an authorization that is refused although the service
// granted it. They come as an *OAuthError.
const (
	CodeNoRefreshToken = "no_refresh_token"
	CodeMissingScope   = "missing_scope"
	CodeForeignHost    = "foreign_host"
	CodeOtherOrg       = "other_org"   // another org than before was authorized, which the store can't have confirmed
	CodeInterrupted    = "interrupted" // whoever was about to end it is gone
	CodeFailed         = "failed"      // of a failure of our own
)

// check returns an *IncompleteError, a *NameError, a *ParamError or a *ScopeError for a
// request that can't be meant.
func (r AuthorizeRequest) check() error {
	var missing []string
	for _, f := range []struct {
		name  string
		empty bool
	}{{"service", r.Service == ""}, {"tenant", r.TenantID == ""}, {"user", r.UserID == "" && r.User == "" && r.authorizationID == ""}, {"session", r.SessionID == ""}} {
		if f.empty {
			missing = append(missing, f.name)
		}
	}
	if len(missing) > 0 {
		return &IncompleteError{Missing: missing}
	}
	for name := range r.Params {
		if slices.Contains(protocolParams, name) {
			return &ParamError{Name: name}
		}
	}
	if bad := malformed(r.MoreScopes); len(bad) > 0 {
		return &ScopeError{Malformed: bad}
	}
	return errors.Join(checkNames("user", r.User), checkNames("account", r.Account))
}

// Authorize begins an authorization and returns the URL to send the browser to.
// ErrTooMany: there are too many already. What can't be meant is an error that FaultOf
// knows.
func (v *Vault) Authorize(ctx context.Context, r AuthorizeRequest) (string, error) {
	err := r.check()
	if err != nil {
		return "", err
	}
	if r.Tags, err = CleanTags(r.Tags); err != nil {
		return "", err
	}
	s, err := v.appFor(ctx, r.Service, r.TenantID)
	if err != nil {
		return "", err
	}
	if r.LoginURL == "" || r.authorizationID != "" && !s.ownURL(r.LoginURL) {
		r.LoginURL = s.LoginURL
	}
	if !s.ownURL(r.LoginURL) {
		return "", ErrForeignHost
	}
	ask, err := v.asks(ctx, r)
	if err != nil {
		return "", err
	}
	options := r.options(s, ask)
	s.Scopes = withScopes(s.Scopes, r.MoreScopes)
	state, verifier := randomToken(), oauth2.GenerateVerifier()
	h := Handshake{StateHash: hash(state), SessionID: r.SessionID, UserID: r.UserID, TenantID: r.TenantID, Service: s.ID,
		User: r.User, Account: r.Account, Tags: r.Tags, LoginURL: r.LoginURL, FinishedURL: r.FinishedURL,
		OwnApp: s.ownApp, ClientID: s.ClientID, ExpiresAt: v.Now().Add(handshakeLife), DefinedAt: s.definedAt, AuthorizationID: r.authorizationID}
	err = v.Keys.WithKey(ctx, func(k seal.Key) error {
		if h.SealedVerifier, err = k.Seal(verifier, verifierBinding(h)); err != nil {
			return err
		}
		h.KeyID = k.ID
		return v.Store.AddHandshake(ctx, h)
	})
	if errors.Is(err, stored.ErrTooMany) {
		return "", ErrTooMany
	}
	if errors.Is(err, stored.ErrLost) {
		return "", v.lostFrom(ctx, s)
	}
	if err != nil {
		return "", err
	}
	if !s.NoPKCE {
		options = append(options, oauth2.S256ChallengeOption(verifier))
	}
	return s.config(r.LoginURL).AuthCodeURL(state, options...), nil
}

// lostFrom is why nothing can be begun at a service: its definition is gone, or else the
// tenant is.
func (v *Vault) lostFrom(ctx context.Context, s Service) error {
	now, err := v.Service(ctx, s.ID)
	switch {
	case err != nil:
		return err
	case !now.definedAt.Equal(s.definedAt):
		return ErrNoService
	}
	return ErrNoTenant
}

// protocolParams are set by the handshake alone.
var protocolParams = []string{"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"}

// requestParams have a service take the whole request from elsewhere, or answer it
// otherwise (RFC 9101; OAuth 2.0 Multiple Response Type Encoding Practices).
var requestParams = []string{"request", "request_uri", "response_mode"}

// allowable reports whether an application may be allowed to set a parameter of the
// authorize end point.
func allowable(name string) bool {
	return validWord(name) && !slices.Contains(protocolParams, name) && !slices.Contains(requestParams, name)
}

// asks reports whether the service has to ask who is meant: for a tenant's own
// connection while there is none. Later, another org is told by that one, and held.
func (v *Vault) asks(ctx context.Context, r AuthorizeRequest) (bool, error) {
	if r.User != "" || r.Account != "" {
		return false, nil
	}
	_, err := v.Store.IdentityOf(ctx, r.Service, r.TenantID, "", "")
	if errors.Is(err, stored.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// options are what the service wants, and a request adds, of parameters of the
// authorize end point.
func (r AuthorizeRequest) options(s Service, ask bool) (options []oauth2.AuthCodeOption) {
	for name, value := range s.Params {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	for name, value := range s.AskParams {
		if _, needed := s.Params[name]; ask && !needed {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	if s.Separator != "" {
		options = append(options, oauth2.SetAuthURLParam("scope", s.joined(withScopes(s.Scopes, r.MoreScopes))))
	}
	if r.LoginHint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", r.LoginHint))
	}
	for name, value := range r.Params {
		if _, asks := s.AskParams[name]; ask && asks && r.authorizationID != "" {
			continue // who is meant is asked, whatever an application wants
		}
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	return options
}

func withScopes(scopes, more []string) []string {
	all := slices.Clone(scopes)
	for _, scope := range more {
		if !slices.Contains(all, scope) {
			all = append(all, scope)
		}
	}
	return all
}

// Callback is what a browser brings back from a service.
type Callback struct {
	Service          string
	SessionID        string
	State            string
	Code             string
	Error            string
	ErrorDescription string
	Query            url.Values // all that the browser brought; some services say more in it
	User             string     // who is signed in by now, as the application calls them; empty when that isn't known
	TenantID         string     // theirs; empty when that isn't known

	// Of the callback of an authorization that an application began over HTTP.
	browser    string   // the secret of its cookie
	moreScopes []string // that were asked for
}

// CallbackOf is the callback of a service with the query that a session's browser
// brought.
func CallbackOf(service, sessionID string, q url.Values) Callback {
	return Callback{Service: service, SessionID: sessionID, State: q.Get("state"), Code: q.Get("code"),
		Error: q.Get("error"), ErrorDescription: q.Get("error_description"), Query: q}
}

// Finished is what the handshake of an authorization that ended was begun with.
// The session that ends it may be in another tenant by now.
type Finished struct {
	TenantID string
	URL      string // where the user goes
}

// Finish ends an authorization: it takes the handshake, so that its code is traded
// once, checks what came, seals and stores it. Whoever comes with the same callback
// again, before the end or after it, gets what became of the first visit; a refusal
// that came without a code doesn't end it. Whose handshake it was comes back whenever
// it was found, with an error of the authorization too. Errors: ErrHandshake,
// ErrUnderWay, ErrHeld, ErrChanged, *OAuthError (the service's refusal, or one of the
// Code… codes), *UnreachableError, or a failure of the store.
func (v *Vault) Finish(ctx context.Context, cb Callback) (Finished, error) {
	if _, err := v.Service(ctx, cb.Service); err != nil {
		return Finished{}, err
	}
	if cb.State == "" || cb.SessionID == "" || cb.Code == "" && cb.Error == "" {
		return Finished{}, ErrHandshake
	}
	h, err := v.Store.Handshake(ctx, cb.Service, hash(cb.State), cb.SessionID)
	if err != nil {
		return Finished{}, noHandshake(err)
	}
	if cb.User != "" && cb.User != h.User || cb.TenantID != "" && cb.TenantID != h.TenantID {
		return Finished{}, ErrHandshake
	}
	finished := Finished{TenantID: h.TenantID, URL: h.FinishedURL}
	if !h.TakenAt.IsZero() {
		return finished, v.awaitOutcome(ctx, h)
	}
	e, err := v.prepare(ctx, h, cb)
	var refused *OAuthError
	if errors.As(err, &refused) {
		return finished, v.refuse(ctx, h, refused)
	}
	if err != nil {
		return Finished{}, err // nothing was taken: it may be tried again
	}
	_, err = v.Store.TakeHandshake(ctx, cb.Service, h.StateHash, cb.SessionID)
	if errors.Is(err, stored.ErrNotFound) {
		return finished, v.takenMeanwhile(ctx, h)
	}
	if err != nil {
		return Finished{}, err
	}
	v.running.Add(1)
	defer v.running.Done()
	err = v.finish(ctx, h, e)
	v.endHandshake(ctx, h, err)
	return finished, err
}

// exchange is what a code is traded with.
type exchange struct {
	service  Service
	loginURL string
	verifier string
	callback Callback
}

// prepare looks at what came, before the handshake is taken.
func (v *Vault) prepare(ctx context.Context, h Handshake, cb Callback) (exchange, error) {
	e := exchange{loginURL: h.LoginURL, callback: cb}
	s, err := v.app(ctx, h.Service, h.TenantID, h.OwnApp)
	if errors.Is(err, ErrNoOwnApp) {
		return e, &OAuthError{Code: BrokenAppRemoved}
	}
	if err != nil {
		return e, err
	}
	e.service = s
	if cb.Error != "" {
		return e, s.told(refusal(cb.Error, cb.ErrorDescription))
	}
	if h.ClientID != "" && h.ClientID != s.ClientID {
		return e, &OAuthError{Code: BrokenOtherApp} // the code is worth nothing to another app
	}
	if named := cb.Query.Get(s.LoginParam); s.LoginParam != "" && named != "" {
		if e.loginURL, err = s.CheckLogin(named); err != nil {
			return e, &OAuthError{Code: CodeForeignHost}
		}
	}
	if !s.ownURL(e.loginURL) { // it was taken back since: the secret is not for it
		return e, &OAuthError{Code: CodeForeignHost}
	}
	e.verifier, err = v.Keys.Open(ctx, h.SealedVerifier, verifierBinding(h))
	return e, err
}

// finish trades the code of a handshake that was taken. Something may be granted by
// that, which is stored or revoked even when the browser has gone.
func (v *Vault) finish(ctx context.Context, h Handshake, e exchange) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.finishTime())
	defer cancel()
	s, asked := e.service, v.Now()
	s.Scopes = withScopes(s.Scopes, e.callback.moreScopes)
	a, err := v.client.exchange(ctx, s, e.loginURL, e.callback.Code, e.verifier)
	var oe *OAuthError
	if errors.As(err, &oe) {
		return s.told(oe)
	}
	if err != nil {
		return &UnreachableError{Cause: err}
	}
	a.callback = e.callback.Query
	g := Grant{Service: s.ID, TenantID: h.TenantID, User: h.User, Account: h.Account, Tags: h.Tags, Native: nativeOf("", a),
		LoginURL: e.loginURL, ConnectedBy: h.UserID, Scopes: a.Scope, OwnApp: h.OwnApp, ClientID: s.ClientID, AccessEnds: a.ends(asked), Endless: a.RefreshToken == "", DefinedAt: s.definedAt, Handshake: h.Name()}
	err = v.accept(ctx, s, a, &g)
	switch {
	case err != nil:
	case h.AuthorizationID != "":
		err = v.grantTo(ctx, h, e.callback.browser, g, tokens{a.AccessToken, a.RefreshToken})
	default:
		err = v.store(ctx, s, g, tokens{a.AccessToken, a.RefreshToken})
	}
	if err != nil && !errors.Is(err, ErrHeld) {
		v.throwAway(context.WithoutCancel(ctx), s, g, a)
	}
	return err
}

// accept checks what a service granted, and fills in what it says of whom it is for.
func (v *Vault) accept(ctx context.Context, s Service, a answer, g *Grant) error {
	if s.NamedByURL {
		return v.acceptNamed(ctx, s, a, g)
	}
	s.fill(a, g) // before anything is refused: what else ends with the grant is told by it
	g.InstanceURL = s.host
	if (s.SelfManaged || s.OneHost) && s.ExtraLogin != "" && g.LoginURL == s.ExtraLogin {
		g.InstanceURL = g.LoginURL // the operator's own host
	}
	if s.InstanceField != "" {
		var own bool
		if g.InstanceURL, own = s.instance(a.InstanceURL); !own {
			return &OAuthError{Code: CodeForeignHost}
		}
	}
	if a.RefreshToken == "" && !s.RefreshOptional {
		return &OAuthError{Code: CodeNoRefreshToken}
	}
	if a.Scope == "" { // as asked for: RFC 6749, section 5.1
		g.Scopes = strings.Join(s.Scopes, " ")
	}
	if len(s.missing(strings.Fields(g.Scopes))) > 0 {
		return &OAuthError{Code: CodeMissingScope}
	}
	if s.UserinfoURL != "" {
		var err error
		if a.userinfo, err = v.client.userinfo(ctx, s, g.LoginURL, a.AccessToken); err != nil {
			v.Log.WarnContext(ctx, "whose the access is is not known", "service", s.ID, "tenant", g.TenantID, "error", err)
		}
		s.fill(a, g)
	}
	return v.askOrg(ctx, s, a, g)
}

// acceptNamed is accept where the answer names the org and the user by a URL.
func (v *Vault) acceptNamed(ctx context.Context, s Service, a answer, g *Grant) error {
	var named, own bool
	g.OrgID, g.RemoteUserID, named = orgAndUser(a.ID)
	g.InstanceURL, own = s.instance(a.InstanceURL)
	if !named || !own || !s.ownURL(a.ID) {
		return &OAuthError{Code: CodeForeignHost}
	}
	if a.RefreshToken == "" {
		return &OAuthError{Code: CodeNoRefreshToken}
	}
	if len(s.missing(strings.Fields(a.Scope))) > 0 {
		return &OAuthError{Code: CodeMissingScope}
	}
	return v.askOrg(ctx, s, a, g)
}

// askOrg asks which org a new credential belongs to, where that can be asked. An org that
// can't be used is refused, and so is one of the tenant's own of which nobody tells which one
// it is: it may be another one than before, or another tenant's.
func (v *Vault) askOrg(ctx context.Context, s Service, a answer, g *Grant) error {
	if v.Org == nil {
		return nil
	}
	o, err := v.Org(ctx, Credential{Service: s.ID, AccessToken: a.AccessToken, InstanceURL: g.InstanceURL, OrgID: g.OrgID, Native: g.Native})
	var refused *OAuthError
	switch {
	case err != nil && g.OrgID == "" && !g.Own(): // a user's needs no org, nor may they be allowed to ask for one
		v.Log.WarnContext(ctx, "the org is not known", "service", s.ID, "tenant", g.TenantID, "error", err)
		return nil
	case errors.As(err, &refused):
		return refused
	case err != nil && g.OrgID == "":
		return &UnreachableError{Cause: err}
	case err != nil:
		v.Log.WarnContext(ctx, "the org's name is not known", "service", s.ID, "tenant", g.TenantID, "error", err)
		return nil
	}
	g.OrgID, g.RemoteUserID = cmp.Or(g.OrgID, o.ID), cmp.Or(g.RemoteUserID, o.UserID)
	if o.Name != "" {
		g.OrgName, g.Sandbox = o.Name, o.Sandbox
	}
	return nil
}

// store keeps a new grant, in place of the one before of the same tenant, user
// and account. The tenant's own is held when it is of another org than before, or of
// one that another tenant has.
func (v *Vault) store(ctx context.Context, s Service, g Grant, t tokens) error {
	old, err := v.Store.IdentityOf(ctx, s.ID, g.TenantID, g.User, g.Account)
	switch {
	case errors.Is(err, stored.ErrNotFound):
		g.ID = stored.NewID()
	case err != nil:
		return err
	case old.OrgID != g.OrgID && g.Own():
		return v.hold(ctx, g, t)
	default:
		g.ID = old.ID
	}
	err = v.save(ctx, g, t, !g.Own(), "")
	if errors.Is(err, ErrOrgInUse) {
		return v.hold(ctx, g, t)
	}
	return err
}

// hold keeps a grant until somebody confirms it, and returns ErrHeld.
func (v *Vault) hold(ctx context.Context, g Grant, t tokens) error {
	g.ID = stored.NewID()
	err := v.storeSealed(ctx, g, t, func(g Grant) error {
		return v.optional.HoldIdentity(ctx, Held{Grant: g, ExpiresAt: v.Now().Add(heldLife)})
	})
	switch {
	case errors.Is(err, stored.ErrLost):
		return ErrChanged
	case errors.Is(err, ErrUnsupported):
		return &OAuthError{Code: CodeOtherOrg, Description: "Another organisation is connected. Disconnect that one first."}
	case err != nil:
		return err
	}
	return ErrHeld
}

// save stores a grant and revokes what it replaced.
func (v *Vault) save(ctx context.Context, g Grant, t tokens, otherOrg bool, confirmed string) error {
	var replaced string
	err := v.storeSealed(ctx, g, t, func(g Grant) (err error) {
		replaced, err = v.Store.SaveIdentity(ctx, g, otherOrg, confirmed)
		return err
	})
	if errors.Is(err, stored.ErrLost) || errors.Is(err, stored.ErrConflict) {
		return ErrChanged
	}
	if err != nil {
		return err
	}
	v.learnExpiry(ctx, g.ID)
	if replaced != "" {
		v.tryRevoke(ctx, replaced)
	}
	return nil
}

// throwAway revokes a grant that is not kept: as any revocation, so that a job
// goes on with it when the service can't be reached now.
func (v *Vault) throwAway(ctx context.Context, s Service, g Grant, a answer) {
	token := tokens{a.AccessToken, a.RefreshToken}.kept()
	g.ID = stored.NewID()
	var id string
	err := v.storeSealed(ctx, g, tokens{refresh: token}, func(g Grant) (err error) {
		id, err = v.Store.AddRevocation(ctx, g)
		return err
	})
	if err == nil {
		v.tryRevoke(ctx, id)
		return
	}
	v.revokeUnstored(ctx, s, g, token, err)
}

// Held returns the authorization that waits to be confirmed, or ErrNotConnected.
func (v *Vault) Held(ctx context.Context, service, tenantID string) (Held, error) {
	h, err := v.optional.Held(ctx, service, tenantID)
	if errors.Is(err, stored.ErrNotFound) || err == nil && !v.Now().Before(h.ExpiresAt) {
		return Held{}, ErrNotConnected
	}
	return h, err
}

// Confirm puts what is held in the connection's place and revokes the old one.
// heldID must be the one that was shown. ErrChanged: it is no longer held, or
// the connection was changed. ErrOrgInUse: another tenant has the org, which
// ConfirmShared confirms.
func (v *Vault) Confirm(ctx context.Context, service, tenantID, heldID string) error {
	return v.confirm(ctx, service, tenantID, heldID, "")
}

// ConfirmShared is Confirm by somebody who was shown that another tenant has the org.
// It is remembered for this tenant and this org.
func (v *Vault) ConfirmShared(ctx context.Context, service, tenantID, heldID, userID string) error {
	return v.confirm(ctx, service, tenantID, heldID, userID)
}

func (v *Vault) confirm(ctx context.Context, service, tenantID, heldID, sharedBy string) error {
	h, err := v.Held(ctx, service, tenantID)
	if errors.Is(err, ErrNotConnected) || err == nil && h.ID != heldID {
		return ErrChanged
	}
	if err != nil {
		return err
	}
	access, err := v.openAccess(ctx, h.Grant)
	if err != nil {
		return err
	}
	refresh, err := v.openRefresh(ctx, h.Grant)
	if err != nil {
		return err
	}
	g := h.Grant
	g.OrgConfirmedBy = sharedBy
	g.AccessEnds = endsOf(h.Native, h.HeldAt)
	_, g.Endless = accessOnly(refresh)
	old, err := v.Identity(ctx, service, tenantID)
	switch {
	case err == nil:
		g.ID = old.ID
	case !errors.Is(err, ErrNotConnected):
		return err
	}
	return v.save(context.WithoutCancel(ctx), g, tokens{access, refresh}, true, heldID)
}

// Decline gives up what is held; it is revoked. The connection stays. heldID must
// be the one that was shown. ErrChanged: it is no longer held.
func (v *Vault) Decline(ctx context.Context, service, tenantID, heldID string) error {
	id, err := v.optional.DropHeld(ctx, service, tenantID, heldID)
	if errors.Is(err, stored.ErrLost) {
		return ErrChanged
	}
	if err != nil {
		return err
	}
	v.tryRevoke(ctx, id)
	return nil
}

// hash is the SHA-256 of a token, in hex.
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
