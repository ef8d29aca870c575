package db

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// wantKeepAlive checks that a connection that was made or renewed at the given
// time is kept alive well inside 30 days.
func wantKeepAlive(t *testing.T, i Identity, renewed time.Time) {
	t.Helper()
	if d := i.KeepAliveAt.Sub(renewed); d < keepAliveAfter || d >= keepAliveAfter+keepAliveSpread {
		t.Errorf("kept alive after %v", d)
	}
}

func TestKeepAliveDue(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	var made []Identity
	planned := map[time.Time]bool{}
	for n := range 6 {
		u, tenant := member(t, d, fmt.Sprint("user", n))
		i := save(t, d, grant(u, tenant))
		wantKeepAlive(t, i, noon)
		made, planned[i.KeepAliveAt] = append(made, i), true
	}
	if len(planned) < 4 {
		t.Errorf("the %d are not spread: %v", len(made), planned)
	}
	due := func(limit int) map[string]int64 {
		t.Helper()
		keys, err := d.KeepAliveDue(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, k := range keys {
			got[k.ID] = k.Generation
		}
		return got
	}
	d.at(noon.Add(keepAliveAfter - time.Second))
	if got := due(10); len(got) != 0 {
		t.Errorf("due too early: %v", got)
	}
	later := noon.Add(keepAliveAfter + keepAliveSpread)
	d.at(later)
	if got := due(10); len(got) != 6 || got[made[0].ID] != made[0].Generation {
		t.Errorf("due: %v", got)
	}
	if got := due(2); len(got) != 2 {
		t.Errorf("at most 2 due: %v", got)
	}
	ctx := t.Context()
	if err := d.FinishRenewal(ctx, made[0].Grant, made[0].Generation); err != nil {
		t.Fatal(err)
	}
	if err := d.BreakIdentity(ctx, made[1].ID, made[1].Generation, "invalid_grant", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := d.StartRenewal(ctx, made[2].ID, made[2].Generation, "a", time.Minute, false); err != nil {
		t.Fatal(err)
	}
	if err := d.FailRenewal(ctx, made[2].ID, made[2].Generation, "a", "busy", later.Add(time.Minute), false); err != nil {
		t.Fatal(err)
	}
	got := due(10)
	for n, i := range made {
		if _, is := got[i.ID]; is != (n > 2) {
			t.Errorf("after one was renewed, one broken and one to be retried later, number %d is due: %v", n, is)
		}
	}
	d.at(later.Add(time.Minute))
	if got := due(10); len(got) != 4 {
		t.Errorf("when it is time to retry: %v", got)
	}
}

// Connections whose renewal fails again and again come after the others: hosts that
// don't answer, which a tenant may have any number of, would take all the time.
func TestThoseThatFailComeLast(t *testing.T) {
	d, ctx := openSealing(t), t.Context()
	later := noon.Add(keepAliveAfter + keepAliveSpread)
	var made []Identity
	for n := range 6 {
		d.at(noon)
		u, tenant := member(t, d, fmt.Sprint("user", n))
		made = append(made, save(t, d, grant(u, tenant)))
		if _, err := d.write.Exec(`UPDATE identities SET keep_alive_at = $1 WHERE id = $2`, n+1, made[n].ID); err != nil {
			t.Fatal(err)
		}
	}
	d.at(later)
	for n, i := range made {
		if _, err := d.StartRenewal(ctx, i.ID, i.Generation, "a", time.Millisecond, false); err != nil {
			t.Fatal(err)
		}
		if n < 3 {
			if err := d.FailRenewal(ctx, i.ID, i.Generation, "a", "unanswered", later, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.at(later.Add(time.Second))
	for what, due := range map[string]func(context.Context, int) ([]IdentityKey, error){"to keep alive": d.KeepAliveDue, "cut off": d.AbandonedRenewals} {
		keys, err := due(ctx, 4)
		if err != nil || len(keys) != 4 {
			t.Fatalf("%s: %v, %v", what, keys, err)
		}
		for n, want := range []string{made[3].ID, made[4].ID, made[5].ID, made[0].ID} {
			if keys[n].ID != want {
				t.Errorf("%s: number %d is another one", what, n)
			}
		}
	}
}

func TestExpiryAndUse(t *testing.T) {
	d := openSealing(t)
	d.at(noon)
	u, tenant := member(t, d, "ann")
	i := save(t, d, grant(u, tenant))
	ctx := t.Context()
	set := func(generation int64, want time.Time) {
		t.Helper()
		if err := d.SetExpiry(ctx, i.ID, generation, noon.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if now := find(t, d, tenant.ID); !now.ExpiresAt.Equal(want) {
			t.Errorf("expires %v, want %v", now.ExpiresAt, want)
		}
	}
	set(i.Generation-1, time.Time{})
	set(i.Generation, noon.Add(time.Hour))
	if err := d.FinishRenewal(ctx, i.Grant, i.Generation); err != nil {
		t.Fatal(err)
	}
	set(i.Generation, time.Time{})
	set(i.Generation+1, noon.Add(time.Hour))
	if _, err := d.SaveIdentity(ctx, i.Grant, false, ""); err != nil {
		t.Fatal(err)
	}
	set(i.Generation+1, time.Time{})
	for _, at := range []time.Time{noon, noon.Add(-time.Hour)} {
		if err := d.Used(ctx, map[string]time.Time{i.ID: at, "gone": at}); err != nil {
			t.Fatal(err)
		}
		if now := find(t, d, tenant.ID); !now.UsedAt.Equal(noon) {
			t.Errorf("used %v", now.UsedAt)
		}
	}
}
