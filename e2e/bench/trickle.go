package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest/postgres"
	"gatepost/e2e/rig"

	_ "modernc.org/sqlite" // to see a Contact the moment it is there
)

// latency is how long the simulated CRMs take for each call.
const latency = 150 * time.Millisecond

// trickleSize is how many sign-ups a trickle has, each of which comes alone.
const trickleSize = 60

// trickle measures the time from the thank-you to the Contact in each CRM, with nothing
// else going on.
func (b bench) trickle(ctx context.Context) error {
	return inWorld(ctx, func(w *rig.World, p *rig.Portal) error {
		for i, t := range []rig.Tenant{rig.Contoso, rig.Fabrikam, rig.Northwind} {
			crm := w.CRMs[i]
			if err := p.Connect(ctx, t, crm); err != nil {
				return err
			}
			took, err := trickle(ctx, p, t, crm)
			say("trickle      from thank-you to Contact, %s takes %v a call: %v", crm.Name, latency, took)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// inWorld calls fn with a portal beside the simulated CRMs, on new data.
func inWorld(ctx context.Context, fn func(*rig.World, *rig.Portal) error) error {
	return inWorldOn(ctx, "", fn)
}

// onPostgres is inWorld with the data on a PostgreSQL server that is durable as one in
// use is.
func onPostgres(ctx context.Context, fn func(*rig.World, *rig.Portal) error) (err error) {
	s, err := postgres.Start(postgres.Durable...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return inWorldOn(ctx, s.URL(), fn)
}

func inWorldOn(ctx context.Context, database string, fn func(*rig.World, *rig.Portal) error) error {
	folder, err := os.MkdirTemp("", "gatepost-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	w, err := rig.NewWorld(ctx, folder, database)
	defer func() { _ = w.Close() }()
	if err != nil {
		return err
	}
	for _, crm := range w.CRMs {
		if err := crm.Plenty(ctx, latency.Milliseconds()); err != nil {
			return err
		}
	}
	p, err := w.AddPortal(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = p.Stop() }()
	return fn(w, p)
}

// trickle signs people up, each when the one before is long there, and measures for each
// how long the Contact takes after the answer.
func trickle(ctx context.Context, p *rig.Portal, t rig.Tenant, crm *rig.CRM) (rig.Times, error) {
	file, err := openFile(crm)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var all rig.Times
	for range trickleSize {
		email := fmt.Sprintf("trickle%d@bench.example", reader.Add(1))
		if err := signUp(p.Form(t), email); err != nil {
			return all, err
		}
		begun := time.Now()
		if err := arrives(ctx, file, countContacts[crm.Service], email); err != nil {
			return all, err
		}
		all = append(all, time.Since(begun))
		if err := pause(ctx, db.DefaultPace); err != nil {
			return all, err
		}
	}
	return all, nil
}

// openFile opens the file of a simulated CRM, to read it.
func openFile(crm *rig.CRM) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+crm.File()+"?_pragma=busy_timeout(10000)&_pragma=query_only(1)")
}

// noRedirects is a reader's browser, which doesn't go on to the thank-you page.
var noRedirects = &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// signUp sends the public form.
func signUp(form, email string) error {
	resp, err := noRedirects.PostForm(form, url.Values{"email": {email}})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusSeeOther {
		return fmt.Errorf("a sign-up was answered with %s", resp.Status)
	}
	return nil
}

// countContacts count the Contacts with an address in the file of a simulated CRM.
var countContacts = map[string]string{
	rig.Salesforce: `SELECT count(*) FROM orgs o JOIN records r ON r.org = o.id AND r.type = 'Contact' AND r.email = $1`,
	rig.HubSpot:    `SELECT count(*) FROM orgs o JOIN addresses a ON a.org = o.id AND a.email = $1`,
	rig.Zoho:       `SELECT count(*) FROM orgs o JOIN records r ON r.org = o.id AND r.module = 'Contacts' AND r.email = $1`,
}

// arrives waits until there is a Contact with the address.
func arrives(ctx context.Context, file *sql.DB, count, email string) error {
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for {
		var n int
		err := file.QueryRowContext(ctx, count, email).Scan(&n)
		if err != nil || n > 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s didn't arrive: %w", email, ctx.Err())
		case <-look.C:
		}
	}
}
