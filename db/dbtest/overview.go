package dbtest

import (
	"testing"

	"gatepost/db"
)

// Pending is how many refresh tokens of a tenant have yet to be revoked at a service.
func Pending(t testing.TB, d *db.DB, service, tenantID string) int {
	t.Helper()
	o, err := d.Overview(t.Context(), tenantID, "", "")
	if err != nil {
		t.Fatal(err)
	}
	return o.Connections.Revocations[service]
}
