package salesforce_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/crm/salesforce"
	"gatepost/mocksalesforce"
)

// world is a simulated Salesforce with a client of it.
type world struct {
	*salesforce.Client
	t        *testing.T
	url      string
	mu       sync.Mutex
	session  salesforce.Session
	renewals int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	mock, err := mocksalesforce.Open(t.Context(), mocksalesforce.Options{Data: filepath.Join(t.TempDir(), "salesforce.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mock.Close() })
	srv := httptest.NewServer(mock.Handler())
	t.Cleanup(srv.Close)
	w := &world{t: t, url: srv.URL}
	w.renew()
	if w.Client, err = salesforce.Open(t.Context(), w, srv.Client(), salesforce.Options{}); err != nil {
		t.Fatal(err)
	}
	return w
}

// Session implements salesforce.Source.
func (w *world) Session(_ context.Context, refused int64) (salesforce.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if refused == w.session.Generation && refused != 0 {
		w.renewals++
		w.renew()
	}
	return w.session, nil
}

func (w *world) renew() {
	var token struct {
		AccessToken string `json:"access_token"`
		InstanceURL string `json:"instance_url"`
		ID          string `json:"id"`
	}
	w.post("session", "{}", &token)
	ids := strings.Split(token.ID, "/")
	w.session = salesforce.Session{AccessToken: token.AccessToken, InstanceURL: token.InstanceURL, OrgID: ids[len(ids)-2], Generation: w.session.Generation + 1}
}

// post tells the simulated Salesforce something and reads what it says.
func (w *world) post(what, body string, into any) {
	w.t.Helper()
	resp, err := http.Post(w.url+"/_control/"+what, "application/json", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	w.read(resp, into)
}

func (w *world) read(resp *http.Response, into any) {
	w.t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode > 299 {
		w.t.Fatalf("%s: %d %s %v", resp.Request.URL, resp.StatusCode, body, err)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(bytes.TrimSpace(body), into); err != nil {
		w.t.Fatal(err)
	}
}

type stats struct {
	APICalls    int `json:"api_calls"`
	Contacts    int `json:"contacts"`
	PerEmailMax int `json:"per_email_max"`
}

func (w *world) stats() (s stats) {
	w.t.Helper()
	resp, err := http.Get(w.url + "/_control/stats")
	if err != nil {
		w.t.Fatal(err)
	}
	w.read(resp, &s)
	return s
}

// expect checks the counters since before.
func (w *world) expect(before stats, want stats) {
	w.t.Helper()
	now := w.stats()
	got := stats{now.APICalls - before.APICalls, now.Contacts - before.Contacts, now.PerEmailMax}
	if got != want {
		w.t.Errorf("API calls, Contacts, most for one address: %+v, want %+v", got, want)
	}
}

// withinADay waits while a day of UTC is about to end: calls are counted by the day.
func withinADay() {
	if left := time.Until(time.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)); left < time.Minute {
		time.Sleep(left)
	}
}

func readers(n int) (people []crm.Fields, emails []string) {
	for i := range n {
		p := crm.Fields{crm.Email: fmt.Sprintf("Reader%04d@contoso.example", i), crm.FirstName: "Ada", crm.LastName: "Lovelace"}
		people, emails = append(people, p), append(emails, p[crm.Email])
	}
	return people, emails
}

func failureOf(t *testing.T, err error) *crm.Failure {
	t.Helper()
	var f *crm.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error is %v, want a *crm.Failure", err)
	}
	return f
}

func TestAThousandPeopleInTwoCalls(t *testing.T) {
	t.Parallel()
	withinADay()
	w := newWorld(t)
	people, emails := readers(1000)
	before := w.stats()
	found, err := w.Find(t.Context(), emails, crm.Options{})
	if err != nil || len(found) != 0 {
		t.Fatalf("found %d, %v", len(found), err)
	}
	results, err := w.Write(t.Context(), news(people), crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.expect(before, stats{APICalls: 2, Contacts: 1000, PerEmailMax: 1})
	if found, err = w.Find(t.Context(), emails, crm.Options{}); err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		records := found[strings.ToLower(emails[i])]
		if r.Err != nil || len(records) != 1 || records[0].ID != r.ID {
			t.Fatalf("person %d was created as %+v and found as %+v", i, r, records)
		}
	}
	if l := w.Limits()[0]; !l.Known || l.Used < 3 || l.Allowed != 15_000 {
		t.Errorf("%+v", l)
	}
}

func TestAnExpiredTokenCostsOneRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	people, emails := readers(3)
	w.post("expire-access-tokens", "{}", nil)
	results, err := w.Write(t.Context(), news(people), crm.Options{})
	if err != nil || results[2].ID == "" {
		t.Fatalf("Create = %v, %v", results, err)
	}
	w.post("expire-access-tokens", "{}", nil)
	if found, err := w.Find(t.Context(), emails, crm.Options{}); err != nil || len(found) != 3 {
		t.Errorf("found %v, %v", found, err)
	}
	if w.renewals != 2 || w.stats().PerEmailMax != 1 {
		t.Errorf("%d renewals, %+v", w.renewals, w.stats())
	}
}

func TestALostAnswerIsUnknownAndALookUpTells(t *testing.T) {
	for name, test := range map[string]struct {
		fault   string
		unknown bool
		code    string
		made    int
	}{
		"cut off after the commit":  {`"drop":true,"after_commit":true`, true, crm.Unavailable, 201},
		"cut off before the commit": {`"drop":true`, true, crm.Unavailable, 0},
		"down, in HTML":             {`"status":503,"html":true`, true, crm.Unavailable, 0},
		"down, after the commit":    {`"status":503,"after_commit":true`, true, "SERVER_UNAVAILABLE", 201},
		"a redirect":                {`"status":302`, true, crm.Unavailable, 0},
		"limited":                   {`"status":403,"error_code":"REQUEST_LIMIT_EXCEEDED"`, false, "REQUEST_LIMIT_EXCEEDED", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			people, emails := readers(201)
			before := w.stats()
			w.post("fail", `{"on":"composite","count":1,`+test.fault+`}`, nil)
			_, err := w.Write(t.Context(), news(people), crm.Options{})
			f := failureOf(t, err)
			if f.Class != crm.Pause || f.Code != test.code || f.Unknown != test.unknown {
				t.Errorf("failure %+v", f)
			}
			found, err := w.Find(t.Context(), emails, crm.Options{})
			if err != nil || len(found) != test.made {
				t.Errorf("found %d, want %d (%v)", len(found), test.made, err)
			}
			if made := w.stats().Contacts - before.Contacts; made != test.made {
				t.Errorf("%d Contacts, want %d", made, test.made)
			}
		})
	}
}

func TestOneBadRecordHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	people, _ := readers(400)
	people[7][crm.Email] = "not an address"
	people[250][crm.FirstName] = strings.Repeat("x", 41)
	results, err := w.Write(t.Context(), news(people), crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		want := map[int]string{7: "INVALID_EMAIL_ADDRESS", 250: "STRING_TOO_LONG"}[i]
		if want == "" {
			if r.Err != nil {
				t.Fatalf("person %d: %v", i, r.Err)
			}
			continue
		}
		if f := failureOf(t, r.Err); f.Class != crm.Recorded || f.Code != want || f.Unknown {
			t.Errorf("person %d: %+v, want %s", i, f, want)
		}
	}
}

func TestEveryAddressIsFoundAsItWasMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	people := []crm.Fields{
		{crm.Email: "o'neill@contoso.example", crm.LastName: "O'Neill"},
		{crm.Email: "a+b%c@contoso.example", crm.LastName: `back\slash "quoted"`},
		{crm.Email: "under_score@contoso.example", crm.LastName: "李 <&>"},
		{crm.Email: "MiXeD@Contoso.Example", crm.LastName: "Doe"},
		{crm.Email: "reference@contoso.example", crm.LastName: "@{p0[0].id}"},
	}
	results, err := w.Write(t.Context(), news(people), crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var emails []string
	for _, p := range people {
		emails = append(emails, p[crm.Email])
	}
	found, err := w.Find(t.Context(), append(emails, `x\' OR Email != '`, `back\slash@contoso.example`, "underXscore@contoso.example"), crm.Options{})
	if err != nil || len(found) != len(people) {
		t.Fatalf("found %v, %v", found, err)
	}
	for i, p := range people {
		want := []crm.Record{{ID: results[i].ID, Fields: crm.Fields{crm.Email: found[strings.ToLower(p[crm.Email])][0].Fields[crm.Email], crm.FirstName: "", crm.LastName: p[crm.LastName]}}}
		if got := found[strings.ToLower(p[crm.Email])]; results[i].Err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s was created as %+v and found as %+v", p[crm.Email], results[i], got)
		}
	}
}

func TestAllOfManyMatchesAreRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.Write(t.Context(), news(slices.Repeat([]crm.Fields{{crm.Email: "ada@contoso.example"}}, 2001)), crm.Options{}); err != nil {
		t.Fatal(err)
	}
	before := w.stats()
	found, err := w.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
	if err != nil || len(found["ada@contoso.example"]) != 2001 {
		t.Errorf("found %d, %v", len(found["ada@contoso.example"]), err)
	}
	w.expect(before, stats{APICalls: 2, PerEmailMax: 2001})
}

func TestTheDailyLimitPauses(t *testing.T) {
	t.Parallel()
	withinADay()
	w := newWorld(t)
	w.post("settings", `{"daily_limit":1}`, nil)
	people, emails := readers(1)
	w.Find(t.Context(), emails, crm.Options{})
	_, err := w.Write(t.Context(), news(people), crm.Options{})
	if f := failureOf(t, err); f.Class != crm.Pause || f.Code != "REQUEST_LIMIT_EXCEEDED" || f.Unknown || f.Wait == 0 {
		t.Errorf("failure %+v", f)
	}
}

// The simulated Salesforce answers a check-up as the real one does, in one call.
func TestCheckUp(t *testing.T) {
	w := newWorld(t)
	before := w.stats()
	org, checks, err := w.Inspect(t.Context())
	if err != nil || org.Name != "Contoso" || org.Sandbox || org.Edition != "Developer Edition" || salesforce.Worst(checks) != crm.Fine || len(checks) != 7 {
		t.Errorf("%+v, %v", checks, err)
	}
	w.expect(before, stats{APICalls: 1})
	w.post("settings", `{"duplicate_rule":"block"}`, nil)
	if checks, err := w.CheckUp(t.Context()); err != nil || salesforce.Worst(checks) != crm.Warning {
		t.Errorf("%+v, %v", checks, err)
	}
}

// news are writes of new records.
func news(people []crm.Fields) []crm.Write {
	out := make([]crm.Write, len(people))
	for i, p := range people {
		out[i].Fields = p
	}
	return out
}

// contact makes a Contact and returns its id.
func (w *world) make(p crm.Fields) string {
	w.t.Helper()
	results, err := w.Write(w.t.Context(), news([]crm.Fields{p}), crm.Options{})
	if err != nil || results[0].Err != nil {
		w.t.Fatalf("%+v, %v", results, err)
	}
	return results[0].ID
}

// A duplicate rule's block names the record that it found, when one person is
// written at a time; what the rule only warns of can be saved all the same.
func TestDuplicateRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	jane := crm.Fields{crm.Email: "jane@contoso.example", crm.LastName: "Doe"}
	id := w.make(jane)
	for _, test := range []struct {
		rule       string
		save, done bool
	}{{"block", false, false}, {"block", true, false}, {"alert", false, false}, {"alert", true, true}} {
		w.post("settings", `{"duplicate_rule":"`+test.rule+`"}`, nil)
		for n, match := range map[int]string{1: id, 2: ""} { // Collections don't tell
			people := []crm.Fields{jane, {crm.Email: test.rule + fmt.Sprint(n, test.save) + "@contoso.example"}}[:n]
			results, err := w.Write(t.Context(), news(people), crm.Options{SaveDuplicates: test.save})
			if err != nil {
				t.Fatal(err)
			}
			if test.done {
				if results[0].Err != nil {
					t.Errorf("%s: %v", test.rule, results[0].Err)
				}
				continue
			}
			if f := failureOf(t, results[0].Err); f.Code != "DUPLICATES_DETECTED" || f.Class != crm.Recorded || f.Match != match {
				t.Errorf("%s, %d at once: %+v", test.rule, n, f)
			}
		}
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, other := w.make(crm.Fields{crm.Email: "jane@contoso.example"}), w.make(crm.Fields{crm.Email: "joe@contoso.example", crm.FirstName: "Joe", crm.LastName: "Doe"})
	if r := w.found("jane@contoso.example"); r.Fields[crm.FirstName] != "" || r.Fields[crm.LastName] != "NA" {
		t.Errorf("who gave no name: %+v", r)
	}
	before := w.stats()
	results, err := w.Write(t.Context(), []crm.Write{{ID: id, Fields: crm.Fields{crm.FirstName: "Jane", crm.LastName: "Roe"}}, {Fields: crm.Fields{crm.Email: "new@contoso.example"}},
		{ID: other, Fields: crm.Fields{crm.LastName: "Roe"}}, {ID: "003000000000009AAA", Fields: crm.Fields{crm.LastName: "Roe"}}}, crm.Options{})
	if err != nil || results[0].ID != id || results[1].ID == "" || results[2].ID != other {
		t.Fatalf("%+v, %v", results, err)
	}
	if f := failureOf(t, results[3].Err); f.Code != crm.Gone {
		t.Errorf("a record that is not there: %+v", f)
	}
	w.expect(before, stats{APICalls: 1, Contacts: 1, PerEmailMax: 1})
	if r := w.found("jane@contoso.example"); r.Fields[crm.FirstName] != "Jane" || r.Fields[crm.LastName] != "Roe" {
		t.Errorf("got %+v", r)
	}
	if r := w.found("joe@contoso.example"); r.Fields[crm.FirstName] != "Joe" || r.Fields[crm.LastName] != "Roe" {
		t.Errorf("got %+v", r)
	}
}

func (w *world) found(email string) crm.Record {
	w.t.Helper()
	found, err := w.Find(w.t.Context(), []string{email}, crm.Options{})
	if err != nil || len(found[email]) != 1 {
		w.t.Fatalf("found %+v, %v", found, err)
	}
	return found[email][0]
}

// A thousand people of whom half are there and lack a name: three calls.
func TestHalfOfAThousandAreThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	people, emails := readers(1000)
	if _, err := w.Write(t.Context(), news(people[:500]), crm.Options{}); err != nil {
		t.Fatal(err)
	}
	before := w.stats()
	found, err := w.Find(t.Context(), emails, crm.Options{})
	if err != nil || len(found) != 500 {
		t.Fatalf("found %d, %v", len(found), err)
	}
	writes := news(people[500:])
	for _, r := range found {
		writes = append(writes, crm.Write{ID: r[0].ID, Fields: crm.Fields{crm.FirstName: "Grace"}})
	}
	results, err := w.Write(t.Context(), writes, crm.Options{})
	if err != nil || len(results) != 1000 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	w.expect(before, stats{APICalls: 3, Contacts: 500, PerEmailMax: 1})
}

// lead makes a Lead by hand.
func (w *world) lead(email string) { w.leadOf(crm.Fields{crm.Email: email, crm.LastName: "Lead"}) }

func (w *world) leadOf(p crm.Fields) (id string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]string{"FirstName": p[crm.FirstName], "LastName": p[crm.LastName], "Company": "Contoso", "Email": p[crm.Email]})
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.session.InstanceURL+"/services/data/v67.0/sobjects/Lead", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.session.AccessToken)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	var made struct{ ID string }
	w.read(resp, &made)
	return made.ID
}

func TestLeads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.make(crm.Fields{crm.Email: "both@contoso.example"})
	w.lead("both@contoso.example")
	w.lead("lead@contoso.example")
	emails := []string{"both@contoso.example", "lead@contoso.example", "nobody@contoso.example"}
	found, err := w.Find(t.Context(), emails, crm.Options{})
	if err != nil || len(found) != 1 {
		t.Errorf("without leads: %+v, %v", found, err)
	}
	before := w.stats()
	found, err = w.Find(t.Context(), emails, crm.Options{Leads: true})
	lead := found["lead@contoso.example"]
	if err != nil || len(found) != 2 || len(found["both@contoso.example"]) != 1 || found["both@contoso.example"][0].ID != id || len(lead) != 1 || lead[0].ID[:3] != "00Q" {
		t.Fatalf("with leads: %+v, %v", found, err)
	}
	w.expect(before, stats{APICalls: 1, PerEmailMax: 1})
	if got := salesforce.RecordURL("https://a.my.salesforce.com", lead[0].ID); !strings.Contains(got, "/r/Lead/00Q") {
		t.Errorf("the lead's page is %s", got)
	}
	results, err := w.Write(t.Context(), []crm.Write{{ID: lead[0].ID, Fields: crm.Fields{crm.FirstName: "Lea"}}}, crm.Options{Leads: true})
	if err != nil || results[0].ID != lead[0].ID {
		t.Errorf("%+v, %v", results, err)
	}
}

// By a unique field a record can't be made twice, even when an answer is lost and
// nobody looks it up.
func TestKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if f := failureOf(t, w.CheckKey(t.Context(), "Gatepost_Email__c")); f.Code != crm.NoKey || f.Class != crm.Recorded {
		t.Errorf("a field that is not there: %+v", f)
	}
	w.post("settings", `{"external_id_field":"Gatepost_Email__c"}`, nil)
	if err := w.CheckKey(t.Context(), "Gatepost_Email__c"); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"Email", "LastName", "gatepost_email__c", "", "x' OR"} {
		if f := failureOf(t, w.CheckKey(t.Context(), field)); f.Code != crm.NoKey {
			t.Errorf("%s: %+v", field, f)
		}
	}
	keyed := crm.Options{Key: "Gatepost_Email__c"}
	people, emails := readers(3)
	var ids []string
	for range 2 {
		results, err := w.Write(t.Context(), news(people), keyed)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			ids = append(ids, r.ID)
		}
	}
	if !slices.Equal(ids[:3], ids[3:]) || w.stats().Contacts != 3 {
		t.Errorf("made %v, %d Contacts", ids, w.stats().Contacts)
	}
	if results, err := w.Write(t.Context(), news(people[:1]), keyed); err != nil || results[0].ID != ids[0] {
		t.Errorf("one alone: %+v, %v", results, err)
	}
	found, err := w.Find(t.Context(), emails, keyed)
	if err != nil || len(found) != 3 || len(found[strings.ToLower(emails[0])]) != 1 {
		t.Errorf("found %+v, %v", found, err)
	}
}

// What is said of one record concerns that record, alone as in a batch.
func TestOneRecordsRefusalPausesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	people, _ := readers(2)
	for _, code := range []string{"INSUFFICIENT_ACCESS_OR_READONLY", "INVALID_FIELD", "FIELD_CUSTOM_VALIDATION_EXCEPTION"} {
		for n := range people {
			w.post("fail", `{"on":"record","status":400,"error_code":"`+code+`","count":1}`, nil)
			results, err := w.Write(t.Context(), news(people[:n+1]), crm.Options{})
			if err != nil {
				t.Fatalf("%s, %d at once: %v", code, n+1, err)
			}
			if f := failureOf(t, results[0].Err); f.Class != crm.Recorded || f.Code != code || f.Wait != 0 {
				t.Errorf("%s, %d at once: %+v", code, n+1, f)
			}
		}
	}
}
