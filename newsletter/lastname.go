package newsletter

// LastName returns a last name as one is stored that a reader gives, or false when
// it can't be one. An admin's word for those who give none is checked by it.
func LastName(name string) (clean string, ok bool) {
	checked, wrong := Form{Email: "reader@example.com", LastName: name}.Check()
	return checked.lastName, len(wrong) == 0 && checked.lastName != ""
}
