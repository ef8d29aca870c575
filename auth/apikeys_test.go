package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
)

// A key is read once a second, and works for no longer than that when it is removed.
func TestAPIKeyIsTrustedForASecond(t *testing.T) {
	d := dbtest.Open(t, dbtest.Path(t))
	k, secret, err := NewAPIKey(t.Context(), d, APIKeyOptions{Name: "platform", Actions: []string{Read}})
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
	_, other, err := NewAPIKey(t.Context(), d, APIKeyOptions{Name: "other", Actions: []string{Read}})
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

const doneAt = "https://app.example/done"

func TestKeysThatAreRefused(t *testing.T) {
	d := dbtest.Open(t, dbtest.Path(t))
	var many []string
	for n := range maxReturnTo + 1 {
		many = append(many, fmt.Sprintf("%s?%d", doneAt, n))
	}
	for says, o := range map[string]APIKeyOptions{
		"needs a name":             {Actions: []string{Read}},
		"has to allow something":   {Name: "x"},
		`not "write"`:              {Name: "x", Actions: []string{Read, "write"}},
		"run out already":          {Name: "x", Actions: []string{Read}, ExpiresAt: time.Now()},
		"needs a return address":   {Name: "x", Actions: []string{Authorize}},
		"leave them out":           {Name: "x", Actions: []string{Read, Tenants}, ReturnTo: []string{doneAt}},
		"at most 50":               {Name: "x", Actions: []string{Authorize}, ReturnTo: many},
		"begin with https":         {Name: "x", Actions: []string{Authorize}, ReturnTo: []string{doneAt, "http://app.example/"}},
		"for all tenants and":      {Name: "x", Actions: []string{Tenants}, Tenants: []string{"contoso"}},
		"all tenants and services": {Name: "x", Actions: []string{Read, Tenants}, Services: []string{"sfdc"}},
	} {
		if _, secret, err := NewAPIKey(t.Context(), d, o); err == nil || secret != "" || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %q, %v", says, secret, err)
		}
	}
	if keys, err := d.APIKeys(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("%+v, %v", keys, err)
	}
}

// A key that is trusted for a second may run out meanwhile.
func TestAPIKeyRunsOut(t *testing.T) {
	d := dbtest.Open(t, dbtest.Path(t))
	now := time.Now().Add(time.Hour).Truncate(time.Minute)
	k, secret, err := NewAPIKey(t.Context(), d, APIKeyOptions{Name: "platform", Actions: []string{Read}, ExpiresAt: now.Add(500 * time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	keys := NewAPIKeys(d)
	check := func(after time.Duration, want error, statements int) {
		t.Helper()
		ran := dbtest.Statements(t, d, func() {
			got, err := keys.Check(t.Context(), secret, now.Add(after))
			if !errors.Is(err, want) || want == nil && err != nil || got.ID != k.ID {
				t.Errorf("after %v: %+v, %v", after, got, err)
			}
		})
		if len(ran) != statements {
			t.Errorf("after %v it ran %q", after, ran)
		}
	}
	check(0, nil, 2)
	check(499*time.Millisecond, nil, 0)
	check(500*time.Millisecond, ErrAPIKeyExpired, 0)
	check(2*time.Minute, ErrAPIKeyExpired, 1) // its use isn't noted
	if !errors.Is(ErrAPIKeyExpired, ErrAPIKey) {
		t.Error("who sends it would be told more than of an unknown one")
	}
	later := now.Add(time.Hour)
	if _, err := SetAPIKey(t.Context(), d, k.ID, APIKeyChange{ExpiresAt: &later}); err != nil {
		t.Fatal(err)
	}
	check(2*time.Minute, nil, 2)
}

func TestAKeyIsChanged(t *testing.T) {
	d := dbtest.Open(t, dbtest.Path(t))
	k, _, err := NewAPIKey(t.Context(), d, APIKeyOptions{Name: "platform", Actions: []string{Authorize}, ReturnTo: []string{doneAt, doneAt}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := SetAPIKey(t.Context(), d, "nobody", APIKeyChange{}); !errors.Is(err, db.ErrNotFound) {
		t.Error(err)
	}
	empty := ""
	for says, c := range map[string]APIKeyChange{
		"needs a name":           {Name: &empty},
		"needs a return address": {Remove: []string{doneAt}},
		"has no return address":  {Remove: []string{doneAt + "/"}},
		"begin with https":       {Add: []string{"ftp://app.example"}},
	} {
		if _, err := SetAPIKey(t.Context(), d, k.ID, c); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	name, never := "the app", time.Time{}
	soon := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	got, err := SetAPIKey(t.Context(), d, k.ID, APIKeyChange{Name: &name, ExpiresAt: &soon, Remove: []string{doneAt}, Add: []string{"http://localhost:3000/"}})
	stored, failed := d.APIKey(t.Context(), k.ID)
	if err != nil || failed != nil || got.Name != name || stored.Name != name || !stored.ExpiresAt.Equal(soon) || !slices.Equal(stored.ReturnTo, []string{"http://localhost:3000/"}) {
		t.Errorf("%+v, %+v, %v, %v", got, stored, err, failed)
	}
	if _, err := SetAPIKey(t.Context(), d, k.ID, APIKeyChange{ExpiresAt: &never}); err != nil {
		t.Error(err)
	}
	if stored, err = d.APIKey(t.Context(), k.ID); err != nil || !stored.ExpiresAt.IsZero() || stored.Name != name || len(stored.ReturnTo) != 1 {
		t.Errorf("%+v, %v", stored, err)
	}
}

// What takes a key for all tenants and services isn't allowed to another one, whatever
// stands in the database; everything else is.
func TestBoundedKeysAreAllowedNoUnboundAction(t *testing.T) {
	for _, a := range Actions {
		for name, k := range map[string]db.APIKey{"a tenant": {Tenants: []string{"x"}}, "a service": {Services: []string{"x"}}, "all": {}} {
			k.Actions = []string{a.Name}
			if got, want := Allows(k, a.Name), !a.Unbound || name == "all"; got != want {
				t.Errorf("%s for %s: %t", a.Name, name, got)
			}
			for _, other := range Actions {
				if other.Name != a.Name && Allows(k, other.Name) {
					t.Errorf("%s allows %s", a.Name, other.Name)
				}
			}
		}
	}
}
