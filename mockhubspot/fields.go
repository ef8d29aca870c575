package mockhubspot

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatepost/simulated"
)

// kindsOf splits a type as /_control/fields takes it: "enumeration checkbox" is a type and the kind of
// field that shows it, which may be missing.
func kindsOf(text string) (kind, fieldType string, ok bool) {
	kind, fieldType, _ = strings.Cut(text, " ")
	all := fieldTypes[kind]
	if len(all) == 0 {
		return kind, fieldType, false
	}
	fieldType = cmp.Or(fieldType, all[0])
	return kind, fieldType, slices.Contains(all, fieldType)
}

// checkField refuses a change of a property that makes no sense.
func checkField(f simulated.Field) error {
	known := slices.ContainsFunc(builtIn(), func(p *property) bool { return p.Name == f.Name })
	switch _, _, ok := kindsOf(f.Type); {
	case f.In != "":
		return errors.New("contacts alone have properties here")
	case !propertyName.MatchString(f.Name):
		return fmt.Errorf("%q is no name of a property", f.Name)
	case f.Required != nil || f.Restricted != nil || f.Length != 0:
		return errors.New("the API requires no property, takes no options but those of a property, and has one length for all texts")
	case f.Type != "" && !ok:
		return fmt.Errorf("%q is no type of a property; one is “enumeration checkbox”", f.Type)
	case f.Type == "" && !known && f.Removed == nil && f.ReadOnly == nil && f.Values == nil && f.Label == "":
		return fmt.Errorf("the further property %q needs a type", f.Name)
	}
	return nil
}

// change makes, changes or removes a property. One that isn't there and has no type is left out: a
// custom one may be made later.
func (s *schema) change(f simulated.Field) {
	p := s.byName[f.Name]
	if p == nil {
		if f.Type == "" {
			return
		}
		p = &property{Name: f.Name, Label: f.Name, GroupName: "contactinformation", Options: []option{}, FormField: true, custom: true}
		s.add(p)
	}
	if f.Type != "" {
		p.Type, p.FieldType, _ = kindsOf(f.Type)
	}
	p.Label = cmp.Or(f.Label, p.Label)
	if f.Values != nil {
		p.Options = typed(p.Type, p.FieldType, p.Name, p.Label, *f.Values...).Options
	}
	if f.ReadOnly != nil {
		p.readOnly = *f.ReadOnly
	}
	if f.Removed != nil {
		p.archived = *f.Removed
	}
}
