-- Erasing people, here and in CRMs; and giving the bytes back that they stood in.

-- +goose Up

ALTER TABLE removals ADD COLUMN email_key TEXT NOT NULL DEFAULT ''; -- the address of somebody whose erasing is under way; '' once it has ended
ALTER TABLE removals ADD COLUMN mac TEXT NOT NULL DEFAULT '';       -- keyed digest of the address of somebody who was erased
ALTER TABLE removals ADD COLUMN why TEXT NOT NULL DEFAULT '';       -- as somebody gave it
ALTER TABLE removals ADD COLUMN told BIGINT NOT NULL DEFAULT 0;     -- 1: of who expired, that they had been on the list, by another address
CREATE INDEX removals_erasing ON removals (tenant_id, email_key) WHERE email_key <> '';
CREATE INDEX removals_by_kind ON removals (tenant_id, kind, asked_at) WHERE kind <> '';
CREATE INDEX removals_listed ON removals (tenant_id, asked_at, subscriber_id) WHERE kind IN ('erased', 'lapsed'); -- the order of their list

ALTER TABLE removal_records ADD COLUMN way TEXT NOT NULL DEFAULT 'delete';    -- what was asked for: delete, list
ALTER TABLE removal_records ADD COLUMN instance_url TEXT NOT NULL DEFAULT ''; -- of the org that has the record

-- For how long people are kept, in days; 0: for ever.
ALTER TABLE tenants ADD COLUMN keep_left BIGINT NOT NULL DEFAULT 0;      -- after they left
ALTER TABLE tenants ADD COLUMN keep_dismissed BIGINT NOT NULL DEFAULT 0; -- after every destination dismissed them

-- When somebody was last erased, and when the bytes were last taken away in which such people stood.
CREATE TABLE compactions (
  kind TEXT PRIMARY KEY, -- erased, truncated, compacted: see db/compact.go
  at   BIGINT NOT NULL
);

-- only sqlite
-- Who is erased goes from the index of the search at once, instead of with its next merge.
INSERT INTO search_index (search_index, rank) VALUES ('secure-delete', 1);
-- both

-- +goose Down
DROP TABLE compactions;
ALTER TABLE tenants DROP COLUMN keep_dismissed;
ALTER TABLE tenants DROP COLUMN keep_left;
ALTER TABLE removal_records DROP COLUMN instance_url;
ALTER TABLE removal_records DROP COLUMN way;
DROP INDEX removals_listed;
DROP INDEX removals_by_kind;
DROP INDEX removals_erasing;
ALTER TABLE removals DROP COLUMN told;
ALTER TABLE removals DROP COLUMN why;
ALTER TABLE removals DROP COLUMN mac;
ALTER TABLE removals DROP COLUMN email_key;
-- only sqlite
INSERT INTO search_index (search_index, rank) VALUES ('secure-delete', 0);
-- both
