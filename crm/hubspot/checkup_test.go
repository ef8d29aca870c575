package hubspot_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/hubspot"
)

// A check-up says what stands in the way of sign-ups, and goes on where one question is
// Refused.
func TestCheckUpFindings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings, fault string
		scopes          []string
		want            crm.Level
		says            string
	}{
		"all in order":         {want: crm.Fine, says: "The account 62515 is a production account."},
		"the window":           {want: crm.Fine, says: "API calls are left for the next seconds."},
		"marketing":            {want: crm.Fine, says: "non-marketing contacts"},
		"a sandbox":            {settings: `{"account_type":"SANDBOX"}`, want: crm.Warning, says: "62515 is a sandbox."},
		"a test account":       {settings: `{"account_type":"DEVELOPER_TEST"}`, want: crm.Warning, says: "is a test account."},
		"account-info refused": {settings: `{"account_info_scope":"external-settings-access"}`, want: crm.Warning, says: "What kind of account"},
		"no right to write":    {scopes: []string{"oauth", "crm.objects.contacts.read"}, want: crm.Stop, says: "The connection lacks crm.objects.contacts.write."},
		"scopes not known":     {scopes: []string{}, want: crm.Warning, says: "Which permissions the connection has"},
		"no opt-outs":          {scopes: []string{"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write"}, want: crm.Fine, says: "Who leaves a newsletter can’t be unsubscribed in HubSpot"},
		"properties refused":   {fault: `{"on":"properties","status":403,"count":1}`, want: crm.Stop, says: "The properties of contacts could not be looked at."},
		"contacts refused":     {fault: `{"on":"batch_read","status":403,"error_code":"BANNED","count":1}`, want: crm.Stop, says: "Contacts could not be looked at."},
		"a rule":               {settings: `{"validation_rules":[{"property":"lastname","type":"WHITESPACE"}]}`, want: crm.Warning, says: "validation rules for lastname."},
		"a rule elsewhere":     {settings: `{"validation_rules":[{"property":"city","type":"WHITESPACE"}]}`, want: crm.Fine, says: "No validation rule"},
		"rules refused":        {fault: `{"on":"validations","status":404,"count":1}`, want: crm.Fine, says: "Validation rules could not be looked at."},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if test.settings != "" {
				w.set(test.settings)
			}
			if test.fault != "" {
				w.fault("%s", test.fault)
			}
			if test.scopes != nil {
				if w.session.Scopes = test.scopes; len(test.scopes) == 0 {
					w.session.Scopes = nil
				}
			}
			before := w.contacts()
			checks, err := w.CheckUp(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(checks, func(c crm.Check) bool { return c.Level == test.want && strings.Contains(c.What, test.says) }) {
				t.Errorf("no %s that says %q: %+v", test.want, test.says, checks)
			}
			for _, c := range checks {
				if c.Level != crm.Fine && test.want == crm.Fine || c.Level == crm.Stop && (c.Mend == "" || c.Who == "") {
					t.Errorf("%+v", c)
				}
			}
			if w.contacts() != before {
				t.Error("the check-up made a contact")
			}
		})
	}
}

// Properties that a sign-up fills in and can't are told; whoever reads them in another order
// Or archived is not misled.
func TestCheckUpOfProperties(t *testing.T) {
	t.Parallel()
	const good = `{"name":"email"},{"name":"firstname"}`
	for body, want := range map[string]string{
		`{"results":[` + good + `,{"name":"lastname"}]}`:                                               "can be filled in.",
		`{"results":[` + good + `]}`:                                                                   "can’t be filled in: lastname.",
		`{"results":[` + good + `,{"name":"lastname","archived":true}]}`:                               "can’t be filled in: lastname.",
		`{"results":[` + good + `,{"name":"lastname","calculated":true}]}`:                             "can’t be filled in: lastname.",
		`{"results":[` + good + `,{"name":"lastname","modificationMetadata":{"readOnlyValue":true}}]}`: "can’t be filled in: lastname.",
		`{"results":7}`: "The properties of contacts could not be looked at.",
	} {
		c := scripted(t, hubspot.Options{}, says(200, body))
		checks, err := c.CheckUp(t.Context())
		if err != nil || !slices.ContainsFunc(checks, func(c crm.Check) bool { return strings.Contains(c.What, want) }) {
			t.Errorf("%s: %+v, %v", body, checks, err)
		}
	}
}

// Inspect tells the account; nothing is told where nothing can be asked.
func TestInspect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set(`{"account_type":"SANDBOX"}`)
	if org, _, err := w.Inspect(t.Context()); err != nil || !org.Sandbox || org.Name != "Account 62515" || org.Type != "SANDBOX" {
		t.Errorf("%+v, %v", org, err)
	}
	w.fault(`{"on":"account","status":503,"count":1}`)
	_, err := w.CheckUp(t.Context())
	failed(t, err, crm.Pause, crm.Unavailable)
	w.ended = true
	_, err = w.CheckUp(t.Context())
	failed(t, err, crm.Connection, crm.Broken)
}

// A unique text that can be filled in tells contacts apart, and nothing else does.
func TestCheckKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, fields := range map[string]string{
		"unique_text":   `"type":"string","fieldType":"text","hasUniqueValue":true`,
		"plain_text":    `"type":"string","fieldType":"text"`,
		"unique_number": `"type":"number","fieldType":"number","hasUniqueValue":true`,
	} {
		w.byHand(http.MethodPost, "/crm/properties/2026-09/contacts", `{"name":"`+name+`","label":"x","groupName":"contactinformation",`+fields+`}`, nil)
	}
	for _, bad := range []string{"", "no_such", "plain_text", "unique_number", "email", "hs_object_id", "../contacts", "a b", "unique_text?x=1"} {
		failed(t, w.CheckKey(t.Context(), bad), crm.Recorded, crm.NoKey)
	}
	if err := w.CheckKey(t.Context(), "unique_text"); err != nil {
		t.Error(err)
	}
	w.byHand(http.MethodDelete, "/crm/properties/2026-09/contacts/unique_text", "", nil)
	failed(t, w.CheckKey(t.Context(), "unique_text"), crm.Recorded, crm.NoKey)
	w.fault(`{"on":"properties","status":503,"count":1}`)
	err := w.CheckKey(t.Context(), "unique_text")
	if f, ok := errors.AsType[*crm.Failure](err); !ok || f.Class != crm.Pause {
		t.Errorf("%v", err)
	}
}
