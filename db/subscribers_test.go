package db

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"gatepost/forms"
)

func TestNewsletters(t *testing.T) {
	d, ctx := withNewsletters(t, "a/2", "a/1", "b/1"), context.Background()
	n, err := d.NewsletterBySlug(ctx, "a/1")
	want := Newsletter{ID: "a/1", TenantID: "a", TenantName: "Tenant a", Slug: "a/1", Name: "News a/1", Consent: "I agree.", CreatedAt: fromMillis(1),
		State: NewsletterOpen, PerMinute: SignUpsPerMinute, Form: forms.First("I agree.")}
	if err != nil || !reflect.DeepEqual(n, want) {
		t.Errorf("got %+v, %v", n, err)
	}
	if _, err := d.NewsletterBySlug(ctx, "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	list, err := d.Newsletters(ctx, "a")
	if err != nil || len(list) != 2 || list[0].ID != "a/1" || list[1].ID != "a/2" {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestARepeatedSignUpSaysMore(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1", "a/2"), context.Background()
	first, again, third := signUp("a/1", "Jane@Example.com"), signUp("a/1", "JANE@example.com"), signUp("a/1", "jane@example.com")
	first.FirstName = "Jane"
	again.FirstName, again.LastName = "Janet", "Doe"
	third.LastName, third.At = "Other", third.At.Add(time.Hour)
	ids := add(t, d, first, again, signUp("a/2", "jane@example.com"))
	ids = append(ids, add(t, d, third)...)
	if ids[0] != ids[1] || ids[0] != ids[3] || ids[0] == ids[2] {
		t.Fatalf("ids %v", ids)
	}
	s, err := d.Subscriber(ctx, "a", ids[0])
	if err != nil || s.FirstName != "Janet" || s.LastName != "Other" || s.Email != "Jane@Example.com" || s.State != Waiting || s.Newsletter != "News a/1" || !s.CreatedAt.Equal(first.At) || !s.DueAt.Equal(first.At) {
		t.Errorf("got %+v, %v", s, err)
	}
	want := Sums{New: 2, Repeated: 2, Waiting: 2}
	if r := recount(t, d, "a"); r.Kept.differing(oneDestination("a", want)) != 0 || !r.Agrees() {
		t.Errorf("got %+v", r)
	}
	h, err := d.History(ctx, "a", ids[0])
	consents := h.Consents
	if err != nil || len(consents) != 3 || !consents[0].At.Equal(third.At) || !consents[2].At.Equal(first.At) {
		t.Errorf("consents %+v, %v", consents, err)
	}
	if n := number(t, d, `SELECT count(*) FROM wordings`); n != 1 {
		t.Errorf("%d wordings", n)
	}
	hour := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).UnixMilli()
	if n := number(t, d, `SELECT n FROM ledger WHERE newsletter_id = 'a/1' AND hour = $1 AND kind = 'repeated'`, hour); n != 1 {
		t.Errorf("%d repeated in the first hour", n)
	}
}

func TestABadSignUpFailsAlone(t *testing.T) {
	d := withNewsletters(t, "a/1")
	bad := signUp("a/gone", "bad@example.com")
	bad.Consent = "Other words."
	good := signUp("a/1", "two@example.com")
	good.Consent = bad.Consent
	answers, err := d.AddSignUps(context.Background(), []SignUp{signUp("a/1", "one@example.com"), bad, good})
	if err != nil || answers[0].Err != nil || answers[1].Err == nil || answers[1].ID != "" || answers[2].Err != nil {
		t.Fatalf("got %+v, %v", answers, err)
	}
	if r := recount(t, d, "a"); r.Kept.differing(oneDestination("a", Sums{New: 2, Waiting: 2})) != 0 || !r.Agrees() {
		t.Errorf("got %+v", r)
	}
}

func TestASignUpIsWholeOrNotThere(t *testing.T) {
	d := withNewsletters(t, "a/1")
	for _, table := range []string{"subscribers", "wordings", "ledger", "ledger_sums", "state_counts", "hour_counts", "consents"} {
		want := Sums{}
		if table == "consents" { // those of a repeated sign-up
			add(t, d, signUp("a/1", "one@example.com"))
			want = Sums{New: 1, Waiting: 1}
		}
		over := d.refuse(t, "INSERT ON "+table)
		answers, err := d.AddSignUps(context.Background(), []SignUp{signUp("a/1", "one@example.com")})
		if err == nil && answers[0].Err == nil {
			t.Errorf("%s: acknowledged", table)
		}
		if r := recount(t, d, "a"); r.Kept.differing(oneDestination("a", want)) != 0 || !r.Agrees() {
			t.Errorf("%s: got %+v", table, r)
		}
		over()
	}
}

func TestSubscriberOfAnotherTenantIsNotFound(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	id := add(t, d, signUp("a/1", "jane@example.com"))[0]
	if _, err := d.Subscriber(context.Background(), "b", id); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	page, err := d.Subscribers(context.Background(), "b", SubscriberQuery{Limit: 9})
	if err != nil || len(page.Rows) != 0 {
		t.Errorf("got %+v, %v", page, err)
	}
	if s, err := d.Sums(context.Background(), "b"); err != nil || s.differing(oneDestination("a", Sums{})) != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
}

// walk pages through everything, forwards or backwards from the last, and
// returns the ids in the order of the pages.
func walk(t *testing.T, d *DB, q SubscriberQuery, backwards bool) (ids []string) {
	t.Helper()
	for range 50 {
		page, err := d.Subscribers(context.Background(), "a", q)
		if err != nil {
			t.Fatal(err)
		}
		var these []string
		for _, s := range page.Rows {
			these = append(these, s.ID)
		}
		if len(these) == 0 {
			return ids
		}
		if backwards {
			ids = append(these, ids...)
			if q.Before = these[0]; !page.Previous {
				return ids
			}
			if !page.Next {
				t.Error("there is no way back")
			}
			continue
		}
		if page.Previous != (len(ids) > 0) {
			t.Errorf("previous: %v after %d", page.Previous, len(ids))
		}
		ids = append(ids, these...)
		if q.After = these[len(these)-1]; !page.Next {
			return ids
		}
	}
	t.Fatal("no end")
	return nil
}

func reversed(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}

func TestPages(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	var byAge, byAddress []string
	for i := range 7 {
		id := add(t, d, signUp("a/1", fmt.Sprintf("x%%_%d@example.com", 9-i)))[0]
		byAge, byAddress = append([]string{id}, byAge...), append([]string{id}, byAddress...)
	}
	other := add(t, d, signUp("a/2", "xyz@example.com"), signUp("b/1", "x%_5@example.com"))[0]
	byAge = append([]string{other}, byAge...)
	if _, err := d.write.Exec(`UPDATE deliveries SET state = 'attention' WHERE subscriber_id = $1`, byAddress[2]); err != nil {
		t.Fatal(err)
	}
	d.searchAll(t)
	rest := slices.DeleteFunc(slices.Clone(byAddress), func(id string) bool { return id == byAddress[2] })
	for name, tt := range map[string]struct {
		q    SubscriberQuery
		want []string
	}{
		"all, the newest first":      {SubscriberQuery{}, byAge},
		"of a state":                 {SubscriberQuery{State: Attention}, byAddress[2:3]},
		"by address":                 {SubscriberQuery{Order: ByAddress}, append(slices.Clone(byAddress), other)},
		"in the order they came":     {SubscriberQuery{Order: Oldest}, reversed(byAge)},
		"by a part, as it is":        {SubscriberQuery{Text: "%_5"}, byAddress[2:3]},
		"by a part and state":        {SubscriberQuery{Text: "X%_", State: Waiting}, rest},
		"by a part, in order":        {SubscriberQuery{Text: "x%_", Order: Oldest}, reversed(byAddress)},
		"by a part and address":      {SubscriberQuery{Text: "x%_", Order: ByAddress}, byAddress},
		"by a whole address":         {SubscriberQuery{Text: "xyz@example.com"}, []string{other}},
		"by two letters":             {SubscriberQuery{Text: "xy"}, []string{other}},
		"by what nobody begins with": {SubscriberQuery{Text: "yz"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for limit := 1; limit <= 9; limit++ {
				tt.q.Limit = limit
				if got := walk(t, d, tt.q, false); !slices.Equal(got, tt.want) {
					t.Errorf("by %d: %v, want %v", limit, got, tt.want)
				}
				if len(tt.want) < 2 {
					continue
				}
				back := tt.q
				back.Before = tt.want[len(tt.want)-1]
				if got := walk(t, d, back, true); !slices.Equal(got, tt.want[:len(tt.want)-1]) {
					t.Errorf("back by %d: %v, want %v", limit, got, tt.want)
				}
			}
		})
	}
}

func TestARecountTellsTheDifference(t *testing.T) {
	for name, spoil := range map[string]string{
		"a row is gone":      `DELETE FROM subscribers WHERE email_key = 'one@example.com'`,
		"a state changed":    `UPDATE subscribers SET state = 'delivered' WHERE email_key = 'one@example.com'`,
		"a count is wrong":   `UPDATE state_counts SET n = n + 1`,
		"the ledger is less": `DELETE FROM ledger`,
	} {
		d := withNewsletters(t, "a/1")
		add(t, d, signUp("a/1", "one@example.com"), signUp("a/1", "two@example.com"))
		if r := recount(t, d, "a"); !r.Agrees() {
			t.Fatalf("before: %+v", r)
		}
		d.writeCounts(t, spoil)
		if r := recount(t, d, "a"); r.Agrees() {
			t.Errorf("%s: not noticed: %+v", name, r)
		}
	}
}

// BenchmarkSubscribers asks for pages of a tenant with 200,000 subscribers.
func BenchmarkSubscribers(b *testing.B) {
	d := withNewsletters(b, "a/1")
	var middle string
	for i := range 400 {
		group := make([]SignUp, 500)
		for j := range group {
			group[j] = signUp("a/1", fmt.Sprintf("reader%06d@example.com", i*500+j))
		}
		ids := add(b, d, group...)
		if i == 200 {
			middle = ids[0]
		}
	}
	for name, q := range map[string]SubscriberQuery{
		"newest":      {Limit: 50},
		"middle":      {Limit: 50, After: middle},
		"state":       {Limit: 50, State: Waiting, After: middle},
		"rare":        {Limit: 50, Text: "reader1234"},
		"anybody":     {Limit: 50, Text: "r", After: middle},
		"last before": {Limit: 50, Text: "r", State: Waiting, Before: middle},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := d.Subscribers(context.Background(), "a", q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("sums", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.Sums(context.Background(), "a"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("due tenants", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.DueDestinations(context.Background(), "me"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
