-- What is written, and deleted again, to see whether anything can be; and how many
-- authorizations are under way.

-- +goose Up
CREATE TABLE write_probes (
  id     TEXT PRIMARY KEY,
  filler TEXT NOT NULL
);

CREATE INDEX handshakes_by_user ON handshakes (user_id, expires_at);

-- +goose Down
DROP INDEX handshakes_by_user;
DROP TABLE write_probes;
