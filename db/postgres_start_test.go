package db

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestServersThatWontDo(t *testing.T) {
	good := server{version: 140000, encoding: "UTF8"}
	if err := good.refuse(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*server){
		"it is PostgreSQL 13: version 14 or later is needed":                                         func(s *server) { s.version = 130022 },
		"it is a standby, which can only be read: give the address of the primary":                   func(s *server) { s.standby, s.readOnly = true, true },
		"it can only be read: its user or the server has default_transaction_read_only set":          func(s *server) { s.readOnly = true },
		"its encoding is LATIN1: make a database with createdb --encoding UTF8 --template template0": func(s *server) { s.encoding = "LATIN1" },
	} {
		s := good
		change(&s)
		if err := s.refuse(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestWhatServersSayIsToldInOurWords(t *testing.T) {
	for code, want := range map[string]string{
		"28P01": "check name and password", "28000": "check name and password", "3D000": "there is no such database", "42501": "lacks a right: what it said",
		"53300": "no connection left", "57P03": "can't be reached: what it said", "08P01": "connect directly", "42P05": "a pooler in transaction mode", "26000": "a pooler in transaction mode",
		"XX000": "doing it: ERROR: what it said",
	} {
		err := fmt.Errorf("doing it: %w", &pgconn.PgError{Severity: "ERROR", Code: code, Message: "what it said"})
		if got := (&postgres{}).plainly(err); !strings.Contains(got.Error(), want) {
			t.Errorf("%s: %v", code, got)
		}
	}
}

// Who is at the other end is verified, unless it is this machine or something else was said.
func TestServersElsewhereAreVerified(t *testing.T) {
	for _, c := range []struct {
		url, host, mode string // of PostgreSQL's own variables
		verified, tls   bool
	}{
		{"postgres://u:p@db.example/d", "", "", true, true},
		{"postgres://u:p@192.0.2.7:5433/d?sslmode=", "", "", true, true},
		{"postgres://u:p@db.example/d?sslmode=verify-full", "", "", true, true},
		{"postgres:///d?host=db.example&user=u", "", "", true, true},
		{"postgres:///d", "db.example", "", true, true},
		{"postgres://u:p@localhost,db.example/d", "", "", true, true},
		{"postgres://u:p@db.example/d?sslmode=require", "", "", false, true},
		{"postgres://u:p@db.example/d?sslmode=disable", "", "", false, false},
		{"postgres://u:p@db.example/d", "", "disable", false, false},
		{"postgres://u:p@127.0.0.1/d", "", "", false, true},
		{"postgres://u:p@[::1]/d", "", "", false, true},
		{"postgres://u:p@localhost/d", "", "", false, true},
		{"postgres:///d?host=/var/run/postgresql", "", "", false, false},
	} {
		t.Setenv("PGHOST", c.host)
		t.Setenv("PGSSLMODE", c.mode)
		config, err := (&postgres{url: c.url}).config()
		if err != nil {
			t.Fatal(c.url, err)
		}
		all := []*tls.Config{config.TLSConfig}
		for _, f := range config.Fallbacks {
			all = append(all, f.TLSConfig)
		}
		verified, any := true, false
		for _, with := range all {
			verified = verified && with != nil && !with.InsecureSkipVerify && with.ServerName != ""
			any = any || with != nil
		}
		if verified != c.verified || any != c.tls {
			t.Errorf("%+v: verified %v, TLS %v", c, verified, any)
		}
	}
}

// answering is the address of what answers like a server that is asked for TLS.
func answering(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if _, err := io.ReadFull(conn, make([]byte, 8)); err == nil {
				answer(conn)
			}
			_ = conn.Close()
		}
	}()
	return "postgres://gatepost:hidden-secret@" + ln.Addr().String() + "/gatepost?sslmode=verify-full"
}

func TestServersThatCantBeVerified(t *testing.T) {
	stranger := httptest.NewTLSServer(nil)
	defer stranger.Close()
	for want, where := range map[string]string{
		"its certificate can't be verified (": answering(t, func(c net.Conn) {
			_, _ = c.Write([]byte("S"))
			_ = tls.Server(c, &tls.Config{Certificates: stranger.TLS.Certificates}).Handshake()
		}),
		"it offers no TLS: turn ssl on there":                      answering(t, func(c net.Conn) { _, _ = c.Write([]byte("N")) }),
		"the server can't be reached: ":                            "postgres://gatepost:hidden-secret@127.0.0.1:1/gatepost?password=hidden-secret",
		"the file /none.crt, which its URL names, can't be read: ": "postgres://gatepost:hidden-secret@127.0.0.1:1/gatepost?sslmode=verify-full&sslrootcert=/none.crt",
		"it is not a URL as PostgreSQL's":                          "postgres://gatepost:hidden-secret@127.0.0.1:port/gatepost",
	} {
		notOpened(t, where, want)
	}
}

// notOpened checks that whoever opens the database is told why not, in one line without its
// password.
func notOpened(t *testing.T, where, want string) {
	t.Helper()
	for name, open := range map[string]func(context.Context, string) (*DB, error){"Open": Open, "OpenExisting": OpenExisting, "OpenMigrated": openMigrated} {
		d, err := open(t.Context(), where)
		if err == nil {
			_ = d.Close()
			t.Errorf("%s opens %s", name, where)
			continue
		}
		if says := err.Error(); !strings.Contains(says, ": "+want) || strings.Contains(says, "hidden-secret") || strings.ContainsAny(says, "\n\r") {
			t.Errorf("%s: %s; want %s", name, says, want)
		}
	}
	if _, err := TenantSlugs(t.Context(), where); err != nil && strings.Contains(err.Error(), "hidden-secret") {
		t.Errorf("TenantSlugs: %v", err)
	}
}

// testServer is the server that the tests run on.
func testServer(t *testing.T) *url.URL {
	t.Helper()
	where, err := testdb.Server()
	if err != nil || where == "" {
		t.Skip("of PostgreSQL alone: " + testdb.Variable + " names no server")
	}
	u, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestDatabasesThatWontDo(t *testing.T) {
	u := testServer(t)
	u.Path = "/gatepost_that_is_not_there"
	notOpened(t, u.String(), "there is no such database on the server: make it, with createdb")

	for rights, want := range map[string]string{
		"":                              "its user may not make tables in the schema public: GRANT USAGE, CREATE ON SCHEMA public",
		"GRANT CREATE ON SCHEMA public": "",
	} {
		where, err := url.Parse(bare.Copy(t))
		if err != nil {
			t.Fatal(err)
		}
		role := "gatepost_" + strings.ReplaceAll(NewID(), "-", "")
		run := func(statement string) {
			t.Helper()
			conn, err := pgx.Connect(context.Background(), where.String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(context.Background()) }()
			if _, err := conn.Exec(context.Background(), statement); err != nil {
				t.Fatal(err)
			}
		}
		owner := *where
		run(`CREATE ROLE ` + role + ` LOGIN PASSWORD 'hidden-secret'; REVOKE CREATE ON SCHEMA public FROM PUBLIC`)
		t.Cleanup(func() { where = &owner; run(`DROP OWNED BY ` + role + `; DROP ROLE ` + role) })
		if rights != "" {
			run(rights + ` TO ` + role)
		}
		mine := owner
		mine.User = url.UserPassword(role, "hidden-secret")
		d, err := openMigrated(t.Context(), mine.String())
		if err == nil {
			_ = d.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("with %q: %v", rights, err)
		}
	}

	where := empty.Copy(t)
	whole, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	q := whole.Query()
	q.Set("default_transaction_read_only", "on")
	whole.RawQuery = q.Encode()
	notOpened(t, whole.String(), "it can only be read")
}

// bouncer runs PgBouncer before the database, in a mode, and returns its address there.
func bouncer(t *testing.T, where, mode string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
		if _, err := os.Stat(program); err != nil {
			t.Skip("pgbouncer is not installed")
		}
	}
	u, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	_ = ln.Close()
	dir, err := os.MkdirTemp("", "gatepost-pgbouncer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	login := "user=" + u.User.Username()
	if password, ok := u.User.Password(); ok {
		login += " password=" + password
	}
	config := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n* = host=%s port=%s %s\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=%s\nauth_type=any\npool_mode=%s\nunix_socket_dir=\n",
		u.Hostname(), u.Port(), login, port, mode)
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(config, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	args := []string{config}
	if os.Getuid() == 0 {
		args = []string{"-u", "nobody", config} // it doesn't run as root
	}
	cmd := exec.Command(program, args...)
	var out strings.Builder
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	u.Host = "127.0.0.1:" + port
	for range 600 {
		conn, err := net.Dial("tcp", u.Host)
		if err == nil {
			_ = conn.Close()
			return u.String()
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("pgbouncer doesn't answer: %s", &out)
	return ""
}

func TestPoolersThatShareConnectionsAreRefused(t *testing.T) {
	testServer(t)
	const want = "a pooler in transaction mode stands before it"
	where := empty.Copy(t)
	transaction := bouncer(t, where, "transaction")
	for range 3 { // what was prepared by the ones before is found by the next
		if d, err := openMigrated(t.Context(), transaction); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v, %v", d, err)
		}
	}
	if d, err := openMigrated(t.Context(), bouncer(t, where, "statement")); err == nil || !strings.Contains(err.Error(), "a pooler stands before it that doesn't understand us") {
		t.Errorf("got %v, %v", d, err)
	}
	for range 2 {
		d, err := openMigrated(t.Context(), bouncer(t, where, "session"))
		if err != nil {
			t.Fatal(err)
		}
		_ = d.Close()
	}
}
