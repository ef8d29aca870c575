package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"
)

// searches are what is looked for among a million: a rarer part of names and addresses, one
// that a third of all have, two letters that begin a word, and what beside that is asked
// for; and lists of few by a newsletter or between two dates, long ago.
func searches(now time.Time) []string {
	then := "from=" + now.AddDate(0, 0, -200).Format(time.DateOnly) + "&to=" + now.AddDate(0, 0, -190).Format(time.DateOnly)
	return []string{"q=lang", "q=gmail.com", "q=Li", "q=li+wei", "q=reader0123456", "q=nobody", "q=gmail.com&state=waiting", "q=lang&when=7d", "q=wei&sort=name", "q=gmail.com&sort=oldest",
		"newsletter=" + few, "newsletter=" + few + "&state=waiting", "newsletter=" + few + "&sort=name", "q=gmail.com&newsletter=" + few, then, then + "&sort=address", "q=gmail.com&" + then,
		"q=gmail.com&when=today", "q=nobody&when=today"}
}

// search measures the search of two tenants that have half of all subscribers each, and how
// long it takes until all of them are found.
func (b bench) search(ctx context.Context) error {
	in := inWorld
	if b.server {
		in = onPostgres
	}
	return in(ctx, func(w *rig.World, p *rig.Portal) error {
		p.Kill()
		if err := b.fillBoth(ctx, w); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		if err := p.Start(); err != nil {
			return err
		}
		took, err := b.indexed(ctx, w)
		if err != nil {
			return err
		}
		say("search       %d subscribers of two tenants are found after %v; memory %s", b.stored, took.Round(time.Second), memory(p))
		v, err := p.SignIn(ctx, rig.Contoso)
		if err != nil {
			return err
		}
		for _, query := range searches(time.Now()) {
			var all rig.Times
			for range 200 {
				took, err := v.Fetch(ctx, p.URL+"/subscribers?"+query)
				if err != nil {
					return err
				}
				all = append(all, took)
			}
			say("search       %-48s %v", query, all)
		}
		return nil
	})
}

// What readers are called, and where they have their mailboxes: a third of them at one
// place.
var (
	firstNames = strings.Fields("Anna Ben Clara David Emma Felix Greta Hugo Ida Jonas Klara Li Linus Lilian Mia Noah Olga Paul Rosa Sofía Sven Tina Uwe Vera Zoe")
	lastNames  = strings.Fields("Bauer Becker Braun Conrad Fischer Fuchs Graf Hoffmann Jung Keller Klein Koch Lang Lange Langer Marín Müller Neumann Otto Peters Richter Schmidt Schwarz Wagner Weber Wei Wolf Xander Zimmer")
	mailboxes  = strings.Fields("gmail.com web.example stored.example")
)

// reading is the sign-up of the nth reader.
func reading(letter db.Newsletter, n int) db.SignUp {
	first, last := firstNames[n/7%len(firstNames)], lastNames[n/11%len(lastNames)]
	email := fmt.Sprintf("%s.reader%07d@%s", strings.ToLower(last), n, mailboxes[n%len(mailboxes)])
	return db.SignUp{TenantID: letter.TenantID, NewsletterID: letter.ID, Email: email, EmailKey: email, FirstName: first, LastName: last, Consent: letter.Consent, Source: "form", At: time.Now()}
}

// fillBoth stores half of the subscribers for each tenant.
func (b bench) fillBoth(ctx context.Context, w *rig.World) (err error) {
	store, err := db.Open(ctx, w.Database())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var letters []db.Newsletter
	for _, t := range []rig.Tenant{rig.Contoso, rig.Fabrikam} {
		n, err := store.NewsletterBySlug(ctx, t.Slug+"-weekly")
		if err != nil {
			return err
		}
		letters = append(letters, n)
	}
	if err := fillFew(ctx, store, letters[0]); err != nil {
		return err
	}
	begun := time.Now()
	for from := 0; from < b.stored; from += group {
		signUps := make([]db.SignUp, min(group, b.stored-from))
		for i := range signUps {
			signUps[i] = reading(letters[i%2], (from+i)/2)
		}
		if _, err := store.AddSignUps(ctx, signUps); err != nil {
			return err
		}
	}
	say("filled       %d subscribers of two tenants in %v", b.stored, time.Since(begun).Round(time.Second))
	return nil
}

// few is the public name of a newsletter of the first tenant's that few have.
const few = "events"

// fillFew stores those who came before all others: one on each day of the last year.
func fillFew(ctx context.Context, store *db.DB, weekly db.Newsletter) error {
	begin := time.Now().AddDate(-1, 0, 0)
	events := db.Newsletter{ID: db.NewID(), TenantID: weekly.TenantID, Slug: few, Name: "Events", Consent: weekly.Consent, CreatedAt: begin}
	past := db.Past{Newsletters: []db.Newsletter{events}}
	for day := range 360 {
		r, at := reading(events, 9_000_000+day), begin.AddDate(0, 0, day)
		past.People = append(past.People, db.PastPerson{
			Subscriber: db.Subscriber{NewsletterID: events.ID, Email: r.Email, EmailKey: r.EmailKey, FirstName: r.FirstName, LastName: r.LastName, Status: db.Active, Delivery: db.Delivery{State: db.Dismissed}},
			SignUps:    []db.Consent{{At: at, Words: r.Consent, Source: r.Source}},
		})
	}
	return store.StorePast(ctx, weekly.TenantID, past)
}

// indexed waits until everybody is found, and returns how long that took.
func (b bench) indexed(ctx context.Context, w *rig.World) (took time.Duration, err error) {
	store, err := db.Open(ctx, w.Database())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	begun := time.Now()
	for look := time.NewTicker(time.Second); ; {
		var left int
		if err := store.Writer().QueryRowContext(ctx, `SELECT count(*) FROM search_queue`).Scan(&left); err != nil {
			return 0, err
		}
		if left == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-look.C:
		}
	}
	took = time.Since(begun)
	if b.server { // what it does by itself within minutes
		_, err = store.Writer().ExecContext(ctx, `VACUUM ANALYZE`)
	}
	return took, err
}
