-- The keys with which the platform's own programs ask for identities.

-- +goose Up
CREATE TABLE api_keys (
  id          TEXT PRIMARY KEY, -- UUIDv7: sorts by time
  name        TEXT NOT NULL,    -- for people
  secret_hash TEXT NOT NULL UNIQUE,
  services    TEXT NOT NULL,    -- JSON: ids, [] for all
  tenants     TEXT NOT NULL,    -- JSON: ids, [] for all
  actions     TEXT NOT NULL,    -- JSON: read, delete
  created_at  BIGINT NOT NULL,
  used_at     BIGINT NOT NULL DEFAULT 0 -- to the minute, 0: never
);

-- +goose Down
DROP TABLE api_keys;
