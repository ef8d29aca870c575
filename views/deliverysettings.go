package views

import "strconv"

// DeliverySettingsPage is for DeliverySettings, whose form posts csrf, one, several,
// leads, key, save and share to /integrations/{service}/settings.
type DeliverySettingsPage struct {
	Page
	Card        Integration
	One         string // fill, update or leave
	Several     string // newest or attention
	Leads       bool
	Key         string
	Save        bool   // what the CRM takes for a duplicate
	Placeholder string // the last name of who gave none
	Share       int    // percent
	Shares      []int  // to choose from
	Elsewhere   int    // people who are in another org than the one that is connected
	Errors      FieldErrors
}

// wrong is what is wrong with either form of the page.
func (p DeliverySettingsPage) wrong() FieldErrors {
	if p.Card.LoginError != "" {
		return FieldErrors{"my_domain": p.Card.LoginError}
	}
	return p.Errors
}

func (p DeliverySettingsPage) shares() (all []Option) {
	for _, share := range p.Shares {
		all = append(all, Option{strconv.Itoa(share), strconv.Itoa(share) + " %"})
	}
	return all
}

// fields are those that one types into.
func (p DeliverySettingsPage) fields() []field {
	return fields(p.Errors,
		field{Name: "placeholder", Label: "Last name when none is given", Value: p.Placeholder, Optional: true,
			Hint: "Salesforce demands a last name. This stands in for it in new Contacts, and gives way to the name that comes later. NA when left empty."},
		field{Name: "key", Label: "Unique field for the address", Value: p.Key, Optional: true,
			Hint: "The API name of a text field of Contacts that is an External ID and unique, such as Gatepost_Email__c. With it, Salesforce itself keeps an address from being there twice."})
}
