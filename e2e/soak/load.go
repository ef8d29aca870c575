package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// repeats is the share of sign-ups with an address that was used before.
const repeats = 0.05

// readers are everybody who signs up in one way with one tenant, at a steady rate.
type readers struct {
	name   string   // with which their addresses begin
	last   string   // their last name
	forms  []string // of the portals, in turn
	http   *http.Client
	crowds sync.WaitGroup // who came at once

	mu           sync.Mutex
	sent         []string        // addresses, in the order of their first use
	acknowledged map[string]bool // by address in lower case
	count        counts
	latencies    []time.Duration // of acknowledgements
	surprises    []string        // answers that nobody should get
}

// counts are those of sign-ups, and of their answers.
type counts struct{ sent, repeated, acknowledged, refused, lost int }

// add adds others.
func (c *counts) add(o counts) {
	c.sent += o.sent
	c.repeated += o.repeated
	c.acknowledged += o.acknowledged
	c.refused += o.refused
	c.lost += o.lost
}

func newReaders(name, last string, forms []string) *readers {
	return &readers{name: name, last: last, forms: forms, acknowledged: map[string]bool{}, http: &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: 512},
	}}
}

// signUp sends so many sign-ups a second until ctx ends, and returns when all are answered. It is
// an open loop: a portal that is slow or gone gets no fewer of them.
func (r *readers) signUp(ctx context.Context, rate int) {
	var all sync.WaitGroup
	defer r.crowds.Wait()
	defer all.Wait()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	begun := time.Now()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int(time.Since(begun).Seconds() * float64(rate)); n < due; n++ { // the ticker drops what comes late
			email, form := r.next(), r.forms[n%len(r.forms)]
			all.Go(func() { r.send(form, email) })
		}
	}
}

// crowd has n readers sign up at once.
func (r *readers) crowd(form string, n int) {
	for range n {
		email := r.next()
		r.crowds.Go(func() { r.send(form, email) })
	}
}

// next is the address of the next sign-up: a new one, or an old one, written
// differently.
func (r *readers) next() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.sent++
	if len(r.sent) > 0 && rand.Float64() < repeats {
		r.count.repeated++
		return strings.ToUpper(r.sent[rand.IntN(len(r.sent))])
	}
	email := fmt.Sprintf("%s%d@soak.example", r.name, len(r.sent))
	r.sent = append(r.sent, email)
	return email
}

// send signs up once. An answer that was lost proves nothing in either direction.
func (r *readers) send(form, email string) {
	body, err := json.Marshal(map[string]string{"email": email, "first_name": "Rita", "last_name": r.last})
	if err != nil {
		panic(err) // strings can be marshalled
	}
	begun := time.Now()
	resp, err := r.http.Post(form, "application/json", bytes.NewReader(body))
	if err != nil {
		r.note(func() { r.count.lost++ })
		return
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	r.note(func() {
		switch resp.StatusCode {
		case http.StatusAccepted:
			r.count.acknowledged++
			r.acknowledged[strings.ToLower(email)] = true
			r.latencies = append(r.latencies, time.Since(begun))
		case http.StatusServiceUnavailable:
			r.count.refused++
		default:
			r.surprises = append(r.surprises, resp.Status)
		}
	})
}

func (r *readers) note(what func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what()
}
