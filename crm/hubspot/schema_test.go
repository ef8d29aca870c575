package hubspot

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"gatepost/crm"
)

// told is a property as HubSpot tells it, some of it changed.
func told(changes string) string {
	return `{"name":"any","label":"Any","type":"string","fieldType":"text","groupName":"contactinformation","description":"","options":[],"displayOrder":3,"calculated":false,"externalOptions":false,"hasUniqueValue":false,"hidden":false,"formField":true,"dataSensitivity":"non_sensitive","modificationMetadata":{"archivable":true,"readOnlyDefinition":true,"readOnlyValue":false},"archived":false,` + changes + `}`
}

const options = `"options":[{"label":"Red one","value":"red","displayOrder":0,"hidden":false},{"label":"blue","value":"blue","displayOrder":1,"hidden":false},{"label":"Old","value":"old","displayOrder":2,"hidden":true}]`

func TestSchemaField(t *testing.T) {
	owners := []crm.Choice{{Value: "42", Label: "John Doe"}}
	colours := []crm.Choice{{Value: "red", Label: "Red one"}, {Value: "blue"}}
	field := func(t crm.ValueType, length int) *crm.SchemaField {
		return &crm.SchemaField{Key: "any", Label: "Any", Type: t, Length: length, Create: true, Update: true}
	}
	for name, c := range map[string]struct {
		changes string
		want    *crm.SchemaField
	}{
		"text":                    {`"x":1`, field(crm.TypeText, maxText)},
		"several lines":           {`"fieldType":"textarea"`, field(crm.TypeLongText, maxText)},
		"phone":                   {`"fieldType":"phonenumber"`, field(crm.TypePhone, maxText)},
		"phone by its type":       {`"type":"phone_number"`, field(crm.TypePhone, maxText)},
		"markup":                  {`"fieldType":"html"`, nil},
		"a file":                  {`"fieldType":"file"`, nil},
		"number":                  {`"type":"number","fieldType":"number"`, field(crm.TypeNumber, 0)},
		"day":                     {`"type":"date","fieldType":"date"`, field(crm.TypeDate, 0)},
		"moment":                  {`"type":"datetime","fieldType":"date"`, field(crm.TypeTime, 0)},
		"checkbox":                {`"type":"bool","fieldType":"booleancheckbox","options":[{"label":"Yes","value":"true"},{"label":"No","value":"false"}]`, field(crm.TypeCheckbox, 0)},
		"checkbox with options":   {`"type":"enumeration","fieldType":"booleancheckbox"`, field(crm.TypeCheckbox, 0)},
		"choice":                  {`"type":"enumeration","fieldType":"radio",` + options, &crm.SchemaField{Key: "any", Label: "Any", Type: crm.TypeChoice, Create: true, Update: true, Closed: true, Values: colours}},
		"choices":                 {`"type":"enumeration","fieldType":"checkbox",` + options, &crm.SchemaField{Key: "any", Label: "Any", Type: crm.TypeChoices, Create: true, Update: true, Closed: true, Values: colours}},
		"options elsewhere":       {`"type":"enumeration","fieldType":"select","externalOptions":true`, nil},
		"a place":                 {`"type":"object_coordinates"`, nil},
		"JSON":                    {`"type":"json"`, nil},
		"archived":                {`"archived":true`, nil},
		"calculated":              {`"calculated":true`, nil},
		"read-only":               {`"modificationMetadata":{"readOnlyValue":true}`, nil},
		"hidden":                  {`"hidden":true`, nil},
		"sensitive":               {`"dataSensitivity":"sensitive"`, nil},
		"HubSpot's own":           {`"name":"hs_facebook_click_id","hubspotDefined":true`, nil},
		"one's own that looks so": {`"name":"hs_any"`, &crm.SchemaField{Key: "hs_any", Label: "Any", Type: crm.TypeText, Length: maxText, Create: true, Update: true}},
		"the address":             {`"name":"email"`, nil},
		"a name":                  {`"name":"firstname"`, nil},
		"the owner":               {`"name":"hubspot_owner_id","type":"enumeration","fieldType":"select","externalOptions":true`, &crm.SchemaField{Key: "hubspot_owner_id", Label: "Any", Type: crm.TypeChoice, Create: true, Update: true, Closed: true, Values: owners, Refers: true}},
	} {
		var p property
		if err := json.Unmarshal([]byte(told(c.changes)), &p); err != nil {
			t.Fatal(name, err)
		}
		got, ok := p.schemaField(owners)
		if ok != (c.want != nil) || ok && !reflect.DeepEqual(got, *c.want) {
			t.Errorf("%s: %+v, %t, want %+v", name, got, ok, c.want)
		}
	}
}

// What is to be known of a property is said with it.
func TestSchemaHints(t *testing.T) {
	for name, said := range map[string]string{"lifecyclestage": "forward", "hubspot_owner_id": "crm.objects.owners.read"} {
		var p property
		if err := json.Unmarshal([]byte(told(fmt.Sprintf(`"name":%q,"type":"enumeration","fieldType":"select",`+options, name))), &p); err != nil {
			t.Fatal(err)
		}
		if f, ok := p.schemaField(nil); !ok || !strings.Contains(f.Hint, said) || name == ownerProperty && f.Closed {
			t.Errorf("%s: %+v, %t", name, f, ok)
		}
	}
}
