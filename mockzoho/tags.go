package mockzoho

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"gatepost/simulated"
)

// maxTag is how many characters the name of a tag may have.
const maxTag = 25

// addTags handles POST /{module}/actions/add_tags: it gives records tags beside those that they have, or
// in their place. A tag comes to be with its first record.
func (c *call) addTags(ctx context.Context) (reply, error) {
	var in struct {
		Tags []struct {
			Name string `json:"name"`
		} `json:"tags"`
		IDs  []any `json:"ids"`
		Over bool  `json:"over_write"`
	}
	if err := c.decodeBody(&in); err != nil {
		return reply{}, err
	}
	switch {
	case len(in.Tags) == 0:
		return reply{}, mandatory("tags", "$.tags")
	case len(in.IDs) == 0:
		return reply{}, mandatory("ids", "$.ids")
	case len(in.IDs) > maxRows:
		return reply{}, invalidData("ids", "$.ids", details{"maximum_length": maxRows})
	}
	var names []string
	for i, t := range in.Tags {
		if n := utf8.RuneCountInString(t.Name); n == 0 || n > maxTag {
			return reply{}, invalidData("name", fmt.Sprintf("$.tags[%d].name", i), details{"maximum_length": maxTag})
		}
		names = append(names, t.Name)
	}
	results := make([]any, len(in.IDs))
	err := c.s.core.Tx(ctx, func(q simulated.Querier) error {
		for i, id := range in.IDs {
			result, err := c.tag(ctx, q, i, id, names, in.Over)
			if no, refused := err.(*apiError); refused {
				result = no
			} else if err != nil {
				return err
			}
			results[i] = result
		}
		return nil
	})
	return reply{c.rowStatus(results), map[string]any{"data": results, "wf_scheduler": nil, "success_count": fmt.Sprint(len(results)), "locked_count": "0"}}, err
}

// tag gives one record tags.
func (c *call) tag(ctx context.Context, q simulated.Querier, row int, id any, names []string, over bool) (any, error) {
	rec, err := c.locate(ctx, q, row, id)
	if err != nil {
		return nil, err
	}
	if err := c.writable(rec, row); err != nil {
		return nil, err
	}
	var tags []any
	if had, ok := rec.fields["Tag"].([]any); ok && !over {
		tags = had
	}
	for _, name := range names {
		if !slices.ContainsFunc(tags, func(t any) bool { return t.(map[string]any)["name"] == name }) {
			tags = append(tags, map[string]any{"name": name, "id": c.who.org.id(77_000), "color_code": nil})
		}
	}
	rec.touch(c.s.core.Now(), c.set.SearchLagMS, c.who.ID)
	rec.fields["Tag"] = tags
	return written{"SUCCESS", details{"id": rec.ID(), "tags": tags}, "tags updated successfully", "success"}, rec.save(ctx, q, c.set.KeyField)
}
