package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"gatepost/crm"
)

// details are what HubSpot tells of an account. What it didn't tell is empty.
type details struct {
	Portal   json.Number `json:"portalId"`
	Name     string      `json:"portalName"`
	Type     string      `json:"accountType"`
	TimeZone string      `json:"timeZone"`
	OffsetMS int         `json:"utcOffsetMilliseconds"`
	UIDomain string      `json:"uiDomain"`
}

// zone is the account's time zone; as far from UTC as it is now, where its name isn't known.
func (d details) zone() *time.Location {
	if zone, err := time.LoadLocation(d.TimeZone); err == nil && d.TimeZone != "" {
		return zone
	}
	return time.FixedZone("account", d.OffsetMS/1000)
}

// account asks HubSpot for the account's details, and takes from them where its pages are.
// An account that doesn't show them, though the app is let in, has none.
func (c *Client) account(ctx context.Context) (details, error) {
	a, err := c.call(ctx, request{method: http.MethodGet, path: detailsPath})
	var d details
	switch f, _ := errors.AsType[*crm.Failure](err); {
	case f != nil && f.Code == missingScopes:
	case err != nil:
		return d, err
	case json.Unmarshal(a.body, &d) != nil:
		return d, nonsense("unexpected answer of an account's details", false)
	case d.Portal.String() != c.Target().OrgID:
		return d, otherAccount()
	}
	c.shared.portal(c.Target().OrgID).keep(d, c.now())
	c.showAt(d)
	return d, nil
}

// showAt keeps where the account's pages are: on a host of HubSpot's, by data centre.
func (c *Client) showAt(d details) {
	base := "https://app.hubspot.com"
	switch {
	case isHubSpot(d.UIDomain):
		base = "https://" + d.UIDomain
	case d.UIDomain != "" && strings.HasSuffix(c.api, "://"+d.UIDomain):
		base = c.api // one host for all, as a simulated HubSpot has
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target.InstanceURL = base + "/contacts/" + c.target.OrgID
}

// isHubSpot reports whether a host is one of HubSpot's: what it is goes into links.
func isHubSpot(host string) bool {
	name, ok := strings.CutSuffix(host, ".hubspot.com")
	return ok && name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}
