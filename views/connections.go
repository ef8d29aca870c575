package views

import "strings"

// IntegrationsPage is for Integrations.
type IntegrationsPage struct {
	Page
	Incidents []Incident
	CRMs      []Integration // all that there are
	Unsent    int           // sign-ups that wait until the first is connected
	Others    []Integration // apps that no sign-ups go to
}

// AppPage is for App.
type AppPage struct {
	Page
	App Integration
}

// NewCRMPage is for NewCRM.
type NewCRMPage struct {
	Page
	Card   Integration
	Beside []CRM // that sign-ups go to already
}

// moving says how one gets from the CRMs that are there to this one.
func (p NewCRMPage) moving() string {
	there := listed(names(p.Beside))
	return "To move from " + there + " to " + p.Card.Name + ": connect it here, send everybody there, compare the numbers, and remove " + there + "."
}

// unfed tells of a CRM that is connected, though no sign-ups go there: it was before they could.
func (p NewCRMPage) unfed() Alert {
	a := Alert{Tone: "warn", Title: "Sign-ups don’t go to " + p.Card.Name + " yet", Text: "It was connected before that was possible. Reconnect it, and new sign-ups go there."}
	if len(p.Beside) > 0 {
		a.Text += " " + p.moving()
	}
	return a
}

// unsent tells of sign-ups that wait for a first CRM.
func (p IntegrationsPage) unsent() Alert {
	a := Alert{Title: count(p.Unsent, "sign-up waits", "sign-ups wait") + " for your first CRM", Text: "They are kept, and arrive as soon as you connect one."}
	if p.Unsent == 1 {
		a.Text = "It is kept, and arrives as soon as you connect one."
	}
	return a
}

// ownAlert is the page when it tells itself what is wrong with connections.
func (p Page) ownAlert(cards ...Integration) Page {
	for _, c := range cards {
		p.OwnAlert = p.OwnAlert || c.State == ConnectionBroken || c.failing()
	}
	return p
}

// connected reports whether there is a connection, be it lost.
func (i Integration) connected() bool { return i.State == Connected || i.State == ConnectionBroken }

// hasNumbers reports whether there is anything to say of a CRM's sign-ups.
func (i Integration) hasNumbers() bool {
	return i.State != NotConnected || i.Waiting > 0 || i.Attention > 0 || !i.LastArrival.IsZero()
}

// connectable reports whether one can begin to connect.
func (i Integration) connectable() bool { return i.State == NotConnected && !i.NoApp }

// sentence says in a line what the connection is to, or was.
func (i Integration) sentence(now clock) string {
	switch {
	case i.State == ConnectionBroken:
		return "Lost " + inSentence(now.since(i.LostAt)) + ". Connected to " + i.orgName() + " before."
	case i.State == ConnectionHeld:
		return "Nothing changes until you decide."
	case i.State == Connected && i.ConnectedAt.IsZero():
		return "Connected to " + i.orgName()
	case i.State == Connected:
		return "Connected to " + i.orgName() + " since " + inSentence(now.date(i.ConnectedAt))
	case !i.DisconnectedAt.IsZero():
		return "Disconnected " + inSentence(now.since(i.DisconnectedAt)) + i.disconnectedBy() + "." + i.safe()
	case i.Other:
		return "The platform can’t work with it yet."
	}
	return "Every new subscriber becomes a " + i.CRM.Record + " in " + i.Name + "."
}

func (i Integration) disconnectedBy() string {
	if i.DisconnectedBy == "" {
		return ""
	}
	return " by " + i.DisconnectedBy
}

// safe says that nobody is lost meanwhile, where sign-ups go by the connection.
func (i Integration) safe() string {
	if i.Other {
		return ""
	}
	return " Sign-ups are kept and arrive as soon as you " + i.again() + "."
}

func (i Integration) again() string {
	if i.State == ConnectionBroken {
		return "reconnect"
	}
	return "connect"
}

func (i Integration) orgName() string {
	if i.Org.Name != "" {
		return i.Org.Name
	}
	return "your " + i.orgWord()
}

func (i Integration) orgTitle() string {
	word := i.orgWord()
	return strings.ToUpper(word[:1]) + word[1:]
}

// nextTry says when the renewal is tried again, if that is known.
func (i Integration) nextTry(now clock) string {
	if i.NextTry.IsZero() {
		return ""
	}
	return " Next try: " + inSentence(now.time(i.NextTry)) + "."
}

// heldQuestion asks about the org that waits to be confirmed.
func (i Integration) heldQuestion() string {
	if i.Held.First {
		return "Is this the " + i.Name + " " + i.orgWord() + " that you mean?"
	}
	return "This is another " + i.Name + " " + i.orgWord() + " than before."
}

func (i Integration) heldMeaning() string {
	switch {
	case i.Held.First && i.Other:
		return "Nothing is connected yet."
	case i.Held.First:
		return "Nothing is connected yet. If you confirm, new sign-ups and those that wait go there."
	case i.Other:
		return "Nothing has changed yet. If you switch, the new one takes the place of the old one."
	}
	return "Nothing has changed yet. If you switch, new sign-ups and those that wait go to the new one; " + i.CRM.Records + " in the old one stay there."
}

// named is the org's name, with what it is.
func (o Org) named() string {
	if o.Sandbox {
		return o.Name + " (sandbox)"
	}
	return o.Name
}

// again is the button's word.
func (p ConnectFailedPage) again() string {
	if strings.HasPrefix(p.Mend, "Start again") {
		return "Start again"
	}
	return "Try again"
}

// said is what the service said in words of its own, or that it gave a code alone.
func (p ConnectFailedPage) said() string {
	if p.Description != "" {
		return p.Description
	}
	return "Nothing but a code:"
}

// ends says which connection ends.
func (p DisconnectPage) ends() string {
	if p.Org.Name == "" {
		return "This ends the connection."
	}
	return "This ends the connection to " + p.Org.named() + "."
}

// consequences are what follows from it.
func (p DisconnectPage) consequences() (all []string) {
	if p.NoWay {
		all = append(all, "Gatepost wipes the credential. "+p.Name+" offers no way to give an access back from here: remove it in the settings of your account there as well.")
	} else {
		all = append(all, "Gatepost gives its access back to "+p.Name+" and wipes the credential.")
	}
	if p.Other {
		return append(all, "What is in "+p.Name+" stays there.")
	}
	all = append(all, "Your forms stay open. New sign-ups are kept safely here and wait.")
	if p.Waiting > 0 {
		all = append(all, count(p.Waiting, "sign-up waits", "sign-ups wait")+" already, and will go on waiting until you connect again.")
	} else {
		all = append(all, "Once you connect again, all that waited is sent.")
	}
	return append(all, capitalised(p.CRM.Records)+" that are in "+p.Name+" stay there.")
}

// back is the page where one was asked to disconnect.
func (p DisconnectPage) back() string {
	if p.Other {
		return string(ServicePage(p.Service))
	}
	return string(servicePath(p.Service, "settings"))
}

func (p MovePage) text() string {
	were, they := "people were", "They are"
	if p.N == 1 {
		were, they = "person was", "This one is"
	}
	return number(p.N) + " " + were + " sent to another organisation before. " + they + " sent to this one too; who is there already by e-mail address is not created again. What stands in the other organisation stays there, untouched."
}
