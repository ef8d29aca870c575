package db

import (
	"context"
	"database/sql"
	"time"

	"github.com/riverqueue/river"
)

// MailKind says what a mail is about.
type MailKind string

// The kinds of mails. About names the incident of those that tell of one, and the tenant
// of those of a day.
const (
	MailReset           MailKind = "reset"            // a link to set a new password
	MailPasswordChanged MailKind = "password_changed" // it was changed
	MailIncidentOpened  MailKind = "incident_opened"
	MailIncidentClosed  MailKind = "incident_closed"
	MailDigest          MailKind = "digest" // what is open at a tenant, once a day
)

// MailState says what became of a mail.
type MailState string

// The states of a mail. Only a queued one changes.
const (
	MailQueued  MailState = "queued"
	MailSent    MailState = "sent"    // the mail server took it
	MailRefused MailState = "refused" // the mail server won't take it
	MailExpired MailState = "expired" // it could not be sent in time
	MailDropped MailState = "dropped" // there is nobody, or nothing any more, to tell
)

// Mail is a mail to a user.
type Mail struct {
	ID        string
	Kind      MailKind
	UserID    string // empty when nobody has the address that a reset was asked for
	About     string // the incident's id, or the tenant's; else empty
	CreatedAt time.Time
	ExpiresAt time.Time
	State     MailState
	Attempts  int
	Code      int    // what the mail server answered last, 0 when it didn't
	Detail    string // and its words
}

// MailQueue is the queue of those jobs that need a mail server.
const MailQueue = "mail"

// MailJob asks for a mail to be sent.
type MailJob struct {
	MailID string `json:"mail_id"`
}

// Kind names the job in the table of jobs.
func (MailJob) Kind() string { return "mail" }

// mailTries is more than fit into the life of any mail.
const mailTries = 100

const (
	resetLife  = time.Hour           // how long a link to set a password is worth sending
	noticeLife = 24 * time.Hour      // and what tells of something
	digestLife = 12 * time.Hour      // and what is open this morning: the next one comes tomorrow
	mailKept   = 30 * 24 * time.Hour // after which nobody asks what became of a mail
)

// queueMail stores a mail, and the job that sends it.
func (d *base) queueMail(ctx context.Context, tx *sql.Tx, kind MailKind, userID, about string) error {
	id, now := NewID(), d.now()
	life := noticeLife
	switch kind {
	case MailReset:
		life = resetLife
	case MailDigest:
		life = digestLife
	}
	_, err := tx.ExecContext(ctx,
		`INSERT INTO mails (id, kind, user_id, about, created_at, expires_at, state) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id, kind, userID, about, millis(now), millis(now.Add(life)), MailQueued)
	if err != nil {
		return err
	}
	job := mailJob(id)
	return d.enqueue(ctx, tx, job.Args, job.InsertOpts)
}

// mailJob is the job that sends a mail.
func mailJob(id string) river.InsertManyParams {
	return river.InsertManyParams{Args: MailJob{MailID: id}, InsertOpts: &river.InsertOpts{Queue: MailQueue, MaxAttempts: mailTries}}
}

// Mail returns the mail with the given id, or ErrNotFound.
func (d *Work) Mail(ctx context.Context, id string) (Mail, error) {
	var m Mail
	var created, expires int64
	err := d.read.QueryRowContext(ctx,
		`SELECT id, kind, user_id, about, created_at, expires_at, state, attempts, code, detail FROM mails WHERE id = $1`, id).
		Scan(&m.ID, &m.Kind, &m.UserID, &m.About, &created, &expires, &m.State, &m.Attempts, &m.Code, &m.Detail)
	m.CreatedAt, m.ExpiresAt = fromMillis(created), fromMillis(expires)
	return m, wrap("mail", err)
}

// RecordMail records a try to send a mail: its state after it, what the mail
// server answered (0 when it didn't), and its words. A mail that is not queued
// any more stays as it is.
func (d *Work) RecordMail(ctx context.Context, id string, state MailState, code int, detail string) error {
	var ended int64
	if state != MailQueued {
		ended = millis(d.now())
	}
	_, err := d.exec(ctx,
		`UPDATE mails SET state = $2, ended_at = $3, attempts = attempts + 1, code = $4, detail = $5 WHERE id = $1 AND state = $6`,
		id, state, ended, code, detail, MailQueued)
	return wrap("record mail", err)
}

// ExpireMails forgets mails of long ago, and links that don't work any more.
func (d *Work) ExpireMails(ctx context.Context) error {
	now := d.now()
	return wrap("expire mails", d.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM mails WHERE created_at < $1`, millis(now.Add(-mailKept))); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM reset_links WHERE expires_at <= $1`, millis(now))
		return err
	}))
}

// QueueReset queues a mail with which the user can set a new password. With an
// empty userID it does the same work, and nobody gets a mail.
func (d *Work) QueueReset(ctx context.Context, userID string) error {
	return wrap("queue a reset", d.tx(ctx, func(tx *sql.Tx) error {
		return d.queueMail(ctx, tx, MailReset, userID, "")
	}))
}

// AddResetLink stores a link, whose token has the given hash, with which the user
// can set a new password. An unknown user gives ErrNotFound.
func (d *Work) AddResetLink(ctx context.Context, hash, userID string, expires time.Time) error {
	res, err := d.exec(ctx,
		`INSERT INTO reset_links (secret_hash, user_id, expires_at) SELECT $1, id, $3 FROM users WHERE id = $2`, hash, userID, millis(expires))
	return wrap("add reset link", changed(res, err, ErrNotFound))
}

// ResetOffered returns whose password the link sets, or ErrNotFound when it does
// not work, or not any more.
func (d *Work) ResetOffered(ctx context.Context, hash string, now time.Time) (User, error) {
	u, err := scanUser(d.read.QueryRowContext(ctx,
		`SELECT `+userColumns+` FROM reset_links l JOIN users u ON u.id = l.user_id WHERE l.secret_hash = $1 AND l.expires_at > $2`, hash, millis(now)))
	return u, wrap("reset link", err)
}

// ResetPassword uses up the link: it stores the hash of its user's new password,
// ends all their sessions and other links, makes them unknown in all browsers, and
// queues a mail that says so. A link that does not work, or not any more, gives
// ErrNotFound.
func (d *Work) ResetPassword(ctx context.Context, linkHash, passwordHash string, now time.Time) (u User, err error) {
	err = d.tx(ctx, func(tx *sql.Tx) error {
		u, err = scanUser(tx.QueryRowContext(ctx,
			`SELECT `+userColumns+` FROM reset_links l JOIN users u ON u.id = l.user_id WHERE l.secret_hash = $1 AND l.expires_at > $2`, linkHash, millis(now)))
		if err != nil {
			return err
		}
		u.PasswordHash, u.PasswordChangedAt = passwordHash, laterThan(u.PasswordChangedAt, now)
		if err := replacePassword(ctx, tx, u); err != nil {
			return err
		}
		return d.queueMail(ctx, tx, MailPasswordChanged, u.ID, "")
	})
	return u, wrap("reset password", err)
}
