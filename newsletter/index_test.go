package newsletter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/db"
)

// batches is a store whose search lacks some batches.
type batches struct {
	*db.DB
	mu                 sync.Mutex // guards what follows
	left, steps, looks int
	unfound            int   // further steps of a look
	err, lookErr       error // of IndexSearch and of QueueUnfound
}

// lack has the search lack n batches, and fail with err.
func (b *batches) lack(n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left, b.err = n, err
}

// counts returns the batches that are left, the steps and the looks so far.
func (b *batches) counts() (left, steps, looks int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left, b.steps, b.looks
}

// IndexSearch takes a batch.
func (b *batches) IndexSearch(context.Context) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.steps++
	if b.err != nil || b.left == 0 {
		return 0, b.err
	}
	b.left--
	return 1, nil
}

// QueueUnfound takes a step.
func (b *batches) QueueUnfound(context.Context) (more bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looks++
	if b.lookErr != nil || b.unfound == 0 {
		return false, b.lookErr
	}
	b.unfound--
	return true, nil
}

// miss has further steps be needed, and fail with err.
func (b *batches) miss(unfound int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unfound, b.lookErr = unfound, err
}

// While many sign up the search gets a batch at a time, and the rest when they are done;
// it is asked at the start and each minute whether everybody is to be gone through.
func TestIndexingWaitsForSignUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		store := &batches{left: 100}
		s := New(Config{Store: store})
		s.stored.Store(indexRest + 1)
		go s.Index(ctx)
		time.Sleep(indexLook + time.Millisecond)
		synctest.Wait()
		if _, steps, looks := store.counts(); steps != 1 || looks != 0 {
			t.Errorf("%d batches and %d looks while many sign up", steps, looks)
		}
		s.stored.Store(indexRest)
		time.Sleep(indexLook)
		synctest.Wait()
		if left, _, looks := store.counts(); left != 0 || looks != 1 {
			t.Errorf("%d batches are left after it, %d looks", left, looks)
		}
		store.lack(0, errors.New("the disk is full"))
		time.Sleep(indexLook)
		synctest.Wait()
		store.lack(3, nil)
		time.Sleep(unfoundAsk)
		synctest.Wait()
		if left, _, looks := store.counts(); left != 0 || looks != 2 {
			t.Errorf("%d batches are left after an error, %d looks", left, looks)
		}
	})
}

// Going through everybody takes its steps one after the other, leaves off while many sign
// up, and isn't tried again at once when it fails.
func TestEverybodyIsGoneThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		store := &batches{}
		store.miss(0, errors.New("it takes too long"))
		s := New(Config{Store: store, Log: slog.New(slog.DiscardHandler)})
		go s.Index(ctx)
		looks := func(want int, after time.Duration) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if _, _, looks := store.counts(); looks != want {
				t.Errorf("%d steps, want %d", looks, want)
			}
		}
		looks(1, indexLook+time.Millisecond)
		looks(1, 10*indexLook) // it failed
		store.miss(30, nil)
		looks(32, unfoundAsk)
		store.miss(30, nil)
		for range 40 {
			s.stored.Store(indexRest + 1) // many sign up
			looks(32, indexLook)
		}
		looks(63, indexLook)
	})
}
