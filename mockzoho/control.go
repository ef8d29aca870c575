package mockzoho

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"gatepost/simulated"
)

func (s *Server) controlRoutes(mux *http.ServeMux) {
	own := map[string]func(*http.Request) (any, error){
		"GET stats":                 s.stats,
		"GET contacts":              s.contacts,
		"GET settings":              s.setup.Show,
		"POST settings":             s.setup.Change,
		"POST centres":              s.changeCentres,
		"POST profile":              s.changeProfile,
		"POST records":              s.changeRecord,
		"POST session":              s.makeSession,
		"POST reset":                s.reset,
		"POST expire-access-tokens": s.expireAccessTokens,
		"POST revoke":               s.revokeAll,
	}
	maps.Copy(own, simulated.FieldsOf(s.setup, func(v *conf) *[]simulated.Field { return &v.Fields }))
	s.core.Control(mux, own)
}

func (s *Server) stats(r *http.Request) (any, error) {
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	counters, calls, err := s.core.Counted(r.Context(), org)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"calls": calls}
	for _, name := range []string{"token_calls", "refreshes", "reuse_detected", "throttled", "revocations"} {
		out[name] = counters[name]
	}
	const living = `FROM records WHERE gone = '' AND ` + simulated.OfAsked
	return out, s.core.Numbers(r.Context(), out, org, map[string]string{
		"api_calls":     `SELECT COALESCE(SUM(calls), 0) FROM credits WHERE ` + simulated.OfAsked,
		"credits":       `SELECT COALESCE(SUM(credits), 0) FROM credits WHERE ` + simulated.OfAsked,
		"contacts":      `SELECT COUNT(*) ` + living + ` AND module = 'Contacts'`,
		"leads":         `SELECT COUNT(*) ` + living + ` AND module = 'Leads'`,
		"grants":        `SELECT COUNT(*) FROM grants WHERE revoked = 0 AND ` + simulated.OfAsked,
		"per_email_max": `SELECT COALESCE(MAX(n), 0) FROM (SELECT COUNT(*) AS n ` + living + ` AND module = 'Contacts' AND email IS NOT NULL GROUP BY org, email)`,
	})
}

// moduleNamed is the module that a control call names by ?module=, Contacts as a rule.
func (s *Server) moduleNamed(org, name string) (*module, error) {
	m := s.setup.Of(org).schema.module(cmp.Or(name, contactModule))
	if m == nil {
		return nil, simulated.BadControl("there is no module %q", name)
	}
	return m, nil
}

// contacts lists the records of a module.
func (s *Server) contacts(r *http.Request) (any, error) {
	asked, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	orgs, err := s.core.Orgs(r.Context())
	list := []any{}
	for _, one := range orgs {
		if err != nil || one.ID != asked && (asked != "" || one.Apart) {
			continue
		}
		var more []any
		more, err = s.listed(r, one.ID)
		list = append(list, more...)
	}
	return map[string]any{"contacts": list}, err
}

func (s *Server) listed(r *http.Request, orgID string) (list []any, err error) {
	m, err := s.moduleNamed(orgID, r.URL.Query().Get("module"))
	if err != nil {
		return nil, err
	}
	o, err := s.org(r.Context(), orgID)
	if err != nil {
		return nil, err
	}
	found, err := find(r.Context(), s.core.Read, o, m, `gone = ''`)
	for _, rec := range found {
		list = append(list, map[string]any{"id": rec.ID(), "First_Name": rec.fields["First_Name"], "Last_Name": rec.fields["Last_Name"],
			"Email": rec.fields["Email"], "Lead_Source": rec.fields["Lead_Source"], "state": rec.state, "org": o.ID,
			"Created_Time": o.time(rec.created), "Modified_Time": o.time(rec.modified)})
	}
	return list, err
}

// changeCentres handles POST /_control/centres: in which data centres an app is switched
// on, and its secrets there.
func (s *Server) changeCentres(r *http.Request) (any, error) {
	var in struct {
		ID      string            `json:"client_id"`
		Centres []string          `json:"centres"`
		Secrets map[string]string `json:"secrets"`
	}
	if err := simulated.Input(r, &in); err != nil {
		return nil, err
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(in.Secrets)), in.Centres) {
		if !slices.Contains(centres, name) {
			return nil, simulated.BadControl("there is no data centre %q", name)
		}
	}
	c, err := s.core.Client(r.Context(), in.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, simulated.BadControl("no client %q", in.ID)
	}
	if err != nil {
		return nil, err
	}
	return simulated.Okay, s.AddClient(r.Context(), Client{ID: c.ID, Secret: c.Secret, RedirectURIs: c.RedirectURIs, Centres: in.Centres, Secrets: in.Secrets})
}

// memberOf is the user of an org that a control call names, the first one as a rule.
func (s *Server) memberOf(ctx context.Context, q simulated.Querier, orgID, username string) (m member, err error) {
	var id string
	err = q.QueryRowContext(ctx, `SELECT m.user FROM members m JOIN users u ON u.id = m.user
		WHERE m.org = $1 AND (u.username = $2 OR $2 = '') ORDER BY m.user LIMIT 1`, orgID, strings.ToLower(username)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return m, simulated.BadControl("no user %q in that org", username)
	}
	if err != nil {
		return m, err
	}
	return s.member(ctx, q, orgID, id)
}

// changeProfile handles POST /_control/profile: what a user of an org may do.
func (s *Server) changeProfile(r *http.Request) (any, error) {
	in := struct {
		Username string `json:"username"`
		profile
	}{profile: administrator()}
	if err := simulated.Input(r, &in); err != nil {
		return nil, err
	}
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	org = cmp.Or(org, defaultOrg)
	m, err := s.memberOf(r.Context(), s.core.Read, org, in.Username)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(in.profile)
	if err != nil {
		return nil, err
	}
	_, err = s.core.Write.ExecContext(r.Context(), `UPDATE members SET profile = $1 WHERE org = $2 AND user = $3`, string(text), org, m.User.ID)
	return in.profile, err
}

// defaultScope is what a session is given that names no scope.
const defaultScope = "ZohoCRM.modules.contacts.ALL,ZohoCRM.modules.leads.ALL,ZohoCRM.coql.READ,ZohoCRM.settings.fields.READ," +
	"ZohoCRM.settings.layouts.READ,ZohoCRM.settings.modules.READ,ZohoCRM.org.READ,ZohoCRM.users.READ"

// made is a session with what the callback would have told.
type made struct {
	tokenResponse
	Location string `json:"location"`
	Accounts string `json:"accounts-server"`
	Org      string `json:"org"`
}

// wantedSession is what POST /_control/session asks for.
type wantedSession struct {
	ClientID string `json:"client_id"`
	Username string `json:"username"`
	Scope    string `json:"scope"`
	Offline  bool   `json:"offline"`
}

// makeSession approves a client without a browser and answers its tokens.
func (s *Server) makeSession(r *http.Request) (any, error) {
	ctx, in := r.Context(), wantedSession{Scope: defaultScope, Offline: true}
	if err := simulated.Input(r, &in); err != nil {
		return nil, err
	}
	list, ok := parseScopes(in.Scope, true)
	if !ok {
		return nil, simulated.BadControl("no such scope in %q", in.Scope)
	}
	c, err := s.core.ClientOr(ctx, in.ClientID, simulated.Client{ID: "1000.CONTROL", Secret: "control", RedirectURIs: []string{}})
	if err != nil {
		return nil, err
	}
	o, err := s.homeOf(r, in.Username)
	if err != nil {
		return nil, err
	}
	v := made{Location: o.at.centre, Accounts: s.base(r, location{o.at.centre, production}), Org: o.ID}
	err = s.core.Tx(ctx, func(q simulated.Querier) error {
		m, err := s.memberOf(ctx, q, o.ID, in.Username)
		if err != nil {
			return err
		}
		g := grant{client: c.ID, user: m.User.ID, org: o, scope: strings.Join(list, ",")}
		v.tokenResponse, err = s.grant(ctx, q, g, in.Offline, s.base(r, o.at))
		return err
	})
	return v, err
}

// homeOf is the org that a control call means: the one it names, or the one where the user
// is at home, or the first.
func (s *Server) homeOf(r *http.Request, username string) (org, error) {
	id, err := s.core.Asked(r)
	if err == nil && id == "" && username != "" {
		var u simulated.User
		u, err = simulated.UserOf(r.Context(), s.core.Read, strings.ToLower(username), "")
		id = u.OrgID
	}
	if err != nil {
		return org{}, err
	}
	return s.org(r.Context(), cmp.Or(id, defaultOrg))
}

// reset forgets records, faults, counters, settings and profiles; who may come in stays.
func (s *Server) reset(r *http.Request) (any, error) {
	s.core.Changing.Lock()
	defer s.core.Changing.Unlock()
	ctx := r.Context()
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(administrator())
	if err != nil {
		return nil, err
	}
	err = s.core.Tx(ctx, func(q simulated.Querier) error {
		for _, table := range []string{"records", "credits", "tallies"} {
			if _, err := q.ExecContext(ctx, `DELETE FROM `+table+` WHERE `+simulated.OfAsked, org); err != nil {
				return err
			}
		}
		_, err := q.ExecContext(ctx, `UPDATE members SET profile = $2 WHERE `+simulated.OfAsked, org, string(text))
		return err
	})
	if err != nil {
		return nil, err
	}
	s.core.Faults.Clear(org)
	return simulated.Okay, s.setup.Reset(ctx, org)
}

const grantsOfAsked = `grant_id IN (SELECT id FROM grants WHERE ` + simulated.OfAsked + `)`

func (s *Server) expireAccessTokens(r *http.Request) (any, error) {
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	_, err = s.core.Write.ExecContext(r.Context(), `DELETE FROM access_tokens WHERE `+grantsOfAsked, org)
	return simulated.Okay, err
}

// revokeAll revokes every grant, as users do who remove an app from their accounts.
func (s *Server) revokeAll(r *http.Request) (any, error) {
	ctx := r.Context()
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	return simulated.Okay, s.core.Tx(ctx, func(q simulated.Querier) error {
		if _, err := q.ExecContext(ctx, `UPDATE grants SET revoked = 1 WHERE `+simulated.OfAsked, org); err != nil {
			return err
		}
		_, err := q.ExecContext(ctx, `DELETE FROM access_tokens WHERE `+grantsOfAsked, org)
		return err
	})
}
