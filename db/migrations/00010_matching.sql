-- How people are found in the CRM, what is done with those who are there, and how
-- many API calls we make.

-- +goose Up
ALTER TABLE delivery_settings ADD COLUMN one_match TEXT NOT NULL DEFAULT 'fill';        -- what to do with one match: fill, update, leave
ALTER TABLE delivery_settings ADD COLUMN leads BIGINT NOT NULL DEFAULT 0;               -- 1: look among leads too
ALTER TABLE delivery_settings ADD COLUMN key_field TEXT NOT NULL DEFAULT '';            -- unique field for the address
ALTER TABLE delivery_settings ADD COLUMN save_duplicates BIGINT NOT NULL DEFAULT 0;     -- 1: save what the CRM takes for a duplicate
ALTER TABLE subscribers ADD COLUMN match_id TEXT NOT NULL DEFAULT '';                   -- a record of the CRM that is in the way

CREATE TABLE api_calls (
  tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  hour      BIGINT NOT NULL, -- start of the UTC hour
  n         BIGINT NOT NULL, -- calls that we made
  PRIMARY KEY (tenant_id, hour)
);

-- +goose Down
DROP TABLE api_calls;
ALTER TABLE subscribers DROP COLUMN match_id;
ALTER TABLE delivery_settings DROP COLUMN save_duplicates;
ALTER TABLE delivery_settings DROP COLUMN key_field;
ALTER TABLE delivery_settings DROP COLUMN leads;
ALTER TABLE delivery_settings DROP COLUMN one_match;
