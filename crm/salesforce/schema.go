package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatepost/crm"
)

// leadPrefix is what the key of a field begins with that only Leads have, or that is another one
// there than that of the same name in Contacts. A key without it is a field of Contacts, and of
// Leads too where they have the same.
const leadPrefix = "Lead."

// The fields that name other records and can be set nevertheless.
const (
	ownerField      = "OwnerId"
	recordTypeField = "RecordTypeId"
	accountField    = "AccountId"
	companyField    = "Company"
)

// shownAccounts is how many accounts are offered: nobody reads more, and an id can be entered.
const shownAccounts = 50

// Schema describes Contacts and Leads, as crm.CRM says, in one API call. Leads that the connected
// user may not see aren't there.
func (c *Client) Schema(ctx context.Context) (crm.Schema, error) {
	get := func(path string) part { return part{Method: http.MethodGet, URL: path} }
	query := func(soql string) part { return get(queryPath + url.QueryEscape(soql)) }
	answers, err := c.composite(ctx, []part{
		get(apiPath + "/sobjects/Contact/describe"),
		get(apiPath + "/sobjects/Lead/describe"),
		query(fmt.Sprintf("SELECT Id, Name FROM User WHERE IsActive = true AND UserType = 'Standard' ORDER BY Name LIMIT %d", crm.MaxChoices)),
		query(fmt.Sprintf("SELECT Id, Name FROM Account ORDER BY LastModifiedDate DESC LIMIT %d", shownAccounts)),
		get(apiPath + "/sobjects/CampaignMember/describe"),
		query(fmt.Sprintf("SELECT Id, Name FROM Campaign WHERE IsActive = true ORDER BY LastModifiedDate DESC LIMIT %d", crm.MaxChoices)),
		get(apiPath + "/sobjects/Account/describe"),
	}, false)
	if err != nil {
		return crm.Schema{}, err
	}
	contact, f := parseDescribed(answers[0])
	if f != nil {
		return crm.Schema{}, f
	}
	// What the connected user may not see of the rest isn't there.
	lead, _ := parseDescribed(answers[1])
	member, _ := parseDescribed(answers[4])
	c.keepShape(contact, lead)
	s := schemaOf(contact, lead, choices{owners: parseNamed(answers[2]), accounts: parseNamed(answers[3])})
	account, _ := parseDescribed(answers[6])
	if f, ok := accountTarget(contact, account); ok {
		s.Fields = append(s.Fields, f)
	}
	s.Fields = append(s.Fields, targets(lead, member, parseNamed(answers[5]))...)
	return s, nil
}

// parseDescribed reads what describe said of an object.
func parseDescribed(a answer) (described, *crm.Failure) {
	if f := a.refusal(false); f != nil {
		return described{}, f
	}
	var d described
	if json.Unmarshal(a.Body, &d) != nil || len(d.Fields) == 0 {
		return described{}, nonsense("unexpected answer of an object's description", false)
	}
	return d, nil
}

// choices are the records that fields may name. Those that couldn't be asked for are empty.
type choices struct{ owners, accounts []crm.Choice }

// parseNamed reads the records of a query by their names; none where it was refused.
func parseNamed(a answer) (all []crm.Choice) {
	if a.refusal(false) != nil {
		return nil
	}
	p, err := parsePage(a.Body)
	if err != nil {
		return nil
	}
	for _, r := range p.Records {
		all = append(all, crm.Choice{Value: r.text("Id"), Label: r.text("Name")})
	}
	return all
}

// schemaOf is what can be set in Contacts and Leads.
func schemaOf(contact, lead described, c choices) (s crm.Schema) {
	leads := lead.schemaFields(c)
	shared := sharedKeys(contact, lead)
	for _, f := range contact.schemaFields(c) {
		i := slices.IndexFunc(leads, func(l crm.SchemaField) bool { return l.Key == f.Key })
		switch {
		case len(leads) == 0:
		case slices.Contains(shared, f.Key):
			f.Length = shorter(f.Length, leads[i].Length)
			if leads[i].Required && !f.Required {
				f.Hint = joined(f.Hint, "A new Lead needs it.")
			}
		default:
			f.Hint = joined(f.Hint, "Only Contacts have it: it is left out where somebody is a Lead.")
		}
		s.Fields = append(s.Fields, f)
	}
	for _, f := range leads {
		if slices.Contains(shared, f.Key) {
			continue
		}
		f.Hint = joined(f.Hint, leadHint(f))
		f.Key, f.Label, f.Required = leadPrefix+f.Key, f.Label+" (Lead)", false
		s.Fields = append(s.Fields, f)
	}
	return s
}

// leadHint is what is to be known of a field that only Leads have.
func leadHint(f crm.SchemaField) string {
	switch {
	case f.Key == companyField:
		return "Only Leads have it. A new Lead needs a company: where there is none, what stands for a missing last name stands for it too."
	case f.Required:
		return "Only Leads have it, and a new Lead needs it."
	}
	return "Only Leads have it: it is left out where somebody is a Contact."
}

// sharedKeys are the keys of the fields that Contacts and Leads both have, and that take the same
// values. Record types are each object's own.
func sharedKeys(contact, lead described) (keys []string) {
	somebody := choices{owners: []crm.Choice{{}}} // whom both may have for an owner
	theirs := lead.schemaFields(somebody)
	for _, f := range contact.schemaFields(somebody) {
		same := func(l crm.SchemaField) bool {
			return l.Key == f.Key && l.Type == f.Type && (!f.Closed && !l.Closed || slices.Equal(f.Values, l.Values))
		}
		if f.Key != recordTypeField && slices.ContainsFunc(theirs, same) {
			keys = append(keys, f.Key)
		}
	}
	return keys
}

func shorter(a, b int) int {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

func joined(sentences ...string) string { return strings.TrimSpace(strings.Join(sentences, " ")) }

// passedOver are fields that can be set, but not by a sign-up: those that Salesforce's own
// features keep.
var passedOver = []string{"Jigsaw", "CleanStatus", "EmailBouncedReason", "EmailBouncedDate"}

// schemaFields are the fields of an object that the connected user can set, in its order.
func (d described) schemaFields(c choices) (all []crm.SchemaField) {
	for _, f := range d.Fields {
		if s, ok := d.schemaField(f, c); ok {
			all = append(all, s)
		}
	}
	return all
}

// schemaField is a field as callers know it; ok is false for one that nothing can be mapped to.
func (d described) schemaField(f describedField, c choices) (s crm.SchemaField, ok bool) {
	if !f.Createable && !f.Updateable || f.Hidden || f.Calculated || f.AutoNumber || f.HTML || slices.Contains(ours, f.Name) || slices.Contains(passedOver, f.Name) {
		return s, false
	}
	s = crm.SchemaField{Key: f.Name, Label: f.Label, Create: f.Createable, Update: f.Updateable,
		Required: f.Createable && !f.Nillable && !f.DefaultedOnCreate}
	if f.Type == "reference" {
		return d.reference(s, c)
	}
	if s.Type, ok = types[f.Type]; !ok {
		return s, false
	}
	switch s.Type {
	case crm.TypeChoice, crm.TypeChoices:
		s.Closed, s.Values = f.Restricted, f.values()
	case crm.TypeText, crm.TypeLongText, crm.TypeEmail, crm.TypePhone, crm.TypeURL:
		s.Length = f.Length
	}
	if s.Closed && len(s.Values) == 0 {
		return s, false // it takes nothing
	}
	s.Hint = f.hint()
	if f.Name == "LeadSource" {
		s = s.Offering("Newsletter")
	}
	return s, true
}

// types are those of Salesforce's fields that something can be mapped to.
var types = map[string]crm.ValueType{
	"string": crm.TypeText, "encryptedstring": crm.TypeText, "textarea": crm.TypeLongText, "email": crm.TypeEmail, "phone": crm.TypePhone, "url": crm.TypeURL,
	"boolean": crm.TypeCheckbox, "date": crm.TypeDate, "datetime": crm.TypeTime, "int": crm.TypeInteger, "long": crm.TypeInteger,
	"double": crm.TypeNumber, "currency": crm.TypeNumber, "percent": crm.TypeNumber,
	"picklist": crm.TypeChoice, "combobox": crm.TypeChoice, "multipicklist": crm.TypeChoices,
}

// values are the values of a picklist that are in use.
func (f describedField) values() (all []crm.Choice) {
	for _, v := range f.Picklist {
		if !v.Active || f.Type == "multipicklist" && strings.Contains(v.Value, ";") {
			continue
		}
		one := crm.Choice{Value: v.Value}
		if v.Label != v.Value {
			one.Label = v.Label
		}
		all = append(all, one)
	}
	return all
}

func (f describedField) hint() string {
	switch {
	case f.Name == "HasOptedOutOfEmail":
		return "Salesforce mails nobody who has it ticked. Set it only in new records, or somebody’s wish to get no mail may be undone."
	case f.Dependent:
		return "Which of its values Salesforce takes depends on the field " + f.Controller + "."
	}
	return ""
}

// reference is a field that names another record, of the few that can be set.
func (d described) reference(s crm.SchemaField, c choices) (crm.SchemaField, bool) {
	s.Type, s.Refers = crm.TypeChoice, true
	switch s.Key {
	case ownerField:
		s.Label, s.Values, s.Closed = "Owner", c.owners, len(c.owners) < crm.MaxChoices
		s.Hint = "The user who connected owns new records unless another one is set. Salesforce refuses an owner who is no longer active."
	case recordTypeField:
		s.Label, s.Values, s.Closed = "Record type", d.recordTypes(), true
		s.Hint = "Picklists may take fewer values in a record type than are listed here."
	case accountField:
		s.Label, s.Values = "Account", c.accounts
		s.Hint = joined("An account that is there; the id of one that isn’t listed can be entered. A Contact without an account is private: its owner and administrators alone see it.", personAccounts(d))
		return s, true
	default:
		return s, false
	}
	return s, len(s.Values) > 0
}

// recordTypes are those that the connected user may choose; none where there is only the
// master, which every org has.
func (d described) recordTypes() (all []crm.Choice) {
	for _, t := range d.RecordTypes {
		if t.Available && t.Active && !t.Master {
			all = append(all, crm.Choice{Value: t.ID, Label: t.Name})
		}
	}
	return all
}
