package routes

import (
	"testing"
	"time"

	"gatepost/crm/salesforce"
	"gatepost/db"
	"gatepost/views"
)

func located(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// The columns of a range follow on each other, and the last one holds now.
func TestColumnsFollowOnEachOther(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Kiritimati", "America/St_Johns", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo", "America/Santiago"} {
		zone := located(t, name)
		for _, now := range []string{"2026-11-29T11:20:00Z", "2026-10-25T00:59:59Z", "2026-03-29T01:00:00Z", "2026-01-01T00:00:00Z", "2026-02-28T23:59:59Z", "2026-04-24T22:00:00Z"} {
			for _, r := range chartRanges {
				at := moment(t, now)
				all := spans(r.starts(at, zone))
				if len(all) != r.n {
					t.Fatalf("%s: %d columns", r.id, len(all))
				}
				for i, s := range all {
					if !s.From.Before(s.Until) || i > 0 && !s.From.Equal(all[i-1].Until) || !s.From.Equal(s.From.Truncate(time.Hour)) {
						t.Errorf("%s, %s, %s: column %d is %v after %v", name, now, r.id, i, s, all[max(i-1, 0)])
					}
				}
				hour := at.Truncate(time.Hour)
				// In a zone that is half an hour off, the first hour of a day may have begun on the day before.
				if last := all[r.n-1]; !hour.Before(last.Until) || hour.Before(last.From) && last.From.Sub(hour) >= time.Hour {
					t.Errorf("%s, %s, %s: %v isn't in the last column, %v", name, now, r.id, hour, last)
				}
			}
		}
	}
}

// Days have the hours that they have where clocks are changed.
func TestDaysAreAsLongAsTheyAre(t *testing.T) {
	for _, tt := range []struct {
		zone, now string
		hours     int
	}{
		{"Europe/Berlin", "2026-10-25T12:00:00Z", 25}, {"Europe/Berlin", "2026-03-29T12:00:00Z", 23}, {"Europe/Berlin", "2026-11-29T12:00:00Z", 24},
		{"America/Sao_Paulo", "2018-11-04T12:00:00Z", 23}, {"America/Havana", "2026-11-01T12:00:00Z", 25}, {"America/Havana", "2026-03-08T12:00:00Z", 23},
		{"Asia/Kolkata", "2026-11-29T12:00:00Z", 24}, {"Asia/Kathmandu", "2026-11-29T12:00:00Z", 24},
	} {
		days := rangeOf("30-days")
		all := spans(days.starts(moment(t, tt.now), located(t, tt.zone)))
		if last := all[len(all)-1]; last.Until.Sub(last.From) != time.Duration(tt.hours)*time.Hour {
			t.Errorf("%s: the day of %s is %v", tt.zone, tt.now, last)
		}
	}
	first := startOfDay(2018, 11, 4, located(t, "America/Sao_Paulo"))
	if first.Format("2 15:04") != "4 01:00" {
		t.Errorf("a day without midnight begins at %v", first)
	}
	if first := startOfDay(2026, 11, 1, located(t, "America/Havana")); !first.Equal(moment(t, "2026-11-01T04:00:00Z")) {
		t.Errorf("a day with midnight twice begins at %v", first)
	}
}

func TestARangeIsKnownByItsID(t *testing.T) {
	for id, want := range map[string]string{"48-hours": "48-hours", "12-months": "12-months", "": "30-days", "x": "30-days"} {
		if got := rangeOf(id); got.id != want {
			t.Errorf("%q is %q", id, got.id)
		}
	}
}

// Each state stands in one series, and together they are everybody.
func TestSeriesHoldEverybody(t *testing.T) {
	var signUps []map[db.State]int
	want := 0
	for i, s := range db.States() {
		if !s.Delivery {
			continue
		}
		column := map[db.State]int{db.Delivered: 7}
		column[s.State] += i + 1
		signUps, want = append(signUps, column), want+7+i+1
	}
	got := 0
	for _, s := range seriesOf(salesforce.Provider, signUps) {
		sum := 0
		for _, n := range s.N {
			sum += n
		}
		if got += sum; sum != s.Sum || s.State.Series == "" {
			t.Errorf("got %+v", s)
		}
	}
	if got != want {
		t.Errorf("%d of %d", got, want)
	}
	for _, s := range seriesOf(salesforce.Provider, nil) {
		if !s.State.Main {
			t.Errorf("nobody is %s, and yet it is told", s.State.Label)
		}
	}
}

// Today and this week are compared with the day and the week before, up to the same hour.
func TestSignUpsAreCompared(t *testing.T) {
	zone := located(t, "Europe/Berlin")
	hours := func(all ...string) (by []db.HourCount) {
		for _, at := range all {
			by = append(by, db.HourCount{Hour: moment(t, at), N: 1})
		}
		return by
	}
	long := moment(t, "2026-01-01T00:00:00Z")
	for name, tt := range map[string]struct {
		now         string
		byHour      []db.HourCount
		first       time.Time
		today, week views.Compared
	}{
		"more and fewer": {"2026-11-26T13:20:00Z", hours("2026-11-25T23:00:00Z", "2026-11-26T13:00:00Z", "2026-11-25T12:00:00Z", "2026-11-25T13:00:00Z", "2026-11-19T12:00:00Z", "2026-11-18T12:00:00Z", "2026-11-16T12:00:00Z", "2026-11-19T13:00:00Z", "2026-11-15T22:00:00Z"), long,
			views.Compared{N: 2, Note: "As many as yesterday by 14:00"}, views.Compared{N: 4, Note: "As many as last week by Thursday 14:00"}},
		"nobody":                 {"2026-11-26T13:20:00Z", nil, time.Time{}, views.Compared{}, views.Compared{}},
		"the first day":          {"2026-11-26T13:20:00Z", hours("2026-11-26T12:00:00Z"), moment(t, "2026-11-26T12:30:00Z"), views.Compared{N: 1}, views.Compared{N: 1}},
		"the first hour":         {"2026-11-22T23:20:00Z", hours("2026-11-22T22:00:00Z", "2026-11-16T12:00:00Z"), long, views.Compared{Note: "1 yesterday"}, views.Compared{Note: "2 last week"}},
		"one more":               {"2026-11-24T13:20:00Z", hours("2026-11-24T12:00:00Z"), long, views.Compared{N: 1, Note: "1 more than yesterday by 14:00"}, views.Compared{N: 1, Note: "1 more than last week by Tuesday 14:00"}},
		"after clocks changed":   {"2026-10-26T09:20:00Z", hours("2026-10-26T08:00:00Z", "2026-10-25T08:00:00Z", "2026-10-19T07:00:00Z"), long, views.Compared{N: 1, Note: "As many as yesterday by 10:00"}, views.Compared{N: 1, Note: "As many as last week by Monday 10:00"}},
		"on the day they change": {"2026-10-25T09:20:00Z", hours("2026-10-25T08:00:00Z", "2026-10-24T07:00:00Z"), long, views.Compared{N: 1, Note: "As many as yesterday by 10:00"}, views.Compared{N: 2, Note: "2 more than last week by Sunday 10:00"}},
	} {
		today, week := daysBefore(moment(t, tt.now), zone).compare(tt.byHour, tt.first)
		if today != tt.today || week != tt.week {
			t.Errorf("%s: today %+v, this week %+v", name, today, week)
		}
	}
}

// Where a UTC hour begins the day before, the week before is asked up to the same weekday.
func TestAnHourThatBeganYesterday(t *testing.T) {
	zone := located(t, "Asia/Kolkata")
	byHour := []db.HourCount{{Hour: moment(t, "2026-11-17T12:00:00Z"), N: 5}} // on Tuesday of last week
	today, week := daysBefore(moment(t, "2026-11-23T18:40:00Z"), zone).compare(byHour, moment(t, "2026-01-01T00:00:00Z"))
	if want := (views.Compared{Note: "As many as last week by Monday 23:30"}); week != want {
		t.Errorf("at ten past midnight on Tuesday: %+v, %+v", today, week)
	}
}

// Days of a filter begin when those of the chart do, on days too that have no midnight.
func TestDaysAfter(t *testing.T) {
	for _, tt := range []struct {
		zone, date string
		n          int
		want       string
	}{
		{"America/Santiago", "2026-09-05", 1, "2026-09-06T04:00:00Z"}, // begins at one
		{"America/Santiago", "2026-09-06", 0, "2026-09-06T04:00:00Z"},
		{"Africa/Cairo", "2026-04-24", 0, "2026-04-23T22:00:00Z"},
		{"Africa/Cairo", "2026-04-24", -6, "2026-04-17T22:00:00Z"},
		{"Europe/Berlin", "2026-03-29", 1, "2026-03-29T22:00:00Z"},
	} {
		date, err := time.Parse(time.DateOnly, tt.date)
		if err != nil {
			t.Fatal(err)
		}
		if got := daysAfter(date, tt.n, located(t, tt.zone)); !got.Equal(moment(t, tt.want)) {
			t.Errorf("%s, %s, %d days on: %s, want %s", tt.zone, tt.date, tt.n, got.UTC().Format(time.RFC3339), tt.want)
		}
	}
}
