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
	Limits:    []crm.Limit{{Unit: "API calls", Window: 24 * time.Hour}},
	RecordURL: RecordURL,
	OptOuts:   &crm.OptOuts{Flag: "Email Opt Out", Hint: "Salesforce sends no e-mail of its own to who has it ticked, that of your sales people included."},
	Options: []crm.Option{
		{Name: crm.OptionLeads, Label: "Look among Leads too", Hint: "Who is a Lead, and no Contact, stays one. Takes one more API call for a thousand sign-ups."},
		{Name: crm.OptionSaveDuplicates, Label: "Save a Contact that a duplicate rule only warns of", Hint: "What a rule blocks still needs attention."},
		{Name: crm.OptionPlaceholder, Label: "Last name when none is given", Hint: "Salesforce demands a last name. This stands in for it in new Contacts, and gives way to the name that comes later. NA when left empty."},
		{Name: crm.OptionKey, Label: "Unique field for the address", Hint: "The API name of a text field of Contacts that is an External ID and unique, such as Gatepost_Email__c. With it, Salesforce itself keeps an address from being there twice."},
	},
	Apps:       "Connected Apps OAuth Usage",
	ClientHint: "Salesforce calls it the consumer key, and the secret the consumer secret.",
	Deleted:    "It stays in the Recycle Bin there for 15 days.",
	Logins: &crm.Logins{
		Link: "Use a sandbox or My Domain",
		Places: []crm.Place{
			{Value: "production", Label: "Production", Hint: "login.salesforce.com", URL: "https://login.salesforce.com"},
			{Value: "sandbox", Label: "Sandbox", Hint: "test.salesforce.com", URL: "https://test.salesforce.com"},
			{Value: "mydomain", Label: "My Domain", Hint: "An address of your own, given below"},
		},
		Label: "My Domain address", Hint: "Such as contoso.my.salesforce.com: in Salesforce under Setup, My Domain.",
		Wrong: "That isn’t a Salesforce login address. A My Domain looks like contoso.my.salesforce.com; you find yours in Salesforce under Setup → My Domain.",
		Pages: "That is the address of Salesforce’s pages, not of its login. Take the same name with .my.salesforce.com at the end instead of .lightning.force.com.",
	},
	Refused: refused,
	Codes:   codes, Access: access,
}
