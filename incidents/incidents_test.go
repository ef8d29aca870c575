package incidents

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/crm/crmtest/toy"
	"gatepost/crm/salesforce"
	"gatepost/db"
	"gatepost/db/dbtest"
)

var crms = crm.Providers{salesforce.Provider, toy.Provider}

// world is a database with two tenants, an admin each, and one who looks after
// both, and a clock.
type world struct {
	t               *testing.T
	store           *db.DB
	watch           *Watch
	now             time.Time
	contoso, others db.Tenant
	letter          string // Contoso's newsletter
	john, ann, max  string // users
	reader          int
	log             bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 3, 4, 10, 30, 0, 0, time.UTC)}
	w.store = dbtest.Open(t, dbtest.Path(t))
	w.contoso, w.others = w.tenant("contoso"), w.tenant("others")
	w.john, w.ann, w.max = w.user("john", w.contoso), w.user("ann", w.others), w.user("max", w.contoso)
	if err := w.store.AddMember(t.Context(), w.max, w.others.ID, w.now); err != nil {
		t.Fatal(err)
	}
	w.scan(&w.letter, `SELECT id FROM newsletters WHERE tenant_id = $1`, w.contoso.ID)
	w.exec(`UPDATE destinations SET service = 'sfdc'`) // as the connections that tests make by themselves
	w.watch = &Watch{CRMs: crms, Store: w.store, Tell: true, Now: func() time.Time { return w.now }, Log: slog.New(slog.NewTextHandler(&w.log, nil))}
	return w
}

func (w *world) tenant(slug string) db.Tenant {
	w.t.Helper()
	t := db.Tenant{ID: db.NewID(), Slug: slug, Name: slug, CreatedAt: w.now}
	if err := w.store.CreateTenant(w.t.Context(), t, db.FirstNewsletter{Slug: slug + "-weekly", Name: slug + " Weekly", Consent: "Yes."}); err != nil {
		w.t.Fatal(err)
	}
	return t
}

func (w *world) user(name string, t db.Tenant) string {
	w.t.Helper()
	u := db.User{ID: db.NewID(), Email: name + "@contoso.example", PasswordHash: "x", CreatedAt: w.now, PasswordChangedAt: w.now}
	if err := w.store.CreateUser(w.t.Context(), u, t.ID); err != nil {
		w.t.Fatal(err)
	}
	return u.ID
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	dbtest.WriteCounts(w.t, w.store, query, args...)
}

func (w *world) scan(v any, query string, args ...any) {
	w.t.Helper()
	if err := w.store.Writer().QueryRow(query, args...).Scan(v); err != nil {
		w.t.Fatal(err)
	}
}

// after lets time go by, looks, and says which mails there are since the last look.
func (w *world) after(d time.Duration, want ...string) {
	w.t.Helper()
	w.now = w.now.Add(d)
	w.exec(`UPDATE mails SET state = 'sent'`)
	if err := w.watch.Look(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.wantMails(want...)
}

func (w *world) wantMails(want ...string) {
	w.t.Helper()
	rows, err := w.store.Writer().Query(`SELECT replace(m.kind, 'incident_', '') || ' ' || COALESCE(i.kind, '?') || ' ' || replace(u.email, '@contoso.example', '')
		FROM mails m LEFT JOIN incidents i ON i.id = m.about JOIN users u ON u.id = m.user_id JOIN river_job j ON j.args ->> 'mail_id' = m.id
		WHERE m.state = 'queued' ORDER BY u.email, m.id`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var got []string
	for rows.Next() {
		var mail string
		if err := rows.Scan(&mail); err != nil {
			w.t.Fatal(err)
		}
		got = append(got, mail)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("at %s mails %q, want %q", w.now.Format("15:04"), got, want)
	}
}

// connection makes Contoso's connection, broken or not.
func (w *world) connection(broken string) {
	w.t.Helper()
	w.exec(`DELETE FROM identities`)
	at := int64(0)
	if broken != "" {
		at = w.now.UnixMilli()
	}
	w.exec(`INSERT INTO identities (id, service, tenant_id, generation, sealed_access, sealed_refresh, key_id, login_url, instance_url, org_id, org_name, sandbox,
		remote_user_id, scopes, connected_by, connected_at, refreshed_at, broken_at, broken_code) VALUES ('i', 'sfdc', $1, 1, '', '', 0, '', '', '', '', 0, '', '', $2, 0, 0, $3, $4)`,
		w.contoso.ID, w.john, at, broken)
}

// readers adds subscribers of Contoso in a state, with all that is kept of them.
func (w *world) readers(n int, state db.State, reason string) {
	w.t.Helper()
	for range n {
		w.reader++
		id := db.NewID()
		w.exec(`INSERT INTO subscribers (id, tenant_id, newsletter_id, email, email_key, first_name, last_name, state, created_at)
			VALUES ($1, $2, $3, $4, $4, '', '', 'active', $5)`, id, w.contoso.ID, w.letter, fmt.Sprintf("r%d@reader.test", w.reader), w.now.UnixMilli())
		w.exec(`INSERT INTO deliveries (tenant_id, subscriber_id, destination_id, state, reason, due_at) VALUES ($1, $2, $1, $3, $4, 0)`, w.contoso.ID, id, state, reason)
	}
	w.counts()
	if state == db.Attention {
		w.exec(`INSERT INTO activity (tenant_id, destination_id, kind, hour, n, last_at) VALUES ($1, $1, 'attention', $2, $3, 0) ON CONFLICT (tenant_id, destination_id, kind, hour) DO UPDATE SET n = activity.n + excluded.n`,
			w.contoso.ID, w.now.Truncate(time.Hour).UnixMilli(), n)
	}
}

// counts makes the counts what the rows say.
func (w *world) counts() {
	w.t.Helper()
	w.exec(`DELETE FROM state_counts`)
	w.exec(`DELETE FROM reason_counts`)
	w.exec(`INSERT INTO state_counts (tenant_id, destination_id, newsletter_id, state, n) SELECT d.tenant_id, d.destination_id, s.newsletter_id, d.state, count(*)
		FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id GROUP BY 1, 2, 3, 4`)
	w.exec(`INSERT INTO reason_counts (tenant_id, destination_id, state, reason, n) SELECT tenant_id, destination_id, state, reason, count(*) FROM deliveries WHERE reason <> '' GROUP BY 1, 2, 3, 4`)
}

// all changes the state of all deliveries.
func (w *world) all(state db.State) {
	w.t.Helper()
	w.exec(`UPDATE deliveries SET state = $1`, state)
	w.counts()
}

func TestQuiet(t *testing.T) {
	w := newWorld(t)
	w.connection("")
	w.readers(3, db.Delivered, "")
	w.readers(3, db.Waiting, "")
	w.readers(PileUp-1, db.Attention, "DUPLICATE_VALUE")
	w.after(0)
	w.after(WaitingFor)
}

// One mail for each edge, to those who look after the tenant, and to no others.
func TestBrokenConnection(t *testing.T) {
	w := newWorld(t)
	w.connection("invalid_grant")
	w.after(0, "opened broken john", "opened broken max")
	for range 90 {
		w.after(time.Minute)
	}
	w.connection("")
	w.after(time.Minute)
	w.after(calm - time.Minute)
	w.after(time.Minute, "closed broken john", "closed broken max")
	w.after(time.Hour)
}

func TestWaitingForLong(t *testing.T) {
	w := newWorld(t)
	w.connection("")
	w.readers(2, db.Waiting, "UNAVAILABLE")
	w.after(WaitingFor)
	w.after(time.Minute, "opened waiting john", "opened waiting max")
	w.connection("invalid_grant") // that is another trouble, but the first is not over
	w.after(time.Minute, "opened broken john", "opened broken max")
	w.after(time.Hour)
	w.connection("")
	w.all(db.Delivered)
	w.after(time.Minute)
	w.after(calm, "closed waiting john", "closed broken john", "closed waiting max", "closed broken max")
}

// While it is broken, that says it all.
func TestWaitingBehindABrokenConnection(t *testing.T) {
	w := newWorld(t)
	w.readers(2, db.Waiting, "")
	w.connection("invalid_grant")
	w.after(time.Hour, "opened broken john", "opened broken max")
	w.after(time.Hour)
}

// Those who waited behind it are sent once it is mended: that they still wait is
// told of only when they go on to.
func TestWaitingAfterABrokenConnection(t *testing.T) {
	w := newWorld(t)
	w.readers(2, db.Waiting, "")
	w.connection("invalid_grant")
	w.after(time.Hour, "opened broken john", "opened broken max")
	w.connection("")
	w.after(time.Minute)
	w.after(calm - time.Minute)
	w.after(time.Minute, "opened waiting john", "closed broken john", "opened waiting max", "closed broken max")
}

// However long a connection that came and went is watched, those who wait are not
// hidden by it for longer.
func TestWaitingAfterAConnectionThatCameAndWent(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.exec(`INSERT INTO incidents (id, tenant_id, kind, about, cause, n, since, opened_at, mended_at, closed_at) VALUES ($1, $2, 'broken', $2, '', 0, $3, $3, $3, $3)`,
			db.NewID(), w.contoso.ID, w.now.Add(-time.Hour).UnixMilli())
	}
	w.readers(2, db.Waiting, "")
	w.connection("invalid_grant")
	w.after(time.Hour, "opened broken john", "opened broken max")
	w.connection("")
	w.after(time.Minute)
	w.after(calm, "opened waiting john", "opened waiting max")
}

// A connection to another service is told of by its name, and keeps nobody's
// sign-ups waiting.
func TestAnotherServicesConnection(t *testing.T) {
	w := newWorld(t)
	w.readers(2, db.Waiting, "")
	w.connection("invalid_grant")
	w.exec(`UPDATE identities SET service = 'hubspot', id = 'h'`)
	w.after(time.Hour, "opened broken john", "opened waiting john", "opened broken max", "opened waiting max")
	open, err := w.store.OpenIncidents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []Words{Tell(crms, open[0]), Mended(crms, open[0])} {
		if text := fmt.Sprint(words); strings.Contains(text, "Salesforce") || !strings.Contains(words.Title, "HubSpot") || strings.Contains(strings.ToLower(text), "sign-up") {
			t.Errorf("says %+v", words)
		}
	}
	w.exec(`UPDATE identities SET broken_at = 0, broken_code = ''`)
	w.after(time.Minute)
	w.after(calm, "closed broken john", "closed broken max")
}

// Each of a tenant's CRMs has its own incidents, and says which it is.
func TestTwoCRMs(t *testing.T) {
	w := newWorld(t)
	w.connection("invalid_grant")
	w.exec(`INSERT INTO destinations (id, tenant_id, service, created_at) VALUES ('second', $1, 'toy', 9999999999999)`, w.contoso.ID)
	w.readers(2, db.Waiting, "")
	w.exec(`INSERT INTO deliveries (tenant_id, subscriber_id, destination_id, state, reason, due_at) SELECT tenant_id, id, 'second', 'waiting', '', 0 FROM subscribers`)
	w.counts()
	w.after(time.Hour, "opened broken john", "opened waiting john", "opened broken max", "opened waiting max")
	open, err := w.store.Incidents(t.Context(), w.contoso.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range open {
		if words := Tell(crms, i); i.N != 2 || i.Kind == db.IncidentBroken && !strings.Contains(words.Title, "Salesforce") || i.Kind == db.IncidentWaiting && words.Path != "/integrations/toy" {
			t.Errorf("%+v: %+v", i, words)
		}
	}
	d, err := w.store.Digest(t.Context(), w.contoso.ID)
	if err != nil {
		t.Fatal(err)
	}
	if said := Standing(crms, d); !strings.HasPrefix(said, "Salesforce: connection lost. 2 waiting") || !strings.Contains(said, "Toy CRM: not connected. 2 waiting") {
		t.Error(said)
	}
}

// Who is sent again by somebody hasn't waited since the sign-up.
func TestSentAgain(t *testing.T) {
	w := newWorld(t)
	w.readers(2, db.Waiting, "")
	w.now = w.now.Add(24 * time.Hour)
	w.exec(`INSERT INTO events (id, tenant_id, subscriber_id, destination_id, at, state, reason, detail, actor) SELECT id, tenant_id, id, tenant_id, $1, 'waiting', '', '', 'john' FROM subscribers`, w.now.UnixMilli())
	w.after(0)
	w.after(WaitingFor+time.Minute, "opened waiting john", "opened waiting max")
}

func TestPileUp(t *testing.T) {
	w := newWorld(t)
	w.readers(PileUp, db.Attention, "DUPLICATE_VALUE")
	w.after(0, "opened attention john", "opened attention max")
	w.after(48 * time.Hour) // nobody did anything about it
	w.exec(`UPDATE deliveries SET state = 'dismissed' WHERE subscriber_id IN (SELECT id FROM subscribers LIMIT $1)`, PileUp/2)
	w.counts()
	w.after(time.Hour)
	w.all(db.Delivered)
	w.after(time.Minute)
	w.after(calm, "closed attention john", "closed attention max")
}

// Those of long ago, one by one, are no pile-up.
// Fields that are left out are told of once, by their names, until all are back.
func TestPausedFields(t *testing.T) {
	w := newWorld(t)
	key := db.DestinationKey{TenantID: w.contoso.ID, DestinationID: w.contoso.ID}
	pause := func(name string) {
		t.Helper()
		if err := w.store.PauseFields(t.Context(), key, []db.PausedField{{Key: name, Label: name + " field", Code: db.FieldGone}}); err != nil {
			t.Fatal(err)
		}
	}
	pause("Company")
	w.after(time.Minute, "opened field john", "opened field max")
	pause("Region")
	w.after(time.Minute)
	all, err := w.store.Incidents(t.Context(), w.contoso.ID)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	told := Tell(crms, all[0])
	for _, part := range []string{"Company field", "Region field", "Nothing is lost"} {
		if !strings.Contains(told.What, part) {
			t.Errorf("%q is not told: %+v", part, told)
		}
	}
	if told.Path != "/integrations/sfdc/mapping" || len(Shown(all)) != 1 {
		t.Errorf("leads to %s", told.Path)
	}
	if err := w.store.ResumeFields(t.Context(), key, "sfdc", []string{"Company", "Region"}); err != nil {
		t.Fatal(err)
	}
	if all, err := w.store.Incidents(t.Context(), w.contoso.ID); err != nil || len(Shown(all)) != 0 {
		t.Errorf("still shown: %+v, %v", all, err)
	}
	w.after(time.Minute)
	w.after(calm, "closed field john", "closed field max")
}

func TestSlowPile(t *testing.T) {
	w := newWorld(t)
	for range 5 * PileUp {
		w.readers(1, db.Attention, "DUPLICATE_VALUE")
		w.after(time.Hour)
	}
}

// history gives Contoso's form n sign-ups in each hour of some weeks before today.
func (w *world) history(weeks int, hourly ...int) {
	w.t.Helper()
	now := w.now.Truncate(time.Hour)
	for h := now.Add(-time.Duration(weeks) * 7 * 24 * time.Hour); h.Before(now); h = h.Add(time.Hour) {
		week := int(now.Sub(h) / (7 * 24 * time.Hour))
		if n := hourly[min(week, len(hourly)-1)]; n > 0 {
			w.exec(`INSERT INTO ledger (tenant_id, newsletter_id, hour, kind, n) VALUES ($1, $2, $3, 'new', $4)`, w.contoso.ID, w.letter, h.UnixMilli(), n)
		}
	}
}

func TestSilentForm(t *testing.T) {
	w := newWorld(t)
	w.history(6, 4)
	w.after(0)
	w.after(time.Hour)
	w.after(time.Hour)
	w.after(time.Hour, "opened silent john", "opened silent max") // 3 whole hours, of 4 sign-ups usually
	var n int
	if w.scan(&n, `SELECT n FROM incidents`); n != 12 {
		t.Errorf("usually %d", n)
	}
	for range 30 {
		w.after(24 * time.Hour) // it doesn't get usual
	}
	w.exec(`INSERT INTO ledger (tenant_id, newsletter_id, hour, kind, n) VALUES ($1, $2, $3, 'repeated', 1)`, w.contoso.ID, w.letter, w.now.Truncate(time.Hour).UnixMilli())
	w.after(time.Minute)
	w.after(calm, "closed silent john", "closed silent max")
}

func TestFormsThatMayBeSilent(t *testing.T) {
	for name, test := range map[string]struct {
		weeks  int
		hourly []int
		hours  int
	}{
		"new":                     {3, []int{100}, 5},
		"hardly used":             {6, []int{0, 0, 1, 0, 1}, 9},
		"one busy week":           {6, []int{1, 100, 1}, 5},
		"two busy weeks":          {6, []int{100, 100, 1}, 5},
		"silent for an hour only": {6, []int{9}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.history(test.weeks, test.hourly...)
			w.after(time.Duration(test.hours) * time.Hour)
		})
	}
}

// Confirmation mails that wait for their tenant's limit are told of, to its team and to the operator, until none does.
func TestMailsThatWait(t *testing.T) {
	w := newWorld(t)
	counted := func(since time.Time, tenantID string) {
		w.exec(`INSERT INTO tenant_mails (tenant_id, since, n, spread) VALUES ($1, $2, 1, 1) ON CONFLICT (tenant_id) DO UPDATE SET since = excluded.since`, tenantID, since.UnixMilli())
	}
	counted(w.now, w.contoso.ID)
	w.after(time.Second)
	w.exec(`UPDATE tenants SET paused_at = 1 WHERE id = $1`, w.contoso.ID) // they wait all the same
	counted(w.now.Add(3*time.Hour), w.contoso.ID)
	w.after(time.Minute, "opened mails john", "opened mails max")
	if log := w.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=WARN") || !strings.Contains(log, "tenant="+w.contoso.Slug+" limit=3000") {
		t.Errorf("the log says %s", log)
	}
	w.after(time.Minute)
	d, err := w.store.Digest(t.Context(), w.contoso.ID)
	if open := Open(crms, d); err != nil || len(open) != 1 || open[0].What != "Confirmation mails wait" || !strings.Contains(Tell(crms, d.Incidents[0]).What, "we send at most 3,000 confirmation mails an hour for") {
		t.Errorf("%+v, %v", open, err)
	}
	w.after(3 * time.Hour)
	w.after(calm, "closed mails john", "closed mails max")
	if strings.Count(w.log.String(), "\n") != 1 {
		t.Error(w.log.String())
	}
}

// What comes and goes is told of once, and then ever more seldom.
func TestNoFlood(t *testing.T) {
	w := newWorld(t)
	mails := 0
	for n := range 24 * 60 / 4 {
		if n%5 == 0 {
			w.connection("invalid_grant")
		} else if n%5 == 1 {
			w.connection("")
		}
		w.now = w.now.Add(4 * time.Minute)
		if err := w.watch.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if w.scan(&mails, `SELECT count(*) FROM mails WHERE user_id = $1`, w.john); mails < 1 || mails > 8 {
		t.Errorf("%d mails a day", mails)
	}
}

// Processes that look at the same moment open and close once.
func TestTwoProcesses(t *testing.T) {
	w := newWorld(t)
	both := func() {
		var g sync.WaitGroup
		for range 4 {
			g.Go(func() {
				if err := w.watch.Look(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		g.Wait()
	}
	w.connection("invalid_grant")
	both()
	w.wantMails("opened broken john", "opened broken max")
	w.exec(`UPDATE mails SET state = 'sent'`)
	w.connection("")
	both()
	w.now = w.now.Add(calm)
	both()
	w.wantMails("closed broken john", "closed broken max")
}

func TestWhoIsTold(t *testing.T) {
	w := newWorld(t)
	if err := w.store.SetMailChoice(t.Context(), w.contoso.ID, w.max, db.MailsDaily); err != nil {
		t.Fatal(err)
	}
	w.connection("invalid_grant")
	w.after(0, "opened broken john")
	var id string
	w.scan(&id, `SELECT id FROM incidents`)
	for user, want := range map[string]bool{w.john: true, w.max: false, w.ann: false} {
		if _, m, err := w.store.IncidentFor(t.Context(), id, user); (err == nil && Wanted(m)) != want || err != nil && !errors.Is(err, db.ErrNotFound) {
			t.Errorf("told: %t, %v", want, err)
		}
	}
	w.watch.Tell = false
	w.connection("")
	w.after(time.Minute)
	w.after(calm)
}

// failing is a store that fails in one place.
type failing struct {
	Store
	find, follow bool
}

var errDisk = errors.New("the disk is full")

func (f failing) LongWaiting(ctx context.Context, before time.Time) ([]db.LongWait, error) {
	if f.find {
		return nil, errDisk
	}
	return f.Store.LongWaiting(ctx, before)
}

func (f failing) MendIncident(ctx context.Context, id string, at time.Time) error {
	if f.follow {
		return errDisk
	}
	return f.Store.MendIncident(ctx, id, at)
}

// A look that failed half-way neither opens nor closes anything by mistake.
func TestStoreFails(t *testing.T) {
	w := newWorld(t)
	w.readers(1, db.Waiting, "")
	w.after(time.Hour, "opened waiting john", "opened waiting max")
	w.watch.Store = failing{w.store, true, false}
	w.now = w.now.Add(time.Hour)
	if err := w.watch.Look(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	var mended int64
	if w.scan(&mended, `SELECT mended_at FROM incidents`); mended != 0 {
		t.Error("taken for mended")
	}
	w.all(db.Delivered)
	w.connection("invalid_grant")
	w.watch.Store = failing{w.store, false, true}
	if err := w.watch.Look(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	} // and what could be done was done
	w.wantMails("opened waiting john", "opened broken john", "opened waiting max", "opened broken max")
}

// What is told is told of the CRM that there is, whichever that is.
func TestWordsNameTheCRM(t *testing.T) {
	at := time.Date(2026, 3, 4, 10, 30, 0, 0, time.UTC)
	var open []db.Incident
	for _, kind := range []db.IncidentKind{db.IncidentBroken, db.IncidentFailing, db.IncidentWaiting, db.IncidentAttention, db.IncidentField} {
		i := db.Incident{Trouble: db.Trouble{Kind: kind, About: "d", Service: toy.Service, Delivers: true, Cause: "no_key", N: 3, Since: at}, MendedAt: at, TimeZone: "Europe/Berlin"}
		open = append(open, i)
		for _, w := range []Words{Tell(crms, i), Mended(crms, i)} {
			if text := fmt.Sprint(w); strings.Contains(text, "Salesforce") || strings.Contains(text, "sfdc") {
				t.Errorf("%s: %+v", kind, w)
			}
		}
		if w := Tell(crms, i); !strings.Contains(fmt.Sprint(w), "Toy CRM") {
			t.Errorf("%s: %+v", kind, w)
		}
	}
	d := db.Digest{Incidents: open, Held: []string{toy.Service}, Destinations: []db.DestinationDigest{{Destination: db.Destination{ID: "d", Service: toy.Service}, Problems: []db.Problem{{State: db.Attention, Reason: "no_key", N: 3}}}}}
	text := fmt.Sprint(Open(crms, d), Headline(crms, d), Standing(crms, d))
	for _, want := range []string{"Connection to Toy CRM lost", "Toy CRM: a new connection waits", "Your Toy CRM admin can fix it", "/integrations/toy/problems/attention/no_key"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	if strings.Contains(text, "Salesforce") || strings.Contains(text, "sfdc") {
		t.Error(text)
	}
}

func TestWords(t *testing.T) {
	at := time.Date(2026, 3, 4, 10, 30, 0, 0, time.UTC)
	for _, kind := range []db.IncidentKind{db.IncidentBroken, db.IncidentWaiting, db.IncidentAttention, db.IncidentSilent, db.IncidentSpike, db.IncidentAttack, db.IncidentConfirming, db.IncidentMails, db.IncidentField} {
		for _, cause := range []string{"", "invalid_grant", "DUPLICATE_VALUE", "NEVER_HEARD_OF"} {
			for _, n := range []int{0, 1, 1200} {
				i := db.Incident{Trouble: db.Trouble{Kind: kind, Service: "sfdc", Delivers: true, Cause: cause, N: n, Since: at}, MendedAt: at, TimeZone: "Europe/Berlin", Newsletter: "Weekly"}
				for _, w := range []Words{Tell(crms, i), Mended(crms, i)} {
					if w.Title == "" || w.What == "" || w.Mend == "" || w.Path == "" || w.Link == "" {
						t.Errorf("%s %s: %+v", kind, cause, w)
					}
				}
			}
		}
	}
	i := db.Incident{Trouble: db.Trouble{Kind: db.IncidentWaiting, Service: "sfdc", Delivers: true, Cause: "UNAVAILABLE", N: 1, Since: at}, TimeZone: "Europe/Berlin"}
	if w := Tell(crms, i); w.What != "1 sign-up is waiting, the oldest since Wednesday, 4 March, 11:30 (Berlin time). Nothing is lost. Salesforce did not answer, or not in a way that makes sense." {
		t.Errorf("says %q", w.What)
	}
}

// What is told of an incident is what is so now, not what was so when it began.
func TestTheNumbersAreThoseOfNow(t *testing.T) {
	w := newWorld(t)
	tell := func(want ...string) {
		t.Helper()
		all, err := w.store.Incidents(t.Context(), w.contoso.ID)
		all = Shown(all)
		if err != nil || len(all) != min(len(want), 1) {
			t.Fatalf("%+v, %v", all, err)
		}
		open, err := w.store.OpenIncidents(t.Context())
		if err != nil || len(open) == 0 {
			t.Fatal(open, err)
		}
		mailed, _, err := w.store.IncidentFor(t.Context(), open[0].ID, w.john)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range append(all, mailed) {
			for _, text := range want {
				if !strings.Contains(Tell(crms, i).What, text) {
					t.Errorf("no %q in %q", text, Tell(crms, i).What)
				}
			}
		}
	}
	w.readers(12, db.Waiting, "SERVER_UNAVAILABLE")
	w.after(time.Hour, "opened waiting john", "opened waiting max")
	tell("12 sign-ups are waiting", "10:30", "is not available right now")
	w.readers(3, db.Waiting, "SERVER_UNAVAILABLE")
	w.exec(`INSERT INTO pauses (tenant_id, destination_id, reason, detail, tries, batch, until, since) VALUES ($1, $1, 'STORAGE_LIMIT_EXCEEDED', '', 1, 0, 0, 0)`, w.contoso.ID)
	tell("15 sign-ups are waiting", "10:30", "is full")
	w.exec(`UPDATE deliveries SET state = 'delivered' WHERE subscriber_id IN (SELECT id FROM subscribers ORDER BY id LIMIT 14)`)
	w.exec(`DELETE FROM pauses`)
	w.counts()
	tell("1 sign-up is waiting", "11:30", "is not available right now")
	w.all(db.Delivered)
	tell()
	mailed, err := w.store.OpenIncidents(t.Context())
	if err != nil || !strings.Contains(Tell(crms, mailed[0]).What, "0 are waiting") {
		t.Errorf("%+v, %v", mailed, err)
	}

	w = newWorld(t)
	w.readers(PileUp, db.Attention, "INVALID_EMAIL_ADDRESS")
	w.after(time.Minute, "opened attention john", "opened attention max")
	w.readers(PileUp+1, db.Attention, "UNABLE_TO_LOCK_ROW")
	tell("21 sign-ups need attention: not in Salesforce", "tried it many times")
	w.all(db.Dismissed)
	tell()
}

// What all wait for says more than what one does.
func TestWaitingTellsWhy(t *testing.T) {
	for pause, want := range map[string]string{"": "UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE": "SERVER_UNAVAILABLE"} {
		w := newWorld(t)
		w.readers(2, db.Waiting, "UNABLE_TO_LOCK_ROW")
		if pause != "" {
			w.exec(`INSERT INTO pauses (tenant_id, destination_id, reason, detail, tries, batch, until, since) VALUES ($1, $1, $2, '', 1, 0, 0, 0)`, w.contoso.ID, pause)
		}
		w.after(time.Hour, "opened waiting john", "opened waiting max")
		var cause string
		if w.scan(&cause, `SELECT cause FROM incidents`); cause != want {
			t.Errorf("the cause is %q, want %q", cause, want)
		}
	}
}

// A renewal that is refused for long is told of where somebody has to act, with what
// to do; sign-ups that wait behind it aren't told of again.
func TestFailingConnection(t *testing.T) {
	w := newWorld(t)
	fails := func(code string, apart time.Duration) {
		w.t.Helper()
		w.connection("")
		w.exec(`UPDATE identities SET failed_at = $1, failed_code = $2, retry_at = $3`, w.now.UnixMilli(), code, w.now.Add(apart).UnixMilli())
	}
	kinds := func(want string) {
		w.t.Helper()
		if err := w.watch.Look(t.Context()); err != nil {
			w.t.Fatal(err)
		}
		all, err := w.store.Incidents(t.Context(), w.contoso.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		got := ""
		for _, i := range all {
			got += string(i.Kind) + " "
			if words := Tell(crms, i); i.Kind == db.IncidentFailing && (!strings.Contains(words.Mend, "Setup") || !strings.Contains(words.What, "blocked the app") || !strings.Contains(words.Title, "can’t be renewed")) {
				w.t.Errorf("%+v", words)
			}
		}
		if strings.TrimSpace(got) != want {
			w.t.Errorf("there is %q, want %q", got, want)
		}
	}
	fails("OAUTH_APP_BLOCKED", 10*time.Second)
	kinds("")
	fails("unreachable", 5*time.Minute)
	kinds("")
	w.readers(1, db.Waiting, "unavailable")
	w.now = w.now.Add(WaitingFor + time.Minute)
	fails("OAUTH_APP_BLOCKED", 5*time.Minute)
	kinds("failing")
	// It gets worse, and is told of as that too.
	w.connection("inactive_user")
	kinds("broken failing")
}
