package zoho_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/crm/zoho"
)

// finding is the check that says something.
func finding(t *testing.T, checks []crm.Check, says string) crm.Check {
	t.Helper()
	for _, c := range checks {
		if strings.Contains(c.What+c.Meaning, says) {
			return c
		}
	}
	t.Fatalf("nothing says %q: %+v", says, checks)
	return crm.Check{}
}

// 7b.25: connecting tells the org and who connected.
func TestInspect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &seen{}
	c := w.open(zoho.Options{}, s.pass)
	o, checks, err := c.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o.ID != "808232144" || o.Name != "Contoso" || o.Sandbox || o.Type != "production" || o.Edition != "enterprise" || o.User != "10000001" {
		t.Errorf("%+v", o)
	}
	for _, check := range checks {
		if check.Level != crm.Fine {
			t.Errorf("%+v", check)
		}
	}
	for _, says := range []string{"API of your Zoho CRM answers", "Contoso is a production org (enterprise)", "profile “Administrator”", "may create and edit", "may fill in",
		"Several Contacts may have the same address", "No layout demands", "Contacts can be looked up", "Leads can be looked up", "Less than half of the 60,000"} {
		finding(t, checks, says)
	}
	if s.count("GET /org") != 1 { // connecting has just asked
		t.Errorf("%v", s.calls)
	}
}

// What is in the way is found, and said with who can mend it.
func TestCheckUpFindsWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	org := func(more string) func(*http.Request, http.RoundTripper) (*http.Response, error) {
		return answering("GET /org", 200, `{"org":[{"zgid":"808232144","domain_name":"org808232144","company_name":"Contoso",`+more+`}]}`)
	}
	for name, v := range map[string]struct {
		settings, profile, fail string
		through                 func(*http.Request, http.RoundTripper) (*http.Response, error)
		level                   crm.Level
		who                     crm.Who
		says                    string
	}{
		"may not create":       {profile: `{"api_access":true,"no_create":["Contacts"]}`, level: crm.Stop, who: crm.Admin, says: "may not create and edit"},
		"contacts hidden":      {profile: `{"api_access":true,"hidden_modules":["Contacts"]}`, level: crm.Stop, who: crm.Admin, says: "Contacts can’t be looked up"},
		"leads hidden":         {profile: `{"api_access":true,"hidden_modules":["Leads"]}`, level: crm.Warning, who: crm.Admin, says: "Leads can’t be looked up"},
		"no addresses":         {profile: `{"api_access":true,"read_only_fields":["Email"]}`, level: crm.Stop, who: crm.Admin, says: "may not fill in Email."},
		"no names":             {profile: `{"api_access":true,"hidden_fields":["First_Name"]}`, level: crm.Stop, who: crm.Admin, says: "may not fill in First_Name."},
		"a layout demands":     {settings: `{"required_field":"Branch"}`, level: crm.Warning, who: crm.Admin, says: "Branch (Branch, layout “Standard”)"},
		"addresses are unique": {settings: `{"email_unique":true}`, level: crm.Fine, says: "Zoho CRM itself keeps"},
		"a key":                {settings: `{"key_field":"Gatepost_Email"}`, level: crm.Fine, says: "unique field: Gatepost_Email"},
		"renamed":              {settings: `{"contacts_label":"Community"}`, level: crm.Fine, says: "Contacts are called “Community”"},
		"credits":              {settings: `{"edition":"free","other_credits":4500}`, level: crm.Warning, who: crm.Admin, says: "of 5,000 API credits of the last 24 hours are left"},
		"half the credits":     {settings: `{"edition":"free","other_credits":3000}`, level: crm.Fine, says: "of 5,000 API credits of the last 24 hours are left"},
		"settings fail":        {fail: `{"on":"settings","status":500,"count":3}`, level: crm.Stop, who: crm.You, says: "The fields of Contacts could not be looked at"},
		"layouts fail":         {fail: `{"on":"settings","status":500,"count":3}`, level: crm.Warning, who: crm.You, says: "What layouts demand of a Contact could not"},
		"the user fails":       {fail: `{"on":"users","status":500,"count":1}`, level: crm.Warning, who: crm.You, says: "Who connected could not be looked at"},
		"not active": {through: answering("GET /users", 200, `{"users":[{"zuid":10000001,"status":"disabled","profile":{"name":"Standard"}}]}`),
			level: crm.Stop, who: crm.Admin, says: "connected user is not active"},
		"system demands": {through: answering("GET /settings/fields", 200, `{"fields":[`+fieldsOf("Email", "First_Name", "Last_Name")+`,{"api_name":"Branch","field_label":"Branch","system_mandatory":true}]}`),
			level: crm.Warning, who: crm.Admin, says: "needs fields beside the address and the names: Branch (Branch)"},
		"sandbox":       {through: org(`"type":"sandbox","license_details":{"paid":true,"paid_type":"enterprise"}`), level: crm.Warning, who: crm.You, says: "is a sandbox org"},
		"bigin":         {through: org(`"type":"bigin","license_details":{}`), level: crm.Stop, who: crm.You, says: "org of Bigin"},
		"no edition":    {through: org(`"type":"production","license_details":{"paid":true,"paid_type":"fancy"}`), level: crm.Warning, says: "credits your Zoho CRM has is not known"},
		"trial":         {through: org(`"type":"production","license_details":{"paid":false,"paid_type":"enterprise","trial_expiry":"2026-12-24T00:00:00Z"}`), level: crm.Warning, who: crm.Admin, says: "ends on 24 December 2026"},
		"trial is over": {through: org(`"type":"production","license_details":{"paid":false,"paid_type":"enterprise","trial_expiry":"2026-11-01T00:00:00Z"}`), level: crm.Warning, who: crm.Admin, says: "trial of your Zoho CRM is over"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for path, body := range map[string]string{"settings": v.settings, "profile": v.profile} {
				if body != "" {
					w.control(path, body, nil)
				}
			}
			now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
			pass := v.through
			if pass == nil {
				pass = func(r *http.Request, next http.RoundTripper) (*http.Response, error) { return next.RoundTrip(r) }
			}
			c := w.open(zoho.Options{Now: func() time.Time { return now }}, pass)
			if v.fail != "" {
				w.control("fail", v.fail, nil)
			}
			checks, err := c.CheckUp(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if f := finding(t, checks, v.says); f.Level != v.level || f.Who != v.who || (f.Mend == "") != (v.who == "") {
				t.Errorf("%+v, want %s, mended by %q", f, v.level, v.who)
			}
		})
	}
}

// fieldsOf are descriptions of fields that the user may write.
func fieldsOf(names ...string) string {
	var all []string
	for _, name := range names {
		all = append(all, fmt.Sprintf(`{"api_name":%q,"unique":null,"operation_type":{"api_create":true,"api_update":true}}`, name))
	}
	return strings.Join(all, ",")
}

// A check-up asks for the org anew, and links follow.
func TestCheckUpRefreshesTheOrg(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	domain := "org808232144"
	now := time.Now()
	c := w.open(zoho.Options{Now: func() time.Time { return now }}, func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if !strings.HasSuffix(r.URL.Path, "/org") {
			return next.RoundTrip(r)
		}
		return said(200, `{"org":[{"zgid":808232144,"domain_name":"`+domain+`","company_name":"Contoso","license_details":{}}]}`), nil
	})
	domain, now = "contoso", now.Add(2*time.Minute)
	if _, err := c.CheckUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if to := c.Target(); to.OrgID != "808232144" || !strings.HasSuffix(to.InstanceURL, "/crm/contoso") {
		t.Errorf("%+v", to)
	}
	w.profile(`{"api_access":false}`)
	now = now.Add(2 * time.Minute)
	c2 := w.open(zoho.Options{}, answering("GET /org", 200, `{"org":[{"zgid":"808232144","license_details":{}}]}`))
	if to := c2.Target(); !strings.HasSuffix(to.InstanceURL, "/crm/org808232144") {
		t.Errorf("%+v", to)
	}
}

// Nothing can be asked where the first question fails.
func TestCheckUpFailsWithTheFirstQuestion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now()
	c := w.open(zoho.Options{Now: func() time.Time { return now }})
	w.profile(`{"name":"Standard","api_access":false}`)
	now = now.Add(2 * time.Minute)
	_, err := c.CheckUp(t.Context())
	failure(t, err, crm.Pause, "API_ACCESS_OFF")
	for _, body := range []string{`{}`, `{"org":[]}`, `{"org":[{"zgid":""}]}`, `[`} {
		_, err := w.tryOpen(zoho.Options{}, answering("GET /org", 200, body))
		failure(t, err, crm.Pause, crm.Unavailable)
	}
}

// A key is a text field that is unique, long enough, and the user's to fill in.
func TestCheckKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings(`{"key_field":"Gatepost_Email","email_unique":true}`)
	c := w.open(zoho.Options{})
	if err := c.CheckKey(t.Context(), "Gatepost_Email"); err != nil {
		t.Error(err)
	}
	for _, field := range []string{"Email", "Last_Name", "Phone", "", "gatepost_email"} {
		failure(t, c.CheckKey(t.Context(), field), crm.Recorded, crm.NoKey)
	}
	w.profile(`{"api_access":true,"read_only_fields":["Gatepost_Email"]}`)
	failure(t, c.CheckKey(t.Context(), "Gatepost_Email"), crm.Recorded, crm.NoKey)
	describe := `{"fields":[{"api_name":"K","data_type":"text","length":%s,"unique":%s,"read_only":%t,"operation_type":{"api_create":true,"api_update":true}}]}`
	for _, v := range []struct {
		length, unique string
		readOnly, ok   bool
	}{
		{"100", `{"casesensitive":"false"}`, false, true}, {"100", `{ }`, false, false}, {"100", "null", false, false}, {"99", `{"casesensitive":"false"}`, false, false}, {"100", `{"casesensitive":"true"}`, true, false},
	} {
		c := w.open(zoho.Options{}, answering("GET /settings/fields", 200, fmt.Sprintf(describe, v.length, v.unique, v.readOnly)))
		if err := c.CheckKey(t.Context(), "K"); (err == nil) != v.ok {
			t.Errorf("%+v: %v", v, err)
		}
	}
	w.control("fail", `{"on":"settings","status":500,"count":1}`, nil)
	failure(t, c.CheckKey(t.Context(), "Gatepost_Email"), crm.Pause, "INTERNAL_ERROR")
}
