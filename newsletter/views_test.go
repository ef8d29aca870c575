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

// viewStore keeps what is stored of views.
type viewStore struct {
	Store
	mu  sync.Mutex
	n   map[db.ViewCount]int
	err error
}

func (s *viewStore) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *viewStore) of(c db.ViewCount) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n[c]
}

func (s *viewStore) AddViews(_ context.Context, counts []db.ViewCount) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	for _, c := range counts {
		n := c.N
		c.N = 0
		s.n[c] += n
	}
	return nil
}

// Views are stored once a minute and at the end, and go on being counted while nothing can be stored.
func TestViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &viewStore{n: map[db.ViewCount]int{}, err: errors.New("full")}
		s := New(Config{Store: store})
		n := db.Newsletter{TenantID: "t", ID: "n"}
		hour := time.Now().Truncate(time.Hour)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.CountViews(ctx); close(done) }()
		page, frame := db.ViewCount{TenantID: "t", NewsletterID: "n", Hour: hour, Kind: db.ViewOfPage}, db.ViewCount{TenantID: "t", NewsletterID: "n", Hour: hour, Kind: db.ViewOfFrame}
		see := func(what string, wantPage, wantFrame int) {
			t.Helper()
			if store.of(page) != wantPage || store.of(frame) != wantFrame {
				t.Errorf("%s: %d of the page, %d of frames", what, store.of(page), store.of(frame))
			}
		}
		s.Viewed(n, db.ViewOfPage)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		see("while nothing can be stored", 0, 0)
		store.fails(nil)
		s.Viewed(n, db.ViewOfPage)
		s.Viewed(n, db.ViewOfFrame)
		see("before the minute is over", 0, 0)
		time.Sleep(time.Minute)
		synctest.Wait()
		see("after a minute", 2, 1)
		s.Viewed(n, db.ViewOfFrame)
		stop()
		<-done
		see("at the end", 2, 2)
	})
}
