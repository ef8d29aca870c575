package auth

import (
	"context"
	"fmt"
	"runtime"

	"github.com/alexedwards/argon2id"
)

// hashQueue is how many passwords may be hashed or wait for that: more would wait
// for seconds. Known browsers have as many places of their own.
const hashQueue = 64

// dummyHash costs as much to check as a real hash, and matches no password.
const dummyHash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// hasher hashes passwords, a few at a time: each hash takes 19 MiB and a core. One
// more runs for those who are known, so that guessing from elsewhere, however much,
// doesn't keep them waiting.
type hasher struct {
	params  *argon2id.Params
	places  chan struct{} // of those who are not known
	known   chan struct{} // places of those who are
	slots   chan struct{} // of hashes at the same time, for all
	spare   chan struct{} // one more, for those who are known
	create  func(password string, params *argon2id.Params) (string, error)
	compare func(password, hash string) (bool, *argon2id.Params, error)
}

func newHasher() *hasher {
	return &hasher{
		params:  &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32},
		places:  make(chan struct{}, hashQueue),
		known:   make(chan struct{}, hashQueue),
		slots:   make(chan struct{}, min(max(runtime.NumCPU(), 2), 4)),
		spare:   make(chan struct{}, 1),
		create:  argon2id.CreateHash,
		compare: argon2id.CheckHash,
	}
}

// turn is a place in the queue.
type turn struct {
	h      *hasher
	places chan struct{}
	spare  chan struct{} // nil for those who are not known: they never get it
}

// queue takes a place in the queue, or gives ErrBusy when there is none. Known are
// those who come from a browser that the user is known in, or with a link or a
// session of theirs. Leave it in the end.
func (h *hasher) queue(known bool) (*turn, error) {
	t := &turn{h: h, places: h.places}
	if known {
		t.places, t.spare = h.known, h.spare
	}
	select {
	case t.places <- struct{}{}:
		return t, nil
	default:
		return nil, ErrBusy
	}
}

func (t *turn) leave() { <-t.places }

// slot waits until it may hash, and returns what ends that.
func (t *turn) slot(ctx context.Context) (done func(), err error) {
	select {
	case t.h.slots <- struct{}{}:
		return func() { <-t.h.slots }, nil
	case t.spare <- struct{}{}:
		return func() { <-t.spare }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
}

// check reports whether the password is the hashed one, and whether the hash
// was made with other parameters than today's.
func (t *turn) check(ctx context.Context, password, hash string) (ok, outdated bool, err error) {
	done, err := t.slot(ctx)
	if err != nil {
		return false, false, err
	}
	defer done()
	ok, params, err := t.h.compare(password, hash)
	if err != nil {
		return false, false, fmt.Errorf("check a password: %w", err)
	}
	return ok, *params != *t.h.params, nil
}

// hash returns the hash of a new password. Only who is known sets one.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	t, err := h.queue(true)
	if err != nil {
		return "", err
	}
	defer t.leave()
	done, err := t.slot(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	hash, err := h.create(password, h.params)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}
