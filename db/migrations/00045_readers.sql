-- Readers who confirm by mail, who are held because they may be robots, and who leave; and
-- what they agreed to, as evidence.

-- +goose Up

ALTER TABLE newsletters ADD COLUMN readers TEXT NOT NULL DEFAULT '';          -- JSON: see db.ReaderRules; '' for none

-- What the first sign-up came by stands with the subscriber, as its words do.
ALTER TABLE subscribers ADD COLUMN page TEXT NOT NULL DEFAULT '';             -- address of the page with the form, without its query
ALTER TABLE subscribers ADD COLUMN confirmed_at BIGINT NOT NULL DEFAULT 0;    -- the last time
ALTER TABLE subscribers ADD COLUMN left_at BIGINT NOT NULL DEFAULT 0;         -- the last time
ALTER TABLE subscribers ADD COLUMN left_how TEXT NOT NULL DEFAULT '';         -- see db.LeftHow
ALTER TABLE subscribers ADD COLUMN left_why TEXT NOT NULL DEFAULT '';         -- as they say
ALTER TABLE subscribers ADD COLUMN left_all BIGINT NOT NULL DEFAULT 0;        -- 1: they left all of the organisation, and came back to none

ALTER TABLE consents ADD COLUMN act TEXT NOT NULL DEFAULT 'given';            -- given, confirmed, withdrawn: see db.ConsentAct
ALTER TABLE consents ADD COLUMN how TEXT NOT NULL DEFAULT '';                 -- of what was withdrawn: see db.LeftHow
ALTER TABLE consents ADD COLUMN page TEXT NOT NULL DEFAULT '';

ALTER TABLE wordings ADD COLUMN shown TEXT NOT NULL DEFAULT '';               -- JSON: db.Presentation; '' of those from before

-- Sign-ups that may be a robot's, until somebody decides.
CREATE TABLE holds (
  tenant_id     TEXT NOT NULL,
  id            TEXT NOT NULL,   -- UUIDv7
  subscriber_id TEXT NOT NULL,
  newsletter_id TEXT NOT NULL,
  sign_up       TEXT NOT NULL,   -- JSON: the sign-up, of somebody who was there already; '' of one that made the subscriber
  wording_id    TEXT NOT NULL,
  reasons       TEXT NOT NULL,   -- names of checks, by commas
  network       TEXT NOT NULL,   -- MAC of where it came from; '' where nobody knows, and once it is decided
  n             BIGINT NOT NULL, -- how many sign-ups it stands for
  at            BIGINT NOT NULL, -- the last one
  decided_at    BIGINT NOT NULL DEFAULT 0,
  decision      TEXT NOT NULL DEFAULT '', -- accepted, rejected, released, expired
  decided_by    TEXT NOT NULL DEFAULT '', -- id of the user; '' for nobody
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX holds_open ON holds (tenant_id, subscriber_id) WHERE decided_at = 0;
CREATE INDEX holds_by_subscriber ON holds (tenant_id, subscriber_id);
CREATE INDEX holds_undecided ON holds (tenant_id, id) WHERE decided_at = 0;

-- Mails that readers are to get.
CREATE TABLE reader_mails (
  tenant_id     TEXT NOT NULL,
  id            TEXT NOT NULL,   -- UUIDv7
  subscriber_id TEXT NOT NULL,
  kind          TEXT NOT NULL,   -- confirm
  state         TEXT NOT NULL DEFAULT 'queued', -- queued, sent, refused, dropped, expired
  created_at    BIGINT NOT NULL,
  due_at        BIGINT NOT NULL, -- not to be sent before
  lease_until   BIGINT NOT NULL DEFAULT 0, -- a process sends it until then
  attempts      BIGINT NOT NULL DEFAULT 0,
  ended_at      BIGINT NOT NULL DEFAULT 0,
  code          BIGINT NOT NULL DEFAULT 0, -- what the mail server answered last; 0 when it didn't
  detail        TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX reader_mails_due ON reader_mails (due_at) WHERE state = 'queued';
CREATE INDEX reader_mails_ended ON reader_mails (ended_at) WHERE state <> 'queued';
CREATE INDEX reader_mails_by_subscriber ON reader_mails (tenant_id, subscriber_id, id);

-- Links of confirmation mails.
CREATE TABLE confirmations (
  token_hash    TEXT PRIMARY KEY,
  tenant_id     TEXT NOT NULL,
  subscriber_id TEXT NOT NULL,
  mail_id       TEXT NOT NULL,
  made_at       BIGINT NOT NULL,
  expires_at    BIGINT NOT NULL,
  opened_at     BIGINT NOT NULL DEFAULT 0, -- first; perhaps by a scanner
  pressed_at    BIGINT NOT NULL DEFAULT 0, -- the button: this alone confirms
  FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX confirmations_by_subscriber ON confirmations (tenant_id, subscriber_id);
CREATE INDEX confirmations_by_age ON confirmations (expires_at);
CREATE INDEX confirmations_unpressed ON confirmations (expires_at) WHERE pressed_at = 0;

-- Who doesn't want mails, of those who aren't among the subscribers: a keyed MAC of the address alone.
CREATE TABLE suppressions (
  tenant_id     TEXT NOT NULL,
  mac           TEXT NOT NULL,
  newsletter_id TEXT NOT NULL,   -- '' for all of the tenant's
  since         BIGINT NOT NULL,
  how           TEXT NOT NULL,   -- see db.LeftHow
  PRIMARY KEY (tenant_id, mac, newsletter_id)
);

ALTER TABLE removals ADD COLUMN kind TEXT NOT NULL DEFAULT '';                -- '' of tests that were undone; expired, erased
ALTER TABLE removals ADD COLUMN imported BIGINT NOT NULL DEFAULT 0;           -- 1 of who came by an import

-- +goose Down
ALTER TABLE removals DROP COLUMN imported;
ALTER TABLE removals DROP COLUMN kind;
DROP TABLE suppressions;
DROP TABLE confirmations;
DROP TABLE reader_mails;
DROP TABLE holds;
ALTER TABLE wordings DROP COLUMN shown;
ALTER TABLE consents DROP COLUMN page;
ALTER TABLE consents DROP COLUMN how;
ALTER TABLE consents DROP COLUMN act;
ALTER TABLE subscribers DROP COLUMN left_all;
ALTER TABLE subscribers DROP COLUMN left_why;
ALTER TABLE subscribers DROP COLUMN left_how;
ALTER TABLE subscribers DROP COLUMN left_at;
ALTER TABLE subscribers DROP COLUMN confirmed_at;
ALTER TABLE subscribers DROP COLUMN page;
ALTER TABLE newsletters DROP COLUMN readers;
