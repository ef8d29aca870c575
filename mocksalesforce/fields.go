package mocksalesforce

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gatepost/simulated"
)

// newSchema is what there is in an org with these settings.
func (v *settings) newSchema() (*schema, error) {
	s := newSchema(v.ExternalIDField)
	for i, name := range v.RecordTypes {
		for _, o := range []*object{s.object("Contact"), s.object("Lead")} {
			if i == 0 {
				o.add(reference("RecordTypeId", "Record Type ID", "RecordType", writable))
			}
			n := int64(i + 1)
			if o.Name == "Lead" {
				n += 100
			}
			o.RecordTypes = append(o.RecordTypes, recordType{makeID("012", n), name})
		}
	}
	for _, f := range v.Fields {
		if err := s.change(f); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// fieldTypes are the types that a further field can have.
var fieldTypes = []string{"string", "textarea", "email", "phone", "url", "boolean", "date", "datetime", "int", "double", "currency", "percent", "picklist", "multipicklist"}

// change makes, changes or removes a field.
func (s *schema) change(v simulated.Field) error {
	o := s.object(cmp.Or(v.In, "Contact"))
	if o == nil || !o.Writable {
		return fmt.Errorf("there is no object %q with fields that can be changed", v.In)
	}
	f := o.field(v.Name)
	if f == nil {
		if !customName.MatchString(v.Name) || !slices.Contains(fieldTypes, v.Type) {
			return fmt.Errorf("a further field needs a name such as Region__c and one of the types %s, not %q and %q", strings.Join(fieldTypes, ", "), v.Name, v.Type)
		}
		f = &field{Name: v.Name, Label: strings.ReplaceAll(strings.TrimSuffix(v.Name, "__c"), "_", " "), Type: v.Type, Length: fieldLength(v.Type), Access: writable}
		if f.Type == "boolean" {
			f.Default = false
		}
		o.add(f)
	} else if v.Type != "" && f.Type != v.Type {
		f.Type, f.Length = v.Type, fieldLength(v.Type)
	}
	if simulated.Is(v.Removed) {
		o.remove(f)
		return nil
	}
	f.Label, f.Length = cmp.Or(v.Label, f.Label), cmp.Or(v.Length, f.Length)
	if v.Values != nil {
		f.Picklist = *v.Values
	}
	f.Restricted = simulated.Is(v.Restricted)
	switch {
	case simulated.Is(v.ReadOnly):
		f.Access = readOnly
	case simulated.Is(v.Required):
		must(f)
	case v.Required != nil && f.Access == required:
		f.Access = writable
	}
	return nil
}

// fieldLength is how long a value of a type may be where nobody says.
func fieldLength(kind string) int {
	switch kind {
	case "string", "picklist", "url":
		return 255
	case "textarea":
		return 32_768
	case "multipicklist":
		return 4_099
	case "email":
		return 80
	case "phone":
		return 40
	}
	return 0
}

func (o *object) remove(f *field) {
	o.Fields = slices.DeleteFunc(o.Fields, func(other *field) bool { return other == f })
	delete(o.byName, strings.ToLower(f.Name))
}
