package mockzoho

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gatepost/simulated"
)

const tables = `
CREATE TABLE IF NOT EXISTS places (org TEXT PRIMARY KEY, centre TEXT NOT NULL, environment TEXT NOT NULL, prefix TEXT NOT NULL, zone INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS members (org TEXT NOT NULL, user TEXT NOT NULL, id TEXT NOT NULL, profile TEXT NOT NULL, PRIMARY KEY (org, user));
CREATE TABLE IF NOT EXISTS handovers (ticket TEXT PRIMARY KEY, login TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS secrets (client TEXT PRIMARY KEY, centres TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS grants (id INTEGER PRIMARY KEY AUTOINCREMENT, client TEXT NOT NULL, user TEXT NOT NULL, org TEXT NOT NULL,
	scope TEXT NOT NULL, refresh TEXT UNIQUE, created INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0,
	since INTEGER NOT NULL DEFAULT 0, issued INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS grants_user ON grants (user, client);
CREATE TABLE IF NOT EXISTS access_tokens (seq INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, grant_id INTEGER NOT NULL REFERENCES grants,
	expires INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS access_tokens_grant ON access_tokens (grant_id);
CREATE TABLE IF NOT EXISTS credits (org TEXT NOT NULL, minute INTEGER NOT NULL, credits INTEGER NOT NULL, calls INTEGER NOT NULL, PRIMARY KEY (org, minute));
CREATE TABLE IF NOT EXISTS records (seq INTEGER PRIMARY KEY AUTOINCREMENT, org TEXT NOT NULL, module TEXT NOT NULL,
	email TEXT, email2 TEXT, ext TEXT, data TEXT NOT NULL, before TEXT, created INTEGER NOT NULL, modified INTEGER NOT NULL,
	created_by TEXT NOT NULL, modified_by TEXT NOT NULL, state TEXT NOT NULL DEFAULT '', contact INTEGER NOT NULL DEFAULT 0,
	gone TEXT NOT NULL DEFAULT '', gone_at INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS records_module ON records (org, module, gone);
CREATE INDEX IF NOT EXISTS records_email ON records (org, module, email) WHERE email IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_email2 ON records (org, module, email2) WHERE email2 IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_ext ON records (org, module, ext) WHERE ext IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_modified ON records (org, module, modified);
`

// org is an organisation with what Zoho has beside its name. Its ID is the zgid.
type org struct {
	simulated.Org
	at     location
	prefix string // of ids in it
	zone   int    // minutes east of UTC
}

// Domain names the org in addresses of pages.
func (o org) Domain() string { return "org" + o.ID }

// id writes the id of the nth thing in an org: 19 digits that don't tell what it is.
func (o org) id(n int64) string { return fmt.Sprintf("%s%012d", o.prefix, n) }

// firstRecord is the number in the id before the first record's.
const firstRecord = 342_000

func (o org) recordID(seq int64) string { return o.id(firstRecord + seq) }

// seq is the number of the record that an id means; 0, which no record has, for any other.
func (o org) seq(id string) int64 {
	tail, ours := strings.CutPrefix(id, o.prefix)
	n, err := strconv.ParseInt(tail, 10, 64)
	if !ours || err != nil || len(tail) != 12 {
		return 0
	}
	return max(0, n-firstRecord)
}

// time writes a time as the org's people see it: to the second.
func (o org) time(ms int64) string {
	return time.UnixMilli(ms).In(time.FixedZone("", o.zone*60)).Format(time.RFC3339)
}

const placeColumns = `centre, environment, prefix, zone`

// org returns an organisation, or sql.ErrNoRows.
func (s *Server) org(ctx context.Context, id string) (o org, err error) {
	if o.Org, err = s.core.OrgByID(ctx, id); err != nil {
		return o, err
	}
	err = s.core.Read.QueryRowContext(ctx, `SELECT `+placeColumns+` FROM places WHERE org = $1`, id).
		Scan(&o.at.centre, &o.at.environment, &o.prefix, &o.zone)
	return o, err
}

// profile is what a user of an org may do.
type profile struct {
	Name           string   `json:"name"`
	APIAccess      bool     `json:"api_access"`
	HiddenModules  []string `json:"hidden_modules"`
	NoCreate       []string `json:"no_create"` // modules
	NoUpdate       []string `json:"no_update"`
	HiddenFields   []string `json:"hidden_fields"`
	ReadOnlyFields []string `json:"read_only_fields"`
}

func administrator() profile { return profile{Name: "Administrator", APIAccess: true} }

// member is a person's place in an org.
type member struct {
	simulated.User
	ID      string // in the org; the User's ID is the person's, in all orgs
	profile profile
}

func (s *Server) member(ctx context.Context, q simulated.Querier, orgID, userID string) (m member, err error) {
	if m.User, err = simulated.UserByID(ctx, q, userID); err != nil {
		return m, err
	}
	var text string
	err = q.QueryRowContext(ctx, `SELECT id, profile FROM members WHERE org = $1 AND user = $2`, orgID, userID).Scan(&m.ID, &text)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal([]byte(text), &m.profile)
}

// seedOrg is an organisation that is there from the start, with its user.
type seedOrg struct {
	zgid, key, name string
	at              location
	zone            int
	zuid, email     string
	first, last     string
}

var seeds = []seedOrg{
	{"808232144", "contoso", "Contoso", location{homeCentre, production}, -480, "10000001", "john@contoso.example", "John", "Doe"},
	{"808232150", "contoso-sandbox", "Contoso Sandbox", location{homeCentre, sandbox}, -480, "10000001", "john@contoso.example", "John", "Doe"},
	{"808232166", "fabrikam-jane", "Fabrikam", location{homeCentre, production}, -300, "10000002", "jane@fabrikam.example", "Jane", "Roe"},
	{"90098812345", "northwind", "Northwind", location{"eu", production}, 60, "20000001", "anna@northwind.example", "Anna", "Berg"},
}

const defaultOrg = "808232144"

// seed makes the organisations and people that are there from the start.
func seed(ctx context.Context, core *simulated.Core, q simulated.Querier) error {
	for i, v := range seeds {
		o := org{simulated.Org{ID: v.zgid, Name: v.name, Sandbox: v.at.environment != production, Key: v.key}, v.at, strconv.Itoa(4876876 + i), v.zone}
		u := simulated.User{ID: v.zuid, Username: v.email, First: v.first, Last: v.last}
		if err := putOrg(ctx, core, q, o, u); err != nil {
			return err
		}
	}
	return nil
}

// firstUser is the number in the id of an org's user.
const firstUser = 225_001

// putOrg makes an org with one user, who is its administrator, unless they are there.
func putOrg(ctx context.Context, core *simulated.Core, q simulated.Querier, o org, u simulated.User) error {
	if err := core.PutOrg(ctx, q, o.Org, u); err != nil {
		return err
	}
	text, err := json.Marshal(administrator())
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, `INSERT INTO places (org, `+placeColumns+`) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		o.ID, o.at.centre, o.at.environment, o.prefix, o.zone)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, `INSERT INTO members (org, user, id, profile) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		o.ID, u.ID, o.id(firstUser), string(text))
	return err
}

// Client is an app that may ask for authorization.
type Client struct {
	ID, Secret   string // the secret holds wherever there is no other
	RedirectURIs []string
	Centres      []string          // where it is switched on; none: in all but China
	Secrets      map[string]string // by data centre, where it has one of its own
}

// centreSetup is what the secrets table keeps of a Client.
type centreSetup struct {
	Centres []string
	Secrets map[string]string
}

// AddClient registers v, or replaces what was registered under its ID.
func (s *Server) AddClient(ctx context.Context, v Client) error {
	if v.ID == "" {
		return errors.New("mockzoho: a client needs an id")
	}
	text, err := json.Marshal(centreSetup{v.Centres, v.Secrets})
	if err == nil {
		err = s.core.AddClient(ctx, simulated.Client{ID: v.ID, Secret: v.Secret, RedirectURIs: v.RedirectURIs})
	}
	if err == nil {
		_, err = s.core.Write.ExecContext(ctx, `INSERT INTO secrets (client, centres) VALUES ($1, $2)
			ON CONFLICT (client) DO UPDATE SET centres = excluded.centres`, v.ID, string(text))
	}
	if err != nil {
		return fmt.Errorf("mockzoho: add client: %w", err)
	}
	return nil
}
