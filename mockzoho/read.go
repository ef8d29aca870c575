package mockzoho

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// pageSize is how many records a page holds at most.
const pageSize = 200

// page reads which part of a list a call wants to see: by number, or by the token that the
// part before it came with. Numbers go to the first 2,000 alone.
func (c *call) page() (from, size int, err error) {
	number := 1
	size = pageSize
	for name, to := range map[string]*int{"page": &number, "per_page": &size} {
		text := c.query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || name == "per_page" && n > pageSize {
			return 0, 0, invalidParam(name)
		}
		*to = n
	}
	if token := c.query.Get("page_token"); token != "" {
		n, err := strconv.ParseInt(token, 36, 32)
		if err != nil || n < 0 {
			return 0, 0, invalidParam("page_token")
		}
		return int(n), size, nil
	}
	if from = (number - 1) * size; from >= 2000 {
		return 0, 0, rowError("LIMIT_REACHED", "pagination limit reached", details{"limit": 2000, "param_name": "page"})
	}
	return from, size, nil
}

// pageToken leads to the part of a list that begins there.
func pageToken(from int) string { return strconv.FormatInt(int64(from), 36) }

// paged is an answer with one part of a list, or no content.
func paged[T any](c *call, list []T, show func(T) map[string]any) (reply, error) {
	from, size, err := c.page()
	if err != nil {
		return reply{}, err
	}
	from = min(from, len(list))
	to := min(from+size, len(list))
	if from == to {
		return noContent, nil
	}
	var data []map[string]any
	for _, one := range list[from:to] {
		data = append(data, show(one))
	}
	info := map[string]any{"page": from/size + 1, "per_page": size, "count": len(data), "more_records": to < len(list), "next_page_token": nil}
	if to < len(list) {
		info["next_page_token"] = pageToken(to)
	}
	return reply{http.StatusOK, map[string]any{"data": data, "info": info}}, nil
}

// asked are the fields that a call names, or all that the user may see.
func (c *call) asked() (list []*field) {
	if text := c.query.Get("fields"); text != "" {
		for name := range strings.SplitSeq(text, ",") {
			if f := c.mod.field(strings.TrimSpace(name)); f != nil && !c.who.hides(f.Name) {
				list = append(list, f)
			}
		}
		return append(list, c.mod.field("id"))
	}
	for _, f := range c.mod.Fields {
		if !c.who.hides(f.Name) {
			list = append(list, f)
		}
	}
	return list
}

// shown is a record as reads of the Records API tell it, with its state.
func (c *call) shown(r *record, fields []*field) map[string]any {
	out := r.shown(fields)
	out["$approval_state"] = map[bool]string{true: "approval_process_pending", false: "approved"}[r.state == waiting]
	out["$converted"] = r.state == converted
	return out
}

// listRecords handles GET /{module}: the newest first.
func (c *call) listRecords(ctx context.Context) (reply, error) {
	if c.version == newestVersion && c.query.Get("fields") == "" {
		return reply{}, missingParam("fields")
	}
	if strings.Count(c.query.Get("fields"), ",") >= 50 {
		return reply{}, rowError("LIMIT_EXCEEDED", "Max field limit exceeded", details{"param_name": "fields", "limit": 50})
	}
	fields := c.asked()
	list, err := find(ctx, c.s.core.Read, c.who.org, c.mod, `gone = '' AND state <> 'converted'`)
	if err != nil {
		return reply{}, err
	}
	slices.Reverse(list)
	return paged(c, list, func(r *record) map[string]any { return c.shown(r, fields) })
}

// showRecord handles GET /{module}/{id}.
func (c *call) showRecord(ctx context.Context) (reply, error) {
	fields := c.asked()
	id, ok := wantedID(c.path[0])
	if !ok {
		return reply{}, rowError("INVALID_DATA", "the id given seems to be invalid", details{"id": id})
	}
	rec, err := bySeq(ctx, c.s.core.Read, c.who.org, c.mod, c.who.org.seq(id))
	if err != nil {
		return reply{}, err
	}
	if rec != nil && rec.gone == "" {
		return reply{http.StatusOK, map[string]any{"data": []any{c.shown(rec, fields)}}}, nil
	}
	if c.set.MissingRecord == "204" {
		return noContent, nil
	}
	return reply{}, rowError("INVALID_DATA", "the id given seems to be invalid", details{"id": id})
}

// countRecords handles GET /{module}/actions/count.
func (c *call) countRecords(ctx context.Context) (reply, error) {
	var n int
	err := c.s.core.Read.QueryRowContext(ctx, `SELECT COUNT(*) FROM records WHERE org = $1 AND module = $2 AND gone = ''`, c.who.org.ID, c.mod.Name).Scan(&n)
	return reply{http.StatusOK, map[string]any{"count": n}}, err
}

// How long deleted records are told of: in the recycle bin, and after it.
const (
	recycleDays = 60
	deletedDays = 120
)

// whereabouts is where a deleted record is by now, "" when it is told of no more.
func (r *record) whereabouts(now int64) string {
	days := (now - r.goneAt) / day
	if r.gone == recycled {
		if days < recycleDays {
			return recycled
		}
		days -= recycleDays
	}
	if r.gone == "" || days >= deletedDays {
		return ""
	}
	return destroyed
}

// listDeleted handles GET /{module}/deleted.
func (c *call) listDeleted(ctx context.Context) (reply, error) {
	kind := cmp.Or(c.query.Get("type"), "all")
	if !slices.Contains([]string{"all", recycled, destroyed}, kind) {
		return reply{}, invalidParam("type")
	}
	list, err := find(ctx, c.s.core.Read, c.who.org, c.mod, `gone <> ''`)
	if err != nil {
		return reply{}, err
	}
	now := c.s.core.Now()
	list = slices.DeleteFunc(list, func(r *record) bool {
		where := r.whereabouts(now)
		return where == "" || kind != "all" && where != kind
	})
	return paged(c, list, func(r *record) map[string]any {
		return map[string]any{"id": r.ID(), "display_name": fullName(r.fields), "type": r.whereabouts(now), "deleted_time": r.org.time(r.goneAt),
			"created_by": map[string]any{"id": r.createdBy}, "deleted_by": map[string]any{"id": r.modifiedBy}}
	})
}

// search handles GET /{module}/search. Its index knows records as they were a while ago.
func (c *call) search(ctx context.Context) (reply, error) {
	wanted, narrow, args, err := c.wanted()
	if err != nil {
		return reply{}, err
	}
	fields := c.asked()
	fresh := c.s.core.Now() - int64(c.set.SearchLagMS)
	condition := `(gone = '' OR gone_at > $3)`
	if narrow != "" {
		condition += ` AND (modified > $3 OR ` + narrow + `)`
	}
	list, err := find(ctx, c.s.core.Read, c.who.org, c.mod, condition, append([]any{fresh}, args...)...)
	if err != nil {
		return reply{}, err
	}
	list = slices.DeleteFunc(list, func(r *record) bool {
		if r.modified > fresh {
			r.fields = r.before
		}
		return r.fields == nil || !wanted(r) || !c.searched(r)
	})
	return paged(c, list, func(r *record) map[string]any { return c.shown(r, fields) })
}

// searched reports whether a search that says so wants converted or unapproved records;
// others are left out.
func (c *call) searched(r *record) bool {
	switch c.query.Get("converted") {
	case "true":
		if r.state != converted {
			return false
		}
	case "both":
	default:
		if r.state == converted {
			return false
		}
	}
	switch c.query.Get("approved") {
	case "false":
		return r.state == waiting
	case "both":
		return true
	}
	return r.state != waiting
}

// wanted returns what a search looks for, and a condition that holds for all of it in the
// records as they are.
func (c *call) wanted() (match func(*record) bool, narrow string, args []any, err error) {
	contains := func(text string, names ...string) func(*record) bool {
		text = strings.ToLower(text)
		return func(r *record) bool {
			return slices.ContainsFunc(names, func(name string) bool {
				return strings.Contains(strings.ToLower(r.text(name)), text)
			})
		}
	}
	switch {
	case c.query.Get("criteria") != "":
		match, err = c.criterion(contains)
		return match, "", nil, err
	case c.query.Get("email") != "":
		email := strings.ToLower(c.query.Get("email"))
		return func(r *record) bool {
			return strings.ToLower(r.text("Email")) == email || strings.ToLower(r.text("Secondary_Email")) == email
		}, `email = $4 OR email2 = $4`, []any{email}, nil
	case c.query.Get("phone") != "":
		return contains(c.query.Get("phone"), "Phone", "Mobile"), "", nil, nil
	case c.query.Get("word") != "":
		return contains(c.query.Get("word"), "First_Name", "Last_Name", "Email", "Secondary_Email"), "", nil, nil
	}
	return nil, "", nil, missingParam("criteria")
}

var criterionSyntax = regexp.MustCompile(`^\(?([A-Za-z_]+):(equals|starts_with|in):([^()]*)\)?$`)

// criterion reads one (field:operator:value); it knows no more of them. What says "equals" finds whatever contains
// the value, as the real index does.
func (c *call) criterion(contains func(string, ...string) func(*record) bool) (func(*record) bool, error) {
	m := criterionSyntax.FindStringSubmatch(c.query.Get("criteria"))
	if m == nil {
		return nil, rowError("INVALID_QUERY", "invalid query formed", nil)
	}
	f := c.mod.field(m[1])
	if f == nil || !f.isText() || c.who.hides(f.Name) {
		return nil, rowError("INVALID_QUERY", "invalid query formed", details{"reason": "the field is not available for search", "api_name": m[1]})
	}
	switch m[2] {
	case "starts_with":
		want := strings.ToLower(m[3])
		return func(r *record) bool { return strings.HasPrefix(strings.ToLower(r.text(f.Name)), want) }, nil
	case "in":
		values := strings.Split(m[3], ",")
		return func(r *record) bool {
			return slices.ContainsFunc(values, func(v string) bool { return contains(v, f.Name)(r) })
		}, nil
	}
	return contains(m[3], f.Name), nil
}
