package newsletter

import "gatepost/forms"

// LastName returns a last name as one is stored that a reader gives, or false when
// it can't be one. An admin's word for those who give none is checked by it.
func LastName(name string) (clean string, ok bool) {
	clean, wrong := checkName(name, forms.LastNameID)
	return clean, wrong == "" && clean != ""
}
