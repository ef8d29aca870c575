package views

import "time"

// ForgotPage is for Forgot. The form posts email and csrf to /password/forgot.
type ForgotPage struct {
	Page
	Email     string        // as typed before
	Wait      time.Duration // there were too many requests; the next counts after this
	LinkEnded bool          // one came with a link that does not work any more
	NoMail    bool          // there is no mail server
	Errors    FieldErrors
}

// ResetSentPage is for ResetSent.
type ResetSentPage struct {
	Page
	DemoMail string // address of the page with the mails, in the demo only
}

// ResetPage is for Reset. The form posts token, password, password_again and csrf
// to /password/reset.
type ResetPage struct {
	Page
	Token  string // of the link
	Email  string // of its user
	Errors FieldErrors
}

func forgotFields(p ForgotPage) []field {
	return fields(p.Errors, field{Name: "email", Label: "E-mail address", Type: "email", Value: p.Email, Autocomplete: "username", Focus: true})
}

func resetFields(p ResetPage) []field {
	return fields(p.Errors,
		field{Name: "password", Label: "New password", Type: "password", Hint: passwordHint, Autocomplete: "new-password", Focus: true},
		field{Name: "password_again", Label: "New password again", Type: "password", Autocomplete: "new-password"},
	)
}
