package views

import "time"

// PersonDataPage is for PersonData: all that is known of a person, on all newsletters.
type PersonDataPage struct {
	Page
	ID     string
	Name   string
	Email  string
	At     time.Time // when it was read
	Groups []DataGroup
}

// DataGroup is what is known of a person on one newsletter.
type DataGroup struct {
	Title  string
	Tables []DataTable
}

// DataTable are rows of one kind.
type DataTable struct {
	Title string
	Rows  [][]Datum
}

// Datum is a value with what it is called: a time, or else a text.
type Datum struct {
	Label string
	At    time.Time
	Text  string
}
