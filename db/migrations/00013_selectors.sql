-- Identities are found by user, account and tags too, and several may stand
-- beside each other. What the application calls a user need not be one of ours.

-- +goose Up
CREATE TABLE new_identities (
  id              TEXT PRIMARY KEY, -- UUIDv7: sorts by time
  service         TEXT NOT NULL,
  tenant_id       TEXT NOT NULL REFERENCES tenants (id),
  user_name       TEXT NOT NULL DEFAULT '',   -- as the application calls its user, '' for the tenant's own connection
  account         TEXT NOT NULL DEFAULT '',   -- tells several of one user apart, else ''
  tags            TEXT NOT NULL DEFAULT '[]', -- JSON: a sorted list, as in identity_tags
  native          TEXT NOT NULL DEFAULT '{}', -- JSON: what the service answered, without tokens
  generation      BIGINT NOT NULL,
  sealed_access   TEXT NOT NULL,
  sealed_refresh  TEXT NOT NULL,
  key_id          BIGINT NOT NULL,
  login_url       TEXT NOT NULL,
  instance_url    TEXT NOT NULL,
  org_id          TEXT NOT NULL,
  org_name        TEXT NOT NULL,
  sandbox         BIGINT NOT NULL,
  remote_user_id  TEXT NOT NULL,
  scopes          TEXT NOT NULL,
  connected_by    TEXT NOT NULL,    -- a user of ours, '' when the application authorized it
  connected_at    BIGINT NOT NULL,
  refreshed_at    BIGINT NOT NULL,
  broken_at       BIGINT NOT NULL DEFAULT 0,
  broken_code     TEXT NOT NULL DEFAULT '',
  failed_at       BIGINT NOT NULL DEFAULT 0,
  failed_code     TEXT NOT NULL DEFAULT '',
  retry_at        BIGINT NOT NULL DEFAULT 0,
  stale           BIGINT NOT NULL DEFAULT 0,
  lease_owner     TEXT NOT NULL DEFAULT '',
  lease_until     BIGINT NOT NULL DEFAULT 0,
  call_started_at BIGINT NOT NULL DEFAULT 0,
  expires_at      BIGINT NOT NULL DEFAULT 0,
  used_at         BIGINT NOT NULL DEFAULT 0,
  keep_alive_at   BIGINT NOT NULL DEFAULT 0,
  UNIQUE (tenant_id, service, user_name, account)
);
INSERT INTO new_identities
  SELECT id, service, tenant_id, '', '', '[]', '{}', generation, sealed_access, sealed_refresh, key_id, login_url, instance_url, org_id,
    org_name, sandbox, remote_user_id, scopes, connected_by, connected_at, refreshed_at, broken_at, broken_code, failed_at, failed_code,
    retry_at, stale, lease_owner, lease_until, call_started_at, expires_at, used_at, keep_alive_at
  FROM identities;
DROP TABLE identities;
ALTER TABLE new_identities RENAME TO identities;
CREATE INDEX identities_by_key ON identities (key_id);
CREATE INDEX identities_by_keep_alive ON identities (keep_alive_at) WHERE broken_at = 0;
CREATE INDEX identities_by_call ON identities (call_started_at) WHERE call_started_at > 0;
CREATE INDEX identities_by_approval ON identities (remote_user_id, org_id, service);
CREATE INDEX identities_broken ON identities (tenant_id) WHERE broken_at > 0;
CREATE INDEX identities_by_service ON identities (service, id);
CREATE INDEX identities_by_tenant ON identities (tenant_id, id);
CREATE INDEX identities_by_user ON identities (user_name, id) WHERE user_name <> '';

CREATE TABLE identity_tags (
  tag         TEXT NOT NULL,
  identity_id TEXT NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
  PRIMARY KEY (tag, identity_id)
);
CREATE INDEX identity_tags_by_identity ON identity_tags (identity_id);

ALTER TABLE held_identities ADD COLUMN user_name TEXT NOT NULL DEFAULT '';
ALTER TABLE held_identities ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE held_identities ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE held_identities ADD COLUMN native TEXT NOT NULL DEFAULT '{}';

-- A handshake lives for ten minutes: those under way are begun again.
DROP TABLE handshakes;
CREATE TABLE handshakes (
  state_hash      TEXT PRIMARY KEY,
  session_id      TEXT NOT NULL,
  user_id         TEXT NOT NULL, -- of ours, '' when the application began it
  tenant_id       TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  service         TEXT NOT NULL,
  user_name       TEXT NOT NULL, -- as in identities
  account         TEXT NOT NULL,
  tags            TEXT NOT NULL,
  login_url       TEXT NOT NULL,
  finished_url    TEXT NOT NULL,
  sealed_verifier TEXT NOT NULL,
  key_id          BIGINT NOT NULL,
  expires_at      BIGINT NOT NULL
);
CREATE INDEX handshakes_by_expiry ON handshakes (expires_at);
CREATE INDEX handshakes_by_key ON handshakes (key_id);

-- +goose Down
-- There is no place for those of users and accounts: delete them first, so that
-- they are revoked.
DROP TABLE handshakes;
CREATE TABLE handshakes (
  state_hash      TEXT PRIMARY KEY,
  session_id      TEXT NOT NULL,
  user_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  tenant_id       TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  service         TEXT NOT NULL,
  login_url       TEXT NOT NULL,
  finished_url    TEXT NOT NULL,
  sealed_verifier TEXT NOT NULL,
  key_id          BIGINT NOT NULL,
  expires_at      BIGINT NOT NULL
);
CREATE INDEX handshakes_by_expiry ON handshakes (expires_at);
CREATE INDEX handshakes_by_key ON handshakes (key_id);
ALTER TABLE held_identities DROP COLUMN native;
ALTER TABLE held_identities DROP COLUMN tags;
ALTER TABLE held_identities DROP COLUMN account;
ALTER TABLE held_identities DROP COLUMN user_name;
DROP TABLE identity_tags;
CREATE TABLE old_identities (
  id              TEXT PRIMARY KEY,
  service         TEXT NOT NULL,
  tenant_id       TEXT NOT NULL REFERENCES tenants (id),
  generation      BIGINT NOT NULL,
  sealed_access   TEXT NOT NULL,
  sealed_refresh  TEXT NOT NULL,
  key_id          BIGINT NOT NULL,
  login_url       TEXT NOT NULL,
  instance_url    TEXT NOT NULL,
  org_id          TEXT NOT NULL,
  org_name        TEXT NOT NULL,
  sandbox         BIGINT NOT NULL,
  remote_user_id  TEXT NOT NULL,
  scopes          TEXT NOT NULL,
  connected_by    TEXT NOT NULL REFERENCES users (id),
  connected_at    BIGINT NOT NULL,
  refreshed_at    BIGINT NOT NULL,
  broken_at       BIGINT NOT NULL DEFAULT 0,
  broken_code     TEXT NOT NULL DEFAULT '',
  failed_at       BIGINT NOT NULL DEFAULT 0,
  failed_code     TEXT NOT NULL DEFAULT '',
  retry_at        BIGINT NOT NULL DEFAULT 0,
  stale           BIGINT NOT NULL DEFAULT 0,
  lease_owner     TEXT NOT NULL DEFAULT '',
  lease_until     BIGINT NOT NULL DEFAULT 0,
  call_started_at BIGINT NOT NULL DEFAULT 0,
  expires_at      BIGINT NOT NULL DEFAULT 0,
  used_at         BIGINT NOT NULL DEFAULT 0,
  keep_alive_at   BIGINT NOT NULL DEFAULT 0,
  UNIQUE (service, tenant_id)
);
INSERT INTO old_identities
  SELECT id, service, tenant_id, generation, sealed_access, sealed_refresh, key_id, login_url, instance_url, org_id, org_name, sandbox,
    remote_user_id, scopes, connected_by, connected_at, refreshed_at, broken_at, broken_code, failed_at, failed_code, retry_at, stale,
    lease_owner, lease_until, call_started_at, expires_at, used_at, keep_alive_at
  FROM identities WHERE user_name = '' AND account = '';
DROP TABLE identities;
ALTER TABLE old_identities RENAME TO identities;
CREATE INDEX identities_by_key ON identities (key_id);
CREATE INDEX identities_by_keep_alive ON identities (keep_alive_at) WHERE broken_at = 0;
CREATE INDEX identities_by_call ON identities (call_started_at) WHERE call_started_at > 0;
CREATE INDEX identities_by_approval ON identities (remote_user_id, org_id, service);
CREATE INDEX identities_broken ON identities (tenant_id) WHERE broken_at > 0;
