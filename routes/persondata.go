package routes

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// personData handles GET /subscribers/{id}/data: all that is known of a person, on all
// newsletters of the tenant, to be read or printed.
func (s *server) personData(c *fiber.Ctx) error {
	sub, e, err := s.exportOf(c)
	if err != nil {
		return err
	}
	formsOf, err := s.formsByNewsletter(c)
	if err != nil {
		return err
	}
	page := views.PersonDataPage{Page: s.page(c, "All data", views.NavSubscribers), ID: sub.ID, Name: nameOf(sub), Email: sub.Email, At: e.At}
	for _, subscription := range e.Subscriptions {
		shown := views.DataGroup{Title: titleOf(subscription)}
		for _, t := range subscription.Tables {
			table := views.DataTable{Title: t.Title}
			for _, row := range t.Rows {
				table.Rows = append(table.Rows, s.shownData(row, formsOf[subscription.NewsletterID]))
			}
			shown.Tables = append(shown.Tables, table)
		}
		page.Groups = append(page.Groups, shown)
	}
	return render(c, http.StatusOK, views.PersonData(page))
}

// personJSON handles GET /subscribers/{id}/data.json: the same as a file for programs.
func (s *server) personJSON(c *fiber.Ctx) error {
	sub, e, err := s.exportOf(c)
	if err != nil {
		return err
	}
	formsOf, err := s.formsByNewsletter(c)
	if err != nil {
		return err
	}
	out := personFile{Organisation: who(c).Tenant.Name, Email: sub.Email, ExportedAt: e.At.UTC(), Subscriptions: []map[string]any{}}
	for _, subscription := range e.Subscriptions {
		of := map[string]any{}
		for i, t := range subscription.Tables {
			rows := make([]map[string]any, len(t.Rows))
			for j, row := range t.Rows {
				rows[j] = fileRow(row, formsOf[subscription.NewsletterID])
			}
			if i == 0 { // the subscriber's own, which is one
				of[t.Key] = rows[0]
			} else {
				of[t.Key] = rows
			}
		}
		out.Subscriptions = append(out.Subscriptions, of)
	}
	c.Attachment("personal-data.json")
	return c.JSON(out)
}

// personFile is all that is known of a person, as JSON.
type personFile struct {
	Organisation  string           `json:"organisation"`
	Email         string           `json:"email"`
	ExportedAt    time.Time        `json:"exported_at"`
	Subscriptions []map[string]any `json:"subscriptions"`
}

// exportOf reads all that there is of the person whom the request is about.
func (s *server) exportOf(c *fiber.Ctx) (db.Subscriber, db.PersonExport, error) {
	sub, err := s.subscriber(c)
	if err != nil {
		return sub, db.PersonExport{}, err
	}
	e, err := s.Health.ExportPerson(c.UserContext(), sub.TenantID, sub.EmailKey)
	return sub, e, err
}

// formsByNewsletter are the forms of the tenant's newsletters, for the labels of fields.
func (s *server) formsByNewsletter(c *fiber.Ctx) (map[string]forms.Definition, error) {
	all, err := s.Newsletters.OfTenant(c.UserContext(), who(c).Tenant.ID)
	of := map[string]forms.Definition{}
	for _, n := range all {
		of[n.ID] = n.Form
	}
	return of, err
}

// titleOf is the name of the newsletter that a subscription is of.
func titleOf(s db.ExportedSubscription) string {
	for _, v := range s.Tables[0].Rows[0] {
		if v.Name == "newsletter_id" {
			return v.Value.(string)
		}
	}
	return ""
}

// shownData is a row as the page shows it, without what is empty.
func (s *server) shownData(row []db.ExportedValue, form forms.Definition) (all []views.Datum) {
	for _, v := range row {
		switch value := v.Value.(type) {
		case time.Time:
			all = append(all, views.Datum{Label: v.Label, At: value})
		case json.RawMessage:
			if v.Kind == db.FieldsValue {
				for _, f := range filled(form, exportedFields(value)) {
					all = append(all, views.Datum{Label: v.Label + ": " + f.Label, Text: f.Value})
				}
			} else if text := string(value); text != "[]" && text != "{}" {
				all = append(all, views.Datum{Label: v.Label, Text: text})
			}
		case bool:
			all = append(all, views.Datum{Label: v.Label, Text: yesNo(value)})
		case int64:
			if value != 0 {
				all = append(all, views.Datum{Label: v.Label, Text: views.Number(int(value))})
			}
		case string:
			if value != "" {
				all = append(all, views.Datum{Label: v.Label, Text: s.dataWord(v, value)})
			}
		}
	}
	return all
}

func yesNo(yes bool) string {
	if yes {
		return "Yes"
	}
	return "No"
}

// dataWord is a text as people read it: states, ways and CRMs by their names.
func (s *server) dataWord(v db.ExportedValue, text string) string {
	switch v.Name {
	case "state":
		if db.State(text).Known() {
			return strings.ReplaceAll(db.State(text).Info().Label, "{CRM}", "the CRM")
		}
	case "source":
		if name := sourceNames[text].name; name != "" {
			return name
		}
	case "destination_id":
		if p := s.CRMs.Of(text); p != nil {
			return p.Name
		}
	}
	return text
}

// fileRow is a row as the file has it. Fields of the form go by their keys.
func fileRow(row []db.ExportedValue, form forms.Definition) map[string]any {
	of := map[string]any{}
	for _, v := range row {
		name := strings.TrimSuffix(v.Name, "_id")
		switch {
		case v.Kind == db.FieldsValue:
			fields, values := map[string]string{}, exportedFields(v.Value)
			for _, f := range form.Fields {
				if value := values[f.ID]; value != "" {
					fields[f.Key] = value
				}
			}
			of[name] = fields
		case v.Kind == db.JSONValue && v.Empty():
			of[name] = nil
		default:
			of[name] = v.Value
		}
	}
	return of
}

// exportedFields are the values of a form's fields that a row has.
func exportedFields(value any) (values forms.Values) {
	if text, ok := value.(json.RawMessage); ok {
		_ = json.Unmarshal(text, &values) // it was valid when it was stored
	}
	return values
}
