-- What the last check-up of a tenant's CRM found.

-- +goose Up
CREATE TABLE checkups (
  tenant_id TEXT PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  org_id    TEXT NOT NULL, -- that was checked
  at        BIGINT NOT NULL,
  checks    TEXT NOT NULL  -- JSON
);

-- +goose Down
DROP TABLE checkups;
