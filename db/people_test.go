package db

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

var noon = time.UnixMilli(1_772_366_400_000)

// member stores a tenant and a user who belongs to it.
func member(t *testing.T, d *DB, name string) (User, Tenant) {
	t.Helper()
	tenant := Tenant{ID: NewID(), Slug: name, Name: name, CreatedAt: noon}
	if err := d.CreateTenant(t.Context(), tenant, FirstNewsletter{Slug: name + "-weekly", Name: name, Consent: "Yes."}); err != nil {
		t.Fatal(err)
	}
	u := User{ID: NewID(), Email: name + "@example.org", PasswordHash: "hash", CreatedAt: noon, PasswordChangedAt: noon}
	if err := d.CreateUser(t.Context(), u, tenant.ID); err != nil {
		t.Fatal(err)
	}
	return u, tenant
}

func TestUsers(t *testing.T) {
	d := open(t)
	ann, annTenant := member(t, d, "ann")
	bob, _ := member(t, d, "bob")
	if err := d.AddMember(t.Context(), bob.ID, annTenant.ID, noon); err != nil {
		t.Fatal(err)
	}
	if err := d.AddMember(t.Context(), bob.ID, annTenant.ID, noon); !errors.Is(err, ErrConflict) {
		t.Errorf("a member twice: %v", err)
	}
	if err := d.RemoveMember(t.Context(), ann.ID, annTenant.ID); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveMember(t.Context(), ann.ID, annTenant.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	got, err := d.Users(t.Context())
	want := []UserTenants{{User: ann}, {User: bob, Tenants: []string{"ann", "bob"}}}
	if fmt.Sprint(got) != fmt.Sprint(want) || err != nil {
		t.Errorf("users %v, %v, want %v", got, err, want)
	}
	if u, err := d.UserByEmail(t.Context(), ann.Email); err != nil || u != ann {
		t.Errorf("by address: %+v, %v", u, err)
	}
	if _, err := d.UserByEmail(t.Context(), "nobody@example.org"); !errors.Is(err, ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	ann.ID = NewID()
	if err := d.CreateUser(t.Context(), ann, annTenant.ID); !errors.Is(err, ErrConflict) {
		t.Errorf("an address twice: %v", err)
	}
}

// A tenant and its newsletter come together or not at all.
func TestCreateTenantWhole(t *testing.T) {
	d := open(t)
	_, ann := member(t, d, "ann")
	tenant := Tenant{ID: NewID(), Slug: "other", Name: "Other", CreatedAt: noon}
	d.refuse(t, "INSERT ON newsletters")
	if err := d.CreateTenant(t.Context(), tenant, FirstNewsletter{Slug: "other-weekly"}); err == nil {
		t.Error("without its newsletter")
	}
	if all, err := d.Tenants(t.Context()); err != nil || len(all) != 1 || all[0] != ann {
		t.Errorf("tenants: %+v, %v", all, err)
	}
}

// No two passwords of a user have the same time, so that a session can tell
// which one opened it.
func TestChangePasswordMovesTime(t *testing.T) {
	d := open(t)
	u, _ := member(t, d, "ann")
	for _, now := range []time.Time{noon, noon, noon.Add(-time.Hour)} {
		before := u
		var err error
		if u, err = d.ChangePassword(t.Context(), u.ID, "", "new", now, false); err != nil || !u.PasswordChangedAt.After(before.PasswordChangedAt) {
			t.Fatalf("changed at %v after %v, %v", u.PasswordChangedAt, before.PasswordChangedAt, err)
		}
		if err := d.CreateSession(t.Context(), NewID(), Session{ID: NewID(), ExpiresAt: noon.Add(time.Hour)}, before, ""); !errors.Is(err, ErrLost) {
			t.Errorf("a session by an old password: %v", err)
		}
	}
	if _, err := d.ChangePassword(t.Context(), u.ID, "other", "newer", noon, false); !errors.Is(err, ErrLost) {
		t.Errorf("from another hash: %v", err)
	}
	if _, err := d.ChangePassword(t.Context(), "nobody", "", "newer", noon, false); !errors.Is(err, ErrNotFound) {
		t.Errorf("nobody's: %v", err)
	}
	if err := d.RehashPassword(t.Context(), u.ID, "other", "newer"); err != nil {
		t.Fatal(err)
	}
	if got, err := d.User(t.Context(), u.ID); err != nil || got != u {
		t.Errorf("stored %+v, %v, want %+v", got, err, u)
	}
}

func TestTouchDoesNotTurnBack(t *testing.T) {
	d := open(t)
	u, _ := member(t, d, "ann")
	s := Session{ID: NewID(), UserID: u.ID, Data: "{}", CreatedAt: noon, SeenAt: noon, ExpiresAt: noon.Add(time.Hour)}
	if err := d.CreateSession(t.Context(), "hash", s, u, ""); err != nil {
		t.Fatal(err)
	}
	for _, seen := range []time.Time{noon.Add(time.Minute), noon} {
		if err := d.TouchSession(t.Context(), s.ID, seen); err != nil {
			t.Fatal(err)
		}
	}
	s.SeenAt = noon.Add(time.Minute)
	got, err := d.SignedIn(t.Context(), "hash", noon, noon)
	if want := (SignedIn{Session: s, User: u, Tenants: 1}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestResetPasswordChecksTheTime(t *testing.T) {
	d := open(t)
	u, _ := member(t, d, "john")
	if err := d.AddResetLink(t.Context(), "hash", u.ID, noon); err != nil {
		t.Fatal(err)
	}
	for _, late := range []time.Duration{0, time.Hour} {
		if _, err := d.ResetPassword(t.Context(), "hash", "new", noon.Add(late)); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s after its end: %v", late, err)
		}
	}
	if got, err := d.ResetPassword(t.Context(), "hash", "new", noon.Add(-time.Millisecond)); err != nil || got.ID != u.ID || got.PasswordHash != "new" {
		t.Errorf("%+v, %v", got, err)
	}
}
