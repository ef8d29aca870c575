package simulated

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Record is the kind of fault that fails single records, in batches too. The service
// takes it when it checks one.
const Record = "record"

// Any is the kind of fault that hits every call.
const Any = "any"

// Fault is one way to fail, as POST /_control/fail describes it.
type Fault struct {
	On          string  `json:"on"`
	Status      int     `json:"status"`
	ErrorCode   string  `json:"error_code"`
	Message     string  `json:"message"`
	Count       int     `json:"count"`
	Rate        float64 `json:"rate"`
	HTML        bool    `json:"html"`
	Drop        bool    `json:"drop"`
	HangMS      int     `json:"hang_ms"`
	AfterCommit bool    `json:"after_commit"`
	Truncate    bool    `json:"truncate"`    // the answer's body ends half-way
	RetryAfter  int     `json:"retry_after"` // seconds, in a header

	org string // whose calls it hits; "" for all but those of orgs that are apart
}

func (f *Fault) check(kinds []string) error {
	switch {
	case f.On != Any && f.On != Record && !slices.Contains(kinds, f.On):
		return fmt.Errorf("on must be one of %s, %s, %s, not %q", strings.Join(kinds, ", "), Record, Any, f.On)
	case f.Count < 0 || f.Rate < 0 || f.Rate > 1 || f.HangMS < 0 || f.RetryAfter < 0:
		return fmt.Errorf("count, hang_ms and retry_after must not be negative, and rate lies between 0 and 1")
	case f.Status != 0 && (f.Status < 300 || f.Status > 599):
		return fmt.Errorf("status must lie between 300 and 599, not %d", f.Status)
	}
	return nil
}

// Answers reports whether the call is answered as usual, if late or in part.
func (f *Fault) Answers() bool {
	return (f.HangMS > 0 || f.Truncate) && f.Status == 0 && f.ErrorCode == "" && !f.HTML && !f.Drop
}

// Faults are the failures that are due, in the order in which they were asked for.
type Faults struct {
	mu   sync.Mutex
	list []*Fault

	apart func(org string) bool
}

// Add puts f after the others, for calls to an organisation or, for "", to all that aren't
// apart. When it has neither count nor rate, it takes back what was put on its kind.
func (fs *Faults) Add(org string, f Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.org = org
	if f.Count == 0 && f.Rate == 0 {
		fs.list = slices.DeleteFunc(fs.list, func(g *Fault) bool { return g.On == f.On && fs.among(g.org, org) })
		return
	}
	fs.list = append(fs.list, &f)
}

// Clear takes back all that hits an organisation alone; for "", what hits any that isn't apart.
func (fs *Faults) Clear(org string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = slices.DeleteFunc(fs.list, func(f *Fault) bool { return fs.among(f.org, org) })
}

// Drop takes back those of the faults that are to hit an organisation.
func (fs *Faults) Drop(org string, which func(*Fault) bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = slices.DeleteFunc(fs.list, func(f *Fault) bool { return fs.among(org, f.org) && which(f) })
}

// Due are those that are to hit an organisation.
func (fs *Faults) Due(org string) (all []Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if fs.among(org, f.org) {
			all = append(all, *f)
		}
	}
	return all
}

// among reports whether an org is another, or for "" one of those that aren't apart.
func (fs *Faults) among(org, other string) bool {
	return org == other || other == "" && !fs.apart(org)
}

// Take returns the fault that hits this call to an organisation, if one does, and uses it up.
func (fs *Faults) Take(kind, org string) *Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, f := range fs.list {
		if f.On != kind && (f.On != Any || kind == Record) || !fs.among(org, f.org) {
			continue
		}
		if f.Rate > 0 && rand.Float64() >= f.Rate {
			continue
		}
		hit := *f
		if f.Count == 1 {
			fs.list = slices.Delete(fs.list, i, i+1)
		} else if f.Count > 1 {
			f.Count--
		}
		return &hit
	}
	return nil
}

// fail answers r in the way of f.
func (c *Core) fail(gone context.Context, w http.ResponseWriter, r *http.Request, kind string, f *Fault, next http.Handler) {
	var done *memory
	if f.AfterCommit || f.Truncate {
		done = &memory{head: http.Header{}}
		next.ServeHTTP(done, r)
	}
	c.pause(gone, time.Duration(f.HangMS)*time.Millisecond)
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler) // net/http cuts the connection without an answer
	case f.Answers() && done != nil:
		done.replay(w, f.Truncate)
	case f.Answers():
		next.ServeHTTP(w, r)
	default:
		c.refuse(w, kind, f)
	}
}

// refuse answers as the fault says.
func (c *Core) refuse(w http.ResponseWriter, kind string, f *Fault) {
	if f.Status == 0 {
		f.Status = http.StatusServiceUnavailable
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	switch {
	case f.Status < 400:
		w.Header().Set("Location", "/login")
		w.WriteHeader(f.Status)
	case f.HTML:
		HTML(w, f.Status, "Down for Maintenance")
	default:
		c.service.Refuse(w, kind, *f)
	}
}

// memory keeps an answer instead of sending it.
type memory struct {
	head   http.Header
	status int
	body   bytes.Buffer
}

func (m *memory) Header() http.Header { return m.head }

func (m *memory) WriteHeader(status int) {
	if m.status == 0 {
		m.status = status
	}
}

func (m *memory) Write(p []byte) (int, error) {
	m.WriteHeader(http.StatusOK)
	return m.body.Write(p)
}

// replay sends the answer, or the first half of its body.
func (m *memory) replay(w http.ResponseWriter, half bool) {
	maps.Copy(w.Header(), m.head)
	m.WriteHeader(http.StatusOK)
	w.WriteHeader(m.status)
	body := m.body.Bytes()
	if half {
		body = body[:len(body)/2]
	}
	_, _ = w.Write(body)
}
