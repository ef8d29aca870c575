package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"gatepost/db"
)

func TestServiceLogIsShown(t *testing.T) {
	d, g, environ := connected(t, "https://login.salesforce.com")
	for _, e := range []db.VaultEvent{
		{Kind: db.EventRefused, Service: "hubspot", TenantID: g.TenantID, Handshake: "abc", Code: "access_denied"},
		{Kind: db.EventCalled, Service: "sfdc", TenantID: g.TenantID, Identity: g.ID, Detail: "GET /services/data/ 200"},
		{Kind: db.EventRevocation, Service: "sfdc", TenantID: "wiped", Identity: "gone", Code: "revoked"},
	} {
		if err := d.AddVaultEvent(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, errOut := command(t, "", environ, append([]string{"service", "log"}, args...)...)
		if code != want {
			t.Errorf("%v: exit %d, want %d\n%s%s", args, code, want, out, errOut)
		}
		return out + errOut
	}
	for want, args := range map[string][]string{`no service "acme"`: {"--service", "acme"}, `no tenant "acme"`: {"--tenant", "acme"}} {
		if out := run(1, args...); !strings.Contains(out, want) {
			t.Errorf("%v: no %q in\n%s", args, want, out)
		}
	}
	run(2, "--since", "0s")
	run(2, "--service", "")
	rows := func(args ...string) (rows []eventRow) {
		t.Helper()
		if err := json.Unmarshal([]byte(run(0, append(args, "-o", "json")...)), &rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	all := rows()
	if len(all) != 4 || all[0].Event != db.EventConnected || all[0].Tenant != "contoso" || all[0].Identity != g.ID || all[3].Tenant != "(removed)" || all[3].Code != "revoked" {
		t.Errorf("got %+v", all)
	}
	for _, r := range all {
		if r.Meaning == "" || r.At.IsZero() {
			t.Errorf("an event that says nothing: %+v", r)
		}
	}
	for want, args := range map[int][]string{1: {"--service", "hubspot"}, 3: {"--tenant", "contoso"}, 2: {"--id", g.ID}, 0: {"--service", "zoho"}} {
		if got := rows(args...); len(got) != want {
			t.Errorf("%v: %+v", args, got)
		}
	}
	if got := rows("--since", "1ns"); len(got) != 0 {
		t.Errorf("of the last nanosecond: %+v", got)
	}
	out := run(0)
	for _, want := range []string{"AT", "access_denied", "GET /services/data/ 200", "abc", "came to nothing"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
