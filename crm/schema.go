package crm

import (
	"cmp"
	"slices"
)

// Schema is what a CRM's records of people can hold, as its connected user may write them.
type Schema struct {
	Fields []SchemaField `json:"fields"`
}

// SchemaField is one field of a CRM's records, beside the address and the two names that every
// CRM has: those are Fields' own.
type SchemaField struct {
	// Key is the CRM's own name of the field. One that begins with a colon is no field of the CRM's, but
	// something that it does with a record, as ":campaign" is.
	Key      string    `json:"key"`
	Label    string    `json:"label"`
	Hint     string    `json:"hint,omitempty"` // what is to be known of it before it is mapped, in a sentence or two
	Type     ValueType `json:"type"`
	Length   int       `json:"length,omitempty"` // most characters of text, or of each of several choices; 0 where the CRM names no limit
	Required bool      `json:"required,omitempty"`
	Create   bool      `json:"create,omitempty"` // the connected user may set it in a new record
	Update   bool      `json:"update,omitempty"` // and in one that is there
	Closed   bool      `json:"closed,omitempty"` // takes no value that isn't among Values
	Values   []Choice  `json:"values,omitempty"` // of TypeChoice and TypeChoices
	Refers   bool      `json:"refers,omitempty"` // holds the id of another record of the CRM's, which no text that people fill in is
	Offer    string    `json:"offer,omitempty"`  // a constant that makes sense for whoever signs up for a newsletter; never taken unasked
	Calls    string    `json:"calls,omitempty"`  // what it costs beyond the calls that are made anyway; empty for nothing
}

// Name is what the field is called.
func (f SchemaField) Name() string { return cmp.Or(f.Label, f.Key) }

// Offering is the field with a constant to offer, unless it takes no such value.
func (f SchemaField) Offering(constant string) SchemaField {
	takes := func(c Choice) bool { return c.Value == constant }
	if !f.Closed || slices.ContainsFunc(f.Values, takes) {
		f.Offer = constant
	}
	return f
}

// Choice is one of the values of a field.
type Choice struct {
	Value string `json:"value"` // what is written
	Label string `json:"label"` // empty where it is the value
}

// ValueType is what a field holds.
type ValueType string

// The types, with the text by which a Value of each is written down.
const (
	TypeText     ValueType = "text"      // of one line
	TypeLongText ValueType = "long_text" // of several
	TypeChoice   ValueType = "choice"    // Choice.Value
	TypeChoices  ValueType = "choices"   // Choice.Value, joined by ";"
	TypeCheckbox ValueType = "checkbox"  // "true" or "false"; a CRM may say "false" of one that nobody ever set
	TypeDate     ValueType = "date"      // 2006-01-02
	TypeTime     ValueType = "time"      // RFC 3339, in UTC
	TypeNumber   ValueType = "number"    // as JSON writes it
	TypeInteger  ValueType = "integer"
	TypeEmail    ValueType = "email"
	TypePhone    ValueType = "phone"
	TypeURL      ValueType = "url"
)

// MaxChoices is how many choices a field has at most that are records of the CRM's.
const MaxChoices = 200

// Value is what a field of a record holds, or is to hold: never empty where it is written.
type Value struct {
	Type ValueType
	Text string // as its type is written down
}
