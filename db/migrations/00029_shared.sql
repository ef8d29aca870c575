-- +goose Up
-- How often somebody asked for something within a minute, over all processes: see
-- package ratelimit. The key is a hash.
-- only sqlite
CREATE TABLE limit_counts (
  key TEXT NOT NULL PRIMARY KEY,
  ends_at BIGINT NOT NULL,
  n BIGINT NOT NULL
) WITHOUT ROWID;
-- only postgres
-- Not logged: it costs no flush, and after a crash of the server the minute begins anew.
CREATE UNLOGGED TABLE limit_counts (
  key TEXT NOT NULL PRIMARY KEY,
  ends_at BIGINT NOT NULL,
  n BIGINT NOT NULL
);
-- both

-- How many of a tenant's were refused alone in a row, whichever process sent them: see
-- turn.everybody of package delivery.
CREATE TABLE blames (
  tenant_id TEXT NOT NULL PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  n BIGINT NOT NULL
);

-- +goose Down
DROP TABLE blames;
DROP TABLE limit_counts;
