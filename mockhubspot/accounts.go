package mockhubspot

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"gatepost/simulated"
)

const tables = `
CREATE TABLE IF NOT EXISTS accounts (org TEXT PRIMARY KEY, hublet TEXT NOT NULL, domain TEXT NOT NULL, time_zone TEXT NOT NULL, currency TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS members (user TEXT NOT NULL, org TEXT NOT NULL, PRIMARY KEY (user, org));
CREATE TABLE IF NOT EXISTS grants (id INTEGER PRIMARY KEY AUTOINCREMENT, client TEXT NOT NULL, user TEXT NOT NULL, org TEXT NOT NULL,
	scope TEXT NOT NULL, created INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS grants_org ON grants (org, client, user);
CREATE TABLE IF NOT EXISTS refresh_tokens (token TEXT PRIMARY KEY, grant_id INTEGER NOT NULL REFERENCES grants,
	created INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS refresh_tokens_grant ON refresh_tokens (grant_id);
CREATE TABLE IF NOT EXISTS access_tokens (token TEXT PRIMARY KEY, grant_id INTEGER NOT NULL REFERENCES grants,
	created INTEGER NOT NULL, expires INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS access_tokens_grant ON access_tokens (grant_id);
CREATE TABLE IF NOT EXISTS contacts (seq INTEGER PRIMARY KEY AUTOINCREMENT, org TEXT NOT NULL, email TEXT, others TEXT NOT NULL DEFAULT '',
	props TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL, archived INTEGER NOT NULL DEFAULT 0,
	hidden INTEGER NOT NULL DEFAULT 0, merged_into INTEGER NOT NULL DEFAULT 0, merged TEXT NOT NULL DEFAULT '',
	shown TEXT, due INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS contacts_org ON contacts (org, archived, seq);
CREATE TABLE IF NOT EXISTS addresses (org TEXT NOT NULL, email TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (org, email)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS addresses_seq ON addresses (seq);
CREATE TABLE IF NOT EXISTS uniques (org TEXT NOT NULL, property TEXT NOT NULL, value TEXT NOT NULL, seq INTEGER NOT NULL,
	PRIMARY KEY (org, property, value)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uniques_seq ON uniques (seq);
CREATE TABLE IF NOT EXISTS blocked (org TEXT NOT NULL, email TEXT NOT NULL, PRIMARY KEY (org, email)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS properties (org TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL, archived INTEGER NOT NULL DEFAULT 0,
	created INTEGER NOT NULL, PRIMARY KEY (org, name));
CREATE TABLE IF NOT EXISTS subscriptions (org TEXT NOT NULL, email TEXT NOT NULL, subscription INTEGER NOT NULL, status TEXT NOT NULL,
	basis TEXT NOT NULL, explanation TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (org, email, subscription));
`

// contoso is the account that control calls are about which name none.
const contoso = "62515"

// account is what HubSpot knows of an account beside its name.
type account struct {
	simulated.Org
	Hublet   string // of the data centre where its data is
	Domain   string // of the customer's website
	TimeZone string
	Currency string
}

// seed makes the accounts and people that are there from the start. John is a member of
// two accounts, and chooses one when he lets an app in.
func seed(ctx context.Context, c *simulated.Core, q querier) error {
	john := user{ID: "70011", Username: "john@contoso.example", First: "John", Last: "Doe"}
	jane := user{ID: "70012", Username: "jane@fabrikam.example", First: "Jane", Last: "Roe"}
	for _, v := range []struct {
		account
		who user
	}{
		{account{simulated.Org{ID: contoso, Name: "Contoso", Key: "contoso"}, "na1", "contoso.example", "US/Eastern", "USD"}, john},
		{account{simulated.Org{ID: "62516", Name: "Contoso Sandbox", Sandbox: true, Key: "contoso-sandbox"}, "na1", "contoso.example", "US/Eastern", "USD"}, john},
		{account{simulated.Org{ID: "62517", Name: "Fabrikam", Key: "fabrikam-jane"}, "eu1", "fabrikam.example", "Europe/Berlin", "EUR"}, jane},
	} {
		if err := c.PutOrg(ctx, q, v.Org, v.who); err != nil {
			return err
		}
		if _, err := q.ExecContext(ctx, `INSERT INTO accounts (org, hublet, domain, time_zone, currency) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			v.ID, v.Hublet, v.Domain, v.TimeZone, v.Currency); err != nil {
			return err
		}
		if _, err := q.ExecContext(ctx, `INSERT INTO members (user, org) VALUES ($1, $2) ON CONFLICT DO NOTHING`, v.who.ID, v.ID); err != nil {
			return err
		}
	}
	return nil
}

const accountColumns = `o.id, o.name, o.sandbox, o.key, o.apart, a.hublet, a.domain, a.time_zone, a.currency`

func scanAccount(row interface{ Scan(...any) error }) (account, error) {
	var v account
	err := row.Scan(&v.ID, &v.Name, &v.Sandbox, &v.Key, &v.Apart, &v.Hublet, &v.Domain, &v.TimeZone, &v.Currency)
	return v, err
}

// account returns an account as it is set up, or sql.ErrNoRows.
func (s *Server) account(ctx context.Context, id string) (account, error) {
	v, err := scanAccount(s.core.Read.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM orgs o JOIN accounts a ON a.org = o.id WHERE o.id = $1`, id))
	if hublet := s.set(id).Hublet; hublet != "" {
		v.Hublet = hublet
	}
	return v, err
}

// accountsOf are those that a person is a member of.
func (s *Server) accountsOf(ctx context.Context, u user) (list []account, err error) {
	err = simulated.Rows(ctx, s.core.Read, func(r *sql.Rows) error {
		v, err := scanAccount(r)
		list = append(list, v)
		return err
	}, `SELECT `+accountColumns+` FROM members m JOIN orgs o ON o.id = m.org JOIN accounts a ON a.org = o.id WHERE m.user = $1 ORDER BY o.id`, u.ID)
	return list, err
}

// accountOf finds the account that a request is about: by its token, by what it trades or
// asks about, by the address, or by who is logged in. It is "" where nothing tells.
func (s *Server) accountOf(r *http.Request, body []byte) (string, error) {
	if token := bearer(r); token != "" {
		return s.accountOfToken(r.Context(), token)
	}
	if isAPI(r) {
		form, _ := url.ParseQuery(string(body)) // as far as it is one
		for _, name := range []string{"refresh_token", "code", "token"} {
			if value := form.Get(name); value != "" {
				return s.accountOfToken(r.Context(), value)
			}
		}
		return "", nil
	}
	for part := range strings.SplitSeq(r.URL.Path, "/") {
		if part != "" && s.core.Known(part) {
			return part, nil
		}
	}
	u, _, err := s.core.LoggedIn(r)
	return u.OrgID, err
}

// accountOfToken is the account for which a token or a code was given out, "" when none was.
func (s *Server) accountOfToken(ctx context.Context, secret string) (id string, err error) {
	err = s.core.Read.QueryRowContext(ctx, `SELECT g.org FROM access_tokens t JOIN grants g ON g.id = t.grant_id WHERE t.token = $1
		UNION ALL SELECT g.org FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id WHERE t.token = $1
		UNION ALL SELECT org FROM codes WHERE code = $1 LIMIT 1`, secret).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
