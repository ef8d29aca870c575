-- How long access tokens live, when connections were used, and when they are to
-- be kept alive.

-- +goose Up
ALTER TABLE identities ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;    -- of the access token, 0: not known
ALTER TABLE identities ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;       -- to the minute, 0: not known
ALTER TABLE identities ADD COLUMN keep_alive_at BIGINT NOT NULL DEFAULT 0; -- to be renewed then at the latest
UPDATE identities SET keep_alive_at = refreshed_at + 432000000; -- 5 days
CREATE INDEX identities_by_keep_alive ON identities (keep_alive_at) WHERE broken_at = 0;
CREATE INDEX identities_by_call ON identities (call_started_at) WHERE call_started_at > 0;

-- +goose Down
DROP INDEX identities_by_call;
DROP INDEX identities_by_keep_alive;
ALTER TABLE identities DROP COLUMN keep_alive_at;
ALTER TABLE identities DROP COLUMN used_at;
ALTER TABLE identities DROP COLUMN expires_at;
