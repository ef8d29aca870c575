package newsletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/db"
)

// rows is a store that keeps what it is given, and refuses some of it by the address.
type rows struct {
	*db.DB
	stored  []string
	refuses string
	err     error // of the context, when it was given it
}

var errRow = errors.New("a bad row")

func (s *rows) AddSignUps(ctx context.Context, all []db.SignUp) ([]db.SignedUp, error) {
	s.err = ctx.Err()
	answers := make([]db.SignedUp, len(all))
	for i, a := range all {
		if a.Email == s.refuses {
			answers[i].Err = errRow
			continue
		}
		answers[i].ID = "id of " + a.Email
		s.stored = append(s.stored, a.Email)
	}
	return answers, nil
}

// Whoever left while their group was gathered isn't stored, wherever in it they stood,
// and everybody else gets an answer of their own, not a neighbour's.
func TestACancelledSignUpInAGroup(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, cancelled := range [][]int{{}, {0}, {1}, {2}, {3}, {0, 1}, {1, 3}, {0, 1, 2, 3}} {
		t.Run(fmt.Sprint(cancelled), func(t *testing.T) {
			store := &rows{refuses: "r2@example.com"}
			var woken []string
			s := New(Config{Store: store, Wake: func(id string) { woken = append(woken, id) }})
			var group []*request
			var want, wakes []string
			for i := range 4 {
				r := &request{ctx: t.Context(), answer: make(chan db.SignedUp, 1), signUp: db.SignUp{TenantID: string(rune('a' + i/2)), Email: fmt.Sprintf("r%d@example.com", i)}}
				if slices.Contains(cancelled, i) {
					r.ctx = gone
				} else if r.signUp.Email != store.refuses {
					want = append(want, r.signUp.Email)
					wakes = append(wakes, r.signUp.TenantID)
				}
				group = append(group, r)
			}
			ended, end := context.WithCancel(t.Context())
			end() // the process is to end, which breaks no commit off
			s.commit(ended, group)
			if !slices.Equal(store.stored, want) || store.err != nil {
				t.Errorf("stored %v, want %v; %v", store.stored, want, store.err)
			}
			if wakes = slices.Compact(wakes); !slices.Equal(woken, wakes) {
				t.Errorf("woke %v, want %v", woken, wakes)
			}
			for i, r := range group {
				select {
				case a := <-r.answer:
					if refused := r.signUp.Email == store.refuses; slices.Contains(cancelled, i) || refused != errors.Is(a.Err, errRow) || !refused && a.ID != "id of "+r.signUp.Email {
						t.Errorf("%s is answered %+v", r.signUp.Email, a)
					}
				default:
					if !slices.Contains(cancelled, i) {
						t.Errorf("%s gets no answer", r.signUp.Email)
					}
				}
			}
		})
	}
}

// slow is a store that takes longer for some.
type slow struct {
	*db.DB
	takes map[string]time.Duration // by the address
}

func (s slow) AddSignUps(_ context.Context, all []db.SignUp) ([]db.SignedUp, error) {
	for _, up := range all {
		time.Sleep(s.takes[up.Email])
	}
	return make([]db.SignedUp, len(all)), nil
}

// How long an answer takes doesn't tell what was to be written for it: those of a few come at even times. Of
// many, and of the last ones of a process, nobody waits for that.
func TestAnswersComeAtEvenTimes(t *testing.T) {
	one, another, long := "new@example.com", "known@example.com", "busy@example.com"
	takes := map[string]time.Duration{one: time.Millisecond, another: 3 * time.Millisecond, long: even + time.Millisecond}
	for _, tt := range []struct {
		email  string
		others int // in the group
		ending bool
		after  time.Duration
	}{
		{one, 0, false, even}, {another, 0, false, even}, {long, 0, false, 2 * even}, {another, smallGroup - 1, false, even},
		{another, smallGroup, false, takes[another]}, {another, 0, true, takes[another]},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := New(Config{Store: slow{takes: takes}})
			ctx, end := context.WithCancel(t.Context())
			defer end()
			if tt.ending {
				end()
			}
			group := make([]*request, 1+tt.others)
			for i := range group {
				group[i] = &request{ctx: t.Context(), answer: make(chan db.SignedUp, 1)}
			}
			group[0].signUp.Email = tt.email
			begun := time.Now()
			s.commit(ctx, group)
			<-group[0].answer
			if took := time.Since(begun); took != tt.after {
				t.Errorf("%s with %d others (ending %v) is answered after %v, want %v", tt.email, tt.others, tt.ending, took, tt.after)
			}
		})
	}
}

// A newsletter is read again after a second, and one that wasn't found at once.
func TestANewsletterIsKnownForASecond(t *testing.T) {
	d := open(t)
	s := New(Config{Store: d})
	at := s.now()
	s.now = func() time.Time { return at }
	if _, err := s.BySlug(t.Context(), "later"); !errors.Is(err, db.ErrNotFound) {
		t.Fatal(err)
	}
	weekly(t, s)
	if _, err := d.Writer().Exec(`UPDATE newsletters SET name = 'Renamed'; INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ('m', 'a', 'later', 'Later', 'Yes.', 1)`); err != nil {
		t.Fatal(err)
	}
	if n, err := s.BySlug(t.Context(), "later"); err != nil || n.ID != "m" {
		t.Errorf("%+v, %v", n, err)
	}
	at = at.Add(knownFor - 1)
	if n := weekly(t, s); n.Name != "Weekly" {
		t.Errorf("read again: %+v", n)
	}
	at = at.Add(1)
	if n := weekly(t, s); n.Name != "Renamed" {
		t.Errorf("still %+v", n)
	}
}
