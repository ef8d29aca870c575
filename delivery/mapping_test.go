package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/crm/crmtest/toy"
	"gatepost/crm/mapping"
	"gatepost/db"
	"gatepost/forms"
)

// toyCRM is a toy with changing fields.
type toyCRM struct {
	*toy.CRM
	mu      sync.Mutex
	schemas int                          // how often it was asked for its fields
	finds   int                          // and for records
	fails   error                        // of Schema
	refuses func(crm.Write) error        // what it says of a write, before it looks at it
	before  func(*toyCRM, int)           // is called with how many writes there were
	after   func(crm.Write, *crm.Result) // changes what became of a write
	writes  int                          // of so many records
	reads   []map[string]crm.ValueType   // of each Find
	wrote   map[string]map[string]string // what was last asked for, by address or id
	batch   int
	org     string
}

func newToy(fields ...crm.SchemaField) *toyCRM {
	c := &toyCRM{CRM: toy.New(), batch: 100, wrote: map[string]map[string]string{}}
	c.Fields = fields
	return c
}

func (c *toyCRM) connect(context.Context, db.DestinationKey) (crm.CRM, error) { return c, nil }

func (c *toyCRM) Provider() *crm.Provider {
	p := *toy.Provider
	p.Batch = c.batch
	return &p
}

func (c *toyCRM) Target() crm.Target { return crm.Target{OrgID: c.org + "box"} }

func (c *toyCRM) Schema(ctx context.Context) (crm.Schema, error) {
	c.mu.Lock()
	c.schemas++
	fails := c.fails
	c.mu.Unlock()
	if fails != nil {
		return crm.Schema{}, fails
	}
	return c.CRM.Schema(ctx)
}

func (c *toyCRM) Find(ctx context.Context, emails []string, o crm.Options) (map[string][]crm.Record, error) {
	c.mu.Lock()
	c.finds, c.reads = c.finds+1, append(c.reads, o.Read)
	c.mu.Unlock()
	return c.CRM.Find(ctx, emails, o)
}

func (c *toyCRM) Write(ctx context.Context, writes []crm.Write, o crm.Options) ([]crm.Result, error) {
	c.mu.Lock()
	if c.before != nil {
		c.before(c, c.writes)
	}
	c.writes += len(writes)
	var errs []error
	for _, w := range writes {
		key := w.ID
		if key == "" {
			key = w.Fields[crm.Email]
		}
		c.wrote[key] = map[string]string{}
		for k, v := range w.Own {
			c.wrote[key][k] = v.Text
		}
		var err error
		if c.refuses != nil {
			err = c.refuses(w)
		}
		errs = append(errs, err)
	}
	c.mu.Unlock()
	results := make([]crm.Result, len(writes))
	for i, w := range writes {
		if results[i].Err = errs[i]; errs[i] == nil {
			one, err := c.CRM.Write(ctx, []crm.Write{w}, o)
			if err != nil {
				return nil, err
			}
			results[i] = one[0]
			if c.after != nil {
				c.after(w, &results[i])
			}
		}
	}
	return results, nil
}

// holds is what the card of an address has in a field.
func (c *toyCRM) holds(t *testing.T, email, field string) string {
	t.Helper()
	found, err := c.CRM.Find(t.Context(), []string{email}, crm.Options{Read: map[string]crm.ValueType{field: crm.TypeText}})
	if err != nil || len(found[email]) != 1 {
		t.Fatalf("%s has %v, %v", email, found, err)
	}
	return found[email][0].Own[field]
}

// text is a field of one line.
func text(key string, change ...func(*crm.SchemaField)) crm.SchemaField {
	f := crm.SchemaField{Key: key, Label: "The " + key, Type: crm.TypeText, Length: 50, Create: true, Update: true}
	for _, c := range change {
		c(&f)
	}
	return f
}

func required(f *crm.SchemaField) { f.Required = true }

// row maps the field of the form with a key to that of the CRM that is called the same.
func row(key string, rule mapping.Rule) mapping.Row {
	return mapping.Row{Target: key, Type: crm.TypeText, Label: "The " + key, Source: mapping.Source{Kind: mapping.KindField, Name: key}, Rule: rule}
}

// maps stores a mapping: of a newsletter, or for all.
func (h *house) maps(newsletter string, rows ...mapping.Row) {
	h.t.Helper()
	stored, err := mapping.Mapping{Rows: rows}.Stored()
	if err != nil {
		h.t.Fatal(err)
	}
	revision := int64(0)
	all, err := h.db.Mappings(h.t.Context(), to("a"))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, m := range all.All {
		if m.NewsletterID == newsletter {
			revision = m.Revision
		}
	}
	if _, err := h.db.SaveMapping(h.t.Context(), to("a"), db.StoredMapping{NewsletterID: newsletter, JSON: stored, Revision: revision}, ""); err != nil {
		h.t.Fatal(err)
	}
}

// asks gives the forms of a newsletter fields of text, whose ids are their keys.
func (h *house) asks(newsletter string, keys ...string) {
	h.t.Helper()
	form := forms.First("Yes.")
	for _, key := range keys {
		form.Fields = append(form.Fields, forms.Field{ID: key, Key: key, Type: forms.Text, Label: key})
	}
	form.Version = 1
	if err := h.db.SaveForm(h.t.Context(), "a", newsletter, form, ""); err != nil {
		h.t.Fatal(err)
	}
}

// fillsIn signs somebody up with values, and has it delivered at once if it is a repeated sign-up.
func (h *house) fillsIn(newsletter, email string, values forms.Values) (id string) {
	h.t.Helper()
	fields, err := json.Marshal(values)
	if err != nil {
		h.t.Fatal(err)
	}
	answers, err := h.db.AddSignUps(h.t.Context(), []db.SignUp{{TenantID: "a", NewsletterID: newsletter, Email: email, EmailKey: email, Consent: "Yes.", Source: "form", At: now(), Fields: string(fields), FormVersion: 1}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.exec(`UPDATE deliveries SET due_at = 1 WHERE subscriber_id = $1`, answers[0].ID)
	return answers[0].ID
}

func (h *house) over(c *toyCRM) *Dispatcher {
	return New(Config{Store: paced{h.db, 0}, Connect: c.connect})
}

func TestValuesReachTheCRM(t *testing.T) {
	h, c := newHouse(t, "a"), newToy(text("company"), text("note"), text("from"), crm.SchemaField{Key: "agreed", Type: crm.TypeTime, Create: true, Update: true})
	h.asks("a/1", "company", "note")
	h.maps("", row("company", mapping.RuleEmpty), row("note", mapping.RuleAlways),
		mapping.Row{Target: "from", Source: mapping.Source{Kind: mapping.KindConstant, Text: "Newsletter"}, Rule: mapping.RuleCreate},
		mapping.Row{Target: "agreed", Source: mapping.Source{Kind: mapping.KindFact, Name: mapping.FactConsentTime}, Rule: mapping.RuleAlways})
	d := h.over(c)
	holds := func(field, want string) {
		t.Helper()
		if got := c.holds(t, "jane@example.com", field); got != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	id := h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Contoso", "note": "one"})
	takes(d, "a")
	holds("company", "Contoso")
	holds("note", "one")
	holds("from", "Newsletter")
	if agreed := c.holds(t, "jane@example.com", "agreed"); agreed != crm.CanonicalTime(h.subscriber("a", id).CreatedAt) {
		t.Errorf("agreed at %q", agreed)
	}
	if c.schemas != 1 {
		t.Errorf("asked %d times for the fields", c.schemas)
	}

	// What we wrote is changed, and what somebody else wrote isn't, but where it is to be always.
	h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Fabrikam", "note": "two"})
	takes(d, "a")
	holds("company", "Fabrikam")
	holds("note", "two")
	if _, again := c.wrote["card-1"]["from"]; again {
		t.Error("what is for new records was written into one that was there")
	}
	if _, err := c.CRM.Write(t.Context(), []crm.Write{{ID: "card-1", Own: map[string]crm.Value{"company": {Type: crm.TypeText, Text: "Sales"}, "note": {Type: crm.TypeText, Text: "Sales"}}}}, crm.Options{}); err != nil {
		t.Fatal(err)
	}
	h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Contoso", "note": "three"})
	takes(d, "a")
	holds("company", "Sales")
	holds("note", "three")
	if c.schemas != 1 {
		t.Errorf("asked %d times for the fields", c.schemas)
	}
	if s := h.adds("a"); s[db.Delivered] != 1 {
		t.Errorf("sums %+v", s)
	}
}

// Without a mapping nothing is read or written beyond the names, and the fields aren't asked for.
func TestWithoutAMapping(t *testing.T) {
	h, c := newHouse(t, "a"), newToy(text("company"))
	h.asks("a/1", "company")
	h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Contoso"})
	takes(h.over(c), "a")
	if c.schemas != 0 || c.reads[0] != nil || len(c.wrote["jane@example.com"]) > 0 || h.adds("a")[db.Delivered] != 1 {
		t.Errorf("asked %d times for fields, read %v, wrote %v", c.schemas, c.reads, c.wrote)
	}
}

// Each newsletter's own mapping holds for it, and of several the newest sign-up comes first.
func TestAPersonWithSeveralNewsletters(t *testing.T) {
	h, c := newHouse(t, "a"), newToy(text("company"), text("note"))
	h.asks("a/1", "company", "note")
	h.asks("a/2", "company", "note")
	h.maps("", row("company", mapping.RuleEmpty), row("note", mapping.RuleEmpty))
	h.maps("a/2", row("company", mapping.RuleEmpty))
	h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Older", "note": "kept"})
	h.exec(`UPDATE subscribers SET created_at = created_at - 60000`)
	h.fillsIn("a/2", "jane@example.com", forms.Values{"company": "Newer", "note": "not mapped"})
	takes(h.over(c), "a")
	if want := map[string]string{"company": "Newer", "note": "kept"}; !maps.Equal(c.wrote["jane@example.com"], want) || c.writes != 1 {
		t.Errorf("wrote %v in %d writes", c.wrote, c.writes)
	}
}

// A field is removed while a thousand people are on their way: all of them arrive, and when it
// is there again, it is filled in for those who went without.
func TestAFieldIsRemovedAmongAThousand(t *testing.T) {
	const people = 1000
	h, c := newHouse(t, "a"), newToy(text("company"), text("note"))
	h.asks("a/1", "company", "note")
	h.maps("", row("company", mapping.RuleEmpty), row("note", mapping.RuleEmpty))
	var all []db.SignUp
	for i := range people {
		email := fmt.Sprintf("r%d@example.com", i)
		all = append(all, db.SignUp{TenantID: "a", NewsletterID: "a/1", Email: email, EmailKey: email, Consent: "Yes.", Source: "form", At: now(), Fields: `{"company":"Contoso","note":"n"}`, FormVersion: 1})
	}
	if _, err := h.db.AddSignUps(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	removed := 0
	c.before = func(c *toyCRM, writes int) {
		if writes >= 300 && removed == 0 {
			removed, c.Fields = writes, []crm.SchemaField{text("note")}
		}
	}
	d := h.over(c)
	for takes(d, "a") {
	}
	if s := h.adds("a"); s[db.Delivered] != people || removed == 0 {
		t.Fatalf("sums %+v, removed after %d", s, removed)
	}
	if got := c.holds(t, "r999@example.com", "note"); got != "n" {
		t.Errorf("the other field holds %q", got)
	}
	paused := h.paused()
	if len(paused) != 1 || paused[0].Key != "company" || paused[0].Code != db.FieldGone || paused[0].Label != "The company" {
		t.Errorf("paused %+v", paused)
	}

	c.Fields = []crm.SchemaField{text("company"), text("note")}
	if err := d.ReadSchema(t.Context(), to("a")); err != nil {
		t.Fatal(err)
	}
	if paused := h.paused(); len(paused) != 0 {
		t.Errorf("still paused %+v", paused)
	}
	if s := h.adds("a"); s[db.Waiting] < people-removed {
		t.Errorf("to be sent again: %+v", s)
	}
	for takes(d, "a") {
	}
	for i := range people {
		if got := c.holds(t, fmt.Sprintf("r%d@example.com", i), "company"); got != "Contoso" {
			t.Fatalf("r%d has %q", i, got)
		}
	}
	if s := h.adds("a"); s[db.Delivered] != people {
		t.Errorf("sums %+v", s)
	}
}

func (h *house) paused() []db.PausedField {
	h.t.Helper()
	m, err := h.db.Mappings(h.t.Context(), to("a"))
	if err != nil {
		h.t.Fatal(err)
	}
	return m.Paused
}

// What the CRM's fields turn out to have become while somebody is on the way.
func TestFieldsChange(t *testing.T) {
	locked := func(f *crm.SchemaField) { f.Create, f.Update = false, false }
	closed := func(values ...string) func(*crm.SchemaField) {
		return func(f *crm.SchemaField) {
			f.Type, f.Closed = crm.TypeChoice, true
			for _, v := range values {
				f.Values = append(f.Values, crm.Choice{Value: v})
			}
		}
	}
	for name, c := range map[string]struct {
		was, is []crm.SchemaField
		wrote   map[string]string
		paused  string // code
		note    string // said of the delivery
	}{
		"it is locked":           {[]crm.SchemaField{text("company")}, []crm.SchemaField{text("company", locked)}, map[string]string{}, db.FieldLocked, "Not written: The company ("},
		"it is gone":             {[]crm.SchemaField{text("company")}, nil, map[string]string{}, db.FieldGone, "Not written: The company ("},
		"it is shorter":          {[]crm.SchemaField{text("company")}, []crm.SchemaField{text("company", func(f *crm.SchemaField) { f.Length = 3 })}, map[string]string{}, "", "longer than"},
		"it lost a choice":       {[]crm.SchemaField{text("company", closed("Contoso", "Other"))}, []crm.SchemaField{text("company", closed("Other"))}, map[string]string{}, "", "not among the choices"},
		"another one came to be": {[]crm.SchemaField{text("company")}, []crm.SchemaField{text("company"), text("more")}, map[string]string{"company": "Contoso"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, toy := newHouse(t, "a"), newToy(c.was...)
			h.asks("a/1", "company")
			h.maps("", row("company", mapping.RuleEmpty))
			d := h.over(toy)
			if err := d.ReadSchema(t.Context(), to("a")); err != nil {
				t.Fatal(err)
			}
			toy.Fields = c.is
			id := h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Contoso"})
			takes(d, "a")
			s := h.subscriber("a", id)
			if s.State != db.Delivered || !strings.Contains(s.Detail, c.note) || c.note == "" && s.Detail != "" {
				t.Errorf("got %s, %q, %q", s.State, s.Reason, s.Detail)
			}
			if !maps.Equal(toy.wrote["jane@example.com"], c.wrote) {
				t.Errorf("wrote %v, want %v", toy.wrote, c.wrote)
			}
			if p := h.paused(); len(p) != min(1, len(c.paused)) || len(p) > 0 && p[0].Code != c.paused {
				t.Errorf("paused %+v, want %s", p, c.paused)
			}
		})
	}
}

// A field that the CRM refuses though it shows it as before is left out until somebody looks.
func TestAFieldThatIsRefused(t *testing.T) {
	h, c := newHouse(t, "a"), newToy(text("company"))
	h.asks("a/1", "company")
	h.maps("", row("company", mapping.RuleEmpty))
	c.refuses = func(w crm.Write) error {
		if len(w.Own) > 0 {
			return &crm.Failure{Class: crm.Recorded, Code: "NO_FIELD", Field: "company", Changed: true}
		}
		return nil
	}
	d := h.over(c)
	id := h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Contoso"})
	takes(d, "a")
	if p := h.paused(); h.subscriber("a", id).State != db.Delivered || len(p) != 1 || p[0].Code != "NO_FIELD" {
		t.Errorf("got %+v, paused %+v", h.subscriber("a", id), p)
	}
	d.Now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	schemas := c.schemas
	if err := d.ReadStaleSchemas(t.Context()); err != nil || c.schemas != schemas+1 {
		t.Fatalf("read %d times, %v", c.schemas-schemas, err)
	}
	if len(h.paused()) != 1 || h.subscriber("a", id).State != db.Delivered {
		t.Errorf("a day later: paused %+v, %s", h.paused(), h.subscriber("a", id).State)
	}
	c.refuses = nil
	if err := d.ReadSchema(t.Context(), to("a")); err != nil {
		t.Fatal(err)
	}
	takes(d, "a")
	if got := c.holds(t, "jane@example.com", "company"); got != "Contoso" || len(h.paused()) > 0 {
		t.Errorf("holds %q, paused %+v", got, h.paused())
	}
}

// What is refused for another reason than changed fields needs attention, and costs no further
// reading of them for a while.
func TestARefusalThatNoFieldExplains(t *testing.T) {
	h, c := newHouse(t, "a"), newToy(text("company"))
	h.asks("a/1", "company")
	h.maps("", row("company", mapping.RuleEmpty))
	c.refuses = func(w crm.Write) error {
		return &crm.Failure{Class: crm.Recorded, Code: "NO_VALUE", Changed: true}
	}
	d := h.over(c)
	for i := range 3 {
		id := h.fillsIn("a/1", fmt.Sprintf("r%d@example.com", i), forms.Values{"company": "Contoso"})
		takes(d, "a")
		if s := h.subscriber("a", id); s.State != db.Attention || s.Reason != "NO_VALUE" {
			t.Errorf("got %s %s", s.State, s.Reason)
		}
	}
	if c.schemas != 2 {
		t.Errorf("asked %d times for the fields", c.schemas)
	}
}

// While the fields can't be read, nobody is told to mend anything: all wait.
func TestFieldsThatCannotBeRead(t *testing.T) {
	h, c := newHouse(t, "a"), newToy(text("company"))
	h.asks("a/1", "company")
	h.maps("", row("company", mapping.RuleEmpty))
	down := &crm.Failure{Class: crm.Pause, Code: crm.Unavailable}
	c.fails = down
	d := h.over(c)
	id := h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Contoso"})
	waits := func() {
		t.Helper()
		takes(d, "a")
		if s := h.subscriber("a", id); s.State != db.Waiting || h.pause("a").Reason != crm.Unavailable {
			t.Errorf("got %s %s, pause %+v", s.State, s.Reason, h.pause("a"))
		}
		if err := h.db.EndPause(t.Context(), to("a")); err != nil {
			t.Fatal(err)
		}
	}
	waits()
	c.fails = nil
	if err := d.ReadSchema(t.Context(), to("a")); err != nil {
		t.Fatal(err)
	}
	c.fails, c.Fields = down, nil
	waits()
	if err := d.ReadSchema(t.Context(), to("a")); crm.Failed(err).Code != crm.Unavailable {
		t.Errorf("got %v", err)
	}
	c.fails = nil
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Delivered {
		t.Errorf("got %s %s", s.State, s.Reason)
	}
}

// A field that the CRM requires from now on holds those up whose record would be new, for one
// reason and at no cost, until something is mapped to it; who has a record goes on.
func TestANewRequiredField(t *testing.T) {
	for name, before := range map[string]func(h *house){
		"with a mapping":    func(h *house) { h.maps("", row("company", mapping.RuleAlways)) },
		"without a mapping": func(*house) {},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newToy(text("company"))
			h.asks("a/1", "company", "region")
			before(h)
			d := h.over(c)
			old := h.fillsIn("a/1", "old@example.com", forms.Values{"company": "Contoso"})
			takes(d, "a")
			c.Fields = append(c.Fields, text("region", required))
			var held []string
			for i := range 5 {
				held = append(held, h.fillsIn("a/1", fmt.Sprintf("r%d@example.com", i), forms.Values{"company": "Contoso", "region": "North"}))
			}
			h.fillsIn("a/1", "old@example.com", forms.Values{"company": "Fabrikam"})
			takes(d, "a")
			for _, id := range held {
				if s := h.subscriber("a", id); s.State != db.Waiting || s.Reason != crm.RequiredField || s.Detail != "Toy CRM requires: The region" {
					t.Errorf("got %s %s %q", s.State, s.Reason, s.Detail)
				}
			}
			if s := h.subscriber("a", old); s.State != db.Delivered {
				t.Errorf("who is there: %s %s", s.State, s.Reason)
			}
			finds, writes, schemas := c.finds, c.writes, c.schemas
			h.exec(`UPDATE deliveries SET due_at = 1 WHERE state = 'waiting'`)
			takes(d, "a")
			if c.finds != finds || c.writes != writes || c.schemas != schemas {
				t.Errorf("who is held costs %d look-ups, %d writes, %d readings", c.finds-finds, c.writes-writes, c.schemas-schemas)
			}
			if s := h.subscriber("a", held[0]); s.State != db.Waiting || s.Reason != crm.RequiredField || !s.DueAt.After(now()) {
				t.Errorf("got %s %s until %v", s.State, s.Reason, s.DueAt)
			}
			h.maps("", row("company", mapping.RuleAlways), row("region", mapping.RuleEmpty))
			for takes(d, "a") {
			}
			if s := h.adds("a"); s[db.Delivered] != 6 {
				t.Errorf("sums %+v", s)
			}
			if got := c.holds(t, "r4@example.com", "region"); got != "North" {
				t.Errorf("holds %q", got)
			}
		})
	}
}

// The same ends when the CRM doesn't require it any more.
func TestARequiredFieldThatIsRequiredNoMore(t *testing.T) {
	h, c := newHouse(t, "a"), newToy(text("region", required))
	d := h.over(c)
	id := h.fillsIn("a/1", "jane@example.com", nil)
	takes(d, "a")
	if s := h.subscriber("a", id); s.Reason != crm.RequiredField {
		t.Fatalf("got %s %s", s.State, s.Reason)
	}
	c.Fields = nil
	d.Now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	if err := d.ReadStaleSchemas(t.Context()); err != nil {
		t.Fatal(err)
	}
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Delivered {
		t.Errorf("got %s %s", s.State, s.Reason)
	}
}

// The fields of another org are read anew.
func TestAnotherOrgsFields(t *testing.T) {
	h, c := newHouse(t, "a"), newToy(text("company"))
	h.asks("a/1", "company")
	h.maps("", row("company", mapping.RuleEmpty))
	d := h.over(c)
	if err := d.ReadSchema(t.Context(), to("a")); err != nil {
		t.Fatal(err)
	}
	c.org, c.Fields = "other ", nil
	h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Contoso"})
	takes(d, "a")
	if c.schemas != 2 || len(c.wrote["jane@example.com"]) > 0 || len(h.paused()) != 1 {
		t.Errorf("read %d times, wrote %v", c.schemas, c.wrote)
	}
}

// A write whose answer got lost is known as ours when it is found.
func TestWhatWasWrittenByALostAnswer(t *testing.T) {
	h, c := newHouse(t, "a"), newToy(text("company"))
	h.asks("a/1", "company")
	h.maps("", row("company", mapping.RuleEmpty))
	if err := h.over(c).ReadSchema(t.Context(), to("a")); err != nil {
		t.Fatal(err)
	}
	d := h.over(c)
	c.refuses = func(w crm.Write) error {
		_, _ = c.CRM.Write(context.Background(), []crm.Write{w}, crm.Options{})
		return &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}
	}
	h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Contoso"})
	takes(d, "a")
	c.refuses = nil
	h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Fabrikam"})
	h.exec(`UPDATE deliveries SET due_at = 1, settles_at = 1`)
	h.exec(`DELETE FROM pauses`)
	takes(d, "a")
	if got := c.holds(t, "jane@example.com", "company"); got != "Fabrikam" {
		t.Errorf("holds %q", got)
	}
}

// A change whose answer got lost is known as ours when the record holds it. Where it holds something else, that
// is somebody's own.
func TestWhatWasChangedByALostAnswer(t *testing.T) {
	for name, c := range map[string]struct{ meanwhile, want string }{"it arrived": {"", "Northwind"}, "it was changed": {"Sales", "Sales"}} {
		t.Run(name, func(t *testing.T) {
			h, toy := newHouse(t, "a"), newToy(text("company"))
			h.asks("a/1", "company")
			h.maps("", row("company", mapping.RuleEmpty))
			d := h.over(toy)
			h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Contoso"})
			takes(d, "a")
			write := func(w crm.Write) { _, _ = toy.CRM.Write(context.Background(), []crm.Write{w}, crm.Options{}) }
			toy.refuses = func(w crm.Write) error {
				write(w)
				return &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: true}
			}
			h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Fabrikam"})
			takes(d, "a")
			toy.refuses = nil
			if c.meanwhile != "" {
				write(crm.Write{ID: "card-1", Own: map[string]crm.Value{"company": {Type: crm.TypeText, Text: c.meanwhile}}})
			}
			h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Northwind"})
			h.exec(`UPDATE deliveries SET due_at = 1, settles_at = 1`)
			h.exec(`DELETE FROM pauses`)
			takes(d, "a")
			if got := toy.holds(t, "jane@example.com", "company"); got != c.want {
				t.Errorf("holds %q, want %q", got, c.want)
			}
		})
	}
}

// Who is written without a field whose pause ends before that is stored gets it all the same.
func TestAPauseThatEndsMeanwhile(t *testing.T) {
	h, c := newHouse(t, "a"), newToy(text("company"))
	h.asks("a/1", "company")
	h.maps("", row("company", mapping.RuleEmpty))
	d := h.over(c)
	if err := d.ReadSchema(t.Context(), to("a")); err != nil {
		t.Fatal(err)
	}
	if err := h.db.PauseFields(t.Context(), to("a"), []db.PausedField{{Key: "company", Code: "NO_FIELD"}}); err != nil {
		t.Fatal(err)
	}
	c.before = func(_ *toyCRM, writes int) {
		if writes > 0 {
			return
		}
		if err := h.db.ResumeFields(context.Background(), to("a"), "toy", []string{"company"}); err != nil {
			t.Error(err)
		}
	}
	id := h.fillsIn("a/1", "jane@example.com", forms.Values{"company": "Contoso"})
	takes(d, "a")
	h.exec(`UPDATE deliveries SET settles_at = 1 WHERE settles_at > 0`)
	takes(d, "a")
	if got, s := c.holds(t, "jane@example.com", "company"), h.subscriber("a", id); got != "Contoso" || s.State != db.Delivered || s.Detail != "" {
		t.Errorf("holds %q, and is %s, %q", got, s.State, s.Detail)
	}
}

// Of what several newsletters' sign-ups wrote into one record, what it holds still is ours.
func TestWrittenBySeveral(t *testing.T) {
	p := &person{known: []db.Known{
		{Subscriber: db.Subscriber{Delivery: db.Delivery{RecordID: "1"}}, Written: db.Written{"a": "older", "b": "x"}},
		{Subscriber: db.Subscriber{Delivery: db.Delivery{RecordID: "1"}}, Written: db.Written{"a": "newer"}},
		{Subscriber: db.Subscriber{Delivery: db.Delivery{RecordID: "2"}}, Written: db.Written{"a": "elsewhere", "c": "elsewhere"}},
		{Subscriber: db.Subscriber{}, Written: db.Written{"d": "never sent"}},
	}}
	for _, order := range []int{0, 1} {
		if order == 1 {
			slices.Reverse(p.known)
		}
		if got := p.writtenIn(crm.Record{ID: "1", Own: map[string]string{"a": "newer"}}); !maps.Equal(got, db.Written{"a": "newer", "b": "x"}) {
			t.Errorf("got %v", got)
		}
	}
}

// A record that was written, but with which not all was done, is known from then on: what is left is
// done later, whatever its rule, and in the end the person counts as delivered without.
func TestARecordWithWhichNotAllWasDone(t *testing.T) {
	campaign := crm.SchemaField{Key: ":campaign", Label: "Campaign", Type: crm.TypeText, Create: true, Update: true}
	h, c := newHouse(t, "a"), newToy(text("company"), campaign)
	h.maps("", mapping.Row{Target: ":campaign", Type: crm.TypeText, Source: mapping.Source{Kind: mapping.KindConstant, Text: "Spring"}, Rule: mapping.RuleCreate})
	passing := &crm.Failure{Class: crm.Passing, Code: "NOT_JOINED", Field: ":campaign", Tries: 3}
	var joined []string
	c.after = func(w crm.Write, r *crm.Result) {
		if v, ok := w.Own[":campaign"]; ok {
			joined = append(joined, w.ID+v.Text)
			r.Err = passing
		}
	}
	d := h.over(c)
	id := h.fillsIn("a/1", "jane@example.com", nil)
	takes(d, "a")
	s := h.subscriber("a", id)
	if s.State != db.Waiting || s.Reason != "NOT_JOINED" || s.RecordID != "card-1" || !s.Made || !s.DueAt.After(now()) {
		t.Fatalf("got %+v", s.Delivery)
	}
	again := func() {
		t.Helper()
		h.exec(`UPDATE deliveries SET due_at = 1, settles_at = CASE WHEN settles_at = 0 THEN 0 ELSE 1 END`)
		takes(d, "a")
		h.adds("a")
	}
	again()
	if want := []string{"Spring", "card-1Spring"}; !slices.Equal(joined, want) {
		t.Errorf("joined %q, want %q", joined, want)
	}
	again()
	if s := h.subscriber("a", id); s.State != db.Delivered || s.RecordID != "card-1" || !strings.Contains(s.Detail, "NOT_JOINED") {
		t.Errorf("got %+v", s.Delivery)
	}

	other := h.fillsIn("a/1", "joe@example.com", nil)
	takes(d, "a")
	passing = nil
	c.after = nil
	again()
	if s := h.subscriber("a", other); s.State != db.Delivered || s.Detail != "" {
		t.Errorf("got %+v", s.Delivery)
	}
	writes := c.writes
	h.fillsIn("a/1", "joe@example.com", nil)
	takes(d, "a")
	if c.writes != writes {
		t.Error("what was done is done again")
	}
}
