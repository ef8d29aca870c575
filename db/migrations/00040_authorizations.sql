-- Authorizations that an application begins over HTTP, and what was granted to them until
-- the application completes them.

-- +goose Up
CREATE TABLE authorizations (
  id           TEXT PRIMARY KEY, -- UUIDv7: sorts by time
  api_key_id   TEXT NOT NULL,    -- of the key that began it; not a reference, since the row outlives the key
  tenant_id    TEXT NOT NULL REFERENCES tenants (id),
  service      TEXT NOT NULL,
  user_name    TEXT NOT NULL,    -- as in identities
  account      TEXT NOT NULL,
  tags         TEXT NOT NULL,
  more_scopes  TEXT NOT NULL DEFAULT '[]', -- JSON: beside those of the service
  params       TEXT NOT NULL DEFAULT '{}', -- JSON: of the authorize end point
  login_hint   TEXT NOT NULL,
  login_url    TEXT NOT NULL,    -- '' for the service's default
  return_to    TEXT NOT NULL,
  app_state    TEXT NOT NULL,    -- the application's own, handed back to it
  skip_page    BIGINT NOT NULL,  -- 1: the application redirects the browser itself
  link_hash    TEXT NOT NULL UNIQUE,       -- of the secret in its URL
  link_ends_at BIGINT NOT NULL,
  browser_hash TEXT NOT NULL DEFAULT '',   -- of the one browser that it is tied to
  code_hash    TEXT NOT NULL DEFAULT '',   -- of what the application completes it with
  state        TEXT NOT NULL,
  error        TEXT NOT NULL DEFAULT '',   -- why it ended without an identity
  reason       TEXT NOT NULL DEFAULT '',   -- the service's code for that
  said         TEXT NOT NULL DEFAULT '',   -- what the service said of it
  identity_id  TEXT NOT NULL DEFAULT '',   -- what it became
  begun_at     BIGINT NOT NULL,
  opened_at    BIGINT NOT NULL DEFAULT 0,
  granted_at   BIGINT NOT NULL DEFAULT 0,
  ended_at     BIGINT NOT NULL DEFAULT 0,  -- 0: it is under way
  expires_at   BIGINT NOT NULL   -- when its state ends by itself, and the row when it has ended
);
CREATE INDEX authorizations_by_expiry ON authorizations (expires_at);
CREATE INDEX authorizations_under_way ON authorizations (api_key_id) WHERE ended_at = 0;
CREATE INDEX authorizations_of_user ON authorizations (tenant_id, user_name) WHERE ended_at = 0;
CREATE INDEX authorizations_by_tenant ON authorizations (tenant_id);

-- What was granted and isn't completed: nobody goes on with it yet.
CREATE TABLE granted_identities (
  id             TEXT PRIMARY KEY REFERENCES authorizations (id),
  service        TEXT NOT NULL,
  tenant_id      TEXT NOT NULL REFERENCES tenants (id),
  user_name      TEXT NOT NULL,
  account        TEXT NOT NULL,
  tags           TEXT NOT NULL DEFAULT '[]',
  native         TEXT NOT NULL DEFAULT '{}',
  sealed_access  TEXT NOT NULL,
  sealed_refresh TEXT NOT NULL,
  key_id         BIGINT NOT NULL,
  login_url      TEXT NOT NULL,
  instance_url   TEXT NOT NULL,
  org_id         TEXT NOT NULL,
  org_name       TEXT NOT NULL,
  sandbox        BIGINT NOT NULL,
  remote_user_id TEXT NOT NULL,
  scopes         TEXT NOT NULL,
  connected_by   TEXT NOT NULL, -- '': the application
  own_app        BIGINT NOT NULL,
  client_id      TEXT NOT NULL,
  token_hash     TEXT NOT NULL
);
CREATE INDEX granted_identities_by_key ON granted_identities (key_id);
CREATE INDEX granted_identities_by_approval ON granted_identities (remote_user_id, org_id, service);
CREATE INDEX granted_identities_by_token ON granted_identities (token_hash) WHERE token_hash <> '';
CREATE INDEX granted_identities_by_tenant ON granted_identities (tenant_id);

ALTER TABLE handshakes ADD COLUMN authorization_id TEXT NOT NULL DEFAULT ''; -- '' for those of the portal and of package identity

-- What waits to be confirmed may have been authorized by an application: connected_by
-- refers to nobody then.
-- only postgres
ALTER TABLE held_identities DROP CONSTRAINT held_identities_connected_by_fkey;
-- only sqlite
CREATE TABLE new_held_identities (
  id             TEXT PRIMARY KEY,
  service        TEXT NOT NULL,
  tenant_id      TEXT NOT NULL REFERENCES tenants (id),
  sealed_access  TEXT NOT NULL,
  sealed_refresh TEXT NOT NULL,
  key_id         BIGINT NOT NULL,
  login_url      TEXT NOT NULL,
  instance_url   TEXT NOT NULL,
  org_id         TEXT NOT NULL,
  org_name       TEXT NOT NULL,
  sandbox        BIGINT NOT NULL,
  remote_user_id TEXT NOT NULL,
  scopes         TEXT NOT NULL,
  connected_by   TEXT NOT NULL, -- a user of ours, '' when the application authorized it
  held_at        BIGINT NOT NULL,
  expires_at     BIGINT NOT NULL,
  user_name      TEXT NOT NULL DEFAULT '',
  account        TEXT NOT NULL DEFAULT '',
  tags           TEXT NOT NULL DEFAULT '[]',
  native         TEXT NOT NULL DEFAULT '{}',
  own_app        BIGINT NOT NULL DEFAULT 0,
  client_id      TEXT NOT NULL DEFAULT '',
  token_hash     TEXT NOT NULL DEFAULT '',
  UNIQUE (service, tenant_id)
);
INSERT INTO new_held_identities SELECT * FROM held_identities;
DROP TABLE held_identities;
ALTER TABLE new_held_identities RENAME TO held_identities;
CREATE INDEX held_identities_by_expiry ON held_identities (expires_at);
CREATE INDEX held_identities_by_key ON held_identities (key_id);
CREATE INDEX held_identities_by_approval ON held_identities (remote_user_id, org_id, service);
CREATE INDEX held_identities_by_token ON held_identities (token_hash) WHERE token_hash <> '';
CREATE INDEX held_identities_by_tenant ON held_identities (tenant_id);
-- both

-- +goose Down
-- What was granted and not completed isn't revoked by this: let it run out first.
ALTER TABLE handshakes DROP COLUMN authorization_id;
DROP TABLE granted_identities;
DROP TABLE authorizations;
