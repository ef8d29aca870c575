package hubspot_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/hubspot"
)

// People are looked up by address with what is needed, found under each of
// their addresses, and the one that was changed last comes first.
func Test7b07FindAsksForAdditionalAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.add(crm.Fields{crm.Email: "ada@contoso.example", crm.FirstName: "Ada"}, "countess@contoso.example", "byron@contoso.example")
	for _, repeats := range []bool{false, true} {
		w.set(fmt.Sprintf(`{"read_repeats":%t}`, repeats))
		since := len(w.sent)
		found := w.find("byron@contoso.example", "Ada@contoso.example", "nobody@contoso.example")
		if len(found) != 2 || len(found["ada@contoso.example"]) != 1 || len(found["byron@contoso.example"]) != 1 || found["byron@contoso.example"][0].ID != id {
			t.Errorf("%+v", found)
		}
		same(t, "calls", w.paths(since), "read")
		const want = `{"idProperty":"email","properties":["email","hs_additional_emails","firstname","lastname","lastmodifieddate"],` +
			`"inputs":[{"id":"ada@contoso.example"},{"id":"byron@contoso.example"},{"id":"nobody@contoso.example"}]}`
		if got := w.sent[since].body; got != want {
			t.Errorf("sent %s", got)
		}
	}
	c := scripted(t, hubspot.Options{}, says(200, `{"results":[
		{"id":"1","properties":{"email":"a@x.example","hs_additional_emails":"both@x.example","lastmodifieddate":"2026-11-01T10:00:00.000Z"}},
		{"id":"2","properties":{"email":"both@x.example","hs_additional_emails":null,"lastmodifieddate":"2026-11-02T10:00:00.000Z"}},
		{"id":"3","properties":{"email":"c@x.example","hs_additional_emails":"BOTH@x.example;d@x.example"}}]}`))
	found, err := c.Find(t.Context(), []string{"both@x.example"}, crm.Options{})
	var ids []string
	for _, r := range found["both@x.example"] {
		ids = append(ids, r.ID)
	}
	if len(found) != 1 || err != nil {
		t.Errorf("%+v, %v", found, err)
	}
	same(t, "found", ids, "2", "1", "3")
}

// With a unique property, people are found by it too.
func TestFindByTheUniqueProperty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.byHand("POST", "/crm/properties/2026-09/contacts", `{"name":"own","label":"Own","type":"string","fieldType":"text","groupName":"contactinformation","hasUniqueValue":true}`, nil)
	o := crm.Options{Key: "own"}
	r, err := w.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "Ada@contoso.example"}}}, o)
	if err != nil || r[0].Err != nil {
		t.Fatal(r, err)
	}
	w.byHand("PATCH", contactsPath+"/"+r[0].ID, `{"properties":{"email":"other@contoso.example"}}`, nil)
	for _, email := range []string{"ada@contoso.example", "other@contoso.example"} {
		found, err := w.Find(t.Context(), []string{email}, o)
		if is := found[email]; err != nil || len(is) != 1 || is[0].ID != r[0].ID || is[0].Fields[crm.Email] != "other@contoso.example" {
			t.Errorf("%s: %+v, %v", email, found, err)
		}
	}
	r, err = w.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "ada@contoso.example"}}}, o)
	if err != nil {
		t.Fatal(err)
	}
	failed(t, r[0].Err, crm.Recorded, "CONFLICTING_UNIQUE_VALUE")
}

// What an answer holds decides, not whether it says 200 or 207; an error that isn't
// about who is missing is one.
func Test7b08ErrorsInsideABatchAreRead(t *testing.T) {
	t.Parallel()
	const missing = `{"status":"error","category":"OBJECT_NOT_FOUND","message":"no","context":{"ids":["b@x.example"]}}`
	for name, test := range map[string]struct {
		status int
		body   string
		class  crm.Class // of the failure; "" for none
		code   string
	}{
		"one is missing, 207":  {207, `{"results":[{"id":"1","properties":{"email":"a@x.example"}}],"numErrors":1,"errors":[` + missing + `]}`, "", ""},
		"one is missing, 200":  {200, `{"results":[{"id":"1","properties":{"email":"a@x.example"}}],"errors":[` + missing + `]}`, "", ""},
		"a limit inside":       {207, `{"results":[{"id":"1","properties":{"email":"a@x.example"}}],"errors":[{"category":"RATE_LIMITS"}]}`, crm.Pause, "RATE_LIMITS"},
		"another error inside": {200, `{"results":[{"id":"1","properties":{"email":"a@x.example"}}],"errors":[` + missing + `,{"category":"VALIDATION_ERROR"}]}`, crm.Recorded, "VALIDATION_ERROR"},
		"nothing at all":       {200, `{"status":"COMPLETE","results":[]}`, crm.Pause, crm.Unavailable},
		"no id":                {200, `{"results":[{"properties":{"email":"a@x.example"}}]}`, crm.Pause, crm.Unavailable},
		"no batch":             {200, `[]`, crm.Pause, crm.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			c := scripted(t, hubspot.Options{}, says(test.status, test.body))
			found, err := c.Find(t.Context(), []string{"a@x.example", "b@x.example"}, crm.Options{})
			if test.class != "" {
				failed(t, err, test.class, test.code)
				return
			}
			if err != nil || len(found) != 1 || found["a@x.example"][0].ID != "1" {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

// An outcome belongs to the write with its trace id, its address or its id; what is
// left is not known, or gone where a change was passed over.
func Test7b10OutcomesAreMatched(t *testing.T) {
	t.Parallel()
	news := []crm.Write{{Fields: crm.Fields{crm.Email: "A@x.example"}}, {Fields: crm.Fields{crm.Email: "b@x.example"}}, {Fields: crm.Fields{crm.Email: "c@x.example"}}}
	name := crm.Fields{crm.LastName: "Doe"}
	changes := []crm.Write{{ID: "11", Fields: name}, {ID: "12", Fields: name}, {ID: "13", Fields: name}}
	const nope = `"category":"VALIDATION_ERROR","message":"Property values were not valid: [{\"error\":\"INVALID_EMAIL\",\"name\":\"email\"}]"`
	for test, is := range map[string]struct {
		writes []crm.Write
		body   string
		want   [3]string // ids, or codes; "?" for what isn't known
	}{
		"by trace id":         {news, `{"results":[{"id":"3","objectWriteTraceId":"2"},{"id":"1","objectWriteTraceId":"0"},{"id":"2","objectWriteTraceId":"1"}]}`, [3]string{"1", "2", "3"}},
		"by address":          {news, `{"results":[{"id":"3","properties":{"email":"C@x.example"}},{"id":"1","properties":{"email":"a@x.example"}},{"id":"2","properties":{"email":"b@x.example"}}]}`, [3]string{"1", "2", "3"}},
		"an error":            {news, `{"results":[{"id":"3","objectWriteTraceId":"2"},{"id":"1","objectWriteTraceId":"0"}],"errors":[{` + nope + `,"context":{"objectWriteTraceId":["1"]}}]}`, [3]string{"1", "INVALID_EMAIL", "3"}},
		"an error of several": {news, `{"results":[{"id":"3","objectWriteTraceId":"2"}],"errors":[{` + nope + `,"context":{"objectWriteTraceId":["1","0"]}}]}`, [3]string{"INVALID_EMAIL", "INVALID_EMAIL", "3"}},
		"a bare trace id":     {news, `{"results":[{"id":"3","objectWriteTraceId":"2"},{"id":"1","objectWriteTraceId":"0"}],"errors":[{` + nope + `,"context":{"objectWriteTraceId":"1"}}]}`, [3]string{"1", "INVALID_EMAIL", "3"}},
		"one of nobody":       {news, `{"results":[{"id":"3","objectWriteTraceId":"2"},{"id":"1","objectWriteTraceId":"0"}],"errors":[{` + nope + `}]}`, [3]string{"1", "INVALID_EMAIL", "3"}},
		"two of nobody":       {news, `{"results":[{"id":"3","objectWriteTraceId":"2"}],"errors":[{` + nope + `},{` + nope + `}]}`, [3]string{"?", "?", "3"}},
		"left over":           {news, `{"results":[{"id":"3","objectWriteTraceId":"2"}]}`, [3]string{"?", "?", "3"}},
		"of another request":  {news, `{"results":[{"id":"9","objectWriteTraceId":"7"},{"id":"3","objectWriteTraceId":"2"}]}`, [3]string{"?", "?", "3"}},
		"twice":               {news, `{"results":[{"id":"1","objectWriteTraceId":"0"},{"id":"9","objectWriteTraceId":"0"},{"id":"3","objectWriteTraceId":"2"}]}`, [3]string{"1", "?", "3"}},
		"changes by id":       {changes, `{"results":[{"id":"13"},{"id":"11"},{"id":"12"}]}`, [3]string{"11", "12", "13"}},
		"one passed over":     {changes, `{"results":[{"id":"13"},{"id":"11"}]}`, [3]string{"11", crm.Gone, "13"}},
		"one deleted":         {changes, `{"results":[{"id":"13"},{"id":"11"}],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["12"]}}]}`, [3]string{"11", crm.Gone, "13"}},
		"deleted, by trace":   {changes, `{"results":[{"id":"13"},{"id":"11"}],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"objectWriteTraceId":["1"]}}]}`, [3]string{"11", crm.Gone, "13"}},
	} {
		t.Run(test, func(t *testing.T) {
			c := scripted(t, hubspot.Options{}, says(207, is.body))
			results, err := c.Write(t.Context(), is.writes, crm.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range results {
				got := r.ID
				if f, ok := errors.AsType[*crm.Failure](r.Err); ok {
					if got = f.Code; f.Unknown {
						got = "?"
					}
				}
				if got != is.want[i] {
					t.Errorf("%d: %+v, want %s", i, r, is.want[i])
				}
			}
		})
	}
}

// Without its own member, the id of who is there is read out of the text.
func Test7b13TheExistingIDIsReadOutOfTheText(t *testing.T) {
	t.Parallel()
	c := scripted(t, hubspot.Options{}, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/read") {
			says(207, `{"results":[],"errors":[{"category":"OBJECT_NOT_FOUND"}]}`)(w, r)
			return
		}
		says(409, `{"status":"error","message":"Contact already exists. Existing ID: 51","category":"CONFLICT"}`)(w, r)
	})
	results, err := c.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "a@x.example"}}}, crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f := failed(t, results[0].Err, crm.Recorded, "CONFLICT"); f.Match != "51" {
		t.Errorf("%+v", f)
	}
}

// A message that can't be read falls back on the reasons, and they on the category.
func Test7b15UnreadableProblems(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"category":"VALIDATION_ERROR","message":"Property values were not valid: [{\"error\":\"SOMETHING_ODD\"},{\"error\":\"INVALID_OPTION\",\"name\":\"x\"}]"}`: "INVALID_OPTION",
		`{"category":"VALIDATION_ERROR","message":"Property values were not valid: [{","errors":[{"code":"PROPERTY_DOESNT_EXIST"}]}`:                                "PROPERTY_DOESNT_EXIST",
		`{"category":"VALIDATION_ERROR","message":"Property values were not valid: [{"}`:                                                                            "VALIDATION_ERROR",
		`{"category":"VALIDATION_ERROR","message":"Property values were not valid: [{\"error\":\"a b@c\"}]"}`:                                                       "VALIDATION_ERROR",
		`{"category":"SOMETHING_NEW","message":"no"}`:                                                                                                               "SOMETHING_NEW",
		`{"message":"no"}`: "VALIDATION_ERROR",
	} {
		c := scripted(t, hubspot.Options{}, says(400, body))
		results, err := c.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "a@x.example"}}}, crm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		failed(t, results[0].Err, crm.Recorded, want)
	}
}
