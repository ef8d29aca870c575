package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"

	"github.com/jackc/pgx/v5"
)

// child has a process of this test start a server, tell where, and wait.
const child = "GATEPOST_TEST_POSTGRES_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	s, err := Start()
	if err != nil {
		panic(err)
	}
	fmt.Println(s.folder, s.URL())
	select {}
}

func needServer(t *testing.T) {
	t.Helper()
	if os.Getenv(testdb.Variable) == testdb.Off {
		t.Skip(testdb.Variable + " is off")
	}
}

// query returns the number that a statement gives, by a connection of its own.
func query(t *testing.T, url, statement string) (n int, err error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	return n, conn.QueryRow(t.Context(), statement).Scan(&n)
}

func TestServer(t *testing.T) {
	needServer(t)
	s, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := query(t, s.URL(), `CREATE TABLE kept (n INT)`); !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	rows := 0
	keep := func(url string) {
		t.Helper()
		n, err := query(t, url, `INSERT INTO kept SELECT count(*) + 1 FROM kept RETURNING n`)
		if rows++; n != rows || err != nil {
			t.Errorf("it is row %d, not %d: %v", n, rows, err)
		}
	}
	keep(s.URL())
	keep(s.SocketURL())
	for name, end := range map[string]func() error{"stopped": s.Stop, "killed": s.Kill} {
		if err := end(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := query(t, s.URL(), `SELECT 1`); err == nil {
			t.Errorf("%s: it answers", name)
		}
		if err := s.Start(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		keep(s.URL())
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	keep(s.URL())
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	gone(t, s.folder, s.URL())
}

// gone fails the test unless a server is.
func gone(t *testing.T, folder, url string) {
	t.Helper()
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its folder is there: %v", err)
	}
	u, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", u.Host); err == nil {
		_ = conn.Close()
		t.Error("it listens")
	}
}

// A test that is killed can't stop its server.
func TestGoneWithTheProcess(t *testing.T) {
	needServer(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), child+"=1"), os.Stderr
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var folder, url string
	_, err = fmt.Fscanln(said, &folder, &url)
	if err == nil {
		_, err = query(t, url, `SELECT 1`)
	}
	if err := errors.Join(err, cmd.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(folder); err != nil {
			break
		}
	}
	gone(t, folder, url)
}

// fake makes a folder with programs that say a version.
func fake(t *testing.T, says string, names ...string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\necho '"+says+"'\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestNewestPrograms(t *testing.T) {
	all := []string{"initdb", "pg_ctl", "postgres"}
	old, first, second := fake(t, "postgres (PostgreSQL) 13.9", all...), fake(t, "postgres (PostgreSQL) 14.1", all...), fake(t, "postgres (PostgreSQL) 17beta1 (Debian)", all...)
	client, mute := fake(t, "postgres (PostgreSQL) 18.0", "pg_ctl", "postgres"), fake(t, "something else 19", all...)
	for want, folders := range map[string][]string{second: {first, second, client, mute, old}, first: {old, first}, "": {old, client, mute, t.TempDir()}} {
		if got := newest(folders); got != want {
			t.Errorf("of %q %q was chosen, not %q", folders, got, want)
		}
	}
}
