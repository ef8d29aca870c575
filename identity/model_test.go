package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
)

var (
	modelSeeds = flag.Uint64("model.seeds", 60, "how many random schedules TestModel tries")
	modelFirst = flag.Uint64("model.first", 1, "the first seed of TestModel")
)

// TestModel lets processes live through random schedules of callers, kills,
// faults of the service and of the disk, revocations, reconnects, disconnects
// and new keys, in virtual time. When all is quiet again the promises must hold.
func TestModel(t *testing.T) {
	dbtest.SQLiteOnly(t, "virtual time, which a server doesn't go by")
	dbtest.Path(t) // makes the template before the bubble
	for n := range *modelSeeds {
		seed := *modelFirst + n
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newSchedule(t, seed).run() })
		})
	}
}

// modelTimeout is what a process of the model gives one call to the service.
const modelTimeout = 5 * time.Second

// schedule is one random course of events.
type schedule struct {
	*world
	rng       *rand.Rand
	processes []*process
	everybody []*process // the dead too
	doing     sync.WaitGroup
	renewals  int // that callers and the service gave reason for

	mu        sync.Mutex
	delivered map[string]*process // who got a refresh token
	history   []string
}

// process is one process of a schedule. It dies at a write, or at a call.
type process struct {
	*Vault
	s      *schedule
	name   int
	dead   atomic.Bool
	mu     sync.Mutex
	writes int    // until it dies, 0 for never
	after  bool   // it dies after having written
	sick   string // the method whose next call fails
	late   bool   // after having written
	lasts  bool   // it goes on failing
	asked  map[string]bool
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	srv := newOAuthHandler(t)
	srv.Server = &httptest.Server{URL: "http://127.0.0.1:1"}
	s := &schedule{world: newWorldWith(t, srv), rng: rand.New(rand.NewPCG(seed, 3)), delivered: map[string]*process{}}
	for range 3 {
		s.startProcess()
	}
	return s
}

func (s *schedule) startProcess() {
	p := &process{s: s, name: len(s.everybody)}
	// They share the open database: SQLite's waiting for another one's lock, under a
	// mutex of ours, would stop the virtual time. TestProcesses has the real ones.
	p.Vault = s.processOn(s.store, tampered(p.fails), patience(modelTimeout, 2*time.Second), func(c *Config) { c.HTTP = &http.Client{Transport: p} })
	s.processes, s.everybody = append(s.processes, p), append(s.everybody, p)
}

var errKilled = errors.New("killed")

// fails is asked about each write of the process.
func (p *process) fails(method string, after bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead.Load() {
		return errKilled
	}
	if p.asked != nil {
		p.asked[method] = true
	}
	if p.sick == method && p.late == after {
		if !p.lasts {
			p.sick = ""
		}
		p.s.note("process %d: %s fails (after commit: %v)", p.name, method, after)
		return errDisk
	}
	if p.writes == 0 || p.after != after {
		return nil
	}
	if p.writes--; p.writes > 0 {
		return nil
	}
	p.s.note("process %d dies at %s (after commit: %v)", p.name, method, after)
	p.dead.Store(true)
	return errKilled
}

// RoundTrip carries a call to the service, without a network, so that time is
// virtual. A dead process sends nothing and hears nothing.
func (p *process) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.dead.Load() {
		return nil, errKilled
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	request := r.Clone(r.Context())
	request.Body = io.NopCloser(bytes.NewReader(body))
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		rec := httptest.NewRecorder()
		defer func() {
			if recover() != nil {
				rec = nil
			}
			answer <- rec
		}()
		p.s.srv.handler.ServeHTTP(rec, request)
	}()
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case rec := <-answer:
		if rec == nil || p.dead.Load() {
			return nil, io.ErrUnexpectedEOF
		}
		p.s.deliver(p, rec.Body.Bytes())
		return rec.Result(), nil
	}
}

func (s *schedule) deliver(p *process, body []byte) {
	var a answer
	if json.Unmarshal(body, &a) != nil || a.RefreshToken == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivered[a.RefreshToken] = p
}

func (s *schedule) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = append(s.history, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (s *schedule) run() {
	s.connectBy(s.processes[0])
	s.doing.Wait()
	for range 25 {
		s.step()
		time.Sleep(s.span())
	}
	s.quiesce()
	s.check()
	if s.t.Failed() {
		for _, line := range s.history {
			s.t.Log(line)
		}
		s.t.Log(s.log)
	}
}

// span is how long nothing new happens: mostly shorter than a call.
func (s *schedule) span() time.Duration {
	switch s.rng.IntN(10) {
	case 0:
		return time.Duration(s.rng.Int64N(int64(10 * time.Minute)))
	case 1, 2, 3:
		return time.Duration(s.rng.Int64N(int64(12 * time.Second)))
	case 4, 5, 6:
		return time.Duration(s.rng.Int64N(int64(time.Second)))
	}
	return 0
}

func (s *schedule) step() {
	p := s.processes[s.rng.IntN(len(s.processes))]
	switch n := s.rng.IntN(100); {
	case n < 38:
		s.callers(p)
	case n < 56:
		s.spoil()
	case n < 62:
		s.note("access tokens expire")
		s.srv.expireAccess()
	case n < 70:
		s.die(p)
	case n < 76:
		s.sicken(p)
	case n < 80:
		s.note("the service revokes everything")
		s.srv.revokeAll()
	case n < 87:
		s.connectBy(p)
	case n < 90:
		s.otherOrg(p)
	case n < 93:
		s.note("process %d disconnects", p.name)
		s.do(func(ctx context.Context) { _, _ = p.Disconnect(ctx, Salesforce, s.tenant) })
	case n < 96:
		s.note("process %d makes a new key", p.name)
		s.do(func(ctx context.Context) {
			if _, err := p.Keys.Rotate(ctx); err == nil {
				_, _ = p.Keys.Reseal(ctx, func(int) {})
			}
		})
	default:
		s.note("process %d ends abandoned renewals", p.name)
		s.do(func(ctx context.Context) { _ = p.endAbandoned(ctx) })
	}
}

func (s *schedule) do(fn func(context.Context)) { s.doing.Go(func() { fn(s.t.Context()) }) }

// callers want a credential of one process; most of them were refused by the
// API, as they are when the token that they got has died.
func (s *schedule) callers(p *process) {
	for range 1 + s.rng.IntN(4) {
		s.renewals++
		impatient := s.rng.IntN(3) == 0
		s.do(func(ctx context.Context) {
			if impatient {
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, time.Second)
				defer stop()
			}
			c, err := p.Get(ctx, Salesforce, s.tenant, 0)
			if err == nil && !s.srv.alive(c.AccessToken) {
				c, err = p.Get(ctx, Salesforce, s.tenant, c.Generation)
			}
			s.note("process %d answers a caller: generation %d, %v", p.name, c.Generation, err)
		})
	}
}

// spoil puts a fault before a call to come.
func (s *schedule) spoil() {
	faults := []struct {
		name string
		f    fault
	}{{"cut before", cutBefore}, {"cut after", cutAfter}, {"html", html200}, {"json 503", json503}, {"html 503", html503},
		{"429", says(429, "application/json", `{"error":"rate_limit_exceeded"}`)}, {"too much", tooMuch},
		{"slow", late(3*time.Second, false)}, {"slow after", late(4*time.Second, true)}, {"too slow", late(7*time.Second, false)}, {"too slow after", late(7*time.Second, true)}, {"hang", hang}}
	f := faults[s.rng.IntN(len(faults))]
	end := []string{"token", "token", "token", "introspect", "expiry", "revoke"}[s.rng.IntN(6)]
	times := 1 + s.rng.IntN(3)
	s.renewals += times
	s.note("%d calls of %s: %s", times, end, f.name)
	s.srv.fail(end, times, f.f)
}

// late answers after a while, and does the work before or after it.
func late(d time.Duration, after bool) fault {
	return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		kept := httptest.NewRecorder()
		if after {
			serve(kept, r)
		}
		time.Sleep(d)
		if !after {
			serve(kept, r)
		}
		w.WriteHeader(kept.Code)
		_, _ = w.Write(kept.Body.Bytes())
	}
}

// die kills a process at one of its next writes, or at once, and another begins.
func (s *schedule) die(p *process) {
	writes, after := s.rng.IntN(4), s.rng.IntN(2) == 0
	p.mu.Lock()
	if p.writes, p.after = writes, after; writes == 0 {
		p.dead.Store(true)
	}
	p.mu.Unlock()
	s.note("process %d is to die in %d writes (after commit: %v)", p.name, writes, after)
	s.renewals++
	for i, q := range s.processes {
		if q == p && p.dead.Load() {
			s.processes = append(s.processes[:i:i], s.processes[i+1:]...)
			break
		}
	}
	s.startProcess()
}

func (s *schedule) sicken(p *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sick, p.late = writes[s.rng.IntN(len(writes))], s.rng.IntN(2) == 0
	s.renewals++
}

func (s *schedule) connectBy(p *process) {
	s.note("process %d connects", p.name)
	s.do(func(ctx context.Context) { s.note("process %d connected: %v", p.name, s.finishConnect(ctx, p)) })
}

func (s *schedule) finishConnect(ctx context.Context, p *process) error {
	address, err := p.Authorize(ctx, s.request())
	if err != nil {
		return err
	}
	q := s.srv.consent(address)
	_, err = p.Finish(ctx, Callback{Service: Salesforce, SessionID: session, State: q.Get("state"), Code: q.Get("code")})
	return err
}

// otherOrg connects another org, which is then confirmed, declined or forgotten.
func (s *schedule) otherOrg(p *process) {
	choice := s.rng.IntN(3)
	s.srv.switchOrg()
	s.note("process %d connects another org, choice %d", p.name, choice)
	s.do(func(ctx context.Context) {
		err := s.finishConnect(ctx, p)
		h, missing := p.Held(ctx, Salesforce, s.tenant)
		if missing == nil && choice == 0 {
			err = p.Confirm(ctx, Salesforce, s.tenant, h.ID)
		}
		if missing == nil && choice == 1 {
			err = p.Decline(ctx, Salesforce, s.tenant, h.ID)
		}
		s.note("process %d connected another org: %v", p.name, err)
	})
}

func (s *oauthServer) switchOrg() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.org == orgOne {
		s.org = orgTwo
		return
	}
	s.org = orgOne
}

func (s *oauthServer) expireAccess() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
}

func (s *oauthServer) revokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.families {
		f.revoked = true
	}
}

// quiesce lets the trouble end, and what goes on by itself come to its end.
func (s *schedule) quiesce() {
	s.note("the trouble ends")
	s.srv.heal()
	for _, p := range s.everybody {
		p.mu.Lock()
		p.sick, p.writes = "", 0
		p.mu.Unlock()
	}
	s.doing.Wait()
	for range 3 {
		time.Sleep(lastRetry + time.Minute) // longer than any wait for the next try
		for _, p := range s.processes {
			if !p.dead.Load() {
				p.endAbandoned(s.t.Context())
			}
		}
	}
	for _, p := range s.everybody {
		p.Wait()
	}
}

// check looks whether the promises were kept.
func (s *schedule) check() {
	s.startProcess()
	p := s.processes[len(s.processes)-1]
	s.runRevocations(p.Vault)
	kept := s.kept(p)
	c, err := p.Get(s.t.Context(), Salesforce, s.tenant, 0)
	if err == nil && !s.srv.alive(c.AccessToken) {
		c, err = p.Get(s.t.Context(), Salesforce, s.tenant, c.Generation)
	}
	var broken *BrokenError
	switch {
	case err == nil && !s.srv.alive(c.AccessToken):
		s.t.Error("a token was given out that the service refuses, again and again")
	case err != nil && !errors.As(err, &broken) && !errors.Is(err, ErrNotConnected):
		s.t.Errorf("the trouble is over, and still %v", err)
	case errors.As(err, &broken) && s.srv.current(kept):
		s.t.Errorf("taken for broken by %s, and its refresh token works", broken.Code)
	}
	p.Wait()
	s.runRevocations(p.Vault)
	if n := s.srv.reused(); n != 0 {
		s.t.Errorf("%d rotated tokens were used again", n)
	}
	if n := s.srv.count("refresh"); n > s.renewals+5 {
		s.t.Errorf("%d renewals, with reason for %d", n, s.renewals)
	}
	if n := s.pending(); n != 0 {
		s.t.Errorf("%d revocations are pending", n)
	}
	s.findNobodys(p)
}

// kept is the refresh token of the connection as it is stored, if there is one.
func (s *schedule) kept(p *process) string {
	i, err := p.Identity(s.t.Context(), Salesforce, s.tenant)
	if errors.Is(err, ErrNotConnected) {
		return ""
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.opened(p, i.Grant)
}

func (s *schedule) opened(p *process, g db.Grant) string {
	token, err := p.openRefresh(s.t.Context(), g)
	if err != nil {
		s.t.Error(err)
	}
	return token
}

// current reports whether a refresh token works.
func (s *oauthServer) current(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.families[token]
	return f != nil && !f.revoked && f.current == token
}

// findNobodys looks for authorizations that are alive at the service, and that
// nobody will ever use or revoke. Only one whose token reached nobody who lived
// to store it may be so.
func (s *schedule) findNobodys(p *process) {
	held := ""
	if h, err := s.store.Held(s.t.Context(), Salesforce, s.tenant); err == nil {
		held = s.opened(p, h.Grant)
	}
	kept := s.kept(p)
	for _, token := range s.srv.currents() {
		owner := s.delivered[token]
		if token != kept && token != held && owner != nil && !owner.dead.Load() {
			s.t.Errorf("an authorization that process %d got is alive, and nobody's", owner.name)
		}
	}
}

// currents are the refresh tokens that work.
func (s *oauthServer) currents() (tokens []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, f := range s.families {
		if !f.revoked && f.current == token {
			tokens = append(tokens, token)
		}
	}
	return tokens
}
