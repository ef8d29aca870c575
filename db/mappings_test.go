package db

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"gatepost/forms"
)

func TestMappingsAreStored(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1", "b/1"), t.Context()
	if s, err := d.DeliverySettings(ctx, first("a")); err != nil || s.Mapped {
		t.Errorf("mapped before there is a mapping: %v", err)
	}
	save := func(key DestinationKey, newsletter, text string, revision int64) (int64, error) {
		return d.SaveMapping(ctx, key, StoredMapping{NewsletterID: newsletter, JSON: text, Revision: revision}, "ann")
	}
	for name, c := range map[string]struct {
		key        DestinationKey
		newsletter string
	}{
		"another tenant's destination": {DestinationKey{"b", "a"}, ""}, "another tenant's newsletter": {first("a"), "b/1"}, "no destination": {DestinationKey{"a", "none"}, ""},
	} {
		if _, err := save(c.key, c.newsletter, "{}", 0); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := save(first("a"), "", `{"rows":[]}`, 0); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if n, err := save(first("a"), "a/1", `{"rows":[1]}`, 0); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if _, err := save(first("a"), "", `{}`, 0); !errors.Is(err, ErrConflict) {
		t.Errorf("one that somebody made meanwhile: %v", err)
	}
	if n, err := save(first("a"), "", `{"rows":[2]}`, 1); err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	m, err := d.Mappings(ctx, first("a"))
	if err != nil || len(m.All) != 2 || m.All[0].JSON != `{"rows":[2]}` || m.All[0].Revision != 2 || m.All[0].ChangedAt.IsZero() || m.All[1].NewsletterID != "a/1" {
		t.Errorf("got %+v, %v", m, err)
	}
	if s, err := d.DeliverySettings(ctx, first("a")); err != nil || !s.Mapped {
		t.Errorf("not mapped: %v", err)
	}
	if err := d.RemoveMapping(ctx, first("a"), "a/1", 2); !errors.Is(err, ErrConflict) {
		t.Errorf("one that somebody changed: %v", err)
	}
	if err := d.RemoveMapping(ctx, first("a"), "a/1", 1); err != nil {
		t.Error(err)
	}
	if m, err := d.Mappings(ctx, first("b")); err != nil || len(m.All) > 0 {
		t.Errorf("of b: %+v, %v", m, err)
	}
}

func TestFormsOfMappings(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	for _, v := range []string{"1", "2"} {
		if _, err := d.write.Exec(`INSERT INTO form_versions (tenant_id, newsletter_id, version, definition, created_at, created_by) VALUES ('a', 'a/1', $1, $2, 1, '')`, v, `{"fields":[{"id":"1","key":"k`+v+`","type":"text","label":"L"}],"consent":{"words":"W`+v+`"}}`); err != nil {
			t.Fatal(err)
		}
	}
	m, err := d.Mappings(t.Context(), first("a"))
	if err != nil || len(m.Forms) != 2 {
		t.Fatal(m.Forms, err)
	}
	n := m.Forms[0]
	if two := n.Definition(2); two.Version != 2 || two.Consent.Words != "W2" || two.Fields[0].Key != "k2" {
		t.Errorf("version 2 is %+v", two)
	}
	if zero := n.Definition(0); zero.Consent.Words != n.Consent || zero.Fields[0].ID != forms.EmailID {
		t.Errorf("version 0 is %+v", zero)
	}
}

func TestSchemasArePut(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1"), t.Context()
	now := time.Now().Truncate(time.Millisecond)
	d.now = func() time.Time { return now }
	if err := d.SaveSchema(ctx, DestinationKey{"b", "a"}, StoredSchema{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	want := StoredSchema{OrgID: "00D", JSON: `{"fields":[]}`, ReadAt: now, Lacking: true}
	for _, s := range []StoredSchema{{OrgID: "before", JSON: "x"}, want} {
		if err := d.SaveSchema(ctx, first("a"), s); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := d.Mappings(ctx, first("a")); err != nil || m.Schema != want {
		t.Errorf("got %+v, %v", m.Schema, err)
	}
	if s, err := d.DeliverySettings(ctx, first("a")); err != nil || !s.Mapped {
		t.Errorf("what it lacks counts for nothing: %v", err)
	}
	stale := func(want int) {
		t.Helper()
		if keys, err := d.StaleSchemas(ctx, now.Add(time.Second)); err != nil || len(keys) != want {
			t.Errorf("stale: %v, %v", keys, err)
		}
	}
	stale(1)
	if keys, err := d.StaleSchemas(ctx, now); err != nil || len(keys) > 0 {
		t.Errorf("stale: %v, %v", keys, err)
	}
	want.Lacking = false
	if err := d.SaveSchema(ctx, first("a"), want); err != nil {
		t.Fatal(err)
	}
	stale(0) // nobody has a mapping
	if _, err := d.SaveMapping(ctx, first("a"), StoredMapping{JSON: "{}"}, "ann"); err != nil {
		t.Fatal(err)
	}
	stale(1)
}

// Who waits for want of a required field is tried at once when a mapping is saved, and when
// none is lacking any more; and nobody else is.
func TestRequiredFieldsAreWaitedFor(t *testing.T) {
	for name, mend := range map[string]func(*testing.T, *DB) error{
		"a mapping": func(t *testing.T, d *DB) error {
			_, err := d.SaveMapping(t.Context(), first("a"), StoredMapping{JSON: "{}"}, "ann")
			return err
		},
		"none is lacking": func(t *testing.T, d *DB) error {
			return d.SaveSchema(t.Context(), first("a"), StoredSchema{JSON: "{}"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, ids := refused(t, 0, Waiting)
			held := add(t, d, signUp("a/1", "held@example.com"))[0]
			d.becomes(t, leased(t, d), Outcome{SubscriberID: held, State: Waiting, Reason: reasonRequired, DueAt: time.Now().Add(24 * time.Hour)})
			if err := d.SaveSchema(t.Context(), first("a"), StoredSchema{JSON: "{}", Lacking: true}); err != nil {
				t.Fatal(err)
			}
			if due := dueIDs(t, d); slices.Contains(due, held) {
				t.Errorf("due already: %v", due)
			}
			if err := mend(t, d); err != nil {
				t.Fatal(err)
			}
			if due := dueIDs(t, d); !slices.Contains(due, held) || slices.Contains(due, ids[0]) {
				t.Errorf("due are %v", due)
			}
		})
	}
}

func dueIDs(t *testing.T, d *DB) (ids []string) {
	t.Helper()
	due, err := d.Due(t.Context(), first("a"), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range due {
		if k.Due {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// What was written comes back with the outcome, and what is out from when it is sent on. A write of nothing
// into a record that is there leaves it.
func TestWrittenIsKept(t *testing.T) {
	d := withNewsletters(t, "a/1")
	l, ids := leased(t, d), add(t, d, signUp("a/1", "a@example.com"), signUp("a/1", "b@example.com"))
	written := Written{"Company": "Contoso"}
	of := func(id string) Written {
		t.Helper()
		due, err := d.Due(t.Context(), first("a"), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range due {
			if k.ID == id {
				return k.Written
			}
		}
		return nil
	}
	if err := d.MarkSent(t.Context(), l, []Sending{{SubscriberID: ids[0], New: true, Written: written}, {SubscriberID: ids[1], Written: written}}, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := d.MarkSent(t.Context(), l, []Sending{{SubscriberID: ids[1]}}, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(of(ids[0]), written) || !maps.Equal(of(ids[1]), written) {
		t.Errorf("of a new record %v, of one that was there %v", of(ids[0]), of(ids[1]))
	}
	d.becomes(t, l, Outcome{SubscriberID: ids[0], State: Waiting, SettlesAt: time.Now().Add(time.Minute)})
	if !maps.Equal(of(ids[0]), written) {
		t.Errorf("while its outcome isn't known: %v", of(ids[0]))
	}
	d.becomes(t, l, Outcome{SubscriberID: ids[0], State: Waiting})
	if of(ids[0]) != nil {
		t.Errorf("of a write that didn't happen: %v", of(ids[0]))
	}
	d.becomes(t, l, Outcome{SubscriberID: ids[0], State: Delivered, RecordID: "003", OrgID: "00D", Written: written})
	if _, err := d.StartAction(t.Context(), Action{DestinationKey: first("a"), Service: "sfdc", Kind: ActionApply, Actor: "ann"}); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(of(ids[0]), written) {
		t.Errorf("of who is delivered again: %v", of(ids[0]))
	}
}

// Fields are paused one by one, once, until they are resumed: who arrived meanwhile is
// delivered again, and nobody else.
func TestPausedFields(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1", "b/1"), t.Context()
	now := time.Now().Truncate(time.Millisecond)
	d.now = func() time.Time { return now }
	l := leased(t, d)
	arrives := func(email string) (id string) {
		t.Helper()
		id = add(t, d, signUp("a/1", email))[0]
		d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: id, OrgID: "00D"})
		return id
	}
	before := arrives("before@example.com")
	now = now.Add(time.Second)
	company, region := PausedField{Key: "Company", Label: "Company name", Code: FieldGone}, PausedField{Key: "Region", Label: "Region", Code: "INVALID", Since: now.Add(-time.Minute)}
	if err := d.PauseFields(ctx, DestinationKey{"b", "a"}, []PausedField{company}); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	if err := d.PauseFields(ctx, first("a"), []PausedField{company, region}); err != nil {
		t.Fatal(err)
	}
	since := now
	now = now.Add(time.Second)
	if err := d.PauseFields(ctx, first("a"), []PausedField{{Key: "Company", Code: "again"}}); err != nil {
		t.Fatal(err)
	}
	m, err := d.Mappings(ctx, first("a"))
	company.Since = since
	if err != nil || !slices.Equal(m.Paused, []PausedField{company, region}) {
		t.Errorf("got %+v, %v", m.Paused, err)
	}
	if all, err := d.PausedFieldTroubles(ctx); err != nil || len(all) != 1 || all[0].About != "a" || all[0].N != 2 || !all[0].Since.Equal(region.Since) {
		t.Errorf("got %+v, %v", all, err)
	}
	unless(t, d.OpenIncident(ctx, Trouble{TenantID: "a", Kind: IncidentField, About: "a", Since: since}, now, func([]Member) []string { return nil }))
	if all, err := d.Incidents(ctx, "a"); err != nil || len(all) != 1 || len(all[0].Fields) != len("Company name, Region") {
		t.Errorf("got %+v, %v", all, err)
	}
	without := arrives("without@example.com")
	still, late := add(t, d, signUp("a/1", "still@example.com"))[0], add(t, d, signUp("a/1", "late@example.com"))[0]
	d.becomes(t, l, Outcome{SubscriberID: still, State: Delivered, RecordID: still, OrgID: "00D", Without: []string{"Company"}})
	if due := dueIDs(t, d); !slices.Equal(due, []string{late}) {
		t.Errorf("due are %v, want %s", due, late)
	}
	if err := d.ResumeFields(ctx, first("a"), "sfdc", []string{"None", "Company"}); err != nil {
		t.Fatal(err)
	}
	d.becomes(t, l, Outcome{SubscriberID: late, State: Delivered, RecordID: late, OrgID: "00D", Without: []string{"Company"}}) // was sent before
	due := dueIDs(t, d)
	slices.Sort(due)
	if want := []string{without, still, late}; !slices.Equal(due, want) {
		t.Errorf("due are %v, want %v and not %s", due, want, before)
	}
	d.becomes(t, l, Outcome{SubscriberID: late, State: Delivered, RecordID: late, OrgID: "00D", Without: []string{"Region"}})
	if due := dueIDs(t, d); slices.Contains(due, late) {
		t.Errorf("whose field is paused still is due: %v", due)
	}
	if err := d.ResumeFields(ctx, first("a"), "sfdc", []string{"Company"}); err != nil {
		t.Errorf("once more: %v", err)
	}
	if err := d.DropPausedFields(ctx, first("a"), []string{"Region"}); err != nil {
		t.Fatal(err)
	}
	if m, err := d.Mappings(ctx, first("a")); err != nil || len(m.Paused) > 0 {
		t.Errorf("got %+v, %v", m.Paused, err)
	}
	if r := recount(t, d, "a"); !r.Agrees() {
		t.Errorf("got %+v", r)
	}
}

// A mapping is applied to all who have arrived, but for those who left, in batches that go on.
func TestApplyToThoseThere(t *testing.T) {
	d, ids := refused(t, 4, Attention)
	l := leased(t, d)
	d.finish(t, d.begin(t, Action{Kind: ActionRetry, Reason: "ODD"}).ID)
	for _, id := range ids[:4] {
		d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: id, OrgID: "00D"})
	}
	unless(t, left(t, "a", ids[0])(d))
	if n, err := d.CouldApply(t.Context(), first("a")); err != nil || n != 3 {
		t.Errorf("%d, %v", n, err)
	}
	a := d.begin(t, Action{Kind: ActionApply})
	if a.Total != 3 || a.Done != 2 || !a.EndedAt.IsZero() {
		t.Errorf("began %+v", a)
	}
	if a = d.finish(t, a.ID); a.Done != 3 || a.Error != "" {
		t.Errorf("ended %+v", a)
	}
	if due := dueIDs(t, d); len(due) != 3 || slices.Contains(due, ids[0]) {
		t.Errorf("due are %v", due)
	}
	if r := recount(t, d, "a"); !r.Agrees() {
		t.Errorf("got %+v", r)
	}
}
