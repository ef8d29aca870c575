package mocksalesforce

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	_ "modernc.org/sqlite" // the driver
)

const tables = `
CREATE TABLE IF NOT EXISTS kv (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tallies (org TEXT, name TEXT, n INTEGER NOT NULL, PRIMARY KEY (org, name));
CREATE TABLE IF NOT EXISTS usage (org TEXT, day INTEGER, n INTEGER NOT NULL, PRIMARY KEY (org, day));
CREATE TABLE IF NOT EXISTS clients (id TEXT PRIMARY KEY, secret TEXT NOT NULL, redirect_uris TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orgs (id TEXT PRIMARY KEY, name TEXT NOT NULL, sandbox INTEGER NOT NULL,
	key TEXT NOT NULL DEFAULT '', apart INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, org TEXT NOT NULL REFERENCES orgs, username TEXT NOT NULL UNIQUE,
	first_name TEXT NOT NULL, last_name TEXT NOT NULL, email TEXT NOT NULL, password TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS logins (id TEXT PRIMARY KEY, user TEXT NOT NULL, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS approvals (id TEXT PRIMARY KEY, login TEXT NOT NULL, ask TEXT NOT NULL, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS codes (code TEXT PRIMARY KEY, client TEXT NOT NULL, user TEXT NOT NULL, redirect_uri TEXT NOT NULL,
	scope TEXT NOT NULL, challenge TEXT NOT NULL, nonce TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS grants (id INTEGER PRIMARY KEY AUTOINCREMENT, client TEXT NOT NULL, user TEXT NOT NULL, scope TEXT NOT NULL,
	offline INTEGER NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS grants_user ON grants (user, client);
CREATE TABLE IF NOT EXISTS refresh_tokens (token TEXT PRIMARY KEY, grant_id INTEGER NOT NULL REFERENCES grants,
	created INTEGER NOT NULL, superseded INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS access_tokens (token TEXT PRIMARY KEY, grant_id INTEGER NOT NULL REFERENCES grants,
	created INTEGER NOT NULL, expires INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS access_tokens_grant ON access_tokens (grant_id);
CREATE TABLE IF NOT EXISTS records (seq INTEGER PRIMARY KEY AUTOINCREMENT, org TEXT NOT NULL, type TEXT NOT NULL,
	email TEXT, ext TEXT, data TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
	created_by TEXT NOT NULL, modified_by TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS records_type ON records (org, type, seq);
CREATE INDEX IF NOT EXISTS records_email ON records (org, type, email);
CREATE INDEX IF NOT EXISTS records_ext ON records (org, type, ext) WHERE ext IS NOT NULL;
CREATE TABLE IF NOT EXISTS cursors (id TEXT PRIMARY KEY, org TEXT NOT NULL, soql TEXT NOT NULL, deleted INTEGER NOT NULL,
	ids TEXT NOT NULL, created INTEGER NOT NULL);
`

// querier is what reads and writes: the database, or a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (s *Server) open(ctx context.Context, path string) error {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_txlock=immediate"
	var err error
	if s.write, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(8)
	s.read.SetMaxIdleConns(8)
	if _, err := s.write.ExecContext(ctx, tables); err != nil {
		return err
	}
	if err := s.upgrade(ctx); err != nil {
		return err
	}
	if err := s.seed(ctx); err != nil {
		return err
	}
	return s.loadSetup(ctx)
}

func (s *Server) closeStore() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

func joinClose(err, closing error) error { return errors.Join(err, closing) }

// tx runs fn in one write transaction.
func (s *Server) tx(ctx context.Context, fn func(q querier) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has nothing to do
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// savepoint runs fn inside the transaction q, undoing only fn's work when it fails.
func savepoint(ctx context.Context, q querier, fn func() error) error {
	if _, err := q.ExecContext(ctx, `SAVEPOINT call`); err != nil {
		return err
	}
	err := fn()
	if err != nil {
		if _, undo := q.ExecContext(ctx, `ROLLBACK TO call`); undo != nil {
			err = errors.Join(err, undo)
		}
	}
	if _, done := q.ExecContext(ctx, `RELEASE call`); done != nil {
		err = errors.Join(err, done)
	}
	return err
}

// rows runs a query and hands each row to scan.
func rows(ctx context.Context, q querier, scan func(*sql.Rows) error, query string, args ...any) error {
	rs, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rs.Close()
	for rs.Next() {
		if err := scan(rs); err != nil {
			return err
		}
	}
	return rs.Err()
}

// count counts something that happened to the org that a call is about.
func count(ctx context.Context, q querier, name string) error {
	_, err := q.ExecContext(ctx,
		`INSERT INTO tallies (org, name, n) VALUES ($1, $2, 1) ON CONFLICT (org, name) DO UPDATE SET n = n + 1`, orgOf(ctx), name)
	return err
}

// upgrade brings a file of an earlier release up to date.
func (s *Server) upgrade(ctx context.Context) error {
	has := func(what string, args ...any) (yes bool, err error) {
		err = s.write.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+what+`)`, args...).Scan(&yes)
		return yes, err
	}
	orgsKnow, err := has(`pragma_table_info('orgs') WHERE name = 'apart'`)
	if err != nil {
		return err
	}
	counters, err := has(`sqlite_schema WHERE type = 'table' AND name = 'counters'`)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(q querier) error {
		var steps []string
		if !orgsKnow {
			steps = append(steps, `ALTER TABLE orgs ADD COLUMN key TEXT NOT NULL DEFAULT ''`, `ALTER TABLE orgs ADD COLUMN apart INTEGER NOT NULL DEFAULT 0`)
		}
		if counters {
			steps = append(steps, `INSERT INTO tallies (org, name, n) SELECT '', name, n FROM counters WHERE true ON CONFLICT DO NOTHING`, `DROP TABLE counters`)
		}
		for _, step := range steps {
			if _, err := q.ExecContext(ctx, step); err != nil {
				return err
			}
		}
		return nil
	})
}

func now() int64 { return time.Now().UnixMilli() }

// org is a Salesforce organisation.
type org struct {
	ID, Name string
	Sandbox  bool
	Key      string // names it in ?org=, as its id does
	Apart    bool   // /_control speaks of it only when it is named
}

const orgColumns = `id, name, sandbox, key, apart`

func scanOrg(row interface{ Scan(...any) error }) (org, error) {
	var o org
	err := row.Scan(&o.ID, &o.Name, &o.Sandbox, &o.Key, &o.Apart)
	return o, err
}

// user is a person who can log in to one org.
type user struct {
	ID, OrgID, Username, First, Last, Email string
	Active                                  bool
}

// Name is how the pages call the person.
func (u user) Name() string { return u.First + " " + u.Last }

const userColumns = `id, org, username, first_name, last_name, email, active`

func scanUser(row interface{ Scan(...any) error }) (user, error) {
	var u user
	err := row.Scan(&u.ID, &u.OrgID, &u.Username, &u.First, &u.Last, &u.Email, &u.Active)
	return u, err
}

func (s *Server) userByID(ctx context.Context, q querier, id string) (user, error) {
	return scanUser(q.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE id = $1`, id))
}

func (s *Server) orgByID(ctx context.Context, id string) (org, error) {
	return scanOrg(s.read.QueryRowContext(ctx, `SELECT `+orgColumns+` FROM orgs WHERE id = $1`, id))
}

func (s *Server) orgs(ctx context.Context) ([]org, error) {
	var list []org
	err := rows(ctx, s.read, func(r *sql.Rows) error {
		o, err := scanOrg(r)
		list = append(list, o)
		return err
	}, `SELECT `+orgColumns+` FROM orgs ORDER BY id`)
	return list, err
}

func (s *Server) users(ctx context.Context) ([]user, error) {
	var list []user
	err := rows(ctx, s.read, func(r *sql.Rows) error {
		u, err := scanUser(r)
		list = append(list, u)
		return err
	}, `SELECT `+userColumns+` FROM users ORDER BY id`)
	return list, err
}

// seed makes the orgs and people that are there from the start.
func (s *Server) seed(ctx context.Context) error {
	seeds := []struct {
		key, org, username, first, last string
		sandbox                         bool
	}{
		{"contoso", "Contoso", "john@contoso.example", "John", "Doe", false},
		{"contoso-sandbox", "Contoso Sandbox", "john@contoso.example.sandbox", "John", "Doe", true},
		{"fabrikam-jane", "Fabrikam", "jane@fabrikam.example", "Jane", "Roe", false},
	}
	return s.tx(ctx, func(q querier) error {
		for i, v := range seeds {
			orgID, userID := makeID("00D", int64(i+1)), makeID("005", int64(i+1))
			err := putOrg(ctx, q, org{orgID, v.org, v.sandbox, v.key, false}, user{ID: userID, Username: v.username, First: v.first, Last: v.last})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// putOrg makes an org with one user, whose address is the username, unless they are there.
func putOrg(ctx context.Context, q querier, o org, u user) error {
	if _, err := q.ExecContext(ctx, `INSERT INTO orgs (`+orgColumns+`) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET key = excluded.key`, o.ID, o.Name, o.Sandbox, o.Key, o.Apart); err != nil {
		return err
	}
	_, err := q.ExecContext(ctx, `INSERT INTO users (id, org, username, first_name, last_name, email, password)
		VALUES ($1, $2, $3, $4, $5, $3, 'salesforce') ON CONFLICT DO NOTHING`, u.ID, o.ID, u.Username, u.First, u.Last)
	return err
}

// Client is an app that may ask for authorization.
type Client struct {
	ID           string   `json:"client_id"`
	Secret       string   `json:"client_secret"`
	RedirectURIs []string `json:"redirect_uris"`
}

// AddClient registers c, or replaces what was registered under its ID.
func (s *Server) AddClient(ctx context.Context, c Client) error {
	if c.ID == "" {
		return errors.New("mocksalesforce: a client needs an id")
	}
	uris, err := json.Marshal(c.RedirectURIs)
	if err != nil {
		return fmt.Errorf("mocksalesforce: add client: %w", err)
	}
	if _, err := s.write.ExecContext(ctx, `INSERT INTO clients (id, secret, redirect_uris) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET secret = excluded.secret, redirect_uris = excluded.redirect_uris`,
		c.ID, c.Secret, string(uris)); err != nil {
		return fmt.Errorf("mocksalesforce: add client: %w", err)
	}
	return nil
}

// client returns a registered app, or sql.ErrNoRows.
func (s *Server) client(ctx context.Context, id string) (Client, error) {
	c := Client{ID: id}
	var uris string
	err := s.read.QueryRowContext(ctx, `SELECT secret, redirect_uris FROM clients WHERE id = $1`, id).Scan(&c.Secret, &uris)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal([]byte(uris), &c.RedirectURIs)
}
