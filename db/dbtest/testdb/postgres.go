package testdb

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// copyDatabase makes a database of the server that is a copy of the template.
func (m *Template) copyDatabase(t testing.TB, server string) string {
	t.Helper()
	original, err := m.database()
	if err != nil {
		t.Fatal(err)
	}
	name := "gatepost_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if err := copyOf(server, original, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := exec(server, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	})
	return at(server, name)
}

// copyOf copies a database by its files, where the server has a choice (since version 15):
// of the many small ones that a test needs, it takes half the time of copying block by block.
func copyOf(server, original, name string) error {
	return exec(server, `CREATE DATABASE `+name+` TEMPLATE `+original, ` STRATEGY file_copy`)
}

// makeDatabase makes the database that is copied, unless another process has, and returns
// its name. The server may have those of other sources.
func makeDatabase(template string, fill func(ctx context.Context, at string) error) (name string, err error) {
	server, err := Server()
	if err != nil {
		return "", err
	}
	sum, err := source()
	if err != nil {
		return "", err
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }() // and with it the lock
	name = "gatepost_" + template + "_" + sum
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(hashtext($1))`, name); err != nil {
		return "", err
	}
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)`, name).Scan(&there); err != nil || there {
		return name, err
	}
	unfinished := name + "_unfinished" // one that has the name is whole, whoever was killed on the way
	for _, step := range []func() error{
		func() error { return exec(server, `DROP DATABASE IF EXISTS `+unfinished+` WITH (FORCE)`) },
		func() error { return exec(server, `CREATE DATABASE `+unfinished) },
		func() error { return fill(ctx, at(server, unfinished)) },
		func() error { return exec(server, `ALTER DATABASE `+unfinished+` RENAME TO `+name) },
	} {
		if err := step(); err != nil {
			return "", fmt.Errorf("make the database that tests get copies of: %w", err)
		}
	}
	return name, nil
}

// source is a hash of all that says what a template holds: migrations, code, and the
// versions of what we build on.
var source = sync.OnceValues(func() (string, error) {
	root, err := root()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(path); err != nil || ext != ".go" && ext != ".sql" && ext != ".mod" {
			return err
		}
		b, err := os.ReadFile(path)
		_, _ = fmt.Fprintf(hash, "%s %d %s", path[len(root):], len(b), b)
		return err
	})
	return fmt.Sprintf("%x", hash.Sum(nil)[:8]), err
})

// root is the folder of our module: tests run in the folders of their packages.
func root() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			err = errors.New("there is no go.mod above the folder of the test")
		}
		dir = up
	}
	return "", err
}

// at is the address of another database of a server.
func at(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		panic(err) // pgx has read it
	}
	u.Path = "/" + name
	return u.String()
}

// exec runs a statement that is no part of a transaction, with what is added to it where the
// server has version 15 or later.
func exec(server, statement string, since15 ...string) error {
	running.Lock()
	defer running.Unlock()
	orders <- order{server, statement, strings.Join(since15, "")}
	return <-answers
}

// Statements of exec are run by a goroutine that keeps its connections: a new one takes the
// server as long as a small test. It is started with the program, and so are the channels to
// it: what is made within a test on virtual time is of no use to another test.
var (
	running sync.Mutex // one statement at a time
	orders  = make(chan order)
	answers = make(chan error)
)

type order struct{ server, statement, since15 string }

func init() { go carryOut() }

func carryOut() {
	conns := map[string]*pgx.Conn{} // by the URL of the server
	for o := range orders {
		answers <- o.run(conns)
	}
}

func (o order) run(conns map[string]*pgx.Conn) (err error) {
	ctx, conn := context.Background(), conns[o.server]
	if conn == nil || conn.IsClosed() {
		if conn, err = pgx.Connect(ctx, o.server); err != nil {
			return err
		}
		conns[o.server] = conn
	}
	version, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	if n, err := strconv.Atoi(version); err == nil && n >= 15 {
		o.statement += o.since15
	}
	_, err = conn.Exec(ctx, o.statement)
	return err
}
