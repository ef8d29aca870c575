package views

import "time"

// OrganisationPage is the first tab of the settings: what an organisation sets for
// itself.
type OrganisationPage struct {
	Page
	Name   string
	Zone   string    // what was typed: a city, or the name of a time zone
	Places []Choice  // what can be meant by it, when it isn't clear
	Cities []string  // suggestions
	There  time.Time // now, in the zone that is stored; zero when another one is being chosen
	SetAt  time.Time // zero when nothing was set yet
	SetBy  string    // an address; empty for the operator
	Errors FieldErrors
}

// zoneHint tells the time in the zone that is stored, so that one sees whether it is
// the right one.
func (p OrganisationPage) zoneHint() string {
	if p.There.IsZero() {
		return "Type a city. Days and weeks are counted in its time zone."
	}
	return "Type a city. It is " + p.There.Format("15:04") + " on " + p.There.Format("Monday, 2 January") + " there. Days and weeks are counted in this zone."
}

func (p OrganisationPage) fields() []field {
	return fields(p.Errors,
		field{Name: "name", Label: "Name", Value: p.Name, Hint: "Readers see it on your forms.", Autocomplete: "organization"},
		field{Name: "zone", Label: "Time zone", Value: p.Zone, Hint: p.zoneHint(), Autocomplete: "off", List: "cities"})
}

// setBy says who changed the settings last.
func (p OrganisationPage) setBy() string {
	if p.SetBy == "" {
		return "the people who run this service"
	}
	return p.SetBy
}

// NotificationsPage is where a member chooses which mails they get.
type NotificationsPage struct {
	Page
	Mail    bool // whether mails can be sent
	Address string
	Choices []Choice
	Error   string
}

// settingsTabs are the pages under the title Settings.
func settingsTabs(current string) []Tab {
	all := []Tab{{Text: "Organisation", URL: "/settings"}, {Text: "Notifications", URL: "/settings/notifications"}, {Text: "Retention", URL: "/settings/retention"}}
	for i := range all {
		all[i].Current = all[i].Text == current
	}
	return all
}
