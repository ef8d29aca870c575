package views

import (
	"time"

	"github.com/a-h/templ"
)

// settingsPages are those of the settings, in each state.
func settingsPages() map[string]templ.Component {
	there := time.Date(2026, 11, 26, 14, 32, 0, 0, time.UTC)
	organisation := OrganisationPage{Page: portalPage("Settings", NavSettings), Name: "Contoso", Zone: "Berlin", Cities: []string{"Berlin", "San Francisco"}, There: there}
	set := organisation
	set.SetAt, set.SetBy = there, hostile
	unclear := organisation
	unclear.Zone, unclear.Errors = hostile, FieldErrors{"zone": "There are several time zones for “Portland”.", "name": "A name is needed."}
	unclear.There = time.Time{}
	unclear.Places = []Choice{{Name: "place", Value: "Portland,_Maine", Label: "Portland, Maine"}, {Name: "place", Value: "Portland,_Oregon", Label: "Portland, Oregon"}}
	byOperator := organisation
	byOperator.SetAt = there
	mails := NotificationsPage{Page: portalPage("Notifications", NavSettings), Mail: true, Address: hostile, Choices: []Choice{
		{Name: "mails", Value: "at_once", Label: "At once", Hint: "When the connection is lost.", Checked: true}, {Name: "mails", Value: "never", Label: "Never"}}}
	refused := mails
	refused.Error = "Nothing was saved. Please choose one of these."
	return map[string]templ.Component{
		"settings":              OrganisationSettings(organisation),
		"settings-changed":      OrganisationSettings(set),
		"settings-operator":     OrganisationSettings(byOperator),
		"settings-errors":       OrganisationSettings(unclear),
		"notifications":         Notifications(mails),
		"notifications-errors":  Notifications(refused),
		"notifications-no-mail": Notifications(NotificationsPage{Page: portalPage("Notifications", NavSettings)}),
	}
}
