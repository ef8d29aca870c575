package zoho

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"gatepost/crm"
)

// has reports whether a module has the field of a key; shared are the keys of those that Leads have as
// Contacts do: see sharedKeys.
func has(module, key string, shared []string) bool {
	return !strings.HasPrefix(key, ":") && (module == contacts || slices.Contains(shared, key))
}

// ownNames are the fields of a module that are to be read, in order.
func ownNames(read map[string]crm.ValueType, module string, shared []string) (names []string) {
	for _, key := range slices.Sorted(maps.Keys(read)) {
		if has(module, key, shared) {
			names = append(names, key)
		}
	}
	return names
}

// own are the fields of a record that are to be read and hold something.
func (r row) own(read map[string]crm.ValueType) (own map[string]string) {
	for key, t := range read {
		if text := textOf(r[key], t); text != "" {
			if own == nil {
				own = map[string]string{}
			}
			own[key] = text
		}
	}
	return own
}

// textOf is what a field holds, as crm.ValueType writes it down; empty for nothing. What doesn't fit its
// type is as it came.
func textOf(v any, t crm.ValueType) string {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case bool:
		return map[bool]string{true: "true", false: "false"}[v]
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, textOf(one, crm.TypeText))
		}
		return crm.JoinChoices(all)
	case map[string]any: // another record
		return textOf(v["id"], crm.TypeText)
	}
	if canonical, ok := crm.Canonical(t, text); ok {
		return canonical
	}
	return text
}

// jsonOf is a value as Zoho takes it in the field of a key.
func jsonOf(key string, v crm.Value) any {
	text, ok := crm.Canonical(v.Type, v.Text)
	switch {
	case !ok:
		return v.Text // and Zoho says what is wrong with it
	case key == ownerField || key == layoutField:
		return map[string]string{"id": text}
	case v.Type == crm.TypeCheckbox:
		return text == "true"
	case v.Type == crm.TypeNumber || v.Type == crm.TypeInteger:
		return json.Number(text)
	case v.Type == crm.TypeChoices:
		return strings.Split(text, ";")
	case v.Type == crm.TypeTime:
		at, err := time.Parse(time.RFC3339, text)
		if err == nil {
			return at.Format("2006-01-02T15:04:05-07:00") // Zoho wants an offset, and no Z for none
		}
	}
	return text
}

// setOwn gives a record of a module the fields that a write has for it.
func (f fields) setOwn(w crm.Write, module string, shared []string) {
	for key, v := range w.Own {
		if has(module, key, shared) {
			f[key] = jsonOf(key, v)
		}
	}
}

// sharedToRead are the keys that Leads share, where a look-up among Leads needs to know.
func (c *Client) sharedToRead(ctx context.Context, o crm.Options) ([]string, error) {
	if len(o.Read) == 0 {
		return nil, nil
	}
	return c.sharedFields(ctx)
}

// sharedToWrite are the keys that Leads share, where some writes need to know.
func (c *Client) sharedToWrite(ctx context.Context, writes []crm.Write) ([]string, error) {
	for _, w := range writes {
		if strings.HasPrefix(w.ID, leads) && len(w.Own) > 0 {
			return c.sharedFields(ctx)
		}
	}
	return nil, nil
}

// sharedFields are the keys of the fields that Leads have as Contacts do. It takes two calls an hour.
func (c *Client) sharedFields(ctx context.Context) ([]string, error) {
	if keys, ok := c.shared.sharedKeys(c.known().ID, c.now()); ok {
		return keys, nil
	}
	d, err := c.describe(ctx)
	if err != nil {
		return nil, err
	}
	lead, err := c.describeLeads(ctx)
	if err != nil {
		return nil, err
	}
	return c.keepShared(d, lead), nil
}

func (c *Client) keepShared(d, lead described) []string {
	keys := sharedKeys(d, lead)
	c.shared.keepSharedKeys(c.known().ID, keys, c.now())
	return keys
}

// noteChanged forgets which fields Leads share when a failure says that the fields may be others by
// now.
func (c *Client) noteChanged(err error) {
	if f, ok := errors.AsType[*crm.Failure](err); ok && f.Changed {
		c.shared.keepSharedKeys(c.known().ID, nil, time.Time{})
	}
}
