package views

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
		field{Name: "slug", Label: "Short name", Value: p.Slug, Hint: "For addresses and commands: small letters, digits and hyphens, such as contoso."},
		field{Name: "email", Label: "Your e-mail address", Type: "email", Value: p.Email, Autocomplete: "username"},
		field{Name: "password", Label: "Password", Type: "password", Hint: passwordHint, Autocomplete: "new-password"},
		field{Name: "password_again", Label: "Password again", Type: "password", Autocomplete: "new-password"},
	)
}
