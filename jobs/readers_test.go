package jobs

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/riverqueue/river"
)

// undecided are tenants with as many batches as the number says; less than none fails.
type undecided struct {
	left  map[string]int
	asked []string
}

func (u *undecided) TenantsWithUndecided(context.Context) ([]string, error) {
	if u.left == nil {
		return nil, errUndecided
	}
	return []string{"a", "b", "c"}, nil
}

var errUndecided = errors.New("disk I/O error")

func (u *undecided) ExpireReaders(_ context.Context, tenantID string) (bool, error) {
	u.asked = append(u.asked, tenantID)
	if u.left[tenantID] < 0 {
		return false, errUndecided
	}
	u.left[tenantID]--
	return u.left[tenantID] > 0, nil
}

// All batches of each tenant are removed, and one that fails holds up no other.
func TestUndecidedReadersExpire(t *testing.T) {
	u := &undecided{left: map[string]int{"a": 3, "b": -1, "c": 1}}
	w := &readersWorker{store: u}
	if err := w.Work(t.Context(), &river.Job[readersJob]{}); !errors.Is(err, errUndecided) || !slices.Equal(u.asked, []string{"a", "a", "a", "b", "c"}) {
		t.Errorf("asked %v, %v", u.asked, err)
	}
	if err := (&readersWorker{store: &undecided{}}).Work(t.Context(), &river.Job[readersJob]{}); !errors.Is(err, errUndecided) {
		t.Error(err)
	}
}
