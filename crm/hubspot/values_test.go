package hubspot

import (
	"testing"

	"gatepost/crm"
)

// Days and moments are read in both ways in which HubSpot tells them, and written in one.
func TestValues(t *testing.T) {
	for _, c := range []struct {
		of         crm.ValueType
		told, text string
		sent       string
	}{
		{crm.TypeDate, "2026-02-28", "2026-02-28", "1772236800000"},
		{crm.TypeDate, "1772236800000", "2026-02-28", "1772236800000"},
		{crm.TypeDate, "2026-02-28T00:00:00Z", "2026-02-28", "1772236800000"},
		{crm.TypeTime, "2026-02-28T01:02:03.456Z", "2026-02-28T01:02:03Z", "1772240523000"},
		{crm.TypeTime, "1772240523000", "2026-02-28T01:02:03Z", "1772240523000"},
		{crm.TypeNumber, "12.50", "12.5", "12.5"},
		{crm.TypeNumber, "1772240523000", "1772240523000", "1772240523000"},
		{crm.TypeText, "1772240523000", "1772240523000", "1772240523000"},
		{crm.TypeCheckbox, "true", "true", "true"},
		{crm.TypeChoices, "b;a", "a;b", "a;b"},
		{crm.TypeDate, "soon", "soon", "soon"}, // and HubSpot says what is wrong with it
		{crm.TypeNumber, "", "", ""},
	} {
		if got := textOf(c.told, c.of); got != c.text {
			t.Errorf("%s %q is read as %q, want %q", c.of, c.told, got, c.text)
		}
		if got := propertyOf(crm.Value{Type: c.of, Text: c.text}); got != c.sent {
			t.Errorf("%s %q is written as %q, want %q", c.of, c.text, got, c.sent)
		}
	}
}
