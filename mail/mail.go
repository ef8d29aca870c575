// Package mail tells users things by e-mail. It makes a mail when it is sent, out
// of the row that was queued for it, and hands it to the operator's mail server.
package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

// Store is what is read and recorded of mails; *db.DB is one.
type Store interface {
	Mail(ctx context.Context, id string) (db.Mail, error)
	RecordMail(ctx context.Context, id string, state db.MailState, code int, detail string) error
	User(ctx context.Context, id string) (db.User, error)
	IncidentFor(ctx context.Context, id, userID string) (db.Incident, db.Member, error)
	DigestFor(ctx context.Context, tenantID, userID string) (db.Digest, db.Member, error)
	ZoneOf(ctx context.Context, userID string) (string, error)
}

// Links makes links with which a user can set a new password; *auth.People does.
type Links interface {
	ResetLink(ctx context.Context, userID string) (token string, err error)
}

// Config is what a Post is made of. All is required but Now, which is time.Now
// when nil.
type Config struct {
	CRMs   crm.Providers
	URL    string // of the portal, without a slash at its end
	Server Server
	Store  Store
	Links  Links
	Log    *slog.Logger
	Now    func() time.Time
}

// Post sends mails. Its methods are safe for concurrent use.
type Post struct{ Config }

// New returns a Post.
func New(c Config) *Post {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Post{c}
}

// Send sends the mail with the given id, and records what came of it. An error
// means that it is to be tried again; what the mail server refuses for good, what
// came too late, and what nobody is to be told any more, is none. The error names
// no address.
func (p *Post) Send(ctx context.Context, id string) error {
	m, err := p.Store.Mail(ctx, id)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return nil
	case err != nil:
		return err
	case m.State != db.MailQueued:
		return nil // a process was killed after it had recorded the end
	case !p.Now().Before(m.ExpiresAt):
		return p.expire(ctx, m)
	}
	l, to, err := p.compose(ctx, m)
	if errors.Is(err, db.ErrNotFound) {
		return p.Store.RecordMail(ctx, m.ID, db.MailDropped, 0, "")
	} else if err != nil {
		return err
	}
	return p.record(ctx, m, p.Server.deliver(ctx, m.ID, to, l))
}

func (p *Post) expire(ctx context.Context, m db.Mail) error {
	p.Log.WarnContext(ctx, "a mail could not be sent in time", "mail", m.ID, "kind", m.Kind, "attempts", m.Attempts, "code", m.Code)
	return p.Store.RecordMail(ctx, m.ID, db.MailExpired, m.Code, m.Detail)
}

// record records what the mail server made of a mail, and returns an error when
// it is to be tried again. What it said may name an address, so that the log
// gets no more than its code.
func (p *Post) record(ctx context.Context, m db.Mail, err error) error {
	var failed *deliveryError
	switch {
	case err == nil:
		return p.Store.RecordMail(ctx, m.ID, db.MailSent, 0, "")
	case !errors.As(err, &failed):
		return err
	case failed.refused:
		p.Log.WarnContext(ctx, "a mail was refused", "mail", m.ID, "kind", m.Kind, "code", failed.code)
		return p.Store.RecordMail(ctx, m.ID, db.MailRefused, failed.code, failed.said)
	}
	return errors.Join(failed, p.Store.RecordMail(ctx, m.ID, db.MailQueued, failed.code, failed.said))
}

// compose returns the letter of a mail and the address that it goes to, or
// db.ErrNotFound when there is nobody, or nothing any more, to tell.
func (p *Post) compose(ctx context.Context, m db.Mail) (l letter, to string, err error) {
	user, err := p.Store.User(ctx, m.UserID)
	if err != nil {
		return letter{}, "", err
	}
	switch m.Kind {
	case db.MailReset:
		l, err = p.reset(ctx, user)
	case db.MailPasswordChanged:
		l, err = p.passwordChanged(ctx, user, m.CreatedAt)
	case db.MailIncidentOpened, db.MailIncidentClosed:
		l, err = p.incident(ctx, m)
	case db.MailDigest:
		l, err = p.digest(ctx, m)
	default:
		err = fmt.Errorf("a mail of unknown kind %q", m.Kind)
	}
	return l, user.Email, err
}
