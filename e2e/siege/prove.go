package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"gatepost/screening"
)

// Browsers make their proofs of work on machines of their own. Here a process with the lowest priority makes each, so
// that the portal and those who measure it have the processors that they would have.

// proveVariable has this program make a proof, and do nothing else.
const proveVariable = "SIEGE_PROVE"

// proveApart returns the proof for a challenge, given as JSON, that such a process makes.
func proveApart(ctx context.Context, challenge []byte) (proof string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env, cmd.Stdin = append(os.Environ(), proveVariable+"=1"), bytes.NewReader(challenge)
	made, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("make a proof of work: %w", err)
	}
	return string(made), nil
}

// proveForOthers reads a challenge, and writes its proof.
func proveForOthers(in io.Reader, out io.Writer) error {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19); err != nil {
		return err
	}
	var c screening.Challenge
	if err := json.NewDecoder(in).Decode(&c); err != nil {
		return err
	}
	_, err := io.WriteString(out, c.Solve())
	return err
}
