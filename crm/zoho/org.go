package zoho

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gatepost/crm"
)

// Organization is the org behind a connection. What Zoho didn't tell is empty.
type Organization struct {
	ID      string // its zgid, which is the same in all its life
	Name    string
	Type    string // production, sandbox, developer or bigin
	Edition string
	Sandbox bool   // or a developer's
	User    string // zuid of who connected, the same in all their orgs; of Inspect alone

	users int       // licences
	paid  bool      // or a trial, or free
	trial time.Time // when the trial ends or ended; zero for none
	pages string    // address of its pages, for people
}

const orgPath = apiPath + "/org"

var askOrg = request{method: http.MethodGet, path: orgPath, cost: 1}

// organization returns the org of the session, as it was at most so long ago.
func (c *Client) organization(ctx context.Context, age time.Duration) (Organization, error) {
	s, err := c.session(ctx, 0)
	if err != nil {
		return Organization{}, err
	}
	if k, ok := c.shared.org(s.AccessToken, c.now(), age); ok {
		if f := c.is(s, k.org); f != nil {
			return Organization{}, f
		}
		return k.org, nil
	}
	a, err := c.call(ctx, askOrg)
	if err != nil {
		return Organization{}, err
	}
	if f := c.learn(a); f != nil {
		return Organization{}, f
	}
	return c.known(), nil
}

// identify makes sure that a session is of the client's org: it asks Zoho, once for each
// token.
func (c *Client) identify(ctx context.Context, s Session) *crm.Failure {
	if k, ok := c.shared.org(s.AccessToken, c.now(), tokenLife); ok {
		return c.is(s, k.org)
	}
	a, f := c.send(ctx, s, askOrg)
	if f != nil {
		return f
	}
	return c.learn(a)
}

// learn keeps what an answer says of the org.
func (c *Client) learn(a answer) *crm.Failure {
	o, ok := parseOrg(a.body, a.by.InstanceURL)
	if !ok {
		return nonsense("unexpected answer about the org", false)
	}
	if f := c.is(a.by, o); f != nil {
		return f
	}
	c.shared.keep(a.by.AccessToken, o, c.now())
	c.spend(o.ID, askOrg.cost, a.header)
	return nil
}

// is fails unless an org is the client's, or the session's, where they are known.
func (c *Client) is(s Session, o Organization) *crm.Failure {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range []string{c.org.ID, s.OrgID} {
		if id != "" && id != o.ID {
			return &crm.Failure{Class: crm.Pause, Code: crm.OtherOrg, Detail: "Another org was connected in the meantime."}
		}
	}
	c.org = o
	return nil
}

// parseOrg reads the org out of an answer of the API at an address.
func parseOrg(body []byte, api string) (Organization, bool) {
	var in struct {
		Org []struct {
			ID      text   `json:"zgid"`
			Domain  string `json:"domain_name"`
			Name    string `json:"company_name"`
			Type    string `json:"type"`
			License struct {
				Paid    bool   `json:"paid"`
				Edition string `json:"paid_type"`
				Users   int    `json:"users_license_purchased"`
				Trial   string `json:"trial_expiry"`
			} `json:"license_details"`
		} `json:"org"`
	}
	if json.Unmarshal(body, &in) != nil || len(in.Org) != 1 || in.Org[0].ID == "" {
		return Organization{}, false
	}
	v := in.Org[0]
	o := Organization{ID: string(v.ID), Name: v.Name, Type: v.Type, Edition: v.License.Edition, Sandbox: v.Type == "sandbox" || v.Type == "developer",
		users: v.License.Users, paid: v.License.Paid}
	if v.Domain == "" {
		v.Domain = "org" + o.ID
	}
	o.pages = pagesOf(api) + "/crm/" + url.PathEscape(v.Domain)
	o.trial, _ = time.Parse(time.RFC3339, v.License.Trial) // zero where there is none
	return o, true
}

// pagesOf is where people see the orgs of a data centre, given the address of its API: at
// crm.zoho.eu for www.zohoapis.eu. A sandbox's pages are at the same host. Canada's is the
// one that differs. A host that isn't Zoho's own has its pages beside the API.
func pagesOf(api string) string {
	scheme, host, _ := strings.Cut(api, "://")
	for _, environment := range []string{"www.", "sandbox.", "developer."} {
		host = strings.TrimPrefix(host, environment)
	}
	switch domain, zohos := strings.CutPrefix(host, "zohoapis."); {
	case zohos && domain == "ca":
		host = "crm.zohocloud.ca"
	case zohos:
		host = "crm.zoho." + domain
	}
	return scheme + "://" + host
}

// edition is how many credits an edition of Zoho CRM has in 24 hours: API docs, "API
// limits". most is 0 where there is no cap.
type edition struct{ base, perUser, most int }

var editions = map[string]edition{
	"free":         {5_000, 0, 5_000},
	"standard":     {50_000, 250, 100_000},
	"starter":      {50_000, 250, 100_000},
	"professional": {50_000, 500, 3_000_000},
	"enterprise":   {50_000, 1_000, 5_000_000},
	"zohoone":      {50_000, 1_000, 5_000_000},
	"ultimate":     {50_000, 2_000, 0},
	"crmplus":      {50_000, 2_000, 0},
}

// credits are how many the org has in 24 hours without those that it bought, 0 where its
// edition isn't known.
func (o Organization) credits() int {
	name := strings.NewReplacer(" ", "", "_", "").Replace(strings.ToLower(o.Edition))
	if name == "" && !o.paid && o.ID != "" {
		name = "free"
	}
	e, ok := editions[name]
	if !ok {
		return 0
	}
	n := e.base + e.perUser*o.users
	if e.most > 0 {
		n = min(n, e.most)
	}
	return n
}
