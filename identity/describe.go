package identity

import (
	"strings"
	"time"
)

// The states of an identity.
const (
	StateOK      = "ok"
	StateFailing = "failing" // its last renewal failed, and is tried again
	StateBroken  = "broken"  // only authorizing it anew helps
)

// Description is what may be told of an identity. It has no field for a secret.
type Description struct {
	ID          string   `json:"id"`
	Service     string   `json:"service"`
	Tenant      string   `json:"tenant"` // slug
	User        string   `json:"user"`
	Account     string   `json:"account"`
	Tags        []string `json:"tags"`
	State       string   `json:"state"` // ok, failing, broken
	OrgID       string   `json:"org_id"`
	OrgName     string   `json:"org_name"`
	Sandbox     bool     `json:"sandbox"`
	InstanceURL string   `json:"instance_url"`
	LoginURL    string   `json:"login_url"`
	Scopes      []string `json:"scopes"`
	// MissingScopes are asked for by now, and weren't granted: authorizing again grants them.
	MissingScopes []string   `json:"missing_scopes"`
	ConnectedBy   string     `json:"connected_by"`
	ClientID      string     `json:"client_id,omitempty"` // of the app that made it; empty for one of an earlier release
	OwnApp        bool       `json:"own_app"`             // made with the tenant's own app, not the shared one
	ConnectedAt   *time.Time `json:"connected_at,omitempty"`
	Generation    int64      `json:"generation"`
	KeyID         uint32     `json:"key_id"`
	UsedAt        *time.Time `json:"used_at,omitempty"`
	RefreshedAt   *time.Time `json:"refreshed_at,omitempty"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`
	KeepAliveAt   *time.Time `json:"keep_alive_at,omitempty"`
	FailedAt      *time.Time `json:"failed_at,omitempty"`
	FailedCode    string     `json:"failed_code,omitempty"`
	FailedClass   string     `json:"failed_class,omitempty"` // permanent, unknown, passing
	RetryAt       *time.Time `json:"retry_at,omitempty"`
	Reason        string     `json:"reason,omitempty"` // why it is broken or failing, in a sentence
	MendedBy      Who        `json:"mended_by,omitempty"`
	Mend          string     `json:"mend,omitempty"` // what they do, in a sentence
}

// describe tells what an identity itself says at a time.
func describe(i NamedIdentity, now time.Time) Description {
	d := Description{
		ID: i.ID, Service: i.Service, Tenant: i.Tenant, User: i.User, Account: i.Account, Tags: append([]string{}, i.Tags...), State: StateOK,
		OrgID: i.OrgID, OrgName: i.OrgName, Sandbox: i.Sandbox,
		InstanceURL: i.InstanceURL, LoginURL: i.LoginURL, Scopes: append([]string{}, strings.Fields(i.Scopes)...), MissingScopes: []string{},
		ConnectedBy: i.ConnectedEmail, ClientID: i.ClientID, OwnApp: i.OwnApp, ConnectedAt: optional(i.ConnectedAt), Generation: i.Generation, KeyID: i.KeyID,
		UsedAt: optional(i.UsedAt), RefreshedAt: optional(i.RefreshedAt), ExpiresAt: optional(i.ExpiresAt),
		FailedAt: optional(i.FailedAt), FailedCode: i.FailedCode,
	}
	switch {
	case !i.BrokenAt.IsZero():
		d.State, d.FailedClass = StateBroken, "permanent"
		d.explain(WhyBroken(i.Service, NameOf(i.Service), i.BrokenCode))
		return d // it is neither tried again nor kept alive
	case !i.FailedAt.IsZero() && !i.CallStartedAt.IsZero():
		d.State, d.FailedClass = StateFailing, "unknown"
	case !i.FailedAt.IsZero():
		d.State, d.FailedClass = StateFailing, "passing"
	}
	if d.State == StateFailing {
		d.explain(WhyFailing(i.Service, NameOf(i.Service), i.FailedCode))
	}
	d.KeepAliveAt = optional(i.KeepAliveAt)
	if now.Before(i.RetryAt) {
		d.RetryAt = optional(i.RetryAt)
	}
	return d
}

func (d *Description) explain(r Reason) { d.Reason, d.MendedBy, d.Mend = r.What, r.Who, r.Mend }

// optional is t in UTC, or nil for the zero time.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
