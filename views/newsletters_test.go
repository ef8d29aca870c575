package views

import (
	"time"

	"github.com/a-h/templ"
)

// newsletterPages are those of newsletters, in each state.
func newsletterPages() map[string]templ.Component {
	at := time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)
	one := Newsletter{Name: hostile, Slug: "contoso-weekly", Consent: hostile, State: "open", FormURL: "https://gatepost.example/signup/contoso-weekly", Subscribers: 1234, LastHour: at}
	silent, needs, paused, archived := one, one, one, one
	silent.Slug, silent.Silent = "silent", true
	needs.Slug, needs.Attention = "needs", 3
	paused.Slug, paused.State = "paused", "paused"
	archived.Slug, archived.State = "archived", "archived"
	fresh := Newsletter{Name: "Product News", Slug: "news", State: "open", FormURL: "https://gatepost.example/signup/news"}
	pages := map[string]templ.Component{
		"newsletters":            Newsletters(NewslettersPage{Page: portalPage("Newsletters", NavNewsletters), All: []Newsletter{one, silent, needs, fresh, paused, archived}}),
		"newsletters-none":       Newsletters(NewslettersPage{Page: portalPage("Newsletters", NavNewsletters)}),
		"newsletter-embed":       NewsletterEmbed(embedPage(one, nil)),
		"newsletter-embed-sites": NewsletterEmbed(embedPage(one, FieldErrors{"sites": hostile})),
		"newsletter-archive":     ArchiveNewsletter(NewsletterPage{Page: portalPage(hostile, NavNewsletters), Newsletter: one}),
	}
	for name, p := range map[string]NewNewsletterPage{
		"": {Fields: NewsletterFields{}}, "-wrong": {Fields: NewsletterFields{Name: hostile, Slug: hostile, Sender: hostile, Language: "de"},
			Errors: FieldErrors{"name": "Please enter a name.", "slug": "This URL name is taken.", "language": "Please choose."}, Feeds: []CRM{{Name: "One"}, {Name: "Two"}}, Chosen: []CRM{{Name: "Three"}}},
	} {
		p.Page, p.Begin, p.Languages = portalPage("New newsletter", NavNewsletters), "https://gatepost.example/signup/", []Option{{"en", "English"}, {"de", "Deutsch"}}
		pages["newsletter-new"+name] = NewNewsletter(p)
	}
	typed := NewsletterFields{Name: hostile, Slug: "news", Description: hostile, Sender: hostile, Privacy: "https://contoso.example", Language: "de", Accent: "#0b6b4f", Thanks: hostile, Redirect: "https://contoso.example", Device: true}
	theirs := NewsletterFields{Name: "Theirs", Slug: "news", Language: "en"}
	for name, p := range map[string]NewsletterSettingsPage{
		"":          {Newsletter: one, Fields: typed, LogoURL: "/signup/x/logo/y.png"},
		"-paused":   {Newsletter: paused, Fields: NewsletterFields{Name: "x", Slug: "y"}},
		"-archived": {Newsletter: archived, Fields: typed},
		"-wrong":    {Newsletter: one, Fields: typed, Errors: FieldErrors{"name": "Please enter a name.", "slug": "Taken.", "logo": "This is an SVG.", "accent": "A colour is #.", "redirect": "https, please.", "thanks": "Too long.", "language": "Choose."}},
		"-lost":     {Newsletter: one, Fields: typed, Saved: &theirs, Errors: FieldErrors{"": "Somebody else has changed this."}},
	} {
		p.Page, p.Begin, p.Languages, p.Tenant, p.Revision = portalPage(hostile, NavNewsletters), "https://gatepost.example/signup/", []Option{{"en", "English"}, {"de", "Deutsch"}}, "Contoso", 7
		pages["newsletter-settings"+name] = NewsletterSettings(p)
	}
	for name, p := range editors() {
		p.Types, p.Preview = editorTypes, "<p>"+hostile+"</p>"
		p.Page = portalPage(hostile, NavNewsletters)
		if p.Name == "" {
			p.Newsletter = needs
		}
		pages["newsletter-form"+name] = NewsletterForm(p)
	}
	unused := editors()[""]
	unused.Page, unused.Newsletter, unused.Types, unused.Numbers, unused.Versions = portalPage("Product News", NavNewsletters), fresh, editorTypes, NewsletterNumbers{}, nil
	pages["newsletter-unused"] = NewsletterForm(unused)
	return pages
}

// editorParts are what htmx gets of an editor.
func editorParts() map[string]templ.Component {
	parts := map[string]templ.Component{"editor-frame": PreviewFrame(hostile, "<p>"+hostile+"</p>")}
	for name, p := range editors() {
		p.Types, p.Page, p.Newsletter = editorTypes, portalPage("x", NavNewsletters), Newsletter{Name: hostile, Slug: "x"}
		parts["editor"+name] = FormEditor(p)
	}
	return parts
}

// editorTypes are types of fields with each of the settings that there are.
var editorTypes = []FieldType{{Type: "text", Name: "Short text", Offered: true, Typed: true, Most: 1000, Patterns: []Option{{"", "Anything"}, {"digits", "Digits only"}}, Purposes: []Option{{"", "Nothing"}, {"organization", "Company"}}},
	{Type: "choices", Name: "Several choices", Offered: true, Options: true, Several: true}, {Type: "hidden", Name: "Hidden", Offered: true, Hidden: true, Sources: []Option{{"utm_source", "utm_source"}}},
	{Type: "checkbox", Name: "Checkbox", Offered: true, Checkbox: true}, {Type: "email", Name: "E-mail address", Typed: true}}

// editors are the editor of a form in each state.
func editors() map[string]FormEditorPage {
	fields := []FormField{{Ref: "email", Type: "email", Default: "E-mail address", Key: "email", Required: true},
		{Ref: "f1", Type: "text", Label: hostile, Help: hostile, Placeholder: hostile, Most: "40", Pattern: "digits", Purpose: "organization", Key: "company", Required: true, Prefill: true},
		{Ref: "f2", Type: "choices", Label: "Topics", Options: "One\n" + hostile, Most: "2", Key: "topics"}, {Ref: "new1", New: true, Type: "hidden", From: "utm_source"}, {Ref: "new2", New: true, Type: "unknown"}}
	draft := FormDraft{Fields: fields, Words: hostile, Box: true, Button: hostile, Version: 2}
	at := time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)
	p := FormEditorPage{Draft: draft, Deleted: []Option{{"f3", hostile}}, Versions: []FormVersion{{2, at, hostile}, {1, at, ""}},
		Numbers: NewsletterNumbers{Views: 1200, Framed: 300, SignUps: 84, Of: 84, Sources: []SourceGroup{{"By", []SourceCount{{"Form", 80}, {"JSON", 4}}}, {hostile, []SourceCount{{hostile, 84}}}}}}
	drafted, wrong := p, p
	drafted.Unsaved, drafted.Focus, drafted.Wide, drafted.Numbers = true, "label-new1", true, NewsletterNumbers{SignUps: 3, Of: 3}
	wrong.Unsaved = true
	wrong.Errors = FieldErrors{"label-new1": "A field needs a label.", "options-f2": "Line 2: twice.", "most-f1": "A number, please.", "type-new2": "Choose a type.", "words": "Words are needed.", "button": "Too long.", "key-f1": "Taken.", "pattern-f1": "Choose.", "purpose-f1": "Choose.", "from-new1": "Choose."}
	return map[string]FormEditorPage{"": p, "-drafted": drafted, "-wrong": wrong}
}
