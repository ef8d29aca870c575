package mockzoho

import (
	"context"
	"slices"
	"unicode/utf8"
)

// query is the body of a COQL call.
func (c *call) selectQuery() (q string, meta bool, err error) {
	var in struct {
		Query *string  `json:"select_query"`
		Meta  []string `json:"include_meta"`
	}
	if err := c.decodeBody(&in); err != nil {
		return "", false, err
	}
	if in.Query == nil {
		return "", false, rowError("MANDATORY_NOT_FOUND", "mandatory key not found", details{"api_name": "select_query"})
	}
	return *in.Query, slices.Contains(in.Meta, "fields"), nil
}

// parsed is the query of a COQL call.
func (c *call) parsed() (q *coql, meta bool, err error) {
	text, meta, err := c.selectQuery()
	if err != nil {
		return nil, false, err
	}
	if limit := c.set.MaxQuery; limit > 0 && utf8.RuneCountInString(text) > limit {
		return nil, false, limitExceeded("query length limit exceeded", limit)
	}
	q, err = parseCOQL(text, c.version, c.set.COQLBackslash == "literal")
	return q, meta, err
}

// queryCost is what a COQL call costs: by its limit, whatever it finds.
func queryCost(c *call) int {
	q, _, err := c.parsed()
	switch {
	case err != nil || q.count <= 200:
		return 1
	case q.count <= 1000:
		return 2
	}
	return 3
}

// runQuery handles POST /coql.
func (c *call) runQuery(ctx context.Context) (reply, error) {
	q, meta, err := c.parsed()
	if err != nil {
		return reply{}, err
	}
	m := c.set.schema.module(q.module)
	if m == nil || slices.Contains(c.who.profile.HiddenModules, q.module) {
		return reply{}, rowError("INVALID_MODULE", "the given module is not supported in api", nil)
	}
	if !c.who.scopes.module(m.Name, "READ") {
		return reply{}, fail(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL", nil)
	}
	columns, err := c.columns(m, q.fields)
	if err != nil {
		return reply{}, err
	}
	found, err := c.found(ctx, m, q)
	if err != nil {
		return reply{}, err
	}
	return answered(q, columns, found, meta), nil
}

// columns are the fields that a query selects. The id is always told.
func (c *call) columns(m *module, names []string) (columns []*field, err error) {
	for _, name := range names {
		f, err := c.column(m, name)
		if err != nil {
			return nil, err
		}
		columns = append(columns, f)
	}
	if !slices.Contains(names, "id") {
		columns = append(columns, m.field("id"))
	}
	return columns, nil
}

// found are all records that a query wants, in its order.
func (c *call) found(ctx context.Context, m *module, q *coql) ([]*record, error) {
	wanted, err := c.compile(m, q.where)
	if err != nil {
		return nil, err
	}
	condition := `gone = ''`
	narrow, args := c.narrow(m, q.where, 2)
	if narrow != "" {
		condition += " AND " + narrow
	}
	list, err := find(ctx, c.s.core.Read, c.who.org, m, condition, args...)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(r *record) bool {
		return !wanted(r) || r.state == converted && !c.set.COQLConverted
	})
	return list, c.sorted(m, list, q.order)
}

// answered is the answer with the part of the records that a query wants to see.
func answered(q *coql, columns []*field, found []*record, meta bool) reply {
	from := min(q.offset, len(found))
	to := min(from+q.count, len(found))
	if from == to {
		return noContent
	}
	var data []map[string]any
	for _, r := range found[from:to] {
		data = append(data, r.shown(columns))
	}
	body := map[string]any{"data": data, "info": map[string]any{"count": to - from, "more_records": to < len(found)}}
	if meta {
		body["fields"] = described(columns)
	}
	return reply{200, body}
}

// shown is what some fields of a record hold.
func (r *record) shown(columns []*field) map[string]any {
	out := make(map[string]any, len(columns))
	for _, f := range columns {
		out[f.Name] = r.value(f)
	}
	return out
}

// described is what include_meta tells of the selected fields.
func described(columns []*field) map[string]any {
	out := map[string]any{}
	for _, f := range columns {
		out[f.Name] = map[string]any{"api_name": f.Name, "field_label": f.Label, "data_type": f.Type, "length": f.Length,
			"required": f.Mandatory || f.Required, "read_only": f.ReadOnly}
	}
	return out
}
