package hubspot

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatepost/crm"
)

// ownNames are the properties to be read, in order.
func ownNames(read map[string]crm.ValueType) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(read)), func(key string) bool { return strings.HasPrefix(key, ":") })
}

// own are the properties of a contact that are to be read and hold something. HubSpot says nothing of
// one that isn't there.
func (r contact) own(read map[string]crm.ValueType) (own map[string]string) {
	for key, t := range read {
		if text := textOf(r.text(key), t); text != "" {
			if own == nil {
				own = map[string]string{}
			}
			own[key] = text
		}
	}
	return own
}

// textOf is what a property holds, as crm.ValueType writes it down; empty for nothing. HubSpot tells days
// and moments in two ways: as texts, and in milliseconds. What doesn't fit its type is as it came.
func textOf(value string, t crm.ValueType) string {
	ms, err := strconv.ParseInt(value, 10, 64)
	at := time.UnixMilli(ms).UTC()
	if err != nil {
		at, err = time.Parse(time.RFC3339, value)
	}
	switch {
	case err == nil && t == crm.TypeDate:
		return at.UTC().Format(time.DateOnly)
	case err == nil && t == crm.TypeTime:
		return crm.CanonicalTime(at)
	}
	if canonical, ok := crm.Canonical(t, value); ok {
		return canonical
	}
	return value
}

// propertyOf is a value as HubSpot takes it: a text, of days and moments the milliseconds of UTC.
func propertyOf(v crm.Value) string {
	text, ok := crm.Canonical(v.Type, v.Text)
	if !ok {
		return v.Text // and HubSpot says what is wrong with it
	}
	layout := map[crm.ValueType]string{crm.TypeDate: time.DateOnly, crm.TypeTime: time.RFC3339}[v.Type]
	if at, err := time.Parse(layout, text); layout != "" && err == nil {
		return strconv.FormatInt(at.UnixMilli(), 10)
	}
	return text
}

// setOwn puts the properties that a write has for a contact among others, whose place they don't take.
func setOwn(props map[string]string, w crm.Write) {
	for key, v := range w.Own {
		if _, taken := props[key]; !taken && !strings.HasPrefix(key, ":") {
			props[key] = propertyOf(v)
		}
	}
}
