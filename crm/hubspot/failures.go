package hubspot

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatepost/crm"
)

// The codes that are looked at twice. Those that HubSpot has no word for are ours.
const (
	conflicted    = "CONFLICT"
	notFound      = "OBJECT_NOT_FOUND"
	missingScopes = "MISSING_SCOPES"
	badRequest    = "VALIDATION_ERROR"
	duplicateIDs  = "DUPLICATE_IDS"
	tooLarge      = "REQUEST_TOO_LARGE"
	locked        = "LOCKED"
	moving        = "MIGRATION_IN_PROGRESS"
	forbidden     = "FORBIDDEN"
	windowUsed    = "TEN_SECONDLY_ROLLING"
	secondUsed    = "SECONDLY"
	dayUsed       = "DAILY"
	rateLimit     = "RATE_LIMIT"
	rateLimits    = "RATE_LIMITS"
)

// Statuses that net/http has no name for.
const (
	statusMoving = 477 // the account is being moved between data centres
	statusNoWord = 524 // HubSpot's edge got no answer in time
)

// The shortest pauses that make sense, and the longest one that HubSpot may ask for.
const (
	theWindow  = 10 * time.Second
	unlock     = 2 * time.Second
	moveTakes  = 15 * time.Minute
	longest    = 24 * time.Hour
	aSecond    = time.Second
	secretMark = "…"
)

// fault is an error body, or one of the errors of a batch. Every member may be missing.
type fault struct {
	Message       string          `json:"message"`
	Category      string          `json:"category"`
	ErrorType     string          `json:"errorType"`
	PolicyName    string          `json:"policyName"`
	CorrelationID string          `json:"correlationId"`
	Errors        []reason        `json:"errors"`
	Context       map[string]list `json:"context"`
}

// reason is one of several reasons for a refusal.
type reason struct {
	Message string          `json:"message"`
	Code    string          `json:"code"`
	Context map[string]list `json:"context"`
}

// list is a list of texts, which may come as one text or as numbers.
type list []string

// UnmarshalJSON takes what there is, and leaves out what can't be a text.
func (l *list) UnmarshalJSON(b []byte) error {
	var many []json.RawMessage
	if json.Unmarshal(b, &many) != nil {
		many = []json.RawMessage{b}
	}
	for _, one := range many {
		var text string
		var n json.Number
		switch {
		case json.Unmarshal(one, &text) == nil && text != "":
			*l = append(*l, text)
		case json.Unmarshal(one, &n) == nil && n != "":
			*l = append(*l, n.String())
		}
	}
	return nil
}

// problem is what is wrong with the value of a property.
type problem struct{ Code, Property, Rule string }

// problems are what a refusal of values says: JSON inside the message, or the reasons.
func (f fault) problems() (all []problem) {
	const before = "Property values were not valid:"
	if _, text, ok := strings.Cut(f.Message, before); ok {
		var told []struct{ Error, Name, Message string }
		if json.NewDecoder(strings.NewReader(text)).Decode(&told) == nil {
			for _, t := range told {
				all = append(all, problem{t.Error, t.Name, ruleIn(t.Message)})
			}
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, r := range f.Errors {
		p := problem{Code: r.Code, Rule: ruleIn(r.Message)}
		if names := r.Context["propertyName"]; len(names) > 0 {
			p.Property = names[0]
		}
		all = append(all, p)
	}
	return all
}

// field is the property that a fault with a code is about, unless that is the address or a name; empty
// where it isn't told.
func (f fault) field(code string) string {
	for _, p := range f.problems() {
		if asCode(p.Code) == code && !slices.Contains(ours, p.Property) {
			return p.Property
		}
	}
	return ""
}

// rulePattern finds the type of the validation rule that a message names.
var rulePattern = regexp.MustCompile(`\b(?:MAX_LENGTH|MIN_LENGTH|REGEX|ALPHANUMERIC|EMAIL_ALLOWED_DOMAINS|EMAIL_BLOCKED_DOMAINS|WHITESPACE|SPECIAL_CHARACTERS)\b`)

func ruleIn(message string) string { return rulePattern.FindString(message) }

// codePattern is what a code may look like. It keeps anything that a person may have typed
// out of logs and out of the database's list of causes.
var codePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{1,79}$`)

// code is the most telling code of a fault, in capitals; empty where it has none.
func (f fault) code() string {
	if limited := f.limit(); limited != "" {
		return limited
	}
	if f.Category == badRequest || f.Category == "" {
		var unknown string
		for _, p := range f.problems() {
			code := asCode(p.Code)
			if _, known := Provider.KnownCode(code); known {
				return code
			}
			if unknown == "" {
				unknown = code
			}
		}
		switch {
		case unknown != "":
			return unknown
		case strings.HasPrefix(f.Message, "Duplicate IDs"):
			return duplicateIDs
		}
	}
	return asCode(f.Category)
}

func asCode(s string) string {
	if !codePattern.MatchString(s) {
		return ""
	}
	return strings.ToUpper(s)
}

// limit is the limit that a fault is about, which may come with any status; empty for none.
func (f fault) limit() string {
	if f.Category != rateLimits && f.ErrorType != rateLimit && f.PolicyName == "" {
		return ""
	}
	switch policy := asCode(f.PolicyName); {
	case policy != "":
		return policy
	case strings.Contains(f.Message, "ten_secondly"):
		return windowUsed
	case strings.Contains(f.Message, "secondly"):
		return secondUsed
	case strings.Contains(f.Message, "daily"):
		return dayUsed
	}
	return rateLimits
}

// existing is the id of the contact that is in the way of a new one, empty where it isn't told.
func (f fault) existing() string {
	if ids := f.Context["existingId"]; len(ids) > 0 {
		return ids[0]
	}
	if m := existingPattern.FindStringSubmatch(f.Message); m != nil {
		return m[1]
	}
	return ""
}

var existingPattern = regexp.MustCompile(`Existing ID: ([A-Za-z0-9-]+)`)

// detail is what HubSpot said, for people: no address and no name, but the id that its
// support asks for.
func (f fault) detail(h http.Header) string {
	var said []string
	for _, p := range f.problems() {
		if code := asCode(p.Code); code != "" && asCode(p.Property) != "" {
			said = append(said, strings.TrimSpace(p.Property+": "+code+" "+p.Rule))
		}
	}
	text := strings.Join(said, ", ")
	if scopes := f.scopes(); text == "" && len(scopes) > 0 {
		text = "Scopes of which one is required: " + strings.Join(scopes, ", ")
	}
	if text == "" && f.Category != badRequest {
		text = withoutAddresses(f.Message)
	}
	if id := correlation(f.CorrelationID, h); id != "" {
		text = strings.TrimSpace(text + " (correlation ID " + id + ")")
	}
	return text
}

// scopes are those of which HubSpot misses one.
func (f fault) scopes() (all []string) {
	for _, r := range f.Errors {
		all = append(all, r.Context["requiredGranularScopes"]...)
	}
	return all
}

var correlationPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func correlation(id string, h http.Header) string {
	for _, id := range []string{id, h.Get("X-HubSpot-Correlation-Id")} {
		if correlationPattern.MatchString(id) {
			return id
		}
	}
	return ""
}

// withoutAddresses hides what may be an address in a message.
func withoutAddresses(message string) string {
	words := strings.Fields(message)
	for i, w := range words {
		if strings.Contains(w, "@") {
			words[i] = secretMark
		}
	}
	return strings.Join(words, " ")
}

// failure is the failure of the one record that a fault came for.
func (f fault) failure(h http.Header) *crm.Failure {
	code := f.code()
	if code == "" {
		code = badRequest
	}
	c, _ := Provider.KnownCode(code)
	return &crm.Failure{Class: c.Record.Class, Code: code, Wait: c.Record.Wait, Tries: c.Record.Tries, Detail: f.detail(h), Match: f.existing(),
		Field: f.field(code), Changed: c.Changed}
}

// refusal returns why an answer isn't a success, or nil when it is one. A write that was
// refused in HubSpot's own words did not happen. One that was answered by anything else, or
// by a server in trouble, may have. What is said of a call that was about one record alone is
// said of that record.
func (c *Client) refusal(a answer, r request, p *portal) *crm.Failure {
	f, said := parseFault(a)
	limited := ""
	if said {
		limited = f.limit()
	}
	switch {
	case limited != "" && a.status > 299:
		return c.limited(limited, f, a, p)
	case a.status == http.StatusNoContent:
		return nil
	case a.status >= 200 && a.status <= 299 && a.isJSON() && json.Valid(a.body):
		return nil
	case a.status == http.StatusLocked:
		return f.pause(locked, max(unlock, retryAfter(a.header, c.now())), a.header)
	case a.status == statusMoving:
		wait := retryAfter(a.header, c.now())
		if wait == 0 {
			wait = moveTakes
		}
		return f.pause(moving, wait, a.header)
	case a.status == http.StatusTooManyRequests:
		return c.limited(rateLimits, f, a, p)
	case a.status == statusNoWord:
		return &crm.Failure{Class: crm.Pause, Code: crm.TimedOut, Detail: f.detail(a.header), Unknown: r.write}
	case !said || a.status >= 500 || a.status <= 299:
		return nonsense(strings.TrimSpace(fmt.Sprintf("HTTP status %d %s", a.status, f.detail(a.header))), r.write)
	}
	return f.refused(a, r.single)
}

// refused sorts a refusal in HubSpot's own words that came for a whole call.
func (f fault) refused(a answer, single bool) *crm.Failure {
	code := f.code()
	switch {
	case a.status == http.StatusRequestEntityTooLarge || a.status == http.StatusRequestURITooLong:
		code = tooLarge
	case code == "" && a.status == http.StatusForbidden:
		code = forbidden
	case code == "" && a.status == http.StatusBadRequest:
		code = badRequest
	case code == "" && a.status == http.StatusConflict:
		code = conflicted
	case code == "":
		code = "HTTP_" + strconv.Itoa(a.status)
	}
	known, _ := Provider.KnownCode(code)
	verdict := known.Call
	if single && aboutContent(a.status) {
		verdict = known.Record
	}
	out := &crm.Failure{Class: verdict.Class, Code: code, Wait: verdict.Wait, Tries: known.Record.Tries, Detail: f.detail(a.header), Match: f.existing(),
		Field: f.field(code), Changed: known.Changed}
	switch {
	case a.status == http.StatusUnauthorized:
		out.Class = crm.Connection
	case out.Class == crm.Recorded && !aboutContent(a.status):
		out.Class = crm.Pause
	}
	return out
}

// aboutContent tells whether a request was refused for what stands in it. With any other
// status the next request would be refused all the same.
func aboutContent(status int) bool {
	return slices.Contains([]int{http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusUnprocessableEntity}, status)
}

// pause is a failure that stops everybody for a while.
func (f fault) pause(code string, wait time.Duration, h http.Header) *crm.Failure {
	return &crm.Failure{Class: crm.Pause, Code: code, Wait: wait, Detail: f.detail(h)}
}

// limited is the failure of a call beyond a limit: HubSpot doesn't say how long to wait as
// a rule, but its kinds of limit tell.
func (c *Client) limited(code string, f fault, a answer, p *portal) *crm.Failure {
	wait := retryAfter(a.header, c.now())
	switch {
	case wait > 0:
	case code == dayUsed:
		wait = p.midnight(c.now())
	case code == secondUsed:
		wait = aSecond
	default:
		wait = theWindow
	}
	return f.pause(code, wait, a.header)
}

// retryAfter is how long HubSpot asks to wait: seconds, or a time. It is 0 where it doesn't ask.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	wait := time.Duration(0)
	if n, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(n, int(longest/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), longest)
}

// nonsense is the failure of an answer that can't be made sense of.
func nonsense(detail string, unknown bool) *crm.Failure {
	return &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Detail: detail, Unknown: unknown}
}

// parseFault reads an error body. Whatever isn't one of HubSpot's says nothing.
func parseFault(a answer) (f fault, ok bool) {
	if a.status <= 299 || !a.isJSON() || json.Unmarshal(a.body, &f) != nil {
		return fault{}, false
	}
	return f, f.Message != "" || f.Category != ""
}
