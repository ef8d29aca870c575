package db

import (
	"context"
	"crypto/rand"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Past is what happened to a tenant before anybody looked: the demo gives one to its
// sample tenant. It is stored as if it had happened then, with all that is counted.
type Past struct {
	Newsletters []Newsletter // beside the one that the tenant was born with
	People      []PastPerson
	Incidents   []PastIncident
	Solved      []Solved // causes that are over; their actors by their ids
	Views       []ViewCount
}

// PastPerson is a subscriber as they stand now, with their delivery to the tenant's first
// destination, and how they came to. Their id is made: it tells when they signed up.
type PastPerson struct {
	Subscriber
	Placeholders Placeholders
	SignUps      []Consent // the earliest first; the others were repeated
	Events       []Event   // the earliest first; actors by their ids
}

// PastIncident is an incident with those who were told of it by mail.
type PastIncident struct {
	Incident
	Told []string // ids of users
}

// StorePast stores what happened to a tenant before, all of it or nothing. ErrConflict:
// somebody has signed up there already.
func (d *Work) StorePast(ctx context.Context, tenantID string, p Past) error {
	return wrap("store a past", d.tx(ctx, func(tx *sql.Tx) error {
		var lived bool
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM subscribers WHERE tenant_id = $1)`, tenantID).Scan(&lived)
		if err != nil {
			return err
		}
		if lived {
			return ErrConflict
		}
		var destinationID string
		err = tx.QueryRowContext(ctx, `SELECT id FROM destinations WHERE tenant_id = $1 AND removed_at = 0 ORDER BY created_at, id LIMIT 1`, tenantID).Scan(&destinationID)
		if err != nil {
			return err
		}
		for _, n := range p.Newsletters {
			if err := insertNewsletter(ctx, tx, tenantID, n); err != nil {
				return err
			}
		}
		if err := d.storePeople(ctx, tx, DestinationKey{tenantID, destinationID}, p.People); err != nil {
			return err
		}
		if err := addViews(ctx, tx, tenantID, p.Views); err != nil {
			return err
		}
		for _, i := range p.Incidents {
			if err := insertPastIncident(ctx, tx, tenantID, destinationID, i); err != nil {
				return err
			}
		}
		for _, c := range p.Solved {
			if err := insertSolved(ctx, tx, tenantID, destinationID, c); err != nil {
				return err
			}
		}
		// The mails of a day are sent of what was open; the next ones come tomorrow.
		_, err = tx.ExecContext(ctx, `UPDATE tenants SET digest_at = $2 WHERE id = $1`, tenantID, millis(d.now()))
		return err
	}))
}

func insertSolved(ctx context.Context, tx *sql.Tx, tenantID, destinationID string, s Solved) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO causes (id, tenant_id, destination_id, state, reason, since, people, retried, dismissed, actor, decided_at, gone_at, ended_at)
		VALUES ($1, $2, $11, $3, $4, $5, $6, $7, $8, $9, $10, $10, $10)`,
		NewID(), tenantID, string(s.State), s.Reason, millis(s.Since), int64(s.People), int64(s.Retried), int64(s.Dismissed), s.Actor, millis(s.At), destinationID)
	return err
}

func insertNewsletter(ctx context.Context, tx *sql.Tx, tenantID string, n Newsletter) error {
	slug, err := claimSlug(ctx, tx, n.Slug, tenantID, n.ID)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		n.ID, tenantID, slug, n.Name, n.Consent, millis(n.CreatedAt))
	return err
}

// storePeople stores subscribers with what they agreed to and what became of them, and
// counts each thing in its hour.
func (d *base) storePeople(ctx context.Context, tx *sql.Tx, key DestinationKey, people []PastPerson) error {
	c := d.newChange(tx)
	s := pastSet{DestinationKey: key, change: c, book: newBook(tx, c), activity: map[int64]*happened{},
		subscribers: newSet(text("tenant_id"), text("id"), text("newsletter_id"), text("email"), text("email_key"), text("first_name"), text("last_name"),
			text("wording_id"), text("source"), text("state"), integer("created_at"), integer("repeated_at"), integer("revision")),
		deliveries: newSet(text("tenant_id"), text("subscriber_id"), text("destination_id"), text("state"), text("reason"), text("detail"), integer("attempts"), integer("refusals"), integer("due_at"),
			text("record_id"), text("org_id"), text("instance_url"), text("match_id"), integer("delivered_at"), integer("revision"), integer("waits_since"), text("placeholders")),
		consents: newSet(text("tenant_id"), text("subscriber_id"), text("id"), text("wording_id"), text("source"), integer("at"), text("replaced"))}
	for _, p := range people {
		if err := s.add(ctx, p); err != nil {
			return err
		}
	}
	for _, of := range []struct {
		table string
		*set
	}{{"subscribers", s.subscribers}, {"deliveries", s.deliveries}, {"consents", s.consents}, {"events", s.change.events}} {
		for part := range of.parts() {
			names := strings.Join(part.names(), ", ")
			with, args := part.with(d.engine)
			if _, err := tx.ExecContext(ctx, with+`INSERT INTO `+of.table+` (`+names+`) SELECT `+names+` FROM o`, args...); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(s.book.fresh, func(a, b fresh) int { return strings.Compare(a.id, b.id) })
	if err := s.book.queueSearch(ctx); err != nil {
		return err
	}
	if err := d.counter.store(ctx, tx, s.change.tally, 0); err != nil { // nothing of it happened at a time
		return err
	}
	for _, h := range s.activity {
		t := newTally()
		t.activity = h.n
		if err := d.counter.store(ctx, tx, t, h.last); err != nil {
			return err
		}
	}
	return nil
}

// pastSet collects the rows of people, and what they change in the counts.
type pastSet struct {
	DestinationKey
	subscribers, deliveries, consents *set
	change                            *change
	book                              *book
	activity                          map[int64]*happened // by the hour
}

// happened is what happened in an hour, and when last.
type happened struct {
	n    map[activityKey]int
	last int64
}

func (s *pastSet) add(ctx context.Context, p PastPerson) error {
	first := p.SignUps[0]
	id, created := idOf(first.At), millis(first.At)
	wording, err := s.book.wording(ctx, first.Words, Presentation{})
	if err != nil {
		return err
	}
	var repeated int64
	for i, c := range p.SignUps {
		kind := "new"
		if i > 0 {
			kind, repeated = "repeated", millis(c.At)
			if err := s.consent(ctx, id, c); err != nil {
				return err
			}
		}
		s.change.tally.received[ledgerKey{s.TenantID, p.NewsletterID, hourOf(millis(c.At)), kind}]++
	}
	was := Waiting
	for _, e := range p.Events {
		destination := s.DestinationID
		if e.State.Info().Reader {
			destination = ""
		}
		s.change.events.add(idOf(e.At), s.TenantID, id, destination, millis(e.At), string(e.State), e.Reason, e.Detail, e.Actor)
		if kind := e.State.Info().Activity; kind != "" && e.State != was {
			s.happened(kind, millis(e.At))
		}
		was = e.State
	}
	s.subscribers.add(s.TenantID, id, p.NewsletterID, p.Email, p.EmailKey, p.FirstName, p.LastName, wording, first.Source, string(p.Status), created, repeated, int64(len(p.SignUps)-1))
	s.deliveries.add(s.TenantID, id, s.DestinationID, string(p.State), p.Reason, p.Detail, int64(p.Attempts), int64(p.Refusals), millis(p.DueAt),
		p.RecordID, p.OrgID, p.InstanceURL, p.MatchID, millis(p.DeliveredAt), int64(len(p.SignUps)-1), repeated, p.Placeholders.stored())
	s.book.fresh = append(s.book.fresh, fresh{s.TenantID, id})
	own := place{tenantID: s.TenantID, newsletterID: p.NewsletterID, createdAt: created, state: p.Status}
	s.change.tally.add(own, 1)
	own.destinationID, own.state, own.reason, own.orgID = s.DestinationID, p.State, p.Reason, p.OrgID
	s.change.enter(own)
	return nil
}

func (s *pastSet) consent(ctx context.Context, subscriberID string, c Consent) error {
	wording, err := s.book.wording(ctx, c.Words, Presentation{})
	replaced := ""
	if len(c.Replaced) > 0 {
		replaced = mustJSON(c.Replaced)
	}
	s.consents.add(s.TenantID, subscriberID, idOf(c.At), wording, c.Source, millis(c.At), replaced)
	return err
}

func (s *pastSet) happened(kind string, at int64) {
	h := s.activity[hourOf(at)]
	if h == nil {
		h = &happened{n: map[activityKey]int{}}
		s.activity[hourOf(at)] = h
	}
	h.n[activityKey{s.DestinationKey, kind}]++
	h.last = max(h.last, at)
}

// insertPastIncident stores an incident, and the mails that told of it.
func insertPastIncident(ctx context.Context, tx *sql.Tx, tenantID, destinationID string, i PastIncident) error {
	id, about := idOf(i.OpenedAt), i.About
	if i.Delivers {
		about = destinationID
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO incidents (id, tenant_id, kind, about, cause, n, since, opened_at, mended_at, closed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		id, tenantID, i.Kind, about, i.Cause, i.N, millis(i.Since), millis(i.OpenedAt), millis(i.MendedAt), millis(i.ClosedAt))
	if err != nil {
		return err
	}
	for _, user := range i.Told {
		for kind, at := range map[MailKind]time.Time{MailIncidentOpened: i.OpenedAt, MailIncidentClosed: i.ClosedAt} {
			if at.IsZero() {
				continue
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO mails (id, kind, user_id, about, created_at, expires_at, state, ended_at, attempts, code) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, 250)`,
				idOf(at), kind, user, id, millis(at), millis(at.Add(noticeLife)), MailSent, millis(at.Add(time.Second)))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Postpone has those of a tenant's who wait for a reason of their own, and are due between
// two times, tried at the later one.
func (d *Work) Postpone(ctx context.Context, tenantID, reason string, after, until time.Time) error {
	_, err := d.exec(ctx, `UPDATE deliveries SET due_at = $4 WHERE tenant_id = $1 AND state = 'waiting' AND reason = $2 AND due_at > $3 AND due_at < $4`,
		tenantID, reason, millis(after), millis(until))
	return wrap("postpone", err)
}

// idOf is an id as NewID would have made it at a time.
func idOf(t time.Time) string {
	var id uuid.UUID
	_, _ = rand.Read(id[:]) // never fails
	ms := uint64(t.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id.String()
}
