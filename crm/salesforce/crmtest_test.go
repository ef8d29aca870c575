package salesforce_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest"
	"gatepost/crm/salesforce"
)

func TestCRM(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, func(t *testing.T) crmtest.Env {
		w := newWorld(t)
		w.post("settings", `{"external_id_field":"Gatepost_Email__c"}`, nil)
		source := &ending{world: w}
		c, err := salesforce.Open(t.Context(), source, http.DefaultClient, salesforce.Options{})
		if err != nil {
			t.Fatal(err)
		}
		own, campaign := w.ownFields(), w.campaign("Spring")
		return crmtest.Env{
			CRM:   c,
			Own:   own,
			Field: w.changeField,
			Beside: crmtest.Beside{Key: ":campaign", Value: choice(campaign),
				Fail: func() {
					w.post("fail", `{"on":"composite","status":503,"error_code":"SERVER_UNAVAILABLE","count":1}`, nil)
				},
				Done: func(id string) bool { _, is := w.members(campaign)[id]; return is }},
			Records: func() int { return w.stats().Contacts },
			OptOut:  w.optOut(),
			Down: func(n int, after bool) {
				w.post("fail", fmt.Sprintf(`{"on":"any","status":503,"error_code":"SERVER_UNAVAILABLE","count":%d,"after_commit":%t,"drop":%t}`, n, after, after), nil)
			},
			LoseChange: func() {
				w.post("fail", `{"on":"update","status":503,"error_code":"SERVER_UNAVAILABLE","count":1,"after_commit":true,"drop":true}`, nil)
			},
			Holds:   w.shows,
			Revoke:  func() { source.ended = true },
			Delete:  w.delete,
			Change:  w.change,
			Refused: crm.Fields{crm.Email: "not an address", crm.LastName: "Doe"},
			Key:     "Gatepost_Email__c",
			Lead:    w.leadOf,
			RefuseWhole: func(records int) {
				kind := "composite"
				if records == 1 {
					kind = "create"
				}
				w.post("fail", fmt.Sprintf(`{"on":%q,"status":400,"error_code":"JSON_PARSER_ERROR","count":1}`, kind), nil)
			},
		}
	})
}

// ending is a source whose access may have ended, as the vault's may.
type ending struct {
	*world
	ended bool
}

// Session implements salesforce.Source.
func (e *ending) Session(ctx context.Context, refused int64) (salesforce.Session, error) {
	if e.ended {
		return salesforce.Session{}, &crm.Failure{Class: crm.Connection, Code: crm.Broken}
	}
	return e.world.Session(ctx, refused)
}

// shows is what people see in a Contact or a Lead.
func (w *world) shows(id string) (is map[string]any) {
	w.t.Helper()
	object := "Contact"
	if strings.HasPrefix(id, "00Q") {
		object = "Lead"
	}
	w.rest(http.MethodGet, "sobjects/"+object+"/"+id, "", &is)
	return is
}

// delete deletes a Contact by hand.
func (w *world) delete(id string) { w.byHand(http.MethodDelete, id, "", nil) }

// change changes a Contact by hand, until its times tell so.
func (w *world) change(id string) {
	w.t.Helper()
	var is struct{ CreatedDate, LastModifiedDate string }
	for is.LastModifiedDate == is.CreatedDate {
		w.byHand(http.MethodPatch, id, `{"Title": "Countess"}`, nil)
		w.byHand(http.MethodGet, id, "", &is)
	}
}

// byHand does something with a Contact as its people do.
func (w *world) byHand(method, id, body string, into any) {
	w.t.Helper()
	w.rest(method, "sobjects/Contact/"+id, body, into)
}

// rest makes a call of the API, as somebody who isn't us.
func (w *world) rest(method, path, body string, into any) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.session.InstanceURL+"/services/data/v67.0/"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.session.AccessToken)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.read(resp, into)
}

// ownFields makes a field of each type in Contacts, and returns their names.
func (w *world) ownFields() map[crm.ValueType]string {
	own := map[crm.ValueType]string{}
	for t, kind := range map[crm.ValueType]string{crm.TypeText: "string", crm.TypeLongText: "textarea", crm.TypeChoice: "picklist", crm.TypeChoices: "multipicklist",
		crm.TypeCheckbox: "boolean", crm.TypeDate: "date", crm.TypeTime: "datetime", crm.TypeNumber: "double", crm.TypeInteger: "int",
		crm.TypeEmail: "email", crm.TypePhone: "phone", crm.TypeURL: "url"} {
		own[t] = "Own_" + kind + "__c"
		w.post("fields", fmt.Sprintf(`{"name":%q,"type":%q,"values":["red","green","blue"],"restricted":true}`, own[t], kind), nil)
	}
	return own
}

// changeField does something to a field, as an administrator does.
func (w *world) changeField(key string, what crmtest.FieldChange) {
	change := map[crmtest.FieldChange]string{crmtest.RemoveField: `"removed":true`, crmtest.RequireField: `"required":true`, crmtest.LockField: `"read_only":true`, crmtest.RetypeField: `"type":"double"`}[what]
	w.post("fields", fmt.Sprintf(`{"name":%q,%s}`, key, change), nil)
}
