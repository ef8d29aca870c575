package main

import (
	"strings"
	"testing"
	"time"

	"gatepost/e2e/rig"
	"gatepost/screening"
)

// TestShort is a siege in short: whatever robots send, no more than a few of them get into a CRM, nobody is mailed
// to often, and the honest come through, asked by mail.
func TestShort(t *testing.T) {
	t.Parallel()
	v, err := plan{junk: 600, honest: 20, lasts: 8 * time.Second}.run(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + v.String())
	if v.Broken() {
		t.Error(rig.ErrBroken)
	}
	for _, s := range v.shapes {
		if s.posts != 600/len(shapes) {
			t.Errorf("%s: %d posts", s.name, s.posts)
		}
	}
	if v.honest["in the CRM"] == 0 || v.scanned == 0 {
		t.Errorf("%d of the honest came into the CRM, %d mails were looked at", v.honest["in the CRM"], v.scanned)
	}
}

// TestVerdict shows that the verdict sees what it is there to see.
func TestVerdict(t *testing.T) {
	asked, good := &person{email: "a@x.example"}, verdict{most: mostMails, junk: mostJunk}
	if good.Broken() {
		t.Error("what is allowed is taken for broken")
	}
	for what, spoil := range map[string]func(v *verdict){
		"too much junk":                          func(v *verdict) { v.junk++ },
		"too many mails to somebody":             func(v *verdict) { v.most++ },
		"refused without words":                  func(v *verdict) { v.count(&person{refused: "500"}, "", 0) },
		"lost":                                   func(v *verdict) { v.count(asked, "", 0) },
		"active, and not in the CRM":             func(v *verdict) { v.count(asked, "active", 0) },
		"twice in the CRM":                       func(v *verdict) { v.count(asked, "active", 2) },
		"to confirm, and no mail came":           func(v *verdict) { v.count(&person{held: true}, "unconfirmed", 0) },
		"confirmed, and nobody says they are in": func(v *verdict) { v.count(asked, "rejected", 1) },
	} {
		v := good
		v.honest = map[string]int{}
		if spoil(&v); !v.Broken() {
			t.Errorf("%s: not seen", what)
		}
	}
	v := good
	v.honest = map[string]int{}
	v.count(asked, "active", 1)
	v.count(asked, "held", 0)
	v.count(asked, "unconfirmed", 0)
	if v.Broken() || len(v.honest) != 3 || !strings.Contains(v.String(), "in the CRM: 1") {
		t.Error(v)
	}
}

// A proof of work in other spellings is another text each time, and the same proof.
func TestRespelled(t *testing.T) {
	mac := func(parts ...string) []byte { return []byte(strings.Repeat("\xab\xcd", 16)) }
	now := time.Now()
	proof, seen := screening.NewChallenge(mac, "n", now).Solve(), map[string]bool{}
	for n := range 100 {
		field := respelled(proof, n)
		if p := screening.CheckProof(mac, "n", field, now); p.State != screening.ProofValid || seen[field] || n == 0 && field != proof {
			t.Fatalf("%d: %q is %+v", n, field, p)
		}
		seen[field] = true
	}
	if respelled("", 1) != "" {
		t.Error("no proof became one")
	}
}
