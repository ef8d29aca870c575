package mail

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/seal"
)

// OutboxStore keeps the mails to readers; *db.DB is one, and documents the methods.
type OutboxStore interface {
	ReaderMailsDue(ctx context.Context) (bool, error)
	LeaseReaderMails(ctx context.Context, limit int, lease time.Duration) ([]db.ReaderMail, error)
	StartReaderMails(ctx context.Context, starts []db.ReaderMailStart) (may map[string]bool, err error)
	RecordReaderMails(ctx context.Context, outcomes []db.ReaderMailOutcome) error
}

// MACs makes keyed digests; *seal.MACs does.
type MACs interface {
	Sum(p seal.Purpose, parts ...string) []byte
}

// OutboxConfig is what an Outbox is made of. All is required but Now, which is time.Now when
// nil.
type OutboxConfig struct {
	URL    string // of the portal, without a slash at its end
	Server Server
	Store  OutboxStore
	MACs   MACs
	Log    *slog.Logger
	Now    func() time.Time // by the clock that all processes go by
}

// Outbox sends the mails that readers are to get, many at once over a few connections. Any
// number of processes may run one on the same database.
type Outbox struct {
	OutboxConfig
	connections *connections
}

// NewOutbox returns an Outbox.
func NewOutbox(c OutboxConfig) *Outbox {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Outbox{OutboxConfig: c, connections: c.Server.connect()}
}

// How mails are taken and sent.
const (
	outboxBatch = 200             // mails in one transaction
	outboxLook  = time.Second     // how often is looked for what is due
	keptOpen    = 10              // for how many looks connections stay open that few mails go over
	outboxLease = 4 * time.Minute // a batch's: what isn't recorded by then goes on with whoever comes next
	// No mail is begun later than this after the lease was taken, so that each ends within it.
	outboxBegins = outboxLease - 2*patience
)

// Run sends what is due until ctx ends; mails that were begun by then are finished. While the
// mail server can't be reached it is asked less and less often, once a minute at least.
func (o *Outbox) Run(ctx context.Context) {
	defer o.connections.close()
	wait, quiet := outboxLook, 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		switch more, ok := o.turn(ctx); {
		case !ok:
			wait = min(2*max(wait, outboxLook), time.Minute)
		case more:
			wait, quiet = 0, 0
		default:
			wait = outboxLook
			if quiet++; quiet%keptOpen == 0 {
				o.connections.close()
			}
		}
	}
}

// turn sends what is due, up to a batch of it. It reports whether there may be more, and
// whether database and mail server do what they should.
func (o *Outbox) turn(ctx context.Context) (more, ok bool) {
	due, err := o.Store.ReaderMailsDue(ctx)
	if err == nil && due {
		more, err = o.send(ctx)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, errUnreachable) {
		o.Log.ErrorContext(ctx, "sending mails to readers failed", "error", err)
	}
	return more, err == nil
}

// errUnreachable says that none of the mails of a batch got an answer.
var errUnreachable = errors.New("the mail server can't be reached")

// send sends a batch of what is due, and reports whether there may be more.
func (o *Outbox) send(ctx context.Context) (more bool, err error) {
	begun := o.Now()
	mails, err := o.Store.LeaseReaderMails(ctx, outboxBatch, outboxLease)
	if err != nil || len(mails) == 0 {
		return false, err
	}
	starts, links := o.links(mails)
	may, err := o.Store.StartReaderMails(ctx, starts)
	if err != nil {
		return false, err // what was leased goes on when the lease ends
	}
	begins, stop := context.WithDeadline(ctx, time.Now().Add(outboxBegins-o.Now().Sub(begun)))
	defer stop()
	outcomes := o.sendAll(begins, mails, may, links)
	if err := o.Store.RecordReaderMails(context.WithoutCancel(ctx), outcomes); err != nil {
		return false, err // they are sent once more, which does no harm
	}
	if unanswered(outcomes) {
		return false, errUnreachable
	}
	return len(mails) == outboxBatch, nil
}

// links are new links for mails, by their ids, and what is stored of them.
func (o *Outbox) links(mails []db.ReaderMail) (starts []db.ReaderMailStart, links map[string]string) {
	links = map[string]string{}
	for _, m := range mails {
		token, hash := seal.NewToken()
		links[m.ID] = o.URL + "/confirm/" + url.PathEscape(token)
		starts = append(starts, db.ReaderMailStart{ReaderMail: m, TokenHash: hash,
			AddressMAC: seal.RecipientMAC(o.MACs, "", m.AddressKey), TenantMAC: seal.RecipientMAC(o.MACs, m.TenantID, m.AddressKey)})
	}
	return starts, links
}

// sendAll sends those of some mails that may be sent, side by side. Those that weren't begun
// when ctx ended are to be sent at once by whoever comes next.
func (o *Outbox) sendAll(ctx context.Context, mails []db.ReaderMail, may map[string]bool, links map[string]string) (outcomes []db.ReaderMailOutcome) {
	next := make(chan db.ReaderMail)
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range sideBySide {
		workers.Go(func() {
			for m := range next {
				outcome := o.outcome(ctx, m, o.sendOne(ctx, m, links[m.ID]))
				mu.Lock()
				outcomes = append(outcomes, outcome)
				mu.Unlock()
			}
		})
	}
	for _, m := range mails {
		if may[m.ID] {
			next <- m
		}
	}
	close(next)
	workers.Wait()
	return outcomes
}

// sendOne sends a mail with its link.
func (o *Outbox) sendOne(ctx context.Context, m db.ReaderMail, link string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // who began finishes
	letter := Confirmation{Language: forms.Language(m.Language), Newsletter: m.Newsletter, Sender: m.Sender, Link: link, Days: int(m.ConfirmFor / (24 * time.Hour))}.letter()
	message, err := o.Server.message(ctx, m.ID, m.Address, letter)
	if err != nil {
		return err
	}
	return o.connections.deliver(ctx, message)
}

// outcome is what is stored of a try to send a mail. The log gets no more than the code of what
// the mail server said, which may name an address.
func (o *Outbox) outcome(ctx context.Context, m db.ReaderMail, err error) db.ReaderMailOutcome {
	out := db.ReaderMailOutcome{ReaderMail: m, State: db.MailSent}
	var failed *deliveryError
	switch {
	case err == nil:
	case errors.As(err, &failed) && failed.refused:
		out.State, out.Code, out.Detail = db.MailRefused, failed.code, failed.said
		o.Log.WarnContext(ctx, "a mail to a reader was refused", "mail", m.ID, "code", failed.code)
	case errors.As(err, &failed):
		out.State, out.Code, out.Detail, out.Due = db.MailQueued, failed.code, failed.said, o.Now().Add(retryAfter(m.Attempts))
	case ctx.Err() != nil:
		out.State = db.MailQueued
	default:
		out.State, out.Due = db.MailQueued, o.Now().Add(retryAfter(m.Attempts))
		o.Log.ErrorContext(ctx, "a mail to a reader could not be made", "mail", m.ID, "error", err)
	}
	return out
}

// retryAfter is how long after a failed try a mail is sent again: a minute, then twice as long
// each time, an hour at most.
func retryAfter(before int) time.Duration { return min(time.Minute<<min(before, 6), time.Hour) }

// unanswered reports whether mails were to be sent, and the mail server answered to none.
func unanswered(outcomes []db.ReaderMailOutcome) bool {
	for _, o := range outcomes {
		if o.State != db.MailQueued || o.Code != 0 {
			return false
		}
	}
	return len(outcomes) > 0
}
