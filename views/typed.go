package views

import "strings"

// TypedPage is for Typed, which shows a form that somebody sent when they weren't logged
// in any more. Its own form posts the fields and csrf to Path.
type TypedPage struct {
	Page
	Path   string // where the form goes
	Back   string // the page that it is on
	Fields []TypedField
	Secret bool // it has secrets too, which aren't among them
}

// TypedField is a field of such a form. One without a label is sent along and not shown.
type TypedField struct {
	Name, Label string
	Values      []string
}

// shown is what was typed into the field, for people; empty when nothing was.
func (f TypedField) shown() string {
	if f.Label == "" {
		return ""
	}
	return strings.TrimSpace(strings.Join(f.Values, ", "))
}
