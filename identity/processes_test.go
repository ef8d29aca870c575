package identity

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/outbound"
	"gatepost/seal"
)

// workerOrder is the environment variable that makes this test binary a worker.
const workerOrder = "GATEPOST_TEST_WORKER"

// order is what a worker is to do: ask for a credential from many goroutines, or list
// identities among which these are to be met each time.
type order struct {
	Database, Folder, URL, Tenant string
	Refused                       int64
	Callers                       int
	Timeout, Lease                time.Duration
	Patience                      time.Duration
	Settle                        time.Duration // in place of Timeout: how long an unanswered call may be under way
	List                          []string
}

// outcome counts what a worker's callers got: tokens, or errors; or how many
// identities a listing met.
type outcome struct {
	Tokens, Errors map[string]int
	Met            int
}

// work is a worker process: it says when it is ready, begins when told, and
// prints its outcome.
func work(text string) int {
	if err := obey(text, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func obey(text string, in io.Reader, out io.Writer) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	ctx := context.Background()
	store, err := db.Open(ctx, o.Database)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	keys, err := seal.OpenKeyring(ctx, filepath.Join(o.Folder, "keyset.json"), store, Sealed)
	if err != nil {
		return err
	}
	v := newVault(Config{Store: store, Keys: keys, HTTP: outbound.Client(outbound.Trust(o.URL)), Timeout: o.Timeout, Patience: o.Patience, Lease: o.Lease,
		Services: []Service{SalesforceService(clientID, clientSecret, redirectURI, o.URL)}})
	if o.Settle > 0 {
		settleWithin(v, o.Settle)
	}
	fmt.Fprintln(out, "ready")
	orders := bufio.NewReader(in)
	if _, err := orders.ReadString('\n'); err != nil {
		return err
	}
	if o.List != nil {
		return listWhenTold(ctx, v, o.List, orders, out)
	}
	got := ask(ctx, v, o)
	v.Wait()
	return json.NewEncoder(out).Encode(got)
}

func ask(ctx context.Context, v *Vault, o order) outcome {
	got := outcome{Tokens: map[string]int{}, Errors: map[string]int{}}
	var mu sync.Mutex
	var callers sync.WaitGroup
	for range o.Callers {
		callers.Go(func() {
			c, err := v.Get(ctx, Salesforce, o.Tenant, o.Refused)
			var later *UnavailableError
			for errors.As(err, &later) && pause(ctx, time.Until(later.RetryAt)) == nil {
				c, err = v.Get(ctx, Salesforce, o.Tenant, o.Refused)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				got.Errors[err.Error()]++
				return
			}
			got.Tokens[c.AccessToken]++
		})
	}
	callers.Wait()
	return got
}

// worker is another operating system process with a vault.
type worker struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// worker starts one more process, which waits to be told to begin.
func (w *world) worker(o order) *worker {
	w.t.Helper()
	o.Database, o.Folder, o.URL, o.Tenant = w.at, w.folder, w.srv.URL, w.tenant
	text, err := json.Marshal(o)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &worker{t: w.t, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), workerOrder+"="+string(text))
	p.cmd.Stderr = w.log
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(p.kill)
	if line, err := p.out.ReadString('\n'); err != nil || line != "ready\n" {
		w.t.Fatalf("a worker is not ready: %q, %v\n%s", line, err, w.log)
	}
	return p
}

func (p *worker) begin() {
	p.t.Helper()
	if _, err := io.WriteString(p.in, "go\n"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *worker) outcome() (got outcome) {
	p.t.Helper()
	if err := json.NewDecoder(p.out).Decode(&got); err != nil {
		p.t.Fatalf("a worker has no outcome: %v", err)
	}
	return got
}

// kill ends the process as kill -9 does.
func (p *worker) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// wantGood checks that all callers of all workers got the same good token.
func (w *world) wantGood(callers int, workers ...*worker) {
	w.t.Helper()
	for _, p := range workers {
		got := p.outcome()
		for token, n := range got.Tokens {
			if n != callers || !w.srv.alive(token) {
				w.t.Errorf("%d callers got the same token, want %d; it works: %v", n, callers, w.srv.alive(token))
			}
		}
		if len(got.Tokens) != 1 || len(got.Errors) != 0 {
			w.t.Errorf("%d tokens, errors %v", len(got.Tokens), got.Errors)
		}
	}
}

// stuck holds a call up until its caller is gone, before the work or after it.
func stuck(entered chan<- struct{}, after bool) fault {
	return func(_ http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if after {
			serve(httptest.NewRecorder(), r)
		}
		close(entered)
		<-r.Context().Done()
	}
}

func TestProcesses(t *testing.T) {
	const callers = 250
	begin := func(t *testing.T, lease time.Duration) (*world, order) {
		w := newWorld(t)
		v := w.process()
		i := w.connect(v)
		v.Wait()
		return w, order{Refused: i.Generation, Callers: callers, Timeout: ample, Patience: ample, Lease: lease}
	}
	// They start before anything is under way: that takes a while.
	four := func(w *world, o order) []*worker {
		return []*worker{w.worker(o), w.worker(o), w.worker(o), w.worker(o)}
	}
	beginAll := func(workers []*worker) []*worker {
		for _, p := range workers {
			p.begin()
		}
		return workers
	}
	t.Run("one renewal for a thousand callers", func(t *testing.T) {
		w, o := begin(t, 5*time.Second)
		w.wantGood(callers, beginAll(four(w, o))...)
		w.wantCalls(1)
		w.wantLive(1)
	})
	t.Run("with a service slower than three leases", func(t *testing.T) {
		w, o := begin(t, 700*time.Millisecond)
		w.srv.fail("token", 1, late(3*o.Lease+200*time.Millisecond, true))
		w.wantGood(callers, beginAll(four(w, o))...)
		w.wantCalls(1)
		w.wantLive(1)
	})
	t.Run("with a waiting process killed", func(t *testing.T) {
		w, o := begin(t, 5*time.Second)
		g := newGate(true)
		w.srv.fail("token", 1, g.fault)
		first, others := w.worker(o), four(w, o)
		first.begin()
		comes(t, g.entered)
		beginAll(others)
		others[0].kill()
		close(g.open)
		w.wantGood(callers, first, others[1], others[2], others[3])
		w.wantCalls(1)
	})
	for name, after := range map[string]bool{"before the rotation": false, "after it": true} {
		t.Run("with the renewing process killed "+name, func(t *testing.T) {
			w, o := begin(t, 500*time.Millisecond)
			o.Settle, o.Patience = time.Second, 2*time.Second
			entered := make(chan struct{})
			w.srv.fail("token", 1, stuck(entered, after))
			first, others := w.worker(o), four(w, o)
			first.begin()
			comes(t, entered)
			beginAll(others)
			first.kill()
			if !after {
				w.wantGood(callers, others...)
				w.wantCalls(2)
				w.wantLive(1)
				return
			}
			want := (&BrokenError{Code: BrokenInterrupted}).Error()
			for _, p := range others {
				if got := p.outcome(); len(got.Tokens) != 0 || got.Errors[want] != callers {
					t.Errorf("%d tokens, errors %v", len(got.Tokens), got.Errors)
				}
			}
			w.wantCalls(1)
		})
	}
}
