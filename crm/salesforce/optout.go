package salesforce

import (
	"context"
	"errors"
	"strings"

	"gatepost/crm"
)

// optOutField is the mark of Contacts and of Leads that their people want no e-mail. Many orgs show it to
// administrators alone.
const optOutField = "HasOptedOutOfEmail"

// withOptOut are the fields to be read of a place, with the mark where it is asked for and the connected user
// may see it.
func (c *Client) withOptOut(own []string, o crm.Options) []string {
	if _, mapped := o.Read[optOutField]; o.OptOuts && !mapped && c.shapes.showsOptOut(c.Target().OrgID) {
		return append(own, optOutField)
	}
	return own
}

// optOutHidden reports whether a look-up was refused since the user may not see the mark, and keeps
// that. It is asked for again an hour later.
func (c *Client) optOutHidden(err error, o crm.Options) bool {
	f, ok := errors.AsType[*crm.Failure](err)
	if !ok || !o.OptOuts || f.Code != "INVALID_FIELD" || f.Field != optOutField || !c.shapes.showsOptOut(c.Target().OrgID) {
		return false
	}
	c.shapes.hideOptOut(c.Target().OrgID)
	return true
}

// SetOptOuts sets the mark of Contacts and Leads, as crm.CRM says: one call reads it of all, and another one
// changes those of whom it is to be changed. Salesforce has no marks for single kinds of e-mail.
func (c *Client) SetOptOuts(ctx context.Context, all []crm.OptOut) ([]crm.OptOutResult, error) {
	results := make([]crm.OptOutResult, len(all))
	is, err := c.optOutsOf(ctx, all)
	switch {
	case isNoOptOut(err):
		for i := range results {
			results[i].Err = noOptOut(err)
		}
		return results, nil
	case err != nil:
		return nil, err
	}
	var writes []crm.Write
	of := crm.DueOptOuts(all, is, results) // the places of writes
	for _, i := range of {
		writes = append(writes, optOutWrite(all[i]))
	}
	done, err := c.Write(ctx, writes, crm.Options{})
	if err != nil {
		return nil, err
	}
	for i, r := range done {
		if results[of[i]].Err = r.Err; isNoOptOut(r.Err) {
			results[of[i]].Err = noOptOut(r.Err)
		}
	}
	return results, nil
}

// optOutWrite is the change of a record's mark. Of a Lead the key says so, so that it isn't asked which
// fields Leads have.
func optOutWrite(w crm.OptOut) crm.Write {
	key, to := optOutField, crm.Value{Type: crm.TypeCheckbox, Text: "true"}
	if objectOf(w.ID) == "Lead" {
		key = leadPrefix + key
	}
	if w.Back {
		to.Text = "false"
	}
	return crm.Write{ID: w.ID, Own: map[string]crm.Value{key: to}}
}

// optOutsOf are the marks of those records that are there, by their ids. A Lead that was converted isn't
// there any more.
func (c *Client) optOutsOf(ctx context.Context, all []crm.OptOut) (map[string]bool, error) {
	ids := map[string][]string{} // by object
	for _, w := range all {
		if isID(w.ID) {
			ids[objectOf(w.ID)] = append(ids[objectOf(w.ID)], w.ID)
		}
	}
	var urls []string
	for _, p := range []place{
		{object: "Contact", field: "Id", own: []string{optOutField}},
		{object: "Lead", field: "Id", own: []string{optOutField}, where: "IsConverted = false AND "},
	} {
		urls = append(urls, p.queries(ids[p.object])...)
	}
	is := map[string]bool{}
	if len(urls) == 0 {
		return is, nil
	}
	pages, err := c.query(ctx, urls)
	for _, p := range pages {
		for _, r := range p.Records {
			is[r.text("Id")] = r.optedOut()
		}
	}
	return is, err
}

func (r row) optedOut() bool { out, _ := r[optOutField].(bool); return out }

// isNoOptOut reports whether a failure is about the mark alone, which the user may not see or set.
func isNoOptOut(err error) bool {
	f, ok := errors.AsType[*crm.Failure](err)
	return ok && !f.Unknown && strings.TrimPrefix(f.Field, leadPrefix) == optOutField
}

// noOptOut is a failure of the mark as callers know it.
func noOptOut(err error) *crm.Failure {
	return &crm.Failure{Class: crm.Recorded, Code: crm.NoOptOut, Detail: crm.Failed(err).Detail}
}

// Subscriptions are none: see crm.CRM.
func (c *Client) Subscriptions(context.Context) ([]crm.Subscription, error) { return nil, nil }
