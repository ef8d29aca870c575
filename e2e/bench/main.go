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

	"gatepost/e2e/rig"
)

// bench is a benchmark run under way.
type bench struct {
	runs   int
	time   time.Duration // of one run
	stored int           // subscribers of the large tenant, half of them waiting
	moved  int           // subscribers of the tenant that moves to another CRM
	server bool          // the large tenant is on PostgreSQL
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == serveCommand {
		rig.Exit("bench", serve(os.Args[2]))
		return
	}
	var b bench
	only := flag.String("only", "machine,signups,tokens,two,idle,trickle,pace,backlog,calls,move,million,search,postgres", "what to measure, with commas between")
	flag.IntVar(&b.runs, "runs", 3, "how often sign-ups are measured; the median counts")
	flag.DurationVar(&b.time, "time", 5*time.Second, "how long each of these runs takes")
	flag.IntVar(&b.stored, "stored", 1_000_000, "how many subscribers are stored in the large tenant, or in the two that are searched")
	flag.IntVar(&b.moved, "moved", 100_000, "how many subscribers the tenant has that moves from Salesforce to HubSpot")
	flag.BoolVar(&b.server, "postgres", false, "keep the large tenants on an own PostgreSQL")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	rig.Exit("bench", b.run(ctx, strings.Split(*only, ",")))
}

func (b bench) run(ctx context.Context, only []string) error {
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{{"machine", machine}, {"signups", b.signUps}, {"tokens", b.tokens}, {"two", b.two}, {"idle", b.idle}, {"trickle", b.trickle}, {"pace", b.pace}, {"backlog", b.backlog}, {"calls", b.calls}, {"move", b.move}, {"million", b.million}, {"search", b.search}, {"postgres", b.postgres}} {
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
