package hubspot

import (
	"net/url"
	"strings"
	"time"

	"gatepost/crm"
)

// Provider is what is true of every HubSpot.
var Provider = &crm.Provider{
	Service: "hubspot", Name: "HubSpot",
	Record: "contact", Records: "contacts",
	Batch: inputsPerCall,
	// HubSpot's edge gives a call up after 100 seconds (524), and the call may be done
	// nevertheless.
	Settles:   crm.SettlingTime{One: 10 * time.Second, Many: 2 * time.Minute, Full: inputsPerCall},
	Limits:    []crm.Limit{{Unit: "API calls", Window: 10 * time.Second}},
	RecordURL: RecordURL,
	OptOuts: &crm.OptOuts{Flag: "Unsubscribed from all email", Subscription: "subscription type", Lasting: true,
		Hint: "HubSpot sends no marketing e-mail to who has opted out of all."},
	Options: []crm.Option{
		{Name: crm.OptionKey, Label: "Unique property for the address", Hint: "The internal name of a single-line text property of contacts that has unique values. With it, contacts are found by it too. HubSpot keeps e-mail addresses apart without it."},
	},
	Codes: codes, Access: access,
}

// RecordURL returns the address of a contact's page, for people. instanceURL is that of a
// Target, which names the account: https://app-eu1.hubspot.com/contacts/62515
func RecordURL(instanceURL, id string) string {
	return strings.TrimRight(instanceURL, "/") + "/record/" + contactType + "/" + url.PathEscape(id)
}
