package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"time"

	"gatepost/crm"
	"gatepost/crm/mapping"
	"gatepost/db"
)

// requiredAgain is how long they wait who lack a required field until it is looked whether it is
// still so. That costs no API call; who mends it has them tried at once.
const requiredAgain = time.Hour

// mapped is what a destination's own fields are filled with, by newsletters.
type mapped struct {
	stored  db.Mappings
	fields  mapping.Fields             // of the CRM; none of those that are paused
	all     mapping.Fields             // those too
	general mapping.Mapping            // for newsletters without one of their own
	own     map[string]mapping.Mapping // by the newsletter's id
	forms   map[string]db.NewsletterForms
	keys    map[string]mapping.Keys // of each newsletter's form
	read    map[string]crm.ValueType

	unsubscribe func(tenantID, subscriberID string) string // nil where there are no such addresses
}

func (d *Dispatcher) parseMapped(stored db.Mappings) (m *mapped, err error) {
	m = &mapped{stored: stored, unsubscribe: d.UnsubscribeAddress, own: map[string]mapping.Mapping{}, forms: map[string]db.NewsletterForms{}, keys: map[string]mapping.Keys{}}
	for _, s := range stored.All {
		one, err := mapping.Parse(s.JSON)
		if err != nil {
			return nil, fmt.Errorf("read a mapping: %w", err)
		}
		if s.NewsletterID == "" {
			m.general = one
		} else {
			m.own[s.NewsletterID] = one
		}
	}
	var schema crm.Schema
	if stored.Schema.JSON != "" {
		if err := json.Unmarshal([]byte(stored.Schema.JSON), &schema); err != nil {
			return nil, fmt.Errorf("read a CRM's fields: %w", err)
		}
	}
	m.all = mapping.Index(schema)
	m.fields = maps.Clone(m.all)
	for _, f := range stored.Paused {
		delete(m.fields, f.Key)
	}
	m.read = m.fields.Reads(append(slices.Collect(maps.Values(m.own)), m.general)...)
	for _, n := range stored.Forms {
		m.forms[n.ID] = n
		m.keys[n.ID] = mapping.KeysOf(n.Definition(n.Version))
	}
	return m, nil
}

// of is the mapping that holds for a newsletter.
func (m *mapped) of(newsletterID string) mapping.Mapping {
	if own, ok := m.own[newsletterID]; ok {
		return own
	}
	return m.general
}

// rows are those of all mappings.
func (m *mapped) rows() (all []mapping.Row) {
	all = append(all, m.general.Rows...)
	for _, id := range slices.Sorted(maps.Keys(m.own)) {
		all = append(all, m.own[id].Rows...)
	}
	return all
}

// fills reports whether any mapping fills a field.
func (m *mapped) fills(key string) bool {
	return slices.ContainsFunc(m.rows(), func(r mapping.Row) bool { return r.Target == key })
}

// says is what those say who have one address, the newest first.
func (m *mapped) says(known []db.Known) (all []mapping.Says) {
	for _, s := range known {
		if counts(s) {
			all = append(all, mapping.Says{Mapping: m.of(s.NewsletterID), SignUp: m.signUp(s)})
		}
	}
	return all
}

// signUp is what is known of one sign-up.
func (m *mapped) signUp(s db.Known) mapping.SignUp {
	n := m.forms[s.NewsletterID]
	agreed := n.Definition(s.Agreed)
	facts := map[string]string{
		mapping.FactNewsletter: n.Name, mapping.FactSlug: n.Slug, mapping.FactSource: s.Source,
		mapping.FactSignedUp: crm.CanonicalTime(s.CreatedAt), mapping.FactConsentTime: crm.CanonicalTime(s.SignedUpAt()),
		mapping.FactConsent: agreed.Consent.Words, mapping.FactVersion: strconv.Itoa(s.Agreed),
		mapping.FactStatus: mapping.StatusActive, mapping.FactPage: s.Page,
	}
	if !s.ConfirmedAt.IsZero() {
		facts[mapping.FactConfirmed] = crm.CanonicalTime(s.ConfirmedAt)
	}
	if s.Status == db.Left {
		facts[mapping.FactStatus], facts[mapping.FactLeftAt] = mapping.StatusLeft, crm.CanonicalTime(s.Leaving.At)
	}
	if m.unsubscribe != nil {
		facts[mapping.FactUnsubscribe] = m.unsubscribe(s.TenantID, s.ID)
	}
	return mapping.Said(s.Fields, n.Definition(n.Version), m.keys[s.NewsletterID], facts)
}

// lacking are the fields without which no record of somebody's is made, and which nothing fills. Where
// there is no mapping at all, that counts once a record was refused for it.
func (m *mapped) lacking(known []db.Known) (names []string) {
	if len(m.stored.All) == 0 && !m.stored.Schema.Lacking {
		return nil
	}
	var all mapping.Mapping
	for _, s := range known {
		if counts(s) {
			all.Rows = append(all.Rows, m.of(s.NewsletterID).Rows...)
		}
	}
	for _, f := range m.all.Unfilled(all) {
		names = append(names, f.Name())
	}
	return names
}

// apply is what is written into the CRM's own fields of a person's record; nothing where
// nobody has made a mapping.
func (t *turn) apply(p *person, r mapping.Record) {
	p.applied, p.before, p.without = mapping.Applied{}, r.Written, nil
	if t.mapped != nil {
		p.applied = t.mapped.fields.Apply(t.mapped.says(p.known), r)
		p.without = t.mapped.pausedOf(p.applied.Left)
	}
	p.write.Own = p.applied.Own()
}

// pausedOf are those of some values that aren't written since their fields are paused, by keys.
func (m *mapped) pausedOf(left []mapping.Left) (keys []string) {
	for _, l := range left {
		if slices.ContainsFunc(m.stored.Paused, func(f db.PausedField) bool { return f.Key == l.Target }) {
			keys = append(keys, l.Target)
		}
	}
	return keys
}

// held says why somebody's new record isn't made; ok is false where nothing is in its way.
func (t *turn) held(p *person) (o db.Outcome, ok bool) {
	if t.mapped == nil {
		return o, false
	}
	names := t.mapped.lacking(p.known)
	if len(names) == 0 {
		return o, false
	}
	return db.Outcome{State: db.Waiting, Reason: crm.RequiredField, Detail: t.crm.Provider().Fill("{CRM} requires: ") + list(names), DueAt: t.Now().Add(requiredAgain)}, true
}

func list(names []string) (text string) {
	for i, name := range names {
		if i > 0 {
			text += ", "
		}
		text += name
	}
	return text
}

// waitsForField reports whether somebody waited for want of a required field before, and
// still would: so that the CRM needn't be asked.
func (t *turn) waitsForField(p *person) bool {
	for _, s := range p.due {
		if s.Reason != crm.RequiredField || s.RecordID != "" || !s.SentAt.IsZero() {
			return false
		}
	}
	_, held := t.held(p)
	return held && len(p.left) == 0
}

// loadMapping reads what the CRM's own fields are filled with, where somebody has set that. The
// fields of another org than the one that is connected are no use.
func (t *turn) loadMapping(ctx context.Context) (stop *crm.Failure, err error) {
	if !t.set.Mapped {
		return nil, nil
	}
	stored, err := t.Store.Mappings(ctx, t.lease.DestinationKey)
	if err != nil {
		return nil, err
	}
	if stored.Schema.JSON == "" || stored.Schema.OrgID != t.crm.Target().OrgID {
		return t.readFields(ctx, nil)
	}
	t.mapped, err = t.parseMapped(stored)
	return nil, err
}

// readFields reads the fields of the CRM anew, and goes by them from now on.
func (t *turn) readFields(ctx context.Context, why *crm.Failure) (stop *crm.Failure, err error) {
	stored, stop, err := t.keepSchema(ctx, t.lease.DestinationKey, t.crm, why, false)
	if err != nil || stop != nil {
		return stop, err
	}
	t.mapped, err = t.parseMapped(stored)
	return nil, err
}

// mostDrifts is how often in one turn the fields of a CRM are read anew.
const mostDrifts = 5

// fruitless is a failure for which a CRM's fields were read anew in vain.
type fruitless struct {
	code, field string
	at          time.Time
}

// fruitlessFor is how long the fields aren't read again for the same failure.
const fruitlessFor = 10 * time.Minute

// drifted looks whether the CRM's fields have changed, as a failure says they may have, and
// reports whether something is written in another way from now on: who failed is tried again
// then. A field that the CRM refuses though it shows it as before is paused. stop is why the fields
// couldn't be read.
func (t *turn) drifted(ctx context.Context, f *crm.Failure) (again bool, stop *crm.Failure, err error) {
	if t.drifts++; t.drifts > mostDrifts || t.inVain(f) {
		return false, nil, nil
	}
	before := t.mapped
	if stop, err := t.readFields(ctx, f); err != nil || stop != nil {
		return false, stop, err
	}
	if before.differs(t.mapped) {
		return true, nil, nil
	}
	if _, written := t.mapped.fields[f.Field]; written && t.mapped.fills(f.Field) {
		field := db.PausedField{Key: f.Field, Label: t.mapped.fields[f.Field].Name(), Code: f.Code}
		if err := t.Store.PauseFields(ctx, t.lease.DestinationKey, []db.PausedField{field}); err != nil {
			return false, nil, err
		}
		t.Log.WarnContext(ctx, "a field is left out for now", "tenant", t.lease.TenantID, "destination", t.lease.DestinationID, "field", f.Field, "code", f.Code)
		t.mapped.stored.Paused = append(t.mapped.stored.Paused, field)
		delete(t.mapped.fields, f.Field)
		delete(t.mapped.read, f.Field)
		return true, nil, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.vain[t.lease.DestinationKey] = fruitless{f.Code, f.Field, t.Now()}
	return false, nil, nil
}

// inVain reports whether the fields were read for the same failure a moment ago, in vain.
func (t *turn) inVain(f *crm.Failure) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.vain[t.lease.DestinationKey]
	return ok && v.code == f.Code && v.field == f.Field && t.Now().Sub(v.at) < fruitlessFor
}

// differs reports whether other values would be written, or other people held, than before.
func (m *mapped) differs(now *mapped) bool {
	if m == nil {
		return len(now.lacking(nil)) > 0
	}
	for _, r := range append(m.rows(), now.rows()...) {
		was, had := m.fields[r.Target]
		is, has := now.fields[r.Target]
		if had != has || !reflect.DeepEqual(was, is) {
			return true
		}
	}
	return !slices.Equal(m.required(), now.required())
}

// required are the fields that some mapping leaves out, though no record is made without them.
func (m *mapped) required() (names []string) {
	if len(m.stored.All) == 0 {
		return m.lacking(nil)
	}
	for _, one := range append(slices.Collect(maps.Values(m.own)), m.general) {
		for _, f := range m.all.Unfilled(one) {
			names = append(names, f.Key)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ReadSchema asks a destination's CRM for its fields since somebody wants it, keeps them, and sees what
// that means for its mappings: see keepSchema. Fields that the CRM refused though it showed them are
// tried again. It fails with a *crm.Failure when they couldn't be asked for.
func (d *Dispatcher) ReadSchema(ctx context.Context, to db.DestinationKey) error {
	return d.readSchema(ctx, to, true)
}

// readSchema is ReadSchema; again says whether refused fields are tried again.
func (d *Dispatcher) readSchema(ctx context.Context, to db.DestinationKey, again bool) error {
	ctx, cancel := context.WithTimeout(ctx, checkUpTime)
	defer cancel()
	c, err := d.Connect(ctx, to)
	if err != nil {
		return crm.Failed(err)
	}
	_, stop, err := d.keepSchema(ctx, to, c, nil, again)
	if stop != nil {
		return stop
	}
	d.wake(to)
	return err
}

// ReadStaleSchemas reads the fields of those CRMs anew that were read more than a day ago. One that
// can't be asked keeps no other one from it. What a CRM refused though it showed it stays left out: nothing says
// that it is taken now, and all who arrived since would be sent again each day.
func (d *Dispatcher) ReadStaleSchemas(ctx context.Context) error {
	stale, err := d.Store.StaleSchemas(ctx, d.Now().Add(-24*time.Hour))
	rand.Shuffle(len(stale), func(i, j int) { stale[i], stale[j] = stale[j], stale[i] }) // or the same ones would come last whenever time is short
	for _, to := range stale {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := d.readSchema(ctx, to, false); err != nil {
			d.Log.WarnContext(ctx, "the fields of a CRM can't be read", "tenant", to.TenantID, "destination", to.DestinationID, "error", err)
		}
	}
	return err
}

// keepSchema reads the fields of a CRM. Those that are mapped and aren't there any more, or can't be
// written, are paused; those that are there again go on, and who arrived without them is sent
// again. why is the refusal that is to be explained, if there is one; again has those go on too
// that the CRM refused though it showed them.
func (d *Dispatcher) keepSchema(ctx context.Context, to db.DestinationKey, c crm.CRM, why *crm.Failure, again bool) (stored db.Mappings, stop *crm.Failure, err error) {
	calling, cancel := context.WithTimeout(ctx, d.CallTime)
	defer cancel()
	schema, err := c.Schema(calling)
	if err != nil {
		if ctx.Err() != nil {
			return stored, nil, context.Cause(ctx)
		}
		return stored, crm.Failed(err), nil
	}
	text, err := json.Marshal(schema)
	if err != nil {
		return stored, nil, fmt.Errorf("encode a CRM's fields: %w", err)
	}
	if stored, err = d.Store.Mappings(ctx, to); err != nil {
		return stored, nil, err
	}
	stored.Schema.OrgID, stored.Schema.JSON = c.Target().OrgID, string(text)
	m, err := d.parseMapped(stored)
	if err != nil {
		return stored, nil, err
	}
	stored.Schema.Lacking = len(m.all.Unfilled(m.general)) > 0 && (why != nil || stored.Schema.Lacking)
	gone, back, unused := m.drift(again)
	if c.Provider().DropsFields { // since when it does that, nobody was told
		for i := range gone {
			gone[i].Since = stored.Schema.ReadAt
		}
	}
	if err := d.Store.SaveSchema(ctx, to, stored.Schema); err != nil {
		return stored, nil, err
	}
	if err := d.follow(ctx, to, c, gone, back, unused); err != nil {
		return stored, nil, err
	}
	stored, err = d.Store.Mappings(ctx, to)
	return stored, nil, err
}

// follow stores which fields are paused now, and which aren't any more.
func (d *Dispatcher) follow(ctx context.Context, to db.DestinationKey, c crm.CRM, gone []db.PausedField, back, unused []string) error {
	if len(gone) > 0 {
		if err := d.Store.PauseFields(ctx, to, gone); err != nil {
			return err
		}
		d.Log.WarnContext(ctx, "fields are left out for now", "tenant", to.TenantID, "destination", to.DestinationID, "fields", len(gone))
	}
	if len(back) > 0 {
		if err := d.Store.ResumeFields(ctx, to, c.Provider().Service, back); err != nil {
			return err
		}
		d.Log.InfoContext(ctx, "fields are filled in again", "tenant", to.TenantID, "destination", to.DestinationID, "fields", len(back))
	}
	if len(unused) > 0 {
		return d.Store.DropPausedFields(ctx, to, unused)
	}
	return nil
}

// drift compares the mappings with the CRM's fields: gone are those that are to be paused, back those
// whose pause is over, unused those that nothing is mapped to any more.
func (m *mapped) drift(again bool) (gone []db.PausedField, back, unused []string) {
	seen := map[string]bool{}
	for _, r := range m.rows() {
		if seen[r.Target] {
			continue
		}
		seen[r.Target] = true
		f, there := m.all[r.Target]
		i := slices.IndexFunc(m.stored.Paused, func(p db.PausedField) bool { return p.Key == r.Target })
		switch writable := there && (f.Create || f.Update); {
		case writable && i >= 0:
			if code := m.stored.Paused[i].Code; again || code == db.FieldGone || code == db.FieldLocked {
				back = append(back, r.Target)
			}
		case !there && i < 0:
			gone = append(gone, db.PausedField{Key: r.Target, Label: r.Name(), Code: db.FieldGone})
		case !writable && i < 0:
			gone = append(gone, db.PausedField{Key: r.Target, Label: r.Name(), Code: db.FieldLocked})
		}
	}
	for _, p := range m.stored.Paused {
		if !seen[p.Key] {
			unused = append(unused, p.Key)
		}
	}
	return gone, back, unused
}

// stopFor pauses the destination for a failure, unless there is an error of ours.
func (t *turn) stopFor(ctx context.Context, stop *crm.Failure, err error) error {
	if err != nil {
		return err
	}
	return t.hold(ctx, stop, t.pause.Batch)
}

func bit(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
