package db

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// A program that sends mails keeps a copy of who wants them. It goes through all readers in the order of
// when each changed last (or came, who never changed), and from then on asks for what changed since. Who
// changes while it goes on comes again at their new place, so that nobody is missed.

// FeedPlace is a place in that order: a time in milliseconds, and an id where several have it.
type FeedPlace struct {
	At int64
	ID string
}

func (p FeedPlace) compare(q FeedPlace) int {
	return cmp.Or(cmp.Compare(p.At, q.At), strings.Compare(p.ID, q.ID))
}

// FeedCursor is how far a program is. The zero cursor is at the beginning.
//
// A row's place is known before its transaction is committed, so who is passed by may turn up behind the cursor
// a moment later. So a cursor remembers Safe: up to there nobody can turn up any more. At the end the
// program goes on from there, and is told of those of the last FeedSettles again.
type FeedCursor struct{ At, Safe FeedPlace }

// FeedSettles is how long a transaction may take, with what clocks of several servers differ by.
const FeedSettles = 2 * time.Minute

// FeedFrom is the cursor of who wants to know what changed after a time. Before 1970 is the beginning.
func FeedFrom(t time.Time) FeedCursor {
	at := FeedPlace{At: max(0, t.UnixMilli())}
	return FeedCursor{at, at}
}

// FeedQuery asks for a page of a newsletter's readers.
type FeedQuery struct {
	NewsletterID string
	States       []State // those who are told; of who is erased the id alone
	Limit        int
}

// FeedReader is one of them.
type FeedReader struct {
	Subscriber
	ChangedAt time.Time
}

// FeedPage is a page, and the cursor for the next one.
type FeedPage struct {
	Readers []FeedReader
	Next    FeedCursor
	More    bool // there are more by now; a page may have nobody even so
}

// feedRow is what decides whether somebody is on a page.
type feedRow struct {
	FeedPlace
	newsletterID string
	state        State
}

// feedStep is how many rows of a tenant are looked at for a page, of each kind.
const feedStep = 5000

// ReaderFeed returns the next page of a newsletter's readers after a cursor.
func (d *Unsubscribing) ReaderFeed(ctx context.Context, tenantID string, q FeedQuery, from FeedCursor) (page FeedPage, err error) {
	settled := FeedPlace{At: d.now().Add(-FeedSettles).UnixMilli()}
	rows, whole, err := d.feedRows(ctx, tenantID, from.At)
	if err != nil {
		return page, wrap("reader feed", err)
	}
	var found []feedRow
	at := from.At
	for _, r := range rows {
		if len(found) == q.Limit {
			whole = false
			break
		}
		at = r.FeedPlace
		if r.newsletterID == q.NewsletterID && slices.Contains(q.States, r.state) {
			found = append(found, r)
		}
	}
	page.Next, page.More = from.next(at, settled, whole), !whole
	page.Readers, err = d.feedReaders(ctx, tenantID, found)
	return page, wrap("reader feed", err)
}

// next is the cursor behind a place, of which all before it were told; whole says that there is
// nobody behind it yet.
func (c FeedCursor) next(at, settled FeedPlace, whole bool) FeedCursor {
	if c.At == c.Safe { // nothing was passed by that wasn't settled
		safe := at
		if whole || safe.compare(settled) > 0 {
			safe = settled
		}
		if safe.compare(c.Safe) > 0 {
			c.Safe = safe
		}
	}
	c.At = at
	if whole {
		c.At = c.Safe
	}
	return c
}

// feedRows are the tenant's next rows after a place, in their order; whole says that there are no more.
// Who has never changed is read first: who changes in between is read again, at their new place. Who got another
// address and is to confirm it is told as erased: they may have been told with the one before, to which nobody may
// write now, and come again when they have confirmed; also once they have expired since.
func (d *Unsubscribing) feedRows(ctx context.Context, tenantID string, after FeedPlace) (rows []feedRow, whole bool, err error) {
	last, whole := FeedPlace{}, true
	for _, kind := range []struct {
		query string
		args  []any
	}{
		{`SELECT id, newsletter_id, state, 0 FROM subscribers WHERE tenant_id = $1 AND id > $2 AND changed_at = 0 ORDER BY id LIMIT $3`, []any{tenantID, after.cameAfter(), feedStep}},
		{`SELECT id, newsletter_id, CASE WHEN state = 'unconfirmed' AND edited_at > 0 THEN 'erased' ELSE state END, changed_at FROM subscribers WHERE tenant_id = $1 AND changed_at > 0 AND (changed_at, id) > ($2, $3) ORDER BY changed_at, id LIMIT $4`,
			[]any{tenantID, after.At, after.ID, feedStep}},
		{`SELECT subscriber_id, newsletter_id, 'erased', ended_at FROM removals WHERE tenant_id = $1 AND erased = 1 AND (kind <> 'expired' OR told = 1) AND ended_at > 0 AND (ended_at, subscriber_id) > ($2, $3)
			ORDER BY ended_at, subscriber_id LIMIT $4`, []any{tenantID, after.At, after.ID, feedStep}},
	} {
		of, err := collect(ctx, d.read, scanFeedRow, kind.query, kind.args...)
		if err != nil {
			return nil, false, err
		}
		rows = append(rows, of...)
		if end := len(of) - 1; end == feedStep-1 { // behind it nobody may be passed by
			if whole || of[end].compare(last) < 0 {
				last = of[end].FeedPlace
			}
			whole = false
		}
	}
	slices.SortFunc(rows, func(a, b feedRow) int { return a.compare(b.FeedPlace) })
	if !whole {
		rows = slices.DeleteFunc(rows, func(r feedRow) bool { return r.compare(last) > 0 })
	}
	return rows, whole, nil
}

func scanFeedRow(row scanner) (r feedRow, err error) {
	err = row.Scan(&r.ID, &r.newsletterID, &r.state, &r.At)
	if r.At == 0 {
		r.At = cameAt(r.ID)
	}
	return r, err
}

// cameAt is when the subscriber with an id came, in milliseconds: a UUIDv7 says so.
func cameAt(id string) (ms int64) {
	u, err := uuid.Parse(id)
	if err != nil {
		return 0
	}
	for _, b := range u[:6] {
		ms = ms<<8 | int64(b)
	}
	return ms
}

// cameAfter is an id that is before those of who came after the place, and not before others. A UUID has 48
// bits for the time: cut down to them, another time would be somewhere else.
func (p FeedPlace) cameAfter() string {
	if cameAt(p.ID) == p.At {
		return p.ID
	}
	var u uuid.UUID
	ms := min(max(p.At, 0), 1<<48-1)
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	return u.String()
}

// feedReaders are the readers of some rows, in their order. Of who is erased, or is just being, the id is
// all that is told.
func (d *Unsubscribing) feedReaders(ctx context.Context, tenantID string, rows []feedRow) (all []FeedReader, err error) {
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	people := map[string]Subscriber{}
	for part := range idSet(ids).of(tenantID).parts() {
		with, args := part.with(d.engine)
		some, err := collect(ctx, d.read, scanSubscriber, with+selectSubscriber+`JOIN o ON o.tenant_id = s.tenant_id AND o.id = s.id`, args...)
		if err != nil {
			return nil, err
		}
		for _, s := range some {
			people[s.ID] = s
		}
	}
	for _, r := range rows {
		reader := FeedReader{Subscriber: Subscriber{ID: r.ID, TenantID: tenantID, NewsletterID: r.newsletterID, Status: Erased}, ChangedAt: fromMillis(r.At)}
		if r.state != Erased && r.state != Erasing {
			s, ok := people[r.ID]
			if !ok || s.Status != r.state {
				continue // they changed just now, and come again
			}
			reader.Subscriber = s
		}
		all = append(all, reader)
	}
	return all, nil
}
