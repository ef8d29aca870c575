package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"
)

// scannersAtOnce is how many mails are looked at at once.
const scannersAtOnce = 8

// letterbox has all mails that were sent. A program looks at each before its recipient does.
type letterbox struct {
	mu      sync.Mutex
	mails   map[string][]string // the links, by recipient
	unread  []letter            // that no program has looked at
	team    int                 // mails to the team
	errs    []error
	scanned atomic.Int64
}

// letter is a mail's recipient and link.
type letter struct{ to, link string }

// take takes a mail. One without a link to confirm by tells the team what goes on.
func (b *letterbox) take(to, text string) {
	link := rig.ConfirmLink.FindString(text)
	b.mu.Lock()
	defer b.mu.Unlock()
	if link == "" {
		b.team++
		return
	}
	b.unread = append(b.unread, letter{strings.ToLower(to), link})
}

// next is a mail that no program has looked at.
func (b *letterbox) next() (l letter, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.unread) == 0 {
		return l, false
	}
	l, b.unread = b.unread[0], b.unread[1:]
	return l, true
}

// hand hands a mail to its recipient.
func (b *letterbox) hand(l letter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails[l.to] = append(b.mails[l.to], l.link)
}

// of are the links of somebody's mails.
func (b *letterbox) of(to string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mails[to]
}

// toTeam is how many mails told the team what goes on.
func (b *letterbox) toTeam() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.team
}

func (b *letterbox) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Join(b.errs...)
}

// look is how often is looked for what is there.
const look = 50 * time.Millisecond

// scan looks at mails until ctx ends, and hands each on.
func (b *letterbox) scan(ctx context.Context, portal string) {
	v := newVisitor(portal, "", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/147.0.0.0 Safari/537.36")
	for {
		l, ok := b.next()
		if !ok {
			if wait(ctx, look) != nil {
				return
			}
			continue
		}
		if err := scanLink(ctx, v, l.link); err != nil && ctx.Err() == nil {
			b.mu.Lock()
			b.errs = append(b.errs, err)
			b.mu.Unlock()
		}
		b.scanned.Add(1)
		b.hand(l)
	}
}

// scanLink opens a link in the ways in which such programs do, runs the page's scripts as it were, and sends its
// form as form.submit() does: with all fields, without the button.
func scanLink(ctx context.Context, v *visitor, link string) error {
	if _, err := v.do(ctx, http.MethodHead, link, nil, nil); err != nil {
		return err
	}
	page, err := v.open(ctx, link)
	if err != nil {
		return err
	}
	fields := page.fields("main form")
	_, err = v.post(ctx, link, fields, navigates)
	return err
}

// settleTime is how long the last mails may take.
const settleTime = 5 * time.Minute

// settle waits until all mails that may be sent now were sent and looked at.
func (b *letterbox) settle(ctx context.Context, store *db.DB) error {
	ctx, stop := context.WithTimeout(ctx, settleTime)
	defer stop()
	for {
		var queued int
		if err := store.Writer().QueryRowContext(ctx, `SELECT count(*) FROM reader_mails WHERE state = 'queued' AND due_at <= $1`, store.Now().UnixMilli()).Scan(&queued); err != nil {
			return err
		}
		b.mu.Lock()
		unread := len(b.unread)
		b.mu.Unlock()
		if queued+unread == 0 {
			return nil
		}
		if err := wait(ctx, look); err != nil {
			return err
		}
	}
}
