package mockzoho

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"strings"

	"gatepost/simulated"
)

// States of a record in which it can't be changed.
const (
	locked    = "locked"
	waiting   = "waiting" // for approval
	blueprint = "blueprint"
	converted = "converted"
)

// Where a deleted record is.
const (
	recycled  = "recycle"
	destroyed = "permanent"
)

// record is one stored record.
type record struct {
	seq                   int64 // 0: not stored yet
	org                   org
	mod                   *module
	fields                map[string]any // what clients wrote, blank values left out
	before                map[string]any // as the index of searches has it, nil for not at all
	created, modified     int64
	createdBy, modifiedBy string // ids of members
	state, gone           string
	goneAt                int64
	contact               int64 // that a lead was converted to
}

// ID is the record's id of 19 digits.
func (r *record) ID() string { return r.org.recordID(r.seq) }

func (r *record) text(name string) string {
	v, _ := r.fields[name].(string)
	return v
}

// fullName is the first and last name in a set of fields.
func fullName(fields map[string]any) string {
	first, _ := fields["First_Name"].(string)
	last, _ := fields["Last_Name"].(string)
	return strings.TrimSpace(first + " " + last)
}

// value returns what a field holds, nil when it is blank.
func (r *record) value(f *field) any {
	switch f.Name {
	case "id":
		return r.ID()
	case "Full_Name":
		return fullName(r.fields)
	case "Locked__s":
		return r.state == locked
	case "Converted__s":
		return r.state == converted
	case "Converted_Contact":
		if r.contact == 0 {
			return nil
		}
		return map[string]any{"id": r.org.recordID(r.contact)}
	case "Created_Time":
		return r.org.time(r.created)
	case "Modified_Time":
		return r.org.time(r.modified)
	case "Created_By":
		return map[string]any{"id": r.createdBy}
	case "Modified_By":
		return map[string]any{"id": r.modifiedBy}
	}
	if v, ok := r.fields[f.Name]; ok {
		return v
	}
	if f.Name == "Owner" {
		return map[string]any{"id": r.createdBy}
	}
	if f.Type == "boolean" {
		return false // a checkbox is never blank
	}
	return nil
}

const recordColumns = `seq, data, before, created, modified, created_by, modified_by, state, contact, gone, gone_at`

// find returns the records of a module that also meet a condition, oldest first.
func find(ctx context.Context, q simulated.Querier, o org, m *module, condition string, args ...any) ([]*record, error) {
	var list []*record
	err := simulated.Rows(ctx, q, func(rs *sql.Rows) error {
		r := &record{org: o, mod: m}
		var data, before []byte
		err := rs.Scan(&r.seq, &data, &before, &r.created, &r.modified, &r.createdBy, &r.modifiedBy, &r.state, &r.contact, &r.gone, &r.goneAt)
		if err != nil {
			return err
		}
		list = append(list, r)
		if before != nil {
			if err := decode(before, &r.before); err != nil {
				return err
			}
		}
		return decode(data, &r.fields)
	}, `SELECT `+recordColumns+` FROM records WHERE org = $1 AND module = $2 AND `+condition+` ORDER BY seq`,
		append([]any{o.ID, m.Name}, args...)...)
	return list, err
}

// decode reads JSON and keeps numbers as they were written.
func decode(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v)
}

// bySeq returns a record, also a deleted one, or nil.
func bySeq(ctx context.Context, q simulated.Querier, o org, m *module, seq int64) (*record, error) {
	list, err := find(ctx, q, o, m, `seq = $3`, seq)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// byKey returns the records that have a value in a field by which they are kept: Email,
// or the custom key.
func byKey(ctx context.Context, q simulated.Querier, o org, m *module, f *field, value string) ([]*record, error) {
	column := "ext"
	if f.Name == "Email" {
		column = "email"
	}
	return find(ctx, q, o, m, `gone = '' AND `+column+` = $3`, strings.ToLower(value))
}

// nilIfEmpty keeps blank keys out of the indices.
func nilIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return strings.ToLower(s)
}

// save inserts a record without a number, or updates the one with it.
func (r *record) save(ctx context.Context, q simulated.Querier, key string) error {
	data, err := json.Marshal(r.fields)
	if err != nil {
		return err
	}
	var before any
	if r.before != nil {
		text, err := json.Marshal(r.before)
		if err != nil {
			return err
		}
		before = string(text)
	}
	args := []any{nilIfEmpty(r.text("Email")), nilIfEmpty(r.text("Secondary_Email")), nilIfEmpty(r.text(key)), string(data), before,
		r.modified, r.modifiedBy, r.state, r.contact, r.gone, r.goneAt}
	if r.seq != 0 {
		_, err = q.ExecContext(ctx, `UPDATE records SET email = $1, email2 = $2, ext = $3, data = $4, before = $5, modified = $6, modified_by = $7,
			state = $8, contact = $9, gone = $10, gone_at = $11 WHERE seq = $12`, append(args, r.seq)...)
		return err
	}
	return q.QueryRowContext(ctx, `INSERT INTO records (email, email2, ext, data, before, modified, modified_by, state, contact, gone, gone_at,
			org, module, created, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING seq`,
		append(args, r.org.ID, r.mod.Name, r.created, r.createdBy)...).Scan(&r.seq)
}

// touch notes that a record is about to change, before its fields do: searches know it as it
// was until the index has caught up.
func (r *record) touch(now int64, lag int, by string) {
	if r.seq == 0 {
		r.created, r.createdBy = now, by
	} else if r.modified+int64(lag) <= now {
		r.before = maps.Clone(r.fields)
	}
	r.modified, r.modifiedBy = now, by
}
