// Package forms is what a newsletter's form asks for, as data: its fields, the words that a
// reader agrees to, and what its button says. One definition renders the form, checks what was
// sent, and describes itself as a JSON schema. It knows no database and no HTTP.
package forms

import (
	"slices"
	"strings"
)

// Definition is one version of a newsletter's form. It holds every field that an earlier one
// had, and every key, so that what a form of any version sends is understood by it alone.
type Definition struct {
	Version int     `json:"-"`      // counted from 1; 0 is the form that newsletters had before forms were data
	Fields  []Field `json:"fields"` // in the order in which they are shown; those that were deleted stay, hidden
	Consent Consent `json:"consent"`
	Button  string  `json:"button,omitempty"` // what the button says; empty for the language's own word
}

// Consent is what a reader agrees to.
type Consent struct {
	Words string `json:"words"`
	Box   bool   `json:"box,omitempty"` // to be ticked; otherwise the words stand beside the button
}

// Type is what a field takes.
type Type string

// The types. A form has one field of type Email, whose id is EmailID; Name is for the two
// names that every CRM knows.
const (
	Email    Type = "email"
	Name     Type = "name"
	Text     Type = "text"
	LongText Type = "long_text"
	Choice   Type = "choice"
	Choices  Type = "choices"
	Checkbox Type = "checkbox"
	Date     Type = "date"
	Number   Type = "number"
	Phone    Type = "phone"
	Country  Type = "country"
	Hidden   Type = "hidden" // filled in by the page: see Field.From
)

// The ids, and keys, of the fields that every form has.
const (
	EmailID     = "email"
	FirstNameID = "first_name"
	LastNameID  = "last_name"
)

// Field is one field of a form.
type Field struct {
	ID          string   `json:"id"`            // never changes, and is never given again; values are stored by it
	Key         string   `json:"key"`           // names it in posts; one field's alone, through all versions
	Was         []string `json:"was,omitempty"` // the keys that it had in earlier versions, which go on naming it
	Type        Type     `json:"type"`
	Label       string   `json:"label"` // empty for the language's own word, of the fields that every form has
	Help        string   `json:"help,omitempty"`
	Placeholder string   `json:"placeholder,omitempty"`
	Required    bool     `json:"required,omitempty"`
	Most        int      `json:"most,omitempty"`    // characters, or choices; 0 for the type's own limit
	Pattern     string   `json:"pattern,omitempty"` // of text: the name of one of Patterns
	Purpose     string   `json:"purpose,omitempty"` // of text: a value of HTML's autocomplete
	Options     []Option `json:"options,omitempty"` // of choice and choices
	From        string   `json:"from,omitempty"`    // of hidden: the name of one of Sources
	Prefill     bool     `json:"prefill,omitempty"` // the hosted page's query may fill it in
	Deleted     bool     `json:"deleted,omitempty"` // not shown and not asked for any more
}

// Option is one of the choices of a field.
type Option struct {
	Value string `json:"value"` // what is stored
	Label string `json:"label"`
}

// Values are what somebody filled in, by the ids of fields, in the form in which they are stored:
// text as it is; a date as 2006-01-02; a number as JSON writes it, without an exponent; a checkbox
// as "true" or "false"; a country by its two letters; several choices, in the order of the options,
// joined by Separator. A field that was left empty isn't there.
type Values map[string]string

// Separator stands between several choices. No value of an option holds it.
const Separator = ";"

// First is the form that newsletters had before forms were data, with the words that a reader
// agrees to.
func First(words string) Definition {
	return Definition{
		Fields: []Field{
			{ID: EmailID, Key: EmailID, Type: Email, Required: true},
			{ID: FirstNameID, Key: FirstNameID, Type: Name},
			{ID: LastNameID, Key: LastNameID, Type: Name},
		},
		Consent: Consent{Words: words},
	}
}

// Field returns the field that a key names, in this version or any before it, and whether there
// is one.
func (d Definition) Field(key string) (Field, bool) {
	for _, f := range d.Fields {
		if f.Key == key || slices.Contains(f.Was, key) {
			return f, true
		}
	}
	return Field{}, false
}

// ByID returns the field with an id, and whether there is one.
func (d Definition) ByID(id string) (Field, bool) {
	i := slices.IndexFunc(d.Fields, func(f Field) bool { return f.ID == id })
	if i < 0 {
		return Field{}, false
	}
	return d.Fields[i], true
}

// Display is a value as it is stored, for people: options and countries by their names. What was
// an option once is told by what was stored.
func (f Field) Display(value string, l Language) string {
	switch f.Type {
	case Choice, Choices:
		var labels []string
		for _, one := range strings.Split(value, Separator) {
			i := slices.IndexFunc(f.Options, func(o Option) bool { return o.Value == one })
			if i >= 0 {
				one = f.Options[i].Label
			}
			labels = append(labels, one)
		}
		return strings.Join(labels, ", ")
	case Checkbox:
		if value == "true" {
			return l.Say(Yes)
		}
		return l.Say(No)
	case Country:
		return countryName(value, l)
	}
	return value
}

// Name is what a field is called: its label, or the language's own word for it.
func (f Field) Name(l Language) string {
	if f.Label != "" {
		return f.Label
	}
	return l.Say(map[string]Word{EmailID: EmailLabel, FirstNameID: FirstNameLabel, LastNameID: LastNameLabel}[f.ID])
}

// Shown are the fields that a form has, hidden ones among them, in their order.
func (d Definition) Shown() (shown []Field) {
	for _, f := range d.Fields {
		if !f.Deleted {
			shown = append(shown, f)
		}
	}
	return shown
}

// Since is the definition by which is checked what a form of an earlier version sent: what
// that one asked for as it asked for it, and what came later is known but needed by nobody,
// who couldn't see it.
func (d Definition) Since(earlier Definition) Definition {
	merged := earlier
	merged.Fields = nil
	for _, f := range d.Fields {
		f.Required = false
		if was, ok := earlier.ByID(f.ID); ok {
			was.Key, was.Was = f.Key, f.Was
			f = was
		}
		merged.Fields = append(merged.Fields, f)
	}
	return merged
}
