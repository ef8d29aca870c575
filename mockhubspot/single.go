package mockhubspot

import (
	"context"
	"net/http"
	"strconv"
)

// written is the body of a call that writes one contact.
type written struct {
	Properties   map[string]any `json:"properties"`
	Associations []any          `json:"associations"`
}

// create handles POST /crm/objects/…/contacts.
func (c *call) create(ctx context.Context) (reply, error) {
	var in written
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if len(in.Associations) > 0 {
		return reply{}, invalid("associations: this simulation has contacts alone")
	}
	var rep reply
	err := c.s.core.Tx(ctx, func(q querier) error {
		l, err := c.newLedger(ctx, q)
		if err != nil {
			return err
		}
		props, no := c.set().clean(c.who.org, l.schema, in.Properties)
		if no != nil {
			return no
		}
		if err := l.learn(ctx, []map[string]string{props}); err != nil {
			return err
		}
		r, no := l.create(props)
		if no != nil {
			return no
		}
		rep = reply{http.StatusCreated, c.whole(l.schema, r)}
		return l.keep(ctx, []*contact{r})
	})
	return rep, err
}

// retrieve handles GET /crm/objects/…/contacts/{id}. An id that was merged away leads to
// what it became.
func (c *call) retrieve(ctx context.Context) (reply, error) {
	l, err := c.newLedger(ctx, c.s.core.Read)
	if err != nil {
		return reply{}, err
	}
	r, err := l.named(ctx, c.path[0], c.query.Get("idProperty"))
	if err != nil {
		return reply{}, err
	}
	if r == nil || r.hidden || r.archived != (c.query.Get("archived") == "true") {
		return reply{}, notFound(c.path[0])
	}
	return reply{http.StatusOK, c.view(l.schema, r, splitNames(c.query["properties"]))}, nil
}

// update handles PATCH /crm/objects/…/contacts/{id}.
func (c *call) update(ctx context.Context) (reply, error) {
	var in written
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	var rep reply
	err := c.s.core.Tx(ctx, func(q querier) error {
		l, err := c.newLedger(ctx, q)
		if err != nil {
			return err
		}
		r, err := l.named(ctx, c.path[0], c.query.Get("idProperty"))
		if err != nil {
			return err
		}
		if !r.usable() {
			return notFound(c.path[0])
		}
		props, no := c.set().clean(c.who.org, l.schema, in.Properties)
		if no != nil {
			return no
		}
		if err := l.learn(ctx, []map[string]string{props}); err != nil {
			return err
		}
		if no := l.assign(r, props); no != nil {
			return no
		}
		if err := l.keep(ctx, []*contact{r}); err != nil {
			return err
		}
		rep = reply{http.StatusOK, c.whole(l.schema, r)}
		return nil
	})
	return rep, err
}

// remove handles DELETE /crm/objects/…/contacts/{id}: the contact goes into the recycle bin.
func (c *call) remove(ctx context.Context) (reply, error) {
	return reply{status: http.StatusNoContent}, c.s.core.Tx(ctx, func(q querier) error {
		l, err := c.newLedger(ctx, q)
		if err != nil {
			return err
		}
		r, err := l.named(ctx, c.path[0], "")
		if err != nil {
			return err
		}
		if !r.usable() {
			return notFound(c.path[0])
		}
		r.archived = true
		return l.keep(ctx, []*contact{r})
	})
}

const maxPage = 100

// list handles GET /crm/objects/…/contacts.
func (c *call) list(ctx context.Context) (reply, error) {
	limit, after := 10, int64(0)
	if text := c.query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return reply{}, invalid("limit must be a number from 1 to 100")
		}
		limit = n
	}
	if text := c.query.Get("after"); text != "" {
		after = seqOf(text)
	}
	l, err := c.newLedger(ctx, c.s.core.Read)
	if err != nil {
		return reply{}, err
	}
	found, err := find(ctx, c.s.core.Read, c.who.org, `archived = $2 AND hidden = 0 AND merged_into = 0 AND seq > $3 ORDER BY seq LIMIT $4`,
		c.query.Get("archived") == "true", after, limit+1)
	if err != nil {
		return reply{}, err
	}
	body := map[string]any{}
	if len(found) > limit {
		found = found[:limit]
		last := found[limit-1].ID()
		q := c.query
		q.Set("after", last)
		body["paging"] = map[string]any{"next": map[string]any{"after": last, "link": c.base + "/crm/objects/" + c.version + "/contacts?" + q.Encode()}}
	}
	results := []any{}
	for _, r := range found {
		results = append(results, c.view(l.schema, r, splitNames(c.query["properties"])))
	}
	body["results"] = results
	return reply{http.StatusOK, body}, nil
}
