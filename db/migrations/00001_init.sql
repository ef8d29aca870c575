-- Times are Unix milliseconds, hashes are SHA-256 in hex, sealed values are
-- AEAD ciphertexts in base64 with the id of the key that sealed them beside
-- them. TEXT and BIGINT alone, so that the same file runs on PostgreSQL.

-- +goose Up

CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE tenants (
  id         TEXT PRIMARY KEY,
  slug       TEXT NOT NULL UNIQUE,
  name       TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE TABLE users (
  id                  TEXT PRIMARY KEY,
  email               TEXT NOT NULL UNIQUE, -- lower case
  password_hash       TEXT NOT NULL,
  created_at          BIGINT NOT NULL,
  password_changed_at BIGINT NOT NULL
);

CREATE TABLE memberships (
  user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  tenant_id  TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, tenant_id)
);
CREATE INDEX memberships_by_tenant ON memberships (tenant_id);

CREATE TABLE sessions (
  id          TEXT PRIMARY KEY,     -- names the session where people see and end it
  secret_hash TEXT NOT NULL UNIQUE, -- of the cookie's value
  user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  tenant_id   TEXT NOT NULL,        -- the chosen tenant, '' while none is
  data        TEXT NOT NULL,        -- JSON: what waits to be shown once
  user_agent  TEXT NOT NULL,
  ip          TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  seen_at     BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL       -- the absolute end; the idle end follows seen_at
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Brakes slow down guessing. A key is a hash of what is slowed: an account, an
-- address, or both. A row that has expired counts for nothing.
CREATE TABLE brakes (
  key        TEXT PRIMARY KEY,
  failures   BIGINT NOT NULL,
  until      BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX brakes_by_expiry ON brakes (expires_at);

CREATE TABLE setup_links (
  secret_hash TEXT PRIMARY KEY,
  expires_at  BIGINT NOT NULL
);

-- An identity is the credential that one authorization produced.
CREATE TABLE identities (
  id              TEXT PRIMARY KEY,
  service         TEXT NOT NULL,
  tenant_id       TEXT NOT NULL REFERENCES tenants (id),
  generation      BIGINT NOT NULL,  -- changes when connected, refreshed or disconnected
  sealed_access   TEXT NOT NULL,    -- what a caller gets
  sealed_refresh  TEXT NOT NULL,    -- what nobody gets
  key_id          BIGINT NOT NULL,
  login_url       TEXT NOT NULL,    -- where it was authorized; renewed and revoked there too
  instance_url    TEXT NOT NULL,
  org_id          TEXT NOT NULL,
  org_name        TEXT NOT NULL,
  sandbox         BIGINT NOT NULL,
  remote_user_id  TEXT NOT NULL,    -- who approved, as the service names them
  scopes          TEXT NOT NULL,    -- separated by spaces
  connected_by    TEXT NOT NULL REFERENCES users (id),
  connected_at    BIGINT NOT NULL,
  refreshed_at    BIGINT NOT NULL,
  broken_at       BIGINT NOT NULL DEFAULT 0, -- 0: in order
  broken_code     TEXT NOT NULL DEFAULT '',
  failed_at       BIGINT NOT NULL DEFAULT 0, -- the last failure to renew, 0 after a success
  failed_code     TEXT NOT NULL DEFAULT '',
  retry_at        BIGINT NOT NULL DEFAULT 0, -- not to be renewed before
  stale           BIGINT NOT NULL DEFAULT 0, -- 1: the service refused the access token
  lease_owner     TEXT NOT NULL DEFAULT '',  -- who renews it now
  lease_until     BIGINT NOT NULL DEFAULT 0,
  call_started_at BIGINT NOT NULL DEFAULT 0, -- a renewal is under way, or its outcome unknown
  UNIQUE (service, tenant_id)
);

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

-- An authorization of another org than before waits here to be confirmed.
CREATE TABLE held_identities (
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
  connected_by   TEXT NOT NULL REFERENCES users (id),
  held_at        BIGINT NOT NULL,
  expires_at     BIGINT NOT NULL,
  UNIQUE (service, tenant_id)
);
CREATE INDEX held_identities_by_expiry ON held_identities (expires_at);

-- What is left of a connection that was ended: the refresh token, until it is revoked.
CREATE TABLE revocations (
  id             TEXT PRIMARY KEY,
  service        TEXT NOT NULL,
  tenant_id      TEXT NOT NULL,
  identity_id    TEXT NOT NULL, -- the row that it was sealed for
  sealed_refresh TEXT NOT NULL,
  key_id         BIGINT NOT NULL,
  login_url      TEXT NOT NULL,
  created_at     BIGINT NOT NULL,
  expires_at     BIGINT NOT NULL
);
CREATE INDEX revocations_by_tenant ON revocations (tenant_id, service);

CREATE TABLE newsletters (
  id         TEXT PRIMARY KEY,
  tenant_id  TEXT NOT NULL REFERENCES tenants (id),
  slug       TEXT NOT NULL UNIQUE,
  name       TEXT NOT NULL,
  consent    TEXT NOT NULL, -- the words that a reader agrees to
  created_at BIGINT NOT NULL
);
CREATE INDEX newsletters_by_tenant ON newsletters (tenant_id);

-- A subscriber is an address on a newsletter, and while it is waiting, the outbox.
CREATE TABLE subscribers (
  id            TEXT PRIMARY KEY, -- UUIDv7: sorts by time
  tenant_id     TEXT NOT NULL,
  newsletter_id TEXT NOT NULL REFERENCES newsletters (id),
  email         TEXT NOT NULL,    -- as typed
  email_key     TEXT NOT NULL,    -- lower case: what makes it the same address
  first_name    TEXT NOT NULL,
  last_name     TEXT NOT NULL,
  state         TEXT NOT NULL,    -- waiting, delivered, attention
  reason        TEXT NOT NULL DEFAULT '', -- a code of crm's, why it waits or needs attention
  detail        TEXT NOT NULL DEFAULT '', -- what the CRM said
  attempts      BIGINT NOT NULL DEFAULT 0,
  due_at        BIGINT NOT NULL,  -- not to be tried before
  sent_at       BIGINT NOT NULL DEFAULT 0, -- a write was sent whose outcome is not known
  settles_at    BIGINT NOT NULL DEFAULT 0, -- until then that write may still take effect
  record_id     TEXT NOT NULL DEFAULT '', -- in the CRM
  org_id        TEXT NOT NULL DEFAULT '',
  instance_url  TEXT NOT NULL DEFAULT '',
  delivered_at  BIGINT NOT NULL DEFAULT 0,
  created_at    BIGINT NOT NULL,
  UNIQUE (newsletter_id, email_key)
);
CREATE INDEX subscribers_due ON subscribers (tenant_id, due_at, id) WHERE state = 'waiting';
CREATE INDEX subscribers_by_tenant ON subscribers (tenant_id, id);
CREATE INDEX subscribers_by_state ON subscribers (tenant_id, state, id);
CREATE INDEX subscribers_by_email ON subscribers (tenant_id, email_key, id);

-- What was agreed, when, where, in which words: one row per sign-up, repeated ones too.
CREATE TABLE wordings (
  id   TEXT PRIMARY KEY, -- a hash of the text
  text TEXT NOT NULL
);
CREATE TABLE consents (
  id            TEXT PRIMARY KEY,
  subscriber_id TEXT NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
  wording_id    TEXT NOT NULL REFERENCES wordings (id),
  source        TEXT NOT NULL, -- form, api, test
  at            BIGINT NOT NULL
);
CREATE INDEX consents_by_subscriber ON consents (subscriber_id);

-- The ledger counts what was received, in the sign-up's own transaction.
CREATE TABLE ledger (
  tenant_id     TEXT NOT NULL,
  newsletter_id TEXT NOT NULL,
  hour          BIGINT NOT NULL, -- start of the UTC hour
  kind          TEXT NOT NULL,   -- new, repeated
  n             BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, newsletter_id, hour, kind)
);

-- The counts change in the same transaction as the states that they count.
CREATE TABLE state_counts (
  tenant_id     TEXT NOT NULL,
  newsletter_id TEXT NOT NULL,
  state         TEXT NOT NULL,
  n             BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, newsletter_id, state)
);

-- One process at a time delivers a tenant's subscribers.
CREATE TABLE leases (
  name  TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  until BIGINT NOT NULL
);

-- Why nothing of a tenant's is sent for now.
CREATE TABLE pauses (
  tenant_id TEXT PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  reason    TEXT NOT NULL,   -- a code of crm's
  detail    TEXT NOT NULL,
  tries     BIGINT NOT NULL, -- failures in a row
  batch     BIGINT NOT NULL, -- how many to try next, 0 for as many as the CRM takes
  until     BIGINT NOT NULL
);

-- +goose Down
DROP TABLE pauses;
DROP TABLE leases;
DROP TABLE state_counts;
DROP TABLE ledger;
DROP TABLE consents;
DROP TABLE wordings;
DROP TABLE subscribers;
DROP TABLE newsletters;
DROP TABLE revocations;
DROP TABLE held_identities;
DROP TABLE handshakes;
DROP TABLE identities;
DROP TABLE setup_links;
DROP TABLE brakes;
DROP TABLE sessions;
DROP TABLE memberships;
DROP TABLE users;
DROP TABLE tenants;
DROP TABLE settings;
