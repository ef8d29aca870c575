package wire

import (
	"fmt"
	"testing"
	"time"
)

// TestRefusedTokens shows that a new token which is refused once is soon renewed, and that
// those of an org which refuses them all are renewed less and less often.
func TestRefusedTokens(t *testing.T) {
	var r RefusedTokens
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	if r.InVain("a", now) {
		t.Error("a token of which nothing is known isn't renewed")
	}
	r.Note("a", "b", now)
	if !r.InVain("b", now.Add(firstVain-1)) || r.InVain("b", now.Add(firstVain)) || r.InVain("a", now) {
		t.Error("a new token that was refused once isn't left alone for a moment, and no longer")
	}
	renewals, began := 0, now
	for token, at := 0, now; at.Sub(began) < 24*time.Hour; at = at.Add(5 * time.Second) {
		if r.InVain(fmt.Sprint(token), at) {
			continue
		}
		renewals++
		token++
		r.Note(fmt.Sprint(token-1), fmt.Sprint(token), at)
		if at.Sub(began) < 10*time.Minute && renewals > 6 {
			t.Fatalf("%d renewals in the first %v", renewals, at.Sub(began))
		}
	}
	if renewals < 90 || renewals > 110 { // one in a quarter of an hour
		t.Errorf("%d renewals in a day", renewals)
	}
	if len(r.tokens) > 3 {
		t.Errorf("%d tokens are kept", len(r.tokens))
	}
	r.Note("one of before", "c", began.Add(24*time.Hour))
	if r.InVain("c", began.Add(24*time.Hour+firstVain)) {
		t.Error("another org's token waits for as long")
	}
}
