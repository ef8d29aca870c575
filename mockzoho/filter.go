package mockzoho

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// test decides whether a record is wanted.
type test func(*record) bool

// column finds the field that a query names, among those that the user may see.
func (c *call) column(m *module, name string) (*field, error) {
	f := m.field(name)
	if f == nil || f.Hidden || c.who.hides(name) {
		return nil, invalidQuery("unsupported column", details{"column_name": name})
	}
	return f, nil
}

// compile turns a condition into a test, checking names and types.
func (c *call) compile(m *module, cond condition) (test, error) {
	switch cond := cond.(type) {
	case *pair:
		left, err := c.compile(m, cond.left)
		if err != nil {
			return nil, err
		}
		right, err := c.compile(m, cond.right)
		if cond.or {
			return func(r *record) bool { return left(r) || right(r) }, err
		}
		return func(r *record) bool { return left(r) && right(r) }, err
	case *comparison:
		return c.compileComparison(m, cond)
	}
	return nil, fmt.Errorf("unknown condition %T", cond)
}

// fits reports whether a type of field knows an operator.
func fits(f *field, op string) bool {
	switch f.Type {
	case "textarea":
		return false
	case "boolean":
		return op == "="
	case "bigint", "datetime":
		return op != "like" && op != "not like"
	}
	return !slices.Contains([]string{"<", ">", "<=", ">=", "between", "not between"}, op)
}

func (c *call) compileComparison(m *module, cond *comparison) (test, error) {
	f, err := c.column(m, cond.field)
	if err != nil {
		return nil, err
	}
	if !fits(f, cond.op) {
		return nil, invalidQuery("Invalid query formed", details{"reason": "operator is not supported for the data type of the column", "column_name": f.Name, "operator": cond.op})
	}
	op, negated := strings.CutPrefix(strings.Replace(cond.op, "!=", "not =", 1), "not ")
	if strings.HasPrefix(op, "is ") {
		wanted := op == "is null"
		return func(r *record) bool { return (r.value(f) == nil) == wanted }, nil
	}
	var orders []func(*record) (int, bool) // how a record's value stands to each literal
	for _, l := range cond.values {
		o, err := c.comparer(f, l)
		if err != nil {
			return nil, err
		}
		orders = append(orders, o)
	}
	if op == "like" {
		like := likeness(cond.values[0].text)
		orders = []func(*record) (int, bool){func(r *record) (int, bool) {
			text, ok := r.value(f).(string)
			return 0, ok && like(text)
		}}
	}
	return func(r *record) bool { return holds(op, r, orders) != negated }, nil
}

// holds reports whether a record's value stands to the literals as an operator wants.
func holds(op string, r *record, orders []func(*record) (int, bool)) bool {
	if op == "between" {
		low, ok := orders[0](r)
		high, _ := orders[1](r)
		return ok && low >= 0 && high <= 0
	}
	return slices.ContainsFunc(orders, func(order func(*record) (int, bool)) bool {
		n, ok := order(r)
		switch {
		case !ok:
			return false
		case op == "<":
			return n < 0
		case op == "<=":
			return n <= 0
		case op == ">":
			return n > 0
		case op == ">=":
			return n >= 0
		}
		return n == 0
	})
}

// comparer returns how a record's value stands to a literal; not ok means not at all.
func (c *call) comparer(f *field, l literal) (func(*record) (int, bool), error) {
	wrong := invalidQuery("value given seems to be invalid for the column", details{"column_name": f.Name})
	switch f.Type {
	case "boolean":
		want := l.text == "true"
		return func(r *record) (int, bool) {
			got, _ := r.value(f).(bool)
			return cmp.Compare(boolInt(got), boolInt(want)), true
		}, orNil(wrong, l.kind == "bool")
	case "datetime":
		want, err := time.Parse(time.RFC3339, l.text)
		return func(r *record) (int, bool) {
			text, _ := r.value(f).(string)
			got, err := time.Parse(time.RFC3339, text)
			return got.Compare(want), err == nil
		}, orNil(wrong, err == nil && l.kind == "string")
	case "bigint", "lookup", "ownerlookup":
		want, err := strconv.ParseInt(l.text, 10, 64)
		return func(r *record) (int, bool) {
			got, err := strconv.ParseInt(idOf(r.value(f)), 10, 64)
			return cmp.Compare(got, want), err == nil
		}, orNil(wrong, err == nil && l.kind != "bool")
	}
	fold := strings.ToLower
	if f.Type == "email" && c.set.COQLCase == "exact" {
		fold = func(s string) string { return s }
	}
	want := fold(l.text)
	return func(r *record) (int, bool) {
		got, ok := r.value(f).(string)
		return strings.Compare(fold(got), want), ok
	}, orNil(wrong, l.kind == "string")
}

// orNil is err unless all is well.
func orNil(err *apiError, ok bool) error {
	if ok {
		return nil
	}
	return err
}

// idOf is the id in a value: of a record, or of what a lookup points to.
func idOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case map[string]any:
		return idOf(v["id"])
	}
	return ""
}

// likeness returns how text is compared with a pattern, in which % stands for anything at
// its beginning or end.
func likeness(pattern string) func(string) bool {
	want := strings.ToLower(strings.Trim(pattern, "%"))
	before, after := strings.HasPrefix(pattern, "%"), strings.HasSuffix(pattern, "%")
	return func(text string) bool {
		text = strings.ToLower(text)
		switch {
		case before && after:
			return strings.Contains(text, want)
		case before:
			return strings.HasSuffix(text, want)
		case after:
			return strings.HasPrefix(text, want)
		}
		return text == want
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// narrow is a condition of SQL that holds for all records that a query can want, "" when
// nothing but looking at each would tell. Its arguments follow the first n.
func (c *call) narrow(m *module, cond condition, n int) (string, []any) {
	switch cond := cond.(type) {
	case *pair:
		left, args := c.narrow(m, cond.left, n)
		right, more := c.narrow(m, cond.right, n+len(args))
		switch {
		case left != "" && right != "":
			return "(" + left + map[bool]string{true: " OR ", false: " AND "}[cond.or] + right + ")", append(args, more...)
		case cond.or:
			return "", nil
		case left != "":
			return left, args
		}
		return c.narrow(m, cond.right, n)
	case *comparison:
		if cond.op == "=" || cond.op == "in" {
			return c.narrowTo(m, cond, n)
		}
	}
	return "", nil
}

func (c *call) narrowTo(m *module, cond *comparison, n int) (string, []any) {
	column, key := "", func(l literal) any { return strings.ToLower(l.text) }
	switch f := m.field(cond.field); {
	case f == nil:
	case f.Name == "id":
		column, key = "seq", func(l literal) any { return c.who.org.seq(l.text) }
	case f.Name == "Email":
		column = "email"
	case f.Name == "Secondary_Email":
		column = "email2"
	case f.Name == c.set.KeyField:
		column = "ext"
	}
	if column == "" {
		return "", nil
	}
	var marks []string
	var args []any
	for i, l := range cond.values {
		marks, args = append(marks, fmt.Sprintf("$%d", n+i+1)), append(args, key(l))
	}
	return column + " IN (" + strings.Join(marks, ", ") + ")", args
}

// sorted orders records as a query wants; blank values come first.
func (c *call) sorted(m *module, list []*record, order []ordering) error {
	var fields []*field
	for _, o := range order {
		f, err := c.column(m, o.field)
		if err != nil {
			return err
		}
		fields = append(fields, f)
	}
	slices.SortStableFunc(list, func(a, b *record) int {
		for i, o := range order {
			n := compareValues(a.value(fields[i]), b.value(fields[i]))
			if o.desc {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return cmp.Compare(a.seq, b.seq)
	})
	return nil
}

func compareValues(a, b any) int {
	if a == nil || b == nil {
		return cmp.Compare(boolInt(a != nil), boolInt(b != nil))
	}
	if x, ok := a.(bool); ok {
		y, _ := b.(bool)
		return cmp.Compare(boolInt(x), boolInt(y))
	}
	return strings.Compare(strings.ToLower(textOf(a)), strings.ToLower(textOf(b)))
}

// textOf is a value as text; a lookup is its id.
func textOf(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return idOf(v)
}
