package simulated

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"strings"
)

type orgKey struct{}

// withOrg says which organisation a call is about.
func withOrg(ctx context.Context, org string) context.Context {
	return context.WithValue(ctx, orgKey{}, org)
}

// OrgOf is the organisation that a call is about, "" when that isn't known.
func OrgOf(ctx context.Context) string {
	org, _ := ctx.Value(orgKey{}).(string)
	return org
}

// Org is one customer of the service: Salesforce's org, HubSpot's account, Zoho's organization.
type Org struct {
	ID, Name string
	Sandbox  bool
	Key      string // names it in ?org=, as its id does
	Apart    bool   // /_control speaks of it only when it is named
}

const orgColumns = `id, name, sandbox, key, apart`

func scanOrg(row interface{ Scan(...any) error }) (Org, error) {
	var o Org
	err := row.Scan(&o.ID, &o.Name, &o.Sandbox, &o.Key, &o.Apart)
	return o, err
}

// OrgByID returns an organisation, or sql.ErrNoRows.
func (c *Core) OrgByID(ctx context.Context, id string) (Org, error) {
	return scanOrg(c.Read.QueryRowContext(ctx, `SELECT `+orgColumns+` FROM orgs WHERE id = $1`, id))
}

// Orgs are all there are, by id.
func (c *Core) Orgs(ctx context.Context) ([]Org, error) {
	var list []Org
	err := Rows(ctx, c.Read, func(r *sql.Rows) error {
		o, err := scanOrg(r)
		list = append(list, o)
		return err
	}, `SELECT `+orgColumns+` FROM orgs ORDER BY id`)
	return list, err
}

// LoadOrgs reads anew which organisations there are. It is needed after PutOrg.
func (c *Core) LoadOrgs(ctx context.Context) error {
	list, err := c.Orgs(ctx)
	if err != nil {
		return err
	}
	all := map[string]Org{}
	for _, o := range list {
		all[o.ID] = o
	}
	c.orgs.Store(&all)
	return nil
}

// Known reports whether there is an organisation with an id.
func (c *Core) Known(id string) bool {
	_, ok := (*c.orgs.Load())[id]
	return ok
}

// Apart reports whether an organisation is spoken of only when it is named.
func (c *Core) Apart(id string) bool { return (*c.orgs.Load())[id].Apart }

// Asked returns the id of the organisation that a control call names by ?org=: by id, or
// by key. It is "" when none is named: then it is about all that are not apart.
func (c *Core) Asked(r *http.Request) (string, error) {
	named := strings.TrimSpace(r.URL.Query().Get("org"))
	if named == "" {
		return "", nil
	}
	orgs, err := c.Orgs(r.Context())
	if err != nil {
		return "", err
	}
	id := named
	if c.service.OrgID != nil {
		id = c.service.OrgID(named)
	}
	for _, o := range orgs {
		if o.ID == id || strings.EqualFold(o.Key, named) {
			return o.ID, nil
		}
	}
	return "", BadControl("there is no org %q", named)
}

// Conditions on rows with an org, and on rows with a user, of those that a control call
// is about ($1).
const (
	OfAsked      = `CASE WHEN $1 = '' THEN org NOT IN (SELECT id FROM orgs WHERE apart = 1) ELSE org = $1 END`
	UsersOfAsked = `user IN (SELECT id FROM users WHERE ` + OfAsked + `)`
)

// User is a person who can log in, and the organisation where they are at home.
type User struct {
	ID, OrgID, Username, First, Last, Email string
	Active                                  bool
}

// Name is how the pages call the person.
func (u User) Name() string { return u.First + " " + u.Last }

// UserColumns are the columns of users that ScanUser reads.
const UserColumns = `id, org, username, first_name, last_name, email, active`

// ScanUser reads a row with UserColumns.
func ScanUser(row interface{ Scan(...any) error }) (User, error) {
	var u User
	err := row.Scan(&u.ID, &u.OrgID, &u.Username, &u.First, &u.Last, &u.Email, &u.Active)
	return u, err
}

// UserByID returns a person, or sql.ErrNoRows.
func UserByID(ctx context.Context, q Querier, id string) (User, error) {
	return ScanUser(q.QueryRowContext(ctx, `SELECT `+UserColumns+` FROM users WHERE id = $1`, id))
}

// UserOf returns the person with a username or, when it is "", the first one of an
// organisation. A person who isn't there is a mistake of the control call.
func UserOf(ctx context.Context, q Querier, username, org string) (User, error) {
	u, err := ScanUser(q.QueryRowContext(ctx, `SELECT `+UserColumns+` FROM users
		WHERE CASE WHEN $1 = '' THEN org = $2 ELSE username = $1 END ORDER BY id LIMIT 1`, username, org))
	if errors.Is(err, sql.ErrNoRows) {
		return u, BadControl("no user %q", username)
	}
	return u, err
}

// Users are all who can log in, by id.
func (c *Core) Users(ctx context.Context) ([]User, error) {
	var list []User
	err := Rows(ctx, c.Read, func(r *sql.Rows) error {
		u, err := ScanUser(r)
		list = append(list, u)
		return err
	}, `SELECT `+UserColumns+` FROM users ORDER BY id`)
	return list, err
}

// PutOrg makes an organisation with one user, whose address is the username, unless they
// are there.
func (c *Core) PutOrg(ctx context.Context, q Querier, o Org, u User) error {
	if _, err := q.ExecContext(ctx, `INSERT INTO orgs (`+orgColumns+`) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET key = excluded.key`, o.ID, o.Name, o.Sandbox, o.Key, o.Apart); err != nil {
		return err
	}
	_, err := q.ExecContext(ctx, `INSERT INTO users (id, org, username, first_name, last_name, email, password)
		VALUES ($1, $2, $3, $4, $5, $3, $6) ON CONFLICT DO NOTHING`, u.ID, o.ID, u.Username, u.First, u.Last, c.service.Name)
	return err
}

// changeUser handles POST /_control/users: it switches a person on or off.
func (c *Core) changeUser(r *http.Request) (any, error) {
	var in struct {
		Username string `json:"username"`
		Active   bool   `json:"active"`
	}
	if err := Input(r, &in); err != nil {
		return nil, err
	}
	res, err := c.Write.ExecContext(r.Context(), `UPDATE users SET active = $1 WHERE username = $2`, in.Active, in.Username)
	if err != nil {
		return nil, err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return nil, errors.Join(err, BadControl("no user %q", in.Username))
	}
	return Okay, nil
}
