// Package incidents notices what a tenant's admins have to be told of: a
// connection that died or can't be renewed, sign-ups that wait for long, records that pile up, a busy
// form that went silent. It opens an incident for each, and closes it when it is
// mended; the mails of both are queued in the same transactions.
package incidents

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/identity"
)

// When something is trouble.
const (
	WaitingFor = 15 * time.Minute // sign-ups wait for long from then on
	FailsFor   = time.Minute      // a renewal is tried again after so long once it has failed several times, for more than a minute in all
	PileUp     = 10               // so many came to need attention in this hour and the one before
	SpikeMin   = 200              // so many new sign-ups in two hours are many, where
	SpikeTimes = 10               // they are so many times what is usual
	AttackMin  = 50               // so many held sign-ups in an hour are an attack, where they are most of all
	ConfirmMin = 50               // of fewer confirmation mails nobody can tell how many are pressed
	Usual      = 10               // so many sign-ups in the same hours of an ordinary week make a silence odd
)

// known is for how long a form must have got sign-ups before a silence of its means
// anything: nobody knows before what is usual for it.
const known = 4 * 7 * 24 * time.Hour

// An incident is closed when its trouble has been gone for a while, which gets
// longer each time within a day: so that what comes and goes is told of once, and
// not in a flood.
const (
	calm    = 10 * time.Minute
	calmMax = 6 * time.Hour
)

// Store is where troubles show, and where incidents are kept; *db.DB is one.
type Store interface {
	FailingConnections(ctx context.Context, apart time.Duration) ([]db.Trouble, error)
	BrokenConnections(ctx context.Context) ([]db.Trouble, error)
	LongWaiting(ctx context.Context, before time.Time) ([]db.LongWait, error)
	PileUps(ctx context.Context, min int, since time.Time) ([]db.PileUp, error)
	Silences(ctx context.Context, now time.Time) ([]db.Silence, error)
	Spikes(ctx context.Context, now time.Time, min, times int) ([]db.Trouble, error)
	Attacks(ctx context.Context, since time.Time, min int) ([]db.Trouble, error)
	Unconfirming(ctx context.Context, now time.Time, min int) ([]db.Trouble, error)
	MailsOverLimit(ctx context.Context, now time.Time) ([]db.Trouble, error)
	PausedFieldTroubles(ctx context.Context) ([]db.Trouble, error)
	SignedUpSince(ctx context.Context, tenantID, newsletterID string, since time.Time) (bool, error)
	OpenIncidents(ctx context.Context) ([]db.Incident, error)
	OpenIncident(ctx context.Context, t db.Trouble, now time.Time, tell func([]db.Member) []string) error
	MendIncident(ctx context.Context, id string, at time.Time) error
	CloseIncident(ctx context.Context, i db.Incident, now time.Time, tell func([]db.Member) []string) error
	DueDigests(ctx context.Context, before time.Time) ([]db.DigestTenant, error)
	Digest(ctx context.Context, tenantID string) (db.Digest, error)
	QueueDigest(ctx context.Context, tenantID string, morning time.Time, apart time.Duration, tell func([]db.Member) []string) error
}

// Watch looks for troubles.
type Watch struct {
	Store Store
	CRMs  crm.Providers
	Tell  bool             // whether mails can be sent
	Now   func() time.Time // time.Now when nil
	Log   *slog.Logger     // for what the operator can do something about
}

func (w *Watch) now() time.Time {
	if w.Now == nil {
		return time.Now()
	}
	return w.Now()
}

// tell returns whom to send mails of a tenant's incident, of its members.
func (w *Watch) tell(members []db.Member) (users []string) {
	for _, m := range members {
		if w.Tell && Wanted(m) {
			users = append(users, m.UserID)
		}
	}
	return users
}

// Wanted reports whether a member is told of incidents by mail.
func Wanted(m db.Member) bool { return m.Mails == db.MailsAtOnce }

// Shown are those of the incidents whose trouble is there now: one that is about
// sign-ups is gone with the last of them, though nobody noted it yet.
func Shown(all []db.Incident) []db.Incident {
	return slices.DeleteFunc(all, func(i db.Incident) bool {
		return (i.Kind == db.IncidentWaiting || i.Kind == db.IncidentAttention) && i.N == 0 || i.Kind == db.IncidentField && i.Fields == ""
	})
}

// trouble is what makes two troubles the same.
type trouble struct {
	tenantID string
	kind     db.IncidentKind
	about    string
}

func of(t db.Trouble) trouble { return trouble{t.TenantID, t.Kind, t.About} }

// look is what was found: what is trouble, and what is still some when it was
// before.
type look struct {
	troubles []db.Trouble
	lasting  map[trouble]bool
}

// Look opens incidents for new troubles, and closes those of troubles that are
// gone. Any number of processes may do it at once.
func (w *Watch) Look(ctx context.Context) error {
	now := w.now()
	open, err := w.Store.OpenIncidents(ctx)
	if err != nil {
		return err
	}
	found, err := w.find(ctx, now)
	if err != nil {
		return err
	}
	var errs []error
	told := map[trouble]bool{}
	for _, i := range open {
		told[of(i.Trouble)] = true
		if (i.Kind == db.IncidentBroken || i.Kind == db.IncidentFailing) && (i.MendedAt.IsZero() || now.Sub(i.MendedAt) < calm) {
			told[trouble{i.TenantID, db.IncidentWaiting, i.About}] = true // who waited behind it is on the way now
		}
	}
	for _, t := range found.troubles {
		if !told[of(t)] {
			w.tellOperator(ctx, t)
			errs = append(errs, w.Store.OpenIncident(ctx, t, now, w.tell))
		}
	}
	for _, i := range open {
		errs = append(errs, w.follow(ctx, i, found, now))
	}
	return errors.Join(errs...)
}

// tellOperator logs a trouble that the operator can mend, and not the tenant.
func (w *Watch) tellOperator(ctx context.Context, t db.Trouble) {
	if t.Kind == db.IncidentMails {
		w.Log.WarnContext(ctx, "confirmation mails of a tenant wait: there are more than may leave in an hour", "tenant", t.Slug, "limit", t.N)
	}
}

// follow notes whether the trouble of an open incident is gone, or back, and
// closes it when it has been gone for long enough.
func (w *Watch) follow(ctx context.Context, i db.Incident, found look, now time.Time) error {
	lasts, err := w.lasts(ctx, i, found)
	switch gone := !i.MendedAt.IsZero(); {
	case err != nil:
		return err
	case lasts && gone:
		return w.Store.MendIncident(ctx, i.ID, time.Time{})
	case !lasts && !gone:
		return w.Store.MendIncident(ctx, i.ID, now)
	case !lasts && now.Sub(i.MendedAt) >= min(calm<<min(i.Recent, 10), calmMax):
		return w.Store.CloseIncident(ctx, i, now, w.tell)
	}
	return nil
}

// lasts reports whether the trouble of an incident is still there. A silence ends
// with a sign-up, however long it lasts.
func (w *Watch) lasts(ctx context.Context, i db.Incident, found look) (bool, error) {
	if i.Kind != db.IncidentSilent {
		return found.lasting[of(i.Trouble)], nil
	}
	ended, err := w.Store.SignedUpSince(ctx, i.TenantID, i.About, i.Since)
	return !ended, err
}

// find looks for what is trouble now.
func (w *Watch) find(ctx context.Context, now time.Time) (look, error) {
	l := look{lasting: map[trouble]bool{}}
	broken, err := w.Store.BrokenConnections(ctx)
	if err != nil {
		return l, err
	}
	l.found(broken)
	for _, t := range broken {
		l.lasting[trouble{t.TenantID, db.IncidentFailing, t.About}] = true // it got worse
	}
	failing, err := w.Store.FailingConnections(ctx, FailsFor)
	if err != nil {
		return l, err
	}
	for _, t := range failing {
		if identity.WhyFailing(t.Service, "", t.Cause).Who != identity.Nobody { // else sign-ups that wait tell
			l.troubles, l.lasting[of(t)] = append(l.troubles, t), true
		}
	}
	err = errors.Join(w.findWaiting(ctx, &l, now), w.findPileUps(ctx, &l, now), w.findSilences(ctx, &l, now), w.findPausedFields(ctx, &l), w.findOfReaders(ctx, &l, now))
	return l, err
}

// findOfReaders finds forms that get too many sign-ups, or robots', and confirmation mails that few
// people press, or that wait for the limit. An attack lasts until fewer than half as many are held.
func (w *Watch) findOfReaders(ctx context.Context, l *look, now time.Time) error {
	spikes, err := w.Store.Spikes(ctx, now, SpikeMin, SpikeTimes)
	l.found(spikes)
	unconfirming, confirming := w.Store.Unconfirming(ctx, now, ConfirmMin)
	l.found(unconfirming)
	overLimit, limiting := w.Store.MailsOverLimit(ctx, now)
	l.found(overLimit)
	attacks, attacking := w.Store.Attacks(ctx, now.Add(-time.Hour), AttackMin/2)
	for _, t := range attacks {
		l.lasting[of(t)] = true
		if t.N >= AttackMin {
			l.troubles = append(l.troubles, t)
		}
	}
	return errors.Join(err, confirming, limiting, attacking)
}

// found adds troubles that last as long as they are found.
func (l *look) found(troubles []db.Trouble) {
	for _, t := range troubles {
		l.troubles, l.lasting[of(t)] = append(l.troubles, t), true
	}
}

// findWaiting finds where sign-ups wait for long. Where that is so because the connection
// is dead or fails, it is told of already, with the reason. What all wait for says more
// than what the one waits for that waits longest.
func (w *Watch) findWaiting(ctx context.Context, l *look, now time.Time) error {
	before := now.Add(-WaitingFor)
	waiting, err := w.Store.LongWaiting(ctx, before)
	for _, wait := range waiting {
		if wait.LongestSince.IsZero() || !wait.LongestSince.Before(before) {
			continue
		}
		t := wait.Trouble
		t.Cause, t.Since = cmp.Or(t.Cause, wait.LongestCause), wait.LongestSince
		l.lasting[of(t)] = true
		if !l.lasting[trouble{t.TenantID, db.IncidentBroken, t.About}] && !l.lasting[trouble{t.TenantID, db.IncidentFailing, t.About}] {
			l.troubles = append(l.troubles, t)
		}
	}
	return err
}

// findPileUps finds where many came to need attention. That is trouble until
// fewer than half as many need it.
func (w *Watch) findPileUps(ctx context.Context, l *look, now time.Time) error {
	piles, err := w.Store.PileUps(ctx, PileUp/2, now.Add(-time.Hour))
	for _, p := range piles {
		if p.N >= PileUp && p.Lately >= PileUp {
			l.troubles = append(l.troubles, p.Trouble)
		}
		l.lasting[of(p.Trouble)] = true
	}
	return err
}

// findPausedFields finds CRMs of which fields are paused.
func (w *Watch) findPausedFields(ctx context.Context, l *look) error {
	troubles, err := w.Store.PausedFieldTroubles(ctx)
	l.found(troubles)
	return err
}

// findSilences finds forms that went silent though they are busy: in the same
// hours of at least three of the last four weeks there were Usual sign-ups or
// more. If readers came by chance, as many as usual, none at all would come in
// one of 22,000 such stretches (e to the power of Usual).
func (w *Watch) findSilences(ctx context.Context, l *look, now time.Time) error {
	silences, err := w.Store.Silences(ctx, now)
	for _, s := range silences {
		if s.Since.Sub(s.First) <= known {
			continue
		}
		weeks := s.Weeks
		slices.Sort(weeks[:])
		if s.N = weeks[1]; s.N >= Usual {
			l.troubles = append(l.troubles, s.Trouble)
		}
	}
	return err
}
