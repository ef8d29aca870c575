package salesforce

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatepost/crm"
)

// aContact describes Contacts that are in order, with a few changes.
func aContact(changes ...string) string {
	text := `{"createable":true,"updateable":true,"fields":[
		{"name":"Id","label":"Contact ID","nillable":false,"defaultedOnCreate":true},
		{"name":"OwnerId","label":"Owner","createable":true,"updateable":true,"nillable":false,"defaultedOnCreate":true},
		{"name":"LastName","label":"Last Name","createable":true,"updateable":true,"nillable":false},
		{"name":"FirstName","label":"First Name","createable":true,"updateable":true,"nillable":true},
		{"name":"Email","label":"Email","createable":true,"updateable":true,"nillable":true},
		{"name":"Branch__c","label":"Branch","createable":true,"updateable":true,"nillable":true,"type":"string","externalId":true,"unique":false}]}`
	return strings.NewReplacer(changes...).Replace(text)
}

const (
	noRules    = `{"totalSize":0,"done":true,"records":[]}`
	production = `{"totalSize":1,"done":true,"records":[{"Name":"Contoso","IsSandbox":false,"OrganizationType":"Enterprise Edition"}]}`
)

func TestCheckUpFindings(t *testing.T) {
	tests := map[string]struct {
		contact, org, rules string
		refused             int // the part that is refused, counted from 1
		used                int
		want                crm.Level
		says                string
	}{
		"all in order":        {want: crm.Fine, says: "Contoso is a production org (Enterprise Edition)."},
		"no right to create":  {contact: aContact(`"createable":true,"updateable":true,"fields"`, `"createable":false,"updateable":true,"fields"`), want: crm.Stop, says: "may not create and edit Contacts"},
		"no right to a field": {contact: aContact(`"name":"Email","label":"Email","createable":true`, `"name":"Email","label":"Email","createable":false`), want: crm.Stop, says: "may not fill in Email."},
		"a hidden field":      {contact: aContact(`"name":"FirstName"`, `"name":"Other"`), want: crm.Stop, says: "may not fill in FirstName."},
		"a required field":    {contact: aContact(`"nillable":true,"type":"string"`, `"nillable":false,"type":"string"`), want: crm.Warning, says: "Branch (Branch__c)"},
		"contacts hidden":     {refused: 1, want: crm.Stop, says: "Contacts could not be looked at."},
		"unique External ID":  {contact: aContact(`"unique":false`, `"unique":true`), want: crm.Fine, says: "External ID field: Branch__c."},
		"none":                {want: crm.Fine, says: "no unique External ID field"},
		"a duplicate rule":    {rules: `{"totalSize":1,"done":true,"records":[{"MasterLabel":"Names"}]}`, want: crm.Warning, says: "“Names”"},
		"rules hidden":        {refused: 3, want: crm.Warning, says: "Duplicate rules could not be looked at."},
		"a sandbox":           {org: strings.Replace(production, "false,", "true,", 1), want: crm.Warning, says: "Contoso is a sandbox"},
		"org hidden":          {refused: 2, want: crm.Warning, says: "What kind of org"},
		"few calls left":      {used: 80, want: crm.Warning, says: "80 of 100 API calls"},
		"calls left":          {used: 79, want: crm.Fine, says: "79 of 100 API calls"},
		"nonsense":            {contact: `[]`, org: `{}`, rules: `7`, want: crm.Stop, says: "could not be looked at"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			bodies := []string{aContact(), production, noRules}
			for i, other := range []string{test.contact, test.org, test.rules} {
				if other != "" {
					bodies[i] = other
				}
			}
			calls := 0
			c, _, _ := open(t, func(w http.ResponseWriter, _ *http.Request) {
				calls++
				var parts []string
				for i, body := range bodies {
					status := http.StatusOK
					if test.refused == i+1 {
						status, body = http.StatusNotFound, `[{"errorCode":"INVALID_TYPE","message":"no"}]`
					}
					parts = append(parts, fmt.Sprintf(`{"body":%s,"httpStatusCode":%d,"referenceId":"p%d"}`, body, status, i))
				}
				w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/100", test.used))
				_, _ = fmt.Fprintf(w, `{"compositeResponse":[%s]}`, strings.Join(parts, ","))
			}, Options{})
			checks, err := c.CheckUp(t.Context())
			if err != nil || Worst(checks) != test.want || calls != 1 {
				t.Errorf("%v, %v, %d calls", checks, err, calls)
			}
			found := false
			for _, check := range checks {
				found = found || strings.Contains(check.What, test.says)
				if check.Level == crm.Stop && check.Mend == "" {
					t.Errorf("nothing mends %+v", check)
				}
			}
			if !found {
				t.Errorf("no %q in %+v", test.says, checks)
			}
		})
	}
}

func TestCheckUpWithoutTheAPI(t *testing.T) {
	c, _, _ := open(t, answering(403, `[{"message":"The REST API is not enabled for this Organization.","errorCode":"API_DISABLED_FOR_ORG"}]`), Options{})
	_, err := c.CheckUp(t.Context())
	if f := failure(t, err); f.Class != crm.Connection || f.Code != "API_DISABLED_FOR_ORG" || f.Unknown {
		t.Errorf("failure %+v", f)
	}
}

func TestCheckUpDuringAnOutage(t *testing.T) {
	c, _, _ := open(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, Options{})
	checks, err := c.CheckUp(t.Context())
	if f := crm.Failed(err); err == nil || f.Class != crm.Pause || checks != nil {
		t.Errorf("%v, %v", checks, err)
	}
}

// Worst is the worst level of all checks, crm.Fine when there are none.
func Worst(checks []crm.Check) crm.Level {
	worst := crm.Fine
	for _, c := range checks {
		if c.Level == crm.Stop || c.Level == crm.Warning && worst == crm.Fine {
			worst = c.Level
		}
	}
	return worst
}
