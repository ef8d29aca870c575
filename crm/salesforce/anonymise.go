package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"gatepost/crm"
)

// staying are the fields of our mapping that an anonymised record keeps: what it belongs to, and that its person
// wants no e-mail.
var staying = []string{ownerField, recordTypeField, accountField, optOutField}

// Anonymise replaces what tells of whom a Contact or a Lead is, as crm.CRM says: null empties a field, and a checkbox
// is never empty. Somebody who changes the record between the look and the change isn't seen, as with Remove. A duplicate rule that
// only warns is passed over: anonymised records look alike.
func (c *Client) Anonymise(ctx context.Context, id string, own []crm.SchemaField, o crm.Options) (crm.Removed, []string, error) {
	shared, err := c.sharedOf(ctx, id, own)
	if err != nil {
		return "", nil, err
	}
	return crm.Anonymise(func() (crm.Sight, error) {
		is, err := c.retrieve(ctx, id, "")
		if is == nil {
			return crm.Sight{Gone: err == nil}, err
		}
		return is.sight(objectOf(id), own, shared, o), nil
	}, func(due map[string]any) error { return c.replace(ctx, id, due) })
}

// sharedOf are the keys that Leads share, where a record is one and some fields need to know.
func (c *Client) sharedOf(ctx context.Context, id string, own []crm.SchemaField) ([]string, error) {
	keys := func(yield func(string) bool) {
		for _, f := range own {
			if !yield(f.Key) {
				return
			}
		}
	}
	if objectOf(id) != "Lead" || !hasPlain(keys) {
		return nil, nil
	}
	return c.shared(ctx)
}

// sight is what a record of an object still tells of its person. A field that the connected user doesn't see is
// taken to hold something, if the object is known to have it.
func (r row) sight(object string, own []crm.SchemaField, shared []string, o crm.Options) crm.Sight {
	s := crm.Sight{Changed: r.changed()}
	s.Replace("Email", r.holds("Email"), nil)
	s.Replace("FirstName", r.holds("FirstName"), nil)
	s.Replace("LastName", r.holds("LastName"), crm.ErasedName)
	switch {
	case object == "Lead":
		s.Replace(companyField, r.holds(companyField), crm.ErasedName)
	case o.Key != "":
		s.Replace(o.Key, r.holds(o.Key), nil)
	}
	for _, f := range own {
		name, ok := ownName(f.Key, object, shared)
		_, seen := r[name]
		switch {
		case !ok || slices.Contains(staying, name) || object == "Lead" && name == companyField:
		case seen:
			s.Empty(name, f, r[name], emptyOf(r[name]))
		case f.Label != "":
			s.Keep(name)
		}
	}
	return s
}

// hidden is what a field holds that the connected user doesn't see.
type hidden struct{}

func (r row) holds(name string) any {
	if v, seen := r[name]; seen {
		return v
	}
	return hidden{}
}

// emptyOf is what a field holds that is empty: a checkbox can't be.
func emptyOf(holds any) any {
	if _, box := holds.(bool); box {
		return false
	}
	return nil
}

// replace changes fields of a record.
func (c *Client) replace(ctx context.Context, id string, due map[string]any) error {
	sent, err := json.Marshal(due)
	if err != nil {
		return unsent(fmt.Errorf("encode a record: %w", err))
	}
	_, err = c.call(ctx, request{method: http.MethodPatch, path: recordPath(id), body: sent, write: true, single: true, duplicates: true})
	return asGone(err)
}
