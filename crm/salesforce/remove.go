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
	if !isID(id) {
		return "", &crm.Failure{Class: crm.Recorded, Code: "MALFORMED_ID"}
	}
	path := objectsPath + objectOf(id) + "/" + id
	body, err := c.call(ctx, request{method: http.MethodGet, path: path + "?fields=CreatedDate,LastModifiedDate", single: true})
	if isMissing(err) {
		return crm.Missing, nil
	}
	if err != nil {
		return "", err
	}
	var contact struct{ CreatedDate, LastModifiedDate string }
	if json.Unmarshal(body, &contact) != nil || contact.CreatedDate == "" {
		return "", nonsense("unexpected answer of a record's times", false)
	}
	if contact.LastModifiedDate != contact.CreatedDate {
		return crm.Changed, nil
	}
	_, err = c.call(ctx, request{method: http.MethodDelete, path: path, write: true, single: true})
	if isMissing(err) {
		return crm.Missing, nil
	}
	if err != nil {
		return "", err
	}
	return crm.Deleted, nil
}

// isMissing reports whether a call was refused since its record isn't there.
func isMissing(err error) bool {
	var f *crm.Failure
	return errors.As(err, &f) && (f.Code == "NOT_FOUND" || f.Code == "ENTITY_IS_DELETED")
}
