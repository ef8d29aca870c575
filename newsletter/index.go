package newsletter

import (
	"context"
	"time"
)

const (
	// indexLook is how often it is looked whether somebody has come whom the search
	// doesn't know.
	indexLook = 2 * time.Second
	// indexRest is how many sign-ups in that time are few: bringing the search up to date
	// keeps them from the disk, and can wait.
	indexRest = 200
	// unfoundAsk is how often it is asked whether everybody is to be gone through for those
	// whom nobody has queued.
	unfoundAsk = time.Minute
)

// Index has subscribers found who are new or have another name since, until ctx ends. While
// many sign up it does little, so that they lose next to nothing by it; then the rest, and
// leaves the database to others for as long as it kept it.
func (s *Service) Index(ctx context.Context) {
	tick := time.NewTicker(indexLook)
	defer tick.Stop()
	var asked time.Time // for those whom nobody has queued
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		all, err := s.index(ctx, s.stored.Swap(0) > indexRest)
		if err == nil && all && time.Since(asked) >= unfoundAsk {
			err = s.queueUnfound(ctx)
			asked = time.Now()
		}
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "bringing the search up to date failed", "error", err)
		}
	}
}

// index takes a step, and further ones unless many sign up. It reports whether nobody is
// left.
func (s *Service) index(ctx context.Context, busy bool) (all bool, err error) {
	for {
		began := time.Now()
		n, err := s.store.IndexSearch(ctx)
		if err != nil || n == 0 || busy || s.stored.Load() > indexRest {
			return n == 0 && !busy, err
		}
		if !rest(ctx, time.Since(began)) {
			return false, nil
		}
	}
}

// queueUnfound takes the steps that are due, until many sign up.
func (s *Service) queueUnfound(ctx context.Context) error {
	for s.stored.Load() <= indexRest {
		began := time.Now()
		if more, err := s.store.QueueUnfound(ctx); err != nil || !more || !rest(ctx, time.Since(began)) {
			return err
		}
	}
	return nil
}

// rest leaves the database to others for a while, and reports whether ctx hasn't ended.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
