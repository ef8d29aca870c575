-- A repeated sign-up makes its delivery due again, and a row remembers what
-- Gatepost wrote into the CRM for want of a name. All columns have a constant
-- default, so that no row is rewritten.

-- +goose Up
ALTER TABLE subscribers ADD COLUMN repeated_at BIGINT NOT NULL DEFAULT 0; -- the last repeated sign-up
ALTER TABLE subscribers ADD COLUMN revision    BIGINT NOT NULL DEFAULT 0; -- goes up with each repeated sign-up
ALTER TABLE subscribers ADD COLUMN again_at    BIGINT NOT NULL DEFAULT 0; -- when the first of those sign-ups is due that came while it waited; 0 for none
ALTER TABLE subscribers ADD COLUMN waits_since BIGINT NOT NULL DEFAULT 0; -- from when on it waits, of who was sent back to wait; else 0: since created_at
ALTER TABLE subscribers ADD COLUMN placeholders TEXT;                     -- JSON: what we wrote for want of a name, by field; NULL: not known
ALTER TABLE consents ADD COLUMN replaced TEXT NOT NULL DEFAULT '';        -- JSON: the values that this sign-up replaced, by field; '' for none
ALTER TABLE delivery_settings ADD COLUMN placeholder TEXT NOT NULL DEFAULT 'NA'; -- the last name of who gave none

-- +goose Down
ALTER TABLE delivery_settings DROP COLUMN placeholder;
ALTER TABLE consents DROP COLUMN replaced;
ALTER TABLE subscribers DROP COLUMN placeholders;
ALTER TABLE subscribers DROP COLUMN waits_since;
ALTER TABLE subscribers DROP COLUMN again_at;
ALTER TABLE subscribers DROP COLUMN revision;
ALTER TABLE subscribers DROP COLUMN repeated_at;
