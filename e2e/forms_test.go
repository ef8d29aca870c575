package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/forms"

	"github.com/playwright-community/playwright-go"
)

// TestPatternsInABrowser holds that a browser takes the patterns as Go does, in its pattern
// attribute and as a JSON schema has them.
func TestPatternsInABrowser(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../forms/testdata/patterns.json")
	must(t, err)
	var cases map[string]struct{ Yes, No []string }
	must(t, json.Unmarshal(raw, &cases))
	context, err := browser.NewContext()
	must(t, err)
	defer func() { _ = context.Close() }()
	page, err := context.NewPage()
	must(t, err)
	for _, p := range forms.Patterns {
		for _, text := range slices.Concat(cases[p.Name].Yes, cases[p.Name].No) {
			got, err := page.Evaluate(`([html, schema, text]) => {
				const input = document.createElement('input')
				input.pattern = html
				input.value = text
				return [input.value !== text || input.checkValidity(), new RegExp(schema, 'u').test(text)]
			}`, []string{p.HTML, p.Schema(), text})
			must(t, err)
			want := slices.Contains(cases[p.Name].Yes, text)
			typed := want || strings.ContainsAny(text, "\n") // which an input leaves out
			if fmt.Sprint(got) != fmt.Sprint([]bool{typed, want}) {
				t.Errorf("%s: the browser says %v of %q", p.Name, got, text)
			}
		}
	}
}

// TestOwnFieldsInABrowser looks at a form with fields of every type, an accent colour and a box,
// on its own, in a frame and on a phone, and signs up by it.
func TestOwnFieldsInABrowser(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, startDemo(t), profile{bothSchemes: true})
	d, err := db.Open(t.Context(), v.d.database())
	must(t, err)
	defer func() { must(t, d.Close()) }()
	n, err := d.NewsletterBySlug(t.Context(), "contoso-weekly")
	must(t, err)
	edited := n.Form
	edited.Consent = forms.Consent{Words: "Ja, ich möchte Contoso Weekly bekommen.", Box: true}
	edited.Fields = append(edited.Fields,
		forms.Field{Type: forms.Text, Label: "Firma", Purpose: "organization", Help: "Wo Sie arbeiten.", Placeholder: "Contoso GmbH"},
		forms.Field{Type: forms.Text, Label: "Postleitzahl", Pattern: "postcode"},
		forms.Field{Type: forms.LongText, Label: "Über Sie"},
		forms.Field{Type: forms.Choice, Label: "Größe", Options: []forms.Option{{Label: "Klein"}, {Label: "Groß"}}},
		forms.Field{Type: forms.Choices, Label: "Themen", Required: true, Options: []forms.Option{{Label: "Eins"}, {Label: "Zwei"}}},
		forms.Field{Type: forms.Checkbox, Label: "Mitglied"}, forms.Field{Type: forms.Date, Label: "Geburtstag", Purpose: "bday"},
		forms.Field{Type: forms.Number, Label: "Alter"}, forms.Field{Type: forms.Phone, Label: "Telefon"}, forms.Field{Type: forms.Country, Label: "Land"})
	next, faults := forms.Next(n.Form, edited)
	if faults != nil {
		t.Fatal(faults)
	}
	must(t, d.SaveForm(t.Context(), n.TenantID, n.ID, next, ""))
	present := func(device bool) {
		look, err := json.Marshal(db.PublicPage{Language: "de", Accent: "#ffd400", Device: device, Description: "Jeden Donnerstag.", Privacy: v.d.portal + "/signup/contoso-weekly"})
		must(t, err)
		_, err = d.Writer().Exec(`UPDATE newsletters SET page = $1 WHERE id = $2`, string(look), n.ID)
		must(t, err)
	}
	present(true)

	button := v.page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Anmelden"})
	for range 100 { // the form is known for a second
		v.open(v.d.form)
		if there, err := button.Count(); err == nil && there == 1 {
			break
		}
	}
	v.look("form-own-fields")
	present(false) // a frame has no ground, so axe would take it for a white one
	for range 100 {
		v.open(v.d.form + "?frame=1")
		if there, err := v.page.Locator("html.device").Count(); err == nil && there == 0 {
			break
		}
	}
	v.look("form-framed")
	fill := func(label, value string) { v.step(v.page.GetByLabel(label).Fill(value), "fill in %s", label) }
	fill("E-Mail-Adresse", "jana@example.com")
	fill("Alter", "viele")
	v.step(v.page.GetByLabel("Ja, ich möchte").Check(), "agree")
	v.step(button.Click(), "sign up")
	v.look("form-own-fields-wrong")
	fill("Alter", "42")
	v.step(v.page.GetByLabel("Zwei").Check(), "choose")
	_, err = v.page.GetByLabel("Land").SelectOption(playwright.SelectOptionValues{Labels: &[]string{"Österreich"}})
	v.step(err, "choose a country")
	v.step(button.Click(), "sign up")
	v.step(v.page.GetByRole("heading", playwright.PageGetByRoleOptions{Name: "Vielen Dank"}).WaitFor(), "be thanked")
	v.look("form-framed-thanks")
	s, err := d.SubscriberAt(t.Context(), n.TenantID, n.ID, "jana@example.com")
	must(t, err)
	if got := fmt.Sprint(s.Fields); got != "map[f10:AT f5:Zwei f6:false f8:42]" || s.FormVersion != 1 {
		t.Errorf("stored: %s by version %d", got, s.FormVersion)
	}
	phone := newVisitor(t, v.d, profile{phone: true, noScript: true})
	phone.open(v.d.form)
	phone.look("form-own-fields")
}
