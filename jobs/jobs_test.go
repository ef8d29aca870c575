package jobs

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/db/dbtest/testdb"

	"github.com/riverqueue/river/rivertype"
)

// glance is how long is left to those who work between two looks at what they do.
const glance = 20 * time.Millisecond

// service revokes for a vault; it is down for the first calls.
type service struct {
	store *db.DB
	mu    sync.Mutex
	down  int
	calls []string
	kept  chan struct{}
	read  chan struct{}
	tried chan struct{}
	daily chan struct{}
}

// KeepAlive tells that it was called.
func (s *service) KeepAlive(context.Context) error {
	s.kept <- struct{}{}
	return nil
}

// Revoke counts, fails while the service is down, and forgets what is revoked.
func (s *service) Revoke(ctx context.Context, id string) error {
	defer func() { s.tried <- struct{}{} }()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, id)
	if len(s.calls) <= s.down {
		return errors.New("revocation: status 503")
	}
	return s.store.DeleteRevocation(ctx, id)
}

// ReadStaleSchemas tells that it was called.
func (s *service) ReadStaleSchemas(context.Context) error {
	s.read <- struct{}{}
	return nil
}

// Look sees nothing.
func (s *service) Look(context.Context) error { return nil }

// Digests tells that it was called.
func (s *service) Digests(context.Context) error {
	s.daily <- struct{}{}
	return nil
}

// Reseal has nothing to do.
func (s *service) Reseal(context.Context, func(int)) (int, error) { return 0, nil }

// world is a database with a tenant and a running Run.
func world(t *testing.T, down int) (*db.DB, *service, db.Grant, context.Context) {
	t.Helper()
	d := dbtest.Open(t, dbtest.Path(t))
	tenant := db.Tenant{ID: db.NewID(), Slug: "contoso", Name: "Contoso", CreatedAt: time.Now()}
	if err := d.CreateTenant(t.Context(), tenant, db.FirstNewsletter{Slug: "weekly", Name: "Weekly", Consent: "Yes."}); err != nil {
		t.Fatal(err)
	}
	u := db.User{ID: db.NewID(), Email: "john@contoso.example", PasswordHash: "x", CreatedAt: time.Now(), PasswordChangedAt: time.Now()}
	if err := d.CreateUser(t.Context(), u, tenant.ID); err != nil {
		t.Fatal(err)
	}
	g := db.Grant{ID: db.NewID(), Service: "sfdc", TenantID: tenant.ID, SealedRefresh: "sealed", ConnectedBy: u.ID}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // so that nothing hangs
	t.Cleanup(cancel)
	return d, &service{store: d, down: down, tried: make(chan struct{}, 10), kept: make(chan struct{}, 10), daily: make(chan struct{}, 10), read: make(chan struct{}, 10)}, g, ctx
}

// run runs the jobs until the test ends, and then stops them in order.
func run(t *testing.T, d *db.DB, s *service) {
	t.Helper()
	runWith(t, Config{Store: d, Vault: s, Keys: s, Watch: s, Fields: s, Log: slog.New(slog.DiscardHandler)})
}

func runWith(t *testing.T, c Config) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, c) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// due makes what is planned for later due now.
func due(t *testing.T, d *db.DB, ctx context.Context, state string) {
	t.Helper()
	for n := int64(0); n == 0; {
		res, err := d.Writer().ExecContext(ctx, `UPDATE river_job SET state = 'available', scheduled_at = created_at WHERE kind = 'revoke' AND state = $1`, state)
		if err != nil {
			t.Fatal(err)
		}
		if n, err = res.RowsAffected(); err != nil {
			t.Fatal(err)
		}
		rest(ctx, glance)
	}
}

func pending(t *testing.T, d *db.DB, tenant string) int {
	t.Helper()
	return dbtest.Pending(t, d, "sfdc", tenant)
}

func TestPendingRevocationRunsToItsEnd(t *testing.T) {
	t.Parallel()
	d, s, g, ctx := world(t, 1)
	id, err := d.AddRevocation(ctx, g)
	if err != nil {
		t.Fatal(err)
	}
	due(t, d, ctx, "scheduled") // before anybody runs what is soon due by itself
	run(t, d, s)
	wait(t, ctx, s.tried)
	if pending(t, d, g.TenantID) != 1 {
		t.Error("forgotten while the service was down")
	}
	due(t, d, ctx, "retryable")
	wait(t, ctx, s.tried)
	if n := pending(t, d, g.TenantID); n != 0 || len(s.calls) != 2 || s.calls[0] != id || s.calls[1] != id {
		t.Errorf("%d pending after %v", n, s.calls)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	d, s, g, ctx := world(t, 0)
	if err := d.HoldIdentity(ctx, db.Held{Grant: g, ExpiresAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	h := db.Handshake{StateHash: "hash", SessionID: "s", UserID: g.ConnectedBy, TenantID: g.TenantID, Service: "sfdc", ExpiresAt: time.Now()}
	if err := d.AddHandshake(ctx, h); err != nil {
		t.Fatal(err)
	}
	const at = "https://app.example/done"
	key := db.APIKey{ID: db.NewID(), Name: "test", CreatedAt: time.Now(), ReturnTo: []string{at}}
	if err := d.AddAPIKey(ctx, key, "hash"); err != nil {
		t.Fatal(err)
	}
	a := db.Authorization{ID: db.NewID(), APIKeyID: key.ID, TenantID: g.TenantID, Service: "sfdc", ReturnTo: at, LinkHash: "link", LinkEndsAt: time.Now()}
	if err := d.BeginAuthorization(ctx, a); err != nil {
		t.Fatal(err)
	}
	run(t, d, s)
	for left := 1; left != 0; {
		if err := d.Writer().QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM held_identities) + (SELECT COUNT(*) FROM handshakes) + (SELECT COUNT(*) FROM authorizations WHERE ended_at = 0)`).Scan(&left); err != nil {
			t.Fatal(err)
		}
		rest(ctx, glance)
	}
	if pending(t, d, g.TenantID) != 1 {
		t.Error("what was held is not to be revoked")
	}
}

type brokenStore struct {
	*db.DB
	vault, mails, incidents, sessions, resume, causes, readers, lists error
}

// SweepVault fails.
func (s brokenStore) SweepVault(context.Context) error { return s.vault }

// ExpireMails fails.
func (s brokenStore) ExpireMails(context.Context) error { return s.mails }

// ExpireIncidents fails.
func (s brokenStore) ExpireIncidents(context.Context) error { return s.incidents }

// ExpireSessions fails.
func (s brokenStore) ExpireSessions(context.Context) error { return s.sessions }

// ExpireReaderMails fails.
func (s brokenStore) ExpireReaderMails(context.Context) error { return s.readers }

// FollowCauses fails.
func (s brokenStore) FollowCauses(context.Context) error { return s.causes }

// ResumeActions gives up, and fails.
func (s brokenStore) ResumeActions(context.Context) ([]string, error) {
	return []string{"old"}, s.resume
}

// ForgetAddresses fails with the mails.
func (s brokenStore) ForgetAddresses(context.Context) error { return s.mails }

// ExpireScreening fails with the mails to readers.
func (s brokenStore) ExpireScreening(context.Context) error { return s.readers }

// ResumeLists fails.
func (s brokenStore) ResumeLists(context.Context) error { return s.lists }

// brokenKeys finds rows that can't be opened, and fails.
type brokenKeys struct{ err error }

// Reseal fails.
func (k brokenKeys) Reseal(context.Context, func(int)) (int, error) { return 7, k.err }

func TestSweepTellsEachFailure(t *testing.T) {
	one, three, four, five, six, seven, eight, nine := errors.New("one"), errors.New("three"), errors.New("four"), errors.New("five"), errors.New("six"), errors.New("seven"), errors.New("eight"), errors.New("nine")
	var log strings.Builder
	ten := errors.New("ten")
	err := (&sweepWorker{store: brokenStore{vault: one, mails: four, incidents: five, resume: six, sessions: seven, causes: eight, readers: nine, lists: ten}, keys: brokenKeys{three},
		log: slog.New(slog.NewTextHandler(&log, nil))}).Work(t.Context(), nil)
	if !errors.Is(err, one) || !errors.Is(err, three) || !errors.Is(err, four) || !errors.Is(err, five) || !errors.Is(err, six) || !errors.Is(err, seven) || !errors.Is(err, eight) || !errors.Is(err, nine) || !errors.Is(err, ten) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(log.String(), "given up\" action=old") {
		t.Errorf("nobody hears of what is given up: %s", &log)
	}
	if !strings.Contains(log.String(), "rows=7") {
		t.Errorf("nobody hears of the rows that can't be opened: %s", &log)
	}
}

func TestRetry(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: 30 * time.Second, 1: time.Minute, 6: 32 * time.Minute, 7: time.Hour, 100: time.Hour} {
		before := time.Now()
		got := retry{}.NextRetry(&rivertype.JobRow{Errors: make([]rivertype.AttemptError, failures)})
		if got.Before(before.Add(want)) || got.After(time.Now().Add(want)) {
			t.Errorf("after %d failures %s, want %s", failures, got.Sub(before), want)
		}
	}
}

func TestRunNeedsADatabase(t *testing.T) {
	d, s, _, _ := world(t, 0)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), Config{Store: d, Vault: s, Keys: s, Watch: s, Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("ran without one")
	}
}

func TestKeepsAlive(t *testing.T) {
	d, s, _, ctx := world(t, 0)
	run(t, d, s)
	select {
	case <-s.kept:
	case <-ctx.Done():
		t.Error("nothing is kept alive")
	}
}

func TestFieldsAreReadAgain(t *testing.T) {
	d, s, _, ctx := world(t, 0)
	run(t, d, s)
	select {
	case <-s.read:
	case <-ctx.Done():
		t.Error("no fields are read")
	}
}

// postbox sends mails; the first try fails.
type postbox struct {
	tried chan string
	down  bool
}

// Send fails the first time.
func (p *postbox) Send(_ context.Context, id string) error {
	defer func() { p.tried <- id }()
	if p.down {
		p.down = false
		return errors.New("the mail server answered 421")
	}
	return nil
}

func TestMailIsTriedAgain(t *testing.T) {
	d, s, _, ctx := world(t, 0)
	if err := d.QueueReset(ctx, "somebody"); err != nil {
		t.Fatal(err)
	}
	p := &postbox{tried: make(chan string, 10), down: true}
	runWith(t, Config{Store: d, Vault: s, Keys: s, Watch: s, Mailer: p, Log: slog.New(slog.DiscardHandler)})
	first := wait(t, ctx, p.tried)
	for {
		res, err := d.Writer().ExecContext(ctx, `UPDATE river_job SET scheduled_at = `+testdb.Either(t, `datetime('now', '-1 minute')`, `now() - interval '1 minute'`)+` WHERE kind = 'mail' AND state = 'retryable'`)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := res.RowsAffected(); n == 1 {
			break
		}
		rest(ctx, glance)
	}
	if second := wait(t, ctx, p.tried); first == "" || first != second {
		t.Errorf("tried %q, then %q", first, second)
	}
}

// A process without a mail server leaves mails to one that has it.
func TestMailsAreLeftToWhoCanSendThem(t *testing.T) {
	d, s, _, ctx := world(t, 0)
	if err := d.QueueReset(ctx, "somebody"); err != nil {
		t.Fatal(err)
	}
	run(t, d, s)
	wait(t, ctx, s.kept) // it works on what it can
	if len(s.daily) != 0 {
		t.Error("a process without a mail server decided on the mails of the day")
	}
	var waiting int
	if err := d.Writer().QueryRowContext(ctx, `SELECT count(*) FROM river_job WHERE kind = 'digest'`).Scan(&waiting); err != nil || waiting != 1 {
		t.Errorf("%d of these jobs wait, %v", waiting, err)
	}
	p := &postbox{tried: make(chan string, 10)}
	runWith(t, Config{Store: d, Vault: s, Keys: s, Watch: s, Mailer: p, Log: slog.New(slog.DiscardHandler)})
	wait(t, ctx, p.tried)
	wait(t, ctx, s.daily)
}

// What this process queues is worked on at once, and nothing else is read to know of it.
func TestQueuedJobsAreWorkedOnAtOnce(t *testing.T) {
	dbtest.SQLiteOnly(t, "River listens to PostgreSQL by itself, and is told of a queue ten times a second at most")
	d, s, _, ctx := world(t, 0)
	p := &postbox{tried: make(chan string, 10)}
	if err := d.QueueReset(ctx, "somebody"); err != nil {
		t.Fatal(err)
	}
	runWith(t, Config{Store: d, Vault: s, Keys: s, Watch: s, Mailer: p, Log: slog.New(slog.DiscardHandler), look: time.Hour})
	wait(t, ctx, p.tried)
	for _, query := range dbtest.Statements(t, d, func() {
		for range 3 {
			if err := d.QueueReset(ctx, "somebody"); err != nil {
				t.Fatal(err)
			}
			wait(t, ctx, p.tried)
		}
	}) {
		if strings.Contains(query, "river_notification") && !strings.Contains(query, "DELETE") { // River clears it all the same
			t.Errorf("it ran %q", query)
		}
	}
}

// wait returns what comes out of the channel.
func wait[T any](t *testing.T, ctx context.Context, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-ctx.Done():
		t.Fatal("nothing happened")
	}
	return v
}
