package delivery

import (
	"testing"
	"time"

	"gatepost/db"
)

// A slower pace costs fewer calls where many sign up within an hour, and the same where few do.
func TestDayCosts(t *testing.T) {
	busy, calm := db.HourCount{N: 7000}, db.HourCount{N: 7}
	for name, tt := range map[string]struct {
		received []db.HourCount
		pace     time.Duration
		want     int
	}{
		"nobody":             {nil, time.Second, 0},
		"one in a week":      {[]db.HourCount{{N: 1}}, time.Second, 1},
		"few":                {[]db.HourCount{calm}, time.Second, 2},
		"few, minutes apart": {[]db.HourCount{calm}, time.Minute, 2},
		"many at once":       {[]db.HourCount{busy, calm}, 0, 2002},
		"many":               {[]db.HourCount{busy, calm}, time.Second, 1031},
		"many, ten seconds":  {[]db.HourCount{busy, calm}, 10 * time.Second, 105},
		"many, minutes":      {[]db.HourCount{busy, busy}, time.Minute, 35},
	} {
		if got := DayCosts(tt.received, tt.pace); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
	if since := CostsSince(time.Date(2026, 3, 8, 10, 30, 0, 0, time.UTC)); !since.Equal(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)) {
		t.Error(since)
	}
}
