-- A sign-up costs as few B-trees as it can: five for somebody new. What was
-- agreed to first stands with the subscriber; consents has what came later. Rows
-- of a tenant are found by the tenant first, so that one key serves for the row,
-- the tenant's list and what belongs to the row.

-- +goose Up
CREATE TABLE new_subscribers (
  tenant_id     TEXT NOT NULL,
  id            TEXT NOT NULL,    -- UUIDv7: sorts by time
  newsletter_id TEXT NOT NULL REFERENCES newsletters (id),
  email         TEXT NOT NULL,    -- as typed
  email_key     TEXT NOT NULL,    -- lower case: what makes it the same address
  first_name    TEXT NOT NULL,
  last_name     TEXT NOT NULL,
  wording_id    TEXT REFERENCES wordings (id), -- what was agreed to with the first sign-up
  source        TEXT NOT NULL DEFAULT '', -- by which the first sign-up came: form, api, test
  state         TEXT NOT NULL,    -- waiting, delivered, attention, dismissed
  reason        TEXT NOT NULL DEFAULT '', -- a code of crm's, why it waits or needs attention
  detail        TEXT NOT NULL DEFAULT '', -- what the CRM said
  attempts      BIGINT NOT NULL DEFAULT 0,
  due_at        BIGINT NOT NULL,  -- not to be tried before
  sent_at       BIGINT NOT NULL DEFAULT 0, -- a write was sent whose outcome is not known
  settles_at    BIGINT NOT NULL DEFAULT 0, -- until then that write may still take effect
  record_id     TEXT NOT NULL DEFAULT '', -- in the CRM
  org_id        TEXT NOT NULL DEFAULT '',
  instance_url  TEXT NOT NULL DEFAULT '',
  match_id      TEXT NOT NULL DEFAULT '', -- a record of the CRM that is in the way
  delivered_at  BIGINT NOT NULL DEFAULT 0,
  created_at    BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, email_key, newsletter_id)
);
INSERT INTO new_subscribers (tenant_id, id, newsletter_id, email, email_key, first_name, last_name, state, reason, detail, attempts, due_at, sent_at, settles_at,
    record_id, org_id, instance_url, match_id, delivered_at, created_at, wording_id, source)
  SELECT tenant_id, id, newsletter_id, email, email_key, first_name, last_name, state, reason, detail, attempts, due_at, sent_at, settles_at,
    record_id, org_id, instance_url, match_id, delivered_at, created_at,
    (SELECT c.wording_id FROM consents c WHERE c.subscriber_id = s.id ORDER BY c.id LIMIT 1),
    COALESCE((SELECT c.source FROM consents c WHERE c.subscriber_id = s.id ORDER BY c.id LIMIT 1), '')
  FROM subscribers s;

CREATE TABLE new_consents (
  tenant_id     TEXT NOT NULL,
  subscriber_id TEXT NOT NULL,
  id            TEXT NOT NULL, -- UUIDv7: sorts by time
  wording_id    TEXT NOT NULL REFERENCES wordings (id),
  source        TEXT NOT NULL, -- form, api, test
  at            BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, subscriber_id, id),
  FOREIGN KEY (tenant_id, subscriber_id) REFERENCES new_subscribers (tenant_id, id) ON DELETE CASCADE
);
INSERT INTO new_consents (tenant_id, subscriber_id, id, wording_id, source, at)
  SELECT s.tenant_id, c.subscriber_id, c.id, c.wording_id, c.source, c.at
  FROM subscribers s JOIN consents c ON c.subscriber_id = s.id
  WHERE c.id > (SELECT min(f.id) FROM consents f WHERE f.subscriber_id = s.id);

CREATE TABLE new_events (
  tenant_id     TEXT NOT NULL,
  subscriber_id TEXT NOT NULL,
  id            TEXT NOT NULL, -- UUIDv7: sorts by time
  at            BIGINT NOT NULL,
  state         TEXT NOT NULL, -- from then on
  reason        TEXT NOT NULL, -- a code of crm's, or ''
  detail        TEXT NOT NULL, -- what the CRM said
  actor         TEXT NOT NULL, -- id of the user who did it, '' for Gatepost itself
  PRIMARY KEY (tenant_id, subscriber_id, id),
  FOREIGN KEY (tenant_id, subscriber_id) REFERENCES new_subscribers (tenant_id, id) ON DELETE CASCADE
);
INSERT INTO new_events (tenant_id, subscriber_id, id, at, state, reason, detail, actor)
  SELECT tenant_id, subscriber_id, id, at, state, reason, detail, actor FROM events;

DROP TABLE events;
DROP TABLE consents;
DROP TABLE subscribers;
ALTER TABLE new_subscribers RENAME TO subscribers;
ALTER TABLE new_consents RENAME TO consents;
ALTER TABLE new_events RENAME TO events;
CREATE INDEX subscribers_due ON subscribers (tenant_id, due_at, id) WHERE state = 'waiting';
CREATE INDEX subscribers_by_state ON subscribers (tenant_id, state, id);
CREATE INDEX subscribers_by_reason ON subscribers (tenant_id, state, reason, id, email_key) WHERE reason <> '';
CREATE INDEX subscribers_by_org ON subscribers (tenant_id, org_id, id) WHERE state = 'delivered';

-- +goose Down
CREATE TABLE old_subscribers (
  id            TEXT PRIMARY KEY,
  tenant_id     TEXT NOT NULL,
  newsletter_id TEXT NOT NULL REFERENCES newsletters (id),
  email         TEXT NOT NULL,    -- as typed
  email_key     TEXT NOT NULL,    -- lower case: what makes it the same address
  first_name    TEXT NOT NULL,
  last_name     TEXT NOT NULL,
  state         TEXT NOT NULL,    -- waiting, delivered, attention, dismissed
  reason        TEXT NOT NULL DEFAULT '', -- a code of crm's, why it waits or needs attention
  detail        TEXT NOT NULL DEFAULT '', -- what the CRM said
  attempts      BIGINT NOT NULL DEFAULT 0,
  due_at        BIGINT NOT NULL,  -- not to be tried before
  sent_at       BIGINT NOT NULL DEFAULT 0, -- a write was sent whose outcome is not known
  settles_at    BIGINT NOT NULL DEFAULT 0, -- until then that write may still take effect
  record_id     TEXT NOT NULL DEFAULT '', -- in the CRM
  org_id        TEXT NOT NULL DEFAULT '',
  instance_url  TEXT NOT NULL DEFAULT '',
  match_id      TEXT NOT NULL DEFAULT '', -- a record of the CRM that is in the way
  delivered_at  BIGINT NOT NULL DEFAULT 0,
  created_at    BIGINT NOT NULL,
  UNIQUE (newsletter_id, email_key)
);
INSERT INTO old_subscribers (id, tenant_id, newsletter_id, email, email_key, first_name, last_name, state, reason, detail, attempts, due_at, sent_at, settles_at,
    record_id, org_id, instance_url, match_id, delivered_at, created_at)
  SELECT id, tenant_id, newsletter_id, email, email_key, first_name, last_name, state, reason, detail, attempts, due_at, sent_at, settles_at,
    record_id, org_id, instance_url, match_id, delivered_at, created_at FROM subscribers;
CREATE TABLE old_consents (
  id            TEXT PRIMARY KEY,
  subscriber_id TEXT NOT NULL REFERENCES old_subscribers (id) ON DELETE CASCADE,
  wording_id    TEXT NOT NULL REFERENCES wordings (id),
  source        TEXT NOT NULL,
  at            BIGINT NOT NULL
);
INSERT INTO old_consents (id, subscriber_id, wording_id, source, at)
  SELECT id, id, wording_id, source, created_at FROM subscribers WHERE wording_id IS NOT NULL
  UNION ALL SELECT id, subscriber_id, wording_id, source, at FROM consents;
CREATE TABLE old_events (
  id            TEXT PRIMARY KEY,
  tenant_id     TEXT NOT NULL,
  subscriber_id TEXT NOT NULL REFERENCES old_subscribers (id) ON DELETE CASCADE,
  at            BIGINT NOT NULL,
  state         TEXT NOT NULL,
  reason        TEXT NOT NULL,
  detail        TEXT NOT NULL,
  actor         TEXT NOT NULL
);
INSERT INTO old_events (id, tenant_id, subscriber_id, at, state, reason, detail, actor)
  SELECT id, tenant_id, subscriber_id, at, state, reason, detail, actor FROM events;
DROP TABLE events;
DROP TABLE consents;
DROP TABLE subscribers;
ALTER TABLE old_subscribers RENAME TO subscribers;
ALTER TABLE old_consents RENAME TO consents;
ALTER TABLE old_events RENAME TO events;
CREATE INDEX subscribers_due ON subscribers (tenant_id, due_at, id) WHERE state = 'waiting';
CREATE INDEX subscribers_by_tenant ON subscribers (tenant_id, id);
CREATE INDEX subscribers_by_state ON subscribers (tenant_id, state, id);
CREATE INDEX subscribers_by_email ON subscribers (tenant_id, email_key, id);
CREATE INDEX subscribers_by_reason ON subscribers (tenant_id, state, reason, id, email_key) WHERE reason <> '';
CREATE INDEX subscribers_by_org ON subscribers (tenant_id, org_id, id) WHERE state = 'delivered';
CREATE INDEX consents_by_subscriber ON consents (subscriber_id);
CREATE INDEX events_by_subscriber ON events (subscriber_id, id);
