package db

import (
	"cmp"
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gatepost/db/sqliteconn"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
)

// The oldest PostgreSQL that it works with, and how many connections a process holds:
// as many again for reading, so that who reads within a transaction finds one.
const (
	oldestPostgres   = 140000 // as server_version_num says it
	postgresConns    = 10
	postgresIdleTime = 5 * time.Minute
)

// postgresSettings are those of each connection. A commit is on disk, and where the
// server has synchronous standbys there too, before it is answered; nothing waits for
// ever. What is no transaction of tx relies on its own conditions, as READ COMMITTED
// sees them, whatever the operator set.
const postgresSettings = `SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'; SET statement_timeout = '30s'; SET lock_timeout = '10s';
	SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = warning`

// postgres is a database on a PostgreSQL server, for any number of processes.
type postgres struct {
	url       string
	write     *sql.DB
	read      *sql.DB
	unlimited *sql.DB       // for migrations, which may take long
	listening *pgxpool.Pool // for River's notifications, and ours
	pending   pendingNotices
	ahead     atomic.Int64 // its clock, before ours: nanoseconds since began
	began     time.Time
	stop      context.CancelFunc
	clock     func() time.Time // this process's
	askFor    time.Duration    // how long it is asked what became of a commit
	tracer    tracer
	searcher  trigrams
}

func newPostgres(url string) *postgres {
	p := &postgres{url: url, clock: time.Now, askFor: askFor}
	p.searcher.server = p
	return p
}

// tracer shows an observer what connections run, but for what begins and ends a
// transaction.
type tracer struct{ sqliteconn.Observer }

// TraceQueryStart is called with each statement.
func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, query pgx.TraceQueryStartData) context.Context {
	if word, _, _ := strings.Cut(query.SQL, " "); word != "begin" && word != "commit" && word != "rollback" {
		t.Saw(query.SQL)
	}
	return ctx
}

// TraceQueryEnd does nothing.
func (t *tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (p *postgres) observe(see func(query string)) { p.tracer.Observe(see) }

// compacter: PostgreSQL's own VACUUM is the operator's, who has its backups and its log too.
func (p *postgres) compacter() compacter { return nil }

func (p *postgres) name() string {
	u, err := url.Parse(p.url)
	if err != nil {
		return "of the postgres:// URL"
	}
	named := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if user := u.User.Username(); user != "" {
		named.User = url.User(user)
	}
	return named.String()
}

// errNoURL says what an address of a database on PostgreSQL looks like: of what was given
// nothing is repeated, since there is a password in it.
var errNoURL = errors.New("it is not a URL as PostgreSQL's programs understand it: postgres://user:password@host:5432/database")

// config reads the URL, and what PostgreSQL's own variables and files say beside it. Whom
// it leads to is verified (sslmode=verify-full), unless something else is said or it is
// this machine.
func (p *postgres) config() (*pgx.ConnConfig, error) {
	u, err := url.Parse(p.url)
	if err != nil {
		return nil, errNoURL
	}
	q := u.Query()
	byDefault := func(name, value string) {
		if q.Get(name) == "" {
			q.Set(name, value)
		}
		u.RawQuery = q.Encode()
	}
	byDefault("connect_timeout", "10")
	c, err := parseConfig(u)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != c.Host || f.Port != c.Port }) {
		byDefault("target_session_attrs", "read-write") // the primary, whichever of them it is
	}
	if os.Getenv("PGSSLMODE") == "" && slices.ContainsFunc(hosts(c), func(host string) bool { return !thisMachine(host) }) {
		byDefault("sslmode", "verify-full")
	}
	if c, err = parseConfig(u); err != nil {
		return nil, err
	}
	if _, ok := c.RuntimeParams["application_name"]; !ok {
		c.RuntimeParams["application_name"] = "gatepost"
	}
	c.DialFunc = dialer().DialContext
	return c, nil
}

func parseConfig(u *url.URL) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(u.String())
	var file *fs.PathError
	switch {
	case errors.As(err, &file):
		return nil, fmt.Errorf("the file %s, which its URL names, can't be read: %w", file.Path, file.Err)
	case err != nil:
		return nil, errNoURL
	}
	return c, nil
}

// hosts are those that are tried, one after the other.
func hosts(c *pgx.ConnConfig) []string {
	all := []string{c.Host}
	for _, f := range c.Fallbacks {
		if !slices.Contains(all, f.Host) {
			all = append(all, f.Host)
		}
	}
	return all
}

// thisMachine reports whether a host is this one: by its name, its address, or the folder
// of its socket.
func thisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || host == "localhost" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || ip != nil && ip.IsLoopback()
}

func (p *postgres) connect(ctx context.Context) (write, read *sql.DB, err error) {
	c, err := p.config()
	if err != nil {
		return nil, nil, err
	}
	c.Tracer = &p.tracer
	p.write = openPostgres(c, postgresSettings)
	p.read = openPostgres(c, postgresSettings+"; SET default_transaction_read_only = on")
	for _, pool := range []*sql.DB{p.write, p.read} {
		pool.SetMaxOpenConns(postgresConns)
		pool.SetMaxIdleConns(postgresConns)
		pool.SetConnMaxIdleTime(postgresIdleTime)
	}
	p.unlimited = stdlib.OpenDB(*c, setting(postgresSettings+"; SET statement_timeout = 0; SET lock_timeout = 0"))
	p.unlimited.SetMaxIdleConns(0)
	if err := p.refuseUnfit(ctx); err != nil {
		return p.write, p.read, err
	}
	if p.listening, err = p.listeners(c); err != nil {
		return p.write, p.read, err
	}
	return p.write, p.read, p.startClock(ctx)
}

// listeners are the connections on which others are heard.
func (p *postgres) listeners(c *pgx.ConnConfig) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, err
	}
	config.ConnConfig, config.MaxConns, config.MinConns = c.Copy(), 2, 0
	return pgxpool.NewWithConfig(context.Background(), config)
}

// refuseUnfit returns an error for a server with which Gatepost doesn't work. The pooler
// comes first: what the others ask may fail behind one.
func (p *postgres) refuseUnfit(ctx context.Context) error {
	if err := p.refusePooler(ctx); err != nil {
		return err
	}
	var is server
	err := p.write.QueryRowContext(ctx, `SELECT CAST(current_setting('server_version_num') AS INTEGER), pg_is_in_recovery(),
		current_setting('transaction_read_only') = 'on', current_setting('server_encoding')`).Scan(&is.version, &is.standby, &is.readOnly, &is.encoding)
	if err != nil {
		return err
	}
	return is.refuse()
}

// server is what a PostgreSQL server says of itself.
type server struct {
	version           int // as server_version_num: 150004
	standby, readOnly bool
	encoding          string // of the database
}

func (s server) refuse() error {
	switch {
	case s.version < oldestPostgres:
		return fmt.Errorf("it is PostgreSQL %d: version %d or later is needed", s.version/10000, oldestPostgres/10000)
	case s.standby:
		return errors.New("it is a standby, which can only be read: give the address of the primary")
	case s.readOnly:
		return errors.New("it can only be read: its user or the server has default_transaction_read_only set")
	case s.encoding != "UTF8":
		return fmt.Errorf("its encoding is %s: make a database with createdb --encoding UTF8 --template template0", s.encoding)
	}
	return nil
}

// refusePooler returns an error when a pooler gives each transaction another
// connection to the server, as PgBouncer does in transaction mode: what belongs to a
// connection (prepared statements, notifications, locks) gets lost there.
func (p *postgres) refusePooler(ctx context.Context) error {
	pid := func(q rowQueryer) (pid int, err error) {
		return pid, q.QueryRowContext(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	}
	first, err := p.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = first.Close() }()
	before, err := pid(first)
	if err != nil {
		return err
	}
	second, err := p.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = second.Close() }()
	tx, err := second.BeginTx(ctx, nil) // keeps its connection to the server from others
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	other, err := pid(tx)
	if err != nil {
		return err
	}
	if other == before { // asking on would wait for that connection
		return errPooler
	}
	after, err := pid(first)
	if err == nil && after != before {
		return errPooler
	}
	return err
}

var errPooler = errors.New("a pooler in transaction mode stands before it (PgBouncer: pool_mode): connect directly, or use session mode")

func (p *postgres) exists(ctx context.Context) (bool, error) {
	c, err := p.config()
	if err != nil {
		return false, openError(p, err)
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return false, openError(p, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var there bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'goose_db_version')`,
		pgx.QueryExecModeSimpleProtocol).Scan(&there)
	if err != nil {
		return false, openError(p, err)
	}
	return there, nil
}

func (p *postgres) tables(ctx context.Context) ([]string, error) {
	return collect(ctx, p.read, scanID, `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`)
}

func (p *postgres) dialect() goose.Dialect { return goose.DialectPostgres }

// The numbers of the server's locks, each for one thing that one process at a time does.
const (
	foldLock      = 0x67617465 + iota // folds the counts
	migrationLock                     // changes the tables
	searchLock                        // brings the index of the search up to date
)

// migrationLook is how often it is looked whether another process has ended a migration.
const migrationLook = 100 * time.Millisecond

// migrating holds a lock of the server's, which ends with the connection. It asks for that
// again and again: who waited within a statement would be one of those whom an index waits
// for that is built beside those who write.
func (p *postgres) migrating(ctx context.Context, fn func(*sql.DB) error) error {
	if err := p.refuseRightless(ctx); err != nil {
		return err
	}
	conn, err := p.unlimited.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for mine := false; ; {
		if err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, migrationLock).Scan(&mine); err != nil {
			return err
		}
		if mine {
			return fn(p.unlimited)
		}
		if err := sleep(ctx, migrationLook); err != nil {
			return err
		}
	}
}

// refuseRightless returns an error when its user may not make tables.
func (p *postgres) refuseRightless(ctx context.Context) error {
	var schema sql.NullString
	var may bool
	err := p.read.QueryRowContext(ctx, `SELECT current_schema(), COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false)`).Scan(&schema, &may)
	switch {
	case err != nil:
		return err
	case !schema.Valid:
		return errors.New("its user's search_path names no schema that is there: make one, or set the search_path")
	case !may:
		return fmt.Errorf("its user may not make tables in the schema %s: GRANT USAGE, CREATE ON SCHEMA %[1]s", schema.String)
	}
	return nil
}

// enter stores those of new addresses with one statement, since each is a way to the
// server and back, and in the order of their keys, so that no two processes wait for each
// other.
func (p *postgres) enter(ctx context.Context, b *book, signUps []SignUp) ([]SignedUp, error) {
	answers, order := make([]SignedUp, len(signUps)), make([]int, len(signUps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := signUps[i], signUps[j]
		return cmp.Or(cmp.Compare(a.TenantID, b.TenantID), cmp.Compare(a.EmailKey, b.EmailKey), cmp.Compare(a.NewsletterID, b.NewsletterID))
	})
	entered, err := p.enterNew(ctx, b, signUps, order)
	if err == nil {
		err = p.deliverNew(ctx, b, signUps, entered)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errEntry, err)
	}
	for _, i := range order {
		s, e := signUps[i], entered[i]
		if e.added {
			err = b.arrive(ctx, s, e.id, e.state, e.wording)
		} else {
			e.id, err = b.repeat(ctx, s, e.wording)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errEntry, err)
		}
		answers[i] = b.answer(e.id)
	}
	return answers, nil
}

// entry is a sign-up as it was entered.
type entry struct {
	id, wording string
	state       State // of somebody who is new
	added       bool  // they are new
}

// enterNew stores those whose address is new, and returns what each was entered as.
func (p *postgres) enterNew(ctx context.Context, b *book, signUps []SignUp, order []int) (entered []entry, err error) {
	var texts [12][]string
	var at, versions []int64
	entered = make([]entry, len(signUps))
	for i, s := range signUps {
		entered[i] = entry{id: NewID(), state: s.becomes(b.hasLeft(s))} // the ids sort by who came first
	}
	for _, i := range order {
		s, e := signUps[i], &entered[i]
		if e.wording, err = b.wording(ctx, s.Consent, s.Shown); err != nil {
			return nil, err
		}
		for c, text := range []string{s.TenantID, e.id, s.NewsletterID, s.Email, s.EmailKey, s.FirstName, s.LastName, e.wording, s.Source, s.Fields, string(e.state), s.Page} {
			texts[c] = append(texts[c], text)
		}
		at, versions = append(at, millis(s.At)), append(versions, int64(s.FormVersion))
	}
	args := make([]any, 0, 14)
	for _, column := range texts {
		args = append(args, column)
	}
	stored, err := collect(ctx, b.tx, scanID, `INSERT INTO subscribers
		(tenant_id, id, newsletter_id, email, email_key, first_name, last_name, wording_id, source, fields, state, page, created_at, form_version)
		SELECT t, id, n, e, k, f, l, w, s, c, st, p, at, v FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS TEXT[]), CAST($5 AS TEXT[]),
			CAST($6 AS TEXT[]), CAST($7 AS TEXT[]), CAST($8 AS TEXT[]), CAST($9 AS TEXT[]), CAST($10 AS TEXT[]), CAST($11 AS TEXT[]), CAST($12 AS TEXT[]), CAST($13 AS BIGINT[]), CAST($14 AS BIGINT[]))
			AS r (t, id, n, e, k, f, l, w, s, c, st, p, at, v)
		ON CONFLICT (tenant_id, email_key, newsletter_id) DO NOTHING RETURNING id`, append(args, at, versions)...)
	added := map[string]bool{}
	for _, id := range stored {
		added[id] = true
	}
	for i := range entered {
		entered[i].added = added[entered[i].id]
	}
	return entered, err
}

// deliverNew makes the deliveries of those of sign-ups who are new and active.
func (p *postgres) deliverNew(ctx context.Context, b *book, signUps []SignUp, entered []entry) error {
	rows := newSet(text("tenant_id"), text("subscriber_id"), text("destination_id"), integer("due_at"))
	for i, s := range signUps {
		e := entered[i]
		if !e.added || e.state != Active {
			continue
		}
		destinations, err := b.feeds(ctx, s.TenantID, s.NewsletterID)
		if err != nil {
			return err
		}
		for _, to := range destinations {
			rows.add(s.TenantID, e.id, to, millis(s.At))
			place := s.place(e.id, Waiting)
			place.destinationID = to
			b.change.enter(place)
		}
	}
	if len(rows.rows) == 0 {
		return nil
	}
	with, args := rows.with(p)
	_, err := b.tx.ExecContext(ctx, with+`INSERT INTO deliveries (tenant_id, subscriber_id, destination_id, state, due_at)
		SELECT o.tenant_id, o.subscriber_id, o.destination_id, 'waiting', o.due_at FROM o`, args...)
	return err
}

func (p *postgres) counter() counter { return deltas{} }

func (p *postgres) search() searcher { return &p.searcher }

func (p *postgres) stored(table string) string {
	switch table {
	case "ledger", "ledger_sums", "state_counts", "hour_counts", "day_counts", "reason_counts", "org_counts", "activity":
		return "folded_" + table
	}
	return table
}

// emptied: of the counts, what was folded and what was added since.
func (p *postgres) emptied(table string) []string {
	if stored := p.stored(table); stored != table {
		return []string{"count_deltas", stored}
	}
	return []string{table}
}

// replication: with synchronous_commit on, as we set it, a commit waits for the standbys
// that synchronous_standby_names names (PostgreSQL's manual, 27.2.8).
func (p *postgres) replication(ctx context.Context) (Replication, error) {
	var names string
	err := p.write.QueryRowContext(ctx, `SELECT current_setting('synchronous_standby_names')`).Scan(&names)
	if names != "" {
		return ReplicationSynchronous, err
	}
	return ReplicationAsynchronous, err
}

func (p *postgres) jobs() riverdriver.Driver[*sql.Tx] {
	return riverdatabasesql.NewWithPgxListener(p.write, p.listening)
}

func (p *postgres) jobsOn(pool *sql.DB) riverdriver.Driver[*sql.Tx] {
	return riverdatabasesql.New(pool)
}

func (p *postgres) peek() (*sql.DB, error) {
	c, err := p.config()
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*c), nil
}

// begin begins a transaction. errAgain: the connection had ended, so that nothing was
// begun, and another one may do.
func (p *postgres) begin(ctx context.Context, conn *sql.Conn, level sql.IsolationLevel) (*sql.Tx, error) {
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if postgresFault(err) == faultPassing {
		err = fmt.Errorf("%w: %w", errAgain, err)
	}
	return tx, err
}

func (p *postgres) oneWriter() bool { return false }

// How long, and how often, a server is asked what became of a commit.
const (
	askFor   = 15 * time.Second
	askEvery = 100 * time.Millisecond
)

// commit commits. When the connection breaks before the answer comes, the server is
// asked by the number of the transaction (pg_xact_status), which a standby that takes
// over knows too. errAgain: it was rolled back.
func (p *postgres) commit(ctx context.Context, tx *sql.Tx) error {
	var number sql.NullString
	if err := tx.QueryRowContext(ctx, `SELECT pg_current_xact_id_if_assigned()::text`).Scan(&number); err != nil {
		return err
	}
	err := tx.Commit()
	var refused *pgconn.PgError
	if err == nil || !number.Valid || errors.As(err, &refused) && !postgresGone(refused.Code) {
		return err
	}
	return p.becameOf(context.WithoutCancel(ctx), number.String, err)
}

func (p *postgres) becameOf(ctx context.Context, number string, lost error) error {
	ctx, cancel := context.WithTimeout(ctx, p.askFor)
	defer cancel()
	for {
		var status sql.NullString
		err := p.unlimited.QueryRowContext(ctx, `SELECT pg_xact_status(CAST($1 AS xid8))`, number).Scan(&status)
		switch {
		case err == nil && status.String == "committed":
			return nil
		case err == nil && status.String == "aborted":
			return fmt.Errorf("%w: %w", errAgain, lost)
		}
		if sleep(ctx, askEvery) != nil {
			return fmt.Errorf("%w: nobody can tell whether it was committed: %w", ErrUnavailable, lost)
		}
	}
}

// postgresGone reports whether an SQLSTATE says that the connection, or the server, ends.
func postgresGone(code string) bool {
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P")
}

// postgresPasses are the SQLSTATEs, or the beginnings of them, that pass without a change
// of ours (PostgreSQL's manual, appendix A).
var postgresPasses = []string{
	"08",    // connection
	"53",    // disk, memory, connections are used up
	"57",    // shut down, starting, cancelled
	"58",    // the system below
	"55P03", // a lock wasn't to be had in time
	"25006", // read only: a standby, or a primary that became one
	"25P03", // idle in a transaction for too long
}

func postgresFault(err error) fault {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		if postgresLost(err) {
			return faultPassing
		}
		return faultOfCaller
	}
	switch pe.Code {
	case "23505": // unique_violation
		return faultConflict
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return faultAgain
	}
	for _, code := range postgresPasses {
		if strings.HasPrefix(pe.Code, code) {
			return faultPassing
		}
	}
	return faultOfCaller
}

// postgresLost reports whether an error means that the server can't be reached.
func postgresLost(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var ne net.Error
	var connecting *pgconn.ConnectError
	return errors.As(err, &connecting) || errors.As(err, &ne) && !errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, driver.ErrBadConn)
}

func (p *postgres) plainly(err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return cmp.Or(plainCode(pe), err)
	}
	var untrusted *tls.CertificateVerificationError
	var connecting *pgconn.ConnectError
	switch {
	case errors.As(err, &untrusted):
		return fmt.Errorf("its certificate can't be verified (%w): name the certificate of who signed it, with sslrootcert=FILE in the URL", untrusted.Err)
	case errors.As(err, &connecting):
		why, _, _ := strings.Cut(errors.Unwrap(connecting).Error(), "\n") // one for each address that was tried
		if strings.HasSuffix(why, "server refused TLS connection") {
			return errors.New("it offers no TLS: turn ssl on there, or, where nobody can listen in between, add sslmode=disable to the URL")
		}
		return errors.New("the server can't be reached: " + why)
	}
	return err
}

// plainCode is nil for what we have no words of our own for.
func plainCode(pe *pgconn.PgError) error {
	switch pe.Code {
	case "28P01", "28000":
		return errors.New("the server doesn't let its user in: check name and password, and pg_hba.conf")
	case "3D000":
		return errors.New("there is no such database on the server: make it, with createdb")
	case "42501":
		return fmt.Errorf("its user lacks a right: %s", pe.Message)
	case "53300":
		return errors.New("the server has no connection left: raise max_connections, or run fewer processes")
	case "57P03":
		return fmt.Errorf("the server can't be reached: %s", pe.Message)
	case "08P01":
		return fmt.Errorf("a pooler stands before it that doesn't understand us: connect directly (%s)", pe.Message)
	case "26000", "42P05": // prepared statements that are another's, or gone
		return errPooler
	}
	return nil
}

// How often the server's clock is read, and how often each time: the answer that came
// soonest counts.
const (
	clockEvery = 10 * time.Second
	clockReads = 3
)

// startClock reads the server's clock, and goes on reading it until close. In between,
// this process's monotonic clock counts, which nobody sets.
func (p *postgres) startClock(ctx context.Context) error {
	p.began = p.clock()
	if err := p.readClock(ctx); err != nil {
		return err
	}
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		for sleep(ctx, clockEvery) == nil {
			_ = p.readClock(ctx) // while it can't be read, the one before counts
		}
	}()
	return nil
}

func (p *postgres) readClock(ctx context.Context) error {
	var best, ahead time.Duration
	for n := range clockReads {
		asked := p.clock().Sub(p.began)
		var micros int64
		if err := p.write.QueryRowContext(ctx, `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`).Scan(&micros); err != nil {
			return err
		}
		took := p.clock().Sub(p.began) - asked
		if n == 0 || took < best {
			best, ahead = took, time.Duration(time.UnixMicro(micros).UnixNano())-asked-took/2
		}
	}
	p.ahead.Store(int64(ahead))
	return nil
}

// now is the server's time.
func (p *postgres) now() time.Time {
	return time.Unix(0, p.ahead.Load()+p.clock().Sub(p.began).Nanoseconds())
}

func (p *postgres) close() error {
	if p.stop != nil {
		p.stop()
	}
	if p.listening != nil {
		p.listening.Close()
	}
	if p.unlimited != nil {
		return p.unlimited.Close()
	}
	return nil
}
