-- +goose Up
-- Throttles slow down guessing. A key is a hash of what is slowed: an account, or
-- a network. A row that has expired counts for nothing. Rows without failures
-- remembered networks from which somebody logged in; now browsers are remembered.
ALTER TABLE brakes RENAME TO throttles;
DROP INDEX brakes_by_expiry;
CREATE INDEX throttles_by_expiry ON throttles (expires_at);
DELETE FROM throttles WHERE failures = 0;

-- A browser in which a user logged in, or set a password by a link of a mail. One
-- browser, so one secret, can have rows of several users.
CREATE TABLE devices (
  secret_hash TEXT NOT NULL,   -- of the device cookie's value
  user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  misses      BIGINT NOT NULL, -- wrong passwords since the last log-in there
  expires_at  BIGINT NOT NULL,
  PRIMARY KEY (secret_hash, user_id)
);
CREATE INDEX devices_by_user ON devices (user_id);
CREATE INDEX devices_by_expiry ON devices (expires_at);

-- +goose Down
DROP TABLE devices;
DROP INDEX throttles_by_expiry;
ALTER TABLE throttles RENAME TO brakes;
CREATE INDEX brakes_by_expiry ON brakes (expires_at);
