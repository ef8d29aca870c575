package forms

// Source is where a hidden field's value comes from.
type Source struct {
	Name  string
	Label string // for an admin who chooses it
	Query string // the parameter of the page's address that has it; empty where it is no parameter
}

// The sources that aren't parameters of the page's address.
const (
	FromPage     = "page"     // the address of the page on which the form stands, without its query
	FromReferrer = "referrer" // the address of the page that led there
)

// Sources are the sources, in the order in which they are offered.
var Sources = []Source{
	{"utm_source", "utm_source of the page’s address", "utm_source"},
	{"utm_medium", "utm_medium of the page’s address", "utm_medium"},
	{"utm_campaign", "utm_campaign of the page’s address", "utm_campaign"},
	{"utm_term", "utm_term of the page’s address", "utm_term"},
	{"utm_content", "utm_content of the page’s address", "utm_content"},
	{"campaign", "campaign of the page’s address", "campaign"},
	{FromPage, "The page with the form", ""},
	{FromReferrer, "The page that led there", ""},
}

// SourceNamed returns the source with a name, and whether there is one.
func SourceNamed(name string) (Source, bool) {
	for _, s := range Sources {
		if s.Name == name {
			return s, true
		}
	}
	return Source{}, false
}

// textPurposes are the values of HTML's autocomplete that a line of text can have: those of WCAG 2.2's
// list of input purposes that aren't secrets.
var textPurposes = []string{
	"organization", "organization-title", "honorific-prefix", "nickname", "address-line1", "address-line2", "address-level1", "address-level2",
	"postal-code", "country-name", "language", "url", "tel", "sex",
}

// Autocomplete is what browsers are told a field is for, as HTML's autocomplete says it; empty for
// nothing that they could know.
func (f Field) Autocomplete() string {
	switch {
	case f.Purpose != "":
		return f.Purpose
	case f.ID == EmailID:
		return "email"
	case f.ID == FirstNameID:
		return "given-name"
	case f.ID == LastNameID:
		return "family-name"
	case f.Type == Phone:
		return "tel"
	case f.Type == Country:
		return "country"
	}
	return ""
}
