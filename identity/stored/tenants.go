package stored

import "time"

// Tenant is a customer organisation.
type Tenant struct {
	ID        string
	Slug      string
	Name      string
	CreatedAt time.Time
	ClosedAt  time.Time // zero while it is open
	WipeAt    time.Time // when the data of a closed one is deleted
	PausedAt  time.Time // since when its forms take no sign-ups; zero when they do
	Limits    TenantLimits
}

// TenantLimits are how much a tenant may take up of the installation, so that others notice nothing of it.
type TenantLimits struct {
	MailsPerHour     int // confirmation mails that leave in an hour; 0 for the usual number
	SignUpsPerMinute int // sign-ups that all its public forms take in a minute; 0 for the usual number
}

// KeepLimit stands for a limit that isn't to be changed.
const KeepLimit = -1

// FirstNewsletter is the newsletter that a tenant is born with.
type FirstNewsletter struct {
	Slug    string
	Name    string
	Consent string // the words that a reader agrees to
}

// NewTenant is a tenant to be, with its first newsletter.
type NewTenant struct {
	Tenant
	Newsletter FirstNewsletter
}

// Arrival is an identity that comes from another installation.
type Arrival struct {
	Grant
	Replaces   int64  // generation of the row with its id that it takes the place of, 0 when it is new
	SameGrant  bool   // what it replaces is the same authorization, which must not be revoked
	ApprovedBy string // address of the user who connected it: one of the tenant's here, or nobody

	ConnectedAt, RefreshedAt time.Time
	BrokenAt                 time.Time // zero when it is in order
	BrokenCode               string
}

// Closing is what closing a tenant ended.
type Closing struct {
	Sessions    int       // log-ins of people who belong to no other tenant
	Members     int       // people who belong to it
	APIKeys     int       // keys that were for it alone
	Subscribers int       // that wait to be wiped, by the kept counts
	Deleted     []Deleted // its connections, each with the revocation of its token
}
