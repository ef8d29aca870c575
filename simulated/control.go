package simulated

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// errBadControl marks a control call that makes no sense.
var errBadControl = errors.New("bad request")

// BadControl is the error of a control call that makes no sense: the caller is told why.
func BadControl(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errBadControl}, args...)...)
}

// Control routes control calls, by method and path below /_control: those that a service
// names, and those that are everybody's: clients, users, fail, clock and requests.
func (c *Core) Control(mux *http.ServeMux, own map[string]func(*http.Request) (any, error)) {
	common := map[string]func(*http.Request) (any, error){
		"POST clients": c.registerClient,
		"POST users":   c.changeUser,
		"POST fail":    c.plan,
		"POST clock":   c.moveClock,
		"GET requests": c.listRequests,
	}
	for _, calls := range []map[string]func(*http.Request) (any, error){common, own} {
		for call, do := range calls {
			method, path, _ := strings.Cut(call, " ")
			mux.HandleFunc(method+" /_control/"+path, func(w http.ResponseWriter, r *http.Request) { c.controlled(w, r, do) })
		}
	}
}

func (c *Core) controlled(w http.ResponseWriter, r *http.Request, do func(*http.Request) (any, error)) {
	v, err := do(r)
	switch {
	case errors.Is(err, errBadControl):
		JSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
	case err != nil:
		c.Log.Error("control", "path", r.URL.Path, "error", err)
		JSON(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
	default:
		JSON(w, http.StatusOK, v)
	}
}

// Okay is the answer of a control call that has nothing to tell.
var Okay = struct {
	OK bool `json:"ok"`
}{true}

// Input reads a control call's JSON body into v; an empty one leaves v as it is.
func Input(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return BadControl("%w", err)
	}
	return nil
}

// JSON answers with v. It leaves <, > and & as they are.
func JSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
}

// Count counts something that happened to the organisation that a call is about.
func Count(ctx context.Context, q Querier, name string) error {
	_, err := q.ExecContext(ctx,
		`INSERT INTO tallies (org, name, n) VALUES ($1, $2, 1) ON CONFLICT (org, name) DO UPDATE SET n = n + 1`, OrgOf(ctx), name)
	return err
}

// CountCall counts a call of a kind.
func CountCall(ctx context.Context, q Querier, kind string) error {
	return Count(ctx, q, "calls:"+kind)
}

// Counted are the counters of the organisations that a control call is about, and apart
// from them how many calls of each kind there were.
func (c *Core) Counted(ctx context.Context, org string) (counters, calls map[string]int, err error) {
	counters, calls = map[string]int{}, map[string]int{}
	err = Rows(ctx, c.Read, func(rs *sql.Rows) error {
		var name string
		var n int
		if err := rs.Scan(&name, &n); err != nil {
			return err
		}
		if kind, isCall := strings.CutPrefix(name, "calls:"); isCall {
			calls[kind] = n
		} else {
			counters[name] = n
		}
		return nil
	}, `SELECT name, SUM(n) FROM tallies WHERE `+OfAsked+` GROUP BY name`, org)
	return counters, calls, err
}

// Numbers runs queries that each give one number, of the organisations that a control
// call is about ($1), and puts the numbers into out under the queries' names.
func (c *Core) Numbers(ctx context.Context, out map[string]any, org string, queries map[string]string) error {
	for name, query := range queries {
		var n int
		if err := c.Read.QueryRowContext(ctx, query, org).Scan(&n); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		out[name] = n
	}
	return nil
}

// plan puts a fault on a kind of call.
func (c *Core) plan(r *http.Request) (any, error) {
	var f Fault
	if err := Input(r, &f); err != nil {
		return nil, err
	}
	if err := f.check(c.service.Kinds); err != nil {
		return nil, BadControl("%w", err)
	}
	org, err := c.Asked(r)
	if err != nil {
		return nil, err
	}
	c.Faults.Add(org, f)
	return Okay, nil
}
