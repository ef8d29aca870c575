package stored

import (
	"fmt"
	"time"
)

// ServiceSettings are what the operator set of a service. What is empty is not
// set: the environment's value counts, or the service's own.
type ServiceSettings struct {
	Service      string
	ClientID     string
	SealedSecret string // of the client
	KeyID        uint32 // 0 without a secret
	Scopes       string
	LoginURL     string
	SetAt        time.Time // zero when nothing is set
	DefinedAt    time.Time // only said when it is stored: as a Grant's
}

// ServiceDefinition is a service that the operator has defined.
type ServiceDefinition struct {
	ID         string
	Definition string // JSON
	SetAt      time.Time
}

// ServiceUses is what depends on a service's definition.
type ServiceUses struct {
	Identities int // with what waits to be confirmed or completed, and what is yet to be revoked
	Secrets    int // client secrets that are set: the installation's, and tenants' own
}

// IdentitiesLeftError says that a service can't be removed, since there are
// identities of it.
type IdentitiesLeftError struct {
	N       int
	Waiting int // of them, what waits to be completed by its application, for ten minutes at most
}

// Error says how many.
func (e *IdentitiesLeftError) Error() string {
	return fmt.Sprintf("identities of it are left: %d", e.N)
}

// The codes of connections that broke because of their app.
const (
	AppRefused = "app_refused" // the service doesn't accept the tenant's own; it breaks none any more
	AppRemoved = "app_removed" // the tenant's own
	OtherApp   = "other_app"   // another one is set by now, the shared one or the tenant's own
)

// TenantApp is a tenant's own app at a service.
type TenantApp struct {
	TenantID     string
	Service      string
	ClientID     string
	SealedSecret string
	KeyID        uint32
	Scopes       string // empty for those of the installation
	LoginURL     string // the tenant's own host of the service, empty for the service's
	SetAt        time.Time
	DefinedAt    time.Time // only said when it is stored: as a Grant's
}

// AppCodes are those that saving the app may have mended.
var AppCodes = []string{AppRefused, AppRemoved}
