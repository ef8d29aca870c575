package stored

import "time"

// Connections is what is known of a tenant's own connections and of the services that
// they are to, by the service.
type Connections struct {
	Definitions []ServiceDefinition
	Settings    map[string]ServiceSettings
	Apps        map[string]bool // whether the tenant has an app of its own
	Identities  map[string]Identity
	Approvals   map[string]int // by the user who approved the identity, of the same app; those of other tenants that share it included
	Held        map[string]Held
	OrgUse      map[string]OrgUse // of the org that is held
	Revocations map[string]int    // refresh tokens that have yet to be revoked
	Ended       map[string]Disconnection
}

// Disconnection is when a tenant's own connection was given up last, and by whom.
type Disconnection struct {
	At time.Time
	By string // e-mail of the user; empty for the operator, and for one who is gone
}

// OrgUse is who beside a tenant has its org.
type OrgUse struct {
	Others int      // how many tenants
	Names  []string // of those among them that the user who asks is a member of
}
