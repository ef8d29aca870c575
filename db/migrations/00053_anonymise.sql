-- Records in CRMs that are anonymised: removal_records.way may be 'anonymise', and record 'anonymised' or 'partly'.

-- +goose Up
ALTER TABLE removal_records ADD COLUMN kept TEXT NOT NULL DEFAULT ''; -- the CRM's fields that couldn't be emptied, by what people call them
ALTER TABLE removal_records ADD COLUMN ours BIGINT NOT NULL DEFAULT 0; -- 1: our write made the record, as far as was known when erasing was asked for

-- +goose Down
UPDATE removal_records SET way = 'list' WHERE way = 'anonymise' AND ended_at = 0; -- the program before takes any other way for one to delete
ALTER TABLE removal_records DROP COLUMN ours;
ALTER TABLE removal_records DROP COLUMN kept;
