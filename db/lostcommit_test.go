package db

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// commitMessage is how a commit is sent: a simple query.
var commitMessage = []byte("Q\x00\x00\x00\x0bcommit\x00")

// What becomes of the next commit, on its way to the server.
type loss struct {
	what    string
	arrives bool // at the server; its answer is lost
	away    int  // how many connections are refused from then on
	told    bool // the caller is told that it may not have happened
}

// A proxy stands before a server, and loses a commit.
type proxy struct {
	server string

	mu    sync.Mutex
	loss  *loss // of the next commit, nil for none
	away  int
	conns map[net.Conn]bool
}

// startProxy returns a proxy before the server of a URL, and the URL to it.
func startProxy(t *testing.T, where string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: u.Host, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = ln.Close(); p.cut(0) })
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			if p.refuses() {
				_ = client.Close()
				continue
			}
			go p.serve(client)
		}
	}()
	u.Host = ln.Addr().String()
	return p, u.String()
}

func (p *proxy) refuses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away--
	return p.away >= 0
}

// cut ends all connections, and refuses some that are made then.
func (p *proxy) cut(away int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	for conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
}

func (p *proxy) lose(l *loss) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loss, p.away = l, 0
}

// lost takes the loss that is due, if there is one.
func (p *proxy) lost() *loss {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.loss
	p.loss = nil
	return l
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	defer func() { _, _ = client.Close(), server.Close() }()
	var losing atomic.Pointer[loss]
	go func() {
		defer func() { _, _ = client.Close(), server.Close() }()
		b := make([]byte, 1<<16)
		for {
			n, err := server.Read(b)
			if l := losing.Load(); err == nil && l != nil { // it is the answer to the commit
				p.cut(l.away)
				return
			}
			if _, err2 := client.Write(b[:n]); err != nil || err2 != nil {
				return
			}
		}
	}()
	b := make([]byte, 1<<16)
	for {
		n, err := client.Read(b)
		if bytes.Contains(b[:n], commitMessage) {
			if l := p.lost(); l != nil && l.arrives {
				losing.Store(l)
			} else if l != nil {
				p.cut(l.away)
				return
			}
		}
		if _, err2 := server.Write(b[:n]); err != nil || err2 != nil {
			return
		}
	}
}

const forever = 1 << 30

// A commit whose answer is lost is asked about before it is repeated: what was committed
// is there once, and the caller is told what became of it.
func TestLostCommits(t *testing.T) {
	where := postgresOnly(t, "a commit in a file has no way to get lost on")
	p, through := startProxy(t, where)
	patient := openAs(t, through, func(*postgres) {})
	patient.write.SetMaxOpenConns(1) // who asks what became of a commit needs no turn
	hasty := openAs(t, through, func(e *postgres) { e.askFor = 300 * time.Millisecond })
	direct := openAs(t, where, func(*postgres) {})
	_, tenant := someone(t, direct)
	for _, l := range []loss{
		{what: "the answer is lost", arrives: true},
		{what: "it doesn't arrive"},
		{what: "the answer is lost, and the server is away for a while", arrives: true, away: 5},
		{what: "it doesn't arrive, and the server is away for a while", away: 5},
		{what: "the answer is lost, and the server stays away", arrives: true, away: forever, told: true},
		{what: "it doesn't arrive, and the server stays away", away: forever, told: true},
	} {
		for what, write := range map[string]func(key string) (do func(*DB) error, stored func() int){
			"a sign-up": func(key string) (func(*DB) error, func() int) {
				return addOne(t, signsUp(t, direct, tenant.ID, key)), func() int {
					if r := recount(t, direct, tenant.ID); !r.Agrees() || r.Rows.Subscribers[Repeated] != 0 {
						t.Errorf("recount %+v", r)
					}
					return number(t, direct, `SELECT count(*) FROM subscribers WHERE tenant_id = $1 AND email = $2`, tenant.ID, key)
				}
			},
			"a counter": func(key string) (func(*DB) error, func() int) {
				return failing(t, []Limit{{Key: key, Wait: func(int64) time.Duration { return 0 }}}), func() int {
					return number(t, direct, `SELECT COALESCE(sum(failures), 0) FROM throttles WHERE key = $1`, key)
				}
			},
			"what is serializable": func(key string) (func(*DB) error, func() int) {
				return func(d *DB) error { return d.OfferSetup(t.Context(), key, noon) }, func() int {
					return number(t, direct, `SELECT count(*) FROM setup_links WHERE secret_hash = $1`, key)
				}
			},
		} {
			t.Run(l.what+"/"+what, func(t *testing.T) {
				if what == "what is serializable" {
					direct.nobody(t)
				}
				do, stored := write(NewID())
				d, want := patient, 1
				if l.told {
					d = hasty
				}
				if l.told && !l.arrives {
					want = 0
				}
				p.lose(&l)
				err := do(d)
				p.lose(nil)
				if l.told != errors.Is(err, ErrUnavailable) || !l.told && err != nil {
					t.Errorf("told %v", err)
				}
				if n := stored(); n != want {
					t.Errorf("stored %d times, want %d", n, want)
				}
				if p.lost() != nil {
					t.Error("nothing was lost")
				}
			})
		}
	}
}

// A database whose connections end again and again loses nothing and doubles nothing, and
// whoever can't be served is told that nothing was done.
func TestConnectionsThatEnd(t *testing.T) {
	where := postgresOnly(t, "a file has no connections that others end")
	two := []*DB{openAs(t, where, func(*postgres) {}), openAs(t, where, func(*postgres) {})}
	_, tenant := someone(t, two[0])
	var stored, refused, delivered, ends atomic.Int32
	fails := func(err error) bool {
		if errors.Is(err, ErrUnavailable) {
			refused.Add(1)
		} else if err != nil {
			t.Error(err)
		}
		return err != nil
	}
	goesOn := func() bool {
		return !t.Failed() && (ends.Load() < 8 || refused.Load() == 0 || delivered.Load() == 0)
	}
	news := signsUp(t, two[0], tenant.ID, "")
	var all sync.WaitGroup
	for w := range 6 {
		all.Go(func() {
			for goesOn() {
				s := news
				s.Email = NewID()
				s.EmailKey = s.Email
				for fails(addOne(t, s)(two[w%2])) && !t.Failed() { // what wasn't done may be repeated
				}
				stored.Add(1)
			}
		})
	}
	for _, d := range two {
		all.Go(func() {
			l := Lease{first(tenant.ID), NewID()}
			for goesOn() {
				n, err := d.deliverSome(t, l)
				if !errors.Is(err, ErrLost) { // the other one delivers
					fails(err)
				}
				delivered.Add(n)
			}
		})
	}
	for last := int32(0); goesOn(); {
		now := stored.Load()
		if now < last+10 {
			_ = sleep(t.Context(), time.Millisecond)
			continue
		}
		endConnections(t, where)
		ends.Add(1)
		last = now
	}
	all.Wait()
	after := openAs(t, where, func(*postgres) {})
	r := recount(t, after, tenant.ID)
	if n := int(stored.Load()); !r.Agrees() || r.Rows.Subscribers[New] != n || r.Rows.Subscribers[Repeated] != 0 || r.Rows.of(tenant.ID)[Delivered] < int(delivered.Load()) {
		t.Errorf("recount %+v, want %d new and at least %d delivered", r, n, delivered.Load())
	}
	wantN(t, after, r.Rows.of(tenant.ID)[Delivered], `SELECT count(*) FROM events WHERE tenant_id = $1 AND state = 'delivered'`, tenant.ID)
	t.Logf("connections were ended %d times, %d calls refused, %d stored, %d delivered", ends.Load(), refused.Load(), stored.Load(), delivered.Load())
}

// After its connections have ended a database is written to as if nothing had been: nothing
// is begun on one that has.
func TestConnectionsThatHadEnded(t *testing.T) {
	where := postgresOnly(t, "a file has no connections that others end")
	d := openAs(t, where, func(*postgres) {})
	_, tenant := someone(t, d)
	s := signsUp(t, d, tenant.ID, "jane@example.org")
	for range 3 {
		endConnections(t, where)
		unless(t, addOne(t, s)(d))
		endConnections(t, where)
		unless(t, d.WithKeyLock(t.Context(), func() error { return nil }), ErrUnavailable) // which isn't run again
	}
}

// deliverSome delivers some who are due, and returns how many.
func (d *DB) deliverSome(t *testing.T, l Lease) (int32, error) {
	if err := d.TakeLease(t.Context(), l); err != nil {
		return 0, err
	}
	due, err := d.Due(t.Context(), l.DestinationKey, 5)
	if err != nil {
		return 0, err
	}
	var outcomes []Outcome
	for _, k := range due {
		outcomes = append(outcomes, Outcome{SubscriberID: k.ID, Revision: k.Revision, State: Delivered, RecordID: "r", OrgID: "o"})
	}
	if err := d.RecordOutcomes(t.Context(), l, outcomes); err != nil {
		return 0, err
	}
	return int32(len(outcomes)), d.ReleaseLease(t.Context(), l)
}

// endConnections ends all connections to a database but its own.
func endConnections(t *testing.T, where string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), where)
	if err == nil {
		defer func() { _ = conn.Close(context.Background()) }()
		_, err = conn.Exec(context.Background(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	}
	if err != nil {
		t.Error(err)
	}
}

// Processes whose own clocks differ by hours agree on the time, and so on leases.
func TestClocksThatDiffer(t *testing.T) {
	where := postgresOnly(t, "processes on a file share this machine's clock")
	skewed := func(by time.Duration) *DB {
		return openAs(t, where, func(e *postgres) { e.clock = func() time.Time { return time.Now().Add(by) } })
	}
	early, late := skewed(-5*time.Hour), skewed(5*time.Hour)
	if apart := late.Now().Sub(early.Now()).Abs(); apart > time.Minute {
		t.Errorf("their times are %v apart", apart)
	}
	for _, pair := range [][2]*DB{{early, late}, {late, early}} {
		_, tenant := someone(t, early)
		mine := Lease{first(tenant.ID), "me"}
		theirs := Lease{mine.DestinationKey, "them"}
		unless(t, pair[0].TakeLease(t.Context(), mine))
		wantLost(t, "taken while it is held", pair[1].TakeLease(t.Context(), theirs))
		unless(t, pair[0].KeepLease(t.Context(), mine))
		if _, err := early.write.Exec(`UPDATE leases SET until = until - $1 WHERE name = $2`, LeaseTime.Milliseconds(), mine.name()); err != nil {
			t.Fatal(err)
		}
		unless(t, pair[1].TakeLease(t.Context(), theirs))
		wantLost(t, "kept when it was taken", pair[0].KeepLease(t.Context(), mine))
	}
}
