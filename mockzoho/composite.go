package mockzoho

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// maxComposite is how many calls a composite one takes.
const maxComposite = 5

// subRequest is one call of a composite one.
type subRequest struct {
	ID     string            `json:"sub_request_id"`
	Method string            `json:"method"`
	URI    string            `json:"uri"`
	Params map[string]string `json:"params"`
	Body   json.RawMessage   `json:"body"`
}

// composite handles POST /__composite_requests: each call for itself.
func (c *call) composite(ctx context.Context) (reply, error) {
	var in struct {
		Requests []subRequest `json:"__composite_requests"`
	}
	if err := c.decodeBody(&in); err != nil {
		return reply{}, err
	}
	switch {
	case len(in.Requests) == 0:
		return reply{}, mandatory("__composite_requests", "$.__composite_requests")
	case len(in.Requests) > maxComposite:
		return reply{}, invalidData("__composite_requests", "$.__composite_requests", details{"maximum_length": maxComposite})
	}
	var list []any
	for _, sub := range in.Requests {
		rep, err := c.sub(ctx, sub)
		if no, refused := err.(*apiError); refused {
			rep = reply{no.http, no.body()}
		} else if err != nil {
			return reply{}, err
		}
		list = append(list, map[string]any{"sub_request_id": sub.ID,
			"details": map[string]any{"status_code": rep.status, "headers": map[string]any{}, "response": rep.body}})
	}
	return reply{http.StatusOK, map[string]any{"__composite_requests": list}}, nil
}

// sub answers one call of a composite one.
func (c *call) sub(ctx context.Context, sub subRequest) (reply, error) {
	u, err := url.Parse(sub.URI)
	if err != nil || !strings.HasPrefix(u.Path, apiRoot) {
		return reply{}, errNoURL
	}
	e, wild, mod, known := findEndpoint(sub.Method, below(u.EscapedPath()))
	switch {
	case !known || e != nil && e.kind == c.kind:
		return reply{}, errNoURL
	case e == nil:
		return reply{}, errNoMethod
	}
	query := u.Query()
	for name, v := range sub.Params {
		query.Set(name, v)
	}
	one := &call{s: c.s, who: c.who, set: c.set, kind: e.kind, version: c.version, path: wild, query: query, in: c.in, header: c.header, body: sub.Body}
	return one.run(ctx, e, mod)
}
