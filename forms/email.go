package forms

import (
	"net/mail"
	"strings"
	"unicode"

	"gatepost/input"
)

// checkEmail returns an address as it is to be stored, or what is wrong with it.
func checkEmail(_ Field, v input.Value) (string, Problem) {
	typed, wrong := one(v)
	if wrong != (Problem{}) {
		return "", wrong
	}
	email, err := input.Address(typed)
	switch {
	case err != nil:
		return "", unclean(CheckAddress, err)
	case email == "":
		return "", Problem{}
	case !isASCII(email):
		return "", Problem{Says: AccentsInAddress}
	case len(email) > mostEmail:
		return "", Problem{Says: TooLongAddress, Most: mostEmail}
	case !isAddress(email):
		return "", Problem{Says: LooksLikeAddress}
	}
	return email, Problem{}
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
