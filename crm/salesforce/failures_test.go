package salesforce

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"gatepost/crm"
)

// known has every code that Salesforce documents for what we do, and what it
// means for one record of a batch and for a whole call.
var known = []struct {
	status       int
	code         string
	message      string
	record, call crm.Class
	wait         time.Duration // of the record
	callWait     time.Duration
}{
	{401, "INVALID_SESSION_ID", "Session expired or invalid", crm.Pause, crm.Pause, 0, 0},
	{401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API", crm.Connection, crm.Connection, 0, 0},
	{403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", crm.Pause, crm.Pause, 15 * time.Minute, 15 * time.Minute},
	{403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.", crm.Pause, crm.Pause, 10 * time.Second, 10 * time.Second},
	{403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.", crm.Connection, crm.Connection, 0, 0},
	{403, "API_CURRENTLY_DISABLED", "API is disabled for this User", crm.Connection, crm.Connection, 0, 0},
	{400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", crm.Recorded, crm.Recorded, 0, 0},
	{400, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: 123", crm.Recorded, crm.Recorded, 0, 0},
	{400, "STRING_TOO_LONG", "First Name: data value too large: … (max length=40)", crm.Recorded, crm.Recorded, 0, 0},
	{400, "INVALID_FIELD", "No such column 'Foo__c' on sobject of type Contact", crm.Recorded, crm.Pause, 0, 15 * time.Minute},
	{400, "INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: MasterRecordId.", crm.Recorded, crm.Recorded, 0, 0},
	{400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record or 1 records: 0010000000abcde", crm.Pause, crm.Pause, 0, 0},
	{400, "DUPLICATE_VALUE", "duplicate value found: Ext__c duplicates value on record with id: 0010000000abcde", crm.Recorded, crm.Recorded, 0, 0},
	{400, "DUPLICATES_DETECTED", "Use one of these records?", crm.Recorded, crm.Recorded, 0, 0},
	{400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Only from our countries.", crm.Recorded, crm.Recorded, 0, 0},
	{400, "STORAGE_LIMIT_EXCEEDED", "storage limit exceeded", crm.Pause, crm.Pause, 15 * time.Minute, 15 * time.Minute},
	{403, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", crm.Recorded, crm.Pause, 0, 15 * time.Minute},
	{400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "insufficient access rights on cross-reference id", crm.Recorded, crm.Recorded, 0, 0},
	{404, "NOT_FOUND", "The requested resource does not exist", crm.Recorded, crm.Pause, 0, 15 * time.Minute},
	{404, "ENTITY_IS_DELETED", "entity is deleted", crm.Recorded, crm.Pause, 0, 0},
	{400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value for restricted picklist field: X", crm.Recorded, crm.Recorded, 0, 0},
	{400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "what the trigger says", crm.Recorded, crm.Recorded, 0, 0},
	{400, "FIELD_INTEGRITY_EXCEPTION", "There's a problem with this country", crm.Recorded, crm.Recorded, 0, 0},
	{400, "JSON_PARSER_ERROR", "Unexpected character", crm.Recorded, crm.Recorded, 0, 0},
	{400, "MALFORMED_QUERY", "unexpected token: 'x'", crm.Recorded, crm.Recorded, 0, 0},
	{400, "INVALID_TYPE", "sObject type 'Contact' is not supported.", crm.Recorded, crm.Pause, 0, 15 * time.Minute},
	{400, "EXCEEDED_ID_LIMIT", "record limit reached.", crm.Recorded, crm.Recorded, 0, 0},
	{400, "PROCESSING_HALTED", "The transaction was rolled back since another operation in the same transaction failed.", crm.Pause, crm.Pause, 0, 0},
	{400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back", crm.Pause, crm.Pause, 0, 0},
	{400, "QUERY_TIMEOUT", "Your query request was running for too long.", crm.Pause, crm.Pause, 0, 0},
	{400, "REQUEST_RUNNING_TOO_LONG", "Your request was running for too long.", crm.Pause, crm.Pause, 0, 0},
	{410, "UNSUPPORTED_API_VERSION", "retired", crm.Recorded, crm.Pause, 0, 0},
	{420, "SOME_EDGE_CODE", "cannot route", crm.Recorded, crm.Pause, 0, 0},
	{503, "SERVER_UNAVAILABLE", "down for maintenance", crm.Pause, crm.Pause, 0, 0},
	{500, "UNKNOWN_EXCEPTION", "An unexpected error occurred.", crm.Recorded, crm.Pause, 0, 0},
	{403, "LOGIN_DURING_RESTRICTED_DOMAIN", "from this address", crm.Connection, crm.Connection, 0, 0},
	{403, "LOGIN_DURING_RESTRICTED_TIME", "at this hour", crm.Connection, crm.Connection, 0, 0},
	{400, "NEVER_HEARD_OF_IT", "?", crm.Recorded, crm.Recorded, 0, 0},
	{403, "NEVER_HEARD_OF_IT", "?", crm.Recorded, crm.Pause, 0, 0},
}

func TestEveryKnownCodeHasItsClass(t *testing.T) {
	for _, k := range known {
		t.Run(k.code+" "+k.message, func(t *testing.T) {
			message, _ := json.Marshal(k.message)
			call := fmt.Sprintf(`[{"message":%s,"errorCode":%q,"fields":[]}]`, message, k.code)
			f := refusal(k.status, []byte(call), true)
			want := crm.Failure{Class: k.call, Code: k.code, Detail: k.message, Wait: k.callWait, Unknown: k.status >= 500}
			if *f != want {
				t.Errorf("for a call: %+v, want %+v", *f, want)
			}
			if f := refusal(k.status, []byte(call), false); f.Unknown {
				t.Error("a read has an unknown outcome")
			}

			record := fmt.Sprintf(`[{"success":false,"id":"003000000000001AAA","errors":[{"message":%s,"statusCode":%q,"fields":[]}]}]`, message, k.code)
			results, ok := parseCollection([]byte(record), 1)
			if !ok {
				t.Fatal("not understood")
			}
			want = crm.Failure{Class: k.record, Code: k.code, Detail: k.message, Wait: k.wait}
			if f := failure(t, results[0].Err); *f != want || results[0].ID != "" {
				t.Errorf("for a record: %+v, want %+v", *f, want)
			}
		})
	}
}

func TestAnswersThatAreNotSalesforcesOwn(t *testing.T) {
	for name, test := range map[string]struct {
		status  int
		body    string
		code    string
		unknown bool
	}{
		"HTML, down":               {503, "<html>Down for maintenance</html>", crm.Unavailable, true},
		"HTML, not found":          {404, "<html>no</html>", crm.Unavailable, true},
		"a redirect":               {302, "", crm.Unavailable, true},
		"nothing":                  {500, "", crm.Unavailable, true},
		"nothing, bad request":     {400, "", crm.Unavailable, true},
		"an empty list":            {400, "[]", "HTTP_400", false},
		"null":                     {400, "null", "HTTP_400", false},
		"a list of nothing":        {400, "[null]", "HTTP_400", false},
		"a code that isn't one":    {400, `[{"errorCode":"ada@example.com","message":"x"}]`, "HTTP_400", false},
		"an object":                {403, `{"error":"forbidden"}`, "HTTP_403", false},
		"JSON of another kind":     {429, `"slow down"`, "HTTP_429", false},
		"half of a list":           {400, `[{"errorCode":"INVALID_FIELD"`, crm.Unavailable, true},
		"an empty list, in a mess": {500, "[]", crm.Unavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := refusal(test.status, []byte(test.body), true)
			if f.Class != crm.Pause || f.Code != test.code || f.Unknown != test.unknown {
				t.Errorf("failure %+v, want a pause, %s, unknown: %v", f, test.code, test.unknown)
			}
		})
	}
	if f := refusal(204, nil, true); f != nil {
		t.Errorf("a success fails with %+v", f)
	}
}

func TestARecordedDuplicateIsUnderstood(t *testing.T) {
	body := `[{"duplicateResut":{"allowSave":true,"duplicateRule":"Contacts_DR"},"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?"}]`
	f := refusal(400, []byte(body), true)
	if f.Class != crm.Recorded || f.Code != "DUPLICATES_DETECTED" || f.Unknown {
		t.Errorf("failure %+v", f)
	}
}

func TestFieldsAreNamedInTheDetailAlone(t *testing.T) {
	f := refusal(400, []byte(`[{"message":"Email: invalid email address: ada@","errorCode":"INVALID_EMAIL_ADDRESS","fields":["Email"]}]`), true)
	if f.Detail != "Email: invalid email address: ada@ (Email)" {
		t.Errorf("detail is %q", f.Detail)
	}
	if f.Error() != "record: INVALID_EMAIL_ADDRESS" {
		t.Errorf("error says %q", f.Error())
	}
}

// FuzzAnswers feeds every parser what a hostile server might answer.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{"", "null", "[]", "[null]", "{}", "[[]]", made, none, sessionExpired, "<html>",
		`{"compositeResponse":[null]}`, `{"compositeResponse":[{"referenceId":"p0","body":null,"httpStatusCode":-1}]}`,
		`[{"success":true}]`, `[{"success":false,"errors":null}]`, `[{"success":false,"errors":[null]}]`,
		`{"done":false,"nextRecordsUrl":"//evil.example/services/data/v67.0/query/x"}`, `{"done":true,"records":[null]}`} {
		f.Add(200, []byte(body), "api-usage=1/2")
		f.Add(400, []byte(body), "per-app-api-usage=17/250(appName=x); api-usage=25/5000")
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, header string) {
		if r := refusal(status, body, true); r != nil && r.Code == "" {
			t.Error("a failure without a code")
		}
		if answers, ok := parseComposite(body, 1); ok {
			answers[0].refusal(true)
		}
		if results, ok := parseCollection(body, 1); ok && (results[0].ID == "") == (results[0].Err == nil) {
			t.Error("a result that is neither or both")
		}
		if p, err := parsePage(body); err == nil && !p.Done {
			req, err := origin("https://contoso.my.salesforce.com" + p.Next)
			if err != nil || req != "https://contoso.my.salesforce.com" {
				t.Errorf("%q leads elsewhere", p.Next)
			}
		}
		parseUsage(header)
	})
}
