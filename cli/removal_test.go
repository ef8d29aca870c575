package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/identity"
)

func TestATenantIsRemoved(t *testing.T) {
	d, g, environ := connected(t, "https://login.salesforce.com")
	run := func(want int, in string, args ...string) string {
		t.Helper()
		code, out, errOut := command(t, in, environ, args...)
		if code != want {
			t.Fatalf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
		return out + errOut
	}
	wants := func(out string, wanted ...string) {
		t.Helper()
		for _, want := range wanted {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in %s", want, out)
			}
		}
	}
	for _, typed := range []string{"", "\n", "contosso\n", "Contoso\n", "y\n"} {
		wants(run(1, typed, "tenant", "rm", "contoso"), "Type its slug", "nothing was removed")
	}
	if _, err := d.Identity(t.Context(), "sfdc", g.TenantID); err != nil {
		t.Fatalf("its connection: %v", err)
	}
	wants(run(1, "x\n", "tenant", "rm", "nobody"), `there is no tenant "nobody"`)
	wants(run(1, "", "tenant", "set", "contoso", "--reopen"), "is not closed")

	wants(run(0, "contoso\n", "tenant", "rm", "contoso"), "Closed contoso (Contoso): 1 member", "1 connection", "tries again for a week", "tenant set contoso --reopen")
	if n := dbtest.Pending(t, d, "sfdc", g.TenantID); n != 1 {
		t.Errorf("%d pending revocations", n)
	}
	wants(run(0, "", "tenant", "ls"), "closed, deleted on "+time.Now().Add(identity.WipeAfter).UTC().Format("2006-01-02"))
	wants(run(1, "contoso\n", "tenant", "rm", "contoso"), "closed already", "--now")
	wants(run(1, "", "tenant", "set", "contoso", "--name", "New"), `There is no tenant "contoso"`)
	wants(run(1, "", "tenant", "add", "contoso"), "taken")
	wants(run(1, password, "user", "add", "x@contoso.example", "--tenant", "contoso", "--password-stdin"), "There is no tenant")
	wants(run(1, "", "identity", "ls", "--tenant", "contoso"), "there is no tenant")
	wants(run(1, "", "apikey", "add", "x", "--tenant", "contoso"), "there is no tenant")

	wants(run(0, "", "tenant", "set", "contoso", "--reopen", "--name", "Contoso, Ltd."), "Tenant contoso is now contoso (Contoso, Ltd.)")
	wants(run(0, "", "tenant", "set", "contoso", "--slug", "contoso-ltd"), "is now contoso-ltd")
	wants(run(0, "contoso-ltd\n", "tenant", "rm", "contoso-ltd", "--now"), "Closed contoso-ltd", "Deleted its data: 0 subscribers, 1 user")
	if _, err := d.AnyTenantBySlug(t.Context(), "contoso-ltd"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("it is there: %v", err)
	}
	if n := dbtest.Pending(t, d, "sfdc", g.TenantID); n != 1 {
		t.Errorf("%d revocations outlive it", n)
	}
	wants(run(0, "", "tenant", "ls", "-o", "json"), "[]")
}

// The operator says how much a tenant may take up, each limit by itself, and pauses it.
func TestATenantIsLimited(t *testing.T) {
	_, _, environ := connected(t, "https://login.salesforce.com")
	for _, c := range []struct {
		code       int
		args, want string
	}{
		{2, "contoso", "--mails-per-hour, --sign-ups-per-minute or --reopen"},
		{2, "contoso --mails-per-hour -1", "--mails-per-hour takes a number from 1 on, or 0"},
		{2, "contoso --sign-ups-per-minute many", "invalid argument"},
		{2, "contoso --sign-ups-per-minute 5 --reopen", "reopen first"},
		{1, "contoso --sign-ups-per-minute 10000001", "10000000 at most"},
		{1, "nobody --mails-per-hour 5", `There is no tenant "nobody"`},
		{0, "contoso --mails-per-hour 500", "Tenant contoso: 500 confirmation mails an hour, 6,000 sign-ups a minute. Mails that wait are counted anew.\n"},
		{0, "contoso --sign-ups-per-minute 70 --name Contoso,Ltd.", "Tenant contoso: 500 confirmation mails an hour, 70 sign-ups a minute.\nTenant contoso is now contoso (Contoso,Ltd.)"},
		{0, "contoso --mails-per-hour 0", "Tenant contoso: 3,000 confirmation mails an hour, 70 sign-ups a minute."},
		{0, "contoso --paused", "and no confirmation mails leave"},
	} {
		code, out, errOut := command(t, "", environ, append([]string{"tenant", "set"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(out+errOut, c.want) {
			t.Errorf("%s: exit %d\n%s%s", c.args, code, out, errOut)
		}
	}
	if _, out, _ := command(t, "", environ, "tenant", "ls", "-o", "json"); !strings.Contains(out, `"mails_per_hour": 3000`) || !strings.Contains(out, `"sign_ups_per_minute": 70`) || !strings.Contains(out, "paused_at") {
		t.Error(out)
	}
	if code, out, _ := command(t, "", environ, "tenant", "set", "--help"); code != 0 || strings.Contains(out, "default -1") || !strings.Contains(out, "3000 and 6000 unless set") {
		t.Error(out)
	}
}

func TestAUserIsRemoved(t *testing.T) {
	d, _, environ := connected(t, "https://login.salesforce.com")
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, errOut := command(t, password, environ, args...)
		if code != want {
			t.Fatalf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
		return out + errOut
	}
	run(0, "tenant", "add", "fabrikam")
	run(0, "user", "add", "john@contoso.example", "--tenant", "fabrikam")
	for _, c := range []struct {
		code int
		args string
		want string
	}{
		{1, "rm nobody@contoso.example --yes", "there is no user nobody@contoso.example"},
		{1, "rm john@contoso.example", "--yes"},
		{1, "rm john@contoso.example --tenant nobody --yes", `There is no tenant "nobody"`},
		{0, "rm John@Contoso.example --tenant fabrikam --yes", "Removed john@contoso.example from fabrikam."},
		{1, "rm john@contoso.example --tenant fabrikam --yes", "doesn't belong to fabrikam"},
		{0, "rm john@contoso.example --yes", "belonged to contoso.\nNobody can log in to contoso any more"},
		{1, "rm john@contoso.example --yes", "there is no user"},
	} {
		if out := run(c.code, append([]string{"user"}, strings.Fields(c.args)...)...); !strings.Contains(out, c.want) {
			t.Errorf("%s: %s", c.args, out)
		}
	}
	if i, err := d.Identities(t.Context(), db.Selector{}, "", 10); err != nil || len(i) != 1 || i[0].ConnectedEmail != "" {
		t.Errorf("the tenant's connection stays: %+v, %v", i, err)
	}
	if out := run(0, "identity", "get", "sfdc", "contoso"); !strings.Contains(out, "CONNECTED BY") {
		t.Error(out)
	}
}

// A state is one row: commands that count subscribers count those in one that is added.
func TestCommandsCountAnAddedState(t *testing.T) {
	t.Cleanup(db.AddState(db.StateInfo{State: "held", Delivery: true, Label: "Held", Tone: "calm", Icon: "off"}))
	d, g, environ := connected(t, "https://login.salesforce.com")
	letters, err := d.Newsletters(t.Context(), g.TenantID)
	if err != nil || len(letters) == 0 {
		t.Fatalf("newsletters %v, %v", letters, err)
	}
	stored, err := d.AddSignUps(t.Context(), []db.SignUp{{TenantID: g.TenantID, NewsletterID: letters[0].ID, Email: "jane@example.com", EmailKey: "jane@example.com", At: time.Now()}})
	lease := db.Lease{DestinationKey: db.DestinationKey{TenantID: g.TenantID, DestinationID: g.TenantID}, Owner: "test"}
	err = errors.Join(err, d.TakeLease(t.Context(), lease), d.RecordOutcomes(t.Context(), lease, []db.Outcome{{SubscriberID: stored[0].ID, State: "held"}}))
	if sums, failed := d.Sums(t.Context(), g.TenantID); err != nil || failed != nil || sums.Destinations[g.TenantID][db.State("held")] != 1 {
		t.Fatalf("sums %v, %v, %v", sums, err, failed)
	}
	code, out, errOut := command(t, "contoso\n", environ, "tenant", "rm", "contoso", "--now")
	if code != 0 || !strings.Contains(out, "1 subscriber,") || !strings.Contains(out, "Deleted its data: 1 subscriber,") {
		t.Errorf("exit %d: %s%s", code, out, errOut)
	}
}
