package zoho

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"gatepost/crm"
	"gatepost/crm/wire"
)

// ours are the fields of a Contact that a sign-up fills in.
var ours = []string{emailField, "First_Name", "Last_Name"}

// justNow is how old the org may be that a check-up tells of: connecting has just asked.
const justNow = time.Minute

// emailLength is how long an address may be that a key has room for.
const emailLength = 100

// get asks for something that isn't records.
func (c *Client) get(ctx context.Context, path string, into any) error {
	a, err := c.call(ctx, request{method: http.MethodGet, path: apiPath + path, cost: 1})
	if err != nil {
		return err
	}
	if a.empty() || json.Unmarshal(a.body, into) != nil {
		return nonsense("unexpected answer to "+wire.PathOnly(path), false)
	}
	return nil
}

// described are the fields of a module, as the connected user may see them.
type described struct {
	Fields []describedField `json:"fields"`
}

// describedField is what Zoho says of a field.
type describedField struct {
	Name      string          `json:"api_name"`
	Label     string          `json:"field_label"`
	Type      string          `json:"data_type"`
	JSON      string          `json:"json_type"`
	Length    int             `json:"length"`
	Mandatory bool            `json:"system_mandatory"`
	ReadOnly  bool            `json:"read_only"`
	Shown     bool            `json:"field_read_only"` // the user may see it alone
	Virtual   bool            `json:"virtual_field"`
	Unique    json.RawMessage `json:"unique"`
	May       struct {
		Create bool `json:"api_create"`
		Update bool `json:"api_update"`
	} `json:"operation_type"`
	Area struct {
		Type string `json:"type"`
	} `json:"textarea"`
	Picks []struct {
		Display string `json:"display_value"`
		Type    string `json:"type"`
	} `json:"pick_list_values"`
}

// unique reports whether a field is: what its description has then isn't empty.
func unique(described json.RawMessage) bool {
	return !slices.Contains([]string{"", "null", "{}", "false"}, string(bytes.Join(bytes.Fields(described), nil)))
}

// writable are the names of the fields that the connected user may fill in and change.
func (d described) writable() (names []string) {
	for _, f := range d.Fields {
		if f.May.Create && f.May.Update && !f.ReadOnly && !f.Shown {
			names = append(names, f.Name)
		}
	}
	return names
}

// keys are the names of the fields that can be crm.Options.Key.
func (d described) keys() (names []string) {
	writable := d.writable()
	for _, f := range d.Fields {
		if f.Name != emailField && (f.Type == "text" || f.Type == "email") && unique(f.Unique) && f.Length >= emailLength && slices.Contains(writable, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

func (d described) emailUnique() bool {
	for _, f := range d.Fields {
		if f.Name == emailField {
			return unique(f.Unique)
		}
	}
	return false
}

// describe asks for the fields of Contacts.
func (c *Client) describe(ctx context.Context) (d described, err error) {
	s, err := c.session(ctx, 0)
	if err != nil {
		return d, err
	}
	if err := c.get(ctx, "/settings/fields?module="+contacts, &d); err != nil {
		return d, err
	}
	c.shared.keepUnique(s.AccessToken, d.emailUnique())
	return d, nil
}

// emailUnique reports whether the org itself keeps the addresses of Contacts apart. It
// asks once for each token.
func (c *Client) emailUnique(ctx context.Context) (bool, error) {
	s, err := c.session(ctx, 0)
	if err != nil {
		return false, err
	}
	if k, ok := c.shared.org(s.AccessToken, c.now(), tokenLife); ok && k.unique != nil {
		return *k.unique, nil
	}
	d, err := c.describe(ctx)
	return d.emailUnique(), err
}

// CheckKey asks whether a field of Contacts can tell records apart: a text field that the
// user may fill in, that is unique, and long enough.
func (c *Client) CheckKey(ctx context.Context, field string) error {
	d, err := c.describe(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(d.keys(), field) {
		return &crm.Failure{Class: crm.Recorded, Code: crm.NoKey}
	}
	return nil
}

// CheckUp asks Zoho whether sign-ups can arrive and what is in their way. A question that
// Zoho doesn't answer is a finding of its own; an error means that nothing could be asked.
func (c *Client) CheckUp(ctx context.Context) ([]crm.Check, error) {
	_, checks, err := c.Inspect(ctx)
	return checks, err
}

// Inspect is CheckUp, and tells the org too, with who connected.
func (c *Client) Inspect(ctx context.Context) (Organization, []crm.Check, error) {
	o, err := c.organization(ctx, justNow)
	if err != nil {
		return Organization{}, nil, err
	}
	checks := []crm.Check{{Level: crm.Fine, What: "The API of your Zoho CRM answers."}, checkOrg(o)}
	checks = append(checks, checkTrial(o, c.now())...)
	user, found := c.checkUser(ctx)
	o.User = user
	checks = append(checks, found)
	checks = append(checks, c.checkModule(ctx)...)
	checks = append(checks, c.checkFields(ctx)...)
	checks = append(checks, c.checkLayouts(ctx)...)
	checks = append(checks, c.checkQuery(ctx, contacts, crm.Stop), c.checkQuery(ctx, leads, crm.Warning), c.checkHeadroom())
	return o, checks, nil
}

// unanswered is what is said of a question that Zoho didn't answer.
func unanswered(level crm.Level, what, meaning string, err error) crm.Check {
	e := Provider.AskedOnce(crm.Failed(err).Code)
	return crm.Check{Level: level, What: what + " " + e.What, Meaning: meaning, Who: e.Who, Mend: e.Mend}
}

func checkOrg(o Organization) crm.Check {
	switch {
	case o.Type == "bigin":
		return crm.Check{Level: crm.Stop, What: o.Name + " is an org of Bigin.", Meaning: "Sign-ups can’t arrive: Bigin is another CRM of Zoho’s.", Who: crm.You, Mend: "Reconnect with an org of Zoho CRM."}
	case o.Sandbox:
		return crm.Check{Level: crm.Warning, What: fmt.Sprintf("%s is a %s org (%s).", o.Name, o.Type, o.Edition), Meaning: "Sign-ups arrive in a copy for trying, not where your colleagues work.",
			Who: crm.You, Mend: "Reconnect and choose your production org when you are done trying."}
	}
	return crm.Check{Level: crm.Fine, What: fmt.Sprintf("%s is a production org (%s).", o.Name, o.Edition)}
}

// checkTrial tells of a trial that is over, or soon will be.
func checkTrial(o Organization, now time.Time) []crm.Check {
	switch {
	case o.paid || o.trial.IsZero():
		return nil
	case now.Before(o.trial):
		return []crm.Check{{Level: crm.Warning, What: "The trial of your Zoho CRM ends on " + o.trial.Format("2 January 2006") + ".", Meaning: "Afterwards it has fewer API credits, or none.", Who: crm.Admin, Mend: "choose an edition in Setup → General → Subscription."}}
	}
	return []crm.Check{{Level: crm.Warning, What: "The trial of your Zoho CRM is over.", Meaning: "It may have few API credits, or none.", Who: crm.Admin, Mend: "choose an edition in Setup → General → Subscription."}}
}

// checkUser asks who connected: all calls are made with that user's profile.
func (c *Client) checkUser(ctx context.Context) (zuid string, found crm.Check) {
	var in struct {
		Users []struct {
			ID      text   `json:"zuid"`
			Status  string `json:"status"`
			Profile struct {
				Name string `json:"name"`
			} `json:"profile"`
		} `json:"users"`
	}
	if err := c.get(ctx, "/users?type=CurrentUser", &in); err != nil {
		return "", unanswered(crm.Warning, "Who connected could not be looked at.", "", err)
	}
	if len(in.Users) != 1 {
		return "", unanswered(crm.Warning, "Who connected could not be looked at.", "", nonsense("no user", false))
	}
	u := in.Users[0]
	if u.Status != "active" {
		return string(u.ID), crm.Check{Level: crm.Stop, What: "The connected user is not active.", Meaning: "Sign-ups can’t arrive before that is mended.", Who: crm.Admin, Mend: "activate the user in Setup → Users and Control → Users, or connect with another one."}
	}
	return string(u.ID), crm.Check{Level: crm.Fine, What: "The connected user is active and has the profile “" + u.Profile.Name + "”.", Meaning: "Whatever this user may not see or do, we can’t either."}
}

// checkModule asks what Contacts are called, and whether the user may make and change
// them.
func (c *Client) checkModule(ctx context.Context) []crm.Check {
	var in struct {
		Modules []struct {
			Plural string `json:"plural_label"`
			Create bool   `json:"creatable"`
			Edit   bool   `json:"editable"`
		} `json:"modules"`
	}
	err := c.get(ctx, "/settings/modules/"+contacts, &in)
	if err == nil && len(in.Modules) != 1 {
		err = nonsense("no module", false)
	}
	if err != nil {
		return []crm.Check{unanswered(crm.Stop, "Contacts could not be looked at.", "Sign-ups can’t arrive before that is mended.", err)}
	}
	m := in.Modules[0]
	checks := []crm.Check{{Level: crm.Fine, What: "The connected user may create and edit Contacts."}}
	if !m.Create || !m.Edit {
		checks[0] = crm.Check{Level: crm.Stop, What: "The connected user may not create and edit Contacts.", Meaning: "Sign-ups wait until that is mended.", Who: crm.Admin, Mend: seeProfile}
	}
	if m.Plural != "" && m.Plural != contacts {
		checks = append(checks, crm.Check{Level: crm.Fine, What: "Contacts are called “" + m.Plural + "” in your Zoho CRM.", Meaning: "Sign-ups arrive there."})
	}
	return checks
}

// checkFields asks whether the fields that a sign-up fills in are there, whether the
// system demands others, and whether addresses are unique.
func (c *Client) checkFields(ctx context.Context) []crm.Check {
	d, err := c.describe(ctx)
	if err != nil {
		return []crm.Check{unanswered(crm.Stop, "The fields of Contacts could not be looked at.", "Sign-ups can’t arrive before that is mended.", err)}
	}
	return append(d.access(), d.apart())
}

// access says whether the user may fill in what a sign-up has, and what else is demanded.
func (d described) access() []crm.Check {
	writable := d.writable()
	missing := slices.DeleteFunc(slices.Clone(ours), func(name string) bool { return slices.Contains(writable, name) })
	var demanded []string
	for _, f := range d.Fields {
		if f.Mandatory && !f.ReadOnly && !slices.Contains(ours, f.Name) {
			demanded = append(demanded, fmt.Sprintf("%s (%s)", f.Label, f.Name))
		}
	}
	switch {
	case len(missing) > 0:
		return []crm.Check{{Level: crm.Stop, What: "The connected user may not fill in " + strings.Join(missing, ", ") + ".", Meaning: "Zoho CRM drops them without a word, or refuses the sign-up.",
			Who: crm.Admin, Mend: "let the user’s profile edit these fields: Setup → Security Control → Profiles → Field-Level Security."}}
	case len(demanded) > 0:
		return []crm.Check{{Level: crm.Warning, What: "A Contact needs fields beside the address and the names: " + strings.Join(demanded, ", ") + ".", Meaning: "Unless something is mapped to them, every sign-up of somebody new needs attention.", Who: crm.Admin, Mend: seeFields}}
	}
	return []crm.Check{{Level: crm.Fine, What: "The connected user may fill in addresses and names."}}
}

// apart says what keeps an address from being there twice.
func (d described) apart() crm.Check {
	if d.emailUnique() {
		return crm.Check{Level: crm.Fine, What: "Zoho CRM itself keeps an address from being there twice."}
	}
	if keys := d.keys(); len(keys) > 0 {
		return crm.Check{Level: crm.Fine, What: "Contacts have a unique field: " + strings.Join(keys, ", ") + ".",
			Meaning: "If it is meant for the address, enter its name under Settings: then Zoho CRM itself keeps an address from being there twice."}
	}
	return crm.Check{Level: crm.Fine, What: "Several Contacts may have the same address.",
		Meaning: "We look every address up before we create it. Should somebody else create the same Contact in the very same second, there could be two. To rule that out, tick “Do not allow duplicate values” at the field Email (Setup → Customization → Modules and Fields → Contacts)."}
}

// checkLayouts asks which further fields a layout demands.
func (c *Client) checkLayouts(ctx context.Context) []crm.Check {
	layouts, err := c.layouts(ctx)
	if err != nil {
		return []crm.Check{unanswered(crm.Warning, "What layouts demand of a Contact could not be looked at.", "If one demands a field that nothing fills in, sign-ups need attention, and say so.", err)}
	}
	var names []string
	for _, l := range layouts {
		for _, s := range l.Sections {
			for _, f := range s.Fields {
				if f.Required && !slices.Contains(ours, f.Name) {
					names = append(names, fmt.Sprintf("%s (%s, layout “%s”)", f.Label, f.Name, l.Name))
				}
			}
		}
	}
	if len(names) == 0 {
		return []crm.Check{{Level: crm.Fine, What: "No layout demands a field beside the address and the names.", Meaning: "Validation rules and layout rules can’t be seen from here."}}
	}
	return []crm.Check{{Level: crm.Warning, What: "Layouts demand fields beside the address and the names: " + strings.Join(names, ", ") + ".", Meaning: "Unless something is mapped to them, Zoho CRM may refuse sign-ups; then they need attention.",
		Who: crm.Admin, Mend: "make the fields optional in Setup → Customization → Modules and Fields → Contacts, in each layout."}}
}

// checkQuery looks for an address that nobody has.
func (c *Client) checkQuery(ctx context.Context, module string, level crm.Level) crm.Check {
	_, err := c.coql(ctx, place{module: module, field: emailField}.coql([]string{"nobody@gatepost.invalid"}, 0, false))
	switch {
	case err == nil:
		return crm.Check{Level: crm.Fine, What: module + " can be looked up."}
	case module == leads:
		return unanswered(level, "Leads can’t be looked up.", "That matters only if Leads are to be looked at.", err)
	}
	return unanswered(level, module+" can’t be looked up.", "Sign-ups can’t arrive before that is mended.", err)
}

// creditsTaken is how many credits sign-ups take.
const creditsTaken = "We take 2 or 3 API credits for each sign-up that comes alone, 11 to 14 for a hundred at once."

// english writes numbers with commas.
var english = message.NewPrinter(language.English)

// checkHeadroom judges what the answers of this very check-up said of the credits.
func (c *Client) checkHeadroom() crm.Check {
	o := c.known()
	limit := o.credits()
	_, left, told := c.shared.credits(o.ID, c.now())
	switch {
	case limit == 0:
		return crm.Check{Level: crm.Warning, What: "How many API credits your Zoho CRM has is not known.", Meaning: "It didn’t say which edition it is. We go on as long as it lets us. " + creditsTaken}
	case !told:
		return crm.Check{Level: crm.Fine, What: english.Sprintf("Less than half of the %d API credits of the last 24 hours are used.", limit), Meaning: creditsTaken}
	}
	what := english.Sprintf("%d of %d API credits of the last 24 hours are left.", left, limit)
	if left*100 > limit*20 {
		return crm.Check{Level: crm.Fine, What: what, Meaning: creditsTaken}
	}
	return crm.Check{Level: crm.Warning, What: what, Meaning: "When nearly none are left, sign-ups wait until there are more.", Who: crm.Admin, Mend: seeCredits}
}
