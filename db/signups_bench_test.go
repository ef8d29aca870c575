package db

import (
	"fmt"
	"testing"
)

// BenchmarkSignUps stores new sign-ups, 64 to a transaction; an operation is one
// sign-up.
func BenchmarkSignUps(b *testing.B) {
	const group = 64
	d := withNewsletters(b, "a/1")
	for done := 0; b.Loop(); done++ {
		if done%group != 0 {
			continue
		}
		signUps := make([]SignUp, group)
		for i := range signUps {
			signUps[i] = signUp("a/1", fmt.Sprintf("reader%d@example.com", done+i))
		}
		if _, err := d.AddSignUps(b.Context(), signUps); err != nil {
			b.Fatal(err)
		}
	}
}
