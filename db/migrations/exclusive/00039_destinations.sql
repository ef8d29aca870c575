-- Where a tenant's subscribers go are its destinations, one for each CRM; the way of one
-- subscriber into one of them is a delivery. What stood on the subscriber or hung on the tenant
-- moves there. The first destination of a tenant has the tenant's id, and no service until a CRM is connected.
--
-- Nobody else may use the database meanwhile, and earlier versions can't afterwards: see
-- db/exclusive.go. To go back, restore the backup from before.

-- exclusive: destinations
CREATE TABLE destinations (
  id              TEXT PRIMARY KEY, -- UUIDv7; of the one that a tenant is born with, the tenant's
  tenant_id       TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  service         TEXT NOT NULL,    -- of the CRM, as identity names it; '' until one is connected
  all_newsletters BIGINT NOT NULL DEFAULT 1, -- 1: each newsletter feeds it; 0: those in destination_newsletters
  created_at      BIGINT NOT NULL,
  removed_at      BIGINT NOT NULL DEFAULT 0, -- since when nothing of it is shown or sent, and its rows are deleted
  several         TEXT NOT NULL DEFAULT 'newest',  -- what to do with several matches: newest, attention
  one_match       TEXT NOT NULL DEFAULT 'fill',    -- what to do with one match: fill, update, leave
  leads           BIGINT NOT NULL DEFAULT 0,       -- 1: look among leads too
  key_field       TEXT NOT NULL DEFAULT '',        -- unique field for the address
  save_duplicates BIGINT NOT NULL DEFAULT 0,       -- 1: save what the CRM takes for a duplicate
  placeholder     TEXT NOT NULL DEFAULT 'NA',      -- the last name of who gave none
  share           BIGINT NOT NULL DEFAULT 95,      -- percent of the CRM's API calls from which on nothing is sent
  pace            BIGINT NOT NULL DEFAULT 1000     -- milliseconds between batches, at least
);
CREATE UNIQUE INDEX destinations_once ON destinations (tenant_id, service) WHERE removed_at = 0;
CREATE INDEX destinations_removed ON destinations (removed_at) WHERE removed_at > 0;
CREATE TABLE destination_newsletters (
  tenant_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
  newsletter_id  TEXT NOT NULL REFERENCES newsletters (id) ON DELETE CASCADE,
  PRIMARY KEY (destination_id, newsletter_id)
);
CREATE INDEX destination_newsletters_by_newsletter ON destination_newsletters (newsletter_id);
INSERT INTO destinations (id, tenant_id, service, created_at)
  SELECT t.id, t.id, CASE WHEN EXISTS (SELECT 1 FROM identities i WHERE i.tenant_id = t.id AND i.service = 'sfdc' AND i.user_name = '' AND i.account = '')
    OR EXISTS (SELECT 1 FROM disconnections e WHERE e.tenant_id = t.id AND e.service = 'sfdc')
    OR EXISTS (SELECT 1 FROM subscribers s WHERE s.tenant_id = t.id AND s.org_id <> '') THEN 'sfdc' ELSE '' END, t.created_at
  FROM tenants t;
UPDATE destinations SET several = s.several, one_match = s.one_match, leads = s.leads, key_field = s.key_field,
    save_duplicates = s.save_duplicates, placeholder = s.placeholder, share = s.share
  FROM delivery_settings s WHERE s.tenant_id = destinations.id;
DROP TABLE delivery_settings;

-- exclusive: what is known of each destination
CREATE TABLE new_pauses (
  destination_id TEXT PRIMARY KEY REFERENCES destinations (id) ON DELETE CASCADE,
  tenant_id      TEXT NOT NULL,
  reason         TEXT NOT NULL,   -- a code of crm's
  detail         TEXT NOT NULL,   -- what the CRM said
  tries          BIGINT NOT NULL, -- failures in a row
  batch          BIGINT NOT NULL, -- how many to try next, 0 for as many as the CRM takes
  until          BIGINT NOT NULL,
  since          BIGINT NOT NULL  -- when its reason began; 0: not known
);
INSERT INTO new_pauses (destination_id, tenant_id, reason, detail, tries, batch, until, since)
  SELECT tenant_id, tenant_id, reason, detail, tries, batch, until, since FROM pauses;
DROP TABLE pauses;
ALTER TABLE new_pauses RENAME TO pauses;
CREATE TABLE new_blames (
  destination_id TEXT PRIMARY KEY REFERENCES destinations (id) ON DELETE CASCADE,
  tenant_id      TEXT NOT NULL,
  n              BIGINT NOT NULL -- how many in a row were refused alone
);
INSERT INTO new_blames (destination_id, tenant_id, n) SELECT tenant_id, tenant_id, n FROM blames;
DROP TABLE blames;
ALTER TABLE new_blames RENAME TO blames;
CREATE TABLE new_api_usage (
  destination_id TEXT PRIMARY KEY REFERENCES destinations (id) ON DELETE CASCADE,
  tenant_id      TEXT NOT NULL,
  used           BIGINT NOT NULL,
  allowed        BIGINT NOT NULL,
  at             BIGINT NOT NULL
);
INSERT INTO new_api_usage (destination_id, tenant_id, used, allowed, at) SELECT tenant_id, tenant_id, used, allowed, at FROM api_usage;
DROP TABLE api_usage;
ALTER TABLE new_api_usage RENAME TO api_usage;
CREATE TABLE new_api_calls (
  destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
  tenant_id      TEXT NOT NULL,
  hour           BIGINT NOT NULL, -- start of the UTC hour
  n              BIGINT NOT NULL, -- calls that we made
  PRIMARY KEY (destination_id, hour)
);
INSERT INTO new_api_calls (destination_id, tenant_id, hour, n) SELECT tenant_id, tenant_id, hour, n FROM api_calls;
DROP TABLE api_calls;
ALTER TABLE new_api_calls RENAME TO api_calls;
CREATE TABLE new_checkups (
  destination_id TEXT PRIMARY KEY REFERENCES destinations (id) ON DELETE CASCADE,
  tenant_id      TEXT NOT NULL,
  org_id         TEXT NOT NULL, -- that was checked
  at             BIGINT NOT NULL,
  checks         TEXT NOT NULL  -- JSON
);
INSERT INTO new_checkups (destination_id, tenant_id, org_id, at, checks) SELECT tenant_id, tenant_id, org_id, at, checks FROM checkups;
DROP TABLE checkups;
ALTER TABLE new_checkups RENAME TO checkups;

ALTER TABLE actions ADD COLUMN destination_id TEXT NOT NULL DEFAULT ''; -- '' for what is about no destination
UPDATE actions SET destination_id = tenant_id WHERE kind <> 'recount';
DROP INDEX actions_once;
CREATE UNIQUE INDEX actions_once ON actions (tenant_id, destination_id, kind, reason) WHERE ended_at = 0;
ALTER TABLE causes ADD COLUMN destination_id TEXT NOT NULL DEFAULT '';
UPDATE causes SET destination_id = tenant_id;
DROP INDEX causes_open;
CREATE UNIQUE INDEX causes_open ON causes (tenant_id, destination_id, state, reason) WHERE ended_at = 0;
-- What an incident is about: a destination; a newsletter, of a form that is silent; a service that is no destination's.
UPDATE incidents SET about = tenant_id WHERE kind IN ('waiting', 'attention') OR kind IN ('broken', 'failing') AND about = '';
DELETE FROM leases WHERE name LIKE 'deliver:%';

-- exclusive: what happened to each subscriber
ALTER TABLE events ADD COLUMN destination_id TEXT NOT NULL DEFAULT ''; -- in which it happened; '' of what is the subscriber's own
UPDATE events SET destination_id = tenant_id WHERE state <> 'left';

-- exclusive: deliveries
CREATE TABLE deliveries (
  tenant_id      TEXT NOT NULL,
  subscriber_id  TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  state          TEXT NOT NULL,               -- waiting, delivered, attention, dismissed, ended
  reason         TEXT NOT NULL DEFAULT '',    -- a code of crm's, why it waits or needs attention
  detail         TEXT NOT NULL DEFAULT '',    -- what the CRM said
  attempts       BIGINT NOT NULL DEFAULT 0,
  refusals       BIGINT NOT NULL DEFAULT 0,   -- in a row, of this one alone, of what passes
  due_at         BIGINT NOT NULL,             -- not to be tried before
  sent_at        BIGINT NOT NULL DEFAULT 0,   -- a write was sent whose outcome is not known
  settles_at     BIGINT NOT NULL DEFAULT 0,   -- until then that write may still take effect
  again_at       BIGINT NOT NULL DEFAULT 0,   -- when the first of those sign-ups is due that came while it waited; 0 for none
  waits_since    BIGINT NOT NULL DEFAULT 0,   -- from when on it waits, of who was sent back to wait; else 0
  revision       BIGINT NOT NULL DEFAULT 0,   -- goes up with each repeated sign-up and each edit
  record_id      TEXT NOT NULL DEFAULT '',    -- in the CRM
  org_id         TEXT NOT NULL DEFAULT '',    -- that has the record
  instance_url   TEXT NOT NULL DEFAULT '',
  match_id       TEXT NOT NULL DEFAULT '',    -- a record of the CRM that is in the way
  made_id        TEXT NOT NULL DEFAULT '',    -- the record that the CRM said our write made
  placeholders   TEXT,                        -- JSON: what we wrote for want of a name, by field; NULL: not known
  delivered_at   BIGINT NOT NULL DEFAULT 0,   -- last
  PRIMARY KEY (subscriber_id, tenant_id, destination_id),
  FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id) ON DELETE CASCADE
-- only sqlite
) WITHOUT ROWID;
-- only postgres
);
-- both
-- Who left has arrived if a record is known, unless a write is out: what becomes of that is looked up.
INSERT INTO deliveries (tenant_id, subscriber_id, destination_id, state, reason, detail, attempts, refusals, due_at, sent_at, settles_at, again_at, waits_since, revision,
    record_id, org_id, instance_url, match_id, made_id, placeholders, delivered_at)
  SELECT tenant_id, id, tenant_id, CASE WHEN state <> 'left' THEN state WHEN record_id <> '' AND sent_at = 0 THEN 'delivered' ELSE 'ended' END, reason, detail, attempts, refusals, due_at, sent_at, settles_at, again_at, waits_since, revision,
    record_id, org_id, instance_url, match_id, made_id, placeholders, delivered_at
  FROM subscribers ORDER BY tenant_id, id;

-- exclusive: how deliveries are found
CREATE INDEX deliveries_due ON deliveries (destination_id, due_at, subscriber_id) WHERE state = 'waiting';
CREATE INDEX deliveries_by_state ON deliveries (destination_id, state, subscriber_id);
CREATE INDEX deliveries_by_reason ON deliveries (destination_id, state, reason, subscriber_id) WHERE reason <> '';
CREATE INDEX deliveries_by_org ON deliveries (destination_id, org_id, subscriber_id) WHERE state = 'delivered';
CREATE INDEX deliveries_unsettled ON deliveries (destination_id, settles_at, subscriber_id) WHERE state = 'ended' AND sent_at > 0;

-- exclusive: subscribers
DROP INDEX subscribers_due;
DROP INDEX subscribers_by_state;
DROP INDEX subscribers_by_reason;
DROP INDEX subscribers_by_org;
DROP INDEX subscribers_unsettled;
UPDATE subscribers SET state = 'active' WHERE state <> 'left';
CREATE INDEX subscribers_by_state ON subscribers (tenant_id, state, id) WHERE state <> 'active';
ALTER TABLE subscribers DROP COLUMN reason;
ALTER TABLE subscribers DROP COLUMN detail;
ALTER TABLE subscribers DROP COLUMN attempts;
ALTER TABLE subscribers DROP COLUMN refusals;
ALTER TABLE subscribers DROP COLUMN due_at;
ALTER TABLE subscribers DROP COLUMN sent_at;
ALTER TABLE subscribers DROP COLUMN settles_at;
ALTER TABLE subscribers DROP COLUMN again_at;
ALTER TABLE subscribers DROP COLUMN waits_since;
ALTER TABLE subscribers DROP COLUMN record_id;
ALTER TABLE subscribers DROP COLUMN org_id;
ALTER TABLE subscribers DROP COLUMN instance_url;
ALTER TABLE subscribers DROP COLUMN match_id;
ALTER TABLE subscribers DROP COLUMN made_id;
ALTER TABLE subscribers DROP COLUMN placeholders;
ALTER TABLE subscribers DROP COLUMN delivered_at;

-- exclusive: who was removed
-- What is to become, or became, of the delivery of somebody who is to be removed, or was.
CREATE TABLE removal_records (
  tenant_id      TEXT NOT NULL,
  subscriber_id  TEXT NOT NULL,
  destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
  record_id      TEXT NOT NULL,   -- of the CRM's record that is to go as well; '' for none
  org_id         TEXT NOT NULL,   -- that has it
  due_at         BIGINT NOT NULL DEFAULT 0, -- not to be tried before
  tries          BIGINT NOT NULL DEFAULT 0, -- how many failed for what the record has alone
  sent_at        BIGINT NOT NULL DEFAULT 0, -- the record may be deleted since then, or is; 0: it isn't
  ended_at       BIGINT NOT NULL, -- 0: not yet
  record         TEXT NOT NULL,   -- what became of the CRM's record
  code           TEXT NOT NULL,   -- the CRM's, why it wouldn't delete it; '' for none
  PRIMARY KEY (tenant_id, subscriber_id, destination_id),
  FOREIGN KEY (tenant_id, subscriber_id) REFERENCES removals (tenant_id, subscriber_id) ON DELETE CASCADE
);
INSERT INTO removal_records (tenant_id, subscriber_id, destination_id, record_id, org_id, due_at, tries, sent_at, ended_at, record, code)
  SELECT tenant_id, subscriber_id, tenant_id, record_id, org_id, due_at, tries, sent_at, ended_at, record, code FROM removals;
CREATE INDEX removal_records_pending ON removal_records (destination_id) WHERE ended_at = 0;
CREATE INDEX removal_records_by_record ON removal_records (record_id, org_id) WHERE sent_at > 0;
DROP INDEX removals_pending;
DROP INDEX removals_by_record;
ALTER TABLE removals DROP COLUMN record_id;
ALTER TABLE removals DROP COLUMN org_id;
ALTER TABLE removals DROP COLUMN due_at;
ALTER TABLE removals DROP COLUMN tries;
ALTER TABLE removals DROP COLUMN sent_at;
ALTER TABLE removals DROP COLUMN record;
ALTER TABLE removals DROP COLUMN code;

-- exclusive: the counts
-- A count has the destination that it is of, '' where it is of subscribers. What a destination
-- has entered stands in the ledger's sums. The counts of before are taken over, since a
-- recount comes soon; of who left it is counted whether they had arrived.
CREATE TABLE old_hour_counts AS SELECT tenant_id, hour, newsletter_id, state, n FROM hour_counts WHERE n <> 0;
CREATE TABLE old_reason_counts AS SELECT tenant_id, state, reason, n FROM reason_counts WHERE n <> 0;
CREATE TABLE old_org_counts AS SELECT tenant_id, org_id, n FROM org_counts WHERE n <> 0;
CREATE TABLE left_counts AS
  SELECT s.tenant_id, s.created_at - s.created_at % 3600000 AS hour, s.newsletter_id, d.state, d.org_id, count(*) AS n
  FROM subscribers s JOIN deliveries d ON d.tenant_id = s.tenant_id AND d.subscriber_id = s.id
  WHERE s.state = 'left' AND s.state <> 'active' GROUP BY 1, 2, 3, 4, 5;

-- only postgres
INSERT INTO folded_ledger AS f (tenant_id, newsletter_id, hour, kind, n)
  SELECT tenant_id, newsletter_id, hour, kind, sum(n) FROM count_deltas WHERE counter = 'ledger' GROUP BY 1, 2, 3, 4
  ON CONFLICT (tenant_id, newsletter_id, hour, kind) DO UPDATE SET n = f.n + excluded.n;
INSERT INTO folded_ledger_sums AS f (tenant_id, kind, n)
  SELECT tenant_id, kind, sum(n) FROM count_deltas WHERE counter = 'ledger' GROUP BY 1, 2
  ON CONFLICT (tenant_id, kind) DO UPDATE SET n = f.n + excluded.n;
INSERT INTO folded_activity AS f (tenant_id, kind, hour, n, last_at)
  SELECT tenant_id, kind, hour, sum(n), max(at) FROM count_deltas WHERE counter = 'activity' GROUP BY 1, 2, 3
  ON CONFLICT (tenant_id, kind, hour) DO UPDATE SET n = f.n + excluded.n, last_at = greatest(f.last_at, excluded.last_at);
DROP VIEW hour_parts, day_counts, activity, org_counts, reason_counts, hour_counts, state_counts, ledger_sums;
DROP TABLE folded_day_counts, folded_org_counts, folded_reason_counts, folded_hour_counts, folded_state_counts;
DROP FUNCTION count_days;
TRUNCATE count_deltas;
ALTER TABLE count_deltas ADD COLUMN destination_id TEXT NOT NULL DEFAULT '';
ALTER TABLE folded_ledger_sums RENAME TO old_ledger_sums;
ALTER TABLE folded_activity RENAME TO old_activity;
-- only sqlite
DROP VIEW hour_parts;
DROP TRIGGER hour_counts_changed;
DROP TRIGGER hour_counts_added;
DROP TABLE day_counts;
DROP TABLE org_counts;
DROP TABLE reason_counts;
DROP TABLE hour_counts;
DROP TABLE state_counts;
ALTER TABLE ledger_sums RENAME TO old_ledger_sums;
ALTER TABLE activity RENAME TO old_activity;
-- both
CREATE TABLE folded_state_counts (
  tenant_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  newsletter_id  TEXT NOT NULL,
  state          TEXT NOT NULL,
  n              BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, destination_id, newsletter_id, state)
);
CREATE TABLE folded_hour_counts (
  tenant_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  hour           BIGINT NOT NULL, -- start of the UTC hour of the first sign-up
  newsletter_id  TEXT NOT NULL,
  state          TEXT NOT NULL,
  n              BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, destination_id, hour, newsletter_id, state)
);
CREATE TABLE folded_day_counts (
  tenant_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  day            BIGINT NOT NULL, -- start of the UTC day
  state          TEXT NOT NULL,
  n              BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, destination_id, day, state)
-- only sqlite
) WITHOUT ROWID;
-- only postgres
);
-- both
CREATE TABLE folded_reason_counts (
  tenant_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  state          TEXT NOT NULL,
  reason         TEXT NOT NULL, -- a code of crm's
  n              BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, destination_id, state, reason)
);
CREATE TABLE folded_org_counts (
  tenant_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  org_id         TEXT NOT NULL,
  n              BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, destination_id, org_id)
);
CREATE TABLE folded_activity (
  tenant_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  kind           TEXT NOT NULL,   -- delivered, attention
  hour           BIGINT NOT NULL, -- start of the UTC hour
  n              BIGINT NOT NULL,
  last_at        BIGINT NOT NULL, -- when it happened last in that hour
  PRIMARY KEY (tenant_id, destination_id, kind, hour)
);
CREATE TABLE folded_ledger_sums (
  tenant_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  kind           TEXT NOT NULL, -- new, repeated; of a destination: entered
  n              BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, destination_id, kind)
);
INSERT INTO folded_activity (tenant_id, destination_id, kind, hour, n, last_at) SELECT tenant_id, tenant_id, kind, hour, n, last_at FROM old_activity;
DROP TABLE old_activity;
INSERT INTO folded_ledger_sums (tenant_id, destination_id, kind, n) SELECT tenant_id, '', kind, n FROM old_ledger_sums;
INSERT INTO folded_ledger_sums (tenant_id, destination_id, kind, n)
  SELECT tenant_id, tenant_id, 'entered', n FROM old_ledger_sums WHERE kind = 'new';
DROP TABLE old_ledger_sums;
INSERT INTO folded_hour_counts (tenant_id, destination_id, hour, newsletter_id, state, n)
  SELECT tenant_id, destination_id, hour, newsletter_id, state, sum(n) FROM (
    SELECT tenant_id, '' AS destination_id, hour, newsletter_id, CASE WHEN state IN ('left', 'erased') THEN state ELSE 'active' END AS state, n FROM old_hour_counts
    UNION ALL SELECT tenant_id, tenant_id, hour, newsletter_id, state, n FROM old_hour_counts WHERE state <> 'left'
    UNION ALL SELECT tenant_id, tenant_id, hour, newsletter_id, state, n FROM left_counts) c
  GROUP BY 1, 2, 3, 4, 5;
INSERT INTO folded_state_counts (tenant_id, destination_id, newsletter_id, state, n)
  SELECT tenant_id, destination_id, newsletter_id, state, sum(n) FROM folded_hour_counts GROUP BY 1, 2, 3, 4;
INSERT INTO folded_day_counts (tenant_id, destination_id, day, state, n)
  SELECT tenant_id, destination_id, hour - hour % 86400000, state, sum(n) FROM folded_hour_counts GROUP BY 1, 2, 3, 4;
INSERT INTO folded_reason_counts (tenant_id, destination_id, state, reason, n) SELECT tenant_id, tenant_id, state, reason, n FROM old_reason_counts;
INSERT INTO folded_org_counts (tenant_id, destination_id, org_id, n)
  SELECT tenant_id, tenant_id, org_id, sum(n) FROM (
    SELECT tenant_id, org_id, n FROM old_org_counts UNION ALL SELECT tenant_id, org_id, n FROM left_counts WHERE state = 'delivered') c
  GROUP BY 1, 2, 3;
DROP TABLE old_hour_counts;
DROP TABLE old_reason_counts;
DROP TABLE old_org_counts;
DROP TABLE left_counts;
ALTER TABLE recount_sums RENAME TO old_recount_sums;
CREATE TABLE recount_sums (
  tenant_id      TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  destination_id TEXT NOT NULL, -- '' where it is of subscribers
  kind           TEXT NOT NULL, -- new, repeated, entered, or a state
  n              BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, destination_id, kind)
);
DROP TABLE old_recount_sums; -- the next recount finds all
UPDATE recounts SET at = 0, tried_at = 0;

-- only sqlite
ALTER TABLE folded_state_counts RENAME TO state_counts;
ALTER TABLE folded_hour_counts RENAME TO hour_counts;
ALTER TABLE folded_day_counts RENAME TO day_counts;
ALTER TABLE folded_reason_counts RENAME TO reason_counts;
ALTER TABLE folded_org_counts RENAME TO org_counts;
ALTER TABLE folded_activity RENAME TO activity;
ALTER TABLE folded_ledger_sums RENAME TO ledger_sums;
CREATE INDEX org_counts_by_org ON org_counts (org_id);
CREATE TRIGGER hour_counts_added AFTER INSERT ON hour_counts BEGIN
  INSERT INTO day_counts (tenant_id, destination_id, day, state, n) VALUES (new.tenant_id, new.destination_id, new.hour - new.hour % 86400000, new.state, new.n)
    ON CONFLICT (tenant_id, destination_id, day, state) DO UPDATE SET n = day_counts.n + excluded.n;
END;
CREATE TRIGGER hour_counts_changed AFTER UPDATE ON hour_counts BEGIN
  UPDATE day_counts SET n = n - old.n WHERE tenant_id = old.tenant_id AND destination_id = old.destination_id AND day = old.hour - old.hour % 86400000 AND state = old.state;
  INSERT INTO day_counts (tenant_id, destination_id, day, state, n) VALUES (new.tenant_id, new.destination_id, new.hour - new.hour % 86400000, new.state, new.n)
    ON CONFLICT (tenant_id, destination_id, day, state) DO UPDATE SET n = day_counts.n + excluded.n;
END;
CREATE VIEW hour_parts AS SELECT tenant_id, destination_id, hour, newsletter_id, state, n FROM hour_counts;

-- only postgres
CREATE INDEX org_counts_by_org ON folded_org_counts (org_id);
CREATE FUNCTION count_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    UPDATE folded_day_counts SET n = n - old.n WHERE tenant_id = old.tenant_id AND destination_id = old.destination_id AND day = old.hour - old.hour % 86400000 AND state = old.state;
  END IF;
  INSERT INTO folded_day_counts AS f (tenant_id, destination_id, day, state, n) VALUES (new.tenant_id, new.destination_id, new.hour - new.hour % 86400000, new.state, new.n)
    ON CONFLICT (tenant_id, destination_id, day, state) DO UPDATE SET n = f.n + excluded.n;
  RETURN NULL;
END
$$;
CREATE TRIGGER count_days AFTER INSERT OR UPDATE ON folded_hour_counts FOR EACH ROW EXECUTE FUNCTION count_days();
CREATE VIEW ledger_sums AS
  SELECT tenant_id, destination_id, kind, CAST(sum(n) AS BIGINT) AS n FROM (
    SELECT tenant_id, destination_id, kind, n FROM folded_ledger_sums
    UNION ALL SELECT tenant_id, '', kind, n FROM count_deltas WHERE counter = 'ledger'
    UNION ALL SELECT tenant_id, destination_id, kind, n FROM count_deltas WHERE counter = 'entered') c
  GROUP BY tenant_id, destination_id, kind;
CREATE VIEW state_counts AS
  SELECT tenant_id, destination_id, newsletter_id, state, CAST(sum(n) AS BIGINT) AS n FROM (
    SELECT tenant_id, destination_id, newsletter_id, state, n FROM folded_state_counts
    UNION ALL SELECT tenant_id, destination_id, newsletter_id, kind, n FROM count_deltas WHERE counter = 'place') c
  GROUP BY tenant_id, destination_id, newsletter_id, state;
CREATE VIEW hour_counts AS
  SELECT tenant_id, destination_id, hour, newsletter_id, state, CAST(sum(n) AS BIGINT) AS n FROM (
    SELECT tenant_id, destination_id, hour, newsletter_id, state, n FROM folded_hour_counts
    UNION ALL SELECT tenant_id, destination_id, hour, newsletter_id, kind, n FROM count_deltas WHERE counter = 'place') c
  GROUP BY tenant_id, destination_id, hour, newsletter_id, state;
CREATE VIEW reason_counts AS
  SELECT tenant_id, destination_id, state, reason, CAST(sum(n) AS BIGINT) AS n FROM (
    SELECT tenant_id, destination_id, state, reason, n FROM folded_reason_counts
    UNION ALL SELECT tenant_id, destination_id, kind, reason, n FROM count_deltas WHERE counter = 'place' AND reason <> '') c
  GROUP BY tenant_id, destination_id, state, reason;
CREATE VIEW org_counts AS
  SELECT tenant_id, destination_id, org_id, CAST(sum(n) AS BIGINT) AS n FROM (
    SELECT tenant_id, destination_id, org_id, n FROM folded_org_counts
    UNION ALL SELECT tenant_id, destination_id, org_id, n FROM count_deltas WHERE counter = 'place' AND kind = 'delivered') c
  GROUP BY tenant_id, destination_id, org_id;
CREATE VIEW activity AS
  SELECT tenant_id, destination_id, kind, hour, CAST(sum(n) AS BIGINT) AS n, max(last_at) AS last_at FROM (
    SELECT tenant_id, destination_id, kind, hour, n, last_at FROM folded_activity
    UNION ALL SELECT tenant_id, destination_id, kind, hour, n, at FROM count_deltas WHERE counter = 'activity') c
  GROUP BY tenant_id, destination_id, kind, hour;
-- A count may come in several rows: whoever reads these sums them, and PostgreSQL goes by
-- the index of each table for that.
CREATE VIEW day_counts AS SELECT tenant_id, destination_id, day, state, n FROM folded_day_counts
  UNION ALL SELECT tenant_id, destination_id, hour - hour % 86400000, kind, n FROM count_deltas WHERE counter = 'place';
CREATE VIEW hour_parts AS SELECT tenant_id, destination_id, hour, newsletter_id, state, n FROM folded_hour_counts
  UNION ALL SELECT tenant_id, destination_id, hour, newsletter_id, kind, n FROM count_deltas WHERE counter = 'place';
-- both
