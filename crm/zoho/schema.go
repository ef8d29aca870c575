package zoho

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gatepost/crm"
)

// The fields that name other records and can be set nevertheless.
const (
	ownerField  = "Owner"
	layoutField = "Layout"
)

// Schema describes Contacts, as crm.CRM says: in four calls, of one credit each.
func (c *Client) Schema(ctx context.Context) (crm.Schema, error) {
	d, err := c.describe(ctx)
	if err != nil {
		return crm.Schema{}, err
	}
	lead, err := c.describeLeads(ctx)
	if err != nil {
		return crm.Schema{}, err
	}
	l, err := c.layouts(ctx)
	if hidden(err) {
		err = nil
	}
	if err != nil {
		return crm.Schema{}, err
	}
	owners, err := c.owners(ctx)
	if err != nil && !hidden(err) {
		return crm.Schema{}, err
	}
	c.keepShared(d, lead)
	s := schemaOf(d, lead, l, owners)
	s.Fields = append(s.Fields, tags)
	return s, nil
}

// hidden reports whether Zoho refused a question, so that there is no use in asking again: the
// profile doesn't show it, or the connection lacks the scope.
func hidden(err error) bool {
	if err == nil {
		return false
	}
	f := crm.Failed(err)
	return slices.Contains([]string{noPermission, scopeMismatch, "AUTHORIZATION_FAILED", "INVALID_MODULE"}, f.Code)
}

// describeLeads asks for the fields of Leads; there are none where the connected user may not see
// them.
func (c *Client) describeLeads(ctx context.Context) (d described, err error) {
	err = c.get(ctx, "/settings/fields?module="+leads, &d)
	if hidden(err) {
		return described{}, nil
	}
	return d, err
}

// layout is a layout of Contacts, with what it demands.
type layout struct {
	ID       text   `json:"id"`
	Name     string `json:"name"`
	Status   string `json:"status"`
	Sections []struct {
		Fields []struct {
			Name     string `json:"api_name"`
			Label    string `json:"field_label"`
			Required bool   `json:"required"`
		} `json:"fields"`
	} `json:"sections"`
}

// layouts asks for the layouts of Contacts that are in use.
func (c *Client) layouts(ctx context.Context) ([]layout, error) {
	var in struct {
		Layouts []layout `json:"layouts"`
	}
	err := c.get(ctx, "/settings/layouts?module="+contacts, &in)
	return slices.DeleteFunc(in.Layouts, func(l layout) bool { return l.Status != "" && l.Status != "active" }), err
}

func (l layout) demands(field string) bool {
	for _, s := range l.Sections {
		for _, f := range s.Fields {
			if f.Name == field {
				return f.Required
			}
		}
	}
	return false
}

// owners are the users of the org who are active.
func (c *Client) owners(ctx context.Context) (all []crm.Choice, err error) {
	var in struct {
		Users []struct {
			ID   text   `json:"id"`
			Name string `json:"full_name"`
		} `json:"users"`
	}
	err = c.get(ctx, fmt.Sprintf("/users?type=ActiveUsers&per_page=%d", crm.MaxChoices), &in)
	for _, u := range in.Users {
		all = append(all, crm.Choice{Value: string(u.ID), Label: u.Name})
	}
	return all, err
}

// schemaOf is what can be set in Contacts.
func schemaOf(d, lead described, layouts []layout, owners []crm.Choice) (s crm.Schema) {
	shared := sharedKeys(d, lead)
	for _, f := range d.Fields {
		s1, ok := f.schemaField(owners)
		if !ok {
			continue
		}
		var demanding []string
		for _, l := range layouts {
			if l.demands(s1.Key) {
				demanding = append(demanding, "“"+l.Name+"”")
			}
		}
		switch {
		case len(demanding) > 0 && len(demanding) == len(layouts):
			s1.Required = true
		case len(demanding) > 0:
			s1.Hint = joined(s1.Hint, "Required in the layout "+strings.Join(demanding, " and ")+".")
		}
		if len(lead.Fields) > 0 && !slices.Contains(shared, s1.Key) {
			s1.Hint = joined(s1.Hint, "Only Contacts have it: it is left out where somebody is a Lead.")
		}
		s.Fields = append(s.Fields, s1)
	}
	if len(layouts) > 1 {
		s.Fields = append(s.Fields, layoutChoice(layouts, len(lead.Fields) > 0))
	}
	return s
}

// layoutChoice is the layout, where there is one to choose.
func layoutChoice(layouts []layout, leads bool) crm.SchemaField {
	f := crm.SchemaField{Key: layoutField, Label: "Layout", Type: crm.TypeChoice, Closed: true, Create: true, Update: true,
		Hint: "It decides which fields are required. Without one, Zoho CRM takes its standard layout."}
	if leads {
		f.Hint = joined(f.Hint, "Only Contacts have it: it is left out where somebody is a Lead.")
	}
	for _, l := range layouts {
		f.Values = append(f.Values, crm.Choice{Value: string(l.ID), Label: l.Name})
	}
	return f
}

// sharedKeys are the keys of the fields that Contacts and Leads both have, and that take the same
// values. Each module has layouts of its own.
func sharedKeys(d, lead described) (keys []string) {
	somebody := []crm.Choice{{}} // whom both may have for an owner
	for _, f := range d.Fields {
		mine, ok := f.schemaField(somebody)
		if !ok {
			continue
		}
		for _, l := range lead.Fields {
			theirs, ok := l.schemaField(somebody)
			if ok && theirs.Key == mine.Key && theirs.Type == mine.Type && slices.Equal(theirs.Values, mine.Values) {
				keys = append(keys, mine.Key)
			}
		}
	}
	return keys
}

func joined(sentences ...string) string { return strings.TrimSpace(strings.Join(sentences, " ")) }

// passedOver are fields that can be set, but not by a sign-up: further addresses, by which Zoho would
// find somebody, and what has a way of its own.
var passedOver = []string{"Secondary_Email", "Full_Name", "Tag", layoutField, "Locked__s"}

// schemaField is a field as callers know it; ok is false for one that nothing can be mapped to.
func (f describedField) schemaField(owners []crm.Choice) (s crm.SchemaField, ok bool) {
	if !f.May.Create && !f.May.Update || f.ReadOnly || f.Shown || f.Virtual || slices.Contains(ours, f.Name) || slices.Contains(passedOver, f.Name) {
		return s, false
	}
	s = crm.SchemaField{Key: f.Name, Label: f.Label, Create: f.May.Create, Update: f.May.Update, Required: f.Mandatory}
	if f.Name == ownerField && f.Type == "ownerlookup" {
		s.Label, s.Type, s.Values, s.Closed, s.Refers = "Owner", crm.TypeChoice, owners, len(owners) < crm.MaxChoices, true
		s.Hint = "The user who connected owns new records unless another one is set."
		return s, len(owners) > 0
	}
	if s.Type, ok = types[f.Type]; !ok || f.JSON == "jsonobject" || f.Area.Type == "rich_text" {
		return s, false
	}
	switch s.Type {
	case crm.TypeChoice, crm.TypeChoices:
		s.Closed, s.Values = true, f.choices(s.Type)
	case crm.TypeText, crm.TypeLongText, crm.TypeEmail, crm.TypePhone, crm.TypeURL:
		s.Length = f.Length
	}
	if s.Closed && len(s.Values) == 0 {
		return s, false // it takes nothing
	}
	if f.Name == "Lead_Source" {
		s = s.Offering("Newsletter")
	}
	if f.Name == "Email_Opt_Out" {
		s.Hint = "Zoho CRM mails nobody who has it ticked. Set it only in new records, or somebody’s wish to get no mail may be undone."
	}
	return s, true
}

// types are those of Zoho's fields that something can be mapped to.
var types = map[string]crm.ValueType{
	"text": crm.TypeText, "textarea": crm.TypeLongText, "email": crm.TypeEmail, "phone": crm.TypePhone, "website": crm.TypeURL,
	"picklist": crm.TypeChoice, "multiselectpicklist": crm.TypeChoices, "boolean": crm.TypeCheckbox, "date": crm.TypeDate, "datetime": crm.TypeTime,
	"integer": crm.TypeInteger, "double": crm.TypeNumber, "currency": crm.TypeNumber, "percent": crm.TypeNumber,
}

// noPick is what a picklist shows that holds nothing.
const noPick = "-None-"

// choices are the values in use. It is the value as shown that is written.
func (f describedField) choices(t crm.ValueType) (all []crm.Choice) {
	for _, p := range f.Picks {
		if p.Display == noPick || p.Type == "unused" || t == crm.TypeChoices && strings.Contains(p.Display, ";") {
			continue
		}
		all = append(all, crm.Choice{Value: p.Display})
	}
	return all
}
