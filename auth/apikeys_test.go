package auth

import (
	"errors"
	"testing"
	"time"

	"gatepost/db/dbtest"
)

// A key is read once a second, and works for no longer than that when it is removed.
func TestAPIKeyIsTrustedForASecond(t *testing.T) {
	d := dbtest.Open(t, dbtest.Path(t))
	k, secret, err := NewAPIKey(t.Context(), d, "platform", nil, nil, []string{Read})
	if err != nil {
		t.Fatal(err)
	}
	keys, now := NewAPIKeys(d), time.Now().Truncate(time.Minute)
	check := func(after time.Duration, want error, statements int) {
		t.Helper()
		ran := dbtest.Statements(t, d, func() {
			got, err := keys.Check(t.Context(), secret, now.Add(after))
			if !errors.Is(err, want) || err == nil && got.ID != k.ID {
				t.Errorf("after %v: %+v, %v", after, got, err)
			}
		})
		if len(ran) != statements {
			t.Errorf("after %v it ran %q", after, ran)
		}
	}
	check(0, nil, 2) // reads it, and notes its use
	check(999*time.Millisecond, nil, 0)
	check(time.Second, nil, 1)
	if err := d.DeleteAPIKey(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	check(1999*time.Millisecond, nil, 0)
	check(2*time.Second, ErrAPIKey, 1)
	check(2*time.Second, ErrAPIKey, 1) // what is unknown is not remembered
	check(time.Second, nil, 0)         // a clock that goes back trusts it for no longer than one that goes on
	check(-time.Second, ErrAPIKey, 1)
	_, other, err := NewAPIKey(t.Context(), d, "other", nil, nil, []string{Read})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // one that is told to forget reads it again
		ran := dbtest.Statements(t, d, func() {
			if _, err := keys.Check(t.Context(), other, now); err != nil {
				t.Error(err)
			}
		})
		if len(ran) == 0 {
			t.Error("it was not read")
		}
		keys.Forget()
	}
}
