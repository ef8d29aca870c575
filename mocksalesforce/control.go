package mocksalesforce

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"

	"gatepost/simulated"
)

func (s *Server) controlRoutes(mux *http.ServeMux) {
	own := map[string]func(*http.Request) (any, error){
		"GET stats":                 s.stats,
		"GET contacts":              s.contacts,
		"GET settings":              s.setup.Show,
		"POST settings":             s.setup.Change,
		"POST session":              s.makeSession,
		"POST reset":                s.reset,
		"POST expire-access-tokens": s.expireAccessTokens,
		"POST revoke":               s.revokeAll,
	}
	maps.Copy(own, simulated.FieldsOf(s.setup, func(v *settings) *[]simulated.Field { return &v.Fields }))
	s.core.Control(mux, own)
}

func (s *Server) stats(r *http.Request) (any, error) {
	ctx := r.Context()
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	counters, calls, err := s.core.Counted(ctx, org)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"calls": calls}
	for _, name := range []string{"token_calls", "refreshes", "reuse_detected", "introspections", "revocations"} {
		out[name] = counters[name]
	}
	return out, s.core.Numbers(ctx, out, org, map[string]string{
		"api_calls":     `SELECT COALESCE(SUM(n), 0) FROM usage WHERE ` + simulated.OfAsked,
		"contacts":      `SELECT COUNT(*) FROM records WHERE type = 'Contact' AND deleted = 0 AND ` + simulated.OfAsked,
		"leads":         `SELECT COUNT(*) FROM records WHERE type = 'Lead' AND deleted = 0 AND ` + simulated.OfAsked,
		"accounts":      `SELECT COUNT(*) FROM records WHERE type = 'Account' AND deleted = 0 AND ` + simulated.OfAsked,
		"grants":        `SELECT COUNT(*) FROM grants WHERE revoked = 0 AND ` + simulated.UsersOfAsked,
		"per_email_max": `SELECT COALESCE(MAX(n), 0) FROM (SELECT COUNT(*) AS n FROM records WHERE type = 'Contact' AND deleted = 0 AND email IS NOT NULL AND ` + simulated.OfAsked + ` GROUP BY org, email)`,
	})
}

// listedContact is a Contact as GET /_control/contacts tells it.
type listedContact struct {
	ID          string `json:"Id"`
	FirstName   any
	LastName    any
	Email       any
	OrgID       string `json:"OrgId"`
	CreatedDate string
	Fields      map[string]any // the others that hold something
}

func (s *Server) contacts(r *http.Request) (any, error) {
	asked, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	orgs, err := s.core.Orgs(r.Context())
	if err != nil {
		return nil, err
	}
	orgs = slices.DeleteFunc(orgs, func(o org) bool { return o.ID != asked && (asked != "" || o.Apart) })
	list := []listedContact{}
	for _, o := range orgs {
		found, err := find(r.Context(), s.core.Read, o.ID, s.schema(o.ID).object("Contact"), `deleted = 0`)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			others := maps.Clone(c.fields)
			maps.DeleteFunc(others, func(name string, _ any) bool { return name == "FirstName" || name == "LastName" || name == "Email" })
			list = append(list, listedContact{c.ID(), c.fields["FirstName"], c.fields["LastName"], c.fields["Email"], o.ID, formatTime(c.created), others})
		}
	}
	return map[string]any{"contacts": list}, nil
}

// makeSession approves a client without a browser and answers its tokens.
func (s *Server) makeSession(r *http.Request) (any, error) {
	ctx := r.Context()
	in := struct {
		ClientID string `json:"client_id"`
		Username string `json:"username"`
		Scope    string `json:"scope"`
	}{Scope: "api id refresh_token"}
	if err := simulated.Input(r, &in); err != nil {
		return nil, err
	}
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	c, err := s.core.ClientOr(ctx, in.ClientID, Client{ID: "3MVG9control", Secret: "control", RedirectURIs: []string{}})
	if err != nil {
		return nil, err
	}
	var t tokenResponse
	err = s.core.Tx(ctx, func(q querier) error {
		u, err := simulated.UserOf(ctx, q, in.Username, cmp.Or(org, defaultOrg))
		if err != nil {
			return err
		}
		t, err = s.grant(ctx, q, c, u, in.Scope, s.core.Base(r))
		return err
	})
	return t, err
}

// reset forgets records, faults, counters and settings; who may come in stays.
func (s *Server) reset(r *http.Request) (any, error) {
	s.core.Changing.Lock()
	defer s.core.Changing.Unlock()
	ctx := r.Context()
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	err = s.core.Tx(ctx, func(q querier) error {
		for _, table := range []string{"records", "cursors", "tallies", "usage"} {
			if _, err := q.ExecContext(ctx, `DELETE FROM `+table+` WHERE `+simulated.OfAsked, org); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.core.Faults.Clear(org)
	return simulated.Okay, s.setup.Reset(ctx, org)
}

func (s *Server) expireAccessTokens(r *http.Request) (any, error) {
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	_, err = s.core.Write.ExecContext(r.Context(), `DELETE FROM access_tokens WHERE grant_id IN (SELECT id FROM grants WHERE `+simulated.UsersOfAsked+`)`, org)
	return simulated.Okay, err
}

// revokeAll revokes every approval, as an admin would in Setup.
func (s *Server) revokeAll(r *http.Request) (any, error) {
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	return simulated.Okay, s.revokeGrants(r.Context(), org)
}

// revokeGrants revokes every approval in an org, or for "" in all that aren't apart.
func (s *Server) revokeGrants(ctx context.Context, org string) error {
	return s.core.Tx(ctx, func(q querier) error {
		if _, err := q.ExecContext(ctx, `UPDATE grants SET revoked = 1 WHERE `+simulated.UsersOfAsked, org); err != nil {
			return err
		}
		_, err := q.ExecContext(ctx, `DELETE FROM access_tokens WHERE grant_id IN (SELECT id FROM grants WHERE `+simulated.UsersOfAsked+`)`, org)
		return err
	})
}
