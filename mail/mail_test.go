package mail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatepost/auth"
	"gatepost/crm"
	"gatepost/crm/salesforce"
	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/incidents"
)

const john = "john@contoso.example"

func newReader(s string) io.Reader { return strings.NewReader(s) }

// world is a Post on a real database, with one user.
type world struct {
	t     *testing.T
	store *db.DB
	post  *Post
	log   *bytes.Buffer
	user  string
	ahead time.Duration
}

func newWorld(t *testing.T, server Server) *world {
	t.Helper()
	w := &world{t: t, log: &bytes.Buffer{}}
	w.store = dbtest.Open(t, dbtest.Path(t))
	people := auth.NewPeople(w.store, nil)
	tenant := must(people.AddTenant(t.Context(), "contoso", "Contoso"))(t)
	if _, err := w.store.Writer().Exec(`UPDATE destinations SET service = 'sfdc'`); err != nil {
		t.Fatal(err)
	}
	w.user = db.NewID()
	if err := w.store.CreateUser(t.Context(), db.User{ID: w.user, Email: john, PasswordHash: "x", CreatedAt: time.Now(), PasswordChangedAt: time.Now()}, tenant.ID); err != nil {
		t.Fatal(err)
	}
	w.post = New(Config{CRMs: crm.Providers{salesforce.Provider}, URL: "https://gatepost.example", Server: server, Store: w.store, Links: people,
		Log: slog.New(slog.NewTextHandler(w.log, nil)), Now: func() time.Time { return time.Now().Add(w.ahead) }})
	return w
}

// queue queues a mail with a link for the user, and returns its id.
func (w *world) queue(user string) (id string) {
	w.t.Helper()
	if err := w.store.QueueReset(w.t.Context(), user); err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.Writer().QueryRow(`SELECT id FROM mails ORDER BY id DESC LIMIT 1`).Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) wantState(id string, state db.MailState, code, attempts int) {
	w.t.Helper()
	m := must(w.store.Mail(w.t.Context(), id))(w.t)
	if m.State != state || m.Code != code || m.Attempts != attempts {
		w.t.Errorf("the mail is %s after %d tries, code %d; want %s, %d, %d", m.State, m.Attempts, m.Code, state, attempts, code)
	}
}

// parts are a mail's plain text and its HTML.
func parts(t *testing.T, raw string) (text, html string) {
	t.Helper()
	m := must(mail.ReadMessage(strings.NewReader(raw)))(t)
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []string{"text/plain", "text/html"} {
		p := must(r.NextRawPart())(t)
		if got := p.Header.Get("Content-Type"); !strings.HasPrefix(got, want) {
			t.Fatalf("a part of kind %s, want %s", got, want)
		}
		body := string(must(io.ReadAll(quotedprintable.NewReader(p)))(t))
		if want == "text/plain" {
			text = body
		} else {
			html = body
		}
	}
	return text, html
}

var link = regexp.MustCompile(`https://gatepost\.example/password/reset\?token=([A-Za-z0-9_-]+)`)

func TestReset(t *testing.T) {
	s := listen(t, false)
	w := newWorld(t, s.to(t, "gatepost:p%40ss%3Aword@"))
	id := w.queue(w.user)
	if err := w.post.Send(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if len(s.mails()) != 1 || s.logins != 1 {
		t.Fatalf("%d mails, %d log-ins", len(s.mails()), s.logins)
	}
	m := s.mails()[0]
	h := parse(t, m.raw)
	if m.from != "gatepost@example.com" || m.to != john || h.Get("From") != `"Gatepost" <gatepost@example.com>` || h.Get("Subject") != "Set a new password" ||
		h.Get("Message-Id") != "<"+id+"@example.com>" || h.Get("Auto-Submitted") != "auto-generated" || h.Get("Date") == "" {
		t.Errorf("from %s to %s: %v", m.from, m.to, h)
	}
	text, html := parts(t, m.raw)
	inText, inHTML := link.FindStringSubmatch(text), link.FindStringSubmatch(html)
	if inText == nil || inHTML == nil || inText[1] != inHTML[1] {
		t.Fatalf("links %v and %v", inText, inHTML)
	}
	if u, err := auth.NewPeople(w.store, nil).CheckReset(t.Context(), inText[1]); err != nil || u.ID != w.user {
		t.Errorf("the link is of %q, %v", u.Email, err)
	}
	w.wantState(id, db.MailSent, 0, 1)
	if err := w.post.Send(t.Context(), id); err != nil || len(s.mails()) != 1 {
		t.Errorf("sent %d times, %v", len(s.mails()), err)
	}
}

// What the mail server says decides: this recipient or content, for good; or try
// again.
func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		tell  func(*server)
		code  int
		again bool
	}{
		"nobody there":       {func(s *server) { s.rcpt = reply(550, "no "+john) }, 550, false},
		"content not wanted": {func(s *server) { s.data = reply(554, "looks like junk") }, 554, false},
		"mailbox full":       {func(s *server) { s.rcpt = reply(452, "full: "+john) }, 452, true},
		"greylisted":         {func(s *server) { s.rcpt = reply(451, "later") }, 451, true},
		"busy":               {func(s *server) { s.data = reply(421, "busy") }, 421, true},
		"we are not wanted":  {func(s *server) { s.from = reply(550, "not you") }, 550, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t, false)
			test.tell(s)
			w := newWorld(t, s.to(t, ""))
			id := w.queue(w.user)
			err := w.post.Send(t.Context(), id)
			if (err != nil) != test.again || err != nil && strings.Contains(err.Error(), "@") {
				t.Errorf("got %v", err)
			}
			state := db.MailRefused
			if test.again {
				state = db.MailQueued
			}
			w.wantState(id, state, test.code, 1)
			if m := must(w.store.Mail(t.Context(), id))(t); m.Detail == "" {
				t.Error("what it said is not recorded")
			}
			s.tell(func() { s.from, s.rcpt, s.data = nil, nil, nil })
			if err := w.post.Send(t.Context(), id); err != nil {
				t.Error(err)
			}
			if sent := len(s.mails()) == 1; sent != test.again {
				t.Errorf("sent afterwards: %t", sent)
			}
			if strings.Contains(w.log.String(), john) {
				t.Errorf("an address is in the log: %s", w.log)
			}
		})
	}
}

func TestNoServer(t *testing.T) {
	w := newWorld(t, must(ParseServer("smtp://127.0.0.1:1", "gatepost@example.com"))(t))
	id := w.queue(w.user)
	if err := w.post.Send(t.Context(), id); err == nil {
		t.Error("sent to nobody")
	}
	w.wantState(id, db.MailQueued, 0, 1)
	w.ahead = time.Hour
	if err := w.post.Send(t.Context(), id); err != nil {
		t.Errorf("tried again after its time: %v", err)
	}
	w.wantState(id, db.MailExpired, 0, 2)
}

// The answer to a mail that was taken gets lost: it is sent again, as the same.
func TestLostAnswer(t *testing.T) {
	s := listen(t, false)
	s.cutOff = true
	w := newWorld(t, s.to(t, ""))
	id := w.queue(w.user)
	if err := w.post.Send(t.Context(), id); err == nil {
		t.Error("taken for sent")
	}
	s.tell(func() { s.cutOff = false })
	if err := w.post.Send(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	first, second := parse(t, s.mails()[0].raw), parse(t, s.mails()[1].raw)
	if first.Get("Message-Id") != second.Get("Message-Id") {
		t.Error("the second can't be told as the same")
	}
	for _, m := range s.mails() {
		text, _ := parts(t, m.raw)
		if _, err := auth.NewPeople(w.store, nil).CheckReset(t.Context(), link.FindStringSubmatch(text)[1]); err != nil {
			t.Errorf("a link doesn't work: %v", err)
		}
	}
}

// With STARTTLS a server's certificate has to be right, on this machine too.
func TestCertificate(t *testing.T) {
	s := listen(t, true)
	w := newWorld(t, s.to(t, ""))
	if err := w.post.Send(t.Context(), w.queue(w.user)); err == nil || len(s.mails()) != 0 {
		t.Errorf("a certificate that nobody trusts: %v, %d mails", err, len(s.mails()))
	}
}

// Elsewhere a password or a link never goes over an open line.
func TestEncrypted(t *testing.T) {
	s := must(ParseServer("smtp://gatepost:secret@mail.example.com", "gatepost@example.com"))(t)
	if s.port != 587 || s.tls {
		t.Errorf("port %d, TLS %t", s.port, s.tls)
	}
	client := must(newClient(s))(t)
	if got := client.TLSPolicy(); got != "TLSMandatory" {
		t.Errorf("policy %s", got)
	}
	if s := must(ParseServer("smtps://mail.example.com", "gatepost@example.com"))(t); s.port != 465 || !s.tls {
		t.Errorf("port %d, TLS %t", s.port, s.tls)
	}
}

func TestWrongPassword(t *testing.T) {
	s := listen(t, false)
	w := newWorld(t, s.to(t, "gatepost:secret-of-mine@"))
	id := w.queue(w.user)
	err := w.post.Send(t.Context(), id)
	if err == nil || strings.Contains(err.Error(), "secret-of-mine") {
		t.Errorf("got %v", err)
	}
	w.wantState(id, db.MailQueued, 535, 1) // the operator can mend it
}

func TestNobodyToTell(t *testing.T) {
	s := listen(t, false)
	w := newWorld(t, s.to(t, ""))
	for _, user := range []string{"", "deleted since"} {
		id := w.queue(user)
		if err := w.post.Send(t.Context(), id); err != nil {
			t.Error(err)
		}
		w.wantState(id, db.MailDropped, 0, 1)
	}
	if err := w.post.Send(t.Context(), "unknown"); err != nil {
		t.Error(err)
	}
	if len(s.mails()) != 0 {
		t.Errorf("%d mails", len(s.mails()))
	}
}

func TestNoAddress(t *testing.T) {
	s := listen(t, false)
	w := newWorld(t, s.to(t, ""))
	if _, err := w.store.Writer().Exec(`UPDATE users SET email = $1`, "x@y\r\nBcc: z@z.example"); err != nil {
		t.Fatal(err)
	}
	id := w.queue(w.user)
	if err := w.post.Send(t.Context(), id); err != nil {
		t.Error(err)
	}
	w.wantState(id, db.MailRefused, 0, 1)
}

func TestPasswordChanged(t *testing.T) {
	s := listen(t, false)
	w := newWorld(t, s.to(t, ""))
	if _, err := w.store.ChangePassword(t.Context(), w.user, "", "hash of another", time.Now(), true); err != nil {
		t.Fatal(err)
	}
	var id string
	if err := w.store.Writer().QueryRow(`SELECT id FROM mails`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	if err := w.post.Send(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	text, html := parts(t, s.mails()[0].raw)
	for _, body := range []string{text, html} {
		if !strings.Contains(body, "https://gatepost.example/password/forgot") {
			t.Error(body)
		}
		// It may come late, when the mail server was away.
		at := must(w.store.Mail(t.Context(), id))(t).CreatedAt.UTC().Format("Monday, 2 January, 15:04")
		if !strings.Contains(body, "was changed on "+at+" (UTC)") || strings.Contains(body, "just now") {
			t.Error(body)
		}
	}
}

// counted makes so many of the tenant's sign-ups wait.
func (w *world) counted(tenant string, n int) {
	w.t.Helper()
	dbtest.WriteCounts(w.t, w.store, `INSERT INTO state_counts (tenant_id, destination_id, newsletter_id, state, n) VALUES ($1, $1, 'weekly', 'waiting', $2)
		ON CONFLICT (tenant_id, destination_id, newsletter_id, state) DO UPDATE SET n = excluded.n`, tenant, n)
}

// wanted are those of the members who want mails of incidents.
func wanted(members []db.Member) (users []string) {
	for _, m := range members {
		if incidents.Wanted(m) {
			users = append(users, m.UserID)
		}
	}
	return users
}

// incident opens one, with a mail.
func (w *world) incident(tenant string) {
	w.t.Helper()
	trouble := db.Trouble{TenantID: tenant, Kind: db.IncidentWaiting, About: tenant, Cause: "UNAVAILABLE", N: 12, Since: time.Now()}
	if err := w.store.OpenIncident(w.t.Context(), trouble, time.Now(), wanted); err != nil {
		w.t.Fatal(err)
	}
}

// over closes the incident that is open, with a mail.
func (w *world) over() {
	w.t.Helper()
	i := must(w.store.OpenIncidents(w.t.Context()))(w.t)[0]
	if err := w.store.MendIncident(w.t.Context(), i.ID, time.Now()); err != nil {
		w.t.Fatal(err)
	}
	i = must(w.store.OpenIncidents(w.t.Context()))(w.t)[0]
	if err := w.store.CloseIncident(w.t.Context(), i, time.Now(), wanted); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) lastMail() (id string) {
	w.t.Helper()
	if err := w.store.Writer().QueryRow(`SELECT id FROM mails ORDER BY id DESC LIMIT 1`).Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// A mail that could not be sent in time tells of no trouble that is over: it would
// come after the one that says so.
func TestIncidentThatIsOver(t *testing.T) {
	s := listen(t, false)
	w := newWorld(t, s.to(t, ""))
	var tenant string
	if err := w.store.Writer().QueryRow(`SELECT id FROM tenants`).Scan(&tenant); err != nil {
		t.Fatal(err)
	}
	w.incident(tenant)
	opened := w.lastMail()
	w.over()
	closed := w.lastMail()
	for _, id := range []string{closed, opened} {
		if err := w.post.Send(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	w.wantState(closed, db.MailSent, 0, 1)
	w.wantState(opened, db.MailDropped, 0, 1)
	if n := len(s.mails()); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// deaf is a store that fails to record.
type deaf struct{ Store }

var errDisk = errors.New("the disk is full")

func (deaf) RecordMail(context.Context, string, db.MailState, int, string) error { return errDisk }

func TestStoreFails(t *testing.T) {
	s := listen(t, false)
	w := newWorld(t, s.to(t, ""))
	w.post.Store = deaf{w.store}
	id := w.queue(w.user)
	if err := w.post.Send(t.Context(), id); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	_ = w.store.Close()
	w.post.Store = w.store
	if err := w.post.Send(t.Context(), id); err == nil {
		t.Error("sent without a database")
	}
}

func TestParseServer(t *testing.T) {
	for raw, from := range map[string]string{
		"":                          "a@b.example",
		"mail.example.com:587":      "a@b.example",
		"http://mail.example.com":   "a@b.example",
		"smtp://":                   "a@b.example",
		"smtp://mail:99999":         "a@b.example",
		"smtp://u:secret@mail/path": "a@b.example",
		"smtp://u:se%cret@mail":     "a@b.example",
		"smtp://mail?from=x":        "a@b.example",
		"smtp://mail":               "nobody",
	} {
		if _, err := ParseServer(raw, from); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "se%cret") {
			t.Errorf("%s from %s: %v", raw, from, err)
		}
	}
}

func TestIncident(t *testing.T) {
	s := listen(t, false)
	w := newWorld(t, s.to(t, ""))
	var tenant string
	if err := w.store.Writer().QueryRow(`SELECT id FROM tenants`).Scan(&tenant); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		edge          func()
		subject, text string
	}{
		{func() { w.incident(tenant); w.counted(tenant, 31) }, "Sign-ups have been waiting for long (Contoso)", "31 sign-ups are waiting"},
		{w.over, "No sign-ups have been waiting for long (Contoso)", "All is well since"},
	} {
		want.edge()
		if err := w.post.Send(t.Context(), w.lastMail()); err != nil {
			t.Fatal(err)
		}
		mails := s.mails()
		text, html := parts(t, mails[len(mails)-1].raw)
		if got := parse(t, mails[len(mails)-1].raw).Get("Subject"); got != want.subject {
			t.Errorf("subject %q", got)
		}
		for _, body := range []string{text, html} {
			if strings.Contains(body, "As of "+time.Now().UTC().Format("Monday, 2 January, 15:")) != strings.Contains(want.text, "waiting") {
				t.Error("of when the numbers are:", body)
			}
			if !strings.Contains(body, want.text) || !strings.Contains(body, "https://gatepost.example/integrations/sfdc") {
				t.Error(body)
			}
		}
	}
	if err := w.store.SetMailChoice(t.Context(), tenant, w.user, db.MailsNever); err != nil {
		t.Fatal(err)
	}
	if err := w.store.OpenIncident(t.Context(), db.Trouble{TenantID: tenant, Kind: db.IncidentAttention}, time.Now(), wanted); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := w.store.Writer().QueryRow(`SELECT count(*) FROM mails`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d mails, %v", n, err)
	}
}

// The mail of a day lists what is open, with a link each, as of when it is sent; it isn't
// sent when nothing is open any more, and to nobody who doesn't want it.
func TestDigest(t *testing.T) {
	s := listen(t, false)
	w := newWorld(t, s.to(t, ""))
	var tenant string
	if err := w.store.Writer().QueryRow(`SELECT id FROM tenants`).Scan(&tenant); err != nil {
		t.Fatal(err)
	}
	if err := w.store.SetOrganisation(t.Context(), tenant, w.user, db.Organisation{Name: "Contoso", TimeZone: "Europe/Berlin"}); err != nil {
		t.Fatal(err)
	}
	day := 0
	send := func() (sent int) {
		t.Helper()
		day++
		all := func(members []db.Member) []string { return []string{members[0].UserID} }
		if err := w.store.QueueDigest(t.Context(), tenant, time.UnixMilli(1).AddDate(0, 0, day), time.Hour, all); err != nil {
			t.Fatal(err)
		}
		before := len(s.mails())
		if err := w.post.Send(t.Context(), w.lastMail()); err != nil {
			t.Fatal(err)
		}
		return len(s.mails()) - before
	}
	if send() != 0 {
		t.Error("sent though nothing is open")
	}
	w.wantState(w.lastMail(), db.MailDropped, 0, 1)
	dbtest.WriteCounts(t, w.store, `INSERT INTO state_counts (tenant_id, destination_id, newsletter_id, state, n) VALUES ($1, $1, 'weekly', 'attention', 14)`, tenant)
	dbtest.WriteCounts(t, w.store, `INSERT INTO reason_counts (tenant_id, destination_id, state, reason, n) VALUES ($1, $1, 'attention', 'STRING_TOO_LONG', 13), ($1, $1, 'attention', '<b>&ODD', 1)`, tenant)
	if send() != 1 {
		t.Fatal("not sent")
	}
	mails := s.mails()
	m := mails[len(mails)-1]
	text, html := parts(t, m.raw)
	if got := parse(t, m.raw).Get("Subject"); got != "14 sign-ups need attention (Contoso)" || m.to != john {
		t.Errorf("%q to %s", got, m.to)
	}
	for _, want := range []string{"13 × Name too long", "You can fix it.", "1 × ", "Salesforce: not connected.", "https://gatepost.example/integrations/sfdc/problems/attention/STRING_TOO_LONG",
		"You get this because you are a member of Contoso", "Ask the people who run this service", "https://gatepost.example/settings/notifications", "(Berlin time)"} {
		for kind, body := range map[string]string{"text": text, "html": html} {
			if !strings.Contains(body, want) {
				t.Errorf("no %q in the %s: %s", want, kind, body)
			}
		}
	}
	if odd := "problems/attention/%3Cb%3E&ODD"; !strings.Contains(text, odd) || strings.Contains(html, "<b>&ODD") {
		t.Errorf("a code that nobody knows: %s\n%s", text, html)
	}
	for choice, want := range map[db.MailChoice]int{db.MailsDaily: 1, db.MailsNever: 0, db.MailsAtOnce: 1} {
		if err := w.store.SetMailChoice(t.Context(), tenant, w.user, choice); err != nil {
			t.Fatal(err)
		}
		if got := send(); got != want {
			t.Errorf("%s: %d mails", choice, got)
		}
	}
	w.ahead = 12*time.Hour + time.Minute // the mail server was away: the next one comes tomorrow
	if send() != 0 {
		t.Error("sent in the evening")
	}
	w.wantState(w.lastMail(), db.MailExpired, 0, 1)
	w.ahead = 0
	if err := w.store.RemoveMember(t.Context(), w.user, tenant); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Writer().Exec(`UPDATE mails SET state = 'queued'`); err != nil {
		t.Fatal(err)
	}
	if before := len(s.mails()); w.post.Send(t.Context(), w.lastMail()) != nil || len(s.mails()) != before {
		t.Error("sent to somebody who left")
	}
}

// A time in a mail is in the zone of whoever gets it, where there is one.
func TestPasswordChangedSaysWhen(t *testing.T) {
	s := listen(t, false)
	w := newWorld(t, s.to(t, ""))
	if _, err := w.store.Writer().Exec(`UPDATE tenants SET time_zone = 'Asia/Tokyo'`); err != nil {
		t.Fatal(err)
	}
	l := must(w.post.passwordChanged(t.Context(), db.User{ID: w.user}, time.Date(2026, 11, 25, 18, 30, 0, 0, time.UTC)))(t)
	if !strings.Contains(l.text(), "changed on Thursday, 26 November, 03:30 (Tokyo time)") {
		t.Error(l.text())
	}
	_ = w.store.Close()
	if _, err := w.post.passwordChanged(t.Context(), db.User{ID: w.user}, time.Now()); err == nil {
		t.Error("told without a database")
	}
}
