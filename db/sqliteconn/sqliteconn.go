// Package sqliteconn opens connections to SQLite that do what PostgreSQL's do by
// themselves. They keep compiled statements: to compile one takes longer than to run it,
// and the same few hundred texts come again and again. And those that write come one
// after the other, whatever process they are in.
package sqliteconn

import (
	"context"
	"database/sql/driver"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// size is how many statements a connection keeps; those that weren't run for longest go.
	size = 300
	// Longest is how long, in bytes, a statement may be that is kept where nothing is
	// written: a page asks for all that it shows in one.
	Longest = 64 << 10
	// longestWrite is the same where something is. A longer one names many rows, and
	// another number of them each time.
	longestWrite = 4 << 10
)

// Connector opens connections.
type Connector struct {
	driver.Connector // of modernc.org/sqlite

	Observer *Observer // sees what they run
	Queue    string    // path of the files by which those that write queue; empty for those that only read
}

// Connect opens a connection.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := opened.(fullConn)
	if !ok {
		_ = opened.Close()
		return nil, fmt.Errorf("a connection of %T lacks what SQLite's driver has", opened)
	}
	kept, err := simplelru.NewLRU(size, func(_ string, s *compiled) { s.evict() })
	own := &conn{fullConn: full, kept: kept, observer: c.Observer}
	if c.Queue != "" {
		own.queue = newQueue(c.Queue)
	}
	return own, err
}

// Observer sees the text of each statement that connections run. The zero Observer
// is blind.
type Observer struct {
	see atomic.Pointer[func(query string)]
}

// Observe has see called with each statement from now on, by any goroutine; nil ends it.
func (o *Observer) Observe(see func(query string)) {
	if see == nil {
		o.see.Store(nil)
		return
	}
	o.see.Store(&see)
}

// Saw shows a statement that is run.
func (o *Observer) Saw(query string) {
	if see := o.see.Load(); see != nil {
		(*see)(query)
	}
}

// fullConn is what a connection of SQLite's driver can do.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is a connection. The package sql uses it from one goroutine at a time.
type conn struct {
	fullConn
	kept     *simplelru.LRU[string, *compiled]
	observer *Observer
	queue    *queue // nil when it only reads
	writing  bool   // a transaction, whose statements need no turn of their own
}

// Unwrap returns the driver's own connection, as the driver asks of wrappers.
func (c *conn) Unwrap() driver.Conn { return c.fullConn }

// Close closes the connection and its statements.
func (c *conn) Close() error {
	c.kept.Purge()
	defer c.queue.leave()
	return c.fullConn.Close()
}

// Begin is BeginTx.
func (c *conn) Begin() (driver.Tx, error) { return c.BeginTx(context.Background(), driver.TxOptions{}) }

// BeginTx begins a transaction, when it is its turn.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.queue.enter(ctx); err != nil {
		return nil, err
	}
	begun, err := c.fullConn.BeginTx(ctx, opts)
	if err != nil {
		c.queue.leave()
		return nil, err
	}
	c.writing = true
	return &tx{begun, c}, nil
}

// tx is a transaction.
type tx struct {
	driver.Tx
	conn *conn
}

// Commit ends the transaction, and lets the next one begin.
func (t *tx) Commit() error {
	defer t.end()
	return t.Tx.Commit()
}

// Rollback is Commit for one that failed.
func (t *tx) Rollback() error {
	defer t.end()
	return t.Tx.Rollback()
}

func (t *tx) end() {
	t.conn.writing = false
	t.conn.queue.leave()
}

// writes matches what takes the lock of the file when it stands alone.
var writes = statement("INSERT|UPDATE|DELETE|WITH|CREATE|ALTER|DROP")

// turn waits for the turn of a statement that writes outside a transaction. What it
// returns ends the turn.
func (c *conn) turn(ctx context.Context, query string) (end func(), err error) {
	if c.queue == nil || c.writing || !writes.MatchString(query) {
		return func() {}, nil
	}
	return c.queue.leave, c.queue.enter(ctx)
}

// ExecContext runs a statement that returns no rows.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.observer.Saw(query)
	end, err := c.turn(ctx, query)
	if err != nil {
		return nil, err
	}
	defer end()
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.fullConn.ExecContext(ctx, query, args)
	}
	defer s.giveBack()
	return s.ExecContext(ctx, args)
}

// QueryContext runs a statement that returns rows.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.observer.Saw(query)
	end, err := c.turn(ctx, query)
	if err != nil {
		return nil, err
	}
	r, err := c.query(ctx, query, args)
	if err != nil {
		end()
		return nil, err
	}
	return &rows{r, end}, nil
}

func (c *conn) query(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.fullConn.QueryContext(ctx, query, args)
	}
	r, err := s.QueryContext(ctx, args)
	if err != nil {
		s.giveBack()
		return nil, err
	}
	return &rows{r, s.giveBack}, nil
}

// Prepare is PrepareContext.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// PrepareContext returns a statement that is no more than its text: what has been
// compiled is kept anyway.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	if s != nil {
		s.giveBack()
	}
	return &stmt{c, query}, nil
}

// take returns the compiled statement until it is given back; nil when none is kept
// of such a text, or the rows of the one that is are still being read.
func (c *conn) take(ctx context.Context, query string) (*compiled, error) {
	s, ok := c.kept.Get(query)
	switch {
	case ok && s.busy:
		return nil, nil
	case !ok && !c.keepable(query):
		return nil, nil
	case !ok:
		own, err := c.fullConn.PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		s = &compiled{fullStmt: own.(fullStmt)}
		c.kept.Add(query, s)
	}
	s.busy = true
	return s, nil
}

// statement matches texts that begin with one of the words, after comments.
func statement(words string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(\s|--.*\n)*(` + words + `)\b`)
}

var comesAgain = statement("SELECT|INSERT|UPDATE|DELETE|WITH")

// keepable reports whether a text is one statement of the kind that comes again. What
// sets up a connection, a transaction or a table doesn't.
func (c *conn) keepable(query string) bool {
	longest := Longest
	if c.queue != nil {
		longest = longestWrite
	}
	return len(query) <= longest && comesAgain.MatchString(query) && !strings.Contains(strings.TrimRight(query, "; \t\r\n"), ";")
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// compiled is a statement that is kept.
type compiled struct {
	fullStmt
	busy    bool // is being run, or its rows are being read
	evicted bool // while it was busy
}

func (s *compiled) giveBack() {
	s.busy = false
	if s.evicted {
		_ = s.Close()
	}
}

func (s *compiled) evict() {
	if s.busy {
		s.evicted = true
		return
	}
	_ = s.Close()
}

// rows are rows after which something else ends.
type rows struct {
	driver.Rows
	end func()
}

// Close ends the reading.
func (r *rows) Close() error {
	defer r.end()
	return r.Rows.Close()
}

// stmt is a prepared statement.
type stmt struct {
	conn  *conn
	query string
}

// ExecContext runs a statement that returns no rows.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

// QueryContext runs a statement that returns rows.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}

// Exec is not called: there is ExecContext.
func (s *stmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }

// Query is not called: there is QueryContext.
func (s *stmt) Query([]driver.Value) (driver.Rows, error) { return nil, driver.ErrSkip }

// NumInput leaves it to SQLite to count the arguments.
func (s *stmt) NumInput() int { return -1 }

// Close leaves what is compiled with the connection.
func (s *stmt) Close() error { return nil }
