package salesforce_test

import (
	"fmt"
	"net/http"

	"gatepost/crm/crmtest"
)

// optOut is how a simulated Salesforce keeps who wants no e-mail. An administrator hides the mark by the
// rights of the profile, and then it is as if there was none.
func (w *world) optOut() crmtest.OptOut {
	return crmtest.OptOut{
		Is: func(id, subscription string) bool {
			var is struct{ HasOptedOutOfEmail bool }
			if subscription == "" {
				w.byHand(http.MethodGet, id, "", &is)
			}
			return is.HasOptedOutOfEmail
		},
		Set: func(id string, out bool) {
			w.byHand(http.MethodPatch, id, fmt.Sprintf(`{"HasOptedOutOfEmail": %t}`, out), nil)
		},
		Hide: func() { w.marks(`"removed":true`) },
		Lock: func() { w.marks(`"read_only":true`) },
	}
}

// marks changes the mark of Contacts and Leads, as an administrator does.
func (w *world) marks(change string) {
	for _, object := range []string{"Contact", "Lead"} {
		w.post("fields", fmt.Sprintf(`{"in":%q,"name":"HasOptedOutOfEmail",%s}`, object, change), nil)
	}
}
