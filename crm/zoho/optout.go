package zoho

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gatepost/crm"
)

// optOutField is the mark of Contacts and Leads that their people want no e-mail.
const optOutField = "Email_Opt_Out"

// withOptOut are the columns to be read, with the mark where it is asked for and the connected user may
// see it.
func (c *Client) withOptOut(own []string, o crm.Options) []string {
	if _, mapped := o.Read[optOutField]; o.OptOuts && !mapped && c.shared.showsOptOut(c.known().ID, c.now()) {
		return append(own, optOutField)
	}
	return own
}

// optOutHidden reports whether a look-up was refused since the user may not see the mark. It is asked for
// again an hour later.
func (c *Client) optOutHidden(err error, o crm.Options) bool {
	f, ok := errors.AsType[*crm.Failure](err)
	if !ok || !o.OptOuts || f.Field != optOutField || !c.shared.showsOptOut(c.known().ID, c.now()) {
		return false
	}
	c.shared.hideOptOut(c.known().ID, c.now())
	return true
}

// SetOptOuts sets the mark of Contacts and Leads, as crm.CRM says: a query for each module reads it of all, and
// a call changes those of whom it is to be changed. Zoho drops a field that may not be written without a
// word, so it is read once more. It has no marks for single kinds of e-mail.
func (c *Client) SetOptOuts(ctx context.Context, all []crm.OptOut) ([]crm.OptOutResult, error) {
	results := make([]crm.OptOutResult, len(all))
	var ids []string
	for _, w := range all {
		ids = append(ids, w.ID)
	}
	is, err := c.optOutsOf(ctx, ids)
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
		writes = append(writes, crm.Write{ID: all[i].ID, Own: map[string]crm.Value{optOutField: {Type: crm.TypeCheckbox, Text: fmt.Sprint(!all[i].Back)}}})
	}
	if len(writes) == 0 {
		return results, nil
	}
	return results, c.changeOptOuts(ctx, writes, of, all, results)
}

// changeOptOuts changes marks, and looks whether they were changed.
func (c *Client) changeOptOuts(ctx context.Context, writes []crm.Write, of []int, all []crm.OptOut, results []crm.OptOutResult) error {
	done, err := c.Write(ctx, writes, crm.Options{})
	if err != nil {
		return err
	}
	var ids []string
	for i, r := range done {
		if results[of[i]].Err = r.Err; isNoOptOut(r.Err) {
			results[of[i]].Err = noOptOut(r.Err)
		}
		if r.Err == nil {
			ids = append(ids, writes[i].ID)
		}
	}
	is, err := c.optOutsOf(ctx, ids)
	if err != nil {
		return err
	}
	for _, n := range of {
		if out, there := is[all[n].ID]; results[n].Err == nil && there && out == all[n].Back {
			results[n].Err = &crm.Failure{Class: crm.Recorded, Code: crm.NoOptOut, Detail: "Zoho CRM left the field out."}
		}
	}
	return nil
}

// optOutsOf are the marks of those records that are there, by their ids. A Lead that was converted isn't
// there any more.
func (c *Client) optOutsOf(ctx context.Context, ids []string) (map[string]bool, error) {
	numbers := map[string][]string{} // by module
	for _, id := range ids {
		if module, number, _ := strings.Cut(id, "/"); isID(id) {
			numbers[module] = append(numbers[module], number)
		}
	}
	is := map[string]bool{}
	for module, some := range numbers {
		p := place{module: module, field: "id", own: []string{optOutField}}
		got, err := c.queryPage(ctx, p, some, 0)
		if err != nil {
			return nil, err
		}
		for _, r := range got.Data {
			gone := false
			if module == leads {
				if gone, err = c.wasConverted(ctx, r); err != nil {
					return nil, err
				}
			}
			if !gone {
				is[module+"/"+r.text("id")] = r.optedOut()
			}
		}
	}
	return is, nil
}

func (r row) optedOut() bool { out, _ := r[optOutField].(bool); return out }

// isNoOptOut reports whether a failure is about the mark, which the user may not see or set.
func isNoOptOut(err error) bool {
	f, ok := errors.AsType[*crm.Failure](err)
	return ok && !f.Unknown && f.Field == optOutField
}

// noOptOut is a failure of the mark as callers know it.
func noOptOut(err error) *crm.Failure {
	return &crm.Failure{Class: crm.Recorded, Code: crm.NoOptOut, Detail: crm.Failed(err).Detail}
}

// Subscriptions are none: see crm.CRM.
func (c *Client) Subscriptions(context.Context) ([]crm.Subscription, error) { return nil, nil }
