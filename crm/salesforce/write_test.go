package salesforce

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"gatepost/crm"
)

// crowd returns n people.
func crowd(n int) []crm.Fields {
	out := make([]crm.Fields, n)
	for i := range out {
		out[i] = crm.Fields{crm.Email: fmt.Sprintf("reader%04d@example.com", i), crm.FirstName: "Ada", crm.LastName: "Lovelace"}
	}
	return out
}

// sentRecords reads the body of a Collections call.
func sentRecords(t *testing.T, body []byte) []map[string]any {
	t.Helper()
	var sent struct {
		AllOrNone *bool            `json:"allOrNone"`
		Records   []map[string]any `json:"records"`
	}
	if err := json.Unmarshal(body, &sent); err != nil || sent.AllOrNone == nil || *sent.AllOrNone {
		t.Errorf("a collection of %.100s (%v)", body, err)
	}
	return sent.Records
}

// saved answers a Collections call; an Id ends in the number of the address.
func saved(records []map[string]any) string {
	var out []string
	for _, r := range records {
		email := r["Email"].(string)
		out = append(out, fmt.Sprintf(`{"id":"003%08d%sAAA","success":true,"errors":[]}`, 0, email[6:10]))
	}
	return "[" + strings.Join(out, ",") + "]"
}

// salesforce answers Composite and Collections calls, and counts them.
func salesforce(t *testing.T, calls *int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*calls++
		if r.URL.Path == "/services/data/v67.0/sobjects/Contact" {
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"id":"003000000000000AAA","success":true,"errors":[]}`)
			return
		}
		if r.URL.Path == "/services/data/v67.0/composite/sobjects" {
			body, _ := io.ReadAll(r.Body)
			io.WriteString(w, saved(sentRecords(t, body)))
			return
		}
		var out []string
		parts := decodeComposite(t, r)
		for _, p := range parts {
			if p.Method != http.MethodPost || p.URL != "/services/data/v67.0/composite/sobjects" {
				t.Errorf("%s %s", p.Method, p.URL)
			}
			records := sentRecords(t, p.Body)
			if len(records) > 200 {
				t.Errorf("%d records in one collection", len(records))
			}
			out = append(out, fmt.Sprintf(`{"httpStatusCode":200,"referenceId":%q,"body":%s}`, p.ReferenceID, saved(records)))
		}
		if len(parts) > 5 {
			t.Errorf("%d collections in one call", len(parts))
		}
		fmt.Fprintf(w, `{"compositeResponse":[%s]}`, strings.Join(out, ","))
	}
}

func TestCreateSpendsAsFewCallsAsItCan(t *testing.T) {
	for _, test := range []struct{ people, calls int }{{0, 0}, {1, 1}, {200, 1}, {201, 1}, {1000, 1}, {1001, 2}} {
		calls := 0
		c, _, _ := open(t, salesforce(t, &calls), Options{})
		results, err := c.Write(t.Context(), news(crowd(test.people)), crm.Options{})
		if err != nil || len(results) != test.people || calls != test.calls {
			t.Errorf("%d people: %d results in %d calls, want %d calls (%v)", test.people, len(results), calls, test.calls, err)
		}
		for i, r := range results {
			if want := fmt.Sprintf("003%08d%04dAAA", 0, i); r.Err != nil || r.ID != want {
				t.Fatalf("result %d is %+v, want %s", i, r, want)
			}
		}
	}
}

func TestCreateSendsWhatIsKnown(t *testing.T) {
	var got []map[string]any
	c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		got = sentRecords(t, decodeComposite(t, r)[0].Body)
		io.WriteString(w, made)
	}, Options{})
	for _, test := range []struct {
		person      crm.Fields
		first, last string
	}{
		{crm.Fields{crm.Email: "Ada@example.com", crm.FirstName: "Ada", crm.LastName: "Lovelace"}, "Ada", "Lovelace"},
		{crm.Fields{crm.Email: "Ada@example.com", crm.LastName: `O'Neill "<&>" \ 李`}, "", `O'Neill "<&>" \ 李`},
		{crm.Fields{crm.Email: "Ada@example.com", crm.FirstName: "Ada", crm.LastName: "  "}, "Ada", "NA"},
	} {
		if _, err := c.Write(t.Context(), news([]crm.Fields{test.person, {crm.Email: "bob@example.com"}}), crm.Options{}); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"attributes": map[string]any{"type": "Contact"}, "Email": "Ada@example.com", "LastName": test.last}
		if test.first != "" {
			want["FirstName"] = test.first
		}
		if len(got) != 2 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
			t.Errorf("sent %v, want %v", got, want)
		}
	}
}

func TestEveryRecordHasItsOwnResult(t *testing.T) {
	c, _, _ := open(t, answering(200, `{"compositeResponse":[{"httpStatusCode":200,"referenceId":"p0","body":[
		{"id":"003000000000001AAA","success":true,"errors":[]},
		{"success":false,"errors":[{"statusCode":"INVALID_EMAIL_ADDRESS","message":"Email: invalid email address: x","fields":["Email"]}]},
		{"success":false,"id":"003000000000003AAA","errors":[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"unable to obtain exclusive access","fields":[]}]},
		{"success":false,"errors":[]},
		{"success":true,"errors":[]},
		{"success":false,"errors":[{"statusCode":"SOMETHING_NEW","message":"?","fields":null}]}]}]}`), Options{})
	results, err := c.Write(t.Context(), news(crowd(6)), crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Err != nil || results[0].ID != "003000000000001AAA" {
		t.Errorf("the first is %+v", results[0])
	}
	for i, want := range []*crm.Failure{nil,
		{Class: crm.Recorded, Code: "INVALID_EMAIL_ADDRESS"},
		{Class: crm.Passing, Code: "UNABLE_TO_LOCK_ROW"},
		{Class: crm.Pause, Code: crm.Unavailable, Unknown: true},
		{Class: crm.Pause, Code: crm.Unavailable, Unknown: true},
		{Class: crm.Recorded, Code: "SOMETHING_NEW"},
	} {
		if want == nil {
			continue
		}
		f := failure(t, results[i].Err)
		if f.Class != want.Class || f.Code != want.Code || f.Unknown != want.Unknown || results[i].ID != "" {
			t.Errorf("result %d is %+v, want %+v", i, f, want)
		}
	}
}

func TestAChunkFailsByItself(t *testing.T) {
	for name, test := range map[string]struct {
		status  int
		body    string
		class   crm.Class
		code    string
		unknown bool
	}{
		"refused":        {400, `[{"message":"x","errorCode":"JSON_PARSER_ERROR"}]`, crm.Recorded, "JSON_PARSER_ERROR", false},
		"limited":        {403, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`, crm.Pause, "REQUEST_LIMIT_EXCEEDED", false},
		"in trouble":     {500, `[{"message":"x","errorCode":"UNKNOWN_EXCEPTION"}]`, crm.Pause, "UNKNOWN_EXCEPTION", true},
		"not understood": {200, `{"success":true}`, crm.Pause, crm.Unavailable, true},
		"of another length": {200, `[{"id":"003000000000001AAA","success":true,"errors":[]}]`, crm.Pause, crm.Unavailable,
			true},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
				parts := decodeComposite(t, r)
				fmt.Fprintf(w, `{"compositeResponse":[{"httpStatusCode":%d,"referenceId":"p0","body":%s},{"httpStatusCode":200,"referenceId":"p1","body":%s}]}`,
					test.status, test.body, saved(sentRecords(t, parts[1].Body)))
			}, Options{})
			results, err := c.Write(t.Context(), news(crowd(250)), crm.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range results {
				if i >= 200 {
					if r.Err != nil || r.ID == "" {
						t.Fatalf("result %d of the good chunk is %+v", i, r)
					}
					continue
				}
				f := failure(t, r.Err)
				if f.Class != test.class || f.Code != test.code || f.Unknown != test.unknown || f.Shared != (test.class == crm.Recorded) || r.ID != "" {
					t.Fatalf("result %d is %+v", i, f)
				}
			}
		})
	}
}

// What is refused for one alone is its own fault.
func TestAChunkOfOneFailsForIt(t *testing.T) {
	c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"compositeResponse":[{"httpStatusCode":400,"referenceId":"p0","body":[{"message":"x","errorCode":"JSON_PARSER_ERROR"}]}]}`)
	}, Options{})
	results, err := c.Write(t.Context(), []crm.Write{{ID: "003000000000001AAA", Fields: crm.Fields{crm.FirstName: "x"}}}, crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f := failure(t, results[0].Err); f.Class != crm.Recorded || f.Shared {
		t.Errorf("got %+v", f)
	}
}

func TestANameThatLooksLikeAReferenceTravelsAlone(t *testing.T) {
	calls := 0
	h := salesforce(t, &calls)
	var composites int
	c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if strings.HasSuffix(r.URL.Path, "/composite") {
			composites++
			if strings.Contains(string(body), "@{") {
				t.Error("a reference got into a composite call")
			}
		}
		h(w, r)
	}, Options{})
	people := crowd(4)
	people[1][crm.LastName] = "@{p0[0].id}"
	people[3][crm.FirstName] = "x@{y}"
	results, err := c.Write(t.Context(), news(people), crm.Options{})
	if err != nil || calls != 2 || composites != 1 {
		t.Fatalf("%d calls, %d of them composite, %v", calls, composites, err)
	}
	for i, r := range results {
		if want := fmt.Sprintf("003%08d%04dAAA", 0, i); r.ID != want {
			t.Errorf("result %d is %+v, want %s", i, r, want)
		}
	}
}

func TestALaterCallsFailureForgetsNobody(t *testing.T) {
	calls := 0
	h := salesforce(t, &calls)
	c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/sobjects") {
			drop(t, w)
			return
		}
		h(w, r)
	}, Options{})
	people := crowd(3)
	people[0][crm.LastName] = "@{"
	results, err := c.Write(t.Context(), news(people), crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f := failure(t, results[0].Err); f.Class != crm.Pause || !f.Unknown {
		t.Errorf("the odd one is %+v", f)
	}
	if results[1].ID == "" || results[2].ID == "" || results[1].Err != nil {
		t.Errorf("the others are %+v", results[1:])
	}
}

func TestAFailedFirstCallFailsThemAll(t *testing.T) {
	calls := 0
	c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		drop(t, w)
	}, Options{})
	people := crowd(3)
	people[0][crm.LastName] = "@{"
	results, err := c.Write(t.Context(), news(people), crm.Options{})
	if f := failure(t, err); !f.Unknown || results != nil || calls != 1 {
		t.Errorf("Create = %v, %+v after %d calls", results, f, calls)
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
