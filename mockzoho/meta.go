package mockzoho

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// moduleAsked is the module that a call for settings names.
func (c *call) moduleAsked() (*module, error) {
	name := c.query.Get("module")
	if name == "" {
		return nil, missingParam("module")
	}
	m := c.set.schema.module(name)
	if m == nil || slices.Contains(c.who.profile.HiddenModules, name) {
		return nil, errModule
	}
	return m, nil
}

// listFields handles GET /settings/fields.
func (c *call) listFields(context.Context) (reply, error) {
	m, err := c.moduleAsked()
	if err != nil {
		return reply{}, err
	}
	list := []any{}
	for i, f := range m.Fields {
		if !c.who.hides(f.Name) {
			list = append(list, c.describe(m, f, i))
		}
	}
	return reply{http.StatusOK, map[string]any{"fields": list}}, nil
}

// fieldID is the id of a module's nth field.
func (c *call) fieldID(m *module, n int) string {
	base := int64(2_000)
	if m.Name == leadModule {
		base = 3_000
	}
	return c.who.org.id(base + int64(n))
}

// describe is a field as /settings/fields tells it.
func (c *call) describe(m *module, f *field, n int) map[string]any {
	writable := !f.ReadOnly && !slices.Contains(c.who.profile.ReadOnlyFields, f.Name)
	unique := map[string]any{}
	if f.Unique {
		unique["casesensitive"] = "false"
	}
	picks := []any{}
	for i, p := range f.Picks {
		picks = append(picks, map[string]any{"display_value": p, "actual_value": p, "id": c.who.org.id(int64(9_000 + 100*n + i)), "type": "used"})
	}
	kind := f.Type
	switch kind { // as Zoho calls them, though they are objects
	case "layout":
		kind = "bigint"
	case "tags":
		kind = "text"
	}
	return map[string]any{
		"id": c.fieldID(m, n), "api_name": f.Name, "field_label": f.Label, "data_type": kind, "json_type": jsonType(f.Type), "length": f.Length,
		"system_mandatory": f.Mandatory, "read_only": f.ReadOnly, "field_read_only": !writable, "visible": true, "custom_field": f.Custom,
		"unique": unique, "external": nil, "virtual_field": false, "default_value": nil, "searchable": f.isText(), "filterable": f.Type != "textarea",
		"operation_type":   map[string]any{"web_create": writable, "web_update": writable, "api_create": writable, "api_update": writable},
		"view_type":        map[string]any{"view": true, "edit": writable, "create": writable, "quick_create": f.Mandatory},
		"pick_list_values": picks,
	}
}

// jsonType is how values of a type of field are written.
func jsonType(kind string) string {
	switch kind {
	case "boolean":
		return "boolean"
	case "lookup", "ownerlookup", "layout":
		return "jsonobject"
	case "multiselectpicklist", "tags":
		return "jsonarray"
	case "integer":
		return "integer"
	case "double", "currency", "percent":
		return "double"
	}
	return "string"
}

// listLayouts handles GET /settings/layouts: all of them alike, with what they require.
func (c *call) listLayouts(context.Context) (reply, error) {
	m, err := c.moduleAsked()
	if err != nil {
		return reply{}, err
	}
	fields := []any{}
	for i, f := range m.Fields {
		if c.who.hides(f.Name) {
			continue
		}
		d := c.describe(m, f, i)
		d["required"] = f.Mandatory || f.Required
		fields = append(fields, d)
	}
	section := map[string]any{"api_name": m.Singular + "_Information", "display_label": m.Singular + " Information", "sequence_number": 1, "fields": fields}
	list := []any{}
	for _, l := range c.layouts() {
		if m.Name == leadModule {
			l.id = c.fieldID(m, -1)
		}
		list = append(list, map[string]any{"id": l.id, "name": l.name, "status": "active", "visible": true, "sections": []any{section},
			"profiles": []any{map[string]any{"name": c.who.profile.Name, "id": c.who.org.id(profileNumber)}}})
		if m.Name == leadModule {
			break
		}
	}
	return reply{http.StatusOK, map[string]any{"layouts": list}}, nil
}

// profileNumber is the number in the id of an org's profile.
const profileNumber = 15_972

// listModules handles GET /settings/modules.
func (c *call) listModules(context.Context) (reply, error) {
	list := []any{}
	for _, m := range c.set.schema.modules {
		if !slices.Contains(c.who.profile.HiddenModules, m.Name) {
			list = append(list, c.describeModule(m))
		}
	}
	return reply{http.StatusOK, map[string]any{"modules": list}}, nil
}

// showModule handles GET /settings/modules/{module}.
func (c *call) showModule(context.Context) (reply, error) {
	m := c.set.schema.module(c.path[0])
	if m == nil || slices.Contains(c.who.profile.HiddenModules, m.Name) {
		return reply{}, errModule
	}
	return reply{http.StatusOK, map[string]any{"modules": []any{c.describeModule(m)}}}, nil
}

func (c *call) describeModule(m *module) map[string]any {
	p := c.who.profile
	return map[string]any{"id": c.fieldID(m, -2), "api_name": m.Name, "module_name": m.Plural, "singular_label": m.Singular, "plural_label": m.Plural,
		"api_supported": true, "viewable": true, "visible": true, "deletable": true, "generated_type": "default",
		"creatable": !slices.Contains(p.NoCreate, m.Name), "editable": !slices.Contains(p.NoUpdate, m.Name)}
}

// duplicatePreference handles GET /settings/duplicate_check_preference: no org has set one.
func (c *call) duplicatePreference(context.Context) (reply, error) {
	_, err := c.moduleAsked()
	return noContent, err
}

// showOrg handles GET /org.
func (c *call) showOrg(context.Context) (reply, error) {
	o := c.who.org
	paid := c.set.Edition != "free"
	return reply{http.StatusOK, map[string]any{"org": []any{map[string]any{
		"id": o.id(20_005), "zgid": o.ID, "domain_name": o.Domain(), "company_name": o.Name, "primary_email": c.who.Email,
		"type": o.at.environment, "country_code": country(o.at.centre), "time_zone": c.who.timeZone(), "currency": "US Dollar - USD", "currency_symbol": "$",
		"iso_code": "USD", "photo_id": nil, "mc_status": false, "gapps_enabled": false, "privacy_settings": false,
		"license_details": map[string]any{"paid": paid, "paid_type": c.set.Edition, "users_license_purchased": c.set.Licences, "trial_expiry": nil,
			"trial_type": nil, "trial_action": nil, "paid_expiry": nil, "portal_users_license_purchased": 0},
	}}}}, nil
}

// timeZones name the distances from UTC, in minutes, that the orgs have.
var timeZones = map[int]string{-480: "America/Los_Angeles", -300: "America/New_York", 60: "Europe/Berlin"}

func (v session) timeZone() string { return timeZones[v.org.zone] }

// country is the code of a country where a data centre's orgs are.
func country(centre string) string {
	switch centre {
	case "eu":
		return "DE"
	case "uk":
		return "GB"
	}
	return strings.ToUpper(centre)
}

// listUsers handles GET /users.
func (c *call) listUsers(context.Context) (reply, error) {
	switch kind := c.query.Get("type"); kind {
	case "", "AllUsers", "ActiveUsers", "CurrentUser", "AdminUsers", "ActiveConfirmedUsers", "ConfirmedUsers":
		return c.userReply(), nil
	case "DeactiveUsers", "DeletedUsers", "NotConfirmedUsers":
		return noContent, nil
	}
	return reply{}, invalidParam("type")
}

// showUser handles GET /users/{id}.
func (c *call) showUser(context.Context) (reply, error) {
	if c.path[0] != c.who.ID {
		return noContent, nil
	}
	return c.userReply(), nil
}

// userReply tells of the user whose token it is: nobody else is in the org.
func (c *call) userReply() reply {
	v := c.who
	return reply{http.StatusOK, map[string]any{"users": []any{map[string]any{
		"id": v.ID, "email": v.Email, "full_name": v.Name(), "first_name": v.First, "last_name": v.Last, "status": "active", "confirm": true,
		"role":    map[string]any{"name": "CEO", "id": v.org.id(15_966)},
		"profile": map[string]any{"name": v.profile.Name, "id": v.org.id(profileNumber)},
		"zuid":    v.User.ID, "locale": "en_US", "language": "en_US", "time_zone": v.timeZone(), "offset": v.org.zone * 60_000, "country_locale": "en_US",
	}}, "info": map[string]any{"page": 1, "per_page": pageSize, "count": 1, "more_records": false}}}
}
