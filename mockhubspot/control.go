package mockhubspot

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"net/http"
	"strings"

	"gatepost/simulated"
)

func (s *Server) controlRoutes(mux *http.ServeMux) {
	own := map[string]func(*http.Request) (any, error){
		"GET stats":                 s.stats,
		"GET contacts":              s.contacts,
		"POST contacts":             s.edit,
		"POST restore":              s.restore,
		"GET settings":              s.setup.Show,
		"POST settings":             s.setup.Change,
		"POST session":              s.makeSession,
		"POST reset":                s.reset,
		"POST expire-access-tokens": s.expireAccessTokens,
		"POST revoke":               s.revokeAll,
		"POST uninstall":            s.uninstallAll,
	}
	maps.Copy(own, simulated.FieldsOf(s.setup, func(v *settings) *[]simulated.Field { return &v.Fields }))
	s.core.Control(mux, own)
}

// grantsOfAsked is a condition on rows with a grant of those that a control call is about.
const grantsOfAsked = `grant_id IN (SELECT id FROM grants WHERE ` + simulated.OfAsked + `)`

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
	total := 0
	for _, n := range calls {
		total += n
	}
	out := map[string]any{"calls": calls, "api_calls": total}
	// A refresh token is never used up, so that its reuse can't be detected.
	for _, name := range []string{"token_calls", "refreshes", "reuse_detected", "introspections", "revocations"} {
		out[name] = counters[name]
	}
	return out, s.core.Numbers(ctx, out, org, map[string]string{
		"contacts":      `SELECT COUNT(*) FROM contacts WHERE archived = 0 AND merged_into = 0 AND ` + simulated.OfAsked,
		"grants":        `SELECT COUNT(DISTINCT grant_id) FROM refresh_tokens WHERE revoked = 0 AND ` + grantsOfAsked,
		"per_email_max": `SELECT COALESCE(MAX(n), 0) FROM (SELECT COUNT(*) AS n FROM contacts WHERE archived = 0 AND merged_into = 0 AND email IS NOT NULL AND ` + simulated.OfAsked + ` GROUP BY org, email)`,
	})
}

// listedContact is a contact as GET /_control/contacts tells it.
type listedContact struct {
	ID         string            `json:"id"`
	Org        string            `json:"org"`
	Properties map[string]string `json:"properties"`
	Additional []string          `json:"additional_emails"`
	Created    string            `json:"createdAt"`
	Updated    string            `json:"updatedAt"`
	Hidden     bool              `json:"hidden"`
}

func listContact(r *contact) listedContact {
	return listedContact{r.ID(), r.org, r.props, append([]string{}, r.others...), formatTime(r.created), formatTime(r.modified), r.hidden}
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
	list := []listedContact{}
	for _, o := range orgs {
		if o.ID != asked && (asked != "" || o.Apart) {
			continue
		}
		found, err := find(r.Context(), s.core.Read, o.ID, `archived = 0 AND merged_into = 0 ORDER BY seq`)
		if err != nil {
			return nil, err
		}
		for _, one := range found {
			list = append(list, listContact(one))
		}
	}
	return map[string]any{"contacts": list}, nil
}

// byHand is the call of a person who works with contacts in the account itself. That one
// sees all of them, and may do what the API may not.
func (s *Server) byHand(r *http.Request) (*call, error) {
	org, err := s.core.Asked(r)
	return &call{s: s, base: s.core.Base(r), who: session{org: cmp.Or(org, contoso)}}, err
}

// edit handles POST /_control/contacts: it makes or changes a contact as a person would.
// One with the address is changed. Additional addresses and whether whoever connected the
// app can see the contact are set in this way alone.
func (s *Server) edit(r *http.Request) (any, error) {
	var in struct {
		Properties map[string]any `json:"properties"`
		Additional []string       `json:"additional_emails"`
		Hidden     bool           `json:"hidden"`
	}
	if err := simulated.Input(r, &in); err != nil {
		return nil, err
	}
	c, err := s.byHand(r)
	if err != nil {
		return nil, err
	}
	var one *contact
	err = s.core.Tx(r.Context(), func(q querier) error {
		l, err := c.newLedger(r.Context(), q)
		if err != nil {
			return err
		}
		one, err = l.edited(r.Context(), in.Properties)
		if err != nil {
			return err
		}
		one.hidden = in.Hidden
		if err := l.also(r.Context(), one, in.Additional); err != nil {
			return err
		}
		return l.keep(r.Context(), []*contact{one})
	})
	if no := asRefusal(err); no != nil {
		return nil, simulated.BadControl("%w", err)
	}
	if err != nil {
		return nil, err
	}
	return listContact(one), nil
}

// also gives a contact additional addresses, in the place of those that it had.
func (l *ledger) also(ctx context.Context, one *contact, addresses []string) error {
	one.others = nil
	for _, a := range addresses {
		one.others = append(one.others, strings.ToLower(a))
	}
	return l.free(ctx, one, one.others)
}

// free refuses addresses of other contacts.
func (l *ledger) free(ctx context.Context, one *contact, addresses []string) error {
	taken, err := byKey(ctx, l.q, one.org, l.schema.property("email"), addresses)
	for email, seq := range taken {
		if seq != one.seq {
			return simulated.BadControl("%s is an address of contact %s", email, idOf(seq))
		}
	}
	return err
}

// edited is the contact with the address among some values, changed to have them, or one
// that is made for them.
func (l *ledger) edited(ctx context.Context, in map[string]any) (*contact, error) {
	props, no := l.c.set().clean(l.c.who.org, l.schema, in)
	if no != nil {
		return nil, no
	}
	if err := l.learn(ctx, []map[string]string{props}); err != nil {
		return nil, err
	}
	found, err := bySeq(ctx, l.q, l.c.who.org, []int64{l.addresses[props["email"]]})
	if err != nil {
		return nil, err
	}
	one := found[l.addresses[props["email"]]]
	if one == nil {
		one, no = l.create(props)
	} else {
		no = l.assign(one, props)
	}
	if no != nil {
		return nil, no
	}
	return one, nil
}

// restore handles POST /_control/restore: it takes a contact out of the recycle bin.
func (s *Server) restore(r *http.Request) (any, error) {
	var in struct {
		ID string `json:"id"`
	}
	if err := simulated.Input(r, &in); err != nil {
		return nil, err
	}
	c, err := s.byHand(r)
	if err != nil {
		return nil, err
	}
	return simulated.Okay, s.core.Tx(r.Context(), func(q querier) error {
		l, err := c.newLedger(r.Context(), q)
		if err != nil {
			return err
		}
		found, err := bySeq(r.Context(), q, c.who.org, []int64{seqOf(in.ID)})
		if err != nil {
			return err
		}
		one := found[seqOf(in.ID)]
		if one == nil || !one.archived {
			return simulated.BadControl("contact %q is not in the recycle bin", in.ID)
		}
		if err := l.free(r.Context(), one, one.addresses()); err != nil {
			return err
		}
		one.archived = false
		return l.keep(r.Context(), []*contact{one})
	})
}

// makeSession lets a client in without a browser and answers its tokens.
func (s *Server) makeSession(r *http.Request) (any, error) {
	ctx := r.Context()
	in := struct {
		ClientID string `json:"client_id"`
		Username string `json:"username"`
		Scope    string `json:"scope"`
	}{Scope: allScopes}
	if err := simulated.Input(r, &in); err != nil {
		return nil, err
	}
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	app, err := s.core.ClientOr(ctx, in.ClientID, Client{ID: "0c0a7e57-0000-4000-8000-000000000001", Secret: "control", RedirectURIs: []string{}})
	if err != nil {
		return nil, err
	}
	var t tokenResponse
	err = s.core.Tx(ctx, func(q querier) error {
		u, err := s.memberOf(ctx, q, in.Username, org)
		if err != nil {
			return err
		}
		t, err = s.grant(ctx, q, app, u, cmp.Or(org, u.OrgID), joinScopes(in.Scope))
		return err
	})
	return t, err
}

// memberOf returns the person with a username or, when it is "", the first member of an account.
func (s *Server) memberOf(ctx context.Context, q querier, username, org string) (user, error) {
	if username != "" && org == "" {
		return simulated.UserOf(ctx, q, username, "")
	}
	var id string
	err := q.QueryRowContext(ctx, `SELECT m.user FROM members m JOIN users u ON u.id = m.user WHERE m.org = $1 AND ($2 = '' OR u.username = $2) ORDER BY m.user LIMIT 1`,
		cmp.Or(org, contoso), username).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return user{}, simulated.BadControl("%q is no member of account %s", username, org)
	}
	if err != nil {
		return user{}, err
	}
	return simulated.UserByID(ctx, q, id)
}

// reset forgets contacts, properties, consents, faults, counters and settings; who may
// come in stays.
func (s *Server) reset(r *http.Request) (any, error) {
	s.core.Changing.Lock()
	defer s.core.Changing.Unlock()
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	err = s.core.Tx(r.Context(), func(q querier) error {
		for _, table := range []string{"contacts", "addresses", "uniques", "blocked", "properties", "subscriptions", "tallies"} {
			if _, err := q.ExecContext(r.Context(), `DELETE FROM `+table+` WHERE `+simulated.OfAsked, org); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.core.Faults.Clear(org)
	s.limits.forget()
	return simulated.Okay, s.setup.Reset(r.Context(), org)
}

func (s *Server) expireAccessTokens(r *http.Request) (any, error) {
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	at := s.core.Now()
	_, err = s.core.Write.ExecContext(r.Context(), `UPDATE access_tokens SET expires = $2 WHERE expires > $2 AND `+grantsOfAsked, org, at)
	return simulated.Okay, err
}

// revokeAll revokes every refresh token. Access tokens live on.
func (s *Server) revokeAll(r *http.Request) (any, error) {
	org, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	_, err = s.core.Write.ExecContext(r.Context(), `UPDATE refresh_tokens SET revoked = 1 WHERE `+grantsOfAsked, org)
	return simulated.Okay, err
}

// uninstallAll uninstalls every app, as the accounts' own admins would.
func (s *Server) uninstallAll(r *http.Request) (any, error) {
	asked, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	orgs, err := s.core.Orgs(r.Context())
	if err != nil {
		return nil, err
	}
	return simulated.Okay, s.core.Tx(r.Context(), func(q querier) error {
		for _, o := range orgs {
			if o.ID != asked && (asked != "" || o.Apart) {
				continue
			}
			if err := s.endGrants(r.Context(), q, o.ID, ""); err != nil {
				return err
			}
		}
		return nil
	})
}
