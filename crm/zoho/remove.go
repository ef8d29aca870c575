package zoho

import (
	"context"
	"net/http"
	"strings"

	"gatepost/crm"
)

// Remove puts a record into Zoho's recycle bin, where it lies for 60 days, as crm.CRM says.
// Zoho has no condition for a deletion: so the record is looked at first. Its times are in
// whole seconds, and who changes it between the look and the deletion isn't seen.
func (c *Client) Remove(ctx context.Context, id string) (crm.Removed, error) {
	return crm.Remove(func() (there, changed bool, err error) {
		is, err := c.retrieve(ctx, id, "Created_Time,Modified_Time")
		return is != nil, is.changed(), err
	}, func() error { return c.delete(ctx, id) })
}

// retrieve reads some fields of a record, with its times, or all of them; nil when there is none.
func (c *Client) retrieve(ctx context.Context, id, fields string) (row, error) {
	if !isID(id) {
		return nil, &crm.Failure{Class: crm.Recorded, Code: noSuchRecord}
	}
	is, err := c.read(ctx, id, fields)
	if err != nil || is == nil {
		return nil, err
	}
	if is.text("Created_Time") == "" || is.text("Modified_Time") == "" {
		return nil, nonsense("unexpected answer of a record's times", false)
	}
	return is, nil
}

// changed reports whether a record was changed since it was made.
func (r row) changed() bool { return r.text("Created_Time") != r.text("Modified_Time") }

func (c *Client) delete(ctx context.Context, id string) error {
	module, number, _ := strings.Cut(id, "/")
	k := chunk{method: http.MethodDelete, module: module, writes: []int{0}}
	a, err := c.call(ctx, request{method: k.method, path: apiPath + "/" + module + "?ids=" + number, write: true, rows: true, cost: 1})
	if err != nil {
		return err
	}
	row := parseRows(a.body, 1)[0]
	if row.code() == noSuchRecord && row.Status == "error" {
		return &crm.Failure{Class: crm.Recorded, Code: crm.Gone}
	}
	return row.result(crm.Write{}, k, crm.Options{}).Err
}
