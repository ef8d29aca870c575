package db

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// Whoever signed up is in one span, in the state in which they are now, and all spans
// together are the sums.
func TestSignUpsInSpans(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	hour := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	in := func(newsletter, email string, hours int) SignUp {
		s := signUp(newsletter, email)
		s.At = hour.Add(time.Duration(hours)*time.Hour + 59*time.Minute)
		return s
	}
	all := []SignUp{in("b/1", "other@example.com", 0)}
	want := []map[State]int{{}, {}, {}}
	for i, info := range States() {
		all = append(all, in("a/1", string(info.State)+"1@example.com", i), in("a/2", string(info.State)+"2@example.com", i))
		want[min(i, 2)][info.State] += 2
	}
	ids := add(t, d, all...)
	l := leased(t, d)
	for i, info := range States() {
		d.becomes(t, l, Outcome{SubscriberID: ids[2*i+1], State: info.State}, Outcome{SubscriberID: ids[2*i+2], State: info.State})
	}
	spans := []Span{{hour, hour.Add(time.Hour)}, {hour.Add(time.Hour), hour.Add(2 * time.Hour)}, {hour.Add(2 * time.Hour), hour.Add(99 * time.Hour)}}
	for _, folded := range []bool{false, true} {
		if folded {
			if _, err := d.FoldCounts(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		got, err := d.SignUps(t.Context(), first("a"), spans)
		if err != nil || !slices.EqualFunc(got, want, maps.Equal) {
			t.Errorf("folded %v: got %v, %v, want %v", folded, got, err, want)
		}
		sums, err := d.Sums(t.Context(), "a")
		for _, s := range got {
			for state, n := range s {
				sums.Destinations["a"][state] -= n
				sums.Destinations["a"][Entered] -= n
			}
		}
		if err != nil || !sums.Destinations["a"].Equal(Sums{}) {
			t.Errorf("folded %v: besides the spans there are %v, %v", folded, sums, err)
		}
	}
}

func TestHome(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	home := func(spans ...Span) Home {
		t.Helper()
		h, err := d.Home(t.Context(), first("a"), nil, spans, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), 2)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if h := home(Span{noon, noon.Add(time.Hour)}); !h.First.IsZero() || h.Latest != nil || h.ByHour != nil || h.Tests > 0 || h.Tested || len(h.SignUps) != 1 || len(h.SignUps[0]) > 0 || !h.OldestWaiting.IsZero() {
		t.Errorf("nobody has signed up, and yet %+v", h)
	}
	test, other := signUp("a/1", "test@example.com"), signUp("b/1", "x@example.com")
	test.Source, other.Source = "test", "test"
	add(t, d, other)
	if h := home(); h.Tests > 0 || h.Tested {
		t.Errorf("another tenant's test: %+v", h)
	}
	add(t, d, signUp("a/1", "one@example.com"))
	again := signUp("a/1", "one@example.com")
	again.Source = "test"
	add(t, d, again)
	if h := home(); h.Tests != 0 || !h.Tested {
		t.Errorf("a test of an address that was there: %+v", h)
	}
	ids := add(t, d, test, signUp("a/1", "three@example.com"))
	h := home()
	if h.Tests != 1 || !h.Tested || len(h.Latest) != 2 || h.Latest[0].ID != ids[1] || !h.First.Equal(signUp("a/1", "x").At) || len(h.ByHour) != 1 || h.ByHour[0].N != 3 {
		t.Errorf("got %+v", h)
	}
}

// However spans lie to the UTC days, they count the same as hour by hour.
func TestSpansCountEachHourOnce(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2")
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	d.ofAYear(t, start.Add(365*24*time.Hour))
	for _, offset := range []time.Duration{0, time.Hour, 13 * time.Hour, 23 * time.Hour} {
		for _, length := range []time.Duration{time.Hour, 23 * time.Hour, 24 * time.Hour, 25 * time.Hour, 47 * time.Hour, 31 * 24 * time.Hour} {
			var spans []Span
			for from := start.Add(offset); len(spans) < 5; from = from.Add(length) {
				spans = append(spans, Span{from, from.Add(length)})
			}
			got, err := d.SignUps(t.Context(), first("a"), spans)
			for i, s := range got {
				if hours := int(length / time.Hour); s[Delivered] != 100*hours || s[Attention] != 6*hours || s[Dismissed] != 4*hours {
					t.Errorf("%v, %v: span %d has %v, want %d hours", offset, length, i, s, hours)
				}
			}
			if err != nil || len(got) != 5 {
				t.Errorf("%v, %v: %v", offset, length, err)
			}
		}
	}
}
