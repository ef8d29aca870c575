package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"gatepost/identity/stored"
)

// ErrUnderWay says that a callback was opened twice, and that the first visit still
// waits for the service.
var ErrUnderWay = errors.New("the authorization is being finished")

// The kinds of outcomes, as they are stored.
const (
	outcomeConnected   = "connected"
	outcomeHeld        = "held"
	outcomeChanged     = "changed"
	outcomeUnreachable = "unreachable"
	outcomeRefused     = "refused" // by the service, or by one of our codes
)

// ownCodes are those of an OAuthError that no service said. What a service says in
// these words becomes CodeUnknown.
var ownCodes = []string{CodeNoRefreshToken, CodeMissingScope, CodeForeignHost, CodeOtherOrg, CodeInterrupted, CodeFailed, CodeUnknown,
	BrokenAppRemoved, BrokenAppRefused, BrokenOtherApp}

// FromService reports whether the code is one that the service said, rather than one
// of ours.
func (e *OAuthError) FromService() bool { return !slices.Contains(ownCodes, e.Code) }

// Ended is an authorization that came to its end.
type Ended struct {
	TenantID string
	Err      error // as Finish had it: nil when it led to a connection
}

// LastEnded returns what the session ended last at a service, while that is kept; nil
// for nothing.
func (v *Vault) LastEnded(ctx context.Context, service, sessionID string) (*Ended, error) {
	o, tenant, err := v.optional.LastOutcome(ctx, service, sessionID)
	if errors.Is(err, stored.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Ended{TenantID: tenant, Err: outcomeError(o)}, nil
}

// outcomeOf turns what Finish has come to into what is stored of it.
func outcomeOf(err error) HandshakeOutcome {
	var refused *OAuthError
	var unreachable *UnreachableError
	switch {
	case err == nil:
		return HandshakeOutcome{Kind: outcomeConnected}
	case errors.Is(err, ErrHeld):
		return HandshakeOutcome{Kind: outcomeHeld}
	case errors.Is(err, ErrChanged):
		return HandshakeOutcome{Kind: outcomeChanged}
	case errors.As(err, &refused):
		return HandshakeOutcome{Kind: outcomeRefused, Code: refused.Code, Said: refused.Description}
	case errors.As(err, &unreachable):
		return HandshakeOutcome{Kind: outcomeUnreachable}
	}
	return HandshakeOutcome{Kind: outcomeRefused, Code: CodeFailed}
}

// outcomeError is the opposite of outcomeOf.
func outcomeError(o HandshakeOutcome) error {
	switch o.Kind {
	case outcomeConnected:
		return nil
	case outcomeHeld:
		return ErrHeld
	case outcomeChanged:
		return ErrChanged
	case outcomeUnreachable:
		return &UnreachableError{Cause: errors.New("as an earlier visit found")}
	}
	return &OAuthError{Code: o.Code, Description: o.Said}
}

// finishTime bounds what Finish does with a code.
func (v *Vault) finishTime() time.Duration { return 4 * v.Timeout }

// awaitOutcome is what Finish says of a callback whose code was taken before: a
// browser opens an address in advance, or again when one goes back. It waits for the
// visit that took the code, no longer than a call to the service.
func (v *Vault) awaitOutcome(ctx context.Context, h Handshake) error {
	for begun := time.Now(); h.Outcome.Kind == ""; {
		switch {
		case v.Now().After(h.TakenAt.Add(v.finishTime() + v.Poll)):
			return &OAuthError{Code: CodeInterrupted} // its process is gone
		case time.Since(begun) >= v.Timeout:
			return ErrUnderWay
		}
		if err := pause(ctx, v.Poll); err != nil {
			return err
		}
		var err error
		if h, err = v.Store.Handshake(ctx, h.Service, h.StateHash, h.SessionID); err != nil {
			return noHandshake(err)
		}
	}
	return outcomeError(h.Outcome)
}

func noHandshake(err error) error {
	if errors.Is(err, stored.ErrNotFound) {
		return ErrHandshake
	}
	return err
}

// takenMeanwhile is awaitOutcome for a handshake that another visit took just now.
func (v *Vault) takenMeanwhile(ctx context.Context, h Handshake) error {
	h, err := v.Store.Handshake(ctx, h.Service, h.StateHash, h.SessionID)
	if err != nil {
		return noHandshake(err)
	}
	return v.awaitOutcome(ctx, h)
}

// endHandshake records what became of a handshake that was taken.
func (v *Vault) endHandshake(ctx context.Context, h Handshake, outcome error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.Timeout)
	defer cancel()
	if err := v.Store.EndHandshake(ctx, h, outcomeOf(outcome)); err != nil {
		v.Log.ErrorContext(ctx, "what became of an authorization can't be recorded", "service", h.Service, "tenant", h.TenantID, "error", err)
	}
	v.noteOutcome(ctx, h, outcome)
}

// refuse records a refusal that came before there was a code, and returns it.
func (v *Vault) refuse(ctx context.Context, h Handshake, refused *OAuthError) error {
	err := v.Store.RefuseHandshake(ctx, h, outcomeOf(refused))
	if errors.Is(err, stored.ErrLost) {
		return v.takenMeanwhile(ctx, h)
	}
	if err != nil {
		return err
	}
	v.noteOutcome(ctx, h, refused)
	return refused
}
