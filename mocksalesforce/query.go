package mocksalesforce

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatepost/simulated"
)

const pageSize = 2000

func (c *call) runQuery(ctx context.Context) (reply, error) { return c.query1(ctx, false) }

func (c *call) runQueryAll(ctx context.Context) (reply, error) { return c.query1(ctx, true) }

// query1 handles GET /query and /queryAll.
func (c *call) query1(ctx context.Context, deleted bool) (reply, error) {
	text := c.query.Get("q")
	q, o, err := c.parse(text)
	if err != nil {
		return reply{}, err
	}
	if q.count == "*" && q.where == nil && o.Writable {
		return c.countAll(ctx, o, deleted)
	}
	found, err := c.search(ctx, q, o, deleted)
	if err != nil {
		return reply{}, err
	}
	switch {
	case q.count == "*":
		return reply{status: http.StatusOK, body: result{TotalSize: len(found), Done: true, Records: []row{}}}, nil
	case q.count != "":
		return c.countField(o, q.count, found)
	}
	return c.firstPage(ctx, text, q, o, deleted, found)
}

// result is the answer to a query.
type result struct {
	TotalSize int    `json:"totalSize"`
	Done      bool   `json:"done"`
	Next      string `json:"nextRecordsUrl,omitempty"`
	Records   []row  `json:"records"`
}

// parse parses a query and checks its names.
func (c *call) parse(text string) (*soql, *object, error) {
	q, err := parseSOQL(text)
	if err != nil {
		return nil, nil, err
	}
	o := c.schema().object(q.object)
	if o == nil {
		return nil, nil, invalidType(text, q.object)
	}
	seen := map[string]bool{}
	for _, name := range q.fields {
		f, err := o.column(name)
		if err != nil {
			return nil, nil, err
		}
		if seen[f.Name] {
			return nil, nil, malformed("duplicate field selected: " + f.Name)
		}
		seen[f.Name] = true
	}
	return q, o, nil
}

// invalidType draws the error as Salesforce does, a caret below the word.
func invalidType(text, name string) error {
	at := max(0, strings.Index(text, name))
	start := max(0, at-20)
	return fail(http.StatusBadRequest, "INVALID_TYPE", fmt.Sprintf("\n%s\n%s^\nERROR at Row:1:Column:%d\nsObject type '%s' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.",
		text[start:], strings.Repeat(" ", at-start), at+1, name))
}

func (c *call) countAll(ctx context.Context, o *object, deleted bool) (reply, error) {
	var n int
	err := c.reader().QueryRowContext(ctx, `SELECT COUNT(*) FROM records WHERE org = $1 AND type = $2 AND (deleted = 0 OR $3)`,
		c.who.user.OrgID, o.Name, deleted).Scan(&n)
	return reply{status: http.StatusOK, body: result{TotalSize: n, Done: true, Records: []row{}}}, err
}

func (c *call) countField(o *object, name string, found []*record) (reply, error) {
	f, err := o.column(name)
	if err != nil {
		return reply{}, err
	}
	n := 0
	for _, r := range found {
		if r.value(f) != nil {
			n++
		}
	}
	one := row{{"attributes", map[string]string{"type": "AggregateResult"}}, {"expr0", n}}
	return reply{status: http.StatusOK, body: result{TotalSize: 1, Done: true, Records: []row{one}}}, nil
}

// search returns the records that a query means, in its order.
func (c *call) search(ctx context.Context, q *soql, o *object, deleted bool) ([]*record, error) {
	wanted, err := compile(o, q.where, time.UnixMilli(c.s.core.Now()))
	if err != nil {
		return nil, err
	}
	var columns []*field
	for _, by := range q.order {
		f, err := o.column(by.field)
		if err != nil {
			return nil, err
		}
		columns = append(columns, f)
	}
	list, err := c.candidates(ctx, q.where, o, deleted)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(r *record) bool { return !wanted(r) })
	slices.SortStableFunc(list, func(a, b *record) int {
		for i, by := range q.order {
			if n := compareFields(a.value(columns[i]), b.value(columns[i]), by); n != 0 {
				return n
			}
		}
		return 0
	})
	list = list[min(q.offset, len(list)):]
	if q.limit >= 0 {
		list = list[:min(q.limit, len(list))]
	}
	return list, nil
}

// candidates returns the records among which the wanted ones are: by an index when the condition allows.
func (c *call) candidates(ctx context.Context, where condition, o *object, deleted bool) ([]*record, error) {
	if !o.Writable {
		return c.static(ctx, o)
	}
	org := c.who.user.OrgID
	column, values := indexed(o, where)
	if column == "" {
		return find(ctx, c.reader(), org, o, `(deleted = 0 OR $3)`, deleted)
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	return find(ctx, c.reader(), org, o, `(deleted = 0 OR $3) AND `+column+` IN (SELECT value FROM json_each($4))`, deleted, string(text))
}

// indexed finds a term which every wanted record meets and an index serves.
func indexed(o *object, where condition) (column string, values []any) {
	switch c := where.(type) {
	case *junction:
		for _, t := range c.terms {
			if column, values := indexed(o, t); column != "" && !c.or {
				return column, values
			}
		}
	case *comparison:
		f, err := o.column(c.field)
		if err != nil || c.op != "=" && c.op != "IN" {
			return "", nil
		}
		column = map[bool]string{f.Name == "Id": "seq", f.Name == "Email": "email", f.ExternalID: "ext"}[true]
		if column == "" {
			return "", nil
		}
		for _, l := range c.values {
			p, err := unescape(l.text, false)
			if l.kind != "string" || err != nil || len(p.runes) == 0 {
				return "", nil
			}
			if column == "seq" {
				n, _ := parseID(o.Prefix, string(p.runes))
				values = append(values, n)
				continue
			}
			values = append(values, strings.ToLower(string(p.runes)))
		}
	}
	return column, values
}

// static returns the records of the kinds that only queries know.
func (c *call) static(ctx context.Context, o *object) ([]*record, error) {
	org, err := c.s.core.OrgByID(ctx, c.who.user.OrgID)
	if err != nil {
		return nil, err
	}
	if o.Name == "Organization" {
		return []*record{{org: org.ID, obj: o, fields: map[string]any{"Id": org.ID, "Name": org.Name, "IsSandbox": org.Sandbox,
			"InstanceName": "MOCK1", "OrganizationType": "Developer Edition", "LanguageLocaleKey": "en_US", "TimeZoneSidKey": "America/Los_Angeles"}}}, nil
	}
	if o.Name == "DuplicateRule" {
		return []*record{{org: org.ID, obj: o, fields: map[string]any{"Id": "0Bm000000000001AAA", "MasterLabel": "Standard Contact Duplicate Rule",
			"DeveloperName": "Standard_Contact_Duplicate_Rule", "SobjectType": "Contact", "IsActive": c.s.set(org.ID).DuplicateRule != "off"}}}, nil
	}
	users, err := c.s.core.Users(ctx)
	var list []*record
	for _, u := range users {
		if u.OrgID == org.ID {
			list = append(list, &record{org: org.ID, obj: o, fields: map[string]any{"Id": u.ID, "Username": u.Username, "FirstName": u.First,
				"LastName": u.Last, "Name": u.Name(), "Email": u.Email, "IsActive": u.Active, "UserType": "Standard"}})
		}
	}
	return list, err
}

func (c *call) retrieveStatic(ctx context.Context, o *object, id string) (reply, error) {
	list, err := c.static(ctx, o)
	if err != nil {
		return reply{}, err
	}
	want, ok := canonicalID(id)
	for _, r := range list {
		if ok && r.fields["Id"] == want {
			return c.show(r)
		}
	}
	return reply{}, errNotFound
}

var batchOption = regexp.MustCompile(`(?i)batchSize\s*=\s*(\d+)`)

// batchSize is how many records an answer holds: 2,000, or what the client asks for.
func (c *call) batchSize() int {
	m := batchOption.FindStringSubmatch(c.header.Get("Sforce-Query-Options"))
	if m == nil {
		return pageSize
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return pageSize
	}
	return min(max(n, 200), pageSize)
}

// firstPage answers a query, keeping what doesn't fit for later calls.
func (c *call) firstPage(ctx context.Context, text string, q *soql, o *object, deleted bool, found []*record) (reply, error) {
	size := c.batchSize()
	if len(found) <= size {
		return c.pageReply(q, o, found, len(found), "")
	}
	seqs := make([]int64, len(found))
	for i, r := range found {
		seqs[i] = r.seq
	}
	ids, err := json.Marshal(seqs)
	if err != nil {
		return reply{}, err
	}
	id := "01g" + pod + strings.NewReplacer("-", "a", "_", "b").Replace(simulated.Random(9))[:9]
	id += checksum(id)
	err = c.write(ctx, func(w querier) error {
		_, err := w.ExecContext(ctx, `INSERT INTO cursors (id, org, soql, deleted, ids, created) VALUES ($1, $2, $3, $4, $5, $6)`,
			id, c.who.user.OrgID, text, deleted, string(ids), c.s.core.Now())
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return c.pageReply(q, o, found[:size], len(found), c.url("query", fmt.Sprintf("%s-%d", id, size)))
}

func (c *call) pageReply(q *soql, o *object, page []*record, total int, next string) (reply, error) {
	fields := make([]*field, len(q.fields))
	for i, name := range q.fields {
		f, err := o.column(name)
		if err != nil {
			return reply{}, err
		}
		fields[i] = f
	}
	out := result{TotalSize: total, Done: next == "", Next: next, Records: make([]row, len(page))}
	for i, r := range page {
		out.Records[i] = c.row(r, fields)
	}
	return reply{status: http.StatusOK, body: out}, nil
}

var errLocator = fail(http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")

// moreQuery handles GET /query/{locator}.
func (c *call) moreQuery(ctx context.Context) (reply, error) {
	id, offset, _ := strings.Cut(c.path[0], "-")
	from, err := strconv.Atoi(offset)
	if err != nil || from < 0 {
		return reply{}, errLocator
	}
	var text, ids string
	var deleted bool
	err = c.reader().QueryRowContext(ctx, `SELECT soql, ids, deleted FROM cursors WHERE id = $1 AND org = $2 AND created > $3`,
		id, c.who.user.OrgID, c.s.core.Now()-2*86_400_000).Scan(&text, &ids, &deleted)
	if errors.Is(err, sql.ErrNoRows) {
		return reply{}, errLocator
	}
	if err != nil {
		return reply{}, err
	}
	var seqs []int64
	if err := json.Unmarshal([]byte(ids), &seqs); err != nil {
		return reply{}, err
	}
	if from >= len(seqs) {
		return reply{}, errLocator
	}
	q, o, err := c.parse(text)
	if err != nil {
		return reply{}, err
	}
	to := min(from+c.batchSize(), len(seqs))
	page, err := c.load(ctx, o, seqs[from:to], deleted)
	if err != nil {
		return reply{}, err
	}
	next := ""
	if to < len(seqs) {
		next = c.url("query", fmt.Sprintf("%s-%d", id, to))
	}
	return c.pageReply(q, o, page, len(seqs), next)
}

// load returns records by number, in the order given; those deleted meanwhile are left out.
func (c *call) load(ctx context.Context, o *object, seqs []int64, deleted bool) ([]*record, error) {
	text, err := json.Marshal(seqs)
	if err != nil {
		return nil, err
	}
	found, err := find(ctx, c.reader(), c.who.user.OrgID, o, `(deleted = 0 OR $3) AND seq IN (SELECT value FROM json_each($4))`, deleted, string(text))
	if err != nil {
		return nil, err
	}
	bySeq := map[int64]*record{}
	for _, r := range found {
		bySeq[r.seq] = r
	}
	var list []*record
	for _, n := range seqs {
		if r := bySeq[n]; r != nil {
			list = append(list, r)
		}
	}
	return list, nil
}
