package mocksalesforce

import (
	"regexp"
	"strings"
)

var customName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,39}__c$`)

// access says what a client may do with a field.
type access uint8

const (
	readOnly access = iota
	writable
	required
)

// field is one column of an object.
type field struct {
	Name, Label, Type string
	Length            int
	Access            access
	RefTo             string
	ExternalID        bool
	IDLookup          bool
	Picklist          []string
	Restricted        bool // takes no other values than those
	Default           any
}

// object is one kind of record.
type object struct {
	Name, Label, Plural, Prefix string
	Writable                    bool
	Fields                      []*field
	RecordTypes                 []recordType
	byName                      map[string]*field
}

// recordType is a kind of records of an object that an org made.
type recordType struct{ ID, Name string }

// field finds a column by its name in any case.
func (o *object) field(name string) *field { return o.byName[strings.ToLower(name)] }

// externalID is the object's unique External ID column, if it has one.
func (o *object) externalID() *field {
	for _, f := range o.Fields {
		if f.ExternalID {
			return f
		}
	}
	return nil
}

// schema is every object there is.
type schema struct {
	objects []*object
	byName  map[string]*object
}

// object finds a kind of record by its name in any case.
func (s *schema) object(name string) *object { return s.byName[strings.ToLower(name)] }

func text(name, label string, length int) *field {
	return &field{Name: name, Label: label, Type: "string", Length: length, Access: writable}
}

func typed(kind, name, label string, length int) *field {
	return &field{Name: name, Label: label, Type: kind, Length: length, Access: writable}
}

func must(f *field) *field { f.Access = required; return f }

func flag(name, label string) *field {
	return &field{Name: name, Label: label, Type: "boolean", Access: writable, Default: false}
}

func picklist(name, label string, length int, values ...string) *field {
	return &field{Name: name, Label: label, Type: "picklist", Length: length, Access: writable, Picklist: values}
}

func reference(name, label, to string, a access) *field {
	return &field{Name: name, Label: label, Type: "reference", Length: 18, RefTo: to, Access: a}
}

func system(kind, name, label string, length int) *field {
	return &field{Name: name, Label: label, Type: kind, Length: length}
}

func idField(label string) *field {
	return &field{Name: "Id", Label: label + " ID", Type: "id", Length: 18, IDLookup: true}
}

func email() *field {
	return &field{Name: "Email", Label: "Email", Type: "email", Length: 80, Access: writable, IDLookup: true}
}

func address(prefix, label string) []*field {
	return []*field{
		typed("textarea", prefix+"Street", label+"Street", 255), text(prefix+"City", label+"City", 40),
		text(prefix+"State", label+"State/Province", 80), text(prefix+"PostalCode", label+"Zip/Postal Code", 20),
		text(prefix+"Country", label+"Country", 80),
	}
}

var leadSources = []string{"Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"}

// audit is what every record carries.
func audit() []*field {
	return []*field{
		reference("OwnerId", "Owner ID", "User", writable),
		system("boolean", "IsDeleted", "Deleted", 0),
		system("datetime", "CreatedDate", "Created Date", 0), reference("CreatedById", "Created By ID", "User", readOnly),
		system("datetime", "LastModifiedDate", "Last Modified Date", 0), reference("LastModifiedById", "Last Modified By ID", "User", readOnly),
		system("datetime", "SystemModstamp", "System Modstamp", 0),
	}
}

// newSchema is what there is in an org with a unique External ID field of Contacts, whose name
// may be empty.
func newSchema(externalID string) *schema {
	person := func() []*field {
		return []*field{must(text("LastName", "Last Name", 80)), text("FirstName", "First Name", 40),
			picklist("Salutation", "Salutation", 40, "Mr.", "Ms.", "Mrs.", "Dr.", "Prof."),
			system("string", "Name", "Full Name", 121), email(),
			typed("phone", "Phone", "Phone", 40), typed("phone", "MobilePhone", "Mobile Phone", 40), typed("phone", "Fax", "Fax", 40),
			text("Title", "Title", 128), picklist("LeadSource", "Lead Source", 255, leadSources...),
			typed("textarea", "Description", "Description", 32000), flag("HasOptedOutOfEmail", "Email Opt Out"),
			flag("HasOptedOutOfFax", "Fax Opt Out"), flag("DoNotCall", "Do Not Call")}
	}
	contact := newObject("Contact", "Contact", "Contacts", "003", person(), address("Mailing", "Mailing "), address("Other", "Other "), []*field{
		reference("MasterRecordId", "Master Record ID", "Contact", readOnly), reference("AccountId", "Account ID", "Account", writable),
		typed("phone", "HomePhone", "Home Phone", 40), typed("phone", "OtherPhone", "Other Phone", 40),
		text("Department", "Department", 80), typed("date", "Birthdate", "Birthdate", 0)}, audit())
	if externalID != "" {
		f := text(externalID, strings.ReplaceAll(strings.TrimSuffix(externalID, "__c"), "_", " "), 255)
		f.ExternalID, f.IDLookup = true, true
		contact.add(f)
	}
	lead := newObject("Lead", "Lead", "Leads", "00Q", person(), address("", ""), []*field{
		must(text("Company", "Company", 255)), picklist("Status", "Lead Status", 255, "Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted"),
		picklist("Industry", "Industry", 255, "Agriculture", "Banking", "Technology", "Other"), typed("url", "Website", "Website", 255),
		picklist("Rating", "Rating", 255, "Hot", "Warm", "Cold"), typed("int", "NumberOfEmployees", "Employees", 0),
		typed("currency", "AnnualRevenue", "Annual Revenue", 0), system("boolean", "IsConverted", "Converted", 0)}, audit())
	lead.field("Status").Default = "Open - Not Contacted"
	account := newObject("Account", "Account", "Accounts", "001", []*field{must(text("Name", "Account Name", 255)),
		picklist("Type", "Account Type", 255, "Prospect", "Customer", "Partner", "Other"),
		picklist("Industry", "Industry", 255, "Agriculture", "Banking", "Technology", "Other"),
		typed("phone", "Phone", "Account Phone", 40), typed("phone", "Fax", "Account Fax", 40), typed("url", "Website", "Website", 255),
		text("AccountNumber", "Account Number", 40), typed("int", "NumberOfEmployees", "Employees", 0),
		typed("currency", "AnnualRevenue", "Annual Revenue", 0), typed("textarea", "Description", "Account Description", 32000),
		reference("ParentId", "Parent Account ID", "Account", writable), reference("MasterRecordId", "Master Record ID", "Account", readOnly)},
		address("Billing", "Billing "), address("Shipping", "Shipping "), audit())
	organization := newObject("Organization", "Organization", "Organizations", "00D", []*field{
		system("string", "Name", "Name", 80), system("boolean", "IsSandbox", "Is Sandbox", 0), system("string", "InstanceName", "Instance Name", 5),
		system("picklist", "OrganizationType", "Edition", 40), system("string", "NamespacePrefix", "Namespace Prefix", 15),
		system("picklist", "LanguageLocaleKey", "Language", 40), system("picklist", "TimeZoneSidKey", "Time Zone", 40),
		system("datetime", "TrialExpirationDate", "Trial Expiration Date", 0)})
	organization.Writable = false
	rules := newObject("DuplicateRule", "Duplicate Rule", "Duplicate Rules", "0Bm", []*field{
		system("string", "MasterLabel", "Rule Name", 80), system("string", "DeveloperName", "Developer Name", 80),
		system("picklist", "SobjectType", "Object", 40), system("boolean", "IsActive", "Active", 0)})
	rules.Writable = false
	people := newObject("User", "User", "Users", "005", []*field{
		system("string", "Username", "Username", 80), system("string", "LastName", "Last Name", 80), system("string", "FirstName", "First Name", 40),
		system("string", "Name", "Full Name", 121), system("email", "Email", "Email", 128), system("boolean", "IsActive", "Active", 0),
		system("picklist", "UserType", "User Type", 40)})
	people.Writable = false

	campaign := newObject("Campaign", "Campaign", "Campaigns", "701", []*field{must(text("Name", "Campaign Name", 80)), flag("IsActive", "Active"),
		picklist("Type", "Type", 40, "Conference", "Webinar", "Email", "Other"), picklist("Status", "Status", 40, "Planned", "In Progress", "Completed")}, audit())
	member := newObject("CampaignMember", "Campaign Member", "Campaign Members", "00v", []*field{
		must(reference("CampaignId", "Campaign ID", "Campaign", writable)), reference("ContactId", "Contact ID", "Contact", writable),
		reference("LeadId", "Lead ID", "Lead", writable), text("Status", "Status", 40)}, audit())

	s := &schema{objects: []*object{account, contact, lead, campaign, member, organization, people, rules}, byName: map[string]*object{}}
	for _, o := range s.objects {
		s.byName[strings.ToLower(o.Name)] = o
	}
	return s
}

func newObject(name, label, plural, prefix string, groups ...[]*field) *object {
	o := &object{Name: name, Label: label, Plural: plural, Prefix: prefix, Writable: true, byName: map[string]*field{}}
	o.add(idField(label))
	for _, g := range groups {
		for _, f := range g {
			o.add(f)
		}
	}
	return o
}

func (o *object) add(f *field) {
	o.Fields = append(o.Fields, f)
	o.byName[strings.ToLower(f.Name)] = f
}
