package identity

import (
	"context"
	"errors"
	"time"

	"gatepost/identity/stored"
)

// otherAppRetry is how long callers wait for a process that has the right app: it
// renews what the others then can use.
const otherAppRetry = 30 * time.Second

// made reports whether a grant was made with the app that the service is called with
// here, as far as is known.
func (s Service) made(g Grant) bool { return g.ClientID == "" || g.ClientID == s.ClientID }

// otherApp is renew for a connection that was made with another app than s has. One
// that was stored is that of all processes: the connection is dead, and marked so. One
// of the environment may be this process's alone, in the middle of a change or by
// mistake: nothing is changed or called then, and another process, or a restart, goes
// on.
func (v *Vault) otherApp(ctx context.Context, i Identity, s Service) error {
	if !s.stored {
		v.tellOtherApp(ctx, i, s)
		return &UnavailableError{Code: CodeOtherApp, RetryAt: v.Now().Add(otherAppRetry)}
	}
	err := v.breakIdentity(ctx, i, BrokenOtherApp, "")
	if errors.Is(err, stored.ErrLost) {
		return nil // a newer change stands in the row
	}
	return err
}

// tellOtherApp logs once, for each pair of apps, that this process can't renew some
// connections.
func (v *Vault) tellOtherApp(ctx context.Context, i Identity, s Service) {
	if _, told := v.otherApps.LoadOrStore([3]string{i.Service, i.ClientID, s.ClientID}, true); told {
		return
	}
	v.Log.ErrorContext(ctx, "connections were made with another app than this process has: it can't renew them. Give it the same client id, or make the new one that of all with gatepost service set",
		"service", i.Service, "made_with", i.ClientID, "client_id", s.ClientID)
}

// MadeWithOtherApp counts the connections that are dead because another app than theirs
// was set: of the tenant's own app, or of the shared one when no tenant is named.
func (v *Vault) MadeWithOtherApp(ctx context.Context, service, tenantID string) (int, error) {
	return v.optional.MadeWithOtherApp(ctx, service, tenantID)
}

// CodeNoApp says that no app is set that a connection could be renewed with.
const CodeNoApp = "no_app"

// trouble returns why a connection is dead, or why it can't be renewed for now, as this
// process knows it; an empty code when it is in order. s is the service with what is set
// of it.
func (s Service) trouble(i Identity) (code string, dead bool) {
	switch {
	case !i.BrokenAt.IsZero():
		return i.BrokenCode, true
	case !i.FailedAt.IsZero():
		return i.FailedCode, false
	case i.OwnApp:
		return "", false
	case s.ClientID == "":
		return CodeNoApp, false
	case !s.made(i.Grant):
		return CodeOtherApp, false
	}
	return "", false
}
