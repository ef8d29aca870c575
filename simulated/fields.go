package simulated

import (
	"cmp"
	"net/http"
	"slices"
)

// Field is how a field of an organisation's records differs from what there is from the start:
// a further one, or one that was changed or removed. Of a change, what isn't there stays as it is.
// Types are in the service's own words.
type Field struct {
	In         string    `json:"in,omitempty"` // kind of record: Contact, Leads; that of people as a rule
	Name       string    `json:"name"`
	Label      string    `json:"label,omitempty"`
	Type       string    `json:"type,omitempty"` // only of a further field
	Length     int       `json:"length,omitempty"`
	Values     *[]string `json:"values,omitempty"` // to choose from
	Restricted *bool     `json:"restricted,omitempty"`
	Required   *bool     `json:"required,omitempty"`
	ReadOnly   *bool     `json:"read_only,omitempty"`
	Removed    *bool     `json:"removed,omitempty"` // from the org, or from the user's sight; what records hold in it stays
}

// Is reports whether one of the switches of a Field is on.
func Is(is *bool) bool { return is != nil && *is }

// with is the field after a further change.
func (f Field) with(more Field) Field {
	f.Label, f.Type, f.Length = cmp.Or(more.Label, f.Label), cmp.Or(more.Type, f.Type), cmp.Or(more.Length, f.Length)
	f.Values, f.Restricted = cmp.Or(more.Values, f.Values), cmp.Or(more.Restricted, f.Restricted)
	f.Required, f.ReadOnly, f.Removed = cmp.Or(more.Required, f.Required), cmp.Or(more.ReadOnly, f.ReadOnly), cmp.Or(more.Removed, f.Removed)
	return f
}

// FieldsOf handles GET and POST /_control/fields of a service whose settings keep a list of
// Fields. POST takes one Field, of the orgs that settings would be changed of; both answer all that
// were changed. The service's own check refuses what makes no sense.
func FieldsOf[S any](u *Setup[S], list func(*S) *[]Field) map[string]func(*http.Request) (any, error) {
	answer := func(v *S) any { return map[string]any{"fields": append([]Field{}, *list(v)...)} }
	return map[string]func(*http.Request) (any, error){
		"GET fields": func(r *http.Request) (any, error) {
			org, err := u.core.Asked(r)
			return answer(u.Of(cmp.Or(org, u.first))), err
		},
		"POST fields": func(r *http.Request) (any, error) {
			var in Field
			if err := Input(r, &in); err != nil {
				return nil, err
			}
			if in.Name == "" {
				return nil, BadControl("a field needs a name")
			}
			v, err := u.edit(r, func(v *S) error {
				all := list(v)
				i := slices.IndexFunc(*all, func(f Field) bool { return f.In == in.In && f.Name == in.Name })
				if i < 0 {
					*all = append(*all, in)
				} else {
					(*all)[i] = (*all)[i].with(in)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
			return answer(&v), nil
		},
	}
}
