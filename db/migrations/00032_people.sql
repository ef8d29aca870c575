-- A person can be edited, and leave; a test sign-up can be undone. Columns of rows that
-- are there have constant defaults, so that no row is rewritten.

-- +goose Up
ALTER TABLE subscribers ADD COLUMN edited_at BIGINT NOT NULL DEFAULT 0; -- the last edit by hand
-- The id and not a mark beside record_id, so that a writer of the release before can't make
-- another record ours.
ALTER TABLE subscribers ADD COLUMN made_id   TEXT NOT NULL DEFAULT '';   -- the record that the CRM said our write made
-- Who left while a write was out for them, and is looked up.
CREATE INDEX subscribers_unsettled ON subscribers (tenant_id, settles_at, id) WHERE state = 'left' AND sent_at > 0;

-- What somebody changed of a subscriber by hand.
CREATE TABLE edits (
  tenant_id     TEXT NOT NULL,
  subscriber_id TEXT NOT NULL,
  id            TEXT NOT NULL,   -- UUIDv7: sorts by time
  at            BIGINT NOT NULL,
  actor         TEXT NOT NULL,   -- id of the user who did it
  changes       TEXT NOT NULL,   -- JSON: of each field what it was and what it is
  PRIMARY KEY (tenant_id, subscriber_id, id),
  FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id) ON DELETE CASCADE
);

-- Subscribers that are to be removed, and what is left of those that were: a receipt,
-- which says nothing of who it was. The kept counts of who was erased are recounted
-- against the receipts.
CREATE TABLE removals (
  tenant_id     TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  subscriber_id TEXT NOT NULL,
  newsletter_id TEXT NOT NULL,
  hour          BIGINT NOT NULL, -- start of the UTC hour of the first sign-up
  repeated      BIGINT NOT NULL, -- how many repeated sign-ups the ledger has of them
  record_id     TEXT NOT NULL,   -- of the CRM's record that is to go as well; '' for none
  org_id        TEXT NOT NULL,   -- that has it
  revision      BIGINT NOT NULL, -- of the subscriber, when it was asked for
  actor         TEXT NOT NULL,   -- id of the user who asked for it
  asked_at      BIGINT NOT NULL,
  due_at        BIGINT NOT NULL DEFAULT 0, -- not to be tried before
  tries         BIGINT NOT NULL DEFAULT 0, -- how many failed for what the record has alone
  sent_at       BIGINT NOT NULL DEFAULT 0, -- the record may be deleted since then, or is; 0: it isn't
  ended_at      BIGINT NOT NULL, -- 0: not yet
  erased        BIGINT NOT NULL, -- 1: the subscriber is gone
  record        TEXT NOT NULL,   -- what became of the CRM's record
  code          TEXT NOT NULL,   -- the CRM's, why it wouldn't delete it; '' for none
  PRIMARY KEY (tenant_id, subscriber_id)
);
CREATE INDEX removals_pending ON removals (tenant_id) WHERE ended_at = 0;
CREATE INDEX removals_by_record ON removals (record_id, org_id) WHERE sent_at > 0;

-- +goose Down
DROP TABLE removals;
DROP TABLE edits;
DROP INDEX subscribers_unsettled;
ALTER TABLE subscribers DROP COLUMN made_id;
ALTER TABLE subscribers DROP COLUMN edited_at;
