package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"time"

	"gatepost/identity/stored"
)

// How long the link of an authorization may be opened.
const (
	linkLife     = 10 * time.Minute
	mailLinkLife = 7 * 24 * time.Hour // people don't read their mail at once
)

// The longest state, login hint and value of a parameter that an application may send.
const (
	maxAppState = 1000
	maxHint     = 255
	maxParam    = 500
)

// AuthorizationRequest begins an authorization that an application sends somebody's
// browser to. It has checked that its key may do that, and where the browser may return to.
type AuthorizationRequest struct {
	KeyID      string // of the API key; it alone completes what it began
	Service    string
	TenantID   string
	User       string // this and the next two as in AuthorizeRequest
	Account    string
	Tags       []string
	MoreScopes []string
	Params     map[string]string // only those that the service allows
	LoginHint  string
	LoginURL   string // one of the service's; the default when it is another, or empty
	ReturnTo   string
	AppState   string // handed back to the application
	SkipPage   bool   // the application redirects the browser itself, so that nobody is asked first
	ByMail     bool   // the link is sent by mail, and may be opened for longer
}

// Begun is an authorization that was begun.
type Begun struct {
	ID        string
	Secret    string // of its link; kept nowhere
	ExpiresAt time.Time
}

// ErrWithdrawn says that what an authorization was to be begun for is gone: its tenant,
// its API key or its service.
var ErrWithdrawn = errors.New("what the authorization is for is gone")

// BeginAuthorization begins an authorization. Errors: ErrNoService, ErrNoApp, *NameError,
// ErrTooManyTags, *ScopeError, *ParamError, *TooLongError, ErrTooMany, ErrWithdrawn, or a
// failure of the store.
func (v *Vault) BeginAuthorization(ctx context.Context, r AuthorizationRequest) (Begun, error) {
	s, err := v.appFor(ctx, r.Service, r.TenantID)
	if err != nil {
		return Begun{}, err
	}
	if r.Tags, err = r.check(s); err != nil {
		return Begun{}, err
	}
	if !s.ownURL(r.LoginURL) {
		r.LoginURL = ""
	}
	life := linkLife
	if r.ByMail {
		life = mailLinkLife
	}
	begun := Begun{ID: stored.NewID(), Secret: randomToken(), ExpiresAt: v.Now().Add(life)}
	err = v.optional.BeginAuthorization(ctx, Authorization{ID: begun.ID, APIKeyID: r.KeyID, TenantID: r.TenantID, Service: s.ID, User: r.User, Account: r.Account, Tags: r.Tags,
		MoreScopes: r.MoreScopes, Params: r.Params, LoginHint: r.LoginHint, LoginURL: r.LoginURL, ReturnTo: r.ReturnTo, AppState: r.AppState, SkipPage: r.SkipPage,
		LinkHash: linkHash(begun.Secret), LinkEndsAt: begun.ExpiresAt, DefinedAt: s.definedAt})
	switch {
	case errors.Is(err, stored.ErrTooMany):
		return Begun{}, ErrTooMany
	case errors.Is(err, stored.ErrLost):
		return Begun{}, ErrWithdrawn
	case err != nil:
		return Begun{}, err
	}
	v.tell(ctx, "an authorization was begun", begun.ID, r.Service, r.TenantID)
	return begun, nil
}

// check checks what an application sent, and returns its tags as they are kept.
func (r AuthorizationRequest) check(s Service) (tags []string, err error) {
	if err := errors.Join(checkNames("user", r.User), checkNames("account", r.Account)); err != nil {
		return nil, err
	}
	if tags, err = CleanTags(r.Tags); err != nil {
		return nil, err
	}
	if bad := malformed(r.MoreScopes); len(bad) > 0 {
		return nil, &ScopeError{Malformed: bad}
	}
	if len(r.MoreScopes) > maxList {
		return nil, &TooLongError{"scopes", maxList, "entries"}
	}
	for _, text := range []struct {
		name, value string
		most        int
	}{{"state", r.AppState, maxAppState}, {"login_hint", r.LoginHint, maxHint}} {
		if !storable(text.value, text.most) {
			return nil, &TooLongError{text.name, text.most, "bytes"}
		}
	}
	for name, value := range r.Params {
		switch {
		case !allowable(name), !slices.Contains(s.AllowParams, name):
			return nil, &ParamError{Name: name, Allowed: s.AllowParams}
		case !storable(value, maxParam):
			return nil, &TooLongError{"params." + name, maxParam, "bytes"}
		}
	}
	return tags, nil
}

// tell logs a step of an authorization, by ids alone.
func (v *Vault) tell(ctx context.Context, step, id, service, tenantID string) {
	v.Log.InfoContext(ctx, step, "authorization", id, "service", service, "tenant", tenantID)
}

// The hashes and codes of an authorization are each of their own domain, so that none of
// them is ever worth anything as another.
func linkHash(secret string) string { return hash("authorization link\x00" + secret) }

// browserOf names the browser that has the secret in a cookie, as rows keep it.
func browserOf(secret string) string { return hash("authorization browser\x00" + secret) }

// completionCode is what the application completes an authorization with: the same for
// the same browser, however often it comes back, and for nobody else. Nothing that is
// stored leads to it.
func completionCode(browser, id string) string {
	mac := hmac.New(sha256.New, []byte(browser))
	mac.Write([]byte("gatepost: complete an authorization\x00" + id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// What is wrong with the link of an authorization, or with the browser that opens it.
var (
	ErrNoAuthorization = errors.New("no such authorization")
	ErrLinkExpired     = errors.New("the link has expired")
	ErrLinkUsed        = errors.New("the link has been used")
	ErrOtherBrowser    = errors.New("another browser has opened the link")
	ErrTenantClosed    = errors.New("the tenant was closed")
	ErrLinkWithdrawn   = errors.New("what the link was for is gone")
)

// Asked is what a person is told who opens the link of an authorization.
type Asked struct {
	Authorization
	ServiceName string
	Scopes      []string // all that are asked for
	LoginURL    string   // where one logs in
	ReturnURL   string   // where the browser goes when the link has expired; else empty
}

// OpenLink returns what the link with the secret asks for, and uses nothing up. browser is
// the secret of the cookie of the browser that opens it; empty when it has none.
// Errors: ErrNoAuthorization, ErrLinkExpired, ErrLinkUsed, ErrLinkWithdrawn,
// ErrOtherBrowser, ErrTenantClosed, ErrNoService, ErrNoApp, or a failure of the store.
// Whenever the link is known, what it asks for comes back with the error.
func (v *Vault) OpenLink(ctx context.Context, secret, browser string) (Asked, error) {
	a, err := v.optional.AuthorizationByLink(ctx, linkHash(secret))
	if errors.Is(err, stored.ErrNotFound) {
		return Asked{}, ErrNoAuthorization
	}
	if err != nil {
		return Asked{}, err
	}
	asked := Asked{Authorization: a, ServiceName: NameOf(a.Service)}
	if err := v.mayOpen(a, browser); err != nil {
		if ended := a.As(v.Now()); errors.Is(err, ErrLinkExpired) && !ended.UnderWay() {
			asked.ReturnURL = v.returnURL(ended, "")
		}
		return asked, err
	}
	s, err := v.appFor(ctx, a.Service, a.TenantID)
	if err != nil {
		return asked, err
	}
	asked.ServiceName, asked.Scopes, asked.LoginURL = s.Name, withScopes(s.Scopes, a.MoreScopes), s.at(s.loginAt(a), s.AuthorizeURL)
	return asked, nil
}

// loginAt is where one logs in for an authorization.
func (s Service) loginAt(a Authorization) string {
	if a.LoginURL != "" && s.ownURL(a.LoginURL) {
		return a.LoginURL
	}
	return s.LoginURL
}

// mayOpen says what keeps a browser from opening an authorization.
func (v *Vault) mayOpen(a Authorization, browser string) error {
	now := v.Now()
	a = a.As(now)
	switch {
	case a.Closed:
		return ErrTenantClosed
	case a.ReturnTo == "", a.Error == EndWithdrawn:
		return ErrLinkWithdrawn
	case a.State == stored.AuthorizationExpired, a.State == stored.AuthorizationBegun && !now.Before(a.LinkEndsAt):
		return ErrLinkExpired
	case a.State != stored.AuthorizationBegun && a.State != stored.AuthorizationOpened:
		return ErrLinkUsed
	case a.BrowserHash != "" && a.BrowserHash != browserOf(browser):
		return ErrOtherBrowser
	case !now.Before(a.LinkEndsAt):
		return ErrLinkExpired
	}
	return nil
}

// StartAuthorization ties an authorization to the browser with the secret, which alone may
// go on with it, and returns the URL of the service to send it to. It may be called again
// for the same browser, until something is granted. Errors: as OpenLink's, and ErrTooMany.
func (v *Vault) StartAuthorization(ctx context.Context, secret, browser string) (address string, err error) {
	if browser == "" {
		return "", errors.New("start an authorization: no browser")
	}
	asked, err := v.OpenLink(ctx, secret, browser)
	if err != nil {
		return "", err
	}
	a := asked.Authorization
	err = v.optional.OpenAuthorization(ctx, a.ID, browserOf(browser), v.Now().Add(handshakeLife))
	if errors.Is(err, stored.ErrLost) { // it isn't any more what it was a moment ago
		if _, err = v.OpenLink(ctx, secret, browser); err == nil {
			err = ErrLinkExpired
		}
	}
	if err != nil {
		return "", err
	}
	address, err = v.Authorize(ctx, AuthorizeRequest{Service: a.Service, TenantID: a.TenantID, User: a.User, Account: a.Account, Tags: a.Tags, SessionID: browserOf(browser),
		LoginURL: a.LoginURL, LoginHint: a.LoginHint, MoreScopes: a.MoreScopes, Params: a.Params, authorizationID: a.ID})
	if err == nil {
		v.tell(ctx, "an authorization was opened", a.ID, a.Service, a.TenantID)
	}
	return address, err
}

// FinishAuthorization is Finish for a callback that belongs to an authorization: what was
// granted is kept for the application to complete. It returns where the browser goes.
// browser is the secret of its cookie, and q what it brought. Errors: ErrHandshake: it
// belongs to no authorization; ErrOtherBrowser; ErrUnderWay; ErrTenantClosed;
// ErrLinkWithdrawn: the application doesn't take browsers back there any more; or a failure
// of the store, after which it may be tried again.
func (v *Vault) FinishAuthorization(ctx context.Context, service, browser string, q url.Values) (address string, err error) {
	id, err := v.optional.HandshakeAuthorization(ctx, service, hash(q.Get("state")))
	if err != nil {
		return "", noHandshake(err)
	}
	a, err := v.optional.Authorization(ctx, id)
	if err != nil {
		return "", noHandshake(err)
	}
	switch {
	case browser == "" || a.BrowserHash != browserOf(browser):
		return "", ErrOtherBrowser
	case a.Closed:
		return "", ErrTenantClosed
	}
	if a.State == stored.AuthorizationOpened {
		if err := v.settle(ctx, a, browser, q); err != nil {
			return "", err
		}
		if a, err = v.optional.Authorization(ctx, id); err != nil {
			return "", err
		}
	}
	if a.ReturnTo == "" { // an operator took the address from the key
		return "", ErrLinkWithdrawn
	}
	return v.returnURL(a.As(v.Now()), browser), nil
}

// settle finishes the handshake of an authorization that is open, and records why it came
// to nothing if it did.
func (v *Vault) settle(ctx context.Context, a Authorization, browser string, q url.Values) error {
	cb := CallbackOf(a.Service, browserOf(browser), q)
	cb.browser, cb.moreScopes = browser, a.MoreScopes
	finished, err := v.Finish(ctx, cb)
	if err == nil || errors.Is(err, ErrUnderWay) || errors.Is(err, ErrHandshake) || finished.TenantID == "" {
		return err // finished, or nothing was done and it may be tried again
	}
	state, code, reason, said := v.whyEnded(ctx, a, cb, err)
	err = v.optional.EndAuthorization(context.WithoutCancel(ctx), a.ID, state, code, reason, said)
	if errors.Is(err, stored.ErrLost) {
		return nil // it had ended otherwise, which is told
	}
	return err
}

// returnURL is where the browser goes at the end: to the application, with the code that
// it completes the authorization with, or with why there is nothing to complete.
func (v *Vault) returnURL(a Authorization, browser string) string {
	q := url.Values{"authorization": {a.ID}}
	if a.AppState != "" {
		q.Set("state", a.AppState)
	}
	switch a.State {
	case stored.AuthorizationGranted, stored.AuthorizationCompleted, stored.AuthorizationHeld:
		q.Set("code", completionCode(browser, a.ID))
	default:
		q.Set("error", a.Error)
	}
	return withQuery(a.ReturnTo, q)
}

// withQuery adds parameters to an address, and changes nothing of what is there.
func withQuery(address string, q url.Values) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // it was checked when it was registered
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += q.Encode()
	return u.String()
}

// Granting is what was granted for an authorization and isn't completed, so that the
// application can show its user which account it is.
type Granting struct {
	Grant
	Missing  []string // scopes that were asked for and not granted
	OtherOrg bool     // the tenant is connected to another org, so that completing it has to say that this is meant
}

// AuthorizationOf returns an authorization that the API key began, as it is now, with what
// was granted while that waits to be completed; else nil. ErrNoAuthorization: there is
// none, or another key began it.
func (v *Vault) AuthorizationOf(ctx context.Context, keyID, id string) (Authorization, *Granting, error) {
	a, err := v.begunBy(ctx, keyID, id)
	if err != nil {
		return a, nil, err
	}
	if a = a.As(v.Now()); a.State != stored.AuthorizationGranted {
		return a, nil, nil
	}
	g, err := v.optional.Granted(ctx, id)
	if errors.Is(err, stored.ErrNotFound) { // it has ended since
		a, err = v.begunBy(ctx, keyID, id)
		return a, nil, err
	}
	if err != nil {
		return a, nil, err
	}
	granting, err := v.granting(ctx, a, g)
	return a, granting, err
}

func (v *Vault) granting(ctx context.Context, a Authorization, g Grant) (*Granting, error) {
	s, err := v.wanted(ctx, g)
	if err != nil && !errors.Is(err, ErrNoService) {
		return nil, err
	}
	s.Scopes = withScopes(s.Scopes, a.MoreScopes)
	old, err := v.Store.IdentityOf(ctx, g.Service, g.TenantID, g.User, g.Account)
	if err != nil && !errors.Is(err, stored.ErrNotFound) {
		return nil, err
	}
	return &Granting{Grant: g, Missing: s.ungranted(g, !s.RefreshOptional), OtherOrg: err == nil && g.Own() && old.OrgID != g.OrgID}, nil
}

func (v *Vault) begunBy(ctx context.Context, keyID, id string) (Authorization, error) {
	a, err := v.optional.Authorization(ctx, id)
	if errors.Is(err, stored.ErrNotFound) || err == nil && a.APIKeyID != keyID {
		return Authorization{}, ErrNoAuthorization
	}
	return a, err
}
