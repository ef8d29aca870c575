// Command onpostgres runs a command, such as go test, with a PostgreSQL server to test on:
//
//	go run ./db/dbtest/onpostgres go test -race ./db
//
// It is the server that GATEPOST_TEST_DATABASE names, else one that lives as long as the
// command. When the variable is off, the command isn't run.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"gatepost/db/dbtest/postgres"
	"gatepost/db/dbtest/testdb"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	var ended *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &ended) && ended.ExitCode() > 0:
		os.Exit(ended.ExitCode())
	default:
		fmt.Fprintln(os.Stderr, "onpostgres:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, command []string) (err error) {
	if len(command) == 0 {
		return errors.New("name the command that is to run")
	}
	if os.Getenv(testdb.Variable) == testdb.Off {
		fmt.Printf("%s is off: nothing is tested on PostgreSQL\n", testdb.Variable)
		return nil
	}
	url, err := testdb.Server()
	if err != nil {
		return err
	}
	if url == "" {
		s, err := postgres.Start()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		url = s.URL()
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Env = append(os.Environ(), testdb.Variable+"="+url)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}
