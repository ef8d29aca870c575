package identity

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/singleflight"

	"gatepost/identity/stored"
	"gatepost/seal"
)

// The codes of failures that pass.
const (
	CodeUnreachable = "unreachable"   // the service could not be called
	CodeUnanswered  = "unanswered"    // a renewal was sent, its outcome is not known yet
	CodeOtherApp    = stored.OtherApp // this process has another app than the one that made the connection
)

// How long a failed renewal waits for its next try: twice as long as before,
// within these bounds.
const (
	firstRetry = 5 * time.Second
	lastRetry  = 5 * time.Minute
)

// Get returns a credential of the tenant's own connection that works now. refused is the
// generation whose token the service has refused, 0 for none: then a newer one
// is got, by a renewal if need be. However many callers and processes ask, one
// renewal is made. Errors: ErrNotConnected, *BrokenError, *UnavailableError,
// ctx's, or a failure of the store.
func (v *Vault) Get(ctx context.Context, service, tenantID string, refused int64) (Credential, error) {
	return v.get(ctx, func(ctx context.Context) (Identity, error) { return v.Identity(ctx, service, tenantID) }, refused)
}

// Credential returns a credential that works now, of the one identity that the selector means. When the service
// refuses its token, GetByID with its Identity and Generation gets a newer one; Client does all of that. Errors:
// Find's and Get's.
func (v *Vault) Credential(ctx context.Context, sel Selector) (Credential, error) {
	i, err := v.Find(ctx, sel)
	if err != nil {
		return Credential{}, err
	}
	return v.GetFound(ctx, i.Identity, 0)
}

// GetByID is Get for the identity with the given id.
func (v *Vault) GetByID(ctx context.Context, id string, refused int64) (Credential, error) {
	return v.get(ctx, func(ctx context.Context) (Identity, error) { return v.byID(ctx, id) }, refused)
}

// GetFound is Get for an identity that was read just now: its row is read again only
// when it has to be renewed.
func (v *Vault) GetFound(ctx context.Context, found Identity, refused int64) (Credential, error) {
	looked := false
	return v.get(ctx, func(ctx context.Context) (Identity, error) {
		if !looked {
			looked = true
			return found, nil
		}
		return v.byID(ctx, found.ID)
	}, refused)
}

// finder reads an identity anew; ErrNotConnected when there is none.
type finder func(ctx context.Context) (Identity, error)

func (v *Vault) get(ctx context.Context, find finder, refused int64) (Credential, error) {
	c, i, err := v.fresh(ctx, find, demand{past: refused, refused: true})
	if err == nil {
		v.uses.note(i, v.Now())
	}
	return c, err
}

// demand is what a credential must be beyond working.
type demand struct {
	past    int64 // not of this generation, 0 for any
	refused bool  // because the service refused that one's token: nobody is to have it any more
	patient bool  // nobody waits for it: a renewal may take its time
}

// fresh is Get without a note that the connection was used.
func (v *Vault) fresh(ctx context.Context, find finder, want demand) (Credential, Identity, error) {
	c, i, err := v.freshOf(ctx, find, want)
	var broken *BrokenError
	var unavailable *UnavailableError
	switch {
	case errors.As(err, &broken):
		err = &BrokenError{Service: i.Service, Code: broken.Code}
	case errors.As(err, &unavailable):
		err = &UnavailableError{Service: i.Service, Code: unavailable.Code, RetryAt: unavailable.RetryAt}
	}
	return c, i, err
}

func (v *Vault) freshOf(ctx context.Context, find finder, want demand) (Credential, Identity, error) {
	var began time.Time // the waiting
	renewed := int64(0) // the generation whose renewal was waited for
	slow := false       // for longer than the caller waits
	for {
		i, err := find(ctx)
		if err != nil {
			return Credential{}, i, err
		}
		if _, err := v.Service(ctx, i.Service); err != nil {
			return Credential{}, i, err
		}
		if !i.BrokenAt.IsZero() {
			return Credential{}, i, &BrokenError{Code: i.BrokenCode}
		}
		justCame := renewed != 0 && i.Generation != renewed // it is given out however soon it runs out
		works := !i.Stale && i.Generation != want.past && (justCame || !over(i, v.Now()))
		later := v.Now().Before(i.RetryAt)
		if works && (later || slow || justCame || !runsOut(i, v.Now())) {
			c, err := v.credential(ctx, i)
			if errors.Is(err, stored.ErrLost) {
				continue
			}
			return c, i, err
		}
		if later {
			return Credential{}, i, &UnavailableError{Code: i.FailedCode, RetryAt: i.RetryAt}
		}
		if slow {
			return Credential{}, i, &UnavailableError{Code: CodeUnanswered, RetryAt: v.Now().Add(firstRetry)}
		}
		patience := v.patience(i)
		switch {
		case want.patient:
			patience = math.MaxInt64
		case began.IsZero():
			began = time.Now() // however long the looking took, a renewal that is needed is begun
		default:
			patience = min(patience, v.Patience-time.Since(began))
		}
		renewed = i.Generation
		err = v.await(ctx, i, want.refused && i.Generation == want.past, patience)
		if slow = errors.Is(err, errSlow); err != nil && !slow {
			return Credential{}, i, err
		}
	}
}

// patience is how much longer a caller waits for the renewal of a connection: one that
// is under way for so long already, as its row says, is waited for no more.
func (v *Vault) patience(i Identity) time.Duration {
	underWay := i.FailedAt.Before(i.CallStartedAt) && v.Now().Before(i.LeaseUntil)
	if !underWay {
		return v.Patience
	}
	return i.CallStartedAt.Add(v.Patience).Sub(v.Now())
}

// credential opens what is stored. A connection that can't be opened is dead,
// and is marked so, to be seen. stored.ErrLost: it has changed since it was read.
func (v *Vault) credential(ctx context.Context, i Identity) (Credential, error) {
	token, err := v.openNow(ctx, i, v.openAccess)
	if errors.Is(err, seal.ErrSealed) {
		if err := v.breakIdentity(ctx, i, BrokenSealed, ""); err != nil {
			return Credential{}, err
		}
		return Credential{}, &BrokenError{Code: BrokenSealed}
	}
	if err != nil {
		return Credential{}, err
	}
	return Credential{Service: i.Service, AccessToken: token, InstanceURL: i.InstanceURL, OrgID: i.OrgID, Generation: i.Generation,
		ExpiresAt: i.ExpiresAt, Identity: i.ID, Native: i.Native}, nil
}

// openNow opens a secret of a row. One that can't be opened may have been sealed
// anew since the row was read, and its key retired: then the row is read again.
// stored.ErrLost: it has changed in other ways too.
func (v *Vault) openNow(ctx context.Context, i Identity, open func(context.Context, Grant) (string, error)) (string, error) {
	for {
		secret, err := open(ctx, i.Grant)
		if !errors.Is(err, seal.ErrSealed) {
			return secret, err
		}
		again, err := v.byID(ctx, i.ID)
		switch {
		case errors.Is(err, ErrNotConnected), err == nil && again.Generation != i.Generation:
			return "", stored.ErrLost
		case err != nil:
			return "", err
		case again.KeyID == i.KeyID:
			return "", seal.ErrSealed
		}
		i = again
	}
}

// errSlow says that a renewal takes longer than its caller waits. It goes on.
var errSlow = errors.New("a renewal takes long")

// await joins this process's renewal of the identity, or begins it, and returns when it
// is over, when the caller's ctx is, or with errSlow when its patience is. Then the row
// tells what came of it.
func (v *Vault) await(ctx context.Context, i Identity, refused bool, patience time.Duration) error {
	if patience <= 0 {
		return errSlow
	}
	key := i.ID + "/" + strconv.FormatInt(i.Generation, 10)
	v.running.Add(1) // before it begins: Wait is not to miss it
	done := v.flights.DoChan(key, func() (any, error) {
		return nil, v.renew(context.WithoutCancel(ctx), i, refused)
	})
	enough := time.NewTimer(patience)
	defer enough.Stop()
	select {
	case <-ctx.Done():
		go v.seeEnd(done)
		return ctx.Err()
	case <-enough.C:
		go v.seeEnd(done)
		return errSlow
	case res := <-done:
		v.running.Done()
		return res.Err
	}
}

// seeEnd waits for the end of a renewal that its caller didn't wait for.
func (v *Vault) seeEnd(done <-chan singleflight.Result) {
	<-done
	v.running.Done()
}

// renew makes the renewal, or waits a moment when another process makes it. Its
// outcome stands in the row; an error is a failure of the store.
func (v *Vault) renew(ctx context.Context, i Identity, refused bool) error {
	s, err := v.app(ctx, i.Service, i.TenantID, i.OwnApp)
	if errors.Is(err, ErrNoOwnApp) {
		if err = v.breakIdentity(ctx, i, BrokenAppRemoved, ""); err == nil || errors.Is(err, stored.ErrLost) {
			return nil // it stands in the row
		}
	}
	if err != nil {
		return err
	}
	if !s.made(i.Grant) {
		return v.otherApp(ctx, i, s)
	}
	if err := v.Keys.Ready(ctx); err != nil { // a refresh token is spent by one call, and what comes must be kept
		return err
	}
	earlier, err := v.Store.StartRenewal(ctx, i.ID, i.Generation, v.owner, v.Lease, refused)
	if errors.Is(err, stored.ErrLost) {
		return pause(ctx, v.Poll)
	}
	if err != nil {
		return err
	}
	held, stop := context.WithCancel(ctx)
	defer stop()
	go v.keepLease(held, stop, i.ID)
	// The row may have changed between the reading and the lease, but not its
	// generation, so that the refresh token is the one that was read.
	err = (&renewal{Vault: v, service: s, row: i, held: held}).run(ctx, earlier)
	if errors.Is(err, stored.ErrLost) {
		return nil // a newer change stands in the row
	}
	return err
}

// keepLease extends the lease while a renewal runs, and calls lost when it went
// to somebody else or ended by a newer change.
func (v *Vault) keepLease(ctx context.Context, lost func(), id string) {
	for pause(ctx, v.Lease/3) == nil {
		if err := v.Store.ExtendRenewal(ctx, id, v.owner, v.Lease); errors.Is(err, stored.ErrLost) {
			lost()
			return
		}
	}
}

// renewal is one renewal under its lease.
type renewal struct {
	*Vault
	service Service
	row     Identity
	held    context.Context // ends with the lease
	asked   time.Time       // when the service was called
	doubt   bool            // an earlier call may have rotated the token, and nobody can tell
}

// run settles an earlier call whose outcome nobody recorded, then calls, and
// records what came of it.
func (r *renewal) run(ctx context.Context, earlier time.Time) error {
	if !r.service.ownURL(r.row.LoginURL) { // it was taken back: neither token nor secret is for it
		err := r.failedFor(ctx, CodeUnreachable, !earlier.IsZero(), nil, max(nextRetry(r.row), r.unsettled(earlier)))
		if err != nil || !r.row.OwnApp || !r.service.SelfManaged {
			return err
		}
		return r.broken(ctx, BrokenAppRemoved)
	}
	token, err := r.openNow(ctx, r.row, r.openRefresh)
	if errors.Is(err, seal.ErrSealed) {
		return r.broken(ctx, BrokenSealed)
	}
	if err != nil {
		return err
	}
	if access, only := accessOnly(token); only {
		return r.unrenewable(ctx, access)
	}
	if !earlier.IsZero() {
		if wait := r.unsettled(earlier); wait > 0 {
			return r.leave(ctx, earlier, wait)
		}
		if free, err := r.settle(ctx, token, earlier); err != nil || !free {
			return err
		}
		if err := r.Store.RestartCall(ctx, r.row.ID, r.row.Generation, r.owner); err != nil {
			return err
		}
	}
	r.asked = r.Now()
	a, err := r.client.refresh(ctx, r.service, r.row.LoginURL, token)
	var refused *OAuthError
	switch {
	case err == nil:
		return r.finished(ctx, a, token)
	case errors.Is(err, errNotSent):
		return r.failed(ctx, CodeUnreachable, false, err)
	case errors.As(err, &refused):
		return r.refused(ctx, token, refused)
	}
	return r.unanswered(ctx, CodeUnanswered, err)
}

// leave puts off the settling of a call whose process has lost its lease: it is dead,
// or it was held up, and its call succeeds as soon as one may wait for.
func (r *renewal) leave(ctx context.Context, earlier time.Time, wait time.Duration) error {
	soon := earlier.Add(r.Patience).Sub(r.Now())
	if pause(r.held, min(soon, r.Patience)) != nil {
		return stored.ErrLost
	}
	return r.failedFor(ctx, CodeUnanswered, true, nil, max(wait-max(soon, 0), firstRetry))
}

// unanswered records a call that may have done its work. Where tokens rotate its mark
// stays, and nobody waits: the next try is when it can't be under way any more, and
// begins by settling it; Run makes it when nobody asks. Where they don't, the token is as
// good as before.
func (r *renewal) unanswered(ctx context.Context, code string, cause error) error {
	wait := max(nextRetry(r.row), retryAfter(cause))
	if !r.service.Rotates {
		return r.failedFor(ctx, code, false, cause, wait)
	}
	return r.failedFor(ctx, code, true, cause, max(wait, r.quiet()))
}

// doubtLasts is how long a refresh token that may have been rotated is left alone
// when the service can't be asked about it.
const doubtLasts = time.Minute

// quiet is how long after a call without an answer the service may still be at work on
// it. Where it can't be asked what came of it, a second call is the only way to tell, and
// is made late: two at a time would look like theft, and end the grant.
func (r *renewal) quiet() time.Duration {
	if r.service.IntrospectURL == "" {
		return max(r.Timeout, doubtLasts)
	}
	return r.Timeout
}

// unsettled is how long it takes until an earlier call can be settled. When its end was
// recorded, that time has passed with the try that is made now; a process that was killed
// recorded nothing, and its call ended at the latest with its time-out.
func (r *renewal) unsettled(earlier time.Time) time.Duration {
	if earlier.IsZero() || !r.row.FailedAt.Before(earlier) || !r.service.Rotates {
		return 0
	}
	return min(earlier.Add(r.Timeout).Sub(r.Now()), r.Timeout) + r.quiet() // whatever the clock was set to
}

// unrenewable is run for an access token that nothing renews. It ran out, or
// somebody says that it was refused: a single program's error isn't to end it, as
// long as the service still says whose it is.
func (r *renewal) unrenewable(ctx context.Context, access string) error {
	if r.service.UserinfoURL == "" || runsOut(r.row, r.Now()) {
		return r.broken(ctx, BrokenEnded)
	}
	_, err := r.client.userinfo(ctx, r.service, r.row.LoginURL, access)
	var refused *OAuthError
	switch {
	case errors.As(err, &refused):
		return r.broken(ctx, BrokenEnded)
	case err != nil:
		return r.failed(ctx, CodeUnreachable, false, err)
	}
	g := r.row.Grant
	g.AccessEnds = r.row.ExpiresAt
	return r.storeSealed(ctx, g, tokens{access: access}, func(g Grant) error { return r.Store.FinishRenewal(ctx, g, r.row.Generation) })
}

// settle finds out what became of a call without an answer that can't be under way any
// more: true when another one may be made with its token. Otherwise the row says what is.
//
// Where tokens don't rotate, this one is as good as before. Where the service can't be
// asked, or doesn't tell us, the token has become useless or it hasn't, and only another
// call can tell: most calls without an answer failed before they did anything, as when the
// service is down, and nothing is to be lost by it, since what the first one may have
// brought is known to nobody.
func (r *renewal) settle(ctx context.Context, token string, earlier time.Time) (free bool, err error) {
	if !r.service.Rotates {
		return true, nil
	}
	if r.service.IntrospectURL == "" {
		r.doubt = true
		return true, nil
	}
	alive, err := r.client.introspect(ctx, r.service, r.row.LoginURL, token)
	var untold *untoldError
	late := r.Now().Sub(earlier) >= r.Timeout+doubtLasts
	switch {
	case errors.As(err, &untold) && untold.status != http.StatusUnauthorized && late: // 401 is about the app
		r.doubt = true
		return true, nil
	case err != nil:
		return false, r.failedFor(ctx, CodeUnanswered, true, err, max(nextRetry(r.row), retryAfter(err)))
	case !alive:
		return false, r.broken(ctx, BrokenInterrupted)
	}
	return true, nil
}

// finished stores what a renewal brought. When the store fails it insists, since
// a rotated token exists nowhere else.
func (r *renewal) finished(ctx context.Context, a answer, token string) error {
	g := r.row.Grant
	g.ClientID = r.service.ClientID
	refresh := token
	if a.RefreshToken != "" {
		refresh = a.RefreshToken
	}
	if a.Scope != "" {
		g.Scopes = a.Scope
	}
	g.Native = nativeOf(g.Native, a)
	g.AccessEnds = a.ends(r.asked)
	instance, own := r.service.instance(a.InstanceURL)
	if own {
		g.InstanceURL = instance
	}
	t := tokens{a.AccessToken, refresh}
	err := r.insist(ctx, func() error {
		return r.storeSealed(ctx, g, t, func(g Grant) error { return r.Store.FinishRenewal(ctx, g, r.row.Generation) })
	})
	switch {
	case errors.Is(err, stored.ErrLost) && a.RefreshToken != "" && a.RefreshToken != token:
		return r.revokeLate(ctx, g, t)
	case err != nil:
		return err
	case a.InstanceURL != "" && !own:
		r.row.Generation++
		return r.broken(ctx, BrokenForeign)
	}
	r.learnExpiry(ctx, g.ID)
	r.Log.InfoContext(ctx, "renewed", "identity", r.row.ID, "service", r.service.ID, "tenant", g.TenantID)
	return nil
}

// revokeLate revokes a token that came after its connection had been replaced
// or ended.
func (r *renewal) revokeLate(ctx context.Context, g Grant, t tokens) error {
	var id string
	g.DefinedAt = r.service.definedAt
	err := r.insist(ctx, func() error {
		return r.storeSealed(ctx, g, t, func(g Grant) (err error) {
			id, err = r.Store.AddRevocation(ctx, g)
			return err
		})
	})
	if err != nil {
		r.revokeUnstored(ctx, r.service, g, t.refresh, err)
		return err
	}
	r.tryRevoke(ctx, id)
	return nil
}

// insist calls fn until it succeeds, loses, or a minute has passed.
func (r *renewal) insist(ctx context.Context, fn func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := fn()
		if err == nil || errors.Is(err, stored.ErrLost) {
			return err
		}
		r.Log.ErrorContext(ctx, "a renewed credential can't be stored", "identity", r.row.ID, "error", err)
		if pause(ctx, wait) != nil {
			return err
		}
	}
}

func (r *renewal) failed(ctx context.Context, code string, unknown bool, cause error) error {
	return r.failedFor(ctx, code, unknown, cause, nextRetry(r.row))
}

// failedFor is failed with the time until the next try.
func (r *renewal) failedFor(ctx context.Context, code string, unknown bool, cause error, wait time.Duration) error {
	r.Log.WarnContext(ctx, "a renewal failed in passing", "identity", r.row.ID, "code", code, "unknown", unknown, "error", cause)
	err := r.Store.FailRenewal(ctx, r.row.ID, r.row.Generation, r.owner, code, r.Now().Add(wait), unknown)
	if err == nil {
		r.noteIdentity(ctx, stored.EventRenewFailed, r.row.Grant, code)
	}
	return err
}

// nextRetry is how long to wait after a failure: twice as long as last time.
func nextRetry(i Identity) time.Duration {
	if i.FailedAt.IsZero() {
		return firstRetry
	}
	return min(max(2*i.RetryAt.Sub(i.FailedAt), firstRetry), lastRetry)
}

// refused does what the service's refusal means.
func (r *renewal) refused(ctx context.Context, token string, refused *OAuthError) error {
	said := r.service.judge(refused)
	switch said.Verdict {
	case Final:
		return r.ended(ctx, said)
	case OfApp:
		return r.appRefused(ctx, r.service.code(said.Reason))
	case AskFirst:
		if r.isOver(ctx, token) {
			return r.ended(ctx, said)
		}
	case InDoubt:
		return r.unanswered(ctx, said.Reason, refused)
	}
	return r.failedFor(ctx, said.Reason, false, refused, max(nextRetry(r.row), said.Wait, retryAfter(refused)))
}

// isOver is client.isOver; a service that gives no answer is asked again later.
func (r *renewal) isOver(ctx context.Context, token string) bool {
	over, err := r.client.isOver(ctx, r.service, r.row.LoginURL, token)
	if err != nil {
		r.Log.WarnContext(ctx, "whether a grant is over is not known", "identity", r.row.ID, "error", err)
	}
	return over
}

// ended breaks the connection.
func (r *renewal) ended(ctx context.Context, said Refusal) error {
	code := said.Reason
	if r.doubt {
		code = BrokenInterrupted
	}
	return r.broken(ctx, code)
}

// appRefused keeps the connection: it is as good as before once the app is, which its
// owner mends here or at the service, so that it is tried again by and by. When the
// app's settings were mended while the call was under way, that is at once.
func (r *renewal) appRefused(ctx context.Context, code string) error {
	if err := r.failed(ctx, code, r.doubt, nil); err != nil {
		return err
	}
	now, err := r.app(ctx, r.service.ID, r.row.TenantID, r.row.OwnApp)
	if errors.Is(err, ErrNoOwnApp) {
		return nil
	}
	if err != nil || now.ClientID == r.service.ClientID && now.ClientSecret == r.service.ClientSecret {
		return err
	}
	if r.row.OwnApp {
		return r.retryOwnApp(ctx, r.service.ID, r.row.TenantID)
	}
	return r.RetryApp(ctx, r.service.ID)
}

func (r *renewal) broken(ctx context.Context, code string) error {
	owner := r.owner
	if code == BrokenForeign || code == BrokenAppRemoved {
		owner = "" // what came of the renewal was stored, and the lease given back
	}
	return r.breakIdentity(ctx, r.row, code, owner)
}

// breakIdentity marks a connection as dead, provided that owner, unless empty,
// holds its lease. stored.ErrLost: it doesn't, or the connection has changed.
func (v *Vault) breakIdentity(ctx context.Context, i Identity, code, owner string) error {
	if err := v.Store.BreakIdentity(ctx, i.ID, i.Generation, code, owner); err != nil {
		return err
	}
	v.noteIdentity(ctx, stored.EventBroken, i.Grant, code)
	v.Log.ErrorContext(ctx, "a connection is broken", "identity", i.ID, "service", i.Service, "tenant", i.TenantID, "code", code)
	return nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
