-- The keys that have sealed rows of this database, and which one does now.

-- +goose Up
CREATE TABLE sealing_keys (
  id         BIGINT PRIMARY KEY,
  current    BIGINT NOT NULL,           -- 1 for the one that seals
  created_at BIGINT NOT NULL,           -- when it began to seal, 0 when that is not known
  retired_at BIGINT NOT NULL DEFAULT 0  -- when no row needed it any more
);
INSERT INTO sealing_keys (id, current, created_at)
  SELECT CAST(value AS BIGINT), 1, 0 FROM settings WHERE name = 'sealing_key';
DROP TABLE settings;
CREATE INDEX identities_by_key ON identities (key_id);
CREATE INDEX held_identities_by_key ON held_identities (key_id);
CREATE INDEX handshakes_by_key ON handshakes (key_id);
CREATE INDEX revocations_by_key ON revocations (key_id);

-- +goose Down
DROP INDEX revocations_by_key;
DROP INDEX handshakes_by_key;
DROP INDEX held_identities_by_key;
DROP INDEX identities_by_key;
CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
INSERT INTO settings (name, value) SELECT 'sealing_key', CAST(id AS TEXT) FROM sealing_keys WHERE current = 1;
DROP TABLE sealing_keys;
