-- How often in a row the CRM refused a subscriber for what passes, as a record that
-- somebody else has locked: after many of them somebody has to look.

-- +goose Up
ALTER TABLE subscribers ADD COLUMN refusals BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE subscribers DROP COLUMN refusals;
