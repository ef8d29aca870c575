package mocksalesforce

import (
	"context"
	"net/http"
	"strings"
)

// saved is the answer to a single write.
type saved struct {
	ID      string `json:"id"`
	Success bool   `json:"success"`
	Errors  []any  `json:"errors"`
	Created *bool  `json:"created,omitempty"`
}

func (c *call) writableObject(name string) (*object, error) {
	o, err := c.object(name)
	if err != nil {
		return nil, err
	}
	if !o.Writable {
		return nil, fail(http.StatusBadRequest, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type cannot be inserted or updated: "+o.Label)
	}
	return o, nil
}

// create handles POST /sobjects/X.
func (c *call) create(ctx context.Context) (reply, error) {
	o, err := c.writableObject(c.path[0])
	if err != nil {
		return reply{}, err
	}
	var in map[string]any
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	var ch change
	err = c.write(ctx, func(q querier) error {
		if ch = c.prepareCreate(ctx, q, o, in); ch.err != nil {
			return ch.err
		}
		return c.apply(ctx, q, ch)
	})
	if err != nil {
		return reply{}, err
	}
	return c.created(ch.rec, nil), nil
}

func (c *call) created(rec *record, flag *bool) reply {
	return reply{status: http.StatusCreated, header: map[string]string{"Location": c.url("sobjects", rec.obj.Name, rec.ID())},
		body: saved{ID: rec.ID(), Success: true, Errors: []any{}, Created: flag}}
}

// retrieve handles GET /sobjects/X/id.
func (c *call) retrieve(ctx context.Context) (reply, error) {
	o, err := c.object(c.path[0])
	if err != nil {
		return reply{}, err
	}
	if !o.Writable {
		return c.retrieveStatic(ctx, o, c.path[1])
	}
	rec, err := c.locate(ctx, c.reader(), o, c.path[1])
	if err != nil {
		return reply{}, err
	}
	return c.show(rec)
}

// show answers a record with the fields that were asked for, or all.
func (c *call) show(rec *record) (reply, error) {
	fields := rec.obj.Fields
	if names := c.query.Get("fields"); names != "" {
		var err error
		if fields, err = pickFields(rec.obj, strings.Split(names, ",")); err != nil {
			return reply{}, err
		}
	}
	return reply{status: http.StatusOK, body: c.row(rec, fields)}, nil
}

func pickFields(o *object, names []string) ([]*field, error) {
	var list []*field
	for _, name := range names {
		f := o.field(strings.TrimSpace(name))
		if f == nil {
			return nil, fail(http.StatusBadRequest, "INVALID_FIELD", "No such column '"+strings.TrimSpace(name)+"' on sobject of type "+o.Name)
		}
		list = append(list, f)
	}
	return list, nil
}

// row is a record as JSON: attributes first, then the fields as asked for.
func (c *call) row(rec *record, fields []*field) row {
	out := row{{"attributes", c.attributes(rec)}}
	for _, f := range fields {
		out = append(out, member{f.Name, rec.value(f)})
	}
	return out
}

// update handles PATCH /sobjects/X/id.
func (c *call) update(ctx context.Context) (reply, error) {
	o, err := c.writableObject(c.path[0])
	if err != nil {
		return reply{}, err
	}
	var in map[string]any
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, c.write(ctx, func(q querier) error {
		rec, err := c.locate(ctx, q, o, c.path[1])
		if err != nil {
			return err
		}
		ch := c.prepareUpdate(ctx, q, rec, in)
		if ch.err != nil {
			return ch.err
		}
		return c.apply(ctx, q, ch)
	})
}

// remove1 handles DELETE /sobjects/X/id.
func (c *call) remove1(ctx context.Context) (reply, error) {
	o, err := c.writableObject(c.path[0])
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, c.write(ctx, func(q querier) error {
		rec, err := c.locate(ctx, q, o, c.path[1])
		if err != nil {
			return err
		}
		return c.remove(ctx, q, rec)
	})
}

// keyField finds the field by whose value a URL names a record.
func (c *call) keyField(o *object) (*field, error) {
	f := o.field(c.path[1])
	if f == nil || !f.ExternalID && !f.IDLookup {
		return nil, fail(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+c.path[1])
	}
	return f, nil
}

// byURL finds the records that /sobjects/X/field/value means.
func (c *call) byURL(ctx context.Context, q querier, o *object) (*field, []*record, error) {
	f, err := c.keyField(o)
	if err != nil {
		return nil, nil, err
	}
	found, err := byKey(ctx, q, c.who.user.OrgID, o, f, c.path[2])
	return f, found, err
}

// choices answers that a value means several records.
func (c *call) choices(found []*record) reply {
	list := []string{}
	for _, r := range found {
		list = append(list, c.url("sobjects", r.obj.Name, r.ID()))
	}
	return reply{status: http.StatusMultipleChoices, body: list}
}

// retrieveByKey handles GET /sobjects/X/field/value.
func (c *call) retrieveByKey(ctx context.Context) (reply, error) {
	o, err := c.writableObject(c.path[0])
	if err != nil {
		return reply{}, err
	}
	_, found, err := c.byURL(ctx, c.reader(), o)
	switch {
	case err != nil:
		return reply{}, err
	case len(found) == 0:
		return reply{}, errNotFound
	case len(found) > 1:
		return c.choices(found), nil
	}
	return c.show(found[0])
}

// removeByKey handles DELETE /sobjects/X/field/value.
func (c *call) removeByKey(ctx context.Context) (reply, error) {
	o, err := c.writableObject(c.path[0])
	if err != nil {
		return reply{}, err
	}
	rep := reply{status: http.StatusNoContent}
	err = c.write(ctx, func(q querier) error {
		_, found, err := c.byURL(ctx, q, o)
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return errNotFound
		case len(found) > 1:
			rep = c.choices(found)
			return nil
		}
		return c.remove(ctx, q, found[0])
	})
	return rep, err
}

// upsert handles PATCH /sobjects/X/field/value.
func (c *call) upsert(ctx context.Context) (reply, error) {
	o, err := c.writableObject(c.path[0])
	if err != nil {
		return reply{}, err
	}
	var in map[string]any
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	var rep reply
	err = c.write(ctx, func(q querier) error {
		f, found, err := c.byURL(ctx, q, o)
		if err != nil {
			return err
		}
		for name := range in {
			if strings.EqualFold(name, f.Name) && f.Name != "Id" {
				return fail(http.StatusBadRequest, "INVALID_FIELD", "The "+f.Name+" field should not be specified in the sobject data.")
			}
		}
		switch len(found) {
		case 0:
			rep, err = c.upsertNew(ctx, q, o, f, in)
			return err
		case 1:
			rep = c.updated(found[0])
			ch := c.prepareUpdate(ctx, q, found[0], in)
			if ch.err != nil {
				return ch.err
			}
			return c.apply(ctx, q, ch)
		}
		rep = c.choices(found)
		return nil
	})
	return rep, err
}

func (c *call) upsertNew(ctx context.Context, q querier, o *object, f *field, in map[string]any) (reply, error) {
	if f.Name == "Id" || strings.EqualFold(c.query.Get("updateOnly"), "true") {
		return reply{}, errNotFound
	}
	if in == nil {
		in = map[string]any{}
	}
	in[f.Name] = c.path[2]
	ch := c.prepareCreate(ctx, q, o, in)
	if ch.err != nil {
		return reply{}, ch.err
	}
	if err := c.apply(ctx, q, ch); err != nil {
		return reply{}, err
	}
	flag := true
	return c.created(ch.rec, &flag), nil
}

// updated answers an upsert that found its record; v45.0 and older say less.
func (c *call) updated(rec *record) reply {
	if c.version < "v46.0" {
		return reply{status: http.StatusNoContent}
	}
	flag := false
	return reply{status: http.StatusOK, body: saved{ID: rec.ID(), Success: true, Errors: []any{}, Created: &flag}}
}
