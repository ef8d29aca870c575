-- +goose Up
-- Throttles slow down guessing. A key is a hash of what is slowed: an account, or
-- a network. A row that has expired counts for nothing.
ALTER TABLE brakes RENAME TO throttles;
DROP INDEX brakes_by_expiry;
CREATE INDEX throttles_by_expiry ON throttles (expires_at);

-- +goose Down
DROP INDEX throttles_by_expiry;
ALTER TABLE throttles RENAME TO brakes;
CREATE INDEX brakes_by_expiry ON brakes (expires_at);
