package db_test

import (
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/identity"
	"gatepost/identity/storetest"
)

// The database has each role that a store may have: of one that it lacked by a slip, a vault would know no better
// than to do without.
var _ interface {
	identity.Store
	identity.UseStore
	identity.HeldStore
	identity.SettingsStore
	identity.TenantAppStore
	identity.DefinitionStore
	identity.AuthorizationStore
	identity.TenantStore
	identity.TransferStore
	identity.PortalStore
	identity.EventStore
	identity.UnhashedStore
	identity.SweptStore
} = (*db.DB)(nil)

// The database is a store as package identity wants one.
func TestStoreOfTheVault(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Opened {
		at := dbtest.Path(t)
		store, clock := dbtest.Open(t, at), time.Now
		var tenants [2]string
		slugs := [2]string{"contoso", "fabrikam"}
		for n, slug := range slugs {
			tenants[n] = db.NewID()
			tenant := db.Tenant{ID: tenants[n], Slug: slug, Name: slug, CreatedAt: time.Now()}
			if err := store.CreateTenant(t.Context(), tenant, db.FirstNewsletter{Slug: slug + "-weekly", Name: slug, Consent: "Yes."}); err != nil {
				t.Fatal(err)
			}
		}
		return storetest.Opened{Store: store, Tenants: tenants, Slugs: slugs, Clock: func(now func() time.Time) { clock = now; store.SetClock(now) },
			Again: func(t *testing.T) identity.Store {
				again := dbtest.Open(t, at)
				again.SetClock(clock)
				return again
			}}
	})
}
