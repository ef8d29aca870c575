package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"gatepost/e2e/rig"
)

// Sign-ups come at this rate, whether earlier ones are answered or not, to two portals
// by turns.
const (
	perTick = 5
	tick    = time.Millisecond
)

// two measures two processes on one file: how long sign-ups wait when both always have
// something to write.
func (b bench) two(ctx context.Context) error {
	return inWorld(ctx, func(w *rig.World, one *rig.Portal) error {
		other, err := w.AddPortal(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = other.Stop() }()
		for run := range b.runs {
			took, rate, err := steady(ctx, b.time, []string{one.Form(rig.Contoso), other.Form(rig.Contoso)})
			if err != nil {
				return err
			}
			say("two processes           run %d: %6.0f/s  %v", run+1, rate, took)
		}
		return nil
	})
}

// steady signs people up at a steady rate, and measures each from the moment that it was
// due until its answer.
func steady(ctx context.Context, d time.Duration, forms []string) (took rig.Times, rate float64, err error) {
	var signUps []func(string) error
	for _, form := range forms {
		signUp, end := fastReader(form)
		defer end()
		signUps = append(signUps, signUp)
	}
	var mu sync.Mutex
	var failed atomic.Value
	var all sync.WaitGroup
	begun := time.Now()
	for n := 0; time.Since(begun) < warmUp+d && ctx.Err() == nil && failed.Load() == nil; n++ {
		due := begun.Add(time.Duration(n) * tick)
		time.Sleep(time.Until(due))
		for i := range perTick {
			signUp := signUps[(n*perTick+i)%len(signUps)]
			all.Go(func() {
				if err := signUp(nextReader()); err != nil {
					failed.Store(err)
					return
				}
				if due.Sub(begun) > warmUp {
					mu.Lock()
					defer mu.Unlock()
					took = append(took, time.Since(due))
				}
			})
		}
	}
	all.Wait()
	rate = float64(len(took)) / (time.Since(begun) - warmUp).Seconds()
	err, _ = failed.Load().(error)
	return took, rate, err
}
