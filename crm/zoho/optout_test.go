package zoho_test

import (
	"fmt"

	"gatepost/crm/crmtest"
)

// optOut is how a simulated Zoho CRM keeps who wants no e-mail.
func (w *world) optOut() crmtest.OptOut {
	return crmtest.OptOut{
		Is: func(id, subscription string) bool { return subscription == "" && w.optedOut(id) },
		Set: func(id string, out bool) {
			w.hand("change", id, fmt.Sprintf(`,"fields":{"Email_Opt_Out":%t}`, out))
		},
		Hide: func() { w.marks(`"removed":true`) },
		Lock: func() { w.marks(`"read_only":true`) },
	}
}

// marks changes the mark of Contacts and Leads, as an administrator does.
func (w *world) marks(change string) {
	for _, module := range []string{"Contacts", "Leads"} {
		w.control("fields", fmt.Sprintf(`{"in":%q,"name":"Email_Opt_Out",%s}`, module, change), nil)
	}
}

// optedOut is the mark of a record, as the API tells it.
func (w *world) optedOut(id string) bool {
	w.t.Helper()
	var page struct {
		Data []struct {
			Out bool `json:"Email_Opt_Out"`
		}
	}
	w.show(id, &page)
	return len(page.Data) == 1 && page.Data[0].Out
}
