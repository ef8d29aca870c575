package newsletter

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatepost/input"
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
	errors = map[string]string{}
	note := func(field, sentence string) {
		if sentence != "" {
			errors[field] = sentence
		}
	}
	var wrong [3]string
	clean.email, wrong[0] = checkEmail(f.Email)
	clean.firstName, wrong[1] = checkName(f.FirstName, "first name", maxFirstName)
	clean.lastName, wrong[2] = checkName(f.LastName, "last name", maxLastName)
	note("email", wrong[0])
	note("first_name", wrong[1])
	note("last_name", wrong[2])
	if len(errors) > 0 {
		return Checked{}, errors
	}
	return clean, errors
}

// checkEmail returns an address as it is to be stored, or what is wrong with it.
func checkEmail(typed string) (email, wrong string) {
	email, err := input.Address(typed)
	switch {
	case err != nil:
		return "", "Please check the address: " + err.Error()
	case email == "":
		return "", "Please enter your e-mail address."
	case !isASCII(email):
		return "", "Please enter an address without accents or special letters before the @: not all mail systems can reach those yet."
	case len(email) > maxEmail:
		return "", "This address is too long: at most 80 characters, please."
	case !isAddress(email):
		return "", "Please check the address: it should look like name@example.com."
	}
	return email, ""
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

// checkName returns a name as it is to be stored, or what is wrong with it.
func checkName(typed, what string, most int) (name, wrong string) {
	name, err := input.Line(typed)
	switch {
	case err != nil:
		return "", "Please check the " + what + ": " + err.Error()
	case utf8.RuneCountInString(name) > most:
		return "", fmt.Sprintf("This is too long for a %s: at most %d characters, please.", what, most)
	}
	return name, ""
}
