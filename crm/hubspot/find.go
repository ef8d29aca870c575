package hubspot

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"gatepost/crm"
)

// wanted are the properties that are asked for. Others come through additional addresses,
// from a merge for example.
var wanted = []string{"email", "hs_additional_emails", "firstname", "lastname", "lastmodifieddate"}

// reading is the body of a batch that reads.
type reading struct {
	IDProperty string   `json:"idProperty"`
	Properties []string `json:"properties"`
	Inputs     []input  `json:"inputs"`
}

// Find returns the contacts that have the given addresses, as crm.CRM says: as their
// primary address, as an additional one, or in the unique property. It doesn't search,
// since HubSpot's index lags behind, and one that it doesn't know yet would be made again.
func (c *Client) Find(ctx context.Context, emails []string, o crm.Options) (map[string][]crm.Record, error) {
	asked := lowered(emails)
	found := map[string][]contact{}
	for _, property := range keys(o) {
		for part := range slices.Chunk(asked, inputsPerCall) {
			contacts, err := c.read(ctx, part, property, append(ownNames(o.Read), optOutNames(o)...)...)
			if err != nil {
				return nil, err
			}
			collect(found, contacts, property)
		}
	}
	out := make(map[string][]crm.Record, len(found))
	for _, email := range asked {
		if len(found[email]) > 0 {
			out[email] = records(found[email], o)
		}
	}
	return out, nil
}

// keys are the properties in which people are looked for.
func keys(o crm.Options) []string {
	if o.Key == "" {
		return []string{"email"}
	}
	return []string{"email", o.Key}
}

// read returns the contacts that have some values in a property, with further properties. That some aren't there is
// no failure.
func (c *Client) read(ctx context.Context, values []string, property string, own ...string) ([]contact, error) {
	r := reading{IDProperty: property, Properties: slices.Concat(wanted, own)}
	if !slices.Contains(r.Properties, property) {
		r.Properties = append(r.Properties, property)
	}
	for _, v := range values {
		r.Inputs = append(r.Inputs, input{ID: v})
	}
	b, err := c.batch(ctx, "read", r, request{})
	if err != nil {
		return nil, err
	}
	if f := b.failed(); f != nil {
		return nil, f
	}
	return b.Results, nil
}

// collect adds contacts to found, each under all that it is known by, and each once. An
// answer doesn't say which input led to which contact.
func collect(found map[string][]contact, contacts []contact, property string) {
	for _, r := range contacts {
		known := r.addresses()
		if property != "email" {
			known = append(known, r.text(property))
		}
		for _, name := range lowered(known) {
			if !slices.ContainsFunc(found[name], func(f contact) bool { return f.ID == r.ID }) {
				found[name] = append(found[name], r)
			}
		}
	}
}

// addresses are the contact's primary address and the additional ones.
func (r contact) addresses() []string {
	return append(strings.Split(r.text("hs_additional_emails"), ";"), r.text("email"))
}

// records are contacts as callers know them, the most recently changed first.
func records(contacts []contact, o crm.Options) []crm.Record {
	slices.SortStableFunc(contacts, func(a, b contact) int { return cmp.Compare(b.changed(), a.changed()) })
	out := make([]crm.Record, len(contacts))
	for i, r := range contacts {
		out[i] = crm.Record{ID: r.ID, Fields: crm.Fields{crm.Email: r.text("email"), crm.FirstName: r.text("firstname"), crm.LastName: r.text("lastname")}, Own: r.own(o.Read)}
		if o.OptOuts {
			out[i].OptedOut, out[i].OptedOutOf = r.optedOut(""), r.optedOutOf(o.Subscriptions)
		}
	}
	return out
}

// changed is when the contact was changed, in milliseconds; 0 where that isn't told.
func (r contact) changed() int64 {
	at, err := time.Parse(time.RFC3339, r.text("lastmodifieddate"))
	if err != nil {
		return 0
	}
	return at.UnixMilli()
}

// lowered are addresses as HubSpot keeps them: in lower case, each once.
func lowered(emails []string) []string {
	out := make([]string, 0, len(emails))
	for _, e := range emails {
		if e = lower(e); e != "" {
			out = append(out, e)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func lower(email string) string { return strings.ToLower(strings.TrimSpace(email)) }
