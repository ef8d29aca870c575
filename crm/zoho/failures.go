package zoho

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"gatepost/crm"
)

// The codes of Zoho's that are looked at more than once.
const (
	invalidData   = "INVALID_DATA"
	invalidToken  = "INVALID_TOKEN"
	invalidQuery  = "INVALID_QUERY"
	duplicateData = "DUPLICATE_DATA"
	converted     = "ID_ALREADY_CONVERTED"
	noPermission  = "NO_PERMISSION"
	severalErrors = "MULTIPLE_OR_MULTI_ERRORS"
	mandatory     = "MANDATORY_NOT_FOUND"
	tooMany       = "TOO_MANY_REQUESTS"
	scopeMismatch = "OAUTH_SCOPE_MISMATCH"
)

// The codes that we tell apart where Zoho has one for several things.
const (
	apiAccessOff   = "API_ACCESS_OFF"  // NO_PERMISSION for any call
	emailRefused   = "EMAIL_INVALID"   // INVALID_DATA in the address
	nameTooLong    = "NAME_TOO_LONG"   // INVALID_DATA with the length that there is
	noSuchRecord   = "ID_INVALID"      // INVALID_DATA in an id
	noSuchField    = "FIELD_UNKNOWN"   // INVALID_QUERY for a column
	duplicateEmail = "DUPLICATE_EMAIL" // DUPLICATE_DATA in the address, without the other's id
)

// apiAccess is the permission without which a user may call nothing.
const apiAccess = "Crm_Implied_Api_Access"

// text is a string, or a number as it is written: ids have more digits than a float.
type text string

// UnmarshalJSON takes what is neither for nothing.
func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	var n json.Number
	switch {
	case json.Unmarshal(data, &s) == nil:
		*t = text(s)
	case json.Unmarshal(data, &n) == nil:
		*t = text(n)
	default:
		*t = ""
	}
	return nil
}

// fault is how Zoho refuses a call, or a row of one.
type fault struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Status  string          `json:"status"`
	Details json.RawMessage `json:"details"`
}

// details are what a fault tells beside its code.
type details struct {
	APIName   string `json:"api_name"`
	Column    string `json:"column_name"`
	ID        text   `json:"id"`
	MaxLength text   `json:"maximum_length"`
	Duplicate struct {
		ID     text `json:"id"`
		Module struct {
			APIName string `json:"api_name"`
		} `json:"module"`
	} `json:"duplicate_record"`
	Permissions []string `json:"permissions"`
	Errors      []fault  `json:"errors"`
}

// details reads them; those of another shape tell nothing.
func (f fault) details() (d details) {
	if json.Unmarshal(f.Details, &d) != nil {
		return details{}
	}
	return d
}

// all are a fault, or the several that it stands for.
func (f fault) all() []fault {
	if f.Code == severalErrors {
		if inner := f.details().Errors; len(inner) > 0 {
			return inner
		}
	}
	return []fault{f}
}

// code is Zoho's code, or ours where Zoho has one for several things.
func (f fault) code() string {
	d := f.details()
	switch {
	case f.Code == noPermission && strings.Contains(strings.Join(d.Permissions, " "), apiAccess):
		return apiAccessOff
	case f.Code == invalidData && d.APIName == emailField:
		return emailRefused
	case f.Code == invalidData && d.MaxLength != "" && (d.APIName == "First_Name" || d.APIName == "Last_Name"):
		return nameTooLong
	case f.Code == invalidQuery && d.Column != "" && d.Column != convertedField:
		return noSuchField
	case f.Code == invalidData && (d.APIName == "id" || d.APIName == "" && d.ID != ""):
		return noSuchRecord
	}
	return f.Code
}

// match is the id of the record that has the same value, where Zoho tells: it does so in
// several places.
func (f fault) match() string {
	for _, one := range f.all() {
		if one.Code != duplicateData {
			continue
		}
		d := one.details()
		module := contacts
		if d.Duplicate.Module.APIName == leads {
			module = leads
		}
		for _, number := range []text{d.Duplicate.ID, d.ID} {
			if isNumber(string(number)) {
				return module + "/" + string(number)
			}
		}
	}
	return ""
}

// ofPerson reports whether a record was refused for nothing but that its person is there:
// another one has the address, in a field that is unique.
func (f fault) ofPerson(key string) bool {
	for _, one := range f.all() {
		name := one.details().APIName
		if one.Code != duplicateData || name == "" || name != emailField && name != key {
			return false
		}
	}
	return true
}

// codePattern is what a code may look like. It keeps anything that a person may have
// typed out of logs and out of the database's list of causes.
var codePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{1,79}$`)

// failure sorts a fault that came for a record.
func (f fault) failure() *crm.Failure {
	known, _ := Provider.KnownCode(f.code())
	return f.as(known.Record)
}

// callFailure sorts a fault that came for a call of several records, or of none.
func (f fault) callFailure() *crm.Failure {
	known, _ := Provider.KnownCode(f.code())
	out := f.as(known.Call)
	out.Tries = known.Record.Tries
	return out
}

// as is the failure that a verdict makes of a fault.
func (f fault) as(v crm.Verdict) *crm.Failure {
	c, _ := Provider.KnownCode(f.code())
	return &crm.Failure{Class: v.Class, Code: f.code(), Wait: v.Wait, Tries: v.Tries, Detail: f.detail(), Match: f.match(),
		Field: f.field(), Changed: c.Changed && !f.ofNames()}
}

// field is the field that a fault is about, unless that is the address, a name or the id; empty where it
// isn't told.
func (f fault) field() string {
	d := f.details()
	for _, name := range []string{d.APIName, d.Column} {
		if name != "" && name != "id" && !slices.Contains(ours, name) {
			return name
		}
	}
	return ""
}

// ofNames reports whether a fault is about the address or the names alone.
func (f fault) ofNames() bool { return slices.Contains(ours, f.details().APIName) }

// detail is what Zoho said, with the field that it said it of.
func (f fault) detail() string {
	d := f.details()
	said := f.Message
	if d.APIName != "" {
		said += " (" + d.APIName + ")"
	}
	if d.MaxLength != "" {
		said += ", at most " + string(d.MaxLength) + " characters"
	}
	return said
}

// refusal returns why an answer isn't a success, or nil when it is one, or has rows to
// read. A write that was refused in Zoho's own words did not happen; but whether 429
// always comes before the work is not documented. One that was answered by anything else,
// or by a server in trouble, may have happened.
func refusal(a answer, r request) *crm.Failure {
	if a.status >= 200 && a.status <= 299 {
		return nil
	}
	f, said, wrapped := parseFault(a.body)
	if r.rows && wrapped && (a.status == http.StatusBadRequest || a.status == http.StatusPreconditionFailed) {
		return nil
	}
	inJSON := json.Valid(a.body)
	switch {
	case a.status == http.StatusTooManyRequests:
		f.Code = tooMany
	case !said && inJSON && a.status >= 400 && a.status <= 499:
		f = fault{Code: fmt.Sprintf("HTTP_%d", a.status), Message: http.StatusText(a.status)}
	case !said:
		return nonsense(fmt.Sprintf("HTTP status %d", a.status), r.write)
	}
	out := f.callFailure()
	out.Unknown = r.write && (a.status >= 500 || a.status == http.StatusTooManyRequests || !inJSON)
	return sorted(out, a.status)
}

// sorted corrects the class of a failure by the status that it came with. What isn't about
// the content of a request would be refused the next time, too.
func sorted(f *crm.Failure, status int) *crm.Failure {
	switch {
	case status == http.StatusUnauthorized:
		f.Class = crm.Connection
	case f.Class == crm.Recorded && status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge:
		f.Class = crm.Pause
	}
	return f
}

// nonsense is the failure of an answer that can't be made sense of.
func nonsense(detail string, unknown bool) *crm.Failure {
	return &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Detail: detail, Unknown: unknown}
}

// parseFault reads the first fault of an answer; wrapped tells that it stands among rows,
// as it may for a whole call, too.
func parseFault(body []byte) (f fault, said, wrapped bool) {
	var in struct {
		fault
		Data []fault `json:"data"`
	}
	if json.Unmarshal(body, &in) != nil {
		return fault{}, false, false
	}
	if len(in.Data) > 0 {
		return in.Data[0], codePattern.MatchString(in.Data[0].Code), true
	}
	return in.fault, codePattern.MatchString(in.Code), false
}
