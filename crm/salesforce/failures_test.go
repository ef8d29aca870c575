package salesforce

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"gatepost/crm"
)

// known has every code that Salesforce documents for what we do, and what it
// means for one record, alone or of a batch, and for a whole call.
var known = []struct {
	status       int
	code         string
	message      string
	record, call crm.Class
	wait         time.Duration // of the record
	callWait     time.Duration
	tries        int    // of the record
	becomes      string // the code that is kept, if it is another
	match        string
	field        string
}{
	{status: 401, code: "INVALID_SESSION_ID", message: "Session expired or invalid", record: crm.Connection, call: crm.Connection},
	{status: 401, code: "INVALID_SESSION_ID", message: "This session is not valid for use with the REST API", record: crm.Connection, call: crm.Connection},
	{status: 403, code: "REQUEST_LIMIT_EXCEEDED", message: "TotalRequests Limit exceeded.", record: crm.Pause, call: crm.Pause, wait: 15 * time.Minute, callWait: 15 * time.Minute},
	{status: 403, code: "REQUEST_LIMIT_EXCEEDED", message: "ConcurrentPerOrgLongTxn Limit exceeded.", record: crm.Pause, call: crm.Pause, wait: 10 * time.Second, callWait: 10 * time.Second},
	{status: 403, code: "API_DISABLED_FOR_ORG", message: "The REST API is not enabled for this Organization.", record: crm.Connection, call: crm.Connection},
	{status: 403, code: "API_CURRENTLY_DISABLED", message: "API is disabled for this User", record: crm.Connection, call: crm.Connection},
	{status: 400, code: "REQUIRED_FIELD_MISSING", message: "Required fields are missing: [LastName]", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "INVALID_EMAIL_ADDRESS", message: "Email: invalid email address: 123", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "STRING_TOO_LONG", message: "First Name: data value too large: … (max length=40)", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "INVALID_FIELD", message: "No such column 'Foo__c' on sobject of type Contact", record: crm.Recorded, call: crm.Pause, callWait: 15 * time.Minute, field: "Foo__c"},
	{status: 400, code: "INVALID_FIELD", message: "\nSELECT Id, Foo__c FROM Contact\n           ^\nERROR at Row:1:Column:12\nNo such column 'Foo__c' on entity 'Contact'.", record: crm.Recorded, call: crm.Pause, callWait: 15 * time.Minute, field: "Foo__c"},
	{status: 400, code: "INACTIVE_OWNER_OR_USER", message: "operation performed with inactive user [005000000000001] as owner of contact", record: crm.Recorded, call: crm.Recorded, field: "OwnerId"},
	{status: 400, code: "INVALID_FIELD_FOR_INSERT_UPDATE", message: "Unable to create/update fields: MasterRecordId.", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "INVALID_TYPE_ON_FIELD_IN_RECORD", message: "Last Name: value not of required type: null", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "UNABLE_TO_LOCK_ROW", message: "unable to obtain exclusive access to this record or 1 records: 0010000000abcde", record: crm.Passing, call: crm.Pause, tries: 24},
	{status: 400, code: "DUPLICATE_VALUE", message: "duplicate value found: Ext__c duplicates value on record with id: 0030000000abcde", record: crm.Recorded, call: crm.Recorded, match: "0030000000abcde"},
	{status: 400, code: "DUPLICATE_VALUE", message: "doppelter Wert gefunden: Steuernummernfeld, Datensatz 0010000000abcdeAAA.", record: crm.Recorded, call: crm.Recorded, match: "0010000000abcdeAAA"},
	{status: 400, code: "DUPLICATE_VALUE", message: "Duplicate external id specified: ada@example.com (Newsletteradresse)", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "DUPLICATES_DETECTED", message: "Use one of these records?", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", message: "Only from our countries, or else UNABLE_TO_LOCK_ROW.", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "STORAGE_LIMIT_EXCEEDED", message: "storage limit exceeded", record: crm.Pause, call: crm.Pause, wait: 15 * time.Minute, callWait: 15 * time.Minute},
	{status: 403, code: "INSUFFICIENT_ACCESS_OR_READONLY", message: "insufficient access rights on object id", record: crm.Recorded, call: crm.Pause, callWait: 15 * time.Minute},
	{status: 400, code: "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", message: "insufficient access rights on cross-reference id", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "INVALID_CROSS_REFERENCE_KEY", message: "invalid cross reference id", record: crm.Recorded, call: crm.Recorded},
	{status: 404, code: "NOT_FOUND", message: "The requested resource does not exist", record: crm.Pause, call: crm.Pause, wait: 15 * time.Minute, callWait: 15 * time.Minute},
	{status: 404, code: "ENTITY_IS_DELETED", message: "entity is deleted", record: crm.Recorded, call: crm.Pause},
	{status: 400, code: "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message: "bad value for restricted picklist field: X", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message: "what the trigger says", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message: locks, record: crm.Passing, call: crm.Pause, tries: 24, becomes: "UNABLE_TO_LOCK_ROW"},
	{status: 400, code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message: "T: System.DmlException: first error: FIELD_CUSTOM_VALIDATION_EXCEPTION, no", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message: "T: System.QueryException: QUERY_TIMEOUT", record: crm.Passing, call: crm.Pause, becomes: "QUERY_TIMEOUT"},
	{status: 400, code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message: "T: first error: REQUEST_RUNNING_TOO_LONG, stopped", record: crm.Passing, call: crm.Pause, becomes: "REQUEST_RUNNING_TOO_LONG"},
	{status: 400, code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message: "T: first error: SERVER_UNAVAILABLE, down", record: crm.Passing, call: crm.Pause, becomes: "SERVER_UNAVAILABLE"},
	{status: 400, code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message: "T: first error: UNKNOWN_EXCEPTION, ErrorId 1", record: crm.Passing, call: crm.Pause, tries: 12, becomes: "UNKNOWN_EXCEPTION"},
	{status: 400, code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message: "T: first error: STORAGE_LIMIT_EXCEEDED, full", record: crm.Passing, call: crm.Pause, wait: 15 * time.Minute, callWait: 15 * time.Minute, becomes: "STORAGE_LIMIT_EXCEEDED"},
	{status: 400, code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message: "T: a callout failed: INVALID_LOGIN, INVALID_SESSION_ID", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "CANNOT_EXECUTE_FLOW_TRIGGER", message: "The flow tried to update records: unable to obtain exclusive access to this record. You can look up ExceptionCode values", record: crm.Passing, call: crm.Pause, tries: 24, becomes: "UNABLE_TO_LOCK_ROW"},
	{status: 400, code: "APEX_ERROR", message: locks, record: crm.Passing, call: crm.Pause, tries: 24, becomes: "UNABLE_TO_LOCK_ROW"},
	{status: 400, code: "FIELD_INTEGRITY_EXCEPTION", message: "There's a problem with this country", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "JSON_PARSER_ERROR", message: "Unexpected character", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "INVALID_INPUT", message: "Entity type must be specified in the attributes of each record", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "MALFORMED_QUERY", message: "unexpected token: 'x'", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "INVALID_QUERY_FILTER_OPERATOR", message: "invalid operator on a field", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "NUMBER_OUTSIDE_VALID_RANGE", message: "too large", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "INVALID_QUERY_LOCATOR", message: "invalid query locator", record: crm.Pause, call: crm.Pause},
	{status: 400, code: "MALFORMED_ID", message: "malformed id 001RM000003oLrB000", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "MISSING_ARGUMENT", message: "Id not specified in an update call", record: crm.Recorded, call: crm.Recorded},
	{status: 300, code: "MULTIPLE_CHOICES", message: "several", record: crm.Recorded, call: crm.Pause},
	{status: 400, code: "INVALID_TYPE", message: "sObject type 'Contact' is not supported.", record: crm.Pause, call: crm.Pause, wait: 15 * time.Minute, callWait: 15 * time.Minute},
	{status: 400, code: "EXCEEDED_ID_LIMIT", message: "record limit reached.", record: crm.Recorded, call: crm.Recorded},
	{status: 400, code: "LIMIT_EXCEEDED", message: "The composite subrequests number limit exceeded 25", record: crm.Recorded, call: crm.Recorded},
	{status: 414, code: "URI_TOO_LONG", message: "too long", record: crm.Recorded, call: crm.Recorded},
	{status: 405, code: "METHOD_NOT_ALLOWED", message: "HTTP Method 'X' not allowed.", record: crm.Pause, call: crm.Pause, wait: 15 * time.Minute, callWait: 15 * time.Minute},
	{status: 415, code: "UNSUPPORTED_MEDIA_TYPE", message: "Content-Type is not supported", record: crm.Pause, call: crm.Pause, wait: 15 * time.Minute, callWait: 15 * time.Minute},
	{status: 400, code: "PROCESSING_HALTED", message: "The transaction was rolled back since another operation in the same transaction failed.", record: crm.Pause, call: crm.Pause},
	{status: 412, code: "BATCH_PROCESSING_HALTED", message: "Batch processing halted per request", record: crm.Pause, call: crm.Pause},
	{status: 400, code: "ALL_OR_NONE_OPERATION_ROLLED_BACK", message: "Record rolled back", record: crm.Pause, call: crm.Pause},
	{status: 400, code: "QUERY_TIMEOUT", message: "Your query request was running for too long.", record: crm.Pause, call: crm.Pause},
	{status: 400, code: "REQUEST_RUNNING_TOO_LONG", message: "Your request was running for too long.", record: crm.Pause, call: crm.Pause},
	{status: 410, code: "UNSUPPORTED_API_VERSION", message: "retired", record: crm.Pause, call: crm.Pause, wait: 15 * time.Minute, callWait: 15 * time.Minute},
	{status: 420, code: "SOME_EDGE_CODE", message: "cannot route", record: crm.Recorded, call: crm.Pause},
	{status: 503, code: "SERVER_UNAVAILABLE", message: "down for maintenance", record: crm.Pause, call: crm.Pause},
	{status: 500, code: "UNKNOWN_EXCEPTION", message: "An unexpected error occurred.", record: crm.Passing, call: crm.Pause, tries: 12},
	{status: 403, code: "LOGIN_DURING_RESTRICTED_DOMAIN", message: "from this address", record: crm.Connection, call: crm.Connection},
	{status: 403, code: "LOGIN_DURING_RESTRICTED_TIME", message: "at this hour", record: crm.Connection, call: crm.Connection},
	{status: 401, code: "NEVER_HEARD_OF_IT", message: "?", record: crm.Recorded, call: crm.Connection},
	{status: 400, code: "NEVER_HEARD_OF_IT", message: "?", record: crm.Recorded, call: crm.Recorded},
	{status: 403, code: "NEVER_HEARD_OF_IT", message: "?", record: crm.Recorded, call: crm.Pause},
}

// locks is what a trigger says that met a row which somebody else had locked.
const locks = "ContactTrigger: execution of AfterInsert\n\ncaused by: System.DmlException: Update failed. First exception on row 0 with id 0010000000abcde; " +
	"first error: CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY, AccountTrigger: execution of AfterUpdate\n\ncaused by: first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record: []"

// changes reports whether a code may come since the fields aren't what they were.
func changes(code string) bool {
	c, _ := Provider.KnownCode(code)
	return c.Changed
}

func TestEveryKnownCodeHasItsClass(t *testing.T) {
	for _, k := range known {
		t.Run(k.code+" "+k.message, func(t *testing.T) {
			message, _ := json.Marshal(k.message)
			call := fmt.Sprintf(`[{"message":%s,"errorCode":%q,"fields":[]}]`, message, k.code)
			f := refusal(k.status, []byte(call), true, false)
			want := crm.Failure{Class: k.call, Code: cmp.Or(k.becomes, k.code), Detail: k.message, Wait: k.callWait, Tries: k.tries, Match: k.match, Unknown: k.status >= 500, Field: k.field, Changed: changes(cmp.Or(k.becomes, k.code))}
			if *f != want {
				t.Errorf("for a call: %+v, want %+v", *f, want)
			}
			if f := refusal(k.status, []byte(call), false, false); f.Unknown {
				t.Error("a read has an unknown outcome")
			}

			record := fmt.Sprintf(`[{"success":false,"id":"003000000000001AAA","errors":[{"message":%s,"statusCode":%q,"fields":[]}]}]`, message, k.code)
			results, ok := parseCollection([]byte(record), 1)
			if !ok {
				t.Fatal("not understood")
			}
			want.Class, want.Wait, want.Unknown = k.record, k.wait, false
			if f := failure(t, results[0].Err); *f != want || results[0].ID != "" {
				t.Errorf("for a record: %+v, want %+v", *f, want)
			}

			// Alone it is as of a batch, where anything is known of it.
			if _, ok := Provider.KnownCode(k.code); ok && k.status < 500 {
				if f := refusal(k.status, []byte(call), true, true); *f != want {
					t.Errorf("alone: %+v, want %+v", *f, want)
				}
			}
		})
	}
}

// The table above has every code of which anything is known, and those that the
// simulated Salesforce can answer.
func TestEveryCodeIsTried(t *testing.T) {
	tried := map[string]bool{}
	for _, k := range known {
		tried[k.code] = true
	}
	files, err := filepath.Glob("../../mocksalesforce/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	answered := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`fail\([^"]*"([A-Z]+(?:_[A-Z]+)+)"`).FindAllStringSubmatch(string(source), -1) {
			answered++
			if _, ok := Provider.KnownCode(m[1]); !ok || !tried[m[1]] {
				t.Errorf("%s, which %s answers, is not among them", m[1], file)
			}
		}
	}
	if answered < 20 {
		t.Errorf("only %d answers of the simulated Salesforce were found: this shows nothing", answered)
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
			f := refusal(test.status, []byte(test.body), true, false)
			if f.Class != crm.Pause || f.Code != test.code || f.Unknown != test.unknown {
				t.Errorf("failure %+v, want a pause, %s, unknown: %v", f, test.code, test.unknown)
			}
		})
	}
	if f := refusal(204, nil, true, false); f != nil {
		t.Errorf("a success fails with %+v", f)
	}
}

func TestARecordedDuplicateIsUnderstood(t *testing.T) {
	body := `[{"duplicateResut":{"allowSave":true,"duplicateRule":"Contacts_DR"},"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?"}]`
	f := refusal(400, []byte(body), true, false)
	if f.Class != crm.Recorded || f.Code != "DUPLICATES_DETECTED" || f.Unknown {
		t.Errorf("failure %+v", f)
	}
}

func TestFieldsAreNamedInTheDetailAlone(t *testing.T) {
	f := refusal(400, []byte(`[{"message":"Email: invalid email address: ada@","errorCode":"INVALID_EMAIL_ADDRESS","fields":["Email"]}]`), true, false)
	if f.Detail != "Email: invalid email address: ada@ (Email)" {
		t.Errorf("detail is %q", f.Detail)
	}
	if f.Error() != "record: INVALID_EMAIL_ADDRESS" {
		t.Errorf("error says %q", f.Error())
	}
}

// A failure names the field that it is about, and says whether the fields may have changed; the
// address and the names are no such fields.
func TestFailuresNameFields(t *testing.T) {
	for name, c := range map[string]struct {
		fault       string
		code, field string
		changed     bool
	}{
		"a picklist":      {`{"statusCode":"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST","message":"bad value","fields":["Kind__c"]}`, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Kind__c", true},
		"a required one":  {`{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName, Region__c]","fields":["LastName","Region__c"]}`, "REQUIRED_FIELD_MISSING", "Region__c", true},
		"no edit access":  {`{"statusCode":"INVALID_FIELD_FOR_INSERT_UPDATE","message":"Unable","fields":["Region__c"]}`, "INVALID_FIELD_FOR_INSERT_UPDATE", "Region__c", true},
		"gone":            {`{"statusCode":"INVALID_FIELD","message":"No such column 'Region__c' on sobject of type Contact","fields":[]}`, "INVALID_FIELD", "Region__c", true},
		"too long":        {`{"statusCode":"STRING_TOO_LONG","message":"Region: data value too large","fields":["Region__c"]}`, "FIELD_TOO_LONG", "Region__c", true},
		"a name too long": {`{"statusCode":"STRING_TOO_LONG","message":"First Name: data value too large","fields":["FirstName"]}`, "STRING_TOO_LONG", "", false},
		"no name":         {`{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName]","fields":["LastName"]}`, "REQUIRED_FIELD_MISSING", "", false},
		"a bad address":   {`{"statusCode":"INVALID_EMAIL_ADDRESS","message":"Email: invalid","fields":["Email"]}`, "INVALID_EMAIL_ADDRESS", "", false},
		"a rule":          {`{"statusCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","message":"'No' is no answer","fields":[]}`, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "", false},
	} {
		results, ok := parseCollection([]byte(`[{"success":false,"errors":[`+c.fault+`]}]`), 1)
		if !ok {
			t.Fatal(name)
		}
		if f := failure(t, results[0].Err); f.Code != c.code || f.Field != c.field || f.Changed != c.changed || !Provider.Knows(f.Code) {
			t.Errorf("%s: %+v", name, f)
		}
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
		if r := refusal(status, body, true, status%2 == 0); r != nil && r.Code == "" {
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
