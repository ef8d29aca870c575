package identity

import (
	"context"
	"errors"
	"time"

	"gatepost/identity/stored"
	"gatepost/seal"
)

// heldForAdmin is how long what an application has completed waits for an admin of the
// tenant to confirm it in the portal, where nobody may be at work just now.
const heldForAdmin = 24 * time.Hour

// The codes of an authorization that ended without an identity. They go to the application
// in the URL that the browser returns to, and stand in the answer that tells how far it is.
const (
	EndDenied       = "access_denied"           // the person said no
	EndRefused      = "service_refused"         // the service did, or what it granted can't be used
	EndUnreachable  = "temporarily_unavailable" // the service gave no answer
	EndMissingScope = CodeMissingScope          // something was left out without which it is useless
	EndNoRefresh    = CodeNoRefreshToken        // the service granted no lasting access
	EndForeignHost  = CodeForeignHost           // the answer named a host that isn't the service's
	EndInterrupted  = CodeInterrupted           // whoever was about to finish it is gone
	EndAppChanged   = "app_changed"             // another app was set, or it was removed, meanwhile
	EndServerError  = "server_error"            // a failure of ours
	EndOtherUser    = "other_user"              // it was completed for somebody else than it was begun for
	EndExpired      = stored.EndedExpired
	EndNotCompleted = stored.EndedNotCompleted
	EndNotConfirmed = stored.EndedNotConfirmed
	EndWithdrawn    = stored.EndedWithdrawn
)

// AuthorizationEnds are all codes of an authorization that ended without an identity, each
// with a sentence for whoever reads the application's log.
func AuthorizationEnds() map[string]string {
	return map[string]string{
		EndDenied:       "The person said no at the service.",
		EndRefused:      "The service refused, or what it granted can’t be used.",
		EndUnreachable:  "The service gave no answer. Begin again in a moment.",
		EndMissingScope: "The person left out a permission without which the connection is useless.",
		EndNoRefresh:    "The service granted no lasting access.",
		EndForeignHost:  "The service’s answer named a host that isn’t the service’s.",
		EndInterrupted:  "It was cut off half-way. Begin again.",
		EndAppChanged:   "Another app was set for the service meanwhile. Begin again.",
		EndServerError:  "Gatepost couldn’t store what was granted, and gave it back. Begin again in a moment.",
		EndOtherUser:    "It was completed for another tenant or user than it was begun for. What was granted is revoked.",
		EndExpired:      "Nobody granted anything in time.",
		EndNotConfirmed: "No admin of the tenant confirmed in the portal that the org is meant. What was granted is revoked.",
		EndNotCompleted: "It wasn’t completed within ten minutes. What was granted is revoked.",
		EndWithdrawn:    "What it was for is gone: the tenant, the API key or its return address, the app, or the identity that it was to replace.",
	}
}

// endOfCode are the ends by the codes of an OAuthError that are ours. What else one says is
// the service's word.
var endOfCode = map[string]string{
	CodeMissingScope: EndMissingScope, CodeNoRefreshToken: EndNoRefresh, CodeForeignHost: EndForeignHost, CodeInterrupted: EndInterrupted, CodeFailed: EndServerError,
	BrokenAppRemoved: EndAppChanged, BrokenOtherApp: EndAppChanged,
}

// whyEnded is how an authorization ends of which Finish has failed.
func (v *Vault) whyEnded(ctx context.Context, a Authorization, cb Callback, err error) (state AuthorizationState, code, reason, said string) {
	var refused *OAuthError
	var unreachable *UnreachableError
	switch {
	case cb.Error == EndDenied && errors.As(err, &refused):
		return stored.AuthorizationDenied, EndDenied, "", refused.Description
	case errors.As(err, &refused) && endOfCode[refused.Code] != "":
		return stored.AuthorizationFailed, endOfCode[refused.Code], "", ""
	case errors.As(err, &refused):
		return stored.AuthorizationFailed, EndRefused, refused.Code, refused.Description
	case errors.As(err, &unreachable):
		v.Log.WarnContext(ctx, "an authorization failed", "authorization", a.ID, "service", a.Service, "tenant", a.TenantID, "error", err)
		return stored.AuthorizationFailed, EndUnreachable, "", ""
	case errors.Is(err, ErrChanged):
		return stored.AuthorizationFailed, EndAppChanged, "", ""
	}
	v.Log.ErrorContext(ctx, "an authorization failed", "authorization", a.ID, "service", a.Service, "tenant", a.TenantID, "error", err)
	return stored.AuthorizationFailed, EndServerError, "", ""
}

// grantTo keeps what was granted until the application completes the authorization.
func (v *Vault) grantTo(ctx context.Context, h Handshake, browser string, g Grant, t tokens) error {
	g.ID = h.AuthorizationID
	codeHash := hash(completionCode(browser, h.AuthorizationID))
	err := v.storeSealed(ctx, g, t, func(g Grant) error { return v.optional.GrantAuthorization(ctx, g, codeHash) })
	if errors.Is(err, stored.ErrLost) {
		return ErrChanged
	}
	if err == nil {
		v.tell(ctx, "an authorization was granted", g.ID, g.Service, g.TenantID)
	}
	return err
}

// Completion completes an authorization for whoever is signed in to the application.
type Completion struct {
	KeyID          string
	ID             string
	Code           string // that the browser brought
	TenantID       string // of the application's own session, never from what the browser brought
	User           string // likewise; empty for a tenant's own connection
	AcceptOtherOrg bool   // the tenant's own connection may go to another org than before
}

// The codes of a CompletionError.
const (
	NotGranted           = "not_granted"       // nobody has granted anything yet
	NotCompletable       = "ended"             // it ended otherwise
	WrongCode            = "wrong_code"        // nothing was changed
	OtherUser            = EndOtherUser        // what was granted is revoked
	TooLate              = "too_late"          // likewise
	OtherOrg             = "other_org"         // it waits until its time is over
	ConfirmationRequired = CodeConfirm         // an admin of the tenant has to confirm it in the portal
	ChangedMeanwhile     = "changed_meanwhile" // the connection was; it may be tried again
)

// CompletionError says why an authorization isn't completed.
type CompletionError struct {
	Code   string
	Reason string // of one that ended otherwise: its Error, or its state
}

// Error names the code.
func (e *CompletionError) Error() string { return "the authorization can't be completed: " + e.Code }

// completionTries is how often completing begins anew when something changes meanwhile.
const completionTries = 5

// CompleteAuthorization makes an identity of what was granted, in place of the one before.
// Called again, it returns the same. Errors: ErrNoAuthorization, *CompletionError, or a
// failure of the store.
func (v *Vault) CompleteAuthorization(ctx context.Context, c Completion) (NamedIdentity, error) {
	for try := 1; ; try++ {
		a, err := v.begunBy(ctx, c.KeyID, c.ID)
		if err != nil {
			return NamedIdentity{}, err
		}
		i, err := v.complete(ctx, a, c)
		switch {
		case !errors.Is(err, stored.ErrLost) && !errors.Is(err, stored.ErrConflict):
			return i, err
		case try == completionTries:
			return i, &CompletionError{Code: ChangedMeanwhile}
		}
	}
}

// complete is one try, with the authorization as it was just read. stored.ErrLost and
// stored.ErrConflict: something has changed since.
func (v *Vault) complete(ctx context.Context, a Authorization, c Completion) (NamedIdentity, error) {
	now := a.As(v.Now())
	meant := a.TenantID == c.TenantID && a.User == c.User
	switch {
	case a.CodeHash == "" && now.UnderWay():
		return NamedIdentity{}, &CompletionError{Code: NotGranted}
	case a.CodeHash == "":
		return NamedIdentity{}, &CompletionError{NotCompletable, now.Error}
	case !same(hash(c.Code), a.CodeHash): // and nothing ends: whoever knows an id would end others'
		v.Log.WarnContext(ctx, "an authorization was to be completed with a wrong code", "authorization", a.ID, "service", a.Service, "tenant", a.TenantID)
		return NamedIdentity{}, &CompletionError{Code: WrongCode}
	case a.State == stored.AuthorizationCompleted && meant:
		return v.completed(ctx, a)
	case a.State == stored.AuthorizationHeld && meant:
		return NamedIdentity{}, &CompletionError{Code: ConfirmationRequired}
	case a.State != stored.AuthorizationGranted:
		return NamedIdentity{}, endedAs(a)
	case !now.UnderWay():
		return NamedIdentity{}, v.drop(ctx, a, EndNotCompleted)
	case !meant:
		return NamedIdentity{}, v.drop(ctx, a, EndOtherUser)
	}
	return v.completeGranted(ctx, a, c.AcceptOtherOrg)
}

// endedAs says how an authorization ended that can't be completed any more.
func endedAs(a Authorization) error {
	switch a.Error {
	case EndNotCompleted:
		return &CompletionError{Code: TooLate}
	case EndOtherUser:
		return &CompletionError{Code: OtherUser}
	case "":
		return &CompletionError{NotCompletable, string(a.State)}
	}
	return &CompletionError{NotCompletable, a.Error}
}

// drop ends an authorization of which nothing is to be stored, revokes what was granted,
// and says so.
func (v *Vault) drop(ctx context.Context, a Authorization, code string) error {
	revocation, err := v.optional.DropAuthorization(ctx, a.ID, code)
	if err != nil {
		return err
	}
	v.Log.WarnContext(ctx, "an authorization was dropped", "authorization", a.ID, "service", a.Service, "tenant", a.TenantID, "why", code)
	v.tryRevoke(ctx, revocation)
	a.State, a.Error = stored.AuthorizationDropped, code
	return endedAs(a)
}

// completed is the identity that an authorization became, as it is now.
func (v *Vault) completed(ctx context.Context, a Authorization) (NamedIdentity, error) {
	i, err := v.Store.IdentityByID(ctx, a.IdentityID)
	if errors.Is(err, stored.ErrNotFound) {
		return NamedIdentity{}, &CompletionError{NotCompletable, "deleted"}
	}
	return NamedIdentity{Identity: i, Tenant: a.TenantSlug}, err
}

func (v *Vault) completeGranted(ctx context.Context, a Authorization, acceptOtherOrg bool) (NamedIdentity, error) {
	ctx = context.WithoutCancel(ctx) // whoever asked may be gone: it is done, or it isn't
	g, t, err := v.openGranted(ctx, a)
	if err != nil {
		return NamedIdentity{}, err
	}
	old, err := v.Store.IdentityOf(ctx, g.Service, g.TenantID, g.User, g.Account)
	switch {
	case errors.Is(err, stored.ErrNotFound):
		g.ID = stored.NewID()
	case err != nil:
		return NamedIdentity{}, err
	case g.Own() && old.OrgID != g.OrgID && !acceptOtherOrg:
		return NamedIdentity{}, &CompletionError{Code: OtherOrg}
	default:
		g.ID = old.ID
	}
	var replaced string
	g.Handshake = a.ID
	err = v.storeSealed(ctx, g, t, func(g Grant) (err error) {
		replaced, err = v.optional.CompleteAuthorization(ctx, a.ID, g, !g.Own() || acceptOtherOrg)
		return err
	})
	if errors.Is(err, ErrOrgInUse) {
		return NamedIdentity{}, v.holdGranted(ctx, a, g, t)
	}
	if err != nil {
		return NamedIdentity{}, err
	}
	v.tell(ctx, "an authorization was completed", a.ID, a.Service, a.TenantID)
	v.learnExpiry(ctx, g.ID)
	if replaced != "" {
		v.tryRevoke(ctx, replaced)
	}
	a.IdentityID = g.ID
	return v.completed(ctx, a)
}

// openGranted returns what was granted for an authorization, with its tokens.
func (v *Vault) openGranted(ctx context.Context, a Authorization) (g Grant, t tokens, err error) {
	for key := uint32(0); ; {
		g, err = v.optional.Granted(ctx, a.ID)
		if errors.Is(err, stored.ErrNotFound) {
			return g, t, stored.ErrLost
		}
		if err != nil {
			return g, t, err
		}
		access, errAccess := v.openAccess(ctx, g)
		refresh, errRefresh := v.openRefresh(ctx, g)
		err = errors.Join(errAccess, errRefresh)
		if errors.Is(err, seal.ErrSealed) && g.KeyID != key {
			key = g.KeyID // it may have been sealed anew since it was read
			continue
		}
		if err != nil {
			return g, t, err
		}
		t = tokens{access, refresh}
		if _, g.Endless = accessOnly(refresh); g.Endless {
			t.refresh = ""
		}
		g.AccessEnds = endsOf(g.Native, a.GrantedAt)
		return g, t, nil
	}
}

// holdGranted has an admin of the tenant confirm the org that was granted, which another
// tenant has.
func (v *Vault) holdGranted(ctx context.Context, a Authorization, g Grant, t tokens) error {
	g.ID, g.Handshake = stored.NewID(), a.ID
	err := v.storeSealed(ctx, g, t, func(g Grant) error {
		return v.optional.HoldAuthorization(ctx, a.ID, Held{Grant: g, ExpiresAt: v.Now().Add(heldForAdmin)})
	})
	if err != nil {
		return err
	}
	v.tell(ctx, "an authorization waits to be confirmed in the portal", a.ID, a.Service, a.TenantID)
	return &CompletionError{Code: ConfirmationRequired}
}
