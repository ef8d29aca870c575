package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest/postgres"
	"gatepost/e2e/rig"

	_ "modernc.org/sqlite" // to see a Contact the moment it is there
)

// latency is how long the simulated Salesforce takes for each call.
const latency = 150 * time.Millisecond

// trickleSize is how many sign-ups a trickle has, each of which comes alone.
const trickleSize = 60

// trickle measures the time from the thank-you to the Contact, with nothing else
// going on.
func (b bench) trickle(ctx context.Context) error {
	return inWorld(ctx, func(w *rig.World, p *rig.Portal) error {
		if err := p.Connect(ctx, rig.Contoso); err != nil {
			return err
		}
		took, err := trickle(ctx, w, p, rig.Contoso)
		say("trickle      from thank-you to Contact, Salesforce takes %v a call: %v", latency, took)
		return err
	})
}

// inWorld calls fn with a portal beside the simulated Salesforce, on new data.
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
	err = w.Salesforce.Control(ctx, "settings", map[string]any{"latency_ms": latency.Milliseconds(), "daily_limit": 100_000_000})
	if err != nil {
		return err
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
func trickle(ctx context.Context, w *rig.World, p *rig.Portal, t rig.Tenant) (times, error) {
	salesforce, err := sql.Open("sqlite", "file:"+filepath.Join(w.Folder, "salesforce.db")+"?_pragma=busy_timeout(10000)&_pragma=query_only(1)")
	if err != nil {
		return nil, err
	}
	defer func() { _ = salesforce.Close() }()
	var all times
	for range trickleSize {
		email := fmt.Sprintf("trickle%d@bench.example", reader.Add(1))
		if err := signUp(p.Form(t), email); err != nil {
			return all, err
		}
		begun := time.Now()
		if err := arrives(ctx, salesforce, email); err != nil {
			return all, err
		}
		all = append(all, time.Since(begun))
		if err := pause(ctx, db.DefaultPace); err != nil {
			return all, err
		}
	}
	return all, nil
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

// arrives waits until there is a Contact with the address.
func arrives(ctx context.Context, salesforce *sql.DB, email string) error {
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for {
		var n int
		err := salesforce.QueryRowContext(ctx, `SELECT count(*) FROM orgs o JOIN records r ON r.org = o.id AND r.type = 'Contact' AND r.email = $1`, email).Scan(&n)
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
