package routes

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/incidents"
	"gatepost/input"
	"gatepost/views"
	"gatepost/zones"

	"github.com/gofiber/fiber/v2"
)

// SettingsStore keeps what an organisation and its members set; db.DB is one, and
// documents the methods.
type SettingsStore interface {
	Organisation(ctx context.Context, tenantID string) (db.Organisation, error)
	SetOrganisation(ctx context.Context, tenantID, userID string, o db.Organisation) error
	MailChoice(ctx context.Context, tenantID, userID string) (db.MailChoice, error)
	SetMailChoice(ctx context.Context, tenantID, userID string, choice db.MailChoice) error
}

// settings handles GET /settings: the organisation's own.
func (s *server) settings(c *fiber.Ctx) error {
	o, err := s.Settings.Organisation(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return err
	}
	return s.showSettings(c, http.StatusOK, o, views.OrganisationPage{Name: o.Name, Zone: typedZone(o)})
}

// typedZone is what stands in the field of the time zone: the city by which it was
// chosen, unless the zone was set otherwise since.
func typedZone(o db.Organisation) string {
	if found := zones.Find(o.City); len(found) == 1 && found[0].Zone == o.TimeZone {
		return o.City
	}
	return zones.Label(o.TimeZone)
}

// showSettings shows what is stored beside what was typed, which is in the page.
func (s *server) showSettings(c *fiber.Ctx, status int, stored db.Organisation, page views.OrganisationPage) error {
	zone, err := time.LoadLocation(stored.TimeZone)
	if err != nil {
		return err
	}
	page.Page = s.page(c, "Settings", views.NavSettings)
	page.Cities, page.SetAt, page.SetBy = zones.Cities(), stored.SetAt, stored.SetBy
	if page.Errors["zone"] == "" {
		page.There = s.Now().In(zone)
	}
	return render(c, status, views.OrganisationSettings(page))
}

// setSettings handles POST /settings.
func (s *server) setSettings(c *fiber.Ctx) error { return s.saveOrganisation(c, field(c, "name")) }

// setTimeZone handles POST /integrations/{service}/time-zone, where the form of the time
// zone led before there were settings.
func (s *server) setTimeZone(c *fiber.Ctx) error { return s.saveOrganisation(c, who(c).Tenant.Name) }

// saveOrganisation stores the name with the time zone of the form, or shows what is wrong.
func (s *server) saveOrganisation(c *fiber.Ctx, typed string) error {
	ctx, v := c.UserContext(), who(c)
	stored, err := s.Settings.Organisation(ctx, v.Tenant.ID)
	if err != nil {
		return err
	}
	wrong := views.FieldErrors{}
	name, text := auth.TenantName(typed)
	if text != "" {
		wrong["name"] = text
	}
	place, places, text := chosenPlace(field(c, "zone"), field(c, "place"))
	if text != "" {
		wrong["zone"] = text
	}
	if len(wrong) > 0 {
		return s.showSettings(c, http.StatusUnprocessableEntity, stored,
			views.OrganisationPage{Name: cut(typed, 500), Zone: cut(field(c, "zone"), 500), Places: places, Errors: wrong})
	}
	err = s.Settings.SetOrganisation(ctx, v.Tenant.ID, v.User.ID, db.Organisation{Name: name, TimeZone: place.Zone, City: place.Label})
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(place.Zone)
	if err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, "Saved. It is "+s.Now().In(zone).Format("15:04")+" in "+place.City+".")
	return redirect(c, "/settings")
}

// mostPlaces is how many places somebody is asked to choose from.
const mostPlaces = 8

// chosenPlace is the place that was typed, or chosen among those that can be meant by it.
// Otherwise it says what is wrong, and what to choose from.
func chosenPlace(typed, chosen string) (place zones.Place, choices []views.Choice, wrong string) {
	line, err := input.Line(typed)
	if err != nil || line == "" {
		return place, nil, "Please enter a city, such as Berlin or New York."
	}
	found := zones.Find(line)
	if len(found) == 1 {
		return found[0], nil, ""
	}
	wrong = fmt.Sprintf("There are several time zones for “%s”.", cut(line, 60))
	if len(found) == 0 {
		found = zones.Similar(line)
		wrong = fmt.Sprintf("We don’t know “%s”.", cut(line, 60))
	}
	if i := slices.IndexFunc(found, func(p zones.Place) bool { return placeValue(p) == chosen }); i >= 0 {
		return found[i], nil, ""
	}
	if len(found) == 0 || len(found) > mostPlaces {
		return place, nil, wrong + " Please enter a larger city in the same time zone."
	}
	for _, p := range found {
		choices = append(choices, views.Choice{Name: "place", Value: placeValue(p), Label: p.Label})
	}
	return place, choices, wrong + " Please choose below, or enter another city."
}

// placeValue names a place in a form, where it is part of an id: without spaces.
func placeValue(p zones.Place) string { return strings.ReplaceAll(p.Label, " ", "_") }

// notifications handles GET /settings/notifications: which mails the user wants.
func (s *server) notifications(c *fiber.Ctx) error {
	choice, err := s.Settings.MailChoice(c.UserContext(), who(c).Tenant.ID, who(c).User.ID)
	if err != nil {
		return err
	}
	return s.showNotifications(c, http.StatusOK, choice, "")
}

// mailChoices are the words for what members choose from.
var mailChoices = []struct {
	choice      db.MailChoice
	label, hint string
}{
	{db.MailsAtOnce, "At once", "When the connection is lost or many need attention, and once a day while anything is open."},
	{db.MailsDaily, "Once a day", fmt.Sprintf("One e-mail at %d:00 with all that is open. None when nothing is.", incidents.Hour)},
	{db.MailsNever, "Never", "Problems still show on Home and under Integrations."},
}

func (s *server) showNotifications(c *fiber.Ctx, status int, choice db.MailChoice, wrong string) error {
	page := views.NotificationsPage{Page: s.page(c, "Notifications", views.NavSettings), Mail: s.Mail, Address: who(c).User.Email, Error: wrong}
	for _, m := range mailChoices {
		page.Choices = append(page.Choices, views.Choice{Name: "mails", Value: string(m.choice), Label: m.label, Hint: m.hint, Checked: m.choice == choice})
	}
	return render(c, status, views.Notifications(page))
}

// setNotifications handles POST /settings/notifications.
func (s *server) setNotifications(c *fiber.Ctx) error {
	choice := db.MailChoice(field(c, "mails"))
	if !slices.Contains(db.MailChoices(), choice) {
		stored, err := s.Settings.MailChoice(c.UserContext(), who(c).Tenant.ID, who(c).User.ID)
		if err != nil {
			return err
		}
		return s.showNotifications(c, http.StatusUnprocessableEntity, stored, "Nothing was saved. Please choose one of these.")
	}
	return s.saveMailChoice(c, choice)
}

// setMails handles POST /account/mails, where the choice was made before there were
// settings: on or off.
func (s *server) setMails(c *fiber.Ctx) error {
	if field(c, "incidents") == "on" {
		return s.saveMailChoice(c, db.MailsAtOnce)
	}
	return s.saveMailChoice(c, db.MailsNever)
}

func (s *server) saveMailChoice(c *fiber.Ctx, choice db.MailChoice) error {
	if err := s.Settings.SetMailChoice(c.UserContext(), who(c).Tenant.ID, who(c).User.ID, choice); err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, "Saved.")
	return redirect(c, "/settings/notifications")
}
