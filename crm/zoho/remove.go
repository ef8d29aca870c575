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
	if !isID(id) {
		return "", &crm.Failure{Class: crm.Recorded, Code: noSuchRecord}
	}
	is, err := c.read(ctx, id, "Created_Time,Modified_Time")
	if err != nil {
		return "", err
	}
	if is == nil {
		return crm.Missing, nil
	}
	if is.text("Created_Time") == "" || is.text("Modified_Time") == "" {
		return "", nonsense("unexpected answer of a record's times", false)
	}
	if is.text("Created_Time") != is.text("Modified_Time") {
		return crm.Changed, nil
	}
	return c.delete(ctx, id)
}

func (c *Client) delete(ctx context.Context, id string) (crm.Removed, error) {
	module, number, _ := strings.Cut(id, "/")
	k := chunk{method: http.MethodDelete, module: module, writes: []int{0}}
	a, err := c.call(ctx, request{method: k.method, path: apiPath + "/" + module + "?ids=" + number, write: true, rows: true, cost: 1})
	if err != nil {
		return "", err
	}
	row := parseRows(a.body, 1)[0]
	if row.code() == noSuchRecord && row.Status == "error" {
		return crm.Missing, nil
	}
	if r := row.result(crm.Write{}, k, crm.Options{}); r.Err != nil {
		return "", r.Err
	}
	return crm.Deleted, nil
}
