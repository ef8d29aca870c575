package db

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sentTimes are when mails were sent, in milliseconds, the latest last.
type sentTimes []int64

// mailLimit is how many mails may go to somebody in a time.
type mailLimit struct {
	n   int
	per time.Duration
}

// The limits. One address gets so many from the whole installation, and from one tenant.
var (
	recipientPerHour = mailLimit{3, time.Hour}
	recipientPerDay  = mailLimit{6, day}
	addressPerDay    = mailLimit{3, day}
)

// pauses are how long the second and third mail of a day to the same subscriber wait after the
// one before.
var pauses = []time.Duration{5 * time.Minute, time.Hour}

// next is from when on one more is within a limit.
func (t sentTimes) next(l mailLimit) int64 {
	if len(t) < l.n {
		return 0
	}
	return t[len(t)-l.n] + l.per.Milliseconds()
}

// nextToSubscriber is from when on a subscriber may get one more, who got those of a day.
func nextToSubscriber(sent sentTimes) int64 {
	if n := len(sent); n > 0 && n <= len(pauses) {
		return sent[n-1] + pauses[n-1].Milliseconds()
	}
	return sent.next(addressPerDay)
}

// and is the times with one more; those that count for no limit any more are forgotten.
func (t sentTimes) and(at int64) sentTimes {
	if most := recipientPerDay.n; len(t) >= most {
		t = t[len(t)-most+1:]
	}
	return append(slices.Clone(t), at)
}

// stored is the times as they are stored.
func (t sentTimes) stored() string {
	texts := make([]string, len(t))
	for i, at := range t {
		texts[i] = strconv.FormatInt(at, 10)
	}
	return strings.Join(texts, ",")
}

// Scan reads times as they are stored.
func (t *sentTimes) Scan(stored any) error {
	s, ok := stored.(string)
	if !ok {
		return fmt.Errorf("times of mails are no %T", stored)
	}
	*t = nil
	for _, text := range strings.Split(s, ",") {
		at, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		*t = append(*t, at)
	}
	return nil
}
