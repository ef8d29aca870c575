-- Services that the operator has defined, beside those that Gatepost knows.

-- +goose Up
CREATE TABLE services (
  id         TEXT PRIMARY KEY,
  definition TEXT NOT NULL, -- JSON
  set_at     BIGINT NOT NULL
);

-- +goose Down
DROP TABLE services;
