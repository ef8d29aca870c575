package mocksalesforce_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"gatepost/mocksalesforce"
)

func TestSOQL(t *testing.T) {
	withinADay()
	w := newWorld(t)
	tok := w.session("").Access
	for _, body := range []string{
		`{"LastName":"Ant","Email":"ant@example.com","FirstName":"Ann"}`,
		`{"LastName":"Bee","Email":"bee@example.com","HasOptedOutOfEmail":true}`,
		`{"LastName":"C'ow","Email":"c_ow@example.com","Title":"100% \\ cow"}`,
		`{"LastName":"Dog","Birthdate":"2000-02-03"}`,
	} {
		w.call("POST", api+"/sobjects/Contact", tok, body).is(201, "")
	}
	for where, want := range map[string]string{
		`Email = 'ANT@example.com'`:                          "Ant",
		`Email != 'ant@example.com'`:                         "Bee C'ow Dog",
		`Email IN ('bee@example.com', 'Ant@example.com')`:    "Ant Bee",
		`Email NOT IN ('bee@example.com','ant@example.com')`: "C'ow Dog",
		`Email = null`:                                           "Dog",
		`Email != NULL AND FirstName = null`:                     "Bee C'ow",
		`LastName = 'C\'ow'`:                                     "C'ow",
		`Title = '100% \\ cow'`:                                  "C'ow",
		`LastName = '\u0041nt'`:                                  "Ant",
		`Email LIKE 'c\_ow%'`:                                    "C'ow",
		`Title LIKE '100\% %'`:                                   "C'ow",
		`LastName LIKE '_E_'`:                                    "Bee",
		`NOT LastName LIKE '%o%'`:                                "Ant Bee",
		`(LastName = 'Ant' OR LastName = 'Bee') AND Email<>''`:   "Ant Bee",
		`LastName > 'Bee' AND LastName <= 'Dog'`:                 "C'ow Dog",
		`HasOptedOutOfEmail = true`:                              "Bee",
		`HasOptedOutOfEmail != TRUE`:                             "Ant C'ow Dog",
		`Birthdate = 2000-02-03`:                                 "Dog",
		`Birthdate < 2000-02-03`:                                 "",
		`CreatedDate = TODAY`:                                    "Ant Bee C'ow Dog",
		`CreatedDate < 2020-01-01T00:00:00Z`:                     "",
		`CreatedDate >= 2020-01-01T00:00:00.000+01:00`:           "Ant Bee C'ow Dog",
		`Contact.LastName = 'ant'`:                               "Ant",
		`Email = 'ant@example.com' OR Email = 'bee@example.com'`: "Ant Bee",
		`LastName != null ORDER BY LastName DESC LIMIT 2`:        "Dog C'ow",
		`LastName != null ORDER BY Email NULLS LAST, LastName`:   "Ant Bee C'ow Dog",
		`LastName != null ORDER BY Email LIMIT 1 OFFSET 1`:       "Ant",
	} {
		a := w.query(tok, "select LastName from contact where "+where).is(200, "")
		var names []string
		for _, r := range a.at("records").([]any) {
			names = append(names, r.(map[string]any)["LastName"].(string))
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %q, want %q", where, got, want)
		}
	}
	if a := w.query(tok, "SELECT COUNT() FROM Contact"); a.num("totalSize") != 4 || len(a.at("records").([]any)) != 0 {
		t.Error(a.body)
	}
	if a := w.query(tok, "SELECT COUNT(Email) FROM Contact"); a.num("records.0.expr0") != 3 {
		t.Error(a.body)
	}
	if a := w.query(tok, "SELECT Id, Name, IsSandbox, InstanceName FROM Organization"); a.str("records.0.Name") != "Contoso" || a.at("records.0.IsSandbox") != false {
		t.Error(a.body)
	}
}

func TestSOQLRefusals(t *testing.T) {
	w := newWorld(t)
	tok := w.session("").Access
	for soql, want := range map[string]string{
		``:                           "MALFORMED_QUERY",
		`SELECT`:                     "MALFORMED_QUERY",
		`SELECT Id FROM Contact x y`: "MALFORMED_QUERY",
		`SELECT * FROM Contact`:      "MALFORMED_QUERY",
		`SELECT Id, Id FROM Contact`: "MALFORMED_QUERY",
		`SELECT Id FROM Contact WHERE LastName = 'a\xb'`:                             "MALFORMED_QUERY",
		`SELECT Id FROM Contact WHERE LastName = 'a\%b'`:                             "MALFORMED_QUERY",
		`SELECT Id FROM Contact WHERE LastName = 'a`:                                 "MALFORMED_QUERY",
		`SELECT Id FROM Contact WHERE LastName = 'O'Brien'`:                          "MALFORMED_QUERY",
		`SELECT Id FROM Contact WHERE LastName = "a"`:                                "MALFORMED_QUERY",
		`SELECT Id FROM Contact WHERE LastName IN ()`:                                "MALFORMED_QUERY",
		`SELECT Id FROM Contact WHERE LastName='a' AND LastName='b' OR LastName='c'`: "MALFORMED_QUERY",
		`SELECT Id FROM Contact LIMIT -1`:                                            "MALFORMED_QUERY",
		`SELECT Nope FROM Contact`:                                                   "INVALID_FIELD",
		`SELECT Id FROM Contact WHERE Nope = 'x'`:                                    "INVALID_FIELD",
		`SELECT Account.Foo FROM Contact`:                                            "INVALID_FIELD",
		`SELECT Id FROM Contact WHERE LastName = 7`:                                  "INVALID_FIELD",
		`SELECT Id FROM Contact WHERE CreatedDate > '2020-01-01T00:00:00Z'`:          "INVALID_FIELD",
		`SELECT Id FROM Contact WHERE Description = 'x'`:                             "INVALID_FIELD",
		`SELECT Id FROM Contact WHERE Id = 'x'`:                                      "INVALID_QUERY_FILTER_OPERATOR",
		`SELECT Id FROM Accout`:                                                      "INVALID_TYPE",
		`SELECT Id FROM Contact OFFSET 2001`:                                         "NUMBER_OUTSIDE_VALID_RANGE",
	} {
		t.Run(soql, func(t *testing.T) {
			a := w.query(tok, soql).is(400, want)
			if want == "INVALID_TYPE" && !strings.HasPrefix(a.str("0.message"), "\n") {
				t.Error(a.body)
			}
		})
	}
}

// FuzzSOQL asks whatever comes to mind: the answer is 200 or 400, never a crash.
func FuzzSOQL(f *testing.F) {
	for _, s := range []string{`SELECT Id FROM Contact`, `SELECT COUNT() FROM Lead WHERE a='\u00`, `SELECT Email FROM Contact WHERE Email LIKE '%\%_' OR (NOT Id IN ('003'))`,
		`SELECT Id FROM Contact WHERE CreatedDate=LAST_N_DAYS:99999 ORDER BY Id DESC NULLS LAST LIMIT 9 OFFSET 3`, `((((`, "SELECT \x00\xff", `SELECT Name FROM Contact WHERE Name LIKE 'İ%'`} {
		f.Add(s)
	}
	sf, err := mocksalesforce.Open(f.Context(), mocksalesforce.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = sf.Close() })
	do := func(t testing.TB, method, path, token, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		sf.Handler().ServeHTTP(rec, r)
		return rec
	}
	do(f, "POST", "/_control/settings", "", `{"daily_limit":1000000000}`)
	made := answer{t: f, body: do(f, "POST", "/_control/session", "", "").Body.String()}.tokens()
	do(f, "POST", api+"/sobjects/Contact", made.Access, `{"LastName":"İstanbul","Email":"a@example.com"}`)
	f.Fuzz(func(t *testing.T, q string) {
		if len(q) > 3000 {
			return
		}
		if rec := do(t, "GET", api+"/query?q="+url.QueryEscape(q), made.Access, ""); rec.Code != 200 && rec.Code != 400 {
			t.Errorf("%d for %q: %s", rec.Code, q, rec.Body)
		}
	})
}
