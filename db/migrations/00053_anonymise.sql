-- Records in CRMs that are anonymised: removal_records.way may be 'anonymise', and record 'anonymised' or 'partly'.

-- +goose Up
ALTER TABLE removal_records ADD COLUMN kept TEXT NOT NULL DEFAULT ''; -- the CRM's fields that couldn't be emptied, by what people call them

-- +goose Down
ALTER TABLE removal_records DROP COLUMN kept;
