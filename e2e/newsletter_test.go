package e2e

import (
	"net/http/httptest"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// ownField is a field that somebody adds to a form, and the field of Salesforce that it fills.
type ownField struct {
	kind, label, key, options string
	most                      string // characters
	target                    string
}

var ownFormFields = []ownField{
	{kind: "text", label: "Job title", key: "job_title", most: "128", target: "Title"},
	{kind: "text", label: "Team", key: "team", most: "80", target: "Department"},
	{kind: "choice", label: "How did you find us?", key: "how_did_you_find_us", options: "Web\nOther", target: "LeadSource"},
}

// TestOwnNewsletter is what somebody does who has a newsletter in mind: they make it, ask for
// three things of their own, say where these go, and put the form on their site. What readers
// fill in there is in Salesforce.
func TestOwnNewsletter(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		v.enter()
		v.connect()
		v.makeNewsletter("Garden letters", "garden-letters")
		v.withoutConfirmation("garden-letters")
		for _, f := range ownFormFields {
			v.addField(f)
		}
		v.press("Save the form")
		v.says("Version 1")
		v.look("newsletter-form")
		v.fillFields(ownFormFields)
		s := v.putOnSite("garden-letters")
		for email, script := range map[string]bool{"with@reader.example": true, "without@reader.example": false} {
			r := s.reader(t, "/", script)
			must(t, r.Locator("[name=email]").Fill(email))
			must(t, r.GetByLabel("Job title").Fill("Head gardener"))
			must(t, r.GetByLabel("Team").Fill("Roses & hedges"))
			_, err := r.GetByLabel("How did you find us?").SelectOption(playwright.SelectOptionValues{Labels: playwright.StringSlice("Other")})
			must(t, err)
			must(t, r.Locator("button[type=submit]").Click())
			r.sees(r.Locator("body"), "You are signed up")
			if has := v.d.contact(t, email).Fields; has["Title"] != "Head gardener" || has["Department"] != "Roses & hedges" || has["LeadSource"] != "Other" {
				t.Errorf("%s arrived as %v", email, has)
			}
		}
	})
}

// makeNewsletter makes a newsletter, and comes to its form.
func (v *visitor) makeNewsletter(name, slug string) {
	v.t.Helper()
	v.open("/newsletters")
	v.follow("New newsletter")
	v.heading("New newsletter")
	v.look("newsletter-new")
	v.fill("Name", name)
	v.fill("URL name", slug)
	v.press("Create newsletter")
	v.heading(name)
}

// withoutConfirmation has readers be on the list as soon as they sign up, and comes back to the form.
func (v *visitor) withoutConfirmation(slug string) {
	v.t.Helper()
	v.open("/newsletters/" + slug + "/settings")
	v.step(v.page.GetByLabel("Ask readers to confirm by e-mail").Uncheck(), "have nobody asked")
	v.press("Save confirmation")
	v.says("as soon as they sign up")
	v.open("/newsletters/" + slug)
}

// addField adds a field to the form that is open.
func (v *visitor) addField(f ownField) {
	v.t.Helper()
	_, err := v.page.Locator("#add").SelectOption(playwright.SelectOptionValues{Values: &[]string{f.kind}})
	v.step(err, "choose a %s", f.kind)
	items := v.page.Locator(".field-item")
	n, err := items.Count()
	v.step(err, "count the fields")
	v.press("Add")
	v.step(expect.Locator(items).ToHaveCount(n+1), "see the new field")
	is := items.Last()
	v.step(is.Locator("[name=label]").Fill(f.label), "name the field")
	if f.most != "" { // as many as Salesforce takes
		v.step(is.Locator("[name=most]").Fill(f.most), "limit it")
	}
	if f.options != "" {
		v.step(is.Locator("[name=options]").Fill(f.options), "give its choices")
	}
}

// fillFields says which fields of Salesforce are filled with those of the form, and sees
// in a preview that it is so.
func (v *visitor) fillFields(all []ownField) {
	v.t.Helper()
	v.open("/integrations/sfdc/mapping")
	v.press("Read the fields")
	v.heading("Salesforce")
	for i, f := range all {
		_, err := v.page.Locator("#add").SelectOption(playwright.SelectOptionValues{Values: &[]string{f.target}})
		v.step(err, "choose %s", f.target)
		v.press("Add")
		row := v.page.Locator("fieldset.card").Filter(playwright.LocatorFilterOptions{Has: v.page.Locator("input[type=hidden][value=" + f.target + "]")})
		v.step(row.WaitFor(), "see row %d", i)
		_, err = row.GetByLabel("Filled with").SelectOption(playwright.SelectOptionValues{Values: playwright.StringSlice("field:" + f.key)})
		v.step(err, "fill %s with %s", f.target, f.label)
	}
	v.look("mapping-edited")
	v.press("Save")
	v.says("Saved")
	v.look("mapping")
}

// putOnSite has the form stand on a site of another origin, as the portal gives it out.
func (v *visitor) putOnSite(slug string) *site {
	v.t.Helper()
	v.open("/newsletters/" + slug + "/embed")
	code, err := v.page.Locator("#code-html").TextContent()
	v.step(err, "copy the code")
	s := &site{pages: map[string]hostPage{"/": {body: code}}}
	s.Server = httptest.NewServer(s)
	v.t.Cleanup(s.Close)
	return s
}
