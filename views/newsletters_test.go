package views

import (
	"time"

	"github.com/a-h/templ"
)

// newsletterPages are those of newsletters, in each state.
func newsletterPages() map[string]templ.Component {
	one := Newsletter{Name: hostile, Slug: "contoso-weekly", Consent: hostile, FormURL: "https://gatepost.example/signup/contoso-weekly", Subscribers: 1234, LastHour: time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)}
	silent, needs := one, one
	silent.Slug, silent.Silent = "silent", true
	needs.Slug, needs.Attention = "needs", 3
	fresh := Newsletter{Name: "Product News", Slug: "news", FormURL: "https://gatepost.example/signup/news"}
	return map[string]templ.Component{
		"newsletters":            Newsletters(NewslettersPage{Page: portalPage("Newsletters", NavNewsletters), All: []Newsletter{one, silent, needs, fresh}}),
		"newsletters-none":       Newsletters(NewslettersPage{Page: portalPage("Newsletters", NavNewsletters)}),
		"newsletter-form":        NewsletterForm(NewsletterPage{Page: portalPage(hostile, NavNewsletters), Newsletter: needs}),
		"newsletter-embed":       NewsletterEmbed(embedPage(one, nil)),
		"newsletter-embed-sites": NewsletterEmbed(embedPage(one, FieldErrors{"sites": hostile})),
		"newsletter-unused":      NewsletterForm(NewsletterPage{Page: portalPage("Product News", NavNewsletters), Newsletter: fresh}),
	}
}
