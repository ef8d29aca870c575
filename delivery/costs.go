package delivery

import (
	"time"

	"gatepost/db"
)

const (
	// callsPerBatch is how many API calls a batch costs: a look-up and a write.
	callsPerBatch = 2
	// costDays is of how many days sign-ups are counted to tell what a day costs.
	costDays = 7
)

// CostsSince is since when sign-ups are to be counted for DayCosts.
func CostsSince(now time.Time) time.Time {
	return now.Add(-costDays * 24 * time.Hour).Truncate(time.Hour)
}

// DayCosts is about how many API calls a day like the last seven costs, at most: a batch for
// each sign-up, but no more of them in an hour than the pace allows. received are the
// sign-ups by the hour since CostsSince.
func DayCosts(received []db.HourCount, pace time.Duration) int {
	batches := 0
	for _, h := range received {
		n := h.N
		if pace > 0 {
			n = min(n, int(time.Hour/pace))
		}
		batches += n
	}
	return (batches*callsPerBatch + costDays - 1) / costDays
}
