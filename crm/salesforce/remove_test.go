package salesforce_test

import (
	"errors"
	"testing"

	"gatepost/crm"
)

// A deletion whose answer was lost is found to be done by asking again, and a refusal
// leaves the Contact. Looking and deleting take an API call each.
func TestRemove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	make := func(email string) string {
		t.Helper()
		results, err := w.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: email, crm.LastName: "Lovelace"}}}, crm.Options{})
		if err != nil || results[0].Err != nil || !results[0].Made {
			t.Fatalf("%+v, %v", results, err)
		}
		return results[0].ID
	}
	id, before := make("ada@contoso.example"), w.stats()
	w.post("fail", `{"on":"delete","count":1,"after_commit":true,"drop":true}`, nil)
	_, err := w.Remove(t.Context(), id)
	var f *crm.Failure
	if !errors.As(err, &f) || f.Class != crm.Pause || !f.Unknown {
		t.Errorf("the answer was lost: %v", err)
	}
	if removed, err := w.Remove(t.Context(), id); removed != crm.Missing || err != nil {
		t.Errorf("asked again: %s, %v", removed, err)
	}
	w.expect(before, stats{APICalls: 3, Contacts: -1})

	id, before = make("grace@contoso.example"), w.stats()
	w.post("fail", `{"on":"delete","count":1,"status":400,"error_code":"DELETE_FAILED","message":"Your attempt to delete it could not be completed."}`, nil)
	_, err = w.Remove(t.Context(), id)
	if !errors.As(err, &f) || f.Class != crm.Recorded || f.Unknown || f.Code != "DELETE_FAILED" {
		t.Errorf("refused: %v", err)
	}
	w.post("fail", `{"on":"delete","count":1,"status":403,"error_code":"INSUFFICIENT_ACCESS_OR_READONLY","message":"insufficient access rights on object id"}`, nil)
	_, err = w.Remove(t.Context(), id)
	if !errors.As(err, &f) || f.Class != crm.Recorded || f.Unknown {
		t.Errorf("not allowed: %v", err)
	}
	w.expect(before, stats{APICalls: 2, PerEmailMax: 1}) // a call that is to fail isn't counted
	for _, odd := range []string{"", "003", "../Account/001000000000001AAA", "003000000000001AAA?x="} {
		if _, err := w.Remove(t.Context(), odd); !errors.As(err, &f) || f.Class != crm.Recorded {
			t.Errorf("%q: %v", odd, err)
		}
	}
}
