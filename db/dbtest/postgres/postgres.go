// Package postgres runs a PostgreSQL server for tests. It is the test process's own:
// in a temporary folder, on this machine's loopback address, and gone with the
// process, however that ends.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gatepost/e2e/setup"
)

const (
	superuser = "gatepost"
	patience  = 2 * time.Minute // with each of PostgreSQL's programs
)

// Server is a PostgreSQL server. Its methods are for one goroutine at a time.
type Server struct {
	programs string
	settings []string
	folder   string // the data, the log and the socket
	port     int
	user     *syscall.Credential // whose process it is, nil for ours
	watcher  *exec.Cmd
	alive    io.Closer // tells the watcher that we are
}

// Durable are the settings of a server that is measured: it writes to the disk what it
// would where it is used, and has memory to do it with.
var Durable = []string{"fsync = on", "full_page_writes = on", "shared_buffers = 1GB", "max_wal_size = 4GB"}

// Start makes a server without data and starts it, with further settings as
// postgresql.conf has them. The caller closes it.
func Start(settings ...string) (*Server, error) {
	s := &Server{settings: settings}
	for _, step := range []func() error{s.find, s.watch, s.initialize, s.Start} {
		if err := step(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// URL is the address of the database "postgres", for the superuser. It says that the server
// has no TLS: whoever asks for that first is given another process, which takes as long again.
func (s *Server) URL() string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres?sslmode=disable", superuser, s.port)
}

// SocketURL is URL by the server's socket.
func (s *Server) SocketURL() string {
	return fmt.Sprintf("postgres://%s@/postgres?host=%s&port=%d", superuser, url.QueryEscape(s.folder), s.port)
}

// Start starts a stopped server, at the same address and with the same data.
func (s *Server) Start() error {
	err := s.run("pg_ctl", "start", "--silent", "--wait", "--pgdata", s.data(), "--log", s.log())
	if err != nil {
		said, _ := os.ReadFile(s.log())
		return fmt.Errorf("start PostgreSQL: %w: %s", err, setup.Tail(string(said), 2000))
	}
	return nil
}

// Stop ends the connections and the server, as an orderly restart does.
func (s *Server) Stop() error {
	return s.run("pg_ctl", "stop", "--silent", "--wait", "--mode", "fast", "--pgdata", s.data())
}

// Kill ends the server as a crash does: the next start recovers from its log.
func (s *Server) Kill() error {
	return s.run("pg_ctl", "stop", "--silent", "--wait", "--mode", "immediate", "--pgdata", s.data())
}

// Restart stops the server and starts it again.
func (s *Server) Restart() error {
	if err := s.Stop(); err != nil {
		return err
	}
	return s.Start()
}

// Close ends the server and removes its data.
func (s *Server) Close() error {
	var err error
	if s.watcher != nil {
		err = errors.Join(s.alive.Close(), s.watcher.Wait())
	}
	return errors.Join(err, os.RemoveAll(s.folder))
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }
func (s *Server) log() string  { return filepath.Join(s.folder, "log") }

// find finds the programs, a folder and a port.
func (s *Server) find() (err error) {
	if s.programs, err = programs(); err != nil {
		return err
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	if s.folder, err = os.MkdirTemp(s.parent(), "gatepost-postgres-"); err != nil {
		return err
	}
	return s.giveAway()
}

// Where Linux has files in memory, and how many bytes have to be free there.
const (
	inMemory = "/dev/shm"
	enough   = 4 << 30
)

// parent is where the server's folder goes: into memory, where there is room and the disk
// isn't what is measured, since tests make many databases; else, as "", where temporary
// files go.
func (s *Server) parent() string {
	var of syscall.Statfs_t
	durable := slices.Contains(s.settings, Durable[0])
	if durable || syscall.Statfs(inMemory, &of) != nil || of.Bavail*uint64(of.Bsize) < enough { // #nosec G115 -- a size of blocks
		return ""
	}
	return inMemory
}

// initialize makes the data and the settings.
func (s *Server) initialize() error {
	// Servers in the field sort as people do. What relies on the order of bytes is to be
	// seen here too, from the version on that comes with its own rules (ICU's).
	order := []string{"--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en-US"}
	if version(s.programs) < 15 {
		order = []string{"--locale", "C.UTF-8"}
	}
	err := s.run("initdb", append(order, "--no-sync", "--username", superuser, "--auth", "trust", "--encoding", "UTF8", "--pgdata", s.data())...)
	if err != nil {
		return err
	}
	conf, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conf, settings+strings.Join(s.settings, "\n")+"\n", s.port, s.folder) // the last of several counts
	return errors.Join(err, conf.Close())
}

// settings make a server fast that needs not outlive the machine. What is committed
// when is said by its clients.
const settings = `
listen_addresses = '127.0.0.1'
port = %d
unix_socket_directories = '%s'
max_connections = 300
shared_buffers = 64MB
fsync = off
full_page_writes = off
max_wal_size = 512MB
`

// giveAway has the server run as somebody who is not root, which PostgreSQL refuses.
func (s *Server) giveAway() error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	s.user = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.folder, uid, gid)
}

// freePort returns a port that nobody listens on. It is none of those that the system
// gives to outgoing connections: one might take it while the server is restarted.
func freePort() (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(10000)
		if ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, ln.Close()
		}
	}
	return 0, errors.New("there is no free port on 127.0.0.1")
}

// watcher ends the server and removes its folder once its input is closed.
const watcher = `trap "" INT TERM HUP
cat
[ ! -e "$2/postmaster.pid" ] || "$1" stop --silent --mode immediate --pgdata "$2"
status=$?
rm -rf "$3"
exit $status`

// watch starts a process that cleans up after us. When we are killed the system
// closes its input.
func (s *Server) watch() (err error) {
	cmd := s.command(context.Background(), "/bin/sh", "-c", watcher, "sh", filepath.Join(s.programs, "pg_ctl"), s.data(), s.folder)
	if s.alive, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.watcher = cmd
	return nil
}

// run runs one of PostgreSQL's programs.
func (s *Server) run(program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := s.command(ctx, filepath.Join(s.programs, program), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, setup.Tail(string(out), 2000))
	}
	return nil
}

// command is a command of the server's user, whom Ctrl-C doesn't reach: what we have
// to say to the server, we say.
func (s *Server) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = s.folder
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.user}
	return cmd
}
