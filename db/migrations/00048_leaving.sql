-- Who changed when, for programs that keep a copy of a newsletter's readers; and files of addresses
-- that are to leave. PostgreSQL builds the indexes beside those who write meanwhile, which it can't
-- within a transaction: so each statement is one that may be run again.

-- only postgres
-- +goose NO TRANSACTION
-- both

-- +goose Up

-- When somebody's state, address or name changed last, since they came; 0 for never. The database
-- keeps it, since an older process that changes somebody doesn't know of it. Who only came is in no
-- index for it: what a sign-up costs is the number of indexes that it changes.
-- only sqlite
ALTER TABLE subscribers ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX subscribers_by_change ON subscribers (tenant_id, changed_at, id) WHERE changed_at > 0;
CREATE INDEX removals_by_end ON removals (tenant_id, ended_at, subscriber_id) WHERE erased = 1;
-- +goose StatementBegin
CREATE TRIGGER subscriber_changed AFTER UPDATE OF state, email, first_name, last_name ON subscribers
  WHEN new.state <> old.state OR new.email <> old.email OR new.first_name <> old.first_name OR new.last_name <> old.last_name BEGIN
  UPDATE subscribers SET changed_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE tenant_id = new.tenant_id AND id = new.id;
END;
-- +goose StatementEnd
-- only postgres
ALTER TABLE subscribers ADD COLUMN IF NOT EXISTS changed_at BIGINT NOT NULL DEFAULT 0;
DROP INDEX CONCURRENTLY IF EXISTS subscribers_by_change;
CREATE INDEX CONCURRENTLY subscribers_by_change ON subscribers (tenant_id, changed_at, id) WHERE changed_at > 0;
DROP INDEX CONCURRENTLY IF EXISTS removals_by_end;
CREATE INDEX CONCURRENTLY removals_by_end ON removals (tenant_id, ended_at, subscriber_id) WHERE erased = 1;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION mark_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed_at := CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT);
  RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE OR REPLACE TRIGGER subscriber_changed BEFORE UPDATE OF state, email, first_name, last_name ON subscribers FOR EACH ROW
  WHEN (new.state <> old.state OR new.email <> old.email OR new.first_name <> old.first_name OR new.last_name <> old.last_name) EXECUTE FUNCTION mark_changed();
-- both

-- Files of addresses that are to leave, as they are worked off.
CREATE TABLE IF NOT EXISTS suppression_lists (
  tenant_id     TEXT NOT NULL,
  id            TEXT NOT NULL,   -- UUIDv7
  newsletter_id TEXT NOT NULL,   -- '' for all of the tenant's
  actor         TEXT NOT NULL,   -- id of the user
  total         BIGINT NOT NULL, -- addresses
  done          BIGINT NOT NULL DEFAULT 0,
  left_n        BIGINT NOT NULL DEFAULT 0, -- who were there, and left
  noted_n       BIGINT NOT NULL DEFAULT 0, -- who weren't there, and are noted
  known_n       BIGINT NOT NULL DEFAULT 0, -- who had left, or were noted, already
  unreadable    TEXT NOT NULL DEFAULT '[]', -- JSON: numbers of the first lines without an address
  unreadable_n  BIGINT NOT NULL DEFAULT 0,
  started_at    BIGINT NOT NULL,
  resume_at     BIGINT NOT NULL, -- from then on it was left lying
  ended_at      BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX IF NOT EXISTS suppression_lists_open ON suppression_lists (resume_at) WHERE ended_at = 0;

-- Their addresses, each until it has left.
CREATE TABLE IF NOT EXISTS suppression_lines (
  tenant_id TEXT NOT NULL,
  list_id   TEXT NOT NULL,
  n         BIGINT NOT NULL,
  email_key TEXT NOT NULL,
  mac       TEXT NOT NULL,
  PRIMARY KEY (tenant_id, list_id, n)
);

-- +goose Down
DROP TABLE IF EXISTS suppression_lines;
DROP TABLE IF EXISTS suppression_lists;
-- only sqlite
DROP TRIGGER subscriber_changed;
-- only postgres
DROP TRIGGER IF EXISTS subscriber_changed ON subscribers;
DROP FUNCTION IF EXISTS mark_changed;
-- both
DROP INDEX IF EXISTS removals_by_end;
DROP INDEX IF EXISTS subscribers_by_change;
ALTER TABLE subscribers DROP COLUMN changed_at;
