-- What an organisation sets for itself, and by whom; and which mails each of its members
-- wants. Processes of the release before go on with users.incident_mails, which holds
-- where a member has not chosen yet.

-- +goose Up
ALTER TABLE tenants ADD COLUMN city TEXT NOT NULL DEFAULT '';       -- by which the time zone was chosen, '' when it wasn't
ALTER TABLE tenants ADD COLUMN set_at BIGINT NOT NULL DEFAULT 0;    -- when its name or its time zone was set last
ALTER TABLE tenants ADD COLUMN set_by TEXT NOT NULL DEFAULT '';     -- the user who did, '' for the operator
ALTER TABLE tenants ADD COLUMN digest_at BIGINT NOT NULL DEFAULT 0; -- the morning up to which its daily mails were queued, or weren't needed
ALTER TABLE memberships ADD COLUMN mails TEXT NOT NULL DEFAULT '';  -- at_once, daily, never; '' when not chosen

-- +goose Down
ALTER TABLE memberships DROP COLUMN mails;
ALTER TABLE tenants DROP COLUMN digest_at;
ALTER TABLE tenants DROP COLUMN set_by;
ALTER TABLE tenants DROP COLUMN set_at;
ALTER TABLE tenants DROP COLUMN city;
