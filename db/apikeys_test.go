package db

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestAPIKeyIsKeptAndChanged(t *testing.T) {
	d := open(t)
	at := time.UnixMilli(1_764_000_000_123)
	k := APIKey{ID: NewID(), Name: "app", Services: []string{"sfdc"}, Tenants: []string{"t"}, Actions: []string{"authorize"}, CreatedAt: at, ExpiresAt: at.Add(time.Hour),
		ReturnTo: []string{"https://app.example/done?a=b&c=<d>", "http://localhost:3000/done"}}
	if err := d.AddAPIKey(t.Context(), k, "hash"); err != nil {
		t.Fatal(err)
	}
	same := func(got APIKey, err error) {
		t.Helper()
		if err != nil || got.Name != k.Name || !got.ExpiresAt.Equal(k.ExpiresAt) || !slices.Equal(got.ReturnTo, k.ReturnTo) || !slices.Equal(got.Services, k.Services) || !slices.Equal(got.Tenants, k.Tenants) {
			t.Errorf("%+v, %v, want %+v", got, err, k)
		}
	}
	same(d.APIKey(t.Context(), k.ID))
	same(d.APIKeyBySecret(t.Context(), "hash"))
	if _, err := d.APIKey(t.Context(), "nobody"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	// Each of two who read the same changes it: the second one is told.
	before := k
	k.Name, k.ExpiresAt, k.ReturnTo = "other", time.Time{}, []string{"https://app.example/"}
	if err := d.SetAPIKey(t.Context(), before, k); err != nil {
		t.Fatal(err)
	}
	for what, after := range map[string]APIKey{"name": {Name: "x"}, "nothing": before} {
		if err := d.SetAPIKey(t.Context(), before, after); !errors.Is(err, ErrLost) {
			t.Errorf("%s: %v", what, err)
		}
	}
	same(d.APIKey(t.Context(), k.ID))
	for what, read := range map[string]APIKey{"name": {ID: k.ID, Name: "x", ReturnTo: k.ReturnTo}, "expiry": {ID: k.ID, Name: k.Name, ExpiresAt: at, ReturnTo: k.ReturnTo}, "addresses": {ID: k.ID, Name: k.Name}} {
		if err := d.SetAPIKey(t.Context(), read, before); !errors.Is(err, ErrLost) {
			t.Errorf("after another %s: %v", what, err)
		}
	}
	same(d.APIKey(t.Context(), k.ID))
}

// A process of the release before, which knows neither column, adds keys as ever.
func TestAPIKeyOfAnOlderProcess(t *testing.T) {
	d := open(t)
	if _, err := d.write.Exec(`INSERT INTO api_keys (id, name, secret_hash, services, tenants, actions, created_at) VALUES ('k', 'old', 'hash', '[]', '[]', '["read"]', 1)`); err != nil {
		t.Fatal(err)
	}
	k, err := d.APIKeyBySecret(t.Context(), "hash")
	if err != nil || !k.ExpiresAt.IsZero() || k.Expired(time.Now()) || len(k.ReturnTo) != 0 {
		t.Errorf("%+v, %v", k, err)
	}
}
