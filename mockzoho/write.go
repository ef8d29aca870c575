package mockzoho

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatepost/simulated"
)

// maxRows is how many rows a write takes.
const maxRows = 100

// writing is the body of a write, checked.
type writing struct {
	rows      []any
	checks    []*field // that an upsert looks for, in this order
	workflows bool
}

// written is what the sender of a row that was written is told.
type written struct {
	Code    string  `json:"code"`
	Details details `json:"details"`
	Message string  `json:"message"`
	Status  string  `json:"status"`
}

// upserted is the same of an upsert.
type upserted struct {
	written
	Action         string  `json:"action"`
	DuplicateField *string `json:"duplicate_field"`
}

// decodeBody reads the JSON body of a call.
func (c *call) decodeBody(v any) error {
	if err := decode(c.body, v); err != nil {
		return rowError("INVALID_DATA", "body", details{"expected_data_type": "jsonobject"})
	}
	return nil
}

// writing reads the body of a write.
func (c *call) writing(m *module) (*writing, error) {
	var in struct {
		Data    []any    `json:"data"`
		Checks  []string `json:"duplicate_check_fields"`
		Trigger []string `json:"trigger"`
	}
	if err := c.decodeBody(&in); err != nil {
		return nil, err
	}
	switch {
	case len(in.Data) == 0:
		return nil, mandatory("data", "$.data")
	case len(in.Data) > maxRows:
		return nil, invalidData("data", "$.data", details{"maximum_length": maxRows})
	}
	w := &writing{rows: in.Data, workflows: in.Trigger == nil || slices.Contains(in.Trigger, "workflow")}
	for i, t := range in.Trigger {
		if !slices.Contains([]string{"workflow", "approval", "blueprint", "pathfinder", "orchestration"}, t) {
			return nil, invalidData("trigger", fmt.Sprintf("$.trigger[%d]", i), nil)
		}
	}
	for i, name := range in.Checks {
		f := m.field(name)
		if f == nil || name != "Email" && !f.Unique {
			return nil, invalidData("duplicate_check_fields", fmt.Sprintf("$.duplicate_check_fields[%d]", i), nil)
		}
		w.checks = append(w.checks, f)
	}
	if in.Checks == nil {
		w.checks = defaultChecks(m)
	}
	return w, nil
}

// defaultChecks are what an upsert looks for that names nothing: the field that Zoho has
// chosen for the module, then the unique ones.
func defaultChecks(m *module) []*field {
	checks := []*field{m.field("Email")}
	for _, f := range m.Fields {
		if f.Unique && f.Name != "Email" {
			checks = append(checks, f)
		}
	}
	return checks
}

func (c *call) insertMany(ctx context.Context) (reply, error) { return c.writeMany(ctx, c.insertRow) }
func (c *call) updateMany(ctx context.Context) (reply, error) { return c.writeMany(ctx, c.updateRow) }
func (c *call) upsertMany(ctx context.Context) (reply, error) { return c.writeMany(ctx, c.upsertRow) }

// updateOne handles PUT /{module}/{id}: the id is in the path.
func (c *call) updateOne(ctx context.Context) (reply, error) {
	return c.writeMany(ctx, func(ctx context.Context, q simulated.Querier, w *writing, row int, in map[string]any) (any, error) {
		in["id"] = c.path[0]
		return c.updateRow(ctx, q, w, row, in)
	})
}

// rowWriter writes one row and returns what its sender is told.
type rowWriter func(ctx context.Context, q simulated.Querier, w *writing, row int, in map[string]any) (any, error)

// writeMany writes rows one after the other; one that is refused doesn't keep the others
// from being written.
func (c *call) writeMany(ctx context.Context, write rowWriter) (reply, error) {
	w, err := c.writing(c.mod)
	if err != nil {
		return reply{}, err
	}
	if c.set.UpsertRaces {
		if err := c.lookAhead(ctx, w); err != nil {
			return reply{}, err
		}
	}
	results := make([]any, len(w.rows))
	err = c.s.core.Tx(ctx, func(q simulated.Querier) error {
		for i, row := range w.rows {
			in, ok := row.(map[string]any)
			if !ok {
				results[i] = rowError("INVALID_DATA", "invalid data", details{"expected_data_type": "jsonobject", "json_path": fmt.Sprintf("$.data[%d]", i)})
				continue
			}
			result, err := write(ctx, q, w, i, in)
			if no, refused := err.(*apiError); refused {
				result = no
			} else if err != nil {
				return err
			}
			results[i] = result
		}
		return nil
	})
	if err == nil && w.workflows {
		c.runSlowly(time.Duration(c.set.WorkflowMS*len(w.rows)) * time.Millisecond)
	}
	return reply{c.rowStatus(results), map[string]any{"data": results}}, err
}

// runSlowly waits for a slow workflow, which ends when it is switched off.
func (c *call) runSlowly(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end) && c.s.setup.Of(c.who.org.ID).Workflow == "slow"; {
		time.Sleep(min(5*time.Millisecond, time.Until(end)))
	}
}

// rowStatus is the status of an answer with rows.
func (c *call) rowStatus(results []any) int {
	good := http.StatusOK
	if c.kind == "insert" {
		good = http.StatusCreated
	}
	bad, stale := 0, 0
	for _, r := range results {
		if e, ok := r.(*apiError); ok {
			bad++
			stale += boolInt(e.Code == "ALREADY_MODIFIED")
		}
	}
	switch {
	case bad == 0:
		return good
	case c.set.RowStatus == "old":
		return http.StatusAccepted
	case stale == len(results):
		return http.StatusPreconditionFailed
	case bad == len(results):
		return http.StatusBadRequest
	}
	return http.StatusMultiStatus
}

// insertRow makes a record.
func (c *call) insertRow(ctx context.Context, q simulated.Querier, w *writing, row int, in map[string]any) (any, error) {
	fields, err := c.clean(c.mod, row, in, true)
	if err != nil {
		return nil, err
	}
	rec, err := c.insert(ctx, q, w, row, fields)
	if err != nil {
		return nil, err
	}
	return c.told(rec, "record added"), nil
}

func (c *call) insert(ctx context.Context, q simulated.Querier, w *writing, row int, fields map[string]any) (*record, error) {
	if err := c.may("add", c.who.profile.NoCreate); err != nil {
		return nil, err
	}
	rec := &record{org: c.who.org, mod: c.mod, fields: map[string]any{}}
	return rec, c.put(ctx, q, w, row, rec, fields)
}

// updateRow changes the record with the row's id.
func (c *call) updateRow(ctx context.Context, q simulated.Querier, w *writing, row int, in map[string]any) (any, error) {
	if in["id"] == nil {
		return nil, mandatory("id", rowPath(row, "id"))
	}
	rec, err := c.locate(ctx, q, row, in["id"])
	if err != nil {
		return nil, err
	}
	fields, err := c.clean(c.mod, row, in, false)
	if err != nil {
		return nil, err
	}
	if err := c.update(ctx, q, w, row, rec, fields); err != nil {
		return nil, err
	}
	return c.told(rec, "record updated"), nil
}

func (c *call) update(ctx context.Context, q simulated.Querier, w *writing, row int, rec *record, fields map[string]any) error {
	if err := c.may("edit", c.who.profile.NoUpdate); err != nil {
		return err
	}
	if err := c.writable(rec, row); err != nil {
		return err
	}
	return c.put(ctx, q, w, row, rec, fields)
}

// locate finds the record that an id in a row means.
func (c *call) locate(ctx context.Context, q simulated.Querier, row int, id any) (*record, error) {
	text, ok := wantedID(id)
	if !ok {
		return nil, c.badID(row, text)
	}
	rec, err := bySeq(ctx, q, c.who.org, c.mod, c.who.org.seq(text))
	if err == nil && (rec == nil || rec.gone != "") {
		err = c.badID(row, text)
	}
	return rec, err
}

func (c *call) badID(row int, id string) error {
	d := details{"api_name": "id", "json_path": rowPath(row, "id")}
	if c.set.BadIDDetails == "id" {
		d = details{"id": id}
	}
	return rowError("INVALID_DATA", "the id given seems to be invalid", d)
}

// writable reports why a record can't be changed.
func (c *call) writable(rec *record, row int) error {
	d := details{"id": rec.ID(), "json_path": fmt.Sprintf("$.data[%d]", row)}
	switch rec.state {
	case converted:
		return rowError("ID_ALREADY_CONVERTED", "id already converted", d)
	case locked:
		return rowError("RECORD_LOCKED", "record is locked", d)
	case waiting:
		return rowError("NOT_APPROVED", "record not approved", d)
	case blueprint:
		return rowError("RECORD_IN_BLUEPRINT", "The record is in blue print", d)
	}
	since, err := time.Parse(time.RFC3339, c.in.Get("If-Unmodified-Since"))
	if err == nil && time.UnixMilli(rec.modified).Truncate(time.Second).After(since) {
		return fail(http.StatusPreconditionFailed, "ALREADY_MODIFIED", "The resource has been modified after the given time", d)
	}
	return nil
}

// upsertRow changes the record that is the same, or makes one.
func (c *call) upsertRow(ctx context.Context, q simulated.Querier, w *writing, row int, in map[string]any) (any, error) {
	fields, err := c.clean(c.mod, row, in, true)
	if err != nil {
		return nil, err
	}
	rec, by, err := c.same(ctx, q, w, row, fields)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		if rec, err = c.insert(ctx, q, w, row, fields); err != nil {
			return nil, err
		}
		result := upserted{written: c.told(rec, "record added"), Action: "insert"}
		if c.set.DuplicateFieldOnNew && len(w.checks) > 0 {
			result.DuplicateField = &w.checks[0].Name
		}
		return result, nil
	}
	if !c.set.CreateMayUpdate && !c.who.scopes.module(c.mod.Name, "UPDATE") {
		return nil, rowError("OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL", nil)
	}
	if err := c.update(ctx, q, w, row, rec, fields); err != nil {
		return nil, err
	}
	return upserted{c.told(rec, "record updated"), "update", &by.Name}, nil
}

// same finds the record that an upsert is to change, and the field by which it was found.
// Leads that were converted are none.
func (c *call) same(ctx context.Context, q simulated.Querier, w *writing, row int, fields map[string]any) (*record, *field, error) {
	for _, f := range w.checks {
		value, _ := fields[f.Name].(string)
		if value == "" {
			continue
		}
		found, err := c.sameBy(ctx, q, f, value)
		if err != nil {
			return nil, nil, err
		}
		found = slices.DeleteFunc(found, func(r *record) bool { return r.state == converted })
		if len(found) == 0 {
			continue
		}
		if len(found) > 1 && c.set.AmbiguousMatch == "refuse" {
			return nil, nil, rowError("AMBIGUITY_DURING_PROCESSING", "ambiguity while processing the request", details{"api_name": f.Name, "json_path": rowPath(row, f.Name)})
		}
		if c.set.AmbiguousMatch == "newest" {
			return found[len(found)-1], f, nil
		}
		return found[0], f, nil
	}
	return nil, nil, nil
}

func (c *call) sameBy(ctx context.Context, q simulated.Querier, f *field, value string) ([]*record, error) {
	if c.ahead == nil {
		return byKey(ctx, q, c.who.org, c.mod, f, value)
	}
	return c.ahead[f.Name+":"+strings.ToLower(value)], nil
}

// lookAhead finds what is there before a write begins, so that it doesn't see what is
// written beside it.
func (c *call) lookAhead(ctx context.Context, w *writing) error {
	c.ahead = map[string][]*record{}
	for _, row := range w.rows {
		in, _ := row.(map[string]any)
		for _, f := range w.checks {
			value, _ := in[f.Name].(string)
			value = strings.TrimSpace(value)
			found, err := byKey(ctx, c.s.core.Read, c.who.org, c.mod, f, value)
			if err != nil {
				return err
			}
			c.ahead[f.Name+":"+strings.ToLower(value)] = found
		}
	}
	return nil
}

// put writes checked values into a record, unless another one has what must be unique.
func (c *call) put(ctx context.Context, q simulated.Querier, w *writing, row int, rec *record, fields map[string]any) error {
	if f := c.s.core.Faults.Take(simulated.Record, c.who.org.ID); f != nil {
		code := cmp.Or(f.ErrorCode, "CANNOT_PROCESS")
		return rowError(code, messageOf(code, f.Message), nil)
	}
	if w.workflows && c.set.Workflow == "fail" {
		return rowError("CANNOT_PROCESS", "a workflow of the organization failed", nil)
	}
	if err := c.checkUnique(ctx, q, row, rec, fields); err != nil {
		return err
	}
	rec.touch(c.s.core.Now(), c.set.SearchLagMS, c.who.ID)
	for name, v := range fields {
		if v == nil {
			delete(rec.fields, name)
			continue
		}
		rec.fields[name] = v
	}
	if w.workflows && c.set.Workflow == "lead_source" {
		rec.fields["Lead_Source"] = "Web Download"
	}
	return rec.save(ctx, q, c.set.KeyField)
}

// checkUnique refuses values that other records have and that must be unique.
func (c *call) checkUnique(ctx context.Context, q simulated.Querier, row int, rec *record, fields map[string]any) error {
	var found []*apiError
	for _, f := range c.mod.Fields {
		value, _ := fields[f.Name].(string)
		if !f.Unique || value == "" {
			continue
		}
		same, err := byKey(ctx, q, c.who.org, c.mod, f, value)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(same, func(other *record) bool { return other.seq != rec.seq }); i >= 0 {
			found = append(found, c.duplicate(row, f, same[i]))
		}
	}
	switch {
	case len(found) == 0:
		return nil
	case len(found) > 1 || c.set.DuplicateWrapped:
		return rowError("MULTIPLE_OR_MULTI_ERRORS", "multiple errors occurred", details{"errors": found})
	}
	return found[0]
}

func (c *call) duplicate(row int, f *field, other *record) *apiError {
	d := details{"api_name": f.Name, "json_path": rowPath(row, f.Name)}
	where := c.set.DuplicateID
	if where == "id" || where == "both" {
		d["id"] = other.ID()
	}
	if where == "record" || where == "both" {
		d["duplicate_record"] = map[string]any{"id": other.ID(), "module": map[string]any{"api_name": c.mod.Name},
			"Owner": map[string]any{"id": other.createdBy}}
	}
	return rowError("DUPLICATE_DATA", "duplicate data", d)
}

// told is what the sender of a row that was written is told.
func (c *call) told(rec *record, message string) written {
	by := func(id string) map[string]any { return map[string]any{"name": c.who.Name(), "id": id} }
	return written{"SUCCESS", details{
		"id": rec.ID(), "Created_Time": rec.org.time(rec.created), "Created_By": by(rec.createdBy),
		"Modified_Time": rec.org.time(rec.modified), "Modified_By": by(rec.modifiedBy), "$approval_state": "approved",
	}, message, "success"}
}

// removeMany handles DELETE /{module}?ids= and DELETE /{module}/{id}.
func (c *call) removeMany(ctx context.Context) (reply, error) {
	ids := c.path
	if len(ids) == 0 {
		if c.query.Get("ids") == "" {
			return reply{}, missingParam("ids")
		}
		ids = strings.Split(c.query.Get("ids"), ",")
	}
	if len(ids) > maxRows {
		return reply{}, limitExceeded("ids limit exceeded", maxRows)
	}
	results := make([]any, len(ids))
	err := c.s.core.Tx(ctx, func(q simulated.Querier) error {
		for i, id := range ids {
			result, err := c.removeRow(ctx, q, i, id)
			if no, refused := err.(*apiError); refused {
				result = no
			} else if err != nil {
				return err
			}
			results[i] = result
		}
		return nil
	})
	return reply{c.rowStatus(results), map[string]any{"data": results}}, err
}

// removeRow deletes one record, unless it can't be touched. Converted leads can be deleted.
func (c *call) removeRow(ctx context.Context, q simulated.Querier, row int, id string) (any, error) {
	rec, err := c.locate(ctx, q, row, id)
	if err != nil {
		return nil, err
	}
	if err := c.writable(rec, row); err != nil && rec.state != converted {
		return nil, err
	}
	if err := rec.remove(ctx, q, recycled, c.s.core.Now(), c.who.ID, c.set); err != nil {
		return nil, err
	}
	return written{"SUCCESS", details{"id": rec.ID()}, "record deleted", "success"}, nil
}

// remove puts a record into the recycle bin, or deletes it for good.
func (r *record) remove(ctx context.Context, q simulated.Querier, where string, now int64, by string, v *conf) error {
	r.touch(now, v.SearchLagMS, by)
	r.gone, r.goneAt = where, now
	return r.save(ctx, q, v.KeyField)
}
