package newsletter

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/db"
)

// batches is a store whose search lacks some batches.
type batches struct {
	*db.DB
	left, steps, looks int
	err                error
}

// IndexSearch takes a batch.
func (b *batches) IndexSearch(context.Context) (int, error) {
	b.steps++
	if b.err != nil || b.left == 0 {
		return 0, b.err
	}
	b.left--
	return 1, nil
}

// QueueUnfound finds nobody.
func (b *batches) QueueUnfound(context.Context) (int, error) {
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
		if store.steps != 1 || store.looks != 0 {
			t.Errorf("%d batches and %d looks while many sign up", store.steps, store.looks)
		}
		s.stored.Store(indexRest)
		time.Sleep(indexLook)
		synctest.Wait()
		if store.left != 0 || store.looks != 1 {
			t.Errorf("%d batches are left after it, %d looks", store.left, store.looks)
		}
		store.err = errors.New("the disk is full")
		time.Sleep(indexLook)
		synctest.Wait()
		store.err, store.left = nil, 3
		time.Sleep(unfoundLook)
		synctest.Wait()
		if store.left != 0 || store.looks != 2 {
			t.Errorf("%d batches are left after an error, %d looks", store.left, store.looks)
		}
	})
}
