package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatepost/e2e/rig"

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
		if err := b.compare(ctx, servers, false); err != nil {
			return err
		}
		return b.compare(ctx, servers, true)
	})
}

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
// hits all of them. withPage has each reader get the page that thanks too.
func (b bench) compare(ctx context.Context, servers []server, withPage bool) error {
	what := "sign-ups    "
	if withPage {
		what = "with page   "
	}
	rates := make([][]float64, len(servers))
	for run := range b.runs {
		for i, s := range servers {
			rate, err := s.load(ctx, b.time, withPage)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			rates[i] = append(rates[i], rate)
			say("%s run %d: %6.0f/s  %s", what, run+1, rate, s.name)
		}
	}
	median := func(i int) float64 { return slices.Sorted(slices.Values(rates[i]))[b.runs/2] }
	for i, s := range servers {
		say("%s median: %6.0f/s  %s", what, median(i), s.name)
	}
	say("%s %.1f times a commit each, %.0f %% of the bare handler", what, median(0)/median(1), 100*median(0)/median(2))
	return nil
}

// server takes sign-ups.
type server struct {
	name    string
	form    string
	process *rig.Process // nil for the portal, which isn't ours to end
}

var reader atomic.Int64 // numbers the addresses

// load sends sign-ups and returns how many were answered in a second.
func (s server) load(ctx context.Context, d time.Duration, withPage bool) (rate float64, err error) {
	uri := fasthttp.AcquireURI()
	defer fasthttp.ReleaseURI(uri)
	if err := uri.Parse(nil, []byte(s.form)); err != nil {
		return 0, err
	}
	client := &fasthttp.HostClient{Addr: string(uri.Host()), MaxConns: connections}
	defer client.CloseIdleConnections()
	ctx, stop := context.WithTimeout(ctx, warmUp+d)
	defer stop()
	var answered atomic.Int64
	var failed atomic.Value
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			if err := s.send(ctx, client, withPage, &answered); err != nil {
				failed.Store(err)
				stop()
			}
		})
	}
	time.Sleep(warmUp)
	before, begun := answered.Load(), time.Now()
	<-ctx.Done()
	rate = float64(answered.Load()-before) / time.Since(begun).Seconds()
	all.Wait()
	err, _ = failed.Load().(error)
	return rate, err
}

// send sends sign-ups over one connection until ctx ends.
func (s server) send(ctx context.Context, client *fasthttp.HostClient, withPage bool, answered *atomic.Int64) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	page := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(page)
	page.SetRequestURI(s.form + "/thanks")
	req.SetRequestURI(s.form)
	req.Header.SetMethod(http.MethodPost)
	req.Header.SetContentType("application/x-www-form-urlencoded")
	for ctx.Err() == nil {
		req.SetBodyString(fmt.Sprintf("email=reader%d%%40bench.example&first_name=Rita&last_name=Reader", reader.Add(1)))
		if err := client.Do(req, resp); err != nil {
			return err
		}
		if resp.StatusCode() != http.StatusSeeOther {
			return fmt.Errorf("a sign-up was answered with %d: %s", resp.StatusCode(), resp.Body())
		}
		if withPage {
			if err := client.Do(page, resp); err != nil {
				return err
			}
			if resp.StatusCode() != http.StatusOK {
				return fmt.Errorf("the page that thanks was answered with %d", resp.StatusCode())
			}
		}
		answered.Add(1)
	}
	return nil
}
