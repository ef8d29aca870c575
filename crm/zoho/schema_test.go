package zoho

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
)

// told is a field as Zoho tells it, some of it changed.
func told(changes string) string {
	return `{"api_name":"Any","field_label":"Any","data_type":"text","json_type":"string","length":100,"system_mandatory":false,"read_only":false,"field_read_only":false,"visible":true,"custom_field":false,"unique":{},"external":null,"virtual_field":false,"operation_type":{"web_create":true,"web_update":true,"api_create":true,"api_update":true},"view_type":{"view":true,"edit":true,"create":true,"quick_create":true},"pick_list_values":[],"default_value":null,"searchable":true,"filterable":true,"id":"4876876000000002001",` + changes + `}`
}

const picks = `"data_type":"picklist","length":120,"pick_list_values":[{"display_value":"-None-","actual_value":"-None-","id":"1","type":"used"},{"display_value":"Red","actual_value":"red","id":"2","type":"used"},{"display_value":"Old","actual_value":"Old","id":"3","type":"unused"}]`

func fieldsOf(t *testing.T, all ...string) (d described) {
	t.Helper()
	if err := json.Unmarshal([]byte(`{"fields":[`+strings.Join(all, ",")+`]}`), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSchemaField(t *testing.T) {
	owners := []crm.Choice{{Value: "4876876000000225001", Label: "John Doe"}}
	field := func(t crm.ValueType, length int) *crm.SchemaField {
		return &crm.SchemaField{Key: "Any", Label: "Any", Type: t, Length: length, Create: true, Update: true}
	}
	choice := func(t crm.ValueType) *crm.SchemaField {
		return &crm.SchemaField{Key: "Any", Label: "Any", Type: t, Create: true, Update: true, Closed: true, Values: []crm.Choice{{Value: "Red"}}}
	}
	for name, c := range map[string]struct {
		changes string
		want    *crm.SchemaField
	}{
		"text":              {`"x":1`, field(crm.TypeText, 100)},
		"several lines":     {`"data_type":"textarea","length":32000`, field(crm.TypeLongText, 32000)},
		"markup":            {`"data_type":"textarea","textarea":{"type":"rich_text"}`, nil},
		"email":             {`"data_type":"email"`, field(crm.TypeEmail, 100)},
		"phone":             {`"data_type":"phone","length":30`, field(crm.TypePhone, 30)},
		"url":               {`"data_type":"website","length":255`, field(crm.TypeURL, 255)},
		"choice":            {picks, choice(crm.TypeChoice)},
		"choices":           {picks + `,"data_type":"multiselectpicklist","json_type":"jsonarray"`, choice(crm.TypeChoices)},
		"a choice of none":  {`"data_type":"picklist"`, nil},
		"checkbox":          {`"data_type":"boolean","json_type":"boolean","length":5`, field(crm.TypeCheckbox, 0)},
		"day":               {`"data_type":"date","length":20`, field(crm.TypeDate, 0)},
		"moment":            {`"data_type":"datetime","length":120`, field(crm.TypeTime, 0)},
		"integer":           {`"data_type":"integer","json_type":"integer","length":9`, field(crm.TypeInteger, 0)},
		"number":            {`"data_type":"double","json_type":"double","length":16`, field(crm.TypeNumber, 0)},
		"currency":          {`"data_type":"currency","json_type":"double","length":16`, field(crm.TypeNumber, 0)},
		"long number":       {`"data_type":"bigint","json_type":"string"`, nil},
		"another record":    {`"data_type":"lookup","json_type":"jsonobject"`, nil},
		"required":          {`"system_mandatory":true`, &crm.SchemaField{Key: "Any", Label: "Any", Type: crm.TypeText, Length: 100, Create: true, Update: true, Required: true}},
		"in new ones alone": {`"operation_type":{"api_create":true,"api_update":false}`, &crm.SchemaField{Key: "Any", Label: "Any", Type: crm.TypeText, Length: 100, Create: true}},
		"read-only":         {`"read_only":true`, nil},
		"to this user":      {`"field_read_only":true`, nil},
		"not by the API":    {`"operation_type":{"api_create":false,"api_update":false}`, nil},
		"virtual":           {`"virtual_field":true`, nil},
		"the address":       {`"api_name":"Email","data_type":"email"`, nil},
		"a further address": {`"api_name":"Secondary_Email","data_type":"email"`, nil},
		"a name":            {`"api_name":"Last_Name","system_mandatory":true`, nil},
		"the owner":         {`"api_name":"Owner","data_type":"ownerlookup","json_type":"jsonobject"`, &crm.SchemaField{Key: "Owner", Label: "Owner", Type: crm.TypeChoice, Create: true, Update: true, Closed: true, Values: owners, Refers: true}},
	} {
		got, ok := fieldsOf(t, told(c.changes)).Fields[0].schemaField(owners)
		if ok && c.want != nil && c.want.Hint == "" {
			got.Hint = ""
		}
		if ok != (c.want != nil) || ok && !reflect.DeepEqual(got, *c.want) {
			t.Errorf("%s: %+v, %t, want %+v", name, got, ok, c.want)
		}
	}
}

// What every layout demands is required; what one of several does is told, and so is what Leads
// don't have.
func TestSchemaOfLayouts(t *testing.T) {
	contact := fieldsOf(t, told(`"api_name":"Title"`), told(`"api_name":"Region"`), told(`"api_name":"Size","data_type":"integer"`))
	lead := fieldsOf(t, told(`"api_name":"Title"`), told(`"api_name":"Size"`))
	var in struct{ Layouts []layout }
	if err := json.Unmarshal([]byte(`{"layouts":[{"id":"4876876000000000167","name":"Standard","status":"active","sections":[{"fields":[{"api_name":"Title","required":true},{"api_name":"Region","required":true}]}]},
		{"id":"4876876000000000168","name":"Readers","status":"active","sections":[{"fields":[{"api_name":"Title","required":true}]}]}]}`), &in); err != nil {
		t.Fatal(err)
	}
	is := map[string]crm.SchemaField{}
	var keys []string
	for _, f := range schemaOf(contact, lead, in.Layouts, nil).Fields {
		is[f.Key], keys = f, append(keys, f.Key)
	}
	if !slices.Equal(keys, []string{"Title", "Region", "Size", "Layout"}) {
		t.Fatalf("fields %q", keys)
	}
	if f := is["Title"]; !f.Required || f.Hint != "" {
		t.Errorf("%+v", f)
	}
	if f := is["Region"]; f.Required || !strings.Contains(f.Hint, "Required in the layout “Standard”. Only Contacts") {
		t.Errorf("%+v", f)
	}
	if f := is["Size"]; !strings.Contains(f.Hint, "Only Contacts have it") {
		t.Errorf("another kind of field in Leads: %+v", f)
	}
	if f := is["Layout"]; !f.Closed || len(f.Values) != 2 || f.Values[1] != (crm.Choice{Value: "4876876000000000168", Label: "Readers"}) {
		t.Errorf("%+v", f)
	}
	one := schemaOf(contact, described{}, in.Layouts[:1], nil).Fields
	if len(one) != 3 || !one[1].Required || one[1].Hint != "" {
		t.Errorf("with one layout and no Leads: %+v", one)
	}
}
