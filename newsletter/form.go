package newsletter

import (
	"cmp"
	"encoding/json"
	"maps"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/input"
)

// Form is what an admin fills in for somebody: the fields that every form has. The names are
// optional.
type Form struct {
	Email, FirstName, LastName string
}

// Checked is a form that is in order, as it is to be stored. Check and CheckForm alone
// make one.
type Checked struct {
	email, firstName, lastName string
	fields                     string // those beyond them: forms.Values as JSON; empty for none
	version                    int    // of the form that was shown
	words                      string // that were agreed to
	shown                      db.Presentation
}

// Email is the address, as it is to be stored.
func (c Checked) Email() string { return c.email }

// Check returns the form as it is to be stored, or a sentence for each field that
// is not in order, by the name that the field has in forms.
func (f Form) Check() (clean Checked, errors map[string]string) {
	values, problems := forms.First("").Check(forms.Sent{
		forms.EmailID:     {Texts: []string{f.Email}},
		forms.FirstNameID: {Texts: []string{f.FirstName}},
		forms.LastNameID:  {Texts: []string{f.LastName}},
	})
	if len(problems) > 0 {
		return Checked{}, problems.In(forms.English)
	}
	return checkedOf(values), map[string]string{}
}

// CheckForm returns what was sent to a newsletter's form as it is to be stored, or what is
// wrong with it. shown is the version of the form by which it came: see Service.FormShown.
func CheckForm(n db.Newsletter, shown forms.Definition, sent forms.Sent) (Checked, forms.Problems) {
	values, problems := FormOf(n, shown).Check(sent)
	if len(problems) > 0 {
		return Checked{}, problems
	}
	clean := checkedOf(values)
	clean.version, clean.words, clean.shown = shown.Version, shown.Consent.Words, presentation(n, shown)
	return clean, problems
}

// presentation is what a version of a newsletter's form shows with the words of the consent.
func presentation(n db.Newsletter, shown forms.Definition) db.Presentation {
	l := forms.Language(n.Page.Language)
	return db.Presentation{Box: shown.Consent.Box, Button: cmp.Or(shown.Button, l.Say(forms.SignUp)), Newsletter: n.Name, Slug: n.Slug,
		Sender: cmp.Or(n.Page.Sender, n.TenantName), Privacy: n.Page.Privacy, Language: l.Tag()}
}

// FormOf is the form by which is checked, and shown again, what was sent by a version of it.
func FormOf(n db.Newsletter, shown forms.Definition) forms.Definition {
	if shown.Version == n.Form.Version {
		return n.Form
	}
	return n.Form.Since(shown)
}

func checkedOf(values forms.Values) Checked {
	own := maps.Clone(values)
	for _, id := range []string{forms.EmailID, forms.FirstNameID, forms.LastNameID} {
		delete(own, id)
	}
	return Checked{email: values[forms.EmailID], firstName: values[forms.FirstNameID], lastName: values[forms.LastNameID], fields: storedFields(own)}
}

func storedFields(v forms.Values) string {
	if len(v) == 0 {
		return ""
	}
	stored, err := json.Marshal(v)
	if err != nil { // can't be: they are texts
		panic(err)
	}
	return string(stored)
}

// checkName returns a name as it is to be stored, or what is wrong with it.
func checkName(typed, id string) (name, wrong string) {
	f, _ := forms.First("").ByID(id)
	name, problem := f.Check(input.Value{Texts: []string{typed}})
	if problem != (forms.Problem{}) {
		return "", problem.In(forms.English)
	}
	return name, ""
}
