package routes_test

import (
	"testing"
	"time"

	"gatepost/db"
)

func (w *world) trouble(slug string, kind db.IncidentKind, cause string) {
	w.t.Helper()
	t := db.Trouble{TenantID: w.tenant(slug).ID, Kind: kind, Cause: cause, N: 12, Since: time.Now()}
	if err := w.store.OpenIncident(w.t.Context(), t, time.Now(), false); err != nil {
		w.t.Fatal(err)
	}
}

func TestTroubleIsShown(t *testing.T) {
	t.Parallel()
	w := open(t)
	b, others := w.as(john, "contoso"), w.as(ann, "fabrikam")
	b.get("/integrations").is(200).hasNot("have been waiting for long")
	w.trouble("contoso", db.IncidentWaiting, "UNAVAILABLE")
	w.trouble("contoso", db.IncidentBroken, "invalid_grant")
	b.get("/integrations").is(200, "Sign-ups have been waiting for long", "12 sign-ups wait", "Salesforce did not answer").hasNot("Salesforce is disconnected")
	others.get("/integrations").is(200).hasNot("have been waiting for long")
	if _, err := w.store.Writer().Exec(`UPDATE incidents SET mended_at = 1`); err != nil {
		t.Fatal(err)
	}
	b.get("/integrations").is(200).hasNot("have been waiting for long")
}

func TestMailsOfTroubleCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	w := open(t, mailing)
	b, others := w.as(john, "contoso"), w.as(max, "contoso")
	b.get("/account").is(200, "Write to me", "checked")
	b.submit("/account/mails").to("/account")
	b.get("/account").is(200, "no more mails").hasNot("checked")
	others.get("/account").is(200, "checked")
	b.submit("/account/mails", "incidents", "on").to("/account")
	b.get("/account").is(200, "From now on we write", "checked")
	open(t).as(john, "contoso").get("/account").is(200).hasNot("Write to me") // no mail is sent
}
