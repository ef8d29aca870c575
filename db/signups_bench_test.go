package db

import (
	"fmt"
	"testing"
)

// BenchmarkSignUps stores new sign-ups, 64 to a transaction; an operation is one
// sign-up.
func BenchmarkSignUps(b *testing.B) { signUpsTo(b, "", "sfdc") }

// BenchmarkSignUpsWithFields is BenchmarkSignUps with five fields beyond the names.
func BenchmarkSignUpsWithFields(b *testing.B) {
	signUpsTo(b, `{"f1":"Contoso GmbH","f2":"weekly;monthly","f3":"DE","f4":"1990-12-31","f5":"newsletter-spring"}`, "sfdc")
}

// BenchmarkSignUpsToTwoDestinations is BenchmarkSignUps of a tenant with two CRMs.
func BenchmarkSignUpsToTwoDestinations(b *testing.B) { signUpsTo(b, "", "sfdc", "hubspot") }

func signUpsTo(b *testing.B, fields string, services ...string) {
	const group = 64
	d := withNewsletters(b, "a/1")
	d.rehearse = false
	d.SetCRMs(services...)
	for _, service := range services {
		d.another(b, "a", service)
	}
	for done := 0; b.Loop(); done++ {
		if done%group != 0 {
			continue
		}
		signUps := make([]SignUp, group)
		for i := range signUps {
			signUps[i] = signUp("a/1", fmt.Sprintf("reader%d@example.com", done+i))
			signUps[i].Fields = fields
		}
		if _, err := d.AddSignUps(b.Context(), signUps); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRepeatedSignUps stores sign-ups of addresses that are there, 64 to a
// transaction, by the state of their deliveries; an operation is one sign-up.
func BenchmarkRepeatedSignUps(b *testing.B) {
	const group, people = 64, 64 * 100
	for _, state := range []State{Waiting, Delivered} {
		b.Run(string(state), func(b *testing.B) {
			d := withNewsletters(b, "a/1")
			d.rehearse = false
			groups := make([][]SignUp, people/group)
			for i := range people {
				groups[i/group] = append(groups[i/group], signUp("a/1", fmt.Sprintf("reader%d@example.com", i)))
			}
			for _, g := range groups {
				add(b, d, g...)
			}
			for done := 0; b.Loop(); done++ {
				if done%group != 0 {
					continue
				}
				if state != Waiting && done%people == 0 {
					b.StopTimer()
					if _, err := d.write.Exec(`UPDATE deliveries SET state = $1`, state); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				add(b, d, groups[done/group%len(groups)]...)
			}
		})
	}
}
