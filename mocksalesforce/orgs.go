package mocksalesforce

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatepost/simulated"
)

// orgOf finds the org that a request is about: by its token, by what it trades or asks
// about, or by who is logged in. It is "" where nothing tells.
func (s *Server) orgOf(r *http.Request, body []byte) (string, error) {
	if org := s.orgInToken(bearer(r)); org != "" {
		return org, nil
	}
	if !strings.HasPrefix(r.URL.Path, "/services/oauth2/") || r.URL.Path == "/services/oauth2/authorize" {
		u, _, err := s.core.LoggedIn(r)
		return u.OrgID, err
	}
	form, _ := url.ParseQuery(string(body)) // as far as it is one
	for _, from := range []url.Values{form, r.URL.Query()} {
		for _, name := range []string{"refresh_token", "code", "token"} {
			if value := from.Get(name); value != "" {
				return s.orgOfGrant(r.Context(), value)
			}
		}
	}
	return "", nil
}

// orgInToken is the org that an access token names: each begins with the id of its org.
func (s *Server) orgInToken(token string) string {
	id, _, _ := strings.Cut(token, "!")
	org, _ := canonicalID(id)
	if !s.core.Known(org) {
		return ""
	}
	return org
}

// orgOfGrant is the org in which a code or a token was given out, "" when none was.
func (s *Server) orgOfGrant(ctx context.Context, secret string) (org string, err error) {
	if org := s.orgInToken(secret); org != "" {
		return org, nil
	}
	err = s.core.Read.QueryRowContext(ctx, `SELECT u.org FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id JOIN users u ON u.id = g.user WHERE t.token = $1
		UNION ALL SELECT u.org FROM codes c JOIN users u ON u.id = c.user WHERE c.code = $1 LIMIT 1`, secret).Scan(&org)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return org, err
}

// defaultOrg is the org that calls are about which name none.
var defaultOrg = makeID("00D", 1)

// Org is an org that a demo brings along, with one user who can log in to it. Calls of
// /_control are about it only when they name it by ?org=, by its key or its id.
type Org struct {
	Key, Name   string
	Username    string // the password is everybody's
	First, Last string // name of the user
	Contacts    []Contact
	Settings    string // JSON, as POST /_control/settings takes it
}

// Contact is a Contact of an Org.
type Contact struct {
	First, Last, Email string // the first name may be empty
	Created            time.Time
}

// AddOrg makes an org, in the place of one of its kind with the same key, and returns its
// id and those of its Contacts, in their order.
func (s *Server) AddOrg(ctx context.Context, o Org) (id string, contacts []string, err error) {
	v, err := s.setup.Parse(o.Settings)
	if err != nil {
		return "", nil, fmt.Errorf("mocksalesforce: settings of %s: %w", o.Name, err)
	}
	s.core.Changing.Lock()
	defer s.core.Changing.Unlock()
	err = s.core.Tx(ctx, func(q querier) error {
		if id, err = freeOrg(ctx, q, o.Key); err != nil {
			return err
		}
		if err := clearOrg(ctx, q, id); err != nil {
			return err
		}
		u := user{ID: "005" + id[3:15], Username: strings.ToLower(o.Username), First: o.First, Last: o.Last}
		u.ID += checksum(u.ID)
		if err := s.core.PutOrg(ctx, q, org{ID: id, Name: o.Name, Key: o.Key, Apart: true}, u); err != nil {
			return err
		}
		contacts, err = putContacts(ctx, q, id, u.ID, o.Contacts)
		return err
	})
	if err == nil {
		err = s.core.LoadOrgs(ctx)
	}
	if err == nil {
		err = s.setup.Load(ctx)
	}
	if err == nil {
		err = s.setup.Save(ctx, id, v)
	}
	if err != nil {
		return "", nil, fmt.Errorf("mocksalesforce: add %s: %w", o.Name, err)
	}
	return id, contacts, nil
}

// freeOrg is the id of the org with a key that was brought along before, or a new one.
func freeOrg(ctx context.Context, q querier, key string) (id string, err error) {
	err = q.QueryRowContext(ctx, `SELECT id FROM orgs WHERE key = $1 AND apart = 1`, key).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	var n int64
	err = q.QueryRowContext(ctx, `SELECT COUNT(*) FROM orgs`).Scan(&n)
	return makeID("00D", n+1), err
}

// clearOrg takes away what an org holds, and what was granted and counted in it.
func clearOrg(ctx context.Context, q querier, id string) error {
	const grantsOfOrg = `(SELECT g.id FROM grants g JOIN users u ON u.id = g.user WHERE u.org = $1)`
	for _, statement := range []string{
		`DELETE FROM records WHERE org = $1`, `DELETE FROM cursors WHERE org = $1`,
		`DELETE FROM access_tokens WHERE grant_id IN ` + grantsOfOrg, `DELETE FROM refresh_tokens WHERE grant_id IN ` + grantsOfOrg,
		`DELETE FROM grants WHERE id IN ` + grantsOfOrg,
		`DELETE FROM usage WHERE org = $1`, `DELETE FROM tallies WHERE org = $1`,
	} {
		if _, err := q.ExecContext(ctx, statement, id); err != nil {
			return err
		}
	}
	return nil
}

// putContacts makes Contacts, as if the user had, and returns their ids.
func putContacts(ctx context.Context, q querier, orgID, userID string, all []Contact) (ids []string, err error) {
	kind := newSchema("").object("Contact")
	for _, c := range all {
		fields, err := clean(kind, map[string]any{"FirstName": c.First, "LastName": c.Last, "Email": c.Email}, true)
		if err != nil {
			return nil, fmt.Errorf("contact %d: %w", len(ids)+1, err)
		}
		at := c.Created.UnixMilli()
		rec := &record{org: orgID, obj: kind, fields: fields, created: at, modified: at, createdBy: userID, modifiedBy: userID}
		if err := save(ctx, q, rec); err != nil {
			return nil, err
		}
		ids = append(ids, rec.ID())
	}
	return ids, nil
}

// Grant is what an app gets that somebody has let in.
type Grant struct {
	AccessToken, RefreshToken string
	InstanceURL, Scope        string
	OrgID, UserID             string
	Ends                      time.Time // of the access token, unless it is used
}

// Approve lets an app in as a user would, without a browser. The server's Options must
// name its URL.
func (s *Server) Approve(ctx context.Context, clientID, username string, scopes ...string) (g Grant, err error) {
	c, err := s.core.Client(ctx, clientID)
	if err != nil {
		return g, fmt.Errorf("mocksalesforce: approve %s: %w", clientID, err)
	}
	slices.Sort(scopes)
	err = s.core.Tx(ctx, func(q querier) error {
		u, err := simulated.ScanUser(q.QueryRowContext(ctx, `SELECT `+simulated.UserColumns+` FROM users WHERE username = $1`, strings.ToLower(username)))
		if err != nil {
			return err
		}
		t, err := s.grant(ctx, q, c, u, strings.Join(scopes, " "), s.core.URL())
		g = Grant{AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, InstanceURL: t.InstanceURL, Scope: t.Scope, OrgID: u.OrgID, UserID: u.ID,
			Ends: time.UnixMilli(s.core.Now()).Add(time.Duration(s.set(u.OrgID).AccessTokenSeconds) * time.Second)}
		return err
	})
	if err != nil {
		return Grant{}, fmt.Errorf("mocksalesforce: approve %s for %s: %w", clientID, username, err)
	}
	return g, nil
}

// ForgetCalls forgets which calls were made to an org.
func (s *Server) ForgetCalls(ctx context.Context, orgID string) error {
	return s.core.Tx(ctx, func(q querier) error {
		for _, table := range []string{"usage", "tallies"} {
			if _, err := q.ExecContext(ctx, `DELETE FROM `+table+` WHERE org = $1`, orgID); err != nil {
				return fmt.Errorf("mocksalesforce: forget calls: %w", err)
			}
		}
		return nil
	})
}
