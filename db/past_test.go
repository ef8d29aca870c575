package db

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// What is stored as the past is as if it had happened then: each thing stands and counts
// in its own hour, and a recount finds nothing else.
func TestAPastIsAsIfItHadHappened(t *testing.T) {
	d := open(t)
	d.at(noon)
	maria, tenant := member(t, d, "fabrikam")
	first := signsUp(t, d, tenant.ID, "").NewsletterID
	second := Newsletter{ID: NewID(), Slug: "fabrikam-events", Name: "Events", Consent: "Yes, events.", CreatedAt: noon.Add(-1000 * time.Hour)}
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	arrived := PastPerson{
		Subscriber: Subscriber{NewsletterID: first, Email: "Jane@example.com", EmailKey: "jane@example.com", FirstName: "Jane", LastName: "Doe", Status: Active, Delivery: Delivery{State: Delivered, Attempts: 1,
			DueAt: ago(90 * time.Hour), RecordID: "003", OrgID: "00D1", InstanceURL: "https://sf.example", DeliveredAt: ago(90*time.Hour - time.Second)}},
		SignUps: []Consent{{At: ago(100 * time.Hour), Source: "form", Words: "Yes."}, {At: ago(90 * time.Hour), Source: "api", Words: "Yes again.", Replaced: map[string]string{"last_name": "Roe"}}},
		Events:  []Event{{At: ago(100*time.Hour - time.Second), State: Delivered}, {At: ago(90 * time.Hour), State: Waiting}, {At: ago(90*time.Hour - time.Second), State: Delivered}},
	}
	dismissed := PastPerson{
		Subscriber:   Subscriber{NewsletterID: second.ID, Email: "x@example.com", EmailKey: "x@example.com", Status: Active, Delivery: Delivery{State: Dismissed, Reason: "ODD", Detail: "no", Attempts: 1, DueAt: ago(50 * time.Hour)}},
		Placeholders: Placeholders{LastName: "NA"},
		SignUps:      []Consent{{At: ago(50 * time.Hour), Source: "form", Words: "Yes, events."}},
		Events: []Event{{At: ago(50*time.Hour - time.Second), State: Attention, Reason: "ODD", Detail: "no"},
			{At: ago(40 * time.Hour), State: Dismissed, Reason: "ODD", Detail: "Spam.", Actor: maria.ID}},
	}
	waiting := PastPerson{
		Subscriber: Subscriber{NewsletterID: first, Email: "y@example.com", EmailKey: "y@example.com", Status: Active, Delivery: Delivery{State: Waiting, Reason: "BUSY", DueAt: noon.Add(time.Minute)}},
		SignUps:    []Consent{{At: ago(time.Hour), Source: "form", Words: "Yes."}}, Events: []Event{{At: ago(time.Hour - time.Second), State: Waiting, Reason: "BUSY"}},
	}
	incident := PastIncident{Incident{Trouble: Trouble{Kind: IncidentBroken, Cause: "invalid_grant", Since: ago(70 * time.Hour)},
		OpenedAt: ago(69 * time.Hour), MendedAt: ago(60 * time.Hour), ClosedAt: ago(59 * time.Hour)}, []string{maria.ID}}
	past := Past{Newsletters: []Newsletter{second}, People: []PastPerson{arrived, dismissed, waiting}, Incidents: []PastIncident{incident}}
	if err := d.StorePast(t.Context(), tenant.ID, past); err != nil {
		t.Fatal(err)
	}
	if err := d.StorePast(t.Context(), tenant.ID, past); !errors.Is(err, ErrConflict) {
		t.Errorf("a second past: %v", err)
	}

	want := Sums{New: 3, Repeated: 1, Delivered: 1, Dismissed: 1, Waiting: 1}
	if r := recount(t, d, tenant.ID); !r.Agrees() || r.Kept.differing(oneDestination(tenant.ID, want)) != 0 {
		t.Errorf("got %+v", r)
	}
	wantN(t, d, 2, `SELECT sum(n) FROM activity WHERE tenant_id = $1 AND kind = 'delivered'`, tenant.ID)
	wantN(t, d, 1, `SELECT sum(n) FROM activity WHERE tenant_id = $1 AND kind = 'delivered' AND hour = $2`, tenant.ID, hourOf(millis(ago(90*time.Hour))))
	wantN(t, d, 1, `SELECT sum(n) FROM activity WHERE tenant_id = $1 AND kind = 'attention'`, tenant.ID)
	if due, err := d.DueDigests(t.Context(), noon.Add(-time.Minute)); err != nil || len(due) != 0 {
		t.Errorf("the mails of today are due: %v, %v", due, err)
	}
	wantN(t, d, 2, `SELECT count(*) FROM mails WHERE user_id = $1 AND state = 'sent'`, maria.ID)
	if open, err := d.OpenIncidents(t.Context()); err != nil || len(open) != 0 {
		t.Errorf("open %v, %v", open, err)
	}
	if letters, err := d.Newsletters(t.Context(), tenant.ID); err != nil || len(letters) != 2 {
		t.Errorf("newsletters %v, %v", letters, err)
	}
	all, err := d.Subscribers(t.Context(), tenant.ID, SubscriberQuery{Limit: 10})
	if err != nil || len(all.Rows) != 3 || all.Rows[0].Email != "y@example.com" || all.Rows[2].Email != "Jane@example.com" {
		t.Fatalf("in the order of their sign-ups: %+v, %v", all.Rows, err)
	}
	for {
		if n, err := d.IndexSearch(t.Context()); err != nil {
			t.Fatal(err)
		} else if n == 0 {
			break
		}
	}
	if found, err := d.Subscribers(t.Context(), tenant.ID, SubscriberQuery{Text: "ane@exam", Limit: 10}); err != nil || len(found.Rows) != 1 || found.Rows[0].ID != all.Rows[2].ID {
		t.Errorf("found %+v, %v", found.Rows, err)
	}
	jane := all.Rows[2]
	if jane.RecordID != "003" || jane.OrgID != "00D1" || !jane.RepeatedAt.Equal(ago(90*time.Hour)) || jane.LastName != "Doe" {
		t.Errorf("got %+v", jane)
	}
	h, err := d.History(t.Context(), tenant.ID, jane.ID)
	events, consents := h.Events, h.Consents
	if err != nil || len(events) != 3 || !events[0].At.Equal(ago(90*time.Hour-time.Second)) || len(consents) != 2 || consents[0].Replaced["last_name"] != "Roe" || consents[1].Words != "Yes." {
		t.Errorf("%+v, %+v, %v", events, consents, err)
	}
	h, err = d.History(t.Context(), tenant.ID, all.Rows[1].ID)
	if events = h.Events; err != nil || len(events) != 2 || events[0].Actor != maria.Email || events[0].Detail != "Spam." {
		t.Errorf("%+v, %v", events, err)
	}
	if p := number(t, d, `SELECT count(*) FROM deliveries WHERE placeholders = '{"last_name":"NA"}'`); p != 1 {
		t.Errorf("%d placeholders", p)
	}

	due := func() []DestinationKey {
		t.Helper()
		keys, err := d.DueDestinations(t.Context(), "me")
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	d.at(noon.Add(2 * time.Minute))
	if !slices.Contains(due(), DestinationKey{tenant.ID, tenant.ID}) {
		t.Error("who is due is not delivered")
	}
	postpone := func(after time.Time) {
		t.Helper()
		if err := d.Postpone(t.Context(), tenant.ID, "BUSY", after, noon.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if postpone(noon.Add(2 * time.Minute)); len(due()) == 0 {
		t.Error("who was due before is put off")
	}
	if postpone(time.Time{}); len(due()) != 0 {
		t.Error("who is to be put off is due")
	}
}

// The id of something that happened sorts by its time among those of other things.
func TestIDsOfATime(t *testing.T) {
	now := time.Now()
	before, after := idOf(now.Add(-time.Second)), idOf(now.Add(time.Second))
	if id := NewID(); before >= id || after <= id || len(before) != len(id) || before[14] != '7' {
		t.Errorf("%s, %s, %s", before, id, after)
	}
}
