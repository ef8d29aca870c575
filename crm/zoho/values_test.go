package zoho

import (
	"encoding/json"
	"testing"

	"gatepost/crm"
)

// Values are written as their types want it, and read from what Zoho tells.
func TestValues(t *testing.T) {
	for _, c := range []struct {
		key        string
		of         crm.ValueType
		text       string
		sent, told string // JSON
	}{
		{"Any", crm.TypeText, "a", `"a"`, `"a"`},
		{"Any", crm.TypeNumber, "12.5", `12.5`, `12.50`},
		{"Any", crm.TypeInteger, "123456789012345678", `123456789012345678`, `123456789012345678`},
		{"Any", crm.TypeCheckbox, "false", `false`, `false`},
		{"Any", crm.TypeChoices, "a;b", `["a","b"]`, `["b","a"]`},
		{"Any", crm.TypeDate, "2026-02-28", `"2026-02-28"`, `"2026-02-28"`},
		{"Any", crm.TypeTime, "2026-02-28T01:02:03Z", `"2026-02-28T01:02:03+00:00"`, `"2026-02-27T17:02:03-08:00"`},
		{"Owner", crm.TypeChoice, "4876876000000225001", `{"id":"4876876000000225001"}`, `{"id":"4876876000000225001","name":"John Doe"}`},
		{"Layout", crm.TypeChoice, "4876876000000000167", `{"id":"4876876000000000167"}`, `{"name":"Standard","id":4876876000000000167}`},
		{"Any", crm.TypeNumber, "many", `"many"`, `"many"`}, // and Zoho says what is wrong with it
	} {
		if got, err := json.Marshal(jsonOf(c.key, crm.Value{Type: c.of, Text: c.text})); err != nil || string(got) != c.sent {
			t.Errorf("%s of %s is written as %s, want %s (%v)", c.of, c.key, got, c.sent, err)
		}
		var told row
		if err := decode([]byte(`{"x":`+c.told+`}`), &told); err != nil {
			t.Fatal(err)
		}
		if got := textOf(told["x"], c.of); got != c.text {
			t.Errorf("%s of %s is read as %q, want %q", c.of, c.key, got, c.text)
		}
	}
	if got := textOf(nil, crm.TypeText); got != "" {
		t.Errorf("nothing is read as %q", got)
	}
}
