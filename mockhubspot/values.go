package mockhubspot

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"
)

// maxText is how many characters a text may have.
const maxText = 65_536

var (
	localPart = regexp.MustCompile("^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")
	hostPart  = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
)

// testDomains are top-level domains that nobody owns. The real service refuses them; here
// they are how tests and the demo name addresses.
var testDomains = []string{"example", "test"}

// goodEmail reports whether an address in lower case passes the check, which knows the
// top-level domains that there are.
func (v *settings) goodEmail(s string) bool {
	local, host, ok := strings.Cut(s, "@")
	if !ok || len(s) > v.EmailMaxLength || len(local) > 64 || !localPart.MatchString(local) || !hostPart.MatchString(host) {
		return false
	}
	if strings.ContainsAny(s, v.EmailRefused) {
		return false
	}
	// What the list doesn't know comes back as one label.
	suffix, managed := publicsuffix.PublicSuffix(host)
	return managed || strings.Contains(suffix, ".") || slices.Contains(testDomains, suffix)
}

// clean checks what a client wants to write and returns it as text, or why it is refused.
func (v *settings) clean(org string, all *schema, in map[string]any) (map[string]string, *apiError) {
	out := make(map[string]string, len(in))
	var problems []problem
	for _, name := range slices.Sorted(maps.Keys(in)) {
		value, ok := asText(in[name])
		if !ok {
			return nil, invalid("Invalid input JSON: the value of " + name + " must be a string")
		}
		p := all.property(name)
		if p == nil {
			problems = append(problems, problem{Name: name, Code: "PROPERTY_DOESNT_EXIST", Message: fmt.Sprintf("Property %q does not exist", name)})
			continue
		}
		value, code, message := v.cleanValue(p, value)
		if code != "" {
			problems = append(problems, problem{Name: name, Code: code, Message: message})
			continue
		}
		out[name] = value
	}
	if len(problems) > 0 {
		return nil, badValues(org, problems)
	}
	return out, nil
}

// asText reads a value as JSON may write it. Null clears, as an empty text does.
func asText(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// cleanValue checks one value. A code says why it is refused.
func (v *settings) cleanValue(p *property, value string) (clean, code, message string) {
	if p.readOnly {
		return "", "READ_ONLY_VALUE", fmt.Sprintf("%q is a read only property; its value cannot be set.", p.Name)
	}
	if p.Name == "email" {
		value = strings.ToLower(strings.TrimSpace(value))
	}
	if value == "" {
		return "", "", ""
	}
	if code, message = v.checkType(p, value); code == "" {
		code, message = v.checkRules(p, value)
	}
	return kept(p, value), code, message
}

// kept is a value as it is told afterwards: a day as one, and a moment with its milliseconds.
func kept(p *property, value string) string {
	layout := map[string]string{"date": time.DateOnly, "datetime": "2006-01-02T15:04:05.000Z"}[p.Type]
	if layout == "" {
		return value
	}
	if isNumber(value) {
		return time.UnixMilli(number(value)).UTC().Format(layout)
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return at.UTC().Format(layout)
	}
	return value
}

func (v *settings) checkType(p *property, value string) (code, message string) {
	switch p.Type {
	case "number":
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return "INVALID_INTEGER", value + " was not a valid number."
		}
	case "date":
		if !isDate(value) {
			return "INVALID_DATE", value + " was not a valid date."
		}
	case "datetime":
		if _, err := time.Parse(time.RFC3339, value); err != nil && !isNumber(value) {
			return "INVALID_DATE", value + " was not a valid date."
		}
	case "bool", "enumeration":
		return checkOptions(p, value)
	}
	switch {
	case p.Name == "email" && !v.goodEmail(value):
		return "INVALID_EMAIL", "Email address " + value + " is invalid"
	case utf8.RuneCountInString(value) > maxText:
		return "PROPERTY_TOO_LONG", fmt.Sprintf("The value of %q has more than %d characters", p.Name, maxText)
	}
	return "", ""
}

func isNumber(value string) bool {
	_, err := strconv.ParseInt(value, 10, 64)
	return err == nil
}

// isDate reports whether a value is a day: written as one, or midnight of UTC in milliseconds.
func isDate(value string) bool {
	if _, err := time.Parse(time.DateOnly, value); err == nil {
		return true
	}
	ms, err := strconv.ParseInt(value, 10, 64)
	return err == nil && ms%86_400_000 == 0
}

func checkOptions(p *property, value string) (code, message string) {
	parts := []string{value}
	if p.FieldType == "checkbox" {
		parts = strings.Split(strings.Trim(value, ";"), ";")
	}
	for _, part := range parts {
		if !p.has(part) {
			var all []string
			for _, o := range p.Options {
				all = append(all, o.Value)
			}
			return "INVALID_OPTION", fmt.Sprintf("%s was not one of the allowed options: [%s]", part, strings.Join(all, ", "))
		}
	}
	return "", ""
}

// ruleTypes are the validation rules that an account may define: each reports whether a
// value keeps it.
var ruleTypes = map[string]func(value string, arguments []string) bool{
	"MAX_LENGTH": func(value string, a []string) bool { return utf8.RuneCountInString(value) <= int(number(a[0])) },
	"MIN_LENGTH": func(value string, a []string) bool { return utf8.RuneCountInString(value) >= int(number(a[0])) },
	"REGEX": func(value string, a []string) bool {
		ok, err := regexp.MatchString(a[0], value)
		return ok && err == nil
	},
	"ALPHANUMERIC": func(value string, a []string) bool {
		return !strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsDigit(r) && (a[0] == "NUMERIC_ONLY" || !unicode.IsLetter(r)) })
	},
	"WHITESPACE": func(value string, _ []string) bool { return !strings.ContainsFunc(value, unicode.IsSpace) },
	"SPECIAL_CHARACTERS": func(value string, _ []string) bool {
		return !strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsSpace(r) })
	},
	"EMAIL_ALLOWED_DOMAINS": func(value string, a []string) bool { return slices.Contains(a, domainOf(value)) },
	"EMAIL_BLOCKED_DOMAINS": func(value string, a []string) bool { return !slices.Contains(a, domainOf(value)) },
}

func domainOf(email string) string { return email[strings.LastIndexByte(email, '@')+1:] }

// check refuses a rule that makes no sense.
func (r rule) check() error {
	if r.Property == "" || ruleTypes[r.Type] == nil {
		return fmt.Errorf("a validation rule needs a property, and a type such as MAX_LENGTH, not %q", r.Type)
	}
	switch r.Type {
	case "WHITESPACE", "SPECIAL_CHARACTERS":
		return nil
	}
	if len(r.Arguments) == 0 {
		return fmt.Errorf("the validation rule %s needs arguments", r.Type)
	}
	if strings.HasSuffix(r.Type, "_LENGTH") && !isNumber(r.Arguments[0]) {
		return fmt.Errorf("the argument of %s must be a number, not %q", r.Type, r.Arguments[0])
	}
	if _, err := regexp.Compile(r.Arguments[0]); r.Type == "REGEX" && err != nil {
		return err
	}
	return nil
}

// checkRules checks a value against the validation rules of the account.
func (v *settings) checkRules(p *property, value string) (code, message string) {
	for _, r := range v.Rules {
		if r.Property == p.Name && !ruleTypes[r.Type](value, r.Arguments) {
			return v.RuleErrorCode, fmt.Sprintf("%q breaks the validation rule %s of property %q", value, r.Type, p.Name)
		}
	}
	return "", ""
}
