package identity

import (
	"context"
	"errors"
	"time"

	"gatepost/identity/stored"
)

// noteTime bounds the writing of an event that somebody waits for.
const noteTime = 2 * time.Second

// note writes an event of its own. It is best effort: what it tells of has happened, and
// is no different when it can't be told.
func (v *Vault) note(ctx context.Context, e Event) {
	v.noteBy(ctx, EventStore.AddVaultEvent, e)
}

// noteBy is note with the method of the store that writes it.
func (v *Vault) noteBy(ctx context.Context, write func(EventStore, context.Context, Event) error, e Event) {
	if v.events == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	if err := write(v.events, ctx, e); err != nil {
		v.Log.WarnContext(ctx, "the service log lacks an event", "kind", e.Kind, "service", e.Service, "tenant", e.TenantID, "error", err)
	}
}

// noteLater is note for what nobody is to wait for.
func (v *Vault) noteLater(ctx context.Context, e Event) {
	if v.events != nil {
		v.running.Go(func() { v.note(ctx, e) })
	}
}

// noteIdentity is noteLater for something that happened to an identity.
func (v *Vault) noteIdentity(ctx context.Context, kind EventKind, g Grant, code string) {
	v.noteLater(ctx, Event{Kind: kind, Service: g.Service, TenantID: g.TenantID, Identity: g.ID, Code: code})
}

// noteOutcome tells what an authorization came to, unless the store did: what led to an
// identity, or waits to be confirmed, is told with that.
func (v *Vault) noteOutcome(ctx context.Context, h Handshake, outcome error) {
	if outcome == nil || errors.Is(outcome, ErrHeld) {
		return
	}
	o := outcomeOf(outcome)
	code := o.Code
	if code == "" {
		code = o.Kind
	}
	v.noteLater(ctx, Event{Kind: stored.EventRefused, Service: h.Service, TenantID: h.TenantID, Handshake: h.Name(), Code: code})
}

// EventMeanings say what the kinds of events mean, for people.
var EventMeanings = map[EventKind]string{
	stored.EventBegun:        "somebody was sent to the service to authorize",
	stored.EventRefused:      "the authorization came to nothing",
	stored.EventGranted:      "it was granted, and waits for its application to complete it",
	stored.EventDropped:      "its application didn't complete it for whom it was begun, or not in time",
	stored.EventHeld:         "it was granted, and waits to be confirmed",
	stored.EventConnected:    "an identity was stored",
	stored.EventReauthorized: "an identity got a new grant in place of the old one",
	stored.EventRenewed:      "a new access token came",
	stored.EventRenewFailed:  "a renewal failed in passing, and is tried again",
	stored.EventBroken:       "the identity has to be authorized again",
	stored.EventDeleted:      "the identity was deleted here",
	stored.EventForgotten:    "the identity was deleted here without being revoked",
	stored.EventRevocation:   "its token was to be revoked at the service",
	stored.EventCalled:       "the API was called through Gatepost",
}
