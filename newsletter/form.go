package newsletter

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The most characters that Salesforce's fields take.
const (
	maxEmail     = 80
	maxFirstName = 40
	maxLastName  = 80
)

// Form is what a reader fills in. The names are optional.
type Form struct {
	Email, FirstName, LastName string
}

// Checked is a form that is in order, as it is to be stored. Check alone makes one.
type Checked struct{ email, firstName, lastName string }

// Check returns the form as it is to be stored, or a sentence for each field that
// is not in order, by the name that the field has in forms.
func (f Form) Check() (clean Checked, errors map[string]string) {
	clean = Checked{strings.TrimSpace(f.Email), strings.TrimSpace(f.FirstName), strings.TrimSpace(f.LastName)}
	errors = map[string]string{}
	note := func(field, sentence string) {
		if sentence != "" {
			errors[field] = sentence
		}
	}
	note("email", checkEmail(clean.email))
	note("first_name", checkName(clean.firstName, "first name", maxFirstName))
	note("last_name", checkName(clean.lastName, "last name", maxLastName))
	if len(errors) > 0 {
		return Checked{}, errors
	}
	return clean, errors
}

func checkEmail(email string) string {
	switch {
	case email == "":
		return "Please enter your e-mail address."
	case !isASCII(email):
		return "Please enter an address without accents or special letters: not all mail systems can reach those yet."
	case len(email) > maxEmail:
		return "This address is too long: at most 80 characters, please."
	case !isAddress(email):
		return "Please check the address: it should look like name@example.com."
	}
	return ""
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// isAddress reports whether s is nothing but an address, in the form that people
// know: no name, comment, quotes or address literal, and a domain with a dot.
func isAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || a.Name != "" {
		return false
	}
	local, domain, _ := strings.Cut(s, "@")
	return len(local) <= 64 && !strings.ContainsAny(local, `"\`) && isDomain(domain)
}

// isDomain reports whether s is a host name of two labels or more, the last of
// which is not a number.
func isDomain(s string) bool {
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(strings.ToLower(l), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	last := labels[len(labels)-1]
	return len(labels) > 1 && len(last) > 1 && strings.Trim(last, "0123456789") != ""
}

func checkName(name, what string, most int) string {
	switch {
	case !utf8.ValidString(name) || strings.IndexFunc(name, isUnprintable) >= 0:
		return "Please enter your " + what + " without special characters."
	case utf8.RuneCountInString(name) > most:
		return "This is too long for a " + what + ". Could you shorten it?"
	}
	return ""
}

// isUnprintable reports whether r has no place in a name: control characters,
// line breaks, and marks that turn the direction of the text around it.
func isUnprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || unicode.Is(unicode.Bidi_Control, r)
}
