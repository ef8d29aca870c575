package views

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// clock is how a page writes moments: in which zone, and seen from when.
type clock struct {
	zone *time.Location
	now  time.Time
}

type clockKey struct{}

// InZone returns a context in which pages write moments in the zone, as they are seen
// from now. Without one they are written in UTC, and say so.
func InZone(ctx context.Context, zone *time.Location, now time.Time) context.Context {
	return context.WithValue(ctx, clockKey{}, clock{zone, now.In(zone)})
}

func moments(ctx context.Context) clock {
	c, _ := ctx.Value(clockKey{}).(clock)
	return c
}

// time writes a moment: "Today, 14:09", "Yesterday, 06:40", "25 Nov, 19:30", or with
// the year when it is another one than now.
func (c clock) time(t time.Time) string {
	if c.zone == nil {
		return t.UTC().Format("2 Jan 2006, 15:04 UTC")
	}
	return c.date(t) + ", " + t.In(c.zone).Format("15:04")
}

// date writes the day of a moment likewise.
func (c clock) date(t time.Time) string {
	if c.zone == nil {
		return t.UTC().Format("2 Jan 2006")
	}
	t = t.In(c.zone)
	switch day := t.Format(time.DateOnly); {
	case day == c.now.Format(time.DateOnly):
		return "Today"
	case day == c.now.AddDate(0, 0, -1).Format(time.DateOnly):
		return "Yesterday"
	case t.Year() == c.now.Year():
		return t.Format("2 Jan")
	}
	return t.Format("2 Jan 2006")
}

// ZoneName tells people of a zone, by the city that it is called by, as it is at the
// moment: "Berlin time (UTC+1)", "UTC".
func ZoneName(city string, zone *time.Location, at time.Time) string {
	if !strings.Contains(zone.String(), "/") {
		return zone.String()
	}
	_, offset := at.In(zone).Zone()
	return city + " time (UTC" + offsetWords(offset) + ")"
}

// offsetWords writes an offset in seconds: "+1", "−3:30", nothing for none.
func offsetWords(offset int) string {
	if offset == 0 {
		return ""
	}
	sign := "+"
	if offset < 0 {
		sign, offset = "−", -offset
	}
	if minutes := offset / 60 % 60; minutes > 0 {
		return fmt.Sprintf("%s%d:%02d", sign, offset/3600, minutes)
	}
	return fmt.Sprintf("%s%d", sign, offset/3600)
}
