package routes

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// newsletterForm handles GET /newsletters/{slug}: its numbers, and the editor of its form.
func (s *server) newsletterForm(c *fiber.Ctx) error {
	page, n, err := s.newsletterPage(c)
	if err != nil {
		return err
	}
	return s.showFormEditor(c, http.StatusOK, views.FormEditorPage{NewsletterPage: page, Draft: draftOf(n.Form)}, n)
}

// editNewsletterForm handles POST /newsletters/{slug}/form. But for saving, its buttons change what is on
// the page alone: the form as it is drafted travels with it, and nothing is stored.
func (s *server) editNewsletterForm(c *fiber.Ctx) error {
	page, n, err := s.newsletterPage(c)
	if err != nil {
		return err
	}
	draft := readDraft(c)
	do, of, _ := strings.Cut(field(c, "do"), ":")
	if do == "save" || do == "" {
		return s.saveNewsletterForm(c, page, n, draft)
	}
	edited := views.FormEditorPage{NewsletterPage: page, Unsaved: true}
	edited.Draft, edited.Focus = editDraft(draft, n.Form, do, of, field(c, "add"))
	return s.showFormEditor(c, http.StatusOK, edited, n)
}

// editDraft does what a button says to a drafted form, and returns which element has the focus then.
func editDraft(d views.FormDraft, stored forms.Definition, do, of, add string) (edited views.FormDraft, focus string) {
	at := slices.IndexFunc(d.Fields, func(f views.FormField) bool { return f.Ref == of })
	switch {
	case do == "add":
		f := views.FormField{Ref: newRef(d), Type: add, New: true}
		if was, ok := stored.ByID(add); ok {
			f = rowOf(was)
		}
		if slices.ContainsFunc(d.Fields, func(other views.FormField) bool { return other.Ref == f.Ref }) {
			return d, ""
		}
		d.Fields = append(d.Fields, f)
		return d, "label-" + f.Ref
	case do == "up" && at > 0:
		d.Fields[at-1], d.Fields[at] = d.Fields[at], d.Fields[at-1]
		return d, cmp.Or(textIf(at == 1, "down-"+of), "up-"+of)
	case do == "down" && at >= 0 && at < len(d.Fields)-1:
		d.Fields[at+1], d.Fields[at] = d.Fields[at], d.Fields[at+1]
		return d, cmp.Or(textIf(at == len(d.Fields)-2, "up-"+of), "down-"+of)
	case do == "delete" && at >= 0 && of != forms.EmailID:
		d.Fields = slices.Delete(d.Fields, at, at+1)
		return d, "add"
	}
	return d, ""
}

func textIf(ok bool, text string) string {
	if ok {
		return text
	}
	return ""
}

// newRef is what a new field is called on the page, until it is saved and has an id.
func newRef(d views.FormDraft) string {
	for n := 1; ; n++ {
		ref := "new" + strconv.Itoa(n)
		if !slices.ContainsFunc(d.Fields, func(f views.FormField) bool { return f.Ref == ref }) {
			return ref
		}
	}
}

// saveNewsletterForm stores what was drafted as the next version, or shows what is wrong with it.
func (s *server) saveNewsletterForm(c *fiber.Ctx, page views.NewsletterPage, n db.Newsletter, draft views.FormDraft) error {
	refused := views.FormEditorPage{NewsletterPage: page, Draft: draft, Unsaved: true}
	if draft.Version != n.Form.Version {
		refused.Draft.Version, refused.Errors = n.Form.Version, views.FieldErrors{"": someoneElse}
		return s.showFormEditor(c, http.StatusConflict, refused, n)
	}
	edited, wrong := definitionOf(draft, n.Form)
	next, faults := forms.Next(n.Form, edited)
	for _, f := range faults {
		key := f.Property
		if f.Field != forms.NoField {
			key += "-" + draft.Fields[f.Field].Ref
		} else if f.Property == forms.OfFields {
			key = ""
		}
		sentence := f.Sentence
		if f.Option != forms.NoOption {
			sentence = "Line " + strconv.Itoa(f.Option+1) + ": " + sentence
		}
		if wrong[key] == "" {
			wrong[key] = sentence
		}
	}
	if len(wrong) > 0 {
		refused.Errors = wrong
		return s.showFormEditor(c, http.StatusUnprocessableEntity, refused, n)
	}
	switch err := s.Newsletters.SaveForm(c.UserContext(), n, next, who(c).User.ID); {
	case errors.Is(err, newsletter.ErrChanged):
		if n, err = s.newsletterOf(c); err != nil {
			return err
		}
		refused.Draft.Version, refused.Errors = n.Form.Version, views.FieldErrors{"": someoneElse}
		return s.showFormEditor(c, http.StatusConflict, refused, n)
	case err != nil:
		return err
	}
	s.flash(c, views.FlashSuccess, fmt.Sprintf("Saved as version %d. Readers see it at once; forms that are open now still work.", next.Version))
	return redirect(c, "/newsletters/"+n.Slug)
}

// previewNewsletterForm handles POST /newsletters/{slug}/preview: a drafted form, or the form with settings
// as they are typed, as readers would see it. Nothing is stored.
func (s *server) previewNewsletterForm(c *fiber.Ctx) error {
	n, err := s.newsletterOf(c)
	if err != nil {
		return err
	}
	draft := draftOf(n.Form)
	if field(c, "revision") != "" {
		n = withSettings(n, readNewsletterSettings(c, n))
	} else {
		draft = readDraft(c)
	}
	preview, err := s.previewOf(c, n, draft)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.PreviewFrame(n.Name, preview))
}

// withSettings is a newsletter with settings that are being typed: what can't be taken yet is as it was.
func withSettings(n db.Newsletter, set newsletter.Settings) db.Newsletter {
	stored := settingsOf(n)
	clean, wrong := set.Check()
	for field, back := range map[string]func(){
		"name": func() { clean.Name = set.Name }, "description": func() { clean.Page.Description = stored.Page.Description }, "sender": func() { clean.Page.Sender = stored.Page.Sender },
		"privacy": func() { clean.Page.Privacy = stored.Page.Privacy }, "accent": func() { clean.Page.Accent = stored.Page.Accent }, "language": func() { clean.Page.Language = stored.Page.Language },
	} {
		if wrong[field] != "" {
			back()
		}
	}
	n.Name, n.Page = cut(clean.Name, 500), clean.Page
	return n
}

// previewOf is the page of a newsletter with a drafted form, as HTML.
func (s *server) previewOf(c *fiber.Ctx, n db.Newsletter, draft views.FormDraft) (string, error) {
	drafted, _ := definitionOf(draft, n.Form)
	for i := range drafted.Fields {
		f := &drafted.Fields[i]
		f.ID = cmp.Or(f.ID, draft.Fields[i].Ref)
		f.Key = cmp.Or(f.Key, f.ID)
	}
	n.Form, n.Consent, n.State = drafted, drafted.Consent.Words, db.NewsletterOpen
	var b bytes.Buffer
	err := views.Signup(signupPage(c, n, n.Form, nil, nil)).Render(c.UserContext(), &b)
	return b.String(), err
}

// showFormEditor shows a drafted form with what else is known of the newsletter.
func (s *server) showFormEditor(c *fiber.Ctx, status int, page views.FormEditorPage, n db.Newsletter) (err error) {
	page.Types, page.Wide = fieldTypes, field(c, "width") == "wide"
	for _, f := range n.Form.Fields {
		if !slices.ContainsFunc(page.Draft.Fields, func(d views.FormField) bool { return d.Ref == f.ID }) {
			page.Deleted = append(page.Deleted, views.Option{Value: f.ID, Text: rowName(rowOf(f))})
		}
	}
	if page.Preview, err = s.previewOf(c, n, page.Draft); err != nil {
		return err
	}
	if wantsFragment(c) {
		return render(c, status, views.FormEditor(page))
	}
	details, err := s.Newsletters.Details(c.UserContext(), n)
	if err != nil {
		return err
	}
	page.Numbers = numbersOf(n, details)
	for _, v := range details.Versions {
		page.Versions = append(page.Versions, views.FormVersion{Version: v.Version, Since: v.CreatedAt, By: v.By})
	}
	return render(c, status, views.NewsletterForm(page))
}

// draftOf is a stored form as the editor has it.
func draftOf(d forms.Definition) views.FormDraft {
	draft := views.FormDraft{Words: d.Consent.Words, Box: d.Consent.Box, Button: d.Button, Version: d.Version}
	for _, f := range d.Shown() {
		draft.Fields = append(draft.Fields, rowOf(f))
	}
	return draft
}

// rowOf is a stored field as the editor has it.
func rowOf(f forms.Field) views.FormField {
	row := views.FormField{Ref: f.ID, Type: string(f.Type), Label: f.Label, Help: f.Help, Placeholder: f.Placeholder, Pattern: f.Pattern, Purpose: f.Purpose,
		From: f.From, Key: f.Key, Required: f.Required, Prefill: f.Prefill, Default: defaultLabels[f.ID]}
	if f.Most > 0 {
		row.Most = strconv.Itoa(f.Most)
	}
	var lines []string
	for _, o := range f.Options {
		if o.Value == o.Label {
			lines = append(lines, o.Label)
		} else {
			lines = append(lines, o.Label+optionValue+o.Value)
		}
	}
	row.Options = strings.Join(lines, "\n")
	return row
}

// optionValue stands in a line of options between what readers see and what is stored.
const optionValue = " = "

// defaultLabels are the labels of the fields that every form has, while an admin gives no other: readers see
// them in their language.
var defaultLabels = map[string]string{forms.EmailID: "E-mail address", forms.FirstNameID: "First name", forms.LastNameID: "Last name"}

// rowName is what a field is called in the editor.
func rowName(f views.FormField) string { return cmp.Or(f.Label, f.Default, "New field") }

// mostDrafted is how many fields of a draft are looked at: more than a form may have, so that it is said.
const mostDrafted = forms.MostFields + 10

// readDraft is a form as the editor's page sent it. Each field has one value of each name, in the order
// of the fields; what is ticked names the field.
func readDraft(c *fiber.Ctx) views.FormDraft {
	d := views.FormDraft{Words: cut(field(c, "words"), 10_000), Box: field(c, "box") == "box", Button: cut(field(c, "button"), 500)}
	d.Version, _ = strconv.Atoi(field(c, "version"))
	required, prefill := fieldValues(c, "required"), fieldValues(c, "prefill")
	columns := map[string][]string{}
	for _, name := range []string{"type", "label", "help", "placeholder", "most", "pattern", "purpose", "options", "from", "key"} {
		columns[name] = fieldValues(c, name)
	}
	for i, ref := range fieldValues(c, "ref") {
		if i == mostDrafted || !isRef(ref) {
			break
		}
		value := func(name string, most int) string {
			if i >= len(columns[name]) {
				return ""
			}
			return cut(columns[name][i], most)
		}
		d.Fields = append(d.Fields, views.FormField{Ref: ref, New: strings.HasPrefix(ref, "new"), Type: value("type", 100), Label: value("label", 1000), Help: value("help", 2000), Placeholder: value("placeholder", 1000),
			Most: value("most", 20), Pattern: value("pattern", 100), Purpose: value("purpose", 100), Options: value("options", 100_000), From: value("from", 100), Key: value("key", 100),
			Required: ref == forms.EmailID || slices.Contains(required, ref), Prefill: slices.Contains(prefill, ref), Default: defaultLabels[ref]})
	}
	return d
}

// isRef reports whether a text can name a field on the page, where it is part of ids.
func isRef(ref string) bool {
	return ref != "" && len(ref) <= 40 && strings.Trim(ref, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// definitionOf is a draft as package forms has it; what stored has under an id keeps its type. wrong is what
// can't be said there.
func definitionOf(d views.FormDraft, stored forms.Definition) (def forms.Definition, wrong views.FieldErrors) {
	wrong = views.FieldErrors{}
	def = forms.Definition{Version: stored.Version, Consent: forms.Consent{Words: d.Words, Box: d.Box}, Button: d.Button}
	for _, row := range d.Fields {
		f := forms.Field{ID: row.Ref, Key: row.Key, Type: forms.Type(row.Type), Label: row.Label, Help: row.Help, Placeholder: row.Placeholder, Required: row.Required,
			Pattern: row.Pattern, Purpose: row.Purpose, From: row.From, Prefill: row.Prefill}
		if was, ok := stored.ByID(row.Ref); ok {
			f.Type = was.Type
		} else if row.New {
			f.ID = ""
		}
		if f.ID == forms.EmailID {
			f.Required = true
		}
		if typed := strings.TrimSpace(row.Most); typed != "" {
			most, err := strconv.Atoi(typed)
			if err != nil || most < 1 {
				wrong[forms.OfMost+"-"+row.Ref] = "Please enter a number from 1 on, or leave it empty."
			}
			f.Most = max(most, 0)
		}
		if f.Type.HasOptions() {
			f.Options = optionsOf(row.Options)
		}
		def.Fields = append(def.Fields, f)
	}
	return def, wrong
}

// optionsOf are options as they are typed: one in a line, with what is stored behind the last “ = ” where
// that is something else than readers see.
func optionsOf(typed string) (all []forms.Option) {
	for line := range strings.Lines(typed) {
		line = strings.TrimSpace(line)
		if line == "" || len(all) > forms.MostOptions {
			continue
		}
		o := forms.Option{Label: line}
		if at := strings.LastIndex(line, optionValue); at > 0 {
			o.Label, o.Value = strings.TrimSpace(line[:at]), strings.TrimSpace(line[at+len(optionValue):])
		}
		all = append(all, o)
	}
	return all
}

// fieldTypes are the types of fields with the words for admins. The last two are of the fields that every
// form has, which nobody adds.
var fieldTypes = func() (all []views.FieldType) {
	for _, t := range slices.Concat(forms.Types, []forms.Type{forms.Email, forms.Name}) {
		v := views.FieldType{Type: string(t), Name: typeNames[t], Offered: slices.Contains(forms.Types, t), Options: t.HasOptions(), Most: t.MostLimit(), Hidden: t == forms.Hidden, Checkbox: t == forms.Checkbox, Several: t == forms.Choices,
			Typed: t == forms.Text || t == forms.LongText || t == forms.Email || t == forms.Name || t == forms.Number || t == forms.Phone}
		if t.HasPattern() {
			v.Patterns = []views.Option{{Value: "", Text: "Anything"}}
			for _, p := range forms.Patterns {
				v.Patterns = append(v.Patterns, views.Option{Value: p.Name, Text: p.Label})
			}
		}
		for _, p := range t.Purposes() {
			if len(v.Purposes) == 0 {
				v.Purposes = []views.Option{{Value: "", Text: "Nothing"}}
			}
			v.Purposes = append(v.Purposes, views.Option{Value: p, Text: cmp.Or(purposeNames[p], p)})
		}
		if v.Hidden {
			for _, from := range forms.Sources {
				v.Sources = append(v.Sources, views.Option{Value: from.Name, Text: from.Label})
			}
		}
		all = append(all, v)
	}
	return all
}()

var typeNames = map[forms.Type]string{forms.Email: "E-mail address", forms.Name: "Name", forms.Text: "Short text", forms.LongText: "Long text", forms.Choice: "One choice", forms.Choices: "Several choices", forms.Checkbox: "Checkbox",
	forms.Date: "Date", forms.Number: "Number", forms.Phone: "Phone number", forms.Country: "Country", forms.Hidden: "Hidden (filled in by the page)"}

// purposeNames are the words for HTML's autocomplete.
var purposeNames = map[string]string{"organization": "Company or organisation", "organization-title": "Job title", "honorific-prefix": "Title (Dr., Ms.)", "nickname": "Nickname", "address-line1": "Street and number",
	"address-line2": "Second line of the address", "address-level1": "State or province", "address-level2": "City", "postal-code": "Postcode", "country-name": "Name of the country", "country": "Country", "language": "Language",
	"url": "Web address", "tel": "Phone number", "sex": "Gender", "street-address": "Whole address", "bday": "Date of birth"}
