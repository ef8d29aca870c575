package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/seal"
)

// readers is an Outbox on a real database with a newsletter, whose clock a test moves.
type readers struct {
	t      *testing.T
	store  *db.DB
	outbox *Outbox
	log    *bytes.Buffer
	ahead  time.Duration
	tenant string
	n      string // the newsletter's id
}

// digest is a MAC for tests.
type digest struct{}

func (digest) Sum(p seal.Purpose, parts ...string) []byte {
	return []byte(string(p) + strings.Join(parts, "|"))
}

func newReaders(t *testing.T, server Server) *readers {
	t.Helper()
	w := &readers{t: t, log: &bytes.Buffer{}, tenant: db.NewID(), n: db.NewID()}
	w.store = dbtest.Open(t, dbtest.Path(t))
	now := func() time.Time { return time.Now().Add(w.ahead) }
	w.store.SetClock(now)
	for _, query := range []string{
		`INSERT INTO tenants (id, slug, name, created_at) VALUES ($1, 'contoso', 'Contoso', 1)`,
		`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at, page) VALUES ('` + w.n + `', $1, 'weekly', 'Weekly', 'I agree.', 1, '{"sender":"The Contoso team","language":"de"}')`,
	} {
		if _, err := w.store.Writer().Exec(query, w.tenant); err != nil {
			t.Fatal(err)
		}
	}
	w.outbox = w.process(server)
	return w
}

// process is one more process that sends mails.
func (w *readers) process(server Server) *Outbox {
	return NewOutbox(OutboxConfig{URL: "https://gatepost.example", Server: server, Store: w.store, MACs: digest{}, Now: w.store.Now, Log: slog.New(slog.NewTextHandler(w.log, nil))})
}

// signUps signs up n people who are to confirm.
func (w *readers) signUps(n int) {
	w.t.Helper()
	var all []db.SignUp
	for i := range n {
		email := fmt.Sprintf("reader%d@example.com", i)
		all = append(all, db.SignUp{TenantID: w.tenant, NewsletterID: w.n, Email: email, EmailKey: email, Consent: "I agree.", Source: "form", At: w.store.Now(), Confirm: true, CanMail: true})
	}
	if _, err := w.store.AddSignUps(w.t.Context(), all); err != nil {
		w.t.Fatal(err)
	}
}

// states counts the mails by their state.
func (w *readers) states() string {
	w.t.Helper()
	var all []string
	rows, err := w.store.Writer().Query(`SELECT state, code, attempts, count(*) FROM reader_mails GROUP BY state, code, attempts ORDER BY state, code, attempts`)
	if err != nil {
		w.t.Fatal(err)
	}
	for rows.Next() {
		var state string
		var code, attempts, n int
		if err := rows.Scan(&state, &code, &attempts, &n); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%d %s %d after %d", n, state, code, attempts))
	}
	if err := rows.Close(); err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(all, ", ")
}

// turn sends what is due.
func (w *readers) turn(ok bool) {
	w.t.Helper()
	if _, got := w.outbox.turn(w.t.Context()); got != ok {
		w.t.Errorf("sent: %t, want %t; %s", got, ok, w.log)
	}
}

var confirmLink = regexp.MustCompile(`https://gatepost\.example/confirm/([A-Za-z0-9_-]{43})`)

// linksOf are the tokens in a mail's text.
func linksOf(t *testing.T, raw string) (tokens []string) {
	text, _ := parts(t, raw)
	for _, m := range confirmLink.FindAllStringSubmatch(text, -1) {
		tokens = append(tokens, m[1])
	}
	return tokens
}

// Everybody who is to confirm gets one mail, whose link confirms them alone.
func TestOutboxSends(t *testing.T) {
	s := listen(t, false)
	w := newReaders(t, s.to(t, ""))
	w.turn(true)
	w.signUps(outboxBatch + 5)
	for i, want := range []bool{true, false} {
		if more, ok := w.outbox.turn(t.Context()); more != want || !ok {
			t.Errorf("turn %d: more %t, %t", i, more, ok)
		}
	}
	if got := w.states(); got != fmt.Sprintf("%d sent 0 after 1", outboxBatch+5) || len(s.mails()) != outboxBatch+5 {
		t.Errorf("%s, %d arrived", got, len(s.mails()))
	}
	w.turn(true)
	for _, m := range s.mails()[:3] {
		tokens := linksOf(t, m.raw)
		if len(tokens) != 1 || !strings.Contains(m.raw, "The Contoso team") {
			t.Fatalf("links %v in %s", tokens, m.raw)
		}
		c, err := w.store.Confirmation(t.Context(), seal.TokenHash(tokens[0]))
		if err != nil || c.Address != m.to || c.State(w.store.Now()) != db.LinkOpen {
			t.Errorf("to %s: %+v, %v", m.to, c, err)
		}
	}
	if strings.Contains(w.log.String(), "@") {
		t.Errorf("an address is in the log: %s", w.log)
	}
}

// What the mail server says decides what becomes of a mail; what passes is tried again.
func TestOutboxRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		tell  func(*server)
		state string
		ok    bool
	}{
		"nobody there":     {func(s *server) { s.rcpt = reply(550, "no reader0@example.com") }, "1 refused 550 after 1", true},
		"greylisted":       {func(s *server) { s.rcpt = reply(451, "later") }, "1 queued 451 after 1", true},
		"we aren't wanted": {func(s *server) { s.from = reply(550, "not you") }, "1 queued 550 after 1", true},
		"no answer":        {func(s *server) { s.cutOff = true }, "1 queued 0 after 1", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t, false)
			w := newReaders(t, s.to(t, ""))
			tt.tell(s)
			w.signUps(1)
			w.turn(tt.ok)
			w.turn(true) // nothing is due yet
			if got := w.states(); got != tt.state {
				t.Errorf("became %s, want %s", got, tt.state)
			}
			s.tell(func() { s.from, s.rcpt, s.data, s.cutOff = nil, nil, nil, false })
			w.ahead = time.Minute
			w.turn(true)
			if got := w.states(); strings.HasPrefix(tt.state, "1 queued") != (got == "1 sent 0 after 2") {
				t.Errorf("a minute later: %s", got)
			}
			if strings.Contains(w.log.String(), "@example.com") {
				t.Errorf("an address is in the log: %s", w.log)
			}
		})
	}
}

// killed is a store of a process that ends at one of its steps.
type killed struct {
	OutboxStore
	lease, start, record error
}

func (k killed) LeaseReaderMails(ctx context.Context, n int, lease time.Duration) ([]db.ReaderMail, error) {
	if k.lease != nil {
		return nil, k.lease
	}
	return k.OutboxStore.LeaseReaderMails(ctx, n, lease)
}

func (k killed) StartReaderMails(ctx context.Context, starts []db.ReaderMailStart) (map[string]bool, error) {
	if k.start != nil {
		return nil, k.start
	}
	return k.OutboxStore.StartReaderMails(ctx, starts)
}

func (k killed) RecordReaderMails(ctx context.Context, outcomes []db.ReaderMailOutcome) error {
	if k.record != nil {
		return k.record
	}
	return k.OutboxStore.RecordReaderMails(ctx, outcomes)
}

// Whichever step a process is killed at, its mails go on: one that was sent and not recorded
// is sent twice, and both of its links work. It counts once for the limits.
func TestOutboxIsKilled(t *testing.T) {
	failure := errors.New("disk I/O error")
	for name, tt := range map[string]struct {
		k     killed
		mails int
	}{
		"before the lease":  {killed{lease: failure}, 1},
		"before the start":  {killed{start: failure}, 1},
		"before the record": {killed{record: failure}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t, false)
			w := newReaders(t, s.to(t, ""))
			w.signUps(1)
			dies := w.process(s.to(t, ""))
			tt.k.OutboxStore = w.store
			dies.Store = tt.k
			if _, ok := dies.turn(t.Context()); ok || !strings.Contains(w.log.String(), "disk I/O error") {
				t.Errorf("it isn't told: %s", w.log)
			}
			w.ahead = outboxLease
			w.turn(true)
			if got := w.states(); !strings.HasPrefix(got, "1 sent") || len(s.mails()) != tt.mails {
				t.Fatalf("%s, %d mails", got, len(s.mails()))
			}
			for i, m := range s.mails() {
				state, err := w.store.PressConfirmation(t.Context(), seal.TokenHash(linksOf(t, m.raw)[0]))
				if state != db.LinkDone || err != nil {
					t.Errorf("link %d: %s, %v", i, state, err)
				}
			}
			var n int
			if err := w.store.Writer().QueryRow(`SELECT count(*) FROM recipient_mails WHERE times NOT LIKE '%,%'`).Scan(&n); err != nil || n != 2 {
				t.Errorf("%d of 2 limits have counted it once, %v", n, err)
			}
		})
	}
}

// Several processes that run at once send each mail once, and end when they are told to.
func TestOutboxesOfSeveralProcesses(t *testing.T) {
	s := listen(t, false)
	w := newReaders(t, s.to(t, ""))
	const people = 3 * outboxBatch
	w.signUps(people)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range 3 {
		o := w.process(s.to(t, ""))
		running.Go(func() { o.Run(ctx) })
	}
	for deadline := time.Now().Add(time.Minute); len(s.mails()) < people && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	running.Wait()
	if got := w.states(); got != fmt.Sprintf("%d sent 0 after 1", people) || len(s.mails()) != people {
		t.Errorf("%s, %d mails", got, len(s.mails()))
	}
}

// A process that is to end sends no further mail of its batch; whoever comes next does at once.
func TestOutboxThatIsStopped(t *testing.T) {
	s := listen(t, false)
	w := newReaders(t, s.to(t, ""))
	w.signUps(3)
	mails := must(w.store.LeaseReaderMails(t.Context(), 10, outboxLease))(t)
	starts, links := w.outbox.links(mails)
	may := must(w.store.StartReaderMails(t.Context(), starts))(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := w.store.RecordReaderMails(t.Context(), w.outbox.sendAll(ctx, mails, may, links)); err != nil {
		t.Fatal(err)
	}
	if got := w.states(); got != "3 queued 0 after 1" || len(s.mails()) != 0 {
		t.Errorf("%s, %d mails", got, len(s.mails()))
	}
	w.turn(true)
	if got := w.states(); got != "3 sent 0 after 2" {
		t.Error(got)
	}
}

// Nobody gets a mail who is not to get one any more.
func TestOutboxSendsNothingThatIsDropped(t *testing.T) {
	s := listen(t, false)
	w := newReaders(t, s.to(t, ""))
	w.signUps(2)
	var id string
	if err := w.store.Writer().QueryRow(`SELECT id FROM subscribers WHERE email = 'reader0@example.com'`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	now := w.store.Now().UnixMilli()
	if _, err := w.store.Writer().Exec(`INSERT INTO confirmations (token_hash, tenant_id, subscriber_id, mail_id, made_at, expires_at) VALUES ('hash', $1, $2, '', $3, $4)`, w.tenant, id, now, now+3600_000); err != nil {
		t.Fatal(err)
	}
	if state, err := w.store.PressConfirmation(t.Context(), "hash"); err != nil || state != db.LinkDone {
		t.Fatal(state, err)
	}
	w.turn(true)
	if got := w.states(); got != "1 dropped 0 after 0, 1 sent 0 after 1" || len(s.mails()) != 1 || s.mails()[0].to != "reader1@example.com" {
		t.Errorf("%s, %d mails", got, len(s.mails()))
	}
}

// A tenant that the operator paused sends no confirmation mails; when it isn't any more, they leave.
func TestOutboxOfAPausedTenant(t *testing.T) {
	s := listen(t, false)
	w := newReaders(t, s.to(t, ""))
	w.signUps(3)
	if err := w.store.PauseTenant(t.Context(), w.tenant, true); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.turn(true)
		w.ahead += 20 * time.Minute
	}
	if got := w.states(); got != "3 queued 0 after 0" || len(s.mails()) != 0 {
		t.Errorf("paused: %s, %d arrived", got, len(s.mails()))
	}
	if err := w.store.PauseTenant(t.Context(), w.tenant, false); err != nil {
		t.Fatal(err)
	}
	w.turn(true)
	if got := w.states(); got != "3 sent 0 after 1" || len(s.mails()) != 3 {
		t.Errorf("not paused: %s, %d arrived", got, len(s.mails()))
	}
}
