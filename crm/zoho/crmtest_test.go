package zoho_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest"
	"gatepost/crm/zoho"
)

// The cases of every CRM, for an org whose addresses are unique, and for one where they
// aren't.
func TestCRM(t *testing.T) {
	t.Parallel()
	for name, unique := range map[string]bool{"addresses are unique": true, "addresses are not": false} {
		t.Run(name, func(t *testing.T) {
			crmtest.Run(t, func(t *testing.T) crmtest.Env { return env(t, unique) })
		})
	}
}

func env(t *testing.T, unique bool) crmtest.Env {
	w := newWorld(t)
	w.settings(fmt.Sprintf(`{"key_field":"Gatepost_Email","email_unique":%t}`, unique))
	source := &ending{world: w}
	c, err := zoho.Open(t.Context(), source, nil, zoho.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return crmtest.Env{
		CRM:     c,
		Records: func() int { return w.stats().Contacts },
		OptOut:  w.optOut(),
		Down: func(n int, after bool) {
			w.control("fail", fmt.Sprintf(`{"on":"any","status":503,"count":%d,"after_commit":%t,"drop":%t}`, n, after, after), nil)
		},
		LoseChange: func() {
			w.control("fail", `{"on":"update","status":503,"count":1,"after_commit":true,"drop":true}`, nil)
		},
		Holds:  w.holds,
		Revoke: func() { source.ended = true },
		Delete: func(id string) { w.hand("delete", id, "") },
		Change: func(id string) {
			w.advance(2) // times are in seconds
			w.hand("change", id, `,"fields":{"Title":"Countess"}`)
		},
		Own:   w.ownFields(),
		Field: w.changeField,
		Beside: crmtest.Beside{Key: ":tags", Value: crm.Value{Type: crm.TypeChoices, Text: "Newsletter"},
			Fail: func() { w.control("fail", `{"on":"tags","status":503,"count":1}`, nil) },
			Done: func(id string) bool { return slices.Contains(w.tagsOf(id), "Newsletter") }},
		Unique:  unique,
		Refused: crm.Fields{crm.Email: "not an address", crm.LastName: "Doe"},
		Key:     "Gatepost_Email",
		Lead: func(p crm.Fields) string {
			return w.hand("create", "Leads", fmt.Sprintf(`,"fields":{"Email":%q,"First_Name":%q,"Last_Name":%q,"Company":"-"}`, p[crm.Email], p[crm.FirstName], p[crm.LastName]))
		},
	}
}

// ending is a source whose access may have ended, as the vault's may.
type ending struct {
	*world
	ended bool
}

// Session implements zoho.Source.
func (e *ending) Session(ctx context.Context, refused int64) (zoho.Session, error) {
	if e.ended {
		return zoho.Session{}, &crm.Failure{Class: crm.Connection, Code: crm.Broken}
	}
	return e.world.Session(ctx, refused)
}

// ownFields makes a field of each type in Contacts, and returns their names.
func (w *world) ownFields() map[crm.ValueType]string {
	own := map[crm.ValueType]string{}
	for t, kind := range map[crm.ValueType]string{crm.TypeText: "text", crm.TypeLongText: "textarea", crm.TypeChoice: "picklist", crm.TypeChoices: "multiselectpicklist",
		crm.TypeCheckbox: "boolean", crm.TypeDate: "date", crm.TypeTime: "datetime", crm.TypeNumber: "double", crm.TypeInteger: "integer",
		crm.TypeEmail: "email", crm.TypePhone: "phone", crm.TypeURL: "website"} {
		own[t] = "Own_" + kind
		w.control("fields", fmt.Sprintf(`{"name":%q,"type":%q,"values":["-None-","red","green","blue"]}`, own[t], kind), nil)
	}
	return own
}

// changeField does something to a field, as an administrator does.
func (w *world) changeField(key string, what crmtest.FieldChange) {
	change := map[crmtest.FieldChange]string{crmtest.RemoveField: `"removed":true`, crmtest.RequireField: `"required":true`, crmtest.LockField: `"read_only":true`, crmtest.RetypeField: `"type":"double"`}[what]
	w.control("fields", fmt.Sprintf(`{"name":%q,%s}`, key, change), nil)
}
