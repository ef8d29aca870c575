-- Which record of the CRM our write made is kept by its id and not as a mark beside
-- whatever record_id says: a writer that doesn't know of it can't make another record ours.
-- The mark, made, stays unused, since without it SQLite would write all rows anew. What is
-- asked of it is whether a test can be undone with its record: so of tests it is taken along.
-- And of who left while a write was out for them is looked up what became of that. That a
-- record is to be deleted is written down before it is asked for, so that whoever was found
-- to have the record meanwhile gets another one. One that can't be deleted is put off, and
-- given up after many tries.

-- +goose Up
ALTER TABLE subscribers ADD COLUMN made_id TEXT NOT NULL DEFAULT ''; -- the record that the CRM said our write made
UPDATE subscribers SET made_id = record_id WHERE made = 1 AND source = 'test';
CREATE INDEX subscribers_unsettled ON subscribers (tenant_id, settles_at, id) WHERE state = 'left' AND sent_at > 0;
ALTER TABLE removals ADD COLUMN sent_at BIGINT NOT NULL DEFAULT 0; -- the record may be deleted since then, or is; 0: it isn't
ALTER TABLE removals ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;   -- how many failed for what this record has alone
ALTER TABLE removals ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;  -- not to be tried before
CREATE INDEX removals_by_record ON removals (record_id, org_id) WHERE sent_at > 0;

-- +goose Down
DROP INDEX removals_by_record;
ALTER TABLE removals DROP COLUMN due_at;
ALTER TABLE removals DROP COLUMN tries;
ALTER TABLE removals DROP COLUMN sent_at;
DROP INDEX subscribers_unsettled;
ALTER TABLE subscribers DROP COLUMN made_id;
