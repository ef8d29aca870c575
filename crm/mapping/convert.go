package mapping

import (
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"gatepost/crm"
)

// Cut is the mark behind a long text that was cut to what the CRM takes.
const Cut = "…"

// separator stands between several choices.
const separator = ";"

// Reason says why a value is not written.
type Reason string

// The reasons.
const (
	NoField   Reason = "no_field"   // the CRM has no such field, or it can't be written
	TooLong   Reason = "too_long"   // longer than the field takes
	NoChoice  Reason = "no_choice"  // not among the CRM's choices
	WrongType Reason = "wrong_type" // not a date, a number, …
)

// Words says in plain words why a value is not written.
func (r Reason) Words() string {
	return map[Reason]string{
		NoField: "the field is not there any more, or can’t be written", TooLong: "it is longer than the field takes",
		NoChoice: "it is not among the choices", WrongType: "it does not fit the type of the field",
	}[r]
}

// convert makes a value for a field of what a source holds, as the types are written down.
// why is empty when that goes.
func convert(text string, f crm.SchemaField) (v crm.Value, why Reason) {
	v = crm.Value{Type: f.Type}
	switch f.Type {
	case crm.TypeLongText:
		v.Text = shorten(text, f.Length)
	case crm.TypeChoices:
		v.Text = crm.JoinChoices(split(text))
	case crm.TypeDate:
		v.Text = dateOf(text)
	case crm.TypeTime:
		v.Text = timeOf(text)
	case crm.TypeCheckbox:
		v.Text = checkboxOf(text)
	case crm.TypeNumber, crm.TypeInteger:
		v.Text = numberOf(f.Type, text)
	default:
		v.Text = strings.Join(strings.Fields(text), " ")
	}
	return v, Fits(v, f)
}

// Fits says why a field doesn't take a value; empty when it does.
func Fits(v crm.Value, f crm.SchemaField) Reason {
	switch {
	case v.Text == "" || v.Type != f.Type || !wellFormed(v):
		return WrongType
	case f.Length > 0 && length(v.Text) > f.Length && limited(f.Type):
		return TooLong
	case f.Length > 0 && f.Type == crm.TypeChoices && slices.ContainsFunc(split(v.Text), func(one string) bool { return length(one) > f.Length }):
		return TooLong
	case f.Closed && f.Type == crm.TypeChoice && !has(f, v.Text):
		return NoChoice
	case f.Closed && f.Type == crm.TypeChoices && slices.ContainsFunc(split(v.Text), func(one string) bool { return !has(f, one) }):
		return NoChoice
	}
	return ""
}

// wellFormed reports whether a value is written as its type is.
func wellFormed(v crm.Value) bool {
	switch v.Type {
	case crm.TypeDate:
		return dateOf(v.Text) == v.Text
	case crm.TypeTime:
		return timeOf(v.Text) == v.Text
	case crm.TypeCheckbox:
		return checkboxOf(v.Text) == v.Text
	case crm.TypeNumber, crm.TypeInteger:
		return numberOf(v.Type, v.Text) == v.Text
	case crm.TypeChoices:
		return len(split(v.Text)) > 0
	case crm.TypeEmail:
		a, err := mail.ParseAddress(v.Text)
		return err == nil && a.Address == v.Text
	case crm.TypeURL:
		u, err := url.Parse(v.Text)
		return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
	case crm.TypeLongText:
		return strings.TrimSpace(v.Text) != ""
	}
	return !strings.ContainsAny(v.Text, "\r\n")
}

// limited reports whether the length of a field of a type is that of its text.
func limited(t crm.ValueType) bool {
	switch t {
	case crm.TypeText, crm.TypeLongText, crm.TypeChoice, crm.TypeEmail, crm.TypePhone, crm.TypeURL:
		return true
	}
	return false
}

// length counts as CRMs do at most: a character beyond the first 65,536 counts twice.
func length(text string) int { return len(utf16.Encode([]rune(text))) }

// shorten cuts a text to a length, with a mark that says so; 0 is no limit.
func shorten(text string, most int) string {
	if most <= 0 || length(text) <= most {
		return text
	}
	n, end := length(Cut), 0
	for i, r := range text {
		if n += len(utf16.Encode([]rune{r})); n > most {
			break
		}
		end = i + len(string(r))
	}
	return strings.TrimRight(text[:end], " \r\n") + Cut
}

// split are several choices, each once.
func split(text string) (all []string) {
	for one := range strings.SplitSeq(text, separator) {
		if one = strings.TrimSpace(one); one != "" && !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
}

func has(f crm.SchemaField, value string) bool {
	return slices.ContainsFunc(f.Values, func(c crm.Choice) bool { return c.Value == value })
}

// dateOf is a date, also that of a time, in UTC; empty for what is neither.
func dateOf(text string) string {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil && inRange(t) {
			return t.UTC().Format(time.DateOnly)
		}
	}
	return ""
}

// timeOf is a time in UTC, in whole seconds, also the beginning of a date; empty for what is neither.
func timeOf(text string) string {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && inRange(t) {
			return crm.CanonicalTime(t)
		}
	}
	return ""
}

// inRange reports whether a time is of those that every CRM knows.
func inRange(t time.Time) bool { return t.UTC().Year() >= 1700 && t.UTC().Year() < 4000 }

func checkboxOf(text string) string {
	if text == "true" || text == "false" {
		return text
	}
	return ""
}

// numberOf is a number as its type is written down; empty for what is none.
func numberOf(t crm.ValueType, text string) string {
	n, ok := crm.Canonical(t, text)
	if !ok {
		return ""
	}
	return n
}

// same reports whether two values of a type mean the same.
func same(t crm.ValueType, a, b string) bool {
	if a == b {
		return true
	}
	switch t {
	case crm.TypeChoices:
		return crm.JoinChoices(split(a)) == crm.JoinChoices(split(b))
	case crm.TypeNumber, crm.TypeInteger:
		x, y := numberOf(t, a), numberOf(t, b)
		return x != "" && x == y
	case crm.TypeTime:
		x, y := timeOf(a), timeOf(b)
		return x != "" && x == y
	case crm.TypeText, crm.TypeLongText: // CRMs write line ends in their own way, and leave off what is empty at the ends
		return tidy(a) == tidy(b)
	}
	return false
}

func tidy(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) }

// isEmpty reports whether a record's value counts as none: a box that nobody ticked is none.
func isEmpty(t crm.ValueType, text string) bool {
	return text == "" || t == crm.TypeCheckbox && text == "false"
}
