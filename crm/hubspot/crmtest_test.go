package hubspot_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/crm/crmtest"
)

func TestCRM(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, func(t *testing.T) crmtest.Env {
		w := newWorld(t)
		w.set(`{"rate_limit":0}`)
		w.byHand(http.MethodPost, "/crm/properties/2026-09/contacts",
			`{"name":"gatepost_email","label":"Gatepost","type":"string","fieldType":"text","groupName":"contactinformation","hasUniqueValue":true}`, nil)
		return crmtest.Env{
			CRM:     w,
			Records: w.contacts,
			OptOut:  w.optOut(),
			Down: func(n int, after bool) {
				w.fault(`{"on":"any","status":503,"count":%d,"after_commit":%t,"drop":%t}`, n, after, after)
			},
			LoseChange: func() { w.fault(`{"on":"update","status":503,"count":1,"after_commit":true,"drop":true}`) },
			Holds:      w.holds,
			Revoke:     func() { w.ended = true },
			Delete:     func(id string) { w.byHand(http.MethodDelete, contactsPath+"/"+id, "", nil) },
			Change: func(id string) {
				w.later(time.Minute)
				w.byHand(http.MethodPatch, contactsPath+"/"+id, `{"properties":{"jobtitle":"Countess"}}`, nil)
			},
			Refused: crm.Fields{crm.Email: "nope", crm.LastName: "Doe"},
			Key:     "gatepost_email",
			Add:     w.add,
			Merge:   func(into, other string) { w.merge(into, other) },
			RefuseWhole: func(int) {
				w.fault(`{"on":"batch_create","status":400,"error_code":"VALIDATION_ERROR","message":"no","count":1}`)
			},
			Unique:       true,
			Own:          w.ownFields(),
			Field:        w.changeField,
			RequiresNone: true,
		}
	})
}

// holds is what people see in a contact.
func (w *world) holds(id string) map[string]any {
	w.t.Helper()
	names := "email,firstname,lastname,gatepost_email,hs_additional_emails,hs_full_name_or_email,hs_email_domain"
	for _, t := range []crm.ValueType{crm.TypeText, crm.TypeLongText, crm.TypeChoice, crm.TypeChoices, crm.TypeCheckbox, crm.TypeDate, crm.TypeTime, crm.TypeNumber, crm.TypePhone} {
		names += ",own_" + string(t)
	}
	var is struct{ Properties map[string]any }
	w.byHand(http.MethodGet, contactsPath+"/"+id+"?properties="+names, "", &is)
	return is.Properties
}

// add makes a contact by hand, with further addresses.
func (w *world) add(p crm.Fields, further ...string) string {
	w.t.Helper()
	also, err := json.Marshal(further)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.edit(fmt.Sprintf(`{"properties":{"email":%q,"firstname":%q,"lastname":%q},"additional_emails":%s}`, p[crm.Email], p[crm.FirstName], p[crm.LastName], also))
}

// ownFields makes a property of each type, and returns their names.
func (w *world) ownFields() map[crm.ValueType]string {
	own := map[crm.ValueType]string{}
	for t, kind := range map[crm.ValueType]string{crm.TypeText: "string", crm.TypeLongText: "string textarea", crm.TypeChoice: "enumeration select",
		crm.TypeChoices: "enumeration checkbox", crm.TypeCheckbox: "bool", crm.TypeDate: "date", crm.TypeTime: "datetime", crm.TypeNumber: "number",
		crm.TypePhone: "string phonenumber"} {
		own[t] = "own_" + string(t)
		values := `["red","green","blue"]`
		if t == crm.TypeCheckbox {
			values = `["true","false"]`
		}
		w.post("fields", fmt.Sprintf(`{"name":%q,"type":%q,"values":%s}`, own[t], kind, values), nil)
	}
	return own
}

// changeField does something to a property, as an administrator does.
func (w *world) changeField(key string, what crmtest.FieldChange) {
	change := map[crmtest.FieldChange]string{crmtest.RemoveField: `"removed":true`, crmtest.LockField: `"read_only":true`, crmtest.RetypeField: `"type":"number"`}[what]
	w.post("fields", fmt.Sprintf(`{"name":%q,%s}`, key, change), nil)
}
