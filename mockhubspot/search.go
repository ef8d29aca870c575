package mockhubspot

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gatepost/simulated"
)

const (
	maxSearchBody    = 3000
	maxSearchGroups  = 5
	maxSearchFilters = 6
	maxSearchAll     = 18
	maxSearchPage    = 200
	maxSearchResults = 10_000
)

// searchBody is the body of a search.
type searchBody struct {
	Groups []struct {
		Filters []filter `json:"filters"`
	} `json:"filterGroups"`
	Query      string   `json:"query"`
	Sorts      []any    `json:"sorts"`
	Properties []string `json:"properties"`
	Limit      *int     `json:"limit"`
	After      any      `json:"after"`
}

// filter is one condition of a search.
type filter struct {
	Property string   `json:"propertyName"`
	Operator string   `json:"operator"`
	Value    string   `json:"value"`
	High     string   `json:"highValue"`
	Values   []string `json:"values"`
}

// operators are what a filter may ask of a value, which is "" when it is empty. Texts are
// compared without regard to case, but for those of lists.
var operators = map[string]func(value string, f filter) bool{
	"EQ":           func(v string, f filter) bool { return strings.EqualFold(v, f.Value) && v != "" },
	"NEQ":          func(v string, f filter) bool { return !strings.EqualFold(v, f.Value) && v != "" },
	"LT":           func(v string, f filter) bool { return v != "" && compare(v, f.Value) < 0 },
	"LTE":          func(v string, f filter) bool { return v != "" && compare(v, f.Value) <= 0 },
	"GT":           func(v string, f filter) bool { return v != "" && compare(v, f.Value) > 0 },
	"GTE":          func(v string, f filter) bool { return v != "" && compare(v, f.Value) >= 0 },
	"BETWEEN":      func(v string, f filter) bool { return v != "" && compare(v, f.Value) >= 0 && compare(v, f.High) <= 0 },
	"IN":           func(v string, f filter) bool { return v != "" && slices.Contains(f.Values, strings.ToLower(v)) },
	"NOT_IN":       func(v string, f filter) bool { return v != "" && !slices.Contains(f.Values, strings.ToLower(v)) },
	"HAS_PROPERTY": func(v string, _ filter) bool { return v != "" },
	"NOT_HAS_PROPERTY": func(v string, _ filter) bool {
		return v == ""
	},
	"CONTAINS_TOKEN":     func(v string, f filter) bool { return hasToken(v, f.Value) },
	"NOT_CONTAINS_TOKEN": func(v string, f filter) bool { return !hasToken(v, f.Value) },
}

// compare compares numbers as numbers, and the rest as text.
func compare(a, b string) int {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 == nil && err2 == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}

// hasToken reports whether a word of a text, or of an address in it, is the one wanted,
// which may begin or end in *.
func hasToken(text, want string) bool {
	want = strings.ToLower(want)
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return strings.ContainsRune(" ,;@", r) })
	words = append(words, strings.Split(strings.ToLower(text), ";")...)
	bare := strings.Trim(want, "*")
	return slices.ContainsFunc(words, func(w string) bool {
		switch head, tail := strings.HasPrefix(want, "*"), strings.HasSuffix(want, "*"); {
		case head && tail:
			return strings.Contains(w, bare)
		case head:
			return strings.HasSuffix(w, bare)
		case tail:
			return strings.HasPrefix(w, bare)
		}
		return w == want
	})
}

// search handles POST …/search. It looks into an index that lags behind.
func (c *call) search(ctx context.Context) (reply, error) {
	if utf8.RuneCount(c.body) > maxSearchBody {
		return reply{}, invalid("The request body is too long: no more than 3000 characters are allowed")
	}
	var in searchBody
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	limit, after, err := in.page()
	if err != nil {
		return reply{}, err
	}
	all, err := c.s.schema(ctx, c.s.core.Read, c.who.org)
	if err == nil {
		err = in.check(all)
	}
	if err != nil {
		return reply{}, err
	}
	found, err := c.indexed(ctx)
	if err != nil {
		return reply{}, err
	}
	found = slices.DeleteFunc(found, func(r *contact) bool { return !in.matches(r) })
	in.sort(found)
	total := len(found)
	found = found[min(after, total):min(after+limit, total)]
	results := []any{}
	for _, r := range found {
		results = append(results, c.view(all, r, in.Properties))
	}
	body := map[string]any{"total": total, "results": results}
	if next := after + len(found); next < total {
		body["paging"] = map[string]any{"next": map[string]any{"after": strconv.Itoa(next)}}
	}
	return reply{http.StatusOK, body}, nil
}

// page returns which of the results are wanted.
func (in *searchBody) page() (limit, after int, err error) {
	limit = 10
	if in.Limit != nil {
		limit = *in.Limit
	}
	if in.After != nil {
		if after, err = strconv.Atoi(fmt.Sprint(in.After)); err != nil {
			return 0, 0, invalid("after must be an integer")
		}
	}
	switch {
	case limit < 0 || limit > maxSearchPage || after < 0:
		return 0, 0, invalid("limit must lie between 0 and 200")
	case after+limit > maxSearchResults:
		return 0, 0, invalid("a search can't go beyond 10000 results")
	}
	return limit, after, nil
}

// check refuses a search that goes too far, or asks for what there isn't.
func (in *searchBody) check(all *schema) error {
	n := 0
	for _, g := range in.Groups {
		n += len(g.Filters)
		if len(g.Filters) > maxSearchFilters {
			return invalid("a filter group can't have more than 6 filters")
		}
		for _, f := range g.Filters {
			if all.property(f.Property) == nil {
				return invalid("There was a problem with the request: property " + f.Property + " does not exist")
			}
			if operators[f.Operator] == nil {
				return invalid("There is no operator " + f.Operator)
			}
		}
	}
	if len(in.Groups) > maxSearchGroups || n > maxSearchAll {
		return invalid("a search can't have more than 5 filter groups and 18 filters")
	}
	return nil
}

// matches reports whether a contact meets all filters of some group, and the query.
func (in *searchBody) matches(r *contact) bool {
	if in.Query != "" && !strings.Contains(strings.ToLower(r.props["email"]+" "+r.name()+" "+r.props["phone"]+" "+r.props["company"]), strings.ToLower(in.Query)) {
		return false
	}
	for _, g := range in.Groups {
		if !slices.ContainsFunc(g.Filters, func(f filter) bool { return !operators[f.Operator](r.value(f.Property), f) }) {
			return true
		}
	}
	return len(in.Groups) == 0
}

// sort orders contacts by the first sort that is given, or by when they were made.
func (in *searchBody) sort(found []*contact) {
	by, down := "", false
	if len(in.Sorts) > 0 {
		switch first := in.Sorts[0].(type) {
		case string:
			by, down = strings.CutPrefix(first, "-")
		case map[string]any:
			by, _ = first["propertyName"].(string)
			down = first["direction"] == "DESCENDING"
		}
	}
	slices.SortStableFunc(found, func(a, b *contact) int {
		n := cmp.Compare(a.seq, b.seq)
		if by != "" {
			n = compare(a.value(by), b.value(by))
		}
		if down {
			return -n
		}
		return n
	})
}

// indexed are the contacts as the index has them: a change comes to it late.
func (c *call) indexed(ctx context.Context) (list []*contact, err error) {
	err = simulated.Rows(ctx, c.s.core.Read, func(rs *sql.Rows) error {
		r := &contact{org: c.who.org}
		var props []byte
		var others string
		if err := rs.Scan(&r.seq, &props, &others, &r.created, &r.modified, &r.merged); err != nil {
			return err
		}
		r.others = splitList(others)
		list = append(list, r)
		return json.Unmarshal(props, &r.props)
	}, `SELECT seq, CASE WHEN due <= $2 THEN props ELSE shown END, others, created, modified, merged FROM contacts
		WHERE org = $1 AND archived = 0 AND hidden = 0 AND merged_into = 0 AND (due <= $2 OR shown IS NOT NULL) ORDER BY seq`, c.who.org, c.s.core.Now())
	return list, err
}
