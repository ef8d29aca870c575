package db

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// A pauser holds a process's database up before one of its statements, once.
type pauser struct {
	mu      sync.Mutex
	left    int // statements that still run; negative when none is held up
	at      string
	reached chan struct{}
	resume  chan struct{}
}

// hold has the pauser hold up what comes after so many statements.
func (p *pauser) hold(after int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.at, p.reached, p.resume = after, "", make(chan struct{}), make(chan struct{})
}

func (p *pauser) letGo() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = -1
	close(p.resume)
}

// saw is called before each statement, and returns when that may run.
func (p *pauser) saw(statement string) {
	if resume := p.next(statement); resume != nil {
		<-resume
	}
}

// next counts a statement, and returns what it has to wait for, if it is the one.
func (p *pauser) next(statement string) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left < 0 || strings.Contains(statement, "clock_timestamp") { // the clock is read beside
		return nil
	}
	if p.left--; p.left >= 0 {
		return nil
	}
	p.at = statement
	close(p.reached)
	return p.resume
}

// processes are two that share a database.
type processes struct {
	all    [2]*DB
	pauser *pauser // of the first
}

func twoProcesses(t *testing.T) *processes {
	t.Helper()
	p, where := &processes{pauser: &pauser{left: -1}}, empty.Copy(t)
	for i := range p.all {
		p.all[i] = openAs(t, where, func(*postgres) {})
	}
	p.all[0].Observe(p.pauser.saw)
	return p
}

// openAs opens a database as a process of its own; on PostgreSQL with something set.
func openAs(t *testing.T, where string, set func(*postgres)) *DB {
	t.Helper()
	e := engineFor(where)
	if server, ok := e.(*postgres); ok {
		set(server)
	}
	d, err := openWith(context.Background(), e, opening{makes: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	d.SetCRMs("sfdc", "hubspot", "zoho")
	return d
}

// A duel is what two processes do at once, and what must hold of it then.
type duel struct {
	one, other func(*DB) error // other is one when it is nil
	then       func(one, other error)
}

func (d duel) swapped() duel {
	return duel{d.other, d.one, func(one, other error) { d.then(other, one) }}
}

// fight has a duel fought again and again. On PostgreSQL the first process is held up
// before each of its statements in turn, while the second does all of its own, or as much
// as it can without waiting for the first; then the other way round. SQLite has one writer
// at a time: there they begin together, a few times.
func (p *processes) fight(t *testing.T, begin func(*testing.T, *DB) duel) {
	if _, ok := p.all[0].engine.(*postgres); !ok {
		for range 3 {
			p.together(begin(t, p.all[0]))
		}
		return
	}
	for _, swap := range []bool{false, true} {
		for after := 0; ; after++ {
			d := begin(t, p.all[1])
			if swap && d.other == nil {
				break // both do the same
			}
			if d.other == nil {
				d.other = d.one
			}
			if swap {
				d = d.swapped()
			}
			more := p.heldUp(t, d, after)
			if t.Failed() {
				t.Logf("swapped: %v, held up after %d statements, before %s", swap, after, strings.Join(strings.Fields(p.pauser.at), " "))
				return
			}
			if !more {
				break
			}
		}
	}
}

func (p *processes) together(d duel) {
	if d.other == nil {
		d.other = d.one
	}
	start, second := make(chan struct{}), make(chan error)
	go func() { <-start; second <- d.other(p.all[1]) }()
	close(start)
	one := d.one(p.all[0])
	d.then(one, <-second)
}

// heldUp holds the first process up after so many statements, unless it ends before: then
// it returns false.
func (p *processes) heldUp(t *testing.T, d duel, after int) (reached bool) {
	p.pauser.hold(after)
	first := make(chan error, 1)
	go func() { first <- d.one(p.all[0]) }()
	select {
	case err := <-first:
		p.pauser.letGo()
		d.then(err, d.other(p.all[1]))
		return false
	case <-p.pauser.reached:
	}
	second := make(chan error, 1)
	go func() { second <- d.other(p.all[1]) }()
	for {
		select {
		case err := <-second:
			p.pauser.letGo()
			d.then(<-first, err)
			return true
		case <-time.After(time.Millisecond): // looks again: nothing depends on how long this is
		}
		if p.waits(t) {
			p.pauser.letGo()
			one := <-first
			d.then(one, <-second)
			return true
		}
	}
}

// waits reports whether somebody waits for another's lock.
func (p *processes) waits(t *testing.T) (yes bool) {
	t.Helper()
	err := p.all[1].read.QueryRow(`SELECT EXISTS (SELECT 1 FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&yes)
	if err != nil {
		t.Error(err)
	}
	return yes || err != nil
}

// postgresOnly skips a test on SQLite, and says why.
func postgresOnly(t *testing.T, reason string) string {
	t.Helper()
	testdb.PostgresOnly(t, reason)
	return empty.Copy(t)
}
