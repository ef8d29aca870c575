package input

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ValueKind is the type that a value came with.
type ValueKind int

// The kinds. What comes from a form is text, whatever it means; null in JSON says the same as
// leaving a field out.
const (
	OfForm ValueKind = iota
	JSONText
	JSONNumber
	JSONBool
	JSONTexts // a list of texts
	JSONOther // an object, or a list of anything else
)

// Value is what came for a field. The zero Value is nothing.
type Value struct {
	Kind  ValueKind
	Texts []string // a number as it was written, true or false; none of JSONOther
}

// UnmarshalJSONFrom takes any value.
func (v *Value) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	kinds := map[jsontext.Kind]ValueKind{'"': JSONText, '0': JSONNumber, 't': JSONBool, 'f': JSONBool}
	switch kind := d.PeekKind(); kind {
	case '"', '0', 't', 'f':
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		*v = Value{kinds[kind], []string{token.String()}}
		return nil
	case '[':
		return v.readTexts(d)
	case 'n':
		*v = Value{}
	default:
		*v = Value{Kind: JSONOther}
	}
	return d.SkipValue()
}

// readTexts takes a list.
func (v *Value) readTexts(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	*v = Value{Kind: JSONTexts}
	for d.PeekKind() != ']' {
		if d.PeekKind() != '"' {
			v.Kind = JSONOther
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		v.Texts = append(v.Texts, token.String())
	}
	if v.Kind == JSONOther {
		v.Texts = nil
	}
	_, err := d.ReadToken()
	return err
}

// Fields are the fields of an object whose names are known when it is read.
type Fields struct {
	Known  func(name string) bool
	Values map[string]Value
}

// UnmarshalJSONFrom takes an object. A name that isn't known is an error at once, so that
// nothing is read of what it names.
func (f *Fields) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '{' {
		return &JSONError{What: OfWrongType}
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	f.Values = map[string]Value{}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		if !f.Known(name) {
			return &JSONError{path(d.StackPointer()), Unknown}
		}
		var v Value
		if err := v.UnmarshalJSONFrom(d); err != nil {
			return err
		}
		f.Values[name] = v
	}
	_, err := d.ReadToken()
	return err
}

// Lines returns a text of several lines as it is to be stored: each as Line returns it, with
// plain line breaks between them, and none around the whole. Errors are Problems.
func Lines(s string) (string, error) {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n", "\v", "\n", "\f", "\n").Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		clean, err := Line(l)
		if err != nil {
			return "", err
		}
		lines[i] = clean
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n"), nil
}
