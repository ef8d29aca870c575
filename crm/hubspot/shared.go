package hubspot

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"gatepost/crm"
	"gatepost/crm/wire"
)

// Shared is what the clients of a process share: what HubSpot said of each account, whose
// turn it is to call, and which sessions were refused though they had just been renewed.
// Its zero value is ready for use.
type Shared struct {
	mu      sync.Mutex
	portals map[string]*portal
	refused wire.RefusedTokens
}

// portal returns what is known of an account.
func (s *Shared) portal(id string) *portal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.portals == nil {
		s.portals = map[string]*portal{}
	}
	if s.portals[id] == nil {
		s.portals[id] = &portal{turn: make(chan struct{}, 1)}
	}
	return s.portals[id]
}

// portal is what is known of one account.
type portal struct {
	turn chan struct{} // holds who makes a call

	mu      sync.Mutex
	details details
	at      time.Time // when it was asked for the details, zero for never
	left    int       // calls of the window, where until is not zero
	max     int
	until   time.Time // when the window is over, whatever was called in it
}

// detailsLife is how long an account's details are taken for granted without a check-up.
const detailsLife = 24 * time.Hour

func (p *portal) known(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.at.IsZero() && now.Sub(p.at) < detailsLife
}

func (p *portal) keep(d details, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.details, p.at = d, now
}

// begin waits until nobody else calls the account. Whoever gets no error must end the call.
func (p *portal) begin(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *portal) end() { <-p.turn }

// reserve is how many calls of a window are left alone, so that none is refused.
const reserve = 3

// full is the failure of a call for which there is no room in the window, nil where there is.
func (p *portal) full(now time.Time) *crm.Failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !now.Before(p.until) || p.left > reserve {
		return nil
	}
	return &crm.Failure{Class: crm.Pause, Code: windowUsed, Wait: p.until.Sub(now), Detail: "The calls of the last seconds leave no room for more."}
}

// heard keeps what an answer's headers say of the window.
func (p *portal) heard(h http.Header, now time.Time) {
	left, err1 := strconv.Atoi(h.Get("X-HubSpot-RateLimit-Remaining"))
	limit, err2 := strconv.Atoi(h.Get("X-HubSpot-RateLimit-Max"))
	if err1 != nil || err2 != nil {
		return
	}
	span, err := strconv.Atoi(h.Get("X-HubSpot-RateLimit-Interval-Milliseconds"))
	if err != nil || span < 1 || span > int(time.Hour/time.Millisecond) {
		span = int(theWindow / time.Millisecond)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.max, p.until = left, limit, now.Add(time.Duration(span)*time.Millisecond)
}

// window is what is left of the window and its size; ok is false where no answer told.
func (p *portal) window() (left, limit int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left, p.max, !p.until.IsZero()
}

// midnight is how long it is until midnight where the account is.
func (p *portal) midnight(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := now.In(p.details.zone())
	return time.Date(at.Year(), at.Month(), at.Day()+1, 0, 0, 0, 0, at.Location()).Sub(at)
}
