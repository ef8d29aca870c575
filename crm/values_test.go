package crm

import "testing"

func TestCanonical(t *testing.T) {
	for _, c := range []struct {
		of         ValueType
		text, want string
		ok         bool
	}{
		{TypeText, "  Ada ", "Ada", true},
		{TypeLongText, "one\r\ntwo\n", "one\ntwo", true},
		{TypeNumber, "12.50", "12.5", true},
		{TypeNumber, "12.00", "12", true},
		{TypeNumber, "-0.0", "0", true},
		{TypeNumber, "100", "100", true},
		{TypeNumber, "1.2e3", "1200", true},
		{TypeNumber, "12345678901234567.25", "12345678901234567.25", true},
		{TypeNumber, "1,5", "", false},
		{TypeNumber, "1e999", "", false},
		{TypeNumber, "007", "", false},
		{TypeNumber, "true", "", false},
		{TypeNumber, "", "", false},
		{TypeInteger, "7.0", "7", true},
		{TypeInteger, "7.5", "", false},
		{TypeCheckbox, "TRUE", "true", true},
		{TypeCheckbox, "yes", "", false},
		{TypeDate, "2026-02-28", "2026-02-28", true},
		{TypeDate, "2026-02-30", "", false},
		{TypeTime, "2026-11-01T10:00:00.750+01:00", "2026-11-01T09:00:00Z", true},
		{TypeTime, "2026-11-01", "", false},
		{TypeChoices, "b; a;;b", "a;b", true},
	} {
		got, ok := Canonical(c.of, c.text)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%s %q is %q, %t, want %q, %t", c.of, c.text, got, ok, c.want, c.ok)
		}
		if again, ok := Canonical(c.of, got); c.ok && (!ok || again != got) {
			t.Errorf("%s: %q becomes %q", c.of, got, again)
		}
	}
}

func TestOffering(t *testing.T) {
	values := []Choice{{Value: "Web"}, {Value: "Newsletter"}}
	for name, c := range map[string]struct {
		field SchemaField
		want  string
	}{
		"open":             {SchemaField{Values: values[:1]}, "Newsletter"},
		"closed, with it":  {SchemaField{Closed: true, Values: values}, "Newsletter"},
		"closed, without ": {SchemaField{Closed: true, Values: values[:1]}, ""},
	} {
		if got := c.field.Offering("Newsletter").Offer; got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
