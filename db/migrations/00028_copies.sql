-- What keeps a database from being served: it is being copied to another one, was moved
-- there, or isn't whole yet. It has one row, or none. See copy.go.

-- +goose Up
CREATE TABLE database_copies (
  id    TEXT PRIMARY KEY, -- of the copy, the same in both databases
  state TEXT NOT NULL,    -- copying and moved where it comes from, incoming where it goes
  other TEXT NOT NULL,    -- the other database, without a password
  at    BIGINT NOT NULL   -- when it came into this state
);

-- +goose Down
DROP TABLE database_copies;
