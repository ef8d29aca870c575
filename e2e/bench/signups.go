package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"
	"gatepost/forms"
	"gatepost/screening"

	"github.com/valyala/fasthttp"
)

// connections is how many keep-alive connections send sign-ups at once, each the
// next one when the one before is answered.
const connections = 64

// warmUp is how long a server is busy before it is measured.
const warmUp = time.Second

// signUps compares durable sign-ups through the real route with those that have
// a commit each, and with a bare Fiber handler that answers the same, with the
// same page. Nobody is connected, so that nothing is delivered meanwhile.
func (b bench) signUps(ctx context.Context) error {
	return inWorld(ctx, func(w *rig.World, p *rig.Portal) error {
		servers := []server{{name: "gatepost serve", form: p.Form(rig.Contoso)}}
		if err := servers[0].keepPage(w.Folder); err != nil {
			return err
		}
		for _, kind := range []string{eachCommits, bare} {
			s, err := startServer(w.Folder, kind)
			if err != nil {
				return err
			}
			defer s.process.Kill()
			servers = append(servers, s)
		}
		own, err := ownFields(ctx, w, p)
		if err != nil {
			return err
		}
		checked, err := withChecks(ctx, w, p)
		if err != nil {
			return err
		}
		servers = append(servers, own, checked)
		for _, r := range readers {
			if err := b.compare(ctx, servers, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// ownFields is the same portal, with the form of a newsletter that asks for five things of its own.
func ownFields(ctx context.Context, w *rig.World, p *rig.Portal) (s server, err error) {
	const slug = "own-fields"
	s = server{name: "gatepost serve, five fields", form: p.URL + "/signup/" + slug,
		more: "&company=Contoso+Ltd&team=Roses+%26+hedges&town=Kew&campaign=spring&remarks=Once+a+month%2C+please&form_version=1"}
	form := forms.First("Yes.")
	for _, label := range []string{"Company", "Team", "Town", "Campaign", "Remarks"} {
		form.Fields = append(form.Fields, forms.Field{Type: forms.Text, Label: label})
	}
	form, faults := forms.Next(forms.First("Yes."), form)
	if faults != nil {
		return s, fmt.Errorf("the form is not in order: %v", faults)
	}
	return s, withStore(ctx, w, func(store *db.DB) error {
		tenant, err := store.TenantBySlug(ctx, rig.Contoso.Slug)
		if err != nil {
			return err
		}
		id, err := store.AddNewsletter(ctx, db.NewNewsletter{TenantID: tenant.ID, Slug: slug, Name: "Own fields", Consent: "Yes."})
		if err != nil {
			return err
		}
		return store.SaveForm(ctx, tenant.ID, id, form, "")
	})
}

// manyHere lets all readers of the benchmark through, who come from one network.
const manyHere = 1 << 30

// withChecks is the same portal, with the form of a newsletter that looks at its sign-ups.
func withChecks(ctx context.Context, w *rig.World, p *rig.Portal) (s server, err error) {
	const slug = "with-checks"
	s = server{name: "gatepost serve, with checks", form: p.URL + "/signup/" + slug}
	rules := screening.Defaults()
	rules.Network, rules.Agent, rules.Allowed = manyHere, manyHere, []string{"bench.example"}
	err = withStore(ctx, w, func(store *db.DB) error {
		tenant, err := store.TenantBySlug(ctx, rig.Contoso.Slug)
		if err != nil {
			return err
		}
		_, err = store.AddNewsletter(ctx, db.NewNewsletter{TenantID: tenant.ID, Slug: slug, Name: "With checks", Consent: "Yes.", Readers: db.ReaderRules{Screening: rules}})
		return err
	})
	if err != nil {
		return s, err
	}
	_, page, err := fasthttp.Get(nil, s.form)
	if err != nil {
		return s, err
	}
	shown := formTime.FindSubmatch(page)
	if shown == nil {
		return s, errors.New("the form doesn't say when it was shown")
	}
	s.more = "&form_time=" + string(shown[1])
	return s, nil
}

var formTime = regexp.MustCompile(`name="form_time" value="([^"]+)"`)

// keepPage stores the page that thanks a reader where the bare server finds it.
func (s server) keepPage(folder string) error {
	status, page, err := fasthttp.Get(nil, s.form+"/thanks")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the page that thanks was answered with %d", status)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, thanksFile), page, 0o600)
}

// compare measures the servers in turn, so that whatever else the machine does
// hits all of them.
func (b bench) compare(ctx context.Context, servers []server, r readerKind) error {
	rates := make([][]float64, len(servers))
	for run := range b.runs {
		for i, s := range servers {
			rate, err := s.load(ctx, b.time, r)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			rates[i] = append(rates[i], rate)
			say("%-23s run %d: %6.0f/s  %s", r.name, run+1, rate, s.name)
		}
	}
	median := func(i int) float64 { return slices.Sorted(slices.Values(rates[i]))[b.runs/2] }
	for i, s := range servers {
		say("%-23s median: %6.0f/s  %s", r.name, median(i), s.name)
	}
	say("%-23s %.1f times a commit each, %.0f %% of the bare handler; five fields of its own: %.0f %% of without; with checks: %.0f %%", r.name, median(0)/median(1), 100*median(0)/median(2), 100*median(3)/median(0), 100*median(4)/median(0))
	return nil
}

// server takes sign-ups.
type server struct {
	name    string
	url     string // empty for the portal
	form    string
	more    string       // that each reader sends beside the address and the names
	process *rig.Process // nil for the portal, which isn't ours to end
}

var reader atomic.Int64 // numbers the addresses

// load has readers sign up, and returns how many were done in a second.
func (s server) load(ctx context.Context, d time.Duration, r readerKind) (rate float64, err error) {
	signUp, end := r.begin(s.form)
	defer end()
	return load(ctx, d, func(int) error { return signUp(nextReader() + s.more) })
}

// nextReader is the form of somebody new.
func nextReader() string {
	return fmt.Sprintf("email=reader%d%%40bench.example&first_name=Rita&last_name=Reader", reader.Add(1))
}

// load calls do over all connections, and returns how often it was done in a second.
func load(ctx context.Context, d time.Duration, do func(connection int) error) (rate float64, err error) {
	ctx, stop := context.WithTimeout(ctx, warmUp+d)
	defer stop()
	var done atomic.Int64
	var failed atomic.Value
	var all sync.WaitGroup
	for connection := range connections {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := do(connection); err != nil {
					failed.Store(err)
					stop()
					return
				}
				done.Add(1)
			}
		})
	}
	time.Sleep(warmUp)
	before, begun := done.Load(), time.Now()
	<-ctx.Done()
	rate = float64(done.Load()-before) / time.Since(begun).Seconds()
	all.Wait()
	err, _ = failed.Load().(error)
	return rate, err
}
