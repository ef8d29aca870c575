package salesforce

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"gatepost/crm"
)

// The codes that the sorting below has to look at twice.
const (
	invalidSession = "INVALID_SESSION_ID"
	requestLimit   = "REQUEST_LIMIT_EXCEEDED"
)

// The shortest pauses that make sense where Salesforce gives none.
const (
	aMoment = 10 * time.Second // until a few long requests have ended
	aWhile  = 15 * time.Minute // until an hour of the rolling day, or a person, makes room
)

// verdict is what a code means.
type verdict struct {
	class crm.Class
	wait  time.Duration
}

// verdicts sorts the codes that don't concern a single record. What isn't in it,
// the unknown included, concerns the record that it came for.
var verdicts = map[string]verdict{
	invalidSession:                            {class: crm.Pause},
	requestLimit:                              {crm.Pause, aWhile},
	"STORAGE_LIMIT_EXCEEDED":                  {crm.Pause, aWhile},
	"UNABLE_TO_LOCK_ROW":                      {class: crm.Pause},
	"SERVER_UNAVAILABLE":                      {class: crm.Pause},
	"QUERY_TIMEOUT":                           {class: crm.Pause},
	"REQUEST_RUNNING_TOO_LONG":                {class: crm.Pause},
	"TOO_MANY_APEX_REQUESTS":                  {class: crm.Pause},
	"FUNCTIONALITY_TEMPORARILY_UNAVAILABLE":   {class: crm.Pause},
	"PROCESSING_HALTED":                       {class: crm.Pause},
	"ALL_OR_NONE_OPERATION_ROLLED_BACK":       {class: crm.Pause},
	"API_DISABLED_FOR_ORG":                    {class: crm.Connection},
	"API_CURRENTLY_DISABLED":                  {class: crm.Connection},
	"CLIENT_NOT_ACCESSIBLE_FOR_USER":          {class: crm.Connection},
	"CLIENT_REQUIRE_UPDATE_FOR_USER":          {class: crm.Connection},
	"INVALID_AUTH_HEADER":                     {class: crm.Connection},
	"INVALID_CLIENT":                          {class: crm.Connection},
	"INVALID_LOGIN":                           {class: crm.Connection},
	"INVALID_OPERATION_WITH_EXPIRED_PASSWORD": {class: crm.Connection},
	"LOGIN_DURING_RESTRICTED_DOMAIN":          {class: crm.Connection},
	"LOGIN_DURING_RESTRICTED_TIME":            {class: crm.Connection},
	"ORG_LOCKED":                              {class: crm.Connection},
	"PASSWORD_LOCKOUT":                        {class: crm.Connection},
	"TRIAL_EXPIRED":                           {class: crm.Connection},
}

// callVerdicts are codes that concern a record when they come for a record, and
// everybody when they come for a whole call: the user may not see Contacts or one
// of the fields, say. It goes on by itself once an admin has mended it.
var callVerdicts = map[string]verdict{
	"INVALID_TYPE":                    {crm.Pause, aWhile},
	"INVALID_FIELD":                   {crm.Pause, aWhile},
	"NOT_FOUND":                       {crm.Pause, aWhile},
	"INSUFFICIENT_ACCESS":             {crm.Pause, aWhile},
	"INSUFFICIENT_ACCESS_OR_READONLY": {crm.Pause, aWhile},
	"FUNCTIONALITY_NOT_ENABLED":       {crm.Pause, aWhile},
}

// fault is one entry of an error body. Records of a Collections call have a
// statusCode where everything else has an errorCode.
type fault struct {
	Message    string   `json:"message"`
	ErrorCode  string   `json:"errorCode"`
	StatusCode string   `json:"statusCode"`
	Fields     []string `json:"fields"`

	// What a duplicate rule found, spelt as Salesforce spells it, and as it should be.
	Misspelt  duplicates `json:"duplicateResut"`
	Duplicate duplicates `json:"duplicateResult"`
}

// duplicates is what a duplicate rule found. Collections calls don't tell it.
type duplicates struct {
	Results []struct {
		Records []struct {
			Record struct {
				ID string `json:"Id"`
			} `json:"record"`
		} `json:"matchRecords"`
	} `json:"matchResults"`
}

// match is the id of the first record that a duplicate rule found, if it tells.
func (f fault) match() string {
	for _, d := range []duplicates{f.Misspelt, f.Duplicate} {
		for _, r := range d.Results {
			for _, m := range r.Records {
				if isID(m.Record.ID) {
					return m.Record.ID
				}
			}
		}
	}
	return ""
}

func (f fault) code() string {
	if f.StatusCode != "" {
		return f.StatusCode
	}
	return f.ErrorCode
}

// codePattern is what a code may look like. It keeps anything that a person may
// have typed out of logs and out of the database's list of causes.
var codePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{1,79}$`)

// failure sorts a fault that came for a record.
func (f fault) failure() *crm.Failure {
	v, ok := verdicts[f.code()]
	if !ok {
		v.class = crm.Recorded
	}
	v = f.reconsidered(v)
	return &crm.Failure{Class: v.class, Code: f.code(), Wait: v.wait, Detail: f.detail(), Match: f.match()}
}

// callFailure sorts a fault that came for a whole call.
func (f fault) callFailure() *crm.Failure {
	out := f.failure()
	if v, ok := callVerdicts[out.Code]; ok {
		out.Class, out.Wait = v.class, v.wait
	}
	return out
}

// reconsidered corrects a verdict where the code alone says too little. These are
// the only messages that we read; they are Salesforce's own, not translated.
func (f fault) reconsidered(v verdict) verdict {
	switch {
	case f.code() == invalidSession && strings.Contains(f.Message, "not valid for use with the REST API"):
		v.class = crm.Connection
	case f.code() == requestLimit && strings.HasPrefix(f.Message, "Concurrent"):
		v.wait = aMoment
	}
	return v
}

func (f fault) detail() string {
	if len(f.Fields) == 0 {
		return f.Message
	}
	return f.Message + " (" + strings.Join(f.Fields, ", ") + ")"
}

// expired tells whether a newer session may help.
func expired(f *crm.Failure) bool {
	return f.Code == invalidSession && f.Class == crm.Pause
}

// refusal returns why an answer isn't a success, or nil when it is one. A write
// that was refused in Salesforce's own words did not happen. One that was answered
// by anything else, or by a server in trouble, may have.
func refusal(status int, body []byte, write bool) *crm.Failure {
	if status >= 200 && status <= 299 {
		return nil
	}
	f, ok := parseFault(body)
	switch {
	case !ok && status >= 400 && status <= 499 && json.Valid(body):
		return &crm.Failure{Class: crm.Pause, Code: fmt.Sprintf("HTTP_%d", status), Detail: http.StatusText(status)}
	case !ok:
		return nonsense(fmt.Sprintf("HTTP status %d", status), write)
	}
	out := f.callFailure()
	if status >= 500 {
		out.Unknown = write
	}
	if out.Class == crm.Recorded && !aboutContent(status) {
		out.Class = crm.Pause
	}
	return out
}

// aboutContent tells whether a request was refused for what stands in it. With
// any other status the next request would be refused all the same.
func aboutContent(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong:
		return true
	}
	return false
}

// nonsense is the failure of an answer that can't be made sense of.
func nonsense(detail string, unknown bool) *crm.Failure {
	return &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Detail: detail, Unknown: unknown}
}

// parseFault reads the first fault of an error body: always an array in core REST.
func parseFault(body []byte) (fault, bool) {
	var faults []fault
	if json.Unmarshal(body, &faults) != nil {
		return fault{}, false
	}
	return firstFault(faults)
}

func firstFault(faults []fault) (fault, bool) {
	if len(faults) == 0 || !codePattern.MatchString(faults[0].code()) {
		return fault{}, false
	}
	return faults[0], true
}
