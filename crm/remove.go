package crm

import "errors"

// Remove does what CRM.Remove says, in the same way for every CRM: it looks at a record before it deletes it.
// Look reports whether it is there, and whether it was changed since it was made. Remove deletes it, and fails with the code
// Gone when there is none.
func Remove(look func() (there, changed bool, err error), remove func() error) (Removed, error) {
	there, changed, err := look()
	switch {
	case err != nil:
		return "", err
	case !there:
		return Missing, nil
	case changed:
		return Changed, nil
	}
	switch err := remove(); {
	case isGone(err):
		return Missing, nil
	case err != nil:
		return "", err
	}
	return Deleted, nil
}

// isGone reports whether a call failed since its record isn't there.
func isGone(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Code == Gone
}
