// Package setup installs what the tests need and a machine lacks.
package setup

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Install installs packages of Debian's where that is allowed: as root, or by sudo
// when that asks for no password. What it does is told to say, since it can take
// minutes.
func Install(say func(format string, args ...any), packages ...string) error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return err
	}
	apt := func(limit time.Duration, args ...string) error {
		say("apt-get %s, for %v at most", strings.Join(args, " "), limit)
		return Run(limit, AsRoot(append([]string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get"}, args...)...))
	}
	if err := apt(2*time.Minute, "update"); err != nil {
		say("going on with the lists of packages that are there (%v)", err)
	}
	return apt(6*time.Minute, append([]string{"install", "-y", "--no-install-recommends"}, packages...)...)
}

// AsRoot is a command that is run as root.
func AsRoot(command ...string) *exec.Cmd {
	if os.Geteuid() != 0 {
		command = append([]string{"sudo", "-n"}, command...)
	}
	return exec.Command(command[0], command[1:]...)
}

// Run runs cmd within a time limit. The error holds the end of what it said.
func Run(limit time.Duration, cmd *exec.Cmd) error {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	late := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !late.Stop() {
		err = fmt.Errorf("no end after %v: %w", limit, context.DeadlineExceeded)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", cmd, err, Tail(said.String(), 600))
	}
	return nil
}

// Tail returns the last n bytes of a text.
func Tail(s string, n int) string {
	s = strings.TrimSpace(s)
	return s[max(0, len(s)-n):]
}
