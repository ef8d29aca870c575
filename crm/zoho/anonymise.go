package zoho

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"gatepost/crm"
)

// staying are the fields of our mapping that an anonymised record keeps: what it belongs to, and that its person
// wants no e-mail.
var staying = []string{ownerField, layoutField, optOutField}

// Anonymise replaces what tells of whom a record is, as crm.CRM says: null empties a field, and a checkbox is never
// empty. What is true of Remove's look is true of its own. Tags stay: they are no fields.
func (c *Client) Anonymise(ctx context.Context, id string, own []crm.SchemaField, o crm.Options) (crm.Removed, []string, error) {
	own = slices.DeleteFunc(slices.Clone(own), func(f crm.SchemaField) bool {
		return strings.HasPrefix(f.Key, ":") || slices.Contains(staying, f.Key)
	})
	return crm.Anonymise(func() (crm.Sight, error) {
		is, err := c.retrieve(ctx, id, "")
		if is == nil {
			return crm.Sight{Gone: err == nil}, err
		}
		return is.sight(strings.HasPrefix(id, leads), own, o), nil
	}, func(due map[string]any) error { return c.replace(ctx, id, due) })
}

// sight is what a record still tells of its person. A field that has a name, and isn't shown of a Contact, is taken to hold
// something; a Lead may have no such field.
func (r row) sight(lead bool, own []crm.SchemaField, o crm.Options) crm.Sight {
	s := crm.Sight{Changed: r.changed()}
	s.Replace(emailField, r.holds(emailField), nil)
	s.Replace("First_Name", r.holds("First_Name"), nil)
	s.Replace("Last_Name", r.holds("Last_Name"), crm.ErasedName)
	if lead {
		s.Replace("Company", r.holds("Company"), crm.ErasedName)
	}
	if o.Key != "" {
		s.Replace(o.Key, r.holds(o.Key), nil)
	}
	for _, f := range own {
		if lead && f.Key == "Company" {
			continue
		}
		if _, seen := r[f.Key]; !seen && f.Label != "" && !lead {
			s.Keep(f.Key)
			continue
		}
		holds, none := r.holds(f.Key), any(nil)
		if _, box := holds.(bool); box {
			none = false
		}
		s.Empty(f.Key, f, holds, none)
	}
	return s
}

// holds is what is in a field, nil for nothing.
func (r row) holds(name string) any {
	switch v := r[name].(type) {
	case string:
		if v == "" {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	}
	return r[name]
}

// replace changes fields of a record.
func (c *Client) replace(ctx context.Context, id string, due map[string]any) error {
	module, number, _ := strings.Cut(id, "/")
	k := chunk{method: http.MethodPut, path: apiPath + "/" + module, module: module, writes: []int{0}}
	row := fields{"id": number}
	for name, to := range due {
		row[name] = to
	}
	saves, err := c.sendRows(ctx, k, []fields{row})
	if err != nil {
		return err
	}
	return saves[0].result(crm.Write{ID: id}, k, crm.Options{}).Err
}
