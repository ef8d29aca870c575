package mockzoho

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// emailSyntax is narrower than the RFC's.
var emailSyntax = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*" +
	`@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

// clean checks what a client wants to write, in the row of that number, and returns it by
// field; what is to be blank is nil. A whole row must have what is mandatory; another one
// must not take it away.
func (c *call) clean(m *module, row int, in map[string]any, whole bool) (map[string]any, error) {
	out := make(map[string]any, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		f := m.field(name)
		switch {
		case name == "id" || strings.HasPrefix(name, "$"):
			continue
		case f == nil || c.who.hides(name):
			if c.set.UnknownFields == "refuse" {
				return nil, invalidData(name, rowPath(row, name), nil)
			}
			continue
		case f.ReadOnly || slices.Contains(c.who.profile.ReadOnlyFields, name):
			continue
		}
		v, err := c.cleanValue(f, row, in[name])
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	for _, f := range m.Fields {
		v, given := out[f.Name]
		if (f.Mandatory || f.Required && c.set.LayoutBinds) && v == nil && (whole || given) {
			return nil, mandatory(f.Name, rowPath(row, f.Name))
		}
	}
	return out, nil
}

// cleanValue checks one value.
func (c *call) cleanValue(f *field, row int, v any) (any, error) {
	wrong := func(expected string) error {
		return invalidData(f.Name, rowPath(row, f.Name), details{"expected_data_type": expected})
	}
	switch {
	case f.Type == "boolean":
		if _, ok := v.(bool); !ok {
			return nil, wrong("boolean")
		}
		return v, nil
	case v == nil:
		return nil, nil
	case f.Type == "ownerlookup":
		id := idOf(v)
		if id != c.who.ID { // the only one there is
			return nil, wrong("ownerlookup")
		}
		return map[string]any{"id": id}, nil
	}
	if clean, typed, err := c.cleanTyped(f, v, wrong); typed {
		return clean, err
	}
	text, ok := v.(string)
	if !ok {
		return nil, wrong(f.Type)
	}
	if text = strings.TrimSpace(text); text == "" && f.Type == "email" {
		return nil, wrong("email") // null empties it
	}
	if text == "" {
		return nil, nil
	}
	if f.Type == "date" || f.Type == "datetime" || f.Type == "picklist" {
		return c.cleanDated(f, text, wrong)
	}
	if utf8.RuneCountInString(text) > f.Length {
		return nil, invalidData(f.Name, rowPath(row, f.Name), details{"maximum_length": f.Length})
	}
	if f.Type == "email" && !emailSyntax.MatchString(text) {
		return nil, wrong("email")
	}
	return text, nil
}

// idSyntax is an id of a record, of whatever module.
var idSyntax = regexp.MustCompile(`^\d{16,19}$`)

// wantedID is the id in a row: text, or a number without loss.
func wantedID(v any) (string, bool) {
	id, isText := v.(string)
	if n, ok := v.(json.Number); ok {
		id, isText = n.String(), true
	}
	if _, err := strconv.ParseInt(id, 10, 64); err != nil {
		return id, false
	}
	return id, isText && idSyntax.MatchString(id)
}
