package memstore_test

import (
	"testing"
	"time"

	"gatepost/identity/memstore"
	"gatepost/identity/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Opened {
		now := time.Now
		tenants := [2]string{"contoso", "fabrikam"}
		return storetest.Opened{Store: memstore.New(func() time.Time { return now() }), Tenants: tenants, Slugs: tenants, Clock: func(clock func() time.Time) { now = clock }}
	})
}
