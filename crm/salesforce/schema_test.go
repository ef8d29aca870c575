package salesforce

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
)

// served is a field with the full set of keys that Salesforce serves, some of them changed.
func served(changes string) string {
	const full = `{"aggregatable":true,"aiPredictionField":false,"autoNumber":false,"byteLength":765,"calculated":false,"calculatedFormula":null,"cascadeDelete":false,"caseSensitive":false,"compoundFieldName":null,"controllerName":null,"createable":true,"custom":true,"defaultValue":null,"defaultValueFormula":null,"defaultedOnCreate":false,"dependentPicklist":false,"deprecatedAndHidden":false,"digits":0,"displayLocationInDecimal":false,"encrypted":false,"externalId":false,"extraTypeInfo":null,"filterable":true,"filteredLookupInfo":null,"formulaTreatNullNumberAsZero":false,"groupable":true,"highScaleNumber":false,"htmlFormatted":false,"idLookup":false,"inlineHelpText":null,"label":"Any","length":255,"mask":null,"maskType":null,"name":"Any__c","nameField":false,"namePointing":false,"nillable":true,"permissionable":true,"picklistValues":[],"polymorphicForeignKey":false,"precision":0,"queryByDistance":false,"referenceTargetField":null,"referenceTo":[],"relationshipName":null,"relationshipOrder":null,"restrictedDelete":false,"restrictedPicklist":false,"scale":0,"searchPrefilterable":false,"soapType":"xsd:string","sortable":true,"type":"string","unique":false,"updateable":true,"writeRequiresMasterRead":false`
	return full + "," + changes + "}" // of two members of a name, the last one counts
}

func describedAs(t *testing.T, more string, fields ...string) described {
	t.Helper()
	d, f := parseDescribed(answer{Status: 200, Body: json.RawMessage(`{"name":"Contact","createable":true,"updateable":true,"fields":[` + strings.Join(fields, ",") + `]` + more + `}`)})
	if f != nil {
		t.Fatal(f)
	}
	return d
}

const pick = `"picklistValues":[{"active":true,"defaultValue":false,"label":"Web","validFor":null,"value":"Web"},{"active":false,"label":"Old","value":"Old"},{"active":true,"label":"Partner","value":"P"}]`

var webAndPartner = []crm.Choice{{Value: "Web"}, {Value: "P", Label: "Partner"}}

func TestSchemaField(t *testing.T) {
	people := choices{owners: []crm.Choice{{Value: "005000000000001AAA", Label: "John Doe"}}, accounts: []crm.Choice{{Value: "001000000000001AAA", Label: "Contoso"}}}
	field := func(t crm.ValueType, length int) *crm.SchemaField {
		return &crm.SchemaField{Key: "Any__c", Label: "Any", Type: t, Length: length, Create: true, Update: true}
	}
	for name, c := range map[string]struct {
		changes string
		want    *crm.SchemaField
	}{
		"text":                {`"custom":true`, field(crm.TypeText, 255)},
		"encrypted":           {`"type":"encryptedstring","length":175`, field(crm.TypeText, 175)},
		"several lines":       {`"type":"textarea","length":32768`, field(crm.TypeLongText, 32768)},
		"markup":              {`"type":"textarea","htmlFormatted":true`, nil},
		"email":               {`"type":"email","length":80`, field(crm.TypeEmail, 80)},
		"phone":               {`"type":"phone","length":40`, field(crm.TypePhone, 40)},
		"url":                 {`"type":"url"`, field(crm.TypeURL, 255)},
		"number":              {`"type":"double","length":0`, field(crm.TypeNumber, 0)},
		"currency":            {`"type":"currency","length":0`, field(crm.TypeNumber, 0)},
		"percent":             {`"type":"percent","length":0`, field(crm.TypeNumber, 0)},
		"integer":             {`"type":"int","length":0`, field(crm.TypeInteger, 0)},
		"day":                 {`"type":"date","length":0`, field(crm.TypeDate, 0)},
		"moment":              {`"type":"datetime","length":0`, field(crm.TypeTime, 0)},
		"time of day":         {`"type":"time","length":0`, nil},
		"checkbox":            {`"type":"boolean","length":0,"nillable":false,"defaultedOnCreate":true`, field(crm.TypeCheckbox, 0)},
		"open picklist":       {`"type":"picklist",` + pick, &crm.SchemaField{Key: "Any__c", Label: "Any", Type: crm.TypeChoice, Create: true, Update: true, Values: webAndPartner}},
		"restricted picklist": {`"type":"picklist","restrictedPicklist":true,` + pick, &crm.SchemaField{Key: "Any__c", Label: "Any", Type: crm.TypeChoice, Create: true, Update: true, Closed: true, Values: webAndPartner}},
		"several picks":       {`"type":"multipicklist","restrictedPicklist":true,"length":4099,` + pick, &crm.SchemaField{Key: "Any__c", Label: "Any", Type: crm.TypeChoices, Create: true, Update: true, Closed: true, Values: webAndPartner}},
		"dependent picklist": {`"type":"picklist","dependentPicklist":true,"controllerName":"Country__c",` + pick, &crm.SchemaField{Key: "Any__c", Label: "Any", Type: crm.TypeChoice, Create: true, Update: true, Values: webAndPartner,
			Hint: "Which of its values Salesforce takes depends on the field Country__c."}},
		"a picklist of nothing":     {`"type":"picklist","restrictedPicklist":true`, nil},
		"required":                  {`"nillable":false`, &crm.SchemaField{Key: "Any__c", Label: "Any", Type: crm.TypeText, Length: 255, Create: true, Update: true, Required: true}},
		"defaulted":                 {`"nillable":false,"defaultedOnCreate":true`, field(crm.TypeText, 255)},
		"in new ones alone":         {`"updateable":false`, &crm.SchemaField{Key: "Any__c", Label: "Any", Type: crm.TypeText, Length: 255, Create: true}},
		"read-only":                 {`"createable":false,"updateable":false`, nil},
		"calculated":                {`"calculated":true`, nil},
		"auto number":               {`"autoNumber":true`, nil},
		"hidden":                    {`"deprecatedAndHidden":true`, nil},
		"an address":                {`"type":"address","name":"MailingAddress"`, nil},
		"a place":                   {`"type":"location"`, nil},
		"a file":                    {`"type":"base64"`, nil},
		"the id":                    {`"type":"id","name":"Id","createable":false,"updateable":false`, nil},
		"the address of the person": {`"type":"email","name":"Email"`, nil},
		"a name":                    {`"name":"LastName","nillable":false`, nil},
		"another record":            {`"type":"reference","name":"ReportsToId"`, nil},
		"the owner":                 {`"type":"reference","name":"OwnerId","label":"Owner ID","length":18`, &crm.SchemaField{Key: "OwnerId", Label: "Owner", Type: crm.TypeChoice, Create: true, Update: true, Closed: true, Values: people.owners, Refers: true}},
		"the account":               {`"type":"reference","name":"AccountId","length":18`, &crm.SchemaField{Key: "AccountId", Label: "Account", Type: crm.TypeChoice, Create: true, Update: true, Values: people.accounts, Refers: true}},
		"no record types":           {`"type":"reference","name":"RecordTypeId","length":18`, nil},
	} {
		d := describedAs(t, "", served(c.changes))
		got, ok := d.schemaField(d.Fields[0], people)
		switch {
		case ok != (c.want != nil):
			t.Errorf("%s: %+v", name, got)
		case ok:
			if c.want.Hint == "" {
				got.Hint = ""
			}
			if !reflect.DeepEqual(got, *c.want) {
				t.Errorf("%s: %+v, want %+v", name, got, *c.want)
			}
		}
	}
}

const recordTypes = `,"recordTypeInfos":[{"active":true,"available":true,"defaultRecordTypeMapping":false,"developerName":"Reader","master":false,"name":"Reader","recordTypeId":"012000000000001AAA","urls":{}},
	{"active":true,"available":false,"master":false,"name":"Not theirs","recordTypeId":"012000000000002AAA"},{"active":false,"available":true,"master":false,"name":"Old","recordTypeId":"012000000000003AAA"},
	{"active":true,"available":true,"defaultRecordTypeMapping":true,"developerName":"Master","master":true,"name":"Master","recordTypeId":"012000000000000AAA","urls":{}}]`

// What Contacts and Leads both have is one field; what one of them has says so, and is kept apart
// where it isn't the same.
func TestSchemaOfBoth(t *testing.T) {
	contact := describedAs(t, recordTypes, served(`"name":"Title","length":128`), served(`"name":"Department"`), served(`"type":"reference","name":"RecordTypeId"`),
		served(`"name":"Size__c","type":"double"`), served(`"name":"Kind__c","type":"picklist","restrictedPicklist":true,`+pick), served(`"type":"reference","name":"OwnerId"`))
	lead := describedAs(t, recordTypes, served(`"name":"Title","length":100,"nillable":false`), served(`"name":"Company","nillable":false`), served(`"type":"reference","name":"RecordTypeId"`),
		served(`"name":"Size__c"`), served(`"name":"Kind__c","type":"picklist","restrictedPicklist":true,"picklistValues":[{"active":true,"label":"Web","value":"Web"}]`), served(`"type":"reference","name":"OwnerId"`))
	people := choices{owners: []crm.Choice{{Value: "005000000000001AAA"}}}
	is := map[string]crm.SchemaField{}
	var keys []string
	for _, f := range schemaOf(contact, lead, people).Fields {
		is[f.Key], keys = f, append(keys, f.Key)
	}
	if want := []string{"Title", "Department", "RecordTypeId", "Size__c", "Kind__c", "OwnerId", "Lead.Company", "Lead.RecordTypeId", "Lead.Size__c", "Lead.Kind__c"}; !slices.Equal(keys, want) {
		t.Fatalf("fields %q, want %q", keys, want)
	}
	if f := is["Title"]; f.Length != 100 || f.Required || !strings.Contains(f.Hint, "A new Lead needs it") {
		t.Errorf("%+v", f)
	}
	if f := is["RecordTypeId"]; !reflect.DeepEqual(f.Values, []crm.Choice{{Value: "012000000000001AAA", Label: "Reader"}}) || !f.Closed {
		t.Errorf("%+v", f)
	}
	for key, only := range map[string]string{"Department": "Only Contacts have it", "Size__c": "Only Contacts", "Lead.Company": "A new Lead needs a company", "Lead.Size__c": "Only Leads have it"} {
		if f := is[key]; !strings.Contains(f.Hint, only) || f.Required {
			t.Errorf("%s: %+v", key, f)
		}
	}
	for _, f := range schemaOf(contact, described{}, people).Fields {
		if strings.Contains(f.Hint, "Only Contacts") || strings.HasPrefix(f.Key, leadPrefix) {
			t.Errorf("without Leads: %+v", f)
		}
	}
}

// An org with person accounts is told what that means.
func TestPersonAccounts(t *testing.T) {
	account := describedAs(t, "", served(`"name":"Website","type":"url"`))
	plain := describedAs(t, "", served(`"type":"reference","name":"AccountId"`))
	persons := describedAs(t, "", served(`"type":"reference","name":"AccountId"`), served(`"type":"boolean","name":"IsPersonAccount","createable":false,"updateable":false`))
	const said = "person accounts"
	if f, ok := accountTarget(plain, account); !ok || strings.Contains(f.Hint, said) {
		t.Errorf("%+v", f)
	}
	if f, ok := accountTarget(persons, account); !ok || !strings.Contains(f.Hint, said) {
		t.Errorf("%+v", f)
	}
	if f := schemaOf(persons, described{}, choices{}).Fields; len(f) != 1 || !strings.Contains(f[0].Hint, said) {
		t.Errorf("%+v", f)
	}
	if _, ok := accountTarget(plain, describedAs(t, "", served(`"name":"Name"`))); ok {
		t.Error("accounts without websites")
	}
}

// Queries for accounts keep within the limits, and websites are read however they are written.
func TestAccountQueries(t *testing.T) {
	var domains []string
	for i := range 1000 {
		domains = append(domains, fmt.Sprintf("a-rather-long-name-%04d.contoso.example", i))
	}
	urls := accountQueries(domains)
	seen := 0
	for _, u := range urls {
		n := strings.Count(u, "LIKE")
		seen += n
		if len(u) > maxURL || n > recordsPerPart {
			t.Errorf("%d domains in %d bytes", n, len(u))
		}
	}
	if seen != len(domains) {
		t.Errorf("%d queries ask for %d domains", len(urls), seen)
	}
	for site, want := range map[string]string{"contoso.com": "contoso.com", "HTTPS://WWW.Contoso.com/a?b#c": "contoso.com", "contoso.com:8080": "contoso.com", " contoso.com?x ": "contoso.com", "": "", "www2.contoso.com": "www2.contoso.com"} {
		if got := domainOfSite(site); got != want {
			t.Errorf("%q is %q", site, got)
		}
	}
}

// However many fields are read, a query keeps within the limits and asks for everybody once.
func TestQueriesWithManyFieldsFitTheLimits(t *testing.T) {
	p := places(crm.Options{})[0]
	for i := range 100 {
		p.own = append(p.own, fmt.Sprintf("A_field_with_a_rather_long_name_%03d__c", i))
	}
	seen := 0
	for _, u := range p.queries(addresses(300, 60)) {
		seen += strings.Count(asked(t, u), "@example.com'")
		if len(u) > maxURL {
			t.Errorf("a query of %d bytes", len(u))
		}
	}
	if seen != 300 {
		t.Errorf("asks for %d addresses", seen)
	}
}
