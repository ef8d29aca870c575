package crm

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Canonical returns the one text by which a value of a type is written down, so that two texts
// of the same value are equal: "12.50" and "12.5" are one number. CRMs keep values in ways of
// their own, and Find returns the canonical text of what they keep. ok is false for a text that
// can't be a value of the type.
func Canonical(t ValueType, text string) (canonical string, ok bool) {
	text = strings.TrimSpace(text)
	switch t {
	case TypeNumber:
		return canonicalNumber(text)
	case TypeInteger:
		n, ok := canonicalNumber(text)
		return n, ok && !strings.Contains(n, ".")
	case TypeCheckbox:
		text = strings.ToLower(text)
		return text, text == "true" || text == "false"
	case TypeDate:
		_, err := time.Parse(time.DateOnly, text)
		return text, err == nil
	case TypeTime:
		at, err := time.Parse(time.RFC3339, text)
		return CanonicalTime(at), err == nil
	case TypeChoices:
		return JoinChoices(strings.Split(text, ";")), true
	}
	return strings.ReplaceAll(text, "\r\n", "\n"), true
}

// CanonicalTime is a time as TypeTime writes it down. No fraction of a second is kept: not every
// CRM keeps one.
func CanonicalTime(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05Z") }

// JoinChoices is the canonical text of several choices: each once, and sorted, since CRMs return
// them in an order of their own.
func JoinChoices(values []string) string {
	var all []string
	for _, v := range values {
		if v = strings.TrimSpace(v); v != "" {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ";")
}

// Choices are the values of TypeChoices.
func (v Value) Choices() []string {
	return strings.FieldsFunc(v.Text, func(r rune) bool { return r == ';' })
}

// canonicalNumber writes a number of JSON without an exponent and without zeros that say
// nothing. A number without an exponent keeps all its digits.
func canonicalNumber(text string) (string, bool) {
	if !json.Valid([]byte(text)) || text == "" || !strings.ContainsRune("-0123456789", rune(text[0])) {
		return text, false
	}
	if strings.ContainsAny(text, "eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return text, false
		}
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if text == "-0" {
		text = "0"
	}
	return text, true
}
