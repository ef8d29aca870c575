-- Which app each authorization was made with, since another one can neither renew
-- nor revoke it, and a hash by which it is seen that two rows hold the same token.

-- +goose Up
ALTER TABLE identities ADD COLUMN client_id TEXT NOT NULL DEFAULT '';  -- '' until the first success: made before this was kept
ALTER TABLE identities ADD COLUMN token_hash TEXT NOT NULL DEFAULT ''; -- of what it is revoked by, '' as above
ALTER TABLE held_identities ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
ALTER TABLE held_identities ADD COLUMN token_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE handshakes ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
ALTER TABLE revocations ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
CREATE INDEX identities_by_token ON identities (token_hash) WHERE token_hash <> '';
CREATE INDEX held_identities_by_token ON held_identities (token_hash) WHERE token_hash <> '';
CREATE INDEX identities_troubled ON identities (tenant_id) WHERE broken_at > 0 OR failed_at > 0;

-- +goose Down
DROP INDEX identities_troubled;
DROP INDEX held_identities_by_token;
DROP INDEX identities_by_token;
ALTER TABLE revocations DROP COLUMN client_id;
ALTER TABLE handshakes DROP COLUMN client_id;
ALTER TABLE held_identities DROP COLUMN token_hash;
ALTER TABLE held_identities DROP COLUMN client_id;
ALTER TABLE identities DROP COLUMN token_hash;
ALTER TABLE identities DROP COLUMN client_id;
