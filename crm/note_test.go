package crm

import (
	"strings"
	"testing"
)

func TestAdminNote(t *testing.T) {
	note := AdminNote(Sentence("REQUIRED_FIELD_MISSING"), "REQUIRED_FIELD_MISSING", "Required:\n\tBranch", "Contoso", 3)
	for _, want := range []string{"Salesforce (Contoso). 3 sign-ups are held up", "requires a field", "Salesforce says: Required: Branch\n", "The code is REQUIRED_FIELD_MISSING", "What mends it: in Setup"} {
		if !strings.Contains(note, want) {
			t.Errorf("no %q in\n%s", want, note)
		}
	}
	if note := AdminNote(Sentence("ODD"), "ODD", "", "", 1); !strings.Contains(note, "into Salesforce. 1 sign-up is held up") || strings.Contains(note, "says") {
		t.Error(note)
	}
}
