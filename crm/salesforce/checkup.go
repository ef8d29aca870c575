package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatepost/crm"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// ours are the fields of a Contact that a sign-up fills in.
var ours = []string{"Email", "FirstName", "LastName"}

// Organization is the org behind a connection. What Salesforce didn't tell is
// empty.
type Organization struct {
	Name    string
	Edition string
	Sandbox bool
}

// CheckUp asks Salesforce, in one API call, whether sign-ups can arrive and what
// is in their way. A question that Salesforce doesn't answer is a finding of its
// own; an error means that nothing could be asked.
func (c *Client) CheckUp(ctx context.Context) ([]crm.Check, error) {
	_, checks, err := c.Inspect(ctx)
	return checks, err
}

// Inspect is CheckUp, and tells the org too.
func (c *Client) Inspect(ctx context.Context) (Organization, []crm.Check, error) {
	get := func(path string) part { return part{Method: http.MethodGet, URL: path} }
	answers, err := c.composite(ctx, []part{
		get(apiPath + "/sobjects/Contact/describe"),
		get(queryPath + url.QueryEscape("SELECT Name, IsSandbox, OrganizationType FROM Organization LIMIT 1")),
		get(queryPath + url.QueryEscape("SELECT MasterLabel FROM DuplicateRule WHERE SobjectType = 'Contact' AND IsActive = true")),
	}, false)
	if err != nil {
		return Organization{}, nil, err
	}
	org, known := parseOrg(answers[1])
	checks := []crm.Check{{Level: crm.Fine, What: "The API of your Salesforce answers."}}
	checks = append(checks, checkContact(answers[0])...)
	checks = append(checks, checkRules(answers[2]), c.checkHeadroom(), checkOrg(org, known))
	return org, checks, nil
}

// described is what describe says of an object: REST API Developer Guide, sObject
// Describe. It shows what the connected user may see.
type described struct {
	Createable bool             `json:"createable"`
	Updateable bool             `json:"updateable"`
	Fields     []describedField `json:"fields"`

	RecordTypes []struct {
		ID        string `json:"recordTypeId"`
		Name      string `json:"name"`
		Active    bool   `json:"active"`
		Available bool   `json:"available"` // to the connected user
		Master    bool   `json:"master"`
	} `json:"recordTypeInfos"`
}

// describedField is what describe says of a field.
type describedField struct {
	Name              string `json:"name"`
	Label             string `json:"label"`
	Type              string `json:"type"`
	Length            int    `json:"length"`
	Createable        bool   `json:"createable"`
	Updateable        bool   `json:"updateable"`
	Nillable          bool   `json:"nillable"`
	DefaultedOnCreate bool   `json:"defaultedOnCreate"`
	ExternalID        bool   `json:"externalId"`
	Unique            bool   `json:"unique"`
	Calculated        bool   `json:"calculated"`
	AutoNumber        bool   `json:"autoNumber"`
	Hidden            bool   `json:"deprecatedAndHidden"`
	HTML              bool   `json:"htmlFormatted"`
	Restricted        bool   `json:"restrictedPicklist"`
	Dependent         bool   `json:"dependentPicklist"`
	Controller        string `json:"controllerName"`
	Picklist          []struct {
		Value  string `json:"value"`
		Label  string `json:"label"`
		Active bool   `json:"active"`
	} `json:"picklistValues"`
}

const contactAccess = "give access in Setup → Permission Sets → Object Settings → Contacts."

func checkContact(a answer) []crm.Check {
	var d described
	if a.Status != http.StatusOK || json.Unmarshal(a.Body, &d) != nil {
		e := Provider.AskedOnce("INVALID_TYPE")
		if a.Status != http.StatusOK {
			e = Provider.AskedOnce(a.refusal(false).Code)
		}
		return []crm.Check{{Level: crm.Stop, What: "Contacts could not be looked at. " + e.What, Meaning: "Sign-ups can’t arrive before that is mended.", Who: e.Who, Mend: e.Mend}}
	}
	return []crm.Check{d.access(), d.required(), d.external()}
}

// CheckKey asks whether a field of Contacts can tell records apart: a text field
// that the user may fill in, an External ID, and unique.
func (c *Client) CheckKey(ctx context.Context, field string) error {
	body, err := c.call(ctx, request{method: http.MethodGet, path: contactPath + "/describe"})
	if err != nil {
		return err
	}
	var d described
	if json.Unmarshal(body, &d) != nil {
		return nonsense("unexpected answer to a describe call", false)
	}
	for _, f := range d.Fields {
		if f.Name == field && f.Type == "string" && f.ExternalID && f.Unique && f.Createable {
			return nil
		}
	}
	return &crm.Failure{Class: crm.Recorded, Code: crm.NoKey}
}

// access says whether the user may make and change Contacts.
func (d described) access() crm.Check {
	missing := slices.Clone(ours)
	for _, f := range d.Fields {
		if f.Createable && f.Updateable {
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == f.Name })
		}
	}
	switch {
	case !d.Createable || !d.Updateable:
		return crm.Check{Level: crm.Stop, What: "The connected user may not create and edit Contacts.", Meaning: "Every sign-up would need attention.", Who: crm.Admin, Mend: "let the user create and edit Contacts: " + contactAccess}
	case len(missing) > 0:
		return crm.Check{Level: crm.Stop, What: "The connected user may not fill in " + strings.Join(missing, ", ") + ".", Meaning: "Every sign-up would need attention.", Who: crm.Admin, Mend: "let the user edit these fields: " + contactAccess}
	}
	return crm.Check{Level: crm.Fine, What: "The connected user may create and edit Contacts."}
}

// required says which fields a Contact needs that a sign-up doesn't fill in.
func (d described) required() crm.Check {
	var names []string
	for _, f := range d.Fields {
		if f.Createable && !f.Nillable && !f.DefaultedOnCreate && !slices.Contains(ours, f.Name) {
			names = append(names, fmt.Sprintf("%s (%s)", f.Label, f.Name))
		}
	}
	if len(names) == 0 {
		return crm.Check{Level: crm.Fine, What: "A Contact needs no field beside the address and the names.", Meaning: "Validation rules and page layouts can’t be seen from here."}
	}
	return crm.Check{Level: crm.Warning, What: "A Contact needs fields beside the address and the names: " + strings.Join(names, ", ") + ".", Meaning: "Unless something is mapped to them, every sign-up of somebody new needs attention.",
		Who: crm.Admin, Mend: "in Setup → Object Manager → Contact → Fields & Relationships, make them optional or give them a default."}
}

// external says whether there is a field that keeps records apart for good.
func (d described) external() crm.Check {
	var names []string
	for _, f := range d.Fields {
		if f.ExternalID && f.Unique && f.Type == "string" {
			names = append(names, f.Name)
		}
	}
	if len(names) > 0 {
		return crm.Check{Level: crm.Fine, What: "Contacts have a unique External ID field: " + strings.Join(names, ", ") + ".",
			Meaning: "If it is meant for the address, enter its name under Settings: then Salesforce itself keeps an address from being there twice."}
	}
	return crm.Check{Level: crm.Fine, What: "Contacts have no unique External ID field.",
		Meaning: "We look every address up before we create it. Should somebody else create the same Contact in the very same second, there could be two. To rule that out, have a Text field added that is an External ID and unique (Setup → Object Manager → Contact → Fields & Relationships), and enter its name under Settings."}
}

func checkRules(a answer) crm.Check {
	var p struct {
		Records []struct{ MasterLabel string }
	}
	if a.Status != http.StatusOK || json.Unmarshal(a.Body, &p) != nil {
		return crm.Check{Level: crm.Warning, What: "Duplicate rules could not be looked at.", Meaning: "The connected user may not see them. If one blocks a Contact, that sign-up needs attention, and says so.",
			Who: crm.Admin, Mend: "nothing has to be done; the permission “View Setup and Configuration” lets us look."}
	}
	var names []string
	for _, r := range p.Records {
		names = append(names, "“"+r.MasterLabel+"”")
	}
	if len(names) == 0 {
		return crm.Check{Level: crm.Fine, What: "No duplicate rule for Contacts is active."}
	}
	return crm.Check{Level: crm.Warning, What: "Duplicate rules for Contacts are active: " + strings.Join(names, ", ") + ".",
		Meaning: "Addresses that are there already are found and not created again. A rule that compares names, say, may block somebody else; then that sign-up needs attention.",
		Who:     crm.Admin, Mend: "look at the rules in Setup → Duplicate Rules; let them alert instead of block, or leave out the connected user."}
}

// callsTaken is how many API calls sign-ups take: one to look them up and one to write
// them, and another one where some of a thousand are changed and others made.
const callsTaken = "We make about 2 API calls for each sign-up that comes alone, 3 for a thousand at once."

// english writes numbers with commas.
var english = message.NewPrinter(language.English)

// checkHeadroom judges what the answers of this very check-up said of the limit.
func (c *Client) checkHeadroom() crm.Check {
	calls := c.apiCalls()
	if !calls.Known || calls.Allowed <= 0 {
		return crm.Check{Level: crm.Warning, What: "How many API calls are left is not known.", Meaning: "Salesforce didn’t say. We go on as long as it lets us."}
	}
	what := english.Sprintf("%d of %d API calls of the last 24 hours are used.", calls.Used, calls.Allowed)
	if calls.Used*100 < calls.Allowed*80 {
		return crm.Check{Level: crm.Fine, What: what, Meaning: callsTaken}
	}
	return crm.Check{Level: crm.Warning, What: what, Meaning: "From 95 % on sign-ups wait until there are more.", Who: crm.Admin, Mend: "see who uses them in Setup → Company Information → API Requests."}
}

func parseOrg(a answer) (o Organization, ok bool) {
	var p struct {
		Records []struct {
			Name             string
			OrganizationType string
			IsSandbox        bool
		}
	}
	if a.Status != http.StatusOK || json.Unmarshal(a.Body, &p) != nil || len(p.Records) != 1 {
		return o, false
	}
	r := p.Records[0]
	return Organization{Name: r.Name, Edition: r.OrganizationType, Sandbox: r.IsSandbox}, true
}

func checkOrg(o Organization, known bool) crm.Check {
	if !known {
		return crm.Check{Level: crm.Warning, What: "What kind of org this is could not be looked at."}
	}
	if o.Sandbox {
		return crm.Check{Level: crm.Warning, What: fmt.Sprintf("%s is a sandbox (%s).", o.Name, o.Edition), Meaning: "Sign-ups arrive in a copy for trying, not where your colleagues work.",
			Who: crm.You, Mend: "Reconnect with a login of your production org when you are done trying."}
	}
	return crm.Check{Level: crm.Fine, What: fmt.Sprintf("%s is a production org (%s).", o.Name, o.Edition)}
}
