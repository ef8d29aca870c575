-- Records in CRMs that are anonymised: removal_records.way may be 'anonymise', and record 'anonymised' or 'partly'.

-- +goose Up
ALTER TABLE removal_records ADD COLUMN kept TEXT NOT NULL DEFAULT ''; -- the CRM's fields that couldn't be emptied, by what people call them
ALTER TABLE removal_records ADD COLUMN ours BIGINT NOT NULL DEFAULT 0; -- 1: our write made the record, as far as was known when erasing was asked for

-- +goose Down
ALTER TABLE removal_records DROP COLUMN ours;
ALTER TABLE removal_records DROP COLUMN kept;
