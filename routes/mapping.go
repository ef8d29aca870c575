package routes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatepost/crm"
	"gatepost/crm/mapping"
	"gatepost/db"
	dispatch "gatepost/delivery"
	"gatepost/forms"
	"gatepost/input"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// MappingStore is where the pages about field mapping find what is mapped; db.DB is one, and
// documents the methods.
type MappingStore interface {
	Mappings(ctx context.Context, key db.DestinationKey) (db.Mappings, error)
	SaveMapping(ctx context.Context, key db.DestinationKey, m db.StoredMapping, actor string) (revision int64, err error)
	RemoveMapping(ctx context.Context, key db.DestinationKey, newsletterID string, revision int64) error
	Somebody(ctx context.Context, key db.DestinationKey, emailKey string) ([]db.Known, error)
	CouldApply(ctx context.Context, key db.DestinationKey) (int, error)
}

// maxValues is how many choices of a field of the form are mapped one by one.
const maxValues = 100

// mapper is one visit of the page about a destination's mapping for all newsletters, or for one.
type mapper struct {
	card     views.Integration
	stored   db.Mappings
	schema   crm.Schema
	fields   mapping.Fields
	of       db.NewsletterForms // that the mapping is for; zero for all
	offered  []mapping.Offered
	is       db.StoredMapping // what holds for it
	own      bool             // and is its own
	mapping  mapping.Mapping  // what is shown
	revision int64            // that it follows
}

// mapper reads what is mapped for the newsletter with a slug; for all where it is empty.
// A slug that isn't the tenant's gives errNotFound.
func (s *server) mapper(c *fiber.Ctx, slug string) (m mapper, err error) {
	if m.card, err = s.card(c, c.Params("service")); err != nil {
		return m, err
	}
	if m.stored, err = s.Health.Mappings(c.UserContext(), s.here(c).Key()); err != nil {
		return m, err
	}
	if m.stored.Schema.JSON != "" {
		if err := json.Unmarshal([]byte(m.stored.Schema.JSON), &m.schema); err != nil {
			return m, fmt.Errorf("read a CRM's fields: %w", err)
		}
	}
	m.fields = mapping.Index(m.schema)
	all := m.stored.Forms
	if slug != "" {
		i := slices.IndexFunc(all, func(n db.NewsletterForms) bool { return n.Slug == slug })
		if i < 0 {
			return m, db.ErrNotFound
		}
		m.of = all[i]
		all = all[i : i+1]
	}
	m.offered = mapping.Offer(definitions(all)...)
	for _, one := range m.stored.All {
		if one.NewsletterID == m.of.ID || one.NewsletterID == "" {
			m.is, m.own = one, one.NewsletterID == m.of.ID && m.of.ID != ""
		}
	}
	m.mapping, err = mapping.Parse(m.is.JSON)
	if m.own || m.of.ID == "" {
		m.revision = m.is.Revision
	}
	return m, err
}

func definitions(all []db.NewsletterForms) (of []forms.Definition) {
	for _, n := range all {
		of = append(of, n.Definition(n.Version))
	}
	return of
}

// withRequired is what is shown of a mapping: required fields show by themselves.
func (m mapper) withRequired() mapping.Mapping {
	shown := mapping.Mapping{Rows: slices.Clone(m.mapping.Rows)}
	for _, f := range m.fields.Unfilled(m.mapping) {
		shown.Rows = append(shown.Rows, rowFor(f))
	}
	return shown
}

// rowFor is a row for a field that nothing is chosen for yet.
func rowFor(f crm.SchemaField) mapping.Row {
	r := mapping.Row{Target: f.Key, Type: f.Type, Label: f.Label, Rule: mapping.RuleEmpty}
	if !f.Update {
		r.Rule = mapping.RuleCreate
	}
	return r
}

// mapping handles GET /integrations/{service}/mapping: what the CRM's fields are filled with.
func (s *server) mapping(c *fiber.Ctx) error {
	m, err := s.mapper(c, c.Query("for"))
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.Mapping(s.mappingPage(c, m)))
}

// setMapping handles POST /integrations/{service}/mapping, by the button that was pressed.
func (s *server) setMapping(c *fiber.Ctx) error {
	m, err := s.mapper(c, field(c, "for"))
	if err != nil {
		return err
	}
	m.mapping = m.readRows(c)
	m.revision, _ = strconv.ParseInt(field(c, "revision"), 10, 64)
	act := field(c, "act")
	if n, ok := strings.CutPrefix(act, "remove-"); ok {
		return s.removeRow(c, m, n)
	}
	switch act {
	case "add":
		return s.addRow(c, m)
	case "suggest":
		return s.suggestRows(c, m)
	case "preview":
		return s.previewMapping(c, m)
	case "inherit":
		return s.inheritMapping(c, m)
	}
	return s.saveMapping(c, m)
}

// readRows are the rows of the form as they were filled in.
func (m mapper) readRows(c *fiber.Ctx) (all mapping.Mapping) {
	for n := range mapping.MaxRows + 1 {
		target := field(c, fmt.Sprintf("target-%d", n))
		if target == "" {
			break
		}
		r := mapping.Row{Target: cut(target, 200), Rule: mapping.Rule(cut(field(c, fmt.Sprintf("rule-%d", n)), 20))}
		if f, ok := m.fields[r.Target]; ok {
			r.Type, r.Label = f.Type, f.Label
		} else if was, ok := m.mapping.Row(r.Target); ok {
			r.Type, r.Label = was.Type, was.Label
		}
		kind, name, _ := strings.Cut(cut(field(c, fmt.Sprintf("source-%d", n)), 200), ":")
		r.Source = mapping.Source{Kind: mapping.Kind(kind), Name: name}
		if text := field(c, fmt.Sprintf("text-%d", n)); r.Source.Kind == mapping.KindConstant {
			r.Source.Text = strings.TrimSpace(cut(text, 2000))
		}
		for v := range maxValues {
			from := field(c, fmt.Sprintf("from-%d-%d", n, v))
			if from == "" {
				break
			}
			if to := field(c, fmt.Sprintf("value-%d-%d", n, v)); to != sameValue {
				if r.Values == nil {
					r.Values = map[string]string{}
				}
				r.Values[cut(from, 500)] = strings.TrimPrefix(cut(to, 500), chosenValue)
			}
		}
		all.Rows = append(all.Rows, r)
	}
	return all
}

// What the form says of a choice: that the same is written, nothing, or what follows the last.
const (
	sameValue   = "same"
	noValue     = ""
	chosenValue = "to:"
)

func (s *server) showMapping(c *fiber.Ctx, status int, m mapper, change func(*views.MappingPage)) error {
	p := s.mappingPage(c, m)
	p.Unsaved = true
	change(&p)
	return render(c, status, views.Mapping(p))
}

func (s *server) addRow(c *fiber.Ctx, m mapper) error {
	f, ok := m.fields[field(c, "add")]
	if _, there := m.mapping.Row(f.Key); !ok || there || len(m.mapping.Rows) >= mapping.MaxRows {
		return s.showMapping(c, http.StatusUnprocessableEntity, m, func(p *views.MappingPage) {
			p.Errors = views.FieldErrors{"add": "Please choose a field that isn’t there yet. A mapping has at most " + strconv.Itoa(mapping.MaxRows) + "."}
		})
	}
	m.mapping.Rows = append(m.mapping.Rows, rowFor(f))
	return s.showMapping(c, http.StatusOK, m, func(*views.MappingPage) {})
}

func (s *server) removeRow(c *fiber.Ctx, m mapper, n string) error {
	if i, err := strconv.Atoi(n); err == nil && i >= 0 && i < len(m.mapping.Rows) {
		m.mapping.Rows = slices.Delete(m.mapping.Rows, i, i+1)
	}
	return s.showMapping(c, http.StatusOK, m, func(*views.MappingPage) {})
}

func (s *server) suggestRows(c *fiber.Ctx, m mapper) error {
	added := 0
	for _, r := range mapping.Suggest(m.schema, m.offered).Rows {
		if _, there := m.mapping.Row(r.Target); !there && len(m.mapping.Rows) < mapping.MaxRows {
			m.mapping.Rows, added = append(m.mapping.Rows, r), added+1
		}
	}
	return s.showMapping(c, http.StatusOK, m, func(p *views.MappingPage) {
		if p.Suggested = added > 0; added == 0 {
			p.Errors = views.FieldErrors{"add": "There is nothing to suggest: no other field of " + p.CRM.Name + " is called like one of the form or of the usual facts."}
		}
	})
}

// saveMapping stores what was filled in, when nothing is wrong with it.
func (s *server) saveMapping(c *fiber.Ctx, m mapper) error {
	if wrong := m.wrong(); len(wrong) > 0 {
		return s.showMapping(c, http.StatusUnprocessableEntity, m, func(p *views.MappingPage) { p.Errors = wrong })
	}
	text, err := m.mapping.Stored()
	if err != nil {
		return err
	}
	_, err = s.Health.SaveMapping(c.UserContext(), s.here(c).Key(), db.StoredMapping{NewsletterID: m.of.ID, JSON: text, Revision: m.revision}, who(c).User.ID)
	if errors.Is(err, db.ErrConflict) {
		return s.mappingChanged(c, m)
	}
	if err != nil {
		return err
	}
	s.Delivery.Wake(s.here(c).TenantID)
	s.flash(c, views.FlashSuccess, "Saved. It holds from the next sign-up on.")
	return redirect(c, m.url())
}

// mappingChanged tells that somebody changed the mapping meanwhile; saving once more replaces it.
func (s *server) mappingChanged(c *fiber.Ctx, m mapper) error {
	m.revision = 0
	if m.own || m.of.ID == "" {
		m.revision = m.is.Revision
	}
	return s.showMapping(c, http.StatusConflict, m, func(p *views.MappingPage) {
		p.Errors = views.FieldErrors{"": "Somebody else has changed this mapping meanwhile, so nothing was saved. What you chose is below: save it again to replace theirs, or reload the page to see it."}
	})
}

func (s *server) inheritMapping(c *fiber.Ctx, m mapper) error {
	if m.own {
		err := s.Health.RemoveMapping(c.UserContext(), s.here(c).Key(), m.of.ID, m.revision)
		if errors.Is(err, db.ErrConflict) {
			return s.mappingChanged(c, m)
		}
		if err != nil {
			return err
		}
	}
	s.flash(c, views.FlashSuccess, m.of.Name+" goes by the mapping for all newsletters now.")
	return redirect(c, m.url())
}

func (m mapper) url() string {
	return withQuery("/integrations/"+m.card.Service+"/mapping", query("for", m.of.Slug))
}

// wrong is what is wrong with the mapping, by the names of the form's fields.
func (m mapper) wrong() views.FieldErrors {
	wrong := views.FieldErrors{}
	for _, p := range m.fields.Check(m.mapping, m.offered) {
		name := ""
		if p.Row >= 0 {
			name = fmt.Sprintf("source-%d", p.Row)
			if row := m.mapping.Rows[p.Row]; p.Value != "" {
				for v, from := range m.choicesOf(row) {
					if from == p.Value {
						name = fmt.Sprintf("value-%d-%d", p.Row, v)
					}
				}
			} else if row.Source.Kind == mapping.KindConstant {
				name = fmt.Sprintf("text-%d", p.Row)
			}
		}
		wrong[name] = cmp.Or(wrong[name], p.Text)
	}
	return wrong
}

// choicesOf are the choices of the form that a row may map one by one: where both sides are choices.
func (m mapper) choicesOf(r mapping.Row) (all []string) {
	if f, ok := m.fields[r.Target]; !ok || len(f.Values) == 0 {
		return nil
	}
	for _, o := range m.offered {
		if o.Kind != r.Source.Kind || o.Name != r.Source.Name {
			continue
		}
		for _, v := range o.Values {
			if !slices.Contains(all, v) && len(all) < maxValues {
				all = append(all, v)
			}
		}
	}
	return all
}

// mappingPage is the page with what m shows.
func (s *server) mappingPage(c *fiber.Ctx, m mapper) views.MappingPage {
	d := s.here(c)
	p := views.MappingPage{Page: s.page(c, m.card.Name+" field mapping", views.NavIntegrations), Card: m.card, CRM: viewCRM(s.crm(c)), Slug: m.of.Slug, Name: m.of.Name, Own: m.own,
		Revision: m.revision, ReadAt: m.stored.Schema.ReadAt, OtherOrg: m.stored.Schema.JSON != "" && m.card.Org.ID != "" && m.stored.Schema.OrgID != m.card.Org.ID,
		Add: field(c, "add"), Person: cut(field(c, "person"), 200), There: d.Sums[db.Delivered] > 0,
		Actions: actionList(s.crm(c), m.card, who(c).overview.Actions, views.ActionApply)}
	if m.own || m.of.ID == "" {
		p.ChangedAt, p.ChangedBy = m.is.ChangedAt, m.is.ChangedBy
	}
	for _, f := range m.stored.Paused {
		p.Paused = append(p.Paused, views.MappedPause{Name: cmp.Or(f.Label, f.Key), Why: s.whyPaused(c, f.Code), Since: f.Since})
	}
	p.For = []views.Tab{{Text: "All newsletters", URL: string(m.card.Service), Current: m.of.ID == ""}}
	p.For[0].URL = "/integrations/" + m.card.Service + "/mapping"
	for _, n := range m.stored.Forms {
		if d.FedBy(n.ID) || n.ID == m.of.ID {
			one := mapper{card: m.card, of: n}
			p.For = append(p.For, views.Tab{Text: n.Name, URL: one.url(), Current: n.ID == m.of.ID})
		}
	}
	shown := m.withRequired()
	for n, r := range shown.Rows {
		p.Rows = append(p.Rows, m.row(n, r))
	}
	p.More = []views.Option{{Text: "Choose a field"}}
	for _, f := range m.sorted() {
		if _, there := shown.Row(f.Key); !there && (f.Create || f.Update) {
			p.More = append(p.More, views.Option{Value: f.Key, Text: f.Name() + " (" + mapping.TypeName(f.Type) + ")"})
		}
	}
	return p
}

// sorted are the CRM's fields by what they are called.
func (m mapper) sorted() []crm.SchemaField {
	return slices.SortedFunc(slices.Values(m.schema.Fields), func(a, b crm.SchemaField) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name()), strings.ToLower(b.Name())), strings.Compare(a.Key, b.Key))
	})
}

// whyPaused says why a field is left out.
func (s *server) whyPaused(c *fiber.Ctx, code string) string {
	switch code {
	case db.FieldGone:
		return "it is not there any more, or the connected user can’t see it."
	case db.FieldLocked:
		return "the connected user may not write it any more."
	}
	return s.crm(c).Sentence(code).What
}

// row is a row as the page shows it.
func (m mapper) row(n int, r mapping.Row) views.MappingRow {
	f, there := m.fields[r.Target]
	v := views.MappingRow{N: n, Target: r.Target, Name: r.Name(), About: r.Target + " · not there any more", Rule: string(r.Rule), Source: string(r.Source.Kind), Text: r.Source.Text,
		Paused: slices.ContainsFunc(m.stored.Paused, func(p db.PausedField) bool { return p.Key == r.Target })}
	if there {
		v.Name, v.About, v.Hint, v.Calls, v.Required = f.Name(), about(f), f.Hint, f.Calls, f.Required && f.Create
	}
	if r.Source.Kind != mapping.KindConstant && r.Source.Kind != "" {
		v.Source += ":" + r.Source.Name
	}
	v.Sources = m.sources(r.Source)
	for _, info := range mapping.Rules {
		if info.Rule == mapping.RuleAdd && f.Type != crm.TypeChoices && r.Rule != mapping.RuleAdd {
			continue
		}
		v.Rules = append(v.Rules, views.Option{Value: string(info.Rule), Text: info.Label})
	}
	v.Closed = f.Closed && f.Type == crm.TypeChoice
	v.Choices = choicesOf(f, r.Source.Text, v.Closed)
	for i, from := range m.choicesOf(r) {
		v.Values = append(v.Values, valueOf(i, from, f, r))
	}
	return v
}

// choicesOf are a field's choices for a constant; of one that takes nothing else, with none and the one that
// is chosen though it isn't there any more.
func choicesOf(f crm.SchemaField, chosen string, closed bool) (all []views.Option) {
	if closed {
		all = append(all, views.Option{Text: "None"})
	}
	for _, c := range f.Values {
		all = append(all, views.Option{Value: c.Value, Text: cmp.Or(c.Label, c.Value)})
	}
	if closed && !slices.ContainsFunc(all, func(o views.Option) bool { return o.Value == chosen }) {
		all = append(all, views.Option{Value: chosen, Text: chosen})
	}
	return all
}

// about says what a field takes.
func about(f crm.SchemaField) string {
	text := f.Key + " · " + mapping.TypeName(f.Type)
	if f.Length > 0 && len(f.Values) == 0 {
		text += fmt.Sprintf(" of at most %d characters", f.Length)
	}
	if !f.Update {
		text += ", only when a record is made"
	}
	return text
}

// sources are what may be chosen, with what is chosen though it isn't there any more.
func (m mapper) sources(chosen mapping.Source) (all []views.Option) {
	all = []views.Option{{Text: "Choose what it is filled with"}}
	seen := map[string]bool{}
	for _, o := range m.offered {
		value, group := string(o.Kind)+":"+o.Name, "Sign-up: "
		if o.Kind == mapping.KindField {
			group = "Form: "
		}
		if !seen[value] {
			seen[value], all = true, append(all, views.Option{Value: value, Text: group + o.Label})
		}
	}
	if is := string(chosen.Kind) + ":" + chosen.Name; chosen.Name != "" && !seen[is] {
		all = append(all, views.Option{Value: is, Text: "Not there any more: " + chosen.Name})
	}
	return append(all, views.Option{Value: string(mapping.KindConstant), Text: "A fixed text"})
}

func valueOf(m int, from string, f crm.SchemaField, r mapping.Row) views.MappingValue {
	v := views.MappingValue{M: m, From: from, To: sameValue, Options: []views.Option{{Value: sameValue, Text: "The same"}, {Value: noValue, Text: "Nothing"}}}
	if to, ok := r.Values[from]; ok {
		if v.To = noValue; to != "" {
			v.To = chosenValue + to
		}
	}
	for _, c := range f.Values {
		v.Options = append(v.Options, views.Option{Value: chosenValue + c.Value, Text: cmp.Or(c.Label, c.Value)})
	}
	if !slices.ContainsFunc(v.Options, func(o views.Option) bool { return o.Value == v.To }) {
		v.Options = append(v.Options, views.Option{Value: v.To, Text: strings.TrimPrefix(v.To, chosenValue)})
	}
	return v
}

// previewMapping shows what would be written of a real person, by the mapping as it was filled in.
func (s *server) previewMapping(c *fiber.Ctx, m mapper) error {
	if wrong := m.wrong(); len(wrong) > 0 {
		return s.showMapping(c, http.StatusUnprocessableEntity, m, func(p *views.MappingPage) { p.Errors = wrong })
	}
	known, err := s.Health.Somebody(c.UserContext(), s.here(c).Key(), strings.ToLower(input.Word(field(c, "person"))))
	if errors.Is(err, db.ErrNotFound) {
		return s.showMapping(c, http.StatusUnprocessableEntity, m, func(p *views.MappingPage) {
			p.Errors = views.FieldErrors{"person": "Nobody has signed up with this address. Please enter one of your subscribers’, or leave it empty."}
		})
	}
	if err != nil {
		return err
	}
	with, err := m.replaced()
	if err != nil {
		return err
	}
	would, err := s.Delivery.PreviewOf(c.UserContext(), s.here(c).Key(), with, known)
	v := views.MappingPreview{Email: known[0].Email, PersonURL: "/subscribers/" + known[0].ID}
	var f *crm.Failure
	switch {
	case errors.As(err, &f):
		e := s.explained(c, s.crm(c), f.Code, s.crm(c).AskedOnce(f.Code))
		v.Failed = "The preview was not possible. " + e.What + " " + e.Mend
	case err != nil:
		return err
	default:
		s.previewed(c, m, would, &v)
	}
	return s.showMapping(c, http.StatusOK, m, func(p *views.MappingPage) { p.Preview = &v })
}

// replaced are the mappings that hold, with what was filled in in its place.
func (m mapper) replaced() (db.Mappings, error) {
	text, err := m.mapping.Stored()
	with := m.stored
	with.All = slices.DeleteFunc(slices.Clone(with.All), func(one db.StoredMapping) bool { return one.NewsletterID == m.of.ID })
	with.All = append(with.All, db.StoredMapping{NewsletterID: m.of.ID, JSON: text})
	return with, err
}

// previewed tells what would be written.
func (s *server) previewed(c *fiber.Ctx, m mapper, would dispatch.Preview, v *views.MappingPreview) {
	if url := s.crm(c).RecordURL; would.Record != "" && url != nil {
		v.RecordURL = url(would.InstanceURL, would.Record)
	}
	v.Held, v.There = would.Held, would.Record != ""
	for _, one := range fieldNames {
		if value := would.Fields[one.key]; value != "" {
			v.Lines = append(v.Lines, views.PreviewLine{Name: one.name, Value: value, From: "Sign-up"})
		}
	}
	for _, p := range would.Planned {
		from := m.nameOf(p.Row.Source)
		if p.Of < len(would.SignUps) && len(would.SignUps) > 1 {
			from += ", of " + m.newsletter(would.SignUps[p.Of].NewsletterID)
		}
		v.Lines = append(v.Lines, views.PreviewLine{Name: p.Field.Name(), Key: p.Field.Key, Value: p.Value.Text, From: from})
	}
	for _, l := range would.Left {
		v.Left = append(v.Left, l.Name()+", since "+l.Why.Words())
	}
}

// nameOf is what a source is called.
func (m mapper) nameOf(from mapping.Source) string {
	if from.Kind == mapping.KindConstant {
		return "Fixed text"
	}
	for _, o := range mapping.Offer(definitions(m.stored.Forms)...) {
		if o.Kind == from.Kind && o.Name == from.Name {
			return o.Label
		}
	}
	return from.Name
}

func (m mapper) newsletter(id string) string {
	for _, n := range m.stored.Forms {
		if n.ID == id {
			return n.Name
		}
	}
	return ""
}

// readSchema handles POST /integrations/{service}/mapping/read.
func (s *server) readSchema(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	err = s.Delivery.ReadSchema(c.UserContext(), s.here(c).Key())
	if err := s.flashAsked(c, err, "Read just now.", "The fields could not be read."); err != nil {
		return err
	}
	return redirect(c, withQuery("/integrations/"+card.Service+"/mapping", query("for", cut(field(c, "for"), 200))))
}

// confirmApply handles GET /integrations/{service}/mapping/apply: what it takes to apply the
// mappings to all who are in the CRM already.
func (s *server) confirmApply(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	d := s.here(c)
	page := views.ApplyPage{Page: s.page(c, "Apply the field mapping", views.NavIntegrations), Card: card, CRM: viewCRM(s.crm(c)),
		Actions: actionList(s.crm(c), card, who(c).overview.Actions, views.ActionApply)}
	page.UnderWay = page.Actions.UnderWay(views.ActionApply)
	if page.N, err = s.Health.CouldApply(c.UserContext(), d.Key()); err != nil {
		return err
	}
	set, err := s.Health.DeliverySettings(c.UserContext(), d.Key())
	if err != nil {
		return err
	}
	page.Estimate = s.estimate(c, d, page.N, set.Share)
	return render(c, http.StatusOK, views.ApplyMapping(page))
}

// applyMapping handles POST /integrations/{service}/mapping/apply.
func (s *server) applyMapping(c *fiber.Ctx) error {
	return s.start(c, db.Action{Kind: db.ActionApply}, healthURL(c)+"/mapping")
}
