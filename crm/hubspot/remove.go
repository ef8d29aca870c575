package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
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
	return crm.Remove(func() (there, changed bool, err error) {
		is, err := c.retrieve(ctx, id, nil)
		return is != nil, is != nil && is.changed(id), err
	}, func() error {
		_, err := c.call(ctx, request{method: http.MethodDelete, path: contactPath(id), write: true})
		return asGone(err)
	})
}

func contactPath(id string) string { return contactsPath + "/" + url.PathEscape(id) }

// timed is a contact with its times.
type timed struct {
	contact
	CreatedAt, UpdatedAt time.Time
}

// changed reports whether somebody changed what was made as the contact with an id, or merged it into another.
func (r timed) changed(id string) bool { return r.ID != id || r.UpdatedAt.Sub(r.CreatedAt) > settlesIn }

// retrieve reads a contact with some properties, or with HubSpot's choice of them; nil when there is none.
func (c *Client) retrieve(ctx context.Context, id string, properties []string) (*timed, error) {
	if id == "" || id == "." || id == ".." {
		return nil, &crm.Failure{Class: crm.Recorded, Code: badRequest}
	}
	path := contactPath(id)
	if len(properties) > 0 {
		path += "?properties=" + url.QueryEscape(strings.Join(properties, ","))
	}
	a, err := c.call(ctx, request{method: http.MethodGet, path: path})
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	is := &timed{}
	if json.Unmarshal(a.body, is) != nil || is.ID == "" || is.CreatedAt.IsZero() || is.UpdatedAt.IsZero() {
		return nil, nonsense("unexpected answer of a contact's times", false)
	}
	return is, nil
}

// isMissing reports whether a call was refused since what it is about isn't there.
func isMissing(err error) bool {
	f, ok := errors.AsType[*crm.Failure](err)
	return ok && f.Code == notFound
}

// asGone is the failure of a call about a contact, with the code Gone when that isn't there.
func asGone(err error) error {
	if isMissing(err) {
		return &crm.Failure{Class: crm.Recorded, Code: crm.Gone}
	}
	return err
}
