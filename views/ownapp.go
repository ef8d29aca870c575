package views

import "time"

// OwnAppPage is for OwnApp and OwnAppRemoval: a tenant's own app at a service. The
// forms post csrf to /integrations/{service}/app, and to …/app/remove.
type OwnAppPage struct {
	Page
	Service     string // its id, in addresses
	Name        string // "Salesforce"
	RedirectURL string // to register with the app
	Scopes      string // that are asked for when none are set
	ClientHint  string // what the service calls a client id and a secret, where it has words of its own
	SelfManaged bool   // it may be on a host of the tenant's

	SetAt    time.Time // zero when there is no own app
	Live     bool      // the tenant's connection is in order
	LiveUses int       // connections in order that the own app made

	Form   OwnAppForm
	Errors FieldErrors
}

// OwnAppForm is what the form holds, as it is set or as it was posted. It has no
// place for the secret.
type OwnAppForm struct {
	ClientID, Scopes, Host string
	Understood             bool
}

func (p OwnAppPage) isSet() bool { return !p.SetAt.IsZero() }

func (p OwnAppPage) fields() []field {
	secret := field{Name: "client_secret", Label: "Client secret", Type: "password", Autocomplete: "off",
		Hint: "It is stored encrypted and never shown again."}
	if p.isSet() {
		secret.Optional = true
		secret.Hint = "Leave it empty to keep the one that is stored. It is never shown."
	}
	all := []field{
		{Name: "client_id", Label: "Client ID", Value: p.Form.ClientID, Autocomplete: "off", Hint: p.ClientHint},
		secret,
		{Name: "scopes", Label: "Scopes", Value: p.Form.Scopes, Autocomplete: "off", Optional: true,
			Hint: "What the app asks for, separated by spaces. When empty: " + p.Scopes + "."},
	}
	if p.SelfManaged {
		all = append(all, field{Name: "host", Label: "Address of your own " + p.Name, Value: p.Form.Host, Autocomplete: "off", Optional: true,
			Hint: "Such as https://git.example.com, when you run it yourselves. It has to be reachable from the internet, by https. Another address needs the secret anew."})
	}
	return fields(p.Errors, all...)
}

// changeWords are what has to be agreed to before a change that ends connections.
func (p OwnAppPage) changeWords() string {
	what := "If I change the client ID"
	if p.SelfManaged {
		what += " or the address"
	}
	return what + ", I reconnect " + p.Name + " right after."
}

// trail leads to the page with the connection.
func (p OwnAppPage) trail() []Link {
	return []Link{{"/integrations", "Integrations"}, {string(ServicePage(p.Service)), p.Name}}
}

// consequences are what follows from removing the app.
func (p OwnAppPage) consequences() (all []string) {
	if p.LiveUses > 0 {
		all = append(all, count(p.LiveUses, "connection stops at once and has", "connections stop at once and have")+" to be made again, then with the shared app.",
			"Sign-ups are kept safely here and wait until then.", "To give the access back at "+p.Name+" too, disconnect before you remove the app.")
	} else {
		all = append(all, "No connection that works uses it.")
	}
	return append(all, "From then on your organisation connects with the shared app.", "At "+p.Name+" the app stays until you delete it there.")
}
