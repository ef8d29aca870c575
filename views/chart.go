package views

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Chart is sign-ups over time, parted by the state in which the people are now.
type Chart struct {
	Title   string // "Sign-ups by day"
	Unit    string // of a column: "Hour", "Day", "Month"
	Range   string // "30 days"
	Ranges  []Tab  // to choose from
	CRMs    []Tab  // whose numbers are shown, to choose from; none where there is one
	Columns []Column
	Series  []Series // of the columns, from below
	CSVURL  string   // where the numbers are, for a spreadsheet
	Named   bool     // the series are named elsewhere on the page, so that there is no second legend
}

// Column is an hour, a day or a month of a chart, the earliest first.
type Column struct {
	Label, Short string // "Thu 26 Nov"; "26 Nov" below the column
}

// Series is a state with its number in each column.
type Series struct {
	State State
	N     []int
	Sum   int
}

// class is the series as the style sheet knows it: in, wait, fail or rest.
func (s Series) class() string { return s.State.Series }

// words are a number of people in the state: "1 needs attention", "5 need attention".
func (s State) words(n int) string {
	if n == 1 {
		r, size := utf8.DecodeRuneInString(s.Label)
		return "1 " + string(unicode.ToLower(r)) + s.Label[size:]
	}
	return number(n) + " " + s.Column
}

func (c Chart) total() (n int) {
	for _, s := range c.Series {
		n += s.Sum
	}
	return n
}

// of is how many people signed up in a column.
func (c Chart) of(column int) (n int) {
	for _, s := range c.Series {
		n += s.N[column]
	}
	return n
}

// summary tells the chart in a sentence, for those who don't see it.
func (c Chart) summary() string {
	var parts []string
	for _, s := range c.Series {
		parts = append(parts, s.State.words(s.Sum))
	}
	return count(c.total(), "sign-up", "sign-ups") + " in " + c.Range + ": " + strings.Join(parts, ", ") + ". The numbers follow as a table."
}

// say tells a column: "Thu 26 Nov: 5 in the CRM, 4 waiting".
func (c Chart) say(column int) string {
	var parts []string
	for _, s := range c.Series {
		if n := s.N[column]; n > 0 {
			parts = append(parts, s.State.words(n))
		}
	}
	if parts == nil {
		parts = []string{"no sign-ups"}
	}
	return c.Columns[column].Label + ": " + strings.Join(parts, ", ")
}

// A chart is drawn in pixels upwards, and in percent across.
const (
	chartTop  = 30  // of the highest column
	chartBase = 180 // the line that columns stand on
)

// axis is the number at the height of the highest column: one that reads well, as its
// half does.
func (c Chart) axis() int {
	top := 1
	for i := range c.Columns {
		top = max(top, c.of(i))
	}
	return round(top)
}

// chartBar is a rectangle of a column.
type chartBar struct{ Class, Y, Height string }

// bars are the rectangles of a column, from below. The least number is still seen.
func (c Chart) bars(column int) (bars []chartBar) {
	axis, y := float64(c.axis()), float64(chartBase)
	for _, s := range c.Series {
		if s.N[column] == 0 {
			continue
		}
		height := max(float64(s.N[column])/axis*(chartBase-chartTop), 2)
		y -= height
		bars = append(bars, chartBar{s.class(), decimal(y), decimal(height - 1)}) // a pixel parts it from the one below
	}
	return bars
}

// across is a place in the chart, from 0 to the number of columns, in percent.
func (c Chart) across(column float64) string {
	return decimal(100*column/float64(len(c.Columns))) + "%"
}

// tick is a label below the chart. Every other one is left out on the phone.
type tick struct {
	X, Anchor, Text string
	Odd             bool
}

// ticks label all columns when there are few, else five of them.
func (c Chart) ticks() (all []tick) {
	last := len(c.Columns) - 1
	if len(c.Columns) <= 12 {
		for i, column := range c.Columns {
			all = append(all, tick{c.across(float64(i) + 0.5), "middle", column.Short, i%2 == 0})
		}
		return all
	}
	for k := range 5 {
		i, anchor := k*last/4, "middle"
		x := c.across(float64(i) + 0.5)
		switch k {
		case 0:
			x, anchor = "0%", "start"
		case 4:
			x, anchor = "100%", "end"
		}
		all = append(all, tick{x, anchor, c.Columns[i].Short, k%2 == 1})
	}
	return all
}

// round is the next number up that reads well at half and full height.
func round(n int) int {
	for scale := 1; ; scale *= 10 {
		for _, k := range []int{1, 2, 4, 6, 8, 10} {
			if k*scale >= n {
				return max(k*scale, 2)
			}
		}
	}
}

// short writes a number of an axis: "800", "12k", "1.5M".
func short(v int) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(float64(v)/1e6, 'f', -1, 64) + "M"
	case v >= 1e4:
		return strconv.FormatFloat(float64(v)/1e3, 'f', -1, 64) + "k"
	}
	return strconv.Itoa(v)
}

// decimal writes a coordinate, as short as it can be.
func decimal(v float64) string {
	return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), ".")
}

// exampleChart is for the page that shows the components.
func exampleChart(name string) Chart {
	c := Chart{Title: "Sign-ups by day", Unit: "Day", Range: "30 days", CSVURL: "#c-chart", Ranges: []Tab{{Text: "48 hours", URL: "#c-chart"}, {Text: "30 days", URL: "#c-chart", Current: true}, {Text: "12 months", URL: "#c-chart"}},
		Series: []Series{{State: State{Label: "In " + name, Column: "in " + name, Series: "in"}}, {State: State{Label: "Waiting", Column: "waiting", Series: "wait"}},
			{State: State{Label: "Needs attention", Column: "need attention", Series: "fail"}}, {State: State{Label: "Dismissed", Column: "dismissed", Series: "rest"}}}}
	for day := range 30 {
		c.Columns = append(c.Columns, Column{Label: strconv.Itoa(day+1) + " Nov", Short: strconv.Itoa(day+1) + " Nov"})
		for i, n := range []int{day * 7 % 30, max(0, day-26) * 2, max(0, day-20) % 5, day / 29} {
			c.Series[i].N = append(c.Series[i].N, n)
			c.Series[i].Sum += n
		}
	}
	return c
}
