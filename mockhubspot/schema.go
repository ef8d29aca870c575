package mockhubspot

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"gatepost/simulated"
)

// option is one value that an enumeration may have.
type option struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

// property is the definition of a property of contacts.
type property struct {
	Name        string   `json:"name"`
	Label       string   `json:"label"`
	Type        string   `json:"type"`
	FieldType   string   `json:"fieldType"`
	GroupName   string   `json:"groupName"`
	Description string   `json:"description"`
	Options     []option `json:"options"`
	Unique      bool     `json:"hasUniqueValue"`
	Hidden      bool     `json:"hidden"`
	FormField   bool     `json:"formField"`

	owners   []string // ids of those whom it may name
	custom   bool     // the account made it
	readOnly bool     // its value
	archived bool
	created  int64
}

// schema is the properties of an account's contacts.
type schema struct {
	list   []*property
	byName map[string]*property
}

func (s *schema) add(p *property) {
	s.list = append(s.list, p)
	s.byName[p.Name] = p
}

// property returns the property with a name that can be used, or nil.
func (s *schema) property(name string) *property {
	if p := s.byName[name]; p != nil && !p.archived {
		return p
	}
	return nil
}

func text(name, label string) *property {
	return &property{Name: name, Label: label, Type: "string", FieldType: "text", FormField: true}
}

func typed(kind, fieldType, name, label string, options ...string) *property {
	p := &property{Name: name, Label: label, Type: kind, FieldType: fieldType}
	for i, v := range options {
		p.Options = append(p.Options, option{Label: v, Value: v, DisplayOrder: i})
	}
	return p
}

func locked(p *property) *property {
	p.readOnly, p.FormField = true, false
	return p
}

// stages are the values of lifecyclestage, in the order in which a contact goes through them.
var stages = []string{"subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist", "other"}

// legalBases are the values of hs_legal_basis.
var legalBases = []string{"Legitimate interest – prospect/lead", "Legitimate interest – existing customer", "Legitimate interest - other",
	"Performance of a contract", "Freely given consent from contact", "Not applicable"}

// ownerProperty has the people of the account for values: its definition doesn't tell them.
const ownerProperty = "hubspot_owner_id"

// builtIn are the properties that every account has.
func builtIn() []*property {
	list := []*property{
		text("email", "Email"), text("firstname", "First Name"), text("lastname", "Last Name"),
		typed("string", "phonenumber", "phone", "Phone Number"), typed("string", "phonenumber", "mobilephone", "Mobile Phone Number"),
		text("company", "Company Name"), text("jobtitle", "Job Title"), text("website", "Website URL"), text("salutation", "Salutation"),
		text("address", "Street Address"), text("city", "City"), text("state", "State/Region"), text("zip", "Postal Code"), text("country", "Country/Region"),
		typed("string", "textarea", "message", "Message"), text("hs_language", "Preferred language"),
		typed("enumeration", "radio", "lifecyclestage", "Lifecycle Stage", stages...),
		typed("enumeration", "radio", "hs_lead_status", "Lead Status", "NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "ATTEMPTED_TO_CONTACT", "CONNECTED", "BAD_TIMING"),
		typed("enumeration", "checkbox", "hs_legal_basis", "Legal basis for processing contact's data", legalBases...),
		typed("enumeration", "select", ownerProperty, "Contact owner"),
		typed("number", "number", "numemployees_estimate", "Estimated number of employees"),
		typed("date", "date", "closedate", "Close Date"),

		locked(text("hs_object_id", "Record ID")), locked(typed("datetime", "date", "createdate", "Create Date")),
		locked(typed("datetime", "date", "lastmodifieddate", "Last Modified Date")),
		locked(text("hs_additional_emails", "Additional email addresses")), locked(text("hs_merged_object_ids", "Merged record IDs")),
		locked(text("hs_all_contact_vids", "All vids for a contact")), locked(text("hs_email_domain", "Email Domain")),
		locked(text("hs_full_name_or_email", "Full name or email")), locked(text("hs_object_source", "Record creation source")),
		locked(typed("bool", "booleancheckbox", "hs_is_contact", "Is a contact", "true", "false")),
		locked(typed("bool", "booleancheckbox", "hs_is_unworked", "Contact unworked", "true", "false")),
		locked(typed("bool", "booleancheckbox", "hs_email_optout", "Unsubscribed from all email", "true", "false")),
		locked(typed("enumeration", "booleancheckbox", "hs_marketable_status", "Marketing contact status", "true", "false")),
	}
	for _, d := range subscriptionTypes {
		list = append(list, locked(typed("enumeration", "booleancheckbox", d.property(), "Opted out of email: "+d.Name, "true", "false")))
	}
	for _, p := range list {
		p.GroupName = "contactinformation"
		if p.Options == nil {
			p.Options = []option{}
		}
	}
	return list
}

// schema returns the properties of an account's contacts, the archived ones too.
func (s *Server) schema(ctx context.Context, q querier, org string) (*schema, error) {
	v := &schema{byName: map[string]*property{}}
	for _, p := range builtIn() {
		v.add(p)
	}
	err := simulated.Rows(ctx, q, func(r *sql.Rows) error {
		p := &property{custom: true}
		var text []byte
		if err := r.Scan(&text, &p.archived, &p.created); err != nil {
			return err
		}
		if err := json.Unmarshal(text, p); err != nil {
			return err
		}
		v.add(p)
		return nil
	}, `SELECT definition, archived, created FROM properties WHERE org = $1 ORDER BY created, name`, org)
	if err != nil {
		return nil, err
	}
	for _, f := range s.set(org).Fields {
		v.change(f)
	}
	people, err := owners(ctx, q, org)
	for _, u := range people {
		v.byName[ownerProperty].owners = append(v.byName[ownerProperty].owners, ownerID(u.ID))
	}
	return v, err
}

// owners are the people of an account who can own a contact.
func owners(ctx context.Context, q querier, org string) (people []user, err error) {
	err = simulated.Rows(ctx, q, func(r *sql.Rows) error {
		u, err := simulated.ScanUser(r)
		people = append(people, u)
		return err
	}, `SELECT `+simulated.UserColumns+` FROM users WHERE active = 1 AND id IN (SELECT user FROM members WHERE org = $1) ORDER BY id`, org)
	return people, err
}

// ownerID is the id of a person as an owner, which isn't that of the user.
func ownerID(user string) string { return "9" + user }

// keyProperty returns the property by which a batch may name contacts: their id (nil), their
// address, or one with unique values. Another one is refused.
func (s *schema) keyProperty(name string) (*property, error) {
	if name == "" || name == "hs_object_id" {
		return nil, nil
	}
	p := s.property(name)
	if p == nil || name != "email" && !p.Unique {
		return nil, invalid("Unable to perform update/upsert by non-unique 0-1 property " + name)
	}
	return p, nil
}

// uniques are the names of those with unique values.
func (s *schema) uniques() (names []string) {
	for _, p := range s.list {
		if p.Unique && !p.archived {
			names = append(names, p.Name)
		}
	}
	return names
}

// has reports whether an enumeration may have a value.
func (p *property) has(value string) bool {
	return slices.Contains(p.owners, value) || slices.ContainsFunc(p.Options, func(o option) bool { return o.Value == value })
}
