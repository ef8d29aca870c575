-- +goose Up

-- How far everybody was gone through for those whom the search doesn't know.
CREATE TABLE search_looks (
  one          INTEGER PRIMARY KEY, -- 1: there is one row
  after_tenant TEXT NOT NULL,       -- the last who was looked at, '' when nobody is gone through
  after_id     TEXT NOT NULL,
  ended_at     BIGINT NOT NULL      -- when all had been last; 0: never
);

-- +goose Down
DROP TABLE search_looks;
