package crmtest

import (
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
)

// valueTypes are all that there are.
var valueTypes = []crm.ValueType{crm.TypeText, crm.TypeLongText, crm.TypeChoice, crm.TypeChoices, crm.TypeCheckbox, crm.TypeDate, crm.TypeTime,
	crm.TypeNumber, crm.TypeInteger, crm.TypeEmail, crm.TypePhone, crm.TypeURL}

// A CRM tells its fields, each once and whole, and neither the address nor the names among them. An
// outage says nothing of the fields.
func schema(t *testing.T, e Env) {
	s, err := e.CRM.Schema(t.Context())
	if err != nil || len(s.Fields) == 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	seen := map[string]bool{}
	for _, f := range s.Fields {
		chosen := f.Type == crm.TypeChoice || f.Type == crm.TypeChoices
		switch name := strings.ToLower(f.Key); {
		case f.Key == "" || f.Label == "" || seen[f.Key] || !slices.Contains(valueTypes, f.Type) || !f.Create && !f.Update:
			t.Errorf("%+v", f)
		case slices.Contains([]string{"email", "firstname", "first_name", "lastname", "last_name"}, name):
			t.Errorf("%s has a way of its own", f.Key)
		case !chosen && (len(f.Values) > 0 || f.Closed) || f.Closed && len(f.Values) == 0 || len(f.Values) > crm.MaxChoices && f.Closed:
			t.Errorf("%s has %d values to choose from, and no others: %t", f.Key, len(f.Values), f.Closed)
		}
		for _, v := range f.Values {
			if v.Value == "" || v.Label == v.Value || f.Type == crm.TypeChoices && strings.Contains(v.Value, ";") {
				t.Errorf("%s: %+v", f.Key, v)
			}
		}
		seen[f.Key] = true
	}
	e.Down(1, false)
	_, err = e.CRM.Schema(t.Context())
	e.want(t, err, crm.Pause, false)
}
