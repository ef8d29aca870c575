package hubspot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gatepost/crm"
)

// ownersPath is where HubSpot lists those who can own a contact. It takes a scope of its own.
const ownersPath = "/crm/owners/" + apiVersion

// The properties that there is something to be said of.
const (
	ownerProperty = "hubspot_owner_id"
	stageProperty = "lifecyclestage"
)

// maxText is how many characters HubSpot keeps of a text.
const maxText = 65_536

// Schema describes contacts, as crm.CRM says: in one call, and one more for the owners. HubSpot's API
// demands no property of a contact.
func (c *Client) Schema(ctx context.Context) (crm.Schema, error) {
	all, err := listed[property](ctx, c, propertiesPath)
	if err != nil {
		return crm.Schema{}, err
	}
	owners, err := c.owners(ctx)
	if f := crm.Failed(err); err != nil && f.Code != missingScopes && f.Code != forbidden {
		return crm.Schema{}, err
	}
	return schemaOf(all, owners), nil
}

// owners are those who can own a contact, where the connection may ask for them.
func (c *Client) owners(ctx context.Context) (all []crm.Choice, err error) {
	people, err := listed[struct {
		ID    string `json:"id"`
		Type  string `json:"type"`
		Email string `json:"email"`
		First string `json:"firstName"`
		Last  string `json:"lastName"`
	}](ctx, c, fmt.Sprintf("%s?limit=%d&archived=false", ownersPath, crm.MaxChoices))
	for _, p := range people {
		if p.Type == "QUEUE" {
			continue // of tickets
		}
		name := strings.TrimSpace(p.First + " " + p.Last)
		if name == "" {
			name = p.Email
		}
		all = append(all, crm.Choice{Value: p.ID, Label: name})
	}
	return all, err
}

// schemaOf is what can be set in contacts.
func schemaOf(all []property, owners []crm.Choice) (s crm.Schema) {
	for _, p := range all {
		if f, ok := p.schemaField(owners); ok {
			s.Fields = append(s.Fields, f)
		}
	}
	return s
}

// usable are those of HubSpot's own properties, whose names begin with hs_, that a sign-up may fill in:
// the others keep what HubSpot's features find out.
var usable = []string{"hs_lead_status", "hs_language", "hs_legal_basis", "hs_persona", "hs_marketable_status"}

// passedOver are properties that can be set, but not by a sign-up.
var passedOver = []string{"associatedcompanyid", "hubspot_team_id"}

// schemaField is a property as callers know it; ok is false for one that nothing can be mapped to.
func (p property) schemaField(owners []crm.Choice) (s crm.SchemaField, ok bool) {
	builtIn := p.Defined && strings.HasPrefix(p.Name, "hs_") && !slices.Contains(usable, p.Name)
	if !p.writable() || p.Hidden || builtIn || slices.Contains(ours, p.Name) || slices.Contains(passedOver, p.Name) || !p.open() {
		return s, false
	}
	s = crm.SchemaField{Key: p.Name, Label: p.Label, Create: true, Update: true}
	if p.Name == ownerProperty {
		return ownerField(s, owners), true
	}
	if s.Type, ok = p.valueType(); !ok {
		return s, false
	}
	switch s.Type {
	case crm.TypeChoice, crm.TypeChoices:
		s.Closed, s.Values = true, p.choices()
	case crm.TypeText, crm.TypeLongText, crm.TypePhone:
		s.Length = maxText
	}
	if s.Closed && len(s.Values) == 0 {
		return s, false // its options are elsewhere, or hidden
	}
	if p.Name == stageProperty {
		s = s.Offering("subscriber")
		s.Hint = "It moves forward alone: HubSpot leaves a contact in its stage when the new one is an earlier one."
	}
	return s, true
}

// open reports whether a property can be read and written without scopes for what is sensitive.
func (p property) open() bool { return p.Sensitivity == "" || p.Sensitivity == "non_sensitive" }

// ownerField is the owner: to be chosen, where the owners are known.
func ownerField(s crm.SchemaField, owners []crm.Choice) crm.SchemaField {
	s.Type, s.Values, s.Closed, s.Refers = crm.TypeChoice, owners, len(owners) > 0 && len(owners) < crm.MaxChoices, true
	if len(owners) == 0 {
		s.Hint = "Enter the number that HubSpot has for the owner. To choose from a list, the connection needs the permission crm.objects.owners.read."
	}
	return s
}

// valueType is what a property holds; ok is false where that is nothing that can be mapped.
func (p property) valueType() (t crm.ValueType, ok bool) {
	for _, kind := range []string{p.Type + " " + p.FieldType, p.Type} {
		if t, ok = types[kind]; ok {
			return t, t != ""
		}
	}
	return "", false
}

// types are by HubSpot's type, and by that and the kind of field where that matters. Markup can't be
// mapped, nor can files.
var types = map[string]crm.ValueType{
	"string": crm.TypeText, "string textarea": crm.TypeLongText, "string phonenumber": crm.TypePhone, "string html": "", "string file": "",
	"phone_number": crm.TypePhone, "number": crm.TypeNumber, "date": crm.TypeDate, "datetime": crm.TypeTime, "bool": crm.TypeCheckbox,
	"enumeration": crm.TypeChoice, "enumeration checkbox": crm.TypeChoices, "enumeration booleancheckbox": crm.TypeCheckbox,
}

// choices are the options that people see.
func (p property) choices() (all []crm.Choice) {
	for _, o := range p.Options {
		if o.Hidden || strings.Contains(o.Value, ";") {
			continue
		}
		one := crm.Choice{Value: o.Value}
		if o.Label != o.Value {
			one.Label = o.Label
		}
		all = append(all, one)
	}
	return all
}
