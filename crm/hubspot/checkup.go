package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"gatepost/crm"
)

// ours are the properties that a sign-up fills in.
var ours = []string{"email", "firstname", "lastname"}

// The scopes that are needed.
const (
	readScope  = "crm.objects.contacts.read"
	writeScope = "crm.objects.contacts.write"
)

// nobodys is an address that nobody has, to be looked up in a check-up.
const nobodys = "nobody-has-this@example.com"

// Organization is the account behind a connection. What HubSpot didn't tell is empty.
type Organization struct {
	Name    string
	Type    string // STANDARD, SANDBOX, DEVELOPER_TEST or APP_DEVELOPER
	Sandbox bool   // sign-ups arrive where nobody works
}

// CheckUp asks HubSpot whether sign-ups can arrive and what is in their way. A question that
// HubSpot doesn't answer is a finding of its own; an error means that nothing could be asked.
func (c *Client) CheckUp(ctx context.Context) ([]crm.Check, error) {
	_, checks, err := c.Inspect(ctx)
	return checks, err
}

// Inspect is CheckUp, and tells the account too. Whether contacts may be written can't be
// tried without writing one: of that, the scopes tell.
func (c *Client) Inspect(ctx context.Context) (Organization, []crm.Check, error) {
	d, err := c.account(ctx)
	if err != nil {
		return Organization{}, nil, err
	}
	s, err := c.session(ctx, 0)
	if err != nil {
		return Organization{}, nil, err
	}
	org := d.organization()
	checks := []crm.Check{{Level: crm.Fine, What: "The API of your HubSpot answers."}, checkAccount(d)}
	checks = append(checks, checkScopes(s.Scopes)...)
	checks = append(checks, c.checkProperties(ctx), c.checkReading(ctx), c.checkRules(ctx), c.checkWindow(s.OrgID), marketing)
	return org, checks, nil
}

// marketing is what is true of every account, and surprises people.
var marketing = crm.Check{Level: crm.Fine, What: "New contacts arrive as non-marketing contacts, unless your HubSpot says otherwise.",
	Meaning: "HubSpot sends them marketing e-mail only once somebody sets them as marketing contacts."}

// organization is the account with a name for people, which only newer accounts tell.
func (d details) organization() Organization {
	name := d.Name
	if name == "" && d.Portal != "" {
		name = "Account " + d.Portal.String()
	}
	return Organization{Name: name, Type: d.Type, Sandbox: slices.Contains([]string{"SANDBOX", "DEVELOPER_TEST", "APP_DEVELOPER"}, d.Type)}
}

// checkAccount says what kind of account it is.
func checkAccount(d details) crm.Check {
	if d.Portal == "" {
		return crm.Check{Level: crm.Warning, What: "What kind of account this is could not be looked at.", Meaning: "Links to contacts may take a detour."}
	}
	name := "The account " + d.Portal.String()
	if d.Name != "" {
		name = fmt.Sprintf("%s (%s)", d.Name, d.Portal)
	}
	if kind := map[string]string{"SANDBOX": "a sandbox", "DEVELOPER_TEST": "a test account", "APP_DEVELOPER": "an account for developing apps"}[d.Type]; kind != "" {
		return crm.Check{Level: crm.Warning, What: name + " is " + kind + ".", Meaning: "Sign-ups arrive in an account for trying, not where your colleagues work.",
			Who: crm.You, Mend: "Reconnect with your production account when you are done trying."}
	}
	return crm.Check{Level: crm.Fine, What: name + " is a production account."}
}

// checkScopes says whether contacts may be read and written, as far as the scopes tell.
func checkScopes(scopes []string) []crm.Check {
	if scopes == nil {
		return []crm.Check{{Level: crm.Warning, What: "Which permissions the connection has is not known.", Meaning: "The first sign-up shows whether contacts may be created."}}
	}
	var missing []string
	for _, need := range []string{readScope, writeScope} {
		if !slices.Contains(scopes, need) {
			missing = append(missing, need)
		}
	}
	if len(missing) > 0 {
		e := Provider.AskedOnce(missingScopes)
		return []crm.Check{{Level: crm.Stop, What: "The connection lacks " + strings.Join(missing, " and ") + ".", Meaning: "Sign-ups can’t arrive before that is mended.", Who: e.Who, Mend: e.Mend}}
	}
	checks := []crm.Check{{Level: crm.Fine, What: "The connection may read, create and edit contacts."}}
	if !mayOptOut(scopes) {
		checks = append(checks, crm.Check{Level: crm.Fine, What: "Who leaves a newsletter can’t be unsubscribed in HubSpot.", Meaning: "The connection lacks communication_preferences.read_write. A sign-up changes nothing of who opted out there."})
	}
	return checks
}

// property is the definition of a property of contacts.
type property struct {
	Name        string `json:"name"`
	Label       string `json:"label"`
	Type        string `json:"type"`
	FieldType   string `json:"fieldType"`
	Unique      bool   `json:"hasUniqueValue"`
	Hidden      bool   `json:"hidden"`
	Defined     bool   `json:"hubspotDefined"`
	Calculated  bool   `json:"calculated"`
	Sensitivity string `json:"dataSensitivity"`
	Options     []struct {
		Value  string `json:"value"`
		Label  string `json:"label"`
		Hidden bool   `json:"hidden"`
	} `json:"options"`
	Archived bool `json:"archived"`
	Metadata struct {
		ReadOnly bool `json:"readOnlyValue"`
	} `json:"modificationMetadata"`
}

func (p property) writable() bool { return !p.Archived && !p.Calculated && !p.Metadata.ReadOnly }

// isKey reports whether a property can tell contacts apart.
func (p property) isKey() bool { return p.Unique && p.Type == "string" && p.writable() }

// listed asks for a list.
func listed[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	a, err := c.call(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	var r struct {
		Results []T `json:"results"`
	}
	if json.Unmarshal(a.body, &r) != nil {
		return nil, nonsense("unexpected answer of a list", false)
	}
	return r.Results, nil
}

// checkProperties says whether the properties that a sign-up fills in can be.
func (c *Client) checkProperties(ctx context.Context) crm.Check {
	all, err := listed[property](ctx, c, propertiesPath)
	if err != nil {
		return couldNot("The properties of contacts", err)
	}
	missing := slices.Clone(ours)
	for _, p := range all {
		if p.writable() {
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == p.Name })
		}
	}
	if len(missing) > 0 {
		return crm.Check{Level: crm.Stop, What: "These properties of contacts can’t be filled in: " + strings.Join(missing, ", ") + ".", Meaning: "Every sign-up would need attention.",
			Who: crm.Admin, Mend: seeProperty}
	}
	return crm.Check{Level: crm.Fine, What: "A contact’s address and names can be filled in."}
}

// checkReading looks somebody up who isn't there.
func (c *Client) checkReading(ctx context.Context) crm.Check {
	if _, err := c.read(ctx, []string{nobodys}, "email"); err != nil {
		return couldNot("Contacts", err)
	}
	return crm.Check{Level: crm.Fine, What: "Contacts can be looked up by their address.",
		Meaning: "If the user who connected sees only some contacts, the others can’t be found; HubSpot doesn’t say whether that is so."}
}

// couldNot is the finding that something could not be looked at which sign-ups need.
func couldNot(what string, err error) crm.Check {
	e := Provider.AskedOnce(crm.Failed(err).Code)
	return crm.Check{Level: crm.Stop, What: what + " could not be looked at. " + e.What, Meaning: "Sign-ups can’t arrive before that is mended.", Who: e.Who, Mend: e.Mend}
}

// checkRules tells of the validation rules that sign-ups must keep.
func (c *Client) checkRules(ctx context.Context) crm.Check {
	all, err := listed[struct {
		Property string            `json:"propertyName"`
		Rules    []json.RawMessage `json:"propertyValidationRules"`
	}](ctx, c, rulesPath)
	if err != nil {
		return crm.Check{Level: crm.Fine, What: "Validation rules could not be looked at.", Meaning: "If one refuses a contact, that sign-up needs attention, and says so."}
	}
	var names []string
	for _, r := range all {
		if slices.Contains(ours, r.Property) && len(r.Rules) > 0 {
			names = append(names, r.Property)
		}
	}
	if len(names) == 0 {
		return crm.Check{Level: crm.Fine, What: "No validation rule stands in the way of a sign-up’s address and names."}
	}
	return crm.Check{Level: crm.Warning, What: "There are validation rules for " + strings.Join(names, ", ") + ".", Meaning: "Whoever signs up with something else than they allow needs attention.",
		Who: crm.Admin, Mend: "look at the rules of the property in Settings → Properties → Contact properties → Rules."}
}

// checkWindow says what the answers of this very check-up said of the limit.
func (c *Client) checkWindow(account string) crm.Check {
	left, limit, ok := c.shared.portal(account).window()
	if !ok {
		return crm.Check{Level: crm.Fine, What: "How many API calls may be made at once is not known.", Meaning: "HubSpot didn’t say. We go on as long as it lets us."}
	}
	return crm.Check{Level: crm.Fine, What: fmt.Sprintf("%d of %d API calls are left for the next seconds.", left, limit),
		Meaning: "We make 2 or 3 API calls for up to 100 sign-ups at once, one after the other. There is no limit for a day."}
}

// propertyName is what the name of a property looks like.
var propertyName = regexp.MustCompile(`^[A-Za-z0-9_]{1,100}$`)

// CheckKey asks whether a property of contacts can tell them apart: a text that can be
// filled in and has unique values.
func (c *Client) CheckKey(ctx context.Context, field string) error {
	no := &crm.Failure{Class: crm.Recorded, Code: crm.NoKey}
	if !propertyName.MatchString(field) {
		return no
	}
	a, err := c.call(ctx, request{method: http.MethodGet, path: propertiesPath + "/" + field})
	if isMissing(err) {
		return no
	}
	if err != nil {
		return err
	}
	var p property
	if json.Unmarshal(a.body, &p) != nil {
		return nonsense("unexpected answer of a property", false)
	}
	if !p.isKey() {
		return no
	}
	return nil
}
