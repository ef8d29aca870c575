package mocksalesforce

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// test decides whether a record is wanted.
type test func(*record) bool

// column finds the field that a query names, with or without the object's name before it.
func (o *object) column(name string) (*field, error) {
	if prefix, rest, ok := strings.Cut(name, "."); ok {
		if !strings.EqualFold(prefix, o.Name) {
			return nil, fail(http.StatusBadRequest, "INVALID_FIELD",
				fmt.Sprintf("Didn't understand relationship '%s' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name.", prefix))
		}
		name = rest
	}
	if f := o.field(name); f != nil {
		return f, nil
	}
	return nil, fail(http.StatusBadRequest, "INVALID_FIELD", fmt.Sprintf("No such column '%s' on entity '%s'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.", name, o.Name))
}

// compile turns a condition into a test, checking names and types. Date literals such as
// TODAY are about the day of at.
func compile(o *object, c condition, at time.Time) (test, error) {
	switch c := c.(type) {
	case nil:
		return func(*record) bool { return true }, nil
	case *negation:
		t, err := compile(o, c.term, at)
		return func(r *record) bool { return !t(r) }, err
	case *junction:
		return compileJunction(o, c, at)
	case *comparison:
		return compileComparison(o, c, at)
	}
	return nil, fmt.Errorf("unknown condition %T", c)
}

func compileJunction(o *object, j *junction, at time.Time) (test, error) {
	var tests []test
	for _, c := range j.terms {
		t, err := compile(o, c, at)
		if err != nil {
			return nil, err
		}
		tests = append(tests, t)
	}
	return func(r *record) bool {
		for _, t := range tests {
			if t(r) == j.or {
				return j.or
			}
		}
		return !j.or
	}, nil
}

func compileComparison(o *object, c *comparison, at time.Time) (test, error) {
	f, err := o.column(c.field)
	if err != nil {
		return nil, err
	}
	if f.Type == "textarea" && f.Length > 255 {
		return nil, fail(http.StatusBadRequest, "INVALID_FIELD", fmt.Sprintf("field '%s' can not be filtered in a query call", f.Name))
	}
	if c.op == "LIKE" {
		return compileLike(f, c)
	}
	var wants []func(any) (int, bool) // compares a value with a literal
	for _, l := range c.values {
		w, err := comparer(o, f, l, at)
		if err != nil {
			return nil, err
		}
		wants = append(wants, w)
	}
	op := c.op
	return func(r *record) bool {
		v := r.value(f)
		hit := slices.ContainsFunc(wants, func(w func(any) (int, bool)) bool {
			n, ok := w(v)
			return ok && holds(op, n)
		})
		return hit != negated(op)
	}, nil
}

func negated(op string) bool { return op == "!=" || op == "NOT IN" }

func holds(op string, n int) bool {
	switch op {
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	case ">":
		return n > 0
	case ">=":
		return n >= 0
	}
	return n == 0
}

func compileLike(f *field, c *comparison) (test, error) {
	l := c.values[0]
	if l.kind != "string" || !isText(f) || f.Type == "id" || f.Type == "reference" {
		return nil, fail(http.StatusBadRequest, "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on "+f.Type+" field")
	}
	p, err := unescape(l.text, true)
	if err != nil {
		return nil, err
	}
	p.runes = []rune(strings.ToLower(string(p.runes)))
	if len(p.runes) != len(p.wild) {
		return nil, malformed("invalid string literal")
	}
	return func(r *record) bool {
		s, ok := r.value(f).(string)
		return ok && p.matches(s)
	}, nil
}

func isText(f *field) bool {
	switch f.Type {
	case "boolean", "int", "double", "currency", "percent", "date", "datetime":
		return false
	}
	return true
}

// comparer returns how a field's value relates to a literal; not ok means not at all.
func comparer(o *object, f *field, l literal, at time.Time) (func(any) (int, bool), error) {
	if l.kind == "null" {
		return func(v any) (int, bool) { return 0, v == nil }, nil
	}
	switch f.Type {
	case "boolean":
		if l.kind != "bool" {
			return nil, wrongLiteral(f, "boolean and should not be enclosed in quotes")
		}
		want := l.text == "true"
		return func(v any) (int, bool) {
			got, ok := v.(bool)
			return cmp.Compare(boolInt(got), boolInt(want)), ok
		}, nil
	case "int", "double", "currency", "percent":
		want, err := strconv.ParseFloat(l.text, 64)
		if l.kind != "number" || err != nil {
			return nil, wrongLiteral(f, f.Type+" and should not be enclosed in quotes")
		}
		return func(v any) (int, bool) {
			n, ok := v.(json.Number)
			got, err := n.Float64()
			return cmp.Compare(got, want), ok && err == nil
		}, nil
	case "date", "datetime":
		return timeComparer(f, l, at)
	}
	if l.kind != "string" {
		return nil, wrongLiteral(f, "string and should be enclosed in quotes")
	}
	p, err := unescape(l.text, false)
	if err != nil {
		return nil, err
	}
	want := string(p.runes)
	if f.Type == "id" || f.Type == "reference" {
		id, ok := canonicalID(want)
		if !ok && want != "" {
			return nil, fail(http.StatusBadRequest, "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: "+want)
		}
		want = id
	}
	want = strings.ToLower(want)
	return func(v any) (int, bool) {
		s, ok := v.(string)
		if want == "" && v == nil {
			return 0, true // '' and null are the same
		}
		return strings.Compare(strings.ToLower(s), want), ok
	}, nil
}

func wrongLiteral(f *field, must string) error {
	return fail(http.StatusBadRequest, "INVALID_FIELD", fmt.Sprintf("value of filter criterion for field '%s' must be of type %s", f.Name, must))
}

func timeComparer(f *field, l literal, at time.Time) (func(any) (int, bool), error) {
	var from, to time.Time
	switch {
	case l.kind == "word":
		from, to = dateRange(l.text, at)
	case l.kind == f.Type:
		var err error
		if from, err = parseTime(l.text); err != nil {
			return nil, malformed("invalid " + f.Type + ": " + l.text)
		}
		to = from.Add(time.Nanosecond)
	default:
		return nil, wrongLiteral(f, map[string]string{"date": "date", "datetime": "dateTime"}[f.Type]+" and should not be enclosed in quotes")
	}
	return func(v any) (int, bool) {
		s, _ := v.(string)
		at, err := parseTime(s)
		switch {
		case err != nil:
			return 0, false
		case at.Before(from):
			return -1, true
		case !at.Before(to):
			return 1, true
		}
		return 0, true
	}, nil
}

func parseTime(s string) (time.Time, error) {
	var err error
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700"} {
		var t time.Time
		if t, err = time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, err
}

// compareFields orders two values for ORDER BY.
func compareFields(a, b any, o ordering) int {
	if a == nil || b == nil {
		n := cmp.Compare(boolInt(a != nil), boolInt(b != nil)) // nulls first
		if o.nullsLast {
			n = -n
		}
		return n
	}
	n := compareValues(a, b)
	if o.desc {
		n = -n
	}
	return n
}

func compareValues(a, b any) int {
	switch a := a.(type) {
	case bool:
		b, _ := b.(bool)
		return cmp.Compare(boolInt(a), boolInt(b))
	case json.Number:
		x, _ := a.Float64()
		n, _ := b.(json.Number)
		y, _ := n.Float64()
		return cmp.Compare(x, y)
	}
	x, _ := a.(string)
	y, _ := b.(string)
	return strings.Compare(strings.ToLower(x), strings.ToLower(y))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
