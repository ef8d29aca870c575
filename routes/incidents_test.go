package routes_test

import (
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
)

func (w *world) trouble(slug string, kind db.IncidentKind, cause string) {
	w.t.Helper()
	t := db.Trouble{TenantID: w.tenant(slug).ID, Kind: kind, About: w.to(slug).DestinationID, Cause: cause, N: 12, Since: time.Now()}
	if err := w.store.OpenIncident(w.t.Context(), t, time.Now(), func([]db.Member) []string { return nil }); err != nil {
		w.t.Fatal(err)
	}
}

// counted makes so many of a tenant's sign-ups stand in a state for a reason.
func (w *world) counted(slug string, state db.State, reason string, n int) {
	w.t.Helper()
	id := w.tenant(slug).ID
	dbtest.WriteCounts(w.t, w.store, `INSERT INTO state_counts (tenant_id, destination_id, newsletter_id, state, n) VALUES ($1, $1, 'more', $2, $3)
		ON CONFLICT (tenant_id, destination_id, newsletter_id, state) DO UPDATE SET n = excluded.n`, id, state, n)
	dbtest.WriteCounts(w.t, w.store, `INSERT INTO reason_counts (tenant_id, destination_id, state, reason, n) VALUES ($1, $1, $2, $3, $4)
		ON CONFLICT (tenant_id, destination_id, state, reason) DO UPDATE SET n = excluded.n`, id, state, reason, n)
}

func TestTroubleIsShown(t *testing.T) {
	t.Parallel()
	w := open(t)
	b, others := w.as(john, "contoso"), w.as(ann, "fabrikam")
	b.get("/integrations").is(200).hasNot("have been waiting for long")
	w.trouble("contoso", db.IncidentWaiting, "UNAVAILABLE")
	w.trouble("contoso", db.IncidentBroken, "invalid_grant")
	b.get("/integrations").is(200).hasNot("have been waiting for long") // none waits any more
	w.counted("contoso", db.Waiting, "UNABLE_TO_LOCK_ROW", 31)
	b.get("/integrations").is(200, "Sign-ups have been waiting for long", "31 sign-ups are waiting", "busy with the same records").hasNot("Salesforce is disconnected", "12 sign-ups")
	others.get("/integrations").is(200).hasNot("have been waiting for long")
	if _, err := w.store.Writer().Exec(`UPDATE incidents SET mended_at = 1`); err != nil {
		t.Fatal(err)
	}
	b.get("/integrations").is(200).hasNot("have been waiting for long")
}
