package crm

import (
	"fmt"
	"strings"
)

// AdminNote is a plain text about a failure, to be sent to the administrator of
// the CRM: what happened, to how many sign-ups, in which org, and what to do.
// e explains the code; detail is what the CRM said, and may be empty, as org may.
func AdminNote(e Explanation, code, detail, org string, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Hello,\n\nGatepost puts our newsletter sign-ups into Salesforce")
	if org != "" {
		fmt.Fprintf(&b, " (%s)", org)
	}
	sign := "sign-ups are"
	if n == 1 {
		sign = "sign-up is"
	}
	fmt.Fprintf(&b, ". %d %s held up there:\n\n%s\n", n, sign, e.What)
	if detail != "" {
		fmt.Fprintf(&b, "Salesforce says: %s\n", strings.Join(strings.Fields(detail), " "))
	}
	fmt.Fprintf(&b, "The code is %s.\n\nWhat mends it: %s\n\nTell me when it is done; then I have them sent again.\n", code, strings.TrimPrefix(e.Mend, askAdmin))
	return b.String()
}
