-- How much a tenant may take up: confirmation mails in an hour, and sign-ups of its forms in a minute. And what was held
-- lately, of all tenants. PostgreSQL builds the index beside those who write meanwhile, which it can't within a
-- transaction: so each statement is one that may be run again.

-- only postgres
-- +goose NO TRANSACTION
-- both

-- +goose Up
-- only sqlite
CREATE INDEX holds_by_time ON holds (at);
ALTER TABLE tenants ADD COLUMN mails_per_hour BIGINT NOT NULL DEFAULT 0;       -- 0: db.MailsPerHour
ALTER TABLE tenants ADD COLUMN sign_ups_per_minute BIGINT NOT NULL DEFAULT 0;  -- 0: db.SignUpsPerMinute
ALTER TABLE reader_mails ADD COLUMN slot_at BIGINT NOT NULL DEFAULT 0;         -- from when on its tenant's limit lets it through, which counts it; 0: not counted yet
-- only postgres
DROP INDEX CONCURRENTLY IF EXISTS holds_by_time;
CREATE INDEX CONCURRENTLY holds_by_time ON holds (at);
ALTER TABLE tenants ADD COLUMN IF NOT EXISTS mails_per_hour BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN IF NOT EXISTS sign_ups_per_minute BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reader_mails ADD COLUMN IF NOT EXISTS slot_at BIGINT NOT NULL DEFAULT 0;
-- both

-- What is counted of a tenant's confirmation mails.
CREATE TABLE IF NOT EXISTS tenant_mails (
  tenant_id TEXT PRIMARY KEY,
  since     BIGINT NOT NULL, -- when the hour begins that the next mail is counted in; later than now while mails wait
  n         BIGINT NOT NULL, -- how many are counted in it
  spread    BIGINT NOT NULL  -- 1: they are spread over it, since they had to wait for it
);

-- +goose Down
-- Mails that wait for a slot are due: a release before knows of none.
UPDATE reader_mails SET due_at = created_at WHERE state = 'queued' AND attempts = 0;
DELETE FROM incidents WHERE kind = 'mails';
DROP TABLE IF EXISTS tenant_mails;
-- only sqlite
DROP INDEX holds_by_time;
ALTER TABLE reader_mails DROP COLUMN slot_at;
ALTER TABLE tenants DROP COLUMN sign_ups_per_minute;
ALTER TABLE tenants DROP COLUMN mails_per_hour;
-- only postgres
DROP INDEX CONCURRENTLY IF EXISTS holds_by_time;
ALTER TABLE reader_mails DROP COLUMN IF EXISTS slot_at;
ALTER TABLE tenants DROP COLUMN IF EXISTS sign_ups_per_minute;
ALTER TABLE tenants DROP COLUMN IF EXISTS mails_per_hour;
