package views

import "time"

// AccountPage is for Account. The password form posts current, password,
// password_again and csrf to /account/password; a session's button posts id and
// csrf to /account/sessions/end; log out everywhere posts csrf to
// /account/sessions/end-all.
type AccountPage struct {
	Page
	Errors   FieldErrors
	Sessions []Session
}

// Session is one browser that is signed in.
type Session struct {
	ID       string
	Device   string // "Firefox on Linux"
	IP       string
	Since    time.Time
	LastSeen time.Time
	Current  bool // this browser
}

func passwordFields(errs FieldErrors) []field {
	return fields(errs,
		field{Name: "current", Label: "Current password", Type: "password", Autocomplete: "current-password"},
		field{Name: "password", Label: "New password", Type: "password", Hint: passwordHint, Autocomplete: "new-password"},
		field{Name: "password_again", Label: "New password again", Type: "password", Autocomplete: "new-password"},
	)
}
