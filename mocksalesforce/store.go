package mocksalesforce

import (
	"context"

	"gatepost/simulated"
)

const tables = `
CREATE TABLE IF NOT EXISTS usage (org TEXT, day INTEGER, n INTEGER NOT NULL, PRIMARY KEY (org, day));
CREATE TABLE IF NOT EXISTS grants (id INTEGER PRIMARY KEY AUTOINCREMENT, client TEXT NOT NULL, user TEXT NOT NULL, scope TEXT NOT NULL,
	offline INTEGER NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS grants_user ON grants (user, client);
CREATE TABLE IF NOT EXISTS refresh_tokens (token TEXT PRIMARY KEY, grant_id INTEGER NOT NULL REFERENCES grants,
	created INTEGER NOT NULL, superseded INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS access_tokens (token TEXT PRIMARY KEY, grant_id INTEGER NOT NULL REFERENCES grants,
	created INTEGER NOT NULL, expires INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS access_tokens_grant ON access_tokens (grant_id);
CREATE TABLE IF NOT EXISTS records (seq INTEGER PRIMARY KEY AUTOINCREMENT, org TEXT NOT NULL, type TEXT NOT NULL,
	email TEXT, ext TEXT, data TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
	created_by TEXT NOT NULL, modified_by TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS records_type ON records (org, type, seq);
CREATE INDEX IF NOT EXISTS records_email ON records (org, type, email);
CREATE INDEX IF NOT EXISTS records_ext ON records (org, type, ext) WHERE ext IS NOT NULL;
CREATE TABLE IF NOT EXISTS cursors (id TEXT PRIMARY KEY, org TEXT NOT NULL, soql TEXT NOT NULL, deleted INTEGER NOT NULL,
	ids TEXT NOT NULL, created INTEGER NOT NULL);
`

// seed makes the orgs and people that are there from the start.
func seed(ctx context.Context, c *simulated.Core, q querier) error {
	seeds := []struct {
		key, org, username, first, last string
		sandbox                         bool
	}{
		{"contoso", "Contoso", "john@contoso.example", "John", "Doe", false},
		{"contoso-sandbox", "Contoso Sandbox", "john@contoso.example.sandbox", "John", "Doe", true},
		{"fabrikam-jane", "Fabrikam", "jane@fabrikam.example", "Jane", "Roe", false},
	}
	for i, v := range seeds {
		orgID, userID := makeID("00D", int64(i+1)), makeID("005", int64(i+1))
		err := c.PutOrg(ctx, q, org{ID: orgID, Name: v.org, Sandbox: v.sandbox, Key: v.key}, user{ID: userID, Username: v.username, First: v.first, Last: v.last})
		if err != nil {
			return err
		}
	}
	return nil
}
