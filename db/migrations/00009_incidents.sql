-- What a tenant's admins are told of without having looked.

-- +goose Up
CREATE TABLE incidents (
  id        TEXT PRIMARY KEY, -- UUIDv7: sorts by time
  tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  kind      TEXT NOT NULL,    -- broken, waiting, attention, silent
  about     TEXT NOT NULL,    -- the newsletter whose form is silent, else empty
  cause     TEXT NOT NULL,    -- a code: why, when that is known
  n         BIGINT NOT NULL,  -- how many people, when it was opened
  since     BIGINT NOT NULL,  -- when the trouble began
  opened_at BIGINT NOT NULL,
  mended_at BIGINT NOT NULL DEFAULT 0, -- 0: still there
  closed_at BIGINT NOT NULL DEFAULT 0  -- 0: may come back any moment
);
CREATE UNIQUE INDEX incidents_open ON incidents (tenant_id, kind, about) WHERE closed_at = 0;
CREATE INDEX incidents_by_closing ON incidents (closed_at);
CREATE INDEX identities_broken ON identities (tenant_id) WHERE broken_at > 0;
ALTER TABLE users ADD COLUMN incident_mails BIGINT NOT NULL DEFAULT 1; -- whether they are told by mail

-- +goose Down
ALTER TABLE users DROP COLUMN incident_mails;
DROP INDEX identities_broken;
DROP TABLE incidents;
