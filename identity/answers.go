package identity

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// answer is what a token end point answers when it succeeds.
type answer struct {
	AccessToken  string
	RefreshToken string
	InstanceURL  string
	ID           string // Salesforce's URL of who it is
	Scope        string // what was granted, separated by spaces; empty when it isn't said

	field    func(name string) any // reads any of it, nil where there is none
	callback url.Values            // what the browser brought back before
	userinfo map[string]any        // what the service says of the user
	native   []string              // what the service's definition keeps; nil for nativeFields
}

// newAnswer reads the fields of an answer.
func (s Service) newAnswer(field func(name string) any) answer {
	a := answer{field: field, native: s.NativeFields}
	a.AccessToken, a.RefreshToken, a.ID = a.find("access_token"), a.find("refresh_token"), a.find("id")
	if s.InstanceField != "" {
		a.InstanceURL = a.find(s.InstanceField)
	}
	a.Scope = granted(field("scope"), field("scopes"))
	return a
}

// granted is the first list of scopes, which services write in three ways.
func granted(lists ...any) string {
	for _, list := range lists {
		switch l := list.(type) {
		case string:
			if l != "" {
				return strings.Join(strings.FieldsFunc(l, func(r rune) bool { return r == ' ' || r == ',' }), " ")
			}
		case []any:
			var all []string
			for _, scope := range l {
				all = append(all, text(scope))
			}
			return strings.Join(all, " ")
		}
	}
	return ""
}

// maxFound bounds what is kept of what find finds, in bytes.
const maxFound = 255

// find reads the first of the paths, separated by |, that leads to a text or a
// number. A path is names of fields with dots between them; one that begins with
// "callback", "id_token" or "userinfo" leads to what came there.
func (a answer) find(paths string) string {
	for path := range strings.SplitSeq(paths, "|") {
		names := strings.Split(path, ".")
		v := a.root(names[0])
		for _, name := range names[1:] {
			object, _ := v.(map[string]any)
			v = object[name]
		}
		if found := text(v); found != "" {
			return found
		}
	}
	return ""
}

func (a answer) root(name string) any {
	switch name {
	case "callback":
		fields := map[string]any{}
		for key := range a.callback {
			fields[key] = a.callback.Get(key)
		}
		return fields
	case "id_token":
		return claims(text(a.field(name)))
	case "userinfo":
		return a.userinfo
	}
	return a.field(name)
}

// named is find for an id or a name: it is empty unless it may be stored and shown.
func (a answer) named(paths string) string {
	found := a.find(paths)
	if len(found) > maxFound || strings.ContainsFunc(found, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return found
}

// text is a text or a number as it is written.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// truth is true or false, which some services put into quotes; ok is false for
// anything else.
func truth(v any) (is, ok bool) {
	switch v {
	case true, "true":
		return true, true
	case false, "false":
		return false, true
	}
	return false, false
}

// number is a number, or a text that is one; 0 for anything else.
func number(v any) float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(text(v)), 64)
	if err != nil || math.IsNaN(n) {
		return 0
	}
	return n
}

// claims are what an id token says. It came from the service itself over TLS, so
// that its signature need not be checked (OpenID Connect Core, section 3.1.3.7).
func claims(token string) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return nil
	}
	return objectOf(b)
}

// ends is when the access token runs out, counted from when it was asked for: the
// zero time when the answer doesn't say. That never means that it has run out: some
// tokens don't, and of others the API's refusal tells.
func (a answer) ends(asked time.Time) time.Time {
	if life := a.lifetime(); life > 0 {
		return asked.Add(life)
	}
	return time.Time{}
}

// lifetime is how long the access token lives, as the answer says; 0 when it doesn't,
// or says what can't be meant.
func (a answer) lifetime() time.Duration {
	seconds := number(a.find("expires_in|expires"))
	if seconds <= 0 || seconds > math.MaxInt32 {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// endsOf is ends for what was kept of an answer.
func endsOf(native string, asked time.Time) time.Time {
	return kept(native).ends(asked)
}

// kept is what was kept of an answer.
func kept(native string) answer {
	fields := fieldsOf([]byte(native))
	return answer{field: func(name string) any { return fields[name] }}
}

// fill puts into g what an answer says of whom it is for.
func (s Service) fill(a answer, g *Grant) {
	g.OrgID, g.RemoteUserID, g.OrgName = a.named(s.OrgField), a.named(s.UserField), a.named(s.NameField)
}

// refusalIn reads a service's refusal out of an answer, or returns nil.
func (s Service) refusalIn(body []byte) *OAuthError { return s.refusalOf(fieldsOf(body)) }

// refusalOf is refusalIn of an answer's fields.
func (s Service) refusalOf(fields map[string]any) *OAuthError {
	paths := s.ErrorFields
	if len(paths) == 0 {
		paths = []string{"error"}
	}
	a := answer{field: func(name string) any { return fields[name] }}
	for _, path := range paths {
		// Some say no more in one place than that it is an error.
		if code := a.find(path); code != "" && code != "error" {
			refused := refusal(code, a.find("error_description|message|error.message"))
			refused.also = []string{a.find("status"), a.find("category")}
			return refused
		}
	}
	return nil
}

// fieldsOf reads the fields of an answer, which is a JSON object or a form, whatever
// its media type says; nil when it is neither. Numbers stay as they are written.
func fieldsOf(body []byte) map[string]any {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if len(body) == 0 || bytes.ContainsAny(body[:1], "<[\"") {
		return nil
	}
	if body[0] == '{' {
		return objectOf(body)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil
	}
	fields := map[string]any{}
	for name := range form {
		fields[name] = form.Get(name)
	}
	return fields
}

// objectOf is a JSON object and nothing else.
func objectOf(body []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // an id may be longer than a float is exact, and what is too large for one is no reason to lose a token
	var fields map[string]any
	if d.Decode(&fields) != nil {
		return nil
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil
	}
	return fields
}
