package mocksalesforce

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// errBadControl marks a control call that makes no sense.
var errBadControl = errors.New("bad request")

func (s *Server) controlRoutes(mux *http.ServeMux) {
	for pattern, do := range map[string]func(*http.Request) (any, error){
		"GET /_control/stats":                 s.stats,
		"GET /_control/contacts":              s.contacts,
		"GET /_control/settings":              s.showSettings,
		"POST /_control/settings":             s.changeSettings,
		"POST /_control/clients":              s.registerClient,
		"POST /_control/users":                s.changeUser,
		"POST /_control/session":              s.makeSession,
		"POST /_control/reset":                s.reset,
		"POST /_control/expire-access-tokens": s.expireAccessTokens,
		"POST /_control/revoke":               s.revokeAll,
		"POST /_control/fail":                 s.plan,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.controlled(w, r, do) })
	}
}

func (s *Server) controlled(w http.ResponseWriter, r *http.Request, do func(*http.Request) (any, error)) {
	v, err := do(r)
	switch {
	case errors.Is(err, errBadControl):
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
	case err != nil:
		s.log.Error("control", "path", r.URL.Path, "error", err)
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
	default:
		writeJSON(w, http.StatusOK, v)
	}
}

// okay is the answer of a control call that has nothing to tell.
type okay struct {
	OK bool `json:"ok"`
}

// input reads a control call's JSON body into v; an empty one leaves v as it is.
func input(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", errBadControl, err)
	}
	return nil
}

func (s *Server) stats(r *http.Request) (any, error) {
	ctx := r.Context()
	org, err := s.asked(r)
	if err != nil {
		return nil, err
	}
	counters, calls := map[string]int{}, map[string]int{}
	err = rows(ctx, s.read, func(rs *sql.Rows) error {
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
	}, `SELECT name, SUM(n) FROM tallies WHERE `+ofAsked+` GROUP BY name`, org)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"calls": calls}
	for _, name := range []string{"token_calls", "refreshes", "reuse_detected", "introspections", "revocations"} {
		out[name] = counters[name]
	}
	for name, query := range map[string]string{
		"api_calls":     `SELECT COALESCE(SUM(n), 0) FROM usage WHERE ` + ofAsked,
		"contacts":      `SELECT COUNT(*) FROM records WHERE type = 'Contact' AND deleted = 0 AND ` + ofAsked,
		"leads":         `SELECT COUNT(*) FROM records WHERE type = 'Lead' AND deleted = 0 AND ` + ofAsked,
		"accounts":      `SELECT COUNT(*) FROM records WHERE type = 'Account' AND deleted = 0 AND ` + ofAsked,
		"grants":        `SELECT COUNT(*) FROM grants WHERE revoked = 0 AND ` + usersOfAsked,
		"per_email_max": `SELECT COALESCE(MAX(n), 0) FROM (SELECT COUNT(*) AS n FROM records WHERE type = 'Contact' AND deleted = 0 AND email IS NOT NULL AND ` + ofAsked + ` GROUP BY org, email)`,
	} {
		var n int
		if err := s.read.QueryRowContext(ctx, query, org).Scan(&n); err != nil {
			return nil, err
		}
		out[name] = n
	}
	return out, nil
}

// listedContact is a Contact as GET /_control/contacts tells it.
type listedContact struct {
	ID          string `json:"Id"`
	FirstName   any
	LastName    any
	Email       any
	OrgID       string `json:"OrgId"`
	CreatedDate string
}

func (s *Server) contacts(r *http.Request) (any, error) {
	asked, err := s.asked(r)
	if err != nil {
		return nil, err
	}
	orgs, err := s.orgs(r.Context())
	if err != nil {
		return nil, err
	}
	orgs = slices.DeleteFunc(orgs, func(o org) bool { return o.ID != asked && (asked != "" || o.Apart) })
	list := []listedContact{}
	for _, o := range orgs {
		found, err := find(r.Context(), s.read, o.ID, s.schema(o.ID).object("Contact"), `deleted = 0`)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			list = append(list, listedContact{c.ID(), c.fields["FirstName"], c.fields["LastName"], c.fields["Email"], o.ID, formatTime(c.created)})
		}
	}
	return map[string]any{"contacts": list}, nil
}

func (s *Server) showSettings(r *http.Request) (any, error) {
	org, err := s.asked(r)
	return s.set(cmp.Or(org, defaultOrg)), err
}

// changeSettings changes what the body names and leaves the rest: for an org that is
// named, which is set up on its own from then on, or for all that aren't apart, which
// are set up as the first one then.
func (s *Server) changeSettings(r *http.Request) (any, error) {
	s.control.Lock()
	defer s.control.Unlock()
	org, err := s.asked(r)
	if err != nil {
		return nil, err
	}
	v := *s.set(cmp.Or(org, defaultOrg))
	if err := input(r, &v); err != nil {
		return nil, err
	}
	if err := v.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", errBadControl, err)
	}
	return v, s.saveSettings(r.Context(), org, v)
}

func (s *Server) registerClient(r *http.Request) (any, error) {
	var c Client
	if err := input(r, &c); err != nil {
		return nil, err
	}
	if c.ID == "" || len(c.RedirectURIs) == 0 {
		return nil, fmt.Errorf("%w: a client needs client_id and redirect_uris", errBadControl)
	}
	return c, s.AddClient(r.Context(), c)
}

// changeUser switches a user on or off.
func (s *Server) changeUser(r *http.Request) (any, error) {
	var in struct {
		Username string `json:"username"`
		Active   bool   `json:"active"`
	}
	if err := input(r, &in); err != nil {
		return nil, err
	}
	res, err := s.write.ExecContext(r.Context(), `UPDATE users SET active = $1 WHERE username = $2`, in.Active, in.Username)
	if err != nil {
		return nil, err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return nil, errors.Join(err, fmt.Errorf("%w: no user %q", errBadControl, in.Username))
	}
	return okay{true}, nil
}

// makeSession approves a client without a browser and answers its tokens.
func (s *Server) makeSession(r *http.Request) (any, error) {
	ctx := r.Context()
	in := struct {
		ClientID string `json:"client_id"`
		Username string `json:"username"`
		Scope    string `json:"scope"`
	}{Scope: "api id refresh_token"}
	if err := input(r, &in); err != nil {
		return nil, err
	}
	org, err := s.asked(r)
	if err != nil {
		return nil, err
	}
	c, err := s.clientOrFirst(ctx, in.ClientID)
	if err != nil {
		return nil, err
	}
	var t tokenResponse
	err = s.tx(ctx, func(q querier) error {
		u, err := scanUser(q.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE CASE WHEN $1 = '' THEN org = $2 ELSE username = $1 END ORDER BY id LIMIT 1`,
			in.Username, cmp.Or(org, defaultOrg)))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: no user %q", errBadControl, in.Username)
		}
		if err != nil {
			return err
		}
		t, err = s.grant(ctx, q, c, u, in.Scope, s.base(r))
		return err
	})
	return t, err
}

// clientOrFirst returns the client named, or the first there is, or one made for the purpose.
func (s *Server) clientOrFirst(ctx context.Context, id string) (Client, error) {
	if id == "" {
		err := s.read.QueryRowContext(ctx, `SELECT id FROM clients ORDER BY rowid LIMIT 1`).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			c := Client{ID: "3MVG9control", Secret: "control", RedirectURIs: []string{}}
			return c, s.AddClient(ctx, c)
		}
		if err != nil {
			return Client{}, err
		}
	}
	c, err := s.client(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("%w: no client %q", errBadControl, id)
	}
	return c, err
}

// reset forgets records, faults, counters and settings; who may come in stays.
func (s *Server) reset(r *http.Request) (any, error) {
	s.control.Lock()
	defer s.control.Unlock()
	ctx := r.Context()
	org, err := s.asked(r)
	if err != nil {
		return nil, err
	}
	err = s.tx(ctx, func(q querier) error {
		for _, table := range []string{"records", "cursors", "tallies", "usage"} {
			if _, err := q.ExecContext(ctx, `DELETE FROM `+table+` WHERE `+ofAsked, org); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.faults.clear(org)
	return okay{true}, s.saveSettings(ctx, org, defaultSettings())
}

func (s *Server) expireAccessTokens(r *http.Request) (any, error) {
	org, err := s.asked(r)
	if err != nil {
		return nil, err
	}
	_, err = s.write.ExecContext(r.Context(), `DELETE FROM access_tokens WHERE grant_id IN (SELECT id FROM grants WHERE `+usersOfAsked+`)`, org)
	return okay{true}, err
}

// revokeAll revokes every approval, as an admin would in Setup.
func (s *Server) revokeAll(r *http.Request) (any, error) {
	org, err := s.asked(r)
	if err != nil {
		return nil, err
	}
	return okay{true}, s.revokeGrants(r.Context(), org)
}

// revokeGrants revokes every approval in an org, or for "" in all that aren't apart.
func (s *Server) revokeGrants(ctx context.Context, org string) error {
	return s.tx(ctx, func(q querier) error {
		if _, err := q.ExecContext(ctx, `UPDATE grants SET revoked = 1 WHERE `+usersOfAsked, org); err != nil {
			return err
		}
		_, err := q.ExecContext(ctx, `DELETE FROM access_tokens WHERE grant_id IN (SELECT id FROM grants WHERE `+usersOfAsked+`)`, org)
		return err
	})
}

// plan puts a fault on a kind of call.
func (s *Server) plan(r *http.Request) (any, error) {
	var f fault
	if err := input(r, &f); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", errBadControl, err)
	}
	org, err := s.asked(r)
	if err != nil {
		return nil, err
	}
	f.org = org
	s.faults.add(f)
	return okay{true}, nil
}
