package incidents

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/db"
)

// zone sets Contoso's time zone.
func (w *world) zone(name string) {
	w.t.Helper()
	if err := w.store.SetOrganisation(w.t.Context(), w.contoso.ID, w.john, db.Organisation{Name: "Contoso", TimeZone: name}); err != nil {
		w.t.Fatal(err)
	}
}

// at is a moment in a zone.
func at(t *testing.T, zone string, y int, m time.Month, d, hour, minute int) time.Time {
	t.Helper()
	in, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return time.Date(y, m, d, hour, minute, 0, 0, in)
}

// digests looks at a time, and says who gets a mail of the day.
func (w *world) digests(now time.Time, want ...string) {
	w.t.Helper()
	w.now = now
	w.exec(`UPDATE mails SET state = 'sent'`)
	if err := w.watch.Digests(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	for i := range want {
		want[i] = "digest ? " + want[i]
	}
	w.wantMails(want...)
}

// old has the tenants be there for long.
func (w *world) old() { w.exec(`UPDATE tenants SET created_at = 1`) }

// From one person on there is a mail at eight o'clock of the tenant's day, once, and none
// when nobody needs anything.
func TestDigest(t *testing.T) {
	w := newWorld(t)
	w.old()
	w.zone("Europe/Berlin")
	w.readers(1, db.Attention, "STRING_TOO_LONG")
	berlin := func(day, hour, minute int) time.Time { return at(t, "Europe/Berlin", 2026, 3, day, hour, minute) }
	w.digests(berlin(4, 7, 59))
	w.digests(berlin(4, 8, 0), "john", "max")
	w.digests(berlin(4, 8, 1))
	w.digests(berlin(4, 23, 0))
	w.digests(berlin(5, 8, 30), "john", "max") // the job was late
	w.all(db.Dismissed)
	w.digests(berlin(6, 8, 0))
	w.readers(1, db.Attention, "STRING_TOO_LONG")
	w.digests(berlin(6, 8, 30)) // it came up after eight, and waits for the next morning
	w.digests(berlin(7, 8, 0), "john", "max")
	w.digests(berlin(8, 13, 0)) // no process ran in the morning
	w.digests(berlin(9, 8, 0), "john", "max")
}

// Where an hour is missing or there twice, mornings are as on all days.
func TestDigestWhenClocksChange(t *testing.T) {
	for _, days := range [][3]int{{3, 28, 30}, {10, 24, 26}} {
		w := newWorld(t)
		w.old()
		w.zone("Europe/Berlin")
		w.readers(1, db.Attention, "STRING_TOO_LONG")
		for day := days[1]; day <= days[2]; day++ {
			morning := at(t, "Europe/Berlin", 2026, time.Month(days[0]), day, Hour, 0)
			w.digests(morning.Add(-time.Minute))
			w.digests(morning, "john", "max")
			w.digests(morning.Add(time.Hour))
		}
	}
}

// Whatever zone a tenant goes to, two mails are most of a day apart.
func TestDigestWhenTheZoneChanges(t *testing.T) {
	for _, zones := range [][2]string{{"Asia/Tokyo", "America/Los_Angeles"}, {"America/Los_Angeles", "Asia/Tokyo"}, {"Pacific/Kiritimati", "Pacific/Pago_Pago"}, {"UTC", "Europe/Berlin"}} {
		w := newWorld(t)
		w.old()
		w.zone(zones[0])
		w.readers(1, db.Attention, "STRING_TOO_LONG")
		w.digests(at(t, zones[0], 2026, 5, 4, Hour, 0), "john", "max")
		w.zone(zones[1])
		var sent []time.Duration
		for first := w.now; w.now.Sub(first) < 72*time.Hour; {
			w.exec(`DELETE FROM mails`)
			w.now = w.now.Add(30 * time.Minute)
			if err := w.watch.Digests(t.Context()); err != nil {
				t.Fatal(err)
			}
			var n int
			if w.scan(&n, `SELECT count(*) FROM mails`); n > 0 {
				sent = append(sent, w.now.Sub(first))
			}
		}
		if len(sent) < 2 || sent[0] < apart || sent[1]-sent[0] < apart {
			t.Errorf("%v: after %v", zones, sent)
		}
	}
}

// What each member gets is what they chose, in each organisation of theirs.
func TestWhoGetsTheDigest(t *testing.T) {
	w := newWorld(t)
	w.old()
	w.readers(1, db.Attention, "STRING_TOO_LONG")
	for choice, want := range map[db.MailChoice][]string{db.MailsAtOnce: {"john", "max"}, db.MailsDaily: {"john", "max"}, db.MailsNever: {"max"}} {
		if err := w.store.SetMailChoice(t.Context(), w.contoso.ID, w.john, choice); err != nil {
			t.Fatal(err)
		}
		w.exec(`UPDATE tenants SET digest_at = 0`)
		w.digests(time.Date(2026, 3, 4, Hour, 0, 0, 0, time.UTC), want...)
	}
	// Who had turned mails off before there was this choice gets none.
	w.exec(`UPDATE users SET incident_mails = 0 WHERE id = $1`, w.max)
	w.exec(`UPDATE tenants SET digest_at = 0`)
	w.exec(`UPDATE memberships SET mails = 'daily' WHERE user_id = $1`, w.john)
	w.digests(time.Date(2026, 3, 5, Hour, 0, 0, 0, time.UTC), "john")
}

// Processes that look at once send each mail once; a tenant that is new, or closed, gets
// none.
func TestDigestOfManyProcesses(t *testing.T) {
	w := newWorld(t)
	w.old()
	w.readers(1, db.Attention, "STRING_TOO_LONG")
	w.now = time.Date(2026, 3, 4, Hour, 0, 0, 0, time.UTC)
	var g sync.WaitGroup
	for range 6 {
		g.Go(func() {
			if err := w.watch.Digests(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	w.wantMails("digest ? john", "digest ? max")

	w.exec(`UPDATE tenants SET digest_at = 0, created_at = $1`, w.now.Add(time.Minute).UnixMilli())
	w.digests(w.now.Add(2 * time.Minute))
	w.old()
	w.exec(`UPDATE tenants SET closed_at = 1`)
	w.digests(w.now)
}

// undigested is a store that fails for one tenant.
type undigested struct {
	Store
	tenantID string
}

func (u undigested) Digest(ctx context.Context, tenantID string) (db.Digest, error) {
	if tenantID == u.tenantID {
		return db.Digest{}, errDisk
	}
	return u.Store.Digest(ctx, tenantID)
}

// A tenant that can't be read keeps no other one from its mails, and gets its own later.
func TestDigestStoreFails(t *testing.T) {
	w := newWorld(t)
	w.old()
	w.readers(1, db.Attention, "STRING_TOO_LONG")
	w.connection("invalid_grant")
	w.exec(`UPDATE identities SET tenant_id = $1`, w.others.ID)
	if err := w.watch.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.exec(`DELETE FROM mails`)
	w.watch.Store = undigested{w.store, w.contoso.ID}
	w.now = time.Date(2026, 3, 5, Hour, 0, 0, 0, time.UTC)
	if err := w.watch.Digests(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	w.wantMails("digest ? ann", "digest ? max")
	w.watch.Store = w.store
	w.digests(w.now.Add(time.Minute), "john", "max")
}

// What is open is told in an order: what is about all, then why people need attention.
func TestOpen(t *testing.T) {
	since := time.Date(2026, 11, 25, 18, 30, 0, 0, time.UTC)
	trouble := func(kind db.IncidentKind, about, cause string, n int) db.Incident {
		of := db.Trouble{Kind: kind, About: about, Service: about, Cause: cause, N: n, Since: since}
		if about == "" {
			of.About, of.Service, of.Delivers = "d", "sfdc", true
		}
		return db.Incident{Trouble: of, TimeZone: "Europe/Berlin", Newsletter: "Weekly"}
	}
	only := func(d db.DestinationDigest) []db.DestinationDigest {
		d.ID, d.Service = "d", "sfdc"
		return []db.DestinationDigest{d}
	}
	for name, test := range map[string]struct {
		digest   db.Digest
		headline string
		want     []string
	}{
		"nothing":              {db.Digest{Destinations: only(db.DestinationDigest{Connected: true})}, "", nil},
		"somebody just waits":  {db.Digest{Destinations: only(db.DestinationDigest{Problems: []db.Problem{{State: db.Waiting, Reason: "UNAVAILABLE", N: 3}}, Waiting: 3})}, "", nil},
		"it passes by itself":  {db.Digest{Incidents: []db.Incident{trouble(db.IncidentWaiting, "", "UNAVAILABLE", 3)}, Destinations: only(db.DestinationDigest{Waiting: 3})}, "", nil},
		"all were dealt with":  {db.Digest{Incidents: []db.Incident{trouble(db.IncidentAttention, "", "", 0), trouble(db.IncidentWaiting, "", "", 0)}}, "", nil},
		"dismissed":            {db.Digest{Destinations: only(db.DestinationDigest{Problems: []db.Problem{{State: db.Dismissed, Reason: "STRING_TOO_LONG", N: 3}}})}, "", nil},
		"one person":           {db.Digest{Destinations: only(db.DestinationDigest{Problems: []db.Problem{{State: db.Attention, Reason: "STRING_TOO_LONG", N: 1}}})}, "1 sign-up needs attention", []string{"1 Name too long"}},
		"nobody has connected": {db.Digest{Incidents: []db.Incident{trouble(db.IncidentWaiting, "", "not_connected", 3)}, Destinations: only(db.DestinationDigest{Waiting: 3})}, "Waiting: Salesforce is not connected", []string{"3 Waiting: Salesforce is not connected"}},
		"another app":          {db.Digest{Destinations: only(db.DestinationDigest{Connected: true}), Incidents: []db.Incident{trouble(db.IncidentBroken, "slack", "", 0)}}, "Connection to Slack lost", []string{"0 Connection to Slack lost"}},
		"everything": {db.Digest{
			Incidents:    []db.Incident{trouble(db.IncidentSilent, "x", "", 12), trouble(db.IncidentAttention, "", "STRING_TOO_LONG", 15), trouble(db.IncidentBroken, "", "invalid_grant", 2)},
			Held:         []string{"sfdc"},
			Destinations: only(db.DestinationDigest{Problems: []db.Problem{{State: db.Attention, Reason: "DUPLICATES_DETECTED", N: 14}, {State: db.Attention, Reason: "INVALID_EMAIL_ADDRESS", N: 1}}}),
		}, "Connection to Salesforce lost, 15 sign-ups need attention",
			[]string{"0 Connection to Salesforce lost", "0 Salesforce: a new connection waits", "14 Blocked by duplicate rule", "1 E-mail address not accepted", "0 No sign-ups from a busy form: Weekly"}},
	} {
		items := Open(crms, test.digest)
		if got := Headline(crms, test.digest); got != test.headline || len(items) != len(test.want) {
			t.Errorf("%s: %q with %+v", name, got, items)
			continue
		}
		for i, item := range items {
			if said := fmt.Sprintf("%d %s", item.N, item.What); !strings.HasPrefix(said, test.want[i]) || item.More == "" || item.Path == "" || item.Link == "" {
				t.Errorf("%s: %+v, want %q", name, item, test.want[i])
			}
		}
	}
	for want, d := range map[string]db.Digest{
		"Salesforce: connected. 0 waiting.": {Destinations: only(db.DestinationDigest{Connected: true})},
		"Salesforce: not connected. 2 waiting, the oldest since Wednesday, 25 November, 19:30 (Berlin time).": {TimeZone: "Europe/Berlin", Destinations: only(db.DestinationDigest{Waiting: 2, OldestWaiting: since})},
		"Salesforce: connection lost. 2 waiting.":                                                             {Destinations: only(db.DestinationDigest{Waiting: 2}), Incidents: []db.Incident{trouble(db.IncidentBroken, "", "", 2)}},
		"Salesforce: connected. 1 waiting.":                                                                   {Destinations: only(db.DestinationDigest{Connected: true, Waiting: 1}), Incidents: []db.Incident{trouble(db.IncidentBroken, "slack", "", 0)}},
		"Salesforce: connected, but the connection can’t be renewed. 0 waiting.":                              {Destinations: only(db.DestinationDigest{Connected: true}), Incidents: []db.Incident{trouble(db.IncidentFailing, "", "", 0)}},
	} {
		if got := Standing(crms, d); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
