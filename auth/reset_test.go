package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
)

const next = "a gate of new ash"

// mails returns to whom mails of a kind are queued.
func mails(t *testing.T, d *db.DB, kind db.MailKind) (users []string) {
	t.Helper()
	rows, err := d.Writer().Query(`SELECT m.user_id FROM mails m JOIN river_job j ON j.kind = 'mail' AND j.args ->> 'mail_id' = m.id
		WHERE m.kind = $1 AND m.state = 'queued' AND j.queue = 'mail'`, kind)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var user string
		if err := rows.Scan(&user); err != nil {
			t.Fatal(err)
		}
		users = append(users, user)
	}
	return users
}

func wantMails(t *testing.T, d *db.DB, kind db.MailKind, users ...string) {
	t.Helper()
	if got := mails(t, d, kind); fmt.Sprint(got) != fmt.Sprint(users) {
		t.Errorf("mails of %s to %q, want %q", kind, got, users)
	}
}

func mustLink(t *testing.T, p *People, userID string) string {
	t.Helper()
	token, err := p.ResetLink(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func reset(t *testing.T, p *People, token, password string) error {
	t.Helper()
	_, err := p.ResetPassword(t.Context(), token, password)
	return err
}

func request(t *testing.T, p *People, email, ip string) error {
	t.Helper()
	_, err := p.RequestReset(t.Context(), email, ip)
	return err
}

func TestRequestReset(t *testing.T) {
	p, d, _, john := contoso(t)
	for _, address := range []string{" John@Contoso.Example ", "nobody@contoso.example", "", "not an address"} {
		if err := request(t, p, address, home); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
	wantMails(t, d, db.MailReset, john.ID, "", "", "") // the same work for all
}

func TestRequestResetIsThrottled(t *testing.T) {
	p, d, c, john := contoso(t)
	for n := range 30 {
		if err := request(t, p, email, fmt.Sprintf("192.0.2.%d", n)); err != nil {
			t.Fatalf("request %d: %v", n, err) // it looks as if
		}
	}
	wantMails(t, d, db.MailReset, john.ID)
	sent := 0
	for range 60 {
		c.add(time.Minute + 5*time.Second)
		if err := request(t, p, email, fmt.Sprintf("198.51.100.%d", sent)); err != nil {
			t.Fatal(err)
		}
		sent = len(mails(t, d, db.MailReset))
	}
	if sent < 4 || sent > 9 {
		t.Errorf("%d mails in an hour", sent)
	}

	wait := time.Duration(0)
	for n := range 30 {
		if err := request(t, p, fmt.Sprintf("john%d@contoso.example", n), home); err != nil {
			wait = max(wait, throttled(err))
		}
	}
	if wait == 0 {
		t.Error("one network asks for any number of addresses")
	}
	mustLogin(t, p, home) // these throttles keep nobody out
}

func TestResetPassword(t *testing.T) {
	p, d, _, john := contoso(t)
	guessAt(t, p, email, "203.0.113.9", 30) // somebody has been guessing
	token, other := mustLink(t, p, john.ID), mustLink(t, p, john.ID)
	if u, err := p.CheckReset(t.Context(), token); err != nil || u.ID != john.ID {
		t.Fatalf("the link is of %v, %v", u, err)
	}
	if err := reset(t, p, token, "short"); !fieldError(err, "password") {
		t.Errorf("short: %v", err)
	}
	john, err := p.ResetPassword(t.Context(), token, next)
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := p.TrustDevice(t.Context(), john, "")
	if err != nil {
		t.Fatal(err)
	}
	wantMails(t, d, db.MailPasswordChanged, john.ID)
	for name, used := range map[string]string{"the same link": token, "another link": other, "no link": "", "a guess": NewToken(), "a hash": digest(token)} {
		if _, err := p.CheckReset(t.Context(), used); !errors.Is(err, ErrResetLink) {
			t.Errorf("%s: %v", name, err)
		}
		if err := reset(t, p, used, "a third gate of elm"); !errors.Is(err, ErrResetLink) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := p.Login(t.Context(), email, password, Client{IP: home, Device: cookie}); !errors.Is(err, ErrCredentials) {
		t.Errorf("the old password: %v", err)
	}
	if _, _, err := p.Login(t.Context(), email, next, Client{IP: "198.51.100.7", Device: cookie}); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestResetEndsSessions(t *testing.T) {
	p, d, _, john := contoso(t)
	if _, err := d.Writer().Exec(`INSERT INTO sessions (id, secret_hash, user_id, tenant_id, data, user_agent, ip, created_at, seen_at, expires_at)
		VALUES ('s', 'h', $1, '', '{}', '', '', 0, 0, 9999999999999)`, john.ID); err != nil {
		t.Fatal(err)
	}
	if err := reset(t, p, mustLink(t, p, john.ID), next); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := d.Writer().QueryRow(`SELECT count(*) FROM sessions`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d sessions left, %v", n, err)
	}
}

func TestResetLinkEnds(t *testing.T) {
	for name, end := range map[string]func(*People, *clock, db.User) error{
		"after an hour": func(_ *People, c *clock, _ db.User) error { c.add(resetFor); return nil },
		"with a change": func(p *People, _ *clock, u db.User) error {
			_, err := p.ChangePassword(context.Background(), u.ID, password, next)
			return err
		},
		"with the operator's": func(p *People, _ *clock, u db.User) error { return p.SetPassword(context.Background(), u.Email, next) },
	} {
		t.Run(name, func(t *testing.T) {
			p, _, c, john := contoso(t)
			token := mustLink(t, p, john.ID)
			if err := end(p, c, john); err != nil {
				t.Fatal(err)
			}
			if err := reset(t, p, token, "a third gate of elm"); !errors.Is(err, ErrResetLink) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestResetTwiceAtOnce(t *testing.T) {
	p, d, _, john := contoso(t)
	token := mustLink(t, p, john.ID)
	errs := make([]error, 4)
	var g sync.WaitGroup
	for i := range errs {
		g.Go(func() { errs[i] = reset(t, p, token, fmt.Sprintf("gate number %d of ash", i)) })
	}
	g.Wait()
	var done int
	for _, err := range errs {
		if err == nil {
			done++
		} else if !errors.Is(err, ErrResetLink) {
			t.Error(err)
		}
	}
	if done != 1 {
		t.Errorf("the link worked %d times", done)
	}
	wantMails(t, d, db.MailPasswordChanged, john.ID)
}

func TestResetLinkOfNobody(t *testing.T) {
	p, _, _, _ := contoso(t)
	if _, err := p.ResetLink(t.Context(), "nobody"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestResetLinkIsHashed(t *testing.T) {
	t.Parallel()
	c, path := newClock(), dbtest.Path(t)
	d := dbtest.Open(t, path)
	p := people(d, c)
	if _, err := p.AddTenant(t.Context(), "contoso", "Contoso"); err != nil {
		t.Fatal(err)
	}
	john, err := p.AddUser(t.Context(), email, "contoso", password)
	if err != nil {
		t.Fatal(err)
	}
	if token := mustLink(t, p, john.ID); grep(t, path, token) || !grep(t, path, digest(token)) {
		t.Error("the token itself is stored")
	}
}

func TestChangeIsToldByMail(t *testing.T) {
	p, d, _, john := contoso(t)
	change := func(from, to string) {
		t.Helper()
		if _, err := p.ChangePassword(t.Context(), john.ID, from, to); err != nil {
			t.Fatal(err)
		}
	}
	change(password, next)
	wantMails(t, d, db.MailPasswordChanged) // there is no mail server
	p.TellByMail()
	change(next, password)
	wantMails(t, d, db.MailPasswordChanged, john.ID)
}

// sickReset fails where a reset reads or writes.
type sickReset struct {
	Store
	method string
}

var errSick = errors.New("the disk is full")

func (s sickReset) fail(method string) error {
	if s.method == method {
		return errSick
	}
	return nil
}

func (s sickReset) QueueReset(ctx context.Context, userID string) error {
	return errors.Join(s.fail("QueueReset"), s.Store.QueueReset(ctx, userID))
}

func (s sickReset) ResetOffered(ctx context.Context, hash string, now time.Time) (db.User, error) {
	if err := s.fail("ResetOffered"); err != nil {
		return db.User{}, err
	}
	return s.Store.ResetOffered(ctx, hash, now)
}

func (s sickReset) ResetPassword(ctx context.Context, link, hash string, now time.Time) (db.User, error) {
	if err := s.fail("ResetPassword"); err != nil {
		return db.User{}, err
	}
	return s.Store.ResetPassword(ctx, link, hash, now)
}

func TestStoreFailsDuringAReset(t *testing.T) {
	for _, method := range []string{"QueueReset", "ResetOffered", "ResetPassword"} {
		t.Run(method, func(t *testing.T) {
			well, d, c, john := contoso(t)
			p := people(sickReset{d, method}, c)
			token := mustLink(t, p, john.ID)
			err := errors.Join(request(t, p, email, home), reset(t, p, token, next))
			if !errors.Is(err, errSick) || errors.Is(err, ErrResetLink) {
				t.Errorf("got %v", err)
			}
			if method != "QueueReset" {
				if err := reset(t, well, token, next); err != nil {
					t.Errorf("the link is lost: %v", err)
				}
			}
		})
	}
}
