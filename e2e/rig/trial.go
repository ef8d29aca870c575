package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"time"
)

// Verdict is what a trial found, a line for each thing.
type Verdict interface {
	fmt.Stringer
	Broken() bool // a promise was
}

// ErrBroken says that a promise was broken.
var ErrBroken = errors.New("a promise was broken")

// Judge carries out a trial in a temporary folder until it is interrupted, prints what it found, and
// returns ErrBroken when a promise was broken. The folder stays as evidence when something went wrong.
func Judge[V Verdict](name string, run func(ctx context.Context, folder string) (V, error)) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	folder, err := os.MkdirTemp("", "gatepost-"+name+"-")
	if err != nil {
		return err
	}
	v, err := run(ctx, folder)
	if err != nil {
		return fmt.Errorf("%w (the data is in %s)", err, folder)
	}
	fmt.Print(v)
	if v.Broken() {
		return fmt.Errorf("%w (the data is in %s)", ErrBroken, folder)
	}
	return os.RemoveAll(folder)
}

// Exit ends the program, with 1 and the error where there is one.
func Exit(name string, err error) {
	if err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Times are measured durations.
type Times []time.Duration

// At is the time that a share of them took no longer than, from 0 to 1; 0 of none.
func (t Times) At(share float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(t))[min(int(share*float64(len(t))), len(t)-1)]
}

// String tells the median, two percentiles and the longest.
func (t Times) String() string {
	if len(t) == 0 {
		return "nothing was measured"
	}
	at := func(share float64) time.Duration {
		d := t.At(share)
		return d.Round(max(d/200, time.Microsecond).Truncate(time.Microsecond))
	}
	return fmt.Sprintf("p50 %v, p95 %v, p99 %v, most %v (%d)", at(.5), at(.95), at(.99), at(1), len(t))
}

// ConfirmLink is the link of a mail that asks a reader to confirm.
var ConfirmLink = regexp.MustCompile(`https?://\S+/confirm/[\w-]+`)
