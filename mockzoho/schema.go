package mockzoho

import (
	"regexp"
	"slices"
)

// Kinds of records.
const (
	contactModule = "Contacts"
	leadModule    = "Leads"
)

// field is a field of a module.
type field struct {
	Name, Label, Type string
	Length            int
	Mandatory         bool // by the system
	Required          bool // by the layout
	ReadOnly          bool
	Unique            bool
	Custom            bool
	Hidden            bool // from COQL
	Picks             []string
}

// isText reports whether values are kept and compared as text.
func (f *field) isText() bool {
	return slices.Contains([]string{"text", "email", "phone", "picklist", "textarea", "website"}, f.Type)
}

// module is a kind of record.
type module struct {
	Name             string
	Singular, Plural string
	Fields           []*field
	byName           map[string]*field
}

func (m *module) field(name string) *field { return m.byName[name] }

// schema is the modules of an org.
type schema struct{ modules []*module }

func (s *schema) module(name string) *module {
	i := slices.IndexFunc(s.modules, func(m *module) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return s.modules[i]
}

var (
	leadSources  = []string{"-None-", "Advertisement", "Cold Call", "Employee Referral", "External Referral", "Online Store", "Newsletter", "Web Download"}
	unsubscribed = []string{"Consent form", "Manual", "Unsubscribe link", "Zoho Campaigns"}
	customName   = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$`)
	personFields = []field{
		{Name: "First_Name", Label: "First Name", Type: "text", Length: 40},
		{Name: "Last_Name", Label: "Last Name", Type: "text", Length: 80, Mandatory: true},
		{Name: "Full_Name", Label: "Full Name", Type: "text", Length: 120, ReadOnly: true},
		{Name: "Email", Label: "Email", Type: "email", Length: 100},
		{Name: "Secondary_Email", Label: "Secondary Email", Type: "email", Length: 100},
		{Name: "Phone", Label: "Phone", Type: "phone", Length: 30},
		{Name: "Mobile", Label: "Mobile", Type: "phone", Length: 30},
		{Name: "Description", Label: "Description", Type: "textarea", Length: 32_000},
		{Name: "Lead_Source", Label: "Lead Source", Type: "picklist", Length: 120, Picks: leadSources},
		{Name: "Email_Opt_Out", Label: "Email Opt Out", Type: "boolean"},
		{Name: "Unsubscribed_Mode", Label: "Unsubscribed Mode", Type: "picklist", Length: 120, ReadOnly: true, Picks: unsubscribed},
		{Name: "Unsubscribed_Time", Label: "Unsubscribed Time", Type: "datetime", ReadOnly: true},
		{Name: "Owner", Label: "Owner", Type: "ownerlookup"},
		{Name: "Created_By", Label: "Created By", Type: "ownerlookup", ReadOnly: true},
		{Name: "Modified_By", Label: "Modified By", Type: "ownerlookup", ReadOnly: true},
		{Name: "Created_Time", Label: "Created Time", Type: "datetime", ReadOnly: true},
		{Name: "Modified_Time", Label: "Modified Time", Type: "datetime", ReadOnly: true},
		{Name: "Tag", Label: "Tag", Type: "tags", ReadOnly: true},
		{Name: "Locked__s", Label: "Locked", Type: "boolean", ReadOnly: true},
	}
	contactFields = []field{
		{Name: "Title", Label: "Title", Type: "text", Length: 100},
		{Name: "Department", Label: "Department", Type: "text", Length: 50},
		{Name: "Mailing_City", Label: "Mailing City", Type: "text", Length: 100},
		{Name: "Mailing_Country", Label: "Mailing Country", Type: "text", Length: 100},
	}
	leadFields = []field{
		{Name: "Company", Label: "Company", Type: "text", Length: 200, Mandatory: true},
		{Name: "Designation", Label: "Title", Type: "text", Length: 100},
		{Name: "City", Label: "City", Type: "text", Length: 100},
		{Name: "Country", Label: "Country", Type: "text", Length: 100},
		{Name: "Lead_Status", Label: "Lead Status", Type: "picklist", Length: 120, Picks: []string{"-None-", "Contacted", "Not Contacted"}},
		{Name: "Converted__s", Label: "Is Converted", Type: "boolean", ReadOnly: true},
		{Name: "Converted_Contact", Label: "Converted Contact", Type: "lookup", ReadOnly: true, Hidden: true},
		{Name: "Converted_Account", Label: "Converted Account", Type: "lookup", ReadOnly: true, Hidden: true},
	}
)

// newSchema is the modules of an org with these settings.
func newSchema(v settings) *schema {
	s := &schema{[]*module{
		newModule(contactModule, "Contact", "Contacts", contactFields),
		newModule(leadModule, "Lead", "Leads", leadFields),
	}}
	if v.ContactsLabel != "" {
		s.modules[0].Singular, s.modules[0].Plural = v.ContactsLabel, v.ContactsLabel
	}
	for _, m := range s.modules {
		m.field("Email").Unique, m.field("Email").Length = v.EmailUnique, v.EmailLength
		if v.KeyField != "" {
			m.add(field{Name: v.KeyField, Label: v.KeyField, Type: "text", Length: 255, Unique: true, Custom: true})
		}
	}
	lead := s.modules[1]
	lead.field("Company").Mandatory = v.CompanyMandatory
	lead.field("Converted__s").Hidden = !v.COQLConvertedField
	for _, m := range s.modules {
		if v.RequiredField != "" && m.field(v.RequiredField) == nil {
			m.add(field{Name: v.RequiredField, Label: v.RequiredField, Type: "text", Length: 255, Custom: true})
		}
		if f := m.field(v.RequiredField); f != nil {
			f.Required = true
		}
	}
	if len(v.Layouts) > 0 {
		s.modules[0].add(field{Name: "Layout", Label: "Layout", Type: "layout"})
	}
	for _, f := range v.Fields {
		_ = s.change(f) // checked with the settings
	}
	return s
}

func newModule(name, singular, plural string, own []field) *module {
	m := &module{Name: name, Singular: singular, Plural: plural, byName: map[string]*field{}}
	for _, f := range append([]field{{Name: "id", Label: "Record Id", Type: "bigint", ReadOnly: true}}, slices.Concat(personFields, own)...) {
		m.add(f)
	}
	return m
}

// lengths are what types of fields have for a length that isn't a text's.
var lengths = map[string]int{"boolean": 5, "ownerlookup": 120, "lookup": 120, "datetime": 120, "bigint": 20}

func (m *module) add(f field) {
	if n, ok := lengths[f.Type]; ok {
		f.Length = n
	}
	m.Fields = append(m.Fields, &f)
	m.byName[f.Name] = &f
}
