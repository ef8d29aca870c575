package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"gatepost/crm"
)

// Remove deletes a Contact or a Lead, as crm.CRM says. Salesforce has conditional requests, but not
// for DELETE (REST API Developer Guide, Conditional Request Headers): so it is looked at
// first. Its times are in whole seconds, and who changes it between the look and the
// deletion isn't seen; it then lies in Salesforce's Recycle Bin for 15 days.
func (c *Client) Remove(ctx context.Context, id string) (crm.Removed, error) {
	return crm.Remove(func() (there, changed bool, err error) {
		is, err := c.retrieve(ctx, id, "?fields=CreatedDate,LastModifiedDate")
		return is != nil, is.changed(), err
	}, func() error {
		_, err := c.call(ctx, request{method: http.MethodDelete, path: recordPath(id), write: true, single: true})
		return asGone(err)
	})
}

func recordPath(id string) string { return objectsPath + objectOf(id) + "/" + id }

// retrieve reads a Contact or a Lead, with its times, nil when there is none.
func (c *Client) retrieve(ctx context.Context, id, query string) (is row, err error) {
	if !isID(id) {
		return nil, &crm.Failure{Class: crm.Recorded, Code: "MALFORMED_ID"}
	}
	body, err := c.call(ctx, request{method: http.MethodGet, path: recordPath(id) + query, single: true})
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(body, &is) != nil || is.text("CreatedDate") == "" {
		return nil, nonsense("unexpected answer of a record's times", false)
	}
	return is, nil
}

// changed reports whether a record was changed since it was made.
func (r row) changed() bool { return r.text("LastModifiedDate") != r.text("CreatedDate") }

// isMissing reports whether a call was refused since its record isn't there.
func isMissing(err error) bool {
	var f *crm.Failure
	return errors.As(err, &f) && (f.Code == "NOT_FOUND" || f.Code == "ENTITY_IS_DELETED")
}

// asGone is the failure of a call about a record, with the code Gone when that isn't there.
func asGone(err error) error {
	if isMissing(err) {
		return &crm.Failure{Class: crm.Recorded, Code: crm.Gone}
	}
	return err
}
