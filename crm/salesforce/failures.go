package salesforce

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"gatepost/crm"
)

// The codes that the sorting below has to look at twice.
const (
	requestLimit   = "REQUEST_LIMIT_EXCEEDED"
	duplicateValue = "DUPLICATE_VALUE"
	inactiveOwner  = "INACTIVE_OWNER_OR_USER"
	textTooLong    = "STRING_TOO_LONG" // of a name
	fieldTooLong   = "FIELD_TOO_LONG"  // ours, for the same of another field
)

// aMoment is how long to wait for some of an org's long requests to end.
const aMoment = 10 * time.Second

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

// match is the id of the first record that a duplicate rule found, or of the one that
// has a value which must be unique, if it tells.
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
	if f.code() == duplicateValue {
		return namedID(f.Message)
	}
	return ""
}

var (
	idPattern    = regexp.MustCompile(`\b[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?\b`)
	digitPattern = regexp.MustCompile(`[0-9]`)
)

// namedID is the last word of a message that looks like a record's Id. The text around
// it is in the connected user's language.
func namedID(message string) string {
	words := idPattern.FindAllString(message, -1)
	for _, w := range slices.Backward(words) {
		if digitPattern.MatchString(w) {
			return w
		}
	}
	return ""
}

func (f fault) code() string {
	code := f.StatusCode
	if code == "" {
		code = f.ErrorCode
	}
	if code == textTooLong && f.field() != "" {
		return fieldTooLong
	}
	return code
}

// missingPattern finds the name in what Salesforce says of a field that isn't there, where it lists no
// fields. The text around it is in the connected user's language as a rule, but the name is in quotes.
var missingPattern = regexp.MustCompile(`'([A-Za-z][A-Za-z0-9_]*)'`)

// field is the field that a fault is about, unless that is the address or a name; empty where it isn't
// told.
func (f fault) field() string {
	for _, name := range f.Fields {
		if !slices.Contains(ours, name) {
			return name
		}
	}
	if m := missingPattern.FindStringSubmatch(f.Message); len(f.Fields) == 0 && m != nil && f.StatusCode+f.ErrorCode == "INVALID_FIELD" {
		return m[1]
	}
	if f.StatusCode+f.ErrorCode == inactiveOwner {
		return ownerField
	}
	return ""
}

// ofNames reports whether a fault is about the address or the names alone.
func (f fault) ofNames() bool { return len(f.Fields) > 0 && f.field() == "" }

// codePattern is what a code may look like. It keeps anything that a person may
// have typed out of logs and out of the database's list of causes.
var codePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{1,79}$`)

// failure sorts a fault that came for a record.
func (f fault) failure() *crm.Failure {
	code, known, _ := f.known()
	v := known.Record
	if code != f.code() && v.Class != crm.Recorded {
		// An automation met it, on the record's behalf: that says nothing about our own calls.
		v = crm.Verdict{Class: crm.Passing, Wait: v.Wait, Tries: v.Tries}
	}
	return f.as(code, v)
}

// callFailure sorts a fault that came for a call of several records, or of none.
func (f fault) callFailure() *crm.Failure {
	code, known, _ := f.known()
	out := f.as(code, known.Call)
	out.Tries = known.Record.Tries
	return out
}

// as is the failure that a verdict makes of a fault.
func (f fault) as(code string, v crm.Verdict) *crm.Failure {
	if code == requestLimit && strings.HasPrefix(f.Message, "Concurrent") {
		v.Wait = aMoment
	}
	c, _ := Provider.KnownCode(code)
	return &crm.Failure{Class: v.Class, Code: code, Wait: v.Wait, Tries: v.Tries, Detail: f.detail(), Match: f.match(),
		Field: f.field(), Changed: c.Changed && !f.ofNames()}
}

// known is the code that decides, what is known of it, and whether anything is. Where
// an automation says what it met itself, as a row that somebody else has locked, that
// decides: it may pass though the automation's own code is final.
func (f fault) known() (code string, c crm.Code, ok bool) {
	code = f.code()
	c, ok = Provider.KnownCode(code)
	if !c.Wraps {
		return code, c, ok
	}
	for _, inner := range nested(f.Message) {
		if in, ok := Provider.KnownCode(inner); ok && in.Record.Class == crm.Passing || ok && in.Record.Class == crm.Pause {
			return inner, in, true
		}
	}
	return code, c, ok
}

// nestedPattern is what a code inside a message looks like.
var nestedPattern = regexp.MustCompile(`\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b`)

// nested are the codes that a message names. A flow's message may name none, and tell of
// a lock in words.
func nested(message string) []string {
	codes := nestedPattern.FindAllString(message, -1)
	if strings.Contains(message, "unable to obtain exclusive access") {
		codes = append(codes, "UNABLE_TO_LOCK_ROW")
	}
	return codes
}

func (f fault) detail() string {
	if len(f.Fields) == 0 {
		return f.Message
	}
	return f.Message + " (" + strings.Join(f.Fields, ", ") + ")"
}

// stale tells whether a newer session may help: the token is refused, or the instance
// is elsewhere, as after My Domain was renamed.
func stale(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// refusal returns why an answer isn't a success, or nil when it is one. A write
// that was refused in Salesforce's own words did not happen. One that was answered
// by anything else, or by a server in trouble, may have. What is said of a call that
// was about one record alone is said of that record.
func refusal(status int, body []byte, write, single bool) *crm.Failure {
	if status >= 200 && status <= 299 {
		return nil
	}
	f, said := parseFault(body)
	switch {
	case !said && (status >= 400 && status <= 499 && json.Valid(body) || status == http.StatusUnauthorized):
		f = fault{ErrorCode: fmt.Sprintf("HTTP_%d", status), Message: http.StatusText(status)}
	case !said:
		return nonsense(fmt.Sprintf("HTTP status %d", status), write)
	}
	out := f.callFailure()
	if single {
		out = f.failure()
	}
	out.Unknown = write && (status >= 500 || !json.Valid(body))
	_, _, known := f.known()
	switch {
	case status == http.StatusUnauthorized:
		out.Class = crm.Connection
	case out.Class == crm.Recorded && !aboutContent(status) && !(single && known && status < 500):
		out.Class = crm.Pause
	case out.Class == crm.Recorded && !said:
		out.Class = crm.Pause
	}
	return out
}

// aboutContent tells whether a request was refused for what stands in it. With
// any other status the next request would be refused all the same, unless the code
// says better.
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
