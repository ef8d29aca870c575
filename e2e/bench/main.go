// Bench measures what Gatepost promises to be quick at, and prints the figures.
// docs/performance.md says what each of them means. It judges nothing.
//
// Servers are processes of their own on loopback addresses; this process is the
// client, and shares the machine's processors with them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// bench is a benchmark run under way.
type bench struct {
	runs   int
	time   time.Duration // of one run
	stored int           // subscribers of the large tenant, half of them waiting
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == serveCommand {
		fail(serve(os.Args[2]))
		return
	}
	var b bench
	only := flag.String("only", "machine,signups,trickle,million", "what to measure, with commas between")
	flag.IntVar(&b.runs, "runs", 3, "how often sign-ups are measured; the median counts")
	flag.DurationVar(&b.time, "time", 5*time.Second, "how long each of these runs takes")
	flag.IntVar(&b.stored, "stored", 1_000_000, "how many subscribers are stored in the large tenant")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fail(b.run(ctx, strings.Split(*only, ",")))
}

func fail(err error) {
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b bench) run(ctx context.Context, only []string) error {
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{{"machine", machine}, {"signups", b.signUps}, {"trickle", b.trickle}, {"million", b.million}} {
		if !slices.Contains(only, part.name) {
			continue
		}
		if err := part.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// say prints a line of figures.
func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// times are measured durations.
type times []time.Duration

// String tells the median and the 95th percentile.
func (t times) String() string {
	if len(t) == 0 {
		return "nothing was measured"
	}
	sorted := slices.Sorted(slices.Values(t))
	at := func(share float64) time.Duration {
		d := sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
		return d.Round(max(d/200, time.Microsecond).Truncate(time.Microsecond))
	}
	return fmt.Sprintf("p50 %v, p95 %v, most %v (%d)", at(.5), at(.95), at(1), len(sorted))
}
