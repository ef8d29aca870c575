package salesforce

import (
	"context"
	"net/http"
	"net/url"
)

// Organization is the org behind a connection.
type Organization struct {
	ID, Name string
	Sandbox  bool
}

// Organization asks Salesforce for the org's name and kind.
func (c *Client) Organization(ctx context.Context) (Organization, error) {
	query := url.QueryEscape("SELECT Id, Name, IsSandbox FROM Organization LIMIT 1")
	body, err := c.call(ctx, request{method: http.MethodGet, path: queryPath + query})
	if err != nil {
		return Organization{}, err
	}
	p, err := parsePage(body)
	if err != nil {
		return Organization{}, err
	}
	if len(p.Records) != 1 {
		return Organization{}, nonsense("no organization in the answer", false)
	}
	o := p.Records[0]
	return Organization{ID: o.ID, Name: o.Name, Sandbox: o.IsSandbox}, nil
}
