-- What is written, and deleted again, to see whether anything can be.

-- +goose Up
CREATE TABLE write_probes (
  id     TEXT PRIMARY KEY,
  filler TEXT NOT NULL
);

-- +goose Down
DROP TABLE write_probes;
