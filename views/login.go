package views

import "time"

// LoginPage is for Login. The form posts email, password, next, typed and csrf to /login.
type LoginPage struct {
	Page
	NotSent  bool          // a form was sent by somebody who wasn't logged in any more
	Typed    string        // that form as it was filled in, which comes back after the log-in
	Email    string        // as typed before
	Next     string        // path to go to after login
	Busy     bool          // too many others were logging in
	Wrong    bool          // the address or the password was wrong
	Wait     time.Duration // there were too many tries; the next counts after this
	Changed  bool          // the password was set anew just now
	DemoHint string        // address to sign in with, in the demo only
	Demo     []DemoLogin   // who gets in without a password, in the demo only
}

// SetupPage is for Setup. The form posts token, organization, slug, email,
// password, password_again and csrf to /setup.
type SetupPage struct {
	Page
	Token        string // of the one-time link
	Organization string
	Slug         string
	Email        string
	Errors       FieldErrors // by the names above
}

// ChooseTenantPage is for ChooseTenant. Each button posts tenant (the id), next
// and csrf to /tenant.
type ChooseTenantPage struct {
	Page
	Next    string
	Tenants []TenantChoice
}

// TenantChoice is one tenant that the user may act for.
type TenantChoice struct {
	ID      string
	Name    string
	Current bool // the session is for this one already
}

const passwordHint = "At least 15 characters. Four random words are easy to remember. Common passwords, rows of keys, and names such as yours or your organisation’s are too easy to guess."

func loginFields(p LoginPage) []field {
	return []field{
		{Name: "email", Label: "E-mail address", Type: "email", Value: p.Email, Autocomplete: "username", Focus: p.Email == ""},
		{Name: "password", Label: "Password", Type: "password", Autocomplete: "current-password", Focus: p.Email != ""},
	}
}

func setupFields(p SetupPage) []field {
	return fields(p.Errors,
		field{Name: "organization", Label: "Organisation", Value: p.Organization, Autocomplete: "organization", Focus: true},
		field{Name: "slug", Label: "URL name", Value: p.Slug, Hint: "Part of the address of your forms: small letters, digits and hyphens, such as contoso."},
		field{Name: "email", Label: "Your e-mail address", Type: "email", Value: p.Email, Autocomplete: "username"},
		field{Name: "password", Label: "Password", Type: "password", Hint: passwordHint, Autocomplete: "new-password"},
		field{Name: "password_again", Label: "Password again", Type: "password", Autocomplete: "new-password"},
	)
}
