package salesforce_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest"
)

func text(s string) crm.Value   { return crm.Value{Type: crm.TypeText, Text: s} }
func choice(s string) crm.Value { return crm.Value{Type: crm.TypeChoice, Text: s} }

// holds checks what some fields of a record hold, as the API tells it.
func (w *world) holds(id string, want map[string]any) {
	w.t.Helper()
	object := map[string]string{"003": "Contact", "00Q": "Lead"}[id[:3]]
	var is map[string]any
	w.rest(http.MethodGet, "sobjects/"+object+"/"+id, "", &is)
	for name, v := range want {
		if is[name] != v {
			w.t.Errorf("%s of %s is %v, want %v", name, object, is[name], v)
		}
	}
}

// one writes one record and returns its id.
func (w *world) one(o crm.Options, email string, own map[string]crm.Value) string {
	w.t.Helper()
	results, err := w.Write(w.t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: email, crm.LastName: "Roe"}, Own: own}}, o)
	if err != nil || results[0].Err != nil {
		w.t.Fatalf("%+v, %v", results, err)
	}
	return results[0].ID
}

// field is what the schema says of a field.
func (w *world) field(key string) (crm.SchemaField, bool) {
	w.t.Helper()
	s, err := w.Schema(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	i := slices.IndexFunc(s.Fields, func(f crm.SchemaField) bool { return f.Key == key })
	if i < 0 {
		return crm.SchemaField{}, false
	}
	return s.Fields[i], true
}

// A Lead takes the fields that it has: those that it shares with Contacts, and those of its own. A
// Contact takes none of a Lead's. Which they are is asked once.
func TestFieldsOfLeads(t *testing.T) {
	t.Parallel()
	withinADay()
	w := newWorld(t)
	o := crm.Options{Leads: true, Read: map[string]crm.ValueType{"Title": crm.TypeText, "Department": crm.TypeText, "Lead.Company": crm.TypeText}}
	own := map[string]crm.Value{"Title": text("Countess"), "Department": text("Engines"), "Lead.Company": text("Analytical")}
	lead := w.leadOf(crm.Fields{crm.Email: "lead@contoso.example", crm.LastName: "Lead"})
	contact := w.one(crm.Options{}, "contact@contoso.example", own)
	before := w.stats()
	for range 2 {
		results, err := w.Write(t.Context(), []crm.Write{{ID: lead, Own: own}, {ID: contact, Own: own}}, o)
		if err != nil || results[0].Err != nil || results[1].Err != nil {
			t.Fatalf("%+v, %v", results, err)
		}
	}
	found, err := w.Find(t.Context(), []string{"lead@contoso.example", "contact@contoso.example"}, o)
	if err != nil {
		t.Fatal(err)
	}
	if n := w.stats().APICalls - before.APICalls; n != 4 {
		t.Errorf("%d API calls, want one that asks, two that write and one that looks", n)
	}
	if got := found["lead@contoso.example"][0].Own; len(got) != 2 || got["Title"] != "Countess" || got["Lead.Company"] != "Analytical" {
		t.Errorf("the Lead: %q", got)
	}
	if got := found["contact@contoso.example"][0].Own; len(got) != 2 || got["Title"] != "Countess" || got["Department"] != "Engines" {
		t.Errorf("the Contact: %q", got)
	}

	// A field that Leads lost is named with its key, and isn't theirs from then on.
	w.post("fields", `{"in":"Lead","name":"Title","removed":true}`, nil)
	if results, err := w.Write(t.Context(), []crm.Write{{ID: lead, Own: map[string]crm.Value{"Title": text("Lady")}}}, o); err == nil && results[0].Err == nil {
		t.Error("it was written")
	}
	if results, err := w.Write(t.Context(), []crm.Write{{ID: lead, Own: map[string]crm.Value{"Title": text("Lady"), "Lead.Company": text("Engines")}}}, o); err != nil || results[0].Err != nil {
		t.Errorf("afterwards: %+v, %v", results, err)
	}
	w.post("fields", `{"in":"Lead","name":"Company","removed":true}`, nil)
	results, err := w.Write(t.Context(), []crm.Write{{ID: lead, Own: map[string]crm.Value{"Lead.Company": text("Engines")}}}, o)
	if err != nil {
		t.Fatal(err)
	}
	if f := failureOf(t, results[0].Err); f.Field != "Lead.Company" || !f.Changed {
		t.Errorf("%+v", f)
	}
}

// New people are Leads where that is wanted and Leads are looked for; the company has to be something.
// The assignment rules are left alone unless they are wanted, with changes too.
func TestNewLeads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.post("settings", `{"assignment_rule":true,"external_id_field":"Gatepost_Email__c"}`, nil)
	o := crm.Options{Leads: true, Key: "Gatepost_Email__c", Placeholder: "-"}
	own := func(more map[string]crm.Value) map[string]crm.Value {
		all := map[string]crm.Value{":object": choice("Lead"), "Title": text("Countess")}
		for key, v := range more {
			all[key] = v
		}
		return all
	}
	var me struct{ OwnerID string }
	w.rest(http.MethodGet, "sobjects/Contact/"+w.one(crm.Options{}, "me@contoso.example", nil), "", &me)
	queue := "00G000000000001AAA"

	alone := w.one(o, "alone@contoso.example", own(nil))
	w.holds(alone, map[string]any{"Company": "-", "Title": "Countess", "OwnerId": me.OwnerID})
	ruled := w.one(o, "ruled@contoso.example", own(map[string]crm.Value{":assign": {Type: crm.TypeCheckbox, Text: "true"}, "Lead.Company": text("Analytical")}))
	w.holds(ruled, map[string]any{"Company": "Analytical", "OwnerId": queue})
	results, err := w.Write(t.Context(), []crm.Write{
		{Fields: crm.Fields{crm.Email: "a@contoso.example"}, Own: own(nil)},
		{Fields: crm.Fields{crm.Email: "b@contoso.example"}, Own: own(map[string]crm.Value{":assign": {Type: crm.TypeCheckbox, Text: "true"}})},
		{Fields: crm.Fields{crm.Email: "c@contoso.example", crm.LastName: "Contact"}},
		{ID: alone, Own: map[string]crm.Value{"Title": text("Lady"), ":object": choice("Contact"), ":assign": {Type: crm.TypeCheckbox, Text: "true"}}},
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	for i, prefix := range []string{"00Q", "00Q", "003", "00Q"} {
		if r := results[i]; r.Err != nil || !strings.HasPrefix(r.ID, prefix) || r.Made != (i < 3) {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	w.holds(results[0].ID, map[string]any{"OwnerId": me.OwnerID, "LastName": "-"})
	w.holds(results[1].ID, map[string]any{"OwnerId": queue})
	w.holds(alone, map[string]any{"Title": "Lady", "OwnerId": me.OwnerID})

	if id := w.one(crm.Options{}, "unlooked@contoso.example", own(nil)); !strings.HasPrefix(id, "003") {
		t.Errorf("made as %s, and would be made again", id)
	}
	// What Leads alone require is named with their key.
	w.post("fields", `{"in":"Lead","name":"Kind__c","type":"string","required":true}`, nil)
	refused, err := w.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "late@contoso.example"}, Own: own(nil)}}, o)
	if err != nil {
		t.Fatal(err)
	}
	if f := failureOf(t, refused[0].Err); f.Code != "REQUIRED_FIELD_MISSING" || f.Field != "Lead.Kind__c" || !f.Changed {
		t.Errorf("%+v", f)
	}
	if became, err := w.Remove(t.Context(), results[0].ID); err != nil || became != crm.Deleted {
		t.Errorf("taken back: %s, %v", became, err)
	}
}

// campaign makes one by hand.
func (w *world) campaign(name string) string {
	w.t.Helper()
	var made struct{ ID string }
	w.rest(http.MethodPost, "sobjects/Campaign", fmt.Sprintf(`{"Name":%q,"IsActive":true}`, name), &made)
	return made.ID
}

// members are the members of a campaign: their records' ids, and their status.
func (w *world) members(campaign string) map[string]string {
	w.t.Helper()
	var page struct {
		Records []struct{ ContactID, LeadID, Status string }
	}
	w.rest(http.MethodGet, "query?q="+url.QueryEscape("SELECT ContactId, LeadId, Status FROM CampaignMember WHERE CampaignId = '"+campaign+"'"), "", &page)
	all := map[string]string{}
	for _, r := range page.Records {
		all[r.ContactID+r.LeadID] = r.Status
	}
	return all
}

// Who signs up becomes a member of the campaign, once; a batch of any size takes one call for that.
func TestCampaigns(t *testing.T) {
	t.Parallel()
	withinADay()
	w := newWorld(t)
	id := w.campaign("Spring")
	if f, ok := w.field(":campaign"); !ok || !f.Closed || f.Calls == "" || len(f.Values) != 1 || f.Values[0] != (crm.Choice{Value: id, Label: "Spring"}) {
		t.Errorf("told as %+v", f)
	}
	own := map[string]crm.Value{":campaign": choice(id), ":campaign_status": text("Responded")}
	alone := w.one(crm.Options{}, "alone@contoso.example", own)
	people, _ := readers(201)
	writes := news(people)
	for i := range writes {
		writes[i].Own = own
	}
	before := w.stats()
	results, err := w.Write(t.Context(), writes, crm.Options{})
	if err != nil || results[200].Err != nil {
		t.Fatal(results[200], err)
	}
	if n := w.stats().APICalls - before.APICalls; n != 2 {
		t.Errorf("%d API calls", n)
	}
	if all := w.members(id); len(all) != 202 || all[alone] != "Responded" || all[results[200].ID] != "Responded" {
		t.Errorf("%d members, %q", len(all), all[alone])
	}
	before = w.stats()
	again, err := w.Write(t.Context(), []crm.Write{{ID: alone, Own: own}}, crm.Options{})
	if err != nil || again[0].Err != nil || again[0].ID != alone {
		t.Errorf("again: %+v, %v", again, err)
	}
	if n := w.stats().APICalls - before.APICalls; n != 1 || len(w.members(id)) != 202 {
		t.Errorf("%d API calls to join again alone", n)
	}
}

// Whatever keeps somebody out of the campaign, their record stands and isn't made again; the next
// write of it makes them a member.
func TestACampaignThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.campaign("Spring")
	for name, fault := range map[string]string{
		"down":                    `{"on":"composite","status":503,"error_code":"SERVER_UNAVAILABLE","count":1}`,
		"cut off after its work":  `{"on":"composite","drop":true,"after_commit":true,"count":1}`,
		"no calls left for today": `{"on":"composite","status":403,"error_code":"REQUEST_LIMIT_EXCEEDED","count":1}`,
	} {
		email := strings.ReplaceAll(name, " ", "-") + "@contoso.example"
		write := crm.Write{Fields: crm.Fields{crm.Email: email, crm.LastName: "Roe"}, Own: map[string]crm.Value{":campaign": choice(id)}}
		w.post("fail", fault, nil)
		results, err := w.Write(t.Context(), []crm.Write{write}, crm.Options{})
		if err != nil || results[0].ID == "" || !results[0].Made {
			t.Fatalf("%s: %+v, %v", name, results, err)
		}
		if f := failureOf(t, results[0].Err); f.Class != crm.Passing || f.Field != ":campaign" || f.Unknown || f.Changed || f.Tries == 0 {
			t.Errorf("%s: %+v", name, f)
		}
		found, err := w.Find(t.Context(), []string{email}, crm.Options{})
		if err != nil || len(found[email]) != 1 {
			t.Fatalf("%s: %+v, %v", name, found, err)
		}
		results, err = w.Write(t.Context(), []crm.Write{{ID: found[email][0].ID, Own: write.Own}}, crm.Options{})
		if _, is := w.members(id)[results[0].ID]; err != nil || results[0].Err != nil || !is {
			t.Errorf("%s, later: %+v, %v", name, results, err)
		}
	}
	for name, campaign := range map[string]string{"one that is gone": "701000000000001AAA", "no id": `@{p0.id}`} {
		results, err := w.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: url.QueryEscape(name) + "@contoso.example", crm.LastName: "Roe"}, Own: map[string]crm.Value{":campaign": choice(campaign)}}}, crm.Options{})
		if err != nil || results[0].ID == "" {
			t.Fatalf("%s: %+v, %v", name, results, err)
		}
		if f := failureOf(t, results[0].Err); f.Class != crm.Passing || f.Field != ":campaign" || !f.Changed || !w.Provider().Knows(f.Code) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if n := w.stats().PerEmailMax; n != 1 {
		t.Errorf("%d Contacts of one address", n)
	}
}

// Owners and record types are live choices; one that is no more is refused by name or code, and isn't
// taken for a record that is gone.
func TestReferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.post("settings", `{"record_types":["Reader","Customer"]}`, nil)
	if f, _ := w.field("LeadSource"); f.Offer != "Newsletter" {
		t.Errorf("%+v", f)
	}
	owner, _ := w.field("OwnerId")
	kind, _ := w.field("RecordTypeId")
	leads, ok := w.field("Lead.RecordTypeId")
	if len(owner.Values) != 1 || owner.Values[0].Label != "John Doe" || len(kind.Values) != 2 || kind.Values[1].Label != "Customer" || !ok || kind.Values[0].Value == leads.Values[0].Value {
		t.Fatalf("owners %+v, record types %+v, those of Leads %+v", owner.Values, kind.Values, leads.Values)
	}
	own := map[string]crm.Value{"OwnerId": choice(owner.Values[0].Value), "RecordTypeId": choice(kind.Values[1].Value), "LeadSource": choice("Newsletter")}
	id := w.one(crm.Options{}, "ada@contoso.example", own)
	w.holds(id, map[string]any{"OwnerId": owner.Values[0].Value, "RecordTypeId": kind.Values[1].Value, "LeadSource": "Newsletter"})
	found, err := w.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{Read: map[string]crm.ValueType{"OwnerId": crm.TypeChoice, "RecordTypeId": crm.TypeChoice}})
	if r := found["ada@contoso.example"]; err != nil || r[0].Own["OwnerId"] != owner.Values[0].Value || r[0].Own["RecordTypeId"] != kind.Values[1].Value {
		t.Errorf("%+v, %v", r, err)
	}
	for name, c := range map[string]struct {
		own         map[string]crm.Value
		code, field string
	}{
		"a record type of Leads": {map[string]crm.Value{"RecordTypeId": choice(leads.Values[0].Value)}, "INVALID_CROSS_REFERENCE_KEY", "RecordTypeId"},
		"an owner who left":      {map[string]crm.Value{"OwnerId": choice(owner.Values[0].Value)}, "INACTIVE_OWNER_OR_USER", "OwnerId"},
	} {
		if strings.Contains(name, "left") {
			w.post("fail", `{"on":"record","error_code":"INACTIVE_OWNER_OR_USER","count":1}`, nil) // there is one user
		}
		results, err := w.Write(t.Context(), []crm.Write{{ID: id, Own: c.own}}, crm.Options{})
		if err != nil {
			t.Fatal(name, err)
		}
		if f := failureOf(t, results[0].Err); f.Code != c.code || f.Field != c.field || !f.Changed || f.Class != crm.Recorded {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// A thousand people with values of their own take no further call.
func TestAThousandPeopleWithTheirOwnFields(t *testing.T) {
	t.Parallel()
	withinADay()
	w := newWorld(t)
	keys := w.ownFields()
	o := crm.Options{Read: map[string]crm.ValueType{}}
	people, emails := readers(1000)
	writes := news(people)
	for kind, key := range keys {
		o.Read[key] = kind
	}
	for i := range writes {
		writes[i].Own = map[string]crm.Value{keys[crm.TypeText]: text(fmt.Sprint("Company ", i)), keys[crm.TypeChoices]: {Type: crm.TypeChoices, Text: "red;blue"}}
	}
	before := w.stats()
	if found, err := w.Find(t.Context(), emails, o); err != nil || len(found) != 0 {
		t.Fatal(len(found), err)
	}
	results, err := w.Write(t.Context(), writes, o)
	if err != nil || results[999].Err != nil {
		t.Fatal(results, err)
	}
	w.expect(before, stats{APICalls: 2, Contacts: 1000, PerEmailMax: 1})
	w.changeField(keys[crm.TypeText], crmtest.RemoveField)
	if _, err = w.Find(t.Context(), emails, o); err == nil {
		t.Fatal("a field that is gone was read")
	}
	if f := failureOf(t, err); f.Field != keys[crm.TypeText] || !f.Changed || f.Class != crm.Pause {
		t.Errorf("%+v", f)
	}
}

// account makes one by hand.
func (w *world) account(website string) string {
	w.t.Helper()
	var made struct{ ID string }
	w.rest(http.MethodPost, "sobjects/Account", fmt.Sprintf(`{"Name":"An account","Website":%q}`, website), &made)
	return made.ID
}

// A new Contact joins the one account whose website has the domain of its address: none for free-mail
// addresses, none where several have it, and no Contact that is there.
func TestAccountsByDomain(t *testing.T) {
	t.Parallel()
	withinADay()
	w := newWorld(t)
	contoso := w.account("https://www.Contoso.example/about?x=1")
	w.account("notcontoso.example")
	w.account("sub.contoso.example")
	w.account("gmail.com")
	w.account("two.example")
	w.account("http://two.example:8080")
	if f, ok := w.field(":account"); !ok || f.Update || f.Calls == "" || strings.Contains(f.Hint, "person accounts") {
		t.Errorf("told as %+v", f)
	}
	own := map[string]crm.Value{":account": choice("domain")}
	old := w.one(crm.Options{}, "old@contoso.example", nil)
	var writes []crm.Write
	want := map[string]any{"new@contoso.example": contoso, "NEW2@CONTOSO.example": contoso, "a@gmail.com": nil, "a@two.example": nil, "a@none.example": nil, "a@otherso.example": nil}
	for _, email := range slices.Sorted(func(yield func(string) bool) {
		for email := range want {
			if !yield(email) {
				return
			}
		}
	}) {
		writes = append(writes, crm.Write{Fields: crm.Fields{crm.Email: email, crm.LastName: "Roe"}, Own: own})
	}
	writes = append(writes, crm.Write{ID: old, Fields: crm.Fields{crm.LastName: "Byron"}, Own: own})
	before := w.stats()
	results, err := w.Write(t.Context(), writes, crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := w.stats().APICalls - before.APICalls; n != 2 {
		t.Errorf("%d API calls", n)
	}
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("%+v", r)
		}
		w.holds(r.ID, map[string]any{"AccountId": want[writes[i].Fields[crm.Email]]})
	}
	w.holds(w.one(crm.Options{}, "alone@contoso.example", own), map[string]any{"AccountId": contoso})
	other := w.account("other.example")
	w.holds(w.one(crm.Options{}, "set@contoso.example", map[string]crm.Value{":account": choice("domain"), "AccountId": choice(other)}), map[string]any{"AccountId": other})

	w.post("fields", `{"in":"Account","name":"Website","removed":true}`, nil)
	_, err = w.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "late@contoso.example"}, Own: own}}, crm.Options{})
	if f := failureOf(t, err); f.Class != crm.Pause || f.Field != ":account" || !f.Changed || f.Unknown {
		t.Errorf("%+v", f)
	}
	if f, ok := w.field(":account"); ok {
		t.Errorf("told still: %+v", f)
	}
}
