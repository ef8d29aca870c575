package routes

import (
	"bytes"
	"strconv"
	"time"

	"gatepost/crm"
	"gatepost/csvout"
	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// chartRange is how much of the past a chart shows: so many hours, days or months, the
// one that is now included.
type chartRange struct {
	id, text string // "30-days" in the address, "30 days"
	unit     string // "hour", "day" or "month"
	name     string // the same as the head of a column
	n        int
}

// chartRanges are those to choose from. The second is shown unasked.
var chartRanges = []chartRange{{"48-hours", "48 hours", "hour", "Hour", 48}, {"30-days", "30 days", "day", "Day", 30}, {"12-months", "12 months", "month", "Month", 12}}

// rangeOf is the range with the id, and that of 30 days for any other.
func rangeOf(id string) chartRange {
	for _, r := range chartRanges {
		if r.id == id {
			return r
		}
	}
	return chartRanges[1]
}

// starts are when the columns of the range begin in the zone, and when the last one ends.
// Days in which clocks are changed are 23 or 25 hours long.
func (r chartRange) starts(now time.Time, zone *time.Location) []time.Time {
	all := make([]time.Time, r.n+1)
	y, m, d := now.In(zone).Date()
	for i := range all {
		back := r.n - 1 - i
		switch r.unit {
		case "hour":
			all[i] = now.Truncate(time.Hour).Add(time.Duration(-back) * time.Hour).In(zone)
		case "day":
			all[i] = startOfDay(y, m, d-back, zone)
		default:
			all[i] = startOfDay(y, m-time.Month(back), 1, zone)
		}
	}
	return all
}

// spans are the UTC hours of the columns. An hour belongs to the column in which it
// began, which matters in zones that are half an hour off.
func spans(starts []time.Time) []db.Span {
	all := make([]db.Span, len(starts)-1)
	for i := range all {
		all[i] = db.Span{From: hourFrom(starts[i]), Until: hourFrom(starts[i+1])}
	}
	return all
}

// hourFrom is the beginning of the first UTC hour that doesn't begin before t.
func hourFrom(t time.Time) time.Time {
	hour := t.Truncate(time.Hour)
	if hour.Before(t) {
		return hour.Add(time.Hour)
	}
	return hour
}

// dayOf is the beginning of the day of t.
func dayOf(t time.Time, zone *time.Location) time.Time {
	y, m, d := t.In(zone).Date()
	return startOfDay(y, m, d, zone)
}

// startOfDay is the first moment of a day. There are zones in which clocks are changed at
// midnight: that day may begin at one, or midnight comes twice.
func startOfDay(y int, m time.Month, d int, zone *time.Location) time.Time {
	const step = 15 * time.Minute // clocks are changed by that much or a multiple
	noon := time.Date(y, m, d, 12, 0, 0, 0, zone)
	t, day := time.Date(y, m, d, 0, 0, 0, 0, zone), noon.Day()
	for t.Day() != day {
		t = t.Add(step)
	}
	for t.Add(-step).Day() == day {
		t = t.Add(-step)
	}
	return t
}

// columnNames are how columns of a unit are named: in the table, and below the chart.
var columnNames = map[string]struct{ label, short string }{
	"hour": {"Mon 2 Jan, 15:04", "Mon 15:04"}, "day": {"Mon 2 Jan", "2 Jan"}, "month": {"January 2006", "Jan"},
}

// chart is the chart of a range with what was read of its columns. Its address is path, and
// in says which destination it is of, as in the query.
func chart(p *crm.Provider, r chartRange, starts []time.Time, signUps []map[db.State]int, path, in string) views.Chart {
	c := views.Chart{Title: "Sign-ups by " + r.unit, Unit: r.name, Range: r.text, CSVURL: "/sign-ups.csv?" + query("range", r.id, "in", in)}
	for _, other := range chartRanges {
		c.Ranges = append(c.Ranges, views.Tab{Text: other.text, URL: path + "?" + query("range", other.id, "in", in), Current: other == r})
	}
	names := columnNames[r.unit]
	for _, at := range starts[:len(starts)-1] {
		c.Columns = append(c.Columns, views.Column{Label: at.Format(names.label), Short: at.Format(names.short)})
	}
	c.Series = seriesOf(p, signUps)
	return c
}

// seriesOf are the numbers of each column by state, who has arrived first. A state that
// isn't a main one is there when anybody is in it.
func seriesOf(p *crm.Provider, signUps []map[db.State]int) (all []views.Series) {
	sums := db.Sums{}
	for _, column := range signUps {
		for state, n := range column {
			sums[state] += n
		}
	}
	for _, t := range totals(p, sums).States {
		s := views.Series{State: t.State, N: make([]int, len(signUps)), Sum: t.N}
		for i, column := range signUps {
			s.N[i] = column[db.State(t.State.Code)]
		}
		if s.State.Main || s.Sum > 0 {
			all = append(all, s)
		}
	}
	return all
}

// signUpsCSV handles GET /sign-ups.csv: the numbers of a chart.
func (s *server) signUpsCSV(c *fiber.Ctx) error {
	r := rangeOf(c.Query("range"))
	starts := r.starts(who(c).now, who(c).zone)
	read, err := s.Health.SignUps(c.UserContext(), s.asked(c).Key(), spans(starts))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	out, series := csvout.NewWriter(&b), seriesOf(wordsOf(s.asked(c)), read)
	head := []string{r.unit + " from", "sign-ups"}
	for _, one := range series {
		head = append(head, uncapitalised(one.State.Label))
	}
	out.Write(head...)
	for i := range read {
		row, sum := []string{starts[i].Format(time.RFC3339), ""}, 0
		for _, one := range series {
			row, sum = append(row, strconv.Itoa(one.N[i])), sum+one.N[i]
		}
		row[1] = strconv.Itoa(sum)
		out.Write(row...)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	c.Attachment("sign-ups-" + r.id + ".csv")
	return c.Send(b.Bytes())
}
