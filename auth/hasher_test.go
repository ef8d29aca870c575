package auth

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/alexedwards/argon2id"
)

// tryOne checks a password, as somebody known or not.
func tryOne(ctx context.Context, h *hasher, known bool, password, hash string) error {
	turn, err := h.queue(known)
	if err != nil {
		return err
	}
	defer turn.leave()
	_, _, err = turn.check(ctx, password, hash)
	return err
}

// No more hashes run at once than there are slots, and who waits for one gives
// up with the context.
func TestHashingIsBounded(t *testing.T) {
	p, _, _, john := contoso(t)
	var running, most atomic.Int64
	p.hasher.compare = func(pw, hash string) (bool, *argon2id.Params, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		runtime.Gosched() // let the others in, if they can
		return argon2id.CheckHash(pw, hash)
	}
	var all sync.WaitGroup
	for n := range 40 {
		all.Go(func() {
			if err := tryOne(t.Context(), p.hasher, n%2 == 0, password, john.PasswordHash); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n, slots := most.Load(), cap(p.hasher.slots)+1; n < 1 || n > int64(slots) || slots > 5 {
		t.Errorf("%d at once with %d slots", n, slots)
	}
	for range cap(p.hasher.slots) {
		p.hasher.slots <- struct{}{}
	}
	p.hasher.spare <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.hasher.hash(ctx, password); !errors.Is(err, context.Canceled) {
		t.Errorf("hash: %v", err)
	}
	for _, known := range []bool{true, false} {
		if err := tryOne(ctx, p.hasher, known, password, dummyHash); !errors.Is(err, context.Canceled) {
			t.Errorf("check: %v", err)
		}
	}
}

// However many guess from unknown browsers, those who are known get their turn,
// and the others hear at once that it is too much.
func TestHashingHasRoomForTheKnown(t *testing.T) {
	p, d, _, john := contoso(t)
	device, err := p.TrustDevice(t.Context(), john, "")
	if err != nil {
		t.Fatal(err)
	}
	for range cap(p.hasher.slots) { // all are hashing
		p.hasher.slots <- struct{}{}
	}
	for range cap(p.hasher.places) { // and more wait than ever get a turn
		p.hasher.places <- struct{}{}
	}
	for _, guess := range []string{password, "a fence of old elm"} {
		if _, err := login(t, p, email, guess, home); !errors.Is(err, ErrBusy) {
			t.Errorf("an unknown browser: %v", err)
		}
	}
	var counted int
	if err := d.Writer().QueryRow(`SELECT COUNT(*) FROM throttles`).Scan(&counted); err != nil || counted != 0 {
		t.Errorf("what was not looked at was counted: %d, %v", counted, err)
	}
	if _, _, err := p.Login(t.Context(), email, password, Client{IP: home, Device: device}); err != nil {
		t.Errorf("a known browser: %v", err)
	}
	if _, err := p.ChangePassword(t.Context(), john.ID, password, next); err != nil {
		t.Errorf("somebody who is signed in: %v", err)
	}
	if err := reset(t, p, mustLink(t, p, john.ID), "a third gate of elm"); err != nil {
		t.Errorf("somebody with a link: %v", err)
	}
	<-p.hasher.places
	<-p.hasher.slots
	if _, err := login(t, p, email, "a third gate of elm", home); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if n := len(p.hasher.known) + len(p.hasher.spare); n != 0 || len(p.hasher.places) != cap(p.hasher.places)-1 {
		t.Errorf("places were not left: %d", n)
	}
}
