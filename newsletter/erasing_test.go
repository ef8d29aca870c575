package newsletter

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/seal"
)

// plainMACs are MACs that anybody can read, with a key.
type plainMACs string

func (m plainMACs) Sum(p seal.Purpose, parts ...string) []byte {
	return []byte(string(m) + string(p) + strings.Join(parts, "\x00"))
}

func (m plainMACs) Check(p seal.Purpose, mac []byte, parts ...string) bool {
	return bytes.Equal(mac, m.Sum(p, parts...))
}

func count(t *testing.T, d *db.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := d.Writer().QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What was erased is erased again in an older copy, by a file that names nobody; who signed up after the erasing stays, and who had
// left is known to the list of those who did.
func TestErasingsAreReplayed(t *testing.T) {
	at := time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)
	ctx := t.Context()
	add := func(d *db.DB, email string, at time.Time) {
		t.Helper()
		answers, err := d.AddSignUps(ctx, []db.SignUp{{TenantID: "a", NewsletterID: "n", Email: email, EmailKey: strings.ToLower(email), Consent: "Yes.", Source: "form", At: at}})
		if err != nil || answers[0].Err != nil {
			t.Fatal(answers, err)
		}
	}
	now := at
	service := func(key string) (*Service, *db.DB) {
		d := open(t)
		d.SetClock(func() time.Time { return now })
		return New(Config{Store: d, MACs: plainMACs(key), Now: func() time.Time { return now }}), d
	}
	s, d := service("k")
	for _, email := range []string{"Jane@reader.test", "left@reader.test", "other@reader.test"} {
		add(d, email, at)
	}
	if _, err := d.LeaveAll(ctx, "a", "left@reader.test", db.Leaving{At: at, How: db.LeftByAdmin}); err != nil {
		t.Fatal(err)
	}
	now = at.Add(time.Hour)
	for _, email := range []string{" JANE@reader.test ", "left@reader.test"} {
		if ids, err := s.Erase(ctx, Erasure{TenantID: "a", Email: email, Why: "asked"}); err != nil || len(ids) != 1 {
			t.Fatal(ids, err)
		}
	}
	if _, err := s.Erase(ctx, Erasure{TenantID: "a", Email: "jane@reader.test"}); !errors.Is(err, db.ErrNotFound) {
		t.Error(err)
	}
	if n := count(t, d, `SELECT count(*) FROM subscribers`); n != 1 {
		t.Fatalf("%d are left", n)
	}
	var file bytes.Buffer
	if n, err := s.WriteReceipts(ctx, &file); n != 3 || err != nil {
		t.Fatal(n, err)
	}

	older, copied := service("k")
	add(copied, "jane@reader.test", at)
	add(copied, "left@reader.test", now.Add(time.Minute)) // signed up again since
	add(copied, "other@reader.test", at)
	for text, want := range map[string]string{"": "not a file that", "{}": "not a file that", "jane@reader.test\n": "not a file that",
		strings.SplitAfter(file.String(), "\n")[0] + "nonsense": "line 2", file.String() + "nonsense\n": "line 5", file.String() + strings.Repeat("x", 100_000): "too long",
		file.String() + `{"tenant":"a","at":"2026-03-01T11:30:00Z"}` + "\n":                               "line 5",
		file.String() + `{"tenant":"a","at":"2026-03-01T11:30:00Z","erased":"x","suppressed":"x"}` + "\n": "line 5",
		file.String() + `{"tenant":"a","at":"2026-03-01T11:30:00Z","newsletter":"n","how":"link"}` + "\n": "line 5"} {
		if _, err := older.Replay(ctx, strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of %q it says %v", text, err)
		}
	}
	if n := count(t, copied, `SELECT (SELECT count(*) FROM suppressions) + (SELECT count(*) FROM removals)`); n != 0 {
		t.Errorf("a file that can't be read changed %d rows", n)
	}
	stranger, _ := service("other")
	if _, err := stranger.Replay(ctx, bytes.NewReader(file.Bytes())); !errors.Is(err, ErrOtherKeys) {
		t.Error(err)
	}
	for again := range 2 {
		done, err := older.Replay(ctx, bytes.NewReader(file.Bytes()))
		if err != nil || done != (Replayed{Receipts: 3, Erased: 1 - again, Suppressed: 1}) {
			t.Errorf("%+v, %v", done, err)
		}
	}
	if n := count(t, copied, `SELECT count(*) FROM subscribers WHERE email_key IN ('left@reader.test', 'other@reader.test')`); n != 2 || count(t, copied, `SELECT count(*) FROM subscribers`) != 2 {
		t.Errorf("%d of those who stay are there", n)
	}
	if n := count(t, copied, `SELECT count(*) FROM suppressions`); n != 1 {
		t.Errorf("%d suppressions", n)
	}
}

// Who left or was dismissed everywhere is erased when the tenant's term is over, and nobody else.
func TestWhoWasKeptLongEnoughIsErased(t *testing.T) {
	ctx := t.Context()
	at := time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)
	now := at
	d := open(t)
	d.SetClock(func() time.Time { return now })
	s := New(Config{Store: d, MACs: plainMACs("k"), Now: func() time.Time { return now }})
	ids := map[string]string{}
	for _, name := range []string{"left", "dismissed", "active", "waiting", "back"} {
		answers, err := d.AddSignUps(ctx, []db.SignUp{{TenantID: "a", NewsletterID: "n", Email: name + "@reader.test", EmailKey: name + "@reader.test", Consent: "Yes.", Source: "form", At: at}})
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = answers[0].ID
	}
	for _, name := range []string{"left", "back"} {
		if _, err := d.LeaveOne(ctx, "a", ids[name], db.Leaving{At: at, How: db.LeftByAdmin}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Return(ctx, "a", ids["back"], "ann"); err != nil {
		t.Fatal(err)
	}
	key := db.DestinationKey{TenantID: "a", DestinationID: "a"}
	l := db.Lease{DestinationKey: key, Owner: "me"}
	if err := d.TakeLease(ctx, l); err != nil {
		t.Fatal(err)
	}
	if err := d.RecordOutcomes(ctx, l, []db.Outcome{{SubscriberID: ids["dismissed"], State: db.Attention, Reason: "x"}}); err != nil {
		t.Fatal(err)
	}
	if done, err := d.Dismiss(ctx, key, ids["dismissed"], "ann", ""); !done || err != nil {
		t.Fatal(done, err)
	}
	there := func(name string) bool {
		return count(t, d, `SELECT count(*) FROM subscribers WHERE id = $1`, ids[name]) == 1
	}
	now = at.Add(100 * 24 * time.Hour)
	if err := s.EraseDue(ctx); err != nil || !there("left") || !there("dismissed") {
		t.Fatal("without terms somebody is gone", err)
	}
	if err := d.SetTerms(ctx, "a", db.Terms{Left: 101, Dismissed: 90}); err != nil {
		t.Fatal(err)
	}
	if err := s.EraseDue(ctx); err != nil || !there("left") || there("dismissed") {
		t.Fatal("the terms don't hold", err)
	}
	now = now.Add(2 * 24 * time.Hour)
	if err := s.EraseDue(ctx); err != nil || there("left") || !there("active") || !there("waiting") || !there("back") {
		t.Fatal("the terms don't hold", err)
	}
	if n := count(t, d, `SELECT count(*) FROM removals WHERE kind = 'lapsed' AND erased = 1`); n != 2 {
		t.Errorf("%d receipts", n)
	}
	if n := count(t, d, `SELECT count(*) FROM suppressions WHERE mac = $1`, s.suppressionMAC("a", "left@reader.test")); n != 1 {
		t.Error("who left may be imported again")
	}
	if r, err := d.Recount(ctx, "a"); err != nil || !r.Agrees() || r.Rows.Subscribers[db.Erased] != 2 || r.Rows.Subscribers.Difference() != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
