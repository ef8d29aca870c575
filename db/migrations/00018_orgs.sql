-- Orgs that more than one tenant is connected to, and what became of handshakes.

-- +goose Up
-- That a tenant's admin has confirmed an org which others here have as well.
CREATE TABLE org_confirmations (
  tenant_id    TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  service      TEXT NOT NULL,
  org_id       TEXT NOT NULL,
  confirmed_by TEXT NOT NULL, -- id of a user, or 'operator'
  confirmed_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, service, org_id)
);

-- Written first by whoever stores a connection to an org, so that of two tenants
-- the second waits for the first, and sees it.
CREATE TABLE org_locks (
  service TEXT NOT NULL,
  org_id  TEXT NOT NULL,
  used_at BIGINT NOT NULL,
  PRIMARY KEY (service, org_id)
);

CREATE INDEX identities_by_org ON identities (org_id, service) WHERE user_name = '' AND account = '' AND org_id <> '';
CREATE INDEX org_counts_by_org ON org_counts (org_id);

ALTER TABLE handshakes ADD COLUMN taken_at BIGINT NOT NULL DEFAULT 0; -- when the code was taken to be exchanged, 0 before
ALTER TABLE handshakes ADD COLUMN ended_at BIGINT NOT NULL DEFAULT 0; -- when its outcome was known, 0 before
ALTER TABLE handshakes ADD COLUMN outcome TEXT NOT NULL DEFAULT '';
ALTER TABLE handshakes ADD COLUMN code TEXT NOT NULL DEFAULT '';      -- why it came to nothing
ALTER TABLE handshakes ADD COLUMN said TEXT NOT NULL DEFAULT '';      -- what the service said of that
CREATE INDEX handshakes_by_session ON handshakes (session_id, service);

-- +goose Down
DROP INDEX handshakes_by_session;
ALTER TABLE handshakes DROP COLUMN said;
ALTER TABLE handshakes DROP COLUMN code;
ALTER TABLE handshakes DROP COLUMN outcome;
ALTER TABLE handshakes DROP COLUMN ended_at;
ALTER TABLE handshakes DROP COLUMN taken_at;
DROP INDEX org_counts_by_org;
DROP INDEX identities_by_org;
DROP TABLE org_locks;
DROP TABLE org_confirmations;
