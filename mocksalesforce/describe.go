package mocksalesforce

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// schemaDate is since when the description of the objects has been what it is.
var schemaDate = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// describeGlobal handles GET /sobjects.
func (c *call) describeGlobal(context.Context) (reply, error) {
	list := []any{}
	for _, o := range c.schema().objects {
		list = append(list, c.objectInfo(o))
	}
	return reply{status: http.StatusOK, body: map[string]any{"encoding": "UTF-8", "maxBatchSize": maxCollection, "sobjects": list}}, nil
}

func (c *call) objectInfo(o *object) map[string]any {
	return map[string]any{"name": o.Name, "label": o.Label, "labelPlural": o.Plural, "keyPrefix": o.Prefix, "custom": false, "customSetting": false,
		"createable": o.Writable, "updateable": o.Writable, "deletable": o.Writable, "undeletable": false, "queryable": true, "retrieveable": true,
		"searchable": o.Writable, "replicateable": true, "mergeable": o.Writable, "triggerable": o.Writable, "layoutable": true, "activateable": false,
		"deprecatedAndHidden": false, "feedEnabled": false, "hasSubtypes": false, "isSubtype": false, "mruEnabled": o.Writable,
		"urls": map[string]string{"sobject": c.url("sobjects", o.Name), "describe": c.url("sobjects", o.Name, "describe"), "rowTemplate": c.url("sobjects", o.Name, "{ID}")}}
}

// describeBasic handles GET /sobjects/X.
func (c *call) describeBasic(context.Context) (reply, error) {
	o, err := c.object(c.path[0])
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: map[string]any{"objectDescribe": c.objectInfo(o), "recentItems": []any{}}}, nil
}

// describe handles GET /sobjects/X/describe.
func (c *call) describe(context.Context) (reply, error) {
	o, err := c.object(c.path[0])
	if err != nil {
		return reply{}, err
	}
	if since, err := http.ParseTime(c.header.Get("If-Modified-Since")); err == nil && !since.Before(schemaDate) && o.externalID() == nil && len(c.s.set(c.who.user.OrgID).Fields) == 0 {
		return reply{status: http.StatusNotModified}, nil
	}
	fields := []any{}
	for _, f := range o.Fields {
		fields = append(fields, describeField(o, f))
	}
	body := c.objectInfo(o)
	body["fields"] = fields
	body["childRelationships"] = []any{}
	body["supportedScopes"] = []any{}
	body["recordTypeInfos"] = o.recordTypeInfos()
	return reply{status: http.StatusOK, header: map[string]string{"Last-Modified": schemaDate.Format(http.TimeFormat)}, body: body}, nil
}

// recordTypeInfos are an object's record types, behind which stands the one that every object has.
func (o *object) recordTypeInfos() []any {
	list := []any{}
	for i, t := range append(o.RecordTypes, recordType{"012000000000000AAA", "Master"}) {
		master := i == len(o.RecordTypes)
		list = append(list, map[string]any{"active": true, "available": true, "defaultRecordTypeMapping": i == 0, "developerName": strings.ReplaceAll(t.Name, " ", "_"),
			"master": master, "name": t.Name, "recordTypeId": t.ID, "urls": map[string]any{}})
	}
	return list
}

var soapTypes = map[string]string{"id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int",
	"double": "xsd:double", "currency": "xsd:double", "percent": "xsd:double", "date": "xsd:date", "datetime": "xsd:dateTime"}

// describeField writes one field with the full set of keys that Salesforce serves.
func describeField(o *object, f *field) map[string]any {
	soap, ok := soapTypes[f.Type]
	if !ok {
		soap = "xsd:string"
	}
	long := f.Type == "textarea" && f.Length > 255
	number := soap == "xsd:double" || soap == "xsd:int"
	defaulted := f.Type == "boolean" || f.Default != nil || f.Name == "OwnerId" || f.Access == readOnly && systemDefaulted(f)
	refs, relation := []string{}, any(nil)
	if f.RefTo != "" {
		refs, relation = []string{f.RefTo}, f.Name[:len(f.Name)-len("Id")]
	}
	var compound any
	if f.Name == "FirstName" || f.Name == "LastName" || f.Name == "Salutation" || f.Name == "Name" {
		compound = "Name"
	}
	calculated := f.Name == "Name" && f.Access == readOnly && o.Writable
	return map[string]any{
		"aggregatable": !long && f.Type != "boolean", "aiPredictionField": false, "autoNumber": false, "byteLength": 3 * f.Length,
		"calculated": false, "calculatedFormula": nil, "cascadeDelete": false, "caseSensitive": false, "compoundFieldName": compound,
		"controllerName": nil, "createable": f.Access != readOnly, "custom": strings.HasSuffix(f.Name, "__c"), "defaultValue": f.Default, "defaultValueFormula": nil,
		"defaultedOnCreate": defaulted, "dependentPicklist": false, "deprecatedAndHidden": false, "digits": digits(f),
		"displayLocationInDecimal": false, "encrypted": false, "externalId": f.ExternalID, "extraTypeInfo": nil, "filterable": !long,
		"filteredLookupInfo": nil, "formulaTreatNullNumberAsZero": false, "groupable": !long && !number && f.Type != "datetime",
		"highScaleNumber": false, "htmlFormatted": false, "idLookup": f.IDLookup, "inlineHelpText": nil, "label": f.Label, "length": f.Length,
		"mask": nil, "maskType": nil, "name": f.Name, "nameField": f.Name == "Name", "namePointing": false,
		"nillable": f.Access != required && !defaulted && f.Type != "id" && !calculated, "permissionable": f.Access == writable,
		"picklistValues": picklistValues(f), "polymorphicForeignKey": false, "precision": precision(f), "queryByDistance": false,
		"referenceTargetField": nil, "referenceTo": refs, "relationshipName": relation, "relationshipOrder": nil, "restrictedDelete": false,
		"restrictedPicklist": f.Restricted, "scale": 0, "searchPrefilterable": false, "soapType": soap, "sortable": !long, "type": f.Type,
		"unique": f.ExternalID, "updateable": f.Access != readOnly, "writeRequiresMasterRead": false,
	}
}

func systemDefaulted(f *field) bool {
	switch f.Name {
	case "Id", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp":
		return true
	}
	return false
}

func digits(f *field) int {
	if f.Type == "int" {
		return 8
	}
	return 0
}

func precision(f *field) int {
	if f.Type == "currency" {
		return 18
	}
	return 0
}

func picklistValues(f *field) []any {
	list := []any{}
	for _, v := range f.Picklist {
		list = append(list, map[string]any{"active": true, "defaultValue": v == f.Default, "label": v, "validFor": nil, "value": v})
	}
	return list
}
