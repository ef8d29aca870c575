package salesforce

import (
	"time"

	"gatepost/crm"
)

// Provider is what is true of every Salesforce.
var Provider = &crm.Provider{
	Service: "sfdc", Name: "Salesforce",
	Record: "Contact", Records: "Contacts", Leads: "Leads",
	Batch: recordsPerPart * partsPerCall,
	// What a customer's org does of its own with each record, it does within the call: one of
	// 200 takes as long as any.
	Settles:   crm.SettlingTime{One: 10 * time.Second, Many: 2 * time.Minute, Full: recordsPerPart},
	Limit:     crm.Limit{Unit: "API calls", Window: "24 hours"},
	RecordURL: RecordURL,
	Options: []crm.Option{
		{Name: crm.OptionLeads, Label: "Look among Leads too", Hint: "Who is a Lead, and no Contact, stays one. Takes one more API call for a thousand sign-ups."},
		{Name: crm.OptionSaveDuplicates, Label: "Save a Contact that a duplicate rule only warns of", Hint: "What a rule blocks still needs attention."},
		{Name: crm.OptionPlaceholder, Label: "Last name when none is given", Hint: "Salesforce demands a last name. This stands in for it in new Contacts, and gives way to the name that comes later. NA when left empty."},
		{Name: crm.OptionKey, Label: "Unique field for the address", Hint: "The API name of a text field of Contacts that is an External ID and unique, such as Gatepost_Email__c. With it, Salesforce itself keeps an address from being there twice."},
	},
	Codes: codes, Access: access,
}
