package identity

import (
	"cmp"
	"slices"
)

// Connection is a service as it concerns a tenant, and the tenant's own connection to
// it.
type Connection struct {
	Listed
	OwnApp        bool      // the tenant has an app of its own there
	Identity      *Identity // nil when it is not connected
	Held          *Held     // nil when nothing waits to be confirmed
	OrgUse        OrgUse    // of the org that waits to be confirmed
	Code          string    // why it is dead, or can't be renewed for now, as this process knows it; empty when it is in order
	Dead          bool
	Approvals     int           // alive by the user who approved it, as far as Gatepost knows, of all tenants that share the app
	ApprovalLimit int           // how many the service keeps: one more ends the oldest; 0 for any number
	MissingScopes []string      // that the settings ask for by now and weren't granted; not told of one made with an app of the tenant's own
	Unrevoked     int           // refresh tokens that have yet to be revoked
	Ended         Disconnection // when it was given up last; the zero one when it never was
}

// Concerns reports whether the service is one that the operator has configured, or that
// the tenant has set up by itself or is connected to.
func (c Connection) Concerns() bool {
	return c.App != "" || c.OwnApp || c.Identity != nil || c.Held != nil
}

// Connections tells what was read of a tenant's connections: all services, the main
// one first.
func (v *Vault) Connections(read StoredConnections) ([]Connection, error) {
	listed, err := v.listed(read.Definitions, read.Settings)
	if err != nil {
		return nil, err
	}
	all := make([]Connection, len(listed))
	for i, l := range listed {
		c := Connection{Listed: l, OwnApp: read.Apps[l.ID], OrgUse: read.OrgUse[l.ID], Unrevoked: read.Revocations[l.ID], Ended: read.Ended[l.ID]}
		if connected, ok := read.Identities[l.ID]; ok {
			c.Identity = &connected
			s := l.with(read.Settings[l.ID])
			c.Code, c.Dead = s.trouble(connected)
			if !connected.OwnApp {
				c.MissingScopes = s.lacking(connected)
			}
			if l.MaxApprovals > 0 && connected.RemoteUserID != "" {
				c.Approvals, c.ApprovalLimit = read.Approvals[l.ID], l.MaxApprovals
			}
		}
		if held, ok := read.Held[l.ID]; ok && v.Now().Before(held.ExpiresAt) {
			c.Held = &held
		}
		all[i] = c
	}
	return all, nil
}

// Troubled are the connections that are dead, and after them those whose last renewal
// failed; the main one's first among each, then the one that did last.
func Troubled(all []Connection) []Connection {
	troubled := slices.DeleteFunc(slices.Clone(all), func(c Connection) bool {
		return c.Identity == nil || c.Identity.BrokenAt.IsZero() && c.Identity.FailedAt.IsZero()
	})
	slices.SortStableFunc(troubled, func(a, b Connection) int {
		return cmp.Or(compareBool(!a.Dead, !b.Dead), -compareBool(a.Main, b.Main),
			b.Identity.BrokenAt.Compare(a.Identity.BrokenAt), b.Identity.FailedAt.Compare(a.Identity.FailedAt))
	})
	return troubled
}
