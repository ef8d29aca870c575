package mockhubspot

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxUniques is how many properties of contacts may have unique values.
const maxUniques = 10

var propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)

// fieldTypes are the kinds of field that a type of property can have.
var fieldTypes = map[string][]string{
	"string": {"text", "textarea", "phonenumber", "html", "file"}, "number": {"number"}, "date": {"date"}, "datetime": {"date"},
	"bool": {"booleancheckbox"}, "enumeration": {"booleancheckbox", "checkbox", "radio", "select"},
}

// definition is a property as the API tells it.
func (p *property) definition() map[string]any {
	changed := formatTime(p.created)
	d := map[string]any{"name": p.Name, "label": p.Label, "type": p.Type, "fieldType": p.FieldType, "groupName": p.GroupName,
		"description": p.Description, "options": p.Options, "displayOrder": -1, "calculated": false, "externalOptions": p.Name == ownerProperty,
		"hasUniqueValue": p.Unique, "hidden": p.Hidden, "formField": p.FormField, "dataSensitivity": "non_sensitive", "archived": p.archived,
		"createdAt": changed, "updatedAt": changed,
		"modificationMetadata": map[string]any{"archivable": p.custom, "readOnlyDefinition": !p.custom, "readOnlyValue": p.readOnly}}
	if !p.custom {
		d["hubspotDefined"] = true
	}
	return d
}

// listProperties handles GET /crm/properties/…/contacts.
func (c *call) listProperties(ctx context.Context) (reply, error) {
	all, err := c.s.schema(ctx, c.s.core.Read, c.who.org)
	if err != nil {
		return reply{}, err
	}
	list := []any{}
	for _, p := range all.list {
		if p.archived == (c.query.Get("archived") == "true") {
			list = append(list, p.definition())
		}
	}
	return reply{http.StatusOK, map[string]any{"results": list}}, nil
}

// showProperty handles GET /crm/properties/…/contacts/{name}.
func (c *call) showProperty(ctx context.Context) (reply, error) {
	all, err := c.s.schema(ctx, c.s.core.Read, c.who.org)
	if err != nil {
		return reply{}, err
	}
	p := all.byName[c.path[0]]
	if p == nil || p.archived != (c.query.Get("archived") == "true") {
		return reply{}, noProperty(c.path[0])
	}
	return reply{http.StatusOK, p.definition()}, nil
}

func noProperty(name string) *apiError {
	return &apiError{status: http.StatusNotFound, Category: "OBJECT_NOT_FOUND", Message: "Property " + name + " does not exist",
		Context: map[string][]string{"propertyName": {name}}}
}

// createProperty handles POST /crm/properties/…/contacts.
func (c *call) createProperty(ctx context.Context) (reply, error) {
	p := &property{custom: true, created: c.s.core.Now()}
	if err := c.decode(p); err != nil {
		return reply{}, err
	}
	if p.Options == nil {
		p.Options = []option{}
	}
	return reply{http.StatusCreated, p.definition()}, c.s.core.Tx(ctx, func(q querier) error {
		all, err := c.s.schema(ctx, q, c.who.org)
		if err != nil {
			return err
		}
		if err := checkProperty(p, all); err != nil {
			return err
		}
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		_, err = q.ExecContext(ctx, `INSERT INTO properties (org, name, definition, created) VALUES ($1, $2, $3, $4)
			ON CONFLICT (org, name) DO UPDATE SET definition = excluded.definition, created = excluded.created, archived = 0`,
			c.who.org, p.Name, string(text), p.created)
		return err
	})
}

// checkProperty refuses a new property that can't be.
func checkProperty(p *property, all *schema) error {
	switch {
	case !propertyName.MatchString(p.Name):
		return invalid("Property name must begin with a letter and hold only lower-case letters, digits and underscores")
	case all.property(p.Name) != nil:
		return &apiError{status: http.StatusConflict, Category: "OBJECT_ALREADY_EXISTS", Message: "A property named '" + p.Name + "' already exists."}
	case p.Label == "" || p.GroupName == "":
		return invalid("label and groupName are required")
	case !slices.Contains(fieldTypes[p.Type], p.FieldType):
		return invalid("fieldType " + p.FieldType + " doesn't go with type " + p.Type)
	case p.Unique && p.Type != "string" && p.Type != "number":
		return invalid("only text and numbers can have unique values")
	case p.Unique && len(all.uniques()) >= maxUniques:
		return invalid("no more than 10 properties of an object can have unique values")
	}
	return nil
}

// archiveProperty handles DELETE /crm/properties/…/contacts/{name}.
func (c *call) archiveProperty(ctx context.Context) (reply, error) {
	return reply{status: http.StatusNoContent}, c.s.core.Tx(ctx, func(q querier) error {
		all, err := c.s.schema(ctx, q, c.who.org)
		if err != nil {
			return err
		}
		p := all.property(c.path[0])
		if p == nil {
			return noProperty(c.path[0])
		}
		if !p.custom {
			return invalid("Property " + p.Name + " is defined by HubSpot and can't be archived")
		}
		_, err = q.ExecContext(ctx, `UPDATE properties SET archived = 1 WHERE org = $1 AND name = $2`, c.who.org, p.Name)
		return err
	})
}

// listOwners handles GET /crm/owners/…: the people of the account.
func (c *call) listOwners(ctx context.Context) (reply, error) {
	people, err := owners(ctx, c.s.core.Read, c.who.org)
	list := []any{}
	for _, u := range people {
		list = append(list, map[string]any{"id": ownerID(u.ID), "email": u.Email, "firstName": u.First, "lastName": u.Last,
			"userId": number(u.ID), "type": "PERSON", "archived": false, "createdAt": formatTime(0), "updatedAt": formatTime(0)})
	}
	return reply{http.StatusOK, map[string]any{"results": list}}, err
}

// ruleView is a validation rule as the API tells it.
type ruleView struct {
	Type      string   `json:"ruleType"`
	Arguments []string `json:"ruleArguments"`
	Normalize bool     `json:"shouldApplyNormalization"`
}

func (v *settings) rulesOf(property string) []ruleView {
	list := []ruleView{}
	for _, r := range v.Rules {
		if r.Property == property {
			list = append(list, ruleView{Type: r.Type, Arguments: append([]string{}, r.Arguments...)})
		}
	}
	return list
}

// listRules handles GET /crm/property-validations/…/0-1.
func (c *call) listRules(context.Context) (reply, error) {
	list := []any{}
	var told []string
	for _, r := range c.set().Rules {
		if !slices.Contains(told, r.Property) {
			told = append(told, r.Property)
			list = append(list, map[string]any{"propertyName": r.Property, "propertyValidationRules": c.set().rulesOf(r.Property)})
		}
	}
	return reply{http.StatusOK, map[string]any{"results": list}}, nil
}

// showRules handles GET /crm/property-validations/…/0-1/{name}.
func (c *call) showRules(ctx context.Context) (reply, error) {
	all, err := c.s.schema(ctx, c.s.core.Read, c.who.org)
	if err != nil {
		return reply{}, err
	}
	if all.property(c.path[0]) == nil {
		return reply{}, noProperty(c.path[0])
	}
	return reply{http.StatusOK, map[string]any{"results": c.set().rulesOf(c.path[0])}}, nil
}

// accountInfo handles GET /account-info/…/details.
func (c *call) accountInfo(ctx context.Context) (reply, error) {
	v, err := c.s.account(ctx, c.who.org)
	if err != nil {
		return reply{}, err
	}
	kind := c.set().AccountType
	if kind == "" {
		kind = map[bool]string{false: "STANDARD", true: "SANDBOX"}[v.Sandbox]
	}
	offset, ms, err := v.offset(c.s.core.Now())
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, map[string]any{"portalId": number(v.ID), "accountType": kind, "timeZone": v.TimeZone,
		"companyCurrency": v.Currency, "additionalCurrencies": []string{}, "utcOffset": offset, "utcOffsetMilliseconds": ms,
		"uiDomain": c.uiDomain(), "dataHostingLocation": v.Hublet}}, nil
}

// offset is how far the account's clocks are from UTC, as text and in milliseconds.
func (v account) offset(now int64) (string, int, error) {
	zone, err := time.LoadLocation(v.TimeZone)
	if err != nil {
		return "", 0, err
	}
	at := time.UnixMilli(now).In(zone)
	_, seconds := at.Zone()
	return at.Format("-07:00"), seconds * 1000, nil
}

// uiDomain is the host of the pages for people, where records have their address.
func (c *call) uiDomain() string {
	if ui := c.set().UIDomain; ui != "" {
		return ui
	}
	_, host, _ := strings.Cut(c.base, "://")
	return host
}

// recordURL is the address of a contact's page.
func (c *call) recordURL(id string) string {
	base := c.base
	if ui := c.set().UIDomain; ui != "" {
		base = "https://" + ui
	}
	return base + "/contacts/" + c.who.org + "/record/0-1/" + id
}
