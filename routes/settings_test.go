package routes_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/incidents"
	"gatepost/routes"
)

func TestOrganisationSettings(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	b.get("/settings").is(200, `value="Contoso"`, `value="UTC"`, `<option value="San Francisco">`, "Days and weeks are counted in this zone").hasNot("Last changed")
	b.submit("/settings", "name", "  Contoso\u00a0Publishing ", "zone", "san francisco").to("/settings")
	now := time.Now().In(location(t, "America/Los_Angeles"))
	p := b.get("/settings").is(200, `value="Contoso Publishing"`, `value="San Francisco"`, "Last changed", john, "in San Francisco.", "Times are in Los Angeles time")
	if !strings.Contains(p.text(), "It is "+now.Format("15:04")) && !strings.Contains(p.text(), "It is "+now.Add(time.Minute).Format("15:04")) {
		t.Errorf("it is not the time there: %s", p.text())
	}
	// The name is used everywhere from now on.
	b.get("/integrations").is(200, "Contoso Publishing")
	w.browser().get("/signup/contoso-weekly").is(200, "Contoso Publishing")
	if w.tenant("contoso").Name != "Contoso Publishing" {
		t.Error("it is called otherwise")
	}
	w.as(ann, "fabrikam").get("/settings").is(200, `value="Fabrikam"`, `value="UTC"`)

	// Somebody sets the zone by other means: it is shown as a city.
	w.put(`UPDATE tenants SET time_zone = 'Asia/Tokyo'`)
	b.get("/settings").is(200, `value="Tokyo"`)
}

func TestOrganisationRefusals(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	for _, test := range []struct {
		name, zone string
		says       []string
	}{
		{"", "Berlin", []string{"A name is needed", `value="Berlin"`}},
		{strings.Repeat("x", 81), "Berlin", []string{"too long"}},
		{"Con\ntoso", "Berlin", []string{"Please check the name"}},
		{"Contoso", "", []string{"Please enter a city"}},
		{"Contoso", "Berlin\nTokyo", []string{"Please enter a city"}},
		{"New name", "Springfieldville", []string{"We don’t know “Springfieldville”", `value="New name"`, `value="Springfieldville"`}},
		{"Contoso", "Local", []string{"We don’t know"}},
		{"Contoso", "../etc/passwd", []string{"We don’t know"}},
		{"Contoso", "<b>", []string{"We don’t know “<b>”"}},
		{"Contoso", "Copenh", []string{"We don’t know “Copenh”", `value="Copenhagen"`, "Which one do you mean?"}},
		{"Contoso", "Portland", []string{"several time zones", `value="Portland,_Oregon"`, `value="Portland,_Maine"`}},
		{"Contoso", "United States", []string{"several time zones for “United States”", "larger city"}},
	} {
		b.submit("/settings", "name", test.name, "zone", test.zone).is(422, append(test.says, "Error: Settings", `aria-invalid="true"`)...)
	}
	if got := w.tenant("contoso").Name; got != "Contoso" {
		t.Errorf("it is called %q", got)
	}
	// What was chosen counts only for what was typed.
	b.submit("/settings", "name", "Contoso", "zone", "Portland", "place", "Berlin").is(422, "several time zones")
	b.submit("/settings", "name", "Contoso", "zone", "Berlin", "place", "Portland,_Maine").to("/settings")
	b.get("/settings").is(200, `value="Berlin"`)
	b.submit("/settings", "name", "Contoso", "zone", "Portland", "place", "Portland,_Oregon").to("/settings")
	b.get("/settings").is(200, `value="Portland, Oregon"`)
	// As it stands, it is saved again.
	b.submit("/settings", "name", "Contoso", "zone", "Portland, Oregon").to("/settings")
	b.post("/settings", "name", "Forged", "zone", "Berlin").is(403)
}

// The address where the zone was set before there were settings goes on working.
func TestTimeZoneIsSetAtItsOldAddress(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	b.submit("/integrations/sfdc/time-zone", "zone", "\u200bEurope/Berlin\u00a0").to("/settings")
	b.get("/settings").is(200, `value="Berlin"`, `value="Contoso"`)
	b.submit("/integrations/sfdc/time-zone", "zone", "Nowhere/Land").is(422, "We don’t know “Nowhere/Land”", `value="Contoso"`)
	b.submit("/integrations/acme/time-zone", "zone", "Berlin").is(404)
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	w := open(t, mailing)
	b, others, elsewhere := w.as(max, "contoso"), w.as(john, "contoso"), w.as(max, "fabrikam")
	chosen := func(b *browser, want db.MailChoice) {
		t.Helper()
		for _, choice := range db.MailChoices() {
			checked := `value="` + string(choice) + `" checked`
			if p := b.get("/settings/notifications").is(200); strings.Contains(p.body, checked) != (choice == want) {
				t.Errorf("%s, want %s", choice, want)
			}
		}
	}
	chosen(b, db.MailsAtOnce)
	for _, choice := range []db.MailChoice{db.MailsNever, db.MailsDaily} {
		b.submit("/settings/notifications", "mails", string(choice)).to("/settings/notifications")
		chosen(b, choice)
	}
	chosen(others, db.MailsAtOnce)
	chosen(elsewhere, db.MailsAtOnce) // of the other organisation
	for _, wrong := range []string{"", "hourly"} {
		b.submit("/settings/notifications", "mails", wrong).is(422, "Nothing was saved")
	}
	chosen(b, db.MailsDaily)
	b.get("/settings/notifications").is(200, max, "8:00")
	// Where it was before.
	b.submit("/account/mails").to("/settings/notifications")
	chosen(b, db.MailsNever)
	b.submit("/account/mails", "incidents", "on").to("/settings/notifications")
	chosen(b, db.MailsAtOnce)
	if incidents.Hour != 8 {
		t.Error("the page says eight o'clock")
	}
	open(t).as(john, "contoso").get("/settings/notifications").is(200, "sends no e-mail").hasNot(`name="mails"`)
}

// unset is a store that fails.
type unset struct {
	routes.SettingsStore
	read bool
}

func (u unset) Organisation(ctx context.Context, tenantID string) (db.Organisation, error) {
	if u.read {
		return u.SettingsStore.Organisation(ctx, tenantID)
	}
	return db.Organisation{}, errDisk
}

func (u unset) SetOrganisation(context.Context, string, string, db.Organisation) error {
	return errDisk
}

func (u unset) MailChoice(context.Context, string, string) (db.MailChoice, error) { return "", errDisk }

func (u unset) SetMailChoice(context.Context, string, string, db.MailChoice) error { return errDisk }

func TestSettingsStoreFails(t *testing.T) {
	t.Parallel()
	for _, read := range []bool{false, true} {
		w := open(t, mailing, func(c *routes.Config) { c.Settings = unset{c.Settings, read} })
		b := w.as(john, "contoso")
		if !read {
			b.get("/settings").isRecorded("settings", errDisk.Error())
		}
		csrf := b.token()
		for _, path := range []string{"/settings", "/integrations/sfdc/time-zone", "/account/mails", "/settings/notifications"} {
			b.post(path, "csrf", csrf, "name", "Contoso", "zone", "Berlin", "mails", "daily").isRecorded(path, errDisk.Error())
		}
		b.post("/settings/notifications", "csrf", csrf).isRecorded("a wrong choice", errDisk.Error())
		b.get("/settings/notifications").isRecorded("notifications", errDisk.Error())
	}
}

func location(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}
