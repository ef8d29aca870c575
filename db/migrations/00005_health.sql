-- What the health page shows, kept where it changes: every page reads a few
-- rows, however many subscribers there are.

-- +goose Up
-- Subscribers by the UTC hour in which they were received and their state now.
CREATE TABLE hour_counts (
  tenant_id     TEXT NOT NULL,
  hour          BIGINT NOT NULL, -- start of the UTC hour, as in the ledger
  newsletter_id TEXT NOT NULL,
  state         TEXT NOT NULL,
  n             BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, hour, newsletter_id, state)
);
INSERT INTO hour_counts (tenant_id, hour, newsletter_id, state, n)
  SELECT tenant_id, created_at - created_at % 3600000, newsletter_id, state, count(*) FROM subscribers GROUP BY 1, 2, 3, 4;
CREATE INDEX ledger_by_hour ON ledger (tenant_id, hour);

-- Those that wait or need attention, by the cause.
CREATE TABLE reason_counts (
  tenant_id TEXT NOT NULL,
  state     TEXT NOT NULL, -- waiting, attention
  reason    TEXT NOT NULL, -- a code of crm's
  n         BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, state, reason)
);
INSERT INTO reason_counts (tenant_id, state, reason, n)
  SELECT tenant_id, state, reason, count(*) FROM subscribers WHERE state IN ('waiting', 'attention') AND reason <> '' GROUP BY 1, 2, 3;
CREATE INDEX subscribers_by_reason ON subscribers (tenant_id, state, reason, id, email_key) WHERE reason <> '';

-- Those that were delivered, by the org that has them.
CREATE TABLE org_counts (
  tenant_id TEXT NOT NULL,
  org_id    TEXT NOT NULL,
  n         BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, org_id)
);
INSERT INTO org_counts (tenant_id, org_id, n)
  SELECT tenant_id, org_id, count(*) FROM subscribers WHERE state = 'delivered' GROUP BY 1, 2;

-- What happened in which hour.
CREATE TABLE activity (
  tenant_id TEXT NOT NULL,
  kind      TEXT NOT NULL,   -- delivered, attention
  hour      BIGINT NOT NULL, -- start of the UTC hour
  n         BIGINT NOT NULL,
  last_at   BIGINT NOT NULL, -- when it happened last in that hour
  PRIMARY KEY (tenant_id, kind, hour)
);
INSERT INTO activity (tenant_id, kind, hour, n, last_at)
  SELECT tenant_id, 'delivered', delivered_at - delivered_at % 3600000, count(*), max(delivered_at)
  FROM subscribers WHERE state = 'delivered' GROUP BY 1, 2, 3;

-- Each change of a subscriber's state, and of the reason why it waits. That it
-- was received is told by the consents.
CREATE TABLE events (
  id            TEXT PRIMARY KEY, -- UUIDv7: sorts by time
  tenant_id     TEXT NOT NULL,
  subscriber_id TEXT NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
  at            BIGINT NOT NULL,
  state         TEXT NOT NULL, -- from then on
  reason        TEXT NOT NULL, -- a code of crm's, or ''
  detail        TEXT NOT NULL, -- what the CRM said
  actor         TEXT NOT NULL  -- id of the user who did it, '' for Gatepost itself
);
CREATE INDEX events_by_subscriber ON events (subscriber_id, id);

-- The last time that a tenant's rows were counted and compared with what is kept.
CREATE TABLE recounts (
  tenant_id TEXT PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  at        BIGINT NOT NULL,
  took      BIGINT NOT NULL, -- milliseconds
  received  BIGINT NOT NULL, -- what the rows say, as the following
  repeated  BIGINT NOT NULL,
  waiting   BIGINT NOT NULL,
  delivered BIGINT NOT NULL,
  attention BIGINT NOT NULL,
  dismissed BIGINT NOT NULL,
  wrong     BIGINT NOT NULL  -- how many kept numbers the rows contradict
);

-- What the CRM last said of its API calls in 24 hours.
CREATE TABLE api_usage (
  tenant_id TEXT PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  used      BIGINT NOT NULL,
  allowed   BIGINT NOT NULL,
  at        BIGINT NOT NULL
);

ALTER TABLE tenants ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC'; -- an IANA name: in which days are counted

-- +goose Down
ALTER TABLE tenants DROP COLUMN time_zone;
DROP TABLE api_usage;
DROP TABLE recounts;
DROP TABLE events;
DROP TABLE activity;
DROP TABLE org_counts;
DROP INDEX subscribers_by_reason;
DROP TABLE reason_counts;
DROP INDEX ledger_by_hour;
DROP TABLE hour_counts;
