// Package rig runs the built gatepost command and the simulated CRMs as
// processes of their own, on this machine's loopback addresses alone, and drives
// them over HTTP. The soak test and the benchmarks stand on it.
package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// startTime is how long a command may take until it is ready, and to end.
const startTime = time.Minute

// Build builds the gatepost command into folder and returns its path.
func Build(ctx context.Context, folder string) (string, error) {
	path := filepath.Join(folder, "gatepost")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "gatepost")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build gatepost: %w: %s", err, out)
	}
	return path, nil
}

// FreeAddress returns a loopback address that nobody listens on.
func FreeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// Process is a running command.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of Wait, once ended
}

// Start runs a command, with nothing in its environment but env, and returns it
// once its standard output has a line: then it is ready. What it says goes to log.
func Start(log *os.File, env []string, path string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stderr = append([]string{}, env...), log // a nil Env would be ours
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go p.follow(stdout, log, ready)
	select {
	case <-ready:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("%s %s ended (%w), see %s", path, strings.Join(args, " "), p.err, log.Name())
	case <-time.After(startTime):
		p.Kill()
		return nil, fmt.Errorf("%s %s is not ready after %v, see %s", path, strings.Join(args, " "), startTime, log.Name())
	}
}

// follow copies the command's lines, closes ready after the first one, and waits
// for the end.
func (p *Process) follow(stdout io.Reader, log io.Writer, ready chan struct{}) {
	lines := bufio.NewScanner(stdout)
	for n := 0; lines.Scan(); n++ {
		_, _ = fmt.Fprintln(log, lines.Text())
		if n == 0 {
			close(ready)
		}
	}
	p.err = p.cmd.Wait()
	close(p.ended)
}

// PID is the command's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the command as a crash does.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// Stop interrupts the command, as Ctrl-C does, and waits for its end.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGINT); errors.Is(err, os.ErrProcessDone) {
		return p.err
	}
	select {
	case <-p.ended:
		return p.err
	case <-time.After(startTime):
		p.Kill()
		return fmt.Errorf("%s did not end when it was interrupted", p.cmd.Path)
	}
}
