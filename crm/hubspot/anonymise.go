package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatepost/crm"
)

// staying are the properties of our mapping that an anonymised contact keeps: whose it is, and what HubSpot bills.
var staying = []string{ownerProperty, "hs_marketable_status"}

// Anonymise replaces what tells of whom a contact is, as crm.CRM says: an empty text empties a property. What is
// true of Remove's look is true of its own. HubSpot keeps the values that properties had, and who opted out by the address.
func (c *Client) Anonymise(ctx context.Context, id string, own []crm.SchemaField, o crm.Options) (crm.Removed, []string, error) {
	own = slices.DeleteFunc(slices.Clone(own), func(f crm.SchemaField) bool {
		return strings.HasPrefix(f.Key, ":") || slices.Contains(staying, f.Key)
	})
	to := map[string]string{"email": "", "firstname": "", "lastname": crm.ErasedName}
	if o.Key != "" {
		to[o.Key] = ""
	}
	return crm.Anonymise(func() (crm.Sight, error) { return c.sight(ctx, id, to, own) },
		func(due map[string]any) error { return c.replace(ctx, id, due) })
}

// sight is what a contact still tells of its person: to are properties with what they are to hold, own those
// that are to hold nothing. HubSpot says nothing of a property that isn't there: one that has a name is taken
// to hold something.
func (c *Client) sight(ctx context.Context, id string, to map[string]string, own []crm.SchemaField) (s crm.Sight, err error) {
	var names []string
	for name := range to {
		names = append(names, name)
	}
	for _, f := range own {
		names = append(names, f.Key)
	}
	is, err := c.retrieve(ctx, id, names)
	if is == nil {
		return crm.Sight{Gone: err == nil}, err
	}
	s.Changed = is.changed(id)
	for name, by := range to {
		s.Replace(name, is.text(name), by)
	}
	for _, f := range own {
		switch _, there := is.Properties[f.Key]; {
		case there:
			s.Empty(f.Key, f, is.text(f.Key), "")
		case f.Label != "":
			s.Keep(f.Key)
		}
	}
	return s, nil
}

// replace changes properties of a contact.
func (c *Client) replace(ctx context.Context, id string, due map[string]any) error {
	sent, err := json.Marshal(map[string]any{"properties": due})
	if err != nil {
		return unsent(fmt.Errorf("encode a contact: %w", err))
	}
	_, err = c.call(ctx, request{method: http.MethodPatch, path: contactPath(id), body: sent, write: true, single: true})
	return asGone(err)
}
