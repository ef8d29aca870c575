-- Since when there is a cause for which subscribers wait or need attention, how those
-- that are over ended, and who gave a connection up.

-- +goose Up
CREATE TABLE causes (
  id         TEXT PRIMARY KEY, -- UUIDv7: sorts by time
  tenant_id  TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  state      TEXT NOT NULL,    -- of those who have it
  reason     TEXT NOT NULL,    -- a code of crm's; of those who wait also what stops all of a tenant's
  since      BIGINT NOT NULL,
  people     BIGINT NOT NULL,  -- the most that were seen to have it at one time
  retried    BIGINT NOT NULL DEFAULT 0, -- how many somebody had delivered after all
  dismissed  BIGINT NOT NULL DEFAULT 0,
  actor      TEXT NOT NULL DEFAULT '',  -- id of the user who did either last, or who connected again
  decided_at BIGINT NOT NULL DEFAULT 0, -- when somebody did either last
  gone_at    BIGINT NOT NULL DEFAULT 0, -- since when nobody has it any more; 0: somebody does
  ended_at   BIGINT NOT NULL DEFAULT 0  -- 0: there, or it may come back at once
);
CREATE UNIQUE INDEX causes_open ON causes (tenant_id, state, reason) WHERE ended_at = 0;
CREATE INDEX causes_by_end ON causes (tenant_id, ended_at);

ALTER TABLE pauses ADD COLUMN since BIGINT NOT NULL DEFAULT 0; -- when its reason began; 0: not known

-- A tenant's own connections that were given up, the last of each service.
CREATE TABLE disconnections (
  tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  service   TEXT NOT NULL,
  at        BIGINT NOT NULL,
  actor     TEXT NOT NULL, -- id of the user who did it, '' for the operator
  PRIMARY KEY (tenant_id, service)
);

-- +goose Down
DROP TABLE disconnections;
ALTER TABLE pauses DROP COLUMN since;
DROP TABLE causes;
