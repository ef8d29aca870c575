package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"gatepost/crm"
)

// settlesIn is how long HubSpot goes on changing a new contact by itself: it works out
// properties of its own, and notes that as a change.
const settlesIn = 3 * time.Second

// Remove deletes a contact, as crm.CRM says. HubSpot has no conditional requests: so it is
// looked at first. Who changes it within three seconds after it was made, or between the look
// and the deletion, isn't seen; it then lies in HubSpot's recycle bin for 90 days. One that
// was merged into another is changed.
func (c *Client) Remove(ctx context.Context, id string) (crm.Removed, error) {
	if id == "" || id == "." || id == ".." {
		return "", &crm.Failure{Class: crm.Recorded, Code: badRequest}
	}
	path := contactsPath + "/" + url.PathEscape(id)
	a, err := c.call(ctx, request{method: http.MethodGet, path: path})
	if isMissing(err) {
		return crm.Missing, nil
	}
	if err != nil {
		return "", err
	}
	var is struct {
		ID                   string
		CreatedAt, UpdatedAt time.Time
	}
	if json.Unmarshal(a.body, &is) != nil || is.ID == "" || is.CreatedAt.IsZero() || is.UpdatedAt.IsZero() {
		return "", nonsense("unexpected answer of a contact's times", false)
	}
	if is.ID != id || is.UpdatedAt.Sub(is.CreatedAt) > settlesIn {
		return crm.Changed, nil
	}
	_, err = c.call(ctx, request{method: http.MethodDelete, path: path, write: true})
	if isMissing(err) {
		return crm.Missing, nil
	}
	if err != nil {
		return "", err
	}
	return crm.Deleted, nil
}

// isMissing reports whether a call was refused since what it is about isn't there.
func isMissing(err error) bool {
	f, ok := errors.AsType[*crm.Failure](err)
	return ok && f.Code == notFound
}
