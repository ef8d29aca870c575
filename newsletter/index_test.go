package newsletter

import (
	"context"
	"errors"
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
	err                error
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

// QueueUnfound finds nobody.
func (b *batches) QueueUnfound(context.Context) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looks++
	return 0, nil
}

// While many sign up the search gets a batch at a time, and the rest when they are done;
// everybody is gone through at the start and once an hour.
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
		time.Sleep(unfoundLook)
		synctest.Wait()
		if left, _, looks := store.counts(); left != 0 || looks != 2 {
			t.Errorf("%d batches are left after an error, %d looks", left, looks)
		}
	})
}
