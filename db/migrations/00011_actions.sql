-- What an admin has done for many subscribers at once, by a job.

-- +goose Up
CREATE TABLE actions (
  id         TEXT PRIMARY KEY, -- UUIDv7: who signed up later isn't meant
  tenant_id  TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  service    TEXT NOT NULL,    -- on whose page it was asked for
  kind       TEXT NOT NULL,    -- retry, try, dismiss, move, recount
  reason     TEXT NOT NULL,    -- a code of crm's: the cause that it is for, or ''
  note       TEXT NOT NULL,    -- why they are dismissed
  org_id     TEXT NOT NULL,    -- where they are sent to
  actor      TEXT NOT NULL,    -- id of the user who asked for it
  total      BIGINT NOT NULL,  -- how many there were then
  done       BIGINT NOT NULL,
  last_id    TEXT NOT NULL,    -- of the last subscriber that was looked at
  started_at BIGINT NOT NULL,
  resume_at  BIGINT NOT NULL,  -- when it is left lying, and somebody is to go on with it
  ended_at   BIGINT NOT NULL,  -- 0: not yet
  error      TEXT NOT NULL     -- why it ended before it was done
);
CREATE INDEX actions_by_tenant ON actions (tenant_id, id);
CREATE UNIQUE INDEX actions_once ON actions (tenant_id, kind, reason) WHERE ended_at = 0;
CREATE INDEX actions_left ON actions (resume_at) WHERE ended_at = 0;

CREATE INDEX subscribers_by_org ON subscribers (tenant_id, org_id, id) WHERE state = 'delivered';

-- The sums of the ledger, which has a row for each hour. They are entered together.
CREATE TABLE ledger_sums (
  tenant_id TEXT NOT NULL,
  kind      TEXT NOT NULL, -- new, repeated
  n         BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, kind)
);
INSERT INTO ledger_sums (tenant_id, kind, n) SELECT tenant_id, kind, sum(n) FROM ledger GROUP BY 1, 2;

ALTER TABLE recounts ADD COLUMN tried_at BIGINT NOT NULL DEFAULT 0; -- when it was last begun
UPDATE recounts SET tried_at = at;

-- +goose Down
ALTER TABLE recounts DROP COLUMN tried_at;
DROP TABLE ledger_sums;
DROP INDEX subscribers_by_org;
DROP TABLE actions;
