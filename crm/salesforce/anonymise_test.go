package salesforce_test

import (
	"net/http"
	"slices"
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest"
	"gatepost/crm/salesforce"
)

// What a Contact belongs to stays, and so does that its person wants no e-mail; and what is no Contact's is left alone. A field
// that isn't shown is told where it is known.
func TestAnonymiseLeavesWhatARecordBelongsTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account, campaign := w.account("https://contoso.example"), w.campaign("Spring")
	r, err := w.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "ada@contoso.example", crm.LastName: "Lovelace"},
		Own: map[string]crm.Value{"AccountId": choice(account), "HasOptedOutOfEmail": {Type: crm.TypeCheckbox, Text: "true"}, "LeadSource": choice("Web"), "Title": text("Countess"), ":campaign": choice(campaign)}}}, crm.Options{})
	if err != nil || r[0].Err != nil {
		t.Fatal(r, err)
	}
	id, owner := r[0].ID, w.shows(r[0].ID)["OwnerId"]
	var own []crm.SchemaField
	for _, key := range []string{"AccountId", "OwnerId", "RecordTypeId", "HasOptedOutOfEmail", "LeadSource", "Title", ":account", ":campaign", "Lead.Rating", "Forgotten__c"} {
		own = append(own, crm.SchemaField{Key: key, Update: true})
	}
	own = append(own, crm.SchemaField{Key: "Hidden__c", Label: "Hidden", Update: true})
	spy := &spying{}
	c, err := salesforce.Open(t.Context(), w, &http.Client{Transport: spy}, salesforce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	became, kept, err := c.Anonymise(t.Context(), id, own, crm.Options{})
	if err != nil || became != crm.Anonymised || len(kept) != 1 || kept[0] != "Hidden__c" {
		t.Errorf("%s, %q, %v", became, kept, err)
	}
	w.holds(id, map[string]any{"AccountId": account, "OwnerId": owner, "HasOptedOutOfEmail": true, "LeadSource": nil, "Title": nil, "Email": nil, "FirstName": nil, "LastName": "Erased"})
	if _, is := w.members(campaign)[id]; !is {
		t.Error("it left the campaign")
	}
	if spy.header.Get("Sforce-Duplicate-Rule-Header") != "allowSave=true" || spy.header.Get("Sforce-Auto-Assign") != "FALSE" {
		t.Errorf("sent with %v", spy.header)
	}
}

// spying keeps the headers of the last change.
type spying struct{ header http.Header }

func (s *spying) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPatch {
		s.header = r.Header.Clone()
	}
	return http.DefaultTransport.RoundTrip(r)
}

// A field that became required since keeps what it holds. One that is busy stays as it was; and what is no id isn't asked for.
func TestAnonymiseRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.ownFields()[crm.TypeText]
	r, err := w.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "ada@contoso.example", crm.LastName: "Lovelace"}, Own: map[string]crm.Value{key: text("Countess"), "Title": text("Countess")}}}, crm.Options{})
	if err != nil || r[0].Err != nil {
		t.Fatal(r, err)
	}
	refused := func(class crm.Class, code, id string) {
		t.Helper()
		_, _, err := w.Anonymise(t.Context(), id, []crm.SchemaField{{Key: key, Update: true}}, crm.Options{})
		if f := crm.Failed(err); err == nil || f.Class != class || f.Code != code || f.Unknown {
			t.Errorf("%+v, want %s %s", f, class, code)
		}
	}
	w.post("fail", `{"on":"update","count":1,"status":400,"error_code":"UNABLE_TO_LOCK_ROW","message":"unable to obtain exclusive access to this record"}`, nil)
	refused(crm.Passing, "UNABLE_TO_LOCK_ROW", r[0].ID)
	refused(crm.Recorded, "MALFORMED_ID", "../Account/001000000000001AAA")
	w.holds(r[0].ID, map[string]any{"Email": "ada@contoso.example", "LastName": "Lovelace", key: "Countess"})
	w.changeField(key, crmtest.RequireField)
	became, kept, err := w.Anonymise(t.Context(), r[0].ID, []crm.SchemaField{{Key: key, Update: true}, {Key: "Title", Update: true}}, crm.Options{})
	if err != nil || became != crm.Anonymised || !slices.Equal(kept, []string{key}) {
		t.Errorf("%s, %q, %v", became, kept, err)
	}
	w.holds(r[0].ID, map[string]any{"Email": nil, "LastName": "Erased", "Title": nil, key: "Countess"})
}
