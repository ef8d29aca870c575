-- Which of the CRM's own fields are filled with what, and what was written into them.

-- +goose Up

CREATE TABLE mappings (
  tenant_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
  newsletter_id  TEXT NOT NULL,   -- '' of the one that holds for all newsletters without one of their own
  mapping        TEXT NOT NULL,   -- JSON: see mapping.Mapping
  revision       BIGINT NOT NULL, -- goes up with each change, from 1
  changed_at     BIGINT NOT NULL,
  changed_by     TEXT NOT NULL,   -- id of the user
  PRIMARY KEY (destination_id, newsletter_id)
);

CREATE TABLE crm_schemas (
  destination_id TEXT PRIMARY KEY REFERENCES destinations (id) ON DELETE CASCADE,
  tenant_id      TEXT NOT NULL,
  org_id         TEXT NOT NULL,             -- whose fields they are
  fields         TEXT NOT NULL,             -- JSON: see crm.Schema
  read_at        BIGINT NOT NULL,
  lacking        BIGINT NOT NULL DEFAULT 0  -- 1: a new record was refused for want of a field that is required
);
CREATE INDEX crm_schemas_by_age ON crm_schemas (read_at);

-- Fields that nothing is written into until they are there again.
CREATE TABLE paused_fields (
  tenant_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
  field          TEXT NOT NULL,   -- its key in the CRM
  label          TEXT NOT NULL,
  code           TEXT NOT NULL,   -- why: see db/mappings.go, or the CRM's code
  since          BIGINT NOT NULL,
  PRIMARY KEY (destination_id, field)
);

ALTER TABLE deliveries ADD COLUMN written TEXT NOT NULL DEFAULT ''; -- JSON: what was last written of each field into record_id; '' for nothing

-- +goose Down
ALTER TABLE deliveries DROP COLUMN written;
DROP TABLE paused_fields;
DROP TABLE crm_schemas;
DROP TABLE mappings;
