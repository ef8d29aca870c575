package auth

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
)

const (
	passwordMinChars = 12
	passwordMaxBytes = 1000
)

// dummyHash costs as much to check as a real hash, and matches no password.
const dummyHash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// common are the passwords of 12 characters and more that are guessed first.
var common = map[string]bool{
	"123456789012": true, "1234567890123": true, "12345678901234": true, "123456789012345": true,
	"1234567890123456": true, "123412341234": true, "123123123123": true, "passwordpassword": true,
	"password1234": true, "password12345": true, "password123456": true, "password123!": true,
	"qwertyuiop123": true, "qwertyuiop[]": true, "qwerty123456": true, "1q2w3e4r5t6y": true,
	"1qaz2wsx3edc": true, "abcdefghijkl": true, "iloveyou1234": true, "letmein12345": true,
	"administrator": true, "changemechangeme": true, "welcome12345": true, "correcthorsebatterystaple": true,
}

// checkPassword returns what is wrong with a new password, or "".
func checkPassword(password, email string) string {
	lower := strings.ToLower(password)
	switch {
	case utf8.RuneCountInString(password) < passwordMinChars:
		return fmt.Sprintf("A password needs at least %d characters.", passwordMinChars)
	case len(password) > passwordMaxBytes:
		return fmt.Sprintf("This password is too long: at most %d bytes.", passwordMaxBytes)
	case common[lower] || lower == email || strings.Count(lower, lower[:1]) == len(lower):
		return "This password is too easy to guess. Three or four random words make a good one."
	}
	return ""
}

// hasher hashes passwords, a few at a time: each hash takes 19 MiB and a core.
type hasher struct {
	params  *argon2id.Params
	slots   chan struct{}
	create  func(password string, params *argon2id.Params) (string, error)
	compare func(password, hash string) (bool, *argon2id.Params, error)
}

func newHasher() *hasher {
	return &hasher{
		params:  &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32},
		slots:   make(chan struct{}, min(max(runtime.NumCPU(), 2), 4)),
		create:  argon2id.CreateHash,
		compare: argon2id.CheckHash,
	}
}

// wait waits for a slot.
func (h *hasher) wait(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
}

func (h *hasher) done() { <-h.slots }

// hash returns the hash of a new password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.wait(ctx); err != nil {
		return "", err
	}
	defer h.done()
	hash, err := h.create(password, h.params)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// check reports whether the password is the hashed one, and whether the hash
// was made with other parameters than today's.
func (h *hasher) check(ctx context.Context, password, hash string) (ok, outdated bool, err error) {
	if err := h.wait(ctx); err != nil {
		return false, false, err
	}
	defer h.done()
	ok, params, err := h.compare(password, hash)
	if err != nil {
		return false, false, fmt.Errorf("check a password: %w", err)
	}
	return ok, *params != *h.params, nil
}
