-- On PostgreSQL many processes count at once. A count that all of them changed would have
-- each wait for the others, or be run again: they add what changed, and the counts are
-- what was folded so far and what was added since, read together under their old names.

-- +goose Up

-- only postgres
-- Addresses are searched by how they begin, and paged through, in the order of their bytes.
ALTER TABLE subscribers ALTER COLUMN email_key TYPE TEXT COLLATE "C";

ALTER TABLE ledger RENAME TO folded_ledger;
ALTER TABLE ledger_sums RENAME TO folded_ledger_sums;
ALTER TABLE state_counts RENAME TO folded_state_counts;
ALTER TABLE hour_counts RENAME TO folded_hour_counts;
ALTER TABLE reason_counts RENAME TO folded_reason_counts;
ALTER TABLE org_counts RENAME TO folded_org_counts;
ALTER TABLE activity RENAME TO folded_activity;

-- counter says what is counted: subscribers in a place, sign-ups of a kind (ledger), or
-- what happened (activity, of a kind). Not all columns belong to each.
CREATE TABLE count_deltas (
  counter       TEXT NOT NULL,
  tenant_id     TEXT NOT NULL,
  newsletter_id TEXT NOT NULL,
  hour          BIGINT NOT NULL, -- start of the UTC hour
  kind          TEXT NOT NULL,   -- of a place: the state
  reason        TEXT NOT NULL,   -- a code of crm's, where reasons are counted
  org_id        TEXT NOT NULL,   -- where orgs are counted
  n             BIGINT NOT NULL,
  at            BIGINT NOT NULL  -- when it happened last
);
CREATE INDEX count_deltas_by_tenant ON count_deltas (tenant_id, counter);

CREATE VIEW ledger AS
  SELECT tenant_id, newsletter_id, hour, kind, CAST(sum(n) AS BIGINT) AS n FROM (
    SELECT tenant_id, newsletter_id, hour, kind, n FROM folded_ledger
    UNION ALL SELECT tenant_id, newsletter_id, hour, kind, n FROM count_deltas WHERE counter = 'ledger') c
  GROUP BY tenant_id, newsletter_id, hour, kind;
CREATE VIEW ledger_sums AS
  SELECT tenant_id, kind, CAST(sum(n) AS BIGINT) AS n FROM (
    SELECT tenant_id, kind, n FROM folded_ledger_sums
    UNION ALL SELECT tenant_id, kind, n FROM count_deltas WHERE counter = 'ledger') c
  GROUP BY tenant_id, kind;
CREATE VIEW state_counts AS
  SELECT tenant_id, newsletter_id, state, CAST(sum(n) AS BIGINT) AS n FROM (
    SELECT tenant_id, newsletter_id, state, n FROM folded_state_counts
    UNION ALL SELECT tenant_id, newsletter_id, kind, n FROM count_deltas WHERE counter = 'place') c
  GROUP BY tenant_id, newsletter_id, state;
CREATE VIEW hour_counts AS
  SELECT tenant_id, hour, newsletter_id, state, CAST(sum(n) AS BIGINT) AS n FROM (
    SELECT tenant_id, hour, newsletter_id, state, n FROM folded_hour_counts
    UNION ALL SELECT tenant_id, hour, newsletter_id, kind, n FROM count_deltas WHERE counter = 'place') c
  GROUP BY tenant_id, hour, newsletter_id, state;
CREATE VIEW reason_counts AS
  SELECT tenant_id, state, reason, CAST(sum(n) AS BIGINT) AS n FROM (
    SELECT tenant_id, state, reason, n FROM folded_reason_counts
    UNION ALL SELECT tenant_id, kind, reason, n FROM count_deltas WHERE counter = 'place' AND reason <> '') c
  GROUP BY tenant_id, state, reason;
CREATE VIEW org_counts AS
  SELECT tenant_id, org_id, CAST(sum(n) AS BIGINT) AS n FROM (
    SELECT tenant_id, org_id, n FROM folded_org_counts
    UNION ALL SELECT tenant_id, org_id, n FROM count_deltas WHERE counter = 'place' AND kind = 'delivered') c
  GROUP BY tenant_id, org_id;
CREATE VIEW activity AS
  SELECT tenant_id, kind, hour, CAST(sum(n) AS BIGINT) AS n, max(last_at) AS last_at FROM (
    SELECT tenant_id, kind, hour, n, last_at FROM folded_activity
    UNION ALL SELECT tenant_id, kind, hour, n, at FROM count_deltas WHERE counter = 'activity') c
  GROUP BY tenant_id, kind, hour;
-- both

-- +goose Down
-- only postgres
DROP VIEW activity, org_counts, reason_counts, hour_counts, state_counts, ledger_sums, ledger;
DROP TABLE count_deltas;
ALTER TABLE folded_activity RENAME TO activity;
ALTER TABLE folded_org_counts RENAME TO org_counts;
ALTER TABLE folded_reason_counts RENAME TO reason_counts;
ALTER TABLE folded_hour_counts RENAME TO hour_counts;
ALTER TABLE folded_state_counts RENAME TO state_counts;
ALTER TABLE folded_ledger_sums RENAME TO ledger_sums;
ALTER TABLE folded_ledger RENAME TO ledger;
ALTER TABLE subscribers ALTER COLUMN email_key TYPE TEXT;
-- both
