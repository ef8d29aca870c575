-- How much a tenant may take up: confirmation mails in an hour, and sign-ups of its forms in a minute. And what was held
-- lately, of all tenants.

-- +goose Up
ALTER TABLE tenants ADD COLUMN mails_per_hour BIGINT NOT NULL DEFAULT 0;       -- 0: db.MailsPerHour
ALTER TABLE tenants ADD COLUMN sign_ups_per_minute BIGINT NOT NULL DEFAULT 0;  -- 0: db.SignUpsPerMinute
ALTER TABLE reader_mails ADD COLUMN turn_at BIGINT NOT NULL DEFAULT 0;         -- from when on its tenant's limit lets it through, which counts it; 0: not counted yet

-- What is counted of a tenant's confirmation mails.
CREATE TABLE tenant_mails (
  tenant_id TEXT PRIMARY KEY,
  since     BIGINT NOT NULL, -- when the hour begins that the next mail is counted in; later than now while mails wait
  n         BIGINT NOT NULL, -- how many are counted in it
  spread    BIGINT NOT NULL  -- 1: they are spread over it, since they had to wait for it
);

CREATE INDEX holds_by_time ON holds (at);

-- +goose Down
DROP INDEX holds_by_time;
DROP TABLE tenant_mails;
ALTER TABLE reader_mails DROP COLUMN turn_at;
ALTER TABLE tenants DROP COLUMN sign_ups_per_minute;
ALTER TABLE tenants DROP COLUMN mails_per_hour;
