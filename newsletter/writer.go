package newsletter

import (
	"context"
	"errors"
	"time"

	"gatepost/db"
)

const (
	queueSize  = 1024
	groupSize  = 256
	commitTime = 30 * time.Second // a group that takes longer is answered with an error
)

// Whoever sends a form mustn't learn by the time of its answer whether the address was there: what is written of one
// that was takes some tenths of a millisecond more. So the answers of a small group come at the next multiple of even
// after it began. In a large one nobody's share shows.
const (
	even       = 5 * time.Millisecond
	smallGroup = 16
)

// request is a sign-up on its way to the disk.
type request struct {
	ctx    context.Context
	signUp db.SignUp
	looked *looked          // what the checks found of it; nil where they didn't look
	answer chan db.SignedUp // takes one without waiting
}

// write queues a sign-up and waits for its answer.
func (s *Service) write(ctx context.Context, signUp db.SignUp, l *looked) (string, error) {
	r := &request{ctx: ctx, signUp: signUp, looked: l, answer: make(chan db.SignedUp, 1)}
	if !s.enqueue(r) {
		return "", ErrBusy
	}
	select {
	case a := <-r.answer:
		return a.ID, a.Err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// enqueue reports whether there was room. What was queued before the Service
// closed is stored by Run.
func (s *Service) enqueue(r *request) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return false
	}
	select {
	case s.queue <- r:
		return true
	default:
		return false
	}
}

// Run stores the sign-ups that arrive, many in one transaction, until the context
// ends. Then it refuses new ones, stores those that it has, and returns.
func (s *Service) Run(ctx context.Context) {
	for {
		select {
		case r := <-s.queue:
			s.commit(ctx, s.group(r))
		case <-ctx.Done():
			s.drain(ctx)
			return
		}
	}
}

func (s *Service) drain(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for len(s.queue) > 0 {
		s.commit(ctx, s.group(<-s.queue))
	}
}

// group returns r and what else is queued. It doesn't wait for more: while one
// group is being committed, the next one gathers by itself.
func (s *Service) group(r *request) []*request {
	group := []*request{r}
	for len(group) < s.groupSize {
		select {
		case r := <-s.queue:
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// commit stores a group and answers each of its sign-ups. Those whose callers are
// gone are left out.
func (s *Service) commit(ctx context.Context, group []*request) {
	var live []*request
	var signUps []db.SignUp
	for _, r := range group {
		if r.ctx.Err() == nil {
			live, signUps = append(live, r), append(signUps, r.signUp)
		}
	}
	if len(live) == 0 {
		return
	}
	// A commit that has begun is not broken off because the process is to end.
	ending, begun := ctx.Err() != nil, time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTime)
	defer cancel()
	answers, err := s.store.AddSignUps(ctx, signUps)
	if err != nil {
		s.log.ErrorContext(ctx, "sign-ups were not stored", "sign_ups", len(signUps), "error", err)
		answers = failAll(err, len(signUps))
		if errors.Is(err, db.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			s.refuseQueued(err)
		}
	}
	s.stored.Add(int64(len(answers)))
	for i, r := range live {
		s.count(signUps[i], r.looked, answers[i])
	}
	answer := func() {
		for i, r := range live {
			r.answer <- answers[i]
		}
	}
	if ending || len(live) > smallGroup || s.groupSize == 1 {
		answer()
	} else {
		time.AfterFunc(even-time.Since(begun)%even, answer)
	}
	s.wakeTenants(signUps, answers)
}

// refuseQueued answers those who waited behind a group that could not be stored for
// a reason that will keep them waiting as long. Who comes later is tried.
func (s *Service) refuseQueued(err error) {
	for n := len(s.queue); n > 0; n-- {
		(<-s.queue).answer <- db.SignedUp{Err: err}
	}
}

func failAll(err error, n int) []db.SignedUp {
	answers := make([]db.SignedUp, n)
	for i := range answers {
		answers[i].Err = err
	}
	return answers
}

// wakeTenants tells of each tenant that has something new to deliver.
func (s *Service) wakeTenants(signUps []db.SignUp, answers []db.SignedUp) {
	woken := map[string]bool{}
	for i, a := range answers {
		if id := signUps[i].TenantID; a.Err == nil && !woken[id] {
			woken[id] = true
			s.wake(id)
		}
	}
}
