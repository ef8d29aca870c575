package main

import (
	"testing"
	"time"
)

// TestShort is the soak test in short: three kills, and Salesforce away for 20
// seconds.
func TestShort(t *testing.T) {
	t.Parallel()
	p := plan{rate: 200, portals: 2, kills: 3, every: 3 * time.Second, outage: 20 * time.Second, settle: 5 * time.Minute}
	v, err := p.run(t.Context(), t.TempDir(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(v)
	if v.broken() {
		t.Error(errBroken)
	}
}

// TestVerdict shows that the verdict sees what it is there to see.
func TestVerdict(t *testing.T) {
	sent := []string{"A@x.example", "b@x.example", "c@x.example"}
	acknowledged := map[string]bool{"a@x.example": true, "b@x.example": true}
	var v verdict
	v.compare(sent, acknowledged, []string{"A@x.example", "a@X.example", "d@x.example"})
	if some(v.Lost) != "b@x.example" || some(v.Doubled) != "a@x.example" || some(v.Strangers) != "d@x.example" || !v.broken() {
		t.Errorf("got %+v", v)
	}
	v = verdict{}
	v.compare(sent, acknowledged, []string{"a@x.example", "B@x.example", "c@x.example"})
	if len(v.Lost)+len(v.Doubled)+len(v.Strangers) > 0 {
		t.Errorf("got %+v", v)
	}
}
