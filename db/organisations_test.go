package db

import (
	"errors"
	"testing"
	"time"
)

func TestOrganisation(t *testing.T) {
	d := open(t)
	u, tenant := member(t, d, "one")
	stored := func(want Organisation) {
		t.Helper()
		o, err := d.Organisation(t.Context(), tenant.ID)
		o.SetAt = o.SetAt.UTC()
		if err != nil || o != want {
			t.Errorf("%+v, %v, want %+v", o, err, want)
		}
	}
	stored(Organisation{Name: tenant.Name, TimeZone: "UTC"})
	now := time.Date(2026, 3, 4, 10, 30, 0, 0, time.UTC)
	d.SetClock(func() time.Time { return now })
	if err := d.SetOrganisation(t.Context(), tenant.ID, u.ID, Organisation{Name: "Contoso Ltd", TimeZone: "Europe/Berlin", City: "Munich"}); err != nil {
		t.Fatal(err)
	}
	stored(Organisation{"Contoso Ltd", "Europe/Berlin", "Munich", now, u.Email})
	// The operator renames it.
	renamed, err := d.TenantBySlug(t.Context(), tenant.Slug)
	if err != nil {
		t.Fatal(err)
	}
	renamed.Name, now = "Contoso AG", now.Add(time.Hour)
	if err := d.SetTenant(t.Context(), renamed); err != nil {
		t.Fatal(err)
	}
	stored(Organisation{"Contoso AG", "Europe/Berlin", "Munich", now, ""})
	// Whoever set it is gone.
	if err := d.SetOrganisation(t.Context(), tenant.ID, "gone", Organisation{Name: "C", TimeZone: "UTC"}); err != nil {
		t.Fatal(err)
	}
	stored(Organisation{"C", "UTC", "", now, ""})
	if _, err := d.CloseTenant(t.Context(), tenant.ID, now); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{tenant.ID, "nobody"} {
		if _, err := d.Organisation(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
		if err := d.SetOrganisation(t.Context(), id, u.ID, Organisation{Name: "D", TimeZone: "UTC"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s is set: %v", id, err)
		}
	}
}

func TestMailChoice(t *testing.T) {
	d := open(t)
	u, tenant := member(t, d, "one")
	_, other := member(t, d, "other")
	chosen := func(want MailChoice) {
		t.Helper()
		if choice, err := d.MailChoice(t.Context(), tenant.ID, u.ID); choice != want || err != nil {
			t.Errorf("%q, %v, want %q", choice, err, want)
		}
	}
	chosen(MailsAtOnce)
	// What a process of the release before stores holds until something is chosen.
	for was, want := range []MailChoice{MailsNever, MailsAtOnce} {
		if _, err := d.write.Exec(`UPDATE users SET incident_mails = $2 WHERE id = $1`, u.ID, was); err != nil {
			t.Fatal(err)
		}
		chosen(want)
	}
	for _, choice := range MailChoices() {
		if err := d.SetMailChoice(t.Context(), tenant.ID, u.ID, choice); err != nil {
			t.Fatal(err)
		}
		chosen(choice)
	}
	if _, err := d.MailChoice(t.Context(), other.ID, u.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("no member: %v", err)
	}
	if err := d.SetMailChoice(t.Context(), other.ID, u.ID, MailsDaily); !errors.Is(err, ErrNotFound) {
		t.Errorf("no member: %v", err)
	}
}

// A process of the release before mails by the user alone: it mails to whom any of their
// organisations is to be mailed of at once, and to nobody else.
func TestMailChoicesForOlderProcesses(t *testing.T) {
	d := open(t)
	u, tenant := member(t, d, "one")
	_, other := member(t, d, "other")
	_, third := member(t, d, "third")
	if err := d.AddMember(t.Context(), u.ID, other.ID, noon); err != nil {
		t.Fatal(err)
	}
	choose := func(of Tenant, choice MailChoice) {
		t.Helper()
		if err := d.SetMailChoice(t.Context(), of.ID, u.ID, choice); err != nil {
			t.Fatal(err)
		}
	}
	is := func(what string, older int, want ...MailChoice) {
		t.Helper()
		if n := number(t, d, `SELECT incident_mails FROM users WHERE id = $1`, u.ID); n != older {
			t.Errorf("%s: an older process reads %d, want %d", what, n, older)
		}
		for i, tenant := range []Tenant{tenant, other, third}[:len(want)] {
			if choice, err := d.MailChoice(t.Context(), tenant.ID, u.ID); choice != want[i] || err != nil {
				t.Errorf("%s: %s has %q, %v, want %q", what, tenant.Name, choice, err, want[i])
			}
		}
	}
	choose(tenant, MailsNever)
	is("one is never", 1, MailsNever, MailsAtOnce)
	choose(other, MailsDaily)
	is("no mails at once", 0, MailsNever, MailsDaily)
	if err := d.AddMember(t.Context(), u.ID, third.ID, noon); err != nil {
		t.Fatal(err)
	}
	is("a new one", 1, MailsNever, MailsDaily, MailsAtOnce)
	if err := d.RemoveMember(t.Context(), u.ID, third.ID); err != nil {
		t.Fatal(err)
	}
	is("the new one is gone", 0, MailsNever, MailsDaily)
	choose(tenant, MailsAtOnce)
	is("one is at once", 1, MailsAtOnce, MailsDaily)

	if _, err := d.write.Exec(`UPDATE memberships SET mails = '' WHERE user_id = $1`, u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.write.Exec(`UPDATE users SET incident_mails = 0 WHERE id = $1`, u.ID); err != nil {
		t.Fatal(err)
	}
	choose(other, MailsAtOnce) // the other one was switched off by an older process
	is("what was never", 1, MailsNever, MailsAtOnce)
}

func TestZoneOf(t *testing.T) {
	d := open(t)
	u, tenant := member(t, d, "one")
	_, other := member(t, d, "other")
	zone := func(want string) {
		t.Helper()
		if got, err := d.ZoneOf(t.Context(), u.ID); got != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	set := func(id, zone string) {
		t.Helper()
		if err := d.SetOrganisation(t.Context(), id, u.ID, Organisation{Name: "x", TimeZone: zone}); err != nil {
			t.Fatal(err)
		}
	}
	set(tenant.ID, "Europe/Berlin")
	set(other.ID, "Asia/Tokyo")
	zone("Europe/Berlin")
	if err := d.AddMember(t.Context(), u.ID, other.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	zone("UTC")
	set(other.ID, "Europe/Berlin")
	zone("Europe/Berlin")
	if got, err := d.ZoneOf(t.Context(), "nobody"); got != "UTC" || err != nil {
		t.Errorf("of nobody: %q, %v", got, err)
	}
}

func TestDigests(t *testing.T) {
	d := open(t)
	d.sealWith(t, 7)
	u, tenant := member(t, d, "one")
	stranger, _ := member(t, d, "other")
	now := d.now()
	if err := d.OpenIncident(t.Context(), Trouble{TenantID: tenant.ID, Kind: IncidentSilent}, now, func([]Member) []string { return nil }); err != nil {
		t.Fatal(err)
	}
	l := d.leasedOf(t, tenant.ID)
	ids := add(t, d, signsUp(t, d, tenant.ID, "a@example.org"), signsUp(t, d, tenant.ID, "b@example.org"), signsUp(t, d, tenant.ID, "c@example.org"))
	d.becomes(t, l, Outcome{SubscriberID: ids[0], State: Attention, Reason: "ODD"})
	d.becomes(t, l, Outcome{SubscriberID: ids[1], State: Attention, Reason: "ODD"})
	d.becomes(t, l, Outcome{SubscriberID: ids[2], State: Waiting, Reason: "UNAVAILABLE"})
	d.hold(t, granted(u, tenant))
	if _, err := d.SaveIdentity(t.Context(), granted(u, tenant), false, ""); err != nil {
		t.Fatal(err)
	}
	g, m, err := d.DigestFor(t.Context(), tenant.ID, u.ID)
	if err != nil || m != (Member{u.ID, MailsAtOnce}) || g.Tenant != tenant.Name || g.TimeZone != "UTC" || len(g.Incidents) != 1 || g.Incidents[0].Tenant != tenant.Name || len(g.Destinations) != 1 {
		t.Fatalf("%+v of %+v, %v", g, m, err)
	}
	if to := g.Destinations[0]; to.ID != tenant.ID || to.Service != "sfdc" || !to.Connected || to.Waiting != 1 || to.OldestWaiting.IsZero() || len(to.Problems) != 2 ||
		to.Problems[0].State != Attention || to.Problems[0].Reason != "ODD" || to.Problems[0].N != 2 || to.Problems[0].People != 2 {
		t.Errorf("%+v", to)
	}
	if _, _, err := d.DigestFor(t.Context(), tenant.ID, stranger.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("of no member: %v", err)
	}

	due := func(before time.Time, want bool) {
		t.Helper()
		all, err := d.DueDigests(t.Context(), before)
		found := false
		for _, one := range all {
			found = found || one.ID == tenant.ID && one.TimeZone == "UTC" && one.CreatedAt.Equal(time.UnixMilli(tenant.CreatedAt.UnixMilli()))
		}
		if err != nil || found != want {
			t.Errorf("due %t, %v", found, err)
		}
	}
	due(now, true)
	queued := func(morning time.Time, want int) {
		t.Helper()
		if err := d.QueueDigest(t.Context(), tenant.ID, morning, 20*time.Hour, everyone); err != nil {
			t.Error(err)
		}
		wantN(t, d, want, `SELECT count(*) FROM mails m JOIN river_job j ON j.args ->> 'mail_id' = m.id WHERE m.kind = 'digest' AND m.about = $1 AND m.user_id = $2`, tenant.ID, u.ID)
	}
	queued(now, 1)
	queued(now, 1)
	queued(now.Add(19*time.Hour), 1) // another zone's morning
	due(now.Add(-time.Minute), false)
	due(now, true)
	queued(now.Add(23*time.Hour), 2) // a day with 23 hours
	if _, err := d.CloseTenant(t.Context(), tenant.ID, now); err != nil {
		t.Fatal(err)
	}
	due(now.Add(100*time.Hour), false)
	queued(now.Add(100*time.Hour), 2)
	if _, err := d.Digest(t.Context(), tenant.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("of a closed one: %v", err)
	}
}
