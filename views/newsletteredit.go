package views

import (
	"strconv"
	"time"

	"github.com/a-h/templ"
)

// NewsletterFields are what an admin types of a newsletter.
type NewsletterFields struct {
	Name, Slug, Description, Sender, Privacy, Language, Accent, Thanks, Redirect string
	Device                                                                       bool // light or dark as the reader's device says
}

// NewNewsletterPage is for NewNewsletter, whose form posts name, slug, sender and language to
// /newsletters.
type NewNewsletterPage struct {
	Page
	Begin     string // of the form's address, before the URL name
	Fields    NewsletterFields
	Languages []Option
	Feeds     []CRM // that take all newsletters
	Chosen    []CRM // that take those which were chosen
	Errors    FieldErrors
}

// NewsletterSettingsPage is for NewsletterSettings, whose form posts its fields, revision, logo and no_logo
// to /newsletters/{slug}/settings.
type NewsletterSettingsPage struct {
	Page
	Newsletter
	Begin     string // of the form's address, before the URL name
	Fields    NewsletterFields
	Saved     *NewsletterFields // what somebody else has saved meanwhile; nil when nobody has
	Languages []Option
	Tenant    string // who sends it when nobody else is said to
	Preview   string // the page with these settings, as HTML
	Wide      bool   // it is shown as on a desktop
	LogoURL   string // empty for none
	Revision  int64
	Confirm   ConfirmFields
	Errors    FieldErrors
}

// ConfirmFields is how readers of a newsletter confirm, as it is typed.
type ConfirmFields struct {
	Confirm               bool
	ConfirmDays, KeepDays string
	NoMail                bool // this installation sends none
}

// confirmPath is where the form about confirming is sent to.
func (p NewsletterSettingsPage) confirmPath() templ.SafeURL {
	return templ.SafeURL(p.Newsletter.path() + "/confirmation")
}

func (p NewsletterSettingsPage) confirmFields() []field {
	return fields(p.Errors,
		field{Name: "confirm_days", Label: "The link works for, in days", Value: p.Confirm.ConfirmDays, Hint: "Who opens it later can have another one sent.", Autocomplete: "off"},
		field{Name: "keep_days", Label: "Who never confirms is erased after, in days", Value: p.Confirm.KeepDays, Hint: "Their address goes; that somebody signed up stays counted. The same holds for sign-ups that are held and nobody decides about, and for those that are rejected.", Autocomplete: "off"},
	)
}

func languageField(fields NewsletterFields) field {
	return field{Name: "language", Label: "Language", Value: fields.Language, Hint: "Of the form and of the pages that readers see after it."}
}

func (p NewNewsletterPage) fields() []field {
	return fields(p.Errors,
		field{Name: "name", Label: "Name", Value: p.Fields.Name, Hint: "Readers see it on the form.", Autocomplete: "off", Focus: true},
		field{Name: "slug", Label: "URL name", Value: p.Fields.Slug, Hint: "The form is at " + p.Begin + "… and this name. Leave it empty to have it made from the name.", Autocomplete: "off", Optional: true},
		field{Name: "sender", Label: "Who sends it", Value: p.Fields.Sender, Hint: "Readers see it above the name. Empty: " + p.Tenant + ".", Autocomplete: "off", Optional: true},
		languageField(p.Fields))
}

// feeds says where the sign-ups of a new newsletter go.
func (p NewNewsletterPage) feeds() string {
	switch {
	case len(p.Feeds) == 0 && len(p.Chosen) == 0:
		return "Its sign-ups are kept until you connect a CRM."
	case len(p.Feeds) == 0:
		return "Its sign-ups go to no CRM until you choose it in the settings of " + namesOf(p.Chosen) + "."
	case len(p.Chosen) == 0:
		return "Its sign-ups go to " + namesOf(p.Feeds) + "."
	}
	return "Its sign-ups go to " + namesOf(p.Feeds) + ". To send them to " + namesOf(p.Chosen) + " too, choose it in the settings there."
}

func namesOf(all []CRM) string {
	var text string
	for i, c := range all {
		switch {
		case i > 0 && i == len(all)-1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += c.Name
	}
	return text
}

// fields are those that one types into, by their names.
func (p NewsletterSettingsPage) fields() map[string]field {
	f, byName := p.Fields, map[string]field{}
	all := fields(p.Errors,
		field{Name: "name", Label: "Name", Value: f.Name, Hint: "Readers see it on the form.", Autocomplete: "off"},
		field{Name: "slug", Label: "URL name", Value: f.Slug, Hint: "The form is at " + p.Begin + "… and this name. Names that it had before go on leading to it.", Autocomplete: "off"},
		field{Name: "description", Label: "Description", Value: f.Description, Hint: "A sentence or two under the name: what it is about, and how often it comes.", Optional: true},
		field{Name: "sender", Label: "Who sends it", Value: f.Sender, Hint: "Readers see it above the name. Empty: " + p.Tenant + ".", Autocomplete: "off", Optional: true},
		field{Name: "privacy", Label: "Privacy policy", Value: f.Privacy, Hint: "The address of your page, with https://. The form links to it.", Autocomplete: "off", Optional: true},
		languageField(f),
		field{Name: "accent", Label: "Colour", Value: f.Accent, Hint: "Of buttons and links, such as #0b6b4f. Text on it is black or white, whichever can be read better. Empty: green.", Autocomplete: "off", Optional: true},
		field{Name: "thanks", Label: "Thank-you text", Value: f.Thanks, Hint: "What readers see after they have signed up. Empty: the usual words in their language.", Optional: true},
		field{Name: "redirect", Label: "Or go on to a page of yours", Value: f.Redirect, Hint: "Readers come there instead of the thank-you text: exactly this address, with https://.", Autocomplete: "off", Optional: true})
	saved := map[string]string{}
	if s := p.Saved; s != nil {
		saved = map[string]string{"name": s.Name, "slug": s.Slug, "description": s.Description, "sender": s.Sender, "privacy": s.Privacy, "language": s.Language, "accent": s.Accent, "thanks": s.Thanks, "redirect": s.Redirect}
	}
	for _, f := range all {
		if now, ok := saved[f.Name]; ok && now != f.Value {
			f.Hint = "Saved now: “" + now + "”. " + f.Hint
		}
		byName[f.Name] = f
	}
	return byName
}

func (n Newsletter) settingsPath() templ.SafeURL { return templ.SafeURL(n.path() + "/settings") }

func (n Newsletter) statePath() templ.SafeURL { return templ.SafeURL(n.path() + "/state") }

func (n Newsletter) archivePath() templ.SafeURL { return templ.SafeURL(n.path() + "/archive") }

func (n Newsletter) previewPath() string { return n.path() + "/preview" }

func (n Newsletter) formPath() string { return n.path() + "/form" }

// FormField is a field of a form in the editor. Its texts are as they were typed.
type FormField struct {
	Ref     string // names it on the page: its id, or new1, new2, …
	New     bool   // it isn't saved yet
	Type    string
	Default string // its label while none is typed; empty where one is needed

	Label, Help, Placeholder, Most, Pattern, Purpose, From, Key string
	Options                                                     string // one in a line
	Required, Prefill                                           bool
}

// FormDraft is a form in the editor.
type FormDraft struct {
	Fields  []FormField
	Words   string // what readers agree to
	Box     bool   // to be ticked
	Button  string
	Version int // that it was made from
}

// FieldType is what a field can be, and what can be set of it.
type FieldType struct {
	Type, Name                         string
	Offered                            bool // it can be added
	Options, Several, Checkbox, Hidden bool
	Typed                              bool // it can have a placeholder
	Most                               int  // the most that may be set for its length; 0 when it has none
	Patterns, Purposes, Sources        []Option
}

// FormVersion is a version of a form.
type FormVersion struct {
	Version int
	Since   time.Time
	By      string // empty for the operator, or for somebody who is gone
}

func (v FormVersion) by() string {
	if v.By == "" {
		return "the people who run this service"
	}
	return v.By
}

// FormEditorPage is for NewsletterForm. The editor's form posts the draft, version and do to
// /newsletters/{slug}/form, and the draft to /newsletters/{slug}/preview, which answers with a
// PreviewFrame.
type FormEditorPage struct {
	NewsletterPage
	Draft    FormDraft
	Types    []FieldType
	Deleted  []Option // fields that were there, to bring back
	Preview  string   // the page of the drafted form, as HTML
	Wide     bool     // it is shown as on a desktop
	Unsaved  bool     // the draft was changed
	Focus    string   // id of what has the focus; empty for nothing
	Errors   FieldErrors
	Versions []FormVersion // the newest first
	Numbers  NewsletterNumbers
}

func (p FormEditorPage) typeOf(f FormField) FieldType {
	for _, t := range p.Types {
		if t.Type == f.Type {
			return t
		}
	}
	return FieldType{Type: f.Type, Name: f.Type}
}

// offered are the types that a field can be added of, and the fields that can be brought back.
func (p FormEditorPage) offered() (all []Option) {
	for _, t := range p.Types {
		if t.Offered {
			all = append(all, Option{t.Type, t.Name})
		}
	}
	for _, d := range p.Deleted {
		all = append(all, Option{d.Value, "Bring back: " + d.Text})
	}
	return all
}

// name is what the field is called in the editor.
func (f FormField) name() string {
	switch {
	case f.Label != "":
		return f.Label
	case f.Default != "":
		return f.Default
	}
	return "New field"
}

// about says what a field is, in a few words.
func (p FormEditorPage) about(f FormField) string {
	t := p.typeOf(f)
	text := t.Name
	if f.Default == text {
		text = "On every form"
	}
	if f.Required {
		text += " · required"
	}
	return text
}

// input is a field of the editor that is about a field of the form.
func (p FormEditorPage) input(f FormField, name, label, value, hint string) field {
	id := name + "-" + f.Ref
	return field{ID: id, Name: name, Label: label, Value: value, Hint: hint, Error: p.Errors[id], Free: true, Autocomplete: "off", Focus: p.Focus == id}
}

// wrong reports whether something about a field is wrong, so that it is shown.
func (p FormEditorPage) wrong(f FormField) bool {
	for id := range p.Errors {
		if len(id) > len(f.Ref) && id[len(id)-len(f.Ref)-1:] == "-"+f.Ref {
			return true
		}
	}
	return false
}

// opened reports whether the settings of a field are to be seen: those of a new one, since it needs some.
func (p FormEditorPage) opened(f FormField) bool {
	return f.New || p.wrong(f) || p.Focus == "label-"+f.Ref
}

// labelField is that of a field's label. Where a language has a word for it, none is needed.
func (p FormEditorPage) labelField(f FormField) field {
	in := p.input(f, "label", "Label", f.Label, "")
	if f.Default != "" {
		in.Hint = "Empty: “" + f.Default + "”, in the language of the newsletter."
	}
	return in
}

func (t FieldType) mostLabel() string {
	if t.Several {
		return "Most that may be chosen"
	}
	return "Most characters"
}

func (t FieldType) hasMost() bool { return t.Most > 0 || t.Several }

func (t FieldType) mostHint() string {
	if t.Several {
		return "Empty: all of them."
	}
	return "Up to " + number(t.Most) + "."
}

func (p FormEditorPage) wordsField() field {
	return field{Name: "words", Label: "What readers agree to", Value: p.Draft.Words, Error: p.Errors["words"],
		Hint: "Kept with each sign-up, word for word. Say who writes, about what, and how to stop it."}
}

func (p FormEditorPage) buttonField() field {
	return field{Name: "button", Label: "Button", Value: p.Draft.Button, Error: p.Errors["button"], Hint: "Empty: “Sign up”, in the language of the newsletter.", Autocomplete: "off", Optional: true}
}

// NewsletterNumbers are what happened at a newsletter's form in the last 30 days.
type NewsletterNumbers struct {
	Views, Framed, SignUps int
	Of                     int // how many sign-ups the sources are told of
	Sources                []SourceGroup
}

// SourceGroup is one way to tell sources apart, with how many came from each.
type SourceGroup struct {
	Title string
	Rows  []SourceCount
}

// SourceCount is how many came from a source.
type SourceCount struct {
	Name string
	N    int
}

// conversion is how many of those who looked at the form signed up.
func (n NewsletterNumbers) conversion() string {
	if n.Views == 0 || n.SignUps > n.Views {
		return "–"
	}
	return strconv.FormatFloat(100*float64(n.SignUps)/float64(n.Views), 'f', 1, 64) + " %"
}

func (n NewsletterNumbers) conversionNote() string {
	if n.SignUps > n.Views && n.SignUps > 0 {
		return "More signed up than looked here: forms in your own pages aren’t counted"
	}
	return "of those who looked"
}

func (n NewsletterNumbers) viewsNote() string {
	if n.Framed > 0 {
		return number(n.Framed) + " of them in frames"
	}
	return "of the form’s page and frames"
}

// share is a part of a whole in percent.
func share(n, of int) string {
	if of == 0 {
		return ""
	}
	return strconv.Itoa((100*n+of/2)/of) + " %"
}

// inPlace has a button get the editor back by htmx, and not the whole page.
func (p FormEditorPage) inPlace() templ.Attributes {
	return templ.Attributes{"hx-post": p.formPath(), "hx-target": "#editing", "hx-select": "#editing", "hx-swap": "outerHTML"}
}

// exampleEditor is what the page of the components shows.
func exampleEditor(p Page) FormEditorPage {
	text := FieldType{Type: "text", Name: "Short text", Offered: true, Typed: true, Most: 1000, Patterns: []Option{{"", "Anything"}, {"digits", "Digits only"}}}
	return FormEditorPage{NewsletterPage: NewsletterPage{Page: p, Newsletter: Newsletter{Name: "Contoso Weekly", Slug: "contoso-weekly", State: "open"}}, Types: []FieldType{text, {Type: "email", Name: "E-mail address", Typed: true}},
		Unsaved: true, Preview: "<!DOCTYPE html><title>Preview</title><p>The form.", Draft: FormDraft{Words: "I want to receive Contoso Weekly by e-mail.", Fields: []FormField{
			{Ref: "email", Type: "email", Default: "E-mail address", Key: "email", Required: true}, {Ref: "f1", Type: "text", Label: "Company", Key: "company"}}}}
}
