package mocksalesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

const maxCollection = 200

// collection is the body of a Collections call.
type collection struct {
	AllOrNone bool             `json:"allOrNone"`
	Records   []map[string]any `json:"records"`
}

// outcome is what became of one record of a collection.
type outcome struct {
	ID      string          `json:"id,omitempty"`
	Success bool            `json:"success"`
	Errors  []recordProblem `json:"errors"`
	Created *bool           `json:"created,omitempty"`
}

// recordProblem is an error of one record: its code is called statusCode here.
type recordProblem struct {
	StatusCode string   `json:"statusCode"`
	Message    string   `json:"message"`
	Fields     []string `json:"fields"`
}

func (c *call) collection() (collection, error) {
	var in collection
	if err := c.decode(&in); err != nil {
		return in, err
	}
	return in, checkCount(len(in.Records))
}

func checkCount(n int) error {
	if n == 0 {
		return fail(http.StatusBadRequest, "REQUIRED_FIELD_MISSING", "At least 1 record is required")
	}
	if n > maxCollection {
		return fail(http.StatusBadRequest, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 200 records into this call")
	}
	return nil
}

// objects finds every record's kind by its attributes.
func (c *call) objects(in collection) ([]*object, error) {
	list := make([]*object, len(in.Records))
	chunks := 0
	for i, r := range in.Records {
		attributes, _ := r["attributes"].(map[string]any)
		name, _ := attributes["type"].(string)
		if name == "" {
			return nil, fail(http.StatusBadRequest, "INVALID_INPUT", "Entity type must be specified in the attributes of each record")
		}
		o := c.schema().object(name)
		if o == nil || !o.Writable {
			return nil, fail(http.StatusBadRequest, "INVALID_TYPE", fmt.Sprintf("sObject type '%s' is not supported.", name))
		}
		if i == 0 || o != list[i-1] {
			chunks++
		}
		list[i] = o
	}
	if chunks > 10 {
		return nil, fail(http.StatusBadRequest, "INVALID_INPUT", "Operation over the limit of 10 chunks of different object types")
	}
	return list, nil
}

// createMany handles POST /composite/sobjects.
func (c *call) createMany(ctx context.Context) (reply, error) {
	in, err := c.collection()
	if err != nil {
		return reply{}, err
	}
	kinds, err := c.objects(in)
	if err != nil {
		return reply{}, err
	}
	return c.many(ctx, in.AllOrNone, len(in.Records), false, func(q querier, i int) change {
		for name := range in.Records[i] {
			if strings.EqualFold(name, "Id") {
				return change{err: fail(http.StatusBadRequest, "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", "Id")}
			}
		}
		return c.prepareCreate(ctx, q, kinds[i], in.Records[i])
	}, c.apply)
}

// updateMany handles PATCH /composite/sobjects.
func (c *call) updateMany(ctx context.Context) (reply, error) {
	in, err := c.collection()
	if err != nil {
		return reply{}, err
	}
	kinds, err := c.objects(in)
	if err != nil {
		return reply{}, err
	}
	return c.many(ctx, in.AllOrNone, len(in.Records), false, func(q querier, i int) change {
		id := takeID(in.Records[i])
		if id == "" {
			return change{err: fail(http.StatusBadRequest, "MISSING_ARGUMENT", "Id not specified in an update call")}
		}
		rec, err := c.target(ctx, q, kinds[i], id)
		if err != nil {
			return change{rec: rec, err: err}
		}
		return c.prepareUpdate(ctx, q, rec, in.Records[i])
	}, c.apply)
}

// takeID removes and returns the id of a record to update.
func takeID(in map[string]any) string {
	var id string
	for name, v := range in {
		if strings.EqualFold(name, "Id") {
			id, _ = v.(string)
			delete(in, name)
		}
	}
	return id
}

// target finds a record by id. The errors are those of Collections.
func (c *call) target(ctx context.Context, q querier, o *object, id string) (*record, error) {
	seq, ok := parseID(o.Prefix, id)
	if !ok {
		return nil, fail(http.StatusBadRequest, "MALFORMED_ID", "malformed id "+id)
	}
	rec, err := byID(ctx, q, c.who.user.OrgID, o, seq)
	switch {
	case err != nil:
		return nil, err
	case rec == nil:
		return nil, fail(http.StatusBadRequest, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	case rec.deleted:
		return rec, fail(http.StatusBadRequest, "ENTITY_IS_DELETED", "entity is deleted")
	}
	return rec, nil
}

// upsertMany handles PATCH /composite/sobjects/X/field.
func (c *call) upsertMany(ctx context.Context) (reply, error) {
	o, err := c.writableObject(c.path[0])
	if err != nil {
		return reply{}, err
	}
	f := o.field(c.path[1])
	if f == nil || !f.ExternalID && f.Name != "Id" {
		return reply{}, fail(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+c.path[1])
	}
	in, err := c.collection()
	if err != nil {
		return reply{}, err
	}
	kinds, err := c.objects(in)
	if err != nil {
		return reply{}, err
	}
	for _, k := range kinds {
		if k != o {
			return reply{}, fail(http.StatusBadRequest, "INVALID_INPUT", "All records must be of the type in the URL: "+o.Name)
		}
	}
	times := map[string]int{}
	for _, r := range in.Records {
		times[strings.ToLower(keyOf(r, f))]++
	}
	return c.many(ctx, in.AllOrNone, len(in.Records), true, func(q querier, i int) change {
		key := keyOf(in.Records[i], f)
		if times[strings.ToLower(key)] > 1 && key != "" {
			return change{err: fail(http.StatusBadRequest, "DUPLICATE_VALUE", "Duplicate external id specified: "+key, f.Name)}
		}
		return c.prepareUpsert(ctx, q, o, f, key, in.Records[i])
	}, c.apply)
}

// keyOf returns the value by which a record is found.
func keyOf(in map[string]any, f *field) string {
	for name, v := range in {
		if s, ok := v.(string); ok && strings.EqualFold(name, f.Name) {
			return strings.TrimSpace(s)
		}
	}
	return ""
}

func (c *call) prepareUpsert(ctx context.Context, q querier, o *object, f *field, key string, in map[string]any) change {
	if f.Name == "Id" {
		if takeID(in); key == "" {
			return c.prepareCreate(ctx, q, o, in)
		}
		rec, err := c.target(ctx, q, o, key)
		if err != nil {
			return change{rec: rec, err: err}
		}
		return c.prepareUpdate(ctx, q, rec, in)
	}
	if key == "" {
		return change{err: fail(http.StatusBadRequest, "MISSING_ARGUMENT", f.Name+" not specified", f.Name)}
	}
	found, err := byKey(ctx, q, c.who.user.OrgID, o, f, key)
	switch {
	case err != nil:
		return change{err: err}
	case len(found) == 0:
		return c.prepareCreate(ctx, q, o, in)
	}
	return c.prepareUpdate(ctx, q, found[0], in)
}

// removeMany handles DELETE /composite/sobjects?ids=.
func (c *call) removeMany(ctx context.Context) (reply, error) {
	var ids []string
	for id := range strings.SplitSeq(c.query.Get("ids"), ",") {
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, id)
		}
	}
	if err := checkCount(len(ids)); err != nil {
		return reply{}, err
	}
	all := strings.EqualFold(c.query.Get("allOrNone"), "true")
	return c.many(ctx, all, len(ids), false, func(q querier, i int) change {
		o := c.kindOfID(ids[i])
		if o == nil {
			return change{err: fail(http.StatusBadRequest, "MALFORMED_ID", "malformed id "+ids[i])}
		}
		rec, err := c.target(ctx, q, o, ids[i])
		return change{rec: rec, err: err}
	}, func(ctx context.Context, q querier, ch change) error { return c.remove(ctx, q, ch.rec) })
}

func (c *call) kindOfID(id string) *object {
	for _, o := range c.schema().objects {
		if _, ok := parseID(o.Prefix, id); ok && o.Writable {
			return o
		}
	}
	return nil
}

// errRolledBack undoes a collection which was to succeed as a whole.
var errRolledBack = errors.New("rolled back")

// many does the writes of a collection: first all are checked, then the good ones are done.
func (c *call) many(ctx context.Context, allOrNone bool, n int, upsert bool,
	prepare func(q querier, i int) change, do func(context.Context, querier, change) error) (reply, error) {
	changes := make([]change, n)
	err := c.write(ctx, func(q querier) error {
		for i := range changes {
			changes[i] = prepare(q, i)
			if err := changes[i].err; err != nil && !isRefusal(err) {
				return err
			}
		}
		for i := range changes {
			if changes[i].err != nil {
				continue
			}
			changes[i].err = do(ctx, q, changes[i])
			if err := changes[i].err; err != nil && !isRefusal(err) {
				return err
			}
		}
		if allOrNone && anyFailed(changes) {
			return errRolledBack
		}
		return nil
	})
	if err != nil && !errors.Is(err, errRolledBack) {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: outcomes(changes, err != nil, upsert), failed: anyFailed(changes)}, nil
}

func anyFailed(changes []change) bool {
	for _, ch := range changes {
		if ch.err != nil {
			return true
		}
	}
	return false
}

func outcomes(changes []change, undone, upsert bool) []outcome {
	list := make([]outcome, len(changes))
	for i, ch := range changes {
		if undone && ch.err == nil {
			ch.err = fail(http.StatusBadRequest, "ALL_OR_NONE_OPERATION_ROLLED_BACK",
				"Record rolled back because not all records were valid and the request was using AllOrNone header")
			if ch.created {
				ch.rec = nil
			}
		}
		list[i] = outcomeOf(ch, upsert)
	}
	return list
}

func outcomeOf(ch change, upsert bool) outcome {
	out := outcome{Success: ch.err == nil, Errors: []recordProblem{}}
	if ch.rec != nil && ch.rec.seq != 0 {
		out.ID = ch.rec.ID()
	}
	if e, ok := errors.AsType[*apiError](ch.err); ok {
		out.Errors = append(out.Errors, recordProblem{e.Code, e.Message, append([]string{}, e.Fields...)})
	}
	if upsert {
		created := ch.created && out.Success
		out.Created = &created
	}
	return out
}

// retrieveMany handles GET and POST /composite/sobjects/X.
func (c *call) retrieveMany(ctx context.Context) (reply, error) {
	o, err := c.writableObject(c.path[0])
	if err != nil {
		return reply{}, err
	}
	var in struct {
		IDs    []string `json:"ids"`
		Fields []string `json:"fields"`
	}
	if c.method == http.MethodGet {
		in.IDs, in.Fields = strings.Split(c.query.Get("ids"), ","), strings.Split(c.query.Get("fields"), ",")
	} else if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if len(in.IDs) == 0 || len(in.IDs) > 2000 || len(in.Fields) == 0 {
		return reply{}, fail(http.StatusBadRequest, "INVALID_INPUT", "1 to 2000 ids, and the fields, must be specified")
	}
	fields, err := pickFields(o, in.Fields)
	if err != nil {
		return reply{}, err
	}
	list := make([]any, len(in.IDs))
	for i, id := range in.IDs {
		rec, err := c.target(ctx, c.reader(), o, strings.TrimSpace(id))
		if err != nil && !isRefusal(err) {
			return reply{}, err
		}
		if err == nil {
			list[i] = c.row(rec, fields)
		}
	}
	return reply{status: http.StatusOK, body: list}, nil
}
