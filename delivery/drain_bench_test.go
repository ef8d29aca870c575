package delivery

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

// draining is how many people wait in BenchmarkDrain.
const draining = 20_000

// How many people who wait are delivered in a second when each call takes 150 ms, for 1,000
// people: by a CRM that does nothing else, and by the simulated Salesforce in this process.
func BenchmarkDrain(b *testing.B) {
	b.Run("nothing but waiting", func(b *testing.B) {
		drainAll(b, func() connecting {
			c := newCRM()
			c.hook = func(string) { time.Sleep(150 * time.Millisecond) }
			return crms{"a": c}.connect
		})
	})
	b.Run("Salesforce", func(b *testing.B) {
		drainAll(b, func() connecting {
			sf := newSimulated(b)
			sf.tell("settings", `{"latency_ms": 150, "daily_limit": 100000000}`, &struct{}{})
			return sf.connect
		})
	})
}

type connecting = func(ctx context.Context, to db.DestinationKey) (crm.CRM, error)

func drainAll(b *testing.B, makeCRM func() connecting) {
	for range b.N {
		b.StopTimer()
		h, connect := newHouse(b, "a"), makeCRM()
		for from := 0; from < draining; from += 1000 {
			emails := many(1000)
			for i := range emails {
				emails[i] = fmt.Sprintf("r%d@example.com", from+i)
			}
			h.signUp("a/1", emails...)
		}
		d := New(Config{Store: paced{h.db, 0}, Connect: connect})
		b.StartTimer()
		begun := time.Now()
		for takes(d, "a") {
		}
		b.ReportMetric(draining/time.Since(begun).Seconds(), "people/s")
		b.StopTimer()
		if s := h.adds("a"); s[db.Delivered] != draining {
			b.Errorf("sums %+v", s)
		}
		b.StartTimer()
	}
}
