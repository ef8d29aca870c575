package zoho

import (
	"time"

	"gatepost/crm"
)

// Provider is what is true of every Zoho CRM.
var Provider = &crm.Provider{
	Service: "zoho", Name: "Zoho CRM",
	Record: "Contact", Records: "Contacts", Leads: "Leads",
	Batch: perCall, DropsFields: true,
	// What a customer's workflows do with each record, they do within the call, one after
	// the other.
	Settles:   crm.SettlingTime{One: 10 * time.Second, Many: 2 * time.Minute, Full: perCall},
	Limits:    []crm.Limit{{Unit: "API credits", Window: 24 * time.Hour}},
	RecordURL: RecordURL,
	OptOuts:   &crm.OptOuts{Flag: "Email Opt Out", Hint: "Zoho CRM sends none of its own mass mails to who has it ticked."},
	Options: []crm.Option{
		{Name: crm.OptionLeads, Label: "Look among Leads too", Hint: "Who is a Lead, and no Contact, stays one. Takes one more API credit for a hundred sign-ups, and one for each Lead that is found."},
		{Name: crm.OptionPlaceholder, Label: "Last name when none is given", Hint: "Zoho CRM demands a last name. This stands in for it in new Contacts, and gives way to the name that comes later. NA when left empty."},
		{Name: crm.OptionKey, Label: "Unique field for the address", Hint: "The API name of a field of Contacts that takes no duplicate values, such as Gatepost_Email. With it, Zoho CRM itself keeps an address from being there twice. Not needed where the field Email takes no duplicate values."},
	},
	Refused: refused,
	Codes:   codes, Access: access,
}
