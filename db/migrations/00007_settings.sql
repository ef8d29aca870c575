-- How a tenant wants its sign-ups delivered.

-- +goose Up
CREATE TABLE delivery_settings (
  tenant_id TEXT PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  several   TEXT NOT NULL,  -- what to do with several matches: newest, attention
  share     BIGINT NOT NULL -- percent of the CRM's API calls from which on nothing is sent
);

-- +goose Down
DROP TABLE delivery_settings;
