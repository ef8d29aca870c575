-- A tenant that is removed is closed at once and wiped later. A public name of a
-- newsletter is never given to another tenant: readers' pages still point at it.

-- +goose Up
ALTER TABLE tenants ADD COLUMN closed_at BIGINT NOT NULL DEFAULT 0; -- 0: open. Since then nothing of it is shown, taken or sent
ALTER TABLE tenants ADD COLUMN wipe_at BIGINT NOT NULL DEFAULT 0;   -- when its data is deleted, once it is closed
CREATE INDEX tenants_closed ON tenants (wipe_at) WHERE closed_at > 0;

CREATE TABLE newsletter_slugs (
  slug      TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL -- whose it is, or was: no key to tenants, since it outlives them
);
INSERT INTO newsletter_slugs (slug, tenant_id) SELECT slug, tenant_id FROM newsletters;

-- +goose Down
DROP TABLE newsletter_slugs;
DROP INDEX tenants_closed;
ALTER TABLE tenants DROP COLUMN wipe_at;
ALTER TABLE tenants DROP COLUMN closed_at;
