package routes_test

import (
	"testing"
	"time"

	"gatepost/identity"
)

// connection makes Contoso's connection one that died, or whose renewal fails, with a
// code, and somebody wait for it.
func (w *world) connection(dead bool, code string) (waiting string) {
	w.t.Helper()
	exec := func(query string, args ...any) {
		w.t.Helper()
		if _, err := w.store.Writer().Exec(query, args...); err != nil {
			w.t.Fatal(err)
		}
	}
	tenant, now, broken, later := w.tenant("contoso").ID, time.Now().UnixMilli(), int64(0), time.Now().Add(time.Hour).UnixMilli()
	brokenCode, paused := "", "unavailable"
	if dead {
		broken, brokenCode, paused = now, code, "broken"
	}
	exec(`INSERT INTO pauses (destination_id, tenant_id, reason, detail, tries, batch, until, since) VALUES ($1, $1, $2, '', 1, 0, $3, 0)
		ON CONFLICT (destination_id) DO UPDATE SET reason = excluded.reason, until = excluded.until`, tenant, paused, later)
	exec(`UPDATE destinations SET service = 'sfdc' WHERE tenant_id = $1`, tenant)
	exec(`DELETE FROM identities`)
	exec(`INSERT INTO identities (id, service, tenant_id, generation, sealed_access, sealed_refresh, key_id, login_url, instance_url, org_id, org_name, sandbox, remote_user_id, scopes,
		connected_by, connected_at, refreshed_at, client_id, stale, broken_at, broken_code, failed_at, failed_code, retry_at)
		VALUES ('i', 'sfdc', $1, 1, '', '', 0, '', '', '00D', 'Contoso', 0, '', '', '', 1, 1, $2, 1, $3, $4, $5, $6, $7)`,
		tenant, clientID, broken, brokenCode, now, code, later)
	id := w.someone("contoso", "reader@contoso.test")
	exec(`UPDATE deliveries SET reason = $1, due_at = $2`, paused, later)
	return id
}

// Wherever a connection's state is shown, it says why it is dead or can't be renewed, and
// who must do what: of each kind of code, on each page.
func TestWhyIsToldEverywhere(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	for _, dead := range []bool{false, true} {
		for _, code := range []string{"OAUTH_APP_BLOCKED", "OAUTH_EC_APP_NOT_FOUND", "inactive_user", "invalid_grant", "invalid_client", "unreachable", "app_refused", "other_app", "WEIRD_CODE"} {
			id := w.connection(dead, code)
			why := identity.WhyFailing("sfdc", "Salesforce", code)
			if dead {
				why = identity.WhyBroken("sfdc", "Salesforce", code)
			}
			for _, path := range []string{"/integrations", "/integrations/sfdc/card", "/integrations/sfdc", "/integrations/sfdc/live", "/integrations/sfdc/checkup", "/newsletter/signup?sample=" + id} {
				b.get(path).is(200, why.What, why.Mend)
			}
			b.get("/subscribers/"+id).is(200, why.What)
			pill := "Can’t be renewed"
			if dead {
				pill = "Connection lost"
			}
			b.get("/integrations/sfdc/card").is(200, pill)
			banner := b.get("/account")
			if why.Who == identity.Nobody {
				banner.is(200).hasNot(why.What)
			} else {
				banner.is(200, why.What, why.Mend)
			}
			w.as(ann, "fabrikam").get("/integrations").is(200).hasNot(why.What)
		}
	}
}

func TestAPISaysWhoMustDoWhat(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	all := a.key(nil, nil, "read")
	id := a.ids["contoso"][1]
	for code, who := range map[string]string{"OAUTH_APP_BLOCKED": "service_admin", "invalid_client": "operator", "unreachable": "nobody"} {
		if _, err := a.store.Writer().Exec(`UPDATE identities SET stale = 1, failed_at = 1, failed_code = $2, retry_at = $3 WHERE id = $1`, id, code, time.Now().Add(time.Hour).UnixMilli()); err != nil {
			t.Fatal(err)
		}
		got := a.call(all, "GET", "/identities/{id}/token", "/identities/"+id+"/token", "").is(503, "unavailable")
		if got.fields["reason"] != code || got.fields["mended_by"] != who {
			t.Errorf("%s: %s", code, got.text)
		}
	}
	if _, err := a.store.Writer().Exec(`UPDATE identities SET broken_at = 1, broken_code = 'inactive_user' WHERE id = $1`, id); err != nil {
		t.Fatal(err)
	}
	if got := a.call(all, "GET", "/identities/{id}/token", "/identities/"+id+"/token", "").is(409, "reauthorize"); got.fields["mended_by"] != "service_admin" {
		t.Error(got.text)
	}
	a.call(all, "GET", "/identities", "/identities?service=sfdc", "").is(200, "")
}
