-- Who opted out of e-mail in a CRM, and what leaving owes it.

-- +goose Up

ALTER TABLE deliveries ADD COLUMN opted_out TEXT NOT NULL DEFAULT '';     -- what the record in the CRM said when it was last looked up: all e-mail, one: this newsletter's alone; '' for neither
ALTER TABLE deliveries ADD COLUMN opted_out_at BIGINT NOT NULL DEFAULT 0; -- since when that is known

ALTER TABLE destinations ADD COLUMN leaving TEXT NOT NULL DEFAULT '';            -- nothing: who left is not marked in the CRM as wanting no e-mail
ALTER TABLE destinations ADD COLUMN take_back BIGINT NOT NULL DEFAULT 0;         -- 1: a mark that we set is taken back when they return
ALTER TABLE destinations ADD COLUMN subscription_types TEXT NOT NULL DEFAULT ''; -- JSON: see db.SubscriptionTypes; '' while they were never read

-- The kind of e-mail in the CRM that a newsletter is, where the CRM has such.
CREATE TABLE destination_subscriptions (
  tenant_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
  newsletter_id  TEXT NOT NULL REFERENCES newsletters (id) ON DELETE CASCADE,
  subscription   TEXT NOT NULL, -- the CRM's id
  PRIMARY KEY (destination_id, newsletter_id)
);
CREATE INDEX destination_subscriptions_by_newsletter ON destination_subscriptions (newsletter_id);

-- What somebody's leaving, or coming back, owes the CRM, and what became of it. These count in no sum.
CREATE TABLE opt_outs (
  tenant_id      TEXT NOT NULL,
  subscriber_id  TEXT NOT NULL,
  id             TEXT NOT NULL,
  destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
  what           TEXT NOT NULL,             -- all, subscription, field, back: see db/optouts.go
  subscription   TEXT NOT NULL,             -- the CRM's id of the kind of e-mail; '' for all
  record_id      TEXT NOT NULL,             -- that it is to be done with
  org_id         TEXT NOT NULL,             -- that has the record; '' where it isn't known
  asked_at       BIGINT NOT NULL,
  due_at         BIGINT NOT NULL,           -- not to be tried before
  tries          BIGINT NOT NULL DEFAULT 0, -- how many failed for what the record has alone
  sent_at        BIGINT NOT NULL DEFAULT 0, -- it may be done since then; 0: it isn't, or has ended
  ended_at       BIGINT NOT NULL DEFAULT 0, -- 0: not yet
  outcome        TEXT NOT NULL DEFAULT '',  -- what became of it
  ours           BIGINT NOT NULL DEFAULT 0, -- 1: the CRM said that our write set the mark
  back_at        BIGINT NOT NULL DEFAULT 0, -- when it was asked for that it be taken back
  code           TEXT NOT NULL DEFAULT '',  -- the CRM's, why it was not done; while it isn't: of the last try
  detail         TEXT NOT NULL DEFAULT '',  -- what the CRM said
  PRIMARY KEY (tenant_id, subscriber_id, id),
  FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX opt_outs_once ON opt_outs (tenant_id, subscriber_id, destination_id, what, subscription) WHERE ended_at = 0;
CREATE INDEX opt_outs_pending ON opt_outs (destination_id, due_at, id) WHERE ended_at = 0;
CREATE INDEX opt_outs_refused ON opt_outs (destination_id, id) WHERE outcome = 'refused';

-- +goose Down
DROP TABLE opt_outs;
DROP TABLE destination_subscriptions;
ALTER TABLE destinations DROP COLUMN subscription_types;
ALTER TABLE destinations DROP COLUMN take_back;
ALTER TABLE destinations DROP COLUMN leaving;
ALTER TABLE deliveries DROP COLUMN opted_out_at;
ALTER TABLE deliveries DROP COLUMN opted_out;
