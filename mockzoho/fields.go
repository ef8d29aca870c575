package mockzoho

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatepost/simulated"
)

// fieldTypes are the types that a further field can have, and how long its texts may be.
var fieldTypes = map[string]int{"text": 255, "textarea": 32_000, "email": 100, "phone": 30, "website": 450, "picklist": 120, "multiselectpicklist": 0,
	"boolean": 0, "date": 0, "datetime": 0, "integer": 9, "double": 16, "currency": 16, "percent": 5}

// change makes, changes or removes a field.
func (s *schema) change(v simulated.Field) error {
	m := s.module(cmp.Or(v.In, contactModule))
	if m == nil {
		return fmt.Errorf("there is no module %q", v.In)
	}
	f := m.field(v.Name)
	length, known := fieldTypes[v.Type]
	switch {
	case f == nil && (!known || !customName.MatchString(v.Name)):
		return fmt.Errorf("a further field needs a name such as Region, and a type such as text or picklist, not %q and %q", v.Name, v.Type)
	case v.Type != "" && !known:
		return fmt.Errorf("there is no type %q", v.Type)
	case f == nil:
		m.add(field{Name: v.Name, Label: strings.ReplaceAll(v.Name, "_", " "), Type: v.Type, Length: length, Custom: true})
		f = m.field(v.Name)
	case v.Type != "" && v.Type != f.Type:
		f.Type, f.Length = v.Type, length
	}
	if simulated.Is(v.Removed) {
		m.Fields = slices.DeleteFunc(m.Fields, func(other *field) bool { return other == f })
		delete(m.byName, f.Name)
		return nil
	}
	f.Label, f.Length = cmp.Or(v.Label, f.Label), cmp.Or(v.Length, f.Length)
	if v.Values != nil {
		f.Picks = *v.Values
	}
	if v.Required != nil {
		f.Required, f.Mandatory = *v.Required, f.Mandatory && *v.Required
	}
	if v.ReadOnly != nil {
		f.ReadOnly = *v.ReadOnly
	}
	return nil
}

// cleanTyped checks a value of a type that isn't written as a text; ok is false for those that are.
func (c *call) cleanTyped(f *field, v any, wrong func(string) error) (clean any, ok bool, err error) {
	switch f.Type {
	case "integer", "double", "currency", "percent":
		n, is := v.(json.Number)
		if _, err := n.Int64(); !is || f.Type == "integer" && err != nil {
			return nil, true, wrong(jsonType(f.Type))
		}
		return n, true, nil
	case "multiselectpicklist":
		list, is := v.([]any)
		for _, one := range list {
			if text, isText := one.(string); !isText || !f.takes(text) {
				return nil, true, wrong("multiselectpicklist")
			}
		}
		if !is {
			return nil, true, wrong("jsonarray")
		}
		if len(list) == 0 {
			return nil, true, nil
		}
		return list, true, nil
	case "layout":
		id := idOf(v)
		if i := slices.IndexFunc(c.layouts(), func(l layout) bool { return l.id == id }); i >= 0 {
			return map[string]any{"id": id, "name": c.layouts()[i].name}, true, nil
		}
		return nil, true, wrong("layout")
	}
	return nil, false, nil
}

// takes reports whether a picklist has a value.
func (f *field) takes(value string) bool { return len(f.Picks) == 0 || slices.Contains(f.Picks, value) }

// cleanDated checks a day or a moment, and a choice; moments are kept as the org's people see them.
func (c *call) cleanDated(f *field, text string, wrong func(string) error) (any, error) {
	switch f.Type {
	case "date":
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return nil, wrong("date")
		}
	case "datetime":
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, wrong("datetime")
		}
		return c.who.org.time(at.UnixMilli()), nil
	case "picklist":
		if !f.takes(text) {
			return nil, wrong("picklist")
		}
	}
	return text, nil
}

// layout is a layout of Contacts.
type layout struct{ id, name string }

// layouts are those of the org's Contacts, the standard one first.
func (c *call) layouts() (all []layout) {
	for i, name := range append([]string{"Standard"}, c.set.Layouts...) {
		all = append(all, layout{c.who.org.id(int64(1_900 + i)), name})
	}
	return all
}
