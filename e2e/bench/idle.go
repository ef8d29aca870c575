package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"gatepost/e2e/rig"
)

// idleTime is how long a portal is watched that nobody asks for anything.
const idleTime = 20 * time.Second

// idle measures what a portal costs while nothing happens.
func (b bench) idle(ctx context.Context) error {
	return inWorld(ctx, func(_ *rig.World, p *rig.Portal) error {
		if err := pause(ctx, warmUp+5*time.Second); err != nil { // what is done at the start
			return err
		}
		before, err := processorTime(p)
		if err != nil {
			return err
		}
		if err := pause(ctx, idleTime); err != nil {
			return err
		}
		after, err := processorTime(p)
		say("idle         %v of processor time in %v", after-before, idleTime)
		return err
	})
}

func pause(ctx context.Context, d time.Duration) error {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// processorTime is what a process has used of the processors so far, to 10 ms.
func processorTime(p interface{ PID() int }) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var ticks int
	for _, field := range fields[11:13] { // in user mode, and in the kernel's
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}
